// SPDX-License-Identifier: GPL-2.0
/* test_experiments.c - the experiments' folders, read and reported */
#define _GNU_SOURCE
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"
#include "folder.h"

#define REQUEST                                                              \
	"phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns," \
	"max_ns,faults,verified\n"
#define REDIS_REQUEST \
	"phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,cpu_ns,wait_ns,verified\n"

#define CYCLES_HEAD \
	"pattern,percent,cycle,size,writes,pages,fork_ns,prepare_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,end_ns,memory_kb,huge_kb,fork_ms_per_gb,end_ms_per_gb\n"

#define WEB_HEAD \
	"freeze,workers,records,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,master_kb,pss_kb,private_kb,neighbours,wasted,unjudged,verified\n"
#define PEER_HEAD \
	"program,round,elapsed_ns,faults,majflt,peak_kb,cow_faults,pages_copied,cache,system_ns\n"
#define FOLIO_HEAD \
	"operation,folio_kb,size,round,pages,elapsed_ns,faults,folios\n"

/* A file of an experiment: "baseline.prefork.1/request.csv" */
static void put(const char *name, const char *text)
{
	put_in("raw/wall/experiments", name, text);
}

static int setup(void **state)
{
	char dir[] = "/tmp/cowreport-test-XXXXXX";

	(void)state;
	if (!getenv("COWREPORT") || !mkdtemp(dir))
		return -1;
	tmp = xstrdup(dir);
	put("baseline.prefork.1/request.csv",
	    REQUEST "all,10,100,10,1,2,3,4,5,6,70,yes\n");
	put("baseline.prefork.2/request.csv",
	    REQUEST "all,10,120,12,1,4,3,4,5,6,70,yes\n");
	put("baseline.prefork.3/request.csv",
	    REQUEST "all,10,900,90,1,6,3,4,5,6,70,yes\n");
	put("adaptive.prefork.1/request.csv",
	    REQUEST "all,10,60,6,1,2,3,4,5,6,7,yes\n");
	/* Damaged: a row that is cut, a file that is no table, a folder. */
	put("fixed.prefork.1/request.csv", REQUEST "all,10,6");
	put("next.prefork.1/request.csv", "");
	put("next.prefork/request.csv", REQUEST);
	put("baseline.redis32k.1/request.csv", REDIS_REQUEST
	    "save,1000,2000000000,2000000,1,2,3,400000,5,6,70,300000,60000,yes\n"
	    "outside,10,20,2,1,2,3,100000,5,6,70,,,yes\n");
	put("baseline.redis32k.1/timeline.csv",
	    "ms,count,p50_ns,p99_ns,max_ns,saving\n-20,5,1000,2000,3000,0\n"
	    "0,5,1000,9000,9000,1\n20,0,,,,1\n40,5,1000,2000,3000,0\n");
	put("adaptive.redis32k.1/request.csv", REDIS_REQUEST
	    "save,1000,1000000000,1000000,1,2,3,200000,5,6,70,150000,20000,yes\n");
	put("baseline.memory.1/memory.csv",
	    "workload,peak_kb,pass_kb,fail_kb,kills,trials\n"
	    "sparse8,40000,37000,36900,5,9\n");
	put("fixed.memory.1/memory.csv",
	    "workload,peak_kb,pass_kb,fail_kb,kills,trials\n"
	    "sparse8,70000,37200,36900,5,9\n");
	put("baseline.fork.1/fork.csv",
	    "size,round,state,fork_ns,write_ns,end_ns,faults\n"
	    "16777216,1,filled,600000,17000000,3000000,4096\n"
	    "16777216,1,copied,600000,17000000,3000000,4096\n");
	put("adaptive.fork.1/fork.csv",
	    "size,round,state,fork_ns,write_ns,end_ns,faults\n"
	    "16777216,1,filled,600000,8500000,3000000,133\n"
	    "16777216,1,copied,450000,8500000,300000,133\n");
	put("baseline.filecow.1/filecow.csv",
	    "source,pattern,round,size,pages,elapsed_ns,faults,pages_copied\n"
	    "fresh,seq,1,67108864,16384,73400320,16384,16384\n");
	put("adaptive.filecow.1/filecow.csv",
	    "source,pattern,round,size,pages,elapsed_ns,faults,pages_copied\n"
	    "fresh,seq,1,67108864,16384,36700160,520,16390\n");
	put("baseline.clone.1/clone.csv",
	    "layout,percent,clones,pages,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,pages_copied\n"
	    "dense,30,4,1024,4000,1,3900,4,5000,6,7000,1030,1024\n"
	    "resume,3,4,512,5000,1,3900,4,5000,6,7000,512,512\n");
	put("adaptive.clone.1/clone.csv",
	    "layout,percent,clones,pages,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,pages_copied\n"
	    "dense,30,4,1024,2000,1,50,4,60000,6,70000,103,1280\n"
	    "resume,3,4,512,4500,1,50,4,60000,6,70000,256,512\n"
	    "resume,COWLAB_END $(x),4,512,4500,1,50,4,60000,6,70000,256,512\n");
	put("baseline.cycles.1/cycles.csv", CYCLES_HEAD
	    "seq,100,1,16777216,4096,4096,625000,0,4000,1,3900,4,12000,15000,21000,4096,4500000,36000,0,40,288\n"
	    "seq,100,2,16777216,4096,4096,625000,0,4000,1,3900,4,12000,15000,21000,4096,4500000,36000,0,40,288\n"
	    "seq,100,3,16777216,4096,4096,625000,0,4000,1,3900,4,12000,15000,21000,4096,4500000,36000,0,40,288\n"
	    "seq,100,4,16777216,4096,4096,625000,0,4000,1,3900,4,12000,15000,21000,4096,4500000,36000,0,40,288\n");
	put("thp.cycles.1/cycles.csv", CYCLES_HEAD
	    "seq,100,1,16777216,4096,4096,125000,0,4000,1,3900,4,12000,15000,21000,4096,250000,36000,0,8,16\n"
	    "seq,100,4,16777216,4096,4096,640000,1024000,3000,1,3900,4,12000,15000,21000,4096,4500000,36000,16384,41,288\n"
	    "rand,10,COWLAB_END,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n");
	/* Process 7 has most faults in one mapping; the other's are not drawn. */
	put("bpf-record.record.1/faults.csv",
	    "source,ns,pid,tid,vma,address\n"
	    "seq,1000000,7,7,0x7f0000000000,0x7f0000001000\n"
	    "seq,2000000,7,7,0x7f0000000000,0x7f0000002000\n"
	    "seq,9000000,8,8,0x7f0000000000,0x7f0000003000\n"
	    "zipf,0xCOWLAB_END,7,7,0x7f0000000000,0x7f0000002000\n");
	put("baseline.saves64.1/redis.csv",
	    "fork_us,save_ms,cow_bytes,growth_kb,server_peak_kb,child_peak_kb,save,p99_ns,server_kb\n"
	    "8000,1000,1000000,1000,2000,1,1,400000,256000\n"
	    "10000,1000,3000000,1000,2000,1,2,400000,256000\n"
	    "12000,1000,3000000,1000,2000,1,3,400000,256000\n");
	put("thp-cowwarm.saves64.1/redis.csv",
	    "fork_us,save_ms,cow_bytes,growth_kb,server_peak_kb,child_peak_kb,save,p99_ns,server_kb\n"
	    "400,1000,2000000,1000,2000,1,1,200000,512000\n"
	    "1100,1000,6000000,1000,2000,1,2,200000,512000\n");
	put("baseline.startup.1/startup.csv",
	    "program,round,elapsed_ns,faults,majflt,peak_kb,cow_faults,pages_copied\n"
	    "git,1,1700000,125,0,3700,43,43\ngit,2,1710000,125,0,3700,43,43\n");
	put("adaptive.startup.1/startup.csv",
	    "program,round,elapsed_ns,faults,majflt,peak_kb,cow_faults,pages_copied\n"
	    "git,1,1500000,105,0,3710,25,45\nCOWLAB_END $(x),1,1,1,0,1,1,1\n");
	put("baseline.startup.2/startup.csv",
	    "program,round,elapsed_ns,faults,majflt,peak_kb,cow_faults,pages_copied,cache\n"
	    "git,1,1700000,125,0,3700,43,43,warm\ngit,1,4000000,125,30,3700,43,43,cold\n");
	put("adaptive.startup.2/startup.csv",
	    "program,round,elapsed_ns,faults,majflt,peak_kb,cow_faults,pages_copied,cache\n"
	    "git,1,1500000,105,0,3710,25,45,warm\ngit,1,3000000,100,25,3710,20,45,cold\n");
	put("baseline.scaling.1/scaling.csv",
	    "writers,space,size,round,pages,elapsed_ns,faults\n"
	    "2,own,33554432,1,8192,8192000,8192\n"
	    "1,shared,16777216,1,4096,4096000,4096\n"
	    "1,shared,67108864,1,16384,20480000,16384\n");
	put("baseline.gunicorn.1/web.csv", WEB_HEAD
	    "no,4,20000,200,400000000,1,1,2000000,3,4000000,5,6000000,14400,38000,20000,17000,0,0,0,yes\n"
	    "yes,4,20000,200,200000000,1,1,2000000,3,4000000,5,6000000,6000,38000,14000,8000,0,0,0,yes\n");
	put("adaptive.gunicorn.1/web.csv", WEB_HEAD
	    "no,4,20000,200,320000000,1,1,1000000,3,3000000,5,6000000,12000,38000,20100,17100,2879,35,2247,yes\n"
	    "COWLAB_END $(x),4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,yes\n");
	put("unpatched.stressng.1/startup.csv",
	    PEER_HEAD "vfork,1,200000000,100,0,1,,,warm,100000000\n"
		      "fault,1,100000000,90,0,1,,,warm,100000000\n");
	put("baseline.stressng.1/startup.csv",
	    PEER_HEAD "vfork,1,210000000,100,0,1,,,warm,100000000\n"
		      "fault,1,100000000,90,0,1,,,warm,100000000\n");
	put("adaptive.stressng.1/startup.csv",
	    PEER_HEAD "vfork,1,200000000,100,0,1,,,warm,100000000\n"
		      "fault,1,125000000,80,0,1,,,warm,110000000\n");
	put("baseline.folios.1/folio.csv",
	    FOLIO_HEAD "cow-byte,4,8388608,1,2048,8192000,2048,100\n"
		       "cow-byte,64,8388608,1,2048,6144000,2048,98\n"
		       "fork,64,8388608,1,2048,204800,0,\n");
	put("adaptive.folios.1/folio.csv",
	    FOLIO_HEAD "cow-byte,64,8388608,1,2048,3072000,80,98\n"
		       "COWLAB_END,64,8388608,1,2048,3072000,80,98\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return sh("rm -rf %s", tmp);
}

static double value(sqlite3 *db, const char *clock, const char *arm,
		    const char *name, const char *col, const char *from)
{
	char *sql = xasprintf(
		"SELECT median(%s) FROM %s AND clock = ? AND arm = ? AND name = ?",
		col, from);
	double val = db_number(db, sql, "sss", clock, arm, name);

	free(sql);
	return val;
}

static void test_values(void **state)
{
	static const char all[] = "request WHERE true";
	sqlite3 *db = db_new();

	(void)state;
	experiments_load(db, tmp);
	assert_true(db_number(db, "SELECT count(*) FROM experiment", "") == 33);
	assert_true(db_number(db,
			      "SELECT address - vma FROM faults WHERE pid = 8",
			      "") == 0x3000);
	/* The median of three rounds; and none where nothing can be read. */
	assert_true(value(db, "wall", "baseline", "prefork", "avg_ns", all) ==
		    12);
	assert_true(isnan(
		value(db, "icount", "baseline", "prefork", "avg_ns", all)));
	assert_true(
		isnan(value(db, "wall", "fixed", "prefork", "avg_ns", all)));
	assert_true(isnan(value(db, "wall", "next", "prefork", "avg_ns", all)));
	/* a column that the file does not have */
	assert_true(
		isnan(value(db, "wall", "baseline", "prefork", "cpu_ns", all)));
	assert_true(value(db, "wall", "baseline", "redis32k", "p99_ns",
			  "request WHERE phase = 'outside'") == 100000);
	assert_true(value(db, "wall", "baseline", "redis32k", "ms",
			  "timeline WHERE saving = 0") == 10);
	sqlite3_close(db);
}

static void test_report(void **state)
{
	(void)state;
	/* Without env.json and log it says so, and reports. */
	assert_int_equal(sh("$COWREPORT -q %s 2>%s/err", tmp, tmp), 0);
	assert_false(report_has("err", "nothing was measured"));
	assert_true(report_has(
		"summary.csv",
		"adaptive,prefork,wall,user,request,10,6,1,2,3,4,5,6,7,,,,,,0.5000\n"));
	assert_true(report_has(
		"summary.csv",
		"baseline,prefork,wall,user,request,10,12,1,4,3,4,5,6,70,,,,,,1.0000\n"));
	assert_false(report_has("summary.csv", "fixed,prefork"));
	assert_true(report_has(
		"summary.csv",
		"adaptive,redis32k,wall,user,request,1000,1000000,1,2,3,200000,5,6,70,,,,,,0.5000\n"));
	/* 1000 SETs/s are twice 500; p99 200 us are half of 400. */
	assert_true(report_has(
		"report.md", "| adaptive | 1000 | 2.000 | 0 | 200 | 0.500 |"));
	assert_true(report_has("report.md", "| 70 | 150.0 | 0.500 | 20.0 |"));
	assert_true(report_has("report.md", "| server MB | child MB |"));
	assert_true(report_has(
		"report.md",
		"| sparse8 | fixed | 70000 | 37200 | 36900 | +200 |"));
	assert_true(report_has(
		"report.md",
		"| 16 MiB | adaptive | 600 | 1.000 | 8.5 | 0.500 | 3000 | 450 | 0.750 | 8.5 | 300 |"));
	/* 8192 pages in 8.192 ms; 1000 and 1250 ns a page. */
	assert_true(report_has("report.md", "| 1000.0 |"));
	assert_true(report_has("report.md", "| baseline | 1000.0 | 1250.0 |"));
	assert_true(report_has("report.md", "| 1.250 |"));
	assert_true(report_has("plots/wall-redis32k.svg", "SET latency"));
	assert_true(report_has("plots/wall-fork.svg", "fork()"));
	/* 4480 and 2240 ns a page; 6 pages of waste. */
	assert_true(report_has(
		"report.md",
		"| seq | fresh | adaptive | 2240.0 | 0.500 | 0.032 | 6 |"));
	assert_true(report_has(
		"report.md",
		"| git | warm | adaptive | 1.50 | 0.882 | 105 | 0.840 | 0 | 25 | 0.581 | 45 | +10 |"));
	assert_true(report_has(
		"report.md",
		"| dense | 30 | adaptive | 2000 | 0.500 | 50 | 60000 | 70000 | 0.101 | 1.25 | 1.250 |"));
	assert_true(report_has(
		"report.md",
		"| resume | 3 | adaptive | 4500 | 0.900 | 50 | 60000 | 70000 | 0.500 | 0.50 | 1.000 |"));
	/* The sum: 640000 + 1024000 + 3000 * 4096 + 4500000 ns for 4096 pages. */
	assert_true(report_has(
		"report.md",
		"| seq | thp | 4 | 41.00 | 1.025 | 1.02 | 3000 | 0.750 | 12.0 | 15.0 | 21.0 | 288.00 | 1.000 | 4505 | 0.858 | 35 | 16 |"));
	/* Of the snapshots the first, the second and the last. */
	assert_true(report_has("report.md", "| seq | baseline | 2 | 40.00 |"));
	assert_false(report_has("report.md", "| seq | baseline | 3 | 40.00 |"));
	assert_true(report_has(
		"report.md",
		"Huge pages do not survive snapshots: with thp, fork() of snapshot 1 takes 8.0 emulated ms per GB, of snapshot 4 41.0; baseline's takes 40.0."));
	assert_true(report_has(
		"report.md",
		"| thp-cowwarm | 0.40 | 0.050 | 1.10 | 0.100 | 200 | 0.500 | 1.00 | 2.0 | 6.0 | 1.0 | 512 |"));
	assert_true(report_has("plots/wall-cycles.svg", "sequential writes"));
	assert_false(report_has("plots/wall-cycles.svg", "random writes"));
	assert_false(report_has("plots/wall-cycles.svg", "COWLAB_END"));
	assert_true(report_has("report.md", "plots/wall-record.svg"));
	assert_true(report_has("plots/wall-record.svg", ">seq<"));
	assert_false(report_has("plots/wall-record.svg", "COWLAB_END"));
	assert_true(report_has("plots/wall-clone.svg", "dense-30%"));
	assert_true(report_has("plots/wall-clone.svg", "resume-3%"));
	assert_false(report_has("plots/wall-clone.svg", "COWLAB_END"));
	assert_true(report_has("plots/wall-filecow.svg", "seq-fresh"));
	assert_true(report_has(
		"report.md",
		"| git | cold | adaptive | 3.00 | 0.750 | 100 | 0.800 | 25 | 20 | 0.465 | 45 | +10 |"));
	/* 200 requests in 0.4 and in 0.32 s; 20100 KiB of 20000. */
	assert_true(report_has(
		"report.md",
		"| no | adaptive | 625.0 | 1.250 | 1000 | 3000 | 0.750 | 6000 | 60.00 | 20100 | 1.005 | 17100 | 2879 | 35 | 2247 |"));
	assert_true(
		report_has("report.md", "| yes | baseline | 1000.0 | 1.000 |"));
	assert_false(report_has(
		"report.md", "| COWLAB_END $(x) | adaptive | 1000000000.0 |"));
	assert_false(report_has("report.md", "| COWLAB_END | 64 |"));
	/* In the order of the file, without an arm that was not measured. */
	assert_true(report_has(
		"report.md",
		"| vfork | 200.0 | 100 | 100 | 1.0500 | 210.0 | 100 | 100 |"));
	assert_true(report_has("report.md", "| 1.250 | 0.800 | 110 | 80 |\n"));
	/* 4000, 3000 and 1500 ns per page. */
	assert_true(report_has(
		"report.md",
		"| cow-byte | 64 | baseline | 3000.0 | 1.000 | 0.750 | 1.000 | 98 |"));
	assert_true(report_has(
		"report.md", "| cow-byte | 64 | adaptive | 1500.0 | 0.500 |"));
	assert_true(report_has("report.md",
			       "| fork | 64 | baseline | 100.0 | 1.000 |"));
	assert_true(report_has("plots/wall-startup.svg", "git"));
	assert_true(report_has("plots/wall-startup.svg", "git-cold"));
	assert_false(report_has("plots/wall-startup.svg", "COWLAB_END"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests_name("experiments", tests, setup,
					   teardown);
}
