/* SPDX-License-Identifier: GPL-2.0 */
/* The pages of its memory that a resumed guest writes. */
#ifndef COWLAB_TRACE_H
#define COWLAB_TRACE_H

#include <stddef.h>
#include <stdint.h>

size_t trace_load(const char *path, size_t pages, uint32_t *order);

#endif /* COWLAB_TRACE_H */
