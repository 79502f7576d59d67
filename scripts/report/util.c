// SPDX-License-Identifier: GPL-2.0
/* util.c - numbers, text and files, for all of cowreport */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

void out_of_memory(void)
{
	fputs("cowreport: out of memory\n", stderr);
	exit(1);
}

/* Make room in a VEC() whose elements have @size; the array, moved */
void *vec_grow(void *old, size_t *cap, size_t size)
{
	size_t n = *cap ? *cap * 2 : 8;
	void *v = reallocarray(old, n, size);

	if (!v)
		out_of_memory();
	*cap = n;
	return v;
}

const char *parse_status_name(int status)
{
	static const char *const names[] = { "good", "empty", "truncated",
					     "malformed" };

	return names[-status];
}

/* Put into @err, which may be NULL, why a parser stops; @status */
int parse_fail(struct parse_error *err, int status, size_t line,
	       const char *what)
{
	if (err)
		*err = (struct parse_error){ line, what };
	return status;
}

/* The same of a line, in which the file was cut or not */
int lines_fail(const struct lines *l, struct parse_error *err, const char *what)
{
	return parse_fail(err, l->open ? PARSE_TRUNCATED : PARSE_MALFORMED,
			  l->no, what);
}

/* Read digits and nothing else; false: not a number, or above NUM_MAX */
bool parse_u64(const char *s, size_t len, uint64_t *val)
{
	uint64_t v = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int d = (unsigned char)s[i] - '0';

		if (d > 9 || v > (NUM_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*val = v;
	return true;
}

/* The same with decimals, if there are any */
bool parse_decimal(const char *s, size_t len, long double *val)
{
	const char *dot = memchr(s, '.', len);
	size_t whole = dot ? (size_t)(dot - s) : len;
	long double scale = 1;
	uint64_t v;

	if (!parse_u64(s, whole, &v))
		return false;
	*val = v;
	if (!dot)
		return true;
	if (whole + 1 == len)
		return false;
	for (size_t i = whole + 1; i < len; i++) {
		unsigned int d = (unsigned char)s[i] - '0';

		if (d > 9)
			return false;
		scale /= 10;
		*val += d * scale;
	}
	return true;
}

/* The name of an arm, a workload or a stage: letters, digits, '_' and '-' */
bool name_ok(const char *s, size_t len)
{
	if (!len || len >= NAME_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '_' || c == '-'))
			return false;
	}
	return true;
}

/* Take a name over; false, and @dst untouched, if name_ok() refuses it */
bool copy_name(char dst[NAME_LEN], const char *s, size_t len)
{
	if (!name_ok(s, len))
		return false;
	memcpy(dst, s, len);
	dst[len] = '\0';
	return true;
}

/* The sum, at most NUM_MAX */
uint64_t add_sat(uint64_t a, uint64_t b)
{
	if (a > NUM_MAX || b > NUM_MAX - a)
		return NUM_MAX;
	return a + b;
}

/* The nearest number from 0 to NUM_MAX, halves rounded up */
uint64_t round_u64(long double v)
{
	if (!(v > 0))
		return 0;
	if (v >= (long double)NUM_MAX)
		return NUM_MAX;
	return (uint64_t)floorl(v + 0.5L);
}

int cmp_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sort, and take the middle one or the mean of two, halves up; NONE of none */
uint64_t median_u64(uint64_t *v, size_t n)
{
	if (!n)
		return NONE;
	qsort(v, n, sizeof(*v), cmp_u64);
	if (n % 2)
		return v[n / 2];
	return v[n / 2 - 1] + (v[n / 2] - v[n / 2 - 1] + 1) / 2;
}

/* Sort, and take the middle one or the mean of two; NAN of none */
double median_double(double *v, size_t n)
{
	if (!n)
		return NAN;
	qsort(v, n, sizeof(*v), cmp_double);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/*
 * A percentile by nearest rank; returns the smallest sample that at least
 * @permille of all samples do not exceed; NONE of none
 */
uint64_t percentile_sorted(const uint64_t *v, size_t n, unsigned int permille)
{
	size_t rank;

	if (!n)
		return NONE;
	rank = n / 1000 * permille + (n % 1000 * permille + 999) / 1000;
	return v[rank ? rank - 1 : 0];
}

void *xzalloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		out_of_memory();
	return p;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		out_of_memory();
	return s;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

char *xstrdup(const char *s)
{
	char *c = strdup(s);

	if (!c)
		out_of_memory();
	return c;
}

/* Print to the end of a string, which moves */
void append(char **s, const char *fmt, ...)
{
	char *more, *old = *s;
	va_list ap;

	va_start(ap, fmt);
	more = xvasprintf(fmt, ap);
	va_end(ap);
	*s = xasprintf("%s%s", old, more);
	free(old);
	free(more);
}

void memo_begin(struct memo *memo)
{
	memo->f = open_memstream(&memo->s, &memo->len);
	if (!memo->f)
		out_of_memory();
}

/* The text, to be freed */
char *memo_end(struct memo *memo)
{
	if (fclose(memo->f))
		out_of_memory();
	return memo->s;
}

/**
 * read_file - read a regular file into memory
 * @path: its path
 * @limit: refuse anything longer
 * @buf: the bytes and a NUL after them, to be freed; NULL unless FILE_OK
 * @len: their number
 *
 * Return: an enum file_status; errno says more of FILE_UNREADABLE.
 */
enum file_status read_file(const char *path, size_t limit, char **buf,
			   size_t *len)
{
	enum file_status ret = FILE_UNREADABLE;
	struct stat st;
	FILE *f;
	int fd;

	*buf = NULL;
	*len = 0;
	/* what is no regular file must not block */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? FILE_ABSENT : FILE_UNREADABLE;
	f = fdopen(fd, "r");
	if (!f)
		out_of_memory();
	if (fstat(fd, &st)) {
		/* errno says it */
	} else if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	} else if ((uintmax_t)st.st_size > limit) {
		errno = EFBIG;
	} else {
		*buf = xzalloc((size_t)st.st_size + 1);
		*len = fread(*buf, 1, (size_t)st.st_size, f);
		if (!ferror(f))
			ret = FILE_OK;
	}
	if (ret != FILE_OK) {
		free(*buf);
		*buf = NULL;
	}
	/* cannot fail in a way that matters, and must not change errno */
	fd = errno;
	fclose(f);
	errno = fd;
	return ret;
}

/* Replace a file, whole or not at all; 0, or -1 with errno set */
int write_file(const char *path, const char *buf, size_t len)
{
	char *tmp = xasprintf("%s.tmp%ld", path, (long)getpid());
	FILE *f = fopen(tmp, "we");
	int err = 0;

	if (!f || fwrite(buf, 1, len, f) != len)
		err = errno;
	if (f && fclose(f) && !err)
		err = errno;
	if (!err && rename(tmp, path))
		err = errno;
	if (err)
		unlink(tmp);
	free(tmp);
	errno = err;
	return err ? -1 : 0;
}
