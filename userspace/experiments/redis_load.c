// SPDX-License-Identifier: GPL-2.0
/* redisload's clients: each has one SET under way. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/pattern.h"
#include "common/util.h"
#include "experiments/redisload.h"

#define MAX_SETS (1UL << 24)

/* Make the next SET of a client; only one client writes a given key. */
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

/* Take the answer to a SET. */
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

/* Connect the clients */
void load_start(struct load *load, const struct env *env,
		const struct server *server)
{
	unsigned int i;

	load->env = env;
	load->server = server;
	load->rng = ~env->set.seed;
	load->versions = calloc(env->set.keys, sizeof(*load->versions));
	/* Pages are allocated as they are used. */
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

/* State of the save, checked between SETs. */
enum stage {
	STAGE_BEFORE,
	STAGE_ASKED,
	STAGE_SAVING,
	STAGE_AFTER,
	STAGE_DRAIN,
};

/*
 * Keep every client busy until the margin after the save has passed. All
 * available answers are taken, and timed, before a new value is made.
 */
void load_run(struct load *load, struct save *save)
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
			save_ask(save, server);
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
		} else if (stage == STAGE_SAVING && now - watched > POLL_NS) {
			save_watch(save, anon_before);
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
