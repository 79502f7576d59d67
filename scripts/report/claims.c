// SPDX-License-Identifier: GPL-2.0
/* claims.c - the study's claims, and what a run says of them */
#define _GNU_SOURCE
#include <math.h>

#include "findings.h"
#include "study.h"

const char *holds_name(enum holds holds)
{
	static const char *const names[] = {
		[CLAIM_HOLDS] = "It holds",
		[CLAIM_PARTLY] = "It holds in part",
		[CLAIM_FAILS] = "It does not hold",
		[CLAIM_OPEN] = "Not decided by this run",
	};

	return names[holds];
}

static double avg(sqlite3 *db, const char *view, enum cow_clock clock,
		  const char *arm)
{
	return figure(db, view, clock, arm, "seq", "avg_ns");
}

static double seq(sqlite3 *db, enum cow_clock clock, const char *arm,
		  const char *col)
{
	return figure(db, "writer", clock, arm, "seq", col);
}

static const char *of_clock(enum cow_clock clock)
{
	return clock == CLK_ICOUNT ? "in instructions" : "in emulated time";
}

/* Begin a part of the evidence */
static void part(struct votes *v, const char *what)
{
	fprintf(v->out, "%s%s", v->yes + v->no ? "; " : "", what);
}

/* It does where the copy takes more than half of the service */
static void judge_copying(sqlite3 *db, enum cow_clock clock, struct votes *v)
{
	double copy = db_number(
		db,
		"SELECT avg_ns FROM summary WHERE source = 'debugfs' AND stage = 'copy' AND arm = 'baseline' AND workload = 'seq' AND clock = ?",
		"s", clock_name(clock));
	double fault = avg(db, "service", clock, "baseline");
	double write = avg(db, "writer", clock, "baseline");

	if (!(copy > 0) || !(fault > 0))
		return;
	part(v, of_clock(clock));
	fprintf(v->out,
		" the copy is %.0f of a fault's service of %.0f, %.0f%%", copy,
		fault, 100 * copy / fault);
	if (write > 0)
		fprintf(v->out,
			" (and %.0f%% of the %.0f that the writer waits, kernel entry and exit included)",
			100 * copy / write, write);
	v->yes += copy > fault / 2;
	v->no += copy <= fault / 2;
}

/*
 * For a kind of huge page it holds where one COW of it takes twice as long as
 * baseline's; hugetlb and transparent huge pages are judged apart.
 */
static void judge_huge_pages(sqlite3 *db, enum cow_clock clock, struct votes *v)
{
	static const char *const arms[] = { "hugetlb", "thp" };
	static const char *const workloads[] = { "seq", "sparse64" };
	double base = avg(db, "service", clock, "baseline");

	for (size_t a = 0; a < ARRAY_SIZE(arms); a++) {
		double one = avg(db, "service", clock, arms[a]);

		if (!(base > 0) || !(one > 0))
			continue;
		part(v, of_clock(clock));
		fprintf(v->out, " one COW of %s takes %.2f of baseline's",
			arms[a], one / base);
		for (size_t w = 0; w < ARRAY_SIZE(workloads); w++) {
			double ratio = figure(db, "writer", clock, arms[a],
					      workloads[w],
					      "ratio_to_baseline");

			if (!isnan(ratio))
				fprintf(v->out, ", a page written of %s %.2f",
					workloads[w], ratio);
		}
		v->yes += one / base >= 2;
		v->no += one / base < 2;
	}
}

/*
 * The study's precopy is the arm next. A win counts per page written, within
 * five points of the study's; the loss is of the p99.9 of a write.
 */
static void judge_precopy(sqlite3 *db, enum cow_clock clock, struct votes *v)
{
	const double win = 1 - (double)study[STUDY_PRECOPY].avg /
				       (double)study[STUDY_BASELINE].avg;
	double ratio = seq(db, clock, "next", "ratio_to_baseline");
	double best = seq(db, clock, "adaptive", "ratio_to_baseline");
	double p999 = seq(db, clock, "next", "p999_ns");
	double was = seq(db, clock, "baseline", "p999_ns");
	double fault = avg(db, "service", clock, "next") /
		       avg(db, "service", clock, "baseline");
	int yes;

	if (isnan(ratio) || isnan(p999) || isnan(was))
		return;
	part(v, of_clock(clock));
	fprintf(v->out, " a page written costs %+.1f%% with next",
		100 * (ratio - 1));
	if (fault > 0)
		fprintf(v->out, ", a fault (of half as many) %+.1f%%",
			100 * (fault - 1));
	fprintf(v->out,
		", p99.9 of a write %.0f against %.0f, the longest %.0f against %.0f",
		p999, was, seq(db, clock, "next", "max_ns"),
		seq(db, clock, "baseline", "max_ns"));
	if (!isnan(best))
		fprintf(v->out, ", with adaptive %+.1f%% a page",
			100 * (best - 1));
	yes = (1 - ratio >= win - 0.05) + (p999 > was);
	v->yes += yes;
	v->no += 2 - yes;
}

/*
 * It can where the arm manual_cow was measured: what it promises is that no
 * write of the range takes a fault, and cowbench has checked every byte.
 */
static void judge_call(sqlite3 *db, enum cow_clock clock, struct votes *v)
{
	double faults = seq(db, clock, "manual_cow", "faults");
	double pages = seq(db, clock, "manual_cow", "pages_touched");
	double ratio = seq(db, clock, "manual_cow", "ratio_to_baseline");

	if (isnan(faults) || isnan(pages))
		return;
	part(v, "clock ");
	fprintf(v->out,
		"%s: after manual_cow, %.0f page(s) were written with %.0f page fault(s), in %.0f round(s)",
		clock_name(clock), pages, faults,
		seq(db, clock, "manual_cow", "rounds"));
	if (!isnan(ratio))
		fprintf(v->out,
			", at %.3f of baseline's cost a page, the call included",
			ratio);
	/* a stray fault of another mapping is not the range's */
	v->no += faults * 1000 <= pages;
	v->yes += faults * 1000 > pages;
}

const struct claim claims[CLAIMS] = {
	[CLAIM_COPYING] = {
		"Copying the page dominates the cost of a COW fault.",
		"make run ARMS=baseline WORKLOADS=seq",
		"baseline was not measured on seq with the histogram on",
		"the copy's share is larger here than on hardware with ERMS: there still less is left of the claim",
		judge_copying,
	},
	[CLAIM_HUGE_PAGES] = {
		"Huge pages make a COW cost more, because it copies more.",
		"make run ARMS=\"baseline thp hugetlb\" WORKLOADS=\"seq sparse64\"",
		"neither hugetlb nor thp was measured on seq beside baseline",
		"a hugetlb fault copies 2 MiB, which a writer of all of it wants and a sparse one pays for, a transparent huge page is split, and then 4 KiB are copied: the study's factor of " STUDY_HUGE_FACTOR " fits neither",
		judge_huge_pages,
	},
	[CLAIM_PRECOPY] = {
		"Precopy of the next page wins 19% on average, and loses in the worst case.",
		"make run ARMS=\"baseline next adaptive\" WORKLOADS=seq",
		"next was not measured on seq beside baseline",
		"the study's -" STUDY_PRECOPY_GAIN " is of the average fault: one that serves two pages is longer, and its gain is the fault that does not come",
		judge_precopy,
	},
	[CLAIM_CALL] = {
		"A system call that breaks COW beforehand cannot be verified in QEMU.",
		"make run ARMS=\"baseline manual_cow\" WORKLOADS=seq",
		"manual_cow was not measured on seq",
		"every byte that either process could see was compared afterwards",
		judge_call,
	},
};

/**
 * claim_evidence - judge a claim
 * @claim: the claim
 * @db: the run's store
 * @holds: what becomes of it
 *
 * Return: why, in parts that "; " divides; to be freed.
 */
char *claim_evidence(const struct claim *claim, sqlite3 *db, enum holds *holds)
{
	struct votes v = { 0 };
	struct memo memo;

	memo_begin(&memo);
	v.out = memo.f;
	claim->judge(db, CLK_ICOUNT, &v);
	claim->judge(db, CLK_WALL, &v);
	part(&v, v.yes + v.no ? claim->close : claim->open);
	*holds = !v.yes && !v.no ? CLAIM_OPEN :
		 !v.no		 ? CLAIM_HOLDS :
		 !v.yes		 ? CLAIM_FAILS :
				   CLAIM_PARTLY;
	return memo_end(&memo);
}
