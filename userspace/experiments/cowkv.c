// SPDX-License-Identifier: GPL-2.0
/*
 * cowkv - a key-value store that saves itself while it is written
 *
 * The store is a hash table in one region. One thread writes it, op after op,
 * and takes a snapshot in between; another thread saves that to a file. With
 * --snapshot fork the region is plain memory, the snapshot is a child, and the
 * child saves, as in Redis. Every op is timed, the one that takes the snapshot
 * too: a client would have waited that long.
 *
 * The store's contents after N ops follow from the seed. So a reader can check a
 * file, record by record, against the state in which the snapshot was taken, and
 * finds a record from a later state, or a torn one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/region.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"
#include "experiments/store.h"
#include "libcowsnap/cowsnap.h"

#define MIN_SIZE (64UL << 10)

static const char doc[] =
	"A key-value store that saves itself while it is written.\n"
	"\n"
	"Fills a store, writes random keys, takes a snapshot in between and saves it to FILE while the writes continue; then reads FILE and checks every record against the state at the time of the snapshot. Each write is timed, including the one that takes the snapshot.\n"
	"\v"
	"EXAMPLES:\n"
	"    cowkv                                # 64 MiB, libcowsnap, save to ./cowkv.save\n"
	"    cowkv -s 256M -m fork                # the same by fork()\n"
	"    cowkv -s 256M -m none                # latencies without any snapshot\n"
	"    cowkv -b 32M -e                      # the prefetcher breaks up to 32 MiB of pages\n"
	"    cowkv -p seq -b 64M                  # ascending keys: the prefetcher runs ahead\n"
	"    cowkv -n 3 -c                        # three snapshots, as CSV\n"
	"    cowkv --verify cowkv.save            # only read a file\n"
	"\n"
	"COLUMNS:\n"
	"    avg_ns .. max_ns   latency of one write, from the snapshot until its end;\n"
	"                       max_ns is exact, percentiles are exact to 3%\n"
	"    elapsed_ns         of all these writes, without --idle\n"
	"    faults             page faults of the process during the writes\n"
	"    pages_touched      different pages written during the snapshot\n"
	"    pages_copied       pages that were copied (libcowsnap)\n"
	"    pages_wasted       copied, but not written\n"
	"    rss_growth_kb      growth of the memory (Pss) of all processes until\n"
	"                       the store was saved\n"
	"    begin_ns end_ns    taking the snapshot, and ending it\n"
	"    helper_pages       pages that the prefetcher copied\n"
	"\n"
	"Exit status: 0; 1 if a record was wrong, something was missing, or an option was invalid.\n";

enum how { HOW_COWSNAP, HOW_FORK, HOW_NONE };

static const char *const hows[] = { "cowsnap", "fork", "none", NULL };
static const char *const patterns[] = { "rand", "seq", NULL };

static struct args {
	uint64_t size;
	enum how how;
	bool seq;
	uint64_t writes;
	uint64_t pace_ns;
	uint64_t idle_ns;
	struct cowsnap_budget budget;
	bool everything;
	uint64_t rounds;
	uint64_t seed;
	const char *output;
	bool csv;
	const char *hist;
	const char *verify;
	bool corrupt;
} args = {
	.size = 64UL << 20,
	.writes = 100000,
	.rounds = 1,
	.seed = 1,
	.output = "cowkv.save",
};

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the store, with K, M or G (64M)",
	  OPT_SIZE(args.size, MIN_SIZE, 1UL << 40, PAGE_BYTES) },
	{ "snapshot", 'm', "HOW",
	  "cowsnap, fork, or none: a copy made beforehand is saved, so that the latencies show no snapshot (cowsnap)",
	  OPT_CHOICE(args.how, hows) },
	{ "pattern", 'p', "NAME", "Order of the keys: rand or seq (rand)",
	  OPT_CHOICE(args.seq, patterns) },
	{ "writes", 'W', "N",
	  "Least number of writes after the snapshot; they continue until it ends (100000)",
	  OPT_NUMBER(args.writes, 1, 1ULL << 40) },
	{ "pace", 'P', "NS", "Work between two writes (0)",
	  OPT_NUMBER(args.pace_ns, 0, 1000000000) },
	{ "idle", 'i', "NS",
	  "Sleep between two writes, as a server between requests (0)",
	  OPT_NUMBER(args.idle_ns, 0, 999999999) },
	{ "budget", 'b', "SIZE",
	  "Memory that the prefetcher may spend (0: no prefetcher)",
	  OPT_SIZE(args.budget.bytes, 0, UINT64_MAX, 1) },
	{ "rate", 0, "SIZE", "The same per second (0: no limit)",
	  OPT_SIZE(args.budget.bytes_per_second, 0, UINT64_MAX, 1) },
	{ "everything", 'e', NULL, "Let the prefetcher break every page",
	  OPT_FLAG(args.everything) },
	{ OPT_COMMON_ROUNDS(args.rounds, "Snapshots (1)") },
	{ OPT_COMMON_SEED(args.seed, "Decides everything random (1)") },
	{ "output", 'o', "FILE", "Where to save (cowkv.save)",
	  OPT_TEXT(args.output) },
	{ OPT_COMMON_CSV(args.csv) },
	{ OPT_COMMON_HIST(args.hist) },
	{ "verify", 0, "FILE", "Only check this file", .group = 2,
	  OPT_TEXT(args.verify) },
	{ "corrupt", 0, NULL, "For tests: write to the view before it is saved",
	  .hidden = true, OPT_FLAG(args.corrupt) },
	{ 0 },
};

/* A snapshot and the writes beside it */
struct run {
	struct store *store; /* the store */
	struct cowsnap *cs; /* its region with libcowsnap */
	/* the store that is saved: libcowsnap's view, or a copy */
	const struct store *view;
	pid_t child; /* the child that holds the snapshot of fork() */
	int saved; /* readable when the child has saved */
	int release; /* closing it ends the child */
	atomic_bool over; /* the snapshot has ended */
	uint64_t before; /* memory before the snapshot, in KiB */
	uint64_t after; /* memory when the store was saved */
	uint64_t end_ns; /* duration of ending the snapshot */
};

static void child_main(struct run *run, int saved, int release)
{
	char byte = 0;

	if (args.corrupt)
		store_put(run->store, 1, run->store->ops + 1);
	store_save(run->store, args.output);
	if (write(saved, &byte, 1) != 1 || read(release, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

static void begin(struct run *run)
{
	int saved[2], release[2];

	if (args.how == HOW_NONE)
		return;
	if (args.how == HOW_COWSNAP) {
		run->view = cowsnap_begin(run->cs);
		if (!run->view)
			die("cowsnap_begin: %s", strerror(errno));
		return;
	}
	if (pipe2(saved, O_CLOEXEC) || pipe2(release, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	run->child = fork_tied();
	if (!run->child) {
		close(release[1]);
		child_main(run, saved[1], release[0]);
	}
	close(saved[1]);
	close(release[0]);
	run->saved = saved[0];
	run->release = release[1];
}

static uint64_t memory(pid_t child)
{
	uint64_t kb;

	if (!memory_with_child(child, &kb))
		die("cannot read smaps_rollup: %s", strerror(errno));
	return kb;
}

/* The saving thread: saves, or waits for the child that saves; then ends the snapshot. */
static void *saver_main(void *arg)
{
	struct run *run = arg;
	char byte;

	if (args.how != HOW_FORK) {
		uint64_t start;

		if (args.corrupt)
			store_put((struct store *)run->view, 1,
				  run->view->ops + 1);
		store_save(run->view, args.output);
		run->after = memory(0);
		start = now_ns();
		if (run->cs && cowsnap_end(run->cs))
			die("cowsnap_end: %s", strerror(errno));
		run->end_ns = now_ns() - start;
	} else {
		if (read(run->saved, &byte, 1) != 1)
			die("the child ended before it had saved");
		run->after = memory(run->child);
		close(run->release);
		close(run->saved);
		wait_child(run->child);
	}
	run->over = true;
	return NULL;
}

struct round {
	struct latencies latencies;
	uint64_t elapsed;
	uint64_t begin_ns;
	uint64_t touched;
	uint64_t ops;
	long faults;
};

static void report(const struct run *run, const struct round *round,
		   uint64_t number)
{
	const struct latencies *l = &round->latencies;
	FILE *hist = append_open("--hist", args.hist);
	const bool cowsnap = args.how == HOW_COWSNAP;
	struct cowsnap_stats counts = { 0 };
	uint64_t grown = 0, wasted = 0;
	struct stats s;

	if (hist && (hist_print(hist, l->buckets) | fclose(hist)))
		die("--hist: cannot write %s", args.hist);
	if (run->after > run->before)
		grown = run->after - run->before;
	if (cowsnap) {
		cowsnap_stats(run->cs, &counts);
		if (counts.pages > round->touched)
			wasted = counts.pages - round->touched;
	}
	latencies_stats(l, &s);
	if (!args.csv) {
		row_table(
			number == 1,
			"snapshot=%-8s count=%10lu " ROW_STATS
			" faults=%7ld touched=%7lu copied=%7lu rss_kb=%7lu begin_ns=%9lu end_ns=%10lu helper=%7lu verified=%s",
			hows[args.how], s.count, ROW_STATS_OF(&s),
			round->faults, round->touched, counts.pages, grown,
			round->begin_ns, run->end_ns, counts.prefetched_pages,
			"yes");
		return;
	}
	row_csv(stdout, number == 1,
		"pattern=%s kind=%s writer=%s threads=%d round=%lu size=%lu count=%lu " ROW_STATS
		" elapsed_ns=%lu faults=%ld pages_touched=%lu pages_copied=%s pages_wasted=%s rss_growth_kb=%lu verified=%s begin_ns=%lu end_ns=%lu helper_pages=%lu",
		patterns[args.seq], "4k", "parent", 1, number, args.size,
		s.count, ROW_STATS_OF(&s), round->elapsed, round->faults,
		round->touched, cell_csv(cowsnap, counts.pages).text,
		cell_csv(cowsnap, wasted).text, grown, "yes", round->begin_ns,
		run->end_ns, counts.prefetched_pages);
}

/* The op that takes the snapshot, and those that follow until its end. */
static void write_on(struct run *run, struct round *round,
		     unsigned char *touched, uint64_t pace_iters)
{
	const struct timespec idle = { .tv_nsec = args.idle_ns };
	struct store *store = run->store;
	struct rusage before, after;
	uint64_t start, t0, t1, n;
	pthread_t saver = 0;
	int error;

	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	for (n = 0; !run->over || n < args.writes; n++) {
		const uint64_t op = store->ops + 1;
		const uint64_t key = store_key(store, op);
		const struct slot *slot;

		if (pace_iters)
			work(pace_iters);
		if (idle.tv_nsec)
			nanosleep(&idle, NULL);
		t0 = now_ns();
		if (!n)
			begin(run);
		slot = store_put(store, key, op);
		store->ops = op;
		t1 = now_ns();
		latencies_add(&round->latencies, t1 - t0);
		if (!n) {
			round->begin_ns = t1 - t0;
			error = pthread_create(&saver, NULL, saver_main, run);
			if (error)
				die("cannot start a thread: %s",
				    strerror(error));
		}
		if (!run->over)
			touched[((char *)slot - (char *)store) / PAGE_BYTES] =
				1;
	}
	/* The sleep between writes costs nothing. */
	round->elapsed = idle.tv_nsec ? round->latencies.sum : now_ns() - start;
	getrusage(RUSAGE_SELF, &after);
	pthread_join(saver, NULL);
	round->faults = after.ru_minflt - before.ru_minflt;
	touched[0] = 1;
}

static void run_round(struct cowsnap *cs, struct store *store, uint64_t number,
		      uint64_t pace_iters)
{
	const size_t pages = args.size / PAGE_BYTES;
	struct round *round = shared_alloc(sizeof(*round), "--size");
	unsigned char *touched = shared_alloc(pages, "--size");
	struct run run = { .store = store, .cs = cs };
	struct region copy = { 0 };
	uint64_t n;
	size_t i;

	/* Age the store, so that the result does not depend on how it was filled. */
	for (n = 0; n < args.writes / 8; n++) {
		store->ops++;
		store_put(store, store_key(store, store->ops), store->ops);
	}
	round->ops = store->ops;
	if (args.how == HOW_NONE) {
		region_map(&copy, KIND_4K, args.size);
		memcpy(copy.base, store, args.size);
		run.view = (struct store *)copy.base;
	}
	run.before = memory(0);
	write_on(&run, round, touched, pace_iters);
	for (i = 0; i < pages; i++)
		round->touched += touched[i];
	store_verify(args.output, round->ops);
	report(&run, round, number);
	if (args.how == HOW_NONE)
		region_unmap(&copy);
	munmap(touched, pages);
	munmap(round, sizeof(*round));
}

int main(int argc, char **argv)
{
	struct cowsnap *cs = NULL;
	uint64_t round, pace;
	struct region region;
	struct store *store;

	options_parse(argc, argv, doc, opts, NULL);
	if (args.everything)
		args.budget.flags = COWSNAP_EVERYTHING;
	if (args.verify) {
		store_verify(args.verify, UINT64_MAX);
		return 0;
	}
	memory_require(args.size * 2, "--size");
	if (args.how != HOW_COWSNAP) {
		region_map(&region, KIND_4K, args.size);
		store = (struct store *)region.base;
	} else {
		cs = cowsnap_create(args.size, &args.budget);
		if (!cs)
			die("cannot make a region of %lu bytes: %s", args.size,
			    strerror(errno));
		store = cowsnap_base(cs);
	}
	store_fill(store, args.size, args.seed, args.seq);
	pace = args.pace_ns ? work_calibrate(args.pace_ns) : 0;
	for (round = 1; round <= args.rounds; round++)
		run_round(cs, store, round, pace);
	cowsnap_destroy(cs);
	return 0;
}
