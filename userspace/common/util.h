/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_UTIL_H
#define COWLAB_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096UL
#define HUGE_BYTES (2UL << 20)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);

bool parse_u64(const char *text, uint64_t *value);
bool parse_size(const char *text, uint64_t *bytes);

bool read_text(const char *path, char *buf, size_t len);
bool text_field(const char *text, const char *key, uint64_t *value);

void memory_require(uint64_t bytes, const char *option);
void *shared_alloc(size_t bytes, const char *option);
uint64_t now_ns(void);

#endif /* COWLAB_UTIL_H */
