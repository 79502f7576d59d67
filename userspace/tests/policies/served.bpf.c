// SPDX-License-Identifier: GPL-2.0
/*
 * Every second page of eight, of which served() counts those that were copied. What
 * the other functions say goes to `said`, for the test.
 */
#include "cow_policy.bpf.h"

struct said {
	__u64 windows;
	__u64 copied;
	__u64 mask;
	__u64 present;
	__u64 writable;
	__u64 limit;
	__u64 cost;
	__u64 mode;
	__u64 late;
} said;

SEC("struct_ops/window")
__u32 BPF_PROG(served_window, struct vm_fault *vmf)
{
	__u32 place = vmf->address >> PAGE_SHIFT & 7;

	said.present =
		bpf_cow_pages(vmf, -(__s32)place, 255, COW_PAGES_PRESENT);
	said.writable =
		bpf_cow_pages(vmf, -(__s32)place, 255, COW_PAGES_WRITABLE);
	said.limit = bpf_cow_limit();
	said.cost = bpf_cow_cost(4);
	said.mode = bpf_cow_mode(vmf);
	return cow_window(place, 7 - place) | COW_WINDOW_MASK;
}

SEC("struct_ops/mask")
__u64 BPF_PROG(served_mask, struct vm_fault *vmf, unsigned long start,
	       unsigned long end)
{
	return 0x55;
}

SEC("struct_ops/served")
void BPF_PROG(served_served, struct vm_fault *vmf, struct cow_result *result)
{
	said.windows++;
	said.copied += result->copied;
	said.mask = result->mask;
	said.late |= bpf_cow_pages(vmf, 0, 1, COW_PAGES_PRESENT);
}

SEC(".struct_ops.link")
struct cow_policy_ops served = {
	.window = (void *)served_window,
	.mask = (void *)served_mask,
	.served = (void *)served_served,
	.name = "served",
};
