/* SPDX-License-Identifier: GPL-2.0 */
/* model.h - caches and TLBs of one processor, and what each part of the guest missed */
#ifndef COWMEM_MODEL_H
#define COWMEM_MODEL_H

#include "cache.h"
#include "guest.h"
#include "machine.h"

/* Whose instruction it is: the program's, or a group of the kernel's functions */
enum part {
	PART_USER,
	PART_COPY, /* copies data: copy_page() and the like */
	PART_ZERO, /* clears pages */
	PART_ENTRY, /* entry to the kernel and return from it */
	PART_ALLOC, /* allocates and frees pages, charges them */
	PART_FLUSH, /* invalidates TLB entries */
	PART_KERNEL, /* everything else in the kernel */
	PART_COUNT,
};

/* What reads a cache */
enum reader {
	READ_DATA,
	READ_CODE,
	READ_WALK, /* a walk of the page table */
	READ_COUNT,
};

/* Counts of a part. LEVEL: a cache, from the first */
enum { LEVELS = 3 };

/* Pages that the prefetcher tracks (Intel's manual), steps until it runs ahead */
enum { STREAMS = 32, STREAM_RUN = 2 };

/**
 * struct counts - what a part did
 * @insns: instructions
 * @loads: data reads, one for each line that is read
 * @stores: data writes
 * @miss: misses at each level of the caches, by who read
 * @streamed: those of data that the prefetcher has asked for before
 * @dtlb: misses of the first-level data TLB
 * @itlb: the same for instructions
 * @walks: misses of the second level, each a walk of the page table
 * @walk_reads: entries that walks have read
 * @invlpg: invalidations of one address
 * @cr3: of an address space
 * @global: of everything
 * @accessed: accessed bits that the processor set
 * @dirty: dirty bits that it set
 * @assists: accesses at which it set one of them or both
 * @faults: page faults
 * @stale: accesses that found a TLB entry for another page: no invalidation was seen
 * @unknown: accesses whose page-table walk does not lead where QEMU went
 */
struct counts {
	uint64_t insns, loads, stores;
	uint64_t miss[READ_COUNT][LEVELS], streamed[LEVELS];
	uint64_t dtlb, itlb, walks, walk_reads;
	uint64_t invlpg, cr3, global;
	uint64_t accessed, dirty, assists, faults;
	uint64_t stale, unknown;
};

/* An entry of a TLB */
struct page {
	uint64_t phys; /* physical address of the page */
	uint64_t entry; /* where its page-table entry is */
	uint64_t leaf; /* that entry, as it was read */
};

/* A TLB for one size of pages, or for both */
struct tlb {
	struct cache cache;
	struct page *page;
};

/* Sequential L1 misses in a page, as a prefetcher tracks them */
struct stream {
	uint64_t line; /* the last one */
	int step; /* to the next: 1, -1, or 0 after the first */
	unsigned int run; /* how many steps so far */
};

/**
 * struct model - one processor
 * @machine: its geometry and costs
 * @guest: the guest's memory
 * @l1i: first-level instruction cache
 * @l1d: first-level data cache
 * @l2: second level
 * @l3: third level
 * @dtlb: first-level data TLB, and that for huge pages
 * @itlb: first-level instruction TLB, and that for huge pages
 * @stlb: second level
 * @psc: paging-structure caches, of levels 4, 3 and 2
 * @pages: the pages that the prefetcher tracks
 * @stream: the stream in each of them
 * @counts: by part
 * @data_line: the line last used, or CACHE_EMPTY
 * @data_va: the same by its virtual address
 * @data_entry: the page-table entry it was reached by, or 0
 * @code_line: the line last fetched
 * @code_page: its page
 */
struct model {
	struct machine machine;
	struct guest *guest;
	struct cache l1i, l1d, l2, l3;
	struct tlb dtlb[2], itlb[2], stlb;
	struct cache psc[3];
	struct cache pages;
	struct stream stream[STREAMS];
	struct counts counts[PART_COUNT];
	uint64_t data_line, data_va, data_entry;
	uint64_t code_line, code_page;
};

extern const char *const part_names[PART_COUNT];

bool model_init(struct model *model, const struct machine *machine,
		struct guest *guest);
void model_free(struct model *model);
void model_reset(struct model *model);
void model_data(struct model *model, enum part part, uint64_t va, uint64_t phys,
		unsigned int bytes, bool store);
void model_fetch(struct model *model, enum part part, uint64_t va,
		 uint64_t phys);
void model_invlpg(struct model *model, enum part part);
void model_switch(struct model *model, enum part part);
void model_flush(struct model *model, enum part part);

/* What the cycles of a part are made of */
enum cycles {
	CYCLES_INSNS,
	CYCLES_L2,
	CYCLES_L3,
	CYCLES_MEMORY,
	CYCLES_TLB,
	CYCLES_FLUSH,
	CYCLES_ASSIST,
	CYCLES_FAULT,
	CYCLES_COUNT,
};

extern const char *const cycle_names[CYCLES_COUNT];

void model_cycles(const struct machine *machine, const struct counts *counts,
		  double cycles[CYCLES_COUNT]);

#endif
