// SPDX-License-Identifier: GPL-2.0
/*
 * Every error path of the libraries ends in a defined state: the first call that
 * can fail fails, then the second, and so on up to the last of a good run; then two
 * in a row, and each as if a signal or a filter were in its way. In each run the
 * data is what was written, a view is what was there, an error is one that
 * the header names, and afterwards no thread, descriptor or mapping is left.
 *
 * The linker hands the libraries' calls to the functions here (--wrap). Calls of
 * this file are not counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "libcowsnap/cowsnap.h"
#include "tests/slow.h"

#define MIB (1UL << 20)
/* More than a block of 2 MiB. */
#define BYTES (2 * MIB + 16 * PAGE_BYTES)
#define PAGES (BYTES / PAGE_BYTES)
/* The last pages are a writer's that never stops. */
#define WRITER_PAGES 64UL
/* The libraries make at least so many calls. */
#define FIRST_CALLS 10
/* Before these is a page that gets protected. */
#define FILLED ((PAGES - WRITER_PAGES - 1) * PAGE_BYTES)

/**
 * struct plan - what is to fail in a run; shared with the process that runs
 * @on: calls count
 * @call: number of the last one
 * @fails: number of the first one that fails; 0: none
 * @row: so many fail in a row
 * @with: with this error; 0: each with its usual one
 * @failed: name of the first; empty: there were not so many calls
 * @error: what the first fails with
 * @last_error: what the last fails with
 * @leak_expected: what fails gives something back
 * @protect_failed: to protect the page again is what fails
 * @said: what went wrong
 */
struct plan {
	atomic_bool on;
	_Atomic unsigned int call;
	unsigned int fails;
	unsigned int row;
	int with;
	char failed[32];
	int error;
	int last_error;
	bool leak_expected;
	bool protect_failed;
	char said[160];
};

static struct plan *plan;

static bool fails(const char *name, int error)
{
	unsigned int call;

	if (!plan || !plan->on)
		return false;
	call = atomic_fetch_add(&plan->call, 1) + 1;
	if (call < plan->fails || call >= plan->fails + plan->row)
		return false;
	if (plan->with)
		error = plan->with;
	if (call == plan->fails) {
		strcpy(plan->failed, name);
		plan->error = error;
	}
	plan->last_error = error;
	if (!strcmp(name, "munmap"))
		plan->leak_expected = true;
	if (!strcmp(name, "mprotect"))
		plan->protect_failed = true;
	errno = error;
	return true;
}

/* WRAP(type, name, value, error, parameters, arguments): how a call fails */
#define WRAP(type, name, value, error, params, args) \
	type __real_##name params;                   \
	type __wrap_##name params;                   \
	type __wrap_##name params                    \
	{                                            \
		if (fails(#name, error))             \
			return value;                \
		return __real_##name args;           \
	}

WRAP(void *, calloc, NULL, ENOMEM, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, NULL, ENOMEM, (void *p, size_t size), (p, size))
WRAP(FILE *, fopen, NULL, EMFILE, (const char *path, const char *mode),
     (path, mode))
WRAP(int, ftruncate, -1, ENOMEM, (int fd, off_t length), (fd, length))
WRAP(off_t, lseek, -1, EINVAL, (int fd, off_t at, int whence), (fd, at, whence))
WRAP(int, madvise, -1, EAGAIN, (void *p, size_t size, int advice),
     (p, size, advice))
WRAP(int, memfd_create, -1, EMFILE, (const char *name, unsigned int flags),
     (name, flags))
WRAP(int, mincore, -1, EAGAIN, (void *p, size_t size, unsigned char *vec),
     (p, size, vec))
WRAP(void *, mmap, MAP_FAILED, ENOMEM,
     (void *p, size_t size, int prot, int flags, int fd, off_t at),
     (p, size, prot, flags, fd, at))
WRAP(int, mprotect, -1, ENOMEM, (void *p, size_t size, int prot),
     (p, size, prot))
WRAP(int, munmap, -1, ENOMEM, (void *p, size_t size), (p, size))
WRAP(ssize_t, pread, -1, ENOMEM, (int fd, void *p, size_t size, off_t at),
     (fd, p, size, at))
WRAP(ssize_t, read, -1, EIO, (int fd, void *p, size_t size), (fd, p, size))
WRAP(int, pthread_create, EAGAIN, EAGAIN,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *),
      void *arg),
     (thread, attr, start, arg))
WRAP(int, sched_getaffinity, -1, ENOSYS,
     (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set))

/* With arguments that may be missing. */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	return fails("open", EMFILE) ? -1 : __real_open(path, flags);
}

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	/* To wake always works. */
	if (request != UFFDIO_WAKE && fails("ioctl", ENOMEM))
		return -1;
	return __real_ioctl(fd, request, arg);
}

void *__real_mremap(void *old, size_t old_size, size_t size, int flags,
		    void *to);
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags,
		    void *to);
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags,
		    void *to)
{
	/* One that cannot succeed is a question. */
	if (size <= old_size && fails("mremap", ENOMEM))
		return MAP_FAILED;
	return __real_mremap(old, old_size, size, flags, to);
}

long __real_syscall(long number, long a, long b, long c, long d, long e);
long __wrap_syscall(long number, long a, long b, long c, long d, long e);
long __wrap_syscall(long number, long a, long b, long c, long d, long e)
{
	/* cowwarm asks for each signal; only a filter would not answer. */
	if (number == SYS_rt_sigaction || number == SYS_rt_sigprocmask)
		return __real_syscall(number, a, b, c, d, e);
	return fails("syscall", EMFILE) ? -1 :
					  __real_syscall(number, a, b, c, d, e);
}

/* In the process that runs: its parent says it. */
__attribute__((noreturn, format(printf, 1, 2))) static void
wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(plan->said, sizeof(plan->said), fmt, ap);
	va_end(ap);
	_exit(1);
}

static uint64_t status_field(const char *key)
{
	char text[4096];
	uint64_t value = 0;
	ssize_t n;
	int fd = __real_open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	n = __real_read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (!text_field(text, key, &value))
		wrong("no %s", key);
	return value;
}

static int next_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* What a run may not leave. */
struct traces {
	uint64_t threads;
	uint64_t kb;
	int fd;
};

static void take_traces(struct traces *traces)
{
	traces->threads = status_field("Threads:");
	traces->kb = status_field("VmSize:");
	traces->fd = next_descriptor();
}

static void compare_traces(const struct traces *before)
{
	unsigned long tries = slow(200);
	struct traces now;

	for (;;) {
		take_traces(&now);
		if (now.threads == before->threads || !tries--)
			break;
		usleep(10000);
	}
	if (now.threads != before->threads)
		wrong("%lu threads, before %lu", now.threads, before->threads);
	if (now.fd != before->fd)
		wrong("descriptor %d is in use", before->fd);
	if (now.kb > before->kb + 1024 && !plan->leak_expected)
		wrong("%lu KiB are mapped, before %lu", now.kb, before->kb);
}

/* libcowsnap. */

static unsigned char *base;
static atomic_bool stop;

static void *write_on(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	while (!stop) {
		size_t page = PAGES - 1 - n++ % WRITER_PAGES;
		_Atomic uint64_t *word = (void *)(base + page * PAGE_BYTES);

		/* Each page is written in its turn, and by nobody else. */
		if (*word != (n > WRITER_PAGES ? n - WRITER_PAGES : 0))
			wrong("a write is lost");
		*word = n;
	}
	return NULL;
}

static void fill(unsigned char value)
{
	memset(base, value, FILLED);
}

/* The program has protected a page, which stays so. */
static void expect_protected(const char *when)
{
	int fd = __real_open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (__real_read(fd, base + FILLED, 1) >= 0)
		wrong("%s: the protected page can be written", when);
	close(fd);
}

static void expect(const unsigned char *p, unsigned char value,
		   const char *what)
{
	size_t i;

	if (*p == value && !memcmp(p, p + 1, FILLED - 1))
		return;
	for (i = 0; i < FILLED; i++)
		if (p[i] != value)
			wrong("%s: byte %zu is %d, not %d", what, i, p[i],
			      value);
}

static void expect_errno(const char *call, const int *errors)
{
	const int error = errno;

	/* The kernel's own answer may be handed on. */
	if (error == plan->error || error == plan->last_error)
		return;
	for (; *errors; errors++)
		if (error == *errors)
			return;
	wrong("%s: %s", call, strerror(error));
}

static void run_cowsnap(void)
{
	static const int create_errors[] = { ENOMEM,  EMFILE, EFBIG,  EAGAIN,
					     ENOTSUP, EPERM,  EACCES, 0 };
	static const int begin_errors[] = { ENOMEM, EIO, 0 };
	static const int end_errors[] = { ENOMEM, EIO, EFAULT, 0 };
	const struct cowsnap_budget budget = { .bytes = BYTES };
	bool ended_badly = false;
	struct traces before;
	pthread_attr_t small;
	unsigned char value;
	struct cowsnap *cs;
	pthread_t writer;

	/* The C library keeps stacks and arenas, which are not looked for. */
	mallopt(M_ARENA_MAX, 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	take_traces(&before);
	plan->on = true;
	cs = cowsnap_create(BYTES, &budget);
	plan->on = false;
	if (!cs) {
		expect_errno("cowsnap_create", create_errors);
		compare_traces(&before);
		return;
	}
	base = cowsnap_base(cs);
	fill(1);
	if (__real_pthread_create(&writer, &small, write_on, NULL))
		wrong("pthread_create");
	for (value = 1; value < 4; value++) {
		const unsigned char *view;

		/* The second time, the region is split. */
		if (value == 2) {
			__real_madvise(base + 16 * PAGE_BYTES, 7 * PAGE_BYTES,
				       MADV_DONTDUMP);
			__real_mprotect(base + FILLED, PAGE_BYTES, PROT_READ);
		}
		plan->on = true;
		view = cowsnap_begin(cs);
		plan->on = false;
		if (!view) {
			expect_errno("cowsnap_begin", begin_errors);
			if (ended_badly && errno != EIO)
				wrong("cowsnap_begin after a failed end: %s",
				      strerror(errno));
			expect(base, value, "the region, without a view");
			if (value >= 2 && !plan->protect_failed)
				expect_protected("without a view");
			fill(value + 1);
			continue;
		}
		if (ended_badly)
			wrong("a snapshot after a failed end");
		expect(view, value, "the view");
		if (value >= 2 && !plan->protect_failed)
			expect_protected("with a view");
		fill(value + 1);
		expect(view, value, "the view, later");
		plan->on = true;
		if (cowsnap_end(cs)) {
			ended_badly = true;
			expect_errno("cowsnap_end", end_errors);
		}
		plan->on = false;
		expect(base, value + 1, "the region");
		if (value >= 2 && !plan->protect_failed)
			expect_protected("afterwards");
	}
	stop = true;
	pthread_join(writer, NULL);
	plan->on = true;
	cowsnap_destroy(cs);
	plan->on = false;
	compare_traces(&before);
}

/* cowwarm, which is linked to this program as it would be preloaded. */

static void run_cowwarm(void)
{
	unsigned int calls, tries, calm;
	struct traces before;
	unsigned char *p, *map;
	int fds[2], status, round;
	pid_t child;
	char byte;
	size_t i;

	map = __real_mmap(NULL, BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* With a huge page, where there are any, and small ones. */
	p = map + HUGE_BYTES - (uintptr_t)map % HUGE_BYTES;
	__real_madvise(p, BYTES, MADV_HUGEPAGE);
	memset(p, 1, BYTES);
	take_traces(&before);
	for (round = 1; round < 3; round++) {
		if (pipe2(fds, O_CLOEXEC))
			wrong("pipe2");
		plan->on = true;
		errno = 0;
		child = fork();
		if (child < 0)
			wrong("fork: %s", strerror(errno));
		if (!child) {
			/* The plan is shared, and still the parent's. */
			close(fds[1]);
			__real_read(fds[0], &byte, 1);
			for (i = 0; i < BYTES; i++)
				if (p[i] != round)
					_exit(1);
			_exit(0);
		}
		if (errno)
			wrong("fork() left errno %d", errno);
		/*
		 * Until it has begun and nothing more comes. On a busy host its
		 * thread, which is nice, may begin late.
		 */
		for (tries = slow(1000), calm = 0; tries-- && calm < 3;) {
			calls = plan->call;
			usleep(5000);
			calm = plan->call == calls && (plan->failed[0] ||
						       calls >= FIRST_CALLS) ?
				       calm + 1 :
				       0;
		}
		memset(p, round + 1, BYTES);
		close(fds[0]);
		close(fds[1]);
		if (waitpid(child, &status, 0) != child || status)
			wrong("the child ended with %#x", status);
		/* Its thread ends after the last child, and makes huge pages before. */
		for (tries = slow(200);
		     round == 2 && tries &&
		     status_field("Threads:") > before.threads;
		     tries--)
			usleep(5000);
		if (round == 1)
			usleep(5000);
		plan->on = false;
		for (i = 0; i < BYTES; i++)
			if (p[i] != round + 1)
				wrong("byte %zu is %d", i, p[i]);
	}
	compare_traces(&before);
}

static void run_with(void (*run)(void), unsigned int fails, unsigned int row,
		     int with)
{
	int status;
	pid_t pid;

	memset(plan, 0, sizeof(*plan));
	plan->fails = fails;
	plan->row = row;
	plan->with = with;
	/* The C library's, without what cowwarm does there. */
	pid = ((pid_t(*)(void))dlsym(RTLD_NEXT, "fork"))();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(slow(30));
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("call %u, %s fails (%u in a row, %s): status %#x: %s",
			 fails, plan->failed[0] ? plan->failed : "none", row,
			 strerror(plan->error), status, plan->said);
}

/* A run without a failure shows how many calls there are. */
static void inject(void (*run)(void), unsigned int row, int with)
{
	unsigned int calls, n, failed = 0;

	run_with(run, 0, 0, 0);
	calls = plan->call;
	for (n = 1; n <= calls; n++) {
		run_with(run, n, row, with);
		failed += plan->failed[0] != '\0';
	}
	print_message("# of %u calls %u failed, %u in a row\n", calls, failed,
		      row);
	/* Threads are not always as far. */
	assert_in_range(calls, FIRST_CALLS, 10000);
	assert_in_range(failed, calls / 2, calls);
}

/* TESTS(library): each way in which its calls fail */
#define TESTS(library)                                    \
	static void test_##library(void **state)          \
	{                                                 \
		(void)state;                              \
		inject(run_##library, 1, 0);              \
	}                                                 \
	static void test_##library##_two(void **state)    \
	{                                                 \
		(void)state;                              \
		inject(run_##library, 2, 0);              \
	}                                                 \
	static void test_##library##_signal(void **state) \
	{                                                 \
		(void)state;                              \
		inject(run_##library, 1, EINTR);          \
	}                                                 \
	static void test_##library##_filter(void **state) \
	{                                                 \
		(void)state;                              \
		inject(run_##library, 1, ENOSYS);         \
	}

TESTS(cowsnap)
TESTS(cowwarm)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cowsnap),
		cmocka_unit_test(test_cowsnap_two),
		cmocka_unit_test(test_cowsnap_signal),
		cmocka_unit_test(test_cowsnap_filter),
		cmocka_unit_test(test_cowwarm),
		cmocka_unit_test(test_cowwarm_two),
		cmocka_unit_test(test_cowwarm_signal),
		cmocka_unit_test(test_cowwarm_filter),
	};

	plan = __real_mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		return 1;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
