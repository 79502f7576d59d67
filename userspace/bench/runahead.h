/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_HELPER_H
#define COWLAB_HELPER_H

#include "bench/bench.h"

struct helper;
struct mapper;

struct helper *helper_start(const struct bench *bench,
			    const struct region *region,
			    const struct side_result *result);
void helper_go(struct helper *helper);
long helper_stop(struct helper *helper);

struct mapper *mapper_start(const struct bench *bench);
void mapper_go(struct mapper *mapper);
void mapper_stop(struct mapper *mapper);

#endif /* COWLAB_HELPER_H */
