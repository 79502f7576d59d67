// SPDX-License-Identifier: GPL-2.0
/*
 * What a fault that serves a window must leave as it was: data, protection,
 * accounting, pins, and all that is not plain private anonymous memory. Each
 * test runs with precopy off too, where it must hold as well.
 *
 * Most tests share one shape: fill a region, fork a child that holds it, write
 * a page in the parent, and compare which pages changed their frame with what
 * the policy may have served.
 */
#include "tests/arms.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PMD (2UL << 20)
#define WORDS (PAGE / sizeof(uint64_t))
#define PAGES 128
#define PAGES_MAX 4096

#define CGROUP "/sys/fs/cgroup/guest_precopy"
/* Flag of PIN_LONGTERM_TEST_START */
#define PIN_WRITE 1

#define MIRROR "/dev/hmm_dmirror0"

/* What each page must hold, and which ones no window may serve. */
static struct region {
	unsigned char *mem;
	size_t pages;
	unsigned char gen[PAGES_MAX];
	bool left[PAGES_MAX];
} region;

static uint64_t before[PAGES_MAX];

static pid_t child = -1;
static int child_pipe = -1;

/* Files of one value */

static void write_number(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	file_set(path, text);
}

/* The number behind @key in a file of `key value` lines; NULL: its first. */
static long read_key(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long value = -1;

	if (!file)
		fail_msg("%s: %m", path);
	while (value < 0 && fgets(line, sizeof(line), file)) {
		size_t len = key ? strlen(key) : 0;

		if (!key)
			value = atol(line);
		else if (!strncmp(line, key, len) && strchr(" :\t", line[len]))
			value = atol(line + len + strspn(line + len, " :\t"));
	}
	fclose(file);
	if (value < 0)
		fail_msg("%s has no %s", path, key ? key : "number");
	return value;
}

static long stat_of(const char *key)
{
	return read_key(COWLAB "stats", key);
}

/* Frames */

static uint64_t entry_of(const void *addr)
{
	uint64_t entry;

	assert_true(pagemap_entries(addr, &entry, 1));
	return entry;
}

/* The flags of a page's frame, 0 where there is none. */
static uint64_t flags_of(const void *addr)
{
	uint64_t flags, entry = entry_of(addr);

	if (!(entry & PM_PRESENT))
		return 0;
	read_entries("/proc/kpageflags", entry & PM_FRAME, &flags, 1);
	return flags;
}

/* The region */

static uint64_t word_of(size_t page, size_t word, unsigned char gen)
{
	return (uint64_t)gen << 40 | page << 12 | word;
}

static unsigned char *page_at(size_t page)
{
	return region.mem + page * PAGE;
}

static void write_page(size_t page, unsigned char gen)
{
	volatile uint64_t *words = (void *)page_at(page);
	size_t i;

	for (i = 0; i < WORDS; i++)
		words[i] = word_of(page, i, gen);
	region.gen[page] = gen;
}

static bool holds(const void *mem, size_t page, unsigned char gen)
{
	const volatile uint64_t *words = mem;
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != (gen ? word_of(page, i, gen) : 0))
			return false;
	return true;
}

/* The first page that does not hold what it must, or -1. */
static long wrong_page(void)
{
	size_t i;

	for (i = 0; i < region.pages; i++)
		if (region.gen[i] != 255 &&
		    !holds(page_at(i), i, region.gen[i]))
			return i;
	return -1;
}

/* A page that cannot be read. */
#define UNREADABLE 255

static void check_region(void)
{
	long page = wrong_page();

	if (page >= 0)
		fail_msg("%s: page %ld does not hold generation %d", arm->name,
			 page, region.gen[page]);
}

static unsigned char *map_aligned(size_t bytes)
{
	unsigned char *mem = mmap(NULL, bytes + 2 * PMD, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				  -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	mem += PMD - (uintptr_t)mem % PMD;
	mem = mmap(mem, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	return mem;
}

static void map_region(size_t pages)
{
	memset(&region, 0, sizeof(region));
	region.mem = map_aligned(pages * PAGE);
	region.pages = pages;
}

static void fill_region(size_t pages)
{
	size_t i;

	map_region(pages);
	for (i = 0; i < pages; i++)
		write_page(i, 1);
}

static void leave(size_t from, size_t to)
{
	while (from < to)
		region.left[from++] = true;
}

/* The other process */

static int child_checks(void)
{
	return wrong_page() + 1;
}

/* Fork a child that runs @fn once it is told to. */
static void start_child(int (*fn)(void))
{
	int fds[2];
	char go;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		_exit(read(fds[0], &go, 1) == 1 ? fn() : 99);
	}
	close(fds[0]);
	child_pipe = fds[1];
	rseq_settle();
}

/* Run the child's function; what it returns must be 0. */
static void end_child(void)
{
	int status;

	assert_int_equal(write(child_pipe, "", 1), 1);
	close(child_pipe);
	child_pipe = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	child = -1;
	if (status)
		fail_msg("%s: the child ended with %#x", arm->name, status);
}

static void kill_child(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = -1;
	if (child_pipe >= 0)
		close(child_pipe);
	child_pipe = -1;
}

/* What the policy asks for, without regard to what is there. */
static bool in_window(size_t fault, size_t page)
{
	if (arm->policy && !strcmp(arm->policy, "next"))
		return page == fault || page == fault + 1;
	if (arm->policy && !strcmp(arm->policy, "adaptive"))
		return page + arm->window > fault && page < fault + arm->window;
	return page / arm->window == fault / arm->window;
}

static void note_frames(void)
{
	assert_true(pagemap_entries(region.mem, before, region.pages));
}

/*
 * Since note_frames() a fault on @fault copied its window, less the pages that
 * must be left, and nothing else.
 */
static void check_served(size_t fault)
{
	static uint64_t after[PAGES_MAX];
	const uint64_t frame = PM_FRAME | PM_PRESENT | PM_SWAP;
	size_t i;

	assert_true(pagemap_entries(region.mem, after, region.pages));
	for (i = 0; i < region.pages; i++) {
		bool may = i == fault ||
			   (in_window(fault, i) && !region.left[i]);
		bool did = (before[i] ^ after[i]) & frame;

		if (did && !may)
			fail_msg("%s: page %zu was copied by a write to %zu",
				 arm->name, i, fault);
		if (may && !did && !arm->loose)
			fail_msg(
				"%s: page %zu was not copied by a write to %zu",
				arm->name, i, fault);
	}
}

static void write_and_check(size_t fault, unsigned char gen)
{
	note_frames();
	write_page(fault, gen);
	check_served(fault);
}

/*
 * A thread that is preempted after fork() takes a COW fault on its rseq area:
 * the kernel writes there. Take that fault now.
 */
static void own_rseq(void)
{
	volatile struct rseq *area =
		(struct rseq *)((char *)__builtin_thread_pointer() +
				__rseq_offset);
	const uint32_t flags = area->flags;

	/* The one word that the kernel only reads. */
	area->flags = flags;
}

static long minor_faults(void)
{
	struct rusage usage;

	own_rseq();
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Accesses that may be refused */

static sigjmp_buf refused;

static void on_refused(int sig)
{
	siglongjmp(refused, sig);
}

/* The signal that an access gets, or 0. */
static int try_access(volatile unsigned char *addr, bool write)
{
	struct sigaction action = { .sa_handler = on_refused }, segv, bus;
	int sig;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	sig = sigsetjmp(refused, 1);
	if (!sig) {
		unsigned char byte = *addr;

		if (write)
			*addr = byte;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

/* Isolation */

/*
 * How many faults it takes to write again what a write to @fault has served,
 * of the first @to pages.
 */
static __attribute__((noinline)) long write_again(size_t fault, size_t to)
{
	long faults = minor_faults();
	size_t i;

	for (i = 0; i < to; i++)
		if (in_window(fault, i))
			*(volatile uint64_t *)page_at(i) = word_of(i, 0, 1);
	return minor_faults() - faults;
}

static void test_isolation(void **state)
{
	long faults;
	size_t i;

	(void)state;
	fill_region(PAGES);
	start_child(child_checks);
	write_and_check(37, 2);
	check_region();

	/* Once for nothing: since the fork its stack is not ours alone either. */
	write_again(37, 0);
	faults = write_again(37, PAGES);
	if (faults && !arm->loose)
		fail_msg("%s: %ld faults on pages that were served", arm->name,
			 faults);
	region.gen[37] = 1;
	write_page(37, 2);

	for (i = 0; i < PAGES; i++)
		write_page(i, 3);
	check_region();
	end_child();
	check_region();
}

static int child_overwrites(void)
{
	size_t i;

	write_page(37, 5);
	if (wrong_page() >= 0)
		return 1;
	for (i = 0; i < PAGES; i++)
		write_page(i, 6);
	return wrong_page() >= 0;
}

static void test_isolation_from_child(void **state)
{
	(void)state;
	fill_region(PAGES);
	start_child(child_overwrites);
	end_child();
	check_region();
	/* The last owner may take over what the child has not. */
	write_page(40, 7);
	start_child(child_overwrites);
	write_page(41, 8);
	check_region();
	end_child();
	check_region();
}

static int child_leaves(void)
{
	return 0;
}

/* A page that is no longer shared is not copied, and keeps its frame. */
static void test_reuse(void **state)
{
	long faults;
	size_t i;

	(void)state;
	fill_region(PAGES);
	start_child(child_leaves);
	end_child();
	note_frames();
	/* What another CPU's LRU cache still holds looks referenced. */
	drain();
	faults = minor_faults();
	for (i = 0; i < PAGES; i++)
		*(volatile uint64_t *)page_at(i) = word_of(i, 0, 1);
	faults = minor_faults() - faults;
	if (!arm->large) {
		memset(region.left, 1, sizeof(region.left));
		for (i = 0; i < PAGES; i++)
			if ((entry_of(page_at(i)) ^ before[i]) & PM_FRAME)
				fail_msg("%s: page %zu was copied", arm->name,
					 i);
	}
	if (arm->window > 1 && !arm->loose && faults > (long)(PAGES / 2))
		fail_msg("%s: %ld faults", arm->name, faults);
	check_region();
	/* And it is ours: the next child must not see what we write. */
	start_child(child_checks);
	for (i = 0; i < PAGES; i++)
		write_page(i, 2);
	check_region();
	end_child();
}

/* A stream, which every policy serves in windows. */
static void test_stream(void **state)
{
	size_t i;

	(void)state;
	fill_region(PAGES_MAX);
	start_child(child_checks);
	for (i = 0; i < PAGES_MAX; i++)
		write_page(i, 2);
	check_region();
	end_child();
	start_child(child_checks);
	for (i = PAGES_MAX; i-- > 0;)
		write_page(i, 3);
	check_region();
	end_child();
	if (arm->policy)
		assert_true(stat_of("neighbours") > PAGES_MAX / 4);
}

/* The window's borders */

static void test_readonly_neighbours(void **state)
{
	size_t i;

	(void)state;
	fill_region(PAGES);
	/* A window of any arm around 33, 37 and 42 meets one of these. */
	mprotect(page_at(34), 2 * PAGE, PROT_READ);
	mprotect(page_at(43), 85 * PAGE, PROT_READ);
	start_child(child_checks);

	leave(34, PAGES);
	write_and_check(33, 2);
	leave(0, 34);
	memset(region.left + 36, 0, 43 - 36);
	write_and_check(37, 2);
	memset(region.left, 1, sizeof(region.left));
	write_page(42, 2);

	for (i = 0; i < PAGES; i++) {
		bool readonly = i == 34 || i == 35 || i >= 43;
		int sig = try_access(page_at(i), true);

		if (sig != (readonly ? SIGSEGV : 0))
			fail_msg("%s: a write to page %zu got signal %d",
				 arm->name, i, sig);
	}
	check_region();
	end_child();
}

/* A debugger writes where the process itself may not. */
static void test_forced_write(void **state)
{
	uint64_t data = word_of(36, 0, 2);
	size_t i;
	int fd;

	(void)state;
	fill_region(PAGES);
	assert_int_equal(mprotect(region.mem, PAGES * PAGE, PROT_READ), 0);
	start_child(child_checks);
	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	memset(region.left, 1, sizeof(region.left));
	note_frames();
	assert_int_equal(pwrite(fd, &data, 8, (uintptr_t)page_at(36)), 8);
	check_served(36);
	close(fd);
	assert_int_equal(*(uint64_t *)page_at(36), data);
	for (i = 0; i < PAGES; i++)
		if (try_access(page_at(i), true) != SIGSEGV)
			fail_msg("%s: page %zu can be written", arm->name, i);
	region.gen[36] = UNREADABLE;
	check_region();
	end_child();
}

/* All that the policy counts of windows. */
static long window_counts(void)
{
	static const char *const keys[] = {
		"windows",
		"left",
		"skip_not_present",
		"skip_special",
	};
	long sum = 0;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		sum += stat_of(keys[i]);
	return sum;
}

static void test_page_table_end(void **state)
{
	const size_t end = PMD / PAGE;
	long counts;

	(void)state;
	fill_region(end + 64);
	start_child(child_checks);
	leave(end, end + 64);
	if (arm->window == 2) {
		/* No page of this window is left, so no fault judges it. */
		window_counts();
		counts = window_counts();
		*(volatile uint64_t *)page_at(end - 1) = word_of(end - 1, 0, 1);
		assert_int_equal(window_counts(), counts);
		write_page(end - 1, 2);
	} else {
		write_and_check(end - 1, 2);
	}
	memset(region.left, 1, end);
	memset(region.left + end, 0, 64);
	write_and_check(end, 2);
	check_region();
	end_child();
}

static int child_of_dontfork(void)
{
	size_t i;

	for (i = 20; i < 24; i++) {
		if (try_access(page_at(i), false) != SIGSEGV)
			return 1;
		region.gen[i] = UNREADABLE;
	}
	for (i = 40; i < 44; i++)
		region.gen[i] = 0;
	if (wrong_page() >= 0)
		return 2;
	write_page(19, 5);
	write_page(24, 5);
	write_page(39, 5);
	write_page(41, 5);
	write_page(44, 5);
	return wrong_page() >= 0 ? 3 : 0;
}

static void test_dontfork(void **state)
{
	(void)state;
	fill_region(PAGES);
	assert_int_equal(madvise(page_at(20), 4 * PAGE, MADV_DONTFORK), 0);
	assert_int_equal(madvise(page_at(40), 4 * PAGE, MADV_WIPEONFORK), 0);
	leave(20, 24);
	leave(40, 44);
	start_child(child_of_dontfork);
	memset(region.left, 1, 20);
	memset(region.left + 40, 1, PAGES - 40);
	write_and_check(39, 2);
	memset(region.left, 0, 20);
	memset(region.left + 24, 1, PAGES - 24);
	write_and_check(19, 2);
	check_region();
	end_child();
	check_region();
}

static void test_hole(void **state)
{
	(void)state;
	fill_region(PAGES);
	munmap(page_at(35), PAGE);
	region.gen[35] = UNREADABLE;
	start_child(child_checks);
	leave(35, PAGES);
	write_and_check(34, 2);
	assert_int_equal(try_access(page_at(35), false), SIGSEGV);
	memset(region.left, 1, 36);
	memset(region.left + 36, 0, PAGES - 36);
	write_and_check(36, 2);
	assert_int_equal(try_access(page_at(35), false), SIGSEGV);
	check_region();
	end_child();
}

/* What is no plain anonymous page */

static void test_zero_page(void **state)
{
	size_t i;

	(void)state;
	/* Where memory comes in large folios, there is none. */
	set_large(false);
	map_region(PAGES);
	for (i = 0; i < PAGES; i++) {
		if (i % 2)
			leave(i, i + 1);
		else
			write_page(i, 1);
	}
	assert_int_equal(wrong_page(), -1);
	assert_true(flags_of(page_at(35)) & KPF_ZERO_PAGE);
	start_child(child_checks);
	write_and_check(36, 2);
	assert_true(flags_of(page_at(37)) & KPF_ZERO_PAGE);
	write_page(37, 2);
	write_page(3, 2);
	check_region();
	end_child();
	check_region();
}

static void test_private_file(void **state)
{
	unsigned char data[PAGE];
	long skipped;
	size_t i, j;
	int fd;

	(void)state;
	fill_region(PAGES);
	fd = memfd_create("cow", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, region.mem, PAGES * PAGE, 0), PAGES * PAGE);
	assert_ptr_equal(mmap(region.mem, PAGES * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_FIXED, fd, 0),
			 region.mem);
	for (i = 0; i < PAGES; i++) {
		if (i % 2)
			leave(i, i + 1);
		else
			write_page(i, 2);
	}
	check_region();
	start_child(child_checks);
	skipped = stat_of("skip_file");
	write_and_check(36, 3);
	if (in_window(36, 37) && !arm->loose && arm->policy)
		assert_true(stat_of("skip_file") > skipped);
	for (i = 1; i < PAGES; i += 2)
		assert_true(entry_of(page_at(i)) & PM_FILE);
	check_region();
	end_child();

	/* What is still the file's changes with it, what is ours does not. */
	for (i = 0; i < PAGES; i++) {
		for (j = 0; j < WORDS; j++)
			((uint64_t *)data)[j] = word_of(i, j, 9);
		assert_int_equal(pwrite(fd, data, PAGE, i * PAGE), PAGE);
		if (i % 2)
			region.gen[i] = 9;
	}
	check_region();
	close(fd);
}

static void page_out(size_t from, size_t to)
{
	double until = now() + slow(5);
	size_t i;

	/* A page in another CPU's LRU batch is passed over. */
	do {
		drain();
		assert_int_equal(madvise(page_at(from), (to - from) * PAGE,
					 MADV_PAGEOUT),
				 0);
		for (i = from; i < to; i++)
			if (!(entry_of(page_at(i)) & PM_SWAP))
				break;
	} while (i < to && now() < until);
	if (i < to)
		fail_msg("%s: page %zu does not go out to swap", arm->name, i);
}

static void test_swapped_neighbours(void **state)
{
	size_t i;

	(void)state;
	if (!swap_on("256M"))
		skip();
	fill_region(PAGES);
	page_out(33, 36);
	leave(33, 36);
	start_child(child_checks);
	write_and_check(36, 2);
	for (i = 33; i < 36; i++)
		assert_true(entry_of(page_at(i)) & PM_SWAP);
	check_region();
	/* Now in the swap cache, shared with the child. */
	for (i = 32; i < 37; i++)
		write_page(i, 3);
	check_region();
	end_child();
	check_region();
}

/* A neighbour is mapped clean; it must be written to swap all the same. */
static void test_neighbours_swap_out(void **state)
{
	size_t i;

	(void)state;
	if (!swap_on("256M"))
		skip();
	fill_region(PAGES);
	start_child(child_checks);
	write_and_check(36, 2);
	end_child();
	page_out(0, PAGES);
	check_region();
	for (i = 0; i < PAGES; i += 3)
		write_page(i, 4);
	page_out(0, PAGES);
	check_region();
}

static void test_swap_full(void **state)
{
	size_t i;

	(void)state;
	if (!swap_on("256M"))
		skip();
	/* Swap and swap cache hold the region twice over; half of it is hot. */
	fill_region(PAGES);
	page_out(0, PAGES / 2);
	start_child(child_checks);
	for (i = 0; i < PAGES; i += 5)
		write_page(i, 2);
	drain();
	madvise(region.mem, PAGES * PAGE, MADV_PAGEOUT);
	for (i = 0; i < PAGES; i += 7)
		write_page(i, 3);
	madvise(region.mem, PAGES * PAGE, MADV_PAGEOUT);
	check_region();
	end_child();
	check_region();
}

/* kpageflags cannot tell: 6.12 shows KSM for every anonymous page. */
static bool merged_with(size_t page, size_t other)
{
	uint64_t frame = entry_of(page_at(other));

	return frame & PM_PRESENT &&
	       !((entry_of(page_at(page)) ^ frame) & PM_FRAME);
}

static void test_ksm(void **state)
{
	double until = now() + slow(10);
	size_t i, merged;

	(void)state;
	if (skip_unless("/sys/kernel/mm/ksm/run"))
		skip();
	fill_region(PAGES);
	for (i = 33; i < 48; i += 2) {
		memset(page_at(i), 0x5a, PAGE);
		region.gen[i] = UNREADABLE;
		leave(i, i + 1);
	}
	assert_int_equal(madvise(region.mem, PAGES * PAGE, MADV_MERGEABLE), 0);
	file_set("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	file_set("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	do {
		file_set("/sys/kernel/mm/ksm/run", "1");
		usleep(10000);
		/* ksmd may undo what it has begun: count while it rests. */
		file_set("/sys/kernel/mm/ksm/run", "0");
		merged = 0;
		for (i = 33; i < 48; i += 2)
			merged += merged_with(i, 33);
	} while (merged < 8 && now() < until);
	assert_int_equal(merged, 8);

	start_child(child_checks);
	write_and_check(36, 2);
	for (i = 33; i < 48; i += 2)
		assert_true(merged_with(i, 33));
	/* A write to a merged page has no neighbours either. */
	memset(region.left, 1, sizeof(region.left));
	note_frames();
	memset(page_at(39), 0x77, PAGE);
	check_served(39);
	for (i = 33; i < 48; i += 2)
		assert_int_equal(page_at(i)[100], i == 39 ? 0x77 : 0x5a);
	check_region();
	end_child();
	file_set("/sys/kernel/mm/ksm/run", "2");
	for (i = 33; i < 48; i += 2)
		assert_int_equal(page_at(i)[100], i == 39 ? 0x77 : 0x5a);
	check_region();
	file_set("/sys/kernel/mm/ksm/run", "0");
}

static void test_lazyfree(void **state)
{
	long skipped;
	size_t i;

	(void)state;
	fill_region(PAGES);
	drain();
	assert_int_equal(madvise(page_at(33), 3 * PAGE, MADV_FREE), 0);
	drain();
	for (i = 33; i < 36; i++)
		assert_false(flags_of(page_at(i)) & KPF_SWAPBACKED);
	leave(33, 36);
	start_child(child_checks);
	skipped = stat_of("skip_lazyfree");
	write_and_check(32, 2);
	if (in_window(32, 33) && !arm->loose)
		assert_true(stat_of("skip_lazyfree") > skipped);
	write_page(36, 2);
	for (i = 33; i < 36; i++)
		assert_false(flags_of(page_at(i)) & KPF_SWAPBACKED);
	check_region();
	end_child();
}

static int child_frees(void)
{
	int ret = child_checks();

	if (madvise(region.mem, PAGES * PAGE, MADV_FREE))
		return 98;
	drain();
	return ret;
}

/* What the child has given back is still ours. */
static void test_freed_by_child(void **state)
{
	size_t i;

	(void)state;
	if (!swap_on("256M"))
		skip();
	fill_region(PAGES);
	start_child(child_checks);
	/* Half of them: pages that no process writes are mapped clean. */
	for (i = 0; i < PAGES; i++)
		if (i % 16 < 8)
			write_page(i, 2);
	end_child();
	start_child(child_frees);
	end_child();
	page_out(0, PAGES);
	check_region();
}

/* The same for pages that are clean because they came in from swap. */
static void test_swapped_in_freed_by_child(void **state)
{
	(void)state;
	if (!swap_on("256M"))
		skip();
	fill_region(PAGES);
	page_out(0, PAGES);
	check_region();
	start_child(child_frees);
	end_child();
	page_out(0, PAGES);
	check_region();
}

static void test_huge(void **state)
{
	size_t i;

	(void)state;
	map_region(PMD / PAGE);
	assert_int_equal(madvise(region.mem, PMD, MADV_HUGEPAGE), 0);
	for (i = 0; i < region.pages; i++)
		write_page(i, 1);
	if (!(flags_of(region.mem) & KPF_THP)) {
		print_message("# skipped: no huge page to be had\n");
		skip();
	}
	start_child(child_checks);
	/* The write splits the PMD; the pages are parts of one large folio. */
	write_page(34, 2);
	check_region();
	for (i = 0; i < region.pages; i += 3)
		write_page(i, 3);
	check_region();
	end_child();
	for (i = 0; i < region.pages; i++)
		write_page(i, 4);
	check_region();
}

/* Tracking of writes */

static void check_soft_dirty(const size_t *written, size_t count)
{
	size_t i, k;

	for (i = 0; i < PAGES; i++) {
		bool dirty = entry_of(page_at(i)) & PM_SOFT_DIRTY;
		bool must = false;

		for (k = 0; k < count; k++)
			must |= written[k] == i;
		if (dirty != must)
			fail_msg("%s: page %zu is %ssoft-dirty", arm->name, i,
				 dirty ? "" : "not ");
	}
}

static void test_soft_dirty(void **state)
{
	static const size_t written[] = { 34, 101, 35, 102 };

	(void)state;
	fill_region(PAGES);
	start_child(child_checks);
	/* Served along before the tracking begins, or not. */
	write_page(100, 2);
	file_set("/proc/self/clear_refs", "4");
	write_page(34, 2);
	write_page(101, 2);
	check_soft_dirty(written, 2);
	/* A neighbour must not become writable without being seen. */
	write_page(35, 2);
	write_page(102, 2);
	check_soft_dirty(written, 4);
	check_region();
	end_child();
}

/* uffd-wp: what arrives is resolved by lifting the protection. */
static struct {
	int fd;
	int stop[2];
	size_t events[PAGES];
	pthread_t thread;
} uffd;

static void protect(size_t from, size_t to, bool wp)
{
	struct uffdio_writeprotect arg = {
		.range = { (uintptr_t)page_at(from), (to - from) * PAGE },
		.mode = wp ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	if (ioctl(uffd.fd, UFFDIO_WRITEPROTECT, &arg))
		abort();
}

static void *uffd_thread(void *unused)
{
	struct pollfd fds[2] = {
		{ .fd = uffd.fd, .events = POLLIN },
		{ .fd = uffd.stop[0], .events = POLLIN },
	};
	struct uffd_msg msg;

	(void)unused;
	while (poll(fds, 2, -1) > 0 && !(fds[1].revents & POLLIN)) {
		size_t page;

		if (read(uffd.fd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		page = (msg.arg.pagefault.address - (uintptr_t)region.mem) /
		       PAGE;
		uffd.events[page]++;
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			protect(page, page + 1, false);
		} else {
			struct uffdio_zeropage zero = {
				.range = { (uintptr_t)page_at(page), PAGE },
			};

			if (ioctl(uffd.fd, UFFDIO_ZEROPAGE, &zero))
				abort();
		}
	}
	return NULL;
}

static void uffd_open(size_t from, size_t to, int mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)page_at(from), (to - from) * PAGE },
		.mode = mode,
	};

	memset(uffd.events, 0, sizeof(uffd.events));
	uffd.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	assert_true(uffd.fd >= 0);
	assert_int_equal(ioctl(uffd.fd, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(uffd.fd, UFFDIO_REGISTER, &reg), 0);
	assert_int_equal(pipe2(uffd.stop, O_CLOEXEC), 0);
}

static void uffd_start(void)
{
	assert_int_equal(pthread_create(&uffd.thread, NULL, uffd_thread, NULL),
			 0);
}

static void uffd_close(void)
{
	assert_int_equal(write(uffd.stop[1], "", 1), 1);
	pthread_join(uffd.thread, NULL);
	close(uffd.fd);
	close(uffd.stop[0]);
	close(uffd.stop[1]);
}

/* @late: registered after the fork. */
static void check_uffd_wp(bool late)
{
	size_t i;

	fill_region(PAGES);
	if (late)
		start_child(child_checks);
	uffd_open(0, PAGES, UFFDIO_REGISTER_MODE_WP);
	if (!late)
		start_child(child_checks);
	protect(32, 48, true);
	uffd_start();

	/* Nothing in an armed VMA is served along. */
	memset(region.left, 1, sizeof(region.left));
	write_and_check(31, 2);
	write_and_check(48, 2);
	for (i = 0; i < PAGES; i++) {
		bool wp = entry_of(page_at(i)) & PM_UFFD_WP;

		if (wp != (i >= 32 && i < 48))
			fail_msg("%s: page %zu is %suffd-wp", arm->name, i,
				 wp ? "" : "not ");
		assert_int_equal(uffd.events[i], 0);
	}
	for (i = 32; i < 48; i++) {
		write_page(i, 3);
		if (uffd.events[i] != 1)
			fail_msg("%s: a write to page %zu gave %zu events",
				 arm->name, i, uffd.events[i]);
	}
	check_region();
	uffd_close();
	end_child();
}

static void test_uffd_wp(void **state)
{
	(void)state;
	check_uffd_wp(false);
}

static void test_uffd_wp_late(void **state)
{
	(void)state;
	check_uffd_wp(true);
}

static void test_uffd_missing(void **state)
{
	(void)state;
	fill_region(PAGES);
	assert_int_equal(madvise(page_at(40), 8 * PAGE, MADV_DONTNEED), 0);
	memset(region.gen + 40, 0, 8);
	leave(40, PAGES);
	start_child(child_checks);
	uffd_open(40, 48, UFFDIO_REGISTER_MODE_MISSING);
	uffd_start();
	write_and_check(39, 2);
	assert_false(entry_of(page_at(40)) & PM_PRESENT);
	usleep(1000);
	assert_int_equal(uffd.events[40], 0);
	check_region();
	assert_int_equal(uffd.events[40], 1);
	uffd_close();
	end_child();
}

/* Pins */

static int splice_pipe[2];
static int pin_fd = -1;

/* Hold page 34 by a pipe alone, and look at it when the parent has written. */
static int child_splices(void)
{
	static unsigned char data[PAGE];
	size_t got = 0;

	while (got < PAGE) {
		ssize_t n = read(splice_pipe[0], data + got, PAGE - got);

		if (n <= 0)
			return 98;
		got += n;
	}
	return !holds(data, 34, 1);
}

static void splice_page(size_t page)
{
	struct iovec iov = { page_at(page), PAGE };

	if (vmsplice(splice_pipe[1], &iov, 1, 0) != (ssize_t)PAGE)
		abort();
}

/* CVE-2020-29374, with the page as a neighbour and as the faulting one. */
static void test_vmsplice_in_child(void **state)
{
	int ready[2];
	char byte;

	(void)state;
	fill_region(PAGES);
	assert_int_equal(pipe2(splice_pipe, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		splice_page(34);
		munmap(region.mem, PAGES * PAGE);
		if (write(ready[1], "", 1) != 1)
			_exit(97);
		/* The parent closes its end when it has written. */
		close(ready[1]);
		while (getppid() != 1 && access("/tmp/cow-written", F_OK))
			usleep(1000);
		_exit(child_splices());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	write_page(33, 2);
	check_region();
	write_page(34, 3);
	check_region();
	close(open("/tmp/cow-written", O_CREAT | O_WRONLY, 0600));
	{
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		child = -1;
		unlink("/tmp/cow-written");
		if (status)
			fail_msg("%s: the child ended with %#x", arm->name,
				 status);
	}
	close(ready[0]);
	close(ready[1]);
	close(splice_pipe[0]);
	close(splice_pipe[1]);
}

static void test_vmsplice_in_parent(void **state)
{
	long skipped;

	(void)state;
	fill_region(PAGES);
	assert_int_equal(pipe2(splice_pipe, O_CLOEXEC), 0);
	splice_page(34);
	leave(34, 35);
	start_child(child_checks);
	skipped = stat_of("skip_referenced");
	write_and_check(33, 2);
	if (in_window(33, 34) && !arm->loose)
		assert_true(stat_of("skip_referenced") > skipped);
	write_page(34, 3);
	check_region();
	end_child();
	assert_int_equal(child_splices(), 0);
	close(splice_pipe[0]);
	close(splice_pipe[1]);
}

/* Since note_frames() these pages were unshared, and no others. */
static void check_unshared(size_t from, size_t to)
{
	size_t i;

	for (i = 0; i < region.pages; i++) {
		bool did = (entry_of(page_at(i)) ^ before[i]) & PM_FRAME;

		if (did != (i >= from && i < to))
			fail_msg("%s: page %zu was %sunshared by a pin",
				 arm->name, i, did ? "" : "not ");
	}
}

/* Pinned pages stay where they are, and both sides see what is written. */
static void check_pin(bool after_fork, uint32_t flags)
{
	static unsigned char data[2 * PAGE];
	struct pin_longterm_test pin = { .size = 2 * PAGE, .flags = flags };
	uint64_t buf = (uintptr_t)data;

	if (skip_unless(GUP_TEST))
		skip();
	fill_region(PAGES);
	pin_fd = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	assert_true(pin_fd >= 0);
	pin.addr = (uintptr_t)page_at(34);
	if (after_fork)
		start_child(child_checks);
	note_frames();
	assert_int_equal(ioctl(pin_fd, PIN_LONGTERM_TEST_START, &pin), 0);
	if (after_fork && flags != PIN_WRITE)
		check_unshared(34, 36);
	if (!after_fork)
		start_child(child_checks);

	note_frames();
	if (after_fork && flags == PIN_WRITE) {
		/* Taking the pin wrote, and had a window of its own. */
		write_page(33, 2);
	} else {
		leave(34, 36);
		write_and_check(33, 2);
	}
	write_page(34, 3);
	write_page(35, 4);
	assert_int_equal(entry_of(page_at(34)) & PM_FRAME,
			 before[34] & PM_FRAME);
	assert_int_equal(entry_of(page_at(35)) & PM_FRAME,
			 before[35] & PM_FRAME);
	assert_int_equal(ioctl(pin_fd, PIN_LONGTERM_TEST_READ, &buf), 0);
	assert_true(holds(data, 34, 3));
	assert_true(holds(data + PAGE, 35, 4));
	check_region();
	assert_int_equal(ioctl(pin_fd, PIN_LONGTERM_TEST_STOP), 0);
	end_child();
	check_region();
}

static void test_write_pin(void **state)
{
	(void)state;
	check_pin(false, PIN_WRITE);
}

static void test_read_pin(void **state)
{
	(void)state;
	check_pin(false, 0);
}

static void test_read_pin_after_fork(void **state)
{
	(void)state;
	check_pin(true, 0);
}

static void test_write_pin_after_fork(void **state)
{
	(void)state;
	check_pin(true, PIN_WRITE);
}

/* mlock */

static void test_mlock(void **state)
{
	long start;
	size_t i;

	(void)state;
	drain();
	start = read_key("/proc/meminfo", "Mlocked");
	fill_region(PAGES);
	assert_int_equal(mlock(region.mem, PAGES * PAGE), 0);
	start_child(child_checks);
	write_and_check(36, 2);
	for (i = 0; i < PAGES; i++)
		if (in_window(36, i) && !arm->loose &&
		    !(flags_of(page_at(i)) & KPF_MLOCKED))
			fail_msg("%s: page %zu is not locked", arm->name, i);
	check_region();
	drain();
	assert_int_equal(read_key("/proc/meminfo", "Mlocked"),
			 start + (long)(PAGES * PAGE / 1024));
	end_child();
	munmap(region.mem, PAGES * PAGE);
	region.mem = NULL;
	drain();
	assert_int_equal(read_key("/proc/meminfo", "Mlocked"), start);
}

static void test_mlock_onfault(void **state)
{
	(void)state;
	fill_region(PAGES);
	assert_int_equal(mlock2(region.mem, PAGES * PAGE, MLOCK_ONFAULT), 0);
	start_child(child_checks);
	memset(region.left, 1, sizeof(region.left));
	write_and_check(36, 2);
	check_region();
	end_child();
}

/* A hint that speaks of another place */

static int child_with_stale_hint(void)
{
	size_t i;

	for (i = 0; i < PAGES; i += 3)
		write_page(i, 5);
	return wrong_page() + 1;
}

static void test_stale_hint(void **state)
{
	unsigned char *other;
	size_t i;

	(void)state;
	fill_region(PAGES);
	start_child(child_checks);
	write_page(60, 2);
	other = map_aligned(2 * PMD);
	/* Elsewhere, and at another place in the page table. */
	assert_ptr_equal(mremap(region.mem, PAGES * PAGE, PAGES * PAGE,
				MREMAP_MAYMOVE | MREMAP_FIXED,
				other + PMD - 61 * PAGE),
			 other + PMD - 61 * PAGE);
	region.mem = other + PMD - 61 * PAGE;
	write_page(61, 3);
	write_page(40, 3);
	check_region();

	/* Shrink the VMA so that the hint points behind it, then to holes. */
	assert_int_equal(mprotect(page_at(41), 10 * PAGE, PROT_READ), 0);
	write_page(38, 4);
	write_page(53, 4);
	munmap(page_at(36), 3 * PAGE);
	memset(region.gen + 36, UNREADABLE, 3);
	write_page(35, 4);
	write_page(39, 4);
	write_page(53, 5);
	assert_int_equal(
		mprotect(page_at(41), 10 * PAGE, PROT_READ | PROT_WRITE), 0);
	write_page(45, 6);
	check_region();
	end_child();

	assert_ptr_equal(mmap(page_at(36), 3 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 page_at(36));
	memset(region.gen + 36, 0, 3);
	start_child(child_with_stale_hint);
	for (i = 1; i < PAGES; i += 3)
		write_page(i, 7);
	check_region();
	end_child();
	check_region();
	munmap(other, 2 * PMD);
	region.mem = NULL;
}

/* Memory */

struct job {
	size_t pages;
	size_t stride;
	size_t vma_pages; /* split the region into VMAs of so many */
	size_t slack;
	long charged; /* at least so many pages must be charged */
};

static void enter_cgroup(void)
{
	mkdir(CGROUP, 0755);
	write_number(CGROUP "/cgroup.procs", getpid());
	if (!access(CGROUP "/memory.swap.max", F_OK))
		file_set(CGROUP "/memory.swap.max", "0");
}

/*
 * Write sparsely where the memcg has room for just those pages, and @slack.
 * Runs in a process of its own, which an OOM kill may hit.
 */
static void sparse_writer(const struct job *job)
{
	size_t i, need = (job->pages + job->stride - 1) / job->stride;
	long charged;
	pid_t holder;
	int status;

	enter_cgroup();
	region.mem = map_aligned(job->pages * PAGE);
	for (i = 0; job->vma_pages && i < job->pages; i += 2 * job->vma_pages)
		madvise(page_at(i), job->vma_pages * PAGE, MADV_DONTDUMP);
	for (i = 0; i < job->pages; i++)
		*(volatile uint64_t *)page_at(i) = i + 1;

	holder = fork();
	if (holder < 0)
		_exit(2);
	if (!holder) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	usleep(10000);
	write_number(CGROUP "/memory.max",
		     read_key(CGROUP "/memory.current", NULL) +
			     (need + job->slack) * PAGE);
	charged = -read_key(CGROUP "/memory.current", NULL);
	for (i = 0; i < job->pages; i += job->stride)
		*(volatile uint64_t *)page_at(i) = ~i;
	charged += read_key(CGROUP "/memory.current", NULL);
	if (charged < job->charged * (long)PAGE)
		_exit(5);
	for (i = 0; i < job->pages; i++)
		if (*(volatile uint64_t *)page_at(i) !=
		    (i % job->stride ? i + 1 : ~i))
			_exit(3);
	if (waitpid(holder, &status, WNOHANG))
		_exit(4);
	kill(holder, SIGKILL);
	waitpid(holder, &status, 0);
	_exit(0);
}

static void check_memcg(const struct job *job)
{
	/* Each CPU may keep a batch of charges in stock. */
	const long stock = (32 + 64 * sysconf(_SC_NPROCESSORS_ONLN)) * PAGE;
	double until = now() + slow(3);
	int status;
	long left;

	if (skip_unless("/sys/fs/cgroup/cgroup.subtree_control"))
		skip();
	rmdir(CGROUP);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		sparse_writer(job);
	assert_int_equal(waitpid(child, &status, 0), child);
	child = -1;
	if (status)
		fail_msg("%s: the writer ended with %#x, oom_kill %ld",
			 arm->name, status,
			 read_key(CGROUP "/memory.events", "oom_kill"));
	assert_int_equal(read_key(CGROUP "/memory.events", "oom_kill"), 0);
	do {
		usleep(10000);
		left = read_key(CGROUP "/memory.current", NULL);
	} while (left > stock && now() < until);
	if (left > stock)
		fail_msg("%s: %ld bytes stay charged", arm->name, left);
	assert_int_equal(rmdir(CGROUP), 0);
}

static void test_memcg_limit(void **state)
{
	static const struct job job = { 4096, 64, 0, 48, 0 };

	(void)state;
	check_memcg(&job);
}

/* Each VMA is small enough to look as if there were room for all of it. */
static void test_memcg_limit_many_vmas(void **state)
{
	static const struct job job = { 8192, 64, 64, 160, 0 };

	(void)state;
	check_memcg(&job);
}

/* Without a limit, all that is copied is charged, and given back. */
static void test_memcg_uncharge(void **state)
{
	struct job job = { 2048, 16, 0, 1 << 20, 0 };

	(void)state;
	/* Less what the CPUs have in stock already. */
	if (arm->window >= 4 && !arm->loose)
		job.charged =
			2048 * (arm->window < 16 ? arm->window : 16) / 16 - 200;
	check_memcg(&job);
}

/*
 * The same for the whole machine: little more is free than the sparse writer
 * needs. Huge pages take the rest.
 */
static void scarce_writer(size_t pages, size_t spare_kb)
{
	long high = 0, free_kb, huge;
	char line[128];
	FILE *file;
	pid_t holder;
	size_t i;

	file_set("/proc/self/oom_score_adj", "1000");
	region.mem = map_aligned(pages * PAGE);
	for (i = 0; i < pages; i++)
		*(volatile uint64_t *)page_at(i) = i + 1;
	holder = fork();
	if (holder < 0)
		_exit(2);
	if (!holder) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}

	file = fopen("/proc/zoneinfo", "re");
	while (file && fgets(line, sizeof(line), file)) {
		long value;

		if (sscanf(line, " high %ld", &value) == 1 && value < 1 << 20)
			high += value;
	}
	if (file)
		fclose(file);
	file_set("/proc/sys/vm/drop_caches", "3");
	file_set("/proc/sys/vm/compact_memory", "1");
	free_kb = read_key("/proc/meminfo", "MemFree");
	huge = (free_kb - high * 4 - (long)spare_kb) / 2048;
	write_number("/proc/sys/vm/nr_hugepages", huge > 0 ? huge : 0);

	for (i = 0; i < pages; i += 16)
		*(volatile uint64_t *)page_at(i) = ~i;
	for (i = 0; i < pages; i++)
		if (*(volatile uint64_t *)page_at(i) != (i % 16 ? i + 1 : ~i))
			_exit(3);
	if (waitpid(holder, NULL, WNOHANG))
		_exit(4);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	_exit(0);
}

static void test_memory_scarce(void **state)
{
	long kills = read_key("/proc/vmstat", "oom_kill");
	int status;

	(void)state;
	if (skip_unless("/proc/sys/vm/nr_hugepages"))
		skip();
	swap_off();
	child = fork();
	assert_true(child >= 0);
	if (!child)
		scarce_writer(65536, 24 << 10);
	assert_int_equal(waitpid(child, &status, 0), child);
	child = -1;
	file_set("/proc/sys/vm/nr_hugepages", "0");
	if (status)
		fail_msg("%s: the writer ended with %#x", arm->name, status);
	assert_int_equal(read_key("/proc/vmstat", "oom_kill"), kills);
}

static void test_rss(void **state)
{
	long anon, rss;
	size_t i;

	(void)state;
	fill_region(2048);
	start_child(child_checks);
	anon = read_key("/proc/self/smaps_rollup", "Anonymous");
	rss = read_key("/proc/self/smaps_rollup", "Rss");
	for (i = 0; i < region.pages; i += 16)
		write_page(i, 2);
	/* Copies replace what was mapped before. */
	assert_in_range(read_key("/proc/self/smaps_rollup", "Anonymous"), anon,
			anon + 64);
	assert_in_range(read_key("/proc/self/smaps_rollup", "Rss"), rss,
			rss + 64);
	check_region();
	end_child();
}

static int child_writes_sparsely(void)
{
	size_t i;

	for (i = 0; i < region.pages; i += 16)
		write_page(i, 5);
	return 0;
}

/* One round: both sides take windows, and both give their copies back. */
static void round_of_windows(void)
{
	size_t i, step = arm->window > 2 ? arm->window : 4;

	fill_region(1024);
	start_child(child_writes_sparsely);
	for (i = 0; i < region.pages; i += step)
		write_page(i, 2);
	end_child();
	munmap(region.mem, region.pages * PAGE);
	region.mem = NULL;
}

/* A few rounds cry wolf: the per-CPU lists of free pages grow first. */
static void test_free_memory(void **state)
{
	long free_start, anon_start, free_end, anon_end;
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		round_of_windows();
	drain();
	free_start = free_pages();
	anon_start = read_key("/proc/vmstat", "nr_anon_pages");
	for (i = 0; i < 40; i++)
		round_of_windows();
	drain();
	free_end = free_pages();
	anon_end = read_key("/proc/vmstat", "nr_anon_pages");
	if (free_start - free_end > 400)
		fail_msg("%s: %ld free pages fewer after 40 rounds", arm->name,
			 free_start - free_end);
	/* What has gone below zero is shown as zero; but we have some. */
	if (anon_end <= 0)
		fail_msg("%s: nr_anon_pages is %ld", arm->name, anon_end);
	if (labs(anon_end - anon_start) > 256)
		fail_msg("%s: nr_anon_pages moved by %ld in 40 rounds",
			 arm->name, anon_end - anon_start);
}

/* Only allocations that may not wait fail: the opportunistic ones. */
#define FAIL "/sys/kernel/debug/fail_page_alloc/"

static int child_with_failures(void)
{
	size_t i;

	file_set("/proc/self/make-it-fail", "1");
	alarm(slow(30));
	for (i = 0; i < region.pages; i++)
		write_page(i * 7 % region.pages, 5);
	alarm(0);
	file_set("/proc/self/make-it-fail", "0");
	return wrong_page() >= 0;
}

static void test_fail_page_alloc(void **state)
{
	static const long probabilities[] = { 10, 50, 100 };
	size_t i;

	(void)state;
	if (skip_unless(FAIL "probability"))
		skip();
	file_set(FAIL "ignore-gfp-wait", "Y");
	file_set(FAIL "ignore-gfp-highmem", "N");
	file_set(FAIL "task-filter", "Y");
	file_set(FAIL "min-order", "0");
	file_set(FAIL "times", "-1");
	file_set(FAIL "verbose", "0");
	for (i = 0; i < sizeof(probabilities) / sizeof(*probabilities); i++) {
		long skipped = stat_of("skip_memory");

		fill_region(1024 + 1);
		write_number(FAIL "probability", probabilities[i]);
		start_child(child_with_failures);
		end_child();
		file_set(FAIL "probability", "0");
		check_region();
		if (arm->policy && !arm->loose)
			assert_true(stat_of("skip_memory") > skipped);
		munmap(region.mem, region.pages * PAGE);
		region.mem = NULL;
	}
}

/* Hardware poison */

static int child_of_poison(void)
{
	if (try_access(page_at(34), false) != SIGBUS)
		return 1;
	region.gen[34] = UNREADABLE;
	return wrong_page() >= 0 ? 2 : 0;
}

static void test_poison(void **state)
{
	const char *unpoison = "/sys/kernel/debug/hwpoison/unpoison-pfn";
	struct sigaction old;
	uint64_t frame;
	long corrupted;

	(void)state;
	if (skip_unless(unpoison))
		skip();
	corrupted = read_key("/proc/meminfo", "HardwareCorrupted");
	fill_region(PAGES);
	drain();
	start_child(child_of_poison);
	frame = entry_of(page_at(34)) & PM_FRAME;
	if (!sigsetjmp(refused, 1)) {
		struct sigaction action = { .sa_handler = on_refused };

		/* The injection itself may signal. */
		sigaction(SIGBUS, &action, &old);
		assert_int_equal(madvise(page_at(34), PAGE, MADV_HWPOISON), 0);
	}
	sigaction(SIGBUS, &old, NULL);
	region.gen[34] = UNREADABLE;
	leave(34, 35);
	write_and_check(33, 2);
	check_region();
	assert_int_equal(try_access(page_at(34), true), SIGBUS);
	assert_int_equal(try_access(page_at(34), false), SIGBUS);
	write_page(35, 2);
	check_region();
	end_child();
	munmap(region.mem, PAGES * PAGE);
	region.mem = NULL;
	write_number(unpoison, frame);
	assert_int_equal(read_key("/proc/meminfo", "HardwareCorrupted"),
			 corrupted);
}

/*
 * A device that has page tables of its own, as a GPU's: the kernel's HMM test
 * device. It may keep a page until it is told that the page was replaced. Where it
 * misses one, it looks up all that was asked for: so it is asked for one at a time.
 */
static void mirror_check(int fd, const char *when)
{
	unsigned char *seen = malloc(PAGE);
	size_t i;

	assert_non_null(seen);
	for (i = 0; i < PAGES; i++) {
		struct {
			uint64_t addr;
			uint64_t to;
			uint64_t pages;
			uint64_t copied;
			uint64_t faults;
		} cmd = { (uintptr_t)page_at(i), (uintptr_t)seen, 1, 0, 0 };

		assert_int_equal(ioctl(fd, _IOWR('H', 0, cmd), &cmd), 0);
		assert_int_equal(cmd.copied, 1);
		if (!holds(seen, i, region.gen[i]))
			fail_msg("%s: %s, the device sees an old page %zu",
				 arm->name, when, i);
	}
	free(seen);
}

static void test_device_mirror(void **state)
{
	size_t i;
	int fd;

	(void)state;
	if (skip_unless(MIRROR))
		skip();
	fill_region(PAGES);
	fd = open(MIRROR, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	start_child(child_checks);
	mirror_check(fd, "before the fault");
	write_page(33, 2);
	mirror_check(fd, "after the fault");
	/* Without faults, so without another word to the device. */
	for (i = 32; i < 48; i++)
		write_page(i, 3);
	mirror_check(fd, "after writes");
	close(fd);
	check_region();
	end_child();
}

static void clean_up(void)
{
	kill_child();
	if (pin_fd >= 0)
		close(pin_fd);
	pin_fd = -1;
	if (region.mem)
		munmap(region.mem, region.pages * PAGE);
	region.mem = NULL;
}

static const struct arm_test tests[] = {
	ARM_TEST(isolation),
	ARM_TEST(isolation_from_child),
	ARM_TEST(stream),
	ARM_TEST(reuse),
	ARM_TEST(readonly_neighbours),
	ARM_TEST(forced_write),
	ARM_TEST(page_table_end),
	ARM_TEST(dontfork),
	ARM_TEST(hole),
	ARM_TEST(zero_page),
	ARM_TEST(private_file),
	ARM_TEST(swapped_neighbours),
	ARM_TEST(neighbours_swap_out),
	ARM_TEST(swap_full),
	ARM_TEST(ksm),
	ARM_TEST(lazyfree),
	ARM_TEST(freed_by_child),
	ARM_TEST(swapped_in_freed_by_child),
	ARM_TEST(huge),
	ARM_TEST(soft_dirty),
	ARM_TEST(uffd_wp),
	ARM_TEST(uffd_wp_late),
	ARM_TEST(uffd_missing),
	ARM_TEST(vmsplice_in_child),
	ARM_TEST(vmsplice_in_parent),
	ARM_TEST(write_pin),
	ARM_TEST(read_pin),
	ARM_TEST(write_pin_after_fork),
	ARM_TEST(read_pin_after_fork),
	ARM_TEST(device_mirror),
	ARM_TEST(mlock),
	ARM_TEST(mlock_onfault),
	ARM_TEST(stale_hint),
	ARM_TEST(rss),
	ARM_TEST(free_memory),
	ARM_TEST(fail_page_alloc),
	ARM_TEST(poison),
	ARM_TEST(memcg_uncharge),
	ARM_TEST(memcg_limit),
	ARM_TEST(memcg_limit_many_vmas),
	ARM_TEST(memory_scarce),
};

/* An argument chooses tests: 'ksm*', '*[off]'. */
int main(int argc, char **argv)
{
	(void)argc;
	stay_on_one_cpu(true);
	return arms_run("guest_precopy", tests, ARRAY_SIZE(tests), clean_up,
			argv[1]);
}
