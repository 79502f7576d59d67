// SPDX-License-Identifier: GPL-2.0
/* startcost - what it costs to start a program */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/listen.h"
#include "common/options.h"
#include "common/row.h"
#include "common/util.h"

#define COLUMNS \
	"program=%-20s round=%5lu elapsed_ns=%12lu faults=%8ld majflt=%8ld peak_kb=%8ld cow_faults=%8s pages_copied=%8s cache=%s system_ns=%12lu"

static const char doc[] =
	"Start a program again and again, and time it from its start to its end.\n"
	"\n"
	"What it prints is thrown away. With --debugfs the program is started once more, untimed, with cowlab's timing on, and its COW faults and the pages that they copied are counted. With --cold the files of a folder are put out of the page cache before each start.\n"
	"\v"
	"EXAMPLES:\n"
	"    startcost git --version       # 5 starts\n"
	"    startcost -n 30 -c -- perl -e 1\n"
	"    startcost -l pipe perf bench sched pipe  # `pipe` in the column program\n"
	"    startcost --debugfs /sys/kernel/debug/cowlab git --version\n"
	"    startcost --cold /mnt /mnt/git --version\n"
	"\n"
	"COLUMNS:\n"
	"    elapsed_ns      until it had ended\n"
	"    faults, majflt  minor and major faults\n"
	"    peak_kb         the most that it had mapped (VmHWM)\n"
	"    cow_faults      COW faults\n"
	"    pages_copied    pages that these copied\n"
	"    cache           cold: with --cold; else warm\n"
	"    system_ns       system time of it and of its children, as the kernel counts\n"
	"\n"
	"Exit status: 0; 1 if the program did not end with 0 or an option was invalid.\n";

static struct {
	uint64_t rounds;
	const char *debugfs;
	const char *cold;
	const char *label;
	bool csv;
} env = { .rounds = 5 };

static const struct opt opts[] = {
	{ OPT_COMMON_ROUNDS(env.rounds, "Starts (5)") },
	{ "debugfs", 'd', "DIR", "Folder of cowlab's switches",
	  OPT_TEXT(env.debugfs) },
	{ "cold", 'C', "DIR",
	  "Put the files in DIR out of the page cache before each start",
	  OPT_TEXT(env.cold) },
	{ "label", 'l', "NAME", "Name for the column `program`", .group = 1,
	  OPT_TEXT(env.label) },
	{ OPT_COMMON_CSV(env.csv) },
	{ 0 },
};

/* Is a page of the file in the page cache? */
static bool is_cached(const char *path, int fd, size_t size)
{
	const size_t pages = (size + PAGE_BYTES - 1) / PAGE_BYTES;
	unsigned char *resident = malloc(pages);
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	bool cached = false;
	size_t i;

	if (!resident || p == MAP_FAILED || mincore(p, size, resident))
		die("--cold: cannot tell what is cached of %s: %s", path,
		    strerror(errno));
	for (i = 0; i < pages; i++)
		cached |= resident[i] & 1;
	munmap(p, size);
	free(resident);
	return cached;
}

static int evict(const char *path, const struct stat *st, int type,
		 struct FTW *where)
{
	int fd;

	(void)where;
	if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Only clean pages go. */
	if (fd < 0 || fsync(fd))
		die("--cold: %s: %s", path, strerror(errno));
	errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (errno)
		die("--cold: %s: %s", path, strerror(errno));
	if (is_cached(path, fd, st->st_size))
		die("--cold: %s stays in the page cache: it is mapped, or on no disk",
		    path);
	close(fd);
	return 0;
}

/* Put the files of the folder out of the page cache, if that is wanted. */
static void make_cold(void)
{
	if (env.cold && nftw(env.cold, evict, 16, FTW_PHYS | FTW_MOUNT))
		die("--cold: cannot read %s: %s", env.cold, strerror(errno));
}

/* Start the program, wait for its end; @ns: the time of that. */
static void start_once(char **argv, struct rusage *usage, uint64_t *ns)
{
	posix_spawn_file_actions_t quiet;
	int status, error;
	pid_t pid;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	*ns = now_ns();
	error = posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ);
	if (error)
		die("cannot start %s: %s", argv[0], strerror(error));
	while (wait4(pid, &status, 0, usage) < 0)
		if (errno != EINTR)
			die("cannot wait for %s: %s", argv[0], strerror(errno));
	*ns = now_ns() - *ns;
	posix_spawn_file_actions_destroy(&quiet);
	if (WIFSIGNALED(status))
		die("%s: %s", argv[0], strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		die("%s: exit status %d", argv[0], WEXITSTATUS(status));
}

static uint64_t read_stat(const char *key)
{
	char path[4096], text[4096];
	uint64_t value;

	snprintf(path, sizeof(path), "%s/stats", env.debugfs);
	if (!read_text(path, text, sizeof(text)) ||
	    !text_field(text, key, &value))
		die("--debugfs: no %s in %s", key, path);
	return value;
}

/* The COW faults of a start and the pages that they copied. */
static void count(char **argv, uint64_t *faults, uint64_t *pages)
{
	struct listen listen;
	struct rusage usage;
	uint64_t ns;

	listen_open(&listen, "debugfs", env.debugfs, "timing");
	listen_pid(&listen, 0);
	if (!listen_set(&listen, true))
		die("--debugfs: cannot turn timing on: %s", strerror(errno));
	make_cold();
	*faults = read_stat("faults");
	*pages = read_stat("copied");
	start_once(argv, &usage, &ns);
	*faults = read_stat("faults") - *faults;
	*pages = read_stat("copied") - *pages;
	listen_stop(&listen);
}

int main(int argc, char **argv)
{
	char **command =
		options_parse(argc, argv, doc, opts, "COMMAND [ARG...]");
	struct cell (*cell)(bool known, uint64_t value);
	uint64_t round, ns, faults = 0, pages = 0;
	const char *cache = env.cold ? "cold" : "warm";
	uint64_t system;
	const char *name;
	struct rusage usage;

	if (!command || !command[0])
		die("expected COMMAND [ARG...], see --help");
	name = strrchr(command[0], '/');
	name = env.label ?: (name ? name + 1 : command[0]);
	cell = env.csv ? cell_csv : cell_table;
	/* So that its pages are in the page cache. */
	start_once(command, &usage, &ns);
	if (env.debugfs)
		count(command, &faults, &pages);
	for (round = 1; round <= env.rounds; round++) {
		struct cell of_faults = cell(env.debugfs, faults);
		struct cell of_pages = cell(env.debugfs, pages);

		make_cold();
		start_once(command, &usage, &ns);
		system = usage.ru_stime.tv_sec * 1000000000UL +
			 usage.ru_stime.tv_usec * 1000UL;
		if (env.csv)
			row_csv(stdout, round == 1, COLUMNS, name, round, ns,
				usage.ru_minflt, usage.ru_majflt,
				usage.ru_maxrss, of_faults.text, of_pages.text,
				cache, system);
		else
			row_table(round == 1, COLUMNS, name, round, ns,
				  usage.ru_minflt, usage.ru_majflt,
				  usage.ru_maxrss, of_faults.text,
				  of_pages.text, cache, system);
	}
	return 0;
}
