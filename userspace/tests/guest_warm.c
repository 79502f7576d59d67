// SPDX-License-Identifier: GPL-2.0
/*
 * cowwarm.so, under programs of all kinds. The programs are this one, started
 * again with the name of a program below; they know nothing of the library.
 */
#include "tests/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARY "/lib/cowwarm.so"
#define MIB (1UL << 20)
#define BYTES (64 * MIB)
#define PAGES (BYTES / PAGE_BYTES)

static unsigned char *mem;

static void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(99);
}

static void map_mem(void)
{
	size_t page;

	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		give_up("mmap");
	madvise(mem, BYTES, MADV_NOHUGEPAGE);
	for (page = 0; page < PAGES; page++)
		memset(mem + page * PAGE_BYTES, page, PAGE_BYTES);
}

/* How many of the pages are no longer shared with a child. */
static size_t own_pages(size_t first, size_t nr)
{
	static uint64_t entries[PAGES];
	size_t i, own = 0;

	if (!pagemap_entries(mem + first * PAGE_BYTES, entries, nr))
		give_up("pagemap");
	for (i = 0; i < nr; i++)
		own += entries[i] & PM_PRESENT && entries[i] & PM_EXCLUSIVE;
	return own;
}

/* Wait until there are @want, or until nothing has changed for a while. */
static size_t settle(size_t want)
{
	size_t own = own_pages(0, PAGES), before;
	unsigned int calm;

	for (calm = 0; calm < 20 && own < want; calm++) {
		before = own;
		usleep(20000);
		own = own_pages(0, PAGES);
		if (own != before)
			calm = 0;
	}
	return own;
}

/* A child that sleeps, and then checks that it still has what was there. */
static pid_t fork_saver(int *release)
{
	int fds[2];
	pid_t child;
	size_t at;
	char byte;

	if (pipe2(fds, O_CLOEXEC))
		give_up("pipe2");
	child = fork();
	if (child < 0)
		give_up("fork");
	if (child) {
		close(fds[0]);
		*release = fds[1];
		return child;
	}
	close(fds[1]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(fds[0], &byte, 1) < 0)
		_exit(1);
	for (at = 0; at < BYTES; at++) {
		if (mem[at] != (unsigned char)(at / PAGE_BYTES))
			_exit(2);
	}
	_exit(0);
}

static void end_saver(pid_t child, int release)
{
	int status;

	close(release);
	if (waitpid(child, &status, 0) != child || status) {
		fprintf(stderr, "the child ended with status %x\n", status);
		exit(98);
	}
}

/* Fork, and say how many pages are no longer shared in the end. */
static int program_fork(int times)
{
	int release;
	pid_t child;

	map_mem();
	while (times--) {
		child = fork_saver(&release);
		printf("own %zu\n", settle(PAGES));
		end_saver(child, release);
		/* Nobody shares them now. */
		if (own_pages(0, PAGES) != PAGES)
			give_up("pages are shared with nobody");
	}
	return 0;
}

/* The same, with a child that is killed at once; the rest must stop. */
static int program_killed(int unused)
{
	int release;
	pid_t child;

	(void)unused;
	map_mem();
	child = fork_saver(&release);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(release);
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	end_saver(child, release);
	return 0;
}

/*
 * Write some 2 MiB blocks all the time, others never. Say, after some forks,
 * how many pages of the former were broken before they were written again.
 */
#define HOT_BLOCK 20
#define HOT_BLOCKS 4
#define HOT_PAGES (HOT_BLOCKS * 512)

static int program_hot(int times)
{
	int release;
	pid_t child;
	size_t i;

	map_mem();
	while (times--) {
		child = fork_saver(&release);
		for (i = 0; times && i < HOT_PAGES; i += 2) {
			/* What it holds already: the child is to see no change. */
			size_t page = HOT_BLOCK * 512 + i;

			*(volatile unsigned char *)(mem + page * PAGE_BYTES) =
				page;
		}
		settle(PAGES);
		if (!times)
			printf("hot %zu\n",
			       own_pages(HOT_BLOCK * 512, HOT_PAGES));
		end_saver(child, release);
	}
	return 0;
}

/* Children that do nothing, one after another. */
static int program_often(int times)
{
	int status;

	map_mem();
	while (times--) {
		pid_t child = fork();

		if (child < 0)
			give_up("fork");
		if (!child)
			_exit(7);
		if (waitpid(child, &status, 0) != child ||
		    WEXITSTATUS(status) != 7)
			give_up("waitpid");
		mem[(size_t)times % PAGES * PAGE_BYTES]++;
	}
	return 0;
}

static void *fork_and_write(void *arg)
{
	const size_t me = (size_t)arg;
	unsigned int i;

	for (i = 0; i < 25; i++) {
		unsigned char *byte = mem + (me * 100 + i) * PAGE_BYTES;
		unsigned char was = *byte;
		pid_t child;

		child = fork();
		if (child < 0)
			give_up("fork");
		if (!child)
			_exit(*byte != was);
		++*byte;
		if (waitpid(child, NULL, 0) != child)
			give_up("waitpid");
		if (*byte != (unsigned char)(was + 1))
			give_up("a lost write");
	}
	return NULL;
}

static int program_threads(int count)
{
	pthread_t threads[16];
	int i;

	map_mem();
	for (i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, fork_and_write,
				   (void *)(size_t)i))
			give_up("pthread_create");
	}
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/* Children that are another program at once, which runs for a while. */
static int program_exec(int times)
{
	map_mem();
	while (times--) {
		pid_t child = fork();

		if (child < 0)
			give_up("fork");
		if (!child) {
			unsetenv("LD_PRELOAD");
			execlp("sleep", "sleep", "0.1", NULL);
			_exit(1);
		}
		if (waitpid(child, NULL, 0) != child)
			give_up("waitpid");
	}
	return 0;
}

/* A child that forks itself. */
static int program_nested(int unused)
{
	int status;
	pid_t child;

	(void)unused;
	map_mem();
	child = fork();
	if (child < 0)
		give_up("fork");
	if (!child)
		return program_fork(1);
	waitpid(child, &status, 0);
	return status;
}

/* Exit while the warmer is at work, and the child stays. */
static int program_exit(int unused)
{
	int release;

	(void)unused;
	map_mem();
	fork_saver(&release);
	usleep(8000);
	return 5;
}

/* The program closes what it has not opened, as daemons do. */
static int program_closes(int unused)
{
	int release, fd;
	pid_t child;

	(void)unused;
	map_mem();
	child = fork_saver(&release);
	for (fd = 3; fd < 1000; fd++) {
		if (fd != release)
			close(fd);
	}
	printf("own %zu\n", settle(PAGES));
	end_saver(child, release);
	/* Nor is anything of ours left in its table. */
	fd = open("/dev/null", O_RDONLY);
	printf("fd %d\n", fd);
	return 0;
}

/* The nice values of this thread and of the warmer. */
static int program_nice(int unused)
{
	struct dirent *task;
	int release, own;
	pid_t child;
	DIR *tasks;

	(void)unused;
	setpriority(PRIO_PROCESS, 0, 3);
	own = getpriority(PRIO_PROCESS, 0);
	map_mem();
	child = fork_saver(&release);
	settle(PAGES);
	tasks = opendir("/proc/self/task");
	if (!tasks)
		give_up("/proc/self/task");
	while ((task = readdir(tasks))) {
		pid_t tid = atoi(task->d_name);

		if (tid && tid != getpid())
			printf("above %d\n",
			       getpriority(PRIO_PROCESS, tid) - own);
	}
	closedir(tasks);
	end_saver(child, release);
	return 0;
}

static const struct program {
	const char *name;
	int (*main)(int arg);
} programs[] = {
	{ "fork", program_fork },	{ "killed", program_killed },
	{ "hot", program_hot },		{ "often", program_often },
	{ "threads", program_threads }, { "exec", program_exec },
	{ "nested", program_nested },	{ "exit", program_exit },
	{ "closes", program_closes },	{ "nice", program_nice },
};

/* Start one under the library. Return: its status; what it says in @text. */
static int run(char *text, size_t len, const char *env, const char *program)
{
	char command[256];
	int status;
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command),
		 "LD_PRELOAD=" LIBRARY " %s /proc/%d/exe --%s 2>&1", env,
		 getpid(), program);
	f = popen(command, "re");
	assert_non_null(f);
	n = fread(text, 1, len - 1, f);
	text[n] = '\0';
	status = pclose(f);
	if (WIFSIGNALED(status))
		fail_msg("%s: killed by signal %d: %s", program,
			 WTERMSIG(status), text);
	return WEXITSTATUS(status);
}

/* The number behind a word, the last time it is there. */
static uint64_t said(const char *text, const char *word)
{
	const char *at = NULL, *next = text;

	while ((next = strstr(next, word)))
		at = next++;
	if (!at)
		fail_msg("no '%s' in: %s", word, text);
	return strtoull(at + strlen(word), NULL, 10);
}

static void expect_success(int status, const char *text)
{
	if (status)
		fail_msg("status %d: %s", status, text);
}

/* All pages of all blocks, while the child is there, at each fork again. */
static void test_breaks(void **state)
{
	char text[4096], *line = text;
	unsigned int i;

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "fork 3"),
		       text);
	for (i = 0; i < 3; i++) {
		assert_non_null(line);
		assert_int_equal(said(line, "own "), PAGES);
		line = strchr(line, '\n') + 1;
	}
}

static void test_budget(void **state)
{
	static const struct {
		const char *budget;
		size_t pages;
	} cases[] = {
		{ "16M", 4096 }, { "1M", 256 }, { "4097", 1 },
		{ "4095", 0 },	 { "0", 0 },
	};
	char env[64], text[4096];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t own;

		snprintf(env, sizeof(env),
			 "COWWARM_VERBOSE=1 COWWARM_BUDGET=%s",
			 cases[i].budget);
		expect_success(run(text, sizeof(text), env, "fork 1"), text);
		own = said(text, "own ");
		/* Some are spent elsewhere: heap, stack. */
		if (own > cases[i].pages || own + 128 < cases[i].pages)
			fail_msg("budget %s: %" PRIu64 " pages",
				 cases[i].budget, own);
		if (cases[i].pages)
			assert_in_range(said(text, " forks, "), 0,
					cases[i].pages);
	}
}

static void test_bad_budget(void **state)
{
	static const char *const bad[] = {
		"x", "-1", "1T", "\"\"", "1M1", "99999999999999999999"
	};
	char env[64], text[4096];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *line;

		snprintf(env, sizeof(env), "COWWARM_BUDGET=%s", bad[i]);
		expect_success(run(text, sizeof(text), env, "fork 1"), text);
		line = strstr(text, "cowwarm: invalid COWWARM_BUDGET '");
		assert_ptr_equal(line, text);
		assert_ptr_equal(strchr(text, '\n') + 1, strstr(text, "own "));
		assert_int_equal(said(text, "own "), 0);
	}
}

/* With the child the budget comes back. */
static void test_stops_with_child(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=66M", "killed"),
		       text);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_hot_first(void **state)
{
	char text[4096];

	(void)state;
	/* Enough for the blocks that are written, and a few more. */
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=12M", "hot 4"),
		       text);
	assert_in_range(said(text, "hot "), HOT_PAGES * 9 / 10, HOT_PAGES);
	/* Whose place is not where the warmer would have begun anyway. */
	assert_true(HOT_BLOCK > 6 && HOT_BLOCK + HOT_BLOCKS < 26);
}

static void test_often(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=64M",
			   "often 300"),
		       text);
	assert_string_equal(text, "");
}

static void test_threads(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=64M",
			   "threads 4"),
		       text);
	assert_string_equal(text, "");
}

static void test_exec(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text),
			   "COWWARM_BUDGET=64M COWWARM_VERBOSE=1", "exec 20"),
		       text);
	assert_int_equal(said(text, ": "), 20);
	print_message("# exec: %" PRIu64 " pages broken in 20 forks\n",
		      said(text, " forks, "));
	/* A child that does not exec() would have had 16384 each. */
	assert_in_range(said(text, " forks, "), 0, 20 * PAGES / 20);
}

static void test_nested(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "nested"),
		       text);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_exit(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(run(text, sizeof(text), "COWWARM_BUDGET=64M", "exit"),
			 5);
	assert_string_equal(text, "");
}

static void test_closes(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "closes"),
		       text);
	assert_int_equal(said(text, "own "), PAGES);
	assert_int_equal(said(text, "fd "), 3);
}

/* It takes from nobody who wants the processor more. */
static void test_yields(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "nice"),
		       text);
	assert_int_equal(said(text, "above "), 10);
}

/* One CPU: nothing happens. */
static void test_one_cpu(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=64M taskset 1",
			   "fork 1"),
		       text);
	assert_int_equal(said(text, "own "), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_breaks),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_bad_budget),
		cmocka_unit_test(test_stops_with_child),
		cmocka_unit_test(test_hot_first),
		cmocka_unit_test(test_often),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_closes),
		cmocka_unit_test(test_yields),
		cmocka_unit_test(test_one_cpu),
	};
	size_t i;

	if (argc > 1 && !strncmp(argv[1], "--", 2)) {
		setvbuf(stdout, NULL, _IOLBF, 0);
		for (i = 0; i < ARRAY_SIZE(programs); i++) {
			if (!strcmp(argv[1] + 2, programs[i].name))
				return programs[i].main(
					argc > 2 ? atoi(argv[2]) : 0);
		}
		return 97;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("warm", tests, NULL, NULL);
}
