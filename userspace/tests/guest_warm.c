// SPDX-License-Identifier: GPL-2.0
/*
 * cowwarm.so, under programs of all kinds. The programs are this one, started
 * again with the name of a program below; they know nothing of the library.
 */
#include "tests/guest.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/region.h"

/* The library; on the host one that does without the call. */
#define LIBRARY (getenv("COWWARM_SO") ?: "/lib/cowwarm.so")
#define MIB (1UL << 20)
#define BYTES (64 * MIB)
#define PAGES (BYTES / PAGE_BYTES)

static unsigned char *mem;

/* On standard output: standard error may be a pipe without a reader. */
static void give_up(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(99);
}

static void map_mem_as(int advice)
{
	uintptr_t at;
	size_t page;

	mem = mmap(NULL, BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		give_up("mmap");
	at = ((uintptr_t)mem + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
	mem = (unsigned char *)at;
	madvise(mem, BYTES, advice);
	for (page = 0; page < PAGES; page++)
		memset(mem + page * PAGE_BYTES, page, PAGE_BYTES);
}

static void map_mem(void)
{
	map_mem_as(MADV_NOHUGEPAGE);
}

/* How many of the pages are no longer shared with a child. */
static size_t own_pages(size_t first, size_t nr)
{
	static uint64_t entries[PAGES];
	size_t i, own = 0;

	if (!pagemap_entries(mem + first * PAGE_BYTES, entries, nr))
		give_up("pagemap");
	for (i = 0; i < nr; i++)
		own += entries[i] & PM_PRESENT && entries[i] & PM_EXCLUSIVE;
	return own;
}

/*
 * Wait until there are @want, or until nothing has changed for a while. On a busy
 * host the library's thread, which is nice, may be late.
 */
static size_t settle(size_t want)
{
	size_t own = own_pages(0, PAGES), before;
	unsigned int calm;

	for (calm = 0; calm < slow(100) && own < want; calm++) {
		before = own;
		usleep(20000);
		own = own_pages(0, PAGES);
		if (own != before)
			calm = 0;
	}
	return own;
}

/* A child that sleeps, and then checks that it still has what was there. */
static pid_t fork_saver(int *release)
{
	int fds[2];
	pid_t child;
	size_t at;
	char byte;

	if (pipe2(fds, O_CLOEXEC))
		give_up("pipe2");
	child = fork();
	if (child < 0)
		give_up("fork");
	if (child) {
		close(fds[0]);
		*release = fds[1];
		return child;
	}
	close(fds[1]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(fds[0], &byte, 1) < 0)
		_exit(1);
	for (at = 0; at < BYTES; at++) {
		if (mem[at] != (unsigned char)(at / PAGE_BYTES))
			_exit(2);
	}
	_exit(0);
}

static void end_saver(pid_t child, int release)
{
	int status;

	close(release);
	if (waitpid(child, &status, 0) != child || status) {
		printf("the child ended with status %x\n", status);
		exit(98);
	}
}

/* Fork, and say how many pages are no longer shared in the end. */
static int program_fork(int times)
{
	int release;
	pid_t child;

	map_mem();
	while (times--) {
		child = fork_saver(&release);
		printf("own %zu\n", settle(PAGES));
		end_saver(child, release);
		/* No other process shares the pages now. */
		if (own_pages(0, PAGES) != PAGES)
			give_up("unshared pages are counted as shared");
	}
	return 0;
}

/* The same, with a child that is killed at once; the rest must stop. */
static int program_killed(int unused)
{
	int release;
	pid_t child;

	(void)unused;
	map_mem();
	child = fork_saver(&release);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(release);
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	end_saver(child, release);
	return 0;
}

/*
 * Write some 2 MiB blocks all the time, others never. Say, after some forks,
 * how many pages of the former were broken before they were written again.
 */
#define HOT_BLOCK 20
#define HOT_BLOCKS 4
#define HOT_PAGES (HOT_BLOCKS * 512)

static int program_hot(int times)
{
	int release;
	pid_t child;
	size_t i;

	map_mem();
	while (times--) {
		child = fork_saver(&release);
		for (i = 0; times && i < HOT_PAGES; i += 2) {
			/* What it holds already: the child is to see no change. */
			size_t page = HOT_BLOCK * 512 + i;

			*(volatile unsigned char *)(mem + page * PAGE_BYTES) =
				page;
		}
		settle(PAGES);
		if (!times)
			printf("hot %zu\n",
			       own_pages(HOT_BLOCK * 512, HOT_PAGES));
		end_saver(child, release);
	}
	return 0;
}

static unsigned int count_threads(void)
{
	unsigned int n = 0;
	struct dirent *task;
	DIR *tasks = opendir("/proc/self/task");

	if (!tasks)
		give_up("/proc/self/task");
	while ((task = readdir(tasks)))
		n += task->d_name[0] != '.';
	closedir(tasks);
	return n;
}

/* KiB of the memory in huge pages. */
static uint64_t huge_kib(void)
{
	const struct region region = { .base = mem, .size = BYTES };
	uint64_t kb;

	if (!region_smaps(&region, "AnonHugePages:", &kb))
		give_up("smaps");
	return kb;
}

/* Exit unless there are huge pages here. */
static void map_huge(void)
{
	map_mem_as(MADV_HUGEPAGE);
	if (huge_kib() < BYTES / 1024)
		exit(77);
}

/* A write of what is there, so that the child sees no change. */
static void touch(size_t page)
{
	*(volatile unsigned char *)(mem + page * PAGE_BYTES) = page;
}

/* Say how many pages are no longer shared in the end, and KiB in huge pages. */
static int program_huge(int unused)
{
	int release;
	pid_t child;

	(void)unused;
	map_huge();
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	printf("huge %" PRIu64 "\n", huge_kib());
	end_saver(child, release);
	return 0;
}

/* Wait until the warmer has broken more pages than are written: late on a busy host. */
static void wait_at_work(size_t written)
{
	unsigned int i;

	for (i = 0; i < slow(1000) && own_pages(0, PAGES) <= written; i++)
		usleep(1000);
}

/*
 * Split each huge page, before the warmer comes or after it, and say what is huge
 * when the child has gone. 1: then none are wanted there; 2: in the process; 3: the
 * child goes while the warmer is at work.
 */
static int program_pieces(int refuse)
{
	uint64_t huge = 0;
	unsigned int i;
	int release;
	pid_t child;
	size_t page;

	map_huge();
	child = fork_saver(&release);
	for (page = 0; page < PAGES; page += 512)
		touch(page);
	printf("split %" PRIu64 "\n", huge_kib());
	/* As long may it take; 60 ms are longer than a child that is no snapshot's. */
	if (refuse == 3) {
		wait_at_work(PAGES / 512);
		usleep(60000);
	} else {
		usleep(slow(1000000));
	}
	if (refuse == 1 && madvise(mem, BYTES, MADV_NOHUGEPAGE))
		give_up("MADV_NOHUGEPAGE");
	if (refuse == 2 && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		give_up("PR_SET_THP_DISABLE");
	end_saver(child, release);
	for (i = 0; i < slow(100) && huge < BYTES / 1024; i++) {
		huge = huge_kib();
		if (count_threads() == 1 && i > 25)
			break;
		usleep(20000);
	}
	printf("huge %" PRIu64 "\n", huge);
	for (page = 0; page < PAGES; page++) {
		const unsigned char *p = mem + page * PAGE_BYTES;

		if (*p != (unsigned char)page || memcmp(p, p + 1, 4095))
			give_up("wrong data");
	}
	return 0;
}

/* As program_hot, with huge pages: which are copied while there is no write. */
static int program_dense(int times)
{
	unsigned int i;
	size_t page, hot = 0;
	int release;
	pid_t child;

	map_huge();
	while (times--) {
		child = fork_saver(&release);
		for (page = 0; times && page < HOT_PAGES; page += 2)
			touch(HOT_BLOCK * 512 + page);
		settle(PAGES);
		hot = own_pages(HOT_BLOCK * 512, HOT_PAGES);
		usleep(slow(200000));
		end_saver(child, release);
		/* The thread ends when the huge pages are made again. */
		for (i = 0; i < slow(100) && count_threads() > 1; i++)
			usleep(20000);
	}
	printf("hot %zu\n", hot);
	return 0;
}

/* A child that lives for so many microseconds. */
static void child_of(unsigned int us)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		give_up("fork");
	if (!child) {
		if (us)
			usleep(us);
		_exit(7);
	}
	if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
		give_up("waitpid");
}

/* Children that live for a moment, one after another. */
static int program_brief(int times)
{
	map_mem();
	while (times--)
		child_of(15000);
	return 0;
}

/* Children that do nothing, one after another. */
static int program_often(int times)
{
	map_mem();
	while (times--) {
		child_of(0);
		mem[(size_t)times % PAGES * PAGE_BYTES]++;
	}
	return 0;
}

static void *fork_and_write(void *arg)
{
	const size_t me = (size_t)arg;
	unsigned int i;

	for (i = 0; i < 25; i++) {
		unsigned char *byte = mem + (me * 100 + i) * PAGE_BYTES;
		unsigned char was = *byte;
		pid_t child;

		child = fork();
		if (child < 0)
			give_up("fork");
		if (!child)
			_exit(*byte != was);
		++*byte;
		if (waitpid(child, NULL, 0) != child)
			give_up("waitpid");
		if (*byte != (unsigned char)(was + 1))
			give_up("a lost write");
	}
	return NULL;
}

static int program_threads(int count)
{
	pthread_t threads[16];
	int i;

	map_mem();
	for (i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, fork_and_write,
				   (void *)(size_t)i))
			give_up("pthread_create");
	}
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

/* Children that are another program at once, which runs for a while. */
static int program_exec(int times)
{
	map_mem();
	while (times--) {
		pid_t child = fork();

		if (child < 0)
			give_up("fork");
		if (!child) {
			unsetenv("LD_PRELOAD");
			execlp("sleep", "sleep", "0.1", NULL);
			_exit(1);
		}
		if (waitpid(child, NULL, 0) != child)
			give_up("waitpid");
	}
	return 0;
}

/* A child that forks itself. */
static int program_nested(int unused)
{
	int status;
	pid_t child;

	(void)unused;
	map_mem();
	child = fork();
	if (child < 0)
		give_up("fork");
	if (!child)
		return program_fork(1);
	waitpid(child, &status, 0);
	return status;
}

/* Exit while the warmer is at work, and the child stays. */
static int program_exit(int unused)
{
	int release;

	(void)unused;
	map_mem();
	fork_saver(&release);
	usleep(8000);
	return 5;
}

/* The program closes what it has not opened, as daemons do. */
static int program_closes(int unused)
{
	int release, fd;
	pid_t child;

	(void)unused;
	map_mem();
	child = fork_saver(&release);
	for (fd = 3; fd < 1000; fd++) {
		if (fd != release)
			close(fd);
	}
	printf("own %zu\n", settle(PAGES));
	end_saver(child, release);
	/* Nor is anything of ours left in its table. */
	fd = open("/dev/null", O_RDONLY);
	printf("fd %d\n", fd);
	return 0;
}

/* The nice values of this thread and of the warmer. */
static int program_nice(int unused)
{
	struct dirent *task;
	int release, own;
	pid_t child;
	DIR *tasks;

	(void)unused;
	setpriority(PRIO_PROCESS, 0, 3);
	own = getpriority(PRIO_PROCESS, 0);
	map_mem();
	child = fork_saver(&release);
	settle(PAGES);
	tasks = opendir("/proc/self/task");
	if (!tasks)
		give_up("/proc/self/task");
	while ((task = readdir(tasks))) {
		pid_t tid = atoi(task->d_name);

		if (tid && tid != getpid())
			printf("above %d\n",
			       getpriority(PRIO_PROCESS, tid) - own);
	}
	closedir(tasks);
	end_saver(child, release);
	return 0;
}

/* More thread-local memory than the warmer's first stack has room for. */
static __thread volatile char thread_local[200 << 10];

static void *map_bytes(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		give_up("mmap");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

/* One that does not become a part of the next one. */
static void *map_apart(size_t bytes)
{
	char *p = map_bytes(bytes + MIB);

	if (mprotect(p, MIB, PROT_NONE))
		give_up("mprotect");
	return p + MIB;
}

static uint64_t status_kib(const char *key)
{
	char text[8192];
	uint64_t value = 0;

	if (!read_text("/proc/self/status", text, sizeof(text)) ||
	    !text_field(text, key, &value))
		give_up(key);
	return value;
}

/* Before the first fork and after the last child there is no thread of its own. */
static int program_alone(int unused)
{
	unsigned int i;
	int release;
	pid_t child;

	(void)unused;
	thread_local[0] = 1;
	printf("before %u\n", count_threads());
	map_mem();
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	printf("with %u\n", count_threads());
	end_saver(child, release);
	for (i = 0; i < slow(100) && count_threads() > 1; i++)
		usleep(20000);
	printf("after %u\n", count_threads());
	return 0;
}

/* Memory that was only read is the zero page. */
static int program_zero(int unused)
{
	const size_t bytes = 48 * MIB;
	volatile unsigned char *table = map_bytes(bytes);
	unsigned char sum = 0;
	uint64_t before;
	int release;
	pid_t child;
	size_t at;

	(void)unused;
	map_mem();
	for (at = 0; at < bytes; at += PAGE_BYTES)
		sum += table[at];
	before = status_kib("RssAnon:");
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	usleep(slow(200000));
	printf("more %" PRIu64 "\n", status_kib("RssAnon:") - before);
	end_saver(child, release);
	return sum;
}

/* Pages given back, which the kernel may take at any time. */
static int program_freed(int unused)
{
	unsigned char *freed = map_apart(32 * MIB);
	unsigned char *data;
	int release;
	pid_t child;

	(void)unused;
	map_mem();
	memset(freed, 1, 32 * MIB);
	if (madvise(freed, 32 * MIB, MADV_FREE))
		give_up("MADV_FREE");
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	usleep(slow(200000));
	data = mem;
	mem = freed;
	printf("freed %zu\n", own_pages(0, 32 * MIB / PAGE_BYTES));
	mem = data;
	end_saver(child, release);
	return 0;
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ok;

	if (fd < 0)
		return 0;
	ok = write(fd, text, strlen(text)) > 0;
	close(fd);
	return ok;
}

/* Pages that KSM has merged stay one. */
static int program_ksm(int unused)
{
	const size_t bytes = 8 * MIB;
	unsigned char *same = map_apart(bytes);
	size_t before = 0, i;
	unsigned char *data;
	uint64_t rss;
	char text[32];
	int release;
	pid_t child;

	(void)unused;
	memset(same, 0x5a, bytes);
	if (madvise(same, bytes, MADV_MERGEABLE) ||
	    !put("/sys/kernel/mm/ksm/pages_to_scan", "5000") ||
	    !put("/sys/kernel/mm/ksm/run", "1"))
		return 77;
	for (i = 0; i < slow(200) && before < bytes / PAGE_BYTES * 9 / 10;
	     i++) {
		usleep(50000);
		if (!read_text("/proc/self/ksm_merging_pages", text,
			       sizeof(text)))
			return 77;
		before = atoi(text);
	}
	put("/sys/kernel/mm/ksm/run", "0");
	if (before < bytes / PAGE_BYTES * 9 / 10)
		return 77;
	map_mem();
	rss = status_kib("RssAnon:");
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	usleep(slow(200000));
	data = mem;
	mem = same;
	printf("unmerged %zu\n", own_pages(0, bytes / PAGE_BYTES));
	mem = data;
	printf("more %" PRIu64 "\n", status_kib("RssAnon:") - rss);
	end_saver(child, release);
	return 0;
}

/* Root is given up before the first fork, and in between. */
/* Does a write to this page take no fault? */
static bool write_is_free(size_t page)
{
	volatile unsigned char *byte = mem + page * PAGE_BYTES;
	struct rusage before = { 0 }, after = { 0 };
	unsigned char was;

	getrusage(RUSAGE_SELF, &before);
	was = *byte;
	*byte = was;
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt == before.ru_minflt;
}

static int program_setuid(int when)
{
	unsigned int i, free = 0;
	int release;
	pid_t child;

	if (geteuid())
		return 77;
	map_mem();
	if (when) {
		child = fork_saver(&release);
		settle(PAGES);
		end_saver(child, release);
		for (i = 0; count_threads() > 1; i++) {
			if (i == slow(1000))
				give_up("the library's thread does not end");
			usleep(10000);
		}
	}
	if (setgid(65534) || setuid(65534))
		give_up("setuid");
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* No child has the kept descriptor. */
		_exit(fcntl(200, F_GETFD) >= 0);
	}
	if (waitpid(child, &release, 0) != child)
		give_up("waitpid");
	printf("leaked %d\n", WEXITSTATUS(release));
	child = fork_saver(&release);
	/*
	 * Nor can we read pagemap: count the faults. The warmer comes to the last
	 * pages last; which of them is looked at is written, too.
	 */
	for (i = 0; i < slow(20); i++) {
		sleep(1);
		if (write_is_free(PAGES - 1 - i))
			break;
	}
	for (i = 0; i < 100; i++)
		free += write_is_free(i * (PAGES / 100));
	printf("percent %u\n", free);
	end_saver(child, release);
	return 0;
}

/* daemon()'s fork is the C library's own; so is forkpty()'s. */
static int program_daemon(int how)
{
	int release, fds[2], master;
	char byte = 9;
	pid_t child;

	map_mem();
	if (pipe(fds))
		give_up("pipe");
	child = fork();
	if (!child) {
		close(fds[0]);
		child = fork_saver(&release);
		settle(PAGES);
		end_saver(child, release);
		if (how ? (child = forkpty(&master, NULL, NULL, NULL)) :
			  daemon(1, 1)) {
			if (!how || child < 0)
				_exit(9);
			waitpid(child, NULL, 0);
			_exit(0);
		}
		child = fork_saver(&release);
		byte = settle(PAGES) == PAGES ? 0 : 1;
		if (write(fds[1], &byte, 1) != 1)
			_exit(9);
		end_saver(child, release);
		_exit(0);
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 1)
		byte = 8;
	waitpid(child, NULL, 0);
	return byte;
}

/* A child made by the system call alone forks itself. */
static int program_clone(int unused)
{
	int status;
	pid_t child;
	int release;

	(void)unused;
	map_mem();
	child = fork_saver(&release);
	settle(PAGES);
	end_saver(child, release);
	child = syscall(SYS_clone, (unsigned long)SIGCHLD, 0UL, 0UL, 0UL, 0UL);
	if (!child)
		_exit(program_fork(1));
	if (waitpid(child, &status, 0) != child)
		give_up("waitpid");
	return WEXITSTATUS(status);
}

/* Calls that need a single-threaded process, after a child and during one. */
static int program_setns(int unused)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), release;
	pid_t child;

	(void)unused;
	if (geteuid() || fd < 0)
		return 77;
	map_mem();
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	if (setns(fd, CLONE_NEWNS))
		give_up("setns after a child");
	child = fork_saver(&release);
	usleep(20000);
	if (setns(fd, CLONE_NEWNS))
		give_up("setns during a child");
	if (unshare(CLONE_NEWNS))
		give_up("unshare during a child");
	printf("own %zu\n", settle(PAGES));
	end_saver(child, release);
	return 0;
}

/* No /proc any more. */
static int program_chroot(int unused)
{
	char dir[] = "/tmp/warm-XXXXXX";
	int release, i;
	pid_t child;

	(void)unused;
	if (geteuid())
		return 77;
	map_mem();
	if (!mkdtemp(dir) || chroot(dir) || chdir("/"))
		give_up("chroot");
	for (i = 0; i < 3; i++) {
		child = fork_saver(&release);
		usleep(50000);
		end_saver(child, release);
	}
	puts("done");
	return 0;
}

static int program_limits(int which)
{
	static const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_NOFILE, 8 },	  { RLIMIT_STACK, 64 << 10 },
		{ RLIMIT_FSIZE, 0 },	  { RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_SIGPENDING, 0 }, { RLIMIT_AS, 0 },
		{ RLIMIT_DATA, 0 },	  { RLIMIT_CORE, 0 },
	};
	struct rlimit limit = { limits[which].value, limits[which].value };
	int release;
	pid_t child;

	map_mem();
	if (limits[which].resource == RLIMIT_AS)
		limit.rlim_cur = limit.rlim_max = status_kib("VmSize:") * 1024;
	if (limits[which].resource == RLIMIT_DATA)
		limit.rlim_cur = limit.rlim_max = status_kib("VmData:") * 1024;
	if (setrlimit(limits[which].resource, &limit))
		give_up("setrlimit");
	child = fork_saver(&release);
	printf("limit %d own %zu\n", which, settle(PAGES));
	end_saver(child, release);
	return 0;
}

/* A filter that kills for what it does not know, and one that refuses. */
static int program_seccomp(int kill)
{
	const struct sock_filter refuse[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 548, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, kill ? SECCOMP_RET_KILL_PROCESS :
						 SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog filter = { ARRAY_SIZE(refuse), (void *)refuse };
	int release;
	pid_t child;

	map_mem();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 77;
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	end_saver(child, release);
	return 0;
}

/* So many children that live at a time. */
static int program_many(int count)
{
	int fds[2], i;

	map_mem();
	if (pipe(fds))
		give_up("pipe");
	for (i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			give_up("fork");
		if (!child) {
			char byte;

			close(fds[1]);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(read(fds[0], &byte, 1));
		}
		/* Let the warmer come to work in between; at first, finish. */
		if (!i)
			settle(4096 - 256);
		else if (!(i % 16))
			usleep(slow(20000));
	}
	usleep(slow(300000));
	printf("own %zu\n", settle(PAGES));
	close(fds[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}

static volatile sig_atomic_t forks_in_handler, handled;

static void fork_in_handler(int sig)
{
	int error = errno;
	pid_t child = fork();

	(void)sig;
	if (!child)
		_exit(0);
	if (child > 0) {
		waitpid(child, NULL, 0);
		forks_in_handler++;
	}
	handled++;
	errno = error;
}

/* fork() in a handler that interrupts malloc(); @flags of sigaction(). */
static int program_handler(int flags)
{
	struct sigaction action = { .sa_handler = fork_in_handler,
				    .sa_flags = flags };
	const struct itimerval once = { .it_value = { 0, 3000 } };
	unsigned int threads = 0;
	int armed = -1;
	stack_t stack = { .ss_sp = map_bytes(64 << 10), .ss_size = 64 << 10 };

	alarm(slow(60));
	if (sigaltstack(&stack, NULL) || sigaction(SIGPROF, &action, NULL))
		give_up("sigaction");
	while (forks_in_handler < 100) {
		void *volatile p = malloc(100 + forks_in_handler);

		/*
		 * Armed for one signal at a time: where a fork takes longer than
		 * a timer's interval, handlers would nest without end.
		 */
		if (armed != handled) {
			armed = handled;
			setitimer(ITIMER_PROF, &once, NULL);
		}

		free(p);
		if (!(forks_in_handler % 16))
			threads += count_threads() - 1;
	}
	setitimer(ITIMER_PROF, &(struct itimerval){ 0 }, NULL);
	printf("threads %u\n", threads);
	return program_fork(1);
}

/* Signals blocked around fork(), handlers installed, as shells and servers do. */
static int program_blocked(int unused)
{
	struct sigaction action = { .sa_handler = fork_in_handler };
	sigset_t all;

	(void)unused;
	sigaction(SIGUSR1, &action, NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	return program_fork(1);
}

/* vfork() and posix_spawn() need no help. */
static int program_spawn(int unused)
{
	char *const args[] = { "true", NULL }, *const env[] = { NULL };
	int status;
	pid_t child;

	(void)unused;
	child = vfork();
	if (!child)
		_exit(0);
	waitpid(child, &status, 0);
	if (posix_spawnp(&child, "true", NULL, NULL, args, env))
		give_up("posix_spawn");
	waitpid(child, &status, 0);
	if (system("true"))
		give_up("system");
	printf("threads %u\n", count_threads());
	return status;
}

/* The library is loaded and unloaded by the program, with a fork in between. */
static int program_dlopen(int unused)
{
	void *library = dlopen(getenv("WARM"), RTLD_NOW);
	pid_t (*its_fork)(void), child;

	(void)unused;
	if (!library)
		give_up(dlerror());
	its_fork = (pid_t(*)(void))dlsym(library, "fork");
	map_mem();
	child = its_fork();
	if (!child) {
		usleep(slow(300000));
		_exit(0);
	}
	dlclose(library);
	printf("own %zu\n", settle(PAGES));
	waitpid(child, NULL, 0);
	usleep(slow(100000));
	return 0;
}

/* What a program may look at after fork(). */
static int program_errno(int unused)
{
	int release, fd;
	sigset_t mask;
	pid_t child;

	(void)unused;
	map_mem();
	errno = 1234;
	child = fork_saver(&release);
	printf("errno %d\n", errno);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	printf("blocked %d\n", sigismember(&mask, SIGTERM));
	fd = open("/dev/null", O_RDONLY);
	/* Standard ones, the one for the child. */
	printf("fd %d\n", fd - release);
	close(fd);
	end_saver(child, release);
	return 0;
}

/* A real-time program's warmer is not real-time. */
static int program_realtime(int unused)
{
	struct sched_param param = { .sched_priority = 1 };
	struct dirent *task;
	int release;
	pid_t child;
	DIR *tasks;

	(void)unused;
	map_mem();
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		return 77;
	child = fork_saver(&release);
	printf("own %zu\n", settle(PAGES));
	tasks = opendir("/proc/self/task");
	while ((task = readdir(tasks))) {
		pid_t tid = atoi(task->d_name);

		if (tid && tid != getpid())
			printf("policy %d\n", sched_getscheduler(tid));
	}
	closedir(tasks);
	end_saver(child, release);
	return 0;
}

/* A reservation, as sanitizers and allocators make it, with a page here and there. */
static int program_reserved(int unused)
{
	const size_t bytes = 16UL << 40, step = 1UL << 40;
	unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				0);
	size_t at;

	(void)unused;
	if (p == MAP_FAILED)
		give_up("mmap");
	for (at = step / 2; at < bytes; at += step)
		p[at] = 1;
	return program_fork(2);
}

static const struct program {
	const char *name;
	int (*main)(int arg);
} programs[] = {
	{ "fork", program_fork },	  { "killed", program_killed },
	{ "hot", program_hot },		  { "often", program_often },
	{ "threads", program_threads },	  { "exec", program_exec },
	{ "nested", program_nested },	  { "exit", program_exit },
	{ "closes", program_closes },	  { "nice", program_nice },
	{ "alone", program_alone },	  { "zero", program_zero },
	{ "freed", program_freed },	  { "ksm", program_ksm },
	{ "setuid", program_setuid },	  { "daemon", program_daemon },
	{ "clone", program_clone },	  { "setns", program_setns },
	{ "chroot", program_chroot },	  { "limits", program_limits },
	{ "seccomp", program_seccomp },	  { "many", program_many },
	{ "handler", program_handler },	  { "blocked", program_blocked },
	{ "spawn", program_spawn },	  { "dlopen", program_dlopen },
	{ "errno", program_errno },	  { "realtime", program_realtime },
	{ "reserved", program_reserved }, { "huge", program_huge },
	{ "pieces", program_pieces },	  { "dense", program_dense },
	{ "brief", program_brief },
};

/* Start one under the library. Return: its status; what it says in @text. */
static int run(char *text, size_t len, const char *env, const char *program)
{
	char *command;
	int status;
	size_t n;
	FILE *f;

	assert_int_not_equal(asprintf(&command,
				      "LD_PRELOAD=%s %s /proc/%d/exe --%s 2>&1",
				      LIBRARY, env, getpid(), program),
			     -1);
	f = popen(command, "re");
	assert_non_null(f);
	free(command);
	n = fread(text, 1, len - 1, f);
	text[n] = '\0';
	status = pclose(f);
	if (WIFSIGNALED(status))
		fail_msg("%s: killed by signal %d: %s", program,
			 WTERMSIG(status), text);
	return WEXITSTATUS(status);
}

/* The number behind a word, the last time it is there. */
static uint64_t said(const char *text, const char *word)
{
	const char *at = NULL, *next = text;

	while ((next = strstr(next, word)))
		at = next++;
	if (!at)
		fail_msg("no '%s' in: %s", word, text);
	return strtoull(at + strlen(word), NULL, 10);
}

static void expect_success(int status, const char *text)
{
	if (status)
		fail_msg("status %d: %s", status, text);
}

/* All pages of all blocks, while the child is there, at each fork again. */
static void test_breaks(void **state)
{
	char text[4096], *line = text;
	unsigned int i;

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "fork 3"),
		       text);
	for (i = 0; i < 3; i++) {
		assert_non_null(line);
		assert_int_equal(said(line, "own "), PAGES);
		line = strchr(line, '\n') + 1;
	}
}

static void test_budget(void **state)
{
	static const struct {
		const char *budget;
		size_t pages;
	} cases[] = {
		{ "16M", 4096 }, { "1M", 256 }, { "4097", 1 },
		{ "4095", 0 },	 { "0", 0 },
	};
	char env[64], text[4096];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t own;

		snprintf(env, sizeof(env),
			 "COWWARM_VERBOSE=1 COWWARM_BUDGET=%s",
			 cases[i].budget);
		expect_success(run(text, sizeof(text), env, "fork 1"), text);
		own = said(text, "own ");
		/* Some are spent elsewhere: heap, stack. */
		if (own > cases[i].pages || own + 128 < cases[i].pages)
			fail_msg("budget %s: %" PRIu64 " pages",
				 cases[i].budget, own);
		if (cases[i].pages)
			assert_in_range(said(text, " forks, "), 0,
					cases[i].pages);
	}
}

/* Each is told in the first line, and nothing is done. */
static void expect_refused(const char *name, const char *value)
{
	char env[64], want[64], text[4096];

	snprintf(env, sizeof(env), "%s=%s", name, value);
	snprintf(want, sizeof(want), "cowwarm: invalid %s '", name);
	expect_success(run(text, sizeof(text), env, "fork 1"), text);
	assert_ptr_equal(strstr(text, want), text);
	assert_ptr_equal(strchr(text, '\n') + 1, strstr(text, "own "));
	assert_int_equal(said(text, "own "), 0);
}

static void test_bad_environment(void **state)
{
	static const char *const budgets[] = { "x",   "-1",
					       "1T",  "\"\"",
					       "1M1", "99999999999999999999" };
	static const char *const times[] = { "1s", "60001" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(budgets); i++)
		expect_refused("COWWARM_BUDGET", budgets[i]);
	for (i = 0; i < ARRAY_SIZE(times); i++)
		expect_refused("COWWARM_COLLAPSE", times[i]);
}

/* With the child the budget comes back. */
static void test_stops_with_child(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=66M", "killed"),
		       text);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_hot_first(void **state)
{
	char text[4096];

	(void)state;
	/* Enough for the blocks that are written, and a few more. */
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=12M", "hot 4"),
		       text);
	assert_in_range(said(text, "hot "), HOT_PAGES * 9 / 10, HOT_PAGES);
	/* The hot block is not where the warmer would have begun anyway. */
	assert_true(HOT_BLOCK > 6 && HOT_BLOCK + HOT_BLOCKS < 26);
}

static void test_often(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=64M",
			   "often 300"),
		       text);
	assert_string_equal(text, "");
}

static void test_threads(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=64M",
			   "threads 4"),
		       text);
	assert_string_equal(text, "");
}

static void test_exec(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text),
			   "COWWARM_BUDGET=64M COWWARM_VERBOSE=1", "exec 20"),
		       text);
	assert_int_equal(said(text, ": "), 20);
	print_message("# exec: %" PRIu64 " pages broken in 20 forks\n",
		      said(text, " forks, "));
	/* A child that does not exec() would have had 16384 each. */
	assert_in_range(said(text, " forks, "), 0, 20 * PAGES / 20);
}

static void test_nested(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "nested"),
		       text);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_exit(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(run(text, sizeof(text), "COWWARM_BUDGET=64M", "exit"),
			 5);
	assert_string_equal(text, "");
}

static void test_closes(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "closes"),
		       text);
	assert_int_equal(said(text, "own "), PAGES);
	assert_int_equal(said(text, "fd "), 3);
}

#define BIG "COWWARM_BUDGET=128M"
#define TOLD BIG " COWWARM_VERBOSE=1"

/* Run one that may be impossible here. Return: false after a skip. */
static void run_or_skip(char *text, size_t len, const char *env,
			const char *program)
{
	int status = run(text, len, env, program);

	if (status == 77)
		skip();
	expect_success(status, text);
}

/* Whole, and for a part of the budget a part of the huge pages. */
static void test_huge(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), "COWWARM_BUDGET=96M", "huge");
	assert_int_equal(said(text, "own "), PAGES);
	assert_int_equal(said(text, "huge "), BYTES / 1024);
	run_or_skip(text, sizeof(text), "COWWARM_BUDGET=16M", "huge");
	assert_int_equal(said(text, "own "), 16 * MIB / PAGE_BYTES);
	assert_int_equal(said(text, "huge "), BYTES / 1024);
}

/* What is split is made huge again, within its time, where that is wanted. */
static void test_collapse(void **state)
{
	static const struct {
		const char *env;
		const char *program;
		bool again;
	} cases[] = {
		{ "COWWARM_COLLAPSE=60000", "pieces 0", true },
		{ "COWWARM_COLLAPSE=0", "pieces 0", false },
		{ "COWWARM_COLLAPSE=60000", "pieces 1", false },
		{ "COWWARM_COLLAPSE=60000", "pieces 2", false },
	};
	static const char at_work[] =
		"COWWARM_BUDGET=96M COWWARM_COLLAPSE=60000";
	char env[128], text[4096];
	uint64_t split, huge;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(env, sizeof(env), "COWWARM_BUDGET=1M %s",
			 cases[i].env);
		run_or_skip(text, sizeof(text), env, cases[i].program);
		split = said(text, "split ");
		huge = said(text, "huge ");
		assert_in_range(split, 0, BYTES / 1024 - 2048);
		if (huge != (cases[i].again ? BYTES / 1024 : split))
			fail_msg("%s %s: %" PRIu64 " KiB huge, %" PRIu64
				 " before",
				 cases[i].env, cases[i].program, huge, split);
	}
	run_or_skip(text, sizeof(text), at_work, "pieces 3");
	split = said(text, "split ");
	huge = said(text, "huge ");
	if (huge <= split)
		fail_msg("at work: %" PRIu64 " KiB huge, %" PRIu64 " before",
			 huge, split);
}

static void test_dense_first(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), "COWWARM_BUDGET=8M", "dense 4");
	assert_int_equal(said(text, "hot "), HOT_PAGES);
}

/* After the first of its kind a short-lived child costs nothing. */
static void test_brief(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text),
			   "COWWARM_BUDGET=64M COWWARM_VERBOSE=1", "brief 20"),
		       text);
	print_message("# brief: %" PRIu64 " pages broken in 20 forks\n",
		      said(text, " forks, "));
	assert_in_range(said(text, " forks, "), 0, 20 * PAGES / 10);
}

/* The warmer yields the processor to threads of higher priority. */
static void test_yields(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=96M", "nice"),
		       text);
	assert_int_equal(said(text, "above "), 10);
}

/* One CPU: nothing happens. */
static void test_one_cpu(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), "COWWARM_BUDGET=64M taskset 1",
			   "fork 1"),
		       text);
	assert_int_equal(said(text, "own "), 0);
}

static unsigned int times_in(const char *text, const char *word)
{
	unsigned int n = 0;

	while ((text = strstr(text, word))) {
		n++;
		text++;
	}
	return n;
}

static void test_alone(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), BIG, "alone"), text);
	assert_int_equal(said(text, "before "), 1);
	assert_int_equal(said(text, "own "), PAGES);
	assert_int_equal(said(text, "with "), 2);
	assert_int_equal(said(text, "after "), 1);
}

static void test_zero_pages(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), BIG, "zero"), text);
	assert_int_equal(said(text, "own "), PAGES);
	assert_in_range(said(text, "more "), 0, 2048);
}

static void test_freed_pages(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), TOLD, "freed"), text);
	assert_int_equal(said(text, "own "), PAGES);
	assert_int_equal(said(text, "freed "), 0);
	assert_int_equal(times_in(text, "MADV_FREE"), 1);
}

static void test_ksm(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), TOLD, "ksm");
	assert_int_equal(said(text, "own "), PAGES);
	assert_in_range(said(text, "unmerged "), 0, 256);
	assert_in_range(said(text, "more "), 0, 2048);
}

static void test_setuid(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), TOLD, "setuid 0");
	assert_int_equal(said(text, "leaked "), 0);
	assert_in_range(said(text, "percent "), 95, 100);
	run_or_skip(text, sizeof(text), TOLD, "setuid 1");
	assert_in_range(said(text, "percent "), 95, 100);
}

static void test_daemon(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), BIG, "daemon 0"), text);
	expect_success(run(text, sizeof(text), BIG, "daemon 1"), text);
	expect_success(run(text, sizeof(text), BIG, "clone"), text);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_setns(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), BIG, "setns");
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_chroot(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), TOLD, "chroot");
	assert_int_equal(times_in(text, "cannot be opened"), 1);
	run_or_skip(text, sizeof(text), BIG, "chroot");
	assert_string_equal(text, "done\n");
}

/* It helps or says why not. */
static void test_limits(void **state)
{
	char text[4096], program[32], *line;
	int i;

	(void)state;
	for (i = 0; i < 8; i++) {
		snprintf(program, sizeof(program), "limits %d", i);
		expect_success(run(text, sizeof(text), TOLD, program), text);
		if (said(text, "own ") != PAGES && !strstr(text, "helping"))
			fail_msg("limit %d: %s", i, text);
		expect_success(run(text, sizeof(text), BIG, program), text);
		line = strchr(text, '\n');
		assert_ptr_equal(line, text + strlen(text) - 1);
	}
}

static void test_seccomp(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), TOLD, "seccomp 1");
	assert_int_equal(said(text, "own "), 0);
	assert_int_equal(times_in(text, "seccomp filter"), 1);
	run_or_skip(text, sizeof(text), TOLD, "seccomp 0");
	assert_int_equal(said(text, "own "), 0);
}

static void test_many_children(void **state)
{
	const char *flavour = getenv("COW_flavour");
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text),
			   "COWWARM_VERBOSE=1 COWWARM_BUDGET=16M", "many 200"),
		       text);
	/* What one child shares is shared with the next one again. */
	assert_in_range(said(text, " forks, "), 4096 - 256, 4096);
	/* So many forks take minutes there. */
	if (flavour && !strcmp(flavour, "debug"))
		return;
	/* More than are watched one by one. */
	expect_success(run(text, sizeof(text),
			   "COWWARM_VERBOSE=1 COWWARM_BUDGET=16M", "many 1100"),
		       text);
	assert_in_range(said(text, " forks, "), 4096 - 256, 4096);
	assert_int_equal(times_in(text, "too many children"), 1);
}

static void test_handler(void **state)
{
	char text[4096], program[32];
	const int flags[] = { 0, SA_NODEFER, SA_ONSTACK, SA_RESTART };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		snprintf(program, sizeof(program), "handler %d", flags[i]);
		expect_success(run(text, sizeof(text), TOLD, program), text);
		assert_int_equal(said(text, "threads "), 0);
		assert_int_equal(times_in(text, "signal handler"), 1);
		assert_int_equal(said(text, "own "), PAGES);
	}
	expect_success(run(text, sizeof(text), BIG, "blocked"), text);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_spawn(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), BIG, "spawn"), text);
	assert_int_equal(said(text, "threads "), 1);
}

static void test_dlopen(void **state)
{
	char text[4096], *env;

	(void)state;
	assert_int_not_equal(
		asprintf(&env, "%s LD_PRELOAD= WARM=%s", BIG, LIBRARY), -1);
	expect_success(run(text, sizeof(text), env, "dlopen"), text);
	free(env);
	assert_int_equal(said(text, "own "), PAGES);
}

static void test_errno(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), BIG, "errno"), text);
	assert_int_equal(said(text, "errno "), 1234);
	assert_int_equal(said(text, "blocked "), 0);
	assert_int_equal(said(text, "fd "), -1);
}

static void test_realtime(void **state)
{
	char text[4096];

	(void)state;
	run_or_skip(text, sizeof(text), BIG, "realtime");
	assert_int_equal(said(text, "own "), PAGES);
	assert_int_equal(said(text, "policy "), SCHED_OTHER);
}

static void test_reserved(void **state)
{
	char text[4096];

	(void)state;
	expect_success(run(text, sizeof(text), BIG, "reserved"), text);
	assert_int_equal(said(text, "own "), PAGES);
}

/* Standard error may be a pipe without a reader. */
static void test_broken_stderr(void **state)
{
	char *command, text[4096];
	int len;

	(void)state;
	len = asprintf(
		&command,
		"{ COWWARM_VERBOSE=1 LD_PRELOAD=%s COWWARM_BUDGET=16M /proc/%d/exe --fork 1 >/tmp/warm-out; echo status $? >>/tmp/warm-out; } 2>&1 | true",
		LIBRARY, getpid());
	assert_int_not_equal(len, -1);
	assert_int_equal(system(command), 0);
	free(command);
	assert_true(read_text("/tmp/warm-out", text, sizeof(text)));
	if (!strstr(text, "status 0\n"))
		fail_msg("%s", text);
}

/* Limits of memory, in v1 or v2, of the group itself or of one above. */
static void test_memcg(void **state)
{
	static const struct {
		const char *v2, *v1;
		bool above;
	} cases[] = {
		{ "memory.max", "memory.limit_in_bytes", false },
		{ "memory.max", "memory.limit_in_bytes", true },
		{ "memory.high", NULL, false },
		{ "memory.high", NULL, true },
	};
	const char *root = "/sys/fs/cgroup";
	bool v1 = access("/sys/fs/cgroup/cgroup.subtree_control", F_OK);
	char top[64], group[80], path[160], env[256], text[4096];
	size_t i;

	(void)state;
	if (v1)
		root = "/sys/fs/cgroup/memory";
	snprintf(top, sizeof(top), "%s/warm%d", root, getpid());
	snprintf(group, sizeof(group), "%s/below", top);
	if (mkdir(top, 0755))
		skip();
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", top);
	put(path, "+memory");
	mkdir(group, 0755);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *file = v1 ? cases[i].v1 : cases[i].v2;
		uint64_t own;

		if (!file)
			continue;
		snprintf(path, sizeof(path), "%s/%s",
			 cases[i].above ? top : group, file);
		/* 64 MiB of data, and 32 to spare. */
		if (!put(path, "100663296")) {
			print_message("# no %s\n", path);
			continue;
		}
		snprintf(env, sizeof(env),
			 "%s sh -c 'echo $$ >%s/cgroup.procs; exec \"$@\"' sh",
			 TOLD, group);
		expect_success(run(text, sizeof(text), env, "fork 1"), text);
		own = said(text, "own ");
		/* An eighth of what is there, without the floor. */
		assert_in_range(own, 0, 1024);
		assert_int_equal(times_in(text, "cowwarm: m") +
					 times_in(text, "cowwarm: too"),
				 1);
		put(path, v1 ? "-1" : "max");
	}
	rmdir(group);
	rmdir(top);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_breaks),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_bad_environment),
		cmocka_unit_test(test_stops_with_child),
		cmocka_unit_test(test_hot_first),
		cmocka_unit_test(test_often),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_closes),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_collapse),
		cmocka_unit_test(test_dense_first),
		cmocka_unit_test(test_brief),
		cmocka_unit_test(test_yields),
		cmocka_unit_test(test_one_cpu),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_zero_pages),
		cmocka_unit_test(test_freed_pages),
		cmocka_unit_test(test_ksm),
		cmocka_unit_test(test_setuid),
		cmocka_unit_test(test_daemon),
		cmocka_unit_test(test_setns),
		cmocka_unit_test(test_chroot),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_many_children),
		cmocka_unit_test(test_handler),
		cmocka_unit_test(test_spawn),
		cmocka_unit_test(test_dlopen),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_realtime),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_broken_stderr),
		cmocka_unit_test(test_memcg),
	};
	size_t i;

	if (argc > 1 && !strncmp(argv[1], "--", 2)) {
		setvbuf(stdout, NULL, _IOLBF, 0);
		for (i = 0; i < ARRAY_SIZE(programs); i++) {
			if (!strcmp(argv[1] + 2, programs[i].name))
				return programs[i].main(
					argc > 2 ? atoi(argv[2]) : 0);
		}
		return 97;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("warm", tests, NULL, NULL);
}
