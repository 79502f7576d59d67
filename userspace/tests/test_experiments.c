// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of the experiments: what they compute, what they print, and
 * that they see what is wrong. $BIN is where they are, $TRACE the trace that
 * clonecow has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/cut.h"
#include "experiments/dataset.h"
#include "experiments/trace.h"
#include "common/util.h"
#include "tests/slow.h"

#define REQUEST_HEADER                                                       \
	"phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns," \
	"max_ns,faults,"

static char dir[] = "/tmp/test_experiments.XXXXXX";
static char output[64 * 1024];

/* Run a shell command, in our directory; what it says goes to @output. */
static int run(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len, status;
	FILE *f;

	len = snprintf(text, sizeof(text), "cd %s; exec 2>&1; ", dir);
	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
	f = popen(text, "r");
	assert_non_null(f);
	len = fread(output, 1, sizeof(output) - 1, f);
	output[len] = '\0';
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("it says '%s', not '%s'", output, text);
}

/* Column @n, from 0, of row @row of the CSV in @output, 0 being the header. */
static uint64_t cell(unsigned int row, unsigned int n)
{
	const char *p = output;
	uint64_t value;

	while (row--) {
		p = strchr(p, '\n');
		assert_non_null(p);
		p++;
	}
	while (n--) {
		p = strchr(p, ',');
		assert_non_null(p);
		p++;
	}
	value = strtoull(p, NULL, 10);
	return value;
}

/* Two keys: k0 is SET at 10-20 and 30-40, k1 at 12-22 and 50-60. */
static const struct entry journal[] = {
	{ 10, 20, 0 },
	{ 12, 22, 1 },
	{ 30, 40, 0 },
	{ 50, 60, 1 },
};

static void test_cut(void **state)
{
	static const struct {
		uint32_t versions[2];
		bool good;
		uint64_t after;
		uint64_t before;
	} cases[] = {
		{ { 0, 0 }, true, 0, 20 },
		{ { 1, 0 }, true, 10, 22 },
		{ { 0, 1 }, true, 12, 20 },
		{ { 1, 1 }, true, 12, 40 },
		{ { 2, 1 }, true, 30, 60 },
		{ { 2, 2 }, true, 50, 100 },
		/* k1's second SET without k0's, which had been answered. */
		{ { 1, 2 }, false, 50, 40 },
		{ { 2, 0 }, false, 30, 22 },
		{ { 3, 2 }, false, 50, 100 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cut cut = { .after = 0, .before = 100 };

		if (cut_find(journal, ARRAY_SIZE(journal), cases[i].versions, 2,
			     &cut) != cases[i].good ||
		    cut.after != cases[i].after ||
		    cut.before != cases[i].before)
			fail_msg("case %zu: from %zu to %zu", i,
				 (size_t)cut.after, (size_t)cut.before);
		assert_int_equal(cut.wrong_key,
				 cases[i].versions[0] > 2 ? 0 : UINT32_MAX);
	}
}

/* The snapshot must be of the time between BGSAVE and its answer, too. */
static void test_cut_bracket(void **state)
{
	static const uint32_t versions[] = { 1, 1 };
	struct cut late = { .after = 45, .before = 47 };
	struct cut early = { .after = 5, .before = 11 };
	struct cut right = { .after = 24, .before = 26 };

	(void)state;
	assert_false(cut_find(journal, 4, versions, 2, &late));
	assert_false(cut_find(journal, 4, versions, 2, &early));
	assert_true(cut_find(journal, 4, versions, 2, &right));
	assert_int_equal(right.after, 24);
	assert_int_equal(right.before, 26);
}

static void test_values(void **state)
{
	struct dataset set = { .keys = 100, .bytes = 64, .seed = 7 };
	unsigned char value[64];
	char name[KEY_LEN + 1];
	uint32_t version;
	size_t i;

	(void)state;
	key_make(4294967295U, name);
	assert_string_equal(name, "k04294967295");
	value_make(&set, 5, 3, value);
	assert_true(value_read(&set, 5, value, 64, &version));
	assert_int_equal(version, 3);
	assert_false(value_read(&set, 6, value, 64, &version));
	assert_false(value_read(&set, 5, value, 56, &version));
	for (i = 0; i < 64 * 8; i++) {
		value[i / 8] ^= 1 << i % 8;
		if (value_read(&set, 5, value, 64, &version))
			fail_msg("bit %zu may be wrong", i);
		value[i / 8] ^= 1 << i % 8;
	}
	set.seed = 8;
	assert_false(value_read(&set, 5, value, 64, &version));
}

/* Redis' own tool reads what we write. */
static void test_rdb(void **state)
{
	static const size_t sizes[] = { 16, 64, 4096, 16384, 65536 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct dataset set = { .keys = 200, .bytes = sizes[i] };
		char path[128];
		FILE *f;

		snprintf(path, sizeof(path), "%s/test.rdb", dir);
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(dataset_write(&set, f), 0);
		fclose(f);
		assert_int_equal(run("redis-check-rdb test.rdb"), 0);
		says("[info] 200 keys read");
		says("RDB looks OK");
	}
}

/* Wait until what matches is gone: a guardian removes it after its program has ended. */
static void wait_gone(const char *pattern)
{
	run("n=0; while ls -d %s >/dev/null 2>&1 && [ $n -lt %lu ]; do sleep 0.1; n=$((n + 1)); done",
	    pattern, slow(100));
}

static void redis_run(const char *options, int status)
{
	assert_int_equal(
		run("ln -sf \"$(command -v redis-check-rdb)\" redis-server; PATH=$PWD:$PATH $BIN/redisload -d . -o . -t 200 %s",
		    options),
		status);
}

static void test_redis(void **state)
{
	(void)state;
	redis_run("-k 20000 -a 'echo here >armed'", 0);
	says("save");
	assert_int_equal(run("cat armed; ls dump.rdb"), 2);
	says("here");
	assert_int_equal(run("cat request.csv"), 0);
	says(REQUEST_HEADER "cpu_ns,wait_ns,verified\nsave,");
	says("\noutside,");
	/* Any mean that is count and time without gaps. */
	assert_int_equal(cell(1, 3), cell(1, 2) / cell(1, 1));
	assert_int_not_equal(cell(1, 10), 0);
	assert_int_equal(run("cat redis.csv"), 0);
	assert_int_equal(cell(1, 0), 20000);
	assert_int_equal(cell(1, 1), 64);
	assert_true(cell(1, 9) > 20000 * 64);
	/* The time line holds each SET once. */
	assert_int_equal(
		run("{ cat request.csv; awk -F, 'NR > 1 { n += $2 } END { print n }' timeline.csv; }"),
		0);
	assert_int_equal(cell(1, 1) + cell(2, 1), cell(3, 0));
	assert_int_equal(
		run("awk '{ n += $2 } END { print n }' save.hist; sed -n 2p request.csv"),
		0);
	assert_int_equal(cell(0, 0), cell(1, 1));
}

/* A row per save, and each SET in a phase and in the time line. */
static void test_redis_saves(void **state)
{
	unsigned int i;

	(void)state;
	redis_run("-k 20000 -n 3", 0);
	assert_int_equal(run("cat redis.csv"), 0);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(cell(i, 10), i);
		assert_int_not_equal(cell(i, 3), 0);
		assert_int_not_equal(cell(i, 11), 0);
		assert_in_range(cell(i, 12), 2000, 200000);
	}
	assert_int_equal(
		run("{ cat request.csv; awk -F, 'NR > 1 { n += $2 } END { print n }' timeline.csv; awk -F, '$6 != was { n += $6; was = $6 } END { print n }' timeline.csv; }"),
		0);
	assert_int_equal(cell(1, 1) + cell(2, 1), cell(3, 0));
	assert_int_equal(cell(4, 0), 3);
}

static void test_redis_large(void **state)
{
	(void)state;
	redis_run("-k 300 -b 32768", 0);
}

/* What others have in the folder stays; a name is not a command. */
static void test_redis_files(void **state)
{
	(void)state;
	assert_int_equal(
		run("mkdir -p 'in; touch bad #'; cd 'in; touch bad #' && echo mine >redis.sock && ln -s ../target dump.rdb && echo mine >redis.log"),
		0);
	redis_run("-k 2000 -d 'in; touch bad #'", 0);
	assert_int_equal(
		run("cd 'in; touch bad #' && ls && cat redis.sock redis.log && ls ../target ../bad"),
		2);
	says("dump.rdb\nredis.log\nredis.sock\nmine\nmine\n");
	/* A result does not go through a link. */
	assert_int_equal(
		run("mkdir out && echo mine >kept && ln -s ../kept out/redis.csv"),
		0);
	assert_int_equal(
		run("ln -sf \"$(command -v redis-check-rdb)\" redis-server; PATH=$PWD:$PATH $BIN/redisload -k 2000 -t 200 -d . -o out"),
		1);
	says("redisload: --out: cannot open out/redis.csv: ");
	assert_int_equal(run("cat kept"), 0);
	assert_string_equal(output, "mine\n");
	/* Nothing is left, however it ends. */
	redis_run("-k 2000 -d 'in; touch bad #' -a 'kill -KILL $PPID; sleep 9'",
		  137);
	wait_gone("in*/redisload.*");
	assert_int_equal(run("ls in*"), 0);
	assert_string_equal(output, "dump.rdb\nredis.log\nredis.sock\n");
}

static void test_redis_wrong(void **state)
{
	(void)state;
	redis_run("-k 2000 --corrupt old", 1);
	says("is not the state of one instant");
	redis_run("-k 2000 --corrupt bit", 1);
	says("which was never written");
	redis_run("-k 2000 -s /nonexistent", 1);
	says("redisload: the server does not start");
	redis_run("-k 2000 -a false", 1);
	says("redisload: --armed: the command failed");
}

static void test_prefork(void **state)
{
	(void)state;
	assert_int_equal(run("$BIN/prefork -s 4M -p 256K -n 20 -c -g hist"), 0);
	says(REQUEST_HEADER "verified\nall,20,");
	/* 64 pages each, and some of the process's own. */
	assert_true(cell(1, 10) >= 20 * 64);
	assert_int_equal(run("awk '{ n += $2 } END { print n }' hist"), 0);
	assert_int_equal(cell(0, 0), 20);
	assert_int_equal(run("$BIN/prefork -s 4M -p 256K -n 2 --corrupt"), 1);
	says("prefork: wrong byte in the server's heap at offset 0x200000");
}

static void test_forkcost(void **state)
{
	(void)state;
	assert_int_equal(run("$BIN/forkcost -s 4M -n 2 -c"), 0);
	says("size,round,state,fork_ns,write_ns,end_ns,faults\n4194304,1,filled,");
	says("\n4194304,2,copied,");
	assert_in_range(cell(1, 6), 1024, 1100);
	assert_in_range(cell(4, 6), 1024, 1100);
}

static void test_filecow(void **state)
{
	(void)state;
	assert_int_equal(run("$BIN/filecow -s 4M -n 2 -c -d ."), 0);
	says("source,pattern,round,size,pages,elapsed_ns,faults,pages_copied\nfresh,seq,1,4194304,1024,");
	says("\nmapped,sparse64,2,4194304,16,");
	assert_in_range(cell(1, 6), 1024, 1100);
	assert_int_equal(cell(1, 7), 1024);
	assert_int_equal(cell(3, 7), 128);
	assert_int_equal(run("$BIN/filecow -s 4M -n 1 -c -b populate_write"),
			 0);
	assert_int_equal(cell(4, 7), 1024);
}

static void test_clonecow(void **state)
{
	(void)state;
	assert_int_equal(
		run("printf '# a trace\\n9 0-2 # four\\n1023\\n' >trace"), 0);
	assert_int_equal(run("$BIN/clonecow -s 4M -n 3 -c -t trace"), 0);
	says("layout,percent,clones,pages,avg_ns,");
	says("\ndense,1,3,30,");
	says("\nscattered,30,3,921,");
	says("\nresume,0,3,15,");
	/* Faults, and pages copied: those written, and no other. */
	assert_in_range(cell(6, 11), 921, 940);
	assert_int_equal(cell(3, 12), 921);
	assert_int_equal(cell(6, 12), 921);
	assert_int_equal(cell(7, 12), 15);
	assert_int_equal(run("$BIN/clonecow -s 4M -n 2 -c -l scattered"), 0);
	assert_null(strstr(output, "dense"));
	assert_null(strstr(output, "resume"));
}

/* The pages of a trace: $1 is the file. */
#define COUNT_TRACE                                                    \
	"awk '{ sub(/#.*/, \"\") } { for (i = 1; i <= NF; i++) {"      \
	" n = split($i, run, \"-\"); pages += run[n] - run[1] + 1 } }" \
	" END { print pages }' "

/* The trace that is built in is the tree's: a guest of 256 MiB wrote that. */
static void test_trace(void **state)
{
	static const uint32_t want[] = { 9, 0, 1, 2, 1023 };
	uint32_t order[1024];
	uint64_t pages;
	char path[64];

	(void)state;
	assert_int_equal(run(COUNT_TRACE "$TRACE"), 0);
	pages = strtoull(output, NULL, 10);
	assert_in_range(pages, 1000, 65536);
	assert_int_equal(run("$BIN/clonecow -n 2 -c -l resume"), 0);
	assert_int_equal(cell(1, 3), 2 * pages);
	assert_int_equal(cell(1, 12), 2 * pages);
	assert_int_equal(cell(1, 1), (pages * 100 + 32768) / 65536);
	/* The order. */
	assert_int_equal(run("printf '# a trace\\n9 0-2 # four\\n\\t1023' >t"),
			 0);
	snprintf(path, sizeof(path), "%s/t", dir);
	assert_int_equal(trace_load(path, 1024, order), ARRAY_SIZE(want));
	assert_memory_equal(order, want, sizeof(want));
	/* A file that is too small for it. */
	assert_int_equal(run("$BIN/clonecow -s 16M -l resume"), 1);
	says("clonecow: --trace resume.trace: line ");
	says(" is beyond the end of a file of 4096 pages: see --size\n");
}

static void test_trace_wrong(void **state)
{
	static const struct {
		const char *text; /* for printf */
		const char *says;
	} cases[] = {
		{ "", "--trace t: no page in it\n" },
		{ "# 7\\n", "--trace t: no page in it\n" },
		{ "7\\nx\\n",
		  "--trace t: line 2: invalid 'x': expected a page, or FIRST-LAST\n" },
		{ "7 9-8", "--trace t: line 1: invalid '9-8': " },
		{ "7 -8", "--trace t: line 1: invalid '-8': " },
		{ "7-", "--trace t: line 1: invalid '7-': " },
		{ "1-2-3", "--trace t: line 1: invalid '1-2-3': " },
		{ "0x7", "--trace t: line 1: invalid '0x7': " },
		{ "18446744073709551616", "invalid '18446744073709551616': " },
		{ "%0100d",
		  "--trace t: line 1: invalid '0000000000000000000000000000000000000000': " },
		{ "7\\0008", "--trace t: line 1: not text\n" },
		{ "7\\n\\n1023 1024",
		  "--trace t: line 3: page 1024 is beyond the end of a file of 1024 pages: see --size\n" },
		{ "5 1000-18446744073709551615",
		  "--trace t: line 1: page 18446744073709551615 is beyond the end" },
		{ "4-9\\n8", "--trace t: line 2: page 8 is there twice\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(run("printf '%s' 0 >t", cases[i].text), 0);
		if (run("$BIN/clonecow -s 4M -t t") != 1)
			fail_msg("%s: not refused", cases[i].text);
		says(cases[i].says);
		if (strchr(output, '\n') != output + strlen(output) - 1)
			fail_msg("%s: more than a line: %s", cases[i].text,
				 output);
	}
}

/* Columns of cycles. */
enum { PAGES = 5, PREPARE_NS = 7, FAULTS = 15, MEMORY_KB = 17 };

static void test_cycles(void **state)
{
	uint64_t whole;
	unsigned int i;

	(void)state;
	assert_int_equal(run("$BIN/cycles -s 4M -n 3 -c"), 0);
	says("pattern,percent,cycle,size,writes,pages,fork_ns,prepare_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,end_ns,memory_kb,huge_kb,fork_ms_per_gb,end_ms_per_gb\nseq,100,1,4194304,1024,1024,");
	says("\nseq,100,3,4194304,1024,1024,");
	/* Each snapshot shares all pages again. */
	for (i = 1; i <= 3; i++) {
		assert_in_range(cell(i, FAULTS), 1024, 1100);
		assert_int_equal(cell(i, PREPARE_NS), 0);
	}
	/* Two copies of the region, and the processes. */
	whole = cell(3, MEMORY_KB);
	assert_in_range(whole, 8192, 8192 + 6144);
	assert_int_equal(
		run("$BIN/cycles -s 4M -n 4 -c -p rand -P 10 | awk -F, 'NR > 1 { a = $7 / 1e6 * 256 - $20; b = $17 / 1e6 * 256 - $21; n += a * a < 1e-6 && b * b < 1e-6 } END { print n }'"),
		0);
	assert_int_equal(cell(0, 0), 4);
	assert_int_equal(run("$BIN/cycles -s 4M -n 4 -c -p rand -P 10"), 0);
	for (i = 1; i <= 4; i++) {
		assert_int_equal(cell(i, PAGES), 102);
		assert_in_range(cell(i, FAULTS), 102, 180);
		assert_true(cell(i, MEMORY_KB) + 2048 < whole);
	}
	/* Pages that are hot are written more than once. */
	assert_int_equal(run("$BIN/cycles -s 4M -n 2 -c -p zipf"), 0);
	assert_in_range(cell(2, PAGES), 100, 600);
	assert_in_range(cell(2, FAULTS), cell(2, PAGES), 700);
	assert_int_equal(run("$BIN/cycles -s 4M -n 2 -c -b populate_write"), 0);
	assert_true(cell(2, PREPARE_NS));
	assert_in_range(cell(2, FAULTS), 0, 76);
	/* Of a half of the region the writes take no fault. */
	assert_int_equal(
		run("$BIN/cycles -s 4M -n 2 -c -b populate_write -B 2M"), 0);
	assert_in_range(cell(2, FAULTS), 512, 588);
}

static void test_cycles_wrong(void **state)
{
	(void)state;
	assert_int_equal(run("$BIN/cycles -s 4M -n 2 --corrupt snapshot"), 1);
	says("cycles: wrong word in a snapshot at offset 0x");
	says("cycles: the child's check failed");
	assert_int_equal(run("$BIN/cycles -s 4M -n 2 --corrupt region"), 1);
	says("cycles: wrong word in the region at offset 0x");
	assert_int_equal(run("$BIN/cycles -s 4M -n 2 -V no --corrupt region"),
			 0);
}

static void test_startcost(void **state)
{
	(void)state;
	assert_int_equal(
		run("$BIN/startcost -n 3 -c -- sh -c 'echo out; echo out >&2'"),
		0);
	says("program,round,elapsed_ns,faults,majflt,peak_kb,cow_faults,pages_copied,cache,system_ns\nsh,1,");
	says("\nsh,3,");
	assert_null(strstr(output, "out"));
	assert_in_range(cell(1, 3), 20, 100000);
	assert_int_equal(
		run("$BIN/startcost -n 1 -c -l name -- sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'"),
		0);
	says("\nname,1,");
	/* System time is a part of the time, and the rest is the shell's own. */
	assert_true(cell(1, 9) < cell(1, 2));
	assert_int_equal(run("$BIN/startcost -n 1 sh -c 'exit 3'"), 1);
	says("startcost: sh: exit status 3\n");
	assert_int_equal(run("$BIN/startcost -n 1 sh -c 'kill -9 $$'"), 1);
	says("startcost: sh: Killed\n");
	/* A folder on a disk: a start without major faults has its pages. */
	assert_int_equal(
		run("mkdir -p cold && cp $BIN/cowbench cold && sync cold/cowbench"),
		0);
	assert_int_equal(run("$BIN/startcost -n 2 -c cold/cowbench --help"), 0);
	says(",warm,");
	assert_int_equal(cell(1, 4), 0);
	if (run("case $(stat -f -c %s cold) in tmpfs | ramfs) false ;; esac",
		"%T")) {
		assert_int_equal(
			run("$BIN/startcost -n 2 -c -C cold cold/cowbench --help"),
			1);
		says("startcost: --cold: cold/cowbench stays in the page cache: it is mapped, or on no disk\n");
		return;
	}
	assert_int_equal(
		run("$BIN/startcost -n 2 -c -C cold cold/cowbench --help"), 0);
	says(",cold,");
	assert_in_range(cell(1, 4), 1, 1000);
	assert_in_range(cell(2, 4), 1, 1000);
	assert_int_equal(
		run("cold/cowbench -n 1000000 >/dev/null & pid=$!; sleep 0.3; $BIN/startcost -C cold true; status=$?; kill $pid; exit $status"),
		1);
	says("startcost: --cold: cold/cowbench stays in the page cache: it is mapped, or on no disk\n");
}

static void test_scaling(void **state)
{
	(void)state;
	assert_int_equal(run("$BIN/scaling -s 8M -w 4 -c"), 0);
	says("writers,space,size,round,pages,elapsed_ns,faults\n4,shared,8388608,1,2048,");
	assert_in_range(cell(1, 6), 2048, 2300);
	assert_int_equal(run("$BIN/scaling -s 8M -w 4 -c -a own"), 0);
	says("\n4,own,8388608,1,2048,");
	assert_in_range(cell(1, 6), 2048, 2300);
}

/* Debian's python3, which has gunicorn: another may come before it in $PATH. */
#define GUNICORN "/usr/bin/python3 -m gunicorn"

static void test_webload(void **state)
{
	static const char *const freezes[] = { "no", "yes" };
	uint64_t private[2];
	size_t i;

	(void)state;
	if (run("/usr/bin/python3 -c 'import gunicorn'"))
		skip();
	for (i = 0; i < 2; i++) {
		assert_int_equal(
			run("$BIN/webload -r 5000 -n 60 -w 2 -C 2 -f %s -c -g hist%zu " GUNICORN,
			    freezes[i], i),
			0);
		says("freeze,workers,records,count,elapsed_ns,avg_ns,");
		says(freezes[i]);
		assert_int_equal(cell(1, 1), 2);
		assert_int_equal(cell(1, 3), 60);
		/* The average worker maps some of the heap alone. */
		assert_true(cell(1, 14) > cell(1, 15));
		private[i] = cell(1, 15);
		assert_int_equal(
			run("awk '{ n += $2 } END { print n }' hist%zu", i), 0);
		assert_int_equal(cell(0, 0), 60);
	}
	/* A collection of garbage writes what gc.freeze() hides from it. */
	assert_true(private[1] < private[0]);
	/* The heap is there when the command runs, the workers are not. */
	assert_int_equal(
		run("$BIN/webload -r 1000 -n 1 -a 'pgrep -P $PPID | wc -l >armed' " GUNICORN),
		0);
	assert_int_equal(run("cat armed"), 0);
	assert_int_equal(cell(0, 0), 1);
	assert_int_equal(
		run("mkdir web && TMPDIR=web $BIN/webload -r 1000 -n 9 --corrupt " GUNICORN),
		1);
	says("webload: wrong answer: expected ");
	wait_gone("web/*");
	assert_int_equal(run("ls web"), 0);
	assert_string_equal(output, "");
}

static void test_foliocow(void **state)
{
	static const char *const names[] = { "fork", "munmap", "cow-byte",
					     "reuse-byte", "child-reuse-byte" };
	size_t i;

	(void)state;
	assert_int_equal(
		run("$BIN/foliocow -s 4M -n 2 -b 'echo b >>hooks' -a 'echo a >>hooks' -c"),
		0);
	says("operation,folio_kb,size,round,pages,elapsed_ns,faults,folios\nfork,4,4194304,1,1024,");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char row[64];

		snprintf(row, sizeof(row), "\n%s,4,4194304,2,1024,", names[i]);
		says(row);
		/* One fault per page written, and some of the process' own. */
		assert_in_range(cell(1 + i, 6), i < 2 ? 0 : 1024,
				i < 2 ? 0 : 1024 + 32);
	}
	assert_int_equal(run("tr -d '\n' <hooks"), 0);
	assert_string_equal(output, "babababababababababa");
	assert_int_equal(run("$BIN/foliocow -s 4M -o reuse-byte --corrupt"), 1);
	says("foliocow: wrong byte in the region at offset 0x200000");
	assert_int_equal(run("$BIN/foliocow -s 4M -o cow-byte --corrupt"), 1);
	says("foliocow: wrong byte in the child's region at offset 0x200000");
}

static void test_bad_input(void **state)
{
	static const struct {
		const char *command;
		const char *says;
	} cases[] = {
		{ "redisload -b 60",
		  "invalid --bytes '60': expected a multiple of 8\n" },
		{ "redisload -k 1",
		  "invalid --keys '1': expected a number from 64 to 1000000000\n" },
		{ "redisload -n 0",
		  "invalid --saves '0': expected a number from 1 to 100\n" },
		{ "redisload -c 65",
		  "invalid --connections '65': expected a number from 1 to 64\n" },
		{ "redisload -d /nonexistent",
		  "--dir /nonexistent: No such file or directory" },
		{ "redisload -d /dev/null", "--dir: cannot make /dev/null/" },
		{ "redisload -s ' '", "--server: expected 1 to 32 words" },
		{ "prefork -s 3M",
		  "invalid --size '3M': expected a positive multiple of 2M (K, M, G allowed)\n" },
		{ "prefork -s 4M -p 8M", "--part: the most is --size" },
		{ "prefork -k hugetlb",
		  "invalid --kind 'hugetlb': expected 4k, thp or mthp\n" },
		{ "forkcost -s 0",
		  "invalid --size '0': expected a positive multiple of 2M (K, M, G allowed)\n" },
		{ "forkcost -n x",
		  "invalid --rounds 'x': expected a number from 1 to 1000000\n" },
		{ "filecow -s 4K",
		  "invalid --size '4K': expected a positive multiple of 256K (K, M, G allowed)\n" },
		{ "filecow -d /nonexistent",
		  "--dir /nonexistent: cannot make a file: No such file or directory" },
		{ "filecow -b all",
		  "invalid --prepare 'all': expected none, populate_write or manual_cow\n" },
		{ "clonecow -n 0",
		  "invalid --clones '0': expected a number from 1 to 1000\n" },
		{ "clonecow -d /nonexistent",
		  "--dir /nonexistent: cannot make a file: No such file or directory" },
		{ "clonecow -s 4M -t /nonexistent",
		  "--trace /nonexistent: No such file or directory\n" },
		{ "clonecow -s 4M -t /", "--trace /: Is a directory\n" },
		{ "clonecow -s 4M -t t -l dense",
		  "--trace: only for --layout resume or all\n" },
		{ "clonecow -l none",
		  "invalid --layout 'none': expected dense, scattered, resume or all\n" },
		{ "cycles -s 3M",
		  "invalid --size '3M': expected a positive multiple of 2M (K, M, G allowed)\n" },
		{ "cycles -n 0",
		  "invalid --cycles '0': expected a number from 1 to 1000\n" },
		{ "cycles -P 101",
		  "invalid --percent '101': expected a number from 1 to 100\n" },
		{ "cycles -p sparse8",
		  "invalid --pattern 'sparse8': expected seq, rev, rand or zipf\n" },
		{ "cycles -k hugetlb",
		  "invalid --kind 'hugetlb': expected 4k, thp or mthp\n" },
		{ "cycles -b all",
		  "invalid --prepare 'all': expected none, populate_write, manual_cow, collapse, khugepaged or threads\n" },
		{ "cycles -V maybe",
		  "invalid --verify 'maybe': expected no or yes\n" },
		{ "startcost",
		  "startcost: expected COMMAND [ARG...], see --help\n" },
		{ "startcost /nonexistent/x",
		  "cannot start /nonexistent/x: No such file or directory\n" },
		{ "startcost -C /nonexistent true",
		  "--cold: cannot read /nonexistent: No such file or directory\n" },
		{ "startcost -d /nonexistent true",
		  "--debugfs: cannot open /nonexistent/pid" },
		{ "scaling -w 0",
		  "invalid --writers '0': expected a number from 1 to 64\n" },
		{ "scaling -w 3 -s 8M",
		  "--size: expected a multiple of 2M for each writer\n" },
		{ "scaling -a both",
		  "invalid --space 'both': expected shared or own\n" },
		{ "webload",
		  "webload: expected COMMAND [ARG...], see --help\n" },
		{ "webload -f maybe true",
		  "invalid --freeze 'maybe': expected no or yes\n" },
		{ "webload -w 0 true",
		  "invalid --workers '0': expected a number from 1 to 64\n" },
		{ "webload -D /nonexistent true",
		  "--dir /nonexistent: No such file or directory\n" },
		{ "webload -d /nonexistent true",
		  "--debugfs: cannot read /nonexistent/stats\n" },
		{ "webload /nonexistent/x",
		  "the server does not start (status 0x7f00): /nonexistent/x: No such file or directory\n" },
		{ "foliocow -f 8K",
		  "--folio: expected 4K, 16K, 32K, 64K, 128K, 256K, 512K, 1M or 2M\n" },
		{ "foliocow -f 4M", "invalid --folio '4M': expected " },
		{ "foliocow -o copy",
		  "invalid --operation 'copy': expected fork, munmap, cow-byte, reuse-byte, child-reuse-byte or all\n" },
		{ "foliocow -s 3M",
		  "invalid --size '3M': expected a positive multiple of 2M (K, M, G allowed)\n" },
		{ "foliocow -s 2M -a false", "--armed: the command failed\n" },
		{ "memlimit",
		  "memlimit: expected COMMAND [ARG...], see --help\n" },
		{ "memlimit -s 1 true",
		  "invalid --step '1': expected a byte count from 4K (K, M, G allowed)\n" },
		{ "memlimit /nonexistent/x", "memlimit: " },
		{ "memlimit -g /nonexistent true",
		  "cannot make /nonexistent/memlimit" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (run("$BIN/%s", cases[i].command) != 1)
			fail_msg("%s: not refused", cases[i].command);
		says(cases[i].says);
		if (strchr(output, '\n') != output + strlen(output) - 1)
			fail_msg("%s: more than a line: %s", cases[i].command,
				 output);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return run("rm -rf %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_bracket),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_rdb),
		cmocka_unit_test(test_redis),
		cmocka_unit_test(test_redis_saves),
		cmocka_unit_test(test_redis_large),
		cmocka_unit_test(test_redis_files),
		cmocka_unit_test(test_redis_wrong),
		cmocka_unit_test(test_prefork),
		cmocka_unit_test(test_forkcost),
		cmocka_unit_test(test_filecow),
		cmocka_unit_test(test_clonecow),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_trace_wrong),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_cycles_wrong),
		cmocka_unit_test(test_startcost),
		cmocka_unit_test(test_scaling),
		cmocka_unit_test(test_webload),
		cmocka_unit_test(test_foliocow),
		cmocka_unit_test(test_bad_input),
	};

	return cmocka_run_group_tests_name("experiments", tests, make_dir,
					   remove_dir);
}
