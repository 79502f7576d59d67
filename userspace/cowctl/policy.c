// SPDX-License-Identifier: GPL-2.0
/* `cowctl policy`: policies in BPF, loaded from object files. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "common/options.h"
#include "common/util.h"
#include "cowctl/knobs.h"
#include "cowctl/object.h"
#include "cowctl/policy.h"

/* A link that is pinned here stays when cowctl ends. */
#define BPFFS "/sys/fs/bpf"
#define PINS BPFFS "/cowlab"

static const char *debugfs = POLICY_DEBUGFS;
static uint32_t pids[POLICY_PIDS];
static bool json;

static bool take_pids(const char *arg)
{
	return parse_pids(arg, pids);
}

static void pin_path(const char *name, char *path, size_t size)
{
	if (snprintf(path, size, PINS "/%s", name) >= (int)size)
		die("policy: name too long");
}

static void need_bpffs(void)
{
	struct statfs fs;

	if (statfs(BPFFS, &fs))
		die("policy: %s: %s: this kernel has no BPF", BPFFS,
		    strerror(errno));
	if (fs.f_type != BPF_FS_MAGIC &&
	    mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		die("policy: cannot mount the BPF file system at %s: %s", BPFFS,
		    strerror(errno));
	if (mkdir(PINS, 0700) && errno != EEXIST)
		die("policy: %s: %s", PINS, strerror(errno));
}

static void policy_command_load(int argc, char **argv)
{
	static const char about[] =
		"Load a policy in BPF from an object file. It serves instead of the module's policy, until it is unloaded.";
	static const struct opt opts[] = {
		OPT_POLICY_PIDS(take_pids),
		OPT_POLICY_DEBUGFS(debugfs),
		{ 0 },
	};
	char **files = options_parse(argc, argv, about, opts, "FILE");
	char precopy[16], path[256], *file = files[0];
	struct bpf_link *link;
	struct policy policy;
	int err, i;

	/* Options may stand behind FILE, too. */
	if (files[1] && files[1][0] == '-') {
		for (i = 0; files[i + 1]; i++)
			files[i] = files[i + 1];
		files[i] = file;
		argv[argc - i - 2] = argv[0];
		files = options_parse(i + 2, argv + argc - i - 2, about, opts,
				      "FILE");
	}
	if (files[1])
		die("policy load: one FILE, not more");
	policy_require(debugfs);
	policy_open(&policy, file, pids);
	need_bpffs();
	policy_load(&policy);
	link = policy_attach(&policy);
	/* No policy has this name, so a pin that is there was left behind. */
	pin_path(policy.name, path, sizeof(path));
	unlink(path);
	err = bpf_link__pin(link, path);
	if (err)
		die("policy: cannot keep it at %s: %s", path, strerror(-err));
	knob_read("precopy", precopy, sizeof(precopy));
	if (!strcmp(precopy, "0"))
		fprintf(stderr,
			"cowctl: %s is loaded, but windows serve nobody: cowctl set precopy=1\n",
			policy.name);
}

/* A line of the file `bpf`. */
struct row {
	char name[POLICY_NAME];
	char who[POLICY_PIDS * 12];
	unsigned long calls, windows, clamped, ns, max_ns;
};

static bool take_row(const char *line, struct row *row)
{
	return sscanf(line, "%15s %191s %lu %lu %lu %lu %lu", row->name,
		      row->who, &row->calls, &row->windows, &row->clamped,
		      &row->ns, &row->max_ns) == 7;
}

static void print_json(cJSON *list)
{
	char *text = cJSON_Print(list);

	if (!text)
		die("out of memory");
	puts(text);
	free(text);
	cJSON_Delete(list);
}

static void policy_command_list(int argc, char **argv)
{
	static const char about[] =
		"List the policies in BPF that are loaded: for which processes, how often faults asked, the windows, those that were cut, and the time of a call of window() in ns (one in 64 is timed).";
	static const struct opt opts[] = {
		{ "json", 'j', NULL, "Print JSON", OPT_FLAG(json) },
		OPT_POLICY_DEBUGFS(debugfs),
		{ 0 },
	};
	char *text, *rest, *line;
	cJSON *list, *item;
	struct row row;

	options_parse(argc, argv, about, opts, NULL);
	policy_require(debugfs);
	text = knob_text("bpf");
	rest = text;
	list = cJSON_CreateArray();
	if (!json && *text)
		printf("%-15s %10s %10s %10s %8s %8s %s\n", "NAME", "CALLS",
		       "WINDOWS", "CLAMPED", "AVG_NS", "MAX_NS", "FOR");
	while ((line = strsep(&rest, "\n"))) {
		if (!take_row(line, &row))
			continue;
		if (!json) {
			printf("%-15s %10lu %10lu %10lu %8lu %8lu %s\n",
			       row.name, row.calls, row.windows, row.clamped,
			       row.ns, row.max_ns, row.who);
			continue;
		}
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", row.name);
		cJSON_AddStringToObject(item, "for", row.who);
		cJSON_AddNumberToObject(item, "calls", row.calls);
		cJSON_AddNumberToObject(item, "windows", row.windows);
		cJSON_AddNumberToObject(item, "clamped", row.clamped);
		cJSON_AddNumberToObject(item, "avg_ns", row.ns);
		cJSON_AddNumberToObject(item, "max_ns", row.max_ns);
		cJSON_AddItemToArray(list, item);
	}
	if (json)
		print_json(list);
	free(text);
}

static bool loaded(const char *name)
{
	char *text = knob_text("bpf"), *rest = text, *line;
	bool found = false;
	struct row row;

	while (!found && (line = strsep(&rest, "\n")))
		found = take_row(line, &row) && !strcmp(row.name, name);
	free(text);
	return found;
}

static void policy_command_unload(int argc, char **argv)
{
	static const char about[] =
		"Unload a policy in BPF. When the command ends, no fault asks it.";
	static const struct opt opts[] = { OPT_POLICY_DEBUGFS(debugfs), { 0 } };
	char **names = options_parse(argc, argv, about, opts, "NAME"),
	     path[256];
	int fd;

	if (names[1])
		die("policy unload: one NAME, not more");
	policy_require(debugfs);
	if (!loaded(names[0]))
		die("no policy '%s' is loaded: `cowctl policy list` shows those that are",
		    names[0]);
	pin_path(names[0], path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		die("policy '%s' was loaded by another program (%s: %s): end that",
		    names[0], path, strerror(errno));
	/* Unlike the unlink, it waits for the faults that ask the policy. */
	if (bpf_link_detach(fd))
		die("cannot unload '%s': %s", names[0], strerror(errno));
	close(fd);
	unlink(path);
}

static const char doc[] =
	"Load, list and unload policies in BPF.\n"
	"\n"
	"COMMAND is one of\n"
	"  load FILE     load a policy from an object file\n"
	"  list          list those that are loaded\n"
	"  unload NAME   unload one\n"
	"\v"
	"EXAMPLES:\n"
	"    cowctl policy load stream.bpf.o\n"
	"    cowctl policy load --pid 4711 stride.bpf.o   # and its children\n"
	"    cowctl policy unload stream\n";

/**
 * command_policy - the command `policy`
 * @argc: arguments
 * @argv: from `policy` on
 */
void command_policy(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int argc, char **argv);
	} commands[] = {
		{ "load", policy_command_load },
		{ "list", policy_command_list },
		{ "unload", policy_command_unload },
	};
	static const struct opt none[] = { { 0 } };
	size_t i;

	for (i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name)) {
			commands[i].run(argc - 1, argv + 1);
			return;
		}
	argv = options_parse(argc, argv, doc, none, "COMMAND [ARG...]");
	die("policy: no command '%s': expected load, list or unload", argv[0]);
}
