// SPDX-License-Identifier: GPL-2.0
/*
 * What a COW window must not cost, hide or keep: memory that others need, a write
 * that somebody watches for, a large folio of which one page is left.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
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
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/manual_cow.h"

#define CGROUP "/sys/fs/cgroup/guest_windows"
#define MIB (1UL << 20)
#define PAGES_OF(bytes) ((bytes) / PAGE_BYTES)
#define LRU_GEN "/sys/kernel/mm/lru_gen/enabled"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int restore(void **state)
{
	(void)state;
	knobs_default();
	cow_forget();
	return 0;
}

static void windows(const char *policy, unsigned int pages, bool large)
{
	knob_set("policy", policy);
	knob_number("window", pages);
	knob_number("large_folio", large);
	knob_number("precopy", 1);
	knob_number("reset", 1);
}

static void set_number(const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", value);
	file_set(path, text);
}

/* A reservation that nobody touches does not keep windows shut. */
static void test_reservation(void **state)
{
	const size_t bytes = 4 * MIB, reserved = 64UL << 30;
	struct cow cow;
	void *p;

	(void)state;
	windows("fixed", 16, false);
	cow_share(&cow, bytes, COW_4K);
	p = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(cow_write(&cow, 0, 1), PAGES_OF(bytes) / 16);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
	munmap(p, reserved);
}

/* In a memcg of its own, a process that may be killed. */
static void enter_cgroup(void)
{
	char text[16];
	int fd, n;

	mkdir(CGROUP, 0755);
	fd = open(CGROUP "/memory.swap.max", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) != 1)
		_exit(10);
	fd = open(CGROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC);
	n = snprintf(text, sizeof(text), "%d", getpid());
	if (fd < 0 || write(fd, text, n) != n)
		_exit(11);
	close(fd);
}

static uint64_t cgroup_number(const char *name)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), CGROUP "/%s", name);
	return read_text(path, text, sizeof(text)) ? strtoull(text, NULL, 10) :
						     0;
}

static void limit_cgroup(uint64_t bytes)
{
	char text[32];
	int fd = open(CGROUP "/memory.max", O_WRONLY | O_CLOEXEC);
	int n = snprintf(text, sizeof(text), "%lu", bytes);

	if (fd < 0 || write(fd, text, n) != n)
		_exit(12);
	close(fd);
}

static void end_cgroup(int status)
{
	uint64_t kills = file_field(CGROUP "/memory.events", "oom_kill");
	unsigned int tries = slow(200);

	while (rmdir(CGROUP) && tries--)
		usleep(10000);
	if (status || kills)
		fail_msg("status %#x, %lu killed", status, kills);
}

static unsigned char *own_region(size_t bytes)
{
	unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(13);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	memset(p, 1, bytes);
	return p;
}

static void write_every(unsigned char *p, size_t bytes, size_t step)
{
	size_t at;

	for (at = 0; at < bytes; at += step * PAGE_BYTES)
		*(volatile unsigned char *)(p + at) = 2;
}

/*
 * Six workers write every eighth page and two write all, in a memcg that has room
 * for these pages and little more: nobody is killed for the windows of the six.
 */
static void workers(void)
{
	const size_t bytes = 8 * MIB, need = 2 * bytes + 6 * bytes / 8;
	int go[2], i, status, bad = 0;
	unsigned char *p;
	pid_t pids[8];
	char c = 0;

	enter_cgroup();
	p = own_region(bytes);
	if (pipe(go))
		_exit(14);
	for (i = 0; i < 8; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (read(go[0], &c, 1))
			_exit(15);
		write_every(p, bytes, i < 6 ? 8 : 1);
		/* All hold their pages until the last has written. */
		sleep(slow(1));
		_exit(0);
	}
	usleep(100000);
	limit_cgroup(cgroup_number("memory.current") + need + 4 * MIB);
	close(go[1]);
	for (i = 0; i < 8; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			bad++;
	_exit(bad);
}

static void in_process(void (*body)(void))
{
	int status;
	pid_t pid;

	if (access("/sys/fs/cgroup/cgroup.subtree_control", F_OK))
		skip();
	rmdir(CGROUP);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		body();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end_cgroup(status);
}

static void test_workers(void **state)
{
	(void)state;
	windows("next", 16, false);
	in_process(workers);
	windows("fixed", 16, false);
	in_process(workers);
	windows("adaptive", 32, false);
	in_process(workers);
}

/* 1: write all pages; 0: two of four, which waste one page in a window */
static size_t tight_step;
static unsigned int tight_percent;

/* A data set of which so many percent of memory.max are used, and a child. */
static void tight(void)
{
	const size_t bytes = 16 * MIB;
	unsigned char *p;
	uint64_t before;
	size_t room, at;
	pid_t pid;
	int fd;

	enter_cgroup();
	p = own_region(bytes);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	usleep(50000);
	before = cgroup_number("memory.current");
	limit_cgroup(before + bytes * (100 - tight_percent) / tight_percent);
	/* Of what follows only. */
	fd = open(COWLAB "reset", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		_exit(21);
	close(fd);
	/* As many pages as fit, and 1 MiB remains. */
	room = bytes * (100 - tight_percent) / tight_percent - MIB;
	if (tight_step)
		write_every(p, room, 1);
	for (at = 0; !tight_step && at < 2 * room && at < bytes;
	     at += 4 * PAGE_BYTES) {
		write_every(p + at + PAGE_BYTES, 2 * PAGE_BYTES, 1);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	_exit(0);
}

/* Where memory is tight, adaptive has windows and others have none. */
static void test_tight_allowance(void **state)
{
	static const unsigned int percents[] = { 60, 80 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(percents); i++) {
		tight_percent = percents[i];
		tight_step = 1;
		windows("adaptive", 32, false);
		in_process(tight);
		assert_true(stat_get("windows") > 20);
		windows("fixed", 16, false);
		in_process(tight);
		assert_int_equal(stat_get("windows"), 0);
		assert_true(stat_get("skip_memory") > 0);
		tight_step = 0;
		windows("adaptive", 32, false);
		in_process(tight);
		assert_in_range(stat_get("neighbours"), 1, 128);
	}
}

/* Memory of a small node does not run out for a process that is bound to it. */
static void bound(size_t bytes)
{
	const unsigned long nodes = 2;
	unsigned char *p;
	pid_t pid;

	/* MPOL_BIND */
	if (syscall(SYS_set_mempolicy, 2, &nodes, 8))
		_exit(30);
	p = own_region(bytes);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	write_every(p, bytes, 16);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	_exit(0);
}

static void test_bound_node(void **state)
{
	uint64_t free_kb = 0;
	int status;
	pid_t pid;

	(void)state;
	if (access("/sys/devices/system/node/node1", F_OK))
		skip();
	/* There is no room for two copies of the region. */
	text_field(file_text("/sys/devices/system/node/node1/meminfo"),
		   "Node 1 MemFree:", &free_kb);
	assert_true(free_kb > 0);
	windows("fixed", 64, false);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		bound(free_kb * 1024 / 100 * 60 / PAGE_BYTES * PAGE_BYTES);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * One page of each huge page stays shared: the others are written as they would be
 * without windows, each with the right data.
 */
static void test_reuse_shared_folio(void **state)
{
	const size_t bytes = 4 * HUGE_BYTES;
	struct cow cow;

	(void)state;
	windows("adaptive", 32, false);
	cow_share(&cow, bytes, COW_THP);
	cow_write(&cow, 1, 2);
	cow_check(&cow, 1, 2);
	cow_release(&cow);
}

/* Of a huge page, only the last page is left mapped: the page is given back. */
static void test_last_page_given_back(void **state)
{
	const size_t last = PAGES_OF(HUGE_BYTES) - 1;
	uint64_t entry, flags;
	struct cow cow;
	size_t i;
	int fd;

	(void)state;
	cow_share(&cow, HUGE_BYTES, COW_THP);
	windows("fixed", 1, false);
	for (i = 0; i < last; i++)
		*(volatile unsigned char *)(cow.base + i * PAGE_BYTES) += 1;
	cow_end_holder(&cow);
	*(volatile unsigned char *)(cow.base + last * PAGE_BYTES) += 1;

	/* It is no part of a large folio any more. */
	assert_true(pagemap_entries(cow.base + last * PAGE_BYTES, &entry, 1));
	fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &flags, 8, (entry & ((1UL << 55) - 1)) * 8),
			 8);
	close(fd);
	/* KPF_COMPOUND_HEAD, KPF_COMPOUND_TAIL */
	assert_int_equal(flags & (3UL << 15), 0);
	cow_release(&cow);
}

static unsigned char *map_at(unsigned char *at, size_t bytes)
{
	unsigned char *p = mmap(at, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	assert_ptr_equal(p, at);
	assert_int_equal(madvise(p, bytes, MADV_NOHUGEPAGE), 0);
	return p;
}

static bool soft_dirty(const void *addr)
{
	uint64_t entry;

	assert_true(pagemap_entries(addr, &entry, 1));
	return entry & 1UL << 55;
}

/*
 * A new VMA counts as written as a whole, and windows open in it. When it is merged
 * into one that is tracked, the PTEs alone say what was written: also a write to a
 * neighbour, which took no fault.
 */
static void test_soft_dirty_neighbour(void **state)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *map, *base, *p;
	int status;
	pid_t pid;

	(void)state;
	map = mmap(NULL, 3 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	assert_ptr_not_equal(map, MAP_FAILED);
	/* Windows are aligned. */
	base = map + bytes - (uintptr_t)map % bytes;
	map_at(base, bytes);
	assert_int_equal(madvise(base, bytes, MADV_DONTDUMP), 0);
	file_set("/proc/self/clear_refs", "4");
	p = map_at(base + bytes, bytes);
	memset(p, 1, bytes);
	windows("fixed", 16, false);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	*(volatile unsigned char *)p = 2;
	assert_true(stat_get("neighbours") >= 15);
	*(volatile unsigned char *)(p + 5 * PAGE_BYTES) = 2;
	/* Now it has the flags of the VMA below it, which takes it in. */
	assert_int_equal(madvise(p, bytes, MADV_DONTDUMP), 0);
	assert_false(soft_dirty(base));
	assert_true(soft_dirty(p + 5 * PAGE_BYTES));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	munmap(map, 3 * bytes);
}

/* The policy is asked for a process' own writes only. */
static void test_not_asked(void **state)
{
	const size_t bytes = 64 * PAGE_BYTES;
	char byte = 7, path[64];
	struct iovec from, to;
	struct cow cow;
	int fd, tries;

	(void)state;
	windows("next", 16, false);
	cow_share(&cow, bytes, COW_4K);
	/* Other processes of the guest may write at the same moment. */
	for (tries = 0; tries < 5; tries++) {
		knob_number("reset", 1);
		from.iov_base = &byte;
		from.iov_len = 1;
		to.iov_base = cow.base + (8 * tries) * PAGE_BYTES;
		to.iov_len = 1;
		if (process_vm_writev(cow.holder, &from, 1, &to, 1, 0) != 1)
			assert_int_equal(errno, ENOSYS);
		snprintf(path, sizeof(path), "/proc/%d/mem", cow.holder);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, &byte, 1,
					(uintptr_t)cow.base +
						(8 * tries + 4) * PAGE_BYTES),
				 1);
		close(fd);
		if (!stat_get("windows") && !stat_get("left"))
			break;
	}
	assert_true(tries < 5);
	cow_release(&cow);
}

static atomic_bool reading;

static void *read_all(void *arg)
{
	const struct cow *cow = arg;
	size_t at;

	while (atomic_load(&reading))
		for (at = 0; at < cow->bytes; at += PAGE_BYTES)
			(void)*(volatile unsigned char *)(cow->base + at);
	return NULL;
}

/* A reader sets accessed bits: copies are not discarded for that. */
static void test_reader_does_not_discard(void **state)
{
	const size_t bytes = 4 * MIB;
	pthread_t thread;
	struct cow cow;

	(void)state;
	windows("fixed", 16, false);
	cow_share(&cow, bytes, COW_4K);
	atomic_store(&reading, true);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &cow), 0);
	cow_write(&cow, 0, 1);
	atomic_store(&reading, false);
	pthread_join(thread, NULL);
	assert_in_range(stat_get("skip_raced"), 0, PAGES_OF(bytes) / 50);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
}

/* What the caller's protection key closes to it gives EFAULT. */
static void test_pkey(void **state)
{
	const size_t bytes = 64 * PAGE_BYTES;
	struct cow cow;
	int key;

	(void)state;
	/* PKEY_DISABLE_WRITE */
	key = syscall(SYS_pkey_alloc, 0, 2);
	if (key < 0)
		skip();
	windows("fixed", 16, false);
	cow_share(&cow, bytes, COW_4K);
	assert_int_equal(syscall(SYS_pkey_mprotect, cow.base, bytes,
				 PROT_READ | PROT_WRITE, key),
			 0);
	assert_int_equal(manual_cow(cow.base, bytes, 0), -1);
	assert_int_equal(errno, EFAULT);
	syscall(SYS_pkey_mprotect, cow.base, bytes, PROT_READ | PROT_WRITE, 0);
	syscall(SYS_pkey_free, key);
	assert_int_equal(manual_cow(cow.base, bytes, 0), 0);
	cow_release(&cow);
}

/* A pool without a free page is a lack of memory, not a bad address. */
static void test_hugetlb_pool(void **state)
{
	struct cow cow;

	(void)state;
	set_huge_pages(2);
	cow_share(&cow, 2 * HUGE_BYTES, COW_HUGETLB);
	/*
	 * The parent of a private mapping would get the child's page; the child
	 * has no reserve.
	 */
	{
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (!pid) {
			if (!manual_cow(cow.base, HUGE_BYTES, 0))
				_exit(1);
			_exit(errno == ENOMEM ? 0 : 2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	cow_release(&cow);
	set_huge_pages(0);
}

/* MADV_POPULATE_WRITE is served in windows, and does what it did. */
static void test_populate(void **state)
{
	const size_t bytes = 4 * MIB, pages = PAGES_OF(bytes);
	unsigned char *hole;
	uint64_t *entries = calloc(pages, sizeof(*entries));
	struct cow cow;
	size_t i;
	int on;

	(void)state;
	assert_non_null(entries);
	for (on = 0; on < 2; on++) {
		windows("adaptive", 32, false);
		knob_number("precopy", on);
		cow_share(&cow, bytes, COW_4K);
		/* Several VMAs, and pages that nothing is mapped at. */
		assert_int_equal(madvise(cow.base + MIB, MIB, MADV_DONTDUMP),
				 0);
		assert_int_equal(madvise(cow.base + 3 * MIB / 2, 5 * PAGE_BYTES,
					 MADV_DONTNEED),
				 0);
		assert_int_equal(madvise(cow.base, bytes, MADV_POPULATE_WRITE),
				 0);
		assert_true(pagemap_entries(cow.base, entries, pages));
		for (i = 0; i < pages; i++)
			assert_int_equal(entries[i] &
						 (PM_PRESENT | PM_EXCLUSIVE),
					 PM_PRESENT | PM_EXCLUSIVE);
		assert_int_equal(cow.base[3 * MIB / 2], 0);
		assert_int_equal(cow_write(&cow, 0, 1), 0);
		/* A hole and a read-only page are errors, as ever. */
		hole = cow.base + 2 * MIB;
		munmap(hole, PAGE_BYTES);
		assert_int_equal(madvise(cow.base, bytes, MADV_POPULATE_WRITE),
				 -1);
		assert_int_equal(errno, ENOMEM);
		mprotect(cow.base, PAGE_BYTES, PROT_READ);
		assert_int_equal(
			madvise(cow.base, PAGE_BYTES, MADV_POPULATE_WRITE), -1);
		assert_int_equal(errno, EINVAL);
		cow_release(&cow);
		cow_forget();
	}
	free(entries);
}

/* Neighbours that are reused count as pgreuse. */
static void test_pgreuse(void **state)
{
	const size_t bytes = MIB, pages = PAGES_OF(bytes);
	uint64_t before;
	struct cow cow;

	(void)state;
	windows("fixed", 16, false);
	cow_share(&cow, bytes, COW_4K);
	cow_end_holder(&cow);
	before = file_field("/proc/vmstat", "pgreuse");
	cow_write(&cow, 0, 1);
	assert_true(stat_get("reused") >= pages / 16 * 14);
	assert_true(file_field("/proc/vmstat", "pgreuse") - before >=
		    stat_get("reused"));
	munmap(cow.map, cow.map_bytes);
	cow_forget();
}

/* A window of 64 pages is served in two batches. */
static void test_window_64(void **state)
{
	const size_t bytes = 4 * MIB;
	struct cow cow;
	int large;

	(void)state;
	for (large = 0; large < 2; large++) {
		windows("fixed", 64, large);
		cow_share(&cow, bytes, COW_4K);
		assert_int_equal(cow_write(&cow, 0, 1), PAGES_OF(bytes) / 64);
		cow_check(&cow, 0, 1);
		cow_release(&cow);
	}
}

/* Switching the multi-generational LRU on and off does not lose a copy. */
static void test_lru_gen(void **state)
{
	struct cow cow;
	unsigned int i;
	bool was;

	(void)state;
	if (access(LRU_GEN, F_OK))
		skip();
	was = strtoul(file_text(LRU_GEN), NULL, 16) & 1;
	windows("fixed", 16, false);
	for (i = 0; i < 6; i++) {
		cow_share(&cow, MIB, COW_4K);
		cow_write(&cow, 0, 2);
		set_number(LRU_GEN, i & 1);
		cow_write(&cow, 1, 2);
		set_number(LRU_GEN, !(i & 1));
		cow_check(&cow, 0, 1);
		cow_release(&cow);
	}
	set_number(LRU_GEN, was);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, restore, restore)

/* An argument chooses tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reservation),
		TEST(test_workers),
		TEST(test_tight_allowance),
		TEST(test_bound_node),
		TEST(test_reuse_shared_folio),
		TEST(test_last_page_given_back),
		TEST(test_soft_dirty_neighbour),
		TEST(test_not_asked),
		TEST(test_reader_does_not_discard),
		TEST(test_pkey),
		TEST(test_hugetlb_pool),
		TEST(test_populate),
		TEST(test_pgreuse),
		TEST(test_window_64),
		TEST(test_lru_gen),
	};

	stay_on_one_cpu(false);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_windows", tests, NULL, NULL);
}
