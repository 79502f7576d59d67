/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_SAMPLES_H
#define COWLAB_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* 32 sub-buckets an octave: a bucket is at most 1/32 of its value wide. */
#define HIST_SUB_BITS 5
#define HIST_SUBS (1U << HIST_SUB_BITS)
#define HIST_BUCKETS ((64 - HIST_SUB_BITS + 1) * HIST_SUBS)

/* Exact statistics of a set of latencies, in nanoseconds */
struct stats {
	uint64_t count; /* how many */
	uint64_t avg; /* mean, rounded to the nearest */
	uint64_t min; /* smallest */
	uint64_t p50; /* median, nearest rank, as the others */
	uint64_t p90; /* 90th percentile */
	uint64_t p99; /* 99th percentile */
	uint64_t p999; /* 99.9th percentile */
	uint64_t max; /* largest */
};

uint64_t nearest_rank(const uint64_t *sorted, size_t count,
		      unsigned int permille);
void stats_compute(uint64_t *samples, size_t count, struct stats *stats);

/* Latencies as they come */
struct latencies {
	uint64_t count; /* how many */
	uint64_t sum; /* their sum */
	uint64_t min; /* the least */
	uint64_t max; /* the greatest */
	uint64_t buckets[HIST_BUCKETS]; /* their histogram */
};

void latencies_add(struct latencies *latencies, uint64_t ns);
void latencies_stats(const struct latencies *latencies, struct stats *stats);
void stats_print(const char *what, const struct stats *stats, uint64_t elapsed,
		 uint64_t faults);

unsigned int hist_bucket(uint64_t value);
uint64_t hist_lower(unsigned int bucket);
int hist_write(FILE *out, const uint64_t *samples, size_t count);
int hist_print(FILE *out, const uint64_t *buckets);
FILE *append_open(const char *option, const char *path);
int samples_write(FILE *out, const uint64_t *samples, size_t count);

#endif /* COWLAB_SAMPLES_H */
