// SPDX-License-Identifier: LGPL-2.1-or-later
/* Parts of a region that were never written. */
#include "libcowsnap/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Holes that are looked for, and those that become mappings of their own. */
#define HOLE_LOOKS 256
#define HOLES 64

/* Whether the region has so many holes that they are worth mappings. */
bool holes_worth(const struct cowsnap *cs)
{
	struct stat st;

	/* A system call must not fail because a snapshot begins. */
	return cs->probe >= 0 && !cs->user_only && !fstat(cs->memfd, &st) &&
	       st.st_blocks * 512ULL + BLOCK < cs->size;
}

/* Map a part of the region: the memfd, private, or anonymous memory. */
static int map_part(struct cowsnap *cs, size_t start, size_t end, bool anon)
{
	const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
	unsigned char *at = cs->base + start;

	if (start == end)
		return 0;
	if (mmap(at, end - start, PROT_READ | PROT_WRITE,
		 flags | (anon ? MAP_ANONYMOUS : 0), anon ? -1 : cs->memfd,
		 anon ? 0 : start) == MAP_FAILED)
		return errno;
	if (anon) {
		/* Memory as it is written, as elsewhere. */
		madvise(at, end - start, MADV_NOHUGEPAGE);
		memset(cs->anon + start / BLOCK, 1, (end - start) / BLOCK);
	}
	return 0;
}

/*
 * The first write to a private page over a hole would take two pages: one in the
 * memfd and the copy. So blocks without any page get anonymous memory. The region
 * is held: a thread that accesses it waits, or finds a part that is done.
 */
int holes_map(struct cowsnap *cs)
{
	size_t at = 0, mapped = 0, start, end;
	unsigned int looks, holes = 0;
	int error = 0;

	for (looks = 0; looks < HOLE_LOOKS && holes < HOLES && at < cs->size;
	     looks++) {
		off_t data = lseek(cs->probe, at, SEEK_DATA);

		if (data < 0 && errno != ENXIO)
			break;
		end = data < 0 ? cs->size : (size_t)data;
		start = (at + BLOCK - 1) & ~(BLOCK - 1);
		if (end > cs->size)
			end = cs->size;
		at = end;
		end &= ~(BLOCK - 1);
		if (end > start) {
			error = map_part(cs, mapped, start, false);
			if (!error)
				error = map_part(cs, start, end, true);
			if (error)
				return error;
			mapped = end;
			holes++;
		}
		if (data < 0)
			break;
		data = lseek(cs->probe, at, SEEK_HOLE);
		if (data < 0)
			break;
		at = data;
	}
	return map_part(cs, mapped, cs->span, false);
}
