/* SPDX-License-Identifier: GPL-2.0 */
/* Habits: the usual length of the streams in a VMA. */
#ifndef _COWLAB_HABIT_H
#define _COWLAB_HABIT_H

#include <linux/hash.h>
#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * struct habit - what is known of a VMA's streams
 * @last: the stream that continued last; 0 after habit_open() learned from it
 * @known: low byte: the usual length of a run in pages; high byte: the allowance
 *	in pages
 */
struct habit {
	u32 last;
	u16 known;
};

/* 256 entries, 2 KiB: VMAs that hash to one entry share it. */
#define HABIT_BITS		8

extern struct habit cow_habits[1 << HABIT_BITS];

static inline struct habit *habit_of(struct vm_area_struct *vma)
{
	return &cow_habits[hash_ptr(vma, HABIT_BITS)];
}

/* Keep a stream that continued: the next stream that opens learns from it. */
static inline void habit_keep(struct vm_area_struct *vma, u32 stream)
{
	WRITE_ONCE(habit_of(vma)->last, stream);
}

unsigned int habit_open(struct vm_fault *vmf, u32 *stream);
void habit_refused(struct vm_area_struct *vma);
void cow_habits_forget(void);

#endif /* _COWLAB_HABIT_H */
