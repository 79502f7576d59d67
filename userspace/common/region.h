/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_REGION_H
#define COWLAB_REGION_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/pattern.h"

enum kind {
	KIND_4K,
	KIND_THP,
	KIND_MTHP,
	KIND_HUGETLB,
};

/* In the order of enum kind, with NULL at the end. */
extern const char *const kind_names[];

/**
 * struct region - the memory that is written after the fork
 * @base: its beginning, 2 MiB aligned
 * @size: its bytes
 * @map: the whole mapping, with the guards around the region
 * @map_size: bytes of @map
 * @kind: what pages it is made of
 */
struct region {
	unsigned char *base;
	size_t size;
	unsigned char *map;
	size_t map_size;
	enum kind kind;
};

/**
 * struct verdict - what the check of every byte found
 * @wrong: number of wrong bytes
 * @offset: where the first one is
 * @expected: what it should be
 * @found: what it is
 */
struct verdict {
	uint64_t wrong;
	uint64_t offset;
	unsigned char expected;
	unsigned char found;
};

void region_check_size(enum kind kind, uint64_t size);
void region_require(enum kind kind, size_t size, unsigned int copies);
void region_map(struct region *region, enum kind kind, size_t size);
void region_unmap(struct region *region);
void region_fill(const struct region *region, uint64_t seed);
void region_settle(const cpu_set_t *cpus);
void region_make(struct region *region, enum kind kind, size_t size,
		 uint64_t seed, bool large_copies);
void region_write(const struct region *region, uint64_t seed, enum who who,
		  size_t first, size_t last);
void region_check(const struct region *region, uint64_t seed, enum who who,
		  const unsigned char *touched, struct verdict *verdict);
void region_verify(const struct region *region, uint64_t seed, enum who who,
		   size_t first, size_t pages, const char *where);
void verdict_require(const struct verdict *verdict, const char *where);

bool region_frames(const struct region *region, uint64_t *frames);
bool region_smaps(const struct region *region, const char *key, uint64_t *kb);
long region_exclusive(const struct region *region);
long region_moved(const struct region *region, const uint64_t *before);

void warm_process(const struct region *region);
bool memory_kb(pid_t pid, unsigned int sharers, uint64_t *kb);
uint64_t memory_peak_kb(pid_t pid);

#endif /* COWLAB_REGION_H */
