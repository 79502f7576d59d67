// SPDX-License-Identifier: GPL-2.0
/*
 * For a writer of every k-th page: windows with holes, which the policies of the
 * module do not have.
 *
 * The VMA's word holds the page of the last fault (bits 15-31), the stride k in
 * pages (bits 8-14; 0: none seen) and the pages of the last window (bits 0-7). A
 * fault where that window's next page would be confirms the stride, and the window
 * doubles while the writer writes what was copied. Any other fault starts again.
 */
#include "cow_policy.bpf.h"

/* What one window spans: its mask has so many bits. */
#define SPAN 64

static __u32 word_stride(__u64 word)
{
	return word >> 8 & 127;
}

/* Bit 0, and every k-th bit after it. */
static __u64 every(__u32 stride)
{
	__u64 mask = 1;
	__u32 i;

	for (i = 0; i < 6 && stride < SPAN; i++, stride *= 2)
		mask |= mask << stride;
	return mask;
}

/* Did the writer write half of the last window, or can it not be seen from here? */
static bool worth_it(struct vm_fault *vmf, __u32 stride, __u32 pages)
{
	__s32 first = -(__s32)(stride * pages);
	__u64 last = every(stride) & cow_pages_first(stride * (pages - 1) + 1);
	__u32 written = __builtin_popcountll(
		bpf_cow_pages(vmf, first, last, COW_PAGES_DIRTY));

	return 2 * written >= pages ||
	       !bpf_cow_pages(vmf, first, 1, COW_PAGES_PRESENT);
}

SEC("struct_ops/window")
__u32 BPF_PROG(stride_window, struct vm_fault *vmf)
{
	__u64 word = bpf_cow_hint(vmf);
	__u32 stride = word_stride(word), pages = word & 255, room, limit;
	__u32 page = vmf->address >> PAGE_SHIFT;
	__u32 gap = (page - (__u32)(word >> COW_HINT_SHIFT)) & COW_HINT_PAGES;

	if (!stride || gap != stride * pages || !worth_it(vmf, stride, pages)) {
		stride = gap < SPAN ? gap : 0;
		pages = 1;
	} else {
		/* Up to an aligned block: it lies in one page table. */
		room = (SPAN - 1 - page % SPAN) / stride + 1;
		limit = bpf_cow_limit();
		pages = 2 * pages < limit ? 2 * pages : limit;
		pages = pages < room ? pages : room;
	}
	bpf_cow_hint_cmpxchg(vmf, word,
			     (__u64)(page & COW_HINT_PAGES) << COW_HINT_SHIFT |
				     stride << 8 | pages);
	if (pages == 1)
		return 0;
	return cow_window(0, stride * (pages - 1)) |
	       (stride == 1 ? COW_WINDOW_LARGE : COW_WINDOW_MASK);
}

SEC("struct_ops/mask")
__u64 BPF_PROG(stride_mask, struct vm_fault *vmf, unsigned long start,
	       unsigned long end)
{
	return every(word_stride(bpf_cow_hint(vmf)))
	       << ((vmf->address - start) >> PAGE_SHIFT & (SPAN - 1));
}

SEC(".struct_ops.link")
struct cow_policy_ops stride = {
	.window = (void *)stride_window,
	.mask = (void *)stride_mask,
	.name = "stride",
};
