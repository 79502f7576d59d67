// SPDX-License-Identifier: GPL-2.0
/*
 * The files in debugfs. Most hold one number: a row of knobs[] gives its range,
 * how to read and how to set it. module/README.md tells what each means.
 */
#include <linux/debugfs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/threads.h>
#include <linux/uaccess.h>

#include "bpf.h"
#include "cap.h"
#include "cowlab.h"
#include "habit.h"
#include "huge.h"
#include "policy.h"
#include "stats.h"

/* Serializes all writes to these files. */
static DEFINE_MUTEX(knob_lock);

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
	int ret = cow_probes_set_capped(val);

	if (!ret)
		cow_policy_set_cap(val);
	return ret;
}

static int set_reset(u64 val)
{
	int ret = cow_probes_reset();

	if (!ret) {
		cow_habits_forget();
		cow_huge_forget();
	}
	return ret;
}

static u64 get_reset(void)
{
	return 0;
}

/* A file that holds one number, from @min to @max. */
struct knob {
	const char *name;
	u64 min;
	u64 max;
	u64 (*get)(void);
	int (*set)(u64 val);
};

static const struct knob knobs[] = {
	{ "precopy",	0, 2,			cow_policy_get_precopy,
						cow_policy_set_precopy },
	{ "window",	1, COW_WINDOW_MAX,	get_window,	set_window },
	{ "large_folio", 0, 1,			get_large,	set_large },
	{ "huge_window", 0, 1,			cow_policy_get_huge,
						cow_policy_set_huge },
	{ "file",	0, 1,			cow_policy_get_file,
						cow_policy_set_file },
	{ "latency_cap_ns", 0, U64_MAX,		cow_policy_get_cap, set_cap },
	{ "timing",	0, 1,			cow_probes_get_timing,
						cow_probes_set_timing },
	{ "log",	0, 1,			cow_probes_get_log,
						cow_probes_set_log },
	{ "pid",	0, PID_MAX_LIMIT,	cow_probes_get_tgid,
						cow_probes_set_tgid },
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
 * Copy the written text to a string. Unlike kstrtou64_from_user() this refuses a
 * text that is too long or holds a NUL instead of taking its beginning.
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

/* A file that holds a text: @set gets at most @max characters, and may change them. */
struct text_file {
	const char *name;
	size_t max;
	void (*show)(struct seq_file *m);
	int (*set)(char *text);
};

static int set_policy(char *text)
{
	return cow_policy_choose(strim(text));
}

static const struct text_file text_files[] = {
	{ "policy",	15,	cow_policy_show,	set_policy },
	{ "process",	47,	cow_process_show,	cow_process_set },
};

static int text_show(struct seq_file *m, void *unused)
{
	const struct text_file *file = m->private;

	file->show(m);
	return 0;
}

static int text_open(struct inode *inode, struct file *file)
{
	return single_open(file, text_show, inode->i_private);
}

static ssize_t text_write(struct file *file, const char __user *buf,
			  size_t len, loff_t *pos)
{
	const struct text_file *to = file_inode(file)->i_private;
	char text[48];
	int ret;

	ret = take_text(text, to->max + 1, buf, len);
	if (ret)
		return ret;

	mutex_lock(&knob_lock);
	ret = to->set(text);
	mutex_unlock(&knob_lock);
	return ret ?: len;
}

static const struct file_operations text_fops = {
	.owner		= THIS_MODULE,
	.open		= text_open,
	.read		= seq_read,
	.write		= text_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int latency_hist_show(struct seq_file *m, void *unused)
{
	return cow_probes_show(m);
}
DEFINE_SHOW_ATTRIBUTE(latency_hist);

static int stats_show(struct seq_file *m, void *unused)
{
	cow_stats_show(m);
	/* One that is slow makes every fault slow: `bpf` says which it is. */
	seq_printf(m, "bpf_max_ns %llu\n", cow_bpf_max_ns());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int bpf_show(struct seq_file *m, void *unused)
{
	cow_bpf_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(bpf);

static struct dentry *dir;

/**
 * cow_debugfs_create - create the files
 * @bpf: policies in BPF can be loaded: there is a file that lists them
 *
 * Without debugfs there are no files, and the module does nothing.
 *
 * Context: process context; all that the files use is initialized.
 */
void cow_debugfs_create(bool bpf)
{
	unsigned int i;

	dir = debugfs_create_dir("cowlab", NULL);
	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		debugfs_create_file(knobs[i].name, 0600, dir,
				    (void *)&knobs[i], &knob_fops);
	for (i = 0; i < ARRAY_SIZE(text_files); i++)
		debugfs_create_file(text_files[i].name, 0600, dir,
				    (void *)&text_files[i], &text_fops);
	debugfs_create_file("latency_hist", 0600, dir, NULL,
			    &latency_hist_fops);
	debugfs_create_file("stats", 0600, dir, NULL, &stats_fops);
	if (bpf)
		debugfs_create_file("bpf", 0600, dir, NULL, &bpf_fops);
}

/**
 * cow_debugfs_remove - remove the files
 *
 * Context: process context; on return no file operation is running.
 */
void cow_debugfs_remove(void)
{
	debugfs_remove(dir);
}
