/* SPDX-License-Identifier: GPL-2.0 */
/* `cowctl top`: shared by its half in the kernel and the program. */
#ifndef COWCTL_TOP_H
#define COWCTL_TOP_H

#include <linux/types.h>

/* Processes that take COW faults at one time; 2 MiB of kernel memory. */
#define TOP_ROWS 16384
#define TOP_COMM 16

/**
 * struct top_row - the COW faults of a process
 * @faults: number of faults
 * @pages: pages that these copied
 * @ns: their time
 * @hit: neighbours that were found written
 * @wasted: neighbours that were found unwritten
 * @comm: the name of the thread that took the first fault
 */
struct top_row {
	__u64 faults;
	__u64 pages;
	__u64 ns;
	__u64 hit;
	__u64 wasted;
	char comm[TOP_COMM];
};

#ifndef __bpf__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct top_line - a process in a look
 * @pid: its ID
 * @row: what it did since the look before
 */
struct top_line {
	uint32_t pid;
	struct top_row row;
};

/**
 * struct top_look - what was counted between two looks
 * @seconds: the time between
 * @lines: the processes that took faults, that with the most time first
 * @nr: number of these
 * @judged: whether the module tells what became of the windows
 * @lost: events that could not be counted
 */
struct top_look {
	double seconds;
	struct top_line *lines;
	size_t nr;
	bool judged;
	uint64_t lost;
};

/**
 * struct top_options - what to show, and how
 * @interval: seconds between two looks
 * @count: number of looks; 0: until a signal, or the key q
 * @rows: processes that a look shows at most; 0: all
 * @batch: lines, also on a terminal
 * @json: one JSON object per look
 */
struct top_options {
	uint64_t interval;
	uint64_t count;
	uint64_t rows;
	bool batch;
	bool json;
};

/* count.c */
void count_start(void);
void count_stop(void);
bool count_look(struct top_look *look);

/* lines.c */
#define TOP_HEADINGS 2
#define TOP_COLUMNS 96

void look_heading(const struct top_look *look,
		  char text[TOP_HEADINGS][TOP_COLUMNS]);
void look_line(const struct top_look *look, const struct top_line *line,
	       char text[TOP_COLUMNS]);
void look_print(const struct top_look *look, uint64_t rows);
void look_json(const struct top_look *look, uint64_t rows);

/* screen.c */
bool screen_start(void);
void screen_end(void);
bool screen_quit(void);
void screen_show(const struct top_look *look);

/* top.c */
void show_top(const struct top_options *options);
#endif

#endif /* COWCTL_TOP_H */
