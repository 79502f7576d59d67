// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of a window: its largest size, large folios, and the latency cap.
 *
 * The cap bounds the time of one fault's service. Probes on cow:cow_fault report
 * what each fault cost. Two running estimates follow from that: the cost of a
 * fault that copies one page, and what each further page adds. They follow the
 * median: an estimate moves by 1/16 per fault, up or down, so it settles where
 * as many faults cost more as cost less. The mean would follow the few faults
 * during which the CPU did something else.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "cap.h"

/* Pages: 64 KiB, the order-4 folio that `fixed` fills. */
#define DEFAULT_WINDOW	16

static unsigned int window_pages = DEFAULT_WINDOW;
bool cow_large_folio = true;

/* All in ns; 0: no cap, or no estimate yet. */
static u64 latency_cap;
static u32 fault_cost;
static u32 neighbour_cost;

/**
 * cow_window_capped - how many pages the latency cap allows now
 * @limit: pages at most
 *
 * Context: any; reads what others may change.
 * Return: pages, 1 to @limit.
 */
unsigned int cow_window_capped(unsigned int limit)
{
	u64 cap = READ_ONCE(latency_cap);
	u32 alone = READ_ONCE(fault_cost);
	u32 more = READ_ONCE(neighbour_cost);

	if (!cap)
		return limit;
	if (!alone || cap < alone)
		return 1;
	/*
	 * A further page costs less than a fault. If the first window took
	 * longer, or no window was measured yet, assume the cost of a fault.
	 */
	if (!more || more > alone)
		more = alone;
	return min_t(u64, 1 + div_u64(cap - alone, more), limit);
}

/**
 * cow_window_limit - the largest window that the knobs and the cap allow now
 *
 * Context: any; reads what others may change.
 * Return: pages, 1 to COW_WINDOW_MAX.
 */
unsigned int cow_window_limit(void)
{
	return cow_window_capped(READ_ONCE(window_pages));
}

/**
 * cow_policy_set_window - set the size for `fixed`, the ceiling for `adaptive`
 * @pages: 1 to COW_WINDOW_MAX
 *
 * Context: any; faults see it from then on.
 */
void cow_policy_set_window(unsigned int pages)
{
	WRITE_ONCE(window_pages, pages);
}

/**
 * cow_policy_get_window - read the knob `window`
 *
 * Return: pages.
 */
unsigned int cow_policy_get_window(void)
{
	return READ_ONCE(window_pages);
}

/**
 * cow_policy_set_large - allow or forbid copying windows into large folios
 * @on: true to allow
 */
void cow_policy_set_large(bool on)
{
	WRITE_ONCE(cow_large_folio, on);
}

/**
 * cow_policy_get_large - read the knob `large_folio`
 */
bool cow_policy_get_large(void)
{
	return READ_ONCE(cow_large_folio);
}

/**
 * cow_policy_set_cap - plan no window whose service takes longer than a cap
 * @ns: the cap, 0 for none
 *
 * The estimates of what a fault costs start anew.
 */
void cow_policy_set_cap(u64 ns)
{
	WRITE_ONCE(fault_cost, 0);
	WRITE_ONCE(neighbour_cost, 0);
	WRITE_ONCE(latency_cap, ns);
}

/**
 * cow_policy_get_cap - read the knob `latency_cap_ns`
 *
 * Return: ns, 0 for no cap.
 */
u64 cow_policy_get_cap(void)
{
	return READ_ONCE(latency_cap);
}

/**
 * cow_policy_cost - estimate what the service of a fault takes
 * @pages: the pages that it copies
 *
 * Context: any; reads what others may change.
 * Return: ns; 0 without a cap, or while no estimate is known.
 */
u64 cow_policy_cost(unsigned int pages)
{
	u32 alone = READ_ONCE(fault_cost);
	u32 more = READ_ONCE(neighbour_cost);

	if (!READ_ONCE(latency_cap) || !alone || !pages)
		return 0;
	if (!more || more > alone)
		more = alone;
	return alone + (u64)more * (pages - 1);
}

/* 16 ns at least, so that a sixteenth of an estimate is never 0. */
static void learn(u32 *estimate, u64 ns)
{
	u32 old = READ_ONCE(*estimate);
	u32 cost = clamp_t(u64, ns, 16, U32_MAX / 2);

	if (old)
		cost = cost > old ? old + old / 16 : old - old / 16;
	WRITE_ONCE(*estimate, max_t(u32, cost, 16));
}

/**
 * cow_policy_learn - update the estimates with what one fault cost
 * @pages: the pages that it copied
 * @ns: the time that it took
 *
 * Context: any; concurrent faults may lose each other's samples.
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
