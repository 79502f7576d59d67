// SPDX-License-Identifier: GPL-2.0
/* experiments.c - what a run's experiments left, read */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>
#include <stdarg.h>

#include "experiments.h"

#define FILE_LIMIT ((size_t)16 << 20)

/* "adaptive.redis32k.1" */
static bool key_parse(const char *s, struct cell_key *key)
{
	const char *dot = strchr(s, '.'), *last = strrchr(s, '.');

	return dot && last != dot &&
	       copy_name(key->arm, s, (size_t)(dot - s)) &&
	       copy_name(key->workload, dot + 1, (size_t)(last - dot - 1)) &&
	       parse_u64(last + 1, strlen(last + 1), &key->round) &&
	       key->round <= ROUND_MAX;
}

static int cmp_keys(const void *a, const void *b)
{
	return cmp_key(a, b);
}

/**
 * experiments_list - list the experiments of a run
 * @x: the list, to be given to experiments_free()
 * @run: the run
 */
void experiments_list(struct experiments *x, const struct run *run)
{
	memset(x, 0, sizeof(*x));
	x->run = run;
	for (int clock = 0; clock < CLK_UNKNOWN; clock++) {
		char *path = xasprintf("%s/raw/%s/experiments", run->dir,
				       clock_name((enum cow_clock)clock));
		DIR *dir = opendir(path);
		struct dirent *d;

		free(path);
		while (dir && (d = readdir(dir))) {
			struct cell_key key = { .clock =
							(enum cow_clock)clock };

			if (key_parse(d->d_name, &key))
				vec_push(&x->key, key);
		}
		if (dir)
			closedir(dir);
	}
	if (x->key.n)
		qsort(x->key.v, x->key.n, sizeof(*x->key.v), cmp_keys);
}

/**
 * experiments_any - does a run hold experiments?
 * @run: the run
 * @clock: of which boot; CLK_NR: of any
 *
 * Return: true if it does.
 */
bool experiments_any(const struct run *run, enum cow_clock clock)
{
	struct experiments x;
	bool any = false;

	experiments_list(&x, run);
	for (size_t i = 0; i < x.key.n; i++)
		any |= clock == CLK_NR || x.key.v[i].clock == clock;
	experiments_free(&x);
	return any;
}

void experiments_free(struct experiments *x)
{
	vec_free(&x->key);
}

/* Ends every cell with a 0 in place; false where a row has not as many */
static bool split(struct sheet *sheet)
{
	char *s = sheet->buf;

	while (*s) {
		size_t n = 0;
		char end;

		do {
			vec_push(&sheet->cell, s);
			s += strcspn(s, ",\n");
			end = *s;
			if (end)
				*s++ = '\0';
			n++;
		} while (end == ',');
		if (!sheet->ncol)
			sheet->ncol = n;
		else if (n == sheet->ncol)
			sheet->nrow++;
		else
			return false;
	}
	return sheet->ncol;
}

/**
 * experiment_sheet - read a CSV file of an experiment
 * @x: the experiments
 * @key: which
 * @file: the file's name
 * @sheet: the result, to be given to sheet_free()
 *
 * Return: 0, or -1 where there is none, or it is no table.
 */
int experiment_sheet(const struct experiments *x, const struct cell_key *key,
		     const char *file, struct sheet *sheet)
{
	char *path = xasprintf("%s/raw/%s/experiments/%s.%s.%ju/%s",
			       x->run->dir, clock_name(key->clock), key->arm,
			       key->workload, (uintmax_t)key->round, file);
	size_t len;
	int ret = -1;

	memset(sheet, 0, sizeof(*sheet));
	if (read_file(path, FILE_LIMIT, &sheet->buf, &len) == FILE_OK) {
		sheet->buf = realloc(sheet->buf, len + 1);
		sheet->buf[len] = '\0';
		ret = split(sheet) ? 0 : -1;
		if (ret)
			sheet_free(sheet);
	}
	free(path);
	return ret;
}

void sheet_free(struct sheet *sheet)
{
	vec_free(&sheet->cell);
	free(sheet->buf);
	memset(sheet, 0, sizeof(*sheet));
}

static const char *sheet_text(const struct sheet *sheet, size_t row,
			      const char *col)
{
	for (size_t i = 0; i < sheet->ncol; i++)
		if (!strcmp(sheet->cell.v[i], col))
			return sheet->cell.v[(row + 1) * sheet->ncol + i];
	return "";
}

/**
 * sheet_number - a cell
 * @sheet: the sheet
 * @row: from 0
 * @col: the column's head
 *
 * Return: its number, NAN where there is none.
 */
double sheet_number(const struct sheet *sheet, size_t row, const char *col)
{
	const char *s = sheet_text(sheet, row, col);
	const bool negative = *s == '-';
	long double value;

	if (!parse_decimal(s + negative, strlen(s + negative), &value))
		return NAN;
	return (double)(negative ? -value : value);
}

/* @cond: pairs of a column and what stands in it, up to NULL */
static bool row_is(const struct sheet *sheet, size_t row, va_list cond)
{
	const char *col, *text;

	while ((col = va_arg(cond, const char *))) {
		text = va_arg(cond, const char *);
		if (strcmp(sheet_text(sheet, row, col), text))
			return false;
	}
	return true;
}

/**
 * experiment_value - a figure of an experiment, the median over its rounds
 * @x: the experiments
 * @clock: the boot
 * @arm: the arm
 * @name: the experiment
 * @file: its file
 * @col: the column
 * @...: columns and what must stand in them, in pairs, then NULL
 *
 * Return: the median over all rows that fit, in all rounds; NAN: none.
 */
double experiment_value(const struct experiments *x, enum cow_clock clock,
			const char *arm, const char *name, const char *file,
			const char *col, ...)
{
	VEC(double) values = { 0 };
	double median;

	for (size_t i = 0; i < x->key.n; i++) {
		const struct cell_key *key = &x->key.v[i];
		struct sheet sheet;

		if (key->clock != clock || strcmp(key->arm, arm) ||
		    strcmp(key->workload, name) ||
		    experiment_sheet(x, key, file, &sheet))
			continue;
		for (size_t row = 0; row < sheet.nrow; row++) {
			double value = sheet_number(&sheet, row, col);
			va_list cond;
			bool fits;

			va_start(cond, col);
			fits = row_is(&sheet, row, cond);
			va_end(cond);
			if (fits && !isnan(value))
				vec_push(&values, value);
		}
		sheet_free(&sheet);
	}
	median = values.n ? median_double(values.v, values.n) : NAN;
	vec_free(&values);
	return median;
}

/**
 * experiment_has - is there an experiment of that arm?
 * @x: the experiments
 * @clock: the boot
 * @arm: the arm; NULL: any
 * @name: the experiment
 *
 * Return: true if there is.
 */
bool experiment_has(const struct experiments *x, enum cow_clock clock,
		    const char *arm, const char *name)
{
	for (size_t i = 0; i < x->key.n; i++)
		if (x->key.v[i].clock == clock &&
		    (!arm || !strcmp(x->key.v[i].arm, arm)) &&
		    !strcmp(x->key.v[i].workload, name))
			return true;
	return false;
}

static uint64_t whole(double value)
{
	return isnan(value) ? NONE : round_u64(value);
}

/* The first row of request.csv: the save, or all requests */
static void add_request(struct summary *sum, const struct experiments *x,
			const struct cell_key *key, const char *phase)
{
	const struct summary_row *base;
	struct summary_row row = {
		.clock = key->clock,
		.source = SRC_USER,
		.stage = "request",
		.touched = NONE,
		.copied = NONE,
		.wasted = NONE,
		.ns_per_page = NAN,
		.overhead = NAN,
		.page_min = NAN,
		.page_max = NAN,
		.ratio = NAN,
		.ratio_min = NAN,
		.ratio_max = NAN,
	};
	const struct {
		const char *col;
		uint64_t *to;
	} cols[] = {
		{ "count", &row.lat.count }, { "min_ns", &row.lat.min },
		{ "p50_ns", &row.lat.p50 },  { "p90_ns", &row.lat.p90 },
		{ "p99_ns", &row.lat.p99 },  { "p999_ns", &row.lat.p999 },
		{ "max_ns", &row.lat.max },  { "faults", &row.faults },
	};

	strcpy(row.arm, key->arm);
	strcpy(row.workload, key->workload);
	for (size_t i = 0; i < ARRAY_SIZE(cols); i++)
		*cols[i].to = whole(experiment_value(
			x, key->clock, key->arm, key->workload, "request.csv",
			cols[i].col, "phase", phase, NULL));
	row.lat.avg = experiment_value(x, key->clock, key->arm, key->workload,
				       "request.csv", "avg_ns", "phase", phase,
				       NULL);
	if (row.lat.count == NONE)
		return;
	base = summary_find(sum, key->clock, "baseline", key->workload,
			    SRC_USER, "request");
	if (!strcmp(key->arm, "baseline"))
		row.ratio = 1;
	else if (base && base->lat.avg > 0)
		row.ratio = (double)(row.lat.avg / base->lat.avg);
	vec_push(&sum->row, row);
}

/**
 * experiments_summary - add the experiments' requests to a summary
 * @sum: the summary
 * @run: the run
 *
 * All figures are medians over the rounds.
 */
void experiments_summary(struct summary *sum, const struct run *run)
{
	struct experiments x;

	experiments_list(&x, run);
	for (size_t i = 0; i < x.key.n; i++) {
		const struct cell_key *key = &x.key.v[i];

		if (i && key[-1].clock == key->clock &&
		    !strcmp(key[-1].arm, key->arm) &&
		    !strcmp(key[-1].workload, key->workload))
			continue;
		if (!strncmp(key->workload, "redis", 5))
			add_request(sum, &x, key, "save");
		else if (!strcmp(key->workload, "prefork"))
			add_request(sum, &x, key, "all");
	}
	experiments_free(&x);
}
