// SPDX-License-Identifier: GPL-2.0
/*
 * Children: one that ends with its parent, one that only holds pages. A guardian,
 * which cleans up. The signals that end a program.
 */
#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"

/**
 * signals_open - have the signals that end a program come through a descriptor
 *
 * SIGINT, SIGTERM and SIGHUP are blocked from then on, in this thread and those that
 * it starts.
 *
 * Return: a signalfd, or -1 and errno.
 */
int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/**
 * process_faults - the minor faults that a process has taken, or exit
 * @pid: the process
 *
 * Return: the tenth field of its stat.
 */
uint64_t process_faults(pid_t pid)
{
	char path[64], text[1024];
	uint64_t faults;
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		die("cannot read %s", path);
	/* The name, in brackets, may hold anything. */
	p = strrchr(text, ')');
	if (!p ||
	    sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %lu", &faults) != 1)
		die("%s is not as expected", path);
	return faults;
}

/**
 * fork_tied - fork a child that is killed when its parent ends, or exit
 *
 * Return: as fork(), without the error.
 */
pid_t fork_tied(void)
{
	const pid_t self = getpid();
	pid_t child = fork();

	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self)
		_exit(1);
	return 0;
}

/**
 * wait_child - wait until a child has ended, exit if it failed
 * @child: the child
 */
void wait_child(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			die("cannot wait for a child: %s", strerror(errno));
	}
	if (status)
		die("a child failed (status %#x)", status);
}

/**
 * holder_start - fork a child that waits for its end
 * @holder: the result
 *
 * The child runs no code of its own before it waits: what the parent writes
 * meanwhile is copy-on-write.
 */
void holder_start(struct holder *holder)
{
	int fds[2];
	char byte;

	if (pipe2(fds, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	holder->fork_ns = now_ns();
	holder->pid = fork();
	if (!holder->pid) {
		close(fds[1]);
		_exit(read(fds[0], &byte, 1) != 0);
	}
	holder->fork_ns = now_ns() - holder->fork_ns;
	if (holder->pid < 0)
		die("cannot fork: %s", strerror(errno));
	close(fds[0]);
	holder->release = fds[1];
}

/**
 * holder_end - end the child, exit if it failed
 * @holder: the holder
 */
void holder_end(const struct holder *holder)
{
	close(holder->release);
	wait_child(holder->pid);
}

/* What a guardian is told; at the end of file it cleans up, too. */
enum { CLEAN_UP = 'c', DISMISSED = 'd' };

/* The next byte, or 0 when the other side is closed. */
static char receive(int fd)
{
	ssize_t n;
	char byte;

	do
		n = recv(fd, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1 ? byte : 0;
}

/**
 * guardian_start - start a process that cleans up when this one has ended
 * @guardian: the result
 * @clean: what it does, once; also after die() and SIGKILL
 * @arg: handed on
 *
 * It is not a child: who waits for children does not see it.
 */
void guardian_start(struct guardian *guardian, void (*clean)(void *arg),
		    void *arg)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	int fds[2], null;
	pid_t child;
	size_t i;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		die("cannot make a pair of sockets: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (child) {
		close(fds[1]);
		guardian->fd = fds[0];
		wait_child(child);
		return;
	}
	child = fork();
	if (child)
		_exit(child < 0);
	close(fds[0]);
	for (i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	/* Who reads the output of the other must not wait for this one. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (receive(fds[1]) != DISMISSED)
		clean(arg);
	_exit(0);
}

/* Tell it, and wait until it has ended. The first word counts. */
static void tell(const struct guardian *guardian, char word)
{
	while (send(guardian->fd, &word, 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	receive(guardian->fd);
}

/**
 * guardian_end - have it clean up now, and wait until it has
 * @guardian: the guardian; it may have ended
 *
 * Context: Any, also a signal handler.
 */
void guardian_end(const struct guardian *guardian)
{
	tell(guardian, CLEAN_UP);
}

/**
 * guardian_dismiss - there is nothing to clean up
 * @guardian: the guardian; it may have ended
 */
void guardian_dismiss(const struct guardian *guardian)
{
	tell(guardian, DISMISSED);
}
