/* SPDX-License-Identifier: GPL-2.0 */
/* slow.h - time allowances on a slow host, and how long a test may take */
#ifndef SLOW_H
#define SLOW_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/**
 * slow - an allowance of time, longer where the host is slower
 * @n: seconds or any other unit, on the host where SLOW is 1
 *
 * SLOW comes from scripts/common.sh, in the guest by the kernel's command line.
 * Bounds on counts and ratios do not depend on it.
 *
 * Return: @n times SLOW, at least @n.
 */
static inline unsigned long slow(unsigned long n)
{
	const char *text = getenv("COW_slow");
	double factor;

	if (!text)
		text = getenv("SLOW");
	factor = text ? atof(text) : 1;
	return factor > 1 ? (unsigned long)(factor * (double)n) : n;
}

/* Whether the tests run in the tier of CI, where loops have fewer iterations. */
static inline bool quick(void)
{
	const char *tier = getenv("COW_tier");

	return tier && !strcmp(tier, "quick");
}

#endif /* SLOW_H */
