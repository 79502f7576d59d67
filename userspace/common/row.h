/* SPDX-License-Identifier: GPL-2.0 */
/* A row of results: CSV, or a table for people. */
#ifndef COWLAB_ROW_H
#define COWLAB_ROW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The columns of a struct stats after its count, and their values. */
#define ROW_STATS                                                      \
	"avg_ns=%8lu min_ns=%8lu p50_ns=%8lu p90_ns=%8lu p99_ns=%8lu " \
	"p999_ns=%8lu max_ns=%9lu"
#define ROW_STATS_OF(s) \
	(s)->avg, (s)->min, (s)->p50, (s)->p90, (s)->p99, (s)->p999, (s)->max

/* A cell that may be unknown. */
struct cell {
	char text[24];
};

struct cell cell_csv(bool known, uint64_t value);
struct cell cell_table(bool known, uint64_t value);

__attribute__((format(printf, 3, 4))) void row_csv(FILE *out, bool heading,
						   const char *columns, ...);
__attribute__((format(printf, 2, 3))) void row_table(bool heading,
						     const char *columns, ...);

#endif /* COWLAB_ROW_H */
