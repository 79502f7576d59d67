/* SPDX-License-Identifier: GPL-2.0 */
/* symbols.h - which part of the kernel an address belongs to */
#ifndef COWMEM_SYMBOLS_H
#define COWMEM_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"

/* A function of the kernel, up to the next one */
struct symbol {
	uint64_t address;
	char *name;
	enum part part;
	bool switches; /* it switches to another page table */
};

/**
 * struct symbols - the kernel's functions
 * @list: by address
 * @n: how many
 * @begin: first address of the image's code
 * @end: what follows the last one
 * @page_fault: where a page fault enters the kernel
 * @pgd: the kernel's own page table, its address in the image
 */
struct symbols {
	struct symbol *list;
	size_t n;
	uint64_t begin, end;
	uint64_t page_fault;
	uint64_t pgd;
};

const char *symbols_load(struct symbols *symbols, const char *path);
void symbols_free(struct symbols *symbols);
const struct symbol *symbols_find(const struct symbols *symbols, uint64_t va);
enum part symbol_part(const char *name);

#endif
