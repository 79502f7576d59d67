// SPDX-License-Identifier: GPL-2.0
/* test_findings.c - sentences and verdicts follow the numbers */
#define _GNU_SOURCE
#include <math.h>

#include "findings.h"
#include "store.h"
#include "test.h"

static sqlite3 *db;

static int setup(void **state)
{
	(void)state;
	db = db_new();
	return 0;
}

static int reset(void **state)
{
	(void)state;
	sqlite3_close(db);
	return 0;
}

/* A row as touch: 1000 pages, of which so many were copied in vain */
static void touch(enum cow_clock clock, const char *arm, const char *workload,
		  double ratio, uint64_t wasted)
{
	struct figures f = { .avg = 4000 * ratio,
			     .p999 = 9000,
			     .max = 10000,
			     .faults = 1000,
			     .touched = 1000,
			     .wasted = wasted,
			     .ns_per_page = 4000 * ratio,
			     .ratio = ratio };

	store_summary(db, clock, arm, workload, "user", "touch", &f);
}

/* A row of the kernel's histogram */
static void stage(enum cow_clock clock, const char *arm, const char *stage,
		  double avg)
{
	struct figures f = { .avg = avg };

	store_summary(db, clock, arm, "seq", "debugfs", stage, &f);
}

/* Change a figure of an arm's rows */
static void set(const char *arm, const char *stage, const char *col, double val)
{
	char *sql = xasprintf(
		"UPDATE summary SET %s = ? WHERE arm = ? AND stage = ? AND clock = 'icount'",
		col);

	db_run(db, sql, "dss", val, arm, stage);
	free(sql);
}

static void expect(char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
	free(text);
}

static void test_nothing(void **state)
{
	(void)state;
	expect(finding(db, FINDING_GAIN), "is not known");
	expect(finding(db, FINDING_PRICE), "is not known");
	expect(finding(db, FINDING_TAIL), "is not known");
}

static void test_gain(void **state)
{
	(void)state;
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	touch(CLK_ICOUNT, "fixed", "seq", 0.6, 0);
	touch(CLK_ICOUNT, "adaptive", "seq", 0.5, 0);
	expect(finding(db, FINDING_GAIN),
	       "pays for sequential writes: with adaptive");
	expect(finding(db, FINDING_GAIN),
	       "0.500 of baseline's cost (2000 against 4000 instructions)");
	touch(CLK_WALL, "baseline", "seq", 1, 0);
	touch(CLK_WALL, "adaptive", "seq", 0.4, 0);
	expect(finding(db, FINDING_GAIN), "and by the wall clock 0.400 (");
}

static void test_loss(void **state)
{
	(void)state;
	touch(CLK_WALL, "baseline", "seq", 1, 0);
	touch(CLK_WALL, "next", "seq", 1.2, 0);
	expect(finding(db, FINDING_GAIN), "does not pay");
	expect(finding(db, FINDING_GAIN), "1.200 of baseline's");
}

static void test_price(void **state)
{
	(void)state;
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	touch(CLK_ICOUNT, "adaptive", "seq", 0.5, 0);
	touch(CLK_ICOUNT, "adaptive", "sparse8", 1.01, 0);
	expect(finding(db, FINDING_PRICE),
	       "next to nothing: the worst workload of adaptive is sparse8, at 1.010");
	touch(CLK_ICOUNT, "fixed", "seq", 0.6, 0);
	touch(CLK_ICOUNT, "fixed", "sparse64", 7.5, 15000);
	expect(finding(db, FINDING_PRICE),
	       "fixed, which opens a window at every fault, costs up to 7.50 (sparse64)");
	expect(finding(db, FINDING_PRICE), "15.0 pages in vain");
	touch(CLK_ICOUNT, "adaptive", "rand", 1.05, 300);
	expect(finding(db, FINDING_PRICE), "costs other writers little");
	expect(finding(db, FINDING_PRICE), "300 were never written (10.00%");
	touch(CLK_ICOUNT, "adaptive", "zipf", 1.5, 0);
	expect(finding(db, FINDING_PRICE), "has a price");
}

static void test_tail(void **state)
{
	(void)state;
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	touch(CLK_ICOUNT, "adaptive", "seq", 0.5, 0);
	set("adaptive", "touch", "faults", 50);
	set("adaptive", "touch", "p999_ns", 18000);
	expect(finding(db, FINDING_TAIL),
	       "95.0% of the sequential writes take no fault");
	expect(finding(db, FINDING_TAIL), "fewer and longer");
	expect(finding(db, FINDING_TAIL), "(2.0 times)");
	set("adaptive", "touch", "p999_ns", 8000);
	expect(finding(db, FINDING_TAIL), "does not pay for it");
}

/* A snapshot of 1000 pages written: fork() in ms per GB, a write in ns. */
static void snapshot(enum cow_clock clock, const char *arm, const char *pattern,
		     int percent, int cycle, double fork, double prepare,
		     double write)
{
	db_run(db,
	       "INSERT INTO cycles(clock, arm, name, round, pattern, percent, cycle, writes, pages, fork_ns, prepare_ns, avg_ns, end_ns, fork_ms_per_gb) VALUES (?, ?, 'cycles', 1, ?, ?, ?, 1000, 1000, 0, ?, ?, 0, ?)",
	       "sssnnddd", clock_name(clock), arm, pattern, percent, cycle,
	       prepare, write, fork);
}

static void test_cycles(void **state)
{
	(void)state;
	assert_null(finding(db, FINDING_CYCLES));
	snapshot(CLK_ICOUNT, "thp", "seq", 100, 1, 9, 0, 4000);
	snapshot(CLK_ICOUNT, "thp", "seq", 100, 2, 41, 0, 4000);
	assert_null(finding(db, FINDING_CYCLES));
	snapshot(CLK_ICOUNT, "baseline", "seq", 100, 1, 40, 0, 4000);
	snapshot(CLK_ICOUNT, "baseline", "seq", 100, 2, 40, 0, 4000);
	expect(finding(db, FINDING_CYCLES),
	       "do not survive snapshots: with thp, fork() of snapshot 1 takes 9.0 million instructions per GB, of snapshot 2 41.0; baseline's takes 40.0. ");
	expect(finding(db, FINDING_CYCLES), "with thp, at 1.000 of");
	/* The preparation counts. */
	snapshot(CLK_ICOUNT, "thp-collapse", "seq", 100, 2, 9, 4e6, 1000);
	expect(finding(db, FINDING_CYCLES), "with thp, at 1.000 of");
	snapshot(CLK_ICOUNT, "thp-adaptive", "seq", 100, 2, 27, 0, 2000);
	expect(finding(db, FINDING_CYCLES),
	       "snapshot 2 costs least with thp-adaptive, at 0.500 of baseline's per page written sequentially.");
	/* Other patterns do not mix in, the other clock neither. */
	snapshot(CLK_WALL, "thp", "seq", 100, 1, 1, 0, 1);
	snapshot(CLK_ICOUNT, "baseline", "rand", 10, 3, 40, 0, 4000);
	snapshot(CLK_ICOUNT, "mthp64", "rand", 10, 3, 40, 0, 1000);
	expect(finding(db, FINDING_CYCLES),
	       "0.500 of baseline's per page written sequentially, and with mthp64, at 0.250, where 10% are written at random.");
	db_run(db, "UPDATE cycles SET fork_ms_per_gb = 10 WHERE arm = 'thp'",
	       "");
	expect(finding(db, FINDING_CYCLES), "Huge pages survive snapshots");
}

static void verdict(int claim, enum holds want, const char *part)
{
	enum holds holds;
	char *evidence = claim_evidence(&claims[claim], db, &holds);

	assert_string_equal(holds_name(holds), holds_name(want));
	expect(evidence, part);
}

static void test_copying(void **state)
{
	(void)state;
	verdict(CLAIM_COPYING, CLAIM_OPEN, "not measured");
	stage(CLK_ICOUNT, "baseline", "copy", 1500);
	stage(CLK_ICOUNT, "baseline", "fault", 4000);
	verdict(CLAIM_COPYING, CLAIM_FAILS, "38%");
	stage(CLK_WALL, "baseline", "copy", 3000);
	stage(CLK_WALL, "baseline", "fault", 4000);
	verdict(CLAIM_COPYING, CLAIM_PARTLY, "75%");
	set("baseline", "copy", "avg_ns", 2500);
	verdict(CLAIM_COPYING, CLAIM_HOLDS, "62%");
}

static void test_huge_pages(void **state)
{
	(void)state;
	verdict(CLAIM_HUGE_PAGES, CLAIM_OPEN, "neither");
	stage(CLK_ICOUNT, "baseline", "fault", 4000);
	stage(CLK_ICOUNT, "hugetlb", "hugetlb_copy", 800000);
	verdict(CLAIM_HUGE_PAGES, CLAIM_HOLDS, "hugetlb takes 200.00");
	stage(CLK_ICOUNT, "thp", "fault", 4400);
	verdict(CLAIM_HUGE_PAGES, CLAIM_PARTLY, "thp takes 1.10");
	set("hugetlb", "hugetlb_copy", "avg_ns", 4000);
	verdict(CLAIM_HUGE_PAGES, CLAIM_FAILS, "hugetlb takes 1.00");
	/* What is split later does not count; what is copied as a whole does. */
	snapshot(CLK_ICOUNT, "baseline", "seq", 100, 1, 32, 0, 4000);
	snapshot(CLK_ICOUNT, "baseline", "seq", 100, 8, 32, 0, 4000);
	snapshot(CLK_ICOUNT, "thp", "seq", 100, 1, 1.6, 0, 4000);
	snapshot(CLK_ICOUNT, "thp", "seq", 100, 8, 32, 0, 4000);
	verdict(CLAIM_HUGE_PAGES, CLAIM_FAILS,
		"snapshot 8 of a sequential writer fork() takes 1.000 of baseline's with thp, whose huge pages are split by then; in the first 0.050");
	snapshot(CLK_ICOUNT, "thp-manual_cow", "seq", 100, 8, 1.6, 1e6, 200);
	verdict(CLAIM_HUGE_PAGES, CLAIM_FAILS,
		"snapshot 8 of seq fork() takes 0.050 of baseline's, and a page written costs 0.30, all counted");
	snapshot(CLK_ICOUNT, "baseline", "rand", 10, 8, 32, 0, 4000);
	snapshot(CLK_ICOUNT, "thp-manual_cow", "rand", 10, 8, 1.6, 8e6, 200);
	verdict(CLAIM_HUGE_PAGES, CLAIM_PARTLY, "snapshot 8 of rand 10%");
}

static void test_precopy(void **state)
{
	(void)state;
	verdict(CLAIM_PRECOPY, CLAIM_OPEN, "not measured");
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	touch(CLK_ICOUNT, "next", "seq", 0.81, 0);
	verdict(CLAIM_PRECOPY, CLAIM_PARTLY, "-19.0% with next");
	set("next", "touch", "p999_ns", 9500);
	verdict(CLAIM_PRECOPY, CLAIM_HOLDS, "9500 against 9000");
	set("next", "touch", "ratio_to_baseline", 0.9);
	verdict(CLAIM_PRECOPY, CLAIM_PARTLY, "-10.0% with next");
	set("next", "touch", "p999_ns", 9000);
	verdict(CLAIM_PRECOPY, CLAIM_FAILS, "-10.0% with next");
}

static void test_system_call(void **state)
{
	(void)state;
	verdict(CLAIM_CALL, CLAIM_OPEN, "not measured");
	touch(CLK_ICOUNT, "manual_cow", "seq", 0.8, 0);
	verdict(CLAIM_CALL, CLAIM_HOLDS, "1000 page fault(s)");
	set("manual_cow", "touch", "faults", 0);
	verdict(CLAIM_CALL, CLAIM_FAILS, "with 0 page fault(s)");
}

static void test_names(void **state)
{
	struct cell_key key = { .arm = "helper", .workload = "seq" };
	unsigned int window;
	bool large;

	(void)state;
	assert_true(sweep_point("fixed-w16-o1", &window, &large));
	assert_int_equal(window, 16);
	assert_true(large);
	assert_true(is_sweep("fixed-w1-o0"));
	assert_false(is_sweep("fixed"));
	assert_false(is_sweep("fixed-w16"));
	assert_false(is_sweep("fixed-w16-o2"));
	assert_false(is_sweep("fixed-w16-o1x"));
	assert_true(arm_prepares("manual_cow"));
	assert_false(arm_prepares("adaptive"));
	assert_true(wall_only(&key));
	snprintf(key.arm, sizeof(key.arm), "baseline");
	assert_false(wall_only(&key));
	snprintf(key.workload, sizeof(key.workload), "threads");
	assert_true(wall_only(&key));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, reset)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing), TEST(test_gain),
		TEST(test_loss),    TEST(test_price),
		TEST(test_tail),    TEST(test_copying),
		TEST(test_cycles),  TEST(test_huge_pages),
		TEST(test_precopy), TEST(test_system_call),
		TEST(test_names),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
