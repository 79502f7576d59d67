// SPDX-License-Identifier: GPL-2.0
/*
 * The libraries for a long time, under what a machine does to a process: signals,
 * SIGSTOP, forks, children that outlive, madvise(), limits of a cgroup that move,
 * policies that change. A store on libcowsnap, and redis-server with cowwarm.so.
 *
 * A controller starts a worker, disturbs it, and watches its progress. In the
 * store, the page of a writer's nth write follows from n. So from the number of a
 * writer's last write follows what each of its pages must hold, in the region and
 * in the view: no write may be lost, and the view is the state of one instant.
 */
#include "tests/arms.h"

#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcowsnap/cowsnap.h"

#define CGROUP "/sys/fs/cgroup/guest_soak"
#define MIB (1UL << 20)
#define WRITERS 3
/* A power of two, so that an odd stride visits each page once per round. */
#define SLICE_PAGES 1024UL
#define STRIDE 1237UL
#define REGION_PAGES (1 + WRITERS * SLICE_PAGES)
/* Seconds from one region to the next. */
#define LIFE 15
/* Without progress for so long, it hangs. */
#define PATIENCE (slow(90))

static struct {
	uint64_t seconds;
	uint64_t seed;
} option = { .seconds = 20 };

/**
 * struct shared - what worker and controller share
 * @writes: of all writers
 * @snapshots: ended
 * @lives: regions, or servers, that have ended well
 * @left: of descriptors, threads and KiB of address space after each life
 * @message: what went wrong
 */
struct shared {
	_Atomic uint64_t writes;
	_Atomic uint64_t snapshots;
	_Atomic uint64_t lives;
	uint64_t left[3];
	char message[256];
};

static struct shared *shared;

/* In the worker: the controller says it. */
__attribute__((noreturn, format(printf, 1, 2))) static void
lost(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->message, sizeof(shared->message), fmt, ap);
	va_end(ap);
	_exit(1);
}

/* The store. */

static struct cowsnap *store;
static unsigned char *region;
/* What a signal handler reads while there is no region. */
static unsigned char *no_region;
static atomic_bool stop;

/* The first page holds the number of each writer's last write. */
static _Atomic uint64_t *counter_of(unsigned char *base, size_t writer)
{
	return (void *)(base + writer * 64);
}

/* Each page has its word in another place. */
static _Atomic uint64_t *word_of(unsigned char *base, size_t writer,
				 size_t page)
{
	return (void *)(base + (1 + writer * SLICE_PAGES + page) * PAGE_BYTES +
			page % (PAGE_BYTES / 8) * 8);
}

/* The last write, up to number @last, to a page; 0: none. */
static uint64_t last_write(size_t page, uint64_t last)
{
	static uint64_t inverse;
	uint64_t n, since;
	int i;

	/* Newton's iteration, modulo a power of two. */
	if (!inverse) {
		for (n = 1, i = 0; i < 6; i++)
			n *= 2 - STRIDE * n;
		inverse = n;
	}
	n = page * inverse % SLICE_PAGES;
	since = (last - n) % SLICE_PAGES;
	return since > last ? 0 : last - since;
}

/* Is this what one instant of a writer's work looks like? */
static void check_slice(unsigned char *base, size_t writer, const char *where)
{
	const uint64_t last = *counter_of(base, writer);
	size_t page;

	for (page = 0; page < SLICE_PAGES; page++) {
		uint64_t want = last_write(page, last);
		uint64_t have = *word_of(base, writer, page);

		/* The last write is announced before it is made. */
		if (have == want ||
		    (want == last && want &&
		     have == (want > SLICE_PAGES ? want - SLICE_PAGES : 0)))
			continue;
		lost("%s: writer %zu, page %zu: %" PRIu64 ", not %" PRIu64
		     " of %" PRIu64,
		     where, writer, page, have, want, last);
	}
}

static void *write_on(void *arg)
{
	const size_t writer = (uintptr_t)arg;
	uint64_t n = 0;

	while (!stop) {
		size_t page = ++n * STRIDE % SLICE_PAGES;
		_Atomic uint64_t *word = word_of(region, writer, page);
		uint64_t before = n > SLICE_PAGES ? n - SLICE_PAGES : 0;

		atomic_store(counter_of(region, writer), n);
		if (*word != before)
			lost("the region: writer %zu, page %zu: %" PRIu64
			     ", not %" PRIu64,
			     writer, page, *word, before);
		atomic_store(word, n);
		atomic_fetch_add(&shared->writes, 1);
		if (!(n % 64))
			usleep(100);
	}
	return NULL;
}

static void *snapshot_on(void *arg)
{
	uint64_t seed = option.seed | 1;
	unsigned char *view;
	size_t writer;

	(void)arg;
	while (!stop) {
		view = (unsigned char *)cowsnap_begin(store);
		if (!view)
			lost("cowsnap_begin: %s", strerror(errno));
		for (writer = 0; writer < WRITERS; writer++)
			check_slice(view, writer, "the view");
		usleep(next_random(&seed) % 20000);
		for (writer = 0; writer < WRITERS; writer++)
			check_slice(view, writer, "the view, later");
		if (cowsnap_end(store))
			lost("cowsnap_end: %s", strerror(errno));
		atomic_fetch_add(&shared->snapshots, 1);
		usleep(next_random(&seed) % 5000);
	}
	return NULL;
}

/* A handler that reads what may be held by a snapshot that ends. */
static void on_signal(int sig)
{
	static _Atomic uint64_t seed = 1;
	uint64_t n = atomic_fetch_add(&seed, 7919);

	(void)sig;
	(void)*word_of(region, n % WRITERS, n % SLICE_PAGES);
}

static void fork_something(uint64_t *seed)
{
	const unsigned int life = next_random(seed) % 2000;
	const bool destroy = next_random(seed) & 1;
	pid_t pid = fork();

	if (pid < 0)
		lost("fork: %s", strerror(errno));
	if (pid)
		return;
	/* It outlives the region, and at times its parent. */
	if (destroy)
		cowsnap_destroy(store);
	usleep(life * 1000);
	_exit(0);
}

static void advise(uint64_t *seed)
{
	static const int advices[] = { MADV_RANDOM,	MADV_SEQUENTIAL,
				       MADV_NORMAL,	MADV_DONTDUMP,
				       MADV_DODUMP,	MADV_WILLNEED,
				       MADV_NOHUGEPAGE, MADV_HUGEPAGE };
	unsigned char *at =
		region + next_random(seed) % REGION_PAGES * PAGE_BYTES;
	size_t bytes = (1 + next_random(seed) % 600) * PAGE_BYTES;

	if (at + bytes > region + REGION_PAGES * PAGE_BYTES)
		return;
	if (next_random(seed) % 8)
		madvise(at, bytes, advices[next_random(seed) % 8]);
	else if (next_random(seed) % 2)
		mlock2(at, bytes, MLOCK_ONFAULT);
	else
		munlock(at, bytes);
}

static void note_left(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t fds = 0;

	while (d && readdir(d))
		fds++;
	if (d)
		closedir(d);
	shared->left[0] = fds;
	shared->left[1] = file_field("/proc/self/status", "Threads:");
	shared->left[2] = file_field("/proc/self/status", "VmSize:");
}

/* One region, from its creation to its end. */
static void live(uint64_t until, uint64_t *seed)
{
	static const struct cowsnap_budget budgets[] = {
		{ .bytes = 0 },
		{ .bytes = 8 * MIB },
		{ .bytes = 64 * MIB, .flags = COWSNAP_EVERYTHING },
	};
	pthread_t threads[WRITERS + 1];
	size_t i;

	store = cowsnap_create(REGION_PAGES * PAGE_BYTES,
			       &budgets[next_random(seed) % 3]);
	if (!store)
		lost("cowsnap_create: %s", strerror(errno));
	region = cowsnap_base(store);
	stop = false;
	for (i = 0; i <= WRITERS; i++)
		if (pthread_create(&threads[i], NULL,
				   i < WRITERS ? write_on : snapshot_on,
				   (void *)i))
			lost("pthread_create");
	while (now_ns() < until) {
		/* SIGALRM, every 700 us, and the controller's signals. */
		usleep(20000);
		/* Advice splits the region: a snapshot then ends page by page. */
		if (!(next_random(seed) % 64))
			advise(seed);
		if (!(next_random(seed) % 4))
			fork_something(seed);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	stop = true;
	for (i = 0; i <= WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < WRITERS; i++)
		check_slice(region, i, "the region in the end");
	region = no_region;
	cowsnap_destroy(store);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	atomic_fetch_add(&shared->lives, 1);
}

static void worker_store(uint64_t end)
{
	const struct itimerval often = { { 0, 700 }, { 0, 700 } };
	const struct itimerval never = { 0 };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	uint64_t seed = option.seed * 77 | 1, first[3], until;

	no_region = mmap(NULL, REGION_PAGES * PAGE_BYTES, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region = no_region;
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	do {
		until = now_ns() + LIFE * 1000000000ULL;
		setitimer(ITIMER_REAL, &often, NULL);
		live(until < end ? until : end, &seed);
		setitimer(ITIMER_REAL, &never, NULL);
		note_left();
		if (shared->lives == 1)
			memcpy(first, shared->left, sizeof(first));
	} while (now_ns() < end);
	/* glibc keeps a pool for threads' memory. */
	if (shared->left[0] != first[0] || shared->left[1] != first[1] ||
	    shared->left[2] > first[2] + 160 * 1024)
		lost("after %" PRIu64 " regions %" PRIu64
		     " descriptors, %" PRIu64 " threads and %" PRIu64
		     " KiB; after the first %" PRIu64 ", %" PRIu64 ", %" PRIu64,
		     shared->lives, shared->left[0], shared->left[1],
		     shared->left[2], first[0], first[1], first[2]);
	_exit(0);
}

/* redis-server with cowwarm.so; redisload checks each key, and what was saved. */
static void worker_redis(uint64_t end)
{
	char command[256];
	int n = 0;

	do {
		snprintf(
			command, sizeof(command),
			"redisload -k %d -b %d --seed %d -t 300 -c 8 -o /tmp -s 'env LD_PRELOAD=/lib/cowwarm.so redis-server' >/tmp/soak-redis 2>&1",
			n % 2 ? 60000 : 1500, n % 2 ? 64 : 8192, n + 1);
		if (system(command)) {
			const char *said = file_text("/tmp/soak-redis");

			/* A run in which nothing was written meanwhile. */
			if (!strstr(said, "the save has ended already"))
				lost("redisload, run %d: %.150s", n, said);
			n++;
			continue;
		}
		n++;
		atomic_fetch_add(&shared->writes, 1);
		atomic_fetch_add(&shared->snapshots, 1);
		atomic_fetch_add(&shared->lives, 1);
	} while (now_ns() < end);
	_exit(0);
}

/* The controller. */

static bool have_cgroup;

static void cgroup_set(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUP "/%s", name);
	if (have_cgroup)
		file_write(path, text, strlen(text));
}

/* The server or its child that saves; 0: none. */
static pid_t some_server(uint64_t *seed)
{
	char path[64], comm[32], text[1024];
	char *at, *end;
	pid_t pids[64];
	size_t nr = 0;

	if (!read_text(CGROUP "/cgroup.procs", text, sizeof(text)))
		return 0;
	for (at = text; nr < ARRAY_SIZE(pids); at = end) {
		pid_t pid = strtol(at, &end, 10);

		if (end == at)
			break;
		/* Not redisload, which must see when a save begins. */
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (read_text(path, comm, sizeof(comm)) &&
		    !strncmp(comm, "redis-", 6))
			pids[nr++] = pid;
	}
	return nr ? pids[next_random(seed) % nr] : 0;
}

static void disturb(pid_t worker, bool store_worker, uint64_t *seed)
{
	static const char *const policies[] = { "next", "fixed", "adaptive" };
	char text[32];
	pid_t pid;

	switch (next_random(seed) % 8) {
	case 0:
	case 1:
		pid = store_worker ? worker : some_server(seed);
		if (pid > 0 && !kill(pid, SIGSTOP)) {
			usleep(next_random(seed) % 100000);
			kill(pid, SIGCONT);
		}
		break;
	case 2:
		snprintf(text, sizeof(text), "%lu",
			 (160 + next_random(seed) % 200) * MIB);
		cgroup_set("memory.high", next_random(seed) % 2 ? text : "max");
		break;
	case 3:
		snprintf(text, sizeof(text), "%lu",
			 (360 + next_random(seed) % 200) * MIB);
		cgroup_set("memory.max", next_random(seed) % 2 ? text : "max");
		break;
	case 4:
		if (!access(COWLAB "policy", F_OK))
			knob_set("policy", policies[next_random(seed) % 3]);
		break;
	default:
		if (store_worker)
			kill(worker, SIGUSR1);
	}
}

/* Where its threads are, for one who looks for a hang. */
static void say_where(pid_t worker)
{
	char path[64];
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", worker);
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		char stack[400];

		snprintf(stack, sizeof(stack), "%s/%s/stack", path,
			 entry->d_name);
		if (entry->d_name[0] != '.')
			print_message("# thread %s:\n%s\n", entry->d_name,
				      file_text(stack));
	}
	if (d)
		closedir(d);
}

/* On the console, where the host waits for a sign of life. */
static void tell_progress(uint64_t end)
{
	const uint64_t now = now_ns();
	FILE *console = fopen("/dev/console", "we");

	if (!console)
		return;
	fprintf(console,
		"guest_soak: %" PRIu64 " snapshots, about %" PRIu64 " s left\n",
		shared->snapshots, now < end ? (end - now) / 1000000000 : 0);
	fclose(console);
}

static void soak(void (*work)(uint64_t end), uint64_t seconds)
{
	const bool store_worker = work == worker_store;
	const uint64_t end = now_ns() + seconds * 1000000000ULL;
	uint64_t seed = option.seed * 3 | 1, seen = 0, seen_at = now_ns();
	uint64_t told_at = seen_at;
	unsigned int tries = slow(300);
	char text[32];
	int status = 0;
	pid_t worker;

	memset(shared, 0, sizeof(*shared));
	have_cgroup = !access("/sys/fs/cgroup/cgroup.subtree_control", F_OK);
	if (have_cgroup) {
		/* What a failed test has left. */
		cgroup_set("cgroup.kill", "1");
		while (rmdir(CGROUP) && errno != ENOENT && tries--)
			usleep(100000);
		assert_int_equal(mkdir(CGROUP, 0755), 0);
		tries = slow(300);
	}
	if (!access(COWLAB "policy", F_OK)) {
		knobs_default();
		knob_number("precopy", 1);
	}
	/* Until the worker has its handler. */
	signal(SIGUSR1, SIG_IGN);
	worker = fork();
	assert_true(worker >= 0);
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(text, sizeof(text), "%d", getpid());
		cgroup_set("cgroup.procs", text);
		work(end);
	}
	while (!waitpid(worker, &status, WNOHANG)) {
		uint64_t progress = shared->writes + shared->snapshots * 100000;

		disturb(worker, store_worker, &seed);
		usleep(next_random(&seed) % 20000);
		if (progress != seen) {
			seen = progress;
			seen_at = now_ns();
		} else if (now_ns() - seen_at > PATIENCE * 1000000000ULL) {
			say_where(worker);
			kill(worker, SIGKILL);
			waitpid(worker, &status, 0);
			fail_msg("no progress for %lu s", PATIENCE);
		}
		if (now_ns() - told_at > 60 * 1000000000ULL) {
			told_at = now_ns();
			tell_progress(end);
		}
	}
	if (status)
		fail_msg("status %#x: %s", status, shared->message);
	print_message("# %" PRIu64 " writes, %" PRIu64 " snapshots, %" PRIu64
		      " lives\n",
		      shared->writes, shared->snapshots, shared->lives);
	assert_true(shared->snapshots > 0);
	if (!have_cgroup)
		return;
	/* Children may outlive by two seconds; then no page is left. */
	cgroup_set("memory.reclaim", "1G");
	while (rmdir(CGROUP) && tries--)
		usleep(100000);
	assert_true(access(CGROUP, F_OK));
}

static void test_store(void **state)
{
	(void)state;
	soak(worker_store, option.seconds);
}

static void test_redis(void **state)
{
	(void)state;
	if (access("/bin/redis-server", X_OK))
		skip();
	soak(worker_redis, option.seconds);
}

static uint64_t anon_before;

/* What all processes had is free again. */
static void test_memory(void **state)
{
	unsigned int tries;
	uint64_t after = 0;

	(void)state;
	for (tries = slow(50); tries--; usleep(100000)) {
		after = anon_pages();
		if (after < anon_before + MIB / PAGE_BYTES)
			break;
	}
	print_message("# %" PRIu64 " anonymous pages, before %" PRIu64 "\n",
		      after, anon_before);
	assert_in_range(after, 0, anon_before + MIB / PAGE_BYTES);
}

static int note_memory(void **state)
{
	(void)state;
	anon_before = anon_pages();
	return 0;
}

static int restore(void **state)
{
	(void)state;
	if (!access(COWLAB "policy", F_OK))
		knobs_default();
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	switch (key) {
	case 's':
		option.seed = strtoull(arg, NULL, 10);
		return 0;
	case 't':
		option.seconds = strtoull(arg, NULL, 10);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "seed", 's', "N", 0, "Begin with this (default: the time)",
		  0 },
		{ "seconds", 't', "N", 0, "For each library (default 20)", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Run libcowsnap and cowwarm.so for a long time, disturbed.\v"
		       "Example:\n  guest_soak --seconds 1200",
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_store, restore),
		cmocka_unit_test_teardown(test_redis, restore),
		cmocka_unit_test(test_memory),
	};

	option.seed = now_ns() % 1000000 + 1;
	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return 1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	printf("# seed %" PRIu64 "\n", option.seed);
	avoid_stale_breakpoints();
	return cmocka_run_group_tests_name("guest_soak", tests, note_memory,
					   NULL);
}
