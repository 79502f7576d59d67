// SPDX-License-Identifier: GPL-2.0
/* run.c - what is wrong with a run, or right */
#define _GNU_SOURCE
#include <inttypes.h>

#include "run.h"

/**
 * run_problem - tell what is wrong with a run
 * @run: the run
 * @kind: of what kind it is, see struct run
 * @fmt: as in printf()
 */
void run_problem(struct run *run, const char *kind, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (run->problems++ >= PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	db_run(run->db, "INSERT INTO problem VALUES (?, ?)", "ss", kind, text);
	free(text);
}

/*
 * Was anything measured at all; returns false where a summary would have no row
 */
bool run_has_data(const struct run *run)
{
	return db_number(
		       run->db,
		       "SELECT EXISTS (SELECT 1 FROM latency WHERE source <> 'listen') OR EXISTS (SELECT 1 FROM experiment) OR EXISTS (SELECT 1 FROM model)",
		       "") > 0;
}

/* May a run be trusted without reserve; returns true if nothing is */
bool run_whole(const struct run *run, struct verdicts *v)
{
	sqlite3_stmt *q = db_query(
		run->db,
		"SELECT count(*), count(iif(verdict = 'DISAGREE', 1, NULL)), count(iif(verdict = 'incomplete', 1, NULL)), (SELECT count(*) FROM problem WHERE kind <> 'env') FROM cell",
		"");

	*v = (struct verdicts){ 0 };
	while (db_next(&q))
		*v = (struct verdicts){ col_u64(q, 0), col_u64(q, 1),
					col_u64(q, 2), col_u64(q, 3) };
	if (run->problems > PROBLEMS_MAX)
		v->broken += run->problems - PROBLEMS_MAX;
	return !v->disagree && !v->incomplete && !v->broken &&
	       dmesg_clean(&run->dmesg);
}

/* The quality of the log in a sentence; returns the sentence, to be freed */
char *log_sentence(const struct run *run)
{
	const struct dmesg *d = &run->dmesg;
	const struct {
		uint64_t n;
		const char *what;
	} item[] = {
		{ d->lost, "messages LOST" },
		{ d->malformed, "lines MALFORMED" },
		{ d->stray, "samples outside of begin and end" },
		{ d->unclosed, "begin without end" },
		{ d->nested, "begin inside of another" },
		{ d->stray_ends, "end without its begin" },
		{ d->bad_marks, "unreadable cowlab or printk lines" },
		{ d->duplicates, "repeated segments (left out)" },
		{ d->no_clock, "begin before any boot line" },
	};
	const char *sep = "";
	char *s;

	if (!run->has_log)
		return xstrdup("dmesg.log: there is none");
	s = xasprintf("dmesg.log: %" PRIu64 " samples in %" PRIu64 " lines, %s",
		      d->samples, d->lines,
		      dmesg_clean(d) ? "none lost, none malformed" : "but ");
	for (size_t i = 0; i < ARRAY_SIZE(item); i++) {
		if (!item[i].n)
			continue;
		append(&s, "%s%" PRIu64 " %s", sep, item[i].n, item[i].what);
		sep = ", ";
	}
	return s;
}

/* May this run be trusted; returns a sentence, to be freed */
char *run_sentence(const struct run *run)
{
	struct verdicts v;
	bool whole = run_whole(run, &v);

	if (whole && !v.cells &&
	    db_number(run->db, "SELECT 1 FROM model", "") == 1)
		return xstrdup(
			"Whole: in all regions of the memory model the walks of page tables lead where QEMU went, and no TLB entry is stale.");
	if (whole)
		return xasprintf(
			"Whole: in all %zu cells, log, histogram and faults agree to the count, and no log line was lost or malformed.%s",
			v.cells,
			/* a line of the log for each fault is a lot */
			db_number(run->db,
				  "SELECT 1 FROM cell WHERE NOT logged",
				  "") > 0 ?
				" (Cells that were measured without the log have histogram and faults alone.)" :
				"");
	return xasprintf(
		"NOT whole: of %zu cells, the counts of %zu disagree and of %zu are incomplete; %zu remarks; %s. See the cross-check below.",
		v.cells, v.disagree, v.incomplete, v.broken,
		dmesg_clean(&run->dmesg) ? "the log itself is clean" :
					   "the log is NOT clean");
}
