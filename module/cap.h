/* SPDX-License-Identifier: GPL-2.0 */
/* Limits of a window: the knobs window, large_folio and latency_cap_ns. */
#ifndef _COWLAB_CAP_H
#define _COWLAB_CAP_H

#include <linux/cow_policy.h>
#include <linux/types.h>

extern bool cow_large_folio;

/* The flag that lets a window use large folios, if the knob allows it. */
static inline unsigned int large_flag(void)
{
	return READ_ONCE(cow_large_folio) ? COW_WINDOW_LARGE : 0;
}

unsigned int cow_window_capped(unsigned int limit);
unsigned int cow_window_limit(void);
void cow_policy_set_window(unsigned int pages);
unsigned int cow_policy_get_window(void);
void cow_policy_set_large(bool on);
bool cow_policy_get_large(void);
void cow_policy_set_cap(u64 ns);
u64 cow_policy_get_cap(void);
u64 cow_policy_cost(unsigned int pages);
void cow_policy_learn(unsigned int pages, u64 ns);

#endif /* _COWLAB_CAP_H */
