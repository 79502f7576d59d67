// SPDX-License-Identifier: GPL-2.0
/*
 * prefork - a server that forks a child for each request
 *
 * A client asks, one request after the other; the server forks, the child
 * writes a part of the heap that it has inherited, answers and exits; then the
 * server takes the next request. Latency is from question to answer, the rate
 * is that of whole requests, with the child's end.
 *
 * With --csv it prints
 *
 *	phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,
 *	max_ns,faults,verified
 *
 * in one row, phase `all`: avg_ns is elapsed_ns over count, the others are
 * latencies; faults are the minor faults of all children. The first and the
 * last child, which are not timed, check every byte of their heap, and the
 * server checks its own in the end.
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/region.h"
#include "common/samples.h"
#include "common/util.h"

const char *argp_program_version = "prefork 1.0";

static const char doc[] =
	"Time requests to a server that forks a child for each."
	"\v"
	"EXAMPLES:\n"
	"    prefork                       # 16 MiB of heap, a child writes 1 MiB\n"
	"    prefork -s 64M -p 16M -n 50   # a larger one\n"
	"    prefork -L -c                 # COW may copy into large folios; CSV\n"
	"\n"
	"Exit status: 0, or 1 if a byte was wrong or a value was not accepted.\n";

enum {
	OPT_CORRUPT = 256,
};

static const struct argp_option options[] = {
	{ "size", 's', "SIZE", 0, "The server's heap, with K, M or G (16M)",
	  0 },
	{ "part", 'p', "SIZE", 0, "What a child writes of it, in one run (1M)",
	  0 },
	{ "requests", 'n', "N", 0, "How many (200)", 0 },
	{ "kind", 'k', "KIND", 0, "Pages: 4k thp mthp (4k)", 0 },
	{ "large-copies", 'L', NULL, 0,
	  "Advise huge pages when the heap is filled: a COW may then copy into large folios",
	  0 },
	{ "seed", 'S', "N", 0, "Decides where each child writes (1)", 0 },
	{ "csv", 'c', NULL, 0, "Print comma-separated values", 1 },
	{ "hist", 'g', "FILE", 0,
	  "Append the latencies' histogram: lower_ns count", 1 },
	{ "corrupt", OPT_CORRUPT, NULL, OPTION_HIDDEN,
	  "For tests: flip a bit of the server's heap", 2 },
	{ 0 },
};

struct env {
	uint64_t size;
	uint64_t part;
	uint64_t requests;
	enum kind kind;
	bool large_copies;
	uint64_t seed;
	bool csv;
	const char *hist;
	bool corrupt;
};

/**
 * struct request - a question, and its answer
 * @page: where the child is to write
 * @check: whether it is to check its whole heap
 * @sum: of what it wrote
 */
struct request {
	uint32_t page;
	bool check;
	uint64_t sum;
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
	case 'p':
		if (!parse_size(arg, &env->part) || !env->part ||
		    env->part % PAGE_BYTES)
			die("--part: '%s' is not accepted, a multiple of 4K is",
			    arg);
		break;
	case 'n':
		env->requests = number_arg("--requests", arg, 1, 10000000);
		break;
	case 'k':
		if (!kind_parse(arg, &env->kind) || env->kind == KIND_HUGETLB)
			die("--kind: '%s' is not accepted, one of these is: 4k thp mthp",
			    arg);
		break;
	case 'L':
		env->large_copies = true;
		break;
	case 'S':
		env->seed = number_arg("--seed", arg, 0, UINT64_MAX);
		break;
	case 'c':
		env->csv = true;
		break;
	case 'g':
		env->hist = arg;
		break;
	case OPT_CORRUPT:
		env->corrupt = true;
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	case ARGP_KEY_END:
		if (env->part > env->size)
			die("--part: at most --size is accepted");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* A word a page, upward; what they sum up to if they are there afterwards. */
static uint64_t write_part(const struct env *env, const struct region *heap,
			   uint32_t first)
{
	volatile uint64_t *words = (uint64_t *)heap->base;
	const uint32_t last = first + env->part / PAGE_BYTES;
	uint64_t sum = 0;
	uint32_t page;

	for (page = first; page < last; page++) {
		uint64_t index = page * 512ULL + word_slot(env->seed, page);

		words[index] = word_value(env->seed, index, WHO_CHILD);
	}
	for (page = first; page < last; page++)
		sum += words[page * 512ULL + word_slot(env->seed, page)];
	return sum;
}

static uint64_t expected_sum(const struct env *env, uint32_t first)
{
	const uint32_t last = first + env->part / PAGE_BYTES;
	uint64_t sum = 0;
	uint32_t page;

	for (page = first; page < last; page++)
		sum += word_value(env->seed,
				  page * 512ULL + word_slot(env->seed, page),
				  WHO_CHILD);
	return sum;
}

static void check_heap(const struct env *env, const struct region *heap,
		       enum who who, uint32_t first)
{
	unsigned char *touched = calloc(env->size / PAGE_BYTES, 1);
	struct verdict v;

	if (!touched)
		die("no memory for the check");
	memset(touched + first, 1, env->part / PAGE_BYTES);
	region_check(heap, env->seed, who, touched, &v);
	if (v.wrong)
		die("wrong byte in the %s's heap at offset 0x%" PRIx64
		    ": expected 0x%02x, found 0x%02x (%" PRIu64
		    " wrong in all)",
		    who == WHO_OLD ? "server" : "child", v.offset, v.expected,
		    v.found, v.wrong);
	free(touched);
}

static void child_main(const struct env *env, const struct region *heap, int fd,
		       struct request *request)
{
	request->sum = write_part(env, heap, request->page);
	if (request->check)
		check_heap(env, heap, WHO_CHILD, request->page);
	if (write(fd, request, sizeof(*request)) != sizeof(*request))
		die("cannot answer: %s", strerror(errno));
	_exit(0);
}

/* Serve until the client has gone; then tell it of the children's faults. */
static void server_main(const struct env *env, int fd, uint64_t *faults)
{
	struct request request;
	struct region heap;
	struct rusage usage;
	long first = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	region_map(&heap, env->kind, env->size);
	region_fill(&heap, env->seed);
	region_check_kind(&heap);
	if (env->large_copies)
		region_allow_large(&heap);
	while (read(fd, &request, sizeof(request)) == sizeof(request)) {
		pid_t child = fork();
		int status;

		if (child < 0)
			die("cannot fork: %s", strerror(errno));
		if (!child)
			child_main(env, &heap, fd, &request);
		if (waitpid(child, &status, 0) != child || status)
			_exit(1);
		getrusage(RUSAGE_CHILDREN, &usage);
		if (request.check && !first)
			first = usage.ru_minflt;
		else if (!request.check)
			*faults = usage.ru_minflt - first;
	}
	if (env->corrupt)
		heap.base[env->size / 2] ^= 4;
	check_heap(env, &heap, WHO_OLD, 0);
	_exit(0);
}

/* One request, from question to answer. */
static uint64_t ask(const struct env *env, int fd, uint64_t *rng, bool check)
{
	const uint64_t places = (env->size - env->part) / PAGE_BYTES + 1;
	struct request request = { .page = rng_below(rng, places),
				   .check = check };
	uint64_t start, end, sum = expected_sum(env, request.page);

	start = now_ns();
	if (write(fd, &request, sizeof(request)) != sizeof(request) ||
	    read(fd, &request, sizeof(request)) != sizeof(request))
		die("the server has ended");
	end = now_ns();
	if (request.sum != sum)
		die("wrong answer");
	return end - start;
}

static void report(const struct env *env, uint64_t *samples, uint64_t elapsed,
		   uint64_t faults)
{
	struct stats s;
	FILE *f;

	if (env->hist) {
		f = fopen(env->hist, "ae");
		if (!f || hist_write(f, samples, env->requests))
			die("--hist: cannot write %s: %s", env->hist,
			    strerror(errno));
		fclose(f);
	}
	stats_compute(samples, env->requests, &s);
	if (env->csv)
		printf("phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,verified\n"
		       "all,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%" PRIu64 ",%" PRIu64 ",yes\n",
		       s.count, elapsed, elapsed / s.count, s.min, s.p50, s.p90,
		       s.p99, s.p999, s.max, faults);
	else
		printf("%" PRIu64
		       " requests, %.1f/s, p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us, %" PRIu64
		       " faults\n",
		       s.count, s.count * 1e9 / elapsed, s.p50 / 1e3,
		       s.p99 / 1e3, s.p999 / 1e3, s.max / 1e3, faults);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct env env = {
		.size = 16UL << 20,
		.part = 1UL << 20,
		.requests = 200,
		.seed = 1,
	};
	uint64_t *samples, *faults, rng, start, elapsed, i;
	int fds[2], status;
	pid_t server;

	argp_parse(&argp, argc, argv, 0, NULL, &env);
	region_require(env.kind, env.size, 2);
	samples = shared_alloc(env.requests * sizeof(*samples), "--requests");
	faults = shared_alloc(sizeof(*faults), "--requests");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		die("socketpair: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	server = fork();
	if (server < 0)
		die("cannot fork: %s", strerror(errno));
	if (!server) {
		close(fds[0]);
		server_main(&env, fds[1], faults);
	}
	close(fds[1]);
	rng = ~env.seed;
	ask(&env, fds[0], &rng, true);
	start = now_ns();
	for (i = 0; i < env.requests; i++)
		samples[i] = ask(&env, fds[0], &rng, false);
	elapsed = now_ns() - start;
	ask(&env, fds[0], &rng, true);
	close(fds[0]);
	if (waitpid(server, &status, 0) != server || status)
		_exit(1);
	report(&env, samples, elapsed, *faults);
	return 0;
}
