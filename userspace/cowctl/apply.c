// SPDX-License-Identifier: GPL-2.0
/* The command `apply`: what cowlab.service does at boot. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cow_mode.h"
#include "common/util.h"
#include "cowctl/apply.h"
#include "cowctl/knobs.h"

#define MODULE "cowlab"

/* Cut the white space off both ends, and a comment. */
static char *trim(char *text)
{
	size_t len;

	text[strcspn(text, "#\n")] = '\0';
	text += strspn(text, " \t");
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* The settings of a file, NULL at the end; never freed. */
static char **read_settings(const char *name)
{
	char **settings = NULL, *line = NULL, *setting;
	size_t size = 0, n = 0, number = 0;
	FILE *file = fopen(name, "re");

	if (!file)
		die("apply: %s: %s", name, strerror(errno));
	do {
		settings = reallocarray(settings, n + 1, sizeof(*settings));
		if (!settings)
			die("apply: out of memory");
		settings[n] = NULL;
		if (getline(&line, &size, file) < 0)
			break;
		number++;
		setting = trim(line);
		if (!*setting)
			continue;
		if (!strchr(setting, '=') || strpbrk(setting, " \t"))
			die("apply: %s:%zu: invalid '%s': expected NAME=VALUE",
			    name, number, setting);
		settings[n] = strdup(setting);
		if (!settings[n])
			die("apply: out of memory");
		n++;
	} while (1);
	if (ferror(file))
		die("apply: %s: %s", name, strerror(errno));
	free(line);
	fclose(file);
	return settings;
}

/* Load the module, or exit and say why it cannot be loaded on this kernel. */
static void load_module(void)
{
	char *const argv[] = { "modprobe", "-q", MODULE, NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	posix_spawn_file_actions_t quiet;
	struct utsname kernel;
	int err, status = -1;
	pid_t pid;

	if (uname(&kernel))
		die("uname: %s", strerror(errno));
	if (prctl(PR_GET_COW, 0, 0, 0, 0) < 0)
		die("this kernel, %s, does not have the cowlab patches: boot a linux-image-*-cowlab",
		    kernel.release);
	if (geteuid())
		die("apply: run as root");
	/* It says in other words, and not always, what is said below. */
	err = posix_spawn_file_actions_init(&quiet) ?:
		      posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ?:
		      posix_spawnp(&pid, argv[0], &quiet, NULL, argv, envp);
	if (err)
		die("apply: cannot start modprobe: %s", strerror(err));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		die("no module " MODULE
		    " for this kernel: install cowlab-modules-%s, or build it (make module KDIR=); dmesg says more",
		    kernel.release);
}

/**
 * apply_file - load the module where it is not loaded, and set its knobs
 * @file: NAME=VALUE per line; # begins a comment
 * @debugfs: the module's folder
 *
 * The file is read before anything is changed. Knobs that are not in it keep their
 * values. Exits with one line if the file or a knob is refused; then no knob is
 * changed.
 */
void apply_file(const char *file, const char *debugfs)
{
	char **settings = read_settings(file);
	struct stat st;

	if (stat(debugfs, &st) && errno == ENOENT)
		load_module();
	knobs_open(debugfs);
	knobs_set(settings);
}
