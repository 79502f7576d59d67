// SPDX-License-Identifier: GPL-2.0
/*
 * What debugfs, tracepoints and the policies promise. Runs in the guest, with
 * the module loaded and the guest otherwise idle.
 */
#include "tests/guest.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGION (4UL << 20)
#define PAGES (REGION / PAGE_BYTES)
/* Windows end at the end of a page table. */
#define TABLE_PAGES 512
#define TABLES (PAGES / TABLE_PAGES)

/* A value with its length, for it may hold a NUL. */
#define VALUE(text)                    \
	{                              \
		text, sizeof(text) - 1 \
	}

struct value {
	const char *data;
	size_t len;
};

static int restore(void **state)
{
	(void)state;
	file_set(TRACING "events/cow/enable", "0");
	knobs_default();
	knob_set("large_folio", "1");
	knob_set("latency_cap_ns", "0");
	cow_forget();
	return 0;
}

static void test_files(void **state)
{
	static const char *const names[] = {
		"precopy",	  "policy",	  "window",
		"timing",	  "log",	  "pid",
		"stats",	  "reset",	  "large_folio",
		"latency_cap_ns", "latency_hist", "process",
		"file",		  "huge_window",
	};
	struct stat st;
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), COWLAB "%s", names[i]);
		if (stat(path, &st))
			fail_msg("%s: %s", path, strerror(errno));
		if (st.st_mode != (S_IFREG | 0600) || st.st_uid || st.st_gid)
			fail_msg("%s: mode %o, owner %d:%d", path, st.st_mode,
				 st.st_uid, st.st_gid);
	}
}

static void test_good_values(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		const char *shown;
	} good[] = {
		{ "precopy", "1", "1" },
		{ "precopy", "2", "2" },
		{ "precopy", "0\n", "0" },
		{ "timing", "1\n", "1" },
		{ "timing", "0", "0" },
		{ "log", "1", "1" },
		{ "log", "0", "0" },
		{ "window", "1", "1" },
		{ "window", "64\n", "64" },
		{ "window", "0x20", "32" },
		{ "window", "7", "7" },
		{ "pid", "1", "1" },
		{ "pid", "4194304", "4194304" },
		{ "pid", "0", "0" },
		{ "reset", "1", "0" },
		{ "large_folio", "0", "0" },
		{ "large_folio", "1\n", "1" },
		{ "file", "1", "1" },
		{ "file", "0x0", "0" },
		{ "huge_window", "1", "1" },
		{ "huge_window", "0\n", "0" },
		{ "latency_cap_ns", "1", "1" },
		{ "latency_cap_ns", "5000\n", "5000" },
		{ "latency_cap_ns", "18446744073709551615",
		  "18446744073709551615" },
		{ "latency_cap_ns", "0", "0" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		knob_set(good[i].name, good[i].value);
		assert_string_equal(knob_get(good[i].name), good[i].shown);
	}
}

/* All names are there, and only the chosen one is in brackets. */
static void expect_policy(const char *name)
{
	static const char *const names[] = { "next", "fixed", "adaptive" };
	const char *shown = knob_get("policy");
	char bracket[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		assert_non_null(strstr(shown, names[i]));
	snprintf(bracket, sizeof(bracket), "[%s]", name);
	assert_non_null(strstr(shown, bracket));
	assert_ptr_equal(strchr(shown, '['), strrchr(shown, '['));
	assert_ptr_equal(strchr(shown, ']'), strrchr(shown, ']'));
}

static void test_policy(void **state)
{
	(void)state;
	knob_set("policy", "fixed");
	expect_policy("fixed");
	knob_set("policy", "next\n");
	expect_policy("next");
	knob_set("policy", "adaptive");
	expect_policy("adaptive");
	knob_set("policy", " fixed ");
	expect_policy("fixed");
}

static void expect_refused(const char *name, const struct value *value)
{
	char before[128];
	int ret;

	snprintf(before, sizeof(before), "%s", knob_get(name));
	ret = knob_write(name, value->data, value->len);
	if (ret != -EINVAL)
		fail_msg("%s: '%.20s' of %zu bytes: %s, not EINVAL", name,
			 value->data, value->len,
			 ret ? strerror(-ret) : "accepted");
	if (strcmp(knob_get(name), before))
		fail_msg("%s: '%.20s' was refused but left %s, not %s", name,
			 value->data, knob_get(name), before);
}

#define ZEROS "0000000000000000"
#define MANY_ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS

static const struct value bad_numbers[] = {
	VALUE(""),
	VALUE("\n"),
	VALUE(" "),
	VALUE("garbage"),
	VALUE("-1"),
	VALUE("1e3"),
	VALUE("1.0"),
	VALUE("1 0"),
	VALUE("1\n0"),
	VALUE("0x"),
	VALUE("1x"),
	VALUE("18446744073709551616"),
	VALUE("18446744073709551617"),
	VALUE("1" MANY_ZEROS),
	VALUE(MANY_ZEROS "garbage"),
	VALUE("\0"),
	VALUE("1\0"),
	VALUE("1\0garbage"),
};

static const struct value bad_switches[] = {
	VALUE("2"),
	VALUE("on"),
	VALUE("y"),
	VALUE("18446744073709551615"),
};

static const struct value bad_precopy[] = {
	VALUE("3"),
	VALUE("on"),
	VALUE("18446744073709551615"),
};

static const struct value bad_windows[] = {
	VALUE("0"),
	VALUE("65"),
	VALUE("4294967297"),
	VALUE("18446744073709551615"),
};

static const struct value bad_pids[] = {
	VALUE("4194305"),
	VALUE("4294967296"),
	VALUE("18446744073709551615"),
};

static const struct value bad_resets[] = {
	VALUE("0"),
	VALUE("2"),
	VALUE("18446744073709551615"),
};

/* What the other numbers are not, this may be: there is no greatest cap. */
static const struct value bad_caps[] = {
	VALUE("1ns"),
	VALUE("0x10000000000000000"),
};

static const struct value bad_policies[] = {
	VALUE(""),
	VALUE("\n"),
	VALUE("garbage"),
	VALUE("Fixed"),
	VALUE("nex"),
	VALUE("next2"),
	VALUE("[next]"),
	VALUE("next fixed"),
	VALUE("next,fixed"),
	VALUE("adaptive2"),
	VALUE("adapt"),
	VALUE("next                                                    "),
	VALUE("nextnextnextnextnextnextnextnextnextnextnextnextnextnext"),
	VALUE("0"),
	VALUE("-1"),
	VALUE("\0"),
	VALUE("next\0"),
	VALUE("next\0garbage"),
};

struct knob {
	const char *name;
	const char *first;
	const char *second;
	const struct value *bad;
	size_t bad_count;
	bool number;
};

#define BAD(list) list, ARRAY_SIZE(list)

static const struct knob knobs[] = {
	{ "precopy", "1", "0", BAD(bad_precopy), true },
	{ "timing", "1", "0", BAD(bad_switches), true },
	{ "log", "1", "0", BAD(bad_switches), true },
	{ "window", "7", "64", BAD(bad_windows), true },
	{ "pid", "1", "0", BAD(bad_pids), true },
	{ "reset", "1", "1", BAD(bad_resets), true },
	{ "policy", "fixed", "next", BAD(bad_policies), false },
	{ "large_folio", "0", "1", BAD(bad_switches), true },
	{ "latency_cap_ns", "5000", "0", BAD(bad_caps), true },
	{ "file", "1", "0", BAD(bad_switches), true },
	{ "huge_window", "1", "0", BAD(bad_switches), true },
};

static void refuse_all(const struct knob *knob)
{
	size_t i;

	for (i = 0; i < knob->bad_count; i++)
		expect_refused(knob->name, &knob->bad[i]);
	for (i = 0; knob->number && i < ARRAY_SIZE(bad_numbers); i++)
		expect_refused(knob->name, &bad_numbers[i]);
}

static void test_bad_values(void **state)
{
	const struct knob *knob = *state;

	/* What is there must stay, whatever it is. */
	knob_set(knob->name, knob->first);
	refuse_all(knob);
	knob_set(knob->name, knob->second);
	refuse_all(knob);
}

static void test_read_only(void **state)
{
	(void)state;
	assert_int_equal(knob_write("latency_hist", "1", 1), -EINVAL);
	assert_int_equal(knob_write("stats", "1", 1), -EINVAL);
}

/* Listen to this process with the histogram, and start from nothing. */
static void listen_to_me(void)
{
	knob_number("pid", getpid());
	knob_set("timing", "1");
	knob_set("reset", "1");
}

static void test_reset(void **state)
{
	struct cow cow;

	(void)state;
	cow_share(&cow, REGION, COW_4K);
	knob_set("policy", "fixed");
	knob_set("precopy", "1");
	listen_to_me();
	assert_int_equal(cow_write(&cow, 0, 64), PAGES / 64);
	assert_int_equal(stage_get("fault").count, PAGES / 64);
	assert_int_equal(stage_get("copy").count, PAGES / 4);
	assert_int_equal(stat_get("faults"), PAGES / 64);
	assert_int_equal(stat_get("windows"), PAGES / 64);

	/* A reset that is refused resets nothing. */
	assert_int_equal(knob_write("reset", "0", 1), -EINVAL);
	assert_int_equal(stage_get("fault").count, PAGES / 64);
	assert_int_equal(stat_get("faults"), PAGES / 64);

	knob_set("reset", "1");
	assert_string_equal(file_text(COWLAB "latency_hist"), "");
	assert_int_equal(stat_get("faults"), 0);
	assert_int_equal(stat_get("copied"), 0);
	assert_int_equal(stat_get("windows"), 0);
	assert_int_equal(stat_get("left"), 0);
	assert_int_equal(stat_get("neighbours"), 0);
	assert_int_equal(stat_get("hit"), 0);
	assert_int_equal(stat_get("wasted"), 0);
	assert_int_equal(stat_skipped(), 0);

	/* And goes on afterwards: page 32's window is still to be copied. */
	assert_int_equal(cow_write(&cow, 32, 64), PAGES / 64);
	assert_int_equal(stage_get("fault").count, PAGES / 64);
	cow_release(&cow);
}

static void test_off_is_off(void **state)
{
	int kmsg = kmsg_open();
	uint64_t ns[1];
	struct cow cow;
	size_t round;

	(void)state;
	for (round = 0; round < 2; round++) {
		/* First as the module came, then after all was on once. */
		cow_share(&cow, REGION, COW_4K);
		assert_string_equal(file_text(TRACING "events/cow/enable"),
				    "0\n");
		assert_int_equal(cow_write(&cow, 0, 1), PAGES);
		assert_string_equal(file_text(COWLAB "latency_hist"), "");
		assert_int_equal(stat_get("faults"), 0);
		assert_int_equal(stat_get("copied"), 0);
		assert_int_equal(stat_get("windows"), 0);
		assert_int_equal(stat_get("left"), 0);
		assert_int_equal(stat_skipped(), 0);
		assert_int_equal(kmsg_cow(kmsg, ns, 0), 0);
		cow_check(&cow, 0, 1);
		cow_release(&cow);

		knob_set("precopy", "1");
		knob_set("timing", "1");
		knob_set("log", "1");
		knob_set("precopy", "0");
		knob_set("timing", "0");
		knob_set("log", "0");
		knob_set("reset", "1");
		close(kmsg);
		kmsg = kmsg_open();
	}
	close(kmsg);
}

/* An event of the trace. */
struct event {
	char name[32];
	int pid;
	uint64_t address;
	uint64_t pages;
	uint64_t ns;
};

static void trace_on(void)
{
	file_set(TRACING "tracing_on", "1");
	file_set(TRACING "events/cow/enable", "1");
	/* Any write empties it: opened for it, it is truncated. */
	assert_int_equal(truncate(TRACING "trace", 0), 0);
	fclose(fopen(TRACING "trace", "w"));
}

/*
 * The next cow event of this process: "guest_contract-77 [001] ..... 3.14:
 * cow_copy: address=0x7f00 pages=1 ns=2000". The name may be "<...>".
 */
static bool next_event(FILE *trace, struct event *event)
{
	char line[512];

	while (fgets(line, sizeof(line), trace)) {
		const char *cpu = strstr(line, " [");
		const char *name = strstr(line, ": cow_");
		int end = 0;

		assert_null(strstr(line, "LOST"));
		if (!name || !cpu)
			continue;
		while (cpu > line && cpu[-1] != '-')
			cpu--;
		event->pid = atoi(cpu);
		if (event->pid != getpid())
			continue;
		if (sscanf(name,
			   ": %31[a-z_]: address=0x%" SCNx64 " pages=%" SCNu64
			   " ns=%" SCNu64 "\n%n",
			   event->name, &event->address, &event->pages,
			   &event->ns, &end) != 4 ||
		    !end || name[end])
			fail_msg("malformed event: %s", line);
		return true;
	}
	return false;
}

static FILE *trace_open(void)
{
	FILE *trace;

	file_set(TRACING "events/cow/enable", "0");
	trace = fopen(TRACING "trace", "re");
	assert_non_null(trace);
	return trace;
}

static size_t page_of(const struct cow *cow, const struct event *event)
{
	assert_in_range(event->address, (uintptr_t)cow->base,
			(uintptr_t)cow->base + cow->bytes - 1);
	return (event->address - (uintptr_t)cow->base) / PAGE_BYTES;
}

/*
 * Write @step pages apart and expect for each write a fault that served @window
 * pages, and as many copies before it, which took less time than it.
 */
static void trace_faults(size_t step, size_t window)
{
	static uint64_t copy_ns[PAGES], fault_ns[PAGES];
	size_t faults = 0, copies = 0, page, i;
	struct event event;
	struct cow cow;
	FILE *trace;

	memset(copy_ns, 0, sizeof(copy_ns));
	memset(fault_ns, 0, sizeof(fault_ns));
	cow_share(&cow, REGION, COW_4K);
	if (window > 1) {
		knob_set("policy", "fixed");
		knob_number("window", window);
		knob_set("precopy", "1");
	}
	trace_on();
	assert_int_equal(cow_write(&cow, 0, step), PAGES / step);
	trace = trace_open();
	while (next_event(trace, &event)) {
		assert_true(event.ns > 0);
		page = page_of(&cow, &event);
		if (!strcmp(event.name, "cow_copy")) {
			assert_int_equal(event.pages, 1);
			assert_int_equal(copy_ns[page], 0);
			copy_ns[page] = event.ns;
			copies++;
		} else {
			assert_string_equal(event.name, "cow_fault");
			assert_int_equal(event.pages, window);
			assert_int_equal(page % step, 0);
			assert_int_equal(fault_ns[page], 0);
			fault_ns[page] = event.ns;
			faults++;
		}
	}
	fclose(trace);
	assert_int_equal(faults, PAGES / step);
	assert_int_equal(copies, faults * window);
	for (page = 0; page < PAGES; page += step) {
		uint64_t sum = 0;

		assert_true(fault_ns[page] > 0);
		for (i = 0; i < window; i++) {
			assert_true(copy_ns[page + i] > 0);
			sum += copy_ns[page + i];
		}
		assert_true(sum <= fault_ns[page]);
	}

	/* Disabled, it is silent. */
	assert_int_equal(truncate(TRACING "trace", 0), 0);
	fclose(fopen(TRACING "trace", "w"));
	assert_int_equal(cow_write(&cow, window, step) != 0, step > window);
	trace = trace_open();
	assert_false(next_event(trace, &event));
	fclose(trace);
	cow_release(&cow);
}

static void test_trace(void **state)
{
	(void)state;
	trace_faults(1, 1);
}

static void test_trace_precopy(void **state)
{
	(void)state;
	trace_faults(64, 16);
}

static void test_trace_hugetlb(void **state)
{
	bool seen[REGION / HUGE_BYTES] = { false };
	struct event event;
	struct cow cow;
	size_t count = 0;
	FILE *trace;

	(void)state;
	set_huge_pages(2 * REGION / HUGE_BYTES);
	cow_share(&cow, REGION, COW_HUGETLB);
	trace_on();
	assert_int_equal(cow_write(&cow, 3, 64), REGION / HUGE_BYTES);
	trace = trace_open();
	while (next_event(trace, &event)) {
		size_t page = page_of(&cow, &event);

		assert_string_equal(event.name, "cow_hugetlb_copy");
		assert_int_equal(event.pages, HUGE_BYTES / PAGE_BYTES);
		assert_true(event.ns > 0);
		assert_false(seen[page / TABLE_PAGES]);
		seen[page / TABLE_PAGES] = true;
		count++;
	}
	fclose(trace);
	assert_int_equal(count, REGION / HUGE_BYTES);
	cow_check(&cow, 3, 64);
	cow_release(&cow);
	set_huge_pages(0);
}

static void test_trace_thp(void **state)
{
	bool seen[REGION / HUGE_BYTES] = { false };
	size_t splits = 0, faults = 0, copies = 0;
	struct event event;
	struct cow cow;
	FILE *trace;

	(void)state;
	file_set(THP "enabled", "madvise");
	cow_share(&cow, REGION, COW_THP);
	trace_on();
	assert_int_equal(cow_write(&cow, 3, 64), PAGES / 64);
	trace = trace_open();
	while (next_event(trace, &event)) {
		size_t page = page_of(&cow, &event);

		assert_true(event.ns > 0);
		if (!strcmp(event.name, "cow_pmd_split")) {
			assert_int_equal(event.address % HUGE_BYTES, 0);
			assert_int_equal(event.pages, HUGE_BYTES / PAGE_BYTES);
			assert_false(seen[page / TABLE_PAGES]);
			seen[page / TABLE_PAGES] = true;
			splits++;
			continue;
		}
		assert_int_equal(event.pages, 1);
		assert_int_equal(page % 64, 3);
		/* The split comes first. */
		assert_true(seen[page / TABLE_PAGES]);
		if (!strcmp(event.name, "cow_copy"))
			copies++;
		else if (!strcmp(event.name, "cow_fault"))
			faults++;
		else
			fail_msg("unexpected event %s", event.name);
	}
	fclose(trace);
	assert_int_equal(splits, REGION / HUGE_BYTES);
	assert_int_equal(copies, PAGES / 64);
	assert_int_equal(faults, PAGES / 64);
	cow_check(&cow, 3, 64);
	cow_release(&cow);
}

/* Another process writes the memory. It must not return here: no asserts. */
static void write_elsewhere(const struct cow *cow)
{
	pid_t pid = fork();
	size_t page;
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		for (page = 0; page < PAGES; page++)
			*(volatile unsigned char *)(cow->base +
						    page * PAGE_BYTES) = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void *write_here(void *arg)
{
	const struct cow *cow = arg;

	return (void *)cow_write(cow, 0, 1);
}

static void test_pid_filter(void **state)
{
	int kmsg = kmsg_open();
	static uint64_t ns[2 * PAGES];
	pthread_attr_t attr;
	pthread_t thread;
	struct cow cow;
	uint64_t own;

	(void)state;
	knob_set("log", "1");
	cow_share(&cow, REGION, COW_4K);
	kmsg_cow(kmsg, ns, ARRAY_SIZE(ns));
	listen_to_me();
	write_elsewhere(&cow);
	/* The fork and the wait take some faults of our own. */
	own = stage_get("fault").count;
	assert_in_range(own, 0, 64);
	assert_int_equal(stat_get("faults"), own);
	assert_int_equal(kmsg_cow(kmsg, ns, ARRAY_SIZE(ns)), own);

	/* Another thread of this process is this process. */
	cow_release(&cow);
	cow_share(&cow, REGION, COW_4K);
	kmsg_cow(kmsg, ns, ARRAY_SIZE(ns));
	knob_set("reset", "1");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	assert_int_equal(pthread_create(&thread, &attr, write_here, &cow), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	own = stage_get("fault").count;
	assert_in_range(own, PAGES, PAGES + 8);
	assert_int_equal(kmsg_cow(kmsg, ns, ARRAY_SIZE(ns)), own);
	cow_release(&cow);

	/* 0 selects all processes. */
	cow_share(&cow, REGION, COW_4K);
	knob_set("log", "0");
	knob_set("pid", "0");
	knob_set("reset", "1");
	write_elsewhere(&cow);
	assert_in_range(stage_get("fault").count, PAGES, PAGES + 128);
	cow_release(&cow);
	close(kmsg);
}

/* What a sequential writer meets if each fault serves @window pages. */
static void expect_sequential(size_t window)
{
	const size_t faults = PAGES / window;
	struct cow cow;

	cow_share(&cow, REGION, COW_4K);
	assert_int_equal(cow_smaps(&cow, "Anonymous:"), REGION / 1024);
	assert_int_equal(cow_smaps(&cow, "Shared_Dirty:") +
				 cow_smaps(&cow, "Shared_Clean:"),
			 REGION / 1024);
	knob_set("precopy", "1");
	listen_to_me();
	assert_int_equal(cow_write(&cow, 0, 1), faults);
	knob_set("precopy", "0");
	knob_set("timing", "0");

	assert_int_equal(stat_get("faults"), faults);
	assert_int_equal(stat_get("copied"), PAGES);
	assert_int_equal(stage_get("fault").count, faults);
	assert_int_equal(stage_get("copy").count, PAGES);
	assert_int_equal(stat_get("windows"), window > 1 ? faults : 0);
	assert_int_equal(stat_get("neighbours"), PAGES - faults);
	/* The last window of a page table is not looked at again. */
	assert_int_equal(stat_get("hit"), (faults - TABLES) * (window - 1));
	assert_int_equal(stat_get("wasted"), 0);
	assert_int_equal(stat_get("left"), 0);
	assert_int_equal(stat_skipped(), 0);

	assert_int_equal(cow_smaps(&cow, "Rss:"), REGION / 1024);
	assert_int_equal(cow_smaps(&cow, "Pss:"), REGION / 1024);
	assert_int_equal(cow_smaps(&cow, "Anonymous:"), REGION / 1024);
	assert_int_equal(cow_smaps(&cow, "Private_Dirty:"), REGION / 1024);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
}

static void test_next(void **state)
{
	(void)state;
	knob_set("policy", "next");
	/* `next` takes no notice of the window. */
	knob_set("window", "64");
	expect_sequential(2);
}

static void test_fixed(void **state)
{
	size_t window;

	(void)state;
	knob_set("policy", "fixed");
	for (window = 1; window <= 64; window *= 2) {
		knob_number("window", window);
		expect_sequential(window);
	}
}

static void test_wasted(void **state)
{
	const size_t faults = PAGES / 64;
	struct cow cow;

	(void)state;
	cow_share(&cow, REGION, COW_4K);
	knob_set("policy", "fixed");
	knob_set("window", "16");
	knob_set("precopy", "1");
	listen_to_me();
	assert_int_equal(cow_write(&cow, 0, 64), faults);
	knob_set("precopy", "0");
	knob_set("timing", "0");
	assert_int_equal(stat_get("faults"), faults);
	assert_int_equal(stat_get("copied"), faults * 16);
	assert_int_equal(stat_get("windows"), faults);
	assert_int_equal(stat_get("neighbours"), faults * 15);
	assert_int_equal(stat_get("hit"), 0);
	assert_int_equal(stat_get("wasted"), (faults - TABLES) * 15);
	assert_int_equal(stat_skipped(), 0);

	/* The copied pages are ours, the others still shared. */
	assert_int_equal(cow_smaps(&cow, "Rss:"), REGION / 1024);
	assert_int_equal(cow_smaps(&cow, "Anonymous:"), REGION / 1024);
	assert_int_equal(cow_smaps(&cow, "Private_Dirty:") +
				 cow_smaps(&cow, "Private_Clean:"),
			 faults * 16 * 4);
	assert_int_equal(cow_smaps(&cow, "Shared_Dirty:") +
				 cow_smaps(&cow, "Shared_Clean:"),
			 (PAGES - faults * 16) * 4);

	/* Ours means: a write takes no fault. */
	assert_int_equal(cow_write(&cow, 15, 64), 0);
	assert_int_equal(cow_write(&cow, 16, 64), faults);
	cow_release(&cow);
}

static void expect_anon(uint64_t before, uint64_t more)
{
	/* Buffers and stacks of this process are anonymous as well. */
	const uint64_t slack = 24;

	assert_in_range(anon_pages() + slack, before + more,
			before + more + 2 * slack);
}

static void test_memory_comes_back(void **state)
{
	static const char *const windows[] = { "1", "2", "16", "64" };
	uint64_t before, shared, rss;
	struct bench bench;
	struct cow cow;
	size_t i;

	(void)state;
	knob_set("policy", "fixed");
	/* This process's own pages are all there from the first time on. */
	cow_share(&cow, REGION, COW_4K);
	cow_release(&cow);
	before = anon_pages();
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		knob_set("window", windows[i]);
		cow_share(&cow, REGION, COW_4K);
		/* The holder has some pages of its own outside the region. */
		shared = anon_pages();
		assert_in_range(shared, before + PAGES - 24,
				before + PAGES + 512);
		rss = file_field("/proc/self/status", "RssAnon:");
		knob_set("precopy", "1");
		cow_write(&cow, 0, 1);
		knob_set("precopy", "0");
		expect_anon(shared, PAGES);
		/* The counter is only exact up to its per-CPU parts. */
		assert_in_range(file_field("/proc/self/status", "RssAnon:") +
					512,
				rss, rss + 1024);
		cow_release(&cow);
		expect_anon(before, 0);

		/* And where the writers themselves end. */
		knob_set("precopy", "1");
		bench_run(&bench, "--size 4M --pattern sparse8 --writer both");
		knob_set("precopy", "0");
		assert_string_equal(bench.err, "");
		assert_int_equal(bench.status, 0);
		expect_anon(before, 0);
	}
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, restore, restore)
#define BAD_VALUES(index, name)                                                \
	{                                                                      \
		"test_bad_values_of_" name, test_bad_values, restore, restore, \
			(void *)&knobs[index]                                  \
	}

/* An argument chooses tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_files),
		TEST(test_good_values),
		TEST(test_policy),
		BAD_VALUES(0, "precopy"),
		BAD_VALUES(1, "timing"),
		BAD_VALUES(2, "log"),
		BAD_VALUES(3, "window"),
		BAD_VALUES(4, "pid"),
		BAD_VALUES(5, "reset"),
		BAD_VALUES(6, "policy"),
		BAD_VALUES(7, "large_folio"),
		BAD_VALUES(8, "latency_cap_ns"),
		BAD_VALUES(9, "file"),
		BAD_VALUES(10, "huge_window"),
		TEST(test_read_only),
		TEST(test_reset),
		TEST(test_off_is_off),
		TEST(test_trace),
		TEST(test_trace_precopy),
		TEST(test_trace_hugetlb),
		TEST(test_trace_thp),
		TEST(test_pid_filter),
		TEST(test_next),
		TEST(test_fixed),
		TEST(test_wasted),
		TEST(test_memory_comes_back),
	};

	stay_on_one_cpu(true);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_contract", tests, NULL, NULL);
}
