// SPDX-License-Identifier: GPL-2.0
/* test_gate.c - the regression gate */
#define _GNU_SOURCE
#include <math.h>

#include "gate.h"
#include "store.h"
#include "test.h"

#define HEAD \
	"arm,workload,instructions,ratio,instructions_pct,ratio_pct,look_at\n"
#define FILE_GOOD                                                         \
	"# a comment\n# kernel 6.12.1\n# compiler gcc 12\n"               \
	"# qemu 7.2\n" HEAD "baseline,seq,1000.0,1.0000,1,2,patch 0001\n" \
	"adaptive,seq,500.0,0.5000,1,2,module/policy.c\n"

static struct env env = { .release = (char *)"6.12.1",
			  .compiler = (char *)"gcc 12",
			  .qemu = (char *)"7.2" };

static void add(sqlite3 *db, const char *arm, double page, double ratio)
{
	struct figures f = { .ns_per_page = page, .ratio = ratio };

	store_summary(db, CLK_ICOUNT, arm, "seq", "user", "touch", &f);
}

/* What the gate says of a run with these costs; how many tests failed */
static size_t judge(const struct env *e, double base, double adaptive,
		    char **said)
{
	sqlite3 *db = db_new();
	struct parse_error err;
	struct gate gate;
	size_t bad, size;
	FILE *f;

	assert_int_equal(gate_parse(FILE_GOOD, strlen(FILE_GOOD), &gate, &err),
			 PARSE_OK);
	if (base > 0)
		add(db, "baseline", base, 1);
	if (adaptive > 0)
		add(db, "adaptive", adaptive, adaptive / base);
	f = open_memstream(said, &size);
	assert_non_null(f);
	bad = gate_judge(&gate, db, e, f);
	fclose(f);
	assert_non_null(strstr(*said, "1..3\n"));
	sqlite3_close(db);
	gate_free(&gate);
	return bad;
}

static void test_same(void **state)
{
	char *said;

	(void)state;
	assert_int_equal(judge(&env, 1000, 500, &said), 0);
	assert_null(strstr(said, "not ok"));
	assert_null(strstr(said, "look at"));
	free(said);
	/* at the bounds: 1% and 2% */
	assert_int_equal(judge(&env, 1009.9, 504.9, &said), 0);
	free(said);
}

static void test_worse(void **state)
{
	char *said;

	(void)state;
	/* 1.2% more instructions, the ratio within 2% */
	assert_int_equal(judge(&env, 1000, 506, &said), 1);
	assert_non_null(strstr(
		said, "not ok 2 - adaptive seq: instructions per page written"));
	assert_non_null(strstr(said, "+1.20%"));
	assert_non_null(strstr(said, "# look at module/policy.c"));
	assert_null(strstr(said, "patch 0001"));
	free(said);
	/* everything dearer by 1.2%: the ratio does not see it */
	assert_int_equal(judge(&env, 1012, 506, &said), 2);
	assert_non_null(strstr(said, "# look at patch 0001"));
	free(said);
}

static void test_other_versions(void **state)
{
	struct env other[] = { env, env, env };
	char *said;

	(void)state;
	other[0].release = (char *)"6.12.99";
	other[1].compiler = (char *)"gcc 14";
	other[2].qemu = (char *)"10.0";
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		/* all cost half as much again, as on another machine; same ratios */
		assert_int_equal(judge(&other[i], 1500, 750, &said), 0);
		assert_non_null(strstr(said, "# SKIP the reference is of"));
		free(said);
		/* the ratio is judged all the same */
		assert_int_equal(judge(&other[i], 1500, 780, &said), 1);
		assert_non_null(strstr(
			said, "not ok 3 - adaptive seq: ratio to baseline"));
		free(said);
	}
}

static void test_better(void **state)
{
	char *said;

	(void)state;
	assert_int_equal(judge(&env, 1000, 400, &said), 0);
	assert_non_null(strstr(said, "# better than the reference"));
	free(said);
}

static void test_absent(void **state)
{
	char *said;

	(void)state;
	assert_int_equal(judge(&env, 1000, 0, &said), 2);
	assert_non_null(strstr(said, "# it was not measured"));
	free(said);
	assert_int_equal(judge(&env, 0, 0, &said), 3);
	free(said);
}

static int parse(const char *buf, size_t len)
{
	struct parse_error err;
	struct gate gate;
	int ret = gate_parse(buf, len, &gate, &err);

	gate_free(&gate);
	return ret;
}

static void test_bad_files(void **state)
{
	static const char *const bad[] = {
		"",
		"# only a comment\n",
		HEAD,
		"arm,workload\nbaseline,seq\n",
		HEAD "baseline,seq,1,1,1,2\n",
		HEAD "baseline,seq,1,1,1,2,x,y\n",
		HEAD "baseline,seq,one,1,1,2,x\n",
		HEAD "baseline,seq,0,1,1,2,x\n",
		HEAD "baseline,seq,1,1,,2,x\n",
		HEAD "baseline,seq,1,1,1,2,\n",
		HEAD ",seq,1,1,1,2,x\n",
		HEAD "baseline,seq,1,1,1,2,cut",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(parse(bad[i], strlen(bad[i])), PARSE_OK);
	torment(FILE_GOOD, strlen(FILE_GOOD), parse);
}

static void test_rebase(void **state)
{
	static const char lacking[] = "# a comment\n" HEAD
				      "baseline,seq,,,1,2,patch 0001\n"
				      "adaptive,seq,,,1,2,module/policy.c\n";
	sqlite3 *db = db_new();
	struct parse_error err;
	struct gate gate;
	size_t size;
	char *text;
	FILE *f;

	(void)state;
	assert_int_equal(gate_parse(lacking, strlen(lacking), &gate, &err),
			 PARSE_OK);
	add(db, "baseline", 1000, 1);
	/* a reference without numbers lets no ratio pass */
	f = open_memstream(&text, &size);
	assert_int_equal(gate_judge(&gate, db, &env, f), 1);
	fclose(f);
	free(text);
	assert_int_equal(gate_rebase(&gate, db, &env), 1);
	add(db, "adaptive", 500, 0.5);
	assert_int_equal(gate_rebase(&gate, db, &env), 0);
	f = open_memstream(&text, &size);
	gate_write(&gate, f);
	fclose(f);
	assert_string_equal(text, FILE_GOOD);
	free(text);
	sqlite3_close(db);
	gate_free(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_worse),
		cmocka_unit_test(test_other_versions),
		cmocka_unit_test(test_better),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_rebase),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
