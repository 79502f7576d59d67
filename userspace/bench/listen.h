/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_LISTEN_H
#define COWLAB_LISTEN_H

#include <stdbool.h>

#define LISTEN_MAX 8

/**
 * struct listen - cowlab's switches in debugfs, open
 * @count: number of switches
 * @fds: the switches
 * @pid_fd: the file that restricts them to one thread group
 */
struct listen {
	int count;
	int fds[LISTEN_MAX];
	int pid_fd;
};

void listen_open(struct listen *listen, const char *dir, const char *list);
void listen_rehearsal(struct listen *listen, const struct listen *real);
void listen_pid(const struct listen *listen, int pid);
bool listen_set(const struct listen *listen, bool on);
void listen_stop(const struct listen *listen);

#endif /* COWLAB_LISTEN_H */
