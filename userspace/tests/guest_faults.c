// SPDX-License-Identifier: GPL-2.0
/*
 * Injected faults: failing allocations, a memcg at its limit with and without
 * swap, OOM kills and SIGKILLs in mid-COW, a page that is poisoned while
 * windows run over it. A surviving process keeps its data. A dead process's
 * memcg charges, anonymous pages and free pages are given back.
 *
 * The kernel's lines about OOM kills are expected: see scripts/tests/guest.
 */
#include "tests/arms.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_MANUAL_COW 548
#define PAGES 2048
#define CGROUP "/sys/fs/cgroup/guest_faults"
#define PAGE_ALLOC "/sys/kernel/debug/fail_page_alloc/"
#define SLAB "/sys/kernel/debug/failslab/"
#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/* Each CPU keeps a batch of charges, and of pages. */
#define SLACK_CHARGE ((32 + 64 * sysconf(_SC_NPROCESSORS_ONLN)) * PAGE_BYTES)
#define SLACK_ANON 64
#define SLACK_FREE 2048

static unsigned char *mem;
static uint64_t seed = 20240607;
static struct {
	uint64_t anon;
	long free;
} before;

static uint64_t word_of(size_t page, unsigned int gen)
{
	return (uint64_t)gen << 32 | page;
}

static volatile uint64_t *word_at(size_t page, size_t place)
{
	return (volatile uint64_t *)(mem + page * PAGE_BYTES) + place;
}

/* Each page has its number in its first and in its last word. */
static void write_page(size_t page, unsigned int gen)
{
	*word_at(page, 0) = word_of(page, gen);
	*word_at(page, PAGE_BYTES / 8 - 1) = word_of(page, gen);
}

static bool holds(size_t page, unsigned int gen)
{
	return *word_at(page, 0) == word_of(page, gen) &&
	       *word_at(page, PAGE_BYTES / 8 - 1) == word_of(page, gen);
}

static void check_all(unsigned int gen)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (!holds(i, gen))
			fail_msg("%s: page %zu holds %#" PRIx64
				 ", not generation %u",
				 arm->name, i, *word_at(i, 0), gen);
}

static void fill(void)
{
	size_t i;

	mem = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (i = 0; i < PAGES; i++)
		write_page(i, 1);
}

static void unmap(void)
{
	if (mem)
		munmap(mem, PAGES * PAGE_BYTES);
	mem = NULL;
}

/* Call this before the first mapping. */
static void note_accounts(void)
{
	before.free = free_pages();
	before.anon = anon_pages();
}

static void check_accounts(void)
{
	double until = now() + slow(5);
	long anon, lost;

	unmap();
	/* The memory of dead processes is freed asynchronously. */
	do {
		usleep(20000);
		lost = before.free - free_pages();
		anon = anon_pages() - before.anon;
	} while ((labs(anon) > SLACK_ANON || lost > SLACK_FREE) &&
		 now() < until);
	if (labs(anon) > SLACK_ANON)
		fail_msg("%s: nr_anon_pages moved by %ld", arm->name, anon);
	if (lost > SLACK_FREE)
		fail_msg("%s: %ld free pages fewer", arm->name, lost);
}

static void make_cgroup(size_t pages, bool swap)
{
	char text[32];

	rmdir(CGROUP);
	assert_int_equal(mkdir(CGROUP, 0755), 0);
	snprintf(text, sizeof(text), "%zu", pages * PAGE_BYTES);
	file_set(CGROUP "/memory.max", text);
	if (!access(CGROUP "/memory.swap.max", F_OK)) {
		snprintf(text, sizeof(text), "%zu",
			 swap ? pages / 4 * PAGE_BYTES : 0);
		file_set(CGROUP "/memory.swap.max", text);
	}
}

/* A cgroup can be removed once its charges are returned. */
static void end_cgroup(void)
{
	double until = now() + slow(5);
	uint64_t left;

	do {
		usleep(10000);
		left = strtoull(file_text(CGROUP "/memory.current"), NULL, 10);
	} while (left > (uint64_t)SLACK_CHARGE && now() < until);
	if (left > (uint64_t)SLACK_CHARGE)
		fail_msg("%s: %" PRIu64 " bytes stay charged", arm->name, left);
	assert_int_equal(rmdir(CGROUP), 0);
}

/* Failing allocations */

static bool have_failures(void)
{
	return !skip_unless(PAGE_ALLOC "probability") &&
	       !skip_unless(SLAB "probability");
}

static void set_failures(const char *percent)
{
	static const char *const dirs[] = { PAGE_ALLOC, SLAB };
	char path[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		static const char *const values[][2] = {
			{ "ignore-gfp-wait", "N" }, { "task-filter", "Y" },
			{ "times", "-1" },	    { "interval", "1" },
			{ "verbose", "0" },
		};
		size_t k;

		for (k = 0; k < ARRAY_SIZE(values); k++) {
			snprintf(path, sizeof(path), "%s%s", dirs[i],
				 values[k][0]);
			file_set(path, values[k][1]);
		}
		snprintf(path, sizeof(path), "%sprobability", dirs[i]);
		file_set(path, percent);
	}
	file_set(PAGE_ALLOC "min-order", "0");
}

/* Both processes write, and fork again; a failed call is retried. */
static int write_with_failures(void)
{
	size_t i;
	int tries, status;
	pid_t pid = -1;

	if (file_write("/proc/self/make-it-fail", "1", 1))
		return 1;
	for (i = 0; i < PAGES; i += 2)
		write_page(i, 2);
	for (tries = 0; pid < 0 && tries < 20; tries++)
		pid = fork();
	for (i = 1; i < PAGES; i += 2)
		write_page(i, 2);
	for (i = 0; i < PAGES; i++)
		if (!holds(i, 2))
			return 2;
	if (!pid)
		return 0;
	if (pid > 0 && (waitpid(pid, &status, 0) != pid || status))
		return 3;
	return 0;
}

static void test_allocations_fail(void **state)
{
	static const char *const percents[] = { "1", "10", "50" };
	size_t i;

	(void)state;
	if (!have_failures())
		skip();
	note_accounts();
	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		int status;
		pid_t pid;

		fill();
		set_failures(percents[i]);
		pid = fork();
		if (!pid) {
			alarm(slow(60));
			_exit(write_with_failures());
		}
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		set_failures("0");
		if (status)
			fail_msg("%s: at %s%% the writer ended with %#x",
				 arm->name, percents[i], status);
		check_all(1);
		unmap();
	}
	check_accounts();
}

/* Limits */

/*
 * The child's cgroup has no room for the child's copies: the child is killed in
 * mid-COW. The parent, which shares the pages, is not killed.
 */
static void check_oom(bool swap)
{
	int status;
	pid_t pid;
	size_t i;

	note_accounts();
	fill();
	make_cgroup(PAGES / 4, swap);
	pid = fork();
	if (!pid) {
		if (file_write(CGROUP "/cgroup.procs", "0", 1))
			_exit(1);
		for (i = 0; i < PAGES; i++)
			write_page(i, 2);
		_exit(0);
	}
	assert_true(pid > 0);
	/*
	 * Concurrently. The child need not copy what the parent copies first,
	 * windows included. Most pages are left: too many for the cgroup.
	 */
	for (i = 0; i < PAGES / 4; i += 2)
		write_page(i, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("%s: the writer ended with %#x", arm->name, status);
	assert_int_equal(file_field(CGROUP "/memory.events", "oom_kill "), 1);
	check_all(1);
	end_cgroup();
	check_accounts();
}

static void test_oom(void **state)
{
	(void)state;
	check_oom(false);
}

static void test_swap_full(void **state)
{
	(void)state;
	if (!swap_on("64M"))
		skip();
	check_oom(true);
	swap_off();
}

/* SIGKILL */

static void check_kill(void (*work)(void))
{
	size_t round;

	note_accounts();
	fill();
	for (round = 0; round < 30; round++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			for (;;)
				work();
		}
		assert_true(pid > 0);
		/* About one page per microsecond. */
		usleep(next_random(&seed) % (round % 2 ? 3000 : 30000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			fail_msg("%s: round %zu: the process ended with %#x",
				 arm->name, round, status);
		check_all(1);
	}
	check_accounts();
}

/* In a child, which shares its written pages again by a fork. */
static void write_all(void)
{
	static unsigned int gen = 2;
	size_t i;
	pid_t pid;

	for (i = 0; i < PAGES; i++)
		write_page(i, gen);
	gen++;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < PAGES; i++)
			write_page(i, gen);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void break_all(void)
{
	pid_t pid, parent = getpid();

	if (syscall(NR_MANUAL_COW, mem, PAGES * PAGE_BYTES, 0))
		_exit(1);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The parent may have died before. */
		if (getppid() == parent)
			pause();
		_exit(0);
	}
	if (syscall(NR_MANUAL_COW, mem, PAGES * PAGE_BYTES, 0))
		_exit(1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_kill(void **state)
{
	(void)state;
	check_kill(write_all);
}

static void test_kill_manual_cow(void **state)
{
	(void)state;
	if (syscall(NR_MANUAL_COW, 0, 0, 0) && errno == ENOSYS) {
		print_message("# skipped: no manual_cow\n");
		skip();
	}
	check_kill(break_all);
}

/* Hardware poison */

static atomic_bool poisoned;
static atomic_ulong victim;

static uint64_t frame_of(const volatile void *addr)
{
	uint64_t entry;

	assert_true(pagemap_entries((const void *)addr, &entry, 1));
	return entry & PM_FRAME;
}

/* A process that requests it gets a signal that cannot be blocked. */
static _Thread_local bool asks;

static void *poison(void *page)
{
	asks = true;
	usleep(next_random(&seed) % 5000);
	atomic_store(&victim, frame_of(page));
	atomic_store(&poisoned, !madvise(page, PAGE_BYTES, MADV_HWPOISON));
	return NULL;
}

static sigjmp_buf refused;

static void on_bus(int sig)
{
	if (asks)
		return;
	siglongjmp(refused, sig);
}

/* Write all; the poisoned page may fail. Returns how many others failed. */
static size_t write_around(size_t bad, unsigned int gen)
{
	volatile size_t others = 0, i;

	for (i = 0; i < PAGES; i++) {
		if (!sigsetjmp(refused, 1))
			write_page(i, gen);
		else if (i != bad)
			others++;
	}
	return others;
}

/*
 * The writer's windows run over the page while the page is poisoned; another
 * process maps the page too. The writer gets its copy, or the write fails.
 */
static void test_poison(void **state)
{
	const char *unpoison = "/sys/kernel/debug/hwpoison/unpoison-pfn";
	struct sigaction action = { .sa_handler = on_bus }, old;
	volatile size_t round, others;
	size_t i, bad, hit = 0;

	(void)state;
	if (skip_unless(unpoison))
		skip();
	note_accounts();
	for (round = 0; round < 8; round++) {
		char text[32];
		uint64_t frame;
		pthread_t thread;
		pid_t holder;

		fill();
		drain();
		bad = 64 + next_random(&seed) % (PAGES - 128);
		frame = frame_of(word_at(bad, 0));
		holder = start_holder();
		sigaction(SIGBUS, &action, &old);
		assert_int_equal(pthread_create(&thread, NULL, poison,
						(void *)word_at(bad, 0)),
				 0);
		others = write_around(bad, 2);
		pthread_join(thread, NULL);
		others += write_around(bad, 2);
		sigaction(SIGBUS, &old, NULL);
		if (others)
			fail_msg(
				"%s: %zu pages other than the poisoned one fail",
				arm->name, others);
		for (i = 0; i < PAGES; i++)
			if (i != bad && !holds(i, 2))
				fail_msg(
					"%s: page %zu is wrong, %zu is poisoned",
					arm->name, i, bad);
		hit += atomic_load(&poisoned);
		end_holder(holder);
		unmap();
		/* The page that was hit: the source, or its copy. */
		for (i = 0; i < 2; i++) {
			snprintf(text, sizeof(text), "%" PRIu64,
				 i ? atomic_load(&victim) : frame);
			file_write(unpoison, text, strlen(text));
		}
	}
	if (!hit)
		fail_msg("%s: nothing was poisoned", arm->name);
	check_accounts();
}

/* Runs last: the tests above have leaked no object. */
static void test_no_leak(void **state)
{
	char text[256];
	int fd, scans;
	ssize_t n;

	(void)state;
	if (skip_unless(KMEMLEAK))
		skip();
	/* The second scan finds a pointer that was moving in the first. */
	for (scans = 0; scans < 2; scans++)
		file_set(KMEMLEAK, "scan");
	fd = open(KMEMLEAK, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	if (n)
		fail_msg("kmemleak: %s", text);
}

static void clean_up(void)
{
	if (!access(PAGE_ALLOC "probability", F_OK)) {
		file_set(PAGE_ALLOC "probability", "0");
		file_set(SLAB "probability", "0");
	}
	unmap();
	rmdir(CGROUP);
}

static const struct arm_test tests[] = {
	ARM_TEST(allocations_fail), ARM_TEST(oom),
	ARM_TEST(swap_full),	    ARM_TEST(kill),
	ARM_TEST(kill_manual_cow),  ARM_TEST(poison),
	ARM_TEST(no_leak),
};

/* An argument selects tests: 'oom*', '*[off]'. */
int main(int argc, char **argv)
{
	(void)argc;
	return arms_run("guest_faults", tests, ARRAY_SIZE(tests), clean_up,
			argv[1]);
}
