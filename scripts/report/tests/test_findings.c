// SPDX-License-Identifier: GPL-2.0
/* test_findings.c - sentences and verdicts follow the numbers */
#define _GNU_SOURCE
#include <math.h>

#include "findings.h"
#include "test.h"

static struct summary sum;

static int reset(void **state)
{
	(void)state;
	vec_free(&sum.row);
	return 0;
}

/* A row as touch: 1000 pages, of which so many were copied in vain */
static struct summary_row *touch(enum cow_clock clock, const char *arm,
				 const char *workload, double ratio,
				 uint64_t wasted)
{
	struct summary_row r = { .clock = clock,
				 .source = SRC_USER,
				 .stage = "touch",
				 .rounds = 2,
				 .faults = 1000,
				 .touched = 1000,
				 .copied = 1000 + wasted,
				 .wasted = wasted,
				 .ns_per_page = 4000 * ratio,
				 .ratio = ratio };

	snprintf(r.arm, sizeof(r.arm), "%s", arm);
	snprintf(r.workload, sizeof(r.workload), "%s", workload);
	r.lat = (struct latency){
		.count = 1000, .avg = 4000 * ratio, .p999 = 9000, .max = 10000
	};
	vec_push(&sum.row, r);
	return &sum.row.v[sum.row.n - 1];
}

/* A row of the kernel's histogram */
static void stage(enum cow_clock clock, const char *arm, const char *stage,
		  double avg)
{
	struct summary_row r = { .clock = clock, .source = SRC_DEBUGFS };

	snprintf(r.arm, sizeof(r.arm), "%s", arm);
	snprintf(r.workload, sizeof(r.workload), "seq");
	snprintf(r.stage, sizeof(r.stage), "%s", stage);
	r.lat = (struct latency){ .count = 1000, .avg = avg };
	vec_push(&sum.row, r);
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
	expect(finding_gain(&sum), "is not known");
	expect(finding_price(&sum), "is not known");
	expect(finding_tail(&sum), "is not known");
}

static void test_gain(void **state)
{
	(void)state;
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	touch(CLK_ICOUNT, "fixed", "seq", 0.6, 0);
	touch(CLK_ICOUNT, "adaptive", "seq", 0.5, 0);
	expect(finding_gain(&sum), "pays a sequential writer: with adaptive");
	expect(finding_gain(&sum),
	       "0.500 of what it costs baseline (2000 against 4000 instructions)");
	touch(CLK_WALL, "baseline", "seq", 1, 0);
	touch(CLK_WALL, "adaptive", "seq", 0.4, 0);
	expect(finding_gain(&sum), "and 0.400 of");
}

static void test_loss(void **state)
{
	(void)state;
	touch(CLK_WALL, "baseline", "seq", 1, 0);
	touch(CLK_WALL, "next", "seq", 1.2, 0);
	expect(finding_gain(&sum), "does not pay");
	expect(finding_gain(&sum), "1.200 of");
}

static void test_price(void **state)
{
	(void)state;
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	touch(CLK_ICOUNT, "adaptive", "seq", 0.5, 0);
	touch(CLK_ICOUNT, "adaptive", "sparse8", 1.01, 0);
	expect(finding_price(&sum),
	       "next to nothing: the worst workload of adaptive is sparse8, at 1.010");
	touch(CLK_ICOUNT, "fixed", "seq", 0.6, 0);
	touch(CLK_ICOUNT, "fixed", "sparse64", 7.5, 15000);
	expect(finding_price(&sum),
	       "fixed, which asks nobody, costs up to 7.50 (sparse64)");
	expect(finding_price(&sum), "15.0 pages in vain");
	touch(CLK_ICOUNT, "adaptive", "rand", 1.05, 300);
	expect(finding_price(&sum), "costs the other writers little");
	expect(finding_price(&sum), "300 were never written (10.00%");
	touch(CLK_ICOUNT, "adaptive", "zipf", 1.5, 0);
	expect(finding_price(&sum), "has a price");
}

static void test_tail(void **state)
{
	struct summary_row *r;

	(void)state;
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	r = touch(CLK_ICOUNT, "adaptive", "seq", 0.5, 0);
	r->faults = 50;
	r->lat.p999 = 18000;
	expect(finding_tail(&sum),
	       "95.0% of the sequential writes meet no fault");
	expect(finding_tail(&sum), "fewer and longer");
	expect(finding_tail(&sum), "(2.0 times)");
	r->lat.p999 = 8000;
	expect(finding_tail(&sum), "does not pay for it");
}

static void verdict(void (*make)(const struct summary *, struct claim *),
		    enum holds want, const char *part)
{
	struct claim c;

	make(&sum, &c);
	assert_string_equal(holds_name(c.holds), holds_name(want));
	expect(c.evidence, part);
}

static void test_copying(void **state)
{
	(void)state;
	verdict(claim_copying, CLAIM_OPEN, "not measured");
	stage(CLK_ICOUNT, "baseline", "copy", 1500);
	stage(CLK_ICOUNT, "baseline", "fault", 4000);
	verdict(claim_copying, CLAIM_FAILS, "38%");
	stage(CLK_WALL, "baseline", "copy", 3000);
	stage(CLK_WALL, "baseline", "fault", 4000);
	verdict(claim_copying, CLAIM_PARTLY, "75%");
	sum.row.v[0].lat.avg = 2500;
	verdict(claim_copying, CLAIM_HOLDS, "62%");
}

static void test_huge_pages(void **state)
{
	(void)state;
	verdict(claim_huge_pages, CLAIM_OPEN, "neither");
	stage(CLK_ICOUNT, "baseline", "fault", 4000);
	stage(CLK_ICOUNT, "hugetlb", "hugetlb_copy", 800000);
	verdict(claim_huge_pages, CLAIM_HOLDS, "hugetlb takes 200.00");
	stage(CLK_ICOUNT, "thp", "fault", 4400);
	verdict(claim_huge_pages, CLAIM_PARTLY, "thp takes 1.10");
	sum.row.v[1].lat.avg = 4000;
	verdict(claim_huge_pages, CLAIM_FAILS, "hugetlb takes 1.00");
}

static void test_precopy(void **state)
{
	struct summary_row *r;

	(void)state;
	verdict(claim_precopy, CLAIM_OPEN, "not measured");
	touch(CLK_ICOUNT, "baseline", "seq", 1, 0);
	r = touch(CLK_ICOUNT, "next", "seq", 0.81, 0);
	verdict(claim_precopy, CLAIM_PARTLY, "-19.0% with next");
	r->lat.p999 = 9500;
	verdict(claim_precopy, CLAIM_HOLDS, "9500 against 9000");
	r->ratio = 0.9;
	verdict(claim_precopy, CLAIM_PARTLY, "-10.0% with next");
	r->lat.p999 = 9000;
	verdict(claim_precopy, CLAIM_FAILS, "-10.0% with next");
}

static void test_system_call(void **state)
{
	struct summary_row *r;

	(void)state;
	verdict(claim_system_call, CLAIM_OPEN, "not measured");
	r = touch(CLK_ICOUNT, "manual_cow", "seq", 0.8, 0);
	verdict(claim_system_call, CLAIM_HOLDS, "1000 page fault(s)");
	r->faults = 0;
	verdict(claim_system_call, CLAIM_FAILS, "with 0 page fault(s)");
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nothing, reset),
		cmocka_unit_test_teardown(test_gain, reset),
		cmocka_unit_test_teardown(test_loss, reset),
		cmocka_unit_test_teardown(test_price, reset),
		cmocka_unit_test_teardown(test_tail, reset),
		cmocka_unit_test_teardown(test_copying, reset),
		cmocka_unit_test_teardown(test_huge_pages, reset),
		cmocka_unit_test_teardown(test_precopy, reset),
		cmocka_unit_test_teardown(test_system_call, reset),
		cmocka_unit_test_teardown(test_names, reset),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
