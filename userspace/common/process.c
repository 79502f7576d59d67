// SPDX-License-Identifier: GPL-2.0
/* Children: one that ends with its parent, one that only holds pages. */
#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"

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
