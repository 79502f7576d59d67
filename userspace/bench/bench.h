/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_BENCH_H
#define COWLAB_BENCH_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/listen.h"
#include "bench/env.h"
#include "common/region.h"

enum side {
	SIDE_PARENT,
	SIDE_CHILD,
	SIDE_COUNT,
};

/* One thread's part of the section, a cache line each; @done: its writes. */
struct lap {
	uint64_t start;
	uint64_t end;
	size_t done;
} __attribute__((aligned(64)));

/**
 * struct side_result - what one process found, for the parent to report
 * @prepare_ns: what --prepare took
 * @faults: minor faults during the writes
 * @majflt: major ones
 * @copied: 4 KiB pages that are its own afterwards, -1 if not known
 * @verdict: the check of its view
 * @laps: a lap a thread
 */
struct side_result {
	uint64_t prepare_ns;
	long faults;
	long majflt;
	long copied;
	struct verdict verdict;
	struct lap laps[];
};

/**
 * struct shared - what both processes see
 * @meet: both processes, or only the parent if the other is gone
 * @gate: all writing threads of all writing processes
 */
struct shared {
	pthread_barrier_t meet;
	pthread_barrier_t gate;
};

/**
 * struct bench - all that is the same in every round
 * @env: the command line
 * @pages: pages in the region
 * @count: number of writes of a writer
 * @distinct: number of different pages among them
 * @order: which page each goes to
 * @touched: one byte a page, 1 where one goes
 * @frames: the parent's page frames before the writes
 * @samples: latencies of each side
 * @results: results of each side
 * @shared: barriers
 * @listen: debugfs switches
 * @null: their stand-in for the rehearsal
 * @cpus: where this program may run
 * @hist: file, or NULL
 * @raw: file, or NULL
 * @mapper: file, or NULL
 */
struct bench {
	struct env env;
	size_t pages;
	size_t count;
	size_t distinct;
	uint32_t *order;
	unsigned char *touched;
	uint64_t *frames;
	uint64_t *samples[SIDE_COUNT];
	struct side_result *results[SIDE_COUNT];
	struct shared *shared;
	struct listen listen;
	struct listen null;
	cpu_set_t cpus;
	FILE *hist;
	FILE *raw;
	FILE *mapper;
};

/**
 * struct growth - memory before and after the writes, in KiB
 * @known: false if the kernel does not tell
 * @before: of both processes
 * @after: of both
 * @peak: the most that a process had mapped, 0 if there is none
 */
struct growth {
	bool known;
	uint64_t before;
	uint64_t after;
	uint64_t peak[SIDE_COUNT];
};

/**
 * side_writes - whether a process writes
 * @env: the command line
 * @side: the process
 *
 * Return: true if it does.
 */
static inline bool side_writes(const struct env *env, enum side side)
{
	return env->writer == WRITER_BOTH ||
	       (env->writer == WRITER_CHILD) == (side == SIDE_CHILD);
}

#endif /* COWLAB_BENCH_H */
