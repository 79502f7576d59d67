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

/* The memory that is written after the fork */
struct region {
	unsigned char *base; /* its beginning, 2 MiB aligned */
	size_t size; /* its bytes */
	/* the whole mapping, with the guards around the region */
	unsigned char *map;
	size_t map_size; /* bytes of @map */
	enum kind kind; /* kind of its pages */
};

/* What the check of every byte found */
struct verdict {
	uint64_t wrong; /* number of wrong bytes */
	uint64_t offset; /* where the first one is */
	unsigned char expected; /* what it should be */
	unsigned char found; /* what it is */
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
long region_copied(const struct region *region, const uint64_t *before);

void warm_process(const struct region *region);
bool memory_with_child(pid_t child, uint64_t *kb);
uint64_t memory_peak_kb(pid_t pid);

#endif /* COWLAB_REGION_H */
