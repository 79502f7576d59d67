// SPDX-License-Identifier: GPL-2.0
/* Refused: there is no window(). */
#include "cow_policy.bpf.h"

SEC("struct_ops/served")
void BPF_PROG(no_window_served, struct vm_fault *vmf, struct cow_result *result)
{
}

SEC(".struct_ops.link")
struct cow_policy_ops no_window = {
	.served = (void *)no_window_served,
	.name = "no_window",
};
