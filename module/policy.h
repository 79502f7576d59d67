/* SPDX-License-Identifier: GPL-2.0 */
/* The policies' window callbacks, and the choice among them. */
#ifndef _COWLAB_POLICY_H
#define _COWLAB_POLICY_H

#include <linux/cow_policy.h>
#include <linux/mm.h>
#include <linux/seq_file.h>

#define POLICY(name, near) unsigned int name##_window(struct vm_fault *vmf);
#include "policies.h"
#undef POLICY

/* adaptive.c */
void adaptive_refused(struct vm_fault *vmf);

int cow_policy_set_precopy(u64 val);
u64 cow_policy_get_precopy(void);
int cow_policy_set_file(u64 val);
u64 cow_policy_get_file(void);
int cow_policy_set_huge(u64 val);
u64 cow_policy_get_huge(void);
int cow_policy_choose(const char *name);
void cow_policy_bpf_changed(void);
void cow_policy_show(struct seq_file *m);

#endif /* _COWLAB_POLICY_H */
