// SPDX-License-Identifier: LGPL-2.1-or-later
/* The end of a snapshot: pages written meanwhile go back to the memfd. */
#include "libcowsnap/internal.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

/*
 * Pages per step of cowsnap_end(), which keeps other threads off these pages. In
 * an emulated guest a step of 32 takes 0.7 ms, half of it the same for a step of
 * 1. A step of 128 takes 2.1 ms, and all steps together half as long.
 */
#define MERGE_PAGES 32
/* The longest pause between two steps. */
#define PAUSE_NS 1000000ULL

/* Move page tables and their pages to @to, replacing what is mapped there. */
static int move(unsigned char *from, unsigned char *to, size_t nr, int flags)
{
	if (mremap(from, nr * PAGE, nr * PAGE,
		   MREMAP_MAYMOVE | MREMAP_FIXED | flags, to) == MAP_FAILED)
		return -errno;
	return 0;
}

/*
 * Undo the move away from held pages. With too many mappings in the process there
 * is none for a move, and the pages are copied.
 */
static void move_back(const struct cowsnap *cs, unsigned char *aside,
		      unsigned char *here, size_t nr)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)here,
		.src = (uintptr_t)aside,
		.len = nr * PAGE,
		.mode = UFFDIO_COPY_MODE_DONTWAKE,
	};

	if (move(aside, here, nr, MREMAP_DONTUNMAP))
		ioctl(cs->uffd, UFFDIO_COPY, &copy);
}

/* A page that was only read, over a hole, or might as well have been. */
static bool is_zero(const unsigned char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/*
 * Make some pages shared again. First move them away, from all threads at once,
 * so that they cannot change while the copies among them go to the memfd. A
 * thread that accesses them meanwhile waits until they are back, shared.
 */
static int merge_held(struct cowsnap *cs, size_t first, size_t nr)
{
	unsigned char *aside = cs->aside;
	unsigned char *here = cs->base + first * PAGE;
	unsigned char *view = cs->view + first * PAGE;
	uint64_t entries[MAX_BLOCK_PAGES];
	size_t i, copied = 0;
	int ret;

	/* Some kernels would move it, and the mappings' protections be lost. */
	if ((cs->moves_split || cs->split) && nr > 1 &&
	    is_split(here, nr * PAGE))
		return -EFAULT;
	if (hold(cs, first, nr, true)) {
		ret = -errno;
		goto fail;
	}
	ret = move(here, aside, nr, MREMAP_DONTUNMAP);
	if (ret == -EFAULT) {
		/* Its begin is unmapped, and may be another thread's now. */
		munmap(aside + nr * PAGE, BLOCK - nr * PAGE);
		cs->split = true;
		cs->aside = reserve(BLOCK, BLOCK, NULL, NULL);
		if (!cs->aside)
			ret = -errno;
	}
	if (ret)
		goto fail;
	if (!read_entries(cs, aside, nr, entries)) {
		ret = -EIO;
		goto undo;
	}
	/* Written since merge_block() looked: not so many at a time. */
	for (i = 0; i < nr; i++)
		copied += entry_own(entries[i]);
	if (copied > MERGE_PAGES && nr > MERGE_PAGES) {
		ret = -EAGAIN;
		goto undo;
	}
	for (i = 0; i < nr; i++) {
		if (!entry_own(entries[i]) || (cs->anon[first / BLOCK_PAGES] &&
					       is_zero(aside + i * PAGE)))
			continue;
		memcpy(view + i * PAGE, aside + i * PAGE, PAGE);
	}
	ret = move(view, here, nr, 0);
	if (ret)
		goto undo;
	wake(cs, first, nr);
	cs->stats.pages += copied;
	return 0;
undo:
	move_back(cs, aside, here, nr);
fail:
	unhold(cs, first, nr);
	wake(cs, first, nr);
	return ret;
}

static int merge(struct cowsnap *cs, size_t first, size_t nr)
{
	sigset_t old;
	int ret;

	block_signals(&old);
	ret = merge_held(cs, first, nr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

/*
 * merge() takes the mmap lock for writing again and again. Leave the lock to
 * faults for as long as the last step held it.
 */
static void give_way(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = ns < PAUSE_NS ? ns : PAUSE_NS };

	nanosleep(&ts, NULL);
}

/* Merge a block in steps; in one step if there is little to copy. */
static int merge_block(struct cowsnap *cs, size_t first, size_t nr)
{
	uint64_t entries[MAX_BLOCK_PAGES];
	size_t i, step, limit = nr, most, own = 0;
	uint64_t start;
	int ret;

	if (!read_entries(cs, cs->base + first * PAGE, nr, entries))
		return -EIO;
	for (i = 0; i < nr; i++)
		own += entry_own(entries[i]);
	if (own > MERGE_PAGES)
		limit = MERGE_PAGES;
	most = limit;
	for (i = 0; i < nr; i += step) {
		step = most < nr - i ? most : nr - i;
		start = now_ns();
		ret = merge(cs, first + i, step);
		if (ret == -EAGAIN && step > 1) {
			limit = MERGE_PAGES;
			most = limit;
			step = 0;
			continue;
		}
		/* The pages are of several mappings; one page is not. */
		if (ret == -EFAULT && step > 1) {
			most = step / 2;
			step = 0;
			continue;
		}
		if (ret)
			return ret;
		most = most * 2 < limit ? most * 2 : limit;
		cs->thawed = first + i + step;
		if (i + step == nr)
			cs->anon[first / BLOCK_PAGES] = 0;
		/* Waiting threads go first, on one CPU, too; then free the copies. */
		give_way(now_ns() - start);
		madvise(cs->aside, step * PAGE, MADV_DONTNEED);
	}
	return 0;
}

int thaw(struct cowsnap *cs)
{
	const size_t pages = cs->size / PAGE;
	size_t first, nr;
	int ret = 0;

	cs->thawed = 0;
	cs->aside = reserve(BLOCK, BLOCK, NULL, NULL);
	if (!cs->aside)
		return -errno;
	/* What was asked for during the snapshot would be lost with its mapping. */
	cs->split = is_split(cs->base, cs->span);
	if (cs->split)
		ret = -hints_gather(cs);
	for (first = 0; first < pages && !ret; first += nr) {
		nr = pages - first < BLOCK_PAGES ? pages - first : BLOCK_PAGES;
		ret = merge_block(cs, first, nr);
	}
	if (cs->aside)
		munmap(cs->aside, BLOCK);
	/* The part behind the file's end has no pages, but must rejoin the VMA. */
	if (!ret && cs->span > cs->size)
		ret = move(cs->view + cs->size, cs->base + cs->size,
			   (cs->span - cs->size) / PAGE, 0);
	return ret;
}
