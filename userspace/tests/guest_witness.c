// SPDX-License-Identifier: GPL-2.0
/*
 * Stress with a witness. Processes of several threads fork, write, protect,
 * move, unmap, throw away, page out, merge, collapse and pin the pages of one
 * region, all at once, while another process turns the policy's knobs, splits
 * huge pages, compacts memory and reloads the module.
 *
 * Every word of the region encodes its writer: the process, the thread, the
 * page, the thread's sequence number, and a check over these and the word's
 * index. Only one thread writes a given word, and knows its expected value.
 * Only a thread that holds a page's lock exclusively discards its content. A
 * child compares what it inherited with what its parent knew before and after
 * the fork. The first wrong word stops the test.
 */
#include "tests/arms.h"

#include <argp.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define NR_MANUAL_COW 548

/* Far from where mmap() looks first: no mapping fills a hole. */
#define REGION ((unsigned char *)0x200000000000)
#define AWAY(lane) (REGION + (1UL << 30) * (1 + (lane)))
#define HUGE_END 512 /* pages before this: may be a huge page */
#define FILE_START 608 /* pages from here on: of a private file */
#define PAGES 640
#define WORDS (PAGE_BYTES / sizeof(uint64_t))
#define LANES 3 /* threads of a process */
#define PROCESSES 6 /* alive at the same time */
#define ALONE (1U << 31)
#define STUCK slow(120) /* seconds */
#define CGROUP "/sys/fs/cgroup/guest_witness"

#define PINNED 4

enum op {
	OP_FORK,
	OP_DONTNEED,
	OP_UNMAP,
	OP_FREE,
	OP_TWIN,
	OP_MPROTECT,
	OP_MREMAP,
	OP_COLD,
	OP_PAGEOUT,
	OP_MERGEABLE,
	OP_UNMERGEABLE,
	OP_HUGEPAGE,
	OP_NOHUGEPAGE,
	OP_COLLAPSE,
	OP_POPULATE_READ,
	OP_POPULATE_WRITE,
	OP_MLOCK,
	OP_MUNLOCK,
	OP_MANUAL_COW,
	OP_VMSPLICE,
	OP_DIRECT_READ,
	OP_DIRECT_WRITE,
	OP_PIN,
	OP_SOFT_DIRTY,
	/* The supervisor's */
	OP_POLICY,
	OP_SIZES,
	OP_SPLIT,
	OP_COMPACT,
	OP_RECLAIM,
	OP_KSM,
	OP_SWITCH,
	OP_RELOAD,
	NR_OPS,
};

static const char *const op_names[NR_OPS] = {
	"fork",	       "dontneed",     "unmap",	     "free",	   "twin",
	"mprotect",    "mremap",       "cold",	     "pageout",	   "mergeable",
	"unmergeable", "hugepage",     "nohugepage", "collapse",   "populate_r",
	"populate_w",  "mlock",	       "munlock",    "manual_cow", "vmsplice",
	"direct_read", "direct_write", "pin",	     "soft_dirty", "policy",
	"sizes",       "split",	       "compact",    "reclaim",	   "ksm",
	"switch",      "reload",
};

/*
 * What a process knows, in shared memory, so that its children can read it.
 * @version: odd while the page's content is being discarded
 * @seq: number of words that each thread has written
 * @doing: the word that each thread is about to write
 * @must: the expected value of each word
 */
struct process {
	atomic_bool used;
	atomic_bool adopted;
	atomic_int pid;
	uint32_t id;
	atomic_uint lock[PAGES];
	atomic_uint version[PAGES];
	atomic_uint seq[LANES];
	struct {
		atomic_int page;
		int word;
		uint64_t old;
	} doing[LANES];
	volatile uint64_t must[PAGES][WORDS];
};

static struct {
	atomic_bool stop;
	atomic_bool wrong;
	char what[256];
	atomic_int pin_users; /* have, or may inherit, gup_test's file */
	atomic_uint ids;
	atomic_ulong writes;
	atomic_ulong faults; /* accesses that were refused temporarily */
	atomic_ulong ops[NR_OPS];
	struct process processes[PROCESSES];
} * common;

static struct {
	uint64_t seed;
	uint64_t writes;
	bool keys;
} option = { 0, 200000, false };

static struct process *me;
static atomic_bool ending;
/* What each thread has moved away, or is about to move. */
static volatile struct {
	size_t first;
	size_t nr;
} away[LANES];
static int disk = -1, file = -1, first_fd;

/* What a thread holds other than through its page table. */
static _Thread_local struct {
	int pipe[2];
	size_t page;
	uint64_t then[WORDS];
	int pin;
	size_t first;
	unsigned int version[PINNED];
} held;

static _Thread_local unsigned int lane;
static _Thread_local uint64_t seed;
static _Thread_local double refused_since;

static __attribute__((format(printf, 1, 2))) void wrong(const char *fmt, ...)
{
	va_list ap;

	if (!atomic_exchange(&common->wrong, true)) {
		va_start(ap, fmt);
		vsnprintf(common->what, sizeof(common->what), fmt, ap);
		va_end(ap);
	}
	atomic_store(&common->stop, true);
}

static uint64_t below(uint64_t limit)
{
	return next_random(&seed) % limit;
}

/* Words: 20 bits process, 2 thread, 10 page, 24 number, 8 check. */

static uint64_t seal(uint64_t value, size_t word)
{
	return value | (((value ^ word) * 0x9e3779b97f4a7c15) >> 56);
}

static uint64_t id_of(uint64_t value)
{
	return value >> 44;
}

static uint32_t seq_of(uint64_t value)
{
	return value >> 8 & 0xffffff;
}

static uint64_t new_word(size_t page, size_t word)
{
	unsigned int owner = word % LANES;
	uint32_t seq = atomic_fetch_add(&me->seq[owner], 1) + 1;

	return seal((uint64_t)me->id << 44 | (uint64_t)owner << 42 |
			    page << 32 | (uint64_t)(seq & 0xffffff) << 8,
		    word);
}

/* A word of one of the identical pages, for KSM. */
static uint64_t twin_word(unsigned int kind, size_t word)
{
	return seal(3UL << 42 | (uint64_t)kind << 32 | word << 8, word);
}

/* What a discarded page holds. */
static uint64_t empty_word(size_t page, size_t word)
{
	return page < FILE_START ? 0 : twin_word(page % 2, word);
}

static bool is_valid(uint64_t value, size_t page, size_t word)
{
	unsigned int owner = value >> 42 & 3;

	if (value == empty_word(page, word))
		return true;
	if (seal(value & ~0xffUL, word) != value)
		return false;
	if (owner == 3)
		return seq_of(value) == word;
	return owner == word % LANES && (value >> 32 & 0x3ff) == page;
}

static volatile uint64_t *word_at(size_t page, size_t word)
{
	return (volatile uint64_t *)(REGION + page * PAGE_BYTES) + word;
}

static void expect(const char *what, size_t page, size_t word, uint64_t is)
{
	uint64_t must = me->must[page][word];
	size_t i, nr = 0;

	if (is == must)
		return;
	/* Is one word wrong, or the page? */
	for (i = 0; i < WORDS; i++)
		nr += *word_at(page, i) != me->must[page][i];
	wrong("%s: process %u thread %u: page %zu word %zu holds %#018" PRIx64
	      ", not %#018" PRIx64 "; %zu words of the page are wrong",
	      what, me->id, lane, page, word, is, must, nr);
}

/* Protection and moves refuse accesses temporarily. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
	unsigned char *addr = info->si_addr;

	(void)context;
	if (sig != SIGSEGV || addr < REGION ||
	    addr >= REGION + PAGES * PAGE_BYTES) {
		wrong("process %u thread %u: signal %d at %p", me->id, lane,
		      sig, info->si_addr);
		_exit(97);
	}
	atomic_fetch_add(&common->faults, 1);
	if (refused_since == 0)
		refused_since = now();
	if (now() - refused_since > STUCK) {
		wrong("process %u thread %u: page %zu stays inaccessible",
		      me->id, lane, (addr - REGION) / PAGE_BYTES);
		_exit(98);
	}
	sched_yield();
}

/* Locks: many may use a page's content, one may discard it. */

static void lock_with_others(size_t page)
{
	for (;;) {
		unsigned int is = atomic_load(&me->lock[page]);

		if (!(is & ALONE) &&
		    atomic_compare_exchange_weak(&me->lock[page], &is, is + 1))
			return;
		sched_yield();
	}
}

static void unlock_with_others(size_t page)
{
	atomic_fetch_sub(&me->lock[page], 1);
}

/* In ascending order, so that two threads cannot deadlock. */
static void lock_alone(size_t first, size_t nr)
{
	size_t page;

	for (page = first; page < first + nr; page++) {
		unsigned int is = 0;

		while (!atomic_compare_exchange_weak(&me->lock[page], &is,
						     ALONE)) {
			is = 0;
			sched_yield();
		}
	}
}

static void unlock_alone(size_t first, size_t nr)
{
	size_t page;

	for (page = first; page < first + nr; page++)
		atomic_store(&me->lock[page], 0);
}

static void begin_change(size_t first, size_t nr)
{
	while (nr--)
		atomic_fetch_add(&me->version[first + nr], 1);
}

static void end_change(size_t first, size_t nr)
{
	begin_change(first, nr);
}

/* Each word of a page that is locked exclusively. */
static void verify(const char *what, size_t page)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		expect(what, page, i, *word_at(page, i));
}

/* Writes */

static void write_word(size_t page, size_t word)
{
	uint64_t old, new;

	lock_with_others(page);
	old = *word_at(page, word);
	expect("before a write", page, word, old);
	new = new_word(page, word);
	me->doing[lane].word = word;
	me->doing[lane].old = old;
	atomic_store(&me->doing[lane].page, page);
	me->must[page][word] = new;
	atomic_thread_fence(memory_order_seq_cst);
	*word_at(page, word) = new;
	atomic_store(&me->doing[lane].page, -1);
	expect("after a write", page, word, *word_at(page, word));
	word = (word + LANES * below(WORDS / LANES)) % WORDS;
	word -= word % LANES;
	if (word + lane < WORDS)
		expect("later", page, word + lane, *word_at(page, word + lane));
	unlock_with_others(page);
	refused_since = 0;
}

/* A run of faults, so that windows open. */
static size_t write_run(void)
{
	static const int steps[] = { 1, 1, 1, -1, -1, 2, 7 };
	size_t word = below(WORDS / LANES) * LANES + lane;
	int step = steps[below(ARRAY_SIZE(steps))];
	size_t i, nr = 1 + below(48), page = below(PAGES);

	for (i = 0; i < nr && !atomic_load(&common->stop); i++) {
		write_word(page, word);
		page = (page + PAGES + step) % PAGES;
	}
	atomic_fetch_add(&common->writes, i);
	return i;
}

/* Operations */

static void *addr_of(size_t page)
{
	return REGION + page * PAGE_BYTES;
}

static void count(enum op op)
{
	atomic_fetch_add(&common->ops[op], 1);
}

static void set_empty(size_t page)
{
	size_t i;

	for (i = 0; i < WORDS; i++)
		me->must[page][i] = empty_word(page, i);
}

static void map_pages(size_t first, size_t nr)
{
	double until = now() + STUCK;

	while (nr) {
		bool of_file = first >= FILE_START;
		size_t n = of_file || first + nr <= FILE_START ?
				   nr :
				   FILE_START - first;

		if (mmap(addr_of(first), n * PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED |
				 (of_file ? 0 : MAP_ANONYMOUS),
			 of_file ? file : -1,
			 of_file ? (first - FILE_START) * PAGE_BYTES : 0) ==
		    MAP_FAILED) {
			if (now() > until) {
				wrong("mmap: %s", strerror(errno));
				_exit(96);
			}
			usleep(1000);
			continue;
		}
		first += n;
		nr -= n;
	}
}

/* After a write, MADV_FREE has kept all of the page or none of it. */
static void free_page(size_t page)
{
	size_t word = below(WORDS / LANES) * LANES + lane, i;
	bool gone = true;

	if (madvise(addr_of(page), PAGE_BYTES, MADV_FREE))
		return;
	count(OP_FREE);
	if (below(2))
		sched_yield();
	else if (below(4) == 0)
		madvise(addr_of(page), PAGE_BYTES, MADV_PAGEOUT);
	me->must[page][word] = new_word(page, word);
	*word_at(page, word) = me->must[page][word];
	for (i = 0; i < WORDS; i++)
		gone &= i == word || !*word_at(page, i);
	for (i = 0; gone && i < WORDS; i++)
		if (i != word)
			me->must[page][i] = 0;
	verify("after MADV_FREE", page);
}

static void fill_twin(size_t page)
{
	unsigned int kind = below(3);
	size_t i;

	for (i = 0; i < WORDS; i++) {
		me->must[page][i] = twin_word(kind, i);
		*word_at(page, i) = me->must[page][i];
	}
	count(OP_TWIN);
}

static bool dontneed(size_t first, size_t nr)
{
	return !madvise(addr_of(first), nr * PAGE_BYTES, MADV_DONTNEED);
}

static void discard(void)
{
	bool huge = below(24) == 0;
	size_t nr = huge ? HUGE_END : 1 + below(8);
	size_t first = huge ? 0 : below(PAGES - nr), i;

	lock_alone(first, nr);
	for (i = 0; i < nr; i++)
		verify("before a discard", first + i);
	begin_change(first, nr);
	switch (below(huge ? 3 : 6)) {
	case 0:
		if (munmap(addr_of(first), nr * PAGE_BYTES))
			break;
		map_pages(first, nr);
		for (i = 0; i < nr; i++)
			set_empty(first + i);
		count(OP_UNMAP);
		break;
	case 1:
	case 2:
		/* Locked memory is not discarded. */
		for (i = 0; i < nr; i++)
			if (dontneed(first + i, 1))
				set_empty(first + i);
		count(OP_DONTNEED);
		break;
	case 3:
	case 4:
		for (i = 0; i < nr; i++)
			free_page(first + i);
		break;
	default:
		for (i = 0; i < nr; i++)
			fill_twin(first + i);
	}
	if (below(2))
		for (i = 0; i < nr; i++)
			verify("after a discard", first + i);
	end_change(first, nr);
	unlock_alone(first, nr);
}

/* Per page where some are moved away: the thread that moved them does those. */
static void make_writable(size_t first, size_t nr)
{
	if (!mprotect(addr_of(first), nr * PAGE_BYTES, PROT_READ | PROT_WRITE))
		return;
	while (nr--)
		mprotect(addr_of(first + nr), PAGE_BYTES,
			 PROT_READ | PROT_WRITE);
}

static void protect(void)
{
	size_t nr = 1 + below(32), first = below(PAGES - nr);

	if (!mprotect(addr_of(first), nr * PAGE_BYTES,
		      below(4) ? PROT_READ : PROT_NONE))
		count(OP_MPROTECT);
	sched_yield();
	make_writable(first, nr);
}

static void move(void)
{
	bool huge = below(24) == 0;
	size_t nr = huge ? HUGE_END : 1 + below(8);
	size_t first = huge ? 0 : below(PAGES - nr), i, bytes;

	for (i = 0; i < nr; i++)
		lock_with_others(first + i);
	bytes = nr * PAGE_BYTES;
	away[lane].first = first;
	away[lane].nr = nr;
	if (mremap(addr_of(first), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   AWAY(lane)) != MAP_FAILED) {
		sched_yield();
		if (mremap(AWAY(lane), bytes, bytes,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   addr_of(first)) == MAP_FAILED) {
			wrong("mremap: %s", strerror(errno));
			_exit(96);
		}
		count(OP_MREMAP);
		make_writable(first, nr);
	}
	for (i = 0; i < nr; i++)
		unlock_with_others(first + i);
}

/* Calls that change no content need no lock. */
static void advise(void)
{
	static const struct {
		enum op op;
		int advice;
		bool huge;
	} list[] = {
		{ OP_COLD, MADV_COLD, false },
		{ OP_PAGEOUT, MADV_PAGEOUT, false },
		{ OP_PAGEOUT, MADV_PAGEOUT, false },
		{ OP_MERGEABLE, MADV_MERGEABLE, false },
		{ OP_MERGEABLE, MADV_MERGEABLE, false },
		{ OP_UNMERGEABLE, MADV_UNMERGEABLE, false },
		{ OP_HUGEPAGE, MADV_HUGEPAGE, true },
		{ OP_HUGEPAGE, MADV_HUGEPAGE, true },
		{ OP_NOHUGEPAGE, MADV_NOHUGEPAGE, true },
		{ OP_COLLAPSE, MADV_COLLAPSE, true },
		{ OP_POPULATE_READ, MADV_POPULATE_READ, false },
		{ OP_POPULATE_WRITE, MADV_POPULATE_WRITE, false },
	};
	size_t k = below(ARRAY_SIZE(list)), nr = 1 + below(64);
	size_t first = below(PAGES - nr);

	if (list[k].huge || below(16) == 0) {
		first = 0;
		nr = HUGE_END;
	}
	if (!madvise(addr_of(first), nr * PAGE_BYTES, list[k].advice))
		count(list[k].op);
}

static void lock_memory(void)
{
	size_t nr = 1 + below(16), first = below(PAGES - nr);

	if (below(4))
		return;
	if (!mlock(addr_of(first), nr * PAGE_BYTES))
		count(OP_MLOCK);
	if (below(8) && !munlock(addr_of(first), nr * PAGE_BYTES))
		count(OP_MUNLOCK);
}

static void break_cow(void)
{
	size_t nr = 1 + below(128), first = below(PAGES - nr);

	if (!syscall(NR_MANUAL_COW, addr_of(first), nr * PAGE_BYTES, 0))
		count(OP_MANUAL_COW);
}

/*
 * A pipe holds a page. A read of the pipe returns what the page held at the
 * vmsplice(), or what this process has written to the page since.
 */
static void splice_in(void)
{
	size_t page = below(PAGES), i;
	struct iovec iov = { addr_of(page), PAGE_BYTES };

	if (pipe2(held.pipe, O_CLOEXEC)) {
		held.pipe[0] = -1;
		return;
	}
	lock_alone(page, 1);
	for (i = 0; i < WORDS; i++)
		held.then[i] = me->must[page][i];
	held.page = page;
	if (vmsplice(held.pipe[1], &iov, 1, SPLICE_F_NONBLOCK) !=
	    (ssize_t)PAGE_BYTES) {
		close(held.pipe[0]);
		close(held.pipe[1]);
		held.pipe[0] = -1;
	}
	unlock_alone(page, 1);
}

static void splice_out(void)
{
	uint64_t words[WORDS];
	size_t i;
	ssize_t n = read(held.pipe[0], words, sizeof(words));

	if (n != sizeof(words))
		wrong("a pipe gave %zd bytes", n);
	for (i = 0; n == sizeof(words) && i < WORDS; i++) {
		uint64_t is = words[i], then = held.then[i];

		if (is == then)
			continue;
		if (is_valid(is, held.page, i) && id_of(is) == me->id &&
		    (id_of(then) != me->id || seq_of(is) > seq_of(then)))
			continue;
		/* Discarded and filled in place. */
		if ((is >> 42 & 3) == 3 && is_valid(is, held.page, i))
			continue;
		wrong("process %u thread %u: page %zu word %zu: a pipe returned %#018" PRIx64
		      ", was %#018" PRIx64,
		      me->id, lane, held.page, i, is, then);
	}
	close(held.pipe[0]);
	close(held.pipe[1]);
	held.pipe[0] = -1;
	count(OP_VMSPLICE);
}

/* A pinned page stays this process's page, whatever runs concurrently. */
static void pin(void)
{
	struct pin_longterm_test arg = { .size = PINNED * PAGE_BYTES,
					 .flags = below(2) };
	int none = 0;
	size_t i;

	/*
	 * One at a time in the whole guest: gup_test has one global state. The
	 * last close() of its file, perhaps in a child, frees it with no lock.
	 */
	if (!atomic_compare_exchange_strong(&common->pin_users, &none, 1))
		return;
	held.pin = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	held.first = below(FILE_START - PINNED);
	arg.addr = (uintptr_t)addr_of(held.first);
	lock_alone(held.first, PINNED);
	for (i = 0; i < PINNED; i++)
		held.version[i] = atomic_load(&me->version[held.first + i]);
	if (ioctl(held.pin, PIN_LONGTERM_TEST_START, &arg)) {
		close(held.pin);
		held.pin = -1;
		atomic_fetch_sub(&common->pin_users, 1);
	}
	unlock_alone(held.first, PINNED);
}

static void unpin(void)
{
	uint64_t words[PINNED][WORDS], buf = (uintptr_t)words;
	size_t i, k;

	lock_alone(held.first, PINNED);
	if (!ioctl(held.pin, PIN_LONGTERM_TEST_READ, &buf)) {
		for (i = 0; i < PINNED; i++)
			for (k = 0; k < WORDS; k++)
				if (held.version[i] ==
				    atomic_load(&me->version[held.first + i]))
					expect("pinned", held.first + i, k,
					       words[i][k]);
		count(OP_PIN);
	}
	unlock_alone(held.first, PINNED);
	close(held.pin);
	held.pin = -1;
	atomic_fetch_sub(&common->pin_users, 1);
}

static void hold_or_release(void)
{
	if (held.pipe[0] >= 0)
		splice_out();
	else
		splice_in();
	if (held.pin >= 0)
		unpin();
	else if (below(8) == 0)
		pin();
}

/* Direct I/O reads the disk into a page, or writes a page to the disk. */
static void direct_io(void)
{
	static uint64_t buffers[LANES][WORDS]
		__attribute__((aligned(PAGE_BYTES)));
	uint64_t *buffer = buffers[lane];
	off_t at =
		(off_t)((me - common->processes) * LANES + lane) * PAGE_BYTES;
	size_t page = below(PAGES), i;
	ssize_t n;

	if (disk < 0)
		return;
	lock_alone(page, 1);
	verify("before direct I/O", page);
	if (below(2)) {
		n = pwrite(disk, addr_of(page), PAGE_BYTES, at);
		if (n == (ssize_t)PAGE_BYTES &&
		    pread(disk, buffer, PAGE_BYTES, at) ==
			    (ssize_t)PAGE_BYTES) {
			for (i = 0; i < WORDS; i++)
				expect("on disk", page, i, buffer[i]);
			count(OP_DIRECT_WRITE);
		}
		unlock_alone(page, 1);
		return;
	}
	for (i = 0; i < WORDS; i++)
		buffer[i] = new_word(page, i);
	begin_change(page, 1);
	if (pwrite(disk, buffer, PAGE_BYTES, at) == (ssize_t)PAGE_BYTES) {
		n = pread(disk, addr_of(page), PAGE_BYTES, at);
		for (i = 0; n > 0 && i < n / sizeof(uint64_t); i++)
			me->must[page][i] = buffer[i];
		if (n == (ssize_t)PAGE_BYTES)
			count(OP_DIRECT_READ);
	}
	verify("after direct I/O", page);
	end_change(page, 1);
	unlock_alone(page, 1);
}

static void disturb(void)
{
	static void (*const list[])(void) = {
		discard,   discard,	    protect,	     move,
		advise,	   advise,	    advise,	     lock_memory,
		break_cow, hold_or_release, hold_or_release, direct_io,
	};

	list[below(ARRAY_SIZE(list))]();
	refused_since = 0;
}

/* Processes */

/* Compare what a child inherited with what its parent knew. */
static void adopt(const struct process *parent)
{
	size_t page, word;
	unsigned int i;

	for (page = 0; page < PAGES; page++) {
		unsigned int before = atomic_load(&me->version[page]);
		bool loose = before % 2 ||
			     before != atomic_load(&parent->version[page]);

		/* The page may be MADV_FREEd: only a write keeps its content. */
		if (loose)
			me->must[page][0] = *word_at(page, 0) =
				new_word(page, 0);
		for (word = 0; word < WORDS; word++) {
			uint64_t is = *word_at(page, word);
			uint64_t low = me->must[page][word];
			uint32_t high = atomic_load(&parent->seq[word % LANES]);
			bool good = is == low;

			if (!good && loose)
				good = is_valid(is, page, word) &&
				       (id_of(is) <= parent->id);
			else if (!good)
				good = is_valid(is, page, word) &&
				       id_of(is) == parent->id &&
				       seq_of(is) <= high &&
				       (id_of(low) != parent->id ||
					seq_of(is) > seq_of(low));
			for (i = 0; !good && i < LANES; i++)
				good = me->doing[i].page == (int)page &&
				       me->doing[i].word == (int)word &&
				       me->doing[i].old == is;
			if (!good)
				wrong("process %u inherited %#018" PRIx64
				      " in page %zu word %zu; before %#018" PRIx64
				      ", after at most number %u%s",
				      me->id, is, page, word, low, high,
				      loose ? ", discarded" : "");
			me->must[page][word] = is;
		}
	}
	for (page = 0; page < PAGES; page++)
		atomic_store(&me->version[page], 0);
	for (i = 0; i < LANES; i++)
		atomic_store(&me->doing[i].page, -1);
	atomic_store(&me->adopted, true);
}

/* The parent's other threads, which would move pages back, are gone. */
static void tidy_up(void)
{
	static unsigned char in_core[PAGES];
	size_t i;

	for (i = 0; i < LANES; i++) {
		size_t bytes = away[i].nr * PAGE_BYTES;

		if (!mincore(AWAY(i), PAGE_BYTES, in_core) &&
		    mremap(AWAY(i), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			   addr_of(away[i].first)) == MAP_FAILED) {
			wrong("mremap in a child: %s", strerror(errno));
			_exit(96);
		}
	}
	for (i = 0; i < PAGES; i++)
		if (mincore(addr_of(i), PAGE_BYTES, in_core))
			map_pages(i, 1);
	make_writable(0, PAGES);
	close_range(first_fd, ~0U, 0);
	atomic_fetch_sub(&common->pin_users, 1);
	held.pipe[0] = -1;
	held.pin = -1;
}

static struct process *new_process(void)
{
	size_t i;

	for (i = 0; i < PROCESSES; i++) {
		struct process *p = &common->processes[i];
		bool used = false;

		if (atomic_compare_exchange_strong(&p->used, &used, true)) {
			p->id = atomic_fetch_add(&common->ids, 1) + 1;
			memset(p->lock, 0, sizeof(p->lock));
			memset(p->seq, 0, sizeof(p->seq));
			atomic_store(&p->adopted, false);
			return p;
		}
	}
	return NULL;
}

static struct process *children[64];
static pid_t children_pid[64];
static size_t nr_children;

/* Reap; @wait: until each child has compared what it inherited. */
static void look_after_children(bool wait)
{
	size_t i;

	for (i = 0; i < nr_children;) {
		int status;

		if (waitpid(children_pid[i], &status, WNOHANG) > 0) {
			if (status)
				wrong("process %u ended with %#x",
				      children[i]->id, status);
		} else if (!wait || !atomic_load(&children[i]->adopted)) {
			if (wait)
				sched_yield();
			else
				i++;
			continue;
		}
		children[i] = children[--nr_children];
		children_pid[i] = children_pid[nr_children];
	}
}

/* Return: true in the child. */
static bool spawn(void)
{
	struct process *parent = me, *child;
	size_t i, k;
	pid_t pid;

	if (nr_children == ARRAY_SIZE(children))
		return false;
	child = new_process();
	if (!child)
		return false;
	for (i = 0; i < PAGES; i++)
		atomic_store(&child->version[i],
			     atomic_load(&parent->version[i]));
	for (i = 0; i < PAGES; i++)
		for (k = 0; k < WORDS; k++)
			child->must[i][k] = parent->must[i][k];
	for (i = 0; i < LANES; i++) {
		child->doing[i].word = parent->doing[i].word;
		child->doing[i].old = parent->doing[i].old;
		atomic_store(&child->doing[i].page,
			     atomic_load(&parent->doing[i].page));
	}
	/* Until the child has closed what it inherits: see pin(). */
	atomic_fetch_add(&common->pin_users, 1);
	pid = fork();
	if (pid < 0) {
		atomic_fetch_sub(&common->pin_users, 1);
		atomic_store(&child->used, false);
		return false;
	}
	if (pid) {
		atomic_store(&child->pid, pid);
		children[nr_children] = child;
		children_pid[nr_children++] = pid;
		count(OP_FORK);
		return false;
	}
	me = child;
	seed = (option.seed + me->id * LANES) * 0x9e3779b97f4a7c15 | 1;
	nr_children = 0;
	tidy_up();
	adopt(parent);
	return true;
}

static void release_held(void)
{
	if (held.pipe[0] >= 0)
		splice_out();
	if (held.pin >= 0)
		unpin();
}

static void *live_beside(void *arg)
{
	lane = (uintptr_t)arg;
	seed = (option.seed + me->id * LANES + lane) * 0x9e3779b97f4a7c15 | 1;
	held.pipe[0] = -1;
	held.pin = -1;
	while (!atomic_load(&ending) && !atomic_load(&common->stop)) {
		write_run();
		write_run();
		disturb();
	}
	release_held();
	return NULL;
}

/* From the fork to the last check of every word. */
static void live(void)
{
	pthread_t threads[LANES];
	size_t quota, i;

reborn:
	atomic_store(&ending, false);
	for (i = 1; i < LANES; i++)
		if (pthread_create(&threads[i], NULL, live_beside, (void *)i))
			wrong("no thread");
	if (below(32) == 0 && !file_write("/proc/self/clear_refs", "4", 1))
		count(OP_SOFT_DIRTY);
	quota = 200 + below(3000);
	for (i = 0; i < quota && !atomic_load(&common->stop);) {
		i += write_run();
		i += write_run();
		disturb();
		look_after_children(false);
		if (below(8) == 0 && spawn())
			goto reborn;
	}
	atomic_store(&ending, true);
	for (i = 1; i < LANES; i++)
		pthread_join(threads[i], NULL);
	release_held();
	for (i = 0; i < PAGES && !atomic_load(&common->wrong); i++)
		verify("at the end", i);
	look_after_children(true);
	atomic_store(&me->pid, 0);
	atomic_store(&me->used, false);
	_exit(atomic_load(&common->wrong));
}

static void begin_life(void)
{
	struct sigaction action = { .sa_sigaction = on_refused,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };
	size_t page, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 0);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	file_write(CGROUP "/cgroup.procs", "0", 1);
	held.pipe[0] = -1;
	held.pin = -1;
	for (i = 0; i < LANES; i++)
		atomic_store(&me->doing[i].page, -1);
	memset(me->version, 0, sizeof(me->version));
	map_pages(0, PAGES);
	for (page = 0; page < PAGES; page++)
		for (i = 0; i < WORDS; i++)
			*word_at(page, i) = me->must[page][i] =
				new_word(page, i);
	live();
}

/* The supervisor */

static uint64_t vmstat(const char *key)
{
	char line[64];

	snprintf(line, sizeof(line), "%s ", key);
	return file_field("/proc/vmstat", line);
}

static void new_policy(void)
{
	const struct arm *to = &arms[1 + below(nr_arms - 1)];

	knob_set("policy", to->policy);
	knob_number("window", 1 + below(64));
	knob_set("large_folio", below(2) ? "1" : "0");
	/* A cap hooks each fault: a tracepoint's static key changes. */
	if (option.keys) {
		knob_number("latency_cap_ns", below(4) ? 0 : 20000);
		knob_set("file", below(4) ? "1" : "0");
		knob_set("huge_window", below(4) ? "1" : "0");
	}
	count(OP_POLICY);
}

static void new_sizes(void)
{
	set_large(below(2));
	file_set(THP "enabled", below(2) ? "always" : "madvise");
	count(OP_SIZES);
}

static void split_huge(void)
{
	struct process *p = &common->processes[below(PROCESSES)];
	char text[96];

	if (!atomic_load(&p->used) || !atomic_load(&p->pid))
		return;
	snprintf(text, sizeof(text), "%d,0x%" PRIxPTR ",0x%" PRIxPTR,
		 atomic_load(&p->pid), (uintptr_t)addr_of(0),
		 (uintptr_t)addr_of(PAGES));
	if (!file_write("/sys/kernel/debug/split_huge_pages", text,
			strlen(text)))
		count(OP_SPLIT);
}

static void compact(void)
{
	file_set("/proc/sys/vm/compact_memory", "1");
	count(OP_COMPACT);
}

static void reclaim(void)
{
	static const char *const amounts[] = { "256K", "1M", "4M" };
	const char *amount = amounts[below(3)];

	/* EAGAIN: less than that was reclaimed. */
	file_write(CGROUP "/memory.reclaim", amount, strlen(amount));
	count(OP_RECLAIM);
}

static void merge(void)
{
	file_set("/sys/kernel/mm/ksm/run", below(8) ? "1" : "2");
	count(OP_KSM);
}

static void turn_switch(void)
{
	static const char *const names[] = { "precopy", "precopy", "timing" };

	if (!option.keys)
		return;
	knob_set(names[below(ARRAY_SIZE(names))], below(2) ? "1" : "0");
	count(OP_SWITCH);
}

static int load_module(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), ret;

	assert_true(fd >= 0);
	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static void reload(void)
{
	if (!option.keys || below(4))
		return;
	assert_int_equal(syscall(SYS_delete_module, "cowlab", O_NONBLOCK), 0);
	if (below(2))
		usleep(below(50000));
	assert_int_equal(load_module(), 0);
	knob_set("precopy", "1");
	new_policy();
	count(OP_RELOAD);
}

static void meddle(void)
{
	static void (*const list[])(void) = {
		new_policy, new_policy, new_sizes, split_huge,	compact,
		reclaim,    reclaim,	merge,	   turn_switch, reload,
	};

	list[below(ARRAY_SIZE(list))]();
}

static int prepare(void **state)
{
	static uint64_t words[WORDS];
	size_t page, i;
	char path[48];
	int zram;

	(void)state;
	if (swap_on("512M")) {
		zram = atoi(file_text("/sys/class/zram-control/hot_add"));
		snprintf(path, sizeof(path), "/sys/block/zram%d/disksize",
			 zram);
		file_set(path, "4M");
		snprintf(path, sizeof(path), "/dev/zram%d", zram);
		disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		assert_true(disk >= 0);
	}
	file = memfd_create("witness", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(file >= 0);
	for (page = FILE_START; page < PAGES; page++) {
		for (i = 0; i < WORDS; i++)
			words[i] = empty_word(page, i);
		assert_int_equal(write(file, words, sizeof(words)),
				 sizeof(words));
	}
	/* Only then has the file windows. */
	assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), 0);
	first_fd = dup(0);
	assert_true(first_fd > file && first_fd > disk);
	close(first_fd);

	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(common, MAP_FAILED);
	file_set("/sys/kernel/mm/ksm/sleep_millisecs", "2");
	file_set("/sys/kernel/mm/ksm/pages_to_scan", "2000");
	mkdir(CGROUP, 0755);
	/* Parents end before their last descendants. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	set_large(true);
	knob_set("precopy", "0");
	knob_set("reset", "1");
	knob_set("file", "1");
	knob_set("precopy", "1");
	seed = option.seed * 0x9e3779b97f4a7c15 | 1;
	return 0;
}

static int restore(void **state)
{
	(void)state;
	file_write(CGROUP "/cgroup.kill", "1", 1);
	while (waitpid(-1, NULL, 0) > 0)
		;
	rmdir(CGROUP);
	if (access(COWLAB, F_OK))
		load_module();
	set_large(false);
	file_set(THP "enabled", "madvise");
	file_set("/sys/kernel/mm/ksm/run", "2");
	file_set("/sys/kernel/mm/ksm/run", "0");
	swap_off();
	knob_set("timing", "0");
	knob_set("file", "0");
	knob_set("huge_window", "0");
	knob_set("precopy", "0");
	knobs_default();
	return 0;
}

static void start_root(void)
{
	pid_t pid;

	me = new_process();
	if (!me)
		return;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		begin_life();
	atomic_store(&me->pid, pid);
}

/* Reap orphans. @living: processes that still run. */
static void reap(size_t *living)
{
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0)
		if (status && !atomic_load(&common->wrong))
			wrong("a process ended with %#x", status);
	*living = 0;
	for (size_t i = 0; i < PROCESSES; i++)
		*living += atomic_load(&common->processes[i].used);
}

static void report(const char *const *stats, const uint64_t *before, size_t nr)
{
	size_t i;

	print_message("# %lu writes, %u processes, %lu accesses refused\n",
		      atomic_load(&common->writes), atomic_load(&common->ids),
		      atomic_load(&common->faults));
	for (i = 0; i < NR_OPS; i++)
		print_message("%s%s %lu%s", i % 8 ? ", " : "# ", op_names[i],
			      atomic_load(&common->ops[i]),
			      i % 8 == 7 ? "\n" : "");
	for (i = 0; i < nr; i++)
		print_message("%s%s %" PRIu64 "%s", i ? ", " : "# ", stats[i],
			      vmstat(stats[i]) - before[i],
			      i + 1 == nr ? "\n" : "");
}

static void test_witness(void **state)
{
	static const char *const stats[] = {
		"pswpout",	     "pswpin",
		"ksm_swpin_copy",    "cow_ksm",
		"pgmigrate_success", "thp_fault_alloc",
		"thp_split_page",    "thp_collapse_alloc",
		"pglazyfreed",
	};
	uint64_t before[ARRAY_SIZE(stats)], last = 0;
	double progress = now(), told = now();
	size_t i, living;

	(void)state;
	/* The supervisor competes with many processes. */
	setpriority(PRIO_PROCESS, 0, -20);
	print_message("# guest_witness --seed %" PRIu64 " --writes %" PRIu64
		      "%s\n",
		      option.seed, option.writes, option.keys ? " --keys" : "");
	for (i = 0; i < ARRAY_SIZE(stats); i++)
		before[i] = vmstat(stats[i]);
	while (!atomic_load(&common->stop)) {
		uint64_t writes = atomic_load(&common->writes);

		if (writes >= option.writes)
			break;
		if (writes != last)
			progress = now();
		last = writes;
		if (now() - progress > STUCK)
			wrong("no process has written for %lu seconds", STUCK);
		if (now() - told > 20) {
			told = now();
			fprintf(stderr, "%" PRIu64 " writes\n", writes);
		}
		reap(&living);
		if (!living)
			start_root();
		meddle();
		usleep(below(40000));
	}
	atomic_store(&common->stop, true);
	progress = now();
	do {
		usleep(10000);
		reap(&living);
	} while (living && now() - progress < STUCK);
	report(stats, before, ARRAY_SIZE(stats));
	if (atomic_load(&common->wrong))
		fail_msg("seed %" PRIu64 ": %s", option.seed, common->what);
	assert_int_equal(living, 0);
	assert_true(stat_get("windows") > 0 || option.keys);
}

/* Each operation has succeeded, or is not possible here. */
static void test_all_done(void **state)
{
	size_t i;

	(void)state;
	if (option.writes < 1000000)
		skip();
	for (i = 0; i < NR_OPS; i++) {
		if (atomic_load(&common->ops[i]))
			continue;
		if ((i == OP_SWITCH || i == OP_RELOAD) && !option.keys)
			continue;
		if ((i == OP_DIRECT_READ || i == OP_DIRECT_WRITE) && disk < 0)
			continue;
		if (i == OP_MANUAL_COW && syscall(NR_MANUAL_COW, 0, 0, 0) &&
		    errno == ENOSYS)
			continue;
		fail_msg("%s never succeeded", op_names[i]);
	}
}

/*
 * QEMU before 8.1: a CPU can run a breakpoint that another CPU has just removed
 * from the code. See guest_reload.c.
 */
static bool keys_are_safe(void)
{
	const char *tcg = getenv("COW_tcg");
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0x40000000, eax, ebx, ecx, edx);
	return ebx != 0x54474354 || (tcg && !strcmp(tcg, "single"));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 's':
		if (!parse_u64(arg, &option.seed))
			argp_error(state,
				   "invalid --seed '%s': expected a number",
				   arg);
		break;
	case 'w':
		if (!parse_u64(arg, &option.writes) || !option.writes)
			argp_error(
				state,
				"invalid --writes '%s': expected a positive number",
				arg);
		break;
	case 'k':
		option.keys = true;
		break;
	case 'K':
		option.keys = false;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "seed", 's', "N", 0, "Random seed (default: from the time)",
		  0 },
		{ "writes", 'w', "N", 0, "Number of writes (default 200000)",
		  0 },
		{ "keys", 'k', NULL, 0,
		  "Change static keys and reload the module too (default where safe)",
		  0 },
		{ "no-keys", 'K', NULL, 0, "Disable --keys", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Stress copy-on-write on pages where each word encodes its writer.\v"
		       "Examples:\n  guest_witness --writes 10000000\n"
		       "  guest_witness --seed 4711 --no-keys",
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_witness),
		cmocka_unit_test(test_all_done),
	};

	option.seed = now_ns() % 1000000;
	option.keys = keys_are_safe();
	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return 1;
	return cmocka_run_group_tests_name("guest_witness", tests, prepare,
					   restore);
}
