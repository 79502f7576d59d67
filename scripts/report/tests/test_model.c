// SPDX-License-Identifier: GPL-2.0
/* test_model.c - what CLOCK=memory left, read and reported */
#define _GNU_SOURCE
#include <math.h>
#include <unistd.h>

#include "findings.h"
#include "load.h"
#include "model.h"
#include "folder.h"

#define HEAD \
	"region,n,part,insns,loads,stores,l1d,l2d,l3d,l1s,l2s,l3s,l1i,l2i,l3i,l1w,l2w,l3w,dtlb,itlb,walks,walk_reads,invlpg,cr3,global,accessed,dirty,assists,faults,stale,unknown,cycles_insns,cycles_l2,cycles_l3,cycles_memory,cycles_tlb,cycles_flush,cycles_assist,cycles_fault\n"
/* insns, L1 and L2 misses of data, stale, cycles of instructions and of memory */
#define ROW(region, part, insns, l1, l2, stale, cycles, memory)      \
	region ",1," part "," #insns ",1,1," #l1 "," #l2             \
	       ",0,0,0,0,0,0,0,0,0,0,0,0,0,0,10,0,0,0,0,5,0," #stale \
	       ",0," #cycles ",0,0," #memory ",0,0,0,0\n"
#define USER_HEAD \
	"pattern,kind,writer,threads,round,size,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,elapsed_ns,faults,pages_touched,pages_copied,pages_wasted,rss_growth_kb,parent_peak_kb,child_peak_kb,verified\n"
#define USER(pages, verified)                                              \
	USER_HEAD "seq,4k,parent,1,1,40960,10,1,1,1,1,1,1,1,10,10," #pages \
		  ",10,0,40,1,1," verified "\n"

static void put(const char *name, const char *text)
{
	put_in("raw/memory", name, text);
}

static int setup(void **state)
{
	char dir[] = "/tmp/cowreport-test-XXXXXX";

	(void)state;
	if (!getenv("COWREPORT") || !mkdtemp(dir))
		return -1;
	tmp = xstrdup(dir);
	put("baseline.seq.1/user.csv", USER(10, "yes"));
	put("next.seq.1/user.csv", USER(10, "yes"));
	put("adaptive.seq.1/user.csv", USER(10, "yes"));
	put("adaptive.seq.2/user.csv", USER(30, "yes"));
	put("fixed.seq.1/user.csv", USER(10, "no"));
	put("memory-costs.csv",
	    "model,cost,cycles\nlaptop,cpi,0.5\nlaptop,memory,270\n");
	put("memory.csv",
	    HEAD ROW("baseline.seq.1", "user", 100, 3, 2, 0, 50, 0)
		    ROW("baseline.seq.1", "copy", 900, 50, 50, 0, 450, 500)
	    /* Fewer instructions, and more cycles */
	    ROW("next.seq.1", "user", 100, 3, 2, 0, 50, 0)
		    ROW("next.seq.1", "copy", 800, 50, 50, 0, 400, 650)
	    /* Two rounds of different size: by the pages of both */
	    ROW("adaptive.seq.1", "user", 100, 640, 2, 0, 50, 0) ROW(
		    "adaptive.seq.1", "copy", 400, 50, 50, 0, 150,
		    500) ROW("adaptive.seq.2", "user", 300, 1920, 6, 0, 150, 0)
		    ROW("adaptive.seq.2", "copy", 1200, 50, 50, 0, 450, 1500)
	    /* The check of its data failed */
	    ROW("fixed.seq.1", "user", 1, 1, 1, 0, 1, 1)
	    /* Nobody knows what it wrote */
	    ROW("thp.seq.1", "user", 1, 1, 1, 0, 1, 1) ROW("$(x)", "user", 1, 1,
							   1, 0, 1, 1)
		    ROW("baseline.seq.1", "a part", 1, 1, 1, 0, 1,
			1) "next.seq.1,1,user,1\n" ROW("next.seq.1", "user", x,
						       1, 1, 0, 1,
						       1) "next.seq.1,1,us");
	return 0;
}

static void put_functions(void)
{
	put("baseline.rand.1/user.csv", USER(1000, "yes"));
	put("adaptive.rand.1/user.csv", USER(500, "yes"));
	put("memory.csv",
	    HEAD ROW("baseline.rand.1", "user", 1, 1, 1, 0, 1, 1)
		    ROW("adaptive.rand.1", "user", 1, 1, 1, 0, 1, 1));
	put("functions.csv", "region,n,function,part,insns\n"
			     "baseline.rand.1,1,memcpy_orig,copy,1553000\n"
			     "baseline.rand.1,1,-,user,100000\n"
			     "baseline.rand.1,1,up_read,other,1000\n"
			     "adaptive.rand.1,2,memcpy_orig,copy,776500\n"
			     "adaptive.rand.1,2,cow_stock.part.0,other,20000\n"
			     /* Another workload, no cell, no name, cut off */
			     "baseline.seq.1,3,memcpy_orig,copy,1\n"
			     "x,4,memcpy_orig,copy,1\n"
			     "baseline.rand.1,1,a|b,copy,1\n"
			     "baseline.rand.1,1,memcpy_or");
}

static int teardown(void **state)
{
	(void)state;
	return sh("rm -rf %s", tmp);
}

static double modelled(sqlite3 *db, const char *arm, const char *col)
{
	char *sql = xasprintf(
		"SELECT %s FROM modelled WHERE workload = 'seq' AND arm = ?",
		col);
	double value = db_number(db, sql, "s", arm);

	free(sql);
	return value;
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void test_values(void **state)
{
	struct run run;

	(void)state;
	assert_int_equal(run_load(&run, tmp), 0);
	assert_true(model_any(run.db));
	assert_true(near(modelled(run.db, "baseline", "insns"), 100));
	assert_true(near(modelled(run.db, "baseline", "cycles"), 100));
	assert_true(near(modelled(run.db, "baseline", "c_memory"), 50));
	assert_true(near(modelled(run.db, "baseline", "user_l1"), 0.3));
	assert_true(near(modelled(run.db, "baseline", "l1"), 5.3));
	assert_true(near(modelled(run.db, "next", "cycles"), 110));
	assert_true(near(modelled(run.db, "adaptive", "insns"), 50));
	assert_true(near(modelled(run.db, "adaptive", "cycles"), 70));
	assert_true(near(modelled(run.db, "adaptive", "user_l1"), 64));
	assert_true(isnan(modelled(run.db, "fixed", "cycles")));
	assert_true(isnan(modelled(run.db, "thp", "cycles")));
	/* two cells without pages, five bad lines, no env.json */
	assert_true(
		db_number(run.db,
			  "SELECT count(*) FROM problem WHERE kind = 'cell'",
			  "") == 7);
	assert_true(
		db_number(
			run.db,
			"SELECT count(*) FROM problem WHERE kind = 'data' OR kind = 'log'",
			"") == 0);
	run_free(&run);
}

static void test_finding(void **state)
{
	struct run run;
	char *s;

	(void)state;
	assert_int_equal(run_load(&run, tmp), 0);
	s = finding(run.db, FINDING_MODEL);
	assert_non_null(s);
	assert_non_null(strstr(s, "shrink the gain (model laptop)"));
	assert_non_null(strstr(
		s,
		"adaptive 0.700 of baseline's modelled cycles, by instructions 0.500"));
	assert_non_null(
		strstr(s, "95% of baseline's cycles are the copy itself"));
	assert_non_null(strstr(
		s,
		"The verdict turns for next on seq (1.100, instructions 0.900)."));
	free(s);
	/* All else is not known, and not told in a run of the model alone. */
	assert_null(finding(run.db, FINDING_GAIN));
	run_free(&run);
}

static void test_report(void **state)
{
	(void)state;
	assert_int_equal(sh("$COWREPORT %s >%s/out 2>%s/err", tmp, tmp, tmp),
			 0);
	assert_true(report_has("out", "70  0.700"));
	assert_true(report_has("report.md", "## What caches say"));
	assert_true(report_has("report.md", "plots/memory-cycles.svg"));
	assert_true(report_has("report.md",
			       "| seq | next | 110 | 1.100 | 90 | 0.900 |"));
	/* baseline costs more than next once memory costs a third less */
	assert_true(report_has(
		"report.md",
		"| seq | baseline | next | 1.100 | 3.00 | never | never | 0.33 |"));
	assert_true(report_has("report.md", "## Concerns"));
	assert_true(report_has("report.md", "line 13: malformed"));
	assert_false(report_has("report.md", "dmesg.log is absent"));
}

/* A wrong model, another file: told, and not taken for results */
static void test_bad(void **state)
{
	struct run run;

	(void)state;
	put("memory.csv", HEAD ROW("baseline.seq.1", "user", 1, 1, 1, 3, 1, 1));
	assert_int_equal(run_load(&run, tmp), 0);
	assert_true(
		db_number(
			run.db,
			"SELECT count(*) FROM problem WHERE kind = 'data' AND text LIKE '%: 3 accesses%'",
			"") == 1);
	run_free(&run);
	put("memory.csv", "region,n,part\nbaseline.seq.1,1,user\n");
	assert_int_equal(run_load(&run, tmp), 0);
	assert_false(model_any(run.db));
	assert_true(
		db_number(
			run.db,
			"SELECT count(*) FROM problem WHERE text LIKE '%other columns%'",
			"") == 1);
	run_free(&run);
	put("memory.csv", "");
	assert_int_equal(run_load(&run, tmp), 0);
	assert_false(model_any(run.db));
	run_free(&run);
}

/* Instructions by function: per page of its own arm; small ones are one row */
static void test_functions(void **state)
{
	struct run run;

	(void)state;
	put_functions();
	assert_int_equal(run_load(&run, tmp), 0);
	assert_true(
		db_number(
			run.db,
			"SELECT count(*) FROM problem WHERE text LIKE '%functions.csv, line%malformed%'",
			"") == 3);
	run_free(&run);
	assert_int_equal(sh("$COWREPORT %s >%s/out 2>%s/err", tmp, tmp, tmp),
			 0);
	assert_true(report_has("report.md",
			       "| memcpy_orig | copy | 1553 | 1553 | 0 |"));
	assert_true(report_has("report.md", "| others |  | 1 | 0 | -1 |"));
	assert_true(report_has("report.md", "| all |  | 1654 | 1593 | -61 |"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_finding),
		cmocka_unit_test(test_report), cmocka_unit_test(test_functions),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
