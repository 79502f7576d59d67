// SPDX-License-Identifier: GPL-2.0
/* cache.c - a set-associative table with LRU replacement */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

/**
 * cache_init - make an empty cache
 * @cache: the cache
 * @sets: number of sets, at least 1
 * @ways: entries of a set, at least 1
 *
 * Return: false if there is no memory.
 */
bool cache_init(struct cache *cache, unsigned int sets, unsigned int ways)
{
	*cache = (struct cache){ .sets = sets, .ways = ways };
	cache->key = calloc(cache_slots(cache), sizeof(*cache->key));
	cache->stamp = calloc(cache_slots(cache), sizeof(*cache->stamp));
	if (!cache->key || !cache->stamp) {
		cache_free(cache);
		return false;
	}
	cache_clear(cache);
	return true;
}

/**
 * cache_free - free what cache_init() allocated
 * @cache: the cache
 */
void cache_free(struct cache *cache)
{
	free(cache->key);
	free(cache->stamp);
	cache->key = NULL;
	cache->stamp = NULL;
}

/**
 * cache_clear - remove all keys
 * @cache: the cache
 */
void cache_clear(struct cache *cache)
{
	/* CACHE_EMPTY is all ones. */
	memset(cache->key, 0xff, cache_slots(cache) * sizeof(*cache->key));
}
