// SPDX-License-Identifier: GPL-2.0
/* Refused: a flag that does not exist. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(flags_window, struct vm_fault *vmf)
{
	return 0;
}

SEC(".struct_ops.link")
struct cow_policy_ops flags = {
	.window = (void *)flags_window,
	.flags = 1U << 31,
	.name = "flags",
};
