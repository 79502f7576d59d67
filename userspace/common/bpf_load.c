// SPDX-License-Identifier: GPL-2.0
/* Whether BPF programs for tracing can be loaded here. Needs no library. */
#include "common/bpf_load.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/util.h"

/* Say why a BPF program may not be loaded. */
static void __attribute__((noreturn)) refused(void)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} needed[] = { { 38, "CAP_PERFMON" }, { 39, "CAP_BPF" } };
	/* CAP_SYS_ADMIN stands for both. */
	const unsigned int admin = 21;
	unsigned long long mask = 0;
	char line[128];
	size_t i;
	FILE *f;

	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f) &&
	       sscanf(line, "CapEff: %llx", &mask) != 1)
		;
	if (f)
		fclose(f);
	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(mask >> needed[i].bit & 1) && !(mask >> admin & 1))
			die("must be root, or have CAP_BPF and CAP_PERFMON: %s is missing",
			    needed[i].name);
	if (read_text("/sys/kernel/security/lockdown", line, sizeof(line)) &&
	    !strstr(line, "[none]"))
		die("the kernel is locked down (/sys/kernel/security/lockdown): no program may read its memory");
	die("the kernel refuses BPF: in a container, its user namespace must be the first one");
}

/**
 * bpf_require - exit if no BPF program for tracing can be loaded
 *
 * Each reason has its own message.
 */
void bpf_require(void)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K }, /* r0 = 0 */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
		.insns = (unsigned long)nothing,
		.insn_cnt = ARRAY_SIZE(nothing),
		.license = (unsigned long)"GPL",
	};
	int fd;

	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd >= 0) {
		close(fd);
		return;
	}
	if (errno == ENOSYS)
		die("this kernel has no BPF (CONFIG_BPF_SYSCALL)");
	if (errno == EPERM)
		refused();
	if (errno == EINVAL)
		die("this kernel has no BPF for tracing (CONFIG_BPF_EVENTS)");
	die("cannot load a BPF program: %s", strerror(errno));
}

/* PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define FIRST_PID_NS 0xEFFFFFFCUL

/**
 * own_pid_namespace - whether process IDs here are not the kernel's own
 * @device: of the namespace
 * @inode: of the namespace
 *
 * Return: true in a PID namespace that is not the first; then BPF programs must
 * be told which (common/tgid.bpf.h).
 */
bool own_pid_namespace(uint64_t *device, uint64_t *inode)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == FIRST_PID_NS)
		return false;
	*device = st.st_dev;
	*inode = st.st_ino;
	return true;
}
