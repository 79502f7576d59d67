/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cowlab.ko: the policies, the switches and the latency histograms. Each file
 * calls only files below it in this list.
 *
 * main.c	loading and unloading
 * debugfs.c	the files in debugfs
 * process.c	which processes chose to be served, or not
 * probes.c	the tracepoint probes
 * policy.c	the choice of the policy that serves faults
 * bpf.c	policies in BPF
 * bpf_tags.c	which processes these are for
 * bpf_calls.c	what their programs may call
 * next.c, fixed.c, adaptive.c
 *		one policy each: how many pages a fault serves
 * huge.c	which huge pages are copied as a whole
 * habit.c	the usual length of the streams in a VMA
 * stream.c	which pages of a stream's last window, or of a VMA, have been written
 * cap.c	limits of a window
 * account.c	what the windows did for each process that chose
 * hist.c	a latency histogram
 * stats.c	the counters
 */
#ifndef _COWLAB_H
#define _COWLAB_H

#include <linux/seq_file.h>
#include <linux/types.h>

/* debugfs.c */
void cow_debugfs_create(bool bpf);
void cow_debugfs_remove(void);

/* process.c */
int cow_process_set(char *text);
void cow_process_show(struct seq_file *m);

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
int cow_probes_show(struct seq_file *m);

#endif /* _COWLAB_H */
