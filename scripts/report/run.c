// SPDX-License-Identifier: GPL-2.0
/* run.c - a run's folder, read */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "experiments.h"
#include "run.h"

#define LOG_LIMIT ((size_t)1 << 30)
#define FILE_LIMIT ((size_t)16 << 20)

enum part { PART_USER, PART_TOUCH, PART_LISTEN, PART_HIST, PART_STATS, PARTS };

static const char *const part_files[PARTS] = {
	"user.csv", "touch.hist", "listen.csv", "latency_hist", "stats",
};

static void PRINTF(3, 4)
	problem(struct run *run, enum problem_kind kind, const char *fmt, ...)
{
	struct problem p = { .kind = kind };
	va_list ap;

	if (run->problem.n == PROBLEMS_MAX) {
		run->more_problems++;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&p.text, fmt, ap) < 0)
		p.text = xstrdup("out of memory");
	va_end(ap);
	vec_push(&run->problem, p);
}

/**
 * cell_name - how a cell is called in messages
 * @key: which
 *
 * Return: "wall/next.seq.1", to be freed.
 */
char *cell_name(const struct cell_key *key)
{
	return xasprintf("%s/%s.%s.%ju", clock_name(key->clock), key->arm,
			 key->workload, (uintmax_t)key->round);
}

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

static bool *part_ok(struct cell *c, enum part part)
{
	switch (part) {
	case PART_USER:
		return &c->user_ok;
	case PART_TOUCH:
		return &c->touch_ok;
	case PART_LISTEN:
		return &c->listen_ok;
	case PART_HIST:
		return &c->hist_ok;
	default:
		return &c->stats_ok;
	}
}

/*
 * A histogram nothing was put into is empty, and right, where the log has not
 * a line of that pass either or, without a log, where the writer had no fault that copied.
 */
static bool nothing_sampled(const struct cell *c)
{
	if (c->unlogged)
		return c->listen_ok && (!c->listen.faults ||
					(!strcmp(c->key.workload, "reuse") &&
					 !c->listen.pages_copied));
	return c->listen_ok && c->seg && c->seg->complete && !c->seg->ns.n &&
	       !c->seg->lost && !c->seg->malformed;
}

static void load_part(struct run *run, struct cell *c, enum part part,
		      const char *name, bool absent[PARTS])
{
	struct parse_error err = { 0 };
	enum file_status st;
	char *path, *buf;
	size_t len;
	int ret;

	path = xasprintf("%s/raw/%s/%s.%s.%ju/%s", run->dir,
			 clock_name(c->key.clock), c->key.arm, c->key.workload,
			 (uintmax_t)c->key.round, part_files[part]);
	st = read_file(path, FILE_LIMIT, &buf, &len);
	absent[part] = st == FILE_ABSENT;
	if (st == FILE_UNREADABLE)
		problem(run, PROBLEM_CELL,
			"%s: %s cannot be read (%s): left out", name,
			part_files[part], strerror(errno));
	free(path);
	if (st != FILE_OK)
		return;
	ret = parse_part(c, part, buf, len, &err);
	free(buf);
	if (part == PART_HIST && ret == PARSE_EMPTY && nothing_sampled(c))
		ret = PARSE_OK;
	*part_ok(c, part) = !ret;
	if (ret && err.line)
		problem(run, PROBLEM_CELL,
			"%s: %s is %s (line %zu: %s): left out", name,
			part_files[part], parse_status_name(ret), err.line,
			err.what);
	else if (ret)
		problem(run, PROBLEM_CELL, "%s: %s is %s: left out", name,
			part_files[part], parse_status_name(ret));
}

/* The guest leaves an empty file where it left something out: the log, or all */
static bool is_marked(const struct run *run, const struct cell_key *key,
		      const char *mark)
{
	char *path = xasprintf("%s/raw/%s/%s.%s.%ju/%s", run->dir,
			       clock_name(key->clock), key->arm, key->workload,
			       (uintmax_t)key->round, mark);
	bool there = !access(path, F_OK);

	free(path);
	return there;
}

static void check_verified(struct run *run, const char *name, const char *file,
			   const struct user_rec *rec)
{
	if (rec->unverified)
		problem(run, PROBLEM_DATA,
			"%s: %s: the check of the data FAILED in %ju row(s)",
			name, file, (uintmax_t)rec->unverified);
}

static void check_touch(struct run *run, const char *name, struct cell *c)
{
	if (!c->touch_ok || !c->user_ok || c->user.lat.count == NONE ||
	    c->touch.total == c->user.lat.count)
		return;
	c->touch_ok = false;
	problem(run, PROBLEM_CELL,
		"%s: touch.hist holds %ju samples, user.csv says %ju: left out of the pictures",
		name, (uintmax_t)c->touch.total, (uintmax_t)c->user.lat.count);
}

/* Is the file of the listening pass? */
static bool is_heard(enum part part)
{
	return part == PART_LISTEN || part == PART_HIST || part == PART_STATS;
}

/* One line for all files a cell lacks, those that every cell lacks aside */
static void tell_absent(struct run *run, const char *name,
			const bool absent[PARTS], const bool everywhere[PARTS])
{
	char *list = xstrdup("");
	size_t n = 0, all = 0;

	for (int p = 0; p < PARTS; p++) {
		char *longer;

		all += absent[p];
		if (!absent[p] || everywhere[p])
			continue;
		longer = xasprintf("%s%s%s", list, n++ ? ", " : "",
				   part_files[p]);
		free(list);
		list = longer;
	}
	if (all == PARTS)
		problem(run, PROBLEM_CELL, "%s: the folder is empty: left out",
			name);
	else if (n)
		problem(run, PROBLEM_CELL, "%s: absent, and left out: %s", name,
			list);
	free(list);
}

static void load_cells(struct run *run)
{
	bool everywhere[PARTS] = { true, true, true, true, true };
	VEC(struct absence { bool part[PARTS]; }) absent = { 0 };
	size_t dirs = 0;

	for (size_t i = 0; i < run->cell.n; i++) {
		struct cell *c = &run->cell.v[i];
		char *name = cell_name(&c->key);
		struct absence a = { 0 };

		if (c->has_dir) {
			dirs++;
			c->unheard = is_marked(run, &c->key, "unheard");
			c->unlogged = c->unheard ||
				      is_marked(run, &c->key, "unlogged");
			for (int p = 0; p < PARTS; p++) {
				load_part(run, c, (enum part)p, name, a.part);
				if (c->unheard && is_heard((enum part)p))
					a.part[p] = false;
				everywhere[p] &= a.part[p];
			}
			check_verified(run, name, "user.csv", &c->user);
			check_verified(run, name, "listen.csv", &c->listen);
			check_touch(run, name, c);
		}
		vec_push(&absent, a);
		free(name);
	}
	for (int p = 0; p < PARTS && dirs; p++)
		if (everywhere[p])
			problem(run, PROBLEM_CELL, "no cell has a file %s",
				part_files[p]);
	for (size_t i = 0; i < run->cell.n; i++) {
		struct cell *c = &run->cell.v[i];
		char *name = cell_name(&c->key);

		if (!c->has_dir)
			problem(run, PROBLEM_CELL,
				"%s: in the log, but no folder under raw/",
				name);
		else
			tell_absent(run, name, absent.v[i].part, everywhere);
		if (c->unlogged && c->seg)
			problem(run, PROBLEM_CELL,
				"%s: in dmesg.log (line %zu), where it should not be",
				name, c->seg->line);
		else if (run->dmesg.seg.n && !c->seg && !c->unlogged)
			problem(run, PROBLEM_CELL,
				"%s: nothing of it in dmesg.log", name);
		else if (c->seg && !c->seg->complete)
			problem(run, PROBLEM_CELL,
				"%s: begins in dmesg.log (line %zu) and does not end there: its %zu lines are left out",
				name, c->seg->line, c->seg->ns.n);
		free(name);
	}
	vec_free(&absent);
}

/* "next.seq.1" */
static bool parse_dir_name(const char *s, struct cell_key *key)
{
	const char *dot = strchr(s, '.'), *last = strrchr(s, '.');

	return dot && last != dot &&
	       copy_name(key->arm, s, (size_t)(dot - s)) &&
	       copy_name(key->workload, dot + 1, (size_t)(last - dot - 1)) &&
	       last[1] != '0' &&
	       parse_u64(last + 1, strlen(last + 1), &key->round) &&
	       key->round <= ROUND_MAX;
}

static int no_dots(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static char *printable(const char *s)
{
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return xstrdup("?");
	put_plain(f, s, strlen(s));
	if (fclose(f))
		return xstrdup("?");
	return text;
}

static void list_clock(struct run *run, const char *clock)
{
	enum cow_clock c = clock_by_name(clock, strlen(clock));
	char *path = xasprintf("%s/raw/%s", run->dir, clock);
	char *shown = printable(clock);
	struct dirent **list;
	int n;

	n = scandir(path, &list, no_dots, alphasort);
	if (n < 0)
		problem(run, PROBLEM_CELL,
			"raw/%s cannot be read (%s): left out", shown,
			strerror(errno));
	else if (c == CLK_UNKNOWN)
		problem(run, PROBLEM_CELL,
			"raw/%s is neither wall nor icount: left out", shown);
	for (int i = 0; i < n; i++) {
		struct cell cell = { .has_dir = true };

		cell.key.clock = c;
		if (c == CLK_UNKNOWN) {
			/* said above */
		} else if (parse_dir_name(list[i]->d_name, &cell.key)) {
			latency_init(&cell.user.lat);
			latency_init(&cell.listen.lat);
			vec_push(&run->cell, cell);
		} else if (strchr(list[i]->d_name, '.') &&
			   list[i]->d_type != DT_REG) {
			/* others are the runner's own: logs, folders of jobs */
			char *name = printable(list[i]->d_name);

			problem(run, PROBLEM_CELL,
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

static void list_cells(struct run *run)
{
	char *path = xasprintf("%s/raw", run->dir);
	struct dirent **list;
	size_t dirs;
	int n;

	n = scandir(path, &list, no_dots, alphasort);
	if (n < 0)
		problem(run, PROBLEM_CELL, "raw/ cannot be read: %s",
			strerror(errno));
	for (int i = 0; i < n; i++) {
		if (list[i]->d_type != DT_REG)
			list_clock(run, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	free(path);
	if (run->cell.n)
		qsort(run->cell.v, run->cell.n, sizeof(*run->cell.v), cmp_cell);
	/* what only the log knows of */
	dirs = run->cell.n;
	for (size_t i = 0; i < run->dmesg.seg.n; i++) {
		struct cell cell = { .key = run->dmesg.seg.v[i].key };

		if (dirs && bsearch(&cell, run->cell.v, dirs,
				    sizeof(*run->cell.v), cmp_cell))
			continue;
		latency_init(&cell.user.lat);
		latency_init(&cell.listen.lat);
		vec_push(&run->cell, cell);
	}
	if (run->cell.n)
		qsort(run->cell.v, run->cell.n, sizeof(*run->cell.v), cmp_cell);
}

static void match_log(struct run *run)
{
	size_t s = 0;

	for (size_t i = 0; i < run->cell.n; i++) {
		struct cell *c = &run->cell.v[i];

		/* both are sorted, and every segment has its cell */
		latency_init(&c->log);
		if (s == run->dmesg.seg.n ||
		    cmp_key(&run->dmesg.seg.v[s].key, &c->key))
			continue;
		c->seg = &run->dmesg.seg.v[s++];
		c->log_ok = c->seg->complete;
		if (c->log_ok)
			latency_of_samples(&c->log, c->seg->ns.v, c->seg->ns.n);
	}
}

static void load_log(struct run *run)
{
	char *path = xasprintf("%s/dmesg.log", run->dir);
	enum file_status st;
	char *buf;
	size_t len;

	st = read_file(path, LOG_LIMIT, &buf, &len);
	run->has_log = st == FILE_OK;
	if (st == FILE_ABSENT)
		problem(run, PROBLEM_LOG, "dmesg.log is absent");
	else if (st == FILE_UNREADABLE)
		problem(run, PROBLEM_LOG, "dmesg.log cannot be read: %s",
			strerror(errno));
	else if (parse_dmesg(buf, len, &run->dmesg))
		problem(run, PROBLEM_LOG, "dmesg.log is empty");
	else if (!run->dmesg.seg.n && !experiments_any(run, CLK_NR))
		problem(run, PROBLEM_LOG,
			"dmesg.log holds no \"cowlab: begin\" line");
	free(buf);
	free(path);
}

static void load_env(struct run *run)
{
	char *path = xasprintf("%s/env.json", run->dir);
	struct parse_error err;
	enum file_status st;
	char *buf;
	size_t len;
	int ret;

	st = read_file(path, FILE_LIMIT, &buf, &len);
	if (st == FILE_UNREADABLE)
		problem(run, PROBLEM_ENV, "env.json cannot be read: %s",
			strerror(errno));
	ret = parse_env(buf, len, &run->env, &err);
	if (st == FILE_ABSENT)
		problem(run, PROBLEM_ENV,
			"env.json is absent: the numbers carry no label");
	else if (st == FILE_OK && ret)
		problem(run, PROBLEM_ENV, "env.json is %s: %s",
			parse_status_name(ret), err.what);
	free(buf);
	free(path);
}

/**
 * run_group_end - the cells of one clock, arm and workload stand together
 * @run: the run
 * @first: index of the first of them
 *
 * Return: the index behind the last.
 */
size_t run_group_end(const struct run *run, size_t first)
{
	const struct cell_key *a = &run->cell.v[first].key;
	size_t i;

	for (i = first + 1; i < run->cell.n; i++) {
		const struct cell_key *b = &run->cell.v[i].key;

		if (a->clock != b->clock || strcmp(a->arm, b->arm) ||
		    strcmp(a->workload, b->workload))
			break;
	}
	return i;
}

/* Each arm should have the rounds the other arms of its boot have */
static void check_rounds(struct run *run)
{
	for (size_t i = 0, end; i < run->cell.n; i = end) {
		const struct cell_key *g = &run->cell.v[i].key;
		bool want[ROUND_MAX + 1] = { false };
		char *list = xstrdup("");
		uint64_t max = 0;
		size_t n = 0;

		end = run_group_end(run, i);
		for (size_t k = 0; k < run->cell.n; k++) {
			const struct cell_key *o = &run->cell.v[k].key;

			if (o->clock != g->clock ||
			    strcmp(o->workload, g->workload))
				continue;
			if (o->round > max)
				max = o->round;
		}
		for (uint64_t r = 1; r <= max; r++)
			want[r] = true;
		for (size_t k = i; k < end; k++)
			want[run->cell.v[k].key.round] = false;
		for (uint64_t r = 1; r <= max; r++) {
			char *longer;

			if (!want[r])
				continue;
			if (++n > 20)
				continue;
			longer = xasprintf("%s%s%ju", list, n > 1 ? ", " : "",
					   (uintmax_t)r);
			free(list);
			list = longer;
		}
		if (n)
			problem(run, PROBLEM_ROUND,
				"%s/%s.%s: %zu of %ju rounds are missing: %s%s",
				clock_name(g->clock), g->arm, g->workload, n,
				(uintmax_t)max, list, n > 20 ? ", ..." : "");
		free(list);
	}
}

static bool has_group(const struct run *run, enum cow_clock clock,
		      const struct cell_key *key)
{
	for (size_t i = 0; i < run->cell.n; i++) {
		const struct cell_key *o = &run->cell.v[i].key;

		if (o->clock == clock &&
		    (!key || (!strcmp(o->arm, key->arm) &&
			      !strcmp(o->workload, key->workload))))
			return true;
	}
	return false;
}

/* What one boot measured, the other should have measured too */
static void check_boots(struct run *run)
{
	for (int c = 0; c < CLK_UNKNOWN; c++) {
		enum cow_clock clock = (enum cow_clock)c;

		if (!has_group(run, clock, NULL)) {
			if (strcmp(run->env.boot[c].accel, "unknown") &&
			    !experiments_any(run, clock))
				problem(run, PROBLEM_ROUND,
					"%s: env.json names this boot, and nothing of it was measured",
					clock_name(clock));
			continue;
		}
		for (size_t i = 0; i < run->cell.n; i = run_group_end(run, i)) {
			const struct cell_key *g = &run->cell.v[i].key;

			if (g->clock == clock || g->clock == CLK_UNKNOWN ||
			    wall_only(g) || has_group(run, clock, g))
				continue;
			problem(run, PROBLEM_ROUND,
				"%s/%s.%s: not measured; clock %s has it",
				clock_name(clock), g->arm, g->workload,
				clock_name(g->clock));
		}
	}
}

static char *last_part(const char *dir)
{
	char *path = realpath(dir, NULL);
	const char *slash = path ? strrchr(path, '/') : NULL;
	char *name = printable(slash && slash[1] ? slash + 1 : dir);

	free(path);
	return name;
}

/**
 * run_load - read a run's folder
 * @run: what it holds, to be given to run_free() in every case
 * @dir: its path
 *
 * Return: 0, or -1 with errno set where there is no such folder. All else that
 * may be wrong is a struct problem, or counted in @run->dmesg.
 */
int run_load(struct run *run, const char *dir)
{
	struct stat st;

	memset(run, 0, sizeof(*run));
	if (stat(dir, &st))
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	run->dir = xstrdup(dir);
	run->name = last_part(dir);
	load_env(run);
	load_log(run);
	list_cells(run);
	match_log(run);
	load_cells(run);
	check_rounds(run);
	check_boots(run);
	return 0;
}

void run_free(struct run *run)
{
	for (size_t i = 0; i < run->cell.n; i++) {
		stage_list_free(&run->cell.v[i].hist);
		touch_hist_free(&run->cell.v[i].touch);
		stats_free(&run->cell.v[i].stats);
	}
	vec_free(&run->cell);
	for (size_t i = 0; i < run->problem.n; i++)
		free(run->problem.v[i].text);
	vec_free(&run->problem);
	env_free(&run->env);
	dmesg_free(&run->dmesg);
	free(run->dir);
	free(run->name);
	memset(run, 0, sizeof(*run));
}

/**
 * run_find - the cell of a key
 * @run: the run
 * @key: the key
 *
 * Return: the cell, or NULL.
 */
const struct cell *run_find(const struct run *run, const struct cell_key *key)
{
	struct cell want = { .key = *key };

	if (!run->cell.n)
		return NULL;
	return bsearch(&want, run->cell.v, run->cell.n, sizeof(want), cmp_cell);
}

/**
 * run_has_data - was anything measured at all
 * @run: the run
 *
 * Return: false where a summary would have no row.
 */
bool run_has_data(const struct run *run)
{
	for (size_t i = 0; i < run->cell.n; i++) {
		const struct cell *c = &run->cell.v[i];

		if (c->user_ok || (c->hist_ok && c->hist.stage.n) ||
		    (c->log_ok && c->log.count))
			return true;
	}
	return experiments_any(run, CLK_NR);
}
