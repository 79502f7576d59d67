// SPDX-License-Identifier: GPL-2.0
/* cowkv's file: writing it from a snapshot, and checking each record of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util.h"
#include "experiments/store.h"

#define MAGIC 0x31766b776f63ULL
#define IO_BYTES (256UL << 10)

static uint64_t checksum(uint64_t sum, const void *data, size_t bytes)
{
	const uint64_t *word = data;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		sum = (sum ^ word[i]) * 0x9e3779b97f4a7c15ULL + (sum >> 29);
	return sum;
}

/*
 * An output file of 64-bit words, with their checksum last. The buffer is not
 * from malloc(), which would break COW of the heap in a child.
 */
struct output {
	const char *path;
	int fd;
	size_t have;
	uint64_t sum;
	char *buf;
};

static void flush(struct output *out)
{
	size_t done = 0;

	while (done < out->have) {
		ssize_t n = write(out->fd, out->buf + done, out->have - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot write %s: %s", out->path, strerror(errno));
		done += n;
	}
	out->have = 0;
}

static void append(struct output *out, const void *data, size_t bytes)
{
	if (out->have + bytes > IO_BYTES)
		flush(out);
	memcpy(out->buf + out->have, data, bytes);
	out->have += bytes;
	out->sum = checksum(out->sum, data, bytes);
}

static FILE *open_input(const char *path)
{
	FILE *in = fopen(path, "re");

	if (!in)
		die("cannot open %s: %s", path, strerror(errno));
	return in;
}

static bool take(FILE *in, void *data, size_t bytes, uint64_t *sum)
{
	if (fread(data, bytes, 1, in) != 1)
		return false;
	*sum = checksum(*sum, data, bytes);
	return true;
}

/* The begin of a file: the store without its table. */
struct head {
	uint64_t magic;
	struct store store;
};

/* Save a store that nothing writes meanwhile */
void store_save(const struct store *store, const char *path)
{
	struct head head = { .magic = MAGIC, .store = *store };
	struct output out = { .path = path };
	uint64_t sum, i;

	out.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out.fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	out.buf = mmap(NULL, IO_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (out.buf == MAP_FAILED)
		die("no memory to write %s", path);
	append(&out, &head, sizeof(head));
	for (i = 0; i < store->slots; i++) {
		const struct slot *slot = store_table(store) + i;

		if (slot->key)
			append(&out, slot, sizeof(*slot));
	}
	sum = out.sum;
	append(&out, &sum, sizeof(sum));
	flush(&out);
	munmap(out.buf, IO_BYTES);
	close(out.fd);
}

/* The last op on each key. */
static uint64_t *last_ops(const struct store *store)
{
	uint64_t *last = calloc(store->keys + 1, sizeof(*last));
	uint64_t op;

	if (!last)
		die("no memory to verify %lu keys", store->keys);
	for (op = 1; op <= store->ops; op++)
		last[store_key(store, op)] = op;
	return last;
}

/*
 * Check that every record of a file is as the last op on its key left it, exit
 * if not. @ops: number of ops before the snapshot; UINT64_MAX: what the file
 * says.
 */
void store_verify(const char *path, uint64_t ops)
{
	uint64_t *last, sum = 0, before, stored, n;
	FILE *in = open_input(path);
	struct slot slot;
	struct head head;

	setvbuf(in, NULL, _IOFBF, IO_BYTES);
	if (!take(in, &head, sizeof(head), &sum) || head.magic != MAGIC ||
	    !head.store.keys || head.store.keys > 1ULL << 36)
		die("%s: not a file of cowkv's", path);
	if (ops != UINT64_MAX && head.store.ops != ops)
		die("%s: holds the state after %lu writes, but the snapshot was taken after %lu",
		    path, head.store.ops, ops);
	last = last_ops(&head.store);
	for (n = 0; n < head.store.keys; n++) {
		if (!take(in, &slot, sizeof(slot), &sum))
			die("%s: it ends after %lu of %lu records", path, n,
			    head.store.keys);
		if (!slot.key || slot.key > head.store.keys ||
		    last[slot.key] == UINT64_MAX)
			die("%s: record %lu: wrong or repeated key %lu", path,
			    n, slot.key);
		if (!slot_is(&slot, last[slot.key]))
			die("%s: key %lu is not as write %lu left it, but write %lu",
			    path, slot.key, last[slot.key], slot.op);
		last[slot.key] = UINT64_MAX;
	}
	before = sum;
	if (!take(in, &stored, sizeof(stored), &sum) || stored != before)
		die("%s: wrong checksum", path);
	if (fgetc(in) != EOF)
		die("%s: data after the checksum", path);
	free(last);
	fclose(in);
}
