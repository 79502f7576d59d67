// SPDX-License-Identifier: GPL-2.0
/* findings.c - what a run says of precopy, in sentences */
#define _GNU_SOURCE
#include "cycles.h"
#include "findings.h"

/*
 * best is the policy that serves a sequential writer best, and its baseline.
 * Instructions decide where they were counted: they are the same each time.
 */
#define BEST                                                                                                                                                                                                                                                                  \
	"WITH seq AS (SELECT * FROM writer WHERE workload = 'seq' AND clock <> 'unknown'), "                                                                                                                                                                                  \
	"best AS (SELECT s.clock, s.arm, iif(s.clock = 'icount', 'instructions', 'emulated ns') AS unit, s.ratio_to_baseline AS ratio, s.ns_per_page AS page, b.ns_per_page AS base_page, s.p999_ns AS p999, b.p999_ns AS base_p999, s.max_ns AS max, b.max_ns AS base_max, " \
	"100 - 100.0 * s.faults / nullif(s.pages_touched, 0) AS unfaulted FROM seq s LEFT JOIN seq b ON b.clock = s.clock AND b.arm = 'baseline' WHERE s.arm IN ('next', 'fixed', 'adaptive') AND s.ratio_to_baseline IS NOT NULL ORDER BY s.clock, s.ratio_to_baseline LIMIT 1) "

static const struct {
	const char *sql, *otherwise;
} kinds[FINDINGS] = {
	/* What precopy gains a sequential writer */
	[FINDING_GAIN] = {
		BEST "SELECT printf('Precopy %s for sequential writes: with %s, the best policy, a page written costs %.3f of baseline''s cost (%.0f against %.0f %s)', iif(ratio < 1, 'pays', 'does not pay'), best.arm, ratio, page, base_page, unit)"
		" || iif(best.clock = 'icount' AND w.ratio_to_baseline IS NOT NULL, printf(', and by the wall clock %.3f (%.0f against %.0f emulated ns)', w.ratio_to_baseline, w.ns_per_page, b.ns_per_page), '') || '.' "
		"FROM best LEFT JOIN seq w ON w.clock = 'wall' AND w.arm = best.arm LEFT JOIN seq b ON b.clock = 'wall' AND b.arm = 'baseline'",
		"What precopy gains is not known: none of its policies was measured on seq beside baseline.",
	},
	/*
	 * What it costs those who want no window: an arm's worst workload, and
	 * what it copied in vain, over all of them
	 */
	[FINDING_PRICE] = {
		BEST ", w AS (SELECT s.* FROM summary s JOIN best USING (clock) WHERE source = 'user' AND ratio_to_baseline > 0),"
		" price AS (SELECT w.arm, workload, max(ratio_to_baseline) AS ratio, pages_wasted * 1.0 / nullif(pages_touched, 0) AS vain FROM w GROUP BY w.arm),"
		" waste AS (SELECT w.arm, known_sum(pages_wasted) AS pages, 100 * total(pages_wasted) / total(pages_touched) AS share FROM w WHERE pages_wasted + pages_touched IS NOT NULL GROUP BY w.arm),"
		" known AS (SELECT * FROM price JOIN waste USING (arm) WHERE share IS NOT NULL) "
		"SELECT printf('Precopy %s: the worst workload of %s is %s, at %.3f of baseline''s %s, and of the pages that %s copied %d were never written (%.2f%% of the pages written)',"
		" iif(k.ratio <= 1.02, 'costs other writers next to nothing', iif(k.ratio <= 1.1, 'costs other writers little', 'has a price for other writers')), k.arm, k.workload, k.ratio, unit, k.arm, k.pages, k.share)"
		" || iif(f.ratio, printf('; fixed, which opens a window at every fault, costs up to %.2f (%s)', f.ratio, f.workload), '') || iif(f.vain IS NULL, '', printf(', where it copies %.1f pages in vain for each page written', f.vain)) || '.' "
		"FROM best JOIN known k ON k.arm IN ('adaptive', best.arm) LEFT JOIN known f ON f.arm = 'fixed' AND k.arm <> 'fixed' ORDER BY k.arm = 'adaptive' DESC LIMIT 1",
		"What precopy costs other writers is not known.",
	},
	/* What it does to the slowest writes */
	[FINDING_TAIL] = {
		BEST "SELECT printf('%s: with %s %.1f%% of the sequential writes take no fault, p99.9 of a write is %d %s against baseline''s %d (%.1f times), and the longest write takes %d against %d.',"
		" iif(p999 > base_p999, 'The time moves into fewer and longer faults', 'The tail does not pay for it'), arm, unfaulted, p999, unit, base_p999, p999 * 1.0 / base_p999, max, base_max) "
		"FROM best WHERE unfaulted IS NOT NULL AND p999 IS NOT NULL AND base_p999 > 0",
		"What precopy does to the tail is not known.",
	},
	/*
	 * What snapshots leave of huge pages, and who has the cheapest last
	 * snapshot, all costs counted. Few runs have this experiment.
	 */
	[FINDING_CYCLES] = {
		"WITH " CYCLES ", k AS (SELECT c.*, max(c.cycle) OVER (PARTITION BY c.pattern, c.percent) AS last FROM c WHERE clock = (SELECT min(clock) FROM c WHERE arm = 'thp')),"
		" cheap AS (SELECT a.pattern, a.percent, a.arm, min(a.whole / b.whole) AS ratio FROM k a JOIN k b ON b.pattern = a.pattern AND b.percent = a.percent AND b.cycle = a.cycle AND b.arm = 'baseline' WHERE a.cycle = a.last AND a.arm <> 'baseline' GROUP BY a.pattern, a.percent) "
		"SELECT printf('Huge pages %s: with thp, fork() of snapshot 1 takes %.1f %s per GB, of snapshot %d %.1f; baseline''s takes %.1f. With fork(), preparation, writes and end together, snapshot %d costs least with %s, at %.3f of baseline''s per page written sequentially',"
		" iif(z.fork > 2 * a.fork, 'do not survive snapshots', 'survive snapshots'), a.fork, iif(a.clock = 'icount', 'million instructions', 'emulated ms'), z.cycle, z.fork, b.fork, z.cycle, s.arm, s.ratio)"
		" || iif(r.ratio, printf(', and with %s, at %.3f, where 10%% are written at random', r.arm, r.ratio), '') || '.' "
		"FROM k a JOIN k z ON z.arm = 'thp' AND z.pattern = 'seq' AND z.percent = 100 AND z.cycle = z.last JOIN k b ON b.arm = 'baseline' AND b.pattern = 'seq' AND b.percent = 100 AND b.cycle = b.last JOIN cheap s ON s.pattern = 'seq' AND s.percent = 100 LEFT JOIN cheap r ON r.pattern = 'rand' AND r.percent = 10"
		" WHERE a.arm = 'thp' AND a.pattern = 'seq' AND a.percent = 100 AND a.cycle = 1 AND a.fork + z.fork + b.fork + s.ratio IS NOT NULL",
	},
	/*
	 * Where caches and TLBs change what instructions say: the sequential writer,
	 * and the arms that are cheaper by one and not by the other. Few runs have it.
	 */
	[FINDING_MODEL] = {
		"WITH r AS (SELECT a.workload, a.arm, a.cycles / b.cycles AS cycles, a.insns / b.insns AS insns, first_value(a.arm) OVER (PARTITION BY a.workload ORDER BY a.cycles) AS best, first_value(a.arm) OVER (PARTITION BY a.workload ORDER BY a.insns) AS fewest FROM modelled a JOIN modelled b ON b.workload = a.workload AND b.arm = 'baseline'),"
		" copying AS (SELECT total(iif(part = 'copy', c, 0)) / total(c) AS copy FROM (SELECT part, cycles_insns + cycles_l2 + cycles_l3 + cycles_memory + cycles_tlb + cycles_flush + cycles_assist + cycles_fault AS c FROM model WHERE workload = 'seq' AND arm = 'baseline')),"
		" turned AS (SELECT group_concat(printf('%s on %s (%.3f, instructions %.3f)', arm, workload, cycles, insns), ', ') AS list FROM r WHERE (cycles < 1) <> (insns < 1) AND abs(cycles - insns) > 0.01 AND NOT is_sweep(arm)),"
		" other AS (SELECT group_concat(printf('%s on %s, where %s has the fewest instructions', best, workload, fewest), ', ') AS list FROM (SELECT DISTINCT workload, best, fewest FROM r WHERE best <> fewest)) "
		"SELECT printf('Caches and TLBs %s (model %s): a page written sequentially costs %s %.3f of baseline''s modelled cycles, by instructions %.3f; %.0f%% of baseline''s cycles are the copy itself and its misses, which no arm can save', iif(cycles < 1, 'shrink the gain', 'undo the gain'), (SELECT model FROM model_cost), arm, cycles, insns, 100 * copy)"
		" || iif(turned.list IS NULL, '', '. The verdict turns for ' || turned.list) || iif(other.list IS NULL, '', '. The cheapest is another arm than by instructions: ' || other.list) || '.' "
		"FROM r, copying, turned, other WHERE workload = 'seq' AND arm IN ('adaptive', 'fixed', 'next') ORDER BY arm = 'adaptive' DESC, cycles LIMIT 1",
	},
};

/* What a run says; returns a sentence, to be freed; NULL: it has nothing to say */
char *finding(sqlite3 *db, int which)
{
	char *s = db_text(db, kinds[which].sql, "");

	/* A run of the model alone says nothing of the rest. */
	if (!s && kinds[which].otherwise &&
	    (db_number(db, "SELECT 1 FROM cell", "") == 1 ||
	     db_number(db, "SELECT 1 FROM model", "") != 1))
		s = xstrdup(kinds[which].otherwise);
	return s;
}
