// SPDX-License-Identifier: GPL-2.0
/* text.c - lines, words and characters */
#define _GNU_SOURCE
#include "util.h"

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
 * split_words - split a line at white space
 * @l: the line
 * @word: its words
 * @max: room for them; what is behind is passed over
 *
 * Return: how many there are, at most @max.
 */
size_t split_words(const struct lines *l, struct word *word, size_t max)
{
	const char *s = l->s, *end = l->s + l->len;
	size_t n = 0;

	while (n < max) {
		while (s < end && (*s == ' ' || *s == '\t'))
			s++;
		if (s == end)
			break;
		word[n].s = s;
		while (s < end && *s != ' ' && *s != '\t')
			s++;
		word[n].len = (size_t)(s - word[n].s);
		n++;
	}
	return n;
}

/**
 * split_csv - split a line at commas
 * @l: the line
 * @word: its cells
 * @max: room for them
 *
 * Return: how many there are; @max + 1 where there are more than @max.
 */
size_t split_csv(const struct lines *l, struct word *word, size_t max)
{
	const char *s = l->s, *end = l->s + l->len;

	for (size_t n = 0; n < max; n++) {
		const char *comma = memchr(s, ',', (size_t)(end - s));

		word[n] = (struct word){ s, (comma ? comma : end) - s };
		if (!comma)
			return n + 1;
		s = comma + 1;
	}
	return max + 1;
}

bool word_is(const struct word *word, const char *s)
{
	return strlen(s) == word->len && !memcmp(word->s, s, word->len);
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

/**
 * printable - bytes of a file as text for a terminal
 * @s: bytes
 * @len: how many
 *
 * Return: the text, as put_plain() prints it; to be freed.
 */
char *printable(const char *s, size_t len)
{
	struct memo memo;

	memo_begin(&memo);
	put_plain(memo.f, s, len);
	return memo_end(&memo);
}
