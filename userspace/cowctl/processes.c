// SPDX-License-Identifier: GPL-2.0
/* Reads the processes that chose, and what the windows did for each. */
#include "cowctl/processes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "cowctl/knobs.h"

const char *const process_counts[NR_PROCESS_COUNTS] = {
	[PROCESS_FAULTS] = "faults",   [PROCESS_COPIED] = "copied",
	[PROCESS_WINDOWS] = "windows", [PROCESS_NEIGHBOURS] = "neighbours",
	[PROCESS_REUSED] = "reused",   [PROCESS_HIT] = "hit",
	[PROCESS_WASTED] = "wasted",
};

/**
 * clean_name - make a process' name fit for a terminal and for JSON
 * @name: the name: any bytes; changed
 */
void clean_name(char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			*name = '?';
}

/* The 22nd field of /proc/PID/stat; the name, the 2nd, may hold anything. */
static uint64_t born(int pid)
{
	char path[64], text[1024];
	const char *at;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		return 0;
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* "PID MODE ORDER", "KEY VALUE" for each count, NAME. */
static bool parse(const char *line, struct process *process)
{
	char key[32];
	int i, n;

	if (sscanf(line, "%d %7s %u%n", &process->pid, process->mode,
		   &process->order, &n) < 3)
		return false;
	for (i = 0; i < NR_PROCESS_COUNTS; i++) {
		line += n;
		if (sscanf(line, " %31s %lu%n", key, &process->counts[i], &n) <
			    2 ||
		    strcmp(key, process_counts[i]))
			return false;
	}
	line += n;
	snprintf(process->name, sizeof(process->name), "%s",
		 *line ? line + 1 : "");
	clean_name(process->name);
	return true;
}

/**
 * processes_read - list the processes that chose, or exit
 * @list: the result
 *
 * Return: how many there are.
 */
size_t processes_read(struct process **list)
{
	char *text = knob_text("process"), *line, *at, *rest = text;
	size_t nr = 0;

	*list = NULL;
	while ((line = strtok_r(rest, "\n", &at))) {
		rest = NULL;
		*list = reallocarray(*list, nr + 1, sizeof(**list));
		if (!*list)
			die("out of memory");
		if (!parse(line, &(*list)[nr]))
			die("process has '%s': the module is of another version",
			    line);
		(*list)[nr].born = born((*list)[nr].pid);
		nr++;
	}
	free(text);
	return nr;
}
