/* SPDX-License-Identifier: GPL-2.0 */
/* user.h - cowbench's CSV: what the writer saw */
#ifndef COWREPORT_USER_H
#define COWREPORT_USER_H

#include "hist.h"

/**
 * struct user_rec - one pass of cowbench, its rows put together
 * @rows: how many rows there were
 * @lat: the latency of a write; percentiles are medians over the rows
 * @elapsed_ns: sum over the rows; NONE where a row left it empty, as below
 * @faults: sum over the rows
 * @pages_touched: sum over the rows
 * @pages_copied: sum over the rows
 * @pages_wasted: sum over the rows
 * @unverified: rows whose check of the data failed
 */
struct user_rec {
	size_t rows;
	struct latency lat;
	uint64_t elapsed_ns;
	uint64_t faults;
	uint64_t pages_touched;
	uint64_t pages_copied;
	uint64_t pages_wasted;
	uint64_t unverified;
};

int parse_user_csv(const char *buf, size_t len, struct user_rec *out,
		   struct parse_error *err);

#endif
