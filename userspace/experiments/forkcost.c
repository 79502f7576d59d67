// SPDX-License-Identifier: GPL-2.0
/* forkcost - what a snapshot by fork() costs: the fork, and the faults after */
#include <stdio.h>
#include <sys/resource.h>

#include "common/options.h"
#include "common/process.h"
#include "common/region.h"
#include "common/row.h"
#include "common/util.h"

#define COLUMNS \
	"size=%10lu round=%5lu state=%-6s fork_ns=%12lu write_ns=%12lu end_ns=%12lu faults=%8ld"

static const char doc[] =
	"Time fork(), and the writes after it, by size of the process.\n"
	"\n"
	"Each round fills a region and forks twice: first with the pages as they were filled, then with the pages as the faults after the first fork left them, in large folios where they were copied so. Each time the child waits while the parent writes one word to every page.\n"
	"\v"
	"EXAMPLES:\n"
	"    forkcost                      # 64 MiB, 5 rounds\n"
	"    forkcost -s 1G -n 1 -c        # one round of 1 GiB, as CSV\n"
	"    forkcost -k thp               # huge pages\n"
	"\n"
	"COLUMNS:\n"
	"    state       filled for a round's first fork, copied for its second\n"
	"    fork_ns     duration of fork() in the parent\n"
	"    write_ns    one word to each page\n"
	"    end_ns      from the child's release until it was reaped\n"
	"    faults      the parent's minor faults during the writes\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong or an option was invalid.\n";

static struct {
	uint64_t size;
	uint64_t rounds;
	enum kind kind;
	bool large_copies;
	bool csv;
} env = { .size = 64UL << 20, .rounds = 5 };

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the region, with K, M or G (64M)",
	  OPT_SIZE(env.size, HUGE_BYTES, UINT64_MAX, HUGE_BYTES) },
	{ OPT_COMMON_ROUNDS(env.rounds, "Rounds, each with a new region (5)") },
	{ OPT_COMMON_KIND(env.kind) },
	{ OPT_COMMON_LARGE_COPIES(env.large_copies) },
	{ OPT_COMMON_CSV(env.csv) },
	{ 0 },
};

/* Fork, write, end the child, print the row. */
static void snapshot(const struct region *region, uint64_t round,
		     const char *state, enum who who)
{
	const size_t pages = env.size / PAGE_BYTES;
	const uint64_t seed = mix64(round);
	struct rusage before, after;
	uint64_t start, written, ended;
	const bool first = round == 1 && who == WHO_PARENT;
	struct holder holder;
	long faults;

	holder_start(&holder);
	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	region_write(region, seed, who, 0, pages);
	written = now_ns();
	getrusage(RUSAGE_SELF, &after);
	faults = after.ru_minflt - before.ru_minflt;
	ended = now_ns();
	holder_end(&holder);
	ended = now_ns() - ended;
	if (env.csv)
		row_csv(stdout, first, COLUMNS, env.size, round, state,
			holder.fork_ns, written - start, ended, faults);
	else
		row_table(first, COLUMNS, env.size, round, state,
			  holder.fork_ns, written - start, ended, faults);
	region_verify(region, seed, who, 0, pages, "the region");
}

int main(int argc, char **argv)
{
	uint64_t round;

	options_parse(argc, argv, doc, opts, NULL);
	for (round = 1; round <= env.rounds; round++) {
		struct region region;

		region_require(env.kind, env.size, 2);
		region_make(&region, env.kind, env.size, mix64(round),
			    env.large_copies);
		snapshot(&region, round, "filled", WHO_PARENT);
		snapshot(&region, round, "copied", WHO_CHILD);
		region_unmap(&region);
	}
	return 0;
}
