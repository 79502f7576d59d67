// SPDX-License-Identifier: GPL-2.0
/* Judges which pages of a stream's last window have been written. */
#include <linux/math.h>

#include "account.h"
#include "stats.h"
#include "stream.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * vma_ptes - find the PTE of a page in the fault's VMA
 * @vmf: the fault; vmf->pte is mapped, or NULL
 * @page: the page's number
 * @pmd: gets the PMD above, none if there is none; not where @page is in the page
 *	table of vmf->pte
 *
 * The caller may read from there to the end of the page table, under
 * rcu_read_lock(): the table may be another one than the one whose lock is held,
 * and a kernel may free it meanwhile.
 *
 * Context: RCU read-side critical section, under the lock that protects the VMA.
 * Return: the PTE, or NULL if there is no page table.
 */
pte_t *vma_ptes(struct vm_fault *vmf, unsigned long page, pmd_t *pmd)
{
	unsigned long addr = page << PAGE_SHIFT;
	pgd_t pgd, *pgdp;
	p4d_t p4d, *p4dp;
	pud_t pud, *pudp;

	*pmd = __pmd(0);
	if (vmf->pte && !((addr ^ vmf->address) & PMD_MASK))
		return vmf->pte + (long)(page - (vmf->address >> PAGE_SHIFT));

	pgdp = pgd_offset(vmf->vma->vm_mm, addr);
	pgd = READ_ONCE(*pgdp);
	if (pgd_none(pgd))
		return NULL;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return NULL;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return NULL;
	*pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, addr));
	if (pmd_none(*pmd) || !pmd_present(*pmd) || pmd_leaf(*pmd))
		return NULL;
	return pte_offset_kernel(pmd, addr);
}

/**
 * stream_written - count the written neighbours of a stream's last window
 * @vmf: the current fault
 * @stream: the stream
 * @place: position in that window of the page whose fault it was; not counted
 * @written: set to the number of neighbours that have been written
 *
 * Counts them as hit or wasted in the statistics if the whole window was copied,
 * and tells the tracepoint cow_judged.
 *
 * Context: page-table lock of the fault held; must not sleep.
 * Return: the number of neighbours that could be judged; 0 if the window lies in
 * another page table.
 */
unsigned int stream_written(struct vm_fault *vmf, u32 stream,
			    unsigned int place, unsigned int *written)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	unsigned long table = round_down(page, PTRS_PER_PTE);
	unsigned long start = stream_start(stream, page);
	unsigned int i, n = 0, pages = stream_pages(stream);
	pte_t *pte;

	*written = 0;
	if (pages == 1 || !window_within(vma, table, start, pages))
		return 0;

	pte = vmf->pte + (long)(start - page);
	for (i = 0; i < pages; i++)
		n += pte_written(ptep_get(pte + i));
	/* After a change of policy @place may have any value. */
	if (place < pages)
		n -= pte_written(ptep_get(pte + place));
	*written = n;

	if (stream & STREAM_FULL) {
		unsigned int wasted = pages - 1 - *written;

		this_cpu_add(cow_stats->hit, *written);
		this_cpu_add(cow_stats->wasted, wasted);
		cow_account_judged(vmf, *written, wasted);
		trace_cow_judged(*written, wasted);
	}
	return pages - 1;
}
