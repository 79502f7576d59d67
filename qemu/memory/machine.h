/* SPDX-License-Identifier: GPL-2.0 */
/* machine.h - the geometry of a processor's caches and TLBs, and what misses cost */
#ifndef COWMEM_MACHINE_H
#define COWMEM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_SHIFT 6 /* lines of 64 bytes, on every x86-64 */

/* A table: its entries, and how many of them a set has */
struct shape {
	unsigned int entries;
	unsigned int ways;
};

/*
 * What costs cycles. Each cost is one constant of a machine, so the modelled
 * cycles are linear in each of them.
 */
enum cost {
	COST_CPI, /* an instruction that misses nothing */
	COST_L1, /* a read of a page table that hits L1: nothing can hide it */
	COST_L2, /* an L1 miss that hits L2 */
	COST_L3, /* an L2 miss that hits L3 */
	COST_MEMORY, /* an L3 miss */
	COST_STREAM_L2, /* the same for a line that the prefetcher has asked for: */
	COST_STREAM_L3, /* a matter of bandwidth */
	COST_STREAM_MEMORY,
	COST_STLB, /* a first-level TLB miss that hits the second level */
	COST_INVLPG, /* INVLPG, or INVPCID of one address */
	COST_CR3, /* a write to CR3, or INVPCID of a context */
	COST_GLOBAL, /* a write to CR4 or INVPCID that also drops global pages */
	COST_ASSIST, /* the processor sets an accessed or dirty bit */
	COST_FAULT, /* entry and return of a page fault, beside the instructions */
	COST_COUNT,
};

/**
 * struct machine - a processor
 * @name: as in model=NAME
 * @l1i: first-level instruction cache, in lines
 * @l1d: first-level data cache
 * @l2: second level
 * @l3: third level, all of what one core can fill
 * @dtlb: first-level data TLB, pages of 4 KiB
 * @dtlb_huge: the same for 2 MiB; 0 entries: @dtlb holds both
 * @itlb: first-level instruction TLB
 * @itlb_huge: the same for 2 MiB; 0 entries: @itlb holds both
 * @stlb: second level, for data and instructions, 4 KiB and 2 MiB
 * @pml4e: paging-structure cache of entries of level 4
 * @pdpte: the same for level 3
 * @pde: the same for level 2
 * @cost: cycles of each enum cost
 */
struct machine {
	const char *name;
	struct shape l1i, l1d, l2, l3;
	struct shape dtlb, dtlb_huge, itlb, itlb_huge, stlb;
	struct shape pml4e, pdpte, pde;
	double cost[COST_COUNT];
};

extern const char *const cost_names[COST_COUNT];

bool machine_find(const char *name, struct machine *machine);
bool machine_set_cost(struct machine *machine, const char *word);
void machine_names(char *buf, size_t size);

#endif
