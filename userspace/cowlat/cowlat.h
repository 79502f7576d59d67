/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by cowlat's two halves: cowlat.bpf.c counts in the kernel, the program
 * shows the counts.
 */
#ifndef COWLAT_H
#define COWLAT_H

#define COWLAT_COMM 16
#define COWLAT_NAME 48

enum cowlat_stage {
	STAGE_FAULT,
	STAGE_COPY,
	STAGE_FILE_FAULT,
	STAGE_HUGE_COPY,
	STAGE_HUGETLB_COPY,
	STAGE_PMD_SPLIT,
	NR_STAGES,
};

/*
 * Log-linear buckets, 2^bits per octave, as in the module's latency_hist: with
 * COWLAT_HIST_BITS the width of a bucket is at most 1/32 of its values. The last
 * bucket takes everything from 2^COWLAT_MAX_BITS ns (18 minutes) on.
 */
#define COWLAT_MAX_BITS 40
#define COWLAT_HIST_BITS 5
#define COWLAT_ROW_BITS 2
#define COWLAT_SLOTS(bits) ((COWLAT_MAX_BITS - (bits) + 1) << (bits))
#define COWLAT_HIST_SLOTS COWLAT_SLOTS(COWLAT_HIST_BITS)
#define COWLAT_ROW_SLOTS COWLAT_SLOTS(COWLAT_ROW_BITS)

/**
 * struct cowlat_hist - a stage's latencies on one CPU
 * @count: number of samples
 * @sum: of the samples, in ns
 * @min: the least, in ns
 * @max: the greatest, in ns
 * @slots: number of samples in each bucket
 */
struct cowlat_hist {
	__u64 count;
	__u64 sum;
	__u64 min;
	__u64 max;
	__u64 slots[COWLAT_HIST_SLOTS];
};

/* What the rows of a table stand for: -P and -a. */
enum cowlat_rows {
	ROWS_NONE,
	ROWS_PROCESS,
	ROWS_RANGE,
};

enum cowlat_range {
	RANGE_UNKNOWN,
	RANGE_HEAP,
	RANGE_STACK,
	RANGE_FILE,
	RANGE_ANON,
};

/**
 * struct cowlat_key - what a row counts the faults of
 * @tgid: the process; 0: it has no number in cowlat's own pid namespace
 * @kind: enum cowlat_range, with -a
 * @device: of the file
 * @exec: with -a, how often the process has called exec(): each time it gets
 *	another address space
 * @born: when the process was started: a number may be used again
 * @id: the file's inode number, or where an anonymous range begins
 */
struct cowlat_key {
	__u32 tgid;
	__u32 kind;
	__u32 device;
	__u32 exec;
	__u64 born;
	__u64 id;
};

/**
 * struct cowlat_row - the faults of a process or a range
 * @count: number of faults
 * @sum: their time, in ns
 * @max: the longest, in ns
 * @start: where the range begins
 * @end: where it ends
 * @comm: the process's name at its last fault
 * @name: the file's name
 * @slots: number of samples in each bucket
 */
struct cowlat_row {
	__u64 count;
	__u64 sum;
	__u64 max;
	__u64 start;
	__u64 end;
	char comm[COWLAT_COMM];
	char name[COWLAT_NAME];
	__u64 slots[COWLAT_ROW_SLOTS];
};

#endif /* COWLAT_H */
