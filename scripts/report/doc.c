// SPDX-License-Identifier: GPL-2.0
/* doc.c - a document, written once and rendered as Markdown or as HTML */
#define _GNU_SOURCE
#include <stdarg.h>

#include "doc.h"

static char *vtext(const char *fmt, va_list ap)
{
	char *s;

	return vasprintf(&s, fmt, ap) < 0 ? xstrdup("?") : s;
}

static void enter(struct doc *doc, enum group group)
{
	if (doc->group == group)
		return;
	if (doc->group)
		doc->kind->close(doc, doc->group);
	doc->group = group;
	if (group)
		doc->kind->open(doc, group);
}

/**
 * doc_begin - begin a document
 * @doc: the document
 * @kind: &doc_md or &doc_html
 * @out: where it goes
 * @title: its title
 */
void doc_begin(struct doc *doc, const struct doc_kind *kind, FILE *out,
	       const char *title)
{
	*doc = (struct doc){ .kind = kind, .out = out };
	kind->begin(doc, title);
}

/**
 * doc_end - end a document
 * @doc: the document
 */
void doc_end(struct doc *doc)
{
	enter(doc, GROUP_NONE);
	doc->kind->end(doc);
}

/**
 * doc_heading - write a heading
 * @doc: the document
 * @level: 2 for a section, 3 for a part of it
 * @fmt: as in printf(), here and below
 */
void doc_heading(struct doc *doc, int level, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vtext(fmt, ap);
	va_end(ap);
	enter(doc, GROUP_NONE);
	doc->kind->heading(doc, level, s);
	free(s);
}

/**
 * doc_para - write a paragraph
 * @doc: the document
 * @tone: how it is set
 * @fmt: its text, of which nothing is markup
 */
void doc_para(struct doc *doc, enum tone tone, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vtext(fmt, ap);
	va_end(ap);
	enter(doc, GROUP_NONE);
	doc->kind->para(doc, tone, s);
	free(s);
}

/**
 * doc_item - write an item of a list; the first one begins the list
 * @doc: the document
 * @fmt: its text
 */
void doc_item(struct doc *doc, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vtext(fmt, ap);
	va_end(ap);
	enter(doc, GROUP_ITEMS);
	doc->kind->item(doc, s);
	free(s);
}

/**
 * doc_step - write an item of a numbered list
 * @doc: the document
 * @fmt: its text
 */
void doc_step(struct doc *doc, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vtext(fmt, ap);
	va_end(ap);
	enter(doc, GROUP_STEPS);
	doc->kind->item(doc, s);
	free(s);
}

/**
 * doc_pair - write a word and what it means
 * @doc: the document
 * @word: the word
 * @fmt: its meaning
 */
void doc_pair(struct doc *doc, const char *word, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vtext(fmt, ap);
	va_end(ap);
	enter(doc, GROUP_PAIRS);
	doc->kind->pair(doc, word, s);
	free(s);
}

/**
 * doc_figure - show a picture, with how it is read
 * @doc: the document
 * @plot: the picture; NULL: none
 */
void doc_figure(struct doc *doc, const struct plot *plot)
{
	if (!plot)
		return;
	enter(doc, GROUP_FIGURES);
	doc->figures++;
	doc->kind->figure(doc, plot);
}

/**
 * doc_table - show a table, and free it
 * @doc: the document
 * @table: the table; NULL: none
 */
void doc_table(struct doc *doc, struct table *table)
{
	if (!table)
		return;
	enter(doc, GROUP_NONE);
	doc->kind->table(doc, table);
	table_free(table);
}

/**
 * doc_command - tell how to make again what stands above
 * @doc: the document
 * @fmt: a line for the shell
 */
void doc_command(struct doc *doc, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vtext(fmt, ap);
	va_end(ap);
	enter(doc, GROUP_NONE);
	doc->kind->command(doc, s);
	free(s);
}

/**
 * doc_fold - what follows is shown on demand
 * @doc: the document
 * @title: what is to be seen there
 */
void doc_fold(struct doc *doc, const char *title)
{
	enter(doc, GROUP_NONE);
	doc->kind->fold(doc, title);
}

/**
 * doc_fold_end - what follows is shown again
 * @doc: the document
 */
void doc_fold_end(struct doc *doc)
{
	enter(doc, GROUP_NONE);
	doc->kind->fold(doc, NULL);
}
