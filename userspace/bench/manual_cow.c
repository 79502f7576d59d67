// SPDX-License-Identifier: GPL-2.0
/*
 * manual_cow - the system call from a shell: fork, break COW over a region
 * with one call, and show that the pages are this process's own and that
 * writing them takes no fault.
 */
#include "common/manual_cow.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/region.h"
#include "common/util.h"

#define MAX_ROUNDS 1000
#define FORKS_WITHOUT 10

const char *argp_program_version = "manual_cow 1.0";

static const char doc[] =
	"Break copy-on-write over a range with one system call.\n"
	"\n"
	"Maps and fills a private region, forks a child that holds it, calls manual_cow(2) on it, writes every page, and says what the kernel told of it before and after.\n"
	"\v"
	"EXAMPLES:\n"
	"    manual_cow                 # 1 MiB\n"
	"    manual_cow -s 256M         # as much as a server's heap\n"
	"    manual_cow -k thp -s 4M    # the region is huge pages\n"
	"    manual_cow -n              # without the call: a fault a page\n"
	"    manual_cow -f 1            # a flag: EINVAL\n"
	"    manual_cow -s 1G -F 9      # does the call keep other threads' forks waiting?\n"
	"\n"
	"LINES:\n"
	"    own (pagemap)    pages mapped by this process alone\n"
	"    shared, private  of the region, as smaps has them\n"
	"    faults (getrusage)  page faults of the line's write to every page\n"
	"\n"
	"Exit status: 0 if the call returned 0, all pages are this process's own and writing them took no fault, or without the call; 1 otherwise.\n";

static const struct argp_option options[] = {
	{ "size", 's', "SIZE", 0, "Size of the region, with K, M or G (1M)",
	  0 },
	{ "kind", 'k', "KIND", 0, "Pages: 4k thp mthp hugetlb (4k)", 0 },
	{ "flags", 'f', "N", 0, "The call's flags (0, the only right value)",
	  0 },
	{ "no-call", 'n', NULL, 0, "Do all but the call, to compare", 0 },
	{ "forks", 'F', "N", 0,
	  "Instead: N times, time the forks of another thread, without the call and during it",
	  0 },
	{ 0 },
};

struct args {
	uint64_t size;
	uint64_t flags;
	enum kind kind;
	bool no_call;
	uint64_t forks;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;

	switch (key) {
	case 's':
		if (!parse_size(arg, &args->size) || !args->size)
			die("--size: '%s' is not accepted, a number of bytes above 0 is, with K, M or G",
			    arg);
		break;
	case 'k':
		if (!kind_parse(arg, &args->kind))
			die("--kind: '%s' is not accepted, one of these is: %s",
			    arg, KIND_NAMES);
		break;
	case 'f':
		if (!parse_u64(arg, &args->flags) || args->flags > UINT32_MAX)
			die("--flags: '%s' is not accepted, a number from 0 to %u is",
			    arg, UINT32_MAX);
		break;
	case 'n':
		args->no_call = true;
		break;
	case 'F':
		if (!parse_u64(arg, &args->forks) || !args->forks ||
		    args->forks > MAX_ROUNDS)
			die("--forks: '%s' is not accepted, a number from 1 to %d is",
			    arg, MAX_ROUNDS);
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* What the kernel says of the region. Return: pages of our own, -1: unknown. */
static long show(const char *when, const struct region *region)
{
	uint64_t kb[4] = { 0 };
	long own = region_exclusive(region);
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
		printf(", shared %" PRIu64 " kB, private %" PRIu64
		       " kB (smaps)",
		       kb[0] + kb[1], kb[2] + kb[3]);
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

/* A child that holds every page of the region until it is killed. */
static pid_t fork_holder(void)
{
	const pid_t self = getpid();
	pid_t child;

	child = fork();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == self)
			pause();
		_exit(0);
	}
	return child;
}

enum phase {
	WITHOUT,
	DURING,
	OVER,
};

/* A thread that forks all the time, and what its forks took in each phase. */
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
		/* One that began before the call and ended in it tells nothing. */
		if (phase == forker.phase && phase != OVER) {
			if (took > forker.longest[phase])
				forker.longest[phase] = took;
			forker.count[phase]++;
		}
		waitpid(child, NULL, 0);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median over rounds of the longest fork, without the call and during it. */
static void time_forks(const struct args *args, const struct region *region)
{
	uint64_t *longest[OVER];
	unsigned int forks[OVER] = { 0 };
	pthread_t thread;
	uint64_t i;
	int phase, error;

	for (phase = WITHOUT; phase < OVER; phase++)
		longest[phase] =
			shared_alloc(args->forks * sizeof(uint64_t), "--forks");
	for (i = 0; i < args->forks; i++) {
		pid_t holder = fork_holder();

		memset(&forker, 0, sizeof(forker));
		error = pthread_create(&thread, NULL, fork_on, NULL);
		if (error)
			die("--forks: cannot start a thread: %s",
			    strerror(error));
		while (forker.count[WITHOUT] < FORKS_WITHOUT)
			usleep(1000);
		forker.phase = DURING;
		if (manual_cow(region->base, region->size, args->flags))
			die("--forks: manual_cow: %s", strerror(errno));
		forker.phase = OVER;
		pthread_join(thread, NULL);
		for (phase = WITHOUT; phase < OVER; phase++) {
			longest[phase][i] = forker.longest[phase];
			forks[phase] += forker.count[phase];
		}
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
	for (phase = WITHOUT; phase < OVER; phase++)
		qsort(longest[phase], args->forks, sizeof(uint64_t), compare);
	i = args->forks / 2;
	printf("longest fork, median of %" PRIu64
	       " rounds: without the call %" PRIu64
	       " ns (%u forks), during it %" PRIu64
	       " ns (%u forks), ratio %.3f\n",
	       args->forks, longest[WITHOUT][i], forks[WITHOUT],
	       longest[DURING][i], forks[DURING],
	       (double)longest[DURING][i] / longest[WITHOUT][i]);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct args args = { .size = 1UL << 20 };
	struct region region;
	uint64_t unit, start, took;
	struct rusage usage;
	long faults, own;
	pid_t child;
	int ret = 0, error;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	unit = args.kind == KIND_4K ? PAGE_BYTES : HUGE_BYTES;
	if (args.size % unit)
		die("--size: %" PRIu64
		    " is not accepted, a multiple of %" PRIu64
		    " is (--kind %s)",
		    args.size, unit, kind_name(args.kind));
	region_require(args.kind, args.size, 2);
	region_map(&region, args.kind, args.size);
	region_fill(&region, 1);
	region_check_kind(&region);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (args.forks) {
		time_forks(&args, &region);
		return 0;
	}
	child = fork_holder();
	/* What write_pages() will run is to be met before it counts faults. */
	getrusage(RUSAGE_SELF, &usage);
	show("after fork", &region);
	warm_process(&region);

	if (!args.no_call) {
		start = now_ns();
		ret = manual_cow(region.base, region.size, args.flags);
		error = errno;
		took = now_ns() - start;
		printf("manual_cow(%p, %zu, %" PRIu64 ") = %d", region.base,
		       region.size, args.flags, ret);
		if (ret)
			printf(" %s (%s)\n", strerrorname_np(error),
			       strerror(error));
		else
			printf(", %" PRIu64 " ns a page\n",
			       took / (region.size / PAGE_BYTES));
	}
	own = show("after call", &region);
	faults = write_pages(&region);
	printf("%-12s faults (getrusage) %ld\n", "write all", faults);
	show("after write", &region);
	fflush(stdout);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (args.no_call)
		return 0;
	if (ret || faults)
		return 1;
	return own >= 0 && (size_t)own != region.size / PAGE_BYTES;
}
