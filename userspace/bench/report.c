// SPDX-License-Identifier: GPL-2.0
/* What comes out of a round: a table or CSV, histogram and raw latencies. */
#include "bench/bench.h"

#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"

/* The lines above the table. */
static void print_title(const struct env *env)
{
	printf("pattern %s, kind %s, size %lu KiB, threads %u, seed %lu\n",
	       env->pattern_name, kind_names[env->kind], env->size / 1024,
	       env->threads, env->seed);
	if (env->pattern.kind == PATTERN_PACED)
		printf("%lu iterations of work between two writes\n",
		       env->pace_iters);
}

/*
 * Print one writer's result of a round, which sorts its samples; @first: with
 * a heading.
 */
void report_row(const struct bench *bench, enum side side, uint64_t round,
		const struct growth *growth, bool first)
{
	const struct side_result *result = bench->results[side];
	const struct env *env = &bench->env;
	const char *writer = side == SIDE_CHILD ? "child" : "parent";
	const uint64_t *peak = growth->peak;
	uint64_t start = UINT64_MAX, end = 0, elapsed;
	bool copied = result->copied >= 0;
	bool waste = copied && env->kind != KIND_HUGETLB;
	uint64_t wasted = 0, grown = 0;
	struct stats s;
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

	elapsed = end - start + result->prepare_ns;
	if (first && !env->csv)
		print_title(env);
	if (!env->csv) {
		row_table(
			first,
			"round=%5lu writer=%-6s count=%8lu " ROW_STATS
			" elapsed_ns=%12lu faults=%7ld majflt=%6ld touched=%7zu copied=%7s wasted=%7s rss_kb=%7s verified=%s",
			round, writer, s.count, ROW_STATS_OF(&s), elapsed,
			result->faults, result->majflt, bench->distinct,
			cell_table(copied, result->copied).text,
			cell_table(waste, wasted).text,
			cell_table(growth->known, grown).text, "yes");
		return;
	}
	row_csv(stdout, first && env->csv_header,
		"pattern=%s kind=%s writer=%s threads=%u round=%lu size=%lu count=%lu " ROW_STATS
		" elapsed_ns=%lu faults=%ld pages_touched=%zu pages_copied=%s pages_wasted=%s rss_growth_kb=%s parent_peak_kb=%s child_peak_kb=%s verified=%s",
		env->pattern_name, kind_names[env->kind], writer, env->threads,
		round, env->size, s.count, ROW_STATS_OF(&s), elapsed,
		result->faults, bench->distinct,
		cell_csv(copied, result->copied).text,
		cell_csv(waste, wasted).text,
		cell_csv(growth->known, grown).text,
		cell_csv(peak[SIDE_PARENT], peak[SIDE_PARENT]).text,
		cell_csv(peak[SIDE_CHILD], peak[SIDE_CHILD]).text, "yes");
}
