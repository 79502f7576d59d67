// SPDX-License-Identifier: GPL-2.0
/*
 * Windows on private file mappings: on tmpfs, on a memfd, and on XFS and ext4 where
 * the kernel has them. What was not mapped before is copied from the page cache, what
 * was mapped read-only replaces that mapping. The data are always those that the
 * write fault of a single page would have shown.
 */
#include "common/manual_cow.h"
#include "tests/arms.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGES 512
#define BYTES (PAGES * PAGE_BYTES)
#define WORDS (PAGE_BYTES / 8)
#define TMPFS_FILE "/tmp/guest_file"

enum source { TMPFS, MEMFD, XFS, EXT4, NR_SOURCES };

/* File systems on a loop device. */
static struct disk {
	const char *name;
	const char *mkfs;
	unsigned int loop;
	bool tried;
	bool mounted;
	char file[64];
} disks[NR_SOURCES] = {
	[XFS] = { .name = "xfs", .mkfs = "/bin/mkfs.xfs -q -f", .loop = 1 },
	[EXT4] = { .name = "ext4", .mkfs = "/bin/mkfs.ext4 -q -F", .loop = 2 },
};

static unsigned char *mem;
static size_t mem_bytes;
static int file = -1;
static enum source source;

static uint64_t word_of(size_t page, size_t place)
{
	return 0xf11e000000000000 | page << 16 | place;
}

static volatile uint64_t *word_at(size_t page, size_t place)
{
	return (volatile uint64_t *)(mem + page * PAGE_BYTES) + place;
}

static const char *source_path(void)
{
	return disks[source].name ? disks[source].file : TMPFS_FILE;
}

__attribute__((format(printf, 1, 2))) static bool disk_command(const char *fmt,
							       ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	return !system(command);
}

/* Can the source be had? Makes and mounts its file system. */
static bool source_ready(void)
{
	struct disk *disk = &disks[source];
	char mkfs[32];

	if (!disk->name || disk->tried)
		return !disk->name || disk->mounted;
	disk->tried = true;
	snprintf(mkfs, sizeof(mkfs), "/bin/mkfs.%s", disk->name);
	if (access(mkfs, X_OK) || access("/dev/loop0", F_OK))
		return false;
	snprintf(disk->file, sizeof(disk->file), "/tmp/guest_file.%s/file",
		 disk->name);
	disk->mounted =
		disk_command("mkdir -p /tmp/guest_file.%s && "
			     "truncate -s 320M /tmp/guest_file.%s.image && "
			     "%s /tmp/guest_file.%s.image && "
			     "losetup /dev/loop%u /tmp/guest_file.%s.image && "
			     "mount /dev/loop%u /tmp/guest_file.%s",
			     disk->name, disk->name, disk->mkfs, disk->name,
			     disk->loop, disk->name, disk->loop, disk->name);
	/* The guest has the program only with a kernel that has the file system. */
	assert_true(disk->mounted);
	return true;
}

/* Returns false if a file system cannot be unmounted. */
static bool disks_release(void)
{
	bool ok = true;

	for (source = TMPFS; source < NR_SOURCES; source++) {
		struct disk *disk = &disks[source];

		if (disk->mounted)
			ok &= disk_command("umount /tmp/guest_file.%s && "
					   "losetup -d /dev/loop%u && "
					   "rm /tmp/guest_file.%s.image",
					   disk->name, disk->loop, disk->name);
	}
	return ok;
}

static void fill_page(uint64_t *page, size_t nr)
{
	size_t k;

	for (k = 0; k < WORDS; k++)
		page[k] = word_of(nr, k);
}

/* Make the file, of @bytes, and map it and @more bytes behind it. */
static void map_file(size_t bytes, size_t more, int prot)
{
	uint64_t page[WORDS];
	size_t i;
	int fd;

	if (source == MEMFD)
		fd = memfd_create("guest_file",
				  MFD_CLOEXEC | MFD_ALLOW_SEALING);
	else
		fd = open(source_path(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
			  0600);
	assert_true(fd >= 0);
	for (i = 0; i < bytes; i += PAGE_BYTES) {
		size_t len = bytes - i < PAGE_BYTES ? bytes - i : PAGE_BYTES;

		fill_page(page, i / PAGE_BYTES);
		assert_int_equal(pwrite(fd, page, len, i), len);
	}
	if (source == MEMFD) {
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
		file = fd;
	} else {
		close(fd);
		file = open(source_path(), O_RDONLY | O_CLOEXEC);
		assert_true(file >= 0);
	}
	mem_bytes = bytes + more;
	mem = mmap(NULL, mem_bytes, prot, MAP_PRIVATE, file, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
}

static void unmap_file(void)
{
	if (mem)
		munmap(mem, mem_bytes);
	mem = NULL;
	if (file >= 0)
		close(file);
	file = -1;
	if (source < NR_SOURCES)
		unlink(source_path());
}

static void clean_up(void)
{
	unmap_file();
	knob_set("file", "0");
}

/* Map every page read-only. */
static void read_all(void)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		assert_int_equal(*word_at(i, 1), word_of(i, 1));
}

static void check_page(size_t page, bool written)
{
	size_t k;

	for (k = 0; k < WORDS; k++) {
		uint64_t want = word_of(page, k);

		if (written && !k)
			want = ~want;
		if (*word_at(page, k) != want)
			fail_msg(
				"%s: source %d, page %zu, word %zu holds %#" PRIx64,
				arm->name, source, page, k, *word_at(page, k));
	}
}

/* Write to every @step-th page. Return: how many faults that took. */
static long write_pages(size_t first, size_t step)
{
	struct rusage before, after;
	size_t i;

	getrusage(RUSAGE_SELF, &before);
	for (i = first; i < PAGES; i += step)
		*word_at(i, 0) = ~word_of(i, 0);
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* How many pages of the mapping are copies. */
static size_t copies(size_t pages)
{
	uint64_t entries[2 * PAGES];
	size_t i, nr = 0;
	int fd = pagemap_open();

	assert_true(pagemap_read(fd, mem, entries, pages));
	close(fd);
	for (i = 0; i < pages; i++)
		nr += (entries[i] & PM_PRESENT) && !(entries[i] & PM_FILE);
	return nr;
}

/* How many pages of the mapping are those of large folios. */
static size_t large_pages(void)
{
	uint64_t entries[PAGES], flags;
	size_t i, nr = 0;
	int fd = pagemap_open();

	assert_true(pagemap_read(fd, mem, entries, PAGES));
	close(fd);
	for (i = 0; i < PAGES; i++) {
		read_entries("/proc/kpageflags", entries[i] & PM_FRAME, &flags,
			     1);
		nr += !!(flags & (KPF_COMPOUND_HEAD | KPF_COMPOUND_TAIL));
	}
	return nr;
}

static uint64_t status_kb(const char *key)
{
	return file_field("/proc/self/status", key);
}

/* Each file system, not mapped before and mapped before. */
#define FOR_EACH_SOURCE                                     \
	for (source = TMPFS; source < NR_SOURCES; source++) \
		if (!source_ready()) {                      \
		} else

/* Every page is written once, in order: few faults, and the data are right. */
static void test_seq(void **state)
{
	int mapped;

	(void)state;
	/* Where only the switches of the sizes are off. */
	knob_set("large_folio", "1");
	knob_set("file", "1");
	FOR_EACH_SOURCE for (mapped = 0; mapped < 2; mapped++)
	{
		uint64_t anon, files;
		long faults, most = PAGES;
		size_t i;

		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		if (mapped)
			read_all();
		rseq_settle();
		anon = status_kb("RssAnon:");
		files = status_kb("RssFile:") + status_kb("RssShmem:");
		faults = write_pages(0, 1);
		if (arm->policy)
			most = arm->loose ? PAGES / 8 : PAGES / arm->window + 4;
		if (faults > most || (!arm->policy && faults < PAGES))
			fail_msg("%s: source %d, mapped %d: %ld faults",
				 arm->name, source, mapped, faults);
		assert_int_equal(copies(PAGES), PAGES);
		/* The sizes of anonymous memory are those of the copies. */
		if (arm->large ? large_pages() < PAGES / 2 : large_pages())
			fail_msg("%s: %zu pages in large folios", arm->name,
				 large_pages());
		/* The counters are batched per CPU. */
		if (labs((long)(status_kb("RssAnon:") - anon) - PAGES * 4) >
		    768)
			fail_msg("RssAnon grew by %ld",
				 (long)(status_kb("RssAnon:") - anon));
		if (mapped && labs((long)(files - status_kb("RssFile:") -
					  status_kb("RssShmem:")) -
				   PAGES * 4) > 768)
			fail_msg("RssFile and RssShmem fell from %" PRIu64,
				 files);
		for (i = 0; i < PAGES; i++) {
			uint64_t word;

			check_page(i, true);
			assert_int_equal(pread(file, &word, 8, i * PAGE_BYTES),
					 8);
			assert_int_equal(word, word_of(i, 0));
		}
		unmap_file();
	}
}

/* What a window copied and nobody wrote looks as in the file. */
static void test_sparse(void **state)
{
	size_t step, i;
	int mapped;

	(void)state;
	knob_set("file", "1");
	FOR_EACH_SOURCE for (mapped = 0; mapped < 2; mapped++)
	{
		for (step = 3; step < 12; step += 4) {
			map_file(BYTES, 0, PROT_READ | PROT_WRITE);
			if (mapped)
				read_all();
			write_pages(1, step);
			/* adaptive sees no run here. */
			if (!arm->policy || !strcmp(arm->policy, "adaptive"))
				assert_int_equal(copies(PAGES),
						 (PAGES - 2) / step + 1);
			for (i = 0; i < PAGES; i++)
				check_page(i, i % step == 1);
			unmap_file();
		}
	}
}

/* With the knob at 0, and where a file can change, each page takes a fault. */
static void test_not_served(void **state)
{
	int kind, fd = -1;
	uint64_t word = 77;
	size_t i;

	(void)state;
	FOR_EACH_SOURCE for (kind = 0; kind < 3; kind++)
	{
		knob_set("file", kind ? "1" : "0");
		map_file(BYTES, 0,
			 PROT_READ | PROT_WRITE | (kind == 2 ? PROT_EXEC : 0));
		if (kind == 1) {
			if (source == MEMFD) {
				unmap_file();
				continue;
			}
			fd = open(source_path(), O_WRONLY | O_CLOEXEC);
			assert_true(fd >= 0);
		}
		rseq_settle();
		for (i = 0; i < PAGES / 2; i++)
			*word_at(i, 0) = ~word_of(i, 0);
		assert_int_equal(copies(PAGES), PAGES / 2);
		if (kind == 1) {
			/* What is written to the file now, a later first write sees. */
			assert_int_equal(pwrite(fd, &word, 8,
						PAGES / 2 * PAGE_BYTES + 8),
					 8);
			*word_at(PAGES / 2, 0) = 1;
			assert_int_equal(*word_at(PAGES / 2, 1), 77);
			if (source == TMPFS) {
				assert_int_equal(
					fallocate(fd,
						  FALLOC_FL_PUNCH_HOLE |
							  FALLOC_FL_KEEP_SIZE,
						  (PAGES / 2 + 1) * PAGE_BYTES,
						  PAGE_BYTES),
					0);
				*word_at(PAGES / 2 + 1, 0) = 1;
				assert_int_equal(*word_at(PAGES / 2 + 1, 1), 0);
			}
			close(fd);
		}
		unmap_file();
	}
}

/* Whoever has a memfd can write to it, unless it is sealed. */
static void test_unsealed(void **state)
{
	int fd = memfd_create("guest_file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t word = 77;
	size_t i;

	(void)state;
	knob_set("file", "1");
	assert_int_equal(ftruncate(fd, BYTES), 0);
	for (i = 0; i < PAGES; i++)
		assert_int_equal(pwrite(fd, &i, 8, i * PAGE_BYTES), 8);
	mem_bytes = BYTES;
	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (i = 0; i < PAGES / 2; i++)
		*word_at(i, 0) = 1;
	assert_int_equal(copies(PAGES), PAGES / 2);
	for (i = PAGES / 2; i < PAGES; i++) {
		assert_int_equal(pwrite(fd, &word, 8, i * PAGE_BYTES + 8), 8);
		*word_at(i, 0) = 1;
		assert_int_equal(*word_at(i, 1), 77);
	}
	close(fd);
}

static sigjmp_buf bus;

static void on_bus(int sig)
{
	(void)sig;
	siglongjmp(bus, 1);
}

/* Does a read of the page end in SIGBUS? */
static bool is_beyond(size_t page)
{
	struct sigaction sa = { .sa_handler = on_bus }, old;
	bool beyond = true;

	sigaction(SIGBUS, &sa, &old);
	if (!sigsetjmp(bus, 1)) {
		(void)*word_at(page, 1);
		beyond = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return beyond;
}

/* Nothing is mapped beyond the end of the file, nor in a hole. */
static void test_end(void **state)
{
	size_t i;

	(void)state;
	knob_set("file", "1");
	FOR_EACH_SOURCE
	{
		map_file((PAGES - 5) * PAGE_BYTES - 100, BYTES,
			 PROT_READ | PROT_WRITE);
		for (i = 0; i < PAGES - 5; i++)
			*word_at(i, 0) = ~word_of(i, 0);
		assert_int_equal(copies(PAGES + 70), PAGES - 5);
		assert_false(is_beyond(PAGES - 6));
		for (i = PAGES - 5; i < PAGES + 70; i++)
			assert_true(is_beyond(i));
		unmap_file();
	}
}

/* Map a file in which the fourth of each 16 pages is a hole. */
static void map_holes(void)
{
	size_t i;
	int fd;

	source = TMPFS;
	map_file(BYTES, 0, PROT_READ | PROT_WRITE);
	fd = open(TMPFS_FILE, O_RDWR | O_CLOEXEC);
	for (i = 3; i < PAGES; i += 16)
		assert_int_equal(fallocate(fd,
					   FALLOC_FL_PUNCH_HOLE |
						   FALLOC_FL_KEEP_SIZE,
					   i * PAGE_BYTES, PAGE_BYTES),
				 0);
	close(fd);
}

static void test_hole(void **state)
{
	uint64_t neighbours;
	size_t i;

	(void)state;
	knob_set("file", "1");
	map_holes();
	for (i = 0; i < PAGES; i++)
		if (i % 16 != 3)
			*word_at(i, 0) = ~word_of(i, 0);
	assert_int_equal(copies(PAGES), PAGES - PAGES / 16);
	for (i = 0; i < PAGES; i++) {
		if (i % 16 != 3)
			check_page(i, true);
		else
			assert_int_equal(*word_at(i, 0) | *word_at(i, 1), 0);
	}

	/* The window of a fault that it does not serve has neighbours only. */
	unmap_file();
	map_holes();
	neighbours = stat_get("neighbours");
	for (i = 3; i < PAGES; i += 16)
		*word_at(i, 0) = 1;
	neighbours = stat_get("neighbours") - neighbours;
	assert_int_equal(copies(PAGES), PAGES / 16 + neighbours);
}

/* A file that gets shorter takes its copies with it, written or not. */
static void test_truncate(void **state)
{
	size_t i;

	(void)state;
	knob_set("file", "1");
	FOR_EACH_SOURCE
	{
		if (source == MEMFD)
			continue;
		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		for (i = 0; i < PAGES / 2; i++)
			*word_at(i, 0) = ~word_of(i, 0);
		assert_int_equal(truncate(source_path(), BYTES / 4), 0);
		assert_int_equal(copies(PAGES), PAGES / 4);
		for (i = 0; i < PAGES; i++) {
			if (i < PAGES / 4)
				check_page(i, true);
			else
				assert_true(is_beyond(i));
		}
		unmap_file();
	}
}

static atomic_bool stop;
static atomic_size_t beyond;

/*
 * The file gets shorter, and is written anew. While it is short, nothing is mapped beyond its end.
 */
static void *cutter(void *arg)
{
	static uint64_t entries[PAGES], page[WORDS];
	int pagemap = pagemap_open();
	uint64_t seed = 77;
	size_t i;

	(void)arg;
	while (!atomic_load(&stop)) {
		size_t cut = next_random(&seed) % PAGES;
		int fd;

		if (truncate(source_path(), cut * PAGE_BYTES) ||
		    !pagemap_read(pagemap, mem, entries, PAGES))
			abort();
		for (i = cut; i < PAGES; i++)
			if (entries[i] & (PM_PRESENT | PM_SWAP))
				atomic_store(&beyond, i);
		/* Only then is there something to copy again. */
		fd = open(source_path(), O_WRONLY | O_CLOEXEC);
		for (i = cut; i < PAGES; i++) {
			fill_page(page, i);
			if (pwrite(fd, page, PAGE_BYTES, i * PAGE_BYTES) !=
			    PAGE_BYTES)
				abort();
		}
		close(fd);
		usleep(next_random(&seed) % 2000);
	}
	close(pagemap);
	return NULL;
}

/* A page holds what was in the file. It was cut off, and not yet written: zeros. */
static void race_once(size_t i)
{
	struct sigaction sa = { .sa_handler = on_bus };
	uint64_t first, last;

	sigaction(SIGBUS, &sa, NULL);
	if (sigsetjmp(bus, 1))
		return;
	*word_at(i, 0) = 1;
	first = *word_at(i, 1);
	last = *word_at(i, WORDS - 1);
	/* The file may have been cut, and the page lost, between the two. */
	if ((first && first != word_of(i, 1)) ||
	    (last && last != word_of(i, WORDS - 1)))
		fail_msg("%s: page %zu holds %#" PRIx64 " and %#" PRIx64,
			 arm->name, i, first, last);
}

static void test_truncate_race(void **state)
{
	struct sigaction old;
	pthread_t thread;
	double until;
	size_t i, round = 0;

	(void)state;
	knob_set("file", "1");
	sigaction(SIGBUS, NULL, &old);
	FOR_EACH_SOURCE
	{
		if (source == MEMFD)
			continue;
		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		atomic_store(&stop, false);
		atomic_store(&beyond, 0);
		assert_int_equal(pthread_create(&thread, NULL, cutter, NULL),
				 0);
		for (until = now() + slow(1.5); now() < until; round++) {
			if (round % 2)
				madvise(mem, BYTES, MADV_DONTNEED);
			for (i = 0; i < PAGES; i++)
				race_once(i);
		}
		atomic_store(&stop, true);
		pthread_join(thread, NULL);
		if (atomic_load(&beyond))
			fail_msg("%s: page %zu was mapped beyond the end",
				 arm->name, atomic_load(&beyond));
		unmap_file();
	}
	sigaction(SIGBUS, &old, NULL);
}

/* fork() afterwards shares the copies as it shares others. */
static void test_fork(void **state)
{
	size_t i;

	(void)state;
	knob_set("file", "1");
	FOR_EACH_SOURCE
	{
		pid_t pid;
		int status;

		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		write_pages(0, 2);
		pid = fork();
		if (!pid) {
			for (i = 0; i < PAGES; i++)
				*word_at(i, 5) = 5;
			for (i = 0; i < PAGES; i++)
				if (*word_at(i, 0) !=
					    (i % 2 ? word_of(i, 0) :
						     ~word_of(i, 0)) ||
				    *word_at(i, 6) != word_of(i, 6))
					_exit(1);
			_exit(0);
		}
		for (i = PAGES; i--;)
			*word_at(i, 7) = 7;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		for (i = 0; i < PAGES; i++) {
			assert_int_equal(*word_at(i, 0),
					 i % 2 ? word_of(i, 0) :
						 ~word_of(i, 0));
			assert_int_equal(*word_at(i, 5), word_of(i, 5));
			assert_int_equal(*word_at(i, 7), 7);
		}
		unmap_file();
	}
}

/* In a child: write to every third page of the parent's. Return: its exit status. */
static int write_from_outside(void)
{
	size_t i;

	for (i = 1; i < PAGES; i += 3) {
		struct iovec from = { &i, 8 };
		struct iovec to = { (void *)word_at(i, 5), 8 };

		if (process_vm_writev(getppid(), &from, 1, &to, 1, 0) != 8)
			return 1;
	}
	return 0;
}

/*
 * The kernel writes for the process, as read(2) and as a debugger does, and for
 * another process.
 */
static void test_gup(void **state)
{
	int self = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	size_t i;

	(void)state;
	assert_true(self >= 0);
	knob_set("file", "1");
	FOR_EACH_SOURCE
	{
		int fds[2], status;
		pid_t child;

		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		child = fork();
		if (!child)
			_exit(write_from_outside());
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		assert_int_equal(pipe(fds), 0);
		for (i = 0; i < PAGES; i++) {
			assert_int_equal(write(fds[1], &i, 8), 8);
			assert_int_equal(read(fds[0], (void *)word_at(i, 2), 8),
					 8);
			if (i % 3 == 0)
				assert_int_equal(
					pwrite(self, &i, 8,
					       (uintptr_t)word_at(i, 3)),
					8);
		}
		close(fds[0]);
		close(fds[1]);
		for (i = 0; i < PAGES; i++) {
			assert_int_equal(*word_at(i, 2), i);
			assert_int_equal(*word_at(i, 3),
					 i % 3 ? word_of(i, 3) : i);
			assert_int_equal(*word_at(i, 4), word_of(i, 4));
			assert_int_equal(*word_at(i, 5),
					 i % 3 == 1 ? i : word_of(i, 5));
		}
		unmap_file();
	}
	close(self);
}

/* A range that the process names becomes its own, whatever can write to it. */
static void test_range(void **state)
{
	int call, mapped;
	size_t i;

	(void)state;
	FOR_EACH_SOURCE for (call = 0; call < 2;
			     call++) for (mapped = 0; mapped < 2; mapped++)
	{
		int fd = -1;

		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		if (source != MEMFD)
			fd = open(source_path(), O_RDWR | O_CLOEXEC);
		if (mapped)
			read_all();
		assert_int_equal(call ? manual_cow(mem, BYTES, 0) :
					madvise(mem, BYTES,
						MADV_POPULATE_WRITE),
				 0);
		assert_int_equal(copies(PAGES), PAGES);
		rseq_settle();
		assert_int_equal(write_pages(0, 1), 0);
		for (i = 0; i < PAGES; i++)
			check_page(i, true);
		if (fd >= 0)
			close(fd);
		unmap_file();
	}
}

#define UPROBES TRACING "uprobe_events"
#define NOP 0x90

/*
 * A breakpoint cannot be taken out of a large folio: where a process has uprobes,
 * its copies of files are base pages.
 */
static void test_uprobe(void **state)
{
	volatile unsigned char *insn;

	(void)state;
	if (skip_unless(UPROBES))
		skip();
	knob_set("file", "1");
	source = TMPFS;
	map_file(BYTES, 0, PROT_READ | PROT_EXEC);
	/* The first byte of word NOP is this instruction. */
	insn = (volatile unsigned char *)word_at(0, NOP);
	assert_int_equal(*insn, NOP);
	file_set(UPROBES, "p:guest_file/probe " TMPFS_FILE ":0x480");
	file_set(TRACING "events/guest_file/probe/enable", "1");
	assert_int_equal(*insn, 0xcc);
	assert_int_equal(mprotect(mem, BYTES, PROT_READ | PROT_WRITE), 0);
	write_pages(0, 1);
	assert_int_equal(large_pages(), 0);
	file_set(TRACING "events/guest_file/probe/enable", "0");
	assert_int_equal(*insn, NOP);
	file_set(UPROBES, "-:guest_file/probe");
}

/* The stage file_fault has each first write that found nothing mapped. */
static void test_timed(void **state)
{
	(void)state;
	knob_set("file", "1");
	FOR_EACH_SOURCE
	{
		struct stage stage;
		long faults;

		map_file(BYTES, 0, PROT_READ | PROT_WRITE);
		*word_at(0, 0) = 1;
		rseq_settle();
		knob_set("reset", "1");
		knob_number("pid", getpid());
		knob_set("timing", "1");
		faults = write_pages(1, 1);
		knob_set("timing", "0");
		knob_set("pid", "0");
		stage = stage_get("file_fault");
		assert_int_equal(stage.count, faults);
		assert_true(stage.min && stage.max >= stage.p50);
		assert_int_equal(stat_get("faults"), faults);
		assert_int_equal(stat_get("copied"),
				 arm->policy ? stat_get("neighbours") + faults :
					       PAGES - 1);
		assert_int_equal(stage_get("copy").count, stat_get("copied"));
		unmap_file();
	}
}

static const struct arm_test tests[] = {
	ARM_TEST(seq),	    ARM_TEST(sparse),	     ARM_TEST(not_served),
	ARM_TEST(unsealed), ARM_TEST(end),	     ARM_TEST(hole),
	ARM_TEST(truncate), ARM_TEST(truncate_race), ARM_TEST(fork),
	ARM_TEST(uprobe),   ARM_TEST(gup),	     ARM_TEST(range),
	ARM_TEST(timed),
};

/* An argument selects tests: 'seq*', '*[off]'. */
int main(int argc, char **argv)
{
	int failed;

	(void)argc;
	stay_on_one_cpu(false);
	failed = arms_run("guest_file", tests, ARRAY_SIZE(tests), clean_up,
			  argv[1]);
	return disks_release() ? failed : 1;
}
