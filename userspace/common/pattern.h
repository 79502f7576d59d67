/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_PATTERN_H
#define COWLAB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_NAMES "seq rev rand sparseN (N >= 2) strideN (the same) zipf reuse paced"

enum pattern_kind {
	PATTERN_SEQ,
	PATTERN_REV,
	PATTERN_RAND,
	PATTERN_SPARSE,
	PATTERN_ZIPF,
	PATTERN_REUSE,
	PATTERN_PACED,
};

/* Order in which pages are written */
struct pattern {
	enum pattern_kind kind; /* the family */
	uint64_t step; /* sparse: distance of the pages; otherwise 1 */
};

/* The writer of a word: each writes different values. */
enum who {
	WHO_OLD,
	WHO_PARENT,
	WHO_CHILD,
	WHO_COUNT,
};

/**
 * mix64 - the finaliser of splitmix64, a bijection
 * @x: any number
 *
 * Return: a number that looks random.
 */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

#define MIX_STEP 0x9e3779b97f4a7c15ULL

/**
 * word_value - value of a 64-bit word of the region
 * @seed: the round's seed
 * @index: the word's index in the region
 * @who: its last writer
 *
 * Each (@index, @who) has a different value, because mix64() and multiplication
 * by an odd number are bijections: a stale or misplaced word never looks right.
 *
 * Return: the value.
 */
static inline uint64_t word_value(uint64_t seed, uint64_t index, enum who who)
{
	return mix64(seed + (index * WHO_COUNT + who) * MIX_STEP);
}

/**
 * word_slot - which of a page's 512 words is written
 * @seed: the round's seed
 * @page: the page's index in the region
 *
 * Return: 0 to 511.
 */
static inline unsigned int word_slot(uint64_t seed, uint64_t page)
{
	return mix64(~seed + page * MIX_STEP) & 511;
}

/**
 * word_index - index of the word that is written
 * @seed: the round's seed
 * @page: the page's index in the region
 *
 * Return: the word's index in the region.
 */
static inline uint64_t word_index(uint64_t seed, uint64_t page)
{
	return page * 512 + word_slot(seed, page);
}

/**
 * rng_next - the next number of splitmix64
 * @state: a seed at first
 *
 * Return: 64 random bits.
 */
static inline uint64_t rng_next(uint64_t *state)
{
	*state += MIX_STEP;
	return mix64(*state);
}

/**
 * work - compute for a while; a compiler cannot leave out an iteration
 * @iters: number of iterations
 */
static inline void work(uint64_t iters)
{
	uint64_t x = iters;

	while (iters--) {
		x = mix64(x);
		__asm__ volatile("" : "+r"(x));
	}
}

uint64_t work_calibrate(uint64_t ns);
uint64_t rng_below(uint64_t *state, uint64_t bound);
bool pattern_parse(const char *name, struct pattern *pattern);
size_t pattern_count(const struct pattern *pattern, size_t pages,
		     size_t writes);
bool pattern_order(const struct pattern *pattern, size_t pages, size_t count,
		   uint64_t seed, uint32_t *order);
size_t pattern_distinct(const uint32_t *order, size_t count,
			unsigned char *touched);

#endif /* COWLAB_PATTERN_H */
