// SPDX-License-Identifier: GPL-2.0
/* doc.c - a document, written once and rendered as Markdown or as HTML */
#define _GNU_SOURCE
#include <math.h>

#include "doc.h"

/* What stands before an element and behind it, in Markdown and in HTML */
static const struct {
	enum group group;
	const char *md[2], *html[2];
} marks[] = {
	[DOC_TITLE] = { 0, { "# ", "\n" }, { "<h1>", "</h1>\n" } },
	[DOC_H2] = { 0, { "\n## ", "\n" }, { "<h2>", "</h2>\n" } },
	[DOC_H3] = { 0, { "\n### ", "\n" }, { "<h3>", "</h3>\n" } },
	[DOC_PARA] = { 0, { "\n", "\n" }, { "<p>", "</p>\n" } },
	[DOC_SUB] = { 0, { "\n", "\n" }, { "<p class=\"sub\">", "</p>\n" } },
	[DOC_GOOD] = { 0, { "\n", "\n" }, { "<p class=\"state\">", "</p>\n" } },
	[DOC_BAD] = { 0,
		      { "\n", "\n" },
		      { "<p class=\"state bad\">", "</p>\n" } },
	[DOC_ITEM] = { GROUP_ITEMS, { "* ", "\n" }, { "<li>", "</li>\n" } },
	[DOC_STEP] = { GROUP_STEPS, { "1. ", "\n" }, { "<li>", "</li>\n" } },
	[DOC_WORD] = { GROUP_PAIRS, { "* ", ": " }, { "<dt>", "</dt>" } },
	[DOC_MEANING] = { GROUP_PAIRS, { "", "\n" }, { "<dd>", "</dd>\n" } },
	[DOC_COMMAND] = { 0,
			  { "\nMade again by `", "`.\n" },
			  { "<p class=\"make\">Made again by <code>",
			    "</code></p>\n" } },
	[DOC_FOLD] = { 0,
		       { "\n## ", "\n" },
		       { "<details><summary>", "</summary>\n" } },
	[DOC_UNFOLD] = { 0, { "", "" }, { "</details>\n", "" } },
};

/* Around a group, in HTML; Markdown has an empty line before a list */
static const char *const groups[][2] = {
	[GROUP_ITEMS] = { "<ul class=\"plain\">\n", "</ul>\n" },
	[GROUP_STEPS] = { "<ol class=\"steps\">\n", "</ol>\n" },
	[GROUP_PAIRS] = { "<dl>\n", "</dl>\n" },
	[GROUP_FIGURES] = { "<div class=\"figs\">\n", "</div>\n" },
};

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
	"svg,figure img{display:block;width:100%;height:auto}\n"
	"figcaption{font-size:.85rem;color:#57606a}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;font-size:.9rem}\n"
	"dt{color:#57606a}dd{margin:0;min-width:0;overflow-wrap:anywhere}\n"
	"@media(max-width:36rem){body{padding:.5rem .75rem 3rem}table,table.wide{font-size:.78rem}th,td{padding:.25rem .4rem}tbody th,thead th:first-child{position:sticky;left:0;background:#fff}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}\n"
	"@media print{.scroll{overflow:visible}figure{break-inside:avoid}}\n";

/* Print text into Markdown, so that none of it is markup */
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

/* Print text into HTML, so that none of it is markup */
void put_html(FILE *out, const char *s)
{
	static const char *const entities[] = {
		['&'] = "&amp;",  ['<'] = "&lt;",   ['>'] = "&gt;",
		['"'] = "&quot;", ['\''] = "&#39;",
	};
	size_t len = strlen(s), n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		unsigned char c = (unsigned char)s[i];

		n = utf8_len(s + i, len - i);
		if (!n)
			fputs("&#xfffd;", out);
		else if (c < ARRAY_SIZE(entities) && entities[c])
			fputs(entities[c], out);
		else
			fwrite(s + i, 1, n, out);
	}
}

static void put_text(struct doc *doc, const char *s)
{
	if (doc->kind == DOC_MD)
		put_md(doc->out, s);
	else
		put_html(doc->out, s);
}

/* Text between two marks, of which nothing is markup */
static void put_marked(struct doc *doc, const char *open, const char *s,
		       const char *close)
{
	fputs(open, doc->out);
	put_text(doc, s);
	fputs(close, doc->out);
}

static void enter(struct doc *doc, enum group group)
{
	if (doc->group == group)
		return;
	if (doc->kind == DOC_HTML && doc->group)
		fputs(groups[doc->group][1], doc->out);
	doc->group = group;
	if (doc->kind == DOC_HTML && group)
		fputs(groups[group][0], doc->out);
	else if (group && group != GROUP_FIGURES)
		fputc('\n', doc->out);
}

/* Write an element */
void doc_put(struct doc *doc, enum element e, const char *fmt, ...)
{
	const char *const *mark = doc->kind == DOC_MD ? marks[e].md :
							marks[e].html;
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	enter(doc, marks[e].group);
	put_marked(doc, mark[0], s, mark[1]);
	free(s);
}

/* Begin a document */
void doc_begin(struct doc *doc, enum doc_kind kind, FILE *out,
	       const char *title)
{
	*doc = (struct doc){ .kind = kind, .out = out };
	if (kind == DOC_HTML) {
		put_marked(
			doc,
			"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
			title, "</title>\n");
		fprintf(out, "<style>\n%s</style>\n</head>\n<body>\n", style);
	}
	doc_put(doc, DOC_TITLE, "%s", title);
}

/* End a document */
void doc_end(struct doc *doc)
{
	enter(doc, GROUP_NONE);
	if (doc->kind == DOC_HTML)
		fputs("</body>\n</html>\n", doc->out);
}

/* The picture itself, in the page: a URI whose data need no other encoding */
static void put_uri(FILE *out, const char *s)
{
	fputs("data:image/svg+xml,", out);
	for (; *s; s++)
		if (*s <= ' ' || strchr("\"#%&'<>", *s) || *s == 0x7f)
			fprintf(out, *s == ' ' ? " " : "%%%02X",
				(unsigned char)*s);
		else
			fputc(*s, out);
}

/* Show a picture, with how it is read */
void doc_figure(struct doc *doc, const struct plot *plot)
{
	FILE *out = doc->out;

	if (!plot)
		return;
	enter(doc, GROUP_FIGURES);
	if (doc->kind == DOC_MD) {
		put_marked(doc, "\n![", plot->title, "](");
		fprintf(out, "%s)\n\n", plot->file);
		put_marked(doc, "", plot->reading, "\n");
		return;
	}
	put_marked(doc, "<figure>\n<img alt=\"", plot->title, "\" src=\"");
	put_uri(out, plot->svg);
	put_marked(doc, "\">\n<figcaption>", plot->reading,
		   "</figcaption>\n</figure>\n");
}

/* A number of five digits and more is set in groups, and copies as digits */
static void put_digits(struct doc *doc, const char *s)
{
	size_t len = strlen(s), first = len % 3 ? len % 3 : 3;

	if (len < 5 || strspn(s, "0123456789") != len) {
		put_html(doc->out, s);
		return;
	}
	fwrite(s, 1, first, doc->out);
	for (size_t i = first; i < len; i += 3)
		fprintf(doc->out, "<i>%.3s</i>", s + i);
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

static void put_cell(struct doc *doc, const struct table *t, size_t i)
{
	size_t col = i % t->ncol;
	bool left = t->left & 1u << col;
	/* the last column flush left names the row */
	bool names = left && !(t->left >> (col + 1));

	if (names)
		fputs("<th class=\"l\" scope=\"row\">", doc->out);
	else if (left)
		fputs("<td class=\"l\">", doc->out);
	else if (t->heat)
		put_shade(doc->out, t->cell.v[i]);
	else
		fputs("<td>", doc->out);
	put_digits(doc, t->cell.v[i]);
	fputs(names ? "</th>" : "</td>", doc->out);
}

static void md_table(struct doc *doc, const struct table *t)
{
	FILE *out = doc->out;

	put_marked(doc, "\n### ", t->title, "\n\n|");
	for (size_t i = 0; i < t->ncol; i++)
		put_marked(doc, " ", t->head[i], " |");
	fputs("\n|", out);
	for (size_t i = 0; i < t->ncol; i++)
		fputs(t->left & 1u << i ? " --- |" : " ---: |", out);
	for (size_t i = 0; i < t->cell.n; i++)
		put_marked(doc, i % t->ncol ? " " : "\n| ", t->cell.v[i], " |");
	fputs(t->note.n ? "\n\n" : "\n", out);
	for (size_t i = 0; i < t->note.n; i++)
		put_marked(doc, "* ", t->note.v[i], "\n");
}

static void html_table(struct doc *doc, const struct table *t)
{
	FILE *out = doc->out;

	put_marked(doc, "<h3>", t->title,
		   "</h3>\n<div class=\"scroll\" tabindex=\"0\"><table");
	fprintf(out, "%s>\n<thead><tr>",
		t->heat	     ? " class=\"heat\"" :
		t->ncol > 11 ? " class=\"wide\"" :
			       "");
	for (size_t i = 0; i < t->ncol; i++)
		put_marked(doc,
			   t->left & 1u << i ?
				   "<th class=\"l\" scope=\"col\">" :
				   "<th scope=\"col\">",
			   t->head[i], "</th>");
	fputs("</tr></thead>\n<tbody>\n", out);
	for (size_t i = 0; i < t->cell.n; i++) {
		fputs(i % t->ncol ? "" : "<tr>", out);
		put_cell(doc, t, i);
		fputs((i + 1) % t->ncol ? "" : "</tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	if (!t->note.n)
		return;
	fputs("<ul class=\"notes\">\n", out);
	for (size_t i = 0; i < t->note.n; i++)
		put_marked(doc, "<li>", t->note.v[i], "</li>\n");
	fputs("</ul>\n", out);
}

/* Show a table, and free it */
void doc_table(struct doc *doc, struct table *table)
{
	if (!table)
		return;
	enter(doc, GROUP_NONE);
	if (doc->kind == DOC_MD)
		md_table(doc, table);
	else
		html_table(doc, table);
	table_free(table);
}
