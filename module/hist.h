/* SPDX-License-Identifier: GPL-2.0 */
/* Histograms of latencies. */
#ifndef _COWLAB_HIST_H
#define _COWLAB_HIST_H

#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/types.h>

/*
 * Log-linear buckets: values below 2^SUB_BITS have one each, every octave
 * above has 2^SUB_BITS. So a bucket is at most 1/32 wide of what it holds, and
 * its middle within 1.6% of it. The last bucket takes all from 2^MAX_BITS ns
 * (18 minutes) on.
 */
#define COW_HIST_SUB_BITS	5
#define COW_HIST_MAX_BITS	40
#define COW_HIST_BUCKETS						\
	((COW_HIST_MAX_BITS - COW_HIST_SUB_BITS + 1) << COW_HIST_SUB_BITS)

struct cow_hist_cpu {
	u64 count;
	u64 sum;
	u64 min;
	u64 max;
	u64 bucket[COW_HIST_BUCKETS];
};

/**
 * struct cow_hist - a histogram of nanoseconds
 * @name: of the stage, as latency_hist shows it
 * @cpu: one part a CPU, written by that CPU alone
 */
struct cow_hist {
	const char *name;
	struct cow_hist_cpu __percpu *cpu;
};

int cow_hist_init(struct cow_hist *hist);
void cow_hist_destroy(struct cow_hist *hist);
void cow_hist_add(struct cow_hist *hist, u64 ns);
void cow_hist_reset(struct cow_hist *hist);
void cow_hist_show(struct seq_file *m, const struct cow_hist *hist);

#endif /* _COWLAB_HIST_H */
