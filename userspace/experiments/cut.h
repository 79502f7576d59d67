/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_CUT_H
#define COWLAB_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct entry - one SET, in the order of sending
 * @sent: when, in ns
 * @acked: when the answer was there
 * @key: of the key; all SETs of a key come one after the other
 */
struct entry {
	uint64_t sent;
	uint64_t acked;
	uint32_t key;
};

/**
 * struct cut - when a snapshot may have been taken
 * @after: a SET that it holds was sent then
 * @before: a SET that it does not hold had been answered by then
 * @wrong_key: a key whose version was never written, or UINT32_MAX
 */
struct cut {
	uint64_t after;
	uint64_t before;
	uint32_t wrong_key;
};

bool cut_find(const struct entry *journal, size_t count,
	      const uint32_t *versions, uint32_t keys, struct cut *cut);

#endif /* COWLAB_CUT_H */
