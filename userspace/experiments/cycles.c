// SPDX-License-Identifier: GPL-2.0
/*
 * cycles - snapshot after snapshot: what fork(), the writes and the child's
 * end cost when earlier snapshots have left their marks on the page tables
 *
 * Linked dynamically, so that cowwarm.so can be preloaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/region.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"
#include "experiments/prepare.h"

#define COLUMNS                                                        \
	"pattern=%-7s percent=%7lu cycle=%5lu size=%10lu writes=%8zu " \
	"pages=%8zu fork_ns=%12lu prepare_ns=%12lu " ROW_STATS " "     \
	"faults=%8ld end_ns=%12lu memory_kb=%9s huge_kb=%9s "          \
	"fork_ms_per_gb=%14.3f end_ms_per_gb=%13.3f"

#define MAX_CYCLES 1000

static const char doc[] =
	"Time one snapshot by fork() after the other.\n"
	"\n"
	"In each cycle a child is forked that lives on without writing, as a snapshot does; the parent writes one word to some pages of the region; then the child is killed. The child has checked every byte of its snapshot before, outside of what is timed, and the parent checks every byte at the end.\n"
	"\v"
	"EXAMPLES:\n"
	"    cycles                        # 8 snapshots of 128 MiB, all pages written\n"
	"    cycles -k thp -p rand -P 10   # huge pages; another random 10% each time\n"
	"    cycles -k thp -b collapse -c  # repaired by MADV_COLLAPSE; CSV\n"
	"    cycles -k thp -b manual_cow -B 32M  # of a quarter\n"
	"\n"
	"VALUES of --prepare:\n"
	"    populate_write, manual_cow   the call over the region after fork()\n"
	"    collapse        MADV_COLLAPSE over the region after the child's end\n"
	"    khugepaged      wait after the child's end until khugepaged has scanned\n"
	"                    all memory; its CPU time counts\n"
	"    threads         wait after the child's end until other threads rest; their\n"
	"                    CPU time counts (cowwarm.so)\n"
	"\n"
	"COLUMNS:\n"
	"    writes, pages   writes, and different pages that they wrote\n"
	"    fork_ns         duration of fork() in the parent\n"
	"    prepare_ns      --prepare; on one CPU without what was spent during the\n"
	"                    writes, which are slower for it\n"
	"    avg_ns..max_ns  latency of one write\n"
	"    faults          the parent's minor faults during the writes\n"
	"    end_ns          from the child's kill until it was reaped\n"
	"    memory_kb       Pss of both processes after the writes\n"
	"    huge_kb         of the region in huge pages when the next cycle begins\n"
	"    fork_ms_per_gb, end_ms_per_gb  fork_ns and end_ns per 2^30 bytes\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong or an option was invalid.\n";

/* A heap is not made of hugetlb pages. */
static const char *const kinds[] = { "4k", "thp", "mthp", NULL };
static const char *const patterns[] = { "seq", "rev", "rand", "zipf", NULL };
static const char *const answers[] = { "no", "yes", NULL };
static const char *const victims[] = { "none", "snapshot", "region", NULL };

enum victim { VICTIM_NONE, VICTIM_SNAPSHOT, VICTIM_REGION };

static struct {
	uint64_t size;
	uint64_t cycles;
	enum kind kind;
	unsigned int pattern;
	uint64_t percent;
	enum prepare prepare;
	uint64_t budget;
	bool large_copies;
	bool verify;
	uint64_t seed;
	bool csv;
	enum victim corrupt;
} env = {
	.size = 128UL << 20,
	.cycles = 8,
	.percent = 100,
	.verify = true,
	.seed = 1,
};

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the region, with K, M or G (128M)",
	  OPT_SIZE(env.size, HUGE_BYTES, UINT64_MAX, HUGE_BYTES) },
	{ "cycles", 'n', "N", "Snapshots, one after the other (8)",
	  OPT_NUMBER(env.cycles, 1, MAX_CYCLES) },
	{ "kind", 'k', "KIND", "Pages: 4k thp mthp (4k)",
	  OPT_CHOICE(env.kind, kinds) },
	{ "pattern", 'p', "NAME", "seq rev rand zipf (seq)",
	  OPT_CHOICE(env.pattern, patterns) },
	{ "percent", 'P', "N",
	  "Writes per cycle, in percent of the region's pages (100)",
	  OPT_NUMBER(env.percent, 1, 100) },
	{ "prepare", 'b', "WHAT",
	  "none populate_write manual_cow collapse khugepaged threads (none)",
	  OPT_CHOICE(env.prepare, prepare_names) },
	{ "budget", 'B', "SIZE",
	  "Part of the region that a call of --prepare takes, its beginning; collapse: another part each time (all)",
	  OPT_SIZE(env.budget, HUGE_BYTES, UINT64_MAX, HUGE_BYTES) },
	{ OPT_COMMON_LARGE_COPIES(env.large_copies) },
	{ "verify", 'V', "ANSWER",
	  "Check every byte of each snapshot and of the region: yes or no (yes)",
	  OPT_CHOICE(env.verify, answers) },
	{ OPT_COMMON_SEED(env.seed, "Decides everything random (1)") },
	{ OPT_COMMON_CSV(env.csv) },
	{ "corrupt", 0, "WHERE",
	  "For tests: flip a bit of a snapshot or of the region",
	  .hidden = true, OPT_CHOICE(env.corrupt, victims) },
	{ 0 },
};

/*
 * A run. The child compares its memory with @written as it was at the fork: that
 * is why @written changes after the child's end only.
 */
struct run {
	struct region region;
	uint64_t seed; /* of the region's words */
	uint32_t *written; /* cycle in which each page was last written, or 0 */
	unsigned char *touched; /* scratch: pages written in this cycle */
	uint32_t *order; /* pages to write; of zipf, for all cycles */
	uint64_t *samples; /* latency of each write of a cycle */
	size_t pages; /* pages in the region */
	size_t count; /* writes per cycle */
};

/* What a cycle measured beside the latencies */
struct measured {
	uint64_t fork_ns;
	uint64_t prepare_ns;
	uint64_t end_ns;
	long faults;
	uint64_t memory_kb;
	bool memory_known;
	uint64_t huge_kb;
	bool huge_known;
};

/* A child, and the pipes to it and from it */
struct snapshot {
	pid_t pid;
	int ask;
	int answer;
};

/* Another value in each cycle: a write of an earlier one never looks right. */
static uint64_t value_of(const struct run *run, uint64_t index, uint64_t cycle)
{
	return cycle ? word_value(run->seed + cycle, index, WHO_PARENT) :
		       word_value(run->seed, index, WHO_OLD);
}

/* Exit if a byte is not what the last writes left. Only reads the region. */
static void verify(const struct run *run, const char *where)
{
	const uint64_t *words = (const uint64_t *)run->region.base;
	uint64_t i, slot;
	size_t page;

	for (page = 0; page < run->pages; page++) {
		slot = word_index(run->seed, page);
		for (i = page * 512; i < (page + 1) * 512; i++) {
			uint64_t want = value_of(
				run, i, i == slot ? run->written[page] : 0);

			if (words[i] != want)
				die("wrong word in %s at offset 0x%lx: expected 0x%016lx, found 0x%016lx",
				    where, i * 8, want, words[i]);
		}
	}
}

static void flip(const struct run *run)
{
	uint64_t rng = ~env.seed;

	run->region.base[rng_below(&rng, env.size)] ^= 16;
}

/* The child: it waits, answers when it is asked, and waits to be killed. */
__attribute__((noreturn)) static void hold(const struct run *run, int ask,
					   int answer)
{
	char byte;

	while (read(ask, &byte, 1) == 1) {
		if (env.corrupt == VICTIM_SNAPSHOT)
			flip(run);
		verify(run, "a snapshot");
		if (write(answer, &byte, 1) != 1)
			break;
	}
	/* The parent has ended. */
	_exit(1);
}

static void snapshot_start(const struct run *run, struct snapshot *snapshot,
			   struct measured *m)
{
	int ask[2], answer[2];

	if (pipe2(ask, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	m->fork_ns = now_ns();
	snapshot->pid = fork();
	if (!snapshot->pid) {
		close(ask[1]);
		close(answer[0]);
		hold(run, ask[0], answer[1]);
	}
	m->fork_ns = now_ns() - m->fork_ns;
	if (snapshot->pid < 0)
		die("cannot fork: %s", strerror(errno));
	close(ask[0]);
	close(answer[1]);
	snapshot->ask = ask[1];
	snapshot->answer = answer[0];
}

/* Have the child check its memory, which must be as it was at the fork. */
static void snapshot_verify(const struct snapshot *snapshot)
{
	char byte = 'v';

	if (write(snapshot->ask, &byte, 1) != 1 ||
	    read(snapshot->answer, &byte, 1) != 1)
		die("the child's check failed");
}

static void snapshot_end(const struct snapshot *snapshot, struct measured *m)
{
	int status;

	m->end_ns = now_ns();
	kill(snapshot->pid, SIGKILL);
	while (waitpid(snapshot->pid, &status, 0) < 0) {
		if (errno != EINTR)
			die("cannot wait for a child: %s", strerror(errno));
	}
	m->end_ns = now_ns() - m->end_ns;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("a child failed (status %#x)", status);
	close(snapshot->ask);
	close(snapshot->answer);
}

/*
 * The pages of a cycle's writes. Of zipf the same pages are hot in all cycles, so
 * its writes are drawn once; rand writes other pages in each.
 */
static const uint32_t *order_of(const struct run *run, uint64_t cycle)
{
	const bool zipf = !strcmp(patterns[env.pattern], "zipf");
	struct pattern pattern;

	pattern_parse(patterns[env.pattern], &pattern);
	if (zipf && cycle > 1)
		return run->order + (cycle - 1) * run->count;
	if (!pattern_order(&pattern, run->pages,
			   zipf ? run->count * env.cycles : run->pages,
			   mix64(~env.seed) + cycle, run->order))
		die("no memory for the order of the writes");
	return run->order;
}

static void write_pages(const struct run *run, const uint32_t *order,
			uint64_t cycle, struct measured *m)
{
	volatile uint64_t *words = (uint64_t *)run->region.base;
	struct rusage before, after;
	size_t i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < run->count; i++) {
		const uint64_t index = word_index(run->seed, order[i]);
		const uint64_t value = value_of(run, index, cycle);
		const uint64_t start = now_ns();

		words[index] = value;
		run->samples[i] = now_ns() - start;
	}
	getrusage(RUSAGE_SELF, &after);
	m->faults = after.ru_minflt - before.ru_minflt;
}

static void print(const struct run *run, uint64_t cycle, size_t pages,
		  const struct measured *m)
{
	const double gb = (double)env.size / (1UL << 30);
	struct stats s;

	stats_compute(run->samples, run->count, &s);
	if (env.csv)
		row_csv(stdout, cycle == 1, COLUMNS, patterns[env.pattern],
			env.percent, cycle, env.size, run->count, pages,
			m->fork_ns, m->prepare_ns, ROW_STATS_OF(&s), m->faults,
			m->end_ns, cell_csv(m->memory_known, m->memory_kb).text,
			cell_csv(m->huge_known, m->huge_kb).text,
			m->fork_ns / 1e6 / gb, m->end_ns / 1e6 / gb);
	else
		row_table(cycle == 1, COLUMNS, patterns[env.pattern],
			  env.percent, cycle, env.size, run->count, pages,
			  m->fork_ns, m->prepare_ns, ROW_STATS_OF(&s),
			  m->faults, m->end_ns,
			  cell_table(m->memory_known, m->memory_kb).text,
			  cell_table(m->huge_known, m->huge_kb).text,
			  m->fork_ns / 1e6 / gb, m->end_ns / 1e6 / gb);
}

/* Then the writes waited for what others spent meanwhile: their latencies have it. */
static bool one_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

/*
 * The part of the region that a cycle's calls take. What manual_cow() has kept huge
 * stays so while it is copied each time; MADV_COLLAPSE goes on where it stopped.
 */
static struct region part_of(const struct run *run, uint64_t cycle)
{
	struct region part = run->region;

	if (!env.budget || env.budget >= env.size)
		return part;
	if (env.prepare == PREPARE_COLLAPSE)
		part.base += (cycle - 1) % (env.size / env.budget) * env.budget;
	part.size = env.budget;
	return part;
}

static void run_cycle(struct run *run, uint64_t cycle)
{
	const uint32_t *order = order_of(run, cycle);
	const struct region part = part_of(run, cycle);
	struct measured m = { 0 };
	struct snapshot snapshot;
	uint64_t spent, others, paid = 0;
	size_t pages, i;

	spent = prepare_spent(env.prepare);
	snapshot_start(run, &snapshot, &m);
	/* The parent's other pages are copied now, not during the writes. */
	warm_process(&run->region);
	m.prepare_ns = prepare_after_fork(env.prepare, &part);
	if (one_cpu())
		paid = prepare_spent(env.prepare);
	write_pages(run, order, cycle, &m);
	if (one_cpu())
		paid = prepare_spent(env.prepare) - paid;
	m.memory_known = memory_with_child(snapshot.pid, &m.memory_kb);
	if (env.verify)
		snapshot_verify(&snapshot);
	snapshot_end(&snapshot, &m);
	m.prepare_ns += prepare_after_end(env.prepare, &part);
	/* Two clocks are read for it, not at once. */
	others = prepare_spent(env.prepare) - spent - paid;
	if ((int64_t)others > 0)
		m.prepare_ns += others;
	m.huge_known = region_smaps(&run->region, "AnonHugePages:", &m.huge_kb);

	for (i = 0; i < run->count; i++)
		run->written[order[i]] = cycle;
	memset(run->touched, 0, run->pages);
	pages = pattern_distinct(order, run->count, run->touched);
	print(run, cycle, pages, &m);
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	size_t orders;
	uint64_t cycle;

	options_parse(argc, argv, doc, opts, NULL);
	/* A child that was killed by others is reported, see snapshot_verify(). */
	signal(SIGPIPE, SIG_IGN);
	region_require(env.kind, env.size, 2);
	run.seed = mix64(env.seed);
	run.pages = env.size / PAGE_BYTES;
	run.count = run.pages * env.percent / 100;
	/* Shared: the parent writes these between fork() and the child's end. */
	orders = run.count * env.cycles;
	if (orders < run.pages)
		orders = run.pages;
	run.order = shared_alloc(orders * sizeof(*run.order), "--cycles");
	run.samples = shared_alloc(run.count * sizeof(*run.samples), "--size");
	run.written = calloc(run.pages, sizeof(*run.written));
	run.touched = calloc(run.pages, 1);
	if (!run.written || !run.touched)
		die("--size: no memory for bookkeeping");
	region_make(&run.region, env.kind, env.size, run.seed,
		    env.large_copies);
	for (cycle = 1; cycle <= env.cycles; cycle++)
		run_cycle(&run, cycle);
	if (env.corrupt == VICTIM_REGION)
		flip(&run);
	if (env.verify)
		verify(&run, "the region");
	region_unmap(&run.region);
	return 0;
}
