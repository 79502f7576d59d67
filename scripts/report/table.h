/* SPDX-License-Identifier: GPL-2.0 */
/* table.h - a table, before it is text, CSV, Markdown or HTML */
#ifndef COWREPORT_TABLE_H
#define COWREPORT_TABLE_H

#include "db.h"

#define TABLE_COLS 24
#define TEXT_WIDTH 100
/* In place of a column's bit: keep the table where it has no row */
#define TABLE_KEEP (1u << TABLE_COLS)

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
	char *head[TABLE_COLS];
	unsigned int left;
	bool heat;
	VEC(char *) cell;
	VEC(char *) note;
};

struct table *table_query(sqlite3 *db, const char *none, unsigned int left,
			  const char *sql, const char *types, ...);
struct table *table_pivot(sqlite3 *db, const char *none, const char *first,
			  const char *sql, const char *clock,
			  const char *workload);
void table_title(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_note(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_free(struct table *t);
bool table_print(const struct table *t, bool force, FILE *out);
void table_csv(const struct table *t, FILE *out);

void put_wrapped(FILE *out, const char *s, size_t width);

#endif
