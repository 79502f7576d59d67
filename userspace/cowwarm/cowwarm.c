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
 * thread.
 *
 * Memory. A broken page costs one page for as long as a child lives. All pages
 * broken since the program last had no child count against COWWARM_BUDGET, and
 * are counted before they are broken. The warmer never uses more than half of
 * the memory that the machine has available. It does not populate missing pages.
 *
 * Recently written blocks first. Before a fork, the only way to learn what a
 * program writes is to make each write fault: soft-dirty tracking
 * (/proc/PID/clear_refs) write-protects everything with the mmap lock held for
 * writing, which costs as much latency as a second fork(), and the kernel's batch
 * declines such pages. PTE dirty bits are not exported. After a fork,
 * /proc/self/pagemap tells at no cost: a page that is no longer shared, and was
 * not broken here, has been written. So memory is served in blocks of 2 MiB,
 * those first that the program has written most since this fork and, each with
 * half the weight of the next, since the forks before. Each fork starts from what
 * the faults after the last ones have shown.
 *
 * Where the program and the child leave no processor idle, the warmer's work
 * would delay the program: it runs at a nice value 10 above the program's.
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
/* manual_cow() works in aligned windows of this many pages. */
#define BATCH_PAGES 64
/* A child that is going to call exec() has done so by then. */
#define GRACE_MS 4
/* Blocks served between two scans for written pages. */
#define BLOCKS_A_SCAN 32
/* With nothing to do, interval of the checks for children that are gone... */
#define IDLE_NS 100000000ULL
/*
 * ...and of the scans for written pages, where the budget has left pages shared.
 * One part in so many of the time, which a 99th percentile does not show.
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
 * @pages: mapped pages
 * @shared: pages that a child shared at the last look
 * @known: pages that were the program's own then, or have been broken since
 * @heat: pages that the program has written; halved at each later fork
 * @served: broken since the last fork
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
 * struct child - a child that still shares the parent's memory
 * @pid: process id
 * @fd: pidfd
 */
struct child {
	pid_t pid;
	int fd;
};

/* Written by threads that fork, read by the warmer. */
static struct {
	_Atomic pid_t news[CHILDREN];
	_Atomic uint32_t count;
	_Atomic bool started;
} post;

/* Private to the warmer; only last_words() reads it, too. */
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
	/* Children do not need it. */
	madvise(p, bytes, MADV_DONTFORK);
	return p;
}

/* Take the new children that threads have posted. */
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

/* Whether a child still has the memory that fork() gave it. */
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

/* Forget children that are gone. Return: whether any is left. */
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

/* Wait until a thread forks, or for @ns; 0: no limit. */
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

/* Look at a block; @before is what the last scan found, or NULL. */
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
	/* With nothing shared, own pages tell nothing about writes. */
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
	/* Huge pages of hugetlb have an inode, as files do. */
	return perms[0] == 'r' && perms[1] == 'w' && perms[3] == 'p' && !inode;
}

/* Look at all memory. Return: false if the kernel refuses. */
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

/* A new child: all memory is shared again, and heat decays. */
static void new_fork(void)
{
	size_t i;

	for (i = 0; i < warm.nr_blocks; i++) {
		struct block *block = &warm.blocks[i];

		/* Where the warmer came first, no write could add heat. */
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
		/* EFAULT: unmapped meanwhile. */
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

/* Pages that may be used: the budget, at most half of the available memory. */
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
 * Serve some of the hottest blocks. Return: whether there may be more to do;
 * false if the budget is spent, the children are gone or a thread forked again.
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

		/* Without a child the pages that were broken cost nothing more. */
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
			/* There is nothing left to learn. */
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
	 * A descriptor table of its own, without the program's descriptors: the
	 * program may close descriptors that it did not open, and what it closes
	 * itself must really be closed.
	 */
	if (syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE))
		return NULL;
	/* Of this thread alone; a refusal does no harm. */
	setpriority(PRIO_PROCESS, 0,
		    getpriority(PRIO_PROCESS, 0) + WARMER_NICE);
	warm.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	warm.blocks = own_memory(MAX_BLOCKS * sizeof(struct block));
	warm.old_blocks = own_memory(MAX_BLOCKS * sizeof(struct block));
	if (warm.pagemap >= 0 && warm.blocks && warm.old_blocks)
		work();
	return NULL;
}

/* The warmer starts with the first fork and takes no signals. */
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
	/* After a failure the program runs as without the library. */
	pthread_create(&thread, &attr, warmer_main, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* The work after a fork, on both sides. */
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
			"cowwarm: invalid COWWARM_BUDGET '%.100s': expected a byte count (K, M, G allowed); doing nothing\n",
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
