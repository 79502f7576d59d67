// SPDX-License-Identifier: GPL-2.0
/* run.c - a run's folder, read into its store */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "load.h"

#define FILE_LIMIT ((size_t)1 << 30)

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

static enum file_status read_part(const struct run *run, const char *file,
				  char **buf, size_t *len)
{
	char *path = xasprintf("%s/%s", run->dir, file);
	enum file_status st = read_file(path, FILE_LIMIT, buf, len);

	free(path);
	return st;
}

static void load_log(struct run *run)
{
	size_t len;
	char *buf;
	enum file_status st = read_part(run, "dmesg.log", &buf, &len);

	run->has_log = st == FILE_OK;
	if (st == FILE_ABSENT)
		run_problem(run, "log", "dmesg.log is absent");
	else if (st == FILE_UNREADABLE)
		run_problem(run, "log", "dmesg.log cannot be read: %s",
			    strerror(errno));
	else if (parse_dmesg(buf, len, &run->dmesg))
		run_problem(run, "log", "dmesg.log is empty");
	else if (!run->dmesg.seg.n &&
		 db_number(run->db, "SELECT 1 FROM experiment", "") != 1)
		run_problem(run, "log",
			    "dmesg.log holds no \"cowlab: begin\" line");
	free(buf);
}

static void store_env(sqlite3 *db, const struct env *e)
{
	db_run(db,
	       "INSERT INTO env VALUES ('date', ?), ('git', ?), ('kernel', ?), ('compiler', ?), ('kernel config', ?), ('QEMU', ?), ('host', ? || ', ' || ? || ' cores, ' || ?)",
	       "sssssssss", e->date, e->git, e->release, e->compiler, e->config,
	       e->qemu, e->cpu, e->cores, e->os);
	for (const struct env_boot *b = e->boot; b < e->boot + CLK_UNKNOWN; b++)
		db_run(db, "INSERT INTO boot VALUES (?, ?, ?, ?, ?, ?)",
		       "ssssss", clock_name(b->clock), b->accel, b->cpu_model,
		       b->smp, b->mem, b->cmdline);
}

static void load_env(struct run *run)
{
	struct parse_error err;
	size_t len;
	char *buf;
	enum file_status st = read_part(run, "env.json", &buf, &len);
	int ret;

	if (st == FILE_UNREADABLE)
		run_problem(run, "env", "env.json cannot be read: %s",
			    strerror(errno));
	ret = parse_env(buf, len, &run->env, &err);
	if (st == FILE_ABSENT)
		run_problem(run, "env",
			    "env.json is absent: the numbers carry no label");
	else if (st == FILE_OK && ret)
		run_problem(run, "env", "env.json is %s: %s",
			    parse_status_name(ret), err.what);
	store_env(run->db, &run->env);
	free(buf);
}

/**
 * run_load - read a run's folder
 * @run: the result, to be given to run_free() in every case
 * @dir: the folder
 *
 * Return: 0, or -1 with errno set where there is no such folder. All else that
 * may be wrong is a problem in the store, or counted in @run->dmesg.
 */
int run_load(struct run *run, const char *dir)
{
	const char *slash;
	struct stat st;
	char *path;

	memset(run, 0, sizeof(*run));
	if (stat(dir, &st))
		return -1;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return -1;
	}
	path = realpath(dir, NULL);
	slash = path ? strrchr(path, '/') : NULL;
	slash = slash && slash[1] ? slash + 1 : dir;
	run->name = printable(slash, strlen(slash));
	free(path);
	run->dir = xstrdup(dir);
	run->db = db_new();
	db_run(run->db, "BEGIN", "");
	load_env(run);
	experiments_load(run->db, dir);
	load_log(run);
	cells_load(run);
	cells_check(run);
	crosscheck_load(run->db, dir);
	db_run(run->db, "COMMIT", "");
	return 0;
}

void run_free(struct run *run)
{
	sqlite3_close(run->db);
	env_free(&run->env);
	dmesg_free(&run->dmesg);
	free(run->dir);
	free(run->name);
	memset(run, 0, sizeof(*run));
}

/*
 * Was anything measured at all; returns false where a summary would have no row
 */
bool run_has_data(const struct run *run)
{
	return db_number(
		       run->db,
		       "SELECT EXISTS (SELECT 1 FROM latency WHERE source <> 'listen') OR EXISTS (SELECT 1 FROM experiment)",
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

	if (run_whole(run, &v))
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
