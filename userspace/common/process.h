/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_PROCESS_H
#define COWLAB_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/**
 * struct holder - a child that holds what its parent had at the fork
 * @pid: the child
 * @release: closing it ends the child
 * @fork_ns: duration of fork() in the parent
 */
struct holder {
	pid_t pid;
	int release;
	uint64_t fork_ns;
};

pid_t fork_tied(void);
void wait_child(pid_t child);
void holder_start(struct holder *holder);
void holder_end(const struct holder *holder);

#endif /* COWLAB_PROCESS_H */
