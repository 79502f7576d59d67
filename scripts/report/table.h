/* SPDX-License-Identifier: GPL-2.0 */
/* table.h - the report's tables, before they are text, Markdown or HTML */
#ifndef COWREPORT_TABLE_H
#define COWREPORT_TABLE_H

#include "summary.h"

#define TABLE_COLS 24
#define TEXT_WIDTH 100

/**
 * struct table - a table
 * @title: what it shows, and of which boot
 * @ncol: number of columns
 * @head: their heads
 * @left: a bit for each column that is set flush left
 * @heat: its numbers are ratios, and are shaded
 * @cell: the cells, row by row
 * @note: lines that belong under it
 */
struct table {
	char *title;
	size_t ncol;
	const char *head[TABLE_COLS];
	unsigned int left;
	bool heat;
	VEC(char *) cell;
	VEC(char *) note;
};

struct table *table_new(const char *const *head, size_t ncol,
			unsigned int left);
void table_put(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_note(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_free(struct table *t);
void table_print(const struct table *t, FILE *out);
size_t table_width(const struct table *t);

/**
 * enum density - how numbers are written
 * @DENSE_NO: in full
 * @DENSE_TEXT: in full, with short heads of columns
 * @DENSE_MS: from ten million ns on as ms or s
 * @DENSE_ALL: from 100,000 ns on in three or four digits
 */
enum density { DENSE_NO, DENSE_TEXT, DENSE_MS, DENSE_ALL, DENSE_END };

/* What stands under every Table 1; as text, under the last of them */
extern const char table_service_note[];

struct table *table_service(const struct run *run, const struct summary *sum,
			    enum cow_clock clock, const char *workload,
			    enum density density);
struct table *table_touch(const struct run *run, const struct summary *sum,
			  enum cow_clock clock, const char *workload);
struct table *table_counts(const struct run *run);
struct table *table_stats(const struct run *run, enum cow_clock clock,
			  const char *workload);
struct table *table_paper(const struct run *run, const struct summary *sum,
			  enum cow_clock clock);
struct table *table_ratios(const struct run *run, const struct summary *sum,
			   enum cow_clock clock);
struct table *table_memory(const struct run *run, const struct summary *sum,
			   enum cow_clock clock);
struct table *table_sweep(const struct run *run, const struct summary *sum,
			  enum cow_clock clock);
void table_print_service(const struct run *run, const struct summary *sum,
			 enum cow_clock clock, const char *workload, FILE *out);

void put_wrapped(FILE *out, const char *s, size_t width);

#endif
