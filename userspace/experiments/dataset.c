// SPDX-License-Identifier: GPL-2.0
/* Keys and values of a Redis under test, and the file that it starts from. */
#include "experiments/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "common/pattern.h"

/* Write a key's name. */
void key_make(uint32_t key, char name[KEY_LEN + 1])
{
	int i;

	name[0] = 'k';
	for (i = KEY_LEN - 1; i; i--) {
		name[i] = '0' + key % 10;
		key /= 10;
	}
	name[KEY_LEN] = '\0';
}

/* The word at the start of a value: its version, so that it can be told. */
static uint64_t value_head(const struct dataset *set, uint32_t key,
			   uint32_t version)
{
	return (mix64(set->seed + key) & ~(uint64_t)UINT32_MAX) | version;
}

/*
 * Write the value of a key; version 0 is the first, each SET adds 1. The first
 * word holds the version, and no two (@key, @version) share the rest. The
 * words follow each other by an addition: making a value must not take longer
 * than storing it in the server.
 */
void value_make(const struct dataset *set, uint32_t key, uint32_t version,
		void *value)
{
	uint64_t word = mix64(set->seed ^ ((uint64_t)key << 32 | version));
	uint64_t *words = value;
	size_t i;

	words[0] = value_head(set, key, version);
	for (i = 1; i < set->bytes / 8; i++) {
		word += MIX_STEP;
		words[i] = word;
	}
}

/*
 * Read the version of a value. False if the value is not, byte for byte, one
 * of this key.
 */
bool value_read(const struct dataset *set, uint32_t key, const void *value,
		size_t len, uint32_t *version)
{
	const unsigned char *bytes = value;
	uint64_t word, found;
	size_t i;

	if (len != set->bytes)
		return false;
	memcpy(&found, bytes, 8);
	*version = found;
	if (found != value_head(set, key, *version))
		return false;
	word = mix64(set->seed ^ ((uint64_t)key << 32 | *version));
	for (i = 1; i < len / 8; i++) {
		word += MIX_STEP;
		memcpy(&found, bytes + 8 * i, 8);
		if (found != word)
			return false;
	}
	return true;
}

/* A length, as the RDB format has it. */
static void put_length(FILE *out, uint32_t len)
{
	if (len < 64) {
		putc(len, out);
	} else if (len < 16384) {
		putc(0x40 | len >> 8, out);
		putc(len & 0xff, out);
	} else {
		putc(0x80, out);
		putc(len >> 24, out);
		putc(len >> 16 & 0xff, out);
		putc(len >> 8 & 0xff, out);
		putc(len & 0xff, out);
	}
}

/*
 * Write the data set, all in version 0, as a Redis RDB file. A server that
 * starts with it has its data within seconds, and its hash table in the final
 * size: none is resized while the server is measured. Return: 0, or -1 if
 * writing failed.
 */
int dataset_write(const struct dataset *set, FILE *out)
{
	void *value = malloc(set->bytes);
	char name[KEY_LEN + 1];
	uint32_t key;

	if (!value)
		return -1;
	fputs("REDIS0009", out);
	putc(0xfe, out); /* database 0 */
	putc(0, out);
	putc(0xfb, out); /* so many keys, none of which expires */
	put_length(out, set->keys);
	put_length(out, 0);
	for (key = 0; key < set->keys; key++) {
		key_make(key, name);
		value_make(set, key, 0, value);
		putc(0, out); /* a string */
		put_length(out, KEY_LEN);
		fwrite(name, 1, KEY_LEN, out);
		put_length(out, set->bytes);
		fwrite(value, 1, set->bytes, out);
	}
	free(value);
	putc(0xff, out);
	/* No checksum: zeros. */
	fwrite("\0\0\0\0\0\0\0", 1, 8, out);
	return fflush(out) || ferror(out) ? -1 : 0;
}
