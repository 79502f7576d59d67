// SPDX-License-Identifier: GPL-2.0
/* Searches the guest's logs for panics, oopses and warnings. */
#include "cowguest.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Distinct bad lines kept for comparison; later ones are only counted. */
#define MAX_KEPT 4096

static const char * const panic_marks[] = {
	"Kernel panic - not syncing",
	NULL
};

/*
 * The first line of an oops. A bare "general protection fault" is not one: the
 * kernel logs it for a user process too ("traps: x[1] general protection fault
 * ip:").
 */
static const char * const oops_marks[] = {
	"Oops: ", "BUG: unable to handle", "BUG: kernel NULL pointer",
	"kernel BUG at ", "general protection fault,",
	"general protection fault:", "invalid opcode:", "divide error:",
	"double fault:", "stack segment:", "stack guard page was hit",
	NULL
};

static const char * const bad_marks[] = {
	/* warnings, and reports with BUG: KASAN, KCSAN, KFENCE, Bad page, ... */
	"WARNING:", "BUG:", "KASAN:", "KCSAN:", "KFENCE:", "UBSAN:",
	"kernel memory overwrite attempt", "kernel memory exposure attempt",
	"list_add corruption", "list_del corruption", "refcount_t:",
	/* lockdep and RCU's checker */
	"possible circular locking", "possible recursive locking",
	"possible irq lock inversion", "inconsistent lock state",
	"irq-safe -> ", "bad unlock balance", "held lock freed",
	"lock held when returning", "Invalid wait context",
	"trying to register non-static key", "suspicious RCU usage",
	"Nested lock was not taken",
	/* stalls */
	"self-detected stall", "detected stalls on CPUs",
	"detected expedited stalls", "rcu_tasks detected stalls",
	"kthread starved for", "blocked for more than", "soft lockup",
	"hard LOCKUP", "workqueue lockup", "nobody cared",
	/* memory */
	"Out of memory: Killed", "Out of memory and no killable",
	"Memory cgroup out of memory", "oom-kill:", "invoked oom-killer",
	"page allocation failure", "Bad page state", "Bad page map",
	"Bad rss-counter", "non-zero pgtables_bytes", "page dumped because",
	"suspicious memory leak", "unreferenced object 0x",
	NULL
};

/* The guest had too little memory to boot. */
static const char * const no_mem_marks[] = {
	"System is deadlocked on memory", "Out of memory and no killable",
	"nitramfs unpacking failed: write error",
	"text bytes not available",
	NULL
};

static bool has_any(const char *line, const char * const *marks)
{
	for (; *marks; marks++)
		if (strstr(line, *marks))
			return true;
	return false;
}

/**
 * findings_init - start with no findings
 * @f: findings
 * @allow: regular expressions of permitted lines
 *
 * Return: 0, or -EINVAL if an expression is invalid, after a message.
 */
int findings_init(struct findings *f, const struct strvec *allow)
{
	char why[200];
	size_t i;
	int err;

	memset(f, 0, sizeof(*f));
	if (!allow->n)
		return 0;
	f->allow = xrealloc(NULL, allow->n * sizeof(*f->allow));
	for (i = 0; i < allow->n; i++) {
		err = regcomp(&f->allow[i], allow->v[i],
			      REG_EXTENDED | REG_NOSUB);
		if (err) {
			regerror(err, &f->allow[i], why, sizeof(why));
			say("--allow '%s': %s", allow->v[i], why);
			return -EINVAL;
		}
		f->n_allow++;
	}
	return 0;
}

/**
 * findings_free - free the memory of findings
 * @f: findings
 */
void findings_free(struct findings *f)
{
	while (f->n_allow)
		regfree(&f->allow[--f->n_allow]);
	free(f->allow);
	strvec_free(&f->lines);
	free(f->first_file);
	free(f->panic);
	free(f->oops);
	free(f->no_mem);
}

static char *keep(const char *line)
{
	char *s = xstrdup(line);

	printable(s);
	return s;
}

/**
 * findings_line - judge one line of a log
 * @f: findings
 * @file: the log's name
 * @no: line number
 * @line: the line, without its newline
 */
void findings_line(struct findings *f, const char *file, unsigned long no,
		   const char *line)
{
	bool panic = has_any(line, panic_marks);
	bool oops = has_any(line, oops_marks);
	char *s;
	size_t i;

	if (!f->no_mem && has_any(line, no_mem_marks))
		f->no_mem = keep(line);
	if (!panic && !oops && !has_any(line, bad_marks))
		return;
	for (i = 0; i < f->n_allow; i++)
		if (!regexec(&f->allow[i], line, 0, NULL, 0))
			return;
	if (panic && !f->panic)
		f->panic = keep(line);
	if (oops && !f->oops)
		f->oops = keep(line);

	/* dmesg.log repeats lines of the console. */
	s = keep(line);
	for (i = 0; i < f->lines.n; i++) {
		if (!strcmp(f->lines.v[i], s)) {
			free(s);
			return;
		}
	}
	if (!f->n_bad++) {
		f->first_file = xstrdup(file);
		f->first_line = no;
	}
	if (f->lines.n < MAX_KEPT)
		strvec_add(&f->lines, "%s", s);
	free(s);
}

static bool older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/**
 * findings_tree - judge every dmesg.log below a directory
 * @f: findings
 * @dir: directory
 * @since: skip logs that are older, of an earlier run in the same DIR
 *
 * Return: the number of logs.
 */
int findings_tree(struct findings *f, const char *dir,
		  const struct timespec *since)
{
	char *const paths[] = { (char *)dir, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	char *line = NULL;
	size_t size = 0;
	int logs = 0;
	FTSENT *e;
	ssize_t n;

	while (tree && (e = fts_read(tree))) {
		unsigned long no = 0;
		FILE *log;

		if (e->fts_info != FTS_F || strcmp(e->fts_name, NAME_DMESG) ||
		    older(&e->fts_statp->st_mtim, since))
			continue;
		log = fopen(e->fts_path, "re");
		if (!log)
			continue;
		logs++;
		while ((n = getline(&line, &size, log)) > 0) {
			while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
				line[--n] = '\0';
			findings_line(f, e->fts_path + strlen(dir) + 1, ++no,
				      line);
		}
		fclose(log);
	}
	free(line);
	if (tree)
		fts_close(tree);
	return logs;
}
