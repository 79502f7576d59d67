// SPDX-License-Identifier: GPL-2.0
/*
 * Huge pages that are copied as a whole: by manual_cow() and by MADV_POPULATE_WRITE
 * under a policy. What is not eligible is split, as without our patches, and the
 * data are right either way.
 */
#include "common/cow_mode.h"
#include "common/manual_cow.h"
#include "tests/arms.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 4
#define BYTES (BLOCKS * HUGE_BYTES)
#define BLOCK_PAGES (HUGE_BYTES / PAGE_BYTES)
#define PAGES (BLOCKS * BLOCK_PAGES)
#define BLOCK_KB (HUGE_BYTES / 1024)

/* Debian 12's C library does not have it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/*
 * Races: for how long, and how many threads write. Where few rounds fit in that
 * time, it takes longer, but not for ever.
 */
#define RACE_SECONDS 3
#define RACE_SECONDS_MAX 100
#define RACE_ROUNDS 3
#define WRITERS 2
#define RACE_BLOCKS 16
#define RACE_BYTES (RACE_BLOCKS * HUGE_BYTES)
#define RACE_PAGES (RACE_BLOCKS * BLOCK_PAGES)

static uint64_t huge_kb(const struct cow *cow)
{
	return cow_smaps(cow, "AnonHugePages:");
}

/* How many pages from @first on are mapped by this process alone. */
static size_t own_pages(const struct cow *cow, size_t first, size_t count)
{
	static uint64_t entries[PAGES];
	size_t i, own = 0;

	assert_true(pagemap_entries(cow->base + first * PAGE_BYTES, entries,
				    count));
	for (i = 0; i < count; i++)
		own += !!(entries[i] & PM_EXCLUSIVE);
	return own;
}

static uint64_t huge_allocations(void)
{
	return file_field("/proc/vmstat", "thp_fault_alloc ");
}

static int break_cow(const struct cow *cow, bool populate)
{
	if (populate)
		return madvise(cow->base, cow->bytes, MADV_POPULATE_WRITE);
	return manual_cow(cow->base, cow->bytes, 0);
}

/* Snapshot after snapshot the huge pages stay, and no write takes a fault. */
static void test_whole(void **state)
{
	unsigned int populate, cycle;
	long free_before;
	struct cow cow;

	(void)state;
	free_before = free_pages();
	for (populate = 0; populate < 2; populate++) {
		knob_set("precopy", populate ? "1" : "0");
		cow_share(&cow, BYTES, COW_THP);
		for (cycle = 0; cycle < 3; cycle++) {
			pid_t child = cycle ? start_holder() : 0;
			uint64_t before, huge = huge_allocations();

			assert_int_equal(own_pages(&cow, 0, PAGES), 0);
			before = anon_pages();
			assert_int_equal(break_cow(&cow, populate), 0);
			assert_in_range(anon_pages() - before, PAGES,
					PAGES + 64);
			assert_int_equal(own_pages(&cow, 0, PAGES), PAGES);
			assert_int_equal(huge_kb(&cow), BYTES / 1024);
			assert_int_equal(huge_allocations() - huge, BLOCKS);
			/* The first fork() made the rest of us shared, too. */
			rseq_settle();
			assert_int_equal(cow_write(&cow, 0, 1), 0);
			cow_check(&cow, 0, 1);
			assert_int_equal(huge_kb(&cow), BYTES / 1024);
			if (child)
				end_holder(child);
			cow_end_holder(&cow);
		}
		cow_release(&cow);
	}
	knob_set("precopy", "0");
	/* Six times PAGES were replaced; each CPU's lists hold some free ones. */
	assert_true(free_pages() + 4 * (long)PAGES > free_before);
}

/* Each is timed, as a whole; nothing was split. */
static void test_timed(void **state)
{
	struct stage stage;
	struct cow cow;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	knob_set("reset", "1");
	knob_number("pid", getpid());
	knob_set("timing", "1");
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	knob_set("timing", "0");
	knob_set("pid", "0");
	stage = stage_get("huge_copy");
	assert_int_equal(stage.count, BLOCKS);
	assert_true(stage.min && stage.max >= stage.p50);
	assert_int_equal(stage_get("pmd_split").count, 0);
	cow_release(&cow);
}

/* The child keeps what it had, to the last byte. */
static void test_snapshot(void **state)
{
	struct cow cow;
	int tube[2];
	char byte = 0;
	int status;
	pid_t child;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		size_t i;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(tube[1]);
		if (read(tube[0], &byte, 1))
			_exit(2);
		for (i = 0; i < BYTES; i++)
			if (cow.base[i] != (i / PAGE_BYTES * 7 + 1) % 256)
				_exit(1);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	memset(cow.base, 0xff, BYTES);
	assert_int_equal(huge_kb(&cow), BYTES / 1024);
	close(tube[0]);
	close(tube[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	cow_release(&cow);
}

/* A range that covers a huge page in part copies no more than it names. */
static void test_part(void **state)
{
	uint64_t before;
	struct cow cow;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	before = anon_pages();
	/* The last page of a block, a block, and half of one. */
	assert_int_equal(manual_cow(cow.base + HUGE_BYTES - PAGE_BYTES,
				    PAGE_BYTES + HUGE_BYTES + HUGE_BYTES / 2,
				    0),
			 0);
	assert_in_range(anon_pages() - before, BLOCK_PAGES * 3 / 2 + 1,
			BLOCK_PAGES * 3 / 2 + 65);
	assert_int_equal(own_pages(&cow, 0, PAGES), BLOCK_PAGES * 3 / 2 + 1);
	/* The second was copied whole, the last was not touched. */
	assert_int_equal(huge_kb(&cow), 2 * BLOCK_KB);
	cow_check(&cow, PAGES, 1);
	cow_release(&cow);
}

/* What belongs to this process alone is reused, not copied. */
static void test_reuse(void **state)
{
	uint64_t frame, after;
	struct cow cow;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	cow_end_holder(&cow);
	assert_true(pagemap_entries(cow.base, &frame, 1));
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	assert_true(pagemap_entries(cow.base, &after, 1));
	assert_int_equal(frame & PM_FRAME, after & PM_FRAME);
	assert_int_equal(huge_kb(&cow), BYTES / 1024);
	cow_check(&cow, PAGES, 1);

	/* Ours alone, although the PMD is read-only and somebody forks. */
	assert_int_equal(mprotect(cow.base, BYTES, PROT_READ), 0);
	assert_int_equal(mprotect(cow.base, BYTES, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	assert_true(pagemap_entries(cow.base, &after, 1));
	assert_int_equal(frame & PM_FRAME, after & PM_FRAME);
	assert_int_equal(huge_kb(&cow), BYTES / 1024);
	cow_check(&cow, PAGES, 1);
	cow_release(&cow);
}

/* Nobody gets a huge page for whom they are off. */
static void test_not_wanted(void **state)
{
	struct cow cow;
	uint64_t huge;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	huge = huge_allocations();
	/* By advice, by the limit of copies, by prctl, by the size's switch. */
	assert_int_equal(madvise(cow.base, HUGE_BYTES, MADV_NOHUGEPAGE), 0);
	assert_int_equal(manual_cow(cow.base, HUGE_BYTES, 0), 0);
	assert_int_equal(own_pages(&cow, 0, BLOCK_PAGES), BLOCK_PAGES);
	assert_int_equal(madvise(cow.base, HUGE_BYTES, MADV_HUGEPAGE), 0);
	assert_int_equal(huge_kb(&cow), (BLOCKS - 1) * BLOCK_KB);

	assert_int_equal(
		prctl(PR_SET_COW, PR_COW_DEFAULT, PR_COW_ORDER_MAX, 0, 0), 0);
	assert_int_equal(manual_cow(cow.base + HUGE_BYTES, HUGE_BYTES, 0), 0);
	assert_int_equal(prctl(PR_SET_COW, PR_COW_DEFAULT, 0, 0, 0), 0);
	assert_int_equal(own_pages(&cow, BLOCK_PAGES, BLOCK_PAGES),
			 BLOCK_PAGES);

	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	assert_int_equal(manual_cow(cow.base + 2 * HUGE_BYTES, HUGE_BYTES, 0),
			 0);
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);

	/* Only the last is still a huge page: the shared one. */
	assert_int_equal(huge_kb(&cow), BLOCK_KB);
	assert_int_equal(own_pages(&cow, 3 * BLOCK_PAGES, BLOCK_PAGES), 0);
	file_set(THP "hugepages-2048kB/enabled", "never");
	assert_int_equal(manual_cow(cow.base + 3 * HUGE_BYTES, HUGE_BYTES, 0),
			 0);
	assert_int_equal(huge_kb(&cow), 0);
	assert_int_equal(own_pages(&cow, 0, PAGES), PAGES);
	assert_int_equal(huge_allocations() - huge, 0);
	cow_check(&cow, PAGES, 1);
	cow_release(&cow);
	/* That starts khugepaged anew, with a scan. */
	file_set(THP "hugepages-2048kB/enabled", "inherit");
	sleep(2);
}

/* Who holds a reference to a page sees it as it was. */
static void test_referenced(void **state)
{
	unsigned char data[16];
	struct cow cow;
	struct iovec iov;
	int tube[2];

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
	iov.iov_base = cow.base + 9 * PAGE_BYTES;
	iov.iov_len = sizeof(data);
	assert_int_equal(vmsplice(tube[1], &iov, 1, 0), sizeof(data));
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	assert_int_equal(own_pages(&cow, 0, PAGES), PAGES);
	/* The block of that page was split, as before. */
	assert_int_equal(huge_kb(&cow), (BLOCKS - 1) * BLOCK_KB);
	memset(cow.base + 9 * PAGE_BYTES, 0, PAGE_BYTES);
	assert_int_equal(read(tube[0], data, sizeof(data)), sizeof(data));
	assert_int_equal(data[0], 9 * 7 + 1);
	assert_int_equal(data[15], 9 * 7 + 1);
	close(tube[0]);
	close(tube[1]);
	cow_release(&cow);
}

/* A page that is pinned when the process forks stays pinned, and in place. */
static void test_pinned(void **state)
{
	struct pin_longterm_test pin = { 0 };
	uint64_t frame, after;
	struct cow cow;
	pid_t child;
	int fd;

	(void)state;
	fd = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		skip();
	cow_share(&cow, BYTES, COW_THP);
	cow_end_holder(&cow);
	/* Write to it, so that it is ours alone: then pin, fork. */
	cow_write(&cow, 0, 1);
	pin.addr = (uintptr_t)cow.base + 5 * PAGE_BYTES;
	pin.size = PAGE_BYTES;
	pin.flags = 1;
	assert_int_equal(ioctl(fd, PIN_LONGTERM_TEST_START, &pin), 0);
	assert_true(pagemap_entries(cow.base + 5 * PAGE_BYTES, &frame, 1));
	child = start_holder();
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	assert_true(pagemap_entries(cow.base + 5 * PAGE_BYTES, &after, 1));
	assert_int_equal(frame & PM_FRAME, after & PM_FRAME);
	assert_int_equal(own_pages(&cow, 0, PAGES), PAGES);
	assert_int_equal(huge_kb(&cow), (BLOCKS - 1) * BLOCK_KB);
	cow_check(&cow, 0, 1);
	assert_int_equal(ioctl(fd, PIN_LONGTERM_TEST_STOP, 0), 0);
	close(fd);
	end_holder(child);
	cow_release(&cow);
}

/* Where userfaultfd is armed, a huge page is left to faults. */
static void test_userfaultfd(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { 0 };
	struct cow cow, rest;
	int fd;

	(void)state;
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		skip();
	cow_share(&cow, BYTES, COW_THP);
	assert_int_equal(ioctl(fd, UFFDIO_API, &api), 0);
	reg.range.start = (uintptr_t)cow.base;
	reg.range.len = HUGE_BYTES;
	reg.mode = UFFDIO_REGISTER_MODE_MISSING;
	assert_int_equal(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	/* smaps shows the block as a mapping of its own. */
	assert_int_equal(huge_kb(&cow), 0);
	rest = cow;
	rest.base += HUGE_BYTES;
	assert_int_equal(huge_kb(&rest), (BLOCKS - 1) * BLOCK_KB);
	close(fd);
	assert_int_equal(own_pages(&cow, 0, PAGES), PAGES);
	cow_check(&cow, PAGES, 1);
	assert_int_equal(cow_write(&cow, 0, 1), 0);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
}

/* A write shows in the soft-dirty bits, whenever they were cleared. */
static void test_soft_dirty(void **state)
{
	static uint64_t entries[PAGES];
	unsigned int before;
	struct cow cow;
	size_t i;

	(void)state;
	for (before = 0; before < 2; before++) {
		cow_share(&cow, BYTES, COW_THP);
		if (before)
			file_set("/proc/self/clear_refs", "4");
		assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
		if (!before)
			file_set("/proc/self/clear_refs", "4");
		cow_write(&cow, 0, 1);
		assert_true(pagemap_entries(cow.base, entries, PAGES));
		for (i = 0; i < PAGES; i++)
			assert_true(entries[i] & PM_SOFT_DIRTY);
		cow_check(&cow, 0, 1);
		cow_release(&cow);
	}
}

/* The zero page, small or huge, is no page to copy as a whole. */
static void test_zero_page(void **state)
{
	volatile unsigned char sum = 0;
	unsigned char *map, *base;
	uint64_t before;
	size_t i;

	(void)state;
	map = mmap(NULL, BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	base = map + HUGE_BYTES - (uintptr_t)map % HUGE_BYTES;
	assert_int_equal(madvise(base, BYTES, MADV_HUGEPAGE), 0);
	for (i = 0; i < BYTES; i += HUGE_BYTES)
		sum += base[i];
	before = anon_pages();
	assert_int_equal(manual_cow(base, BYTES, 0), 0);
	assert_in_range(anon_pages() - before, PAGES, PAGES + 64);
	for (i = 0; i < BYTES; i++)
		assert_int_equal(base[i], 0);
	munmap(map, BYTES + HUGE_BYTES);
}

/* Memory that was given back stays so. */
static void test_lazyfree(void **state)
{
	struct cow cow;
	pid_t child;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	cow_end_holder(&cow);
	assert_int_equal(madvise(cow.base, BYTES, MADV_FREE), 0);
	child = start_holder();
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	assert_int_equal(own_pages(&cow, 0, PAGES), PAGES);
	assert_int_equal(huge_kb(&cow), 0);
	cow_check(&cow, PAGES, 1);
	end_holder(child);
	cow_release(&cow);
}

/* Parts of a copy can be unmapped, protected and given back, and reclaimed. */
static void test_parts_of_copy(void **state)
{
	struct cow cow;
	size_t i;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
	assert_int_equal(madvise(cow.base, 3 * PAGE_BYTES, MADV_DONTNEED), 0);
	assert_int_equal(mprotect(cow.base + HUGE_BYTES, PAGE_BYTES, PROT_READ),
			 0);
	assert_int_equal(madvise(cow.base + 2 * HUGE_BYTES, HUGE_BYTES,
				 MADV_PAGEOUT),
			 0);
	/* The shrinker of huge pages that are partly mapped. */
	file_set("/proc/sys/vm/drop_caches", "2");
	assert_int_equal(mprotect(cow.base + HUGE_BYTES, PAGE_BYTES,
				  PROT_READ | PROT_WRITE),
			 0);
	for (i = 0; i < 3 * PAGE_BYTES; i++)
		assert_int_equal(cow.base[i], 0);
	for (; i < BYTES; i++)
		assert_int_equal(cow.base[i], (i / PAGE_BYTES * 7 + 1) % 256);
	cow_release(&cow);
}

/*
 * A thread that reads a page all the time has the old one in its TLB. It must see
 * a write to the copy.
 */
static struct {
	volatile uint64_t *word;
	atomic_uint seen;
	atomic_bool stop;
} watch;

static void *watcher(void *arg)
{
	(void)arg;
	while (!watch.stop)
		watch.seen = *watch.word;
	return NULL;
}

static void test_other_tlb(void **state)
{
	pthread_t thread;
	struct cow cow;
	unsigned int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		cow_share(&cow, BYTES, COW_THP);
		watch.word = (uint64_t *)(cow.base + i * 64 * PAGE_BYTES);
		watch.seen = 0;
		watch.stop = false;
		assert_int_equal(pthread_create(&thread, NULL, watcher, NULL),
				 0);
		while (!watch.seen)
			sched_yield();
		assert_int_equal(manual_cow(cow.base, BYTES, 0), 0);
		assert_int_equal(huge_kb(&cow), BYTES / 1024);
		*watch.word = 4711;
		usleep(20000);
		watch.stop = true;
		pthread_join(thread, NULL);
		assert_int_equal(watch.seen, 4711);
		cow_release(&cow);
	}
}

/*
 * Races. Writers count in words of their own, in each page. Meanwhile the process
 * forks, breaks COW, and something disturbs it. A child sees one count that does
 * not change; nobody loses a write.
 */
static struct {
	unsigned char *base;
	atomic_bool stop;
	atomic_bool pause; /* writers are to wait, */
	atomic_uint waiting; /* and so many do */
	uint32_t counts[WRITERS][RACE_PAGES];
	void (*disturb)(unsigned int round);
	bool dense; /* COW is broken by writes from end to end */
} race;

static _Atomic uint32_t *race_word(size_t page, size_t writer)
{
	return (_Atomic uint32_t *)(race.base + page * PAGE_BYTES) + writer;
}

static void *race_writer(void *arg)
{
	const size_t me = (size_t)arg;
	uint64_t rng = me + 1;

	while (!race.stop) {
		_Atomic uint32_t *word;
		size_t page;

		if (race.pause) {
			race.waiting++;
			while (race.pause)
				sched_yield();
			race.waiting--;
		}
		page = next_random(&rng) % RACE_PAGES;
		word = race_word(page, me);
		/* No other thread has it: a plain load and store would do. */
		if (atomic_load_explicit(word, memory_order_relaxed) !=
		    race.counts[me][page])
			return (void *)1;
		atomic_store_explicit(word, ++race.counts[me][page],
				      memory_order_relaxed);
		/*
		 * A write splits a huge page: leave some to be copied, more
		 * where writes break COW, which takes longer.
		 */
		usleep(race.dense ? 5000 : 200);
	}
	return NULL;
}

static void *race_disturber(void *arg)
{
	unsigned int round = 0;

	(void)arg;
	while (!race.stop)
		race.disturb(round++);
	return NULL;
}

/* In a child: is the snapshot whole, and does it stay as it is? */
static int race_snapshot(void)
{
	static uint32_t first[WRITERS][RACE_PAGES];
	size_t page, me;
	int pass;

	for (pass = 0; pass < 2; pass++) {
		for (page = 0; page < RACE_PAGES; page++)
			for (me = 0; me < WRITERS; me++) {
				uint32_t now = *race_word(page, me);

				if (pass && now != first[me][page])
					return 1;
				first[me][page] = now;
			}
		sched_yield();
	}
	return 0;
}

/* Break COW on all pages; where by writes, check the last round's. */
static void race_break(unsigned int round)
{
	size_t page;

	if (!race.dense) {
		assert_int_equal(manual_cow(race.base, RACE_BYTES, 0), 0);
		return;
	}
	for (page = 0; page < RACE_PAGES; page++) {
		assert_int_equal(*race_word(page, WRITERS), round);
		*race_word(page, WRITERS) = round + 1;
	}
}

static void run_race(void (*disturb)(unsigned int round))
{
	pthread_t threads[WRITERS + 1];
	struct timespec start, now;
	unsigned int rounds = 0;
	uint64_t huge, whole;
	size_t me, page;
	void *lost;

	race.base = mmap(NULL, RACE_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(race.base, MAP_FAILED);
	race.base += HUGE_BYTES - (uintptr_t)race.base % HUGE_BYTES;
	madvise(race.base, RACE_BYTES, MADV_HUGEPAGE);
	memset(race.base, 0, RACE_BYTES);
	memset(race.counts, 0, sizeof(race.counts));
	race.stop = false;
	race.disturb = disturb;
	for (me = 0; me < WRITERS; me++)
		assert_int_equal(pthread_create(&threads[me], NULL, race_writer,
						(void *)me),
				 0);
	assert_int_equal(pthread_create(&threads[WRITERS], NULL, race_disturber,
					NULL),
			 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	huge = huge_allocations();
	do {
		int status, end[2];
		pid_t child;
		char byte;

		assert_int_equal(pipe2(end, O_CLOEXEC), 0);
		race.pause = true;
		while (race.waiting != WRITERS)
			sched_yield();
		child = fork();
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(end[1]);
			status = race_snapshot();
			/* What nobody shares is not copied. */
			if (race.dense && read(end[0], &byte, 1))
				status = 2;
			_exit(status);
		}
		assert_true(child > 0);
		race.pause = false;
		race_break(rounds);
		close(end[0]);
		close(end[1]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		/* Later rounds begin with huge pages again. */
		madvise(race.base, RACE_BYTES, MADV_COLLAPSE);
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
		whole = huge_allocations() - huge;
		now.tv_sec -= start.tv_sec;
	} while (now.tv_sec < RACE_SECONDS ||
		 ((rounds < RACE_ROUNDS || whole < RACE_ROUNDS) &&
		  now.tv_sec < RACE_SECONDS_MAX));
	race.stop = true;
	for (me = 0; me <= WRITERS; me++) {
		pthread_join(threads[me], &lost);
		assert_null(lost);
	}
	for (me = 0; me < WRITERS; me++)
		for (page = 0; page < RACE_PAGES; page++)
			assert_int_equal(*race_word(page, me),
					 race.counts[me][page]);
	print_message("# %u rounds, %ju copied whole\n", rounds,
		      (uintmax_t)whole);
	/* MADV_COLLAPSE is not counted there. */
	assert_true(rounds >= RACE_ROUNDS && whole >= RACE_ROUNDS);
	munmap(race.base, RACE_BYTES);
}

static void disturb_not(unsigned int round)
{
	(void)round;
	usleep(1000);
}

static void disturb_swap(unsigned int round)
{
	madvise(race.base + round % RACE_BLOCKS * HUGE_BYTES, HUGE_BYTES,
		round & 4 ? MADV_PAGEOUT : MADV_COLD);
	usleep(1000);
}

static void disturb_migrate(unsigned int round)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	(void)round;
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			usleep(1000);
		close(fd);
	}
}

static void disturb_split(unsigned int round)
{
	unsigned char *page = race.base + round * 7 % RACE_PAGES * PAGE_BYTES;

	/* Splits the VMA and with it the huge page; then they merge again. */
	mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
	mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE);
	usleep(500);
}

static void disturb_gup(unsigned int round)
{
	static char data[PAGE_BYTES];
	struct iovec iov = { race.base + round * 7 % RACE_PAGES * PAGE_BYTES,
			     PAGE_BYTES };
	struct iovec to = { data, PAGE_BYTES };
	int tube[2];

	process_vm_readv(getpid(), &to, 1, &iov, 1, 0);
	if (pipe2(tube, O_CLOEXEC))
		return;
	if (vmsplice(tube[1], &iov, 1, 0) > 0)
		usleep(100);
	close(tube[0]);
	close(tube[1]);
}

static void disturb_populate(unsigned int round)
{
	/* A second thread that breaks COW on the same pages. */
	madvise(race.base, RACE_BYTES, MADV_POPULATE_WRITE);
	manual_cow(race.base + round % RACE_BLOCKS * HUGE_BYTES, HUGE_BYTES, 0);
}

/* A second dense writer, which takes its faults on the same huge pages. */
static void disturb_write(unsigned int round)
{
	size_t page;

	for (page = 0; page < RACE_PAGES && !race.stop; page++) {
		uint32_t before = *race_word(page, WRITERS + 1);

		*race_word(page, WRITERS + 1) = round + 1;
		if (before != round)
			abort();
	}
}

/* The same with huge_window: writes break COW. */
static void run_race_of_writes(void (*disturb)(unsigned int round))
{
	knob_set("policy", "adaptive");
	knob_set("window", "32");
	knob_set("huge_window", "1");
	knob_set("precopy", "1");
	race.dense = true;
	run_race(disturb);
	race.dense = false;
	assert_true(stat_get("huge") > 0);
}

static void test_race_window(void **state)
{
	(void)state;
	run_race_of_writes(disturb_not);
}

static void test_race_window_swap(void **state)
{
	(void)state;
	if (!swap_on("128M"))
		skip();
	run_race_of_writes(disturb_swap);
	swap_off();
}

static void test_race_window_split(void **state)
{
	(void)state;
	run_race_of_writes(disturb_split);
}

static void test_race_window_gup(void **state)
{
	(void)state;
	run_race_of_writes(disturb_gup);
}

static void test_race_window_two(void **state)
{
	(void)state;
	run_race_of_writes(disturb_write);
}

static void test_race_writers(void **state)
{
	(void)state;
	run_race(disturb_not);
}

static void test_race_swap(void **state)
{
	(void)state;
	if (!swap_on("128M"))
		skip();
	run_race(disturb_swap);
	swap_off();
}

static void test_race_migration(void **state)
{
	(void)state;
	run_race(disturb_migrate);
}

static void test_race_split(void **state)
{
	(void)state;
	run_race(disturb_split);
}

static void test_race_gup(void **state)
{
	(void)state;
	run_race(disturb_gup);
}

static void test_race_two(void **state)
{
	(void)state;
	knob_set("policy", "adaptive");
	knob_set("precopy", "1");
	run_race(disturb_populate);
	knob_set("precopy", "0");
}

static void test_race_khugepaged(void **state)
{
	(void)state;
	file_set(THP "khugepaged/scan_sleep_millisecs", "0");
	file_set(THP "khugepaged/alloc_sleep_millisecs", "0");
	run_race(disturb_split);
	file_set(THP "khugepaged/alloc_sleep_millisecs", "60000");
}

static int set_up(void **state)
{
	(void)state;
	knobs_default();
	file_set(THP "enabled", "madvise");
	file_set(THP "hugepages-2048kB/enabled", "inherit");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cow_forget();
	knobs_default();
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* An argument selects tests: 'test_race*'. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_timed),
		TEST(test_snapshot),
		TEST(test_part),
		TEST(test_reuse),
		TEST(test_not_wanted),
		TEST(test_referenced),
		TEST(test_pinned),
		TEST(test_userfaultfd),
		TEST(test_soft_dirty),
		TEST(test_zero_page),
		TEST(test_lazyfree),
		TEST(test_parts_of_copy),
		TEST(test_other_tlb),
		TEST(test_race_writers),
		TEST(test_race_swap),
		TEST(test_race_migration),
		TEST(test_race_split),
		TEST(test_race_gup),
		TEST(test_race_two),
		TEST(test_race_khugepaged),
		TEST(test_race_window),
		TEST(test_race_window_swap),
		TEST(test_race_window_split),
		TEST(test_race_window_gup),
		TEST(test_race_window_two),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	stay_on_one_cpu(false);
	return cmocka_run_group_tests_name("guest_huge", tests, stop_khugepaged,
					   start_khugepaged);
}
