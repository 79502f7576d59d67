// SPDX-License-Identifier: GPL-2.0
/* Runs the built cowbench ($COWBENCH) and checks what it prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/slow.h"

#define HEADER                                                        \
	"pattern,kind,writer,threads,round,size,count,avg_ns,min_ns," \
	"p50_ns,p90_ns,p99_ns,p999_ns,max_ns,elapsed_ns,faults,"      \
	"pages_touched,pages_copied,pages_wasted,rss_growth_kb,"      \
	"parent_peak_kb,child_peak_kb,verified\n"

#define COLUMNS 23
#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

enum column {
	PATTERN,
	KIND,
	WRITER,
	THREADS,
	ROUND,
	SIZE,
	COUNT,
	AVG,
	MIN,
	P50,
	P90,
	P99,
	P999,
	MAX,
	ELAPSED,
	FAULTS,
	TOUCHED,
	COPIED,
	WASTED,
	GROWTH,
	PARENT_PEAK,
	CHILD_PEAK,
	VERIFIED,
};

struct run {
	int status;
	char out[64 * 1024];
	char err[4096];
};

static char dir[] = "/tmp/test_cowbench.XXXXXX";

static const char *in_dir(const char *name)
{
	static char paths[4][128];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The first line of a file, without its end. */
static void read_line(const char *path, char *buf, size_t len)
{
	if (!read_text(path, buf, len))
		fail_msg("cannot read %s", path);
	buf[strcspn(buf, "\n")] = '\0';
}

/* Start cowbench with arguments separated by blanks. */
static pid_t start(const char *args)
{
	char copy[1024], *argv[64], *save = NULL, *word;
	const char *program = getenv("COWBENCH");
	int argc = 0;
	pid_t pid;

	assert_non_null(program);
	snprintf(copy, sizeof(copy), "%s", args);
	argv[argc++] = (char *)program;
	for (word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int out =
			open(in_dir("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		int err =
			open(in_dir("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

		if (dup2(out, 1) < 0 || dup2(err, 2) < 0)
			_exit(126);
		alarm(slow(60));
		execv(program, argv);
		_exit(127);
	}
	return pid;
}

static void finish(pid_t pid, struct run *run)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	run->status = WIFEXITED(status) ? WEXITSTATUS(status) :
					  128 + WTERMSIG(status);
	assert_true(read_text(in_dir("out"), run->out, sizeof(run->out)));
	assert_true(read_text(in_dir("err"), run->err, sizeof(run->err)));
}

static void bench(const char *args, struct run *run)
{
	finish(start(args), run);
}

/* Splits the first row in @text; returns what follows it. */
static char *split(char *text, char *cells[COLUMNS])
{
	char *end = strchr(text, '\n');
	int i;

	assert_non_null(end);
	*end = '\0';
	for (i = 0; i < COLUMNS; i++) {
		cells[i] = strsep(&text, ",");
		assert_non_null(cells[i]);
	}
	assert_null(text);
	return end + 1;
}

static uint64_t cell(char *cells[COLUMNS], enum column column)
{
	uint64_t value;

	if (!parse_u64(cells[column], &value))
		fail_msg("column %d is '%s'", column, cells[column]);
	return value;
}

static void check_times(char *cells[COLUMNS])
{
	enum column c;

	for (c = P50; c <= MAX; c++)
		assert_true(cell(cells, c - 1) <= cell(cells, c));
	assert_true(cell(cells, MIN) <= cell(cells, AVG));
	assert_true(cell(cells, AVG) <= cell(cells, MAX));
	assert_true(cell(cells, MAX) <= cell(cells, ELAPSED));
}

struct row_case {
	const char *args;
	const char *pattern;
	const char *writer;
	uint64_t threads, size, count, faults, touched, copied;
};

static void run_rows(const struct row_case *cases, size_t n, const char *kind)
{
	static struct run run;
	char args[256], *cells[COLUMNS];
	size_t i;

	for (i = 0; i < n; i++) {
		const struct row_case *c = &cases[i];

		snprintf(args, sizeof(args), "--csv --csv-header=no -k %s %s",
			 kind, c->args);
		bench(args, &run);
		if (run.status)
			fail_msg("%s: status %d, %s", args, run.status,
				 run.err);
		assert_string_equal(run.err, "");
		assert_string_equal(split(run.out, cells), "");
		assert_string_equal(cells[PATTERN], c->pattern);
		assert_string_equal(cells[KIND], kind);
		assert_string_equal(cells[WRITER], c->writer);
		assert_int_equal(cell(cells, THREADS), c->threads);
		assert_int_equal(cell(cells, ROUND), 1);
		assert_int_equal(cell(cells, SIZE), c->size);
		assert_int_equal(cell(cells, COUNT), c->count);
		check_times(cells);
		if (cell(cells, FAULTS) != c->faults)
			fail_msg("%s: %s faults, not %ju", args, cells[FAULTS],
				 (uintmax_t)c->faults);
		assert_int_equal(cell(cells, TOUCHED), c->touched);
		assert_string_equal(cells[VERIFIED], "yes");
		/* Frames, which reuse compares, are for root to see. */
		if (strcmp(c->pattern, "reuse") || !geteuid())
			assert_int_equal(cell(cells, COPIED), c->copied);
		if (!strcmp(kind, "hugetlb"))
			assert_string_equal(cells[WASTED], "");
		else if (*cells[COPIED])
			assert_int_equal(cell(cells, WASTED), 0);
		if (*cells[COPIED])
			assert_int_equal(cell(cells, GROWTH), c->copied * 4);
		if (!strcmp(kind, "hugetlb"))
			continue;
		assert_in_range(cell(cells, PARENT_PEAK), c->size / 1024,
				c->size / 1024 + 16384);
		if (!strcmp(c->pattern, "reuse"))
			assert_string_equal(cells[CHILD_PEAK], "");
		else
			assert_in_range(cell(cells, CHILD_PEAK), c->size / 1024,
					c->size / 1024 + 16384);
	}
}

#define M (1UL << 20)

/* Every fault of the writer is one on the region, to the digit. */
static const struct row_case small_pages[] = {
	/* The other process reads in turns of 64 pages, the last one is short. */
	{ "-s 400K --reader", "seq", "parent", 1, 400UL << 10, 100, 100, 100,
	  100 },
	{ "-s 1M --reader --touch-all -p rand -w child", "rand", "child", 1, M,
	  256, 256, 256, 256 },
	{ "-s 1M --touch-all -t 2", "seq", "parent", 2, M, 256, 256, 256, 256 },
	{ "", "seq", "parent", 1, 64 * M, 16384, 16384, 16384, 16384 },
	{ "-w child", "seq", "child", 1, 64 * M, 16384, 16384, 16384, 16384 },
	{ "-s 4M", "seq", "parent", 1, 4 * M, 1024, 1024, 1024, 1024 },
	{ "-s 4M -p rev", "rev", "parent", 1, 4 * M, 1024, 1024, 1024, 1024 },
	{ "-s 4M -p rand", "rand", "parent", 1, 4 * M, 1024, 1024, 1024, 1024 },
	{ "-s 4M -p sparse2", "sparse2", "parent", 1, 4 * M, 512, 512, 512,
	  512 },
	{ "-s 4M -p sparse8", "sparse8", "parent", 1, 4 * M, 128, 128, 128,
	  128 },
	{ "-s 4M -p sparse64", "sparse64", "parent", 1, 4 * M, 16, 16, 16, 16 },
	{ "-s 4M -p reuse", "reuse", "parent", 1, 4 * M, 1024, 1024, 1024, 0 },
	{ "-s 4M -p paced -P 1000", "paced", "parent", 1, 4 * M, 1024, 1024,
	  1024, 1024 },
	{ "-s 4M -p paced --pace-iters 9", "paced", "parent", 1, 4 * M, 1024,
	  1024, 1024, 1024 },
	{ "-s 4M -p rev -w child", "rev", "child", 1, 4 * M, 1024, 1024, 1024,
	  1024 },
	{ "-s 4M -p rand -w child", "rand", "child", 1, 4 * M, 1024, 1024, 1024,
	  1024 },
	{ "-s 4M -p sparse8 -w child", "sparse8", "child", 1, 4 * M, 128, 128,
	  128, 128 },
	{ "-s 4M -t 2", "seq", "parent", 2, 4 * M, 1024, 1024, 1024, 1024 },
	{ "-s 4M -t 2 -p rev", "rev", "parent", 2, 4 * M, 1024, 1024, 1024,
	  1024 },
	{ "-s 4M -t 2 -p rand", "rand", "parent", 2, 4 * M, 1024, 1024, 1024,
	  1024 },
	{ "-s 4M -t 2 -p sparse8", "sparse8", "parent", 2, 4 * M, 128, 128, 128,
	  128 },
	{ "-s 4M -t 2 -w child", "seq", "child", 2, 4 * M, 1024, 1024, 1024,
	  1024 },
	{ "-s 4M -t 7", "seq", "parent", 7, 4 * M, 1024, 1024, 1024, 1024 },
	{ "-s 4M -b none", "seq", "parent", 1, 4 * M, 1024, 1024, 1024, 1024 },
	{ "-s 4K", "seq", "parent", 1, 4096, 1, 1, 1, 1 },
};

static void test_small_pages(void **state)
{
	(void)state;
	run_rows(small_pages, ARRAY_SIZE(small_pages), "4k");
}

static void test_thp(void **state)
{
	static const struct row_case cases[] = {
		{ "-s 4M", "seq", "parent", 1, 4 * M, 1024, 1024, 1024, 1024 },
		{ "-s 4M -p rand -w child", "rand", "child", 1, 4 * M, 1024,
		  1024, 1024, 1024 },
	};
	char all[128], pmd[128];

	(void)state;
	if (!read_text(THP_DIR "enabled", all, sizeof(all)) ||
	    strstr(all, "[never]"))
		skip();
	if (read_text(THP_DIR "hugepages-2048kB/enabled", pmd, sizeof(pmd)) &&
	    strstr(pmd, "[never]"))
		skip();
	run_rows(cases, ARRAY_SIZE(cases), "thp");
}

static void test_mthp(void **state)
{
	static const struct row_case cases[] = {
		{ "-s 4M", "seq", "parent", 1, 4 * M, 1024, 1024, 1024, 1024 },
	};
	char pmd[128], size[128];

	(void)state;
	if (!read_text(THP_DIR "hugepages-2048kB/enabled", pmd, sizeof(pmd)) ||
	    !read_text(THP_DIR "hugepages-64kB/enabled", size, sizeof(size)) ||
	    !strstr(pmd, "[never]") || strstr(size, "[never]"))
		skip();
	run_rows(cases, ARRAY_SIZE(cases), "mthp");
}

static void test_hugetlb(void **state)
{
	static const struct row_case cases[] = {
		{ "-s 4M", "seq", "parent", 1, 4 * M, 1024, 2, 1024, 1024 },
		{ "-s 4M -p rand -w child", "rand", "child", 1, 4 * M, 1024, 2,
		  1024, 1024 },
		{ "-s 4M -p reuse", "reuse", "parent", 1, 4 * M, 1024, 2, 1024,
		  0 },
	};
	static struct run run;
	char free_pages[32];

	(void)state;
	if (read_text("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
		      free_pages, sizeof(free_pages)) &&
	    atoi(free_pages) >= 4) {
		run_rows(cases, ARRAY_SIZE(cases), "hugetlb");
		return;
	}
	bench("-k hugetlb -s 4M", &run);
	assert_int_equal(run.status, 1);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, "--kind hugetlb"));
	print_message("no huge pages here: only the error was checked\n");
}

static void test_zipf(void **state)
{
	static struct run run;
	char *cells[COLUMNS];

	(void)state;
	bench("-s 4M -p zipf -c -H no", &run);
	assert_int_equal(run.status, 0);
	split(run.out, cells);
	assert_int_equal(cell(cells, COUNT), 100000);
	assert_int_equal(cell(cells, TOUCHED), 1024);
	assert_int_equal(cell(cells, FAULTS), 1024);

	bench("-s 4M -p zipf -W 50 -c -H no", &run);
	assert_int_equal(run.status, 0);
	split(run.out, cells);
	assert_int_equal(cell(cells, COUNT), 50);
	assert_in_range(cell(cells, TOUCHED), 20, 50);
	assert_int_equal(cell(cells, FAULTS), cell(cells, TOUCHED));
	assert_int_equal(cell(cells, COPIED), cell(cells, TOUCHED));
}

static void test_both(void **state)
{
	static struct run run;
	char *parent[COLUMNS], *child[COLUMNS], *rest;

	(void)state;
	bench("-s 4M -w both -t 2 -p rand -c -H no", &run);
	assert_int_equal(run.status, 0);
	rest = split(run.out, parent);
	assert_string_equal(split(rest, child), "");
	assert_string_equal(parent[WRITER], "parent");
	assert_string_equal(child[WRITER], "child");
	assert_int_equal(cell(parent, FAULTS), 1024);
	assert_int_equal(cell(child, FAULTS), 1024);
	assert_int_equal(cell(parent, COPIED), 1024);
	assert_int_equal(cell(child, COPIED), 1024);
	assert_int_equal(cell(parent, GROWTH), 4096);
}

/* After MADV_POPULATE_WRITE no write takes a fault, yet all is copied. */
static void test_populate_write(void **state)
{
	static const char *const args[] = {
		"-s 4M -b populate_write -c -H no",
		"-s 4M -b populate_write -c -H no -w child -t 2 -p rand",
	};
	static struct run run;
	char *cells[COLUMNS];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(args); i++) {
		bench(args[i], &run);
		if (strstr(run.err, "no MADV_POPULATE_WRITE"))
			skip();
		assert_int_equal(run.status, 0);
		split(run.out, cells);
		assert_int_equal(cell(cells, FAULTS), 0);
		assert_int_equal(cell(cells, COPIED), 1024);
		/*
		 * The call is in elapsed_ns and not in the writes, of which two
		 * threads have twice the time.
		 */
		assert_true((i + 1) * cell(cells, ELAPSED) >
			    cell(cells, AVG) * cell(cells, COUNT));
	}
}

static void test_manual_cow(void **state)
{
	static struct run run;
	char *cells[COLUMNS];

	(void)state;
	bench("-s 4M -b manual_cow -c -H no", &run);
	if (syscall(548, 0UL, 0UL, 0UL)) {
		assert_int_equal(run.status, 1);
		assert_string_equal(run.out, "");
		assert_non_null(strstr(run.err, "--prepare manual_cow"));
		return;
	}
	assert_int_equal(run.status, 0);
	split(run.out, cells);
	assert_int_equal(cell(cells, FAULTS), 0);
	assert_int_equal(cell(cells, COPIED), 1024);
}

static void test_rounds(void **state)
{
	static struct run run;
	char *cells[COLUMNS], *text;
	uint64_t round;

	(void)state;
	bench("-s 1M -n 5 -t 2 --csv", &run);
	assert_int_equal(run.status, 0);
	assert_memory_equal(run.out, HEADER, strlen(HEADER));
	text = run.out + strlen(HEADER);
	for (round = 1; round <= 5; round++) {
		text = split(text, cells);
		assert_int_equal(cell(cells, ROUND), round);
		assert_int_equal(cell(cells, FAULTS), 256);
	}
	assert_string_equal(text, "");
}

static void test_table(void **state)
{
	static struct run run;

	(void)state;
	bench("-s 1M", &run);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "pattern seq, kind 4k, size 1024 KiB"));
	assert_non_null(strstr(run.out, " yes\n"));
}

/* Histogram and samples of two rounds, against each other and the row. */
static void test_files(void **state)
{
	uint64_t lower, count, value, in_hist = 0, in_samples = 0;
	char args[256], line[64], *cells[COLUMNS], *end;
	uint64_t smallest = UINT64_MAX;
	static struct run run;
	FILE *f;

	(void)state;
	snprintf(args, sizeof(args), "-s 1M -n 2 -c -H no -g %s -o %s",
		 in_dir("hist"), in_dir("samples"));
	bench(args, &run);
	assert_int_equal(run.status, 0);
	f = fopen(in_dir("hist"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		lower = strtoull(line, &end, 10);
		assert_int_equal(*end, ' ');
		count = strtoull(end + 1, &end, 10);
		assert_int_equal(*end, '\n');
		assert_true(count > 0);
		assert_true(lower < 1ULL << 40);
		in_hist += count;
	}
	fclose(f);
	assert_int_equal(in_hist, 512);
	f = fopen(in_dir("samples"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		value = strtoull(line, &end, 10);
		assert_int_equal(*end, '\n');
		if (in_samples++ < 256 && value < smallest)
			smallest = value;
	}
	fclose(f);
	assert_int_equal(in_samples, 512);
	split(run.out, cells);
	assert_int_equal(cell(cells, MIN), smallest);
}

/* The check of every byte can fail in either process. */
static void test_corrupt(void **state)
{
	static const struct {
		const char *args;
		const char *view;
	} cases[] = {
		{ "", "child" },
		{ "-w child", "parent" },
		{ "-w both", "child" },
		{ "-p reuse", "parent" },
		{ "-p sparse8 -t 2", "child" },
		{ "-p zipf -w child -S 77", "parent" },
	};
	static struct run run;
	char args[256], expected[64];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(args, sizeof(args), "-s 1M --csv --corrupt %s",
			 cases[i].args);
		snprintf(expected, sizeof(expected),
			 "wrong byte in the %s's view at offset 0x",
			 cases[i].view);
		bench(args, &run);
		assert_int_equal(run.status, 1);
		assert_string_equal(run.out, "");
		if (!strstr(run.err, expected) ||
		    !strstr(run.err, "(1 wrong in all)\n"))
			fail_msg("%s: %s", args, run.err);
		assert_string_equal(strchr(run.err, '\n'), "\n");
	}
}

static void test_bad_input(void **state)
{
	static const struct {
		const char *args;
		int status;
		const char *names;
	} cases[] = {
		{ "-s 0", 1, "--size" },
		{ "-s 1", 1, "--size" },
		{ "-s 4097", 1, "--size" },
		{ "-s 5X", 1, "--size" },
		{ "-s -4096", 1, "--size" },
		{ "-s 17179869184G", 1, "--size" },
		{ "-s 17179869183G", 1, "--size" },
		{ "-s 18446744073709547520", 1, "--size" },
		{ "-s 8191G", 1, "--size" },
		{ "-s 4G -s 1000G", 1, "--size" },
		{ "-k hugetlb -s 4K", 1, "--size" },
		{ "-k hugetlb -s 3M", 1, "--size" },
		{ "-k thp -s 1M", 1, "--size" },
		{ "-k mthp -s 1M", 1, "--size" },
		{ "-k hugetlb -s 1000G", 1, "--kind" },
		{ "-k 2m", 1, "--kind" },
		{ "-p up", 1, "--pattern" },
		{ "-p sparse1", 1, "--pattern" },
		{ "-p sparse", 1, "--pattern" },
		{ "-p sparse1025 -s 4M", 1, "--pattern" },
		{ "--reader -p reuse", 1, "--reader" },
		{ "--reader -w both", 1, "--reader" },
		{ "--reader -t 2", 1, "--reader" },
		{ "-w nobody", 1, "--writer" },
		{ "-p reuse -w child", 1, "--writer" },
		{ "-p reuse -w both", 1, "--writer" },
		{ "-t 0", 1, "--threads" },
		{ "-t -1", 1, "--threads" },
		{ "-t 1000", 1, "--threads" },
		{ "-t two", 1, "--threads" },
		{ "-s 4K -t 2", 1, "--threads" },
		{ "-n 0", 1, "--rounds" },
		{ "-n x", 1, "--rounds" },
		{ "-W 0", 1, "--writes" },
		{ "-p zipf -W 99999999999", 1, "--writes" },
		{ "-p zipf -W 4294967296", 1, "--writes" },
		{ "-P 0", 1, "--pace" },
		{ "-P 1s", 1, "--pace" },
		{ "--pace-iters 0", 1, "--pace-iters" },
		{ "-S -3", 1, "--seed" },
		{ "-S 18446744073709551616", 1, "--seed" },
		{ "-b fork", 1, "--prepare" },
		{ "-c -H maybe", 1, "--csv-header" },
		{ "-g /nonexistent/file", 1, "--hist" },
		{ "-o /nonexistent/file", 1, "--samples" },
		{ "-d /nonexistent -l timing", 1, "--listen" },
		{ "-d /dev -l null,", 1, "--listen" },
		{ "-d /dev -l ../dev/null", 1, "--listen" },
		/* Exists, but has no file pid. */
		{ "-d /dev -l null", 1, "--listen" },
		{ "stray", 1, "unexpected argument 'stray', see --help\n" },
		{ "--no-such-option", 1, "--no-such-option" },
		{ "-s", 1, "requires an argument" },
	};
	static struct run run;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bench(cases[i].args, &run);
		if (run.status != cases[i].status ||
		    !strstr(run.err, cases[i].names))
			fail_msg("%s: status %d, %s", cases[i].args, run.status,
				 run.err);
		assert_string_equal(run.out, "");
		/* argp adds a line to its own errors. */
		if (!strstr(run.err, "\nTry `cowbench --help'"))
			assert_string_equal(strchr(run.err, '\n'), "\n");
	}
}

static void test_help(void **state)
{
	static struct run run;

	(void)state;
	bench("--help", &run);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "EXAMPLES"));
	assert_null(strstr(run.out, "--corrupt"));
	bench("--version", &run);
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "cowbench 1."));
}

static void pause_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

static void make_switches(void)
{
	mkdir(in_dir("debugfs"), 0700);
	write_file(in_dir("debugfs/timing"), "0\n");
	write_file(in_dir("debugfs/log"), "0\n");
	write_file(in_dir("debugfs/pid"), "0\n");
}

static void assert_line(const char *name, const char *expected)
{
	char line[64];

	read_line(in_dir(name), line, sizeof(line));
	if (strcmp(line, expected))
		fail_msg("%s is '%s', not '%s'", name, line, expected);
}

/* Wait until it listens, at most 30 s. */
static void await_on(void)
{
	unsigned long tries = slow(3000);
	char line[64];

	while (tries--) {
		read_line(in_dir("debugfs/timing"), line, sizeof(line));
		if (!strcmp(line, "1"))
			return;
		pause_ms(10);
	}
	fail_msg("debugfs/timing is '%s', never '1'", line);
}

static pid_t start_listening(const char *more)
{
	char args[256];

	make_switches();
	snprintf(args, sizeof(args),
		 "-s 1M -p paced -P 2000000 -c -l timing,log -d %s %s",
		 in_dir("debugfs"), more);
	return start(args);
}

/* The only child of @pid. */
static pid_t child_of(pid_t pid)
{
	char path[64], line[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	read_line(path, line, sizeof(line));
	return atoi(line);
}

static void test_listen(void **state)
{
	static const char *const writers[] = { "parent", "child", "both" };
	static struct run run;
	char more[32], expected[32];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(writers); i++) {
		pid_t pid, writer = 0;

		snprintf(more, sizeof(more), "-w %s", writers[i]);
		pid = start_listening(more);
		await_on();
		if (i == 0)
			writer = pid;
		else if (i == 1)
			writer = child_of(pid);
		snprintf(expected, sizeof(expected), "%d", writer);
		assert_line("debugfs/pid", expected);
		assert_line("debugfs/log", "1");
		finish(pid, &run);
		assert_string_equal(run.err, "");
		assert_int_equal(run.status, 0);
		assert_line("debugfs/timing", "0");
		assert_line("debugfs/log", "0");
		assert_line("debugfs/pid", "0");
	}
}

/* Wait until nobody listens, and nobody can begin until the file is closed. */
static int listen_lock(void)
{
	int fd = open(in_dir("debugfs/pid"), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

/*
 * Everything is as it was, @pid and @log, when cowbench has ended (after SIGKILL
 * a moment later), and nobody restores it once more.
 */
static void assert_restored(int sig, const char *pid, const char *log)
{
	if (sig != SIGKILL) {
		assert_line("debugfs/timing", "0");
		write_file(in_dir("debugfs/timing"), "7\n");
	}
	close(listen_lock());
	assert_line("debugfs/timing", sig == SIGKILL ? "0" : "7");
	assert_line("debugfs/log", log);
	assert_line("debugfs/pid", pid);
}

/* SIGKILL leaves no time to turn anything off; another process does it. */
static void test_listen_killed(void **state)
{
	static const int signals[] = { SIGKILL, SIGHUP, SIGQUIT };
	static struct run run;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid = start_listening("-w parent");

		await_on();
		kill(pid, signals[i]);
		finish(pid, &run);
		assert_restored(signals[i], "0", "0");
	}
}

/* What was on before is on afterwards, however it ends; two are one too many. */
static void test_listen_restores(void **state)
{
	static const int signals[] = { 0, SIGTERM, SIGKILL };
	static struct run run, other;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		char args[256];
		pid_t pid;

		make_switches();
		write_file(in_dir("debugfs/log"), "1\n");
		write_file(in_dir("debugfs/pid"), "12\n");
		snprintf(args, sizeof(args),
			 "-s 1M -p paced -P 2000000 -c -l timing,log -d %s",
			 in_dir("debugfs"));
		pid = start(args);
		await_on();
		/* For as long as the other one takes. */
		kill(pid, SIGSTOP);
		bench(args, &other);
		assert_int_equal(other.status, 1);
		assert_non_null(strstr(other.err, "another program listens"));
		assert_line("debugfs/timing", "1");
		kill(pid, SIGCONT);
		if (signals[i])
			kill(pid, signals[i]);
		finish(pid, &run);
		assert_restored(signals[i], "12", "1");
	}
}

/* What holds when its turn comes is restored, not what held when it started. */
static void test_listen_waits(void **state)
{
	static struct run run;
	pid_t pid;
	int lock;

	(void)state;
	make_switches();
	lock = listen_lock();
	pid = start_listening("-w parent");
	/* Long enough for it to open everything. */
	pause_ms(300);
	assert_line("debugfs/timing", "0");
	write_file(in_dir("debugfs/pid"), "12\n");
	close(lock);
	await_on();
	finish(pid, &run);
	assert_string_equal(run.err, "");
	assert_int_equal(run.status, 0);
	assert_line("debugfs/pid", "12");
}

/* Files of debugfs cannot seek; no more can a pipe, which keeps the order. */
static void test_listen_no_position(void **state)
{
	static struct run run;
	char args[256], text[16];
	ssize_t n;
	int fd;

	(void)state;
	make_switches();
	assert_int_equal(mkfifo(in_dir("debugfs/fifo"), 0600), 0);
	fd = open(in_dir("debugfs/fifo"), O_RDWR | O_NONBLOCK);
	assert_true(fd >= 0);
	snprintf(args, sizeof(args), "-s 1M -n 2 -c -l timing,fifo -d %s",
		 in_dir("debugfs"));
	bench(args, &run);
	n = read(fd, text, sizeof(text));
	close(fd);
	unlink(in_dir("debugfs/fifo"));
	assert_string_equal(run.err, "");
	assert_int_equal(run.status, 0);
	assert_int_equal(n, 8);
	assert_memory_equal(text, "1\n0\n1\n0\n", 8);
}

/* A switch that refuses is told of before anything is measured. */
static void test_listen_refused(void **state)
{
	static struct run run;
	char args[256];

	(void)state;
	make_switches();
	assert_int_equal(symlink("/dev/full", in_dir("debugfs/full")), 0);
	snprintf(args, sizeof(args), "-s 1M -c -l timing,full -d %s",
		 in_dir("debugfs"));
	bench(args, &run);
	unlink(in_dir("debugfs/full"));
	assert_int_equal(run.status, 1);
	assert_string_equal(run.out, "");
	assert_non_null(strstr(run.err, "--listen: a switch refused"));
	assert_line("debugfs/timing", "0");
	assert_line("debugfs/pid", "0");
}

/* A killed child is told of, and nothing stays switched on. */
static void test_killed_child(void **state)
{
	static const char *const writers[] = { "parent", "child", "both" };
	static struct run run;
	char more[32];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(writers); i++) {
		pid_t pid;

		snprintf(more, sizeof(more), "-w %s", writers[i]);
		pid = start_listening(more);
		await_on();
		kill(child_of(pid), SIGKILL);
		finish(pid, &run);
		assert_int_equal(run.status, 1);
		assert_string_equal(
			run.err,
			"cowbench: the child was killed by signal 09\n");
		assert_string_equal(run.out, "");
		assert_line("debugfs/timing", "0");
		assert_line("debugfs/pid", "0");
	}
}

static void test_terminated(void **state)
{
	static struct run run;
	pid_t pid, child;
	int i;

	(void)state;
	pid = start_listening("-w child");
	await_on();
	child = child_of(pid);
	kill(pid, SIGTERM);
	finish(pid, &run);
	assert_int_equal(run.status, 128 + SIGTERM);
	assert_line("debugfs/timing", "0");
	for (i = 0; i < 200 && !kill(child, 0); i++)
		pause_ms(10);
	assert_int_equal(kill(child, 0), -1);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = {
		"debugfs/timing", "debugfs/log", "debugfs/pid", "out", "err",
		"hist",		  "samples"
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		unlink(in_dir(names[i]));
	rmdir(in_dir("debugfs"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_pages),
		cmocka_unit_test(test_thp),
		cmocka_unit_test(test_mthp),
		cmocka_unit_test(test_hugetlb),
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_populate_write),
		cmocka_unit_test(test_manual_cow),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_listen_killed),
		cmocka_unit_test(test_listen_restores),
		cmocka_unit_test(test_listen_waits),
		cmocka_unit_test(test_listen_no_position),
		cmocka_unit_test(test_listen_refused),
		cmocka_unit_test(test_killed_child),
		cmocka_unit_test(test_terminated),
	};

	return cmocka_run_group_tests_name("cowbench", tests, set_up,
					   tear_down);
}
