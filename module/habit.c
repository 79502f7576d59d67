// SPDX-License-Identifier: GPL-2.0
/* Habits: how long the runs of a VMA's streams usually are. */
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

/*
 * The PTEs from a page of the fault's VMA on, to be read as far as the end of
 * the page table, or NULL. It need not be the table whose lock is held: while
 * the fault holds the VMA's lock or the mm's, nobody takes a table away from
 * it, and policies are called under rcu_read_lock().
 */
static pte_t *vma_ptes(struct vm_fault *vmf, unsigned long page)
{
	unsigned long addr = page << PAGE_SHIFT;
	pgd_t pgd, *pgdp;
	p4d_t p4d, *p4dp;
	pud_t pud, *pudp;
	pmd_t pmd;

	if (!((addr ^ vmf->address) & PMD_MASK))
		return vmf->pte + (long)(page - (vmf->address >> PAGE_SHIFT));

	pgdp = pgd_offset(vmf->vma->vm_mm, addr);
	pgd = READ_ONCE(*pgdp);
	if (pgd_none(pgd))
		return NULL;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return NULL;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return NULL;
	pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, addr));
	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd))
		return NULL;
	return pte_offset_kernel(&pmd, addr);
}

/*
 * A stream opens: learn from the one before it how long its run was, as far as
 * it was written without a hole.
 */
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

	if (pages == 1)
		return;
	WRITE_ONCE(habit->last, 0);
	if (!window_within(vma, table, start, pages))
		return;
	pte = vma_ptes(vmf, start);
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

/*
 * With how many pages does a stream open, one page of whose run has been served?
 * 0 if there is no habit, or nothing left of the allowance.
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
 * cow_habits_forget - forget all habits
 */
void cow_habits_forget(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cow_habits); i++) {
		WRITE_ONCE(cow_habits[i].last, 0);
		WRITE_ONCE(cow_habits[i].known, 0);
	}
}
