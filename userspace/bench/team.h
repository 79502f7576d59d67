/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_TEAM_H
#define COWLAB_TEAM_H

#include "bench/bench.h"

struct team;

struct team *team_start(const struct bench *bench, const struct region *region,
			enum side side, uint64_t seed);
void team_rehearse(const struct team *team);
void team_write(const struct team *team);
void team_finish(struct team *team);

#endif /* COWLAB_TEAM_H */
