// SPDX-License-Identifier: GPL-2.0
/* Switching cowlab's observation on and off around what is measured. */
#include "common/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/options.h"
#include "common/util.h"

/* Open a file; exit if it cannot be written. */
static int open_file(const char *option, const char *dir, const char *name,
		     int flags)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		die("--debugfs: name too long");
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0 && flags == O_WRONLY)
		die("--%s: cannot open %s: %s", option, path, strerror(errno));
	return fd;
}

/* The line of a file, a number; 0 if it has none. */
static void read_was(const char *dir, const char *name, char was[16])
{
	int fd = open_file(NULL, dir, name, O_RDONLY | O_NONBLOCK);
	ssize_t n = 0;

	if (fd >= 0) {
		n = read(fd, was, 15);
		close(fd);
	}
	was[n > 0 ? n : 0] = '\0';
	if (strcspn(was, "0123456789") ||
	    was[strspn(was, "0123456789")] != '\n')
		strcpy(was, "0\n");
}

/*
 * Most files of debugfs have no position (ESPIPE); a plain file, as in tests,
 * is overwritten from its start.
 */
static bool put(int fd, const char *text, ssize_t len)
{
	ssize_t n = pwrite(fd, text, len, 0);

	if (n < 0 && errno == ESPIPE)
		n = write(fd, text, len);
	return n == len;
}

/* Those that were on before are on again. */
static void restore(const struct listen *listen)
{
	int i;

	if (listen->pid_fd < 0)
		return;
	put(listen->pid_fd, listen->pid_was, strlen(listen->pid_was));
	for (i = 0; i < listen->count; i++)
		if (listen->was_on[i])
			put(listen->fds[i], "1\n", 2);
}

static void clean_up(void *listen)
{
	listen_set(listen, false);
	restore(listen);
}

/**
 * listen_open - open switches, and have them as they were when this process ends
 * @listen: the result
 * @option: what asks for them, for messages
 * @dir: where they are
 * @list: their names, with commas between; NULL: none
 *
 * Exits if a switch is missing or another program listens.
 */
void listen_open(struct listen *listen, const char *option, const char *dir,
		 const char *list)
{
	const char *at;
	char name[64], was[16];
	unsigned int tries = 300;
	size_t len;

	listen->option = option;
	listen->count = 0;
	listen->pid_fd = -1;
	if (!list)
		return;
	listen->pid_fd = open_file(option, dir, "pid", O_WRONLY);
	/*
	 * Another one would restore what this one sets. One that was killed leaves
	 * its guardian for a moment.
	 */
	while (flock(listen->pid_fd, LOCK_EX | LOCK_NB)) {
		if (!tries--)
			die("--%s: %s/pid: another program listens; wait for its end",
			    option, dir);
		usleep(10000);
	}
	read_was(dir, "pid", listen->pid_was);
	for (at = list;; at += len + 1) {
		len = strcspn(at, ",");
		if (!len || len >= sizeof(name) || memchr(at, '/', len))
			invalid(option, list,
				"switches in %s with commas between (timing,log)",
				dir);
		if (listen->count == LISTEN_MAX)
			invalid(option, list, "at most %d switches",
				LISTEN_MAX);
		memcpy(name, at, len);
		name[len] = '\0';
		listen->fds[listen->count] =
			open_file(option, dir, name, O_WRONLY);
		read_was(dir, name, was);
		listen->was_on[listen->count++] = was[0] == '1';
		if (!at[len])
			break;
	}
	guardian_start(&listen->guardian, clean_up, listen);
}

/**
 * listen_rehearsal - make as many switches as others, which switch nothing
 * @listen: the result
 * @real: the others
 */
void listen_rehearsal(struct listen *listen, const struct listen *real)
{
	int i;

	*listen = *real;
	for (i = 0; i < listen->count; i++) {
		listen->fds[i] = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (listen->fds[i] < 0)
			die("cannot open /dev/null: %s", strerror(errno));
	}
}

/**
 * listen_pid - restrict the switches to a thread group
 * @listen: the switches
 * @pid: the thread group; 0: no restriction
 */
void listen_pid(const struct listen *listen, int pid)
{
	char text[16];
	int len;

	if (listen->pid_fd < 0)
		return;
	len = snprintf(text, sizeof(text), "%d\n", pid);
	if (!put(listen->pid_fd, text, len))
		die("--%s: cannot write %d to pid: %s", listen->option, pid,
		    strerror(errno));
}

/**
 * listen_set - turn every switch on or off
 * @listen: the switches
 * @on: which
 *
 * Makes system calls only, because it runs next to timed code.
 *
 * Context: Any, also a signal handler.
 * Return: false if a switch refused.
 */
bool listen_set(const struct listen *listen, bool on)
{
	bool good = true;
	int i;

	for (i = 0; i < listen->count; i++)
		good &= put(listen->fds[i], on ? "1\n" : "0\n", 2);
	return good;
}

/**
 * listen_stop - have everything as it was, whatever fails
 * @listen: the switches, which may be on
 *
 * The guardian does this, once, and holds the lock until then.
 *
 * Context: Any, also a signal handler.
 */
void listen_stop(const struct listen *listen)
{
	if (listen->pid_fd >= 0)
		guardian_end(&listen->guardian);
}

/**
 * listen_close - have everything as it was
 * @listen: the switches, which are off
 */
void listen_close(const struct listen *listen)
{
	restore(listen);
	if (listen->pid_fd >= 0)
		guardian_dismiss(&listen->guardian);
}
