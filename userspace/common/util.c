// SPDX-License-Identifier: GPL-2.0
/* Errors, numbers, /proc text, shared memory, the clock. */
#include "common/util.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/**
 * die - print an error in one line and exit with status 1
 * @fmt: the error, without a newline
 *
 * Calls _exit(): forked children call die() too, and must not flush what the
 * parent had buffered.
 */
void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

/* The digits at the start of @text; @end is where they stop. */
static bool parse_digits(const char *text, const char **end, uint64_t *value)
{
	uint64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	*end = p;
	*value = v;
	return p != text;
}

/**
 * parse_u64 - convert a decimal number with nothing before or after it
 * @text: the text
 * @value: the number
 *
 * Return: false if @text is anything else or does not fit.
 */
bool parse_u64(const char *text, uint64_t *value)
{
	const char *end;

	return parse_digits(text, &end, value) && !*end;
}

/**
 * parse_size - convert a number of bytes with an optional suffix K, M or G
 * @text: the text
 * @bytes: the size
 *
 * Return: false if @text is anything else or does not fit.
 */
bool parse_size(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMG";
	unsigned int shift = 0;
	const char *end, *suffix;
	uint64_t v;

	if (!parse_digits(text, &end, &v))
		return false;
	if (*end) {
		suffix = strchr(suffixes, toupper((unsigned char)*end));
		if (!suffix || end[1])
			return false;
		shift = 10 * (suffix - suffixes + 1);
	}
	return !__builtin_mul_overflow(v, 1ULL << shift, bytes);
}

/**
 * read_text - read the beginning of a file as a string
 * @path: the file
 * @buf: the result
 * @len: size of @buf; the rest of the file is left out
 *
 * Uses no stdio: no buffer is allocated between fork and measurement.
 *
 * Return: false if it cannot be read.
 */
bool read_text(const char *path, char *buf, size_t len)
{
	size_t have = 0;
	ssize_t n = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (have < len - 1) {
		n = read(fd, buf + have, len - 1 - have);
		if (n <= 0)
			break;
		have += n;
	}
	close(fd);
	buf[have] = '\0';
	return n >= 0;
}

/**
 * text_field - read the number behind a key at the start of a line
 * @text: a text such as /proc/meminfo or smaps
 * @key: the key with its colon, such as "Pss:"
 * @value: the number
 *
 * Return: false if there is no such line.
 */
bool text_field(const char *text, const char *key, uint64_t *value)
{
	size_t len = strlen(key);
	const char *end;

	while (text && *text) {
		if (!strncmp(text, key, len)) {
			text += len;
			text += strspn(text, " \t");
			return parse_digits(text, &end, value);
		}
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return false;
}

/**
 * memory_require - exit if there is not enough memory
 * @bytes: the amount needed
 * @option: the option that decides the amount, for the error
 *
 * Without the check the OOM killer would come.
 */
void memory_require(uint64_t bytes, const char *option)
{
	char text[2048];
	uint64_t kb;

	if (!read_text("/proc/meminfo", text, sizeof(text)) ||
	    !text_field(text, "MemAvailable:", &kb))
		return;
	if (bytes / 1024 > kb)
		die("%s: %lu KiB of memory needed, %lu KiB available", option,
		    bytes / 1024, kb);
}

/**
 * shared_alloc - allocate zeroed memory that no fork makes copy-on-write
 * @bytes: the amount
 * @option: the option that decides the amount, for the error
 *
 * Return: the memory; exits if there is none.
 */
void *shared_alloc(size_t bytes, const char *option)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("%s: no room for %zu bytes of bookkeeping: %s", option,
		    bytes, strerror(errno));
	return p;
}

/**
 * now_ns - CLOCK_MONOTONIC in nanoseconds
 *
 * Return: the time.
 */
uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
