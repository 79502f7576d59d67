/* SPDX-License-Identifier: GPL-2.0 */
/* render.h - the report as Markdown and as HTML */
#ifndef COWREPORT_RENDER_H
#define COWREPORT_RENDER_H

#include "plot.h"
#include "table.h"

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

void render_md(const struct report *rep, FILE *out);
void render_html(const struct report *rep, FILE *out);

void put_md(FILE *out, const char *s);
void put_html(FILE *out, const char *s);

extern const char *const method[];
extern const size_t method_len;

#endif
