/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms of latencies. */
#ifndef _COWLAB_HIST_H
#define _COWLAB_HIST_H

#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/types.h>

/*
 * Log-linear buckets: each value below 2^SUB_BITS has its own, each octave above
 * has 2^SUB_BITS. A bucket is at most 1/32 as wide as the values in it, so its
 * middle is within 1.6% of them. The last bucket takes all values from
 * 2^MAX_BITS ns (18 minutes) on.
 */
#define COW_HIST_SUB_BITS	5
#define COW_HIST_MAX_BITS	40
#define COW_HIST_BUCKETS						\
	((COW_HIST_MAX_BITS - COW_HIST_SUB_BITS + 1) << COW_HIST_SUB_BITS)

/* One CPU's part; values in ns. */
struct cow_hist_cpu {
	u64 count;
	u64 sum;
	u64 min;
	u64 max;
	u64 bucket[COW_HIST_BUCKETS];
};

/**
 * struct cow_hist - a histogram of nanoseconds
 * @name: the stage's name in `latency_hist`
 * @cpu: one part per CPU, written by that CPU alone
 */
struct cow_hist {
	const char *name;
	struct cow_hist_cpu __percpu *cpu;
};

int cow_hist_init(struct cow_hist *hist);
void cow_hist_destroy(struct cow_hist *hist);
void cow_hist_add(struct cow_hist *hist, u64 ns);
void cow_hist_reset(struct cow_hist *hist);
int cow_hist_show(struct seq_file *m, const struct cow_hist *hist);

#endif /* _COWLAB_HIST_H */
