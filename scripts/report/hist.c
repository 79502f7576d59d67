// SPDX-License-Identifier: GPL-2.0
/* hist.c - the module's debugfs dumps and cowbench's histogram */
#define _GNU_SOURCE
#include <math.h>

#include "hist.h"

#define STAGES_MAX 32
#define STATS_MAX 256

/* Nothing is known */
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

/* Figures of single samples */
void latency_of_samples(struct latency *lat, const uint64_t *ns, size_t n)
{
	long double sum = 0;
	uint64_t *v = xzalloc((n + 1) * sizeof(*v));

	latency_init(lat);
	lat->count = n;
	for (size_t i = 0; i < n; i++) {
		v[i] = ns[i];
		sum += ns[i];
	}
	qsort(v, n, sizeof(*v), cmp_u64);
	if (n) {
		lat->avg = sum / n;
		lat->min = v[0];
		lat->max = v[n - 1];
	}
	lat->p50 = percentile_sorted(v, n, 500);
	lat->p90 = percentile_sorted(v, n, 900);
	lat->p99 = percentile_sorted(v, n, 990);
	lat->p999 = percentile_sorted(v, n, 999);
	free(v);
}

/* Where the value of this key goes; NULL if there is no such key */
static uint64_t *slot(struct latency *lat, const struct word *key)
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
		if (word_is(key, slots[i].key))
			return slots[i].val;
	return NULL;
}

/* Is the stage read last whole? in_table: the sum of its buckets holds */
static int finish_stage(const struct stage_list *list, uint64_t sum,
			bool in_table, struct parse_error *err, size_t line)
{
	const struct latency *lat;
	const char *what = NULL;
	int status = PARSE_TRUNCATED;

	if (!list->stage.n)
		return PARSE_OK;
	lat = &list->stage.v[list->stage.n - 1].lat;
	if (lat->count == NONE) {
		what = "a stage has no count";
	} else if (sum > lat->count) {
		status = PARSE_MALFORMED;
		what = "the buckets hold more than the count says";
	} else if (lat->count) {
		if (isnan(lat->avg) || lat->min == NONE || lat->p50 == NONE ||
		    lat->p90 == NONE || lat->p99 == NONE || lat->p999 == NONE ||
		    lat->max == NONE)
			what = "a stage lacks some of its figures";
		else if (!in_table)
			what = "a stage lacks its histogram";
		else if (sum < lat->count)
			what = "the buckets hold less than the count says";
	}
	if (!what && lat->count && !latency_ordered(lat)) {
		status = PARSE_MALFORMED;
		what = "percentiles are out of order";
	}
	return what ? parse_fail(err, status, line, what) : PARSE_OK;
}

/* One without samples too, which stage_find() passes over */
static bool has_stage(const struct stage_list *list, const char *name)
{
	for (size_t i = 0; i < list->stage.n; i++)
		if (!strcmp(list->stage.v[i].name, name))
			return true;
	return false;
}

/* Read the debugfs file latency_hist */
int parse_latency_hist(const char *buf, size_t len, struct stage_list *out,
		       struct parse_error *err)
{
	bool in_table = false;
	struct stage *st = NULL;
	struct word w[6];
	struct lines l;
	uint64_t sum = 0, val, *to;
	size_t n;
	int ret;

	memset(out, 0, sizeof(*out));
	if (is_blank(buf, len))
		return parse_fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		n = split_words(&l, w, ARRAY_SIZE(w));
		if (!n)
			continue;
		if (word_is(&w[0], "stage:")) {
			struct stage new = { 0 };

			ret = finish_stage(out, sum, in_table, err, l.no);
			if (ret)
				return ret;
			if (n != 2 || !copy_name(new.name, w[1].s, w[1].len))
				return lines_fail(&l, err,
						  "no name of a stage");
			if (out->stage.n == STAGES_MAX)
				return lines_bad(&l, err, "too many stages");
			if (has_stage(out, new.name))
				return lines_bad(&l, err,
						 "a stage comes twice");
			latency_init(&new.lat);
			vec_push(&out->stage, new);
			st = &out->stage.v[out->stage.n - 1];
			sum = 0;
			in_table = false;
			continue;
		}
		if (!st)
			return lines_bad(&l, err, "no stage begins the file");
		if (word_is(&w[0], "ns") || word_is(&w[0], "nsecs")) {
			in_table = true;
			continue;
		}
		if (in_table) {
			/* lower -> upper : count |***| */
			if (n < 5 || !word_is(&w[1], "->") ||
			    !word_is(&w[3], ":") || !word_u64(&w[0], &val) ||
			    !word_u64(&w[2], &val) || !word_u64(&w[4], &val))
				return lines_fail(&l, err,
						  "no bucket of a histogram");
			sum = add_sat(sum, val);
			continue;
		}
		if (n == 2 && word_is(&w[0], "avg") && isnan(st->lat.avg) &&
		    parse_decimal(w[1].s, w[1].len, &st->lat.avg))
			continue;
		to = slot(&st->lat, &w[0]);
		if (!to || n != 2 || *to != NONE || !word_u64(&w[1], to))
			return lines_fail(&l, err, "no figure of a stage");
	}
	return finish_stage(out, sum, in_table, err, l.no);
}

/*
 * The figures of a stage; returns its figures, or NULL if it is not there or
 * has no sample
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

/* Lines of two words, which @add takes, or says what is wrong with them */
static int parse_pairs(const char *buf, size_t len, void *out,
		       const char *(*add)(void *out, const struct word *w),
		       struct parse_error *err)
{
	const char *what;
	struct word w[3];
	struct lines l;
	size_t n;

	if (is_blank(buf, len))
		return parse_fail(err, PARSE_EMPTY, 0, "nothing in it");
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		n = split_words(&l, w, ARRAY_SIZE(w));
		if (!n || *w[0].s == '#')
			continue;
		/* a number that no newline ends may lack digits */
		if (l.open)
			return parse_fail(err, PARSE_TRUNCATED, l.no,
					  "the last line is cut off");
		what = n == 2 ? add(out, w) : "not two words";
		if (what)
			return lines_bad(&l, err, what);
	}
	return PARSE_OK;
}

static const char *add_bucket(void *out, const struct word *w)
{
	struct touch_hist *h = out;
	struct touch_bucket b;

	if (!word_u64(&w[0], &b.lower) || !word_u64(&w[1], &b.count))
		return "not a lower bound and a count";
	vec_push(&h->bucket, b);
	h->total = add_sat(h->total, b.count);
	return NULL;
}

/*
 * Read cowbench's histogram: lines of a lower bound in ns and a count. Several
 * may follow each other: cowbench appends one for each row.
 */
int parse_touch_hist(const char *buf, size_t len, struct touch_hist *out,
		     struct parse_error *err)
{
	int ret;

	memset(out, 0, sizeof(*out));
	ret = parse_pairs(buf, len, out, add_bucket, err);
	if (!ret && !out->bucket.n)
		ret = parse_fail(err, PARSE_EMPTY, 0, "no bucket in it");
	return ret;
}

void touch_hist_free(struct touch_hist *h)
{
	vec_free(&h->bucket);
	h->total = 0;
}

static const char *add_stat(void *out, const struct word *w)
{
	struct stats *stats = out;
	struct stat_line s = { 0 };

	if (!copy_name(s.key, w[0].s, w[0].len) || !word_u64(&w[1], &s.value))
		return "not a key and a value";
	if (stats->line.n == STATS_MAX)
		return "too many keys";
	for (size_t i = 0; i < stats->line.n; i++)
		if (!strcmp(stats->line.v[i].key, s.key))
			return "a key comes twice";
	vec_push(&stats->line, s);
	return NULL;
}

/* Read the debugfs file stats: lines of a key and a value */
int parse_stats(const char *buf, size_t len, struct stats *out,
		struct parse_error *err)
{
	memset(out, 0, sizeof(*out));
	return parse_pairs(buf, len, out, add_stat, err);
}

void stats_free(struct stats *s)
{
	vec_free(&s->line);
}
