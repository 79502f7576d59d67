/* SPDX-License-Identifier: GPL-2.0 */
/* A row of results: CSV, or a table for people. */
#ifndef COWLAB_ROW_H
#define COWLAB_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/samples.h"

/* Width of a cell that a table leaves out. */
#define CSV_ONLY 0

/**
 * struct row - a row while its cells are added
 * @out: the file it is written to
 * @csv: comma-separated values; false: a table
 * @head_len: bytes in @head
 * @body_len: bytes in @body
 * @head: names of the columns
 * @body: the cells
 */
struct row {
	FILE *out;
	bool csv;
	size_t head_len;
	size_t body_len;
	char head[1024];
	char body[1024];
};

void row_begin(struct row *row, FILE *out, bool csv);
void row_text(struct row *row, const char *name, int width, const char *text);
void row_number(struct row *row, const char *name, int width, uint64_t value);
void row_maybe(struct row *row, const char *name, int width, bool known,
	       uint64_t value);
void row_stats(struct row *row, const struct stats *stats);
void row_end(struct row *row, bool heading);

#endif /* COWLAB_ROW_H */
