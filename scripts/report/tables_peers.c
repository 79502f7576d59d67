// SPDX-License-Identifier: GPL-2.0
/* tables_peers.c - tables of benchmarks and programs that others wrote */
#define _GNU_SOURCE
#include "tables_experiments.h"

/* gunicorn, whose workers share a heap */
struct table *table_web(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "gunicorn", 3,
		"WITH r AS (SELECT arm, freeze, median(elapsed_ns / count) AS ns, median(p50_ns) AS p50, median(p99_ns) AS p99, median(max_ns) AS max, median(CAST(faults AS REAL) / count) AS faults, median(pss_kb) AS pss, median(private_kb) AS private, median(neighbours) AS neighbours, median(wasted) AS wasted, median(unjudged) AS unjudged FROM web WHERE clock = ?1 AND name = ?2 AND freeze IN ('no', 'yes') GROUP BY arm, freeze) "
		"SELECT a.freeze AS 'gc.freeze()', a.arm AS arm, num(1e9 / a.ns, 1) AS 'requests/s', num(b.ns / a.ns, 3) AS ratio, num(a.p50 / 1e3, 0) AS 'p50 us', num(a.p99 / 1e3, 0) AS 'p99 us', num(a.p99 / b.p99, 3) AS ratio, num(a.max / 1e3, 0) AS 'max us', num(a.faults, 2) AS 'faults per request',"
		" num(a.pss, 0) AS 'PSS KiB per worker', num(a.pss / b.pss, 3) AS ratio, num(a.private, 0) AS 'private KiB', num(a.neighbours, 0) AS 'pages beside', num(a.wasted, 0) AS 'wasted', num(a.unjudged, 0) AS 'not judged' "
		"FROM r a LEFT JOIN r b ON b.freeze = a.freeze AND b.arm = 'baseline' ORDER BY a.freeze, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "gunicorn: workers that read a heap of Python's (%s)",
		    clock_name(clock));
	table_note(
		t,
		"Four workers, forked from a master that holds the heap; a request reads 64 records in a row and 16 elsewhere, which writes their reference counts. The tenth request of each worker collects all garbage, which writes a header in each container object, unless gc.freeze() was called before the fork. requests/s: ratio of baseline's time per request to the arm's, above 1 is faster. PSS: of a worker after the last request, on average. pages beside: what windows served beside the pages written, in all workers; wasted: of these, seen unwritten; not judged: nobody looked. %s",
		unit_note(clock));
	return t;
}

/* The operations by which COW of folios is judged upstream */
struct table *table_folio(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "folios", 5,
		"WITH r AS (SELECT operation, folio_kb, arm, median(CAST(elapsed_ns AS REAL) / pages) AS ns, median(CAST(faults AS REAL) / pages) AS faults, median(folios) AS folios FROM folio WHERE clock = ?1 AND name = ?2 AND operation IN ('fork', 'munmap', 'cow-byte', 'reuse-byte', 'child-reuse-byte') GROUP BY operation, folio_kb, arm) "
		"SELECT a.operation AS operation, num(a.folio_kb, 0) AS 'folio KiB', a.arm AS arm, num(a.ns, 1) AS 'ns per page', num(a.ns / b.ns, 3) AS ratio, num(a.ns / s.ns, 3) AS 'to 4 KiB', num(a.faults, 3) AS 'faults per page', num(a.folios, 0) AS '% in folios' "
		"FROM r a LEFT JOIN r b ON b.operation = a.operation AND b.folio_kb = a.folio_kb AND b.arm = 'baseline' LEFT JOIN r s ON s.operation = a.operation AND s.folio_kb = 4 AND s.arm = a.arm "
		"ORDER BY instr('fork munmap cow-byte reuse-byte child-reuse-byte', a.operation), a.folio_kb, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "Five operations, by folio size (%s)",
		    clock_name(clock));
	table_note(
		t,
		"A region of folios of one size, each page of which has a PTE of its own, also in those of 2 MiB. fork: the call. munmap: of all. cow-byte: a child writes one byte per page while its parent shares them. reuse-byte: the parent does, after the child's end. child-reuse-byte: the child does, after the parent's munmap(). ratio: to baseline at the same size; to 4 KiB: to the same arm's. %% in folios: of the pages, those that lie in a folio of that size. %s",
		unit_note(clock));
	return t;
}

/*
 * A benchmark on the arms and on the unpatched kernel: baseline as a ratio to that,
 * the arms to baseline
 */
static struct table *table_peer(const struct report *rep, enum cow_clock clock,
				const char *name, const char *what,
				const char *note)
{
	struct table *t = experiment_query(
		rep, clock, name, 1,
		"WITH r AS (SELECT program, arm, min(rowid) AS place, median(elapsed_ns) AS ns, median(system_ns) AS system, median(faults) AS faults FROM startup WHERE clock = ?1 AND name = ?2 GROUP BY program, arm) "
		"SELECT b.program AS program, num(u.ns / 1e6, 1) AS 'unpatched ms', num(u.system / 1e6, 0) AS 'system ms', num(u.faults, 0) AS faults, num(b.ns / u.ns, 4) AS 'baseline ratio', num(b.ns / 1e6, 1) AS 'baseline ms', num(b.system / 1e6, 0) AS 'system ms', num(b.faults, 0) AS faults,"
		" num(f.ns / b.ns, 3) AS 'fixed ratio', num(f.system / 1e6, 0) AS 'system ms', num(f.faults, 0) AS faults, num(a.ns / b.ns, 3) AS 'adaptive ratio', num(b.ns / a.ns, 3) AS 'work per time', num(a.system / 1e6, 0) AS 'system ms', num(a.faults, 0) AS faults "
		"FROM r b LEFT JOIN r u ON u.program = b.program AND u.arm = 'unpatched' LEFT JOIN r f ON f.program = b.program AND f.arm = 'fixed' LEFT JOIN r a ON a.program = b.program AND a.arm = 'adaptive' WHERE b.arm = 'baseline' ORDER BY b.place");

	if (!t)
		return NULL;
	table_title(t, "%s (%s)", what, clock_name(clock));
	table_note(
		t,
		"%s The time until a fixed amount of work was done, from the program's start to its end; medians. baseline ratio: to the unpatched kernel, which is another boot; the others: to baseline. work per time: adaptive's operations per %s, to baseline's. system: as the kernel counts by ticks, which is coarse. %s",
		note, clock == CLK_ICOUNT ? "instruction" : "time",
		unit_note(clock));
	return t;
}

struct table *table_vmscalability(const struct report *rep,
				  enum cow_clock clock)
{
	return table_peer(
		rep, clock, "vmscalability", "vm-scalability",
		"Two tasks. anon-cow: children (-mt: threads) write what was filled before; anon-w: they write fresh memory, where no window opens.");
}

struct table *table_stressng(const struct report *rep, enum cow_clock clock)
{
	return table_peer(rep, clock, "stressng", "stress-ng",
			  "A fixed number of bogo operations, one process.");
}

struct table *table_perfbench(const struct report *rep, enum cow_clock clock)
{
	return table_peer(rep, clock, "perfbench", "perf bench",
			  "A fixed number of loops.");
}
