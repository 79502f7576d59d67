// SPDX-License-Identifier: GPL-2.0
/*
 * memprobe - micro-benchmarks whose misses follow from a cache's geometry
 *
 * They check the model of CLOCK=memory (scripts/tests/memory), and run on hardware
 * under perf stat. Each makes its accesses between two markers, with all its
 * variables in registers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mark.h"
#include "common/options.h"
#include "common/pattern.h"
#include "common/region.h"
#include "common/row.h"
#include "common/util.h"

#define LINE_BYTES 64UL

static const char doc[] =
	"Make accesses whose misses follow from a cache's geometry.\n"
	"\v"
	"EXAMPLES:\n"
	"    memprobe -p chase -s 64K -l 10        # 11 laps over 64 KiB\n"
	"    memprobe -p pages -s 4M               # one access to each small page\n"
	"    memprobe -p copy -s 1M                # every second line to the next MiB\n"
	"    perf stat -e L1-dcache-load-misses memprobe -p chase -s 16M -l 100\n"
	"\n"
	"PROBES:\n"
	"    chase    follow pointers, one in each line, in random order; huge pages\n"
	"    pages    the same, one pointer in each page; small pages\n"
	"    copy     a word of every second line to the next SIZE bytes; huge pages\n"
	"    sort     sort SIZE bytes of random 64-bit numbers by heapsort; huge pages\n"
	"\n"
	"COLUMNS:\n"
	"    accesses   lines, or pages, that a lap accesses (sort: 0, not known)\n"
	"    laps       laps after the first one\n"
	"\n"
	"Exit status: 0; 1 if a result was wrong or an option was invalid.\n";

enum probe { PROBE_CHASE, PROBE_PAGES, PROBE_COPY, PROBE_SORT };

static const char *const probes[] = { "chase", "pages", "copy", "sort", NULL };

static struct {
	enum probe probe;
	uint64_t size;
	uint64_t laps;
	bool csv_header;
	bool nest; /* for tests: begin a second region in the first */
	bool no_end; /* for tests: never end the region */
} env = { .size = 64UL << 10, .laps = 10 };

static const struct opt opts[] = {
	{ "probe", 'p', "NAME", "chase, pages, copy or sort (chase)",
	  OPT_CHOICE(env.probe, probes) },
	{ "size", 's', "SIZE", "Bytes, with K, M or G (64K)",
	  OPT_SIZE(env.size, PAGE_BYTES, 1UL << 40, PAGE_BYTES) },
	{ "laps", 'l', "N", "Laps after the first one (10)",
	  OPT_NUMBER(env.laps, 0, 1000000) },
	{ "csv-header", 'H', NULL, "Print the header of the CSV", .group = 1,
	  OPT_FLAG(env.csv_header) },
	{ "nest", 0, NULL, "For tests: regions nest", .hidden = true,
	  OPT_FLAG(env.nest) },
	{ "no-end", 0, NULL, "For tests: the region never ends", .hidden = true,
	  OPT_FLAG(env.no_end) },
	{ 0 },
};

static struct mark_label label;

/* Link @n places, @step bytes apart, in a random cycle (Sattolo's). */
static void link_cycle(unsigned char *base, uint64_t n, uint64_t step,
		       uint64_t (*place)(uint64_t i))
{
	uint64_t *order = calloc(n, sizeof(*order)), rng = 1, i, j, t;

	if (!order)
		die("--size: no memory for %" PRIu64 " places", n);
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i; i--) {
		j = rng_below(&rng, i);
		t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
	for (i = 0; i < n; i++) {
		unsigned char *to = base + order[i] * step + place(order[i]);

		j = order[(i + 1) % n];
		*(unsigned char **)to = base + j * step + place(j);
	}
	free(order);
}

static uint64_t at_start(uint64_t i)
{
	(void)i;
	return 0;
}

/* In each page another line: they share no set of a cache by being first. */
static uint64_t at_line(uint64_t i)
{
	return i % (PAGE_BYTES / LINE_BYTES) * LINE_BYTES;
}

/* Follow the cycle @laps + 1 times; it ends where it began. */
static void follow(void *first, uint64_t n, uint64_t laps)
{
	uint64_t left = n * (laps + 1);
	void *volatile *p = first;

	mark_begin(&label);
	while (left--)
		p = *p;
	mark_end();
	if ((void *)p != first)
		die("the cycle is broken");
}

static uint64_t copy(uint64_t *from, uint64_t bytes, uint64_t laps)
{
	const uint64_t step = 2 * LINE_BYTES / sizeof(*from);
	volatile uint64_t *to = from + bytes / sizeof(*from), *end = to;
	volatile uint64_t *a, *b;

	mark_begin(&label);
	for (laps++; laps; laps--)
		for (a = from, b = to; a < end; a += step, b += step)
			*b = *a;
	mark_end();
	for (a = from, b = to; a < end; a += step, b += step)
		if (*a != *b)
			die("the copy differs");
	return bytes / LINE_BYTES;
}

/* One function, so that a profiler can tell its misses from all others. */
__attribute__((noinline)) static void heap_sort(uint64_t *v, size_t n)
{
	size_t start = n / 2, end = n, root, child;
	uint64_t t;

	while (end > 1) {
		if (start) {
			start--;
		} else {
			end--;
			t = v[end];
			v[end] = v[0];
			v[0] = t;
		}
		for (root = start; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && v[child] < v[child + 1])
				child++;
			if (v[root] >= v[child])
				break;
			t = v[root];
			v[root] = v[child];
			v[child] = t;
		}
	}
}

static void sort(uint64_t *v, size_t n)
{
	uint64_t rng = 1;
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = rng_next(&rng);
	mark_begin(&label);
	heap_sort(v, n);
	mark_end();
	for (i = 1; i < n; i++)
		if (v[i - 1] > v[i])
			die("the numbers are not sorted");
}

int main(int argc, char **argv)
{
	uint64_t accesses = 0;
	struct region region;
	size_t room;
	char name[32];

	options_parse(argc, argv, doc, opts, NULL);
	/* copy has its target behind the source. */
	room = (2 * env.size + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
	snprintf(name, sizeof(name), "%s-%" PRIu64 ".probe.1",
		 probes[env.probe], env.size / 1024);
	mark_name(&label, getenv("COWLAB_REGION"), name);
	if (env.nest || env.no_end)
		mark_begin(&label);
	if (env.no_end)
		return 0;
	region_make(&region, env.probe == PROBE_PAGES ? KIND_4K : KIND_THP,
		    room, 1, false);
	switch (env.probe) {
	case PROBE_CHASE:
		accesses = env.size / LINE_BYTES;
		link_cycle(region.base, accesses, LINE_BYTES, at_start);
		follow(region.base, accesses, env.laps);
		break;
	case PROBE_PAGES:
		accesses = env.size / PAGE_BYTES;
		link_cycle(region.base, accesses, PAGE_BYTES, at_line);
		follow(region.base, accesses, env.laps);
		break;
	case PROBE_COPY:
		accesses = copy((uint64_t *)region.base, env.size, env.laps);
		break;
	case PROBE_SORT:
		sort((uint64_t *)region.base, env.size / sizeof(uint64_t));
		break;
	}
	region_unmap(&region);
	row_csv(stdout, env.csv_header,
		"probe=%s size=%lu accesses=%lu laps=%lu", probes[env.probe],
		env.size, accesses, env.laps);
	return 0;
}
