/* SPDX-License-Identifier: GPL-2.0 */
/* summary.h - the rounds of a run put together */
#ifndef COWREPORT_SUMMARY_H
#define COWREPORT_SUMMARY_H

#include "run.h"

enum source { SRC_USER, SRC_DEBUGFS, SRC_DMESG };

/**
 * struct summary_row - one line of summary.csv
 * @clock: the boot
 * @arm: the arm
 * @workload: the workload
 * @source: who measured
 * @stage: what
 * @rounds: how many rounds went in
 * @lat: count is their sum, avg the weighted mean, min and max the extremes,
 * percentiles the median over the rounds
 * @faults: sum over the rounds; NONE where a round does not say
 * @touched: as @faults
 * @copied: as @faults
 * @wasted: as @faults
 * @ns_per_page: median over the rounds; NAN where it does not apply
 * @overhead: @ns_per_page less the copy's share
 * @page_min: least of the rounds' ns per page
 * @page_max: largest of them
 * @ratio: to the baseline
 * @ratio_min: least of the rounds'
 * @ratio_max: largest of them
 */
struct summary_row {
	enum cow_clock clock;
	char arm[NAME_LEN], workload[NAME_LEN];
	enum source source;
	char stage[NAME_LEN];
	size_t rounds;
	struct latency lat;
	uint64_t faults, touched, copied, wasted;
	double ns_per_page, overhead;
	double page_min, page_max;
	double ratio, ratio_min, ratio_max;
};

/**
 * struct summary - all of summary.csv
 */
struct summary {
	VEC(struct summary_row) row;
};

void summary_make(struct summary *sum, const struct run *run);
void summary_free(struct summary *sum);
void summary_write_csv(const struct summary *sum, FILE *out);
const struct summary_row *summary_find(const struct summary *sum,
				       enum cow_clock clock, const char *arm,
				       const char *workload, enum source source,
				       const char *stage);
const struct summary_row *touch_row(const struct summary *sum,
				    enum cow_clock clock, const char *arm,
				    const char *workload);
const struct summary_row *service_row(const struct summary *sum,
				      enum cow_clock clock, const char *arm,
				      const char *workload);
double copied_per_page(const struct summary_row *row);

/**
 * enum verdict - do the counts of a cell agree
 * @VERDICT_AGREE: all three are there, and equal
 * @VERDICT_DISAGREE: two of them differ
 * @VERDICT_INCOMPLETE: one is not there, and the others do not differ
 */
enum verdict { VERDICT_AGREE, VERDICT_DISAGREE, VERDICT_INCOMPLETE };

/**
 * struct cross_check - three counts of one cell's COWs
 * @log: lines of the log; NONE where there is no complete segment
 * @hist: the histogram's count; NONE where there is no histogram
 * @faults: faults of the writer; NONE where it does not say
 * @verdict: do they agree
 */
struct cross_check {
	uint64_t log, hist, faults;
	enum verdict verdict;
};

void cross_check_cell(const struct cell *c, struct cross_check *x);

#endif
