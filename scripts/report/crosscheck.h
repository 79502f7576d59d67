/* SPDX-License-Identifier: GPL-2.0 */
/* crosscheck.h - one writer, five observers; and what a fault is made up of */
#ifndef COWREPORT_CROSSCHECK_H
#define COWREPORT_CROSSCHECK_H

#include "util.h"

/* In the order of the page: from the innermost bracket to the outermost */
enum observer {
	OBS_DEBUGFS,
	OBS_DMESG,
	OBS_BPF,
	OBS_DELAYACCT,
	OBS_USER,
	OBS_NOBODY,
	OBS_COUNT,
};

/**
 * struct seen - what one observer has of a run
 * @count: faults
 * @avg: ns a fault, as all that follow; 0 where it does not tell
 * @min: the least
 * @p50: median
 * @p90: 90th percentile
 * @p99: 99th percentile
 * @p999: 99.9th percentile
 * @max: the greatest
 * @cost: ns that it adds to a fault, measured by itself
 */
struct seen {
	uint64_t count;
	uint64_t avg;
	uint64_t min;
	uint64_t p50;
	uint64_t p90;
	uint64_t p99;
	uint64_t p999;
	uint64_t max;
	int64_t cost;
};

/**
 * struct check - an arm as all have seen it
 * @arm: its name
 * @seen: by each
 */
struct check {
	char arm[NAME_LEN];
	struct seen seen[OBS_COUNT];
};

/**
 * struct checks - the arms of a boot
 * @check: the arms
 */
struct checks {
	VEC(struct check) check;
};

enum parse_status checks_parse(struct checks *checks, const char *buf,
			       size_t len);
void checks_free(struct checks *checks);
bool check_counts_agree(const struct check *check);
bool check_times_agree(const struct check *check);

char *crosscheck_sentence(const char *dir);
void crosscheck_rows(const char *dir, FILE *out);
int crosscheck_page(const char *dir);

#endif
