// SPDX-License-Identifier: GPL-2.0
/* Statistics and histogram of latencies. */
#include "common/samples.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/**
 * nearest_rank - a percentile that is one of the samples
 * @sorted: samples, ascending
 * @count: how many, not 0
 * @permille: 500 for the median
 *
 * Return: the smallest sample that at least @permille of all do not exceed.
 */
uint64_t nearest_rank(const uint64_t *sorted, size_t count,
		      unsigned int permille)
{
	size_t rank = ((unsigned __int128)count * permille + 999) / 1000;

	return sorted[rank ? rank - 1 : 0];
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/**
 * stats_compute - sort samples and take their statistics
 * @samples: the samples; sorted afterwards
 * @count: how many
 * @stats: the result, all 0 if there are no samples
 */
void stats_compute(uint64_t *samples, size_t count, struct stats *stats)
{
	unsigned __int128 sum = 0;
	size_t i;

	memset(stats, 0, sizeof(*stats));
	if (!count)
		return;
	qsort(samples, count, sizeof(*samples), compare_u64);
	for (i = 0; i < count; i++)
		sum += samples[i];
	stats->count = count;
	stats->avg = (sum + count / 2) / count;
	stats->min = samples[0];
	stats->p50 = nearest_rank(samples, count, 500);
	stats->p90 = nearest_rank(samples, count, 900);
	stats->p99 = nearest_rank(samples, count, 990);
	stats->p999 = nearest_rank(samples, count, 999);
	stats->max = samples[count - 1];
}

/**
 * hist_bucket - where a value is counted
 * @value: any value
 *
 * Values below 64 have a bucket each, from there on each octave has 32.
 *
 * Return: the bucket, below HIST_BUCKETS.
 */
unsigned int hist_bucket(uint64_t value)
{
	unsigned int shift;

	if (value < HIST_SUBS)
		return value;
	shift = 63 - __builtin_clzll(value) - HIST_SUB_BITS;
	return shift * HIST_SUBS + (value >> shift);
}

/**
 * hist_lower - the smallest value that is counted in a bucket
 * @bucket: below HIST_BUCKETS
 *
 * Return: the value.
 */
uint64_t hist_lower(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < HIST_SUBS)
		return bucket;
	shift = bucket / HIST_SUBS - 1;
	return (uint64_t)(HIST_SUBS + bucket % HIST_SUBS) << shift;
}

/**
 * hist_write - write the histogram of samples, a line a filled bucket
 * @out: where to
 * @samples: the samples, in any order
 * @count: how many
 *
 * Return: 0, or -1 if writing failed.
 */
int hist_write(FILE *out, const uint64_t *samples, size_t count)
{
	uint64_t counts[HIST_BUCKETS] = { 0 };
	unsigned int b;
	size_t i;

	for (i = 0; i < count; i++)
		counts[hist_bucket(samples[i])]++;
	for (b = 0; b < HIST_BUCKETS; b++) {
		if (counts[b])
			fprintf(out, "%" PRIu64 " %" PRIu64 "\n", hist_lower(b),
				counts[b]);
	}
	return fflush(out) || ferror(out) ? -1 : 0;
}

/**
 * samples_write - write samples, a line each
 * @out: where to
 * @samples: the samples, in the order of writing
 * @count: how many
 *
 * Return: 0, or -1 if writing failed.
 */
int samples_write(FILE *out, const uint64_t *samples, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		fprintf(out, "%" PRIu64 "\n", samples[i]);
	return fflush(out) || ferror(out) ? -1 : 0;
}
