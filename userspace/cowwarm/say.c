// SPDX-License-Identifier: GPL-2.0
/*
 * Messages on standard error. Apart from a bad COWWARM_BUDGET nothing is said
 * without COWWARM_VERBOSE, and each reason once per process and its children.
 */
#include "cowwarm/warm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const reasons[] = {
	[NO_CALL] = "this kernel has no manual_cow(); doing nothing",
	[ONE_CPU] = "one CPU; doing nothing",
	[NO_WIPE] = "madvise(MADV_WIPEONFORK) fails; doing nothing",
	[NO_THREAD] = "no thread can be created; not helping",
	[NO_TABLE] = "close_range() fails; not helping",
	[NO_PROC] =
		"/proc/self/pagemap or maps cannot be opened (privileges given up, chroot, limits?); not helping",
	[NO_SCAN] = "ioctl(PAGEMAP_SCAN) fails; not helping",
	[NO_PIDFD] = "pidfd_open() fails; not helping for this child",
	[NO_MEMINFO] = "/proc/meminfo cannot be read; not helping",
	[NO_ROOM] = "too little memory is available; not helping",
	[TIGHT] =
		"memory is too tight to break all shared pages; helping with an eighth of what is left",
	[NO_BLOCKS] = "no memory for the list of blocks; helping with a part",
	[MANY_CHILDREN] =
		"too many children; the budget comes back when all have ended",
	[FAILED_CALL] = "manual_cow() fails; not helping for this child",
	[SECCOMP] = "a seccomp filter forbids what is needed; doing nothing",
	[IN_HANDLER] =
		"fork() in a signal handler, or that cannot be ruled out; not helping until the next one outside",
	[SKIPPED] =
		"some mappings hold pages that KSM merges or the program has given back (MADV_FREE); they are left alone",
};

/*
 * Where standard error is a pipe without a reader, the program must get neither
 * the signal nor an error.
 */
void say(const char *text)
{
	const struct timespec now = { 0 };
	sigset_t pipe, old, pending;
	int error = errno;
	bool was;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	was = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	if (write(STDERR_FILENO, text, strlen(text)) < 0 && errno == EPIPE &&
	    !was)
		sigtimedwait(&pipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
}

/**
 * say_why - say once why there is no help
 * @reason: the reason
 * @error: errno, or 0
 *
 * May be called in a signal handler.
 */
void say_why(enum reason reason, int error)
{
	static _Atomic uint32_t said;
	char text[256];
	char *end;

	if (!warm_verbose || atomic_fetch_or(&said, 1U << reason) >> reason & 1)
		return;
	end = stpcpy(stpcpy(text, "cowwarm: "), reasons[reason]);
	if (error) {
		const char *name = strerrorname_np(error);

		end = stpcpy(stpcpy(end, ": "), name ? name : "?");
	}
	stpcpy(end, "\n");
	say(text);
}
