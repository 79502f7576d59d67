// SPDX-License-Identifier: GPL-2.0
/*
 * The known holes of copy-on-write, as tests that fail where one is open:
 *
 * CVE-2016-5195	Dirty COW: a write by /proc/self/mem to a read-only
 *			private file mapping, against MADV_DONTNEED
 * CVE-2017-1000405	the same on the huge zero page
 * CVE-2022-2590	the same on shared memory, mapped by UFFDIO_CONTINUE
 * CVE-2020-29374	a page held by vmsplice() alone is written in place
 *
 * Each runs under every policy for a bounded time. The mappings have
 * anonymous pages around the attacked one, so that windows open there.
 */
#include "tests/arms.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PMD (2UL << 20)
#define PAGES 16
#define SECONDS 1

/*
 * The attack: one thread writes by force to where the process may only read,
 * another throws the copy away, between the fault that makes it and the write.
 */
static struct {
	unsigned char *mem;
	size_t bytes;
	int uffd;
	atomic_bool stop;
	size_t forced;
} attack;

/* Sometimes the writer gets far, sometimes not. */
static void dawdle(uint64_t *seed)
{
	size_t i = 1UL << next_random(seed) % 12;

	while (i--)
		__builtin_ia32_pause();
	if (next_random(seed) % 8 == 0)
		sched_yield();
}

static void *throw_away(void *unused)
{
	uint64_t seed = 1;

	(void)unused;
	while (!atomic_load(&attack.stop)) {
		madvise(attack.mem, attack.bytes, MADV_DONTNEED);
		if (attack.uffd >= 0) {
			struct uffdio_continue cont = {
				.range = { (uintptr_t)attack.mem,
					   attack.bytes },
			};

			ioctl(attack.uffd, UFFDIO_CONTINUE, &cont);
		}
		dawdle(&seed);
	}
	return NULL;
}

/*
 * Map again what was thrown away; by /proc/self/mem too, where the kernel
 * itself touches the page.
 */
static void *read_back(void *unused)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned char byte;

	(void)unused;
	while (!atomic_load(&attack.stop)) {
		(void)*(volatile unsigned char *)attack.mem;
		if (pread(fd, &byte, 1, (uintptr_t)attack.mem) != 1)
			break;
	}
	close(fd);
	return NULL;
}

/* Attack until @harmed says that it has worked, or the time is over. */
static bool run_attack(unsigned char *mem, size_t bytes, int uffd,
		       bool (*harmed)(void *), void *arg)
{
	static const char evil[8] = "EVILEVI";
	double until = now() + SECONDS;
	pthread_t threads[2];
	bool open_hole = false;
	int fd;

	fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	attack.mem = mem;
	attack.bytes = bytes;
	attack.uffd = uffd;
	attack.forced = 0;
	atomic_store(&attack.stop, false);
	assert_int_equal(pthread_create(&threads[0], NULL, throw_away, NULL),
			 0);
	/* With userfaultfd a reader would wait for itself. */
	if (uffd < 0)
		assert_int_equal(
			pthread_create(&threads[1], NULL, read_back, NULL), 0);
	/* A write that never arrives proves nothing: a slow guest gets time. */
	while (!open_hole && (now() < until ||
			      (!attack.forced && now() < until + slow(30)))) {
		int i;

		for (i = 0; i < 100; i++)
			attack.forced += pwrite(fd, evil, sizeof(evil),
						(uintptr_t)mem) > 0;
		open_hole = harmed(arg);
	}
	atomic_store(&attack.stop, true);
	if (uffd >= 0) {
		/* Wake the threads that wait for an event. */
		struct uffdio_range range = { (uintptr_t)mem, bytes };

		ioctl(uffd, UFFDIO_UNREGISTER, &range);
	}
	pthread_join(threads[0], NULL);
	if (uffd < 0)
		pthread_join(threads[1], NULL);
	close(fd);
	assert_true(attack.forced > 0);
	return open_hole || harmed(arg);
}

struct file {
	int fd;
	unsigned char data[PAGES * PAGE];
};

static bool file_changed(void *arg)
{
	static unsigned char is[PAGES * PAGE];
	struct file *file = arg;

	return pread(file->fd, is, sizeof(is), 0) != (ssize_t)sizeof(is) ||
	       memcmp(is, file->data, sizeof(is));
}

/* A file that the process may only read, and a descriptor to look at it. */
static int open_file(struct file *file)
{
	static const char path[] = "/tmp/guest_holes";
	size_t i;
	int fd;

	for (i = 0; i < sizeof(file->data); i++)
		file->data[i] = i / PAGE + 1;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file->data, sizeof(file->data)),
			 sizeof(file->data));
	file->fd = fd;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void test_dirty_cow(void **state)
{
	static struct file file;
	unsigned char *mem;
	pid_t holder;
	bool harmed;
	size_t i;
	int fd;

	(void)state;
	fd = open_file(&file);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		   0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (i = 0; i < PAGES; i += 2)
		mem[i * PAGE + 100] = 77;
	assert_int_equal(mprotect(mem, PAGES * PAGE, PROT_READ), 0);
	holder = start_holder();
	/* One page is attacked; its neighbours are our own copies. */
	harmed = run_attack(mem + 5 * PAGE, PAGE, -1, file_changed, &file);
	end_holder(holder);
	for (i = 0; i < PAGES; i += 2)
		assert_int_equal(mem[i * PAGE + 100], 77);
	munmap(mem, PAGES * PAGE);
	close(fd);
	close(file.fd);
	if (harmed)
		fail_msg("%s: the file was written", arm->name);
}

/* CVE-2017-1000405: all processes share the huge zero page. */
static bool zero_page_changed(void *arg)
{
	const volatile uint64_t *words = arg;

	return words[0] != 0;
}

static void *map_huge(int prot)
{
	unsigned char *mem = mmap(NULL, 2 * PMD, prot,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				  -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	mem += PMD - (uintptr_t)mem % PMD;
	assert_int_equal(madvise(mem, PMD, MADV_HUGEPAGE), 0);
	return mem;
}

static void test_huge_dirty_cow(void **state)
{
	unsigned char *mem, *witness;
	bool harmed;

	(void)state;
	if (access(THP "use_zero_page", F_OK)) {
		print_message("# skipped: no huge zero page\n");
		skip();
	}
	file_set(THP "use_zero_page", "1");
	mem = map_huge(PROT_READ);
	witness = map_huge(PROT_READ);
	(void)*(volatile unsigned char *)mem;
	(void)*(volatile unsigned char *)witness;
	harmed = run_attack(mem, PMD, -1, zero_page_changed, witness);
	munmap(mem, PMD);
	munmap(witness, PMD);
	if (harmed)
		fail_msg("%s: the huge zero page was written", arm->name);
}

static void test_shmem_dirty_cow(void **state)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_MINOR_SHMEM };
	static struct file file;
	struct uffdio_register reg;
	unsigned char *mem;
	bool harmed;
	int fd, uffd;

	(void)state;
	fd = open_file(&file);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api)) {
		print_message("# skipped: no minor faults by userfaultfd\n");
		skip();
	}
	mem = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	reg = (struct uffdio_register){
		.range = { (uintptr_t)mem, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MINOR,
	};
	if (ioctl(uffd, UFFDIO_REGISTER, &reg)) {
		print_message("# skipped: private shmem takes no minor mode\n");
		close(uffd);
		skip();
	}
	harmed = run_attack(mem, PAGE, uffd, file_changed, &file);
	munmap(mem, PAGE);
	close(uffd);
	close(fd);
	close(file.fd);
	if (harmed)
		fail_msg("%s: the file was written", arm->name);
}

/*
 * CVE-2020-29374: the child keeps a page by a pipe alone; what the parent
 * writes afterwards, to it and around it, is none of its business.
 */
static void test_vmsplice(void **state)
{
	unsigned char *mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t page, i;

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (page = 0; page < PAGES; page++) {
		int data[2], ready[2], go[2], status;
		pid_t pid;
		char byte;

		memset(mem, 'o', PAGES * PAGE);
		assert_int_equal(pipe2(data, O_CLOEXEC), 0);
		assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
		assert_int_equal(pipe2(go, O_CLOEXEC), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			static unsigned char got[PAGE];
			struct iovec iov = { mem + page * PAGE, PAGE };

			if (vmsplice(data[1], &iov, 1, 0) != (ssize_t)PAGE)
				_exit(2);
			munmap(mem, PAGES * PAGE);
			if (write(ready[1], "", 1) != 1 ||
			    read(go[0], &byte, 1) != 1 ||
			    read(data[0], got, PAGE) != (ssize_t)PAGE)
				_exit(3);
			for (i = 0; i < PAGE; i++)
				if (got[i] != 'o')
					_exit(4);
			_exit(0);
		}
		assert_int_equal(read(ready[0], &byte, 1), 1);
		/* First around it, so that it is a neighbour, then itself. */
		mem[(page ? page - 1 : 1) * PAGE] = 's';
		for (i = 0; i < PAGES; i++)
			memset(mem + i * PAGE, 's', PAGE);
		assert_int_equal(write(go[1], "", 1), 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		close(data[0]);
		close(data[1]);
		close(ready[0]);
		close(ready[1]);
		close(go[0]);
		close(go[1]);
		if (status)
			fail_msg("%s: page %zu: the child ended with %#x",
				 arm->name, page, status);
	}
	munmap(mem, PAGES * PAGE);
}

static const struct arm_test tests[] = {
	ARM_TEST(dirty_cow),
	ARM_TEST(huge_dirty_cow),
	ARM_TEST(shmem_dirty_cow),
	ARM_TEST(vmsplice),
};

/* An argument chooses tests: 'dirty_cow*', '*[off]'. */
int main(int argc, char **argv)
{
	(void)argc;
	return arms_run("guest_holes", tests, ARRAY_SIZE(tests), NULL, argv[1]);
}
