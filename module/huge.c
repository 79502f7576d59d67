// SPDX-License-Identifier: GPL-2.0
/*
 * The knob `huge_window`: a writer that writes huge pages from end to end gets
 * the next one copied as a whole.
 *
 * The first write to a huge page that fork() has shared splits it, and each later
 * fork() shares 512 PTEs where it shared one PMD. Copied as a whole it stays one,
 * and its 512 writes take one fault. But this fault takes as long as the copy of
 * 2 MiB, and wastes 511 pages if nothing else is written there.
 *
 * Evidence. A fault on the first page of a huge page looks at the block of 2 MiB
 * below it, a fault on the last page at the one above.
 *
 *   in pieces, each page written	The writer is dense. Copy the huge page, and
 *		as many after it as the length of the run says.
 *   in pieces, a page not written	The writer has holes. Split; if the run went
 *		on here, it is over.
 *   a huge page of its own	Its PMD has one dirty bit, which does not say how
 *		many pages were written. Copy only if the run goes on and its
 *		length allows one more.
 *   else	Nothing is known: split.
 *
 * A fault on another page of a huge page splits it.
 *
 * Length. The first proof allows one huge page. When the run has used up its
 * length, a huge page is split, so that its PTEs give the next proof, which
 * doubles the length, up to 32: 64 blocks written from end to end leave 6 in
 * pieces. The length stays until a hole is found: after the next fork() these 6
 * give the proofs, and no more are split.
 *
 * Waste. This samples: at most 32 huge pages are copied for each block that was
 * seen written whole, and a writer with holes in all blocks but these wastes as
 * much. A bound as that of windows cannot be had, because a PMD has one dirty bit.
 * PTEs tell as little where they map a huge page that was split later: all are
 * dirty. Such a block is no proof.
 *
 * Limits. `latency_cap_ns` forbids it unless 512 pages fit. The mechanism copies
 * only where there is room for a copy of all that is shared, see
 * Documentation/mm/cow_windows.rst in the patched kernel.
 *
 * State: a small hash table by address space and VMA. Faults race on an entry, and
 * VMAs may share one by chance. One VMA has one run: of two dense writers in it
 * each must give its proofs anew.
 */
#include <linux/hash.h>
#include <linux/minmax.h>

#include "cap.h"
#include "huge.h"
#include "stream.h"

#define LENGTH_MAX	32U
#define RUN_BITS	6

/**
 * struct huge_run - a run of huge pages in a VMA
 * @tag: of which VMA
 * @length: the huge pages that a proof allows; 0 after a hole
 * @left: how many of them are left
 * @next: address of the block at which the run goes on
 */
struct huge_run {
	u32 tag;
	u8 length;
	u8 left;
	unsigned long next;
};

static struct huge_run runs[1 << RUN_BITS];

static u32 run_tag(struct vm_area_struct *vma)
{
	return hash_64((unsigned long)vma->vm_mm ^ vma->vm_start, 32);
}

static struct huge_run *run_of(u32 tag)
{
	return &runs[tag % ARRAY_SIZE(runs)];
}

enum block {
	BLOCK_UNKNOWN,
	BLOCK_HUGE,
	BLOCK_WRITTEN,
	BLOCK_HOLES,
};

/* Is the PTE one of a huge page that was split? Without a lock: a hint. */
static bool pte_was_huge(pte_t pte)
{
	struct folio *folio = page_folio(pfn_to_page(pte_pfn(pte)));

	return folio_test_large(folio) && folio_order(folio) >= HPAGE_PMD_ORDER;
}

static enum block block_judge(struct vm_fault *vmf, unsigned long addr)
{
	unsigned int i;
	pmd_t pmd;
	pte_t *pte = vma_ptes(vmf, addr >> PAGE_SHIFT, &pmd);

	if (!pte)
		return pmd_trans_huge(pmd) && pmd_write(pmd) && pmd_dirty(pmd) ?
			       BLOCK_HUGE :
			       BLOCK_UNKNOWN;
	for (i = 0; i < PTRS_PER_PTE; i++) {
		pte_t ptent = ptep_get_lockless(pte + i);

		/* Swapped out, migrated, sampled for NUMA balancing. */
		if (!pte_none(ptent) &&
		    (!pte_present(ptent) || pte_protnone(ptent)))
			return BLOCK_UNKNOWN;
		/* Dirty and read-only: written before the last fork(). */
		if (!pte_written(ptent) || !pte_write(ptent))
			return BLOCK_HOLES;
		if (pte_was_huge(ptent))
			return BLOCK_UNKNOWN;
	}
	return BLOCK_WRITTEN;
}

/**
 * huge_window - copy the huge page of a fault as a whole?
 * @vmf: the write fault on it
 *
 * Context: RCU read-side critical section, under the lock of the PMD; must not
 * sleep.
 * Return: true to copy it, false to split it.
 */
bool huge_window(struct vm_fault *vmf)
{
	unsigned long addr = vmf->address & PMD_MASK, before, next;
	unsigned int place = (vmf->address - addr) >> PAGE_SHIFT;
	struct vm_area_struct *vma = vmf->vma;
	u32 tag = run_tag(vma);
	struct huge_run *run = run_of(tag);
	bool ours = READ_ONCE(run->tag) == tag, goes_on, wanted;
	unsigned int length = ours ? READ_ONCE(run->length) : 0;
	unsigned int left = ours ? READ_ONCE(run->left) : 0;

	if (place && place != PTRS_PER_PTE - 1)
		return false;
	before = place ? addr + PMD_SIZE : addr - PMD_SIZE;
	next = place ? addr - PMD_SIZE : addr + PMD_SIZE;
	if (before < vma->vm_start || before > vma->vm_end ||
	    vma->vm_end - before < PMD_SIZE ||
	    cow_window_capped(PTRS_PER_PTE) < PTRS_PER_PTE)
		return false;

	/* Blocks in pieces take no fault here: the run may have passed one. */
	goes_on = ours && (READ_ONCE(run->next) == addr ||
			   READ_ONCE(run->next) == before);
	switch (block_judge(vmf, before)) {
	case BLOCK_WRITTEN:
		if (!length || goes_on)
			length = clamp(2 * length, 1U, LENGTH_MAX);
		left = length - 1;
		wanted = true;
		break;
	case BLOCK_HUGE:
		if (!goes_on)
			return false;
		wanted = left;
		left -= wanted;
		break;
	case BLOCK_HOLES:
		if (!goes_on)
			return false;
		length = 0;
		left = 0;
		wanted = false;
		break;
	default:
		return false;
	}
	WRITE_ONCE(run->tag, tag);
	WRITE_ONCE(run->length, length);
	WRITE_ONCE(run->left, left);
	WRITE_ONCE(run->next, next);
	return wanted;
}

/**
 * huge_refused - end the run whose huge page was refused for memory
 * @vma: the VMA
 *
 * Context: any.
 */
void huge_refused(struct vm_area_struct *vma)
{
	WRITE_ONCE(run_of(run_tag(vma))->tag, 0);
}

/**
 * cow_huge_forget - forget all runs
 *
 * Context: any; a run that a fault continues at the same moment may stay.
 */
void cow_huge_forget(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++)
		WRITE_ONCE(runs[i].tag, 0);
}
