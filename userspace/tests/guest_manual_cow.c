// SPDX-License-Identifier: GPL-2.0
/*
 * manual_cow(): its effect on each kind of memory, its result for each bad
 * input, no lost writes, and a million random calls with results known
 * beforehand.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include "common/manual_cow.h"

#define KERNEL_ADDRESS ((void *)0xffff888000000000UL)
#define VSYSCALL ((void *)0xffffffffff600000UL)
#define USER_END user_end()

/* Where user space ends: by the levels of the page tables. */
static uintptr_t user_end(void)
{
	static uintptr_t end;
	void *high = (void *)(1UL << 47);

	if (!end) {
		if (mmap(high, PAGE_BYTES, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			 0) == MAP_FAILED) {
			end = (1UL << 47) - PAGE_BYTES;
		} else {
			munmap(high, PAGE_BYTES);
			end = (1UL << 56) - PAGE_BYTES;
		}
	}
	return end;
}

/* A call and its errno, 0 for success. */
static int call(const void *addr, size_t size, unsigned int flags)
{
	int ret = manual_cow((void *)addr, size, flags);

	assert_in_range(ret + 1, 0, 1);
	return ret ? errno : 0;
}

static uint64_t entry_of(const void *addr)
{
	uint64_t entry;

	assert_true(pagemap_entries(addr, &entry, 1));
	return entry;
}

/* Present, of this process alone, and not a file's. */
static bool is_own(const void *addr)
{
	return (entry_of(addr) & (PM_PRESENT | PM_EXCLUSIVE | PM_FILE)) ==
	       (PM_PRESENT | PM_EXCLUSIVE);
}

static size_t count_own(const void *base, size_t bytes)
{
	size_t at, own = 0;

	for (at = 0; at < bytes; at += PAGE_BYTES)
		own += is_own((const char *)base + at);
	return own;
}

static void *map(size_t bytes, int prot, int flags, int fd)
{
	void *p = mmap(NULL, bytes, prot, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void *map_private(size_t bytes, int prot)
{
	return map(bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static long faults_of_writing(void *base, size_t bytes)
{
	struct rusage before = { 0 }, after = { 0 };
	size_t at;

	rseq_settle();
	getrusage(RUSAGE_THREAD, &before);
	for (at = 0; at < bytes; at += PAGE_BYTES)
		*((volatile unsigned char *)base + at) += 1;
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_minflt + after.ru_majflt - before.ru_minflt -
	       before.ru_majflt;
}

/* What the holder sees, through its own page tables. */
static void check_holder(const struct cow *cow, const unsigned char *expected)
{
	unsigned char page[PAGE_BYTES];
	char path[64];
	size_t at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", cow->holder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (at = 0; at < cow->bytes; at += PAGE_BYTES) {
		assert_int_equal(pread(fd, page, sizeof(page),
				       (uintptr_t)cow->base + at),
				 sizeof(page));
		if (memcmp(page, expected + at, sizeof(page)))
			fail_msg("the holder's page %zu has changed",
				 at / PAGE_BYTES);
	}
	close(fd);
}

/* One call for a whole region: all copied, no fault, no content changed. */
static void whole_region(enum cow_kind kind)
{
	const size_t bytes = 8 * HUGE_BYTES;
	unsigned char *copy = malloc(bytes);
	struct cow cow;

	if (kind == COW_HUGETLB)
		set_huge_pages(2 * bytes / HUGE_BYTES);
	cow_share(&cow, bytes, kind);
	memcpy(copy, cow.base, bytes);
	assert_int_equal(call(cow.base, bytes, 0), 0);
	if (kind != COW_HUGETLB)
		assert_int_equal(count_own(cow.base, bytes),
				 bytes / PAGE_BYTES);
	assert_false(memcmp(cow.base, copy, bytes));
	assert_int_equal(cow_write(&cow, 0, 1), 0);
	cow_check(&cow, 0, 1);
	check_holder(&cow, copy);
	/* Again: nothing to do. */
	assert_int_equal(call(cow.base, bytes, 0), 0);
	cow_check(&cow, 0, 1);
	cow_release(&cow);
	if (kind == COW_HUGETLB)
		set_huge_pages(0);
	free(copy);
}

static void test_small_pages(void **state)
{
	(void)state;
	whole_region(COW_4K);
}

static void test_thp(void **state)
{
	(void)state;
	whole_region(COW_THP);
}

static void test_hugetlb(void **state)
{
	(void)state;
	whole_region(COW_HUGETLB);
}

/* Copies may be large folios; and then be shared, and broken, again. */
static void test_large_copies(void **state)
{
	const size_t bytes = 4 * HUGE_BYTES;
	struct cow cow;
	pid_t child;
	int status;

	(void)state;
	cow_share(&cow, bytes, COW_4K);
	file_set(THP "hugepages-64kB/enabled", "madvise");
	file_set(THP "hugepages-2048kB/enabled", "never");
	assert_int_equal(madvise(cow.base, bytes, MADV_HUGEPAGE), 0);
	assert_int_equal(call(cow.base, bytes, 0), 0);
	assert_int_equal(cow_write(&cow, 0, 1), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		pause();
		_exit(0);
	}
	assert_int_equal(count_own(cow.base, bytes), 0);
	assert_int_equal(call(cow.base, bytes, 0), 0);
	assert_int_equal(count_own(cow.base, bytes), bytes / PAGE_BYTES);
	assert_int_equal(faults_of_writing(cow.base, 0), 0);
	assert_int_equal(cow_write(&cow, 0, 1), 0);
	cow_check(&cow, 0, 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	file_set(THP "hugepages-64kB/enabled", "never");
	file_set(THP "hugepages-2048kB/enabled", "inherit");
	cow_release(&cow);
}

/* After the child has gone there is nothing to copy, only to make writable. */
static void test_reuse(void **state)
{
	const size_t bytes = HUGE_BYTES;
	uint64_t before, after;
	char *p;
	pid_t child;

	(void)state;
	stay_on_one_cpu(true);
	p = map_private(bytes, PROT_READ | PROT_WRITE);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	faults_of_writing(p, bytes);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	before = entry_of(p + 5 * PAGE_BYTES);
	assert_int_equal(call(p, bytes, 0), 0);
	after = entry_of(p + 5 * PAGE_BYTES);
	assert_int_equal(before & PM_FRAME, after & PM_FRAME);
	assert_int_equal(faults_of_writing(p, bytes), 0);
	munmap(p, bytes);
}

/* Down to the page at the start, up to the page at the end, and no further. */
static void test_rounding(void **state)
{
	static const struct {
		size_t offset;
		size_t size;
		size_t first;
		size_t pages;
	} cases[] = {
		{ 0, 1, 0, 1 },
		{ PAGE_BYTES - 1, 1, 0, 1 },
		{ PAGE_BYTES - 1, 2, 0, 2 },
		{ 1, PAGE_BYTES, 0, 2 },
		{ PAGE_BYTES, PAGE_BYTES, 1, 1 },
		{ 63 * PAGE_BYTES, 2 * PAGE_BYTES, 63, 2 },
		{ 64 * PAGE_BYTES + 7, 64 * PAGE_BYTES, 64, 65 },
	};
	size_t i, page;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cow cow;

		cow_share(&cow, HUGE_BYTES, COW_4K);
		assert_int_equal(
			call(cow.base + cases[i].offset, cases[i].size, 0), 0);
		for (page = 0; page < HUGE_BYTES / PAGE_BYTES; page++) {
			bool want = page >= cases[i].first &&
				    page < cases[i].first + cases[i].pages;

			if (is_own(cow.base + page * PAGE_BYTES) != want)
				fail_msg("case %zu: page %zu is%s ours", i,
					 page, want ? " not" : "");
		}
		cow_release(&cow);
	}
}

static void test_flags(void **state)
{
	unsigned int bit;
	struct cow cow;

	(void)state;
	cow_share(&cow, HUGE_BYTES, COW_4K);
	for (bit = 0; bit < 32; bit++) {
		assert_int_equal(call(cow.base, cow.bytes, 1U << bit), EINVAL);
		assert_int_equal(call(cow.base, 0, 1U << bit), EINVAL);
	}
	assert_int_equal(call(cow.base, cow.bytes, ~0U), EINVAL);
	assert_int_equal(count_own(cow.base, cow.bytes), 0);
	cow_release(&cow);
}

/* Ranges that need no mapping of ours to be judged. */
static void test_ranges(void **state)
{
	static char here[PAGE_BYTES];
	const struct {
		const char *name;
		const void *addr;
		size_t size;
		int error;
	} cases[] = {
		{ "NULL", NULL, 1, EFAULT },
		{ "NULL, size 0", NULL, 0, 0 },
		{ "size 0", here, 0, 0 },
		{ "size 0 in the kernel", KERNEL_ADDRESS, 0, 0 },
		{ "SIZE_MAX", here, SIZE_MAX, EINVAL },
		{ "SIZE_MAX from 0", NULL, SIZE_MAX, EINVAL },
		{ "SIZE_MAX less a page", here, SIZE_MAX - PAGE_BYTES, EINVAL },
		{ "wraps to 0", here, -(uintptr_t)here, EINVAL },
		{ "wraps to itself", here, (size_t)0 - 1, EINVAL },
		{ "wraps by a byte", (void *)-1L, 1, EINVAL },
		{ "kernel", KERNEL_ADDRESS, PAGE_BYTES, EINVAL },
		{ "kernel text", (void *)0xffffffff81000000UL, 1, EINVAL },
		{ "vsyscall", VSYSCALL, PAGE_BYTES, EINVAL },
		{ "not canonical", (void *)(USER_END + PAGE_BYTES), 1, EINVAL },
		{ "into what is not canonical", (void *)(USER_END - 1), 2,
		  EINVAL },
		{ "last page of user space", (void *)(USER_END - PAGE_BYTES),
		  PAGE_BYTES, EFAULT },
		{ "first page behind it", (void *)USER_END, PAGE_BYTES,
		  EINVAL },
		{ "all of user space", NULL, USER_END, EFAULT },
		{ "a byte more", NULL, USER_END + 1, EINVAL },
		{ "high half", (void *)(1UL << 63), 1UL << 63, EINVAL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int error = call(cases[i].addr, cases[i].size, 0);

		if (error != cases[i].error)
			fail_msg("%s: %s, not %s", cases[i].name,
				 strerrorname_np(error),
				 strerrorname_np(cases[i].error));
	}
}

/* What is before the bad page is done, what is behind it is not. */
static void bad_page_in_the_middle(void (*spoil)(void *page))
{
	const size_t pages = HUGE_BYTES / PAGE_BYTES, bad = 200;
	struct cow cow;

	cow_share(&cow, HUGE_BYTES, COW_4K);
	spoil(cow.base + bad * PAGE_BYTES);
	assert_int_equal(call(cow.base, cow.bytes, 0), EFAULT);
	assert_int_equal(count_own(cow.base, bad * PAGE_BYTES), bad);
	assert_int_equal(count_own(cow.base + (bad + 1) * PAGE_BYTES,
				   (pages - bad - 1) * PAGE_BYTES),
			 0);
	assert_int_equal(call(cow.base + bad * PAGE_BYTES, 1, 0), EFAULT);
	cow_release(&cow);
}

static void unmap(void *page)
{
	assert_int_equal(munmap(page, PAGE_BYTES), 0);
}

static void protect_none(void *page)
{
	assert_int_equal(mprotect(page, PAGE_BYTES, PROT_NONE), 0);
}

static void protect_read(void *page)
{
	assert_int_equal(mprotect(page, PAGE_BYTES, PROT_READ), 0);
}

static void map_shared_read(void *page)
{
	assert_ptr_equal(mmap(page, PAGE_BYTES, PROT_READ,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 page);
}

static void test_hole(void **state)
{
	(void)state;
	bad_page_in_the_middle(unmap);
}

static void test_prot_none(void **state)
{
	(void)state;
	bad_page_in_the_middle(protect_none);
}

static void test_prot_read(void **state)
{
	(void)state;
	bad_page_in_the_middle(protect_read);
}

static void test_shared_read_only(void **state)
{
	(void)state;
	bad_page_in_the_middle(map_shared_read);
}

/* A page that was never touched is populated, and is zero. */
static void test_untouched(void **state)
{
	const size_t bytes = HUGE_BYTES;
	char *p = map_private(bytes, PROT_READ | PROT_WRITE);
	size_t i;

	(void)state;
	/* Half of it is the zero page already. */
	for (i = 0; i < bytes; i += 2 * PAGE_BYTES)
		assert_int_equal(*(volatile char *)(p + i), 0);
	assert_int_equal(call(p, bytes, 0), 0);
	assert_int_equal(faults_of_writing(p, bytes), 0);
	for (i = 0; i < bytes; i++)
		assert_int_equal(p[i], !(i % PAGE_BYTES));
	munmap(p, bytes);
}

static int file_of(size_t bytes, unsigned char value)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	unsigned char page[PAGE_BYTES];
	size_t at;

	assert_true(fd >= 0);
	memset(page, value, sizeof(page));
	for (at = 0; at < bytes; at += sizeof(page))
		assert_int_equal(pwrite(fd, page, sizeof(page), at),
				 sizeof(page));
	return fd;
}

static void test_private_file(void **state)
{
	const size_t bytes = 64 * PAGE_BYTES;
	int fd = file_of(bytes, 7);
	unsigned char *p, byte;

	(void)state;
	p = map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	assert_int_equal(p[0], 7);
	assert_int_equal(call(p, bytes, 0), 0);
	assert_int_equal(count_own(p, bytes), bytes / PAGE_BYTES);
	assert_int_equal(faults_of_writing(p, bytes), 0);
	assert_int_equal(p[PAGE_BYTES], 8);
	assert_int_equal(pread(fd, &byte, 1, PAGE_BYTES), 1);
	assert_int_equal(byte, 7);
	munmap(p, bytes);
	/* Behind the file's end a write would be SIGBUS. */
	p = map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	assert_int_equal(ftruncate(fd, bytes / 2), 0);
	assert_int_equal(call(p, bytes, 0), EFAULT);
	assert_int_equal(count_own(p, bytes), bytes / PAGE_BYTES / 2);
	munmap(p, bytes);
	close(fd);
}

static void test_shared_file(void **state)
{
	const size_t bytes = 64 * PAGE_BYTES;
	int fd = file_of(bytes, 7);
	unsigned char *p, byte;

	(void)state;
	p = map(bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	assert_int_equal(call(p, bytes, 0), 0);
	assert_int_equal(count_own(p, bytes), 0);
	p[0] = 9;
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 9);
	munmap(p, bytes);
	close(fd);
}

/* Memory that grows down does not do so for the call's sake. */
static void test_stack_guard(void **state)
{
	const size_t room = 64 * PAGE_BYTES;
	char *map_at = map_private(room, PROT_NONE);
	char *stack, *page = map_at + room - PAGE_BYTES;

	(void)state;
	assert_int_equal(munmap(map_at, room), 0);
	stack = mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
		     -1, 0);
	assert_ptr_equal(stack, page);
	assert_int_equal(call(stack, PAGE_BYTES, 0), 0);
	assert_int_equal(call(stack - PAGE_BYTES, PAGE_BYTES, 0), EFAULT);
	assert_int_equal(call(stack - PAGE_BYTES, 2 * PAGE_BYTES, 0), EFAULT);
	/* It would have grown by that page. */
	assert_int_equal(madvise(stack - PAGE_BYTES, PAGE_BYTES, MADV_NORMAL),
			 -1);
	assert_int_equal(errno, ENOMEM);
	munmap(stack, PAGE_BYTES);
}

/* The range of a line of maps that ends so. */
static void *mapping_of(const char *name, size_t *bytes)
{
	const char *line = file_text("/proc/self/maps");

	for (; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");
		char *end;
		uintptr_t start;

		if (len < strlen(name) ||
		    strncmp(line + len - strlen(name), name, strlen(name)))
			continue;
		start = strtoull(line, &end, 16);
		*bytes = strtoull(end + 1, NULL, 16) - start;
		return (void *)start;
	}
	fail_msg("no %s", name);
	return NULL;
}

static void test_special_mappings(void **state)
{
	size_t bytes;
	void *p;

	(void)state;
	p = mapping_of("[vdso]", &bytes);
	assert_int_equal(call(p, bytes, 0), EFAULT);
	p = mapping_of("[vvar]", &bytes);
	assert_int_equal(call(p, bytes, 0), EFAULT);
	p = mapping_of("[stack]", &bytes);
	assert_int_equal(call(p, bytes, 0), 0);
}

/* Device memory: VM_IO and VM_PFNMAP, of a PCI device. */
static void test_device(void **state)
{
	bool found = false;
	glob_t files;
	size_t i;

	(void)state;
	assert_int_equal(glob("/sys/bus/pci/devices/*/resource[0-5]", 0, NULL,
			      &files),
			 0);
	for (i = 0; i < files.gl_pathc; i++) {
		int fd = open(files.gl_pathv[i], O_RDWR | O_CLOEXEC);
		struct stat st;
		void *p;

		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 fd, 0);
		if (p != MAP_FAILED) {
			assert_int_equal(call(p, st.st_size, 0), EFAULT);
			munmap(p, st.st_size);
			found = true;
		}
		p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
		if (p != MAP_FAILED) {
			assert_int_equal(call(p, st.st_size, 0), 0);
			munmap(p, st.st_size);
			found = true;
		}
		close(fd);
	}
	globfree(&files);
	assert_true(found);
}

struct unprotector {
	int uffd;
	atomic_bool stop;
	size_t faults;
};

/* Unprotect each write-protected page when a thread waits for it. */
static void *unprotect(void *arg)
{
	struct unprotector *u = arg;

	while (!u->stop) {
		struct pollfd poll_fd = { .fd = u->uffd, .events = POLLIN };
		struct uffdio_writeprotect wp = { 0 };
		struct uffd_msg msg;

		if (poll(&poll_fd, 1, 10) <= 0 ||
		    read(u->uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		u->faults++;
		wp.range.start = msg.arg.pagefault.address & ~(PAGE_BYTES - 1);
		wp.range.len = PAGE_BYTES;
		ioctl(u->uffd, UFFDIO_WRITEPROTECT, &wp);
	}
	return NULL;
}

/* A userfaultfd handler is asked, as for any write. */
static void test_userfaultfd(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct unprotector u = { .stop = false };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	pthread_t thread;
	struct cow cow;

	(void)state;
	cow_share(&cow, HUGE_BYTES, COW_4K);
	u.uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	assert_true(u.uffd >= 0);
	assert_int_equal(ioctl(u.uffd, UFFDIO_API, &api), 0);
	reg.range.start = (uintptr_t)cow.base;
	reg.range.len = cow.bytes;
	assert_int_equal(ioctl(u.uffd, UFFDIO_REGISTER, &reg), 0);
	wp.range.start = (uintptr_t)cow.base + 10 * PAGE_BYTES;
	wp.range.len = 5 * PAGE_BYTES;
	assert_int_equal(ioctl(u.uffd, UFFDIO_WRITEPROTECT, &wp), 0);
	assert_int_equal(pthread_create(&thread, NULL, unprotect, &u), 0);
	assert_int_equal(call(cow.base, cow.bytes, 0), 0);
	u.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(u.faults, 5);
	assert_int_equal(faults_of_writing(cow.base, cow.bytes), 0);
	close(u.uffd);
	cow_release(&cow);
}

/* A range that another thread maps and unmaps all the time. */
static struct {
	char *base;
	size_t bytes;
	atomic_bool stop;
	size_t rounds;
} churn;

static void *churn_main(void *unused)
{
	(void)unused;
	while (!churn.stop) {
		size_t half = churn.bytes / 2;

		if (munmap(churn.base + half / 2, half) ||
		    mmap(churn.base + half / 2, half, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			break;
		churn.rounds++;
	}
	return NULL;
}

static void test_unmapped_meanwhile(void **state)
{
	size_t good = 0, bad = 0, i;
	pthread_t thread;

	(void)state;
	churn.bytes = 512 * PAGE_BYTES;
	churn.base = map_private(churn.bytes, PROT_READ | PROT_WRITE);
	memset(churn.base, 1, churn.bytes);
	churn.stop = false;
	churn.rounds = 0;
	assert_int_equal(pthread_create(&thread, NULL, churn_main, NULL), 0);
	for (i = 0; i < 300 || (churn.rounds < 100 && i < 100000); i++) {
		int error = call(churn.base, churn.bytes, 0);

		if (error)
			assert_int_equal(error, EFAULT);
		error ? bad++ : good++;
		/* What the other thread leaves alone. */
		assert_int_equal(churn.base[0], 1);
	}
	churn.stop = true;
	pthread_join(thread, NULL);
	assert_true(churn.rounds >= 100);
	print_message(
		"# %zu calls found it whole, %zu did not, in %zu rounds\n",
		good, bad, churn.rounds);
	munmap(churn.base, churn.bytes);
}

/* Two threads write all the time while a third forks and calls. */
#define WRITERS 2
#define RACE_PAGES 256

static struct {
	_Atomic uint32_t *words;
	atomic_bool stop;
	uint32_t counts[WRITERS][RACE_PAGES];
} race;

/* A counter a page and thread; in its own memory it keeps what it wrote. */
static void *race_writer(void *arg)
{
	const size_t me = (size_t)arg;
	uint64_t rng = me + 1;

	while (!race.stop) {
		_Atomic uint32_t *word;
		size_t page;

		rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
		page = (rng >> 33) % RACE_PAGES;
		word = race.words + page * (PAGE_BYTES / sizeof(*word)) + me;
		/* No other thread has it: a plain load and store would do. */
		if (atomic_load_explicit(word, memory_order_relaxed) !=
		    race.counts[me][page])
			return (void *)1;
		atomic_store_explicit(word, ++race.counts[me][page],
				      memory_order_relaxed);
	}
	return NULL;
}

static void test_no_lost_write(void **state)
{
	const size_t bytes = RACE_PAGES * PAGE_BYTES;
	pthread_t threads[WRITERS];
	unsigned int round;
	size_t me, page;
	void *lost;

	(void)state;
	race.words = map_private(bytes, PROT_READ | PROT_WRITE);
	madvise((void *)race.words, bytes, MADV_NOHUGEPAGE);
	memset((void *)race.words, 0, bytes);
	race.stop = false;
	for (me = 0; me < WRITERS; me++)
		assert_int_equal(pthread_create(&threads[me], NULL, race_writer,
						(void *)me),
				 0);
	for (round = 0; round < 60; round++) {
		pid_t child = fork();

		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
		}
		assert_true(child > 0);
		assert_int_equal(call((void *)race.words, bytes, 0), 0);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	race.stop = true;
	for (me = 0; me < WRITERS; me++) {
		pthread_join(threads[me], &lost);
		assert_null(lost);
		for (page = 0; page < RACE_PAGES; page++)
			assert_int_equal(
				race.words[page * (PAGE_BYTES / 4) + me],
				race.counts[me][page]);
	}
	munmap((void *)race.words, bytes);
}

/* A signal that kills is not kept waiting by a large range. */
static void test_fatal_signal(void **state)
{
	const size_t bytes = 256UL << 20;
	uint64_t start;
	pid_t child;
	int status;
	char *p;

	(void)state;
	p = map_private(bytes, PROT_READ | PROT_WRITE);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		for (;;) {
			manual_cow(p, bytes, 0);
			madvise(p, bytes, MADV_DONTNEED);
		}
	}
	usleep(30000);
	start = now_ns();
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	/* All of it would take seconds; most of this is to free pages. */
	assert_true(now_ns() - start < slow(2000) * 1000000);
	munmap(p, bytes);
}

/* The command, and what it says. */
static void test_command(void **state)
{
	static const struct {
		const char *command;
		int status;
		const char *lines[4];
	} cases[] = {
		{ "manual_cow",
		  0,
		  { "after fork   own (pagemap) 0 of 256, shared 1024 kB, private 0 kB",
		    ") = 0, ",
		    "own (pagemap) 256 of 256, shared 0 kB, private 1024 kB",
		    "faults (getrusage) 0\n" } },
		{ "manual_cow -k thp -s 4M",
		  0,
		  { ") = 0, ", "own (pagemap) 1024 of 1024",
		    "faults (getrusage) 0\n" } },
		{ "manual_cow --no-call", 0, { "faults (getrusage) 256\n" } },
		{ "manual_cow -f 1",
		  1,
		  { ", 1) = -1 EINVAL", "faults (getrusage) 256\n" } },
	};
	char text[4096], command[128];
	size_t i, j, n;
	FILE *f;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(command, sizeof(command), "%s 2>&1", cases[i].command);
		f = popen(command, "re");
		assert_non_null(f);
		n = fread(text, 1, sizeof(text) - 1, f);
		text[n] = '\0';
		assert_int_equal(WEXITSTATUS(pclose(f)), cases[i].status);
		for (j = 0; j < 4 && cases[i].lines[j]; j++) {
			if (!strstr(text, cases[i].lines[j]))
				fail_msg("%s: no '%s' in: %s", cases[i].command,
					 cases[i].lines[j], text);
		}
	}
}

/*
 * A million calls at random, each with the answer that the documentation gives.
 * In the arena each page's mapping is known; writes to it are kept in a shadow,
 * and now and then a child checks that it still sees what it was given.
 */
#define ARENA_PAGES 1024
#define ARENA_BYTES (ARENA_PAGES * PAGE_BYTES)

enum page_kind {
	PAGE_RW,
	PAGE_SHARED,
	PAGE_READ,
	PAGE_NONE,
	PAGE_HOLE,
	PAGE_KINDS,
};

static struct {
	unsigned char *base;
	uint64_t rng;
	unsigned char kind[ARENA_PAGES];
	uint32_t shadow[ARENA_PAGES];
	pid_t child;
	int ask;
	size_t good;
	size_t einval;
	size_t efault;
	size_t forks;
} fuzz;

static uint64_t draw(uint64_t below)
{
	fuzz.rng ^= fuzz.rng << 13;
	fuzz.rng ^= fuzz.rng >> 7;
	fuzz.rng ^= fuzz.rng << 17;
	return fuzz.rng % below;
}

static uint32_t *word_of(size_t page)
{
	return (uint32_t *)(fuzz.base + page * PAGE_BYTES) + page % 1024;
}

static bool readable(size_t page)
{
	return fuzz.kind[page] <= PAGE_READ;
}

static void check_shadow(void)
{
	size_t page;

	for (page = 0; page < ARENA_PAGES; page++) {
		if (readable(page) && *word_of(page) != fuzz.shadow[page])
			fail_msg("page %zu: %u, not %u", page, *word_of(page),
				 fuzz.shadow[page]);
	}
}

/* Change the mapping of some pages. */
static void remap(void)
{
	const size_t first = draw(ARENA_PAGES);
	const size_t nr =
		1 + draw(ARENA_PAGES - first < 80 ? ARENA_PAGES - first : 80);
	const enum page_kind kind = draw(3) ? PAGE_RW : draw(PAGE_KINDS);
	unsigned char *addr = fuzz.base + first * PAGE_BYTES;
	const size_t bytes = nr * PAGE_BYTES;
	const int private = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	size_t page;

	switch (kind) {
	case PAGE_SHARED:
		assert_ptr_equal(mmap(addr, bytes, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
				      -1, 0),
				 addr);
		break;
	case PAGE_HOLE:
		assert_int_equal(munmap(addr, bytes), 0);
		break;
	case PAGE_NONE:
		assert_ptr_equal(mmap(addr, bytes, PROT_NONE, private, -1, 0),
				 addr);
		break;
	default:
		assert_ptr_equal(mmap(addr, bytes, PROT_READ | PROT_WRITE,
				      private, -1, 0),
				 addr);
	}
	for (page = first; page < first + nr; page++) {
		fuzz.kind[page] = kind;
		fuzz.shadow[page] = 0;
		/* Some pages are there, some are not yet. */
		if (kind <= PAGE_READ && draw(4)) {
			fuzz.shadow[page] = draw(UINT32_MAX);
			*word_of(page) = fuzz.shadow[page];
		}
	}
	if (kind == PAGE_READ)
		assert_int_equal(mprotect(addr, bytes, PROT_READ), 0);
	if (kind == PAGE_RW && !draw(8))
		madvise(addr, bytes, draw(2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

/* A child whose view must not change, apart from shared pages. */
static void fuzz_child(int answer)
{
	unsigned char byte = 1;
	size_t page;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	syscall(SYS_read, answer, &byte, 1);
	for (page = 0; page < ARENA_PAGES; page++) {
		if (readable(page) && fuzz.kind[page] != PAGE_SHARED &&
		    *word_of(page) != fuzz.shadow[page])
			_exit(1);
	}
	_exit(0);
}

static void end_child(void)
{
	int status;

	if (!fuzz.child)
		return;
	close(fuzz.ask);
	assert_int_equal(waitpid(fuzz.child, &status, 0), fuzz.child);
	assert_int_equal(status, 0);
	fuzz.child = 0;
}

static void fork_child(void)
{
	int fds[2];

	end_child();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fuzz.child = fork();
	assert_true(fuzz.child >= 0);
	if (!fuzz.child) {
		close(fds[1]);
		fuzz_child(fds[0]);
	}
	close(fds[0]);
	fuzz.ask = fds[1];
	fuzz.forks++;
}

static int expected_in_arena(size_t offset, size_t size)
{
	size_t page;

	if (!size)
		return 0;
	for (page = offset / PAGE_BYTES;
	     page <= (offset + size - 1) / PAGE_BYTES; page++) {
		if (page >= ARENA_PAGES || fuzz.kind[page] > PAGE_SHARED)
			return EFAULT;
	}
	return 0;
}

static void fuzz_call(void)
{
	unsigned int flags = draw(16) ? 0 : draw(1ULL << 32);
	size_t offset = draw(ARENA_BYTES);
	const void *addr = fuzz.base + offset;
	size_t size;
	int want, got;

	switch (draw(8)) {
	case 0:
		/* Anywhere above, and any size. */
		addr = (void *)(USER_END + draw(UINT64_MAX - USER_END));
		size = 1 + draw(UINT64_MAX);
		want = EINVAL;
		break;
	case 1:
		size = UINT64_MAX - draw((uintptr_t)addr);
		want = EINVAL;
		break;
	default:
		size = draw(8) ? draw(6 * PAGE_BYTES) : draw(200 * PAGE_BYTES);
		/* Behind the arena there is a hole. */
		want = expected_in_arena(offset, size);
	}
	if (flags)
		want = EINVAL;
	got = call(addr, size, flags);
	if (got != want)
		fail_msg("manual_cow(arena + %zu = %p, %zu, %u): %s, not %s",
			 offset, addr, size, flags,
			 got ? strerrorname_np(got) : "0",
			 want ? strerrorname_np(want) : "0");
	switch (got) {
	case 0:
		fuzz.good++;
		break;
	case EINVAL:
		fuzz.einval++;
		break;
	default:
		fuzz.efault++;
	}
}

static void write_somewhere(void)
{
	size_t page = draw(ARENA_PAGES);

	if (fuzz.kind[page] <= PAGE_SHARED)
		*word_of(page) = fuzz.shadow[page] = draw(UINT32_MAX);
}

static void test_fuzz(void **state)
{
	const char *seed = getenv("COW_seed"), *flavour = getenv("COW_flavour");
	/* A fifth as fast there. */
	const size_t all = flavour && !strcmp(flavour, "debug") ? 200000 :
								  1000000;
	const size_t calls = quick() ? all / 4 : all;
	unsigned char *room;
	size_t n;

	(void)state;
	memset(&fuzz, 0, sizeof(fuzz));
	fuzz.rng = seed ? strtoull(seed, NULL, 0) : 88172645463325252ULL;
	assert_true(fuzz.rng != 0);
	print_message("# COW_seed=%" PRIu64 "\n", fuzz.rng);
	/* Nothing else may ever be mapped behind the arena, nor in its holes. */
	room = (unsigned char *)0x100000000000UL;
	fuzz.base = mmap(room, ARENA_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			 0);
	assert_ptr_equal(fuzz.base, room);
	for (n = 0; n < calls; n++) {
		if (!draw(200))
			remap();
		if (!draw(2000))
			fork_child();
		if (!draw(4))
			write_somewhere();
		if (!draw(20000))
			check_shadow();
		fuzz_call();
	}
	end_child();
	check_shadow();
	munmap(fuzz.base, ARENA_BYTES);
	print_message(
		"# %zu calls: %zu good, %zu EINVAL, %zu EFAULT; %zu forks\n",
		calls, fuzz.good, fuzz.einval, fuzz.efault, fuzz.forks);
	assert_true(fuzz.good > calls / 4 && fuzz.einval > calls / 8 &&
		    fuzz.efault > calls / 100);
}

static int forget(void **state)
{
	(void)state;
	cow_forget();
	stay_on_one_cpu(false);
	return 0;
}

#define TEST(fn) cmocka_unit_test_teardown(fn, forget)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_small_pages),
		TEST(test_thp),
		TEST(test_hugetlb),
		TEST(test_large_copies),
		TEST(test_reuse),
		TEST(test_rounding),
		TEST(test_flags),
		TEST(test_ranges),
		TEST(test_hole),
		TEST(test_prot_none),
		TEST(test_prot_read),
		TEST(test_shared_read_only),
		TEST(test_untouched),
		TEST(test_private_file),
		TEST(test_shared_file),
		TEST(test_stack_guard),
		TEST(test_special_mappings),
		TEST(test_device),
		TEST(test_userfaultfd),
		TEST(test_unmapped_meanwhile),
		TEST(test_no_lost_write),
		TEST(test_fatal_signal),
		TEST(test_command),
		TEST(test_fuzz),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("manual_cow", tests, NULL, NULL);
}
