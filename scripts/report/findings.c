// SPDX-License-Identifier: GPL-2.0
/* findings.c - what a run says of precopy, in three sentences */
#define _GNU_SOURCE
#include <math.h>

#include "findings.h"

static const char *unit(enum cow_clock clock)
{
	return clock == CLK_ICOUNT ? "instructions" : "emulated ns";
}

static double seq(sqlite3 *db, enum cow_clock clock, const char *arm,
		  const char *col)
{
	return figure(db, "writer", clock, arm, "seq", col);
}

/*
 * The policy that serves a sequential writer best. Instructions decide where
 * they were counted: they are the same each time. False: none was measured.
 */
static bool best_arm(sqlite3 *db, char arm[NAME_LEN], enum cow_clock *clock)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT arm, clock FROM writer WHERE workload = 'seq' AND arm IN ('next', 'fixed', 'adaptive') AND clock <> 'unknown' AND ratio_to_baseline IS NOT NULL ORDER BY clock, ratio_to_baseline LIMIT 1",
		"");
	bool any = false;

	for (; db_next(&q); any = true) {
		snprintf(arm, NAME_LEN, "%s", col_text(q, 0));
		*clock = clock_by_name(col_text(q, 1), strlen(col_text(q, 1)));
	}
	return any;
}

/* What precopy gains a sequential writer */
static char *finding_gain(sqlite3 *db)
{
	enum cow_clock clock;
	char arm[NAME_LEN], *s;
	double ratio;

	if (!best_arm(db, arm, &clock))
		return xstrdup(
			"What precopy gains is not known: none of its policies was measured on seq beside baseline.");
	ratio = seq(db, clock, arm, "ratio_to_baseline");
	s = xasprintf(
		"Precopy %s for sequential writes: with %s, the best policy, a page written costs %.3f of baseline's cost (%.0f against %.0f %s)",
		ratio < 1 ? "pays" : "does not pay", arm, ratio,
		seq(db, clock, arm, "ns_per_page"),
		seq(db, clock, "baseline", "ns_per_page"), unit(clock));
	ratio = seq(db, CLK_WALL, arm, "ratio_to_baseline");
	if (clock == CLK_ICOUNT && !isnan(ratio))
		append(&s,
		       ", and by the wall clock %.3f (%.0f against %.0f %s)",
		       ratio, seq(db, CLK_WALL, arm, "ns_per_page"),
		       seq(db, CLK_WALL, "baseline", "ns_per_page"),
		       unit(CLK_WALL));
	append(&s, ".");
	return s;
}

/*
 * What an arm costs at worst: workload, ratio, pages that it copied in vain
 * for each one written there; and the pages copied in vain on all workloads,
 * and their share of those written, in percent.
 */
static sqlite3_stmt *price_of(sqlite3 *db, enum cow_clock clock,
			      const char *arm)
{
	return db_query(
		db,
		"WITH w AS (SELECT * FROM summary WHERE source = 'user' AND clock = ? AND arm = ? AND ratio_to_baseline > 0), known AS (SELECT * FROM w WHERE pages_wasted + pages_touched IS NOT NULL) "
		"SELECT workload, ratio_to_baseline, pages_wasted * 1.0 / nullif(pages_touched, 0), (SELECT known_sum(pages_wasted) FROM known), (SELECT 100 * total(pages_wasted) / total(pages_touched) FROM known) AS share "
		"FROM w WHERE share IS NOT NULL ORDER BY ratio_to_baseline DESC LIMIT 1",
		"ss", clock_name(clock), arm);
}

/* What precopy costs those who want no window */
static char *finding_price(sqlite3 *db)
{
	const char *const tried[] = { "adaptive", NULL, "fixed" };
	char arm[NAME_LEN], *s = NULL;
	enum cow_clock clock;
	bool any = best_arm(db, arm, &clock);

	for (size_t i = 0; any && i < ARRAY_SIZE(tried); i++) {
		const char *name = tried[i] ? tried[i] : arm;
		sqlite3_stmt *q = price_of(db, clock, name);
		double ratio;

		while (db_next(&q)) {
			ratio = col_double(q, 1);
			if (!s) {
				snprintf(arm, NAME_LEN, "%s", name);
				s = xasprintf(
					"%s: the worst workload of %s is %s, at %.3f of baseline's %s, and of the pages that %s copied %s were never written (%.2f%% of the pages written)",
					ratio <= 1.02 ?
						"Precopy costs other writers next to nothing" :
					ratio <= 1.1 ?
						"Precopy costs other writers little" :
						"Precopy has a price for other writers",
					name, col_text(q, 0), ratio,
					unit(clock), name, col_text(q, 3),
					col_double(q, 4));
			} else if (i == 2 && strcmp(arm, "fixed")) {
				append(&s,
				       "; fixed, which opens a window at every fault, costs up to %.2f (%s)",
				       ratio, col_text(q, 0));
				if (!isnan(col_double(q, 2)))
					append(&s,
					       ", where it copies %.1f pages in vain for each page written",
					       col_double(q, 2));
			}
		}
	}
	if (!s)
		return xstrdup(
			"What precopy costs other writers is not known.");
	append(&s, ".");
	return s;
}

/* What precopy does to the slowest writes */
static char *finding_tail(sqlite3 *db)
{
	enum cow_clock clock;
	char arm[NAME_LEN];
	bool any = best_arm(db, arm, &clock);
	double p999 = any ? seq(db, clock, arm, "p999_ns") : NAN;
	double base = any ? seq(db, clock, "baseline", "p999_ns") : NAN;
	double met = any ? seq(db, clock, arm,
			       "100.0 * faults / nullif(pages_touched, 0)") :
			   NAN;

	if (isnan(p999) || isnan(met) || !(base > 0))
		return xstrdup("What precopy does to the tail is not known.");
	return xasprintf(
		"%s: with %s %.1f%% of the sequential writes take no fault, p99.9 of a write is %.0f %s against baseline's %.0f (%.1f times), and the longest write takes %.0f against %.0f.",
		p999 > base ? "The time moves into fewer and longer faults" :
			      "The tail does not pay for it",
		arm, 100 - met, p999, unit(clock), base, p999 / base,
		seq(db, clock, arm, "max_ns"),
		seq(db, clock, "baseline", "max_ns"));
}

char *(*const findings[FINDINGS])(sqlite3 *db) = {
	finding_gain,
	finding_price,
	finding_tail,
};
