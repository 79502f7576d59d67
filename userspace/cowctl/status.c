// SPDX-License-Identifier: GPL-2.0
/* `cowctl status`: the knobs, the counters, and the processes that chose. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "cowctl/knobs.h"
#include "cowctl/processes.h"
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

/* What there is now, or was at the last look */
struct look {
	struct counts counts;
	struct process *processes; /* those that chose */
	size_t nr; /* number of these */
};

static void read_now(struct look *now)
{
	char *text = knob_text("stats");
	const char *missing = find_counts(text, &now->counts);

	if (missing)
		die("stats has no '%s': the module is of another version",
		    missing);
	free(text);
	now->nr = processes_read(&now->processes);
}

static bool fewer(const uint64_t *now, const uint64_t *last, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (now[i] < last[i])
			return true;
	return false;
}

/*
 * What a process had at the last look; zeroes if it was not there, or the counters
 * were reset.
 */
static void find_process(const struct look *last, const struct process *process,
			 uint64_t counts[NR_PROCESS_COUNTS])
{
	size_t i;

	for (i = 0; i < last->nr; i++) {
		const struct process *p = &last->processes[i];

		if (p->pid != process->pid || p->born != process->born ||
		    fewer(process->counts, p->counts, NR_PROCESS_COUNTS))
			continue;
		memcpy(counts, p->counts, sizeof(p->counts));
		return;
	}
	memset(counts, 0, sizeof(process->counts));
}

/* "process PID BORN" and the counts. */
static bool parse_process(const char *line, struct process *process)
{
	int i, n;

	if (sscanf(line, "process %d %lu%n", &process->pid, &process->born,
		   &n) < 2)
		return false;
	for (i = 0; i < NR_PROCESS_COUNTS; i++) {
		line += n;
		if (sscanf(line, " %lu%n", &process->counts[i], &n) < 1)
			return false;
	}
	return true;
}

/* What was there at the last look; without a file, or after a reset, zeroes. */
static void read_last(const char *state, const struct look *now,
		      struct look *last)
{
	FILE *file = fopen(state, "re");
	char line[512], head[1024] = "";
	size_t len = 0;

	memset(last, 0, sizeof(*last));
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "process ", 8)) {
			len += snprintf(head + len, sizeof(head) - len, "%s",
					line);
			if (len >= sizeof(head))
				break;
			continue;
		}
		last->processes = reallocarray(last->processes, last->nr + 1,
					       sizeof(*last->processes));
		if (!last->processes)
			die("out of memory");
		if (parse_process(line, &last->processes[last->nr]))
			last->nr++;
	}
	fclose(file);
	if (find_counts(head, &last->counts) ||
	    fewer(now->counts.value, last->counts.value, ARRAY_SIZE(counters)))
		memset(&last->counts, 0, sizeof(last->counts));
}

static void write_last(const char *state, const struct look *now)
{
	FILE *file = fopen(state, "we");
	size_t i, j;

	if (!file) {
		fprintf(stderr, "cowctl: cannot keep the counters in %s: %s\n",
			state, strerror(errno));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		fprintf(file, "%s %lu\n", counters[i], now->counts.value[i]);
	for (i = 0; i < now->nr; i++) {
		const struct process *process = &now->processes[i];

		fprintf(file, "process %d %lu", process->pid, process->born);
		for (j = 0; j < NR_PROCESS_COUNTS; j++)
			fprintf(file, " %lu", process->counts[j]);
		fputc('\n', file);
	}
	fclose(file);
}

/* The counters, less those of @less if there are any. */
static void add_counts(cJSON *root, const char *name, const char *const *names,
		       size_t nr, const uint64_t *now, const uint64_t *less)
{
	cJSON *object = cJSON_AddObjectToObject(root, name);
	size_t i;

	for (i = 0; i < nr; i++)
		cJSON_AddNumberToObject(
			object, names[i],
			(double)(now[i] - (less ? less[i] : 0)));
}

static void add_process(cJSON *list, const struct process *process,
			const struct look *last)
{
	uint64_t before[NR_PROCESS_COUNTS];
	cJSON *item = cJSON_CreateObject();

	find_process(last, process, before);
	cJSON_AddNumberToObject(item, "pid", process->pid);
	cJSON_AddStringToObject(item, "mode", process->mode);
	cJSON_AddNumberToObject(item, "order", process->order);
	cJSON_AddStringToObject(item, "name", process->name);
	add_counts(item, "total", process_counts, NR_PROCESS_COUNTS,
		   process->counts, NULL);
	add_counts(item, "since_last_look", process_counts, NR_PROCESS_COUNTS,
		   process->counts, before);
	cJSON_AddItemToArray(list, item);
}

static void show_json(const struct look *now, const struct look *last)
{
	cJSON *root = cJSON_CreateObject(), *list, *object;
	char text[64], *printed;
	uint64_t number;
	size_t i;

	object = cJSON_AddObjectToObject(root, "knobs");
	for (i = 0; knob_names[i]; i++) {
		knob_read(knob_names[i], text, sizeof(text));
		if (parse_u64(text, &number))
			cJSON_AddNumberToObject(object, knob_names[i],
						(double)number);
		else
			cJSON_AddStringToObject(object, knob_names[i], text);
	}
	add_counts(root, "total", counters, ARRAY_SIZE(counters),
		   now->counts.value, NULL);
	add_counts(root, "since_last_look", counters, ARRAY_SIZE(counters),
		   now->counts.value, last->counts.value);
	list = cJSON_AddArrayToObject(root, "processes");
	for (i = 0; i < now->nr; i++)
		add_process(list, &now->processes[i], last);
	printed = cJSON_Print(root);
	if (!printed)
		die("out of memory");
	puts(printed);
	free(printed);
	cJSON_Delete(root);
}

static void show_processes(const struct look *now, const struct look *last)
{
	static const int shown[] = { PROCESS_WINDOWS, PROCESS_HIT,
				     PROCESS_WASTED };
	uint64_t before[NR_PROCESS_COUNTS];
	char mode[16];
	size_t i, j;

	if (!now->nr) {
		printf("\nno process chose\n");
		return;
	}
	printf("\nprocesses that chose (order 0: any)\n%20s%27s%27s\n", "",
	       "since last look", "total");
	printf("%7s MODE ORDER ", "PID");
	for (j = 0; j < 2 * ARRAY_SIZE(shown); j++)
		printf(" %8s", process_counts[shown[j % ARRAY_SIZE(shown)]]);
	printf("  NAME\n");
	for (i = 0; i < now->nr; i++) {
		const struct process *process = &now->processes[i];

		find_process(last, process, before);
		snprintf(mode, sizeof(mode), "%s %u", process->mode,
			 process->order);
		printf("%7d %-11s", process->pid, mode);
		for (j = 0; j < ARRAY_SIZE(shown); j++)
			printf(" %8lu",
			       process->counts[shown[j]] - before[shown[j]]);
		for (j = 0; j < ARRAY_SIZE(shown); j++)
			printf(" %8lu", process->counts[shown[j]]);
		printf("  %s\n", process->name);
	}
}

static void show_text(const struct look *now, const struct look *last)
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
		       now->counts.value[i] - last->counts.value[i],
		       now->counts.value[i]);
	show_processes(now, last);
}

/**
 * show_status - print what the module does
 * @json: as JSON
 * @state: the file that keeps the counters of the last look
 */
void show_status(bool json, const char *state)
{
	struct look now, last;

	read_now(&now);
	read_last(state, &now, &last);
	if (json)
		show_json(&now, &last);
	else
		show_text(&now, &last);
	write_last(state, &now);
	free(now.processes);
	free(last.processes);
}
