// SPDX-License-Identifier: GPL-2.0
/* What the tests that run in the guest share. */
#include "tests/guest.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/genetlink.h>
#include <linux/taskstats.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define COW_LINE "COW latency: "
#define ZRAM "/dev/zram0"
#define TCG_EBX 0x54474354 /* "TCGT" of CPUID's "TCGTCGTCGTCG" */

/**
 * file_text - a whole file
 * @path: the file, of at most 64 KiB
 *
 * Return: its text, until the next call.
 */
const char *file_text(const char *path)
{
	static char text[64 * 1024];

	if (!read_text(path, text, sizeof(text)))
		fail_msg("cannot read %s: %s", path, strerror(errno));
	assert_true(strlen(text) < sizeof(text) - 1);
	return text;
}

/**
 * file_write - write to a file in one call
 * @path: the file
 * @data: what
 * @len: how much of it
 *
 * Return: 0, or a negative errno.
 */
int file_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, data, len);
	if (n < 0)
		ret = -errno;
	else if ((size_t)n != len)
		ret = -EIO;
	close(fd);
	return ret;
}

/**
 * file_set - write a text to a file, which must take it
 * @path: the file
 * @text: what
 */
void file_set(const char *path, const char *text)
{
	int ret = file_write(path, text, strlen(text));

	if (ret)
		fail_msg("cannot write %s to %s: %s", text, path,
			 strerror(-ret));
}

/**
 * kernel_before - is the running kernel older than a version?
 * @version: "6.15"
 *
 * Return: whether it is. A test whose outcome is the kernel's own asks.
 */
bool kernel_before(const char *version)
{
	struct utsname kernel;

	assert_int_equal(uname(&kernel), 0);
	return strverscmp(kernel.release, version) < 0;
}

/**
 * file_field - the number behind a key in a file
 * @path: the file
 * @key: what the line begins with
 *
 * Return: the number.
 */
uint64_t file_field(const char *path, const char *key)
{
	uint64_t value;

	if (!text_field(file_text(path), key, &value))
		fail_msg("no %s in %s", key, path);
	return value;
}

/**
 * knob_get - what a debugfs file shows
 * @name: the file
 *
 * Return: its text without the final newline, until the next call.
 */
const char *knob_get(const char *name)
{
	static char text[128];
	char path[128];
	size_t len;

	snprintf(path, sizeof(path), COWLAB "%s", name);
	len = strlen(file_text(path));
	assert_in_range(len, 1, sizeof(text) - 1);
	strcpy(text, file_text(path));
	assert_int_equal(text[len - 1], '\n');
	text[len - 1] = '\0';
	return text;
}

/**
 * knob_write - write to a debugfs file
 * @name: the file
 * @data: what
 * @len: how much of it
 *
 * Return: 0, or a negative errno.
 */
int knob_write(const char *name, const void *data, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), COWLAB "%s", name);
	return file_write(path, data, len);
}

/**
 * knob_set - write a text to a debugfs file, which must take it
 * @name: the file
 * @text: what
 */
void knob_set(const char *name, const char *text)
{
	int ret = knob_write(name, text, strlen(text));

	if (ret)
		fail_msg("%s does not take %s: %s", name, text, strerror(-ret));
}

/**
 * knob_number - write a number to a debugfs file, which must take it
 * @name: the file
 * @value: the number
 */
void knob_number(const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", value);
	knob_set(name, text);
}

/**
 * knobs_default - set every debugfs file as it is after insmod
 */
void knobs_default(void)
{
	knob_set("precopy", "0");
	knob_set("timing", "0");
	knob_set("log", "0");
	knob_set("pid", "0");
	knob_set("policy", "next");
	knob_set("window", "16");
	knob_set("large_folio", "1");
	knob_set("huge_window", "0");
	knob_set("file", "0");
	knob_set("latency_cap_ns", "0");
	knob_set("reset", "1");
}

/**
 * stop_khugepaged - keep khugepaged from collapsing what a test has had split
 *
 * It wakes for the first process that asks for huge pages: this one, and from now
 * on. For a group's set-up. Return: 0, or 1 if that failed.
 */
int stop_khugepaged(void **state)
{
	void *keep = mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	if (keep == MAP_FAILED || madvise(keep, 2 * HUGE_BYTES, MADV_HUGEPAGE))
		return 1;
	file_set(THP "khugepaged/scan_sleep_millisecs", "3600000");
	/* That wakes it, for a scan. */
	sleep(2);
	return 0;
}

/**
 * start_khugepaged - let it scan as after boot; for a group's end
 */
int start_khugepaged(void **state)
{
	(void)state;
	file_set(THP "khugepaged/scan_sleep_millisecs", "10000");
	return 0;
}

/**
 * stat_get - a line of stats
 * @key: its name
 *
 * Return: the number.
 */
uint64_t stat_get(const char *key)
{
	char whole[64];

	snprintf(whole, sizeof(whole), "%s ", key);
	return file_field(COWLAB "stats", whole);
}

/**
 * stat_skipped - how many pages were skipped, for whatever reason
 *
 * Return: the sum.
 */
uint64_t stat_skipped(void)
{
	const char *line = file_text(COWLAB "stats");
	uint64_t sum = 0;
	bool any = false;

	for (; (line = strstr(line, "skip_")); line += strcspn(line, "\n")) {
		const char *blank = strchr(line, ' ');

		assert_non_null(blank);
		sum += strtoull(blank, NULL, 10);
		any = true;
	}
	assert_true(any);
	return sum;
}

/**
 * stage_get - a stage of latency_hist
 * @name: the stage
 *
 * Return: its numbers, all 0 where it has no samples.
 */
struct stage stage_get(const char *name)
{
	char head[64], text[1024];
	struct stage stage = { 0 };
	const char *start;

	snprintf(head, sizeof(head), "stage: %s\n", name);
	start = strstr(file_text(COWLAB "latency_hist"), head);
	if (!start)
		return stage;
	/* Only this stage's lines; the first are the numbers. */
	snprintf(text, sizeof(text), "%s", start + strlen(head));
	start = strstr(text, "stage: ");
	if (start)
		text[start - text] = '\0';
	if (!text_field(text, "count ", &stage.count) ||
	    !text_field(text, "avg ", &stage.avg) ||
	    !text_field(text, "min ", &stage.min) ||
	    !text_field(text, "p50 ", &stage.p50) ||
	    !text_field(text, "p90 ", &stage.p90) ||
	    !text_field(text, "p99 ", &stage.p99) ||
	    !text_field(text, "p99.9 ", &stage.p999) ||
	    !text_field(text, "max ", &stage.max))
		fail_msg("a number is missing in stage %s: %s", name, text);
	return stage;
}

/**
 * kmsg_open - begin to read the kernel's messages
 *
 * Return: a descriptor, at the end of what has been said so far.
 */
int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	return fd;
}

/**
 * kmsg_cow - read all messages up to now
 * @fd: from kmsg_open()
 * @ns: where to put the latencies of the messages about COW
 * @max: room there
 *
 * The test fails if a message was lost or one about COW is malformed.
 *
 * Return: the number of messages about COW.
 */
size_t kmsg_cow(int fd, uint64_t *ns, size_t max)
{
	char record[2048], *text, *end;
	size_t count = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EAGAIN)
			return count;
		if (n < 0)
			fail_msg("/dev/kmsg: %s", strerror(errno));
		record[n] = '\0';
		text = strchr(record, ';');
		assert_non_null(text);
		text++;
		if (!strstr(text, "COW"))
			continue;
		if (strncmp(text, COW_LINE, strlen(COW_LINE)))
			fail_msg("malformed: %s", text);
		text += strlen(COW_LINE);
		if (*text < '0' || *text > '9')
			fail_msg("malformed number: %s", text);
		assert_true(count < max);
		ns[count] = strtoull(text, &end, 10);
		if (strcmp(end, " ns\n"))
			fail_msg("malformed end: %s", text);
		count++;
	}
}

/**
 * run_program - run a program, and take what it says
 * @argv: the program and its arguments
 * @out: its stdout and stderr, as a string
 * @size: size of @out; the rest is left in the pipe
 *
 * Return: its exit status; -1 if a signal ended it.
 */
int run_program(const char *const *argv, char *out, size_t size)
{
	int pipes[2], status;
	size_t have = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		execvp(argv[0], (char **)argv);
		_exit(99);
	}
	close(pipes[1]);
	while (have < size - 1 &&
	       (n = read(pipes[0], out + have, size - 1 - have)) > 0)
		have += n;
	out[have] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/**
 * bench_start - start cowbench
 * @args: its arguments, separated by blanks
 * @out: what its stdout goes to
 * @err: and its stderr
 *
 * Return: its process id.
 */
pid_t bench_start(const char *args, int out, int err)
{
	char copy[512], *argv[64], *save = NULL, *word;
	int argc = 0;
	pid_t pid;

	assert_true(strlen(args) < sizeof(copy));
	strcpy(copy, args);
	argv[argc++] = "cowbench";
	for (word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (dup2(out, STDOUT_FILENO) < 0 ||
		    dup2(err, STDERR_FILENO) < 0)
			_exit(126);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static size_t column_of(const char *head, const char *name)
{
	const size_t len = strlen(name);
	size_t column = 0;

	for (;;) {
		size_t here = strcspn(head, ",\n");

		if (here == len && !strncmp(head, name, len))
			return column;
		if (head[here] != ',')
			fail_msg("cowbench has no column %s", name);
		head += here + 1;
		column++;
	}
}

static uint64_t cell(const char *head, const char *row, const char *name)
{
	size_t column = column_of(head, name);

	while (column--) {
		row += strcspn(row, ",\n");
		assert_int_equal(*row, ',');
		row++;
	}
	return *row == ',' ? NO_VALUE : strtoull(row, NULL, 10);
}

static void read_rows(struct bench *bench, const char *head)
{
	const char *row = strchr(head, '\n');

	while (row && row[1]) {
		struct bench_row *to = &bench->rows[bench->nr];

		row++;
		assert_true(bench->nr < ARRAY_SIZE(bench->rows));
		to->count = cell(head, row, "count");
		to->faults = cell(head, row, "faults");
		to->touched = cell(head, row, "pages_touched");
		to->copied = cell(head, row, "pages_copied");
		to->wasted = cell(head, row, "pages_wasted");
		bench->nr++;
		row = strchr(row, '\n');
	}
}

static int temporary(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void take_text(int fd, char *buf, size_t len)
{
	ssize_t n = pread(fd, buf, len - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

static void begin(struct bench *bench, const char *fmt, va_list ap)
{
	char args[512];
	int n;

	n = snprintf(args, sizeof(args), "--csv ");
	n += vsnprintf(args + n, sizeof(args) - n, fmt, ap);
	assert_true((size_t)n < sizeof(args));
	memset(bench, 0, sizeof(*bench));
	bench->out_fd = temporary("out");
	bench->err_fd = temporary("err");
	bench->pid = bench_start(args, bench->out_fd, bench->err_fd);
}

/**
 * bench_begin - start cowbench, concurrent with this process
 * @bench: the result, after bench_end()
 * @fmt: its arguments, separated by blanks; --csv is added
 */
void bench_begin(struct bench *bench, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	begin(bench, fmt, ap);
	va_end(ap);
}

/**
 * bench_end - wait for cowbench and read its CSV
 * @bench: from bench_begin()
 */
void bench_end(struct bench *bench)
{
	char text[4096];
	int status;

	assert_int_equal(waitpid(bench->pid, &status, 0), bench->pid);
	bench->status = WIFEXITED(status) ? WEXITSTATUS(status) :
					    128 + WTERMSIG(status);
	take_text(bench->out_fd, text, sizeof(text));
	take_text(bench->err_fd, bench->err, sizeof(bench->err));
	if (bench->status)
		return;
	read_rows(bench, text);
	assert_in_range(bench->nr, 1, 2);
}

/**
 * bench_run - run cowbench once and read its CSV
 * @bench: the result
 * @fmt: its arguments, separated by blanks; --csv is added
 */
void bench_run(struct bench *bench, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	begin(bench, fmt, ap);
	va_end(ap);
	bench_end(bench);
}

/* The holder: does nothing but to be there until @release is closed. */
static void hold(int ready, int release)
{
	char byte = 0;

	syscall(SYS_write, ready, &byte, 1);
	syscall(SYS_read, release, &byte, 1);
	_exit(0);
}

/*
 * Take all page faults outside the region beforehand: after a fork, stack,
 * data and heap are copy-on-write as well.
 */
static void warm_up(const struct cow *cow)
{
	const uintptr_t map = (uintptr_t)cow->map;
	const char *line;
	char *p;

	for (line = file_text("/proc/self/maps"); *line;
	     line += strcspn(line, "\n") + 1) {
		uintptr_t start = strtoull(line, &p, 16);
		uintptr_t end = strtoull(p + 1, &p, 16);

		if (start >= map && start < map + cow->map_bytes)
			continue;
		if (p[2] == 'w')
			madvise((void *)start, end - start,
				MADV_POPULATE_WRITE);
	}
}

/* What is shared at present, for cow_forget(). */
static struct cow present;

static unsigned char old_value(size_t page)
{
	return page * 7 + 1;
}

static unsigned char new_value(size_t page)
{
	return page * 11 + 5;
}

/**
 * cow_share - map and fill memory and let another process hold it too
 * @cow: the result
 * @bytes: how much, whole 2 MiB
 * @kind: of pages
 *
 * Only one at a time.
 */
void cow_share(struct cow *cow, size_t bytes, enum cow_kind kind)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	int ready[2], release[2];
	uintptr_t start;
	size_t page;
	char byte;

	cow->bytes = bytes;
	cow->map_bytes = bytes + 2 * HUGE_BYTES;
	cow->map = mmap(NULL, cow->map_bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(cow->map, MAP_FAILED);
	start = (uintptr_t)cow->map + PAGE_BYTES + HUGE_BYTES - 1;
	start -= start % HUGE_BYTES;
	if (kind == COW_HUGETLB)
		flags |= MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	cow->base = mmap((void *)start, bytes, PROT_READ | PROT_WRITE, flags,
			 -1, 0);
	assert_ptr_equal(cow->base, (void *)start);
	if (kind != COW_HUGETLB)
		assert_int_equal(madvise(cow->base, bytes,
					 kind == COW_THP ? MADV_HUGEPAGE :
							   MADV_NOHUGEPAGE),
				 0);
	for (page = 0; page < bytes / PAGE_BYTES; page++)
		memset(cow->base + page * PAGE_BYTES, old_value(page),
		       PAGE_BYTES);
	if (kind == COW_THP)
		assert_int_equal(cow_smaps(cow, "AnonHugePages:"),
				 bytes / 1024);

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(release, O_CLOEXEC), 0);
	cow->release = release[1];
	cow->holder = fork();
	assert_true(cow->holder >= 0);
	if (!cow->holder) {
		close(release[1]);
		hold(ready[1], release[0]);
	}
	close(release[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	present = *cow;
	warm_up(cow);
}

/**
 * rseq_settle - have the kernel take its fault on this thread's rseq area
 *
 * It writes there when the thread has been off its CPU, which may be in the middle
 * of what a test counts, and after a fork() that page is copy-on-write as well.
 */
void rseq_settle(void)
{
	usleep(1);
}

/**
 * cow_write - write a byte to some of the pages
 * @cow: the memory
 * @first: the first page
 * @step: every how many pages
 *
 * Return: how many minor faults this process took meanwhile.
 */
uint64_t cow_write(const struct cow *cow, size_t first, size_t step)
{
	/* Written here, so that the calls take no fault on them. */
	struct rusage before = { 0 }, after = { 0 };
	size_t page;

	getrusage(RUSAGE_SELF, &before);
	for (page = first; page < cow->bytes / PAGE_BYTES; page += step)
		*(volatile unsigned char *)(cow->base + page * PAGE_BYTES +
					    page % PAGE_BYTES) =
			new_value(page);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(after.ru_majflt, before.ru_majflt);
	return after.ru_minflt - before.ru_minflt;
}

/**
 * cow_check - compare every byte with what cow_write() left
 * @cow: the memory
 * @first: as there
 * @step: as there
 */
void cow_check(const struct cow *cow, size_t first, size_t step)
{
	size_t page, i;

	for (page = 0; page < cow->bytes / PAGE_BYTES; page++) {
		const unsigned char *p = cow->base + page * PAGE_BYTES;
		bool written = page >= first && !((page - first) % step);

		for (i = 0; i < PAGE_BYTES; i++) {
			unsigned char want = old_value(page);

			if (written && i == page % PAGE_BYTES)
				want = new_value(page);
			if (p[i] != want)
				fail_msg("page %zu byte %zu: %d, not %d", page,
					 i, p[i], want);
		}
	}
}

/**
 * cow_smaps - what smaps says about the memory
 * @cow: the memory
 * @key: the line, with its colon
 *
 * Return: the number, in KiB.
 */
uint64_t cow_smaps(const struct cow *cow, const char *key)
{
	bool here = false, found = false;
	char line[512], head[32];
	uint64_t kb = 0;
	FILE *f;

	f = fopen("/proc/self/smaps", "re");
	assert_non_null(f);
	snprintf(head, sizeof(head), "%" PRIxPTR "-", (uintptr_t)cow->base);
	while (!found && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, head, strlen(head)))
			here = true;
		else if (here)
			found = text_field(line, key, &kb);
	}
	fclose(f);
	assert_true(found);
	return kb;
}

/**
 * cow_end_holder - end the holder: the memory is this process' alone
 * @cow: the memory
 */
void cow_end_holder(struct cow *cow)
{
	pid_t holder = cow->holder;
	int status;

	cow->holder = 0;
	present.holder = 0;
	if (!holder)
		return;
	close(cow->release);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(status, 0);
}

/**
 * cow_release - end the holder and unmap
 * @cow: the memory
 */
void cow_release(struct cow *cow)
{
	cow_end_holder(cow);
	assert_int_equal(munmap(cow->map, cow->map_bytes), 0);
	present.map = NULL;
}

/**
 * cow_forget - clean up after a test that failed before its cow_release()
 */
void cow_forget(void)
{
	if (present.map)
		cow_release(&present);
}

/**
 * anon_pages - how many anonymous pages are mapped in the whole guest
 *
 * Return: the number, exactly.
 */
uint64_t anon_pages(void)
{
	/* Fold the CPUs' differences. */
	file_set("/proc/sys/vm/stat_refresh", "1");
	return file_field("/proc/vmstat", "nr_anon_pages ");
}

/**
 * set_huge_pages - set the pool of huge pages
 * @count: how many; 0 gives them back
 */
void set_huge_pages(unsigned int count)
{
	char text[16];

	snprintf(text, sizeof(text), "%u\n", count);
	file_set("/proc/sys/vm/nr_hugepages", text);
	assert_string_equal(file_text("/proc/sys/vm/nr_hugepages"), text);
}

/**
 * swap_off - no swap any more, if there was some
 */
void swap_off(void)
{
	swapoff(ZRAM);
}

/**
 * swap_on - swap to a zram device, afresh
 * @size: of the device, as its disksize takes it
 *
 * What another program has left on goes off first.
 *
 * Return: false if there is no zram.
 */
bool swap_on(const char *size)
{
	if (access(ZRAM, F_OK)) {
		print_message("# no " ZRAM "\n");
		return false;
	}
	swap_off();
	file_set("/sys/block/zram0/reset", "1");
	file_set("/sys/block/zram0/disksize", size);
	assert_int_equal(system("mkswap " ZRAM " >/dev/null 2>&1"), 0);
	assert_int_equal(swapon(ZRAM, 0), 0);
	return true;
}

/**
 * read_entries - read a file of 64-bit numbers, such as /proc/kpageflags
 * @path: the file
 * @first: index of the first number
 * @entries: where they go
 * @count: how many
 */
void read_entries(const char *path, uint64_t first, uint64_t *entries,
		  size_t count)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 ||
	    pread(fd, entries, count * 8, first * 8) != (ssize_t)(count * 8))
		fail_msg("%s: %m", path);
	close(fd);
}

/**
 * stay_on_one_cpu - run on one CPU, or on all CPUs that were allowed before
 * @on: true: on one CPU
 *
 * Another CPU's LRU cache may hold a reference to a page. The kernel cannot
 * tell this reference from another holder's: it copies the page, does not reuse
 * it, and serves no window around a fault on it. A test that expects exact
 * numbers therefore does not move between CPUs.
 */
void stay_on_one_cpu(bool on)
{
	static cpu_set_t before;
	static bool is_on;
	cpu_set_t one;

	if (is_on == on)
		return;
	is_on = on;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (on && sched_getaffinity(0, sizeof(before), &before))
		abort();
	if (sched_setaffinity(0, sizeof(one), on ? &one : &before))
		abort();
}

/**
 * avoid_stale_breakpoints - stay on one CPU where QEMU needs it
 *
 * QEMU before 8.1 can run a breakpoint that one CPU has just removed from the
 * code on another, if each CPU is a thread of its own: turning a static key, or
 * attaching a probe, while faults run ends in "Oops: int3", patched kernel or
 * not. So there, all stay on one CPU, unless the command line says that the
 * CPUs take turns: -accel tcg,thread=single and cowlab.tcg=single, which init
 * hands on.
 */
void avoid_stale_breakpoints(void)
{
	const char *tcg = getenv("COW_tcg");
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	if (ebx != TCG_EBX || (tcg && !strcmp(tcg, "single")))
		return;
	stay_on_one_cpu(true);
}

/**
 * again_with_delays - start this program again, with delay accounting on
 * @argv: its arguments
 *
 * A task has delay accounting if it was on when it was made. Returns in the
 * program that was started again.
 */
void again_with_delays(char **argv)
{
	pid_t pid;
	int status;

	if (getenv("COW_again"))
		return;
	if (file_write("/proc/sys/kernel/task_delayacct", "1", 1) ||
	    setenv("COW_again", "1", 1))
		exit(1);
	pid = fork();
	if (!pid) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(1);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Generic netlink, as far as taskstats needs it. */
struct message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attributes[2048];
};

static struct message message;

static const struct nlattr *find_attribute(const char *at, const char *end,
					   unsigned int type)
{
	while (at + NLA_HDRLEN <= end) {
		const struct nlattr *attribute = (const void *)at;

		assert_true(attribute->nla_len >= NLA_HDRLEN);
		assert_true(at + attribute->nla_len <= end);
		if ((attribute->nla_type & NLA_TYPE_MASK) == type)
			return attribute;
		at += NLA_ALIGN(attribute->nla_len);
	}
	fail_msg("no attribute %u", type);
	return NULL;
}

static const char *payload(const struct nlattr *attribute)
{
	return (const char *)attribute + NLA_HDRLEN;
}

/* Send a command with one attribute; the answer is in @message. */
static const char *ask(int sock, uint16_t family, uint8_t command,
		       uint16_t type, const void *data, size_t len)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlattr *attribute = (void *)message.attributes;
	ssize_t n;

	memset(&message, 0, sizeof(message));
	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + len;
	memcpy(message.attributes + NLA_HDRLEN, data, len);
	message.head.nlmsg_len =
		NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(attribute->nla_len);
	message.head.nlmsg_type = family;
	message.head.nlmsg_flags = NLM_F_REQUEST;
	message.genl.cmd = command;
	message.genl.version = 1;
	assert_int_equal(sendto(sock, &message, message.head.nlmsg_len, 0,
				(void *)&kernel, sizeof(kernel)),
			 message.head.nlmsg_len);
	n = recv(sock, &message, sizeof(message), 0);
	assert_true(n > 0);
	assert_true(NLMSG_OK(&message.head, n));
	if (message.head.nlmsg_type == NLMSG_ERROR)
		fail_msg(
			"netlink: %s",
			strerror(-((struct nlmsgerr *)NLMSG_DATA(&message.head))
					  ->error));
	return (const char *)&message + message.head.nlmsg_len;
}

/**
 * delays_get - what delay accounting has seen of this task's COW faults
 *
 * Return: count and time since the task began.
 */
struct delays delays_get(void)
{
	static const char name[] = TASKSTATS_GENL_NAME;
	static uint16_t family;
	static int sock = -1;
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	const uint32_t pid = gettid();
	const struct nlattr *attribute;
	struct taskstats stats;
	const char *end;

	if (sock < 0) {
		sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			      NETLINK_GENERIC);
		assert_true(sock >= 0);
		assert_int_equal(bind(sock, (void *)&own, sizeof(own)), 0);
		end = ask(sock, GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
			  CTRL_ATTR_FAMILY_NAME, name, sizeof(name));
		attribute = find_attribute(message.attributes, end,
					   CTRL_ATTR_FAMILY_ID);
		memcpy(&family, payload(attribute), sizeof(family));
	}
	end = ask(sock, family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &pid,
		  sizeof(pid));
	attribute = find_attribute(message.attributes, end,
				   TASKSTATS_TYPE_AGGR_PID);
	end = (const char *)attribute + attribute->nla_len;
	attribute =
		find_attribute(payload(attribute), end, TASKSTATS_TYPE_STATS);
	memset(&stats, 0, sizeof(stats));
	memcpy(&stats, payload(attribute), sizeof(stats));
	assert_true(stats.version >= 13);
	return (struct delays){ stats.wpcopy_count, stats.wpcopy_delay_total };
}
