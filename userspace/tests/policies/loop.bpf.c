// SPDX-License-Identifier: GPL-2.0
/* Refused: a helper that loops under the page table's lock. */
#include "cow_policy.bpf.h"

static long step(__u32 i, void *context)
{
	return 0;
}

SEC("struct_ops/window")
__u32 BPF_PROG(loop_window, struct vm_fault *vmf)
{
	return bpf_loop(1 << 23, step, NULL, 0);
}

SEC(".struct_ops.link")
struct cow_policy_ops loop = {
	.window = (void *)loop_window,
	.name = "loop",
};
