// SPDX-License-Identifier: GPL-2.0
/* section_experiments.c - the experiments' tables and pictures */
#define _GNU_SOURCE
#include <math.h>

#include "experiments.h"
#include "render.h"

static const enum cow_clock clocks[] = { CLK_WALL, CLK_ICOUNT };
static const char *const redis_names[] = { "redis64", "redis32k" };

#define MIB (1 << 20)

/* The experiment that is asked for again and again */
struct at {
	const struct experiments *x;
	enum cow_clock clock;
	const char *arm, *name, *file;
};

static const char *redis_values(const char *name)
{
	return strcmp(name, "redis64") ?
		       "values of 32 KiB: eight pages in a row" :
		       "values of 64 bytes: scattered writes";
}

static const char *unit_note(enum cow_clock clock)
{
	return clock == CLK_ICOUNT ?
		       "CLOCK=icount: a nanosecond is an instruction, all processes share one core." :
		       "CLOCK=wall: time of emulated code on the host's cores.";
}

/* The arms that have the experiment, in the report's order */
static size_t arms_of(const struct experiments *x, enum cow_clock clock,
		      const char *name, const char *arm[], size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < x->key.n; i++) {
		const struct cell_key *key = &x->key.v[i];

		if (key->clock != clock || strcmp(key->workload, name) ||
		    (n && !strcmp(arm[n - 1], key->arm)) || n == max)
			continue;
		arm[n++] = key->arm;
	}
	return n;
}

static void put_number(struct table *t, double value, double unit, int decimals)
{
	if (isnan(value))
		table_put(t, "%s", "");
	else
		table_put(t, "%.*f", decimals, value / unit);
}

static void put_ratio(struct table *t, double value, double base)
{
	if (isnan(value) || !(base > 0))
		table_put(t, "%s", "");
	else
		table_put(t, "%.3f", value / base);
}

static double request(const struct at *at, const char *phase, const char *col)
{
	return experiment_value(at->x, at->clock, at->arm, at->name,
				"request.csv", col, "phase", phase, NULL);
}

static double rate(const struct at *at, const char *phase)
{
	return 1e9 / request(at, phase, "avg_ns");
}

static double fact(const struct at *at, const char *col)
{
	return experiment_value(at->x, at->clock, at->arm, at->name,
				"redis.csv", col, NULL);
}

static struct table *table_redis(const struct experiments *x,
				 enum cow_clock clock, const char *name)
{
	static const char *const head[] = {
		"arm",	  "SETs/s",    "ratio",	    "p50 us",	      "p99 us",
		"ratio",  "p99.9 us",  "max us",    "p99 outside us", "faults",
		"CPU us", "ratio",     "wait us",   "fork ms",	      "save s",
		"COW MB", "growth MB", "server MB", "child MB",
	};
	const char *arm[64];
	size_t n = arms_of(x, clock, name, arm, ARRAY_SIZE(arm));
	struct at base = { x, clock, "baseline", name, NULL };
	struct table *t;

	if (!n)
		return NULL;
	t = table_new(head, ARRAY_SIZE(head), 1);
	t->title = xasprintf("Redis, %s (%s)", redis_values(name),
			     clock_name(clock));
	for (size_t i = 0; i < n; i++) {
		struct at at = { x, clock, arm[i], name, NULL };
		double p99 = request(&at, "save", "p99_ns");
		double cpu = request(&at, "save", "cpu_ns");

		table_put(t, "%s", arm[i]);
		put_number(t, rate(&at, "save"), 1, 0);
		put_ratio(t, rate(&at, "save"), rate(&base, "save"));
		put_number(t, request(&at, "save", "p50_ns"), 1e3, 0);
		put_number(t, p99, 1e3, 0);
		put_ratio(t, p99, request(&base, "save", "p99_ns"));
		put_number(t, request(&at, "save", "p999_ns"), 1e3, 0);
		put_number(t, request(&at, "save", "max_ns"), 1e3, 0);
		put_number(t, request(&at, "outside", "p99_ns"), 1e3, 0);
		put_number(t, request(&at, "save", "faults"), 1, 0);
		put_number(t, cpu, 1e3, 1);
		put_ratio(t, cpu, request(&base, "save", "cpu_ns"));
		put_number(t, request(&at, "save", "wait_ns"), 1e3, 1);
		put_number(t, fact(&at, "fork_us"), 1e3, 1);
		put_number(t, fact(&at, "save_ms"), 1e3, 2);
		put_number(t, fact(&at, "cow_bytes"), 1e6, 1);
		put_number(t, fact(&at, "growth_kb"), 1e3, 1);
		put_number(t, fact(&at, "server_peak_kb"), 1e3, 0);
		put_number(t, fact(&at, "child_peak_kb"), 1e3, 0);
	}
	table_note(
		t,
		"During the save, unless it says outside; medians over the rounds; ratios to baseline. CPU, wait: for how long the server's main thread ran for a SET, and waited for a CPU to run on. fork: Redis' latest_fork_usec. COW: what Redis reports; growth: the most by which the machine's anonymous memory grew; server and child: peak RSS. In every cell the file saved was loaded again and is, byte for byte, what was in memory at one instant between BGSAVE and its answer. %s",
		unit_note(clock));
	return t;
}

void section_redis(const struct report *rep, struct doc *doc)
{
	struct experiments x;
	bool any = false;

	experiments_list(&x, rep->run);
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		for (size_t k = 0; k < ARRAY_SIZE(redis_names); k++) {
			struct table *t =
				table_redis(&x, clocks[c], redis_names[k]);
			const struct plot *p;
			char *file;

			if (!t)
				continue;
			if (!any)
				doc_heading(doc, 2, "Redis while it saves");
			any = true;
			doc_table(doc, t);
			file = xasprintf("plots/%s-%s.svg",
					 clock_name(clocks[c]), redis_names[k]);
			p = plots_named(rep->plots, file);
			if (p)
				doc_figure(doc, p);
			free(file);
		}
	}
	if (any)
		doc_command(doc, "make run WORKLOADS=\"redis64 redis32k\"");
	experiments_free(&x);
}

static struct table *table_prefork(const struct experiments *x,
				   enum cow_clock clock)
{
	static const char *const head[] = {
		"arm",	  "requests/s", "ratio",  "p50 us",
		"p99 us", "p99.9 us",	"max us", "faults a request",
	};
	const char *arm[64];
	size_t n = arms_of(x, clock, "prefork", arm, ARRAY_SIZE(arm));
	struct at base = { x, clock, "baseline", "prefork", NULL };
	struct table *t;

	if (!n)
		return NULL;
	t = table_new(head, ARRAY_SIZE(head), 1);
	t->title =
		xasprintf("A child for each request (%s)", clock_name(clock));
	for (size_t i = 0; i < n; i++) {
		struct at at = { x, clock, arm[i], "prefork", NULL };

		table_put(t, "%s", arm[i]);
		put_number(t, rate(&at, "all"), 1, 1);
		put_ratio(t, rate(&at, "all"), rate(&base, "all"));
		put_number(t, request(&at, "all", "p50_ns"), 1e3, 0);
		put_number(t, request(&at, "all", "p99_ns"), 1e3, 0);
		put_number(t, request(&at, "all", "p999_ns"), 1e3, 0);
		put_number(t, request(&at, "all", "max_ns"), 1e3, 0);
		put_number(t,
			   request(&at, "all", "faults") /
				   request(&at, "all", "count"),
			   1, 1);
	}
	table_note(
		t,
		"16 MiB of heap, a child writes 1 MiB of it in one run, answers and exits; the rate includes its end, the latency does not. %s",
		unit_note(clock));
	return t;
}

/* A section of one table a clock, if any clock has it */
static void section_of(const struct report *rep, struct doc *doc,
		       const char *heading,
		       struct table *(*table)(const struct experiments *x,
					      enum cow_clock clock),
		       const char *command)
{
	struct experiments x;
	bool any = false;

	experiments_list(&x, rep->run);
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct table *t = table(&x, clocks[c]);

		if (t && !any)
			doc_heading(doc, 2, "%s", heading);
		any |= t != NULL;
		doc_table(doc, t);
	}
	if (any)
		doc_command(doc, "%s", command);
	experiments_free(&x);
}

void section_prefork(const struct report *rep, struct doc *doc)
{
	section_of(rep, doc, "A server that forks for each request",
		   table_prefork, "make run WORKLOADS=prefork");
}

static double fork_value(const struct at *at, const char *size,
			 const char *state, const char *col)
{
	return experiment_value(at->x, at->clock, at->arm, at->name, "fork.csv",
				col, "size", size, "state", state, NULL);
}

static const struct {
	const char *bytes, *name;
} sizes[] = {
	{ "16777216", "16 MiB" },   { "67108864", "64 MiB" },
	{ "268435456", "256 MiB" }, { "1073741824", "1 GiB" },
	{ "4294967296", "4 GiB" },
};

static struct table *table_fork(const struct experiments *x,
				enum cow_clock clock)
{
	static const char *const head[] = {
		"size",	     "arm",	  "fork us", "ratio",
		"writes ms", "ratio",	  "end us",  "second fork us",
		"ratio",     "writes ms", "end us",
	};
	const char *arm[64];
	size_t n = arms_of(x, clock, "fork", arm, ARRAY_SIZE(arm));
	struct table *t;

	if (!n)
		return NULL;
	t = table_new(head, ARRAY_SIZE(head), 3);
	t->title = xasprintf("fork(), and the writes after it (%s)",
			     clock_name(clock));
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (size_t i = 0; i < n; i++) {
			struct at at = { x, clock, arm[i], "fork", NULL };
			struct at base = { x, clock, "baseline", "fork", NULL };
			const char *size = sizes[s].bytes;
			double first =
				fork_value(&at, size, "filled", "fork_ns");

			if (isnan(first))
				continue;
			table_put(t, "%s", sizes[s].name);
			table_put(t, "%s", arm[i]);
			for (int second = 0; second < 2; second++) {
				const char *state = second ? "copied" :
							     "filled";
				double fork =
					fork_value(&at, size, state, "fork_ns");
				double writes = fork_value(&at, size, state,
							   "write_ns");

				put_number(t, fork, 1e3, 0);
				put_ratio(t, fork,
					  fork_value(&base, size, state,
						     "fork_ns"));
				put_number(t, writes, 1e6, 1);
				if (!second)
					put_ratio(t, writes,
						  fork_value(&base, size, state,
							     "write_ns"));
				put_number(t,
					   fork_value(&at, size, state,
						      "end_ns"),
					   1e3, 0);
			}
		}
	}
	table_note(
		t,
		"A snapshot pays fork() and then a fault for what is written: here a word in every page. The second fork finds the pages as the first one's faults have left them: in large folios, where they were copied so, which fork() and the child's end handle at one go. %s",
		unit_note(clock));
	return t;
}

void section_fork(const struct report *rep, struct doc *doc)
{
	struct experiments x;
	bool any = false;

	experiments_list(&x, rep->run);
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		struct table *t = table_fork(&x, clocks[c]);
		const struct plot *p;
		char *file;

		if (!t)
			continue;
		if (!any)
			doc_heading(doc, 2, "fork() itself");
		any = true;
		file = xasprintf("plots/%s-fork.svg", clock_name(clocks[c]));
		p = plots_named(rep->plots, file);
		if (p)
			doc_figure(doc, p);
		free(file);
		doc_table(doc, t);
	}
	if (any)
		doc_command(doc, "make run WORKLOADS=fork");
	experiments_free(&x);
}

static struct table *table_limits(const struct experiments *x,
				  enum cow_clock clock)
{
	static const char *const head[] = {
		"workload",
		"arm",
		"peak without limit KiB",
		"passes with KiB",
		"fails with KiB",
		"more than baseline KiB",
	};
	static const char *const workloads[] = { "seq", "sparse8", "sparse64" };
	const char *arm[64];
	size_t n = arms_of(x, clock, "memory", arm, ARRAY_SIZE(arm));
	struct table *t;

	if (!n)
		return NULL;
	t = table_new(head, ARRAY_SIZE(head), 3);
	t->title = xasprintf("The least memory (%s)", clock_name(clock));
	for (size_t w = 0; w < ARRAY_SIZE(workloads); w++) {
		double base = experiment_value(x, clock, "baseline", "memory",
					       "memory.csv", "pass_kb",
					       "workload", workloads[w], NULL);

		for (size_t i = 0; i < n; i++) {
			static const char *const cols[] = { "peak_kb",
							    "pass_kb",
							    "fail_kb" };
			double value[ARRAY_SIZE(cols)];

			for (size_t k = 0; k < ARRAY_SIZE(cols); k++)
				value[k] = experiment_value(x, clock, arm[i],
							    "memory",
							    "memory.csv",
							    cols[k], "workload",
							    workloads[w], NULL);
			if (isnan(value[1]))
				continue;
			table_put(t, "%s", workloads[w]);
			table_put(t, "%s", arm[i]);
			for (size_t k = 0; k < ARRAY_SIZE(cols); k++)
				put_number(t, value[k], 1, 0);
			if (isnan(base))
				table_put(t, "%s", "");
			else
				table_put(t, "%+.0f", value[1] - base);
		}
	}
	table_note(
		t, "%s",
		"cowbench in a memory cgroup of its own, run again with ever closer limits: the smallest with which it passed, and the largest with which the OOM killer came. Precopy may use what is free (the peak), but must need no more than baseline does.");
	return t;
}

void section_limits(const struct report *rep, struct doc *doc)
{
	section_of(rep, doc, "Too little memory for both copies", table_limits,
		   "make run WORKLOADS=memory");
}

/* Pages a second, or ns a page, of a row of scaling.csv */
static double page_ns(const struct at *at, const char *writers,
		      const char *space, const char *size)
{
	double elapsed = experiment_value(at->x, at->clock, at->arm, at->name,
					  "scaling.csv", "elapsed_ns",
					  "writers", writers, "space", space,
					  size ? "size" : NULL, size, NULL);
	double pages = experiment_value(at->x, at->clock, at->arm, at->name,
					"scaling.csv", "pages", "writers",
					writers, "space", space,
					size ? "size" : NULL, size, NULL);

	return elapsed / pages;
}

static double writer_faults(const struct at *at, const char *writers,
			    const char *space)
{
	double faults = experiment_value(at->x, at->clock, at->arm, at->name,
					 "scaling.csv", "faults", "writers",
					 writers, "space", space, NULL);
	double elapsed = experiment_value(at->x, at->clock, at->arm, at->name,
					  "scaling.csv", "elapsed_ns",
					  "writers", writers, "space", space,
					  NULL);

	return faults * 1e9 / elapsed;
}

static const char *const writers[] = { "1", "2", "4", "8" };

/* One row an arm: 1000 pages, or faults, a second by writers and space */
static struct table *table_writers(const struct experiments *x,
				   enum cow_clock clock, bool faults)
{
	static const char *const head[] = {
		"arm",	 "1 shared", "2 shared", "4 shared", "8 shared",
		"1 own", "2 own",    "4 own",	 "8 own",
	};
	const char *arm[64];
	size_t n = arms_of(x, clock, "scaling", arm, ARRAY_SIZE(arm));
	struct table *t;

	if (!n)
		return NULL;
	t = table_new(head, ARRAY_SIZE(head), 1);
	t->title = xasprintf("%s a second, in thousands, by writers (%s)",
			     faults ? "Faults" : "Pages written",
			     clock_name(clock));
	for (size_t i = 0; i < n; i++) {
		struct at at = { x, clock, arm[i], "scaling", NULL };

		table_put(t, "%s", arm[i]);
		for (size_t k = 0; k < 2 * ARRAY_SIZE(writers); k++) {
			const char *space = k < ARRAY_SIZE(writers) ? "shared" :
								      "own";
			const char *w = writers[k % ARRAY_SIZE(writers)];

			put_number(t,
				   faults ? writer_faults(&at, w, space) :
					    1e9 / page_ns(&at, w, space, NULL),
				   1e3, 1);
		}
	}
	table_note(
		t, "%s %s",
		faults ?
			"A window serves many pages with one fault: see the table above for what is done." :
			"shared: threads of one process write their parts of one mapping; own: processes with a mapping each.",
		unit_note(clock));
	return t;
}

static struct table *table_sizes(const struct experiments *x,
				 enum cow_clock clock)
{
	static const char *const head[] = {
		"arm",
		"16 MiB",
		"64 MiB",
		"256 MiB",
		"1 GiB",
		"4 GiB",
		"largest to smallest",
	};
	const char *arm[64];
	size_t n = arms_of(x, clock, "scaling", arm, ARRAY_SIZE(arm));
	struct table *t;

	if (!n)
		return NULL;
	t = table_new(head, ARRAY_SIZE(head), 1);
	t->title = xasprintf("ns a page written, by size of the region (%s)",
			     clock_name(clock));
	for (size_t i = 0; i < n; i++) {
		struct at at = { x, clock, arm[i], "scaling", NULL };
		double least = INFINITY, most = 0;

		table_put(t, "%s", arm[i]);
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			double ns = page_ns(&at, "1", "shared", sizes[s].bytes);

			put_number(t, ns, 1, 1);
			least = fmin(least, ns);
			most = fmax(most, ns);
		}
		put_ratio(t, most, least);
	}
	table_note(
		t,
		"One writer. The cost of a page must not depend on the region's size; a size that the guest's memory (MEM) has no room for, three times over, is empty: below, precopy keeps its margin. %s",
		unit_note(clock));
	return t;
}

void section_scaling(const struct report *rep, struct doc *doc)
{
	struct experiments x;
	bool any = false;

	experiments_list(&x, rep->run);
	for (size_t c = 0; c < ARRAY_SIZE(clocks); c++) {
		if (!experiment_has(&x, clocks[c], NULL, "scaling"))
			continue;
		if (!any)
			doc_heading(doc, 2, "Scaling");
		any = true;
		doc_table(doc, table_writers(&x, clocks[c], false));
		doc_table(doc, table_writers(&x, clocks[c], true));
		doc_table(doc, table_sizes(&x, clocks[c]));
	}
	if (any)
		doc_command(doc, "make run WORKLOADS=scaling MEM=14G");
	experiments_free(&x);
}

/* An arm's time line, of the first round; false if it has none */
static bool put_timeline(FILE *gp, const struct experiments *x,
			 enum cow_clock clock, const char *arm,
			 const char *name, size_t number, double *end)
{
	for (size_t i = 0; i < x->key.n; i++) {
		const struct cell_key *key = &x->key.v[i];
		struct sheet sheet;

		if (key->clock != clock || strcmp(key->arm, arm) ||
		    strcmp(key->workload, name) ||
		    experiment_sheet(x, key, "timeline.csv", &sheet))
			continue;
		fprintf(gp, "$t%zu << COWLAB_END\n", number);
		*end = 0;
		for (size_t row = 0; row < sheet.nrow; row++) {
			double ms = sheet_number(&sheet, row, "ms");
			double p50 = sheet_number(&sheet, row, "p50_ns");

			if (sheet_number(&sheet, row, "saving") > 0)
				*end = ms;
			if (isnan(p50))
				continue;
			fprintf(gp, "%.17g %.17g %.17g %.17g\n", ms / 1e3,
				p50 / 1e3,
				sheet_number(&sheet, row, "p99_ns") / 1e3,
				sheet_number(&sheet, row, "max_ns") / 1e3);
		}
		fprintf(gp, "COWLAB_END\n");
		sheet_free(&sheet);
		return true;
	}
	return false;
}

static bool script_redis(FILE *gp, const struct plot *p,
			 const struct experiments *x, const char *name)
{
	const char *all[64], *arm[64];
	double end[64];
	size_t n = 0, nall = arms_of(x, p->clock, name, all, ARRAY_SIZE(all));

	for (size_t i = 0; i < nall; i++) {
		if (put_timeline(gp, x, p->clock, all[i], name, n, &end[n]))
			arm[n++] = all[i];
	}
	if (!n)
		return false;
	/* The same axes for all. */
	fprintf(gp, "ymin = 1e30\nymax = 0\nxmin = 0\nxmax = 0\n");
	for (size_t i = 0; i < n; i++)
		fprintf(gp,
			"stats $t%zu using 2 nooutput name 'A'\nstats $t%zu using 4 nooutput name 'B'\nstats $t%zu using 1 nooutput name 'C'\n"
			"if (A_min < ymin) ymin = A_min\nif (B_max > ymax) ymax = B_max\nif (C_min < xmin) xmin = C_min\nif (C_max > xmax) xmax = C_max\n",
			i, i, i);
	put_head(gp, p, 90 + 170 * (int)n);
	fprintf(gp, "unset title\nset multiplot layout %zu,1 title ", n);
	put_quoted(gp, p->title);
	fprintf(gp,
		" font ',15'\nset tmargin 1.6\nset lmargin 10\nset bmargin 2\n");
	fprintf(gp,
		"set logscale y\nset ylabel 'us' offset 1\nset xtics font ',12'\nset ytics font ',12'\nset mytics 10\n");
	fprintf(gp, "set yrange [ymin*0.8:ymax*1.3]\nset xrange [xmin:xmax]\n");
	for (size_t i = 0; i < n; i++) {
		fprintf(gp,
			"set object 1 rectangle from 0, graph 0 to %.17g, graph 1 behind fillcolor rgb '#fff0c8' fillstyle solid noborder\n",
			end[i] / 1e3);
		fprintf(gp, "set label 1 ");
		put_quoted(gp, arm[i]);
		fprintf(gp, " at graph 0.02, 0.88 font ',14'\n");
		if (i)
			fprintf(gp, "unset key\n");
		else
			fprintf(gp,
				"set key top right horizontal samplen 1.5 font ',12'\n");
		if (i == n - 1)
			fprintf(gp,
				"set bmargin 3\nset xlabel 's since BGSAVE' offset 0,0.5\n");
		fprintf(gp,
			"plot $t%zu using 1:4 with points pt 7 ps 0.25 lc rgb '#bbbbbb' title 'max', $t%zu using 1:3 with lines lw 1.2 lc rgb '#d55e00' title 'p99', $t%zu using 1:2 with lines lw 1.6 lc rgb '#0072b2' title 'p50'\n",
			i, i, i);
	}
	fprintf(gp, "unset multiplot\n");
	return true;
}

static bool script_fork(FILE *gp, const struct plot *p,
			const struct experiments *x, const char *name)
{
	const char *arm[64];
	size_t n = arms_of(x, p->clock, name, arm, ARRAY_SIZE(arm));

	if (!n)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct at at = { x, p->clock, arm[i], name, NULL };

		fprintf(gp, "$f%zu << COWLAB_END\n", i);
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			const char *size = sizes[s].bytes;
			double fork =
				fork_value(&at, size, "copied", "fork_ns");

			if (!isnan(fork))
				fprintf(gp, "%.17g %.17g %.17g\n",
					atof(size) / MIB, fork / 1e6,
					fork_value(&at, size, "filled",
						   "fork_ns") /
						1e6);
		}
		fprintf(gp, "COWLAB_END\n");
	}
	put_head(gp, p, n > 4 ? 410 + 22 * (int)((n + 1) / 2) : 430);
	fprintf(gp,
		"set logscale xy\nset xtics (16, 64, 256, 1024, 4096) font ',13'\nset xlabel 'MiB' offset 0,0.4\nset ylabel 'ms'\nset ytics font ',13'\n"
		"set offsets graph 0.05, graph 0.05, 0, 0\nset key outside bottom center horizontal reverse Left samplen 2.2 width 1\nplot ");
	for (size_t i = 0; i < n; i++) {
		fprintf(gp,
			"%s$f%zu using 1:2 with linespoints lw 2.2 pt 7 ps 0.6 lc rgb '%s' dt %s title ",
			i ? ", \\\n  " : "", i, colour(arm[i]), dash(arm[i]));
		put_quoted(gp, arm[i]);
	}
	fprintf(gp, "\n");
	return true;
}

typedef bool (*script_fn)(FILE *gp, const struct plot *p,
			  const struct experiments *x, const char *name);

static int draw(struct plots *plots, const struct experiments *x,
		enum cow_clock clock, const char *name, const char *title,
		const char *reading, script_fn script, char **why)
{
	struct plot new = {
		.kind = PLOT_OTHER,
		.clock = clock,
		.file = xasprintf("plots/%s-%s.svg", clock_name(clock), name),
		.title = xasprintf("%s (%s)", title, clock_name(clock)),
		.reading = reading,
	};
	char *text = NULL;
	size_t len = 0;
	FILE *gp = open_memstream(&text, &len);
	bool any = gp && script(gp, &new, x, name);
	int ret = 0;

	if (gp)
		fclose(gp);
	if (any) {
		ret = plots_add(plots, x->run, &new, text, len, why);
	} else {
		free(new.file);
		free(new.title);
	}
	free(text);
	return ret;
}

/**
 * experiments_plots - draw the experiments' pictures
 * @plots: where they go
 * @run: the run
 * @why: on failure, a line that says why, to be freed
 *
 * Return: 0, or -1.
 */
int experiments_plots(struct plots *plots, const struct run *run, char **why)
{
	static const char redis_reading[] =
		"How to read it: each panel is an arm, its first round; latency of a SET against time, in steps of 20 ms, the save shaded. BGSAVE was sent at 0. What rises where the shade begins is fork() and the COW faults; lower and shorter is better.";
	static const char fork_reading[] =
		"How to read it: what fork() takes, by size of the process, when its pages are as an earlier snapshot's COW faults have left them (both axes logarithmic). Lower is better.";
	struct experiments x;
	int ret = 0;

	experiments_list(&x, run);
	for (size_t c = 0; c < ARRAY_SIZE(clocks) && !ret; c++) {
		for (size_t k = 0; k < ARRAY_SIZE(redis_names) && !ret; k++)
			ret = draw(plots, &x, clocks[c], redis_names[k],
				   k ? "SET latency, values of 32 KiB" :
				       "SET latency, values of 64 bytes",
				   redis_reading, script_redis, why);
		if (!ret)
			ret = draw(plots, &x, clocks[c], "fork",
				   "fork() of a second snapshot", fork_reading,
				   script_fork, why);
	}
	experiments_free(&x);
	return ret;
}
