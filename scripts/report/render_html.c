// SPDX-License-Identifier: GPL-2.0
/* render_html.c - the report as one HTML page */
#define _GNU_SOURCE
#include <inttypes.h>

#include "render.h"

static const char style[] =
	":root{color-scheme:light}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;max-width:72rem;padding:1rem 1.25rem 4rem;background:#fff;color:#1b1f24;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\n"
	"h1{font-size:1.5rem;margin:.5rem 0 0;overflow-wrap:anywhere}\n"
	"h2{font-size:1.25rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid #d5dae0}\n"
	"p.sub{margin:.1rem 0 .8rem;color:#57606a;overflow-wrap:anywhere}\n"
	"p.state{margin:.5rem 0 1rem;padding:.55rem .8rem;border-left:4px solid #2da44e;background:#eefaf1}\n"
	"p.bad{border-color:#cf222e;background:#fff0ef}\n"
	".scroll{overflow-x:auto;margin:.4rem 0}\n"
	"table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	"table.wide{font-size:.82rem}\n"
	"th,td{padding:.28rem .6rem;text-align:right;border-bottom:1px solid #e4e8ec}\n"
	"thead th{vertical-align:bottom;white-space:normal;min-width:3.4rem;border-bottom:2px solid #8c959f;font-weight:600}\n"
	"th.l,td.l{text-align:left}\n"
	"tbody th{font-weight:600}\n"
	"tbody tr:hover{background:#f3f6f9}\n"
	"td i{font-style:normal;margin-left:.18em}\n"
	"h3{font-size:1.02rem;margin:1.4rem 0 .2rem;overflow-wrap:anywhere}\n"
	".notes{margin:.3rem 0 0;padding:0;list-style:none;font-size:.85rem;color:#57606a;max-width:60rem}\n"
	".notes li{margin:.2rem 0}\n"
	"ul.plain{padding-left:1.1rem;font-size:.9rem;overflow-wrap:anywhere}\n"
	".figs{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,31rem),1fr));gap:1.2rem;margin:1.2rem 0}\n"
	"figure{margin:0;min-width:0}\n"
	"svg{display:block;width:100%;height:auto}\n"
	"figcaption{font-size:.85rem;color:#57606a}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}\n"
	"dt{color:#57606a}dd{margin:0;min-width:0;overflow-wrap:anywhere}\n"
	"@media(max-width:36rem){body{padding:.5rem .75rem 3rem}table,table.wide{font-size:.78rem}th,td{padding:.25rem .4rem}tbody th,thead th:first-child{position:sticky;left:0;background:#fff}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}\n"
	"@media print{.scroll{overflow:visible}figure{break-inside:avoid}}\n";

/**
 * put_html - print text into HTML, so that none of it is markup
 * @out: where
 * @s: the text
 */
void put_html(FILE *out, const char *s)
{
	size_t len = strlen(s), n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = utf8_len(s + i, len - i);
		if (!n) {
			fputs("&#xfffd;", out);
			continue;
		}
		switch (s[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fwrite(s + i, 1, n, out);
		}
	}
}

static void element(FILE *out, const char *open, const char *text,
		    const char *close)
{
	fputs(open, out);
	put_html(out, text);
	fputs(close, out);
}

static void owned(FILE *out, const char *open, char *text, const char *close)
{
	element(out, open, text, close);
	free(text);
}

/* A number of five digits and more is set in groups, and copies as digits */
static void put_cell(FILE *out, const char *s)
{
	size_t len = strlen(s);

	if (len < 5 || strspn(s, "0123456789") != len) {
		put_html(out, s);
		return;
	}
	fwrite(s, 1, len % 3 ? len % 3 : 3, out);
	for (size_t i = len % 3 ? len % 3 : 3; i < len; i += 3)
		fprintf(out, "<i>%.3s</i>", s + i);
}

static void html_table(FILE *out, struct table *t)
{
	if (!t)
		return;
	element(out, "<h3>", t->title, "</h3>\n");
	fprintf(out,
		"<div class=\"scroll\" tabindex=\"0\"><table%s>\n<thead><tr>",
		t->ncol > 11 ? " class=\"wide\"" : "");
	for (size_t i = 0; i < t->ncol; i++)
		element(out,
			t->left & 1u << i ? "<th class=\"l\" scope=\"col\">" :
					    "<th scope=\"col\">",
			t->head[i], "</th>");
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < t->cell.n; i++) {
		size_t col = i % t->ncol;
		/* the last column flush left names the row */
		bool names = t->left & 1u << col && !(t->left >> (col + 1));

		if (!col)
			fputs("<tr>", out);
		fputs(names		  ? "<th class=\"l\" scope=\"row\">" :
		      t->left & 1u << col ? "<td class=\"l\">" :
					    "<td>",
		      out);
		put_cell(out, t->cell.v[i]);
		fputs(names ? "</th>" : "</td>", out);
		if (col + 1 == t->ncol)
			fputs("</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	if (t->note.n)
		fputs("<ul class=\"notes\">\n", out);
	for (size_t i = 0; i < t->note.n; i++)
		element(out, "<li>", t->note.v[i], "</li>\n");
	if (t->note.n)
		fputs("</ul>\n", out);
	table_free(t);
}

static void html_plots(FILE *out, const struct report *rep,
		       const struct view *w)
{
	size_t n = 0;

	for (size_t k = 0; k < rep->plots->plot.n; k++) {
		const struct plot *p = &rep->plots->plot.v[k];

		if (p->clock != w->clock || strcmp(p->workload, w->workload))
			continue;
		fputs(n++ ? "" : "<div class=\"figs\">\n", out);
		fputs("<figure>\n", out);
		plot_inline(p, k + 1, out);
		element(out, "<figcaption>", p->reading,
			"</figcaption>\n</figure>\n");
	}
	if (n)
		fputs("</div>\n", out);
}

static void html_quality(FILE *out, const struct run *run)
{
	size_t told = 0;

	fputs("<h2>Cross-check</h2>\n", out);
	html_table(out, table_counts(run));
	fputs("<ul class=\"plain\">\n", out);
	for (size_t i = 0; i < run->cell.n; i++) {
		struct cross_check x;

		cross_check_cell(&run->cell.v[i], &x);
		if (x.verdict == VERDICT_AGREE)
			continue;
		owned(out, "<li>", check_sentence(run, &run->cell.v[i], &x),
		      "</li>\n");
		told++;
	}
	if (!told && run->cell.n)
		fputs("<li>All cells agree.</li>\n", out);
	fputs("</ul>\n<h2>Log and remarks</h2>\n<ul class=\"plain\">\n", out);
	owned(out, "<li>", log_sentence(run), "</li>\n");
	for (size_t i = 0; i < run->dmesg.nshown; i++)
		owned(out, "<li>",
		      xasprintf("dmesg.log line %zu: %s",
				run->dmesg.shown[i].line,
				run->dmesg.shown[i].text),
		      "</li>\n");
	for (size_t i = 0; i < run->problem.n; i++)
		element(out, "<li>", run->problem.v[i].text, "</li>\n");
	if (run->more_problems)
		fprintf(out, "<li>and %zu more</li>\n", run->more_problems);
	fputs("</ul>\n", out);
}

static void pair(FILE *out, const char *what, const char *text)
{
	element(out, "<dt>", what, "</dt>");
	element(out, "<dd>", text, "</dd>\n");
}

static void html_env(FILE *out, const struct run *run)
{
	const struct env *e = &run->env;
	char *s;

	fputs("<h2>Environment</h2>\n<dl>\n", out);
	pair(out, "date", e->date);
	pair(out, "git", e->git);
	pair(out, "kernel", e->release);
	pair(out, "compiler", e->compiler);
	pair(out, "kernel config", e->config);
	pair(out, "QEMU", e->qemu);
	s = xasprintf("%s, %s cores, %s", e->cpu, e->cores, e->os);
	pair(out, "host", s);
	free(s);
	for (int c = 0; c < CLK_UNKNOWN; c++) {
		const struct env_boot *b = &e->boot[c];
		char *what = xasprintf("boot %s", clock_name(b->clock));

		s = xasprintf(
			"accel %s, cpu %s, %s cores, memory %s, cmdline: %s",
			b->accel, b->cpu_model, b->smp, b->mem, b->cmdline);
		pair(out, what, s);
		free(what);
		free(s);
	}
	fputs("</dl>\n", out);
}

static void html_view(FILE *out, const struct report *rep, const struct view *w)
{
	const struct env_boot *b = &rep->run->env.boot[w->clock];

	owned(out, "<section>\n<h2>",
	      xasprintf("%s, clock %s, %s", w->workload, clock_name(w->clock),
			b->accel),
	      "</h2>\n");
	html_table(out, table_service(rep->run, rep->sum, w->clock, w->workload,
				      DENSE_NO));
	html_plots(out, rep, w);
	html_table(out, table_touch(rep->run, rep->sum, w->clock, w->workload));
	fputs("</section>\n", out);
}

/**
 * render_html - write report.html: one page that needs no other file
 * @rep: the report
 * @out: where
 */
void render_html(const struct report *rep, FILE *out)
{
	const struct run *run = rep->run;
	struct verdicts vd;
	struct views v;
	bool whole;

	verdicts_count(&vd, run);
	whole = !vd.disagree && !vd.incomplete && !vd.broken &&
		dmesg_clean(&run->dmesg);
	views_make(&v, run);
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
	      out);
	element(out, "<title>cowlab run ", run->name, "</title>\n");
	fprintf(out, "<style>\n%s</style>\n</head>\n<body>\n", style);
	element(out, "<h1>cowlab run ", run->name, "</h1>\n");
	owned(out, "<p class=\"sub\">",
	      xasprintf("Linux %s, git %s, %s", run->env.release, run->env.git,
			run->env.date),
	      "</p>\n");
	owned(out, whole ? "<p class=\"state\">" : "<p class=\"state bad\">",
	      run_sentence(run), "</p>\n");
	if (rep->plot_trouble)
		element(out, "<p class=\"state bad\">Pictures are missing: ",
			rep->plot_trouble, "</p>\n");
	for (size_t i = 0; i < v.view.n; i++)
		html_view(out, rep, &v.view.v[i]);
	html_quality(out, run);
	fputs("<h2>Counters</h2>\n", out);
	for (size_t i = 0; i < v.view.n; i++)
		html_table(out, table_stats(run, v.view.v[i].clock,
					    v.view.v[i].workload));
	html_env(out, run);
	fputs("<h2>How the numbers are made</h2>\n<ul class=\"plain\">\n", out);
	for (size_t i = 0; i < method_len; i++)
		element(out, "<li>", method[i], "</li>\n");
	fputs("</ul>\n</body>\n</html>\n", out);
	vec_free(&v.view);
}
