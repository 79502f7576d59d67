// SPDX-License-Identifier: GPL-2.0
/* Starting processes, hearing signals, and leaving nothing behind. */
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

/* The signal that asked cowguest to stop, or 0. */
int caught_signal;

static int sig_fd = -1;
static sigset_t old_mask;

/**
 * signals_setup - take signals through a file descriptor from now on
 *
 * Return: 0 or -errno.
 */
int signals_setup(void)
{
	sigset_t set;

	/* A parent that ignores SIGCHLD would take QEMU's exit status away. */
	signal(SIGCHLD, SIG_DFL);
	/* A reader of our progress that goes away is no reason to stop. */
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
 * signals_fd - the descriptor to poll for signals
 */
int signals_fd(void)
{
	return sig_fd;
}

/**
 * signals_read - take what signals are there
 *
 * The first that asks to stop is kept in caught_signal.
 *
 * Return: how many asked to stop.
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

	/* Should cowguest be killed with SIGKILL, its guest goes too. */
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
	/* execvp() would give what is no program of this machine to a shell. */
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
 * @tty: let it have cowguest's terminal instead of pipes
 *
 * Return: 0, or -errno where the program could not be executed.
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
	 * Room for a burst: a full pipe makes the emulated UART retry, which
	 * an icount guest would see as time.
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
 * child_has_ended - has the process ended (it is not reaped)?
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
 * child_end - kill a process with all its group, and reap it
 * @c: child
 *
 * The process is reaped last: until then its number, and so the group's,
 * cannot belong to anyone else.
 *
 * Return: the wait status; that of its own end where it had ended before.
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

/* Keep what fits, read the rest away. Return false at the end of file. */
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
 * run_capture - run a program to its end and keep what it prints
 * @argv: program and arguments
 * @limit_ms: kill it after this many milliseconds
 * @buf: both its outputs, as far as they fit
 * @size: size of @buf
 * @wstatus: its wait status
 *
 * Return: 0, -ETIMEDOUT, -EINTR where the user asked to stop, or -errno where
 * it could not be started.
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

		/* Asked before the last read, so that none is missed. */
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
		/* A closed pipe is always ready: do not spin on it. */
		if (poll(p, 3, 100) > 0 && (p[0].revents | p[1].revents) ==
		    POLLHUP)
			poll(&p[2], 1, 20);
	}
	*wstatus = child_end(&c);
	buf[len] = '\0';
	return ret;
}
