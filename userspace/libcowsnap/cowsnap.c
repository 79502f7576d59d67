// SPDX-License-Identifier: GPL-2.0
/* Regions and snapshots; cowsnap.h says how and why. */
#include "libcowsnap/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

#define GIB (1UL << 30)
/* Pages that snapshot_end() holds writers off from at a time. */
#define MERGE_PAGES 32

uint64_t cowsnap_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The pagemap entries of @nr pages. */
bool cowsnap_entries(const struct cowsnap *cs, size_t first, size_t nr,
		     uint64_t *entries)
{
	off_t at = ((uintptr_t)cs->base / PAGE + first) * sizeof(*entries);
	ssize_t want = nr * sizeof(*entries);

	return pread(cs->pagemap, entries, want, at) == want;
}

/*
 * An aligned piece of address space, with nothing of ours around it that it
 * could merge with. @map and @map_size, where wanted, are all of what was
 * reserved; else the rest is given back.
 */
static unsigned char *reserve(size_t size, size_t align, unsigned char **map,
			      size_t *map_size)
{
	size_t all, before;
	unsigned char *p;

	if (__builtin_add_overflow(size, align + 2 * PAGE, &all)) {
		errno = EINVAL;
		return NULL;
	}
	p = mmap(NULL, all, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	before = align - ((uintptr_t)p + PAGE) % align + PAGE;
	if (before == align + PAGE)
		before = PAGE;
	if (map) {
		*map = p;
		*map_size = all;
	} else {
		munmap(p, before);
		munmap(p + before + size, all - before - size);
	}
	return p + before;
}

/*
 * userfaultfd, if this kernel's can write-protect shared memory. Rather one
 * that serves faults of the kernel too.
 */
static int open_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	int fd;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == EPERM)
		fd = syscall(SYS_userfaultfd,
			     O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd < 0) {
		if (errno == ENOSYS)
			errno = ENOTSUP;
		return -1;
	}
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		errno = ENOTSUP;
		return -1;
	}
	return fd;
}

static void *map_region(struct cowsnap *cs, int flags)
{
	return mmap(cs->base, cs->size, PROT_READ | PROT_WRITE,
		    flags | MAP_FIXED | MAP_NORESERVE, cs->memfd, 0);
}

struct cowsnap *cowsnap_create(size_t bytes,
			       const struct cowsnap_budget *budget)
{
	struct cowsnap *cs;
	int error = EINVAL;

	if (!bytes || bytes > SIZE_MAX / 4 ||
	    (budget && budget->flags & ~COWSNAP_EVERYTHING)) {
		errno = EINVAL;
		return NULL;
	}
	cs = calloc(1, sizeof(*cs));
	if (!cs)
		return NULL;
	cs->size = (bytes + PAGE - 1) & ~(PAGE - 1);
	cs->align = cs->size < GIB ? BLOCK : GIB;
	if (budget)
		cs->budget = *budget;
	pthread_mutex_init(&cs->lock, NULL);
	cs->uffd = -1;
	cs->pagemap = -1;
	cs->memfd = memfd_create("cowsnap", MFD_CLOEXEC);
	if (cs->memfd < 0 || ftruncate(cs->memfd, cs->size))
		goto fail;
	cs->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (cs->pagemap < 0)
		goto fail;
	cs->uffd = open_uffd();
	if (cs->uffd < 0)
		goto fail;
	cs->base = reserve(cs->size, cs->align, &cs->map, &cs->map_size);
	if (!cs->base)
		goto fail;
	if (map_region(cs, MAP_SHARED) == MAP_FAILED ||
	    madvise(cs->base, cs->size, MADV_DONTFORK) || helper_create(cs))
		goto fail;
	return cs;
fail:
	error = errno;
	cowsnap_destroy(cs);
	errno = error;
	return NULL;
}

void *cowsnap_base(const struct cowsnap *cs)
{
	return cs->base;
}

size_t cowsnap_size(const struct cowsnap *cs)
{
	return cs->size;
}

int snapshot_fd(const struct cowsnap *cs)
{
	return cs->memfd;
}

void cowsnap_destroy(struct cowsnap *cs)
{
	if (!cs)
		return;
	helper_destroy(cs);
	if (cs->view)
		munmap(cs->view, cs->size);
	if (cs->map)
		munmap(cs->map, cs->map_size);
	if (cs->uffd >= 0)
		close(cs->uffd);
	if (cs->pagemap >= 0)
		close(cs->pagemap);
	if (cs->memfd >= 0)
		close(cs->memfd);
	pthread_mutex_destroy(&cs->lock);
	free(cs);
}

static int freeze(struct cowsnap *cs)
{
	unsigned char *view;
	int error;

	if (cs->view)
		return EBUSY;
	if (cs->broken)
		return EIO;
	view = reserve(cs->size, cs->align, NULL, NULL);
	if (!view)
		return errno;
	/* The page tables go to the view; the region stays, but empty. */
	if (mremap(cs->base, cs->size, cs->size,
		   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   view) == MAP_FAILED) {
		error = errno;
		munmap(view, cs->size);
		return error;
	}
	/* From here on a write to the region leaves the view alone. */
	if (map_region(cs, MAP_PRIVATE) == MAP_FAILED) {
		error = errno;
		munmap(view, cs->size);
		return error;
	}
	madvise(cs->base, cs->size, MADV_DONTFORK);
	cs->view = view;
	return 0;
}

const void *snapshot_begin(struct cowsnap *cs)
{
	uint64_t start = cowsnap_now();
	int error;

	pthread_mutex_lock(&cs->lock);
	error = freeze(cs);
	if (!error) {
		cs->stats = (struct snapshot_stats){
			.begin_ns = cowsnap_now() - start,
		};
		helper_begin(cs);
	}
	pthread_mutex_unlock(&cs->lock);
	if (error) {
		errno = error;
		return NULL;
	}
	return cs->view;
}

/* Let writers to these pages wait, or no longer. */
static int hold(const struct cowsnap *cs, size_t first, size_t nr, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)cs->base + first * PAGE, nr * PAGE },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	int ret;

	/* EAGAIN: another thread is at our mappings. */
	do {
		ret = ioctl(cs->uffd, UFFDIO_WRITEPROTECT, &wp);
	} while (ret && errno == EAGAIN);
	return ret;
}

static void wake(const struct cowsnap *cs, size_t first, size_t nr)
{
	struct uffdio_range range = { (uintptr_t)cs->base + first * PAGE,
				      nr * PAGE };

	ioctl(cs->uffd, UFFDIO_WAKE, &range);
}

/* Put the view's page tables back in place of the region's. */
static int put_back(const struct cowsnap *cs, size_t first, size_t nr)
{
	unsigned char *from = cs->view + first * PAGE;

	return mremap(from, nr * PAGE, nr * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      cs->base + first * PAGE) == MAP_FAILED ?
		       -1 :
		       0;
}

/*
 * Make some pages shared again. Whoever writes to them waits, from hold() on,
 * until they are. With @clean_only, leave it if one of them has a copy: 1.
 */
static int merge(struct cowsnap *cs, size_t first, size_t nr, bool clean_only)
{
	uint64_t entries[BLOCK_PAGES];
	size_t i, copied = 0;
	int error = 0;

	if (hold(cs, first, nr, true))
		return -errno;
	if (!cowsnap_entries(cs, first, nr, entries)) {
		error = -EIO;
		goto fail;
	}
	for (i = 0; i < nr; i++) {
		size_t at = (first + i) * PAGE;

		if (!entry_own(entries[i]))
			continue;
		if (clean_only) {
			error = 1;
			goto fail;
		}
		memcpy(cs->view + at, cs->base + at, PAGE);
		copied++;
	}
	if (put_back(cs, first, nr)) {
		error = -errno;
		goto fail;
	}
	wake(cs, first, nr);
	cs->stats.pages += copied;
	return 0;
fail:
	hold(cs, first, nr, false);
	return error;
}

/* The same for a block; where nobody has written, all at once. */
static int merge_block(struct cowsnap *cs, size_t first, size_t nr)
{
	uint64_t entries[BLOCK_PAGES];
	bool clean = true;
	size_t i, step;
	int ret;

	/*
	 * What is not there yet would be taken for a swapped-out copy once it
	 * is write-protected, and be copied onto itself.
	 */
	madvise(cs->base + first * PAGE, nr * PAGE, MADV_POPULATE_READ);
	if (!cowsnap_entries(cs, first, nr, entries))
		return -EIO;
	for (i = 0; i < nr; i++)
		clean &= !entry_own(entries[i]);
	if (clean) {
		ret = merge(cs, first, nr, true);
		if (ret <= 0)
			return ret;
	}
	for (i = 0; i < nr; i += step) {
		step = nr - i < MERGE_PAGES ? nr - i : MERGE_PAGES;
		ret = merge(cs, first + i, step, false);
		if (ret)
			return ret;
	}
	return 0;
}

static int thaw(struct cowsnap *cs)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)cs->base, cs->size },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	const size_t pages = cs->size / PAGE;
	size_t first, nr;
	int ret;

	if (ioctl(cs->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	for (first = 0; first < pages; first += nr) {
		nr = pages - first < BLOCK_PAGES ? pages - first : BLOCK_PAGES;
		ret = merge_block(cs, first, nr);
		if (ret) {
			ioctl(cs->uffd, UFFDIO_UNREGISTER, &reg.range);
			return ret;
		}
	}
	return 0;
}

int snapshot_end(struct cowsnap *cs)
{
	uint64_t start = cowsnap_now();
	int ret;

	pthread_mutex_lock(&cs->lock);
	if (!cs->view) {
		pthread_mutex_unlock(&cs->lock);
		errno = EINVAL;
		return -1;
	}
	helper_end(cs);
	ret = thaw(cs);
	if (ret)
		cs->broken = true;
	cs->view = NULL;
	cs->stats.end_ns = cowsnap_now() - start;
	pthread_mutex_unlock(&cs->lock);
	if (!ret)
		return 0;
	errno = -ret;
	return -1;
}

void snapshot_stats(const struct cowsnap *cs, struct snapshot_stats *stats)
{
	*stats = cs->stats;
	stats->helper_pages = cs->helper.broken;
}
