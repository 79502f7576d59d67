/* SPDX-License-Identifier: GPL-2.0 */
/* db.h - run.db, the store of a run */
#ifndef COWREPORT_DB_H
#define COWREPORT_DB_H

#include <sqlite3.h>
#include <stdarg.h>

#include "names.h"

sqlite3 *db_new(void);
void db_save(sqlite3 *db, FILE *out);

/*
 * Statements and their arguments. A letter of @types is the type of one:
 * s const char *, i uint64_t (NONE is NULL), n int, d double (NAN is NULL).
 */
sqlite3_stmt *db_query(sqlite3 *db, const char *sql, const char *types, ...);
sqlite3_stmt *db_vquery(sqlite3 *db, const char *sql, const char *types,
			va_list ap);
bool db_next(sqlite3_stmt **query);
void db_run(sqlite3 *db, const char *sql, const char *types, ...);
double db_number(sqlite3 *db, const char *sql, const char *types, ...);
char *db_text(sqlite3 *db, const char *sql, const char *types, ...);

const char *col_text(sqlite3_stmt *query, int col);
uint64_t col_u64(sqlite3_stmt *query, int col);
double col_double(sqlite3_stmt *query, int col);

/* The rounds put together, in the table summary */
void summary_make(sqlite3 *db);

#endif
