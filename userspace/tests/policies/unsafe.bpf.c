// SPDX-License-Identifier: GPL-2.0
/* Refused: it writes to the fault. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(unsafe_window, struct vm_fault *vmf)
{
	vmf->flags = 0;
	return 0;
}

SEC(".struct_ops.link")
struct cow_policy_ops unsafe = {
	.window = (void *)unsafe_window,
	.name = "unsafe",
};
