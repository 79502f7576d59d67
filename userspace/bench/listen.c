// SPDX-License-Identifier: GPL-2.0
/* Switching cowlab's observation on and off around the timed writes. */
#include "bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "common/util.h"

static int open_file(const char *dir, const char *name)
{
	char path[4096];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		die("--debugfs: name too long");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die("--listen: cannot open %s: %s", path, strerror(errno));
	return fd;
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

static void stop_for_good(void *listen)
{
	listen_stop(listen);
}

/*
 * Open the switches of a comma list, which may be NULL, in the directory @dir;
 * exit if one is missing.
 */
void listen_open(struct listen *listen, const char *dir, const char *list)
{
	const char *at;
	char name[64];
	size_t len;

	listen->count = 0;
	listen->pid_fd = -1;
	if (!list)
		return;
	for (at = list;; at += len + 1) {
		len = strcspn(at, ",");
		if (!len || len >= sizeof(name) || memchr(at, '/', len))
			invalid("listen", list,
				"switches in %s with commas between (timing,log)",
				dir);
		if (listen->count == LISTEN_MAX)
			invalid("listen", list, "at most %d switches",
				LISTEN_MAX);
		memcpy(name, at, len);
		name[len] = '\0';
		listen->fds[listen->count++] = open_file(dir, name);
		if (!at[len])
			break;
	}
	listen->pid_fd = open_file(dir, "pid");
	guardian_start(&listen->guardian, stop_for_good, listen);
}

/* Make as many switches as @real has, which switch nothing. */
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

/* Restrict the switches to the thread group @pid; 0: no restriction. */
void listen_pid(const struct listen *listen, int pid)
{
	char text[16];
	int len;

	if (listen->pid_fd < 0)
		return;
	len = snprintf(text, sizeof(text), "%d\n", pid);
	if (!put(listen->pid_fd, text, len))
		die("--listen: cannot write %d to pid: %s", pid,
		    strerror(errno));
}

/*
 * Turn every switch on or off; false if one refused. Makes system calls only,
 * because it runs next to timed code and in signal handlers.
 */
bool listen_set(const struct listen *listen, bool on)
{
	bool good = true;
	int i;

	for (i = 0; i < listen->count; i++)
		good &= put(listen->fds[i], on ? "1\n" : "0\n", 2);
	return good;
}

/* Turn every switch off and remove the restriction, whatever fails. */
void listen_stop(const struct listen *listen)
{
	listen_set(listen, false);
	if (listen->pid_fd >= 0)
		put(listen->pid_fd, "0\n", 2);
}

/* The switches are off. */
void listen_close(struct listen *listen)
{
	if (listen->pid_fd >= 0)
		guardian_dismiss(&listen->guardian);
}
