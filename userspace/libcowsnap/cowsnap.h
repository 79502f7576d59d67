/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcowsnap - a frozen view of a process's data, without fork()
 *
 * A program asks for a region with cowsnap_create() and keeps its data there.
 * cowsnap_begin() freezes the region as it is, for readers, while all threads go
 * on reading and writing it. cowsnap_end() gives back the memory that the
 * snapshot took. A region has one snapshot at a time.
 *
 * Limits:
 * - A child of fork() does not inherit the region: it has a hole there, and can
 *   only destroy it; cowsnap_begin() and cowsnap_end() fail with EPERM.
 * - The library writes to the view's memory later. A program that casts the
 *   view's const away damages its data, not only the snapshot.
 * - I/O that pins the region (O_DIRECT, RDMA, io_uring's fixed buffers) must not
 *   be under way in cowsnap_begin() or cowsnap_end().
 * - Without the right to handle the kernel's faults (root, CAP_SYS_PTRACE or
 *   vm.unprivileged_userfaultfd=1), a system call that accesses a page which
 *   cowsnap_end() is merging may fail with EFAULT.
 * - Linux 5.14 or later, with userfaultfd, on x86-64 or arm64.
 *
 * README.md beside this file says how it works, and cowsnap(3) how to use it.
 */
#ifndef COWSNAP_H
#define COWSNAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* The prefetcher breaks every page, in order, as far as the budget allows. */
#define COWSNAP_EVERYTHING 1u

/**
 * struct cowsnap_budget - what the prefetcher may spend
 * @bytes: memory per snapshot, at most; 0: no prefetcher
 * @bytes_per_second: speed limit; 0: none
 * @flags: COWSNAP_EVERYTHING or 0
 */
struct cowsnap_budget {
	uint64_t bytes;
	uint64_t bytes_per_second;
	unsigned int flags;
};

/**
 * struct cowsnap_stats - what the last snapshot cost
 * @begin_ns: duration of cowsnap_begin(), in nanoseconds
 * @end_ns: duration of cowsnap_end()
 * @pages: pages that had a copy when the snapshot ended
 * @prefetched_pages: pages that the prefetcher broke, at most
 */
struct cowsnap_stats {
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t pages;
	uint64_t prefetched_pages;
};

struct cowsnap;

/**
 * cowsnap_create - make a region
 * @bytes: its size; rounded up to a page
 * @budget: the prefetcher's, copied by the call; NULL: no prefetcher
 *
 * The region is zeroed, 2 MiB aligned, and takes memory as it is written.
 *
 * Limits of the process count: RLIMIT_AS and strict overcommit must leave room for
 * twice the region, RLIMIT_FSIZE for the region, and after mlockall(MCL_FUTURE)
 * RLIMIT_MEMLOCK, too.
 *
 * Return: the region, or NULL with errno: EINVAL for a size of 0, a size that
 * does not fit or an unknown flag, ENOMEM, EMFILE, EFBIG for a size beyond
 * RLIMIT_FSIZE, EAGAIN beyond RLIMIT_MEMLOCK or without a thread, ENOTSUP where the
 * kernel lacks what cowsnap_end() needs, EPERM or EACCES where it forbids
 * userfaultfd.
 */
struct cowsnap *cowsnap_create(size_t bytes,
			       const struct cowsnap_budget *budget);

/**
 * cowsnap_base - where the region is
 * @cs: the region
 *
 * Return: its address, the same for the region's life.
 */
void *cowsnap_base(const struct cowsnap *cs);

/**
 * cowsnap_size - how large the region is
 * @cs: the region
 *
 * Return: bytes, whole pages.
 */
size_t cowsnap_size(const struct cowsnap *cs);

/**
 * cowsnap_destroy - give the region back, and end its snapshot if there is one
 * @cs: the region, which no thread uses any more; NULL does nothing
 */
void cowsnap_destroy(struct cowsnap *cs);

/**
 * cowsnap_begin - freeze the region as it is
 * @cs: the region
 *
 * Return: the view, cowsnap_size() bytes, which stays as it is until
 * cowsnap_end(); any thread may read it. NULL with errno leaves the region as it
 * was: EBUSY if there is a snapshot already, ENOMEM, or EIO after a cowsnap_end()
 * that failed or a cowsnap_begin() that lacked memory halfway.
 */
const void *cowsnap_begin(struct cowsnap *cs);

/**
 * cowsnap_fd - the frozen view as a file
 * @cs: the region
 *
 * For sendfile(), copy_file_range() or another process. The file must not be
 * written to, and is frozen between cowsnap_begin() and cowsnap_end() only.
 *
 * Return: a descriptor that belongs to the library; do not close it.
 */
int cowsnap_fd(const struct cowsnap *cs);

/**
 * cowsnap_end - end the snapshot and give back its memory
 * @cs: the region
 *
 * Writers go on meanwhile. The call takes about as long as a copy of the pages
 * that were written since cowsnap_begin(), so call it in the thread that saved.
 * The view must not be used any more.
 *
 * Return: 0, or -1 with errno: EINVAL if there is no snapshot; any other is the
 * kernel's error. The data is then as it was, but no further snapshot is
 * possible.
 */
int cowsnap_end(struct cowsnap *cs);

/**
 * cowsnap_stats - what the last snapshot cost
 * @cs: the region
 * @stats: the result; during a snapshot, what is known so far
 */
void cowsnap_stats(const struct cowsnap *cs, struct cowsnap_stats *stats);

#pragma GCC visibility pop

/* Names of the first edition, for programs that were written for it. */
#define snapshot_begin cowsnap_begin
#define snapshot_end cowsnap_end
#define snapshot_fd cowsnap_fd
#define snapshot_stats cowsnap_stats

#ifdef __cplusplus
}
#endif

#endif /* COWSNAP_H */
