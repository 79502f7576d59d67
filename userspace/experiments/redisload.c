// SPDX-License-Identifier: GPL-2.0
/*
 * redisload - what a Redis client sees while the server saves
 *
 * Starts a redis-server with a data set, keeps a number of connections busy
 * with SETs of random keys, has it save (BGSAVE) in the middle, and times each
 * SET. Then it reads every key, of the server and of a second one that was
 * started with the file saved, and checks each byte: the one must hold what was
 * written last, the other the state of one instant, that of the fork.
 *
 * In --out it leaves
 *
 *	request.csv	phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,
 *			p99_ns,p999_ns,max_ns,faults,cpu_ns,wait_ns,verified
 *			a row for the SETs during the save (phase `save`: any
 *			that was under way between BGSAVE and the end of the
 *			saving process) and one for those before and after
 *			(`outside`); avg_ns is elapsed_ns over count, the
 *			others are latencies; faults are the server's; for a
 *			SET its main thread ran for cpu_ns, and waited for a
 *			CPU for wait_ns (empty on a kernel that does not say)
 *	redis.csv	keys,value_bytes,connections,fork_us,save_ms,cow_bytes,
 *			growth_kb,server_peak_kb,child_peak_kb,rdb_bytes
 *			one row: Redis' latest_fork_usec, how long the saving
 *			process lived, Redis' own copy-on-write bytes, the most
 *			by which the machine's anonymous memory grew, peak RSS
 *			of both processes, size of the file
 *	timeline.csv	ms,count,p50_ns,p99_ns,max_ns,saving
 *			a row for each --interval: the SETs answered in it;
 *			BGSAVE was sent at 0, saving is 1 till the save's end
 *	save.hist, outside.hist
 *			lower_ns count: the latencies' histograms
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "experiments/cut.h"
#include "experiments/dataset.h"
#include "common/pattern.h"
#include "common/samples.h"
#include "common/util.h"

#define SECOND 1000000000ULL
#define MAX_CONNECTIONS 64
#define MAX_SETS (1UL << 24)
#define PATIENCE (300 * SECOND)
/* How often the saving process's memory is looked at. */
#define WATCH_NS 20000000ULL

const char *argp_program_version = "redisload 1.0";

static const char doc[] =
	"Time a Redis client's SETs while the server saves, and check what it saved."
	"\v"
	"EXAMPLES:\n"
	"    redisload -k 1700000                 # 64-byte values, about 256 MiB\n"
	"    redisload -k 6000 -b 32768 -o out    # 32 KiB values, CSV files to out/\n"
	"    redisload -s 'env LD_PRELOAD=cowwarm.so redis-server'\n"
	"    redisload -a 'echo 1 >/sys/kernel/debug/cowlab/precopy'\n"
	"\n"
	"Exit status: 0, or 1 if a value was wrong, the file saved is not the state of one instant, or the server failed.\n";

enum {
	OPT_CORRUPT = 256,
};

static const struct argp_option options[] = {
	{ "keys", 'k', "N", 0, "Keys (100000)", 0 },
	{ "bytes", 'b', "N", 0, "Bytes of a value, a multiple of 8 (64)", 0 },
	{ "connections", 'c', "N", 0,
	  "Clients, each with one SET under way (4)", 0 },
	{ "margin", 't', "MS", 0,
	  "SETs before the save, and after it, in milliseconds (2000)", 0 },
	{ "interval", 'i', "MS", 0, "A row of the time line (20)", 0 },
	{ "seed", 'S', "N", 0, "Decides values and keys (1)", 0 },
	{ "server", 's', "COMMAND", 0,
	  "What starts the server, before its options (redis-server)", 1 },
	{ "armed", 'a', "COMMAND", 0,
	  "Shell command to run when the server is full", 1 },
	{ "dir", 'd', "DIR", 0, "For the socket and the file saved (/tmp)", 1 },
	{ "out", 'o', "DIR", 0, "For the results (.)", 1 },
	{ "corrupt", OPT_CORRUPT, "old|bit", OPTION_HIDDEN,
	  "For tests: read a snapshot that is wrong", 2 },
	{ 0 },
};

enum corrupt {
	CORRUPT_NOTHING,
	CORRUPT_OLD,
	CORRUPT_BIT,
};

struct env {
	struct dataset set;
	unsigned int connections;
	uint64_t margin;
	uint64_t interval;
	const char *server;
	const char *armed;
	const char *dir;
	const char *out;
	enum corrupt corrupt;
};

/**
 * struct server - a redis-server
 * @pid: of the process
 * @admin: a connection for what is not timed
 * @socket: its path
 */
struct server {
	pid_t pid;
	redisContext *admin;
	char socket[128];
};

/**
 * struct client - a connection of the load
 * @fd: its socket
 * @entry: its SET in the journal
 * @request: the command
 * @len: its bytes
 */
struct client {
	int fd;
	size_t entry;
	char *request;
	size_t len;
};

/**
 * struct load - the SETs
 * @env: the command line
 * @server: whom they go to
 * @clients: from where
 * @journal: every SET
 * @nr: how many
 * @versions: of each key, the last that was sent
 * @rng: decides the keys
 */
struct load {
	const struct env *env;
	const struct server *server;
	struct client clients[MAX_CONNECTIONS];
	struct entry *journal;
	size_t nr;
	uint32_t *versions;
	uint64_t rng;
};

/**
 * struct usage - what a server has used
 * @faults: minor faults
 * @cpu: ns for which its main thread ran
 * @wait: ns for which that waited for a CPU
 * @timed: whether the kernel says so, as it does with CONFIG_SCHED_INFO
 */
struct usage {
	uint64_t faults;
	uint64_t cpu;
	uint64_t wait;
	bool timed;
};

/**
 * struct save - what is known of the save
 * @asked: when BGSAVE was sent
 * @begun: when it was answered
 * @ended: when the saving process was gone
 * @child: that process
 * @child_fd: its pidfd
 * @usage: the server's meanwhile
 * @other: and before and after
 * @child_peak_kb: its peak RSS
 * @growth_kb: the most by which the machine's anonymous memory grew
 */
struct save {
	uint64_t asked;
	uint64_t begun;
	uint64_t ended;
	pid_t child;
	int child_fd;
	struct usage usage;
	struct usage other;
	uint64_t child_peak_kb;
	uint64_t growth_kb;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct env *env = state->input;

	switch (key) {
	case 'k':
		env->set.keys =
			number_arg("--keys", arg, MAX_CONNECTIONS, 1000000000);
		break;
	case 'b':
		env->set.bytes = number_arg("--bytes", arg, VALUE_MIN, 1 << 20);
		if (env->set.bytes % 8)
			die("--bytes: '%s' is not accepted, a multiple of 8 is",
			    arg);
		break;
	case 'c':
		env->connections =
			number_arg("--connections", arg, 1, MAX_CONNECTIONS);
		break;
	case 't':
		env->margin = number_arg("--margin", arg, 1, 600000) * 1000000;
		break;
	case 'i':
		env->interval =
			number_arg("--interval", arg, 1, 60000) * 1000000;
		break;
	case 'S':
		env->set.seed = number_arg("--seed", arg, 0, UINT64_MAX);
		break;
	case 's':
		env->server = arg;
		break;
	case 'a':
		env->armed = arg;
		break;
	case 'd':
		env->dir = arg;
		break;
	case 'o':
		env->out = arg;
		break;
	case OPT_CORRUPT:
		env->corrupt = strcmp(arg, "old") ? CORRUPT_BIT : CORRUPT_OLD;
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* A reply that is not an error, or the end. */
static redisReply *checked(redisContext *c, void *reply, const char *what)
{
	redisReply *r = reply;

	if (!r)
		die("%s: %s", what,
		    c->err ? c->errstr : "the server does not answer");
	if (r->type == REDIS_REPLY_ERROR)
		die("%s: %s", what, r->str);
	return r;
}

static redisReply *command(redisContext *c, const char *text)
{
	return checked(c, redisCommand(c, text), text);
}

static uint64_t info(redisContext *c, const char *section, const char *key)
{
	redisReply *r = checked(c, redisCommand(c, "INFO %s", section), "INFO");
	uint64_t value;

	if (!text_field(r->str, key, &value))
		die("this redis-server's INFO has no %s", key);
	freeReplyObject(r);
	return value;
}

/* Try to connect until the server answers and has read its file. */
static void server_wait(struct server *server)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	uint64_t end = now_ns() + PATIENCE;

	for (;; nanosleep(&pause, NULL)) {
		redisReply *r;
		bool loading;
		int status;

		if (waitpid(server->pid, &status, WNOHANG) == server->pid)
			die("the server does not start (status %#x), see its log",
			    status);
		if (now_ns() > end)
			die("the server does not get ready");
		if (!server->admin)
			server->admin = redisConnectUnix(server->socket);
		if (!server->admin || server->admin->err) {
			if (server->admin)
				redisFree(server->admin);
			server->admin = NULL;
			continue;
		}
		r = redisCommand(server->admin, "PING");
		if (!r)
			die("PING: %s", server->admin->errstr);
		loading = r->type == REDIS_REPLY_ERROR;
		freeReplyObject(r);
		if (!loading)
			return;
	}
}

static void server_start(struct server *server, const struct env *env)
{
	pid_t self = getpid();
	char line[2048];

	snprintf(server->socket, sizeof(server->socket), "%s/redis.sock",
		 env->dir);
	unlink(server->socket);
	snprintf(
		line, sizeof(line),
		"exec %s --port 0 --unixsocket %s --dir %s --save '' --appendonly no --rdbcompression no --dbfilename dump.rdb --daemonize no --logfile %s/redis.log",
		env->server, server->socket, env->dir, env->dir);
	server->admin = NULL;
	server->pid = fork();
	if (server->pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (!server->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == self)
			execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	server_wait(server);
}

static void server_stop(struct server *server)
{
	redisReply *r = redisCommand(server->admin, "SHUTDOWN NOSAVE");

	if (r)
		die("SHUTDOWN: %s", r->str);
	redisFree(server->admin);
	while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static uint64_t process_field(pid_t pid, const char *file, const char *key)
{
	char path[64], text[4096];
	uint64_t value = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (read_text(path, text, sizeof(text)))
		text_field(text, key, &value);
	return value;
}

/* stat has a name in it, in brackets, that may hold anything. */
static struct usage usage_of(pid_t pid)
{
	char path[64], text[1024], *p;
	struct usage usage = { 0 };

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_text(path, text, sizeof(text)))
		die("cannot read %s", path);
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %" SCNu64,
			 &usage.faults) != 1)
		die("%s is not as expected", path);
	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	usage.timed = read_text(path, text, sizeof(text)) &&
		      sscanf(text, "%" SCNu64 " %" SCNu64, &usage.cpu,
			     &usage.wait) == 2;
	return usage;
}

static struct usage usage_between(const struct usage *from,
				  const struct usage *to)
{
	return (struct usage){
		.timed = from->timed && to->timed,
		.faults = to->faults - from->faults,
		.cpu = to->cpu - from->cpu,
		.wait = to->wait - from->wait,
	};
}

static uint64_t anon_kb(void)
{
	char text[4096];
	uint64_t kb = 0;

	if (!read_text("/proc/meminfo", text, sizeof(text)) ||
	    !text_field(text, "AnonPages:", &kb))
		die("cannot read AnonPages from /proc/meminfo");
	return kb;
}

static pid_t child_of(pid_t pid)
{
	char path[64], text[64];
	uint64_t child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if (!read_text(path, text, sizeof(text)))
		die("cannot read %s: this kernel needs CONFIG_PROC_CHILDREN",
		    path);
	text_field(text, "", &child);
	return child;
}

/* The next SET of a client; a key is only ever written by the same client. */
static void client_prepare(struct load *load, struct client *client)
{
	const struct dataset *set = &load->env->set;
	const uint32_t clients = load->env->connections;
	const uint32_t index = client - load->clients;
	char name[KEY_LEN + 1];
	uint32_t key;

	if (load->nr == MAX_SETS)
		die("more than %lu SETs", MAX_SETS);
	key = rng_below(&load->rng, set->keys / clients) * clients + index;
	key_make(key, name);
	client->len = sprintf(client->request,
			      "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%zu\r\n",
			      KEY_LEN, name, set->bytes);
	value_make(set, key, ++load->versions[key],
		   client->request + client->len);
	client->len += set->bytes;
	memcpy(client->request + client->len, "\r\n", 2);
	client->len += 2;
	client->entry = load->nr++;
	load->journal[client->entry].key = key;
}

static void client_send(struct load *load, struct client *client)
{
	size_t done = 0;

	load->journal[client->entry].sent = now_ns();
	while (done < client->len) {
		ssize_t n = write(client->fd, client->request + done,
				  client->len - done);

		if (n < 0 && errno != EINTR)
			die("SET: %s", strerror(errno));
		if (n > 0)
			done += n;
	}
}

/* Take the answer of a client that has one. */
static void client_receive(struct load *load, struct client *client)
{
	static const char ok[] = "+OK\r\n";
	struct entry *entry = &load->journal[client->entry];
	char text[256];
	size_t len = 0;

	while (len < strlen(ok)) {
		ssize_t n = read(client->fd, text + len, sizeof(text) - len);

		if (!n || (n < 0 && errno != EINTR))
			die("SET: the server closed the connection");
		if (n > 0)
			len += n;
	}
	entry->acked = now_ns();
	if (len != strlen(ok) || memcmp(text, ok, len))
		die("SET: unexpected answer '%.*s'", (int)len, text);
}

static void load_start(struct load *load, const struct env *env,
		       const struct server *server)
{
	unsigned int i;

	load->env = env;
	load->server = server;
	load->rng = ~env->set.seed;
	load->versions = calloc(env->set.keys, sizeof(*load->versions));
	/* Pages come as they are needed. */
	load->journal = mmap(NULL, MAX_SETS * sizeof(*load->journal),
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			     0);
	if (load->journal == MAP_FAILED || !load->versions)
		die("no memory for the journal");
	for (i = 0; i < env->connections; i++) {
		redisContext *c = redisConnectUnix(server->socket);

		if (!c || c->err)
			die("cannot connect: %s", c ? c->errstr : "no memory");
		load->clients[i].fd = c->fd;
		load->clients[i].request = malloc(env->set.bytes + 128);
		if (!load->clients[i].request)
			die("no memory for the values");
	}
}

/* Where the save stands, looked at between SETs. */
enum stage {
	STAGE_BEFORE,
	STAGE_ASKED,
	STAGE_SAVING,
	STAGE_AFTER,
	STAGE_DRAIN,
};

static void ask_save(struct save *save, const struct server *server)
{
	static const char text[] = "*1\r\n$6\r\nBGSAVE\r\n";

	save->asked = now_ns();
	if (write(server->admin->fd, text, strlen(text)) !=
	    (ssize_t)strlen(text))
		die("BGSAVE: %s", strerror(errno));
}

static void save_begun(struct save *save, const struct server *server)
{
	void *reply = NULL;

	redisGetReply(server->admin, &reply);
	save->begun = now_ns();
	freeReplyObject(checked(server->admin, reply, "BGSAVE"));
	save->child = child_of(server->pid);
	if (!save->child)
		die("the server saves without a process for it");
	save->child_fd = syscall(SYS_pidfd_open, save->child, 0);
	if (save->child_fd < 0)
		die("pidfd_open: %s", strerror(errno));
}

static void watch(struct save *save, uint64_t anon_before)
{
	uint64_t peak = process_field(save->child, "status", "VmHWM:");
	uint64_t anon = anon_kb();

	if (peak > save->child_peak_kb)
		save->child_peak_kb = peak;
	if (anon > anon_before && anon - anon_before > save->growth_kb)
		save->growth_kb = anon - anon_before;
}

/*
 * Keep every client busy until the save is over and the margin after it. All
 * answers that are there are taken, and timed, before a new value is made.
 */
static void load_run(struct load *load, struct save *save)
{
	const struct server *server = load->server;
	const struct env *env = load->env;
	const unsigned int clients = env->connections;
	struct pollfd fds[MAX_CONNECTIONS + 1];
	unsigned int i, busy = clients;
	enum stage stage = STAGE_BEFORE;
	struct usage used[4] = { 0 };
	uint64_t end, anon_before = 0, watched = 0;

	used[0] = usage_of(server->pid);
	for (i = 0; i < clients; i++) {
		fds[i] = (struct pollfd){ .fd = load->clients[i].fd,
					  .events = POLLIN };
		client_prepare(load, &load->clients[i]);
		client_send(load, &load->clients[i]);
	}
	fds[clients] = (struct pollfd){ .fd = -1, .events = POLLIN };
	end = now_ns() + env->margin;
	while (busy) {
		uint64_t now;

		if (poll(fds, clients + 1, 1000) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		for (i = 0; i < clients; i++) {
			if (fds[i].revents)
				client_receive(load, &load->clients[i]);
		}
		now = now_ns();
		if (stage == STAGE_BEFORE && now >= end) {
			anon_before = anon_kb();
			used[1] = usage_of(server->pid);
			ask_save(save, server);
			fds[clients].fd = server->admin->fd;
			stage = STAGE_ASKED;
		} else if (stage == STAGE_ASKED && fds[clients].revents) {
			save_begun(save, server);
			fds[clients].fd = save->child_fd;
			stage = STAGE_SAVING;
		} else if (stage == STAGE_SAVING && fds[clients].revents) {
			save->ended = now;
			used[2] = usage_of(server->pid);
			fds[clients].fd = -1;
			end = now + env->margin;
			stage = STAGE_AFTER;
		} else if (stage == STAGE_SAVING && now - watched > WATCH_NS) {
			watch(save, anon_before);
			watched = now;
		} else if (stage == STAGE_AFTER && now >= end) {
			stage = STAGE_DRAIN;
		}
		for (i = 0; i < clients; i++) {
			if (!fds[i].revents)
				continue;
			if (stage == STAGE_DRAIN) {
				fds[i].fd = -1;
				fds[i].revents = 0;
				busy--;
				continue;
			}
			client_prepare(load, &load->clients[i]);
			client_send(load, &load->clients[i]);
		}
	}
	used[3] = usage_of(server->pid);
	save->usage = usage_between(&used[1], &used[2]);
	save->other = usage_between(&used[0], &used[3]);
	save->other = usage_between(&save->usage, &save->other);
}

/* Read all keys of a server, check their values, note their versions. */
static void read_all(const struct server *server, const struct dataset *set,
		     const char *whose, uint32_t *versions)
{
	const uint32_t batch = 1 + (256 << 10) / set->bytes;
	uint32_t asked = 0, key;
	char name[KEY_LEN + 1];
	redisReply *r;

	r = command(server->admin, "DBSIZE");
	if (r->integer != set->keys)
		die("%s holds %lld keys, not %u", whose, r->integer, set->keys);
	freeReplyObject(r);
	for (key = 0; key < set->keys; key++) {
		void *reply = NULL;

		for (; asked < set->keys && asked < key + batch; asked++) {
			key_make(asked, name);
			redisAppendCommand(server->admin, "GET %s", name);
		}
		redisGetReply(server->admin, &reply);
		r = checked(server->admin, reply, "GET");
		if (r->type != REDIS_REPLY_STRING ||
		    !value_read(set, key, r->str, r->len, &versions[key]))
			die("%s: key %u has a wrong value", whose, key);
		freeReplyObject(r);
	}
}

static void verify_live(const struct load *load, uint32_t *versions)
{
	const struct dataset *set = &load->env->set;
	uint32_t key;

	read_all(load->server, set, "the server", versions);
	for (key = 0; key < set->keys; key++) {
		if (versions[key] != load->versions[key])
			die("the server: key %u has version %u, the last SET wrote %u",
			    key, versions[key], load->versions[key]);
	}
}

/* For tests: a snapshot in which one value is older, or one bit another. */
static void corrupt(const struct load *load, const struct save *save,
		    uint32_t *versions)
{
	const struct entry *e = load->journal;

	if (load->env->corrupt == CORRUPT_BIT)
		versions[0] ^= 1U << 31;
	if (load->env->corrupt != CORRUPT_OLD)
		return;
	/* The first SET that was answered before the save was asked for. */
	while (e->acked > save->asked)
		e++;
	versions[e->key] = 0;
}

static void verify_saved(const struct load *load, const struct save *save,
			 uint32_t *versions)
{
	const struct env *env = load->env;
	struct cut cut = { .after = save->asked, .before = save->begun };
	struct server second;

	server_start(&second, env);
	read_all(&second, &env->set, "the file saved", versions);
	server_stop(&second);
	corrupt(load, save, versions);
	if (cut_find(load->journal, load->nr, versions, env->set.keys, &cut))
		return;
	if (cut.wrong_key != UINT32_MAX)
		die("the file saved: key %u has version %u, which was never written",
		    cut.wrong_key, versions[cut.wrong_key]);
	die("the file saved is not the state of one instant: it lacks what was there %" PRId64
	    " ns before what it holds",
	    (int64_t)(cut.after - cut.before));
}

static FILE *result(const struct env *env, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", env->out, name);
	f = fopen(path, "we");
	if (!f)
		die("--out: cannot open %s: %s", path, strerror(errno));
	return f;
}

static void result_end(FILE *f, const char *name)
{
	if (fflush(f) || ferror(f))
		die("--out: cannot write %s: %s", name, strerror(errno));
	fclose(f);
}

/* One phase: its row, and its histogram. */
static void put_phase(const struct load *load, FILE *csv, const char *phase,
		      uint64_t *samples, size_t count, uint64_t elapsed,
		      const struct usage *usage)
{
	char name[32];
	struct stats s;
	FILE *hist;

	snprintf(name, sizeof(name), "%s.hist", phase);
	hist = result(load->env, name);
	hist_write(hist, samples, count);
	result_end(hist, name);
	stats_compute(samples, count, &s);
	fprintf(csv,
		"%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
		phase, s.count, elapsed, s.count ? elapsed / s.count : 0, s.min,
		s.p50, s.p90, s.p99, s.p999, s.max, usage->faults);
	if (s.count && usage->timed)
		fprintf(csv, ",%" PRIu64 ",%" PRIu64, usage->cpu / s.count,
			usage->wait / s.count);
	else
		fputs(",,", csv);
	fputs(",yes\n", csv);
	printf("%-8s %8" PRIu64
	       " SETs, %8.1f/s, p50 %7.1f us, p99 %8.1f us, p99.9 %8.1f us, max %8.1f us, %" PRIu64
	       " faults\n",
	       phase, s.count, s.count * 1e9 / elapsed, s.p50 / 1e3,
	       s.p99 / 1e3, s.p999 / 1e3, s.max / 1e3, usage->faults);
}

static void put_requests(const struct load *load, const struct save *save)
{
	const uint64_t saving = save->ended - save->asked;
	uint64_t *inside = malloc(load->nr * sizeof(*inside));
	uint64_t *outside = malloc(load->nr * sizeof(*outside));
	size_t nr_inside = 0, nr_outside = 0, i;
	uint64_t last = 0;
	FILE *csv;

	if (!inside || !outside)
		die("no memory for the results");
	for (i = 0; i < load->nr; i++) {
		const struct entry *e = &load->journal[i];

		if (e->acked > last)
			last = e->acked;
		if (e->acked >= save->asked && e->sent <= save->ended)
			inside[nr_inside++] = e->acked - e->sent;
		else
			outside[nr_outside++] = e->acked - e->sent;
	}
	csv = result(load->env, "request.csv");
	fputs("phase,count,elapsed_ns,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,faults,cpu_ns,wait_ns,verified\n",
	      csv);
	put_phase(load, csv, "save", inside, nr_inside, saving, &save->usage);
	put_phase(load, csv, "outside", outside, nr_outside,
		  last - load->journal[0].sent - saving, &save->other);
	result_end(csv, "request.csv");
	free(inside);
	free(outside);
}

static int by_acked(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->acked > y->acked) - (x->acked < y->acked);
}

/* Sorts the journal. */
static void put_timeline(struct load *load, const struct save *save)
{
	const uint64_t interval = load->env->interval;
	const struct entry *e = load->journal;
	uint64_t *bucket = malloc(load->nr * sizeof(*bucket));
	int64_t row, rows;
	size_t i = 0;
	FILE *csv;

	if (!bucket)
		die("no memory for the time line");
	qsort(load->journal, load->nr, sizeof(*load->journal), by_acked);
	csv = result(load->env, "timeline.csv");
	fputs("ms,count,p50_ns,p99_ns,max_ns,saving\n", csv);
	/* Rounded down, so that a row begins where BGSAVE was sent. */
	row = -(int64_t)((save->asked - e[0].sent) / interval) - 1;
	rows = (e[load->nr - 1].acked - save->asked) / interval + 1;
	for (; row < rows; row++) {
		/* cppcheck-suppress signConversionCond ; before it, too */
		uint64_t from = save->asked + row * interval;
		struct stats s;
		size_t n = 0;

		while (i < load->nr && e[i].acked < from + interval) {
			bucket[n++] = e[i].acked - e[i].sent;
			i++;
		}
		stats_compute(bucket, n, &s);
		fprintf(csv, "%" PRId64 ",%zu,",
			row * (int64_t)(interval / 1000000), n);
		if (n)
			fprintf(csv, "%" PRIu64 ",%" PRIu64 ",%" PRIu64, s.p50,
				s.p99, s.max);
		else
			fputs(",,", csv);
		fprintf(csv, ",%d\n", row >= 0 && from < save->ended);
	}
	result_end(csv, "timeline.csv");
	free(bucket);
}

/* What Redis says of the save, while it still runs. */
static void put_redis(const struct env *env, const struct server *server,
		      const struct save *save)
{
	redisContext *c = server->admin;
	uint64_t cow = info(c, "persistence", "rdb_last_cow_size:");
	uint64_t fork_us = info(c, "stats", "latest_fork_usec:");
	char path[512];
	struct stat st;
	FILE *csv;

	snprintf(path, sizeof(path), "%s/dump.rdb", env->dir);
	if (stat(path, &st))
		die("no file was saved: %s", strerror(errno));
	csv = result(env, "redis.csv");
	fputs("keys,value_bytes,connections,fork_us,save_ms,cow_bytes,growth_kb,server_peak_kb,child_peak_kb,rdb_bytes\n",
	      csv);
	fprintf(csv,
		"%u,%zu,%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		",%" PRIu64 ",%" PRIu64 ",%jd\n",
		env->set.keys, env->set.bytes, env->connections, fork_us,
		(save->ended - save->asked) / 1000000, cow, save->growth_kb,
		process_field(server->pid, "status", "VmHWM:"),
		save->child_peak_kb, (intmax_t)st.st_size);
	result_end(csv, "redis.csv");
	printf("saved %.1f MB in %" PRIu64 " ms, fork %" PRIu64
	       " us, copy-on-write %.1f MB, memory +%.1f MB\n",
	       st.st_size / 1e6, (save->ended - save->asked) / 1000000, fork_us,
	       cow / 1e6, save->growth_kb / 1e3);
}

/* The server reaps the saving process when its timer next runs. */
static void wait_saved(const struct server *server)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	redisReply *r;

	while (info(server->admin, "persistence", "rdb_bgsave_in_progress:"))
		nanosleep(&pause, NULL);
	r = command(server->admin, "INFO persistence");
	if (!strstr(r->str, "rdb_last_bgsave_status:ok"))
		die("the save failed, see the server's log");
	freeReplyObject(r);
}

/* A server that starts with the data set reads it from the file. */
static void start_full(struct server *server, const struct env *env)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/dump.rdb", env->dir);
	f = fopen(path, "we");
	if (!f || dataset_write(&env->set, f))
		die("--dir: cannot write %s: %s", path, strerror(errno));
	fclose(f);
	server_start(server, env);
	/* What it holds is all in memory now, and its file is, too. */
	unlink(path);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct env env = {
		.set = { .keys = 100000, .bytes = 64, .seed = 1 },
		.connections = 4,
		.margin = 2 * SECOND,
		.interval = SECOND / 50,
		.server = "redis-server",
		.dir = "/tmp",
		.out = ".",
	};
	static struct load load;
	struct save save = { 0 };
	struct server server;
	uint32_t *versions;
	char path[512];

	argp_parse(&argp, argc, argv, 0, NULL, &env);
	versions = calloc(env.set.keys, sizeof(*versions));
	if (!versions)
		die("no memory for %u keys", env.set.keys);
	start_full(&server, &env);
	load_start(&load, &env, &server);
	if (env.armed && system(env.armed))
		die("--armed: the command failed");
	load_run(&load, &save);
	wait_saved(&server);
	put_redis(&env, &server, &save);
	verify_live(&load, versions);
	server_stop(&server);
	verify_saved(&load, &save, versions);
	put_requests(&load, &save);
	put_timeline(&load, &save);
	snprintf(path, sizeof(path), "%s/dump.rdb", env.dir);
	unlink(path);
	return 0;
}
