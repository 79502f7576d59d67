// SPDX-License-Identifier: GPL-2.0
/* dmesg.c - the kernel log of a run
 *
 * Every line that speaks of a COW latency is a sample, or it is counted as
 * malformed; none is passed over.
 */
#define _GNU_SOURCE
#include "dmesg.h"

#define SAMPLE "COW latency: "
#define SAMPLE_WORDS "COW latency"
#define SHOWN_BYTES 100

/* More than these no run has: the log is garbage, and not worth the memory */
#define SEGMENTS_MAX 10000

struct reader {
	struct dmesg *d;
	enum cow_clock clock;
	bool booted;
	bool open; /* the last segment of d->seg is open */
	bool elsewhere; /* what comes is of no cell: the cross-check's own */
};

static bool eat(const char **s, size_t *len, const char *word)
{
	size_t n = strlen(word);

	if (*len < n || memcmp(*s, word, n))
		return false;
	*s += n;
	*len -= n;
	return true;
}

static size_t digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

/* Step over digits; false where there is none */
static bool eat_digits(const char **s, size_t *len)
{
	size_t n = digits(*s, *len);

	*s += n;
	*len -= n;
	return n;
}

/* Step over "[" and blanks */
static bool eat_padded(const char **s, size_t *len)
{
	bool any = eat(s, len, "[");

	while (any && eat(s, len, " "))
		;
	return any;
}

/*
 * Step over "<6>", "[    1.234567]", "[   T42]" and the blank after them.
 * Return false where there is no time stamp.
 */
static bool eat_stamp(const char **s, size_t *len)
{
	const char *p = *s;
	size_t left = *len;

	if (eat(&p, &left, "<") &&
	    (!eat_digits(&p, &left) || !eat(&p, &left, ">")))
		return false;
	if (!eat_padded(&p, &left) || !eat_digits(&p, &left) ||
	    !eat(&p, &left, ".") || digits(p, left) != 6 ||
	    !eat_digits(&p, &left) || !eat(&p, &left, "]"))
		return false;
	if (eat_padded(&p, &left) &&
	    ((!eat(&p, &left, "T") && !eat(&p, &left, "C")) ||
	     !eat_digits(&p, &left) || !eat(&p, &left, "]")))
		return false;
	if (!eat(&p, &left, " "))
		return false;
	*s = p;
	*len = left;
	return true;
}

static struct dmesg_segment *current(struct reader *r)
{
	return r->open ? &r->d->seg.v[r->d->seg.n - 1] : NULL;
}

static void show(struct dmesg *d, const struct lines *l)
{
	size_t n = l->len < SHOWN_BYTES ? l->len : SHOWN_BYTES;
	char *text;

	if (d->nshown == DMESG_SHOWN)
		return;
	text = printable(l->s, n);
	if (n < l->len)
		append(&text, "...");
	d->shown[d->nshown].line = l->no;
	d->shown[d->nshown++].text = text;
}

static void malformed(struct reader *r, const struct lines *l)
{
	struct dmesg_segment *seg = current(r);

	r->d->malformed++;
	if (seg)
		seg->malformed++;
	show(r->d, l);
}

static void bad_mark(struct reader *r, const struct lines *l)
{
	r->d->bad_marks++;
	show(r->d, l);
}

static void lost(struct reader *r, uint64_t n)
{
	struct dmesg_segment *seg = current(r);

	r->d->lost = add_sat(r->d->lost, n);
	if (seg)
		seg->lost = add_sat(seg->lost, n);
}

static void leave_open(struct reader *r)
{
	if (!r->open)
		return;
	r->d->unclosed++;
	r->open = false;
}

/* " arm=next workload=seq round=1", to the end of the line */
static bool read_key(const char *s, size_t len, struct cell_key *key)
{
	char text[128] = "", round[5];
	int end = 0;

	memcpy(text, s, len < sizeof(text) ? len : 0);
	return sscanf(text,
		      " arm=%31[A-Za-z0-9_-] workload=%31[A-Za-z0-9_-] round=%4[0-9]%n",
		      key->arm, key->workload, round, &end) == 3 &&
	       (size_t)end == len &&
	       parse_u64(round, strlen(round), &key->round);
}

static void begin(struct reader *r, const struct lines *l, const char *s,
		  size_t len)
{
	struct dmesg_segment seg = { .line = l->no };

	seg.key.clock = r->clock;
	if (r->d->seg.n == SEGMENTS_MAX || !read_key(s, len, &seg.key)) {
		leave_open(r);
		bad_mark(r, l);
		return;
	}
	if (r->open)
		r->d->nested++;
	leave_open(r);
	if (!r->booted)
		r->d->no_clock++;
	vec_push(&r->d->seg, seg);
	r->open = true;
}

static void end(struct reader *r, const struct lines *l, const char *s,
		size_t len)
{
	struct dmesg_segment *seg = current(r);
	struct cell_key key = { .clock = r->clock };

	if (!read_key(s, len, &key)) {
		leave_open(r);
		bad_mark(r, l);
	} else if (!seg) {
		r->d->stray_ends++;
	} else if (cmp_key(&key, &seg->key)) {
		r->d->stray_ends++;
		leave_open(r);
	} else {
		seg->complete = true;
		r->open = false;
	}
}

/* A line of cowlab's own, behind "cowlab: " */
static void mark(struct reader *r, const struct lines *l, const char *s,
		 size_t len)
{
	uint64_t n;

	if (eat(&s, &len, "boot clock=")) {
		leave_open(r);
		r->clock = clock_by_name(s, len);
		r->booted = r->clock != CLK_UNKNOWN;
		if (!r->booted)
			bad_mark(r, l);
		r->elsewhere = false;
	} else if (eat(&s, &len, "crosscheck")) {
		leave_open(r);
		r->elsewhere = true;
	} else if (eat(&s, &len, "begin")) {
		begin(r, l, s, len);
	} else if (eat(&s, &len, "end")) {
		end(r, l, s, len);
	} else if (eat(&s, &len, "lost ")) {
		if (parse_u64(s, digits(s, len), &n))
			lost(r, n);
		else
			bad_mark(r, l);
	}
}

/* "** 12 printk messages dropped **", with or without a time stamp */
static bool dropped(struct reader *r, const struct lines *l)
{
	static const char words[] = " printk messages dropped";
	const char *p = memmem(l->s, l->len, words, sizeof(words) - 1);
	const char *q = p;
	uint64_t n;

	if (!p)
		return false;
	while (q > l->s && q[-1] >= '0' && q[-1] <= '9')
		q--;
	if (parse_u64(q, (size_t)(p - q), &n))
		lost(r, n);
	else
		bad_mark(r, l);
	return true;
}

static void sample(struct reader *r, const struct lines *l, const char *s,
		   size_t len)
{
	struct dmesg_segment *seg = current(r);
	size_t n = digits(s, len);
	uint64_t ns;

	if (!parse_u64(s, n, &ns) || len - n != 3 || memcmp(s + n, " ns", 3)) {
		malformed(r, l);
		return;
	}
	if (r->elsewhere)
		return;
	r->d->samples++;
	if (seg)
		vec_push(&seg->ns, ns);
	else
		r->d->stray++;
}

static void read_line(struct reader *r, const struct lines *l)
{
	const char *s = l->s;
	size_t len = l->len;
	bool stamped = eat_stamp(&s, &len);

	if (stamped && eat(&s, &len, SAMPLE))
		sample(r, l, s, len);
	else if (memmem(l->s, l->len, SAMPLE_WORDS, strlen(SAMPLE_WORDS)))
		malformed(r, l);
	else if (stamped && len >= 3 && len < strlen(SAMPLE_WORDS) &&
		 !memcmp(s, SAMPLE_WORDS, len))
		malformed(r, l);
	else if (stamped && eat(&s, &len, "cowlab: "))
		mark(r, l, s, len);
	else
		dropped(r, l);
}

static int cmp_segment(const void *a, const void *b)
{
	const struct dmesg_segment *x = a, *y = b;
	int c = cmp_key(&x->key, &y->key);

	return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* Sort the segments; of two of one cell, the first stays */
static void sort_segments(struct dmesg *d)
{
	size_t out = 0;

	if (d->seg.n)
		qsort(d->seg.v, d->seg.n, sizeof(*d->seg.v), cmp_segment);
	for (size_t i = 0; i < d->seg.n; i++) {
		if (out && !cmp_key(&d->seg.v[out - 1].key, &d->seg.v[i].key)) {
			d->duplicates++;
			vec_free(&d->seg.v[i].ns);
			continue;
		}
		if (out != i)
			d->seg.v[out] = d->seg.v[i];
		out++;
	}
	d->seg.n = out;
}

/* Read a kernel log; what is wrong with single lines is counted */
int parse_dmesg(const char *buf, size_t len, struct dmesg *d)
{
	struct reader r = { .d = d, .clock = CLK_UNKNOWN };
	struct lines l;

	memset(d, 0, sizeof(*d));
	if (is_blank(buf, len))
		return PARSE_EMPTY;
	lines_init(&l, buf, len);
	while (lines_next(&l))
		read_line(&r, &l);
	d->lines = l.no;
	leave_open(&r);
	sort_segments(d);
	return PARSE_OK;
}

void dmesg_free(struct dmesg *d)
{
	for (size_t i = 0; i < d->seg.n; i++)
		vec_free(&d->seg.v[i].ns);
	vec_free(&d->seg);
	for (size_t i = 0; i < d->nshown; i++)
		free(d->shown[i].text);
	memset(d, 0, sizeof(*d));
}

/*
 * Is there nothing to be said against this log; returns true if no line was
 * lost, malformed or out of place
 */
bool dmesg_clean(const struct dmesg *d)
{
	return !(d->malformed || d->lost || d->stray || d->unclosed ||
		 d->nested || d->stray_ends || d->bad_marks || d->duplicates ||
		 d->no_clock);
}
