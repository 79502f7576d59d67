// SPDX-License-Identifier: GPL-2.0
/* filecow - what the first writes to a private mapping of a file cost */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "common/options.h"
#include "common/region.h"
#include "common/row.h"
#include "common/util.h"
#include "experiments/backing.h"

#define COLUMNS \
	"source=%-6s pattern=%-8s round=%5lu size=%10lu pages=%8zu elapsed_ns=%12lu faults=%8ld pages_copied=%8s"

static const char doc[] =
	"Time the first writes to a private mapping of a file in the page cache.\n"
	"\n"
	"Each pattern writes one word to each of its pages, with plain stores, once where nothing was mapped before and once where each page was read before. Then every byte of the mapping and of the file is checked.\n"
	"\v"
	"EXAMPLES:\n"
	"    filecow                       # 64 MiB on /tmp, 5 rounds\n"
	"    filecow -d /var/tmp -n 1 -c   # one round on another file system, as CSV\n"
	"    filecow -b manual_cow         # one call before the writes\n"
	"\n"
	"COLUMNS:\n"
	"    source          fresh: nothing was mapped; mapped: read before\n"
	"    pages           that were written\n"
	"    elapsed_ns      all writes, and --prepare\n"
	"    faults          minor faults meanwhile\n"
	"    pages_copied    pages of the mapping that are the process' own\n"
	"                    afterwards; empty if the kernel does not tell\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong or an option was invalid.\n";

enum prepare { PREPARE_NONE, PREPARE_POPULATE_WRITE, PREPARE_MANUAL_COW };

static const char *const prepares[] = { "none", "populate_write", "manual_cow",
					NULL };
static const char *const patterns[] = { "seq", "rand", "sparse8", "sparse64" };
static const char *const sources[] = { "fresh", "mapped" };

static struct {
	uint64_t size;
	uint64_t rounds;
	const char *dir;
	enum prepare prepare;
	bool large_copies;
	bool csv;
} env = { .size = 64UL << 20, .rounds = 5, .dir = "/tmp" };

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the file, with K, M or G (64M)",
	  OPT_SIZE(env.size, 64 * PAGE_BYTES, UINT64_MAX, 64 * PAGE_BYTES) },
	{ OPT_COMMON_ROUNDS(env.rounds, "Rounds, each with a new file (5)") },
	{ "dir", 'd', "DIR", "Folder for the file, which has no name (/tmp)",
	  OPT_TEXT(env.dir) },
	{ "prepare", 'b', "CALL",
	  "Before the writes: none, populate_write or manual_cow (none)",
	  OPT_CHOICE(env.prepare, prepares) },
	{ "large-copies", 'L', NULL,
	  "Advise huge pages, so that a COW may copy into large folios",
	  OPT_FLAG(env.large_copies) },
	{ OPT_COMMON_CSV(env.csv) },
	{ 0 },
};

static void prepare(const struct region *region)
{
	long error = 0;

	if (env.prepare == PREPARE_MANUAL_COW)
		error = manual_cow(region->base, region->size, 0);
	else if (env.prepare == PREPARE_POPULATE_WRITE)
		error = madvise(region->base, region->size,
				MADV_POPULATE_WRITE);
	if (error)
		die("--prepare %s: %s", prepares[env.prepare], strerror(errno));
}

/* Map the file, write in the pattern, print the row, check. */
static void measure(int fd, uint64_t seed, uint64_t round, size_t source,
		    const char *name)
{
	const size_t pages = env.size / PAGE_BYTES;
	unsigned char *touched = calloc(pages, 1);
	static bool heading = true;
	struct rusage before, after;
	struct pattern pattern;
	struct verdict verdict;
	struct region region;
	volatile uint64_t *words;
	uint32_t *order;
	uint64_t elapsed, copied;
	size_t count, i;
	long faults;
	bool known;

	pattern_parse(name, &pattern);
	count = pattern_count(&pattern, pages, 0);
	order = malloc(count * sizeof(*order));
	if (!touched || !order ||
	    !pattern_order(&pattern, pages, count, seed, order))
		die("no memory for the order of the writes");
	pattern_distinct(order, count, touched);

	backing_map(&region, fd, env.size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    env.large_copies);
	words = (uint64_t *)region.base;
	if (source && madvise(region.base, env.size, MADV_POPULATE_READ))
		die("cannot read the mapping: %s", strerror(errno));
	getrusage(RUSAGE_SELF, &before);
	elapsed = now_ns();
	prepare(&region);
	for (i = 0; i < count; i++) {
		uint64_t index = word_index(seed, order[i]);

		words[index] = word_value(seed, index, WHO_PARENT);
	}
	elapsed = now_ns() - elapsed;
	getrusage(RUSAGE_SELF, &after);
	faults = after.ru_minflt - before.ru_minflt;
	known = backing_copied(&region, &copied);
	if (env.csv)
		row_csv(stdout, heading, COLUMNS, sources[source], name, round,
			env.size, count, elapsed, faults,
			cell_csv(known, copied).text);
	else
		row_table(heading, COLUMNS, sources[source], name, round,
			  env.size, count, elapsed, faults,
			  cell_table(known, copied).text);
	heading = false;
	region_check(&region, seed, WHO_PARENT, touched, &verdict);
	verdict_require(&verdict, "the mapping");
	region_unmap(&region);
	free(order);
	free(touched);
}

int main(int argc, char **argv)
{
	uint64_t round;

	options_parse(argc, argv, doc, opts, NULL);
	memory_require(2 * env.size, "--size");
	for (round = 1; round <= env.rounds; round++) {
		const uint64_t seed = mix64(round);
		int fd = backing_make(env.dir, env.size, seed);
		size_t source, i;

		for (source = 0; source < ARRAY_SIZE(sources); source++)
			for (i = 0; i < ARRAY_SIZE(patterns); i++)
				measure(fd, seed, round, source, patterns[i]);
		backing_check(fd, env.size, seed);
		close(fd);
	}
	return 0;
}
