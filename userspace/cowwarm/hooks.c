// SPDX-License-Identifier: GPL-2.0
/*
 * cowwarm.so - break copy-on-write after a program's fork(), beside it
 *
 *	LD_PRELOAD=cowwarm.so COWWARM_BUDGET=512M redis-server ...
 *
 * After fork() the parent's first write to each page takes a fault, for as long
 * as the child lives. A thread in the parent, the warmer, takes over this work: it
 * walks the writable private anonymous memory and breaks copy-on-write with
 * manual_cow() on each page that is still shared, until the child exits or calls
 * exec(), or the budget is spent. The program is not changed and only gains a
 * thread while it has a child.
 *
 * Memory. A broken page costs one page for as long as a child lives. All pages
 * broken since the program last had no child count against COWWARM_BUDGET, and
 * are counted before they are broken. The memory that the machine and the cgroups
 * have left is a further limit (limits.c).
 *
 * vfork() and posix_spawn() share memory with their child: nothing to do.
 * clone() without CLONE_VM, which programs do not call to fork, is not seen.
 * With one CPU, or on a kernel without manual_cow(), nothing happens at all.
 *
 * This file has the functions that stand before the C library's.
 */
#include "cowwarm/warm.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pty.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#define DEFAULT_BUDGET (64UL << 20)
#define DEFAULT_COLLAPSE_MS 500
#define MAX_COLLAPSE_MS 60000
/* Where the descriptor that is kept goes, out of the program's way. */
#define HELD_FD 200

/* Whole pages, for the kernel to clear in a child. */
static union {
	struct warm warm;
	char bytes[(sizeof(struct warm) / PAGE_BYTES + 1) * PAGE_BYTES];
} state __attribute__((aligned(4096)));

extern struct warm warm __attribute__((alias("state")));

uint64_t warm_budget;
uint64_t warm_collapse_ns;
bool warm_verbose;

static pid_t (*real_fork)(void);
static pid_t (*real_bare_fork)(void);

/* What both sides of a fork have to do; the child has neither thread nor state. */
static pid_t forked(pid_t pid, int held, bool may_start)
{
	int error = errno;

	if (!warm_budget)
		return pid;
	if (!pid && held) {
		/* It shows the parent's memory. */
		close(held - 1);
	} else if (pid > 0) {
		warmer_post(pid);
		if (may_start)
			warmer_start();
	}
	errno = error;
	return pid;
}

/* Constructors of other libraries may fork before ours has run. */
EXPORT pid_t fork(void)
{
	int held = warm.held;

	if (!real_fork)
		real_fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	return forked(real_fork(), held, true);
}

/* For signal handlers. */
EXPORT pid_t _Fork(void)
{
	int held = warm.held;

	if (!real_bare_fork)
		real_bare_fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "_Fork");
	return forked(real_bare_fork(), held, false);
}

EXPORT int forkpty(int *master, char *name, const struct termios *termp,
		   const struct winsize *winp)
{
	int (*real)(int *, char *, const struct termios *,
		    const struct winsize *) = dlsym(RTLD_NEXT, "forkpty");
	int held = warm.held;

	if (!real) {
		errno = ENOSYS;
		return -1;
	}
	return forked(real(master, name, termp, winp), held, true);
}

/* Its fork() is the C library's own, and the parent is gone. */
EXPORT int daemon(int nochdir, int noclose)
{
	int (*real)(int, int) = dlsym(RTLD_NEXT, "daemon");
	int held = warm.held, ret;

	ret = real(nochdir, noclose);
	if (!ret)
		forked(0, held, false);
	return ret;
}

/* Open pagemap without the right to see where in memory pages are. */
static int open_pagemap(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2], less[2];
	int fd;

	if (syscall(SYS_capget, &head, caps))
		return -1;
	less[0] = caps[0];
	less[1] = caps[1];
	less[0].effective &= ~(1U << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &head, less))
		return -1;
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	syscall(SYS_capset, &head, caps);
	return fd;
}

/*
 * A process that gives up root cannot open its pagemap any more: the file is
 * root's then. So it is opened before, and kept.
 */
static void hold_pagemap(void)
{
	struct rlimit limit;
	struct stat st;
	int error = errno, fd, high;

	if (!warm_budget || warm.held || warm.useless || geteuid())
		return;
	fd = open_pagemap();
	if (fd >= 0) {
		high = HELD_FD;
		if (!getrlimit(RLIMIT_NOFILE, &limit) &&
		    limit.rlim_cur <= HELD_FD)
			high = limit.rlim_cur / 2;
		high = fcntl(fd, F_DUPFD_CLOEXEC, high);
		close(fd);
		if (high >= 0 && !fstat(high, &st)) {
			warm.held_ino = st.st_ino;
			warm.held = high + 1;
		}
	}
	errno = error;
}

#define HOLD_BEFORE(name, parameters, ...)                       \
	EXPORT int name parameters                               \
	{                                                        \
		int(*real) parameters = dlsym(RTLD_NEXT, #name); \
                                                                 \
		hold_pagemap();                                  \
		return real(__VA_ARGS__);                        \
	}

HOLD_BEFORE(setuid, (uid_t uid), uid)
HOLD_BEFORE(seteuid, (uid_t uid), uid)
HOLD_BEFORE(setreuid, (uid_t ruid, uid_t euid), ruid, euid)
HOLD_BEFORE(setresuid, (uid_t ruid, uid_t euid, uid_t suid), ruid, euid, suid)
HOLD_BEFORE(setgid, (gid_t gid), gid)
HOLD_BEFORE(setegid, (gid_t gid), gid)
HOLD_BEFORE(setregid, (gid_t rgid, gid_t egid), rgid, egid)
HOLD_BEFORE(setresgid, (gid_t rgid, gid_t egid, gid_t sgid), rgid, egid, sgid)

/* Some namespaces can be entered by a single thread only. */
static int alone(int (*call)(int, int), int a, int b)
{
	bool was = warm_budget && (warm.life || warm.tid[0]) && warmer_stop();
	int ret = call(a, b), error = errno;

	if (was)
		warmer_start();
	errno = error;
	return ret;
}

static int real_unshare(int flags, int unused)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "unshare");

	(void)unused;
	return real(flags);
}

EXPORT int unshare(int flags)
{
	return alone(real_unshare, flags, 0);
}

EXPORT int setns(int fd, int type)
{
	return alone((int (*)(int, int))dlsym(RTLD_NEXT, "setns"), fd, type);
}

static void say_invalid(const char *name, const char *value, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "cowwarm: invalid %s '%.100s': expected %s; doing nothing\n",
		 name, value, what);
	say(text);
}

/* Return: whether the environment is valid. */
static bool read_environment(uint64_t *bytes)
{
	const char *budget = getenv("COWWARM_BUDGET");
	const char *collapse = getenv("COWWARM_COLLAPSE");
	uint64_t ms = DEFAULT_COLLAPSE_MS;

	warm_verbose = getenv("COWWARM_VERBOSE");
	if (budget && !parse_size(budget, bytes)) {
		say_invalid("COWWARM_BUDGET", budget,
			    "a byte count (K, M, G allowed)");
		return false;
	}
	if (collapse && (!parse_u64(collapse, &ms) || ms > MAX_COLLAPSE_MS)) {
		say_invalid("COWWARM_COLLAPSE", collapse,
			    "milliseconds, 0 to 60000");
		return false;
	}
	warm_collapse_ns = ms * 1000000;
	return true;
}

__attribute__((constructor)) static void set_up(void)
{
	uint64_t bytes = DEFAULT_BUDGET;
	cpu_set_t cpus;
	int error = errno;

	real_fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	real_bare_fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "_Fork");
	if (!read_environment(&bytes)) {
		/* It has been told. */
	} else if (!filtered() && break_cow(NULL, 0)) {
		/* Behind a filter the first fork finds out. */
		say_why(NO_CALL, 0);
	} else if (!sched_getaffinity(0, sizeof(cpus), &cpus) &&
		   CPU_COUNT(&cpus) < 2) {
		say_why(ONE_CPU, 0);
	} else if (madvise(&state, sizeof(state), MADV_WIPEONFORK)) {
		say_why(NO_WIPE, errno);
	} else {
		warm_budget = bytes / PAGE_BYTES;
	}
	errno = error;
}

__attribute__((destructor)) static void last_words(void)
{
	char text[128];

	if (!warm_verbose || !warm.forks)
		return;
	snprintf(text, sizeof(text),
		 "cowwarm: process %d: %" PRIu64 " forks, %" PRIu64
		 " pages broken, %" PRIu64 " huge pages made again\n",
		 getpid(), warm.forks, warm.broken, warm.joined);
	say(text);
}
