/* SPDX-License-Identifier: GPL-2.0 */
/* An object file with a policy in BPF. */
#ifndef COWCTL_OBJECT_H
#define COWCTL_OBJECT_H

#include <stdint.h>

#include <bpf/libbpf.h>

/* As in module/bpf.h. */
#define POLICY_PIDS 16
#define POLICY_NAME 16

/**
 * struct policy - an object file that is open
 * @file: its path
 * @object: the object
 * @map: its struct cow_policy_ops
 * @name: the policy's name
 * @pids: the processes that it is for; 0 after the last, none: everybody
 */
struct policy {
	const char *file;
	struct bpf_object *object;
	struct bpf_map *map;
	char name[POLICY_NAME];
	uint32_t pids[POLICY_PIDS];
};

#define POLICY_DEBUGFS "/sys/kernel/debug/cowlab"

/* Options that these commands share. */
#define OPT_POLICY_DEBUGFS(variable)                                \
	{                                                           \
		"debugfs", 'd', "DIR",                              \
			"The module's folder (" POLICY_DEBUGFS ")", \
			OPT_TEXT(variable)                          \
	}
#define OPT_POLICY_PIDS(function)                                              \
	{                                                                      \
		"pid", 'p', "PID[,PID...]",                                    \
			"Only these processes and their children (everybody)", \
			OPT_CALL(function, "up to 16 process IDs with commas") \
	}

bool parse_pids(const char *text, uint32_t *pids);
void policy_require(const char *debugfs);
void policy_open(struct policy *policy, const char *file, const uint32_t *pids);
void policy_load(struct policy *policy);
struct bpf_link *policy_attach(struct policy *policy);

#endif /* COWCTL_OBJECT_H */
