// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz copy-on-write: sequences of operations in up to four processes, one at a
 * time, with a shadow copy of what every byte of each must be. A sequence comes
 * from a seed or from a file, a line an operation: letter, process, page, count,
 * value (see --help). Those that found something, and some that go everywhere,
 * are kept in tests/fuzz.
 *
 * Speaks TAP. A mismatch prints the sequence up to there, which is a file for
 * --replay.
 */
#include "tests/arms.h"

#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_MANUAL_COW 548
#define REGION ((unsigned char *)0x200000000000)
#define FILE_START 528 /* pages from here on are of a private file */
#define PAGES 544
#define SLOTS 4
#define OPS_MAX 4096

static const char letters[] = "wWrdFupmancgsfxk";

struct op {
	char letter;
	unsigned int slot;
	unsigned int page;
	unsigned int count;
	unsigned int value;
};

static const struct {
	const char *name;
	const char *text;
} knobs[] = {
	{ "precopy", "1" },	   { "policy", "next" },
	{ "policy", "fixed" },	   { "policy", "adaptive" },
	{ "window", "1" },	   { "window", "2" },
	{ "window", "16" },	   { "window", "33" },
	{ "window", "64" },	   { "window", "0" },
	{ "window", "65" },	   { "policy", "none" },
	{ "large_folio", "0" },	   { "large_folio", "1" },
	{ "large_folio", "2" },	   { "reset", "1" },
	{ "latency_cap_ns", "0" }, { "window", "-1" },
};

/* MADV_COLD, PAGEOUT, POPULATE_*, COLLAPSE by number: libc may be older. */
static const int advices[] = {
	MADV_HUGEPAGE,
	MADV_NOHUGEPAGE,
	MADV_MERGEABLE,
	MADV_UNMERGEABLE,
	MADV_WILLNEED,
	20,
	21,
	22,
	23,
	25,
};

/* What each page does in a fork. */
enum how { WIPE_NOT_THERE, WIPE, KEEP };

static struct {
	volatile struct op op;
	char what[256];
	unsigned char how[SLOTS][PAGES];
	unsigned char bytes[SLOTS][PAGES * PAGE_BYTES];
} * shadow;

static struct {
	pid_t pid;
	int to[2];
} slots[SLOTS];

static int done[2], file = -1;
static unsigned int self;
static uint64_t seed;

static uint64_t below(uint64_t limit)
{
	return next_random(&seed) % limit;
}

static unsigned char *page_at(size_t page)
{
	return REGION + page * PAGE_BYTES;
}

static unsigned char *shadow_at(size_t page)
{
	return shadow->bytes[self] + page * PAGE_BYTES;
}

static void __attribute__((format(printf, 1, 2))) complain(const char *fmt, ...)
{
	va_list ap;

	if (shadow->what[0])
		return;
	va_start(ap, fmt);
	vsnprintf(shadow->what, sizeof(shadow->what), fmt, ap);
	va_end(ap);
}

static void look(size_t first, size_t count)
{
	size_t i;

	if (!memcmp(page_at(first), shadow_at(first), count * PAGE_BYTES))
		return;
	for (i = 0; i < count * PAGE_BYTES; i++)
		if (page_at(first)[i] != shadow_at(first)[i])
			break;
	complain("process %u page %zu byte %zu is %#x, not %#x", self,
		 first + i / PAGE_BYTES, i % PAGE_BYTES, page_at(first)[i],
		 shadow_at(first)[i]);
}

/* The file's content, which no write changes. */
static unsigned char file_byte(size_t page)
{
	return page * 3 + 1;
}

static void set_empty(size_t page)
{
	memset(shadow_at(page), page < FILE_START ? 0 : file_byte(page),
	       PAGE_BYTES);
}

static void map_page(size_t page)
{
	bool of_file = page >= FILE_START;

	if (mmap(page_at(page), PAGE_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | (of_file ? 0 : MAP_ANONYMOUS),
		 of_file ? file : -1,
		 of_file ? (page - FILE_START) * PAGE_BYTES : 0) == MAP_FAILED)
		complain("mmap: %s", strerror(errno));
	set_empty(page);
	shadow->how[self][page] = KEEP;
}

static void write_word(size_t page, unsigned int value)
{
	size_t at = value % (PAGE_BYTES / 8) * 8;
	uint64_t word = value * 0x9e3779b97f4a7c15 ^ page;

	memcpy(shadow_at(page) + at, &word, 8);
	*(volatile uint64_t *)(page_at(page) + at) = word;
}

static void write_page(size_t page, unsigned int value)
{
	memset(shadow_at(page), value, PAGE_BYTES);
	memset(page_at(page), value, PAGE_BYTES);
}

static sigjmp_buf refused;

static void on_refused(int sig)
{
	siglongjmp(refused, sig);
}

static void protect(size_t page, size_t count)
{
	volatile bool was_refused = false;

	mprotect(page_at(page), count * PAGE_BYTES, PROT_READ);
	signal(SIGSEGV, on_refused);
	if (!sigsetjmp(refused, 1))
		*(volatile unsigned char *)page_at(page + count - 1) = 0;
	else
		was_refused = true;
	signal(SIGSEGV, SIG_DFL);
	if (!was_refused)
		complain("process %u writes to page %zu, which it may not",
			 self, page + count - 1);
	look(page, count);
	mprotect(page_at(page), count * PAGE_BYTES, PROT_READ | PROT_WRITE);
}

static void free_pages_of(size_t page, size_t count, unsigned int value)
{
	static const unsigned char none[PAGE_BYTES];
	size_t i;

	for (i = page; i < page + count; i++) {
		unsigned char got[PAGE_BYTES];
		uint64_t first;

		if (madvise(page_at(i), PAGE_BYTES, MADV_FREE))
			continue;
		if (value % 2)
			madvise(page_at(i), PAGE_BYTES, 21);
		/* A write decides whether it stays. */
		write_word(i, value);
		memcpy(got, page_at(i), PAGE_BYTES);
		first = value % (PAGE_BYTES / 8) * 8;
		memset(got + first, 0, 8);
		if (!memcmp(got, none, PAGE_BYTES)) {
			memcpy(got + first, shadow_at(i) + first, 8);
			memcpy(shadow_at(i), got, PAGE_BYTES);
		}
	}
}

static void move(size_t page, size_t to)
{
	if (page == to || page >= FILE_START || to >= FILE_START)
		return;
	if (mremap(page_at(page), PAGE_BYTES, PAGE_BYTES,
		   MREMAP_MAYMOVE | MREMAP_FIXED, page_at(to)) == MAP_FAILED)
		return;
	memcpy(shadow_at(to), shadow_at(page), PAGE_BYTES);
	shadow->how[self][to] = shadow->how[self][page];
	map_page(page);
}

static void set_how(size_t page, size_t count, unsigned int how)
{
	size_t i;

	for (i = page; i < page + count && i < FILE_START; i++) {
		madvise(page_at(i), PAGE_BYTES, MADV_DOFORK);
		madvise(page_at(i), PAGE_BYTES, MADV_KEEPONFORK);
		shadow->how[self][i] = KEEP;
		if (how % 3 == WIPE_NOT_THERE &&
		    !madvise(page_at(i), PAGE_BYTES, MADV_DONTFORK))
			shadow->how[self][i] = WIPE_NOT_THERE;
		if (how % 3 == WIPE &&
		    !madvise(page_at(i), PAGE_BYTES, MADV_WIPEONFORK))
			shadow->how[self][i] = WIPE;
	}
}

static void write_by_force(size_t page, size_t count, unsigned int value)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	size_t i;

	for (i = page; fd >= 0 && i < page + count; i++) {
		uint64_t word = value ^ i;
		size_t at = value % (PAGE_BYTES / 8) * 8;

		if (pwrite(fd, &word, 8, (uintptr_t)page_at(i) + at) == 8)
			memcpy(shadow_at(i) + at, &word, 8);
	}
	close(fd);
}

/* A pipe holds the page: it shows it as it was, or as this process has it. */
static void hold_by_pipe(size_t page)
{
	struct iovec iov = { page_at(page), PAGE_BYTES };
	unsigned char was[PAGE_BYTES], got[PAGE_BYTES];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return;
	memcpy(was, shadow_at(page), PAGE_BYTES);
	if (vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK) ==
	    (ssize_t)PAGE_BYTES) {
		write_word(page, page + 5);
		if (read(fds[0], got, PAGE_BYTES) != (ssize_t)PAGE_BYTES ||
		    (memcmp(got, was, PAGE_BYTES) &&
		     memcmp(got, shadow_at(page), PAGE_BYTES)))
			complain(
				"process %u: page %zu came out of a pipe as it never was",
				self, page);
	}
	close(fds[0]);
	close(fds[1]);
}

static void serve(void);

static void spawn(unsigned int child)
{
	size_t i;
	pid_t pid;

	memcpy(shadow->bytes[child], shadow->bytes[self],
	       sizeof(shadow->bytes[0]));
	memcpy(shadow->how[child], shadow->how[self], sizeof(shadow->how[0]));
	pid = fork();
	if (pid) {
		if (pid < 0)
			complain("fork: %s", strerror(errno));
		return;
	}
	self = child;
	for (i = 0; i < PAGES; i++) {
		if (shadow->how[self][i] == WIPE_NOT_THERE)
			map_page(i);
		if (shadow->how[self][i] == WIPE)
			set_empty(i);
	}
	/* The parent has told the supervisor. */
	serve();
}

static void carry_out(const struct op *op)
{
	size_t page = op->page, count = op->count, i;
	long ret;

	switch (op->letter) {
	case 'w':
		for (i = page; i < page + count; i++)
			write_word(i, op->value);
		break;
	case 'W':
		for (i = page; i < page + count; i++)
			write_page(i, op->value);
		break;
	case 'r':
		look(page, count);
		break;
	case 'd':
		for (i = page; i < page + count; i++)
			if (!madvise(page_at(i), PAGE_BYTES, MADV_DONTNEED))
				set_empty(i);
		break;
	case 'F':
		free_pages_of(page, count, op->value);
		break;
	case 'u':
		munmap(page_at(page), count * PAGE_BYTES);
		for (i = page; i < page + count; i++)
			map_page(i);
		break;
	case 'p':
		protect(page, count);
		break;
	case 'm':
		move(page, op->value % PAGES);
		break;
	case 'a':
		i = op->value % ARRAY_SIZE(advices);
		if (advices[i] == MADV_HUGEPAGE || advices[i] == 25)
			madvise(REGION, HUGE_BYTES, advices[i]);
		else
			madvise(page_at(page), count * PAGE_BYTES, advices[i]);
		break;
	case 'n':
		set_how(page, count, op->value);
		break;
	case 'c':
		ret = syscall(NR_MANUAL_COW, page_at(page), count * PAGE_BYTES,
			      0);
		if (ret && errno != ENOSYS)
			complain("manual_cow: %s", strerror(errno));
		break;
	case 'g':
		write_by_force(page, count, op->value);
		break;
	case 's':
		hold_by_pipe(page);
		break;
	case 'f':
		spawn(op->value % SLOTS);
		break;
	case 'x':
	case '=':
		look(0, PAGES);
		return;
	}
	/* What a window may have reached. */
	i = page < 64 ? 0 : page - 64;
	look(i, (page + count + 64 > PAGES ? PAGES : page + count + 64) - i);
}

/* A process: what it is told to do, one after the other. */
static void serve(void)
{
	unsigned int i;
	char byte;

	signal(SIGCHLD, SIG_IGN);
	/* So that the end of the supervisor's side is seen. */
	for (i = 0; i < SLOTS; i++)
		close(slots[i].to[1]);
	while (read(slots[self].to[0], &byte, 1) == 1) {
		struct op op = shadow->op;

		carry_out(&op);
		if (write(done[1], &byte, 1) != 1 || op.letter == 'x')
			break;
	}
	_exit(0);
}

/* The supervisor */

static void on_alarm(int sig)
{
	(void)sig;
}

static bool tell(const struct op *op)
{
	char byte = 0;

	shadow->op = *op;
	if (write(slots[op->slot].to[1], &byte, 1) != 1)
		return false;
	alarm(slow(60));
	if (read(done[0], &byte, 1) != 1)
		complain("process %u does not answer", op->slot);
	alarm(0);
	return !shadow->what[0];
}

static void begin(void)
{
	unsigned int i;
	pid_t pid;

	memset(shadow, 0, sizeof(*shadow));
	if (pipe2(done, O_CLOEXEC))
		exit(1);
	for (i = 0; i < SLOTS; i++) {
		slots[i].pid = 0;
		if (pipe2(slots[i].to, O_CLOEXEC))
			exit(1);
	}
	pid = fork();
	if (!pid) {
		self = 0;
		for (i = 0; i < PAGES; i++)
			map_page(i);
		serve();
	}
	slots[0].pid = pid;
}

static bool finish(void)
{
	struct op op = { .letter = '=' };
	bool good = !shadow->what[0];
	int status;

	for (op.slot = 0; op.slot < SLOTS; op.slot++)
		if (slots[op.slot].pid && good)
			good = tell(&op);
	for (op.slot = 0; op.slot < SLOTS; op.slot++) {
		close(slots[op.slot].to[0]);
		close(slots[op.slot].to[1]);
	}
	close(done[0]);
	close(done[1]);
	while (waitpid(-1, &status, 0) > 0)
		if (status)
			complain("a process ended with %#x", status);
	return !shadow->what[0];
}

static void set_knob(unsigned int value)
{
	size_t i = value % ARRAY_SIZE(knobs);

	knob_write(knobs[i].name, knobs[i].text, strlen(knobs[i].text));
}

static bool apply(const struct op *op)
{
	struct op all = { .letter = '=' };
	unsigned int to = op->value % SLOTS;

	if (op->letter == 'k') {
		set_knob(op->value);
		return true;
	}
	if (!slots[op->slot].pid)
		return true;
	if (op->letter == 'f') {
		if (slots[to].pid)
			return true;
		slots[to].pid = 1;
	}
	if (op->letter == 'x') {
		for (to = 0; to < SLOTS; to++)
			if (to != op->slot && slots[to].pid)
				break;
		if (to == SLOTS)
			return true;
		slots[op->slot].pid = 0;
	}
	if (!tell(op))
		return false;
	/* Let all processes check what they have not touched. */
	if (strchr("fxwWF", op->letter))
		for (all.slot = 0; all.slot < SLOTS; all.slot++)
			if (slots[all.slot].pid && !tell(&all))
				return false;
	return true;
}

static void random_op(struct op *op)
{
	static const char more[] = "wwwwwWrddFupmaaaancgsffffxxk";
	unsigned int room;

	op->letter = more[below(sizeof(more) - 1)];
	op->slot = below(SLOTS);
	op->page = below(4) ? below(80) : below(PAGES);
	if (below(8) == 0)
		op->page = FILE_START - 4 + below(16);
	room = PAGES - op->page;
	op->count = 1 + below(below(3) ? 4 : 64);
	if (op->count > room)
		op->count = room;
	op->value = below(1 << 16);
}

static bool parse_op(const char *line, struct op *op)
{
	return sscanf(line, "%c %u %u %u %u", &op->letter, &op->slot, &op->page,
		      &op->count, &op->value) == 5 &&
	       strchr(letters, op->letter) && op->slot < SLOTS && op->count &&
	       op->page < PAGES && op->count <= PAGES - op->page;
}

static struct op ops[OPS_MAX];
static unsigned int nr_tests, failed;

static bool run(size_t nr, const char *name)
{
	bool good = true;
	size_t i;

	begin();
	for (i = 0; i < nr && good; i++)
		good = apply(&ops[i]);
	good = finish() && good;
	if (!good) {
		size_t k;

		printf("not ok %u - %s\n# after operation %zu: %s\n",
		       ++nr_tests, name, i, shadow->what);
		for (k = 0; k < i; k++)
			printf("# %c %u %u %u %u\n", ops[k].letter, ops[k].slot,
			       ops[k].page, ops[k].count, ops[k].value);
		failed++;
	}
	fflush(stdout);
	return good;
}

static int replay(const char *path)
{
	FILE *in = fopen(path, "re");
	char line[128];
	size_t nr = 0;

	if (!in) {
		fprintf(stderr, "guest_fuzz: %s: %s\n", path, strerror(errno));
		return 1;
	}
	while (nr < OPS_MAX && fgets(line, sizeof(line), in)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!parse_op(line, &ops[nr++])) {
			fprintf(stderr, "guest_fuzz: %s: no operation: %s",
				path, line);
			fclose(in);
			return 1;
		}
	}
	fclose(in);
	if (run(nr, path))
		printf("ok %u - %s\n", ++nr_tests, path);
	return 0;
}

static int replay_all(const char *dir)
{
	struct dirent **names;
	int i, ret = 0, n = scandir(dir, &names, NULL, alphasort);

	if (n < 0)
		return replay(dir);
	for (i = 0; i < n; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			ret |= replay(path);
		free(names[i]);
	}
	free(names);
	return ret;
}

static struct {
	uint64_t seed;
	uint64_t seconds;
	uint64_t length;
	const char *replay;
	bool print;
} option = { 0, 60, 300, NULL, false };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 's':
		if (!parse_u64(arg, &option.seed))
			argp_error(state,
				   "invalid --seed '%s': expected a number",
				   arg);
		break;
	case 't':
		if (!parse_u64(arg, &option.seconds))
			argp_error(state,
				   "invalid --seconds '%s': expected a number",
				   arg);
		break;
	case 'l':
		if (!parse_u64(arg, &option.length) || !option.length ||
		    option.length > OPS_MAX)
			argp_error(state, "--length: 1 to %d, not %s", OPS_MAX,
				   arg);
		break;
	case 'r':
		option.replay = arg;
		break;
	case 'p':
		option.print = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void prepare(void)
{
	unsigned char page[PAGE_BYTES];
	size_t i;

	shadow = mmap(NULL, sizeof(*shadow), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	file = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (shadow == MAP_FAILED || file < 0)
		exit(1);
	for (i = FILE_START; i < PAGES; i++) {
		memset(page, file_byte(i), sizeof(page));
		if (write(file, page, sizeof(page)) != sizeof(page))
			exit(1);
	}
	/* Only then has the file windows. */
	if (fcntl(file, F_ADD_SEALS, F_SEAL_WRITE))
		exit(1);
	signal(SIGPIPE, SIG_IGN);
	/* It ends the supervisor's wait. */
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	/* The children of a process that is gone are the supervisor's. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	knob_write("file", "1", 1);
	knob_write("huge_window", "1", 1);
	knob_write("precopy", "1", 1);
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "seed", 's', "N", 0, "Begin with this (default: the time)",
		  0 },
		{ "seconds", 't', "N", 0, "How long (default 60)", 0 },
		{ "length", 'l', "N", 0,
		  "Operations of a sequence (default 300)", 0 },
		{ "replay", 'r', "FILE", 0, "Run this, or all of a folder", 0 },
		{ "print", 'p', NULL, 0, "Print the seed's sequence only", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Fuzz copy-on-write against a shadow copy.\v"
		       "Operations, each behind its letter and the process:\n"
		       "  w page count value  write a word to each page\n"
		       "  W page count value  write all of each page\n"
		       "  r page count -  read a byte of each page\n"
		       "  d page count -  MADV_DONTNEED\n"
		       "  F page count value  MADV_FREE, then write a word\n"
		       "  u page count -  unmap and map\n"
		       "  p page count -  protect, write, which is refused, unprotect\n"
		       "  m page - page  move a page over another\n"
		       "  a page count advice  madvise that changes no content\n"
		       "  n page count how  0 MADV_DONTFORK, 1 WIPEONFORK, 2 neither\n"
		       "  c page count -  manual_cow\n"
		       "  g page count value  write by /proc/self/mem\n"
		       "  s page - -  vmsplice, write, and look into the pipe\n"
		       "  f - - slot  fork into that slot\n"
		       "  x - - -  exit\n"
		       "  k - - knob  write to debugfs\n"
		       "\nExamples:\n  guest_fuzz --seconds 3600\n"
		       "  guest_fuzz --seed 4711 --seconds 0\n"
		       "  guest_fuzz --replay /tests/fuzz",
	};
	uint64_t sequences = 0, first;
	double until;
	size_t i;

	option.seed = now_ns() % 1000000;
	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return 1;
	prepare();
	if (option.replay) {
		if (replay_all(option.replay))
			return 1;
		goto out;
	}
	first = option.seed;
	until = now() + option.seconds;
	do {
		char name[64];

		seed = option.seed * 0x9e3779b97f4a7c15 | 1;
		for (i = 0; i < option.length; i++) {
			random_op(&ops[i]);
			if (option.print)
				printf("%c %u %u %u %u\n", ops[i].letter,
				       ops[i].slot, ops[i].page, ops[i].count,
				       ops[i].value);
		}
		if (option.print)
			return 0;
		snprintf(name, sizeof(name), "seed %" PRIu64 " length %" PRIu64,
			 option.seed, option.length);
		if (!run(option.length, name))
			goto out;
		option.seed++;
		sequences++;
	} while (now() < until);
	printf("ok %u - %" PRIu64 " sequences of %" PRIu64
	       " operations from seed %" PRIu64 "\n",
	       ++nr_tests, sequences, option.length, first);
out:
	printf("1..%u\n", nr_tests);
	knob_write("precopy", "0", 1);
	return failed || !nr_tests;
}
