/* SPDX-License-Identifier: GPL-2.0 */
/* crosscheck.h - one writer, five observers; and what a fault is made up of */
#ifndef COWREPORT_CROSSCHECK_H
#define COWREPORT_CROSSCHECK_H

#include "db.h"

void crosscheck_load(sqlite3 *db, const char *dir);
enum parse_status crosscheck_parse(sqlite3 *db, const char *clock,
				   const char *buf, size_t len);
char *crosscheck_sentence(sqlite3 *db);

#endif
