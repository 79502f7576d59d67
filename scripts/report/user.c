// SPDX-License-Identifier: GPL-2.0
/* user.c - cowbench's CSV: what the writer saw */
#define _GNU_SOURCE
#include <math.h>
#include <stddef.h>

#include "user.h"

#define COLS_MAX 64
#define ROWS_MAX 4096

/* Whole numbers, the last column aside: avg_ns is read apart */
static const struct {
	const char *name;
	size_t at;
} cols[] = {
#define COL(name, member)                               \
	{                                               \
		name, offsetof(struct user_rec, member) \
	}
	COL("count", lat.count),
	COL("min_ns", lat.min),
	COL("p50_ns", lat.p50),
	COL("p90_ns", lat.p90),
	COL("p99_ns", lat.p99),
	COL("p999_ns", lat.p999),
	COL("max_ns", lat.max),
	COL("elapsed_ns", elapsed_ns),
	COL("faults", faults),
	COL("pages_touched", pages_touched),
	COL("pages_copied", pages_copied),
	COL("pages_wasted", pages_wasted),
	COL("avg_ns", lat.avg),
	COL("verified", unverified),
#undef COL
};

enum { COL_P50 = 2, COL_ELAPSED = 7, COL_AVG = 12, COL_VERIFIED, COL_NR };

static uint64_t *field(struct user_rec *rec, size_t col)
{
	return (uint64_t *)((char *)rec + cols[col].at);
}

/* The rows so far, of those that have a sample */
struct merge {
	uint64_t count;
	long double sum;
	uint64_t min, max;
	VEC(uint64_t) p[4];
};

static void merge_add(struct merge *m, struct user_rec *row)
{
	const struct latency *lat = &row->lat;

	if (lat->count == NONE || !lat->count)
		return;
	/* NONE where one row does not say */
	if (!m->count || lat->min == NONE ||
	    (m->min != NONE && lat->min < m->min))
		m->min = lat->min;
	if (!m->count || lat->max > m->max)
		m->max = lat->max;
	m->sum += lat->avg * lat->count;
	for (size_t i = 0; i < ARRAY_SIZE(m->p); i++)
		if (*field(row, COL_P50 + i) != NONE)
			vec_push(&m->p[i], *field(row, COL_P50 + i));
	m->count = add_sat(m->count, lat->count);
}

static void merge_end(struct merge *m, struct user_rec *out)
{
	if (m->count) {
		out->lat.count = m->count;
		out->lat.avg = m->sum / m->count;
		out->lat.min = m->min;
		out->lat.max = m->max;
	}
	for (size_t i = 0; i < ARRAY_SIZE(m->p); i++) {
		*field(out, COL_P50 + i) = median_u64(m->p[i].v, m->p[i].n);
		vec_free(&m->p[i]);
	}
}

/* Which column is where; false if one is absent */
static bool read_header(const struct word *w, size_t n, size_t map[COL_NR])
{
	for (size_t k = 0; k < COL_NR; k++) {
		size_t i = 0;

		while (i < n && !word_is(&w[i], cols[k].name))
			i++;
		if (i == n)
			return false;
		map[k] = i;
	}
	return true;
}

static bool verified(const struct word *w)
{
	static const char *const good[] = {
		"", "1", "yes", "ok", "true", "pass"
	};

	for (size_t k = 0; k < ARRAY_SIZE(good); k++)
		if (word_is(w, good[k]))
			return true;
	return false;
}

static bool read_row(const struct word *w, const size_t map[COL_NR],
		     struct user_rec *out, struct merge *merge)
{
	struct user_rec row = { 0 };

	latency_init(&row.lat);
	for (size_t k = 0; k < COL_VERIFIED; k++) {
		const struct word *cell = &w[map[k]];

		if (k != COL_AVG)
			*field(&row, k) = NONE;
		if (cell->len &&
		    !(k == COL_AVG ?
			      parse_decimal(cell->s, cell->len, &row.lat.avg) :
			      parse_u64(cell->s, cell->len, field(&row, k))))
			return false;
	}
	if (!latency_ordered(&row.lat))
		return false;
	merge_add(merge, &row);
	for (size_t k = COL_ELAPSED; k < COL_AVG; k++) {
		uint64_t *sum = field(out, k), val = *field(&row, k);

		*sum = *sum == NONE || val == NONE ? NONE : add_sat(*sum, val);
	}
	out->unverified += !verified(&w[map[COL_VERIFIED]]);
	out->rows++;
	return true;
}

/*
 * Read what cowbench wrote: a header and one or more rows. Columns are found by
 * their names in the header; others than those of struct user_rec are passed
 * over.
 */
int parse_user_csv(const char *buf, size_t len, struct user_rec *out,
		   struct parse_error *err)
{
	struct merge merge = { 0 };
	size_t map[COL_NR], ncol = 0, n;
	struct word w[COLS_MAX];
	int ret = PARSE_OK;
	struct lines l;

	memset(out, 0, sizeof(*out));
	latency_init(&out->lat);
	if (is_blank(buf, len))
		return parse_fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (!ret && lines_next(&l)) {
		if (is_blank(l.s, l.len))
			continue;
		n = split_csv(&l, w, COLS_MAX);
		if (n > COLS_MAX) {
			ret = lines_bad(&l, err, "too many columns");
		} else if (!ncol) {
			ncol = n;
			if (!read_header(w, n, map))
				ret = lines_fail(&l, err,
						 "not cowbench's header");
		} else if (n < ncol) {
			ret = lines_fail(&l, err, "a row with too few columns");
		} else if (n > ncol) {
			ret = lines_bad(&l, err, "a row with too many columns");
		} else if (out->rows == ROWS_MAX) {
			ret = lines_bad(&l, err, "too many rows");
		} else if (!read_row(w, map, out, &merge)) {
			ret = lines_bad(&l, err,
					"a row with an impossible cell");
		}
	}
	if (!ret && !out->rows)
		ret = parse_fail(err, PARSE_TRUNCATED, l.no,
				 "a header and no row");
	merge_end(&merge, out);
	return ret;
}
