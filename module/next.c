// SPDX-License-Identifier: GPL-2.0
/* The policy `next`: the faulting page and the one behind it. */
#include "policy.h"
#include "stream.h"

unsigned int next_window(struct vm_fault *vmf)
{
	return stream_remember(vmf, 0, 1);
}
