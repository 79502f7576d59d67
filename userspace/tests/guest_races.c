// SPDX-License-Identifier: GPL-2.0
/*
 * Several processors at once. No write may be lost, and no other process may
 * see a write. A reader that knows of a write to a page must see the write,
 * though its TLB caches the page's old frame. Each test runs for a bounded
 * time, with precopy off too.
 */
#include "tests/arms.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PMD (2UL << 20)
#define PAGES 256
#define WRITERS 3

static unsigned char *mem;

static void bind_to(long cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void map_region(void)
{
	mem = mmap(NULL, PAGES * PAGE + 2 * PMD, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	mem += PMD - (uintptr_t)mem % PMD;
	assert_ptr_equal(mmap(mem, PAGES * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 mem);
}

static volatile uint64_t *word(size_t page, size_t index)
{
	return (volatile uint64_t *)(mem + page * PAGE) + index;
}

/*
 * Visibility. The writer takes a fault, which maps new frames for its
 * neighbours too, writes a neighbour without a fault, and raises a flag. The
 * reader's TLB caches the neighbour's old frame throughout.
 */
static struct {
	atomic_size_t page; /* that the reader is to watch; SIZE_MAX: stop */
	atomic_size_t hot; /* that the reader is watching */
	atomic_size_t go; /* that the second writer is to write */
	atomic_size_t written; /* that has been written */
	atomic_size_t done; /* that the reader has judged */
	size_t stale;
} watch;

static void *watcher(void *unused)
{
	(void)unused;
	bind_to(1);
	for (;;) {
		size_t round, page;
		uint64_t old;

		while ((round = atomic_load(&watch.page)) ==
		       atomic_load(&watch.done))
			;
		if (round == SIZE_MAX)
			return NULL;
		page = round % PAGES;
		old = *word(page, 0);
		atomic_store(&watch.hot, round);
		while (atomic_load_explicit(&watch.written,
					    memory_order_acquire) != round)
			old = *word(page, 0);
		if (*word(page, 0) != round)
			watch.stale++;
		(void)old;
		atomic_store(&watch.done, round);
	}
}

/*
 * Write a neighbour while another thread's fault is about to map it: once the
 * neighbour is writable, no thread may see its old frame.
 */
static void *second_writer(void *unused)
{
	size_t round = 0;

	(void)unused;
	bind_to(2);
	for (;;) {
		volatile size_t spin;

		while (atomic_load(&watch.go) == round)
			;
		round = atomic_load(&watch.go);
		if (round == SIZE_MAX)
			return NULL;
		/* Vary the point of the fault. */
		for (spin = round * 7 % 64 * 100; spin; spin--)
			;
		*word(round % PAGES, 0) = round;
		atomic_store_explicit(&watch.written, round,
				      memory_order_release);
	}
}

static void watch_page(size_t fault, size_t page, size_t *round, bool second)
{
	/* An unused number whose remainder is the page. */
	*round += PAGES - *round % PAGES + page;
	atomic_store(&watch.page, *round);
	while (atomic_load(&watch.hot) != *round)
		;
	if (second)
		atomic_store(&watch.go, *round);
	*word(fault, 1) = *round;
	if (!second) {
		*word(page, 0) = *round;
		atomic_store_explicit(&watch.written, *round,
				      memory_order_release);
	}
	while (atomic_load(&watch.done) != *round)
		;
}

static void check_visibility(bool second)
{
	double until = now() + 1;
	uint64_t seed = 88172645463325252;
	size_t i, rounds = 0, round = PAGES;
	pthread_t thread, writer;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2 + second) {
		print_message("# skipped: too few cores\n");
		skip();
	}
	map_region();
	memset(mem, 1, PAGES * PAGE);
	memset(&watch, 0, sizeof(watch));
	bind_to(0);
	assert_int_equal(pthread_create(&thread, NULL, watcher, NULL), 0);
	if (second)
		assert_int_equal(pthread_create(&writer, NULL, second_writer,
						NULL), 0);
	while (now() < until || rounds < 50) {
		pid_t holder = start_holder();

		for (i = 0; i < PAGES; i += arm->window) {
			size_t other = 1;

			if (arm->window > 2)
				other += next_random(&seed) % (arm->window - 1);
			if (i + other >= PAGES)
				break;
			watch_page(i, i + other, &round, second);
			rounds++;
		}
		end_holder(holder);
	}
	atomic_store(&watch.page, SIZE_MAX);
	pthread_join(thread, NULL);
	if (second) {
		atomic_store(&watch.go, SIZE_MAX);
		pthread_join(writer, NULL);
	}
	munmap(mem, PAGES * PAGE);
	if (watch.stale)
		fail_msg("%s: %zu of %zu reads saw a page's old content",
			 arm->name, watch.stale, rounds);
}

static void test_visibility(void **state)
{
	(void)state;
	check_visibility(false);
}

static void test_second_writer(void **state)
{
	(void)state;
	check_visibility(true);
}

/*
 * Lost writes. Each writer owns a word of every page and knows its expected
 * value. Concurrently, processes fork, protection changes, and pages are
 * dropped and moved.
 */
enum {
	OPEN = 0, /* pages 0..127: all writers */
	DROPPED = 128, /* 128..191: every 4th is dropped, the others written */
	MOVED = 192, /* 192..223: moved, and unmapped */
	GUARDED = 224, /* 224..255: protection changes */
};

static struct {
	atomic_bool stop;
	atomic_size_t wrong;
	char what[160];
} race;

static void wrong(const char *what, size_t page, uint64_t is, uint64_t must)
{
	if (!atomic_fetch_add(&race.wrong, 1))
		snprintf(race.what, sizeof(race.what),
			 "%s: page %zu holds %#lx, not %#lx", what, page, is,
			 must);
}

static void *writer(void *arg)
{
	static uint64_t values[WRITERS][PAGES];
	size_t self = (uintptr_t)arg, i;
	uint64_t seed = 1234567 + self, *value = values[self];

	bind_to(self);
	for (i = 0; i < PAGES; i++)
		value[i] = *word(i, self);
	while (!atomic_load(&race.stop)) {
		size_t page = next_random(&seed) % PAGES;

		if (page >= MOVED && page < GUARDED)
			continue;
		if (page >= DROPPED && page < MOVED && page % 4 == 3)
			continue;
		if (*word(page, self) != value[page])
			wrong("a write is lost", page, *word(page, self),
			      value[page]);
		value[page] = next_random(&seed);
		*word(page, self) = value[page];
		if (*word(page, self) != value[page])
			wrong("a write did not stay", page, *word(page, self),
			      value[page]);
	}
	for (i = 0; i < PAGES; i++) {
		if ((i >= MOVED && i < GUARDED) ||
		    (i >= DROPPED && i < MOVED && i % 4 == 3))
			continue;
		if (*word(i, self) != value[i])
			wrong("a write was lost", i, *word(i, self), value[i]);
	}
	return NULL;
}

/* A dropped page reads as zero until a write, whatever faults nearby. */
static void *dropper(void *unused)
{
	uint64_t seed = 42;

	(void)unused;
	while (!atomic_load(&race.stop)) {
		size_t page =
			DROPPED + (next_random(&seed) % (MOVED - DROPPED) | 3);
		uint64_t value = next_random(&seed);

		*word(page, 5) = value;
		if (*word(page, 5) != value)
			wrong("a write was lost", page, *word(page, 5), value);
		/* Let a fork share the page, and a window reach it. */
		sched_yield();
		if (*word(page, 5) != value)
			wrong("a write got lost", page, *word(page, 5), value);
		madvise(mem + page * PAGE, PAGE, MADV_DONTNEED);
		if (*word(page, 5))
			wrong("a dropped page came back", page, *word(page, 5),
			      0);
		sched_yield();
		if (*word(page, 5))
			wrong("a dropped page returned", page, *word(page, 5),
			      0);
	}
	return NULL;
}

static void *mover(void *unused)
{
	const size_t bytes = (GUARDED - MOVED) * PAGE;
	unsigned char *home = mem + MOVED * PAGE, *away, *at = home;
	uint64_t value[GUARDED - MOVED] = {};
	uint64_t seed = 77;
	size_t i;

	(void)unused;
	away = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < GUARDED - MOVED; i++)
		value[i] = *(volatile uint64_t *)(at + i * PAGE);
	while (!atomic_load(&race.stop)) {
		for (i = 0; i < GUARDED - MOVED; i++) {
			volatile uint64_t *here = (void *)(at + i * PAGE);

			if (*here != value[i])
				wrong("a moved page changed", MOVED + i, *here,
				      value[i]);
			if (next_random(&seed) % 4)
				*here = value[i] = next_random(&seed);
		}
		if (next_random(&seed) % 4 == 0) {
			/* New memory reads as zero. */
			if (mmap(at + 8 * PAGE, 8 * PAGE,
				 PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				 0) == MAP_FAILED)
				wrong("mmap() failed", MOVED + 8, errno, 0);
			memset(value + 8, 0, 8 * sizeof(*value));
		} else if (at == home) {
			/* One by one: several VMAs cannot move at once. */
			at = away;
			for (i = 0; i < GUARDED - MOVED; i++)
				mremap(home + i * PAGE, PAGE, PAGE,
				       MREMAP_MAYMOVE | MREMAP_FIXED,
				       away + i * PAGE);
		} else {
			at = home;
			for (i = 0; i < GUARDED - MOVED; i++)
				mremap(away + i * PAGE, PAGE, PAGE,
				       MREMAP_MAYMOVE | MREMAP_FIXED,
				       home + i * PAGE);
		}
		usleep(2000);
	}
	munmap(at, bytes);
	return NULL;
}

/* Writers retry refused accesses: see on_segv(). */
static void *guard(void *unused)
{
	(void)unused;
	while (!atomic_load(&race.stop)) {
		mprotect(mem + (GUARDED + 4) * PAGE, 20 * PAGE, PROT_READ);
		sched_yield();
		mprotect(mem + (GUARDED + 4) * PAGE, 20 * PAGE,
			 PROT_READ | PROT_WRITE);
		usleep(1000);
	}
	return NULL;
}

static void on_segv(int sig)
{
	(void)sig;
	sched_yield();
}

/*
 * A child of the race overwrites what it inherited and reads it again. Where a
 * page is wrongly shared, the parent sees these writes.
 */
static void scribble(uint64_t seed)
{
	const uint64_t mark = 0xbad0000000000000 | (seed & 0xffffff);
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = next_random(&seed) % 3; i < MOVED; i += 3)
		*word(i, i % 7) = mark;
	for (i = i % 3; i < MOVED; i += 3)
		if (*word(i, i % 7) != mark)
			_exit(1);
	_exit(0);
}

static void test_lost_writes(void **state)
{
	struct sigaction action = { .sa_handler = on_segv }, old;
	void *(*const others[])(void *) = { dropper, mover, guard };
	pthread_t threads[WRITERS + 3];
	double until = now() + 1.5;
	uint64_t seed = 4711;
	size_t i, forks = 0, living = 0;
	long lost;
	int status, bad = 0;

	(void)state;
	map_region();
	memset(mem, 0, PAGES * PAGE);
	memset(&race, 0, sizeof(race));
	lost = free_pages();
	sigaction(SIGSEGV, &action, &old);
	for (i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer,
						(void *)i),
				 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[WRITERS + i], NULL,
						others[i], NULL),
				 0);
	/* A slow kernel may need longer for its forks. */
	while (now() < until || forks < 4) {
		pid_t pid = fork();

		if (!pid)
			scribble(next_random(&seed));
		next_random(&seed);
		forks += pid > 0;
		living += pid > 0;
		while (living &&
		       waitpid(-1, &status, living < 3 ? WNOHANG : 0) > 0) {
			bad += !WIFEXITED(status) || WEXITSTATUS(status);
			living--;
		}
	}
	atomic_store(&race.stop, true);
	for (i = 0; i < WRITERS + 3; i++)
		pthread_join(threads[i], NULL);
	while (waitpid(-1, &status, 0) > 0)
		bad += !WIFEXITED(status) || WEXITSTATUS(status);
	sigaction(SIGSEGV, &old, NULL);
	lost -= free_pages();
	munmap(mem, PAGES * PAGE);
	/* A window that loses a race frees its copies. */
	if (lost > 1024)
		fail_msg("%s: %ld free pages fewer after %zu forks", arm->name,
			 lost, forks);
	if (race.wrong)
		fail_msg("%s: %zu wrong words in %zu forks, first: %s",
			 arm->name, (size_t)race.wrong, forks, race.what);
	assert_int_equal(bad, 0);
}

/*
 * Reuse. Three generations of processes on different processors write the same
 * pages; the last owner reuses the pages that the others have released. Each
 * must see its own writes and what it inherited, nothing else.
 */
static int generation(unsigned int depth, uint64_t seed)
{
	uint64_t value[PAGES];
	pid_t pid = -1;
	int status, bad = 0;
	size_t i, n;

	bind_to(depth);
	for (i = 0; i < PAGES; i++)
		value[i] = *word(i, 0);
	for (n = 0; n < PAGES; n++) {
		size_t page = next_random(&seed) % PAGES;

		if (n == PAGES / 4 && depth < 2) {
			pid = fork();
			if (!pid)
				_exit(generation(depth + 1, seed * 3));
		}
		if (*word(page, 0) != value[page])
			bad = 1;
		value[page] = (uint64_t)depth << 56 | n << 16 | page;
		*word(page, 0) = value[page];
	}
	for (i = 0; i < PAGES; i++)
		if (*word(i, 0) != value[i])
			bad = 1;
	if (pid > 0) {
		waitpid(pid, &status, 0);
		/* Now the last owner. */
		for (i = 0; i < PAGES; i++) {
			if (*word(i, 0) != value[i])
				bad = 1;
			*word(i, 0) = ~value[i];
		}
		for (i = 0; i < PAGES; i++)
			if (*word(i, 0) != ~value[i])
				bad = 1;
		if (status)
			bad = 1;
	}
	return bad;
}

static void test_generations(void **state)
{
	double until = now() + 0.7;
	uint64_t seed = 99;
	size_t rounds = 0;

	(void)state;
	map_region();
	memset(mem, 3, PAGES * PAGE);
	while (now() < until || rounds < 4) {
		if (generation(0, next_random(&seed)))
			fail_msg(
				"%s: a process saw another process's write in round %zu",
				arm->name, rounds);
		rounds++;
	}
	munmap(mem, PAGES * PAGE);
}

static const struct arm_test tests[] = {
	ARM_TEST(visibility),
	ARM_TEST(second_writer),
	ARM_TEST(lost_writes),
	ARM_TEST(generations),
};

/* An argument selects tests: 'visibility*', '*[off]'. */
int main(int argc, char **argv)
{
	(void)argc;
	return arms_run("guest_races", tests, ARRAY_SIZE(tests), NULL, argv[1]);
}
