// SPDX-License-Identifier: GPL-2.0
/*
 * The choice of the policy that serves faults, and the counting of what became
 * of its windows. To add a policy, see policies.h.
 */
#include <linux/mutex.h>
#include <linux/string.h>

#include "account.h"
#include "bpf.h"
#include "huge.h"
#include "policy.h"
#include "stats.h"
#include "stream.h"

static const struct {
	const char *name;
	unsigned int (*window)(struct vm_fault *vmf);
	bool near;
} policies[] = {
#define POLICY(name, near) { #name, name##_window, near },
#include "policies.h"
#undef POLICY
};

/* Protects changes of what follows. */
static DEFINE_MUTEX(policy_mutex);

static unsigned int chosen;

/* The knob: 0 nobody, 1 all but those that opted out, 2 those that opted in. */
static unsigned int precopy;

/* What became of a huge page that huge_window() wanted to be copied. */
static void huge_served(struct vm_fault *vmf, const struct cow_result *result)
{
	if (result->served) {
		this_cpu_inc(cow_stats->huge);
		return;
	}
	this_cpu_inc(cow_stats->huge_left);
	if (result->skipped[COW_SKIP_MEMORY]) {
		this_cpu_inc(cow_stats->skipped[COW_SKIP_MEMORY]);
		huge_refused(vmf->vma);
	}
}

static void policy_served(struct vm_fault *vmf, const struct cow_result *result)
{
	bool whole = result->copied << PAGE_SHIFT == result->end - result->start;
	struct cow_bpf *bpf = cow_bpf_of(vmf->vma->vm_mm);
	unsigned int i;

	if (result->huge) {
		huge_served(vmf, result);
		return;
	}
	cow_account_window(vmf, result);
	/* If all are copied in the end, none was left alone. */
	for (i = 0; !whole && i < NR_COW_SKIPS; i++)
		if (result->skipped[i])
			this_cpu_add(cow_stats->skipped[i], result->skipped[i]);
	if (result->reused)
		this_cpu_add(cow_stats->reused, result->reused);
	/* The VMA's word is then that of the programs. */
	if (bpf)
		cow_bpf_served(bpf, vmf, result);
	if (!result->copied) {
		this_cpu_inc(cow_stats->left);
		if (!bpf && result->skipped[COW_SKIP_MEMORY] &&
		    policies[READ_ONCE(chosen)].window == adaptive_window)
			adaptive_refused(vmf);
		return;
	}
	this_cpu_inc(cow_stats->windows);
	this_cpu_add(cow_stats->neighbours, result->copied - result->served);

	/* Only a window that was copied whole can be judged by its dirty bits. */
	if (whole && !bpf) {
		u64 streams = streams_read(vmf->vma);

		streams_write(vmf->vma, (u32)streams | STREAM_FULL,
			      streams >> 32);
	}
}

/* Where a policy in BPF serves, it decides. */
static bool policy_huge(struct vm_fault *vmf)
{
	return !cow_bpf_of(vmf->vma->vm_mm) && huge_window(vmf);
}

/* With a policy in BPF loaded. */
static unsigned int bpf_first_window(struct vm_fault *vmf)
{
	struct cow_bpf *bpf = cow_bpf_of(vmf->vma->vm_mm);

	return bpf ? cow_bpf_window(bpf, vmf) :
		     policies[READ_ONCE(chosen)].window(vmf);
}

/* Only policies in BPF have windows with holes. */
static u64 policy_mask(struct vm_fault *vmf, unsigned long start,
		       unsigned long end)
{
	struct cow_bpf *bpf = cow_bpf_of(vmf->vma->vm_mm);

	return bpf ? cow_bpf_mask(bpf, vmf, start, end) : 0;
}

/* The knob: are huge pages copied as a whole? */
static bool copy_huge;

/* The knob: do faults on private file mappings open windows, too? */
static bool serve_files;

/* Faults call the chosen policy directly: @window is its callback. */
static struct cow_policy cowlab_policy = {
	.mask = policy_mask,
	.huge = policy_huge,
	.served = policy_served,
};

/* Have the kernel ask what was chosen. */
static void policy_update(void)
{
	WRITE_ONCE(cowlab_policy.window, cow_bpf_loaded() ?
						 bpf_first_window :
						 policies[chosen].window);
	if (precopy)
		cow_policy_ask_near(cow_bpf_near(policies[chosen].near));
}

/**
 * cow_policy_bpf_changed - a policy in BPF came, or went
 *
 * Context: process context, may sleep.
 */
void cow_policy_bpf_changed(void)
{
	mutex_lock(&policy_mutex);
	policy_update();
	mutex_unlock(&policy_mutex);
}

/**
 * cow_policy_set_precopy - choose which processes get windows
 * @val: 0: none; 1: all but those that opted out; 2: those that opted in
 *
 * Context: process context, may sleep.
 * Return: 0, or -EBUSY if another module has registered a policy.
 */
int cow_policy_set_precopy(u64 val)
{
	int ret = 0;

	mutex_lock(&policy_mutex);
	if (!val && precopy) {
		cow_policy_unregister(&cowlab_policy);
	} else if (val && precopy) {
		cow_policy_opt_in(val == 2);
	} else if (val) {
		cowlab_policy.opt_in = val == 2;
		policy_update();
		ret = cow_policy_register(&cowlab_policy);
		if (!ret) {
			cow_policy_ask_near(cow_bpf_near(policies[chosen].near));
			cow_policy_serve_files(serve_files);
			cow_policy_copy_huge(copy_huge);
		}
	}
	if (!ret)
		WRITE_ONCE(precopy, val);
	mutex_unlock(&policy_mutex);
	return ret;
}

/**
 * cow_policy_get_precopy - read the knob `precopy`
 *
 * Context: any.
 */
u64 cow_policy_get_precopy(void)
{
	return READ_ONCE(precopy);
}

/**
 * cow_policy_set_file - choose whether private file mappings get windows
 * @val: 1 or 0
 *
 * Context: process context, may sleep.
 * Return: 0.
 */
int cow_policy_set_file(u64 val)
{
	mutex_lock(&policy_mutex);
	WRITE_ONCE(serve_files, val);
	if (precopy)
		cow_policy_serve_files(val);
	mutex_unlock(&policy_mutex);
	return 0;
}

/**
 * cow_policy_get_file - read the knob `file`
 *
 * Context: any.
 */
u64 cow_policy_get_file(void)
{
	return READ_ONCE(serve_files);
}

/**
 * cow_policy_set_huge - choose whether huge pages may be copied as a whole
 * @val: 1 or 0
 *
 * Context: process context, may sleep.
 * Return: 0.
 */
int cow_policy_set_huge(u64 val)
{
	mutex_lock(&policy_mutex);
	WRITE_ONCE(copy_huge, val);
	if (precopy)
		cow_policy_copy_huge(val);
	mutex_unlock(&policy_mutex);
	return 0;
}

/**
 * cow_policy_get_huge - read the knob `huge_window`
 *
 * Context: any.
 */
u64 cow_policy_get_huge(void)
{
	return READ_ONCE(copy_huge);
}

/**
 * cow_policy_choose - switch to another policy, from the next fault on
 * @name: the policy's name
 *
 * Context: process context, may sleep.
 * Return: 0, or -EINVAL if no policy has this name.
 */
int cow_policy_choose(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(policies[i].name, name)) {
			mutex_lock(&policy_mutex);
			WRITE_ONCE(chosen, i);
			policy_update();
			mutex_unlock(&policy_mutex);
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * cow_policy_show - print the policies' names, the chosen one in brackets
 * @m: the file
 */
void cow_policy_show(struct seq_file *m)
{
	unsigned int i, now = READ_ONCE(chosen);

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		seq_printf(m, "%s%s%s%s", i ? " " : "", i == now ? "[" : "",
			   policies[i].name, i == now ? "]" : "");
	seq_putc(m, '\n');
}
