// SPDX-License-Identifier: GPL-2.0
/*
 * scaling - COW faults a second, by number of writers
 *
 * Writers are threads of one process, which share its address space and one
 * mapping (--space shared), or processes with a mapping each (own). Each writes
 * a word to every page of its share, after a fork whose child holds the pages.
 * All begin together; the time is until the last has ended.
 *
 * With --csv it prints a row a round:
 *
 *	writers		how many
 *	space		shared or own
 *	size		bytes written to in all
 *	round		from 1 on
 *	pages		4 KiB pages written in all
 *	elapsed_ns	from the first write to the last
 *	faults		minor faults of all writers meanwhile
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/region.h"
#include "common/util.h"

#define MAX_WRITERS 64

const char *argp_program_version = "scaling 1.0";

static const char doc[] =
	"COW faults a second, by number of writers."
	"\v"
	"EXAMPLES:\n"
	"    scaling -w 4                  # four threads of one process\n"
	"    scaling -w 4 -a own           # four processes\n"
	"    scaling -s 4G -n 1 -c         # one writer, 4 GiB, CSV\n"
	"\n"
	"Exit status: 0, or 1 if a byte was wrong or a value was not accepted.\n";

static const struct argp_option options[] = {
	{ "writers", 'w', "N", 0, "How many (1)", 0 },
	{ "space", 'a', "shared|own", 0,
	  "Address space: shared by all, or each its own (shared)", 0 },
	{ "size", 's', "SIZE", 0,
	  "What all write together, with K, M or G (64M)", 0 },
	{ "rounds", 'n', "N", 0, "Rounds, each with new regions (1)", 0 },
	{ "kind", 'k', "KIND", 0, "Pages: 4k thp mthp hugetlb (4k)", 0 },
	{ "large-copies", 'L', NULL, 0,
	  "Advise huge pages when a region is filled: a COW may then copy into large folios",
	  0 },
	{ "csv", 'c', NULL, 0, "Print comma-separated values", 0 },
	{ 0 },
};

struct env {
	unsigned int writers;
	bool own;
	uint64_t size;
	uint64_t rounds;
	enum kind kind;
	bool large_copies;
	bool csv;
};

/* One writer's result, a cache line each. */
struct lap {
	uint64_t start;
	uint64_t end;
	uint64_t faults;
} __attribute__((aligned(64)));

struct shared {
	pthread_barrier_t gate;
	struct lap laps[MAX_WRITERS];
};

/* What a writing thread is given. */
struct writer {
	const struct region *region;
	struct shared *shared;
	unsigned int index;
	uint64_t first;
	uint64_t last;
	uint64_t seed;
	pthread_t thread;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct env *env = state->input;

	switch (key) {
	case 'w':
		env->writers = number_arg("--writers", arg, 1, MAX_WRITERS);
		break;
	case 'a':
		env->own = !strcmp(arg, "own");
		if (!env->own && strcmp(arg, "shared"))
			die("--space: '%s' is not accepted, shared or own is",
			    arg);
		break;
	case 's':
		if (!parse_size(arg, &env->size) || !env->size)
			die("--size: '%s' is not accepted, a number of bytes is, with K, M or G",
			    arg);
		break;
	case 'n':
		env->rounds = number_arg("--rounds", arg, 1, 1000000);
		break;
	case 'k':
		if (!kind_parse(arg, &env->kind))
			die("--kind: '%s' is not accepted, one of these is: %s",
			    arg, KIND_NAMES);
		break;
	case 'L':
		env->large_copies = true;
		break;
	case 'c':
		env->csv = true;
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	case ARGP_KEY_END:
		if (env->size % (HUGE_BYTES * env->writers))
			die("--size: a multiple of 2M for each writer is accepted");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void *write_share(void *arg)
{
	struct writer *writer = arg;
	struct lap *lap = &writer->shared->laps[writer->index];
	volatile uint64_t *words = (uint64_t *)writer->region->base;
	struct rusage before, after;
	uint64_t page;

	getrusage(RUSAGE_THREAD, &before);
	pthread_barrier_wait(&writer->shared->gate);
	lap->start = now_ns();
	for (page = writer->first; page < writer->last; page++) {
		uint64_t index = page * 512 + word_slot(writer->seed, page);

		words[index] = word_value(writer->seed, index, WHO_PARENT);
	}
	lap->end = now_ns();
	getrusage(RUSAGE_THREAD, &after);
	lap->faults = after.ru_minflt - before.ru_minflt;
	return NULL;
}

static void check(const struct region *region, uint64_t seed)
{
	unsigned char *touched = malloc(region->size / PAGE_BYTES);
	struct verdict v;

	if (!touched)
		die("no memory for the check");
	memset(touched, 1, region->size / PAGE_BYTES);
	region_check(region, seed, WHO_PARENT, touched, &v);
	free(touched);
	if (v.wrong)
		die("wrong byte at offset 0x%" PRIx64
		    ": expected 0x%02x, found 0x%02x (%" PRIu64
		    " wrong in all)",
		    v.offset, v.expected, v.found, v.wrong);
}

/* A process with @threads writers, the first of which is number @index. */
static void process(const struct env *env, struct shared *shared,
		    unsigned int index, unsigned int threads, uint64_t seed)
{
	const uint64_t size = env->size / (env->own ? env->writers : 1);
	const uint64_t pages = size / PAGE_BYTES;
	struct writer writers[MAX_WRITERS];
	struct region region;
	int hold[2], status;
	unsigned int i;
	pid_t child;
	char byte;

	region_map(&region, env->kind, size);
	region_fill(&region, seed);
	region_check_kind(&region);
	if (env->large_copies)
		region_allow_large(&region);
	if (pipe(hold))
		die("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (!child) {
		close(hold[1]);
		_exit(read(hold[0], &byte, 1) != 0);
	}
	for (i = 0; i < threads; i++) {
		writers[i] = (struct writer){
			.region = &region,
			.shared = shared,
			.index = index + i,
			.first = pages * i / threads,
			.last = pages * (i + 1) / threads,
			.seed = seed,
		};
		if (i && pthread_create(&writers[i].thread, NULL, write_share,
					&writers[i]))
			die("--writers: cannot start %u threads", threads);
	}
	write_share(&writers[0]);
	for (i = 1; i < threads; i++)
		pthread_join(writers[i].thread, NULL);
	check(&region, seed);
	close(hold[1]);
	if (waitpid(child, &status, 0) != child || status)
		die("the child did not end well");
	close(hold[0]);
	region_unmap(&region);
}

static void processes(const struct env *env, struct shared *shared,
		      uint64_t seed)
{
	pid_t pids[MAX_WRITERS], self = getpid();
	unsigned int i;
	int status;

	for (i = 0; i < env->writers; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("cannot fork: %s", strerror(errno));
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != self)
				_exit(1);
			process(env, shared, i, 1, seed + i);
			_exit(0);
		}
	}
	for (i = 0; i < env->writers; i++) {
		/* The others would wait at the gate for one that has failed. */
		if (wait(&status) < 0 || status)
			die("a writer did not end well");
	}
}

static void report(const struct env *env, const struct shared *shared,
		   uint64_t round)
{
	uint64_t start = UINT64_MAX, end = 0, faults = 0;
	const char *space = env->own ? "own" : "shared";
	unsigned int i;

	for (i = 0; i < env->writers; i++) {
		const struct lap *lap = &shared->laps[i];

		if (lap->start < start)
			start = lap->start;
		if (lap->end > end)
			end = lap->end;
		faults += lap->faults;
	}
	if (env->csv)
		printf("%u,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%" PRIu64 "\n",
		       env->writers, space, env->size, round,
		       env->size / PAGE_BYTES, end - start, faults);
	else
		printf("%u %s: %.0f faults/s, %.1f ns a page\n", env->writers,
		       space, faults * 1e9 / (end - start),
		       (end - start) / ((double)env->size / PAGE_BYTES));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct env env = { .writers = 1, .size = 64UL << 20, .rounds = 1 };
	pthread_barrierattr_t attr;
	struct shared *shared;
	uint64_t round;

	argp_parse(&argp, argc, argv, 0, NULL, &env);
	shared = shared_alloc(sizeof(*shared), "--writers");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (env.csv)
		puts("writers,space,size,round,pages,elapsed_ns,faults");
	for (round = 1; round <= env.rounds; round++) {
		region_require(env.kind, env.size, 2);
		pthread_barrier_init(&shared->gate, &attr, env.writers);
		if (env.own)
			processes(&env, shared, mix64(round));
		else
			process(&env, shared, 0, env.writers, mix64(round));
		report(&env, shared, round);
	}
	return 0;
}
