/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cowlab.ko: the laboratory's policies, switches and latency histogram. A file
 * calls only those below it.
 *
 * main.c	loading and unloading
 * debugfs.c	the files in debugfs
 * probes.c	the tracepoint probes
 * policy.c	which policy serves faults
 * next.c, fixed.c, adaptive.c
 *		a policy each: how many pages a fault serves
 * habit.c	how long the runs of a VMA's streams usually are
 * stream.c	what has been written of a stream's last window
 * cap.c	how large a window may be
 * hist.c	a histogram
 * stats.c	the counters
 */
#ifndef _COWLAB_H
#define _COWLAB_H

#include <linux/seq_file.h>
#include <linux/types.h>

/* debugfs.c */
void cow_debugfs_create(void);
void cow_debugfs_remove(void);

/* probes.c */
int cow_probes_init(void);
void cow_probes_destroy(void);
int cow_probes_set_capped(bool on);
int cow_probes_set_timing(u64 val);
u64 cow_probes_get_timing(void);
int cow_probes_set_log(u64 val);
u64 cow_probes_get_log(void);
int cow_probes_set_tgid(u64 val);
u64 cow_probes_get_tgid(void);
int cow_probes_reset(void);
void cow_probes_show(struct seq_file *m);

#endif /* _COWLAB_H */
