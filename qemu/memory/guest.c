// SPDX-License-Identifier: GPL-2.0
/*
 * guest.c - the guest's memory: page tables, and the bits that a processor sets there
 *
 * QEMU sets the accessed and the dirty bit of an entry before a plugin sees the
 * access, so from the entry alone one cannot tell who set them. Therefore: when a
 * region of interest begins, the entries of the page tables seen so far whose bits are
 * clear are noted as pending; during the region so is each entry that the kernel
 * writes with a bit clear. The first access for which a bit is pending is the one at
 * which a processor sets it.
 */
#include "guest.h"

#include <string.h>
#include <sys/mman.h>

#define ENTRIES 512

/**
 * guest_init - prepare for a guest's memory
 * @guest: the guest
 * @size: its bytes
 *
 * Return: false if there is no memory.
 */
bool guest_init(struct guest *guest, uint64_t size)
{
	*guest = (struct guest){ .size = size };
	/* Two bits for 8 bytes; only what is touched takes memory. */
	guest->pending = mmap(NULL, size / 32, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			      0);
	return guest->pending != MAP_FAILED;
}

/**
 * guest_free - release what guest_init() took
 * @guest: the guest
 */
void guest_free(struct guest *guest)
{
	munmap(guest->pending, guest->size / 32);
}

/**
 * guest_read - read 8 bytes
 * @guest: the guest
 * @phys: physical address, aligned down to 8
 * @value: filled in
 *
 * Return: false if there is no memory at that address.
 */
bool guest_read(const struct guest *guest, uint64_t phys, uint64_t *value)
{
	phys &= ~7ULL;
	if (!guest->ram || phys >= guest->size)
		return false;
	memcpy(value, guest->ram + phys, sizeof(*value));
	return true;
}

/**
 * guest_walk - walk a page table as a processor does
 * @guest: the guest
 * @pgd: physical address of the table
 * @va: the address to look up
 * @walk: filled in
 *
 * Return: false if the address is not mapped.
 */
bool guest_walk(const struct guest *guest, uint64_t pgd, uint64_t va,
		struct walk *walk)
{
	uint64_t table = pgd, entry;
	unsigned int level;

	for (level = 0; level < WALK_LEVELS; level++) {
		unsigned int shift = 39 - 9 * level;

		walk->entry[level] =
			table + ((va >> shift) & (ENTRIES - 1)) * 8;
		if (!guest_read(guest, walk->entry[level], &entry) ||
		    !(entry & PTE_PRESENT))
			return false;
		walk->levels = level + 1;
		walk->leaf = entry;
		walk->shift = shift;
		if (shift == PAGE_SHIFT || (level && (entry & PTE_HUGE)))
			break;
		table = entry & PTE_ADDRESS;
	}
	walk->phys = (entry & PTE_ADDRESS & ~((1ULL << walk->shift) - 1)) |
		     (va & ((1ULL << walk->shift) - 1));
	return true;
}

/**
 * guest_note_pgd - is this the kernel's pointer to a page table? then remember it
 * @guest: the guest; @kernel_pgd must be known
 * @value: a value that the kernel has read before it switched page tables
 *
 * A page table holds the entry of the kernel's own for the kernel's image.
 *
 * Return: whether it is one.
 */
bool guest_note_pgd(struct guest *guest, uint64_t value)
{
	uint64_t phys, own, kernel;
	size_t i;

	if (value & ((1 << PAGE_SHIFT) - 1))
		return false;
	if (value >= IMAGE_MAP)
		phys = value - IMAGE_MAP;
	else if (value >= DIRECT_MAP && value < DIRECT_MAP_END)
		phys = value - DIRECT_MAP;
	else
		return false;
	if (!guest_read(guest, phys + 8 * (ENTRIES - 1), &own) ||
	    !guest_read(guest, guest->kernel_pgd + 8 * (ENTRIES - 1),
			&kernel) ||
	    (own ^ kernel) & PTE_ADDRESS || !(own & PTE_PRESENT))
		return false;
	for (i = 0; i < guest->n_pgds && guest->pgds[i] != phys; i++)
		;
	if (i == guest->n_pgds) {
		/* The one not used for longest is forgotten. */
		if (i == sizeof(guest->pgds) / sizeof(guest->pgds[0]))
			i--;
		else
			guest->n_pgds++;
	}
	memmove(guest->pgds + 1, guest->pgds, i * sizeof(guest->pgds[0]));
	guest->pgds[0] = phys;
	return true;
}

/**
 * guest_pgd - the page table in use
 * @guest: the guest
 *
 * Return: its physical address; the kernel's until another has been seen.
 */
uint64_t guest_pgd(const struct guest *guest)
{
	return guest->n_pgds ? guest->pgds[0] : guest->kernel_pgd;
}

static void set_pending(struct guest *guest, uint64_t phys, uint64_t entry)
{
	unsigned int shift = phys / 8 % 4 * 2, bits = 0;
	unsigned char *byte = guest->pending + phys / 32;

	if (entry & PTE_PRESENT) {
		bits |= entry & PTE_ACCESSED ? 0 : ASSIST_ACCESSED;
		bits |= entry & PTE_DIRTY ? 0 : ASSIST_DIRTY;
	}
	/* Most stores change nothing: leave that memory untouched. */
	if ((*byte >> shift & 3) != bits)
		*byte = (*byte & ~(3 << shift)) | bits << shift;
}

static void note_table(struct guest *guest, uint64_t table, unsigned int level)
{
	unsigned int i, n = level ? ENTRIES : ENTRIES / 2;
	uint64_t entry;

	for (i = 0; i < n; i++) {
		if (!guest_read(guest, table + 8 * i, &entry) ||
		    !(entry & PTE_PRESENT))
			continue;
		if (level == WALK_LEVELS - 1 || (level && (entry & PTE_HUGE)))
			set_pending(guest, table + 8 * i, entry);
		else
			note_table(guest, entry & PTE_ADDRESS, level + 1);
	}
}

/**
 * guest_begin - note which accessed and dirty bits are clear as a region begins
 * @guest: the guest
 *
 * Entries of the kernel's half are not noted: Linux sets their bits beforehand.
 */
void guest_begin(struct guest *guest)
{
	size_t i;

	madvise(guest->pending, guest->size / 32, MADV_DONTNEED);
	for (i = 0; i < guest->n_pgds; i++)
		note_table(guest, guest->pgds[i], 0);
}

/**
 * guest_stored - the kernel has stored to memory, maybe to a page table
 * @guest: the guest
 * @va: the address; page tables are written through the direct map
 */
void guest_stored(struct guest *guest, uint64_t va)
{
	uint64_t phys = (va - DIRECT_MAP) & ~7ULL, value;

	if (va >= DIRECT_MAP && guest_read(guest, phys, &value))
		set_pending(guest, phys, value);
}

/**
 * guest_assists - which bits does the processor set in an entry at this access
 * @guest: the guest
 * @entry: physical address of the entry
 * @store: the access is a store
 *
 * Return: a mask of enum assist; the bits are no longer pending then.
 */
unsigned int guest_assists(struct guest *guest, uint64_t entry, bool store)
{
	unsigned int shift = entry / 8 % 4 * 2, bits;
	unsigned char *byte = guest->pending + entry / 32;

	bits = *byte >> shift & (store ? 3 : ASSIST_ACCESSED);
	if (bits)
		*byte &= ~(bits << shift);
	return bits;
}
