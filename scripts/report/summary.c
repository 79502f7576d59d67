// SPDX-License-Identifier: GPL-2.0
/* summary.c - the rounds of a run put together */
#include "db.h"

/*
 * The cells' rows. A round without a sample counts as a round, and adds to no
 * figure of latency; one figure that is not known makes the sum unknown.
 */
static const char from_cells[] =
	"INSERT INTO summary SELECT c.arm, c.workload, c.clock, l.source, l.stage, count(*),"
	" nullif(known_sum(ifnull(l.count, 0)), 0),"
	" iif(count(avg_ns) = count(l.count), total(avg_ns * l.count) / total(l.count), NULL),"
	" iif(count(min_ns) = count(l.count), min(min_ns), NULL),"
	" CAST(median(p50_ns) + 0.5 AS INTEGER), CAST(median(p90_ns) + 0.5 AS INTEGER),"
	" CAST(median(p99_ns) + 0.5 AS INTEGER), CAST(median(p999_ns) + 0.5 AS INTEGER),"
	" iif(count(max_ns) = count(l.count), max(max_ns), NULL),"
	" strict_sum(l.faults), strict_sum(pages_touched), strict_sum(pages_copied), strict_sum(pages_wasted),"
	" median(p.ns), NULL, median(p.ns / nullif(b.ns, 0)), min(p.ns), max(p.ns),"
	" min(p.ns / nullif(b.ns, 0)), max(p.ns / nullif(b.ns, 0)) "
	"FROM latency l JOIN cell c ON c.id = l.cell"
	" LEFT JOIN page p ON p.cell = c.id AND l.source = 'user'"
	" LEFT JOIN page b ON b.clock = c.clock AND b.workload = c.workload AND b.round = c.round AND b.arm = 'baseline' "
	"WHERE l.source <> 'listen' GROUP BY c.series, l.source, l.stage "
	"ORDER BY c.series, instr('user debugfs dmesg', l.source), l.stage COLLATE stage";

/* A copy's share of a page written, which is that of the listening pass */
static const char overhead[] =
	"UPDATE summary AS s SET overhead_per_page = ns_per_page -"
	" (SELECT total(k.ns) / total(l.pages_touched) FROM cell c"
	" JOIN latency l ON l.cell = c.id AND l.source = 'listen' AND l.pages_touched IS NOT NULL"
	" LEFT JOIN (SELECT cell, total(avg_ns * count) AS ns FROM latency WHERE source = 'debugfs' AND stage IN ('copy', 'hugetlb_copy') GROUP BY cell) k ON k.cell = c.id"
	" WHERE c.hist_count IS NOT NULL AND c.clock = s.clock AND c.arm = s.arm AND c.workload = s.workload) "
	"WHERE source = 'user'";

/* The experiments' requests: those during a save, or all; medians over rounds */
static const char from_experiments[] =
	"INSERT INTO summary SELECT arm, name, clock, 'user', 'request', count(*),"
	" CAST(median(count) + 0.5 AS INTEGER), median(avg_ns), CAST(median(min_ns) + 0.5 AS INTEGER),"
	" CAST(median(p50_ns) + 0.5 AS INTEGER), CAST(median(p90_ns) + 0.5 AS INTEGER),"
	" CAST(median(p99_ns) + 0.5 AS INTEGER), CAST(median(p999_ns) + 0.5 AS INTEGER),"
	" CAST(median(max_ns) + 0.5 AS INTEGER), CAST(median(faults) + 0.5 AS INTEGER),"
	" NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
	"FROM request WHERE (name GLOB 'redis*' AND phase = 'save') OR (name = 'prefork' AND phase = 'all') "
	"GROUP BY clock, arm, name HAVING median(count) IS NOT NULL "
	"ORDER BY clock DESC, arm COLLATE arm, name COLLATE workload";

static const char from_crosscheck[] =
	"INSERT INTO summary SELECT arm, 'seq', clock, 'bpf', CASE arm WHEN 'hugetlb' THEN 'hugetlb_copy' WHEN 'file' THEN 'file_fault' ELSE 'fault' END, 1,"
	" count, avg_ns, min_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns, count,"
	" NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
	"FROM crosscheck WHERE source = 'bpf' AND count > 0 ORDER BY clock, rowid";

/* Where no round has a baseline beside it, the means are compared */
static const char ratios[] =
	"UPDATE summary AS s SET ratio_to_baseline = avg_ns / (SELECT nullif(b.avg_ns, 0) FROM summary b"
	" WHERE b.arm = 'baseline' AND b.clock = s.clock AND b.workload = s.workload AND b.source = s.source AND b.stage = s.stage) "
	"WHERE source IN ('debugfs', 'dmesg') OR stage = 'request'";

/* Put the rounds of a run together */
void summary_make(sqlite3 *db)
{
	static const char *const steps[] = {
		from_cells, overhead, from_experiments, ratios, from_crosscheck,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		db_run(db, steps[i], "");
}
