/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_RUNAHEAD_H
#define COWLAB_RUNAHEAD_H

#include "bench/bench.h"

struct runner;
struct mapper;

struct runner *runner_start(const struct bench *bench,
			    const struct region *region,
			    const struct side_result *result);
void runner_go(struct runner *runner);
long runner_stop(struct runner *runner);

struct mapper *mapper_start(const struct bench *bench);
void mapper_go(struct mapper *mapper);
void mapper_stop(struct mapper *mapper);

#endif /* COWLAB_RUNAHEAD_H */
