// SPDX-License-Identifier: GPL-2.0
/* Helpers for strings, time, and files. */
#include "cowguest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/**
 * say - print a message on standard error, with cowguest's name before it
 * @fmt: as for printf, without the newline
 */
void say(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("cowguest: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/**
 * no_memory - report that memory allocation failed, and exit
 */
void no_memory(void)
{
	say("out of memory on the host");
	exit(ST_USAGE);
}

/**
 * xrealloc - realloc that exits on failure
 * @p: old block or NULL
 * @size: new size in bytes
 *
 * Return: the block.
 */
void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		no_memory();
	return p;
}

/**
 * xstrdup - strdup that exits on failure
 * @s: string
 *
 * Return: a copy; the caller frees it.
 */
char *xstrdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		no_memory();
	return p;
}

static char *xvasprintf(const char *fmt, va_list ap)
{
	char *p;

	if (vasprintf(&p, fmt, ap) < 0)
		no_memory();
	return p;
}

/**
 * xasprintf - asprintf that exits on failure
 * @fmt: as for printf
 *
 * Return: a string; the caller frees it.
 */
char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = xvasprintf(fmt, ap);
	va_end(ap);
	return p;
}

/**
 * strvec_add - append a formatted string to a list
 * @s: list; all zeros when empty
 * @fmt: as for printf
 */
void strvec_add(struct strvec *s, const char *fmt, ...)
{
	va_list ap;

	s->v = xrealloc(s->v, (s->n + 2) * sizeof(*s->v));
	va_start(ap, fmt);
	s->v[s->n++] = xvasprintf(fmt, ap);
	va_end(ap);
	s->v[s->n] = NULL;
}

/**
 * strvec_free - free a list and its strings
 * @s: list
 */
void strvec_free(struct strvec *s)
{
	while (s->n)
		free(s->v[--s->n]);
	free(s->v);
	s->v = NULL;
}

/**
 * printable - remove control characters from a string
 * @s: string, changed in place
 *
 * So a guest cannot send escape sequences to the user's terminal.
 */
void printable(char *s)
{
	char *d = s;

	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '\t')
			c = ' ';
		if (c >= ' ' && c != 0x7f)
			*d++ = c;
	}
	*d = '\0';
}

/**
 * now_ms - read the monotonic clock
 *
 * Return: milliseconds.
 */
int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/**
 * span - format a duration, such as 4m05s
 * @buf: buffer
 * @size: its size
 * @ms: milliseconds
 *
 * Return: @buf.
 */
char *span(char *buf, size_t size, int64_t ms)
{
	int64_t s = (ms + 500) / 1000;

	if (s < 60)
		snprintf(buf, size, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(buf, size, "%" PRId64 "m%02" PRId64 "s", s / 60,
			 s % 60);
	else
		snprintf(buf, size, "%" PRId64 "h%02" PRId64 "m", s / 3600,
			 s % 3600 / 60);
	return buf;
}

/* The bytes that this user can still write, or -1. */
static int64_t free_bytes(const char *dir)
{
	struct statvfs vfs;

	if (statvfs(dir, &vfs) || !vfs.f_blocks)
		return -1;
	return (int64_t)(geteuid() ? vfs.f_bavail : vfs.f_bfree) *
	       vfs.f_frsize;
}

/**
 * free_space - format the free space of a directory's file system
 * @buf: buffer
 * @size: its size
 * @dir: directory
 *
 * Return: @buf.
 */
char *free_space(char *buf, size_t size, const char *dir)
{
	int64_t b = free_bytes(dir);

	if (b < 0)
		snprintf(buf, size, "an unknown amount");
	else if (b < 10 << 20)
		snprintf(buf, size, "%" PRId64 " KiB", b >> 10);
	else
		snprintf(buf, size, "%" PRId64 " MiB", b >> 20);
	return buf;
}

/**
 * disk_is_full - is a directory's file system full?
 * @dir: directory
 *
 * A file system keeps a reserve, so its count of free blocks never reaches 0.
 * Below 64 MiB, try to write a page instead.
 */
bool disk_is_full(const char *dir)
{
	static const char page[4096];
	int64_t b = free_bytes(dir);
	bool full;
	int fd;

	if (b <= 0 || b > 64 << 20)
		return b == 0;
	fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ENOSPC || errno == EDQUOT;
	full = write_all(fd, page, sizeof(page)) != 0;
	close(fd);
	return full;
}

/**
 * mkdir_p - create a directory and its parents
 * @dir: directory; may exist
 *
 * Return: 0 or -errno.
 */
int mkdir_p(const char *dir)
{
	char *path = xstrdup(dir);
	struct stat st;
	int err = 0;
	char *p;

	for (p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		/* Only the last mkdir() must succeed. */
		mkdir(path, 0777);
		*p = '/';
	}
	if (mkdir(path, 0777) && errno != EEXIST)
		err = -errno;
	else if (stat(path, &st))
		err = -errno;
	else if (!S_ISDIR(st.st_mode))
		err = -ENOTDIR;
	free(path);
	return err;
}

/**
 * write_all - write a whole buffer
 * @fd: file
 * @buf: bytes
 * @len: number of bytes
 *
 * Return: 0 or -errno.
 */
int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= n;
	}
	return 0;
}
