/* SPDX-License-Identifier: GPL-2.0 */
/* plot.h - pictures, drawn by gnuplot */
#ifndef COWREPORT_PLOT_H
#define COWREPORT_PLOT_H

#include "run.h"

/**
 * struct plot - one picture
 * @file: its name under the report's folder
 * @title: what it shows
 * @reading: how to read it
 * @svg: the picture
 */
struct plot {
	char *file, *title;
	const char *reading;
	char *svg;
};

/**
 * struct plots - the pictures of a report
 * @dir: the report's folder
 * @why: why one is missing; NULL if none is
 */
struct plots {
	const char *dir;
	char *why;
	VEC(struct plot) plot;
};

int plots_begin(struct plots *p, const char *dir);
int plots_cells(struct plots *p, const struct run *run);
int plots_experiments(struct plots *p, sqlite3 *db);
void plots_free(struct plots *p);
const struct plot *plots_named(const struct plots *p, const char *clock,
			       const char *name);

/**
 * struct drawing - a picture that is being made
 * @plot: the picture
 * @gp: what gnuplot is told: a picture of the terminal svg
 */
struct drawing {
	struct plot plot;
	struct memo gp;
};

void drawing_begin(struct drawing *d, const char *clock, const char *name,
		   char *title, const char *reading);
int drawing_end(struct drawing *d, struct plots *p, bool any);
void put_head(struct drawing *d, int height);
void put_multi(struct drawing *d, int height, int panels);
void put_quoted(FILE *out, const char *s);
size_t put_data(FILE *gp, const char *name, sqlite3_stmt *q);
int height_with_key(size_t entries);
const char *colour(const char *arm);
const char *dash(const char *arm);

#endif
