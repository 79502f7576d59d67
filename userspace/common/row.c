// SPDX-License-Identifier: GPL-2.0
/* A row of results: one string has the columns' names and formats. */
#include "common/row.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

static void write_row(FILE *out, bool csv, bool heading, const char *columns,
		      va_list values)
{
	char format[1024] = "", head[1024] = "", copy[1024];
	char *name, *spec, *save = NULL;
	size_t at = 0, len = 0;

	snprintf(copy, sizeof(copy), "%s", columns);
	for (name = strtok_r(copy, " ", &save); name;
	     name = strtok_r(NULL, " ", &save)) {
		const char *joint = !len ? "" : csv ? "," : " ";

		spec = strchr(name, '%');
		spec[-1] = '\0';
		len += snprintf(head + len, sizeof(head) - len, "%s%*s", joint,
				csv ? 0 : atoi(spec + 1), name);
		if (csv)
			spec += strspn(spec, "%-0123456789") - 1;
		at += snprintf(format + at, sizeof(format) - at, "%s%%%s",
			       joint, spec + 1);
	}
	if (heading)
		fprintf(out, "%s\n", head);
	vfprintf(out, format, values);
	fputc('\n', out);
	if (fflush(out) || ferror(out))
		die("cannot write the results: %s", strerror(errno));
}

/**
 * row_csv - write a row of comma-separated values
 * @out: the file
 * @heading: write the names of the columns above it
 * @columns: for each column its name, =, and the format of its value
 */
void row_csv(FILE *out, bool heading, const char *columns, ...)
{
	va_list values;

	va_start(values, columns);
	write_row(out, true, heading, columns, values);
	va_end(values);
}

/**
 * row_table - write a row of a table to standard output
 * @heading: write the names of the columns above it
 * @columns: as for row_csv(), each format with its width
 */
void row_table(bool heading, const char *columns, ...)
{
	va_list values;

	va_start(values, columns);
	write_row(stdout, false, heading, columns, values);
	va_end(values);
}

/**
 * cell_csv - a number as the text of a cell
 * @known: false: the cell is empty
 * @value: the number
 *
 * Return: the cell.
 */
struct cell cell_csv(bool known, uint64_t value)
{
	struct cell cell = { "" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), "%lu", value);
	return cell;
}

/**
 * cell_table - a number as the text of a cell
 * @known: false: the cell is a dash
 * @value: the number
 *
 * Return: the cell.
 */
struct cell cell_table(bool known, uint64_t value)
{
	return known ? cell_csv(true, value) : (struct cell){ "-" };
}
