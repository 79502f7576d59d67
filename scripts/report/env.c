// SPDX-License-Identifier: GPL-2.0
/* env.c - env.json: what was measured on what */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <math.h>
#include <stddef.h>
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

/* Where the members of the file go */
static const struct member {
	const char *object, *key;
	size_t at;
} members[] = {
#define MEMBER(object, key)                             \
	{                                               \
		object, #key, offsetof(struct env, key) \
	}
	MEMBER(NULL, date),	    MEMBER(NULL, git),
	MEMBER(NULL, qemu),	    MEMBER("kernel", release),
	MEMBER("kernel", compiler), MEMBER("kernel", config),
	MEMBER("host", cpu),	    MEMBER("host", cores),
	MEMBER("host", os),
#undef MEMBER
}, boot_members[] = {
#define MEMBER(key)                                        \
	{                                                  \
		NULL, #key, offsetof(struct env_boot, key) \
	}
	MEMBER(accel), MEMBER(cpu_model), MEMBER(smp),
	MEMBER(mem),   MEMBER(cmdline),
#undef MEMBER
};

static char **member(void *base, const struct member *m)
{
	return (char **)((char *)base + m->at);
}

static void fill_boot(struct env_boot *b, const cJSON *obj)
{
	if (b->accel)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(boot_members); i++)
		*member(b, &boot_members[i]) = text(obj, boot_members[i].key);
}

/* Read env.json, which says "unknown" of what is not there; NULL: no file */
int parse_env(const char *buf, size_t len, struct env *env,
	      struct parse_error *err)
{
	const cJSON *obj, *boots, *b;
	int ret = PARSE_OK;
	cJSON *root = NULL;

	memset(env, 0, sizeof(*env));
	if (!buf || is_blank(buf, len)) {
		ret = PARSE_EMPTY;
	} else {
		root = cJSON_ParseWithLength(buf, len);
		if (!cJSON_IsObject(root))
			ret = PARSE_MALFORMED;
	}
	parse_fail(err, ret, 0,
		   ret == PARSE_EMPTY ? "nothing in it" : "not a JSON object");
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct member *m = &members[i];

		obj = root;
		if (m->object)
			obj = cJSON_GetObjectItemCaseSensitive(root, m->object);
		*member(env, m) = text(obj, m->key);
	}
	boots = cJSON_GetObjectItemCaseSensitive(root, "boots");
	if (cJSON_IsArray(boots))
		cJSON_ArrayForEach(b, boots)
		{
			char *clock = text(b, "clock");
			enum cow_clock c = clock_by_name(clock, strlen(clock));

			free(clock);
			fill_boot(&env->boot[c], b);
		}
	for (int c = 0; c < CLK_NR; c++) {
		env->boot[c].clock = (enum cow_clock)c;
		fill_boot(&env->boot[c], NULL);
	}
	cJSON_Delete(root);
	return ret;
}

void env_free(struct env *env)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		free(*member(env, &members[i]));
	for (int c = 0; c < CLK_NR; c++)
		for (size_t i = 0; i < ARRAY_SIZE(boot_members); i++)
			free(*member(&env->boot[c], &boot_members[i]));
	memset(env, 0, sizeof(*env));
}

/*
 * What every number of a boot is labelled with; returns "clock wall, accel tcg,
 * cpu max", to be freed
 */
char *env_label(const struct env *env, enum cow_clock clock)
{
	const struct env_boot *b = &env->boot[clock];

	return xasprintf("clock %s, accel %s, cpu %s", clock_name(clock),
			 b->accel, b->cpu_model);
}

/* What a nanosecond of that boot is; returns a sentence, to be freed */
char *env_meaning(const struct env *env, enum cow_clock clock)
{
	const char *accel = env->boot[clock].accel;

	if (clock == CLK_ICOUNT)
		return xstrdup(
			"Emulation (TCG) with icount: 1 ns is 1 guest instruction, so a number is a count of instructions, the same in every run; caches, TLB misses and memory are not modelled.");
	if (clock == CLK_UNKNOWN)
		return xstrdup(
			"The log does not say which clock this is: no number here is a result.");
	if (!strcasecmp(accel, "native"))
		return xstrdup(
			"The machine itself: real ns of its CPU; compare arms within this table, never across machines or days.");
	if (!strncasecmp(accel, "tcg", 3) || !strcasecmp(accel, "qemu"))
		return xstrdup(
			"Emulation (TCG): a ns is host time for emulated code, not time on hardware; compare arms within this table, never across CPU models.");
	if (!strncasecmp(accel, "kvm", 3))
		return xstrdup(
			"Hardware virtualisation (KVM): real ns of the host's CPU, including the cost of nested paging; never compare across CPU models.");
	return xstrdup(
		"The accelerator is not known: if it was emulation (TCG), a ns is host time for emulated code; compare arms within this table only.");
}
