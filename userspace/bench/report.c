// SPDX-License-Identifier: GPL-2.0
/* What comes out of a round: a table or CSV, histogram and raw latencies. */
#include "bench/report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/samples.h"
#include "common/util.h"

static void print_cell(const struct env *env, bool known, uint64_t value,
		       int width)
{
	if (env->csv && known)
		printf("%" PRIu64 ",", value);
	else if (env->csv)
		putchar(',');
	else if (known)
		printf(" %*" PRIu64, width, value);
	else
		printf(" %*s", width, "-");
}

/**
 * report_header - what stands above the rows
 * @env: the command line
 */
void report_header(const struct env *env)
{
	if (env->csv) {
		if (env->csv_header)
			puts("pattern,kind,writer,threads,round,size,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,elapsed_ns,faults,pages_touched,pages_copied,pages_wasted,rss_growth_kb,parent_peak_kb,child_peak_kb,verified");
		return;
	}
	printf("pattern %s, kind %s, size %" PRIu64
	       " KiB, threads %u, seed %" PRIu64 "\n",
	       env->pattern_name, kind_name(env->kind), env->size / 1024,
	       env->threads, env->seed);
	if (env->pattern.kind == PATTERN_PACED)
		printf("%" PRIu64 " iterations of work between two writes\n",
		       env->pace_iters);
	printf("%5s %-6s %8s %8s %8s %8s %8s %8s %8s %9s %12s %7s %6s %7s %7s %7s %7s %s\n",
	       "round", "writer", "count", "avg_ns", "min_ns", "p50_ns",
	       "p90_ns", "p99_ns", "p999_ns", "max_ns", "elapsed_ns", "faults",
	       "majflt", "touched", "copied", "wasted", "rss_kb", "verified");
}

/**
 * report_row - one writer's result of a round
 * @bench: the bench; the side's samples are sorted afterwards
 * @side: the writer
 * @round: from 1 on
 * @growth: memory before and after
 */
void report_row(const struct bench *bench, enum side side, uint64_t round,
		const struct growth *growth)
{
	const char *writer = side == SIDE_CHILD ? "child" : "parent";
	const struct side_result *result = bench->results[side];
	const struct env *env = &bench->env;
	uint64_t start = UINT64_MAX, end = 0;
	bool copied = result->copied >= 0;
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

	if (env->csv)
		printf("%s,%s,%s,%u,%" PRIu64 ",%" PRIu64 ",",
		       env->pattern_name, kind_name(env->kind), writer,
		       env->threads, round, env->size);
	else
		printf("%5" PRIu64 " %-6s", round, writer);
	print_cell(env, true, s.count, 8);
	print_cell(env, true, s.avg, 8);
	print_cell(env, true, s.min, 8);
	print_cell(env, true, s.p50, 8);
	print_cell(env, true, s.p90, 8);
	print_cell(env, true, s.p99, 8);
	print_cell(env, true, s.p999, 8);
	print_cell(env, true, s.max, 9);
	print_cell(env, true, end - start + result->prepare_ns, 12);
	print_cell(env, true, result->faults, 7);
	if (!env->csv)
		print_cell(env, true, result->majflt, 6);
	print_cell(env, true, bench->distinct, 7);
	print_cell(env, copied, result->copied, 7);
	print_cell(env, copied && env->kind != KIND_HUGETLB, wasted, 7);
	print_cell(env, growth->known, grown, 7);
	if (env->csv) {
		print_cell(env, growth->peak[SIDE_PARENT],
			   growth->peak[SIDE_PARENT], 0);
		print_cell(env, growth->peak[SIDE_CHILD],
			   growth->peak[SIDE_CHILD], 0);
	}
	puts(env->csv ? "yes" : " yes");
	if (fflush(stdout))
		die("cannot write the result: %s", strerror(errno));
}
