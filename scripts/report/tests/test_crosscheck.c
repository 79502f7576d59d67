// SPDX-License-Identifier: GPL-2.0
/* test_crosscheck.c - crosscheck.csv, its rows in summary.csv, its page */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"
#include "report.h"
#include "db.h"
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

#define FILE_ROW(source, count, avg)     \
	"file," source "," count "," avg \
	",3026,3039,3039,11903,11903,66304,262\n"
/* Delay accounting does not count these. */
#define GOOD_FILE                                                                      \
	HEAD FILE_ROW("debugfs", "64", "300") FILE_ROW("dmesg", "64", "300") FILE_ROW( \
		"bpf", "64",                                                           \
		"300") "file,delayacct,0,0,0,0,0,0,0,0,0\n" FILE_ROW("user",           \
								     "64",             \
								     "500")

static enum parse_status parse(sqlite3 *db, const char *s)
{
	char *copy = exact(s, strlen(s));
	enum parse_status ret = crosscheck_parse(db, "icount", copy, strlen(s));

	free(copy);
	return ret;
}

static int parse_any(const char *buf, size_t len)
{
	sqlite3 *db = db_new();
	enum parse_status ret = crosscheck_parse(db, "icount", buf, len);

	/* all of it or nothing */
	assert_true(ret == PARSE_OK ||
		    db_number(db, "SELECT count(*) FROM crosscheck", "") == 0);
	sqlite3_close(db);
	return ret;
}

static enum parse_status status(const char *s)
{
	return parse_any(s, strlen(s));
}

static double seen(sqlite3 *db, const char *source, const char *col)
{
	char *sql = xasprintf(
		"SELECT %s FROM crosscheck WHERE arm = 'baseline' AND source = ?",
		col);
	double val = db_number(db, sql, "s", source);

	free(sql);
	return val;
}

static void test_parse(void **state)
{
	sqlite3 *db = db_new();

	(void)state;
	assert_int_equal(parse(db, GOOD), PARSE_OK);
	assert_true(db_number(db, "SELECT count(DISTINCT arm) FROM crosscheck",
			      "") == 1);
	assert_true(seen(db, "bpf", "avg_ns") == 3340);
	assert_true(seen(db, "bpf", "cost_ns") == 262);
	assert_true(seen(db, "user", "cost_ns") == -4112);
	assert_true(seen(db, "user", "max_ns") == 71329);
	sqlite3_close(db);
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
	sqlite3 *db = db_new();

	assert_int_equal(parse(db, text), PARSE_OK);
	assert_true(db_number(db, "SELECT counts FROM agreement", "") ==
		    counts);
	assert_true(db_number(db, "SELECT times FROM agreement", "") == times);
	sqlite3_close(db);
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
	expect(GOOD_FILE, true, true);
	expect(GOOD_FILE FILE_ROW("delayacct", "64", "0"), false, true);
	expect(GOOD_FILE FILE_ROW("bpf", "63", "300"), false, true);
	expect(GOOD_FILE FILE_ROW("user", "64", "299"), true, false);
	expect(HEAD "baseline,user,0,0,0,0,0,0,0,0,0\n", false, false);
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(write_file(path, text, strlen(text)), 0);
}

/* The page of what is in the folder; NULL: it has none */
static char *page(const char *dir, char **sentence, char **csv)
{
	struct run run = { .db = db_new() };
	struct report rep = { .run = &run };
	struct memo html, rows;
	struct table *t;
	bool any;

	crosscheck_load(run.db, dir);
	summary_make(run.db);
	*sentence = crosscheck_sentence(run.db);
	memo_begin(&html);
	any = crosscheck_page(run.db, html.f);
	memo_end(&html);
	memo_begin(&rows);
	t = table_summary(&rep);
	table_csv(t, rows.f);
	table_free(t);
	*csv = memo_end(&rows);
	sqlite3_close(run.db);
	if (any)
		return html.s;
	free(html.s);
	return NULL;
}

static void test_page(void **state)
{
	char dir[] = "/tmp/crosscheck-XXXXXX", path[256], *buf, *csv, *sentence;

	(void)state;
	assert_non_null(mkdtemp(dir));
	/* Without a cross-check there is neither page nor row. */
	assert_null(page(dir, &sentence, &csv));
	assert_null(sentence);
	assert_null(strstr(csv, "bpf"));
	free(csv);

	snprintf(path, sizeof(path), "%s/raw", dir);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/raw/icount", dir);
	mkdir(path, 0777);
	put(dir, "raw/icount/crosscheck.csv", GOOD);
	put(dir, "raw/icount/stages-baseline.json",
	    "{\"faults\": 4096, \"pages\": 1.00, \"total\": 3928.0, \"probe\": 158.9, \"parts\": [{\"part\": \"entry\", \"ns\": 2381.9}, {\"part\": \"copy\", \"ns\": 1546.1}]}");
	put(dir, "raw/icount/stages-fixed.json", "{\"faults\": 12, [");

	buf = page(dir, &sentence, &csv);
	free(sentence);
	assert_non_null(strstr(
		csv,
		"\nbaseline,seq,icount,bpf,fault,4096,3340,3026,3039,3039,11903,11903,66304,4096,,,,,,\n"));
	free(csv);
	assert_non_null(strstr(buf, "All count the same: 4096."));
	assert_non_null(strstr(buf, "is 3742 longer"));
	assert_non_null(strstr(buf, "<svg"));
	assert_non_null(strstr(buf, ">copy</th><td>1546</td><td>39.4%</td>"));
	/* The damaged one is left out. */
	assert_null(strstr(buf, "a window of 16"));
	free(buf);

	put(dir, "raw/icount/crosscheck.csv", GOOD_FILE);
	buf = page(dir, &sentence, &csv);
	free(sentence);
	assert_non_null(
		strstr(csv, "\nfile,seq,icount,bpf,file_fault,64,300,"));
	free(csv);
	assert_non_null(strstr(
		buf,
		"All but delay accounting, which does not count first writes to a private file mapping, count the same: 64."));
	assert_non_null(strstr(buf, "is 200 longer"));
	free(buf);

	put(dir, "raw/icount/crosscheck.csv",
	    GOOD INNER("bpf", "4095", "3341", "262"));
	buf = page(dir, &sentence, &csv);
	free(csv);
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
