// SPDX-License-Identifier: GPL-2.0
/* plot_cells.c - the pictures of the cells */
#define _GNU_SOURCE
#include <math.h>

#include "plot.h"

/* Sub-buckets an octave in the picture; the file has 32 */
#define SUB_SHIFT 3
#define SUB (1u << SUB_SHIFT)
#define BUCKETS (64u * SUB)

/* The key below the picture, one entry an arm */
#define KEY_BELOW "set key outside bottom center horizontal reverse Left"

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int e;

	if (!ns)
		ns = 1;
	e = 63 - (unsigned int)__builtin_clzll(ns);
	if (e >= SUB_SHIFT)
		return e * SUB +
		       (unsigned int)(ns >> (e - SUB_SHIFT) & (SUB - 1));
	return e * SUB + (unsigned int)(ns << (SUB_SHIFT - e) & (SUB - 1));
}

static double bucket_lower(unsigned int b)
{
	return ldexp(1.0 + (double)(b % SUB) / SUB, (int)(b / SUB));
}

/* All rounds of an arm in one histogram; the sum of its counts */
static double arm_hist(sqlite3 *db, const char *clock, const char *workload,
		       const char *arm, double hist[BUCKETS])
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT lower_ns, count FROM touch JOIN cell ON cell.id = cell WHERE clock = ? AND workload = ? AND arm = ?",
		"sss", clock, workload, arm);
	double total = 0;

	memset(hist, 0, BUCKETS * sizeof(*hist));
	while (db_next(&q)) {
		hist[bucket_of(col_u64(q, 0))] += col_double(q, 1);
		total += col_double(q, 1);
	}
	return total;
}

/* The outline of the histogram: a run of buckets stands on the floor */
static void put_dist(FILE *gp, const double *hist, double total, double floor)
{
	for (unsigned int b = 0; b < BUCKETS; b++) {
		double low = bucket_lower(b), high = bucket_lower(b + 1);
		double share = hist[b] / total;

		if (hist[b] <= 0)
			continue;
		if (!b || hist[b - 1] <= 0)
			fprintf(gp, "%.17g %.17g\n", low, floor);
		fprintf(gp, "%.17g %.17g\n%.17g %.17g\n", low, share, high,
			share);
		if (b + 1 == BUCKETS || hist[b + 1] <= 0)
			fprintf(gp, "%.17g %.17g\n\n", high, floor);
	}
}

/* What is left at the lower end of each bucket, and at its upper end */
static void put_tail(FILE *gp, const double *hist, double total, double floor)
{
	double left = total;

	for (unsigned int b = 0; b < BUCKETS; b++) {
		double low = bucket_lower(b), high = bucket_lower(b + 1);

		if (hist[b] <= 0)
			continue;
		fprintf(gp, "%.17g %.17g\n", low, left / total);
		left -= hist[b];
		fprintf(gp, "%.17g %.17g\n", high,
			left >= 0.5 ? left / total : floor);
	}
}

/* A power of ten below the share of a single write */
static double floor_of(sqlite3 *db, const char *clock, const char *workload)
{
	double most = db_number(
		db,
		"SELECT max(n) FROM (SELECT total(count) AS n FROM touch JOIN cell ON cell.id = cell WHERE clock = ? AND workload = ? AND NOT is_sweep(arm) GROUP BY arm)",
		"ss", clock, workload);

	return pow(10, -ceil(log10(fmax(most, 10))));
}

static bool draw_hist(struct drawing *d, sqlite3 *db, const char *clock,
		      const char *workload, const char *kind)
{
	bool dist = !strcmp(kind, "dist");
	double hist[BUCKETS], floor = floor_of(db, clock, workload);
	sqlite3_stmt *q = db_query(
		db,
		"SELECT arm FROM series WHERE clock = ? AND workload = ? AND NOT is_sweep(arm) AND series IN (SELECT series FROM cell JOIN touch ON cell.id = cell) ORDER BY series LIMIT 64",
		"ss", clock, workload);
	struct memo plot;
	FILE *gp = d->gp.f;
	size_t n = 0;

	memo_begin(&plot);
	while (db_next(&q)) {
		const char *arm = col_text(q, 0);
		double total = arm_hist(db, clock, workload, arm, hist);

		if (total <= 0)
			continue;
		fprintf(gp, "$d%zu << COWLAB_END\n", n);
		(dist ? put_dist : put_tail)(gp, hist, total, floor);
		fputs("COWLAB_END\n", gp);
		fprintf(plot.f,
			"%s$d%zu using 1:2 with lines lc rgb '%s' lw %s dt %s title ",
			n ? ", \\\n  " : "plot ", n, colour(arm),
			n ? "2.4" : "3.6", dash(arm));
		put_quoted(plot.f, arm);
		n++;
	}
	put_head(d, height_with_key(n));
	fprintf(gp,
		"set logscale xy\nset xlabel 'time of one write'\nunset xtics\nset xtics nomirror font ',13' ()\n"
		"set for [i=0:18] xtics add (sprintf('%%d %%s', i%%3==0?1:(i%%3==1?10:100), i<3?'ns':(i<6?'us':(i<9?'ms':'s'))) 10.0**i)\n"
		"set mxtics 10\nset ytics font ',13'\n" KEY_BELOW
		" samplen 2.2 width 1\nset yrange [%.17g:2]\n"
		"set ytics ('100%%%%' 1, '10%%%%' 0.1, '1%%%%' 0.01, '0.1%%%%' 1e-3, '0.01%%%%' 1e-4, '0.001%%%%' 1e-5, '1e-4%%%%' 1e-6, '1e-5%%%%' 1e-7, '1e-6%%%%' 1e-8)\n"
		"set ylabel '%s'\n%s\n",
		floor,
		dist ? "share of writes" : "share that took at least this",
		memo_end(&plot));
	free(plot.s);
	return n;
}

static bool draw_cost(struct drawing *d, sqlite3 *db, const char *clock,
		      const char *workload, const char *kind)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT arm, ns_per_page, page_min, page_max, ifnull('x' || num(ratio_to_baseline, 2), '-') FROM writer WHERE clock = ? AND workload = ? AND ns_per_page IS NOT NULL AND NOT is_sweep(arm)",
		"ss", clock, workload);
	FILE *gp = d->gp.f;
	size_t n = 0;

	(void)kind;
	put_head(d, 400);
	fputs("$d << COWLAB_END\n", gp);
	/* arm names are letters, digits, '_' and '-' only */
	while (db_next(&q))
		fprintf(gp, "%zu %s %.17g %.17g %.17g %s 0x%s\n", n++,
			col_text(q, 0), col_double(q, 1), col_double(q, 2),
			col_double(q, 3), col_text(q, 4),
			colour(col_text(q, 0)) + 1);
	fprintf(gp,
		"COWLAB_END\nunset key\nset style fill solid 0.75 noborder\n"
		"set boxwidth 0.6\nset yrange [0:*]\nset grid noxtics ytics\nset offsets 0,0,graph 0.12,0\n"
		"set xrange [-0.6:%zu.6]\nset ylabel 'ns per page written'\nset xtics scale 0 font ',13'%s\nset ytics font ',13'\n"
		"plot $d using 1:3:7:xtic(2) with boxes lc rgb variable, \\\n"
		"  $d using 1:4:(0):($5-$4) with vectors heads size graph 0.01,90 lc rgb '#333333' lw 1.5, \\\n"
		"  $d using 1:5:6 with labels offset 0,0.8 font ',14'\n",
		n ? n - 1 : 0, n > 6 ? " rotate by -30 left" : "");
	return n;
}

/* One line of the sweep: window, cost of a page, p99.9; how many points */
static size_t put_sweep(FILE *gp, sqlite3 *db, const char *clock, int large)
{
	return put_data(
		gp, large ? "o1" : "o0",
		db_query(
			db,
			"WITH w(window) AS (VALUES (1), (2), (4), (8), (16), (32), (64)) SELECT window, ns_per_page, p999_ns FROM w JOIN writer ON arm = 'fixed-w' || window || '-o' || ?2 WHERE clock = ?1 AND workload = 'seq' AND ns_per_page IS NOT NULL AND p999_ns IS NOT NULL ORDER BY window",
			"sn", clock, large));
}

/* The key stands between the panels' axes and the title, where no curve is */
static bool draw_sweep(struct drawing *d, sqlite3 *db, const char *clock,
		       const char *workload, const char *kind)
{
	static const char *const label[] = { "ns per page written",
					     "p99.9 of a write, ns" };
	static const char *const panel[] = {
		"set tmargin 3\nset bmargin 2\nset yrange [0:*]\nset key above center horizontal reverse Left samplen 2.2\n",
		"set tmargin 1\nset bmargin 3.5\nset logscale y\nset yrange [*:*]\nunset key\nset xlabel 'window, pages'\n",
	};
	FILE *gp = d->gp.f;
	bool any[2];

	(void)workload;
	(void)kind;
	for (int o = 0; o < 2; o++)
		any[o] = put_sweep(gp, db, clock, o);
	put_multi(d, 640, 2);
	fputs("unset title\nset logscale x 2\nset xrange [0.9:72]\nset xtics (1, 2, 4, 8, 16, 32, 64)\nset format y '%.1s%c'\n",
	      gp);
	for (int k = 0; k < 2; k++) {
		double base = db_number(
			db,
			"SELECT iif(?2, p999_ns, ns_per_page) FROM writer WHERE arm = 'baseline' AND workload = 'seq' AND clock = ?1 AND ns_per_page IS NOT NULL AND p999_ns IS NOT NULL",
			"sn", clock, k);
		const char *sep = "plot ";

		fprintf(gp, "%sset ylabel '%s'\n", panel[k], label[k]);
		for (int o = 0; o < 2; o++) {
			if (!any[o])
				continue;
			fprintf(gp,
				"%s$o%d using 1:%d with linespoints lc rgb '%s' lw 2.4 pt 7 ps 0.7 title '%s'",
				sep, o, k + 2, o ? "#009e73" : "#d55e00",
				o ? "large folios" : "order 0");
			sep = ", \\\n  ";
		}
		if (!isnan(base))
			fprintf(gp,
				"%s%.17g with lines lc rgb '#000000' lw 1.6 dt (3,3) title 'baseline'",
				sep, base);
		fputc('\n', gp);
	}
	fputs("unset multiplot\n", gp);
	return any[0] || any[1];
}

static bool draw_memory(struct drawing *d, sqlite3 *db, const char *clock,
			const char *workload, const char *kind)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT arm FROM writer WHERE clock = ? AND NOT is_sweep(arm) AND arm <> 'baseline' AND ratio_to_baseline IS NOT NULL AND pages_copied > 0 AND pages_touched > 0 GROUP BY arm ORDER BY arm COLLATE arm LIMIT 64",
		"s", clock);
	struct memo points, labels;
	FILE *gp = d->gp.f;
	size_t n = 0;

	(void)workload;
	(void)kind;
	memo_begin(&points);
	memo_begin(&labels);
	for (; db_next(&q); n++) {
		const char *arm = col_text(q, 0);
		char *name = xasprintf("m%zu", n);

		put_data(
			gp, name,
			db_query(
				db,
				"SELECT ratio_to_baseline, pages_copied * 1.0 / pages_touched AS copied, iif(pages_copied * 1.0 / pages_touched > 1.05, workload, '-') FROM writer WHERE clock = ? AND arm = ? AND ratio_to_baseline IS NOT NULL AND pages_copied > 0 AND pages_touched > 0",
				"ss", clock, arm));
		fprintf(points.f,
			"%s$m%zu using 1:2 with points lc rgb '%s' pt %zu ps 1 lw 1.8 title ",
			n ? ", \\\n  " : "plot ", n, colour(arm), 1 + n % 13);
		put_quoted(points.f, arm);
		fprintf(labels.f,
			", \\\n  $m%zu using 1:2:(strcol(3) eq '-' ? '' : strcol(3)) with labels left offset 0.7,0.3 font ',10' textcolor rgb '%s' notitle",
			n, colour(arm));
		free(name);
	}
	put_head(d, 560);
	fprintf(gp,
		"set logscale xy\nset xlabel 'time per page written, as a ratio to baseline'\nset ylabel 'pages copied per page written'\nset yrange [0.9:100]\n"
		"set xtics (0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 3, 5, 10, 20, 50) font ',13'\nset ytics (1, 2, 4, 8, 16, 32, 64) font ',13'\n"
		"set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb '#666666' lw 1.5\n" KEY_BELOW
		" samplen 1 width 1\nset offsets graph 0.04,graph 0.1,0,0\n%s%s\n",
		memo_end(&points), memo_end(&labels));
	free(points.s);
	free(labels.s);
	return n;
}

/* The pictures of a boot, then those of each workload */
static const struct {
	const char *name, *title, *reading;
	bool (*draw)(struct drawing *d, sqlite3 *db, const char *clock,
		     const char *workload, const char *kind);
} kinds[] = {
	{ "sweep", "What a larger window is worth",
	  "How to read it: each point is a run with that window for every fault; the upper panel is the cost per page written, the lower panel the p99.9 of a write. A larger window pays while the fall of the upper line outweighs the rise of the lower one. The dotted line is baseline.",
	  draw_sweep },
	{ "memory", "Memory against time saved",
	  "How to read it: each point is an arm on a workload. Left of 1 the arm is faster than baseline; above 1 it copies pages that are never written: a label names the workload. Best is far left, at the bottom.",
	  draw_memory },
	{ "dist", "What the writer saw",
	  "How to read it: each line is an arm; its height says how large a share of the arm's writes took about that long (eight steps to a doubling of time, both axes logarithmic). A hump far left is writes without a fault, the main hump is writes with a fault, to its right is the tail. Further left is better.",
	  draw_hist },
	{ "tail", "Tail of what the writer saw",
	  "How to read it: each line is an arm; go right to a latency, and up to the line: that share of the writes took at least that long (both axes logarithmic). Where it crosses 0.1% is the p99.9. A line that falls earlier is better.",
	  draw_hist },
	{ "cost", "Cost per page written",
	  "How to read it: time per 4 KiB page written, including all costs of the arm, median over the rounds; the whisker is the least and the largest round, the number the ratio to baseline. Lower is better.",
	  draw_cost },
};

/*
 * Draw the pictures of the cells; returns 0, or -1 at the first picture that
 * failed; those before it stay
 */
int plots_cells(struct plots *p, const struct run *run)
{
	sqlite3_stmt *q = db_query(
		run->db,
		"SELECT clock, workload, accel FROM (SELECT clock, '' AS workload, min(series) AS at FROM series GROUP BY clock UNION ALL SELECT clock, workload, min(series) + 0.5 FROM series GROUP BY clock, workload) LEFT JOIN boot USING (clock) ORDER BY at",
		"");

	while (db_next(&q)) {
		const char *clock = col_text(q, 0), *workload = col_text(q, 1);
		const char *accel = col_text(q, 2);

		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			const char *sep = *workload ? "-" : "";
			struct drawing d;
			char *name;
			bool any;

			if ((k < 2) != !*workload)
				continue;
			name = xasprintf("%s%s%s", workload, sep,
					 kinds[k].name);
			drawing_begin(&d, clock, name,
				      xasprintf("%s%s%s (clock %s, accel %s)",
						kinds[k].title,
						*workload ? ": " : "", workload,
						clock,
						accel ? accel : "unknown"),
				      kinds[k].reading);
			free(name);
			any = kinds[k].draw(&d, run->db, clock, workload,
					    kinds[k].name);
			if (drawing_end(&d, p, any)) {
				sqlite3_finalize(q);
				return -1;
			}
		}
	}
	return 0;
}
