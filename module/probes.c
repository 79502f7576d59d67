// SPDX-License-Identifier: GPL-2.0
/*
 * The probes on the cow:* tracepoints. They feed the histograms, the log and the
 * latency cap. A probe is registered only while one of these needs it: without a
 * probe the kernel reads no clock.
 */
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>
#include <trace/events/cow.h>

#include "account.h"
#include "cap.h"
#include "cowlab.h"
#include "hist.h"
#include "policy.h"
#include "stats.h"

enum stage {
	COPY,
	FAULT,
	FILE_FAULT,
	HUGE_COPY,
	HUGETLB_COPY,
	PMD_SPLIT,
	NR_STAGES,
};

static struct cow_hist hists[NR_STAGES] = {
	[COPY]		= { .name = "copy" },
	[FAULT]		= { .name = "fault" },
	[FILE_FAULT]	= { .name = "file_fault" },
	[HUGE_COPY]	= { .name = "huge_copy" },
	[HUGETLB_COPY]	= { .name = "hugetlb_copy" },
	[PMD_SPLIT]	= { .name = "pmd_split" },
};

static bool capped;
static bool timing;
static bool log;
static pid_t only_tgid;

static bool wanted(void)
{
	pid_t tgid = READ_ONCE(only_tgid);

	return !tgid || current->tgid == tgid;
}

static void sample(enum stage stage, u64 ns, bool whole_cow)
{
	if (READ_ONCE(timing))
		cow_hist_add(&hists[stage], ns);
	if (whole_cow && READ_ONCE(log))
		/* No pr_fmt(): the line's text is an interface. */
		pr_info("COW latency: %llu ns\n", ns);
}

static void probe_copy(void *data, unsigned long address, unsigned int pages,
		       u64 ns)
{
	if (wanted())
		sample(COPY, ns, false);
}

static void probe_huge(void *data, unsigned long address, unsigned int pages,
		       u64 ns)
{
	if (wanted())
		sample(HUGE_COPY, ns, false);
}

static void probe_split(void *data, unsigned long address, unsigned int pages,
			u64 ns)
{
	if (wanted())
		sample(PMD_SPLIT, ns, false);
}

static void sample_whole(enum stage stage, unsigned int pages, u64 ns)
{
	if (!wanted() || !(READ_ONCE(timing) || READ_ONCE(log)))
		return;
	cow_stats_fault(pages);
	cow_account_fault(pages);
	sample(stage, ns, true);
}

static void probe_hugetlb(void *data, unsigned long address,
			  unsigned int pages, u64 ns)
{
	sample_whole(HUGETLB_COPY, pages, ns);
}

static void probe_fault(void *data, unsigned long address, unsigned int pages,
			u64 ns)
{
	if (READ_ONCE(capped))
		cow_policy_learn(pages, ns);
	sample_whole(FAULT, pages, ns);
}

static void probe_file(void *data, unsigned long address, unsigned int pages,
		       u64 ns)
{
	sample_whole(FILE_FAULT, pages, ns);
	/* Otherwise no window that the cap is for comes from such a fault. */
	if (READ_ONCE(capped) && cow_policy_get_file())
		cow_policy_learn(pages, ns);
}

typedef void (*probe_fn)(void *data, unsigned long address,
			 unsigned int pages, u64 ns);

#define PROBE(event, ...) \
	{ register_trace_##event, unregister_trace_##event, __VA_ARGS__ }

/* Timing needs the probes on steps; all listeners need those on whole COWs. */
static struct probe {
	int (*add)(probe_fn fn, void *data);
	int (*remove)(probe_fn fn, void *data);
	probe_fn fn;
	bool whole;
	bool on;
} probes[] = {
	PROBE(cow_fault, probe_fault, .whole = true),
	PROBE(cow_file_fault, probe_file, .whole = true),
	PROBE(cow_hugetlb_copy, probe_hugetlb, .whole = true),
	PROBE(cow_copy, probe_copy),
	PROBE(cow_huge_copy, probe_huge),
	PROBE(cow_pmd_split, probe_split),
};

/*
 * Register the probes that @want_steps and @want_whole ask for and unregister
 * the others. On return no unregistered probe is running. After a failure only
 * some are as asked: the caller asks for what was before.
 */
static int set_probes(bool want_steps, bool want_whole)
{
	int ret = 0, i;

	for (i = 0; i < ARRAY_SIZE(probes) && !ret; i++) {
		struct probe *p = &probes[i];
		bool want = p->whole ? want_whole : want_steps;

		if (want && !p->on)
			ret = p->add(p->fn, NULL);
		else if (!want && p->on)
			p->remove(p->fn, NULL);
		if (!ret)
			p->on = want;
	}
	tracepoint_synchronize_unregister();
	return ret;
}

/* Set the probes and then their switches; on failure change neither. */
static int set_listeners(bool new_timing, bool new_log, bool new_capped)
{
	int ret = set_probes(new_timing, new_timing || new_log || new_capped);

	if (ret) {
		set_probes(timing, timing || log || capped);
		return ret;
	}
	WRITE_ONCE(timing, new_timing);
	WRITE_ONCE(log, new_log);
	WRITE_ONCE(capped, new_capped);
	return 0;
}

/**
 * cow_probes_set_capped - report each fault's cost to the latency cap
 * @on: true while there is a cap
 *
 * Context: process context, may sleep; the caller serializes.
 * Return: 0 or -errno.
 */
int cow_probes_set_capped(bool on)
{
	return set_listeners(timing, log, on);
}

/**
 * cow_probes_set_timing - sample latencies into the histograms
 * @val: 1 to sample, 0 to stop
 *
 * Context: process context, may sleep; the caller serializes.
 * Return: 0 or -errno.
 */
int cow_probes_set_timing(u64 val)
{
	return set_listeners(val, log, capped);
}

/**
 * cow_probes_get_timing - read the knob `timing`
 */
u64 cow_probes_get_timing(void)
{
	return timing;
}

/**
 * cow_probes_set_log - print one line in dmesg per COW
 * @val: 1 to print, 0 to stop
 *
 * Context: process context, may sleep; the caller serializes.
 * Return: 0 or -errno.
 */
int cow_probes_set_log(u64 val)
{
	return set_listeners(timing, val, capped);
}

/**
 * cow_probes_get_log - read the knob `log`
 */
u64 cow_probes_get_log(void)
{
	return log;
}

/**
 * cow_probes_set_tgid - sample and log only one process
 * @val: its thread group ID, 0 for all processes
 *
 * Context: any.
 * Return: 0.
 */
int cow_probes_set_tgid(u64 val)
{
	WRITE_ONCE(only_tgid, val);
	return 0;
}

/**
 * cow_probes_get_tgid - read the knob `pid`
 */
u64 cow_probes_get_tgid(void)
{
	return only_tgid;
}

/**
 * cow_probes_reset - empty the histograms and set the counters to 0
 *
 * Context: process context, may sleep; the caller serializes.
 * Return: 0 or -errno.
 */
int cow_probes_reset(void)
{
	int ret, i;

	/* Without probes, so that no sample is counted in part. */
	ret = set_probes(false, false);
	if (ret)
		return ret;
	for (i = 0; i < NR_STAGES; i++)
		cow_hist_reset(&hists[i]);
	cow_stats_reset();
	cow_account_reset();
	return set_probes(timing, timing || log || capped);
}

/**
 * cow_probes_show - print the histograms
 * @m: the file
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_probes_show(struct seq_file *m)
{
	int i, ret = 0;

	for (i = 0; i < NR_STAGES && !ret; i++)
		ret = cow_hist_show(m, &hists[i]);
	return ret;
}

/**
 * cow_probes_init - allocate the histograms; registers no probe
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int cow_probes_init(void)
{
	int i, ret;

	for (i = 0; i < NR_STAGES; i++) {
		ret = cow_hist_init(&hists[i]);
		if (ret) {
			cow_probes_destroy();
			return ret;
		}
	}
	return 0;
}

/**
 * cow_probes_destroy - unregister the probes and free the histograms
 *
 * Context: process context, may sleep; the files are gone.
 */
void cow_probes_destroy(void)
{
	int i;

	set_probes(false, false);
	for (i = 0; i < NR_STAGES; i++)
		cow_hist_destroy(&hists[i]);
}
