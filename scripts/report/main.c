// SPDX-License-Identifier: GPL-2.0
/* main.c - cowreport: from a run's folder to its report */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>

#include "crosscheck.h"
#include "gate.h"
#include "render.h"

#ifndef COWREPORT_VERSION
#define COWREPORT_VERSION "0.1"
#endif

/* Remarks told one by one on stderr; report.md has them all */
#define TOLD 20

const char *argp_program_version = "cowreport " COWREPORT_VERSION;

static const char doc[] =
	"Turn a run's folder into summary.csv, report.md, report.html and plots/*.svg."
	"\v"
	"Reads env.json, dmesg.log and raw/<clock>/<arm>.<workload>.<round>/ in RUNDIR, writes its files there too, and prints Table 1 and the path of report.html.\n"
	"\n"
	"EXAMPLES\n"
	"  cowreport results/latest\n"
	"        # write the report, print Table 1\n"
	"  cowreport -q --check results/latest\n"
	"        # print nothing, say by exit status whether the run is whole\n"
	"  cowreport --gate scripts/tests/gate.csv build/tests/gate\n"
	"        # as TAP: has anything got worse than the reference?\n"
	"\n"
	"EXIT STATUS\n"
	"  0  the report is written\n"
	"  1  bad input, or gnuplot failed: one line says what; what can be written is written\n"
	"  1  --gate: something got worse\n"
	"  2  --check only: log lines were lost or malformed, counts disagree, a cell or a round is missing, or a check of the data failed\n";

enum { OPT_GATE = 256, OPT_REBASE };

static const struct argp_option options[] = {
	{ "quiet", 'q', NULL, 0, "Print nothing on stdout", 0 },
	{ "check", 'c', NULL, 0, "Exit with 2 where the run is not whole", 0 },
	{ "gate", OPT_GATE, "FILE", 0,
	  "Write no report; compare with this reference and print TAP", 1 },
	{ "rebase", OPT_REBASE, "FILE", 0,
	  "Write no report; put this run's numbers into this reference", 1 },
	{ 0 },
};

struct args {
	bool quiet, check;
	const char *gate, *rebase;
	const char *dir;
};

static error_t parse_arg(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'q':
		a->quiet = true;
		break;
	case 'c':
		a->check = true;
		break;
	case OPT_GATE:
		a->gate = arg;
		break;
	case OPT_REBASE:
		a->rebase = arg;
		break;
	case ARGP_KEY_ARG:
		if (a->dir)
			argp_error(state, "one RUNDIR only");
		a->dir = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state,
			   "which RUNDIR? (results/latest is the last run)");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void tell(const char *text)
{
	fputs("cowreport: ", stderr);
	put_plain(stderr, text, strlen(text));
	fputc('\n', stderr);
}

static void tell_owned(char *text)
{
	tell(text);
	free(text);
}

static void tell_remarks(const struct run *run)
{
	size_t told = 0, held = run->more_problems;

	if (run->has_log && !dmesg_clean(&run->dmesg))
		tell_owned(log_sentence(run));
	for (size_t i = 0; i < run->cell.n; i++) {
		struct cross_check x;

		cross_check_cell(&run->cell.v[i], &x);
		if (x.verdict != VERDICT_DISAGREE)
			continue;
		if (told++ < TOLD)
			tell_owned(check_sentence(run, &run->cell.v[i], &x));
		else
			held++;
	}
	for (size_t i = 0; i < run->problem.n; i++) {
		if (told++ < TOLD)
			tell(run->problem.v[i].text);
		else
			held++;
	}
	if (held)
		tell_owned(
			xasprintf("and %zu more remarks, see report.md", held));
}

typedef void (*render_fn)(const struct report *rep, FILE *out);

static void render_csv(const struct report *rep, FILE *out)
{
	summary_write_csv(rep->sum, out);
	crosscheck_rows(rep->run->dir, out);
}

static void render_md(const struct report *rep, FILE *out)
{
	render(rep, &doc_md, out);
}

static void render_html(const struct report *rep, FILE *out)
{
	render(rep, &doc_html, out);
}

static int write_part(const struct report *rep, const char *name,
		      render_fn render)
{
	char *path = xasprintf("%s/%s", rep->run->dir, name);
	char *buf = NULL;
	size_t len = 0;
	int ret = -1;
	FILE *f;

	f = open_memstream(&buf, &len);
	if (f) {
		render(rep, f);
		ret = ferror(f);
		if (fclose(f))
			ret = -1;
	}
	if (!ret)
		ret = write_file(path, buf, len);
	if (ret)
		tell_owned(xasprintf("cannot write %s: %s", path,
				     strerror(errno)));
	free(buf);
	free(path);
	return ret;
}

static void print_tables(const struct report *rep)
{
	struct views v;

	views_make(&v, rep->run);
	for (size_t i = 0; i < v.view.n; i++) {
		table_print_service(rep->run, rep->sum, v.view.v[i].clock,
				    v.view.v[i].workload, stdout);
		putchar('\n');
	}
	if (v.view.n) {
		put_wrapped(stdout, table_service_note, TEXT_WIDTH);
		putchar('\n');
	}
	vec_free(&v.view);
	printf("report: %s/report.html\n", rep->run->dir);
}

static int report(const struct run *run, const struct args *args)
{
	struct verdicts verdicts;
	struct summary sum;
	struct plots plots;
	struct report rep = { .run = run, .sum = &sum, .plots = &plots };
	char *trouble = NULL;
	int ret = 0;

	summary_make(&sum, run);
	verdicts_count(&verdicts, run);
	tell_remarks(run);
	if (!run_has_data(run)) {
		tell_owned(xasprintf(
			"%s: nothing was measured: no readable cell under raw/, no complete segment in dmesg.log",
			run->dir));
		ret = 1;
	}
	if (plots_make(&plots, run, &sum, &trouble)) {
		tell_owned(xasprintf("no pictures: %s", trouble));
		rep.plot_trouble = trouble;
		ret = 1;
	}
	if (write_part(&rep, "summary.csv", render_csv) ||
	    write_part(&rep, "report.md", render_md) ||
	    write_part(&rep, "report.html", render_html))
		ret = 1;
	if (crosscheck_page(run->dir)) {
		tell_owned(xasprintf("cannot write %s/crosscheck.html: %s",
				     run->dir, strerror(errno)));
		ret = 1;
	}
	if (!args->quiet)
		print_tables(&rep);
	if (fflush(stdout) || ferror(stdout)) {
		tell("cannot write to stdout");
		ret = 1;
	}
	if (!ret && args->check &&
	    (verdicts.disagree || verdicts.incomplete || verdicts.broken ||
	     !dmesg_clean(&run->dmesg)))
		ret = 2;
	plots_free(&plots);
	summary_free(&sum);
	free(trouble);
	return ret;
}

/* Write @gate to @path, if that went well; 0 or -1 */
static int write_gate(const struct gate *gate, const char *path)
{
	char *buf = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&buf, &len);
	int ret = -1;

	if (f) {
		gate_write(gate, f);
		ret = fclose(f) ? -1 : write_file(path, buf, len);
	}
	if (ret)
		tell_owned(xasprintf("cannot write %s: %s", path,
				     strerror(errno)));
	free(buf);
	return ret;
}

/* The regression gate: judge a run, or take it for the reference */
static int gate(const struct run *run, const struct args *args)
{
	const char *path = args->gate ? args->gate : args->rebase;
	struct parse_error err;
	struct summary sum;
	struct gate gate;
	size_t len, bad;
	char *buf;
	int ret;

	if (read_file(path, 1 << 20, &buf, &len) != FILE_OK) {
		tell_owned(xasprintf("%s cannot be read", path));
		return 1;
	}
	summary_make(&sum, run);
	ret = gate_parse(buf, len, &gate, &err);
	free(buf);
	if (ret) {
		tell_owned(xasprintf("%s is %s (line %zu: %s)", path,
				     parse_status_name(ret), err.line,
				     err.what ? err.what : "empty"));
		ret = 1;
	} else if (args->gate) {
		ret = gate_judge(&gate, &sum, &run->env, stdout) ? 1 : 0;
	} else {
		bad = gate_rebase(&gate, &sum, &run->env);
		ret = write_gate(&gate, path) || bad;
		if (bad)
			tell_owned(xasprintf(
				"%s: %zu of its rows were not measured", path,
				bad));
	}
	gate_free(&gate);
	summary_free(&sum);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse_arg, "RUNDIR", doc,
					  NULL,	   NULL,      NULL };
	struct args args = { 0 };
	struct run run;
	int ret = 1;

	argp_err_exit_status = 1;
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (run_load(&run, args.dir))
		tell_owned(xasprintf("%s: %s", args.dir, strerror(errno)));
	else if (args.gate || args.rebase)
		ret = gate(&run, &args);
	else
		ret = report(&run, &args);
	run_free(&run);
	return ret;
}
