/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_BPF_LOAD_H
#define COWLAB_BPF_LOAD_H

#include <stdbool.h>
#include <stdint.h>

void bpf_require(void);
bool own_pid_namespace(uint64_t *device, uint64_t *inode);

#endif /* COWLAB_BPF_LOAD_H */
