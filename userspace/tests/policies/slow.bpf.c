// SPDX-License-Identifier: GPL-2.0
/* Loops for as long as the verifier allows. */
#include "cow_policy.bpf.h"

SEC("struct_ops/window")
__u32 BPF_PROG(slow_window, struct vm_fault *vmf)
{
	__u32 i, sum = 0;

	for (i = 0; i < 100000; i++) {
		sum += i;
		barrier_var(sum);
	}
	return sum ? cow_window(0, 1) : 0;
}

SEC(".struct_ops.link")
struct cow_policy_ops slow = {
	.window = (void *)slow_window,
	.name = "slow",
};
