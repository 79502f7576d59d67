/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_WORK_H
#define COWLAB_WORK_H

#include "common/pattern.h"

/**
 * work - compute for a while; a compiler cannot leave out an iteration
 * @iters: number of iterations
 */
static inline void work(uint64_t iters)
{
	uint64_t x = iters;

	while (iters--) {
		x = mix64(x);
		__asm__ volatile("" : "+r"(x));
	}
}

uint64_t work_calibrate(uint64_t ns);

#endif /* COWLAB_WORK_H */
