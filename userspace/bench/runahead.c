// SPDX-License-Identifier: GPL-2.0
/*
 * Two threads beside the writer. The runner-ahead (--helper) calls manual_cow
 * ahead of the writer, in small batches. The mapper maps and unmaps memory of
 * its own and times that: it needs the mmap lock, so its latencies show whether
 * the runner-ahead holds the lock for long.
 *
 * How far ahead: the runner-ahead proceeds in ascending order and keeps at most
 * its distance of pages broken that the writer, by the number of its writes, has
 * not reached. This bounds the waste for any pattern. It sleeps while it has
 * nothing to do. When the writer has caught up, it leaves one batch to the
 * writer and continues behind that: two threads at one page table lock gain
 * nothing.
 *
 * Over huge pages a batch is one of them: manual_cow copies it as a whole, and the
 * writer's first write would split it.
 *
 * With one CPU there is no runner-ahead: it would take the writer's time.
 */
#include "bench/bench.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "common/manual_cow.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"

#define STACK_BYTES (128UL << 10)
#define MAPPER_SAMPLES (1UL << 20)
#define MAPPER_BYTES (64UL << 10)
#define MAPPER_PAUSE_NS 100000
/* The runner-ahead's sleep until it knows the writer's pace, and at most. */
#define FIRST_SLEEP_NS 20000
#define LONGEST_SLEEP_NS 2000000
#define HUGE_PAGES (HUGE_BYTES / PAGE_BYTES)

enum state {
	WAITING,
	RUNNING,
	OVER,
};

/* A thread that waits for its start, on memory that no fork shares. */
struct beside {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic(enum state) state;
	cpu_set_t cpus;
	bool pinned;
};

/* Where the runner-ahead is in the share of one writing thread. */
struct cursor {
	const struct lap *lap;
	size_t first;
	size_t pages;
	size_t next;
};

/* The runner-ahead */
struct runner {
	struct beside beside; /* the thread */
	unsigned char *base; /* the region */
	size_t batch; /* pages per call */
	size_t distance; /* pages it may be ahead */
	long faults; /* minor faults it took */
	unsigned int threads; /* number of cursors */
	struct cursor cursors[]; /* one per writing thread */
};

/* The thread that maps and unmaps */
struct mapper {
	struct beside beside; /* the thread */
	FILE *out; /* where its statistics go */
	size_t count; /* number of samples */
	uint64_t *samples; /* nanoseconds of an mmap and a munmap together */
};

static void set_state(struct beside *beside, enum state state)
{
	pthread_mutex_lock(&beside->lock);
	beside->state = state;
	pthread_cond_signal(&beside->changed);
	pthread_mutex_unlock(&beside->lock);
}

/* Begin on a CPU other than the writers', if there is one. */
static void begin(struct beside *beside)
{
	prctl(PR_SET_TIMERSLACK, 1);
	if (beside->pinned)
		sched_setaffinity(0, sizeof(beside->cpus), &beside->cpus);
	pthread_mutex_lock(&beside->lock);
	while (beside->state == WAITING)
		pthread_cond_wait(&beside->changed, &beside->lock);
	pthread_mutex_unlock(&beside->lock);
}

static bool running(const struct beside *beside)
{
	return atomic_load_explicit(&beside->state, memory_order_relaxed) ==
	       RUNNING;
}

/* Choose all CPUs except those that the writers are pinned to. */
static void choose_cpus(struct beside *beside, const struct bench *bench)
{
	unsigned int writers = bench->env.threads;
	int cpu;

	if (bench->env.writer == WRITER_BOTH)
		writers *= 2;
	beside->cpus = bench->cpus;
	beside->pinned = (unsigned int)CPU_COUNT(&bench->cpus) > writers;
	for (cpu = 0; cpu < CPU_SETSIZE && writers; cpu++) {
		if (CPU_ISSET(cpu, &bench->cpus)) {
			CPU_CLR(cpu, &beside->cpus);
			writers--;
		}
	}
}

static void start(struct beside *beside, void *(*fn)(void *), void *arg,
		  const char *option)
{
	pthread_attr_t attr;
	int error;

	pthread_mutex_init(&beside->lock, NULL);
	pthread_cond_init(&beside->changed, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	error = pthread_create(&beside->thread, &attr, fn, arg);
	if (error)
		die("%s: cannot start a thread: %s", option, strerror(error));
	pthread_attr_destroy(&attr);
}

static void stop(struct beside *beside)
{
	set_state(beside, OVER);
	pthread_join(beside->thread, NULL);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
}

/* Break one batch ahead of one writing thread. False: it is far enough. */
static bool step(const struct runner *runner, struct cursor *cursor,
		 size_t done)
{
	size_t nr = runner->batch;
	size_t limit = cursor->pages;

	/* Whole batches of the region: they may become large folios. */
	if (cursor->next <= done && done)
		cursor->next =
			((cursor->first + done) / nr + 2) * nr - cursor->first;
	if (cursor->next >= cursor->pages)
		return false;
	nr -= (cursor->first + cursor->next) % nr;
	if (runner->distance < limit - (done < limit ? done : limit))
		limit = done + runner->distance;
	/* A part of a batch only at the ends. */
	if (nr > cursor->pages - cursor->next)
		nr = cursor->pages - cursor->next;
	if (cursor->next + nr > limit)
		return false;
	if (manual_cow(runner->base +
			       (cursor->first + cursor->next) * PAGE_BYTES,
		       nr * PAGE_BYTES, 0))
		die("--helper: manual_cow: %s", strerror(errno));
	cursor->next += nr;
	return true;
}

/* Sleep until the writers have written half of what is ahead of them. */
static void rest(const struct runner *runner, uint64_t began, size_t done)
{
	uint64_t ns = FIRST_SLEEP_NS;

	if (done)
		ns = (now_ns() - began) / done * runner->distance / 2;
	sleep_ns(ns < LONGEST_SLEEP_NS ? ns : LONGEST_SLEEP_NS);
}

static void *runner_main(void *arg)
{
	struct runner *runner = arg;
	struct rusage usage;
	uint64_t began;

	begin(&runner->beside);
	began = now_ns();
	while (running(&runner->beside)) {
		bool any = false;
		size_t sum = 0;
		unsigned int i;

		for (i = 0; i < runner->threads; i++) {
			struct cursor *cursor = &runner->cursors[i];
			size_t done = __atomic_load_n(&cursor->lap->done,
						      __ATOMIC_RELAXED);

			any |= step(runner, cursor, done);
			sum += done;
		}
		if (!any)
			rest(runner, began, sum / runner->threads);
	}
	getrusage(RUSAGE_THREAD, &usage);
	runner->faults = usage.ru_minflt;
	return NULL;
}

/*
 * Prepare the runner-ahead for writers whose laps are in @result. NULL if
 * there is none.
 */
struct runner *runner_start(const struct bench *bench,
			    const struct region *region,
			    const struct side_result *result)
{
	const struct env *env = &bench->env;
	struct runner *runner;
	unsigned int i;

	if (!env->ahead_batch || CPU_COUNT(&bench->cpus) < 2)
		return NULL;
	runner = calloc(1,
			sizeof(*runner) + env->threads * sizeof(struct cursor));
	if (!runner)
		die("--helper: no memory");
	runner->base = region->base;
	runner->batch = env->ahead_batch;
	runner->distance = env->ahead_distance;
	if (env->kind == KIND_THP && runner->batch < HUGE_PAGES)
		runner->batch = HUGE_PAGES;
	if (runner->distance < 2 * runner->batch && env->kind == KIND_THP)
		runner->distance = 2 * runner->batch;
	runner->threads = env->threads;
	for (i = 0; i < env->threads; i++) {
		struct cursor *cursor = &runner->cursors[i];

		cursor->lap = &result->laps[i];
		cursor->first = bench->pages * i / env->threads;
		cursor->pages =
			bench->pages * (i + 1) / env->threads - cursor->first;
	}
	choose_cpus(&runner->beside, bench);
	start(&runner->beside, runner_main, runner, "--helper");
	return runner;
}

/*
 * End and free the runner-ahead, unless NULL. Return: its page faults, which
 * are not the writers'.
 */
long runner_stop(struct runner *runner)
{
	long faults;

	if (!runner)
		return 0;
	stop(&runner->beside);
	faults = runner->faults;
	free(runner);
	return faults;
}

static void *mapper_main(void *arg)
{
	struct mapper *mapper = arg;

	begin(&mapper->beside);
	while (running(&mapper->beside) && mapper->count < MAPPER_SAMPLES) {
		uint64_t t0 = now_ns();
		void *p = mmap(NULL, MAPPER_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || munmap(p, MAPPER_BYTES))
			die("--mapper: cannot map: %s", strerror(errno));
		mapper->samples[mapper->count++] = now_ns() - t0;
		sleep_ns(MAPPER_PAUSE_NS);
	}
	return NULL;
}

/* Prepare the mapper. NULL if there is none. */
struct mapper *mapper_start(const struct bench *bench)
{
	struct mapper *mapper;

	if (!bench->mapper)
		return NULL;
	mapper = calloc(1, sizeof(*mapper));
	if (!mapper)
		die("--mapper: no memory");
	mapper->out = bench->mapper;
	mapper->samples =
		shared_alloc(MAPPER_SAMPLES * sizeof(uint64_t), "--mapper");
	choose_cpus(&mapper->beside, bench);
	start(&mapper->beside, mapper_main, mapper, "--mapper");
	return mapper;
}

/* Let both begin, unless NULL. */
void beside_go(struct runner *runner, struct mapper *mapper)
{
	if (runner)
		set_state(&runner->beside, RUNNING);
	if (mapper)
		set_state(&mapper->beside, RUNNING);
}

/* End and free the mapper, unless NULL, and write its line. */
void mapper_stop(struct mapper *mapper)
{
	struct stats s;

	if (!mapper)
		return;
	stop(&mapper->beside);
	stats_compute(mapper->samples, mapper->count, &s);
	row_csv(mapper->out, false, "count=%lu " ROW_STATS, s.count,
		ROW_STATS_OF(&s));
	munmap(mapper->samples, MAPPER_SAMPLES * sizeof(uint64_t));
	free(mapper);
}
