/* SPDX-License-Identifier: GPL-2.0 */
/* Policies in BPF: struct cow_policy_ops, and the processes that each is for. */
#ifndef _COWLAB_BPF_H
#define _COWLAB_BPF_H

#include <linux/cow_policy.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/types.h>

/* A kernel that keeps no types of modules cannot attach programs to them. */
#if IS_ENABLED(CONFIG_BPF_SYSCALL) && IS_ENABLED(CONFIG_BPF_JIT) && \
	IS_ENABLED(CONFIG_DEBUG_INFO_BTF_MODULES)
#define COWLAB_BPF
#endif

/* How many processes a policy may name, and how long its name is, with the NUL. */
#define COW_POLICY_PIDS		16
#define COW_POLICY_NAME		16

/* Faults ask the policy only near the pages that the VMA's hint expects. */
#define COW_POLICY_NEAR		BIT(0)

/**
 * struct cow_policy_ops - a policy whose functions are BPF programs
 * @window: the window for a fault, as cow_window() encodes it, with
 *	COW_WINDOW_LARGE or COW_WINDOW_MASK; other bits are ignored. The PTE is
 *	mapped and its lock held.
 * @mask: with COW_WINDOW_MASK: which pages from @start to @end, see struct
 *	cow_policy. NULL: a window of this policy never has a mask
 * @served: told what became of a window, or NULL
 * @flags: COW_POLICY_NEAR
 * @pids: thread group IDs in the loader's PID namespace, up to the first 0: the
 *	policy is for these processes and their children; none: for everybody
 * @name: letters, digits and `_`; no two policies that are loaded have one name
 *
 * The type that programs are attached to. userspace/policies/cow_policy.bpf.h has
 * the same members.
 */
struct cow_policy_ops {
	u32 (*window)(struct vm_fault *vmf);
	u64 (*mask)(struct vm_fault *vmf, unsigned long start,
		    unsigned long end);
	void (*served)(struct vm_fault *vmf, const struct cow_result *result);
	u32 flags;
	u32 pids[COW_POLICY_PIDS];
	char name[COW_POLICY_NAME];
};

/* A policy that is loaded. */
struct cow_bpf;

#ifdef COWLAB_BPF
DECLARE_STATIC_KEY_FALSE(cow_bpf_key);

/* Is a policy loaded? */
static inline bool cow_bpf_loaded(void)
{
	return static_key_enabled(&cow_bpf_key.key);
}

/* bpf.c */
bool cow_bpf_init(void (*changed)(void));
struct cow_bpf *__cow_bpf_of(const struct mm_struct *mm);
unsigned int cow_bpf_window(struct cow_bpf *bpf, struct vm_fault *vmf);
u64 cow_bpf_mask(struct cow_bpf *bpf, struct vm_fault *vmf,
		 unsigned long start, unsigned long end);
void cow_bpf_served(struct cow_bpf *bpf, struct vm_fault *vmf,
		    const struct cow_result *result);
bool cow_bpf_near(bool near);
void cow_bpf_show(struct seq_file *m);
u64 cow_bpf_max_ns(void);

/* bpf_calls.c */
int cow_bpf_calls_init(void);
u64 bpf_cow_pages(struct vm_fault *vmf, s32 first, u64 pages, u32 what);
u64 bpf_cow_hint(struct vm_fault *vmf);
u64 bpf_cow_hint_cmpxchg(struct vm_fault *vmf, u64 old, u64 word);
u32 bpf_cow_limit(void);
u64 bpf_cow_cost(u32 pages);
u32 bpf_cow_mode(struct vm_fault *vmf);

/* bpf_tags.c */
int cow_bpf_tag(const u32 *pids, u16 tag, bool (*live)(u16 tag));
void cow_bpf_untag(u16 tag);

/* The policy in BPF that a process has, or NULL. Under rcu_read_lock(). */
static __always_inline struct cow_bpf *cow_bpf_of(const struct mm_struct *mm)
{
	return static_branch_unlikely(&cow_bpf_key) ? __cow_bpf_of(mm) : NULL;
}
#else
static inline bool cow_bpf_loaded(void)
{
	return false;
}

static inline bool cow_bpf_init(void (*changed)(void))
{
	return false;
}

static inline struct cow_bpf *cow_bpf_of(const struct mm_struct *mm)
{
	return NULL;
}

static inline unsigned int cow_bpf_window(struct cow_bpf *bpf,
					  struct vm_fault *vmf)
{
	return 0;
}

static inline u64 cow_bpf_mask(struct cow_bpf *bpf, struct vm_fault *vmf,
			       unsigned long start, unsigned long end)
{
	return 0;
}

static inline void cow_bpf_served(struct cow_bpf *bpf, struct vm_fault *vmf,
				  const struct cow_result *result)
{
}

static inline bool cow_bpf_near(bool near)
{
	return near;
}

static inline void cow_bpf_show(struct seq_file *m)
{
}

static inline u64 cow_bpf_max_ns(void)
{
	return 0;
}
#endif

#endif /* _COWLAB_BPF_H */
