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

static void __attribute__((noreturn)) out_of_memory(void)
{
	static const char msg[] = "cowreport: out of memory\n";

	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
		_exit(1);
	_exit(1);
}

/**
 * vec_grow - make room in a VEC()
 * @old: the array, or NULL
 * @cap: its capacity, updated
 * @size: size of an element
 *
 * Return: the array, moved; never NULL.
 */
void *vec_grow(void *old, size_t *cap, size_t size)
{
	size_t n = *cap ? *cap * 2 : 8;
	void *v = reallocarray(old, n, size);

	if (!v)
		out_of_memory();
	*cap = n;
	return v;
}

/**
 * parse_status_name - an enum parse_status in a word
 * @status: the status
 *
 * Return: a constant string.
 */
const char *parse_status_name(int status)
{
	switch (status) {
	case PARSE_OK:
		return "good";
	case PARSE_EMPTY:
		return "empty";
	case PARSE_TRUNCATED:
		return "truncated";
	default:
		return "malformed";
	}
}

/**
 * lines_init - begin to walk over a buffer
 * @l: the walker
 * @buf: the buffer; NUL bytes are bytes like others
 * @len: its length
 */
void lines_init(struct lines *l, const char *buf, size_t len)
{
	memset(l, 0, sizeof(*l));
	l->pos = buf;
	l->end = buf + len;
}

/**
 * lines_next - step to the next line
 * @l: the walker
 *
 * Return: false after the last line.
 */
bool lines_next(struct lines *l)
{
	const char *nl;

	if (l->pos == l->end)
		return false;
	nl = memchr(l->pos, '\n', l->end - l->pos);
	l->open = !nl;
	l->s = l->pos;
	l->len = (nl ? nl : l->end) - l->pos;
	l->pos = nl ? nl + 1 : l->end;
	l->no++;
	if (l->len && l->s[l->len - 1] == '\r')
		l->len--;
	return true;
}

/**
 * is_blank - nothing but white space
 * @s: bytes
 * @len: how many
 *
 * Return: true if so, also for no bytes at all.
 */
bool is_blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", s[i]) || !s[i])
			return false;
	return true;
}

/**
 * parse_u64 - read a number that is digits and nothing else
 * @s: bytes
 * @len: how many
 * @val: the number
 *
 * Return: false if it is none, or larger than a ktime_t holds.
 */
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

/**
 * parse_decimal - read a number with, perhaps, decimals
 * @s: bytes
 * @len: how many
 * @val: the number
 *
 * Return: false if it is none.
 */
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

/**
 * name_ok - is this the name of an arm, a workload or a stage
 * @s: bytes
 * @len: how many
 *
 * Return: true for 1 to 31 letters, digits, '_' and '-'.
 */
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

/**
 * copy_name - take a name over
 * @dst: room for it
 * @s: bytes
 * @len: how many
 *
 * Return: false, and @dst untouched, if name_ok() refuses it.
 */
bool copy_name(char dst[NAME_LEN], const char *s, size_t len)
{
	if (!name_ok(s, len))
		return false;
	memcpy(dst, s, len);
	dst[len] = '\0';
	return true;
}

/**
 * add_sat - add, and stop below NONE
 * @a: a number
 * @b: a number
 *
 * Return: the sum, at most NUM_MAX.
 */
uint64_t add_sat(uint64_t a, uint64_t b)
{
	if (a > NUM_MAX || b > NUM_MAX - a)
		return NUM_MAX;
	return a + b;
}

/**
 * round_u64 - round to the nearest whole number, halves up
 * @v: a number
 *
 * Return: the whole number, between 0 and NUM_MAX.
 */
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

static int cmp_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void *sorted_copy(const void *v, size_t n, size_t size,
			 int (*cmp)(const void *, const void *))
{
	void *c = reallocarray(NULL, n, size);

	if (!c)
		out_of_memory();
	memcpy(c, v, n * size);
	qsort(c, n, size, cmp);
	return c;
}

/**
 * median_u64 - the median of whole numbers
 * @v: the numbers, in any order
 * @n: how many
 *
 * Return: the middle one; of an even number, the mean of the middle two,
 * halves rounded up; NONE of none.
 */
uint64_t median_u64(const uint64_t *v, size_t n)
{
	uint64_t *c, m;

	if (!n)
		return NONE;
	c = sorted_copy(v, n, sizeof(*v), cmp_u64);
	m = c[n / 2];
	if (n % 2 == 0)
		m = c[n / 2 - 1] + (m - c[n / 2 - 1] + 1) / 2;
	free(c);
	return m;
}

/**
 * median_double - the median of numbers
 * @v: the numbers, in any order
 * @n: how many
 *
 * Return: the middle one, or the mean of the middle two; NAN of none.
 */
double median_double(const double *v, size_t n)
{
	double *c, m;

	if (!n)
		return NAN;
	c = sorted_copy(v, n, sizeof(*v), cmp_double);
	m = c[n / 2];
	if (n % 2 == 0)
		m = (c[n / 2 - 1] + m) / 2;
	free(c);
	return m;
}

/**
 * percentile_sorted - a percentile by nearest rank
 * @v: the samples, sorted
 * @n: how many
 * @permille: 500 for the median, 999 for p99.9
 *
 * Return: the smallest sample that at least @permille of all samples do not
 * exceed; NONE of none.
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

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}

char *xstrdup(const char *s)
{
	char *c = strdup(s);

	if (!c)
		out_of_memory();
	return c;
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
	size_t got = 0;
	char *b = NULL;
	int fd, err;

	*buf = NULL;
	*len = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? FILE_ABSENT : FILE_UNREADABLE;
	if (fstat(fd, &st))
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto out;
	}
	if (st.st_size < 0 || (uintmax_t)st.st_size > limit) {
		errno = EFBIG;
		goto out;
	}
	b = malloc((size_t)st.st_size + 1);
	if (!b)
		out_of_memory();
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, b + got, (size_t)st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			goto out;
		if (!n)
			break;
		got += (size_t)n;
	}
	b[got] = '\0';
	*buf = b;
	*len = got;
	ret = FILE_OK;
	b = NULL;
out:
	err = errno;
	free(b);
	close(fd);
	errno = err;
	return ret;
}

/**
 * write_file - replace a file, whole or not at all
 * @path: its path
 * @buf: what it shall hold
 * @len: how much
 *
 * Return: 0, or -1 with errno set.
 */
int write_file(const char *path, const char *buf, size_t len)
{
	char *tmp = xasprintf("%s.tmp%ld", path, (long)getpid());
	int fd, err;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		goto fail_open;
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			goto fail;
		buf += n;
		len -= (size_t)n;
	}
	if (close(fd)) {
		fd = -1;
		goto fail;
	}
	fd = -1;
	if (rename(tmp, path))
		goto fail;
	free(tmp);
	return 0;
fail:
	err = errno;
	if (fd >= 0)
		close(fd);
	unlink(tmp);
	errno = err;
fail_open:
	err = errno;
	free(tmp);
	errno = err;
	return -1;
}

/**
 * utf8_len - length of the character that begins here
 * @s: bytes
 * @len: how many, at least 1
 *
 * Return: 1 to 4, or 0 where it is no well-formed UTF-8 or a control
 * character.
 */
size_t utf8_len(const char *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)s[0];
	uint32_t code;
	size_t n;

	if (c < 0x80)
		return c >= 0x20 && c != 0x7f;
	if (c >= 0xc2 && c < 0xe0) {
		n = 2;
		code = c & 0x1f;
	} else if (c >= 0xe0 && c < 0xf0) {
		n = 3;
		code = c & 0x0f;
	} else if (c >= 0xf0 && c < 0xf5) {
		n = 4;
		code = c & 0x07;
	} else {
		return 0;
	}
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || code < 0xa0 ||
	    (code >= 0xd800 && code < 0xe000) ||
	    (code >= 0x202a && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069))
		return 0;
	return n;
}

/**
 * put_plain - print bytes of a file where a terminal may read them
 * @out: where
 * @s: bytes; what is no printing character becomes '?'
 * @len: how many
 */
void put_plain(FILE *out, const char *s, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = utf8_len(s + i, len - i);
		if (n)
			fwrite(s + i, 1, n, out);
		else
			fputc('?', out);
	}
}
