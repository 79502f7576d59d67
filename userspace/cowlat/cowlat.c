// SPDX-License-Identifier: GPL-2.0
/*
 * cowlat - how long copy-on-write faults take, on any kernel that has BTF
 *
 * cowlat.bpf.c aggregates in the kernel. This program tells it what to count, and
 * shows the result.
 */
#include <argp.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "breakdown.h"
#include "common/process.h"
#include "cowlat.skel.h"
#include "fail.h"
#include "probe.h"
#include "show.h"

#define ALL_STAGES ((1U << NR_STAGES) - 1)
/* 180 MB of the kernel's memory. */
#define MOST_ROWS 65536

enum {
	OPT_PROBE = 256,
	OPT_MAX_ROWS,
	OPT_BREAKDOWN,
};

/**
 * struct env - what the command line asks for
 * @want: what to count
 * @unit: unit of the times shown
 * @duration: seconds until the end; 0: until Ctrl-C
 * @interval: seconds between reports; 0: one report, at the end
 * @timestamp: print the time of day with each report
 * @json: print JSON
 * @verbose: print libbpf's messages
 * @breakdown: split cowlat's own faults into parts instead
 * @other: an option that @breakdown has no use for; NULL: none
 */
struct env {
	struct want want;
	struct unit unit;
	double duration;
	double interval;
	bool timestamp;
	bool json;
	bool verbose;
	bool breakdown;
	const char *other;
};

const char *argp_program_version = "cowlat 1.0";

static const struct argp_option options[] = {
	{ "pid", 'p', "PID", 0, "Count only this process", 1 },
	{ "comm", 'c', "COMM", 0, "Count only threads of this name", 1 },
	{ "duration", 'd', "SECONDS", 0, "Stop after this time", 1 },
	{ "interval", 'i', "SECONDS", 0,
	  "Report once per interval; each report covers its interval alone",
	  1 },
	{ "timestamp", 'T', NULL, 0, "Show the time of day with each report",
	  1 },
	{ "milliseconds", 'm', NULL, 0,
	  "Times in milliseconds, not nanoseconds", 2 },
	{ "microseconds", 'u', NULL, 0, "Times in microseconds", 2 },
	{ "stage", 's', "STAGE", 0,
	  "What to time: fault (default, with hugetlb_copy), copy, file_fault, huge_copy, hugetlb_copy, pmd_split, a comma-separated list of these, or all; all except fault and file_fault need a patched kernel",
	  2 },
	{ "processes", 'P', NULL, 0,
	  "Show the processes with the most fault time", 2 },
	{ "addresses", 'a', NULL, 0,
	  "Show the address ranges with the most fault time: heap, stack, file, or addresses",
	  2 },
	{ "json", 'j', NULL, 0,
	  "Print one JSON object per report, times in nanoseconds", 2 },
	{ "breakdown", OPT_BREAKDOWN, NULL, 0,
	  "Split the time of cowlat's own COW faults into parts, those of -s file_fault if it says so; with -j, -s and -v only",
	  2 },
	{ "probe", OPT_PROBE, "METHOD[:FUNCTION]", 0,
	  "Probe faults by tracepoint, fentry or kprobe, instead of by the first of these that the kernel has",
	  3 },
	{ "max-rows", OPT_MAX_ROWS, "N", 0,
	  "Rows that -P and -a can hold (default 4096, at most 65536); the kernel takes 2.7 KB for each, and faults beyond these are counted as lost",
	  3 },
	{ "verbose", 'v', NULL, 0, "Print libbpf's messages", 3 },
	{ 0 }
};

static const char doc[] =
	"Show how long copy-on-write faults take, as a histogram.\n"
	"\n"
	"With the cow:* tracepoints, the time is the kernel's own. On other "
	"kernels it is the time of the function that serves the fault. cowlat "
	"prints which one it uses."
	"\v"
	"Examples:\n"
	"  cowlat                 # all processes, until Ctrl-C\n"
	"  cowlat -p 181 -d 10    # process 181, for ten seconds\n"
	"  cowlat -u -i 1 -T      # a histogram each second, in microseconds\n"
	"  cowlat -c redis-server -a\n"
	"                         # which of Redis' address ranges pay\n"
	"  cowlat -P -d 60        # which processes pay most\n"
	"  cowlat -s copy         # the copy alone (patched kernel)\n"
	"  cowlat --breakdown     # the parts of one fault\n"
	"  cowlat --breakdown -s file_fault\n"
	"                         # of a first write to a private file page\n"
	"  cowlat -j -d 5 | jq .stages[0].p99\n"
	"\n"
	"Exit status: 0, or 1 after an error or when the process of -p has ended.\n";

static double seconds(const char *option, const char *text)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (errno || end == text || *end || !(v >= 0.01 && v <= 1e8))
		fail("invalid %s '%s': expected seconds, 0.01 or more", option,
		     text);
	return v;
}

static __u32 number(const char *option, const char *text, __u32 max)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || !v || v > max)
		fail("invalid %s '%s': expected a number from 1 to %u", option,
		     text, max);
	return v;
}

static unsigned int stages(const char *list)
{
	unsigned int found = 0, i;
	const char *at = list;

	if (!strcmp(list, "all"))
		return ALL_STAGES;
	for (;;) {
		size_t len = strcspn(at, ",");

		for (i = 0; i < NR_STAGES; i++)
			if (strlen(stage_names[i]) == len &&
			    !strncmp(stage_names[i], at, len))
				break;
		if (i == NR_STAGES)
			fail("invalid -s '%s': expected fault, copy, file_fault, huge_copy, hugetlb_copy, pmd_split or all",
			     list);
		found |= 1U << i;
		if (!at[len])
			return found;
		at += len + 1;
	}
}

static void set_unit(struct env *env, unsigned int ns, const char *name)
{
	if (env->unit.ns != 1 && env->unit.ns != ns)
		fail("-m and -u exclude each other");
	env->unit = (struct unit){ ns, name };
}

static void set_rows(struct env *env, enum cowlat_rows rows)
{
	if (env->want.rows != ROWS_NONE && env->want.rows != rows)
		fail("-P and -a exclude each other");
	env->want.rows = rows;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct env *env = state->input;
	size_t i;

	for (i = 0; options[i].name; i++)
		if (options[i].key == key && key != 'j' && key != 's' &&
		    key != 'v' && key != OPT_BREAKDOWN)
			env->other = options[i].name;
	switch (key) {
	case 'p':
		env->want.tgid = number("-p", arg, 1 << 22);
		break;
	case 'c':
		if (!*arg || strlen(arg) >= COWLAT_COMM)
			fail("invalid -c '%s': expected a name of 1 to %d characters",
			     arg, COWLAT_COMM - 1);
		env->want.comm = arg;
		break;
	case 'd':
		env->duration = seconds("-d", arg);
		break;
	case 'i':
		env->interval = seconds("-i", arg);
		break;
	case 'T':
		env->timestamp = true;
		break;
	case 'm':
		set_unit(env, 1000000, "msecs");
		break;
	case 'u':
		set_unit(env, 1000, "usecs");
		break;
	case 's':
		env->want.stages = stages(arg);
		break;
	case 'P':
		set_rows(env, ROWS_PROCESS);
		break;
	case 'a':
		set_rows(env, ROWS_RANGE);
		break;
	case 'j':
		env->json = true;
		break;
	case OPT_PROBE:
		env->want.way = arg;
		break;
	case OPT_MAX_ROWS:
		env->want.max_rows = number("--max-rows", arg, MOST_ROWS);
		break;
	case OPT_BREAKDOWN:
		env->breakdown = true;
		break;
	case 'v':
		env->verbose = true;
		break;
	case ARGP_KEY_ARG:
		fail("unexpected argument '%s'; see cowlat --help", arg);
	case ARGP_KEY_END:
		if (env->breakdown && env->other)
			fail("--breakdown measures a writer of its own: it excludes --%s",
			     env->other);
		if (env->breakdown && env->want.stages != WHOLE_FAULTS &&
		    env->want.stages != 1U << STAGE_FAULT &&
		    env->want.stages != 1U << STAGE_FILE_FAULT)
			fail("--breakdown has the parts of two stages: expected -s fault or -s file_fault");
		/* A stage that is part of another must not be counted twice. */
		if (env->want.rows != ROWS_NONE &&
		    env->want.stages != WHOLE_FAULTS &&
		    env->want.stages & (env->want.stages - 1))
			fail("-P and -a work with one stage of -s only");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int loud(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	return vfprintf(stderr, fmt, ap);
}

/* A descriptor that becomes readable when the process ends; -1: all processes. */
static int watch_process(__u32 tgid)
{
	char path[64], line[256];
	unsigned int leader = 0;
	FILE *f;
	int fd;

	if (!tgid)
		return -1;
	snprintf(path, sizeof(path), "/proc/%u/status", tgid);
	f = fopen(path, "re");
	if (!f)
		fail("-p %u: no such process", tgid);
	while (fgets(line, sizeof(line), f) &&
	       sscanf(line, "Tgid: %u", &leader) != 1)
		;
	fclose(f);
	if (leader && leader != tgid)
		fail("-p %u: a thread of process %u; give that number instead",
		     tgid, leader);
	fd = syscall(SYS_pidfd_open, tgid, 0);
	if (fd < 0)
		fail("-p %u: %s", tgid,
		     errno == ESRCH ? "no such process" : strerror(errno));
	return fd;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * Wait until no BPF program still writes to the half that is to be read. The
 * programs run inside an RCU section.
 */
static void wait_for_programs(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(10000);
}

static void take_hists(struct probe *probe, int bank, struct report *report)
{
	const int fd = bpf_map__fd(probe->skel->maps.hists);
	const int cpus = libbpf_num_possible_cpus();
	struct cowlat_hist *parts;
	__u32 stage, index;
	int cpu;

	parts = calloc(cpus, sizeof(*parts));
	if (!parts)
		fail("no memory for %d CPUs", cpus);
	memset(report->hists, 0, sizeof(report->hists));
	for (stage = 0; stage < NR_STAGES; stage++) {
		index = bank * NR_STAGES + stage;
		if (bpf_map_lookup_elem(fd, &index, parts))
			fail("cannot read the histogram: %s", strerror(errno));
		for (cpu = 0; cpu < cpus; cpu++)
			hist_merge(&report->hists[stage], &parts[cpu]);
		memset(parts, 0, cpus * sizeof(*parts));
		bpf_map_update_elem(fd, &index, parts, BPF_ANY);
	}
	free(parts);
}

static void take_rows(struct probe *probe, int bank, struct report *report,
		      __u32 max_rows)
{
	struct bpf_map *map = bank ? probe->skel->maps.rows_odd :
				     probe->skel->maps.rows_even;
	const int fd = bpf_map__fd(map);
	struct counted *rows = report->rows;

	report->nr_rows = 0;
	while (report->nr_rows < max_rows &&
	       !bpf_map_get_next_key(fd, NULL, &rows[report->nr_rows].key)) {
		struct counted *c = &rows[report->nr_rows];

		if (!bpf_map_lookup_elem(fd, &c->key, &c->row) && c->row.count)
			report->nr_rows++;
		bpf_map_delete_elem(fd, &c->key);
	}
}

/* Show what was counted since the last report. */
static void report_interval(const struct env *env, struct probe *probe,
			    struct report *report)
{
	const int bank = probe->skel->bss->bank;
	double at = now();
	__u64 missed;

	probe->skel->bss->bank = !bank;
	wait_for_programs();
	take_hists(probe, bank, report);
	if (report->rows_of != ROWS_NONE)
		take_rows(probe, bank, report, env->want.max_rows);
	missed = probe_missed(probe);
	report->missed = missed - report->missed_before;
	report->missed_before = missed;
	report->seconds = at - report->since;
	report->since = at;
	if (env->json)
		show_json(report, env->timestamp);
	else
		show_text(report, &env->unit, env->timestamp);
	if (fflush(stdout))
		fail("cannot write: %s", strerror(errno));
}

/* Report until the end; false if the process ended. */
static bool watch(const struct env *env, struct probe *probe,
		  struct report *report, int signals, int process)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = process, .events = POLLIN },
	};
	double start = now(), next = start, end = start + env->duration;

	if (env->interval)
		next += env->interval;
	for (;;) {
		double until = env->interval ? next : end;
		int ms = -1;

		if (env->duration && end < until)
			until = end;
		if (env->interval || env->duration) {
			double left = (until - now()) * 1000;

			ms = left <= 0 ? 0 : left < 1e9 ? left + 1 : 1e9;
		}
		if (poll(fds, 2, ms) < 0 && errno != EINTR)
			fail("poll: %s", strerror(errno));
		if (fds[0].revents || fds[1].revents)
			return !fds[1].revents;
		if (env->duration && now() >= end)
			return true;
		if (env->interval && now() >= next) {
			report_interval(env, probe, report);
			/* After a stop, one report covers all intervals missed. */
			do
				next += env->interval;
			while (next <= now());
		}
	}
}

/* Print what is timed, in lines of less than 80 columns. */
static void announce(const struct probe *probe)
{
	const char *at = probe->meaning;
	size_t width = 0;

	fprintf(stderr,
		"Tracing COW faults by %s... Hit Ctrl-C to end.\nTimed:",
		probe->way);
	width = strlen("Timed:");
	while (*at) {
		size_t len = strcspn(at, " ");

		if (width + 1 + len >= 79) {
			fputc('\n', stderr);
			width = 0;
		} else {
			fputc(' ', stderr);
			width++;
		}
		fwrite(at, 1, len, stderr);
		width += len;
		at += len;
		at += *at == ' ';
	}
	fputs(".\n\n", stderr);
}

int main(int argc, char **argv)
{
	static struct report report;
	struct env env = {
		.want = { .stages = WHOLE_FAULTS, .max_rows = 4096 },
		.unit = { 1, "nsecs" },
	};
	struct probe probe;
	int signals, process;
	bool natural;

	argp_err_exit_status = 1;
	argp_parse(&argp, argc, argv, 0, NULL, &env);
	libbpf_set_print(env.verbose ? loud : quiet);
	process = watch_process(env.want.tgid);
	probe_require_bpf();
	if (env.breakdown) {
		breakdown_run(env.json,
			      env.want.stages == 1U << STAGE_FILE_FAULT ?
				      STAGE_FILE_FAULT :
				      STAGE_FAULT);
		return 0;
	}
	signals = signals_open();
	if (signals < 0)
		fail("signalfd: %s", strerror(errno));
	probe_attach(&probe, &env.want);

	report.way = probe.way;
	report.meaning = probe.meaning;
	report.stages = env.want.stages;
	report.rows_of = env.want.rows;
	if (env.want.rows != ROWS_NONE) {
		report.rows = calloc(env.want.max_rows, sizeof(*report.rows));
		if (!report.rows)
			fail("no memory for %u rows", env.want.max_rows);
	}
	report.since = now();
	announce(&probe);
	natural = watch(&env, &probe, &report, signals, process);
	probe_detach(&probe);
	report_interval(&env, &probe, &report);
	probe_free(&probe);
	free(report.rows);
	if (!natural)
		fail("process %u has ended", env.want.tgid);
	return 0;
}
