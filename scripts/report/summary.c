// SPDX-License-Identifier: GPL-2.0
/* summary.c - the rounds of a run put together */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>

#include "experiments.h"
#include "summary.h"

static const char *const sources[] = { "user", "debugfs", "dmesg" };

static void row_init(struct summary_row *row, const struct cell_key *key,
		     enum source source, const char *stage)
{
	memset(row, 0, sizeof(*row));
	row->clock = key->clock;
	memcpy(row->arm, key->arm, NAME_LEN);
	memcpy(row->workload, key->workload, NAME_LEN);
	row->source = source;
	snprintf(row->stage, sizeof(row->stage), "%s", stage);
	latency_init(&row->lat);
	row->ns_per_page = NAN;
	row->overhead = NAN;
	row->page_min = NAN;
	row->page_max = NAN;
	row->ratio = NAN;
	row->ratio_min = NAN;
	row->ratio_max = NAN;
}

static void add(uint64_t *sum, uint64_t val)
{
	if (*sum == NONE || val == NONE)
		*sum = NONE;
	else
		*sum = add_sat(*sum, val);
}

/* The counts of the pass a row's samples come from; rec NULL: not known */
static void add_pass(struct summary_row *row, const struct user_rec *rec)
{
	add(&row->faults, rec ? rec->faults : NONE);
	add(&row->touched, rec ? rec->pages_touched : NONE);
	add(&row->copied, rec ? rec->pages_copied : NONE);
	add(&row->wasted, rec ? rec->pages_wasted : NONE);
	row->rounds++;
}

static double ns_per_page(const struct cell *c)
{
	if (!c || !c->user_ok || c->user.elapsed_ns == NONE ||
	    c->user.pages_touched == NONE || !c->user.pages_touched)
		return NAN;
	return (double)c->user.elapsed_ns / (double)c->user.pages_touched;
}

static const struct cell *baseline_of(const struct run *run,
				      const struct cell *c)
{
	struct cell_key key = c->key;

	snprintf(key.arm, sizeof(key.arm), "baseline");
	return run_find(run, &key);
}

/* ns of copying a page written in the listening pass; NAN if not known */
static double copy_share(const struct cell *c, size_t n)
{
	static const char *const copies[] = { "copy", "hugetlb_copy" };
	long double ns = 0;
	uint64_t pages = 0;

	for (size_t i = 0; i < n; i++) {
		if (!c[i].hist_ok || !c[i].listen_ok ||
		    c[i].listen.pages_touched == NONE)
			continue;
		pages = add_sat(pages, c[i].listen.pages_touched);
		for (size_t k = 0; k < ARRAY_SIZE(copies); k++) {
			const struct latency *lat =
				stage_find(&c[i].hist, copies[k]);

			if (lat)
				ns += lat->avg * lat->count;
		}
	}
	return pages ? (double)(ns / pages) : NAN;
}

static void extremes(const double *v, size_t n, double *min, double *max)
{
	for (size_t i = 0; i < n; i++) {
		if (!i || v[i] < *min)
			*min = v[i];
		if (!i || v[i] > *max)
			*max = v[i];
	}
}

static void add_user(struct summary *sum, const struct run *run,
		     const struct cell *c, size_t n)
{
	VEC(double) page = { 0 }, ratio = { 0 };
	struct lat_merge merge = { 0 };
	struct summary_row row;

	row_init(&row, &c->key, SRC_USER, "touch");
	for (size_t i = 0; i < n; i++) {
		double ns = ns_per_page(&c[i]);
		double base = ns_per_page(baseline_of(run, &c[i]));

		if (!c[i].user_ok)
			continue;
		lat_merge_add(&merge, &c[i].user.lat);
		add_pass(&row, &c[i].user);
		if (isnan(ns))
			continue;
		vec_push(&page, ns);
		if (base > 0)
			vec_push(&ratio, ns / base);
	}
	lat_merge_end(&merge, &row.lat);
	if (!row.lat.count)
		row.lat.count = NONE;
	if (row.rounds) {
		row.ns_per_page = median_double(page.v, page.n);
		extremes(page.v, page.n, &row.page_min, &row.page_max);
		row.overhead = row.ns_per_page - copy_share(c, n);
		row.ratio = median_double(ratio.v, ratio.n);
		extremes(ratio.v, ratio.n, &row.ratio_min, &row.ratio_max);
		vec_push(&sum->row, row);
	}
	vec_free(&page);
	vec_free(&ratio);
}

static int cmp_name(const void *a, const void *b)
{
	return cmp_stage(*(const char *const *)a, *(const char *const *)b);
}

static void add_debugfs(struct summary *sum, const struct cell *c, size_t n)
{
	VEC(const char *) name = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (!c[i].hist_ok)
			continue;
		for (size_t k = 0; k < c[i].hist.stage.n; k++)
			vec_push(&name, c[i].hist.stage.v[k].name);
	}
	if (name.n)
		qsort(name.v, name.n, sizeof(*name.v), cmp_name);
	for (size_t k = 0; k < name.n; k++) {
		struct lat_merge merge = { 0 };
		struct summary_row row;

		if (k && !strcmp(name.v[k - 1], name.v[k]))
			continue;
		row_init(&row, &c->key, SRC_DEBUGFS, name.v[k]);
		for (size_t i = 0; i < n; i++) {
			const struct latency *lat;

			lat = c[i].hist_ok ? stage_find(&c[i].hist, name.v[k]) :
					     NULL;
			if (!lat)
				continue;
			lat_merge_add(&merge, lat);
			add_pass(&row, c[i].listen_ok ? &c[i].listen : NULL);
		}
		lat_merge_end(&merge, &row.lat);
		if (row.rounds)
			vec_push(&sum->row, row);
	}
	vec_free(&name);
}

static void add_dmesg(struct summary *sum, const struct cell *c, size_t n)
{
	struct lat_merge merge = { 0 };
	struct summary_row row;

	row_init(&row, &c->key, SRC_DMESG, service_stage(c->key.arm));
	for (size_t i = 0; i < n; i++) {
		if (!c[i].log_ok || !c[i].log.count)
			continue;
		lat_merge_add(&merge, &c[i].log);
		add_pass(&row, c[i].listen_ok ? &c[i].listen : NULL);
	}
	lat_merge_end(&merge, &row.lat);
	if (row.rounds)
		vec_push(&sum->row, row);
}

/**
 * summary_find - a row of the summary
 * @sum: the summary
 * @clock: the boot
 * @arm: the arm
 * @workload: the workload
 * @source: who measured
 * @stage: what
 *
 * Return: the row, or NULL.
 */
const struct summary_row *summary_find(const struct summary *sum,
				       enum cow_clock clock, const char *arm,
				       const char *workload, enum source source,
				       const char *stage)
{
	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];

		if (r->clock == clock && r->source == source &&
		    !strcmp(r->arm, arm) && !strcmp(r->workload, workload) &&
		    !strcmp(r->stage, stage))
			return r;
	}
	return NULL;
}

/**
 * touch_row - what the writer saw
 * @sum: the summary
 * @clock: the boot
 * @arm: the arm
 * @workload: the workload
 *
 * Return: the row, or NULL.
 */
const struct summary_row *touch_row(const struct summary *sum,
				    enum cow_clock clock, const char *arm,
				    const char *workload)
{
	return summary_find(sum, clock, arm, workload, SRC_USER, "touch");
}

/**
 * service_row - one COW of an arm, by the kernel's histogram
 * @sum: the summary
 * @clock: the boot
 * @arm: the arm
 * @workload: the workload
 *
 * Return: the row, or NULL.
 */
const struct summary_row *service_row(const struct summary *sum,
				      enum cow_clock clock, const char *arm,
				      const char *workload)
{
	return summary_find(sum, clock, arm, workload, SRC_DEBUGFS,
			    service_stage(arm));
}

/**
 * copied_per_page - pages copied for each one written
 * @row: what the writer saw
 *
 * Return: the quotient; NAN where it is not known, or nothing was copied.
 */
double copied_per_page(const struct summary_row *row)
{
	if (!row || row->copied == NONE || !row->copied ||
	    row->touched == NONE || !row->touched)
		return NAN;
	return (double)row->copied / (double)row->touched;
}

/**
 * summary_make - put the rounds of a run together
 * @sum: the result, to be given to summary_free()
 * @run: the run
 */
void summary_make(struct summary *sum, const struct run *run)
{
	memset(sum, 0, sizeof(*sum));
	for (size_t i = 0, end; i < run->cell.n; i = end) {
		const struct cell *c = &run->cell.v[i];

		end = run_group_end(run, i);
		add_user(sum, run, c, end - i);
		add_debugfs(sum, c, end - i);
		add_dmesg(sum, c, end - i);
	}
	experiments_summary(sum, run);
	for (size_t i = 0; i < sum->row.n; i++) {
		struct summary_row *r = &sum->row.v[i];
		const struct summary_row *base;

		if (r->source == SRC_USER)
			continue;
		base = summary_find(sum, r->clock, "baseline", r->workload,
				    r->source, r->stage);
		if (base && base->lat.avg > 0)
			r->ratio = (double)(r->lat.avg / base->lat.avg);
	}
}

void summary_free(struct summary *sum)
{
	vec_free(&sum->row);
}

static void put_u64(FILE *out, uint64_t val)
{
	if (val != NONE)
		fprintf(out, "%" PRIu64, val);
	fputc(',', out);
}

static void put_double(FILE *out, double val, int decimals)
{
	if (!isnan(val))
		fprintf(out, "%.*f", decimals, val);
}

/**
 * summary_write_csv - write summary.csv
 * @sum: the summary
 * @out: where
 */
void summary_write_csv(const struct summary *sum, FILE *out)
{
	fputs("arm,workload,clock,source,stage,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,pages_touched,pages_copied,pages_wasted,ns_per_page,overhead_per_page,ratio_to_baseline\n",
	      out);
	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];

		fprintf(out, "%s,%s,%s,%s,%s,", r->arm, r->workload,
			clock_name(r->clock), sources[r->source], r->stage);
		put_u64(out, r->lat.count);
		put_u64(out, isnan(r->lat.avg) ? NONE : round_u64(r->lat.avg));
		put_u64(out, r->lat.min);
		put_u64(out, r->lat.p50);
		put_u64(out, r->lat.p90);
		put_u64(out, r->lat.p99);
		put_u64(out, r->lat.p999);
		put_u64(out, r->lat.max);
		put_u64(out, r->faults);
		put_u64(out, r->touched);
		put_u64(out, r->copied);
		put_u64(out, r->wasted);
		put_double(out, r->ns_per_page, 1);
		fputc(',', out);
		put_double(out, r->overhead, 1);
		fputc(',', out);
		put_double(out, r->ratio, 4);
		fputc('\n', out);
	}
}

/**
 * cross_check_cell - compare the three counts of a cell's COWs
 * @c: the cell
 * @x: the counts and the verdict
 *
 * The workload "reuse" has faults that copy nothing, and an arm that breaks COW
 * for the writer has COWs that are not the writer's faults: there the faults are
 * told, and only log and histogram compared. A cell that was not to be logged
 * has no log to compare.
 */
void cross_check_cell(const struct cell *c, struct cross_check *x)
{
	bool faults_count = strcmp(c->key.workload, "reuse") &&
			    !arm_prepares(c->key.arm);
	uint64_t v[3], first = NONE;
	size_t n = 0, want;
	const struct latency *lat;

	x->log = c->log_ok ? c->seg->ns.n : NONE;
	lat = stage_find(&c->hist, service_stage(c->key.arm));
	x->hist = !c->hist_ok ? NONE : lat ? lat->count : 0;
	x->faults = c->listen_ok ? c->listen.faults : NONE;
	v[0] = x->log;
	v[1] = x->hist;
	v[2] = x->faults;
	want = c->unheard ? 0 : 1 + !c->unlogged + faults_count;
	x->verdict = VERDICT_AGREE;
	for (size_t i = 0; i < (faults_count ? 3 : 2); i++) {
		if (v[i] == NONE)
			continue;
		if (n++ && v[i] != first)
			x->verdict = VERDICT_DISAGREE;
		first = v[i];
	}
	if (x->verdict == VERDICT_AGREE && n < want)
		x->verdict = VERDICT_INCOMPLETE;
}
