/* SPDX-License-Identifier: GPL-2.0 */
/* Streams: the word in a VMA that holds two of them, and how to read it. */
#ifndef _COWLAB_STREAM_H
#define _COWLAB_STREAM_H

#include <linux/bitops.h>
#include <linux/cow_policy.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

/*
 * A stream takes 32 bits, from the lowest: whether the habit opened it, its
 * direction, whether the whole window was copied, the pages of its whole run less
 * one (at most RUN_MAX), the pages of its last window less one, and the low 17
 * bits of the page number at which the stream expects its next fault, where the
 * kernel wants them. Pages with equal low bits are 512 MiB apart, and so in
 * different page tables. The kernel itself makes streams of one page, in which
 * all but the page number is 0.
 */
#define STREAM_HABIT	BIT(0)
#define STREAM_DOWN	BIT(1)
#define STREAM_FULL	BIT(2)
#define RUN_SHIFT	3
#define RUN_MAX		64U
#define PAGES_SHIFT	(RUN_SHIFT + 6)
#define PAGES_MASK	(COW_WINDOW_MAX - 1)
#define NEXT_SHIFT	COW_HINT_SHIFT
#define NEXT_BITS	(32 - NEXT_SHIFT)
#define NEXT_MASK	(BIT(NEXT_BITS) - 1)

static inline u32 stream_of(unsigned long next, unsigned int pages,
			    unsigned int run, u32 flags)
{
	return (u32)next << NEXT_SHIFT | (pages - 1) << PAGES_SHIFT |
	       (min(run, RUN_MAX) - 1) << RUN_SHIFT | flags;
}

/* The low bits of the page number at which the stream expects its next fault. */
static inline u32 stream_next(u32 stream)
{
	return stream >> NEXT_SHIFT;
}

static inline unsigned int stream_pages(u32 stream)
{
	return (stream >> PAGES_SHIFT & PAGES_MASK) + 1;
}

static inline unsigned int stream_run(u32 stream)
{
	return (stream >> RUN_SHIFT & (RUN_MAX - 1)) + 1;
}

/* The first page of a stream's last window: the candidate nearest to @page. */
static inline unsigned long stream_start(u32 stream, unsigned long page)
{
	unsigned long next = page + sign_extend64(stream_next(stream) - page,
						  NEXT_BITS - 1);

	return stream & STREAM_DOWN ? next + 1 : next - stream_pages(stream);
}

/*
 * Does the window lie in the VMA and in the page table whose first page is
 * @table? @start may have any value if the stream is stale.
 */
static inline bool window_within(struct vm_area_struct *vma,
				 unsigned long table, unsigned long start,
				 unsigned int pages)
{
	unsigned long low = max(table, vma->vm_start >> PAGE_SHIFT);
	unsigned long high = min(table + PTRS_PER_PTE,
				 vma->vm_end >> PAGE_SHIFT);

	return start >= low && start < high && high - start >= pages;
}

static inline u64 streams_read(struct vm_area_struct *vma)
{
	return atomic_long_read(cow_hint(vma));
}

static inline void streams_write(struct vm_area_struct *vma, u32 first,
				 u32 second)
{
	atomic_long_set(cow_hint(vma), (u64)second << 32 | first);
}

static inline bool pte_written(pte_t pte)
{
	return pte_present(pte) && pte_dirty(pte);
}

pte_t *vma_ptes(struct vm_fault *vmf, unsigned long page, pmd_t *pmd);
unsigned int stream_written(struct vm_fault *vmf, u32 stream,
			    unsigned int place, unsigned int *written);

/*
 * For policies without streams: judge the last window, then remember this one,
 * with the fault's position in it in place of the second stream. Inline, because
 * a call would cost each fault of these policies some instructions.
 */
static inline unsigned int stream_remember(struct vm_fault *vmf,
					   unsigned int before,
					   unsigned int after)
{
	unsigned int pages = before + 1 + after;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	u64 last = streams_read(vmf->vma);
	unsigned int written;

	if (!vmf->pte)
		return COW_WINDOW_LOOK;
	if (last & STREAM_FULL)
		stream_written(vmf, last, last >> 32, &written);
	streams_write(vmf->vma, stream_of(page + after + 1, pages, pages, 0),
		      before);
	return cow_window(before, after);
}

#endif /* _COWLAB_STREAM_H */
