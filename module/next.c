// SPDX-License-Identifier: GPL-2.0
/*
 * The policy `next`: each fault serves its own page and the page after it.
 *
 * The window always has two pages. The policy learns nothing and ignores the
 * knobs `window`, `large_folio` and `latency_cap_ns`. A sequential writer takes
 * half the faults; a sparse writer wastes one copy per fault. It is the smallest
 * window there is, and shows what one more page per fault costs.
 */
#include "policy.h"
#include "stream.h"

/**
 * next_window - a window of the faulting page and the page after it
 * @vmf: the fault; its page-table lock is held
 *
 * Context: RCU read-side critical section; must not sleep.
 * Return: the window as cow_window() encodes it.
 */
unsigned int next_window(struct vm_fault *vmf)
{
	return stream_remember(vmf, 0, 1);
}
