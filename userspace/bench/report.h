/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_REPORT_H
#define COWLAB_REPORT_H

#include "bench/bench.h"

void report_row(const struct bench *bench, enum side side, uint64_t round,
		const struct growth *growth, bool first);

#endif /* COWLAB_REPORT_H */
