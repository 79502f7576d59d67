/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of cowbench. */
#ifndef COWLAB_BENCH_H
#define COWLAB_BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/listen.h"
#include "common/pattern.h"
#include "common/region.h"

enum writer {
	WRITER_PARENT,
	WRITER_CHILD,
	WRITER_BOTH,
};

enum prepare {
	PREPARE_NONE,
	PREPARE_POPULATE_WRITE,
	PREPARE_MANUAL_COW,
};

/* What the command line asks for */
struct env {
	uint64_t size; /* bytes of the region */
	struct pattern pattern; /* order of the writes */
	const char *pattern_name; /* as given */
	uint64_t writes; /* number of writes of zipf */
	uint64_t pace_ns; /* work between two writes of paced */
	uint64_t pace_iters; /* the same in iterations; 0: calibrate */
	enum writer writer; /* the writing process */
	unsigned int threads; /* threads per writing process */
	enum kind kind; /* kind of the pages */
	uint64_t rounds; /* number of rounds */
	uint64_t seed; /* decides everything random */
	/* what is done to the region before the writes */
	enum prepare prepare;
	/* pages per call of the runner-ahead, 0: there is none */
	size_t ahead_batch;
	size_t ahead_distance; /* pages that it may be ahead of the writer */
	bool csv; /* comma-separated rows */
	bool csv_header; /* with a header */
	const char *hist; /* file for histograms, or NULL */
	const char *samples; /* file for raw latencies, or NULL */
	/* file for the mapping thread's statistics, or NULL */
	const char *mapper;
	const char *listen; /* list of debugfs switches, or NULL */
	const char *debugfs; /* their directory */
	bool large_copies; /* a COW may copy into large folios */
	bool touch_all; /* each page is written whole after its first write */
	bool reader; /* the other process reads the old pages, in turn */
	/* for tests: flip a bit before the check, which must see it */
	bool corrupt;
};

enum side {
	SIDE_PARENT,
	SIDE_CHILD,
	SIDE_COUNT,
};

/* One thread's part of the section, one cache line each; @done: its writes */
struct lap {
	uint64_t start;
	uint64_t end;
	size_t done;
} __attribute__((aligned(64)));

/* What one process found, for the parent to report */
struct side_result {
	uint64_t prepare_ns; /* duration of --prepare */
	long faults; /* minor faults during the writes */
	long majflt; /* major ones */
	/* 4 KiB pages that it alone maps afterwards, -1: unknown */
	long copied;
	struct verdict verdict; /* the check of its view */
	struct lap laps[]; /* one per thread */
};

/* What both processes see */
struct shared {
	/* both processes, or only the parent if the other is gone */
	pthread_barrier_t meet;
	/* all writing threads of all writing processes */
	pthread_barrier_t gate;
	/* the writer and the reader of --reader, before and after each turn */
	pthread_barrier_t turn;
};

/* All that is the same in every round */
struct bench {
	struct env env; /* the command line */
	size_t pages; /* pages in the region */
	size_t count; /* number of writes of a writer */
	size_t distinct; /* number of different pages among them */
	uint32_t *order; /* page of each write */
	unsigned char *touched; /* one byte per page, 1: written */
	uint64_t *frames; /* the parent's page frames before the writes */
	uint64_t *samples[SIDE_COUNT]; /* latencies of each side */
	struct side_result *results[SIDE_COUNT]; /* results of each side */
	struct shared *shared; /* barriers */
	struct listen listen; /* debugfs switches */
	struct listen null; /* their stand-in for the rehearsal */
	cpu_set_t cpus; /* CPUs that this program may use */
	FILE *hist; /* file, or NULL */
	FILE *raw; /* file, or NULL */
	FILE *mapper; /* file, or NULL */
};

/* Memory before and after the writes, in KiB */
struct growth {
	bool known; /* false if the kernel does not tell */
	uint64_t before; /* of both processes */
	uint64_t after; /* of both */
	/* the most that a process had mapped, 0 if there is none */
	uint64_t peak[SIDE_COUNT];
};

/* Whether a process writes. */
static inline bool side_writes(const struct env *env, enum side side)
{
	return env->writer == WRITER_BOTH ||
	       (env->writer == WRITER_CHILD) == (side == SIDE_CHILD);
}

/* env.c */
void env_parse(int argc, char **argv, struct env *result);

/* report.c */
void report_row(const struct bench *bench, enum side side, uint64_t round,
		const struct growth *growth, bool first);

/* runahead.c */
struct runner;
struct mapper;

struct runner *runner_start(const struct bench *bench,
			    const struct region *region,
			    const struct side_result *result);
long runner_stop(struct runner *runner);

struct mapper *mapper_start(const struct bench *bench);
void beside_go(struct runner *runner, struct mapper *mapper);
void mapper_stop(struct mapper *mapper);

/* team.c */
struct team;

struct team *team_start(const struct bench *bench, const struct region *region,
			enum side side, uint64_t seed);
void team_rehearse(struct team *team);
void team_write(struct team *team);
void team_finish(struct team *team);
void read_in_turn(const struct bench *bench, const struct region *region);

#endif /* COWLAB_BENCH_H */
