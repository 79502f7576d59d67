// SPDX-License-Identifier: GPL-2.0
/* doc_md.c - a document as Markdown */
#define _GNU_SOURCE

#include "doc.h"

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

static void line(struct doc *doc, const char *prefix, const char *s)
{
	fputs(prefix, doc->out);
	put_md(doc->out, s);
	fputc('\n', doc->out);
}

static void md_begin(struct doc *doc, const char *title)
{
	line(doc, "# ", title);
}

static void md_end(struct doc *doc)
{
	(void)doc;
}

static void md_heading(struct doc *doc, int level, const char *text)
{
	line(doc, level == 2 ? "\n## " : "\n### ", text);
}

static void md_para(struct doc *doc, enum tone tone, const char *text)
{
	(void)tone;
	line(doc, "\n", text);
}

static void md_open(struct doc *doc, enum group group)
{
	if (group != GROUP_FIGURES)
		fputc('\n', doc->out);
}

static void md_close(struct doc *doc, enum group group)
{
	(void)doc;
	(void)group;
}

static void md_item(struct doc *doc, const char *text)
{
	line(doc, doc->group == GROUP_STEPS ? "1. " : "* ", text);
}

static void md_pair(struct doc *doc, const char *word, const char *text)
{
	fputs("* ", doc->out);
	put_md(doc->out, word);
	line(doc, ": ", text);
}

static void md_figure(struct doc *doc, const struct plot *plot)
{
	fputs("\n![", doc->out);
	put_md(doc->out, plot->title);
	fprintf(doc->out, "](%s)\n", plot->file);
	line(doc, "\n", plot->reading);
}

static void md_table(struct doc *doc, const struct table *t)
{
	FILE *out = doc->out;

	line(doc, "\n### ", t->title);
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
	fputc('\n', out);
	if (t->note.n)
		fputc('\n', out);
	for (size_t i = 0; i < t->note.n; i++)
		line(doc, "* ", t->note.v[i]);
}

static void md_command(struct doc *doc, const char *command)
{
	fprintf(doc->out, "\nMade again by `%s`.\n", command);
}

static void md_fold(struct doc *doc, const char *title)
{
	if (title)
		line(doc, "\n## ", title);
}

const struct doc_kind doc_md = {
	.begin = md_begin,
	.end = md_end,
	.heading = md_heading,
	.para = md_para,
	.open = md_open,
	.close = md_close,
	.item = md_item,
	.pair = md_pair,
	.figure = md_figure,
	.table = md_table,
	.command = md_command,
	.fold = md_fold,
};
