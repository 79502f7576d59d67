// SPDX-License-Identifier: GPL-2.0
/*
 * The boundaries between the parts of a fault. At each, the time since the last
 * boundary goes to the part that ends. The clock is read again at the end, so a
 * program's own work is in no part. The way into and out of a program is in both
 * neighbours; breakdown.c subtracts it.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "breakdown.h"

char LICENSE[] SEC("license") = "GPL";

/* One writer, on one CPU, reads this between its writes. */
struct split split;

static __always_inline void cross(enum part next)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 part = split.part;

	if (bpf_get_current_pid_tgid() >> 32 != split.tgid || part >= NR_PARTS)
		return;
	split.ns[part] += now - split.last;
	split.sides[part]++;
	split.sides[next]++;
	split.events++;
	split.part = next;
	split.last = bpf_ktime_get_ns();
}

static __always_inline void leave(void)
{
	/* The code around an allocation, before the copy and after it. */
	if (split.copied)
		cross(PART_MAP);
	else
		cross(PART_WALK);
}

#define BEGIN(name, next)                         \
	SEC("fentry")                             \
	int begin_##name(unsigned long long *ctx) \
	{                                         \
		cross(next);                      \
		return 0;                         \
	}

#define END(name)                               \
	SEC("fexit")                            \
	int end_##name(unsigned long long *ctx) \
	{                                       \
		leave();                        \
		return 0;                       \
	}

BEGIN(lookup, PART_LOOKUP)
END(lookup)
BEGIN(alloc, PART_ALLOC)
END(alloc)
BEGIN(charge, PART_ALLOC)
END(charge)
BEGIN(cache, PART_CACHE)
BEGIN(copy, PART_COPY)
BEGIN(flush, PART_FLUSH)
END(flush)

SEC("fexit")
int end_copy(unsigned long long *ctx)
{
	split.copied = 1;
	cross(PART_MAP);
	return 0;
}

/* The copy from the page cache: in some kernels by code that has no symbol. */
SEC("fexit")
int end_cache(unsigned long long *ctx)
{
	cross(PART_COPY);
	return 0;
}

SEC("fentry")
int begin_map(unsigned long long *ctx)
{
	split.copied = 1;
	cross(PART_MAP);
	return 0;
}

SEC("fexit")
int end_fault(unsigned long long *ctx)
{
	cross(PART_EXIT);
	return 0;
}
