/* SPDX-License-Identifier: GPL-2.0 */
/* hist.h - the module's debugfs dumps and cowbench's histogram */
#ifndef COWREPORT_HIST_H
#define COWREPORT_HIST_H

#include "util.h"

/**
 * struct latency - what is known of a set of samples
 * @count: how many; NONE where a file did not say (so for all the others)
 * @avg: mean, in ns; NAN where a file did not say
 * @min: smallest
 * @p50: median
 * @p90: 90th percentile
 * @p99: 99th percentile
 * @p999: 99.9th percentile
 * @max: largest
 */
struct latency {
	uint64_t count;
	long double avg;
	uint64_t min, p50, p90, p99, p999, max;
};

void latency_init(struct latency *lat);
bool latency_ordered(const struct latency *lat);
void latency_of_samples(struct latency *lat, const uint64_t *ns, size_t n);

struct stage {
	char name[NAME_LEN];
	struct latency lat;
};

/**
 * struct stage_list - the debugfs file latency_hist, read
 */
struct stage_list {
	VEC(struct stage) stage;
};

int parse_latency_hist(const char *buf, size_t len, struct stage_list *out,
		       struct parse_error *err);
const struct latency *stage_find(const struct stage_list *list,
				 const char *name);
void stage_list_free(struct stage_list *list);

/**
 * struct touch_hist - cowbench's histogram, read
 * @bucket: lower bounds and counts; a bound may come again
 * @total: the sum of the counts
 */
struct touch_hist {
	VEC(struct touch_bucket {
		uint64_t lower;
		uint64_t count;
	})
	bucket;
	uint64_t total;
};

int parse_touch_hist(const char *buf, size_t len, struct touch_hist *out,
		     struct parse_error *err);
void touch_hist_free(struct touch_hist *h);

/**
 * struct stats - the debugfs file stats, read
 */
struct stats {
	VEC(struct stat_line {
		char key[NAME_LEN];
		uint64_t value;
	})
	line;
};

int parse_stats(const char *buf, size_t len, struct stats *out,
		struct parse_error *err);
void stats_free(struct stats *s);

#endif
