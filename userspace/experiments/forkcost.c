// SPDX-License-Identifier: GPL-2.0
/*
 * forkcost - what a snapshot by fork() costs: the fork, and the faults after
 *
 * A round fills a region and forks twice. Each time the child waits while the
 * parent writes a word to every page, and is ended then. The first fork finds
 * the pages as they were filled, the second as the first one's faults have left
 * them, in large folios where they were copied so.
 *
 * With --csv it prints a row for each fork:
 *
 *	size		bytes of the region
 *	round		from 1 on
 *	state		`filled` for a round's first fork, `copied` for its second
 *	fork_ns		fork() as the parent saw it
 *	write_ns	a word to each page
 *	end_ns		from the child's release until it was reaped
 *	faults		the parent's minor faults during the writes
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/region.h"
#include "common/util.h"

const char *argp_program_version = "forkcost 1.0";

static const char doc[] =
	"Time fork(), and the writes after it, by size of the process."
	"\v"
	"EXAMPLES:\n"
	"    forkcost                      # 64 MiB, 5 rounds\n"
	"    forkcost -s 1G -n 1 -c        # one round of 1 GiB, as CSV\n"
	"    forkcost -k thp               # huge pages\n"
	"\n"
	"Exit status: 0, or 1 if a byte was wrong or a value was not accepted.\n";

static const struct argp_option options[] = {
	{ "size", 's', "SIZE", 0, "Size of the region, with K, M or G (64M)",
	  0 },
	{ "rounds", 'n', "N", 0, "Rounds, each with a new region (5)", 0 },
	{ "kind", 'k', "KIND", 0, "Pages: 4k thp mthp hugetlb (4k)", 0 },
	{ "large-copies", 'L', NULL, 0,
	  "Advise huge pages when the region is filled: a COW may then copy into large folios",
	  0 },
	{ "csv", 'c', NULL, 0, "Print comma-separated values", 0 },
	{ 0 },
};

struct env {
	uint64_t size;
	uint64_t rounds;
	enum kind kind;
	bool large_copies;
	bool csv;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct env *env = state->input;

	switch (key) {
	case 's':
		if (!parse_size(arg, &env->size) || !env->size ||
		    env->size % HUGE_BYTES)
			die("--size: '%s' is not accepted, a multiple of 2M is",
			    arg);
		break;
	case 'n':
		env->rounds = number_arg("--rounds", arg, 1, 1000000);
		break;
	case 'k':
		if (!kind_parse(arg, &env->kind))
			die("--kind: '%s' is not accepted, one of these is: %s",
			    arg, KIND_NAMES);
		break;
	case 'L':
		env->large_copies = true;
		break;
	case 'c':
		env->csv = true;
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Seeds of the region's old words and of those written after each fork. */
static uint64_t seed_of(uint64_t round)
{
	return mix64(round);
}

static void write_pages(const struct region *region, uint64_t seed,
			enum who who)
{
	volatile uint64_t *words = (uint64_t *)region->base;
	uint64_t page;

	for (page = 0; page < region->size / PAGE_BYTES; page++) {
		uint64_t index = page * 512 + word_slot(seed, page);

		words[index] = word_value(seed, index, who);
	}
}

static void check(const struct region *region, uint64_t seed, enum who who)
{
	unsigned char *touched = malloc(region->size / PAGE_BYTES);
	struct verdict v;

	if (!touched)
		die("no memory for the check");
	memset(touched, 1, region->size / PAGE_BYTES);
	region_check(region, seed, who, touched, &v);
	free(touched);
	if (v.wrong)
		die("wrong byte at offset 0x%" PRIx64
		    ": expected 0x%02x, found 0x%02x (%" PRIu64
		    " wrong in all)",
		    v.offset, v.expected, v.found, v.wrong);
}

/* Fork, write, end the child, print the row. */
static void snapshot(const struct env *env, const struct region *region,
		     uint64_t round, const char *state, enum who who)
{
	uint64_t t0, t1, t2, t3, t4;
	struct rusage before, after;
	int release[2], status;
	pid_t child;
	char byte;

	if (pipe(release))
		die("pipe: %s", strerror(errno));
	t0 = now_ns();
	child = fork();
	if (!child) {
		close(release[1]);
		_exit(read(release[0], &byte, 1) != 0);
	}
	t1 = now_ns();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	getrusage(RUSAGE_SELF, &before);
	t2 = now_ns();
	write_pages(region, seed_of(round), who);
	t3 = now_ns();
	getrusage(RUSAGE_SELF, &after);
	close(release[1]);
	if (waitpid(child, &status, 0) != child || status)
		die("the child did not end well");
	t4 = now_ns();
	close(release[0]);
	printf(env->csv ? "%" PRIu64 ",%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64
			  ",%" PRIu64 ",%ld\n" :
			  "%10" PRIu64 " %5" PRIu64 " %-6s %12" PRIu64
			  " %12" PRIu64 " %12" PRIu64 " %8ld\n",
	       env->size, round, state, t1 - t0, t3 - t2, t4 - t3,
	       after.ru_minflt - before.ru_minflt);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct env env = { .size = 64UL << 20, .rounds = 5 };
	uint64_t round;

	argp_parse(&argp, argc, argv, 0, NULL, &env);
	if (env.csv)
		puts("size,round,state,fork_ns,write_ns,end_ns,faults");
	else
		printf("%10s %5s %-6s %12s %12s %12s %8s\n", "size", "round",
		       "state", "fork_ns", "write_ns", "end_ns", "faults");
	for (round = 1; round <= env.rounds; round++) {
		struct region region;

		region_require(env.kind, env.size, 2);
		region_map(&region, env.kind, env.size);
		region_fill(&region, seed_of(round));
		region_check_kind(&region);
		if (env.large_copies)
			region_allow_large(&region);
		snapshot(&env, &region, round, "filled", WHO_PARENT);
		check(&region, seed_of(round), WHO_PARENT);
		snapshot(&env, &region, round, "copied", WHO_CHILD);
		check(&region, seed_of(round), WHO_CHILD);
		region_unmap(&region);
	}
	return 0;
}
