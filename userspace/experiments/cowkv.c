// SPDX-License-Identifier: GPL-2.0
/*
 * cowkv - a key-value store that saves itself while it is written
 *
 * The store is a hash table in one region. One thread writes it, op after op,
 * and takes a snapshot in between; another saves that to a file. With
 * --snapshot fork the region is plain memory, the snapshot is a child, and the
 * child saves: how Redis does it. Every op is timed, and the one that takes the
 * snapshot too: that is what a client would have waited for.
 *
 * What is in the store after N ops follows from the seed. So a reader can
 * check a file, record by record, against the state in which the snapshot was
 * taken, and a record from a later state, or a torn one, is found.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libcowsnap/cowsnap.h"
#include "common/pattern.h"
#include "common/region.h"
#include "common/samples.h"
#include "common/util.h"

#define MAGIC 0x31766b776f63ULL
#define VALUE_WORDS 6
#define IO_BYTES (256UL << 10)
#define MIN_SIZE (64UL << 10)

const char *argp_program_version = "cowkv 1.0";

static const char doc[] =
	"A key-value store that saves itself while it is written.\n"
	"\n"
	"Fills a store, writes random keys, takes a snapshot in between and saves it to FILE while the writes go on; then reads FILE back and checks every record against the state at the moment of the snapshot. Each write is timed; the one that took the snapshot as well.\n"
	"\v"
	"EXAMPLES:\n"
	"    cowkv                                # 64 MiB, libcowsnap, save to ./cowkv.save\n"
	"    cowkv -s 256M -m fork                # the same by fork()\n"
	"    cowkv -s 256M -m none                # what a writer waits for without any\n"
	"    cowkv -b 32M -e                      # the helper breaks up to 32 MiB of pages\n"
	"    cowkv -p seq -b 64M                  # ascending keys: the helper runs ahead\n"
	"    cowkv -n 3 -c                        # three snapshots, as CSV\n"
	"    cowkv --verify cowkv.save            # only read a file\n"
	"\n"
	"COLUMNS:\n"
	"    avg_ns .. max_ns   one write, from the snapshot until it was over; max_ns\n"
	"                       is exact, percentiles are to 3%\n"
	"    elapsed_ns         of these writes together, without --idle\n"
	"    faults             page faults of the process meanwhile\n"
	"    pages_touched      different pages written while there was a snapshot\n"
	"    pages_copied       pages that were copied (libcowsnap)\n"
	"    pages_wasted       copied, but not written\n"
	"    rss_growth_kb      growth of the memory (Pss) of all processes, when it\n"
	"                       was saved\n"
	"    begin_ns end_ns    taking the snapshot, and ending it\n"
	"\n"
	"Exit status: 0, or 1 if a record was wrong or something was missing or not accepted.\n";

enum {
	OPT_VERIFY = 256,
	OPT_RATE,
	OPT_CORRUPT,
};

static const struct argp_option options[] = {
	{ "size", 's', "SIZE", 0, "Size of the store, with K, M or G (64M)",
	  0 },
	{ "snapshot", 'm', "HOW", 0,
	  "cowsnap, fork, or none: a copy made beforehand is saved, so what the writer feels is not the snapshot's doing (cowsnap)",
	  0 },
	{ "pattern", 'p', "NAME", 0,
	  "Which keys are written: rand or seq (rand)", 0 },
	{ "writes", 'W', "N", 0,
	  "Writes after the snapshot, at least; they go on until it is over (100000)",
	  0 },
	{ "pace", 'P', "NS", 0, "Work between two writes (0)", 0 },
	{ "idle", 'i', "NS", 0,
	  "Sleep between two writes, as who waits for requests (0)", 0 },
	{ "budget", 'b', "SIZE", 0, "What the helper may spend (0: no helper)",
	  0 },
	{ "rate", OPT_RATE, "SIZE", 0, "The same in a second (0: no limit)",
	  0 },
	{ "everything", 'e', NULL, 0, "Let the helper break every page", 0 },
	{ "rounds", 'n', "N", 0, "Snapshots (1)", 0 },
	{ "seed", 'S', "N", 0, "Decides everything random (1)", 0 },
	{ "output", 'o', "FILE", 0, "Where to save (cowkv.save)", 0 },
	{ "csv", 'c', NULL, 0, "Print comma-separated values", 1 },
	{ "hist", 'g', "FILE", 0,
	  "Append the writes' histogram: lower_ns count", 1 },
	{ "verify", OPT_VERIFY, "FILE", 0, "Only check this file", 2 },
	/* For tests: the reader must see a record that came too late. */
	{ "corrupt", OPT_CORRUPT, NULL, OPTION_HIDDEN,
	  "For tests: write to the view before it is saved", 3 },
	{ 0 },
};

enum how { HOW_COWSNAP, HOW_FORK, HOW_NONE };

static const char *const hows[] = { "cowsnap", "fork", "none" };

struct args {
	uint64_t size;
	enum how how;
	bool seq;
	uint64_t writes;
	uint64_t pace_ns;
	uint64_t idle_ns;
	struct cowsnap_budget budget;
	uint64_t rounds;
	uint64_t seed;
	const char *output;
	bool csv;
	const char *hist;
	const char *verify;
	bool corrupt;
};

static uint64_t size(const char *option, const char *arg)
{
	uint64_t bytes;

	if (!parse_size(arg, &bytes))
		die("%s: '%s' is not accepted, a number of bytes is, with K, M or G",
		    option, arg);
	return bytes;
}

/* Whether @arg is @yes; it is that or @no. */
static bool either(const char *option, const char *arg, const char *no,
		   const char *yes)
{
	if (strcmp(arg, no) && strcmp(arg, yes))
		die("%s: '%s' is not accepted, %s or %s is", option, arg, no,
		    yes);
	return !strcmp(arg, yes);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct args *args = state->input;
	size_t how;

	switch (key) {
	case 's':
		args->size = size("--size", arg);
		if (args->size % PAGE_BYTES || args->size < MIN_SIZE ||
		    args->size > 1UL << 40)
			die("--size: '%s' is not accepted, whole pages from 64K to 1024G are",
			    arg);
		break;
	case 'm':
		for (how = 0; how < ARRAY_SIZE(hows); how++)
			if (!strcmp(arg, hows[how]))
				break;
		if (how == ARRAY_SIZE(hows))
			die("--snapshot: '%s' is not accepted, cowsnap, fork or none is",
			    arg);
		args->how = how;
		break;
	case 'p':
		args->seq = either("--pattern", arg, "rand", "seq");
		break;
	case 'W':
		args->writes = number_arg("--writes", arg, 1, 1ULL << 40);
		break;
	case 'P':
		args->pace_ns = number_arg("--pace", arg, 0, 1000000000);
		break;
	case 'i':
		args->idle_ns = number_arg("--idle", arg, 0, 999999999);
		break;
	case 'b':
		args->budget.bytes = size("--budget", arg);
		break;
	case OPT_RATE:
		args->budget.bytes_per_second = size("--rate", arg);
		break;
	case 'e':
		args->budget.flags = COWSNAP_EVERYTHING;
		break;
	case 'n':
		args->rounds = number_arg("--rounds", arg, 1, 1000000);
		break;
	case 'S':
		args->seed = number_arg("--seed", arg, 0, UINT64_MAX);
		break;
	case 'o':
		args->output = arg;
		break;
	case 'c':
		args->csv = true;
		break;
	case 'g':
		args->hist = arg;
		break;
	case OPT_VERIFY:
		args->verify = arg;
		break;
	case OPT_CORRUPT:
		args->corrupt = true;
		break;
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/**
 * struct slot - a record
 * @key: from 1 on; 0: the slot is empty
 * @op: the number of the op that wrote it last; 0: none since it was filled
 * @value: follows from both
 */
struct slot {
	uint64_t key;
	uint64_t op;
	uint64_t value[VALUE_WORDS];
};

/**
 * struct store - the region's contents; the table begins with its second page
 * @slots: a power of two
 * @keys: how many there are, from 1 to that
 * @seed: decides all ops
 * @ops: how many have been done
 * @seq: the ops' keys ascend
 */
struct store {
	uint64_t slots;
	uint64_t keys;
	uint64_t seed;
	uint64_t ops;
	uint64_t seq;
};

static struct slot *table(const struct store *store)
{
	return (struct slot *)((char *)store + PAGE_BYTES);
}

static uint64_t value_word(uint64_t key, uint64_t op, unsigned int word)
{
	return mix64(key ^ mix64(op * VALUE_WORDS + word));
}

/* Linear probing. With ascending keys the slots ascend too. */
static struct slot *find(const struct store *store, uint64_t key)
{
	uint64_t at = store->seq ? key : mix64(key);

	for (;; at++) {
		struct slot *slot = table(store) + at % store->slots;

		if (!slot->key || slot->key == key)
			return slot;
	}
}

static struct slot *put(struct store *store, uint64_t key, uint64_t op)
{
	struct slot *slot = find(store, key);
	unsigned int i;

	slot->key = key;
	slot->op = op;
	for (i = 0; i < VALUE_WORDS; i++)
		slot->value[i] = value_word(key, op, i);
	return slot;
}

/* Which key op number @op writes. */
static uint64_t op_key(const struct store *store, uint64_t op)
{
	if (store->seq)
		return op % store->keys + 1;
	return mix64(store->seed + op) % store->keys + 1;
}

static void fill(struct store *store, const struct args *args)
{
	uint64_t key;

	store->slots = (args->size - PAGE_BYTES) / sizeof(struct slot);
	/* Three quarters full. */
	store->keys = store->slots / 4 * 3;
	store->seed = mix64(args->seed);
	store->ops = 0;
	store->seq = args->seq;
	for (key = 1; key <= store->keys; key++)
		put(store, key, 0);
	/* The rest of the region is there too, as after much use. */
	for (key = 0; key < args->size; key += PAGE_BYTES)
		*((volatile char *)store + key) += 0;
}

static uint64_t checksum(uint64_t sum, const void *data, size_t bytes)
{
	const uint64_t *word = data;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		sum = (sum ^ word[i]) * 0x9e3779b97f4a7c15ULL + (sum >> 29);
	return sum;
}

/* A file of 64-bit words, with their checksum last. */
struct stream {
	const char *path;
	int fd;
	size_t have;
	size_t at;
	uint64_t sum;
	char *buf;
};

static void open_stream(struct stream *s, const char *path, int flags)
{
	memset(s, 0, sizeof(*s));
	s->path = path;
	s->fd = open(path, flags | O_CLOEXEC, 0600);
	if (s->fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	/* Not malloc(): that would break COW of the heap in a child. */
	s->buf = mmap(NULL, IO_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->buf == MAP_FAILED)
		die("no memory to read or write %s", path);
}

static void close_stream(struct stream *s)
{
	munmap(s->buf, IO_BYTES);
	close(s->fd);
}

static void flush(struct stream *s)
{
	size_t done = 0;

	while (done < s->have) {
		ssize_t n = write(s->fd, s->buf + done, s->have - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot write %s: %s", s->path, strerror(errno));
		done += n;
	}
	s->have = 0;
}

static void append(struct stream *s, const void *data, size_t bytes)
{
	if (s->have + bytes > IO_BYTES)
		flush(s);
	memcpy(s->buf + s->have, data, bytes);
	s->have += bytes;
	s->sum = checksum(s->sum, data, bytes);
}

static bool take(struct stream *s, void *data, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		if (s->at == s->have) {
			ssize_t n = read(s->fd, s->buf, IO_BYTES);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				die("cannot read %s: %s", s->path,
				    strerror(errno));
			if (!n)
				return false;
			s->have = n;
			s->at = 0;
		}
		if (bytes - got <= s->have - s->at) {
			memcpy((char *)data + got, s->buf + s->at, bytes - got);
			s->at += bytes - got;
			break;
		}
		memcpy((char *)data + got, s->buf + s->at, s->have - s->at);
		got += s->have - s->at;
		s->at = s->have;
	}
	s->sum = checksum(s->sum, data, bytes);
	return true;
}

/* What a file begins with: all of the store but its table. */
struct head {
	uint64_t magic;
	struct store store;
};

/* Save a store, which is frozen. */
static void save(const struct store *store, const char *path)
{
	struct head head = { .magic = MAGIC, .store = *store };
	struct stream out;
	uint64_t sum, i;

	open_stream(&out, path, O_WRONLY | O_CREAT | O_TRUNC);
	append(&out, &head, sizeof(head));
	for (i = 0; i < store->slots; i++) {
		const struct slot *slot = table(store) + i;

		if (slot->key)
			append(&out, slot, sizeof(*slot));
	}
	sum = out.sum;
	append(&out, &sum, sizeof(sum));
	flush(&out);
	close_stream(&out);
}

/* The last op on each key, among the first @ops. */
static uint64_t *last_ops(const struct store *store)
{
	uint64_t *last = calloc(store->keys + 1, sizeof(*last));
	uint64_t op;

	if (!last)
		die("no memory to verify %" PRIu64 " keys", store->keys);
	for (op = 1; op <= store->ops; op++)
		last[op_key(store, op)] = op;
	return last;
}

static bool right(const struct slot *slot, uint64_t op)
{
	unsigned int i;

	if (slot->op != op)
		return false;
	for (i = 0; i < VALUE_WORDS; i++) {
		if (slot->value[i] != value_word(slot->key, op, i))
			return false;
	}
	return true;
}

/*
 * Read a file and check every record against the state after as many ops as it
 * says, which are @ops unless that is UINT64_MAX.
 */
static void verify(const char *path, uint64_t ops)
{
	uint64_t *last, sum, before, n;
	struct stream in;
	struct slot slot;
	struct head head;

	open_stream(&in, path, O_RDONLY);
	if (!take(&in, &head, sizeof(head)) || head.magic != MAGIC ||
	    !head.store.keys || head.store.keys > 1ULL << 36)
		die("%s: not a file of cowkv's", path);
	if (ops != UINT64_MAX && head.store.ops != ops)
		die("%s: it is the state after %" PRIu64
		    " writes, the snapshot was taken after %" PRIu64,
		    path, head.store.ops, ops);
	last = last_ops(&head.store);
	for (n = 0; n < head.store.keys; n++) {
		if (!take(&in, &slot, sizeof(slot)))
			die("%s: it ends after %" PRIu64 " of %" PRIu64
			    " records",
			    path, n, head.store.keys);
		if (!slot.key || slot.key > head.store.keys ||
		    last[slot.key] == UINT64_MAX)
			die("%s: record %" PRIu64
			    ": wrong or repeated key %" PRIu64,
			    path, n, slot.key);
		if (!right(&slot, last[slot.key]))
			die("%s: key %" PRIu64 " is not as write %" PRIu64
			    " left it, but write %" PRIu64,
			    path, slot.key, last[slot.key], slot.op);
		last[slot.key] = UINT64_MAX;
	}
	before = in.sum;
	if (!take(&in, &sum, sizeof(sum)) || sum != before)
		die("%s: wrong checksum", path);
	if (in.at != in.have || read(in.fd, in.buf, 1))
		die("%s: there is something behind its end", path);
	free(last);
	close_stream(&in);
}

/**
 * struct run - a snapshot and the writes beside it
 * @args: the command line
 * @store: the store
 * @cs: its region, unless it is fork's
 * @view: what is saved: of libcowsnap, of the child, or a copy
 * @child: who holds it, if it is fork's
 * @release: closing it lets the child go
 * @over: the snapshot is
 * @before: memory, in KiB
 * @after: the same when all was saved
 * @end_ns: what it took to end the snapshot
 */
struct run {
	const struct args *args;
	struct store *store;
	struct cowsnap *cs;
	const struct store *view;
	pid_t child;
	int saved;
	int release;
	atomic_bool over;
	uint64_t before;
	uint64_t after;
	uint64_t end_ns;
};

/* Latencies as they come: exact sum, least and greatest, the rest to 3%. */
struct latencies {
	uint64_t count;
	uint64_t sum;
	uint64_t min;
	uint64_t max;
	uint64_t bucket[HIST_BUCKETS];
};

static void note(struct latencies *l, uint64_t ns)
{
	if (!l->count || ns < l->min)
		l->min = ns;
	if (ns > l->max)
		l->max = ns;
	l->count++;
	l->sum += ns;
	l->bucket[hist_bucket(ns)]++;
}

static uint64_t percentile(const struct latencies *l, unsigned int permille)
{
	uint64_t rank = (l->count * permille + 999) / 1000;
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += l->bucket[i];
		if (seen >= rank && seen)
			break;
	}
	/* A bucket's lower end may lie below all that is in it. */
	return hist_lower(i) > l->min ? hist_lower(i) : l->min;
}

static void append_hist(const struct args *args, const struct latencies *l)
{
	unsigned int i;
	FILE *f;

	if (!args->hist)
		return;
	f = fopen(args->hist, "ae");
	if (!f)
		die("--hist: cannot open %s: %s", args->hist, strerror(errno));
	for (i = 0; i < HIST_BUCKETS; i++) {
		if (l->bucket[i])
			fprintf(f, "%" PRIu64 " %" PRIu64 "\n", hist_lower(i),
				l->bucket[i]);
	}
	if (fclose(f))
		die("--hist: cannot write %s", args->hist);
}

static void child_main(struct run *run, int saved, int release)
{
	char byte = 0;

	if (run->args->corrupt)
		put(run->store, 1, run->store->ops + 1);
	save(run->store, run->args->output);
	if (write(saved, &byte, 1) != 1 || read(release, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

static void begin(struct run *run)
{
	int saved[2], release[2];

	if (run->args->how == HOW_NONE)
		return;
	if (run->args->how == HOW_COWSNAP) {
		run->view = snapshot_begin(run->cs);
		if (!run->view)
			die("snapshot_begin: %s", strerror(errno));
		return;
	}
	if (pipe2(saved, O_CLOEXEC) || pipe2(release, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	run->child = fork();
	if (run->child < 0)
		die("cannot fork: %s", strerror(errno));
	if (!run->child) {
		close(release[1]);
		child_main(run, saved[1], release[0]);
	}
	close(saved[1]);
	close(release[0]);
	run->saved = saved[0];
	run->release = release[1];
}

/* Memory of this process and of its child, if there is one. */
static uint64_t memory(pid_t child)
{
	uint64_t kb = 0, other = 0;

	if (!memory_kb(0, 1, &kb) || (child && !memory_kb(child, 1, &other)))
		die("cannot read smaps_rollup: %s", strerror(errno));
	return kb + other;
}

/* The saving thread: saves, or waits for the child that does; then ends it. */
static void *saver_main(void *arg)
{
	struct run *run = arg;
	int status;
	char byte;

	if (run->args->how != HOW_FORK) {
		uint64_t start;

		if (run->args->corrupt)
			put((struct store *)run->view, 1, run->view->ops + 1);
		save(run->view, run->args->output);
		run->after = memory(0);
		start = now_ns();
		if (run->cs && snapshot_end(run->cs))
			die("snapshot_end: %s", strerror(errno));
		run->end_ns = now_ns() - start;
	} else {
		if (read(run->saved, &byte, 1) != 1)
			die("the child ended before it had saved");
		run->after = memory(run->child);
		close(run->release);
		close(run->saved);
		if (waitpid(run->child, &status, 0) < 0 || status)
			die("the child did not end well");
	}
	run->over = true;
	return NULL;
}

static void work(uint64_t iters)
{
	uint64_t x = iters;

	while (iters--) {
		x = mix64(x);
		__asm__ volatile("" : "+r"(x));
	}
}

/* How many iterations of work take @ns. */
static uint64_t calibrate(uint64_t ns)
{
	uint64_t start = now_ns();

	if (!ns)
		return 0;
	work(1 << 20);
	return (1ULL << 20) * ns / (now_ns() - start + 1) + 1;
}

struct round {
	struct latencies latencies;
	uint64_t elapsed;
	uint64_t begin_ns;
	uint64_t touched;
	uint64_t ops;
	long faults;
};

static void report(const struct run *run, const struct round *round,
		   uint64_t number)
{
	const struct latencies *l = &round->latencies;
	const struct args *args = run->args;
	struct snapshot_stats stats = { 0 };
	uint64_t grown = 0, wasted = 0;

	if (run->after > run->before)
		grown = run->after - run->before;
	if (args->how == HOW_COWSNAP) {
		snapshot_stats(run->cs, &stats);
		if (stats.pages > round->touched)
			wasted = stats.pages - round->touched;
	}
	append_hist(args, l);
	if (number == 1)
		puts(args->csv ?
			     "pattern,kind,writer,threads,round,size,count,avg_ns,min_ns,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,elapsed_ns,faults,pages_touched,pages_copied,pages_wasted,rss_growth_kb,verified,begin_ns,end_ns,helper_pages" :
			     "snapshot      count avg_ns min_ns p50_ns p90_ns p99_ns p999_ns    max_ns  faults touched  copied  rss_kb  begin_ns     end_ns  helper verified");
	if (args->csv) {
		printf("%s,4k,parent,1,%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		       ",%ld,%" PRIu64 ",",
		       args->seq ? "seq" : "rand", number, args->size, l->count,
		       l->sum / l->count, l->min, percentile(l, 500),
		       percentile(l, 900), percentile(l, 990),
		       percentile(l, 999), l->max, round->elapsed,
		       round->faults, round->touched);
		if (args->how != HOW_COWSNAP)
			printf(",,");
		else
			printf("%" PRIu64 ",%" PRIu64 ",", stats.pages, wasted);
		printf("%" PRIu64 ",yes,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
		       grown, round->begin_ns, run->end_ns, stats.helper_pages);
	} else {
		printf("%-8s %10" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64
		       " %6" PRIu64 " %6" PRIu64 " %7" PRIu64 " %9" PRIu64
		       " %7ld %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %9" PRIu64
		       " %10" PRIu64 " %7" PRIu64 " yes\n",
		       hows[args->how], l->count,
		       l->sum / l->count, l->min, percentile(l, 500),
		       percentile(l, 900), percentile(l, 990),
		       percentile(l, 999), l->max, round->faults,
		       round->touched, stats.pages, grown, round->begin_ns,
		       run->end_ns, stats.helper_pages);
	}
	if (fflush(stdout))
		die("cannot write the result: %s", strerror(errno));
}

/* The op that takes the snapshot, and all that follow until it is over. */
static void write_on(struct run *run, struct round *round,
		     unsigned char *touched, uint64_t pace_iters)
{
	const struct timespec idle = { .tv_nsec = run->args->idle_ns };
	struct store *store = run->store;
	struct rusage before, after;
	uint64_t start, t0, t1, n;
	pthread_t saver = 0;
	int error;

	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	for (n = 0; !run->over || n < run->args->writes; n++) {
		uint64_t op = store->ops + 1;
		uint64_t key = op_key(store, op);
		struct slot *slot;

		if (pace_iters)
			work(pace_iters);
		if (idle.tv_nsec)
			nanosleep(&idle, NULL);
		t0 = now_ns();
		if (!n)
			begin(run);
		slot = put(store, key, op);
		store->ops = op;
		t1 = now_ns();
		note(&round->latencies, t1 - t0);
		if (!n) {
			round->begin_ns = t1 - t0;
			error = pthread_create(&saver, NULL, saver_main, run);
			if (error)
				die("cannot start a thread: %s",
				    strerror(error));
		}
		if (!run->over)
			touched[((char *)slot - (char *)store) / PAGE_BYTES] =
				1;
	}
	/* Of the writes: the sleep between them is nobody's cost. */
	round->elapsed = idle.tv_nsec ? round->latencies.sum : now_ns() - start;
	getrusage(RUSAGE_SELF, &after);
	pthread_join(saver, NULL);
	round->faults = after.ru_minflt - before.ru_minflt;
	touched[0] = 1;
}

static void run_round(const struct args *args, struct cowsnap *cs,
		      struct store *store, uint64_t number, uint64_t pace_iters)
{
	const size_t pages = args->size / PAGE_BYTES;
	struct round *round = shared_alloc(sizeof(*round), "--size");
	unsigned char *touched = shared_alloc(pages, "--size");
	struct run run = { .args = args, .store = store, .cs = cs };
	struct region copy = { 0 };
	uint64_t n;
	size_t i;

	/* What the store looks like is not to depend on how it was filled. */
	for (n = 0; n < args->writes / 8; n++) {
		uint64_t op = store->ops + 1;

		put(store, op_key(store, op), op);
		store->ops = op;
	}
	round->ops = store->ops;
	if (args->how == HOW_NONE) {
		region_map(&copy, KIND_4K, args->size);
		memcpy(copy.base, store, args->size);
		run.view = (struct store *)copy.base;
	}
	run.before = memory(0);
	write_on(&run, round, touched, pace_iters);
	for (i = 0; i < pages; i++)
		round->touched += touched[i];
	verify(args->output, round->ops);
	report(&run, round, number);
	if (args->how == HOW_NONE)
		region_unmap(&copy);
	munmap(touched, pages);
	munmap(round, sizeof(*round));
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = doc,
	};
	struct args args = {
		.size = 64UL << 20,
		.writes = 100000,
		.rounds = 1,
		.seed = 1,
		.output = "cowkv.save",
	};
	struct cowsnap *cs = NULL;
	uint64_t round, pace;
	struct region region;
	struct store *store;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.verify) {
		verify(args.verify, UINT64_MAX);
		return 0;
	}
	memory_require(args.size * 2, "--size");
	if (args.how != HOW_COWSNAP) {
		region_map(&region, KIND_4K, args.size);
		store = (struct store *)region.base;
	} else {
		cs = cowsnap_create(args.size, &args.budget);
		if (!cs)
			die("cannot make a region of %" PRIu64 " bytes: %s",
			    args.size, strerror(errno));
		store = cowsnap_base(cs);
	}
	fill(store, &args);
	pace = calibrate(args.pace_ns);
	for (round = 1; round <= args.rounds; round++)
		run_round(&args, cs, store, round, pace);
	cowsnap_destroy(cs);
	return 0;
}
