// SPDX-License-Identifier: GPL-2.0
/*
 * The policy `adaptive`: a window opens only after recent faults form a run, and
 * grows up to `window` pages while the writer writes what the windows copied.
 *
 * Streams. A stream is a run of faults in which each fault hits the page where
 * the previous window ended, at rising or at falling addresses.
 *
 *   no stream	A fault that continues no stream is served alone. The policy
 *		remembers it as a stream of one page. A random or sparse writer
 *		therefore never gets a window. Its cost is one look at one word,
 *		which the kernel takes itself (cow_policy_ask_near()).
 *   open	A fault on an adjacent page, on either side, opens the stream
 *		with two pages in that direction.
 *   grow	Each further fault at exactly the window's end doubles the
 *		window, up to `window` pages, if the writer has written all
 *		neighbours of the last window. Neighbours are mapped clean, so
 *		the hardware's dirty bit shows whether they were written. Where
 *		pages of a file are copied, the run must be four times as long as
 *		the last window, too.
 *   keep	If it wrote fewer, but at least half, the size stays. The size
 *		also stays if the last window lies in another page table: the
 *		fault does not hold the lock of that table.
 *   restart	If it wrote less than half, the stream restarts with one page.
 *
 * A window ends at a multiple of its size. The windows of a stream are therefore
 * aligned and fit large folios, wherever the stream began.
 *
 * Habits. A writer of objects of a few pages each, in random order, would spend
 * all its streams on doubling. A stream therefore opens with the VMA's usual
 * length, which habit.c learns, if the habit's allowance covers those pages. A
 * run that continues past this first window doubles from two pages again.
 *
 * Constants.
 *   2 pages	at opening: the least from which the policy can learn. In a
 *		trial, windows that opened without evidence cost a sparse writer
 *		5%. Copying one neighbour costs about what it saves if the
 *		writer writes every third neighbour.
 *   doubling	as readahead does: reaching 32 pages copies only
 *		2 + 4 + 8 + 16 + 32 = 62 pages.
 *   four times	where pages of a file are copied: most of their runs are a program's
 *		relocations, 2 to 300 pages long, and each process pays for what
 *		its windows copied past their ends. A start of qemu takes 0.946
 *		instead of 0.943 of the instructions so, and 0.9% instead of
 *		1.2% more memory.
 *   half	of the neighbours unwritten: about where a window of any size
 *		costs more than it saves.
 *
 * Tight memory. A window that follows one whose neighbours have all been written
 * says so (COW_WINDOW_PROVEN): the mechanism opens it where memory is tight,
 * too. A refused stream restarts with one page, and the habit starts to earn its
 * allowance anew.
 *
 * State. One word of the VMA (cow_hint(), stream.h) holds two streams, the most
 * recently used first, so that two writers in one VMA do not evict each other.
 * Concurrent faults race on the word, in a child it is empty, and split, merge
 * and mremap() leave it stale. A wrong word can only lead to a window of the
 * wrong size: the policy uses no address from the word that lies outside the
 * fault's own VMA.
 */
#include <linux/log2.h>
#include <linux/math.h>

#include "cap.h"
#include "habit.h"
#include "policy.h"
#include "stream.h"

/*
 * Does a fault on @page continue the stream? Yes, if the stream expects this
 * page. A stream of one page has no direction yet and is stored as rising: a
 * fault on the page below it, 2 below the expected one, continues it too.
 */
static bool stream_goes_on(u32 stream, u32 page)
{
	u32 ahead = (page - stream_next(stream)) & NEXT_MASK;

	return !ahead || (ahead == (-2U & NEXT_MASK) &&
			  !(stream & STREAM_DOWN) && stream_pages(stream) == 1);
}

static unsigned int new_stream(struct vm_area_struct *vma, u64 streams,
			       unsigned long page)
{
	/* Drop the less recently used of the two streams. */
	streams_write(vma, stream_of(page + 1, 1, 1, 0), streams);
	return 0;
}

/*
 * May the window of @pages pages double, whose @seen neighbours have all been
 * written? Where it copies pages of a file, only behind a run that is four times
 * as long, as far as the run is counted.
 */
static bool stream_may_double(struct vm_fault *vmf, u32 stream,
			      unsigned int pages, unsigned int seen)
{
	if (pages == 1)
		return true;
	if (!seen)
		return false;
	return vma_is_anonymous(vmf->vma) ||
	       (vmf->page && PageAnon(vmf->page)) ||
	       stream_run(stream) >= min(4 * pages, RUN_MAX);
}

/*
 * The size of the stream's next window in pages; 1 means restart. *@proven is
 * set if all neighbours of its last window have been written.
 */
static __always_inline unsigned int
grow_stream(struct vm_fault *vmf, u32 stream, unsigned int *proven)
{
	unsigned int limit = rounddown_pow_of_two(cow_window_limit());
	unsigned int pages = stream_pages(stream), seen, written;

	seen = stream_written(vmf, stream, stream & STREAM_DOWN ? pages - 1 : 0,
			      &written);
	if (written == seen && (seen || pages == 1))
		*proven = cow_window_set_proven(seen);
	/* The run continues past the window that the habit opened. */
	if (stream & STREAM_HABIT && stream_run(stream) == pages + 1 &&
	    pages < limit && 2 * written >= seen)
		return 2;
	pages = roundup_pow_of_two(pages);
	if (written == seen)
		pages *= stream_may_double(vmf, stream, pages, seen) ? 2 : 1;
	else if (2 * written < seen)
		pages = 1;
	return min(pages, limit);
}

/**
 * adaptive_window - open a window only for a fault that continues a stream
 * @vmf: the fault; its page-table lock is held
 *
 * Context: RCU read-side critical section; must not sleep.
 * Return: the window as cow_window() encodes it, 0 for none.
 */
unsigned int adaptive_window(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	unsigned long table = round_down(page, PTRS_PER_PTE);
	u64 streams = streams_read(vma);
	u32 stream = streams, other = streams >> 32;
	unsigned int pages = 0, run, before = 0, after = 0, proven = 0;
	unsigned long align = 1;

	if (!vmf->pte)
		return COW_WINDOW_LOOK;
	if (!stream_goes_on(stream, page)) {
		swap(stream, other);
		if (!stream_goes_on(stream, page))
			return new_stream(vma, streams, page);
	}
	if ((page - stream_next(stream)) & NEXT_MASK)
		stream |= STREAM_DOWN;

	run = stream_run(stream);
	if (run == 1)
		pages = habit_open(vmf, &stream);
	if (!pages) {
		pages = grow_stream(vmf, stream, &proven);
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
	/* A stream that restarts has one page: habit_open() skips it. */
	habit_keep(vma, stream);
	if (pages == 1)
		return 0;
	return cow_window(before, after) | proven | large_flag();
}

/**
 * adaptive_refused - restart the stream whose window was refused for memory
 * @vmf: the fault that asked for it
 *
 * Context: of a policy's served().
 */
void adaptive_refused(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = vmf->address >> PAGE_SHIFT;

	streams_write(vma, stream_of(page + 1, 1, 1, 0),
		      streams_read(vma) >> 32);
	habit_refused(vma);
}
