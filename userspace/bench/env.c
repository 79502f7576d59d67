// SPDX-License-Identifier: GPL-2.0
/* The command line of cowbench. */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>

#include "common/options.h"
#include "common/util.h"

#define MAX_THREADS 256
#define MAX_PAGES (1ULL << 32)
#define MAX_WRITES (1ULL << 32)
#define MAX_PACE 1000000000ULL
#define AHEAD_BATCH 16
#define AHEAD_DISTANCE 1024

static const char doc[] =
	"Time every write to memory that a fork made copy-on-write.\n"
	"\n"
	"Fills a private region, forks, writes the region in a pattern, and then checks every byte that both processes see.\n"
	"\v"
	"EXAMPLES:\n"
	"    cowbench                            # 64 MiB, sequential, by the parent\n"
	"    cowbench -p rand -n 5               # random order, 5 rounds\n"
	"    cowbench -p sparse8 -w child -c     # every 8th page, by the child, as CSV\n"
	"    cowbench -p zipf -W 1000000         # a million writes, Zipf 0.99\n"
	"    cowbench -p paced -P 20000          # 20 us of work between writes\n"
	"    cowbench -k thp -t 4                # huge pages, 4 threads\n"
	"    cowbench -b populate_write          # break COW first, then write\n"
	"    cowbench -p paced --helper          # break COW ahead of the writer\n"
	"    cowbench --helper=32,1024           # 32 pages per call, 4 MiB ahead\n"
	"    cowbench --touch-all                # each page is written whole\n"
	"    cowbench -l timing,log              # with cowlab's timing and log on\n"
	"\n"
	"PATTERNS:\n"
	"    seq rev rand    every page once: ascending, descending, shuffled\n"
	"    sparseN         every Nth page, ascending; strideN is the same\n"
	"    zipf            --writes writes, Zipf 0.99 over shuffled pages\n"
	"    reuse           seq, after the other process has ended\n"
	"    paced           seq, with constant work between two writes\n"
	"\n"
	"COLUMNS:\n"
	"    avg_ns .. max_ns   latency of one write, as the writer sees it\n"
	"    elapsed_ns         all writes, and --prepare\n"
	"    faults             page faults of the writer during the writes\n"
	"    pages_touched      different 4 KiB pages written\n"
	"    pages_copied       4 KiB pages that only the writer maps afterwards;\n"
	"                       with reuse, pages in another frame (root only)\n"
	"    pages_wasted       copied, but not written\n"
	"    rss_growth_kb      growth of both processes' memory (Pss)\n"
	"    parent_peak_kb,    CSV only: the most that the process ever had mapped,\n"
	"    child_peak_kb      shared pages included (VmHWM)\n"
	"A cell that does not apply, or that the kernel does not tell, is empty.\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong, memory or a kernel feature was missing, or an option was invalid.\n";

static struct env env = {
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

static bool set_pattern(const char *arg)
{
	env.pattern_name = arg;
	return pattern_parse(arg, &env.pattern);
}

static bool set_ahead(const char *arg)
{
	const char *comma = arg ? strchr(arg, ',') : NULL;
	char batch[24];

	env.ahead_batch = AHEAD_BATCH;
	env.ahead_distance = AHEAD_DISTANCE;
	if (!comma)
		return !arg;
	snprintf(batch, sizeof(batch), "%.*s", (int)(comma - arg), arg);
	env.ahead_batch = number_arg("helper", batch, 1, MAX_PAGES);
	env.ahead_distance =
		number_arg("helper", comma + 1, env.ahead_batch, MAX_PAGES);
	return true;
}

static const char *const writers[] = { "parent", "child", "both", NULL };
static const char *const prepares[] = { "none", "populate_write", "manual_cow",
					NULL };
static const char *const answers[] = { "no", "yes", NULL };

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the region, with K, M or G (64M)",
	  OPT_SIZE(env.size, 1, UINT64_MAX, 1) },
	{ "pattern", 'p', "NAME", "seq rev rand sparseN strideN zipf reuse paced (seq)",
	  OPT_CALL(set_pattern, "one of " PATTERN_NAMES) },
	{ "writes", 'W', "N", "Writes of pattern zipf (100000)",
	  OPT_NUMBER(env.writes, 1, MAX_WRITES) },
	{ "pace", 'P', "NS",
	  "Work between writes of pattern paced, calibrated by the clock at the start (5000)",
	  OPT_NUMBER(env.pace_ns, 1, MAX_PACE) },
	{ "pace-iters", 0, "N",
	  "The same as a number of iterations: the same work on every machine",
	  OPT_NUMBER(env.pace_iters, 1, MAX_PACE) },
	{ "writer", 'w', "PROCESS", "parent, child or both (parent)",
	  OPT_CHOICE(env.writer, writers) },
	{ "threads", 't', "N", "Split the pattern over N threads (1)",
	  OPT_NUMBER(env.threads, 1, MAX_THREADS) },
	{ "touch-all", 0, NULL,
	  "Write each page whole after its first write; only the first is timed, elapsed_ns has all",
	  OPT_FLAG(env.touch_all) },
	{ "reader", 0, NULL,
	  "The other process reads the old pages after each 64 writes; elapsed_ns has that, too",
	  OPT_FLAG(env.reader) },
	{ OPT_COMMON_KIND(env.kind) },
	{ OPT_COMMON_LARGE_COPIES(env.large_copies) },
	{ "prepare", 'b', "CALL",
	  "Before the writes: none, populate_write or manual_cow (none)",
	  OPT_CHOICE(env.prepare, prepares) },
	{ "helper", 0, "BATCH,DISTANCE",
	  "The runner-ahead: a thread that runs manual_cow ahead of the writer, BATCH pages per call, at most DISTANCE pages ahead (16,1024; with --kind thp at least 512,1024); not with one CPU",
	  OPT_CALL(set_ahead, "BATCH,DISTANCE in pages"), .optional = true },
	{ OPT_COMMON_ROUNDS(env.rounds,
			    "Rounds, each with a new region and fork (1)") },
	{ OPT_COMMON_SEED(env.seed, "Decides everything random (1)") },
	{ OPT_COMMON_CSV(env.csv) },
	{ "csv-header", 'H', "yes|no", "Print the header of the CSV (yes)",
	  .group = 1, OPT_CHOICE(env.csv_header, answers) },
	{ OPT_COMMON_HIST(env.hist) },
	{ "samples", 'o', "FILE",
	  "Append every latency in ns, in the order of writing", .group = 1,
	  OPT_TEXT(env.samples) },
	{ "mapper", 0, "FILE",
	  "A thread maps and unmaps 64 KiB during the writes; append the time of both: count,avg,min,p50,p90,p99,p99.9,max in ns",
	  .group = 1, OPT_TEXT(env.mapper) },
	{ "listen", 'l', "LIST",
	  "Turn these cowlab switches on during the writes and --prepare, for the writer only",
	  .group = 2, OPT_TEXT(env.listen) },
	{ "debugfs", 'd', "DIR",
	  "Directory of the switches (/sys/kernel/debug/cowlab)", .group = 2,
	  OPT_TEXT(env.debugfs) },
	{ "corrupt", 0, NULL, "For tests: flip one bit before the check",
	  .hidden = true, OPT_FLAG(env.corrupt) },
	{ 0 },
};

/* Checks that need several options. */
static void check_options(void)
{
	uint64_t pages = env.size / PAGE_BYTES;
	size_t count;

	region_check_size(env.kind, env.size);
	if (pages > MAX_PAGES)
		die("--size: the most is %lu bytes",
		    (uint64_t)(MAX_PAGES * PAGE_BYTES));
	if (env.pattern.kind == PATTERN_SPARSE && env.pattern.step > pages)
		invalid("pattern", env.pattern_name,
			"sparse2 to sparse%lu with --size %lu", pages,
			env.size);
	if (env.pattern.kind == PATTERN_REUSE && env.writer != WRITER_PARENT)
		invalid("writer", writers[env.writer],
			"parent with pattern reuse");
	if (env.reader &&
	    (env.writer == WRITER_BOTH || env.threads > 1 || env.ahead_batch ||
	     env.pattern.kind == PATTERN_REUSE))
		die("--reader: needs one writer, another process that does not write, and no --helper");
	count = pattern_count(&env.pattern, pages, env.writes);
	if (env.threads > count)
		die("--threads: %u threads for %zu writes", env.threads, count);
}

/* Parse and check the command line, or exit */
void env_parse(int argc, char **argv, struct env *result)
{
	options_parse(argc, argv, doc, opts, NULL);
	check_options();
	*result = env;
}
