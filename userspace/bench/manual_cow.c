// SPDX-License-Identifier: GPL-2.0
/*
 * manual_cow - the system call from a shell: fork, break COW over a region
 * with one call, and show that the pages are this process's own and that
 * writing them takes no fault.
 */
#include "common/manual_cow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/region.h"
#include "common/samples.h"
#include "common/util.h"

#define MAX_ROUNDS 1000
#define FORKS_WITHOUT 10

static const char doc[] =
	"Break copy-on-write over a range with one system call.\n"
	"\n"
	"Maps and fills a private region, forks a child that holds it, calls manual_cow(2) on the region, writes every page, and prints what the kernel tells about the pages before and after.\n"
	"\v"
	"EXAMPLES:\n"
	"    manual_cow                 # 1 MiB\n"
	"    manual_cow -s 256M         # the size of a server's heap\n"
	"    manual_cow -k thp -s 4M    # the region is huge pages\n"
	"    manual_cow -n              # without the call: one fault per page\n"
	"    manual_cow -f 1            # a flag: EINVAL\n"
	"    manual_cow -s 1G -F 9      # does the call delay other threads' forks?\n"
	"\n"
	"LINES:\n"
	"    own (pagemap)    pages that only this process maps\n"
	"    shared, private  kB of the region, from smaps\n"
	"    faults (getrusage)  page faults of writing every page\n"
	"\n"
	"Exit status: 0 if the call returned 0, only this process maps the pages and writing them took no fault, or without the call; 1 otherwise.\n";

static struct {
	uint64_t size;
	uint64_t flags;
	enum kind kind;
	bool no_call;
	uint64_t forks;
} args = { .size = 1UL << 20 };

static const struct opt opts[] = {
	{ "size", 's', "SIZE", "Size of the region, with K, M or G (1M)",
	  OPT_SIZE(args.size, 1, UINT64_MAX, 1) },
	{ OPT_COMMON_KIND(args.kind) },
	{ "flags", 'f', "N", "The call's flags; only 0 is valid (0)",
	  OPT_NUMBER(args.flags, 0, UINT32_MAX) },
	{ "no-call", 'n', NULL, "Do everything but the call, to compare",
	  OPT_FLAG(args.no_call) },
	{ "forks", 'F', "N",
	  "Instead: N times, time the forks of another thread, without the call and during it",
	  OPT_NUMBER(args.forks, 1, MAX_ROUNDS) },
	{ 0 },
};

/* Print what the kernel tells. Return: pages that only we map, -1: unknown. */
static long show(const char *when, const struct region *region)
{
	uint64_t kb[4] = { 0 };
	long own = region_copied(region, NULL);
	bool known;

	known = region_smaps(region, "Shared_Clean:", &kb[0]) &&
		region_smaps(region, "Shared_Dirty:", &kb[1]) &&
		region_smaps(region, "Private_Clean:", &kb[2]) &&
		region_smaps(region, "Private_Dirty:", &kb[3]);
	if (region->kind == KIND_HUGETLB)
		known = region_smaps(region, "Shared_Hugetlb:", &kb[0]) &&
			region_smaps(region, "Private_Hugetlb:", &kb[2]);
	printf("%-12s ", when);
	if (own < 0)
		printf("own (pagemap) ?");
	else
		printf("own (pagemap) %ld of %zu", own,
		       region->size / PAGE_BYTES);
	if (known)
		printf(", shared %lu kB, private %lu kB (smaps)", kb[0] + kb[1],
		       kb[2] + kb[3]);
	putchar('\n');
	return own;
}

/* Write a byte of every page. Return: page faults, major ones too. */
static long write_pages(const struct region *region)
{
	struct rusage before, after;
	size_t at;

	getrusage(RUSAGE_SELF, &before);
	for (at = 0; at < region->size; at += PAGE_BYTES)
		*(volatile unsigned char *)(region->base + at) ^= 0xff;
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt + after.ru_majflt -
	       before.ru_majflt;
}

enum phase {
	WITHOUT,
	DURING,
	OVER,
};

/* A thread that forks all the time, and its longest fork in each phase. */
static struct {
	_Atomic(enum phase) phase;
	_Atomic unsigned int count[OVER];
	uint64_t longest[OVER];
} forker;

static void *fork_on(void *unused)
{
	(void)unused;
	while (forker.phase != OVER) {
		enum phase phase = forker.phase;
		uint64_t start = now_ns(), took;
		pid_t child = fork();

		if (child < 0)
			die("cannot fork: %s", strerror(errno));
		if (!child)
			_exit(0);
		took = now_ns() - start;
		/* Count no fork that began before the call and ended in it. */
		if (phase == forker.phase && phase != OVER) {
			if (took > forker.longest[phase])
				forker.longest[phase] = took;
			forker.count[phase]++;
		}
		waitpid(child, NULL, 0);
	}
	return NULL;
}

/* The median over rounds of the longest fork, without the call and during it. */
static void time_forks(const struct region *region)
{
	uint64_t *longest[OVER];
	unsigned int forks[OVER] = { 0 };
	pthread_t thread;
	struct holder holder;
	struct stats ignored;
	uint64_t i;
	int phase, error;

	for (phase = WITHOUT; phase < OVER; phase++)
		longest[phase] =
			shared_alloc(args.forks * sizeof(uint64_t), "--forks");
	for (i = 0; i < args.forks; i++) {
		holder_start(&holder);
		memset(&forker, 0, sizeof(forker));
		error = pthread_create(&thread, NULL, fork_on, NULL);
		if (error)
			die("--forks: cannot start a thread: %s",
			    strerror(error));
		while (forker.count[WITHOUT] < FORKS_WITHOUT)
			usleep(1000);
		forker.phase = DURING;
		if (manual_cow(region->base, region->size, args.flags))
			die("--forks: manual_cow: %s", strerror(errno));
		forker.phase = OVER;
		pthread_join(thread, NULL);
		for (phase = WITHOUT; phase < OVER; phase++) {
			longest[phase][i] = forker.longest[phase];
			forks[phase] += forker.count[phase];
		}
		holder_end(&holder);
	}
	for (phase = WITHOUT; phase < OVER; phase++)
		stats_compute(longest[phase], args.forks, &ignored);
	i = args.forks / 2;
	printf("longest fork, median of %lu rounds: without the call %lu ns (%u forks), during it %lu ns (%u forks), ratio %.3f\n",
	       args.forks, longest[WITHOUT][i], forks[WITHOUT],
	       longest[DURING][i], forks[DURING],
	       (double)longest[DURING][i] / longest[WITHOUT][i]);
}

int main(int argc, char **argv)
{
	struct region region;
	struct holder holder;
	uint64_t start, took;
	struct rusage usage;
	long faults, own;
	int ret = 0, error;

	options_parse(argc, argv, doc, opts, NULL);
	region_check_size(args.kind, args.size);
	region_require(args.kind, args.size, 2);
	region_make(&region, args.kind, args.size, 1, false);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (args.forks) {
		time_forks(&region);
		return 0;
	}
	holder_start(&holder);
	/* Take the faults of getrusage() itself before write_pages() counts. */
	getrusage(RUSAGE_SELF, &usage);
	show("after fork", &region);
	warm_process(&region);

	if (!args.no_call) {
		start = now_ns();
		ret = manual_cow(region.base, region.size, args.flags);
		error = errno;
		took = now_ns() - start;
		printf("manual_cow(%p, %zu, %lu) = %d", region.base,
		       region.size, args.flags, ret);
		if (ret)
			printf(" %s (%s)\n", strerrorname_np(error),
			       strerror(error));
		else
			printf(", %lu ns per page\n",
			       took / (region.size / PAGE_BYTES));
	}
	own = show("after call", &region);
	faults = write_pages(&region);
	printf("%-12s faults (getrusage) %ld\n", "write all", faults);
	show("after write", &region);
	fflush(stdout);
	holder_end(&holder);
	if (args.no_call)
		return 0;
	if (ret || faults)
		return 1;
	return own >= 0 && (size_t)own != region.size / PAGE_BYTES;
}
