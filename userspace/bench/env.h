/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_ENV_H
#define COWLAB_ENV_H

#include <stdbool.h>
#include <stdint.h>

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

void env_parse(int argc, char **argv, struct env *result);

#endif /* COWLAB_ENV_H */
