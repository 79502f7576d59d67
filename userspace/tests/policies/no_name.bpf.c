// SPDX-License-Identifier: GPL-2.0
/* Refused: a name that could not be a file's. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(no_name_window, struct vm_fault *vmf)
{
	return 0;
}

SEC(".struct_ops.link")
struct cow_policy_ops no_name = {
	.window = (void *)no_name_window,
	.name = "../name",
};
