// SPDX-License-Identifier: GPL-2.0
/*
 * Policies in BPF: cowctl policy and record, for whom a policy is, windows with
 * holes, what programs may call, what is refused, loading and unloading under load.
 * Where the kernel keeps no types of modules, that cowctl says so.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "common/cow_mode.h"

#define PAGES 256UL
#define OURS "/lib/cowlab/policies/"
#define THEIRS "/tests/policies/"

/* Where struct cow_policy_ops has the PIDs and the name. */
#define PIDS_AT 28
#define NAME_AT (PIDS_AT + 16 * 4)

static char said[1 << 16];

/* Run a command of the shell; what it says is in @said. Return: its status. */
__attribute__((format(printf, 1, 2))) static int shell(const char *fmt, ...)
{
	char command[1024];
	size_t have = 0;
	va_list ap;
	FILE *pipe;
	int n;

	n = snprintf(command, sizeof(command), "exec 2>&1; ");
	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - n, fmt, ap);
	va_end(ap);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	have = fread(said, 1, sizeof(said) - 1, pipe);
	said[have] = '\0';
	n = pclose(pipe);
	return WIFEXITED(n) ? WEXITSTATUS(n) : 128 + WTERMSIG(n);
}

static void expect_ok(int status)
{
	if (status || *said)
		fail_msg("status %d: %s", status, said);
}

static void load(const char *folder, const char *name)
{
	expect_ok(shell("cowctl policy load %s%s.bpf.o", folder, name));
}

static void load_for(const char *folder, const char *name, const char *pids)
{
	expect_ok(shell("cowctl policy load %s%s.bpf.o --pid %s", folder, name,
			pids));
}

static void unload(const char *name)
{
	expect_ok(shell("cowctl policy unload %s", name));
}

/* The n-th number of a policy's line: calls, windows, clamped, avg_ns, max_ns. */
static uint64_t listed(const char *name, unsigned int n)
{
	const char *at = file_text(COWLAB "bpf");
	size_t len = strlen(name);

	while (at && (strncmp(at, name, len) || at[len] != ' ')) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		fail_msg("%s is not listed", name);
	for (n += 2; n--;)
		at = strchr(at, ' ') + 1;
	return strtoull(at, NULL, 10);
}

static bool possible(void)
{
	if (!access(COWLAB "bpf", F_OK))
		return true;
	print_message("# skipped: this kernel keeps no types of modules\n");
	skip();
	return false;
}

static int begin(void **state)
{
	(void)state;
	knobs_default();
	knob_set("policy", "next");
	knob_number("window", 16);
	knob_number("large_folio", 0);
	knob_number("precopy", 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	shell("for pin in /sys/fs/bpf/cowlab/*; do [ ! -e $pin ] || cowctl policy unload ${pin##*/}; done");
	knobs_default();
	prctl(PR_SET_COW, PR_COW_DEFAULT, 0, 0, 0);
	cow_forget();
	return 0;
}

/* The faults that a write to each page of fresh shared memory takes. */
static uint64_t faults(void)
{
	struct cow cow;
	uint64_t n;

	cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
	n = cow_write(&cow, 0, 1);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
	return n;
}

static void test_no_btf(void **state)
{
	(void)state;
	if (!access(COWLAB "bpf", F_OK)) {
		skip();
		return;
	}
	assert_int_equal(shell("cowctl policy load " OURS "next.bpf.o"), 1);
	assert_non_null(strstr(said, "takes no policies in BPF"));
	assert_int_equal(shell("cowctl policy list"), 1);
	assert_int_equal(shell("cowctl record"), 1);
	assert_non_null(strstr(said, "takes no policies in BPF"));
}

static void test_load(void **state)
{
	(void)state;
	if (!possible())
		return;
	assert_int_equal(shell("cowctl policy list"), 0);
	assert_string_equal(said, "");
	assert_int_equal(faults(), PAGES / 2);
	load(OURS, "fixed");
	assert_int_equal(faults(), PAGES / 16);
	assert_int_equal(shell("cowctl policy list"), 0);
	assert_non_null(strstr(said, "\nfixed "));
	assert_int_equal(shell("cowctl policy list --json"), 0);
	assert_non_null(strstr(said, "\"name\":\t\"fixed\""));
	assert_non_null(strstr(said, "\"for\":\t\"all\""));
	assert_true(listed("fixed", 0) >= PAGES / 16);
	assert_int_equal(listed("fixed", 2), 0);
	unload("fixed");
	assert_int_equal(faults(), PAGES / 2);
	assert_string_equal(file_text(COWLAB "bpf"), "");
	/* The master switch. */
	knob_number("precopy", 0);
	assert_int_equal(shell("cowctl policy load " OURS "fixed.bpf.o"), 0);
	assert_non_null(strstr(said, "windows serve nobody"));
	assert_int_equal(faults(), PAGES);
}

/* Each of ours: what it serves, and that the bytes are right. */
static void test_policies(void **state)
{
	static const struct {
		const char *name;
		uint64_t faults;
	} ours[] = {
		/* One fault, then windows of 2, 4, 8, 16 pages. */
		{ "next", PAGES / 2 },	      { "fixed", PAGES / 16 },
		{ "stream", 4 + PAGES / 16 }, { "stride", 5 + PAGES / 16 },
		{ "record", PAGES },
	};
	uint64_t n;
	size_t i;

	(void)state;
	if (!possible())
		return;
	for (i = 0; i < ARRAY_SIZE(ours); i++) {
		load(OURS, ours[i].name);
		n = faults();
		if (n > ours[i].faults || n < ours[i].faults - 3)
			fail_msg("%s: %lu faults instead of %lu", ours[i].name,
				 n, ours[i].faults);
		unload(ours[i].name);
	}
}

/* stream falls, too, and opens nothing for a sparse writer. */
static void test_stream(void **state)
{
	struct bench bench;

	(void)state;
	if (!possible())
		return;
	load(OURS, "stream");
	bench_run(&bench, "--size 4M --pattern rev");
	assert_int_equal(bench.status, 0);
	assert_true(bench.rows[0].faults < 100);
	assert_int_equal(bench.rows[0].wasted, 0);
	bench_run(&bench, "--size 4M --pattern sparse8");
	assert_int_equal(bench.status, 0);
	assert_int_equal(bench.rows[0].wasted, 0);
	assert_int_equal(bench.rows[0].faults, bench.rows[0].count);
}

/* Windows with holes: nothing is copied between. */
static void test_stride(void **state)
{
	static const unsigned int strides[] = { 2, 3, 5, 8, 21 };
	struct bench bench;
	size_t i;

	(void)state;
	if (!possible())
		return;
	knob_number("window", 32);
	load(OURS, "stride");
	for (i = 0; i < ARRAY_SIZE(strides); i++) {
		bench_run(&bench, "--size 4M --pattern stride%u", strides[i]);
		assert_int_equal(bench.status, 0);
		assert_int_equal(bench.rows[0].wasted, 0);
		assert_int_equal(bench.rows[0].copied, bench.rows[0].count);
		/* 64 / stride pages a window, but for the first windows. */
		if (bench.rows[0].faults >
		    16 + bench.rows[0].count / (64 / strides[i]))
			fail_msg("stride %u: %lu faults", strides[i],
				 bench.rows[0].faults);
	}
}

static bool is_new(const struct cow *cow, size_t page)
{
	uint64_t entry;

	read_entries("/proc/self/pagemap",
		     (uintptr_t)cow->base / PAGE_BYTES + page, &entry, 1);
	/* Bit 56: mapped by nobody else. */
	return entry >> 56 & 1;
}

/* Exactly the pages of the mask; what served() and the other functions say. */
static void test_mask(void **state)
{
	struct bpf_object *object;
	const uint64_t *numbers;
	struct bpf_link *link;
	struct bpf_map *map;
	struct cow cow;
	size_t size, i;
	char *pids;

	(void)state;
	if (!possible())
		return;
	knob_number("window", 64);
	object = bpf_object__open_file(THEIRS "served.bpf.o", NULL);
	assert_non_null(object);
	map = bpf_object__find_map_by_name(object, "served");
	assert_non_null(map);
	pids = bpf_map__initial_value(map, &size);
	*(uint32_t *)(pids + PIDS_AT) = getpid();
	assert_int_equal(bpf_object__load(object), 0);
	cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
	link = bpf_map__attach_struct_ops(map);
	assert_non_null(link);
	for (i = 0; i < 4; i++)
		cow.base[(16 + 2 * i) * PAGE_BYTES] ^= 1;
	for (i = 8; i < 32; i++)
		assert_int_equal(is_new(&cow, i),
				 i >= 16 && i < 24 && i % 2 == 0);
	/* Its own page is served although the mask does not have it. */
	cow.base[33 * PAGE_BYTES] ^= 1;
	for (i = 32; i < 40; i++)
		assert_int_equal(is_new(&cow, i), i % 2 == 0 || i == 33);
	map = bpf_object__find_map_by_name(object, ".bss");
	numbers = bpf_map__initial_value(map, &size);
	assert_true(numbers[0] >= 2);
	assert_true(numbers[1] >= 4 + 5);
	assert_int_equal(numbers[2], 0x57);
	assert_int_equal(numbers[3], 255);
	assert_int_equal(numbers[4], 0);
	assert_int_equal(numbers[5], 64);
	assert_int_equal(numbers[6], 0);
	assert_int_equal(numbers[7], PR_COW_DEFAULT);
	/* The page was present, but served() may not look. */
	assert_int_equal(numbers[8], 0);
	bpf_link__destroy(link);
	bpf_object__close(object);
	cow_release(&cow);
}

static uint64_t folios(unsigned int kb)
{
	char path[128];

	snprintf(path, sizeof(path),
		 THP "hugepages-%ukB/stats/anon_fault_alloc", kb);
	return strtoull(file_text(path), NULL, 10);
}

static void sizes(const char *when)
{
	unsigned int kb;
	char path[128];

	for (kb = 16; kb <= 128; kb *= 2) {
		snprintf(path, sizeof(path), THP "hugepages-%ukB/enabled", kb);
		file_set(path, when);
	}
}

/* More pages than one batch has; a large folio where a block has no holes. */
static void test_holes(void **state)
{
	const uint64_t mask = 0x77777777ffff1111;
	uint64_t before[4], i, large;
	struct cow cow;

	(void)state;
	if (!possible())
		return;
	knob_number("window", 64);
	load(THEIRS, "holes");
	sizes("madvise");
	for (large = 0; large < 2; large++) {
		knob_number("large_folio", large);
		cow_share(&cow, PAGES * PAGE_BYTES, COW_4K);
		assert_int_equal(madvise(cow.base, cow.bytes, MADV_HUGEPAGE),
				 0);
		for (i = 0; i < 4; i++)
			before[i] = folios(16 << i);
		cow.base[(64 + 40) * PAGE_BYTES] ^= 1;
		for (i = 0; i < 64; i++)
			if (is_new(&cow, 64 + i) != (mask >> i & 1))
				fail_msg("page %lu, large_folio %lu", i, large);
		for (i = 0; i < 4; i++)
			assert_int_equal(folios(16 << i) - before[i],
					 large && i == 2);
		cow.base[(64 + 40) * PAGE_BYTES] ^= 1;
		cow_release(&cow);
	}
	sizes("never");
}

/*
 * A process that measures itself: the faults of 64 writes. It may call none of the
 * functions above, which end the test.
 */
static uint64_t own_faults(void)
{
	size_t bytes = 64 * PAGE_BYTES, i;
	struct rusage before, after;
	unsigned char *p;
	pid_t holder;

	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		_exit(1);
	holder = fork();
	if (!holder) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	/* The page of the stack, and those of the C library. */
	getrusage(RUSAGE_SELF, &before);
	getrusage(RUSAGE_SELF, &after);
	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < 64; i++)
		((volatile unsigned char *)p)[i * PAGE_BYTES] = 1;
	getrusage(RUSAGE_SELF, &after);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	munmap(p, bytes);
	return after.ru_minflt - before.ru_minflt;
}

struct helper {
	pid_t pid;
	int ask;
	int answer;
};

/* 'm': measure; 'c': have a child measure; 'o', 'd': opt out, back. */
static void helper_main(int ask, int answer)
{
	uint64_t n;
	char what;

	while (read(ask, &what, 1) == 1) {
		int pipes[2];

		n = 0;
		switch (what) {
		case 'm':
			n = own_faults();
			break;
		case 'c':
			if (pipe(pipes))
				_exit(1);
			if (!fork()) {
				n = own_faults();
				_exit(write(pipes[1], &n, 8) != 8);
			}
			close(pipes[1]);
			if (read(pipes[0], &n, 8) != 8)
				_exit(1);
			close(pipes[0]);
			wait(NULL);
			break;
		case 'o':
			prctl(PR_SET_COW, PR_COW_OFF, 0, 0, 0);
			break;
		case '+':
			prctl(PR_SET_COW, PR_COW_ON, 0, 0, 0);
			break;
		}
		if (write(answer, &n, 8) != 8)
			_exit(1);
	}
	_exit(0);
}

static void helper_start(struct helper *helper)
{
	int ask[2], answer[2];

	assert_int_equal(pipe2(ask, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	helper->pid = fork();
	assert_true(helper->pid >= 0);
	if (!helper->pid) {
		close(ask[1]);
		close(answer[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		helper_main(ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	helper->ask = ask[1];
	helper->answer = answer[0];
}

static uint64_t helper_ask(const struct helper *helper, char what)
{
	uint64_t n;

	assert_int_equal(write(helper->ask, &what, 1), 1);
	assert_int_equal(read(helper->answer, &n, 8), 8);
	return n;
}

/* The memory may begin within a window, and the process fault elsewhere, too. */
static void expect_faults(uint64_t n, uint64_t wanted)
{
	assert_in_range(n, wanted, wanted + 4);
}

static void helper_end(struct helper *helper)
{
	/* Others may have inherited the pipe: its end would not be seen. */
	kill(helper->pid, SIGKILL);
	close(helper->ask);
	close(helper->answer);
	assert_int_equal(waitpid(helper->pid, NULL, 0), helper->pid);
}

/* A policy for processes: these and their children, and nobody else. */
static void test_pid(void **state)
{
	struct helper one, other;
	char text[64];

	(void)state;
	if (!possible())
		return;
	helper_start(&one);
	helper_start(&other);
	expect_faults(helper_ask(&one, 'm'), 64 / 2);
	snprintf(text, sizeof(text), "%d", one.pid);
	load_for(OURS, "fixed", text);
	assert_non_null(strstr(file_text(COWLAB "bpf"), text));
	expect_faults(helper_ask(&one, 'm'), 64 / 16);
	expect_faults(helper_ask(&one, 'c'), 64 / 16);
	expect_faults(helper_ask(&other, 'm'), 64 / 2);
	assert_int_equal(faults(), PAGES / 2);
	/* A policy for everybody comes after it. */
	load(OURS, "record");
	expect_faults(helper_ask(&one, 'm'), 64 / 16);
	expect_faults(helper_ask(&other, 'm'), 64);
	unload("fixed");
	expect_faults(helper_ask(&one, 'm'), 64);
	unload("record");
	expect_faults(helper_ask(&one, 'm'), 64 / 2);
	/* Several processes; precopy and the process' own choice stay. */
	snprintf(text, sizeof(text), "%d,%d", one.pid, other.pid);
	load_for(OURS, "fixed", text);
	expect_faults(helper_ask(&one, 'm'), 64 / 16);
	expect_faults(helper_ask(&other, 'm'), 64 / 16);
	knob_number("precopy", 2);
	expect_faults(helper_ask(&one, 'm'), 64);
	helper_ask(&one, '+');
	expect_faults(helper_ask(&one, 'm'), 64 / 16);
	knob_number("precopy", 1);
	helper_ask(&other, 'o');
	expect_faults(helper_ask(&other, 'm'), 64);
	helper_end(&one);
	helper_end(&other);
	unload("fixed");
}

/* Children that run already are served; exec() keeps the policy. */
static void test_pid_children(void **state)
{
	struct helper child;
	struct bench bench;
	char text[32];

	(void)state;
	if (!possible())
		return;
	helper_start(&child);
	snprintf(text, sizeof(text), "%d", getpid());
	load_for(OURS, "fixed", text);
	expect_faults(helper_ask(&child, 'm'), 64 / 16);
	bench_run(&bench, "--size 1M --pattern seq");
	assert_int_equal(bench.status, 0);
	assert_int_equal(bench.rows[0].faults, 256 / 16);
	helper_end(&child);
	unload("fixed");
	bench_run(&bench, "--size 1M --pattern seq");
	assert_int_equal(bench.rows[0].faults, 256 / 2);
}

static void refuse(int status, const char *message)
{
	if (status != 1 || !strstr(said, message))
		fail_msg("status %d, not '%s': %s", status, message, said);
}

static void test_two(void **state)
{
	struct helper helper;

	(void)state;
	if (!possible())
		return;
	helper_start(&helper);
	load(OURS, "stream");
	refuse(shell("cowctl policy load " OURS "stream.bpf.o"),
	       "policy 'stream' is loaded already");
	refuse(shell("cowctl policy load " OURS "fixed.bpf.o"),
	       "a policy for everybody is loaded already");
	expect_ok(shell("cowctl policy load --pid %d " OURS "fixed.bpf.o",
			helper.pid));
	refuse(shell("cowctl policy load --pid %d " OURS "next.bpf.o",
		     helper.pid),
	       "one of the processes has a policy already");
	/* Nothing was changed. */
	expect_faults(helper_ask(&helper, 'm'), 64 / 16);
	unload("fixed");
	unload("stream");
	helper_end(&helper);
}

static void test_bad(void **state)
{
	static const struct {
		const char *options;
		const char *file;
		const char *message;
	} bad[] = {
		{ "", THEIRS "unsafe.bpf.o", "only read is supported" },
		{ "", THEIRS "unsafe.bpf.o",
		  "the kernel refused its programs" },
		{ "", THEIRS "sleepable.bpf.o", "unsupported member window" },
		{ "", THEIRS "loop.bpf.o", "bpf_loop" },
		{ "", THEIRS "no_window.bpf.o", "a policy needs window()" },
		{ "", THEIRS "flags.bpf.o", "COW_POLICY_NEAR" },
		{ "", THEIRS "no_name.bpf.o", "the policy's name must be" },
		{ "", THEIRS "no_link.bpf.o", "not .struct_ops" },
		{ "", THEIRS "no_policy.bpf.o", "no policy: no struct" },
		{ "", "/bin/cowctl", "no object file" },
		{ "", "/etc/jobs.sh", "no object file" },
		{ "", "/none", "No such file or directory" },
		{ "", "", "expected FILE" },
		{ "", OURS "next.bpf.o " OURS "fixed.bpf.o", "one FILE" },
		{ "--pid 4194304", OURS "next.bpf.o", "does not exist" },
		{ "--pid 2", OURS "next.bpf.o", "does not exist" },
		{ "--pid 0", OURS "next.bpf.o", "invalid --pid" },
		{ "--pid 1,x", OURS "next.bpf.o", "invalid --pid" },
		{ "--pid 1,,2", OURS "next.bpf.o", "invalid --pid" },
		{ "--pid 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
		  OURS "next.bpf.o", "invalid --pid" },
	};
	int status;
	size_t i;
	pid_t pid;

	(void)state;
	if (!possible())
		return;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		refuse(shell("cowctl policy load %s %s", bad[i].options,
			     bad[i].file),
		       bad[i].message);
		assert_string_equal(file_text(COWLAB "bpf"), "");
	}
	refuse(shell("cowctl policy unload none"), "no policy 'none'");
	refuse(shell("cowctl policy"), "expected COMMAND");
	refuse(shell("cowctl policy drop"), "expected load, list or unload");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (setuid(1000))
			_exit(99);
		i = shell("cowctl policy load " OURS "next.bpf.o");
		_exit(strstr(said, "run as root") ? (int)i : 98);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(faults(), PAGES / 2);
}

/* What a program returns can waste memory within the limits, and nothing else. */
static void test_nonsense(void **state)
{
	struct bench bench;

	(void)state;
	if (!possible())
		return;
	knob_number("window", 8);
	load(THEIRS, "nonsense");
	bench_run(&bench, "--size 4M --pattern rand --writer both");
	assert_int_equal(bench.status, 0);
	assert_true(bench.rows[0].faults >= 1024 / 8);
	assert_true(listed("nonsense", 2) > 0);
	/* No mask and no window that is not asked for with a function. */
	unload("nonsense");
	load(THEIRS, "no_mask");
	assert_in_range(faults(), PAGES / 4, PAGES / 4);
	assert_true(listed("no_mask", 2) > 0);
}

/* A program that takes long shows. */
static void test_slow(void **state)
{
	(void)state;
	if (!possible())
		return;
	load(OURS, "fixed");
	faults();
	unload("fixed");
	load(THEIRS, "slow");
	assert_int_equal(faults(), PAGES / 2);
	assert_true(listed("slow", 3) > 50000);
	assert_true(listed("slow", 4) >= listed("slow", 3));
	assert_true(stat_get("bpf_max_ns") == listed("slow", 4));
	unload("slow");
	assert_int_equal(stat_get("bpf_max_ns"), 0);
}

/* Open and load one of ours under another name. */
static struct bpf_map *load_as(const char *what, const char *name,
			       struct bpf_object **to)
{
	struct bpf_object *object;
	struct bpf_map *map;
	char path[128];
	size_t size;
	char *data;

	snprintf(path, sizeof(path), OURS "%s.bpf.o", what);
	object = bpf_object__open_file(path, NULL);
	assert_non_null(object);
	map = bpf_object__find_map_by_name(object, what);
	assert_non_null(map);
	data = bpf_map__initial_value(map, &size);
	assert_string_equal(data + NAME_AT, what);
	strcpy(data + NAME_AT, name);
	assert_int_equal(bpf_object__load(object), 0);
	*to = object;
	return map;
}

/* A link may exchange its programs; the name and the processes stay. */
static void test_update(void **state)
{
	struct bpf_map *next, *fixed, *other;
	struct bpf_object *objects[3];
	struct bpf_link *link;
	size_t i;

	(void)state;
	if (!possible())
		return;
	next = load_as("next", "mine", &objects[0]);
	fixed = load_as("fixed", "mine", &objects[1]);
	other = load_as("record", "yours", &objects[2]);
	link = bpf_map__attach_struct_ops(next);
	assert_non_null(link);
	assert_int_equal(faults(), PAGES / 2);
	assert_int_equal(bpf_link__update_map(link, fixed), 0);
	assert_int_equal(faults(), PAGES / 16);
	assert_true(bpf_link__update_map(link, other) < 0);
	assert_int_equal(faults(), PAGES / 16);
	bpf_link__destroy(link);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		bpf_object__close(objects[i]);
	assert_string_equal(file_text(COWLAB "bpf"), "");
}

static void test_record(void **state)
{
	unsigned int rows = 0, pid, tid;
	unsigned long ns, last = 0, vma, address;
	struct helper helper;
	char line[256];
	FILE *file;
	int status;
	pid_t job;

	(void)state;
	if (!possible())
		return;
	helper_start(&helper);
	job = fork();
	assert_true(job >= 0);
	if (!job) {
		snprintf(line, sizeof(line), "%d", helper.pid);
		dup2(open("/dev/null", O_WRONLY), 2);
		execlp("cowctl", "cowctl", "record", "--pid", line, "-o",
		       "/tmp/record.csv", NULL);
		_exit(99);
	}
	while (!strstr(file_text(COWLAB "bpf"), "record "))
		usleep(10000);
	expect_faults(helper_ask(&helper, 'm'), 64);
	kill(job, SIGINT);
	assert_int_equal(waitpid(job, &status, 0), job);
	assert_int_equal(status, 0);
	file = fopen("/tmp/record.csv", "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_string_equal(line, "ns,pid,tid,vma,address\n");
	while (fgets(line, sizeof(line), file)) {
		assert_int_equal(sscanf(line, "%lu,%u,%u,0x%lx,0x%lx", &ns,
					&pid, &tid, &vma, &address),
				 5);
		assert_true(ns >= last);
		last = ns;
		assert_true(address >= vma && !(address % PAGE_BYTES));
		rows += (pid_t)pid == helper.pid;
	}
	fclose(file);
	unlink("/tmp/record.csv");
	assert_in_range(rows, 64, 64 + 32);
	assert_string_equal(file_text(COWLAB "bpf"), "");
	helper_end(&helper);
	knob_number("precopy", 0);
	refuse(shell("cowctl record"), "cowctl set precopy=1");
}

/* Loaded and unloaded while processes write; their bytes are verified. */
static void test_under_load(void **state)
{
	static const char *const names[] = { "stream", "stride", "fixed",
					     "next", "record" };
	unsigned int i, cycles = quick() ? 8 : 200;
	int out[2], err[2], status;
	pid_t writers[2];
	char text[256];
	ssize_t n;

	(void)state;
	if (!possible())
		return;
	for (i = 0; i < 2; i++) {
		out[i] = memfd_create("out", MFD_CLOEXEC);
		err[i] = memfd_create("err", MFD_CLOEXEC);
		writers[i] = bench_start(
			i ? "--csv -s 256K -n 1000000 -w both -p stride3" :
			    "--csv -s 256K -n 1000000 -w both -p seq",
			out[i], err[i]);
	}
	for (i = 0; i < cycles; i++) {
		const char *name = names[i % ARRAY_SIZE(names)];

		if (i % 2) {
			snprintf(text, sizeof(text), "%d", writers[i / 2 % 2]);
			load_for(OURS, name, text);
		} else {
			load(OURS, name);
		}
		unload(name);
	}
	for (i = 0; i < 2; i++) {
		/* A wrong byte would have ended it. */
		assert_int_equal(waitpid(writers[i], &status, WNOHANG), 0);
		kill(writers[i], SIGTERM);
		assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
		n = pread(err[i], text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		assert_string_equal(text, "");
		close(out[i]);
		close(err[i]);
	}
	assert_string_equal(file_text(COWLAB "bpf"), "");
	/* Pages in another CPU's LRU cache look referenced: they fault alone. */
	assert_in_range(faults(), PAGES / 2, PAGES / 2 + 16);
}

/* The module stays while a policy is loaded, and goes afterwards. */
static void test_module(void **state)
{
	int fd, tries = 0;

	(void)state;
	if (!possible())
		return;
	load(OURS, "next");
	knob_number("precopy", 0);
	assert_int_equal(syscall(SYS_delete_module, "cowlab", O_NONBLOCK), -1);
	unload("next");
	/* The programs are freed after all tasks have left them. */
	while (syscall(SYS_delete_module, "cowlab", O_NONBLOCK)) {
		assert_true(tries++ < 100);
		usleep(100000);
	}
	fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	assert_int_equal(syscall(SYS_finit_module, fd, "", 0), 0);
	close(fd);
	begin(NULL);
	load(OURS, "fixed");
	assert_int_equal(faults(), PAGES / 16);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_no_btf),	 TEST(test_load),
		TEST(test_policies),	 TEST(test_stream),
		TEST(test_stride),	 TEST(test_mask),
		TEST(test_holes),	 TEST(test_pid),
		TEST(test_pid_children), TEST(test_two),
		TEST(test_bad),		 TEST(test_nonsense),
		TEST(test_slow),	 TEST(test_update),
		TEST(test_record),	 TEST(test_under_load),
		TEST(test_module),
	};

	avoid_stale_breakpoints();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("bpf", tests, NULL, NULL);
}
