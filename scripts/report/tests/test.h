/* SPDX-License-Identifier: GPL-2.0 */
/* test.h - what cowreport's tests share */
#ifndef COWREPORT_TEST_H
#define COWREPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util.h"

/* A canned log; the caller frees it */
static inline char *canned(const char *name, size_t *len)
{
	const char *dir = getenv("COWREPORT_DATA");
	char *path = xasprintf("%s/%s", dir ? dir : "tests/data", name);
	char *buf;

	assert_int_equal(read_file(path, (size_t)1 << 24, &buf, len), FILE_OK);
	free(path);
	return buf;
}

/* The bytes alone, so that the sanitizer sees a read past them */
static inline char *exact(const char *buf, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, buf, len);
	return copy;
}

typedef int (*parse_fn)(const char *buf, size_t len);

/* Feed a parser every beginning of a good file, then 3000 damaged copies */
static inline void torment(const char *good, size_t len, parse_fn parse)
{
	static const char nasty[] = "\0\n\r,. 9-:[]\xff|";
	uint32_t seed = 1;

	for (size_t n = 0; n <= len; n++) {
		char *copy = exact(good, n);

		parse(copy, n);
		free(copy);
	}
	for (int i = 0; i < 3000; i++) {
		char *copy = exact(good, len);

		for (int k = 0; k < 1 + i % 5 && len; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 17;
			seed ^= seed << 5;
			copy[seed % len] =
				nasty[(seed >> 16) % (sizeof(nasty) - 1)];
		}
		parse(copy, len);
		free(copy);
	}
}

#endif
