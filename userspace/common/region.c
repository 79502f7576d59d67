// SPDX-License-Identifier: GPL-2.0
/* The region: mapping, filling, checking, and what /proc tells about it. */
#include "common/region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/pagemap.h"
#include "common/util.h"

#define HUGE_POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

/* Head or tail: Documentation/admin-guide/mm/pagemap.rst */
#define KPF_COMPOUND (1ULL << 15 | 1ULL << 16)

const char *const kind_names[] = { "4k", "thp", "mthp", "hugetlb", NULL };

/**
 * region_check_size - exit if a region cannot have that size
 * @kind: kind of its pages
 * @size: bytes
 */
void region_check_size(enum kind kind, uint64_t size)
{
	uint64_t unit = kind == KIND_4K ? PAGE_BYTES : HUGE_BYTES;

	if (size % unit)
		die("invalid --size '%lu': expected a multiple of %lu with --kind %s",
		    size, unit, kind_names[kind]);
}

static bool read_number(const char *path, uint64_t *value)
{
	char text[64];

	return read_text(path, text, sizeof(text)) &&
	       text_field(text, "", value);
}

static void require_hugetlb(size_t size, unsigned int copies)
{
	uint64_t need = size / HUGE_BYTES * copies;
	uint64_t available = 0, reserved = 0, total = 0;

	if (!read_number(HUGE_POOL "free_hugepages", &available))
		die("--kind hugetlb: this kernel has no huge pages of 2 MiB");
	read_number(HUGE_POOL "resv_hugepages", &reserved);
	read_number(HUGE_POOL "nr_hugepages", &total);
	available -= reserved < available ? reserved : available;
	if (available < need)
		die("--kind hugetlb: %lu free huge pages of 2 MiB needed, %lu there: echo %lu >/proc/sys/vm/nr_hugepages",
		    need, available, total + need - available);
}

/**
 * region_require - exit if memory cannot hold the region
 * @kind: kind of its pages
 * @size: bytes
 * @copies: copies of the region that may exist at a time
 *
 * Without the check the OOM killer would come, or SIGBUS with huge pages.
 */
void region_require(enum kind kind, size_t size, unsigned int copies)
{
	if (kind == KIND_HUGETLB)
		require_hugetlb(size, copies);
	else
		memory_require(size * copies, "--size");
}

/**
 * region_map - map the region, or exit
 * @region: the result
 * @kind: kind of its pages
 * @size: bytes, a multiple of the page
 *
 * Guards around the region keep it from merging with another mapping. It is
 * 2 MiB aligned for every kind, so that kinds differ in nothing else.
 */
void region_map(struct region *region, enum kind kind, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	uintptr_t start;

	region->kind = kind;
	region->size = size;
	if (__builtin_add_overflow(size, 2 * HUGE_BYTES, &region->map_size))
		die("--size: too large for the address space");
	region->map = mmap(NULL, region->map_size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (region->map == MAP_FAILED)
		die("--size: cannot map %zu bytes: %s", size, strerror(errno));
	start = (uintptr_t)region->map + PAGE_BYTES + HUGE_BYTES - 1;
	region->base = region->map + (start / HUGE_BYTES * HUGE_BYTES -
				      (uintptr_t)region->map);
	if (kind == KIND_HUGETLB)
		flags |= MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	if (mmap(region->base, size, PROT_READ | PROT_WRITE, flags, -1, 0) ==
	    MAP_FAILED)
		die("--size: cannot map %zu bytes: %s", size, strerror(errno));
	if (kind == KIND_HUGETLB)
		return;
	if (madvise(region->base, size,
		    kind == KIND_4K ? MADV_NOHUGEPAGE : MADV_HUGEPAGE) &&
	    kind != KIND_4K)
		die("--kind %s: this kernel has no transparent huge pages",
		    kind_names[kind]);
}

/**
 * region_unmap - unmap the region
 * @region: the region
 */
void region_unmap(struct region *region)
{
	munmap(region->map, region->map_size);
}

/**
 * region_fill - write every word's old value
 * @region: the region
 * @seed: the round's seed
 */
void region_fill(const struct region *region, uint64_t seed)
{
	uint64_t *word = (uint64_t *)region->base;
	size_t i;

	for (i = 0; i < region->size / sizeof(*word); i++)
		word[i] = word_value(seed, i, WHO_OLD);
}

/* The first wrong byte is the lowest one that differs: x86 is little-endian. */
static void note_wrong(struct verdict *verdict, uint64_t index,
		       uint64_t expected, uint64_t found)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		unsigned char want = expected >> (8 * i);
		unsigned char have = found >> (8 * i);

		if (want == have)
			continue;
		if (!verdict->wrong++) {
			verdict->offset = index * 8 + i;
			verdict->expected = want;
			verdict->found = have;
		}
	}
}

/**
 * region_check - compare every byte with what this process should see
 * @region: the region
 * @seed: the round's seed
 * @who: the writer that this process should see, WHO_OLD: none
 * @touched: one byte per page, 1 where @who wrote
 * @verdict: the result
 */
void region_check(const struct region *region, uint64_t seed, enum who who,
		  const unsigned char *touched, struct verdict *verdict)
{
	const uint64_t *word = (const uint64_t *)region->base;
	const size_t words = PAGE_BYTES / sizeof(*word);
	size_t page, i;

	memset(verdict, 0, sizeof(*verdict));
	for (page = 0; page < region->size / PAGE_BYTES; page++) {
		size_t first = page * words;
		size_t slot = words;

		if (who != WHO_OLD && touched[page])
			slot = word_slot(seed, page);
		for (i = 0; i < words; i++) {
			uint64_t want = word_value(seed, first + i,
						   i == slot ? who : WHO_OLD);

			if (word[first + i] != want)
				note_wrong(verdict, first + i, want,
					   word[first + i]);
		}
	}
}

/**
 * verdict_require - exit if a byte was wrong
 * @verdict: the result of region_check()
 * @where: what was checked
 */
void verdict_require(const struct verdict *verdict, const char *where)
{
	if (verdict->wrong)
		die("wrong byte in %s at offset 0x%lx: expected 0x%02x, found 0x%02x (%lu wrong in all)",
		    where, verdict->offset, verdict->expected, verdict->found,
		    verdict->wrong);
}

/**
 * region_verify - exit if a byte is not what this process should see
 * @region: the region
 * @seed: the round's seed
 * @who: the writer whose values this process should see
 * @first: the first page that @who wrote a word to
 * @pages: number of pages that @who wrote
 * @where: name of the region, for the error
 */
void region_verify(const struct region *region, uint64_t seed, enum who who,
		   size_t first, size_t pages, const char *where)
{
	unsigned char *touched = calloc(region->size / PAGE_BYTES, 1);
	struct verdict verdict;

	if (!touched)
		die("no memory for the check");
	memset(touched + first, 1, pages);
	region_check(region, seed, who, touched, &verdict);
	verdict_require(&verdict, where);
	free(touched);
}

/**
 * region_write - write one word to each page of a range
 * @region: the region
 * @seed: the round's seed
 * @who: the writer
 * @first: the first page
 * @last: the page behind the last
 */
void region_write(const struct region *region, uint64_t seed, enum who who,
		  size_t first, size_t last)
{
	volatile uint64_t *words = (uint64_t *)region->base;
	size_t page;

	for (page = first; page < last; page++) {
		uint64_t index = word_index(seed, page);

		words[index] = word_value(seed, index, who);
	}
}

/**
 * region_copied - count the pages that this process alone maps, or that moved
 * @region: the region
 * @before: from region_frames(): count pages that have another frame; or NULL
 *
 * Return: the number of 4 KiB pages, -1 if the kernel does not tell.
 */
long region_copied(const struct region *region, const uint64_t *before)
{
	const size_t pages = region->size / PAGE_BYTES;
	const uint64_t own = PM_PRESENT | PM_EXCLUSIVE;
	uint64_t entries[512];
	size_t page, nr, i;
	long count = 0;
	int fd;

	fd = pagemap_open();
	if (fd < 0)
		return -1;
	for (page = 0; page < pages; page += nr) {
		nr = pages - page;
		if (nr > ARRAY_SIZE(entries))
			nr = ARRAY_SIZE(entries);
		if (!pagemap_read(fd, region->base + page * PAGE_BYTES, entries,
				  nr)) {
			count = -1;
			break;
		}
		for (i = 0; i < nr; i++) {
			if (before)
				count += (entries[i] & PM_FRAME) !=
					 before[page + i];
			else
				count += (entries[i] & own) == own;
		}
	}
	close(fd);
	return count;
}

/**
 * region_frames - store each page's frame
 * @region: the region
 * @frames: room for one number per page
 *
 * Return: false if a page has none or the kernel does not tell: reading frames
 * takes CAP_SYS_ADMIN.
 */
bool region_frames(const struct region *region, uint64_t *frames)
{
	const size_t pages = region->size / PAGE_BYTES;
	size_t page;

	if (!pagemap_entries(region->base, frames, pages))
		return false;
	for (page = 0; page < pages; page++) {
		if (!(frames[page] & PM_PRESENT) || !(frames[page] & PM_FRAME))
			return false;
		frames[page] &= PM_FRAME;
	}
	return true;
}

/**
 * region_smaps - a number of the region's entry in /proc/self/smaps
 * @region: the region
 * @key: the line's beginning, with its colon
 * @kb: the result
 *
 * Allocates a buffer: not for use between fork and measurement.
 *
 * Return: false if the kernel does not tell.
 */
bool region_smaps(const struct region *region, const char *key, uint64_t *kb)
{
	bool here = false, found = false;
	char line[512], head[32];
	FILE *f;

	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return false;
	snprintf(head, sizeof(head), "%" PRIxPTR "-", (uintptr_t)region->base);
	while (!found && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, head, strlen(head)))
			here = true;
		else if (here)
			found = text_field(line, key, kb);
	}
	fclose(f);
	return found;
}

/* Exit unless every page belongs to a large folio. Needs root to see it. */
static void check_large_folios(const struct region *region)
{
	const size_t pages = region->size / PAGE_BYTES;
	uint64_t *frames = malloc(pages * sizeof(*frames));
	size_t page, small = 0;
	uint64_t flags;
	int fd;

	fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (frames && fd >= 0 && region_frames(region, frames)) {
		for (page = 0; page < pages; page++) {
			if (pread(fd, &flags, sizeof(flags),
				  frames[page] * sizeof(flags)) ==
				    sizeof(flags) &&
			    !(flags & KPF_COMPOUND))
				small++;
		}
	}
	if (fd >= 0)
		close(fd);
	free(frames);
	if (small)
		die("--kind mthp: %zu of %zu pages are small: enable a size in /sys/kernel/mm/transparent_hugepage/hugepages-*kB/enabled",
		    small, pages);
}

/**
 * region_settle - remove the region's pages from the CPUs' LRU caches
 * @cpus: CPUs that may have filled the region; the caller ends on one of them
 *
 * A page in such a cache has a reference that looks like any other's, so
 * precopy skips the page: up to 14 pages for each CPU that the filling thread
 * used. MADV_COLD empties the cache of the CPU that calls it, for any range.
 * Where MADV_COLD or the affinity is refused, the caches stay.
 */
void region_settle(const cpu_set_t *cpus)
{
	void *untouched = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cpu_set_t one;
	int cpu;

	if (untouched == MAP_FAILED)
		die("cannot map a page: %s", strerror(errno));
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, cpus))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (!sched_setaffinity(0, sizeof(one), &one))
			madvise(untouched, PAGE_BYTES, MADV_COLD);
	}
	munmap(untouched, PAGE_BYTES);
}

/* Exit if the pages of a region, filled and not yet forked, are not of the kind. */
static void check_kind(const struct region *region)
{
	uint64_t kb;

	if (region->kind == KIND_HUGETLB ||
	    !region_smaps(region, "AnonHugePages:", &kb))
		return;
	if (region->kind == KIND_THP && kb != region->size / 1024)
		die("--kind thp: only %lu of %zu KiB are huge pages: see /sys/kernel/mm/transparent_hugepage/enabled",
		    kb, region->size / 1024);
	if (region->kind != KIND_THP && kb)
		die("--kind %s: %lu KiB are huge pages of 2 MiB: see /sys/kernel/mm/transparent_hugepage/hugepages-2048kB/enabled",
		    kind_names[region->kind], kb);
	if (region->kind == KIND_MTHP)
		check_large_folios(region);
}

/**
 * region_make - map and fill a region, or exit
 * @region: the result
 * @kind: kind of its pages
 * @size: bytes
 * @seed: the round's seed
 * @large_copies: allow large folios for later allocations
 */
void region_make(struct region *region, enum kind kind, size_t size,
		 uint64_t seed, bool large_copies)
{
	region_map(region, kind, size);
	region_fill(region, seed);
	check_kind(region);
	if (large_copies && madvise(region->base, size, MADV_HUGEPAGE))
		die("--large-copies: this kernel has no transparent huge pages");
}

/**
 * warm_process - take all page faults outside the region in advance
 * @region: the region, which stays as it is
 *
 * After a fork, data, stacks and heap are copy-on-write again, and shared and
 * file mappings may have no page tables in the child. One populate call per
 * mapping makes their pages present and copies the private writable ones.
 * The rehearsal touches mappings that cannot be populated (vvar).
 */
void warm_process(const struct region *region)
{
	char text[64 * 1024], *line, *next;

	if (!read_text("/proc/self/maps", text, sizeof(text)))
		die("cannot read /proc/self/maps: %s", strerror(errno));
	for (line = text; *line; line = next) {
		uintptr_t start, end;
		char *p;

		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		start = strtoull(line, &p, 16);
		end = strtoull(p + 1, &p, 16);
		if (start >= (uintptr_t)region->map &&
		    start < (uintptr_t)region->map + region->map_size)
			continue;
		if (p[2] == 'w')
			madvise((void *)start, end - start,
				MADV_POPULATE_WRITE);
		else if (p[1] == 'r')
			madvise((void *)start, end - start, MADV_POPULATE_READ);
	}
}

/* A process's Pss and, which Pss does not count, its share of hugetlb pages. */
static bool memory_kb(pid_t pid, unsigned int sharers, uint64_t *kb)
{
	uint64_t own = 0, shared = 0;
	char path[64], text[2048];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	if (!read_text(path, text, sizeof(text)) ||
	    !text_field(text, "Pss:", kb))
		return false;
	text_field(text, "Private_Hugetlb:", &own);
	text_field(text, "Shared_Hugetlb:", &shared);
	*kb += own + shared / sharers;
	return true;
}

/**
 * memory_with_child - memory of the caller and of a child, shared pages once
 * @child: the child, 0: there is none
 * @kb: the result
 *
 * Return: false if the kernel does not tell.
 */
bool memory_with_child(pid_t child, uint64_t *kb)
{
	uint64_t other = 0;

	if (!memory_kb(getpid(), child ? 2 : 1, kb) ||
	    (child && !memory_kb(child, 2, &other)))
		return false;
	*kb += other;
	return true;
}

/**
 * memory_peak_kb - a process's peak of resident memory
 * @pid: the process, 0 for the caller
 *
 * Without hugetlb pages; a page that two processes map counts in both.
 *
 * Return: KiB, 0 if the kernel does not tell.
 */
uint64_t memory_peak_kb(pid_t pid)
{
	char path[64], text[4096];
	uint64_t kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid ? pid : getpid());
	if (read_text(path, text, sizeof(text)))
		text_field(text, "VmHWM:", &kb);
	return kb;
}
