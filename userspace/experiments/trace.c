// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of its memory that a resumed guest writes, in the order of its first
 * writes. A trace is text: words, each a page or the first and last of a run of
 * pages, as in `17 4-9`; # begins a comment. scripts/trace/record makes them.
 */
#include "experiments/trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

/* The program's own trace. */
__asm__(".section .rodata\n"
	"resume_trace: .incbin \"experiments/resume.trace\"\n"
	"resume_trace_end: .balign 8\n"
	"resume_trace_size: .quad resume_trace_end - resume_trace\n"
	".previous");
extern const char resume_trace[];
extern const uint64_t resume_trace_size;

/* A trace while it is read */
struct reader {
	const char *name; /* for errors */
	size_t line; /* number of the line */
	size_t pages; /* pages of the file that will be written */
	unsigned char *seen; /* for each page: is it in the trace? */
	uint32_t *order; /* the result */
	size_t count; /* pages in @order */
};

/* Is @text `N` or `N-M`, with N <= M? It is changed. */
static bool parse_run(char *text, uint64_t *first, uint64_t *last)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = '\0';
	if (!parse_u64(text, first) || !parse_u64(dash ? dash + 1 : text, last))
		return false;
	return *first <= *last;
}

static void add_word(struct reader *r, const char *word)
{
	uint64_t first, last;
	char copy[48];

	if (snprintf(copy, sizeof(copy), "%s", word) >= (int)sizeof(copy) ||
	    !parse_run(copy, &first, &last))
		die("--trace %s: line %zu: invalid '%.40s': expected a page, or FIRST-LAST",
		    r->name, r->line, word);
	if (last >= r->pages)
		die("--trace %s: line %zu: page %lu is beyond the end of a file of %zu pages: see --size",
		    r->name, r->line, last, r->pages);
	for (; first <= last; first++) {
		if (r->seen[first])
			die("--trace %s: line %zu: page %lu is there twice",
			    r->name, r->line, first);
		r->seen[first] = 1;
		r->order[r->count++] = first;
	}
}

static void read_lines(struct reader *r, FILE *f)
{
	char *line = NULL, *word, *next;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, f)) > 0) {
		r->line++;
		if (memchr(line, '\0', len))
			die("--trace %s: line %zu: not text", r->name, r->line);
		line[strcspn(line, "#\n")] = '\0';
		for (word = strtok_r(line, " \t", &next); word;
		     word = strtok_r(NULL, " \t", &next))
			add_word(r, word);
	}
	if (ferror(f))
		die("--trace %s: %s", r->name, strerror(errno));
	free(line);
}

/**
 * trace_load - read a trace, or exit
 * @path: a file; NULL: the trace that the program has
 * @pages: the number of pages of the file that will be written
 * @order: the result, room for @pages entries
 *
 * Return: the number of pages in the trace.
 */
size_t trace_load(const char *path, size_t pages, uint32_t *order)
{
	struct reader r = { .name = path ?: "resume.trace",
			    .pages = pages,
			    .order = order };
	FILE *f;

	if (path)
		f = fopen(path, "re");
	else
		f = fmemopen((void *)resume_trace, resume_trace_size, "r");
	if (!f)
		die("--trace %s: %s", r.name, strerror(errno));
	r.seen = calloc(pages, 1);
	if (!r.seen)
		die("no memory for the trace");
	read_lines(&r, f);
	fclose(f);
	free(r.seen);
	if (!r.count)
		die("--trace %s: no page in it", r.name);
	return r.count;
}
