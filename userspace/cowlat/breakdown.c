// SPDX-License-Identifier: GPL-2.0
/*
 * cowlat --breakdown: where the time of a COW fault goes on this kernel.
 *
 * A writer writes twice to pages that another process holds, too, or to a private
 * mapping of a memory file at which nothing is mapped: on the plain kernel, and with
 * a BPF program at each boundary between two parts of a fault. The first run gives
 * the time of a fault, the second its parts. The second run is slower. A program's
 * own work is in no part, but the way to a program and back is; it amounts to what
 * the sum of the parts exceeds the first run by. Each side of a boundary has an
 * equal share of this subtracted, so that the parts sum up to the fault without
 * programs.
 *
 * Under icount, where a nanosecond is an instruction, the unit is instructions.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "breakdown.h"
#include "breakdown.skel.h"
#include "fail.h"
#include "probe.h"
#include "show.h"

#define PAGE_BYTES 4096UL
#define PAGES 4096UL
#define STARS "****************************************"

static const char *const part_names[NR_PARTS] = {
	[PART_ENTRY] = "entry",
	[PART_LOOKUP] = "VMA lookup",
	[PART_WALK] = "page-table walk, decision",
	[PART_ALLOC] = "allocation and charge",
	[PART_CACHE] = "page cache",
	[PART_COPY] = "copy",
	[PART_MAP] = "map, rmap, LRU",
	[PART_FLUSH] = "TLB flush",
	[PART_EXIT] = "exit",
};

/**
 * struct boundary - a function that is a part of a fault
 * @part: the part
 * @stages: the faults that call the function, one bit each
 * @begin: program for the function's entry; NULL: none
 * @end: program for its exit
 * @names: possible names of the function; the first that the kernel has is used
 */
struct boundary {
	enum part part;
	unsigned int stages;
	const char *begin;
	const char *end;
	const char *names[4];
};

#define ON_FAULT (1U << STAGE_FAULT)
#define ON_FILE_FAULT (1U << STAGE_FILE_FAULT)
#define ON_BOTH (ON_FAULT | ON_FILE_FAULT)

static const struct boundary boundaries[] = {
	{ PART_LOOKUP,
	  ON_BOTH,
	  "begin_lookup",
	  "end_lookup",
	  { "lock_vma_under_rcu", "find_vma" } },
	{ PART_ALLOC,
	  ON_BOTH,
	  "begin_alloc",
	  "end_alloc",
	  { "vma_alloc_folio_noprof", "vma_alloc_folio" } },
	{ PART_ALLOC,
	  ON_BOTH,
	  "begin_charge",
	  "end_charge",
	  { "__mem_cgroup_charge" } },
	{ PART_CACHE,
	  ON_FILE_FAULT,
	  "begin_cache",
	  "end_cache",
	  { "shmem_fault" } },
	{ PART_COPY,
	  ON_BOTH,
	  "begin_copy",
	  "end_copy",
	  { "copy_mc_to_kernel" } },
	{ PART_MAP, ON_FILE_FAULT, "begin_map", NULL, { "finish_fault" } },
	{ PART_FLUSH,
	  ON_FAULT,
	  "begin_flush",
	  "end_flush",
	  { "flush_tlb_mm_range" } },
	{ PART_EXIT, ON_BOTH, NULL, "end_fault", { "handle_mm_fault" } },
};

#define NR_BOUNDARIES (sizeof(boundaries) / sizeof(boundaries[0]))

/**
 * struct sample - a write
 * @ns: its duration
 * @split: its parts, if it took a fault
 */
struct sample {
	__u64 ns;
	struct split split;
};

static struct sample *plain, *probed;
static unsigned char *region;
static pid_t holder;
static enum cowlat_stage stage;

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Memory that fork() does not make copy-on-write. */
static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		fail("--breakdown: no memory: %s", strerror(errno));
	return p;
}

/* Make a region whose pages another process holds, too. */
static void share_region(void)
{
	int ready[2];
	char byte;

	region = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (region == MAP_FAILED)
		fail("--breakdown: no memory: %s", strerror(errno));
	/* Small pages whose copies may be large folios. */
	madvise(region, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
	memset(region, 1, PAGES * PAGE_BYTES);
	madvise(region, PAGES * PAGE_BYTES, MADV_HUGEPAGE);
	if (pipe(ready))
		fail("--breakdown: %s", strerror(errno));
	holder = fork();
	if (holder < 0)
		fail("--breakdown: cannot fork: %s", strerror(errno));
	if (!holder) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		fail("--breakdown: the other process has died");
	close(ready[0]);
	close(ready[1]);
}

/*
 * Make a region that maps a file of which nothing is mapped. The file is sealed, so
 * that the kernel may serve its pages in windows.
 */
static void map_file(void)
{
	static const char page[PAGE_BYTES] = { 1 };
	size_t i;
	int fd;

	fd = memfd_create("cowlat", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		fail("--breakdown: cannot make a memory file: %s",
		     strerror(errno));
	for (i = 0; i < PAGES; i++)
		if (write(fd, page, PAGE_BYTES) != PAGE_BYTES)
			fail("--breakdown: cannot write a memory file: %s",
			     strerror(errno));
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
	region = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE, fd, 0);
	if (region == MAP_FAILED)
		fail("--breakdown: no memory: %s", strerror(errno));
	madvise(region, PAGES * PAGE_BYTES, MADV_HUGEPAGE);
	close(fd);
}

static void make_region(void)
{
	if (stage == STAGE_FILE_FAULT)
		map_file();
	else
		share_region();
}

static void release_region(void)
{
	if (stage != STAGE_FILE_FAULT) {
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
	munmap(region, PAGES * PAGE_BYTES);
}

/* Write each page once. */
static void write_pages(struct sample *samples, volatile struct split *split)
{
	struct split *copy;
	__u64 start, end;
	size_t i;

	for (i = 0; i < PAGES; i++) {
		memset((void *)split, 0, sizeof(*split));
		split->tgid = getpid();
		split->part = PART_ENTRY;
		start = now();
		split->last = start;
		*(volatile unsigned char *)(region + i * PAGE_BYTES) = 2;
		end = now();
		split->ns[PART_EXIT] += end - split->last;
		split->tgid = 0;
		copy = &samples[i].split;
		memcpy(copy, (void *)split, sizeof(*copy));
		samples[i].ns = end - start;
	}
}

/*
 * One run. The first of two rounds touches every page of code and data, so that
 * the measured round takes no faults but its own.
 */
static void run(struct sample *samples, struct split *split)
{
	int round;

	for (round = 0; round < 2; round++) {
		make_region();
		write_pages(samples, split);
		release_region();
	}
}

static void attach(struct breakdown_bpf *skel, struct bpf_link **links)
{
	const char *functions[NR_BOUNDARIES] = { NULL };
	struct bpf_program *prog;
	size_t i, n;

	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, false);
	for (i = 0; i < NR_BOUNDARIES; i++) {
		const struct boundary *b = &boundaries[i];

		if (!(b->stages & 1U << stage))
			continue;
		for (n = 0; b->names[n] && !functions[i]; n++)
			if (kernel_has_function(b->names[n]))
				functions[i] = b->names[n];
		if (!functions[i])
			continue;
		for (n = 0; n < 2; n++) {
			const char *name = n ? b->end : b->begin;

			if (!name)
				continue;
			prog = bpf_object__find_program_by_name(skel->obj,
								name);
			bpf_program__set_autoload(prog, true);
			bpf_program__set_attach_target(prog, 0, functions[i]);
		}
	}
	/* Its exit is the last boundary. */
	if (!functions[NR_BOUNDARIES - 1])
		fail("--breakdown: this kernel has no symbol handle_mm_fault");
	if (breakdown_bpf__load(skel))
		fail("--breakdown: cannot load: %s (-v says more)",
		     strerror(errno));
	n = 0;
	bpf_object__for_each_program(prog, skel->obj) {
		if (!bpf_program__autoload(prog))
			continue;
		links[n] = bpf_program__attach(prog);
		if (!links[n++])
			fail("--breakdown: cannot attach: %s (-v says more)",
			     strerror(errno));
	}
}

static int by_ns(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/**
 * struct result - a fault and its parts
 * @faults: number of faults
 * @pages: pages that one fault served
 * @total: duration of a fault without programs
 * @ns: duration of each part
 * @probe: time that one boundary has added to the parts beside it
 * @parts: one bit per part that the faults have
 */
struct result {
	size_t faults;
	double pages;
	double total;
	double ns[NR_PARTS];
	double probe;
	unsigned int parts;
};

/* The mean of the middle half excludes batches and interrupts. */
static void evaluate(struct result *result)
{
	double sum = 0, sides = 0;
	size_t faults = 0, i, n = 0;
	int part;

	/* The same writes take a fault in both runs. */
	for (i = 0; i < PAGES; i++) {
		if (!probed[i].split.events)
			continue;
		plain[faults] = plain[i];
		probed[faults++] = probed[i];
	}
	if (faults < 16)
		fail("--breakdown: only %zu of %lu writes took a fault", faults,
		     PAGES);
	qsort(plain, faults, sizeof(*plain), by_ns);
	qsort(probed, faults, sizeof(*probed), by_ns);
	for (i = faults / 4; i < faults - faults / 4; i++, n++) {
		result->total += plain[i].ns;
		for (part = 0; part < NR_PARTS; part++) {
			result->ns[part] += probed[i].split.ns[part];
			sum += probed[i].split.ns[part];
			sides += probed[i].split.sides[part];
			if (probed[i].split.sides[part])
				result->parts |= 1U << part;
		}
	}
	/* The surplus of the parts, per side of a boundary. */
	result->probe = sides ? (sum - result->total) / sides : 0;
	for (i = faults / 4; i < faults - faults / 4; i++)
		for (part = 0; part < NR_PARTS; part++)
			result->ns[part] -=
				probed[i].split.sides[part] * result->probe;
	result->total /= n;
	for (part = 0; part < NR_PARTS; part++)
		result->ns[part] /= n;
	result->probe *= 2;
	result->faults = faults;
	result->pages = (double)PAGES / faults;
}

static void show_result(const struct result *result, bool json)
{
	const char *comma = "";
	double most = 1;
	int part;

	if (json)
		printf("{\"faults\": %zu, \"pages\": %.2f, \"total\": %.1f, \"probe\": %.1f, \"parts\": [",
		       result->faults, result->pages, result->total,
		       result->probe);
	else
		printf("%zu faults of %.2f pages each; one takes %.0f ns.\nThe cost of a boundary, %.0f ns, is subtracted.\n\n%-26s %9s %6s %9s\n",
		       result->faults, result->pages, result->total,
		       result->probe, "part", "ns", "%", "ns/page");
	for (part = 0; part < NR_PARTS; part++)
		if (result->ns[part] > most)
			most = result->ns[part];
	for (part = 0; part < NR_PARTS; part++) {
		const double ns = result->ns[part];
		int stars = ns > 0 ? ns * 24 / most : 0;

		/* A part that cannot be measured is in the part before it. */
		if (!(result->parts & 1U << part))
			continue;
		if (json)
			printf("%s{\"part\": \"%s\", \"ns\": %.1f}", comma,
			       part_names[part], ns);
		else
			printf("%-26s %9.0f %5.1f%% %9.1f %.*s\n",
			       part_names[part], ns, 100 * ns / result->total,
			       ns / result->pages, stars, STARS);
		comma = ", ";
	}
	puts(json ? "]}" : "");
}

/**
 * breakdown_run - split a COW fault into parts and print them
 * @json: print JSON
 * @of: STAGE_FAULT or STAGE_FILE_FAULT
 *
 * Exits with an error if this kernel does not allow it.
 */
void breakdown_run(bool json, enum cowlat_stage of)
{
	struct bpf_link *links[2 * NR_BOUNDARIES] = { NULL };
	struct split *nowhere = shared(PAGE_BYTES);
	struct result result = { 0 };
	struct breakdown_bpf *skel;
	cpu_set_t cpu;
	size_t i;

	stage = of;
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	plain = shared(PAGES * sizeof(*plain));
	probed = shared(PAGES * sizeof(*probed));
	skel = breakdown_bpf__open();
	if (!skel)
		fail("--breakdown: %s", strerror(errno));
	run(plain, nowhere);
	attach(skel, links);
	run(probed, &skel->bss->split);
	for (i = 0; i < 2 * NR_BOUNDARIES; i++)
		bpf_link__destroy(links[i]);
	breakdown_bpf__destroy(skel);
	evaluate(&result);
	show_result(&result, json);
}
