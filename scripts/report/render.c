// SPDX-License-Identifier: GPL-2.0
/* render.c - the report, section by section */
#define _GNU_SOURCE
#include <inttypes.h>

#include "findings.h"
#include "crosscheck.h"
#include "render.h"

/*
 * The report, from its beginning to its end. A section writes nothing where
 * the run has not what it is about.
 */
static void (*const sections[])(const struct report *rep, struct doc *doc) = {
	section_findings, section_paper_table, section_ratios,
	section_sweep,	  section_tail,	       section_memory,
	section_redis,	  section_prefork,     section_fork,
	section_limits,	  section_scaling,
	section_claims,	  section_emulation,   section_cells,
	section_quality,  section_environment, section_method,
};

static const enum cow_clock clocks[] = { CLK_WALL, CLK_ICOUNT };

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

/* A line of the log for each fault is a lot: not every cell has one */
#define UNLOGGED                                                                \
	" (Cells that were measured without the log have histogram and faults " \
	"alone.)"

static bool unlogged(const struct run *run)
{
	for (size_t i = 0; i < run->cell.n; i++)
		if (run->cell.v[i].unlogged)
			return true;
	return false;
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
			"Whole: in all %zu cells, log, histogram and faults agree to the count, and no log line was lost or malformed.%s",
			run->cell.n, unlogged(run) ? UNLOGGED : "");
	return xasprintf(
		"NOT whole: of %zu cells, the counts of %zu disagree and of %zu are incomplete; %zu remarks; %s. See the cross-check below.",
		run->cell.n, v.disagree, v.incomplete, v.broken,
		dmesg_clean(&run->dmesg) ? "the log itself is clean" :
					   "the log is NOT clean");
}

/* What a boot was measured of, for the command that makes it again */
static bool has_boot(const struct run *run, enum cow_clock clock)
{
	for (size_t i = 0; i < run->cell.n; i++)
		if (run->cell.v[i].key.clock == clock)
			return true;
	return false;
}

void section_findings(const struct report *rep, struct doc *doc)
{
	const struct run *run = rep->run;
	char *(*const finding[])(const struct summary *sum) = {
		finding_gain,
		finding_price,
		finding_tail,
	};
	struct verdicts vd;
	char *s;

	doc_para(doc, TONE_SUB, "Linux %s, git %s, %s", run->env.release,
		 run->env.git, run->env.date);
	for (size_t i = 0; i < ARRAY_SIZE(finding); i++) {
		/* cppcheck-suppress uninitvar ; it is initialized above */
		s = finding[i](rep->sum);
		doc_step(doc, "%s", s);
		free(s);
	}
	verdicts_count(&vd, run);
	s = run_sentence(run);
	doc_para(doc,
		 !vd.disagree && !vd.incomplete && !vd.broken &&
				 dmesg_clean(&run->dmesg) ?
			 TONE_GOOD :
			 TONE_BAD,
		 "%s", s);
	free(s);
	if (rep->plot_trouble)
		doc_para(doc, TONE_BAD, "Pictures are missing: %s",
			 rep->plot_trouble);
}

void section_paper_table(const struct report *rep, struct doc *doc)
{
	bool any = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct table *t = table_paper(rep->run, rep->sum, clocks[c]);

		if (!t)
			continue;
		if (!any)
			doc_heading(doc, 2, "Table 1, beside the paper's");
		any = true;
		doc_table(doc, t);
	}
	if (!any)
		return;
	doc_para(
		doc, TONE_SUB,
		"How to read it: left the paper's COW latencies on its hardware, right this run's, of one service in the kernel; each ratio is to the baseline of its own side. Only ratios can be compared across the middle, and only for their direction. The last column is what the paper does not have: all that a page written cost the writer, the faults that did not come included.");
	doc_command(
		doc,
		"make run ARMS=\"baseline thp hugetlb next\" WORKLOADS=seq");
}

void section_ratios(const struct report *rep, struct doc *doc)
{
	bool any = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct table *t = table_ratios(rep->run, rep->sum, clocks[c]);

		if (!t)
			continue;
		if (!any)
			doc_heading(doc, 2, "Every arm on every workload");
		any = true;
		doc_table(doc, t);
	}
	if (!any)
		return;
	doc_para(
		doc, TONE_SUB,
		"How to read it: what a page written costs with the arm of the row under the workload of the column, as a ratio to baseline in the same boot, median over the rounds. Green is cheaper, red is dearer, full colour at half and double. A dash was not measured: scripts/matrix says why.");
	doc_command(doc, "make run");
}

void section_sweep(const struct report *rep, struct doc *doc)
{
	bool any = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		const struct plot *p =
			plots_find(rep->plots, PLOT_SWEEP, clocks[c], "");

		if (!p)
			continue;
		if (!any)
			doc_heading(doc, 2, "What a larger window is worth");
		any = true;
		doc_figure(doc, p);
	}
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct table *t = table_sweep(rep->run, rep->sum, clocks[c]);

		any |= !!t;
		doc_table(doc, t);
	}
	if (any)
		doc_command(doc,
			    "make run ARMS=\"baseline sweep\" WORKLOADS=seq");
}

void section_tail(const struct report *rep, struct doc *doc)
{
	bool any = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		const struct plot *p =
			plots_find(rep->plots, PLOT_TAIL, clocks[c], "seq");

		if (!p)
			continue;
		if (!any)
			doc_heading(doc, 2, "The tail");
		any = true;
		doc_figure(doc, p);
	}
	if (any)
		doc_command(doc, "make run WORKLOADS=seq");
}

void section_memory(const struct report *rep, struct doc *doc)
{
	bool any = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		const struct plot *p =
			plots_find(rep->plots, PLOT_MEMORY, clocks[c], "");

		if (!p)
			continue;
		if (!any)
			doc_heading(doc, 2, "Memory against time saved");
		any = true;
		doc_figure(doc, p);
	}
	if (!any)
		return;
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++)
		doc_table(doc, table_memory(rep->run, rep->sum, clocks[c]));
	doc_command(doc, "make run");
}

void section_claims(const struct report *rep, struct doc *doc)
{
	void (*const make[])(const struct summary *sum, struct claim *claim) = {
		claim_copying,
		claim_huge_pages,
		claim_precopy,
		claim_system_call,
	};

	doc_heading(doc, 2, "Is the paper right?");
	for (size_t i = 0; i < ARRAY_SIZE(make); i++) {
		struct claim c;

		make[i](rep->sum, &c);
		doc_heading(doc, 3, "\"%s\"", c.text);
		doc_para(doc,
			 c.holds == CLAIM_HOLDS ? TONE_GOOD :
			 c.holds == CLAIM_FAILS ? TONE_BAD :
						  TONE_PLAIN,
			 "%s.", holds_name(c.holds));
		/* a clock or an arm each */
		for (char *s = c.evidence, *next; s; s = next) {
			next = strstr(s, "; ");
			if (next) {
				*next = '\0';
				next += 2;
			}
			doc_item(doc, "%s", s);
		}
		doc_command(doc, "%s", c.command);
		free(c.evidence);
	}
}

void section_emulation(const struct report *rep, struct doc *doc)
{
	bool tcg = false;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++)
		tcg |= has_boot(rep->run, clocks[c]) &&
		       !strcmp(rep->run->env.boot[clocks[c]].accel, "tcg");
	if (!tcg)
		return;
	doc_heading(doc, 2, "What is an artefact of emulation");
	doc_item(
		doc,
		"Every nanosecond of clock wall is one of translated code on this host, which others share: the ratios of one boot mean something, the figures do not, and the longest of all is often the host's doing.");
	doc_item(
		doc,
		"Under clock icount a nanosecond is an instruction. Caches, TLB misses and memory cost nothing there, so whatever saves misses (large folios, fewer flushes) is worth more on hardware than it shows, and what moves data (a copy of 2 MiB) costs more.");
	doc_item(
		doc,
		"The copy of a page is memcpy_orig, 1554 instructions, because the CPU model is without ERMS: a larger share of a fault than on hardware. The column overhead per page is without it.");
	doc_item(
		doc,
		"A fault's entry and exit are cheap here, where nothing is speculated and no mitigation costs what it costs on hardware: saving a fault is worth more there.");
	doc_item(
		doc,
		"A flush of another core's TLB is a message between threads of the emulator; threads on several cores compete with each other and with the host.");
}

static void cells_of(const struct report *rep, const struct view *w,
		     struct doc *doc)
{
	static const enum plot_kind kinds[] = { PLOT_DIST, PLOT_TAIL,
						PLOT_COST };
	const struct env_boot *b = &rep->run->env.boot[w->clock];
	char *title = xasprintf("%s, clock %s, %s", w->workload,
				clock_name(w->clock), b->accel);

	doc_fold(doc, title);
	free(title);
	doc_table(doc, table_service(rep->run, rep->sum, w->clock, w->workload,
				     DENSE_NO));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		/* shown by section_tail() */
		if (kinds[k] == PLOT_TAIL && !strcmp(w->workload, "seq"))
			continue;
		doc_figure(doc, plots_find(rep->plots, kinds[k], w->clock,
					   w->workload));
	}
	doc_table(doc, table_touch(rep->run, rep->sum, w->clock, w->workload));
	doc_table(doc, table_stats(rep->run, w->clock, w->workload));
	doc_command(doc, "make run CLOCK=%s WORKLOADS=%s", clock_name(w->clock),
		    w->workload);
	doc_fold_end(doc);
}

void section_cells(const struct report *rep, struct doc *doc)
{
	struct views v;

	views_make(&v, rep->run);
	if (v.view.n)
		doc_heading(doc, 2, "Each workload in full");
	for (size_t i = 0; i < v.view.n; i++)
		cells_of(rep, &v.view.v[i], doc);
	vec_free(&v.view);
}

void section_quality(const struct report *rep, struct doc *doc)
{
	const struct run *run = rep->run;
	size_t told = 0;
	char *s;

	doc_heading(doc, 2, "Cross-check");
	doc_fold(doc, "Every count, cell by cell");
	doc_table(doc, table_counts(run));
	doc_fold_end(doc);
	for (size_t i = 0; i < run->cell.n; i++) {
		struct cross_check x;

		cross_check_cell(&run->cell.v[i], &x);
		if (x.verdict == VERDICT_AGREE)
			continue;
		s = check_sentence(run, &run->cell.v[i], &x);
		doc_item(doc, "%s", s);
		free(s);
		told++;
	}
	if (!told && run->cell.n)
		doc_item(doc, "All cells agree.");
	s = crosscheck_sentence(run->dir);
	if (s)
		doc_item(doc, "%s", s);
	free(s);
	doc_heading(doc, 2, "Log and remarks");
	s = log_sentence(run);
	doc_item(doc, "%s", s);
	free(s);
	for (size_t i = 0; i < run->dmesg.nshown; i++)
		doc_item(doc, "dmesg.log line %zu: %s",
			 run->dmesg.shown[i].line, run->dmesg.shown[i].text);
	for (size_t i = 0; i < run->problem.n; i++)
		doc_item(doc, "%s", run->problem.v[i].text);
	if (run->more_problems)
		doc_item(doc, "and %zu more", run->more_problems);
}

void section_environment(const struct report *rep, struct doc *doc)
{
	const struct env *e = &rep->run->env;

	doc_heading(doc, 2, "Environment");
	doc_pair(doc, "date", "%s", e->date);
	doc_pair(doc, "git", "%s", e->git);
	doc_pair(doc, "kernel", "%s", e->release);
	doc_pair(doc, "compiler", "%s", e->compiler);
	doc_pair(doc, "kernel config", "%s", e->config);
	doc_pair(doc, "QEMU", "%s", e->qemu);
	doc_pair(doc, "host", "%s, %s cores, %s", e->cpu, e->cores, e->os);
	for (int c = 0; c < CLK_UNKNOWN; c++) {
		const struct env_boot *b = &e->boot[c];
		char *what = xasprintf("boot %s", clock_name(b->clock));

		doc_pair(doc, what,
			 "accel %s, cpu %s, %s cores, memory %s, cmdline: %s",
			 b->accel, b->cpu_model, b->smp, b->mem, b->cmdline);
		free(what);
	}
}

void section_method(const struct report *rep, struct doc *doc)
{
	static const char *const method[] = {
		"Each cell has a quiet pass, in which nobody listens (source user: cowbench's own clock around each write), and a listening pass with timing on and, in the first round of the first workload, the log too (sources debugfs and dmesg).",
		"Arms alternate, and each round begins with another; the lists of free pages that a CPU keeps are held short (percpu_pagelist_high_fraction), because their refill of 2016 pages in one fault fell on one cell or the next by what had run before.",
		"Over the rounds: count, faults and pages are sums, avg is the weighted mean, min and max are the extremes, and each percentile is the median over the rounds of that round's percentile (of an even number of rounds, the mean of the middle two).",
		"Percentiles of dmesg are exact (nearest rank); those of debugfs and cowbench come out of log-linear buckets and are within 3%.",
		"ns per page written: the pass's elapsed time over the 4 KiB pages it wrote, median over the rounds; ratio to baseline: median of the ratios of each round to the same round of baseline in the same boot. For the other sources the ratio is that of the means.",
		"Overhead per page: ns per page less the copy's share, which is the time of the stages copy and hugetlb_copy over the pages written in the listening pass.",
		"Arms may be compared inside of one table. Never compare across CPU models, clocks or accelerators.",
	};

	(void)rep;
	doc_heading(doc, 2, "How the numbers are made");
	for (size_t i = 0; i < ARRAY_SIZE(method); i++)
		doc_item(doc, "%s", method[i]);
}

/**
 * render - write the report
 * @rep: what it tells
 * @kind: as Markdown or as HTML
 * @out: where
 */
void render(const struct report *rep, const struct doc_kind *kind, FILE *out)
{
	char *title = xasprintf("cowlab run %s", rep->run->name);
	struct doc doc;

	doc_begin(&doc, kind, out, title);
	free(title);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		sections[i](rep, &doc);
	doc_end(&doc);
}
