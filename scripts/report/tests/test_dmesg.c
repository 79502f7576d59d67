// SPDX-License-Identifier: GPL-2.0
/* test_dmesg.c - kernel logs, good and bad */
#include "dmesg.h"
#include "test.h"

static int parse_canned(const char *name, struct dmesg *d)
{
	size_t len;
	char *buf = canned(name, &len);
	char *copy = exact(buf, len);
	int ret = parse_dmesg(copy, len, d);

	free(copy);
	free(buf);
	return ret;
}

static void check_good(const char *name)
{
	struct dmesg d;

	assert_int_equal(parse_canned(name, &d), PARSE_OK);
	assert_true(dmesg_clean(&d));
	assert_int_equal(d.samples, 4);
	assert_int_equal(d.lines, 9);
	assert_int_equal(d.seg.n, 1);
	assert_true(d.seg.v[0].complete);
	assert_int_equal(d.seg.v[0].key.clock, CLK_WALL);
	assert_string_equal(d.seg.v[0].key.arm, "baseline");
	assert_string_equal(d.seg.v[0].key.workload, "seq");
	assert_int_equal(d.seg.v[0].key.round, 1);
	assert_int_equal(d.seg.v[0].ns.n, 4);
	assert_int_equal(d.seg.v[0].ns.v[0], 200);
	assert_int_equal(d.seg.v[0].ns.v[3], 400);
	dmesg_free(&d);
}

static void test_good(void **state)
{
	(void)state;
	check_good("good.log");
	check_good("crlf.log");
}

static void test_truncated(void **state)
{
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_canned("truncated.log", &d), PARSE_OK);
	assert_int_equal(d.samples, 3);
	assert_int_equal(d.malformed, 1);
	assert_int_equal(d.unclosed, 1);
	assert_int_equal(d.seg.n, 1);
	assert_false(d.seg.v[0].complete);
	assert_int_equal(d.seg.v[0].malformed, 1);
	dmesg_free(&d);
}

static void test_empty(void **state)
{
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_canned("empty.log", &d), PARSE_EMPTY);
	assert_int_equal(d.seg.n, 0);
	dmesg_free(&d);
	assert_int_equal(parse_dmesg(" \n\r\n", 4, &d), PARSE_EMPTY);
	dmesg_free(&d);
}

static void test_garbage(void **state)
{
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_canned("garbage.log", &d), PARSE_OK);
	assert_int_equal(d.samples, 0);
	assert_int_equal(d.seg.n, 0);
	assert_int_equal(d.malformed, 1);
	assert_int_equal(d.bad_marks, 1);
	dmesg_free(&d);
}

static void test_dropped(void **state)
{
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_canned("dropped.log", &d), PARSE_OK);
	/* 12 and 3 of printk, 5 of cowlab; the mark without a time is none */
	assert_int_equal(d.lost, 20);
	assert_int_equal(d.samples, 3);
	assert_int_equal(d.malformed, 0);
	assert_false(dmesg_clean(&d));
	assert_int_equal(d.seg.v[0].lost, 20);
	assert_true(d.seg.v[0].complete);
	dmesg_free(&d);
}

static void test_malformed(void **state)
{
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_canned("malformed.log", &d), PARSE_OK);
	assert_int_equal(d.samples, 2);
	assert_int_equal(d.malformed, 10);
	assert_int_equal(d.seg.v[0].malformed, 10);
	assert_int_equal(d.seg.v[0].ns.n, 2);
	assert_int_equal(d.nshown, DMESG_SHOWN);
	assert_int_equal(d.shown[0].line, 4);
	assert_string_equal(d.shown[0].text,
			    "[    1.100000] COW latency: 37o2 ns");
	dmesg_free(&d);
}

static void test_strays(void **state)
{
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_canned("strays.log", &d), PARSE_OK);
	assert_int_equal(d.no_clock, 1); /* round 9, before the boot line */
	assert_int_equal(d.stray, 3); /* the first, and two in between */
	assert_int_equal(d.nested, 1); /* round 2 inside of round 1 */
	assert_int_equal(d.unclosed, 3); /* rounds 9 and 1, and thp's */
	assert_int_equal(d.stray_ends, 1); /* the second end of round 2 */
	assert_int_equal(d.duplicates, 1); /* the second round 2 */
	assert_int_equal(d.bad_marks, 1); /* ne/xt */
	assert_int_equal(d.seg.n, 4);
	dmesg_free(&d);
}

static void test_prefixes(void **state)
{
	static const char log[] =
		"<6>[    0.000001] cowlab: boot clock=icount\n"
		"[    0.000001][    T1] cowlab: begin arm=x workload=y round=1\n"
		"<6>[  100.000001][   C12] COW latency: 1 ns\n"
		"[12345678.000001] COW latency: 2 ns\n"
		"COW latency: 3 ns\n"
		"[    0.00001] COW latency: 4 ns\n"
		"[    0.000001]COW latency: 5 ns\n"
		"[    0.000001] cowlab: COW latency: 6 ns\n"
		"[    0.000001] cowlab: end arm=x workload=y round=1\n";
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_dmesg(log, sizeof(log) - 1, &d), PARSE_OK);
	assert_int_equal(d.samples, 2);
	assert_int_equal(d.malformed, 4);
	assert_int_equal(d.seg.v[0].key.clock, CLK_ICOUNT);
	dmesg_free(&d);
}

/* A boot in the middle of a cell: the guest died, and was started again */
static void test_reboot(void **state)
{
	static const char log[] =
		"[    0.000001] cowlab: boot clock=wall\n"
		"[    0.000001] cowlab: begin arm=x workload=y round=1\n"
		"[    0.000001] COW latency: 1 ns\n"
		"[    0.000001] cowlab: boot clock=icount\n"
		"[    0.000001] COW latency: 1 ns\n"
		"[    0.000001] cowlab: end arm=x workload=y round=1\n";
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_dmesg(log, sizeof(log) - 1, &d), PARSE_OK);
	assert_int_equal(d.unclosed, 1);
	assert_int_equal(d.stray, 1);
	assert_int_equal(d.stray_ends, 1);
	assert_false(d.seg.v[0].complete);
	dmesg_free(&d);
}

/* What the cross-check logs is of no cell, but still well formed */
static void test_crosscheck(void **state)
{
	static const char log[] =
		"[    0.000001] cowlab: boot clock=wall\n"
		"[    0.000001] cowlab: begin arm=x workload=y round=1\n"
		"[    0.000001] COW latency: 1 ns\n"
		"[    0.000001] cowlab: end arm=x workload=y round=1\n"
		"[    0.000001] cowlab: crosscheck\n"
		"[    0.000001] COW latency: 2 ns\n"
		"[    0.000001] COW latency: 3\n"
		"[    0.000001] cowlab: boot clock=icount\n"
		"[    0.000001] COW latency: 4 ns\n";
	struct dmesg d;

	(void)state;
	assert_int_equal(parse_dmesg(log, sizeof(log) - 1, &d), PARSE_OK);
	assert_int_equal(d.samples, 2);
	assert_int_equal(d.malformed, 1);
	assert_int_equal(d.stray, 1); /* of the next boot */
	assert_int_equal(d.unclosed, 0);
	dmesg_free(&d);
}

static int parse_and_free(const char *buf, size_t len)
{
	struct dmesg d;
	int ret = parse_dmesg(buf, len, &d);

	dmesg_free(&d);
	return ret;
}

static void test_torment(void **state)
{
	static const char *const logs[] = { "good.log", "strays.log",
					    "malformed.log", "dropped.log" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		size_t len;
		char *buf = canned(logs[i], &len);

		torment(buf, len, parse_and_free);
		free(buf);
	}
}

/* No sample may vanish: whatever is cut off, it is read or counted */
static void test_every_cut(void **state)
{
	size_t len;
	char *buf = canned("good.log", &len);

	(void)state;
	for (size_t n = 1; n < len; n++) {
		struct dmesg d;
		uint64_t begun = 0;

		for (size_t i = 0; i + 6 <= n; i++)
			begun += !memcmp(buf + i, "COW la", 6);
		assert_int_equal(parse_dmesg(buf, n, &d), PARSE_OK);
		assert_true(d.samples + d.malformed >= begun);
		dmesg_free(&d);
	}
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_reboot),
		cmocka_unit_test(test_crosscheck),
		cmocka_unit_test(test_torment),
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests_name("dmesg", tests, NULL, NULL);
}
