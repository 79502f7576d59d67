/* SPDX-License-Identifier: GPL-2.0 */
/* run.h - a run's folder, read */
#ifndef COWREPORT_RUN_H
#define COWREPORT_RUN_H

#include "dmesg.h"
#include "env.h"
#include "hist.h"
#include "user.h"

/**
 * enum problem_kind - what is wrong with a run
 * @PROBLEM_ENV: env.json cannot be read; the numbers stand
 * @PROBLEM_CELL: a file of a cell is absent, empty, truncated or malformed,
 * and what it would have told is left out
 * @PROBLEM_ROUND: a round or a whole arm is not there
 * @PROBLEM_LOG: the log cannot be read
 * @PROBLEM_DATA: a check of the data failed
 */
enum problem_kind {
	PROBLEM_ENV,
	PROBLEM_CELL,
	PROBLEM_ROUND,
	PROBLEM_LOG,
	PROBLEM_DATA,
};

struct problem {
	enum problem_kind kind;
	char *text;
};

/**
 * struct cell - one round of one arm, with all that was left of it
 * @key: which
 * @has_dir: there is a folder for it under raw/
 * @unlogged: its listening pass was made with timing alone, without the log
 * @unheard: it has no listening pass
 * @user_ok: @user holds the quiet pass
 * @listen_ok: @listen holds the listening pass
 * @hist_ok: @hist holds the debugfs histogram of that pass
 * @touch_ok: @touch holds the histogram of the quiet pass
 * @stats_ok: @stats holds the module's counters
 * @log_ok: @log holds the figures of a complete segment of the log
 * @user: from user.csv
 * @listen: from listen.csv
 * @hist: from latency_hist
 * @touch: from touch.hist
 * @stats: from stats
 * @seg: the segment of the log; NULL if there is none
 * @log: figures of its samples
 */
struct cell {
	struct cell_key key;
	bool has_dir, unlogged, unheard;
	bool user_ok, listen_ok, hist_ok, touch_ok, stats_ok, log_ok;
	struct user_rec user, listen;
	struct stage_list hist;
	struct touch_hist touch;
	struct stats stats;
	const struct dmesg_segment *seg;
	struct latency log;
};

/* Problems that are told one by one */
#define PROBLEMS_MAX 1000

/**
 * struct run - a run's folder, read
 * @dir: its path
 * @name: the last part of its path
 * @env: env.json
 * @dmesg: dmesg.log
 * @has_log: there was a dmesg.log
 * @cell: its cells, sorted by key
 * @problem: what is wrong with it
 * @more_problems: how many more there are, not kept
 */
struct run {
	char *dir, *name;
	struct env env;
	struct dmesg dmesg;
	bool has_log;
	VEC(struct cell) cell;
	VEC(struct problem) problem;
	size_t more_problems;
};

int run_load(struct run *run, const char *dir);
void run_free(struct run *run);
const struct cell *run_find(const struct run *run, const struct cell_key *key);
size_t run_group_end(const struct run *run, size_t first);
bool run_has_data(const struct run *run);
char *cell_name(const struct cell_key *key);

#endif
