// SPDX-License-Identifier: GPL-2.0
/*
 * The policy `adaptive`: as many pages as the writer has shown to want, up to
 * `window`.
 *
 * The adaptive policy follows streams: runs of faults of which each lands where
 * the last one's window ended, upward or downward.
 *
 * A fault that continues no stream is served alone and remembered as a stream
 * of one page, so a random or a sparse writer never gets a window, and pays for
 * the look at one word. A fault next to it, on either side, starts a stream of
 * two pages in that direction. Each further fault that lands exactly where the
 * window ended doubles it, up to `window` pages, if all neighbours of the last
 * window have been written meanwhile: they were mapped clean, so the hardware's
 * dirty bit tells. If fewer have, but at least half, the size stays; if less
 * than half, the stream starts again with one page. Where the last window lies
 * in another page table, whose lock the fault does not hold, the size stays.
 *
 * A window ends at a multiple of its size, so that the windows of a stream are
 * aligned and fit large folios, wherever the stream began.
 *
 * A writer of objects of some pages each, at random, would spend all its streams
 * on the ramp. So when a stream opens, the one before it is looked at: how long
 * was its run? The usual length, a running median, is the VMA's habit, and a
 * stream opens with the rest of such a run at once. What that may waste has to be
 * earned: opening takes the window's pages from the habit's allowance, and the
 * next stream's opening gives back those that have been written, and one for
 * every three pages of the run. Windows opened by habit so waste no more than a
 * page in four. A run that goes on behind its window is a new ramp's.
 *
 * Constants: a stream opens with two pages, as little as can be learned from,
 * because in a trial windows that were opened blindly cost a sparse writer 5%
 * and one neighbour's copy costs about what it saves if it is written every
 * third time. It doubles, as readahead does, so that the ramp to 32 pages
 * copies but 62 pages. Half the neighbours unwritten is about where a window
 * of any size costs more than it saves. The habit earns a page for three written,
 * the price that one neighbour's copy is worth. Its allowance holds 128 pages, two
 * of the largest windows: as many as a writer that changes its ways may yet waste
 * beyond the page in four.
 *
 * State: one word in the VMA, which holds two streams, the last used one first,
 * so that two writers in one VMA do not evict each other. Concurrent faults
 * race on it, fork() copies it, split, merge and mremap() leave it stale. All
 * that a wrong word can do is a window of the wrong size: no address in it is
 * used that the fault's own VMA does not hold. Habits are in a small hash table
 * by VMA: a stream that goes on leaves itself there, and one that opens looks; who
 * shares an entry by chance shares the allowance.
 */
#include <linux/log2.h>
#include <linux/math.h>

#include "cap.h"
#include "habit.h"
#include "policy.h"
#include "stream.h"

/*
 * Does a fault on @page continue the stream? It does where the stream expects
 * it, and a stream of one page, which has no direction yet and is remembered as
 * upward, on the page below it too: 2 below the one that it expects.
 */
static bool stream_goes_on(u32 stream, u32 page)
{
	u32 ahead = (page - stream) & NEXT_MASK;

	return !ahead || (ahead == (-2U & NEXT_MASK) && !(stream & STREAM_DOWN) &&
			  stream_pages(stream) == 1);
}

/* Could it? Quick, and true a little too often. */
static bool stream_may_go_on(u32 stream, u32 page)
{
	return ((page + 2 - stream) & NEXT_MASK) <= 2;
}

static unsigned int new_stream(struct vm_area_struct *vma, u64 streams,
			       unsigned long page)
{
	/* Of the two streams the older one goes. */
	streams_write(vma, stream_of(page + 1, 1, 1, 0), streams);
	return 0;
}

/* How many pages is the next window of a stream to have? 1: it starts again. */
static __always_inline unsigned int grow_stream(struct vm_fault *vmf,
						u32 stream)
{
	unsigned int limit = rounddown_pow_of_two(cow_window_limit());
	unsigned int pages = stream_pages(stream), seen, written;

	seen = stream_written(vmf, stream, stream & STREAM_DOWN ? pages - 1 : 0,
			      &written);
	/* The run is longer than usual. */
	if (stream & STREAM_HABIT && stream_run(stream) == pages + 1 &&
	    pages < limit && 2 * written >= seen)
		return 2;
	pages = roundup_pow_of_two(pages);
	if (written == seen)
		pages *= (seen || pages == 1) ? 2 : 1;
	else if (2 * written < seen)
		pages = 1;
	return min(pages, limit);
}

static noinline unsigned int follow_stream(struct vm_fault *vmf, u64 streams)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	unsigned long table = round_down(page, PTRS_PER_PTE);
	u32 stream = streams, other = streams >> 32;
	unsigned int pages = 0, run, before = 0, after = 0;
	unsigned long align = 1;

	if (!stream_goes_on(stream, page)) {
		swap(stream, other);
		if (!stream_goes_on(stream, page))
			return new_stream(vma, streams, page);
	}
	if ((page - stream) & NEXT_MASK)
		stream |= STREAM_DOWN;

	run = stream_run(stream);
	if (run == 1)
		pages = habit_open(vmf, &stream);
	if (!pages) {
		pages = grow_stream(vmf, stream);
		align = pages;
		if (pages == 1) {
			stream &= ~STREAM_HABIT;
			run = 0;
		}
	}

	if (stream & STREAM_DOWN) {
		unsigned long start = round_up(page + 1 - pages, align);

		start = max3(start, table, vma->vm_start >> PAGE_SHIFT);
		before = page - start;
		pages = before + 1;
		stream = stream_of(start - 1, pages, run + pages,
				   stream & (STREAM_DOWN | STREAM_HABIT));
	} else {
		unsigned long end = round_down(page + pages, align);

		end = min3(end, table + PTRS_PER_PTE,
			   vma->vm_end >> PAGE_SHIFT);
		after = end - 1 - page;
		pages = after + 1;
		stream = stream_of(end, pages, run + pages,
				   stream & STREAM_HABIT);
	}
	streams_write(vma, stream, other);
	/* One that starts again is not learned from. */
	habit_keep(vma, stream);
	if (pages == 1)
		return 0;
	return cow_window(before, after) | large_flag();
}

unsigned int adaptive_window(struct vm_fault *vmf)
{
	unsigned long page = vmf->address >> PAGE_SHIFT;
	u64 streams = streams_read(vmf->vma);

	if (likely(!stream_may_go_on(streams, page) &&
		   !stream_may_go_on(streams >> 32, page)))
		return new_stream(vmf->vma, streams, page);
	return follow_stream(vmf, streams);
}
