/* SPDX-License-Identifier: GPL-2.0 */
/* env.h - env.json: what was measured on what */
#ifndef COWREPORT_ENV_H
#define COWREPORT_ENV_H

#include "names.h"

/**
 * struct env_boot - one boot of the guest
 * @clock: its clock
 * @accel: "tcg" or "kvm", as text; "unknown" where absent, as all of these
 * @cpu_model: QEMU's -cpu
 * @smp: cores of the guest
 * @mem: memory of the guest
 * @cmdline: the kernel's command line
 */
struct env_boot {
	enum cow_clock clock;
	char *accel, *cpu_model, *smp, *mem, *cmdline;
};

/**
 * struct env - env.json, read; every string is set
 */
struct env {
	char *date, *git;
	char *release, *compiler, *config;
	char *cpu, *cores, *os;
	char *qemu;
	struct env_boot boot[CLK_NR];
};

int parse_env(const char *buf, size_t len, struct env *env,
	      struct parse_error *err);
void env_free(struct env *env);

char *env_label(const struct env *env, enum cow_clock clock);
char *env_meaning(const struct env *env, enum cow_clock clock);

#endif
