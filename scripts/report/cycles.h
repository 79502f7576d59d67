/* SPDX-License-Identifier: GPL-2.0 */
/* cycles.h - the experiment cycles, as table, picture and finding ask for it */
#ifndef COWREPORT_CYCLES_H
#define COWREPORT_CYCLES_H

/*
 * c: one row a clock, arm, pattern, share and cycle, medians over the rounds.
 * fork and end are in ms per GB; whole is all that a cycle costs, per page
 * written, in ns. No view of run.db: SQLite's own programs lack median().
 */
#define CYCLES                                                                                                                                                                                                                                                                                            \
	"c AS (SELECT clock, arm, pattern, percent, cycle, median(fork_ms_per_gb) AS fork, median(end_ms_per_gb) AS end, median(avg_ns) AS write, median(p50_ns) AS p50, median(p99_ns) AS p99, median(p999_ns) AS p999, median(max_ns) AS max, median(prepare_ns) AS prepare, median(faults) AS faults," \
	" median(memory_kb) AS memory, median(huge_kb) AS huge, median((fork_ns + prepare_ns + avg_ns * writes + end_ns) / nullif(CAST(pages AS REAL), 0)) AS whole FROM cycles WHERE typeof(cycle) = 'integer' AND typeof(percent) = 'integer' GROUP BY clock, arm, pattern, percent, cycle) "

#endif
