// SPDX-License-Identifier: GPL-2.0
/* Unpacks the results of a guest that has ended, and tells how it ended. */
#include "cowguest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Read and remove the closing word in DIR. Return false if there is none. */
static bool closing_word(const char *dir, char *buf, size_t size)
{
	char *path = xasprintf("%s/" NAME_WORD, dir);
	bool found = false;
	ssize_t n = 0;
	int fd;

	/* An earlier file may be a link to a file of the host. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
		found = n > 0;
	}
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
	printable(buf);
	unlink(path);
	free(path);
	return found;
}

/* The memory to suggest when @mem was too little: twice that, at least 2G. */
static unsigned long more_gib(const char *mem)
{
	unsigned long mib = strtoul(mem, NULL, 10);

	if (strchr(mem, 'G'))
		mib *= 1024;
	return mib > 1024 ? (2 * mib + 1023) / 1024 : 2;
}

static void more_memory(const struct run *r)
{
	if (r->found.no_mem)
		say("the guest had too little memory (%s): give the guest more: MEM=%luG (now %s)",
		    r->found.no_mem, more_gib(r->o->mem), r->o->mem);
}

/* Print the end of QEMU's standard error, if there is any. */
static void qemu_words(struct run *r)
{
	char *line, *save;

	line = strtok_r(r->qemu_err, "\r\n", &save);
	for (; line; line = strtok_r(NULL, "\r\n", &save)) {
		printable(line);
		say("QEMU said: %s", line);
	}
}

/* Print where the bad lines are: an oops before a panic names its cause. */
static void bad_lines(const struct run *r)
{
	const struct findings *f = &r->found;

	if (f->n_bad)
		say("%lu bad line%s in the guest's log, the first in %s/%s, line %lu: %s",
		    f->n_bad, f->n_bad == 1 ? "" : "s", r->o->out,
		    f->first_file, f->first_line,
		    f->lines.n ? f->lines.v[0] : "");
}

static void partial(const struct run *r, enum results res)
{
	const char *dir = r->o->out;

	if (res == RES_GOOD)
		say("partial results kept in %s", dir);
	else if (res == RES_NONE)
		say("the guest had sent no results; its console is in %s/" NAME_CONSOLE,
		    dir);
	else
		say("partial results kept in %s; the last are truncated; %s/" NAME_CHANNEL
		    " holds all that arrived", dir, dir);
}

/**
 * cannot_write - report that DIR cannot be written, and how much space is free
 * @dir: DIR; if it does not exist, its file system is taken to be that of `.`
 * @err: the error of the write
 *
 * Return: ST_NO_DISK.
 */
enum status cannot_write(const char *dir, int err)
{
	char room[32];

	free_space(room, sizeof(room), access(dir, F_OK) ? "." : dir);
	say("cannot write %s: %s (%s free): free some space or choose another --out",
	    dir, strerror(err), room);
	return ST_NO_DISK;
}

/* How QEMU itself ended; false if its exit status is 0. */
static bool qemu_failed(const struct run *r)
{
	const char *last = *r->last ? r->last : "none";
	int ws = r->wstatus;

	if (WIFSIGNALED(ws))
		say("QEMU was killed by signal %d (%s)%s; last line: %s",
		    WTERMSIG(ws), strsignal(WTERMSIG(ws)),
		    WTERMSIG(ws) == SIGKILL ?
		    ": was the host out of memory? see dmesg" : "", last);
	else if (WEXITSTATUS(ws))
		say("QEMU ended with exit status %d; last line: %s",
		    WEXITSTATUS(ws), last);
	return ws != 0;
}

/* The plugin of --clock memory ends QEMU with a line that says all. */
static bool model_words(struct run *r)
{
	char *line = r->o->memory ? strstr(r->qemu_err, "cowmem: ") : NULL;

	if (!line)
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	printable(line);
	say("%s", line);
	return true;
}

static enum status died(struct run *r, enum results res)
{
	bool failed;

	if (model_words(r))
		return ST_NO_WORD;
	failed = qemu_failed(r);
	if (!failed && !*r->last)
		say("the guest ended without any console output: is %s a kernel for x86-64, and is %s of memory enough? give the guest more: MEM=%luG",
		    r->o->kernel, r->o->mem, more_gib(r->o->mem));
	else if (!failed)
		say("the guest powered off or reset without its closing word: look at the end of %s/"
		    NAME_CONSOLE "; last line: %s", r->o->out, r->last);
	qemu_words(r);
	more_memory(r);
	bad_lines(r);
	partial(r, res);
	return ST_NO_WORD;
}

static enum status hung(struct run *r, enum results res)
{
	const struct opts *o = r->o;

	if (r->ending == END_TIMEOUT)
		say("the guest was not done after %u s and was killed; last line: %s",
		    o->timeout, *r->last ? r->last : "none");
	else
		say("the guest hung: no output for %u s, it was killed; last line: %s",
		    o->stall, *r->last ? r->last : "none");
	say("look at %s/" NAME_CONSOLE "; if the guest was only slow: --slow, or a longer --%s",
	    o->out, r->ending == END_TIMEOUT ? "timeout" : "stall");
	qemu_words(r);
	more_memory(r);
	bad_lines(r);
	partial(r, res);
	return ST_HANG;
}

static enum status panicked(struct run *r, enum results res)
{
	const struct findings *f = &r->found;

	say("the guest %s: %s", f->panic ? "panicked" : "had an oops",
	    f->panic ? f->panic : f->oops);
	if (f->panic && f->oops)
		say("before that: %s", f->oops);
	more_memory(r);
	/* The first bad line may be an earlier one. */
	if (f->n_bad && (!f->panic || strcmp(f->lines.v[0], f->panic)) &&
	    (!f->oops || strcmp(f->lines.v[0], f->oops)))
		bad_lines(r);
	partial(r, res);
	return ST_PANIC;
}

/* After --shell: the user saw the console, so say only what is missing. */
static enum status shell_verdict(struct run *r)
{
	enum results res = RES_NONE;

	if (r->ending == END_SIGNAL)
		return 128 + caught_signal;
	if (r->o->out) {
		res = results_unpack(r->o->out);
		if (res == RES_NO_DISK)
			return cannot_write(r->o->out, ENOSPC);
		if (res == RES_TRUNCATED) {
			say("results truncated: %s/" NAME_CHANNEL " is kept",
			    r->o->out);
			return ST_TRUNCATED;
		}
	}
	return qemu_failed(r) ? ST_NO_WORD : ST_DONE;
}

/**
 * verdict - unpack the results and report how the guest ended
 * @r: the run, after watch_guest()
 * @since: start of the run, as a file time of DIR
 * @took_ms: duration of the run in milliseconds
 *
 * Return: the exit status of cowguest.
 */
enum status verdict(struct run *r, const struct timespec *since,
		    int64_t took_ms)
{
	const char *dir = r->o->out;
	struct findings *f = &r->found;
	char word[1024] = "", took[32];
	enum results res;
	bool has_word;
	int logs;

	if (r->o->shell)
		return shell_verdict(r);

	res = results_unpack(dir);
	has_word = closing_word(dir, word, sizeof(word));
	logs = findings_tree(f, dir, since);

	/* The signal may have come while the results were unpacked. */
	if (r->ending == END_SIGNAL || caught_signal) {
		say("stopped by %s; QEMU was killed", strsignal(caught_signal));
		partial(r, res);
		return 128 + caught_signal;
	}
	if (r->ending == END_NO_DISK) {
		cannot_write(dir, r->disk_errno);
		partial(r, res);
		return ST_NO_DISK;
	}
	if (res == RES_NO_DISK) {
		cannot_write(dir, ENOSPC);
		say("the results could not be unpacked; they are in %s/" NAME_CHANNEL,
		    dir);
		return ST_NO_DISK;
	}
	/* An oops in a guest that reached its closing word is a dirty log. */
	if (f->panic || (f->oops && !has_word))
		return panicked(r, res);
	if (r->ending == END_STALL || r->ending == END_TIMEOUT)
		return hung(r, res);
	if (r->wstatus)
		return died(r, res);
	if (res == RES_TRUNCATED) {
		say("results truncated: %s/" NAME_CHANNEL
		    " cannot be unpacked to its end and is kept; run again", dir);
		more_memory(r);
		bad_lines(r);
		partial(r, res);
		return ST_TRUNCATED;
	}
	if (!has_word)
		return died(r, res);
	if (strcmp(word, "done")) {
		const char *p = word;

		if (!strncmp(p, "failed:", 7))
			p += 7;
		p += strspn(p, " ");
		say("the guest's jobs failed: %s", *p ? p : "no reason given");
		more_memory(r);
		bad_lines(r);
		partial(r, res);
		return ST_FAILED;
	}
	if (f->n_bad) {
		say("the guest's log is not clean: %lu line%s, the first in %s/%s, line %lu: %s",
		    f->n_bad, f->n_bad == 1 ? "" : "s", dir, f->first_file,
		    f->first_line, f->lines.v[0]);
		say("results kept in %s; permit expected lines with --allow REGEX",
		    dir);
		return ST_DIRTY_LOG;
	}
	if (!logs)
		say("note: the results have no " NAME_DMESG
		    ": only the console was searched for warnings");
	printf("the guest is done after %s; results in %s\n",
	       span(took, sizeof(took), took_ms), dir);
	return ST_DONE;
}
