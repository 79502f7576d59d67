/* SPDX-License-Identifier: GPL-2.0 */
/* Applying a file of settings at boot. */
#ifndef COWCTL_APPLY_H
#define COWCTL_APPLY_H

void apply_file(const char *file, const char *debugfs);

#endif /* COWCTL_APPLY_H */
