/* SPDX-License-Identifier: GPL-2.0 */
/* plot.h - the report's pictures */
#ifndef COWREPORT_PLOT_H
#define COWREPORT_PLOT_H

#include "summary.h"

/**
 * enum plot_kind - what a picture shows
 * @PLOT_DIST: latencies of a workload's writes
 * @PLOT_TAIL: their tail
 * @PLOT_COST: what a page written costs
 * @PLOT_SWEEP: cost and tail against the window, of a boot
 * @PLOT_MEMORY: memory against time saved, of a boot
 * @PLOT_OTHER: what a section of its own has drawn
 */
enum plot_kind {
	PLOT_DIST,
	PLOT_TAIL,
	PLOT_COST,
	PLOT_SWEEP,
	PLOT_MEMORY,
	PLOT_OTHER,
};

/**
 * struct plot - one picture
 * @clock: the boot
 * @workload: the workload; empty where it shows more than one
 * @kind: what it shows
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
int plots_add(struct plots *p, const struct run *run, struct plot *new,
	      const char *script, size_t len, char **why);
const struct plot *plots_find(const struct plots *p, enum plot_kind kind,
			      enum cow_clock clock, const char *workload);
const struct plot *plots_named(const struct plots *p, const char *file);

/* For those who draw their own: a picture's head, an arm's colour and dash */
void put_head(FILE *gp, const struct plot *p, int height);
void put_quoted(FILE *out, const char *s);
const char *colour(const char *arm);
const char *dash(const char *arm);

void plot_inline(const struct plot *p, size_t number, FILE *out);

#endif
