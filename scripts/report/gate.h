/* SPDX-License-Identifier: GPL-2.0 */
/* gate.h - the regression gate: a run against a reference */
#ifndef COWREPORT_GATE_H
#define COWREPORT_GATE_H

#include "env.h"
#include "db.h"

/**
 * struct gate_row - what one arm on one workload may cost
 * @arm: the arm
 * @workload: the workload
 * @page: instructions per page written; NAN: not known yet
 * @ratio: of them to baseline's; NAN: not known yet
 * @page_pct: by how many percent @page may get worse
 * @ratio_pct: by how many percent @ratio may get worse
 * @look: what to look at where it does
 */
struct gate_row {
	char arm[NAME_LEN], workload[NAME_LEN];
	double page, ratio;
	double page_pct, ratio_pct;
	char *look;
};

/**
 * struct gate - a reference file, read
 * @comment: its comments, from the top, those below aside
 * @kernel: the kernel that @row is of
 * @compiler: the compiler that made it
 * @qemu: the QEMU, whose CPU model decides which paths are taken
 * @row: its rows
 */
struct gate {
	VEC(char *) comment;
	char *kernel, *compiler, *qemu;
	VEC(struct gate_row) row;
};

int gate_parse(const char *buf, size_t len, struct gate *gate,
	       struct parse_error *err);
void gate_free(struct gate *gate);
size_t gate_judge(const struct gate *gate, sqlite3 *db, const struct env *env,
		  FILE *out);
size_t gate_rebase(struct gate *gate, sqlite3 *db, const struct env *env);
void gate_write(const struct gate *gate, FILE *out);

#endif
