// SPDX-License-Identifier: GPL-2.0
/*
 * memlimit - the least memory in which a command still passes
 *
 * Runs the command in a memory cgroup, first without a limit, then with ever
 * closer ones, and tells where it begins to fail: where the OOM killer comes.
 *
 * With --csv it prints one row:
 *
 *	peak_kb		what it took without a limit
 *	pass_kb		the smallest limit that it passed
 *	fail_kb		the largest that it failed, within --step of the other
 *	kills		how often the OOM killer came while that was found
 *	trials		how often the command was run
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"

#define GROUP "memlimit"
/*
 * The command goes by this name, so that the log's lines about its end can be
 * told from those about any other process.
 */
#define TRIAL "memlimit-trial"

const char *argp_program_version = "memlimit 1.0";

static const char doc[] =
	"Find the least memory in which COMMAND still passes."
	"\v"
	"EXAMPLES:\n"
	"    memlimit -- cowbench --size 32M --pattern sparse8\n"
	"    memlimit --step 1M --csv -- cowbench --size 64M\n"
	"\n"
	"The kernel's lines about a process that was killed name it " TRIAL
	".\n"
	"\n"
	"Exit status: 0, or 1 if the command fails without a limit too, there is no memory cgroup, or a value was not accepted.\n";

static const struct argp_option options[] = {
	{ "step", 's', "SIZE", 0, "How close to look, with K or M (256K)", 0 },
	{ "cgroup", 'g', "DIR", 0, "Where to make a group (/sys/fs/cgroup)",
	  0 },
	{ "csv", 'c', NULL, 0, "Print comma-separated values", 0 },
	{ 0 },
};

struct env {
	uint64_t step;
	const char *root;
	bool csv;
	char **command;
};

/**
 * struct trial - how a run of the command went
 * @passed: whether it ended well
 * @peak: bytes that it took
 * @kills: of the OOM killer
 */
struct trial {
	bool passed;
	uint64_t peak;
	uint64_t kills;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct env *env = state->input;

	switch (key) {
	case 's':
		if (!parse_size(arg, &env->step) || env->step < PAGE_BYTES)
			die("--step: '%s' is not accepted, 4K and more is",
			    arg);
		break;
	case 'g':
		env->root = arg;
		break;
	case 'c':
		env->csv = true;
		break;
	case ARGP_KEY_ARGS:
		env->command = state->argv + state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		die("which command? (memlimit -- cowbench --size 32M)");
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const char *file(const struct env *env, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/" GROUP "%s%s", env->root,
		 *name ? "/" : "", name);
	return path;
}

static void set(const struct env *env, const char *name, const char *text)
{
	int fd = open(file(env, name), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("cannot write '%s' to %s: %s", text, file(env, name),
		    strerror(errno));
	close(fd);
}

static uint64_t get(const struct env *env, const char *name, const char *key)
{
	char text[4096];
	uint64_t value = 0;

	if (!read_text(file(env, name), text, sizeof(text)) ||
	    !text_field(text, key, &value))
		die("cannot read %s of %s: %s", *key ? key : "a number",
		    file(env, name), strerror(errno));
	return value;
}

/* The program of the command, as the shell would find it, by our own name. */
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
static void try(const struct env *env, const char *program, uint64_t limit,
		struct trial *trial)
{
	char text[32] = "max";
	int status, null;
	pid_t pid;

	if (mkdir(file(env, ""), 0755) && errno != EEXIST)
		die("cannot make %s: %s", file(env, ""), strerror(errno));
	if (limit)
		snprintf(text, sizeof(text), "%" PRIu64, limit);
	set(env, "memory.max", text);
	/* Without swap accounting there is no such file, and no swap. */
	if (!access(file(env, "memory.swap.max"), F_OK))
		set(env, "memory.swap.max", "0");
	/* Both processes end, not one that waits for the other. */
	set(env, "memory.oom.group", "1");
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		set(env, "cgroup.procs", "0");
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		if (limit)
			dup2(null, STDERR_FILENO);
		execv(program, env->command);
		die("cannot start %s: %s", env->command[0], strerror(errno));
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %s", strerror(errno));
	trial->passed = !status;
	trial->peak = get(env, "memory.peak", "");
	trial->kills = get(env, "memory.events", "oom_kill ");
	while (rmdir(file(env, "")) && errno == EBUSY)
		usleep(10000);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "COMMAND [ARG...]",
		.doc = doc,
	};
	struct env env = { .step = 256 << 10, .root = "/sys/fs/cgroup" };
	char dir[] = "/tmp/memlimit.XXXXXX", program[64];
	uint64_t pass, fail, kills = 0, trials = 1;
	struct trial first, trial;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &env);
	if (!mkdtemp(dir))
		die("cannot make %s: %s", dir, strerror(errno));
	snprintf(program, sizeof(program), "%s/" TRIAL, dir);
	link_program(env.command[0], program);
	try(&env, program, 0, &first);
	if (!first.passed)
		die("the command fails without a limit");

	/* The peak holds what can be reclaimed, so the limit may lie below. */
	pass = first.peak + env.step;
	fail = 0;
	while (pass - fail > env.step) {
		uint64_t limit = (fail + pass) / 2 / PAGE_BYTES * PAGE_BYTES;

		try(&env, program, limit, &trial);
		kills += trial.kills;
		trials++;
		if (trial.passed)
			pass = limit;
		else
			fail = limit;
	}
	unlink(program);
	rmdir(dir);
	if (env.csv)
		printf("peak_kb,pass_kb,fail_kb,kills,trials\n%" PRIu64
		       ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
		       first.peak / 1024, pass / 1024, fail / 1024, kills,
		       trials);
	else
		printf("peak %" PRIu64 " KiB; passes with %" PRIu64
		       " KiB, fails with %" PRIu64 " KiB\n",
		       first.peak / 1024, pass / 1024, fail / 1024);
	return 0;
}
