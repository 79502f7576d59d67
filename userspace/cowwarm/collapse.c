// SPDX-License-Identifier: GPL-2.0
/*
 * Huge pages again, when the last child is gone.
 *
 * What the program wrote before the warmer came has split huge pages. The kernel
 * leaves them so, and the next fork() and the end of its child pay for each page
 * of them. MADV_COLLAPSE copies such a block into a huge page. Meanwhile the
 * kernel holds the mmap lock for writing, for a block at a time: a page fault or a
 * fork() of the program waits for one copy of 2 MiB. So this has a budget of time,
 * and a new child ends it.
 *
 * Only blocks are chosen of which each page is there and the program's own: no
 * memory is added. Only where the kernel would give the mapping huge pages on a
 * fault: MADV_COLLAPSE itself does not ask /sys.
 */
#include "cowwarm/warm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Debian 12's C library does not have it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define THP "/sys/kernel/mm/transparent_hugepage/"
/* What a block takes, before the first is measured. */
#define FIRST_COST_NS 500000ULL

/**
 * struct places - where huge pages may be
 * @everywhere: MADV_HUGEPAGE is not needed
 * @nr: ranges that have it
 * @ranges: these
 */
struct places {
	bool everywhere;
	unsigned int nr;
	struct {
		uintptr_t start;
		uintptr_t end;
	} ranges[SKIPS];
};

/* Read which mappings have MADV_HUGEPAGE; those that do not fit are left out. */
static void read_ranges(struct places *places)
{
	uintptr_t start = 0, end = 0, a, b;
	struct lines lines;
	char *line;

	if (!lines_open(&lines, "/proc/self/smaps"))
		return;
	while (places->nr < SKIPS && (line = lines_next(&lines))) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &a, &b) == 2) {
			start = a;
			end = b;
		} else if (!strncmp(line, "VmFlags:", 8) &&
			   strstr(line, " hg")) {
			places->ranges[places->nr].start = start;
			places->ranges[places->nr++].end = end;
		}
	}
	lines_close(&lines);
}

/* Return: false if the process may not have huge pages. */
static bool find_places(struct places *places)
{
	char text[128];

	places->everywhere = false;
	places->nr = 0;
	if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0))
		return false;
	/* By size since 6.8. */
	if ((!read_text(THP "hugepages-2048kB/enabled", text, sizeof(text)) ||
	     strstr(text, "[inherit]")) &&
	    !read_text(THP "enabled", text, sizeof(text)))
		return false;
	if (strstr(text, "[always]"))
		places->everywhere = true;
	else if (strstr(text, "[madvise]"))
		read_ranges(places);
	return places->everywhere || places->nr;
}

static bool may_be_huge(const struct places *places, const struct block *block)
{
	unsigned int i;

	for (i = 0; i < places->nr; i++) {
		if (block->start >= places->ranges[i].start &&
		    block->start + HUGE_BYTES <= places->ranges[i].end)
			return true;
	}
	return places->everywhere;
}

/**
 * collapse_pass - make huge pages of blocks that a snapshot has left in pieces
 * @seen: forks that are known of
 *
 * For at most COWWARM_COLLAPSE, and no longer than the last child lived; not at all
 * after one that lived shortly. The next pass goes on where this one ends.
 */
void collapse_pass(uint32_t seen)
{
	const uint64_t begin = now_ns();
	uint64_t cost = FIRST_COST_NS, budget = warm.lived;
	size_t first = 0, i;
	struct places places;

	if (budget < SHORT_LIFE_NS || !warm_collapse_ns ||
	    !limits_floor_kept() || !find_places(&places))
		return;
	if (budget > warm_collapse_ns)
		budget = warm_collapse_ns;
	while (first < warm.nr_blocks &&
	       warm.blocks[first].start < warm.joined_to)
		first++;
	for (i = 0; i < warm.nr_blocks; i++) {
		struct block *block =
			&warm.blocks[(first + i) % warm.nr_blocks];
		uint64_t start;

		if (now_ns() - begin + cost > budget || warm.quit ||
		    warm.count != seen)
			return;
		warm.joined_to = block->start + 1;
		if (!may_be_huge(&places, block) || !pages_in_pieces(block))
			continue;
		start = now_ns();
		if (!madvise((void *)block->start, HUGE_BYTES, MADV_COLLAPSE)) {
			cost = now_ns() - start;
			warm.joined++;
			block->huge = true;
		} else if (errno == ENOMEM) {
			return;
		}
	}
}
