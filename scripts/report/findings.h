/* SPDX-License-Identifier: GPL-2.0 */
/* findings.h - what a run says, in sentences */
#ifndef COWREPORT_FINDINGS_H
#define COWREPORT_FINDINGS_H

#include "db.h"

enum {
	FINDING_GAIN,
	FINDING_PRICE,
	FINDING_TAIL,
	FINDING_CYCLES,
	FINDING_MODEL,
	FINDINGS,
};

char *finding(sqlite3 *db, int which);

/**
 * enum holds - what becomes of a claim
 * @CLAIM_HOLDS: the run bears it out
 * @CLAIM_PARTLY: in a part of it
 * @CLAIM_FAILS: the run contradicts it
 * @CLAIM_OPEN: the run has not what would decide
 */
enum holds { CLAIM_HOLDS, CLAIM_PARTLY, CLAIM_FAILS, CLAIM_OPEN };

/**
 * struct claim - one of the study's claims
 * @text: the claim
 * @command: how the numbers are made again
 * @open: what is said where nothing decides
 * @close: what is said behind all
 * @sql: queries evidence, how many points of it are for the claim, and how many
 * there are
 */
struct claim {
	const char *text, *command, *open, *close, *sql;
};

enum { CLAIM_COPYING, CLAIM_HUGE_PAGES, CLAIM_PRECOPY, CLAIM_CALL, CLAIMS };
extern const struct claim claims[CLAIMS];

char *claim_evidence(const struct claim *claim, sqlite3 *db, enum holds *holds);
const char *holds_name(enum holds holds);

#endif
