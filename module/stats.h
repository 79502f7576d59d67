/* SPDX-License-Identifier: GPL-2.0 */
/* The counters of the file `stats`. */
#ifndef _COWLAB_STATS_H
#define _COWLAB_STATS_H

#include <linux/cow_policy.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/types.h>

/**
 * struct cow_stats - one CPU's counters
 * @faults: COW faults, counted while timing or log is on
 * @copied: pages that these copied
 * @windows: windows that were copied
 * @left: windows left to the ordinary path, which copies one page
 * @neighbours: pages copied beside the faulting ones
 * @reused: neighbours made writable without a copy
 * @huge: huge pages copied as a whole
 * @huge_left: huge pages that should have been, and were split
 * @hit: neighbours that were found written
 * @wasted: neighbours that were found unwritten
 * @skipped: pages left alone, by reason
 */
struct cow_stats {
	u64 faults;
	u64 copied;
	u64 windows;
	u64 left;
	u64 neighbours;
	u64 reused;
	u64 huge;
	u64 huge_left;
	u64 hit;
	u64 wasted;
	u64 skipped[NR_COW_SKIPS];
};

extern struct cow_stats __percpu *cow_stats;

int cow_stats_init(void);
void cow_stats_destroy(void);
void cow_stats_fault(unsigned int copied);
void cow_stats_reset(void);
void cow_stats_show(struct seq_file *m);

#endif /* _COWLAB_STATS_H */
