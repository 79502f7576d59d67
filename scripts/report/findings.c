// SPDX-License-Identifier: GPL-2.0
/* findings.c - what a run says of precopy, in three sentences */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include "findings.h"

static const char *const precopy_arms[] = { "next", "fixed", "adaptive" };

/* Instructions decide where they were counted: they are the same each time */
static const enum cow_clock clock_order[] = { CLK_ICOUNT, CLK_WALL };

static const char *unit(enum cow_clock clock)
{
	return clock == CLK_ICOUNT ? "instructions" : "emulated ns";
}

static double ratio(const struct summary *sum, enum cow_clock clock,
		    const char *arm, const char *workload)
{
	const struct summary_row *r = touch_row(sum, clock, arm, workload);

	return r ? r->ratio : NAN;
}

/* The precopy arm that serves a sequential writer best; NULL: none measured */
static const char *best_arm(const struct summary *sum, enum cow_clock *clock)
{
	const char *best = NULL;
	double least = INFINITY;

	for (size_t c = 0; c < ARRAY_SIZE(clock_order) && !best; c++) {
		for (size_t i = 0; i < ARRAY_SIZE(precopy_arms); i++) {
			double r = ratio(sum, clock_order[c], precopy_arms[i],
					 "seq");

			if (!(r < least))
				continue;
			least = r;
			best = precopy_arms[i];
			*clock = clock_order[c];
		}
	}
	return best;
}

static void put_cost(FILE *f, const struct summary *sum, enum cow_clock clock,
		     const char *arm)
{
	const struct summary_row *r = touch_row(sum, clock, arm, "seq");
	const struct summary_row *base =
		touch_row(sum, clock, "baseline", "seq");

	fprintf(f, "%.3f of what it costs baseline (%.0f against %.0f %s)",
		r->ratio, r->ns_per_page, base->ns_per_page, unit(clock));
}

/**
 * finding_gain - what precopy gains a sequential writer
 * @sum: the summary
 *
 * Return: a sentence, to be freed.
 */
char *finding_gain(const struct summary *sum)
{
	enum cow_clock clock;
	const char *arm = best_arm(sum, &clock);
	char *text;
	size_t size;
	FILE *f;

	if (!arm)
		return xstrdup(
			"What precopy gains is not known: no arm of it was measured on seq beside baseline.");
	f = open_memstream(&text, &size);
	if (!f)
		return xstrdup("out of memory");
	if (ratio(sum, clock, arm, "seq") < 1)
		fprintf(f,
			"Precopy pays a sequential writer: with %s, the best arm, a page written costs ",
			arm);
	else
		fprintf(f,
			"Precopy does not pay a sequential writer here: with %s, the best arm, a page written costs ",
			arm);
	put_cost(f, sum, clock, arm);
	if (clock == CLK_ICOUNT && !isnan(ratio(sum, CLK_WALL, arm, "seq"))) {
		fputs(", and ", f);
		put_cost(f, sum, CLK_WALL, arm);
	}
	fputc('.', f);
	fclose(f);
	return text;
}

/**
 * struct price - what an arm costs those who want no window
 * @ratio: the worst ratio
 * @workload: and where it is
 * @wasted: pages copied and not written, over all workloads
 * @touched: pages written
 */
struct price {
	double ratio;
	const char *workload;
	uint64_t wasted, touched;
};

static bool price_of(const struct summary *sum, enum cow_clock clock,
		     const char *arm, struct price *p)
{
	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];

		if (r->clock != clock || r->source != SRC_USER ||
		    strcmp(r->arm, arm) || isnan(r->ratio))
			continue;
		if (r->ratio > p->ratio) {
			p->ratio = r->ratio;
			p->workload = r->workload;
		}
		if (r->wasted == NONE || r->touched == NONE)
			continue;
		p->wasted = add_sat(p->wasted, r->wasted);
		p->touched = add_sat(p->touched, r->touched);
	}
	return p->workload && p->touched;
}

/**
 * finding_price - what precopy costs those who want no window
 * @sum: the summary
 *
 * Return: a sentence, to be freed.
 */
char *finding_price(const struct summary *sum)
{
	static const struct {
		double limit;
		const char *text;
	} degree[] = {
		{ 1.02, "It costs the other writers next to nothing" },
		{ 1.1, "It costs the other writers little" },
		{ INFINITY, "It has a price for other writers" },
	};
	enum cow_clock clock;
	const char *arm = best_arm(sum, &clock);
	struct price p, fixed;
	const struct summary_row *r;
	char *text;
	size_t size, d = 0;
	FILE *f;

	if (arm && price_of(sum, clock, "adaptive", &p))
		arm = "adaptive";
	else if (!arm || !price_of(sum, clock, arm, &p))
		return xstrdup(
			"What precopy costs other writers is not known.");
	f = open_memstream(&text, &size);
	if (!f)
		return xstrdup("out of memory");
	while (p.ratio > degree[d].limit)
		d++;
	fprintf(f,
		"%s: the worst workload of %s is %s, at %.3f of baseline's %s, and of all pages it copied %" PRIu64
		" were never written (%.2f%% of those that were)",
		degree[d].text, arm, p.workload, p.ratio, unit(clock), p.wasted,
		100.0 * (double)p.wasted / (double)p.touched);
	if (strcmp(arm, "fixed") && price_of(sum, clock, "fixed", &fixed)) {
		r = touch_row(sum, clock, "fixed", fixed.workload);
		fprintf(f, "; fixed, which asks nobody, costs up to %.2f (%s)",
			fixed.ratio, fixed.workload);
		if (r->wasted != NONE && r->touched != NONE && r->touched)
			fprintf(f,
				", where it copies %.1f pages in vain for each one written",
				(double)r->wasted / (double)r->touched);
	}
	fputc('.', f);
	fclose(f);
	return text;
}

/**
 * finding_tail - what precopy does to the slowest writes
 * @sum: the summary
 *
 * Return: a sentence, to be freed.
 */
char *finding_tail(const struct summary *sum)
{
	const struct summary_row *r, *base;
	enum cow_clock clock;
	const char *arm = best_arm(sum, &clock);
	double times;

	if (!arm)
		return xstrdup("What precopy does to the tail is not known.");
	r = touch_row(sum, clock, arm, "seq");
	base = touch_row(sum, clock, "baseline", "seq");
	if (!base || base->lat.p999 == NONE || !base->lat.p999 ||
	    r->lat.p999 == NONE || r->faults == NONE || r->touched == NONE ||
	    !r->touched)
		return xstrdup("What precopy does to the tail is not known.");
	times = (double)r->lat.p999 / (double)base->lat.p999;
	return xasprintf(
		"%s: with %s %.1f%% of the sequential writes meet no fault, and the slowest of a thousand takes %" PRIu64
		" %s against baseline's %" PRIu64
		" (%.1f times); the longest of all takes %" PRIu64
		" against %" PRIu64 ".",
		times > 1 ? "The time moves into fewer and longer faults" :
			    "The tail does not pay for it",
		arm, 100 * (1 - (double)r->faults / (double)r->touched),
		r->lat.p999, unit(clock), base->lat.p999, times, r->lat.max,
		base->lat.max);
}
