// SPDX-License-Identifier: GPL-2.0
/* Is a snapshot the state of one instant? */
#include "experiments/cut.h"

#include <stdlib.h>

/*
 * Narrow down when a snapshot was taken. @journal: every SET. @count: how
 * many. @versions: what the snapshot holds: how many SETs of each key, 0:
 * none. @keys: how many. @cut: in: when it can have been taken; out: the same,
 * narrower. A SET takes effect at some instant between its sending and its
 * answer. So a snapshot was taken after all that it holds was sent and before
 * all that it does not hold was answered, and if there is such an instant,
 * there is an order of the SETs in which it is what was there between two of
 * them: nothing is missing, nothing is too new, no two keys are of different
 * moments. Return: true if there is such an instant.
 */
bool cut_find(const struct entry *journal, size_t count,
	      const uint32_t *versions, uint32_t keys, struct cut *cut)
{
	uint32_t *written = calloc(keys, sizeof(*written));
	uint32_t key;
	size_t i;

	cut->wrong_key = UINT32_MAX;
	if (!written)
		abort();
	for (i = 0; i < count; i++) {
		const struct entry *e = &journal[i];
		uint32_t version = ++written[e->key];

		if (version == versions[e->key] && e->sent > cut->after)
			cut->after = e->sent;
		if (version == versions[e->key] + 1 && e->acked < cut->before)
			cut->before = e->acked;
	}
	for (key = 0; key < keys; key++) {
		if (versions[key] > written[key])
			cut->wrong_key = key;
	}
	free(written);
	return cut->wrong_key == UINT32_MAX && cut->after < cut->before;
}
