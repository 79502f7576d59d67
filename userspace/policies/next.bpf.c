// SPDX-License-Identifier: GPL-2.0
/* The faulting page and the page after it: the smallest policy. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(next_window, struct vm_fault *vmf)
{
	return cow_window(0, 1);
}

SEC(".struct_ops.link")
struct cow_policy_ops next = {
	.window = (void *)next_window,
	.name = "next",
};
