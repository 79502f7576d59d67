// SPDX-License-Identifier: GPL-2.0
/* Refused: a program that may sleep. */
#include "cow_policy.bpf.h"

SEC("struct_ops.s/window")
__u32 BPF_PROG(sleepable_window, struct vm_fault *vmf)
{
	return 0;
}

SEC(".struct_ops.link")
struct cow_policy_ops sleepable = {
	.window = (void *)sleepable_window,
	.name = "sleepable",
};
