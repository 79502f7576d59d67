// SPDX-License-Identifier: GPL-2.0
/* Starts and ends processes, and receives signals. */
#include "cowguest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first signal that asked cowguest to stop, or 0. */
int caught_signal;

static int sig_fd = -1;
static sigset_t old_mask;

/**
 * signals_setup - receive signals through a file descriptor from now on
 *
 * Return: 0 or -errno.
 */
int signals_setup(void)
{
	sigset_t set;

	/* If the parent ignored SIGCHLD, QEMU's exit status would be lost. */
	signal(SIGCHLD, SIG_DFL);
	/* Go on when the reader of the progress lines exits. */
	signal(SIGPIPE, SIG_IGN);

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, &old_mask))
		return -errno;
	sig_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return sig_fd < 0 ? -errno : 0;
}

/**
 * signals_fd - get the descriptor to poll for signals
 *
 * Return: the descriptor, after signals_setup().
 */
int signals_fd(void)
{
	return sig_fd;
}

/**
 * signals_read - read the pending signals, without waiting
 *
 * Keeps the first that asks to stop in caught_signal.
 *
 * Return: the number of signals that ask to stop.
 */
int signals_read(void)
{
	struct signalfd_siginfo si;
	int n = 0;

	while (read(sig_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		if (!caught_signal)
			caught_signal = si.ssi_signo;
		n++;
	}
	return n;
}

static void close_pair(int p[2])
{
	if (p[0] >= 0)
		close(p[0]);
	if (p[1] >= 0)
		close(p[1]);
}

static void exec_child(char *const argv[], bool tty, pid_t parent,
		       const int out[2], const int err[2], int report)
{
	int e, null;

	/* If cowguest is killed with SIGKILL, its guest is killed too. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (!tty) {
		setpgid(0, 0);
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 ||
		    dup2(err[1], 2) < 0)
			goto fail;
	}
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	/* execvp() would run a file of an unknown format with a shell. */
	if (strchr(argv[0], '/'))
		execv(argv[0], argv);
	else
		execvp(argv[0], argv);
fail:
	e = errno;
	if (write(report, &e, sizeof(e)) < 0)
		_exit(126);
	_exit(127);
}

/**
 * child_start - start a process
 * @c: filled in
 * @argv: program and arguments
 * @tty: the process gets cowguest's terminal instead of pipes
 *
 * Return: 0, or -errno if the program could not be executed.
 */
int child_start(struct child *c, char *const argv[], bool tty)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, report[2] = { -1, -1 };
	pid_t parent = getpid();
	int e = 0;

	fflush(NULL);
	if (pipe2(report, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC))
		goto fail;
	/*
	 * 1 MiB for bursts: a full pipe makes the emulated UART retry, which
	 * takes time that a guest under icount sees.
	 */
	fcntl(out[1], F_SETPIPE_SZ, 1 << 20);

	c->pid = fork();
	if (c->pid < 0)
		goto fail;
	if (!c->pid)
		exec_child(argv, tty, parent, out, err, report[1]);
	if (!tty)
		setpgid(c->pid, c->pid);
	close(report[1]);
	report[1] = -1;
	while (read(report[0], &e, sizeof(e)) < 0 && errno == EINTR)
		;
	if (e) {
		waitpid(c->pid, NULL, 0);
		errno = e;
		goto fail;
	}
	close(report[0]);
	close(out[1]);
	close(err[1]);
	c->out = out[0];
	c->err = err[0];
	c->tty = tty;
	fcntl(c->out, F_SETFL, O_NONBLOCK);
	fcntl(c->err, F_SETFL, O_NONBLOCK);
	return 0;

fail:
	e = errno;
	close_pair(out);
	close_pair(err);
	close_pair(report);
	return -e;
}

/**
 * child_has_ended - has the process ended? Does not reap it
 * @c: child
 */
bool child_has_ended(const struct child *c)
{
	siginfo_t si = { 0 };

	if (waitid(P_PID, c->pid, &si, WEXITED | WNOHANG | WNOWAIT))
		return true;
	return si.si_pid == c->pid;
}

/**
 * child_end - kill a process and its group, and reap it
 * @c: child
 *
 * The process is reaped last: until then no other process can have its ID, or
 * the group's.
 *
 * Return: the wait status; that of its own end if it had already ended.
 */
int child_end(struct child *c)
{
	int status = 0;

	if (c->tty)
		kill(c->pid, SIGKILL);
	else
		kill(-c->pid, SIGKILL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(c->out);
	close(c->err);
	return status;
}

/* Keep what fits and discard the rest. Return false at end of file. */
static bool drain(int fd, char *buf, size_t size, size_t *len)
{
	char tmp[4096];
	ssize_t n;

	while ((n = read(fd, tmp, sizeof(tmp))) > 0) {
		size_t room = size - 1 - *len;
		size_t take = (size_t)n < room ? (size_t)n : room;

		memcpy(buf + *len, tmp, take);
		*len += take;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/**
 * run_capture - run a program to its end and keep its output
 * @argv: program and arguments
 * @limit_ms: kill it after this many milliseconds
 * @buf: filled with its standard output and error, as far as they fit
 * @size: size of @buf
 * @wstatus: its wait status
 *
 * Return: 0, -ETIMEDOUT, -EINTR if a signal asked to stop, or -errno if the
 * program could not be started.
 */
int run_capture(char *const argv[], int64_t limit_ms, char *buf, size_t size,
		int *wstatus)
{
	int64_t end = now_ms() + limit_ms;
	struct child c;
	size_t len = 0;
	int ret;

	buf[0] = '\0';
	ret = child_start(&c, argv, false);
	if (ret)
		return ret;
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = c.out, .events = POLLIN },
			{ .fd = c.err, .events = POLLIN },
			{ .fd = sig_fd, .events = POLLIN },
		};
		bool ended;

		/* Check before the last read, so that no output is missed. */
		ended = child_has_ended(&c);
		drain(c.out, buf, size, &len);
		drain(c.err, buf, size, &len);
		if (ended)
			break;
		if (signals_read()) {
			ret = -EINTR;
			break;
		}
		if (now_ms() >= end) {
			ret = -ETIMEDOUT;
			break;
		}
		/* Closed pipes are always ready: do not spin on them. */
		if (poll(p, 3, 100) > 0 && (p[0].revents | p[1].revents) ==
		    POLLHUP)
			poll(&p[2], 1, 20);
	}
	*wstatus = child_end(&c);
	buf[len] = '\0';
	return ret;
}
