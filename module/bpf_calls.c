// SPDX-License-Identifier: GPL-2.0
/* What the programs of a policy in BPF may call, beside the helpers in bpf.c. */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/cow_mode.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>

#include "bpf.h"
#include "cap.h"
#include "compat.h"

#ifdef COWLAB_BPF

/* What bpf_cow_pages() tells of each page. */
enum cow_pages {
	COW_PAGES_PRESENT,	/* mapped */
	COW_PAGES_WRITABLE,	/* a write takes no fault */
	COW_PAGES_DIRTY,	/* written since it was mapped or cleaned */
};

static __always_inline bool pte_is(pte_t pte, u32 what)
{
	if (!pte_present(pte))
		return false;
	switch (what) {
	case COW_PAGES_PRESENT:
		return true;
	case COW_PAGES_WRITABLE:
		return pte_write(pte);
	case COW_PAGES_DIRTY:
		return pte_dirty(pte);
	default:
		return false;
	}
}

__bpf_kfunc_start_defs();

/**
 * bpf_cow_pages - which of the fault's neighbours are present, writable, dirty
 * @vmf: the fault, as the policy's window() or mask() has it
 * @first: the page of bit 0, counted from the faulting one; may be negative
 * @pages: a bit for each page that is asked for
 * @what: enum cow_pages
 *
 * Context: of these two.
 * Return: those of these bits whose page is so. Not so are pages beyond the VMA or
 * the page table. 0 in served(), where the page table's lock may not be held.
 */
__bpf_kfunc u64 bpf_cow_pages(struct vm_fault *vmf, s32 first, u64 pages, u32 what)
{
	long page = vmf->address >> PAGE_SHIFT;
	long table = round_down(page, PTRS_PER_PTE);
	long low = max_t(long, table, vmf->vma->vm_start >> PAGE_SHIFT);
	long high = min_t(long, table + PTRS_PER_PTE,
			  vmf->vma->vm_end >> PAGE_SHIFT);
	/* The first bit that may be seen, and the one behind the last. */
	long from = max(low - page - first, 0L);
	long to = min(high - page - first, 64L);
	u64 left, bits = 0;

	if (!vmf->pte || from >= to)
		return 0;
	for (left = pages & GENMASK_ULL(to - 1, from); left; left &= left - 1) {
		long i = __ffs64(left);

		if (pte_is(ptep_get(vmf->pte + (first + i)), what))
			bits |= BIT_ULL(i);
	}
	return bits;
}

/**
 * bpf_cow_hint - read the word that the VMA keeps for its policy
 * @vmf: the fault
 *
 * With COW_POLICY_NEAR its bits 15-31 and 47-63 are the low bits of the numbers of
 * two pages at which faults are expected: others do not reach the policy. The word
 * may be stale in any way, and another policy may have written it.
 *
 * Return: the word.
 */
__bpf_kfunc u64 bpf_cow_hint(struct vm_fault *vmf)
{
	return atomic_long_read(cow_hint(vmf->vma));
}

/**
 * bpf_cow_hint_cmpxchg - change that word, unless another fault has changed it
 * @vmf: the fault
 * @old: what bpf_cow_hint() returned
 * @word: what to put there
 *
 * Return: what was there: @old, if the word was changed.
 */
__bpf_kfunc u64 bpf_cow_hint_cmpxchg(struct vm_fault *vmf, u64 old, u64 word)
{
	return atomic_long_cmpxchg(cow_hint(vmf->vma), old, word);
}

/**
 * bpf_cow_limit - the largest window that the knobs and the latency cap allow now
 *
 * Return: pages, 1 to COW_WINDOW_MAX.
 */
__bpf_kfunc u32 bpf_cow_limit(void)
{
	return cow_window_limit();
}

/**
 * bpf_cow_cost - what the service of a fault takes, by running medians
 * @pages: the pages that it copies
 *
 * Return: ns; 0 while the knob latency_cap_ns is 0, or nothing is known yet.
 */
__bpf_kfunc u64 bpf_cow_cost(u32 pages)
{
	return cow_policy_cost(pages);
}

/**
 * bpf_cow_mode - what the process chose with PR_SET_COW
 * @vmf: the fault
 *
 * Return: PR_COW_DEFAULT or PR_COW_ON; a process with PR_COW_OFF has no policy.
 */
__bpf_kfunc u32 bpf_cow_mode(struct vm_fault *vmf)
{
	return mm_cow_mode(vmf->vma->vm_mm);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(calls)
BTF_ID_FLAGS(func, bpf_cow_pages, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_cow_hint, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_cow_hint_cmpxchg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_cow_limit)
BTF_ID_FLAGS(func, bpf_cow_cost)
BTF_ID_FLAGS(func, bpf_cow_mode, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(calls)

static const struct btf_kfunc_id_set calls_set = {
	.owner	= THIS_MODULE,
	.set	= &calls,
};

/**
 * cow_bpf_calls_init - let programs call these functions
 *
 * Context: process context, while the module is loaded.
 * Return: 0 or a negative errno.
 */
int cow_bpf_calls_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &calls_set);
}

#endif /* COWLAB_BPF */
