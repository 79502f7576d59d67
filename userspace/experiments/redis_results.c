// SPDX-License-Identifier: GPL-2.0
/* redisload's result files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/region.h"
#include "common/row.h"
#include "common/samples.h"
#include "common/util.h"
#include "experiments/redisload.h"

static FILE *result(const struct env *env, const char *name)
{
	char path[512];
	FILE *f = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", env->out, name);
	/* Nothing that a link there points to is overwritten. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0666);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f)
		die("--out: cannot open %s: %s", path, strerror(errno));
	return f;
}

/* One phase: its row, and its histogram. */
static void put_phase(const struct load *load, FILE *csv, const char *phase,
		      uint64_t *samples, size_t count, uint64_t elapsed,
		      const struct usage *usage, bool heading)
{
	char name[32];
	struct stats s;
	bool timed;
	FILE *hist;

	snprintf(name, sizeof(name), "%s.hist", phase);
	hist = result(load->env, name);
	if (hist_write(hist, samples, count))
		die("--out: cannot write %s: %s", name, strerror(errno));
	fclose(hist);
	stats_compute(samples, count, &s);
	timed = count && usage->timed;
	count += !count;
	s.avg = s.count ? elapsed / s.count : 0;
	row_csv(csv, heading,
		"phase=%s count=%lu elapsed_ns=%lu " ROW_STATS
		" faults=%lu cpu_ns=%s wait_ns=%s verified=%s",
		phase, s.count, elapsed, ROW_STATS_OF(&s), usage->faults,
		cell_csv(timed, usage->cpu / count).text,
		cell_csv(timed, usage->wait / count).text, "yes");
	printf("%-8s ", phase);
	stats_print("SETs", &s, elapsed, usage->faults);
}

/* Whether a SET was under way during a save. */
static bool is_inside(const struct entry *e, const struct save *save)
{
	return e->acked >= save->asked && e->sent <= save->ended;
}

/* Write request.csv and the histograms */
void put_requests(const struct load *load, const struct save *saves)
{
	uint64_t *inside = malloc(load->nr * sizeof(*inside));
	uint64_t *outside = malloc(load->nr * sizeof(*outside));
	struct usage during = saves[0].usage, other = saves[0].other;
	size_t nr_inside = 0, nr_outside = 0, i;
	uint64_t first, last = 0, saving = 0;
	unsigned int k;
	FILE *csv;

	if (!inside || !outside)
		die("no memory for the results");
	for (i = 0; i < load->nr; i++) {
		const struct entry *e = &load->journal[i];

		if (e->acked > last)
			last = e->acked;
		for (k = 0; k < load->env->saves; k++) {
			if (is_inside(e, &saves[k]))
				break;
		}
		if (k < load->env->saves)
			inside[nr_inside++] = e->acked - e->sent;
		else
			outside[nr_outside++] = e->acked - e->sent;
	}
	for (k = 0; k < load->env->saves; k++) {
		saving += saves[k].ended - saves[k].asked;
		if (!k)
			continue;
		during = usage_sum(&during, &saves[k].usage);
		other = usage_sum(&other, &saves[k].other);
	}
	first = load->journal[0].sent;
	csv = result(load->env, "request.csv");
	put_phase(load, csv, "save", inside, nr_inside, saving, &during, true);
	put_phase(load, csv, "outside", outside, nr_outside,
		  last - first - saving, &other, false);
	fclose(csv);
	free(inside);
	free(outside);
}

static int by_acked(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->acked > y->acked) - (x->acked < y->acked);
}

/* Whether a save is under way in the row that begins then. */
static bool is_saving(const struct env *env, const struct save *saves,
		      uint64_t from)
{
	unsigned int k;

	for (k = 0; k < env->saves; k++) {
		if (saves[k].asked < from + env->interval &&
		    saves[k].ended > from)
			return true;
	}
	return false;
}

/* Write timeline.csv, which sorts the journal. */
void put_timeline(struct load *load, const struct save *saves)
{
	const uint64_t interval = load->env->interval;
	const uint64_t asked = saves[0].asked;
	const struct entry *e = load->journal;
	uint64_t *bucket = malloc(load->nr * sizeof(*bucket));
	int64_t row, rows;
	size_t i = 0;
	int headed = 0;
	FILE *csv;

	if (!bucket)
		die("no memory for the time line");
	qsort(load->journal, load->nr, sizeof(*load->journal), by_acked);
	csv = result(load->env, "timeline.csv");
	/* Round down: a row begins when BGSAVE was sent. */
	row = -(int64_t)((asked - e[0].sent) / interval) - 1;
	rows = (e[load->nr - 1].acked - asked) / interval + 1;
	for (; row < rows; row++) {
		/* cppcheck-suppress signConversionCond ; before it, too */
		uint64_t from = asked + row * interval;
		struct stats s;
		size_t n = 0;

		while (i < load->nr && e[i].acked < from + interval) {
			bucket[n++] = e[i].acked - e[i].sent;
			i++;
		}
		stats_compute(bucket, n, &s);
		row_csv(csv, !headed++,
			"ms=%ld count=%zu p50_ns=%s p99_ns=%s max_ns=%s saving=%d",
			row * (int64_t)(interval / 1000000), n,
			cell_csv(n, s.p50).text, cell_csv(n, s.p99).text,
			cell_csv(n, s.max).text,
			is_saving(load->env, saves, from));
	}
	fclose(csv);
	free(bucket);
}

/* p99 of the SETs in a save. */
static uint64_t p99_in(const struct load *load, const struct save *save,
		       uint64_t *samples)
{
	struct stats s;
	size_t n = 0, i;

	for (i = 0; i < load->nr; i++) {
		const struct entry *e = &load->journal[i];

		if (is_inside(e, save))
			samples[n++] = e->acked - e->sent;
	}
	stats_compute(samples, n, &s);
	return s.p99;
}

/* Write redis.csv while the server runs. */
void put_redis(const struct load *load, const struct save *saves)
{
	uint64_t *samples = malloc(load->nr * sizeof(*samples));
	const struct env *env = load->env;
	char path[512];
	unsigned int k;
	struct stat st;
	FILE *csv;

	if (!samples)
		die("no memory for the results");
	snprintf(path, sizeof(path), "%s/dump.rdb", env->dir);
	if (stat(path, &st))
		die("no file was saved: %s", strerror(errno));
	csv = result(env, "redis.csv");
	for (k = 0; k < env->saves; k++) {
		const struct save *save = &saves[k];
		uint64_t ms = (save->ended - save->asked) / 1000000;

		row_csv(csv, !k,
			"keys=%u value_bytes=%zu connections=%u fork_us=%lu save_ms=%lu cow_bytes=%lu growth_kb=%lu server_peak_kb=%lu child_peak_kb=%lu rdb_bytes=%ld save=%u p99_ns=%lu server_kb=%lu",
			env->set.keys, env->set.bytes, env->connections,
			save->fork_us, ms, save->cow_bytes, save->growth_kb,
			memory_peak_kb(load->server->pid), save->child_peak_kb,
			st.st_size, k + 1, p99_in(load, save, samples),
			save->server_kb);
		printf("saved %.1f MB in %lu ms, fork %lu us, copy-on-write %.1f MB, memory +%.1f MB\n",
		       st.st_size / 1e6, ms, save->fork_us,
		       save->cow_bytes / 1e6, save->growth_kb / 1e3);
	}
	fclose(csv);
	free(samples);
}
