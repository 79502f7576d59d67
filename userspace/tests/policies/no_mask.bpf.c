// SPDX-License-Identifier: GPL-2.0
/* A window with a mask, and no function that says which. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(no_mask_window, struct vm_fault *vmf)
{
	return cow_window(0, 3) | COW_WINDOW_MASK;
}

SEC(".struct_ops.link")
struct cow_policy_ops no_mask = {
	.window = (void *)no_mask_window,
	.name = "no_mask",
};
