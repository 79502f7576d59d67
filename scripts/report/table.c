// SPDX-License-Identifier: GPL-2.0
/* table.c - the report's tables, before they are text, Markdown or HTML */
#define _GNU_SOURCE
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

#include "table.h"

#define DASH "-"

/**
 * table_new - begin a table
 * @head: heads of the columns; they must outlive it
 * @ncol: how many, at most TABLE_COLS
 * @left: a bit for each column that is set flush left
 *
 * Return: the table.
 */
struct table *table_new(const char *const *head, size_t ncol, unsigned int left)
{
	struct table *t = xzalloc(sizeof(*t));

	assert(ncol <= TABLE_COLS);
	t->ncol = ncol;
	for (size_t i = 0; i < t->ncol; i++)
		t->head[i] = head[i];
	t->left = left;
	return t;
}

static char *vtext(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		return xstrdup("?");
	return s;
}

/**
 * table_put - fill the next cell
 * @t: the table
 * @fmt: as in printf()
 */
void table_put(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vec_push(&t->cell, vtext(fmt, ap));
	va_end(ap);
}

/**
 * table_note - add a line under the table
 * @t: the table
 * @fmt: as in printf()
 */
void table_note(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vec_push(&t->note, vtext(fmt, ap));
	va_end(ap);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->cell.n; i++)
		free(t->cell.v[i]);
	for (size_t i = 0; i < t->note.n; i++)
		free(t->note.v[i]);
	vec_free(&t->cell);
	vec_free(&t->note);
	free(t->title);
	free(t);
}

static void widths(const struct table *t, size_t *w)
{
	assert(t->ncol > 0);
	for (size_t i = 0; i < t->ncol; i++)
		w[i] = strlen(t->head[i]);
	for (size_t i = 0; i < t->cell.n; i++) {
		size_t n = strlen(t->cell.v[i]);

		if (n > w[i % t->ncol])
			w[i % t->ncol] = n;
	}
}

static size_t width_with(const struct table *t, size_t gap)
{
	size_t w[TABLE_COLS], sum = 0;

	widths(t, w);
	for (size_t i = 0; i < t->ncol; i++)
		sum += w[i] + (i ? gap : 0);
	return sum;
}

/**
 * table_width - how wide table_print() must make it at least
 * @t: the table
 *
 * Return: columns of the terminal.
 */
size_t table_width(const struct table *t)
{
	return width_with(t, 1);
}

/**
 * put_wrapped - print a paragraph
 * @out: where
 * @s: its text, printed as put_plain() does
 * @width: columns it may take
 */
void put_wrapped(FILE *out, const char *s, size_t width)
{
	size_t col = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (col && col + 1 + n > width) {
			fputc('\n', out);
			col = 0;
		}
		if (col) {
			fputc(' ', out);
			col++;
		}
		put_plain(out, s, n);
		col += n;
		s += n;
		s += strspn(s, " ");
	}
	fputc('\n', out);
}

static void print_row(const struct table *t, char *const *cell,
		      const char *const *head, const size_t *w, size_t gap,
		      FILE *out)
{
	for (size_t i = 0; i < t->ncol; i++) {
		/* cppcheck-suppress nullPointer ; one of them is given */
		const char *s = cell ? cell[i] : head[i];
		int pad = (int)(w[i] - strlen(s));

		if (i)
			fprintf(out, "%*s", (int)gap, "");
		if (!(t->left & 1u << i))
			fprintf(out, "%*s", pad, "");
		put_plain(out, s, strlen(s));
		if (t->left & 1u << i && i + 1 < t->ncol)
			fprintf(out, "%*s", pad, "");
	}
	fputc('\n', out);
}

/**
 * table_print - print a table as text
 * @t: the table
 * @out: where
 */
void table_print(const struct table *t, FILE *out)
{
	size_t gap = width_with(t, 2) <= TEXT_WIDTH ? 2 : 1;
	size_t w[TABLE_COLS];

	widths(t, w);
	put_wrapped(out, t->title, TEXT_WIDTH);
	print_row(t, NULL, t->head, w, gap, out);
	for (size_t i = 0; i < width_with(t, gap); i++)
		fputc('-', out);
	fputc('\n', out);
	for (size_t i = 0; i + t->ncol <= t->cell.n; i += t->ncol)
		print_row(t, t->cell.v + i, NULL, w, gap, out);
	for (size_t i = 0; i < t->note.n; i++)
		put_wrapped(out, t->note.v[i], TEXT_WIDTH);
}

static void put_ns(struct table *t, uint64_t ns, enum density density)
{
	double v = (double)ns;

	if (ns == NONE)
		table_put(t, DASH);
	else if (density >= DENSE_MS && v >= 1e10)
		table_put(t, "%.4gs", v / 1e9);
	else if (density >= DENSE_MS && v >= 1e7)
		table_put(t, "%.4gms", v / 1e6);
	else if (density >= DENSE_ALL && v >= 1e6)
		table_put(t, "%.3gms", v / 1e6);
	else if (density >= DENSE_ALL && v >= 1e5)
		table_put(t, "%.3gus", v / 1e3);
	else
		table_put(t, "%" PRIu64, ns);
}

static void put_count(struct table *t, uint64_t n, enum density density)
{
	if (n == NONE)
		table_put(t, DASH);
	else if (density >= DENSE_ALL && n >= 1000000)
		table_put(t, "%.3gM", (double)n / 1e6);
	else
		table_put(t, "%" PRIu64, n);
}

static void put_double(struct table *t, double v, int decimals,
		       enum density density)
{
	if (isnan(v))
		table_put(t, DASH);
	else if (density >= DENSE_ALL && fabs(v) >= 1e5)
		table_put(t, "%.3gms", v / 1e6);
	else
		table_put(t, "%.*f", decimals, v);
}

static void put_spread(struct table *t, double min, double max)
{
	if (isnan(min))
		table_put(t, DASH);
	else
		table_put(t, "%.3f..%.3f", min, max);
}

static uint64_t avg_of(const struct summary_row *r)
{
	return r && !isnan(r->lat.avg) ? round_u64(r->lat.avg) : NONE;
}

/* How many rounds went into each arm's row of a source; to be freed */
static char *rounds_of(const struct summary *sum, enum cow_clock clock,
		       const char *workload, enum source source)
{
	size_t least = SIZE_MAX, most = 0;
	char *list = xstrdup("");

	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];
		const char *stage = source == SRC_USER ? "touch" :
							 service_stage(r->arm);
		char *longer;

		if (r->clock != clock || r->source != source ||
		    strcmp(r->workload, workload) || strcmp(r->stage, stage) ||
		    is_sweep(r->arm))
			continue;
		least = r->rounds < least ? r->rounds : least;
		most = r->rounds > most ? r->rounds : most;
		longer = xasprintf("%s%s%s %zu", list, *list ? ", " : "",
				   r->arm, r->rounds);
		free(list);
		list = longer;
	}
	if (!most) {
		free(list);
		return xstrdup("none");
	}
	if (least == most) {
		free(list);
		return xasprintf("%zu in every arm", most);
	}
	return list;
}

static void note_rounds(struct table *t, const struct summary *sum,
			enum cow_clock clock, const char *workload)
{
	char *svc = rounds_of(sum, clock, workload, SRC_DEBUGFS);
	char *user = rounds_of(sum, clock, workload, SRC_USER);

	if (!strcmp(svc, user))
		table_note(t, "Rounds: %s.", user);
	else
		table_note(
			t,
			"Rounds: of the quiet pass %s; of the listening pass %s.",
			user, svc);
	free(svc);
	free(user);
}

/* Call fn once for every arm of a clock and workload, in order */
static void each_arm(const struct run *run, enum cow_clock clock,
		     const char *workload,
		     void (*fn)(const struct cell_key *key, void *arg),
		     void *arg)
{
	for (size_t i = 0; i < run->cell.n; i = run_group_end(run, i)) {
		const struct cell_key *key = &run->cell.v[i].key;

		if (key->clock == clock && !strcmp(key->workload, workload) &&
		    !is_sweep(key->arm))
			fn(key, arg);
	}
}

struct arm_arg {
	struct table *t;
	const struct summary *sum;
	enum density density;
};

static void service_arm(const struct cell_key *key, void *arg)
{
	struct arm_arg *a = arg;
	const struct summary_row *svc, *user;
	struct latency lat;
	struct table *t = a->t;

	svc = service_row(a->sum, key->clock, key->arm, key->workload);
	user = touch_row(a->sum, key->clock, key->arm, key->workload);
	latency_init(&lat);
	if (svc)
		lat = svc->lat;
	table_put(t, "%.*s", a->density == DENSE_ALL ? 14 : NAME_LEN, key->arm);
	put_ns(t, avg_of(svc), a->density);
	put_ns(t, lat.min, a->density);
	put_ns(t, lat.p50, a->density);
	put_ns(t, lat.p99, a->density);
	put_ns(t, lat.p999, a->density);
	put_ns(t, lat.max, a->density);
	put_count(t, svc ? svc->faults : NONE, a->density);
	put_double(t, user ? user->ns_per_page : NAN, 1, a->density);
	put_double(t, user ? user->ratio : NAN, 3, a->density);
	put_spread(t, user ? user->ratio_min : NAN,
		   user ? user->ratio_max : NAN);
}

const char table_service_note[] =
	"avg to max: one service in the kernel (debugfs, stage fault; hugetlb: stage hugetlb_copy, the 2 MiB copy alone), percentiles: median over the rounds; faults: sum over the rounds, same pass. ns per page written: time over 4 KiB pages with nobody listening, median over the rounds; ratio: median of the rounds' ratios to baseline of the same boot, spread: least..largest.";

/**
 * table_service - Table 1: what a COW fault costs
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 * @workload: the workload
 * @density: how to write numbers
 *
 * Return: the table.
 */
struct table *table_service(const struct run *run, const struct summary *sum,
			    enum cow_clock clock, const char *workload,
			    enum density density)
{
	static const char *const full[] = {
		"arm",
		"avg",
		"min",
		"p50",
		"p99",
		"p99.9",
		"max",
		"faults",
		"ns per page written",
		"ratio to baseline",
		"spread of ratio",
	};
	static const char *const brief[] = {
		"arm", "avg",	 "min",	    "p50",   "p99",    "p99.9",
		"max", "faults", "ns/page", "ratio", "spread",
	};
	struct arm_arg a = { .sum = sum, .density = density };
	char *label = env_label(&run->env, clock);
	char *meaning = env_meaning(&run->env, clock);

	a.t = table_new(density == DENSE_NO ? full : brief, ARRAY_SIZE(full),
			1);
	a.t->title = xasprintf("Table 1. COW fault service, ns: %s (%s)",
			       workload, label);
	each_arm(run, clock, workload, service_arm, &a);
	table_note(a.t, "%s", meaning);
	if (density == DENSE_NO)
		table_note(a.t, "%s", table_service_note);
	note_rounds(a.t, sum, clock, workload);
	free(label);
	free(meaning);
	return a.t;
}

/**
 * table_print_service - print Table 1 in TEXT_WIDTH columns
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 * @workload: the workload
 * @out: where
 */
void table_print_service(const struct run *run, const struct summary *sum,
			 enum cow_clock clock, const char *workload, FILE *out)
{
	for (int d = DENSE_TEXT; d < DENSE_END; d++) {
		struct table *t = table_service(run, sum, clock, workload,
						(enum density)d);
		bool fits = table_width(t) <= TEXT_WIDTH;

		if (fits || d + 1 == DENSE_END)
			table_print(t, out);
		table_free(t);
		if (fits)
			break;
	}
}

static void touch_arm(const struct cell_key *key, void *arg)
{
	struct arm_arg *a = arg;
	const struct summary_row *r;
	struct latency lat;
	struct table *t = a->t;

	r = touch_row(a->sum, key->clock, key->arm, key->workload);
	latency_init(&lat);
	if (r)
		lat = r->lat;
	table_put(t, "%s", key->arm);
	put_count(t, lat.count, a->density);
	put_ns(t, avg_of(r), a->density);
	put_ns(t, lat.min, a->density);
	put_ns(t, lat.p50, a->density);
	put_ns(t, lat.p90, a->density);
	put_ns(t, lat.p99, a->density);
	put_ns(t, lat.p999, a->density);
	put_ns(t, lat.max, a->density);
	put_count(t, r ? r->faults : NONE, a->density);
	put_count(t, r ? r->touched : NONE, a->density);
	put_count(t, r ? r->copied : NONE, a->density);
	put_count(t, r ? r->wasted : NONE, a->density);
	put_double(t, r ? r->ns_per_page : NAN, 1, a->density);
	put_double(t, r ? r->overhead : NAN, 1, a->density);
}

/**
 * table_touch - Table 2: what the writer saw
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 * @workload: the workload
 *
 * Return: the table.
 */
struct table *table_touch(const struct run *run, const struct summary *sum,
			  enum cow_clock clock, const char *workload)
{
	static const char *const head[] = {
		"arm",	  "writes",	   "avg",
		"min",	  "p50",	   "p90",
		"p99",	  "p99.9",	   "max",
		"faults", "pages touched", "copied",
		"wasted", "ns per page",   "overhead per page",
	};
	struct arm_arg a = { .sum = sum, .density = DENSE_NO };
	char *label = env_label(&run->env, clock);
	char *meaning = env_meaning(&run->env, clock);

	a.t = table_new(head, ARRAY_SIZE(head), 1);
	a.t->title =
		xasprintf("Table 2. What the writer saw, ns a write: %s (%s)",
			  workload, label);
	each_arm(run, clock, workload, touch_arm, &a);
	table_note(a.t, "%s", meaning);
	table_note(
		a.t,
		"Quiet pass: nobody listens, cowbench times each of its writes. Counts are sums over the rounds, percentiles medians over the rounds. Overhead per page: ns per page less the copy's own share, as the histogram of the listening pass has it.");
	note_rounds(a.t, sum, clock, workload);
	free(label);
	free(meaning);
	return a.t;
}

/* The sum of counts, and how many there were */
static void count(uint64_t *sum, size_t *n, uint64_t val)
{
	if (val == NONE)
		return;
	*sum = add_sat(*sum, val);
	++*n;
}

static void put_sum(struct table *t, uint64_t sum, size_t n)
{
	put_count(t, n ? sum : NONE, DENSE_NO);
}

/**
 * table_counts - the cross-check, one line for each clock, arm and workload
 * @run: the run
 *
 * Return: the table; its notes are the cells that do not agree.
 */
struct table *table_counts(const struct run *run)
{
	static const char *const head[] = {
		"clock",	   "workload",	"arm",
		"log lines",	   "histogram", "faults (getrusage)",
		"lost in the log", "malformed", "rounds that agree",
	};
	struct table *t = table_new(head, ARRAY_SIZE(head), 7);

	t->title = xstrdup("Table 3. One COW, counted three times");
	for (size_t i = 0, end; i < run->cell.n; i = end) {
		const struct cell_key *key = &run->cell.v[i].key;
		uint64_t log = 0, hist = 0, faults = 0, lost = 0, bad = 0;
		size_t nlog = 0, nhist = 0, nfaults = 0, agree = 0;

		end = run_group_end(run, i);
		for (size_t k = i; k < end; k++) {
			const struct cell *c = &run->cell.v[k];
			struct cross_check x;

			cross_check_cell(c, &x);
			count(&log, &nlog, x.log);
			count(&hist, &nhist, x.hist);
			count(&faults, &nfaults, x.faults);
			if (c->seg) {
				lost = add_sat(lost, c->seg->lost);
				bad = add_sat(bad, c->seg->malformed);
			}
			agree += x.verdict == VERDICT_AGREE;
		}
		table_put(t, "%s", clock_name(key->clock));
		table_put(t, "%s", key->workload);
		table_put(t, "%s", key->arm);
		put_sum(t, log, nlog);
		put_sum(t, hist, nhist);
		put_sum(t, faults, nfaults);
		table_put(t, "%" PRIu64, lost);
		table_put(t, "%" PRIu64, bad);
		table_put(t, "%zu of %zu", agree, end - i);
	}
	return t;
}

static bool in_group(const struct cell_key *key, enum cow_clock clock,
		     const char *workload)
{
	return key->clock == clock && !strcmp(key->workload, workload);
}

/**
 * table_stats - the module's counters, a column for each arm
 * @run: the run
 * @clock: the boot
 * @workload: the workload
 *
 * Return: the table, or NULL where no cell has any.
 */
struct table *table_stats(const struct run *run, enum cow_clock clock,
			  const char *workload)
{
	const char *head[TABLE_COLS] = { "counter" };
	VEC(const char *) keys = { 0 };
	size_t ncol = 1;
	struct table *t;
	char *label;

	for (size_t i = 0; i < run->cell.n; i++) {
		const struct cell *c = &run->cell.v[i];

		if (!c->stats_ok || is_sweep(c->key.arm) ||
		    !in_group(&c->key, clock, workload))
			continue;
		if (ncol < TABLE_COLS &&
		    (ncol == 1 || strcmp(head[ncol - 1], c->key.arm)))
			head[ncol++] = c->key.arm;
		for (size_t k = 0; k < c->stats.line.n; k++) {
			const struct stat_line *s = &c->stats.line.v[k];
			size_t m;

			for (m = 0; m < keys.n; m++)
				if (!strcmp(keys.v[m], s->key))
					break;
			if (m == keys.n && s->value && keys.n < 256)
				vec_push(&keys, s->key);
		}
	}
	if (!keys.n)
		return NULL;
	t = table_new(head, ncol, 1);
	label = env_label(&run->env, clock);
	t->title = xasprintf("The module's counters: %s (%s)", workload, label);
	free(label);
	for (size_t m = 0; m < keys.n; m++) {
		table_put(t, "%s", keys.v[m]);
		for (size_t col = 1; col < ncol; col++) {
			uint64_t sum = 0;

			for (size_t i = 0; i < run->cell.n; i++) {
				const struct cell *c = &run->cell.v[i];

				if (!c->stats_ok ||
				    strcmp(c->key.arm, head[col]) ||
				    !in_group(&c->key, clock, workload))
					continue;
				for (size_t k = 0; k < c->stats.line.n; k++)
					if (!strcmp(c->stats.line.v[k].key,
						    keys.v[m]))
						sum = add_sat(sum,
							      c->stats.line.v[k]
								      .value);
			}
			table_put(t, "%" PRIu64, sum);
		}
	}
	table_note(
		t,
		"debugfs file stats after the listening pass, sums over the rounds; counters that are 0 in every arm are left out.");
	vec_free(&keys);
	return t;
}

/**
 * table_paper - Table 1 beside the paper's
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 *
 * Return: the table, or NULL where seq was not measured.
 */
struct table *table_paper(const struct run *run, const struct summary *sum,
			  enum cow_clock clock)
{
	static const char *const head[] = {
		"arm",
		"the paper's avg, ns",
		"min",
		"max",
		"avg to baseline",
		"this run's avg",
		"min",
		"max",
		"avg to baseline",
		"ns per page written",
		"to baseline",
	};
	/* Its huge page may be either of ours, its precopy is next */
	static const struct {
		const char *arm;
		uint64_t avg, min, max;
	} paper[] = {
		{ "baseline", 17734, 5668, 235007 },
		{ "hugetlb", 27882, 3272, 628579 },
		{ "thp", 27882, 3272, 628579 },
		{ "next", 14338, 2780, 372578 },
	};
	const struct summary_row *base =
		service_row(sum, clock, "baseline", "seq");
	struct table *t = table_new(head, ARRAY_SIZE(head), 1);
	char *label = env_label(&run->env, clock);

	t->title = xasprintf(
		"Table 1 of the paper, and of this run: one COW, ns (%s)",
		label);
	free(label);
	for (size_t i = 0; i < ARRAY_SIZE(paper); i++) {
		const struct summary_row *svc =
			service_row(sum, clock, paper[i].arm, "seq");
		const struct summary_row *user =
			touch_row(sum, clock, paper[i].arm, "seq");

		if (!svc && !user)
			continue;
		table_put(t, "%s", paper[i].arm);
		put_ns(t, paper[i].avg, DENSE_NO);
		put_ns(t, paper[i].min, DENSE_NO);
		put_ns(t, paper[i].max, DENSE_NO);
		put_double(t, (double)paper[i].avg / (double)paper[0].avg, 3,
			   DENSE_NO);
		put_ns(t, avg_of(svc), DENSE_NO);
		put_ns(t, svc ? svc->lat.min : NONE, DENSE_NO);
		put_ns(t, svc ? svc->lat.max : NONE, DENSE_NO);
		put_double(t,
			   svc && base && base->lat.avg > 0 ?
				   (double)(svc->lat.avg / base->lat.avg) :
				   NAN,
			   3, DENSE_NO);
		put_double(t, user ? user->ns_per_page : NAN, 1, DENSE_NO);
		put_double(t, user ? user->ratio : NAN, 3, DENSE_NO);
	}
	if (t->cell.n)
		return t;
	table_free(t);
	return NULL;
}

static void add_name(const char *name, const char **list, size_t *n, size_t max,
		     int (*cmp)(const char *a, const char *b))
{
	size_t at;

	for (at = 0; at < *n; at++)
		if (!strcmp(list[at], name))
			return;
	if (*n == max)
		return;
	for (at = (*n)++; at && cmp(list[at - 1], name) > 0; at--)
		list[at] = list[at - 1];
	list[at] = name;
}

static double ratio_of(const struct summary_row *row)
{
	return row ? row->ratio : NAN;
}

/* Arms down, workloads across, a ratio in each cell; NULL where there is none */
static struct table *grid(const struct run *run, const struct summary *sum,
			  enum cow_clock clock, const char *what,
			  double (*value)(const struct summary_row *row),
			  int decimals)
{
	const char *head[TABLE_COLS] = { "arm" }, *arm[64];
	size_t ncol = 0, narm = 0;
	struct table *t;
	char *label;

	for (size_t i = 0; i < sum->row.n; i++) {
		const struct summary_row *r = &sum->row.v[i];

		if (r->clock != clock || r->source != SRC_USER ||
		    is_sweep(r->arm) || !strcmp(r->arm, "baseline") ||
		    r != touch_row(sum, clock, r->arm, r->workload) ||
		    isnan(value(r)))
			continue;
		add_name(r->arm, arm, &narm, ARRAY_SIZE(arm), cmp_arm);
		add_name(r->workload, head + 1, &ncol, TABLE_COLS - 1,
			 cmp_workload);
	}
	if (!narm)
		return NULL;
	t = table_new(head, ncol + 1, 1);
	t->heat = true;
	label = env_label(&run->env, clock);
	t->title = xasprintf("%s (%s)", what, label);
	free(label);
	for (size_t i = 0; i < narm; i++) {
		table_put(t, "%s", arm[i]);
		for (size_t k = 1; k <= ncol; k++)
			put_double(
				t,
				value(touch_row(sum, clock, arm[i], head[k])),
				decimals, DENSE_NO);
	}
	return t;
}

/**
 * table_ratios - the map of the run: a page written, against baseline
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 *
 * Return: the table, or NULL where baseline is the only arm.
 */
struct table *table_ratios(const struct run *run, const struct summary *sum,
			   enum cow_clock clock)
{
	return grid(run, sum, clock,
		    "A page written, as a ratio to baseline: arm by workload",
		    ratio_of, 3);
}

/**
 * table_memory - pages copied for each page written
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 *
 * Return: the table, or NULL where nothing was copied.
 */
struct table *table_memory(const struct run *run, const struct summary *sum,
			   enum cow_clock clock)
{
	return grid(run, sum, clock,
		    "Pages copied for each page written: arm by workload",
		    copied_per_page, 2);
}

/**
 * table_sweep - what a larger window is worth
 * @run: the run
 * @sum: its summary
 * @clock: the boot
 *
 * Return: the table, or NULL where no window was swept.
 */
struct table *table_sweep(const struct run *run, const struct summary *sum,
			  enum cow_clock clock)
{
	static const char *const head[] = {
		"window",
		"order 0: ns per page",
		"ratio to baseline",
		"p99.9 of a write",
		"large folios: ns per page",
		"ratio to baseline",
		"p99.9 of a write",
	};
	struct table *t = table_new(head, ARRAY_SIZE(head), 0);
	char *label = env_label(&run->env, clock);
	bool any = false;

	t->title = xasprintf("Window sweep, policy fixed: seq (%s)", label);
	free(label);
	for (unsigned int window = 1; window <= 64; window *= 2) {
		const struct summary_row *r[2];

		for (int o = 0; o < 2; o++) {
			char arm[NAME_LEN];

			snprintf(arm, sizeof(arm), "fixed-w%u-o%d", window, o);
			r[o] = touch_row(sum, clock, arm, "seq");
		}
		if (!r[0] && !r[1])
			continue;
		any = true;
		table_put(t, "%u", window);
		for (int o = 0; o < 2; o++) {
			put_double(t, r[o] ? r[o]->ns_per_page : NAN, 1,
				   DENSE_NO);
			put_double(t, ratio_of(r[o]), 3, DENSE_NO);
			put_ns(t, r[o] ? r[o]->lat.p999 : NONE, DENSE_NO);
		}
	}
	if (any)
		return t;
	table_free(t);
	return NULL;
}
