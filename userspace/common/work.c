// SPDX-License-Identifier: GPL-2.0
/* Work between two writes. */
#include "common/work.h"

#include "common/util.h"

/**
 * work_calibrate - convert time to work
 * @ns: the time
 *
 * Return: number of iterations of work() that take @ns, at least 1.
 */
uint64_t work_calibrate(uint64_t ns)
{
	const uint64_t iters = 1 << 18;
	uint64_t best = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		uint64_t start = now_ns();
		uint64_t took;

		work(iters);
		took = now_ns() - start;
		if (took < best)
			best = took;
	}
	return iters * ns / (best ? best : 1) + 1;
}
