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
#include "cowctl/apply.h"
#include "cowctl/knobs.h"
#include "cowctl/policy.h"
#include "cowctl/status.h"
#include "cowctl/top.h"

#define DEBUGFS "/sys/kernel/debug/cowlab"
#define STATE "/run/cowctl.last"

static const char doc[] =
	"Steer copy-on-write windows: the machine's knobs, and each process.\n"
	"\n"
	"COMMAND is one of\n"
	"  status              the knobs, what the windows did, which processes chose\n"
	"  set NAME=VALUE...   set knobs; if one is refused, none is changed\n"
	"  apply FILE          load the module, and set the knobs that a file names\n"
	"  run -- COMMAND      start a command that windows serve, or not\n"
	"  attach PID          the same for a process that runs\n"
	"  top                 the processes that take copy-on-write faults now\n"
	"  policy COMMAND      load, list and unload policies in BPF\n"
	"  record              write each copy-on-write fault to a file\n"
	"\v"
	"EXAMPLES:\n"
	"    cowctl set policy=adaptive window=32 precopy=2   # who opts in is served\n"
	"    cowctl apply /etc/cowlab.conf                    # as cowlab.service does at boot\n"
	"    cowctl run --on -- redis-server redis.conf       # this one does\n"
	"    cowctl attach --off 4711                         # this one not any more\n"
	"    cowctl status --json                             # since the last look\n"
	"    cowctl top                                       # who pays now; q ends\n"
	"    cowctl top -n 1 --json                           # one look\n"
	"    cowctl policy load --pid 4711 stride.bpf.o       # a policy in BPF\n"
	"\n"
	"`cowctl COMMAND --help` lists the options of a command.\n"
	"\n"
	"Exit status: 0; 1 if something was refused: then nothing was changed, but `attach` keeps what it did for the PIDs before the one that was refused. `run` ends with the command's status; 126 or 127 if it cannot be started.\n";

static struct {
	const char *debugfs; /* the module's folder */
	const char *state; /* keeps the counters of the last look */
	bool json; /* print JSON */
} options = { .debugfs = DEBUGFS, .state = STATE };

#define OPT_DEBUGFS                                                         \
	{                                                                   \
		"debugfs", 'd', "DIR", "The module's folder (" DEBUGFS ")", \
			OPT_TEXT(options.debugfs)                           \
	}

static void command_status(int argc, char **argv)
{
	static const char about[] =
		"Show the knobs, what the windows did since the last look, and which processes chose.";
	static const struct opt opts[] = {
		{ "json", 'j', NULL, "Print JSON", OPT_FLAG(options.json) },
		OPT_DEBUGFS,
		{ "state", 's', "FILE",
		  "Keeps the counters of the last look (" STATE ")",
		  OPT_TEXT(options.state) },
		{ 0 },
	};

	options_parse(argc, argv, about, opts, NULL);
	knobs_open(options.debugfs);
	show_status(options.json, options.state);
}

static void command_set(int argc, char **argv)
{
	static const char about[] =
		"Set knobs of the module; if one is refused, none is changed.\v"
		"NAMES: precopy (0 nobody, 1 all but those that opted out, 2 those that opted in), policy, window, large_folio, huge_window, file (0 or 1: private file mappings, too), latency_cap_ns, timing, log, pid. module/README.md explains them.\n";
	static const struct opt opts[] = { OPT_DEBUGFS, { 0 } };
	char **settings =
		options_parse(argc, argv, about, opts, "NAME=VALUE...");

	knobs_open(options.debugfs);
	knobs_set(settings);
}

static void command_apply(int argc, char **argv)
{
	static const char about[] =
		"Load the module where it is not loaded, and set the knobs that a file names; if one is refused, none is changed.\v"
		"FILE has NAME=VALUE per line, with the names of `cowctl set`; # begins a comment. cowlab.service applies /etc/cowlab.conf.\n";
	static const struct opt opts[] = { OPT_DEBUGFS, { 0 } };
	char **files = options_parse(argc, argv, about, opts, "FILE");

	if (files[1])
		die("apply: expected one FILE");
	apply_file(files[0], options.debugfs);
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
	knobs_open(options.debugfs);
	for (i = 0; pids[i]; i++) {
		snprintf(text, sizeof(text), "%s %s %lu", pids[i], words[mode],
			 order);
		err = knob_write("process", text);
		if (err == ESRCH)
			die("attach: no process %s", pids[i]);
		if (err)
			die("attach: %s: %s", pids[i], knob_error(err));
	}
}

static void command_top(int argc, char **argv)
{
	static const char about[] =
		"Show the processes that take copy-on-write faults, once per interval: on a terminal as a screen, which q ends, else as lines.\v"
		"FAULTS/s: copy-on-write faults. PAGES/FAULT: pages that a fault copied. WASTED/s: pages that windows copied and that were found unwritten, and WASTED%: their part of all that were looked at; - where nothing was, or cowlab.ko was not loaded when top started. TIME%: the time in these faults, of one CPU.\n"
		"\n"
		"Needs root, or CAP_BPF and CAP_PERFMON. While it runs, cowlab.ko cannot be unloaded.\n";
	static struct top_options top = { .interval = 1, .rows = 20 };
	static const struct opt opts[] = {
		{ "interval", 'i', "SECONDS", "Time between two looks (1)",
		  OPT_NUMBER(top.interval, 1, 86400) },
		{ "count", 'n', "COUNT", "Print this many looks, as lines",
		  OPT_NUMBER(top.count, 1, UINT64_MAX) },
		{ "rows", 'r', "N",
		  "Processes per look, as lines and in JSON (20; 0: all)",
		  OPT_NUMBER(top.rows, 0, TOP_ROWS) },
		{ "batch", 'b', NULL, "Print lines on a terminal, too",
		  OPT_FLAG(top.batch) },
		{ "json", 'j', NULL,
		  "Print a JSON object per look: counts since the last one, times in ns",
		  OPT_FLAG(top.json) },
		{ 0 },
	};

	options_parse(argc, argv, about, opts, NULL);
	show_top(&top);
}

/* A command parses its own options. */
static const struct {
	const char *name;
	void (*run)(int argc, char **argv);
} commands[] = {
	{ "status", command_status }, { "set", command_set },
	{ "apply", command_apply },   { "run", command_run },
	{ "attach", command_attach }, { "top", command_top },
	{ "policy", command_policy }, { "record", command_record },
};

int main(int argc, char **argv)
{
	static const struct opt none[] = { { 0 } };
	static char name[32];
	size_t i;

	for (i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			/* For --help. */
			snprintf(name, sizeof(name), "cowctl %s", argv[1]);
			argv[1] = name;
			commands[i].run(argc - 1, argv + 1);
			return 0;
		}
	argv = options_parse(argc, argv, doc, none, "COMMAND [ARG...]");
	die("no command '%s': expected status, set, apply, run, attach, top, policy or record",
	    argv[0]);
}
