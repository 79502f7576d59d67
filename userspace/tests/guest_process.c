// SPDX-License-Identifier: GPL-2.0
/*
 * Who is served: prctl(PR_SET_COW), the knob precopy, the file `process`, and
 * cowctl.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cow_mode.h"

#define PAGES 256UL

static const char *self;

static int mode(void)
{
	return prctl(PR_GET_COW, 0, 0, 0, 0);
}

static void choose(unsigned long to, unsigned long order)
{
	assert_int_equal(prctl(PR_SET_COW, to, order, 0, 0), 0);
}

static int restore(void **state)
{
	(void)state;
	knobs_default();
	choose(PR_COW_DEFAULT, 0);
	cow_forget();
	return 0;
}

/* The faults that a write to each page of fresh shared memory takes. */
static uint64_t faults(bool large)
{
	struct cow cow;
	uint64_t n;

	cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
	if (large)
		assert_int_equal(madvise(cow.base, cow.bytes, MADV_HUGEPAGE),
				 0);
	n = cow_write(&cow, 0, 1);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
	return n;
}

static void serve(unsigned int precopy)
{
	knob_set("policy", "fixed");
	knob_number("window", 16);
	knob_number("large_folio", 0);
	knob_number("precopy", precopy);
}

static void test_prctl(void **state)
{
	static const unsigned long bad[][4] = {
		{ 3, 0, 0, 0 },	   { 1UL << 32, 0, 0, 0 }, { 1, 6, 0, 0 },
		{ 1, -1UL, 0, 0 }, { 1, 0, 1, 0 },	   { 1, 0, 0, 1 },
	};
	unsigned long i, j;

	(void)state;
	for (i = 0; i <= PR_COW_ON; i++)
		for (j = 0; j <= PR_COW_ORDER_MAX; j++) {
			choose(i, j);
			assert_int_equal(mode(), i | j << PR_COW_ORDER_SHIFT);
		}
	choose(PR_COW_ON, 3);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(prctl(PR_SET_COW, bad[i][0], bad[i][1],
				       bad[i][2], bad[i][3]),
				 -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(mode(), PR_COW_ON | 3 << PR_COW_ORDER_SHIFT);
	}
	assert_int_equal(prctl(PR_GET_COW, 1, 0, 0, 0), -1);
	assert_int_equal(errno, EINVAL);
}

static void test_off(void **state)
{
	(void)state;
	serve(1);
	assert_int_equal(faults(false), PAGES / 16);
	choose(PR_COW_OFF, 0);
	assert_int_equal(faults(false), PAGES);
	choose(PR_COW_ON, 0);
	assert_int_equal(faults(false), PAGES / 16);
}

static void test_opt_in(void **state)
{
	(void)state;
	serve(2);
	assert_int_equal(faults(false), PAGES);
	choose(PR_COW_ON, 0);
	assert_int_equal(faults(false), PAGES / 16);
	choose(PR_COW_OFF, 0);
	assert_int_equal(faults(false), PAGES);
	/* The master switch. */
	choose(PR_COW_ON, 0);
	serve(0);
	assert_int_equal(faults(false), PAGES);
	/* From 1 to 2 and back without a stop. */
	serve(1);
	choose(PR_COW_DEFAULT, 0);
	assert_int_equal(faults(false), PAGES / 16);
	serve(2);
	assert_int_equal(faults(false), PAGES);
}

/* MADV_POPULATE_WRITE is served in windows for those only that are served. */
static void test_populate_opt_in(void **state)
{
	uint64_t before;
	struct cow cow;
	int i;

	(void)state;
	serve(2);
	for (i = 0; i < 2; i++) {
		choose(i ? PR_COW_ON : PR_COW_DEFAULT, 0);
		cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
		before = file_field("/proc/vmstat", "pgfault ");
		assert_int_equal(
			madvise(cow.base, cow.bytes, MADV_POPULATE_WRITE), 0);
		before = file_field("/proc/vmstat", "pgfault ") - before;
		if (i)
			assert_in_range(before, 0, PAGES / 2);
		else
			assert_true(before >= PAGES);
		cow_release(&cow);
	}
}

static uint64_t large_copies(void)
{
	uint64_t sum = 0;
	unsigned int kb;
	char path[128];

	for (kb = 16; kb <= 128; kb *= 2) {
		snprintf(path, sizeof(path),
			 THP "hugepages-%ukB/stats/anon_fault_alloc", kb);
		sum += strtoull(file_text(path), NULL, 10);
	}
	return sum;
}

static void sizes(const char *to)
{
	unsigned int kb;
	char path[128];

	for (kb = 16; kb <= 128; kb *= 2) {
		snprintf(path, sizeof(path), THP "hugepages-%ukB/enabled", kb);
		file_set(path, to);
	}
}

static void test_order(void **state)
{
	uint64_t before;

	(void)state;
	serve(1);
	knob_number("large_folio", 1);
	sizes("madvise");
	choose(PR_COW_ON, 1);
	before = large_copies();
	assert_int_equal(faults(true), PAGES / 16);
	assert_int_equal(large_copies(), before);
	/* Order 2, and so 4 pages, at most. */
	choose(PR_COW_ON, 2);
	before = large_copies();
	faults(true);
	assert_int_equal(large_copies() - before, PAGES / 4);
	choose(PR_COW_ON, 0);
	before = large_copies();
	faults(true);
	assert_int_equal(large_copies() - before, PAGES / 16);
	sizes("never");
}

static void *mode_of_thread(void *unused)
{
	(void)unused;
	return (void *)(long)mode();
}

static void test_inherited(void **state)
{
	const char *const argv[] = { self, "--mode", NULL };
	char out[64];
	pthread_t thread;
	int status;
	void *ret;
	pid_t pid;

	(void)state;
	choose(PR_COW_ON, 2);
	pthread_create(&thread, NULL, mode_of_thread, NULL);
	pthread_join(thread, &ret);
	assert_int_equal((long)ret, PR_COW_ON | 2 << PR_COW_ORDER_SHIFT);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		status = mode();
		prctl(PR_SET_COW, PR_COW_OFF, 0, 0, 0);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status),
			 PR_COW_ON | 2 << PR_COW_ORDER_SHIFT);
	/* The child's choice is its own. */
	assert_int_equal(mode(), PR_COW_ON | 2 << PR_COW_ORDER_SHIFT);
	assert_int_equal(run_program(argv, out, sizeof(out)), 0);
	assert_int_equal(atoi(out), PR_COW_ON | 2 << PR_COW_ORDER_SHIFT);
}

/* Also by a set-user-ID program, like PR_SET_THP_DISABLE. */
static void test_inherited_setuid(void **state)
{
	const char *const argv[] = { "/tmp/setuid", "--mode", NULL };
	char out[64];
	int status;
	pid_t pid;

	(void)state;
	{
		const char *const copy[] = { "cp", self, "/tmp/setuid", NULL };

		assert_int_equal(run_program(copy, out, sizeof(out)), 0);
	}
	assert_int_equal(chmod("/tmp/setuid", 04755), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char text[64];

		if (setgid(1000) || setuid(1000) ||
		    prctl(PR_SET_COW, PR_COW_OFF, 0, 0, 0))
			_exit(1);
		if (run_program(argv, text, sizeof(text)))
			_exit(2);
		_exit(atoi(text) == PR_COW_OFF ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink("/tmp/setuid");
	assert_int_equal(status, 0);
}

static void test_status(void **state)
{
	(void)state;
	choose(PR_COW_OFF, 4);
	assert_non_null(strstr(file_text("/proc/self/status"),
			       "COW_windows:\toff\nCOW_order:\t4\n"));
	choose(PR_COW_DEFAULT, 0);
	assert_non_null(strstr(file_text("/proc/self/status"),
			       "COW_windows:\tdefault\nCOW_order:\t0\n"));
}

static int process_write(const char *text)
{
	return -knob_write("process", text, strlen(text));
}

static void test_process(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"1",
		"x on",
		"-1 on",
		"0 on",
		"1 maybe",
		"1 on 6",
		"1 on -1",
		"1 on 2 3",
		"1 on x",
		"99999999999 on",
		"1 onononononononononononononononononononononononononon",
	};
	char text[64];
	size_t i;
	pid_t pid;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (process_write(bad[i]) != EINVAL)
			fail_msg("'%s': %d", bad[i], process_write(bad[i]));
	}
	assert_string_equal(file_text(COWLAB "process"), "");
	snprintf(text, sizeof(text), "%d on 3\n", getpid());
	assert_int_equal(process_write(text), 0);
	assert_int_equal(mode(), PR_COW_ON | 3 << PR_COW_ORDER_SHIFT);
	snprintf(text, sizeof(text), "%d on 3 ", getpid());
	assert_non_null(strstr(file_text(COWLAB "process"), text));
	snprintf(text, sizeof(text), "%d default", getpid());
	assert_int_equal(process_write(text), 0);
	assert_int_equal(mode(), 0);
	assert_string_equal(file_text(COWLAB "process"), "");
	/* A kernel thread, and a process that has ended. */
	assert_int_equal(process_write("2 on"), ESRCH);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	usleep(100000);
	snprintf(text, sizeof(text), "%d on", pid);
	assert_int_equal(process_write(text), ESRCH);
	waitpid(pid, NULL, 0);
	assert_int_equal(process_write(text), ESRCH);
}

static void test_cowctl(void **state)
{
	const char *const run_off[] = { "cowctl",  "run",    "--off",
					"--order", "2",	     "--",
					self,	   "--mode", NULL };
	const char *const twice[] = { "cowctl", "run",	"--off",
				      "--on",	"true", NULL };
	const char *const refused[] = { "cowctl", "set", "window=8",
					"policy=nonsense", NULL };
	const char *const set[] = { "cowctl",	       "set",	    "window=8",
				    "policy=adaptive", "precopy=2", NULL };
	const char *const missing[] = { "cowctl", "run", "--", "/nonexistent",
					NULL };
	const char *const status[] = { "cowctl", "status", NULL };
	char out[4096], pid[16];
	const char *const attach[] = { "cowctl", "attach", "--off", pid, NULL };

	(void)state;
	assert_int_equal(run_program(run_off, out, sizeof(out)), 0);
	assert_int_equal(atoi(out), PR_COW_OFF | 2 << PR_COW_ORDER_SHIFT);
	assert_int_equal(mode(), 0);
	assert_int_equal(run_program(twice, out, sizeof(out)), 1);
	assert_int_equal(run_program(missing, out, sizeof(out)), 127);
	assert_int_equal(run_program(refused, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "nothing was changed"));
	assert_string_equal(knob_get("window"), "16");
	assert_int_equal(run_program(set, out, sizeof(out)), 0);
	assert_string_equal(knob_get("window"), "8");
	assert_string_equal(knob_get("precopy"), "2");
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(run_program(attach, out, sizeof(out)), 0);
	assert_int_equal(mode(), PR_COW_OFF);
	assert_int_equal(run_program(status, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "processes that opted in"));
	assert_non_null(strstr(out, " off 0 "));
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, restore, restore)

/* An argument chooses tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_prctl),
		TEST(test_off),
		TEST(test_opt_in),
		TEST(test_populate_opt_in),
		TEST(test_order),
		TEST(test_inherited),
		TEST(test_inherited_setuid),
		TEST(test_status),
		TEST(test_process),
		TEST(test_cowctl),
	};

	if (argc > 1 && !strcmp(argv[1], "--mode")) {
		printf("%d\n", mode());
		return 0;
	}
	self = argv[0];
	stay_on_one_cpu(true);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_process", tests, NULL, NULL);
}
