/* SPDX-License-Identifier: GPL-2.0 */
/* The store of cowkv, and the file that it is saved to. */
#ifndef COWLAB_STORE_H
#define COWLAB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_WORDS 6

/* A record */
struct slot {
	uint64_t key; /* from 1 on; 0: the slot is empty */
	/* number of the last op that wrote it; 0: none since it was filled */
	uint64_t op;
	uint64_t value[VALUE_WORDS]; /* follows from both */
};

/* Begin of the region; the table begins with its second page */
struct store {
	uint64_t slots; /* number of slots */
	uint64_t keys; /* number of keys; they are 1 to @keys */
	uint64_t seed; /* decides all ops */
	uint64_t ops; /* number of ops done */
	uint64_t seq; /* the ops' keys ascend */
};

void store_fill(struct store *store, uint64_t size, uint64_t seed, bool seq);
struct slot *store_put(struct store *store, uint64_t key, uint64_t op);
uint64_t store_key(const struct store *store, uint64_t op);
const struct slot *store_table(const struct store *store);
bool slot_is(const struct slot *slot, uint64_t op);

void store_save(const struct store *store, const char *path);
void store_verify(const char *path, uint64_t ops);

#endif /* COWLAB_STORE_H */
