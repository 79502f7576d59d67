/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libcowsnap - a frozen view of a process's data, without fork()
 *
 * A program asks for a region with cowsnap_create() and keeps its data there.
 * cowsnap_begin() freezes the region as it is at that moment, for readers,
 * while all threads go on reading and writing it; cowsnap_end() gives back
 * the memory that this took. One snapshot of a region at a time.
 *
 * HOW IT WORKS, AND WHY SO
 *
 * The data is in a memfd that the region maps shared: until there is a
 * snapshot, nothing costs anything. cowsnap_begin() turns the writers' side
 * into a private mapping of the memfd, and the frozen view is the memfd
 * itself. A writer's first write to a page then takes an ordinary
 * copy-on-write fault in the kernel. Reads and writes by system calls work as
 * ever, and no signal, no handler and no other thread stands in a writer's way.
 *
 * The other way round, the view as the private mapping and the writers staying
 * on the shared one, is not a snapshot at all: a private mapping follows the
 * file until it has its own copy of a page. Each first write would have to be
 * caught (userfaultfd, or mprotect() and SIGSEGV), the page be copied for the
 * view, and the writer be let go: two context switches where a fault would do;
 * and beginning would mean to write-protect each page while writers wait, where
 * fork() does hardly more. Anonymous memory cannot be shared copy-on-write
 * within one process: only fork() does that.
 *
 * What is paid for it is cowsnap_end(): the pages written meanwhile are
 * copied back into the memfd. It is paid by the caller of cowsnap_end(), once
 * a page; others wait only if they want one of the few pages at hand.
 *
 *   begin   no page table entry is looked at. mremap(MREMAP_DONTUNMAP) moves
 *           whole page tables, 2 MiB (or 1 GiB) at a time, to the view's
 *           address, then mmap() puts the private mapping over the empty
 *           shared one. Before the mmap() a write goes to the memfd, after it
 *           to a copy; in between it waits for it. So the view is a consistent
 *           cut: if it has a write, it has every write that this one could
 *           have known of, by any thread. (What belongs together in the
 *           program's eyes, it must not be in the midst of: call
 *           cowsnap_begin() where fork() would have been called.)
 *   pages   are copied in a writer's first write, or before that by the
 *           prefetcher. Reads take faults too, 16 pages each, as the page tables
 *           have moved away; the prefetcher takes most of these in advance.
 *   memory  a page for each page written or broken by the prefetcher, and page
 *           tables for the region: 2 MiB a GiB. The view costs nothing but
 *           addresses: from 64 MiB on, region and view take whole GiB each.
 *   end     a piece at a time, with at most 32 copies in it. mremap()
 *           takes the pages away, so that nobody can change them; userfaultfd
 *           lets who comes for them wait; the copies among them are brought to
 *           the memfd; mremap() puts the view's page tables, which are still
 *           there, in their place, and the copies are freed. After that, no
 *           access takes a fault.
 *
 * THE PREFETCHER
 *
 * A thread of the library may break copy-on-write with manual_cow() before
 * the writers come. It spends memory, so it has a budget: bytes a snapshot,
 * bytes a second. Without COWSNAP_EVERYTHING it spends only where it sees a
 * writer going upward through memory: it breaks the pages ahead but one, and
 * when that one has been written, the next. Who writes here and there gets no
 * help and costs nothing. On a kernel without manual_cow() it uses
 * MADV_POPULATE_WRITE, which is slower. With one CPU there is no prefetcher.
 *
 * WHAT TO KNOW
 *
 * - The region is not inherited by fork(): a child has a hole there.
 * - The view is memory that the library writes to later. It is const: who casts
 *   that away damages the data, not only the snapshot.
 * - I/O that pins the region (O_DIRECT, RDMA, io_uring's fixed buffers) must
 *   not be under way in cowsnap_begin() or cowsnap_end().
 * - Without the right to handle faults of the kernel (root, CAP_SYS_PTRACE or
 *   vm.unprivileged_userfaultfd=1) a system call that reads or writes the
 *   region while cowsnap_end() is at these very pages may fail with EFAULT.
 * - Linux 5.14 or later, with userfaultfd, on x86-64 or arm64.
 */
#ifndef COWSNAP_H
#define COWSNAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Let the prefetcher break every page, in their order, as the budget allows. */
#define COWSNAP_EVERYTHING 1u

/**
 * struct cowsnap_budget - what the prefetcher may spend
 * @bytes: memory in a snapshot, at most; 0: there is no prefetcher
 * @bytes_per_second: how fast; 0: as fast as it can
 * @flags: COWSNAP_EVERYTHING or 0
 */
struct cowsnap_budget {
	uint64_t bytes;
	uint64_t bytes_per_second;
	unsigned int flags;
};

/**
 * struct cowsnap_stats - what the last snapshot cost
 * @begin_ns: what cowsnap_begin() took, in nanoseconds
 * @end_ns: what cowsnap_end() took
 * @pages: pages that had a copy when it ended, of 4 KiB
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
 * @budget: the prefetcher's, which is copied; NULL: there is no prefetcher
 *
 * The region is zeroed, 2 MiB aligned, and takes memory as it is written.
 *
 * Return: the region, or NULL with errno: EINVAL for a size of 0 or one that
 * does not fit or an unknown flag, ENOMEM, EMFILE, ENOTSUP where the kernel
 * lacks what cowsnap_end() needs, EPERM or EACCES where it does not let us.
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
 * @cs: the region, which nobody uses any more; NULL does nothing
 */
void cowsnap_destroy(struct cowsnap *cs);

/**
 * cowsnap_begin - freeze the region as it is
 * @cs: the region
 *
 * Return: the view, cowsnap_size() bytes, which stays as it is until
 * cowsnap_end(); any thread may read it. Or NULL with errno: EBUSY if there
 * is a snapshot already, ENOMEM, or EIO after a cowsnap_end() that failed; the
 * region is then as it was.
 */
const void *cowsnap_begin(struct cowsnap *cs);

/**
 * cowsnap_fd - the frozen view as a file
 * @cs: the region
 *
 * For sendfile(), copy_file_range() or another process. It must not be written
 * to, and is frozen between cowsnap_begin() and cowsnap_end() only.
 *
 * Return: a descriptor of the library's; do not close it.
 */
int cowsnap_fd(const struct cowsnap *cs);

/**
 * cowsnap_end - end the snapshot and give back its memory
 * @cs: the region
 *
 * Writers go on meanwhile. It takes about as long as to copy the pages that
 * were written since cowsnap_begin(); so call it in the thread that saved.
 * Nobody may use the view any more.
 *
 * Return: 0, or -1 with errno: EINVAL if there is no snapshot; otherwise the
 * kernel's reason why it could not be done, which leaves the data as it is but
 * allows no further snapshot.
 */
int cowsnap_end(struct cowsnap *cs);

/**
 * cowsnap_stats - what the last snapshot cost
 * @cs: the region
 * @stats: the result; of a snapshot that is not over, what is known
 */
void cowsnap_stats(const struct cowsnap *cs, struct cowsnap_stats *stats);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* COWSNAP_H */
