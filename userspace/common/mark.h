/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Markers for CLOCK=memory: qemu/memory's plugin models caches and TLBs between
 * mark_begin() and mark_end(). Without the plugin a marker is a NOP.
 */
#ifndef COWLAB_MARK_H
#define COWLAB_MARK_H

#include <stdint.h>
#include <stdio.h>

/* The displacements of the NOPs, and what is stored before the first of them */
#define MARK_BEGIN 0x5c0a1
#define MARK_END 0x5c0a2
#define MARK_MAGIC 0x6d656d776f63a110ULL

/* The name of a region, as the plugin reads it: it knows where the last store was. */
struct mark_label {
	uint64_t magic;
	char name[56];
} __attribute__((aligned(64)));

#ifdef __x86_64__
/**
 * mark_begin - a region of interest begins here
 * @label: its name; printable, without spaces and commas
 *
 * Regions do not nest: the plugin ends the guest then.
 */
static inline __attribute__((always_inline)) void
mark_begin(struct mark_label *label)
{
	__asm__ volatile("movq %1, %0\n\tnopl %c2(%%rax)"
			 : "=m"(label->magic)
			 : "r"(MARK_MAGIC), "i"(MARK_BEGIN)
			 : "memory");
}

/* mark_end - the region ends here */
static inline __attribute__((always_inline)) void mark_end(void)
{
	__asm__ volatile("nopl %c0(%%rax)" : : "i"(MARK_END) : "memory");
}
#else
static inline void mark_begin(struct mark_label *label)
{
	(void)label;
}

static inline void mark_end(void)
{
}
#endif

/**
 * mark_name - name a region
 * @label: filled in
 * @name: its name, or NULL
 * @otherwise: its name if @name is NULL
 */
static inline void mark_name(struct mark_label *label, const char *name,
			     const char *otherwise)
{
	*label = (struct mark_label){ 0 };
	snprintf(label->name, sizeof(label->name), "%s",
		 name ? name : otherwise);
}

#endif /* COWLAB_MARK_H */
