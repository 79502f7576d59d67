/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of libcowsnap share. */
#ifndef COWSNAP_INTERNAL_H
#define COWSNAP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "libcowsnap/cowsnap.h"

#define PAGE 4096UL
#define BLOCK (2UL << 20)
#define BLOCK_PAGES (BLOCK / PAGE)

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_FILE (1ULL << 61)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

enum helper_state {
	HELPER_NONE,
	HELPER_IDLE,
	HELPER_WORKS,
	HELPER_QUITS,
};

/**
 * struct helper - the thread that breaks COW ahead
 * @state: what it does; changed under @lock
 * @stop: asks it to come back from its work
 * @changed: signalled when @state is
 * @broken: pages it has broken in this snapshot
 */
struct helper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum helper_state state;
	atomic_bool stop;
	_Atomic uint64_t broken;
};

/**
 * struct cowsnap - a region
 * @base: where it is
 * @size: bytes, whole pages
 * @span: bytes that are mapped, the last of them behind the memfd's end
 * @map: the reservation around it
 * @map_size: bytes of @map
 * @align: of @base, and of every view
 * @view: the snapshot, or NULL
 * @memfd: the data
 * @pagemap: /proc/self/pagemap
 * @uffd: userfaultfd
 * @broken: a snapshot_end() has failed
 * @lock: one snapshot_begin() or snapshot_end() at a time
 * @budget: the helper's
 * @helper: the helper
 * @stats: of the last snapshot
 */
struct cowsnap {
	unsigned char *base;
	size_t size;
	size_t span;
	unsigned char *map;
	size_t map_size;
	size_t align;
	unsigned char *view;
	int memfd;
	int pagemap;
	int uffd;
	bool broken;
	pthread_mutex_t lock;
	struct cowsnap_budget budget;
	struct helper helper;
	struct snapshot_stats stats;
};

uint64_t cowsnap_now(void);
bool cowsnap_entries(const struct cowsnap *cs, const void *addr, size_t nr,
		     uint64_t *entries);
int helper_create(struct cowsnap *cs);
void helper_begin(struct cowsnap *cs);
void helper_end(struct cowsnap *cs);
void helper_destroy(struct cowsnap *cs);

/* Whether a page of the region has a copy of its own. */
static inline bool entry_own(uint64_t entry)
{
	return entry & (PM_PRESENT | PM_SWAP) && !(entry & PM_FILE);
}

#endif /* COWSNAP_INTERNAL_H */
