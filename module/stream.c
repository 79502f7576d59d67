// SPDX-License-Identifier: GPL-2.0
/* Judges which pages of a stream's last window have been written. */
#include <linux/math.h>

#include "stats.h"
#include "stream.h"

/**
 * stream_written - count the written neighbours of a stream's last window
 * @vmf: the current fault
 * @stream: the stream
 * @place: position in that window of the page whose fault it was; not counted
 * @written: set to the number of neighbours that have been written
 *
 * Counts them as hit or wasted in the statistics if the whole window was copied.
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
		this_cpu_add(cow_stats->hit, *written);
		this_cpu_add(cow_stats->wasted, pages - 1 - *written);
	}
	return pages - 1;
}
