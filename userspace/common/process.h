/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_PROCESS_H
#define COWLAB_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* A child that holds what its parent had at the fork */
struct holder {
	pid_t pid; /* the child */
	int release; /* closing it ends the child */
	uint64_t fork_ns; /* duration of fork() in the parent */
};

/* A process that cleans up after another, however that ends */
struct guardian {
	int fd; /* a socket; the other side is closed when the guardian has ended */
};

int signals_open(void);
uint64_t process_faults(pid_t pid);
pid_t fork_tied(void);
void wait_child(pid_t child);
void holder_start(struct holder *holder);
void holder_end(const struct holder *holder);
void guardian_start(struct guardian *guardian, void (*clean)(void *arg),
		    void *arg);
void guardian_end(const struct guardian *guardian);
void guardian_dismiss(const struct guardian *guardian);

#endif /* COWLAB_PROCESS_H */
