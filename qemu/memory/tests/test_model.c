// SPDX-License-Identifier: GPL-2.0
/*
 * The model against counts that follow from its geometry: LRU, accesses in a fixed
 * cyclic order, memory whose physical addresses are known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "model.h"
#include "symbols.h"

#define MIB (1ULL << 20)
#define PAGE (1ULL << PAGE_SHIFT)
#define LINE (1ULL << LINE_SHIFT)

/* 128 MiB of data, then page tables */
#define DATA_BYTES (128 * MIB)
#define TABLES (DATA_BYTES)
#define RAM_BYTES (DATA_BYTES + 4 * MIB)
#define USER_SMALL 0x400000000000ULL /* the data, mapped by small pages */
#define USER_HUGE 0x500000000000ULL /* the same, by pages of 2 MiB */
#define KERNEL_HUGE DIRECT_MAP /* the same, global */

static struct guest guest;
static struct model model;
static uint64_t next_table;

static uint64_t new_table(void)
{
	next_table += PAGE;
	assert_true(next_table <= RAM_BYTES);
	return next_table - PAGE;
}

static uint64_t *entry_at(uint64_t phys)
{
	return (uint64_t *)(guest.ram + phys);
}

/* Map a page, and make the tables on the way. */
static uint64_t map(uint64_t pgd, uint64_t va, uint64_t phys,
		    unsigned int shift, uint64_t flags)
{
	uint64_t table = pgd, slot;
	unsigned int at = 39;

	for (;; at -= 9) {
		slot = table + (va >> at & 511) * 8;
		if (at == shift)
			break;
		if (!*entry_at(slot))
			*entry_at(slot) = new_table() | PTE_PRESENT |
					  PTE_WRITE | PTE_ACCESSED;
		table = *entry_at(slot) & PTE_ADDRESS;
	}
	*entry_at(slot) = phys | PTE_PRESENT | PTE_WRITE | flags |
			  (shift > PAGE_SHIFT ? PTE_HUGE : 0);
	return slot;
}

static int set_up(void **state)
{
	const uint64_t used = PTE_ACCESSED | PTE_DIRTY;
	struct machine machine;
	uint64_t at, pgd;

	(void)state;
	assert_true(machine_find("epyc-milan", &machine));
	assert_true(guest_init(&guest, RAM_BYTES));
	guest.ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(guest.ram != MAP_FAILED);
	next_table = TABLES;
	pgd = new_table();
	guest.kernel_pgd = pgd;
	map(pgd, IMAGE_MAP, 0, HUGE_SHIFT, used | PTE_GLOBAL);
	for (at = 0; at < DATA_BYTES; at += PAGE)
		map(pgd, USER_SMALL + at, at, PAGE_SHIFT, used);
	for (at = 0; at < DATA_BYTES; at += 2 * MIB) {
		map(pgd, USER_HUGE + at, at, HUGE_SHIFT, used);
		map(pgd, KERNEL_HUGE + at, at, HUGE_SHIFT, used | PTE_GLOBAL);
	}
	assert_true(guest_note_pgd(&guest, DIRECT_MAP + pgd));
	guest_begin(&guest);
	assert_true(model_init(&model, &machine, &guest));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	model_free(&model);
	munmap(guest.ram, RAM_BYTES);
	guest_free(&guest);
	return 0;
}

static struct counts *user(void)
{
	return &model.counts[PART_USER];
}

static void access_at(uint64_t base, uint64_t offset, bool store)
{
	model_data(&model, PART_USER, base + offset, offset, 8, store);
}

/* @laps times over @bytes, every @stride; the counts of all but the first lap */
static struct counts laps(uint64_t base, uint64_t bytes, uint64_t stride,
			  unsigned int laps)
{
	struct counts first = { 0 }, all;
	unsigned int lap;
	uint64_t at;

	model_reset(&model);
	for (lap = 0; lap <= laps; lap++) {
		if (lap == 1)
			first = *user();
		for (at = 0; at < bytes; at += stride)
			access_at(base, at, false);
	}
	all = *user();
	all.loads -= first.loads;
	all.miss[READ_DATA][0] -= first.miss[READ_DATA][0];
	all.miss[READ_DATA][1] -= first.miss[READ_DATA][1];
	all.miss[READ_DATA][2] -= first.miss[READ_DATA][2];
	all.dtlb -= first.dtlb;
	all.walks -= first.walks;
	all.walk_reads -= first.walk_reads;
	assert_int_equal(all.stale + all.unknown, 0);
	return all;
}

static void test_lru(void **state)
{
	struct cache cache;
	uint64_t key;

	(void)state;
	assert_true(cache_init(&cache, 3, 2));
	/* One set holds two keys. */
	assert_false(cache_touch(&cache, 0));
	assert_false(cache_touch(&cache, 3));
	assert_true(cache_touch(&cache, 0));
	assert_false(cache_touch(&cache, 6));
	assert_true(cache_touch(&cache, 0));
	assert_false(cache_touch(&cache, 3));
	assert_false(cache_touch(&cache, 6));
	/* The other sets do not suffer. */
	assert_false(cache_touch(&cache, 1));
	for (key = 0; key < 30; key += 3)
		cache_touch(&cache, key);
	assert_true(cache_touch(&cache, 1));
	cache_clear(&cache);
	assert_false(cache_touch(&cache, 1));
	cache_free(&cache);
}

/*
 * All lines in a cyclic order: what does not fit misses each time. No size fills a
 * cache to the last line, where reads of the page table would evict some.
 */
static void test_sizes(void **state)
{
	static const struct {
		uint64_t kib;
		bool miss[LEVELS];
	} sizes[] = {
		{ 16, { 0, 0, 0 } },	    { 28, { 0, 0, 0 } },
		{ 36, { 1, 0, 0 } },	    { 64, { 1, 0, 0 } },
		{ 448, { 1, 0, 0 } },	    { 1024, { 1, 1, 0 } },
		{ 28 * 1024, { 1, 1, 0 } }, { 64 * 1024, { 1, 1, 1 } },
	};
	struct counts c;
	size_t i, level;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint64_t lines = sizes[i].kib * 1024 / LINE;
		/* 36 KiB: nine lines in each set of L1 */
		c = laps(USER_HUGE, sizes[i].kib * 1024, LINE, 2);
		assert_int_equal(c.loads, 2 * lines);
		for (level = 0; level < LEVELS; level++)
			assert_int_equal(c.miss[READ_DATA][level],
					 sizes[i].miss[level] ? 2 * lines : 0);
	}
}

/* Strides that use one set, or every other one */
static void test_strides(void **state)
{
	struct counts c;

	(void)state;
	c = laps(USER_HUGE, 8 * PAGE, PAGE, 3);
	assert_int_equal(c.miss[READ_DATA][0], 0);
	c = laps(USER_HUGE, 9 * PAGE, PAGE, 3);
	assert_int_equal(c.miss[READ_DATA][0], 27);
	assert_int_equal(c.miss[READ_DATA][1], 0);
	/* L2 has 1024 sets: lines 64 KiB apart share one. */
	c = laps(USER_HUGE, 9 * 64 * 1024, 64 * 1024, 3);
	assert_int_equal(c.miss[READ_DATA][1], 27);
	assert_int_equal(c.miss[READ_DATA][2], 0);
	c = laps(USER_HUGE, 16 * 1024, 2 * LINE, 3);
	assert_int_equal(c.miss[READ_DATA][0], 0);
	c = laps(USER_HUGE, 72 * 1024, 2 * LINE, 3);
	assert_int_equal(c.miss[READ_DATA][0], 3 * 72 * 1024 / (2 * LINE));
}

/* The prefetcher: three misses in a row in a page, up or down */
static void test_streams(void **state)
{
	uint64_t at;

	(void)state;
	for (at = 0; at < 2 * PAGE; at += LINE)
		access_at(USER_HUGE, at, false);
	assert_int_equal(user()->miss[READ_DATA][2], 128);
	assert_int_equal(user()->streamed[0], 2 * 61);
	assert_int_equal(user()->streamed[2], 2 * 61);
	/* Down, two pages in turn; what hits L1 is no miss. */
	model_reset(&model);
	for (at = PAGE; at; at -= LINE) {
		access_at(USER_HUGE, at - LINE, true);
		access_at(USER_HUGE, at - LINE + 8 * PAGE, false);
		access_at(USER_HUGE, at - LINE + 8, false);
	}
	assert_int_equal(user()->streamed[0], 2 * 61);
	/* From L2: L1 has forgotten them, L2 has not. */
	laps(USER_HUGE, 64 * 1024, LINE, 1);
	assert_int_equal(user()->streamed[0], 2 * 16 * 61);
	assert_int_equal(user()->streamed[1], 16 * 61);
	/* Other strides, or more pages in turn than are tracked */
	model_reset(&model);
	for (at = 0; at < PAGE; at += 2 * LINE)
		access_at(USER_HUGE, at, false);
	assert_int_equal(user()->streamed[0], 0);
	model_reset(&model);
	for (at = 0; at < 64 * 33; at++)
		access_at(USER_HUGE, at % 33 * PAGE + at / 33 * LINE, false);
	assert_int_equal(user()->streamed[0], 0);
}

/* One access to each page */
static void test_tlb_reach(void **state)
{
	struct counts c;

	(void)state;
	c = laps(USER_SMALL, 64 * PAGE, PAGE, 2);
	assert_int_equal(c.dtlb, 0);
	c = laps(USER_SMALL, 65 * PAGE, PAGE, 2);
	assert_int_equal(c.dtlb, 130);
	assert_int_equal(c.walks, 0);
	c = laps(USER_SMALL, 2048 * PAGE, PAGE, 2);
	assert_int_equal(c.dtlb, 4096);
	assert_int_equal(c.walks, 0);
	/* 9 pages in each set of 8 */
	c = laps(USER_SMALL, 2304 * PAGE, PAGE, 2);
	assert_int_equal(c.walks, 4608);
	/* Each walk reads the last level; four more tables of them, and no others */
	assert_int_equal(c.walk_reads, 4608);
	/* Huge pages: 128 MiB are 64 */
	c = laps(USER_HUGE, DATA_BYTES, 2 * MIB, 2);
	assert_int_equal(c.dtlb, 0);
}

/* The paging-structure caches spare the upper levels. */
static void test_walk_reads(void **state)
{
	(void)state;
	access_at(USER_SMALL, 0, false);
	assert_int_equal(user()->walk_reads, 4);
	access_at(USER_SMALL, PAGE, false);
	assert_int_equal(user()->walk_reads, 5);
	access_at(USER_SMALL, 2 * MIB, false);
	assert_int_equal(user()->walk_reads, 7);
	access_at(USER_HUGE, 4 * MIB, false);
	assert_int_equal(user()->walk_reads, 10);
	access_at(USER_HUGE, 6 * MIB, false);
	assert_int_equal(user()->walk_reads, 11);
	assert_int_equal(user()->walks, 5);
	/* INVLPG empties them; the pages stay. */
	model_invlpg(&model, PART_USER);
	access_at(USER_SMALL, 0, false);
	assert_int_equal(user()->walks, 5);
	access_at(USER_SMALL, 2 * PAGE, false);
	assert_int_equal(user()->walk_reads, 15);
	/* Reads of the page tables are in the caches, and cost. */
	assert_true(user()->miss[READ_WALK][0] > 0);
	assert_true(user()->miss[READ_WALK][0] < user()->walk_reads);
}

static void test_invalidation(void **state)
{
	struct walk walk;
	uint64_t walks;

	(void)state;
	access_at(USER_SMALL, 0, false);
	access_at(USER_SMALL, PAGE, false);
	access_at(KERNEL_HUGE, 8 * MIB, false);
	walks = user()->walks;
	/* Only what has changed goes; accessed and dirty bits are no change. */
	assert_true(guest_walk(&guest, guest_pgd(&guest), USER_SMALL, &walk));
	*entry_at(walk.entry[3]) &= ~PTE_DIRTY;
	model_invlpg(&model, PART_FLUSH);
	access_at(USER_SMALL, 0, false);
	access_at(USER_SMALL, PAGE, false);
	assert_int_equal(user()->walks, walks);
	*entry_at(walk.entry[3]) &= ~PTE_WRITE;
	model_invlpg(&model, PART_FLUSH);
	access_at(USER_SMALL, PAGE, false);
	assert_int_equal(user()->walks, walks);
	access_at(USER_SMALL, 0, false);
	assert_int_equal(user()->walks, walks + 1);
	/* A switch keeps global pages. */
	model_switch(&model, PART_KERNEL);
	access_at(KERNEL_HUGE, 8 * MIB, false);
	assert_int_equal(user()->walks, walks + 1);
	access_at(USER_SMALL, 0, false);
	assert_int_equal(user()->walks, walks + 2);
	model_flush(&model, PART_FLUSH);
	access_at(KERNEL_HUGE, 8 * MIB, false);
	assert_int_equal(user()->walks, walks + 3);
	assert_int_equal(model.counts[PART_FLUSH].invlpg, 2);
	assert_int_equal(model.counts[PART_FLUSH].global, 1);
	assert_int_equal(model.counts[PART_KERNEL].cr3, 1);
	assert_int_equal(user()->stale + user()->unknown, 0);
}

/* What the model would not notice by itself is counted. */
static void test_mistakes_are_counted(void **state)
{
	struct walk walk;

	(void)state;
	access_at(USER_SMALL, 0, false);
	/* The page moves, and nobody invalidates. */
	assert_true(guest_walk(&guest, guest_pgd(&guest), USER_SMALL, &walk));
	*entry_at(walk.entry[3]) += 16 * PAGE;
	model_data(&model, PART_USER, USER_SMALL + LINE, 16 * PAGE + LINE, 8,
		   false);
	assert_int_equal(user()->stale, 1);
	assert_int_equal(user()->unknown, 0);
	/* QEMU went elsewhere than the page table leads. */
	model_data(&model, PART_USER, USER_SMALL + 2 * PAGE, 3 * PAGE, 8,
		   false);
	assert_int_equal(user()->unknown, 1);
	/* There is no page. */
	model_data(&model, PART_USER, 0x1000, 0, 8, false);
	assert_int_equal(user()->unknown, 2);
}

static void test_assists(void **state)
{
	const uint64_t pgd = guest_pgd(&guest), used = PTE_ACCESSED | PTE_DIRTY;
	uint64_t slot, va = USER_SMALL + DATA_BYTES;

	(void)state;
	/* An old, clean page before the region, as a fork leaves it */
	map(pgd, va, 0, PAGE_SHIFT, 0);
	guest_begin(&guest);
	/* QEMU sets the bits before the model sees the access. */
	slot = map(pgd, va, 0, PAGE_SHIFT, PTE_ACCESSED);
	access_at(va, 0, false);
	assert_int_equal(user()->accessed, 1);
	assert_int_equal(user()->dirty, 0);
	access_at(va, 8, false);
	assert_int_equal(user()->assists, 1);
	*entry_at(slot) |= PTE_DIRTY;
	access_at(va, 16, true);
	access_at(va, 24, true);
	assert_int_equal(user()->dirty, 1);
	assert_int_equal(user()->assists, 2);
	/* The kernel writes an entry that is old and clean: both at once */
	map(pgd, va, PAGE, PAGE_SHIFT, 0);
	guest_stored(&guest, DIRECT_MAP + slot);
	*entry_at(slot) |= used;
	model_invlpg(&model, PART_FLUSH);
	model_data(&model, PART_USER, va, PAGE, 8, true);
	assert_int_equal(user()->accessed, 2);
	assert_int_equal(user()->dirty, 2);
	assert_int_equal(user()->assists, 3);
	/* Young and dirty from the start: none */
	map(pgd, va, 2 * PAGE, PAGE_SHIFT, used);
	guest_stored(&guest, DIRECT_MAP + slot);
	model_invlpg(&model, PART_FLUSH);
	model_data(&model, PART_USER, va, 2 * PAGE, 8, true);
	assert_int_equal(user()->assists, 3);
	/* A word that is no entry is none, whatever is in it. */
	*entry_at(0) = 0;
	guest_stored(&guest, DIRECT_MAP);
	assert_int_equal(guest_assists(&guest, 0, true), 0);
}

static void test_fetch(void **state)
{
	unsigned int lap, at;

	(void)state;
	for (lap = 0; lap < 3; lap++)
		for (at = 0; at < 36 * 1024; at += LINE)
			model_fetch(&model, PART_KERNEL, IMAGE_MAP + at, at);
	assert_int_equal(model.counts[PART_KERNEL].miss[READ_CODE][0],
			 3 * 36 * 1024 / LINE);
	assert_int_equal(model.counts[PART_KERNEL].miss[READ_CODE][1],
			 36 * 1024 / LINE);
	assert_int_equal(model.counts[PART_KERNEL].itlb, 1);
	/* Data of the same page finds it in the second level. */
	model_data(&model, PART_KERNEL, IMAGE_MAP, 0, 8, false);
	assert_int_equal(model.counts[PART_KERNEL].dtlb, 1);
	assert_int_equal(model.counts[PART_KERNEL].walks, 1);
}

/* An access that crosses a line reads two. */
static void test_crossing(void **state)
{
	(void)state;
	model_data(&model, PART_USER, USER_HUGE + 60, 60, 8, false);
	assert_int_equal(user()->loads, 2);
	assert_int_equal(user()->miss[READ_DATA][0], 2);
	model_data(&model, PART_USER, USER_HUGE + 64, 64, 8, false);
	assert_int_equal(user()->miss[READ_DATA][0], 2);
	/* Beyond the page is left out. */
	model_data(&model, PART_USER, USER_SMALL + PAGE - 4, PAGE - 4, 8, true);
	assert_int_equal(user()->stores, 1);
}

static void test_page_tables(void **state)
{
	const uint64_t pgd = guest_pgd(&guest);
	struct walk walk;
	uint64_t at;

	(void)state;
	assert_true(guest_walk(&guest, pgd, USER_SMALL + 12345, &walk));
	assert_int_equal(walk.phys, 12345);
	assert_int_equal(walk.shift, PAGE_SHIFT);
	assert_int_equal(walk.levels, 4);
	assert_true(guest_walk(&guest, pgd, USER_HUGE + 3 * MIB + 5, &walk));
	assert_int_equal(walk.phys, 3 * MIB + 5);
	assert_int_equal(walk.levels, 3);
	map(pgd, 0x600000000000, 0, GIANT_SHIFT, PTE_ACCESSED);
	assert_true(guest_walk(&guest, pgd, 0x600000000000 + 5 * MIB, &walk));
	assert_int_equal(walk.phys, 5 * MIB);
	assert_int_equal(walk.levels, 2);
	assert_false(guest_walk(&guest, pgd, 0x1000, &walk));
	/* Garbage that leads out of the memory */
	assert_false(guest_walk(&guest, RAM_BYTES, 0, &walk));
	assert_false(guest_walk(&guest, UINT64_MAX << 12, 0, &walk));
	/* No page table: not aligned, elsewhere, without the kernel's entry */
	assert_false(guest_note_pgd(&guest, DIRECT_MAP + pgd + 8));
	assert_false(guest_note_pgd(&guest, 0x7fff00000000));
	assert_false(guest_note_pgd(&guest, DIRECT_MAP + RAM_BYTES));
	assert_false(guest_note_pgd(&guest, DIRECT_MAP));
	assert_int_equal(guest_pgd(&guest), pgd);
	/* More page tables than are remembered */
	for (at = 0; at < 100; at++) {
		uint64_t other = new_table();

		*entry_at(other + 511 * 8) = *entry_at(pgd + 511 * 8);
		assert_true(guest_note_pgd(&guest, DIRECT_MAP + other));
		assert_int_equal(guest_pgd(&guest), other);
	}
	assert_int_equal(guest.n_pgds, 64);
}

static void test_machines(void **state)
{
	static const char *const bad[] = { "cpi",	 "cpi=",      "cpi=x",
					   "cpi=-1",	 "cpi=1x",    "cp=1",
					   "memory=1e7", "nothing=1", "=1",
					   "cpi=nan",	 "memory= 1" };
	struct machine machine, same;
	char names[200];
	size_t i;

	(void)state;
	assert_false(machine_find("epyc", &machine));
	machine_names(names, sizeof(names));
	assert_string_equal(names, "epyc-milan xeon-icx laptop");
	assert_true(machine_find("laptop", &machine));
	same = machine;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(machine_set_cost(&machine, bad[i]));
	assert_memory_equal(&machine, &same, sizeof(same));
	assert_true(machine_set_cost(&machine, "memory=300.5"));
	assert_true(machine.cost[COST_MEMORY] == 300.5);
	/* Each table divides into its ways, and each constant has a name. */
	for (i = 0; i < COST_COUNT; i++)
		assert_non_null(cost_names[i]);
	for (i = 0; i < 3; i++) {
		static const char *const all[] = { "epyc-milan", "xeon-icx",
						   "laptop" };

		model_free(&model);
		assert_true(machine_find(all[i], &machine));
		assert_int_equal(machine.l1d.entries % machine.l1d.ways, 0);
		assert_int_equal(machine.l2.entries % machine.l2.ways, 0);
		assert_int_equal(machine.l3.entries % machine.l3.ways, 0);
		assert_int_equal(machine.stlb.entries % machine.stlb.ways, 0);
		assert_true(model_init(&model, &machine, &guest));
		access_at(USER_HUGE, 0, true);
		access_at(USER_SMALL, 0, true);
		model_fetch(&model, PART_USER, USER_HUGE, 0);
		assert_int_equal(user()->walks, 2);
	}
}

static void test_cycles(void **state)
{
	const struct counts counts = {
		.insns = 1000,
		.miss = { { 100, 30, 10 }, { 7, 3, 1 }, { 5, 2, 1 } },
		.streamed = { 50, 15, 6 },
		.dtlb = 20,
		.itlb = 2,
		.walks = 6,
		.walk_reads = 9,
		.invlpg = 4,
		.cr3 = 2,
		.global = 1,
		.assists = 3,
		.faults = 5,
	};
	struct machine machine = {
		.cost = { [COST_CPI] = 2,
			  [COST_L1] = 3,
			  [COST_L2] = 10,
			  [COST_L3] = 40,
			  [COST_MEMORY] = 200,
			  [COST_STLB] = 7,
			  [COST_INVLPG] = 100,
			  [COST_STREAM_L2] = 1,
			  [COST_STREAM_L3] = 5,
			  [COST_STREAM_MEMORY] = 9,
			  [COST_CR3] = 150,
			  [COST_GLOBAL] = 500,
			  [COST_ASSIST] = 11,
			  [COST_FAULT] = 13 },
	};
	double cycles[CYCLES_COUNT];

	(void)state;
	model_cycles(&machine, &counts, cycles);
	assert_true(cycles[CYCLES_INSNS] == 2000);
	assert_true(cycles[CYCLES_L2] == 10 * (70 + 4 - 35) + 1 * 35);
	assert_true(cycles[CYCLES_L3] == 40 * (20 + 2 - 9) + 5 * 9);
	assert_true(cycles[CYCLES_MEMORY] == 200 * (11 - 6) + 9 * 6);
	assert_true(cycles[CYCLES_TLB] ==
		    7 * 22 + 3 * 4 + 10 * 3 + 40 * 1 + 200 * 1);
	assert_true(cycles[CYCLES_FLUSH] == 400 + 300 + 500);
	assert_true(cycles[CYCLES_ASSIST] == 33);
	assert_true(cycles[CYCLES_FAULT] == 65);
}

static const char *load(struct symbols *symbols, const char *text)
{
	char path[] = "/tmp/test_model-XXXXXX";
	const char *why;
	FILE *file;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	why = symbols_load(symbols, path);
	unlink(path);
	return why;
}

static void test_symbols(void **state)
{
	struct symbols s;

	(void)state;
	assert_int_equal(symbol_part("copy_page"), PART_COPY);
	assert_int_equal(symbol_part("copy_page_range"), PART_KERNEL);
	assert_int_equal(symbol_part("clear_page_erms"), PART_ZERO);
	assert_int_equal(symbol_part("clear_page_dirty_for_io"), PART_KERNEL);
	assert_int_equal(symbol_part("asm_exc_page_fault"), PART_ENTRY);
	assert_int_equal(symbol_part("flush_tlb_mm_range"), PART_FLUSH);
	assert_int_equal(symbol_part("__alloc_pages_noprof"), PART_ALLOC);
	assert_null(load(&s, "ffffffff81000000 T _stext\n"
			     "ffffffff81000000 T startup_64\n"
			     "ffffffff81000100 T copy_page\n"
			     "ffffffff81000200 t switch_mm_irqs_off\n"
			     "ffffffff81000300 T asm_exc_page_fault\n"
			     "ffffffff81001000 T _etext\n"
			     "ffffffff81c16000 D init_top_pgt\n"
			     "garbage\n"));
	assert_null(symbols_find(&s, 0xffffffff80ffffff));
	assert_null(symbols_find(&s, 0xffffffff81001000));
	assert_null(symbols_find(&s, 0x401000));
	assert_int_equal(symbols_find(&s, 0xffffffff810000ff)->part,
			 PART_KERNEL);
	assert_int_equal(symbols_find(&s, 0xffffffff81000100)->part, PART_COPY);
	assert_int_equal(symbols_find(&s, 0xffffffff810001ff)->part, PART_COPY);
	assert_string_equal(symbols_find(&s, 0xffffffff810001ff)->name,
			    "copy_page");
	assert_true(symbols_find(&s, 0xffffffff81000210)->switches);
	assert_false(symbols_find(&s, 0xffffffff81000310)->switches);
	assert_int_equal(s.pgd, 0xffffffff81c16000);
	symbols_free(&s);
	assert_non_null(symbols_load(&s, "/nonexistent"));
	assert_non_null(load(&s, ""));
	assert_non_null(load(&s, "ffffffff81000000 T _stext\n"));
	symbols_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lru),
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_strides, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_streams, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_tlb_reach, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_walk_reads, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_invalidation, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_mistakes_are_counted,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_assists, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_fetch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_crossing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_page_tables, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_machines, set_up,
						tear_down),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_symbols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
