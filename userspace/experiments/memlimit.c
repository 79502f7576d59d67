// SPDX-License-Identifier: GPL-2.0
/* memlimit - the least memory in which a command still passes */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/row.h"
#include "common/util.h"

#define GROUP "memlimit"
/*
 * The command runs under this name, so that the kernel log's lines about its
 * end differ from those about any other process.
 */
#define TRIAL "memlimit-trial"

static const char doc[] =
	"Find the least memory in which COMMAND still passes.\n"
	"\n"
	"Runs COMMAND in a memory cgroup, first without a limit, then with limits by bisection, to find where it begins to fail: where the OOM killer comes.\n"
	"\v"
	"EXAMPLES:\n"
	"    memlimit -- cowbench --size 32M --pattern sparse8\n"
	"    memlimit --step 1M --csv -- cowbench --size 64M\n"
	"\n"
	"COLUMNS of --csv, one row:\n"
	"    peak_kb     what COMMAND took without a limit\n"
	"    pass_kb     the smallest limit at which it passed\n"
	"    fail_kb     the largest at which it failed, within --step of pass_kb\n"
	"    kills       OOM kills in all trials\n"
	"    trials      number of trials\n"
	"\n"
	"The kernel's lines about a process that was killed name it " TRIAL
	".\n"
	"\n"
	"Exit status: 0; 1 if COMMAND fails without a limit too, there is no memory cgroup, or an option was invalid.\n";

static struct {
	uint64_t step;
	const char *root;
	bool csv;
	char **command;
} env = { .step = 256 << 10, .root = "/sys/fs/cgroup" };

static const struct opt opts[] = {
	{ "step", 's', "SIZE", "Precision of the result, with K or M (256K)",
	  OPT_SIZE(env.step, PAGE_BYTES, UINT64_MAX, 1) },
	{ "cgroup", 'g', "DIR", "Where to make a cgroup (/sys/fs/cgroup)",
	  OPT_TEXT(env.root) },
	{ OPT_COMMON_CSV(env.csv) },
	{ 0 },
};

/* The result of one run of the command */
struct trial {
	bool passed; /* the command succeeded */
	uint64_t peak; /* bytes that it took */
	uint64_t kills; /* OOM kills */
};

static const char *file(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/" GROUP "%s%s", env.root,
		 *name ? "/" : "", name);
	return path;
}

static void set(const char *name, const char *text)
{
	int fd = open(file(name), O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (n != (ssize_t)strlen(text))
		die("cannot write '%s' to %s: %s", text, file(name),
		    strerror(errno));
	close(fd);
}

static uint64_t get(const char *name, const char *key)
{
	char text[4096];
	uint64_t value = 0;

	if (!read_text(file(name), text, sizeof(text)) ||
	    !text_field(text, key, &value))
		die("cannot read %s of %s: %s", *key ? key : "a number",
		    file(name), strerror(errno));
	return value;
}

/* Link the command's program, as the shell would find it, under our own name. */
static void link_program(const char *program, const char *name)
{
	const char *path = getenv("PATH");
	char *copy, *dir, *save = NULL;
	char full[512];

	unlink(name);
	if (strchr(program, '/')) {
		if (symlink(program, name))
			die("cannot link %s: %s", name, strerror(errno));
		return;
	}
	copy = strdup(path ? path : "/bin:/usr/bin");
	for (dir = strtok_r(copy, ":", &save); dir;
	     dir = strtok_r(NULL, ":", &save)) {
		snprintf(full, sizeof(full), "%s/%s", dir, program);
		if (access(full, X_OK))
			continue;
		if (symlink(full, name))
			die("cannot link %s: %s", name, strerror(errno));
		free(copy);
		return;
	}
	die("there is no program %s", program);
}

/* Run the command once; @limit in bytes, 0 for none. */
static void try(const char *program, uint64_t limit, struct trial *trial)
{
	char text[32] = "max";
	int status, null;
	pid_t pid;

	if (mkdir(file(""), 0755) && errno != EEXIST)
		die("cannot make %s: %s", file(""), strerror(errno));
	if (limit)
		snprintf(text, sizeof(text), "%lu", limit);
	set("memory.max", text);
	/* Without swap accounting there is no such file, and no swap. */
	if (!access(file("memory.swap.max"), F_OK))
		set("memory.swap.max", "0");
	/* Kill all processes, so that none waits for another. */
	set("memory.oom.group", "1");
	pid = fork_tied();
	if (!pid) {
		set("cgroup.procs", "0");
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		if (limit)
			dup2(null, STDERR_FILENO);
		execv(program, env.command);
		die("cannot start %s: %s", env.command[0], strerror(errno));
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %s", strerror(errno));
	trial->passed = !status;
	trial->peak = get("memory.peak", "");
	trial->kills = get("memory.events", "oom_kill ");
	while (rmdir(file("")) && errno == EBUSY)
		usleep(10000);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/memlimit.XXXXXX", link[64];
	uint64_t pass, fail, kills = 0, trials = 1;
	struct trial first, trial;

	env.command = options_parse(argc, argv, doc, opts, "COMMAND [ARG...]");
	if (!mkdtemp(dir))
		die("cannot make %s: %s", dir, strerror(errno));
	snprintf(link, sizeof(link), "%s/" TRIAL, dir);
	link_program(env.command[0], link);
	try(link, 0, &first);
	if (!first.passed)
		die("the command fails without a limit");

	/* The peak includes reclaimable memory, so the limit may lie below. */
	pass = first.peak + env.step;
	fail = 0;
	while (pass - fail > env.step) {
		uint64_t limit = (fail + pass) / 2 / PAGE_BYTES * PAGE_BYTES;

		try(link, limit, &trial);
		kills += trial.kills;
		trials++;
		if (trial.passed)
			pass = limit;
		else
			fail = limit;
	}
	unlink(link);
	rmdir(dir);
	if (!env.csv) {
		printf("peak %lu KiB; passes with %lu KiB, fails with %lu KiB\n",
		       first.peak / 1024, pass / 1024, fail / 1024);
		return 0;
	}
	row_csv(stdout, true,
		"peak_kb=%lu pass_kb=%lu fail_kb=%lu kills=%lu trials=%lu",
		first.peak / 1024, pass / 1024, fail / 1024, kills, trials);
	return 0;
}
