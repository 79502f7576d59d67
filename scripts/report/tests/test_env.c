// SPDX-License-Identifier: GPL-2.0
/* test_env.c - env.json */
#include "env.h"
#include "test.h"

static int parse(const char *s, struct env *env)
{
	return parse_env(s, s ? strlen(s) : 0, env, NULL);
}

static void test_good(void **state)
{
	struct env env;
	size_t len;
	char *buf = canned("run/env.json", &len), *label, *meaning;

	(void)state;
	assert_int_equal(parse_env(buf, len, &env, NULL), PARSE_OK);
	assert_string_equal(env.release, "6.12.117-cowlab");
	assert_string_equal(env.cores, "2");
	assert_string_equal(env.boot[CLK_ICOUNT].smp, "1");
	label = env_label(&env, CLK_WALL);
	assert_string_equal(label,
			    "clock wall, accel tcg, cpu max,-erms,-fsrm");
	meaning = env_meaning(&env, CLK_ICOUNT);
	assert_non_null(strstr(meaning, "1 ns is 1 guest instruction"));
	free(label);
	free(meaning);
	env_free(&env);
	free(buf);
}

static void check_unknown(const char *s, int status)
{
	struct env env;

	assert_int_equal(parse(s, &env), status);
	assert_string_equal(env.date, "unknown");
	assert_string_equal(env.compiler, "unknown");
	assert_string_equal(env.os, "unknown");
	assert_string_equal(env.boot[CLK_WALL].accel, "unknown");
	env_free(&env);
}

static void test_bad(void **state)
{
	(void)state;
	check_unknown(NULL, PARSE_EMPTY);
	check_unknown("", PARSE_EMPTY);
	check_unknown("{", PARSE_MALFORMED);
	check_unknown("[]", PARSE_MALFORMED);
	check_unknown("{}", PARSE_OK);
	check_unknown(
		"{\"date\":{},\"kernel\":3,\"host\":[],\"boots\":{\"clock\":\"wall\"}}",
		PARSE_OK);
	check_unknown("{\"boots\":[3,null,{\"accel\":\"tcg\"},{\"clock\":7}]}",
		      PARSE_OK);
}

/* A run of cowlab-lab names the hypervisor, or none. */
static void check_meaning(const char *accel, const char *expected)
{
	char *json = xasprintf(
		"{\"boots\":[{\"clock\":\"wall\",\"accel\":\"%s\"}]}", accel);
	struct env env;
	char *meaning;

	assert_int_equal(parse(json, &env), PARSE_OK);
	meaning = env_meaning(&env, CLK_WALL);
	assert_non_null(strstr(meaning, expected));
	free(meaning);
	env_free(&env);
	free(json);
}

static void test_meaning(void **state)
{
	(void)state;
	check_meaning("native", "The machine itself");
	check_meaning("qemu", "Emulation (TCG)");
	check_meaning("tcg", "Emulation (TCG)");
	check_meaning("kvm", "Hardware virtualisation");
	check_meaning("vmware", "not known");
}

static int feed(const char *buf, size_t len)
{
	struct env env;
	int ret = parse_env(buf, len, &env, NULL);

	env_free(&env);
	return ret;
}

static void test_torment(void **state)
{
	size_t len;
	char *buf = canned("run/env.json", &len);

	(void)state;
	torment(buf, len, feed);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_torment),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
