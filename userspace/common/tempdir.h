/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAB_TEMPDIR_H
#define COWLAB_TEMPDIR_H

#include <stddef.h>

#include "common/process.h"

const char *tempdir_make(struct guardian *guardian, const char *in,
			 const char *name, size_t room);

#endif /* COWLAB_TEMPDIR_H */
