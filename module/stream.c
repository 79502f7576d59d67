// SPDX-License-Identifier: GPL-2.0
/* What has been written of a stream's last window. */
#include <linux/math.h>

#include "stats.h"
#include "stream.h"

/*
 * How many neighbours of a stream's last window have been written, those beside
 * the page at @place in it, whose fault it was? The page-table lock is held.
 * Returns the neighbours that could be looked at: none if the window is in
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
	/* After a change of policy the place may be anything. */
	if (place < pages)
		n -= pte_written(ptep_get(pte + place));
	*written = n;

	if (stream & STREAM_FULL) {
		this_cpu_add(cow_stats->hit, *written);
		this_cpu_add(cow_stats->wasted, pages - 1 - *written);
	}
	return pages - 1;
}
