/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_LISTEN_H
#define COWLAB_LISTEN_H

#include <stdbool.h>

#include "common/process.h"

#define LISTEN_MAX 8

/* Cowlab's switches in debugfs */
struct listen {
	const char *option; /* that asks for them, for messages */
	int count; /* number of switches */
	int fds[LISTEN_MAX]; /* the switches */
	bool was_on[LISTEN_MAX]; /* before */
	int pid_fd; /* the file that restricts them to one thread group */
	char pid_was[16]; /* before: a line */
	struct guardian guardian; /* turns them off, however this ends */
};

void listen_open(struct listen *listen, const char *option, const char *dir,
		 const char *list);
void listen_rehearsal(struct listen *listen, const struct listen *real);
void listen_pid(const struct listen *listen, int pid);
bool listen_set(const struct listen *listen, bool on);
void listen_stop(const struct listen *listen);
void listen_close(const struct listen *listen);

#endif /* COWLAB_LISTEN_H */
