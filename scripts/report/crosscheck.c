// SPDX-License-Identifier: GPL-2.0
/*
 * The page that shows that the numbers are right: what the guest's crosscheck
 * job left in raw/CLOCK/, which is crosscheck.csv and stages-ARM.json.
 */
#include "crosscheck.h"

#include <cjson/cJSON.h>
#include <inttypes.h>

#define FILE_LIMIT (1UL << 20)
#define MAX_PARTS 12
#define BAR_WIDTH 620.0

static const char *const clocks[] = { "icount", "wall" };

static const char *const observer_names[OBS_COUNT] = {
	[OBS_DEBUGFS] = "debugfs", [OBS_DMESG] = "dmesg",
	[OBS_BPF] = "bpf",	   [OBS_DELAYACCT] = "delayacct",
	[OBS_USER] = "user",	   [OBS_NOBODY] = "nobody",
};

static const char *const observer_titles[OBS_COUNT] = {
	[OBS_DEBUGFS] = "debugfs histogram",
	[OBS_DMESG] = "dmesg lines",
	[OBS_BPF] = "cowlat (BPF)",
	[OBS_DELAYACCT] = "delay accounting (WPCOPY)",
	[OBS_USER] = "the writer itself",
	[OBS_NOBODY] = "the writer, nobody listening",
};

static const char header[] =
	"arm,source,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,cost_ns";

/* One field of a line, up to the next comma or the end */
static bool field(const char **at, const char *end, const char **s, size_t *len)
{
	const char *comma;

	if (!*at)
		return false;
	comma = memchr(*at, ',', end - *at);
	*s = *at;
	*len = (comma ? comma : end) - *at;
	*at = comma ? comma + 1 : NULL;
	return true;
}

static bool parse_row(struct checks *checks, const char *line, size_t len)
{
	const char *at = line, *end = line + len, *s;
	struct check *check = NULL;
	uint64_t val[8], cost;
	char arm[NAME_LEN];
	struct seen *seen;
	size_t n, i;
	bool minus;
	int obs;

	if (!field(&at, end, &s, &n) || !copy_name(arm, s, n) ||
	    !field(&at, end, &s, &n))
		return false;
	for (obs = 0; obs < OBS_COUNT; obs++)
		if (strlen(observer_names[obs]) == n &&
		    !memcmp(observer_names[obs], s, n))
			break;
	if (obs == OBS_COUNT)
		return false;
	for (i = 0; i < ARRAY_SIZE(val); i++)
		if (!field(&at, end, &s, &n) || !parse_u64(s, n, &val[i]))
			return false;
	if (!field(&at, end, &s, &n) || at)
		return false;
	minus = n && *s == '-';
	if (!parse_u64(s + minus, n - minus, &cost))
		return false;

	for (i = 0; i < checks->check.n; i++)
		if (!strcmp(checks->check.v[i].arm, arm))
			check = &checks->check.v[i];
	if (!check) {
		struct check fresh = { 0 };

		memcpy(fresh.arm, arm, sizeof(arm));
		vec_push(&checks->check, fresh);
		check = &checks->check.v[checks->check.n - 1];
	}
	seen = &check->seen[obs];
	*seen = (struct seen){
		val[0], val[1], val[2],
		val[3], val[4], val[5],
		val[6], val[7], minus ? -(int64_t)cost : (int64_t)cost
	};
	return true;
}

/**
 * checks_parse - read a crosscheck.csv
 * @checks: the result, to be freed whatever is returned
 * @buf: the file
 * @len: its size
 *
 * Return: PARSE_OK, or what is wrong with it.
 */
enum parse_status checks_parse(struct checks *checks, const char *buf,
			       size_t len)
{
	struct lines l;

	memset(checks, 0, sizeof(*checks));
	if (is_blank(buf, len))
		return PARSE_EMPTY;
	lines_init(&l, buf, len);
	while (lines_next(&l)) {
		if (l.open)
			return PARSE_TRUNCATED;
		if (l.no == 1 ? l.len != strlen(header) ||
					memcmp(l.s, header, l.len) :
				!parse_row(checks, l.s, l.len))
			return PARSE_MALFORMED;
	}
	return PARSE_OK;
}

/**
 * checks_free - give back what checks_parse() took
 * @checks: the arms
 */
void checks_free(struct checks *checks)
{
	vec_free(&checks->check);
}

/**
 * check_counts_agree - whether all have counted the same
 * @check: an arm
 *
 * Return: true if they have.
 */
bool check_counts_agree(const struct check *check)
{
	for (int i = 0; i <= OBS_USER; i++)
		if (check->seen[i].count != check->seen[OBS_USER].count)
			return false;
	return check->seen[OBS_USER].count > 0;
}

/**
 * check_times_agree - whether those with the same bracket have the same time,
 * and an outer bracket the longer one
 * @check: an arm
 *
 * Return: true if they have.
 */
bool check_times_agree(const struct check *check)
{
	const struct seen *s = check->seen;

	return s[OBS_DEBUGFS].avg == s[OBS_DMESG].avg &&
	       s[OBS_DEBUGFS].avg == s[OBS_BPF].avg &&
	       s[OBS_BPF].avg < s[OBS_DELAYACCT].avg &&
	       s[OBS_DELAYACCT].avg < s[OBS_USER].avg;
}

/* Read raw/CLOCK/@name of a run; NULL where it is not there */
static char *read_raw(const char *dir, const char *clock, const char *name,
		      size_t *len)
{
	char *path = xasprintf("%s/raw/%s/%s", dir, clock, name);
	char *buf = NULL;

	if (read_file(path, FILE_LIMIT, &buf, len) != FILE_OK)
		buf = NULL;
	free(path);
	return buf;
}

static bool read_checks(const char *dir, const char *clock,
			struct checks *checks)
{
	size_t len = 0;
	char *buf = read_raw(dir, clock, "crosscheck.csv", &len);
	bool good = buf && checks_parse(checks, buf, len) == PARSE_OK;

	if (buf && !good)
		checks_free(checks);
	free(buf);
	return good;
}

/**
 * crosscheck_sentence - how the cross-check went, and where it is
 * @dir: the run's folder
 *
 * Return: the sentence, to be freed; NULL where the run has none.
 */
char *crosscheck_sentence(const char *dir)
{
	size_t arms = 0, counts = 0, times = 0;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct checks checks;

		if (!read_checks(dir, clocks[c], &checks))
			continue;
		for (size_t i = 0; i < checks.check.n; i++) {
			arms++;
			counts += check_counts_agree(&checks.check.v[i]);
			times += check_times_agree(&checks.check.v[i]);
		}
		checks_free(&checks);
	}
	if (!arms)
		return NULL;
	return xasprintf(
		"Histogram, log, cowlat, delay accounting and the writer, asked all at once in %zu arms: the counts agree in %zu, the times in %zu. crosscheck.html has them side by side, and where a fault's time goes.",
		arms, counts, times);
}

/**
 * crosscheck_rows - the rows of summary.csv whose source is bpf
 * @dir: the run's folder
 * @out: summary.csv, behind the other rows
 */
void crosscheck_rows(const char *dir, FILE *out)
{
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct checks checks;

		if (!read_checks(dir, clocks[c], &checks))
			continue;
		for (size_t i = 0; i < checks.check.n; i++) {
			const struct check *check = &checks.check.v[i];
			const struct seen *s = &check->seen[OBS_BPF];

			if (!s->count)
				continue;
			fprintf(out,
				"%s,seq,%s,bpf,%s,%" PRIu64 ",%" PRIu64
				",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
				",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",,,,,,\n",
				check->arm, clocks[c],
				strcmp(check->arm, "hugetlb") ? "fault" :
								"hugetlb_copy",
				s->count, s->avg, s->min, s->p50, s->p90,
				s->p99, s->p999, s->max, s->count);
		}
		checks_free(&checks);
	}
}

static void put_number(FILE *out, uint64_t val)
{
	if (val)
		fprintf(out, "<td>%" PRIu64, val);
	else
		fputs("<td>", out);
}

/* @costs: whether they are more than the host's noise */
static void put_check(FILE *out, const struct check *check, bool costs)
{
	const struct seen *s = check->seen;
	int64_t between = s[OBS_DELAYACCT].avg - s[OBS_BPF].avg;
	int64_t outside = s[OBS_USER].avg - s[OBS_DELAYACCT].avg;

	fprintf(out,
		"<h3>%s</h3>\n<table><tr><th>observer<th>faults<th>avg<th>min"
		"<th>p50<th>p99<th>max%s\n",
		check->arm, costs ? "<th>adds to a fault" : "");
	for (int i = 0; i < OBS_COUNT; i++) {
		fprintf(out, "<tr><td>%s", observer_titles[i]);
		put_number(out, s[i].count);
		put_number(out, s[i].avg);
		/* The writer's are of writes, most of which take no fault. */
		if (i < OBS_DELAYACCT) {
			put_number(out, s[i].min);
			put_number(out, s[i].p50);
			put_number(out, s[i].p99);
			put_number(out, s[i].max);
		} else {
			fputs("<td><td><td><td>", out);
		}
		if (costs)
			fprintf(out, "<td>%+" PRId64, s[i].cost);
		putc('\n', out);
	}
	fputs("</table>\n<p>", out);
	if (check_counts_agree(check))
		fprintf(out, "All count the same: %" PRIu64 ". ",
			s[OBS_USER].count);
	else
		fputs("<b>The counts differ.</b> ", out);
	if (check_times_agree(check))
		fprintf(out,
			"Histogram, log and cowlat have the same time to the digit. "
			"Delay accounting's is %" PRId64
			" longer (the probes that hang on the tracepoint run in its bracket%s), "
			"the writer's again %" PRId64
			" (exception entry, VMA lookup, page-table walk, exit).\n",
			between,
			strcmp(check->arm, "hugetlb") ?
				"" :
				", and hugetlb's tracepoint times the copy alone",
			outside);
	else
		fputs("<b>The times contradict each other.</b>\n", out);
}

/* What a fault is made up of, as cowlat --stages has it */
struct stages {
	const char *title;
	const char *unit;
	double pages;
	double total;
	double probe;
	size_t n;
	char name[MAX_PARTS][NAME_LEN];
	double ns[MAX_PARTS];
};

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static bool read_stages(const char *dir, const char *clock, const char *arm,
			struct stages *st)
{
	char *name = xasprintf("stages-%s.json", arm);
	size_t len = 0;
	char *buf = read_raw(dir, clock, name, &len);
	cJSON *root = buf ? cJSON_ParseWithLength(buf, len) : NULL;
	const cJSON *part;

	memset(st, 0, sizeof(*st));
	st->pages = number_of(root, "pages");
	st->total = number_of(root, "total");
	st->probe = number_of(root, "probe");
	cJSON_ArrayForEach(part, cJSON_GetObjectItem(root, "parts"))
	{
		const cJSON *text =
			cJSON_GetObjectItemCaseSensitive(part, "part");

		if (!cJSON_IsString(text) || st->n == MAX_PARTS)
			continue;
		snprintf(st->name[st->n], NAME_LEN, "%s", text->valuestring);
		st->ns[st->n++] = number_of(part, "ns");
	}
	cJSON_Delete(root);
	free(buf);
	free(name);
	return st->n && st->pages >= 1 && st->total > 0;
}

static const char *const colours[MAX_PARTS] = {
	"#4e79a7", "#76b7b2", "#f28e2b", "#edc948", "#59a14f", "#b07aa1",
	"#e15759", "#9c755f", "#bab0ac", "#86bcb6", "#d37295", "#a0cbe8",
};

/* One bar for each, ns or instructions a page; the two clocks by themselves */
static void put_picture(FILE *out, const struct stages *stages, size_t n)
{
	const size_t legend = stages[0].n;
	double x, most;

	fprintf(out,
		"<svg viewBox=\"0 0 860 %zu\" role=\"img\" font-family=\"sans-serif\" font-size=\"13\">"
		"<title>Where the time of a COW fault goes</title>\n",
		n * 54 + (legend + 2) / 3 * 20 + 10);
	for (size_t i = 0; i < n; i++) {
		most = 0;
		for (size_t k = 0; k < n; k++)
			if (!strcmp(stages[k].unit, stages[i].unit) &&
			    stages[k].total / stages[k].pages > most)
				most = stages[k].total / stages[k].pages;
		x = 0;
		fprintf(out,
			"<text x=\"0\" y=\"%zu\">%s: %.0f %s a page</text>\n",
			i * 54 + 16, stages[i].title,
			stages[i].total / stages[i].pages, stages[i].unit);
		for (size_t p = 0; p < stages[i].n; p++) {
			double ns = stages[i].ns[p] / stages[i].pages;
			double w = ns > 0 ? ns / most * BAR_WIDTH : 0;

			fprintf(out,
				"<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"24\" fill=\"%s\"><title>%s: %.0f %s</title></rect>\n",
				x, i * 54 + 22, w, colours[p],
				stages[i].name[p], ns, stages[i].unit);
			if (w > 34)
				fprintf(out,
					"<text x=\"%.1f\" y=\"%zu\" text-anchor=\"middle\" fill=\"#fff\">%.0f</text>\n",
					x + w / 2, i * 54 + 39, ns);
			x += w;
		}
	}
	for (size_t p = 0; p < legend; p++)
		fprintf(out,
			"<rect x=\"%zu\" y=\"%zu\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%zu\" y=\"%zu\">%s</text>\n",
			p % 3 * 280, n * 54 + p / 3 * 20 + 8, colours[p],
			p % 3 * 280 + 18, n * 54 + p / 3 * 20 + 19,
			stages[0].name[p]);
	fputs("</svg>\n", out);
}

static void put_stages_table(FILE *out, const struct stages *st)
{
	fprintf(out,
		"<h3>%s</h3>\n<table><tr><th>part<th>%s a fault<th>share<th>a page\n",
		st->title, st->unit);
	for (size_t p = 0; p < st->n; p++)
		fprintf(out, "<tr><td>%s<td>%.0f<td>%.1f%%<td>%.0f\n",
			st->name[p], st->ns[p], 100 * st->ns[p] / st->total,
			st->ns[p] / st->pages);
	fprintf(out,
		"<tr><td>together<td>%.0f<td><td>%.0f\n</table>\n"
		"<p>%.2f pages a fault. For each boundary between two parts %.0f %s of the probe's own have been taken off, half from either side: a part is right within that.\n",
		st->total, st->total / st->pages, st->pages, st->probe,
		st->unit);
}

static void put_stages(FILE *out, const char *dir)
{
	static const struct {
		const char *clock, *arm, *title, *unit;
	} wanted[] = {
		{ "icount", "baseline", "one page, in instructions",
		  "instructions" },
		{ "icount", "fixed", "a window of 16, in instructions",
		  "instructions" },
		{ "wall", "baseline", "one page, in time", "ns" },
		{ "wall", "fixed", "a window of 16, in time", "ns" },
	};
	struct stages stages[ARRAY_SIZE(wanted)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (!read_stages(dir, wanted[i].clock, wanted[i].arm,
				 &stages[n]))
			continue;
		stages[n].title = wanted[i].title;
		stages[n++].unit = wanted[i].unit;
	}
	if (!n)
		return;
	fputs("<h2>Where the time of a COW fault goes</h2>\n"
	      "<p>Each bar is one page's share of a fault: the bar of a window is shorter by what its pages share. "
	      "Bars of one unit have one scale. From <code>cowlat --stages</code>: a writer of its own, "
	      "with BPF programs at the boundaries, whose cost is measured and taken off.\n",
	      out);
	put_picture(out, stages, n);
	for (size_t i = 0; i < n; i++)
		put_stages_table(out, &stages[i]);
}

static void put_page(FILE *out, const char *dir)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<title>cowlab: are the numbers right?</title>\n<style>\n"
	      "body { font: 16px/1.5 sans-serif; max-width: 56rem; margin: auto; padding: 0 1rem }\n"
	      "table { border-collapse: collapse; display: block; overflow-x: auto }\n"
	      "td, th { padding: .1rem .6rem; text-align: right; border-bottom: 1px solid #ccc }\n"
	      "td:first-child, th:first-child { text-align: left }\n"
	      "svg { width: 100%; height: auto }\n</style>\n"
	      "<h1>Are the numbers right?</h1>\n"
	      "<p>One writer writes 16 MiB upward after a fork, and five time its COW faults, "
	      "all at once: the module's histogram, its lines in the log, cowlat, the kernel's own delay "
	      "accounting (taskstats), and the writer, with a look at the clock before and after each write. "
	      "What each adds to a fault is from a run with it alone, against one with nobody "
	      "(medians; averages where not every write takes a fault), under icount, where a nanosecond is an instruction. "
	      "<code>make run</code> makes this page; the test is <code>userspace/tests/guest_crosscheck.c</code>.\n",
	      out);
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct checks checks;

		if (!read_checks(dir, clocks[c], &checks))
			continue;
		fprintf(out, "<h2>%s</h2>\n", clocks[c]);
		for (size_t i = 0; i < checks.check.n; i++)
			put_check(out, &checks.check.v[i],
				  !strcmp(clocks[c], "icount"));
		checks_free(&checks);
	}
	put_stages(out, dir);
	fputs("</html>\n", out);
}

/**
 * crosscheck_page - write crosscheck.html into a run's folder
 * @dir: the folder
 *
 * Nothing is written where the run has no cross-check.
 *
 * Return: 0, or -1 with errno.
 */
int crosscheck_page(const char *dir)
{
	char *path, *buf = NULL;
	struct checks checks;
	bool any = false;
	size_t len = 0;
	int ret = -1;
	FILE *f;

	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		if (!read_checks(dir, clocks[c], &checks))
			continue;
		any = true;
		checks_free(&checks);
	}
	if (!any)
		return 0;
	f = open_memstream(&buf, &len);
	if (!f)
		return -1;
	put_page(f, dir);
	path = xasprintf("%s/crosscheck.html", dir);
	if (!fclose(f))
		ret = write_file(path, buf, len);
	free(path);
	free(buf);
	return ret;
}
