// SPDX-License-Identifier: GPL-2.0
/* env.c - env.json: what was measured on what */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <math.h>
#include <strings.h>

#include "env.h"

#define UNKNOWN "unknown"

/* A member of an object as text; "unknown" if it is not there */
static char *text(const cJSON *obj, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(obj, key);

	if (cJSON_IsString(item) && item->valuestring && item->valuestring[0])
		return xstrdup(item->valuestring);
	if (cJSON_IsNumber(item) && fabs(item->valuedouble) < 1e15)
		return xasprintf("%.15g", item->valuedouble);
	return xstrdup(UNKNOWN);
}

static void fill_boot(struct env_boot *b, const cJSON *obj)
{
	b->accel = text(obj, "accel");
	b->cpu_model = text(obj, "cpu_model");
	b->smp = text(obj, "smp");
	b->mem = text(obj, "mem");
	b->cmdline = text(obj, "cmdline");
}

/**
 * parse_env - read env.json
 * @buf: the file; any bytes at all; NULL for a file that is not there
 * @len: its length
 * @env: what it says, "unknown" where it does not; to be given to env_free()
 * in every case
 * @err: where and why it failed; may be NULL
 *
 * Return: an enum parse_status.
 */
int parse_env(const char *buf, size_t len, struct env *env,
	      struct parse_error *err)
{
	const cJSON *kernel, *host, *boots, *b;
	int ret = PARSE_OK;
	cJSON *root = NULL;

	memset(env, 0, sizeof(*env));
	if (err)
		*err = (struct parse_error){ 0 };
	if (!buf || is_blank(buf, len)) {
		ret = PARSE_EMPTY;
	} else {
		root = cJSON_ParseWithLength(buf, len);
		if (!cJSON_IsObject(root))
			ret = PARSE_MALFORMED;
	}
	if (err)
		err->what = ret == PARSE_EMPTY ? "nothing in it" :
						 "not a JSON object";
	env->date = text(root, "date");
	env->git = text(root, "git");
	env->qemu = text(root, "qemu");
	kernel = cJSON_GetObjectItemCaseSensitive(root, "kernel");
	env->release = text(kernel, "release");
	env->compiler = text(kernel, "compiler");
	env->config = text(kernel, "config");
	host = cJSON_GetObjectItemCaseSensitive(root, "host");
	env->cpu = text(host, "cpu");
	env->cores = text(host, "cores");
	env->os = text(host, "os");
	boots = cJSON_GetObjectItemCaseSensitive(root, "boots");
	if (cJSON_IsArray(boots))
		cJSON_ArrayForEach(b, boots)
		{
			char *clock = text(b, "clock");
			enum cow_clock c = clock_by_name(clock, strlen(clock));

			free(clock);
			if (!env->boot[c].accel)
				fill_boot(&env->boot[c], b);
		}
	for (int c = 0; c < CLK_NR; c++) {
		env->boot[c].clock = (enum cow_clock)c;
		if (!env->boot[c].accel)
			fill_boot(&env->boot[c], NULL);
	}
	cJSON_Delete(root);
	return ret;
}

void env_free(struct env *env)
{
	free(env->date);
	free(env->git);
	free(env->release);
	free(env->compiler);
	free(env->config);
	free(env->cpu);
	free(env->cores);
	free(env->os);
	free(env->qemu);
	for (int c = 0; c < CLK_NR; c++) {
		free(env->boot[c].accel);
		free(env->boot[c].cpu_model);
		free(env->boot[c].smp);
		free(env->boot[c].mem);
		free(env->boot[c].cmdline);
	}
	memset(env, 0, sizeof(*env));
}

/**
 * env_label - what every number of a boot is labelled with
 * @env: the environment
 * @clock: the boot
 *
 * Return: "clock wall, accel tcg, cpu max", to be freed.
 */
char *env_label(const struct env *env, enum cow_clock clock)
{
	const struct env_boot *b = &env->boot[clock];

	return xasprintf("clock %s, accel %s, cpu %s", clock_name(clock),
			 b->accel, b->cpu_model);
}

/**
 * env_meaning - what a nanosecond of that boot is
 * @env: the environment
 * @clock: the boot
 *
 * Return: a sentence, to be freed.
 */
char *env_meaning(const struct env *env, enum cow_clock clock)
{
	const char *accel = env->boot[clock].accel;

	if (clock == CLK_ICOUNT)
		return xstrdup(
			"Emulation (TCG) with icount: 1 ns is 1 guest instruction, so a number is a count of instructions, the same in every run; it knows nothing of caches, TLB misses or memory.");
	if (clock == CLK_UNKNOWN)
		return xstrdup(
			"The log does not say which clock this is: take no number here for a result.");
	if (!strncasecmp(accel, "tcg", 3))
		return xstrdup(
			"Emulation (TCG): the ns are those the host took to run emulated code, not those of any hardware; compare arms within this table, and never across CPU models.");
	if (!strncasecmp(accel, "kvm", 3))
		return xstrdup(
			"Hardware virtualisation (KVM): real ns of the host's CPU, the cost of nested paging included; never compare across CPU models.");
	return xstrdup(
		"The accelerator is not known: if it was emulation (TCG), the ns are those of emulated code; compare arms within this table only.");
}
