// SPDX-License-Identifier: GPL-2.0
/* hist.c - the module's debugfs dumps and cowbench's histogram */
#define _GNU_SOURCE
#include <math.h>

#include "hist.h"

#define STAGES_MAX 32
#define STATS_MAX 256

static int fail(struct parse_error *err, int status, size_t line,
		const char *what)
{
	if (err) {
		err->line = line;
		err->what = what;
	}
	return status;
}

/**
 * latency_init - nothing is known
 * @lat: what to set
 */
void latency_init(struct latency *lat)
{
	*lat = (struct latency){
		.count = NONE,
		.avg = NAN,
		.min = NONE,
		.p50 = NONE,
		.p90 = NONE,
		.p99 = NONE,
		.p999 = NONE,
		.max = NONE,
	};
}

/**
 * latency_ordered - can these be the figures of one set of samples
 * @lat: the figures; those not known are passed over
 *
 * Return: false where a percentile falls below a lower one, or the smallest
 * lies above the largest. Percentiles out of a histogram may lie outside of
 * smallest and largest by a bucket's width, so those are not compared.
 */
bool latency_ordered(const struct latency *lat)
{
	const uint64_t p[] = { lat->p50, lat->p90, lat->p99, lat->p999 };
	uint64_t last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		if (p[i] == NONE)
			continue;
		if (p[i] < last)
			return false;
		last = p[i];
	}
	return lat->min == NONE || lat->max == NONE || lat->min <= lat->max;
}

/**
 * latency_of_samples - figures of single samples
 * @lat: the result
 * @ns: the samples, in any order
 * @n: how many
 */
void latency_of_samples(struct latency *lat, const uint64_t *ns, size_t n)
{
	long double sum = 0;
	VEC(uint64_t) v = { 0 };

	latency_init(lat);
	lat->count = n;
	if (!n)
		return;
	for (size_t i = 0; i < n; i++) {
		vec_push(&v, ns[i]);
		sum += ns[i];
	}
	qsort(v.v, n, sizeof(*v.v), cmp_u64);
	lat->avg = sum / n;
	lat->min = v.v[0];
	lat->p50 = percentile_sorted(v.v, n, 500);
	lat->p90 = percentile_sorted(v.v, n, 900);
	lat->p99 = percentile_sorted(v.v, n, 990);
	lat->p999 = percentile_sorted(v.v, n, 999);
	lat->max = v.v[n - 1];
	vec_free(&v);
}

/* Split a line at white space; return the number of words, at most max */
static size_t split(const struct lines *l, const char **word, size_t *len,
		    size_t max)
{
	size_t n = 0, i = 0;

	while (n < max) {
		while (i < l->len && (l->s[i] == ' ' || l->s[i] == '\t'))
			i++;
		if (i == l->len)
			break;
		word[n] = l->s + i;
		while (i < l->len && l->s[i] != ' ' && l->s[i] != '\t')
			i++;
		len[n] = (size_t)(l->s + i - word[n]);
		n++;
	}
	return n;
}

static bool is_word(const char *word, size_t len, const char *s)
{
	return strlen(s) == len && !memcmp(word, s, len);
}

/* Where the value of this key goes; NULL if there is no such key */
static uint64_t *slot(struct latency *lat, const char *key, size_t len)
{
	const struct {
		const char *key;
		uint64_t *val;
	} slots[] = {
		{ "count", &lat->count }, { "min", &lat->min },
		{ "p50", &lat->p50 },	  { "p90", &lat->p90 },
		{ "p99", &lat->p99 },	  { "p99.9", &lat->p999 },
		{ "max", &lat->max },
	};

	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		if (is_word(key, len, slots[i].key))
			return slots[i].val;
	return NULL;
}

/* Is the stage read last whole? in_table: the sum of its buckets holds */
static int finish_stage(const struct stage_list *list, uint64_t sum,
			bool in_table, struct parse_error *err, size_t line)
{
	const struct latency *lat;

	if (!list->stage.n)
		return PARSE_OK;
	lat = &list->stage.v[list->stage.n - 1].lat;
	if (lat->count == NONE)
		return fail(err, PARSE_TRUNCATED, line, "a stage has no count");
	if (!lat->count && sum)
		return fail(err, PARSE_MALFORMED, line,
			    "the buckets hold more than the count says");
	if (!lat->count)
		return PARSE_OK;
	if (isnan(lat->avg) || lat->min == NONE || lat->p50 == NONE ||
	    lat->p90 == NONE || lat->p99 == NONE || lat->p999 == NONE ||
	    lat->max == NONE)
		return fail(err, PARSE_TRUNCATED, line,
			    "a stage lacks some of its figures");
	if (!in_table)
		return fail(err, PARSE_TRUNCATED, line,
			    "a stage lacks its histogram");
	if (sum < lat->count)
		return fail(err, PARSE_TRUNCATED, line,
			    "the buckets hold less than the count says");
	if (sum > lat->count)
		return fail(err, PARSE_MALFORMED, line,
			    "the buckets hold more than the count says");
	if (!latency_ordered(lat))
		return fail(err, PARSE_MALFORMED, line,
			    "percentiles are out of order");
	return PARSE_OK;
}

/* One without samples too, which stage_find() passes over */
static bool has_stage(const struct stage_list *list, const char *name)
{
	for (size_t i = 0; i < list->stage.n; i++)
		if (!strcmp(list->stage.v[i].name, name))
			return true;
	return false;
}

/**
 * parse_latency_hist - read the debugfs file latency_hist
 * @buf: the file; any bytes at all
 * @len: its length
 * @out: its stages, to be given to stage_list_free() in every case
 * @err: where and why it failed; may be NULL
 *
 * Return: an enum parse_status.
 */
int parse_latency_hist(const char *buf, size_t len, struct stage_list *out,
		       struct parse_error *err)
{
	bool in_table = false;
	struct stage *st = NULL;
	const char *w[6];
	size_t wl[6], n;
	struct lines l;
	uint64_t sum = 0, val, *to;
	int ret;

	memset(out, 0, sizeof(*out));
	if (is_blank(buf, len))
		return fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		n = split(&l, w, wl, ARRAY_SIZE(w));
		if (!n)
			continue;
		if (is_word(w[0], wl[0], "stage:")) {
			struct stage new = { 0 };

			ret = finish_stage(out, sum, in_table, err, l.no);
			if (ret)
				return ret;
			if (n != 2 || !copy_name(new.name, w[1], wl[1]))
				return fail(err,
					    l.open ? PARSE_TRUNCATED :
						     PARSE_MALFORMED,
					    l.no, "no name of a stage");
			if (out->stage.n == STAGES_MAX)
				return fail(err, PARSE_MALFORMED, l.no,
					    "too many stages");
			if (has_stage(out, new.name))
				return fail(err, PARSE_MALFORMED, l.no,
					    "a stage comes twice");
			latency_init(&new.lat);
			vec_push(&out->stage, new);
			st = &out->stage.v[out->stage.n - 1];
			sum = 0;
			in_table = false;
			continue;
		}
		if (!st)
			return fail(err, PARSE_MALFORMED, l.no,
				    "no stage begins the file");
		if (is_word(w[0], wl[0], "ns") ||
		    is_word(w[0], wl[0], "nsecs")) {
			in_table = true;
			continue;
		}
		if (in_table) {
			/* lower -> upper : count |***| */
			if (n < 5 || !is_word(w[1], wl[1], "->") ||
			    !is_word(w[3], wl[3], ":") ||
			    !parse_u64(w[0], wl[0], &val) ||
			    !parse_u64(w[2], wl[2], &val) ||
			    !parse_u64(w[4], wl[4], &val))
				return fail(err,
					    l.open ? PARSE_TRUNCATED :
						     PARSE_MALFORMED,
					    l.no, "no bucket of a histogram");
			sum = add_sat(sum, val);
			continue;
		}
		if (n == 2 && is_word(w[0], wl[0], "avg")) {
			if (isnan(st->lat.avg) &&
			    parse_decimal(w[1], wl[1], &st->lat.avg))
				continue;
			to = NULL;
		} else {
			to = slot(&st->lat, w[0], wl[0]);
		}
		if (!to || n != 2 || *to != NONE || !parse_u64(w[1], wl[1], to))
			return fail(err,
				    l.open ? PARSE_TRUNCATED : PARSE_MALFORMED,
				    l.no, "no figure of a stage");
	}
	return finish_stage(out, sum, in_table, err, l.no);
}

/**
 * stage_find - the figures of a stage
 * @list: the stages
 * @name: the name of one
 *
 * Return: its figures, or NULL if it is not there or has no sample.
 */
const struct latency *stage_find(const struct stage_list *list,
				 const char *name)
{
	for (size_t i = 0; i < list->stage.n; i++)
		if (!strcmp(list->stage.v[i].name, name) &&
		    list->stage.v[i].lat.count)
			return &list->stage.v[i].lat;
	return NULL;
}

void stage_list_free(struct stage_list *list)
{
	vec_free(&list->stage);
}

/**
 * parse_touch_hist - read cowbench's histogram
 * @buf: lines of a lower bound in ns and a count; any bytes at all. Several
 * histograms may follow each other, as cowbench appends one for each row.
 * @len: its length
 * @out: its buckets, to be given to touch_hist_free() in every case
 * @err: where and why it failed; may be NULL
 *
 * Return: an enum parse_status.
 */
int parse_touch_hist(const char *buf, size_t len, struct touch_hist *out,
		     struct parse_error *err)
{
	const char *w[3];
	size_t wl[3], n;
	struct lines l;

	memset(out, 0, sizeof(*out));
	if (is_blank(buf, len))
		return fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		struct touch_bucket b;

		n = split(&l, w, wl, ARRAY_SIZE(w));
		if (!n || w[0][0] == '#')
			continue;
		/* a number that no newline ends may lack digits */
		if (l.open)
			return fail(err, PARSE_TRUNCATED, l.no,
				    "the last line is cut off");
		if (n != 2 || !parse_u64(w[0], wl[0], &b.lower) ||
		    !parse_u64(w[1], wl[1], &b.count))
			return fail(err, PARSE_MALFORMED, l.no,
				    "not a lower bound and a count");
		vec_push(&out->bucket, b);
		out->total = add_sat(out->total, b.count);
	}
	if (!out->bucket.n)
		return fail(err, PARSE_EMPTY, 0, "no bucket in it");
	return PARSE_OK;
}

void touch_hist_free(struct touch_hist *h)
{
	vec_free(&h->bucket);
	h->total = 0;
}

/**
 * parse_stats - read the debugfs file stats
 * @buf: lines of a key and a value; any bytes at all
 * @len: its length
 * @out: its lines, to be given to stats_free() in every case
 * @err: where and why it failed; may be NULL
 *
 * Return: an enum parse_status.
 */
int parse_stats(const char *buf, size_t len, struct stats *out,
		struct parse_error *err)
{
	const char *w[3];
	size_t wl[3], n;
	struct lines l;

	memset(out, 0, sizeof(*out));
	if (is_blank(buf, len))
		return fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		struct stat_line s = { 0 };

		n = split(&l, w, wl, ARRAY_SIZE(w));
		if (!n)
			continue;
		/* a number that no newline ends may lack digits */
		if (l.open)
			return fail(err, PARSE_TRUNCATED, l.no,
				    "the last line is cut off");
		if (n != 2 || !copy_name(s.key, w[0], wl[0]) ||
		    !parse_u64(w[1], wl[1], &s.value))
			return fail(err, PARSE_MALFORMED, l.no,
				    "not a key and a value");
		if (out->line.n == STATS_MAX)
			return fail(err, PARSE_MALFORMED, l.no,
				    "too many keys");
		for (size_t i = 0; i < out->line.n; i++)
			if (!strcmp(out->line.v[i].key, s.key))
				return fail(err, PARSE_MALFORMED, l.no,
					    "a key comes twice");
		vec_push(&out->line, s);
	}
	return PARSE_OK;
}

void stats_free(struct stats *s)
{
	vec_free(&s->line);
}
