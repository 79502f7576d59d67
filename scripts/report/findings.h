/* SPDX-License-Identifier: GPL-2.0 */
/* findings.h - what a run says, in sentences */
#ifndef COWREPORT_FINDINGS_H
#define COWREPORT_FINDINGS_H

#include "summary.h"

#define FINDINGS 3
/* A sentence each, to be freed: the gain, the price, the tail */
extern char *(*const findings[FINDINGS])(sqlite3 *db);

/**
 * enum holds - what becomes of a claim
 * @CLAIM_HOLDS: the run bears it out
 * @CLAIM_PARTLY: in a part of it
 * @CLAIM_FAILS: the run contradicts it
 * @CLAIM_OPEN: the run has not what would decide
 */
enum holds { CLAIM_HOLDS, CLAIM_PARTLY, CLAIM_FAILS, CLAIM_OPEN };

/**
 * struct votes - what a run says of a claim
 * @out: why, in parts that "; " divides
 * @yes: parts that bear it out
 * @no: parts that contradict it
 */
struct votes {
	FILE *out;
	size_t yes, no;
};

/**
 * struct claim - one of the study's claims
 * @text: the claim
 * @command: how the numbers are made again
 * @open: what is said where nothing decides
 * @close: what is said behind all
 * @judge: says what a boot decides
 */
struct claim {
	const char *text, *command, *open, *close;
	void (*judge)(sqlite3 *db, enum cow_clock clock, struct votes *v);
};

enum { CLAIM_COPYING, CLAIM_HUGE_PAGES, CLAIM_PRECOPY, CLAIM_CALL, CLAIMS };
extern const struct claim claims[CLAIMS];

char *claim_evidence(const struct claim *claim, sqlite3 *db, enum holds *holds);
const char *holds_name(enum holds holds);

#endif
