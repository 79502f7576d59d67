// SPDX-License-Identifier: GPL-2.0
/* test_user.c - cowbench's CSV */
#include <math.h>

#include "test.h"
#include "user.h"

#define HEAD                                                                        \
	"pattern,kind,writer,threads,round,size,count,avg_ns,min_ns,p50_ns,p90_ns," \
	"p99_ns,p999_ns,max_ns,elapsed_ns,faults,pages_touched,pages_copied,"       \
	"pages_wasted,rss_growth_kb,verified\n"
#define ROW \
	"seq,small,child,1,1,65536,4,100,90,101,105,106,107,150,400,4,4,4,0,-16,1\n"

static int csv(const char *s, struct user_rec *r)
{
	struct parse_error err;
	char *copy = exact(s, strlen(s));
	int ret = parse_user_csv(copy, strlen(s), r, &err);

	free(copy);
	return ret;
}

static void test_good(void **state)
{
	struct user_rec r;

	(void)state;
	assert_int_equal(csv(HEAD ROW, &r), PARSE_OK);
	assert_int_equal(r.rows, 1);
	assert_int_equal(r.lat.count, 4);
	assert_true(r.lat.avg == 100);
	assert_int_equal(r.lat.p999, 107);
	assert_int_equal(r.elapsed_ns, 400);
	assert_int_equal(r.pages_touched, 4);
	assert_int_equal(r.unverified, 0);
}

static void test_rows(void **state)
{
	struct user_rec r;

	(void)state;
	/* 4 writes of 100 ns and 12 of 200: 2800 / 16 = 175 */
	assert_int_equal(
		csv(HEAD ROW
		    "seq,small,parent,1,1,65536,12,200,80,111,105,106,107,150,600,12,12,12,0,,\n",
		    &r),
		PARSE_MALFORMED); /* p90 below p50 */
	assert_int_equal(
		csv(HEAD ROW
		    "seq,small,parent,1,1,65536,12,200,80,111,115,116,117,250,600,12,12,12,0,,\n",
		    &r),
		PARSE_OK);
	assert_int_equal(r.lat.count, 16);
	assert_true(fabsl(r.lat.avg - 175) < 1e-9L);
	assert_int_equal(r.lat.min, 80);
	assert_int_equal(r.lat.max, 250);
	assert_int_equal(r.lat.p50, 106);
	assert_int_equal(r.elapsed_ns, 1000);
	assert_int_equal(r.faults, 16);
}

static void test_empty_cells(void **state)
{
	struct user_rec r;

	(void)state;
	assert_int_equal(
		csv(HEAD "seq,small,child,1,1,65536,,,,,,,,,400,,4,,,,", &r),
		PARSE_OK);
	assert_true(r.lat.count == NONE);
	assert_true(isnan(r.lat.avg));
	assert_true(r.faults == NONE);
	assert_int_equal(r.elapsed_ns, 400);
	/* a sum with a hole is no sum */
	assert_int_equal(csv(HEAD ROW
			     "seq,small,child,1,1,65536,,,,,,,,,400,,4,,,,\n",
			     &r),
			 PARSE_OK);
	assert_true(r.faults == NONE);
	assert_int_equal(r.pages_touched, 8);
}

static void test_bad(void **state)
{
	struct user_rec r;

	(void)state;
	assert_int_equal(csv("", &r), PARSE_EMPTY);
	assert_int_equal(csv("\r\n\r\n", &r), PARSE_EMPTY);
	assert_int_equal(csv(HEAD, &r), PARSE_TRUNCATED);
	assert_int_equal(csv("pattern,kind,wri", &r), PARSE_TRUNCATED);
	assert_int_equal(csv("pattern,kind,writer\n", &r), PARSE_MALFORMED);
	assert_int_equal(csv(HEAD "seq,small,child,1,1,65536,4,100", &r),
			 PARSE_TRUNCATED);
	assert_int_equal(csv(HEAD "seq,small,child,1,1,65536,4,100\n", &r),
			 PARSE_MALFORMED);
	assert_int_equal(csv(HEAD ROW "1," ROW, &r), PARSE_MALFORMED);
	assert_int_equal(
		csv(HEAD
		    "seq,small,child,1,1,65536,four,100,90,101,105,106,107,150,400,4,4,4,0,0,1\n",
		    &r),
		PARSE_MALFORMED);
	assert_int_equal(
		csv(HEAD
		    "seq,small,child,1,1,65536,4,100,900,101,105,106,107,150,400,4,4,4,0,0,1\n",
		    &r),
		PARSE_MALFORMED);
	assert_int_equal(csv("\x7f"
			     "ELF garbage\n\n\xff\xfe",
			     &r),
			 PARSE_MALFORMED);
}

static void test_unverified(void **state)
{
	struct user_rec r;

	(void)state;
	assert_int_equal(
		csv(HEAD
		    "seq,small,child,1,1,65536,4,100,90,101,105,106,107,150,400,4,4,4,0,0,0\n",
		    &r),
		PARSE_OK);
	assert_int_equal(r.unverified, 1);
	assert_int_equal(
		csv(HEAD
		    "seq,small,child,1,1,65536,4,100,90,101,105,106,107,150,400,4,4,4,0,0,FAILED\r\n",
		    &r),
		PARSE_OK);
	assert_int_equal(r.unverified, 1);
}

/* Columns are found by name */
static void test_columns(void **state)
{
	struct user_rec r;

	(void)state;
	assert_int_equal(
		csv("verified,new,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,elapsed_ns,faults,pages_touched,pages_copied,pages_wasted\n"
		    "yes,x,1,2.5,2,2,2,2,2,3,9,1,1,1,0\n",
		    &r),
		PARSE_OK);
	assert_true(r.lat.avg == 2.5L);
	assert_int_equal(r.elapsed_ns, 9);
}

static int parse(const char *buf, size_t len)
{
	struct user_rec r;

	return parse_user_csv(buf, len, &r, NULL);
}

static void test_torment(void **state)
{
	(void)state;
	torment(HEAD ROW ROW, strlen(HEAD ROW ROW), parse);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_empty_cells),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_unverified),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_torment),
	};

	return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
