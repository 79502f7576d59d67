// SPDX-License-Identifier: GPL-2.0
/* scaling - COW faults per second, by number of writers */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/region.h"
#include "common/row.h"
#include "common/util.h"

#define MAX_WRITERS 64

static const char doc[] =
	"Measure COW faults per second, by number of writers.\n"
	"\n"
	"Writers are threads of one process, which share one mapping (--space shared), or processes with a mapping each (own). Each writes one word to every page of its share, after a fork whose child holds the pages. All begin together; the time ends with the last of them.\n"
	"\v"
	"EXAMPLES:\n"
	"    scaling -w 4                  # four threads of one process\n"
	"    scaling -w 4 -a own           # four processes\n"
	"    scaling -s 4G -n 1 -c         # one writer, 4 GiB, CSV\n"
	"\n"
	"COLUMNS of --csv:\n"
	"    size        bytes of all regions\n"
	"    pages       4 KiB pages written by all writers\n"
	"    elapsed_ns  from the first write to the last\n"
	"    faults      minor faults of all writers during the writes\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong or an option was invalid.\n";

static struct {
	unsigned int writers;
	bool own;
	uint64_t size;
	uint64_t rounds;
	enum kind kind;
	bool large_copies;
	bool csv;
} env = { .writers = 1, .size = 64UL << 20, .rounds = 1 };

static const char *const spaces[] = { "shared", "own", NULL };

static const struct opt opts[] = {
	{ "writers", 'w', "N", "Number of writers (1)",
	  OPT_NUMBER(env.writers, 1, MAX_WRITERS) },
	{ "space", 'a', "shared|own",
	  "Address space: one for all, or one each (shared)",
	  OPT_CHOICE(env.own, spaces) },
	{ "size", 's', "SIZE", "What all write together, with K, M or G (64M)",
	  OPT_SIZE(env.size, 1, UINT64_MAX, 1) },
	{ OPT_COMMON_ROUNDS(env.rounds, "Rounds, each with new regions (1)") },
	{ OPT_COMMON_KIND(env.kind) },
	{ OPT_COMMON_LARGE_COPIES(env.large_copies) },
	{ OPT_COMMON_CSV(env.csv) },
	{ 0 },
};

/* One writer's result, one cache line each. */
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

static void *write_share(void *arg)
{
	struct writer *writer = arg;
	struct lap *lap = &writer->shared->laps[writer->index];
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	pthread_barrier_wait(&writer->shared->gate);
	lap->start = now_ns();
	region_write(writer->region, writer->seed, WHO_PARENT, writer->first,
		     writer->last);
	lap->end = now_ns();
	getrusage(RUSAGE_THREAD, &after);
	lap->faults = after.ru_minflt - before.ru_minflt;
	return NULL;
}

/* A process with @threads writers, the first of which is number @index. */
static void process(struct shared *shared, unsigned int index,
		    unsigned int threads, uint64_t seed)
{
	const uint64_t size = env.size / (env.own ? env.writers : 1);
	const uint64_t pages = size / PAGE_BYTES;
	struct writer writers[MAX_WRITERS];
	struct holder holder;
	struct region region;
	unsigned int i;

	region_make(&region, env.kind, size, seed, env.large_copies);
	holder_start(&holder);
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
	region_verify(&region, seed, WHO_PARENT, 0, pages, "a region");
	holder_end(&holder);
	region_unmap(&region);
}

static void processes(struct shared *shared, uint64_t seed)
{
	unsigned int i;
	int status;

	for (i = 0; i < env.writers; i++) {
		if (!fork_tied()) {
			process(shared, i, 1, seed + i);
			_exit(0);
		}
	}
	for (i = 0; i < env.writers; i++) {
		/* The others would wait at the gate for one that has failed. */
		if (wait(&status) < 0 || status)
			die("a writer failed");
	}
}

static void report(const struct shared *shared, uint64_t round)
{
	uint64_t start = UINT64_MAX, end = 0, faults = 0;
	unsigned int i;

	for (i = 0; i < env.writers; i++) {
		const struct lap *lap = &shared->laps[i];

		if (lap->start < start)
			start = lap->start;
		if (lap->end > end)
			end = lap->end;
		faults += lap->faults;
	}
	if (!env.csv) {
		printf("%u %s: %.0f faults/s, %.1f ns per page\n", env.writers,
		       spaces[env.own], faults * 1e9 / (end - start),
		       (end - start) / ((double)env.size / PAGE_BYTES));
		fflush(stdout);
		return;
	}
	row_csv(stdout, round == 1,
		"writers=%u space=%s size=%lu round=%lu pages=%lu elapsed_ns=%lu faults=%lu",
		env.writers, spaces[env.own], env.size, round,
		env.size / PAGE_BYTES, end - start, faults);
}

int main(int argc, char **argv)
{
	pthread_barrierattr_t attr;
	struct shared *shared;
	uint64_t round;

	options_parse(argc, argv, doc, opts, NULL);
	if (env.size % (HUGE_BYTES * env.writers))
		die("--size: expected a multiple of 2M for each writer");
	shared = shared_alloc(sizeof(*shared), "--writers");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (round = 1; round <= env.rounds; round++) {
		region_require(env.kind, env.size, 2);
		pthread_barrier_init(&shared->gate, &attr, env.writers);
		if (env.own)
			processes(shared, mix64(round));
		else
			process(shared, 0, env.writers, mix64(round));
		report(shared, round);
	}
	return 0;
}
