// SPDX-License-Identifier: GPL-2.0
/*
 * A histogram of latencies with per-CPU, log-linear buckets. Adding a sample
 * takes no lock and no atomic operation: each CPU writes only its own part.
 */
#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "hist.h"

#define SUB_BUCKETS	BIT(COW_HIST_SUB_BITS)
#define STARS		"****************************************"

static unsigned int bucket_of(u64 ns)
{
	unsigned int shift;

	if (ns < SUB_BUCKETS)
		return ns;
	if (ns >> COW_HIST_MAX_BITS)
		return COW_HIST_BUCKETS - 1;
	shift = fls64(ns) - 1 - COW_HIST_SUB_BITS;
	return (shift + 1) * SUB_BUCKETS + (ns >> shift) - SUB_BUCKETS;
}

static u64 bucket_start(unsigned int bucket)
{
	unsigned int octave = bucket >> COW_HIST_SUB_BITS;
	u64 sub = bucket & (SUB_BUCKETS - 1);

	return octave ? (SUB_BUCKETS + sub) << (octave - 1) : sub;
}

static u64 bucket_middle(unsigned int bucket)
{
	return (bucket_start(bucket) + bucket_start(bucket + 1) - 1) / 2;
}

/**
 * cow_hist_init - allocate a histogram's parts, empty
 * @hist: the histogram, its name set
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_hist_init(struct cow_hist *hist)
{
	hist->cpu = alloc_percpu(struct cow_hist_cpu);
	return hist->cpu ? 0 : -ENOMEM;
}

/**
 * cow_hist_destroy - free a histogram's parts
 * @hist: the histogram; no CPU adds to it any more
 */
void cow_hist_destroy(struct cow_hist *hist)
{
	free_percpu(hist->cpu);
	hist->cpu = NULL;
}

/**
 * cow_hist_add - add a sample
 * @hist: the histogram
 * @ns: the sample, in nanoseconds
 *
 * Context: process context with preemption disabled, as in a tracepoint's probe:
 * an interrupt that added a sample could lose one.
 */
void cow_hist_add(struct cow_hist *hist, u64 ns)
{
	struct cow_hist_cpu *part = this_cpu_ptr(hist->cpu);
	u64 *bucket = &part->bucket[bucket_of(ns)];

	/* cow_hist_show() may read at the same time. */
	if (!part->count || ns < part->min)
		WRITE_ONCE(part->min, ns);
	if (ns > part->max)
		WRITE_ONCE(part->max, ns);
	WRITE_ONCE(part->count, part->count + 1);
	WRITE_ONCE(part->sum, part->sum + ns);
	WRITE_ONCE(*bucket, *bucket + 1);
}

/**
 * cow_hist_reset - empty a histogram
 * @hist: the histogram; no CPU adds to it meanwhile
 */
void cow_hist_reset(struct cow_hist *hist)
{
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(hist->cpu, cpu), 0, sizeof(*hist->cpu));
}

static void sum_parts(const struct cow_hist *hist, struct cow_hist_cpu *sum)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct cow_hist_cpu *part = per_cpu_ptr(hist->cpu, cpu);
		u64 count = READ_ONCE(part->count), min = READ_ONCE(part->min);

		if (!count)
			continue;
		if (!sum->count || min < sum->min)
			sum->min = min;
		sum->max = max(sum->max, READ_ONCE(part->max));
		sum->count += count;
		sum->sum += READ_ONCE(part->sum);
		for (i = 0; i < COW_HIST_BUCKETS; i++)
			sum->bucket[i] += READ_ONCE(part->bucket[i]);
	}
}

/* The nearest-rank percentile: the middle of the bucket of that sample. */
static u64 percentile(const struct cow_hist_cpu *sum, unsigned int per_mille)
{
	u64 rank = max(div_u64(sum->count * per_mille + 999, 1000), 1ULL);
	u64 seen = 0;
	unsigned int i;

	for (i = 0; i < COW_HIST_BUCKETS - 1; i++) {
		seen += sum->bucket[i];
		if (seen >= rank)
			break;
	}
	return clamp(bucket_middle(i), sum->min, sum->max);
}

static void show_log2(struct seq_file *m, const struct cow_hist_cpu *sum)
{
	u64 octave[COW_HIST_MAX_BITS + 1] = {};
	unsigned int i, first = COW_HIST_MAX_BITS, last = 0;
	u64 most = 0;

	for (i = 0; i < COW_HIST_BUCKETS; i++) {
		u64 start = bucket_start(i);

		octave[start ? fls64(start) - 1 : 0] += sum->bucket[i];
	}
	for (i = 0; i <= COW_HIST_MAX_BITS; i++) {
		if (!octave[i])
			continue;
		first = min(first, i);
		last = i;
		most = max(most, octave[i]);
	}

	seq_printf(m, "%*s%-*s : count    distribution\n", 10, "", 15, "ns");
	for (i = first; i <= last; i++) {
		int stars = div64_u64(octave[i] * (sizeof(STARS) - 1), most);

		seq_printf(m, "%10llu -> %-10llu : %-8llu |%-40.*s|\n",
			   i ? 1ULL << i : 0ULL, (2ULL << i) - 1, octave[i],
			   stars, STARS);
	}
}

/**
 * cow_hist_show - print a histogram that has samples
 * @m: the file
 * @hist: the histogram; samples that are added meanwhile may be missed
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_hist_show(struct seq_file *m, const struct cow_hist *hist)
{
	struct cow_hist_cpu *sum = kzalloc(sizeof(*sum), GFP_KERNEL);

	if (!sum)
		return -ENOMEM;
	sum_parts(hist, sum);
	if (sum->count) {
		seq_printf(m, "stage: %s\n", hist->name);
		seq_printf(m, "count %llu\n", sum->count);
		seq_printf(m, "avg %llu\n", div64_u64(sum->sum, sum->count));
		seq_printf(m, "min %llu\n", sum->min);
		seq_printf(m, "p50 %llu\n", percentile(sum, 500));
		seq_printf(m, "p90 %llu\n", percentile(sum, 900));
		seq_printf(m, "p99 %llu\n", percentile(sum, 990));
		seq_printf(m, "p99.9 %llu\n", percentile(sum, 999));
		seq_printf(m, "max %llu\n", sum->max);
		show_log2(m, sum);
		seq_putc(m, '\n');
	}
	kfree(sum);
	return 0;
}
