// SPDX-License-Identifier: GPL-2.0
/* claims.c - the study's claims, and what a run says of them */
#define _GNU_SOURCE
#include "cycles.h"
#include "findings.h"
#include "study.h"

const char *holds_name(enum holds holds)
{
	static const char *const names[] = {
		[CLAIM_HOLDS] = "It holds",
		[CLAIM_PARTLY] = "It holds in part",
		[CLAIM_FAILS] = "It does not hold",
		[CLAIM_OPEN] = "Not decided by this run",
	};

	return names[holds];
}

/* The clocks, and what was measured on seq: kernel's rows and writer's */
#define SEQ                                                                                            \
	"WITH c(clock, unit) AS (VALUES ('icount', 'in instructions'), ('wall', 'in emulated time'))," \
	" svc AS (SELECT * FROM service WHERE workload = 'seq' AND avg_ns > 0), seq AS (SELECT * FROM writer WHERE workload = 'seq') "

const struct claim claims[CLAIMS] = {
	/* It does where the copy takes more than half of the service */
	[CLAIM_COPYING] = {
		"Copying the page dominates the cost of a COW fault.",
		"make run ARMS=baseline WORKLOADS=seq",
		"baseline was not measured on seq with the histogram on",
		"the copy's share is larger here than on hardware with ERMS, where the claim is weaker still",
		SEQ "SELECT printf('%s the copy is %s of a fault''s service of %s, %s%%', unit, num(k.avg_ns, 0), num(s.avg_ns, 0), num(100 * k.avg_ns / s.avg_ns, 0))"
		" || iif(w.avg_ns > 0, printf(' (and %s%% of the %s that the writer waits, including kernel entry and exit)', num(100 * k.avg_ns / w.avg_ns, 0), num(w.avg_ns, 0)), ''), k.avg_ns > s.avg_ns / 2, 1 "
		"FROM c JOIN svc s ON s.clock = c.clock AND s.arm = 'baseline' JOIN summary k ON k.clock = c.clock AND k.arm = 'baseline' AND k.workload = 'seq' AND k.source = 'debugfs' AND k.stage = 'copy' AND k.avg_ns > 0"
		" LEFT JOIN seq w ON w.clock = c.clock AND w.arm = 'baseline' ORDER BY c.clock",
	},
	/*
	 * For a kind of huge page it holds where one COW of it takes twice as
	 * long as baseline's; hugetlb and transparent huge pages are judged
	 * apart. For a huge page that is copied as a whole, where the last
	 * snapshot costs more per page written, all costs counted. What becomes
	 * of huge pages that are split is told, and does not count.
	 */
	[CLAIM_HUGE_PAGES] = {
		"Huge pages make a COW cost more, because it copies more.",
		"make run ARMS=\"baseline thp hugetlb thp-manual_cow\" WORKLOADS=\"seq sparse64 cycles\"",
		"neither hugetlb nor thp was measured on seq beside baseline",
		"a hugetlb fault copies 2 MiB, which a dense writer needs and a sparse writer pays for, and a transparent huge page is split before 4 KiB are copied: the study's factor of " STUDY_HUGE_FACTOR " fits neither; split once, it costs each later fork() what small pages cost, and copied as a whole by manual_cow() it does not, where much of it is written",
		SEQ "SELECT * FROM (SELECT printf('%s one COW of %s takes %.2f of baseline''s', unit, s.arm, s.avg_ns / b.avg_ns) || iif(w.ratio_to_baseline, printf(', a page written on seq %.2f', w.ratio_to_baseline), '')"
		" || iif(x.ratio_to_baseline, printf(', a page written on sparse64 %.2f', x.ratio_to_baseline), ''), s.avg_ns >= 2 * b.avg_ns, 1 "
		"FROM c JOIN svc s ON s.clock = c.clock AND s.arm IN ('hugetlb', 'thp') JOIN svc b ON b.clock = c.clock AND b.arm = 'baseline' LEFT JOIN seq w ON w.clock = c.clock AND w.arm = s.arm"
		" LEFT JOIN writer x ON x.clock = c.clock AND x.arm = s.arm AND x.workload = 'sparse64' ORDER BY c.clock, s.arm)"
		" UNION ALL SELECT * FROM (WITH " CYCLES ", k AS (SELECT a.*, printf('clock %s: ', a.clock) AS clk, a.pattern || iif(a.percent = 100, '', ' ' || a.percent || '%') AS writes, a.fork / b.fork AS forks, a.whole / b.whole AS all_costs FROM c a JOIN c b ON b.arm = 'baseline' AND b.clock = a.clock AND b.pattern = a.pattern AND b.percent = a.percent AND b.cycle = a.cycle), z AS (SELECT k.* FROM k WHERE cycle = (SELECT max(cycle) FROM k m WHERE m.clock = k.clock AND m.pattern = k.pattern AND m.percent = k.percent))"
		" SELECT printf('%sin snapshot %d of a sequential writer fork() takes %.3f of baseline''s with thp, whose huge pages are split by then; in the first %.3f', z.clk, z.cycle, z.forks, k.forks), 0, 0 FROM z JOIN k ON k.arm = 'thp' AND k.cycle = 1 AND k.clock = z.clock AND k.pattern = 'seq' AND k.percent = 100 WHERE z.arm = 'thp' AND z.pattern = 'seq' AND z.percent = 100 AND z.cycle > 1 AND z.forks + k.forks IS NOT NULL"
		" UNION ALL SELECT printf('%shuge pages copied as a whole by manual_cow(): in snapshot %d of %s fork() takes %.3f of baseline''s, and a page written costs %.2f, all counted', clk, cycle, writes, forks, all_costs), all_costs >= 1, 1 FROM z WHERE arm = 'thp-manual_cow' AND pattern IN ('seq', 'rand') AND forks + all_costs IS NOT NULL)",
	},
	/*
	 * The study's precopy is the arm next. A win counts per page written,
	 * within five points of the study's; the loss is of the p99.9 of a write
	 */
	[CLAIM_PRECOPY] = {
		"Precopy of the next page wins 19% on average, and loses in the worst case.",
		"make run ARMS=\"baseline next adaptive\" WORKLOADS=seq",
		"next was not measured on seq beside baseline",
		"the study's -" STUDY_PRECOPY_GAIN "% is of the average fault: a fault that serves two pages takes longer, and its gain is the fault that it saves",
		SEQ "SELECT printf('%s a page written costs %+.1f%% with next', unit, 100 * (n.ratio_to_baseline - 1)) || iif(t.avg_ns / s.avg_ns, printf(', a fault (of half as many) %+.1f%%', 100 * (t.avg_ns / s.avg_ns - 1)), '')"
		" || printf(', p99.9 of a write %d against %d, the longest %d against %d', n.p999_ns, b.p999_ns, n.max_ns, b.max_ns) || iif(a.ratio_to_baseline, printf(', with adaptive %+.1f%% per page', 100 * (a.ratio_to_baseline - 1)), ''),"
		" (100 - 100 * n.ratio_to_baseline >= " STUDY_PRECOPY_GAIN " - 5) + (n.p999_ns > b.p999_ns), 2 "
		"FROM c JOIN seq n ON n.clock = c.clock AND n.arm = 'next' AND n.ratio_to_baseline IS NOT NULL AND n.p999_ns IS NOT NULL JOIN seq b ON b.clock = c.clock AND b.arm = 'baseline' AND b.p999_ns IS NOT NULL"
		" LEFT JOIN seq a ON a.clock = c.clock AND a.arm = 'adaptive' LEFT JOIN svc t ON t.clock = c.clock AND t.arm = 'next' LEFT JOIN svc s ON s.clock = c.clock AND s.arm = 'baseline' ORDER BY c.clock",
	},
	/*
	 * It can where the arm manual_cow was measured: what it promises is
	 * that no write of the range takes a fault (a stray one of another
	 * mapping is not the range's), and cowbench has checked every byte
	 */
	[CLAIM_CALL] = {
		"A system call that breaks COW beforehand cannot be verified in QEMU.",
		"make run ARMS=\"baseline manual_cow\" WORKLOADS=seq",
		"manual_cow was not measured on seq",
		"every byte that either process can see was compared afterwards",
		SEQ "SELECT printf('clock %s: after manual_cow, %d page(s) were written with %d page fault(s), in %d round(s)', clock, pages_touched, faults, rounds)"
		" || iif(ratio_to_baseline, printf(', at %.3f of baseline''s cost per page, including the call', ratio_to_baseline), ''), faults * 1000 > pages_touched, 1 "
		"FROM c JOIN seq USING (clock) WHERE arm = 'manual_cow' AND faults IS NOT NULL AND pages_touched IS NOT NULL ORDER BY clock",
	},
};

/**
 * claim_evidence - judge a claim
 * @claim: the claim
 * @db: the run's store
 * @holds: what becomes of it
 *
 * Return: why, in parts that "; " divides; to be freed.
 */
char *claim_evidence(const struct claim *claim, sqlite3 *db, enum holds *holds)
{
	sqlite3_stmt *q = db_query(db, claim->sql, "");
	char *s = xstrdup("");
	uint64_t yes = 0, points = 0;

	while (db_next(&q)) {
		append(&s, "%s; ", col_text(q, 0));
		yes += col_u64(q, 1);
		points += col_u64(q, 2);
	}
	append(&s, "%s", points ? claim->close : claim->open);
	*holds = !points       ? CLAIM_OPEN :
		 yes == points ? CLAIM_HOLDS :
		 yes	       ? CLAIM_PARTLY :
				 CLAIM_FAILS;
	return s;
}
