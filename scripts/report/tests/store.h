/* SPDX-License-Identifier: GPL-2.0 */
/* store.h - rows of a summary, put into a store by a test */
#ifndef COWREPORT_TEST_STORE_H
#define COWREPORT_TEST_STORE_H

#include "db.h"

/* A row's figures; @touched 0: the row has no pages */
struct figures {
	double avg, p999, max, ns_per_page, ratio;
	uint64_t faults, touched, wasted;
};

static inline void store_summary(sqlite3 *db, enum cow_clock clock,
				 const char *arm, const char *workload,
				 const char *source, const char *stage,
				 const struct figures *f)
{
	db_run(db,
	       "INSERT INTO summary(clock, arm, workload, source, stage, rounds, count, avg_ns, p999_ns, max_ns, faults, pages_touched, pages_copied, pages_wasted, ns_per_page, ratio_to_baseline) VALUES (?, ?, ?, ?, ?, 2, 1000, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	       "sssssdddiiiidd", clock_name(clock), arm, workload, source,
	       stage, f->avg, f->p999, f->max, f->faults,
	       f->touched ? f->touched : NONE, f->touched + f->wasted,
	       f->wasted, f->ns_per_page, f->ratio);
}

#endif
