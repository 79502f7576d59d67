// SPDX-License-Identifier: GPL-2.0
/* findings.c - what a run says of precopy, in three sentences */
#define _GNU_SOURCE
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
};

/* What a run says; returns a sentence, to be freed */
char *finding(sqlite3 *db, int which)
{
	char *s = db_text(db, kinds[which].sql, "");

	return s ? s : xstrdup(kinds[which].otherwise);
}
