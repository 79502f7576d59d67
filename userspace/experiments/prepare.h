/* SPDX-License-Identifier: GPL-2.0 */
/* What makes a snapshot cheaper, and what that costs. */
#ifndef COWLAB_PREPARE_H
#define COWLAB_PREPARE_H

#include <stdint.h>

#include "common/region.h"

enum prepare {
	PREPARE_NONE,
	PREPARE_POPULATE_WRITE,
	PREPARE_MANUAL_COW,
	PREPARE_COLLAPSE,
	PREPARE_KHUGEPAGED,
	PREPARE_THREADS,
};

/* In the order of enum prepare, with NULL at the end. */
extern const char *const prepare_names[];

uint64_t prepare_after_fork(enum prepare prepare, const struct region *region);
uint64_t prepare_after_end(enum prepare prepare, const struct region *region);
uint64_t prepare_spent(enum prepare prepare);

#endif /* COWLAB_PREPARE_H */
