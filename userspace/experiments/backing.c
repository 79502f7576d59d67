// SPDX-License-Identifier: GPL-2.0
/* A file in the page cache that is mapped privately. */
#include "experiments/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/pagemap.h"
#include "common/util.h"

/**
 * backing_map - map the file, or exit
 * @region: the result, without guards
 * @fd: the file
 * @size: its bytes
 * @prot: as for mmap()
 * @flags: as for mmap()
 * @large_copies: allow large folios for its copies
 */
void backing_map(struct region *region, int fd, uint64_t size, int prot,
		 int flags, bool large_copies)
{
	region->kind = KIND_4K;
	region->size = region->map_size = size;
	region->base = region->map = mmap(NULL, size, prot, flags, fd, 0);
	if (region->base == MAP_FAILED)
		die("cannot map the file: %s", strerror(errno));
	if (large_copies && madvise(region->base, size, MADV_HUGEPAGE))
		die("--large-copies: this kernel has no transparent huge pages");
}

/**
 * backing_make - make a file without a name, or exit
 * @dir: its folder
 * @size: bytes
 * @seed: for its contents, as region_fill() writes them
 *
 * Nobody has it open for writing afterwards: windows leave other files alone.
 *
 * Return: the file, open for reading.
 */
int backing_make(const char *dir, uint64_t size, uint64_t seed)
{
	int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), reader;
	struct region region;
	char path[64];

	if (fd < 0)
		die("--dir %s: cannot make a file: %s", dir, strerror(errno));
	errno = posix_fallocate(fd, 0, size);
	if (errno)
		die("--dir %s: cannot make a file of %lu bytes: %s", dir, size,
		    strerror(errno));
	backing_map(&region, fd, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    false);
	region_fill(&region, seed);
	region_unmap(&region);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		die("cannot open the file again: %s", strerror(errno));
	close(fd);
	return reader;
}

/**
 * backing_check - exit if a byte of the file has changed
 * @fd: the file
 * @size: its bytes
 * @seed: as for backing_make()
 */
void backing_check(int fd, uint64_t size, uint64_t seed)
{
	struct verdict verdict;
	struct region region;

	backing_map(&region, fd, size, PROT_READ, MAP_SHARED, false);
	region_check(&region, seed, WHO_OLD, NULL, &verdict);
	verdict_require(&verdict, "the file");
	region_unmap(&region);
}

/**
 * backing_copied - count the pages of a mapping that are no longer the file's
 * @region: the mapping
 * @pages: the result
 *
 * Return: false if the kernel does not tell.
 */
bool backing_copied(const struct region *region, uint64_t *pages)
{
	const size_t count = region->size / PAGE_BYTES;
	uint64_t *entries = malloc(count * sizeof(*entries));
	bool known;
	size_t i;

	known = entries && pagemap_entries(region->base, entries, count);
	*pages = 0;
	for (i = 0; known && i < count; i++)
		*pages += (entries[i] & (PM_PRESENT | PM_FILE)) == PM_PRESENT;
	free(entries);
	return known;
}
