// SPDX-License-Identifier: GPL-2.0
/*
 * What a COW window must not cost, hide or keep: memory that others need, a write
 * that somebody watches for, a large folio of which one page is left.
 */
#include "tests/arms.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

static int restore(void **state)
{
	(void)state;
	knobs_default();
	cow_forget();
	stay_on_one_cpu(false);
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
	uint64_t faults;
	void *p;

	(void)state;
	windows("fixed", 16, false);
	stay_on_one_cpu(true);
	cow_share(&cow, bytes, COW_4K);
	p = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	faults = cow_write(&cow, 0, 1);
	/* First: the next cow_share() would populate it. */
	munmap(p, reserved);
	assert_int_equal(faults, PAGES_OF(bytes) / 16);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
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

/* start_holder() for a process of its own, which may not use assertions. */
static pid_t start_sharer(void)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(43);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
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

/* Write all pages; or two of four, which waste one page in a window. */
static bool tight_dense;
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
	pid = start_sharer();
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
	if (tight_dense)
		write_every(p, room, 1);
	else
		for (at = 0; at < 2 * room && at < bytes; at += 4 * PAGE_BYTES)
			write_every(p + at + PAGE_BYTES, 2 * PAGE_BYTES, 1);
	end_holder(pid);
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
		tight_dense = true;
		windows("adaptive", 32, false);
		in_process(tight);
		assert_true(stat_get("windows") > 20);
		windows("fixed", 16, false);
		in_process(tight);
		assert_int_equal(stat_get("windows"), 0);
		assert_true(stat_get("skip_memory") > 0);
		tight_dense = false;
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
	pid = start_sharer();
	write_every(p, bytes, 16);
	end_holder(pid);
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

#define REUSE_BYTES (4 * HUGE_BYTES)
#define REUSE_ROUNDS 5
#define REUSE_ROUNDS_MAX (6 * REUSE_ROUNDS)

static unsigned char reuse_byte(size_t page)
{
	return page * 7 + 1;
}

/* Huge pages of which another process has copied all pages but the last. */
struct mostly_ours {
	unsigned char *map;
	unsigned char *base;
	pid_t child;
	int ask;
};

/* Write all but the last pages, wait, and see that the last are as they were. */
static void copy_most(unsigned char *base, int tell, int ask)
{
	size_t i;
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < PAGES_OF(REUSE_BYTES); i++)
		if (i % PAGES_OF(HUGE_BYTES) != PAGES_OF(HUGE_BYTES) - 1)
			*(volatile unsigned char *)(base + i * PAGE_BYTES) = 0;
	if (write(tell, "", 1) != 1 || read(ask, &c, 1))
		_exit(1);
	for (i = 0; i < PAGES_OF(REUSE_BYTES); i++) {
		bool last = i % PAGES_OF(HUGE_BYTES) ==
			    PAGES_OF(HUGE_BYTES) - 1;

		if (base[i * PAGE_BYTES] != (last ? reuse_byte(i) : 0))
			_exit(2);
	}
	_exit(0);
}

static void mostly_ours(struct mostly_ours *m)
{
	int ready[2], ask[2];
	size_t i;
	char c;

	m->map = mmap(NULL, REUSE_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m->map, MAP_FAILED);
	m->base = m->map + HUGE_BYTES - (uintptr_t)m->map % HUGE_BYTES;
	assert_int_equal(madvise(m->base, REUSE_BYTES, MADV_HUGEPAGE), 0);
	for (i = 0; i < PAGES_OF(REUSE_BYTES); i++)
		memset(m->base + i * PAGE_BYTES, reuse_byte(i), PAGE_BYTES);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ask, O_CLOEXEC), 0);
	m->child = fork();
	assert_true(m->child >= 0);
	if (!m->child) {
		close(ask[1]);
		copy_most(m->base, ready[1], ask[0]);
	}
	close(ready[1]);
	close(ask[0]);
	m->ask = ask[1];
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	/* The first write splits the mapping: not part of what is measured. */
	for (i = 0; i < PAGES_OF(REUSE_BYTES); i += PAGES_OF(HUGE_BYTES))
		*(volatile unsigned char *)(m->base + i * PAGE_BYTES + 1) = 9;
}

/* Write the pages that are left at random. Return: ns. */
static uint64_t write_at_random(const struct mostly_ours *m)
{
	const size_t pages = PAGES_OF(REUSE_BYTES);
	uint64_t start = now_ns();
	size_t i;

	for (i = 0; i < pages; i++) {
		size_t page = i * 2654435761UL % pages;

		if (page % PAGES_OF(HUGE_BYTES))
			*(volatile unsigned char *)(m->base +
						    page * PAGE_BYTES + 1) = 9;
	}
	return now_ns() - start;
}

static void check_and_end(struct mostly_ours *m)
{
	size_t i;
	int status;

	for (i = 0; i < REUSE_BYTES; i++) {
		unsigned char want =
			i % PAGE_BYTES == 1 ? 9 : reuse_byte(i / PAGE_BYTES);

		if (m->base[i] != want)
			fail_msg("byte %#zx: %d, not %d", i, m->base[i], want);
	}
	close(m->ask);
	assert_int_equal(waitpid(m->child, &status, 0), m->child);
	assert_int_equal(status, 0);
	munmap(m->map, REUSE_BYTES + HUGE_BYTES);
}

/*
 * One page of each huge page stays shared, and none can be reused. A write at
 * random gains nothing by windows, so it must not pay for a look at all pages of
 * the huge page. Nothing counts these looks: the time is compared, the best of
 * several rounds, of more where the host is busy. Looking each time takes twice as long, or more.
 */
static void test_reuse_shared_folio(void **state)
{
	uint64_t best[2] = { UINT64_MAX, UINT64_MAX };
	struct mostly_ours m;
	int round, on;

	(void)state;
	stay_on_one_cpu(true);
	for (round = 0; round < REUSE_ROUNDS || (best[1] >= best[0] * 3 / 2 &&
						 round < REUSE_ROUNDS_MAX);
	     round++) {
		for (on = 0; on < 2; on++) {
			uint64_t ns;

			knob_number("precopy", 0);
			mostly_ours(&m);
			if (on)
				windows("adaptive", 32, false);
			ns = write_at_random(&m);
			if (ns < best[on])
				best[on] = ns;
			check_and_end(&m);
		}
	}
	stay_on_one_cpu(false);
	print_message("# %lu us, without windows %lu us\n", best[1] / 1000,
		      best[0] / 1000);
	assert_true(best[1] < best[0] * 3 / 2);
}

/*
 * A huge page of which a child has held all pages. Step by step, so that what the
 * memcg has is looked at before and after the last write.
 */
static void last_page(void)
{
	const size_t pages = PAGES_OF(HUGE_BYTES);
	unsigned char *map, *base;
	unsigned int tries = slow(100);
	uint64_t before, after;
	size_t i;
	pid_t pid;

	enter_cgroup();
	map = mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		_exit(40);
	base = map + HUGE_BYTES - (uintptr_t)map % HUGE_BYTES;
	if (madvise(base, HUGE_BYTES, MADV_HUGEPAGE))
		_exit(41);
	before = cgroup_number("memory.current");
	*(volatile unsigned char *)base = 1;
	/* It is a huge page: one fault took 2 MiB. */
	if (cgroup_number("memory.current") < before + HUGE_BYTES)
		_exit(42);
	memset(base, 1, HUGE_BYTES);
	pid = start_sharer();
	for (i = 0; i < pages - 1; i++)
		*(volatile unsigned char *)(base + i * PAGE_BYTES) = 2;
	end_holder(pid);
	before = cgroup_number("memory.current");
	/* The copies, and the huge page that one PTE still holds. */
	if (before < 2 * HUGE_BYTES - 64 * PAGE_BYTES)
		_exit(44);
	*(volatile unsigned char *)(base + (pages - 1) * PAGE_BYTES) = 2;
	/* A CPU's LRU cache may hold it a little longer; charges are batched. */
	do {
		after = cgroup_number("memory.current");
		if (after + HUGE_BYTES - 96 * PAGE_BYTES <= before)
			break;
		usleep(10000);
	} while (tries--);
	if (after + HUGE_BYTES - 96 * PAGE_BYTES > before)
		_exit(45);
	for (i = 0; i < HUGE_BYTES; i++)
		if (base[i] != (i % PAGE_BYTES ? 1 : 2))
			_exit(46);
	_exit(0);
}

/* Of a huge page, only the last page is left mapped: the page is given back. */
static void test_last_page_given_back(void **state)
{
	(void)state;
	/* A larger window would copy the last page with those before it. */
	windows("fixed", 1, false);
	in_process(last_page);
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

/* Is what is mapped at @at one mapping of @bytes? */
static bool is_one_mapping(const unsigned char *at, size_t bytes)
{
	char line[64];

	snprintf(line, sizeof(line), "%lx-%lx ", (uintptr_t)at,
		 (uintptr_t)at + bytes);
	return strstr(file_text("/proc/self/maps"), line);
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
	pid_t pid;

	(void)state;
	map = mmap(NULL, 3 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	assert_ptr_not_equal(map, MAP_FAILED);
	/* Windows are aligned. */
	base = map + bytes - (uintptr_t)map % bytes;
	map_at(base, bytes);
	memset(base, 1, bytes);
	file_set("/proc/self/clear_refs", "4");
	/* Keeps the next one apart, but not its pages. */
	assert_int_equal(mprotect(base, bytes, PROT_READ), 0);
	p = map_at(base + bytes, bytes);
	memset(p, 1, bytes);
	windows("fixed", 16, false);
	pid = start_holder();
	*(volatile unsigned char *)p = 2;
	assert_true(stat_get("neighbours") >= 15);
	*(volatile unsigned char *)(p + 5 * PAGE_BYTES) = 2;
	assert_int_equal(mprotect(base, bytes, PROT_READ | PROT_WRITE), 0);
	assert_true(is_one_mapping(base, 2 * bytes));
	/* Since 6.19 the merged one counts as written as a whole. */
	if (kernel_before("6.19"))
		assert_false(soft_dirty(base));
	assert_true(soft_dirty(p + 5 * PAGE_BYTES));
	end_holder(pid);
	munmap(map, 3 * bytes);
}

static void write_mem(pid_t pid, const unsigned char *at, char byte)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, (uintptr_t)at), 1);
	close(fd);
}

/* Of a block of 16 pages, page 4 alone is copied: for us, and by the holder. */
static void expect_copied_alone(const unsigned char *block)
{
	uint64_t entries[16];
	size_t i;

	assert_true(pagemap_entries(block, entries, ARRAY_SIZE(entries)));
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		if (!(entries[i] & PM_EXCLUSIVE) != (i != 4))
			fail_msg("page %zu of the block: entry %#lx", i,
				 entries[i]);
}

/* One set of blocks: each has a write, or a pin, that the policy must not see. */
#define NOT_ASKED_BLOCKS 5
#define NOT_ASKED_TRIES 5

static void not_asked(const struct cow *cow, unsigned char *blocks)
{
	const size_t block = 16 * PAGE_BYTES;
	unsigned char *p = blocks + 4 * PAGE_BYTES;
	struct pin_longterm_test pin = { .size = PAGE_BYTES };
	struct iovec from, to;
	char byte = 7;
	int fd;

	from.iov_base = &byte;
	from.iov_len = 1;
	to.iov_base = p;
	to.iov_len = 1;
	/* Kernels without CROSS_MEMORY_ATTACH have /proc/PID/mem alone. */
	if (process_vm_writev(cow->holder, &from, 1, &to, 1, 0) == 1)
		expect_copied_alone(blocks);
	else
		assert_int_equal(errno, ENOSYS);

	write_mem(cow->holder, p + block, byte);
	expect_copied_alone(blocks + block);

	/* FOLL_FORCE: the process itself may not write there. */
	assert_int_equal(mprotect(blocks + 2 * block, block, PROT_READ), 0);
	write_mem(getpid(), p + 2 * block, byte);
	assert_int_equal(p[2 * block], byte);
	expect_copied_alone(blocks + 2 * block);

	write_mem(getpid(), p + 3 * block, byte);
	assert_int_equal(p[3 * block], byte);
	expect_copied_alone(blocks + 3 * block);

	/* A pin for reading unshares. */
	fd = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	pin.addr = (uintptr_t)p + 4 * block;
	assert_int_equal(ioctl(fd, PIN_LONGTERM_TEST_START, &pin), 0);
	expect_copied_alone(blocks + 4 * block);
	assert_int_equal(ioctl(fd, PIN_LONGTERM_TEST_STOP), 0);
	close(fd);
}

/*
 * The policy is asked for a process' own writes only: not for another process',
 * for FOLL_FORCE, and for a pin for reading. Each must have copied its page, and
 * no other, or the test would see nothing. The counters are the whole guest's, and
 * other processes may write at the same moment: once they must stay as they are.
 */
static void test_not_asked(void **state)
{
	static const char *const counters[] = { "windows", "left", "neighbours",
						"reused" };
	const size_t block = 16 * PAGE_BYTES;
	uint64_t entries[16];
	struct cow cow;
	size_t i, try;
	bool quiet = false;

	(void)state;
	windows("fixed", 16, false);
	cow_share(&cow, HUGE_BYTES, COW_4K);
	/* A write of its own has a window: the test would see one. */
	knob_number("reset", 1);
	*(volatile unsigned char *)(cow.base + 31 * block) = 1;
	assert_true(stat_get("neighbours") >= 15);
	assert_true(pagemap_entries(cow.base + 31 * block, entries, 16));
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		assert_true(entries[i] & PM_EXCLUSIVE);

	for (try = 0; try < NOT_ASKED_TRIES && !quiet; try++) {
		knob_number("reset", 1);
		not_asked(&cow, cow.base + try * NOT_ASKED_BLOCKS * block);
		quiet = !stat_skipped();
		for (i = 0; i < ARRAY_SIZE(counters); i++)
			quiet &= !stat_get(counters[i]);
	}
	assert_true(quiet);
	cow_release(&cow);
}

static atomic_bool reading;
static atomic_size_t rounds_read;

static void *read_all(void *arg)
{
	const struct cow *cow = arg;
	size_t at;

	while (atomic_load(&reading)) {
		for (at = 0; at < cow->bytes; at += PAGE_BYTES)
			(void)*(volatile unsigned char *)(cow->base + at);
		atomic_fetch_add(&rounds_read, 1);
	}
	return NULL;
}

/* A reader sets accessed bits: copies are not discarded for that. */
static void test_reader_does_not_discard(void **state)
{
	const size_t bytes = 4 * MIB, pages = PAGES_OF(bytes);
	size_t rounds;
	pthread_t thread;
	struct cow cow;

	(void)state;
	windows("fixed", 16, false);
	cow_share(&cow, bytes, COW_4K);
	knob_number("reset", 1);
	atomic_store(&rounds_read, 0);
	atomic_store(&reading, true);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &cow), 0);
	/* Not before the reader is at work. */
	while (!atomic_load(&rounds_read))
		usleep(1000);
	rounds = atomic_load(&rounds_read);
	cow_write(&cow, 0, 1);
	rounds = atomic_load(&rounds_read) - rounds;
	atomic_store(&reading, false);
	pthread_join(thread, NULL);
	print_message("# %zu rounds of the reader meanwhile, %lu raced\n",
		      rounds, stat_get("skip_raced"));
	assert_true(stat_get("neighbours") >= pages / 16 * 15 - pages / 50);
	assert_in_range(stat_get("skip_raced"), 0, pages / 50);
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

static uint64_t count_own(const unsigned char *p, size_t pages)
{
	uint64_t entries[16], own = 0;
	size_t i, j;

	for (i = 0; i < pages; i += ARRAY_SIZE(entries)) {
		assert_true(pagemap_entries(p + i * PAGE_BYTES, entries,
					    ARRAY_SIZE(entries)));
		for (j = 0; j < ARRAY_SIZE(entries); j++)
			own += !(~entries[j] & (PM_PRESENT | PM_EXCLUSIVE));
	}
	return own;
}

/* MADV_POPULATE_WRITE. Return: the faults, also those that it takes itself. */
static uint64_t populate(void *p, size_t bytes, int error)
{
	struct rusage before = { 0 }, after = { 0 };
	int ret;

	getrusage(RUSAGE_THREAD, &before);
	ret = madvise(p, bytes, MADV_POPULATE_WRITE) ? errno : 0;
	getrusage(RUSAGE_THREAD, &after);
	assert_int_equal(ret, error);
	return after.ru_minflt - before.ru_minflt;
}

/* Memory in three VMAs, with pages that are not there. Return: the faults. */
static uint64_t populate_region(size_t bytes)
{
	const size_t gone = 5 * PAGE_BYTES;
	uint64_t faults;
	struct cow cow;
	size_t i;

	cow_share(&cow, bytes, COW_4K);
	assert_int_equal(madvise(cow.base + MIB, MIB, MADV_DONTDUMP), 0);
	assert_int_equal(madvise(cow.base + 3 * MIB / 2, gone, MADV_DONTNEED),
			 0);
	faults = populate(cow.base, bytes, 0);
	assert_int_equal(count_own(cow.base, PAGES_OF(bytes)), PAGES_OF(bytes));
	for (i = 0; i < gone; i++)
		assert_int_equal(cow.base[3 * MIB / 2 + i], 0);
	rseq_settle();
	assert_int_equal(cow_write(&cow, 0, 1), 0);
	/* Read-only memory is an error, as ever. */
	assert_int_equal(mprotect(cow.base, PAGE_BYTES, PROT_READ), 0);
	populate(cow.base, PAGE_BYTES, EINVAL);
	cow_release(&cow);
	return faults;
}

/* The contents survive. */
static void populate_contents(void)
{
	struct cow cow;

	cow_share(&cow, HUGE_BYTES, COW_4K);
	populate(cow.base, cow.bytes, 0);
	/* Before any write: every byte is the old one. */
	cow_check(&cow, PAGES_OF(cow.bytes), 1);
	rseq_settle();
	assert_int_equal(cow_write(&cow, 0, 1), 0);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
}

/* Up to a hole, and behind it. Return: how many pages are own. */
static uint64_t populate_hole(void)
{
	const size_t pages = PAGES_OF(HUGE_BYTES), hole = 200;
	struct cow cow;
	uint64_t own;

	cow_share(&cow, HUGE_BYTES, COW_4K);
	assert_int_equal(munmap(cow.base + hole * PAGE_BYTES, PAGE_BYTES), 0);
	populate(cow.base, cow.bytes, ENOMEM);
	own = count_own(cow.base, pages);
	/* It stops there, and what is behind is still shared. */
	assert_int_equal(own, hole);
	assert_int_equal(cow_write(&(struct cow){ .base = cow.base,
						  .bytes = hole * PAGE_BYTES },
				   0, 1),
			 0);
	cow_release(&cow);
	return own;
}

/* Memory that was never there: windows have nothing to serve. */
static void populate_nothing(void)
{
	unsigned char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(madvise(p, MIB, MADV_NOHUGEPAGE), 0);
	populate(p, MIB, 0);
	assert_int_equal(count_own(p, PAGES_OF(MIB)), PAGES_OF(MIB));
	for (i = 0; i < MIB; i++)
		if (p[i])
			fail_msg("byte %#zx is %d", i, p[i]);
	munmap(p, MIB);
}

/*
 * MADV_POPULATE_WRITE is served in windows, and does what it does without: the
 * faults that it takes itself are the only difference.
 */
static void test_populate(void **state)
{
	const size_t bytes = 4 * MIB, pages = PAGES_OF(bytes);
	uint64_t faults[2], own[2];
	int on;

	(void)state;
	stay_on_one_cpu(true);
	for (on = 0; on < 2; on++) {
		windows("adaptive", 32, false);
		knob_number("precopy", on);
		faults[on] = populate_region(bytes);
		populate_contents();
		own[on] = populate_hole();
		populate_nothing();
	}
	print_message("# faults of %zu pages: %lu, without windows %lu\n",
		      pages, faults[1], faults[0]);
	assert_int_equal(own[0], own[1]);
	assert_true(faults[0] >= pages);
	assert_true(faults[1] <= pages / 8);
}

/* Neighbours that are reused count as pgreuse. */
static void test_pgreuse(void **state)
{
	const size_t bytes = MIB, pages = PAGES_OF(bytes);
	uint64_t before;
	struct cow cow;

	(void)state;
	windows("fixed", 16, false);
	stay_on_one_cpu(true);
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
	stay_on_one_cpu(true);
	for (large = 0; large < 2; large++) {
		windows("fixed", 64, large);
		cow_share(&cow, bytes, COW_4K);
		assert_int_equal(cow_write(&cow, 0, 1), PAGES_OF(bytes) / 64);
		cow_check(&cow, 0, 1);
		cow_release(&cow);
	}
}

#define XFS_IMAGE "/tmp/windows.xfs"
#define XFS_MOUNT "/tmp/windows-xfs"

static size_t count_large(const unsigned char *p, size_t pages)
{
	size_t i, large = 0;

	for (i = 0; i < pages; i++) {
		uint64_t entry, flags;

		assert_true(pagemap_entries(p + i * PAGE_BYTES, &entry, 1));
		assert_true(entry & PM_PRESENT);
		read_entries("/proc/kpageflags", entry & PM_FRAME, &flags, 1);
		large += !!(flags & (KPF_COMPOUND_HEAD | KPF_COMPOUND_TAIL));
	}
	return large;
}

/*
 * XFS maps huge pages itself, for which the kernel does not look at the switches
 * of the folio sizes. For copies of its private pages, they count.
 */
static void test_xfs(void **state)
{
	const size_t pages = PAGES_OF(HUGE_BYTES);
	unsigned char *map, *p;
	int large, fd;
	pid_t pid;
	size_t i;

	(void)state;
	if (access("/bin/mkfs.xfs", X_OK))
		skip();
	assert_int_equal(system("mkdir -p " XFS_MOUNT
				" && truncate -s 320M " XFS_IMAGE
				" && mkfs.xfs -q -f " XFS_IMAGE
				" && losetup /dev/loop0 " XFS_IMAGE
				" && mount /dev/loop0 " XFS_MOUNT),
			 0);
	stay_on_one_cpu(true);
	for (large = 0; large < 2; large++) {
		set_large(large);
		file_set(THP "enabled", "always");
		windows("fixed", 16, true);
		fd = open(XFS_MOUNT "/file", O_RDWR | O_CREAT | O_CLOEXEC,
			  0600);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, HUGE_BYTES), 0);
		map = mmap(NULL, 2 * HUGE_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(map, MAP_FAILED);
		p = map + HUGE_BYTES - (uintptr_t)map % HUGE_BYTES;
		assert_ptr_equal(mmap(p, HUGE_BYTES, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_FIXED, fd, 0),
				 p);
		close(fd);
		write_every(p, HUGE_BYTES, 1);
		pid = start_holder();
		knob_number("reset", 1);
		write_every(p, HUGE_BYTES, 1);
		/* They are served, as anonymous memory is. */
		assert_true(stat_get("neighbours") >= pages / 16 * 14);
		assert_int_equal(count_large(p, pages) > 0, large);
		for (i = 0; i < HUGE_BYTES; i++)
			if (p[i] != (i % PAGE_BYTES ? 0 : 2))
				fail_msg("byte %#zx is %d", i, p[i]);
		end_holder(pid);
		munmap(map, 2 * HUGE_BYTES);
	}
	set_large(false);
	file_set(THP "enabled", "madvise");
	assert_int_equal(system("umount " XFS_MOUNT
				" && losetup -d /dev/loop0 && rm " XFS_IMAGE),
			 0);
}

#define LRU_WRITERS 3

/* Share, write and check, until killed. */
static void write_for_ever(int tell)
{
	const size_t bytes = 2 * MIB;
	size_t at;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		unsigned char *p = own_region(bytes);

		pid = start_sharer();
		write_every(p, bytes, 1);
		for (at = 0; at < bytes; at++)
			if (p[at] != (at % PAGE_BYTES ? 1 : 2))
				_exit(1);
		end_holder(pid);
		if (munmap(p, bytes) || write(tell, "", 1) != 1)
			_exit(2);
	}
}

/*
 * Copies go to the LRU that is in use, also while that changes: the kernel would
 * warn, which fails the run, and writers check what they wrote.
 */
static void test_lru_gen(void **state)
{
	const int toggles = quick() ? 20 : 60;
	int done[2], status, i, rounds = 0;
	pid_t pids[LRU_WRITERS];
	bool was;
	char c;

	(void)state;
	if (access(LRU_GEN, F_OK))
		skip();
	was = strtoul(file_text(LRU_GEN), NULL, 16) & 1;
	/* It flips static keys. */
	avoid_stale_breakpoints();
	windows("fixed", 16, false);
	assert_int_equal(pipe2(done, O_CLOEXEC | O_NONBLOCK), 0);
	for (i = 0; i < LRU_WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i])
			write_for_ever(done[1]);
	}
	for (i = 0; i < toggles; i++) {
		set_number(LRU_GEN, i & 1);
		usleep(slow(30) * 1000);
	}
	set_number(LRU_GEN, was);
	while (read(done[0], &c, 1) == 1)
		rounds++;
	for (i = 0; i < LRU_WRITERS; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		if (!WIFSIGNALED(status))
			fail_msg("writer %d ended with %#x", i, status);
	}
	close(done[0]);
	close(done[1]);
	stay_on_one_cpu(false);
	print_message("# %d rounds, %lu windows\n", rounds,
		      stat_get("windows"));
	assert_true(rounds > 0);
	assert_true(stat_get("windows") > 100);
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
		TEST(test_xfs),
		TEST(test_lru_gen),
	};

	stay_on_one_cpu(false);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_windows", tests, NULL, NULL);
}
