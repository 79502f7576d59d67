/* SPDX-License-Identifier: GPL-2.0 */
/* cells.h - the cells of a run: one round of one arm each */
#ifndef COWREPORT_CELLS_H
#define COWREPORT_CELLS_H

#include "run.h"

void cells_load(struct run *run);
void cells_check(struct run *run);

#endif
