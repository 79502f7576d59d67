// SPDX-License-Identifier: GPL-2.0
/* crosscheck_page.c - the page that shows that the numbers are right */
#include "report.h"

#define BAR_WIDTH 620.0

/* Each observer's figures; the writer's are of writes, most without a fault */
#define OBSERVERS                                                                                                                                                                                                                                                             \
	"WITH o(rank, source, observer) AS (VALUES (0, 'debugfs', 'debugfs histogram'), (1, 'dmesg', 'dmesg lines'), (2, 'bpf', 'cowlat (BPF)'), (3, 'delayacct', 'delay accounting (WPCOPY)'), (4, 'user', 'the writer itself'), (5, 'nobody', 'the writer, tracing off')) " \
	"SELECT observer, nullif(count, 0) AS faults, nullif(avg_ns, 0) AS avg, iif(rank < 3, nullif(min_ns, 0), NULL) AS min, iif(rank < 3, nullif(p50_ns, 0), NULL) AS p50, iif(rank < 3, nullif(p99_ns, 0), NULL) AS p99, iif(rank < 3, nullif(max_ns, 0), NULL) AS max"
#define OF_ARM \
	" FROM o LEFT JOIN crosscheck x ON x.source = o.source AND clock = ? AND arm = ? ORDER BY rank"

static void put_check(struct doc *doc, sqlite3 *db, const char *clock,
		      const char *arm, bool counts, bool times)
{
	/* what the wall clock says of the costs is the host's noise */
	struct table *t = table_query(
		db, "", 1,
		!strcmp(clock, "icount") ? OBSERVERS
			", printf('%+d', ifnull(cost_ns, 0)) AS 'adds to a fault'" OF_ARM :
					   OBSERVERS OF_ARM,
		"ss", clock, arm);
	char *s = db_text(
		db,
		"SELECT printf('All%s count the same: %d.', iif(u.arm = 'file', ' but delay accounting, which does not count first writes to a private file mapping,', ''), u.count) || iif(?3, iif(u.arm = 'file', printf(' Histogram, log and cowlat have the same time to the digit. The writer''s is %d longer (exception entry, VMA lookup, page-table walk, exit, and the probes).', u.avg_ns - b.avg_ns), printf(' Histogram, log and cowlat have the same time to the digit. Delay accounting''s is %d longer (the probes on the tracepoint run inside its bracket%s), the writer''s again %d (exception entry, VMA lookup, page-table walk, exit).', d.avg_ns - b.avg_ns, iif(u.arm = 'hugetlb', ', and hugetlb''s tracepoint times the copy alone', ''), u.avg_ns - d.avg_ns)), '') "
		"FROM crosscheck u JOIN crosscheck d USING (clock, arm) JOIN crosscheck b USING (clock, arm) WHERE u.source = 'user' AND d.source = 'delayacct' AND b.source = 'bpf' AND clock = ?1 AND arm = ?2",
		"ssn", clock, arm, times);

	table_title(t, "%s", arm);
	doc_table(doc, t);
	if (counts)
		doc_put(doc, DOC_PARA, "%s", s);
	else
		doc_put(doc, DOC_BAD, "The counts differ.");
	if (!times)
		doc_put(doc, DOC_BAD, "The times contradict each other.");
	free(s);
}

static const char *const colours[] = {
	"#4e79a7", "#76b7b2", "#f28e2b", "#edc948", "#59a14f", "#b07aa1",
	"#e15759", "#9c755f", "#bab0ac", "#86bcb6", "#d37295", "#a0cbe8",
};

/* Whose faults have been taken to pieces, in the order of the page */
#define STAGES                                                                                                                                                                                                                      \
	"SELECT clock, arm, iif(arm = 'fixed', 'a window of 16', 'one page') || iif(clock = 'icount', ', in instructions', ', in time') AS title, iif(clock = 'icount', 'instructions', 'ns') AS unit, pages, total_ns, probe_ns, " \
	"(SELECT max(total_ns / pages) FROM stages o WHERE o.clock = s.clock) AS most FROM stages s ORDER BY clock, arm"

static sqlite3_stmt *parts(sqlite3 *db, const char *clock, const char *arm)
{
	return db_query(
		db,
		"SELECT part, ns / pages FROM part JOIN stages USING (clock, arm) WHERE clock = ? AND arm = ? ORDER BY part.rowid",
		"ss", clock, arm);
}

/* One bar for each, ns or instructions a page; the two clocks by themselves */
static void put_picture(FILE *out, sqlite3 *db)
{
	sqlite3_stmt *q = db_query(db, STAGES, ""), *part;
	char *clock = NULL, *arm = NULL;
	struct memo bars;
	size_t y = 0, p = 0;

	memo_begin(&bars);
	for (; db_next(&q); y += 54) {
		const char *unit = col_text(q, 3);
		double x = 0, most = col_double(q, 7);

		/* the legend is of the first one's parts */
		if (!clock) {
			clock = xstrdup(col_text(q, 0));
			arm = xstrdup(col_text(q, 1));
		}
		fprintf(bars.f,
			"<text x=\"0\" y=\"%zu\">%s: %.0f %s per page</text>\n",
			y + 16, col_text(q, 2),
			col_double(q, 5) / col_double(q, 4), unit);
		part = parts(db, col_text(q, 0), col_text(q, 1));
		for (p = 0; db_next(&part); p++) {
			double ns = col_double(part, 1);
			double w = ns > 0 ? ns / most * BAR_WIDTH : 0;

			fprintf(bars.f,
				"<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"24\" fill=\"%s\"><title>",
				x, y + 22, w, colours[p]);
			put_html(bars.f, col_text(part, 0));
			fprintf(bars.f, ": %.0f %s</title></rect>\n", ns, unit);
			if (w > 34)
				fprintf(bars.f,
					"<text x=\"%.1f\" y=\"%zu\" text-anchor=\"middle\" fill=\"#fff\">%.0f</text>\n",
					x + w / 2, y + 39, ns);
			x += w;
		}
	}
	part = parts(db, clock, arm);
	for (p = 0; db_next(&part); p++) {
		fprintf(bars.f,
			"<rect x=\"%zu\" y=\"%zu\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%zu\" y=\"%zu\">",
			p % 3 * 280, y + p / 3 * 20 + 8, colours[p],
			p % 3 * 280 + 18, y + p / 3 * 20 + 19);
		put_html(bars.f, col_text(part, 0));
		fputs("</text>\n", bars.f);
	}
	fprintf(out,
		"<svg viewBox=\"0 0 860 %zu\" role=\"img\" font-family=\"sans-serif\" font-size=\"13\"><title>Where the time of a COW fault goes</title>\n%s</svg>\n",
		y + (p + 2) / 3 * 20 + 10, memo_end(&bars));
	free(bars.s);
	free(clock);
	free(arm);
}

static void put_stages(struct doc *doc, sqlite3 *db)
{
	sqlite3_stmt *q;

	if (db_number(db, "SELECT count(*) FROM stages", "") < 1)
		return;
	doc_put(doc, DOC_H2, "Where the time of a COW fault goes");
	doc_put(doc, DOC_PARA,
		"Each bar is one page's share of a fault: the bar of a window is shorter because its pages share the fixed costs. Bars of one unit have one scale. From cowlat --breakdown: a separate writer, with BPF programs at the boundaries, whose cost is measured and subtracted.");
	put_picture(doc->out, db);
	q = db_query(db, STAGES, "");
	while (db_next(&q)) {
		char *sql = xasprintf(
			"SELECT part, num(ns, 0) AS '%s per fault', num(100 * ns / total_ns, 1) || '%%' AS share, num(ns / pages, 0) AS 'per page' FROM part JOIN stages USING (clock, arm) WHERE clock = ?1 AND arm = ?2 "
			"UNION ALL SELECT 'together', num(total_ns, 0), NULL, num(total_ns / pages, 0) FROM stages WHERE clock = ?1 AND arm = ?2",
			col_text(q, 3));
		struct table *t = table_query(db, "", 1, sql, "ss",
					      col_text(q, 0), col_text(q, 1));

		table_title(t, "%s", col_text(q, 2));
		table_note(
			t,
			"%.2f pages per fault. At each boundary between two parts the probe's own %.0f %s are subtracted, half from either side: each part is accurate to that.",
			col_double(q, 4), col_double(q, 6), col_text(q, 3));
		doc_table(doc, t);
		free(sql);
	}
}

/*
 * How the cross-check went, and where it is; returns the sentence, to be freed;
 * NULL where the run has none
 */
char *crosscheck_sentence(sqlite3 *db)
{
	sqlite3_stmt *q = db_query(
		db, "SELECT count(*), sum(counts), sum(times) FROM agreement",
		"");
	char *s = NULL;

	while (db_next(&q))
		if (col_u64(q, 0))
			s = xasprintf(
				"Histogram, log, cowlat, delay accounting and the writer, asked all at once in %s arms: the counts agree in %s, the times in %s. crosscheck.html has them side by side, and where a fault's time goes.",
				col_text(q, 0), col_text(q, 1), col_text(q, 2));
	return s;
}

/*
 * Write the page; returns false, and nothing is written, where the run has no
 * cross-check
 */
bool crosscheck_page(sqlite3 *db, FILE *out)
{
	sqlite3_stmt *q = db_query(
		db, "SELECT clock, arm, counts, times FROM agreement", "");
	char *clock = xstrdup("");
	struct doc doc;
	bool any;

	while (db_next(&q)) {
		if (!*clock) {
			doc_begin(&doc, DOC_HTML, out,
				  "cowlab: are the numbers right?");
			doc_put(&doc, DOC_PARA,
				"One writer writes 16 MiB sequentially after a fork (in the arm file: to a private file mapping of which nothing is mapped), and five observers time its COW faults, all at once: the module's histogram, its lines in the log, cowlat, the kernel's own delay accounting (taskstats), and the writer, which reads the clock before and after each write. What an observer adds to a fault is from a run with that observer alone, against a run without any (medians; averages where not every write takes a fault), under icount, where a nanosecond is an instruction. \"make run\" makes this page; the test is userspace/tests/guest_crosscheck.c.");
		}
		if (strcmp(clock, col_text(q, 0))) {
			free(clock);
			clock = xstrdup(col_text(q, 0));
			doc_put(&doc, DOC_H2, "%s", clock);
		}
		put_check(&doc, db, clock, col_text(q, 1), col_u64(q, 2),
			  col_u64(q, 3));
	}
	any = *clock;
	free(clock);
	if (!any)
		return false;
	put_stages(&doc, db);
	doc_end(&doc);
	return true;
}
