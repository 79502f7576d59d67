// SPDX-License-Identifier: GPL-2.0
/* What the tests share that run under each policy. */
#include "tests/arms.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const struct arm arms[] = {
	{ "off", NULL, 1, false, false },
	{ "next", "next", 2, false, false },
	{ "fixed4", "fixed", 4, false, false },
	{ "fixed16", "fixed", 16, false, false },
	{ "fixed64", "fixed", 64, false, false },
	{ "large", "fixed", 64, true, true },
	{ "adaptive", "adaptive", 64, true, false },
};

const size_t nr_arms = ARRAY_SIZE(arms);
const struct arm *arm;

static pid_t runner;
static void (*clean_up_arm)(void);

/**
 * set_large - the sizes of folios that memory comes, and is copied, in
 * @on: those from 16 to 128 KiB, the largest that windows use; or none
 */
void set_large(bool on)
{
	size_t kb;

	for (kb = 16; kb <= 128; kb *= 2) {
		char path[80];

		snprintf(path, sizeof(path), THP "hugepages-%zukB/enabled", kb);
		file_set(path, on ? "always" : "never");
	}
	if (!access(COWLAB "large_folio", F_OK))
		knob_set("large_folio", on ? "1" : "0");
}

/**
 * arm_set - switch the policy to what an arm wants
 * @to: the arm
 */
void arm_set(const struct arm *to)
{
	arm = to;
	set_large(arm->large);
	knob_set("precopy", "0");
	knob_set("reset", "1");
	if (arm->policy) {
		knob_set("policy", arm->policy);
		knob_number("window", arm->window);
		knob_set("precopy", "1");
	}
}

static int arm_begin(void **state)
{
	arm_set(*state);
	return 0;
}

static int arm_end(void **state)
{
	(void)state;
	/* A child whose own check failed must not run the cleanup. */
	if (getpid() != runner)
		_exit(96);
	if (clean_up_arm)
		clean_up_arm();
	set_large(false);
	knob_set("precopy", "0");
	return 0;
}

/**
 * arms_run - run each test under each arm
 * @group: the name of the whole
 * @tests: the tests; each is called NAME[ARM]
 * @nr: how many
 * @clean_up: what to do after each, or NULL
 * @filter: a pattern of those to run, or NULL
 *
 * Return: how many failed.
 */
int arms_run(const char *group, const struct arm_test *tests, size_t nr,
	     void (*clean_up)(void), const char *filter)
{
	struct CMUnitTest *list = calloc(nr * nr_arms, sizeof(*list));
	size_t t, a, n = 0;

	runner = getpid();
	clean_up_arm = clean_up;
	if (filter)
		cmocka_set_test_filter(filter);
	for (t = 0; list && t < nr; t++) {
		for (a = 0; a < nr_arms; a++, n++) {
			char *name;

			if (asprintf(&name, "%s[%s]", tests[t].name,
				     arms[a].name) < 0)
				return 1;
			list[n] = (struct CMUnitTest){
				.name = name,
				.test_func = tests[t].function,
				.setup_func = arm_begin,
				.teardown_func = arm_end,
				.initial_state = (void *)&arms[a],
			};
		}
	}
	return list ? _cmocka_run_group_tests(group, list, n, NULL, NULL) : 1;
}

/**
 * skip_unless - does the kernel have a file?
 * @path: the file
 *
 * Return: true if not; the caller is to skip() then.
 */
bool skip_unless(const char *path)
{
	if (!access(path, F_OK))
		return false;
	print_message("# skipped: no %s\n", path);
	return true;
}

/**
 * now - the monotonic clock
 *
 * Return: seconds.
 */
double now(void)
{
	return now_ns() / 1e9;
}

/**
 * next_random - xorshift64
 * @seed: the state, not 0
 *
 * Return: a number.
 */
uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/**
 * start_holder - start a process that holds all memory until it is killed
 *
 * Return: the process.
 */
pid_t start_holder(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/**
 * end_holder - kill it
 * @pid: the process
 */
void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/**
 * drain - put what the kernel batches per CPU where it can be seen
 */
void drain(void)
{
	file_set("/proc/sys/vm/drop_caches", "1");
	file_set("/proc/sys/vm/stat_refresh", "1");
}

/**
 * free_pages - the pages that are free, or known to be somewhere
 *
 * Somewhere is in the CPUs' lists, and in slabs, where KASAN keeps what has
 * been freed.
 *
 * Return: how many.
 */
long free_pages(void)
{
	static const char *const formats[] = {
		" pages free %ld",	    " count: %ld",
		" nr_slab_reclaimable %ld", " nr_slab_unreclaimable %ld",
		" nr_page_table_pages %ld",
	};
	long pages = 0, value;
	char line[128];
	FILE *file;
	size_t i;

	drain();
	file = fopen("/proc/zoneinfo", "re");
	while (file && fgets(line, sizeof(line), file))
		for (i = 0; i < ARRAY_SIZE(formats); i++)
			if (sscanf(line, formats[i], &value) == 1)
				pages += value;
	if (file)
		fclose(file);
	assert_true(pages > 0);
	return pages;
}
