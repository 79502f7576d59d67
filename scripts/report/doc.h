/* SPDX-License-Identifier: GPL-2.0 */
/* doc.h - a document, written once and rendered as Markdown or as HTML */
#ifndef COWREPORT_DOC_H
#define COWREPORT_DOC_H

#include "plot.h"
#include "table.h"

/**
 * enum tone - how a paragraph is set
 * @TONE_PLAIN: as text
 * @TONE_SUB: as small print
 * @TONE_GOOD: as good news
 * @TONE_BAD: as bad news
 */
enum tone { TONE_PLAIN, TONE_SUB, TONE_GOOD, TONE_BAD };

/**
 * enum group - what stands together: opened by its first member, closed by
 * whatever else comes
 */
enum group { GROUP_NONE, GROUP_ITEMS, GROUP_STEPS, GROUP_PAIRS, GROUP_FIGURES };

/**
 * struct doc - a document that is being written
 * @kind: Markdown or HTML
 * @out: where to
 * @group: what is open
 * @figures: pictures so far
 */
struct doc {
	const struct doc_kind *kind;
	FILE *out;
	enum group group;
	size_t figures;
};

/**
 * struct doc_kind - how a document is rendered
 * @begin: what stands before everything; the title is its first heading
 * @end: what stands behind everything
 * @heading: a heading of level 2 or 3
 * @para: a paragraph
 * @open: what stands before a group's members
 * @close: what stands behind them
 * @item: a member of GROUP_ITEMS or, numbered, of GROUP_STEPS
 * @pair: a member of GROUP_PAIRS: a word and what it means
 * @figure: a member of GROUP_FIGURES
 * @table: a table, with its title and notes
 * @command: how to make again what stands above
 * @fold: what follows is shown on demand, under this title; NULL: to here
 */
struct doc_kind {
	void (*begin)(struct doc *doc, const char *title);
	void (*end)(struct doc *doc);
	void (*heading)(struct doc *doc, int level, const char *text);
	void (*para)(struct doc *doc, enum tone tone, const char *text);
	void (*open)(struct doc *doc, enum group group);
	void (*close)(struct doc *doc, enum group group);
	void (*item)(struct doc *doc, const char *text);
	void (*pair)(struct doc *doc, const char *word, const char *text);
	void (*figure)(struct doc *doc, const struct plot *plot);
	void (*table)(struct doc *doc, const struct table *table);
	void (*command)(struct doc *doc, const char *command);
	void (*fold)(struct doc *doc, const char *title);
};

extern const struct doc_kind doc_md, doc_html;

void doc_begin(struct doc *doc, const struct doc_kind *kind, FILE *out,
	       const char *title);
void doc_end(struct doc *doc);
void doc_heading(struct doc *doc, int level, const char *fmt, ...) PRINTF(3, 4);
void doc_para(struct doc *doc, enum tone tone, const char *fmt, ...)
	PRINTF(3, 4);
void doc_item(struct doc *doc, const char *fmt, ...) PRINTF(2, 3);
void doc_step(struct doc *doc, const char *fmt, ...) PRINTF(2, 3);
void doc_pair(struct doc *doc, const char *word, const char *fmt, ...)
	PRINTF(3, 4);
void doc_figure(struct doc *doc, const struct plot *plot);
void doc_table(struct doc *doc, struct table *table);
void doc_command(struct doc *doc, const char *fmt, ...) PRINTF(2, 3);
void doc_fold(struct doc *doc, const char *title);
void doc_fold_end(struct doc *doc);

void put_md(FILE *out, const char *s);
void put_html(FILE *out, const char *s);

#endif
