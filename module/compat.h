/* SPDX-License-Identifier: GPL-2.0 */
/* What differs among the kernel versions that the module is built for. */
#ifndef _COWLAB_COMPAT_H
#define _COWLAB_COMPAT_H

#include <linux/btf.h>
#include <linux/mm_types.h>

/* Since 7.0 the arguments of each kfunc are trusted. */
#ifndef KF_TRUSTED_ARGS
#define KF_TRUSTED_ARGS 0
#endif

/* The flags of an address space: a bitmap since 6.18. */
static inline unsigned long compat_mm_flags(const struct mm_struct *mm)
{
#ifdef NUM_MM_FLAG_BITS
	return data_race(__mm_flags_get_word(mm));
#else
	return data_race(mm->flags);
#endif
}

#endif /* _COWLAB_COMPAT_H */
