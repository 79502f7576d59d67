// SPDX-License-Identifier: GPL-2.0
/*
 * libcowsnap: the view is what was there at the moment of cowsnap_begin(), no
 * write is lost, the memory comes back, the prefetcher keeps to its budget; and
 * the store on it, cowkv.
 */
#include "tests/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcowsnap/cowsnap.h"

#define MIB (1UL << 20)
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

/* Rounds of a race: at least so many, at most so many; in between, so long. */
#define RACE_ROUNDS_MIN (quick() ? 2 : 8)
#define RACE_ROUNDS 100
#define RACE_NS (quick() ? 5000000000ULL : 15000000000ULL)

static bool race_on(unsigned int round, uint64_t start)
{
	return round < RACE_ROUNDS_MIN ||
	       (round < RACE_ROUNDS && now_ns() - start < RACE_NS);
}

static struct cowsnap *create(size_t bytes, uint64_t budget, uint64_t rate,
			      unsigned int flags)
{
	const struct cowsnap_budget b = {
		.bytes = budget,
		.bytes_per_second = rate,
		.flags = flags,
	};
	struct cowsnap *cs = cowsnap_create(bytes, budget ? &b : NULL);

	if (!cs)
		fail_msg("cowsnap_create: %s", strerror(errno));
	return cs;
}

static const uint64_t *begin(struct cowsnap *cs)
{
	const void *view = cowsnap_begin(cs);

	if (!view)
		fail_msg("cowsnap_begin: %s", strerror(errno));
	return view;
}

static void end(struct cowsnap *cs)
{
	if (cowsnap_end(cs))
		fail_msg("cowsnap_end: %s", strerror(errno));
}

/* How many pages of the region have a copy. */
static size_t copies(const struct cowsnap *cs)
{
	const size_t pages = cowsnap_size(cs) / PAGE_BYTES;
	const unsigned char *base = cowsnap_base(cs);
	size_t page, count = 0;
	uint64_t entry;
	int fd = pagemap_open();

	assert_true(fd >= 0);
	for (page = 0; page < pages; page++) {
		assert_true(
			pagemap_read(fd, base + page * PAGE_BYTES, &entry, 1));
		count += entry & (PM_PRESENT | PM_SWAP) && !(entry & PM_FILE);
	}
	close(fd);
	return count;
}

static void fill(struct cowsnap *cs, uint64_t value)
{
	uint64_t *word = cowsnap_base(cs);
	size_t i;

	for (i = 0; i < cowsnap_size(cs) / sizeof(*word); i++)
		word[i] = value + i;
}

static void check(const uint64_t *word, size_t bytes, uint64_t value)
{
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++) {
		if (word[i] != value + i)
			fail_msg("word %zu: %" PRIu64 ", not %" PRIu64, i,
				 word[i], value + i);
	}
}

static void test_frozen(void **state)
{
	static const size_t sizes[] = { 1, PAGE_BYTES + 1, 2 * MIB,
					2 * MIB + 5 * PAGE_BYTES, 16 * MIB };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct cowsnap *cs = create(sizes[i], 0, 0, 0);
		const size_t bytes = cowsnap_size(cs);
		struct cowsnap_stats stats;
		const uint64_t *view;
		uint64_t word;

		assert_in_range(bytes, sizes[i], sizes[i] + PAGE_BYTES - 1);
		fill(cs, 1);
		view = begin(cs);
		check(view, bytes, 1);
		fill(cs, 1000000);
		check(view, bytes, 1);
		check(cowsnap_base(cs), bytes, 1000000);
		assert_int_equal(pread(cowsnap_fd(cs), &word, 8, 8), 8);
		assert_int_equal(word, 2);
		assert_int_equal(copies(cs), bytes / PAGE_BYTES);
		end(cs);
		check(cowsnap_base(cs), bytes, 1000000);
		cowsnap_stats(cs, &stats);
		assert_int_equal(stats.pages, bytes / PAGE_BYTES);
		assert_int_equal(copies(cs), 0);
		cowsnap_destroy(cs);
	}
}

/* Memory: what was written and no more, and all of it comes back. */
static void test_memory(void **state)
{
	struct cowsnap *cs = create(64 * MIB, 0, 0, 0);
	uint64_t *word = cowsnap_base(cs);
	const size_t pages = cowsnap_size(cs) / PAGE_BYTES;
	uint64_t before, during, after;
	struct cowsnap_stats stats;
	struct rusage r0, r1;
	size_t i, written = 0;

	(void)state;
	fill(cs, 1);
	before = anon_pages();
	begin(cs);
	for (i = 0; i < pages; i += 7, written++)
		word[i * PAGE_WORDS] = 0;
	during = anon_pages();
	assert_in_range(during - before, written, written + 16);
	assert_int_equal(copies(cs), written);
	end(cs);
	cowsnap_stats(cs, &stats);
	assert_int_equal(stats.pages, written);
	assert_int_equal(stats.prefetched_pages, 0);
	after = anon_pages();
	assert_in_range(after, before - 16, before + 16);
	/* And nothing is left to be paid for. */
	getrusage(RUSAGE_THREAD, &r0);
	for (i = 0; i < pages; i++)
		word[i * PAGE_WORDS + 1] = 0;
	getrusage(RUSAGE_THREAD, &r1);
	assert_int_equal(r1.ru_minflt - r0.ru_minflt, 0);
	cowsnap_destroy(cs);
}

/* Snapshot after snapshot, against a copy. */
static void snapshot_again(size_t bytes, size_t rounds)
{
	struct cowsnap *cs = create(bytes, MIB, 0, 0);
	const size_t words = cowsnap_size(cs) / 8;
	uint64_t *word = cowsnap_base(cs), rng = 1;
	uint64_t *shadow = malloc(words * 8);
	const uint64_t *view;
	size_t i, round;
	uint64_t maps;

	fill(cs, 5);
	memcpy(shadow, word, words * 8);
	maps = strlen(file_text("/proc/self/maps"));
	for (round = 0; round < rounds; round++) {
		view = begin(cs);
		for (i = 0; i < round * 200; i++) {
			rng = rng * 6364136223846793005ULL + 1;
			word[(rng >> 20) % words] = rng;
		}
		assert_false(memcmp(view, shadow, words * 8));
		memcpy(shadow, word, words * 8);
		end(cs);
		assert_false(memcmp(word, shadow, words * 8));
	}
	/* No mapping is left behind. */
	assert_in_range(strlen(file_text("/proc/self/maps")), maps - 200,
			maps + 200);
	free(shadow);
	cowsnap_destroy(cs);
}

/* A small one, and one that takes up whole GiB of address space. */
static void test_again_and_again(void **state)
{
	(void)state;
	snapshot_again(8 * MIB, 30);
	snapshot_again(65 * MIB + PAGE_BYTES, 4);
}

/*
 * Consistent cut: a writer counts up in sequential pages; a second writer
 * copies what it sees of the first. Neither waits for cowsnap_begin().
 */
#define CUT_PAGES 512

static struct {
	struct cowsnap *cs;
	_Atomic uint64_t *word;
	atomic_bool stop;
	_Atomic uint64_t rounds;
} cut;

static _Atomic uint64_t *cut_word(size_t page)
{
	return cut.word + page * PAGE_WORDS;
}

static void *cut_leader(void *unused)
{
	uint64_t value;
	size_t page;

	(void)unused;
	for (value = 1; !cut.stop; value++) {
		for (page = 0; page < CUT_PAGES; page++)
			atomic_store_explicit(cut_word(page), value,
					      memory_order_release);
		cut.rounds = value;
	}
	return NULL;
}

/* From the last of the leader's pages to its own, which come before those. */
static void *cut_follower(void *unused)
{
	size_t page = 0;

	(void)unused;
	while (!cut.stop) {
		uint64_t value = atomic_load_explicit(cut_word(CUT_PAGES - 1),
						      memory_order_acquire);

		page = (page + 1) % CUT_PAGES;
		atomic_store_explicit(cut_word(CUT_PAGES + page), value,
				      memory_order_release);
	}
	return NULL;
}

static void check_cut(const uint64_t *view)
{
	uint64_t first = view[0], last = view[(CUT_PAGES - 1) * PAGE_WORDS];
	size_t page;

	assert_in_range(first - last, 0, 1);
	for (page = 1; page < CUT_PAGES; page++) {
		if (view[page * PAGE_WORDS] > view[(page - 1) * PAGE_WORDS])
			fail_msg(
				"page %zu has a later write than the page that was written before",
				page);
	}
	for (page = 0; page < CUT_PAGES; page++) {
		if (view[(CUT_PAGES + page) * PAGE_WORDS] > last)
			fail_msg(
				"page %zu knows of a write that the snapshot has not",
				page);
	}
}

static void test_consistent_cut(void **state)
{
	pthread_t leader, follower;
	const uint64_t *view;
	const uint64_t start = now_ns();
	uint64_t *copy;
	unsigned int i;

	(void)state;
	cut.cs = create(2 * CUT_PAGES * PAGE_BYTES, 0, 0, 0);
	cut.word = cowsnap_base(cut.cs);
	copy = malloc(cowsnap_size(cut.cs));
	cut.stop = false;
	cut.rounds = 0;
	memset((void *)cut.word, 0, cowsnap_size(cut.cs));
	assert_int_equal(pthread_create(&leader, NULL, cut_leader, NULL), 0);
	assert_int_equal(pthread_create(&follower, NULL, cut_follower, NULL),
			 0);
	for (i = 0; race_on(i, start); i++) {
		uint64_t seen = cut.rounds;

		while (cut.rounds < seen + 2)
			usleep(100);
		view = begin(cut.cs);
		memcpy(copy, view, cowsnap_size(cut.cs));
		check_cut(copy);
		while (cut.rounds < seen + 4)
			usleep(100);
		assert_false(memcmp(copy, view, cowsnap_size(cut.cs)));
		end(cut.cs);
	}
	cut.stop = true;
	pthread_join(leader, NULL);
	pthread_join(follower, NULL);
	free(copy);
	cowsnap_destroy(cut.cs);
}

/* Writers at work through begin and end, by stores and by system calls. */
#define LOST_PAGES 1024
#define LOST_WRITERS 2

static struct {
	struct cowsnap *cs;
	_Atomic uint64_t *word;
	atomic_bool stop;
	uint64_t counts[LOST_WRITERS + 1][LOST_PAGES];
} lost;

static void *lost_writer(void *arg)
{
	const size_t me = (size_t)arg;
	uint64_t rng = me + 1;

	while (!lost.stop) {
		_Atomic uint64_t *word;
		size_t page;

		rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
		page = (rng >> 33) % LOST_PAGES;
		word = lost.word + page * PAGE_WORDS + me;
		if (atomic_load_explicit(word, memory_order_relaxed) !=
		    lost.counts[me][page])
			return "a write is lost";
		atomic_store_explicit(word, ++lost.counts[me][page],
				      memory_order_relaxed);
	}
	return NULL;
}

/* The kernel writes: read(2) from a pipe into the region. */
static void *lost_reader(void *arg)
{
	const size_t me = (size_t)arg;
	uint64_t n = 0;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return "no pipe";
	while (!lost.stop) {
		size_t page = n % LOST_PAGES;
		void *word = (void *)(lost.word + page * PAGE_WORDS + me);

		n++;
		if (write(fds[1], &n, 8) != 8)
			return "cannot write to the pipe";
		if (read(fds[0], word, 8) != 8)
			return "read(2) into the region failed";
		lost.counts[me][page] = n;
	}
	close(fds[0]);
	close(fds[1]);
	return NULL;
}

static void test_no_lost_write(void **state)
{
	pthread_t threads[LOST_WRITERS + 1];
	const uint64_t start = now_ns();
	void *error;
	size_t me, page;
	unsigned int i;

	(void)state;
	lost.cs =
		create(LOST_PAGES * PAGE_BYTES, 2 * MIB, 0, COWSNAP_EVERYTHING);
	lost.word = cowsnap_base(lost.cs);
	lost.stop = false;
	memset((void *)lost.word, 0, cowsnap_size(lost.cs));
	for (me = 0; me < LOST_WRITERS; me++)
		assert_int_equal(pthread_create(&threads[me], NULL, lost_writer,
						(void *)me),
				 0);
	assert_int_equal(
		pthread_create(&threads[me], NULL, lost_reader, (void *)me), 0);
	for (i = 0; race_on(i, start); i++) {
		begin(lost.cs);
		usleep(3000);
		end(lost.cs);
		usleep(1000);
	}
	lost.stop = true;
	for (me = 0; me <= LOST_WRITERS; me++) {
		pthread_join(threads[me], &error);
		if (error)
			fail_msg("%s", (const char *)error);
		for (page = 0; page < LOST_PAGES; page++)
			assert_int_equal(lost.word[page * PAGE_WORDS + me],
					 lost.counts[me][page]);
	}
	cowsnap_destroy(lost.cs);
}

/* A child has a hole where the region was, in a snapshot and out of it. */
static void test_fork(void **state)
{
	struct cowsnap *cs = create(4 * MIB, 0, 0, 0);
	const uint64_t *view;
	unsigned int i;

	(void)state;
	fill(cs, 3);
	view = begin(cs);
	for (i = 0; i < 3; i++) {
		const volatile uint64_t *at = cowsnap_base(cs);
		pid_t child;
		int status;

		if (i == 1)
			at = view;
		if (i == 2)
			end(cs);
		child = fork();
		assert_true(child >= 0);
		if (!child) {
			/* cmocka has a handler. */
			signal(SIGSEGV, SIG_DFL);
			(void)*at;
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSEGV);
	}
	check(cowsnap_base(cs), cowsnap_size(cs), 3);
	cowsnap_destroy(cs);
}

/* Let the prefetcher do what it will. */
static size_t prefetched_at_last(struct cowsnap *cs)
{
	struct cowsnap_stats stats;
	uint64_t before;
	unsigned int calm;

	cowsnap_stats(cs, &stats);
	for (calm = 0; calm < slow(20); calm++) {
		before = stats.prefetched_pages;
		usleep(20000);
		cowsnap_stats(cs, &stats);
		if (stats.prefetched_pages != before)
			calm = 0;
	}
	return stats.prefetched_pages;
}

static void test_budget(void **state)
{
	static const size_t budgets[] = { 0, PAGE_BYTES, MIB, 5 * MIB + 1,
					  64 * MIB };
	const size_t bytes = 16 * MIB;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(budgets); i++) {
		struct cowsnap *cs =
			create(bytes, budgets[i], 0, COWSNAP_EVERYTHING);
		size_t want = budgets[i] / PAGE_BYTES;
		unsigned int round;

		if (want > bytes / PAGE_BYTES)
			want = bytes / PAGE_BYTES;
		fill(cs, 1);
		for (round = 0; round < 2; round++) {
			begin(cs);
			assert_int_equal(prefetched_at_last(cs), want);
			assert_int_equal(copies(cs), want);
			end(cs);
		}
		check(cowsnap_base(cs), bytes, 1);
		cowsnap_destroy(cs);
	}
}

static void test_rate(void **state)
{
	const uint64_t rate = 4 * MIB;
	struct cowsnap *cs =
		create(16 * MIB, 16 * MIB, rate, COWSNAP_EVERYTHING);
	uint64_t start, ns;
	struct cowsnap_stats stats;

	(void)state;
	fill(cs, 1);
	start = now_ns();
	begin(cs);
	usleep(slow(500000));
	cowsnap_stats(cs, &stats);
	ns = now_ns() - start;
	/* At most what the time has earned, and a batch; at least some. */
	assert_in_range(stats.prefetched_pages * PAGE_BYTES, MIB / 2,
			rate * ns / 1000000000 + 16 * PAGE_BYTES);
	end(cs);
	cowsnap_destroy(cs);
}

/*
 * Until the prefetcher has served so many pages, or for slow(50) ms: how fast it is
 * depends on the kernel, and is measured elsewhere. Return: whether it has.
 */
static bool wait_for_prefetcher(struct cowsnap *cs, size_t pages)
{
	uint64_t until = now_ns() + slow(50) * 1000000;
	struct cowsnap_stats stats;

	do {
		cowsnap_stats(cs, &stats);
		if (stats.prefetched_pages >= pages)
			return true;
		usleep(500);
	} while (now_ns() < until);
	return false;
}

/* Sequential writers get prefetch, random writers do not. */
static void test_stream(void **state)
{
	struct cowsnap *cs = create(64 * MIB, 64 * MIB, 0, 0);
	const size_t pages = cowsnap_size(cs) / PAGE_BYTES;
	volatile uint64_t *word = cowsnap_base(cs);
	struct cowsnap_stats stats;
	struct rusage before, after;
	size_t i, late = 0;
	uint64_t rng = 1;

	(void)state;
	fill(cs, 1);
	begin(cs);
	for (i = 0; i < pages / 8; i++) {
		rng = rng * 6364136223846793005ULL + 1442695040888963407ULL;
		word[(rng >> 33) % pages * PAGE_WORDS] = 0;
		if (!(i % 64))
			usleep(1000);
	}
	cowsnap_stats(cs, &stats);
	assert_int_equal(stats.prefetched_pages, 0);
	end(cs);

	begin(cs);
	/* The prefetcher first takes the reader's faults in advance. */
	usleep(slow(500000));
	getrusage(RUSAGE_THREAD, &before);
	for (i = 0; i < pages; i++) {
		word[i * PAGE_WORDS] = 0;
		/* The prefetcher sees the stream from its first pages. */
		if (!(i % 16) && late < 64 && i + 32 < pages)
			late += !wait_for_prefetcher(cs, i + 32);
	}
	getrusage(RUSAGE_THREAD, &after);
	print_message("# sequential: %ld faults for %zu pages\n",
		      after.ru_minflt - before.ru_minflt, pages);
	assert_in_range(after.ru_minflt - before.ru_minflt, 0, pages / 4);
	end(cs);
	cowsnap_stats(cs, &stats);
	assert_in_range(stats.prefetched_pages, pages * 3 / 4, pages);
	cowsnap_destroy(cs);
}

static void test_errors(void **state)
{
	const struct cowsnap_budget bad = { .flags = 2 };
	struct cowsnap *cs;

	(void)state;
	errno = 0;
	assert_null(cowsnap_create(0, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(cowsnap_create(SIZE_MAX, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(cowsnap_create(1UL << 52, NULL));
	assert_in_range(errno, ENOMEM, ENOMEM);
	assert_null(cowsnap_create(PAGE_BYTES, &bad));
	assert_int_equal(errno, EINVAL);
	cowsnap_destroy(NULL);

	cs = create(MIB, 0, 0, 0);
	assert_int_equal(cowsnap_end(cs), -1);
	assert_int_equal(errno, EINVAL);
	begin(cs);
	assert_null(cowsnap_begin(cs));
	assert_int_equal(errno, EBUSY);
	end(cs);
	assert_int_equal(cowsnap_end(cs), -1);
	/* In a snapshot too. */
	begin(cs);
	cowsnap_destroy(cs);
}

/* What is done to a process that has a region of 66 MiB. */
#define LIMITED_BYTES (66 * MIB)

static uint64_t address_space(void)
{
	return file_field("/proc/self/status", "VmSize:") * 1024;
}

static void set_limit(int resource, uint64_t value)
{
	const struct rlimit limit = { value, value };

	if (setrlimit(resource, &limit))
		_exit(80);
}

/* Two whole snapshots, with a prefetcher. Return: 0, or where it failed. */
static int cycles(size_t bytes)
{
	const struct cowsnap_budget budget = { .bytes = bytes };
	struct cowsnap *cs = cowsnap_create(bytes, &budget);
	volatile unsigned char *p;
	const unsigned char *view;
	size_t at;
	int i;

	if (!cs)
		return errno;
	p = cowsnap_base(cs);
	for (at = 0; at < bytes; at += PAGE_BYTES)
		p[at] = 1;
	for (i = 1; i < 3; i++) {
		view = cowsnap_begin(cs);
		if (!view)
			return errno;
		for (at = 0; at < bytes; at += PAGE_BYTES)
			p[at] = i + 1;
		for (at = 0; at < bytes; at += PAGE_BYTES)
			if (view[at] != i)
				return 101;
		if (cowsnap_end(cs))
			return errno;
		for (at = 0; at < bytes; at += PAGE_BYTES)
			if (p[at] != i + 1)
				return 102;
	}
	cowsnap_destroy(cs);
	return 0;
}

static int limited_space(void)
{
	set_limit(RLIMIT_AS, address_space() + 2 * LIMITED_BYTES + 16 * MIB);
	return cycles(LIMITED_BYTES);
}

/* There is room for the region, and none for the view. */
static int no_space_for_view(void)
{
	struct cowsnap *cs;
	unsigned char *p;
	size_t at;
	int error;

	set_limit(RLIMIT_AS, address_space() + LIMITED_BYTES + 16 * MIB);
	cs = cowsnap_create(LIMITED_BYTES, NULL);
	if (!cs)
		return 103;
	p = cowsnap_base(cs);
	memset(p, 1, LIMITED_BYTES);
	error = cowsnap_begin(cs) ? 104 : errno;
	for (at = 0; at < LIMITED_BYTES; at++)
		if (p[at] != 1)
			return 105;
	if (!cowsnap_end(cs) || errno != EINVAL)
		return 106;
	cowsnap_destroy(cs);
	return error;
}

static int small_files(void)
{
	set_limit(RLIMIT_FSIZE, LIMITED_BYTES - PAGE_BYTES);
	return cycles(LIMITED_BYTES);
}

static int just_enough_files(void)
{
	set_limit(RLIMIT_FSIZE, LIMITED_BYTES);
	return cycles(LIMITED_BYTES);
}

static int few_descriptors(void)
{
	int next = dup(0), left, ret;

	close(next);
	/* The first fails, the second, and so on. */
	for (left = 0;; left++) {
		const struct rlimit limit = { next + left, 4096 };

		if (setrlimit(RLIMIT_NOFILE, &limit))
			return 107;
		ret = cycles(2 * MIB);
		if (ret && ret != EMFILE)
			return ret;
		if (dup(0) != (left ? next : -1))
			return 108;
		close(next);
		if (!ret)
			return left > 2 ? 0 : 109;
	}
}

static int locked(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		return 110;
	return cycles(LIMITED_BYTES);
}

/* As a program without privileges, which may lock little. */
static int locked_little(void)
{
	set_limit(RLIMIT_MEMLOCK, 4 * MIB);
	if (setresuid(65534, 65534, 65534) || prctl(PR_SET_DUMPABLE, 1) ||
	    mlockall(MCL_FUTURE))
		return 111;
	return cycles(LIMITED_BYTES);
}

/* Every mapping is charged whole; there is room for two regions, not for GiB. */
static int strict_overcommit(void)
{
	return cycles(LIMITED_BYTES);
}

/* A call gets an answer from a filter. */
static int filtered(unsigned int call, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = { ARRAY_SIZE(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 77;
	return cycles(LIMITED_BYTES);
}

static int no_uffd(void)
{
	return filtered(SYS_userfaultfd, EACCES);
}

static int no_manual_cow(void)
{
	return filtered(548, EPERM);
}

static int no_memfd(void)
{
	return filtered(SYS_memfd_create, EPERM);
}

/* Limits of the process and the machine: the documented error, or it works. */
static void test_limits(void **state)
{
	static const struct {
		const char *name;
		int (*body)(void);
		int error;
	} limits[] = {
		{ "RLIMIT_AS", limited_space, 0 },
		{ "RLIMIT_AS, view", no_space_for_view, ENOMEM },
		{ "RLIMIT_FSIZE", small_files, EFBIG },
		{ "RLIMIT_FSIZE, just enough", just_enough_files, 0 },
		{ "RLIMIT_NOFILE", few_descriptors, 0 },
		{ "mlockall", locked, 0 },
		{ "RLIMIT_MEMLOCK", locked_little, EAGAIN },
		{ "seccomp, userfaultfd", no_uffd, EACCES },
		{ "seccomp, manual_cow", no_manual_cow, 0 },
		{ "seccomp, memfd_create", no_memfd, EPERM },
		{ "strict overcommit", strict_overcommit, 0 },
	};
	uint64_t room;
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const bool strict = limits[i].body == strict_overcommit;
		int status;
		pid_t pid;

		if (strict) {
			room = file_field("/proc/meminfo", "Committed_AS:") +
			       (2 * LIMITED_BYTES + 48 * MIB) / 1024;
			snprintf(text, sizeof(text), "%lu", room);
			file_set("/proc/sys/vm/overcommit_kbytes", text);
			file_set("/proc/sys/vm/overcommit_memory", "2");
		}
		pid = fork();
		if (!pid) {
			alarm(slow(60));
			_exit(limits[i].body());
		}
		if (strict) {
			/* First of all: nothing else shall fail. */
			if (pid > 0)
				waitpid(pid, &status, 0);
			file_set("/proc/sys/vm/overcommit_memory", "0");
			file_set("/proc/sys/vm/overcommit_ratio", "50");
		} else {
			assert_int_equal(waitpid(pid, &status, 0), pid);
		}
		assert_true(pid > 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			print_message("# no filters here: %s\n",
				      limits[i].name);
		else if (status != limits[i].error << 8)
			fail_msg("%s: status %#x, not error %d", limits[i].name,
				 status, limits[i].error);
	}
}

static int run(const char *command, char *text, size_t len)
{
	FILE *f = popen(command, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, len - 1, f);
	text[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

static void test_cowkv(void **state)
{
	static const struct {
		const char *args;
		int status;
		const char *says;
	} cases[] = {
		{ "-s 16M -n 3 -W 20000", 0, "yes" },
		{ "-s 16M -b 4M -e -W 20000", 0, "yes" },
		{ "-s 16M -p seq -b 16M -P 2000 -W 20000", 0, "yes" },
		{ "-s 16M -m fork -n 2 -W 20000", 0, "yes" },
		{ "-s 16M --corrupt", 1, "key 1 is not as write" },
		{ "-s 16M -m fork --corrupt", 1, "key 1 is not as write" },
		{ "--verify /tmp/kv", 1, "key 1 is not as write" },
		{ "--verify /bin/cowkv", 1, "not a file of cowkv's" },
		{ "-s 1M -m none", 0, "none " },
		{ "-s 16M -o /nowhere/kv", 1, "cannot open /nowhere/kv" },
	};
	char command[256], text[4096];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int status;

		snprintf(command, sizeof(command),
			 "cd /tmp; cowkv -o kv %s 2>&1", cases[i].args);
		status = run(command, text, sizeof(text));
		if (status != cases[i].status || !strstr(text, cases[i].says))
			fail_msg("cowkv %s: status %d: %s", cases[i].args,
				 status, text);
	}
	/* A bit that has flipped on the disk is found. */
	assert_int_equal(run("cd /tmp; cowkv -s 1M -o kv && cowkv --verify kv",
			     text, sizeof(text)),
			 0);
	assert_int_equal(
		run("cd /tmp; printf x | dd of=kv bs=1 seek=5000 conv=notrunc 2>/dev/null; cowkv --verify kv 2>&1",
		    text, sizeof(text)),
		1);
	unlink("/tmp/kv");
}

/* A child that cleans up what it has inherited waits for no thread. */
static void test_child_forgets(void **state)
{
	uint64_t budget;

	(void)state;
	for (budget = 0; budget <= 8 * MIB; budget += 8 * MIB) {
		struct cowsnap *cs = create(16 * MIB, budget, 0, 0);
		unsigned char *base = cowsnap_base(cs);
		int status, when;

		/* With a snapshot, and without one. */
		for (when = 0; when < 2; when++) {
			pid_t child;

			memset(base, 1, 16 * MIB);
			begin(cs);
			usleep(20000);
			if (when)
				assert_int_equal(cowsnap_end(cs), 0);
			child = fork();
			if (!child) {
				void *mine;

				alarm(slow(20));
				/* Where the region is in the parent. */
				mine = mmap(base, 16 * MIB,
					    PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
				if (mine == base)
					memset(mine, 9, 16 * MIB);
				if (cowsnap_begin(cs) || errno != EPERM ||
				    !cowsnap_end(cs) || errno != EPERM)
					_exit(2);
				cowsnap_destroy(cs);
				if (mine == base && base[16 * MIB - 1] != 9)
					_exit(3);
				_exit(0);
			}
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_int_equal(status, 0);
			base[0] = 2;
			if (!when)
				assert_int_equal(cowsnap_end(cs), 0);
			assert_int_equal(base[0], 2);
			assert_int_equal(base[PAGE_BYTES], 1);
		}
		cowsnap_destroy(cs);
	}
}

/* A region that is mostly unwritten stays so, whatever the prefetcher may. */
static void test_holes_stay(void **state)
{
	const unsigned int flags[] = { 0, COWSNAP_EVERYTHING };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct cowsnap *cs = create(128 * MIB, 64 * MIB, 0, flags[i]);
		unsigned char *base = cowsnap_base(cs);
		struct stat st;

		memset(base, 1, MIB);
		memset(base + 64 * MIB, 1, MIB);
		begin(cs);
		usleep(slow(500000));
		assert_int_equal(fstat(cowsnap_fd(cs), &st), 0);
		assert_in_range(st.st_blocks * 512, 2 * MIB, 3 * MIB);
		assert_int_equal(cowsnap_end(cs), 0);
		assert_int_equal(base[64 * MIB], 1);
		assert_int_equal(base[100 * MIB], 0);
		cowsnap_destroy(cs);
	}
}

static int ask(unsigned char *at, size_t bytes, unsigned int what)
{
	switch (what) {
	case 0:
		return madvise(at, bytes, MADV_RANDOM);
	case 1:
		return madvise(at, bytes, MADV_SEQUENTIAL);
	case 2:
		return madvise(at, bytes, MADV_DONTDUMP);
	case 3:
		return madvise(at, bytes, MADV_NOHUGEPAGE);
	case 4:
		return mlock(at, bytes);
	case 5:
		return mlock2(at, bytes, MLOCK_ONFAULT);
	default:
		return mprotect(at, bytes, PROT_READ);
	}
}

/* What a program asks for a part of its region costs no snapshot. */
static void test_split(void **state)
{
	const size_t bytes = 8 * MIB;
	unsigned int what, when;

	(void)state;
	for (what = 0; what < 7; what++) {
		for (when = 0; when < 2; when++) {
			struct cowsnap *cs = create(bytes, 0, 0, 0);
			unsigned char *base = cowsnap_base(cs);
			const unsigned char *view;
			unsigned int round;

			memset(base, 1, bytes);
			if (!when)
				assert_int_equal(ask(base + 3 * MIB,
						     16 * PAGE_BYTES, what),
						 0);
			for (round = 1; round < 4; round++) {
				view = (void *)begin(cs);
				if (when && round == 1)
					assert_int_equal(ask(base + 3 * MIB,
							     16 * PAGE_BYTES,
							     what),
							 0);
				memset(base, round + 1, 3 * MIB);
				memset(base + 5 * MIB, round + 1, MIB);
				assert_int_equal(view[0], round);
				assert_int_equal(view[3 * MIB], 1);
				if (cowsnap_end(cs))
					fail_msg("request %u, round %u: %s",
						 what, round, strerror(errno));
				assert_int_equal(base[0], round + 1);
				assert_int_equal(base[3 * MIB], 1);
				assert_int_equal(base[5 * MIB], round + 1);
				assert_int_equal(base[7 * MIB], 1);
			}
			/* A page that was made read-only before still is. */
			if (what == 6 && !when) {
				int fd =
					open("/dev/zero", O_RDONLY | O_CLOEXEC);

				assert_int_equal(read(fd, base + 3 * MIB, 1),
						 -1);
				assert_int_equal(errno, EFAULT);
				close(fd);
			}
			cowsnap_destroy(cs);
		}
	}
}

static unsigned char *touched;
static volatile sig_atomic_t touches;

static void touch(int sig)
{
	size_t i;

	(void)sig;
	for (i = 0; i < 64; i++)
		touched[(size_t)(touches * 64 + i) % 1024 * PAGE_BYTES]++;
	touches++;
}

/* A handler that writes to the region, in the thread that ends the snapshot. */
static void test_signals(void **state)
{
	const struct sigaction action = { .sa_handler = touch,
					  .sa_flags = SA_RESTART };
	const struct itimerval timer = { { 0, 400 }, { 0, 400 } };
	struct cowsnap *cs = create(4 * MIB, 0, 0, 0);
	unsigned int round, i;
	uint64_t sum = 0;

	(void)state;
	touched = cowsnap_base(cs);
	touches = 0;
	alarm(slow(120));
	sigaction(SIGPROF, &action, NULL);
	assert_int_equal(setitimer(ITIMER_PROF, &timer, NULL), 0);
	for (round = 0; round < 60; round++) {
		begin(cs);
		assert_int_equal(cowsnap_end(cs), 0);
	}
	setitimer(ITIMER_PROF, &(struct itimerval){ 0 }, NULL);
	alarm(0);
	/* No write is lost. */
	for (i = 0; i < 1024; i++)
		sum += touched[(size_t)i * PAGE_BYTES];
	assert_int_equal(sum % 256, (uint64_t)touches * 64 % 256);
	cowsnap_destroy(cs);
}

static void *end_again_and_again(void *arg)
{
	struct cowsnap *cs = arg;
	unsigned char *base = cowsnap_base(cs);

	for (;;) {
		if (!cowsnap_begin(cs))
			return (void *)1;
		memset(base, 3, MIB);
		if (cowsnap_end(cs))
			return (void *)2;
		pthread_testcancel();
	}
}

/* A thread that is cancelled leaves the region usable. */
static void test_cancel(void **state)
{
	struct cowsnap *cs = create(4 * MIB, 0, 0, 0);
	unsigned int round;

	(void)state;
	alarm(slow(120));
	for (round = 0; round < 30; round++) {
		pthread_t thread;
		void *ret;

		assert_int_equal(pthread_create(&thread, NULL,
						end_again_and_again, cs),
				 0);
		usleep(1000 + round * 700);
		pthread_cancel(thread);
		assert_int_equal(pthread_join(thread, &ret), 0);
		assert_ptr_equal(ret, PTHREAD_CANCELED);
		begin(cs);
		assert_int_equal(cowsnap_end(cs), 0);
	}
	alarm(0);
	cowsnap_destroy(cs);
}

#define SPARSE_PAGES (32 * MIB / PAGE_BYTES)

static size_t sparse_pages;
static atomic_bool sparse_over;
static struct cowsnap *sparse_region;

/* Count in a word of its own on pages all over the region. */
static void *count_all_over(void *arg)
{
	const size_t me = (size_t)arg;
	uint64_t *word = cowsnap_base(sparse_region);
	static uint64_t done[2][SPARSE_PAGES];
	uint64_t seed = me + 1;
	size_t page, lost = 0;

	memset(done[me], 0, sizeof(done[me]));
	while (!sparse_over) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		page = (seed >> 33) % sparse_pages;
		word[page * PAGE_WORDS + me]++;
		done[me][page]++;
		if (!(seed >> 60))
			usleep(50);
	}
	for (page = 0; page < sparse_pages; page++)
		lost += word[page * PAGE_WORDS + me] != done[me][page];
	return (void *)lost;
}

/* Writers fill a sparse region while snapshots begin and end. */
static void test_sparse(void **state)
{
	uint64_t budget, start, bytes;

	(void)state;
	sparse_pages = quick() ? SPARSE_PAGES / 4 : SPARSE_PAGES;
	bytes = sparse_pages * PAGE_BYTES;
	for (budget = 0; budget <= bytes / 4; budget += bytes / 4) {
		unsigned int round, i;
		pthread_t threads[2];

		start = now_ns();
		for (round = 0; race_on(round, start); round++) {
			const uint64_t *view;
			size_t page, torn = 0;
			void *lost;

			sparse_region = create(bytes, budget, 0, 0);
			sparse_over = false;
			for (i = 0; i < 2; i++)
				assert_int_equal(
					pthread_create(&threads[i], NULL,
						       count_all_over,
						       (void *)(size_t)i),
					0);
			for (i = 0; i < 4; i++) {
				static uint64_t copy[SPARSE_PAGES][2];

				usleep(300 * (round % 8));
				view = begin(sparse_region);
				for (page = 0; page < sparse_pages; page++)
					memcpy(copy[page],
					       view + page * PAGE_WORDS, 16);
				usleep(1000);
				for (page = 0; page < sparse_pages; page++)
					torn += memcmp(copy[page],
						       view + page * PAGE_WORDS,
						       16) != 0;
				end(sparse_region);
			}
			sparse_over = true;
			for (i = 0; i < 2; i++) {
				pthread_join(threads[i], &lost);
				assert_int_equal((size_t)lost, 0);
			}
			assert_int_equal(torn, 0);
			cowsnap_destroy(sparse_region);
		}
	}
}

/* A page that is first written while there is a snapshot costs one. */
static void test_first_write(void **state)
{
	struct cowsnap *cs = create(128 * MIB, 0, 0, 0);
	unsigned char *base = cowsnap_base(cs), sum = 0;
	struct stat st;
	size_t at;

	(void)state;
	memset(base + 40 * MIB, 1, MIB);
	begin(cs);
	for (at = 64 * MIB; at < 80 * MIB; at += PAGE_BYTES)
		base[at] = 2;
	for (at = 96 * MIB; at < 112 * MIB; at += PAGE_BYTES)
		sum += base[at];
	assert_int_equal(sum, 0);
	assert_int_equal(fstat(cowsnap_fd(cs), &st), 0);
	assert_in_range(st.st_blocks * 512, MIB, 2 * MIB);
	end(cs);
	assert_int_equal(fstat(cowsnap_fd(cs), &st), 0);
	assert_in_range(st.st_blocks * 512, 17 * MIB, 18 * MIB);
	for (at = 64 * MIB; at < 80 * MIB; at += PAGE_BYTES)
		assert_int_equal(base[at], 2);
	assert_int_equal(base[40 * MIB], 1);
	cowsnap_destroy(cs);
}

static unsigned char *untouched;
static atomic_bool touching;

/* Read one page after the other, none of them twice, for 300 ms. */
static ssize_t touch_slowly(void *cookie, const char *buf, size_t size)
{
	const uint64_t end = now_ns() + slow(300000000);
	unsigned char *last = untouched + 64 * MIB;

	(void)cookie;
	(void)buf;
	for (touching = true; now_ns() < end && untouched < last;
	     untouched += PAGE_BYTES) {
		(void)*(volatile unsigned char *)untouched;
		usleep(20);
	}
	return size;
}

static void *flush_all(void *arg)
{
	FILE *f = fopencookie(NULL, "w",
			      (cookie_io_functions_t){ .write = touch_slowly });

	(void)arg;
	fputc('x', f);
	/* The list of files is locked meanwhile, and fopen() waits. */
	fflush(NULL);
	fclose(f);
	return NULL;
}

/*
 * A thread that has a lock of the C library waits for a page of a region. A region
 * that has holes and is split must not need that lock while it makes threads wait.
 */
static void test_locks(void **state)
{
	struct cowsnap *cs = create(128 * MIB, 0, 0, 0);
	unsigned char *base = cowsnap_base(cs);
	pthread_t thread;

	(void)state;
	alarm(slow(60));
	memset(base, 1, MIB);
	assert_int_equal(madvise(base, MIB, MADV_RANDOM), 0);
	untouched = base + 32 * MIB;
	touching = false;
	assert_int_equal(pthread_create(&thread, NULL, flush_all, NULL), 0);
	while (!touching)
		usleep(100);
	begin(cs);
	end(cs);
	pthread_join(thread, NULL);
	alarm(0);
	cowsnap_destroy(cs);
}

static atomic_bool splitting;

/* Split and merge the mappings of a region all the time. */
static void *split_on(void *arg)
{
	unsigned char *base = arg;
	size_t n;

	for (n = 0; splitting; n++) {
		unsigned char *at = base + n * 37 % 4000 * PAGE_BYTES;

		madvise(at, 5 * PAGE_BYTES, n % 2 ? MADV_RANDOM : MADV_NORMAL);
		if (!(n % 8))
			madvise(base, 16 * MIB, MADV_NORMAL);
	}
	return NULL;
}

/* Another thread's requests cost no address space, whenever they come. */
static void test_split_meanwhile(void **state)
{
	struct cowsnap *cs = create(16 * MIB, 0, 0, 0);
	uint64_t before = 0, after;
	pthread_t thread;
	unsigned int i;

	(void)state;
	alarm(slow(120));
	fill(cs, 1);
	splitting = true;
	assert_int_equal(
		pthread_create(&thread, NULL, split_on, cowsnap_base(cs)), 0);
	for (i = 0; i < 8; i++) {
		begin(cs);
		fill(cs, i);
		end(cs);
		if (i == 1)
			before = file_field("/proc/self/status", "VmSize:");
	}
	after = file_field("/proc/self/status", "VmSize:");
	splitting = false;
	pthread_join(thread, NULL);
	alarm(0);
	check(cowsnap_base(cs), 16 * MIB, 7);
	cowsnap_destroy(cs);
	assert_in_range(after, 0, before + 8192);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_again_and_again),
		cmocka_unit_test(test_consistent_cut),
		cmocka_unit_test(test_no_lost_write),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cowkv),
		cmocka_unit_test(test_child_forgets),
		cmocka_unit_test(test_holes_stay),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_first_write),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_split_meanwhile),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("snap", tests, NULL, NULL);
}
