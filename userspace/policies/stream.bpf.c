// SPDX-License-Identifier: GPL-2.0
/*
 * The core of `adaptive`: a window opens where faults form a run, and doubles while
 * the writer writes all that the last window copied.
 *
 * The VMA's word holds two streams, the one used last in its low half. A stream is
 * the page at which it expects the next fault (bits 15-31, where the kernel looks
 * too: COW_POLICY_NEAR), whether it falls (bit 6), and the pages of its last window
 * less one (bits 0-5).
 */
#include "cow_policy.bpf.h"

#define DOWN 64

static __u32 stream_of(__u32 next, __u32 pages, __u32 down)
{
	return next << COW_HINT_SHIFT | down | (pages - 1);
}

/* Where the fault is, from where the stream expects it. */
static __u32 distance(__u32 stream, __u32 page)
{
	return (page - (stream >> COW_HINT_SHIFT)) & COW_HINT_PAGES;
}

/* A stream of one page may still fall: the page below it is two below. */
static bool goes_on(__u32 stream, __u32 page)
{
	__u32 d = distance(stream, page);

	return !d || (d == COW_HINT_PAGES - 1 && !(stream & 127));
}

/* The next power of two, of at most 64. */
static __u32 power_of_two(__u32 n)
{
	n--;
	n |= n >> 1;
	n |= n >> 2;
	n |= n >> 4;
	return n + 1;
}

/* The pages of the next window, by what was written of the last; 1: start again. */
static __u32 grow(struct vm_fault *vmf, __u32 pages, bool down)
{
	__s32 first = down ? 1 : -(__s32)pages;
	__u32 limit = power_of_two(bpf_cow_limit() + 1) / 2;
	__u32 size = power_of_two(pages), written = pages;
	__u64 last = cow_pages_first(pages);

	if (pages > 1)
		written = __builtin_popcountll(
			bpf_cow_pages(vmf, first, last, COW_PAGES_DIRTY));
	if (written == pages)
		size *= 2;
	/* Another page table cannot be seen from here: go on as before. */
	else if (2 * written < pages &&
		 bpf_cow_pages(vmf, first, last, COW_PAGES_PRESENT))
		return 1;
	return size < limit ? size : limit;
}

SEC("struct_ops/window")
__u32 BPF_PROG(stream_window, struct vm_fault *vmf)
{
	__u32 page = vmf->address >> PAGE_SHIFT, other, stream, pages, down, n;
	__u64 word = bpf_cow_hint(vmf);

	stream = word;
	other = word >> 32;
	if (!goes_on(stream, page)) {
		stream = other;
		other = word;
		if (!goes_on(stream, page)) {
			stream = stream_of(page + 1, 1, 0);
			bpf_cow_hint_cmpxchg(vmf, word, word << 32 | stream);
			return 0;
		}
	}
	down = distance(stream, page) ? DOWN : stream & DOWN;
	pages = grow(vmf, (stream & 63) + 1, down);
	/* Up to the next multiple of its size: what is aligned fits large folios. */
	n = down ? page % pages : pages - 1 - page % pages;
	stream = stream_of(down ? page - n - 1 : page + n + 1, n + 1, down);
	bpf_cow_hint_cmpxchg(vmf, word, (__u64)other << 32 | stream);
	return n ? cow_window(down ? n : 0, down ? 0 : n) | COW_WINDOW_LARGE :
		   0;
}

SEC(".struct_ops.link")
struct cow_policy_ops stream = {
	.window = (void *)stream_window,
	.flags = COW_POLICY_NEAR,
	.name = "stream",
};
