// SPDX-License-Identifier: GPL-2.0
/* model.c - caches and TLBs of one processor; the essay is in cowmem.c */
#include "model.h"

#include <stdlib.h>
#include <string.h>

const char *const part_names[PART_COUNT] = {
	[PART_USER] = "user",	 [PART_COPY] = "copy",	 [PART_ZERO] = "zero",
	[PART_ENTRY] = "entry",	 [PART_ALLOC] = "alloc", [PART_FLUSH] = "flush",
	[PART_KERNEL] = "other",
};

const char *const cycle_names[CYCLES_COUNT] = {
	[CYCLES_INSNS] = "insns",   [CYCLES_L2] = "l2",
	[CYCLES_L3] = "l3",	    [CYCLES_MEMORY] = "memory",
	[CYCLES_TLB] = "tlb",	    [CYCLES_FLUSH] = "flush",
	[CYCLES_ASSIST] = "assist", [CYCLES_FAULT] = "fault",
};

/* Keys of huge pages differ from those of small ones. */
#define HUGE_KEY (1ULL << 60)

static bool shape_init(struct cache *cache, const struct shape *shape)
{
	return cache_init(cache, shape->entries / shape->ways, shape->ways);
}

static bool tlb_init(struct tlb *tlb, const struct shape *shape)
{
	if (!shape->entries)
		return true;
	tlb->page = calloc(shape->entries, sizeof(*tlb->page));
	return tlb->page && shape_init(&tlb->cache, shape);
}

static void tlb_free(struct tlb *tlb)
{
	if (tlb->page)
		cache_free(&tlb->cache);
	free(tlb->page);
}

/* The next access must look into the TLB. */
static void forget_last(struct model *model)
{
	model->data_line = CACHE_EMPTY;
	model->code_line = CACHE_EMPTY;
	model->code_page = CACHE_EMPTY;
}

/**
 * model_init - make a processor with empty caches
 * @model: the model
 * @machine: its geometry; copied
 * @guest: the guest's memory
 *
 * Return: false if there is no memory.
 */
bool model_init(struct model *model, const struct machine *machine,
		struct guest *guest)
{
	memset(model, 0, sizeof(*model));
	model->machine = *machine;
	model->guest = guest;
	forget_last(model);
	return shape_init(&model->l1i, &machine->l1i) &&
	       shape_init(&model->l1d, &machine->l1d) &&
	       shape_init(&model->l2, &machine->l2) &&
	       shape_init(&model->l3, &machine->l3) &&
	       tlb_init(&model->dtlb[0], &machine->dtlb) &&
	       tlb_init(&model->dtlb[1], &machine->dtlb_huge) &&
	       tlb_init(&model->itlb[0], &machine->itlb) &&
	       tlb_init(&model->itlb[1], &machine->itlb_huge) &&
	       tlb_init(&model->stlb, &machine->stlb) &&
	       cache_init(&model->pages, 1, STREAMS) &&
	       shape_init(&model->psc[0], &machine->pml4e) &&
	       shape_init(&model->psc[1], &machine->pdpte) &&
	       shape_init(&model->psc[2], &machine->pde);
}

/**
 * model_free - free what model_init() allocated
 * @model: the model
 */
void model_free(struct model *model)
{
	cache_free(&model->l1i);
	cache_free(&model->l1d);
	cache_free(&model->l2);
	cache_free(&model->l3);
	tlb_free(&model->dtlb[0]);
	tlb_free(&model->dtlb[1]);
	tlb_free(&model->itlb[0]);
	tlb_free(&model->itlb[1]);
	tlb_free(&model->stlb);
	cache_free(&model->pages);
	cache_free(&model->psc[0]);
	cache_free(&model->psc[1]);
	cache_free(&model->psc[2]);
}

static void tlb_clear(struct tlb *tlb)
{
	if (tlb->page)
		cache_clear(&tlb->cache);
}

/**
 * model_reset - empty all caches and TLBs, and set the counts to 0
 * @model: the model
 */
void model_reset(struct model *model)
{
	cache_clear(&model->l1i);
	cache_clear(&model->l1d);
	cache_clear(&model->l2);
	cache_clear(&model->l3);
	cache_clear(&model->pages);
	tlb_clear(&model->dtlb[0]);
	tlb_clear(&model->dtlb[1]);
	tlb_clear(&model->itlb[0]);
	tlb_clear(&model->itlb[1]);
	tlb_clear(&model->stlb);
	cache_clear(&model->psc[0]);
	cache_clear(&model->psc[1]);
	cache_clear(&model->psc[2]);
	memset(model->counts, 0, sizeof(model->counts));
	forget_last(model);
}

/*
 * A data miss of L1: has the prefetcher asked for the line? It does for the lines that
 * follow three misses in a row, up or down, and never beyond the page.
 */
static bool is_streamed(struct model *model, uint64_t line)
{
	const uint64_t page = line >> (PAGE_SHIFT - LINE_SHIFT);
	size_t slot = cache_find(&model->pages, page, 0);
	struct stream *stream;
	bool streamed;
	int64_t step;

	if (slot == CACHE_NONE) {
		slot = cache_fill(&model->pages, page, 0);
		model->stream[slot] = (struct stream){ .line = line };
		return false;
	}
	stream = &model->stream[slot];
	step = (int64_t)(line - stream->line);
	streamed = stream->run >= STREAM_RUN && step == stream->step;
	if (step == stream->step)
		stream->run++;
	else
		stream->run = step == 1 || step == -1;
	stream->step = stream->run ? step : 0;
	stream->line = line;
	return streamed;
}

/* A read or a write of a line: down to the first cache that holds it. */
static void line_access(struct model *model, struct counts *counts,
			enum reader reader, uint64_t line)
{
	struct cache *first = reader == READ_CODE ? &model->l1i : &model->l1d;
	bool streamed;

	if (cache_touch(first, line))
		return;
	streamed = reader == READ_DATA && is_streamed(model, line);
	counts->miss[reader][0]++;
	counts->streamed[0] += streamed;
	if (cache_touch(&model->l2, line))
		return;
	counts->miss[reader][1]++;
	counts->streamed[1] += streamed;
	if (cache_touch(&model->l3, line))
		return;
	counts->miss[reader][2]++;
	counts->streamed[2] += streamed;
}

/* The entry of a level that an address belongs to */
static uint64_t psc_key(unsigned int level, uint64_t va)
{
	return va >> (39 - 9 * level);
}

static bool psc_find(struct model *model, unsigned int level, uint64_t va)
{
	const uint64_t key = psc_key(level, va);

	return cache_find(&model->psc[level], key, key) != CACHE_NONE;
}

static void psc_fill(struct model *model, unsigned int level, uint64_t va)
{
	const uint64_t key = psc_key(level, va);

	cache_fill(&model->psc[level], key, key);
}

/* A walk: the paging-structure caches spare it the upper levels. */
static void walk_access(struct model *model, struct counts *counts, uint64_t va,
			const struct walk *walk)
{
	/* psc[i] holds entries of level i: what it spares is levels 0 to i. */
	unsigned int first, level;

	counts->walks++;
	for (first = walk->levels - 1; first; first--)
		if (psc_find(model, first - 1, va))
			break;
	for (level = first; level < walk->levels; level++) {
		counts->walk_reads++;
		line_access(model, counts, READ_WALK,
			    walk->entry[level] >> LINE_SHIFT);
		if (level < walk->levels - 1)
			psc_fill(model, level, va);
	}
}

static uint64_t small_key(uint64_t va)
{
	return va >> PAGE_SHIFT;
}

static uint64_t huge_key(uint64_t va)
{
	return va >> HUGE_SHIFT | HUGE_KEY;
}

static struct page *tlb_find(struct tlb *tlb, uint64_t key, uint64_t index)
{
	size_t slot;

	if (!tlb->page)
		return NULL;
	slot = cache_find(&tlb->cache, key, index);
	return slot == CACHE_NONE ? NULL : &tlb->page[slot];
}

static void tlb_fill(struct tlb *tlb, uint64_t key, uint64_t index,
		     const struct page *page)
{
	tlb->page[cache_fill(&tlb->cache, key, index)] = *page;
}

/* The page of an address in a level of one TLB or two; it must be the right one. */
static struct page *tlb_look(struct tlb *small, struct tlb *huge, uint64_t va,
			     uint64_t phys, bool *stale)
{
	struct page *page = tlb_find(small, small_key(va), va >> PAGE_SHIFT);
	unsigned int shift = PAGE_SHIFT;

	if (!page) {
		page = tlb_find(huge, huge_key(va), va >> HUGE_SHIFT);
		shift = HUGE_SHIFT;
	}
	if (!page)
		return NULL;
	if ((page->phys ^ phys) >> shift) {
		*stale = true;
		cache_clear(&small->cache);
		if (huge->page)
			cache_clear(&huge->cache);
		return NULL;
	}
	return page;
}

/* Translate an address; returns where its page-table entry is, or 0. */
static uint64_t translate(struct model *model, struct counts *counts,
			  bool fetch, uint64_t va, uint64_t phys)
{
	struct tlb *first = fetch ? model->itlb : model->dtlb, *second;
	struct tlb *own_huge = first[1].page ? &first[1] : &first[0];
	struct guest *guest = model->guest;
	struct page *page, new;
	struct walk walk;
	bool stale = false;

	page = tlb_look(&first[0], own_huge, va, phys, &stale);
	if (page)
		return page->entry;
	if (fetch)
		counts->itlb++;
	else
		counts->dtlb++;
	second = &model->stlb;
	page = tlb_look(second, second, va, phys, &stale);
	counts->stale += stale;
	if (page) {
		new = *page;
		/* The same key in both levels: which size was it? */
		walk.shift = tlb_find(second, small_key(va), va >> PAGE_SHIFT) ?
				     PAGE_SHIFT :
				     HUGE_SHIFT;
	} else {
		if (!guest_walk(guest, guest_pgd(guest), va, &walk) ||
		    (walk.phys ^ phys) >> PAGE_SHIFT) {
			counts->unknown++;
			walk = (struct walk){ .shift = PAGE_SHIFT };
		} else {
			walk_access(model, counts, va, &walk);
		}
		/* Larger ones are kept as pages of 2 MiB. */
		if (walk.shift > HUGE_SHIFT)
			walk.shift = HUGE_SHIFT;
		new = (struct page){
			.phys = phys & ~((1ULL << walk.shift) - 1),
			.entry = walk.levels ? walk.entry[walk.levels - 1] : 0,
			.leaf = walk.leaf,
		};
		if (walk.shift == PAGE_SHIFT)
			tlb_fill(second, small_key(va), va >> PAGE_SHIFT, &new);
		else
			tlb_fill(second, huge_key(va), va >> HUGE_SHIFT, &new);
	}
	if (walk.shift == PAGE_SHIFT)
		tlb_fill(&first[0], small_key(va), va >> PAGE_SHIFT, &new);
	else
		tlb_fill(own_huge, huge_key(va), va >> HUGE_SHIFT, &new);
	return new.entry;
}

static void count_assists(struct counts *counts, unsigned int bits)
{
	counts->accessed += !!(bits & ASSIST_ACCESSED);
	counts->dirty += !!(bits & ASSIST_DIRTY);
	counts->assists += !!bits;
}

/**
 * model_data - an instruction reads or writes data
 * @model: the model
 * @part: whose instruction
 * @va: virtual address
 * @phys: physical address
 * @bytes: bytes; what is beyond the page is left out
 * @store: it writes
 */
void model_data(struct model *model, enum part part, uint64_t va, uint64_t phys,
		unsigned int bytes, bool store)
{
	struct counts *counts = &model->counts[part];
	uint64_t line = phys >> LINE_SHIFT, last;
	uint64_t rest = (1 << PAGE_SHIFT) - (va & ((1 << PAGE_SHIFT) - 1));

	last = (phys + (bytes < rest ? bytes : rest) - 1) >> LINE_SHIFT;
	/* Nothing changes where the last access was to the same line. */
	if (line != model->data_line || line != last ||
	    va >> LINE_SHIFT != model->data_va) {
		model->data_entry = translate(model, counts, false, va, phys);
		model->data_line = last;
		model->data_va = (va >> LINE_SHIFT) + (last - line);
		line_access(model, counts, READ_DATA, line);
		if (line != last)
			line_access(model, counts, READ_DATA, last);
	}
	counts->loads += store ? 0 : 1 + (line != last);
	counts->stores += store ? 1 + (line != last) : 0;
	if (!model->data_entry)
		return;
	count_assists(counts,
		      guest_assists(model->guest, model->data_entry, store));
}

/**
 * model_fetch - instructions of a line are fetched
 * @model: the model
 * @part: whose instructions
 * @va: virtual address
 * @phys: physical address
 */
void model_fetch(struct model *model, enum part part, uint64_t va,
		 uint64_t phys)
{
	struct counts *counts = &model->counts[part];

	if (phys >> LINE_SHIFT == model->code_line)
		return;
	model->code_line = phys >> LINE_SHIFT;
	if (va >> PAGE_SHIFT != model->code_page) {
		uint64_t entry = translate(model, counts, true, va, phys);

		model->code_page = va >> PAGE_SHIFT;
		if (entry)
			counts->accessed +=
				!!guest_assists(model->guest, entry, false);
	}
	line_access(model, counts, READ_CODE, model->code_line);
}

/* Remove pages: all, those that are not global, or those whose entry has changed. */
enum drop { DROP_ALL, DROP_LOCAL, DROP_CHANGED };

static void tlb_drop(struct model *model, struct tlb *tlb, enum drop drop)
{
	const uint64_t same = ~(PTE_ACCESSED | PTE_DIRTY);
	struct page *page;
	uint64_t now;
	size_t i;

	for (i = 0; tlb->page && i < cache_slots(&tlb->cache); i++) {
		page = &tlb->page[i];
		if (tlb->cache.key[i] == CACHE_EMPTY)
			continue;
		if (drop == DROP_LOCAL && (page->leaf & PTE_GLOBAL))
			continue;
		if (drop == DROP_CHANGED &&
		    guest_read(model->guest, page->entry, &now) &&
		    !((now ^ page->leaf) & same))
			continue;
		tlb->cache.key[i] = CACHE_EMPTY;
	}
}

static void drop_pages(struct model *model, enum drop drop)
{
	tlb_drop(model, &model->dtlb[0], drop);
	tlb_drop(model, &model->dtlb[1], drop);
	tlb_drop(model, &model->itlb[0], drop);
	tlb_drop(model, &model->itlb[1], drop);
	tlb_drop(model, &model->stlb, drop);
	/* INVLPG, too, invalidates the paging-structure caches whole. */
	cache_clear(&model->psc[0]);
	cache_clear(&model->psc[1]);
	cache_clear(&model->psc[2]);
	forget_last(model);
}

/**
 * model_invlpg - the kernel invalidates an address
 * @model: the model
 * @part: whose instruction
 *
 * A plugin does not learn which: the pages whose page-table entries have changed since
 * they were read are removed. The kernel changes an entry before it invalidates.
 */
void model_invlpg(struct model *model, enum part part)
{
	model->counts[part].invlpg++;
	drop_pages(model, DROP_CHANGED);
}

/**
 * model_switch - CR3 is written: all pages go that are not global
 * @model: the model
 * @part: whose instruction
 */
void model_switch(struct model *model, enum part part)
{
	model->counts[part].cr3++;
	drop_pages(model, DROP_LOCAL);
}

/**
 * model_flush - global pages are invalidated, too
 * @model: the model
 * @part: whose instruction
 */
void model_flush(struct model *model, enum part part)
{
	model->counts[part].global++;
	drop_pages(model, DROP_ALL);
}

/**
 * model_cycles - the modelled cycles of a part
 * @machine: the costs
 * @counts: what the part did
 * @cycles: filled in
 *
 * A miss costs the latency of where it hits, in full, and only bandwidth where the
 * prefetcher has asked for the line; out-of-order execution hides no part of it.
 */
void model_cycles(const struct machine *machine, const struct counts *counts,
		  double cycles[CYCLES_COUNT])
{
	const double *cost = machine->cost;
	const uint64_t *data = counts->miss[READ_DATA];
	const uint64_t *code = counts->miss[READ_CODE];
	const uint64_t *walk = counts->miss[READ_WALK];
	const uint64_t *stream = counts->streamed;

	cycles[CYCLES_INSNS] = cost[COST_CPI] * counts->insns;
	/* What hit at each level, not counting streamed lines, and these alone */
	cycles[CYCLES_L2] =
		cost[COST_L2] * (data[0] - data[1] + code[0] - code[1] -
				 (stream[0] - stream[1])) +
		cost[COST_STREAM_L2] * (stream[0] - stream[1]);
	cycles[CYCLES_L3] =
		cost[COST_L3] * (data[1] - data[2] + code[1] - code[2] -
				 (stream[1] - stream[2])) +
		cost[COST_STREAM_L3] * (stream[1] - stream[2]);
	cycles[CYCLES_MEMORY] =
		cost[COST_MEMORY] * (data[2] + code[2] - stream[2]) +
		cost[COST_STREAM_MEMORY] * stream[2];
	cycles[CYCLES_TLB] = cost[COST_STLB] * (counts->dtlb + counts->itlb) +
			     cost[COST_L1] * (counts->walk_reads - walk[0]) +
			     cost[COST_L2] * (walk[0] - walk[1]) +
			     cost[COST_L3] * (walk[1] - walk[2]) +
			     cost[COST_MEMORY] * walk[2];
	cycles[CYCLES_FLUSH] = cost[COST_INVLPG] * counts->invlpg +
			       cost[COST_CR3] * counts->cr3 +
			       cost[COST_GLOBAL] * counts->global;
	cycles[CYCLES_ASSIST] = cost[COST_ASSIST] * counts->assists;
	cycles[CYCLES_FAULT] = cost[COST_FAULT] * counts->faults;
}
