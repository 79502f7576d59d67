// SPDX-License-Identifier: GPL-2.0
/* Watches a guest: its console, its progress, its silence. */
#include "cowguest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* How often limits are checked while the guest is silent. */
#define TICK_MS		250
#define PROGRESS	"cowlab: progress "
/* A panic ends QEMU at once (panic=-1); if it does not, wait this long. */
#define PANIC_MS	10000

/**
 * struct watch - the state of watching
 * @r: the run
 * @log: console.log
 * @channel: channel.tar's path
 * @line: the console's line so far
 * @len: its length
 * @no: number of lines seen
 * @channel_size: channel.tar's size at the last check
 * @start: when the guest was started
 * @heard: when it last produced output
 * @panicked: when it panicked, or 0
 * @first_at: when the first progress line came
 * @first: its number
 * @step_at: when the last progress line came
 * @step: the last progress line's number
 * @steps: number of all steps
 * @what: text of the last progress line
 * @tty: progress goes to a terminal
 * @drawn: when progress was last drawn
 */
struct watch {
	struct run *r;
	int log;
	char *channel;
	char line[4096];
	size_t len;
	unsigned long no;
	off_t channel_size;
	int64_t start;
	int64_t heard;
	int64_t panicked;
	int64_t first_at;
	int64_t step_at;
	unsigned int first;
	unsigned int step;
	unsigned int steps;
	char what[200];
	bool tty;
	int64_t drawn;
};

static void draw(struct watch *w)
{
	char gone[32], left[32], text[400];
	int64_t now = now_ms();
	struct winsize ws;
	int64_t rest;

	w->drawn = now;
	span(gone, sizeof(gone), now - w->start);
	if (w->step > w->first && w->steps >= w->step) {
		/* A progress line marks the beginning of its step. */
		rest = (w->step_at - w->first_at) / (w->step - w->first) *
		       (w->steps - w->step + 1) - (now - w->step_at);
		span(left, sizeof(left), rest > 0 ? rest : 0);
		snprintf(text, sizeof(text), "[%u/%u] %s  (%s, about %s left)",
			 w->step, w->steps, w->what, gone, left);
	} else if (w->steps) {
		snprintf(text, sizeof(text), "[%u/%u] %s  (%s)", w->step,
			 w->steps, w->what, gone);
	} else {
		snprintf(text, sizeof(text), "the guest boots  (%s)", gone);
	}
	if (!w->tty) {
		printf("%s\n", text);
	} else {
		if (!ioctl(1, TIOCGWINSZ, &ws) && ws.ws_col > 1 &&
		    ws.ws_col <= sizeof(text))
			text[ws.ws_col - 1] = '\0';
		printf("\r%s\033[K", text);
	}
	fflush(stdout);
}

static void undraw(struct watch *w)
{
	if (!w->tty)
		return;
	fputs("\r\033[K", stdout);
	fflush(stdout);
}

static bool progress_line(struct watch *w, const char *line)
{
	unsigned int step, steps;
	int n = 0;

	if (strncmp(line, PROGRESS, strlen(PROGRESS)))
		return false;
	line += strlen(PROGRESS);
	if (sscanf(line, "%9u/%9u %n", &step, &steps, &n) != 2 || !n)
		return false;
	w->step_at = now_ms();
	if (!w->steps) {
		w->first_at = w->step_at;
		w->first = step;
	}
	w->step = step;
	w->steps = steps;
	snprintf(w->what, sizeof(w->what), "%s", line + n);
	printable(w->what);
	draw(w);
	return true;
}

static void end_line(struct watch *w)
{
	while (w->len && w->line[w->len - 1] == '\r')
		w->len--;
	w->line[w->len] = '\0';
	w->len = 0;
	w->no++;
	findings_line(&w->r->found, NAME_CONSOLE, w->no, w->line);
	if (w->r->found.panic && !w->panicked)
		w->panicked = now_ms();
	printable(w->line);
	if (w->line[0])
		snprintf(w->r->last, sizeof(w->r->last), "%.*s",
			 (int)sizeof(w->r->last) - 1, w->line);
	if (progress_line(w, w->line))
		return;
	if (w->r->o->verbose) {
		undraw(w);
		printf("%s\n", w->line);
		fflush(stdout);
	}
}

static void disk_error(struct watch *w, int err)
{
	if (w->r->ending == END_RUNNING || w->r->ending == END_EXITED)
		w->r->ending = END_NO_DISK;
	if (!w->r->disk_errno)
		w->r->disk_errno = err;
}

static void read_console(struct watch *w, int fd)
{
	char buf[65536];
	ssize_t n, i;
	int err;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		w->heard = now_ms();
		if (!w->r->disk_errno) {
			err = write_all(w->log, buf, n);
			if (err)
				disk_error(w, -err);
		}
		for (i = 0; i < n; i++) {
			if (buf[i] == '\n') {
				end_line(w);
				continue;
			}
			/* A NUL would hide the rest of the line. */
			w->line[w->len++] = buf[i] ? buf[i] : '?';
			if (w->len == sizeof(w->line) - 1)
				end_line(w);
		}
	}
}

/* Keep the end of QEMU's standard error: the reason is at the end. */
static void read_errors(struct run *r, int fd)
{
	const size_t max = sizeof(r->qemu_err) - 1;
	size_t len = strlen(r->qemu_err);
	char buf[2048];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (len + n > max) {
			size_t drop = len + n - max;

			memmove(r->qemu_err, r->qemu_err + drop, len - drop);
			len -= drop;
		}
		memcpy(r->qemu_err + len, buf, n);
		len += n;
		r->qemu_err[len] = '\0';
	}
}

static void look_around(struct watch *w)
{
	const struct opts *o = w->r->o;
	int64_t now = now_ms();
	struct stat st;

	if (!stat(w->channel, &st) && st.st_size != w->channel_size) {
		w->channel_size = st.st_size;
		w->heard = now;
	}
	/* QEMU retries a write to a full disk forever. */
	if (disk_is_full(o->out))
		disk_error(w, ENOSPC);
	else if (w->panicked && now - w->panicked > PANIC_MS &&
		 now - w->heard > PANIC_MS)
		w->r->ending = END_PANIC;
	else if (o->timeout && now - w->start > o->timeout * 1000LL)
		w->r->ending = END_TIMEOUT;
	else if (o->stall && now - w->heard > o->stall * 1000LL)
		w->r->ending = END_STALL;
}

static void watch_loop(struct watch *w, struct child *c)
{
	struct run *r = w->r;

	while (r->ending == END_RUNNING) {
		struct pollfd p[3] = {
			{ .fd = signals_fd(), .events = POLLIN },
			{ .fd = c->out, .events = POLLIN },
			{ .fd = c->err, .events = POLLIN },
		};
		bool ended;

		if (poll(p, 3, TICK_MS) > 0 &&
		    (p[0].revents | p[1].revents | p[2].revents) == POLLHUP)
			/* Closed pipes are always ready: do not spin on them. */
			poll(p, 1, 50);
		/* Check before the reads, so that no output is missed. */
		ended = child_has_ended(c);
		read_console(w, c->out);
		read_errors(r, c->err);
		if (signals_read())
			r->ending = END_SIGNAL;
		else if (ended && r->ending == END_RUNNING)
			r->ending = END_EXITED;
		else if (r->ending == END_RUNNING)
			look_around(w);
		if (w->tty && now_ms() - w->drawn >= 1000)
			draw(w);
	}
}

/* The guest has the terminal: only wait for its end. */
static int watch_shell(struct run *r, const struct strvec *cmd)
{
	struct termios saved;
	bool tty = !tcgetattr(0, &saved);
	struct child c;
	int err;

	err = child_start(&c, cmd->v, true);
	if (err)
		return err;
	say("Ctrl-A x ends the guest, Ctrl-A h shows more");
	for (;;) {
		struct pollfd p = { .fd = signals_fd(), .events = POLLIN };

		poll(&p, 1, 1000);
		if (child_has_ended(&c))
			break;
		signals_read();
		/* Until QEMU has set the terminal raw, Ctrl-C reaches cowguest. */
		if (caught_signal && caught_signal != SIGINT) {
			r->ending = END_SIGNAL;
			break;
		}
		caught_signal = 0;
	}
	r->wstatus = child_end(&c);
	if (r->ending == END_RUNNING)
		r->ending = END_EXITED;
	if (tty)
		tcsetattr(0, TCSANOW, &saved);
	return 0;
}

/**
 * watch_guest - start QEMU and watch it until it ends or must be killed
 * @r: the run; filled in
 * @cmd: QEMU's command line
 *
 * Return: 0, or -errno if QEMU could not be executed or, with @r->disk_errno
 * set, if DIR cannot be written.
 */
int watch_guest(struct run *r, const struct strvec *cmd)
{
	struct watch w = { .r = r, .log = -1 };
	struct child c;
	char *path;
	int err;

	if (r->o->shell)
		return watch_shell(r, cmd);

	path = xasprintf("%s/" NAME_CONSOLE, r->o->out);
	w.log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	free(path);
	if (w.log < 0) {
		r->disk_errno = errno;
		/* cppcheck-suppress memleak ; there is no file to close */
		return -errno;
	}
	w.channel = xasprintf("%s/" NAME_CHANNEL, r->o->out);
	w.tty = isatty(1);
	w.start = now_ms();
	w.heard = w.start;
	err = child_start(&c, cmd->v, false);
	if (!err) {
		watch_loop(&w, &c);
		/* Afterwards no writer is left, but data may be. */
		kill(-c.pid, SIGKILL);
		read_console(&w, c.out);
		read_errors(r, c.err);
		if (w.len)
			end_line(&w);
		r->wstatus = child_end(&c);
		undraw(&w);
	}
	if (close(w.log) && !err && !r->disk_errno)
		disk_error(&w, errno);
	free(w.channel);
	return err;
}
