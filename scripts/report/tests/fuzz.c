// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.c - the parsers of what comes from a guest, on bytes of any kind
 *
 * Built with libFuzzer as fuzz_NAME, it fuzzes the parser NAME. Built with
 * FUZZ_REPLAY it runs each parser over the inputs that are kept in a folder of
 * its name, and speaks TAP. The sanitizers see what a parser does to memory;
 * the checks here see an answer that cannot be.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmesg.h"
#include "env.h"
#include "hist.h"
#include "user.h"

/* Not assert(): it must stay in every build. */
#define CHECK(condition)                                                     \
	do {                                                                 \
		if (!(condition)) {                                          \
			fprintf(stderr, "fuzz: not true: %s\n", #condition); \
			abort();                                             \
		}                                                            \
	} while (0)

static void check_status(int status, size_t len)
{
	CHECK(status <= PARSE_OK && status >= PARSE_MALFORMED);
	CHECK(len || status == PARSE_EMPTY);
}

/* A last number that no newline ends may lack digits. */
static bool ends_in_number(const char *buf, size_t len)
{
	const char *line = memrchr(buf, '\n', len);
	const char *end = buf + len;

	line = line ? line + 1 : buf;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	return line < end && *line != '#' && end[-1] >= '0' && end[-1] <= '9';
}

static void fuzz_dmesg(const char *buf, size_t len)
{
	struct dmesg d;
	uint64_t in_segments = 0;
	size_t i;

	check_status(parse_dmesg(buf, len, &d), len);
	for (i = 0; i < d.seg.n; i++)
		in_segments += d.seg.v[i].ns.n;
	CHECK(in_segments <= d.samples);
	CHECK(d.samples <= d.lines && d.lines <= len);
	CHECK(d.nshown <= DMESG_SHOWN);
	dmesg_free(&d);
}

static void fuzz_latency_hist(const char *buf, size_t len)
{
	struct parse_error err = { 0 };
	struct stage_list list;
	size_t i, k;
	int status = parse_latency_hist(buf, len, &list, &err);

	check_status(status, len);
	CHECK(status == PARSE_OK || status == PARSE_EMPTY || err.what);
	for (i = 0; status == PARSE_OK && i < list.stage.n; i++) {
		const struct stage *stage = &list.stage.v[i];

		CHECK(memchr(stage->name, '\0', NAME_LEN));
		CHECK(!stage->lat.count || latency_ordered(&stage->lat));
		for (k = 0; k < i; k++)
			CHECK(strcmp(stage->name, list.stage.v[k].name));
		CHECK(!stage->lat.count == !stage_find(&list, stage->name));
	}
	stage_list_free(&list);
}

static void fuzz_touch_hist(const char *buf, size_t len)
{
	struct parse_error err = { 0 };
	struct touch_hist hist;
	uint64_t total = 0;
	size_t i;
	int status = parse_touch_hist(buf, len, &hist, &err);

	check_status(status, len);
	for (i = 0; status == PARSE_OK && i < hist.bucket.n; i++)
		total = add_sat(total, hist.bucket.v[i].count);
	CHECK(status != PARSE_OK || !ends_in_number(buf, len));
	CHECK(status != PARSE_OK || total == hist.total);
	touch_hist_free(&hist);
}

static void fuzz_stats(const char *buf, size_t len)
{
	struct parse_error err = { 0 };
	struct stats stats;
	size_t i;
	int status = parse_stats(buf, len, &stats, &err);

	check_status(status, len);
	CHECK(status != PARSE_OK || !ends_in_number(buf, len));
	for (i = 0; status == PARSE_OK && i < stats.line.n; i++)
		CHECK(memchr(stats.line.v[i].key, '\0', NAME_LEN));
	stats_free(&stats);
}

static void fuzz_user_csv(const char *buf, size_t len)
{
	struct parse_error err = { 0 };
	struct user_rec rec;
	int status = parse_user_csv(buf, len, &rec, &err);

	check_status(status, len);
	CHECK(status != PARSE_OK || rec.rows);
}

static void fuzz_env(const char *buf, size_t len)
{
	struct parse_error err = { 0 };
	struct env env;
	int clock;

	check_status(parse_env(buf, len, &env, &err), len);
	for (clock = 0; clock < CLK_NR; clock++) {
		free(env_label(&env, clock));
		free(env_meaning(&env, clock));
	}
	env_free(&env);
}

static const struct parser {
	const char *name;
	void (*run)(const char *buf, size_t len);
} parsers[] = {
	{ "dmesg", fuzz_dmesg },
	{ "latency_hist", fuzz_latency_hist },
	{ "touch_hist", fuzz_touch_hist },
	{ "stats", fuzz_stats },
	{ "user_csv", fuzz_user_csv },
	{ "env", fuzz_env },
};

#define NR_PARSERS (sizeof(parsers) / sizeof(*parsers))

/* A copy without a byte behind it, so that reading on is seen. */
static void run(const struct parser *parser, const void *data, size_t len)
{
	char *copy = malloc(len ? len : 1);

	CHECK(copy);
	memcpy(copy, data, len);
	parser->run(copy, len);
	free(copy);
}

#ifdef FUZZ_REPLAY
static unsigned int replay(const struct parser *parser, const char *dir)
{
	char *path = xasprintf("%s/%s", dir, parser->name), *buf;
	unsigned int files = 0;
	struct dirent *entry;
	DIR *d = opendir(path);
	size_t len;

	while (d && (entry = readdir(d))) {
		char *name;

		if (entry->d_name[0] == '.')
			continue;
		name = xasprintf("%s/%s", path, entry->d_name);
		CHECK(read_file(name, 1 << 20, &buf, &len) == FILE_OK);
		run(parser, buf, len);
		free(buf);
		free(name);
		files++;
	}
	if (d)
		closedir(d);
	free(path);
	return files;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 1;
	}
	printf("1..%zu\n", NR_PARSERS);
	for (i = 0; i < NR_PARSERS; i++) {
		unsigned int files = replay(&parsers[i], argv[1]);

		printf("%s %zu - %s: %u inputs\n", files ? "ok" : "not ok",
		       i + 1, parsers[i].name, files);
		fflush(stdout);
	}
	return 0;
}
#else
static const struct parser *chosen;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = strstr((*argv)[0], "fuzz_");
	size_t i;

	(void)argc;
	for (i = 0; name && i < NR_PARSERS; i++)
		if (!strcmp(name + strlen("fuzz_"), parsers[i].name))
			chosen = &parsers[i];
	if (!chosen) {
		fprintf(stderr, "fuzz: call me fuzz_PARSER\n");
		exit(1);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	run(chosen, data, size);
	return 0;
}
#endif
