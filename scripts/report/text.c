// SPDX-License-Identifier: GPL-2.0
/* text.c - lines, words and characters */
#define _GNU_SOURCE
#include <locale.h>
#include <wchar.h>

#include "util.h"

/* Begin to walk over a buffer, in which NUL bytes are bytes like others */
void lines_init(struct lines *l, const char *buf, size_t len)
{
	memset(l, 0, sizeof(*l));
	l->pos = buf;
	l->end = buf + len;
}

/* Step to the next line; false after the last */
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

/* Split a line at white space into at most @max words; their number */
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

/* Split a line at commas; the number of cells, @max + 1 if they are more */
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

/* Nothing but white space, or nothing at all */
bool is_blank(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", s[i]) || !s[i])
			return false;
	return true;
}

/*
 * Length of the character that begins here; returns 1 to 4, or 0 where it is no
 * well-formed UTF-8 or a control character
 */
size_t utf8_len(const char *s, size_t len)
{
	static locale_t utf8;
	mbstate_t state = { 0 };
	locale_t old;
	wchar_t c = 0;
	size_t n;

	if (!utf8)
		utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	old = uselocale(utf8);
	n = mbrtowc(&c, s, len < 4 ? len : 4, &state);
	uselocale(old);
	/* control characters, and those that turn a line around */
	if (n > 4 || c < ' ' || (c >= 0x7f && c < 0xa0) ||
	    (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

/* Print bytes for a terminal: what is no printing character becomes '?' */
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

/* The same as a string, to be freed */
char *printable(const char *s, size_t len)
{
	struct memo memo;

	memo_begin(&memo);
	put_plain(memo.f, s, len);
	return memo_end(&memo);
}
