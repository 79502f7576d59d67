/* SPDX-License-Identifier: GPL-2.0 */
/* tables_experiments.h - what the tables of experiments have in common */
#ifndef COWREPORT_TABLES_EXPERIMENTS_H
#define COWREPORT_TABLES_EXPERIMENTS_H

#include "report.h"

/* The arms that have a folder of the experiment ?2 under the clock ?1 */
#define ARMS \
	"arms AS (SELECT DISTINCT arm FROM experiment WHERE clock = ?1 AND name = ?2) "
#define BY_ARM "ORDER BY a.arm COLLATE arm"

struct table *experiment_query(const struct report *rep, enum cow_clock clock,
			       const char *name, unsigned int left,
			       const char *sql);
const char *unit_note(enum cow_clock clock);

#endif
