/* SPDX-License-Identifier: GPL-2.0 */
/* guest.h - the guest's memory: page tables, and the bits that a processor sets there */
#ifndef COWMEM_GUEST_H
#define COWMEM_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where Linux maps all memory, and its image, with four levels and nokaslr */
#define DIRECT_MAP 0xffff888000000000ULL
#define DIRECT_MAP_END 0xffffc88000000000ULL
#define IMAGE_MAP 0xffffffff80000000ULL

#define PTE_PRESENT (1ULL << 0)
#define PTE_WRITE (1ULL << 1)
#define PTE_ACCESSED (1ULL << 5)
#define PTE_DIRTY (1ULL << 6)
#define PTE_HUGE (1ULL << 7)
#define PTE_GLOBAL (1ULL << 8)
#define PTE_ADDRESS 0x000ffffffffff000ULL

#define PAGE_SHIFT 12
#define HUGE_SHIFT 21
#define GIANT_SHIFT 30
#define WALK_LEVELS 4

/**
 * struct guest - the guest's memory
 * @ram: where it is in this process, or NULL while that is not known
 * @size: its bytes; contiguous from physical address 0
 * @pending: two bits for each aligned 8 bytes: the accessed, and the dirty bit of
 *	the entry there is not set yet
 * @pgds: physical addresses of the page tables seen, the last one first
 * @n_pgds: how many
 * @kernel_pgd: that of the kernel's own page table
 */
struct guest {
	unsigned char *ram;
	uint64_t size;
	unsigned char *pending;
	uint64_t pgds[64];
	size_t n_pgds;
	uint64_t kernel_pgd;
};

/**
 * struct walk - a walk of the page table
 * @entry: physical address of the entry read at each level, the top one first
 * @levels: how many were read
 * @leaf: the last of them
 * @shift: log2 of the page's size
 * @phys: physical address of what was looked up
 */
struct walk {
	uint64_t entry[WALK_LEVELS];
	unsigned int levels;
	uint64_t leaf;
	unsigned int shift;
	uint64_t phys;
};

/* What the processor had to set in an entry */
enum assist {
	ASSIST_ACCESSED = 1,
	ASSIST_DIRTY = 2,
};

bool guest_init(struct guest *guest, uint64_t size);
void guest_free(struct guest *guest);
bool guest_read(const struct guest *guest, uint64_t phys, uint64_t *value);
bool guest_walk(const struct guest *guest, uint64_t pgd, uint64_t va,
		struct walk *walk);
bool guest_note_pgd(struct guest *guest, uint64_t value);
uint64_t guest_pgd(const struct guest *guest);
void guest_begin(struct guest *guest);
void guest_stored(struct guest *guest, uint64_t va);
unsigned int guest_assists(struct guest *guest, uint64_t entry, bool store);

#endif
