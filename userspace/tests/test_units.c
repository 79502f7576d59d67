// SPDX-License-Identifier: GPL-2.0
/* Unit tests of what cowbench computes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pattern.h"
#include "common/region.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"

#define PAGES 1000

static uint32_t *make_order(const char *name, size_t pages, size_t writes,
			    uint64_t seed, size_t *count)
{
	struct pattern pattern;
	uint32_t *order;

	assert_true(pattern_parse(name, &pattern));
	*count = pattern_count(&pattern, pages, writes);
	order = calloc(*count, sizeof(*order));
	assert_non_null(order);
	assert_true(pattern_order(&pattern, pages, *count, seed, order));
	return order;
}

static void test_parse_size(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t bytes;
	} cases[] = {
		{ "1", true, 1 },
		{ "4096", true, 4096 },
		{ "4k", true, 4096 },
		{ "4K", true, 4096 },
		{ "64M", true, 64ULL << 20 },
		{ "3g", true, 3ULL << 30 },
		{ "0", true, 0 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "18014398509481983K", true, UINT64_MAX - 1023 },
		{ "18014398509481984K", false, 0 },
		{ "17179869184G", false, 0 },
		{ "", false, 0 },
		{ "M", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1MB", false, 0 },
		{ "1.5M", false, 0 },
		{ "0x10", false, 0 },
		{ "1T", false, 0 },
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bytes = 0;
		if (parse_size(cases[i].text, &bytes) != cases[i].good)
			fail_msg("'%s'", cases[i].text);
		if (cases[i].good)
			assert_int_equal(bytes, cases[i].bytes);
	}
	assert_false(parse_u64("1k", &bytes));
	assert_false(parse_u64("", &bytes));
	assert_true(parse_u64("007", &bytes));
	assert_int_equal(bytes, 7);
}

static void test_text_field(void **state)
{
	static const char text[] =
		"Rss:   12 kB\nPss:\t 345 kB\nPss_Dirty: 6 kB\n";
	uint64_t value = 0;

	(void)state;
	assert_true(text_field(text, "Rss:", &value));
	assert_int_equal(value, 12);
	assert_true(text_field(text, "Pss:", &value));
	assert_int_equal(value, 345);
	assert_true(text_field(text, "Pss_Dirty:", &value));
	assert_int_equal(value, 6);
	assert_false(text_field(text, "Dirty:", &value));
	assert_false(text_field("", "Pss:", &value));
	assert_false(text_field("Pss: none\n", "Pss:", &value));
}

static void test_pattern_parse(void **state)
{
	static const char *const bad[] = { "",	       "Seq",	   "seq ",
					   "sparse",   "sparse0",  "sparse1",
					   "sparse-2", "sparse2x", "random",
					   "stride",   "stride1" };
	static const char *const good[] = { "seq",     "rev",	"rand",
					    "sparse2", "zipf",	"sparse64",
					    "reuse",   "paced", "stride3" };
	struct pattern pattern;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (pattern_parse(bad[i], &pattern))
			fail_msg("'%s' was accepted", bad[i]);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (!pattern_parse(good[i], &pattern))
			fail_msg("'%s' was not accepted", good[i]);
	}
	assert_true(pattern_parse("sparse8", &pattern));
	assert_int_equal(pattern.kind, PATTERN_SPARSE);
	assert_int_equal(pattern.step, 8);
}

/* splitmix64 of seed 1234567, as its author published it. */
static void test_rng(void **state)
{
	static const uint64_t known[] = { 6457827717110365317ULL,
					  3203168211198807973ULL,
					  9817491932198370423ULL,
					  4593380528125082431ULL };
	uint64_t rng = 1234567, seen = 0;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(known); i++)
		assert_int_equal(rng_next(&rng), known[i]);
	for (i = 0; i < 1000; i++) {
		uint64_t r = rng_below(&rng, 10);

		assert_in_range(r, 0, 9);
		seen |= 1 << r;
	}
	assert_int_equal(seen, 0x3ff);
}

static void test_permutations(void **state)
{
	static const char *const names[] = { "seq", "rev", "rand", "reuse",
					     "paced" };
	size_t i, k, count;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		uint32_t *order = make_order(names[i], PAGES, 7, 5, &count);
		unsigned char touched[PAGES] = { 0 };
		size_t ordered = 0;

		assert_int_equal(count, PAGES);
		for (k = 0; k < count; k++)
			assert_in_range(order[k], 0, PAGES - 1);
		assert_int_equal(pattern_distinct(order, count, touched),
				 PAGES);
		for (k = 0; k < count; k++)
			ordered += order[k] == k;
		if (!strcmp(names[i], "rand"))
			assert_in_range(ordered, 0, 20);
		else if (!strcmp(names[i], "rev"))
			assert_int_equal(order[0], PAGES - 1);
		else
			assert_int_equal(ordered, PAGES);
		free(order);
	}
}

static void test_seed(void **state)
{
	static const char *const names[] = { "rand", "zipf" };
	size_t i, count;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		uint32_t *a = make_order(names[i], PAGES, 500, 5, &count);
		uint32_t *b = make_order(names[i], PAGES, 500, 5, &count);
		uint32_t *c = make_order(names[i], PAGES, 500, 6, &count);

		assert_memory_equal(a, b, count * sizeof(*a));
		assert_memory_not_equal(a, c, count * sizeof(*a));
		free(a);
		free(b);
		free(c);
	}
}

static void test_sparse(void **state)
{
	static const struct {
		const char *name;
		size_t pages, step, count;
	} cases[] = {
		{ "sparse2", 1000, 2, 500 },   { "sparse2", 1001, 2, 501 },
		{ "sparse8", 1000, 8, 125 },   { "sparse64", 1000, 64, 16 },
		{ "sparse64", 1024, 64, 16 },  { "sparse1000", 1000, 1000, 1 },
		{ "sparse999", 1000, 999, 2 }, { "stride3", 1000, 3, 334 },
	};
	size_t i, k, count;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t *order =
			make_order(cases[i].name, cases[i].pages, 1, 1, &count);

		assert_int_equal(count, cases[i].count);
		for (k = 0; k < count; k++)
			assert_int_equal(order[k], k * cases[i].step);
		free(order);
	}
}

static int descending(const void *a, const void *b)
{
	return *(const int *)b - *(const int *)a;
}

/* The hottest ranks come as often as Zipf 0.99 says, and are not neighbours. */
static void test_zipf(void **state)
{
	const size_t writes = 1000000;
	int hits[PAGES] = { 0 };
	size_t i, count, first = 0;
	double harmonic = 0;
	uint32_t *order;

	(void)state;
	order = make_order("zipf", PAGES, writes, 3, &count);
	assert_int_equal(count, writes);
	for (i = 0; i < count; i++) {
		assert_in_range(order[i], 0, PAGES - 1);
		hits[order[i]]++;
	}
	free(order);
	for (i = 0; i < PAGES; i++) {
		harmonic += pow(i + 1, -0.99);
		if (hits[i] > hits[first])
			first = i;
	}
	assert_int_not_equal(first, 0);
	qsort(hits, PAGES, sizeof(*hits), descending);
	for (i = 0; i < 10; i++) {
		double expected = writes * pow(i + 1, -0.99) / harmonic;

		/* Five standard deviations. */
		if (fabs(hits[i] - expected) > 5 * sqrt(expected))
			fail_msg("rank %zu: %d hits, %.0f expected", i, hits[i],
				 expected);
	}
	assert_true(hits[PAGES - 1] > 0);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_words_differ(void **state)
{
	static uint64_t words[30000];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = word_value(9, i / WHO_COUNT, i % WHO_COUNT);
	qsort(words, ARRAY_SIZE(words), sizeof(*words), ascending);
	for (i = 1; i < ARRAY_SIZE(words); i++)
		assert_int_not_equal(words[i], words[i - 1]);
	assert_int_not_equal(word_value(1, 0, WHO_OLD),
			     word_value(2, 0, WHO_OLD));
	for (i = 0; i < 10000; i++)
		assert_in_range(word_slot(i, i), 0, 511);
}

/* What each process must see, and that any single wrong byte is seen. */
static void test_region_check(void **state)
{
	static const size_t offsets[] = { 0, 1, 7, 8, 4095, 4096, 12345, 16383 };
	unsigned char touched[4] = { 1, 0, 1, 0 };
	struct region region;
	struct verdict v;
	uint64_t *words;
	size_t i, page;

	(void)state;
	region_map(&region, KIND_4K, sizeof(touched) * PAGE_BYTES);
	assert_int_equal((uintptr_t)region.base % HUGE_BYTES, 0);
	words = (uint64_t *)region.base;
	region_fill(&region, 3);
	region_check(&region, 3, WHO_OLD, touched, &v);
	assert_int_equal(v.wrong, 0);
	region_check(&region, 4, WHO_OLD, touched, &v);
	assert_true(v.wrong > 16000);

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		unsigned char was = region.base[offsets[i]];

		region.base[offsets[i]] ^= 0x80;
		region_check(&region, 3, WHO_OLD, touched, &v);
		assert_int_equal(v.wrong, 1);
		assert_int_equal(v.offset, offsets[i]);
		assert_int_equal(v.expected, was);
		assert_int_equal(v.found, was ^ 0x80);
		region.base[offsets[i]] = was;
	}

	for (page = 0; page < sizeof(touched); page++) {
		size_t index = page * 512 + word_slot(3, page);

		if (touched[page])
			words[index] = word_value(3, index, WHO_CHILD);
	}
	region_check(&region, 3, WHO_CHILD, touched, &v);
	assert_int_equal(v.wrong, 0);
	/* Checked as the wrong process, with no writes, or one page too far. */
	region_check(&region, 3, WHO_PARENT, touched, &v);
	assert_true(v.wrong > 0);
	region_check(&region, 3, WHO_OLD, touched, &v);
	assert_true(v.wrong > 0);
	touched[3] = 1;
	region_check(&region, 3, WHO_CHILD, touched, &v);
	assert_in_range(v.wrong, 1, 8);
	assert_int_equal(v.offset / PAGE_BYTES, 3);
	region_unmap(&region);
}

static void test_stats(void **state)
{
	uint64_t hundred[100], one[] = { 7 }, two[] = { 20, 11 };
	struct stats s;
	size_t i;

	(void)state;
	for (i = 0; i < 100; i++)
		hundred[i] = 100 - i;
	stats_compute(hundred, 100, &s);
	assert_int_equal(s.count, 100);
	assert_int_equal(s.avg, 51); /* 50.5 */
	assert_int_equal(s.min, 1);
	assert_int_equal(s.p50, 50);
	assert_int_equal(s.p90, 90);
	assert_int_equal(s.p99, 99);
	assert_int_equal(s.p999, 100);
	assert_int_equal(s.max, 100);

	stats_compute(one, 1, &s);
	assert_int_equal(s.avg, 7);
	assert_int_equal(s.p50, 7);
	assert_int_equal(s.p999, 7);

	stats_compute(two, 2, &s);
	assert_int_equal(s.min, 11);
	assert_int_equal(s.p50, 11);
	assert_int_equal(s.p90, 20);
	assert_int_equal(s.avg, 16);

	stats_compute(NULL, 0, &s);
	assert_int_equal(s.count, 0);
	assert_int_equal(s.max, 0);
}

static void test_stats_large(void **state)
{
	uint64_t samples[] = { UINT64_MAX, UINT64_MAX, UINT64_MAX - 3 };
	struct stats s;

	(void)state;
	stats_compute(samples, 3, &s);
	assert_int_equal(s.avg, UINT64_MAX - 1);
	assert_int_equal(s.p50, UINT64_MAX);
}

static void test_hist_buckets(void **state)
{
	unsigned int b;

	(void)state;
	assert_int_equal(hist_bucket(0), 0);
	assert_int_equal(hist_bucket(63), 63);
	assert_int_equal(hist_bucket(64), 64);
	assert_int_equal(hist_bucket(65), 64);
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
	for (b = 0; b < HIST_BUCKETS; b++) {
		uint64_t lower = hist_lower(b);

		assert_int_equal(hist_bucket(lower), b);
		if (!b)
			continue;
		assert_int_equal(hist_bucket(lower - 1), b - 1);
		/* No wider than 1/32 of where it begins. */
		assert_true(b < 64 ||
			    lower - hist_lower(b - 1) <= lower / 32 + 1);
	}
}

static void test_hist_write(void **state)
{
	static const uint64_t samples[] = { 5, 1000, 5, 1001, 5, 64 };
	char text[256] = "";
	FILE *f;

	(void)state;
	f = fmemopen(text, sizeof(text), "w");
	assert_non_null(f);
	assert_int_equal(hist_write(f, samples, ARRAY_SIZE(samples)), 0);
	assert_int_equal(samples_write(f, samples, 2), 0);
	fclose(f);
	assert_string_equal(text, "5 3\n64 1\n992 2\n5\n1000\n");
}

/* The heading and the row come from one string; widths are a table's. */
static void test_row(void **state)
{
	char text[128];
	FILE *f = tmpfile();
	size_t n;

	(void)state;
	assert_non_null(f);
	row_csv(f, true, "name=%-6s ns=%8lu rest=%s", "a%b", 7UL,
		cell_csv(false, 3).text);
	row_csv(f, false, "name=%-6s ns=%8lu rest=%s", "", UINT64_MAX,
		cell_csv(true, 3).text);
	assert_string_equal(cell_table(false, 3).text, "-");
	assert_string_equal(cell_table(true, 3).text, "3");
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	assert_string_equal(text,
			    "name,ns,rest\na%b,7,\n,18446744073709551615,3\n");
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_size),
		cmocka_unit_test(test_text_field),
		cmocka_unit_test(test_pattern_parse),
		cmocka_unit_test(test_rng),
		cmocka_unit_test(test_permutations),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_words_differ),
		cmocka_unit_test(test_region_check),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_stats_large),
		cmocka_unit_test(test_hist_buckets),
		cmocka_unit_test(test_hist_write),
		cmocka_unit_test(test_row),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
