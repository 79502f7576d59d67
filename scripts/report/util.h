/* SPDX-License-Identifier: GPL-2.0 */
/* util.h - numbers, text and files, for all of cowreport */
#ifndef COWREPORT_UTIL_H
#define COWREPORT_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cell of a table that holds no number */
#define NONE UINT64_MAX

/* Longest number read from a file: what a ktime_t can hold */
#define NUM_MAX ((uint64_t)INT64_MAX)

#define NAME_LEN 32

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* A growing array: struct { type *v; size_t n, cap; } */
#define VEC(type)              \
	struct {               \
		type *v;       \
		size_t n, cap; \
	}

#define vec_push(vec, item)                                        \
	do {                                                       \
		if ((vec)->n == (vec)->cap)                        \
			(vec)->v = vec_grow((vec)->v, &(vec)->cap, \
					    sizeof(*(vec)->v));    \
		(vec)->v[(vec)->n++] = (item);                     \
	} while (0)

#define vec_free(vec)                           \
	do {                                    \
		free((vec)->v);                 \
		memset(vec, 0, sizeof(*(vec))); \
	} while (0)

void out_of_memory(void) __attribute__((noreturn));
void *vec_grow(void *old, size_t *cap, size_t size);

/**
 * enum parse_status - what a parser says of a file
 * @PARSE_OK: read to the end
 * @PARSE_EMPTY: not a byte but white space
 * @PARSE_TRUNCATED: begins well and stops too early
 * @PARSE_MALFORMED: holds something that does not belong there
 *
 * A parser takes any bytes. What it returns is to be freed in every case. It
 * tells where and why it failed in a struct parse_error, which may be NULL.
 */
enum parse_status {
	PARSE_OK = 0,
	PARSE_EMPTY = -1,
	PARSE_TRUNCATED = -2,
	PARSE_MALFORMED = -3,
};

/**
 * struct parse_error - where and why a parser stopped
 * @line: number of the line, from 1; 0 where no single line is to blame
 * @what: a constant string
 */
struct parse_error {
	size_t line;
	const char *what;
};

const char *parse_status_name(int status);
int parse_fail(struct parse_error *err, int status, size_t line,
	       const char *what);

/**
 * struct lines - walks over the lines of a buffer
 * @pos: what is still to be read
 * @end: the end of the buffer
 * @s: the line read last, without its newline or CR LF, not terminated
 * @len: its length
 * @no: its number, from 1
 * @open: it had no newline: the last line of a file that was cut
 */
struct lines {
	const char *pos, *end;
	const char *s;
	size_t len;
	size_t no;
	bool open;
};

void lines_init(struct lines *l, const char *buf, size_t len);
bool lines_next(struct lines *l);
int lines_fail(const struct lines *l, struct parse_error *err,
	       const char *what);

/**
 * struct word - a part of a line, not terminated
 */
struct word {
	const char *s;
	size_t len;
};

size_t split_words(const struct lines *l, struct word *word, size_t max);
size_t split_csv(const struct lines *l, struct word *word, size_t max);
#define word_u64(w, val) parse_u64((w)->s, (w)->len, val)
#define lines_bad(l, err, what) parse_fail(err, PARSE_MALFORMED, (l)->no, what)
bool word_is(const struct word *word, const char *s);
bool is_blank(const char *s, size_t len);

bool parse_u64(const char *s, size_t len, uint64_t *val);
bool parse_decimal(const char *s, size_t len, long double *val);
bool name_ok(const char *s, size_t len);
bool copy_name(char dst[NAME_LEN], const char *s, size_t len);

uint64_t add_sat(uint64_t a, uint64_t b);
uint64_t round_u64(long double v);
int cmp_u64(const void *a, const void *b);
int cmp_double(const void *a, const void *b);
uint64_t median_u64(uint64_t *v, size_t n);
double median_double(double *v, size_t n);
uint64_t percentile_sorted(const uint64_t *v, size_t n, unsigned int permille);

void *xzalloc(size_t size);
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
char *xstrdup(const char *s);
void append(char **s, const char *fmt, ...) PRINTF(2, 3);

/**
 * struct memo - text that is being printed to memory
 * @f: where to print to
 * @s: the text, after memo_end(); to be freed
 * @len: its length
 */
struct memo {
	FILE *f;
	char *s;
	size_t len;
};

void memo_begin(struct memo *memo);
char *memo_end(struct memo *memo);
char *printable(const char *s, size_t len);

/**
 * enum file_status - what read_file() found
 * @FILE_OK: read whole
 * @FILE_ABSENT: there is no such file
 * @FILE_UNREADABLE: not a regular file, too large, or an I/O error
 */
enum file_status { FILE_OK, FILE_ABSENT, FILE_UNREADABLE };

enum file_status read_file(const char *path, size_t limit, char **buf,
			   size_t *len);
int write_file(const char *path, const char *buf, size_t len);

void put_plain(FILE *out, const char *s, size_t len);
size_t utf8_len(const char *s, size_t len);

#endif
