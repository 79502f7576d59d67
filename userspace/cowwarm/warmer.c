// SPDX-License-Identifier: GPL-2.0
/*
 * The warmer: a thread that is there as long as a child shares memory.
 *
 * fork() posts the child without a lock and without memory being allocated, so
 * it may be called anywhere; the thread is created outside of signal handlers
 * only. What the thread does must not be noticed: it blocks all signals, has a
 * table of descriptors of its own, a nice value 10 above the program's (where
 * no processor is idle, what the warmer takes is what the program waits for),
 * and takes no lock of the C library that another thread's fork() would copy.
 */
#include "cowwarm/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WARMER_NICE 10
/* Who means to call exec() has done so by then. */
#define GRACE_MS 4
/* With nothing left to do, how often to see whether children are gone... */
#define IDLE_NS 50000000ULL
/*
 * ...and to look what the program writes, where the budget has left pages shared:
 * for a part of the time that does not show in a 99th percentile.
 */
#define IDLE_SCANS 200
/* How many children are asked at a time whether they have called exec(). */
#define STATS_A_TIME 4
/* How long a program's own call waits for the warmer to end. */
#define STOP_NS 2000000000ULL

/* include/linux/sched.h: forked but did not exec; shown in /proc/PID/stat. */
#define PF_FORKNOEXEC 0x40

/* Whether /proc shows this process' PID namespace. */
static bool proc_is_ours;

static void wake(void)
{
	syscall(SYS_futex, &warm.count, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/**
 * warmer_post - tell the warmer of a child
 * @pid: the child
 *
 * May be called in a signal handler.
 */
void warmer_post(pid_t pid)
{
	uint32_t at = warm.forks++;
	unsigned int tries;

	for (tries = 0; tries < 8; tries++) {
		pid_t free = 0;

		if (atomic_compare_exchange_strong(
			    &warm.news[(at + tries) % NEWS], &free, pid))
			break;
	}
	if (tries == 8)
		warm.lost++;
	warm.count++;
	wake();
}

/* Start to watch a child. Return: whether it is worth it. */
static bool watch(pid_t pid)
{
	struct child *child = &warm.children[warm.nr_children];

	if (warm.nr_children == CHILDREN) {
		warm.untracked = true;
		return true;
	}
	child->fd = syscall(SYS_pidfd_open, pid, 0);
	if (child->fd < 0) {
		/* Without a descriptor left: it is there all the same. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			warm.untracked = true;
			return true;
		}
		if (errno != ESRCH && errno != EINVAL)
			say_why(NO_PIDFD, errno);
		return false;
	}
	child->pid = pid;
	child->since = now_ns();
	warm.nr_children++;
	return true;
}

/* Take over children that threads have made meanwhile. */
static bool adopt(void)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < NEWS; i++) {
		pid_t pid = atomic_exchange(&warm.news[i], 0);

		if (pid)
			any |= watch(pid);
	}
	if (atomic_exchange(&warm.lost, 0)) {
		warm.untracked = true;
		any = true;
	}
	if (warm.untracked)
		say_why(MANY_CHILDREN, 0);
	return any;
}

/* After another thread, whose descriptors are gone. */
static void watch_again(void)
{
	unsigned int i, nr = warm.nr_children;

	warm.nr_children = 0;
	for (i = 0; i < nr; i++) {
		const uint64_t since = warm.children[i].since;
		const unsigned int at = warm.nr_children;

		watch(warm.children[i].pid);
		warm.children[at].since = since;
	}
}

/* Whether a child still is what fork() made of it. */
static bool has_not_exec(pid_t pid)
{
	char path[64], text[512], *p, state;
	unsigned int flags;
	int parent;

	if (!proc_is_ours)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	/* Hidden from us, perhaps; its descriptor says that it is there. */
	if (!read_text(path, text, sizeof(text)))
		return true;
	p = strrchr(text, ')');
	if (!p || sscanf(p, ") %c %d %*d %*d %*d %*d %u", &state, &parent,
			 &flags) != 3)
		return true;
	return parent == getpid() && state != 'Z' && flags & PF_FORKNOEXEC;
}

/**
 * warmer_prune - forget children that share nothing any more
 *
 * Return: whether there are any left.
 */
bool warmer_prune(void)
{
	static unsigned int turn;
	struct pollfd fds[64];
	unsigned int i, nr, asked = 0, end = warm.nr_children;
	siginfo_t info;

	/* From the end, for the last one takes a forgotten one's place. */
	while (end) {
		unsigned int first =
			end > ARRAY_SIZE(fds) ? end - ARRAY_SIZE(fds) : 0;

		nr = end - first;
		for (i = 0; i < nr; i++) {
			fds[i].fd = warm.children[first + i].fd;
			fds[i].events = POLLIN;
			fds[i].revents = 0;
		}
		poll(fds, nr, 0);
		for (i = nr; i--;) {
			struct child *child = &warm.children[first + i];

			if (!fds[i].revents) {
				if (warm.nr_children > STATS_A_TIME &&
				    ((first + i + turn) % (warm.nr_children /
							   STATS_A_TIME) ||
				     asked == 2 * STATS_A_TIME))
					continue;
				asked++;
				if (has_not_exec(child->pid))
					continue;
			}
			close(child->fd);
			warm.lived = now_ns() - child->since;
			*child = warm.children[--warm.nr_children];
		}
		end = first;
	}
	turn++;
	if (warm.untracked &&
	    waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) &&
	    errno == ECHILD)
		warm.untracked = false;
	return warm.nr_children || warm.untracked;
}

/* Wait until a thread forks, or the time is over. */
static void wait_for_post(uint32_t seen, uint64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	syscall(SYS_futex, &warm.count, FUTEX_WAIT_PRIVATE, seen, &ts, NULL, 0);
}

/*
 * Whether to end, which fork() sees before it posts, or we see the post.
 * After true nothing of the process' state may be touched.
 */
static bool end(uint32_t seen)
{
	uint32_t none = WARMER_NONE;

	warm.life = WARMER_NONE;
	return warm.quit || warm.count == seen ||
	       !atomic_compare_exchange_strong(&warm.life, &none, WARMER_RUNS);
}

/*
 * Wait until a new child seems to stay, or is gone, or another is made. Where the
 * last one lived shortly, as those of a server do that forks for each request, until
 * this one has lived twice as long. After a snapshot's the next is taken for one.
 */
static void wait_for_exec(uint32_t seen)
{
	struct pollfd child = { .fd = -1, .events = POLLIN };
	int ms = GRACE_MS;

	if (warm.lived >= SHORT_LIFE_NS)
		return;
	ms += 2 * warm.lived / 1000000;
	if (warm.nr_children)
		child.fd = warm.children[warm.nr_children - 1].fd;
	while (ms > 0 && warm.count == seen && !poll(&child, 1, GRACE_MS))
		ms -= GRACE_MS;
}

static void work(void)
{
	/* There are some already if a warmer before this one was stopped. */
	bool more = warm.nr_children;

	for (;;) {
		uint32_t seen = warm.count;

		/* Before a new child is there: what the last cost is free again. */
		if (!warmer_prune()) {
			if (warm.limited && !warm.useless)
				collapse_pass(seen);
			warm.used = 0;
			warm.limited = false;
		}
		if (adopt()) {
			pages_new_fork();
			wait_for_exec(seen);
			more = true;
		}
		while (more && warmer_prune() && pages_pass(seen))
			;
		/* A child that was adopted here may be what the pass ended for. */
		more = warm.count != seen;
		/* The last child went during the pass: what it left comes first. */
		if (warm.limited && !warm.quit && !warm.useless &&
		    !warmer_prune())
			continue;
		if (warm.quit || warm.useless || !warmer_prune()) {
			if (end(seen))
				return;
		} else if (!warm.shared) {
			/* There is nothing to learn any more. */
			wait_for_post(seen, IDLE_NS);
		} else {
			uint64_t start = now_ns(), took, slept = 0;

			pages_scan();
			took = (now_ns() - start) * IDLE_SCANS;
			/* A longer rest, but no longer wait for a child's end. */
			do {
				wait_for_post(seen, IDLE_NS);
				slept += IDLE_NS;
			} while (slept < took && warm.count == seen &&
				 warmer_prune());
		}
	}
}

/*
 * Descriptors of our own, and none of the program's: it may close what it did
 * not open, and must not wait for us to close what it did.
 */
static bool own_descriptors(void)
{
	unsigned int low = warm_verbose ? STDERR_FILENO + 1 : 0;
	unsigned int held = warm.held - 1U;
	struct stat st;

	/* The program may have closed ours, and opened another file there. */
	if (held != ~0U && (fstat(held, &st) || st.st_ino != warm.held_ino))
		held = ~0U;
	if (held == ~0U)
		return !syscall(SYS_close_range, low, ~0U, CLOSE_RANGE_UNSHARE);
	if (syscall(SYS_close_range, held + 1, ~0U, CLOSE_RANGE_UNSHARE))
		return false;
	if (held > low && syscall(SYS_close_range, low, held - 1, 0))
		return false;
	warm.pagemap = held;
	/* Not closed by the program in between? */
	return !fstat(held, &st) && st.st_ino == warm.held_ino;
}

static bool prepare(void)
{
	const struct sched_param normal = { 0 };
	cpu_set_t cpus;
	char self[16], pid[16];
	ssize_t n;
	int fd;

	prctl(PR_SET_NAME, "cowwarm");
	warm.pagemap = -1;
	if (!own_descriptors()) {
		say_why(NO_TABLE, errno);
		return false;
	}
	/* Inherited from the thread that has forked. */
	if (sched_getscheduler(0) == SCHED_FIFO ||
	    sched_getscheduler(0) == SCHED_RR)
		sched_setscheduler(0, SCHED_OTHER, &normal);
	if (!sched_getaffinity(0, sizeof(cpus), &cpus) &&
	    CPU_COUNT(&cpus) < 2) {
		say_why(ONE_CPU, 0);
		return false;
	}
	/* Of this thread alone; where it is refused, nothing is lost. */
	setpriority(PRIO_PROCESS, 0,
		    getpriority(PRIO_PROCESS, 0) + WARMER_NICE);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		warm.pagemap = fd;
	if (warm.pagemap < 0) {
		say_why(NO_PROC, errno);
		return false;
	}
	n = readlink("/proc/self", self, sizeof(self) - 1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	self[n > 0 ? n : 0] = '\0';
	proc_is_ours = !strcmp(self, pid);
	watch_again();
	return true;
}

static void *warmer_main(void *unused)
{
	(void)unused;
	warm.tid[1] = warm.tid[0];
	warm.tid[0] = gettid();
	if (prepare()) {
		work();
		return NULL;
	}
	warm.useless = true;
	warm.life = WARMER_NONE;
	return NULL;
}

/* Its large variables must not keep remains of a signal's frame on the stack. */
__attribute__((noinline)) static int create(size_t stack)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int error;

	sigfillset(&all);
	error = pthread_attr_init(&attr);
	if (error)
		return error;
	pthread_attr_setstacksize(&attr, stack);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, &attr, warmer_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

/**
 * warmer_start - see that there is a warmer
 *
 * Without it the program is what it was.
 */
void warmer_start(void)
{
	static _Atomic bool refused;
	uint32_t none = WARMER_NONE;
	size_t stack;
	int error;

	if (warm.life || warm.useless || refused)
		return;
	if (in_signal_handler()) {
		say_why(IN_HANDLER, 0);
		return;
	}
	if (!atomic_compare_exchange_strong(&warm.life, &none, WARMER_RUNS))
		return;
	if (filtered() && !calls_survive()) {
		say_why(SECCOMP, 0);
		refused = true;
		warm.life = WARMER_NONE;
		return;
	}
	/* The program's thread-local memory is in there, too. */
	for (stack = 128 << 10; stack <= 8 << 20; stack *= 4) {
		error = create(stack);
		if (error != EINVAL)
			break;
	}
	if (error) {
		say_why(NO_THREAD, error);
		warm.life = WARMER_NONE;
	}
}

static bool is_gone(pid_t tid)
{
	return !tid ||
	       (syscall(SYS_tgkill, getpid(), tid, 0) && errno == ESRCH);
}

/**
 * warmer_stop - end the warmer, for a call that needs a single thread
 *
 * Waits until the kernel has no such thread any more.
 *
 * Return: whether there was one.
 */
bool warmer_stop(void)
{
	const struct timespec pause = { .tv_nsec = 50000 };
	uint64_t start = now_ns();
	bool was = warm.life;

	warm.quit = true;
	warm.count++;
	wake();
	while ((warm.life || !is_gone(warm.tid[0]) || !is_gone(warm.tid[1])) &&
	       now_ns() - start < STOP_NS)
		nanosleep(&pause, NULL);
	warm.tid[0] = warm.tid[1] = 0;
	warm.quit = false;
	return was;
}
