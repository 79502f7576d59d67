// SPDX-License-Identifier: GPL-2.0
/*
 * first_writes.so - the order of first writes to a private file mapping
 *
 * Preloaded into QEMU. The mapping is QEMU's private mapping of the file
 * $FIRST_WRITES_OF: the guest's memory. It is write-protected by userfaultfd, so
 * that the first write to each page stops its thread, whichever thread that is
 * (a vCPU, a device, a system call), until a thread of this library has written
 * the page's number to the file $FIRST_WRITES. The numbers are in the order in
 * which the kernel queued the faults. With one vCPU this is the order of the
 * writes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES 4096UL

static struct {
	int fd; /* the userfaultfd */
	uint64_t start; /* the mapping's address */
	FILE *out;
} trace = { .fd = -1 };

/* QEMU must not run on: a trace that lacks writes looks like a good one. */
static void fail(const char *what)
{
	fprintf(stderr, "first_writes: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void *listen(void *unused)
{
	(void)unused;
	for (;;) {
		struct uffdio_writeprotect page = { .range.len = PAGE_BYTES };
		struct uffd_msg msg;

		if (read(trace.fd, &msg, sizeof(msg)) != sizeof(msg)) {
			if (errno == EINTR)
				continue;
			fail("cannot read faults");
		}
		if (msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		page.range.start = msg.arg.pagefault.address & -PAGE_BYTES;
		fprintf(trace.out, "%llu\n",
			(page.range.start - trace.start) / PAGE_BYTES);
		fflush(trace.out);
		if (ioctl(trace.fd, UFFDIO_WRITEPROTECT, &page))
			fail("cannot let a write pass");
	}
	return NULL;
}

static void protect(void *start, size_t len)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
	};
	const struct uffdio_range range = { (uintptr_t)start, len };
	struct uffdio_register reg = {
		.range = range,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect all = {
		.range = range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	pthread_t thread;

	if (trace.fd >= 0) {
		errno = EEXIST;
		fail("a second private mapping of the file");
	}
	trace.start = (uintptr_t)start;
	trace.out = fopen(getenv("FIRST_WRITES"), "we");
	if (!trace.out)
		fail("$FIRST_WRITES");
	trace.fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (trace.fd < 0)
		fail("no userfaultfd (root needed)");
	if (ioctl(trace.fd, UFFDIO_API, &api) ||
	    ioctl(trace.fd, UFFDIO_REGISTER, &reg) ||
	    ioctl(trace.fd, UFFDIO_WRITEPROTECT, &all))
		fail("the memory cannot be write-protected (not on tmpfs?)");
	errno = pthread_create(&thread, NULL, listen, NULL);
	if (errno)
		fail("no thread");
}

/* Is @fd the file whose mapping is traced? */
static bool is_traced(int fd)
{
	const char *path = getenv("FIRST_WRITES_OF");
	struct stat a, b;

	return path && !stat(path, &a) && !fstat(fd, &b) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	static void *(*real)(void *addr, size_t len, int prot, int flags,
			     int fd, off_t offset);
	void *p;

	if (!real)
		real = dlsym(RTLD_NEXT, "mmap64");
	p = real(addr, len, prot, flags, fd, offset);
	if (p != MAP_FAILED && fd >= 0 && flags & MAP_PRIVATE &&
	    prot & PROT_WRITE && is_traced(fd))
		protect(p, len);
	return p;
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap64(addr, len, prot, flags, fd, offset);
}
