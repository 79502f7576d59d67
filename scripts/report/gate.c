// SPDX-License-Identifier: GPL-2.0
/*
 * gate.c - the regression gate: a run against a reference
 *
 * Instructions depend on the kernel's and the compiler's version, and on the
 * CPU that QEMU presents: they are compared where all three are those of the
 * reference. A ratio to baseline, of the same boot, is always compared.
 */
#define _GNU_SOURCE
#include <math.h>

#include "gate.h"

#define HEAD \
	"arm,workload,instructions,ratio,instructions_pct,ratio_pct,look_at"
#define COLUMNS 7

/* "# kernel 6.12.117": what stands behind the word, or NULL */
static char *label(const struct lines *l, const char *word)
{
	size_t n = strlen(word);

	if (l->len <= n + 3 || memcmp(l->s, "# ", 2) ||
	    memcmp(l->s + 2, word, n) || l->s[n + 2] != ' ')
		return NULL;
	return strndup(l->s + n + 3, l->len - n - 3);
}

static void take(char **to, char *text)
{
	free(*to);
	*to = text;
}

static void parse_comment(struct gate *gate, const struct lines *l)
{
	char *text;

	if ((text = label(l, "kernel")))
		take(&gate->kernel, text);
	else if ((text = label(l, "compiler")))
		take(&gate->compiler, text);
	else if ((text = label(l, "qemu")))
		take(&gate->qemu, text);
	else
		vec_push(&gate->comment, strndup(l->s, l->len));
}

/* A number above 0; an empty one is not known yet */
static bool number(const struct word *w, bool may_lack, double *val)
{
	long double v;

	*val = NAN;
	if (!w->len)
		return may_lack;
	if (!parse_decimal(w->s, w->len, &v) || !(v > 0))
		return false;
	*val = (double)v;
	return true;
}

static const char *parse_row(struct gate *gate, const struct lines *l)
{
	struct word w[COLUMNS];
	size_t n = split_csv(l, w, COLUMNS);
	struct gate_row row = { 0 };

	if (n != COLUMNS)
		return n > COLUMNS ? "too many columns" : "too few columns";
	if (!copy_name(row.arm, w[0].s, w[0].len) ||
	    !copy_name(row.workload, w[1].s, w[1].len))
		return "no name";
	if (!number(&w[2], true, &row.page) ||
	    !number(&w[3], true, &row.ratio) ||
	    !number(&w[4], false, &row.page_pct) ||
	    !number(&w[5], false, &row.ratio_pct))
		return "no number";
	if (!w[6].len)
		return "nothing to look at";
	row.look = strndup(w[6].s, w[6].len);
	vec_push(&gate->row, row);
	return NULL;
}

/* Read a reference file */
int gate_parse(const char *buf, size_t len, struct gate *gate,
	       struct parse_error *err)
{
	bool head = false;
	struct lines l;

	memset(gate, 0, sizeof(*gate));
	*err = (struct parse_error){ 0 };
	if (is_blank(buf, len))
		return PARSE_EMPTY;
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		err->line = l.no;
		if (l.open) {
			err->what = "the last line has no end";
			return PARSE_TRUNCATED;
		}
		if (l.len && l.s[0] == '#') {
			parse_comment(gate, &l);
		} else if (!head) {
			head = l.len == strlen(HEAD) &&
			       !memcmp(l.s, HEAD, l.len);
			err->what = "not the head of the table";
			if (!head)
				return PARSE_MALFORMED;
		} else {
			err->what = parse_row(gate, &l);
			if (err->what)
				return PARSE_MALFORMED;
		}
	}
	err->line = 0;
	err->what = "no row";
	return gate->row.n ? PARSE_OK : PARSE_TRUNCATED;
}

void gate_free(struct gate *gate)
{
	for (size_t i = 0; i < gate->comment.n; i++)
		free(gate->comment.v[i]);
	for (size_t i = 0; i < gate->row.n; i++)
		free(gate->row.v[i].look);
	vec_free(&gate->comment);
	vec_free(&gate->row);
	free(gate->kernel);
	free(gate->compiler);
	free(gate->qemu);
	memset(gate, 0, sizeof(*gate));
}

/**
 * struct tally - the tests so far
 * @out: where they are told, as TAP
 * @n: how many
 * @failed: how many of them failed
 */
struct tally {
	FILE *out;
	size_t n, failed;
};

static void judge(struct tally *t, const struct gate_row *row, const char *what,
		  int decimals, double is, double was, double pct,
		  const char *skip)
{
	bool measured = is > 0, known = was > 0;
	double worse = 100 * (is / was - 1);
	bool ok = skip || (measured && known && worse <= pct);

	fprintf(t->out, "%s %zu - %s %s: %s", ok ? "ok" : "not ok", ++t->n,
		row->arm, row->workload, what);
	if (skip)
		fprintf(t->out, " # SKIP %s\n", skip);
	else
		fputc('\n', t->out);
	if (!ok)
		t->failed++;
	if (skip)
		return;
	if (!measured)
		fputs("# it was not measured\n", t->out);
	else if (!known)
		fprintf(t->out,
			"# it is %.*f, and the reference has no number: make rebase-reference\n",
			decimals, is);
	else
		fprintf(t->out,
			"# it is %.*f, the reference %.*f: %+.2f%%, where %.4g%% is allowed\n",
			decimals, is, decimals, was, worse, pct);
	if (!ok)
		fprintf(t->out, "# look at %s\n", row->look);
	else if (worse < -pct)
		fputs("# better than the reference: make rebase-reference keeps it so\n",
		      t->out);
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static void costs(sqlite3 *db, const struct gate_row *row, double *page,
		  double *ratio)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT ns_per_page, ratio_to_baseline FROM writer WHERE clock = 'icount' AND arm = ? AND workload = ?",
		"ss", row->arm, row->workload);

	*page = *ratio = NAN;
	while (db_next(&q)) {
		*page = col_double(q, 0);
		*ratio = col_double(q, 1);
	}
}

/**
 * gate_judge - has anything got worse
 * @gate: the reference
 * @db: store of a run under icount
 * @env: what it was made on
 * @out: where the tests are told, as TAP
 *
 * Return: how many tests failed.
 */
size_t gate_judge(const struct gate *gate, sqlite3 *db, const struct env *env,
		  FILE *out)
{
	const char *skip = "the reference is of another ";
	struct tally t = { .out = out };
	char *other = NULL;

	if (!same(gate->kernel, env->release))
		other = xasprintf("%skernel, %s", skip,
				  gate->kernel ? gate->kernel : "unknown");
	else if (!same(gate->compiler, env->compiler))
		other = xasprintf("%scompiler, %s", skip,
				  gate->compiler ? gate->compiler : "unknown");
	else if (!same(gate->qemu, env->qemu))
		other = xasprintf("%sQEMU, %s", skip,
				  gate->qemu ? gate->qemu : "unknown");
	for (size_t i = 0; i < gate->row.n; i++) {
		const struct gate_row *row = &gate->row.v[i];
		double page, ratio;

		costs(db, row, &page, &ratio);
		judge(&t, row, "instructions per page written", 1, page,
		      row->page, row->page_pct, other);
		if (strcmp(row->arm, "baseline"))
			judge(&t, row, "ratio to baseline", 4, ratio,
			      row->ratio, row->ratio_pct, NULL);
	}
	fprintf(out, "1..%zu\n", t.n);
	free(other);
	return t.failed;
}

/*
 * Take a run for the reference; returns how many rows the run does not have;
 * they keep their numbers
 */
size_t gate_rebase(struct gate *gate, sqlite3 *db, const struct env *env)
{
	size_t lacking = 0;

	for (size_t i = 0; i < gate->row.n; i++) {
		struct gate_row *row = &gate->row.v[i];
		double page, ratio;

		costs(db, row, &page, &ratio);
		if (!(page > 0) || !(ratio > 0)) {
			lacking++;
			continue;
		}
		row->page = page;
		row->ratio = ratio;
	}
	take(&gate->kernel, xstrdup(env->release));
	take(&gate->compiler, xstrdup(env->compiler));
	take(&gate->qemu, xstrdup(env->qemu));
	return lacking;
}

static void put_number(FILE *out, double val, int decimals)
{
	if (!isnan(val))
		fprintf(out, "%.*f", decimals, val);
	fputc(',', out);
}

/* Write a reference file */
void gate_write(const struct gate *gate, FILE *out)
{
	for (size_t i = 0; i < gate->comment.n; i++)
		fprintf(out, "%s\n", gate->comment.v[i]);
	fprintf(out, "# kernel %s\n# compiler %s\n# qemu %s\n" HEAD "\n",
		gate->kernel ? gate->kernel : "unknown",
		gate->compiler ? gate->compiler : "unknown",
		gate->qemu ? gate->qemu : "unknown");
	for (size_t i = 0; i < gate->row.n; i++) {
		const struct gate_row *row = &gate->row.v[i];

		fprintf(out, "%s,%s,", row->arm, row->workload);
		put_number(out, row->page, 1);
		put_number(out, row->ratio, 4);
		fprintf(out, "%.4g,%.4g,%s\n", row->page_pct, row->ratio_pct,
			row->look);
	}
}
