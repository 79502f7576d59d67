// SPDX-License-Identifier: GPL-2.0
/* What comes out of a round: a table or CSV, histogram and raw latencies. */

#include "bench/bench.h"

#include "common/row.h"
#include "common/util.h"

#include <inttypes.h>

/* What stands above the table. */
static void print_title(const struct env *env)
{
	printf("pattern %s, kind %s, size %" PRIu64
	       " KiB, threads %u, seed %" PRIu64 "\n",
	       env->pattern_name, kind_names[env->kind], env->size / 1024,
	       env->threads, env->seed);
	if (env->pattern.kind == PATTERN_PACED)
		printf("%" PRIu64 " iterations of work between two writes\n",
		       env->pace_iters);
}

/**
 * report_row - print one writer's result of a round
 * @bench: the bench; the side's samples are sorted afterwards
 * @side: the writer
 * @round: from 1 on
 * @growth: memory before and after
 * @first: this is the first row
 */
void report_row(const struct bench *bench, enum side side, uint64_t round,
		const struct growth *growth, bool first)
{
	const struct side_result *result = bench->results[side];
	const struct env *env = &bench->env;
	uint64_t start = UINT64_MAX, end = 0;
	bool copied = result->copied >= 0;
	uint64_t wasted = 0, grown = 0;
	struct stats s;
	struct row row;
	unsigned int i;

	if (bench->raw &&
	    samples_write(bench->raw, bench->samples[side], bench->count))
		die("--samples: cannot write %s", env->samples);
	if (bench->hist &&
	    hist_write(bench->hist, bench->samples[side], bench->count))
		die("--hist: cannot write %s", env->hist);
	stats_compute(bench->samples[side], bench->count, &s);
	for (i = 0; i < env->threads; i++) {
		if (result->laps[i].start < start)
			start = result->laps[i].start;
		if (result->laps[i].end > end)
			end = result->laps[i].end;
	}
	if (copied && (size_t)result->copied > bench->distinct)
		wasted = result->copied - bench->distinct;
	if (growth->after > growth->before)
		grown = growth->after - growth->before;

	if (first && !env->csv)
		print_title(env);
	row_begin(&row, stdout, env->csv);
	row_text(&row, "pattern", CSV_ONLY, env->pattern_name);
	row_text(&row, "kind", CSV_ONLY, kind_names[env->kind]);
	row_text(&row, "writer", -6, side == SIDE_CHILD ? "child" : "parent");
	row_number(&row, "threads", CSV_ONLY, env->threads);
	row_number(&row, "round", 5, round);
	row_number(&row, "size", CSV_ONLY, env->size);
	row_number(&row, "count", 8, s.count);
	row_stats(&row, &s);
	row_number(&row, "elapsed_ns", 12, end - start + result->prepare_ns);
	row_number(&row, "faults", 7, result->faults);
	if (!env->csv)
		row_number(&row, "majflt", 6, result->majflt);
	row_number(&row, "pages_touched", 7, bench->distinct);
	row_maybe(&row, "pages_copied", 7, copied, result->copied);
	row_maybe(&row, "pages_wasted", 7, copied && env->kind != KIND_HUGETLB,
		  wasted);
	row_maybe(&row, "rss_growth_kb", 13, growth->known, grown);
	row_maybe(&row, "parent_peak_kb", CSV_ONLY, growth->peak[SIDE_PARENT],
		  growth->peak[SIDE_PARENT]);
	row_maybe(&row, "child_peak_kb", CSV_ONLY, growth->peak[SIDE_CHILD],
		  growth->peak[SIDE_CHILD]);
	row_text(&row, "verified", -3, "yes");
	row_end(&row, first && (!env->csv || env->csv_header));
}
