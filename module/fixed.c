// SPDX-License-Identifier: GPL-2.0
/*
 * The policy `fixed`: each fault serves the aligned block of `window` pages in
 * which its page lies.
 *
 * The block is aligned so that it fits large folios. `latency_cap_ns` may make
 * it smaller. The policy learns nothing: a dense writer takes one fault per
 * block, in any order of its writes, while a sparse writer wastes the rest of
 * each block. The mechanism clamps the window to the VMA and the page table.
 */
#include "cap.h"
#include "policy.h"
#include "stream.h"

/**
 * fixed_window - the aligned window around the faulting page
 * @vmf: the fault; its page-table lock is held
 *
 * Context: RCU read-side critical section; must not sleep.
 * Return: the window as cow_window() encodes it, 0 for none.
 */
unsigned int fixed_window(struct vm_fault *vmf)
{
	unsigned int pages = cow_window_limit();
	unsigned int place = (vmf->address >> PAGE_SHIFT) % pages;

	if (pages == 1)
		return 0;
	return stream_remember(vmf, place, pages - 1 - place) | large_flag();
}
