// SPDX-License-Identifier: GPL-2.0
/* plot_experiments.c - the pictures of the experiments */
#define _GNU_SOURCE
#include "cycles.h"
#include "plot.h"

static sqlite3_stmt *arms_of(sqlite3 *db, const char *clock, const char *name)
{
	return db_query(
		db,
		"SELECT DISTINCT arm FROM experiment WHERE clock = ? AND name = ? ORDER BY arm COLLATE arm LIMIT 64",
		"ss", clock, name);
}

/* An arm's time line, of its first round that has one; its points */
static size_t put_timeline(FILE *gp, sqlite3 *db, const char *clock,
			   const char *name, const char *arm, size_t number)
{
	char *block = xasprintf("t%zu", number);
	size_t n = put_data(
		gp, block,
		db_query(
			db,
			"WITH t AS (SELECT * FROM timeline WHERE clock = ? AND name = ? AND arm = ?) SELECT ms / 1e3, p50_ns / 1e3, p99_ns / 1e3, max_ns / 1e3 FROM t WHERE round = (SELECT min(round) FROM t) AND p50_ns IS NOT NULL",
			"sss", clock, name, arm));

	free(block);
	return n;
}

/* A panel an arm, with the same axes for all */
static bool draw_redis(struct drawing *d, sqlite3 *db, const char *clock,
		       const char *name)
{
	sqlite3_stmt *q = arms_of(db, clock, name);
	FILE *gp = d->gp.f;
	struct memo panels;
	int n = 0;

	fputs("ymin = 1e30\nymax = 0\nxmin = 0\nxmax = 0\n", gp);
	memo_begin(&panels);
	while (db_next(&q)) {
		const char *arm = col_text(q, 0);
		double end;

		if (!put_timeline(gp, db, clock, name, arm, n))
			continue;
		end = db_number(
			db,
			"WITH t AS (SELECT * FROM timeline WHERE clock = ? AND name = ? AND arm = ?) SELECT ifnull(max(ms), 0) FROM t WHERE round = (SELECT min(round) FROM t) AND saving > 0",
			"sss", clock, name, arm);
		fprintf(gp,
			"stats $t%d using 2 nooutput name 'A'\nstats $t%d using 4 nooutput name 'B'\nstats $t%d using 1 nooutput name 'C'\n"
			"if (A_min < ymin) ymin = A_min\nif (B_max > ymax) ymax = B_max\nif (C_min < xmin) xmin = C_min\nif (C_max > xmax) xmax = C_max\n",
			n, n, n);
		fprintf(panels.f,
			"set object 1 rectangle from 0, graph 0 to %.17g, graph 1 behind fillcolor rgb '#fff0c8' fillstyle solid noborder\nset label 1 ",
			end / 1e3);
		put_quoted(panels.f, arm);
		fprintf(panels.f,
			" at graph 0.02, 0.88 font ',14'\n%s"
			"if (panels == %d) { set bmargin 3; set xlabel 's since BGSAVE' offset 0,0.5 }\n"
			"plot $t%d using 1:4 with points pt 7 ps 0.25 lc rgb '#bbbbbb' title 'max', $t%d using 1:3 with lines lw 1.2 lc rgb '#d55e00' title 'p99', $t%d using 1:2 with lines lw 1.6 lc rgb '#0072b2' title 'p50'\n",
			n ? "unset key\n" :
			    "set key top right horizontal samplen 1.5 font ',12'\n",
			n + 1, n, n, n);
		n++;
	}
	put_multi(d, 90 + 170 * n, n);
	fprintf(gp,
		"panels = %d\nunset title\nset tmargin 1.6\nset bmargin 2\nset logscale y\nset ylabel 'us' offset 1\nset xtics font ',12'\nset ytics font ',12'\nset mytics 10\n"
		"set yrange [ymin*0.8:ymax*1.3]\nset xrange [xmin:xmax]\n%sunset multiplot\n",
		n, memo_end(&panels));
	free(panels.s);
	return n;
}

static bool draw_fork(struct drawing *d, sqlite3 *db, const char *clock,
		      const char *name)
{
	sqlite3_stmt *q = arms_of(db, clock, name);
	FILE *gp = d->gp.f;
	struct memo plot;
	size_t n = 0;

	memo_begin(&plot);
	for (; db_next(&q); n++) {
		const char *arm = col_text(q, 0);
		char *block = xasprintf("f%zu", n);

		put_data(
			gp, block,
			db_query(
				db,
				"SELECT size / 1048576.0, median(iif(state = 'copied', fork_ns, NULL)) / 1e6 AS fork FROM fork WHERE clock = ? AND name = ? AND arm = ? GROUP BY size HAVING fork IS NOT NULL ORDER BY size",
				"sss", clock, name, arm));
		fprintf(plot.f,
			"%s$%s using 1:2 with linespoints lw 2.2 pt 7 ps 0.6 lc rgb '%s' dt %s title ",
			n ? ", \\\n  " : "", block, colour(arm), dash(arm));
		put_quoted(plot.f, arm);
		free(block);
	}
	put_head(d, height_with_key(n));
	fprintf(gp,
		"set logscale xy\nset xtics (16, 64, 256, 1024, 4096) font ',13'\nset xlabel 'MiB' offset 0,0.4\nset ylabel 'ms'\nset ytics font ',13'\n"
		"set offsets graph 0.05, graph 0.05, 0, 0\nset key outside bottom center horizontal reverse Left samplen 2.2 width 1\nplot %s\n",
		memo_end(&plot));
	free(plot.s);
	return n;
}

/*
 * Groups of bars, one bar an arm: @sql selects the groups' names and the arm's
 * ratio to baseline, for clock ?1, experiment ?2 and arm ?3.
 */
static bool draw_bars(struct drawing *d, sqlite3 *db, const char *clock,
		      const char *name, const char *sql)
{
	sqlite3_stmt *q = arms_of(db, clock, name);
	FILE *gp = d->gp.f;
	struct memo plot;
	size_t n = 0;

	memo_begin(&plot);
	while (db_next(&q)) {
		const char *arm = col_text(q, 0);
		char *block;

		if (!strcmp(arm, "baseline"))
			continue;
		block = xasprintf("b%zu", n);
		if (put_data(gp, block,
			     db_query(db, sql, "sss", clock, name, arm))) {
			fprintf(plot.f,
				"%s$%s using 2:xtic(1) with histograms fs solid lc rgb '%s' title ",
				n ? ", \\\n  " : "", block, colour(arm));
			put_quoted(plot.f, arm);
			n++;
		}
		free(block);
	}
	put_head(d, height_with_key(n) + 40);
	fprintf(gp,
		"set style histogram clustered gap 1\nset boxwidth 0.9\nset yrange [0:*]\nset ylabel 'ratio to baseline'\nset xtics font ',12' rotate by -25\nset ytics font ',13'\n"
		"set arrow from graph 0, first 1 to graph 1, first 1 nohead lc rgb '#666666' dt 2\n"
		"set key outside bottom center horizontal reverse Left samplen 2.2 width 1\nplot %s\n",
		memo_end(&plot));
	free(plot.s);
	return n;
}

/* What is drawn against the number of the snapshot, a panel each */
static const struct {
	const char *title, *col, *pattern;
	uint64_t percent;
} cycle_panels[] = {
	{ "fork(), ms per GB: sequential writes", "fork", "seq", 100 },
	{ "a write, ns: sequential writes", "write", "seq", 100 },
	{ "all of a snapshot, ns per page: sequential writes", "whole", "seq",
	  100 },
	{ "fork(), ms per GB: random writes to 10%", "fork", "rand", 10 },
	{ "a write, ns: random writes to 10%", "write", "rand", 10 },
	{ "all of a snapshot, ns per page: random writes to 10%", "whole",
	  "rand", 10 },
};

/* The arms that have a row: one that was left out has none */
static sqlite3_stmt *cycle_arms(sqlite3 *db, const char *clock,
				const char *name)
{
	return db_query(
		db,
		"SELECT DISTINCT arm FROM cycles WHERE clock = ? AND name = ? ORDER BY arm COLLATE arm LIMIT 64",
		"ss", clock, name);
}

/* Lines of the arms in a panel; false where there is none */
static bool put_cycle_panel(struct memo *out, FILE *gp, sqlite3 *db,
			    const char *clock, const char *name, size_t panel)
{
	char *sql = xasprintf(
		"WITH " CYCLES
		"SELECT cycle, %s FROM c WHERE clock = ? AND arm = ? AND pattern = ? AND percent = ? AND %s > 0 ORDER BY cycle",
		cycle_panels[panel].col, cycle_panels[panel].col);
	sqlite3_stmt *q = cycle_arms(db, clock, name);
	size_t n = 0;

	for (size_t arm = 0; db_next(&q); arm++) {
		char *block = xasprintf("c%zu_%zu", panel, arm);

		if (put_data(gp, block,
			     db_query(db, sql, "sssi", clock, col_text(q, 0),
				      cycle_panels[panel].pattern,
				      cycle_panels[panel].percent))) {
			if (!n++) {
				fputs("set title ", out->f);
				put_quoted(out->f, cycle_panels[panel].title);
				fputs(" font ',13'\nplot ", out->f);
			} else {
				fputs(", \\\n  ", out->f);
			}
			fprintf(out->f,
				"$%s using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc rgb '%s' dt %s",
				block, colour(col_text(q, 0)),
				dash(col_text(q, 0)));
		}
		free(block);
	}
	if (n)
		fputc('\n', out->f);
	free(sql);
	return n;
}

/* The panels, and below them one that holds the key alone */
static bool draw_cycles(struct drawing *d, sqlite3 *db, const char *clock,
			const char *name)
{
	FILE *gp = d->gp.f;
	struct memo panels;
	sqlite3_stmt *q;
	size_t n = 0;
	int entries = 0;

	memo_begin(&panels);
	for (size_t i = 0; i < ARRAY_SIZE(cycle_panels); i++)
		n += put_cycle_panel(&panels, gp, db, clock, name, i);
	put_multi(d, 90 + 200 * (int)(n + 1), (int)n + 1);
	fprintf(gp,
		"unset key\nset tmargin 3\nset bmargin 2\nset xtics 1 font ',12'\nset ytics font ',12'\nset yrange [0:*]\nset autoscale xfix\nset offsets 0.3, 0.3, graph 0.1, 0\nset title offset 0,-0.4\n%s"
		"unset title\nunset border\nunset tics\nunset grid\nset offsets\nset key center center maxrows 6 reverse Left samplen 2.2\nplot [0:1] [0:1] ",
		memo_end(&panels));
	for (q = cycle_arms(db, clock, name); db_next(&q);) {
		fprintf(gp,
			"%sNaN with linespoints lw 2 pt 7 ps 0.5 lc rgb '%s' dt %s title ",
			entries++ ? ", \\\n  " : "", colour(col_text(q, 0)),
			dash(col_text(q, 0)));
		put_quoted(gp, col_text(q, 0));
	}
	fputs("\nunset multiplot\n", gp);
	free(panels.s);
	return n;
}

/*
 * The faults of the mapping that has most of them, in a hundred steps of its time
 * and of its pages
 */
#define HEAT                                                                                                                                                                                                                           \
	"WITH s AS (SELECT * FROM faults WHERE clock = ? AND name = ? AND source = ?), "                                                                                                                                               \
	"m AS (SELECT pid, vma, min(ns) AS ns, (max(ns) - min(ns)) / 100.0 + 1 AS step, min(address / 4096) AS page, (max(address) - min(address)) / 409600.0 + 1 AS pages FROM s GROUP BY pid, vma ORDER BY count(*) DESC LIMIT 1), " \
	"f AS (SELECT CAST((s.ns - m.ns) / step AS INT) AS x, CAST((s.address / 4096 - page) / pages AS INT) AS y, step / 1e6 AS dx, pages / 256 AS dy FROM s, m WHERE s.pid = m.pid AND s.vma = m.vma) "                              \
	"SELECT (x + 0.5) * dx, (y + 0.5) * dy, dx / 2, dy / 2, count(*) FROM f GROUP BY x, y"

/* A panel for each program that was recorded */
static bool draw_faults(struct drawing *d, sqlite3 *db, const char *clock,
			const char *name)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT DISTINCT source FROM faults WHERE clock = ? AND name = ? ORDER BY source COLLATE workload LIMIT 8",
		"ss", clock, name);
	FILE *gp = d->gp.f;
	struct memo panels;
	int n = 0;

	memo_begin(&panels);
	while (db_next(&q)) {
		char *block = xasprintf("h%d", n);

		if (put_data(gp, block,
			     db_query(db, HEAT, "sss", clock, name,
				      col_text(q, 0)))) {
			fputs("set title ", panels.f);
			put_quoted(panels.f, col_text(q, 0));
			fprintf(panels.f,
				" font ',13'\nplot $%s using 1:2:3:4:5 with boxxyerror fillstyle solid noborder linecolor palette\n",
				block);
			n++;
		}
		free(block);
	}
	put_multi(d, 90 + 240 * n, n);
	fprintf(gp,
		"unset key\nset tmargin 2.5\nset bmargin 3\nset xtics font ',12'\nset ytics font ',12'\nset xlabel 'ms' offset 0,0.6\nset ylabel 'MiB' offset 1\nset title offset 0,-0.5\n"
		"set palette defined (0 '#c6dbef', 1 '#08306b')\nset cblabel 'faults' offset -1\nset cbtics font ',12'\nset cbrange [0:*]\nset autoscale xfix\nset autoscale yfix\n%sunset multiplot\n",
		memo_end(&panels));
	free(panels.s);
	return n;
}

static bool draw_filecow(struct drawing *d, sqlite3 *db, const char *clock,
			 const char *name)
{
	return draw_bars(
		d, db, clock, name,
		"WITH r AS (SELECT source, pattern, arm, median(CAST(elapsed_ns AS REAL) / pages) AS ns FROM filecow WHERE clock = ?1 AND name = ?2 AND pattern IN ('seq', 'rand', 'sparse8', 'sparse64') AND source IN ('fresh', 'mapped') GROUP BY source, pattern, arm) "
		"SELECT b.pattern || '-' || b.source, a.ns / b.ns FROM r b LEFT JOIN r a ON a.source = b.source AND a.pattern = b.pattern AND a.arm = ?3 WHERE b.arm = 'baseline' ORDER BY b.pattern COLLATE workload, b.source");
}

static bool draw_clone(struct drawing *d, sqlite3 *db, const char *clock,
		       const char *name)
{
	return draw_bars(
		d, db, clock, name,
		"WITH r AS (SELECT layout, percent, arm, median(CAST(avg_ns AS REAL)) AS ns FROM clone WHERE clock = ?1 AND name = ?2 AND layout IN ('dense', 'scattered', 'resume') AND typeof(percent) = 'integer' AND percent BETWEEN 0 AND 100 GROUP BY layout, percent, arm) "
		"SELECT b.layout || '-' || b.percent || '%', a.ns / b.ns FROM r b LEFT JOIN r a ON a.layout = b.layout AND a.percent = b.percent AND a.arm = ?3 WHERE b.arm = 'baseline' ORDER BY b.layout, b.percent");
}

static bool draw_startup(struct drawing *d, sqlite3 *db, const char *clock,
			 const char *name)
{
	return draw_bars(
		d, db, clock, name,
		"WITH r AS (SELECT program || iif(cache = 'cold', '-cold', '') AS program, arm, median(CAST(elapsed_ns AS REAL)) AS ns FROM startup WHERE clock = ?1 AND name = ?2 AND program NOT GLOB '*[^a-zA-Z0-9_.+-]*' GROUP BY 1, arm) "
		"SELECT b.program, a.ns / b.ns FROM r b LEFT JOIN r a ON a.program = b.program AND a.arm = ?3 WHERE b.arm = 'baseline' ORDER BY b.program LIMIT 32");
}

#define REDIS_READING \
	"How to read it: each panel is an arm, its first round; latency of a SET against time, in steps of 20 ms, the save shaded. BGSAVE was sent at 0. The rise where the shade begins is fork() and the COW faults; lower and shorter is better."

static const struct {
	const char *name, *title, *reading;
	bool (*draw)(struct drawing *d, sqlite3 *db, const char *clock,
		     const char *name);
} kinds[] = {
	{ "redis64", "SET latency, values of 64 bytes", REDIS_READING,
	  draw_redis },
	{ "redis32k", "SET latency, values of 32 KiB", REDIS_READING,
	  draw_redis },
	{ "fork", "fork() of a second snapshot",
	  "How to read it: what fork() takes, by size of the process, when its pages are as the COW faults of an earlier snapshot left them (both axes logarithmic). Lower is better.",
	  draw_fork },
	{ "cycles", "Snapshot after snapshot",
	  "How to read it: the number of the snapshot against what it costs. All of a snapshot is fork(), preparation, writes and the child's end, per page written. A line that rises from the first snapshot to the second has lost what made the first one cheap. Lower is better.",
	  draw_cycles },
	{ "filecow", "The first write to a page of a private file mapping",
	  "How to read it: the cost per page written as a ratio to baseline, by pattern; fresh: nothing was mapped before; mapped: each page had been read. The line is one page per fault. Lower is better.",
	  draw_filecow },
	{ "clone", "Writes of clones of one memory file",
	  "How to read it: the mean latency of a write as a ratio to baseline, by how much of its memory each clone writes, and where: contiguous, random, or as a guest does that resumes. The line is one page per fault. Lower is better.",
	  draw_clone },
	{ "record", "Where the faults are",
	  "How to read it: time against the place in the mapping that takes most COW faults; the darker, the more faults in that step. A line is a run, which a window can serve; a cloud is not. No window is open meanwhile. redis: the data set while Redis saves.",
	  draw_faults },
	{ "startup", "Starts of programs",
	  "How to read it: the time from the start of a program to its end, as a ratio to baseline; cold: its files were not in the page cache. The line is one page per fault. Lower is better.",
	  draw_startup },
};

/*
 * Draw the experiments' pictures; returns 0, or -1 at the first picture that
 * failed
 */
int plots_experiments(struct plots *p, sqlite3 *db)
{
	for (int c = 0; c < CLK_UNKNOWN; c++) {
		const char *clock = clock_name((enum cow_clock)c);

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct drawing d;
			bool any;

			drawing_begin(&d, clock, kinds[k].name,
				      xasprintf("%s (%s)", kinds[k].title,
						clock),
				      kinds[k].reading);
			any = kinds[k].draw(&d, db, clock, kinds[k].name);
			if (drawing_end(&d, p, any))
				return -1;
		}
	}
	return 0;
}
