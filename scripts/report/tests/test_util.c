// SPDX-License-Identifier: GPL-2.0
/* test_util.c - numbers, names, medians, lines */
#include <math.h>

#include "names.h"
#include "doc.h"
#include "test.h"

static bool num(const char *s, uint64_t *v)
{
	return parse_u64(s, strlen(s), v);
}

static void test_u64(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(num("0", &v));
	assert_int_equal(v, 0);
	assert_true(num("9223372036854775807", &v));
	assert_true(v == INT64_MAX);
	assert_false(num("9223372036854775808", &v));
	assert_false(num("18446744073709551616", &v));
	assert_false(num("99999999999999999999999999999", &v));
	assert_false(num("", &v));
	assert_false(num("-1", &v));
	assert_false(num("+1", &v));
	assert_false(num(" 1", &v));
	assert_false(num("1 ", &v));
	assert_false(num("0x10", &v));
	assert_false(parse_u64("1\0", 2, &v));
}

static void test_decimal(void **state)
{
	long double v;

	(void)state;
	assert_true(parse_decimal("12", 2, &v));
	assert_true(v == 12);
	assert_true(parse_decimal("12.5", 4, &v));
	assert_true(v == 12.5L);
	assert_false(parse_decimal("12.", 3, &v));
	assert_false(parse_decimal(".5", 2, &v));
	assert_false(parse_decimal("1.5.5", 5, &v));
	assert_false(parse_decimal("nan", 3, &v));
	assert_false(parse_decimal("1e9", 3, &v));
}

static void test_median(void **state)
{
	uint64_t odd[] = { 9, 1, 5 }, even[] = { 4, 1, 3, 9 };
	uint64_t huge[] = { NUM_MAX, NUM_MAX };
	double d[] = { 3, 1, 2, 10 };

	(void)state;
	assert_int_equal(median_u64(odd, 1), 9);
	assert_int_equal(median_u64(odd, 3), 5);
	/* (3 + 4) / 2 = 3.5, halves up */
	assert_int_equal(median_u64(even, 4), 4);
	assert_true(median_u64(huge, 2) == NUM_MAX);
	assert_true(median_u64(odd, 0) == NONE);
	assert_true(median_double(d, 3) == 2);
	assert_true(median_double(d, 4) == 2.5);
	assert_true(isnan(median_double(d, 0)));
}

static void test_percentile(void **state)
{
	uint64_t v[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		v[i] = i + 1;
	assert_int_equal(percentile_sorted(v, 1000, 500), 500);
	assert_int_equal(percentile_sorted(v, 1000, 990), 990);
	assert_int_equal(percentile_sorted(v, 1000, 999), 999);
	assert_int_equal(percentile_sorted(v, 10, 500), 5);
	assert_int_equal(percentile_sorted(v, 10, 900), 9);
	assert_int_equal(percentile_sorted(v, 10, 990), 10);
	assert_int_equal(percentile_sorted(v, 1, 500), 1);
	assert_int_equal(percentile_sorted(v, 3, 500), 2);
	assert_true(percentile_sorted(v, 0, 500) == NONE);
}

static void test_round(void **state)
{
	(void)state;
	assert_int_equal(round_u64(0.5L), 1);
	assert_int_equal(round_u64(1.49L), 1);
	assert_int_equal(round_u64(-3), 0);
	assert_int_equal(round_u64(NAN), 0);
	assert_true(round_u64(1e30L) == NUM_MAX);
	assert_true(add_sat(NUM_MAX, 1) == NUM_MAX);
}

static void test_lines(void **state)
{
	static const char text[] = "one\r\n\ntwo\0half\r\nlast";
	struct lines l;

	(void)state;
	lines_init(&l, text, sizeof(text) - 1);
	assert_true(lines_next(&l));
	assert_int_equal(l.len, 3);
	assert_true(lines_next(&l));
	assert_int_equal(l.len, 0);
	assert_true(lines_next(&l));
	assert_int_equal(l.len, 8);
	assert_false(l.open);
	assert_true(lines_next(&l));
	assert_int_equal(l.len, 4);
	assert_int_equal(l.no, 4);
	assert_true(l.open);
	assert_false(lines_next(&l));
}

static void test_names(void **state)
{
	char name[NAME_LEN] = "kept";

	(void)state;
	assert_true(name_ok("populate_write", 14));
	assert_false(name_ok("a.b", 3));
	assert_false(name_ok("a/b", 3));
	assert_false(name_ok("", 0));
	assert_false(copy_name(name, "0123456789012345678901234567890123", 32));
	assert_string_equal(name, "kept");
	assert_true(copy_name(name, "0123456789012345678901234567890123", 31));

	assert_true(cmp_arm("baseline", "thp") < 0);
	assert_true(cmp_arm("helper", "aardvark") < 0);
	assert_true(cmp_arm("zebra", "aardvark") > 0);
	assert_true(cmp_arm("hugetlb", "next") < 0);
	assert_true(cmp_workload("seq", "rev") < 0);
	assert_true(cmp_workload("prefork", "abc") < 0);
	assert_int_equal(cmp_arm("same", "same"), 0);
	assert_int_equal(clock_by_name("wall", 4), CLK_WALL);
	assert_int_equal(clock_by_name("icount", 6), CLK_ICOUNT);
	assert_int_equal(clock_by_name("unknown", 7), CLK_UNKNOWN);
	assert_int_equal(clock_by_name("wal", 3), CLK_UNKNOWN);
}

static void expect(void (*put)(FILE *out, const char *s), const char *in,
		   const char *want)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	put(f, in);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
}

static void test_escape(void **state)
{
	(void)state;
	expect(put_html, "<b a='x' c=\"y\">&",
	       "&lt;b a=&#39;x&#39; c=&quot;y&quot;&gt;&amp;");
	expect(put_html, "a\033[31mb", "a&#xfffd;[31mb");
	/* overlong, surrogate, cut off, lone continuation */
	expect(put_html, "\xc0\xaf", "&#xfffd;&#xfffd;");
	expect(put_html, "\xed\xa0\x80", "&#xfffd;&#xfffd;&#xfffd;");
	expect(put_html, "\xe2\x82", "&#xfffd;&#xfffd;");
	expect(put_html, "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	/* a character that turns the line around */
	expect(put_html, "\xe2\x80\xae", "&#xfffd;&#xfffd;&#xfffd;");
	expect(put_md, "a|b <i>`x`\n[l](u)", "a\\|b &lt;i>\\`x\\`?\\[l\\](u)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_percentile),
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
