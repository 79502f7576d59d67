// SPDX-License-Identifier: GPL-2.0
/* cells.c - the cells of a run: one round of one arm each */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "load.h"
#include "user.h"

#define FILE_LIMIT ((size_t)16 << 20)

enum part { PART_USER, PART_TOUCH, PART_LISTEN, PART_HIST, PART_STATS, PARTS };

static const char *const part_files[PARTS] = {
	"user.csv", "touch.hist", "listen.csv", "latency_hist", "stats",
};

/**
 * struct cell - one round of one arm, with all that was left of it
 * @key: which
 * @name: how messages call it
 * @has_dir: there is a folder for it under raw/
 * @unlogged: its listening pass was made with timing alone, without the log
 * @unheard: it has no listening pass
 * @ok: the files that could be read
 * @user: the quiet pass
 * @listen: the listening pass
 * @hist: the debugfs histogram of that pass
 * @touch: the histogram of the quiet pass
 * @stats: the module's counters
 * @seg: the segment of the log; NULL if there is none
 */
struct cell {
	struct cell_key key;
	char *name;
	bool has_dir, unlogged, unheard;
	bool ok[PARTS];
	struct user_rec user, listen;
	struct stage_list hist;
	struct touch_hist touch;
	struct stats stats;
	const struct dmesg_segment *seg;
};

struct cells {
	VEC(struct cell) cell;
};

static int parse_part(struct cell *c, enum part part, const char *buf,
		      size_t len, struct parse_error *err)
{
	switch (part) {
	case PART_USER:
		return parse_user_csv(buf, len, &c->user, err);
	case PART_TOUCH:
		return parse_touch_hist(buf, len, &c->touch, err);
	case PART_LISTEN:
		return parse_user_csv(buf, len, &c->listen, err);
	case PART_HIST:
		return parse_latency_hist(buf, len, &c->hist, err);
	default:
		return parse_stats(buf, len, &c->stats, err);
	}
}

/*
 * An empty histogram is right where the log has no line of that pass either
 * or, without a log, where the writer had no fault that copied.
 */
static bool nothing_sampled(const struct cell *c)
{
	if (!c->ok[PART_LISTEN])
		return false;
	if (c->unlogged)
		return !c->listen.faults ||
		       (!strcmp(c->key.workload, "reuse") &&
			!c->listen.pages_copied);
	return c->seg && c->seg->complete && !c->seg->ns.n && !c->seg->lost &&
	       !c->seg->malformed;
}

static char *cell_path(const struct run *run, const struct cell *c,
		       const char *file)
{
	return xasprintf("%s/raw/%s/%s", run->dir, c->name, file);
}

static void load_part(struct run *run, struct cell *c, enum part part)
{
	char *path = cell_path(run, c, part_files[part]), *buf;
	struct parse_error err = { 0 };
	enum file_status st;
	size_t len;
	int ret;

	st = read_file(path, FILE_LIMIT, &buf, &len);
	free(path);
	/* there is none of the listening pass where nobody listened */
	if (st == FILE_ABSENT && !(c->unheard && part >= PART_LISTEN))
		db_run(run->db, "INSERT INTO absent VALUES (?, ?)", "ss",
		       c->name, part_files[part]);
	if (st == FILE_UNREADABLE)
		run_problem(run, "cell", "%s: %s cannot be read (%s): left out",
			    c->name, part_files[part], strerror(errno));
	if (st != FILE_OK)
		return;
	ret = parse_part(c, part, buf, len, &err);
	free(buf);
	if (part == PART_HIST && ret == PARSE_EMPTY && nothing_sampled(c))
		ret = PARSE_OK;
	c->ok[part] = !ret;
	if (ret && err.line)
		run_problem(run, "cell",
			    "%s: %s is %s (line %zu: %s): left out", c->name,
			    part_files[part], parse_status_name(ret), err.line,
			    err.what);
	else if (ret)
		run_problem(run, "cell", "%s: %s is %s: left out", c->name,
			    part_files[part], parse_status_name(ret));
}

/* The guest leaves an empty file where it left something out: the log, or all */
static bool is_marked(const struct run *run, const struct cell *c,
		      const char *mark)
{
	char *path = cell_path(run, c, mark);
	bool there = !access(path, F_OK);

	free(path);
	return there;
}

/*
 * Do the log's lines, the histogram's count and the writer's faults agree? The
 * workload "reuse" has faults that copy nothing, and an arm that breaks COW
 * for the writer has COWs that are not the writer's faults: there log and
 * histogram alone are compared. A cell without the log has none to compare.
 */
static const char *verdict(const struct cell *c, const uint64_t count[3])
{
	bool faults = strcmp(c->key.workload, "reuse") &&
		      !arm_prepares(c->key.arm);
	int n = 0, want = c->unheard ? 0 : 1 + !c->unlogged + faults;
	uint64_t first = NONE;

	for (int i = 0; i < (faults ? 3 : 2); i++) {
		if (count[i] == NONE)
			continue;
		if (n++ && count[i] != first)
			return "DISAGREE";
		first = count[i];
	}
	return n < want ? "incomplete" : "agree";
}

/* A row of latency; @pass has the counts of the pass, if they are known */
static void store_latency(sqlite3 *db, int cell, const char *source,
			  const char *stage, const struct latency *lat,
			  const struct user_rec *pass)
{
	static const struct user_rec none = { .elapsed_ns = NONE,
					      .faults = NONE,
					      .pages_touched = NONE,
					      .pages_copied = NONE,
					      .pages_wasted = NONE };

	pass = pass ? pass : &none;
	db_run(db,
	       "INSERT INTO latency VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	       "nssidiiiiiiiiiii", cell, source, stage, lat->count,
	       (double)lat->avg, lat->min, lat->p50, lat->p90, lat->p99,
	       lat->p999, lat->max, pass->elapsed_ns, pass->faults,
	       pass->pages_touched, pass->pages_copied, pass->pages_wasted);
}

static void store(sqlite3 *db, int id, int series, const struct cell *c)
{
	const struct user_rec *listen = c->ok[PART_LISTEN] ? &c->listen : NULL;
	const char *service = service_stage(c->key.arm);
	const struct latency *lat = stage_find(&c->hist, service);
	bool logged = c->seg && c->seg->complete;
	struct latency log;
	const uint64_t count[] = {
		logged ? c->seg->ns.n : NONE,
		!c->ok[PART_HIST] ? NONE :
		lat		  ? lat->count :
				    0,
		listen ? listen->faults : NONE,
	};

	db_run(db,
	       "INSERT INTO cell VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	       "nnsssinniiiiis", id, series, clock_name(c->key.clock),
	       c->key.arm, c->key.workload, c->key.round, !c->unlogged,
	       !c->unheard, count[0], count[1], count[2],
	       c->seg ? c->seg->lost : NONE, c->seg ? c->seg->malformed : NONE,
	       verdict(c, count));
	if (c->ok[PART_USER])
		store_latency(db, id, "user", "touch", &c->user.lat, &c->user);
	if (listen)
		store_latency(db, id, "listen", "touch", &listen->lat, listen);
	for (size_t i = 0; c->ok[PART_HIST] && i < c->hist.stage.n; i++)
		if (c->hist.stage.v[i].lat.count)
			store_latency(db, id, "debugfs",
				      c->hist.stage.v[i].name,
				      &c->hist.stage.v[i].lat, listen);
	if (logged && c->seg->ns.n) {
		latency_of_samples(&log, c->seg->ns.v, c->seg->ns.n);
		store_latency(db, id, "dmesg", service, &log, listen);
	}
	for (size_t i = 0; c->ok[PART_TOUCH] && i < c->touch.bucket.n; i++)
		db_run(db, "INSERT INTO touch VALUES (?, ?, ?)", "nii", id,
		       c->touch.bucket.v[i].lower, c->touch.bucket.v[i].count);
	for (size_t i = 0; c->ok[PART_STATS] && i < c->stats.line.n; i++)
		db_run(db, "INSERT INTO stat VALUES (?, ?, ?)", "nsi", id,
		       c->stats.line.v[i].key, c->stats.line.v[i].value);
}

/* Read what a cell left */
static void load_cell(struct run *run, struct cell *c)
{
	if (!c->has_dir)
		return;
	c->unheard = is_marked(run, c, "unheard");
	c->unlogged = c->unheard || is_marked(run, c, "unlogged");
	for (int p = 0; p < PARTS; p++)
		load_part(run, c, (enum part)p);
	for (int p = PART_USER; p <= PART_LISTEN; p += PART_LISTEN) {
		uint64_t bad = p ? c->listen.unverified : c->user.unverified;

		if (bad)
			run_problem(
				run, "data",
				"%s: %s: the check of the data FAILED in %ju row(s)",
				c->name, part_files[p], (uintmax_t)bad);
	}
	if (c->ok[PART_TOUCH] && c->ok[PART_USER] &&
	    c->user.lat.count != NONE && c->touch.total != c->user.lat.count) {
		c->ok[PART_TOUCH] = false;
		run_problem(
			run, "cell",
			"%s: touch.hist holds %ju samples, user.csv says %ju: left out of the pictures",
			c->name, (uintmax_t)c->touch.total,
			(uintmax_t)c->user.lat.count);
	}
}

/* One line for all files a cell lacks, those that every cell lacks aside */
static void tell_absent(struct run *run, const struct cell *c, int dirs)
{
	sqlite3_stmt *q = db_query(
		run->db,
		"SELECT count(*), group_concat(file, ', ') FILTER (WHERE (SELECT count(*) FROM absent o WHERE o.file = a.file) < ?2) FROM absent a WHERE name = ?1",
		"sn", c->name, dirs);

	if (!c->has_dir)
		run_problem(run, "cell",
			    "%s: in the log, but no folder under raw/",
			    c->name);
	while (db_next(&q))
		if (col_u64(q, 0) == PARTS)
			run_problem(run, "cell",
				    "%s: the folder is empty: left out",
				    c->name);
		else if (col_text(q, 1))
			run_problem(run, "cell", "%s: absent, and left out: %s",
				    c->name, col_text(q, 1));
}

/* What the log and the folder do not have in common */
static void tell_log(struct run *run, const struct cell *c)
{
	if (c->unlogged && c->seg)
		run_problem(
			run, "cell",
			"%s: in dmesg.log (line %zu), where it should not be",
			c->name, c->seg->line);
	else if (run->dmesg.seg.n && !c->seg && !c->unlogged)
		run_problem(run, "cell", "%s: nothing of it in dmesg.log",
			    c->name);
	else if (c->seg && !c->seg->complete)
		run_problem(
			run, "cell",
			"%s: begins in dmesg.log (line %zu) and does not end there: its %zu lines are left out",
			c->name, c->seg->line, c->seg->ns.n);
}

static int no_dots(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void add_cell(struct cells *cells, const struct cell_key *key, bool dir)
{
	struct cell c = { .key = *key, .has_dir = dir };

	c.name = xasprintf("%s/%s.%s.%ju", clock_name(key->clock), key->arm,
			   key->workload, (uintmax_t)key->round);
	latency_init(&c.user.lat);
	latency_init(&c.listen.lat);
	vec_push(&cells->cell, c);
}

static void list_clock(struct run *run, struct cells *cells, const char *clock)
{
	struct cell_key key = { .clock = clock_by_name(clock, strlen(clock)) };
	char *path = xasprintf("%s/raw/%s", run->dir, clock);
	char *shown = printable(clock, strlen(clock));
	struct dirent **list;
	int n;

	n = scandir(path, &list, no_dots, alphasort);
	if (n < 0)
		run_problem(run, "cell", "raw/%s cannot be read (%s): left out",
			    shown, strerror(errno));
	else if (key.clock == CLK_UNKNOWN)
		run_problem(run, "cell",
			    "raw/%s is neither wall nor icount: left out",
			    shown);
	for (int i = 0; i < n; i++) {
		const char *entry = list[i]->d_name;

		/* what has no dot is the runner's: logs, folders of jobs */
		if (key.clock == CLK_UNKNOWN) {
			/* said above */
		} else if (key_parse(entry, &key)) {
			add_cell(cells, &key, true);
		} else if (strchr(entry, '.') && list[i]->d_type != DT_REG) {
			char *name = printable(entry, strlen(entry));

			run_problem(
				run, "cell",
				"raw/%s/%s is not <arm>.<workload>.<round>: left out",
				shown, name);
			free(name);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	free(shown);
	free(path);
}

static int cmp_cell(const void *a, const void *b)
{
	return cmp_key(&((const struct cell *)a)->key,
		       &((const struct cell *)b)->key);
}

static void sort_cells(struct cells *cells)
{
	if (cells->cell.n)
		qsort(cells->cell.v, cells->cell.n, sizeof(*cells->cell.v),
		      cmp_cell);
}

static void list_cells(struct run *run, struct cells *cells)
{
	char *path = xasprintf("%s/raw", run->dir);
	struct dirent **list;
	size_t dirs, s = 0;
	int n;

	n = scandir(path, &list, no_dots, alphasort);
	if (n < 0)
		run_problem(run, "cell", "raw/ cannot be read: %s",
			    strerror(errno));
	for (int i = 0; i < n; i++) {
		/* what the model has counted is read apart */
		if (list[i]->d_type != DT_REG &&
		    strcmp(list[i]->d_name, "memory"))
			list_clock(run, cells, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	free(path);
	sort_cells(cells);
	/* what only the log knows of */
	dirs = cells->cell.n;
	for (size_t i = 0; i < run->dmesg.seg.n; i++) {
		struct cell cell = { .key = run->dmesg.seg.v[i].key };

		if (!dirs || !bsearch(&cell, cells->cell.v, dirs, sizeof(cell),
				      cmp_cell))
			add_cell(cells, &cell.key, false);
	}
	sort_cells(cells);
	/* both are sorted, and every segment has its cell */
	for (size_t i = 0; i < cells->cell.n && s < run->dmesg.seg.n; i++)
		if (!cmp_key(&run->dmesg.seg.v[s].key, &cells->cell.v[i].key))
			cells->cell.v[i].seg = &run->dmesg.seg.v[s++];
}

void cells_load(struct run *run)
{
	struct cells cells = { 0 };
	int series = 0, dirs = 0;
	sqlite3_stmt *q;

	db_run(run->db, "CREATE TEMP TABLE absent(name, file)", "");
	list_cells(run, &cells);
	for (size_t i = 0; i < cells.cell.n; i++) {
		struct cell *c = &cells.cell.v[i];

		load_cell(run, c);
		dirs += c->has_dir;
		if (!i || strcmp(c[-1].key.arm, c->key.arm) ||
		    strcmp(c[-1].key.workload, c->key.workload) ||
		    c[-1].key.clock != c->key.clock)
			series++;
		store(run->db, (int)i + 1, series, c);
		stage_list_free(&c->hist);
		touch_hist_free(&c->touch);
		stats_free(&c->stats);
	}
	q = db_query(
		run->db,
		"SELECT file FROM absent GROUP BY file HAVING count(*) = ? ORDER BY min(rowid)",
		"n", dirs);
	while (db_next(&q))
		run_problem(run, "cell", "no cell has a file %s",
			    col_text(q, 0));
	for (size_t i = 0; i < cells.cell.n; i++) {
		struct cell *c = &cells.cell.v[i];

		tell_absent(run, c, dirs);
		tell_log(run, c);
		free(c->name);
	}
	vec_free(&cells.cell);
	db_run(run->db, "DROP TABLE absent", "");
}

/* Each arm should have the rounds the other arms of its boot have */
static void check_rounds(struct run *run)
{
	sqlite3_stmt *q = db_query(
		run->db,
		"SELECT clock, arm, workload, series, (SELECT max(round) FROM cell o WHERE o.clock = c.clock AND o.workload = c.workload) AS most, count(DISTINCT nullif(round, 0)) AS n FROM cell c GROUP BY series HAVING n < most ORDER BY series",
		"");

	while (db_next(&q)) {
		uint64_t most = col_u64(q, 4), missing = most - col_u64(q, 5);
		char *list = xstrdup("");
		sqlite3_stmt *r = db_query(
			run->db,
			"WITH RECURSIVE n(r) AS (SELECT 1 UNION ALL SELECT r + 1 FROM n WHERE r < ?1) SELECT r FROM n EXCEPT SELECT round FROM cell WHERE series = ?2 ORDER BY 1 LIMIT 20",
			"ii", most, col_u64(q, 3));

		while (db_next(&r))
			append(&list, "%s%s", *list ? ", " : "",
			       col_text(r, 0));
		run_problem(run, "round",
			    "%s/%s.%s: %ju of %ju rounds are missing: %s%s",
			    col_text(q, 0), col_text(q, 1), col_text(q, 2),
			    (uintmax_t)missing, (uintmax_t)most, list,
			    missing > 20 ? ", ..." : "");
		free(list);
	}
}

/* What one boot measured, the other should have measured too */
static void check_boot(struct run *run, enum cow_clock clock)
{
	const char *name = clock_name(clock);
	sqlite3_stmt *q;

	if (db_number(run->db, "SELECT 1 FROM cell WHERE clock = ?", "s",
		      name) != 1) {
		if (strcmp(run->env.boot[clock].accel, "unknown") &&
		    db_number(run->db,
			      "SELECT 1 FROM experiment WHERE clock = ?", "s",
			      name) != 1)
			run_problem(
				run, "round",
				"%s: env.json names this boot, and nothing of it was measured",
				name);
		return;
	}
	q = db_query(
		run->db,
		"SELECT arm, workload, clock FROM series g WHERE clock NOT IN (?1, 'unknown') AND NOT EXISTS (SELECT 1 FROM series o WHERE o.clock = ?1 AND o.arm = g.arm AND o.workload = g.workload) ORDER BY series",
		"s", name);
	while (db_next(&q)) {
		struct cell_key key = { .clock = clock };

		snprintf(key.arm, NAME_LEN, "%s", col_text(q, 0));
		snprintf(key.workload, NAME_LEN, "%s", col_text(q, 1));
		if (!wall_only(&key))
			run_problem(run, "round",
				    "%s/%s.%s: not measured; clock %s has it",
				    name, key.arm, key.workload,
				    col_text(q, 2));
	}
}

void cells_check(struct run *run)
{
	check_rounds(run);
	for (int c = 0; c < CLK_UNKNOWN; c++)
		check_boot(run, (enum cow_clock)c);
}
