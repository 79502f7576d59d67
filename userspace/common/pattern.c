// SPDX-License-Identifier: GPL-2.0
/* Which pages are written, in which order, with how much work between. */
#include "common/pattern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

#define ZIPF_EXPONENT 0.99

/**
 * rng_below - a random number below a bound
 * @state: the generator's state
 * @bound: not 0
 *
 * Return: 0 to @bound - 1, uniform to within 2^-32 for bounds below 2^32.
 */
uint64_t rng_below(uint64_t *state, uint64_t bound)
{
	return (unsigned __int128)rng_next(state) * bound >> 64;
}

/**
 * pattern_parse - find a pattern by name
 * @name: one of PATTERN_NAMES
 * @pattern: the result
 *
 * Return: false if there is none.
 */
bool pattern_parse(const char *name, struct pattern *pattern)
{
	static const struct {
		const char *name;
		enum pattern_kind kind;
	} names[] = {
		{ "seq", PATTERN_SEQ },	    { "rev", PATTERN_REV },
		{ "rand", PATTERN_RAND },   { "zipf", PATTERN_ZIPF },
		{ "reuse", PATTERN_REUSE }, { "paced", PATTERN_PACED },
	};
	size_t i;

	pattern->step = 1;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i].name)) {
			pattern->kind = names[i].kind;
			return true;
		}
	}
	/* One pattern has two names. */
	if (strncmp(name, "sparse", 6) && strncmp(name, "stride", 6))
		return false;
	pattern->kind = PATTERN_SPARSE;
	return parse_u64(name + 6, &pattern->step) && pattern->step >= 2;
}

/**
 * pattern_count - number of writes of a pattern
 * @pattern: the pattern
 * @pages: pages in the region
 * @writes: number of writes of zipf
 *
 * Return: the number of writes.
 */
size_t pattern_count(const struct pattern *pattern, size_t pages, size_t writes)
{
	if (pattern->kind == PATTERN_ZIPF)
		return writes;
	return (pages - 1) / pattern->step + 1;
}

static void shuffle(uint32_t *order, size_t count, uint64_t *rng)
{
	size_t i;

	for (i = count; i > 1; i--) {
		size_t j = rng_below(rng, i);
		uint32_t t = order[i - 1];

		order[i - 1] = order[j];
		order[j] = t;
	}
}

/* The first rank whose cumulative weight exceeds @u. */
static size_t zipf_rank(const double *sum, size_t pages, double u)
{
	size_t low = 0, high = pages - 1;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sum[mid] > u)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* From the exact cumulative weights: slow, but exact, and not timed. */
static bool zipf_order(size_t pages, size_t count, uint64_t *rng,
		       uint32_t *order)
{
	double *sum = malloc(pages * sizeof(*sum));
	uint32_t *place = malloc(pages * sizeof(*place));
	double total = 0;
	size_t i;

	if (!sum || !place) {
		free(sum);
		free(place);
		return false;
	}
	for (i = 0; i < pages; i++) {
		total += pow(i + 1, -ZIPF_EXPONENT);
		sum[i] = total;
		place[i] = i;
	}
	/* Hot pages are not neighbours in a real heap. */
	shuffle(place, pages, rng);
	for (i = 0; i < count; i++) {
		double u = (rng_next(rng) >> 11) * 0x1p-53 * total;

		order[i] = place[zipf_rank(sum, pages, u)];
	}
	free(sum);
	free(place);
	return true;
}

/**
 * pattern_order - decide the page of each write
 * @pattern: the pattern
 * @pages: pages in the region
 * @count: number of writes, from pattern_count()
 * @seed: decides rand and zipf
 * @order: room for @count page indices
 *
 * Return: false if there is no memory for zipf's tables.
 */
bool pattern_order(const struct pattern *pattern, size_t pages, size_t count,
		   uint64_t seed, uint32_t *order)
{
	uint64_t rng = seed;
	size_t i;

	if (pattern->kind == PATTERN_ZIPF)
		return zipf_order(pages, count, &rng, order);
	for (i = 0; i < count; i++)
		order[i] = i * pattern->step;
	if (pattern->kind == PATTERN_REV) {
		for (i = 0; i < count; i++)
			order[i] = count - 1 - i;
	}
	if (pattern->kind == PATTERN_RAND)
		shuffle(order, count, &rng);
	return true;
}

/**
 * pattern_distinct - mark and count the pages that are written
 * @order: page indices
 * @count: their number
 * @touched: one zeroed byte per page; becomes 1 for each page in @order
 *
 * Return: the number of different pages.
 */
size_t pattern_distinct(const uint32_t *order, size_t count,
			unsigned char *touched)
{
	size_t distinct = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		distinct += !touched[order[i]];
		touched[order[i]] = 1;
	}
	return distinct;
}

/**
 * work_calibrate - convert time to work
 * @ns: the time
 *
 * Return: number of iterations of work() that take @ns, at least 1.
 */
uint64_t work_calibrate(uint64_t ns)
{
	const uint64_t iters = 1 << 18;
	uint64_t best = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		uint64_t start = now_ns();
		uint64_t took;

		work(iters);
		took = now_ns() - start;
		if (took < best)
			best = took;
	}
	return iters * ns / (best ? best : 1) + 1;
}
