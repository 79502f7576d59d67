// SPDX-License-Identifier: GPL-2.0
/* Statistics and histogram of latencies. */
#include "common/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

/**
 * nearest_rank - a percentile that is one of the samples
 * @sorted: samples in ascending order
 * @count: their number, not 0
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
 * @count: their number
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
 * hist_bucket - the bucket that counts a value
 * @value: any value
 *
 * Each value below 64 has its own bucket; each octave above has 32.
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
 * hist_lower - the smallest value of a bucket
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
 * hist_print - write a histogram, one line per filled bucket
 * @out: the file
 * @buckets: HIST_BUCKETS counts
 *
 * Return: 0, or -1 if writing failed.
 */
int hist_print(FILE *out, const uint64_t *buckets)
{
	unsigned int b;

	for (b = 0; b < HIST_BUCKETS; b++) {
		if (buckets[b])
			fprintf(out, "%lu %lu\n", hist_lower(b), buckets[b]);
	}
	return fflush(out) || ferror(out) ? -1 : 0;
}

/**
 * hist_write - write the histogram of samples
 * @out: the file
 * @samples: the samples, in any order
 * @count: their number
 *
 * Return: 0, or -1 if writing failed.
 */
int hist_write(FILE *out, const uint64_t *samples, size_t count)
{
	uint64_t buckets[HIST_BUCKETS] = { 0 };
	size_t i;

	for (i = 0; i < count; i++)
		buckets[hist_bucket(samples[i])]++;
	return hist_print(out, buckets);
}

/**
 * latencies_add - add a latency
 * @latencies: the earlier ones
 * @ns: the latency
 */
void latencies_add(struct latencies *latencies, uint64_t ns)
{
	if (!latencies->count || ns < latencies->min)
		latencies->min = ns;
	if (ns > latencies->max)
		latencies->max = ns;
	latencies->count++;
	latencies->sum += ns;
	latencies->buckets[hist_bucket(ns)]++;
}

static uint64_t percentile(const struct latencies *latencies,
			   unsigned int permille)
{
	uint64_t rank = (latencies->count * permille + 999) / 1000;
	uint64_t seen = 0, lower;
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += latencies->buckets[i];
		if (seen >= rank && seen)
			break;
	}
	/* A bucket's lower bound may lie below all its values. */
	lower = hist_lower(i);
	return lower > latencies->min ? lower : latencies->min;
}

/**
 * latencies_stats - statistics of latencies; percentiles are exact to 3%
 * @latencies: the latencies, at least one
 * @stats: the result
 */
void latencies_stats(const struct latencies *latencies, struct stats *stats)
{
	stats->count = latencies->count;
	stats->avg = latencies->sum / latencies->count;
	stats->min = latencies->min;
	stats->p50 = percentile(latencies, 500);
	stats->p90 = percentile(latencies, 900);
	stats->p99 = percentile(latencies, 990);
	stats->p999 = percentile(latencies, 999);
	stats->max = latencies->max;
}

/**
 * stats_print - print requests and their latencies in one line
 * @what: name of the requests
 * @stats: their latencies
 * @elapsed: ns for all of them
 * @faults: page faults of the server
 */
void stats_print(const char *what, const struct stats *stats, uint64_t elapsed,
		 uint64_t faults)
{
	printf("%8lu %s, %8.1f/s, p50 %7.1f us, p99 %8.1f us, p99.9 %8.1f us, max %8.1f us, %lu faults\n",
	       stats->count, what, stats->count * 1e9 / elapsed,
	       stats->p50 / 1e3, stats->p99 / 1e3, stats->p999 / 1e3,
	       stats->max / 1e3, faults);
}

/**
 * append_open - open a file to append to, or exit
 * @option: the option that names it, with its dashes, for the error
 * @path: the file; NULL: none
 *
 * Return: the file, or NULL for none.
 */
FILE *append_open(const char *option, const char *path)
{
	FILE *f;

	if (!path)
		return NULL;
	f = fopen(path, "ae");
	if (!f)
		die("%s: cannot open %s: %s", option, path, strerror(errno));
	return f;
}

/**
 * samples_write - write samples, one line per sample
 * @out: the file
 * @samples: the samples, in the order of writing
 * @count: their number
 *
 * Return: 0, or -1 if writing failed.
 */
int samples_write(FILE *out, const uint64_t *samples, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		fprintf(out, "%lu\n", samples[i]);
	return fflush(out) || ferror(out) ? -1 : 0;
}
