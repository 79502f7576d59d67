/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of cowwarm.so share. */
#ifndef COWWARM_WARM_H
#define COWWARM_WARM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/util.h"

/* Forks that the warmer has not adopted yet, and children that it watches. */
#define NEWS 1024
#define CHILDREN 1024
/* Ranges that are left alone as a whole. */
#define SKIPS 64
/* A child that lives for less than that is no snapshot's; the tests cannot wait. */
#ifdef COWWARM_STAND_IN
#define SHORT_LIFE_NS 5000000ULL
#else
#define SHORT_LIFE_NS 50000000ULL
#endif

#define BLOCK_PAGES (HUGE_BYTES / PAGE_BYTES)

/**
 * struct block - 2 MiB of memory, or the part of it that is mapped
 * @start: address
 * @pages: how many are mapped
 * @shared: pages that a child shares, when last looked at
 * @known: pages that were the program's own then, or have been broken since
 * @heat: pages that the program has written, the last fork's count whole
 * @served: broken in this fork
 * @huge: one huge page, as far as is known
 * @cold: was shared with a child, and not written
 */
struct block {
	uintptr_t start;
	uint16_t pages;
	uint16_t shared;
	uint16_t known;
	bool served;
	bool huge;
	bool cold;
	uint32_t heat;
};

/**
 * struct child - a child whose memory may still be shared with this process
 * @pid: its number
 * @fd: pidfd, in the warmer's own table of descriptors
 * @since: when the warmer saw it first, in ns
 */
struct child {
	pid_t pid;
	int fd;
	uint64_t since;
};

enum life { WARMER_NONE, WARMER_RUNS };

/**
 * struct warm - all that belongs to one process
 * @news: children posted by fork(), 0 where the slot is free
 * @count: posts so far; the warmer sleeps on it
 * @lost: children that found no free slot
 * @life: enum life
 * @quit: the warmer is to end now
 * @useless: there is a reason not to help that this process cannot lose
 * @tid: the warmer's thread, and the one before it
 * @held: descriptor of pagemap plus 1, opened before root was given up
 * @held_ino: its inode
 * @forks: for the last words
 * @broken: likewise
 * @joined: likewise, huge pages made again
 *
 * The rest is the warmer's:
 * @children: that still share memory
 * @nr_children: how many
 * @untracked: there were more
 * @blocks: the memory in blocks, as last seen
 * @old_blocks: as seen before
 * @max_blocks: room in each
 * @nr_blocks: how many
 * @shared: pages that are shared
 * @skips: address ranges whose pages are not worth a copy
 * @nr_skips: how many
 * @pagemap: descriptor
 * @used: pages broken since there was last no child
 * @limit: how many may be, fixed when the first child appears
 * @limited: whether it has been
 * @looked: at the memory that the last child shares
 * @lived: how long the child lived that was forgotten last, in ns
 * @joined_to: where collapse.c stopped last
 *
 * The kernel clears it in a forked child, however that was made.
 */
struct warm {
	_Atomic pid_t news[NEWS];
	_Atomic uint32_t count;
	_Atomic uint32_t lost;
	_Atomic uint32_t life;
	_Atomic bool quit;
	_Atomic bool useless;
	_Atomic pid_t tid[2];
	_Atomic int held;
	_Atomic ino_t held_ino;
	_Atomic uint64_t forks;
	_Atomic uint64_t broken;
	_Atomic uint64_t joined;

	struct child children[CHILDREN];
	unsigned int nr_children;
	bool untracked;
	struct block *blocks;
	struct block *old_blocks;
	size_t max_blocks;
	size_t nr_blocks;
	size_t shared;
	struct {
		uintptr_t start;
		uintptr_t end;
	} skips[SKIPS];
	unsigned int nr_skips;
	int pagemap;
	uint64_t used;
	uint64_t limit;
	bool limited;
	bool looked;
	uint64_t lived;
	uintptr_t joined_to;
};

extern struct warm warm;
extern uint64_t warm_budget;
extern uint64_t warm_collapse_ns;
extern bool warm_verbose;

/* say.c */
enum reason {
	NO_CALL,
	ONE_CPU,
	NO_WIPE,
	NO_THREAD,
	NO_TABLE,
	NO_PROC,
	NO_SCAN,
	NO_PIDFD,
	NO_MEMINFO,
	NO_ROOM,
	TIGHT,
	NO_BLOCKS,
	MANY_CHILDREN,
	FAILED_CALL,
	SECCOMP,
	IN_HANDLER,
	SKIPPED,
};

void say(const char *text);
void say_why(enum reason reason, int error);

/* probe.c */
int break_cow(void *addr, size_t bytes);
bool filtered(void);
bool calls_survive(void);
bool in_signal_handler(void);

/* limits.c */
uint64_t limits_room(void);
uint64_t limits_fix(uint64_t shared);
bool limits_floor_kept(void);

/* pages.c */
bool pages_scan(void);
void pages_new_fork(void);
bool pages_pass(uint32_t seen);
bool pages_in_pieces(const struct block *block);

/* collapse.c */
void collapse_pass(uint32_t seen);

/* warmer.c */
bool warmer_prune(void);
void warmer_post(pid_t pid);
void warmer_start(void);
bool warmer_stop(void);

/* lines.c */
/**
 * struct lines - a text file, line by line, without stdio
 * @fd: the file
 * @at: where the next line begins in @text
 * @have: how much of @text is filled
 * @error: of the last read()
 * @text: a part of the file
 */
struct lines {
	int fd;
	size_t at;
	size_t have;
	int error;
	char text[8192];
};

bool lines_open(struct lines *lines, const char *path);
char *lines_next(struct lines *lines);
void lines_close(struct lines *lines);

#endif /* COWWARM_WARM_H */
