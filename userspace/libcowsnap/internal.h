/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of libcowsnap. */
#ifndef COWSNAP_INTERNAL_H
#define COWSNAP_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "libcowsnap/cowsnap.h"

/* 4 KiB; on arm64 also 16 or 64. cowsnap_create() asks. */
extern size_t cowsnap_page;
#define PAGE cowsnap_page
#define BLOCK (2UL << 20)
#define BLOCK_PAGES (BLOCK / PAGE)
#define MAX_BLOCK_PAGES (BLOCK / 4096)

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_FILE (1ULL << 61)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

enum prefetcher_state {
	PREFETCHER_NONE,
	PREFETCHER_IDLE,
	PREFETCHER_WORKS,
	PREFETCHER_QUITS,
};

/**
 * struct prefetcher - the thread that breaks COW ahead
 * @state: what the thread does; changed under @lock
 * @stop: asks the thread to leave its work
 * @changed: signalled when @state changes
 * @broken: pages broken in this snapshot
 */
struct prefetcher {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum prefetcher_state state;
	atomic_bool stop;
	_Atomic uint64_t broken;
};

struct hint;

/**
 * struct cowsnap - a region
 * @base: its address
 * @size: bytes, whole pages
 * @span: bytes mapped, possibly beyond the memfd's end
 * @map: the reservation around it
 * @map_size: bytes of @map
 * @align: of @base, and of every view
 * @view: the snapshot, or NULL
 * @last_view: where it was last
 * @aside: where cowsnap_end() keeps pages for a moment
 * @memfd: the data
 * @pagemap: /proc/self/pagemap
 * @uffd: userfaultfd
 * @user_only: @uffd does not stop the kernel's own accesses
 * @moves_split: mremap() moves several mappings at once, Linux 6.17 and later
 * @probe: the memfd opened again, to look for holes; -1: not possible
 * @anon: one byte per block, 1: the region has anonymous memory over a hole
 * @owner: the process that created the region
 * @memfd_ino: inode of @memfd
 * @hints: what the program had asked for parts of the region
 * @nr_hints: how many
 * @thawed: pages that cowsnap_end() has moved back
 * @split: cowsnap_end() found several mappings
 * @broken: a cowsnap_end() has failed
 * @lock: one cowsnap_begin() or cowsnap_end() at a time
 * @budget: the prefetcher's
 * @prefetcher: the prefetcher
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
	unsigned char *last_view;
	unsigned char *aside;
	int memfd;
	int pagemap;
	int uffd;
	bool user_only;
	bool moves_split;
	int probe;
	unsigned char *anon;
	pid_t owner;
	ino_t memfd_ino;
	struct hint *hints;
	size_t nr_hints;
	size_t thawed;
	bool split;
	bool broken;
	pthread_mutex_t lock;
	struct cowsnap_budget budget;
	struct prefetcher prefetcher;
	struct cowsnap_stats stats;
};

unsigned char *reserve(size_t size, size_t align, unsigned char **map,
		       size_t *map_size);
bool is_split(unsigned char *start, size_t size);
void block_signals(sigset_t *old);
int hold(const struct cowsnap *cs, size_t first, size_t nr, bool on);
void unhold(struct cowsnap *cs, size_t first, size_t nr);
void wake(const struct cowsnap *cs, size_t first, size_t nr);
int thaw(struct cowsnap *cs);

bool holes_worth(const struct cowsnap *cs);
int holes_map(struct cowsnap *cs);

int hints_gather(struct cowsnap *cs);
void hints_apply(struct cowsnap *cs);
void hints_forget(struct cowsnap *cs);

int prefetcher_create(struct cowsnap *cs);
void prefetcher_begin(struct cowsnap *cs);
void prefetcher_end(struct cowsnap *cs);
void prefetcher_destroy(struct cowsnap *cs);

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Read the pagemap entries of @nr pages. */
static inline bool read_entries(const struct cowsnap *cs, const void *addr,
				size_t nr, uint64_t *entries)
{
	off_t at = (uintptr_t)addr / PAGE * sizeof(*entries);
	ssize_t want = nr * sizeof(*entries);

	return pread(cs->pagemap, entries, want, at) == want;
}

/* Whether a page of the region has a private copy. */
static inline bool entry_own(uint64_t entry)
{
	return entry & (PM_PRESENT | PM_SWAP) && !(entry & PM_FILE);
}

#endif /* COWSNAP_INTERNAL_H */
