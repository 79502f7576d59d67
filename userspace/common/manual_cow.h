/* SPDX-License-Identifier: GPL-2.0 OR LGPL-2.1-or-later */
/* The system call; no C library has a name for it. */
#ifndef COWLAB_MANUAL_COW_H
#define COWLAB_MANUAL_COW_H

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of x86-64 only: elsewhere another call may have the number some day. */
#define NR_MANUAL_COW 548

/**
 * manual_cow - break copy-on-write over a range
 * @addr: where it begins, rounded down to a page
 * @size: bytes; the end is rounded up to a page
 * @flags: must be 0
 *
 * Return: 0: all private pages of the range are the caller's own, and a write
 * to them takes no fault. -1 with errno: EINVAL for a flag or a range that
 * wraps or leaves user space, EFAULT where it is not mapped or not writable,
 * ENOMEM, EINTR after a fatal signal, ENOSYS on a kernel or an architecture without
 * the call.
 */
static inline int manual_cow(void *addr, size_t size, unsigned int flags)
{
#if defined(__x86_64__) && !defined(__ILP32__)
	return syscall(NR_MANUAL_COW, addr, size, flags);
#else
	errno = ENOSYS;
	return -1;
#endif
}

#endif /* COWLAB_MANUAL_COW_H */
