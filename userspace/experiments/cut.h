/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_CUT_H
#define COWLAB_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One SET, in the order of sending */
struct entry {
	uint64_t sent; /* ns */
	uint64_t acked; /* when the answer arrived */
	/* no two SETs of one key are under way together */
	uint32_t key;
};

/* When a snapshot may have been taken */
struct cut {
	uint64_t after; /* a SET that it holds was sent then */
	/* a SET that it does not hold had been answered by then */
	uint64_t before;
	/* a key whose version was never written, or UINT32_MAX */
	uint32_t wrong_key;
};

bool cut_find(const struct entry *journal, size_t count,
	      const uint32_t *versions, uint32_t keys, struct cut *cut);

#endif /* COWLAB_CUT_H */
