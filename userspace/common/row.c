// SPDX-License-Identifier: GPL-2.0
/* A row of results: each cell names its column. */
#include "common/row.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/util.h"

/**
 * row_begin - begin a row
 * @row: the row
 * @out: where it is written to
 * @csv: comma-separated values; false: a table
 */
void row_begin(struct row *row, FILE *out, bool csv)
{
	row->out = out;
	row->csv = csv;
	row->head_len = 0;
	row->body_len = 0;
}

static void add(const struct row *row, char *line, size_t *len, int width,
		const char *text)
{
	const size_t room = sizeof(row->head) - *len;
	int n;

	if (row->csv)
		n = snprintf(line + *len, room, "%s%s", *len ? "," : "", text);
	else
		n = snprintf(line + *len, room, "%s%*s", *len ? " " : "", width,
			     text);
	if ((size_t)n >= room)
		die("a row of results is too long");
	*len += n;
}

/**
 * row_text - add a cell
 * @row: the row
 * @name: the column's name; a table leaves out `pages_`
 * @width: characters in a table, negative: aligned left; or CSV_ONLY
 * @text: the cell
 */
void row_text(struct row *row, const char *name, int width, const char *text)
{
	if (!row->csv && width == CSV_ONLY)
		return;
	if (!row->csv && !strncmp(name, "pages_", 6))
		name += 6;
	add(row, row->head, &row->head_len, width, name);
	add(row, row->body, &row->body_len, width, text);
}

/**
 * row_number - add a number
 * @row: the row
 * @name: as in row_text()
 * @width: as in row_text()
 * @value: the number
 */
void row_number(struct row *row, const char *name, int width, uint64_t value)
{
	row_maybe(row, name, width, true, value);
}

/**
 * row_maybe - add a number, or an empty cell
 * @row: the row
 * @name: as in row_text()
 * @width: as in row_text()
 * @known: false: the cell is empty in CSV and a dash in a table
 * @value: the number
 */
void row_maybe(struct row *row, const char *name, int width, bool known,
	       uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (!known)
		strcpy(text, row->csv ? "" : "-");
	row_text(row, name, width, text);
}

/**
 * row_stats - add the columns from avg_ns to max_ns
 * @row: the row
 * @stats: their values
 */
void row_stats(struct row *row, const struct stats *stats)
{
	row_number(row, "avg_ns", 8, stats->avg);
	row_number(row, "min_ns", 8, stats->min);
	row_number(row, "p50_ns", 8, stats->p50);
	row_number(row, "p90_ns", 8, stats->p90);
	row_number(row, "p99_ns", 8, stats->p99);
	row_number(row, "p999_ns", 8, stats->p999);
	row_number(row, "max_ns", 9, stats->max);
}

/**
 * row_end - write the row
 * @row: the row
 * @heading: write the names of the columns above it
 */
void row_end(struct row *row, bool heading)
{
	if (heading)
		fprintf(row->out, "%s\n", row->head);
	fprintf(row->out, "%s\n", row->body);
	if (fflush(row->out) || ferror(row->out))
		die("cannot write the results: %s", strerror(errno));
}
