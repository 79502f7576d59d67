/* SPDX-License-Identifier: GPL-2.0 */
/* dmesg.h - the kernel log of a run */
#ifndef COWREPORT_DMESG_H
#define COWREPORT_DMESG_H

#include "names.h"

/**
 * struct dmesg_segment - the lines between a begin and its end
 * @key: which cell
 * @line: number of the line that begins it
 * @ns: the samples, as they came
 * @lost: messages reported lost in between
 * @malformed: sample lines in between that could not be read
 * @complete: the end was there, and it was this cell's
 */
struct dmesg_segment {
	struct cell_key key;
	size_t line;
	VEC(uint64_t) ns;
	uint64_t lost;
	uint64_t malformed;
	bool complete;
};

/* Malformed lines that are shown, out of those that are counted */
#define DMESG_SHOWN 8

/**
 * struct dmesg - a kernel log, read
 * @seg: its segments, sorted by key, one a cell
 * @lines: lines of any sort
 * @samples: well-formed sample lines, wherever they stood
 * @malformed: sample lines that could not be read
 * @lost: messages reported lost
 * @stray: samples outside of any segment
 * @unclosed: segments without an end
 * @nested: begins inside of a segment
 * @stray_ends: ends without a begin, or of another cell
 * @bad_marks: boot, begin, end and lost lines that could not be read
 * @duplicates: segments of a cell that had one already (left out)
 * @no_clock: segments before any boot line
 * @shown: the first malformed lines: number and a copy of their beginning
 */
struct dmesg {
	VEC(struct dmesg_segment) seg;
	uint64_t lines;
	uint64_t samples;
	uint64_t malformed;
	uint64_t lost;
	uint64_t stray;
	uint64_t unclosed;
	uint64_t nested;
	uint64_t stray_ends;
	uint64_t bad_marks;
	uint64_t duplicates;
	uint64_t no_clock;
	struct {
		size_t line;
		char *text;
	} shown[DMESG_SHOWN];
	size_t nshown;
};

int parse_dmesg(const char *buf, size_t len, struct dmesg *d);
void dmesg_free(struct dmesg *d);
bool dmesg_clean(const struct dmesg *d);

#endif
