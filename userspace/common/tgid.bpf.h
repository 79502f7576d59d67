/* SPDX-License-Identifier: GPL-2.0 */
/* For BPF programs: the current process' ID in the PID namespace of the reader. */
#ifndef COWLAB_TGID_BPF_H
#define COWLAB_TGID_BPF_H

#include <bpf/bpf_helpers.h>

/* As own_pid_namespace() says; set before the programs are loaded. */
const volatile bool own_ns;
const volatile __u64 ns_device;
const volatile __u64 ns_inode;

/* 0: it has none there. */
static __always_inline __u32 current_tgid(void)
{
	struct bpf_pidns_info info = { 0 };

	if (!own_ns)
		return bpf_get_current_pid_tgid() >> 32;
	if (bpf_get_ns_current_pid_tgid(ns_device, ns_inode, &info,
					sizeof(info)))
		return 0;
	return info.tgid;
}

#endif /* COWLAB_TGID_BPF_H */
