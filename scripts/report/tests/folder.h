/* SPDX-License-Identifier: GPL-2.0 */
/* folder.h - a folder of a run, made and read by the tests of the program */
#ifndef COWREPORT_TEST_FOLDER_H
#define COWREPORT_TEST_FOLDER_H

#include <stdbool.h>
#include <sys/wait.h>

#include "test.h"

/* Where the test's run is */
static char *tmp;

static inline int PRINTF(1, 2) sh(const char *fmt, ...)
{
	char *cmd;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&cmd, fmt, ap);
	va_end(ap);
	assert_true(ret >= 0);
	ret = system(cmd);
	free(cmd);
	return WIFEXITED(ret) ? WEXITSTATUS(ret) : -1;
}

/* A file below @where: "raw/wall/experiments", "baseline.prefork.1/request.csv" */
static inline void put_in(const char *where, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s/%s", tmp, where, name);
	char *slash = strrchr(path, '/');

	*slash = '\0';
	assert_int_equal(sh("mkdir -p %s", path), 0);
	*slash = '/';
	assert_int_equal(write_file(path, text, strlen(text)), 0);
	free(path);
}

/* Is the text in a file that the report has made? */
static inline bool report_has(const char *file, const char *text)
{
	char *path = xasprintf("%s/%s", tmp, file), *buf;
	size_t len;
	bool has;

	assert_int_equal(read_file(path, 1 << 24, &buf, &len), FILE_OK);
	has = memmem(buf, len, text, strlen(text));
	free(buf);
	free(path);
	return has;
}

#endif
