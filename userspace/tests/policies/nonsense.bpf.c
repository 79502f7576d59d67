// SPDX-License-Identifier: GPL-2.0
/* Returns what cannot be: the module cuts it. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(nonsense_window, struct vm_fault *vmf)
{
	return bpf_get_prandom_u32() & 1 ? ~0 : ~COW_WINDOW_MASK;
}

SEC("struct_ops/mask")
__u64 BPF_PROG(nonsense_mask, struct vm_fault *vmf, unsigned long start,
	       unsigned long end)
{
	return ~0ULL;
}

SEC(".struct_ops.link")
struct cow_policy_ops nonsense = {
	.window = (void *)nonsense_window,
	.mask = (void *)nonsense_mask,
	.name = "nonsense",
};
