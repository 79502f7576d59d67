// SPDX-License-Identifier: GPL-2.0
/*
 * cowmem.c - a QEMU plugin that models caches, TLBs and page-table walks
 *
 * Under icount a nanosecond is an instruction: two runs give the same digits, but
 * each instruction costs the same. This plugin adds what an instruction may cost
 * beside itself. It sees each instruction and each memory access of the guest, with
 * its physical address, between two markers that a program executes, and keeps
 *
 *   - L1I, L1D, L2 and L3, set-associative, LRU, by physical address;
 *   - two levels of TLBs, for 4 KiB and 2 MiB pages, with invalidations by the kernel;
 *   - the reads of page tables by walks, after paging-structure caches;
 *   - the accessed and dirty bits that the processor sets.
 *
 * The counts are split by who executes: the program, and groups of the kernel's
 * functions (symbols.c). Constants of a processor (machine.c) turn them into cycles.
 *
 * How it sees what QEMU's interface does not show:
 *
 *   Physical addresses of instructions. The interface gives a pointer into QEMU's own
 *	memory. With nokaslr, code of the kernel's image is at a known physical address,
 *	so the first such pointer gives the place of all of the guest's memory.
 *   Page tables. They are read there. The one in use is the value that
 *	switch_mm_irqs_off() has loaded before it writes CR3. Where a walk does not lead
 *	to the physical address that QEMU used, `unknown` counts it.
 *   INVLPG. Its operand is not visible. The kernel changes an entry before it
 *	invalidates its address, so all pages whose entries have changed are removed.
 *	An access that finds a TLB entry for another page counts as `stale`.
 *   Accessed and dirty bits. See guest.c.
 *
 * Both `unknown` and `stale` must be 0, and are in the results.
 *
 * What is approximate, and in which direction:
 *
 *   - A region begins with empty caches and TLBs, as after a data set much larger than
 *	them. So regions do not depend on what ran before, and what a page's copy reads
 *	is not in a cache, however small the region is.
 *   - The prefetcher is a simple one: where three lines of a page missed L1 in a row,
 *	the following ones cost bandwidth instead of latency, up to the page's end. It
 *	fetches nothing that is not read then. No out-of-order execution: any other miss
 *	costs its latency in full, which is an upper bound.
 *   - Replacement is LRU everywhere; processors have cheaper approximations of it.
 *   - A line that misses is filled into all levels. L3s of servers hold what L2s evict
 *	instead. No write-backs, no invalidation of L1 and L2 by an eviction from L3.
 *   - Stores cost as loads do. Processors have store buffers.
 *   - Pages of 1 GiB are kept as pages of 2 MiB. The processors' merging of
 *	neighbouring 4 KiB entries (AMD) is left out: it would help 4 KiB pages in both
 *	arms.
 *   - QEMU has no PCID: each switch of processes empties the TLB of local pages.
 *   - Instructions are fetched in order; no speculation, no branch predictor.
 *   - QEMU's helper functions read the descriptors of segments and push the frames of
 *	exceptions without a callback; these lines are in L1 anyway.
 *   - An access that crosses a page counts for the first page alone.
 *   - One vCPU. Invalidations on other processors, and lines that move between caches
 *	of cores, do not exist here. A window sends the others one interrupt where the
 *	faults of its pages would send one each: this gain is left out. A second mode
 *	with two vCPUs is left out, too: it could not be deterministic.
 *   - The kernel copies a page with a loop of loads and stores, as without ERMS: under
 *	QEMU `rep movsb` would go byte by byte. Its instructions are in the counts.
 *   - An instruction that takes a fault is started twice, and counts twice, as in icount.
 *   - Interrupts by timers are modelled as they come, by the instruction count.
 *
 * A region of interest: a program stores the magic number of a label, executes
 * the marker that begins a region, and later the one that ends it
 * (userspace/common/mark.h). Elsewhere a marker is a NOP.
 */
#include "api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model.h"
#include "symbols.h"
#include "userspace/common/mark.h"

/* The interface that QEMU must have */
QEMU_PLUGIN_EXPORT int qemu_plugin_version = COWMEM_API;

/* Up to here, machine q35 has memory without a hole. */
#define MAX_MIB 2815

/* A line of instructions, as it is fetched */
struct fetch {
	uint64_t va, phys;
	enum part part;
};

static struct machine machine;
static struct guest guest;
static struct model model;
static struct symbols symbols;
static FILE *rows, *functions;

/* The region in progress */
static bool inside;
static struct mark_label label;
static unsigned int regions;

/*
 * Instructions are tallied by function: those of a part outside the kernel's image
 * by the part's number, and behind these each symbol's. @insns_before: when the
 * region began.
 */
static size_t n_tallies;
static uint64_t *insns_before;

/* Where the program last stored: a label's magic number, when a region begins */
static uint64_t last_store;

/* End QEMU with one line. It is not safe to return into it, or to run its handlers. */
static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *fmt, ...)
{
	va_list ap;

	fputs("cowmem: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

static void write_header(void)
{
	size_t i;

	fputs("region,n,part,insns,loads,stores,l1d,l2d,l3d,l1s,l2s,l3s,l1i,l2i,l3i,l1w,l2w,l3w,dtlb,itlb,walks,walk_reads,invlpg,cr3,global,accessed,dirty,assists,faults,stale,unknown",
	      rows);
	for (i = 0; i < CYCLES_COUNT; i++)
		fprintf(rows, ",cycles_%s", cycle_names[i]);
	fputc('\n', rows);
}

static void write_part(enum part part)
{
	const struct counts *c = &model.counts[part];
	const uint64_t *data = c->miss[READ_DATA], *code = c->miss[READ_CODE];
	const uint64_t *walk = c->miss[READ_WALK];
	double cycles[CYCLES_COUNT];
	const uint64_t numbers[] = {
		c->insns,	c->loads,  c->stores,	   data[0],
		data[1],	data[2],   c->streamed[0], c->streamed[1],
		c->streamed[2], code[0],   code[1],	   code[2],
		walk[0],	walk[1],   walk[2],	   c->dtlb,
		c->itlb,	c->walks,  c->walk_reads,  c->invlpg,
		c->cr3,		c->global, c->accessed,	   c->dirty,
		c->assists,	c->faults, c->stale,	   c->unknown,
	};
	size_t i;

	fprintf(rows, "%s,%u,%s", label.name, regions, part_names[part]);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		fprintf(rows, ",%" PRIu64, numbers[i]);
	model_cycles(&machine, c, cycles);
	for (i = 0; i < CYCLES_COUNT; i++)
		fprintf(rows, ",%.1f", cycles[i]);
	fputc('\n', rows);
}

/* Read the label that the program has stored to; false if it is none. */
static bool read_label(struct mark_label *result)
{
	struct walk walk;
	size_t i;

	if (!guest_walk(&guest, guest_pgd(&guest), last_store, &walk) ||
	    walk.phys % sizeof(*result) ||
	    walk.phys + sizeof(*result) > guest.size)
		return false;
	memcpy(result, guest.ram + walk.phys, sizeof(*result));
	if (result->magic != MARK_MAGIC)
		return false;
	result->name[sizeof(result->name) - 1] = '\0';
	for (i = 0; result->name[i]; i++)
		if (result->name[i] <= ' ' || result->name[i] >= 0x7f ||
		    result->name[i] == ',')
			return false;
	return i;
}

/* Write the functions that ran in the region, and add them up by part. */
static void write_functions(void)
{
	size_t i;

	for (i = 0; i < n_tallies; i++) {
		uint64_t insns = tally_read(i) - insns_before[i];
		const struct symbol *symbol =
			i < PART_COUNT ? NULL : &symbols.list[i - PART_COUNT];
		enum part part = symbol ? symbol->part : i;

		if (!insns)
			continue;
		model.counts[part].insns += insns;
		fprintf(functions, "%s,%u,%s,%s,%" PRIu64 "\n", label.name,
			regions, symbol ? symbol->name : "-", part_names[part],
			insns);
	}
}

static void on_begin(unsigned int vcpu, void *data)
{
	struct mark_label next;
	size_t i;

	(void)vcpu;
	(void)data;
	if (!read_label(&next))
		fail("a region begins without a label: programs begin one with mark_begin()");
	if (inside)
		fail("region '%s' begins inside region '%s', which has not ended: regions do not nest",
		     next.name, label.name);
	label = next;
	regions++;
	model_reset(&model);
	guest_begin(&guest);
	for (i = 0; i < n_tallies; i++)
		insns_before[i] = tally_read(i);
	inside = true;
}

static void on_end(unsigned int vcpu, void *data)
{
	unsigned int i;

	(void)vcpu;
	(void)data;
	if (!inside)
		fail("a region ends that has not begun");
	inside = false;
	write_functions();
	for (i = 0; i < PART_COUNT; i++)
		write_part(i);
	if (fflush(rows) || fflush(functions))
		fail("cannot write the results: %s", strerror(errno));
}

static void on_exit_qemu(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	if (inside)
		fail("region '%s' never ended: the program that began it has ended, or the guest",
		     label.name);
}

static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info,
		      uint64_t va, void *data)
{
	const enum part part = (uintptr_t)data;
	const bool store = qemu_plugin_mem_is_store(info);
	struct qemu_plugin_hwaddr *hw;

	(void)vcpu;
	if (store && part == PART_USER)
		last_store = va;
	if (!inside)
		return;
	hw = qemu_plugin_get_hwaddr(info, va);
	if (!hw || qemu_plugin_hwaddr_is_io(hw))
		return;
	model_data(&model, part, va, qemu_plugin_hwaddr_phys_addr(hw),
		   1U << qemu_plugin_mem_size_shift(info), store);
	if (store && part != PART_USER)
		guest_stored(&guest, va);
}

/* switch_mm_irqs_off() reads: among it the pointer to the next page table. */
static void on_switch_read(unsigned int vcpu, qemu_plugin_meminfo_t info,
			   uint64_t va, void *data)
{
	uint64_t value;

	(void)vcpu;
	(void)data;
	if (!qemu_plugin_mem_is_store(info) && va >= DIRECT_MAP &&
	    va < DIRECT_MAP_END && guest_read(&guest, va - DIRECT_MAP, &value))
		guest_note_pgd(&guest, value);
}

static void on_fetch(unsigned int vcpu, void *data)
{
	const struct fetch *fetch = data;

	(void)vcpu;
	if (inside)
		model_fetch(&model, fetch->part, fetch->va, fetch->phys);
}

static void on_fault(unsigned int vcpu, void *data)
{
	(void)vcpu;
	model.counts[(uintptr_t)data].faults += inside;
}

/* Between regions there is nothing to invalidate: each begins with empty TLBs. */
static void on_invlpg(unsigned int vcpu, void *data)
{
	(void)vcpu;
	if (inside)
		model_invlpg(&model, (uintptr_t)data);
}

static void on_switch(unsigned int vcpu, void *data)
{
	(void)vcpu;
	if (inside)
		model_switch(&model, (uintptr_t)data);
}

static void on_flush(unsigned int vcpu, void *data)
{
	(void)vcpu;
	if (inside)
		model_flush(&model, (uintptr_t)data);
}

/* What an instruction does that concerns the model; NULL: nothing */
static qemu_plugin_vcpu_udata_cb_t special(const struct qemu_plugin_insn *insn)
{
	unsigned char bytes[16], *b = bytes;
	size_t n = insn_bytes(insn, bytes, sizeof(bytes));
	uint32_t mark;

	/* Operand size, then REX */
	if (n && *b == 0x66)
		b++, n--;
	if (n && (*b & 0xf0) == 0x40)
		b++, n--;
	if (n < 3 || b[0] != 0x0f)
		return NULL;
	if (n == 7 && b[1] == 0x1f && b[2] == 0x80) {
		memcpy(&mark, b + 3, sizeof(mark));
		return mark == MARK_BEGIN ? on_begin :
		       mark == MARK_END	  ? on_end :
					    NULL;
	}
	if (b[1] == 0x22 && (b[2] >> 3 & 7) == 3)
		return on_switch;
	if (b[1] == 0x22 && (b[2] >> 3 & 7) == 4)
		return on_flush;
	if (b[1] == 0x01 && (b[2] >> 3 & 7) == 7 && b[2] >> 6 != 3)
		return on_invlpg;
	/* INVPCID: of which kind is not visible. */
	if (b[1] == 0x38 && b[2] == 0x82)
		return on_flush;
	return NULL;
}

/* The first code of the kernel's image tells where the guest's memory is. */
static void find_ram(uint64_t va, void *host)
{
	if (guest.ram || va < symbols.begin || va >= symbols.end)
		return;
	guest.ram = (unsigned char *)host - (va - IMAGE_MAP);
	guest.kernel_pgd = symbols.pgd - IMAGE_MAP;
}

static void fetch_line(struct qemu_plugin_insn *insn, enum part part,
		       uint64_t va, unsigned char *host)
{
	struct fetch *fetch;

	if (!guest.ram)
		return;
	/* QEMU may execute it at any time: never freed. */
	fetch = malloc(sizeof(*fetch));
	if (!fetch)
		fail("no memory");
	*fetch = (struct fetch){ va, host - guest.ram, part };
	qemu_plugin_register_vcpu_insn_exec_cb(insn, on_fetch,
					       QEMU_PLUGIN_CB_NO_REGS, fetch);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	uint64_t fetched = CACHE_EMPTY;

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t va = qemu_plugin_insn_vaddr(insn);
		uint64_t last = va + qemu_plugin_insn_size(insn) - 1;
		unsigned char *host = qemu_plugin_insn_haddr(insn);
		const struct symbol *symbol = symbols_find(&symbols, va);
		qemu_plugin_vcpu_udata_cb_t what = special(insn);
		enum part part = PART_USER;
		void *data;

		if (symbol)
			part = symbol->part;
		else if (va >> 63)
			part = PART_KERNEL;
		data = (void *)(uintptr_t)part;
		if (host) {
			find_ram(va, host);
			if (va >> LINE_SHIFT != fetched)
				fetch_line(insn, part, va, host);
			fetched = va >> LINE_SHIFT;
			if (last >> LINE_SHIFT != fetched &&
			    last >> PAGE_SHIFT == va >> PAGE_SHIFT) {
				fetch_line(insn, part, last,
					   host + (last - va));
				fetched = last >> LINE_SHIFT;
			}
		}
		tally_add(insn,
			  symbol ? PART_COUNT + (symbol - symbols.list) : part);
		if (va == symbols.page_fault)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, on_fault, QEMU_PLUGIN_CB_NO_REGS, data);
		if (what)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, what, QEMU_PLUGIN_CB_NO_REGS, data);
		if (symbol && symbol->switches)
			qemu_plugin_register_vcpu_mem_cb(insn, on_switch_read,
							 QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_RW,
							 NULL);
		qemu_plugin_register_vcpu_mem_cb(insn, on_access,
						 QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, data);
	}
}

/* Write the constants, so that the results say by what they were made. */
static bool write_costs(const char *folder)
{
	char path[4096];
	FILE *file;
	size_t i;

	snprintf(path, sizeof(path), "%s/memory-costs.csv", folder);
	file = fopen(path, "w");
	if (!file)
		return false;
	fprintf(file, "model,cost,cycles\n");
	for (i = 0; i < COST_COUNT; i++)
		fprintf(file, "%s,%s,%g\n", machine.name, cost_names[i],
			machine.cost[i]);
	return !fclose(file);
}

/* Print an error; QEMU ends where the installation fails. */
static int __attribute__((format(printf, 1, 2))) refuse(const char *fmt, ...)
{
	va_list ap;

	fputs("cowmem: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return -1;
}

/**
 * qemu_plugin_install - QEMU loads the plugin
 * @id: as QEMU knows the plugin
 * @info: about the guest
 * @argc: number of options
 * @argv: model=NAME, cost.NAME=CYCLES, mib=N, symbols=FILE, out=FOLDER
 *
 * Return: 0, or -1 after a line on standard error.
 */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const qemu_info_t *info, int argc,
					   char **argv)
{
	const char *name = "epyc-milan", *map = NULL, *out = NULL, *why;
	char buf[4096];
	unsigned long mib = 0;
	int i;

	if (!info->system_emulation || strcmp(info->target_name, "x86_64"))
		return refuse("it models a machine of qemu-system-x86_64 only");
	if (info->system.max_vcpus != 1)
		return refuse("it models one vCPU, not %d: use -smp 1",
			      info->system.max_vcpus);
	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "model=", 6))
			name = argv[i] + 6;
	if (!machine_find(name, &machine)) {
		machine_names(buf, sizeof(buf));
		return refuse("unknown model '%s': one of %s", name, buf);
	}
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "model=", 6))
			continue;
		if (!strncmp(argv[i], "symbols=", 8))
			map = argv[i] + 8;
		else if (!strncmp(argv[i], "out=", 4))
			out = argv[i] + 4;
		else if (!strncmp(argv[i], "mib=", 4))
			mib = strtoul(argv[i] + 4, NULL, 10);
		else if (strncmp(argv[i], "cost.", 5) ||
			 !machine_set_cost(&machine, argv[i] + 5))
			return refuse(
				"invalid option '%s': model=NAME, cost.NAME=CYCLES, mib=N, symbols=FILE or out=FOLDER",
				argv[i]);
	}
	if (!map || !out)
		return refuse("symbols=FILE and out=FOLDER must be given");
	if (!mib || mib > MAX_MIB)
		return refuse("mib=%lu: the guest's memory, 1 to %d", mib,
			      MAX_MIB);
	why = symbols_load(&symbols, map);
	if (why)
		return refuse("symbols=%s: %s", map, why);
	n_tallies = PART_COUNT + symbols.n;
	insns_before = calloc(n_tallies, sizeof(*insns_before));
	if (!insns_before || !tally_init(n_tallies) ||
	    !guest_init(&guest, (uint64_t)mib << 20) ||
	    !model_init(&model, &machine, &guest))
		return refuse("no memory for the model");
	snprintf(buf, sizeof(buf), "%s/memory.csv", out);
	rows = fopen(buf, "w");
	snprintf(buf, sizeof(buf), "%s/functions.csv", out);
	functions = fopen(buf, "w");
	if (!rows || !functions || !write_costs(out))
		return refuse("out=%s: %s", out, strerror(errno));
	write_header();
	fputs("region,n,function,part,insns\n", functions);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_qemu, NULL);
	return 0;
}
