// SPDX-License-Identifier: GPL-2.0
/* `cowctl top`: a look as text, and as JSON. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "cowctl/processes.h"
#include "cowctl/top.h"

/* The name now: exec() changes it. Of a process that has ended, the one it had. */
static void name_of(const struct top_line *line, char name[TOP_COMM])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/comm", line->pid);
	if (!read_text(path, name, TOP_COMM) || !*name)
		memcpy(name, line->row.comm, TOP_COMM);
	name[strcspn(name, "\n")] = '\0';
	clean_name(name);
}

static size_t shown(const struct top_look *look, uint64_t rows)
{
	return rows && rows < look->nr ? rows : look->nr;
}

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

/**
 * look_heading - what stands over the lines
 * @look: the look
 * @text: the result: all processes together, and the columns' names
 */
void look_heading(const struct top_look *look,
		  char text[TOP_HEADINGS][TOP_COLUMNS])
{
	uint64_t faults = 0, ns = 0;
	char lost[48] = "";
	size_t i;

	for (i = 0; i < look->nr; i++) {
		faults += look->lines[i].row.faults;
		ns += look->lines[i].row.ns;
	}
	if (look->lost)
		snprintf(lost, sizeof(lost), ", %lu events lost", look->lost);
	snprintf(text[0], TOP_COLUMNS,
		 "%.1f s: %zu processes, %.0f faults/s, %.1f%% of a CPU%s",
		 look->seconds, look->nr, (double)faults / look->seconds,
		 (double)ns / look->seconds / 1e7, lost);
	snprintf(text[1], TOP_COLUMNS, "%7s %10s %11s %9s %7s %6s  %s", "PID",
		 "FAULTS/s", "PAGES/FAULT", "WASTED/s", "WASTED%", "TIME%",
		 "NAME");
}

/**
 * look_line - the line of a process
 * @look: the look
 * @line: the process
 * @text: the result
 */
void look_line(const struct top_look *look, const struct top_line *line,
	       char text[TOP_COLUMNS])
{
	const struct top_row *row = &line->row;
	char name[TOP_COMM], wasted[16] = "-", part[16] = "-";

	if (look->judged)
		snprintf(wasted, sizeof(wasted), "%.1f",
			 (double)row->wasted / look->seconds);
	if (row->hit + row->wasted)
		snprintf(part, sizeof(part), "%.1f",
			 100 * ratio(row->wasted, row->hit + row->wasted));
	name_of(line, name);
	snprintf(text, TOP_COLUMNS, "%7u %10.1f %11.2f %9s %7s %6.2f  %s",
		 line->pid, (double)row->faults / look->seconds,
		 ratio(row->pages, row->faults), wasted, part,
		 (double)row->ns / look->seconds / 1e7, name);
}

static void flush(void)
{
	if (fflush(stdout))
		die("cannot write: %s", strerror(errno));
}

/**
 * look_print - print a look as lines
 * @look: the look
 * @rows: processes at most; 0: all
 */
void look_print(const struct top_look *look, uint64_t rows)
{
	const size_t nr = shown(look, rows);
	char heading[TOP_HEADINGS][TOP_COLUMNS], text[TOP_COLUMNS];
	size_t i;

	look_heading(look, heading);
	for (i = 0; i < TOP_HEADINGS; i++)
		puts(heading[i]);
	for (i = 0; i < nr; i++) {
		look_line(look, &look->lines[i], text);
		puts(text);
	}
	if (nr < look->nr)
		printf("%7s %zu more (--rows)\n", "", look->nr - nr);
	putchar('\n');
	flush();
}

static cJSON *line_json(const struct top_look *look,
			const struct top_line *line)
{
	cJSON *item = cJSON_CreateObject();
	char name[TOP_COMM];

	name_of(line, name);
	cJSON_AddNumberToObject(item, "pid", line->pid);
	cJSON_AddStringToObject(item, "name", name);
	cJSON_AddNumberToObject(item, "faults", (double)line->row.faults);
	cJSON_AddNumberToObject(item, "pages", (double)line->row.pages);
	cJSON_AddNumberToObject(item, "ns", (double)line->row.ns);
	if (look->judged) {
		cJSON_AddNumberToObject(item, "hit", (double)line->row.hit);
		cJSON_AddNumberToObject(item, "wasted",
					(double)line->row.wasted);
	} else {
		cJSON_AddNullToObject(item, "hit");
		cJSON_AddNullToObject(item, "wasted");
	}
	return item;
}

/**
 * look_json - print a look as one line of JSON
 * @look: the look
 * @rows: processes at most; 0: all
 *
 * Counts are those of the time between two looks, not rates.
 */
void look_json(const struct top_look *look, uint64_t rows)
{
	cJSON *root = cJSON_CreateObject(), *list;
	char *text;
	size_t i;

	cJSON_AddNumberToObject(root, "seconds", look->seconds);
	cJSON_AddNumberToObject(root, "all", (double)look->nr);
	cJSON_AddNumberToObject(root, "lost", (double)look->lost);
	list = cJSON_AddArrayToObject(root, "processes");
	for (i = 0; i < shown(look, rows); i++)
		cJSON_AddItemToArray(list, line_json(look, &look->lines[i]));
	text = cJSON_PrintUnformatted(root);
	if (!text)
		die("out of memory");
	puts(text);
	free(text);
	cJSON_Delete(root);
	flush();
}
