// SPDX-License-Identifier: GPL-2.0
/* load.c - a run's folder, which may keep its input in raw.tar.zst, read */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"
#include "model.h"

#define FILE_LIMIT ((size_t)1 << 30)

/* Run a program; what it says goes to standard error; 0 or why it failed */
static char *run_program(const char *const argv[])
{
	int status = 0, err;
	pid_t pid;

	err = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv,
			   environ);
	if (err)
		return xasprintf("%s does not start: %s", argv[0],
				 strerror(err));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? xasprintf("%s failed", argv[0]) : NULL;
}

/* The folder in the archive, which has the name of the run */
static char *only_folder(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *d;
	char *path = NULL;

	while (list && !path && (d = readdir(list)))
		if (d->d_name[0] != '.')
			path = xasprintf("%s/%s", dir, d->d_name);
	if (list)
		closedir(list);
	return path;
}

/* Find a run's input, unpacked if need be; returns 0, or -1 */
int packed_open(struct packed *p, const char *dir, char **why)
{
	char *raw = xasprintf("%s/raw", dir);
	char *archive = xasprintf("%s/raw.tar.zst", dir);
	const char *tmp = getenv("TMPDIR");
	char *temp = xasprintf("%s/cowreport-XXXXXX", tmp ? tmp : "/tmp");
	const char *const tar[] = { "tar", "--zstd", "-C", temp,
				    "-xf", archive,  NULL };

	*p = (struct packed){ 0 };
	*why = NULL;
	if (!access(raw, F_OK) || access(archive, F_OK)) {
		p->dir = xstrdup(dir);
	} else if (!mkdtemp(temp)) {
		*why = xasprintf("%s: %s", temp, strerror(errno));
	} else {
		p->tmp = xstrdup(temp);
		*why = run_program(tar);
		if (*why)
			append(why, ": %s", archive);
		else if (!(p->dir = only_folder(temp)))
			*why = xasprintf("%s holds no folder", archive);
	}
	free(temp);
	free(archive);
	free(raw);
	return *why ? -1 : 0;
}

void packed_close(struct packed *p)
{
	const char *const rm[] = { "rm", "-rf", p->tmp, NULL };

	if (p->tmp)
		free(run_program(rm));
	free(p->tmp);
	free(p->dir);
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
	/* The model's cells write no log. */
	if (st == FILE_ABSENT && model_any(run->db))
		;
	else if (st == FILE_ABSENT)
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
	model_load(run);
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
