/* SPDX-License-Identifier: GPL-2.0 */
/* names.h - clocks, arms, workloads, stages and the order they are told in */
#ifndef COWREPORT_NAMES_H
#define COWREPORT_NAMES_H

#include "util.h"

/**
 * enum cow_clock - what the guest's nanoseconds are
 * @CLK_WALL: time of the host
 * @CLK_ICOUNT: instructions of the guest
 * @CLK_UNKNOWN: a log that does not say
 */
enum cow_clock { CLK_WALL, CLK_ICOUNT, CLK_UNKNOWN, CLK_NR };

/* More rounds than this no run has: the number was garbled */
#define ROUND_MAX 9999

/**
 * struct cell_key - which measurement: one round of one arm
 * @clock: the boot
 * @arm: the arm, a name_ok() string
 * @workload: the workload, a name_ok() string
 * @round: the round, from 1
 */
struct cell_key {
	enum cow_clock clock;
	char arm[NAME_LEN];
	char workload[NAME_LEN];
	uint64_t round;
};

/**
 * enum density - how numbers are written
 * @DENSE_NO: in full
 * @DENSE_TEXT: in full, with short heads of columns
 * @DENSE_MS: from ten million ns on as ms or s
 * @DENSE_ALL: from 100,000 ns on in three or four digits
 */
enum density { DENSE_NO, DENSE_TEXT, DENSE_MS, DENSE_ALL, DENSE_END };

const char *clock_name(enum cow_clock clock);
enum cow_clock clock_by_name(const char *s, size_t len);
size_t arm_rank(const char *arm);
int cmp_arm(const char *a, const char *b);
int cmp_workload(const char *a, const char *b);
int cmp_stage(const char *a, const char *b);
int cmp_key(const struct cell_key *a, const struct cell_key *b);
const char *service_stage(const char *arm);
bool sweep_point(const char *arm, unsigned int *window, bool *large);
bool is_sweep(const char *arm);
bool arm_prepares(const char *arm);
bool wall_only(const struct cell_key *key);
bool key_parse(const char *s, struct cell_key *key);

#endif
