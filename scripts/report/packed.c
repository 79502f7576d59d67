// SPDX-License-Identifier: GPL-2.0
/* packed.c - a run's folder that keeps its input in raw.tar.zst */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

/* Run a program; what it says goes to standard error; 0 or why it failed */
static char *run(const char *const argv[])
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
		*why = run(tar);
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
		free(run(rm));
	free(p->tmp);
	free(p->dir);
}
