/* SPDX-License-Identifier: GPL-2.0 */
/* findings.h - what a run says, in sentences */
#ifndef COWREPORT_FINDINGS_H
#define COWREPORT_FINDINGS_H

#include "summary.h"

char *finding_gain(const struct summary *sum);
char *finding_price(const struct summary *sum);
char *finding_tail(const struct summary *sum);

/**
 * enum holds - what becomes of a claim
 * @CLAIM_HOLDS: the run bears it out
 * @CLAIM_PARTLY: in a part of it
 * @CLAIM_FAILS: the run contradicts it
 * @CLAIM_OPEN: the run has not what would decide
 */
enum holds { CLAIM_HOLDS, CLAIM_PARTLY, CLAIM_FAILS, CLAIM_OPEN };

/**
 * struct claim - one of the paper's claims
 * @text: the claim
 * @holds: what becomes of it
 * @evidence: why, to be freed
 * @command: how the numbers are made again
 */
struct claim {
	const char *text;
	enum holds holds;
	char *evidence;
	const char *command;
};

void claim_copying(const struct summary *sum, struct claim *claim);
void claim_huge_pages(const struct summary *sum, struct claim *claim);
void claim_precopy(const struct summary *sum, struct claim *claim);
void claim_system_call(const struct summary *sum, struct claim *claim);
const char *holds_name(enum holds holds);

#endif
