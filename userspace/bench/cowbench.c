// SPDX-License-Identifier: GPL-2.0
/*
 * cowbench - time every write to memory that a fork made copy-on-write
 *
 * The page faults on the region must be the only ones the writer takes while
 * it is timed. So all bookkeeping is in shared memory, every other page is
 * populated after the fork, and the timed code runs once over a dummy region
 * before it runs over the real one.
 */
#include "bench/bench.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "common/process.h"
#include "common/samples.h"
#include "common/util.h"

/* The switches that a signal handler turns off. */
static const struct listen *active;

/* Flip a bit in the view of the process that does not write, or of the child. */
static void corrupt(const struct bench *bench, const struct region *region,
		    enum side side, uint64_t seed)
{
	const struct env *env = &bench->env;
	enum side victim = SIDE_CHILD;
	uint64_t rng = ~seed;

	if (env->writer == WRITER_CHILD || env->pattern.kind == PATTERN_REUSE)
		victim = SIDE_PARENT;
	if (env->corrupt && side == victim)
		region->base[rng_below(&rng, region->size)] ^= 16;
}

/*
 * A process's part of a round, from the fork to its verdict. Measurements from
 * outside are taken while all processes wait between two meetings.
 */
static void run_side(const struct bench *bench, const struct region *region,
		     enum side side, uint64_t seed, pid_t child,
		     struct growth *growth)
{
	const struct env *env = &bench->env;
	const bool reuse = env->pattern.kind == PATTERN_REUSE;
	struct side_result *result = bench->results[side];
	pthread_barrier_t *meet = &bench->shared->meet;
	const bool writer = side_writes(env, side);
	enum who who = WHO_OLD;
	struct team *team = NULL;
	bool frames = false;

	if (writer) {
		who = side == SIDE_CHILD ? WHO_CHILD : WHO_PARENT;
		team = team_start(bench, region, side, seed);
		if (reuse)
			frames = region_frames(region, bench->frames);
	}
	warm_process(region);
	if (writer)
		team_rehearse(team);
	pthread_barrier_wait(meet);
	if (growth)
		growth->known = memory_with_child(child, &growth->before);
	pthread_barrier_wait(meet);
	if (writer)
		team_write(team);
	else if (env->reader)
		read_in_turn(bench, region);
	pthread_barrier_wait(meet);
	if (growth) {
		growth->known &= memory_with_child(child, &growth->after);
		growth->peak[SIDE_PARENT] = memory_peak_kb(0);
		if (child)
			growth->peak[SIDE_CHILD] = memory_peak_kb(child);
	}
	if (writer && reuse && !frames)
		result->copied = -1;
	else if (writer)
		result->copied =
			region_copied(region, reuse ? bench->frames : NULL);
	pthread_barrier_wait(meet);
	corrupt(bench, region, side, seed);
	region_check(region, seed, who, bench->touched, &result->verdict);
	if (writer)
		team_finish(team);
}

static void init_barrier(pthread_barrier_t *barrier, unsigned int count)
{
	pthread_barrierattr_t attr;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(barrier, &attr, count);
	pthread_barrierattr_destroy(&attr);
}

static size_t result_size(const struct env *env)
{
	return sizeof(struct side_result) + env->threads * sizeof(struct lap);
}

static void run_round(struct bench *bench, uint64_t round)
{
	const struct env *env = &bench->env;
	const bool reuse = env->pattern.kind == PATTERN_REUSE;
	const uint64_t seed = mix64(env->seed) + round;
	struct growth growth = { 0 };
	bool first = round == 1;
	struct region region;
	pid_t child;
	int side;

	for (side = 0; side < SIDE_COUNT; side++)
		memset(bench->results[side], 0, result_size(env));
	init_barrier(&bench->shared->meet, reuse ? 1 : 2);
	init_barrier(&bench->shared->gate,
		     env->threads * (env->writer == WRITER_BOTH ? 2 : 1));
	init_barrier(&bench->shared->turn, 2);
	region_require(env->kind, env->size, reuse ? 1 : 2);
	region_make(&region, env->kind, env->size, seed, env->large_copies);
	region_settle(&bench->cpus);
	/* The last round pinned the parent; a child is not to inherit that. */
	sched_setaffinity(0, sizeof(bench->cpus), &bench->cpus);

	child = fork_tied();
	if (!child) {
		if (!reuse)
			run_side(bench, &region, SIDE_CHILD, seed, 0, NULL);
		_exit(0);
	}
	if (reuse)
		wait_child(child);
	run_side(bench, &region, SIDE_PARENT, seed, reuse ? 0 : child, &growth);
	if (!reuse)
		wait_child(child);
	for (side = 0; side < SIDE_COUNT; side++)
		verdict_require(&bench->results[side]->verdict,
				side == SIDE_CHILD ? "the child's view" :
						     "the parent's view");
	for (side = 0; side < SIDE_COUNT; side++) {
		if (side_writes(env, side)) {
			report_row(bench, side, round, &growth, first);
			first = false;
		}
	}
	region_unmap(&region);
}

/* Exit when a child fails: the parent would wait for it forever. */
static void on_child(int sig, siginfo_t *info, void *context)
{
	char text[] = "cowbench: the child was killed by signal 00\n";

	(void)sig;
	(void)context;
	if (info->si_code == CLD_EXITED && !info->si_status)
		return;
	listen_stop(active);
	if (info->si_code != CLD_EXITED) {
		text[sizeof(text) - 4] += info->si_status / 10;
		text[sizeof(text) - 3] += info->si_status % 10;
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(1);
	}
	_exit(1);
}

static void on_end(int sig)
{
	listen_stop(active);
	_exit(128 + sig);
}

static void catch_signals(const struct bench *bench)
{
	struct sigaction child = { .sa_sigaction = on_child };
	struct sigaction end = { .sa_handler = on_end };

	active = &bench->listen;
	child.sa_flags = SA_SIGINFO | SA_RESTART | SA_NOCLDSTOP;
	sigaction(SIGCHLD, &child, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	sigaction(SIGQUIT, &end, NULL);
}

/* Exit unless the kernel has the call that is wanted. */
static void require_prepare(const struct env *env)
{
	void *page;

	if ((env->prepare == PREPARE_MANUAL_COW || env->ahead_batch) &&
	    manual_cow(NULL, 0, 0))
		die("%s: this kernel has no manual_cow system call (%d): %s",
		    env->ahead_batch ? "--helper" : "--prepare manual_cow",
		    NR_MANUAL_COW, strerror(errno));
	if (env->prepare != PREPARE_POPULATE_WRITE)
		return;
	page = shared_alloc(PAGE_BYTES, "--prepare");
	if (madvise(page, PAGE_BYTES, MADV_POPULATE_WRITE))
		die("--prepare populate_write: this kernel has no MADV_POPULATE_WRITE: %s",
		    strerror(errno));
	munmap(page, PAGE_BYTES);
}

static void set_up(struct bench *bench)
{
	struct env *env = &bench->env;
	const char *writes_option = "--size";
	int side;

	if (env->pattern.kind == PATTERN_ZIPF)
		writes_option = "--writes";
	require_prepare(env);
	listen_open(&bench->listen, "listen", env->debugfs, env->listen);
	listen_rehearsal(&bench->null, &bench->listen);
	bench->hist = append_open("--hist", env->hist);
	bench->raw = append_open("--samples", env->samples);
	bench->mapper = append_open("--mapper", env->mapper);
	CPU_ZERO(&bench->cpus);
	sched_getaffinity(0, sizeof(bench->cpus), &bench->cpus);

	bench->pages = env->size / PAGE_BYTES;
	bench->count = pattern_count(&env->pattern, bench->pages, env->writes);
	region_require(env->kind, env->size,
		       env->pattern.kind == PATTERN_REUSE ? 1 : 2);
	memory_require(bench->count * 2 * sizeof(uint64_t) +
			       bench->count * sizeof(*bench->order),
		       writes_option);
	bench->order = shared_alloc(bench->count * sizeof(*bench->order),
				    writes_option);
	bench->touched = shared_alloc(bench->pages, "--size");
	bench->frames =
		shared_alloc(bench->pages * sizeof(*bench->frames), "--size");
	bench->shared = shared_alloc(sizeof(*bench->shared), "--threads");
	for (side = 0; side < SIDE_COUNT; side++) {
		bench->results[side] =
			shared_alloc(result_size(env), "--threads");
		if (side_writes(env, side))
			bench->samples[side] = shared_alloc(
				bench->count * sizeof(uint64_t), writes_option);
	}
	if (!pattern_order(&env->pattern, bench->pages, bench->count, env->seed,
			   bench->order))
		die("--pattern zipf: no memory for its tables");
	bench->distinct =
		pattern_distinct(bench->order, bench->count, bench->touched);
	if (env->pattern.kind == PATTERN_PACED && !env->pace_iters)
		env->pace_iters = work_calibrate(env->pace_ns);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	uint64_t round;

	env_parse(argc, argv, &bench.env);
	set_up(&bench);
	catch_signals(&bench);
	for (round = 1; round <= bench.env.rounds; round++)
		run_round(&bench, round);
	listen_close(&bench.listen);
	return 0;
}
