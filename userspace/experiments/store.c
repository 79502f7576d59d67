// SPDX-License-Identifier: GPL-2.0
/* The store of cowkv: a hash table whose contents follow from the seed. */
#include "experiments/store.h"

#include "common/pattern.h"
#include "common/util.h"

/* The slots of a store. */
const struct slot *store_table(const struct store *store)
{
	return (const struct slot *)((const char *)store + PAGE_BYTES);
}

static uint64_t value_word(uint64_t key, uint64_t op, unsigned int word)
{
	return mix64(key ^ mix64(op * VALUE_WORDS + word));
}

/* Linear probing. With ascending keys the slots ascend too. */
static struct slot *find(struct store *store, uint64_t key)
{
	struct slot *table = (struct slot *)store_table(store);
	uint64_t at = store->seq ? key : mix64(key);

	for (;; at++) {
		struct slot *slot = table + at % store->slots;

		if (!slot->key || slot->key == key)
			return slot;
	}
}

/* Write a record; @op 0 fills the store. Return: its slot. */
struct slot *store_put(struct store *store, uint64_t key, uint64_t op)
{
	struct slot *slot = find(store, key);
	unsigned int i;

	slot->key = key;
	slot->op = op;
	for (i = 0; i < VALUE_WORDS; i++)
		slot->value[i] = value_word(key, op, i);
	return slot;
}

/* The key that op number @op writes. */
uint64_t store_key(const struct store *store, uint64_t op)
{
	if (store->seq)
		return op % store->keys + 1;
	return mix64(store->seed + op) % store->keys + 1;
}

/* Fill three quarters of a store's slots in a region of @size bytes. */
void store_fill(struct store *store, uint64_t size, uint64_t seed, bool seq)
{
	uint64_t key;

	store->slots = (size - PAGE_BYTES) / sizeof(struct slot);
	store->keys = store->slots / 4 * 3;
	store->seed = mix64(seed);
	store->ops = 0;
	store->seq = seq;
	for (key = 1; key <= store->keys; key++)
		store_put(store, key, 0);
	/* Touch the rest of the region, as long use would. */
	for (key = 0; key < size; key += PAGE_BYTES)
		*((volatile char *)store + key) += 0;
}

/* Whether op number @op wrote the record last. */
bool slot_is(const struct slot *slot, uint64_t op)
{
	unsigned int i;

	if (slot->op != op)
		return false;
	for (i = 0; i < VALUE_WORDS; i++) {
		if (slot->value[i] != value_word(slot->key, op, i))
			return false;
	}
	return true;
}
