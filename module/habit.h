/* SPDX-License-Identifier: GPL-2.0 */
/* Habits: how long the runs of a VMA's streams usually are. */
#ifndef _COWLAB_HABIT_H
#define _COWLAB_HABIT_H

#include <linux/hash.h>
#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * struct habit - how a VMA's streams have been
 * @last: the stream that went on last; 0 once it has been learned from
 * @known: the usual length of a run, and above it the allowance
 */
struct habit {
	u32 last;
	u16 known;
};

#define HABIT_BITS		8

extern struct habit cow_habits[1 << HABIT_BITS];

static inline struct habit *habit_of(struct vm_area_struct *vma)
{
	return &cow_habits[hash_ptr(vma, HABIT_BITS)];
}

/* The stream that went on is what the next one that opens learns from. */
static inline void habit_keep(struct vm_area_struct *vma, u32 stream)
{
	WRITE_ONCE(habit_of(vma)->last, stream);
}

unsigned int habit_open(struct vm_fault *vmf, u32 *stream);
void cow_habits_forget(void);

#endif /* _COWLAB_HABIT_H */
