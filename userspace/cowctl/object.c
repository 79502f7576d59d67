// SPDX-License-Identifier: GPL-2.0
/* Opening, loading and attaching an object file with a policy in BPF. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "common/util.h"
#include "cowctl/knobs.h"
#include "cowctl/object.h"

#define TYPE "cow_policy_ops"

/* What libbpf says, the verifier's messages among it; shown if loading fails. */
static char *said;
static size_t said_bytes;
static FILE *said_file;

static int keep(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_DEBUG || !said_file)
		return 0;
	return vfprintf(said_file, fmt, ap);
}

static void listen_to_libbpf(void)
{
	if (said_file)
		return;
	said_file = open_memstream(&said, &said_bytes);
	libbpf_set_print(keep);
}

static void show_said(void)
{
	if (!said_file)
		return;
	fflush(said_file);
	fwrite(said, 1, said_bytes, stderr);
}

/**
 * parse_pids - take a list of processes
 * @text: PID[,PID...]
 * @pids: POLICY_PIDS of them; 0 after the last
 *
 * Return: false if it is no such list, or longer.
 */
bool parse_pids(const char *text, uint32_t *pids)
{
	char *copy = strdup(text), *rest = copy, *word;
	uint64_t pid;
	int n = 0;

	memset(pids, 0, POLICY_PIDS * sizeof(*pids));
	while (copy && (word = strsep(&rest, ","))) {
		if (n == POLICY_PIDS || !parse_u64(word, &pid) || !pid ||
		    pid > 1UL << 22) {
			n = 0;
			break;
		}
		pids[n++] = pid;
	}
	free(copy);
	return n;
}

/**
 * policy_require - can policies in BPF be loaded here? If not, exit
 * @debugfs: the module's folder
 */
void policy_require(const char *debugfs)
{
	char path[512];

	knobs_open(debugfs);
	snprintf(path, sizeof(path), "%s/bpf", debugfs);
	if (access(path, F_OK))
		die("policy: this kernel takes no policies in BPF: it was built without CONFIG_DEBUG_INFO_BTF_MODULES, or the module without the kernel's vmlinux");
}

/* The bytes of a member of the policy's struct, or exit. */
static void *member_of(struct policy *policy, const char *name, size_t size)
{
	const struct btf *btf = bpf_object__btf(policy->object);
	uint32_t id = bpf_map__btf_value_type_id(policy->map);
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member = btf_members(type);
	size_t bytes, at;
	char *data;
	unsigned int i;

	data = bpf_map__initial_value(policy->map, &bytes);
	for (i = 0; i < btf_vlen(type); i++, member++) {
		if (strcmp(btf__name_by_offset(btf, member->name_off), name))
			continue;
		at = btf_member_bit_offset(type, i) / 8;
		if (btf__resolve_size(btf, member->type) == (int64_t)size &&
		    at + size <= bytes)
			return data + at;
	}
	die("%s: no member '%s' of %zu bytes in its struct " TYPE
	    ": build it with this cowlab's cow_policy.bpf.h",
	    policy->file, name, size);
}

static void find_map(struct policy *policy)
{
	const struct btf *btf = bpf_object__btf(policy->object);
	const struct btf_type *type;
	struct bpf_map *map;

	bpf_object__for_each_map(map, policy->object) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		type = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
		if (!type ||
		    strcmp(btf__name_by_offset(btf, type->name_off), TYPE))
			continue;
		if (policy->map)
			die("%s: more than one struct " TYPE, policy->file);
		policy->map = map;
	}
	if (!policy->map)
		die("%s: no policy: no struct " TYPE
		    " in section .struct_ops.link",
		    policy->file);
	if (!(bpf_map__map_flags(policy->map) & BPF_F_LINK))
		die("%s: the policy must be in section .struct_ops.link, not .struct_ops",
		    policy->file);
}

/**
 * policy_open - open an object file, or exit and say what is wrong with it
 * @policy: to be filled
 * @file: the file
 * @pids: the processes that the policy shall be for, 0 after the last; none: as
 *	the file says
 */
void policy_open(struct policy *policy, const char *file, const uint32_t *pids)
{
	const char *name;
	char why[128];
	void *member;

	memset(policy, 0, sizeof(*policy));
	policy->file = file;
	if (access(file, R_OK))
		die("%s: %s", file, strerror(errno));
	listen_to_libbpf();
	policy->object = bpf_object__open_file(file, NULL);
	if (!policy->object) {
		libbpf_strerror(errno, why, sizeof(why));
		die("%s: no object file with BPF programs (%s)", file, why);
	}
	find_map(policy);
	name = member_of(policy, "name", POLICY_NAME);
	if (!*name || strnlen(name, POLICY_NAME) == POLICY_NAME ||
	    name[strspn(
		    name,
		    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")])
		die("%s: the policy's name must be 1 to %d letters, digits or _",
		    file, POLICY_NAME - 1);
	strcpy(policy->name, name);
	member = member_of(policy, "pids", sizeof(policy->pids));
	if (pids[0])
		memcpy(member, pids, sizeof(policy->pids));
	memcpy(policy->pids, member, sizeof(policy->pids));
}

/**
 * policy_load - give the object's programs to the kernel, or exit
 * @policy: the policy, open
 *
 * If the verifier refuses a program, its messages are printed.
 */
void policy_load(struct policy *policy)
{
	int err = bpf_object__load(policy->object);

	if (!err)
		return;
	show_said();
	if (err == -EPERM)
		die("%s: not permitted: run as root; a kernel under lockdown takes no BPF programs",
		    policy->file);
	die("%s: the kernel refused its programs (%s): see the messages above",
	    policy->file, strerror(-err));
}

/**
 * policy_attach - have faults ask the policy, or exit
 * @policy: the policy, loaded
 *
 * Return: the link that keeps it.
 */
struct bpf_link *policy_attach(struct policy *policy)
{
	struct bpf_link *link = bpf_map__attach_struct_ops(policy->map);

	if (link)
		return link;
	switch (errno) {
	case EEXIST:
		die("policy '%s' is loaded already: cowctl policy unload %s",
		    policy->name, policy->name);
	case EBUSY:
		if (policy->pids[0])
			die("one of the processes has a policy already: `cowctl policy list` shows it; unload that first");
		die("a policy for everybody is loaded already: `cowctl policy list` shows it; unload that first, or give --pid");
	case ESRCH:
		die("one of the processes does not exist, or is a kernel thread");
	case ENOSPC:
		die("as many policies are loaded as can be: unload one");
	case EINVAL:
		die("%s: the module refused it: a policy needs window(), and no flags but COW_POLICY_NEAR",
		    policy->file);
	default:
		die("%s: cannot attach it: %s", policy->file, strerror(errno));
	}
}
