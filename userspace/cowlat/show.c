// SPDX-License-Identifier: GPL-2.0
/* Prints the counts as text for a terminal of 80 columns, or as JSON. */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probe.h"

#define STARS "****************************************"
#define COLUMNS 80
/* Rows that a terminal shows; the rest are summed. */
#define MOST_ROWS 20

static const char *const range_names[] = {
	[RANGE_UNKNOWN] = "[unknown: mmap_lock was busy]",
	[RANGE_HEAP] = "[heap]",
	[RANGE_STACK] = "[stack]",
	[RANGE_FILE] = "",
	[RANGE_ANON] = "[anon]",
};

/**
 * slot_start - the least value of a bucket
 * @slot: the bucket
 * @bits: 2^@bits buckets per octave
 *
 * Return: the value; for the bucket after the last, the end.
 */
__u64 slot_start(unsigned int slot, unsigned int bits)
{
	unsigned int octave = slot >> bits;
	__u64 sub = slot & ((1U << bits) - 1);

	return octave ? ((1ULL << bits) + sub) << (octave - 1) : sub;
}

static __u64 slot_middle(unsigned int slot, unsigned int bits)
{
	return (slot_start(slot, bits) + slot_start(slot + 1, bits) - 1) / 2;
}

/**
 * slots_percentile - the sample of nearest rank, as the middle of its bucket
 * @slots: the buckets
 * @bits: 2^@bits buckets per octave
 * @count: number of samples
 * @per_mille: the percentile, times ten
 *
 * Return: the value.
 */
__u64 slots_percentile(const __u64 *slots, unsigned int bits, __u64 count,
		       unsigned int per_mille)
{
	__u64 rank = (count * per_mille + 999) / 1000, seen = 0;
	unsigned int i;

	if (!rank)
		rank = 1;
	for (i = 0; i < COWLAT_SLOTS(bits) - 1; i++) {
		seen += slots[i];
		if (seen >= rank)
			break;
	}
	return slot_middle(i, bits);
}

/**
 * hist_percentile - a percentile of a histogram
 * @hist: the histogram, not empty
 * @per_mille: the percentile, times ten
 *
 * Return: the value, within the least and the greatest.
 */
__u64 hist_percentile(const struct cowlat_hist *hist, unsigned int per_mille)
{
	__u64 v = slots_percentile(hist->slots, COWLAT_HIST_BITS, hist->count,
				   per_mille);

	if (v < hist->min)
		return hist->min;
	return v > hist->max ? hist->max : v;
}

/**
 * hist_merge - add a CPU's histogram to another
 * @to: the sum
 * @from: the histogram to add
 */
void hist_merge(struct cowlat_hist *to, const struct cowlat_hist *from)
{
	unsigned int i;

	if (!from->count)
		return;
	if (!to->count || from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->sum += from->sum;
	for (i = 0; i < COWLAT_HIST_SLOTS; i++)
		to->slots[i] += from->slots[i];
}

static unsigned int octave_of(__u64 v)
{
	return v ? 63 - __builtin_clzll(v) : 0;
}

static void show_log2(const struct cowlat_hist *hist, const struct unit *unit)
{
	__u64 octaves[COWLAT_MAX_BITS + 1] = { 0 }, most = 0;
	unsigned int i, first = COWLAT_MAX_BITS, last = 0;

	for (i = 0; i < COWLAT_HIST_SLOTS; i++)
		octaves[octave_of(slot_start(i, COWLAT_HIST_BITS) / unit->ns)] +=
			hist->slots[i];
	for (i = 0; i <= COWLAT_MAX_BITS; i++) {
		if (!octaves[i])
			continue;
		if (i < first)
			first = i;
		last = i;
		if (octaves[i] > most)
			most = octaves[i];
	}
	printf("%10s%-15s : count    distribution\n", "", unit->name);
	for (i = first; i <= last; i++) {
		int stars = octaves[i] * (sizeof(STARS) - 1) / most;

		printf("%10llu -> %-10llu : %-8llu |%-40.*s|\n",
		       i ? 1ULL << i : 0ULL, (2ULL << i) - 1,
		       (unsigned long long)octaves[i], stars, STARS);
	}
}

static void show_hist(const char *name, const struct cowlat_hist *hist,
		      const struct unit *unit)
{
	if (!hist->count) {
		printf("%s: none\n\n", name);
		return;
	}
	printf("%s\n", name);
	show_log2(hist, unit);
	printf("count %llu, avg %llu, p50 %llu, p99 %llu, max %llu %s\n\n",
	       (unsigned long long)hist->count,
	       (unsigned long long)(hist->sum / hist->count / unit->ns),
	       (unsigned long long)(hist_percentile(hist, 500) / unit->ns),
	       (unsigned long long)(hist_percentile(hist, 990) / unit->ns),
	       (unsigned long long)(hist->max / unit->ns), unit->name);
}

static int by_sum(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	if (x->row.sum != y->row.sum)
		return x->row.sum < y->row.sum ? 1 : -1;
	/* The order does not change from run to run. */
	return x->key.tgid < y->key.tgid ? -1 : x->key.tgid > y->key.tgid;
}

static __u64 row_percentile(const struct cowlat_row *row,
			    unsigned int per_mille)
{
	__u64 v = slots_percentile(row->slots, COWLAT_ROW_BITS, row->count,
				   per_mille);

	return v > row->max ? row->max : v;
}

/*
 * A name for a terminal: whoever chose it must not move the cursor. Return: @to.
 */
static const char *printable(char *to, size_t size, const char *name)
{
	size_t i;

	for (i = 0; name[i] && i + 1 < size; i++)
		to[i] = name[i] < ' ' || name[i] > '~' ? '?' : name[i];
	to[i] = '\0';
	return to;
}

/* A process without a number in our pid namespace has a dash. */
static void show_pid(__u32 tgid)
{
	if (tgid)
		printf("%-7u ", tgid);
	else
		printf("%-7s ", "-");
}

static const char *range_name(const struct counted *counted)
{
	if (counted->key.kind == RANGE_FILE)
		return counted->row.name;
	return range_names[counted->key.kind];
}

static void show_process(const struct counted *c, const struct unit *unit)
{
	char comm[COWLAT_COMM];

	show_pid(c->key.tgid);
	printf("%-15.15s %8llu %11.3f %7llu %7llu %8llu %9llu\n",
	       printable(comm, sizeof(comm), c->row.comm),
	       (unsigned long long)c->row.count, c->row.sum / 1e6,
	       (unsigned long long)(c->row.sum / c->row.count / unit->ns),
	       (unsigned long long)(row_percentile(&c->row, 500) / unit->ns),
	       (unsigned long long)(row_percentile(&c->row, 990) / unit->ns),
	       (unsigned long long)(c->row.max / unit->ns));
}

static void show_range(const struct counted *c, const struct unit *unit)
{
	char where[COWLAT_NAME + 1], comm[COWLAT_COMM];
	int width;

	if (c->key.kind == RANGE_ANON)
		snprintf(where, sizeof(where), "%llx-%llx",
			 (unsigned long long)c->row.start,
			 (unsigned long long)c->row.end);
	else
		printable(where, sizeof(where), range_name(c));
	show_pid(c->key.tgid);
	width = 8 + printf("%-10.10s %8llu %10.3f %6llu %8llu ",
			   printable(comm, sizeof(comm), c->row.comm),
			   (unsigned long long)c->row.count, c->row.sum / 1e6,
			   (unsigned long long)(c->row.sum / c->row.count /
						unit->ns),
			   (unsigned long long)(c->row.max / unit->ns));
	printf("%.*s\n", width < COLUMNS ? COLUMNS - width : 0, where);
}

static void show_rows(struct report *report, const struct unit *unit)
{
	__u64 count = 0;
	size_t i;

	qsort(report->rows, report->nr_rows, sizeof(*report->rows), by_sum);
	if (report->rows_of == ROWS_PROCESS)
		printf("%-7s %-15s %8s %11s %7s %7s %8s %9s\n", "PID", "COMM",
		       "COUNT", "TOTAL_ms", "AVG", "P50", "P99", "MAX");
	else
		printf("%-7s %-10s %8s %10s %6s %8s %s\n", "PID", "COMM",
		       "COUNT", "TOTAL_ms", "AVG", "MAX", "RANGE");
	for (i = 0; i < report->nr_rows && i < MOST_ROWS; i++) {
		if (report->rows_of == ROWS_PROCESS)
			show_process(&report->rows[i], unit);
		else
			show_range(&report->rows[i], unit);
	}
	for (; i < report->nr_rows; i++)
		count += report->rows[i].row.count;
	if (count)
		printf("%zu more with %llu faults\n",
		       report->nr_rows - MOST_ROWS, (unsigned long long)count);
	putchar('\n');
}

/**
 * show_text - print a report for people
 * @report: what was counted; its rows are sorted
 * @unit: of the times
 * @timestamp: whether the time of day comes first
 */
void show_text(struct report *report, const struct unit *unit, bool timestamp)
{
	__u64 seen = 0;
	unsigned int i;

	if (timestamp) {
		time_t now = time(NULL);
		char text[16];

		strftime(text, sizeof(text), "%H:%M:%S", localtime(&now));
		puts(text);
	}
	for (i = 0; i < NR_STAGES; i++)
		seen += report->hists[i].count;
	for (i = 0; i < NR_STAGES; i++) {
		if (!(report->stages & 1U << i))
			continue;
		/* Show huge pages only if there are any. */
		if (i == STAGE_HUGETLB_COPY && !report->hists[i].count &&
		    report->stages != 1U << i)
			continue;
		if (report->rows_of == ROWS_NONE || !seen)
			show_hist(stage_names[i], &report->hists[i], unit);
	}
	if (report->rows_of != ROWS_NONE && seen)
		show_rows(report, unit);
	if (report->missed)
		printf("%llu events lost\n",
		       (unsigned long long)report->missed);
}

static void json_string(const char *key, const char *text)
{
	const unsigned char *p;

	printf("\"%s\": \"", key);
	for (p = (const void *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < ' ' || *p > '~')
			/* A byte of an unknown encoding, as Latin-1. */
			printf("\\u%04x", *p);
		else
			putchar(*p);
	}
	putchar('"');
}

static void json_u64(const char *key, __u64 value)
{
	printf(", \"%s\": %llu", key, (unsigned long long)value);
}

static void json_hist(const char *name, const struct cowlat_hist *hist)
{
	const char *comma = "";
	unsigned int i;

	putchar('{');
	json_string("stage", name);
	json_u64("count", hist->count);
	if (hist->count) {
		json_u64("sum", hist->sum);
		json_u64("avg", hist->sum / hist->count);
		json_u64("min", hist->min);
		json_u64("p50", hist_percentile(hist, 500));
		json_u64("p90", hist_percentile(hist, 900));
		json_u64("p99", hist_percentile(hist, 990));
		json_u64("p99.9", hist_percentile(hist, 999));
		json_u64("max", hist->max);
	}
	printf(", \"histogram\": [");
	for (i = 0; i < COWLAT_HIST_SLOTS; i++) {
		if (!hist->slots[i])
			continue;
		printf("%s{\"from\": %llu", comma,
		       (unsigned long long)slot_start(i, COWLAT_HIST_BITS));
		json_u64("to", slot_start(i + 1, COWLAT_HIST_BITS) - 1);
		json_u64("count", hist->slots[i]);
		putchar('}');
		comma = ", ";
	}
	printf("]}");
}

static void json_row(const struct report *report, const struct counted *c)
{
	printf("{\"pid\": %u, ", c->key.tgid);
	json_string("comm", c->row.comm);
	json_u64("count", c->row.count);
	json_u64("sum", c->row.sum);
	json_u64("avg", c->row.sum / c->row.count);
	json_u64("p50", row_percentile(&c->row, 500));
	json_u64("p99", row_percentile(&c->row, 990));
	json_u64("max", c->row.max);
	if (report->rows_of == ROWS_RANGE) {
		printf(", ");
		json_string("range", range_name(c));
		json_u64("start", c->row.start);
		json_u64("end", c->row.end);
	}
	putchar('}');
}

/**
 * show_json - print a report for programs: one object on one line, in ns
 * @report: what was counted; its rows are sorted
 * @timestamp: whether it has the time of day
 */
void show_json(struct report *report, bool timestamp)
{
	const char *comma = "";
	unsigned int i;
	size_t row;

	putchar('{');
	if (timestamp) {
		time_t now = time(NULL);
		char text[32];

		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z",
			 localtime(&now));
		json_string("time", text);
		printf(", ");
	}
	json_string("probe", report->way);
	printf(", ");
	json_string("meaning", report->meaning);
	printf(", \"unit\": \"ns\", \"seconds\": %.3f", report->seconds);
	json_u64("lost", report->missed);
	printf(", \"stages\": [");
	for (i = 0; i < NR_STAGES; i++) {
		if (!(report->stages & 1U << i))
			continue;
		printf("%s", comma);
		json_hist(stage_names[i], &report->hists[i]);
		comma = ", ";
	}
	putchar(']');
	if (report->rows_of != ROWS_NONE) {
		qsort(report->rows, report->nr_rows, sizeof(*report->rows),
		      by_sum);
		printf(", \"%s\": [", report->rows_of == ROWS_PROCESS ?
					      "processes" :
					      "ranges");
		for (row = 0; row < report->nr_rows; row++) {
			printf("%s", row ? ", " : "");
			json_row(report, &report->rows[row]);
		}
		putchar(']');
	}
	puts("}");
}
