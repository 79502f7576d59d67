/* SPDX-License-Identifier: GPL-2.0 */
/* experiments.h - what a run's experiments left, read */
#ifndef COWREPORT_EXPERIMENTS_H
#define COWREPORT_EXPERIMENTS_H

#include "plot.h"

/**
 * struct experiments - which of them a run holds
 * @run: the run
 * @key: one a folder raw/<clock>/experiments/<arm>.<name>.<round>, sorted; the
 * workload is the experiment's name
 */
struct experiments {
	const struct run *run;
	VEC(struct cell_key) key;
};

/**
 * struct sheet - a CSV file with a header
 * @buf: its text
 * @ncol: columns
 * @nrow: rows below the header
 * @cell: @ncol heads, then the cells row by row
 */
struct sheet {
	char *buf;
	size_t ncol, nrow;
	VEC(const char *) cell;
};

void experiments_list(struct experiments *x, const struct run *run);
void experiments_free(struct experiments *x);
int experiment_sheet(const struct experiments *x, const struct cell_key *key,
		     const char *file, struct sheet *sheet);
void sheet_free(struct sheet *sheet);
double sheet_number(const struct sheet *sheet, size_t row, const char *col);
double experiment_value(const struct experiments *x, enum cow_clock clock,
			const char *arm, const char *name, const char *file,
			const char *col, ...) __attribute__((sentinel));
bool experiment_has(const struct experiments *x, enum cow_clock clock,
		    const char *arm, const char *name);

bool experiments_any(const struct run *run, enum cow_clock clock);
void experiments_summary(struct summary *sum, const struct run *run);
int experiments_plots(struct plots *p, const struct run *run, char **why);

#endif
