// SPDX-License-Identifier: GPL-2.0
/*
 * The policies: how many pages a copy-on-write fault serves.
 *
 * next		the faulting page and the one behind it
 * fixed	the aligned window of `window` pages around the faulting page
 *
 * Each remembers the last window in the VMA's hint. The next fault in the same
 * page table looks at it: a neighbour was mapped clean, so its dirty bit says
 * whether it has been written since (hit) or not (wasted). A window that is not
 * looked at again (another page table, another thread's window in between, a
 * window of which only some pages were served, the end of the process) is
 * counted as neither.
 */
#include <linux/cow_policy.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>
#include <linux/string.h>

#include "cowlab.h"

#define DEFAULT_WINDOW	16

struct cow_stats {
	u64 faults;
	u64 copied;
	u64 windows;
	u64 left;
	u64 neighbours;
	u64 hit;
	u64 wasted;
	u64 skipped[NR_COW_SKIPS];
};

static struct cow_stats __percpu *stats;

static const char * const skip_names[NR_COW_SKIPS] = {
	[COW_SKIP_VMA]		= "vma",
	[COW_SKIP_MEMORY]	= "memory",
	[COW_SKIP_NOT_PRESENT]	= "not_present",
	[COW_SKIP_WRITABLE]	= "writable",
	[COW_SKIP_EXCLUSIVE]	= "exclusive",
	[COW_SKIP_SPECIAL]	= "special",
	[COW_SKIP_FILE]		= "file",
	[COW_SKIP_KSM]		= "ksm",
	[COW_SKIP_UFFD_WP]	= "uffd_wp",
	[COW_SKIP_LAZYFREE]	= "lazyfree",
	[COW_SKIP_REFERENCED]	= "referenced",
	[COW_SKIP_POISON]	= "poison",
	[COW_SKIP_RACED]	= "raced",
};

/*
 * A hint is the page number of the window's start, the window's pages less one
 * and the faulting page's place in it. 0: no window.
 */
#define HINT_BITS	6
#define HINT_MASK	(BIT(HINT_BITS) - 1)

static long hint_of(const struct cow_window *window, unsigned long addr)
{
	unsigned long pages = (window->end - window->start) >> PAGE_SHIFT;
	unsigned long place = (addr - window->start) >> PAGE_SHIFT;

	return (window->start >> PAGE_SHIFT) << (2 * HINT_BITS) |
	       (pages - 1) << HINT_BITS | place;
}

/*
 * Look at the last window's neighbours and forget it. The page-table lock is
 * held. The hint may be stale in any way: use no address that this fault's VMA
 * and page table do not hold.
 */
static void judge_last_window(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long hint = atomic_long_xchg(&vma->cow_hint, 0);
	unsigned long start, pages, place, table, i;
	pte_t *pte;

	if (!hint)
		return;
	place = hint & HINT_MASK;
	pages = (hint >> HINT_BITS & HINT_MASK) + 1;
	start = hint >> (2 * HINT_BITS) << PAGE_SHIFT;
	table = vmf->address & PMD_MASK;
	if (start < max(table, vma->vm_start) ||
	    start + pages * PAGE_SIZE > min(table + PMD_SIZE, vma->vm_end))
		return;

	pte = vmf->pte + pte_index(start) - pte_index(vmf->address);
	for (i = 0; i < pages; i++, pte++) {
		pte_t ptent = ptep_get(pte);

		if (i == place || !pte_present(ptent) || !pte_write(ptent))
			continue;
		if (pte_dirty(ptent))
			this_cpu_inc(stats->hit);
		else
			this_cpu_inc(stats->wasted);
	}
}

static unsigned int window_pages = DEFAULT_WINDOW;

static bool next_window(struct vm_fault *vmf, struct cow_window *window)
{
	window->start = vmf->address & PAGE_MASK;
	window->end = window->start + 2 * PAGE_SIZE;
	return true;
}

static bool fixed_window(struct vm_fault *vmf, struct cow_window *window)
{
	unsigned long pages = READ_ONCE(window_pages);
	unsigned long first = rounddown(vmf->address >> PAGE_SHIFT, pages);

	window->start = first << PAGE_SHIFT;
	window->end = (first + pages) << PAGE_SHIFT;
	return pages > 1;
}

static const struct {
	const char *name;
	bool (*window)(struct vm_fault *vmf, struct cow_window *window);
} policies[] = {
	{ "next",	next_window },
	{ "fixed",	fixed_window },
};

static unsigned int chosen;

static bool policy_window(struct vm_fault *vmf, struct cow_window *window)
{
	judge_last_window(vmf);
	return policies[READ_ONCE(chosen)].window(vmf, window);
}

static void policy_served(struct vm_fault *vmf, const struct cow_result *result)
{
	const struct cow_window *window = &result->window;
	unsigned int pages, i;

	for (i = 0; i < NR_COW_SKIPS; i++)
		if (result->skipped[i])
			this_cpu_add(stats->skipped[i], result->skipped[i]);
	if (!result->copied) {
		this_cpu_inc(stats->left);
		return;
	}
	this_cpu_inc(stats->windows);
	this_cpu_add(stats->neighbours, result->copied - 1);

	pages = (window->end - window->start) >> PAGE_SHIFT;
	if (result->copied == pages)
		atomic_long_set(&vmf->vma->cow_hint,
				hint_of(window, vmf->address & PAGE_MASK));
}

static const struct cow_policy cowlab_policy = {
	.window = policy_window,
	.served = policy_served,
};

static bool enabled;

/**
 * cow_policy_enable - the master switch
 * @on: whether faults ask the chosen policy
 *
 * Context: the caller serializes.
 * Return: 0, or -EBUSY if another module has registered a policy.
 */
int cow_policy_enable(bool on)
{
	int ret = 0;

	if (on == enabled)
		return 0;
	if (on)
		ret = cow_policy_register(&cowlab_policy);
	else
		cow_policy_unregister(&cowlab_policy);
	if (!ret)
		enabled = on;
	return ret;
}

/**
 * cow_policy_choose - take another policy, from the next fault on
 * @name: of the policy
 *
 * Return: 0, or -EINVAL if there is none of that name.
 */
int cow_policy_choose(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(policies[i].name, name)) {
			WRITE_ONCE(chosen, i);
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * cow_policy_show - print the policies' names, the chosen one in brackets
 * @m: where to
 */
void cow_policy_show(struct seq_file *m)
{
	unsigned int i, now = READ_ONCE(chosen);

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		seq_printf(m, "%s%s%s%s", i ? " " : "", i == now ? "[" : "",
			   policies[i].name, i == now ? "]" : "");
	seq_putc(m, '\n');
}

/**
 * cow_policy_set_window - set the window of the policies that have one
 * @pages: 1 to COW_WINDOW_MAX
 */
void cow_policy_set_window(unsigned int pages)
{
	WRITE_ONCE(window_pages, pages);
}

/**
 * cow_policy_get_window - the window, in pages
 */
unsigned int cow_policy_get_window(void)
{
	return READ_ONCE(window_pages);
}

/**
 * cow_stats_fault - count a COW fault
 * @copied: the pages that it copied
 *
 * Context: preemption disabled.
 */
void cow_stats_fault(unsigned int copied)
{
	this_cpu_inc(stats->faults);
	this_cpu_add(stats->copied, copied);
}

/**
 * cow_stats_reset - set all counters to 0
 *
 * What is counted at the same moment may be lost.
 */
void cow_stats_reset(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(stats, cpu), 0, sizeof(*stats));
}

/**
 * cow_stats_show - print the counters as `key value` lines
 * @m: where to
 *
 * faults and copied are counted while timing or log is on, the others while
 * precopy is.
 */
void cow_stats_show(struct seq_file *m)
{
	struct cow_stats sum = {};
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct cow_stats *part = per_cpu_ptr(stats, cpu);

		sum.faults += part->faults;
		sum.copied += part->copied;
		sum.windows += part->windows;
		sum.left += part->left;
		sum.neighbours += part->neighbours;
		sum.hit += part->hit;
		sum.wasted += part->wasted;
		for (i = 0; i < NR_COW_SKIPS; i++)
			sum.skipped[i] += part->skipped[i];
	}

	seq_printf(m, "faults %llu\n", sum.faults);
	seq_printf(m, "copied %llu\n", sum.copied);
	seq_printf(m, "windows %llu\n", sum.windows);
	seq_printf(m, "left %llu\n", sum.left);
	seq_printf(m, "neighbours %llu\n", sum.neighbours);
	seq_printf(m, "hit %llu\n", sum.hit);
	seq_printf(m, "wasted %llu\n", sum.wasted);
	for (i = 0; i < NR_COW_SKIPS; i++)
		seq_printf(m, "skip_%s %llu\n", skip_names[i], sum.skipped[i]);
}

/**
 * cow_policy_init - allocate the counters
 *
 * Return: 0 or -ENOMEM.
 */
int cow_policy_init(void)
{
	stats = alloc_percpu(struct cow_stats);
	return stats ? 0 : -ENOMEM;
}

/**
 * cow_policy_destroy - unregister, and free the counters
 */
void cow_policy_destroy(void)
{
	cow_policy_enable(false);
	free_percpu(stats);
}
