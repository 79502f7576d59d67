/* SPDX-License-Identifier: GPL-2.0 */
/* cache.h - a set-associative table with LRU replacement: a cache, or a TLB */
#ifndef COWMEM_CACHE_H
#define COWMEM_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct cache - keys in sets; the least recently used one of a set is replaced
 * @sets: number of sets, not necessarily a power of two
 * @ways: entries of a set
 * @key: the keys, set by set; %CACHE_EMPTY: none
 * @stamp: when each was last used
 * @now: counts the uses
 */
struct cache {
	unsigned int sets;
	unsigned int ways;
	uint64_t *key;
	uint64_t *stamp;
	uint64_t now;
};

#define CACHE_EMPTY UINT64_MAX
#define CACHE_NONE SIZE_MAX

bool cache_init(struct cache *cache, unsigned int sets, unsigned int ways);
void cache_free(struct cache *cache);
void cache_clear(struct cache *cache);

/**
 * cache_slots - number of slots
 * @cache: the cache
 *
 * Return: sets times ways.
 */
static inline size_t cache_slots(const struct cache *cache)
{
	return (size_t)cache->sets * cache->ways;
}

/**
 * cache_find - look a key up and mark it as used
 * @cache: the cache
 * @key: the key
 * @index: decides the set, modulo the number of sets
 *
 * Return: its slot, or CACHE_NONE.
 */
static inline size_t cache_find(struct cache *cache, uint64_t key,
				uint64_t index)
{
	size_t first = index % cache->sets * cache->ways;
	size_t slot;

	for (slot = first; slot < first + cache->ways; slot++) {
		if (cache->key[slot] == key) {
			cache->stamp[slot] = ++cache->now;
			return slot;
		}
	}
	return CACHE_NONE;
}

/**
 * cache_fill - put a key that is absent into its set
 * @cache: the cache
 * @key: the key
 * @index: decides the set
 *
 * Return: its slot: an empty one, else that of the least recently used key.
 */
static inline size_t cache_fill(struct cache *cache, uint64_t key,
				uint64_t index)
{
	size_t first = index % cache->sets * cache->ways;
	size_t slot, victim = first;

	for (slot = first; slot < first + cache->ways; slot++) {
		if (cache->key[slot] == CACHE_EMPTY) {
			victim = slot;
			break;
		}
		if (cache->stamp[slot] < cache->stamp[victim])
			victim = slot;
	}
	cache->key[victim] = key;
	cache->stamp[victim] = ++cache->now;
	return victim;
}

/**
 * cache_touch - look a key up, and fill it in if it is absent
 * @cache: the cache
 * @key: the key, which also decides the set
 *
 * Return: whether it was there.
 */
static inline bool cache_touch(struct cache *cache, uint64_t key)
{
	if (cache_find(cache, key, key) != CACHE_NONE)
		return true;
	cache_fill(cache, key, key);
	return false;
}

#endif
