// SPDX-License-Identifier: GPL-2.0
/* Is a snapshot the state of one instant? */
#include "experiments/cut.h"

#include <stdlib.h>

/*
 * Narrow down when a snapshot was taken that holds, of each key, so many SETs
 * as @versions says; @cut is the bracket, before and after. A SET takes effect
 * at some instant between its sending and its answer. So the snapshot was
 * taken after all SETs that it holds were sent and before any that it lacks
 * was answered. If such an instant exists, some order of the SETs has this
 * state between two of them: nothing is missing, nothing is too new, no two
 * keys are from different moments. Return: false if there is no such instant.
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
