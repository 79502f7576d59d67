// SPDX-License-Identifier: GPL-2.0
/*
 * The experiments of qemu/experiments.sh, small: each leaves what it promises,
 * precopy shows in it, and no program ever sees a wrong byte.
 */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT "/tmp/experiments"

/* Run an experiment; its program looks for wrong bytes. */
static void experiment(const char *arm, const char *name)
{
	char text[512];
	int status;

	snprintf(
		text, sizeof(text),
		"exec 2>&1 >%s.log; OUT=%s COW_quick=1 COW_keys=%s; . /etc/jobs.sh; experiment %s %s 1 || exit 1",
		OUT, OUT, strcmp(name, "redis32k") ? "30000" : "400", arm,
		name);
	status = system(text);
	if (status)
		fail_msg("%s, %s: ended with %#x: %s", name, arm, status,
			 file_text(OUT ".log"));
}

/*
 * A number from an experiment's CSV: of column @key in the first row whose
 * beginning is @row.
 */
static uint64_t result(const char *arm, const char *name, const char *file,
		       const char *row, const char *key)
{
	char path[256], head[1024], *p, *line;
	unsigned int column = 0;
	const char *text;
	char copy[8192];

	snprintf(path, sizeof(path), OUT "/experiments/%s.%s.1/%s", arm, name,
		 file);
	text = file_text(path);
	snprintf(copy, sizeof(copy), "\n%s", text);
	snprintf(head, sizeof(head), "%.*s", (int)strcspn(text, "\n"), text);
	for (p = strtok(head, ","); p && strcmp(p, key); p = strtok(NULL, ","))
		column++;
	if (!p)
		fail_msg("%s has no column %s", path, key);
	snprintf(head, sizeof(head), "\n%s,", row);
	line = strstr(copy, head);
	if (!line)
		fail_msg("%s has no row %s: %s", path, row, text);
	for (line++; column; column--)
		line = strchr(line, ',') + 1;
	return strtoull(line, NULL, 10);
}

static uint64_t redis_result(const char *arm, const char *key)
{
	return result(arm, "redis32k", "request.csv", "save", key);
}

/* On one CPU a server waits for its clients and its child, however many there are. */
static int one_cpu(void **state)
{
	(void)state;
	stay_on_one_cpu(true);
	return 0;
}

static int all_cpus(void **state)
{
	(void)state;
	stay_on_one_cpu(false);
	return 0;
}

/* A value of 32 KiB is a run of pages: a window of 16 serves it with one fault. */
static void test_redis(void **state)
{
	static const char *const arms[] = { "baseline", "fixed", "thp",
					    "adaptive" };
	const size_t nr = quick() ? 2 : ARRAY_SIZE(arms);
	size_t i;

	(void)state;
	for (i = 0; i < nr; i++) {
		experiment(arms[i], "redis64");
		assert_true(result(arms[i], "redis64", "request.csv", "save",
				   "count"));
		assert_int_equal(result(arms[i], "redis64", "redis.csv",
					"30000", "value_bytes"),
				 64);
		experiment(arms[i], "redis32k");
		/* The server's time is part of the save's. */
		assert_in_range(redis_result(arms[i], "cpu_ns"), 1,
				redis_result(arms[i], "avg_ns") * 11 / 10);
		assert_in_range(redis_result(arms[i], "wait_ns"), 1,
				redis_result(arms[i], "avg_ns") * 11 / 10);
	}
	if (redis_result("fixed", "faults") *
		    redis_result("baseline", "count") * 3 >
	    redis_result("baseline", "faults") *
		    redis_result("fixed", "count") * 2)
		fail_msg("fixed: %zu faults in %zu SETs, baseline %zu in %zu",
			 (size_t)redis_result("fixed", "faults"),
			 (size_t)redis_result("fixed", "count"),
			 (size_t)redis_result("baseline", "faults"),
			 (size_t)redis_result("baseline", "count"));
}

static void test_prefork(void **state)
{
	uint64_t baseline, adaptive;

	(void)state;
	experiment("baseline", "prefork");
	experiment("adaptive", "prefork");
	experiment("thp", "prefork");
	baseline =
		result("baseline", "prefork", "request.csv", "all", "faults");
	adaptive =
		result("adaptive", "prefork", "request.csv", "all", "faults");
	/* 256 pages a child and its own; 1, 1, 2, 4, 8, 16, 32, ... */
	assert_in_range(baseline, 50 * 256, 50 * 300);
	assert_true(adaptive < baseline / 5);
}

/*
 * Workers that read a heap of Python's. A collection of garbage writes all of it but
 * what was frozen; windows take some of the faults, and are few where there is none.
 */
static void test_gunicorn(void **state)
{
	uint64_t no[2], yes[2];

	(void)state;
	/* An archive of its own, which scripts/tests/guest joins to the initramfs. */
	if (access("/server/python3", X_OK))
		skip();
	experiment("baseline", "gunicorn");
	experiment("adaptive", "gunicorn");
	assert_int_equal(result("baseline", "gunicorn", "web.csv", "no",
				"neighbours"),
			 0);
	assert_true(
		result("adaptive", "gunicorn", "web.csv", "no", "neighbours"));
	no[0] = result("baseline", "gunicorn", "web.csv", "no", "private_kb");
	yes[0] = result("baseline", "gunicorn", "web.csv", "yes", "private_kb");
	no[1] = result("adaptive", "gunicorn", "web.csv", "no", "private_kb");
	yes[1] = result("adaptive", "gunicorn", "web.csv", "yes", "private_kb");
	assert_true(yes[0] < no[0] * 3 / 4);
	/* The bound of the waste: a quarter of what was copied, and 128 pages. */
	assert_in_range(no[1], no[0] * 9 / 10, no[0] * 5 / 4 + 512);
	assert_in_range(yes[1], yes[0] * 9 / 10, yes[0] * 5 / 4 + 512);
	assert_true(result("adaptive", "gunicorn", "web.csv", "no", "faults") <
		    result("baseline", "gunicorn", "web.csv", "no", "faults"));
}

/* The region has folios of the size asked for, and windows serve each size. */
static void test_folios(void **state)
{
	static const unsigned int sizes[] = { 4,   16,	32,   64,  128,
					      256, 512, 1024, 2048 };
	size_t i;

	(void)state;
	experiment("baseline", "folios");
	experiment("adaptive", "folios");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		char row[64];

		snprintf(row, sizeof(row), "cow-byte,%u", sizes[i]);
		assert_in_range(result("baseline", "folios", "folio.csv", row,
				       "folios"),
				90, 100);
		assert_in_range(result("baseline", "folios", "folio.csv", row,
				       "faults"),
				2048, 2048 + 64);
		assert_true(result("adaptive", "folios", "folio.csv", row,
				   "faults") < 2048 / 8);
		/* fork() shares a folio's pages in one step, which is no fault. */
		snprintf(row, sizeof(row), "fork,%u", sizes[i]);
		assert_int_equal(result("baseline", "folios", "folio.csv", row,
					"faults"),
				 0);
	}
	/* The sizes that the machine had come back. */
	assert_int_equal(
		system("grep -q '\\[never\\]' /sys/kernel/mm/transparent_hugepage/hugepages-512kB/enabled"),
		0);
}

/* What was copied in large folios is cheaper to share again. */
static void test_fork(void **state)
{
	(void)state;
	experiment("baseline", "fork");
	experiment("adaptive", "fork");
	/* The region's pages, and some of its own. */
	assert_in_range(result("baseline", "fork", "fork.csv",
			       "67108864,1,copied", "faults"),
			16384, 16384 + 64);
	assert_true(result("adaptive", "fork", "fork.csv", "67108864,1,copied",
			   "faults") < 16384 / 8);
}

static void test_scaling(void **state)
{
	(void)state;
	experiment("baseline", "scaling");
	experiment("adaptive", "scaling");
	assert_in_range(result("baseline", "scaling", "scaling.csv", "8,own",
			       "faults"),
			4096, 4300);
	assert_in_range(result("baseline", "scaling", "scaling.csv", "8,shared",
			       "faults"),
			4096, 4300);
	assert_true(result("adaptive", "scaling", "scaling.csv", "8,own",
			   "faults") < 4096 / 2);
	result("baseline", "scaling", "scaling.csv", "1,shared,67108864",
	       "faults");
}

/*
 * Clones that replay a resumed guest's first writes: as many pages in each arm,
 * by fewer faults with windows, and `adaptive` copies few pages beside them.
 */
static void test_clone(void **state)
{
	uint64_t pages, faults, copied;

	(void)state;
	experiment("baseline", "clone");
	experiment("adaptive", "clone");
	result("baseline", "clone", "clone.csv", "dense,30", "faults");
	result("baseline", "clone", "clone.csv", "scattered,30", "faults");
	pages = result("baseline", "clone", "clone.csv", "resume", "pages");
	assert_in_range(pages, 4 * 1000, 4 * 65536);
	assert_int_equal(result("adaptive", "clone", "clone.csv", "resume",
				"pages"),
			 pages);
	assert_int_equal(result("baseline", "clone", "clone.csv", "resume",
				"pages_copied"),
			 pages);
	assert_in_range(result("baseline", "clone", "clone.csv", "resume",
			       "faults"),
			pages, pages + pages / 20);
	faults = result("adaptive", "clone", "clone.csv", "resume", "faults");
	copied = result("adaptive", "clone", "clone.csv", "resume",
			"pages_copied");
	if (faults >= pages)
		fail_msg("adaptive: %zu faults for %zu pages", (size_t)faults,
			 (size_t)pages);
	/* A quarter of what is copied, and 128 pages a clone. */
	if (copied < pages || copied - pages > copied / 4 + 4 * 128)
		fail_msg("adaptive: %zu pages copied, %zu written",
			 (size_t)copied, (size_t)pages);
}

/*
 * `fixed` copies eight pages for each that a sparse writer writes, as long as
 * there is room, and needs no more than `baseline` where there is none.
 */
static void test_memory(void **state)
{
	uint64_t baseline, fixed, peak;

	(void)state;
	experiment("baseline", "memory");
	experiment("fixed", "memory");
	baseline = result("baseline", "memory", "memory.csv", "sparse8",
			  "pass_kb");
	fixed = result("fixed", "memory", "memory.csv", "sparse8", "pass_kb");
	peak = result("fixed", "memory", "memory.csv", "sparse8", "peak_kb");
	/* A region of 8 MiB and an eighth of it again, and the processes. */
	assert_in_range(baseline, 9 << 10, 12 << 10);
	assert_true(peak > baseline + (4 << 10));
	if (fixed > baseline + 512)
		fail_msg("fixed needs %zu KiB where baseline passes with %zu",
			 (size_t)fixed, (size_t)baseline);
	assert_true(
		result("fixed", "memory", "memory.csv", "sparse8", "kills"));
}

static uint64_t cycle_result(const char *arm, const char *row, const char *key)
{
	return result(arm, "cycles", "cycles.csv", row, key);
}

/* Three snapshots of 16 MiB: what an earlier one leaves of the huge pages. */
static void test_cycles(void **state)
{
	static const char *const cheap[] = { "adaptive", "thp-adaptive" };
	size_t i;

	(void)state;
	experiment("baseline", "cycles");
	experiment("thp", "cycles");
	for (i = 1; i <= 3; i++) {
		char row[16];

		snprintf(row, sizeof(row), "seq,100,%zu", i);
		/* The region's pages, and some of its own. */
		assert_in_range(cycle_result("baseline", row, "faults"), 4096,
				4096 + 64);
		assert_in_range(cycle_result("thp", row, "faults"), 4096,
				4096 + 64);
		assert_int_equal(cycle_result("thp", row, "huge_kb"), 0);
	}
	/* Two copies where all is written, little more than one where 10% are. */
	assert_in_range(cycle_result("thp", "seq,100,2", "memory_kb"), 32 << 10,
			40 << 10);
	assert_in_range(cycle_result("thp", "rand,10,2", "memory_kb"),
			(16 << 10) + 409 * 4, 26 << 10);
	for (i = 0; i < ARRAY_SIZE(cheap); i++) {
		experiment(cheap[i], "cycles");
		assert_true(cycle_result(cheap[i], "seq,100,3", "faults") <
			    4096 / 8);
		assert_in_range(cycle_result(cheap[i], "rand,10,3", "faults"),
				400, 409 + 64);
	}
	experiment("thp-manual_cow", "cycles");
	assert_in_range(cycle_result("thp-manual_cow", "seq,100,3", "faults"),
			0, 64);
	assert_true(cycle_result("thp-manual_cow", "seq,100,3", "prepare_ns"));
	/* Of a quarter: 4 MiB stay huge, the rest takes its faults. */
	experiment("thp-manual_cow-quarter", "cycles");
	assert_in_range(cycle_result("thp-manual_cow-quarter", "seq,100,3",
				     "faults"),
			3072, 3072 + 64);
	assert_int_equal(cycle_result("thp-manual_cow-quarter", "seq,100,3",
				      "huge_kb"),
			 4 << 10);
}

/* What makes huge pages again, and that the knobs of the machine come back. */
static void test_cycles_repaired(void **state)
{
	static const char knobs[] =
		"cd /sys/kernel/mm/transparent_hugepage/khugepaged && grep . pages_to_scan scan_sleep_millisecs alloc_sleep_millisecs max_ptes_shared";
	char command[512];

	(void)state;
	experiment("thp-collapse", "cycles");
	assert_int_equal(cycle_result("thp-collapse", "rand,50,2", "huge_kb"),
			 16 << 10);
	assert_true(cycle_result("thp-collapse", "rand,50,2", "prepare_ns"));
	snprintf(command, sizeof(command), "%s >%s.before", knobs, OUT);
	assert_int_equal(system(command), 0);
	experiment("thp-khugepaged", "cycles");
	assert_true(cycle_result("thp-khugepaged", "seq,100,2", "huge_kb"));
	assert_true(cycle_result("thp-khugepaged", "seq,100,2", "prepare_ns"));
	snprintf(command, sizeof(command), "(%s) | cmp - %s.before", knobs,
		 OUT);
	assert_int_equal(system(command), 0);
}

/* cowwarm.so runs in a thread, and only beside the program. */
static void test_cycles_warm(void **state)
{
	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	experiment("thp-cowwarm", "cycles");
	assert_true(cycle_result("thp-cowwarm", "seq,100,2", "prepare_ns"));
}

/* Without the knob nothing is measured, and nothing fails. */
static void test_cycles_knob(void **state)
{
	static const char knob[] = "/sys/kernel/debug/cowlab/huge_window";

	(void)state;
	experiment("thp-huge_window", "cycles");
	if (access(knob, F_OK)) {
		assert_int_equal(
			access(OUT
			       "/experiments/thp-huge_window.cycles.1/cycles.csv",
			       F_OK),
			-1);
		return;
	}
	assert_true(cycle_result("thp-huge_window", "seq,100,3", "faults") <
		    4096 / 8);
	assert_string_equal(file_text(knob), "0\n");
}

/* Five saves of one server, with huge pages; a row for each. */
static void test_saves(void **state)
{
	static const char *const arms[] = { "thp-off", "thp-adaptive",
					    "thp-cowwarm" };
	char command[256];
	size_t i;

	(void)state;
	if (quick() || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	for (i = 0; i < ARRAY_SIZE(arms); i++) {
		experiment(arms[i], "saves64");
		snprintf(
			command, sizeof(command),
			"[ $(wc -l <%s/experiments/%s.saves64.1/redis.csv) = 6 ]",
			OUT, arms[i]);
		assert_int_equal(system(command), 0);
		assert_true(result(arms[i], "saves64", "redis.csv", "30000",
				   "fork_us"));
	}
}

static int clear(void **state)
{
	(void)state;
	return system("rm -rf " OUT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefork),
		cmocka_unit_test(test_gunicorn),
		cmocka_unit_test(test_folios),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_scaling),
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_cycles_repaired),
		cmocka_unit_test(test_cycles_warm),
		cmocka_unit_test(test_cycles_knob),
		cmocka_unit_test(test_saves),
		cmocka_unit_test_setup_teardown(test_redis, one_cpu, all_cpus),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("experiments", tests, NULL, clear);
}
