// SPDX-License-Identifier: GPL-2.0
/* symbols.c - which part of the kernel an address belongs to, by System.map */
#include "symbols.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Groups of functions by their names; the first pattern that matches decides. What
 * the compiler made inline belongs to its caller.
 */
static const struct {
	const char *pattern;
	enum part part;
} groups[] = {
	{ "copy_page", PART_COPY },
	{ "copy_page_regs", PART_COPY },
	{ "copy_mc_*", PART_COPY },
	{ "copy_user_*", PART_COPY },
	{ "rep_movs_alternative", PART_COPY },
	{ "memcpy", PART_COPY },
	{ "__memcpy", PART_COPY },
	{ "memcpy_orig", PART_COPY },
	{ "clear_page_dirty*", PART_KERNEL },
	{ "clear_page*", PART_ZERO },
	{ "folio_zero_user", PART_ZERO },
	{ "memset", PART_ZERO },
	{ "__memset", PART_ZERO },
	{ "memset_orig", PART_ZERO },
	{ "asm_exc_*", PART_ENTRY },
	{ "asm_sysvec_*", PART_ENTRY },
	{ "exc_page_fault", PART_ENTRY },
	{ "error_entry", PART_ENTRY },
	{ "error_return", PART_ENTRY },
	{ "entry_SYSCALL_64*", PART_ENTRY },
	{ "do_syscall_64", PART_ENTRY },
	{ "irqentry_*", PART_ENTRY },
	{ "sync_regs", PART_ENTRY },
	{ "common_interrupt*", PART_ENTRY },
	{ "swapgs_restore_regs_and_return_to_usermode", PART_ENTRY },
	{ "restore_regs_and_return_to_kernel", PART_ENTRY },
	{ "do_user_addr_fault", PART_ENTRY },
	{ "*flush_tlb*", PART_FLUSH },
	{ "ptep_clear_flush*", PART_FLUSH },
	{ "__alloc_pages*", PART_ALLOC },
	{ "alloc_pages*", PART_ALLOC },
	{ "*folio_alloc*", PART_ALLOC },
	{ "*alloc_folio*", PART_ALLOC },
	{ "get_page_from_freelist", PART_ALLOC },
	{ "*rmqueue*", PART_ALLOC },
	{ "prep_new_page", PART_ALLOC },
	{ "post_alloc_hook", PART_ALLOC },
	{ "*free_pages*", PART_ALLOC },
	{ "free_unref_*", PART_ALLOC },
	{ "free_pcppages_bulk", PART_ALLOC },
	{ "*free_one_page", PART_ALLOC },
	{ "*folio_put", PART_ALLOC },
	{ "folios_put_refs", PART_ALLOC },
	{ "zone_watermark*", PART_ALLOC },
	{ "*mem_cgroup_charge*", PART_ALLOC },
	{ "*mem_cgroup_uncharge*", PART_ALLOC },
	{ "mem_cgroup_commit_charge", PART_ALLOC },
	{ "try_charge_memcg", PART_ALLOC },
	{ "charge_memcg", PART_ALLOC },
	{ "uncharge_*", PART_ALLOC },
};

/**
 * symbol_part - the part that a function of the kernel belongs to
 * @name: its name
 *
 * Return: PART_KERNEL for one of no group.
 */
enum part symbol_part(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (!fnmatch(groups[i].pattern, name, 0))
			return groups[i].part;
	return PART_KERNEL;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/**
 * symbols_load - read System.map
 * @symbols: filled in; a plugin is not unloaded, and needs no symbols_free()
 * @path: its path
 *
 * Return: NULL, or what is wrong with the file.
 */
const char *symbols_load(struct symbols *symbols, const char *path)
{
	char line[512], name[256], type;
	size_t room = 0;
	uint64_t address;
	FILE *file = fopen(path, "r");

	memset(symbols, 0, sizeof(*symbols));
	if (!file)
		return strerror(errno);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 " %c %255s", &address, &type,
			   name) != 3)
			continue;
		if (!strcmp(name, "init_top_pgt"))
			symbols->pgd = address;
		if (!strcmp(name, "_stext"))
			symbols->begin = address;
		if (!strcmp(name, "_etext"))
			symbols->end = address;
		if (!strcmp(name, "asm_exc_page_fault"))
			symbols->page_fault = address;
		if (!strchr("tTwW", type))
			continue;
		if (symbols->n == room) {
			room = room ? 2 * room : 1 << 16;
			symbols->list = realloc(symbols->list,
						room * sizeof(*symbols->list));
			if (!symbols->list)
				break;
		}
		symbols->list[symbols->n++] = (struct symbol){
			.address = address,
			.name = strdup(name),
			.part = symbol_part(name),
			.switches = !strcmp(name, "switch_mm_irqs_off") ||
				    !strcmp(name, "load_new_mm_cr3"),
		};
	}
	fclose(file);
	if (!symbols->list)
		return "no function in it";
	if (!symbols->pgd || !symbols->begin || !symbols->end ||
	    !symbols->page_fault)
		return "not the System.map of an x86-64 kernel: _stext, _etext, init_top_pgt or asm_exc_page_fault is missing";
	qsort(symbols->list, symbols->n, sizeof(*symbols->list), by_address);
	return NULL;
}

/**
 * symbols_free - free what symbols_load() made
 * @symbols: the functions, even of a load that failed
 */
void symbols_free(struct symbols *symbols)
{
	size_t i;

	for (i = 0; i < symbols->n; i++)
		free(symbols->list[i].name);
	free(symbols->list);
}

/**
 * symbols_find - the function that an address of the kernel's image is in
 * @symbols: the functions
 * @va: the address
 *
 * Return: NULL if it is not in the image's code, as that of a module.
 */
const struct symbol *symbols_find(const struct symbols *symbols, uint64_t va)
{
	size_t low = 0, high = symbols->n;

	if (va < symbols->begin || va >= symbols->end)
		return NULL;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].address <= va)
			low = middle;
		else
			high = middle;
	}
	/* Of several names for one address, one with a group. */
	while (low && symbols->list[low].part == PART_KERNEL &&
	       symbols->list[low - 1].address == symbols->list[low].address)
		low--;
	return &symbols->list[low];
}
