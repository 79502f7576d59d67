/* SPDX-License-Identifier: GPL-2.0 */
/* crosscheck_page.h - the page that shows that the numbers are right */
#ifndef COWREPORT_CROSSCHECK_PAGE_H
#define COWREPORT_CROSSCHECK_PAGE_H

#include "db.h"

bool crosscheck_page(sqlite3 *db, FILE *out);

#endif
