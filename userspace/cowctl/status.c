// SPDX-License-Identifier: GPL-2.0
/* `cowctl status`: the knobs, the counters, and the processes that chose. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "cowctl/knobs.h"
#include "cowctl/status.h"

static const char *const counters[] = { "windows",    "left", "neighbours",
					"reused",     "hit",  "wasted",
					"skip_memory" };

struct counts {
	uint64_t value[ARRAY_SIZE(counters)];
};

/* The counters in a text of `NAME VALUE` lines. Return: the one that is missing. */
static const char *find_counts(const char *text, struct counts *counts)
{
	char key[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		snprintf(key, sizeof(key), "%s ", counters[i]);
		if (!text_field(text, key, &counts->value[i]))
			return counters[i];
	}
	return NULL;
}

static void read_counts(struct counts *counts)
{
	const char *missing;
	char text[4096];

	knob_read_whole("stats", text, sizeof(text));
	missing = find_counts(text, counts);
	if (missing)
		die("stats has no '%s': the module is of another version",
		    missing);
}

/* What was there at the last look; without a file, or after a reset, zeroes. */
static void read_last(const char *state, const struct counts *now,
		      struct counts *last)
{
	char text[4096];
	size_t i;

	if (read_text(state, text, sizeof(text)) && !find_counts(text, last)) {
		for (i = 0; i < ARRAY_SIZE(counters); i++)
			if (last->value[i] > now->value[i])
				break;
		if (i == ARRAY_SIZE(counters))
			return;
	}
	memset(last, 0, sizeof(*last));
}

static void write_last(const char *state, const struct counts *now)
{
	FILE *file = fopen(state, "we");
	size_t i;

	if (!file) {
		fprintf(stderr, "cowctl: cannot keep the counters in %s: %s\n",
			state, strerror(errno));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		fprintf(file, "%s %lu\n", counters[i], now->value[i]);
	fclose(file);
}

/* The counters, less those of @less if there are any. */
static void add_counts(cJSON *root, const char *name, const struct counts *now,
		       const struct counts *less)
{
	cJSON *object = cJSON_AddObjectToObject(root, name);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		cJSON_AddNumberToObject(object, counters[i],
					now->value[i] -
						(less ? less->value[i] : 0));
}

static void show_json(const struct counts *now, const struct counts *last,
		      char *processes)
{
	cJSON *root = cJSON_CreateObject(), *list, *object, *item;
	char text[64], *line, *at, *rest, *printed, name[64], mode[16];
	unsigned int order;
	uint64_t number;
	size_t i;
	int pid;

	object = cJSON_AddObjectToObject(root, "knobs");
	for (i = 0; knob_names[i]; i++) {
		knob_read(knob_names[i], text, sizeof(text));
		if (parse_u64(text, &number))
			cJSON_AddNumberToObject(object, knob_names[i], number);
		else
			cJSON_AddStringToObject(object, knob_names[i], text);
	}
	add_counts(root, "total", now, NULL);
	add_counts(root, "since_last_look", now, last);
	list = cJSON_AddArrayToObject(root, "processes");
	rest = processes;
	while ((line = strtok_r(rest, "\n", &at))) {
		rest = NULL;
		name[0] = '\0';
		if (sscanf(line, "%d %15s %u %63[^\n]", &pid, mode, &order,
			   name) < 3)
			continue;
		item = cJSON_CreateObject();
		cJSON_AddNumberToObject(item, "pid", pid);
		cJSON_AddStringToObject(item, "mode", mode);
		cJSON_AddNumberToObject(item, "order", order);
		cJSON_AddStringToObject(item, "name", name);
		cJSON_AddItemToArray(list, item);
	}
	printed = cJSON_Print(root);
	if (!printed)
		die("out of memory");
	puts(printed);
	free(printed);
	cJSON_Delete(root);
}

static void show_text(const struct counts *now, const struct counts *last,
		      const char *processes)
{
	static const char *const who[] = {
		"nobody", "all processes but those that opted out",
		"processes that opted in"
	};
	uint64_t precopy;
	char text[64];
	size_t i;

	knob_read("precopy", text, sizeof(text));
	if (parse_u64(text, &precopy) && precopy < ARRAY_SIZE(who))
		printf("windows serve %s\n\n", who[precopy]);
	for (i = 0; knob_names[i]; i++) {
		knob_read(knob_names[i], text, sizeof(text));
		printf("%-16s %s\n", knob_names[i], text);
	}
	printf("\n%-16s %16s %16s\n", "", "since last look", "total");
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		printf("%-16s %16lu %16lu\n", counters[i],
		       now->value[i] - last->value[i], now->value[i]);
	if (*processes)
		printf("\nprocesses that chose (PID MODE ORDER NAME; order 0: any)\n%s",
		       processes);
	else
		printf("\nno process chose\n");
}

/**
 * show_status - print what the module does
 * @json: as JSON
 * @state: the file that keeps the counters of the last look
 */
void show_status(bool json, const char *state)
{
	static char processes[1 << 18];
	struct counts now, last;

	read_counts(&now);
	read_last(state, &now, &last);
	knob_read_whole("process", processes, sizeof(processes));
	if (json)
		show_json(&now, &last, processes);
	else
		show_text(&now, &last, processes);
	write_last(state, &now);
}
