/* SPDX-License-Identifier: GPL-2.0 */
/* model.h - what CLOCK=memory measured: misses, and modelled cycles */
#ifndef COWREPORT_MODEL_H
#define COWREPORT_MODEL_H

#include "report.h"

/* raw/memory/: memory.csv, memory-costs.csv, and the pages that each cell wrote */
void model_load(struct run *run);
bool model_any(sqlite3 *db);

int plots_model(struct plots *p, sqlite3 *db);
void section_model(const struct report *rep, struct doc *doc);
void section_concerns(const struct report *rep, struct doc *doc);
void print_model(const struct report *rep, FILE *out);

#endif
