// SPDX-License-Identifier: GPL-2.0
/*
 * manual_cow, cowkv, cowwarm.so and cowbench's runner-ahead on the host, whose
 * kernel has no manual_cow() as a rule: valid options, errors without the call,
 * and the store. The help of all programs. The programs are in $PROGRAMS.
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
		{ "manual_cow --size 0",
		  "invalid --size '0': expected a positive byte count (K, M, G allowed)\n" },
		{ "manual_cow --size 1x",
		  "invalid --size '1x': expected a positive byte count (K, M, G allowed)\n" },
		{ "manual_cow --size 4097", "a multiple of 4096" },
		{ "manual_cow --kind small",
		  "expected 4k, thp, mthp or hugetlb\n" },
		{ "manual_cow --kind thp --size 4K", "a multiple of 2097152" },
		{ "manual_cow --flags -1",
		  "invalid --flags '-1': expected a number from 0 to 4294967295\n" },
		{ "manual_cow --flags 4294967296", "from 0 to 4294967295" },
		{ "manual_cow --forks 0",
		  "invalid --forks '0': expected a number from 1 to 1000\n" },
		{ "cowbench --helper=16", "BATCH,DISTANCE in pages" },
		{ "cowbench --helper=0,16",
		  "invalid --helper '0': expected a number from 1 to 4294967296\n" },
		{ "cowbench --helper=16,8",
		  "invalid --helper '8': expected a number from 16 to 4294967296\n" },
		{ "cowbench --helper=16,",
		  "invalid --helper '': expected a number" },
		{ "cowbench --helper=x,16",
		  "invalid --helper 'x': expected a number" },
		{ "cowbench --mapper /nowhere/x", "cannot open /nowhere/x" },
		{ "cowkv --size 100",
		  "invalid --size '100': expected a multiple of 4K from 64K to 1024G (K, M, G allowed)\n" },
		{ "cowkv --size 4K", "from 64K" },
		{ "cowkv --snapshot copy", "cowsnap, fork or none" },
		{ "cowkv --pattern zipf", "rand or seq" },
		{ "cowkv --writes 0",
		  "invalid --writes '0': expected a number from 1 to 1099511627776\n" },
		{ "cowkv --budget 1T",
		  "invalid --budget '1T': expected a byte count (K, M, G allowed)\n" },
		{ "cowkv --rate x",
		  "invalid --rate 'x': expected a byte count (K, M, G allowed)\n" },
		{ "cowkv --rounds 0",
		  "invalid --rounds '0': expected a number from 1 to 1000000\n" },
		{ "cowkv --seed -1",
		  "invalid --seed '-1': expected a number from 0 to 18446744073709551615\n" },
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
	static const char *const programs[] = {
		"cowbench",  "manual_cow", "cowkv",    "redisload", "prefork",
		"forkcost",  "scaling",	   "memlimit", "filecow",   "clonecow",
		"startcost", "cycles",	   "webload",  "foliocow",
	};
	char version[32];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		assert_int_equal(run("%s --help", programs[i]), 0);
		assert_non_null(strstr(text, "EXAMPLES:"));
		assert_non_null(strstr(text, "Exit status:"));
		assert_int_equal(run("%s --version", programs[i]), 0);
		snprintf(version, sizeof(version), "%s 1.0\n", programs[i]);
		assert_string_equal(text, version);
		assert_int_equal(run("%s --nonsense", programs[i]), 1);
		assert_non_null(strstr(text, "unrecognized option"));
	}
}

/* A kernel without the call: each program says so, or prints nothing. */
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
	assert_non_null(strstr(
		text, "invalid COWWARM_BUDGET 'much': expected a byte count"));
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
