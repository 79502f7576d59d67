// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs switches, and the probes on the cow:* tracepoints that feed the
 * histogram and the log. A probe is registered only while it is needed, so that
 * the kernel reads no clock for nobody.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cow_policy.h>
#include <linux/debugfs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <trace/events/cow.h>

#include "cowlab.h"

enum stage { COPY, FAULT, HUGETLB_COPY, PMD_SPLIT, NR_STAGES };

static struct cow_hist hists[NR_STAGES] = {
	[COPY]		= { .name = "copy" },
	[FAULT]		= { .name = "fault" },
	[HUGETLB_COPY]	= { .name = "hugetlb_copy" },
	[PMD_SPLIT]	= { .name = "pmd_split" },
};

/* Serializes all that is written to debugfs. */
static DEFINE_MUTEX(knob_lock);

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
		printk(KERN_INFO "COW latency: %llu ns\n", ns);
}

static void probe_copy(void *data, unsigned long address, unsigned int pages,
		       u64 ns)
{
	if (wanted())
		sample(COPY, ns, false);
}

static void probe_split(void *data, unsigned long address, unsigned int pages,
			u64 ns)
{
	if (wanted())
		sample(PMD_SPLIT, ns, false);
}

static void probe_hugetlb(void *data, unsigned long address,
			  unsigned int pages, u64 ns)
{
	if (!wanted() || !(READ_ONCE(timing) || READ_ONCE(log)))
		return;
	cow_stats_fault(pages);
	sample(HUGETLB_COPY, ns, true);
}

static void probe_fault(void *data, unsigned long address, unsigned int pages,
			u64 ns)
{
	if (READ_ONCE(capped))
		cow_policy_learn(pages, ns);
	if (!wanted() || !(READ_ONCE(timing) || READ_ONCE(log)))
		return;
	cow_stats_fault(pages);
	sample(FAULT, ns, true);
}

/* The probes on steps of a COW are there for timing, those on whole ones too. */
static bool step_probes, whole_probes;

/*
 * Register the probes that @want_steps and @want_whole ask for, unregister the
 * others. On return no unregistered probe is running.
 */
static int set_probes(bool want_steps, bool want_whole)
{
	int ret = 0;

	if (want_whole && !whole_probes) {
		ret = register_trace_cow_fault(probe_fault, NULL);
		if (ret)
			return ret;
		ret = register_trace_cow_hugetlb_copy(probe_hugetlb, NULL);
		if (ret) {
			unregister_trace_cow_fault(probe_fault, NULL);
			goto out;
		}
		whole_probes = true;
	}
	if (want_steps && !step_probes) {
		ret = register_trace_cow_copy(probe_copy, NULL);
		if (ret)
			return ret;
		ret = register_trace_cow_pmd_split(probe_split, NULL);
		if (ret) {
			unregister_trace_cow_copy(probe_copy, NULL);
			goto out;
		}
		step_probes = true;
	}
	if (!want_steps && step_probes) {
		unregister_trace_cow_copy(probe_copy, NULL);
		unregister_trace_cow_pmd_split(probe_split, NULL);
		step_probes = false;
	}
	if (!want_whole && whole_probes) {
		unregister_trace_cow_fault(probe_fault, NULL);
		unregister_trace_cow_hugetlb_copy(probe_hugetlb, NULL);
		whole_probes = false;
	}
out:
	tracepoint_synchronize_unregister();
	return ret;
}

/* Set the probes, then the switches that they serve; or neither. */
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

static int set_precopy(u64 val)
{
	return cow_policy_enable(val);
}

static u64 get_precopy(void)
{
	return cow_policy_enabled();
}

static int set_window(u64 val)
{
	cow_policy_set_window(val);
	return 0;
}

static u64 get_window(void)
{
	return cow_policy_get_window();
}

static int set_large(u64 val)
{
	cow_policy_set_large(val);
	return 0;
}

static u64 get_large(void)
{
	return cow_policy_get_large();
}

static int set_cap(u64 val)
{
	int ret = set_listeners(timing, log, val);

	if (!ret)
		cow_policy_set_cap(val);
	return ret;
}

static int set_timing(u64 val)
{
	return set_listeners(val, log, capped);
}

static u64 get_timing(void)
{
	return timing;
}

static int set_log(u64 val)
{
	return set_listeners(timing, val, capped);
}

static u64 get_log(void)
{
	return log;
}

static int set_only_tgid(u64 val)
{
	WRITE_ONCE(only_tgid, val);
	return 0;
}

static u64 get_only_tgid(void)
{
	return only_tgid;
}

static int set_reset(u64 val)
{
	int ret, i;

	/* Without probes, so that no sample is half counted. */
	ret = set_probes(false, false);
	if (ret)
		return ret;
	for (i = 0; i < NR_STAGES; i++)
		cow_hist_reset(&hists[i]);
	cow_stats_reset();
	return set_probes(timing, timing || log || capped);
}

static u64 get_reset(void)
{
	return 0;
}

/* A file that holds one number. */
struct knob {
	const char *name;
	u64 min;
	u64 max;
	u64 (*get)(void);
	int (*set)(u64 val);
};

static const struct knob knobs[] = {
	{ "precopy",	0, 1,			get_precopy,	set_precopy },
	{ "window",	1, COW_WINDOW_MAX,	get_window,	set_window },
	{ "large_folio", 0, 1,			get_large,	set_large },
	{ "latency_cap_ns", 0, U64_MAX,		cow_policy_get_cap, set_cap },
	{ "timing",	0, 1,			get_timing,	set_timing },
	{ "log",	0, 1,			get_log,	set_log },
	{ "pid",	0, PID_MAX_LIMIT,	get_only_tgid,	set_only_tgid },
	{ "reset",	1, 1,			get_reset,	set_reset },
};

static int knob_show(struct seq_file *m, void *unused)
{
	const struct knob *knob = m->private;

	mutex_lock(&knob_lock);
	seq_printf(m, "%llu\n", knob->get());
	mutex_unlock(&knob_lock);
	return 0;
}

static int knob_open(struct inode *inode, struct file *file)
{
	return single_open(file, knob_show, inode->i_private);
}

/*
 * What was written, as a string. Unlike kstrtou64_from_user() this takes no
 * beginning for the whole: neither of a long text nor of one with a NUL in it.
 */
static int take_text(char *text, size_t size, const char __user *buf,
		     size_t len)
{
	if (len >= size)
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	text[len] = '\0';
	return strlen(text) == len ? 0 : -EINVAL;
}

static ssize_t knob_write(struct file *file, const char __user *buf,
			  size_t len, loff_t *pos)
{
	const struct knob *knob = file_inode(file)->i_private;
	char text[32];
	u64 val;
	int ret;

	ret = take_text(text, sizeof(text), buf, len);
	if (ret)
		return ret;
	if (kstrtou64(text, 0, &val) || val < knob->min || val > knob->max)
		return -EINVAL;

	mutex_lock(&knob_lock);
	ret = knob->set(val);
	mutex_unlock(&knob_lock);
	return ret ?: len;
}

static const struct file_operations knob_fops = {
	.owner		= THIS_MODULE,
	.open		= knob_open,
	.read		= seq_read,
	.write		= knob_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int policy_show(struct seq_file *m, void *unused)
{
	cow_policy_show(m);
	return 0;
}

static int policy_open(struct inode *inode, struct file *file)
{
	return single_open(file, policy_show, NULL);
}

static ssize_t policy_write(struct file *file, const char __user *buf,
			    size_t len, loff_t *pos)
{
	char name[16];
	int ret;

	ret = take_text(name, sizeof(name), buf, len);
	if (ret)
		return ret;

	mutex_lock(&knob_lock);
	ret = cow_policy_choose(strim(name));
	mutex_unlock(&knob_lock);
	return ret ?: len;
}

static const struct file_operations policy_fops = {
	.owner		= THIS_MODULE,
	.open		= policy_open,
	.read		= seq_read,
	.write		= policy_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int latency_hist_show(struct seq_file *m, void *unused)
{
	int i;

	for (i = 0; i < NR_STAGES; i++)
		cow_hist_show(m, &hists[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(latency_hist);

static int stats_show(struct seq_file *m, void *unused)
{
	cow_stats_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static struct dentry *dir;

static void create_files(void)
{
	unsigned int i;

	dir = debugfs_create_dir("cowlab", NULL);
	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		debugfs_create_file(knobs[i].name, 0600, dir,
				    (void *)&knobs[i], &knob_fops);
	debugfs_create_file("policy", 0600, dir, NULL, &policy_fops);
	debugfs_create_file("latency_hist", 0600, dir, NULL,
			    &latency_hist_fops);
	debugfs_create_file("stats", 0600, dir, NULL, &stats_fops);
}

static void destroy_hists(void)
{
	int i;

	for (i = 0; i < NR_STAGES; i++)
		cow_hist_destroy(&hists[i]);
}

static int __init cowlab_init(void)
{
	int i, ret;

	for (i = 0; i < NR_STAGES; i++) {
		ret = cow_hist_init(&hists[i]);
		if (ret)
			goto out;
	}
	ret = cow_policy_init();
	if (ret)
		goto out;
	create_files();
	return 0;
out:
	destroy_hists();
	return ret;
}

static void __exit cowlab_exit(void)
{
	debugfs_remove(dir);
	set_probes(false, false);
	cow_policy_destroy();
	destroy_hists();
}

module_init(cowlab_init);
module_exit(cowlab_exit);

MODULE_DESCRIPTION("Copy-on-write laboratory: precopy policy and latency");
MODULE_LICENSE("GPL");
