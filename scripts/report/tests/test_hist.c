// SPDX-License-Identifier: GPL-2.0
/* test_hist.c - latency_hist, touch.hist, stats */
#include "hist.h"
#include "test.h"

#define FIGURES                                                           \
	"count 16384\navg 3702\nmin 3500\np50 3690\np90 3900\np99 4100\n" \
	"p99.9 9000\nmax 250000\n"
#define HEAD "     ns                  : count    distribution\n"
#define BUCKETS                                                                            \
	"      2048 -> 4095       : 16000    |****************************************|\n" \
	"      4096 -> 8191       : 384      |                                        |\n"
#define GOOD                                 \
	"stage: copy\n" FIGURES HEAD BUCKETS \
	"\nstage: fault\n" FIGURES HEAD BUCKETS

static int hist(const char *s, struct stage_list *out)
{
	struct parse_error err;
	char *copy = exact(s, strlen(s));
	int ret = parse_latency_hist(copy, strlen(s), out, &err);

	free(copy);
	return ret;
}

static int hist_status(const char *s)
{
	struct stage_list list;
	int ret = hist(s, &list);

	stage_list_free(&list);
	return ret;
}

static void test_hist_good(void **state)
{
	const struct latency *lat;
	struct stage_list list;

	(void)state;
	assert_int_equal(hist(GOOD, &list), PARSE_OK);
	assert_int_equal(list.stage.n, 2);
	lat = stage_find(&list, "fault");
	assert_non_null(lat);
	assert_int_equal(lat->count, 16384);
	assert_true(lat->avg == 3702);
	assert_int_equal(lat->min, 3500);
	assert_int_equal(lat->p50, 3690);
	assert_int_equal(lat->p90, 3900);
	assert_int_equal(lat->p99, 4100);
	assert_int_equal(lat->p999, 9000);
	assert_int_equal(lat->max, 250000);
	assert_null(stage_find(&list, "pmd_split"));
	stage_list_free(&list);
}

static void test_hist_bad(void **state)
{
	(void)state;
	assert_int_equal(hist_status(""), PARSE_EMPTY);
	assert_int_equal(hist_status("\n \n"), PARSE_EMPTY);
	assert_int_equal(hist_status("stage: fault\n"), PARSE_TRUNCATED);
	assert_int_equal(hist_status("stage: fault\ncount 3\navg 1\n"),
			 PARSE_TRUNCATED);
	assert_int_equal(hist_status("stage: fault\n" FIGURES),
			 PARSE_TRUNCATED);
	assert_int_equal(hist_status("stage: fault\n" FIGURES HEAD),
			 PARSE_TRUNCATED);
	assert_int_equal(
		hist_status("stage: fault\n" FIGURES HEAD BUCKETS BUCKETS),
		PARSE_MALFORMED);
	assert_int_equal(hist_status(GOOD "\nstage: fault\n" FIGURES),
			 PARSE_MALFORMED);
	/* No samples, and yet a histogram; twice a stage without samples */
	assert_int_equal(hist_status("stage: fault\ncount 0\n" HEAD
				     "4 -> 7 : 1 |*|\n"),
			 PARSE_MALFORMED);
	assert_int_equal(hist_status("stage: fault\ncount 0\n"
				     "stage: fault\ncount 0\n"),
			 PARSE_MALFORMED);
	assert_int_equal(hist_status("count 3\n"), PARSE_MALFORMED);
	assert_int_equal(hist_status("stage: fault\ncount 3\ncount 3\n"),
			 PARSE_MALFORMED);
	assert_int_equal(hist_status("stage: fault\ncount x\n"),
			 PARSE_MALFORMED);
	assert_int_equal(hist_status("stage: fa/ult\ncount 1\n"),
			 PARSE_MALFORMED);
	assert_int_equal(
		hist_status("stage: fault\ncount 99999999999999999999\n"),
		PARSE_MALFORMED);
	/* p90 below p50 */
	assert_int_equal(
		hist_status(
			"stage: fault\ncount 1\navg 5\nmin 5\np50 9\np90 5\np99 9\np99.9 9\nmax 9\n" HEAD
			"4 -> 7 : 1 |*|\n"),
		PARSE_MALFORMED);
}

/* A file cut anywhere inside of its last bucket's count is no good one */
static void test_hist_every_cut(void **state)
{
	static const char good[] = GOOD;
	const char *last = strstr(good, "384 ");
	const char *blank = strstr(good, "\n\nstage");

	(void)state;
	last = strstr(last + 1, "384 ");
	for (size_t n = 1; n < (size_t)(last - good) + 3; n++) {
		struct stage_list list;
		int ret = parse_latency_hist(good, n, &list, NULL);

		/* the first stage alone is a whole file */
		if (n < (size_t)(strstr(good, "384 ") - good) + 3 ||
		    n > (size_t)(blank - good) + 2)
			assert_int_not_equal(ret, PARSE_OK);
		stage_list_free(&list);
	}
}

static int torment_hist(const char *buf, size_t len)
{
	struct stage_list list;
	int ret = parse_latency_hist(buf, len, &list, NULL);

	stage_list_free(&list);
	return ret;
}

static int torment_touch(const char *buf, size_t len)
{
	struct touch_hist h;
	int ret = parse_touch_hist(buf, len, &h, NULL);

	touch_hist_free(&h);
	return ret;
}

static int torment_stats(const char *buf, size_t len)
{
	struct stats s;
	int ret = parse_stats(buf, len, &s, NULL);

	stats_free(&s);
	return ret;
}

static int touch(const char *s, struct touch_hist *h)
{
	struct parse_error err;

	return parse_touch_hist(s, strlen(s), h, &err);
}

static int touch_status(const char *s)
{
	struct touch_hist h;
	int ret = touch(s, &h);

	touch_hist_free(&h);
	return ret;
}

static void test_touch(void **state)
{
	struct touch_hist h;

	(void)state;
	assert_int_equal(touch("# lower_ns count\n32 5\r\n33 0\n 4096 16379\n",
			       &h),
			 PARSE_OK);
	assert_int_equal(h.total, 16384);
	assert_int_equal(h.bucket.n, 3);
	assert_int_equal(h.bucket.v[2].lower, 4096);
	touch_hist_free(&h);
	assert_int_equal(touch_status(""), PARSE_EMPTY);
	assert_int_equal(touch_status("32 5\n33"), PARSE_TRUNCATED);
	/* Perhaps 10 once */
	assert_int_equal(touch_status("32 5\n33 1"), PARSE_TRUNCATED);
	assert_int_equal(touch_status("32 5\n33\n"), PARSE_MALFORMED);
	/* two, one behind the other */
	assert_int_equal(touch("32 5\n33 1\n32 4\n", &h), PARSE_OK);
	assert_int_equal(h.total, 10);
	touch_hist_free(&h);
	assert_int_equal(touch_status("32 5 6\n"), PARSE_MALFORMED);
	assert_int_equal(touch_status("32 -5\n"), PARSE_MALFORMED);
}

static int stats_status(const char *s)
{
	return torment_stats(s, strlen(s));
}

static void test_stats(void **state)
{
	struct stats s;

	(void)state;
	assert_int_equal(parse_stats("faults 4\nskip_swap 0\n", 21, &s, NULL),
			 PARSE_OK);
	assert_int_equal(s.line.n, 2);
	assert_string_equal(s.line.v[1].key, "skip_swap");
	assert_int_equal(s.line.v[0].value, 4);
	stats_free(&s);
	assert_int_equal(stats_status(""), PARSE_EMPTY);
	assert_int_equal(stats_status("faults 4\ncopied 1"), PARSE_TRUNCATED);
	assert_int_equal(stats_status("faults four\n"), PARSE_MALFORMED);
	assert_int_equal(stats_status("faults 4\nfaults 4\n"), PARSE_MALFORMED);
}

static void test_samples(void **state)
{
	const uint64_t ns[] = { 400, 200, 210, 190 };
	struct latency lat;

	(void)state;
	latency_of_samples(&lat, ns, 4);
	assert_int_equal(lat.count, 4);
	assert_true(lat.avg == 250);
	assert_int_equal(lat.min, 190);
	assert_int_equal(lat.p50, 200);
	assert_int_equal(lat.p90, 400);
	assert_int_equal(lat.max, 400);
	latency_of_samples(&lat, NULL, 0);
	assert_int_equal(lat.count, 0);
	assert_true(lat.min == NONE);
}

static void test_torment(void **state)
{
	static const char h[] = "1 2\n3 4\n32 5\n", s[] = "faults 4\nhit 3\n";

	(void)state;
	torment(GOOD, strlen(GOOD), torment_hist);
	torment(h, strlen(h), torment_touch);
	torment(s, strlen(s), torment_stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hist_good),
		cmocka_unit_test(test_hist_bad),
		cmocka_unit_test(test_hist_every_cut),
		cmocka_unit_test(test_touch),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_torment),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
