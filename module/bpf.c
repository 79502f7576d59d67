// SPDX-License-Identifier: GPL-2.0
/*
 * Policies in BPF: programs that are attached as a struct cow_policy_ops.
 *
 * A policy names the processes that it is for, or none: then it is for everybody.
 * It goes before the module's own policy, and the policy of a process before that
 * for everybody. `precopy` and PR_SET_COW still say who is served at all.
 *
 * What a program returns is clamped: it can waste memory within the margins that
 * the kernel keeps for policies that prove nothing, and do nothing else. It runs
 * under a page table's lock, so helpers that loop or wait are refused, and so are
 * programs that may sleep. Each CPU times one call in 64: what a policy costs can
 * be seen.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/cow_mode.h>
#include <linux/ctype.h>
#include <linux/filter.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bpf.h"
#include "cap.h"

#ifdef COWLAB_BPF

/* At most so many policies at a time; a power of two. */
#define NR_POLICIES	8
/* One call in so many is timed. */
#define TIME_EACH	64

struct counts {
	u64 calls;	/* of window() */
	u64 windows;	/* those in which it asked for one */
	u64 clamped;	/* windows and masks that were not what it asked for */
	u64 timed;	/* calls that were timed */
	u64 ns;		/* the time of these */
	u64 max_ns;	/* the longest */
};

struct cow_bpf {
	const struct cow_policy_ops *ops;	/* update() exchanges it */
	struct counts __percpu *counts;
	u16 tag;		/* its place in policies[], and a generation */
};

DEFINE_STATIC_KEY_FALSE(cow_bpf_key);

/* The mutex protects changes; faults read under RCU. */
static DEFINE_MUTEX(policies_mutex);
static struct cow_bpf __rcu *policies[NR_POLICIES];
static struct cow_bpf __rcu *everybody;
static u16 generation;
/* Must faults ask at each page? Is the module's policy asked by nobody? */
static bool ask_far, for_all;
static void (*policies_changed)(void);

static struct cow_bpf *locked_policy(struct cow_bpf __rcu *const *at)
{
	return rcu_dereference_protected(*at,
					 lockdep_is_held(&policies_mutex));
}

/**
 * __cow_bpf_of - cow_bpf_of(), with a policy loaded
 * @mm: the process
 *
 * Context: RCU read-side critical section.
 * Return: the policy or NULL.
 */
struct cow_bpf *__cow_bpf_of(const struct mm_struct *mm)
{
	unsigned int tag = mm_cow_tag(mm);

	if (tag) {
		struct cow_bpf *bpf =
			rcu_dereference(policies[tag % NR_POLICIES]);

		if (bpf && bpf->tag == tag)
			return bpf;
	}
	return rcu_dereference(everybody);
}

static noinline unsigned int timed_window(struct cow_bpf *bpf,
					  const struct cow_policy_ops *ops,
					  struct vm_fault *vmf)
{
	u64 start = local_clock();
	unsigned int window = ops->window(vmf);
	u64 ns = local_clock() - start;

	this_cpu_inc(bpf->counts->timed);
	this_cpu_add(bpf->counts->ns, ns);
	if (ns > this_cpu_read(bpf->counts->max_ns))
		this_cpu_write(bpf->counts->max_ns, ns);
	return window;
}

static noinline unsigned int clamp_window(struct cow_bpf *bpf,
					  const struct cow_policy_ops *ops,
					  unsigned int window)
{
	unsigned int limit = cow_window_limit();
	unsigned int before = cow_window_before(window);
	unsigned int after = cow_window_after(window);
	unsigned int flags = window & large_flag();

	this_cpu_inc(bpf->counts->windows);
	if (window & COW_WINDOW_MASK && ops->mask) {
		flags |= COW_WINDOW_MASK;
		limit = COW_WINDOW_MAX;
	}
	after = min(after, limit - 1);
	before = min(before, limit - 1 - after);
	if ((before | after << 8) != (window & 0xffff) ||
	    window & ~(0xffff | COW_WINDOW_LARGE | (flags & COW_WINDOW_MASK)))
		this_cpu_inc(bpf->counts->clamped);
	return cow_window(before, after) | flags;
}

/**
 * cow_bpf_window - ask a policy for the window of a fault
 * @bpf: the policy
 * @vmf: the fault
 *
 * Context: of a policy's window().
 * Return: the window, clamped.
 */
unsigned int cow_bpf_window(struct cow_bpf *bpf, struct vm_fault *vmf)
{
	const struct cow_policy_ops *ops = READ_ONCE(bpf->ops);
	unsigned int window;

	if (!vmf->pte)
		return COW_WINDOW_LOOK;
	if (this_cpu_inc_return(bpf->counts->calls) % TIME_EACH)
		window = ops->window(vmf);
	else
		window = timed_window(bpf, ops, vmf);
	return window ? clamp_window(bpf, ops, window) : 0;
}

/**
 * cow_bpf_mask - ask a policy which pages of a window to serve
 * @bpf: the policy
 * @vmf: the fault
 * @start: address of the window's first page
 * @end: address behind its last page
 *
 * Context: of a policy's mask().
 * Return: a bit for each page; at most as many as a window may have pages.
 */
u64 cow_bpf_mask(struct cow_bpf *bpf, struct vm_fault *vmf,
		 unsigned long start, unsigned long end)
{
	const struct cow_policy_ops *ops = READ_ONCE(bpf->ops);
	unsigned int limit = cow_window_limit();
	u64 mask;

	/* update() may have exchanged the functions since window(). */
	if (!ops->mask)
		return 0;
	mask = ops->mask(vmf, start, end);
	if (hweight64(mask) <= limit)
		return mask;
	this_cpu_inc(bpf->counts->clamped);
	do {
		mask &= ~BIT_ULL(fls64(mask) - 1);
	} while (hweight64(mask) > limit);
	return mask;
}

/**
 * cow_bpf_served - tell a policy what became of its window
 * @bpf: the policy
 * @vmf: the fault
 * @result: what became of it
 *
 * Context: of a policy's served().
 */
void cow_bpf_served(struct cow_bpf *bpf, struct vm_fault *vmf,
		    const struct cow_result *result)
{
	const struct cow_policy_ops *ops = READ_ONCE(bpf->ops);
	pte_t *pte = vmf->pte;

	if (!ops->served)
		return;
	/* Its lock may not be held: bpf_cow_pages() may not look. */
	vmf->pte = NULL;
	ops->served(vmf, result);
	vmf->pte = pte;
}

/**
 * cow_bpf_near - may faults ask only near the pages of the VMA's hint?
 * @near: may they, where the module's policy serves
 *
 * Context: any.
 * Return: true if all policies that may be asked allow it.
 */
bool cow_bpf_near(bool near)
{
	return !READ_ONCE(ask_far) && (near || READ_ONCE(for_all));
}

/* The table has changed. */
static void tell_change(void)
{
	bool far = false;
	unsigned int i;

	for (i = 0; i < NR_POLICIES; i++) {
		struct cow_bpf *bpf = locked_policy(&policies[i]);

		far |= bpf && !(bpf->ops->flags & COW_POLICY_NEAR);
	}
	WRITE_ONCE(ask_far, far);
	WRITE_ONCE(for_all, locked_policy(&everybody));
	policies_changed();
}

/* A number that no policy has, and that no process is likely to have left. */
static u16 new_tag(unsigned int place)
{
	do {
		generation += NR_POLICIES;
	} while (!(generation | place));
	return generation | place;
}

static bool tag_live(u16 tag)
{
	struct cow_bpf *bpf = locked_policy(&policies[tag % NR_POLICIES]);

	return tag && bpf && bpf->tag == tag;
}

/* Where a policy can go: its place, or a negative errno. */
static int find_place(const struct cow_policy_ops *ops)
{
	int i, place = -ENOSPC;

	for (i = 0; i < NR_POLICIES; i++) {
		struct cow_bpf *bpf = locked_policy(&policies[i]);

		if (bpf && !strcmp(bpf->ops->name, ops->name))
			return -EEXIST;
		if (!bpf)
			place = i;
	}
	if (!ops->pids[0] && locked_policy(&everybody))
		return -EBUSY;
	return place;
}

static int add_policy(struct cow_bpf *bpf)
{
	int ret, place = find_place(bpf->ops);

	if (place < 0)
		return place;
	bpf->tag = new_tag(place);
	if (bpf->ops->pids[0]) {
		ret = cow_bpf_tag(bpf->ops->pids, bpf->tag, tag_live);
		if (ret)
			return ret;
	} else {
		rcu_assign_pointer(everybody, bpf);
	}
	rcu_assign_pointer(policies[place], bpf);
	static_branch_inc(&cow_bpf_key);
	tell_change();
	return 0;
}

/* Reached by BPF_LINK_CREATE, or an update of the map without a link. */
static int ops_reg(void *kdata, struct bpf_link *link)
{
	struct cow_bpf *bpf = kzalloc(sizeof(*bpf), GFP_KERNEL);
	int ret = -ENOMEM;

	if (!bpf)
		return ret;
	bpf->ops = kdata;
	bpf->counts = alloc_percpu(struct counts);
	if (bpf->counts) {
		mutex_lock(&policies_mutex);
		ret = add_policy(bpf);
		mutex_unlock(&policies_mutex);
	}
	if (ret) {
		free_percpu(bpf->counts);
		kfree(bpf);
	}
	return ret;
}

static struct cow_bpf *find_policy(const void *kdata)
{
	unsigned int i;

	for (i = 0; i < NR_POLICIES; i++) {
		struct cow_bpf *bpf = locked_policy(&policies[i]);

		if (bpf && bpf->ops == kdata)
			return bpf;
	}
	return NULL;
}

static void ops_unreg(void *kdata, struct bpf_link *link)
{
	struct cow_bpf *bpf;

	mutex_lock(&policies_mutex);
	bpf = find_policy(kdata);
	if (bpf) {
		RCU_INIT_POINTER(policies[bpf->tag % NR_POLICIES], NULL);
		if (locked_policy(&everybody) == bpf)
			RCU_INIT_POINTER(everybody, NULL);
		static_branch_dec(&cow_bpf_key);
		tell_change();
		/* Faults that ask it; the programs are freed after a later one. */
		synchronize_rcu();
		cow_bpf_untag(bpf->tag);
	}
	mutex_unlock(&policies_mutex);
	if (bpf) {
		free_percpu(bpf->counts);
		kfree(bpf);
	}
}

/* Exchange the programs. For whom the policy is, and its name, stay. */
static int ops_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	const struct cow_policy_ops *ops = kdata, *old = old_kdata;
	struct cow_bpf *bpf;
	int ret = -EINVAL;

	mutex_lock(&policies_mutex);
	bpf = find_policy(old);
	if (bpf && !strcmp(ops->name, old->name) &&
	    !memcmp(ops->pids, old->pids, sizeof(ops->pids))) {
		WRITE_ONCE(bpf->ops, ops);
		tell_change();
		ret = 0;
	}
	mutex_unlock(&policies_mutex);
	return ret;
}

static int ops_validate(void *kdata)
{
	const struct cow_policy_ops *ops = kdata;

	return ops->window && ops->name[0] ? 0 : -EINVAL;
}

static int ops_init(struct btf *btf)
{
	return 0;
}

static int ops_check_member(const struct btf_type *t,
			    const struct btf_member *member,
			    const struct bpf_prog *prog)
{
	return prog->sleepable ? -EINVAL : 0;
}

static int ops_init_member(const struct btf_type *t,
			   const struct btf_member *member, void *kdata,
			   const void *udata)
{
	const struct cow_policy_ops *from = udata;
	struct cow_policy_ops *to = kdata;
	unsigned int i;

	switch (__btf_member_bit_offset(t, member) / BITS_PER_BYTE) {
	case offsetof(struct cow_policy_ops, flags):
		if (from->flags & ~COW_POLICY_NEAR)
			return -EINVAL;
		to->flags = from->flags;
		return 1;
	case offsetof(struct cow_policy_ops, pids):
		memcpy(to->pids, from->pids, sizeof(to->pids));
		return 1;
	case offsetof(struct cow_policy_ops, name):
		for (i = 0; i < COW_POLICY_NAME && from->name[i]; i++)
			if (!isalnum(from->name[i]) && from->name[i] != '_')
				return -EINVAL;
		if (i == COW_POLICY_NAME)
			return -EINVAL;
		memcpy(to->name, from->name, i + 1);
		return 1;
	}
	return 0;
}

static bool ops_is_valid_access(int off, int size, enum bpf_access_type type,
				const struct bpf_prog *prog,
				struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

/*
 * Helpers that neither loop nor wait. Those that print are slow, but for who
 * writes a policy.
 */
static const struct bpf_func_proto *
ops_get_func_proto(enum bpf_func_id id, const struct bpf_prog *prog)
{
	switch (id) {
	case BPF_FUNC_map_lookup_elem:
	case BPF_FUNC_map_update_elem:
	case BPF_FUNC_map_delete_elem:
	case BPF_FUNC_map_lookup_percpu_elem:
	case BPF_FUNC_per_cpu_ptr:
	case BPF_FUNC_this_cpu_ptr:
	case BPF_FUNC_get_prandom_u32:
	case BPF_FUNC_get_smp_processor_id:
	case BPF_FUNC_get_current_pid_tgid:
	case BPF_FUNC_ktime_get_ns:
	case BPF_FUNC_jiffies64:
	case BPF_FUNC_ringbuf_output:
	case BPF_FUNC_ringbuf_reserve:
	case BPF_FUNC_ringbuf_submit:
	case BPF_FUNC_ringbuf_discard:
	case BPF_FUNC_ringbuf_query:
	case BPF_FUNC_trace_printk:
	case BPF_FUNC_trace_vprintk:
		return bpf_base_func_proto(id, prog);
	default:
		return NULL;
	}
}

/* Programs only read what a fault points to. */
static const struct bpf_verifier_ops ops_verifier_ops = {
	.get_func_proto		= ops_get_func_proto,
	.is_valid_access	= ops_is_valid_access,
};

static u32 stub_cow_window(struct vm_fault *vmf)
{
	return 0;
}

static u64 stub_cow_mask(struct vm_fault *vmf, unsigned long start,
			 unsigned long end)
{
	return 0;
}

static void stub_cow_served(struct vm_fault *vmf,
			    const struct cow_result *result)
{
}

static struct cow_policy_ops ops_stubs = {
	.window	= stub_cow_window,
	.mask	= stub_cow_mask,
	.served	= stub_cow_served,
};

static struct bpf_struct_ops cow_policy_struct_ops = {
	.verifier_ops	= &ops_verifier_ops,
	.init		= ops_init,
	.check_member	= ops_check_member,
	.init_member	= ops_init_member,
	.reg		= ops_reg,
	.unreg		= ops_unreg,
	.update		= ops_update,
	.validate	= ops_validate,
	.cfi_stubs	= &ops_stubs,
	.name		= "cow_policy_ops",
	.owner		= THIS_MODULE,
};

/**
 * cow_bpf_init - let policies in BPF be loaded
 * @changed: called after one came or went; may sleep
 *
 * Context: process context, while the module is loaded. What is registered goes
 * with the module, which cannot be unloaded while a policy is loaded.
 * Return: whether the kernel has what it takes.
 */
bool cow_bpf_init(void (*changed)(void))
{
	int ret;

	policies_changed = changed;
	ret = cow_bpf_calls_init();
	if (!ret)
		ret = register_bpf_struct_ops(&cow_policy_struct_ops,
					      cow_policy_ops);
	if (ret)
		pr_info("cowlab: no policies in BPF: error %d\n", ret);
	return !ret;
}

static struct counts sum_up(const struct cow_bpf *bpf)
{
	struct counts sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct counts *part = per_cpu_ptr(bpf->counts, cpu);

		sum.calls += READ_ONCE(part->calls);
		sum.windows += READ_ONCE(part->windows);
		sum.clamped += READ_ONCE(part->clamped);
		sum.timed += READ_ONCE(part->timed);
		sum.ns += READ_ONCE(part->ns);
		sum.max_ns = max(sum.max_ns, READ_ONCE(part->max_ns));
	}
	return sum;
}

static void show_policy(struct seq_file *m, const struct cow_bpf *bpf)
{
	const struct counts sum = sum_up(bpf);
	unsigned int i;

	seq_printf(m, "%s ", bpf->ops->name);
	for (i = 0; i < COW_POLICY_PIDS && bpf->ops->pids[i]; i++)
		seq_printf(m, "%s%u", i ? "," : "", bpf->ops->pids[i]);
	seq_printf(m, "%s %llu %llu %llu %llu %llu\n", i ? "" : "all",
		   sum.calls, sum.windows, sum.clamped,
		   sum.timed ? div64_u64(sum.ns, sum.timed) : 0, sum.max_ns);
}

/**
 * cow_bpf_show - list the policies that are loaded
 * @m: the file. A line for each: its name, the thread group IDs that it was loaded
 *	for or `all`, calls of window(), windows, what was clamped, the average and
 *	the longest time of the calls that were timed, in ns.
 *
 * Context: process context.
 */
void cow_bpf_show(struct seq_file *m)
{
	unsigned int i;

	mutex_lock(&policies_mutex);
	for (i = 0; i < NR_POLICIES; i++) {
		struct cow_bpf *bpf = locked_policy(&policies[i]);

		if (bpf)
			show_policy(m, bpf);
	}
	mutex_unlock(&policies_mutex);
}

/**
 * cow_bpf_max_ns - how long a call of a policy in BPF took at most
 *
 * Context: process context.
 * Return: ns; of the calls that were timed, of the policies that are loaded.
 */
u64 cow_bpf_max_ns(void)
{
	unsigned int i;
	u64 ns = 0;

	mutex_lock(&policies_mutex);
	for (i = 0; i < NR_POLICIES; i++) {
		struct cow_bpf *bpf = locked_policy(&policies[i]);

		if (bpf)
			ns = max(ns, sum_up(bpf).max_ns);
	}
	mutex_unlock(&policies_mutex);
	return ns;
}

#endif /* COWLAB_BPF */
