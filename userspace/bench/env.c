// SPDX-License-Identifier: GPL-2.0
/* The command line of cowbench. */
#include "bench/env.h"

#include <argp.h>
#include <inttypes.h>
#include <string.h>

#include "common/util.h"

#define MAX_THREADS 256
#define MAX_ROUNDS 1000000
#define MAX_PAGES (1ULL << 32)
#define MAX_WRITES (1ULL << 32)
#define MAX_PACE 1000000000ULL
#define HELPER_BATCH 16
#define HELPER_DISTANCE 1024

const char *argp_program_version = "cowbench 1.0";

static const char doc[] =
	"Time every write to memory that a fork made copy-on-write.\n"
	"\n"
	"Fills a private region, forks, writes the region in some pattern, and then checks every byte of both processes' view of it.\n"
	"\v"
	"EXAMPLES:\n"
	"    cowbench                            # 64 MiB, upward, by the parent\n"
	"    cowbench -p rand -n 5               # random order, 5 rounds\n"
	"    cowbench -p sparse8 -w child -c     # every 8th page, by the child, as CSV\n"
	"    cowbench -p zipf -W 1000000         # a million writes, Zipf 0.99\n"
	"    cowbench -p paced -P 20000          # 20 us of work between writes\n"
	"    cowbench -k thp -t 4                # huge pages, 4 threads\n"
	"    cowbench -b populate_write          # break COW first, then write\n"
	"    cowbench -p paced --helper          # break COW beside the writer\n"
	"    cowbench --helper=32,1024           # 32 pages a call, 4 MiB ahead\n"
	"    cowbench -l timing,log              # with cowlab's timing and log on\n"
	"\n"
	"PATTERNS:\n"
	"    seq rev rand    every page once: upward, downward, shuffled\n"
	"    sparseN         every Nth page, upward\n"
	"    zipf            --writes writes, Zipf 0.99 over shuffled pages\n"
	"    reuse           seq, after the other process has gone\n"
	"    paced           seq, with a fixed work between two writes\n"
	"\n"
	"COLUMNS:\n"
	"    avg_ns .. max_ns   one write, as the writer saw it\n"
	"    elapsed_ns         all writes, and what --prepare did\n"
	"    faults             page faults of the writer during the writes\n"
	"    pages_touched      different 4 KiB pages written\n"
	"    pages_copied       4 KiB pages that are the writer's alone afterwards;\n"
	"                       with reuse, pages in another frame (root only)\n"
	"    pages_wasted       copied, but not touched\n"
	"    rss_growth_kb      growth of both processes' memory (Pss)\n"
	"    parent_peak_kb,    CSV only: the most that the process ever had mapped,\n"
	"    child_peak_kb      shared pages included (VmHWM)\n"
	"A cell that does not apply, or that the kernel does not tell, is empty.\n"
	"\n"
	"Exit status: 0, or 1 if a byte was wrong, memory or a kernel feature was missing or a value was not accepted.\n";

enum {
	OPT_PACE_ITERS = 256,
	OPT_HELPER,
	OPT_MAPPER,
	OPT_CORRUPT,
};

static const struct argp_option options[] = {
	{ "size", 's', "SIZE", 0, "Size of the region, with K, M or G (64M)",
	  0 },
	{ "pattern", 'p', "NAME", 0,
	  "seq rev rand sparseN zipf reuse paced (seq)", 0 },
	{ "writes", 'W', "N", 0, "Writes of pattern zipf (100000)", 0 },
	{ "pace", 'P', "NS", 0,
	  "Work between writes of pattern paced, calibrated by the clock at the start (5000)",
	  0 },
	{ "pace-iters", OPT_PACE_ITERS, "N", 0,
	  "The same as a number of iterations: the same work on every machine",
	  0 },
	{ "writer", 'w', "WHO", 0, "parent, child or both (parent)", 0 },
	{ "threads", 't', "N", 0, "Split the pattern over N threads (1)", 0 },
	{ "kind", 'k', "KIND", 0, "Pages: 4k thp mthp hugetlb (4k)", 0 },
	{ "large-copies", 'L', NULL, 0,
	  "Advise huge pages when the region is filled: a COW may then copy into large folios",
	  0 },
	{ "prepare", 'b', "CALL", 0,
	  "Before the writes: none, populate_write or manual_cow (none)", 0 },
	{ "helper", OPT_HELPER, "BATCH,DISTANCE", OPTION_ARG_OPTIONAL,
	  "A thread runs manual_cow ahead of the writer: BATCH pages a call, at most DISTANCE pages ahead (16,1024); none with one CPU",
	  0 },
	{ "rounds", 'n', "N", 0, "Rounds, each with a new region and fork (1)",
	  0 },
	{ "seed", 'S', "N", 0, "Decides everything random (1)", 0 },
	{ "csv", 'c', NULL, 0, "Print comma-separated values", 1 },
	{ "csv-header", 'H', "yes|no", 0, "Print the header of the CSV (yes)",
	  1 },
	{ "hist", 'g', "FILE", 0,
	  "Append each round's histogram: lower_ns count, 32 buckets an octave",
	  1 },
	{ "samples", 'o', "FILE", 0,
	  "Append every latency in ns, in the order of writing", 1 },
	{ "mapper", OPT_MAPPER, "FILE", 0,
	  "A thread maps and unmaps 64 KiB meanwhile; append what that took: count,avg,min,p50,p90,p99,p99.9,max in ns",
	  1 },
	{ "listen", 'l', "LIST", 0,
	  "Turn these cowlab switches on during the writes (and --prepare), for the writer only",
	  2 },
	{ "debugfs", 'd', "DIR", 0,
	  "Where the switches are (/sys/kernel/debug/cowlab)", 2 },
	/* For tests: the check must see a flipped bit. */
	{ "corrupt", OPT_CORRUPT, NULL, OPTION_HIDDEN,
	  "For tests: flip one bit before the check", 3 },
	{ 0 },
};

static unsigned int choice(const char *option, const char *arg,
			   const char *const *names)
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(arg, names[i]))
			return i;
	}
	if (i == 2)
		die("%s: '%s' is not accepted, %s or %s is", option, arg,
		    names[0], names[1]);
	die("%s: '%s' is not accepted, %s, %s or %s is", option, arg, names[0],
	    names[1], names[2]);
}

static void parse_helper(const char *arg, struct env *env)
{
	const char *comma = arg ? strchr(arg, ',') : NULL;
	char batch[24];

	env->helper_batch = HELPER_BATCH;
	env->helper_distance = HELPER_DISTANCE;
	if (!arg)
		return;
	if (!comma)
		die("--helper: '%s' is not accepted, BATCH,DISTANCE in pages is",
		    arg);
	snprintf(batch, sizeof(batch), "%.*s", (int)(comma - arg), arg);
	env->helper_batch = number_arg("--helper", batch, 1, MAX_PAGES);
	env->helper_distance =
		number_arg("--helper", comma + 1, env->helper_batch, MAX_PAGES);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	static const char *const writers[] = { "parent", "child", "both",
					       NULL };
	static const char *const prepares[] = { "none", "populate_write",
						"manual_cow", NULL };
	static const char *const answers[] = { "no", "yes", NULL };
	struct env *env = state->input;

	switch (key) {
	case 's':
		if (!parse_size(arg, &env->size) || !env->size)
			die("--size: '%s' is not accepted, a number of bytes above 0 is, with K, M or G",
			    arg);
		break;
	case 'p':
		if (!pattern_parse(arg, &env->pattern))
			die("--pattern: '%s' is not accepted, one of these is: %s",
			    arg, PATTERN_NAMES);
		env->pattern_name = arg;
		break;
	case 'W':
		env->writes = number_arg("--writes", arg, 1, MAX_WRITES);
		break;
	case 'P':
		env->pace_ns = number_arg("--pace", arg, 1, MAX_PACE);
		break;
	case OPT_PACE_ITERS:
		env->pace_iters = number_arg("--pace-iters", arg, 1, MAX_PACE);
		break;
	case 'w':
		env->writer = choice("--writer", arg, writers);
		break;
	case 't':
		env->threads = number_arg("--threads", arg, 1, MAX_THREADS);
		break;
	case 'k':
		if (!kind_parse(arg, &env->kind))
			die("--kind: '%s' is not accepted, one of these is: %s",
			    arg, KIND_NAMES);
		break;
	case 'L':
		env->large_copies = true;
		break;
	case 'b':
		env->prepare = choice("--prepare", arg, prepares);
		break;
	case OPT_HELPER:
		parse_helper(arg, env);
		break;
	case OPT_MAPPER:
		env->mapper = arg;
		break;
	case 'n':
		env->rounds = number_arg("--rounds", arg, 1, MAX_ROUNDS);
		break;
	case 'S':
		env->seed = number_arg("--seed", arg, 0, UINT64_MAX);
		break;
	case 'c':
		env->csv = true;
		break;
	case 'H':
		env->csv_header = choice("--csv-header", arg, answers);
		break;
	case 'g':
		env->hist = arg;
		break;
	case 'o':
		env->samples = arg;
		break;
	case 'l':
		env->listen = arg;
		break;
	case 'd':
		env->debugfs = arg;
		break;
	case OPT_CORRUPT:
		env->corrupt = true;
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* What only shows when all options are known. */
static void check_options(const struct env *env)
{
	uint64_t unit = env->kind == KIND_4K ? PAGE_BYTES : HUGE_BYTES;
	uint64_t pages = env->size / PAGE_BYTES;
	size_t count;

	if (env->size % unit)
		die("--size: %" PRIu64
		    " is not accepted, a multiple of %" PRIu64
		    " is (--kind %s)",
		    env->size, unit, kind_name(env->kind));
	if (pages > MAX_PAGES)
		die("--size: at most %" PRIu64 " bytes are accepted",
		    (uint64_t)(MAX_PAGES * PAGE_BYTES));
	if (env->pattern.kind == PATTERN_SPARSE && env->pattern.step > pages)
		die("--pattern: '%s' is not accepted, sparse2 to sparse%" PRIu64
		    " are (--size %" PRIu64 ")",
		    env->pattern_name, pages, env->size);
	if (env->pattern.kind == PATTERN_REUSE && env->writer != WRITER_PARENT)
		die("--writer: pattern reuse accepts only parent");
	count = pattern_count(&env->pattern, pages, env->writes);
	if (env->threads > count)
		die("--threads: %u is not accepted, at most one a write is (%zu)",
		    env->threads, count);
}

/**
 * options_parse - parse and check the command line
 * @argc: from main()
 * @argv: from main()
 * @env: the result; does not return if there is anything wrong
 */
void options_parse(int argc, char **argv, struct env *env)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};

	*env = (struct env){
		.size = 64UL << 20,
		.pattern_name = "seq",
		.pattern = { .kind = PATTERN_SEQ, .step = 1 },
		.writes = 100000,
		.pace_ns = 5000,
		.threads = 1,
		.rounds = 1,
		.seed = 1,
		.csv_header = true,
		.debugfs = "/sys/kernel/debug/cowlab",
	};
	argp_parse(&argp, argc, argv, 0, NULL, env);
	check_options(env);
}
