// SPDX-License-Identifier: GPL-2.0
/*
 * Which pages are broken, and in which order.
 *
 * Recently written blocks first. Before a fork, the only way to learn what a
 * program writes is to make each write fault: soft-dirty tracking
 * (/proc/PID/clear_refs) write-protects everything with the mmap lock held for
 * writing, which costs as much latency as a second fork(), and the kernel's batch
 * declines such pages. PTE dirty bits are not exported. After a fork,
 * /proc/self/pagemap tells at no cost: a page that is no longer shared, and was
 * not broken here, has been written. So memory is served in blocks of 2 MiB,
 * those first that the program has written most since this fork and, each with
 * half the weight of the next, since the forks before. Each fork starts from what
 * the faults after the last ones have shown.
 *
 * A block that still is one huge page is urgent: copied as a whole it stays one,
 * and the program's first write splits it. So these come first, unless a fork has
 * passed without a write there. Where the program has just split one, it is at
 * work: two threads in one page table wait for its lock and for each other's TLB
 * flushes, so such a block comes again after the huge ones.
 *
 * Only present anonymous pages that are shared are broken. Left alone are the
 * zero page, pages of files, swapped pages, pages that userfaultfd protects,
 * and mappings with pages that KSM merges or that were given back by MADV_FREE:
 * the kernel shows these per mapping only.
 */
#include "cowwarm/warm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cowwarm/scan.h"

#define FIRST_BLOCKS 1024UL
/* The kernel works in aligned windows of that many pages. */
#define BATCH_PAGES 64
/* Look again at what has been written after so many blocks. */
#define BLOCKS_A_SCAN 32
/* More heat than that makes no difference. */
#define MAX_HEAT 4095U
/* A mapping is left alone if more than this part of it was given back. */
#define FREED_PART 8

/* Documentation/admin-guide/mm/pagemap.rst */
#define PM_EXCLUSIVE (1ULL << 56)
#define PM_UFFD_WP (1ULL << 57)
#define PM_FILE (1ULL << 61)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)
/* Ours: a bit that pagemap leaves at 0. */
#define PM_HUGE (1ULL << 59)

static bool is_shared(uint64_t entry)
{
	return (entry & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE | PM_UFFD_WP)) ==
	       PM_PRESENT;
}

static bool is_own(uint64_t entry)
{
	return (entry & (PM_PRESENT | PM_FILE | PM_EXCLUSIVE)) ==
	       (PM_PRESENT | PM_EXCLUSIVE);
}

/* pagemap shows the zero page as a shared one; only the ioctl tells. */
static bool mark_zero_and_huge(uintptr_t start, size_t pages, uint64_t *entries)
{
	struct page_region regions[128];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = start + pages * PAGE_BYTES,
		.vec = (uintptr_t)regions,
		.vec_len = ARRAY_SIZE(regions),
		.category_anyof_mask = PAGE_IS_PFNZERO | PAGE_IS_HUGE,
		.return_mask = PAGE_IS_PFNZERO | PAGE_IS_HUGE,
	};

	while (arg.start < arg.end) {
		int i, n = ioctl(warm.pagemap, PAGEMAP_SCAN, &arg);

		if (n < 0) {
			say_why(NO_SCAN, errno);
			warm.useless = true;
			return false;
		}
		for (i = 0; i < n; i++) {
			size_t page = (regions[i].start - start) / PAGE_BYTES;
			size_t end = (regions[i].end - start) / PAGE_BYTES;

			for (; page < end && page < pages; page++) {
				if (regions[i].categories & PAGE_IS_PFNZERO)
					entries[page] = 0;
				else
					entries[page] |= PM_HUGE;
			}
		}
		if (!n || arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return true;
}

static bool read_entries(uintptr_t start, size_t pages, uint64_t *entries)
{
	ssize_t want = pages * sizeof(*entries);

	return pread(warm.pagemap, entries, want,
		     start / PAGE_BYTES * sizeof(*entries)) == want;
}

/* The pages of a block. Return: false if it is to be left alone. */
static bool entries_of(uintptr_t start, size_t pages, uint64_t *entries)
{
	size_t i;

	if (!read_entries(start, pages, entries))
		return false;
	for (i = 0; i < pages; i++) {
		if (is_shared(entries[i]))
			return mark_zero_and_huge(start, pages, entries);
	}
	return true;
}

/*
 * Where the next page is. A sanitizer's shadow or an allocator's reservation has
 * terabytes without any: the kernel skips these by page tables, we by blocks.
 */
static uintptr_t next_present(uintptr_t start, uintptr_t end)
{
	struct page_region region;
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.max_pages = 1,
		.category_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT,
	};

	switch (start < end ? ioctl(warm.pagemap, PAGEMAP_SCAN, &arg) : -1) {
	case 0:
		return end;
	case 1:
		return region.start / HUGE_BYTES * HUGE_BYTES;
	default:
		return start;
	}
}

/*
 * Look at a block; what it was found to be before is in @before, or NULL.
 * Return: whether it has pages.
 */
static bool look(struct block *block, const struct block *before)
{
	uint64_t entries[BLOCK_PAGES];
	uint16_t own = 0, i;
	bool there = false;

	block->shared = 0;
	block->known = before ? before->known : 0;
	block->served = before && before->served;
	block->cold = before && before->cold;
	block->huge = before && before->huge;
	block->heat = before ? before->heat : 0;
	if (!entries_of(block->start, block->pages, entries))
		return true;
	for (i = 0; i < block->pages; i++) {
		/* Where nothing is, the soft-dirty bit may be set. */
		there |= !!(entries[i] & (PM_PRESENT | PM_SWAP));
		block->shared += is_shared(entries[i]);
		own += is_own(entries[i]);
	}
	/* Nobody asks where nothing is shared: it is what it was. */
	if (block->shared)
		block->huge = entries[0] & PM_HUGE;
	/* Nothing shared: there never was, or there is nothing left to learn. */
	if (own > block->known && block->shared)
		block->heat += own - block->known;
	block->known = own;
	return there;
}

/* Room for more blocks. No child has a use for them. */
static bool grow(void)
{
	size_t max = warm.max_blocks ? 2 * warm.max_blocks : FIRST_BLOCKS;
	size_t bytes = max * sizeof(struct block), old = warm.max_blocks;
	struct block **which[] = { &warm.blocks, &warm.old_blocks };
	size_t i;

	for (i = 0; i < 2; i++) {
		void *p;

		if (*which[i])
			p = mremap(*which[i], old * sizeof(struct block), bytes,
				   MREMAP_MAYMOVE);
		else
			p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) {
			say_why(NO_BLOCKS, errno);
			/* The other one may have grown: both can be shrunk. */
			if (i && old)
				warm.blocks = mremap(warm.blocks, bytes,
						     old * sizeof(struct block),
						     0);
			else if (i) {
				munmap(warm.blocks, bytes);
				warm.blocks = NULL;
			}
			return false;
		}
		madvise(p, bytes, MADV_DONTFORK);
		*which[i] = p;
	}
	warm.max_blocks = max;
	return true;
}

static bool is_skipped(uintptr_t start, uintptr_t end)
{
	unsigned int i;

	for (i = 0; i < warm.nr_skips; i++) {
		if (start < warm.skips[i].end && end > warm.skips[i].start)
			return true;
	}
	return false;
}

/* Cut a mapping into blocks. */
static bool add_mapping(uintptr_t start, uintptr_t end, size_t *old,
			size_t nr_old)
{
	while (start < end) {
		uintptr_t next = (start / HUGE_BYTES + 1) * HUGE_BYTES;
		const struct block *before = NULL;
		struct block *block;

		if (warm.quit)
			return false;
		if (warm.nr_blocks == warm.max_blocks && !grow())
			return true;
		block = &warm.blocks[warm.nr_blocks++];
		if (next > end)
			next = end;
		block->start = start;
		block->pages = (next - start) / PAGE_BYTES;
		while (*old < nr_old && warm.old_blocks[*old].start < start)
			++*old;
		if (*old < nr_old && warm.old_blocks[*old].start == start)
			before = &warm.old_blocks[*old];
		start = next;
		if (!look(block, before)) {
			if (!block->heat)
				warm.nr_blocks--;
			start = next_present(next, end);
		}
		warm.shared += block->shared;
	}
	return true;
}

/* Whether a line of maps is writable, private and anonymous memory. */
static bool is_ours(const char *line, uintptr_t *start, uintptr_t *end)
{
	unsigned long inode;
	char perms[5];

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*x:%*x %lu", start,
		   end, perms, &inode) != 4)
		return false;
	/* Huge pages of a pool have an inode, as have files. */
	return perms[0] == 'r' && perms[1] == 'w' && perms[3] == 'p' && !inode;
}

/**
 * pages_scan - look at all memory
 *
 * Return: false if the kernel does not let us, or the warmer is to end.
 */
bool pages_scan(void)
{
	struct block *blocks = warm.old_blocks;
	size_t nr_old = warm.nr_blocks, old = 0;
	struct lines lines;
	char *line;

	if (!lines_open(&lines, "/proc/self/maps")) {
		say_why(NO_PROC, errno);
		warm.useless = true;
		return false;
	}
	warm.old_blocks = warm.blocks;
	warm.blocks = blocks;
	warm.nr_blocks = 0;
	warm.shared = 0;
	while ((line = lines_next(&lines))) {
		uintptr_t start, end;

		if (is_ours(line, &start, &end) && !is_skipped(start, end) &&
		    !add_mapping(start, end, &old, nr_old))
			break;
	}
	lines_close(&lines);
	return !line && !lines.error && !warm.useless;
}

static void leave_alone(uintptr_t start, uintptr_t end)
{
	if (warm.nr_skips == SKIPS) {
		warm.skips[SKIPS - 1].end = end;
		return;
	}
	warm.skips[warm.nr_skips].start = start;
	warm.skips[warm.nr_skips++].end = end;
}

/* Whether the machine has any; reading smaps takes as long as a scan. */
static bool may_be_there(const char *path, const char *key)
{
	struct lines lines;
	uint64_t value = 1;
	char *line;

	if (!lines_open(&lines, path))
		return true;
	while ((line = lines_next(&lines))) {
		if (!strncmp(line, key, strlen(key)) &&
		    sscanf(line + strlen(key), " %" SCNu64, &value) == 1)
			break;
	}
	lines_close(&lines);
	return value;
}

/* Find mappings whose pages are merged or given back. */
static void find_skips(void)
{
	bool ksm = may_be_there("/sys/kernel/mm/ksm/pages_shared", "");
	bool lazy = may_be_there("/proc/vmstat", "pglazyfree ");
	uint64_t anon = 0, freed = 0;
	uintptr_t start = 0, end = 0;
	struct lines lines;
	char *line;

	warm.nr_skips = 0;
	if ((!ksm && !lazy) || !lines_open(&lines, "/proc/self/smaps"))
		return;
	while ((line = lines_next(&lines))) {
		uintptr_t a, b;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &a, &b) == 2) {
			start = a;
			end = b;
			anon = freed = 0;
		} else if (sscanf(line, "Anonymous: %" SCNu64, &anon) == 1 ||
			   sscanf(line, "LazyFree: %" SCNu64, &freed) == 1) {
			continue;
		} else if (!strncmp(line, "VmFlags:", 8) &&
			   ((ksm && strstr(line, " mg")) ||
			    freed * FREED_PART > anon)) {
			leave_alone(start, end);
		}
	}
	lines_close(&lines);
	if (warm.nr_skips)
		say_why(SKIPPED, 0);
}

/**
 * pages_new_fork - there is a child more
 *
 * Everything is shared again, and what was hot has cooled.
 */
void pages_new_fork(void)
{
	size_t i;

	find_skips();
	warm.shared = 0;
	for (i = 0; i < warm.nr_blocks; i++) {
		struct block *block = &warm.blocks[i];

		/* Where the warmer came first, no fault could show what is hot. */
		if (!block->served) {
			block->cold = warm.looked && !block->heat;
			block->heat /= 2;
		}
		block->served = false;
		block->shared += block->known;
		if (block->shared > block->pages)
			block->shared = block->pages;
		block->known = 0;
		warm.shared += block->shared;
	}
	warm.looked = false;
}

/* Break the shared pages of a block, or put it off. Return: false to give up. */
static bool serve(struct block *block)
{
	uint64_t entries[BLOCK_PAGES];
	size_t first, nr;

	if (!entries_of(block->start, block->pages, entries)) {
		block->served = true;
		return !warm.useless;
	}
	if (block->huge && !(entries[0] & PM_HUGE)) {
		block->huge = false;
		return true;
	}
	block->served = true;
	for (first = 0; first < block->pages; first += nr) {
		uint64_t left = warm.limit - warm.used;

		nr = 1;
		if (!is_shared(entries[first]))
			continue;
		/* A huge page is copied as one. */
		if (entries[first] & PM_HUGE)
			nr = block->pages - first;
		else
			while (first + nr < block->pages && nr < BATCH_PAGES &&
			       is_shared(entries[first + nr]) &&
			       !(entries[first + nr] & PM_HUGE))
				nr++;
		if (nr > left) {
			if (entries[first] & PM_HUGE)
				return true;
			nr = left;
		}
		if (!nr)
			return false;
		warm.used += nr;
		warm.broken += nr;
		block->known += nr;
		/* EFAULT: it has been unmapped meanwhile. */
		if (break_cow((void *)(block->start + first * PAGE_BYTES),
			      nr * PAGE_BYTES) &&
		    errno != EFAULT) {
			say_why(FAILED_CALL, errno);
			return false;
		}
	}
	return true;
}

static bool is_urgent(const struct block *block)
{
	return block->huge && !block->cold;
}

/* What comes first: huge pages, for each write may split one; then what is hot. */
static unsigned int rank_of(const struct block *block)
{
	unsigned int heat = block->heat < MAX_HEAT ? block->heat : MAX_HEAT;

	return is_urgent(block) ? MAX_HEAT + 1 + heat : heat;
}

static struct block *next_to_serve(void)
{
	struct block *best = NULL;
	unsigned int rank = 0;
	size_t i;

	for (i = 0; i < warm.nr_blocks; i++) {
		struct block *block = &warm.blocks[i];

		if (block->shared && !block->served &&
		    (!best || rank_of(block) > rank)) {
			best = block;
			rank = rank_of(block);
		}
	}
	return best;
}

/* At first the huge pages that are known of: the program may be faster than a look. */
static bool look_or_hurry(bool *hurry)
{
	const struct block *next = warm.looked ? NULL : next_to_serve();

	*hurry = next && is_urgent(next);
	if (*hurry)
		return true;
	warm.looked = true;
	return pages_scan();
}

/**
 * pages_pass - serve the hottest blocks, some of them
 * @seen: forks that are known of
 *
 * Return: whether there may be more to do; not if the budget is spent, the
 * children are gone or another was made.
 */
bool pages_pass(uint32_t seen)
{
	struct block *block;
	unsigned int count;
	bool hurry;

	if (!look_or_hurry(&hurry))
		return false;
	if (!warm.limited) {
		warm.limit = limits_fix(warm.shared);
		warm.limited = true;
	} else if (!limits_floor_kept()) {
		return false;
	}
	for (count = 0; count < BLOCKS_A_SCAN; count++) {
		block = next_to_serve();
		if (hurry && !(block && is_urgent(block)))
			return true;
		if (!block || !warmer_prune() || warm.count != seen ||
		    warm.used >= warm.limit || !serve(block))
			return false;
	}
	return true;
}

/**
 * pages_in_pieces - whether a block could be one huge page, and is not
 * @block: the block
 *
 * Each page of it must be the program's own: nothing is shared, swapped or empty.
 */
bool pages_in_pieces(const struct block *block)
{
	uint64_t entries[BLOCK_PAGES];
	size_t i;

	if (block->pages != BLOCK_PAGES ||
	    !read_entries(block->start, block->pages, entries))
		return false;
	for (i = 0; i < BLOCK_PAGES; i++) {
		if (!is_own(entries[i]) || entries[i] & PM_UFFD_WP)
			return false;
	}
	return mark_zero_and_huge(block->start, block->pages, entries) &&
	       !(entries[0] & PM_HUGE);
}
