// SPDX-License-Identifier: GPL-2.0
/*
 * foliocow - the five operations by which COW per page and per folio is judged
 * upstream, written anew: fork, munmap, cow-byte, reuse-byte, child-reuse-byte
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/pagemap.h"
#include "common/process.h"
#include "common/region.h"
#include "common/row.h"
#include "common/util.h"

#define COLUMNS                                                           \
	"operation=%-16s folio_kb=%8lu size=%10lu round=%5lu pages=%8lu " \
	"elapsed_ns=%12lu faults=%8lu folios=%6s"

/* /proc/kpageflags: Documentation/admin-guide/mm/pagemap.rst */
#define KPF_COMPOUND_HEAD (1ULL << 15)
#define KPF_COMPOUND_TAIL (1ULL << 16)

static const char doc[] =
	"Time an operation on memory that consists of folios of one size.\n"
	"\n"
	"The region is filled, and each of its pages is mapped by a PTE, in folios of 2 MiB too. Every byte is checked after the operation, in the child as well.\n"
	"\v"
	"EXAMPLES:\n"
	"    foliocow                          # all operations, 4 KiB pages\n"
	"    foliocow -o cow-byte -f 64K -s 1G # needs 64 KiB folios: see below\n"
	"    foliocow -a 'echo 1 >/sys/kernel/debug/cowlab/precopy' -c\n"
	"\n"
	"VALUES of --operation:\n"
	"    fork              fork()\n"
	"    munmap            munmap() of the region; no other process has it\n"
	"    cow-byte          a child writes one byte per page, the parent shares them\n"
	"    reuse-byte        the parent writes one byte per page after the child's end\n"
	"    child-reuse-byte  the child does, after the parent's munmap()\n"
	"    all               one after the other\n"
	"\n"
	"The kernel takes folios of the sizes that are enabled when the region is filled: of /sys/kernel/mm/transparent_hugepage/hugepages-*kB/enabled, one should be `madvise`, the others `never`. --before may see to that; --armed may change it for the copies.\n"
	"\n"
	"COLUMNS:\n"
	"    pages       4 KiB pages of the region\n"
	"    faults      minor faults of the process that writes\n"
	"    folios      percent of the region in folios of that size, before the\n"
	"                operation; unknown without root\n"
	"\n"
	"Exit status: 0; 1 if a byte was wrong or an option was invalid.\n";

enum operation {
	OP_FORK,
	OP_MUNMAP,
	OP_COW,
	OP_REUSE,
	OP_CHILD_REUSE,
	OP_ALL,
};

static const char *const operations[] = {
	"fork", "munmap", "cow-byte", "reuse-byte", "child-reuse-byte",
	"all",	NULL
};

static struct {
	enum operation operation;
	uint64_t folio;
	uint64_t size;
	uint64_t rounds;
	const char *before;
	const char *armed;
	uint64_t seed;
	bool csv;
	bool corrupt;
} env = {
	.operation = OP_ALL,
	.folio = PAGE_BYTES,
	.size = 64UL << 20,
	.rounds = 1,
	.seed = 1,
};

static const struct opt opts[] = {
	{ "operation", 'o', "NAME",
	  "fork munmap cow-byte reuse-byte child-reuse-byte all (all)",
	  OPT_CHOICE(env.operation, operations) },
	{ "folio", 'f', "SIZE", "Size of the folios, 4K to 2M (4K)",
	  OPT_SIZE(env.folio, PAGE_BYTES, HUGE_BYTES, PAGE_BYTES) },
	{ "size", 's', "SIZE", "Size of the region, with K, M or G (64M)",
	  OPT_SIZE(env.size, HUGE_BYTES, UINT64_MAX, HUGE_BYTES) },
	{ OPT_COMMON_ROUNDS(env.rounds, "Rounds, each with a new region (1)") },
	{ "before", 'b', "COMMAND",
	  "Shell command to run before the region is filled, in each round",
	  .group = 1, OPT_TEXT(env.before) },
	{ "armed", 'a', "COMMAND",
	  "Shell command to run once the region is filled, in each round",
	  .group = 1, OPT_TEXT(env.armed) },
	{ OPT_COMMON_SEED(env.seed, "Decides what is written (1)") },
	{ OPT_COMMON_CSV(env.csv) },
	{ "corrupt", 0, NULL, "For tests: flip a bit of what was written",
	  .hidden = true, OPT_FLAG(env.corrupt) },
	{ 0 },
};

/* What a round measured; shared with the child */
struct measured {
	uint64_t elapsed;
	uint64_t faults;
};

static struct measured *measured;

/* The byte of a page that is written, and its value, which no page has there */
static unsigned char *byte_of(const struct region *region, size_t page)
{
	return region->base + word_index(env.seed, page) * 8;
}

static unsigned char value_of(size_t page)
{
	return ~word_value(env.seed, word_index(env.seed, page), WHO_OLD);
}

static void write_bytes(const struct region *region)
{
	const size_t pages = region->size / PAGE_BYTES;
	struct rusage before, after;
	uint64_t start;
	size_t page;

	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	for (page = 0; page < pages; page++)
		*(volatile unsigned char *)byte_of(region, page) =
			value_of(page);
	measured->elapsed = now_ns() - start;
	getrusage(RUSAGE_SELF, &after);
	measured->faults = after.ru_minflt - before.ru_minflt;
}

/* Exit unless exactly the bytes of write_bytes() are new. */
static void verify_bytes(const struct region *region, const char *where)
{
	const size_t pages = region->size / PAGE_BYTES;
	size_t page;

	if (env.corrupt)
		region->base[region->size / 2] ^= 4;
	for (page = 0; page < pages; page++) {
		unsigned char *byte = byte_of(region, page);

		if (*byte != value_of(page))
			die("page %zu of %s lacks its byte", page, where);
		*byte = ~*byte;
	}
	region_verify(region, env.seed, WHO_OLD, 0, 0, where);
}

/* Map each huge page by PTEs: a change of one page's protection splits the PMD. */
static void map_by_ptes(const struct region *region)
{
	size_t at;

	for (at = 0; at < region->size; at += HUGE_BYTES) {
		if (mprotect(region->base + at, PAGE_BYTES, PROT_READ) ||
		    mprotect(region->base + at, PAGE_BYTES,
			     PROT_READ | PROT_WRITE))
			die("mprotect: %s", strerror(errno));
	}
}

/* A block of the region: is it one folio? @flags are its pages' flags. */
static bool is_folio(const uint64_t *flags, size_t pages)
{
	size_t i;

	if (pages == 1)
		return !(flags[0] & (KPF_COMPOUND_HEAD | KPF_COMPOUND_TAIL));
	for (i = 1; i < pages && flags[i] & KPF_COMPOUND_TAIL; i++)
		;
	return flags[0] & KPF_COMPOUND_HEAD && i == pages;
}

/* Percent of the region in folios of the size. Return: false if that is unknown. */
static bool folios_of(const struct region *region, uint64_t *percent)
{
	const size_t pages = region->size / PAGE_BYTES;
	const size_t block = env.folio / PAGE_BYTES;
	uint64_t *frames = calloc(pages, sizeof(*frames));
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	size_t page, i, count = 0;
	uint64_t flags[512];
	bool known = frames && fd >= 0 && region_frames(region, frames);

	for (page = 0; known && page < pages; page += block) {
		for (i = 1; i < block; i++)
			if (frames[page + i] != frames[page] + i)
				break;
		if (i < block)
			continue;
		known = pread(fd, flags, block * 8, frames[page] * 8) ==
			(ssize_t)block * 8;
		count += known && is_folio(flags, block) ? block : 0;
	}
	if (fd >= 0)
		close(fd);
	free(frames);
	*percent = count * 100 / pages;
	return known;
}

/* A child that waits for a byte, writes, checks, and ends. Return: it. */
static pid_t child_start(struct region *region, int go[2])
{
	pid_t child;
	char byte;

	if (pipe2(go, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	child = fork_tied();
	if (child)
		return child;
	if (read(go[0], &byte, 1) != 1)
		_exit(1);
	write_bytes(region);
	verify_bytes(region, "the child's region");
	_exit(0);
}

static void child_go(pid_t child, const int go[2])
{
	if (write(go[1], "g", 1) != 1)
		die("a child has ended");
	wait_child(child);
	close(go[0]);
	close(go[1]);
}

static void operate(enum operation operation, struct region *region)
{
	struct holder holder;
	uint64_t start;
	pid_t child;
	int go[2];

	switch (operation) {
	case OP_FORK:
		holder_start(&holder);
		measured->elapsed = holder.fork_ns;
		holder_end(&holder);
		region_verify(region, env.seed, WHO_OLD, 0, 0, "the region");
		break;
	case OP_MUNMAP:
		region_verify(region, env.seed, WHO_OLD, 0, 0, "the region");
		start = now_ns();
		munmap(region->base, region->size);
		measured->elapsed = now_ns() - start;
		break;
	case OP_REUSE:
		holder_start(&holder);
		holder_end(&holder);
		write_bytes(region);
		verify_bytes(region, "the region");
		break;
	case OP_COW:
		child = child_start(region, go);
		child_go(child, go);
		region_verify(region, env.seed, WHO_OLD, 0, 0,
			      "the parent's region");
		break;
	default:
		child = child_start(region, go);
		munmap(region->base, region->size);
		child_go(child, go);
	}
}

static void run_command(const char *option, const char *command)
{
	if (command && system(command))
		die("%s: the command failed", option);
}

static void one(enum operation operation, uint64_t round)
{
	struct cell (*cell)(bool known, uint64_t value) = env.csv ? cell_csv :
								    cell_table;
	static bool headed;
	struct region region;
	struct cell folios;
	uint64_t percent;
	bool known;

	run_command("--before", env.before);
	region_require(KIND_4K, env.size, 2);
	region_map(&region, env.folio == PAGE_BYTES ? KIND_4K : KIND_MTHP,
		   env.size);
	region_fill(&region, env.seed);
	if (env.folio == HUGE_BYTES)
		map_by_ptes(&region);
	/* For the copies. */
	madvise(region.base, env.size, MADV_HUGEPAGE);
	known = folios_of(&region, &percent);
	folios = cell(known, percent);
	run_command("--armed", env.armed);
	*measured = (struct measured){ 0 };
	operate(operation, &region);
	region_unmap(&region);
#define VALUES                                                              \
	operations[operation], env.folio / 1024, env.size, round,           \
		env.size / PAGE_BYTES, measured->elapsed, measured->faults, \
		folios.text
	if (env.csv)
		row_csv(stdout, !headed, COLUMNS, VALUES);
	else
		row_table(!headed, COLUMNS, VALUES);
	headed = true;
}

int main(int argc, char **argv)
{
	uint64_t round;
	int i;

	options_parse(argc, argv, doc, opts, NULL);
	if (env.folio & (env.folio - 1) || env.folio == 2 * PAGE_BYTES)
		die("--folio: expected 4K, 16K, 32K, 64K, 128K, 256K, 512K, 1M or 2M");
	measured = shared_alloc(sizeof(*measured), "--rounds");
	for (round = 1; round <= env.rounds; round++) {
		for (i = OP_FORK; i < OP_ALL; i++) {
			if (env.operation == OP_ALL ||
			    env.operation == (enum operation)i)
				one(i, round);
		}
	}
	return 0;
}
