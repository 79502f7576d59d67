// SPDX-License-Identifier: GPL-2.0
/* The aligned block of `window` pages around the faulting one. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(fixed_window, struct vm_fault *vmf)
{
	__u32 pages = bpf_cow_limit();
	__u32 place = (vmf->address >> PAGE_SHIFT) % pages;

	return cow_window(place, pages - 1 - place) | COW_WINDOW_LARGE;
}

SEC(".struct_ops.link")
struct cow_policy_ops fixed = {
	.window = (void *)fixed_window,
	.name = "fixed",
};
