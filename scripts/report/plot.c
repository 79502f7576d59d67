// SPDX-License-Identifier: GPL-2.0
/* plot.c - the report's pictures, drawn by gnuplot */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments.h"
#include "plot.h"

/* Sub-buckets an octave in the picture; the file has 32 */
#define SUB_SHIFT 3
#define SUB (1u << SUB_SHIFT)
#define BUCKETS (64u * SUB)

#define SVG_LIMIT ((size_t)8 << 20)

static const char *const kind_names[] = { "dist", "tail", "cost", "sweep",
					  "memory" };

static const char *const readings[] = {
	"How to read it: each line is an arm; its height says how large a share of the arm's writes took about that long (eight steps to a doubling of time, both axes logarithmic). A hump far left is writes that met no fault, the main hump is the fault, what is right of it is the tail. Further left is better.",
	"How to read it: each line is an arm; go right to a latency, and up to the line: that share of the writes took at least so long (both axes logarithmic). Where it crosses 0.1% is the p99.9. A line that falls earlier is better.",
	"How to read it: time for each 4 KiB page written, all costs of the arm included, median over the rounds; the whisker is the least and the largest round, the number the ratio to baseline. Lower is better.",
	"How to read it: each point is a run with that window for every fault; above, what a page written cost, below, what the slowest of a thousand writes cost. Go right as long as the upper line falls by more than the lower one's rise is worth to you. The dotted line is baseline.",
	"How to read it: each point is an arm on a workload. Left of 1 it is faster than baseline, above 1 it copies pages that nobody writes: a label names the workload. Best is far left, on the floor.",
};

/* One colour and one dash for each known arm, and one for all others */
static const char *const colours[] = {
	"#000000", "#0072b2", "#56b4e9", "#cc79a7", "#d55e00", "#009e73",
	"#e69f00", "#882255", "#999933", "#44aa99", "#777777",
};

const char *colour(const char *arm)
{
	size_t rank = arm_rank(arm);

	return colours[rank < ARRAY_SIZE(colours) ? rank :
						    ARRAY_SIZE(colours) - 1];
}

const char *dash(const char *arm)
{
	static const char *const dashes[] = { "1", "(9,3)", "(3,2)" };

	return dashes[arm_rank(arm) % ARRAY_SIZE(dashes)];
}

/* Text that comes from files, inside of a gnuplot string in single quotes */
void put_quoted(FILE *out, const char *s)
{
	fputc('\'', out);
	for (; *s; s++) {
		bool good =
			(*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9') || strchr(" ,.:;+-=_/()%", *s);

		fputc(good ? *s : '?', out);
	}
	fputc('\'', out);
}

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

static bool is_group(const struct cell *c, enum cow_clock clock,
		     const char *workload)
{
	return c->key.clock == clock && !strcmp(c->key.workload, workload);
}

/* All rounds of an arm in one histogram; the sum of its counts */
static double arm_hist(const struct cell *c, size_t n, double hist[BUCKETS])
{
	double total = 0;

	memset(hist, 0, BUCKETS * sizeof(*hist));
	for (size_t i = 0; i < n; i++) {
		if (!c[i].touch_ok)
			continue;
		for (size_t k = 0; k < c[i].touch.bucket.n; k++) {
			const struct touch_bucket *b = &c[i].touch.bucket.v[k];

			hist[bucket_of(b->lower)] += (double)b->count;
			total += (double)b->count;
		}
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

void put_head(FILE *gp, const struct plot *p, int height)
{
	fprintf(gp, "set encoding utf8\n");
	fprintf(gp,
		"set terminal svg size 640,%d dynamic noenhanced font 'Helvetica,Arial,sans-serif,15' linewidth 1.3 background '#ffffff'\n",
		height);
	fprintf(gp, "set output\nset border 3 lc rgb '#666666'\n");
	fprintf(gp, "set tics nomirror\nset tmargin 3\n");
	fprintf(gp, "set grid lc rgb '#e2e2e2' lw 0.7 dt 1\n");
	fprintf(gp, "set title ");
	put_quoted(gp, p->title);
	fprintf(gp, " font ',15'\n");
}

/* A power of ten below the share of a single write */
static double floor_of(const struct run *run, const struct plot *p)
{
	double hist[BUCKETS], total, most = 10;

	for (size_t i = 0, end; i < run->cell.n; i = end) {
		end = run_group_end(run, i);
		if (!is_group(&run->cell.v[i], p->clock, p->workload) ||
		    is_sweep(run->cell.v[i].key.arm))
			continue;
		total = arm_hist(&run->cell.v[i], end - i, hist);
		if (total > most)
			most = total;
	}
	return pow(10, -ceil(log10(most)));
}

static bool script_hist(FILE *gp, const struct plot *p, const struct run *run)
{
	double hist[BUCKETS], total, floor = floor_of(run, p);
	const char *arm[64];
	size_t n = 0;

	for (size_t i = 0, end; i < run->cell.n; i = end) {
		const struct cell *c = &run->cell.v[i];

		end = run_group_end(run, i);
		if (!is_group(c, p->clock, p->workload) ||
		    is_sweep(c->key.arm) || n == ARRAY_SIZE(arm))
			continue;
		total = arm_hist(c, end - i, hist);
		if (total <= 0)
			continue;
		fprintf(gp, "$d%zu << COWLAB_END\n", n);
		if (p->kind == PLOT_DIST)
			put_dist(gp, hist, total, floor);
		else
			put_tail(gp, hist, total, floor);
		fprintf(gp, "COWLAB_END\n");
		arm[n++] = c->key.arm;
	}
	if (!n)
		return false;
	put_head(gp, p, n > 4 ? 410 + 22 * (int)((n + 1) / 2) : 430);
	fprintf(gp, "set logscale xy\nset xlabel 'time of one write'\n");
	fprintf(gp, "unset xtics\nset xtics nomirror font ',13' ()\n");
	fprintf(gp,
		"set for [i=0:18] xtics add (sprintf('%%d %%s', i%%3==0?1:(i%%3==1?10:100), i<3?'ns':(i<6?'us':(i<9?'ms':'s'))) 10.0**i)\n");
	fprintf(gp, "set mxtics 10\nset ytics font ',13'\n");
	fprintf(gp,
		"set key outside bottom center horizontal reverse Left samplen 2.2 width 1\n");
	fprintf(gp, "set yrange [%.17g:2]\n", floor);
	fputs("set ytics ('100%%' 1, '10%%' 0.1, '1%%' 0.01, '0.1%%' 1e-3, '0.01%%' 1e-4, '0.001%%' 1e-5, '1e-4%%' 1e-6, '1e-5%%' 1e-7, '1e-6%%' 1e-8)\n",
	      gp);
	fprintf(gp, "set ylabel '%s'\n",
		p->kind == PLOT_DIST ? "share of writes" :
				       "share that took at least this");
	fprintf(gp, "plot ");
	for (size_t i = 0; i < n; i++) {
		fprintf(gp,
			"%s$d%zu using 1:2 with lines lc rgb '%s' lw %s dt %s ",
			i ? ", \\\n  " : "", i, colour(arm[i]),
			i ? "2.4" : "3.6", dash(arm[i]));
		fprintf(gp, "title ");
		put_quoted(gp, arm[i]);
	}
	fprintf(gp, "\n");
	return true;
}

static bool script_cost(FILE *gp, const struct plot *p,
			const struct summary *sum)
{
	size_t n = 0;

	put_head(gp, p, 400);
	fprintf(gp, "$d << COWLAB_END\n");
	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];

		if (r->source != SRC_USER || r->clock != p->clock ||
		    strcmp(r->workload, p->workload) || isnan(r->ns_per_page) ||
		    is_sweep(r->arm))
			continue;
		/* arm names are letters, digits, '_' and '-' only */
		fprintf(gp, "%zu %s %.17g %.17g %.17g ", n++, r->arm,
			r->ns_per_page, r->page_min, r->page_max);
		if (isnan(r->ratio))
			fputs("- ", gp);
		else
			fprintf(gp, "x%.2f ", r->ratio);
		fprintf(gp, "0x%s\n", colour(r->arm) + 1);
	}
	fprintf(gp, "COWLAB_END\n");
	if (!n)
		return false;
	fprintf(gp, "unset key\nset style fill solid 0.75 noborder\n");
	fprintf(gp,
		"set boxwidth 0.6\nset yrange [0:*]\nset grid noxtics ytics\n");
	fprintf(gp, "set offsets 0,0,graph 0.12,0\n");
	fprintf(gp,
		"set xrange [-0.6:%zu.6]\nset ylabel 'ns per page written'\n",
		n - 1);
	fprintf(gp, "set xtics scale 0 font ',13'%s\nset ytics font ',13'\n",
		n > 6 ? " rotate by -30 left" : "");
	fprintf(gp,
		"plot $d using 1:3:7:xtic(2) with boxes lc rgb variable, \\\n"
		"  $d using 1:4:(0):($5-$4) with vectors heads size graph 0.01,90 lc rgb '#333333' lw 1.5, \\\n"
		"  $d using 1:5:6 with labels offset 0,0.8 font ',14'\n");
	return true;
}

/* One line of the sweep: window, cost of a page, p99.9; how many points */
static size_t put_sweep(FILE *gp, const struct plot *p,
			const struct summary *sum, bool large)
{
	size_t n = 0;

	fprintf(gp, "$o%d << COWLAB_END\n", large);
	for (unsigned int window = 1; window <= 64; window *= 2) {
		char arm[NAME_LEN];
		const struct summary_row *r;

		snprintf(arm, sizeof(arm), "fixed-w%u-o%d", window, large);
		r = touch_row(sum, p->clock, arm, "seq");
		if (!r || isnan(r->ns_per_page) || r->lat.p999 == NONE)
			continue;
		fprintf(gp, "%u %.17g %" PRIu64 "\n", window, r->ns_per_page,
			r->lat.p999);
		n++;
	}
	fprintf(gp, "COWLAB_END\n");
	return n;
}

static bool script_sweep(FILE *gp, const struct plot *p,
			 const struct summary *sum)
{
	static const char *const label[] = { "ns per page written",
					     "p99.9 of a write, ns" };
	const struct summary_row *base;
	bool any[2];

	for (int o = 0; o < 2; o++)
		any[o] = put_sweep(gp, p, sum, o);
	if (!any[0] && !any[1])
		return false;
	base = touch_row(sum, p->clock, "baseline", "seq");
	put_head(gp, p, 640);
	fprintf(gp, "unset title\nset multiplot layout 2,1 title ");
	put_quoted(gp, p->title);
	fprintf(gp,
		" font ',15'\nset tmargin 1\nset lmargin 10\nset logscale x 2\n");
	fprintf(gp,
		"set xrange [0.9:72]\nset xtics (1, 2, 4, 8, 16, 32, 64) font ',13'\nset ytics font ',13'\nset format y '%%.1s%%c'\n");
	for (int k = 0; k < 2; k++) {
		const char *sep = "";

		fprintf(gp, "set ylabel '%s'\n", label[k]);
		fputs(k ? "set logscale y\nset yrange [*:*]\nunset key\nset xlabel 'window, pages'\n" :
			  "set yrange [0:*]\nset key outside top center horizontal reverse Left samplen 2.2\n",
		      gp);
		fprintf(gp, "plot ");
		for (int o = 0; o < 2; o++) {
			if (!any[o])
				continue;
			fprintf(gp,
				"%s$o%d using 1:%d with linespoints lc rgb '%s' lw 2.4 pt 7 ps 0.7 title '%s'",
				sep, o, k + 2, o ? colours[5] : colours[4],
				o ? "large folios" : "order 0");
			sep = ", \\\n  ";
		}
		if (base && !isnan(base->ns_per_page) && base->lat.p999 != NONE)
			fprintf(gp,
				"%s%.17g with lines lc rgb '#000000' lw 1.6 dt (3,3) title 'baseline'",
				sep,
				k ? (double)base->lat.p999 : base->ns_per_page);
		fprintf(gp, "\n");
	}
	fprintf(gp, "unset multiplot\n");
	return true;
}

static bool script_memory(FILE *gp, const struct plot *p,
			  const struct summary *sum)
{
	const char *arm[64];
	size_t n = 0;

	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];
		double copied = copied_per_page(r);

		if (r->source != SRC_USER || r->clock != p->clock ||
		    is_sweep(r->arm) || !strcmp(r->arm, "baseline") ||
		    isnan(r->ratio) || isnan(copied))
			continue;
		if (!n || strcmp(arm[n - 1], r->arm)) {
			if (n == ARRAY_SIZE(arm))
				break;
			fprintf(gp, "%s$m%zu << COWLAB_END\n",
				n ? "COWLAB_END\n" : "", n);
			arm[n++] = r->arm;
		}
		fprintf(gp, "%.17g %.17g %s\n", r->ratio, copied,
			copied > 1.05 ? r->workload : "-");
	}
	if (!n)
		return false;
	fprintf(gp, "COWLAB_END\n");
	put_head(gp, p, 560);
	fprintf(gp,
		"set logscale xy\nset xlabel 'time a page written, as a ratio to baseline'\n");
	fprintf(gp,
		"set ylabel 'pages copied for each page written'\nset yrange [0.9:100]\n");
	fprintf(gp,
		"set xtics (0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 3, 5, 10, 20, 50) font ',13'\n");
	fprintf(gp,
		"set ytics (1, 2, 4, 8, 16, 32, 64) font ',13'\nset arrow from 1, graph 0 to 1, graph 1 nohead lc rgb '#666666' lw 1.5\n");
	fprintf(gp,
		"set key outside bottom center horizontal reverse Left samplen 1 width 1\nset offsets graph 0.04,graph 0.1,0,0\n");
	fprintf(gp, "plot ");
	for (size_t i = 0; i < n; i++) {
		fprintf(gp,
			"%s$m%zu using 1:2 with points lc rgb '%s' pt %zu ps 1 lw 1.8 title ",
			i ? ", \\\n  " : "", i, colour(arm[i]), 1 + i % 13);
		put_quoted(gp, arm[i]);
	}
	for (size_t i = 0; i < n; i++)
		fprintf(gp,
			", \\\n  $m%zu using 1:2:(strcol(3) eq '-' ? '' : strcol(3)) with labels left offset 0.7,0.3 font ',10' textcolor rgb '%s' notitle",
			i, colour(arm[i]));
	fprintf(gp, "\n");
	return true;
}

static void child_setup(posix_spawn_file_actions_t *fa, int in, int out,
			int err)
{
	posix_spawn_file_actions_init(fa);
	posix_spawn_file_actions_adddup2(fa, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(fa, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(fa, err, STDERR_FILENO);
}

/* An unlinked file with this in it, read from the start; -1 with errno */
static int temp_file(const char *buf, size_t len)
{
	FILE *f = tmpfile();
	int fd;

	if (!f)
		return -1;
	if (len && fwrite(buf, 1, len, f) != len) {
		fclose(f);
		return -1;
	}
	if (fflush(f)) {
		fclose(f);
		return -1;
	}
	fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 3);
	fclose(f);
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static char *slurp(int fd, size_t *len)
{
	struct stat st;
	char *buf;
	ssize_t n;

	if (fstat(fd, &st) || st.st_size <= 0 ||
	    (uintmax_t)st.st_size > SVG_LIMIT)
		return NULL;
	buf = malloc((size_t)st.st_size + 1);
	if (!buf)
		return NULL;
	n = pread(fd, buf, (size_t)st.st_size, 0);
	if (n != st.st_size) {
		free(buf);
		return NULL;
	}
	buf[n] = '\0';
	*len = (size_t)n;
	return buf;
}

/* gnuplot quotes the script, points at the spot, and ends with the reason */
static const char *last_line(char *text)
{
	size_t n = strlen(text);
	char *nl;

	while (n && strchr(" \t\n", text[n - 1]))
		text[--n] = '\0';
	nl = strrchr(text, '\n');
	if (nl)
		text = nl + 1;
	return text + strspn(text, " \t");
}

/* Give gnuplot a script; take the SVG. On failure *why says why. */
static int run_gnuplot(const char *script, size_t len, struct plot *p,
		       char **why)
{
	char *const argv[] = { "gnuplot", NULL };
	posix_spawn_file_actions_t fa;
	int in, out, log, err, ret = -1, status = 0;
	char *said = NULL;
	size_t n = 0;
	pid_t pid;

	in = temp_file(script, len);
	out = temp_file("", 0);
	log = temp_file("", 0);
	if (in < 0 || out < 0 || log < 0) {
		*why = xasprintf("no room for a temporary file: %s",
				 strerror(errno));
		goto out;
	}
	child_setup(&fa, in, out, log);
	err = posix_spawnp(&pid, "gnuplot", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (err == ENOENT) {
		*why = xstrdup(
			"gnuplot is not installed (apt-get install gnuplot-nox)");
		goto out;
	}
	if (err) {
		*why = xasprintf("gnuplot does not start: %s", strerror(err));
		goto out;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	p->svg = slurp(out, &p->len);
	if (!status && p->svg && memmem(p->svg, p->len, "</svg>", 6)) {
		ret = 0;
		goto out;
	}
	said = slurp(log, &n);
	*why = xasprintf("gnuplot did not draw %s: %s", p->file,
			 said ? last_line(said) : "it said nothing");
out:
	free(said);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	if (log >= 0)
		close(log);
	return ret;
}

static void plot_free(struct plot *p)
{
	free(p->file);
	free(p->title);
	free(p->svg);
}

/**
 * plots_add - have a picture drawn, and write it to plots/
 * @p: the pictures
 * @run: the run
 * @new: kind, clock, workload, file, title and reading are set; taken over
 * @script: what gnuplot is told: a picture of the terminal svg
 * @len: its length
 * @why: on failure, a line that says why, to be freed
 *
 * Return: 0, or -1.
 */
int plots_add(struct plots *p, const struct run *run, struct plot *new,
	      const char *script, size_t len, char **why)
{
	char *path;
	int ret = run_gnuplot(script, len, new, why);

	if (!ret) {
		path = xasprintf("%s/%s", run->dir, new->file);
		ret = write_file(path, new->svg, new->len);
		if (ret)
			*why = xasprintf("%s: %s", path, strerror(errno));
		free(path);
	}
	if (ret)
		plot_free(new);
	else
		vec_push(&p->plot, *new);
	return ret;
}

static bool put_script(FILE *gp, const struct plot *p, const struct run *run,
		       const struct summary *sum)
{
	switch (p->kind) {
	case PLOT_DIST:
	case PLOT_TAIL:
		return script_hist(gp, p, run);
	case PLOT_COST:
		return script_cost(gp, p, sum);
	case PLOT_SWEEP:
		return script_sweep(gp, p, sum);
	case PLOT_MEMORY:
		return script_memory(gp, p, sum);
	default:
		return false;
	}
}

/* Draw what there is to draw; 0, or -1 where it failed */
static int draw(struct plots *p, const struct run *run,
		const struct summary *sum, enum plot_kind kind,
		enum cow_clock clock, const char *workload, char **why)
{
	static const char *const what[] = {
		"What the writer saw",	     "Tail of what the writer saw",
		"Cost of a page written",    "What a larger window is worth",
		"Memory against time saved",
	};
	const struct env_boot *b = &run->env.boot[clock];
	struct plot new = { .kind = kind, .clock = clock };
	char *script;
	size_t len;
	bool any;
	FILE *gp;
	int ret = 0;

	snprintf(new.workload, sizeof(new.workload), "%s", workload);
	new.file = xasprintf("plots/%s%s%s-%s.svg", clock_name(clock),
			     *workload ? "-" : "", workload, kind_names[kind]);
	new.title = xasprintf("%s%s%s (clock %s, accel %s)", what[kind],
			      *workload ? ": " : "", workload,
			      clock_name(clock), b->accel);
	new.reading = readings[kind];
	gp = open_memstream(&script, &len);
	if (!gp) {
		*why = xstrdup("out of memory");
		plot_free(&new);
		return -1;
	}
	any = put_script(gp, &new, run, sum);
	if (fclose(gp)) {
		*why = xstrdup("out of memory");
		plot_free(&new);
		return -1;
	}
	if (any)
		ret = plots_add(p, run, &new, script, len, why);
	else
		plot_free(&new);
	free(script);
	return ret;
}

/* Make plots/, and take away pictures of an earlier report */
static int make_folder(const struct run *run, char **why)
{
	char *path = xasprintf("%s/plots", run->dir);
	struct dirent *d;
	int ret = 0;
	DIR *dir;

	if (mkdir(path, 0777) && errno != EEXIST)
		goto fail;
	dir = opendir(path);
	if (!dir)
		goto fail;
	while ((d = readdir(dir))) {
		size_t n = strlen(d->d_name);

		if (n > 4 && !strcmp(d->d_name + n - 4, ".svg"))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
out:
	free(path);
	return ret;
fail:
	*why = xasprintf("%s: %s", path, strerror(errno));
	ret = -1;
	goto out;
}

/**
 * plots_find - a picture of a run
 * @p: the pictures
 * @kind: what it shows
 * @clock: of which boot
 * @workload: and workload, "" where it shows more than one
 *
 * Return: the picture, or NULL.
 */
const struct plot *plots_find(const struct plots *p, enum plot_kind kind,
			      enum cow_clock clock, const char *workload)
{
	for (size_t i = 0; i < p->plot.n; i++) {
		const struct plot *o = &p->plot.v[i];

		if (o->kind == kind && o->clock == clock &&
		    !strcmp(o->workload, workload))
			return o;
	}
	return NULL;
}

/**
 * plots_named - a picture, by its name
 * @p: the pictures
 * @file: such as "plots/wall-redis.svg"
 *
 * Return: the picture, or NULL.
 */
const struct plot *plots_named(const struct plots *p, const char *file)
{
	for (size_t i = 0; i < p->plot.n; i++)
		if (!strcmp(p->plot.v[i].file, file))
			return &p->plot.v[i];
	return NULL;
}

static bool drawn(const struct run *run, size_t i, bool whole_boot)
{
	for (size_t k = 0; k < i; k++) {
		const struct cell_key *a = &run->cell.v[k].key;
		const struct cell_key *b = &run->cell.v[i].key;

		if (a->clock == b->clock &&
		    (whole_boot || !strcmp(a->workload, b->workload)))
			return true;
	}
	return false;
}

/**
 * plots_make - draw the pictures of a run, and write them to plots/
 * @p: the pictures, to be given to plots_free()
 * @run: the run
 * @sum: its summary
 * @why: on failure, a line that says why, to be freed
 *
 * Return: 0, or -1 at the first picture that failed; those before it stay.
 */
int plots_make(struct plots *p, const struct run *run,
	       const struct summary *sum, char **why)
{
	memset(p, 0, sizeof(*p));
	if (make_folder(run, why))
		return -1;
	for (size_t i = 0; i < run->cell.n; i = run_group_end(run, i)) {
		const struct cell_key *key = &run->cell.v[i].key;

		for (int k = PLOT_SWEEP; k <= PLOT_MEMORY; k++)
			if (!drawn(run, i, true) &&
			    draw(p, run, sum, (enum plot_kind)k, key->clock, "",
				 why))
				return -1;
		for (int k = PLOT_DIST; k <= PLOT_COST; k++)
			if (!drawn(run, i, false) &&
			    draw(p, run, sum, (enum plot_kind)k, key->clock,
				 key->workload, why))
				return -1;
	}
	return experiments_plots(p, run, why);
}

void plots_free(struct plots *p)
{
	for (size_t i = 0; i < p->plot.n; i++)
		plot_free(&p->plot.v[i]);
	vec_free(&p->plot);
}

/* Is this the start of an attribute: word="...? */
static bool attr(const char *s, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - s) > n && !memcmp(s, word, n);
}

/**
 * plot_inline - print a picture into an HTML page
 * @p: the picture
 * @number: told apart from the page's other pictures by this
 * @out: where
 *
 * The prologue, the name spaces (HTML knows them) and the fixed size go, and
 * every id gets a prefix, as an id may stand on a page only once.
 */
void plot_inline(const struct plot *p, size_t number, FILE *out)
{
	const char *end = p->svg + p->len;
	const char *s = memmem(p->svg, p->len, "<svg", 4);
	const char *head_end;

	if (!s)
		return;
	head_end = memchr(s, '>', (size_t)(end - s));
	while (s < end) {
		bool head = s < head_end;

		if (*s == ' ' && (attr(s, end, " xmlns=\"") ||
				  attr(s, end, " xmlns:xlink=\"") ||
				  (head && (attr(s, end, " width=\"") ||
					    attr(s, end, " height=\""))))) {
			s = memchr(s, '"', (size_t)(end - s));
			s = memchr(s + 1, '"', (size_t)(end - s - 1));
			if (!s)
				return;
			s++;
			continue;
		}
		if (attr(s, end, " id=\"") || attr(s, end, " id='")) {
			fprintf(out, " id=%cp%zu_", s[4], number);
			s += 5;
			continue;
		}
		if (attr(s, end, "href=\"#") || attr(s, end, "href='#")) {
			fprintf(out, "href=%c#p%zu_", s[5], number);
			s += 7;
			continue;
		}
		if (attr(s, end, "url(#")) {
			fprintf(out, "url(#p%zu_", number);
			s += 5;
			continue;
		}
		fputc(*s++, out);
	}
}
