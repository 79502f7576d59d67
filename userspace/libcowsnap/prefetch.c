// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The prefetcher: a thread that breaks copy-on-write ahead of the writers.
 *
 * /proc/self/pagemap tells what was written: a page of the region that is no
 * longer the memfd's has been written. Reading the whole pagemap is expensive, so
 * the prefetcher scans the region seldom. A run of written pages that has grown at
 * its upper end is a stream. The prefetcher breaks a window of pages ahead of the
 * stream except one, the marker. Looking at one page is cheap. Once the marker has
 * been written, the next window follows, twice as large. A stream that ends leaves
 * at most one window unused.
 *
 * It takes small steps: there is no huge page to keep whole. The region maps a
 * memfd privately, and the kernel copies pages of files in windows of at most 32.
 */
#include "libcowsnap/internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common/manual_cow.h"

#define STACK_BYTES (128UL << 10)
#define BATCH_PAGES 16
#define STREAMS 16
/* Pages in a row that make a stream. */
#define STREAM_PAGES 8
#define WINDOW_MIN 128
#define WINDOW_MAX 2048
#define TICK_NS 1000000ULL
/* Scan the region for at most a tenth of the time. */
#define SCAN_SHARE 9

/**
 * struct stream - a sequential writer
 * @end: page behind the last broken page; 0: no stream
 * @marker: the page that was left out
 * @window: pages per window
 */
struct stream {
	size_t end;
	size_t marker;
	size_t window;
};

/**
 * struct ahead - the prefetcher's work in a snapshot
 * @cs: the region
 * @pages: its pages
 * @began: start time, in nanoseconds
 * @own: one byte per page, 1: had a copy in the last scan, or was broken here
 * @streams: the streams
 * @next_scan: time of the next scan for streams
 * @over: no work or no budget is left
 */
struct ahead {
	struct cowsnap *cs;
	size_t pages;
	uint64_t began;
	unsigned char *own;
	struct stream streams[STREAMS];
	uint64_t next_scan;
	bool over;
};

static bool stopped(const struct ahead *ahead)
{
	return atomic_load_explicit(&ahead->cs->prefetcher.stop,
				    memory_order_relaxed);
}

static void pause_ns(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
}

/* How many of @want pages the budget for bytes still allows. */
static size_t affordable(const struct ahead *ahead, size_t want)
{
	const struct cowsnap_budget *budget = &ahead->cs->budget;
	uint64_t left = budget->bytes / PAGE - ahead->cs->prefetcher.broken;

	return want < left ? want : left;
}

/* Wait until the budget for bytes per second allows another batch. */
static void keep_pace(const struct ahead *ahead)
{
	const uint64_t rate = ahead->cs->budget.bytes_per_second;

	while (rate && !stopped(ahead)) {
		unsigned __int128 ns = now_ns() - ahead->began;

		if (ns * rate / 1000000000 >=
		    ahead->cs->prefetcher.broken * PAGE)
			return;
		pause_ns(TICK_NS);
	}
}

static int break_pages(unsigned char *addr, size_t bytes)
{
	if (!manual_cow(addr, bytes, 0))
		return 0;
	if (errno == ENOMEM || errno == EINTR)
		return -1;
	/* No such call, or a filter that answers for it as it likes. */
	return madvise(addr, bytes, MADV_POPULATE_WRITE);
}

/*
 * How many of the pages from @first on are in the memfd, up to @want, or, with
 * @holes, how many are not. What is not there costs two pages to break, and a
 * region that is mostly unwritten shall stay so.
 */
static size_t run_of(const struct ahead *ahead, size_t first, size_t want,
		     bool holes)
{
	unsigned char there[MAX_BLOCK_PAGES];
	size_t nr = want < BLOCK_PAGES ? want : BLOCK_PAGES, i;

	if (mincore(ahead->cs->view + first * PAGE, nr * PAGE, there))
		return holes ? nr : 0;
	for (i = 0; i < nr && (there[i] & 1) != holes; i++)
		;
	return i;
}

/* Break the pages from @first to @end - 1. Return: where it stopped. */
static size_t break_range(struct ahead *ahead, size_t first, size_t end)
{
	struct cowsnap *cs = ahead->cs;

	while (first < end && !stopped(ahead)) {
		size_t nr = end - first < BATCH_PAGES ? end - first :
							BATCH_PAGES;

		nr = run_of(ahead, first, nr, false);
		if (!nr) {
			nr = run_of(ahead, first, end - first, true);
			/* At least one: it may be filled between the looks. */
			first += nr ? nr : 1;
			continue;
		}
		nr = affordable(ahead, nr);
		if (!nr) {
			ahead->over = true;
			break;
		}
		/* Count before: never exceed the budget, not even briefly. */
		cs->prefetcher.broken += nr;
		if (break_pages(cs->base + first * PAGE, nr * PAGE)) {
			ahead->over = true;
			break;
		}
		memset(ahead->own + first, 1, nr);
		first += nr;
		keep_pace(ahead);
	}
	return first;
}

/* Break another window for a stream that will write @first next. */
static void feed(struct ahead *ahead, struct stream *stream, size_t first)
{
	size_t end = first + stream->window;

	if (end > ahead->pages)
		end = ahead->pages;
	stream->marker = first + (end - first) / 2;
	if (break_range(ahead, first, stream->marker) < stream->marker ||
	    break_range(ahead, stream->marker + 1, end) < end)
		stream->end = 0;
	else
		stream->end = end;
	if (end == ahead->pages)
		stream->end = 0;
	if (stream->window < WINDOW_MAX)
		stream->window *= 2;
}

/* Look at each stream's marker. */
static void follow(struct ahead *ahead)
{
	size_t i;

	for (i = 0; i < STREAMS && !ahead->over; i++) {
		struct stream *stream = &ahead->streams[i];
		uint64_t entry;

		if (!stream->end ||
		    !read_entries(ahead->cs,
				  ahead->cs->base + stream->marker * PAGE, 1,
				  &entry) ||
		    !entry_own(entry))
			continue;
		ahead->own[stream->marker] = 1;
		feed(ahead, stream, stream->end);
	}
}

static bool is_followed(const struct ahead *ahead, size_t page)
{
	size_t i;

	for (i = 0; i < STREAMS; i++) {
		const struct stream *stream = &ahead->streams[i];

		if (stream->end && page >= stream->marker &&
		    page <= stream->end)
			return true;
	}
	return false;
}

/* A run of written pages has grown and ends before @page. */
static void meet(struct ahead *ahead, size_t page)
{
	static unsigned int turn;
	struct stream *stream = NULL;
	size_t i;

	if (is_followed(ahead, page))
		return;
	for (i = 0; i < STREAMS && !stream; i++) {
		if (!ahead->streams[i].end)
			stream = &ahead->streams[i];
	}
	/* Replace a stream, in turn: roughly the oldest. */
	if (!stream)
		stream = &ahead->streams[turn++ % STREAMS];
	stream->window = WINDOW_MIN;
	/* By now the writer has probably passed @page. */
	feed(ahead, stream, page);
}

/* Scan the region for runs that have grown. */
static void scan(struct ahead *ahead)
{
	uint64_t entries[MAX_BLOCK_PAGES];
	size_t run = 0, first, nr, i;
	uint64_t start = now_ns();
	bool grown = false;

	for (first = 0; first < ahead->pages; first += nr) {
		nr = ahead->pages - first;
		if (nr > BLOCK_PAGES)
			nr = BLOCK_PAGES;
		if (ahead->over || stopped(ahead) ||
		    !read_entries(ahead->cs, ahead->cs->base + first * PAGE, nr,
				  entries))
			return;
		for (i = 0; i < nr; i++) {
			const size_t page = first + i;

			if (entry_own(entries[i])) {
				grown = !ahead->own[page];
				ahead->own[page] = 1;
				run++;
				continue;
			}
			if (run >= STREAM_PAGES && grown)
				meet(ahead, page);
			run = 0;
			grown = false;
		}
	}
	ahead->next_scan = now_ns();
	ahead->next_scan += (ahead->next_scan - start) * SCAN_SHARE;
}

/* Spare readers their faults: map the missing pages from the memfd. */
static void populate(struct ahead *ahead)
{
	size_t at, nr;

	for (at = 0; at < ahead->pages && !stopped(ahead); at += nr) {
		nr = run_of(ahead, at, ahead->pages - at, false);
		if (nr)
			madvise(ahead->cs->base + at * PAGE, nr * PAGE,
				MADV_POPULATE_READ);
		else
			nr = run_of(ahead, at, ahead->pages - at, true);
		/* Filled between the two looks. */
		if (!nr)
			nr = 1;
	}
}

static void work(struct cowsnap *cs)
{
	struct ahead ahead = {
		.cs = cs,
		.pages = cs->size / PAGE,
		.began = now_ns(),
	};

	ahead.own = mmap(NULL, ahead.pages, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ahead.own == MAP_FAILED)
		/* cppcheck-suppress memleak ; there is nothing to unmap */
		return;
	if (cs->budget.flags & COWSNAP_EVERYTHING) {
		break_range(&ahead, 0, ahead.pages);
	} else {
		populate(&ahead);
		while (!ahead.over && !stopped(&ahead)) {
			if (now_ns() >= ahead.next_scan)
				scan(&ahead);
			follow(&ahead);
			pause_ns(TICK_NS);
		}
	}
	munmap(ahead.own, ahead.pages);
}

static void *prefetcher_main(void *arg)
{
	struct cowsnap *cs = arg;
	struct prefetcher *prefetcher = &cs->prefetcher;

	pthread_mutex_lock(&prefetcher->lock);
	while (prefetcher->state != PREFETCHER_QUITS) {
		if (prefetcher->state == PREFETCHER_IDLE) {
			pthread_cond_wait(&prefetcher->changed,
					  &prefetcher->lock);
			continue;
		}
		pthread_mutex_unlock(&prefetcher->lock);
		work(cs);
		pthread_mutex_lock(&prefetcher->lock);
		if (prefetcher->state == PREFETCHER_WORKS)
			prefetcher->state = PREFETCHER_IDLE;
		pthread_cond_broadcast(&prefetcher->changed);
	}
	pthread_mutex_unlock(&prefetcher->lock);
	return NULL;
}

/*
 * Start the prefetcher, if there is a budget and a second CPU. It takes none of
 * the program's signals. Return: 0, or -1 with errno.
 */
int prefetcher_create(struct cowsnap *cs)
{
	struct prefetcher *prefetcher = &cs->prefetcher;
	sigset_t all, old;
	pthread_attr_t attr;
	cpu_set_t cpus;
	int error;

	pthread_mutex_init(&prefetcher->lock, NULL);
	pthread_cond_init(&prefetcher->changed, NULL);
	if (cs->budget.bytes < PAGE ||
	    sched_getaffinity(0, sizeof(cpus), &cpus) || CPU_COUNT(&cpus) < 2)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	prefetcher->state = PREFETCHER_IDLE;
	error = pthread_create(&prefetcher->thread, &attr, prefetcher_main, cs);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error)
		return 0;
	prefetcher->state = PREFETCHER_NONE;
	errno = error;
	return -1;
}

static void set_state(struct prefetcher *prefetcher,
		      enum prefetcher_state state)
{
	prefetcher->state = state;
	pthread_cond_broadcast(&prefetcher->changed);
}

/* Let the prefetcher work: a snapshot has begun. */
void prefetcher_begin(struct cowsnap *cs)
{
	struct prefetcher *prefetcher = &cs->prefetcher;

	pthread_mutex_lock(&prefetcher->lock);
	prefetcher->broken = 0;
	prefetcher->stop = false;
	if (prefetcher->state == PREFETCHER_IDLE)
		set_state(prefetcher, PREFETCHER_WORKS);
	pthread_mutex_unlock(&prefetcher->lock);
}

/* Stop the work, and wait until the prefetcher is idle. */
void prefetcher_end(struct cowsnap *cs)
{
	struct prefetcher *prefetcher = &cs->prefetcher;

	prefetcher->stop = true;
	pthread_mutex_lock(&prefetcher->lock);
	while (prefetcher->state == PREFETCHER_WORKS)
		pthread_cond_wait(&prefetcher->changed, &prefetcher->lock);
	pthread_mutex_unlock(&prefetcher->lock);
}

/* End the prefetcher. */
void prefetcher_destroy(struct cowsnap *cs)
{
	struct prefetcher *prefetcher = &cs->prefetcher;

	if (prefetcher->state == PREFETCHER_NONE)
		return;
	prefetcher_end(cs);
	pthread_mutex_lock(&prefetcher->lock);
	set_state(prefetcher, PREFETCHER_QUITS);
	pthread_mutex_unlock(&prefetcher->lock);
	pthread_join(prefetcher->thread, NULL);
}
