// SPDX-License-Identifier: GPL-2.0
/* doc_html.c - a document as one HTML page that needs no other file */
#define _GNU_SOURCE
#include <math.h>

#include "doc.h"

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
	"ol.steps{padding-left:1.3rem;font-size:1.06rem}ol.steps li{margin:.5rem 0}\n"
	"p.make{margin:.4rem 0;font-size:.85rem;color:#57606a}\n"
	"code{font:.95em ui-monospace,Menlo,Consolas,monospace;background:#f3f6f9;padding:.1em .3em;overflow-wrap:anywhere}\n"
	"details{margin:.6rem 0;border:1px solid #d5dae0;border-radius:4px;padding:0 .8rem}details[open]{padding-bottom:.8rem}\n"
	"summary{cursor:pointer;font-weight:600;margin:0 -.8rem;padding:.55rem .8rem;overflow-wrap:anywhere}\n"
	"table.heat td{border:1px solid #fff;text-align:center}\n"
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

/*
 * A ratio's colour: white at 1, green where it is less, red where it is more,
 * full at a half and at the double.
 */
static void put_shade(FILE *out, const char *cell)
{
	char *end;
	double v = strtod(cell, &end), depth;
	int fade;

	if (end == cell || *end || !(v > 0)) {
		fputs("<td>", out);
		return;
	}
	depth = fmin(fabs(log2(v)), 1);
	fade = 255 - (int)lround(depth * 110);
	if (v < 1)
		fprintf(out, "<td style=\"background:#%02x%02x%02x\">", fade,
			255 - (int)lround(depth * 30), fade);
	else
		fprintf(out, "<td style=\"background:#ff%02x%02x\">", fade,
			fade);
}

static void html_begin(struct doc *doc, const char *title)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
	      doc->out);
	element(doc->out, "<title>", title, "</title>\n");
	fprintf(doc->out, "<style>\n%s</style>\n</head>\n<body>\n", style);
	element(doc->out, "<h1>", title, "</h1>\n");
}

static void html_end(struct doc *doc)
{
	fputs("</body>\n</html>\n", doc->out);
}

static void html_heading(struct doc *doc, int level, const char *text)
{
	element(doc->out, level == 2 ? "<h2>" : "<h3>", text,
		level == 2 ? "</h2>\n" : "</h3>\n");
}

static void html_para(struct doc *doc, enum tone tone, const char *text)
{
	static const char *const open[] = {
		[TONE_PLAIN] = "<p>",
		[TONE_SUB] = "<p class=\"sub\">",
		[TONE_GOOD] = "<p class=\"state\">",
		[TONE_BAD] = "<p class=\"state bad\">",
	};

	element(doc->out, open[tone], text, "</p>\n");
}

static void html_open(struct doc *doc, enum group group)
{
	static const char *const open[] = {
		[GROUP_ITEMS] = "<ul class=\"plain\">\n",
		[GROUP_STEPS] = "<ol class=\"steps\">\n",
		[GROUP_PAIRS] = "<dl>\n",
		[GROUP_FIGURES] = "<div class=\"figs\">\n",
	};

	fputs(open[group], doc->out);
}

static void html_close(struct doc *doc, enum group group)
{
	static const char *const close[] = {
		[GROUP_ITEMS] = "</ul>\n",
		[GROUP_STEPS] = "</ol>\n",
		[GROUP_PAIRS] = "</dl>\n",
		[GROUP_FIGURES] = "</div>\n",
	};

	fputs(close[group], doc->out);
}

static void html_item(struct doc *doc, const char *text)
{
	element(doc->out, "<li>", text, "</li>\n");
}

static void html_pair(struct doc *doc, const char *word, const char *text)
{
	element(doc->out, "<dt>", word, "</dt>");
	element(doc->out, "<dd>", text, "</dd>\n");
}

static void html_figure(struct doc *doc, const struct plot *plot)
{
	fputs("<figure>\n", doc->out);
	plot_inline(plot, doc->figures, doc->out);
	element(doc->out, "<figcaption>", plot->reading,
		"</figcaption>\n</figure>\n");
}

static void html_table(struct doc *doc, const struct table *t)
{
	FILE *out = doc->out;

	element(out, "<h3>", t->title, "</h3>\n");
	fprintf(out,
		"<div class=\"scroll\" tabindex=\"0\"><table%s>\n<thead><tr>",
		t->heat	     ? " class=\"heat\"" :
		t->ncol > 11 ? " class=\"wide\"" :
			       "");
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
		if (names)
			fputs("<th class=\"l\" scope=\"row\">", out);
		else if (t->left & 1u << col)
			fputs("<td class=\"l\">", out);
		else if (t->heat)
			put_shade(out, t->cell.v[i]);
		else
			fputs("<td>", out);
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
}

static void html_command(struct doc *doc, const char *command)
{
	element(doc->out, "<p class=\"make\">Made again by <code>", command,
		"</code></p>\n");
}

static void html_fold(struct doc *doc, const char *title)
{
	if (title)
		element(doc->out, "<details><summary>", title, "</summary>\n");
	else
		fputs("</details>\n", doc->out);
}

const struct doc_kind doc_html = {
	.begin = html_begin,
	.end = html_end,
	.heading = html_heading,
	.para = html_para,
	.open = html_open,
	.close = html_close,
	.item = html_item,
	.pair = html_pair,
	.figure = html_figure,
	.table = html_table,
	.command = html_command,
	.fold = html_fold,
};
