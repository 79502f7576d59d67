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

#include "plot.h"

extern char **environ;

/* Sub-buckets an octave in the picture; the file has 32 */
#define SUB_SHIFT 3
#define SUB (1u << SUB_SHIFT)
#define BUCKETS (64u * SUB)

#define SVG_LIMIT ((size_t)8 << 20)

static const char *const kind_names[PLOT_KINDS] = { "dist", "tail", "cost" };

static const char *const readings[PLOT_KINDS] = {
	"How to read it: each line is an arm; a point says how large a share of the arm's writes took about that long (buckets a ninth of their value wide, both axes logarithmic). A hump far left is writes that met no fault, the main hump is the fault, what is right of it is the tail. Further left is better.",
	"How to read it: each line is an arm; go right to a latency, and up to the line: that share of the writes took at least so long (both axes logarithmic). 1e-3 is the p99.9. A line that falls earlier is better.",
	"How to read it: time for each 4 KiB page written, all costs of the arm included, median over the rounds; the whisker is the least and the largest round, the number the ratio to baseline. Lower is better.",
};

/* One colour and one dash for each known arm, and one for all others */
static const char *const colours[] = {
	"#000000", "#0072b2", "#56b4e9", "#cc79a7", "#d55e00", "#009e73",
	"#e69f00", "#882255", "#999933", "#44aa99", "#777777",
};

static const char *colour(const char *arm)
{
	size_t rank = arm_rank(arm);

	return colours[rank < ARRAY_SIZE(colours) ? rank :
						    ARRAY_SIZE(colours) - 1];
}

/* Text that comes from files, inside of a gnuplot string in single quotes */
static void put_quoted(FILE *out, const char *s)
{
	fputc('\'', out);
	for (; *s; s++) {
		bool good = (*s >= 'a' && *s <= 'z') ||
			    (*s >= 'A' && *s <= 'Z') ||
			    (*s >= '0' && *s <= '9') ||
			    strchr(" ,.:;+-=_/()%", *s);

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
		return e * SUB + (unsigned int)(ns >> (e - SUB_SHIFT) & (SUB - 1));
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

static void put_data(FILE *gp, enum plot_kind kind, const double *hist,
		     double total)
{
	double left = total;
	bool drawn = false;

	for (unsigned int b = 0; b < BUCKETS; b++) {
		double low = bucket_lower(b), high = bucket_lower(b + 1);

		if (kind == PLOT_TAIL) {
			if (hist[b] <= 0)
				continue;
			fprintf(gp, "%.17g %.17g\n", low, left / total);
			left -= hist[b];
			if (left < 0.5)
				fprintf(gp, "%.17g %.17g\n", high,
					hist[b] / total);
		} else if (hist[b] > 0) {
			fprintf(gp, "%.17g %.17g\n", sqrt(low * high),
				100 * hist[b] / total);
			drawn = true;
		} else if (drawn) {
			/* a gap is a gap in the line too */
			fputc('\n', gp);
			drawn = false;
		}
	}
}

static void put_head(FILE *gp, const struct plot *p, int height)
{
	fprintf(gp, "set encoding utf8\n");
	fprintf(gp,
		"set terminal svg size 720,%d dynamic noenhanced font 'Helvetica,Arial,sans-serif,15' linewidth 1.3 background '#ffffff'\n",
		height);
	fprintf(gp, "set output\nset border 3 lc rgb '#666666'\n");
	fprintf(gp, "set tics nomirror\nset tmargin 3\n");
	fprintf(gp, "set grid lc rgb '#e2e2e2' lw 0.7 dt 1\n");
	fprintf(gp, "set title ");
	put_quoted(gp, p->title);
	fprintf(gp, " font ',15'\n");
}

static bool script_hist(FILE *gp, const struct plot *p, const struct run *run)
{
	double hist[BUCKETS], total;
	const char *arm[64];
	size_t n = 0;

	put_head(gp, p, 460);
	for (size_t i = 0, end; i < run->cell.n; i = end) {
		const struct cell *c = &run->cell.v[i];

		end = run_group_end(run, i);
		if (!is_group(c, p->clock, p->workload) ||
		    n == ARRAY_SIZE(arm))
			continue;
		total = arm_hist(c, end - i, hist);
		if (total <= 0)
			continue;
		fprintf(gp, "$d%zu << COWLAB_END\n", n);
		put_data(gp, p->kind, hist, total);
		fprintf(gp, "COWLAB_END\n");
		arm[n++] = c->key.arm;
	}
	if (!n)
		return false;
	fprintf(gp, "set logscale xy\nset xlabel 'one write, ns'\n");
	fprintf(gp, "set format x '10^%%T'\n");
	fprintf(gp,
		"set for [i=0:12] xtics add (sprintf('%%g%%s', i%%3==0?1:(i%%3==1?10:100), i<3?' ns':(i<6?' us':(i<9?' ms':' s'))) 10**i)\n");
	fprintf(gp, "set xtics font ',13'\nset ytics font ',13'\n");
	fprintf(gp, "set key outside bottom center horizontal samplen 2.2\n");
	if (p->kind == PLOT_DIST)
		fprintf(gp,
			"set ylabel 'share of writes'\nset format y '%%g%%%%'\nset yrange [:150]\n");
	else
		fprintf(gp,
			"set ylabel 'share of writes that took at least this'\nset format y '%%g'\nset yrange [:1.5]\n");
	fprintf(gp, "plot ");
	for (size_t i = 0; i < n; i++) {
		fprintf(gp, "%s$d%zu using 1:2 with %s lc rgb '%s' lw %s dt %s ",
			i ? ", \\\n  " : "", i,
			p->kind == PLOT_DIST ? "linespoints pt 7 ps 0.45" :
					       "lines",
			colour(arm[i]), i ? "2" : "3.2",
			i % 3 == 0 ? "1" : i % 3 == 1 ? "(9,3)" : "(3,2)");
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

	put_head(gp, p, 420);
	fprintf(gp, "$d << COWLAB_END\n");
	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];

		if (r->source != SRC_USER || r->clock != p->clock ||
		    strcmp(r->workload, p->workload) || isnan(r->ns_per_page))
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
	fprintf(gp, "set boxwidth 0.6\nset yrange [0:*]\nset grid noxtics ytics\n");
	fprintf(gp, "set offsets 0,0,graph 0.12,0\n");
	fprintf(gp, "set xrange [-0.6:%zu.6]\nset ylabel 'ns per page written'\n",
		n - 1);
	fprintf(gp, "set xtics scale 0 font ',13'%s\nset ytics font ',13'\n",
		n > 6 ? " rotate by -30 left" : "");
	fprintf(gp,
		"plot $d using 1:3:7:xtic(2) with boxes lc rgb variable, \\\n"
		"  $d using 1:3:4:5 with yerrorbars lc rgb '#333333' pt -1, \\\n"
		"  $d using 1:5:6 with labels offset 0,0.8 font ',14'\n");
	return true;
}

static void child_setup(posix_spawn_file_actions_t *fa, int in, int out)
{
	posix_spawn_file_actions_init(fa);
	posix_spawn_file_actions_adddup2(fa, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(fa, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(fa, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
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

/* Give gnuplot a script; take the SVG. On failure *why says why. */
static int run_gnuplot(const char *script, size_t len, struct plot *p,
		       char **why)
{
	char *const argv[] = { "gnuplot", NULL };
	posix_spawn_file_actions_t fa;
	int in, out, err, status = 0;
	pid_t pid;

	in = temp_file(script, len);
	out = temp_file("", 0);
	if (in < 0 || out < 0) {
		*why = xasprintf("no room for a temporary file: %s",
				 strerror(errno));
		goto fail;
	}
	child_setup(&fa, in, out);
	err = posix_spawnp(&pid, "gnuplot", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (err == ENOENT) {
		*why = xstrdup("gnuplot is not installed (apt-get install gnuplot-nox)");
		goto fail;
	}
	if (err) {
		*why = xasprintf("gnuplot does not start: %s", strerror(err));
		goto fail;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	p->svg = slurp(out, &p->len);
	if (status || !p->svg || !memmem(p->svg, p->len, "</svg>", 6)) {
		*why = xasprintf("gnuplot did not draw %s (status %d)", p->file,
				 WIFEXITED(status) ? WEXITSTATUS(status) : -1);
		goto fail;
	}
	close(in);
	close(out);
	return 0;
fail:
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return -1;
}

static void plot_free(struct plot *p)
{
	free(p->file);
	free(p->title);
	free(p->svg);
}

/* 1: drawn, 0: there is nothing to draw, -1: it failed */
static int draw(struct plot *p, const struct run *run,
		const struct summary *sum, char **why)
{
	const struct env_boot *b = &run->env.boot[p->clock];
	static const char *const what[PLOT_KINDS] = {
		"What the writer saw", "Tail of what the writer saw",
		"Cost of a page written",
	};
	char *script, *path;
	size_t len;
	bool any;
	FILE *gp;
	int ret;

	p->file = xasprintf("plots/%s-%s-%s.svg", clock_name(p->clock),
			    p->workload, kind_names[p->kind]);
	p->title = xasprintf("%s: %s (clock %s, accel %s)", what[p->kind],
			     p->workload, clock_name(p->clock), b->accel);
	p->reading = readings[p->kind];
	gp = open_memstream(&script, &len);
	if (!gp) {
		*why = xstrdup("out of memory");
		return -1;
	}
	any = p->kind == PLOT_COST ? script_cost(gp, p, sum) :
				     script_hist(gp, p, run);
	if (fclose(gp)) {
		*why = xstrdup("out of memory");
		return -1;
	}
	ret = any ? run_gnuplot(script, len, p, why) : 1;
	free(script);
	if (ret)
		return ret < 0 ? -1 : 0;
	path = xasprintf("%s/%s", run->dir, p->file);
	ret = write_file(path, p->svg, p->len);
	if (ret)
		*why = xasprintf("%s: %s", path, strerror(errno));
	free(path);
	return ret ? -1 : 1;
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

static bool has_plot(const struct plots *p, const struct cell_key *key)
{
	for (size_t i = 0; i < p->plot.n; i++)
		if (p->plot.v[i].clock == key->clock &&
		    !strcmp(p->plot.v[i].workload, key->workload))
			return true;
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

		if (has_plot(p, key))
			continue;
		for (int k = 0; k < PLOT_KINDS; k++) {
			struct plot new = { .kind = (enum plot_kind)k,
					    .clock = key->clock };
			int ret;

			memcpy(new.workload, key->workload, NAME_LEN);
			ret = draw(&new, run, sum, why);
			if (ret > 0)
				vec_push(&p->plot, new);
			else
				plot_free(&new);
			if (ret < 0)
				return -1;
		}
	}
	return 0;
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
		if (attr(s, end, " id=\"")) {
			fprintf(out, " id=\"p%zu_", number);
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
