/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/* /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst */
#ifndef COWLAB_PAGEMAP_H
#define COWLAB_PAGEMAP_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define PAGEMAP_PAGE 4096UL

/* The page frame is 0 for a reader without CAP_SYS_ADMIN. */
#define PM_FRAME ((1ULL << 55) - 1)
#define PM_SOFT_DIRTY (1ULL << 55)
#define PM_EXCLUSIVE (1ULL << 56)
#define PM_UFFD_WP (1ULL << 57)
#define PM_FILE (1ULL << 61)
#define PM_SWAP (1ULL << 62)
#define PM_PRESENT (1ULL << 63)

/**
 * pagemap_open - open the caller's pagemap
 *
 * Return: the file, or -1 with errno.
 */
static inline int pagemap_open(void)
{
	return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/**
 * pagemap_read - read the entries of consecutive pages
 * @fd: what pagemap_open() returned
 * @addr: an address in the first page
 * @entries: room for @count entries
 * @count: number of pages
 *
 * Allocates nothing and uses no stdio.
 *
 * Return: false if the kernel does not return all entries.
 */
static inline bool pagemap_read(int fd, const void *addr, uint64_t *entries,
				size_t count)
{
	const off_t first = (uintptr_t)addr / PAGEMAP_PAGE;
	size_t have = 0;

	while (have < count) {
		ssize_t n = pread(fd, entries + have, (count - have) * 8,
				  (first + (off_t)have) * 8);

		if (n < 8)
			return false;
		have += n / 8;
	}
	return true;
}

/**
 * pagemap_entries - open the caller's pagemap, read entries, close it
 * @addr: an address in the first page
 * @entries: room for @count entries
 * @count: number of pages
 *
 * Return: false if there is no pagemap or it has not all entries.
 */
static inline bool pagemap_entries(const void *addr, uint64_t *entries,
				   size_t count)
{
	int fd = pagemap_open();
	bool good;

	if (fd < 0)
		return false;
	good = pagemap_read(fd, addr, entries, count);
	close(fd);
	return good;
}

#endif /* COWLAB_PAGEMAP_H */
