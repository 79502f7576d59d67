/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a policy in BPF includes: the type that its programs are attached to, the
 * window that they return, and what they may call (module/bpf.h, bpf_calls.c).
 */
#ifndef COW_POLICY_BPF_H
#define COW_POLICY_BPF_H

#include <vmlinux.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PAGE_SHIFT 12
#define COW_POLICY_PIDS 16
#define COW_POLICY_NAME 16

/* The policy is asked only at the pages that its hint expects. */
#define COW_POLICY_NEAR 1

struct cow_policy_ops {
	__u32 (*window)(struct vm_fault *vmf);
	__u64 (*mask)(struct vm_fault *vmf, unsigned long start,
		      unsigned long end);
	void (*served)(struct vm_fault *vmf, const struct cow_result *result);
	__u32 flags;
	__u32 pids[COW_POLICY_PIDS];
	char name[COW_POLICY_NAME];
};

/* A window: pages before and after the faulting one, and these flags. */
#define COW_WINDOW_LARGE (1 << 16)
#define COW_WINDOW_MASK (1 << 20)

static inline __u32 cow_window(__u32 before, __u32 after)
{
	return before | after << 8;
}

/* The bits of the first @nr pages, up to 64. */
static inline __u64 cow_pages_first(__u32 nr)
{
	return nr < 64 ? (1ULL << nr) - 1 : ~0ULL;
}

/* The low 17 bits of a page number, as a hint has them in bits 15-31 and 47-63. */
#define COW_HINT_SHIFT 15
#define COW_HINT_PAGES ((1 << 17) - 1)

enum cow_pages {
	COW_PAGES_PRESENT,
	COW_PAGES_WRITABLE,
	COW_PAGES_DIRTY,
};

/*
 * Which of @pages are so? A bit for each page; that of bit 0 is @first pages from the
 * faulting one.
 */
extern __u64 bpf_cow_pages(struct vm_fault *vmf, __s32 first, __u64 pages,
			   __u32 what) __ksym;
/* The VMA's word for its policy: read; exchange if it is @old, return what it was. */
extern __u64 bpf_cow_hint(struct vm_fault *vmf) __ksym;
extern __u64 bpf_cow_hint_cmpxchg(struct vm_fault *vmf, __u64 old,
				  __u64 word) __ksym;
/* The largest window that the knobs allow, in pages. */
extern __u32 bpf_cow_limit(void) __ksym;
/* What a fault that copies so many pages takes, in ns; 0: not known. */
extern __u64 bpf_cow_cost(__u32 pages) __ksym;
/* PR_COW_DEFAULT or PR_COW_ON. */
extern __u32 bpf_cow_mode(struct vm_fault *vmf) __ksym;

char LICENSE[] SEC("license") = "GPL";

#endif /* COW_POLICY_BPF_H */
