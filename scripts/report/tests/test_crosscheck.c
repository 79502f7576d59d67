// SPDX-License-Identifier: GPL-2.0
/* test_crosscheck.c - crosscheck.csv, its rows in summary.csv, its page */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crosscheck.h"
#include "test.h"

#define HEAD \
	"arm,source,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,cost_ns\n"
#define INNER(source, count, avg, cost)      \
	"baseline," source "," count "," avg \
	",3026,3039,3039,11903,11903,66304," cost "\n"
#define GOOD                                                                                    \
	HEAD INNER("debugfs", "4096", "3340", "295") INNER("dmesg", "4096",                     \
							   "3340", "3580")                      \
		INNER("bpf", "4096", "3340",                                                    \
		      "262") "baseline,delayacct,4096,7082,0,0,0,0,0,0,128\n"                   \
			     "baseline,user,4096,8265,8018,8018,8023,16884,16891,71329,-4112\n" \
			     "baseline,nobody,4096,4153,3939,3939,3944,12775,12781,15527,0\n"

static enum parse_status parse(struct checks *checks, const char *s)
{
	char *copy = exact(s, strlen(s));
	enum parse_status ret = checks_parse(checks, copy, strlen(s));

	free(copy);
	return ret;
}

static enum parse_status status(const char *s)
{
	struct checks checks;
	enum parse_status ret = parse(&checks, s);

	checks_free(&checks);
	return ret;
}

static int parse_any(const char *buf, size_t len)
{
	struct checks checks;
	enum parse_status ret = checks_parse(&checks, buf, len);

	checks_free(&checks);
	return ret;
}

static void test_parse(void **state)
{
	struct checks checks;

	(void)state;
	assert_int_equal(parse(&checks, GOOD), PARSE_OK);
	assert_int_equal(checks.check.n, 1);
	assert_string_equal(checks.check.v[0].arm, "baseline");
	assert_int_equal(checks.check.v[0].seen[OBS_BPF].avg, 3340);
	assert_int_equal(checks.check.v[0].seen[OBS_BPF].cost, 262);
	assert_int_equal(checks.check.v[0].seen[OBS_USER].cost, -4112);
	assert_int_equal(checks.check.v[0].seen[OBS_USER].max, 71329);
	checks_free(&checks);
	assert_int_equal(status(""), PARSE_EMPTY);
	assert_int_equal(status(HEAD "baseline,bpf,1"), PARSE_TRUNCATED);
	assert_int_equal(status("arm,source\n"), PARSE_MALFORMED);
	assert_int_equal(status(HEAD "baseline,magic,1,2,3,4,5,6,7,8,9\n"),
			 PARSE_MALFORMED);
	assert_int_equal(status(HEAD "baseline,bpf,1,2,3,4,5,6,7,8\n"),
			 PARSE_MALFORMED);
	assert_int_equal(status(HEAD "baseline,bpf,1,2,3,4,5,6,7,8,9,10\n"),
			 PARSE_MALFORMED);
	assert_int_equal(status(HEAD "baseline,bpf,1,-2,3,4,5,6,7,8,9\n"),
			 PARSE_MALFORMED);
	torment(GOOD, strlen(GOOD), parse_any);
}

static void expect(const char *text, bool counts, bool times)
{
	struct checks checks;

	assert_int_equal(parse(&checks, text), PARSE_OK);
	assert_int_equal(check_counts_agree(&checks.check.v[0]), counts);
	assert_int_equal(check_times_agree(&checks.check.v[0]), times);
	checks_free(&checks);
}

/* A later row takes an earlier one's place. */
static void test_agreement(void **state)
{
	(void)state;
	expect(GOOD, true, true);
	expect(GOOD INNER("bpf", "4095", "3340", "262"), false, true);
	expect(GOOD INNER("bpf", "4096", "3341", "262"), true, false);
	expect(GOOD INNER("dmesg", "4096", "3339", "262"), true, false);
	expect(GOOD INNER("delayacct", "4096", "3340", "1"), true, false);
	expect(GOOD INNER("delayacct", "4096", "8265", "1"), true, false);
	expect(HEAD "baseline,user,0,0,0,0,0,0,0,0,0\n", false, false);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(write_file(path, text, strlen(text)), 0);
}

static void test_page(void **state)
{
	char dir[] = "/tmp/crosscheck-XXXXXX", path[256], *buf = NULL;
	char *sentence;
	size_t len = 0;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	/* Without a cross-check there is neither page nor row. */
	assert_int_equal(crosscheck_page(dir), 0);
	assert_null(crosscheck_sentence(dir));
	snprintf(path, sizeof(path), "%s/crosscheck.html", dir);
	assert_int_equal(access(path, F_OK), -1);

	snprintf(path, sizeof(path), "%s/raw", dir);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/raw/icount", dir);
	mkdir(path, 0777);
	put(dir, "raw/icount/crosscheck.csv", GOOD);
	put(dir, "raw/icount/stages-baseline.json",
	    "{\"faults\": 4096, \"pages\": 1.00, \"total\": 3928.0, \"probe\": 158.9, \"parts\": [{\"part\": \"entry\", \"ns\": 2381.9}, {\"part\": \"copy\", \"ns\": 1546.1}]}");
	put(dir, "raw/icount/stages-fixed.json", "{\"faults\": 12, [");

	f = open_memstream(&buf, &len);
	crosscheck_rows(dir, f);
	fclose(f);
	assert_string_equal(
		buf,
		"baseline,seq,icount,bpf,fault,4096,3340,3026,3039,3039,11903,11903,66304,4096,,,,,,\n");
	free(buf);

	assert_int_equal(crosscheck_page(dir), 0);
	snprintf(path, sizeof(path), "%s/crosscheck.html", dir);
	assert_int_equal(read_file(path, 1 << 20, &buf, &len), FILE_OK);
	assert_non_null(strstr(buf, "All count the same: 4096."));
	assert_non_null(strstr(buf, "is 3742 longer"));
	assert_non_null(strstr(buf, "<svg"));
	assert_non_null(strstr(buf, "<td>copy<td>1546<td>39.4%"));
	/* The damaged one is left out. */
	assert_null(strstr(buf, "a window of 16"));
	free(buf);

	put(dir, "raw/icount/crosscheck.csv",
	    GOOD INNER("bpf", "4095", "3341", "262"));
	assert_int_equal(crosscheck_page(dir), 0);
	assert_int_equal(read_file(path, 1 << 20, &buf, &len), FILE_OK);
	sentence = crosscheck_sentence(dir);
	assert_non_null(strstr(sentence, "in 1 arms"));
	assert_non_null(strstr(sentence, "agree in 0, the times in 0."));
	free(sentence);
	assert_non_null(strstr(buf, "The counts differ."));
	assert_non_null(strstr(buf, "The times contradict each other."));
	free(buf);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests_name("crosscheck", tests, NULL, NULL);
}
