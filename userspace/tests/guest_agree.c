// SPDX-License-Identifier: GPL-2.0
/*
 * All counters of COW faults must agree: histogram, log, statistics, getrusage,
 * delay accounting. The data must be right in every arm and workload. Runs in
 * the guest, with the module loaded.
 */
#include "tests/guest.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/region.h"

#define REGION "8M"
#define PAGES (8UL << 20 >> 12)
#define HUGE_PAGES (PAGES / 512)
/* Two copies, for each of three concurrent processes. */
#define POOL (3 * 2 * HUGE_PAGES)

/**
 * struct arm - a configuration of pages
 * @name: the name in the report
 * @kind: for cowbench
 * @policy: NULL: precopy stays off
 * @window: for the policy
 * @huge_pages: the pool's size
 * @stage: whose samples are whole COWs
 * @faults: how many a sequential writer takes
 */
struct arm {
	const char *name;
	const char *kind;
	const char *policy;
	unsigned int window;
	unsigned int huge_pages;
	const char *stage;
	uint64_t faults;
};

static const struct arm arms[] = {
	{ "baseline", "4k", NULL, 0, 0, "fault", PAGES },
	{ "next", "4k", "next", 0, 0, "fault", PAGES / 2 },
	{ "fixed", "4k", "fixed", 16, 0, "fault", PAGES / 16 },
	{ "thp", "thp", NULL, 0, 0, "fault", PAGES },
	{ "hugetlb", "hugetlb", NULL, 0, POOL, "hugetlb_copy", HUGE_PAGES },
	{ "mthp64", "mthp", NULL, 0, 0, "fault", PAGES },
	/* Only for the data. */
	{ "fixed64", "4k", "fixed", 64, 0, "fault", PAGES / 64 },
	{ "thp_next", "thp", "next", 0, 0, "fault", PAGES / 2 },
	{ "thp_fixed64", "thp", "fixed", 64, 0, "fault", PAGES / 64 },
	{ "mthp64_next", "mthp", "next", 0, 0, "fault", PAGES / 2 },
	{ "mthp64_fixed64", "mthp", "fixed", 64, 0, "fault", PAGES / 64 },
	{ "hugetlb_fixed64", "hugetlb", "fixed", 64, POOL, "hugetlb_copy",
	  HUGE_PAGES },
};

static int restore(void **state)
{
	(void)state;
	knobs_default();
	cow_forget();
	file_set(THP "hugepages-64kB/enabled", "never");
	file_set(THP "hugepages-2048kB/enabled", "inherit");
	set_huge_pages(0);
	return 0;
}

static void set_arm(const struct arm *arm)
{
	const bool mthp = !strcmp(arm->kind, "mthp");

	file_set(THP "enabled", "madvise");
	file_set(THP "hugepages-64kB/enabled", mthp ? "madvise" : "never");
	file_set(THP "hugepages-2048kB/enabled", mthp ? "never" : "inherit");
	if (arm->huge_pages)
		set_huge_pages(arm->huge_pages);
	knob_set("precopy", "0");
	if (!arm->policy)
		return;
	knob_set("policy", arm->policy);
	if (arm->window)
		knob_number("window", arm->window);
	knob_set("precopy", "1");
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The value of nearest rank must be within 3% of @found. */
static void expect_percentile(const uint64_t *sorted, size_t count,
			      unsigned int per_mille, uint64_t found)
{
	size_t rank = (count * per_mille + 999) / 1000;
	uint64_t exact = sorted[rank - 1];

	assert_in_range(found * 100, exact * 97, exact * 103);
}

static void expect_agreement(const struct arm *arm, unsigned int threads)
{
	static uint64_t ns[PAGES + 16];
	const int kmsg = kmsg_open();
	struct stage whole, copy;
	struct bench bench;
	uint64_t sum = 0;
	size_t lines, i;

	set_arm(arm);
	knob_set("reset", "1");
	bench_run(&bench,
		  "--size " REGION
		  " --kind %s --threads %u --listen timing,log",
		  arm->kind, threads);
	assert_string_equal(bench.err, "");
	assert_int_equal(bench.status, 0);
	assert_int_equal(bench.nr, 1);
	whole = stage_get(arm->stage);
	lines = kmsg_cow(kmsg, ns, ARRAY_SIZE(ns));
	close(kmsg);

	/* The count. */
	assert_int_equal(bench.rows[0].faults, arm->faults);
	assert_int_equal(whole.count, arm->faults);
	assert_int_equal(lines, arm->faults);
	assert_int_equal(stat_get("faults"), arm->faults);
	assert_int_equal(stat_get("copied"), PAGES);
	assert_int_equal(bench.rows[0].touched, PAGES);
	assert_int_equal(bench.rows[0].copied, PAGES);
	copy = stage_get("copy");
	assert_int_equal(copy.count, arm->huge_pages ? 0 : PAGES);
	assert_int_equal(stage_get("hugetlb_copy").count,
			 arm->huge_pages ? HUGE_PAGES : 0);
	assert_int_equal(stage_get("fault").count,
			 arm->huge_pages ? 0 : arm->faults);
	assert_int_equal(stage_get("pmd_split").count,
			 strcmp(arm->kind, "thp") ? 0 : HUGE_PAGES);
	/* Windows are counted for all processes, so also while forking. */
	if (arm->policy)
		assert_in_range(stat_get("neighbours"), PAGES - arm->faults,
				PAGES - arm->faults + 64);
	else
		assert_int_equal(stat_get("neighbours"), 0);

	/* The time. */
	qsort(ns, lines, sizeof(*ns), by_value);
	for (i = 0; i < lines; i++)
		sum += ns[i];
	assert_in_range(whole.avg + 1, sum / lines, sum / lines + 2);
	assert_int_equal(whole.min, ns[0]);
	assert_int_equal(whole.max, ns[lines - 1]);
	expect_percentile(ns, lines, 500, whole.p50);
	expect_percentile(ns, lines, 900, whole.p90);
	expect_percentile(ns, lines, 990, whole.p99);
	expect_percentile(ns, lines, 999, whole.p999);
	/* A fault's copies are part of it. */
	if (copy.count)
		assert_true(copy.avg * copy.count <= sum);
}

static void test_agreement(void **state)
{
	expect_agreement(*state, 1);
}

static void test_agreement_threads(void **state)
{
	expect_agreement(*state, 2);
}

static void expect_delays(const struct arm *arm, enum cow_kind kind)
{
	struct delays before, after;
	uint64_t faults;
	struct cow cow;

	set_arm(arm);
	knob_set("precopy", "0");
	cow_share(&cow, PAGES * PAGE_BYTES, kind);
	if (arm->policy)
		knob_set("precopy", "1");
	knob_number("pid", getpid());
	knob_set("timing", "1");
	knob_set("reset", "1");
	before = delays_get();
	faults = cow_write(&cow, 0, 1);
	after = delays_get();
	assert_int_equal(faults, arm->faults);
	assert_int_equal(after.count - before.count, arm->faults);
	assert_int_equal(stage_get(arm->stage).count, arm->faults);
	knob_set("timing", "0");
	knob_set("precopy", "0");
	cow_check(&cow, 0, 1);
	cow_release(&cow);
}

static void test_delay_accounting(void **state)
{
	(void)state;
	expect_delays(&arms[0], COW_4K);
	expect_delays(&arms[1], COW_4K);
	expect_delays(&arms[2], COW_4K);
	expect_delays(&arms[3], COW_THP);
	expect_delays(&arms[4], COW_HUGETLB);
}

static const char *const workloads[] = {
	"seq",
	"rev",
	"rand",
	"sparse2",
	"sparse8",
	"sparse64",
	"zipf --writes 4096",
	"paced --pace-iters 100",
	"reuse",
	"seq --threads 2",
};

static void expect_right(const struct arm *arm, const char *workload,
			 const char *writer, struct bench *bench)
{
	bench_end(bench);
	if (bench->status || bench->err[0])
		fail_msg("%s %s, written by %s: %s", arm->name, workload,
			 writer, bench->err);
	assert_int_equal(bench->nr, strcmp(writer, "both") ? 1 : 2);
	assert_true(bench->rows[0].touched > 0);
}

/* cowbench itself compares every byte of both processes. */
static void test_data(void **state)
{
	static const char *const writers[] = { "parent", "child", "both" };
	const struct arm *arm = *state;
	struct bench benches[ARRAY_SIZE(writers)];
	size_t i, w;

	set_arm(arm);
	for (i = 0; i < ARRAY_SIZE(workloads); i++) {
		size_t count = ARRAY_SIZE(writers);

		/* Its other process has gone. */
		if (!strcmp(workloads[i], "reuse"))
			count = 1;
		/* Side by side, for the time. */
		for (w = 0; w < count; w++)
			bench_begin(
				&benches[w],
				"--size 4M --kind %s --writer %s --pattern %s",
				arm->kind, writers[w], workloads[i]);
		for (w = 0; w < count; w++)
			expect_right(arm, workloads[i], writers[w],
				     &benches[w]);
	}
	if (arm->policy && !arm->huge_pages)
		assert_true(stat_get("windows") > 0);
}

/* How many of these pages are on an LRU list, not in a CPU's cache? */
static size_t on_lru(const unsigned char *mem, size_t pages)
{
	size_t i, count = 0;

	for (i = 0; i < pages; i++) {
		uint64_t entry, flags;

		assert_true(pagemap_entries(mem + i * PAGE_BYTES, &entry, 1));
		read_entries("/proc/kpageflags", entry & PM_FRAME, &flags, 1);
		count += !!(flags & KPF_LRU);
	}
	return count;
}

/*
 * A writer that is moved between CPUs leaves pages in the caches of each: they
 * would be passed over, and a round would have more faults than it should.
 */
static void test_settle(void **state)
{
	const size_t pages = 8;
	unsigned char *mem;
	cpu_set_t all, one;
	size_t i;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	assert_in_range(CPU_COUNT(&all), 2, CPU_SETSIZE);
	mem = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	region_settle(&all);
	for (i = 0; i < pages; i++) {
		CPU_ZERO(&one);
		CPU_SET(i % 2, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		mem[i * PAGE_BYTES] = 1;
	}
	assert_in_range(on_lru(mem, pages), 0, pages - 1);
	region_settle(&all);
	assert_int_equal(on_lru(mem, pages), pages);
	sched_setaffinity(0, sizeof(all), &all);
	munmap(mem, pages * PAGE_BYTES);
}

/* A check that sees nothing proves nothing. */
static void test_data_corrupt(void **state)
{
	struct bench bench;

	(void)state;
	bench_run(&bench, "--size 4M --corrupt");
	assert_int_equal(bench.status, 1);
	assert_non_null(strstr(bench.err, "wrong byte"));
}

#define ARM_TEST(function, index, name)                         \
	{                                                       \
#function "_" name, function, restore, restore, \
			(void *)&arms[index]                    \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ARM_TEST(test_agreement, 0, "baseline"),
		ARM_TEST(test_agreement, 1, "next"),
		ARM_TEST(test_agreement, 2, "fixed"),
		ARM_TEST(test_agreement, 3, "thp"),
		ARM_TEST(test_agreement, 4, "hugetlb"),
		ARM_TEST(test_agreement, 5, "mthp64"),
		ARM_TEST(test_agreement_threads, 0, "baseline"),
		ARM_TEST(test_agreement_threads, 1, "next"),
		ARM_TEST(test_agreement_threads, 2, "fixed"),
		cmocka_unit_test_setup_teardown(test_delay_accounting, restore,
						restore),
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_data_corrupt),
		ARM_TEST(test_data, 0, "baseline"),
		ARM_TEST(test_data, 1, "next"),
		ARM_TEST(test_data, 6, "fixed64"),
		ARM_TEST(test_data, 3, "thp"),
		ARM_TEST(test_data, 7, "thp_next"),
		ARM_TEST(test_data, 8, "thp_fixed64"),
		ARM_TEST(test_data, 5, "mthp64"),
		ARM_TEST(test_data, 9, "mthp64_next"),
		ARM_TEST(test_data, 10, "mthp64_fixed64"),
		ARM_TEST(test_data, 4, "hugetlb"),
		ARM_TEST(test_data, 11, "hugetlb_fixed64"),
	};

	again_with_delays(argv);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_agree", tests, NULL, NULL);
}
