/* SPDX-License-Identifier: GPL-2.0 */
/* report.h - what a report tells, and the tables and sections it is made of */
#ifndef COWREPORT_REPORT_H
#define COWREPORT_REPORT_H

#include "doc.h"
#include "run.h"

/**
 * struct report - all that a report tells
 * @run: the run
 * @plots: its pictures
 * @plot_trouble: why there are no pictures, or not all; NULL if there are
 */
struct report {
	const struct run *run;
	const struct plots *plots;
	const char *plot_trouble;
};

/* A table of a boot; NULL where the run has not what it is about */
typedef struct table *(*table_fn)(const struct report *rep,
				  enum cow_clock clock);

/* A part of a section: a table, or a picture by the end of its file's name */
struct part {
	table_fn table;
	const char *picture;
};

void put_section(const struct report *rep, struct doc *doc, const char *heading,
		 const char *reading, const char *command,
		 const struct part *parts);

/* Tables of the cells */
struct table *table_summary(const struct report *rep);
struct table *table_service(const struct report *rep, enum cow_clock clock,
			    const char *workload, enum density density);
struct table *table_touch(const struct report *rep, enum cow_clock clock,
			  const char *workload);
struct table *table_counts(const struct report *rep);
struct table *table_stats(const struct report *rep, enum cow_clock clock,
			  const char *workload);
struct table *table_study(const struct report *rep, enum cow_clock clock);
struct table *table_ratios(const struct report *rep, enum cow_clock clock);
struct table *table_memory(const struct report *rep, enum cow_clock clock);
struct table *table_sweep(const struct report *rep, enum cow_clock clock);
void print_table1(const struct report *rep, FILE *out);

/* Tables of the experiments */
struct table *table_redis64(const struct report *rep, enum cow_clock clock);
struct table *table_redis32k(const struct report *rep, enum cow_clock clock);
struct table *table_saves64(const struct report *rep, enum cow_clock clock);
struct table *table_saves32k(const struct report *rep, enum cow_clock clock);
struct table *table_prefork(const struct report *rep, enum cow_clock clock);
struct table *table_vmscalability(const struct report *rep,
				  enum cow_clock clock);
struct table *table_stressng(const struct report *rep, enum cow_clock clock);
struct table *table_perfbench(const struct report *rep, enum cow_clock clock);
struct table *table_web(const struct report *rep, enum cow_clock clock);
struct table *table_folio(const struct report *rep, enum cow_clock clock);
struct table *table_fork(const struct report *rep, enum cow_clock clock);
struct table *table_filecow(const struct report *rep, enum cow_clock clock);
struct table *table_clone(const struct report *rep, enum cow_clock clock);
struct table *table_cycles(const struct report *rep, enum cow_clock clock);
struct table *table_startup(const struct report *rep, enum cow_clock clock);
struct table *table_programs(const struct report *rep, enum cow_clock clock);
struct table *table_limits(const struct report *rep, enum cow_clock clock);
struct table *table_pages(const struct report *rep, enum cow_clock clock);
struct table *table_faults(const struct report *rep, enum cow_clock clock);
struct table *table_sizes(const struct report *rep, enum cow_clock clock);

/* crosscheck.html, and what report.md says of it; to be freed, or NULL */
bool crosscheck_page(sqlite3 *db, FILE *out);
char *crosscheck_sentence(sqlite3 *db);

/* Sections of their own */
void section_findings(const struct report *rep, struct doc *doc);
void section_claims(const struct report *rep, struct doc *doc);
void section_emulation(const struct report *rep, struct doc *doc);
void section_cells(const struct report *rep, struct doc *doc);
void section_quality(const struct report *rep, struct doc *doc);
void section_environment(const struct report *rep, struct doc *doc);
void section_method(const struct report *rep, struct doc *doc);

#endif
