/* SPDX-License-Identifier: GPL-2.0 */
/* summary.h - the rounds of a run put together */
#ifndef COWREPORT_SUMMARY_H
#define COWREPORT_SUMMARY_H

#include "db.h"

void summary_make(sqlite3 *db);
double figure(sqlite3 *db, const char *view, enum cow_clock clock,
	      const char *arm, const char *workload, const char *col);

#endif
