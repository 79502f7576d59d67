// SPDX-License-Identifier: GPL-2.0
/*
 * What the policies promise: the adaptive one's streams, large folios and their
 * reuse, the cap on a fault's service. Runs in the guest, with the module
 * loaded and the guest otherwise idle.
 *
 * Most tests share one shape: fill a region, fork another process that shares
 * the region, and let one of the two write pages in a planned order. The test
 * compares the writes that took a fault, and the module's counters, with the
 * results of the algorithm at the top of module/adaptive.c.
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
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS (PAGE_BYTES / sizeof(uint64_t))
#define TABLE_PAGES (HUGE_BYTES / PAGE_BYTES)
/* Two page tables: most tests need a stream that crosses between them. */
#define PAGES (2 * TABLE_PAGES)
#define PAGES_MAX (8 * TABLE_PAGES)
/* Faults of a stream before its windows have 32 pages: 1 1 2 4 8 16. */
#define RAMP_FAULTS 6
#define RAMP_PAGES 32

/* Generation of a page that no process can read. */
#define GONE 255

static struct region {
	unsigned char *mem;
	size_t pages;
	/* The mapping around mem, and where move_pages() moved part of mem. */
	unsigned char *map;
	size_t map_bytes;
	unsigned char *map_moved;
	size_t map_moved_bytes;
	/* How often each page was written, and in which process's copy. */
	unsigned char gen[PAGES_MAX];
	/* Where each page is, if not in its place. */
	unsigned char *moved[PAGES_MAX];
} region;

/* The writes of one process, shared with the other. */
static struct plan {
	size_t count;
	unsigned char gen;
	uint16_t page[PAGES_MAX];
	/* How many faults each write took. */
	uint8_t faulted[PAGES_MAX];
	size_t faults;
	/* A page that the other process is to put into @tube. */
	size_t splice_page;
} * plan;

static int tube[2];

/* The other process, and how to talk to it. */
static pid_t other = -1;
static int order = -1;
static int answer = -1;

static struct counts {
	uint64_t windows;
	uint64_t left;
	uint64_t neighbours;
	uint64_t reused;
	uint64_t hit;
	uint64_t wasted;
	uint64_t skipped;
} counts;

static uint64_t frames[PAGES_MAX];

/* The region */

static unsigned char *place_of(size_t page)
{
	return region.moved[page] ? region.moved[page] :
				    region.mem + page * PAGE_BYTES;
}

static uint64_t word_of(size_t page, size_t word, unsigned char gen)
{
	return (uint64_t)gen << 40 | page << 12 | word;
}

static void fill_page(size_t page)
{
	volatile uint64_t *words = (void *)place_of(page);
	size_t i;

	for (i = 0; i < WORDS; i++)
		words[i] = word_of(page, i, 1);
	region.gen[page] = 1;
}

/*
 * A write changes one word only, so that the others tell whether the page was
 * copied right.
 */
static bool holds(const unsigned char *mem, size_t page, unsigned char gen)
{
	const volatile uint64_t *words = (const void *)mem;
	size_t i;

	for (i = 0; i < WORDS; i++) {
		uint64_t want = gen ? word_of(page, i, 1) : 0;

		if (gen && i == page % WORDS)
			want = word_of(page, i, gen);
		if (words[i] != want)
			return false;
	}
	return true;
}

/* The first page that does not hold what it must, or -1. */
static long wrong_page(void)
{
	size_t i;

	for (i = 0; i < region.pages; i++)
		if (region.gen[i] != GONE &&
		    !holds(place_of(i), i, region.gen[i]))
			return i;
	return -1;
}

static void map_region(size_t pages)
{
	memset(&region, 0, sizeof(region));
	region.map_bytes = pages * PAGE_BYTES + 2 * HUGE_BYTES;
	region.map = mmap(NULL, region.map_bytes, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(region.map, MAP_FAILED);
	region.mem =
		region.map + HUGE_BYTES - (uintptr_t)region.map % HUGE_BYTES;
	region.mem = mmap(region.mem, pages * PAGE_BYTES,
			  PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_not_equal(region.mem, MAP_FAILED);
	region.pages = pages;
}

/* Small pages, wherever the copies of them may go. */
static void fill_region(size_t pages)
{
	size_t i;

	map_region(pages);
	assert_int_equal(
		madvise(region.mem, pages * PAGE_BYTES, MADV_NOHUGEPAGE), 0);
	for (i = 0; i < pages; i++)
		fill_page(i);
}

/* Move pages elsewhere, to @shift pages behind the start of a page table. */
static void move_pages(size_t first, size_t count, size_t shift)
{
	unsigned char *to;
	size_t i;

	region.map_moved_bytes = (count + shift) * PAGE_BYTES + HUGE_BYTES;
	region.map_moved = mmap(NULL, region.map_moved_bytes, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				0);
	assert_ptr_not_equal(region.map_moved, MAP_FAILED);
	to = region.map_moved + HUGE_BYTES -
	     (uintptr_t)region.map_moved % HUGE_BYTES + shift * PAGE_BYTES;
	to = mremap(place_of(first), count * PAGE_BYTES, count * PAGE_BYTES,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	assert_ptr_not_equal(to, MAP_FAILED);
	for (i = 0; i < count; i++)
		region.moved[first + i] = to + i * PAGE_BYTES;
}

static void advise(int advice)
{
	assert_int_equal(madvise(region.mem, region.pages * PAGE_BYTES, advice),
			 0);
}

/* Frames */

static uint64_t entry_of(size_t page)
{
	uint64_t entry;

	assert_true(pagemap_entries(place_of(page), &entry, 1));
	return entry;
}

static uint64_t frame_of(size_t page)
{
	const uint64_t entry = entry_of(page);

	return entry & PM_PRESENT ? entry & PM_FRAME : 0;
}

static uint64_t flags_of(uint64_t frame)
{
	uint64_t flags;

	read_entries("/proc/kpageflags", frame, &flags, 1);
	return flags;
}

static void note_frames(void)
{
	size_t i;

	for (i = 0; i < region.pages; i++)
		frames[i] = frame_of(i);
}

static bool moved(size_t page)
{
	return frame_of(page) != frames[page];
}

/* How many pages have other frames than note_frames() saw. */
static size_t count_moved(size_t from, size_t to)
{
	size_t count = 0;

	for (; from < to; from++)
		count += moved(from);
	return count;
}

/* The pages of the folio that begins at @page and is mapped there as a whole. */
static size_t folio_pages(size_t page)
{
	uint64_t frame = frame_of(page), flags = flags_of(frame);
	size_t n = 1;

	assert_true(frame != 0);
	if (flags & KPF_COMPOUND_TAIL)
		return 0;
	if (!(flags & KPF_COMPOUND_HEAD))
		return 1;
	while (flags_of(frame + n) & KPF_COMPOUND_TAIL) {
		if (page + n >= region.pages || frame_of(page + n) != frame + n)
			return 0;
		n++;
	}
	return n;
}

/* From @first to @end there are folios of @want pages each. */
static void expect_folios(size_t first, size_t end, size_t want)
{
	for (; first < end; first += want) {
		size_t have = folio_pages(first);

		if (have != want)
			fail_msg(
				"page %zu begins a folio of %zu pages, not %zu",
				first, have, want);
	}
}

/* Both processes */

static struct range {
	uintptr_t start;
	uintptr_t end;
} ranges[64];

static size_t nr_ranges;

static bool overlaps(const struct range *range, const unsigned char *map,
		     size_t bytes)
{
	const uintptr_t start = (uintptr_t)map;

	return map && range->start < start + bytes && range->end > start;
}

/* Find the writable memory outside the region: it is copy-on-write as well. */
static void note_ranges(void)
{
	const char *line;
	char *p;

	nr_ranges = 0;
	for (line = file_text("/proc/self/maps"); *line;
	     line += strcspn(line, "\n") + 1) {
		struct range range;

		range.start = strtoull(line, &p, 16);
		range.end = strtoull(p + 1, &p, 16);
		if (p[2] != 'w' || p[4] != 'p' ||
		    overlaps(&range, region.map, region.map_bytes) ||
		    overlaps(&range, region.map_moved, region.map_moved_bytes))
			continue;
		assert_true(nr_ranges < ARRAY_SIZE(ranges));
		ranges[nr_ranges++] = range;
	}
}

/* Take the faults there now, so that no test counts them later. */
static void warm_up(void)
{
	size_t i;

	for (i = 0; i < nr_ranges; i++)
		madvise((void *)ranges[i].start,
			ranges[i].end - ranges[i].start, MADV_POPULATE_WRITE);
}

/* Write a page, and say how many faults that took. */
static unsigned int write_page(size_t page, unsigned char gen)
{
	volatile uint64_t *words = (void *)place_of(page);
	const uint64_t value = word_of(page, page % WORDS, gen);
	struct rusage before = { 0 }, after = { 0 };

	getrusage(RUSAGE_SELF, &before);
	words[page % WORDS] = value;
	getrusage(RUSAGE_SELF, &after);
	region.gen[page] = gen;
	return after.ru_minflt - before.ru_minflt;
}

static void carry_out(void)
{
	size_t i;

	plan->faults = 0;
	for (i = 0; i < plan->count; i++) {
		plan->faulted[i] = write_page(plan->page[i], plan->gen);
		plan->faults += plan->faulted[i];
	}
}

static bool splice_out(size_t page)
{
	struct iovec iov = {
		.iov_base = place_of(page),
		.iov_len = PAGE_BYTES,
	};

	return vmsplice(tube[1], &iov, 1, 0) == PAGE_BYTES;
}

/* The other process: runs commands until the pipe is closed. */
static void obey(int from, int to)
{
	unsigned char what, done;

	while (read(from, &what, 1) == 1) {
		switch (what) {
		case 'w':
			carry_out();
			done = 1;
			break;
		case 'p':
			warm_up();
			done = 1;
			break;
		case 'c':
			done = wrong_page() < 0;
			break;
		case 's':
			done = splice_out(plan->splice_page);
			break;
		default:
			done = 0;
		}
		if (write(to, &done, 1) != 1)
			_exit(2);
	}
	_exit(0);
}

static void start_other(void)
{
	int orders[2], answers[2];

	note_ranges();
	assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
	fflush(NULL);
	other = fork();
	assert_true(other >= 0);
	if (!other) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(orders[1]);
		close(answers[0]);
		obey(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	order = orders[1];
	answer = answers[0];
	warm_up();
}

/* Tell the other process, and wait until it has done it. */
static void tell(unsigned char what)
{
	unsigned char done;

	assert_int_equal(write(order, &what, 1), 1);
	assert_int_equal(read(answer, &done, 1), 1);
	if (!done)
		fail_msg("the other process says no to '%c'", what);
}

static void end_other(void)
{
	int status;

	close(order);
	close(answer);
	order = -1;
	answer = -1;
	assert_int_equal(waitpid(other, &status, 0), other);
	other = -1;
	assert_int_equal(status, 0);
}

/* Both see what they must, and no byte of each other's. */
static void check_both(void)
{
	long page = wrong_page();

	if (page >= 0)
		fail_msg("page %ld does not hold generation %d", page,
			 region.gen[page]);
	if (other > 0)
		tell('c');
}

static void unmap_region(void)
{
	if (region.map)
		munmap(region.map, region.map_bytes);
	if (region.map_moved)
		munmap(region.map_moved, region.map_moved_bytes);
	region.map = NULL;
	region.map_moved = NULL;
}

static void finish(void)
{
	check_both();
	if (other > 0)
		end_other();
	unmap_region();
}

/* Plans */

static void plan_new(void)
{
	plan->count = 0;
	plan->gen++;
	if (plan->gen < 2 || plan->gen == GONE)
		plan->gen = 2;
}

static void plan_add(size_t page)
{
	assert_true(plan->count < PAGES_MAX);
	plan->page[plan->count++] = page;
}

static void plan_up(size_t first, size_t end, size_t step)
{
	for (; first < end; first += step)
		plan_add(first);
}

static void plan_down(size_t first, size_t end)
{
	while (end > first)
		plan_add(--end);
}

static void plan_random(size_t first, size_t end)
{
	size_t start = plan->count, i;
	uint64_t seed = 20260101;

	plan_up(first, end, 1);
	for (i = plan->count - 1; i > start; i--) {
		size_t j;
		uint16_t page = plan->page[i];

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		j = start + (seed >> 33) % (i - start + 1);
		plan->page[i] = plan->page[j];
		plan->page[j] = page;
	}
}

/* The pages whose write took a fault must be these, in this order. */
static void expect_faults_at(const uint16_t *pages, size_t count)
{
	size_t i, nr = 0;

	for (i = 0; i < plan->count; i++) {
		if (!plan->faulted[i])
			continue;
		if (nr == count || plan->page[i] != pages[nr])
			fail_msg("fault %zu is at page %d, not at %d", nr,
				 plan->page[i], nr < count ? pages[nr] : -1);
		nr++;
	}
	assert_int_equal(nr, count);
}

static void read_counts(void)
{
	counts.windows = stat_get("windows");
	counts.left = stat_get("left");
	counts.neighbours = stat_get("neighbours");
	counts.reused = stat_get("reused");
	counts.hit = stat_get("hit");
	counts.wasted = stat_get("wasted");
	counts.skipped = stat_skipped();
}

enum writer { PARENT, CHILD };

static enum writer writer_of(void **state)
{
	return *state ? CHILD : PARENT;
}

/* Carry out the plan with precopy on. Return: the faults. */
static size_t run_by(enum writer writer)
{
	if (writer == CHILD)
		tell('p');
	warm_up();
	knob_set("reset", "1");
	knob_set("precopy", "1");
	if (writer == CHILD)
		tell('w');
	else
		carry_out();
	knob_set("precopy", "0");
	read_counts();
	return plan->faults;
}

static size_t run(void)
{
	return run_by(PARENT);
}

static void expect_counts(size_t windows, size_t neighbours, size_t hit,
			  size_t wasted)
{
	assert_int_equal(counts.windows, windows);
	assert_int_equal(counts.neighbours, neighbours);
	assert_int_equal(counts.hit, hit);
	assert_int_equal(counts.wasted, wasted);
	assert_int_equal(counts.left, 0);
	assert_int_equal(counts.skipped, 0);
}

static void set_policy(const char *name, size_t window)
{
	knob_set("policy", name);
	knob_number("window", window);
}

/* Settings of the guest's that a test may change. */

static const unsigned int sizes_kb[] = { 16, 32, 64, 128 };

static void set_size(unsigned int kb, const char *when)
{
	char path[80];

	snprintf(path, sizeof(path), THP "hugepages-%ukB/enabled", kb);
	file_set(path, when);
}

static void set_sizes(const char *when)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes_kb); i++)
		set_size(sizes_kb[i], when);
}

static int restore(void **state)
{
	(void)state;
	if (other > 0) {
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
		other = -1;
		close(order);
		close(answer);
	}
	unmap_region();
	knobs_default();
	knob_set("large_folio", "1");
	knob_set("latency_cap_ns", "0");
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	file_set(THP "enabled", "madvise");
	set_sizes("never");
	set_size(2048, "never");
	return 0;
}

static int restore_at_end(void **state)
{
	restore(state);
	set_size(2048, "inherit");
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	stay_on_one_cpu(true);
	plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return plan == MAP_FAILED;
}

/* The adaptive policy */

/*
 * An aligned stream over two page tables. The last window of a table is not
 * looked at, for the fault behind it holds another table's lock.
 */
static void expect_stream(enum writer writer, size_t window)
{
	size_t ramp_faults = 1, ramp_pages = 1, ramp_windows = 0, ramp_hits = 0;
	size_t faults, windows, size, full;

	for (size = 1; size < window; size *= 2) {
		ramp_faults++;
		ramp_pages += size;
		ramp_windows += size > 1;
		ramp_hits += size - 1;
	}
	full = (PAGES - ramp_pages) / window;
	faults = ramp_faults + full;
	windows = ramp_windows + (window > 1 ? full : 0);
	/* In numbers, for the arm `adaptive`. */
	if (window == 32)
		assert_int_equal(faults, 37);
	assert_int_equal(run_by(writer), faults);
	expect_counts(windows, PAGES - faults,
		      ramp_hits + (full - PAGES / TABLE_PAGES) * (window - 1),
		      0);
	finish();
}

static void test_adaptive_up(void **state)
{
	static const size_t windows[] = { 32, 4, 64, 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		fill_region(PAGES);
		start_other();
		set_policy("adaptive", windows[i]);
		plan_new();
		plan_up(0, PAGES, 1);
		expect_stream(writer_of(state), windows[i]);
	}
}

static void test_adaptive_down(void **state)
{
	static const size_t windows[] = { 32, 4, 64, 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		fill_region(PAGES);
		start_other();
		set_policy("adaptive", windows[i]);
		plan_new();
		plan_down(0, PAGES);
		expect_stream(writer_of(state), windows[i]);
	}
}

static void test_adaptive_fault_places(void **state)
{
	static const uint16_t up[] = { 0, 1, 2, 4, 8, 16, 32, 64, 96 };
	static const uint16_t down[] = { 127, 126, 125, 123, 119,
					 111, 95,  63,	31 };
	/* Windows end where aligned ones do, so some are cut short. */
	static const uint16_t odd[] = { 5, 6, 8, 12, 16, 24, 32, 48, 64, 96 };

	(void)state;
	set_policy("adaptive", 32);
	fill_region(128);
	start_other();
	plan_new();
	plan_up(0, 128, 1);
	run();
	expect_faults_at(up, ARRAY_SIZE(up));
	finish();

	fill_region(128);
	start_other();
	plan_new();
	plan_down(0, 128);
	run();
	expect_faults_at(down, ARRAY_SIZE(down));
	finish();

	fill_region(128);
	start_other();
	plan_new();
	plan_up(5, 128, 1);
	run();
	expect_faults_at(odd, ARRAY_SIZE(odd));
	finish();
}

/* A window that is not a power of two is a ceiling all the same. */
static void test_adaptive_ceiling(void **state)
{
	static const uint16_t want[] = { 0, 1, 2, 4, 8, 12, 16, 20, 24, 28 };

	(void)state;
	set_policy("adaptive", 7);
	fill_region(32);
	start_other();
	plan_new();
	plan_up(0, 32, 1);
	run();
	expect_faults_at(want, ARRAY_SIZE(want));
	finish();
}

static void test_adaptive_sparse(void **state)
{
	static const size_t steps[] = { 2, 3, 8, 64 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		fill_region(PAGES);
		start_other();
		set_policy("adaptive", 32);
		plan_new();
		plan_up(0, PAGES, steps[i]);
		note_frames();
		assert_int_equal(run_by(writer_of(state)), plan->count);
		expect_counts(0, 0, 0, 0);
		if (writer_of(state) == PARENT)
			assert_int_equal(count_moved(0, PAGES), plan->count);
		finish();
	}
}

static void test_adaptive_random(void **state)
{
	fill_region(PAGES);
	start_other();
	set_policy("adaptive", 32);
	plan_new();
	plan_random(0, PAGES);
	assert_in_range(run_by(writer_of(state)), PAGES * 98 / 100, PAGES);
	assert_in_range(counts.neighbours, 0, PAGES * 2 / 100);
	assert_in_range(counts.wasted, 0, PAGES / 100);
	assert_int_equal(counts.neighbours, PAGES - plan->faults);
	finish();
}

static size_t faults_between(size_t first, size_t end)
{
	size_t i, faults = 0;

	for (i = 0; i < plan->count; i++)
		if (plan->page[i] >= first && plan->page[i] < end)
			faults += plan->faulted[i];
	return faults;
}

static void test_adaptive_recovers(void **state)
{
	const size_t stream = RAMP_FAULTS + (TABLE_PAGES - RAMP_PAGES) / 32;

	fill_region(3 * TABLE_PAGES);
	start_other();
	set_policy("adaptive", 32);
	plan_new();
	plan_up(0, TABLE_PAGES, 1);
	plan_random(TABLE_PAGES, 2 * TABLE_PAGES);
	plan_up(2 * TABLE_PAGES, 3 * TABLE_PAGES, 1);
	run_by(writer_of(state));
	assert_int_equal(faults_between(0, TABLE_PAGES), stream);
	assert_in_range(faults_between(TABLE_PAGES, 2 * TABLE_PAGES),
			TABLE_PAGES * 96 / 100, TABLE_PAGES);
	assert_int_equal(faults_between(2 * TABLE_PAGES, 3 * TABLE_PAGES),
			 stream);
	finish();
}

/* Plan two streams that take turns. */
static void plan_two(size_t a, size_t b, size_t pages, bool b_down)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		plan_add(a + i);
		plan_add(b_down ? b + pages - 1 - i : b + i);
	}
}

static void test_adaptive_two_streams(void **state)
{
	size_t half, down;

	/* In one page table, in two, and one of them downward. */
	for (half = TABLE_PAGES / 2; half <= TABLE_PAGES; half *= 2) {
		for (down = 0; down < 2; down++) {
			const size_t faults =
				2 * (RAMP_FAULTS + (half - RAMP_PAGES) / 32);

			fill_region(2 * half);
			start_other();
			set_policy("adaptive", 32);
			plan_new();
			plan_two(0, half, half, down);
			assert_int_equal(run_by(writer_of(state)), faults);
			assert_int_equal(counts.neighbours, 2 * half - faults);
			assert_int_equal(counts.wasted, 0);
			finish();
		}
	}
}

static void test_adaptive_page_table_end(void **state)
{
	/* Beyond the end it goes on with what it had, then it grows again. */
	static const uint16_t up[] = { 480, 481, 482, 484, 488,
				       496, 512, 528, 544 };
	static const uint16_t down[] = { 543, 542, 541, 539, 535,
					 527, 511, 495, 479 };

	(void)state;
	set_policy("adaptive", 32);
	fill_region(PAGES);
	start_other();
	plan_new();
	plan_up(480, 576, 1);
	run();
	expect_faults_at(up, ARRAY_SIZE(up));
	finish();

	fill_region(PAGES);
	start_other();
	plan_new();
	plan_down(448, 544);
	run();
	expect_faults_at(down, ARRAY_SIZE(down));
	finish();
}

/* The VMA's ends are ends of windows, and what lies behind stays shared. */
static void test_adaptive_vma_end(void **state)
{
	static const uint16_t want[] = { 13, 14, 16, 20, 24, 32, 48, 64 };
	size_t i;

	(void)state;
	set_policy("adaptive", 64);
	fill_region(128);
	assert_int_equal(mprotect(region.mem, 13 * PAGE_BYTES, PROT_READ), 0);
	assert_int_equal(mprotect(region.mem + 75 * PAGE_BYTES, 53 * PAGE_BYTES,
				  PROT_READ),
			 0);
	start_other();
	note_frames();
	plan_new();
	plan_up(13, 75, 1);
	run();
	expect_faults_at(want, ARRAY_SIZE(want));
	for (i = 0; i < 128; i++)
		assert_int_equal(moved(i), i >= 13 && i < 75);
	finish();
}

/* A stream with windows of 32 pages, the last of them 64...95. */
static void plan_ramp(void)
{
	plan_new();
	plan_up(0, 65, 1);
}

static void test_adaptive_shrinks(void **state)
{
	static const struct {
		size_t step;
		size_t hit;
	} wants[] = {
		/* The rest of the window is not used at all. */
		{ 32, 0 },
		/* Every second page: 15 of 31 neighbours are less than half. */
		{ 2, 15 },
	};
	/* Up to the last window, and without it. */
	const size_t neighbours = 1 + 3 + 7 + 15 + 31 + 31;
	const size_t hit = 1 + 3 + 7 + 15 + 31;
	size_t i;

	(void)state;
	set_policy("adaptive", 32);
	for (i = 0; i < ARRAY_SIZE(wants); i++) {
		fill_region(PAGES);
		start_other();
		plan_ramp();
		plan_up(64 + wants[i].step, 97, wants[i].step);
		/* Page 96 is served alone. */
		assert_int_equal(run(), 8 + 1);
		expect_counts(6, neighbours, hit + wants[i].hit,
			      31 - wants[i].hit);
		finish();
	}

	/* A writer that goes on like that wastes what is open, and no more. */
	fill_region(PAGES);
	start_other();
	plan_ramp();
	plan_up(96, PAGES, 32);
	assert_int_equal(run(), 8 + (PAGES - 96) / 32);
	expect_counts(6, neighbours, hit, 31);
	finish();
}

/* Half of the neighbours written is enough to stay, but not to grow. */
static void test_adaptive_stays(void **state)
{
	static const uint16_t want[] = { 0, 1, 2, 4, 8, 16, 24, 32, 48 };

	(void)state;
	set_policy("adaptive", 32);
	fill_region(64);
	start_other();
	plan_new();
	/* Of 9...15 four, so the next window is of 8 again; then all. */
	plan_up(0, 13, 1);
	plan_up(16, 64, 1);
	run();
	expect_faults_at(want, ARRAY_SIZE(want));
	finish();
}

/*
 * A writer of only the first page of each window gets windows of 1 1 2 pages,
 * repeatedly: one page in four is wasted.
 */
static void test_adaptive_adversary(void **state)
{
	size_t i, page = 0, written = 0;

	(void)state;
	set_policy("adaptive", 32);
	fill_region(PAGES);
	start_other();
	note_frames();
	knob_set("reset", "1");
	warm_up();
	knob_set("precopy", "1");
	plan_new();
	while (page < PAGES) {
		write_page(page, plan->gen);
		written++;
		/* The next page that is not ours yet. */
		while (page < PAGES && moved(page))
			page++;
	}
	knob_set("precopy", "0");
	read_counts();
	for (i = 0; i < PAGES; i++)
		assert_true(moved(i));
	assert_int_equal(counts.neighbours, PAGES / 4);
	assert_int_equal(written, PAGES * 3 / 4);
	finish();
}

/* Where objects of OBJECT_PAGES at the most lie, one in each of these places. */
#define OBJECT_PAGES 9
#define OBJECT_PLACE 16
#define OBJECT_FIRST 3

/* Plan to write @count objects of @pages, in a random order of their places. */
static void plan_objects(const uint16_t *places, size_t count, size_t pages,
			 bool down)
{
	size_t i;

	for (i = 0; i < count; i++) {
		size_t first = places[i] * OBJECT_PLACE + OBJECT_FIRST;

		if (down)
			plan_down(first, first + pages);
		else
			plan_up(first, first + pages, 1);
	}
}

/* Every place of a region, in a random order. */
static size_t object_places(size_t pages, uint16_t *places)
{
	const size_t count = pages / OBJECT_PLACE;

	plan_new();
	plan_random(0, count);
	memcpy(places, plan->page, count * sizeof(*places));
	plan_new();
	return count;
}

/*
 * Objects of 9 pages: at first each takes a ramp, 3 4 6 8, or 11 10 9 7 3 of
 * which the last window has three pages that belong to no object. After three
 * objects, the window is limited to 9 pages: the fault on the second page then
 * serves the pages behind it.
 */
static void test_adaptive_habit(void **state)
{
	static uint16_t places[PAGES_MAX];
	size_t down, count;

	for (down = 0; down < 2; down++) {
		fill_region(PAGES);
		start_other();
		set_policy("adaptive", 32);
		count = object_places(PAGES, places);
		plan_objects(places, count, OBJECT_PAGES, down);
		assert_int_equal(run_by(writer_of(state)),
				 3 * (4 + down) + (count - 3) * 2);
		assert_int_equal(counts.neighbours,
				 plan->count - plan->faults + down * 3 * 3);
		assert_int_equal(counts.wasted, 0);
		finish();
	}
}

/* An object that is longer than usual has a ramp behind its window. */
static void test_adaptive_habit_longer(void **state)
{
	static uint16_t places[PAGES_MAX];
	static const uint16_t want[] = { 3, 4, 12, 14 };
	size_t i, nr = 0;

	(void)state;
	fill_region(PAGES);
	start_other();
	set_policy("adaptive", 32);
	object_places(PAGES / 2, places);
	plan_objects(places, 8, OBJECT_PAGES, false);
	plan_up(PAGES - 509, PAGES - 497, 1);
	run();
	for (i = 8 * OBJECT_PAGES; i < plan->count; i++) {
		if (!plan->faulted[i])
			continue;
		assert_true(nr < ARRAY_SIZE(want));
		assert_int_equal(plan->page[i], PAGES - TABLE_PAGES + want[nr]);
		nr++;
	}
	assert_int_equal(nr, ARRAY_SIZE(want));
	finish();
}

/*
 * A writer that trains a habit and then writes two pages of each object gets
 * the windows that it has earned, no more; the ramp itself wastes one page per
 * object. Also where another fault between the objects takes their place in the
 * VMA's word.
 */
static void test_adaptive_habit_adversary(void **state)
{
	static uint16_t places[PAGES_MAX];
	const size_t trained = 64;
	size_t between, i, count, written;

	(void)state;
	for (between = 0; between < 2; between++) {
		fill_region(PAGES_MAX);
		start_other();
		set_policy("adaptive", 32);
		count = object_places(PAGES_MAX, places);
		plan_objects(places, trained, OBJECT_PAGES, false);
		for (i = trained; i < count; i++) {
			plan_objects(&places[i], 1, 2, false);
			if (between)
				plan_add(places[i] * OBJECT_PLACE);
		}
		written = plan->count;
		note_frames();
		run();
		i = count_moved(0, PAGES_MAX);
		assert_in_range(i, written,
				written + written / 3 + (count - trained));
		/* It had been earned. */
		assert_true(i > written + (count - trained));
		finish();
	}
}

/* What the word in the VMA says may be about other memory by now. */

static void ramp_up(size_t pages)
{
	fill_region(pages);
	start_other();
	note_frames();
	set_policy("adaptive", 32);
	plan_ramp();
	assert_int_equal(run(), RAMP_FAULTS + 2);
}

/* Write, after which these pages are no longer those of ramp_up(). */
static void write_rest(size_t from, size_t end)
{
	plan_new();
	plan_up(from, end, 1);
	run();
	assert_int_equal(count_moved(from, end), end - from);
	check_both();
}

static void forget(size_t from, size_t end)
{
	while (from < end)
		region.gen[from++] = GONE;
}

/* Two streams' word, found by a policy that keeps something else there. */
static void test_stale_policy(void **state)
{
	(void)state;
	fill_region(PAGES);
	start_other();
	set_policy("adaptive", 32);
	plan_new();
	plan_two(0, TABLE_PAGES / 2, 64, 0);
	run();

	set_policy("fixed", 16);
	plan_new();
	plan_up(128, 192, 1);
	assert_int_equal(run(), 4);
	finish();
}

static void test_stale_munmap(void **state)
{
	(void)state;
	/* Behind the window, then the window itself, then before it. */
	ramp_up(PAGES);
	assert_int_equal(munmap(region.mem + 96 * PAGE_BYTES, 32 * PAGE_BYTES),
			 0);
	forget(96, 128);
	write_rest(65, 96);
	write_rest(128, PAGES);
	finish();

	ramp_up(PAGES);
	assert_int_equal(munmap(region.mem + 64 * PAGE_BYTES, 32 * PAGE_BYTES),
			 0);
	forget(64, 96);
	write_rest(96, PAGES);
	finish();

	ramp_up(PAGES);
	assert_int_equal(munmap(region.mem, 96 * PAGE_BYTES), 0);
	forget(0, 96);
	write_rest(96, PAGES);
	finish();

	/* And mapped again at the same place, in the merged VMA perhaps. */
	ramp_up(PAGES);
	assert_ptr_equal(mmap(region.mem + 64 * PAGE_BYTES, 64 * PAGE_BYTES,
			      PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 region.mem + 64 * PAGE_BYTES);
	memset(region.gen + 64, 0, 64);
	check_both();
	forget(64, 128);
	write_rest(128, PAGES);
	finish();
}

static void test_stale_mremap(void **state)
{
	static const size_t shifts[] = { 0, 1, 31, 33, 512 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		ramp_up(PAGES);
		move_pages(0, PAGES, shifts[i]);
		write_rest(96, PAGES);
		/* It is a stream there too, be the windows cut short at first. */
		assert_in_range(plan->faults, (PAGES - 96) / 32,
				(PAGES - 96) / 32 + 2 * RAMP_FAULTS);
		finish();
	}
}

/* Only a part moves, and the rest of the window stays where it was. */
static void test_stale_mremap_part(void **state)
{
	(void)state;
	ramp_up(PAGES);
	move_pages(80, 64, 3);
	write_rest(96, PAGES);
	write_rest(0, PAGES);
	finish();
}

static void test_stale_mprotect(void **state)
{
	static const size_t cuts[] = { 64, 65, 80, 95, 96, 97, 110 };
	size_t k;

	(void)state;
	for (k = 0; k < ARRAY_SIZE(cuts); k++) {
		uint64_t readonly[16];
		unsigned char *at;
		size_t i;

		ramp_up(PAGES);
		at = region.mem + cuts[k] * PAGE_BYTES;
		for (i = 0; i < 16; i++)
			readonly[i] = frame_of(cuts[k] + i);
		/* Split, and later merged again. */
		assert_int_equal(mprotect(at, 16 * PAGE_BYTES, PROT_READ), 0);
		if (cuts[k] > 96)
			write_rest(96, cuts[k]);
		write_rest(cuts[k] + 16, cuts[k] + 32);
		for (i = 0; i < 16; i++)
			assert_int_equal(frame_of(cuts[k] + i), readonly[i]);
		assert_int_equal(mprotect(at, 16 * PAGE_BYTES,
					  PROT_READ | PROT_WRITE),
				 0);
		write_rest(0, PAGES);
		finish();
	}
}

/* The child has the parent's word, for page tables of its own. */
static void test_stale_fork(void **state)
{
	(void)state;
	ramp_up(PAGES);
	end_other();
	plan_new();
	plan_up(65, 96, 1);
	assert_int_equal(run(), 0);
	note_frames();
	start_other();
	plan_new();
	plan_up(96, PAGES, 1);
	/* The child knows no stream: its own grows from 1 page to 32. */
	assert_int_equal(run_by(CHILD), (PAGES - 96) / 32 + 5);
	check_both();
	assert_int_equal(count_moved(0, PAGES), 0);
	write_rest(0, 96);
	/* The rest is ours alone by now. */
	plan_new();
	plan_up(96, PAGES, 1);
	run();
	assert_int_equal(count_moved(96, PAGES), 0);
	finish();
}

/* Large folios */

static uint64_t large_allocs(unsigned int kb)
{
	char path[96];

	snprintf(path, sizeof(path),
		 THP "hugepages-%ukB/stats/anon_fault_alloc", kb);
	return strtoull(file_text(path), NULL, 10);
}

/*
 * A region of small pages whose copies may be large, and another process that
 * holds it.
 */
static void share_region(size_t pages)
{
	set_size(2048, "never");
	fill_region(pages);
	advise(MADV_HUGEPAGE);
	start_other();
	note_frames();
}

/*
 * Write sequentially with `fixed`. Expect all of the copies in folios of @want
 * pages, counted by the counter of that size only.
 */
static void expect_large(size_t window, size_t want)
{
	uint64_t allocs[ARRAY_SIZE(sizes_kb)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes_kb); i++)
		allocs[i] = large_allocs(sizes_kb[i]);
	set_policy("fixed", window);
	plan_new();
	plan_up(0, region.pages, 1);
	assert_int_equal(run(), region.pages / window);
	expect_counts(region.pages / window,
		      region.pages - region.pages / window,
		      (region.pages / window - region.pages / TABLE_PAGES) *
			      (window - 1),
		      0);
	assert_int_equal(count_moved(0, region.pages), region.pages);
	expect_folios(0, region.pages, want);
	for (i = 0; i < ARRAY_SIZE(sizes_kb); i++) {
		bool here = sizes_kb[i] == want * PAGE_BYTES / 1024;

		assert_int_equal(large_allocs(sizes_kb[i]) - allocs[i],
				 here ? region.pages / want : 0);
	}
	finish();
}

static void test_large(void **state)
{
	(void)state;
	set_sizes("madvise");
	share_region(PAGES);
	expect_large(16, 16);
	share_region(PAGES);
	expect_large(64, 32);
	share_region(PAGES);
	expect_large(32, 32);
	share_region(PAGES);
	expect_large(8, 8);
	share_region(PAGES);
	expect_large(4, 4);
	/* There is no folio of two pages. */
	share_region(PAGES);
	expect_large(2, 1);
}

static void test_large_by_child(void **state)
{
	(void)state;
	set_sizes("madvise");
	share_region(PAGES);
	set_policy("fixed", 16);
	plan_new();
	plan_up(0, PAGES, 1);
	assert_int_equal(run_by(CHILD), PAGES / 16);
	/* Ours have stayed where they were. */
	assert_int_equal(count_moved(0, PAGES), 0);
	finish();
}

static void test_large_off(void **state)
{
	(void)state;
	/* The switch of ours. */
	set_sizes("madvise");
	knob_set("large_folio", "0");
	share_region(PAGES);
	expect_large(16, 1);
	knob_set("large_folio", "1");

	/* The VMA's. */
	share_region(PAGES);
	advise(MADV_NOHUGEPAGE);
	expect_large(16, 1);

	/* The process's. */
	share_region(PAGES);
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	expect_large(16, 1);
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);

	/* The sizes'. */
	set_sizes("never");
	share_region(PAGES);
	expect_large(16, 1);

	/* The setting for all processes. */
	set_sizes("inherit");
	file_set(THP "enabled", "never");
	share_region(PAGES);
	expect_large(16, 1);

	/* All of them on again. */
	file_set(THP "enabled", "madvise");
	share_region(PAGES);
	expect_large(16, 16);
	file_set(THP "enabled", "always");
	share_region(PAGES);
	expect_large(16, 16);
}

/* Each size has its own switch. */
static void test_large_sizes(void **state)
{
	(void)state;
	set_size(16, "madvise");
	share_region(PAGES);
	expect_large(16, 4);
	set_size(32, "madvise");
	share_region(PAGES);
	expect_large(16, 8);
	set_size(16, "never");
	share_region(PAGES);
	expect_large(64, 8);
	set_size(32, "never");
	set_size(128, "madvise");
	/* Does not fit. */
	share_region(PAGES);
	expect_large(16, 1);
	share_region(PAGES);
	expect_large(32, 32);
	set_size(128, "never");
	set_size(64, "always");
	share_region(PAGES);
	expect_large(64, 16);
}

/* The ramp's windows are aligned: each is one folio. */
static void test_large_adaptive(void **state)
{
	(void)state;
	set_sizes("madvise");
	share_region(PAGES);
	set_policy("adaptive", 32);
	plan_new();
	plan_up(0, PAGES, 1);
	expect_stream(PARENT, 32);

	share_region(PAGES);
	plan_new();
	plan_up(0, PAGES, 1);
	run();
	expect_folios(0, 4, 1);
	expect_folios(4, 8, 4);
	expect_folios(8, 16, 8);
	expect_folios(16, 32, 16);
	expect_folios(32, PAGES, 32);
	finish();

	share_region(PAGES);
	plan_new();
	plan_down(0, PAGES);
	run();
	expect_folios(0, PAGES - 32, 32);
	expect_folios(PAGES - 32, PAGES - 16, 16);
	expect_folios(PAGES - 16, PAGES - 8, 8);
	expect_folios(PAGES - 8, PAGES - 4, 4);
	expect_folios(PAGES - 4, PAGES, 1);
	finish();
}

/* Page 5 of a window is not to be copied: what is left gets smaller folios. */
static void expect_around_page_5(size_t fault)
{
	set_policy("fixed", 16);
	plan_new();
	plan_add(fault);
	assert_int_equal(run(), 1);
	assert_int_equal(counts.neighbours, 14);
	assert_int_equal(counts.skipped, 1);
	expect_folios(0, 4, 4);
	expect_folios(4, 5, 1);
	expect_folios(6, 8, 1);
	expect_folios(8, 16, 8);
	assert_int_equal(count_moved(0, 16), 15);
	assert_false(moved(5));
	assert_int_equal(count_moved(16, region.pages), 0);
	check_both();
}

static const size_t fault_places[] = { 0, 3, 4, 6, 15 };

static void test_large_around_spliced(void **state)
{
	unsigned char bytes[PAGE_BYTES];
	size_t i;

	(void)state;
	set_sizes("madvise");
	for (i = 0; i < ARRAY_SIZE(fault_places); i++) {
		share_region(64);
		assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
		assert_true(splice_out(5));
		expect_around_page_5(fault_places[i]);
		assert_int_equal(stat_get("skip_referenced"), 1);
		plan_new();
		plan_add(5);
		assert_int_equal(run(), 1);
		assert_true(moved(5));
		assert_int_equal(read(tube[0], bytes, PAGE_BYTES), PAGE_BYTES);
		assert_true(holds(bytes, 5, 1));
		close(tube[0]);
		close(tube[1]);
		finish();
	}
}

static void test_large_around_zero_page(void **state)
{
	size_t i;

	(void)state;
	set_sizes("madvise");
	for (i = 0; i < ARRAY_SIZE(fault_places); i++) {
		fill_region(64);
		assert_int_equal(madvise(region.mem + 5 * PAGE_BYTES,
					 PAGE_BYTES, MADV_DONTNEED),
				 0);
		region.gen[5] = 0;
		assert_true(holds(place_of(5), 5, 0));
		assert_true(flags_of(frame_of(5)) & KPF_ZERO_PAGE);
		advise(MADV_HUGEPAGE);
		start_other();
		note_frames();
		expect_around_page_5(fault_places[i]);
		assert_int_equal(stat_get("skip_special"), 1);
		finish();
	}
}

static void test_large_around_hole(void **state)
{
	size_t i;

	(void)state;
	set_sizes("madvise");
	for (i = 0; i < ARRAY_SIZE(fault_places); i++) {
		share_region(64);
		assert_int_equal(madvise(region.mem + 5 * PAGE_BYTES,
					 PAGE_BYTES, MADV_DONTNEED),
				 0);
		region.gen[5] = GONE;
		note_frames();
		expect_around_page_5(fault_places[i]);
		assert_int_equal(stat_get("skip_not_present"), 1);
		region.gen[5] = 0;
		finish();
	}
}

static int restore_swap(void **state)
{
	restore(state);
	swap_off();
	return 0;
}

static void test_large_around_swapped(void **state)
{
	size_t i, tries;

	(void)state;
	if (!swap_on("16M"))
		skip();
	set_sizes("madvise");
	for (i = 0; i < ARRAY_SIZE(fault_places); i++) {
		fill_region(64);
		/* A page in an LRU cache is passed over. */
		for (tries = 0; tries < 100 && frame_of(5); tries++) {
			file_set("/proc/sys/vm/drop_caches", "1");
			assert_int_equal(madvise(place_of(5), PAGE_BYTES,
						 MADV_PAGEOUT),
					 0);
		}
		advise(MADV_HUGEPAGE);
		start_other();
		note_frames();
		assert_true(entry_of(5) & PM_SWAP);
		expect_around_page_5(fault_places[i]);
		assert_int_equal(stat_get("skip_not_present"), 1);
		finish();
	}
}

/* The VMA begins and ends within a window. */
static void test_large_unaligned(void **state)
{
	(void)state;
	set_sizes("madvise");
	fill_region(64);
	assert_int_equal(munmap(region.mem, 3 * PAGE_BYTES), 0);
	assert_int_equal(munmap(region.mem + 45 * PAGE_BYTES, 19 * PAGE_BYTES),
			 0);
	forget(0, 3);
	forget(45, 64);
	assert_int_equal(madvise(region.mem + 3 * PAGE_BYTES, 42 * PAGE_BYTES,
				 MADV_HUGEPAGE),
			 0);
	start_other();
	set_policy("fixed", 16);
	note_frames();
	plan_new();
	plan_up(3, 45, 1);
	assert_int_equal(run(), 3);
	assert_int_equal(count_moved(0, 64), 42);
	expect_folios(3, 4, 1);
	expect_folios(4, 8, 4);
	expect_folios(8, 16, 8);
	expect_folios(16, 32, 16);
	expect_folios(32, 40, 8);
	expect_folios(40, 44, 4);
	expect_folios(44, 45, 1);
	finish();
}

/* Reuse */

/*
 * A region that precopy has put into folios of 16 pages, which are ours alone.
 */
static void own_large_folios(size_t pages)
{
	set_sizes("madvise");
	share_region(pages);
	set_policy("fixed", 16);
	plan_new();
	plan_up(0, pages, 1);
	assert_int_equal(run(), pages / 16);
	expect_folios(0, pages, 16);
	end_other();
	check_both();
	note_frames();
}

static void write_all(void)
{
	size_t i;

	plan_new();
	for (i = 0; i < region.pages; i++)
		if (region.gen[i] != GONE)
			plan_add(i);
	run();
}

static void expect_reuse(void)
{
	set_policy("fixed", 16);
	write_all();
	assert_int_equal(plan->faults, region.pages / 16);
	assert_int_equal(counts.reused, region.pages - plan->faults);
	assert_int_equal(counts.neighbours, 0);
	assert_int_equal(counts.skipped, 0);
	assert_int_equal(count_moved(0, region.pages), 0);
	check_both();
}

static void test_reuse_small(void **state)
{
	size_t i;

	(void)state;
	set_size(2048, "never");
	fill_region(PAGES);
	start_other();
	end_other();
	note_frames();
	expect_reuse();

	/* Again, by a stream; and downward. */
	for (i = 0; i < 2; i++) {
		start_other();
		end_other();
		set_policy("adaptive", 32);
		plan_new();
		if (i)
			plan_down(0, PAGES);
		else
			plan_up(0, PAGES, 1);
		run();
		/* The word in the VMA may still know a stream. */
		assert_in_range(plan->faults, PAGES / 32,
				RAMP_FAULTS + (PAGES - RAMP_PAGES) / 32);
		assert_int_equal(counts.reused, PAGES - plan->faults);
		assert_int_equal(count_moved(0, PAGES), 0);
		check_both();
	}

	/* It is ours, so the next one to fork must not see what we write. */
	start_other();
	write_all();
	assert_int_equal(count_moved(0, PAGES), PAGES);
	finish();
}

static void test_reuse_large(void **state)
{
	(void)state;
	own_large_folios(PAGES);
	start_other();
	end_other();
	expect_reuse();
	expect_folios(0, PAGES, 16);

	/* More than once, and with another process in between. */
	start_other();
	check_both();
	end_other();
	expect_reuse();
	start_other();
	write_all();
	assert_int_equal(count_moved(0, PAGES), PAGES);
	finish();
}

/* Any page may be the first one written. */
static void test_reuse_large_random(void **state)
{
	(void)state;
	own_large_folios(PAGES);
	start_other();
	end_other();
	set_policy("adaptive", 1);
	plan_new();
	plan_random(0, PAGES);
	run();
	/* The first fault marks the folio's pages; each has still its own. */
	assert_int_equal(plan->faults, PAGES);
	assert_int_equal(counts.neighbours, 0);
	assert_int_equal(count_moved(0, PAGES), 0);
	finish();
}

static void test_reuse_large_off(void **state)
{
	(void)state;
	own_large_folios(PAGES);
	start_other();
	end_other();
	knob_set("precopy", "0");
	plan_new();
	plan_up(0, PAGES, 1);
	carry_out();
	assert_int_equal(plan->faults, PAGES);
	/* Since 6.15 the kernel sees by itself that such a folio is exclusive. */
	assert_int_equal(count_moved(0, PAGES),
			 kernel_before("6.15") ? PAGES : 0);
	finish();
}

static void test_reuse_large_shared(void **state)
{
	size_t i;

	(void)state;
	own_large_folios(128);
	start_other();
	write_all();
	assert_int_equal(plan->faults, 128 / 16);
	assert_int_equal(count_moved(0, 128), 128);
	expect_folios(0, 128, 16);
	finish();

	/* The child has copied the upper half of each folio for itself. */
	own_large_folios(128);
	start_other();
	plan_new();
	for (i = 0; i < 128; i += 16)
		plan_up(i + 8, i + 16, 1);
	tell('w');
	tell('c');
	check_both();
	write_all();
	for (i = 0; i < 128; i++)
		if (i % 16 < 8)
			assert_true(moved(i));
	finish();

	/* And then the lower one too: now it needs nothing of ours. */
	own_large_folios(128);
	start_other();
	plan_new();
	plan_up(0, 128, 1);
	tell('w');
	expect_reuse();
	finish();
}

/* A pipe holds a page for a later reader, which must not see our writes. */
static void expect_spliced(enum writer writer, bool large)
{
	unsigned char bytes[PAGE_BYTES], gen;
	size_t page;

	if (large) {
		own_large_folios(64);
	} else {
		fill_region(64);
		note_frames();
	}
	gen = region.gen[21];
	assert_int_equal(pipe2(tube, O_CLOEXEC), 0);
	start_other();
	if (writer == CHILD) {
		plan->splice_page = 21;
		tell('s');
	} else {
		assert_true(splice_out(21));
	}
	end_other();
	set_policy("fixed", 16);
	write_all();
	for (page = 0; page < 64; page++) {
		bool held = large ? page / 16 == 1 : page == 21;

		if (moved(page) != held)
			fail_msg("page %zu was%s copied", page,
				 held ? " not" : "");
	}
	check_both();
	assert_int_equal(read(tube[0], bytes, PAGE_BYTES), PAGE_BYTES);
	assert_true(holds(bytes, 21, gen));
	close(tube[0]);
	close(tube[1]);
	finish();
}

static void test_reuse_spliced(void **state)
{
	(void)state;
	expect_spliced(PARENT, false);
	expect_spliced(CHILD, false);
	expect_spliced(PARENT, true);
	expect_spliced(CHILD, true);
}

static void test_reuse_partly_unmapped(void **state)
{
	size_t i;

	(void)state;
	/* Given back: the rest of the folio is still ours alone. */
	own_large_folios(64);
	for (i = 20; i < 24; i++)
		region.gen[i] = 0;
	assert_int_equal(madvise(place_of(20), 4 * PAGE_BYTES, MADV_DONTNEED),
			 0);
	/* Page 21 is the zero page, 20 a new one, 22 and 23 are nothing. */
	assert_true(holds(place_of(21), 21, 0));
	fill_page(20);
	note_frames();
	start_other();
	end_other();
	set_policy("fixed", 16);
	plan_new();
	plan_up(0, 20, 1);
	plan_up(24, 64, 1);
	run();
	assert_int_equal(plan->faults, 4);
	assert_int_equal(count_moved(0, 64), 0);
	check_both();
	/* While another process shares the pages, none is reused. */
	start_other();
	plan_new();
	plan_up(0, 20, 1);
	plan_up(24, 64, 1);
	run();
	for (i = 0; i < 64; i++)
		if (i < 20 || i >= 24)
			assert_true(moved(i));
	finish();

	/* Unmapped: a hole in the middle, with a VMA on each side. */
	own_large_folios(64);
	assert_int_equal(munmap(place_of(20), 4 * PAGE_BYTES), 0);
	forget(20, 24);
	start_other();
	end_other();
	write_all();
	assert_int_equal(count_moved(0, 16), 0);
	assert_int_equal(count_moved(32, 64), 0);
	check_both();
	start_other();
	write_all();
	finish();

	/* Unmapped: the end of the VMA. */
	own_large_folios(64);
	assert_int_equal(munmap(place_of(60), 4 * PAGE_BYTES), 0);
	forget(60, 64);
	start_other();
	end_other();
	write_all();
	/* All of it that is mapped is in this VMA. */
	assert_int_equal(count_moved(0, 60), 0);
	assert_int_equal(plan->faults, 4);
	check_both();
	start_other();
	write_all();
	finish();
}

static void test_reuse_partly_moved(void **state)
{
	size_t shift;

	(void)state;
	for (shift = 0; shift < 16; shift += 5) {
		own_large_folios(64);
		move_pages(24, 32, shift);
		check_both();
		start_other();
		end_other();
		note_frames();
		write_all();
		/* What was not cut in two is still ours alone. */
		assert_int_equal(count_moved(0, 16), 0);
		assert_int_equal(count_moved(32, 48), 0);
		check_both();
		start_other();
		note_frames();
		write_all();
		assert_int_equal(count_moved(0, 64), 64);
		finish();
	}
}

/* The cap */

#define CAP_PAGES PAGES_MAX

static struct stage run_timed(const char *policy, size_t window, uint64_t cap)
{
	struct stage stage;

	fill_region(CAP_PAGES);
	start_other();
	plan_new();
	plan_up(0, CAP_PAGES, 1);
	knob_number("pid", getpid());
	knob_set("timing", "1");
	knob_number("latency_cap_ns", cap);
	if (policy) {
		set_policy(policy, window);
		run();
	} else {
		knob_set("precopy", "0");
		warm_up();
		knob_set("reset", "1");
		carry_out();
	}
	stage = stage_get("fault");
	assert_int_equal(stage.count, plan->faults);
	knob_set("timing", "0");
	finish();
	return stage;
}

/* Is @a, but for 5%, @b? */
static bool is_about(uint64_t a, uint64_t b)
{
	return a <= b + b / 20 && b <= a + a / 20;
}

/*
 * What a fault costs changes with what else the host does: a cap that was not
 * held says nothing if that cost is another one afterwards, and is tried again.
 */
static void test_cap(void **state)
{
	const char *policy = *state;
	const size_t full =
		strcmp(policy, "fixed") ?
			RAMP_FAULTS + (CAP_PAGES - RAMP_PAGES) / 32 :
			CAP_PAGES / 32;
	struct stage stage, before;
	unsigned int tries = 0;
	uint64_t cap;
	bool held;

	do {
		before = run_timed(NULL, 0, 0);
		assert_int_equal(before.count, CAP_PAGES);
		cap = 3 * before.p50;
		stage = run_timed(policy, 32, cap);
		held = stage.count > full && stage.count <= CAP_PAGES * 3 / 4 &&
		       stage.p50 <= cap;
	} while (!held && !is_about(before.p50, run_timed(NULL, 0, 0).p50) &&
		 ++tries < 20);
	print_message("# cap %llu: %llu faults, median %llu, p99 %llu\n",
		      (unsigned long long)cap, (unsigned long long)stage.count,
		      (unsigned long long)stage.p50,
		      (unsigned long long)stage.p99);
	assert_in_range(stage.count, full + 1, CAP_PAGES * 3 / 4);
	assert_in_range(stage.p50, 1, cap);

	/* Nothing is done in a nanosecond. */
	stage = run_timed(policy, 32, 1);
	assert_int_equal(stage.count, CAP_PAGES);
	assert_int_equal(counts.windows, 0);

	/* And without a cap the windows are full again. */
	stage = run_timed(policy, 32, 0);
	assert_int_equal(stage.count, full);

	/* A cap that no fault meets is none, once a page's cost is known. */
	stage = run_timed(policy, 32, UINT64_MAX);
	assert_in_range(stage.count, full, full + 2);
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, restore, restore)
#define TEST_WITH(function, name, value)                        \
	{                                                       \
#function "_" name, function, restore, restore, \
			(void *)(value)                         \
	}
#define TEST_BOTH(function)                     \
	TEST_WITH(function, "by_parent", NULL), \
		TEST_WITH(function, "by_child", "child")

/* An argument chooses tests. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST_BOTH(test_adaptive_up),
		TEST_BOTH(test_adaptive_down),
		TEST(test_adaptive_fault_places),
		TEST(test_adaptive_ceiling),
		TEST_BOTH(test_adaptive_sparse),
		TEST_BOTH(test_adaptive_random),
		TEST_BOTH(test_adaptive_recovers),
		TEST_BOTH(test_adaptive_two_streams),
		TEST(test_adaptive_page_table_end),
		TEST(test_adaptive_vma_end),
		TEST(test_adaptive_shrinks),
		TEST(test_adaptive_stays),
		TEST(test_adaptive_adversary),
		TEST(test_adaptive_habit),
		TEST(test_adaptive_habit_longer),
		TEST(test_adaptive_habit_adversary),
		TEST(test_stale_policy),
		TEST(test_stale_munmap),
		TEST(test_stale_mremap),
		TEST(test_stale_mremap_part),
		TEST(test_stale_mprotect),
		TEST(test_stale_fork),
		TEST(test_large),
		TEST(test_large_by_child),
		TEST(test_large_off),
		TEST(test_large_sizes),
		TEST(test_large_adaptive),
		TEST(test_large_around_spliced),
		TEST(test_large_around_zero_page),
		TEST(test_large_around_hole),
		cmocka_unit_test_setup_teardown(test_large_around_swapped,
						restore, restore_swap),
		TEST(test_large_unaligned),
		TEST(test_reuse_small),
		TEST(test_reuse_large),
		TEST(test_reuse_large_random),
		TEST(test_reuse_large_off),
		TEST(test_reuse_large_shared),
		TEST(test_reuse_spliced),
		TEST(test_reuse_partly_unmapped),
		TEST(test_reuse_partly_moved),
		TEST_WITH(test_cap, "fixed", "fixed"),
		TEST_WITH(test_cap, "adaptive", "adaptive"),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("guest_policy", tests, set_up,
					   restore_at_end);
}
