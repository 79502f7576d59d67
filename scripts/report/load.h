/* SPDX-License-Identifier: GPL-2.0 */
/* load.h - the parts of a run's folder, read into its store */
#ifndef COWREPORT_LOAD_H
#define COWREPORT_LOAD_H

#include "run.h"

/* The cells: one round of one arm each. The log has been read. */
void cells_load(struct run *run);
/* Tell what should have been measured, and was not */
void cells_check(struct run *run);

/* CSV files in raw/<clock>/experiments/ */
void experiments_load(sqlite3 *db, const char *dir);

/* What the guest's crosscheck job left */
void crosscheck_load(sqlite3 *db, const char *dir);
enum parse_status crosscheck_parse(sqlite3 *db, const char *clock,
				   const char *buf, size_t len);

#endif
