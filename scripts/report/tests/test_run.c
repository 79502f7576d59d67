// SPDX-License-Identifier: GPL-2.0
/* test_run.c - the program, on a canned run and on damaged copies of it */
#define _GNU_SOURCE
#include <unistd.h>

#include "db.h"
#include "folder.h"

static int setup(void **state)
{
	const char *data = getenv("COWREPORT_DATA");
	char dir[] = "/tmp/cowreport-test-XXXXXX";

	(void)state;
	if (!getenv("COWREPORT") || !data || !mkdtemp(dir))
		return -1;
	tmp = xstrdup(dir);
	return sh("cp -r %s/run %s/run", data, tmp);
}

static int teardown(void **state)
{
	(void)state;
	sh("rm -rf %s", tmp);
	free(tmp);
	return 0;
}

/* Run the report on the copy; its output goes to files out and err there */
static int report(const char *opts)
{
	return sh("cd %s && $COWREPORT %s run >out 2>err", tmp, opts);
}

static bool says(const char *file, const char *word)
{
	char *path = xasprintf("%s/%s", tmp, file);
	size_t len;
	char *buf;
	bool found;

	assert_int_equal(read_file(path, (size_t)1 << 24, &buf, &len), FILE_OK);
	found = memmem(buf, len, word, strlen(word));
	free(buf);
	free(path);
	return found;
}

static void said(const char *word)
{
	assert_true(says("err", word));
	assert_true(says("run/report.md", word));
	assert_true(says("run/report.html", word));
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(report("--check"), 0);
	assert_int_equal(
		sh("cmp %s/run/summary.csv %s/run/expected.csv", tmp, tmp), 0);
	assert_int_equal(sh("test ! -s %s/err", tmp), 0);
	assert_true(says(
		"out",
		"Table 1. COW fault service, ns: seq (clock wall, accel tcg, cpu max,-erms,-fsrm)"));
	assert_true(says("out", "report: run/report.html"));
	/* Table 1 of each boot, and the findings */
	assert_int_equal(sh("test $(grep -c '^Table 1' %s/out) = 2", tmp), 0);
	assert_true(
		says("out", "Precopy pays for sequential writes: with next"));
	assert_true(says("out", "0.500..0.750"));
	assert_true(says("run/report.md", "Whole: in all 15 cells"));
	assert_true(says(
		"run/report.md",
		"| next | 317 | 100 | 296 | 448 | 448 | 500 | 6 | 82.5 | 0.750 | 0.500..0.750 |"));
	assert_true(says("run/report.html", "Test &lt;CPU&gt; &amp; Co"));
	/* 100 columns, no more */
	assert_int_equal(sh("! grep -qE '^.{101}' %s/out", tmp), 0);
	/* twice the same */
	assert_int_equal(sh("cp %s/run/report.html %s/first", tmp, tmp), 0);
	assert_int_equal(sh("cp %s/run/run.db %s/db", tmp, tmp), 0);
	assert_int_equal(report("-q"), 0);
	assert_int_equal(sh("cmp %s/run/report.html %s/first", tmp, tmp), 0);
	assert_int_equal(sh("cmp %s/run/run.db %s/db", tmp, tmp), 0);
	assert_int_equal(sh("test ! -s %s/out", tmp), 0);
}

static void test_self_contained(void **state)
{
	static const char *const words[] = { "http:",	"https:",
					     "src=",	"url(",
					     "@import", "<script",
					     "<link",	"xlink:href=\"#gp",
					     "href=\"/" };

	(void)state;
	assert_int_equal(report("-q"), 0);
	/* a picture is in the page: as a file, it would be elsewhere */
	assert_int_equal(
		sh("test $(grep -c '<img alt=\"[^\"]*\" src=\"data:image/svg+xml,%%3C?xml[^\"<>]*%%3C/svg%%3E' %s/run/report.html) = 8",
		   tmp),
		0);
	assert_int_equal(
		sh("cd %s/run && sed 's/ src=\"data:[^\"]*\"//' report.html >x && mv x report.html",
		   tmp),
		0);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_false(says("run/report.html", words[i]));
	assert_int_equal(sh("test $(ls %s/run/plots/*.svg | wc -l) = 8", tmp),
			 0);
	/* an id stands on the page once */
	assert_int_equal(
		sh("test -z \"$(grep -oE \" id=['\\\"][^'\\\"]*\" %s/run/report.html | sort | uniq -d)\"",
		   tmp),
		0);
}

/* What stands in run.db is what stands in the report */
static void test_store(void **state)
{
	static const char sql[] =
		"SELECT printf('%.3f', ratio_to_baseline), faults FROM writer WHERE arm = 'next' AND clock = 'wall'";
	sqlite3_stmt *q;
	sqlite3 *db;
	char *path;

	(void)state;
	assert_int_equal(report("-q"), 0);
	path = xasprintf("%s/run/run.db", tmp);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	q = db_query(db, sql, "");
	assert_true(db_next(&q));
	assert_string_equal(col_text(q, 0), "0.750");
	assert_int_equal(col_u64(q, 1), 6);
	assert_false(db_next(&q));
	/* each view can be read without the functions of cowreport */
	assert_true(db_number(db, "SELECT count(*) FROM cell", "") == 15);
	assert_true(db_number(db, "SELECT sum(cells) FROM series", "") == 15);
	assert_true(db_number(db, "SELECT count(*) FROM page", "") == 15);
	assert_true(db_number(db, "SELECT count(*) FROM service", "") == 6);
	assert_true(db_number(db, "SELECT count(*) FROM agreement", "") == 0);
	assert_true(
		db_number(db,
			  "SELECT count(*) FROM cell WHERE verdict = 'agree'",
			  "") == 15);
	sqlite3_close(db);
	free(path);
}

/* The packed run makes the same report */
static void test_packed(void **state)
{
	(void)state;
	assert_int_equal(report(""), 0);
	assert_int_equal(sh("cp -r %s/run %s/whole", tmp, tmp), 0);
	assert_int_equal(sh("$COWREPORT_PACK %s/run %s/packed", tmp, tmp), 0);
	assert_int_equal(
		sh("test \"$(ls %s/packed)\" = \"$(printf 'env.json\\nraw.tar.zst')\"",
		   tmp),
		0);
	assert_int_equal(
		sh("cd %s && $COWREPORT --check packed >out 2>err", tmp), 0);
	assert_int_equal(sh("test ! -s %s/err", tmp), 0);
	assert_true(says("out", "report: packed/report.html"));
	assert_int_equal(
		sh("cd %s && for f in summary.csv report.md report.html plots run.db; do diff -r whole/$f packed/$f || exit 1; done",
		   tmp),
		0);
	/* made again, and packed into the same folder: byte for byte */
	assert_int_equal(
		sh("cd %s && cp packed/raw.tar.zst first && $COWREPORT_PACK run packed && cmp first packed/raw.tar.zst",
		   tmp),
		0);
	/* a damaged archive: one line, and nothing is left */
	sh("cd %s && head -c 500 first >packed/raw.tar.zst", tmp);
	assert_int_equal(
		sh("cd %s && mkdir t && TMPDIR=t $COWREPORT packed >out 2>err",
		   tmp),
		1);
	assert_true(says("err", "cowreport: tar failed: packed/raw.tar.zst"));
	assert_int_equal(sh("test -z \"$(ls %s/t)\"", tmp), 0);
	assert_int_equal(sh("$COWREPORT_PACK %s/nowhere %s/x 2>%s/err", tmp,
			    tmp, tmp),
			 1);
	assert_int_equal(sh("$COWREPORT_PACK 2>%s/err", tmp), 1);
}

static void test_no_folder(void **state)
{
	(void)state;
	assert_int_equal(sh("cd %s && $COWREPORT nowhere >out 2>err", tmp), 1);
	assert_true(says("err", "cowreport: nowhere: No such file"));
	assert_int_equal(sh("test $(wc -l <%s/err) = 1", tmp), 0);
	assert_int_equal(sh("cd %s && $COWREPORT run/env.json 2>err", tmp), 1);
	assert_int_equal(sh("cd %s && $COWREPORT 2>err", tmp), 1);
	assert_int_equal(sh("cd %s && $COWREPORT --nonsense run 2>err", tmp),
			 1);
	assert_int_equal(sh("$COWREPORT --help | grep -q ^Examples:"), 0);
	assert_int_equal(sh("$COWREPORT --version | grep -q cowreport"), 0);
}

static void test_nothing_measured(void **state)
{
	(void)state;
	sh("rm -r %s/run/raw %s/run/dmesg.log", tmp, tmp);
	assert_int_equal(report(""), 1);
	assert_true(says("err", "nothing was measured"));
	assert_true(says("run/report.html", "dmesg.log is absent"));
	assert_int_equal(sh("test $(wc -l <%s/run/summary.csv) = 1", tmp), 0);
}

static void test_no_env(void **state)
{
	(void)state;
	sh("rm %s/run/env.json", tmp);
	assert_int_equal(report("--check"), 0);
	said("env.json is absent");
	assert_true(says("out", "accel unknown"));
	assert_int_equal(
		sh("cmp %s/run/summary.csv %s/run/expected.csv", tmp, tmp), 0);
}

static void test_lost(void **state)
{
	(void)state;
	sh("sed -i '5s/.*/** 12 printk messages dropped **/' %s/run/dmesg.log",
	   tmp);
	assert_int_equal(report(""), 0);
	said("12 messages LOST");
	assert_int_equal(report("--check"), 2);
}

static void test_malformed(void **state)
{
	(void)state;
	sh("sed -i '0,/210 ns/s/210 ns/21/' %s/run/dmesg.log", tmp);
	assert_int_equal(report("--check"), 2);
	said("1 lines MALFORMED");
	said("wall/baseline.seq.1: log lines 3, histogram (fault) 4, faults 4: DISAGREE");
}

static void test_disagree(void **state)
{
	(void)state;
	sh("sed -i 's/,200,100,118/&/; s/,520,4,4,4/,520,5,4,4/; s/,570,4,4,4/,570,5,4,4/' %s/run/raw/wall/baseline.seq.3/listen.csv",
	   tmp);
	assert_int_equal(report(""), 0);
	said("wall/baseline.seq.3: log lines 4, histogram (fault) 4, faults 5: DISAGREE");
	assert_true(says(
		"run/report.md",
		"| wall | seq | baseline | 12 | 12 | 13 | 0 | 0 | 2 of 3 |"));
	assert_int_equal(report("--check -q"), 2);
}

static void test_lost_round(void **state)
{
	(void)state;
	sh("rm -r %s/run/raw/wall/next.seq.2", tmp);
	sh("sed -i '/arm=next workload=seq round=2/d; /: 350 ns/d; /: 450 ns/d' %s/run/dmesg.log",
	   tmp);
	assert_int_equal(report("--check"), 2);
	said("wall/next.seq: 1 of 3 rounds are missing: 2");
	/* rounds 1 and 3 are left: ratios 0.5 and 0.75 */
	assert_true(says(
		"run/summary.csv",
		"next,seq,wall,user,touch,8,20,5,19,21,22,23,35,4,8,9,1,73.8,"));
	assert_true(says("run/summary.csv", ",0.6250\n"));
	assert_true(says("run/report.md", "baseline 3, hugetlb 3, next 2"));
}

static void test_truncated_cell(void **state)
{
	(void)state;
	sh("cd %s/run/raw/wall && : >next.seq.1/user.csv && head -c 100 next.seq.2/latency_hist >x && mv x next.seq.2/latency_hist && rm next.seq.3/* && head -c 220 hugetlb.seq.1/listen.csv >x && mv x hugetlb.seq.1/listen.csv",
	   tmp);
	assert_int_equal(report("--check"), 2);
	said("wall/next.seq.1: user.csv is empty: left out");
	said("wall/next.seq.2: latency_hist is truncated");
	said("wall/next.seq.3: the folder is empty: left out");
	said("wall/hugetlb.seq.1: listen.csv is truncated");
	/* faults of two rounds of three are not the faults of the row */
	assert_true(says(
		"run/summary.csv",
		"hugetlb,seq,wall,debugfs,hugetlb_copy,3,140,140,136,136,136,136,140,,,,,,,\n"));
	/* of next, only round 2's quiet pass is left */
	assert_true(says(
		"run/summary.csv",
		"next,seq,wall,user,touch,8,20,6,19,21,22,23,40,2,4,4,0,82.5,"));
}

/* A cell without tracing is complete */
static void test_unheard(void **state)
{
	static const char kv[] = "run/raw/wall/snapshot-all.kv.1";

	(void)state;
	sh("cd %s && cp -r run/raw/wall/baseline.seq.1 %s && cd %s && rm listen.csv latency_hist && rm -f stats && sed -i '2s/^seq/kv/' user.csv",
	   tmp, kv, kv);
	assert_int_equal(report("--check"), 2);
	said("wall/snapshot-all.kv.1: absent, and left out: listen.csv, latency_hist");
	sh("touch %s/%s/unheard", tmp, kv);
	assert_int_equal(report("--check"), 0);
	assert_false(says("run/report.md", "wall/snapshot-all.kv.1: absent"));
	assert_false(says("run/report.md", ": incomplete"));
	assert_true(
		says("run/summary.csv", "snapshot-all,kv,wall,user,touch,"));
}

/* A histogram cut between two stages looks whole; the counts tell */
static void test_lost_stage(void **state)
{
	(void)state;
	sh("cd %s/run/raw/wall/next.seq.2 && sed -i '/^$/,$d' latency_hist",
	   tmp);
	assert_int_equal(report("--check"), 2);
	said("wall/next.seq.2: log lines 2, histogram (fault) 0, faults 2: DISAGREE");
}

static void test_panic(void **state)
{
	(void)state;
	/* the icount boot died in the middle of its second cell */
	sh("cd %s/run && rm -rf raw/icount/next.seq.* raw/icount/*.2 && rm raw/icount/hugetlb.seq.1/l*",
	   tmp);
	sh("cd %s/run && awk '{print} /clock=icount/{i=1} i && /1000 ns/{exit}' dmesg.log >x && mv x dmesg.log",
	   tmp);
	assert_int_equal(report("--check"), 2);
	said("icount/next.seq: not measured; clock wall has it");
	said("icount/hugetlb.seq.1: begins in dmesg.log");
	said("1 begin without end");
	assert_true(
		says("run/summary.csv", "hugetlb,seq,icount,user,touch,2,"));
	assert_false(says("run/summary.csv", "hugetlb,seq,icount,dmesg"));
}

static void test_failed_data(void **state)
{
	(void)state;
	sh("sed -i '2s/,1$/,0/' %s/run/raw/icount/next.seq.1/user.csv", tmp);
	assert_int_equal(report("--check"), 2);
	said("icount/next.seq.1: user.csv: the check of the data FAILED");
}

static void test_garbage(void **state)
{
	(void)state;
	sh("cd %s/run && for f in raw/*/*/* env.json dmesg.log; do cp $COWREPORT_DATA/garbage.log $f; done",
	   tmp);
	assert_int_equal(report(""), 1);
	assert_true(says("err", "nothing was measured"));
	assert_true(says("run/report.html", "latency_hist is malformed"));
	/* nothing on a terminal but text */
	assert_int_equal(sh("! LC_ALL=C grep -q '[[:cntrl:]]' %s/err", tmp), 0);
	assert_int_equal(sh("iconv -f utf-8 -t utf-8 %s/run/report.html >%s/x",
			    tmp, tmp),
			 0);
}

static void test_hostile(void **state)
{
	(void)state;
	/* a FIFO, a folder in place of a file, names that are none */
	sh("cd %s/run/raw && rm wall/next.seq.1/user.csv && mkfifo wall/next.seq.1/user.csv && rm wall/next.seq.2/stats && mkdir wall/next.seq.2/stats && mkdir moon wall/next wall/next.seq.x wall/next.seq.01 'wall/<script>.seq.1' && touch file wall/console.log && mkdir wall/job-0001",
	   tmp);
	sh("cd %s/run && cat >env.json <<'E'\n{\"git\":\"<script>alert(1)</script>\",\"boots\":[{\"clock\":\"wall\",\"accel\":\"tcg'; system('touch owned'); '\",\"cpu_model\":\"`touch owned`\"}]}\nE",
	   tmp);
	assert_int_equal(report("--check"), 2);
	said("user.csv cannot be read");
	assert_true(says("err", "raw/moon is neither wall nor icount"));
	assert_true(says("err", "is not <arm>.<workload>.<round>"));
	assert_true(says("err", "raw/wall/next.seq.01 is not"));
	/* the runner's own files are none of ours */
	assert_false(says("run/report.md", "console.log"));
	assert_false(says("run/report.md", "job-0001"));
	assert_false(says("run/report.html", "<script"));
	assert_int_equal(
		sh("test ! -e %s/owned -a ! -e %s/run/owned", tmp, tmp), 0);
}

static void test_no_gnuplot(void **state)
{
	(void)state;
	assert_int_equal(report("-q"), 0);
	assert_int_equal(
		sh("cd %s && PATH=/nonexistent $COWREPORT run >out 2>err", tmp),
		1);
	assert_true(says("err", "gnuplot is not installed"));
	assert_int_equal(sh("test $(wc -l <%s/err) = 1", tmp), 0);
	assert_true(says("run/report.html", "Pictures are missing"));
	assert_true(says("out", "Table 1."));
	assert_int_equal(
		sh("cmp %s/run/summary.csv %s/run/expected.csv", tmp, tmp), 0);
	/* nor are those of an earlier report left there */
	assert_int_equal(sh("test -z \"$(ls %s/run/plots)\"", tmp), 0);
}

/* reuse copies nothing: an empty histogram is right there */
static void test_nothing_to_copy(void **state)
{
	(void)state;
	sh("cd %s/run && rm -r raw/icount raw/wall/hugetlb* raw/wall/next* && for r in 1 2 3; do mv raw/wall/baseline.seq.$r raw/wall/baseline.reuse.$r; : >raw/wall/baseline.reuse.$r/latency_hist; done",
	   tmp);
	sh("cd %s/run && sed -i '/icount/,$d; /COW latency/d; /arm=[hn]/d; s/workload=seq/workload=reuse/' dmesg.log && sed -i 's/\"icount\"/\"none\"/' env.json",
	   tmp);
	assert_int_equal(report("--check"), 0);
	assert_true(
		says("run/summary.csv", "baseline,reuse,wall,user,touch,12,"));
	assert_false(says("run/summary.csv", "debugfs"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_good),       TEST(test_self_contained),
		TEST(test_store),      TEST(test_packed),
		TEST(test_no_folder),  TEST(test_nothing_measured),
		TEST(test_no_env),     TEST(test_lost),
		TEST(test_malformed),  TEST(test_disagree),
		TEST(test_lost_round), TEST(test_truncated_cell),
		TEST(test_unheard),    TEST(test_lost_stage),
		TEST(test_panic),      TEST(test_failed_data),
		TEST(test_garbage),    TEST(test_hostile),
		TEST(test_no_gnuplot), TEST(test_nothing_to_copy),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
