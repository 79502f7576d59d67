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

#include "common/pattern.h"
#include "common/region.h"

#define LISTEN_MAX 8

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

/**
 * struct env - what the command line asks for
 * @size: bytes of the region
 * @pattern: in which order pages are written
 * @pattern_name: as given
 * @writes: number of writes of zipf
 * @pace_ns: work between two writes of paced
 * @pace_iters: the same in iterations; 0: to be calibrated
 * @writer: who writes
 * @threads: by how many threads
 * @kind: what pages
 * @rounds: how often
 * @seed: decides everything random
 * @prepare: what is done to the region before it is written
 * @ahead_batch: pages per call of the runner-ahead, 0: there is none
 * @ahead_distance: pages that it may be ahead of the writer
 * @csv: comma-separated rows
 * @csv_header: and their header
 * @hist: file for histograms, or NULL
 * @samples: file for raw latencies, or NULL
 * @mapper: file for the mapping thread's statistics, or NULL
 * @listen: list of debugfs switches, or NULL
 * @debugfs: their directory
 * @large_copies: a COW may copy into large folios
 * @corrupt: for tests: flip a bit before the check, which must see it
 */
struct env {
	uint64_t size;
	struct pattern pattern;
	const char *pattern_name;
	uint64_t writes;
	uint64_t pace_ns;
	uint64_t pace_iters;
	enum writer writer;
	unsigned int threads;
	enum kind kind;
	uint64_t rounds;
	uint64_t seed;
	enum prepare prepare;
	size_t ahead_batch;
	size_t ahead_distance;
	bool csv;
	bool csv_header;
	const char *hist;
	const char *samples;
	const char *mapper;
	const char *listen;
	const char *debugfs;
	bool large_copies;
	bool corrupt;
};

/**
 * struct listen - cowlab's switches in debugfs, open
 * @count: number of switches
 * @fds: the switches
 * @pid_fd: the file that restricts them to one thread group
 */
struct listen {
	int count;
	int fds[LISTEN_MAX];
	int pid_fd;
};

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

/* env.c */
void env_parse(int argc, char **argv, struct env *result);

/* listen.c */
void listen_open(struct listen *listen, const char *dir, const char *list);
void listen_rehearsal(struct listen *listen, const struct listen *real);
void listen_pid(const struct listen *listen, int pid);
bool listen_set(const struct listen *listen, bool on);
void listen_stop(const struct listen *listen);

/* report.c */
void report_row(const struct bench *bench, enum side side, uint64_t round,
		const struct growth *growth, bool first);

/* runahead.c */
struct runner;
struct mapper;

struct runner *runner_start(const struct bench *bench,
			    const struct region *region,
			    const struct side_result *result);
void runner_go(struct runner *runner);
long runner_stop(struct runner *runner);

struct mapper *mapper_start(const struct bench *bench);
void mapper_go(struct mapper *mapper);
void mapper_stop(struct mapper *mapper);

/* team.c */
struct team;

struct team *team_start(const struct bench *bench, const struct region *region,
			enum side side, uint64_t seed);
void team_rehearse(const struct team *team);
void team_write(const struct team *team);
void team_finish(struct team *team);

#endif /* COWLAB_BENCH_H */
