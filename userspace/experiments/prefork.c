// SPDX-License-Identifier: GPL-2.0
/* prefork - a server that forks a child for each request */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/region.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"

static const char doc[] =
	"Time requests to a server that forks a child for each.\n"
	"\n"
	"A client sends one request after the other. Each child writes a part of the heap that it inherited, answers and exits; then the server takes the next request. The first and the last child, which are not timed, check every byte of their heap; the server checks its heap at the end.\n"
	"\v"
	"EXAMPLES:\n"
	"    prefork                       # 16 MiB of heap, a child writes 1 MiB\n"
	"    prefork -s 64M -p 16M -n 50   # a larger one\n"
	"    prefork -L -c                 # COW may copy into large folios; CSV\n"
	"\n"
	"COLUMNS of --csv, one row:\n"
	"    phase       all\n"
	"    avg_ns      elapsed_ns over count: whole requests, with the child's end\n"
	"    min_ns ..   latencies, from request to answer\n"
	"    faults      minor faults of all children\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong or an option was invalid.\n";

static struct {
	uint64_t size;
	uint64_t part;
	uint64_t requests;
	enum kind kind;
	bool large_copies;
	uint64_t seed;
	bool csv;
	const char *hist;
	bool corrupt;
} env = {
	.size = 16UL << 20,
	.part = 1UL << 20,
	.requests = 200,
	.seed = 1,
};

/* A heap is not made of hugetlb pages. */
static const char *const kinds[] = { "4k", "thp", "mthp", NULL };

static const struct opt opts[] = {
	{ "size", 's', "SIZE",
	  "Size of the server's heap, with K, M or G (16M)",
	  OPT_SIZE(env.size, HUGE_BYTES, UINT64_MAX, HUGE_BYTES) },
	{ "part", 'p', "SIZE",
	  "Consecutive bytes of the heap that a child writes (1M)",
	  OPT_SIZE(env.part, PAGE_BYTES, UINT64_MAX, PAGE_BYTES) },
	{ "requests", 'n', "N", "Number of requests (200)",
	  OPT_NUMBER(env.requests, 1, 10000000) },
	{ "kind", 'k', "KIND", "Pages: 4k thp mthp (4k)",
	  OPT_CHOICE(env.kind, kinds) },
	{ OPT_COMMON_LARGE_COPIES(env.large_copies) },
	{ OPT_COMMON_SEED(env.seed, "Decides where each child writes (1)") },
	{ OPT_COMMON_CSV(env.csv) },
	{ OPT_COMMON_HIST(env.hist) },
	{ "corrupt", 0, NULL, "For tests: flip a bit of the server's heap",
	  .hidden = true, OPT_FLAG(env.corrupt) },
	{ 0 },
};

/* A request, and its answer */
struct request {
	uint32_t page; /* first page that the child writes */
	bool check; /* the child checks its whole heap */
	uint64_t sum; /* sum of the words that it wrote */
};

/* Sum of a child's words: those of its heap, or those expected. */
static uint64_t sum_part(const struct region *heap, uint32_t first)
{
	const uint32_t last = first + env.part / PAGE_BYTES;
	uint64_t sum = 0;
	uint32_t page;

	for (page = first; page < last; page++) {
		uint64_t index = word_index(env.seed, page);

		if (heap)
			sum += ((volatile uint64_t *)heap->base)[index];
		else
			sum += word_value(env.seed, index, WHO_CHILD);
	}
	return sum;
}

static void child_main(const struct region *heap, int fd,
		       struct request *request)
{
	const size_t pages = env.part / PAGE_BYTES;

	region_write(heap, env.seed, WHO_CHILD, request->page,
		     request->page + pages);
	request->sum = sum_part(heap, request->page);
	if (request->check)
		region_verify(heap, env.seed, WHO_CHILD, request->page, pages,
			      "the child's heap");
	if (write(fd, request, sizeof(*request)) != sizeof(*request))
		die("cannot answer: %s", strerror(errno));
	_exit(0);
}

/* Serve until the client has gone; store the children's faults. */
static void server_main(int fd, uint64_t *faults)
{
	struct request request;
	struct region heap;
	struct rusage usage;
	long first = 0;

	region_make(&heap, env.kind, env.size, env.seed, env.large_copies);
	while (read(fd, &request, sizeof(request)) == sizeof(request)) {
		pid_t child = fork();
		int status;

		if (child < 0)
			die("cannot fork: %s", strerror(errno));
		if (!child)
			child_main(&heap, fd, &request);
		if (waitpid(child, &status, 0) != child || status)
			_exit(1);
		getrusage(RUSAGE_CHILDREN, &usage);
		if (request.check && !first)
			first = usage.ru_minflt;
		else if (!request.check)
			*faults = usage.ru_minflt - first;
	}
	if (env.corrupt)
		heap.base[env.size / 2] ^= 4;
	region_verify(&heap, env.seed, WHO_OLD, 0, 0, "the server's heap");
	_exit(0);
}

/* One request, from request to answer. Return: its latency. */
static uint64_t ask(int fd, uint64_t *rng, bool check)
{
	const uint64_t places = (env.size - env.part) / PAGE_BYTES + 1;
	struct request request = { .page = rng_below(rng, places),
				   .check = check };
	uint64_t start, end, sum = sum_part(NULL, request.page);

	start = now_ns();
	if (write(fd, &request, sizeof(request)) != sizeof(request) ||
	    read(fd, &request, sizeof(request)) != sizeof(request))
		die("the server has ended");
	end = now_ns();
	if (request.sum != sum)
		die("wrong answer");
	return end - start;
}

static void report(uint64_t *samples, uint64_t elapsed, uint64_t faults)
{
	FILE *hist = append_open("--hist", env.hist);
	struct stats s;

	if (hist && hist_write(hist, samples, env.requests))
		die("--hist: cannot write %s: %s", env.hist, strerror(errno));
	stats_compute(samples, env.requests, &s);
	if (!env.csv) {
		stats_print("requests", &s, elapsed, faults);
		return;
	}
	s.avg = elapsed / s.count;
	row_csv(stdout, true,
		"phase=%s count=%lu elapsed_ns=%lu " ROW_STATS
		" faults=%lu verified=%s",
		"all", s.count, elapsed, ROW_STATS_OF(&s), faults, "yes");
}

int main(int argc, char **argv)
{
	uint64_t *samples, *faults, rng, start, elapsed, i;
	int fds[2], status;
	pid_t server;

	options_parse(argc, argv, doc, opts, NULL);
	if (env.part > env.size)
		die("--part: the most is --size");
	region_require(env.kind, env.size, 2);
	samples = shared_alloc(env.requests * sizeof(*samples), "--requests");
	faults = shared_alloc(sizeof(*faults), "--requests");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		die("socketpair: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	server = fork_tied();
	if (!server) {
		close(fds[0]);
		server_main(fds[1], faults);
	}
	close(fds[1]);
	rng = ~env.seed;
	ask(fds[0], &rng, true);
	start = now_ns();
	for (i = 0; i < env.requests; i++)
		samples[i] = ask(fds[0], &rng, false);
	elapsed = now_ns() - start;
	ask(fds[0], &rng, true);
	close(fds[0]);
	if (waitpid(server, &status, 0) != server || status)
		_exit(1);
	report(samples, elapsed, *faults);
	return 0;
}
