/* SPDX-License-Identifier: GPL-2.0 */
/* What the two halves of --stages share: stages.bpf.c and stages.c. */
#ifndef COWLAT_STAGES_H
#define COWLAT_STAGES_H

/* The parts of a fault, in the order in which it comes to them. */
enum part {
	PART_ENTRY,
	PART_LOOKUP,
	PART_WALK,
	PART_ALLOC,
	PART_COPY,
	PART_MAP,
	PART_FLUSH,
	PART_EXIT,
	NR_PARTS,
};

/**
 * struct split - a fault on its way through the parts
 * @tgid: whose faults
 * @part: where it is
 * @copied: whether a page was copied, so that what follows is mapping
 * @events: boundaries it has crossed
 * @last: when it came into @part, in ns
 * @ns: what each part took
 * @sides: how many boundaries each part had: a beginning and an end are two
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

void stages_run(bool json);
#endif

#endif /* COWLAT_STAGES_H */
