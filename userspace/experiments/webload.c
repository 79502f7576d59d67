// SPDX-License-Identifier: GPL-2.0
/* webload - requests to gunicorn, whose workers share a heap of Python's */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/options.h"
#include "common/pattern.h"
#include "common/process.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/tempdir.h"
#include "common/util.h"

#define MAX_CONNECTIONS 64
#define MAX_WORKERS 64
#define MAX_WORDS 32
#define PATIENCE_NS (300 * 1000000000ULL)
#define POLL_NS 20000000

#define COLUMNS                                                                      \
	"freeze=%6s workers=%7u records=%9lu count=%7lu elapsed_ns=%12lu " ROW_STATS \
	" faults=%8lu master_kb=%9lu pss_kb=%9lu private_kb=%10lu "                  \
	"neighbours=%10s wasted=%8s unjudged=%8s verified=%8s"

static const char doc[] =
	"Time requests to gunicorn, whose workers were forked from a master with a heap.\n"
	"\n"
	"COMMAND starts gunicorn, version 20 or later. Its application makes a heap of records before the workers are forked (--preload). A request reads some of them, which writes their reference counts; no request changes a record. Each answer is checked. After the last request the memory of the workers is read.\n"
	"\v"
	"EXAMPLES:\n"
	"    webload python3 -m gunicorn       # 4 workers, 100000 records\n"
	"    webload --freeze yes gunicorn     # gc.freeze() before the fork\n"
	"    webload -w 2 -n 500 -c gunicorn   # 2 workers, 500 requests; CSV\n"
	"    webload -a 'echo 1 >/sys/kernel/debug/cowlab/precopy' gunicorn\n"
	"\n"
	"COLUMNS, one row:\n"
	"    elapsed_ns      from the first request to the last answer\n"
	"    avg_ns ..       latencies, from connect() to the end of the answer\n"
	"    faults          minor faults of all workers\n"
	"    master_kb       RSS of the master: its heap, mostly\n"
	"    pss_kb          average PSS of a worker after the last request\n"
	"    private_kb      average private memory of a worker\n"
	"    neighbours, wasted, unjudged  of cowlab's counters, with --debugfs: pages\n"
	"                    that windows served beside those that were written; pages\n"
	"                    among them that were not written; that nobody looked at\n"
	"\n"
	"Exit status: 0; 1 if an answer was wrong, the server failed, or an option was invalid.\n";

static struct {
	unsigned int workers;
	unsigned int connections;
	uint64_t records;
	uint64_t requests;
	uint64_t run;
	uint64_t lookups;
	uint64_t collect;
	unsigned int freeze;
	uint64_t seed;
	const char *armed;
	const char *debugfs;
	const char *dir;
	const char *hist;
	bool csv;
	bool corrupt;
} env = {
	.workers = 4,
	.connections = 4,
	.records = 100000,
	.requests = 400,
	.run = 64,
	.lookups = 16,
	.collect = 10,
	.seed = 1,
	.armed = "",
};

static const char *const answers[] = { "no", "yes", NULL };

static const struct opt opts[] = {
	{ "workers", 'w', "N", "Workers (4)",
	  OPT_NUMBER(env.workers, 1, MAX_WORKERS) },
	{ "connections", 'C', "N", "Requests under way (4)",
	  OPT_NUMBER(env.connections, 1, MAX_CONNECTIONS) },
	{ "records", 'r', "N",
	  "Records in the heap, some 600 bytes each (100000)",
	  OPT_NUMBER(env.records, 1000, 100000000) },
	{ "requests", 'n', "N", "Number of requests (400)",
	  OPT_NUMBER(env.requests, 1, 10000000) },
	{ "run", 'R', "N", "Records in a row that a request reads (64)",
	  OPT_NUMBER(env.run, 0, 1000) },
	{ "lookups", 'L', "N", "Scattered records that a request reads (16)",
	  OPT_NUMBER(env.lookups, 0, 1000) },
	{ "collect", 'G', "N",
	  "Request of each worker that collects all garbage; 0: none does (10)",
	  OPT_NUMBER(env.collect, 0, 10000000) },
	{ "freeze", 'f', "ANSWER",
	  "gc.freeze() before the fork: yes or no (no)",
	  OPT_CHOICE(env.freeze, answers) },
	{ OPT_COMMON_SEED(env.seed, "Decides which records are read (1)") },
	{ "armed", 'a', "COMMAND",
	  "Shell command to run when the master has its heap", .group = 1,
	  OPT_TEXT(env.armed) },
	{ "debugfs", 'd', "DIR", "Folder of cowlab's counters", .group = 1,
	  OPT_TEXT(env.debugfs) },
	{ "dir", 'D', "DIR",
	  "Where to make a folder for the socket, which is removed in the end ($TMPDIR, or /tmp)",
	  .group = 1, OPT_TEXT(env.dir) },
	{ OPT_COMMON_CSV(env.csv) },
	{ OPT_COMMON_HIST(env.hist) },
	{ "corrupt", 0, NULL, "For tests: expect a wrong answer",
	  .hidden = true, OPT_FLAG(env.corrupt) },
	{ 0 },
};

/* The application, which gunicorn imports */
__asm__(".section .rodata\n"
	"heap_py: .incbin \"experiments/heap.py\"\n"
	".byte 0\n"
	".previous");
extern const char heap_py[];

/* A request that is under way */
struct client {
	int fd; /* its socket, or -1 */
	uint64_t sent; /* when it began */
	uint64_t sum; /* the answer that is right */
	char text[512]; /* the answer so far */
	size_t len; /* bytes of @text */
};

static pid_t master;
static char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
static char log_path[512];

/* The price of a record, as heap.py makes it */
static uint64_t price(uint64_t record)
{
	return 1000 + record * 7919 % 100003;
}

/* The last line of the server's log, which is removed in the end. */
static const char *log_end(void)
{
	static char text[65536];
	char *line;

	if (!read_text(log_path, text, sizeof(text)) || !*text)
		return "it says nothing";
	text[strlen(text) - 1] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

/* Connect to the server. Return: the socket, or -1 and errno. */
static int try_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	strcpy(to.sun_path, socket_path);
	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	close(fd);
	return -1;
}

/* The server's workers. Return: their number. */
static unsigned int workers_of(pid_t *pids)
{
	char path[64], text[1024], *p = text;
	unsigned int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", master,
		 master);
	if (!read_text(path, text, sizeof(text)))
		die("cannot read %s: this kernel needs CONFIG_PROC_CHILDREN",
		    path);
	for (; n < MAX_WORKERS && *p; n++)
		pids[n] = strtoul(p, &p, 10), p += strspn(p, " ");
	return n;
}

static void put_app(const char *dir)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/heap.py", dir);
	f = fopen(path, "wxe");
	if (!f || fputs(heap_py, f) < 0 || fclose(f))
		die("--dir: cannot write %s: %s", path, strerror(errno));
}

static void set_number(const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	setenv(name, text, 1);
}

/* Become the server; its output goes to the log. */
__attribute__((noreturn)) static void become_server(char **command,
						    const char *dir)
{
	char *args[MAX_WORDS + 12], bind[256], workers[16];
	size_t n = 0;

	for (; command[n]; n++)
		args[n] = command[n];
	snprintf(bind, sizeof(bind), "unix:%s", socket_path);
	snprintf(workers, sizeof(workers), "%u", env.workers);
	args[n++] = "--preload";
	args[n++] = "--bind";
	args[n++] = bind;
	args[n++] = "--workers";
	args[n++] = workers;
	args[n++] = "--timeout";
	args[n++] = "0";
	args[n++] = "--pythonpath";
	args[n++] = (char *)dir;
	args[n++] = "heap:application";
	args[n] = NULL;
	set_number("WEBLOAD_RECORDS", env.records);
	set_number("WEBLOAD_COLLECT", env.collect);
	setenv("WEBLOAD_FREEZE", answers[env.freeze], 1);
	setenv("WEBLOAD_ARMED", env.armed, 1);
	/* Otherwise each start has another layout of its dictionaries. */
	setenv("PYTHONHASHSEED", "0", 1);
	if (!freopen(log_path, "we", stdout) || dup2(1, 2) < 0)
		_exit(126);
	execvp(args[0], args);
	fprintf(stderr, "%s: %s\n", args[0], strerror(errno));
	_exit(127);
}

/* Start the server, wait until all its workers run. */
static void server_start(char **command, const char *dir)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	const uint64_t end = now_ns() + PATIENCE_NS;
	pid_t pids[MAX_WORKERS];
	int fd;

	master = fork_tied();
	if (!master)
		become_server(command, dir);
	for (;; nanosleep(&pause, NULL)) {
		int status;

		if (waitpid(master, &status, WNOHANG) == master)
			die("the server does not start (status %#x): %s",
			    status, log_end());
		if (now_ns() > end)
			die("the server does not get ready: %s", log_end());
		fd = try_connect();
		if (fd < 0)
			continue;
		close(fd);
		if (workers_of(pids) == env.workers)
			return;
	}
}

static void server_stop(void)
{
	int status;

	kill(master, SIGTERM);
	while (waitpid(master, &status, 0) < 0)
		if (errno != EINTR)
			die("cannot wait for the server: %s", strerror(errno));
	if (status)
		die("the server failed (status %#x): %s", status, log_end());
}

static void client_connect(struct client *client)
{
	client->fd = try_connect();
	if (client->fd < 0)
		die("cannot connect: %s", strerror(errno));
}

/* Send a request for random records. */
static void client_send(struct client *client, uint64_t *rng)
{
	const uint64_t first = rng_below(rng, env.records - env.run + 1);
	const uint64_t step = rng_below(rng, env.records);
	char text[256];
	uint64_t i;
	int len;

	client->sum = env.corrupt;
	for (i = 0; i < env.run; i++)
		client->sum += price(first + i);
	for (i = 1; i <= env.lookups; i++)
		client->sum += price((first + i * step) % env.records);
	len = snprintf(text, sizeof(text),
		       "GET /%lu/%lu/%lu/%lu HTTP/1.0\r\n\r\n", first, env.run,
		       step, env.lookups);
	client->len = 0;
	client->sent = now_ns();
	if (client->fd < 0)
		client_connect(client);
	if (write(client->fd, text, len) != len)
		die("cannot send a request: %s", strerror(errno));
}

/* Take a part of an answer. Return: it was the last; then it is right. */
static bool client_receive(struct client *client)
{
	const size_t room = sizeof(client->text) - 1 - client->len;
	ssize_t n = read(client->fd, client->text + client->len, room);
	const char *body;
	uint64_t sum;

	if (n < 0)
		die("no answer: %s", strerror(errno));
	client->len += n;
	if (n && client->len < sizeof(client->text) - 1)
		return false;
	client->text[client->len] = '\0';
	body = strstr(client->text, "\r\n\r\n");
	if (strncmp(client->text, "HTTP/1.", 7) ||
	    strncmp(client->text + 8, " 200 ", 5) || !body ||
	    !text_field(body + 4, "", &sum))
		die("unexpected answer '%.*s': %s",
		    (int)strcspn(client->text, "\r\n"), client->text,
		    log_end());
	if (sum != client->sum)
		die("wrong answer: expected %lu, got %lu", client->sum, sum);
	close(client->fd);
	client->fd = -1;
	return true;
}

/*
 * Keep the connections busy until all requests are answered.
 *
 * A worker has one connection at a time. All are open, and taken, before the first
 * request is sent: with as many connections as workers, each of these then serves its
 * share, because none but it is idle when the client connects again.
 *
 * Return: the time from the first request to the last answer, in ns.
 */
static uint64_t load(uint64_t *samples)
{
	static const struct timespec settle = { .tv_nsec = 200000000 };
	static struct client clients[MAX_CONNECTIONS];
	struct pollfd fds[MAX_CONNECTIONS];
	uint64_t rng = ~env.seed, asked = 0, answered = 0, start;
	unsigned int i, n = env.connections;

	if (n > env.requests)
		n = env.requests;
	for (i = 0; i < n; i++)
		client_connect(&clients[i]);
	nanosleep(&settle, NULL);
	start = now_ns();
	for (i = 0; i < n; i++, asked++) {
		client_send(&clients[i], &rng);
		fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
	}
	while (answered < env.requests) {
		if (poll(fds, n, -1) < 0)
			die("poll: %s", strerror(errno));
		for (i = 0; i < n; i++) {
			if (!fds[i].revents || !client_receive(&clients[i]))
				continue;
			samples[answered++] = now_ns() - clients[i].sent;
			fds[i].fd = -1;
			if (asked == env.requests)
				continue;
			client_send(&clients[i], &rng);
			fds[i].fd = clients[i].fd;
			asked++;
		}
	}
	return now_ns() - start;
}

/* A number of a file in a process' folder */
static uint64_t field_of(pid_t pid, const char *file, const char *key)
{
	char path[64], text[8192];
	uint64_t value;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (!read_text(path, text, sizeof(text)) ||
	    !text_field(text, key, &value))
		die("no %s in %s", key, path);
	return value;
}

/* What all workers together have */
struct memory {
	uint64_t faults;
	uint64_t pss_kb;
	uint64_t private_kb;
};

static struct memory memory_of(void)
{
	struct memory sum = { 0 };
	pid_t pids[MAX_WORKERS];
	unsigned int i;

	if (workers_of(pids) != env.workers)
		die("a worker has ended: %s", log_end());
	for (i = 0; i < env.workers; i++) {
		sum.faults += process_faults(pids[i]);
		sum.pss_kb += field_of(pids[i], "smaps_rollup", "Pss:");
		sum.private_kb +=
			field_of(pids[i], "smaps_rollup", "Private_Clean:") +
			field_of(pids[i], "smaps_rollup", "Private_Dirty:");
	}
	return sum;
}

/* Cowlab's counters of what windows served */
struct waste {
	uint64_t neighbours;
	uint64_t wasted;
	uint64_t unjudged;
};

static struct waste waste_now(void)
{
	char path[4096], text[4096];
	struct waste w = { 0 };

	if (!env.debugfs)
		return w;
	snprintf(path, sizeof(path), "%s/stats", env.debugfs);
	if (!read_text(path, text, sizeof(text)) ||
	    !text_field(text, "neighbours ", &w.neighbours) ||
	    !text_field(text, "wasted ", &w.wasted) ||
	    !text_field(text, "unjudged ", &w.unjudged))
		die("--debugfs: cannot read %s", path);
	return w;
}

int main(int argc, char **argv)
{
	char **command =
		options_parse(argc, argv, doc, opts, "COMMAND [ARG...]");
	struct cell (*cell)(bool known, uint64_t value);
	struct guardian guardian;
	struct memory start, end;
	struct waste was, is;
	uint64_t *samples, elapsed;
	struct stats s;
	const char *dir;
	size_t words = 0;
	FILE *hist;

	while (command && command[words])
		words++;
	if (words > MAX_WORDS)
		die("COMMAND: the most is %d words", MAX_WORDS);
	samples = shared_alloc(env.requests * sizeof(*samples), "--requests");
	dir = tempdir_make(&guardian, env.dir, "webload",
			   sizeof(socket_path) - sizeof("/web.sock"));
	snprintf(socket_path, sizeof(socket_path), "%s/web.sock", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	put_app(dir);
	signal(SIGPIPE, SIG_IGN);
	was = waste_now();
	server_start(command, dir);
	start = memory_of();
	elapsed = load(samples);
	end = memory_of();
	is = waste_now();
	hist = append_open("--hist", env.hist);
	if (hist && hist_write(hist, samples, env.requests))
		die("--hist: cannot write %s: %s", env.hist, strerror(errno));
	stats_compute(samples, env.requests, &s);
	cell = env.csv ? cell_csv : cell_table;
#define VALUES                                                           \
	answers[env.freeze], env.workers, env.records, s.count, elapsed, \
		ROW_STATS_OF(&s), end.faults - start.faults,             \
		field_of(master, "status", "VmRSS:"),                    \
		end.pss_kb / env.workers, end.private_kb / env.workers,  \
		cell(env.debugfs, is.neighbours - was.neighbours).text,  \
		cell(env.debugfs, is.wasted - was.wasted).text,          \
		cell(env.debugfs, is.unjudged - was.unjudged).text, "yes"
	if (env.csv)
		row_csv(stdout, true, COLUMNS, VALUES);
	else
		row_table(true, COLUMNS, VALUES);
	server_stop();
	guardian_end(&guardian);
	return 0;
}
