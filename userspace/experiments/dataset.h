/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_DATASET_H
#define COWLAB_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define KEY_LEN 12
#define VALUE_MIN 16

/* Keys, each with a value that tells its version */
struct dataset {
	uint32_t keys; /* how many */
	size_t bytes; /* of a value, a multiple of 8, at least VALUE_MIN */
	uint64_t seed; /* decides the values */
};

void key_make(uint32_t key, char name[KEY_LEN + 1]);
void value_make(const struct dataset *set, uint32_t key, uint32_t version,
		void *value);
bool value_read(const struct dataset *set, uint32_t key, const void *value,
		size_t len, uint32_t *version);
int dataset_write(const struct dataset *set, FILE *out);

#endif /* COWLAB_DATASET_H */
