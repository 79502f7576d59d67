// SPDX-License-Identifier: GPL-2.0
/*
 * What of manual_cow, cowkv, cowwarm.so and cowbench's helper can be seen on
 * the host, whose kernel has no manual_cow() as a rule: what they accept, what
 * they say without it, and the store. The programs are in $PROGRAMS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "common/util.h"

static char dir[] = "/tmp/test_snap.XXXXXX";
static char text[64 * 1024];

/* Run a command where the programs are first in the path. Return: its status. */
static int run(const char *fmt, ...)
{
	char command[1024];
	size_t have;
	va_list ap;
	int status;
	FILE *f;

	have = snprintf(command, sizeof(command),
			"exec 2>&1; cd %s; PATH=$PROGRAMS:$PATH; ", dir);
	va_start(ap, fmt);
	vsnprintf(command + have, sizeof(command) - have, fmt, ap);
	va_end(ap);
	f = popen(command, "re");
	assert_non_null(f);
	have = fread(text, 1, sizeof(text) - 1, f);
	text[have] = '\0';
	status = pclose(f);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static unsigned int lines(void)
{
	const char *p = text;
	unsigned int n = 0;

	while ((p = strchr(p, '\n'))) {
		n++;
		p++;
	}
	return n;
}

/* One clear line, and status 1. */
static void refused(const char *command, const char *says)
{
	int status = run("%s", command);

	if (status != 1 || lines() != 1 || !strstr(text, says))
		fail_msg("%s: status %d: %s", command, status, text);
}

static void test_bad_options(void **state)
{
	static const char *const cases[][2] = {
		{ "manual_cow --size 0", "--size: '0' is not accepted" },
		{ "manual_cow --size 1x", "--size: '1x' is not accepted" },
		{ "manual_cow --size 4097", "a multiple of 4096" },
		{ "manual_cow --kind small", "4k thp mthp hugetlb" },
		{ "manual_cow --kind thp --size 4K", "a multiple of 2097152" },
		{ "manual_cow --flags -1", "--flags: '-1' is not accepted" },
		{ "manual_cow --flags 4294967296", "from 0 to 4294967295" },
		{ "manual_cow --forks 0", "--forks: '0' is not accepted" },
		{ "cowbench --helper=16", "BATCH,DISTANCE in pages" },
		{ "cowbench --helper=0,16", "--helper: '0' is not accepted" },
		{ "cowbench --helper=16,8", "--helper: '8' is not accepted" },
		{ "cowbench --helper=16,", "--helper: '' is not accepted" },
		{ "cowbench --helper=x,16", "--helper: 'x' is not accepted" },
		{ "cowbench --mapper /nowhere/x", "cannot open /nowhere/x" },
		{ "cowkv --size 100", "--size: '100' is not accepted" },
		{ "cowkv --size 4K", "from 64K" },
		{ "cowkv --snapshot copy", "cowsnap, fork or none" },
		{ "cowkv --pattern zipf", "rand or seq" },
		{ "cowkv --writes 0", "--writes: '0' is not accepted" },
		{ "cowkv --budget 1T", "--budget: '1T' is not accepted" },
		{ "cowkv --rate x", "--rate: 'x' is not accepted" },
		{ "cowkv --rounds 0", "--rounds: '0' is not accepted" },
		{ "cowkv --seed -1", "--seed: '-1' is not accepted" },
		{ "cowkv --verify /nowhere/x", "cannot open /nowhere/x" },
		{ "cowkv --verify /dev/null", "not a file of cowkv's" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		refused(cases[i][0], cases[i][1]);
}

static void test_help(void **state)
{
	static const char *const programs[] = { "manual_cow", "cowkv" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		assert_int_equal(run("%s --help", programs[i]), 0);
		assert_non_null(strstr(text, "EXAMPLES:"));
		assert_non_null(strstr(text, "Exit status:"));
	}
}

/* A kernel without the call: everybody says so, or keeps quiet. */
static void test_enosys(void **state)
{
	(void)state;
	if (!manual_cow(NULL, 0, 0) || errno != ENOSYS)
		skip();
	assert_int_equal(run("manual_cow"), 1);
	assert_non_null(strstr(text, ", 0) = -1 ENOSYS ("));
	assert_non_null(strstr(text, "faults (getrusage) 256\n"));
	refused("cowbench --helper", "no manual_cow system call (548)");
	refused("cowbench --prepare manual_cow",
		"no manual_cow system call (548)");
	/* A program that forks, under the library. */
	assert_int_equal(
		run("LD_PRELOAD=$PROGRAMS/lib/cowwarm.so sh -c '(exit 3); echo $?'"),
		0);
	assert_string_equal(text, "3\n");
	assert_int_equal(
		run("COWWARM_VERBOSE=1 LD_PRELOAD=$PROGRAMS/lib/cowwarm.so /bin/true"),
		0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(text, "no manual_cow()"));
}

static void test_bad_budget(void **state)
{
	(void)state;
	assert_int_equal(
		run("COWWARM_BUDGET=much LD_PRELOAD=$PROGRAMS/lib/cowwarm.so /bin/true"),
		0);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(text, "COWWARM_BUDGET: 'much' is not accepted"));
}

static void test_mapper(void **state)
{
	(void)state;
	assert_int_equal(run("cowbench --size 4M -n 2 --mapper m && cat m"), 0);
	/* Two lines for a mapper, behind the table's four. */
	assert_int_equal(lines(), 6);
	assert_int_equal(run("grep -cE '^([0-9]+,){7}[0-9]+$' m"), 0);
	assert_string_equal(text, "2\n");
}

/* The store, with whatever this kernel has; the reader finds what is wrong. */
static void test_store(void **state)
{
	static const char *const how[] = { "fork", "cowsnap" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		int status = run("cowkv -s 4M -W 5000 -n 2 -c -m %s", how[i]);

		if (status && strstr(text, "cannot make a region")) {
			print_message("# no libcowsnap here: %s", text);
			continue;
		}
		assert_int_equal(status, 0);
		assert_int_equal(lines(), 3);
		assert_int_equal(run("cowkv --verify cowkv.save"), 0);
		assert_int_equal(
			run("cowkv -s 4M -W 5000 -m %s --corrupt", how[i]), 1);
		assert_non_null(strstr(text, "key 1 is not as write"));
		assert_int_equal(run("cowkv -s 4M -W 5000 -m %s >out", how[i]),
				 0);
		assert_int_equal(
			run("head -c 100000 cowkv.save >short; cowkv --verify short"),
			1);
		assert_non_null(strstr(text, "it ends after"));
		assert_int_equal(
			run("(cat cowkv.save; echo) >long; cowkv --verify long"),
			1);
		assert_int_equal(
			run("printf x | dd of=cowkv.save bs=1 seek=100000 conv=notrunc 2>out; cowkv --verify cowkv.save"),
			1);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return !getenv("PROGRAMS") || !mkdtemp(dir);
}

static int remove_dir(void **state)
{
	(void)state;
	return run("cd /; rm -r %s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_enosys),
		cmocka_unit_test(test_bad_budget),
		cmocka_unit_test(test_mapper),
		cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests_name("snap", tests, make_dir, remove_dir);
}
