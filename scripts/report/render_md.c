// SPDX-License-Identifier: GPL-2.0
/* render_md.c - the report as Markdown */
#define _GNU_SOURCE
#include <inttypes.h>

#include "render.h"

/**
 * put_md - print text into Markdown, so that none of it is markup
 * @out: where
 * @s: the text
 */
void put_md(FILE *out, const char *s)
{
	size_t len = strlen(s), n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = utf8_len(s + i, len - i);
		if (!n) {
			fputc('?', out);
			continue;
		}
		if (s[i] == '<') {
			fputs("&lt;", out);
			continue;
		}
		if (s[i] == '&') {
			fputs("&amp;", out);
			continue;
		}
		if (strchr("\\`*|[]", s[i]))
			fputc('\\', out);
		fwrite(s + i, 1, n, out);
	}
}

static void md_line(FILE *out, const char *prefix, const char *s)
{
	fputs(prefix, out);
	put_md(out, s);
	fputc('\n', out);
}

static void md_owned(FILE *out, const char *prefix, char *s)
{
	md_line(out, prefix, s);
	free(s);
}

static void md_table(FILE *out, struct table *t)
{
	if (!t)
		return;
	md_line(out, "\n### ", t->title);
	fputs("\n|", out);
	for (size_t i = 0; i < t->ncol; i++) {
		fputc(' ', out);
		put_md(out, t->head[i]);
		fputs(" |", out);
	}
	fputs("\n|", out);
	for (size_t i = 0; i < t->ncol; i++)
		fputs(t->left & 1u << i ? " --- |" : " ---: |", out);
	for (size_t i = 0; i < t->cell.n; i++) {
		if (i % t->ncol == 0)
			fputs("\n|", out);
		fputc(' ', out);
		put_md(out, t->cell.v[i]);
		fputs(" |", out);
	}
	fputs("\n\n", out);
	for (size_t i = 0; i < t->note.n; i++)
		md_line(out, "* ", t->note.v[i]);
	table_free(t);
}

static void md_env(FILE *out, const struct run *run)
{
	const struct env *e = &run->env;

	fputs("\n## Environment\n\n", out);
	md_line(out, "* date: ", e->date);
	md_line(out, "* git: ", e->git);
	md_line(out, "* kernel: ", e->release);
	md_line(out, "* compiler: ", e->compiler);
	md_line(out, "* kernel config: ", e->config);
	md_line(out, "* QEMU: ", e->qemu);
	md_owned(out, "* host: ",
		 xasprintf("%s, %s cores, %s", e->cpu, e->cores, e->os));
	for (int c = 0; c < CLK_UNKNOWN; c++) {
		const struct env_boot *b = &e->boot[c];

		md_owned(
			out, "* boot: ",
			xasprintf(
				"clock %s, accel %s, cpu %s, %s cores, memory %s, cmdline: %s",
				clock_name(b->clock), b->accel, b->cpu_model,
				b->smp, b->mem, b->cmdline));
	}
}

static void md_quality(FILE *out, const struct run *run)
{
	size_t told = 0;

	fputs("\n## Cross-check\n", out);
	md_table(out, table_counts(run));
	for (size_t i = 0; i < run->cell.n; i++) {
		struct cross_check x;

		cross_check_cell(&run->cell.v[i], &x);
		if (x.verdict == VERDICT_AGREE)
			continue;
		md_owned(out, "* ", check_sentence(run, &run->cell.v[i], &x));
		told++;
	}
	if (!told && run->cell.n)
		fputs("* All cells agree.\n", out);
	fputs("\n## Log and remarks\n\n", out);
	md_owned(out, "* ", log_sentence(run));
	for (size_t i = 0; i < run->dmesg.nshown; i++)
		md_owned(out, "* ",
			 xasprintf("dmesg.log line %zu: %s",
				   run->dmesg.shown[i].line,
				   run->dmesg.shown[i].text));
	for (size_t i = 0; i < run->problem.n; i++)
		md_line(out, "* ", run->problem.v[i].text);
	if (run->more_problems)
		fprintf(out, "* and %zu more\n", run->more_problems);
}

/**
 * render_md - write report.md
 * @rep: the report
 * @out: where
 */
void render_md(const struct report *rep, FILE *out)
{
	const struct run *run = rep->run;
	struct views v;

	views_make(&v, run);
	md_line(out, "# cowlab run ", run->name);
	md_owned(out, "\n",
		 xasprintf("Linux %s, git %s, %s", run->env.release,
			   run->env.git, run->env.date));
	md_owned(out, "\n", run_sentence(run));
	for (size_t i = 0; i < v.view.n; i++) {
		const struct view *w = &v.view.v[i];

		md_table(out, table_service(run, rep->sum, w->clock,
					    w->workload, DENSE_NO));
		for (size_t k = 0; k < rep->plots->plot.n; k++) {
			const struct plot *p = &rep->plots->plot.v[k];

			if (p->clock != w->clock ||
			    strcmp(p->workload, w->workload))
				continue;
			fputs("\n![", out);
			put_md(out, p->title);
			fprintf(out, "](%s)\n\n", p->file);
			md_line(out, "", p->reading);
		}
		md_table(out,
			 table_touch(run, rep->sum, w->clock, w->workload));
	}
	if (rep->plot_trouble)
		md_line(out, "\nPictures are missing: ", rep->plot_trouble);
	md_quality(out, run);
	fputs("\n## Counters\n", out);
	for (size_t i = 0; i < v.view.n; i++)
		md_table(out, table_stats(run, v.view.v[i].clock,
					  v.view.v[i].workload));
	md_env(out, run);
	fputs("\n## How the numbers are made\n\n", out);
	for (size_t i = 0; i < method_len; i++)
		md_line(out, "* ", method[i]);
	vec_free(&v.view);
}
