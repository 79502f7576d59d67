// SPDX-License-Identifier: GPL-2.0
/* How large a window may be: a ceiling, and a cap on a fault's service. */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "cap.h"

#define DEFAULT_WINDOW	16

static unsigned int window_pages = DEFAULT_WINDOW;
bool cow_large_folio = true;

/*
 * The cap on a fault's service, and running estimates of what a fault costs that
 * copies one page, and of what each further page adds. All in ns. The estimates
 * follow the median: the mean is that of the few faults during which the CPU did
 * something else.
 */
static u64 latency_cap;
static u32 fault_cost;
static u32 neighbour_cost;

/* The most pages a window may have now: the ceiling, and what the cap allows. */
unsigned int cow_window_limit(void)
{
	unsigned int limit = READ_ONCE(window_pages);
	u64 cap = READ_ONCE(latency_cap);
	u32 alone = READ_ONCE(fault_cost);
	u32 more = READ_ONCE(neighbour_cost);

	if (!cap)
		return limit;
	if (!alone || cap < alone)
		return 1;
	/*
	 * A page of a window costs less than a fault. If the first window took
	 * longer, or none was seen yet, let there be another one.
	 */
	if (!more || more > alone)
		more = alone;
	return min_t(u64, 1 + div_u64(cap - alone, more), limit);
}

/**
 * cow_policy_set_window - set the window of the policies that have one
 * @pages: 1 to COW_WINDOW_MAX
 */
void cow_policy_set_window(unsigned int pages)
{
	WRITE_ONCE(window_pages, pages);
}

/**
 * cow_policy_get_window - the window, in pages
 */
unsigned int cow_policy_get_window(void)
{
	return READ_ONCE(window_pages);
}

/**
 * cow_policy_set_large - let windows be copied into large folios, or not
 * @on: whether to
 */
void cow_policy_set_large(bool on)
{
	WRITE_ONCE(cow_large_folio, on);
}

/**
 * cow_policy_get_large - whether windows may be copied into large folios
 */
bool cow_policy_get_large(void)
{
	return READ_ONCE(cow_large_folio);
}

/**
 * cow_policy_set_cap - plan no window whose service takes longer
 * @ns: the cap, 0 for none; the estimates of what a fault costs start
 *	anew
 */
void cow_policy_set_cap(u64 ns)
{
	WRITE_ONCE(fault_cost, 0);
	WRITE_ONCE(neighbour_cost, 0);
	WRITE_ONCE(latency_cap, ns);
}

/**
 * cow_policy_get_cap - the cap, in ns
 */
u64 cow_policy_get_cap(void)
{
	return READ_ONCE(latency_cap);
}

static void learn(u32 *estimate, u64 ns)
{
	u32 old = READ_ONCE(*estimate);
	u32 cost = clamp_t(u64, ns, 16, U32_MAX / 2);

	if (old)
		cost = cost > old ? old + old / 16 : old - old / 16;
	WRITE_ONCE(*estimate, max_t(u32, cost, 16));
}

/**
 * cow_policy_learn - what a fault cost, for the cap
 * @pages: the pages that it copied
 * @ns: the time that it took
 *
 * An estimate goes a sixteenth up or down with each fault, so it settles where
 * as many faults cost more as cost less. Concurrent faults may lose each other's
 * samples.
 */
void cow_policy_learn(unsigned int pages, u64 ns)
{
	u32 alone = READ_ONCE(fault_cost);

	if (pages == 1)
		learn(&fault_cost, ns);
	else if (pages && alone)
		learn(&neighbour_cost,
		      div_u64(ns - min_t(u64, ns, alone), pages - 1));
}
