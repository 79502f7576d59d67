// SPDX-License-Identifier: GPL-2.0
/*
 * The module comes and goes while faults run. Runs in the guest.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CYCLES 100
#define WRITERS 2

/* Far more rounds than there is time for. */
static const char *const writer_args[WRITERS] = {
	"--csv --size 256K --rounds 1000000 --writer both --pattern seq",
	"--csv --size 256K --rounds 1000000 --writer child --pattern rand",
};

/**
 * struct writer - a cowbench in the background
 * @pid: its process, 0: none
 * @out: what it said
 * @err: what it complained about
 */
struct writer {
	pid_t pid;
	int out;
	int err;
};

static struct writer writers[WRITERS];

static int load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "cowlab", O_NONBLOCK) ? -errno : 0;
}

static void expect_gone(void)
{
	assert_int_equal(access(COWLAB, F_OK), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(access("/sys/module/cowlab", F_OK), -1);
	assert_null(strstr(file_text("/proc/modules"), "cowlab "));
}

static void start_writers(void)
{
	size_t i;

	for (i = 0; i < WRITERS; i++) {
		writers[i].out = memfd_create("out", MFD_CLOEXEC);
		writers[i].err = memfd_create("err", MFD_CLOEXEC);
		assert_true(writers[i].out >= 0 && writers[i].err >= 0);
		writers[i].pid = bench_start(writer_args[i], writers[i].out,
					     writers[i].err);
	}
}

/* Every row of a memory file must end in "yes"; returns how many there are. */
static size_t count_verified(int fd)
{
	size_t rows = 0;
	char line[512];
	FILE *f;

	lseek(fd, 0, SEEK_SET);
	f = fdopen(fd, "r");
	assert_non_null(f);
	/* The last one may have been cut off by the signal. */
	while (fgets(line, sizeof(line), f) && strchr(line, '\n')) {
		if (!strstr(line, rows ? ",yes\n" : ",verified\n"))
			fail_msg("not verified: %s", line);
		rows++;
	}
	fclose(f);
	return rows - 1;
}

static void stop_writers(void)
{
	char complaint[512];
	ssize_t n;
	size_t i;

	for (i = 0; i < WRITERS; i++) {
		int status;

		n = pread(writers[i].err, complaint, sizeof(complaint) - 1, 0);
		assert_true(n >= 0);
		complaint[n] = '\0';
		assert_string_equal(complaint, "");
		/* It would have ended with a wrong byte. */
		assert_int_equal(waitpid(writers[i].pid, &status, WNOHANG), 0);
		assert_int_equal(kill(writers[i].pid, SIGTERM), 0);
		assert_int_equal(waitpid(writers[i].pid, &status, 0),
				 writers[i].pid);
		writers[i].pid = 0;
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
		assert_true(count_verified(writers[i].out) > CYCLES / 4);
		close(writers[i].err);
	}
}

static int begin(void **state)
{
	int ret = unload();

	(void)state;
	return ret && ret != -ENOENT ? -1 : 0;
}

/* Whatever happened: no writers left, and the module there as it came. */
static int end(void **state)
{
	int status, ret;
	size_t i;

	(void)state;
	for (i = 0; i < WRITERS; i++) {
		if (!writers[i].pid)
			continue;
		kill(writers[i].pid, SIGKILL);
		waitpid(writers[i].pid, &status, 0);
		writers[i].pid = 0;
	}
	ret = load();
	if (ret == -EEXIST) {
		knobs_default();
		ret = 0;
	}
	return ret;
}

/* Five grace periods a cycle are most of the time otherwise. */
static int hurry(void **state)
{
	(void)state;
	return file_write("/sys/kernel/rcu_expedited", "1", 1);
}

static int no_hurry(void **state)
{
	(void)state;
	return file_write("/sys/kernel/rcu_expedited", "0", 1);
}

/* Wait until the running module has seen faults; at most slow(60) seconds. */
static void wait_for_faults(void)
{
	const uint64_t deadline = now_ns() + slow(60) * 1000000000ULL;

	while (!stat_get("windows") || !stage_get("fault").count) {
		assert_true(now_ns() < deadline);
		sched_yield();
	}
}

static void test_reload_under_fire(void **state)
{
	uint64_t percpu = 0;
	unsigned int i;
	int ret;

	(void)state;
	start_writers();
	for (i = 0; i < CYCLES; i++) {
		ret = load();
		if (ret)
			fail_msg("load %u: %s", i, strerror(-ret));
		knob_set("policy", i % 2 ? "fixed" : "next");
		knob_set("precopy", "1");
		knob_set("timing", "1");
		knob_set("log", "1");
		knob_set("log", "0");
		wait_for_faults();
		if (i % 3 == 2)
			knob_set("log", "1");
		/* All that is on is still on. */
		ret = unload();
		if (ret)
			fail_msg("unload %u: %s", i, strerror(-ret));
		expect_gone();
		if (i == 9)
			percpu = file_field("/proc/meminfo", "Percpu:");
	}
	/* A histogram that stays is 70 KiB on two CPUs. */
	assert_in_range(file_field("/proc/meminfo", "Percpu:"), 0,
			percpu + 1024);
	stop_writers();
}

static void test_defaults(void **state)
{
	static const char *const zero[] = {
		"faults",     "copied", "windows", "left",
		"neighbours", "hit",	"wasted",
	};
	size_t i;

	(void)state;
	assert_int_equal(load(), 0);
	assert_string_equal(knob_get("precopy"), "0");
	assert_non_null(strstr(knob_get("policy"), "[next]"));
	assert_string_equal(knob_get("window"), "16");
	assert_string_equal(knob_get("timing"), "0");
	assert_string_equal(knob_get("log"), "0");
	assert_string_equal(knob_get("pid"), "0");
	assert_string_equal(knob_get("reset"), "0");
	assert_string_equal(file_text(COWLAB "latency_hist"), "");
	for (i = 0; i < ARRAY_SIZE(zero); i++)
		assert_int_equal(stat_get(zero[i]), 0);
	assert_int_equal(stat_skipped(), 0);
}

static void test_load_twice(void **state)
{
	(void)state;
	assert_int_equal(load(), 0);
	knob_set("window", "5");
	assert_int_equal(load(), -EEXIST);
	/* The one that is there has not noticed. */
	assert_string_equal(knob_get("window"), "5");
	assert_int_equal(unload(), 0);
	assert_int_equal(unload(), -ENOENT);
	expect_gone();
}

/* Unloaded with everything on, in an idle guest: faults are as before. */
static void test_unload_switched_on(void **state)
{
	const size_t pages = HUGE_BYTES / PAGE_BYTES;
	struct cow cow;

	(void)state;
	cow_share(&cow, HUGE_BYTES, COW_4K);
	assert_int_equal(load(), 0);
	knob_set("policy", "fixed");
	knob_set("precopy", "1");
	knob_set("timing", "1");
	knob_set("log", "1");
	assert_int_equal(cow_write(&cow, 0, 64), pages / 64);
	/* Served by the window, so far. */
	assert_int_equal(cow_write(&cow, 15, 64), 0);
	assert_int_equal(unload(), 0);
	expect_gone();
	assert_int_equal(cow_write(&cow, 16, 64), pages / 64);
	assert_int_equal(cow_write(&cow, 31, 64), pages / 64);
	cow_release(&cow);
}

/* A reader keeps the module; one that comes too late gets an error. */
static void test_open_files(void **state)
{
	char buf[256];
	int dir, file, name;

	(void)state;
	assert_int_equal(load(), 0);
	dir = open(COWLAB, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	name = open(COWLAB "stats", O_PATH | O_CLOEXEC);
	file = open(COWLAB "stats", O_RDONLY | O_CLOEXEC);
	assert_true(dir >= 0 && name >= 0 && file >= 0);
	assert_int_equal(unload(), -EAGAIN);
	assert_true(read(file, buf, sizeof(buf)) > 0);
	close(file);
	assert_int_equal(unload(), 0);
	expect_gone();

	assert_int_equal(openat(dir, "stats", O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, ENOENT);
	snprintf(buf, sizeof(buf), "/proc/self/fd/%d", name);
	assert_int_equal(open(buf, O_RDONLY | O_CLOEXEC), -1);
	close(dir);
	close(name);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_load_twice), TEST(test_unload_switched_on),
		TEST(test_open_files), TEST(test_reload_under_fire),
		TEST(test_defaults),
	};

	avoid_stale_breakpoints();
	return cmocka_run_group_tests_name("guest_reload", tests, hurry,
					   no_hurry);
}
