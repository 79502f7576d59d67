// SPDX-License-Identifier: GPL-2.0
/* Refused: looks at PTEs where their lock may not be held. */
#include "cow_policy.bpf.h"

__u64 seen;

SEC("struct_ops/window")
__u32 BPF_PROG(late_window, struct vm_fault *vmf)
{
	return 0;
}

SEC("struct_ops/served")
void BPF_PROG(late_served, struct vm_fault *vmf, struct cow_result *result)
{
	seen = bpf_cow_pages(vmf, 0, 1, COW_PAGES_DIRTY);
}

SEC(".struct_ops.link")
struct cow_policy_ops late_pages = {
	.window = (void *)late_window,
	.served = (void *)late_served,
	.name = "late_pages",
};
