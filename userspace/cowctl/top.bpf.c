// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's half of `cowctl top`: adds up the COW faults of each process. It
 * reads no kernel structure, so that it runs on a kernel without BTF.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "common/tgid.bpf.h"
#include "cowctl/top.h"

char LICENSE[] SEC("license") = "GPL";

/* Events that found no room in the map. */
__u64 lost;

static struct top_row no_row;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TOP_ROWS);
	__type(key, __u32);
	__type(value, struct top_row);
} rows SEC(".maps");

static __always_inline struct top_row *current_row(void)
{
	__u32 tgid = current_tgid();
	struct top_row *row;

	if (!tgid)
		return NULL;
	row = bpf_map_lookup_elem(&rows, &tgid);
	if (row)
		return row;
	bpf_map_update_elem(&rows, &tgid, &no_row, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&rows, &tgid);
	if (row)
		bpf_get_current_comm(row->comm, sizeof(row->comm));
	else
		__sync_fetch_and_add(&lost, 1);
	return row;
}

static __always_inline int whole_fault(struct bpf_raw_tracepoint_args *ctx)
{
	struct top_row *row = current_row();

	if (!row)
		return 0;
	__sync_fetch_and_add(&row->faults, 1);
	__sync_fetch_and_add(&row->pages, ctx->args[1]);
	__sync_fetch_and_add(&row->ns, ctx->args[2]);
	return 0;
}

/* A fault is in one of these. */
SEC("raw_tp/cow_fault")
int fault(struct bpf_raw_tracepoint_args *ctx)
{
	return whole_fault(ctx);
}

SEC("raw_tp/cow_file_fault")
int file_fault(struct bpf_raw_tracepoint_args *ctx)
{
	return whole_fault(ctx);
}

SEC("raw_tp/cow_hugetlb_copy")
int hugetlb_copy(struct bpf_raw_tracepoint_args *ctx)
{
	return whole_fault(ctx);
}

/* The module's: it has judged a window. */
SEC("raw_tp/cow_judged")
int judged(struct bpf_raw_tracepoint_args *ctx)
{
	struct top_row *row = current_row();

	if (!row)
		return 0;
	__sync_fetch_and_add(&row->hit, ctx->args[0]);
	__sync_fetch_and_add(&row->wasted, ctx->args[1]);
	return 0;
}
