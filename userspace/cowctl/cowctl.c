// SPDX-License-Identifier: GPL-2.0
/* cowctl - steer copy-on-write windows: the machine's knobs, and each process */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cow_mode.h"
#include "common/options.h"
#include "common/util.h"
#include "cowctl/knobs.h"
#include "cowctl/status.h"

#define DEBUGFS "/sys/kernel/debug/cowlab"
#define STATE "/run/cowctl.last"

static const char doc[] =
	"Steer copy-on-write windows: the machine's knobs, and each process.\n"
	"\n"
	"COMMAND is one of\n"
	"  status              the knobs, what the windows did, which processes chose\n"
	"  set NAME=VALUE...   set knobs; if one is refused, none is changed\n"
	"  run -- COMMAND      start a command that windows serve, or not\n"
	"  attach PID          the same for a process that runs\n"
	"\v"
	"EXAMPLES:\n"
	"    cowctl set policy=adaptive window=32 precopy=2   # who opts in is served\n"
	"    cowctl run --on -- redis-server redis.conf\n"
	"    cowctl attach --off 4711\n"
	"    cowctl status --json\n"
	"\n"
	"`cowctl COMMAND --help` lists the options of a command.\n"
	"\n"
	"Exit status: 0; 1 if something was refused: then nothing was changed, but `attach` keeps what it did for the PIDs before the one that was refused. `run` ends with the command's status; 126 or 127 if it cannot be started.\n";

static const char *debugfs = DEBUGFS;
static const char *state = STATE;
static bool json;

#define OPT_DEBUGFS                                                         \
	{                                                                   \
		"debugfs", 'd', "DIR", "The module's folder (" DEBUGFS ")", \
			OPT_TEXT(debugfs)                                   \
	}

static void command_status(int argc, char **argv)
{
	static const char about[] =
		"Show the knobs, what the windows did since the last look, and which processes chose.";
	static const struct opt opts[] = {
		{ "json", 'j', NULL, "Print JSON", OPT_FLAG(json) },
		OPT_DEBUGFS,
		{ "state", 's', "FILE",
		  "Keeps the counters of the last look (" STATE ")",
		  OPT_TEXT(state) },
		{ 0 },
	};

	options_parse(argc, argv, about, opts, NULL);
	knobs_open(debugfs);
	show_status(json, state);
}

static void command_set(int argc, char **argv)
{
	static const char about[] =
		"Set knobs of the module; if one is refused, none is changed.\v"
		"NAMES: precopy (0 nobody, 1 all but those that opted out, 2 those that opted in), policy, window, large_folio, huge_window, file (0 or 1: private file mappings, too), latency_cap_ns, timing, log, pid. module/README.md explains them.\n";
	static const struct opt opts[] = { OPT_DEBUGFS, { 0 } };
	char **settings =
		options_parse(argc, argv, about, opts, "NAME=VALUE...");

	knobs_open(debugfs);
	knobs_set(settings);
}

static bool mode_on, mode_off, mode_default;
static uint64_t order;

#define OPT_MODE                                                                                           \
	{ "on", 'y', NULL, "Windows serve it, unless precopy is 0 (default)",                              \
	  OPT_FLAG(mode_on) },                                                                             \
		{ "off", 'n', NULL, "Windows never serve it",                                              \
		  OPT_FLAG(mode_off) },                                                                    \
		{ "default", 'm', NULL, "As the machine's switch says",                                    \
		  OPT_FLAG(mode_default) },                                                                \
	{                                                                                                  \
		"order", 'o', "N",                                                                         \
			"Largest order of the folios that its copies use: 1 base pages, up to 5 (0: any)", \
			OPT_NUMBER(order, 0, PR_COW_ORDER_MAX)                                             \
	}

static int chosen_mode(void)
{
	if (mode_on + mode_off + mode_default > 1)
		die("--on, --off and --default exclude each other");
	return mode_off	    ? PR_COW_OFF :
	       mode_default ? PR_COW_DEFAULT :
			      PR_COW_ON;
}

static void command_run(int argc, char **argv)
{
	static const char about[] =
		"Start a command that copy-on-write windows serve, or not. Its children inherit the choice.";
	static const struct opt opts[] = { OPT_MODE, { 0 } };
	char **command =
		options_parse(argc, argv, about, opts, "-- COMMAND [ARG...]");
	int mode = chosen_mode();

	if (prctl(PR_SET_COW, mode, order, 0, 0))
		die("run: this kernel cannot choose per process (%s): it needs the cowlab patches",
		    strerror(errno));
	execvp(command[0], command);
	fprintf(stderr, "cowctl: cannot start %s: %s\n", command[0],
		strerror(errno));
	exit(errno == ENOENT ? 127 : 126);
}

static void command_attach(int argc, char **argv)
{
	static const char about[] =
		"Choose for processes that run already; their later children inherit it.";
	static const struct opt opts[] = { OPT_MODE, OPT_DEBUGFS, { 0 } };
	static const char *const words[] = { "default", "off", "on" };
	char **pids = options_parse(argc, argv, about, opts, "PID...");
	int i, err, mode = chosen_mode();
	uint64_t pid;
	char text[64];

	for (i = 0; pids[i]; i++)
		if (!parse_u64(pids[i], &pid) || !pid || pid > 1UL << 22)
			die("attach: invalid PID '%s'", pids[i]);
	knobs_open(debugfs);
	for (i = 0; pids[i]; i++) {
		snprintf(text, sizeof(text), "%s %s %lu", pids[i], words[mode],
			 order);
		err = knob_write("process", text);
		if (err == ESRCH)
			die("attach: no process %s", pids[i]);
		if (err)
			die("attach: %s: %s", pids[i], strerror(err));
	}
}

static const struct {
	const char *name;
	void (*run)(int argc, char **argv);
} commands[] = {
	{ "status", command_status },
	{ "set", command_set },
	{ "run", command_run },
	{ "attach", command_attach },
};

int main(int argc, char **argv)
{
	static const struct opt none[] = { { 0 } };
	size_t i;

	for (i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			commands[i].run(argc - 1, argv + 1);
			return 0;
		}
	argv = options_parse(argc, argv, doc, none, "COMMAND [ARG...]");
	die("no command '%s': expected status, set, run or attach", argv[0]);
}
