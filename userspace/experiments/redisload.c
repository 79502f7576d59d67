// SPDX-License-Identifier: GPL-2.0
/* redisload - latencies of a Redis client while the server saves */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "common/process.h"
#include "common/tempdir.h"
#include "common/util.h"
#include "experiments/redisload.h"

static const char doc[] =
	"Time a Redis client's SETs while the server saves, and check what it saved.\n"
	"\n"
	"Starts a server with a data set, keeps connections busy with SETs, has the server save (BGSAVE) in the middle, once or --saves times, and times each SET. Then reads every key from that server and from a second one, started with the file saved, and checks each byte: the first must hold the last version of each key, the second the state at the instant of the last fork.\n"
	"\v"
	"EXAMPLES:\n"
	"    redisload -k 1700000                 # 64-byte values, about 256 MiB\n"
	"    redisload -k 6000 -b 32768 -o out    # 32 KiB values, CSV files to out/\n"
	"    redisload -n 5                       # five saves, one after the other\n"
	"    redisload -s 'env LD_PRELOAD=cowwarm.so redis-server'\n"
	"    redisload -a 'echo 1 >/sys/kernel/debug/cowlab/precopy'\n"
	"\n"
	"FILES in --out:\n"
	"    request.csv   one row for the SETs during the save (phase save: those under\n"
	"                  way between BGSAVE and the end of the saving process), one for\n"
	"                  those before and after (outside); avg_ns is elapsed_ns over\n"
	"                  count, the others are latencies; faults are the server's; per\n"
	"                  SET, its main thread ran for cpu_ns and waited for a CPU for\n"
	"                  wait_ns (empty if the kernel does not tell)\n"
	"    redis.csv     one row per save: Redis' latest_fork_usec, lifetime of the\n"
	"                  saving process, Redis' own copy-on-write bytes, largest growth\n"
	"                  of the machine's anonymous memory, peak RSS of both processes so\n"
	"                  far, size of the last file, number of the save, p99 of the SETs\n"
	"                  in it, the server's RSS after it\n"
	"    timeline.csv  one row per --interval, for the SETs answered in it; the first\n"
	"                  BGSAVE was sent at 0; saving is 1 until a save's end\n"
	"    save.hist, outside.hist\n"
	"                  the latencies' histograms: lower_ns count\n"
	"\n"
	"Exit status: 0; 1 if a value was wrong, the file saved is not the state of one instant, the server failed, or an option was invalid.\n";

static struct env env = {
	.set = { .keys = 100000, .bytes = 64, .seed = 1 },
	.connections = 4,
	.margin = 2000,
	.interval = 20,
	.saves = 1,
	.server = "redis-server",
	.out = ".",
};

static const char *const corruptions[] = { "nothing", "old", "bit", NULL };

static const struct opt opts[] = {
	{ "keys", 'k', "N", "Number of keys (100000)",
	  OPT_NUMBER(env.set.keys, MAX_CONNECTIONS, 1000000000) },
	{ "bytes", 'b', "N", "Bytes of a value, a multiple of 8 (64)",
	  OPT_NUMBER(env.set.bytes, VALUE_MIN, 1 << 20), .unit = 8 },
	{ "connections", 'c', "N", "Clients, each with one SET under way (4)",
	  OPT_NUMBER(env.connections, 1, MAX_CONNECTIONS) },
	{ "margin", 't', "MS",
	  "Time for SETs before the save, and after it, in milliseconds (2000)",
	  OPT_NUMBER(env.margin, 1, 600000) },
	{ "saves", 'n', "N", "Saves, with the margin before and after each (1)",
	  OPT_NUMBER(env.saves, 1, MAX_SAVES) },
	{ "interval", 'i', "MS", "Milliseconds per row of the time line (20)",
	  OPT_NUMBER(env.interval, 1, 60000) },
	{ OPT_COMMON_SEED(env.set.seed, "Decides values and keys (1)") },
	{ "server", 's', "COMMAND",
	  "Command that starts the server, before its options; words with blanks between, no shell (redis-server)",
	  .group = 1, OPT_TEXT(env.server) },
	{ "armed", 'a', "COMMAND",
	  "Shell command to run when the server has its data", .group = 1,
	  OPT_TEXT(env.armed) },
	{ "dir", 'd', "DIR",
	  "Where to make a folder for the socket and the file saved, which is removed in the end ($TMPDIR, or /tmp)",
	  .group = 1, OPT_TEXT(env.dir) },
	{ "out", 'o', "DIR", "For the results (.)", .group = 1,
	  OPT_TEXT(env.out) },
	{ "corrupt", 0, "old|bit", "For tests: read a snapshot that is wrong",
	  .hidden = true, OPT_CHOICE(env.corrupt, corruptions) },
	{ 0 },
};

/* Start a server with the data set, which it reads from a file. */
static void start_full(struct server *server, const struct env *env)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/dump.rdb", env->dir);
	f = fopen(path, "wxe");
	if (!f || dataset_write(&env->set, f))
		die("--dir: cannot write %s: %s", path, strerror(errno));
	fclose(f);
	server_start(server, env);
	/* The data is in memory now; the file would take as much again. */
	unlink(path);
}

int main(int argc, char **argv)
{
	static struct save saves[MAX_SAVES];
	static struct load load;
	struct guardian guardian;
	struct server server;
	uint32_t *versions;
	unsigned int i;

	options_parse(argc, argv, doc, opts, NULL);
	env.margin *= 1000000;
	env.interval *= 1000000;
	versions = calloc(env.set.keys, sizeof(*versions));
	if (!versions)
		die("no memory for %u keys", env.set.keys);
	env.dir = tempdir_make(&guardian, env.dir, "redisload",
			       sizeof(server.socket) - sizeof("/redis.sock"));
	start_full(&server, &env);
	load_start(&load, &env, &server);
	if (env.armed && system(env.armed))
		die("--armed: the command failed");
	for (i = 0; i < env.saves; i++) {
		load_run(&load, &saves[i]);
		save_wait(&saves[i], &server);
	}
	put_redis(&load, saves);
	verify_live(&load, versions);
	server_stop(&server);
	verify_saved(&load, &saves[env.saves - 1], versions);
	put_requests(&load, saves);
	put_timeline(&load, saves);
	guardian_end(&guardian);
	return 0;
}
