/* SPDX-License-Identifier: GPL-2.0 */
/* The module's files in debugfs. */
#ifndef COWCTL_KNOBS_H
#define COWCTL_KNOBS_H

#include <stddef.h>

extern const char *const knob_names[];

void knobs_open(const char *dir);
void knob_read(const char *name, char *text, size_t size);
char *knob_text(const char *name);
const char *knob_error(int error);
int knob_write(const char *name, const char *text);
void knobs_set(char **settings);

#endif /* COWCTL_KNOBS_H */
