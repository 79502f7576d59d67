/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWCTL_STATUS_H
#define COWCTL_STATUS_H

#include <stdbool.h>

void show_status(bool json, const char *state);

#endif /* COWCTL_STATUS_H */
