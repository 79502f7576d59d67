// SPDX-License-Identifier: GPL-2.0
/* user.c - cowbench's CSV: what the writer saw */
#define _GNU_SOURCE
#include <math.h>

#include "user.h"

#define COLS_MAX 64
#define ROWS_MAX 4096

enum col {
	COL_COUNT,
	COL_AVG,
	COL_MIN,
	COL_P50,
	COL_P90,
	COL_P99,
	COL_P999,
	COL_MAX,
	COL_ELAPSED,
	COL_FAULTS,
	COL_TOUCHED,
	COL_COPIED,
	COL_WASTED,
	COL_VERIFIED,
	COL_NR
};

static const char *const col_names[COL_NR] = {
	"count",	 "avg_ns",	 "min_ns",	 "p50_ns",     "p90_ns",
	"p99_ns",	 "p999_ns",	 "max_ns",	 "elapsed_ns", "faults",
	"pages_touched", "pages_copied", "pages_wasted", "verified",
};

/**
 * lat_merge_add - one more round, or row
 * @m: what it is put together with; zeroed before the first
 * @lat: its figures; nothing happens where it has no sample
 */
void lat_merge_add(struct lat_merge *m, const struct latency *lat)
{
	const uint64_t p[] = { lat->p50, lat->p90, lat->p99, lat->p999 };

	if (lat->count == NONE || !lat->count)
		return;
	if (lat->min == NONE)
		m->lacks_min = true;
	else if (!m->count || lat->min < m->min)
		m->min = lat->min;
	if (lat->max == NONE)
		m->lacks_max = true;
	else if (!m->count || lat->max > m->max)
		m->max = lat->max;
	if (isnan(lat->avg))
		m->lacks_avg = true;
	else
		m->sum += lat->avg * lat->count;
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		if (p[i] != NONE)
			vec_push(&m->p[i], p[i]);
	m->count = add_sat(m->count, lat->count);
}

/**
 * lat_merge_end - the figures of all together
 * @m: what was put together; emptied
 * @lat: count is the sum, avg the weighted mean, min and max the extremes, a
 * percentile the median of the percentiles
 */
void lat_merge_end(struct lat_merge *m, struct latency *lat)
{
	uint64_t *p[] = { &lat->p50, &lat->p90, &lat->p99, &lat->p999 };

	latency_init(lat);
	lat->count = m->count;
	if (m->count) {
		if (!m->lacks_avg)
			lat->avg = m->sum / m->count;
		if (!m->lacks_min)
			lat->min = m->min;
		if (!m->lacks_max)
			lat->max = m->max;
	}
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		*p[i] = median_u64(m->p[i].v, m->p[i].n);
		vec_free(&m->p[i]);
	}
	memset(m, 0, sizeof(*m));
}

static int fail(struct parse_error *err, int status, size_t line,
		const char *what)
{
	if (err) {
		err->line = line;
		err->what = what;
	}
	return status;
}

struct cells {
	const char *s[COLS_MAX];
	size_t len[COLS_MAX];
	size_t n;
};

/* Split at commas; a line with too many cells ends up with COLS_MAX + 1 */
static void split_csv(const struct lines *l, struct cells *c)
{
	const char *s = l->s, *end = l->s + l->len;

	c->n = 0;
	for (;;) {
		const char *comma = memchr(s, ',', (size_t)(end - s));

		if (c->n == COLS_MAX) {
			c->n++;
			return;
		}
		c->s[c->n] = s;
		c->len[c->n] = (size_t)((comma ? comma : end) - s);
		c->n++;
		if (!comma)
			return;
		s = comma + 1;
	}
}

static bool cell_is(const struct cells *c, size_t i, const char *word)
{
	return c->len[i] == strlen(word) && !memcmp(c->s[i], word, c->len[i]);
}

/* Which column is where; false if one is absent */
static bool read_header(const struct cells *c, size_t map[COL_NR])
{
	for (size_t k = 0; k < COL_NR; k++) {
		size_t i;

		for (i = 0; i < c->n; i++)
			if (cell_is(c, i, col_names[k]))
				break;
		if (i == c->n)
			return false;
		map[k] = i;
	}
	return true;
}

static bool verified(const struct cells *c, size_t i)
{
	static const char *const good[] = {
		"", "1", "yes", "ok", "true", "pass"
	};

	for (size_t k = 0; k < ARRAY_SIZE(good); k++)
		if (cell_is(c, i, good[k]))
			return true;
	return false;
}

static void add_cell(uint64_t *sum, uint64_t val)
{
	if (*sum == NONE || val == NONE)
		*sum = NONE;
	else
		*sum = add_sat(*sum, val);
}

static bool read_row(const struct cells *c, const size_t map[COL_NR],
		     struct user_rec *out, struct lat_merge *merge)
{
	uint64_t val[COL_NR];
	struct latency lat;

	latency_init(&lat);
	for (size_t k = 0; k < COL_VERIFIED; k++) {
		size_t i = map[k];

		val[k] = NONE;
		if (!c->len[i])
			continue;
		if (k == COL_AVG ?
			    !parse_decimal(c->s[i], c->len[i], &lat.avg) :
			    !parse_u64(c->s[i], c->len[i], &val[k]))
			return false;
	}
	lat.count = val[COL_COUNT];
	lat.min = val[COL_MIN];
	lat.p50 = val[COL_P50];
	lat.p90 = val[COL_P90];
	lat.p99 = val[COL_P99];
	lat.p999 = val[COL_P999];
	lat.max = val[COL_MAX];
	if (!latency_ordered(&lat))
		return false;
	lat_merge_add(merge, &lat);
	add_cell(&out->elapsed_ns, val[COL_ELAPSED]);
	add_cell(&out->faults, val[COL_FAULTS]);
	add_cell(&out->pages_touched, val[COL_TOUCHED]);
	add_cell(&out->pages_copied, val[COL_COPIED]);
	add_cell(&out->pages_wasted, val[COL_WASTED]);
	if (!verified(c, map[COL_VERIFIED]))
		out->unverified++;
	out->rows++;
	return true;
}

/**
 * parse_user_csv - read what cowbench wrote
 * @buf: the CSV, a header and one or more rows; any bytes at all
 * @len: its length
 * @out: the rows, put together
 * @err: where and why it failed; may be NULL
 *
 * Columns are found by their names in the header; others than those of
 * struct user_rec are passed over.
 *
 * Return: an enum parse_status.
 */
int parse_user_csv(const char *buf, size_t len, struct user_rec *out,
		   struct parse_error *err)
{
	struct lat_merge merge = { 0 };
	size_t map[COL_NR], ncol = 0;
	int ret = PARSE_OK;
	struct cells c;
	struct lines l;

	memset(out, 0, sizeof(*out));
	latency_init(&out->lat);
	if (is_blank(buf, len))
		return fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (!ret && lines_next(&l)) {
		if (is_blank(l.s, l.len))
			continue;
		split_csv(&l, &c);
		if (c.n > COLS_MAX) {
			ret = fail(err, PARSE_MALFORMED, l.no,
				   "too many columns");
		} else if (!ncol) {
			ncol = c.n;
			if (!read_header(&c, map))
				ret = fail(err,
					   l.open ? PARSE_TRUNCATED :
						    PARSE_MALFORMED,
					   l.no, "not cowbench's header");
		} else if (c.n < ncol) {
			ret = fail(err,
				   l.open ? PARSE_TRUNCATED : PARSE_MALFORMED,
				   l.no, "a row with too few columns");
		} else if (c.n > ncol) {
			ret = fail(err, PARSE_MALFORMED, l.no,
				   "a row with too many columns");
		} else if (out->rows == ROWS_MAX) {
			ret = fail(err, PARSE_MALFORMED, l.no, "too many rows");
		} else if (!read_row(&c, map, out, &merge)) {
			ret = fail(err, PARSE_MALFORMED, l.no,
				   "a row with a cell that cannot be");
		}
	}
	if (!ret && !out->rows)
		ret = fail(err, PARSE_TRUNCATED, l.no,
			   "a header and not one row");
	lat_merge_end(&merge, &out->lat);
	if (!out->lat.count)
		out->lat.count = NONE;
	return ret;
}
