// SPDX-License-Identifier: GPL-2.0
/* table.c - a table, before it is text, CSV, Markdown or HTML */
#define _GNU_SOURCE
#include <assert.h>

#include "table.h"

static struct table *table_of(sqlite3_stmt *q, const char *none,
			      unsigned int left)
{
	struct table *t = xzalloc(sizeof(*t));

	t->left = left & ~TABLE_KEEP;
	t->ncol = (size_t)sqlite3_column_count(q);
	if (t->ncol > TABLE_COLS)
		t->ncol = TABLE_COLS;
	for (size_t i = 0; i < t->ncol; i++)
		t->head[i] = xstrdup(sqlite3_column_name(q, (int)i));
	while (db_next(&q))
		for (size_t i = 0; i < t->ncol; i++) {
			const char *s = col_text(q, (int)i);

			vec_push(&t->cell, xstrdup(s ? s : none));
		}
	if (t->cell.n || left & TABLE_KEEP)
		return t;
	table_free(t);
	return NULL;
}

/**
 * table_query - make a table of what a query returns
 * @db: the store
 * @none: what stands for NULL
 * @left: a bit for each column that is set flush left; TABLE_KEEP
 * @sql: the query, whose columns' names are the heads
 * @types: types of its arguments, as in db_query()
 *
 * Return: the table, to be given to table_free(); NULL where it has no row.
 */
struct table *table_query(sqlite3 *db, const char *none, unsigned int left,
			  const char *sql, const char *types, ...)
{
	struct table *t;
	va_list ap;

	va_start(ap, types);
	t = table_of(db_vquery(db, sql, types, ap), none, left);
	va_end(ap);
	return t;
}

/**
 * table_pivot - make a table with a column for each value of a column
 * @db: the store
 * @none: what stands for NULL
 * @first: head of the first column
 * @sql: a query for columns r, rorder, c, corder and v: a value of row r and
 * column c, and what rows and columns are sorted by: a number, the name of an
 * arm (rows) or of a workload (columns)
 * @clock: its argument ?1
 * @workload: and ?2
 *
 * Return: as table_query().
 */
struct table *table_pivot(sqlite3 *db, const char *none, const char *first,
			  const char *sql, const char *clock,
			  const char *workload)
{
	char *cols = xasprintf(
		"SELECT c FROM (%s) GROUP BY c ORDER BY min(corder) COLLATE workload LIMIT %d",
		sql, TABLE_COLS - 1);
	sqlite3_stmt *q = db_query(db, cols, "ss", clock, workload);
	char *pivot = xasprintf("SELECT r AS \"%s\"", first);
	struct table *t;

	while (db_next(&q))
		append(&pivot, ", max(v) FILTER (WHERE c = '%s') AS \"%s\"",
		       col_text(q, 0), col_text(q, 0));
	append(&pivot,
	       " FROM (%s) GROUP BY r HAVING min(rorder) IS NOT NULL ORDER BY min(rorder) COLLATE arm",
	       sql);
	t = table_query(db, none, 1, pivot, "ss", clock, workload);
	free(pivot);
	free(cols);
	return t;
}

/* Give a table its title */
void table_title(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->title = xvasprintf(fmt, ap);
	va_end(ap);
}

/* Add a line under the table */
void table_note(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vec_push(&t->note, xvasprintf(fmt, ap));
	va_end(ap);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ncol; i++)
		free(t->head[i]);
	for (size_t i = 0; i < t->cell.n; i++)
		free(t->cell.v[i]);
	for (size_t i = 0; i < t->note.n; i++)
		free(t->note.v[i]);
	vec_free(&t->cell);
	vec_free(&t->note);
	free(t->title);
	free(t);
}

static size_t width_with(const struct table *t, size_t *w, size_t gap)
{
	size_t sum = 0;

	assert(t->ncol > 0);
	for (size_t i = 0; i < t->ncol; i++)
		w[i] = strlen(t->head[i]);
	for (size_t i = 0; i < t->cell.n; i++) {
		size_t n = strlen(t->cell.v[i]);

		if (n > w[i % t->ncol])
			w[i % t->ncol] = n;
	}
	for (size_t i = 0; i < t->ncol; i++)
		sum += w[i] + (i ? gap : 0);
	return sum;
}

/* Print a paragraph */
void put_wrapped(FILE *out, const char *s, size_t width)
{
	size_t col = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (col && col + 1 + n > width) {
			fputc('\n', out);
			col = 0;
		}
		if (col) {
			fputc(' ', out);
			col++;
		}
		put_plain(out, s, n);
		col += n;
		s += n;
		s += strspn(s, " ");
	}
	fputc('\n', out);
}

static void print_row(const struct table *t, char *const *cell, const size_t *w,
		      size_t gap, FILE *out)
{
	for (size_t i = 0; i < t->ncol; i++) {
		int pad = (int)(w[i] - strlen(cell[i]));

		fprintf(out, "%*s", (int)(i ? gap : 0), "");
		if (!(t->left & 1u << i))
			fprintf(out, "%*s", pad, "");
		put_plain(out, cell[i], strlen(cell[i]));
		if (t->left & 1u << i && i + 1 < t->ncol)
			fprintf(out, "%*s", pad, "");
	}
	fputc('\n', out);
}

/* Print a table as text; false, and nothing is printed, where it is too wide */
bool table_print(const struct table *t, bool force, FILE *out)
{
	size_t w[TABLE_COLS];
	size_t gap = width_with(t, w, 2) <= TEXT_WIDTH ? 2 : 1;
	size_t width = width_with(t, w, gap);

	if (width > TEXT_WIDTH && !force)
		return false;
	put_wrapped(out, t->title, TEXT_WIDTH);
	print_row(t, t->head, w, gap, out);
	for (size_t i = 0; i < width; i++)
		fputc('-', out);
	fputc('\n', out);
	for (size_t i = 0; i < t->cell.n; i += t->ncol)
		print_row(t, t->cell.v + i, w, gap, out);
	for (size_t i = 0; i < t->note.n; i++)
		put_wrapped(out, t->note.v[i], TEXT_WIDTH);
	return true;
}

static void csv_row(const struct table *t, char *const *cell, FILE *out)
{
	for (size_t i = 0; i < t->ncol; i++)
		fprintf(out, "%s%c", cell[i], i + 1 < t->ncol ? ',' : '\n');
}

/* Print a table as CSV */
void table_csv(const struct table *t, FILE *out)
{
	csv_row(t, t->head, out);
	for (size_t i = 0; i < t->cell.n; i += t->ncol)
		csv_row(t, t->cell.v + i, out);
}
