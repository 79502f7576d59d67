// SPDX-License-Identifier: GPL-2.0
/* Refused: programs, but no policy. */
#include "cow_policy.bpf.h"

SEC("tp_btf/sched_switch")
int BPF_PROG(no_policy)
{
	return 0;
}
