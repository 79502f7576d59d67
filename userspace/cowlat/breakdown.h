/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the two halves of --breakdown: breakdown.bpf.c and breakdown.c. */
#ifndef COWLAT_BREAKDOWN_H
#define COWLAT_BREAKDOWN_H

/* The parts of a fault, in their order. */
enum part {
	PART_ENTRY,
	PART_LOOKUP,
	PART_WALK,
	PART_ALLOC,
	PART_CACHE,
	PART_COPY,
	PART_MAP,
	PART_FLUSH,
	PART_EXIT,
	NR_PARTS,
};

/**
 * struct split - a fault on its way through the parts
 * @tgid: the process whose faults count
 * @part: the current part
 * @copied: whether a page was copied; mapping follows
 * @events: boundaries crossed
 * @last: time of entry into @part, in ns
 * @ns: duration of each part
 * @sides: boundaries of each part: a beginning and an end are two
 */
struct split {
	__u32 tgid;
	__u32 part;
	__u32 copied;
	__u32 events;
	__u64 last;
	__u64 ns[NR_PARTS];
	__u64 sides[NR_PARTS];
};

#ifndef __bpf__
#include <stdbool.h>

#include "cowlat.h"

void breakdown_run(bool json, enum cowlat_stage of);
#endif

#endif /* COWLAT_BREAKDOWN_H */
