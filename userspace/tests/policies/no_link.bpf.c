// SPDX-License-Identifier: GPL-2.0
/* Refused: in the section of policies that no link keeps. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(no_link_window, struct vm_fault *vmf)
{
	return 0;
}

SEC(".struct_ops")
struct cow_policy_ops no_link = {
	.window = (void *)no_link_window,
	.name = "no_link",
};
