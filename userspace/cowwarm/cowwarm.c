// SPDX-License-Identifier: GPL-2.0
/*
 * cowwarm.so - break copy-on-write after a program's fork(), beside it
 *
 *	LD_PRELOAD=cowwarm.so COWWARM_BUDGET=512M redis-server ...
 *
 * After fork() each first write of the parent to a page takes a fault, as long
 * as the child is there. Here a warmer thread in the parent takes that on
 * itself: it goes through the writable private anonymous memory and breaks
 * copy-on-write with manual_cow() wherever a page is still shared, until the
 * child exits or calls exec(), or the budget is spent. The program is not
 * changed, and notices nothing but a thread.
 *
 * Memory. A page broken is a page more, for as long as there is a child. All
 * pages broken since there was last no child count against COWWARM_BUDGET, and
 * are counted before they are broken. Nor is more than half of what the
 * machine has available ever taken. Pages that were never there are not
 * populated.
 *
 * Recently written ones first. Before a fork nobody knows what a program
 * writes unless each write is made to fault: soft-dirty tracking
 * (/proc/PID/clear_refs) write-protects everything with the mmap lock held for
 * writing, a second fork() as far as latency is concerned, and makes the
 * kernel's batch decline the pages; PTE dirty bits are not shown. But after a
 * fork the kernel tells for free: a page that is not shared any more, and was
 * not broken here, was written since (/proc/self/pagemap). So memory is served
 * in blocks of 2 MiB, those first in which the program has written most since
 * this fork and, with half the weight each, those before it: what the last
 * snapshot's faults have shown is where the next one begins.
 *
 * Where the program and the child leave no processor idle, what the warmer takes
 * is what the program waits for: it runs at a nice value 10 above the program's.
 *
 * vfork() and posix_spawn() share memory with their child: nothing to do.
 * clone() without CLONE_VM, which programs do not call to fork, is not seen.
 * With one CPU, or on a kernel without manual_cow(), nothing happens at all.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "common/util.h"

#define EXPORT __attribute__((visibility("default")))

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

#define DEFAULT_BUDGET (64UL << 20)
#define WARMER_NICE 10
#define STACK_BYTES (128UL << 10)
#define CHILDREN 64
#define BLOCK_PAGES (HUGE_BYTES / PAGE_BYTES)
/* 1 TiB of memory in blocks. */
#define MAX_BLOCKS (1UL << 19)
/* The kernel works in aligned windows of that many pages. */
#define BATCH_PAGES 64
/* Who means to call exec() has done so by then. */
#define GRACE_MS 4
/* Look again at what has been written after so many blocks. */
#define BLOCKS_A_SCAN 32
/* With nothing left to do, how often to see whether children are gone... */
#define IDLE_NS 100000000ULL
/*
 * ...and to look what the program writes, where the budget has left pages shared:
 * for a part of the time that does not show in a 99th percentile.
 */
#define IDLE_SCANS 200
#define HEAT_LEVELS 24

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_EXCLUSIVE (1ULL << 56)
#define PM_FILE (1ULL << 61)
#define PM_PRESENT (1ULL << 63)
/* include/linux/sched.h: forked but did not exec; shown in /proc/PID/stat. */
#define PF_FORKNOEXEC 0x40

/**
 * struct block - 2 MiB of memory, or the part of it that is mapped
 * @start: address
 * @pages: how many are mapped
 * @shared: pages that a child shares, when last looked at
 * @known: pages that were the program's own then, or have been broken since
 * @heat: pages that the program has written, the last fork's count whole
 * @served: broken in this fork
 */
struct block {
	uintptr_t start;
	uint16_t pages;
	uint16_t shared;
	uint16_t known;
	bool served;
	uint32_t heat;
};

/**
 * struct child - a child whose memory is still ours
 * @pid: its number
 * @fd: pidfd
 */
struct child {
	pid_t pid;
	int fd;
};

/* What threads that fork tell the warmer. */
static struct {
	_Atomic pid_t news[CHILDREN];
	_Atomic uint32_t count;
	_Atomic bool started;
} post;

/* The warmer's own; nobody else looks at it but the last words. */
static struct {
	struct child children[CHILDREN];
	unsigned int nr_children;
	struct block *blocks;
	struct block *old_blocks;
	size_t nr_blocks;
	size_t shared;
	int pagemap;
	uint64_t used;
	_Atomic uint64_t broken;
	_Atomic uint64_t forks;
} warm;

static uint64_t budget_pages;
static bool verbose;

static void *own_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* No child has a use for it. */
	madvise(p, bytes, MADV_DONTFORK);
	return p;
}

/* Take over children that threads have made meanwhile. */
static bool adopt(void)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < CHILDREN; i++) {
		pid_t pid = atomic_exchange(&post.news[i], 0);
		struct child *child;

		if (!pid || warm.nr_children == CHILDREN)
			continue;
		child = &warm.children[warm.nr_children];
		child->fd = syscall(SYS_pidfd_open, pid, 0);
		if (child->fd < 0)
			continue;
		child->pid = pid;
		warm.nr_children++;
		any = true;
	}
	return any;
}

/* Whether a child still is what fork() made of it. */
static bool still_shares(const struct child *child)
{
	struct pollfd fd = { .fd = child->fd, .events = POLLIN };
	char path[64], text[512], *p, state;
	unsigned int flags;
	int parent;

	if (poll(&fd, 1, 0))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", child->pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	p = strrchr(text, ')');
	if (!p || sscanf(p, ") %c %d %*d %*d %*d %*d %u", &state, &parent,
			 &flags) != 3)
		return false;
	return parent == getpid() && state != 'Z' && flags & PF_FORKNOEXEC;
}

/* Forget children that are gone. Return: whether there are any left. */
static bool prune(void)
{
	unsigned int i = 0;

	while (i < warm.nr_children) {
		if (still_shares(&warm.children[i])) {
			i++;
			continue;
		}
		close(warm.children[i].fd);
		warm.children[i] = warm.children[--warm.nr_children];
	}
	return warm.nr_children;
}

/* Wait until a thread forks, or the time is over; 0: for ever. */
static void wait_for_post(uint32_t seen, uint64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	syscall(SYS_futex, &post.count, FUTEX_WAIT_PRIVATE, seen,
		ns ? &ts : NULL, NULL, 0);
}

static bool entries_of(uintptr_t start, size_t pages, uint64_t *entries)
{
	ssize_t want = pages * sizeof(*entries);

	return pread(warm.pagemap, entries, want,
		     start / PAGE_BYTES * sizeof(*entries)) == want;
}

static bool is_shared(uint64_t entry)
{
	return (entry & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE)) == PM_PRESENT;
}

static bool is_own(uint64_t entry)
{
	return (entry & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE)) ==
	       (PM_PRESENT | PM_EXCLUSIVE);
}

/* Look at a block; what it was found to be before is in @before, or NULL. */
static void look(struct block *block, const struct block *before)
{
	uint64_t entries[BLOCK_PAGES];
	uint16_t own = 0, i;

	block->shared = 0;
	block->known = before ? before->known : 0;
	block->served = before && before->served;
	block->heat = before ? before->heat : 0;
	if (!entries_of(block->start, block->pages, entries))
		return;
	for (i = 0; i < block->pages; i++) {
		block->shared += is_shared(entries[i]);
		own += is_own(entries[i]);
	}
	/* Nothing shared: there never was, or there is nothing left to learn. */
	if (own > block->known && block->shared)
		block->heat += own - block->known;
	block->known = own;
}

/* Cut a mapping into blocks. */
static void add_mapping(uintptr_t start, uintptr_t end, size_t *old,
			size_t nr_old)
{
	while (start < end && warm.nr_blocks < MAX_BLOCKS) {
		struct block *block = &warm.blocks[warm.nr_blocks++];
		uintptr_t next = (start / HUGE_BYTES + 1) * HUGE_BYTES;
		const struct block *before = NULL;

		if (next > end)
			next = end;
		block->start = start;
		block->pages = (next - start) / PAGE_BYTES;
		while (*old < nr_old && warm.old_blocks[*old].start < start)
			++*old;
		if (*old < nr_old && warm.old_blocks[*old].start == start)
			before = &warm.old_blocks[*old];
		look(block, before);
		warm.shared += block->shared;
		start = next;
	}
}

/* Whether a line of maps is writable, private and anonymous memory. */
static bool is_ours(const char *line, uintptr_t *start, uintptr_t *end)
{
	unsigned long inode;
	char perms[5];
	int path = 0;

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*x:%*x %lu %n",
		   start, end, perms, &inode, &path) != 4)
		return false;
	/* Huge pages of a pool have an inode, as have files. */
	return perms[0] == 'r' && perms[1] == 'w' && perms[3] == 'p' && !inode;
}

/* Look at all memory. Return: false if the kernel does not let us. */
static bool scan(void)
{
	static char text[16384];
	struct block *blocks = warm.old_blocks;
	size_t nr_old = warm.nr_blocks, old = 0, have = 0;
	bool ok = true;
	int fd;

	warm.old_blocks = warm.blocks;
	warm.blocks = blocks;
	warm.nr_blocks = 0;
	warm.shared = 0;
	fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	for (;;) {
		ssize_t n = read(fd, text + have, sizeof(text) - 1 - have);
		char *line = text, *newline;

		if (n <= 0) {
			ok = !n;
			break;
		}
		have += n;
		text[have] = '\0';
		while ((newline = strchr(line, '\n'))) {
			uintptr_t start, end;

			*newline = '\0';
			if (is_ours(line, &start, &end))
				add_mapping(start, end, &old, nr_old);
			line = newline + 1;
		}
		have -= line - text;
		memmove(text, line, have);
	}
	close(fd);
	return ok;
}

/* A child more: everything is shared again, and what was hot has cooled. */
static void new_fork(void)
{
	size_t i;

	for (i = 0; i < warm.nr_blocks; i++) {
		struct block *block = &warm.blocks[i];

		/* Where we were first, nobody could show what is hot. */
		if (!block->served)
			block->heat /= 2;
		block->served = false;
		block->known = 0;
	}
}

/* Break the shared pages of a block. Return: false to give up. */
static bool serve(struct block *block, uint64_t limit)
{
	uint64_t entries[BLOCK_PAGES];
	size_t first, nr;

	block->served = true;
	if (!entries_of(block->start, block->pages, entries))
		return true;
	for (first = 0; first < block->pages; first += nr) {
		nr = 1;
		if (!is_shared(entries[first]))
			continue;
		while (first + nr < block->pages && nr < BATCH_PAGES &&
		       is_shared(entries[first + nr]))
			nr++;
		if (warm.used + nr > limit)
			nr = limit - warm.used;
		if (!nr)
			return false;
		warm.used += nr;
		warm.broken += nr;
		block->known += nr;
		/* EFAULT: it has been unmapped meanwhile. */
		if (manual_cow((void *)(block->start + first * PAGE_BYTES),
			       nr * PAGE_BYTES, 0) &&
		    errno != EFAULT)
			return false;
	}
	return true;
}

static unsigned int level_of(const struct block *block)
{
	unsigned int level = 0;

	while (level < HEAT_LEVELS - 1 && block->heat >> level)
		level++;
	return level;
}

/* What may be spent: the budget, but no more than half of what is there. */
static uint64_t limit_now(void)
{
	uint64_t kb, pages;
	char text[2048];

	if (!read_text("/proc/meminfo", text, sizeof(text)) ||
	    !text_field(text, "MemAvailable:", &kb))
		return warm.used;
	pages = warm.used + kb * 1024 / PAGE_BYTES / 2;
	return pages < budget_pages ? pages : budget_pages;
}

/*
 * Serve the hottest blocks, some of them. Return: whether there may be more
 * to do; not if the budget is spent, the children are gone or another was made.
 */
static bool pass(uint32_t seen)
{
	uint64_t limit = limit_now();
	unsigned int level, count = 0;
	size_t i;

	if (!scan())
		return false;
	for (level = HEAT_LEVELS; level--;) {
		for (i = 0; i < warm.nr_blocks; i++) {
			struct block *block = &warm.blocks[i];

			if (!block->shared || level_of(block) != level)
				continue;
			if (!prune() || post.count != seen ||
			    !serve(block, limit))
				return false;
			if (++count == BLOCKS_A_SCAN)
				return true;
		}
	}
	return false;
}

static void work(void)
{
	for (;;) {
		uint32_t seen = post.count;

		/* Before a new child is there: what the last cost is free again. */
		if (!prune())
			warm.used = 0;
		if (adopt()) {
			struct pollfd grace = {
				.fd = warm.children[warm.nr_children - 1].fd,
				.events = POLLIN,
			};

			new_fork();
			poll(&grace, 1, GRACE_MS);
			while (prune() && pass(seen))
				;
		}
		if (!prune()) {
			wait_for_post(seen, 0);
		} else if (!warm.shared) {
			/* There is nothing to learn any more. */
			wait_for_post(seen, IDLE_NS);
		} else {
			uint64_t start = now_ns(), took;

			scan();
			took = (now_ns() - start) * IDLE_SCANS;
			wait_for_post(seen, took > IDLE_NS ? took : IDLE_NS);
		}
	}
}

static void *warmer_main(void *unused)
{
	(void)unused;
	/*
	 * Descriptors of our own, and none of the program's: it may close what
	 * it did not open, and must not wait for us to close what it did.
	 */
	if (syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE))
		return NULL;
	/* Of this thread alone; where it is refused, nothing is lost. */
	setpriority(PRIO_PROCESS, 0,
		    getpriority(PRIO_PROCESS, 0) + WARMER_NICE);
	warm.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	warm.blocks = own_memory(MAX_BLOCKS * sizeof(struct block));
	warm.old_blocks = own_memory(MAX_BLOCKS * sizeof(struct block));
	if (warm.pagemap >= 0 && warm.blocks && warm.old_blocks)
		work();
	return NULL;
}

/* The warmer starts with the first fork, and gets none of the signals. */
static void start(void)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Without it the program is what it was. */
	pthread_create(&thread, &attr, warmer_main, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* What both sides of a fork have to do. */
static pid_t forked(pid_t pid)
{
	int error = errno;
	unsigned int i;

	if (!budget_pages)
		return pid;
	if (!pid) {
		/* The child has no warmer; its own first fork starts one. */
		memset(&post, 0, sizeof(post));
		memset(&warm, 0, sizeof(warm));
	} else if (pid > 0) {
		warm.forks++;
		for (i = 0; i < CHILDREN; i++) {
			pid_t free = 0;

			if (atomic_compare_exchange_strong(&post.news[i], &free,
							   pid))
				break;
		}
		post.count++;
		if (!atomic_exchange(&post.started, true))
			start();
		else
			syscall(SYS_futex, &post.count, FUTEX_WAKE_PRIVATE, 1,
				NULL, NULL, 0);
	}
	errno = error;
	return pid;
}

/* Constructors of other libraries may fork before ours has run. */
EXPORT pid_t fork(void)
{
	static pid_t (*real)(void);

	if (!real)
		real = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	return forked(real());
}

EXPORT pid_t _Fork(void)
{
	static pid_t (*real)(void);

	if (!real)
		real = (pid_t(*)(void))dlsym(RTLD_NEXT, "_Fork");
	return forked(real());
}

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

__attribute__((constructor)) static void set_up(void)
{
	const char *budget = getenv("COWWARM_BUDGET");
	uint64_t bytes = DEFAULT_BUDGET;
	char text[256];
	cpu_set_t cpus;

	verbose = getenv("COWWARM_VERBOSE");
	if (budget && !parse_size(budget, &bytes)) {
		snprintf(
			text, sizeof(text),
			"cowwarm: COWWARM_BUDGET: '%.100s' is not accepted, a number of bytes is, with K, M or G; doing nothing\n",
			budget);
		say(text);
		return;
	}
	if (manual_cow(NULL, 0, 0)) {
		if (verbose)
			say("cowwarm: this kernel has no manual_cow(); doing nothing\n");
		return;
	}
	if (sched_getaffinity(0, sizeof(cpus), &cpus) || CPU_COUNT(&cpus) < 2) {
		if (verbose)
			say("cowwarm: one CPU; doing nothing\n");
		return;
	}
	budget_pages = bytes / PAGE_BYTES;
}

__attribute__((destructor)) static void last_words(void)
{
	char text[128];

	if (!verbose || !warm.forks)
		return;
	snprintf(text, sizeof(text),
		 "cowwarm: process %d: %" PRIu64 " forks, %" PRIu64
		 " pages broken\n",
		 getpid(), warm.forks, warm.broken);
	say(text);
}
