/* SPDX-License-Identifier: GPL-2.0 */
/* plot.h - the report's pictures */
#ifndef COWREPORT_PLOT_H
#define COWREPORT_PLOT_H

#include "summary.h"

enum plot_kind { PLOT_DIST, PLOT_TAIL, PLOT_COST, PLOT_KINDS };

/**
 * struct plot - one picture
 * @clock: the boot
 * @workload: the workload
 * @kind: which of the three
 * @file: its name under the run's folder
 * @title: what it shows
 * @reading: how to read it
 * @svg: the picture
 * @len: its length
 */
struct plot {
	enum plot_kind kind;
	enum cow_clock clock;
	char workload[NAME_LEN];
	char *file, *title;
	const char *reading;
	char *svg;
	size_t len;
};

struct plots {
	VEC(struct plot) plot;
};

int plots_make(struct plots *p, const struct run *run,
	       const struct summary *sum, char **why);
void plots_free(struct plots *p);
void plot_inline(const struct plot *p, size_t number, FILE *out);

#endif
