/* SPDX-License-Identifier: GPL-2.0 */
/* doc.h - a document, written once and rendered as Markdown or as HTML */
#ifndef COWREPORT_DOC_H
#define COWREPORT_DOC_H

#include "plot.h"
#include "table.h"

enum doc_kind { DOC_MD, DOC_HTML };

/*
 * What a document is made up of: headings, paragraphs (small print, good news,
 * bad news), members of lists, a word and what it means, how to make again what
 * stands above, and what is shown on demand, from a title to its end
 */
enum element {
	DOC_TITLE,
	DOC_H2,
	DOC_H3,
	DOC_PARA,
	DOC_SUB,
	DOC_GOOD,
	DOC_BAD,
	DOC_ITEM,
	DOC_STEP,
	DOC_WORD,
	DOC_MEANING,
	DOC_COMMAND,
	DOC_FOLD,
	DOC_UNFOLD
};

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
 */
struct doc {
	enum doc_kind kind;
	FILE *out;
	enum group group;
};

void doc_begin(struct doc *doc, enum doc_kind kind, FILE *out,
	       const char *title);
void doc_end(struct doc *doc);
void doc_put(struct doc *doc, enum element e, const char *fmt, ...)
	PRINTF(3, 4);
void doc_figure(struct doc *doc, const struct plot *plot);
void doc_table(struct doc *doc, struct table *table);

void put_md(FILE *out, const char *s);
void put_html(FILE *out, const char *s);

#endif
