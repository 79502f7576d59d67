// SPDX-License-Identifier: GPL-2.0
/* render.c - what Markdown and HTML both say */
#define _GNU_SOURCE
#include <inttypes.h>

#include "render.h"

const char *const method[] = {
	"Each cell has a quiet pass, in which nobody listens (source user: cowbench's own clock around each write), and a listening pass with timing and log on (sources debugfs and dmesg).",
	"Over the rounds: count, faults and pages are sums, avg is the weighted mean, min and max are the extremes, and each percentile is the median over the rounds of that round's percentile (of an even number of rounds, the mean of the middle two).",
	"Percentiles of dmesg are exact (nearest rank); those of debugfs and cowbench come out of log-linear buckets and are within 3%.",
	"ns per page written: the pass's elapsed time over the 4 KiB pages it wrote, median over the rounds; ratio to baseline: median of the ratios of each round to the same round of baseline in the same boot. For the other sources the ratio is that of the means.",
	"Overhead per page: ns per page less the copy's share, which is the time of the stages copy and hugetlb_copy over the pages written in the listening pass.",
	"Arms may be compared inside of one table. Never compare across CPU models, clocks or accelerators.",
};

const size_t method_len = ARRAY_SIZE(method);

/**
 * views_make - list the clocks and workloads of a run, in order
 * @v: the list, to be emptied with vec_free()
 * @run: the run
 */
void views_make(struct views *v, const struct run *run)
{
	memset(v, 0, sizeof(*v));
	for (size_t i = 0; i < run->cell.n; i = run_group_end(run, i)) {
		const struct cell_key *key = &run->cell.v[i].key;
		struct view new = { key->clock, key->workload };
		size_t at;

		for (at = 0; at < v->view.n; at++)
			if (v->view.v[at].clock == key->clock &&
			    !strcmp(v->view.v[at].workload, key->workload))
				break;
		if (at < v->view.n)
			continue;
		vec_push(&v->view, new);
		for (; at && v->view.v[at - 1].clock == key->clock &&
		       cmp_workload(v->view.v[at - 1].workload, key->workload) >
			       0;
		     at--) {
			v->view.v[at] = v->view.v[at - 1];
			v->view.v[at - 1] = new;
		}
	}
}

/**
 * verdicts_count - how whole is a run
 * @v: the result
 * @run: the run
 */
void verdicts_count(struct verdicts *v, const struct run *run)
{
	memset(v, 0, sizeof(*v));
	for (size_t i = 0; i < run->cell.n; i++) {
		struct cross_check x;

		cross_check_cell(&run->cell.v[i], &x);
		v->disagree += x.verdict == VERDICT_DISAGREE;
		v->incomplete += x.verdict == VERDICT_INCOMPLETE;
	}
	for (size_t i = 0; i < run->problem.n; i++)
		v->broken += run->problem.v[i].kind != PROBLEM_ENV;
	v->broken += run->more_problems;
}

static void item(FILE *out, bool *any, uint64_t n, const char *what)
{
	if (!n)
		return;
	fprintf(out, "%s%" PRIu64 " %s", *any ? ", " : "", n, what);
	*any = true;
}

/**
 * log_sentence - the quality of the log in a sentence
 * @run: the run
 *
 * Return: the sentence, to be freed.
 */
char *log_sentence(const struct run *run)
{
	const struct dmesg *d = &run->dmesg;
	bool any = false;
	char *text;
	size_t size;
	FILE *f;

	if (!run->has_log)
		return xstrdup("dmesg.log: there is none");
	if (dmesg_clean(d))
		return xasprintf("dmesg.log: %" PRIu64 " samples in %" PRIu64
				 " lines, none lost, none malformed",
				 d->samples, d->lines);
	f = open_memstream(&text, &size);
	if (!f)
		return xstrdup("dmesg.log: out of memory");
	fprintf(f, "dmesg.log: %" PRIu64 " samples in %" PRIu64 " lines, but ",
		d->samples, d->lines);
	item(f, &any, d->lost, "messages LOST");
	item(f, &any, d->malformed, "lines MALFORMED");
	item(f, &any, d->stray, "samples outside of begin and end");
	item(f, &any, d->unclosed, "begin without end");
	item(f, &any, d->nested, "begin inside of another");
	item(f, &any, d->stray_ends, "end without its begin");
	item(f, &any, d->bad_marks, "unreadable cowlab or printk lines");
	item(f, &any, d->duplicates, "repeated segments (left out)");
	item(f, &any, d->no_clock, "begin before any boot line");
	if (fclose(f))
		return xstrdup("dmesg.log: out of memory");
	return text;
}

/**
 * check_sentence - what is wrong with the counts of a cell
 * @run: the run
 * @c: the cell
 * @x: its counts
 *
 * Return: the sentence, to be freed.
 */
char *check_sentence(const struct run *run, const struct cell *c,
		     const struct cross_check *x)
{
	const uint64_t v[] = { x->log, x->hist, x->faults };
	char num[3][24], *name = cell_name(&c->key), *s;

	(void)run;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		if (v[i] == NONE)
			snprintf(num[i], sizeof(num[i]), "none");
		else
			snprintf(num[i], sizeof(num[i]), "%" PRIu64, v[i]);
	}
	s = xasprintf("%s: log lines %s, histogram (%s) %s, faults %s: %s",
		      name, num[0], service_stage(c->key.arm), num[1], num[2],
		      x->verdict == VERDICT_DISAGREE ? "DISAGREE" :
		      x->verdict == VERDICT_AGREE    ? "agree" :
						       "incomplete");
	free(name);
	return s;
}

/**
 * run_sentence - may this run be trusted
 * @run: the run
 *
 * Return: a sentence, to be freed.
 */
char *run_sentence(const struct run *run)
{
	struct verdicts v;

	verdicts_count(&v, run);
	if (!v.disagree && !v.incomplete && !v.broken &&
	    dmesg_clean(&run->dmesg))
		return xasprintf(
			"Whole: in all %zu cells, log, histogram and faults agree to the count, and no log line was lost or malformed.",
			run->cell.n);
	return xasprintf(
		"NOT whole: of %zu cells, the counts of %zu disagree and of %zu are incomplete; %zu remarks; %s. See the cross-check below.",
		run->cell.n, v.disagree, v.incomplete, v.broken,
		dmesg_clean(&run->dmesg) ? "the log itself is clean" :
					   "the log is NOT clean");
}
