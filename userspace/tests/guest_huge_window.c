// SPDX-License-Identifier: GPL-2.0
/*
 * The knob huge_window: write faults that copy a huge page as a whole. Which
 * writers get them, what stays split, and that the data are right either way.
 * guest_huge.c tests the copy itself.
 */
#include "common/cow_mode.h"
#include "common/manual_cow.h"
#include "tests/arms.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 16
#define BYTES (BLOCKS * HUGE_BYTES)
#define BLOCK_PAGES (HUGE_BYTES / PAGE_BYTES)
#define PAGES (BLOCKS * BLOCK_PAGES)
#define BLOCK_KB (HUGE_BYTES / 1024)
#define CGROUP "/sys/fs/cgroup/huge_window"

/*
 * Of 16 blocks written from end to end these are split: the first, and one after
 * each run of 1, 2 and 4 that were copied.
 */
#define IN_PIECES 4

static uint64_t huge_kb(const struct cow *cow)
{
	return cow_smaps(cow, "AnonHugePages:");
}

/* A dense writer keeps most huge pages, snapshot after snapshot. */
static void test_dense(void **state)
{
	unsigned int cycle;
	struct cow cow;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	for (cycle = 0; cycle < 3; cycle++) {
		pid_t child = cycle ? start_holder() : 0;
		uint64_t huge = stat_get("huge");

		cow_write(&cow, 0, 1);
		cow_check(&cow, 0, 1);
		assert_int_equal(stat_get("huge") - huge, BLOCKS - IN_PIECES);
		assert_int_equal(huge_kb(&cow),
				 (BLOCKS - IN_PIECES) * BLOCK_KB);
		if (child)
			end_holder(child);
		cow_end_holder(&cow);
	}
	assert_int_equal(stat_get("huge_left"), 0);
	cow_release(&cow);
}

/* A run's length stops to grow at 32. */
static void test_long(void **state)
{
	struct cow cow;

	(void)state;
	cow_share(&cow, 72 * HUGE_BYTES, COW_THP);
	cow_write(&cow, 0, 1);
	/* In pieces: blocks 0, 2, 5, 10, 19, 36, 69. */
	assert_int_equal(stat_get("huge"), 72 - 7);
	assert_int_equal(huge_kb(&cow), (72 - 7) * BLOCK_KB);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
}

/* What was written before the last fork() allows nothing after it. */
static void test_generations(void **state)
{
	struct cow cow;
	pid_t child;
	size_t block;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	cow.bytes = 12 * HUGE_BYTES;
	cow_write(&cow, 0, 1);
	/* Block 11 began a run of 8. */
	assert_int_equal(stat_get("huge"), 8);
	child = start_holder();
	for (block = 12; block < BLOCKS; block++)
		cow.base[block * HUGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 8);
	end_holder(child);
	cow.bytes = BYTES;
	cow_release(&cow);
}

/* Another mapping's memory is no evidence, even where it lies beside. */
static void test_adjacent(void **state)
{
	struct cow cow;
	size_t page;

	(void)state;
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	assert_int_equal(madvise(cow.base + 3 * HUGE_BYTES, HUGE_BYTES,
				 MADV_DONTDUMP),
			 0);
	for (page = 0; page < 3 * BLOCK_PAGES; page++)
		cow.base[page * PAGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 1);
	cow.base[3 * HUGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 1);
	cow_release(&cow);
}

/* A huge page that is split later looks written from end to end, and is not. */
static void test_split_later(void **state)
{
	struct cow cow;

	(void)state;
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	cow.base[0] = 1;
	assert_int_equal(manual_cow(cow.base + HUGE_BYTES, HUGE_BYTES, 0), 0);
	cow.base[HUGE_BYTES] = 1;
	/* In two mappings, and one again. */
	assert_int_equal(mprotect(cow.base + HUGE_BYTES, PAGE_BYTES, PROT_READ),
			 0);
	assert_int_equal(mprotect(cow.base + HUGE_BYTES, PAGE_BYTES,
				  PROT_READ | PROT_WRITE),
			 0);
	cow.base[HUGE_BYTES] = 1;
	assert_int_equal(huge_kb(&cow), 2 * BLOCK_KB);
	cow.base[2 * HUGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 0);
	cow_release(&cow);
}

/* A writer without a pattern in the same mapping does not end a dense one's run. */
static void test_beside_random(void **state)
{
	struct cow cow;
	size_t page;

	(void)state;
	cow_share(&cow, 32 * HUGE_BYTES, COW_THP);
	for (page = 0; page < PAGES; page++) {
		cow.base[page * PAGE_BYTES] = 1;
		/* The first pages of other blocks; their neighbours have holes. */
		if (page % BLOCK_PAGES == 100 && page < 12 * BLOCK_PAGES)
			cow.base[(31 - page / BLOCK_PAGES) * HUGE_BYTES] = 1;
	}
	assert_int_equal(stat_get("huge"), BLOCKS - IN_PIECES);
	cow_release(&cow);
}

/*
 * Two threads write to one huge page at once: whoever comes second must not split
 * what the first has copied.
 */
static struct {
	unsigned char *base;
	atomic_size_t block; /* both are to write to */
	atomic_size_t done; /* by the second thread */
} pair;

static void *second_thread(void *arg)
{
	size_t block = 0;

	(void)arg;
	while (++block < BLOCKS) {
		while (pair.block != block)
			;
		pair.base[block * HUGE_BYTES + 8] = 2;
		pair.done = block;
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	unsigned int round;

	(void)state;
	stay_on_one_cpu(false);
	for (round = 0; round < 5; round++) {
		pthread_t thread;
		struct cow cow;
		size_t block, page;
		uint64_t huge = stat_get("huge");

		cow_share(&cow, BYTES, COW_THP);
		pair.base = cow.base;
		pair.block = 0;
		pair.done = 0;
		assert_int_equal(
			pthread_create(&thread, NULL, second_thread, NULL), 0);
		for (block = 0; block < BLOCKS; block++) {
			pair.block = block;
			cow.base[block * HUGE_BYTES] = 1;
			while (pair.done != block)
				;
			for (page = 1; page < BLOCK_PAGES; page++)
				cow.base[block * HUGE_BYTES + page * PAGE_BYTES] =
					1;
		}
		pthread_join(thread, NULL);
		/* A mapping's second round has the length of the first. */
		huge = stat_get("huge") - huge;
		assert_true(huge >= BLOCKS - IN_PIECES);
		assert_int_equal(huge_kb(&cow), huge * BLOCK_KB);
		for (block = 1; block < BLOCKS; block++)
			assert_int_equal(cow.base[block * HUGE_BYTES + 8], 2);
		cow_release(&cow);
	}
	stay_on_one_cpu(true);
}

/* The fault is timed as a whole, like one that copies a page. */
static void test_timed(void **state)
{
	struct stage fault, copy;
	struct cow cow;

	(void)state;
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	knob_set("reset", "1");
	knob_number("pid", getpid());
	knob_set("timing", "1");
	cow_write(&cow, 0, 1);
	knob_set("timing", "0");
	knob_set("pid", "0");
	copy = stage_get("huge_copy");
	fault = stage_get("fault");
	assert_int_equal(copy.count, 2);
	assert_true(fault.max > copy.max);
	assert_int_equal(stat_get("copied"), 4 * BLOCK_PAGES);
	cow_release(&cow);
}

/* The writes to a huge page that was copied take one fault. */
static void test_faults(void **state)
{
	uint64_t with, without;
	struct cow cow;

	(void)state;
	knob_set("window", "1");
	cow_share(&cow, BYTES, COW_THP);
	with = cow_write(&cow, 0, 1);
	cow_release(&cow);
	knob_set("huge_window", "0");
	cow_share(&cow, BYTES, COW_THP);
	without = cow_write(&cow, 0, 1);
	cow_release(&cow);
	assert_int_equal(without, PAGES);
	assert_int_equal(with, IN_PIECES * BLOCK_PAGES + BLOCKS - IN_PIECES);
}

/* From the last page to the first. */
static void test_falling(void **state)
{
	struct cow cow;
	size_t page;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	for (page = PAGES; page--;)
		memset(cow.base + page * PAGE_BYTES, 0x55, PAGE_BYTES);
	for (page = 0; page < BYTES; page++)
		assert_int_equal(cow.base[page], 0x55);
	assert_int_equal(stat_get("huge"), BLOCKS - IN_PIECES);
	cow_release(&cow);
}

/* Writers with holes get none, not even those that write each first page. */
static void test_sparse(void **state)
{
	static const size_t steps[] = { 2, 8, 64, BLOCK_PAGES };
	uint64_t rng = 1;
	struct cow cow;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		cow_share(&cow, BYTES, COW_THP);
		cow_write(&cow, 0, steps[i]);
		assert_int_equal(stat_get("huge"), 0);
		cow_check(&cow, 0, steps[i]);
		cow_release(&cow);
	}
	cow_share(&cow, BYTES, COW_THP);
	for (i = 0; i < PAGES / 2; i++)
		cow.base[next_random(&rng) % BYTES] = 1;
	assert_int_equal(stat_get("huge"), 0);
	cow_release(&cow);
}

/* One page that is not written ends the run. */
static void test_hole(void **state)
{
	const size_t hole = 5 * BLOCK_PAGES + 77;
	struct cow cow;
	size_t page;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	for (page = 0; page < 6 * BLOCK_PAGES; page++)
		if (page != hole)
			cow.base[page * PAGE_BYTES] = 1;
	/* Blocks 1, 3 and 4. Block 5 was split, so that the hole shows. */
	assert_int_equal(stat_get("huge"), 3);
	cow.base[page * PAGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 3);
	/* It starts anew: block 6 is split and written, block 7 copied, 8 split. */
	for (; page <= 8 * BLOCK_PAGES; page++)
		cow.base[page * PAGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 4);
	cow_release(&cow);
}

/* What a writer without holes wastes when it stops to be one. */
static void test_waste(void **state)
{
	struct cow cow;
	uint64_t dense, rest;

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	cow.bytes = 6 * HUGE_BYTES;
	cow_write(&cow, 0, 1);
	dense = stat_get("huge");
	/* Now one write for each block. Blocks 6 to 9 are allowed. */
	cow.bytes = BYTES;
	cow_write(&cow, 6 * BLOCK_PAGES, BLOCK_PAGES);
	rest = stat_get("huge") - dense;
	assert_int_equal(dense, 3);
	assert_int_equal(rest, 4);
	cow_release(&cow);
}

/* Nobody gets one who does not want it. */
static void test_not_wanted(void **state)
{
	static const struct {
		const char *knob;
		const char *value;
		int mode;
		int order;
	} cases[] = {
		{ "huge_window", "0", PR_COW_DEFAULT, 0 },
		{ "precopy", "0", PR_COW_DEFAULT, 0 },
		{ "precopy", "2", PR_COW_DEFAULT, 0 },
		{ "precopy", "1", PR_COW_OFF, 0 },
		{ "precopy", "1", PR_COW_ON, PR_COW_ORDER_MAX },
		/* Less than the copy of 2 MiB takes anywhere. */
		{ "latency_cap_ns", "40000", PR_COW_DEFAULT, 0 },
	};
	struct cow cow;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		knob_set("precopy", "1");
		knob_set("huge_window", "1");
		knob_set("reset", "1");
		knob_set(cases[i].knob, cases[i].value);
		assert_int_equal(prctl(PR_SET_COW, cases[i].mode,
				       cases[i].order, 0, 0),
				 0);
		cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
		cow_write(&cow, 0, 1);
		assert_int_equal(prctl(PR_SET_COW, PR_COW_DEFAULT, 0, 0, 0), 0);
		assert_int_equal(stat_get("huge"), 0);
		/* The policy is not even asked. */
		assert_int_equal(stat_get("huge_left"), 0);
		assert_int_equal(huge_kb(&cow), 0);
		cow_check(&cow, 0, 1);
		cow_release(&cow);
	}
	/* The process that opted in. */
	knob_set("latency_cap_ns", "0");
	knob_set("precopy", "2");
	assert_int_equal(prctl(PR_SET_COW, PR_COW_ON, 0, 0, 0), 0);
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	cow_write(&cow, 0, 1);
	assert_int_equal(prctl(PR_SET_COW, PR_COW_DEFAULT, 0, 0, 0), 0);
	assert_int_equal(stat_get("huge"), 2);
	cow_release(&cow);
}

/* A cap that such a fault keeps allows it, once the costs are known. */
static void test_cap(void **state)
{
	struct cow cow;

	(void)state;
	knob_set("latency_cap_ns", "60000000000");
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	cow_write(&cow, 0, 1);
	assert_int_equal(stat_get("huge"), 2);
	cow_release(&cow);
}

/* Who holds a reference to a page sees it as it was; the others are copied. */
static void test_referenced(void **state)
{
	const size_t held = BLOCK_PAGES + 9;
	unsigned char data[16];
	struct cow cow;
	struct iovec iov;
	int tube[2];

	(void)state;
	cow_share(&cow, BYTES, COW_THP);
	assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
	iov.iov_base = cow.base + held * PAGE_BYTES;
	iov.iov_len = sizeof(data);
	assert_int_equal(vmsplice(tube[1], &iov, 1, 0), sizeof(data));
	cow_write(&cow, 0, 1);
	cow_check(&cow, 0, 1);
	assert_int_equal(stat_get("huge_left"), 1);
	/* The policy knows no reason, and goes on. */
	assert_true(stat_get("huge") > 0);
	assert_int_equal(read(tube[0], data, sizeof(data)), sizeof(data));
	assert_int_equal(data[0], (held * 7 + 1) % 256);
	assert_int_equal(data[15], (held * 7 + 1) % 256);
	close(tube[0]);
	close(tube[1]);
	cow_release(&cow);
}

/* Where userfaultfd is armed, huge pages are split. */
static void test_userfaultfd(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { 0 };
	struct cow cow;
	int fd;

	(void)state;
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0)
		skip();
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	assert_int_equal(ioctl(fd, UFFDIO_API, &api), 0);
	reg.range.start = (uintptr_t)cow.base;
	reg.range.len = cow.bytes;
	reg.mode = UFFDIO_REGISTER_MODE_MISSING;
	assert_int_equal(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	cow_write(&cow, 0, 1);
	assert_int_equal(stat_get("huge"), 0);
	cow_check(&cow, 0, 1);
	close(fd);
	cow_release(&cow);
}

/*
 * Under soft-dirty tracking huge pages are split, as a mapping of their copies would
 * look written. (So do the PTEs of a dirty huge page that is split, on x86.)
 */
static void test_soft_dirty(void **state)
{
	struct cow cow;
	uint64_t entry;
	size_t i;

	(void)state;
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	/* A proof. */
	for (i = 0; i < BLOCK_PAGES; i++)
		cow.base[i * PAGE_BYTES] = 1;
	file_set("/proc/self/clear_refs", "4");
	cow.base[HUGE_BYTES] = 1;
	assert_int_equal(stat_get("huge"), 0);
	assert_int_equal(huge_kb(&cow), 2 * BLOCK_KB);
	assert_true(pagemap_entries(cow.base + HUGE_BYTES, &entry, 1));
	assert_true(entry & PM_SOFT_DIRTY);
	cow_release(&cow);
}

/* A write by the kernel for the process copies as the process' own does. */
static void test_kernel_writes(void **state)
{
	static unsigned char data[HUGE_BYTES];
	struct cow cow;
	size_t i;
	int fd;

	(void)state;
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(read(fd, cow.base + i * HUGE_BYTES,
				      HUGE_BYTES),
				 HUGE_BYTES);
	close(fd);
	for (i = 0; i < 4; i++)
		assert_memory_equal(cow.base + i * HUGE_BYTES, data,
				    HUGE_BYTES);
	assert_int_equal(stat_get("huge"), 2);
	cow_release(&cow);
}

/* Another process' writes copy no huge page. */
static void test_remote(void **state)
{
	static unsigned char data[HUGE_BYTES];
	struct cow cow;
	size_t i;
	int status;
	pid_t child;

	(void)state;
	cow_share(&cow, 4 * HUGE_BYTES, COW_THP);
	child = fork();
	if (!child) {
		for (i = 0; i < 4; i++) {
			struct iovec from = { data, HUGE_BYTES };
			struct iovec to = { cow.base + i * HUGE_BYTES,
					    HUGE_BYTES };

			if (process_vm_writev(getppid(), &from, 1, &to, 1, 0) !=
			    HUGE_BYTES)
				_exit(errno);
		}
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (i = 0; i < 4; i++)
		assert_memory_equal(cow.base + i * HUGE_BYTES, data,
				    HUGE_BYTES);
	assert_int_equal(stat_get("huge"), 0);
	cow_release(&cow);
}

static void cgroup_number(const char *file, uint64_t value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), CGROUP "/%s", file);
	snprintf(text, sizeof(text), "%ju", (uintmax_t)value);
	file_set(path, text);
}

/*
 * Where the cgroup has room for what is written, and for little more, no huge page
 * is copied ahead of what is shared, and nobody is killed. The writer is dense,
 * then writes one page of each block.
 */
static void test_memcg(void **state)
{
	struct cow cow;

	(void)state;
	if (skip_unless("/sys/fs/cgroup/cgroup.subtree_control"))
		skip();
	rmdir(CGROUP);
	if (mkdir(CGROUP, 0755))
		skip();
	cgroup_number("cgroup.procs", getpid());
	cow_share(&cow, BYTES, COW_THP);
	cgroup_number("memory.max", file_field(CGROUP "/memory.current", "") +
					    7 * HUGE_BYTES);
	cow.bytes = 6 * HUGE_BYTES;
	cow_write(&cow, 0, 1);
	cow.bytes = BYTES;
	cow_write(&cow, 6 * BLOCK_PAGES, BLOCK_PAGES);
	assert_int_equal(file_field(CGROUP "/memory.events", "oom_kill "), 0);
	assert_int_equal(file_field(CGROUP "/memory.events", "max "), 0);
	assert_int_equal(stat_get("huge"), 0);
	assert_true(stat_get("huge_left") > 0);
	assert_true(stat_get("skip_memory") > 0);
	cow_release(&cow);
	file_set("/sys/fs/cgroup/cgroup.procs", "0");
	rmdir(CGROUP);
}

static int set_up(void **state)
{
	(void)state;
	knobs_default();
	knob_set("policy", "adaptive");
	knob_set("window", "32");
	knob_set("precopy", "1");
	knob_set("huge_window", "1");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (!access(CGROUP, F_OK)) {
		file_set("/sys/fs/cgroup/cgroup.procs", "0");
		rmdir(CGROUP);
	}
	cow_forget();
	knobs_default();
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* An argument selects tests: 'test_s*'. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dense),	  TEST(test_long),
		TEST(test_faults),	  TEST(test_falling),
		TEST(test_sparse),	  TEST(test_hole),
		TEST(test_waste),	  TEST(test_generations),
		TEST(test_adjacent),	  TEST(test_split_later),
		TEST(test_beside_random), TEST(test_two_threads),
		TEST(test_timed),	  TEST(test_not_wanted),
		TEST(test_cap),		  TEST(test_referenced),
		TEST(test_userfaultfd),	  TEST(test_soft_dirty),
		TEST(test_kernel_writes), TEST(test_remote),
		TEST(test_memcg),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	stay_on_one_cpu(true);
	return cmocka_run_group_tests_name("guest_huge_window", tests,
					   stop_khugepaged, start_khugepaged);
}
