// SPDX-License-Identifier: GPL-2.0
/* tables.c - the tables of the cells */
#define _GNU_SOURCE
#include <inttypes.h>

#include "report.h"
#include "study.h"

#define DASH "-"

/* "Table 2. ...: seq (clock wall, accel tcg, cpu max)" */
static void PRINTF(4, 5) title(struct table *t, const struct report *rep,
			       enum cow_clock clock, const char *fmt, ...)
{
	char *label = env_label(&rep->run->env, clock), *text;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	table_title(t, "%s (%s)", text, label);
	free(text);
	free(label);
}

/* How many rounds went into each arm's row of a view; to be freed */
static char *rounds_of(sqlite3 *db, const char *view, enum cow_clock clock,
		       const char *workload)
{
	char *sql = xasprintf(
		"SELECT ifnull(iif(min(rounds) = max(rounds), max(rounds) || ' in every arm', group_concat(arm || ' ' || rounds, ', ')), 'none') FROM %s WHERE clock = ? AND workload = ? AND NOT is_sweep(arm)",
		view);
	char *rounds = db_text(db, sql, "ss", clock_name(clock), workload);

	free(sql);
	return rounds;
}

static void note_meaning(struct table *t, const struct report *rep,
			 enum cow_clock clock)
{
	char *meaning = env_meaning(&rep->run->env, clock);

	table_note(t, "%s", meaning);
	free(meaning);
}

static void note_rounds(struct table *t, const struct report *rep,
			enum cow_clock clock, const char *workload)
{
	char *svc = rounds_of(rep->run->db, "service", clock, workload);
	char *user = rounds_of(rep->run->db, "writer", clock, workload);

	if (!strcmp(svc, user))
		table_note(t, "Rounds: %s.", user);
	else
		table_note(
			t,
			"Rounds: of the quiet pass %s; of the listening pass %s.",
			user, svc);
	free(svc);
	free(user);
}

/* summary.csv */
struct table *table_summary(const struct report *rep)
{
	return table_query(
		rep->run->db, "", TABLE_KEEP,
		"SELECT arm, workload, clock, source, stage, count, ns(avg_ns) AS avg_ns, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns, faults, pages_touched, pages_copied, pages_wasted,"
		" num(ns_per_page, 1) AS ns_per_page, num(overhead_per_page, 1) AS overhead_per_page, num(ratio_to_baseline, 4) AS ratio_to_baseline "
		"FROM summary ORDER BY rowid",
		"");
}

static const char service_note[] =
	"avg to max: one service in the kernel (debugfs, stage fault; hugetlb: stage hugetlb_copy, the 2 MiB copy alone), percentiles: median over the rounds; faults: sum over the rounds, same pass. ns per page written: time over 4 KiB pages with tracing off, median over the rounds; ratio: median of the rounds' ratios to baseline of the same boot, spread: least..largest.";

/*
 * Table 1: what a COW fault costs; returns the table; NULL where there is no
 * cell
 */
struct table *table_service(const struct report *rep, enum cow_clock clock,
			    const char *workload, enum density density)
{
	static const char *const brief[] = { "ns/page", "ratio", "spread" };
	struct table *t = table_query(
		rep->run->db, DASH, 1,
		"SELECT substr(c.arm, 1, iif(?3 = 3, 14, 32)) AS arm, ns(s.avg_ns, ?3) AS avg, ns(s.min_ns, ?3) AS min, ns(s.p50_ns, ?3) AS p50, ns(s.p99_ns, ?3) AS p99, ns(s.p999_ns, ?3) AS 'p99.9', ns(s.max_ns, ?3) AS max,"
		" cnt(s.faults, ?3) AS faults, num(u.ns_per_page, 1, ?3) AS 'ns per page written', num(u.ratio_to_baseline, 3, ?3) AS 'ratio to baseline', num(u.ratio_min, 3) || '..' || num(u.ratio_max, 3) AS 'spread of ratio' "
		"FROM series c LEFT JOIN service s USING (clock, arm, workload) LEFT JOIN writer u USING (clock, arm, workload) "
		"WHERE c.clock = ?1 AND c.workload = ?2 AND NOT is_sweep(c.arm) ORDER BY c.series",
		"ssn", clock_name(clock), workload, (int)density);

	if (!t)
		return NULL;
	for (size_t i = 0; density != DENSE_NO && i < ARRAY_SIZE(brief); i++) {
		free(t->head[8 + i]);
		t->head[8 + i] = xstrdup(brief[i]);
	}
	title(t, rep, clock, "Table 1. COW fault service, ns: %s", workload);
	note_meaning(t, rep, clock);
	if (density == DENSE_NO)
		table_note(t, "%s", service_note);
	note_rounds(t, rep, clock, workload);
	return t;
}

/* Print Table 1 of each boot: seq, or its first workload */
void print_table1(const struct report *rep, FILE *out)
{
	sqlite3_stmt *q = db_query(
		rep->run->db,
		"SELECT clock, iif(sum(workload = 'seq'), 'seq', min(workload COLLATE workload)) FROM series WHERE NOT is_sweep(arm) GROUP BY clock ORDER BY min(series)",
		"");
	bool any = false;

	while (db_next(&q)) {
		const char *clock = col_text(q, 0);

		any = false;
		for (int d = DENSE_TEXT; d < DENSE_END && !any; d++) {
			struct table *t = table_service(
				rep, clock_by_name(clock, strlen(clock)),
				col_text(q, 1), (enum density)d);

			any = table_print(t, d + 1 == DENSE_END, out);
			table_free(t);
		}
		fputc('\n', out);
	}
	if (!any)
		return;
	put_wrapped(out, service_note, TEXT_WIDTH);
	fputc('\n', out);
}

/*
 * Table 2: what the writer saw; returns the table; NULL where there is no cell
 */
struct table *table_touch(const struct report *rep, enum cow_clock clock,
			  const char *workload)
{
	struct table *t = table_query(
		rep->run->db, DASH, 1,
		"SELECT c.arm AS arm, count AS writes, ns(avg_ns) AS avg, min_ns AS min, p50_ns AS p50, p90_ns AS p90, p99_ns AS p99, p999_ns AS 'p99.9', max_ns AS max,"
		" faults, pages_touched AS 'pages touched', pages_copied AS copied, pages_wasted AS wasted, num(ns_per_page, 1) AS 'ns per page', num(overhead_per_page, 1) AS 'overhead per page' "
		"FROM series c LEFT JOIN writer USING (clock, arm, workload) WHERE clock = ?1 AND workload = ?2 AND NOT is_sweep(c.arm) ORDER BY c.series",
		"ss", clock_name(clock), workload);

	if (!t)
		return NULL;
	title(t, rep, clock, "Table 2. What the writer saw, ns per write: %s",
	      workload);
	note_meaning(t, rep, clock);
	table_note(
		t,
		"Quiet pass: tracing is off, cowbench times each write. Counts are sums over the rounds, percentiles medians over the rounds. Overhead per page: ns per page less the copy's share, which is from the histogram of the listening pass.");
	note_rounds(t, rep, clock, workload);
	return t;
}

/*
 * The cross-check, one line for each clock, arm and workload; returns the table
 */
struct table *table_counts(const struct report *rep)
{
	struct table *t = table_query(
		rep->run->db, DASH, 7 | TABLE_KEEP,
		"SELECT clock, workload, arm, known_sum(log_lines) AS 'log lines', known_sum(hist_count) AS histogram, known_sum(faults) AS 'faults (getrusage)',"
		" known_sum(ifnull(lost, 0)) AS 'lost in the log', known_sum(ifnull(malformed, 0)) AS malformed, sum(verdict = 'agree') || ' of ' || count(*) AS 'rounds that agree' "
		"FROM cell GROUP BY series ORDER BY series",
		"");

	table_title(t, "Table 3. One COW, counted three times");
	return t;
}

/*
 * The module's counters, a column for each arm; returns the table, or NULL
 * where no cell has any
 */
struct table *table_stats(const struct report *rep, enum cow_clock clock,
			  const char *workload)
{
	struct table *t = table_pivot(
		rep->run->db, "0", "counter",
		"SELECT counter AS r, min(iif(value > 0, stat.rowid, NULL)) AS rorder, arm AS c, series AS corder, known_sum(value) AS v FROM stat JOIN cell ON cell.id = stat.cell WHERE clock = ?1 AND workload = ?2 AND NOT is_sweep(arm) GROUP BY series, counter",
		clock_name(clock), workload);

	if (!t)
		return NULL;
	title(t, rep, clock, "The module's counters: %s", workload);
	table_note(
		t,
		"debugfs file stats after the listening pass, sums over the rounds; counters that are 0 in every arm are left out.");
	return t;
}

/*
 * Table 1 beside the study's; returns the table, or NULL where seq was not
 * measured
 */
struct table *table_study(const struct report *rep, enum cow_clock clock)
{
	char *sql = xstrdup(
		"WITH study(rank, arm, avg_ns, min_ns, max_ns) AS (VALUES ");
	struct table *t;

	for (size_t i = 0; i < ARRAY_SIZE(study); i++)
		append(&sql,
		       "%s(%zu, '%s', %" PRIu64 ", %" PRIu64 ", %" PRIu64 ")",
		       i ? ", " : "", i, study[i].arm, study[i].avg,
		       study[i].min, study[i].max);
	append(&sql,
	       ") SELECT p.arm AS arm, p.avg_ns AS \"the study's avg, ns\", p.min_ns AS min, p.max_ns AS max, num(p.avg_ns * 1.0 / %" PRIu64
	       ", 3) AS 'avg to baseline', ns(s.avg_ns) AS \"this run's avg\", s.min_ns AS min, s.max_ns AS max, num(s.avg_ns / b.avg_ns, 3) AS 'avg to baseline',"
	       " num(u.ns_per_page, 1) AS 'ns per page written', num(u.ratio_to_baseline, 3) AS 'to baseline' "
	       "FROM study p LEFT JOIN service s ON s.arm = p.arm AND s.clock = ?1 AND s.workload = 'seq' LEFT JOIN service b ON b.arm = 'baseline' AND b.clock = ?1 AND b.workload = 'seq' LEFT JOIN writer u ON u.arm = p.arm AND u.clock = ?1 AND u.workload = 'seq' "
	       "WHERE s.arm IS NOT NULL OR u.arm IS NOT NULL ORDER BY p.rank",
	       study[STUDY_BASELINE].avg);
	t = table_query(rep->run->db, DASH, 1, sql, "s", clock_name(clock));
	free(sql);
	if (t)
		title(t, rep, clock,
		      "Table 1 of the study, and of this run: one COW, ns");
	return t;
}

/* Arms down, workloads across, a ratio in each cell; NULL where there is none */
static struct table *grid(const struct report *rep, enum cow_clock clock,
			  const char *what, const char *value)
{
	char *sql = xasprintf(
		"SELECT arm AS r, arm AS rorder, workload AS c, workload AS corder, %s AS v FROM writer WHERE clock = ?1 AND NOT is_sweep(arm) AND arm <> 'baseline' AND v IS NOT NULL",
		value);
	struct table *t = table_pivot(rep->run->db, DASH, "arm", sql,
				      clock_name(clock), "");

	free(sql);
	if (!t)
		return NULL;
	t->heat = true;
	title(t, rep, clock, "%s", what);
	return t;
}

/* The map of the run: a page written, against baseline */
struct table *table_ratios(const struct report *rep, enum cow_clock clock)
{
	return grid(
		rep, clock,
		"Cost per page written, as a ratio to baseline: arm by workload",
		"num(ratio_to_baseline, 3)");
}

/* Pages copied for each page written */
struct table *table_memory(const struct report *rep, enum cow_clock clock)
{
	return grid(rep, clock,
		    "Pages copied per page written: arm by workload",
		    "num(nullif(pages_copied, 0) * 1.0 / pages_touched, 2)");
}

/* What a larger window is worth */
struct table *table_sweep(const struct report *rep, enum cow_clock clock)
{
	struct table *t = table_query(
		rep->run->db, DASH, 0,
		"WITH w(window) AS (VALUES (1), (2), (4), (8), (16), (32), (64)), seq AS (SELECT * FROM writer WHERE clock = ?1 AND workload = 'seq') "
		"SELECT window, num(a.ns_per_page, 1) AS 'order 0: ns per page', num(a.ratio_to_baseline, 3) AS 'ratio to baseline', a.p999_ns AS 'p99.9 of a write',"
		" num(b.ns_per_page, 1) AS 'large folios: ns per page', num(b.ratio_to_baseline, 3) AS 'ratio to baseline', b.p999_ns AS 'p99.9 of a write' "
		"FROM w LEFT JOIN seq a ON a.arm = 'fixed-w' || window || '-o0' LEFT JOIN seq b ON b.arm = 'fixed-w' || window || '-o1' WHERE a.arm IS NOT NULL OR b.arm IS NOT NULL ORDER BY window",
		"s", clock_name(clock));

	if (t)
		title(t, rep, clock, "Window sweep, policy fixed: seq");
	return t;
}
