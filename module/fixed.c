// SPDX-License-Identifier: GPL-2.0
/* The policy `fixed`: the aligned window of `window` pages around the faulting page. */
#include "cap.h"
#include "policy.h"
#include "stream.h"

unsigned int fixed_window(struct vm_fault *vmf)
{
	unsigned int pages = cow_window_limit();
	unsigned int place = (vmf->address >> PAGE_SHIFT) % pages;

	if (pages == 1)
		return 0;
	return stream_remember(vmf, place, pages - 1 - place) | large_flag();
}
