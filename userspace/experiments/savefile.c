// SPDX-License-Identifier: GPL-2.0
/* cowkv's file: writing it from a snapshot, and checking each record of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* A file of 64-bit words, with their checksum last. */
struct stream {
	const char *path;
	int fd;
	size_t have;
	size_t at;
	uint64_t sum;
	char *buf;
};

static void open_stream(struct stream *s, const char *path, int flags)
{
	memset(s, 0, sizeof(*s));
	s->path = path;
	s->fd = open(path, flags | O_CLOEXEC, 0600);
	if (s->fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	/* Not malloc(): that would break COW of the heap in a child. */
	s->buf = mmap(NULL, IO_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->buf == MAP_FAILED)
		die("no memory to read or write %s", path);
}

static void close_stream(struct stream *s)
{
	munmap(s->buf, IO_BYTES);
	close(s->fd);
}

static void flush(struct stream *s)
{
	size_t done = 0;

	while (done < s->have) {
		ssize_t n = write(s->fd, s->buf + done, s->have - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot write %s: %s", s->path, strerror(errno));
		done += n;
	}
	s->have = 0;
}

static void append(struct stream *s, const void *data, size_t bytes)
{
	if (s->have + bytes > IO_BYTES)
		flush(s);
	memcpy(s->buf + s->have, data, bytes);
	s->have += bytes;
	s->sum = checksum(s->sum, data, bytes);
}

static bool take(struct stream *s, void *data, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		if (s->at == s->have) {
			ssize_t n = read(s->fd, s->buf, IO_BYTES);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				die("cannot read %s: %s", s->path,
				    strerror(errno));
			if (!n)
				return false;
			s->have = n;
			s->at = 0;
		}
		if (bytes - got <= s->have - s->at) {
			memcpy((char *)data + got, s->buf + s->at, bytes - got);
			s->at += bytes - got;
			break;
		}
		memcpy((char *)data + got, s->buf + s->at, s->have - s->at);
		got += s->have - s->at;
		s->at = s->have;
	}
	s->sum = checksum(s->sum, data, bytes);
	return true;
}

/* The begin of a file: the store without its table. */
struct head {
	uint64_t magic;
	struct store store;
};

/**
 * store_save - save a store that nothing writes meanwhile
 * @store: the store
 * @path: the file
 */
void store_save(const struct store *store, const char *path)
{
	struct head head = { .magic = MAGIC, .store = *store };
	struct stream out;
	uint64_t sum, i;

	open_stream(&out, path, O_WRONLY | O_CREAT | O_TRUNC);
	append(&out, &head, sizeof(head));
	for (i = 0; i < store->slots; i++) {
		const struct slot *slot = store_table(store) + i;

		if (slot->key)
			append(&out, slot, sizeof(*slot));
	}
	sum = out.sum;
	append(&out, &sum, sizeof(sum));
	flush(&out);
	close_stream(&out);
}

/* The last op on each key. */
static uint64_t *last_ops(const struct store *store)
{
	uint64_t *last = calloc(store->keys + 1, sizeof(*last));
	uint64_t op;

	if (!last)
		die("no memory to verify %" PRIu64 " keys", store->keys);
	for (op = 1; op <= store->ops; op++)
		last[store_key(store, op)] = op;
	return last;
}

/**
 * store_verify - check every record of a file, exit if one is wrong
 * @path: the file
 * @ops: number of ops before the snapshot; UINT64_MAX: what the file says
 *
 * Each record must be as the last op on its key left it.
 */
void store_verify(const char *path, uint64_t ops)
{
	uint64_t *last, sum, before, n;
	struct stream in;
	struct slot slot;
	struct head head;

	open_stream(&in, path, O_RDONLY);
	if (!take(&in, &head, sizeof(head)) || head.magic != MAGIC ||
	    !head.store.keys || head.store.keys > 1ULL << 36)
		die("%s: not a file of cowkv's", path);
	if (ops != UINT64_MAX && head.store.ops != ops)
		die("%s: holds the state after %" PRIu64
		    " writes, but the snapshot was taken after %" PRIu64,
		    path, head.store.ops, ops);
	last = last_ops(&head.store);
	for (n = 0; n < head.store.keys; n++) {
		if (!take(&in, &slot, sizeof(slot)))
			die("%s: it ends after %" PRIu64 " of %" PRIu64
			    " records",
			    path, n, head.store.keys);
		if (!slot.key || slot.key > head.store.keys ||
		    last[slot.key] == UINT64_MAX)
			die("%s: record %" PRIu64
			    ": wrong or repeated key %" PRIu64,
			    path, n, slot.key);
		if (!slot_is(&slot, last[slot.key]))
			die("%s: key %" PRIu64 " is not as write %" PRIu64
			    " left it, but write %" PRIu64,
			    path, slot.key, last[slot.key], slot.op);
		last[slot.key] = UINT64_MAX;
	}
	before = in.sum;
	if (!take(&in, &sum, sizeof(sum)) || sum != before)
		die("%s: wrong checksum", path);
	if (in.at != in.have || read(in.fd, in.buf, 1))
		die("%s: data after the checksum", path);
	free(last);
	close_stream(&in);
}
