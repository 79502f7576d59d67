/* SPDX-License-Identifier: GPL-2.0 */
/* run.h - a run's folder, read into its store */
#ifndef COWREPORT_RUN_H
#define COWREPORT_RUN_H

#include "db.h"
#include "dmesg.h"
#include "env.h"

/* Problems that are told one by one */
#define PROBLEMS_MAX 1000

/**
 * struct run - a run's folder, read
 * @dir: its path
 * @name: the last part of its path
 * @db: the store, which holds all that was read; problems by their kind:
 * env (env.json cannot be read; the numbers stand), cell (a file of a cell is
 * absent, empty, truncated or malformed, and what it would have told is left
 * out), round (a round or a whole arm is not there), log (the log cannot be
 * read), data (a check of the data failed)
 * @env: env.json
 * @dmesg: dmesg.log
 * @has_log: there was a dmesg.log
 * @problems: how many problems there are, those above PROBLEMS_MAX included
 */
struct run {
	char *dir, *name;
	sqlite3 *db;
	struct env env;
	struct dmesg dmesg;
	bool has_log;
	size_t problems;
};

/**
 * struct packed - where a run's input is
 * @dir: the folder to read
 * @tmp: the folder to remove afterwards; NULL: none
 */
struct packed {
	char *dir, *tmp;
};

int packed_open(struct packed *p, const char *dir, char **why);
void packed_close(struct packed *p);

int run_load(struct run *run, const char *dir);
void run_free(struct run *run);
void run_problem(struct run *run, const char *kind, const char *fmt, ...)
	PRINTF(3, 4);

/**
 * struct verdicts - a run in three numbers
 * @disagree: cells whose counts disagree
 * @incomplete: cells that lack one of the counts
 * @broken: problems that make a run less than whole
 */
struct verdicts {
	size_t cells, disagree, incomplete, broken;
};

/* Queries what is wrong with the counts of a cell, or right, in a sentence */
#define CELL_SENTENCES \
	"SELECT clock || '/' || arm || '.' || workload || '.' || round || ': log lines ' || ifnull(log_lines, 'none') || ', histogram (' || iif(arm = 'hugetlb', 'hugetlb_copy', 'fault') || ') ' || ifnull(hist_count, 'none') || ', faults ' || ifnull(faults, 'none') || ': ' || verdict FROM cell "

bool run_whole(const struct run *run, struct verdicts *v);
bool run_has_data(const struct run *run);
char *log_sentence(const struct run *run);
char *run_sentence(const struct run *run);

#endif
