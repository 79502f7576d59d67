// SPDX-License-Identifier: GPL-2.0
/* plot.c - pictures, drawn by gnuplot */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plot.h"

#define SVG_LIMIT ((size_t)8 << 20)

/* One colour and one dash for each known arm, and one for all others */
static const char *const colours[] = {
	"#000000", "#0072b2", "#56b4e9", "#cc79a7", "#d55e00", "#009e73",
	"#e69f00", "#882255", "#999933", "#44aa99", "#b2182b", "#1b7837",
	"#762a83", "#a6761d", "#e7298a", "#8c96c6", "#777777",
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

/* Tell gnuplot what a query returns, NULL as "-"; the number of rows */
size_t put_data(FILE *gp, const char *name, sqlite3_stmt *q)
{
	size_t rows = 0;

	fprintf(gp, "$%s << COWLAB_END\n", name);
	for (; db_next(&q); rows++) {
		int n = sqlite3_column_count(q);

		for (int i = 0; i < n; i++) {
			const char *end = i + 1 < n ? " " : "\n";

			if (sqlite3_column_type(q, i) == SQLITE_FLOAT)
				fprintf(gp, "%.17g%s", col_double(q, i), end);
			else if (sqlite3_column_type(q, i) == SQLITE_NULL)
				fprintf(gp, "-%s", end);
			else
				fprintf(gp, "%s%s", col_text(q, i), end);
		}
	}
	fputs("COWLAB_END\n", gp);
	return rows;
}

static void put_terminal(FILE *gp, int height)
{
	fprintf(gp,
		"set encoding utf8\nset terminal svg size 640,%d dynamic noenhanced font 'Helvetica,Arial,sans-serif,15' linewidth 1.3 background '#ffffff'\n"
		"set border 3 lc rgb '#666666'\nset tics nomirror\nset tmargin 3\nset grid lc rgb '#e2e2e2' lw 0.7 dt 1\n",
		height);
}

/* What every picture begins with */
void put_head(struct drawing *d, int height)
{
	put_terminal(d->gp.f, height);
	fputs("set title ", d->gp.f);
	put_quoted(d->gp.f, d->plot.title);
	fputs(" font ',15'\n", d->gp.f);
}

/* The same, for panels one above the other; "unset multiplot" ends them */
void put_multi(struct drawing *d, int height, int panels)
{
	put_terminal(d->gp.f, height);
	fprintf(d->gp.f, "set multiplot layout %d,1 title ", panels);
	put_quoted(d->gp.f, d->plot.title);
	fputs(" font ',15'\nset lmargin 10\nset xtics font ',13'\nset ytics font ',13'\n",
	      d->gp.f);
}

/* Of a picture with a key of two columns below it */
int height_with_key(size_t entries)
{
	return entries > 4 ? 410 + 22 * (int)((entries + 1) / 2) : 430;
}

/* gnuplot quotes the script, points at the spot, and ends with the reason */
static char *last_line(FILE *f)
{
	char *line = NULL, *last = xstrdup("it said nothing");
	size_t size = 0;

	while (getline(&line, &size, f) > 0) {
		char *s = line + strspn(line, " \t\n");

		s[strcspn(s, "\n")] = '\0';
		if (!*s)
			continue;
		free(last);
		last = xstrdup(s);
	}
	free(line);
	return last;
}

/* Give gnuplot a script, which draws to @path; NULL, or why it failed */
static char *run_gnuplot(const struct memo *script, const char *path,
			 const char *file)
{
	char name[] = "/tmp/cowreport-XXXXXX", *cmd, *said, *why = NULL;
	int fd = mkostemp(name, O_CLOEXEC), status;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		return xasprintf("no room for a temporary file: %s",
				 strerror(errno));
	fputs("set output '", f);
	for (; *path; path++)
		fprintf(f, *path == '\'' ? "''" : "%c", *path);
	fprintf(f, "'\n%s", script->s);
	fclose(f);
	cmd = xasprintf("gnuplot %s 2>&1", name);
	f = popen(cmd, "r");
	free(cmd);
	if (!f)
		out_of_memory();
	said = last_line(f);
	status = pclose(f);
	unlink(name);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		why = xstrdup(
			"gnuplot is not installed (apt-get install gnuplot-nox)");
	else if (status)
		why = xasprintf("gnuplot did not draw %s: %s", file, said);
	free(said);
	return why;
}

static void plot_free(struct plot *p)
{
	free(p->file);
	free(p->title);
	free(p->svg);
}

/* Begin the picture plots/<clock>-<name>.svg; @title is taken over */
void drawing_begin(struct drawing *d, const char *clock, const char *name,
		   char *title, const char *reading)
{
	d->plot = (struct plot){
		.file = xasprintf("plots/%s-%s.svg", clock, name),
		.title = title,
		.reading = reading,
	};
	memo_begin(&d->gp);
}

/* Have a picture drawn, if there is @any; 0, or -1, and @p->why says why */
int drawing_end(struct drawing *d, struct plots *p, bool any)
{
	char *path = xasprintf("%s/%s", p->dir, d->plot.file);

	size_t len;

	memo_end(&d->gp);
	if (any)
		p->why = run_gnuplot(&d->gp, path, d->plot.file);
	if (any && !p->why &&
	    (read_file(path, SVG_LIMIT, &d->plot.svg, &len) != FILE_OK ||
	     !strstr(d->plot.svg, "</svg>")))
		p->why = xasprintf("gnuplot did not draw %s", d->plot.file);
	if (p->why)
		unlink(path);
	if (any && !p->why)
		vec_push(&p->plot, d->plot);
	else
		plot_free(&d->plot);
	free(path);
	free(d->gp.s);
	return p->why ? -1 : 0;
}

/*
 * Make plots/, and take away pictures of an earlier report; 0, or -1, and
 * @p->why says why
 */
int plots_begin(struct plots *p, const char *dir)
{
	char *path = xasprintf("%s/plots", dir);
	struct dirent *d;
	DIR *list = NULL;

	*p = (struct plots){ .dir = dir };
	if (!mkdir(path, 0777) || errno == EEXIST)
		list = opendir(path);
	if (!list)
		p->why = xasprintf("%s: %s", path, strerror(errno));
	while (list && (d = readdir(list))) {
		size_t n = strlen(d->d_name);

		if (n > 4 && !strcmp(d->d_name + n - 4, ".svg"))
			unlinkat(dirfd(list), d->d_name, 0);
	}
	if (list)
		closedir(list);
	free(path);
	return p->why ? -1 : 0;
}

void plots_free(struct plots *p)
{
	for (size_t i = 0; i < p->plot.n; i++)
		plot_free(&p->plot.v[i]);
	vec_free(&p->plot);
	free(p->why);
}

/* A picture, by its name; returns the picture, or NULL */
const struct plot *plots_named(const struct plots *p, const char *clock,
			       const char *name)
{
	char *file = xasprintf("plots/%s-%s.svg", clock, name);
	const struct plot *found = NULL;

	for (size_t i = 0; i < p->plot.n && !found; i++)
		if (!strcmp(p->plot.v[i].file, file))
			found = &p->plot.v[i];
	free(file);
	return found;
}
