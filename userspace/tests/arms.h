/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests share that run under each policy. */
#ifndef COWLAB_ARMS_H
#define COWLAB_ARMS_H

#include "tests/guest.h"

/**
 * struct arm - what a test is run under
 * @name: its name
 * @policy: what knob policy takes; NULL: precopy is off
 * @window: what knob window takes
 * @loose: what a window serves cannot be said beforehand, only what it must
 *	not
 * @large: memory comes, and is copied, in large folios
 */
struct arm {
	const char *name;
	const char *policy;
	unsigned int window;
	bool loose;
	bool large;
};

extern const struct arm arms[];
extern const size_t nr_arms;
/* What the present test runs under. */
extern const struct arm *arm;

/**
 * struct arm_test - a test that is run under each arm
 * @name: its name
 * @function: the test
 */
struct arm_test {
	const char *name;
	CMUnitTestFunction function;
};

#define ARM_TEST(test)             \
	{                          \
		#test, test_##test \
	}

void set_large(bool on);
void arm_set(const struct arm *to);
int arms_run(const char *group, const struct arm_test *tests, size_t nr,
	     void (*clean_up)(void), const char *filter);

bool skip_unless(const char *path);
double now(void);
uint64_t next_random(uint64_t *seed);
pid_t start_holder(void);
void end_holder(pid_t pid);
void drain(void);
long free_pages(void);

#endif /* COWLAB_ARMS_H */
