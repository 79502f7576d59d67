// SPDX-License-Identifier: GPL-2.0
/* clonecow - what the writes of clones of one memory file cost */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/region.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"
#include "experiments/backing.h"
#include "experiments/trace.h"

#define COLUMNS \
	"layout=%-9s percent=%7u clones=%6lu pages=%8lu " ROW_STATS \
	" faults=%8lu pages_copied=%8s"

static const char doc[] =
	"Time the writes of clones: processes that map one file privately, as virtual machines do that start from one snapshot.\n"
	"\n"
	"Each clone writes one word to each page of its share of the file: a contiguous part, pages all over it, or the pages that a real guest's kernel and programs write when they resume, as a trace has recorded them. One clone writes after the other; all live until the last has written. Then every byte of each clone's memory and of the file is checked.\n"
	"\v"
	"EXAMPLES:\n"
	"    clonecow                      # 4 clones of 256 MiB\n"
	"    clonecow -n 16 -l resume -c   # 16 clones, the trace alone, as CSV\n"
	"    clonecow -s 64M -l dense      # 4 clones of 64 MiB, a contiguous part\n"
	"\n"
	"COLUMNS:\n"
	"    layout          dense: a contiguous part; scattered: random pages;\n"
	"                    resume: the trace's, in its order\n"
	"    percent         of the file that each clone writes\n"
	"    pages           that all clones wrote\n"
	"    avg_ns..max_ns  latency of one write\n"
	"    faults          minor faults during the writes\n"
	"    pages_copied    pages that are the clones' own afterwards; empty if\n"
	"                    the kernel does not tell\n"
	"\n"
	"TRACE:\n"
	"    Words: a page, or the first and last of a run of pages, as in 17 4-9, in\n"
	"    the order of the first writes. # begins a comment. The trace that is built\n"
	"    in is of a guest of 256 MiB; its source tells how it was made.\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong, or an option or the trace was invalid.\n";

enum layout {
	DENSE,
	SCATTERED,
	RESUME,
	ALL,
};

static const char *const layouts[] = { "dense", "scattered", "resume", "all",
				       NULL };
static const unsigned int percents[] = { 1, 5, 30 };

/* What the clones leave for their parent. */
struct shared {
	uint64_t faults;
	uint64_t copied;
	bool unknown; /* @copied is not known */
	uint64_t samples[];
};

static struct {
	uint64_t size;
	uint64_t clones;
	uint64_t seed;
	enum layout layout;
	const char *trace;
	const char *dir;
	bool large_copies;
	bool csv;
} env = {
	.size = 256UL << 20,
	.clones = 4,
	.seed = 1,
	.layout = ALL,
	.dir = "/tmp",
};

/* The pages of the trace. */
static uint32_t *traced;

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the file, with K, M or G (256M)",
	  OPT_SIZE(env.size, 1UL << 20, UINT64_MAX, 1UL << 20) },
	{ "clones", 'n', "N", "Clones (4)", OPT_NUMBER(env.clones, 1, 1000) },
	{ "layout", 'l', "LAYOUT",
	  "Measure one: dense scattered resume, or all (all)",
	  OPT_CHOICE(env.layout, layouts) },
	{ "trace", 't', "FILE", "What resume replays (a trace is built in)",
	  OPT_TEXT(env.trace) },
	{ "dir", 'd', "DIR", "Folder for the file, which has no name (/tmp)",
	  OPT_TEXT(env.dir) },
	{ OPT_COMMON_LARGE_COPIES(env.large_copies) },
	{ OPT_COMMON_SEED(env.seed, "Decides everything random (1)") },
	{ OPT_COMMON_CSV(env.csv) },
	{ 0 },
};

/* The pages that a clone writes, @count of them. */
static void choose(uint32_t *order, size_t count, enum layout layout,
		   uint64_t clone)
{
	static const struct pattern rand = { .kind = PATTERN_RAND, .step = 1 };
	const size_t pages = env.size / PAGE_BYTES;
	uint64_t state = mix64(env.seed) + clone;
	size_t first, i;

	if (layout == RESUME) {
		memcpy(order, traced, count * sizeof(*order));
		return;
	}
	if (layout == SCATTERED) {
		if (!pattern_order(&rand, pages, pages, state, order))
			die("no memory for the order of the writes");
		return;
	}
	first = rng_below(&state, pages - count + 1);
	for (i = 0; i < count; i++)
		order[i] = first + i;
}

/* A clone: map, write, check. */
static void run_clone(int fd, uint64_t clone, size_t count, enum layout layout,
		      struct shared *shared)
{
	const size_t pages = env.size / PAGE_BYTES;
	uint32_t *order = calloc(pages, sizeof(*order));
	unsigned char *touched = calloc(pages, 1);
	uint64_t *samples = shared->samples + clone * count;
	const uint64_t seed = mix64(env.seed);
	volatile uint64_t *words;
	struct rusage before, after;
	struct verdict verdict;
	struct region region;
	uint64_t copied;
	size_t i;

	if (!touched || !order)
		die("no memory for the order of the writes");
	choose(order, count, layout, clone);
	for (i = 0; i < count; i++)
		touched[order[i]] = 1;
	/* Faults on these would be counted as the clone's. */
	memset(samples, 1, count * sizeof(*samples));
	backing_map(&region, fd, env.size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		    env.large_copies);
	words = (uint64_t *)region.base;
	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < count; i++) {
		uint64_t index = word_index(seed, order[i]);
		uint64_t start = now_ns();

		words[index] = word_value(seed, index, WHO_CHILD);
		samples[i] = now_ns() - start;
	}
	getrusage(RUSAGE_SELF, &after);
	shared->faults += after.ru_minflt - before.ru_minflt;
	if (!backing_copied(&region, &copied))
		shared->unknown = true;
	shared->copied += copied;
	region_check(&region, seed, WHO_CHILD, touched, &verdict);
	verdict_require(&verdict, "a clone's memory");
}

/* One clone after the other; all live until the last has written. */
static void run_clones(int fd, size_t count, enum layout layout,
		       struct shared *shared)
{
	int end[2], done[2];
	uint64_t clone;
	char byte;

	if (pipe2(end, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	for (clone = 0; clone < env.clones; clone++) {
		if (pipe2(done, O_CLOEXEC))
			die("cannot make a pipe: %s", strerror(errno));
		if (!fork_tied()) {
			close(end[1]);
			run_clone(fd, clone, count, layout, shared);
			/* Until the parent closes its side. */
			_exit(write(done[1], "", 1) != 1 ||
			      read(end[0], &byte, 1) != 0);
		}
		close(done[1]);
		if (read(done[0], &byte, 1) != 1)
			die("a clone failed");
		close(done[0]);
	}
	close(end[1]);
	close(end[0]);
	for (clone = 0; clone < env.clones; clone++)
		wait_child(-1);
}

/* Each clone writes @count pages. */
static void measure(int fd, enum layout layout, size_t count,
		    unsigned int percent)
{
	const size_t all = count * env.clones;
	static bool heading = true;
	struct shared *shared;
	struct stats s;

	shared = shared_alloc(sizeof(*shared) + all * sizeof(uint64_t),
			      "--clones");
	run_clones(fd, count, layout, shared);
	stats_compute(shared->samples, all, &s);
	if (env.csv)
		row_csv(stdout, heading, COLUMNS, layouts[layout], percent,
			env.clones, all, ROW_STATS_OF(&s), shared->faults,
			cell_csv(!shared->unknown, shared->copied).text);
	else
		row_table(heading, COLUMNS, layouts[layout], percent,
			  env.clones, all, ROW_STATS_OF(&s), shared->faults,
			  cell_table(!shared->unknown, shared->copied).text);
	heading = false;
	munmap(shared, sizeof(*shared) + all * sizeof(uint64_t));
}

static void measure_layout(int fd, enum layout layout, size_t traced_count)
{
	const size_t pages = env.size / PAGE_BYTES;
	size_t i;

	if (layout == RESUME) {
		measure(fd, layout, traced_count,
			(traced_count * 100 + pages / 2) / pages);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(percents); i++)
		measure(fd, layout, pages * percents[i] / 100, percents[i]);
}

int main(int argc, char **argv)
{
	size_t count = 0;
	enum layout i;
	int fd;

	options_parse(argc, argv, doc, opts, NULL);
	if (env.trace && env.layout != RESUME && env.layout != ALL)
		die("--trace: only for --layout resume or all");
	if (env.layout == RESUME || env.layout == ALL) {
		traced = calloc(env.size / PAGE_BYTES, sizeof(*traced));
		if (!traced)
			die("no memory for the trace");
		count = trace_load(env.trace, env.size / PAGE_BYTES, traced);
	}
	/* The file, and what the clones write of it, or a window beside. */
	memory_require(env.size + env.size / 2 * env.clones, "--size");
	fd = backing_make(env.dir, env.size, mix64(env.seed));
	for (i = DENSE; i < ALL; i++)
		if (env.layout == ALL || env.layout == i)
			measure_layout(fd, i, count);
	backing_check(fd, env.size, mix64(env.seed));
	close(fd);
	free(traced);
	return 0;
}
