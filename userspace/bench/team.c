// SPDX-License-Identifier: GPL-2.0
/* The timed writes, and the threads that make them. */
#include "bench/bench.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "common/mark.h"
#include "common/samples.h"
#include "common/util.h"

#define STACK_BYTES (256UL << 10)
#define DUMMY_PAGES_PER_THREAD 16
/* Pages that are written before the reader of --reader has its turn */
#define TURN_PAGES 64

/* Writes to be timed */
struct job {
	unsigned char *base; /* memory that is written */
	size_t size; /* its bytes */
	const uint32_t *order; /* page of each write */
	uint64_t *samples; /* room for the latencies */
	size_t count; /* number of writes */
	uint64_t seed; /* the round's seed */
	enum who who; /* decides the values */
	uint64_t pace_iters; /* work between writes */
	bool touch_all; /* write each page whole after its first write */
	pthread_barrier_t *turn; /* the reader's, or NULL */
	enum prepare prepare; /* done before the writes */
	const struct listen *listen; /* on during the writes */
	/* thread that breaks COW during the writes, or NULL */
	struct runner *runner;
	/* thread that maps memory during the writes, or NULL */
	struct mapper *mapper;
};

struct team;

/* A writing thread. */
struct member {
	struct team *team;
	pthread_t thread;
	unsigned int index;
};

/* The writing threads of a process */
struct team {
	const struct bench *bench; /* the bench */
	enum side side; /* the process */
	bool leader; /* it turns the switches, and marks the region of interest */
	struct mark_label mark; /* the region's name */
	struct job rehearsal; /* the dummy region */
	struct job real; /* the real one */
	/* all threads; the first is the process's own */
	struct member members[];
};

static void prepare(const struct job *job)
{
	const char *call = "populate_write";
	long error = 0;

	switch (job->prepare) {
	case PREPARE_NONE:
		return;
	case PREPARE_POPULATE_WRITE:
		error = madvise(job->base, job->size, MADV_POPULATE_WRITE);
		break;
	case PREPARE_MANUAL_COW:
		call = "manual_cow";
		error = manual_cow(job->base, job->size, 0);
		break;
	}
	if (error) {
		const char *why = strerror(errno);

		listen_stop(job->listen);
		die("--prepare %s: %s", call, why);
	}
}

/* Write a page whole, each word's own value. */
static void touch_page(unsigned char *base, size_t page)
{
	volatile uint64_t *word = (uint64_t *)(base + page * PAGE_BYTES);
	size_t i;

	for (i = 0; i < PAGE_BYTES / sizeof(*word); i++) {
		const uint64_t value = word[i];

		word[i] = value;
	}
}

/*
 * Make the timed writes @first to @last - 1 of a job. Copies exist: only with a
 * runner-ahead is the progress stored, which costs time in each write, and only
 * with --touch-all is the page written whole.
 */
static inline __attribute__((always_inline)) void
write_pages(const struct job *job, size_t first, size_t last, struct lap *lap,
	    bool told, bool whole)
{
	uint64_t t0, t1;
	size_t i;

	t1 = now_ns();
	if (!lap->start)
		lap->start = t1;
	for (i = first; i < last; i++) {
		size_t index = (size_t)job->order[i] * 512 +
			       word_slot(job->seed, job->order[i]);
		uint64_t value = word_value(job->seed, index, job->who);
		volatile uint64_t *word = (uint64_t *)job->base + index;

		if (job->pace_iters)
			work(job->pace_iters);
		t0 = now_ns();
		*word = value;
		t1 = now_ns();
		job->samples[i] = t1 - t0;
		if (whole)
			touch_page(job->base, job->order[i]);
		if (told)
			__atomic_store_n(&lap->done, i + 1 - first,
					 __ATOMIC_RELAXED);
	}
	lap->end = t1;
}

static void write_share(const struct job *job, size_t first, size_t last,
			struct lap *lap)
{
	size_t end;

	lap->start = 0;
	for (; first < last; first = end) {
		end = last;
		if (job->turn && last - first > TURN_PAGES)
			end = first + TURN_PAGES;
		if (job->runner)
			write_pages(job, first, end, lap, true, job->touch_all);
		else if (job->touch_all)
			write_pages(job, first, end, lap, false, true);
		else
			write_pages(job, first, end, lap, false, false);
		if (job->turn) {
			pthread_barrier_wait(job->turn);
			pthread_barrier_wait(job->turn);
		}
	}
}

/*
 * One thread's part of the section. Thread 0 of a process counts its faults,
 * thread 0 of the leading process turns the switches; the gates keep all other
 * threads waiting meanwhile. With one thread a gate makes no system call.
 */
static void section(struct team *team, unsigned int index,
		    const struct job *job)
{
	const struct bench *bench = team->bench;
	const bool marks = !index && team->leader && job == &team->real;
	struct side_result *result = bench->results[team->side];
	pthread_barrier_t *gate = &bench->shared->gate;
	const size_t threads = bench->env.threads;
	struct rusage before = { 0 }, after;
	long ahead;

	pthread_barrier_wait(gate);
	if (!index && team->leader && !listen_set(job->listen, true)) {
		const char *why = strerror(errno);

		listen_stop(job->listen);
		die("--listen: a switch refused to be turned on: %s", why);
	}
	pthread_barrier_wait(gate);
	if (marks)
		mark_begin(&team->mark);
	if (!index) {
		uint64_t start = now_ns();

		prepare(job);
		result->prepare_ns = now_ns() - start;
		getrusage(RUSAGE_SELF, &before);
	}
	pthread_barrier_wait(gate);
	if (!index)
		beside_go(job->runner, job->mapper);
	write_share(job, job->count * index / threads,
		    job->count * (index + 1) / threads, &result->laps[index]);
	pthread_barrier_wait(gate);
	if (marks)
		mark_end();
	if (!index) {
		mapper_stop(job->mapper);
		ahead = runner_stop(job->runner);
		getrusage(RUSAGE_SELF, &after);
		if (team->leader)
			listen_set(job->listen, false);
		result->faults = after.ru_minflt - before.ru_minflt - ahead;
		result->majflt = after.ru_majflt - before.ru_majflt;
	}
}

/* Pin the calling thread to its own CPU if there are enough. */
static void pin(const struct team *team, unsigned int index)
{
	const struct bench *bench = team->bench;
	const struct env *env = &bench->env;
	unsigned int place = index;
	int needed = env->threads;
	cpu_set_t one;
	int cpu;

	if (env->writer == WRITER_BOTH) {
		needed *= 2;
		if (team->side == SIDE_CHILD)
			place += env->threads;
	}
	if (CPU_COUNT(&bench->cpus) < needed)
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &bench->cpus) && !place--)
			break;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void *member_main(void *arg)
{
	const struct member *member = arg;
	struct team *team = member->team;

	pin(team, member->index);
	section(team, member->index, &team->rehearsal);
	section(team, member->index, &team->real);
	/* The stacks must exist until memory has been measured. */
	pthread_barrier_wait(&team->bench->shared->gate);
	return NULL;
}

/* Make the dummy region, with all its pages present. */
static void make_rehearsal(struct team *team)
{
	const struct env *env = &team->bench->env;
	struct job *job = &team->rehearsal;
	size_t i;
	uint32_t *order;

	*job = team->real;
	job->count = (size_t)env->threads * DUMMY_PAGES_PER_THREAD;
	job->size = job->count * PAGE_BYTES;
	job->listen = &team->bench->null;
	job->turn = NULL;
	job->base = mmap(NULL, job->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (job->base == MAP_FAILED)
		die("cannot map the rehearsal's region: %s", strerror(errno));
	job->samples =
		shared_alloc(job->count * sizeof(*job->samples), "--threads");
	order = shared_alloc(job->count * sizeof(*order), "--threads");
	for (i = 0; i < job->count; i++)
		order[i] = i;
	job->order = order;
}

static void start_threads(struct team *team)
{
	const unsigned int threads = team->bench->env.threads;
	pthread_attr_t attr;
	unsigned int i;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (i = 1; i < threads; i++) {
		struct member *member = &team->members[i];

		member->team = team;
		member->index = i;
		error = pthread_create(&member->thread, &attr, member_main,
				       member);
		if (error)
			die("--threads: cannot start %u threads: %s", threads,
			    strerror(error));
	}
	pthread_attr_destroy(&attr);
	pin(team, 0);
}

/* Prepare the writing threads of the process @side. */
struct team *team_start(const struct bench *bench, const struct region *region,
			enum side side, uint64_t seed)
{
	const struct env *env = &bench->env;
	/* The label is aligned, and so is the size then. */
	const size_t align = alignof(struct team);
	const size_t size = (sizeof(struct team) +
			     env->threads * sizeof(struct member) + align - 1) &
			    ~(align - 1);
	struct team *team;

	team = aligned_alloc(align, size);
	if (!team)
		die("--threads: no memory for %u threads", env->threads);
	memset(team, 0, size);
	team->bench = bench;
	team->side = side;
	mark_name(&team->mark, getenv("COWLAB_REGION"), "cowbench");
	team->leader = env->writer != WRITER_BOTH || side == SIDE_PARENT;
	team->real = (struct job){
		.base = region->base,
		.size = region->size,
		.order = bench->order,
		.samples = bench->samples[side],
		.count = bench->count,
		.seed = seed,
		.who = side == SIDE_CHILD ? WHO_CHILD : WHO_PARENT,
		.touch_all = env->touch_all,
		.turn = env->reader ? &bench->shared->turn : NULL,
		.prepare = env->prepare,
		.listen = &bench->listen,
	};
	if (env->pattern.kind == PATTERN_PACED)
		team->real.pace_iters = env->pace_iters;
	make_rehearsal(team);
	team->real.runner = runner_start(bench, region, bench->results[side]);
	if (team->leader)
		team->real.mapper = mapper_start(bench);
	start_threads(team);
	if (team->leader)
		listen_pid(&bench->listen,
			   env->writer == WRITER_BOTH ? 0 : getpid());
	return team;
}

/* Write the dummy region, so that every page of the code is present. */
void team_rehearse(struct team *team)
{
	section(team, 0, &team->rehearsal);
}

/* Write the region and time every write. */
void team_write(struct team *team)
{
	section(team, 0, &team->real);
}

/*
 * The other process' part under --reader: read the old data of the pages that were
 * written since its last turn, a word of each line.
 */
void read_in_turn(const struct bench *bench, const struct region *region)
{
	pthread_barrier_t *turn = &bench->shared->turn;
	size_t i, at;

	for (i = 0; i < bench->count; i++) {
		const volatile unsigned char *page =
			region->base + bench->order[i] * PAGE_BYTES;

		if (i % TURN_PAGES == 0)
			pthread_barrier_wait(turn);
		for (at = 0; at < PAGE_BYTES; at += 64)
			(void)page[at];
		if ((i + 1) % TURN_PAGES == 0 || i + 1 == bench->count)
			pthread_barrier_wait(turn);
	}
}

/* End and free the threads, and remove the restriction of the switches. */
void team_finish(struct team *team)
{
	struct job *job = &team->rehearsal;
	unsigned int i;

	if (team->leader)
		listen_pid(&team->bench->listen, 0);
	pthread_barrier_wait(&team->bench->shared->gate);
	for (i = 1; i < team->bench->env.threads; i++)
		pthread_join(team->members[i].thread, NULL);
	munmap((void *)job->order, job->count * sizeof(*job->order));
	munmap(job->samples, job->count * sizeof(*job->samples));
	munmap(job->base, job->size);
	free(team);
}
