/* SPDX-License-Identifier: GPL-2.0 */
/* experiments.h - what a run's experiments left */
#ifndef COWREPORT_EXPERIMENTS_H
#define COWREPORT_EXPERIMENTS_H

#include "db.h"

void experiments_load(sqlite3 *db, const char *dir);

#endif
