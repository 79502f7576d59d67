/* SPDX-License-Identifier: GPL-2.0 */
/* What record.bpf.c sends to `cowctl record`. */
#ifndef COW_RECORD_H
#define COW_RECORD_H

/**
 * struct cow_record - a copy-on-write fault
 * @ns: when, by CLOCK_MONOTONIC
 * @address: of the page
 * @vma: where the mapping starts
 * @pid: the process
 * @tid: the thread
 */
struct cow_record {
	unsigned long long ns;
	unsigned long long address;
	unsigned long long vma;
	unsigned int pid;
	unsigned int tid;
};

#endif /* COW_RECORD_H */
