// SPDX-License-Identifier: GPL-2.0
/*
 * Habits: the usual length of the streams in a VMA.
 *
 * When a stream opens, habit_learn() looks at the previous stream of the VMA and
 * measures its run, as far as the writer wrote it without a hole. The usual
 * length is a running median of these: each run moves it by one page. The new
 * stream opens at once with the rest of a run of the usual length.
 *
 * The allowance bounds what this may waste. Opening takes the window's pages
 * from the allowance. The next opening returns the pages that were written, and
 * adds one page per three pages of the run. Windows that a habit opens therefore
 * waste at most one page in four, plus the allowance that is left.
 *
 * Constants: one page earned per three written is the price at which copying a
 * neighbour pays off (adaptive.c). The allowance holds at most 128 pages, two of
 * the largest windows: a writer that changes its pattern can waste this many
 * pages beyond one in four.
 *
 * State: a small hash table by VMA. Faults race on an entry, and VMAs may share
 * one by chance; they then share its allowance.
 */
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "cap.h"
#include "habit.h"
#include "stream.h"

#define HABIT_RUN_MASK		0xff
#define HABIT_ALLOWANCE_SHIFT	8
#define HABIT_ALLOWANCE		128U

struct habit cow_habits[1 << HABIT_BITS];

static unsigned int habit_run(u16 known)
{
	return known & HABIT_RUN_MASK;
}

static unsigned int habit_allowance(u16 known)
{
	return known >> HABIT_ALLOWANCE_SHIFT;
}

static void habit_write(struct habit *habit, unsigned int run,
			unsigned int allowance)
{
	WRITE_ONCE(habit->known, run | min(allowance, HABIT_ALLOWANCE) <<
					       HABIT_ALLOWANCE_SHIFT);
}

/* Learn from the previous stream how long its run was, up to its first hole. */
static void habit_learn(struct vm_fault *vmf, struct habit *habit)
{
	struct vm_area_struct *vma = vmf->vma;
	u32 stream = READ_ONCE(habit->last);
	u16 known = READ_ONCE(habit->known);
	unsigned int pages = stream_pages(stream), run = stream_run(stream);
	unsigned int usual = habit_run(known), allowance = habit_allowance(known);
	unsigned long start = stream_start(stream, vmf->address >> PAGE_SHIFT);
	unsigned long table = round_down(start, PTRS_PER_PTE);
	unsigned int n;
	pte_t *pte;
	pmd_t pmd;

	if (pages == 1)
		return;
	WRITE_ONCE(habit->last, 0);
	if (!window_within(vma, table, start, pages))
		return;
	pte = vma_ptes(vmf, start, &pmd);
	if (!pte)
		return;
	for (n = 0; n < pages; n++) {
		unsigned int place = stream & STREAM_DOWN ? pages - 1 - n : n;

		if (!pte_written(ptep_get_lockless(pte + place)))
			break;
	}

	run -= min(pages - n, run - 1);
	allowance += run / 3;
	if (stream & STREAM_HABIT)
		allowance += min(run, usual) - 1;
	if (!usual)
		usual = run;
	else
		usual += (run > usual) - (run < usual);
	habit_write(habit, usual, allowance);
}

/**
 * habit_open - learn from the previous stream, and open a new one by habit
 * @vmf: the fault that opens the stream, on the second page of its run
 * @stream: the stream; marked with STREAM_HABIT if the habit opens it
 *
 * Windows below 3 pages are not worth it: a stream opens with 2 by itself.
 *
 * Context: page-table lock of the fault held, RCU read-side critical section.
 * Return: the pages of the first window; 0 if there is no habit, or if the
 * allowance does not cover them.
 */
unsigned int habit_open(struct vm_fault *vmf, u32 *stream)
{
	struct habit *habit = habit_of(vmf->vma);
	unsigned int pages, usual, allowance;
	u16 known;

	habit_learn(vmf, habit);
	known = READ_ONCE(habit->known);
	usual = habit_run(known);
	allowance = habit_allowance(known);
	pages = min(max(usual, 1U) - 1, cow_window_limit());
	if (pages < 3 || allowance < pages)
		return 0;
	habit_write(habit, usual, allowance - pages);
	*stream |= STREAM_HABIT;
	return pages;
}

/**
 * habit_refused - take the allowance away: memory is tight
 * @vma: the VMA
 *
 * Context: any.
 */
void habit_refused(struct vm_area_struct *vma)
{
	struct habit *habit = habit_of(vma);

	WRITE_ONCE(habit->last, 0);
	habit_write(habit, habit_run(READ_ONCE(habit->known)), 0);
}

/**
 * cow_habits_forget - forget all habits
 *
 * Context: any; a habit that a fault learns at the same moment may stay.
 */
void cow_habits_forget(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cow_habits); i++) {
		WRITE_ONCE(cow_habits[i].last, 0);
		WRITE_ONCE(cow_habits[i].known, 0);
	}
}
