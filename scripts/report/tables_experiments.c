// SPDX-License-Identifier: GPL-2.0
/*
 * tables_experiments.c - the experiments' tables
 *
 * Each figure is the median over the rounds, and over the trials of a round.
 * An arm with a folder of the experiment has its row, whatever is in there.
 */
#define _GNU_SOURCE
#include "cycles.h"
#include "tables_experiments.h"

/**
 * experiment_query - a table of an experiment
 * @rep: the report
 * @clock: of which boot; ?1 in @sql
 * @name: the experiment; ?2
 * @left: a bit for each column that is set flush left
 * @sql: its rows
 *
 * Return: the table; NULL where there is no row.
 */
struct table *experiment_query(const struct report *rep, enum cow_clock clock,
			       const char *name, unsigned int left,
			       const char *sql)
{
	return table_query(rep->run->db, "", left, sql, "ss", clock_name(clock),
			   name);
}

/* What a nanosecond of this clock is, for a table's note */
const char *unit_note(enum cow_clock clock)
{
	return clock == CLK_ICOUNT ?
		       "CLOCK=icount: a nanosecond is an instruction, all processes share one core." :
		       "CLOCK=wall: time of emulated code on the host's cores.";
}

static struct table *table_redis(const struct report *rep, enum cow_clock clock,
				 const char *name, const char *values)
{
	struct table *t = experiment_query(
		rep, clock, name, 1,
		"WITH " ARMS
		", r AS (SELECT arm, phase, median(avg_ns) AS avg, median(p50_ns) AS p50, median(p99_ns) AS p99, median(p999_ns) AS p999, median(max_ns) AS max, median(faults) AS faults, median(cpu_ns) AS cpu, median(wait_ns) AS wait FROM request WHERE clock = ?1 AND name = ?2 GROUP BY arm, phase)"
		", f AS (SELECT arm, median(fork_us) AS fork, median(save_ms) AS save, median(cow_bytes) AS cow, median(growth_kb) AS growth, median(server_peak_kb) AS server, median(child_peak_kb) AS child FROM redis WHERE clock = ?1 AND name = ?2 GROUP BY arm) "
		"SELECT a.arm AS arm, num(1e9 / s.avg, 0) AS 'SETs/s', num(b.avg / s.avg, 3) AS ratio, num(s.p50 / 1e3, 0) AS 'p50 us', num(s.p99 / 1e3, 0) AS 'p99 us', num(s.p99 / b.p99, 3) AS ratio,"
		" num(s.p999 / 1e3, 0) AS 'p99.9 us', num(s.max / 1e3, 0) AS 'max us', num(o.p99 / 1e3, 0) AS 'p99 outside us', num(s.faults, 0) AS faults,"
		" num(s.cpu / 1e3, 1) AS 'CPU us', num(s.cpu / b.cpu, 3) AS ratio, num(s.wait / 1e3, 1) AS 'wait us', num(fork / 1e3, 1) AS 'fork ms', num(save / 1e3, 2) AS 'save s',"
		" num(cow / 1e6, 1) AS 'COW MB', num(growth / 1e3, 1) AS 'growth MB', num(server / 1e3, 0) AS 'server MB', num(child / 1e3, 0) AS 'child MB' "
		"FROM arms a LEFT JOIN r s ON s.arm = a.arm AND s.phase = 'save' LEFT JOIN r b ON b.arm = 'baseline' AND b.phase = 'save' LEFT JOIN r o ON o.arm = a.arm AND o.phase = 'outside' LEFT JOIN f ON f.arm = a.arm " BY_ARM);

	if (!t)
		return NULL;
	table_title(t, "Redis, %s (%s)", values, clock_name(clock));
	table_note(
		t,
		"During the save, unless it says outside; medians over the rounds; ratios to baseline. CPU, wait: how long the server's main thread ran per SET, and waited for a CPU. fork: Redis' latest_fork_usec. COW: what Redis reports; growth: the most by which the machine's anonymous memory grew; server and child: peak RSS. In every cell the file saved was loaded again and is, byte for byte, what was in memory at one instant between BGSAVE and its answer. %s",
		unit_note(clock));
	return t;
}

struct table *table_redis64(const struct report *rep, enum cow_clock clock)
{
	return table_redis(rep, clock, "redis64",
			   "values of 64 bytes: scattered writes");
}

struct table *table_redis32k(const struct report *rep, enum cow_clock clock)
{
	return table_redis(rep, clock, "redis32k",
			   "values of 32 KiB: eight pages in a row");
}

/* Save after save: the first, and those after it */
static struct table *table_saves(const struct report *rep, enum cow_clock clock,
				 const char *name, const char *values)
{
	struct table *t = experiment_query(
		rep, clock, name, 1,
		"WITH " ARMS
		", r AS (SELECT arm, median(fork_us) FILTER (WHERE save = 1) AS first, median(fork_us) FILTER (WHERE save > 1) AS later, median(p99_ns) AS p99, median(save_ms) AS save, median(cow_bytes) FILTER (WHERE save = 1) AS cow, median(cow_bytes) FILTER (WHERE save > 1) AS cows, median(growth_kb) AS growth, median(server_kb) AS rss FROM redis WHERE clock = ?1 AND name = ?2 GROUP BY arm) "
		"SELECT a.arm AS arm, num(r.first / 1e3, 2) AS 'fork ms, first save', num(r.first / b.first, 3) AS ratio, num(r.later / 1e3, 2) AS 'fork ms, later', num(r.later / b.later, 3) AS ratio, num(r.p99 / 1e3, 0) AS 'p99 us', num(r.p99 / b.p99, 3) AS ratio, num(r.save / 1e3, 2) AS 'save s',"
		" num(r.cow / 1e6, 1) AS 'COW MB, first', num(r.cows / 1e6, 1) AS 'COW MB, later', num(r.growth / 1e3, 1) AS 'growth MB', num(r.rss / 1e3, 0) AS 'RSS MB' "
		"FROM arms a LEFT JOIN r ON r.arm = a.arm LEFT JOIN r b ON b.arm = 'baseline' " BY_ARM);

	if (!t)
		return NULL;
	table_title(t, "Redis, save after save, %s (%s)", values,
		    clock_name(clock));
	table_note(
		t,
		"Five saves of one server while it is written; medians over the saves, and over the rounds; ratios to baseline. fork: Redis' latest_fork_usec. p99: of a SET during a save. COW: what Redis reports. growth: the most by which the machine's anonymous memory grew. RSS: the server's, after a save. Huge pages are always on in thp-off, where Redis turns them off for itself (disable-thp yes), and in all arms thp and thp-*, where it does not; cowwarm: with cowwarm.so and small pages. %s",
		unit_note(clock));
	return t;
}

struct table *table_saves64(const struct report *rep, enum cow_clock clock)
{
	return table_saves(rep, clock, "saves64", "values of 64 bytes");
}

struct table *table_saves32k(const struct report *rep, enum cow_clock clock)
{
	return table_saves(rep, clock, "saves32k", "values of 32 KiB");
}

/* A server that forks for each request */
struct table *table_prefork(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "prefork", 1,
		"WITH " ARMS
		", r AS (SELECT arm, median(count) AS n, median(avg_ns) AS avg, median(p50_ns) AS p50, median(p99_ns) AS p99, median(p999_ns) AS p999, median(max_ns) AS max, median(faults) AS faults FROM request WHERE clock = ?1 AND name = ?2 AND phase = 'all' GROUP BY arm) "
		"SELECT a.arm AS arm, num(1e9 / r.avg, 1) AS 'requests/s', num(b.avg / r.avg, 3) AS ratio, num(r.p50 / 1e3, 0) AS 'p50 us', num(r.p99 / 1e3, 0) AS 'p99 us', num(r.p999 / 1e3, 0) AS 'p99.9 us', num(r.max / 1e3, 0) AS 'max us', num(r.faults / r.n, 1) AS 'faults per request' "
		"FROM arms a LEFT JOIN r ON r.arm = a.arm LEFT JOIN r b ON b.arm = 'baseline' " BY_ARM);

	if (!t)
		return NULL;
	table_title(t, "A child for each request (%s)", clock_name(clock));
	table_note(
		t,
		"A heap of 16 MiB, of which a child writes 1 MiB sequentially, answers and exits; the rate includes the child's exit, the latency does not. %s",
		unit_note(clock));
	return t;
}

/* fork() itself, by size and arm; the second one after the first one's faults */
struct table *table_fork(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "fork", 3,
		"WITH sizes(size, label) AS (VALUES (16777216, '16 MiB'), (67108864, '64 MiB'), (268435456, '256 MiB'), (1073741824, '1 GiB'), (4294967296, '4 GiB'))"
		", r AS (SELECT arm, size, state, median(fork_ns) AS fork, median(write_ns) AS write, median(end_ns) AS end FROM fork WHERE clock = ?1 AND name = ?2 GROUP BY arm, size, state) "
		"SELECT label AS size, a.arm AS arm, num(a.fork / 1e3, 0) AS 'fork us', num(a.fork / b.fork, 3) AS ratio, num(a.write / 1e6, 1) AS 'writes ms', num(a.write / b.write, 3) AS ratio, num(a.end / 1e3, 0) AS 'end us',"
		" num(c.fork / 1e3, 0) AS 'second fork us', num(c.fork / d.fork, 3) AS ratio, num(c.write / 1e6, 1) AS 'writes ms', num(c.end / 1e3, 0) AS 'end us' "
		"FROM sizes s JOIN r a ON a.size = s.size AND a.state = 'filled' AND a.fork IS NOT NULL LEFT JOIN r b ON b.size = s.size AND b.state = 'filled' AND b.arm = 'baseline'"
		" LEFT JOIN r c ON c.size = s.size AND c.state = 'copied' AND c.arm = a.arm LEFT JOIN r d ON d.size = s.size AND d.state = 'copied' AND d.arm = 'baseline' "
		"ORDER BY s.size, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "fork(), and the writes after it (%s)",
		    clock_name(clock));
	table_note(
		t,
		"A snapshot pays for fork() and then for a fault per page written: here a word in every page is written. The second fork finds the pages as the first one's faults left them: in large folios, if they were copied so, which fork() and the child's end handle at once. %s",
		unit_note(clock));
	return t;
}

/* First writes to a private mapping of a file */
struct table *table_filecow(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "filecow", 3,
		"WITH r AS (SELECT source, pattern, arm, median(CAST(elapsed_ns AS REAL) / pages) AS ns, median(CAST(faults AS REAL) / pages) AS faults, median(pages_copied - pages) AS waste FROM filecow WHERE clock = ?1 AND name = ?2 GROUP BY source, pattern, arm) "
		"SELECT a.pattern AS pattern, a.source AS source, a.arm AS arm, num(a.ns, 1) AS 'ns per page', num(a.ns / b.ns, 3) AS ratio, num(a.faults, 3) AS 'faults per page', num(a.waste, 0) AS 'pages copied but not written' "
		"FROM r a LEFT JOIN r b ON b.source = a.source AND b.pattern = a.pattern AND b.arm = 'baseline' ORDER BY a.pattern COLLATE workload, a.source, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "The first write to each page of a file of 64 MiB (%s)",
		    clock_name(clock));
	table_note(
		t,
		"A private mapping of a file on tmpfs, all of it in the page cache; no fork. fresh: nothing was mapped before; mapped: each page had been read. Plain stores: under TCG an instruction that reads and writes takes a read fault first, where hardware takes one write fault. %s",
		unit_note(clock));
	return t;
}

/* Clones that map one file */
struct table *table_clone(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "clone", 3,
		"WITH r AS (SELECT layout, percent, arm, median(avg_ns) AS avg, median(p50_ns) AS p50, median(p99_ns) AS p99, median(max_ns) AS max, median(CAST(faults AS REAL) / pages) AS faults, median(pages_copied / 256.0 / clones) AS mib FROM clone WHERE clock = ?1 AND name = ?2 GROUP BY layout, percent, arm) "
		"SELECT a.layout AS layout, a.percent AS percent, a.arm AS arm, num(a.avg, 0) AS 'ns per write', num(a.avg / b.avg, 3) AS ratio, num(a.p50, 0) AS p50, num(a.p99, 0) AS p99, num(a.max, 0) AS max, num(a.faults, 3) AS 'faults per page', num(a.mib, 2) AS 'MiB per clone', num(a.mib / b.mib, 3) AS ratio "
		"FROM r a LEFT JOIN r b ON b.layout = a.layout AND b.percent = a.percent AND b.arm = 'baseline' ORDER BY a.layout, a.percent, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "Writes of clones to their memory (%s)",
		    clock_name(clock));
	table_note(
		t,
		"Processes that map one file privately, as virtual machines do that start from one snapshot; nothing is mapped before. Each writes so many percent of the pages: one contiguous part (dense), pages all over the file (scattered), or, in their order, the pages that a guest of 256 MiB with Redis wrote first after it was resumed from a snapshot (resume; scripts/trace/record). The time includes that of two clock reads. %s",
		unit_note(clock));
	return t;
}

/* Snapshot after snapshot: the first, the second and the last */
struct table *table_cycles(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "cycles", 3,
		"WITH " CYCLES
		"SELECT a.pattern || iif(a.percent = 100, '', ' ' || a.percent || '%') AS writes, a.arm AS arm, a.cycle AS snapshot, num(a.fork, 2) AS 'fork ms/GB', num(a.fork / b.fork, 3) AS ratio, num(a.prepare / 1e6, 2) AS 'prepare ms', num(a.write, 0) AS 'ns per write', num(a.write / b.write, 3) AS ratio, num(a.p99 / 1e3, 1) AS 'p99 us', num(a.p999 / 1e3, 1) AS 'p99.9 us', num(a.max / 1e3, 1) AS 'max us',"
		" num(a.end, 2) AS 'end ms/GB', num(a.end / b.end, 3) AS ratio, num(a.whole, 0) AS 'all, ns per page', num(a.whole / b.whole, 3) AS ratio, num(a.memory / 1024, 0) AS 'memory MiB', num(a.huge / 1024, 0) AS 'huge MiB left' "
		"FROM c a LEFT JOIN c b ON b.clock = a.clock AND b.pattern = a.pattern AND b.percent = a.percent AND b.cycle = a.cycle AND b.arm = 'baseline' WHERE a.clock = ?1 AND ?2 = 'cycles' AND (a.cycle <= 2 OR a.cycle = (SELECT max(cycle) FROM c d WHERE d.clock = a.clock AND d.pattern = a.pattern AND d.percent = a.percent)) "
		"ORDER BY a.pattern COLLATE workload, a.percent, a.arm COLLATE arm, a.cycle");

	if (!t)
		return NULL;
	table_title(t, "Snapshot after snapshot (%s)", clock_name(clock));
	table_note(
		t,
		"A region is shared with a child that does not write, written by the parent, and the child is killed; then again. Ratios to baseline, which has small pages, of the same snapshot. prepare: the call after fork() (thp-manual_cow), MADV_COLLAPSE after the child's end (thp-collapse), CPU time of khugepaged or of cowwarm.so's thread; on one core without that during the writes, which wait for it. khugepaged sleeps in all arms but thp-khugepaged. all: fork(), prepare, writes and end, per page written. memory: Pss of both processes after the writes. huge: what of the region is in huge pages when the next snapshot begins. %s",
		unit_note(clock));
	return t;
}

/* What starts of programs cost */
struct table *table_startup(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "startup", 3,
		"WITH r AS (SELECT program, iif(cache = 'cold', 'cold', 'warm') AS cache, arm, median(elapsed_ns) AS ns, median(majflt) AS major, median(faults) AS faults, median(cow_faults) AS cow, median(pages_copied) AS copied, median(peak_kb) AS peak FROM startup WHERE clock = ?1 AND name = ?2 GROUP BY program, 2, arm) "
		"SELECT a.program AS program, a.cache AS 'page cache', a.arm AS arm, num(a.ns / 1e6, 2) AS 'ms', num(a.ns / b.ns, 3) AS ratio, num(a.faults, 0) AS faults, num(a.faults / b.faults, 3) AS ratio, num(a.major, 0) AS 'major faults', num(a.cow, 0) AS 'COW faults', num(a.cow / b.cow, 3) AS ratio, num(a.copied, 0) AS 'pages copied', iif(a.peak < b.peak, '', '+') || num(a.peak - b.peak, 0) AS 'more memory KiB' "
		"FROM r a LEFT JOIN r b ON b.program = a.program AND b.cache = a.cache AND b.arm = 'baseline' ORDER BY a.program, a.cache DESC, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "Starts of programs (%s)", clock_name(clock));
	table_note(
		t,
		"From the start of a program of this machine to its end; medians. Page cache warm: it holds the pages of the program and its libraries; cold: none of them, they come from ext4 on a compressed block device in memory, which takes instructions but no waiting. Folios of 16 to 128 KiB are enabled in every arm, baseline too. More memory: of its peak. COW faults and pages copied are those of one more start, with cowlab's timing on; parent and shell are in them. %s",
		unit_note(clock));
	return t;
}

/* Does an arm make the start of some program worse? The worst come first. */
struct table *table_programs(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "programs", 1,
		"WITH r AS (SELECT program, arm, median(elapsed_ns) AS ns, median(peak_kb) AS peak, median(cow_faults) AS cow FROM startup WHERE clock = ?1 AND name = ?2 GROUP BY program, arm) "
		"SELECT b.program AS program, num(b.ns / 1e6, 2) AS 'baseline ms', num(b.cow, 0) AS 'COW faults', num(a.ns / b.ns, 4) AS 'adaptive ratio', num(a.cow, 0) AS 'COW faults', iif(a.peak < b.peak, '', '+') || num(a.peak - b.peak, 0) AS 'more memory KiB', num(f.ns / b.ns, 4) AS 'fixed ratio', num(f.cow, 0) AS 'COW faults', iif(f.peak < b.peak, '', '+') || num(f.peak - b.peak, 0) AS 'more memory KiB' "
		"FROM r b LEFT JOIN r a ON a.program = b.program AND a.arm = 'adaptive' LEFT JOIN r f ON f.program = b.program AND f.arm = 'fixed' WHERE b.arm = 'baseline' ORDER BY a.ns / b.ns DESC, b.program");

	if (!t)
		return NULL;
	table_title(t, "Programs of /usr/bin with --version (%s)",
		    clock_name(clock));
	table_note(
		t,
		"As above; the worst come first. Up to 250 programs of less than 4 MiB, of those on this machine. %s",
		unit_note(clock));
	return t;
}

/* The least memory that an arm passes with */
struct table *table_limits(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "memory", 3,
		"WITH r AS (SELECT workload, arm, median(peak_kb) AS peak, median(pass_kb) AS pass, median(fail_kb) AS fail FROM memory WHERE clock = ?1 AND name = ?2 AND workload IN ('seq', 'sparse8', 'sparse64') GROUP BY workload, arm) "
		"SELECT a.workload AS workload, a.arm AS arm, num(a.peak, 0) AS 'peak without limit KiB', num(a.pass, 0) AS 'passes with KiB', num(a.fail, 0) AS 'fails with KiB', iif(a.pass < b.pass, '', '+') || num(a.pass - b.pass, 0) AS 'more than baseline KiB' "
		"FROM r a LEFT JOIN r b ON b.workload = a.workload AND b.arm = 'baseline' WHERE a.pass IS NOT NULL ORDER BY a.workload COLLATE workload, a.arm COLLATE arm");

	if (!t)
		return NULL;
	table_title(t, "The least memory (%s)", clock_name(clock));
	table_note(
		t, "%s",
		"cowbench in a memory cgroup of its own, repeated with ever closer limits: the smallest limit with which it passed, and the largest with which the OOM killer ran. Precopy may use what is free (the peak), but must need no more than baseline does.");
	return t;
}

/* One row an arm: 1000 pages, or faults, a second by writers and space */
static struct table *table_writers(const struct report *rep,
				   enum cow_clock clock, const char *what,
				   const char *count, const char *note)
{
	char *sql = xstrdup("WITH " ARMS "SELECT a.arm AS arm");
	struct table *t;

	for (int k = 0; k < 8; k++) {
		const char *space = k < 4 ? "shared" : "own";

		append(&sql,
		       ", (SELECT num(median(%s) * 1e6 / median(elapsed_ns), 1) FROM scaling s WHERE clock = ?1 AND name = ?2 AND s.arm = a.arm AND writers = %d AND space = '%s') AS '%d %s'",
		       count, 1 << k % 4, space, 1 << k % 4, space);
	}
	append(&sql, " FROM arms a " BY_ARM);
	t = experiment_query(rep, clock, "scaling", 1, sql);
	free(sql);
	if (!t)
		return NULL;
	table_title(t, "%s per second, in thousands, by writers (%s)", what,
		    clock_name(clock));
	table_note(t, "%s %s", note, unit_note(clock));
	return t;
}

struct table *table_pages(const struct report *rep, enum cow_clock clock)
{
	return table_writers(
		rep, clock, "Pages written", "pages",
		"shared: threads of one process write their parts of one mapping; own: processes with a mapping each.");
}

struct table *table_faults(const struct report *rep, enum cow_clock clock)
{
	return table_writers(
		rep, clock, "Faults", "faults",
		"A window serves many pages with one fault: the table above has the pages.");
}

/* ns a page of one writer, by size */
struct table *table_sizes(const struct report *rep, enum cow_clock clock)
{
	struct table *t = experiment_query(
		rep, clock, "scaling", 1,
		"WITH " ARMS
		", r AS (SELECT arm, size, median(elapsed_ns) / median(pages) AS ns FROM scaling WHERE clock = ?1 AND name = ?2 AND writers = 1 AND space = 'shared' AND size IN (16777216, 67108864, 268435456, 1073741824, 4294967296) GROUP BY arm, size) "
		"SELECT a.arm AS arm, num(max(ns) FILTER (WHERE size = 16777216), 1) AS '16 MiB', num(max(ns) FILTER (WHERE size = 67108864), 1) AS '64 MiB', num(max(ns) FILTER (WHERE size = 268435456), 1) AS '256 MiB',"
		" num(max(ns) FILTER (WHERE size = 1073741824), 1) AS '1 GiB', num(max(ns) FILTER (WHERE size = 4294967296), 1) AS '4 GiB', num(max(ns) / min(ns), 3) AS 'largest to smallest' "
		"FROM arms a LEFT JOIN r ON r.arm = a.arm GROUP BY a.arm " BY_ARM);

	if (!t)
		return NULL;
	table_title(t, "ns per page written, by size of the region (%s)",
		    clock_name(clock));
	table_note(
		t,
		"One writer. The cost per page must not depend on the region's size. The guest's memory (MEM) must hold three times the size, or the cell is empty: with less, precopy keeps its margin. %s",
		unit_note(clock));
	return t;
}
