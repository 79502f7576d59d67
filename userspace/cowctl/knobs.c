// SPDX-License-Identifier: GPL-2.0
/* Reading and setting the module's files in debugfs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "common/util.h"
#include "cowctl/knobs.h"

#define MAX_SETTINGS 32

/* What `set` accepts and `status` shows. */
const char *const knob_names[] = {
	"precopy",	  "policy", "window", "large_folio",
	"huge_window",	  "file",   "timing", "log",
	"latency_cap_ns", "pid",    NULL
};

static const char *folder;

/**
 * knobs_open - find the module's folder, or exit and say what to do
 * @dir: the folder
 */
void knobs_open(const char *dir)
{
	struct statfs fs;
	struct stat st;

	folder = dir;
	if (!stat(dir, &st))
		return;
	if (errno == EACCES || geteuid())
		die("%s: %s: run as root", dir, strerror(errno));
	if (statfs("/sys/kernel/debug", &fs) || fs.f_type != DEBUGFS_MAGIC)
		die("debugfs is not mounted: mount -t debugfs none /sys/kernel/debug");
	die("%s: the module is not loaded: insmod cowlab.ko (it needs a kernel with the cowlab patches)",
	    dir);
}

static void knob_path(const char *name, char *path, size_t size)
{
	if (snprintf(path, size, "%s/%s", folder, name) >= (int)size)
		die("%s/%s: name too long", folder, name);
}

/**
 * knob_error - say why a file of the module was refused
 * @error: the errno
 *
 * Return: the text.
 */
const char *knob_error(int error)
{
	char text[128];

	if (error == EPERM &&
	    read_text("/sys/kernel/security/lockdown", text, sizeof(text)) &&
	    !strstr(text, "[none]"))
		return "the kernel is locked down and closes debugfs; `cowctl run` works";
	return strerror(error);
}

/**
 * knob_text - read a file, or exit
 * @name: its name
 *
 * Return: its text, to be freed.
 */
char *knob_text(const char *name)
{
	char path[512], *text = NULL;
	size_t size = 0;
	FILE *file;

	knob_path(name, path, sizeof(path));
	errno = 0;
	file = fopen(path, "re");
	if (file) {
		/* An empty file is no error. */
		if (getdelim(&text, &size, '\0', file) < 0 && text)
			*text = '\0';
		fclose(file);
	}
	if (errno || !text)
		die("cannot read %s: %s", path, knob_error(errno));
	return text;
}

/**
 * knob_read - read a knob's value, or exit
 * @name: its name
 * @text: gets the value; of `policy` the chosen name
 * @size: size of @text
 */
void knob_read(const char *name, char *text, size_t size)
{
	char *whole = knob_text(name), *start = strchr(whole, '[');

	if (start)
		start++;
	else
		start = whole;
	start[strcspn(start, "]\n")] = '\0';
	snprintf(text, size, "%s", start);
	free(whole);
}

/**
 * knob_write - set a file
 * @name: its name
 * @text: what to write
 *
 * Return: 0 or an errno.
 */
int knob_write(const char *name, const char *text)
{
	ssize_t n, len = strlen(text);
	char path[512];
	int fd, err;

	knob_path(name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	n = write(fd, text, len);
	err = n == len ? 0 : n < 0 ? errno : EIO;
	close(fd);
	return err;
}

static bool known(const char *name)
{
	size_t i;

	for (i = 0; knob_names[i]; i++)
		if (!strcmp(knob_names[i], name))
			return true;
	return false;
}

/**
 * knobs_set - set several knobs, or none
 * @settings: NAME=VALUE each, NULL at the end; changed
 *
 * If the module refuses one, those that were set get their old values again, and
 * the program exits.
 */
void knobs_set(char **settings)
{
	char old[MAX_SETTINGS][64], *values[MAX_SETTINGS];
	int i, n, err = 0;

	for (n = 0; settings[n]; n++) {
		char *equals = strchr(settings[n], '=');

		if (n == MAX_SETTINGS)
			die("set: more than %d settings", MAX_SETTINGS);
		if (equals && equals[1])
			*equals++ = '\0';
		else
			die("set: invalid '%s': expected NAME=VALUE",
			    settings[n]);
		values[n] = equals;
		if (!known(settings[n]))
			die("set: no knob '%s'; `cowctl status` lists them",
			    settings[n]);
		knob_read(settings[n], old[n], sizeof(old[n]));
	}
	for (i = 0; i < n && !err; i++)
		err = knob_write(settings[i], values[i]);
	if (!err)
		return;
	n = i - 1;
	for (i = n - 1; i >= 0; i--)
		if (knob_write(settings[i], old[i]))
			fprintf(stderr, "cowctl: %s stays changed\n",
				settings[i]);
	if (err == EBUSY)
		die("set: %s=%s: another module has registered a policy; nothing was changed",
		    settings[n], values[n]);
	die("set: %s does not accept '%s' (%s); nothing was changed",
	    settings[n], values[n], knob_error(err));
}
