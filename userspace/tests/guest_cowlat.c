// SPDX-License-Identifier: GPL-2.0
/*
 * cowlat on the kernel that runs: it counts exactly what a writer does, by each
 * probe that the kernel has; what it cannot do it says in one line; it leaves
 * nothing behind. Runs in the guest, on any kernel, with the module or without.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES (4UL << 20)
#define PAGES (BYTES / PAGE_BYTES)
#define BTF_FILE "/sys/kernel/btf/vmlinux"

/**
 * struct cowlat - a run of cowlat
 * @pid: while it runs
 * @out_fd: its stdout
 * @err_fd: its stderr
 * @status: exit status, 128 and more after a signal
 * @out: what it said on stdout
 * @err: what it said on stderr
 */
struct cowlat {
	pid_t pid;
	int out_fd;
	int err_fd;
	int status;
	char out[256 * 1024];
	char err[4096];
};

static struct cowlat cowlat;

static const char *flavour(void)
{
	const char *name = getenv("COW_flavour");

	return name ? name : "lab";
}

static bool patched(void)
{
	return !access(COWLAB "latency_hist", F_OK);
}

static void read_back(int fd, char *buf, size_t len)
{
	ssize_t n = pread(fd, buf, len - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
}

static int split(char *args, char **argv)
{
	char *save = NULL, *word;
	int argc = 0;

	argv[argc++] = "cowlat";
	for (word = strtok_r(args, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

/* By posix_spawn(): a fork would make this process's pages copy-on-write. */
static void launch(const char *fmt, va_list ap)
{
	posix_spawn_file_actions_t files;
	char args[256], *argv[32];

	vsnprintf(args, sizeof(args), fmt, ap);
	split(args, argv);
	cowlat.out_fd = memfd_create("out", MFD_CLOEXEC);
	cowlat.err_fd = memfd_create("err", MFD_CLOEXEC);
	assert_true(cowlat.out_fd >= 0 && cowlat.err_fd >= 0);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, cowlat.out_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, cowlat.err_fd, STDERR_FILENO);
	assert_int_equal(posix_spawnp(&cowlat.pid, "cowlat", &files, NULL, argv,
				      environ),
			 0);
	posix_spawn_file_actions_destroy(&files);
}

static void collect(void)
{
	int status;

	assert_int_equal(waitpid(cowlat.pid, &status, 0), cowlat.pid);
	cowlat.pid = 0;
	cowlat.status = WIFEXITED(status) ? WEXITSTATUS(status) :
					    128 + WTERMSIG(status);
	read_back(cowlat.out_fd, cowlat.out, sizeof(cowlat.out));
	read_back(cowlat.err_fd, cowlat.err, sizeof(cowlat.err));
	close(cowlat.out_fd);
	close(cowlat.err_fd);
}

/* Start cowlat, and return when it counts. */
__attribute__((format(printf, 1, 2))) static void begin(const char *fmt, ...)
{
	unsigned int ms;
	va_list ap;

	va_start(ap, fmt);
	launch(fmt, ap);
	va_end(ap);
	for (ms = 0; ms < slow(60000); ms += 10) {
		int status;

		read_back(cowlat.err_fd, cowlat.err, sizeof(cowlat.err));
		if (strstr(cowlat.err, ".\n\n"))
			return;
		if (waitpid(cowlat.pid, &status, WNOHANG)) {
			cowlat.pid = 0;
			fail_msg("cowlat ended: %s", cowlat.err);
		}
		usleep(10000);
	}
	fail_msg("cowlat does not begin: %s", cowlat.err);
}

/* End it as Ctrl-C does. */
static void end(void)
{
	kill(cowlat.pid, SIGINT);
	collect();
	assert_int_equal(cowlat.status, 0);
}

/* Run it to its own end. */
__attribute__((format(printf, 1, 2))) static void run(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	launch(fmt, ap);
	va_end(ap);
	collect();
}

#define FILE_PAGES 64
#define FILE_BYTES (FILE_PAGES * PAGE_BYTES)
#define FILE_NAME "/tmp/cowlat-file"

/* The mappings of FILE_NAME. */
static volatile unsigned char *maps[3];

static int restore(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		if (maps[i])
			munmap((void *)maps[i], FILE_BYTES);
	memset(maps, 0, sizeof(maps));
	unlink(FILE_NAME);
	if (cowlat.pid > 0) {
		kill(cowlat.pid, SIGKILL);
		waitpid(cowlat.pid, NULL, 0);
		cowlat.pid = 0;
	}
	cow_forget();
	if (patched())
		knobs_default();
	return 0;
}

/* A number of a JSON object: the first @key behind @from. */
static uint64_t json_u64(const char *from, const char *key)
{
	char text[64];
	const char *at;

	snprintf(text, sizeof(text), "\"%s\": ", key);
	at = from ? strstr(from, text) : NULL;
	if (!at)
		fail_msg("no %s in %s", key, cowlat.out);
	return strtoull(at + strlen(text), NULL, 10);
}

static const char *json_stage(const char *from, const char *stage)
{
	char text[64];

	snprintf(text, sizeof(text), "\"stage\": \"%s\"", stage);
	return strstr(from, text);
}

static uint64_t fault_count(void)
{
	return json_u64(json_stage(cowlat.out, "fault"), "count");
}

/* Whether this kernel has the probe; if so, it reports this stage. */
static bool have_probe(const char *probe, const char *stage)
{
	run("-d 0.01 -s %s --probe %s", stage, probe);
	if (!cowlat.status)
		return true;
	assert_int_equal(cowlat.status, 1);
	assert_non_null(strstr(cowlat.err, "this kernel does not have it\n"));
	return false;
}

/*
 * What cowlat chooses of itself: the tracepoint, or what is nearest to the copy
 * of the functions that the compiler left a symbol.
 */
static void test_choice(void **state)
{
	static const char *const probes[] = {
		"tracepoint",
		"fentry:wp_page_copy",
		"fentry:do_wp_page",
		"fentry:handle_mm_fault",
	};
	size_t i = 0;
	char by[64];

	(void)state;
	while (!have_probe(probes[i], "fault"))
		assert_true(++i < ARRAY_SIZE(probes));
	assert_true(patched() == !i);
	run("-d 0.01");
	assert_int_equal(cowlat.status, 0);
	snprintf(by, sizeof(by), "by %s...", probes[i]);
	assert_non_null(strstr(cowlat.err, by));
	print_message("# %.*s\n", (int)strcspn(cowlat.err, "\n"), cowlat.err);
}

/* Every fault that copies is counted, and none that reuses the page. */
static void test_exact(void **state)
{
	const char *probe = *state;
	struct cow cow;
	uint64_t faults;
	pid_t other;

	if (!have_probe(probe, "fault")) {
		print_message("# no %s here\n", probe);
		skip();
	}
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -p %d --probe %s", getpid(), probe);
	faults = cow_write(&cow, 0, 1);
	end();
	assert_int_equal(faults, PAGES);
	assert_int_equal(fault_count(), PAGES);
	assert_int_equal(json_u64(cowlat.out, "lost"), 0);
	assert_true(json_u64(cowlat.out, "min") > 0);
	assert_true(json_u64(cowlat.out, "min") <= json_u64(cowlat.out, "p50"));
	assert_true(json_u64(cowlat.out, "p99") <= json_u64(cowlat.out, "max"));
	assert_in_range(json_u64(cowlat.out, "avg") * PAGES,
			json_u64(cowlat.out, "sum") - PAGES,
			json_u64(cowlat.out, "sum"));
	cow_check(&cow, 0, 1);

	/* After a fork whose child has ended, no page needs a copy. */
	other = fork();
	assert_true(other >= 0);
	if (!other)
		_exit(0);
	assert_int_equal(waitpid(other, NULL, 0), other);
	begin("-j -s fault -c cow-reuse --probe %s", probe);
	prctl(PR_SET_NAME, "cow-reuse");
	faults = cow_write(&cow, 0, 1);
	prctl(PR_SET_NAME, "guest_cowlat");
	end();
	assert_int_equal(faults, PAGES);
	assert_int_equal(fault_count(), 0);
	cow_release(&cow);
}

/* The same samples, the same buckets: the same numbers as the module's. */
static void test_module(void **state)
{
	struct stage stage;
	const char *json;
	struct cow cow;

	(void)state;
	if (!patched())
		skip();
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s all -p %d", getpid());
	knob_number("pid", getpid());
	knob_set("timing", "1");
	knob_set("reset", "1");
	cow_write(&cow, 0, 1);
	knob_set("timing", "0");
	end();
	stage = stage_get("fault");
	json = json_stage(cowlat.out, "fault");
	assert_int_equal(stage.count, PAGES);
	assert_int_equal(json_u64(json, "count"), stage.count);
	assert_int_equal(json_u64(json, "avg"), stage.avg);
	assert_int_equal(json_u64(json, "min"), stage.min);
	assert_int_equal(json_u64(json, "p50"), stage.p50);
	assert_int_equal(json_u64(json, "p90"), stage.p90);
	assert_int_equal(json_u64(json, "p99"), stage.p99);
	assert_int_equal(json_u64(json, "p99.9"), stage.p999);
	assert_int_equal(json_u64(json, "max"), stage.max);
	stage = stage_get("copy");
	json = json_stage(cowlat.out, "copy");
	assert_int_equal(json_u64(json, "count"), stage.count);
	assert_int_equal(json_u64(json, "avg"), stage.avg);
	assert_int_equal(json_u64(json, "max"), stage.max);
	cow_release(&cow);
}

static void test_comm(void **state)
{
	struct cow cow;

	(void)state;
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -c cow-one");
	prctl(PR_SET_NAME, "cow-one");
	cow_write(&cow, 0, 2);
	/* One that begins alike is another. */
	prctl(PR_SET_NAME, "cow-one-more");
	cow_write(&cow, 1, 2);
	prctl(PR_SET_NAME, "guest_cowlat");
	end();
	assert_int_equal(fault_count(), PAGES / 2);
	cow_release(&cow);
}

/* Reports on the way miss nothing and count nothing twice. */
static void test_intervals(void **state)
{
	uint64_t sum = 0, reports = 0;
	struct cow cow;
	const char *at;
	size_t i;

	(void)state;
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -P -i 0.05 -p %d", getpid());
	for (i = 0; i < PAGES; i++) {
		*(volatile unsigned char *)(cow.base + i * PAGE_BYTES) = 1;
		if (i % 4 == 0)
			usleep(1000);
	}
	end();
	for (at = cowlat.out; (at = json_stage(at, "fault")); at++) {
		const char *line = strchr(at, '\n');
		const char *row = strstr(at, "\"processes\": [{");

		sum += json_u64(at, "count");
		reports++;
		/* The table has the same faults. */
		if (json_u64(at, "count")) {
			assert_non_null(row);
			assert_true(row < line);
			assert_int_equal(json_u64(row, "pid"), getpid());
			assert_int_equal(json_u64(row, "count"),
					 json_u64(at, "count"));
		}
	}
	assert_int_equal(sum, PAGES);
	assert_true(reports > 3);
	assert_int_equal(json_u64(cowlat.out, "lost"), 0);
	cow_release(&cow);
}

/* Stopped in between, it does not catch up with reports of nothing. */
static void test_stopped(void **state)
{
	unsigned int reports = 0;
	struct cow cow;
	const char *at;

	(void)state;
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -T -i 0.2 -p %d", getpid());
	kill(cowlat.pid, SIGSTOP);
	cow_write(&cow, 0, 1);
	sleep(4);
	kill(cowlat.pid, SIGCONT);
	usleep(100000);
	end();
	for (at = cowlat.out; (at = json_stage(at, "fault")); at++)
		reports++;
	assert_in_range(reports, 1, 8 * slow(1));
	assert_int_equal(json_u64(json_stage(cowlat.out, "fault"), "count"),
			 PAGES);
	/* When it was, in each report. */
	assert_ptr_equal(strstr(cowlat.out, "{\"time\": \"2"), cowlat.out);
	cow_release(&cow);
}

/* Take COW faults under a name, and again under the next one. */
static pid_t faults_under(const char *const *names)
{
	static volatile unsigned char pages[16 * PAGE_BYTES];
	pid_t pid = fork(), holder;
	size_t i;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	for (; *names; names++) {
		prctl(PR_SET_NAME, *names);
		for (i = 0; i < sizeof(pages); i += PAGE_BYTES)
			pages[i] = 1;
		holder = fork();
		if (!holder)
			for (;;)
				pause();
		for (i = 0; i < sizeof(pages); i += PAGE_BYTES)
			pages[i] = 2;
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
	_exit(0);
}

/* A process is listed under its last name, and no name reaches a terminal raw. */
static void test_names(void **state)
{
	static const char *const renamed[] = { "first", "last\"\\", NULL };
	static const char *const hostile[] = { "\033[2J\xff", NULL };
	char row[64];
	pid_t pid;

	(void)state;
	begin("-j -s fault -P");
	pid = faults_under(renamed);
	waitpid(pid, NULL, 0);
	end();
	snprintf(row, sizeof(row), "\"pid\": %d, \"comm\": \"last\\\"\\\\\"",
		 pid);
	if (!strstr(cowlat.out, row))
		fail_msg("no %s in %s", row, cowlat.out);

	begin("-s fault -P");
	pid = faults_under(hostile);
	waitpid(pid, NULL, 0);
	end();
	assert_null(strchr(cowlat.out, '\033'));
	assert_null(strstr(cowlat.out, "\xff"));
	assert_non_null(strstr(cowlat.out, " ?[2J? "));
}

/* What a shell starts is called what it is, not a shell. */
static void test_name_after_exec(void **state)
{
	char pid[32];

	(void)state;
	begin("-j -s fault -P");
	assert_int_equal(
		system("echo $$ >/tmp/cowlat-pid; v=1; v=$v$v; exec cowbench --size 2M --rounds 1 --csv >/dev/null"),
		0);
	end();
	snprintf(pid, sizeof(pid), "\"pid\": %lu, \"comm\": \"cowbench\"",
		 strtoul(file_text("/tmp/cowlat-pid"), NULL, 10));
	if (!strstr(cowlat.out, pid))
		fail_msg("no %s in %s", pid, cowlat.out);
}

/* In a pid namespace of its own, the numbers are those that people see there. */
static void test_pid_namespace(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWPID | CLONE_NEWNS))
			_exit(77);
		pid = fork();
		if (pid) {
			waitpid(pid, &status, 0);
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
		}
		if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("proc", "/proc", "proc", 0, NULL))
			_exit(2);
		dup2(open("/tmp/cowlat-ns", O_RDWR | O_CREAT | O_TRUNC, 0600),
		     STDOUT_FILENO);
		execl("/proc/self/exe", "guest_cowlat", "test_intervals", NULL);
		_exit(3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	if (status)
		fail_msg("%#x: %s", status, file_text("/tmp/cowlat-ns"));
}

/* The row of a range, by its name. */
static const char *json_range(const char *name)
{
	char text[96];

	snprintf(text, sizeof(text), "\"range\": \"%s\"", name);
	return strstr(cowlat.out, text);
}

/* The number before the row's name. */
static uint64_t range_count(const char *name)
{
	const char *at = json_range(name);

	if (!at)
		fail_msg("no range %s in %s", name, cowlat.out);
	while (at > cowlat.out && *at != '{')
		at--;
	return json_u64(at, "count");
}

static void expect_ranges(const char *probe)
{
	volatile char stack[8 * PAGE_BYTES];
	unsigned char *file, *heap;
	const char *anon;
	struct cow cow;
	pid_t holder;
	size_t i;
	int fd;

	fd = open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 16 * PAGE_BYTES), 0);
	file = mmap(NULL, 16 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    fd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	close(fd);
	heap = sbrk(32 * PAGE_BYTES);
	heap += -(uintptr_t)heap % PAGE_BYTES;
	memset(heap, 1, 16 * PAGE_BYTES);
	for (i = 0; i < sizeof(stack); i += PAGE_BYTES)
		stack[i] = 1;
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -c cow-range -a --probe %s", probe);
	holder = fork();
	assert_true(holder >= 0);
	if (!holder) {
		pause();
		_exit(0);
	}
	for (i = 0; i < 16; i++)
		(void)*(volatile unsigned char *)(file + i * PAGE_BYTES);
	prctl(PR_SET_NAME, "cow-range");
	for (i = 0; i < 16; i++) {
		*(volatile unsigned char *)(heap + i * PAGE_BYTES) = 2;
		*(volatile unsigned char *)(file + i * PAGE_BYTES) = 2;
	}
	for (i = 0; i < sizeof(stack); i += PAGE_BYTES)
		stack[i] = 2;
	for (i = 0; i < PAGES; i++)
		*(volatile unsigned char *)(cow.base + i * PAGE_BYTES) = 2;
	prctl(PR_SET_NAME, "guest_cowlat");
	end();
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	assert_int_equal(json_range("[unknown: mmap_lock was busy]"), 0);
	assert_int_equal(range_count("cowlat-file"), 16);
	assert_in_range(range_count("[heap]"), 16, 20);
	assert_in_range(range_count("[stack]"), 7, 12);
	/* Of the anonymous ranges the region paid most, and is the first. */
	anon = json_range("[anon]");
	assert_int_equal(range_count("[anon]"), PAGES);
	assert_int_equal(json_u64(anon, "start"), (uintptr_t)cow.base);
	assert_int_equal(json_u64(anon, "end"), (uintptr_t)cow.base + BYTES);
	munmap(file, 16 * PAGE_BYTES);
	unlink(FILE_NAME);
	cow_release(&cow);
}

static void test_ranges(void **state)
{
	(void)state;
	if (patched())
		expect_ranges("tracepoint");
	expect_ranges("fentry");
	expect_ranges("kprobe");
}

/* This process writes each page, and then another does. */
static void write_twice(const struct cow *cow)
{
	pid_t other;
	size_t i;

	cow_write(cow, 0, 1);
	other = fork();
	if (!other) {
		for (i = 0; i < PAGES; i++)
			*(volatile unsigned char *)(cow->base +
						    i * PAGE_BYTES) = 3;
		_exit(0);
	}
	waitpid(other, NULL, 0);
}

/* A table that is full says what it could not hold. */
static void test_lost(void **state)
{
	uint64_t lost = 0, last = 0;
	const char *line;
	struct cow cow;
	pid_t other;
	size_t i;

	(void)state;
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -P --max-rows 1");
	write_twice(&cow);
	end();
	assert_true(json_u64(cowlat.out, "lost") >= PAGES);
	/* The histogram has room for all. */
	assert_true(fault_count() >= 2 * PAGES);
	cow_release(&cow);

	/* Each report says what its own interval lost. */
	cow_share(&cow, BYTES, COW_4K);
	begin("-j -s fault -P --max-rows 1 -i %lu", slow(1));
	write_twice(&cow);
	usleep(slow(1) * 3000000UL);
	end();
	for (line = cowlat.out; *line; line = strchr(line, '\n') + 1) {
		lost += json_u64(line, "lost");
		last = json_u64(line, "lost");
	}
	assert_true(lost >= PAGES);
	assert_in_range(last, 0, 100);
	cow_release(&cow);

	begin("-s fault -P --max-rows 1");
	for (i = 0; i < 2; i++) {
		other = fork();
		if (!other)
			_exit(0);
		waitpid(other, NULL, 0);
	}
	end();
	assert_non_null(strstr(cowlat.out, " events lost\n"));
}

static void expect_narrow(const char *text)
{
	for (; *text; text += strcspn(text, "\n") + 1) {
		size_t len = strcspn(text, "\n");

		if (len > 80)
			fail_msg("%zu columns: %.*s", len, (int)len, text);
		if (!text[len])
			return;
	}
}

/* For people: stars, a line of numbers, 80 columns. */
static void test_text(void **state)
{
	static const char *const options[] = {
		"", "-u", "-m", "-P", "-a", "-T"
	};
	char count[32];
	struct cow cow;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		cow_share(&cow, BYTES, COW_4K);
		begin("-s fault -p %d %s", getpid(), options[i]);
		cow_write(&cow, 0, 1);
		end();
		cow_release(&cow);
		expect_narrow(cowlat.out);
		expect_narrow(cowlat.err);
		if (strchr("Pa", options[i][0] ? options[i][1] : ' ')) {
			snprintf(count, sizeof(count), " %zu ", PAGES);
			assert_non_null(strstr(cowlat.out, "TOTAL_ms"));
		} else {
			snprintf(count, sizeof(count), "\ncount %zu, avg ",
				 PAGES);
			assert_non_null(strstr(cowlat.out, "|**"));
			assert_non_null(strstr(cowlat.out, ", p50 "));
			assert_non_null(strstr(cowlat.out, ", p99 "));
			assert_non_null(strstr(cowlat.out, ", max "));
		}
		assert_non_null(strstr(cowlat.out, count));
	}
	run("--help");
	assert_int_equal(cowlat.status, 0);
	assert_non_null(strstr(cowlat.out, "Examples:"));
	expect_narrow(cowlat.out);
	/* Init waits for this test. */
	run("-d 0.01 -s fault -p 1");
	assert_string_equal(cowlat.out, "fault: none\n\n");
}

/* One line that says @what, and status 1. */
static void expect_error(const char *what)
{
	const char *line = strstr(cowlat.err, "cowlat: ");

	if (cowlat.status != 1 || !line || !strstr(line, what) ||
	    strchr(line, '\n') != line + strlen(line) - 1)
		fail_msg("status %d, not a line with '%s': %s", cowlat.status,
			 what, cowlat.err);
}

static void expect_bad(const char *args, const char *what)
{
	run("%s", args);
	assert_string_equal(cowlat.out, "");
	assert_ptr_equal(strstr(cowlat.err, "cowlat: "), cowlat.err);
	expect_error(what);
}

static void test_bad_options(void **state)
{
	(void)state;
	expect_bad("-p 4000000", "no such process");
	expect_bad("-p 0", "a number from 1 to ");
	expect_bad("-p x", "a number from 1 to ");
	expect_bad("-p 1x", "a number from 1 to ");
	expect_bad("-c 0123456789abcdef", "1 to 15 characters");
	expect_bad("-d 0", "expected seconds");
	expect_bad("-d nan", "expected seconds");
	expect_bad("-i 1s", "expected seconds");
	expect_bad("-s walk",
		   "fault, copy, file_fault, huge_copy, hugetlb_copy, pmd_split or all");
	expect_bad("-s fault,",
		   "fault, copy, file_fault, huge_copy, hugetlb_copy, pmd_split or all");
	expect_bad("-m -u", "exclude each other");
	expect_bad("-P -a", "exclude each other");
	expect_bad("-P -s all", "one stage");
	expect_bad("--max-rows 0", "a number from 1 to ");
	expect_bad("--max-rows 65537", "a number from 1 to ");
	expect_bad("--breakdown -p 1", "excludes --pid");
	expect_bad("-i 1 --breakdown", "excludes --interval");
	expect_bad("--breakdown -P", "excludes --processes");
	expect_bad("--breakdown --probe kprobe", "excludes --probe");
	expect_bad("--breakdown -s copy", "-s fault or -s file_fault");
	expect_bad("--breakdown -s all", "-s fault or -s file_fault");
	expect_bad("--probe magic", "unknown");
	expect_bad("--probe fentry:schedule", "unknown");
	expect_bad("everything", "unexpected argument");
	if (!patched()) {
		expect_bad("-s copy", "only the cow:* tracepoints");
		expect_bad("-s hugetlb_copy", "only the cow:* tracepoints");
		expect_bad("--probe tracepoint", "does not have it");
	}
	expect_bad("-s copy --probe kprobe:handle_mm_fault",
		   "expected -s fault,file_fault");
	expect_bad("-s file_fault --probe kprobe:__delayacct_wpcopy_start",
		   "expected -s fault");
	expect_bad("-a --probe fentry:__delayacct_wpcopy_start",
		   "does not tell the address");
}

static volatile int sleeper_tid;
static volatile bool sleeper_wanted = true;

static void *sleeper(void *unused)
{
	(void)unused;
	sleeper_tid = gettid();
	while (sleeper_wanted)
		usleep(1000);
	return NULL;
}

static void test_bad_pid(void **state)
{
	pthread_t thread;
	char args[32];
	pid_t pid;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, sleeper, NULL), 0);
	while (!sleeper_tid)
		usleep(1000);
	snprintf(args, sizeof(args), "-p %d", sleeper_tid);
	expect_bad(args, "a thread of process");
	sleeper_wanted = false;
	pthread_join(thread, NULL);

	/* One that ends meanwhile: what it did is shown first. */
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	begin("-s fault -p %d", pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	collect();
	expect_error("has ended");
	assert_non_null(strstr(cowlat.out, "fault"));
}

static void write_file(volatile unsigned char *map)
{
	size_t i;

	for (i = 0; i < FILE_BYTES; i += PAGE_BYTES)
		map[i] = 2;
}

/*
 * Write to private mappings of a file and to others, under a name for -c. Of the
 * mappings of the file, the first is not mapped before, the second is, to be read,
 * and the third is shared.
 */
static void write_file_maps(void)
{
	static const int flags[] = { MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED };
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const size_t anon_bytes = 16 * PAGE_BYTES;
	static unsigned char page[PAGE_BYTES];
	volatile unsigned char *anon;
	size_t i;

	assert_true(fd >= 0);
	for (i = 0; i < FILE_PAGES; i++)
		assert_int_equal(write(fd, page, PAGE_BYTES), PAGE_BYTES);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		maps[i] = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE,
			       flags[i], fd, 0);
		assert_ptr_not_equal(maps[i], MAP_FAILED);
	}
	close(fd);
	anon = mmap(NULL, anon_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(anon, MAP_FAILED);
	for (i = 0; i < FILE_BYTES; i += PAGE_BYTES)
		(void)maps[1][i];
	prctl(PR_SET_NAME, "cow-file");
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		write_file(maps[i]);
	for (i = 0; i < anon_bytes; i += PAGE_BYTES)
		anon[i] = 2;
	/* Once more: nothing is left to copy. */
	write_file(maps[0]);
	prctl(PR_SET_NAME, "guest_cowlat");
	munmap((void *)anon, anon_bytes);
}

/* The first write to a private file page is counted, and no other fault is. */
static void test_file_fault(void **state)
{
	const char *probe = *state;

	if (!have_probe(probe, "file_fault")) {
		print_message("# no %s here\n", probe);
		skip();
	}
	begin("-j -s file_fault -c cow-file -a --probe %s", probe);
	print_message("# %.*s\n", (int)strcspn(cowlat.err, "\n"), cowlat.err);
	write_file_maps();
	end();
	assert_int_equal(json_u64(json_stage(cowlat.out, "file_fault"),
				  "count"),
			 FILE_PAGES);
	assert_true(json_u64(cowlat.out, "min") > 0);
	assert_int_equal(json_u64(cowlat.out, "lost"), 0);
	assert_int_equal(range_count("cowlat-file"), FILE_PAGES);
	assert_int_equal(json_u64(json_range("cowlat-file"), "start"),
			 (uintptr_t)maps[0]);
}

/* One probe tells the first write to a file page from the copy of a mapped one. */
static void test_both_stages(void **state)
{
	(void)state;
	begin("-j -s fault,file_fault -c cow-file");
	write_file_maps();
	end();
	assert_int_equal(fault_count(), FILE_PAGES);
	assert_int_equal(json_u64(json_stage(cowlat.out, "file_fault"),
				  "count"),
			 FILE_PAGES);
}

static double part_ns(const char *part)
{
	char text[64];
	const char *at;

	snprintf(text, sizeof(text), "\"part\": \"%s\", \"ns\": ", part);
	at = strstr(cowlat.out, text);
	if (!at)
		fail_msg("no part %s in %s", part, cowlat.out);
	return strtod(at + strlen(text), NULL);
}

/* The parts of both kinds of fault; only one looks a page up, only one flushes. */
static void test_breakdown(void **state)
{
	(void)state;
	if (!have_probe("fentry:handle_mm_fault", "fault"))
		skip();
	run("--breakdown -j -s file_fault");
	if (cowlat.status)
		fail_msg("%s", cowlat.err);
	print_message("# %s", cowlat.out);
	assert_int_equal(json_u64(cowlat.out, "faults"), 4096);
	assert_true(part_ns("page cache") > 0);
	assert_true(part_ns("copy") > 0);
	assert_true(part_ns("map, rmap, LRU") > 0);
	assert_true(part_ns("allocation and charge") > 0);
	assert_null(strstr(cowlat.out, "TLB flush"));
	run("--breakdown -j");
	if (cowlat.status)
		fail_msg("%s", cowlat.err);
	print_message("# %s", cowlat.out);
	assert_int_equal(json_u64(cowlat.out, "faults"), 4096);
	assert_true(part_ns("TLB flush") > 0);
	assert_null(strstr(cowlat.out, "page cache"));
}

/* What is to be done in the child before cowlat is started. */
static void run_in(void (*prepare)(void), const char *args)
{
	char copy[128], *argv[32];

	snprintf(copy, sizeof(copy), "%s", args);
	split(copy, argv);
	cowlat.out_fd = memfd_create("out", MFD_CLOEXEC);
	cowlat.err_fd = memfd_create("err", MFD_CLOEXEC);
	cowlat.pid = fork();
	assert_true(cowlat.pid >= 0);
	if (!cowlat.pid) {
		dup2(cowlat.out_fd, STDOUT_FILENO);
		dup2(cowlat.err_fd, STDERR_FILENO);
		prepare();
		execvp(argv[0], argv);
		_exit(127);
	}
}

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(126);
}

static void hide_btf(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys/kernel/btf", "tmpfs", 0, NULL))
		_exit(126);
}

static void hide_symbols(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("/dev/null", "/proc/kallsyms", NULL, MS_BIND, NULL))
		_exit(126);
}

static void be_traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(126);
}

/* Let the traced process find that the kernel has no bpf(). */
static void refuse_bpf(pid_t pid)
{
	struct user_regs_struct regs;
	bool entry = true;
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (;;) {
		siginfo_t info;

		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		/* Leave its end to collect(). */
		if (waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WNOWAIT) ||
		    info.si_code == CLD_EXITED || info.si_code == CLD_KILLED)
			return;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		if (entry) {
			ptrace(PTRACE_GETREGS, pid, NULL, &regs);
			if (regs.orig_rax == SYS_bpf) {
				regs.orig_rax = -1;
				ptrace(PTRACE_SETREGS, pid, NULL, &regs);
			}
		}
		entry = !entry;
	}
}

static void test_not_root(void **state)
{
	(void)state;
	run_in(become_nobody, "-d 0.01");
	collect();
	expect_error("must be root");
}

static void test_no_btf(void **state)
{
	(void)state;
	run_in(hide_btf, "-d 0.01");
	collect();
	expect_error("has no BTF");
}

static void test_no_bpf(void **state)
{
	(void)state;
	run_in(be_traced, "-d 0.01");
	refuse_bpf(cowlat.pid);
	collect();
	expect_error("has no BPF (CONFIG_BPF_SYSCALL)");
}

static void test_no_symbols(void **state)
{
	(void)state;
	if (patched()) {
		run_in(hide_symbols, "-d 0.01 --probe fentry");
		collect();
		expect_error("does not have it");
	} else {
		run_in(hide_symbols, "-d 0.01");
		collect();
		expect_error("no probe for COW faults");
	}
}

/* How many objects of a kind BPF has. */
static unsigned int bpf_objects(enum bpf_cmd next)
{
	union bpf_attr attr = { 0 };
	unsigned int count = 0;

	while (!syscall(SYS_bpf, next, &attr, sizeof(attr))) {
		attr.start_id = attr.next_id;
		count++;
	}
	assert_int_equal(errno, ENOENT);
	return count;
}

/**
 * struct traces - what a BPF program leaves in a kernel while it is attached
 * @objects: programs, maps, BTFs, links
 * @functions: functions that are traced
 * @kprobes: characters in the list of kprobes
 * @kb: memory that the kernel itself uses and cannot reclaim
 */
struct traces {
	unsigned int objects[4];
	size_t functions;
	size_t kprobes;
	uint64_t kb;
};

/* Of the guest before cowlat's first run: what a test left is freed late. */
static struct traces before;

static void take_traces(struct traces *traces)
{
	static const enum bpf_cmd next[] = {
		BPF_PROG_GET_NEXT_ID,
		BPF_MAP_GET_NEXT_ID,
		BPF_BTF_GET_NEXT_ID,
		BPF_LINK_GET_NEXT_ID,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(next); i++)
		traces->objects[i] = bpf_objects(next[i]);
	traces->functions = strlen(file_text(TRACING "enabled_functions"));
	traces->kprobes = strlen(file_text("/sys/kernel/debug/kprobes/list"));
	traces->kb = file_field("/proc/meminfo", "SUnreclaim:") +
		     file_field("/proc/meminfo", "Percpu:") +
		     file_field("/proc/meminfo", "VmallocUsed:");
}

static int first_traces(void **state)
{
	(void)state;
	take_traces(&before);
	return 0;
}

static bool same_traces(const struct traces *a, const struct traces *b)
{
	return !memcmp(a->objects, b->objects, sizeof(a->objects)) &&
	       a->functions == b->functions && a->kprobes == b->kprobes;
}

static void cycle(unsigned int i)
{
	static const char *const probes[] = {
		"",
		"--probe fentry",
		"--probe kprobe",
		"--probe kprobe:handle_mm_fault -a",
		"--probe fentry:handle_mm_fault -P",
	};

	run("-j -d 0.01 %s", probes[i % ARRAY_SIZE(probes)]);
	assert_int_equal(cowlat.status, 0);
}

static void test_nothing_left(void **state)
{
	/* Slow elsewhere: a PREEMPT_RCU kernel takes 2 s to let a probe go. */
	const unsigned int cycles = quick() || strcmp(flavour(), "lab") ? 50 :
									  200;
	const unsigned int warm = 10;
	struct traces settled, after;
	unsigned int i, wait;
	pid_t load;

	(void)state;
	load = bench_start("--size 4M --rounds 1000000 --csv",
			   open("/dev/null", O_WRONLY | O_CLOEXEC),
			   STDERR_FILENO);
	for (i = 0; i < warm; i++)
		cycle(i);
	sleep(slow(2));
	take_traces(&settled);
	for (i = 0; i < cycles; i++)
		cycle(i);
	/* It was under load to the end. */
	assert_int_equal(waitpid(load, NULL, WNOHANG), 0);
	/* Programs and maps are freed by and by. */
	for (wait = 0; wait < slow(100); wait++) {
		take_traces(&after);
		if (same_traces(&after, &before) && after.kb < settled.kb + 512)
			break;
		usleep(100000);
	}
	kill(load, SIGKILL);
	waitpid(load, NULL, 0);
	/* cowbench's child dies with it. */
	print_message("# %u cycles: kernel memory %" PRIu64
		      " KiB, then %" PRIu64 " KiB\n",
		      cycles, settled.kb, after.kb);
	for (i = 0; i < ARRAY_SIZE(after.objects); i++)
		assert_int_equal(after.objects[i], before.objects[i]);
	assert_int_equal(after.functions, before.functions);
	assert_int_equal(after.kprobes, before.kprobes);
	assert_in_range(after.kb, 0, settled.kb + 512);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, restore, restore)
#define FILE_TEST(probe)                                                     \
	{                                                                    \
		"test_file_fault_" probe, test_file_fault, restore, restore, \
			(void *)probe                                        \
	}
#define PROBE_TEST(probe)                                          \
	{                                                          \
		"test_exact_" probe, test_exact, restore, restore, \
			(void *)probe                              \
	}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_choice),
		PROBE_TEST("tracepoint"),
		PROBE_TEST("fentry"),
		PROBE_TEST("kprobe"),
		PROBE_TEST("fentry:wp_page_copy"),
		PROBE_TEST("kprobe:wp_page_copy"),
		PROBE_TEST("fentry:do_wp_page"),
		PROBE_TEST("kprobe:do_wp_page"),
		PROBE_TEST("fentry:handle_mm_fault"),
		PROBE_TEST("kprobe:handle_mm_fault"),
		PROBE_TEST("fentry:__delayacct_wpcopy_start"),
		PROBE_TEST("kprobe:__delayacct_wpcopy_start"),
		FILE_TEST("tracepoint"),
		FILE_TEST("fentry"),
		FILE_TEST("kprobe"),
		FILE_TEST("fentry:do_cow_fault"),
		FILE_TEST("kprobe:do_cow_fault"),
		FILE_TEST("fentry:handle_mm_fault"),
		FILE_TEST("kprobe:handle_mm_fault"),
		TEST(test_both_stages),
		TEST(test_breakdown),
		TEST(test_module),
		TEST(test_comm),
		TEST(test_intervals),
		TEST(test_stopped),
		TEST(test_names),
		TEST(test_name_after_exec),
		TEST(test_pid_namespace),
		TEST(test_ranges),
		TEST(test_lost),
		TEST(test_text),
		TEST(test_bad_options),
		TEST(test_bad_pid),
		TEST(test_not_root),
		TEST(test_no_btf),
		TEST(test_no_bpf),
		TEST(test_no_symbols),
		TEST(test_nothing_left),
	};

	again_with_delays(argv);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	avoid_stale_breakpoints();
	return cmocka_run_group_tests_name("guest_cowlat", tests, first_traces,
					   NULL);
}
