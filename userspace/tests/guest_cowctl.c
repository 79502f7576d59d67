// SPDX-License-Identifier: GPL-2.0
/*
 * What each process that chose got, in the file `process` and in cowctl status;
 * cowctl top; attaching under load. Runs in the guest, with the module.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cow_mode.h"

#define PAGES 256UL
#define WINDOW 16UL

static void choose(unsigned long to)
{
	assert_int_equal(prctl(PR_SET_COW, to, 0, 0, 0), 0);
}

static int restore(void **state)
{
	(void)state;
	knobs_default();
	choose(PR_COW_DEFAULT);
	cow_forget();
	return 0;
}

static void serve(unsigned int precopy)
{
	knob_set("policy", "fixed");
	knob_number("window", WINDOW);
	knob_number("large_folio", 0);
	knob_number("precopy", precopy);
}

/* A process' line in the file `process`. */
struct counts {
	uint64_t faults;
	uint64_t copied;
	uint64_t windows;
	uint64_t neighbours;
	uint64_t reused;
	uint64_t hit;
	uint64_t wasted;
};

/* False if the process has no line. */
static bool counts_of(pid_t pid, struct counts *c)
{
	const char *line = file_text(COWLAB "process");
	int have;

	for (; line && *line; line = strchr(line, '\n'), line += !!line) {
		if (atoi(line) != pid)
			continue;
		have = sscanf(line,
			      "%*d %*s %*u faults %lu copied %lu windows %lu "
			      "neighbours %lu reused %lu hit %lu wasted %lu",
			      &c->faults, &c->copied, &c->windows,
			      &c->neighbours, &c->reused, &c->hit, &c->wasted);
		if (have != 7)
			fail_msg("%d values in: %s", have, line);
		return true;
	}
	return false;
}

/* The counters of this process for a write to every @step'th page. */
static void count_writes(size_t step, struct counts *c)
{
	struct cow cow;

	/* The LRU cache of another CPU would have references. */
	stay_on_one_cpu(true);
	choose(PR_COW_DEFAULT);
	cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
	choose(PR_COW_ON);
	assert_int_equal(cow_write(&cow, 0, step), PAGES / WINDOW);
	/* Whatever else this process writes is not counted. */
	choose(PR_COW_OFF);
	assert_true(counts_of(getpid(), c));
	cow_release(&cow);
	stay_on_one_cpu(false);
}

static void test_counters(void **state)
{
	const uint64_t windows = PAGES / WINDOW, seen = (WINDOW - 1);
	struct counts c;

	(void)state;
	serve(2);
	count_writes(1, &c);
	assert_int_equal(c.windows, windows);
	assert_int_equal(c.neighbours, windows * seen);
	assert_int_equal(c.reused, 0);
	/* The next fault judges a window: none came after the last. */
	assert_int_equal(c.hit, (windows - 1) * seen);
	assert_int_equal(c.wasted, 0);
	/* As in `stats`, while somebody listens. */
	assert_int_equal(c.faults, 0);
	assert_int_equal(c.copied, 0);

	knob_set("reset", "1");
	assert_true(counts_of(getpid(), &c));
	assert_int_equal(c.windows + c.neighbours + c.hit, 0);
	knob_set("timing", "1");
	count_writes(WINDOW, &c);
	assert_int_equal(c.windows, windows);
	assert_int_equal(c.neighbours, windows * seen);
	assert_int_equal(c.hit, 0);
	assert_int_equal(c.wasted, (windows - 1) * seen);
	assert_int_equal(c.faults, windows);
	assert_int_equal(c.copied, PAGES);
}

/* One that did not choose has no line, and leaves no counts to one that does. */
static void test_counters_default(void **state)
{
	struct counts c;
	struct cow cow;

	(void)state;
	serve(1);
	stay_on_one_cpu(true);
	cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
	assert_int_equal(cow_write(&cow, 0, 1), PAGES / WINDOW);
	stay_on_one_cpu(false);
	assert_false(counts_of(getpid(), &c));
	choose(PR_COW_OFF);
	assert_true(counts_of(getpid(), &c));
	assert_int_equal(c.windows, 0);
	cow_release(&cow);
}

/* A process that writes pages of shared memory when told to. */
struct writer {
	pid_t pid;
	int tell;
	int done;
};

/* Told 0, it ends. */
static void writer_start(struct writer *writer, unsigned char *pages)
{
	int tell[2], done[2];
	size_t i;
	char byte;

	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	writer->pid = fork();
	assert_true(writer->pid >= 0);
	if (!writer->pid) {
		while (read(tell[0], &byte, 1) == 1 && byte) {
			for (i = 0; i < PAGES; i++)
				((volatile unsigned char *)
					 pages)[i * PAGE_BYTES] = byte;
			if (write(done[1], &byte, 1) != 1)
				break;
		}
		_exit(0);
	}
	close(tell[0]);
	close(done[1]);
	writer->tell = tell[1];
	writer->done = done[0];
}

static void writer_write(const struct writer *writer)
{
	char byte = 1;

	assert_int_equal(write(writer->tell, &byte, 1), 1);
	assert_int_equal(read(writer->done, &byte, 1), 1);
}

static void writer_stop(const struct writer *writer)
{
	char byte = 0;

	assert_int_equal(write(writer->tell, &byte, 1), 1);
	close(writer->tell);
}

static void writer_end(const struct writer *writer)
{
	writer_stop(writer);
	assert_int_equal(waitpid(writer->pid, NULL, 0), writer->pid);
	close(writer->done);
}

static unsigned char *shared_pages(void)
{
	unsigned char *pages = mmap(NULL, PAGES * PAGE_BYTES,
				    PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	madvise(pages, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
	memset(pages, 7, PAGES * PAGE_BYTES);
	return pages;
}

/* Children have their own counts, and these go with them, at any moment. */
static void test_counters_exit(void **state)
{
	unsigned char *pages = shared_pages();
	struct writer writers[64];
	struct counts c;
	unsigned int i, round;

	(void)state;
	serve(2);
	choose(PR_COW_ON);
	for (round = 0; round < 8; round++) {
		for (i = 0; i < ARRAY_SIZE(writers); i++)
			writer_start(&writers[i], pages);
		for (i = 0; i < ARRAY_SIZE(writers); i++) {
			writer_write(&writers[i]);
			assert_true(counts_of(writers[i].pid, &c));
			assert_in_range(c.windows, PAGES / WINDOW, PAGES);
			if (i % 2)
				writer_end(&writers[i - 1]);
		}
		for (i = 1; i < ARRAY_SIZE(writers); i += 2)
			writer_end(&writers[i]);
		for (i = 0; i < ARRAY_SIZE(writers); i++)
			assert_false(counts_of(writers[i].pid, &c));
	}
	munmap(pages, PAGES * PAGE_BYTES);
}

/* A process may call itself anything: it has one line all the same. */
static void test_name(void **state)
{
	const char *const status[] = { "cowctl", "status", "-s", "/tmp/last",
				       NULL };
	const char *const json[] = { "cowctl", "status",    "-j",
				     "-s",     "/tmp/last", NULL };
	char out[8192], was[16];

	(void)state;
	prctl(PR_GET_NAME, was);
	prctl(PR_SET_NAME, "a\n1 on 0\"\x1b\xff");
	choose(PR_COW_OFF);
	assert_non_null(strstr(file_text(COWLAB "process"),
			       " wasted 0 a\\n1 on 0\"\x1b\xff\n"));
	assert_int_equal(run_program(status, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "  a\\n1 on 0\"??\n"));
	assert_int_equal(run_program(json, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "\"a\\\\n1 on 0\\\"??\""));
	prctl(PR_SET_NAME, was);
	unlink("/tmp/last");
}

static void test_status(void **state)
{
	const char *const status[] = { "cowctl", "status", "-s", "/tmp/last",
				       NULL };
	const char *const json[] = { "cowctl", "status",    "-j",
				     "-s",     "/tmp/last", NULL };
	char out[8192], line[128];
	struct counts c;

	(void)state;
	unlink("/tmp/last");
	serve(2);
	count_writes(1, &c);
	snprintf(line, sizeof(line),
		 "%7d off 0       %8lu %8lu %8d %8lu %8lu %8d", getpid(),
		 PAGES / WINDOW, PAGES - PAGES / WINDOW - WINDOW + 1, 0,
		 PAGES / WINDOW, PAGES - PAGES / WINDOW - WINDOW + 1, 0);
	assert_int_equal(run_program(status, out, sizeof(out)), 0);
	if (!strstr(out, line))
		fail_msg("no '%s' in: %s", line, out);
	/* Nothing since. */
	snprintf(line, sizeof(line), "%7d off 0       %8d %8d %8d %8lu",
		 getpid(), 0, 0, 0, PAGES / WINDOW);
	assert_int_equal(run_program(status, out, sizeof(out)), 0);
	if (!strstr(out, line))
		fail_msg("no '%s' in: %s", line, out);
	/* After a reset everything is new. */
	knob_set("reset", "1");
	count_writes(WINDOW, &c);
	assert_int_equal(run_program(json, out, sizeof(out)), 0);
	snprintf(line, sizeof(line), "\"wasted\":\t%lu",
		 (PAGES / WINDOW - 1) * (WINDOW - 1));
	assert_non_null(strstr(out, "\"since_last_look\""));
	if (!strstr(out, line))
		fail_msg("no '%s' in: %s", line, out);
	unlink("/tmp/last");
}

/* A process ID means what it means where it is written. */
static void test_namespace(void **state)
{
	static const char script[] =
		"cd " COWLAB " && echo '1 on 2' >process && cat process && "
		"grep COW_ /proc/self/status && "
		"! echo '4194000 on' >process && echo 2 >precopy && "
		"cowbench --rounds 1000000 --csv >/dev/null & "
		"cowctl top -j -n 2 -r 0";
	const char *const argv[] = { "unshare", "-pf", "--mount-proc",
				     "sh",	"-c",  script,
				     NULL };
	static char out[65536];
	const char *at;

	(void)state;
	/* CONFIG_PID_NS: the kernels distro and debug have it. */
	if (access("/proc/self/ns/pid", F_OK))
		skip();
	choose(PR_COW_OFF);
	if (run_program(argv, out, sizeof(out)))
		fail_msg("it said: %s", out);
	/* This process, and the shell's parent, have no number there. */
	assert_int_equal(strncmp(out, "1 on 2 faults", 13), 0);
	assert_non_null(strstr(out, "\"name\":\"cowbench\""));
	for (at = out; (at = strstr(at, "\"pid\":")); at++)
		assert_in_range(atoi(at + 6), 1, 50);
	assert_int_equal(prctl(PR_GET_COW, 0, 0, 0, 0), PR_COW_OFF);
}

/* cowctl top while it runs. */
struct top {
	pid_t pid;
	FILE *out;
};

static void top_start(struct top *top, const char *const *argv)
{
	int pipes[2];

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	top->pid = fork();
	assert_true(top->pid >= 0);
	if (!top->pid) {
		dup2(pipes[1], STDOUT_FILENO);
		execvp(argv[0], (char **)argv);
		_exit(99);
	}
	close(pipes[1]);
	top->out = fdopen(pipes[0], "r");
	assert_non_null(top->out);
}

static int top_end(struct top *top)
{
	int status;

	kill(top->pid, SIGTERM);
	assert_int_equal(waitpid(top->pid, &status, 0), top->pid);
	fclose(top->out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct seen {
	uint64_t faults;
	uint64_t pages;
	uint64_t ns;
	uint64_t hit;
	uint64_t wasted;
};

/* Read a look, and add what it says of a process. */
static void top_look(struct top *top, pid_t pid, struct seen *sum)
{
	static char line[1 << 20];
	struct seen add;
	char key[32];
	const char *at;

	assert_non_null(fgets(line, sizeof(line), top->out));
	assert_non_null(strstr(line, "\"lost\":0,"));
	snprintf(key, sizeof(key), "{\"pid\":%d,", pid);
	at = strstr(line, key);
	at = at ? strstr(at, "\"faults\":") : NULL;
	if (!at)
		return;
	assert_int_equal(sscanf(at,
				"\"faults\":%lu,\"pages\":%lu,\"ns\":%lu,"
				"\"hit\":%lu,\"wasted\":%lu",
				&add.faults, &add.pages, &add.ns, &add.hit,
				&add.wasted),
			 5);
	sum->faults += add.faults;
	sum->pages += add.pages;
	sum->ns += add.ns;
	sum->hit += add.hit;
	sum->wasted += add.wasted;
}

/* top and the module count the same: of one that chose, and of one that did not. */
static void test_top(void **state)
{
	const char *const argv[] = { "cowctl", "top", "-j", "-r", "0", NULL };
	unsigned char *pages = shared_pages();
	struct writer chose, other;
	struct seen seen = { 0 }, seen_other = { 0 };
	struct counts c;
	struct top top;
	int i;

	(void)state;
	serve(1);
	writer_start(&other, pages);
	choose(PR_COW_ON);
	writer_start(&chose, pages);
	top_start(&top, argv);
	choose(PR_COW_DEFAULT);
	top_look(&top, 0, &seen);
	knob_set("timing", "1");
	knob_set("reset", "1");
	for (i = 0; i < 2; i++) {
		writer_write(&chose);
		writer_write(&other);
		top_look(&top, chose.pid, &seen);
	}
	/* The look may have come in the middle of a write. */
	top_look(&top, chose.pid, &seen);
	assert_true(counts_of(chose.pid, &c));
	assert_in_range(c.windows, PAGES / WINDOW, PAGES);
	assert_int_equal(seen.faults, c.faults);
	assert_int_equal(seen.pages, c.copied);
	assert_int_equal(seen.hit, c.hit);
	assert_int_equal(seen.wasted, c.wasted);
	assert_true(c.hit >= PAGES / 2);
	assert_true(seen.ns);
	assert_false(counts_of(other.pid, &c));

	/* Without windows, a fault per page. */
	knob_set("precopy", "0");
	writer_end(&other);
	writer_start(&other, pages);
	writer_write(&other);
	for (i = 0; i < 2; i++)
		top_look(&top, other.pid, &seen_other);
	assert_in_range(seen_other.faults, PAGES, PAGES + 64);
	assert_int_equal(seen_other.faults, seen_other.pages);
	writer_end(&chose);
	writer_end(&other);
	assert_int_equal(top_end(&top), 0);
	munmap(pages, PAGES * PAGE_BYTES);
}

static void test_top_lines(void **state)
{
	const char *const argv[] = { "cowctl", "top", "-n", "1", NULL };
	struct bench bench;
	char out[8192], pid[32];

	(void)state;
	bench_begin(&bench, "--size 256K --rounds 1000000");
	assert_int_equal(run_program(argv, out, sizeof(out)), 0);
	kill(bench.pid, SIGTERM);
	snprintf(pid, sizeof(pid), "\n%7d ", bench.pid);
	waitpid(bench.pid, NULL, 0);
	close(bench.out_fd);
	close(bench.err_fd);
	assert_non_null(strstr(out, "processes, "));
	assert_non_null(strstr(out, "\n    PID   FAULTS/s PAGES/FAULT "));
	assert_non_null(strstr(out, "  cowbench\n"));
	if (!strstr(out, pid))
		fail_msg("no process%s in: %s", pid, out);
}

/* Read until the text came; false at the end of file. */
static bool wait_for(int fd, const char *text)
{
	static char seen[65536];
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(seen) - 1 &&
	       (n = read(fd, seen + have, sizeof(seen) - 1 - have)) > 0) {
		have += n;
		seen[have] = '\0';
		if (strstr(seen, text))
			return true;
	}
	return false;
}

static void test_top_screen(void **state)
{
	static const char *const terms[] = { "vt100", "no-such-terminal" };
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int fd, status;
	size_t i;
	pid_t pid;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(terms); i++) {
		pid = forkpty(&fd, NULL, NULL, &size);
		assert_true(pid >= 0);
		if (!pid) {
			setenv("TERM", terms[i], 1);
			execlp("cowctl", "cowctl", "top", NULL);
			_exit(99);
		}
		/* An escape sequence on a terminal whose type is known. */
		if (!i)
			assert_true(wait_for(fd, "\x1b["));
		assert_true(wait_for(fd, "PAGES/FAULT"));
		if (i)
			kill(pid, SIGINT);
		else
			assert_int_equal(write(fd, "q", 1), 1);
		while (read(fd, (char[256]){ 0 }, 256) > 0)
			;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		close(fd);
	}
}

/* Run a shell command, as another user if asked to; one line must have the text. */
static void refused(uid_t user, const char *command, const char *text)
{
	const char *const argv[] = { "sh", "-c", command, NULL };
	char *out = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	assert_ptr_not_equal(out, MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (user && (setgid(user) || setuid(user)))
			_exit(98);
		_exit(run_program(argv, out, 4096));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1 ||
	    strncmp(out, "cowctl: ", 8) || !strstr(out, text) ||
	    strchr(out, '\n') != out + strlen(out) - 1)
		fail_msg("%s: status %#x: %s", command, status, out);
	munmap(out, 4096);
}

/* Run a command that gets EPERM from /dev/kmsg, as from debugfs under lockdown. */
static int run_restricted(char **argv)
{
	prctl(PR_CAPBSET_DROP, CAP_SYSLOG);
	execvp(argv[0], argv);
	return 99;
}

static void test_refused(void **state)
{
	char command[64];
	pid_t pid;

	(void)state;
	refused(1000, "cowctl status", "run as root");
	refused(1000, "cowctl set precopy=1", "run as root");
	refused(1000, "cowctl attach 1", "run as root");
	refused(1000, "cowctl top", "CAP_PERFMON is missing");
	assert_string_equal(knob_get("precopy"), "0");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	snprintf(command, sizeof(command), "cowctl attach --on %d", pid);
	waitpid(pid, NULL, 0);
	refused(0, command, "no process");
	refused(0, "cowctl attach --on 0", "invalid PID '0'");
	refused(0, "cowctl attach --order 6 1", "invalid --order '6'");
	refused(0, "cowctl top -i 0", "invalid --interval '0'");
	refused(0, "cowctl top -n 0", "invalid --count '0'");
	refused(0, "cowctl top 1", "unexpected argument '1'");
	refused(0, "cowctl nonsense", "no command 'nonsense'");
	refused(0, "cowctl status -d /nonexistent", "insmod cowlab.ko");
	/* A kernel that is locked down refuses even root to open the files. */
	file_set("/proc/sys/kernel/dmesg_restrict", "1");
	refused(0,
		"exec unshare -m sh -c 'mount -t tmpfs none /sys && "
		"mkdir -p /sys/kernel/security /sys/kernel/debug/cowlab && "
		"cd /sys/kernel && "
		"echo none [integrity] >security/lockdown && "
		": >debug/cowlab/stats && "
		"mount -o bind /dev/kmsg debug/cowlab/stats && "
		"exec /tests/guest_cowctl --restricted cowctl status'",
		"stats: the kernel is locked down");
	file_set("/proc/sys/kernel/dmesg_restrict", "0");
}

#define CONF "/tmp/cowlab.conf"

static void conf(const char *text)
{
	FILE *file = fopen(CONF, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* What cowlab.service does. */
static void test_apply(void **state)
{
	const char *const argv[] = { "cowctl", "apply", CONF, NULL };
	char out[4096];

	(void)state;
	conf("# knobs\n\n  window=8\t# pages\nprecopy=2\npolicy=fixed");
	assert_int_equal(run_program(argv, out, sizeof(out)), 0);
	assert_string_equal(out, "");
	assert_string_equal(knob_get("window"), "8");
	assert_string_equal(knob_get("precopy"), "2");
	assert_non_null(strstr(knob_get("policy"), "[fixed]"));

	conf("window=16\nprecopy=3\n");
	refused(0, "cowctl apply " CONF, "precopy does not accept '3'");
	assert_string_equal(knob_get("window"), "8");
	conf("window=16\nnonsense=1\n");
	refused(0, "cowctl apply " CONF, "no knob 'nonsense'");
	conf("window=16\nwindow = 32\n");
	refused(0, "cowctl apply " CONF, CONF ":2: invalid 'window = 32'");
	refused(0, "cowctl apply /nonexistent", "No such file");
	assert_string_equal(knob_get("window"), "8");
	unlink(CONF);
}

/* top needs no BTF. */
static void test_top_without_btf(void **state)
{
	static const char script[] =
		"mount -t tmpfs none /sys/kernel/btf && "
		"[ ! -e /sys/kernel/btf/vmlinux ] && cowctl top -n 1";
	const char *const argv[] = { "unshare", "-m", "sh", "-c", script, NULL };
	char out[8192];

	(void)state;
	assert_int_equal(run_program(argv, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "processes, "));
}

/* Nor the module: then nobody tells what was wasted. */
static void test_top_without_module(void **state)
{
	const char *const argv[] = { "cowctl", "top", "-n", "1",
				     "-j",     "-r",  "0",  NULL };
	char out[65536];
	struct bench bench;
	int fd, ret;

	(void)state;
	if (syscall(SYS_delete_module, "cowlab", O_NONBLOCK))
		fail_msg("cannot unload: %s", strerror(errno));
	bench_begin(&bench, "--size 256K --rounds 1000000");
	ret = run_program(argv, out, sizeof(out));
	kill(bench.pid, SIGTERM);
	waitpid(bench.pid, NULL, 0);
	close(bench.out_fd);
	close(bench.err_fd);
	refused(0, "cowctl status", "insmod cowlab.ko");
	conf("window=16\n");
	refused(0, "cowctl apply " CONF,
		"no module cowlab for this kernel: install cowlab-modules-");
	unlink(CONF);
	fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	assert_int_equal(syscall(SYS_finit_module, fd, "", 0), 0);
	close(fd);
	assert_int_equal(ret, 0);
	assert_non_null(strstr(out, "\"name\":\"cowbench\""));
	assert_non_null(strstr(out, "\"hit\":null,\"wasted\":null"));
}

/* Two processes side by side: the one that is not served takes each fault. */
static void test_side_by_side(void **state)
{
	static const struct {
		unsigned int precopy;
		unsigned long other;
	} cases[] = { { 1, PR_COW_OFF },
		      { 2, PR_COW_DEFAULT },
		      { 2, PR_COW_OFF } };
	static const char *const policies[] = { "fixed", "adaptive" };
	static const char args[] = "--size 4M --rounds 1";
	struct bench base, on, other;
	size_t i, j;

	(void)state;
	bench_run(&base, args);
	assert_true(base.rows[0].faults >= base.rows[0].touched);
	for (j = 0; j < ARRAY_SIZE(policies); j++)
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			serve(cases[i].precopy);
			knob_set("policy", policies[j]);
			choose(PR_COW_ON);
			bench_begin(&on, args);
			choose(cases[i].other);
			bench_begin(&other, args);
			choose(PR_COW_DEFAULT);
			bench_end(&on);
			bench_end(&other);
			assert_int_equal(on.status, 0);
			assert_int_equal(other.status, 0);
			assert_in_range(on.rows[0].faults, 1,
					on.rows[0].touched / 8);
			assert_int_equal(other.rows[0].faults,
					 base.rows[0].faults);
			assert_int_equal(other.rows[0].copied,
					 base.rows[0].copied);
		}
}

#define ATTACHES 200

/* Processes that come and go are attached and detached; nothing is left. */
static void test_attach_under_load(void **state)
{
	static const char *const modes[] = { "on", "off", "default", "on 2",
					     "on 1" };
	static const char args[] =
		"--csv --size 256K --rounds 1000000 --writer both --pattern seq";
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	unsigned char *pages = shared_pages();
	char text[64], command[64], out[256];
	const char *const cowctl[] = { "sh", "-c", command, NULL };
	unsigned int i, j, attached = 0;
	struct writer brief;
	uint64_t deadline;
	pid_t pids[2];
	int status;

	(void)state;
	serve(2);
	knob_number("large_folio", 1);
	for (j = 0; j < ARRAY_SIZE(pids); j++)
		pids[j] = bench_start(args, null, null);
	for (i = 0; i < ATTACHES; i++) {
		writer_start(&brief, pages);
		for (j = 0; j < ARRAY_SIZE(pids); j++) {
			snprintf(text, sizeof(text), "%d %s", pids[j],
				 modes[(i + j) % ARRAY_SIZE(modes)]);
			assert_int_equal(
				knob_write("process", text, strlen(text)), 0);
		}
		snprintf(text, sizeof(text), "%d on", brief.pid);
		assert_int_equal(knob_write("process", text, strlen(text)), 0);
		writer_write(&brief);
		writer_stop(&brief);
		/* It is ending meanwhile. */
		snprintf(text, sizeof(text), "%d default", brief.pid);
		status = -knob_write("process", text, strlen(text));
		assert_true(!status || status == ESRCH);
		attached += !!strstr(file_text(COWLAB "process"), " on ");
		assert_int_equal(waitpid(brief.pid, NULL, 0), brief.pid);
		close(brief.done);
		if (i % 20)
			continue;
		snprintf(command, sizeof(command), "cowctl attach --%s %d %d",
			 i % 40 ? "on" : "off", pids[0], pids[1]);
		assert_int_equal(run_program(cowctl, out, sizeof(out)), 0);
	}
	assert_true(attached);
	deadline = now_ns() + slow(10) * 1000000000ULL;
	for (j = 0; j < ARRAY_SIZE(pids); j++) {
		snprintf(text, sizeof(text), "%d default", pids[j]);
		assert_int_equal(knob_write("process", text, strlen(text)), 0);
		/* It would have ended with a wrong byte. */
		assert_int_equal(waitpid(pids[j], &status, WNOHANG), 0);
		kill(pids[j], SIGTERM);
		assert_int_equal(waitpid(pids[j], &status, 0), pids[j]);
		assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
	}
	/* Their children, which inherited a choice, end with them. */
	while (*file_text(COWLAB "process")) {
		assert_true(now_ns() < deadline);
		usleep(10000);
	}
	munmap(pages, PAGES * PAGE_BYTES);
	close(null);
}

/* Under CLOCK=icount a nanosecond is an instruction. */
static void icount_only(void)
{
	const char *clock = getenv("COW_clock");

	if (!clock || strcmp(clock, "icount"))
		skip();
}

#define COST_PAGES 4096UL
#define COST_ROUNDS 5

/*
 * What a page costs this process, in thousandths of an instruction: the least of some
 * rounds. The timer, and the lists of free pages, only ever add.
 */
static uint64_t cost_per_page(void)
{
	uint64_t cost, least = UINT64_MAX;
	struct timespec from, to;
	struct cow cow;
	int i;

	for (i = 0; i < COST_ROUNDS; i++) {
		cow_share(&cow, COST_PAGES * PAGE_BYTES, COW_4K);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		assert_int_equal(cow_write(&cow, 0, 1), COST_PAGES);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		cow_release(&cow);
		cost = ((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec -
			from.tv_nsec) *
		       1000 / COST_PAGES;
		least = cost < least ? cost : least;
	}
	return least;
}

/* Beside one that is served, one that is not pays at most 1.002 of baseline's. */
static void test_cost_beside(void **state)
{
	static const char args[] = "--csv --size 4M --rounds 1000000";
	static const char *const policies[] = { "fixed", "adaptive" };
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t base, cost;
	unsigned int precopy;
	size_t i;
	pid_t served;

	(void)state;
	icount_only();
	choose(PR_COW_ON);
	served = bench_start(args, null, null);
	choose(PR_COW_DEFAULT);
	cost_per_page();
	base = cost_per_page();
	for (i = 0; i < ARRAY_SIZE(policies); i++)
		for (precopy = 1; precopy <= 2; precopy++) {
			serve(precopy);
			knob_set("policy", policies[i]);
			choose(precopy == 1 ? PR_COW_OFF : PR_COW_DEFAULT);
			cost = cost_per_page();
			choose(PR_COW_DEFAULT);
			print_message(
				"# %s, precopy %u: %lu of %lu per page, in 1/1000 of an instruction\n",
				policies[i], precopy, cost, base);
			assert_in_range(cost * 1000, 0, base * 1002);
		}
	kill(served, SIGTERM);
	waitpid(served, NULL, 0);
	close(null);
}

/* The cost of top with 1000 processes that each take ten faults per second. */
#define CROWD 1000
#define CROWD_SECONDS 3
#define LOOKS 2

static uint64_t ns_of(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) *
		       1000000000ULL +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000ULL;
}

/* The most processes in a look. */
static int most(const char *out)
{
	const char *at = out;
	int n, max = 0;

	while ((at = strstr(at, " s: "))) {
		at += 4;
		n = atoi(at);
		max = n > max ? n : max;
	}
	return max;
}

/* The CPU time of the crowd; of top, if it runs beside it for @looks. */
static uint64_t crowd(unsigned int looks, uint64_t *top_ns)
{
	char count[16];
	const char *const argv[] = { "cowctl", "top", "-n", count, NULL };
	unsigned char *pages = shared_pages();
	static pid_t pids[CROWD];
	static char out[65536];
	struct rusage usage;
	uint64_t sum = 0;
	unsigned int i, n;
	pid_t top;

	for (n = 0; n < CROWD; n++) {
		pids[n] = fork();
		assert_true(pids[n] >= 0);
		if (!pids[n]) {
			for (i = 0; i < CROWD_SECONDS * 10; i++) {
				usleep(100000);
				((volatile unsigned char *)
					 pages)[i * PAGE_BYTES] = i;
			}
			_exit(0);
		}
	}
	top = looks ? fork() : 0;
	assert_true(top >= 0);
	if (looks && !top) {
		snprintf(count, sizeof(count), "%u", looks);
		_exit(run_program(argv, out, sizeof(out)) || most(out) < CROWD);
	}
	for (n = 0; n < CROWD; n++) {
		assert_int_equal(wait4(pids[n], NULL, 0, &usage), pids[n]);
		sum += ns_of(&usage);
	}
	if (looks) {
		int status;

		assert_int_equal(wait4(top, &status, 0, &usage), top);
		*top_ns = ns_of(&usage);
		assert_int_equal(status, 0);
	}
	munmap(pages, PAGES * PAGE_BYTES);
	return sum;
}

static void test_cost_of_top(void **state)
{
	const char *const argv[] = { "cowctl", "top", "-n", "1", NULL };
	uint64_t with, without, start, looks, look, traced;
	struct rusage usage;
	char out[8192];
	pid_t pid;

	(void)state;
	icount_only();
	/* Its start, and a look at next to nothing. */
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(run_program(argv, out, sizeof(out)));
	assert_int_equal(wait4(pid, NULL, 0, &usage), pid);
	start = ns_of(&usage);
	/* The first crowd pays for memory that the second one has at hand. */
	with = crowd(LOOKS, &looks);
	without = crowd(0, NULL);
	look = (looks > start ? looks - start : 0) / LOOKS;
	traced = (with > without ? with - without : 0) / CROWD_SECONDS;
	print_message(
		"# a second of top, in instructions: a look %lu, tracing at most %lu; the crowd itself %lu\n",
		look, traced, without / CROWD_SECONDS);
	/* Of the 10^9 instructions of a second. */
	assert_in_range(look + traced, 1, 20000000);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, restore, restore)

/* An argument chooses tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counters),
		TEST(test_counters_default),
		TEST(test_counters_exit),
		TEST(test_name),
		TEST(test_status),
		TEST(test_namespace),
		TEST(test_top),
		TEST(test_top_lines),
		TEST(test_top_screen),
		TEST(test_top_without_btf),
		TEST(test_cost_beside),
		TEST(test_cost_of_top),
		TEST(test_apply),
		TEST(test_refused),
		TEST(test_side_by_side),
		TEST(test_attach_under_load),
		TEST(test_top_without_module),
	};

	if (argc > 2 && !strcmp(argv[1], "--restricted"))
		return run_restricted(argv + 2);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_cowctl", tests, NULL, NULL);
}
