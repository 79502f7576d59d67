/* SPDX-License-Identifier: GPL-2.0 */
/* The processes that chose, from the module's file `process`. */
#ifndef COWCTL_PROCESSES_H
#define COWCTL_PROCESSES_H

#include <stddef.h>
#include <stdint.h>

/* In the order of the file. */
enum process_count {
	PROCESS_FAULTS,
	PROCESS_COPIED,
	PROCESS_WINDOWS,
	PROCESS_NEIGHBOURS,
	PROCESS_REUSED,
	PROCESS_HIT,
	PROCESS_WASTED,
	NR_PROCESS_COUNTS,
};

extern const char *const process_counts[NR_PROCESS_COUNTS];

/**
 * struct process - a process that chose
 * @pid: its ID
 * @born: when it started, in clock ticks since boot: an ID may be used again; 0: it
 *	has ended
 * @mode: on, off or default
 * @order: the largest order of the folios that its copies use; 0: any
 * @counts: what the windows did for it
 * @name: its name
 */
struct process {
	int pid;
	uint64_t born;
	char mode[8];
	unsigned int order;
	uint64_t counts[NR_PROCESS_COUNTS];
	char name[64];
};

void clean_name(char *name);
size_t processes_read(struct process **list);

#endif /* COWCTL_PROCESSES_H */
