/* SPDX-License-Identifier: GPL-2.0 */
/* study.h - the study whose question cowlab asks again: its Table 1 */
#ifndef COWREPORT_STUDY_H
#define COWREPORT_STUDY_H

#include <stdint.h>

enum { STUDY_BASELINE, STUDY_HUGE, STUDY_THP, STUDY_PRECOPY };

/*
 * One COW on its hardware, in ns. Its huge page may be either of ours; its
 * precopy is next.
 */
static const struct {
	const char *arm;
	uint64_t avg, min, max;
} study[] = {
	[STUDY_BASELINE] = { "baseline", 17734, 5668, 235007 },
	[STUDY_HUGE] = { "hugetlb", 27882, 3272, 628579 },
	[STUDY_THP] = { "thp", 27882, 3272, 628579 },
	[STUDY_PRECOPY] = { "next", 14338, 2780, 372578 },
};

/* What follows from them: a huge page's avg to baseline's; precopy's gain in % */
#define STUDY_HUGE_FACTOR "1.57"
#define STUDY_PRECOPY_GAIN "19.1"

#endif
