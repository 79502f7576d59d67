// SPDX-License-Identifier: GPL-2.0
/* claims.c - the paper's claims, and what a run says of them */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>

#include "findings.h"

/* The paper's Table 1: averages, in ns */
#define PAPER_BASELINE 17734
#define PAPER_HUGE 27882
#define PAPER_PRECOPY 14338

static const enum cow_clock clocks[] = { CLK_ICOUNT, CLK_WALL };

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

static double avg(const struct summary_row *r)
{
	return r && r->lat.count != NONE && r->lat.count ? (double)r->lat.avg :
							   NAN;
}

/* One text out of what was printed to it; @f is closed */
static char *finish(FILE *f, char **text)
{
	return fclose(f) ? xstrdup("out of memory") : *text;
}

static const char *of_clock(enum cow_clock clock)
{
	return clock == CLK_ICOUNT ? "in instructions" : "in emulated time";
}

/* Votes of the clocks: all for, all against, or some of each */
static enum holds vote(size_t yes, size_t no)
{
	if (!yes && !no)
		return CLAIM_OPEN;
	return !no ? CLAIM_HOLDS : !yes ? CLAIM_FAILS : CLAIM_PARTLY;
}

/**
 * claim_copying - copying dominates a COW fault
 * @sum: the summary
 * @claim: the result
 *
 * It does where the copy takes more than half of the service.
 */
void claim_copying(const struct summary *sum, struct claim *claim)
{
	size_t size, yes = 0, no = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	*claim = (struct claim){
		.text = "Copying the page dominates the cost of a COW fault.",
		.command = "make run ARMS=baseline WORKLOADS=seq",
	};
	if (!f)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		double copy = avg(summary_find(sum, clocks[i], "baseline",
					       "seq", SRC_DEBUGFS, "copy"));
		double fault =
			avg(service_row(sum, clocks[i], "baseline", "seq"));
		double write =
			avg(touch_row(sum, clocks[i], "baseline", "seq"));

		if (!(copy > 0) || !(fault > 0))
			continue;
		fprintf(f,
			"%s%s the copy is %.0f of a fault's service of %.0f, %.0f%%",
			yes + no ? "; " : "", of_clock(clocks[i]), copy, fault,
			100 * copy / fault);
		if (write > 0)
			fprintf(f,
				" (and %.0f%% of the %.0f that the writer waits, kernel entry and exit included)",
				100 * copy / write, write);
		if (copy > fault / 2)
			yes++;
		else
			no++;
	}
	if (yes + no)
		fputs("; the copy's share is larger here than on hardware with ERMS: there still less is left of the claim",
		      f);
	else
		fputs("baseline was not measured on seq with the histogram on",
		      f);
	claim->holds = vote(yes, no);
	claim->evidence = finish(f, &text);
}

/**
 * claim_huge_pages - huge pages cost more because a COW copies more
 * @sum: the summary
 * @claim: the result
 *
 * For a kind of huge page it holds where one COW of it takes twice as long as
 * baseline's; hugetlb and transparent huge pages are judged apart.
 */
void claim_huge_pages(const struct summary *sum, struct claim *claim)
{
	static const char *const arms[] = { "hugetlb", "thp" };
	static const char *const workloads[] = { "seq", "sparse64" };
	size_t size, yes = 0, no = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	*claim = (struct claim){
		.text = "Huge pages make a COW cost more, because it copies more.",
		.command =
			"make run ARMS=\"baseline thp hugetlb\" WORKLOADS=\"seq sparse64\"",
	};
	if (!f)
		return;
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		double base =
			avg(service_row(sum, clocks[c], "baseline", "seq"));

		for (size_t a = 0; a < ARRAY_SIZE(arms); a++) {
			double one = avg(
				service_row(sum, clocks[c], arms[a], "seq"));

			if (!(base > 0) || !(one > 0))
				continue;
			fprintf(f,
				"%s%s one COW of %s takes %.2f of baseline's",
				yes + no ? "; " : "", of_clock(clocks[c]),
				arms[a], one / base);
			for (size_t w = 0; w < ARRAY_SIZE(workloads); w++) {
				const struct summary_row *r = touch_row(
					sum, clocks[c], arms[a], workloads[w]);

				if (r && !isnan(r->ratio))
					fprintf(f,
						", a page written of %s %.2f",
						workloads[w], r->ratio);
			}
			if (one / base >= 2)
				yes++;
			else
				no++;
		}
	}
	if (yes + no)
		fprintf(f,
			"; a hugetlb fault copies 2 MiB, which a writer of all of it wants and a sparse one pays for, a transparent huge page is split, and then 4 KiB are copied: the paper's factor of %.2f fits neither",
			(double)PAPER_HUGE / PAPER_BASELINE);
	else
		fputs("neither hugetlb nor thp was measured on seq beside baseline",
		      f);
	claim->holds = vote(yes, no);
	claim->evidence = finish(f, &text);
}

/**
 * claim_precopy - precopy wins on average and loses in the worst case
 * @sum: the summary
 * @claim: the result
 *
 * The paper's precopy is the arm next. A win counts per page written, within
 * five points of the paper's; the loss is of the p99.9 of a write.
 */
void claim_precopy(const struct summary *sum, struct claim *claim)
{
	const double paper = 1 - (double)PAPER_PRECOPY / PAPER_BASELINE;
	size_t size, yes = 0, no = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	*claim = (struct claim){
		.text = "Precopy of the next page wins 19% on average, and loses in the worst case.",
		.command =
			"make run ARMS=\"baseline next adaptive\" WORKLOADS=seq",
	};
	if (!f)
		return;
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		const struct summary_row *r =
			touch_row(sum, clocks[c], "next", "seq");
		const struct summary_row *best =
			touch_row(sum, clocks[c], "adaptive", "seq");
		const struct summary_row *base =
			touch_row(sum, clocks[c], "baseline", "seq");
		double svc = avg(service_row(sum, clocks[c], "next", "seq"));
		double was =
			avg(service_row(sum, clocks[c], "baseline", "seq"));
		bool wins, loses;

		if (!r || !base || isnan(r->ratio) || r->lat.p999 == NONE ||
		    base->lat.p999 == NONE)
			continue;
		wins = 1 - r->ratio >= paper - 0.05;
		loses = r->lat.p999 > base->lat.p999;
		fprintf(f, "%s%s a page written costs %+.1f%% with next",
			yes + no ? "; " : "", of_clock(clocks[c]),
			100 * (r->ratio - 1));
		if (svc > 0 && was > 0)
			fprintf(f, ", a fault (of half as many) %+.1f%%",
				100 * (svc / was - 1));
		fprintf(f,
			", p99.9 of a write %" PRIu64 " against %" PRIu64
			", the longest %" PRIu64 " against %" PRIu64,
			r->lat.p999, base->lat.p999, r->lat.max, base->lat.max);
		if (best && !isnan(best->ratio))
			fprintf(f, ", with adaptive %+.1f%% a page",
				100 * (best->ratio - 1));
		yes += wins + loses;
		no += !wins + !loses;
	}
	if (!(yes + no))
		fputs("next was not measured on seq beside baseline", f);
	else
		fprintf(f,
			"; the paper's %+.1f%% is of the average fault: one that serves two pages is longer, and its gain is the fault that does not come",
			-100 * paper);
	claim->holds = vote(yes, no);
	claim->evidence = finish(f, &text);
}

/**
 * claim_system_call - a system call that breaks COW cannot be verified in QEMU
 * @sum: the summary
 * @claim: the result
 *
 * It can where the arm manual_cow was measured: what it promises is that no
 * write of the range takes a fault, and cowbench has checked every byte.
 */
void claim_system_call(const struct summary *sum, struct claim *claim)
{
	size_t size, yes = 0, no = 0;
	char *text;
	FILE *f = open_memstream(&text, &size);

	*claim = (struct claim){
		.text = "A system call that breaks COW beforehand cannot be verified in QEMU.",
		.command =
			"make run ARMS=\"baseline manual_cow\" WORKLOADS=seq",
	};
	if (!f)
		return;
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		const struct summary_row *r =
			touch_row(sum, clocks[c], "manual_cow", "seq");

		if (!r || r->faults == NONE || r->touched == NONE)
			continue;
		fprintf(f,
			"%sclock %s: after manual_cow, %" PRIu64
			" page(s) were written with %" PRIu64
			" page fault(s), in %zu round(s)",
			yes + no ? "; " : "", clock_name(clocks[c]), r->touched,
			r->faults, r->rounds);
		if (!isnan(r->ratio))
			fprintf(f,
				", at %.3f of baseline's cost a page, the call included",
				r->ratio);
		/* a stray fault of another mapping is not the range's */
		if (r->faults * 1000 <= r->touched)
			no++;
		else
			yes++;
	}
	if (yes + no)
		fputs("; every byte that either process could see was compared afterwards",
		      f);
	else
		fputs("manual_cow was not measured on seq", f);
	claim->holds = vote(yes, no);
	claim->evidence = finish(f, &text);
}
