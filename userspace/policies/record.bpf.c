// SPDX-License-Identifier: GPL-2.0
/*
 * Serves nothing: writes each fault to a ring buffer, which `cowctl record` reads.
 */
#include "cow_policy.bpf.h"
#include "record.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} faults SEC(".maps");

/* Faults for which there was no room; read by `cowctl record`. */
__u64 lost;

SEC("struct_ops/window")
__u32 BPF_PROG(record_window, struct vm_fault *vmf)
{
	struct cow_record *record;
	__u64 id = bpf_get_current_pid_tgid();

	record = bpf_ringbuf_reserve(&faults, sizeof(*record), 0);
	if (!record) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	record->ns = bpf_ktime_get_ns();
	record->address = vmf->address;
	record->vma = vmf->vma->vm_start;
	record->pid = id >> 32;
	record->tid = id;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC(".struct_ops.link")
struct cow_policy_ops record = {
	.window = (void *)record_window,
	.name = "record",
};
