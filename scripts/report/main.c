// SPDX-License-Identifier: GPL-2.0
/* main.c - cowreport: from a run's folder to its report */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>

#include "findings.h"
#include "gate.h"
#include "model.h"
#include "report.h"

#ifndef COWREPORT_VERSION
#define COWREPORT_VERSION "0.1"
#endif

/* Remarks told one by one on stderr; report.md has them all */
#define TOLD 20

const char *argp_program_version = "cowreport " COWREPORT_VERSION;

static const char usage[] =
	"Turn the folder of a run into summary.csv, report.md, report.html, plots/*.svg and run.db (SQLite)."
	"\v"
	"cowreport reads env.json, dmesg.log and raw/<clock>/<arm>.<workload>.<round>/ in RUNDIR, or raw.tar.zst, in which scripts/report/pack keeps them. The results go to RUNDIR. Standard output gets Table 1 of each boot, sentences of findings, and the path of report.html.\n"
	"\n"
	"Exit status:\n"
	"  0  The report is written.\n"
	"  1  Wrong usage, bad input, or gnuplot failed: one line says what. The report is still written as far as possible. With --gate: a cost is above its limit.\n"
	"  2  Only with --check: log lines were lost or malformed, counts disagree, a cell or a round is missing, or a check of the data failed.\n"
	"\n"
	"Examples:\n"
	"  cowreport results/latest\n"
	"        Write the report; print Table 1, the findings and the path.\n"
	"  cowreport -q --check results/latest\n"
	"        Write the report, print nothing; exit with 2 if the run is not whole.\n"
	"  cowreport results/reference\n"
	"        Write the report of the reference run again, from raw.tar.zst.\n"
	"  cowreport --gate scripts/tests/gate.csv build/tests/gate\n"
	"        Compare a run with the reference costs, and print TAP.\n"
	"  sqlite3 results/latest/run.db 'SELECT arm, ns_per_page FROM writer'\n"
	"        Query the store of a run; results/README.md lists its tables.\n";

enum { OPT_GATE = 256, OPT_REBASE };

static const struct argp_option options[] = {
	{ "quiet", 'q', NULL, 0, "Print nothing on standard output", 0 },
	{ "check", 'c', NULL, 0, "Exit with 2 if the run is not whole", 0 },
	{ "gate", OPT_GATE, "FILE", 0,
	  "Write no report; compare the run with the costs in FILE and print TAP",
	  1 },
	{ "rebase", OPT_REBASE, "FILE", 0,
	  "Write no report; put the costs of the run into FILE", 1 },
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
			argp_error(state, "more than one RUNDIR");
		a->dir = arg;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(
			state,
			"RUNDIR is missing (results/latest is the last run)");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* A line on standard error */
static void PRINTF(1, 2) tell(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	fputs("cowreport: ", stderr);
	put_plain(stderr, text, strlen(text));
	fputc('\n', stderr);
	free(text);
}

static void tell_remarks(const struct run *run)
{
	sqlite3_stmt *q = db_query(
		run->db,
		CELL_SENTENCES
		"WHERE verdict = 'DISAGREE' UNION ALL SELECT text FROM problem",
		"");
	size_t held =
		run->problems > PROBLEMS_MAX ? run->problems - PROBLEMS_MAX : 0;

	if (run->has_log && !dmesg_clean(&run->dmesg)) {
		char *s = log_sentence(run);

		tell("%s", s);
		free(s);
	}
	for (size_t told = 0; db_next(&q); told++) {
		if (told < TOLD)
			tell("%s", col_text(q, 0));
		else
			held++;
	}
	if (held)
		tell("and %zu more remarks, see report.md", held);
}

#define PARTS(...)                 \
	(const struct part[])      \
	{                          \
		__VA_ARGS__,       \
		{                  \
			NULL, NULL \
		}                  \
	}

static void write_sections(const struct report *rep, struct doc *doc)
{
	void (*const rest[])(const struct report *rep, struct doc *doc) = {
		section_model,	     section_claims, section_concerns,
		section_emulation,   section_cells,  section_quality,
		section_environment, section_method,
	};

	section_findings(rep, doc);
	put_section(
		rep, doc, "Table 1, beside the study's",
		"How to read it: the left half is from the study that cowlab started from, on its hardware; the right half is this run, one service in the kernel. Each ratio is to the baseline of its own half. Between the halves only the direction of the ratios can be compared. The last two columns are what the study does not have: the whole cost per page written, with the faults that were saved.",
		"make run ARMS=\"baseline thp hugetlb next\" WORKLOADS=seq",
		PARTS({ table_study, NULL }));
	put_section(
		rep, doc, "Every arm on every workload",
		"How to read it: the cost per page written of the row's arm on the column's workload, as a ratio to baseline in the same boot, median over the rounds. Green is cheaper, red is more expensive, full colour at a half and at double. A dash was not measured: scripts/matrix says why.",
		"make run FULL=1", PARTS({ table_ratios, NULL }));
	put_section(rep, doc, "What a larger window is worth", NULL,
		    "make run ARMS=\"baseline sweep\" WORKLOADS=seq",
		    PARTS({ NULL, "sweep" }, { table_sweep, NULL }));
	put_section(rep, doc, "The tail", NULL, "make run WORKLOADS=seq",
		    PARTS({ NULL, "seq-tail" }));
	put_section(rep, doc, "Memory against time saved", NULL,
		    "make run FULL=1",
		    PARTS({ NULL, "memory" }, { table_memory, NULL }));
	put_section(rep, doc, "Redis while it saves", NULL,
		    "make run WORKLOADS=\"redis64 redis32k\"",
		    PARTS({ table_redis64, NULL }, { NULL, "redis64" },
			  { table_redis32k, NULL }, { NULL, "redis32k" }));
	put_section(rep, doc, "Redis, save after save", NULL,
		    "make run WORKLOADS=\"saves64 saves32k\"",
		    PARTS({ table_saves64, NULL }, { table_saves32k, NULL }));
	put_section(rep, doc, "A server that forks for each request", NULL,
		    "make run WORKLOADS=prefork",
		    PARTS({ table_prefork, NULL }));
	put_section(rep, doc, "gunicorn's workers", NULL,
		    "make run WORKLOADS=gunicorn CLOCK=icount",
		    PARTS({ table_web, NULL }));
	put_section(rep, doc, "Benchmarks that others wrote", NULL,
		    "make bench-peers VMSCALABILITY=DIR",
		    PARTS({ table_vmscalability, NULL },
			  { table_stressng, NULL }, { table_perfbench, NULL }));
	put_section(rep, doc, "Five operations, by folio size", NULL,
		    "make run WORKLOADS=folios", PARTS({ table_folio, NULL }));
	put_section(rep, doc, "fork() itself", NULL, "make run WORKLOADS=fork",
		    PARTS({ NULL, "fork" }, { table_fork, NULL }));
	put_section(rep, doc, "Snapshot after snapshot", NULL,
		    "make run WORKLOADS=cycles",
		    PARTS({ NULL, "cycles" }, { table_cycles, NULL }));
	put_section(rep, doc, "Where the faults are", NULL,
		    "make run ARMS=bpf-record WORKLOADS=record",
		    PARTS({ NULL, "record" }));
	put_section(rep, doc, "Private file mappings", NULL,
		    "make run WORKLOADS=filecow",
		    PARTS({ NULL, "filecow" }, { table_filecow, NULL }));
	put_section(rep, doc, "Clones of one memory file", NULL,
		    "make run WORKLOADS=clone",
		    PARTS({ NULL, "clone" }, { table_clone, NULL }));
	put_section(rep, doc, "Starts of programs", NULL,
		    "make run WORKLOADS=startup",
		    PARTS({ NULL, "startup" }, { table_startup, NULL }));
	put_section(rep, doc, "Starts of many small programs", NULL,
		    "make run WORKLOADS=programs",
		    PARTS({ table_programs, NULL }));
	put_section(rep, doc, "Too little memory for both copies", NULL,
		    "make run WORKLOADS=memory", PARTS({ table_limits, NULL }));
	put_section(rep, doc, "Scaling", NULL,
		    "make run WORKLOADS=scaling MEM=14G",
		    PARTS({ table_pages, NULL }, { table_faults, NULL },
			  { table_sizes, NULL }));
	for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
		rest[i](rep, doc);
}

static bool write_document(const struct report *rep, enum doc_kind kind,
			   FILE *out)
{
	char *title = xasprintf("cowlab run %s", rep->run->name);
	struct doc doc;

	doc_begin(&doc, kind, out, title);
	free(title);
	write_sections(rep, &doc);
	doc_end(&doc);
	return true;
}

static bool write_md(const struct report *rep, FILE *out)
{
	return write_document(rep, DOC_MD, out);
}

static bool write_html(const struct report *rep, FILE *out)
{
	return write_document(rep, DOC_HTML, out);
}

static bool write_csv(const struct report *rep, FILE *out)
{
	struct table *t = table_summary(rep);

	table_csv(t, out);
	table_free(t);
	return true;
}

static bool write_crosscheck(const struct report *rep, FILE *out)
{
	return crosscheck_page(rep->run->db, out);
}

static bool write_db(const struct report *rep, FILE *out)
{
	db_save(rep->run->db, out);
	return true;
}

/* A file of the report, and what writes it; false: there is no such file */
static const struct {
	const char *name;
	bool (*write)(const struct report *rep, FILE *out);
} files[] = {
	{ "run.db", write_db },
	{ "summary.csv", write_csv },
	{ "report.md", write_md },
	{ "report.html", write_html },
	{ "crosscheck.html", write_crosscheck },
};

/* End a text, and write it to a file; 0, or -1 after a line on standard error */
static int write_text(struct memo *memo, const char *path)
{
	int ret;

	memo_end(memo);
	ret = write_file(path, memo->s, memo->len);
	if (ret)
		tell("cannot write %s: %s", path, strerror(errno));
	free(memo->s);
	return ret;
}

static int write_files(const struct report *rep, const char *dir)
{
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *path = xasprintf("%s/%s", dir, files[i].name);
		struct memo memo;

		memo_begin(&memo);
		if (files[i].write(rep, memo.f))
			ret |= write_text(&memo, path);
		else
			free(memo_end(&memo));
		free(path);
	}
	return ret;
}

static void print_result(const struct report *rep, const char *dir)
{
	print_table1(rep, stdout);
	print_model(rep, stdout);
	for (int i = 0; i < FINDINGS; i++) {
		char *s = finding(rep->run->db, i);

		if (s)
			put_wrapped(stdout, s, TEXT_WIDTH);
		free(s);
	}
	printf("\nreport: %s/report.html\n", dir);
}

static int report(const struct run *run, const struct args *args)
{
	struct verdicts verdicts;
	struct plots plots;
	struct report rep = { .run = run, .plots = &plots };
	int ret = 0;

	tell_remarks(run);
	if (!run_has_data(run)) {
		tell("%s: nothing was measured: no readable cell under raw/, no complete segment in dmesg.log",
		     args->dir);
		ret = 1;
	}
	if (plots_begin(&plots, args->dir) || plots_cells(&plots, run) ||
	    plots_experiments(&plots, run->db) ||
	    plots_model(&plots, run->db)) {
		tell("no pictures: %s", plots.why);
		rep.plot_trouble = plots.why;
		ret = 1;
	}
	if (write_files(&rep, args->dir))
		ret = 1;
	if (!args->quiet)
		print_result(&rep, args->dir);
	if (fflush(stdout) || ferror(stdout)) {
		tell("cannot write to standard output");
		ret = 1;
	}
	if (!ret && args->check && !run_whole(run, &verdicts))
		ret = 2;
	plots_free(&plots);
	return ret;
}

/* The regression gate: judge a run, or take it for the reference */
static int gate(const struct run *run, const struct args *args)
{
	const char *path = args->gate ? args->gate : args->rebase;
	struct parse_error err;
	struct memo memo;
	struct gate gate;
	size_t len, bad;
	char *buf;
	int ret;

	if (read_file(path, 1 << 20, &buf, &len) != FILE_OK) {
		tell("%s cannot be read", path);
		return 1;
	}
	ret = gate_parse(buf, len, &gate, &err);
	free(buf);
	if (ret) {
		tell("%s is %s (line %zu: %s)", path, parse_status_name(ret),
		     err.line, err.what ? err.what : "empty");
		ret = 1;
	} else if (args->gate) {
		ret = gate_judge(&gate, run->db, &run->env, stdout) ? 1 : 0;
	} else {
		bad = gate_rebase(&gate, run->db, &run->env);
		memo_begin(&memo);
		gate_write(&gate, memo.f);
		ret = write_text(&memo, path) || bad;
		if (bad)
			tell("%s: %zu of its rows were not measured", path,
			     bad);
	}
	gate_free(&gate);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse_arg, "RUNDIR", usage,
					  NULL,	   NULL,      NULL };
	struct packed packed;
	struct args args = { 0 };
	struct run run;
	char *why;
	int ret = 1;

	argp_err_exit_status = 1;
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (packed_open(&packed, args.dir, &why)) {
		tell("%s", why);
		free(why);
	} else if (run_load(&run, packed.dir)) {
		tell("%s: %s", args.dir, strerror(errno));
	} else {
		summary_make(run.db);
		ret = args.gate || args.rebase ? gate(&run, &args) :
						 report(&run, &args);
		run_free(&run);
	}
	packed_close(&packed);
	return ret;
}
