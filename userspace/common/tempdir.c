// SPDX-License-Identifier: GPL-2.0
/* A folder that nobody else has files in, and that goes with the program. */
#include "common/tempdir.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/**
 * tempdir_make - make a folder that is removed however this program ends, or exit
 * @guardian: filled in; guardian_end() removes the folder
 * @in: where to make it; NULL: $TMPDIR, or /tmp
 * @name: the folder's name begins so
 * @room: most bytes of its path, with the end of the string; a socket in it
 *        must have a path that fits into struct sockaddr_un
 *
 * To be called once: the path is in static memory.
 *
 * Return: its absolute path.
 */
const char *tempdir_make(struct guardian *guardian, const char *in,
			 const char *name, size_t room)
{
	static char dir[PATH_MAX];
	char full[PATH_MAX];
	sigset_t all, old;

	in = in ?: getenv("TMPDIR") ?: "/tmp";
	if (!realpath(in, full))
		die("--dir %s: %s", in, strerror(errno));
	if (snprintf(dir, sizeof(dir), "%s/%s.XXXXXX", full, name) >= (int)room)
		die("--dir %s: the path is too long for a socket", in);
	/* A signal would leave the folder until there is a guardian. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	if (!mkdtemp(dir))
		die("--dir: cannot make %s: %s", dir, strerror(errno));
	guardian_start(guardian, remove_dir, dir);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return dir;
}
