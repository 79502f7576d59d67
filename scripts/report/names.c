// SPDX-License-Identifier: GPL-2.0
/* names.c - clocks, arms, workloads, stages and the order they are told in */
#include "names.h"

static const char *const clocks[] = { "wall", "icount", "unknown" };

static const char *const arms[] = {
	"baseline",
	"thp",
	"mthp64",
	"hugetlb",
	"next",
	"fixed",
	"adaptive",
	"bpf-stream",
	"bpf-stride",
	"manual_cow",
	"populate_write",
	"helper",
	"cowwarm",
	"thp-off",
	"thp-adaptive",
	"thp-huge_window",
	"thp-manual_cow",
	"thp-manual_cow-quarter",
	"thp-cowwarm",
	"thp-cowwarm-quarter",
	"thp-cowwarm-split",
	"thp-collapse",
	"thp-khugepaged",
};

static const char *const workloads[] = {
	"seq",	    "rev",     "rand",	   "sparse2", "sparse8",   "sparse64",
	"zipf",	    "stride3", "reuse",	   "threads", "paced",	   "redis64",
	"redis32k", "saves64", "saves32k", "prefork", "touch-all", "reader",
};

static const char *const stages[] = {
	"copy",		"fault",     "file_fault", "huge_copy",
	"hugetlb_copy", "pmd_split", "touch",	   "request",
};

static size_t rank(const char *const *list, size_t n, const char *s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(list[i], s))
			break;
	return i;
}

static int cmp_ranked(const char *const *list, size_t n, const char *a,
		      const char *b)
{
	size_t x = rank(list, n, a), y = rank(list, n, b);

	if (x != y)
		return x < y ? -1 : 1;
	return x < n ? 0 : strcmp(a, b);
}

const char *clock_name(enum cow_clock clock)
{
	return clocks[clock < CLK_NR ? clock : CLK_UNKNOWN];
}

/* The clock of that name; CLK_UNKNOWN for any other word */
enum cow_clock clock_by_name(const char *s, size_t len)
{
	for (int i = 0; i < CLK_UNKNOWN; i++)
		if (strlen(clocks[i]) == len && !memcmp(clocks[i], s, len))
			return (enum cow_clock)i;
	return CLK_UNKNOWN;
}

/* The place of an arm among those known; for another, their number */
size_t arm_rank(const char *arm)
{
	return rank(arms, ARRAY_SIZE(arms), arm);
}

int cmp_arm(const char *a, const char *b)
{
	return cmp_ranked(arms, ARRAY_SIZE(arms), a, b);
}

int cmp_workload(const char *a, const char *b)
{
	return cmp_ranked(workloads, ARRAY_SIZE(workloads), a, b);
}

int cmp_stage(const char *a, const char *b)
{
	return cmp_ranked(stages, ARRAY_SIZE(stages), a, b);
}

/* The order of the report: clock, arm, workload, round */
int cmp_key(const struct cell_key *a, const struct cell_key *b)
{
	int c;

	if (a->clock != b->clock)
		return a->clock < b->clock ? -1 : 1;
	c = cmp_arm(a->arm, b->arm);
	if (!c)
		c = cmp_workload(a->workload, b->workload);
	if (!c)
		c = (a->round > b->round) - (a->round < b->round);
	return c;
}

/* Read arm, workload and round out of a name as "adaptive.redis32k.1" */
bool key_parse(const char *s, struct cell_key *key)
{
	const char *dot = strchr(s, '.'), *last = strrchr(s, '.');

	return dot && last != dot &&
	       copy_name(key->arm, s, (size_t)(dot - s)) &&
	       copy_name(key->workload, dot + 1, (size_t)(last - dot - 1)) &&
	       last[1] != '0' &&
	       parse_u64(last + 1, strlen(last + 1), &key->round) &&
	       key->round <= ROUND_MAX;
}

/* The stage that is one COW of this arm */
const char *service_stage(const char *arm)
{
	return strcmp(arm, "hugetlb") ? "fault" : "hugetlb_copy";
}

/**
 * sweep_point - is this arm a point of the window sweep
 * @arm: its name: "fixed-w<window>-o<large_folio>" is one
 * @window: pages a fault may serve
 * @large: whether large folios are on
 *
 * Return: false where it is any other arm.
 */
bool sweep_point(const char *arm, unsigned int *window, bool *large)
{
	unsigned int w, o;
	int n = 0;

	if (sscanf(arm, "fixed-w%2u-o%1u%n", &w, &o, &n) != 2 || arm[n] ||
	    o > 1)
		return false;
	*window = w;
	*large = o;
	return true;
}

bool is_sweep(const char *arm)
{
	unsigned int window;
	bool large;

	return sweep_point(arm, &window, &large);
}

/* COW is broken for the writer: its faults are fewer than the COWs */
bool arm_prepares(const char *arm)
{
	return !strcmp(arm, "manual_cow") || !strcmp(arm, "populate_write") ||
	       !strcmp(arm, "helper");
}

/* It needs a second core, which icount has not */
bool wall_only(const struct cell_key *key)
{
	return !strcmp(key->arm, "helper") ||
	       !strcmp(key->arm, "snapshot-all") ||
	       !strcmp(key->workload, "threads");
}
