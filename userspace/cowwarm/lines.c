// SPDX-License-Identifier: GPL-2.0
/* Text of /proc, line by line. No stdio: another thread's fork() may hold its locks. */
#include "cowwarm/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool lines_open(struct lines *lines, const char *path)
{
	lines->fd = open(path, O_RDONLY | O_CLOEXEC);
	lines->at = lines->have = 0;
	lines->error = 0;
	return lines->fd >= 0;
}

/* Return: the next line without its newline; NULL at the end. */
char *lines_next(struct lines *lines)
{
	for (;;) {
		char *line = lines->text + lines->at;
		char *newline = memchr(line, '\n', lines->have - lines->at);
		ssize_t n;

		if (newline) {
			*newline = '\0';
			lines->at = newline + 1 - lines->text;
			return line;
		}
		lines->have -= lines->at;
		memmove(lines->text, line, lines->have);
		lines->at = 0;
		/* A line that does not fit: drop its beginning. */
		if (lines->have == sizeof(lines->text))
			lines->have = 0;
		n = read(lines->fd, lines->text + lines->have,
			 sizeof(lines->text) - lines->have);
		if (n <= 0) {
			lines->error = n ? errno : 0;
			return NULL;
		}
		lines->have += n;
	}
}

void lines_close(struct lines *lines)
{
	close(lines->fd);
}
