// SPDX-License-Identifier: GPL-2.0
/* db.c - run.db, the store of a run: its tables, and functions for queries */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include "db.h"

/* What stands in run.db; results/README.md explains it to its readers */
#define FIGURES "count, avg_ns, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns"
#define PAGES "faults, pages_touched, pages_copied, pages_wasted"

static const char schema[] =
	"CREATE TABLE env(key, value);"
	"CREATE TABLE boot(clock, accel, cpu_model, smp, mem, cmdline);"
	"CREATE TABLE cell(id INTEGER PRIMARY KEY, series, clock, arm, workload, round, logged, heard, log_lines, hist_count, faults, lost, malformed, verdict);"
	"CREATE TABLE latency(cell REFERENCES cell, source, stage, " FIGURES
	", elapsed_ns, " PAGES ");"
	"CREATE TABLE touch(cell REFERENCES cell, lower_ns, count);"
	"CREATE TABLE stat(cell REFERENCES cell, counter, value);"
	"CREATE TABLE experiment(clock, arm, name, round);"
	"CREATE TABLE request(clock, arm, name, round, phase, elapsed_ns, " FIGURES
	", faults, cpu_ns, wait_ns, verified);"
	"CREATE TABLE redis(clock, arm, name, round, fork_us, save_ms, cow_bytes, growth_kb, server_peak_kb, child_peak_kb, save, p99_ns, server_kb);"
	"CREATE TABLE timeline(clock, arm, name, round, ms, count, p50_ns, p99_ns, max_ns, saving);"
	"CREATE TABLE web(clock, arm, name, round, freeze, workers, records, elapsed_ns, " FIGURES
	", faults, master_kb, pss_kb, private_kb, neighbours, wasted, unjudged);"
	"CREATE TABLE folio(clock, arm, name, round, operation, folio_kb, size, trial, pages, elapsed_ns, faults, folios);"
	"CREATE TABLE fork(clock, arm, name, round, size, trial, state, fork_ns, write_ns, end_ns, faults);"
	"CREATE TABLE memory(clock, arm, name, round, workload, peak_kb, pass_kb, fail_kb, kills, trials);"
	"CREATE TABLE scaling(clock, arm, name, round, writers, space, size, trial, pages, elapsed_ns, faults);"
	"CREATE TABLE filecow(clock, arm, name, round, source, pattern, trial, size, pages, elapsed_ns, faults, pages_copied);"
	"CREATE TABLE clone(clock, arm, name, round, layout, percent, clones, pages, avg_ns, p50_ns, p99_ns, max_ns, faults, pages_copied);"
	"CREATE TABLE startup(clock, arm, name, round, program, trial, elapsed_ns, faults, majflt, peak_kb, cow_faults, pages_copied, cache, system_ns);"
	"CREATE TABLE cycles(clock, arm, name, round, pattern, percent, cycle, size, writes, pages, fork_ns, prepare_ns, avg_ns, p50_ns, p99_ns, p999_ns, max_ns, faults, end_ns, memory_kb, huge_kb, fork_ms_per_gb, end_ms_per_gb);"
	"CREATE TABLE faults(clock, arm, name, round, source, ns, pid, tid, vma, address);"
	"CREATE TABLE crosscheck(clock, arm, source, " FIGURES
	", cost_ns, PRIMARY KEY (clock, arm, source));"
	"CREATE TABLE stages(clock, arm, pages, total_ns, probe_ns);"
	"CREATE TABLE part(clock, arm, part, ns);"
	"CREATE TABLE model(arm, workload, round, pages, part, insns, loads, stores, l1d, l2d, l3d, l1s, l2s, l3s, l1i, l2i, l3i, l1w, l2w, l3w, dtlb, itlb, walks, walk_reads, invlpg, cr3, global, accessed, dirty, assists, faults, stale, unknown, cycles_insns, cycles_l2, cycles_l3, cycles_memory, cycles_tlb, cycles_flush, cycles_assist, cycles_fault);"
	"CREATE TABLE model_function(arm, workload, round, function, part, insns);"
	"CREATE TABLE model_cost(model, cost, cycles);"
	"CREATE TABLE problem(kind, text);"
	"CREATE TABLE summary(arm, workload, clock, source, stage, rounds, " FIGURES
	", " PAGES
	", ns_per_page, overhead_per_page, ratio_to_baseline, page_min, page_max, ratio_min, ratio_max);"
	"CREATE INDEX latency_cell ON latency(cell);"
	"CREATE INDEX touch_cell ON touch(cell);"
	"CREATE INDEX stat_cell ON stat(cell);"
	"CREATE VIEW series AS SELECT series, clock, arm, workload, count(*) AS cells FROM cell GROUP BY series;"
	"CREATE VIEW page AS SELECT series, clock, arm, workload, round, cell, CAST(elapsed_ns AS REAL) / nullif(pages_touched, 0) AS ns FROM latency JOIN cell ON cell.id = cell WHERE source = 'user';"
	"CREATE VIEW agreement AS SELECT clock, arm, count(*) FILTER (WHERE source <> 'nobody') = 5 AND count(DISTINCT iif(source <> 'nobody' AND (arm <> 'file' OR source <> 'delayacct'), count, NULL)) = 1 AND max(iif(arm = 'file' AND source = 'delayacct', count, 0)) = 0 AND max(iif(source = 'user', count, 0)) > 0 AS counts,"
	" total(iif(source = 'debugfs', avg_ns, 0)) = total(iif(source = 'dmesg', avg_ns, 0)) AND total(iif(source = 'debugfs', avg_ns, 0)) = total(iif(source = 'bpf', avg_ns, 0)) AND total(iif(source = 'bpf', avg_ns, 0)) < total(iif(source = iif(arm = 'file', 'user', 'delayacct'), avg_ns, 0)) AND total(iif(source = 'delayacct', avg_ns, 0)) < total(iif(source = 'user', avg_ns, 0)) AS times"
	" FROM crosscheck GROUP BY clock, arm ORDER BY clock, min(rowid);"
	/* Per page written, all parts and rounds together */
	"CREATE VIEW modelled AS WITH m AS (SELECT *, 1.0 * total(pages) OVER w / count(*) OVER w * count(*) OVER (PARTITION BY workload, arm, part) AS p FROM model WINDOW w AS (PARTITION BY workload, arm)) "
	"SELECT workload, arm, total((cycles_insns + cycles_l2 + cycles_l3 + cycles_memory + cycles_tlb + cycles_flush + cycles_assist + cycles_fault) / p) AS cycles, total(insns / p) AS insns, total((l1d + l1i) / p) AS l1, total((l2d + l2i) / p) AS l2, total((l3d + l3i) / p) AS l3,"
	" total(iif(part = 'user', l1d / p, 0)) AS user_l1, total(iif(part = 'user', l2d / p, 0)) AS user_l2, total((dtlb + itlb) / p) AS tlb, total(walks / p) AS walks, total(walk_reads / p) AS walk_reads, total(invlpg / p) AS flushes, total((cr3 + global) / p) AS full, total(assists / p) AS assists, total(faults / p) AS faults,"
	" total(cycles_insns / p) AS c_insns, total(cycles_l2 / p) AS c_l2, total(cycles_l3 / p) AS c_l3, total(cycles_memory / p) AS c_memory, total(cycles_tlb / p) AS c_tlb, total(cycles_flush / p) AS c_flush, total(cycles_assist / p) AS c_assist, total(cycles_fault / p) AS c_fault FROM m GROUP BY workload, arm;"
	"CREATE VIEW writer AS SELECT * FROM summary WHERE source = 'user' AND stage = 'touch';"
	"CREATE VIEW service AS SELECT * FROM summary WHERE source = 'debugfs' AND stage = iif(arm = 'hugetlb', 'hugetlb_copy', 'fault');";

/* A statement that fails is a mistake of this program, or memory is short */
static void must(sqlite3 *db, int status, const char *sql)
{
	if (status == SQLITE_OK || status == SQLITE_DONE ||
	    status == SQLITE_ROW)
		return;
	fprintf(stderr, "cowreport: %s: %s\n", sqlite3_errmsg(db), sql);
	exit(1);
}

/* As db_query() */
sqlite3_stmt *db_vquery(sqlite3 *db, const char *sql, const char *types,
			va_list ap)
{
	sqlite3_stmt *query;

	must(db, sqlite3_prepare_v2(db, sql, -1, &query, NULL), sql);
	for (int i = 1; *types; i++, types++) {
		uint64_t u;
		double d;

		switch (*types) {
		case 's':
			sqlite3_bind_text(query, i, va_arg(ap, const char *),
					  -1, SQLITE_TRANSIENT);
			break;
		case 'i':
			u = va_arg(ap, uint64_t);
			if (u != NONE)
				sqlite3_bind_int64(query, i, (int64_t)u);
			break;
		case 'n':
			sqlite3_bind_int(query, i, va_arg(ap, int));
			break;
		default: /* SQLite makes NULL of a NAN */
			d = va_arg(ap, double);
			sqlite3_bind_double(query, i, d);
		}
	}
	return query;
}

/**
 * db_query - begin a query
 * @db: the store
 * @sql: a statement
 * @types: types of its arguments, see above
 *
 * Return: the query, for db_next() until that returns false, or else for
 * sqlite3_finalize().
 */
sqlite3_stmt *db_query(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *query;
	va_list ap;

	va_start(ap, types);
	query = db_vquery(db, sql, types, ap);
	va_end(ap);
	return query;
}

/* Step to the next row; returns false after the last row */
bool db_next(sqlite3_stmt **query)
{
	int status = sqlite3_step(*query);

	if (status == SQLITE_ROW)
		return true;
	must(sqlite3_db_handle(*query), status, sqlite3_sql(*query));
	sqlite3_finalize(*query);
	*query = NULL;
	return false;
}

/* Run a statement to its end */
void db_run(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *query;
	va_list ap;

	va_start(ap, types);
	query = db_vquery(db, sql, types, ap);
	va_end(ap);
	while (db_next(&query))
		;
}

/*
 * Ask for one number; returns the first column of the first row; NAN where
 * there is none
 */
double db_number(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *query;
	double val = NAN;
	va_list ap;

	va_start(ap, types);
	query = db_vquery(db, sql, types, ap);
	va_end(ap);
	if (db_next(&query))
		val = col_double(query, 0);
	sqlite3_finalize(query);
	return val;
}

/* The same as text, to be freed; NULL where there is none */
char *db_text(sqlite3 *db, const char *sql, const char *types, ...)
{
	sqlite3_stmt *query;
	char *val = NULL;
	va_list ap;

	va_start(ap, types);
	query = db_vquery(db, sql, types, ap);
	va_end(ap);
	if (db_next(&query) && col_text(query, 0))
		val = xstrdup(col_text(query, 0));
	sqlite3_finalize(query);
	return val;
}

const char *col_text(sqlite3_stmt *query, int col)
{
	return (const char *)sqlite3_column_text(query, col);
}

uint64_t col_u64(sqlite3_stmt *query, int col)
{
	if (sqlite3_column_type(query, col) == SQLITE_NULL)
		return NONE;
	return (uint64_t)sqlite3_column_int64(query, col);
}

double col_double(sqlite3_stmt *query, int col)
{
	if (sqlite3_column_type(query, col) == SQLITE_NULL)
		return NAN;
	return sqlite3_column_double(query, col);
}

/* median(x): of the numbers */
struct numbers {
	VEC(double) v;
};

static void median_step(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	struct numbers *num = sqlite3_aggregate_context(ctx, sizeof(*num));

	(void)n;
	if (num && (sqlite3_value_type(arg[0]) == SQLITE_INTEGER ||
		    sqlite3_value_type(arg[0]) == SQLITE_FLOAT))
		vec_push(&num->v, sqlite3_value_double(arg[0]));
}

static void median_end(sqlite3_context *ctx)
{
	struct numbers *num = sqlite3_aggregate_context(ctx, sizeof(*num));

	if (!num)
		return;
	/* of no number NAN, which is NULL */
	sqlite3_result_double(ctx, median_double(num->v.v, num->v.n));
	vec_free(&num->v);
}

/*
 * Sums that stop below the largest number instead of failing: known_sum(x) of
 * what is not NULL, and strict_sum(x), which is NULL where one is.
 */
struct sum {
	uint64_t sum;
	bool any, lacks;
};

static void sum_step(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	struct sum *s = sqlite3_aggregate_context(ctx, sizeof(*s));

	(void)n;
	if (!s)
		return;
	if (sqlite3_value_type(arg[0]) == SQLITE_NULL) {
		s->lacks = true;
		return;
	}
	s->any = true;
	s->sum = add_sat(s->sum, (uint64_t)sqlite3_value_int64(arg[0]));
}

static void sum_end(sqlite3_context *ctx)
{
	struct sum *s = sqlite3_aggregate_context(ctx, sizeof(*s));

	if (s && s->any && !(s->lacks && sqlite3_user_data(ctx)))
		sqlite3_result_int64(ctx, (int64_t)s->sum);
}

/* num(x, decimals): as text; NULL stays NULL in all three */
static void num_fn(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	double v = sqlite3_value_double(arg[0]);
	int density = n > 2 ? sqlite3_value_int(arg[2]) : DENSE_NO;
	char text[400];

	if (sqlite3_value_type(arg[0]) == SQLITE_NULL)
		return;
	if (density >= DENSE_ALL && fabs(v) >= 1e5)
		snprintf(text, sizeof(text), "%.3gms", v / 1e6);
	else
		snprintf(text, sizeof(text), "%.*f", sqlite3_value_int(arg[1]),
			 v);
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* ns(x, density) and cnt(x, density): whole numbers, halves rounded up */
static void whole_fn(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	bool ns = sqlite3_user_data(ctx);
	double v = sqlite3_value_double(arg[0]);
	int density = n > 1 ? sqlite3_value_int(arg[1]) : DENSE_NO;
	char text[32];

	if (sqlite3_value_type(arg[0]) == SQLITE_NULL)
		return;
	if (sqlite3_value_type(arg[0]) == SQLITE_FLOAT)
		v = (double)round_u64(v);
	if (ns && density >= DENSE_MS && v >= 1e10)
		snprintf(text, sizeof(text), "%.4gs", v / 1e9);
	else if (ns && density >= DENSE_MS && v >= 1e7)
		snprintf(text, sizeof(text), "%.4gms", v / 1e6);
	else if (density >= DENSE_ALL && v >= 1e6)
		snprintf(text, sizeof(text), ns ? "%.3gms" : "%.3gM", v / 1e6);
	else if (ns && density >= DENSE_ALL && v >= 1e5)
		snprintf(text, sizeof(text), "%.3gus", v / 1e3);
	else if (sqlite3_value_type(arg[0]) == SQLITE_FLOAT)
		snprintf(text, sizeof(text), "%" PRIu64, round_u64(v));
	else
		snprintf(text, sizeof(text), "%lld",
			 sqlite3_value_int64(arg[0]));
	sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

static void is_sweep_fn(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	(void)n;
	sqlite3_result_int(ctx,
			   is_sweep((const char *)sqlite3_value_text(arg[0])));
}

/* The report's order of arms, workloads and stages */
static int collate(void *cmp, int alen, const void *a, int blen, const void *b)
{
	char x[NAME_LEN] = "", y[NAME_LEN] = "";

	memcpy(x, a, alen < NAME_LEN ? alen : NAME_LEN - 1);
	memcpy(y, b, blen < NAME_LEN ? blen : NAME_LEN - 1);
	return (*(int (**)(const char *, const char *))cmp)(x, y);
}

/* An empty store, in memory; returns the store, for sqlite3_close() */
sqlite3 *db_new(void)
{
	static struct {
		const char *name;
		int (*cmp)(const char *a, const char *b);
	} order[] = { { "arm", cmp_arm },
		      { "workload", cmp_workload },
		      { "stage", cmp_stage } };
	static const struct {
		const char *name;
		bool yes;
		void (*call)(sqlite3_context *ctx, int n, sqlite3_value **arg);
		void (*step)(sqlite3_context *ctx, int n, sqlite3_value **arg);
		void (*end)(sqlite3_context *ctx);
	} functions[] = {
		{ "median", false, NULL, median_step, median_end },
		{ "known_sum", false, NULL, sum_step, sum_end },
		{ "strict_sum", true, NULL, sum_step, sum_end },
		{ "num", false, num_fn, NULL, NULL },
		{ "ns", true, whole_fn, NULL, NULL },
		{ "cnt", false, whole_fn, NULL, NULL },
		{ "is_sweep", false, is_sweep_fn, NULL, NULL },
	};
	static int yes = 1;
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db))
		out_of_memory();
	must(db, sqlite3_exec(db, schema, NULL, NULL, NULL), schema);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		sqlite3_create_collation(db, order[i].name, SQLITE_UTF8,
					 &order[i].cmp, collate);
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		sqlite3_create_function(db, functions[i].name, -1, SQLITE_UTF8,
					functions[i].yes ? &yes : NULL,
					functions[i].call, functions[i].step,
					functions[i].end);
	return db;
}

/* Write a store, as SQLite reads it */
void db_save(sqlite3 *db, FILE *out)
{
	sqlite3_int64 size;
	unsigned char *buf = sqlite3_serialize(db, "main", &size, 0);

	if (!buf)
		out_of_memory();
	fwrite(buf, 1, (size_t)size, out);
	sqlite3_free(buf);
}
