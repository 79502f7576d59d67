// SPDX-License-Identifier: GPL-2.0
/* redisload's servers, and how it talks to them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/process.h"
#include "common/util.h"
#include "experiments/redisload.h"

#define PATIENCE (300 * SECOND)
/* Of --server */
#define MAX_WORDS 32

/* Return a reply that is not an error, or exit; @what is the command. */
redisReply *redis_checked(redisContext *c, void *reply, const char *what)
{
	redisReply *r = reply;

	if (!r)
		die("%s: %s", what,
		    c->err ? c->errstr : "the server does not answer");
	if (r->type == REDIS_REPLY_ERROR)
		die("%s: %s", what, r->str);
	return r;
}

/* Run a command; exit if it fails. */
redisReply *redis_command(redisContext *c, const char *text)
{
	return redis_checked(c, redisCommand(c, text), text);
}

/* Read a number of INFO; @key is the line's begin, with its colon. */
uint64_t redis_info(redisContext *c, const char *section, const char *key)
{
	redisReply *r =
		redis_checked(c, redisCommand(c, "INFO %s", section), "INFO");
	uint64_t value;

	if (!text_field(r->str, key, &value))
		die("this redis-server's INFO has no %s", key);
	freeReplyObject(r);
	return value;
}

/* The last line of the server's log, which is removed in the end. */
static const char *log_end(const struct env *env)
{
	static char text[4096];
	char path[512], *line;

	snprintf(path, sizeof(path), "%s/redis.log", env->dir);
	if (!read_text(path, text, sizeof(text)))
		return "it has no log";
	if (*text)
		text[strlen(text) - 1] = '\0';
	line = strrchr(text, '\n');
	return line ? line + 1 : text;
}

/* Connect again until the server answers and has read its file. */
static void server_wait(struct server *server, const struct env *env)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	uint64_t end = now_ns() + PATIENCE;

	for (;; nanosleep(&pause, NULL)) {
		redisReply *r;
		bool loading;
		int status;

		if (waitpid(server->pid, &status, WNOHANG) == server->pid)
			die("the server does not start (status %#x): %s",
			    status, log_end(env));
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

/* Start a server that reads dump.rdb of --dir, wait for it */
void server_start(struct server *server, const struct env *env)
{
	char *const options[] = {
		"--port",
		"0",
		"--unixsocket",
		server->socket,
		"--dir",
		(char *)env->dir,
		"--save",
		"",
		"--appendonly",
		"no",
		"--rdbcompression",
		"no",
		"--dbfilename",
		"dump.rdb",
		"--daemonize",
		"no",
		"--logfile",
		"redis.log",
		NULL,
	};
	char words[1024], *args[MAX_WORDS + ARRAY_SIZE(options)];
	char *save = NULL, *word;
	size_t nr = 0;

	if (strlen(env->server) >= sizeof(words))
		die("--server: too long");
	strcpy(words, env->server);
	for (word = strtok_r(words, " ", &save); word && nr < MAX_WORDS;
	     word = strtok_r(NULL, " ", &save))
		args[nr++] = word;
	if (!nr || word)
		die("--server: expected 1 to %d words", MAX_WORDS);
	memcpy(args + nr, options, sizeof(options));
	snprintf(server->socket, sizeof(server->socket), "%s/redis.sock",
		 env->dir);
	server->admin = NULL;
	server->pid = fork_tied();
	if (!server->pid) {
		execvp(args[0], args);
		_exit(127);
	}
	server_wait(server, env);
}

/* End a server without a save */
void server_stop(struct server *server)
{
	redisReply *r = redisCommand(server->admin, "SHUTDOWN NOSAVE");

	if (r)
		die("SHUTDOWN: %s", r->str);
	redisFree(server->admin);
	while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
