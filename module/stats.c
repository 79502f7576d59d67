// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics: what faults copied, and what became of the windows. Each CPU
 * counts for itself; reading adds the parts up.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "stats.h"

struct cow_stats __percpu *cow_stats;

static const char * const skip_names[NR_COW_SKIPS] = {
	[COW_SKIP_VMA]		= "vma",
	[COW_SKIP_MEMORY]	= "memory",
	[COW_SKIP_NOT_PRESENT]	= "not_present",
	[COW_SKIP_WRITABLE]	= "writable",
	[COW_SKIP_SHARED]	= "shared",
	[COW_SKIP_SPECIAL]	= "special",
	[COW_SKIP_FILE]		= "file",
	[COW_SKIP_KSM]		= "ksm",
	[COW_SKIP_UFFD_WP]	= "uffd_wp",
	[COW_SKIP_LAZYFREE]	= "lazyfree",
	[COW_SKIP_REFERENCED]	= "referenced",
	[COW_SKIP_POISON]	= "poison",
	[COW_SKIP_RACED]	= "raced",
};

/**
 * cow_stats_fault - count a COW fault
 * @copied: the pages that it copied
 *
 * Context: preemption disabled, as in a tracepoint's probe.
 */
void cow_stats_fault(unsigned int copied)
{
	this_cpu_inc(cow_stats->faults);
	this_cpu_add(cow_stats->copied, copied);
}

/**
 * cow_stats_reset - set all counters to 0
 *
 * A CPU that counts at the same moment may lose its count, or the reset.
 *
 * Context: any.
 */
void cow_stats_reset(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(cow_stats, cpu), 0, sizeof(*cow_stats));
}

/**
 * cow_stats_show - print the counters as `key value` lines
 * @m: where to
 *
 * The next fault that looks at a window judges its neighbours: hit if written,
 * wasted if not. A neighbour stays unjudged if no fault looked at its window:
 * the last window of a writer, a window in another page table, a window served
 * in part, or a window whose stream was evicted by another.
 *
 * Context: process context.
 */
void cow_stats_show(struct seq_file *m)
{
	struct cow_stats sum = {};
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct cow_stats *part = per_cpu_ptr(cow_stats, cpu);

		sum.faults += READ_ONCE(part->faults);
		sum.copied += READ_ONCE(part->copied);
		sum.windows += READ_ONCE(part->windows);
		sum.left += READ_ONCE(part->left);
		sum.neighbours += READ_ONCE(part->neighbours);
		sum.reused += READ_ONCE(part->reused);
		sum.huge += READ_ONCE(part->huge);
		sum.huge_left += READ_ONCE(part->huge_left);
		sum.hit += READ_ONCE(part->hit);
		sum.wasted += READ_ONCE(part->wasted);
		for (i = 0; i < NR_COW_SKIPS; i++)
			sum.skipped[i] += READ_ONCE(part->skipped[i]);
	}

	seq_printf(m, "faults %llu\n", sum.faults);
	seq_printf(m, "copied %llu\n", sum.copied);
	seq_printf(m, "windows %llu\n", sum.windows);
	seq_printf(m, "left %llu\n", sum.left);
	seq_printf(m, "neighbours %llu\n", sum.neighbours);
	seq_printf(m, "reused %llu\n", sum.reused);
	seq_printf(m, "hit %llu\n", sum.hit);
	seq_printf(m, "wasted %llu\n", sum.wasted);
	seq_printf(m, "unjudged %llu\n",
		   sum.neighbours - min(sum.neighbours, sum.hit + sum.wasted));
	seq_printf(m, "huge %llu\n", sum.huge);
	seq_printf(m, "huge_left %llu\n", sum.huge_left);
	for (i = 0; i < NR_COW_SKIPS; i++)
		seq_printf(m, "skip_%s %llu\n", skip_names[i], sum.skipped[i]);
}

/**
 * cow_stats_init - allocate the counters
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_stats_init(void)
{
	cow_stats = alloc_percpu(struct cow_stats);
	return cow_stats ? 0 : -ENOMEM;
}

/**
 * cow_stats_destroy - free the counters
 *
 * Context: no policy and no probe is registered any more.
 */
void cow_stats_destroy(void)
{
	free_percpu(cow_stats);
}
