/* SPDX-License-Identifier: GPL-2.0 */
/* render.h - the report, section by section */
#ifndef COWREPORT_RENDER_H
#define COWREPORT_RENDER_H

#include "doc.h"

/**
 * struct report - all that a report tells
 * @run: the run
 * @sum: its summary
 * @plots: its pictures
 * @plot_trouble: why there are no pictures, or not all; NULL if there are
 */
struct report {
	const struct run *run;
	const struct summary *sum;
	const struct plots *plots;
	const char *plot_trouble;
};

/**
 * struct verdicts - a run in three numbers
 * @disagree: cells whose counts disagree
 * @incomplete: cells that lack one of the counts
 * @broken: problems that make a run less than whole
 */
struct verdicts {
	size_t disagree, incomplete, broken;
};

/**
 * struct view - one clock and workload of a run
 */
struct view {
	enum cow_clock clock;
	const char *workload;
};

struct views {
	VEC(struct view) view;
};

void views_make(struct views *v, const struct run *run);
void verdicts_count(struct verdicts *v, const struct run *run);
char *log_sentence(const struct run *run);
char *check_sentence(const struct run *run, const struct cell *c,
		     const struct cross_check *x);
char *run_sentence(const struct run *run);

void section_findings(const struct report *rep, struct doc *doc);
void section_paper_table(const struct report *rep, struct doc *doc);
void section_ratios(const struct report *rep, struct doc *doc);
void section_sweep(const struct report *rep, struct doc *doc);
void section_tail(const struct report *rep, struct doc *doc);
void section_memory(const struct report *rep, struct doc *doc);
void section_redis(const struct report *rep, struct doc *doc);
void section_prefork(const struct report *rep, struct doc *doc);
void section_fork(const struct report *rep, struct doc *doc);
void section_limits(const struct report *rep, struct doc *doc);
void section_scaling(const struct report *rep, struct doc *doc);
void section_claims(const struct report *rep, struct doc *doc);
void section_emulation(const struct report *rep, struct doc *doc);
void section_cells(const struct report *rep, struct doc *doc);
void section_quality(const struct report *rep, struct doc *doc);
void section_environment(const struct report *rep, struct doc *doc);
void section_method(const struct report *rep, struct doc *doc);

void render(const struct report *rep, const struct doc_kind *kind, FILE *out);

#endif
