// SPDX-License-Identifier: GPL-2.0
/*
 * The policies: how many pages a copy-on-write fault serves.
 *
 * next		the faulting page and the one behind it
 * fixed	the aligned window of `window` pages around the faulting page
 * adaptive	as many as the writer has shown to want, up to `window`
 *
 * The adaptive policy follows streams: runs of faults of which each lands where
 * the last one's window ended, upward or downward.
 *
 * A fault that continues no stream is served alone and remembered as a stream
 * of one page, so a random or a sparse writer never gets a window, and pays for
 * the look at one word. A fault next to it, on either side, starts a stream of
 * two pages in that direction. Each further fault that lands exactly where the
 * window ended doubles it, up to `window` pages, if all neighbours of the last
 * window have been written meanwhile: they were mapped clean, so the hardware's
 * dirty bit tells. If fewer have, but at least half, the size stays; if less
 * than half, the stream starts again with one page. Where the last window lies
 * in another page table, whose lock the fault does not hold, the size stays.
 *
 * A window ends at a multiple of its size, so that the windows of a stream are
 * aligned and fit large folios, wherever the stream began.
 *
 * A writer of objects of some pages each, at random, would spend all its streams
 * on the ramp. So when a stream opens, the one before it is looked at: how long
 * was its run? The usual length, a running median, is the VMA's habit, and a
 * stream opens with the rest of such a run at once. What that may waste has to be
 * earned: opening takes the window's pages from the habit's allowance, and the
 * next stream's opening gives back those that have been written, and one for
 * every three pages of the run. Windows opened by habit so waste no more than a
 * page in four. A run that goes on behind its window is a new ramp's.
 *
 * Constants: a stream opens with two pages, as little as can be learned from,
 * because in a trial windows that were opened blindly cost a sparse writer 5%
 * and one neighbour's copy costs about what it saves if it is written every
 * third time. It doubles, as readahead does, so that the ramp to 32 pages
 * copies but 62 pages. Half the neighbours unwritten is about where a window
 * of any size costs more than it saves. The habit earns a page for three written,
 * the price that one neighbour's copy is worth. Its allowance holds 128 pages, two
 * of the largest windows: as many as a writer that changes its ways may yet waste
 * beyond the page in four.
 *
 * State: one word in the VMA, which holds two streams, the last used one first,
 * so that two writers in one VMA do not evict each other. Concurrent faults
 * race on it, fork() copies it, split, merge and mremap() leave it stale. All
 * that a wrong word can do is a window of the wrong size: no address in it is
 * used that the fault's own VMA does not hold. Habits are in a small hash table
 * by VMA: a stream that goes on leaves itself there, and one that opens looks; who
 * shares an entry by chance shares the allowance.
 */
#include <linux/cow_policy.h>
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/string.h>

#include "cowlab.h"

#define DEFAULT_WINDOW	16

struct cow_stats {
	u64 faults;
	u64 copied;
	u64 windows;
	u64 left;
	u64 neighbours;
	u64 reused;
	u64 hit;
	u64 wasted;
	u64 skipped[NR_COW_SKIPS];
};

static struct cow_stats __percpu *stats;

static const char * const skip_names[NR_COW_SKIPS] = {
	[COW_SKIP_VMA]		= "vma",
	[COW_SKIP_MEMORY]	= "memory",
	[COW_SKIP_NOT_PRESENT]	= "not_present",
	[COW_SKIP_WRITABLE]	= "writable",
	[COW_SKIP_SHARED]	= "shared",
	[COW_SKIP_SPECIAL]	= "special",
	[COW_SKIP_FILE]		= "file",
	[COW_SKIP_KSM]		= "ksm",
	[COW_SKIP_UFFD_WP]	= "uffd_wp",
	[COW_SKIP_LAZYFREE]	= "lazyfree",
	[COW_SKIP_REFERENCED]	= "referenced",
	[COW_SKIP_POISON]	= "poison",
	[COW_SKIP_RACED]	= "raced",
};

/*
 * A stream, in half a word: the low bits of the number of the page where its
 * next fault is expected, the pages of its last window and of all its run, less
 * one each, its direction, whether habit opened it, and whether the whole window
 * was copied. What the low bits cannot tell apart is 512 MiB away, in another
 * page table.
 */
#define NEXT_BITS	17
#define NEXT_MASK	(BIT(NEXT_BITS) - 1)
#define PAGES_SHIFT	NEXT_BITS
#define PAGES_MASK	(COW_WINDOW_MAX - 1)
#define RUN_SHIFT	(PAGES_SHIFT + 6)
#define RUN_MAX		64U
#define STREAM_HABIT	BIT(29)
#define STREAM_DOWN	BIT(30)
#define STREAM_FULL	BIT(31)

static u32 stream_of(unsigned long next, unsigned int pages, unsigned int run,
		     u32 flags)
{
	return (next & NEXT_MASK) | (pages - 1) << PAGES_SHIFT |
	       (min(run, RUN_MAX) - 1) << RUN_SHIFT | flags;
}

static unsigned int stream_pages(u32 stream)
{
	return (stream >> PAGES_SHIFT & PAGES_MASK) + 1;
}

static unsigned int stream_run(u32 stream)
{
	return (stream >> RUN_SHIFT & (RUN_MAX - 1)) + 1;
}

/* The first page of a stream's last window, as near as can be to @page. */
static unsigned long stream_start(u32 stream, unsigned long page)
{
	unsigned long next = page + sign_extend64(stream - page, NEXT_BITS - 1);

	return stream & STREAM_DOWN ? next + 1 : next - stream_pages(stream);
}

/*
 * Is a window in the VMA and in the page table whose first page is @table? Of a
 * stale stream @start may be anything.
 */
static bool window_within(struct vm_area_struct *vma, unsigned long table,
			  unsigned long start, unsigned int pages)
{
	unsigned long low = max(table, vma->vm_start >> PAGE_SHIFT);
	unsigned long high = min(table + PTRS_PER_PTE,
				 vma->vm_end >> PAGE_SHIFT);

	return start >= low && start < high && high - start >= pages;
}

static u64 streams_read(struct vm_area_struct *vma)
{
	return atomic_long_read(&vma->cow_hint);
}

static void streams_write(struct vm_area_struct *vma, u32 first, u32 second)
{
	atomic_long_set(&vma->cow_hint, (u64)second << 32 | first);
}

static bool pte_written(pte_t pte)
{
	return pte_present(pte) && pte_dirty(pte);
}

/*
 * How many neighbours of a stream's last window have been written, those beside
 * the page at @place in it, whose fault it was? The page-table lock is held.
 * Returns the neighbours that could be looked at: none if the window is in
 * another page table.
 */
static unsigned int stream_written(struct vm_fault *vmf, u32 stream,
				   unsigned int place, unsigned int *written)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	unsigned long table = round_down(page, PTRS_PER_PTE);
	unsigned long start = stream_start(stream, page);
	unsigned int i, n = 0, pages = stream_pages(stream);
	pte_t *pte;

	*written = 0;
	if (pages == 1 || !window_within(vma, table, start, pages))
		return 0;

	pte = vmf->pte + (long)(start - page);
	for (i = 0; i < pages; i++)
		n += pte_written(ptep_get(pte + i));
	/* After a change of policy the place may be anything. */
	if (place < pages)
		n -= pte_written(ptep_get(pte + place));
	*written = n;

	if (stream & STREAM_FULL) {
		this_cpu_add(stats->hit, *written);
		this_cpu_add(stats->wasted, pages - 1 - *written);
	}
	return pages - 1;
}

/**
 * struct habit - how a VMA's streams have been
 * @last: the stream that went on last; 0 once it has been learned from
 * @known: the usual length of a run, and above it the allowance
 */
struct habit {
	u32 last;
	u16 known;
};

#define HABIT_BITS		8
#define HABIT_RUN_MASK		0xff
#define HABIT_ALLOWANCE_SHIFT	8
#define HABIT_ALLOWANCE		128U

static struct habit habits[1 << HABIT_BITS];

static struct habit *habit_of(struct vm_area_struct *vma)
{
	return &habits[hash_ptr(vma, HABIT_BITS)];
}

static unsigned int habit_run(u16 known)
{
	return known & HABIT_RUN_MASK;
}

static unsigned int habit_allowance(u16 known)
{
	return known >> HABIT_ALLOWANCE_SHIFT;
}

static void habit_write(struct habit *habit, unsigned int run,
			unsigned int allowance)
{
	WRITE_ONCE(habit->known, run | min(allowance, HABIT_ALLOWANCE) <<
					       HABIT_ALLOWANCE_SHIFT);
}

/*
 * The PTEs from a page of the fault's VMA on, to be read as far as the end of
 * the page table, or NULL. It need not be the table whose lock is held: while
 * the fault holds the VMA's lock or the mm's, nobody takes a table away from
 * it, and policies are called under rcu_read_lock().
 */
static pte_t *vma_ptes(struct vm_fault *vmf, unsigned long page)
{
	unsigned long addr = page << PAGE_SHIFT;
	pgd_t pgd, *pgdp;
	p4d_t p4d, *p4dp;
	pud_t pud, *pudp;
	pmd_t pmd;

	if (!((addr ^ vmf->address) & PMD_MASK))
		return vmf->pte + (long)(page - (vmf->address >> PAGE_SHIFT));

	pgdp = pgd_offset(vmf->vma->vm_mm, addr);
	pgd = READ_ONCE(*pgdp);
	if (pgd_none(pgd))
		return NULL;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return NULL;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return NULL;
	pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, addr));
	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd))
		return NULL;
	return pte_offset_kernel(&pmd, addr);
}

/*
 * A stream opens: learn from the one before it how long its run was, as far as
 * it was written without a hole.
 */
static void habit_learn(struct vm_fault *vmf, struct habit *habit)
{
	struct vm_area_struct *vma = vmf->vma;
	u32 stream = READ_ONCE(habit->last);
	u16 known = READ_ONCE(habit->known);
	unsigned int pages = stream_pages(stream), run = stream_run(stream);
	unsigned int usual = habit_run(known), allowance = habit_allowance(known);
	unsigned long start = stream_start(stream, vmf->address >> PAGE_SHIFT);
	unsigned long table = round_down(start, PTRS_PER_PTE);
	unsigned int n;
	pte_t *pte;

	if (pages == 1)
		return;
	WRITE_ONCE(habit->last, 0);
	if (!window_within(vma, table, start, pages))
		return;
	pte = vma_ptes(vmf, start);
	if (!pte)
		return;
	for (n = 0; n < pages; n++) {
		unsigned int place = stream & STREAM_DOWN ? pages - 1 - n : n;

		if (!pte_written(ptep_get_lockless(pte + place)))
			break;
	}

	run -= min(pages - n, run - 1);
	allowance += run / 3;
	if (stream & STREAM_HABIT)
		allowance += min(run, usual) - 1;
	if (!usual)
		usual = run;
	else
		usual += (run > usual) - (run < usual);
	habit_write(habit, usual, allowance);
}

static unsigned int window_pages = DEFAULT_WINDOW;
static bool large_folio = true;

/*
 * The cap on a fault's service, and running estimates of what a fault costs that
 * copies one page, and of what each further page adds. All in ns. The estimates
 * follow the median: the mean is that of the few faults during which the CPU did
 * something else.
 */
static u64 latency_cap;
static u32 fault_cost;
static u32 neighbour_cost;

/* The most pages a window may have now: the ceiling, and what the cap allows. */
static unsigned int window_limit(void)
{
	unsigned int limit = READ_ONCE(window_pages);
	u64 cap = READ_ONCE(latency_cap);
	u32 alone = READ_ONCE(fault_cost);
	u32 more = READ_ONCE(neighbour_cost);

	if (!cap)
		return limit;
	if (!alone || cap < alone)
		return 1;
	/*
	 * A page of a window costs less than a fault. If the first window took
	 * longer, or none was seen yet, let there be another one.
	 */
	if (!more || more > alone)
		more = alone;
	return min_t(u64, 1 + div_u64(cap - alone, more), limit);
}

/*
 * With how many pages does a stream open, one page of whose run has been served?
 * 0 if there is no habit, or nothing left of the allowance.
 */
static noinline unsigned int habit_open(struct vm_fault *vmf, u32 *stream)
{
	struct habit *habit = habit_of(vmf->vma);
	unsigned int pages, usual, allowance;
	u16 known;

	habit_learn(vmf, habit);
	known = READ_ONCE(habit->known);
	usual = habit_run(known);
	allowance = habit_allowance(known);
	pages = min(max(usual, 1U) - 1, window_limit());
	if (pages < 3 || allowance < pages)
		return 0;
	habit_write(habit, usual, allowance - pages);
	*stream |= STREAM_HABIT;
	return pages;
}

/*
 * For the policies without streams: look at the last window, and remember this
 * one, with the fault's place in it where a second stream would be.
 */
static unsigned int remember(struct vm_fault *vmf, unsigned int before,
			     unsigned int after)
{
	unsigned int pages = before + 1 + after;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	u64 last = streams_read(vmf->vma);
	unsigned int written;

	if (last & STREAM_FULL)
		stream_written(vmf, last, last >> 32, &written);
	streams_write(vmf->vma, stream_of(page + after + 1, pages, pages, 0),
		      before);
	return cow_window(before, after);
}

static unsigned int large_flag(void)
{
	return READ_ONCE(large_folio) ? COW_WINDOW_LARGE : 0;
}

static unsigned int next_window(struct vm_fault *vmf)
{
	return remember(vmf, 0, 1);
}

static unsigned int fixed_window(struct vm_fault *vmf)
{
	unsigned int pages = window_limit();
	unsigned int place = (vmf->address >> PAGE_SHIFT) % pages;

	if (pages == 1)
		return 0;
	return remember(vmf, place, pages - 1 - place) | large_flag();
}

/*
 * Does a fault on @page continue the stream? It does where the stream expects
 * it, and a stream of one page, which has no direction yet and is remembered as
 * upward, on the page below it too: 2 below the one that it expects.
 */
static bool stream_goes_on(u32 stream, u32 page)
{
	u32 ahead = (page - stream) & NEXT_MASK;

	return !ahead || (ahead == (-2U & NEXT_MASK) && !(stream & STREAM_DOWN) &&
			  stream_pages(stream) == 1);
}

/* Could it? Quick, and true a little too often. */
static bool stream_may_go_on(u32 stream, u32 page)
{
	return ((page + 2 - stream) & NEXT_MASK) <= 2;
}

static unsigned int new_stream(struct vm_area_struct *vma, u64 streams,
			       unsigned long page)
{
	/* Of the two streams the older one goes. */
	streams_write(vma, stream_of(page + 1, 1, 1, 0), streams);
	return 0;
}

/* How many pages is the next window of a stream to have? 1: it starts again. */
static __always_inline unsigned int grow_stream(struct vm_fault *vmf,
						u32 stream)
{
	unsigned int limit = rounddown_pow_of_two(window_limit());
	unsigned int pages = stream_pages(stream), seen, written;

	seen = stream_written(vmf, stream, stream & STREAM_DOWN ? pages - 1 : 0,
			      &written);
	/* The run is longer than usual. */
	if (stream & STREAM_HABIT && stream_run(stream) == pages + 1 &&
	    pages < limit && 2 * written >= seen)
		return 2;
	pages = roundup_pow_of_two(pages);
	if (written == seen)
		pages *= (seen || pages == 1) ? 2 : 1;
	else if (2 * written < seen)
		pages = 1;
	return min(pages, limit);
}

static noinline unsigned int follow_stream(struct vm_fault *vmf, u64 streams)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long page = vmf->address >> PAGE_SHIFT;
	unsigned long table = round_down(page, PTRS_PER_PTE);
	u32 stream = streams, other = streams >> 32;
	unsigned int pages = 0, run, before = 0, after = 0;
	unsigned long align = 1;

	if (!stream_goes_on(stream, page)) {
		swap(stream, other);
		if (!stream_goes_on(stream, page))
			return new_stream(vma, streams, page);
	}
	if ((page - stream) & NEXT_MASK)
		stream |= STREAM_DOWN;

	run = stream_run(stream);
	if (run == 1)
		pages = habit_open(vmf, &stream);
	if (!pages) {
		pages = grow_stream(vmf, stream);
		align = pages;
		if (pages == 1) {
			stream &= ~STREAM_HABIT;
			run = 0;
		}
	}

	if (stream & STREAM_DOWN) {
		unsigned long start = round_up(page + 1 - pages, align);

		start = max3(start, table, vma->vm_start >> PAGE_SHIFT);
		before = page - start;
		pages = before + 1;
		stream = stream_of(start - 1, pages, run + pages,
				   stream & (STREAM_DOWN | STREAM_HABIT));
	} else {
		unsigned long end = round_down(page + pages, align);

		end = min3(end, table + PTRS_PER_PTE,
			   vma->vm_end >> PAGE_SHIFT);
		after = end - 1 - page;
		pages = after + 1;
		stream = stream_of(end, pages, run + pages,
				   stream & STREAM_HABIT);
	}
	streams_write(vma, stream, other);
	/* One that starts again is not learned from. */
	WRITE_ONCE(habit_of(vma)->last, stream);
	if (pages == 1)
		return 0;
	return cow_window(before, after) | large_flag();
}

static unsigned int adaptive_window(struct vm_fault *vmf)
{
	unsigned long page = vmf->address >> PAGE_SHIFT;
	u64 streams = streams_read(vmf->vma);

	if (likely(!stream_may_go_on(streams, page) &&
		   !stream_may_go_on(streams >> 32, page)))
		return new_stream(vmf->vma, streams, page);
	return follow_stream(vmf, streams);
}

static const struct {
	const char *name;
	unsigned int (*window)(struct vm_fault *vmf);
} policies[] = {
	{ "next",	next_window },
	{ "fixed",	fixed_window },
	{ "adaptive",	adaptive_window },
};

static void policy_served(struct vm_fault *vmf, const struct cow_result *result)
{
	unsigned int i;

	for (i = 0; i < NR_COW_SKIPS; i++)
		if (result->skipped[i])
			this_cpu_add(stats->skipped[i], result->skipped[i]);
	if (result->reused)
		this_cpu_add(stats->reused, result->reused);
	if (!result->copied) {
		this_cpu_inc(stats->left);
		return;
	}
	this_cpu_inc(stats->windows);
	this_cpu_add(stats->neighbours, result->copied - 1);

	/* What was served in part says nothing about what was written. */
	if (result->copied << PAGE_SHIFT == result->end - result->start) {
		u64 streams = streams_read(vmf->vma);

		streams_write(vmf->vma, (u32)streams | STREAM_FULL,
			      streams >> 32);
	}
}

static unsigned int chosen;

/* The window callback is that of the chosen policy, without a detour. */
static struct cow_policy cowlab_policy = {
	.window = next_window,
	.served = policy_served,
};

static bool enabled;

/**
 * cow_policy_enable - the master switch
 * @on: whether faults ask the chosen policy
 *
 * Context: the caller serializes.
 * Return: 0, or -EBUSY if another module has registered a policy.
 */
int cow_policy_enable(bool on)
{
	int ret = 0;

	if (on == enabled)
		return 0;
	if (on)
		ret = cow_policy_register(&cowlab_policy);
	else
		cow_policy_unregister(&cowlab_policy);
	if (!ret)
		enabled = on;
	return ret;
}

/**
 * cow_policy_enabled - whether faults ask the chosen policy
 *
 * Context: the caller serializes with cow_policy_enable().
 */
bool cow_policy_enabled(void)
{
	return enabled;
}

/**
 * cow_policy_choose - take another policy, from the next fault on
 * @name: of the policy
 *
 * Return: 0, or -EINVAL if there is none of that name.
 */
int cow_policy_choose(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(policies[i].name, name)) {
			WRITE_ONCE(chosen, i);
			WRITE_ONCE(cowlab_policy.window, policies[i].window);
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * cow_policy_show - print the policies' names, the chosen one in brackets
 * @m: where to
 */
void cow_policy_show(struct seq_file *m)
{
	unsigned int i, now = READ_ONCE(chosen);

	for (i = 0; i < ARRAY_SIZE(policies); i++)
		seq_printf(m, "%s%s%s%s", i ? " " : "", i == now ? "[" : "",
			   policies[i].name, i == now ? "]" : "");
	seq_putc(m, '\n');
}

/**
 * cow_policy_set_window - set the window of the policies that have one
 * @pages: 1 to COW_WINDOW_MAX
 */
void cow_policy_set_window(unsigned int pages)
{
	WRITE_ONCE(window_pages, pages);
}

/**
 * cow_policy_get_window - the window, in pages
 */
unsigned int cow_policy_get_window(void)
{
	return READ_ONCE(window_pages);
}

/**
 * cow_policy_set_large - let windows be copied into large folios, or not
 * @on: whether to
 */
void cow_policy_set_large(bool on)
{
	WRITE_ONCE(large_folio, on);
}

/**
 * cow_policy_get_large - whether windows may be copied into large folios
 */
bool cow_policy_get_large(void)
{
	return READ_ONCE(large_folio);
}

/**
 * cow_policy_set_cap - plan no window whose service takes longer
 * @ns: the cap, 0 for none; the estimates of what a fault costs start
 *	anew
 */
void cow_policy_set_cap(u64 ns)
{
	WRITE_ONCE(fault_cost, 0);
	WRITE_ONCE(neighbour_cost, 0);
	WRITE_ONCE(latency_cap, ns);
}

/**
 * cow_policy_get_cap - the cap, in ns
 */
u64 cow_policy_get_cap(void)
{
	return READ_ONCE(latency_cap);
}

static void learn(u32 *estimate, u64 ns)
{
	u32 old = READ_ONCE(*estimate);
	u32 cost = clamp_t(u64, ns, 16, U32_MAX / 2);

	if (old)
		cost = cost > old ? old + old / 16 : old - old / 16;
	WRITE_ONCE(*estimate, max_t(u32, cost, 16));
}

/**
 * cow_policy_learn - what a fault cost, for the cap
 * @pages: the pages that it copied
 * @ns: the time that it took
 *
 * An estimate goes a sixteenth up or down with each fault, so it settles where
 * as many faults cost more as cost less. Concurrent faults may lose each other's
 * samples.
 */
void cow_policy_learn(unsigned int pages, u64 ns)
{
	u32 alone = READ_ONCE(fault_cost);

	if (pages == 1)
		learn(&fault_cost, ns);
	else if (pages && alone)
		learn(&neighbour_cost,
		      div_u64(ns - min_t(u64, ns, alone), pages - 1));
}

/**
 * cow_stats_fault - count a COW fault
 * @copied: the pages that it copied
 *
 * Context: preemption disabled.
 */
void cow_stats_fault(unsigned int copied)
{
	this_cpu_inc(stats->faults);
	this_cpu_add(stats->copied, copied);
}

/**
 * cow_stats_reset - set all counters to 0, and forget the habits
 *
 * What is counted at the same moment may be lost.
 */
void cow_stats_reset(void)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(stats, cpu), 0, sizeof(*stats));
	for (i = 0; i < ARRAY_SIZE(habits); i++) {
		WRITE_ONCE(habits[i].last, 0);
		WRITE_ONCE(habits[i].known, 0);
	}
}

/**
 * cow_stats_show - print the counters as `key value` lines
 * @m: where to
 *
 * faults and copied are counted while timing or log is on, the others while
 * precopy is. A neighbour is a hit if it was written, wasted if it was not, by
 * the time of the next fault that looks at its window. Unjudged are those whose
 * window no fault has looked at: the last one before the end, one in another
 * page table, one that was served in part, one that another stream's evicted.
 */
void cow_stats_show(struct seq_file *m)
{
	struct cow_stats sum = {};
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct cow_stats *part = per_cpu_ptr(stats, cpu);

		sum.faults += READ_ONCE(part->faults);
		sum.copied += READ_ONCE(part->copied);
		sum.windows += READ_ONCE(part->windows);
		sum.left += READ_ONCE(part->left);
		sum.neighbours += READ_ONCE(part->neighbours);
		sum.reused += READ_ONCE(part->reused);
		sum.hit += READ_ONCE(part->hit);
		sum.wasted += READ_ONCE(part->wasted);
		for (i = 0; i < NR_COW_SKIPS; i++)
			sum.skipped[i] += READ_ONCE(part->skipped[i]);
	}

	seq_printf(m, "faults %llu\n", sum.faults);
	seq_printf(m, "copied %llu\n", sum.copied);
	seq_printf(m, "windows %llu\n", sum.windows);
	seq_printf(m, "left %llu\n", sum.left);
	seq_printf(m, "neighbours %llu\n", sum.neighbours);
	seq_printf(m, "reused %llu\n", sum.reused);
	seq_printf(m, "hit %llu\n", sum.hit);
	seq_printf(m, "wasted %llu\n", sum.wasted);
	seq_printf(m, "unjudged %llu\n",
		   sum.neighbours - min(sum.neighbours, sum.hit + sum.wasted));
	for (i = 0; i < NR_COW_SKIPS; i++)
		seq_printf(m, "skip_%s %llu\n", skip_names[i], sum.skipped[i]);
}

/**
 * cow_policy_init - allocate the counters
 *
 * Return: 0 or -ENOMEM.
 */
int cow_policy_init(void)
{
	stats = alloc_percpu(struct cow_stats);
	return stats ? 0 : -ENOMEM;
}

/**
 * cow_policy_destroy - unregister, and free the counters
 */
void cow_policy_destroy(void)
{
	cow_policy_enable(false);
	free_percpu(stats);
}
