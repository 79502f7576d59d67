// SPDX-License-Identifier: GPL-2.0
/*
 * Of 64 aligned pages every fourth of the first 16, the next 16, and three of four of
 * the rest: more than one batch, and one block that fits a large folio.
 */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(holes_window, struct vm_fault *vmf)
{
	__u32 place = vmf->address >> PAGE_SHIFT & 63;

	return cow_window(place, 63 - place) | COW_WINDOW_MASK |
	       COW_WINDOW_LARGE;
}

SEC("struct_ops/mask")
__u64 BPF_PROG(holes_mask, struct vm_fault *vmf, unsigned long start,
	       unsigned long end)
{
	return 0x77777777ffff1111;
}

SEC(".struct_ops.link")
struct cow_policy_ops holes = {
	.window = (void *)holes_window,
	.mask = (void *)holes_mask,
	.name = "holes",
};
