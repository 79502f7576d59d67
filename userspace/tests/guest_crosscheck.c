// SPDX-License-Identifier: GPL-2.0
/*
 * One writer, five observers: the module's histogram, the log, cowlat, the
 * kernel's delay accounting and the writer itself. Counts must be the same,
 * times within the measured cost of the probes; only delay accounting does not
 * count the first writes to a private file mapping. With $OUT, the figures are
 * written to crosscheck.csv for the report. Runs in the guest, with the module.
 */
#include "tests/guest.h"

#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BYTES (16UL << 20)
#define PAGES (BYTES / PAGE_BYTES)
#define HUGE_PAGES (BYTES / HUGE_BYTES)

/* The observers, one bit each. */
enum observer {
	DEBUGFS = 1,
	DMESG = 2,
	BPF = 4,
	DELAYACCT = 8,
	ALL = 15,
};

/**
 * struct arm - a configuration of pages
 * @name: the name in the report
 * @kind: of pages
 * @policy: NULL: precopy stays off
 * @faults: how many the writer takes
 * @stage: whose samples are whole COWs
 */
struct arm {
	const char *name;
	enum cow_kind kind;
	const char *policy;
	uint64_t faults;
	const char *stage;
};

static const struct arm arms[] = {
	{ "baseline", COW_4K, NULL, PAGES, "fault" },
	{ "next", COW_4K, "next", PAGES / 2, "fault" },
	{ "fixed", COW_4K, "fixed", PAGES / 16, "fault" },
	{ "thp", COW_THP, NULL, PAGES, "fault" },
	{ "hugetlb", COW_HUGETLB, NULL, HUGE_PAGES, "hugetlb_copy" },
	{ "file", COW_4K, NULL, PAGES, "file_fault" },
};

/**
 * struct seen - what a run of the writer left with each observer
 * @user: the writer: avg is per fault, the rest per write
 * @debugfs: the module's histogram
 * @dmesg: the log
 * @bpf: cowlat
 * @delays: delay accounting
 */
struct seen {
	struct stage user;
	struct stage debugfs;
	struct stage dmesg;
	struct stage bpf;
	struct delays delays;
};

/* The pages are those of a private file mapping, and not mapped yet. */
static bool of_file(const struct arm *arm)
{
	return !strcmp(arm->stage, "file_fault");
}

static uint64_t samples[PAGES + 64];
static pid_t cowlat_pid;
static int cowlat_out, cowlat_err;
static FILE *csv;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The sample of nearest rank. */
static uint64_t rank(size_t count, unsigned int per_mille)
{
	return samples[(count * per_mille + 999) / 1000 - 1];
}

static struct stage stage_of_samples(size_t count)
{
	struct stage stage = { .count = count };
	uint64_t sum = 0;
	size_t i;

	if (!count)
		return stage;
	qsort(samples, count, sizeof(*samples), by_value);
	for (i = 0; i < count; i++)
		sum += samples[i];
	stage.avg = sum / count;
	stage.min = samples[0];
	stage.p50 = rank(count, 500);
	stage.p90 = rank(count, 900);
	stage.p99 = rank(count, 990);
	stage.p999 = rank(count, 999);
	stage.max = samples[count - 1];
	return stage;
}

/* Write each page once, timed; minor faults taken meanwhile. */
static uint64_t write_timed(const struct cow *cow, unsigned char value)
{
	struct rusage before, after;
	size_t i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < PAGES; i++) {
		uint64_t start = now();

		*(volatile unsigned char *)(cow->base + i * PAGE_BYTES) = value;
		samples[i] = now() - start;
	}
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* Put a private mapping of a file in the place of the memory. */
static void map_file(const struct cow *cow)
{
	static unsigned char page[PAGE_BYTES];
	int fd = memfd_create("crosscheck", MFD_CLOEXEC);
	size_t i;

	assert_true(fd >= 0);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(write(fd, page, PAGE_BYTES), PAGE_BYTES);
	assert_ptr_equal(mmap(cow->base, BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED, fd, 0),
			 cow->base);
	close(fd);
}

static void cowlat_begin(const char *stage)
{
	posix_spawn_file_actions_t files;
	char pid[16], text[1024] = "";
	char *argv[] = { "cowlat", "-j", "-p", pid, "-s", (char *)stage, NULL };
	unsigned int ms;

	snprintf(pid, sizeof(pid), "%d", getpid());
	cowlat_out = memfd_create("out", MFD_CLOEXEC);
	cowlat_err = memfd_create("err", MFD_CLOEXEC);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, cowlat_out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, cowlat_err, STDERR_FILENO);
	/* Not by fork(), which would make our pages copy-on-write. */
	assert_int_equal(posix_spawnp(&cowlat_pid, "cowlat", &files, NULL, argv,
				      environ),
			 0);
	posix_spawn_file_actions_destroy(&files);
	for (ms = 0; ms < slow(60000) && !strstr(text, ".\n\n"); ms += 10) {
		ssize_t n = pread(cowlat_err, text, sizeof(text) - 1, 0);

		assert_true(n >= 0);
		text[n] = '\0';
		usleep(10000);
	}
	if (!strstr(text, ".\n\n"))
		fail_msg("cowlat does not begin: %s", text);
}

static uint64_t json_u64(const char *from, const char *key)
{
	char text[32];
	const char *at;

	snprintf(text, sizeof(text), "\"%s\": ", key);
	at = strstr(from, text);
	if (!at)
		fail_msg("no %s in %s", key, from);
	return strtoull(at + strlen(text), NULL, 10);
}

static struct stage cowlat_end(const char *stage)
{
	static char text[256 * 1024];
	char head[64];
	const char *at;
	ssize_t n;
	int status;

	kill(cowlat_pid, SIGINT);
	assert_int_equal(waitpid(cowlat_pid, &status, 0), cowlat_pid);
	cowlat_pid = 0;
	assert_int_equal(status, 0);
	n = pread(cowlat_out, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	close(cowlat_out);
	close(cowlat_err);
	assert_int_equal(json_u64(text, "lost"), 0);
	snprintf(head, sizeof(head), "\"stage\": \"%s\"", stage);
	at = strstr(text, head);
	assert_non_null(at);
	return (struct stage){
		.count = json_u64(at, "count"),
		.avg = json_u64(at, "avg"),
		.min = json_u64(at, "min"),
		.p50 = json_u64(at, "p50"),
		.p90 = json_u64(at, "p90"),
		.p99 = json_u64(at, "p99"),
		.p999 = json_u64(at, "p99.9"),
		.max = json_u64(at, "max"),
	};
}

/* Let the writer write, with these observers. */
static void observe(const struct arm *arm, unsigned int observers,
		    struct seen *seen)
{
	struct delays before, after;
	uint64_t faults, total, clocks;
	struct cow cow;
	int kmsg;

	memset(seen, 0, sizeof(*seen));
	file_set("/proc/sys/kernel/task_delayacct",
		 observers & DELAYACCT ? "1" : "0");
	if (arm->kind == COW_HUGETLB)
		set_huge_pages(2 * HUGE_PAGES);
	cow_share(&cow, BYTES, arm->kind);
	if (of_file(arm))
		map_file(&cow);
	if (arm->policy) {
		/* Only the copies may be large. */
		file_set(THP "hugepages-64kB/enabled", "madvise");
		file_set(THP "hugepages-2048kB/enabled", "never");
		assert_int_equal(madvise(cow.base, BYTES, MADV_HUGEPAGE), 0);
		knob_set("policy", arm->policy);
		knob_set("precopy", "1");
	}
	if (observers & BPF)
		cowlat_begin(arm->stage);
	kmsg = kmsg_open();
	knob_number("pid", getpid());
	knob_set("reset", "1");
	/* The clock's own pages, and those of the code. */
	now();
	before = delays_get();
	knob_set("timing", observers & DEBUGFS ? "1" : "0");
	knob_set("log", observers & DMESG ? "1" : "0");
	faults = write_timed(&cow, 1);
	knob_set("log", "0");
	knob_set("timing", "0");
	after = delays_get();
	if (observers & BPF)
		seen->bpf = cowlat_end(arm->stage);
	knob_set("precopy", "0");
	assert_int_equal(faults, arm->faults);

	seen->user = stage_of_samples(PAGES);
	seen->user.count = faults;
	/*
	 * Less what it takes to write without a fault, between two looks at the
	 * clock. The least of both passes: a median is half as much again where
	 * the host is slower in one pass than in the other, and with few faults
	 * most of the writes are such.
	 */
	total = seen->user.avg * PAGES;
	assert_int_equal(write_timed(&cow, 2), 0);
	clocks = stage_of_samples(PAGES).min;
	if (seen->user.min < clocks)
		clocks = seen->user.min;
	clocks *= PAGES;
	assert_true(clocks < total);
	seen->user.avg = (total - clocks) / faults;

	seen->debugfs = stage_get(arm->stage);
	seen->dmesg =
		stage_of_samples(kmsg_cow(kmsg, samples, ARRAY_SIZE(samples)));
	close(kmsg);
	seen->delays.count = after.count - before.count;
	seen->delays.ns = after.ns - before.ns;
	cow_release(&cow);
	if (arm->kind == COW_HUGETLB)
		set_huge_pages(0);
}

static void expect_same(const struct stage *a, const struct stage *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->avg, b->avg);
	assert_int_equal(a->min, b->min);
	assert_int_equal(a->p50, b->p50);
	assert_int_equal(a->p90, b->p90);
	assert_int_equal(a->p99, b->p99);
	assert_int_equal(a->p999, b->p999);
	assert_int_equal(a->max, b->max);
}

static void put(const struct arm *arm, const char *source,
		const struct stage *stage, int64_t cost)
{
	char row[256];

	snprintf(row, sizeof(row),
		 "%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64,
		 arm->name, source, stage->count, stage->avg, stage->min,
		 stage->p50, stage->p90, stage->p99, stage->p999, stage->max,
		 cost);
	print_message("# %s\n", row);
	if (csv)
		fprintf(csv, "%s\n", row);
}

static bool icount(void)
{
	const char *clock = getenv("COW_clock");

	return clock && !strcmp(clock, "icount");
}

static void test_crosscheck(void **state)
{
	static const unsigned int alone[] = { DEBUGFS, DMESG, BPF, DELAYACCT };
	const struct arm *arm = *state;
	struct stage delays = { 0 };
	int64_t cost[ARRAY_SIZE(alone)], probes = 0, together;
	struct seen none, one, all;
	size_t i;

	/* Once for the page allocator to have what it needs at hand. */
	observe(arm, 0, &none);
	observe(arm, 0, &none);
	for (i = 0; i < ARRAY_SIZE(alone); i++) {
		observe(arm, alone[i], &one);
		cost[i] = (int64_t)one.user.p50 - (int64_t)none.user.p50;
		if (arm->faults != PAGES)
			cost[i] =
				(int64_t)one.user.avg - (int64_t)none.user.avg;
		probes += cost[i];
	}
	observe(arm, ALL, &all);
	together = (int64_t)all.user.avg - (int64_t)none.user.avg;

	delays.count = all.delays.count;
	delays.avg = delays.count ? all.delays.ns / delays.count : 0;
	put(arm, "debugfs", &all.debugfs, cost[0]);
	put(arm, "dmesg", &all.dmesg, cost[1]);
	put(arm, "bpf", &all.bpf, cost[2]);
	put(arm, "delayacct", &delays, cost[3]);
	put(arm, "user", &all.user, together);
	put(arm, "nobody", &none.user, 0);
	if (csv)
		fflush(csv);

	/* Counts are the same with every observer. */
	assert_int_equal(all.user.count, arm->faults);
	assert_int_equal(all.debugfs.count, arm->faults);
	assert_int_equal(all.dmesg.count, arm->faults);
	assert_int_equal(all.bpf.count, arm->faults);
	assert_int_equal(delays.count, of_file(arm) ? 0 : arm->faults);
	/* Disabled observers have seen nothing. */
	assert_int_equal(none.debugfs.count, 0);
	assert_int_equal(none.dmesg.count, 0);
	assert_int_equal(none.delays.count, 0);

	/* All listeners on the tracepoint see the same time. */
	expect_same(&all.debugfs, &all.bpf);
	assert_int_equal(all.debugfs.avg, all.dmesg.avg);
	assert_int_equal(all.debugfs.min, all.dmesg.min);
	assert_int_equal(all.debugfs.max, all.dmesg.max);

	/*
	 * One bracket is around the other. Of a window, the tracepoint also times
	 * the look at the neighbours, which delay accounting leaves out; there the
	 * time of the probes makes up for it, unless the host took the CPU away
	 * during that look, which icount excludes.
	 */
	if (!of_file(arm) && (!arm->policy || icount()))
		assert_true(all.bpf.avg < delays.avg);
	assert_true(all.bpf.avg < all.user.avg);
	assert_true(delays.avg < all.user.avg);
	if (!icount() || arm->kind == COW_HUGETLB)
		return;
	/*
	 * Delay accounting's bracket holds the tracepoint's with the probes on
	 * it: no more than these cost.
	 */
	if (!of_file(arm))
		assert_in_range(delays.avg - all.bpf.avg, 0, probes);
	/* What they cost together is what they cost one by one, by a tenth. */
	assert_in_range(together * 10, probes * 9, probes * 11);
}

static int restore(void **state)
{
	(void)state;
	if (cowlat_pid > 0) {
		kill(cowlat_pid, SIGKILL);
		waitpid(cowlat_pid, NULL, 0);
		cowlat_pid = 0;
	}
	cow_forget();
	knobs_default();
	set_huge_pages(0);
	file_set(THP "enabled", "madvise");
	file_set(THP "hugepages-64kB/enabled", "never");
	file_set(THP "hugepages-2048kB/enabled", "inherit");
	return 0;
}

#define ARM_TEST(index, name)                                               \
	{                                                                   \
		"test_crosscheck_" name, test_crosscheck, restore, restore, \
			(void *)&arms[index]                                \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ARM_TEST(0, "baseline"), ARM_TEST(1, "next"),
		ARM_TEST(2, "fixed"),	 ARM_TEST(3, "thp"),
		ARM_TEST(4, "hugetlb"),	 ARM_TEST(5, "file"),
	};
	const char *out = getenv("OUT");
	char path[256];

	(void)argc;
	again_with_delays(argv);
	if (out) {
		snprintf(path, sizeof(path), "%s/crosscheck.csv", out);
		csv = fopen(path, "we");
		if (!csv)
			return 1;
		fputs("arm,source,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,cost_ns\n",
		      csv);
	}
	return cmocka_run_group_tests_name("guest_crosscheck", tests, NULL,
					   NULL);
}
