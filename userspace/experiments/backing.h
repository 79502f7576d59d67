/* SPDX-License-Identifier: GPL-2.0 */
/* A file in the page cache that is mapped privately. */
#ifndef COWLAB_BACKING_H
#define COWLAB_BACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/region.h"

int backing_make(const char *dir, uint64_t size, uint64_t seed);
void backing_map(struct region *region, int fd, uint64_t size, int prot,
		 int flags, bool large_copies);
void backing_check(int fd, uint64_t size, uint64_t seed);
bool backing_copied(const struct region *region, uint64_t *pages);

#endif /* COWLAB_BACKING_H */
