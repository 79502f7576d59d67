/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAT_SHOW_H
#define COWLAT_SHOW_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "cowlat.h"

/**
 * struct unit - unit of the times shown
 * @ns: nanoseconds per unit
 * @name: such as "nsecs"
 */
struct unit {
	unsigned int ns;
	const char *name;
};

/**
 * struct counted - a row with its key
 * @key: the process or range
 * @row: its faults
 */
struct counted {
	struct cowlat_key key;
	struct cowlat_row row;
};

/**
 * struct report - what was counted in an interval
 * @way: name of the probe
 * @meaning: what is timed
 * @stages: one bit per stage that was asked for
 * @hists: one histogram per stage, all CPUs together
 * @rows_of: what a row stands for
 * @rows: the rows
 * @nr_rows: number of rows
 * @missed: events that could not be counted
 * @missed_before: those since the start
 * @since: start of the interval, in seconds
 * @seconds: its length
 */
struct report {
	const char *way;
	const char *meaning;
	unsigned int stages;
	struct cowlat_hist hists[NR_STAGES];
	enum cowlat_rows rows_of;
	struct counted *rows;
	size_t nr_rows;
	__u64 missed;
	__u64 missed_before;
	double since;
	double seconds;
};

__u64 slot_start(unsigned int slot, unsigned int bits);
__u64 slots_percentile(const __u64 *slots, unsigned int bits, __u64 count,
		       unsigned int per_mille);
__u64 hist_percentile(const struct cowlat_hist *hist, unsigned int per_mille);
void hist_merge(struct cowlat_hist *to, const struct cowlat_hist *from);

void show_text(struct report *report, const struct unit *unit, bool timestamp);
void show_json(struct report *report, bool timestamp);

#endif /* COWLAT_SHOW_H */
