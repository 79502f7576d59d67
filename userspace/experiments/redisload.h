/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of redisload: server, load, save, verification, results. */
#ifndef COWLAB_REDISLOAD_H
#define COWLAB_REDISLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <hiredis/hiredis.h>

#include "experiments/cut.h"
#include "experiments/dataset.h"

#define SECOND 1000000000ULL
#define MAX_CONNECTIONS 64
#define MAX_SAVES 100
/* How often the server and the saving process are looked at. */
#define POLL_NS 20000000

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
	unsigned int saves;
	const char *server;
	const char *armed;
	const char *dir; /* its own, in that of --dir */
	const char *out;
	enum corrupt corrupt;
};

/* A redis-server */
struct server {
	pid_t pid; /* its process */
	redisContext *admin; /* connection that is not timed */
	char socket[128]; /* its path */
};

/* A connection of the load */
struct client {
	int fd; /* its socket */
	size_t entry; /* its SET in the journal */
	char *request; /* the command */
	size_t len; /* bytes of @request */
};

/* The SETs */
struct load {
	const struct env *env; /* the command line */
	const struct server *server; /* the server that they go to */
	struct client clients[MAX_CONNECTIONS]; /* the connections */
	struct entry *journal; /* every SET */
	size_t nr; /* their number */
	uint32_t *versions; /* of each key, the last version that was sent */
	uint64_t rng; /* decides the keys */
};

/* Resources that a server has used */
struct usage {
	uint64_t faults; /* minor faults */
	uint64_t cpu; /* ns for which its main thread ran */
	uint64_t wait; /* ns for which its main thread waited for a CPU */
	/* @cpu and @wait are known: the kernel has CONFIG_SCHED_INFO */
	bool timed;
};

/* Observations of the save */
struct save {
	uint64_t asked; /* when BGSAVE was sent */
	uint64_t begun; /* when it was answered */
	uint64_t ended; /* when the saving process was gone */
	pid_t child; /* the saving process */
	int child_fd; /* its pidfd */
	struct usage usage; /* the server's usage during the save */
	struct usage other; /* the server's usage before and after */
	uint64_t child_peak_kb; /* peak RSS of the saving process */
	/* the most by which the machine's anonymous memory grew */
	uint64_t growth_kb;
	/* Redis' own figures: duration of fork(), bytes copied on write */
	uint64_t fork_us;
	uint64_t cow_bytes;
	uint64_t server_kb; /* RSS of the server after the save */
};

/* redis_server.c */
redisReply *redis_checked(redisContext *c, void *reply, const char *what);
redisReply *redis_command(redisContext *c, const char *text);
uint64_t redis_info(redisContext *c, const char *section, const char *key);
void server_start(struct server *server, const struct env *env);
void server_stop(struct server *server);

/* redis_save.c */
struct usage usage_of(pid_t pid);
struct usage usage_between(const struct usage *from, const struct usage *to);
struct usage usage_sum(const struct usage *a, const struct usage *b);
uint64_t anon_kb(void);
void save_ask(struct save *save, const struct server *server);
void save_begun(struct save *save, const struct server *server);
void save_watch(struct save *save, uint64_t anon_before);
void save_wait(struct save *save, const struct server *server);

/* redis_load.c */
void load_start(struct load *load, const struct env *env,
		const struct server *server);
void load_run(struct load *load, struct save *save);

/* redis_verify.c */
void verify_live(const struct load *load, uint32_t *versions);
void verify_saved(const struct load *load, const struct save *save,
		  uint32_t *versions);

/* redis_results.c */
void put_redis(const struct load *load, const struct save *saves);
void put_requests(const struct load *load, const struct save *saves);
void put_timeline(struct load *load, const struct save *saves);

#endif /* COWLAB_REDISLOAD_H */
