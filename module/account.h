/* SPDX-License-Identifier: GPL-2.0 */
/* Accounts: what the windows did for each process that chose. */
#ifndef _COWLAB_ACCOUNT_H
#define _COWLAB_ACCOUNT_H

#include <linux/cow_mode.h>
#include <linux/cow_policy.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "compat.h"

void __cow_account_fault(unsigned int copied);
void __cow_account_window(const struct cow_result *result);
void __cow_account_judged(unsigned int hit, unsigned int wasted);
void cow_account_show(struct seq_file *m, struct pid *tgid);
void cow_account_sweep(void);
void cow_account_reset(void);
void cow_account_destroy(void);

/* All that a process which did not choose pays, per window. */
static inline bool cow_chose(const struct mm_struct *mm)
{
	/* Another thread may choose meanwhile: either is right. */
	return compat_mm_flags(mm) & MMF_COW_MASK;
}

/* Count a window of the current process. Context: of a policy's served(). */
static inline void cow_account_window(const struct vm_fault *vmf,
				      const struct cow_result *result)
{
	if (unlikely(cow_chose(vmf->vma->vm_mm)))
		__cow_account_window(result);
}

/* Count neighbours that were judged. Context: of a policy's window(). */
static inline void cow_account_judged(const struct vm_fault *vmf,
				      unsigned int hit, unsigned int wasted)
{
	if (unlikely(cow_chose(vmf->vma->vm_mm)))
		__cow_account_judged(hit, wasted);
}

/* Count a COW fault. Context: of a tracepoint's probe. */
static inline void cow_account_fault(unsigned int copied)
{
	if (current->mm && cow_chose(current->mm))
		__cow_account_fault(copied);
}

#endif /* _COWLAB_ACCOUNT_H */
