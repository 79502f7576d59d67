// SPDX-License-Identifier: GPL-2.0
/*
 * machine.c - the processors that the model knows, and what a miss costs there
 *
 * Where the figures are from:
 *
 * epyc-milan: an EPYC 7003 core and its share of a chiplet. AMD, Software
 *	Optimization Guide for the AMD Zen3 Microarchitecture, publication 56665,
 *	sections 2.6 (caches: L1 32 KiB 8-way, L2 512 KiB 8-way, at least 12 cycles;
 *	L3 32 MiB 16-way per complex, 46 cycles on average) and 2.7 (TLBs: 64
 *	entries fully associative for all sizes, L2 of 2048 for data; the one of
 *	512 for instructions is not modelled apart). The ways of the L2 TLB are
 *	those of CPUID Fn8000_0006 (8).
 * xeon-icx: an Ice Lake server, Xeon Platinum 8380. Intel 64 and IA-32
 *	Architectures Optimization Reference Manual, 248966, chapter on Ice Lake:
 *	L1D 48 KiB 12-way, 5 cycles; L2 1.25 MiB 20-way, 14 cycles; L3 1.5 MiB
 *	12-way per core, 40 cores; DTLB 64 entries 4-way and 32 for 2 MiB, STLB of
 *	2048, 16-way. Its L3 is a mesh, for which the manual has no latency: 70
 *	cycles are an assumption.
 * laptop: a 6th to 10th generation Core of four cores (Skylake). The same manual,
 *	chapter on Skylake: L1D 32 KiB 8-way, 4 cycles; L2 256 KiB 4-way, 12; L3
 *	2 MiB per core 16-way, 44; DTLB 64 entries 4-way and 32 4-way for 2 MiB,
 *	ITLB 128 8-way and 8 for 2 MiB, STLB 1536 12-way, 9 cycles.
 *
 * No manual has these; they are assumptions, the same for all, and the report's
 * sensitivity table says how far each may be wrong: CPI; the latency of memory,
 * about 90 ns at 3 GHz; what a prefetched line costs: from memory 10 cycles, about
 * 20 GB/s for one core, from L2 the 32 bytes per cycle of both manuals; INVLPG and CR3; an A/D assist; the sizes of the
 * paging-structure caches. A page fault's entry and return cost nothing beside
 * their instructions, which is too little: baseline, which takes the most
 * faults, gains from that.
 */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cost_names[COST_COUNT] = {
	[COST_STREAM_L2] = "stream-l2",
	[COST_STREAM_L3] = "stream-l3",
	[COST_STREAM_MEMORY] = "stream-memory",
	[COST_CPI] = "cpi",
	[COST_L1] = "l1",
	[COST_L2] = "l2",
	[COST_L3] = "l3",
	[COST_MEMORY] = "memory",
	[COST_STLB] = "stlb",
	[COST_INVLPG] = "invlpg",
	[COST_CR3] = "cr3",
	[COST_GLOBAL] = "global",
	[COST_ASSIST] = "assist",
	[COST_FAULT] = "fault",
};

/* Kilobytes as lines */
#define KIB(n) ((n)*1024 >> LINE_SHIFT)

/* What no manual says. */
#define ASSUMED                                                                \
	[COST_CPI] = 0.5, [COST_MEMORY] = 270, [COST_INVLPG] = 120,            \
	[COST_CR3] = 200, [COST_GLOBAL] = 500, [COST_ASSIST] = 150,            \
	[COST_STREAM_L2] = 2, [COST_STREAM_L3] = 4, [COST_STREAM_MEMORY] = 10, \
	[COST_FAULT] = 0
#define PAGING_STRUCTURES .pml4e = { 4, 4 }, .pdpte = { 4, 4 }, .pde = { 32, 4 }

static const struct machine machines[] = {
	{
		.name = "epyc-milan",
		.l1i = { KIB(32), 8 },
		.l1d = { KIB(32), 8 },
		.l2 = { KIB(512), 8 },
		.l3 = { KIB(32 * 1024), 16 },
		.dtlb = { 64, 64 },
		.itlb = { 64, 64 },
		.stlb = { 2048, 8 },
		PAGING_STRUCTURES,
		.cost = { ASSUMED, [COST_L1] = 4, [COST_L2] = 12,
			  [COST_L3] = 46, [COST_STLB] = 7 },
	},
	{
		.name = "xeon-icx",
		.l1i = { KIB(32), 8 },
		.l1d = { KIB(48), 12 },
		.l2 = { KIB(1280), 20 },
		.l3 = { KIB(60 * 1024), 12 },
		.dtlb = { 64, 4 },
		.dtlb_huge = { 32, 4 },
		.itlb = { 128, 8 },
		.itlb_huge = { 16, 16 },
		.stlb = { 2048, 16 },
		PAGING_STRUCTURES,
		.cost = { ASSUMED, [COST_L1] = 5, [COST_L2] = 14,
			  [COST_L3] = 70, [COST_STLB] = 7 },
	},
	{
		.name = "laptop",
		.l1i = { KIB(32), 8 },
		.l1d = { KIB(32), 8 },
		.l2 = { KIB(256), 4 },
		.l3 = { KIB(8 * 1024), 16 },
		.dtlb = { 64, 4 },
		.dtlb_huge = { 32, 4 },
		.itlb = { 128, 8 },
		.itlb_huge = { 8, 8 },
		.stlb = { 1536, 12 },
		PAGING_STRUCTURES,
		.cost = { ASSUMED, [COST_L1] = 4, [COST_L2] = 12,
			  [COST_L3] = 44, [COST_STLB] = 9 },
	},
};

#define N_MACHINES (sizeof(machines) / sizeof(machines[0]))

/**
 * machine_find - find a processor by its name
 * @name: the name
 * @machine: filled in
 *
 * Return: false if there is none of that name.
 */
bool machine_find(const char *name, struct machine *machine)
{
	size_t i;

	for (i = 0; i < N_MACHINES; i++) {
		if (!strcmp(machines[i].name, name)) {
			*machine = machines[i];
			return true;
		}
	}
	return false;
}

/**
 * machine_set_cost - replace a constant
 * @machine: the processor
 * @word: NAME=CYCLES, NAME one of cost_names
 *
 * Return: false if there is no such name, or the number is not one from 0 to 1e6.
 */
bool machine_set_cost(struct machine *machine, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t i, len;
	double value;
	char *end;

	if (!equals || equals[1] < '0' || equals[1] > '9')
		return false;
	len = equals - word;
	value = strtod(equals + 1, &end);
	if (*end || !(value >= 0 && value <= 1e6))
		return false;
	for (i = 0; i < COST_COUNT; i++) {
		if (strlen(cost_names[i]) == len &&
		    !memcmp(cost_names[i], word, len)) {
			machine->cost[i] = value;
			return true;
		}
	}
	return false;
}

/**
 * machine_names - list the processors
 * @buf: gets their names, separated by spaces
 * @size: its size in bytes
 */
void machine_names(char *buf, size_t size)
{
	size_t i, n = 0;

	for (i = 0; i < N_MACHINES && n < size; i++)
		n += snprintf(buf + n, size - n, "%s%s", i ? " " : "",
			      machines[i].name);
}
