// SPDX-License-Identifier: GPL-2.0
/* sections.c - the report's sections */
#define _GNU_SOURCE
#include "findings.h"
#include "report.h"

static const enum cow_clock clocks[] = { CLK_WALL, CLK_ICOUNT };

/*
 * Write a section, a boot after the other: a heading, parts up to an empty one,
 * how to read them, how to make them again. Nothing, where there is no part.
 */
void put_section(const struct report *rep, struct doc *doc, const char *heading,
		 const char *reading, const char *command,
		 const struct part *parts)
{
	bool any = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		for (const struct part *p = parts; p->table || p->picture;
		     p++) {
			const struct plot *plot = NULL;
			struct table *table = NULL;

			if (p->table)
				table = p->table(rep, clocks[c]);
			else
				plot = plots_named(rep->plots,
						   clock_name(clocks[c]),
						   p->picture);
			if (!plot && !table)
				continue;
			if (!any)
				doc_put(doc, DOC_H2, "%s", heading);
			any = true;
			doc_figure(doc, plot);
			doc_table(doc, table);
		}
	}
	if (any && reading)
		doc_put(doc, DOC_SUB, "%s", reading);
	if (any)
		doc_put(doc, DOC_COMMAND, "%s", command);
}

void section_findings(const struct report *rep, struct doc *doc)
{
	const struct run *run = rep->run;
	struct verdicts v;
	char *s;

	doc_put(doc, DOC_SUB, "Linux %s, git %s, %s", run->env.release,
		run->env.git, run->env.date);
	for (int i = 0; i < FINDINGS; i++) {
		s = finding(run->db, i);
		if (s)
			doc_put(doc, DOC_STEP, "%s", s);
		free(s);
	}
	s = run_sentence(run);
	doc_put(doc, run_whole(run, &v) ? DOC_GOOD : DOC_BAD, "%s", s);
	free(s);
	if (rep->plot_trouble)
		doc_put(doc, DOC_BAD, "Pictures are missing: %s",
			rep->plot_trouble);
}

void section_claims(const struct report *rep, struct doc *doc)
{
	doc_put(doc, DOC_H2, "Is the study right?");
	for (const struct claim *c = claims; c < claims + CLAIMS; c++) {
		enum holds holds;
		char *evidence = claim_evidence(c, rep->run->db, &holds);

		doc_put(doc, DOC_H3, "\"%s\"", c->text);
		doc_put(doc,
			holds == CLAIM_HOLDS ? DOC_GOOD :
			holds == CLAIM_FAILS ? DOC_BAD :
					       DOC_PARA,
			"%s.", holds_name(holds));
		/* a clock or an arm each */
		for (char *s = evidence, *next; s; s = next) {
			next = strstr(s, "; ");
			if (next) {
				*next = '\0';
				next += 2;
			}
			doc_put(doc, DOC_ITEM, "%s", s);
		}
		doc_put(doc, DOC_COMMAND, "%s", c->command);
		free(evidence);
	}
}

void section_emulation(const struct report *rep, struct doc *doc)
{
	static const char *const artefacts[] = {
		"Under clock wall a nanosecond is time of translated code on this host, which other load shares. Ratios within one boot are meaningful, absolute figures are not, and the maximum is often noise of the host.",
		"Under clock icount a nanosecond is an instruction. Caches, TLB misses and memory cost nothing there. What saves misses (large folios, fewer flushes) is worth more on hardware, and what moves data (a copy of 2 MiB) costs more.",
		"The copy of a page is memcpy_orig, 1554 instructions, because the CPU model lacks ERMS: a larger share of a fault than on hardware. The column overhead per page excludes the copy.",
		"A fault's entry and exit are cheap under emulation: there is no speculation, and mitigations cost less than on hardware. Saving a fault is worth more on hardware.",
		"A flush of another core's TLB is a message between threads of the emulator; threads on several cores compete with each other and with the host.",
	};

	if (db_number(
		    rep->run->db,
		    "SELECT count(*) FROM series JOIN boot USING (clock) WHERE accel = 'tcg'",
		    "") < 1)
		return;
	doc_put(doc, DOC_H2, "What is an artefact of emulation");
	for (size_t i = 0; i < ARRAY_SIZE(artefacts); i++)
		doc_put(doc, DOC_ITEM, "%s", artefacts[i]);
}

static void cells_of(const struct report *rep, struct doc *doc,
		     enum cow_clock clock, const char *workload)
{
	static const char *const pictures[] = { "dist", "tail", "cost" };
	const char *name = clock_name(clock);

	doc_put(doc, DOC_FOLD, "%s, clock %s, %s", workload, name,
		rep->run->env.boot[clock].accel);
	doc_table(doc, table_service(rep, clock, workload, DENSE_NO));
	for (size_t k = 0; k < ARRAY_SIZE(pictures); k++) {
		char *file = xasprintf("%s-%s", workload, pictures[k]);

		/* has a section of its own */
		if (strcmp(file, "seq-tail"))
			doc_figure(doc, plots_named(rep->plots, name, file));
		free(file);
	}
	doc_table(doc, table_touch(rep, clock, workload));
	doc_table(doc, table_stats(rep, clock, workload));
	doc_put(doc, DOC_COMMAND, "make run CLOCK=%s WORKLOADS=%s", name,
		workload);
	doc_put(doc, DOC_UNFOLD, "%s", "");
}

void section_cells(const struct report *rep, struct doc *doc)
{
	sqlite3_stmt *q = db_query(
		rep->run->db,
		"SELECT clock, workload FROM series GROUP BY clock, workload ORDER BY clock = 'unknown', clock DESC, workload COLLATE workload",
		"");
	bool any = false;

	while (db_next(&q)) {
		const char *clock = col_text(q, 0);

		if (!any)
			doc_put(doc, DOC_H2, "Each workload in full");
		any = true;
		cells_of(rep, doc, clock_by_name(clock, strlen(clock)),
			 col_text(q, 1));
	}
}

/* An item for each row of a query; whether there was one */
static bool put_items(const struct report *rep, struct doc *doc,
		      const char *sql)
{
	sqlite3_stmt *q = db_query(rep->run->db, sql, "");
	bool any = false;

	for (; db_next(&q); any = true)
		doc_put(doc, DOC_ITEM, "%s", col_text(q, 0));
	return any;
}

void section_quality(const struct report *rep, struct doc *doc)
{
	const struct run *run = rep->run;
	struct verdicts v;
	char *s;

	run_whole(run, &v);
	doc_put(doc, DOC_H2, "Cross-check");
	doc_put(doc, DOC_FOLD, "Every count, cell by cell");
	doc_table(doc, table_counts(rep));
	doc_put(doc, DOC_UNFOLD, "%s", "");
	if (!put_items(rep, doc, CELL_SENTENCES "WHERE verdict <> 'agree'") &&
	    v.cells)
		doc_put(doc, DOC_ITEM, "All cells agree.");
	s = crosscheck_sentence(run->db);
	if (s)
		doc_put(doc, DOC_ITEM, "%s", s);
	free(s);
	doc_put(doc, DOC_H2, "Log and remarks");
	s = log_sentence(run);
	doc_put(doc, DOC_ITEM, "%s", s);
	free(s);
	for (size_t i = 0; i < run->dmesg.nshown; i++)
		doc_put(doc, DOC_ITEM, "dmesg.log line %zu: %s",
			run->dmesg.shown[i].line, run->dmesg.shown[i].text);
	put_items(rep, doc, "SELECT text FROM problem ORDER BY rowid");
	if (run->problems > PROBLEMS_MAX)
		doc_put(doc, DOC_ITEM, "and %zu more",
			run->problems - PROBLEMS_MAX);
}

void section_environment(const struct report *rep, struct doc *doc)
{
	sqlite3_stmt *q = db_query(
		rep->run->db,
		"SELECT key, value FROM env UNION ALL SELECT 'boot ' || clock, printf('accel %s, cpu %s, %s cores, memory %s, cmdline: %s', accel, cpu_model, smp, mem, cmdline) FROM boot",
		"");

	doc_put(doc, DOC_H2, "Environment");
	while (db_next(&q)) {
		doc_put(doc, DOC_WORD, "%s", col_text(q, 0));
		doc_put(doc, DOC_MEANING, "%s", col_text(q, 1));
	}
}

void section_method(const struct report *rep, struct doc *doc)
{
	static const char *const method[] = {
		"Each cell has a quiet pass with tracing off (source user: cowbench times each write), and a listening pass with timing on and, in the first round of the first workload, with the log on, too (sources debugfs and dmesg).",
		"Arms alternate, and each round begins with a different arm. The per-CPU lists of free pages are kept short (percpu_pagelist_high_fraction): otherwise a refill of 2016 pages in one fault hits one cell or another, depending on what ran before.",
		"Over the rounds: count, faults and pages are sums, avg is the weighted mean, min and max are the extremes, and each percentile is the median over the rounds of that round's percentile (of an even number of rounds, the mean of the middle two).",
		"Percentiles of dmesg are exact (nearest rank); those of debugfs and cowbench come from log-linear buckets and are within 3%.",
		"ns per page written: the pass's elapsed time over the 4 KiB pages it wrote, median over the rounds; ratio to baseline: median of the ratios of each round to the same round of baseline in the same boot. For the other sources it is the ratio of the means.",
		"Overhead per page: ns per page less the copy's share, which is the time of the stages copy and hugetlb_copy over the pages written in the listening pass.",
		"Compare arms within one table. Never compare across CPU models, clocks or accelerators.",
	};

	(void)rep;
	doc_put(doc, DOC_H2, "How the numbers are made");
	for (size_t i = 0; i < ARRAY_SIZE(method); i++)
		doc_put(doc, DOC_ITEM, "%s", method[i]);
}
