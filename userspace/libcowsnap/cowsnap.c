// SPDX-License-Identifier: LGPL-2.1-or-later
/* Regions and snapshots; README.md says how and why. */
#include "libcowsnap/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define GIB (1UL << 30)
/*
 * From this size on a region takes whole GiB of address space, so that mremap()
 * moves one page-table entry per GiB, with one TLB flush each; unless address
 * space is short.
 */
#define LARGE (64UL << 20)
/* Other threads may split the region as often while cowsnap_begin() runs. */
#define TRIES 64

size_t cowsnap_page;

/*
 * Reserve an aligned range of addresses, with a gap on both sides so that it
 * merges with no other mapping. With @map, keep the whole reservation and report
 * it in @map and @map_size; otherwise give the surroundings back.
 */
unsigned char *reserve(size_t size, size_t align, unsigned char **map,
		       size_t *map_size)
{
	size_t all, before;
	unsigned char *p;

	if (__builtin_add_overflow(size, align + 2 * PAGE, &all)) {
		errno = EINVAL;
		return NULL;
	}
	p = mmap(NULL, all, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	before = align - ((uintptr_t)p + PAGE) % align + PAGE;
	if (before == align + PAGE)
		before = PAGE;
	if (map) {
		*map = p;
		*map_size = all;
	} else {
		munmap(p, before);
		munmap(p + before + size, all - before - size);
	}
	/* cppcheck-suppress deallocret ; only what is around it was unmapped */
	return p + before;
}

/*
 * Open a userfaultfd that can stop an access to a memfd's page without a page
 * table entry. Prefer one that stops the kernel's own accesses, too.
 */
static int open_uffd(bool *user_only)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MISSING_SHMEM |
			    UFFD_FEATURE_MINOR_SHMEM,
	};
	int fd;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	*user_only = fd < 0 && errno == EPERM;
	if (*user_only)
		fd = syscall(SYS_userfaultfd,
			     O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd < 0) {
		if (errno == ENOSYS)
			errno = ENOTSUP;
		return -1;
	}
	if (ioctl(fd, UFFDIO_API, &api)) {
		close(fd);
		errno = ENOTSUP;
		return -1;
	}
	return fd;
}

/* Whether a mapping counts against a limit although nothing is in it. */
static bool space_is_short(void)
{
	struct rlimit limit;
	char mode = '0';
	int fd;

	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY)
		return true;
	fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* 2: a private mapping is charged as a whole, MAP_NORESERVE or not. */
	if (read(fd, &mode, 1) != 1)
		mode = '0';
	close(fd);
	return mode == '2';
}

/* ftruncate() past this limit would raise SIGXFSZ. */
static bool file_may_have(size_t bytes)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) || bytes <= limit.rlim_cur;
}

static void *map_region(struct cowsnap *cs, int flags)
{
	return mmap(cs->base, cs->span, PROT_READ | PROT_WRITE,
		    flags | MAP_FIXED | MAP_NORESERVE, cs->memfd, 0);
}

/*
 * Whether the kernel moves two mappings with one request. One that does not unmaps
 * the target before it says so, and the addresses may be another thread's then.
 */
static bool kernel_moves_split(void)
{
	unsigned char *from = reserve(2 * PAGE, PAGE, NULL, NULL);
	unsigned char *to = reserve(2 * PAGE, PAGE, NULL, NULL);
	/* When in doubt, is_split() is asked each time. */
	bool moves = true, moved = false;

	if (from && to && !mprotect(from, PAGE, PROT_READ)) {
		moved = mremap(from, 2 * PAGE, 2 * PAGE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
		moves = moved || errno != EFAULT;
	}
	if (from && !moved)
		munmap(from, 2 * PAGE);
	if (to && moves)
		munmap(to, 2 * PAGE);
	return moves;
}

struct cowsnap *cowsnap_create(size_t bytes,
			       const struct cowsnap_budget *budget)
{
	char path[32];
	struct cowsnap *cs;
	struct stat st;
	int error = EINVAL;

	cowsnap_page = sysconf(_SC_PAGESIZE);
	if (!bytes || bytes > SIZE_MAX / 4 ||
	    (budget && budget->flags & ~COWSNAP_EVERYTHING)) {
		errno = EINVAL;
		return NULL;
	}
	cs = calloc(1, sizeof(*cs));
	if (!cs)
		return NULL;
	cs->size = (bytes + PAGE - 1) & ~(PAGE - 1);
	cs->align = cs->size < LARGE || space_is_short() ? BLOCK : GIB;
	cs->span = cs->size;
	if (cs->align == GIB)
		cs->span = (cs->size + GIB - 1) & ~(GIB - 1);
	if (budget)
		cs->budget = *budget;
	pthread_mutex_init(&cs->lock, NULL);
	cs->moves_split = kernel_moves_split();
	cs->owner = getpid();
	cs->uffd = -1;
	cs->pagemap = -1;
	cs->probe = -1;
	cs->memfd = -1;
	if (!file_may_have(cs->size)) {
		errno = EFBIG;
		goto fail;
	}
	cs->memfd = memfd_create("cowsnap", MFD_CLOEXEC);
	if (cs->memfd < 0 || ftruncate(cs->memfd, cs->size) ||
	    fstat(cs->memfd, &st))
		goto fail;
	cs->memfd_ino = st.st_ino;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", cs->memfd);
	cs->probe = open(path, O_RDONLY | O_CLOEXEC);
	cs->anon = calloc(cs->size / BLOCK + 1, 1);
	if (!cs->anon)
		goto fail;
	cs->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (cs->pagemap < 0)
		goto fail;
	cs->uffd = open_uffd(&cs->user_only);
	if (cs->uffd < 0)
		goto fail;
	cs->base = reserve(cs->span, cs->align, &cs->map, &cs->map_size);
	if (!cs->base)
		goto fail;
	if (map_region(cs, MAP_SHARED) == MAP_FAILED ||
	    madvise(cs->base, cs->span, MADV_DONTFORK) || prefetcher_create(cs))
		goto fail;
	return cs;
fail:
	error = errno;
	cowsnap_destroy(cs);
	errno = error;
	return NULL;
}

void *cowsnap_base(const struct cowsnap *cs)
{
	return cs->base;
}

size_t cowsnap_size(const struct cowsnap *cs)
{
	return cs->size;
}

int cowsnap_fd(const struct cowsnap *cs)
{
	return cs->memfd;
}

/*
 * A forked child has neither the region nor the prefetcher, and other mappings or
 * files of its own may be where they were.
 */
static void forget(struct cowsnap *cs)
{
	struct stat st;

	if (!fstat(cs->memfd, &st) && st.st_ino == cs->memfd_ino &&
	    S_ISREG(st.st_mode))
		close(cs->memfd);
	hints_forget(cs);
	free(cs->anon);
	free(cs);
}

void cowsnap_destroy(struct cowsnap *cs)
{
	if (!cs)
		return;
	if (cs->owner != getpid()) {
		forget(cs);
		return;
	}
	prefetcher_destroy(cs);
	hints_forget(cs);
	if (cs->view)
		munmap(cs->view, cs->span);
	if (cs->map)
		munmap(cs->map, cs->map_size);
	if (cs->uffd >= 0)
		close(cs->uffd);
	if (cs->pagemap >= 0)
		close(cs->pagemap);
	if (cs->memfd >= 0)
		close(cs->memfd);
	if (cs->probe >= 0)
		close(cs->probe);
	pthread_mutex_destroy(&cs->lock);
	free(cs->anon);
	free(cs);
}

/*
 * With @on, an access to a missing page of the range waits for wake() from here
 * on. After an error, or without @on, no access waits.
 */
int hold(const struct cowsnap *cs, size_t first, size_t nr, bool on)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)cs->base + first * PAGE, nr * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	/* A page of the memfd without an entry in the page table. */
	if (!cs->anon[first / BLOCK_PAGES])
		reg.mode |= UFFDIO_REGISTER_MODE_MINOR;
	return on ? ioctl(cs->uffd, UFFDIO_REGISTER, &reg) :
		    ioctl(cs->uffd, UFFDIO_UNREGISTER, &reg.range);
}

/*
 * No access waits any more. Where the kernel has no memory to say so for a part,
 * it says so for all: without userfaultfd there is no further snapshot.
 */
void unhold(struct cowsnap *cs, size_t first, size_t nr)
{
	if (hold(cs, first, nr, false)) {
		close(cs->uffd);
		cs->uffd = -1;
		cs->broken = true;
	}
}

void wake(const struct cowsnap *cs, size_t first, size_t nr)
{
	struct uffdio_range range = { (uintptr_t)cs->base + first * PAGE,
				      nr * PAGE };

	ioctl(cs->uffd, UFFDIO_WAKE, &range);
}

/*
 * A handler that runs while pages are held may access one of them, and would wait
 * for ever. The signals of faults stay: blocked, they would kill.
 */
void block_signals(sigset_t *old)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGILL);
	sigdelset(&set, SIGFPE);
	sigdelset(&set, SIGTRAP);
	pthread_sigmask(SIG_SETMASK, &set, old);
}

/*
 * Whether a range consists of several mappings. The request to grow always fails:
 * with EFAULT for such a range, and otherwise because another mapping lies behind it.
 */
bool is_split(unsigned char *start, size_t size)
{
	return mremap(start, size, size + PAGE, 0) == MAP_FAILED &&
	       errno == EFAULT;
}

/* Make a region one mapping that requests of the program's have split. */
static int gather(struct cowsnap *cs)
{
	int error = hints_gather(cs);

	if (error)
		return error;
	if (map_region(cs, MAP_SHARED) == MAP_FAILED)
		return errno;
	madvise(cs->base, cs->span, MADV_DONTFORK);
	return 0;
}

/*
 * The page tables move to the view; the region stays mapped, but empty. Other
 * threads may split the region at any time. Then it is mapped anew, and nothing is
 * held any more.
 */
static int move_to_view(struct cowsnap *cs, unsigned char **view, bool *held)
{
	const int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	int error = 0, tries;

	for (tries = 0; tries < TRIES; tries++) {
		if ((cs->moves_split || tries) &&
		    is_split(cs->base, cs->span)) {
			/*
			 * It takes locks of the C library, and who has one may
			 * wait for a page that is held.
			 */
			if (*held) {
				*held = false;
				unhold(cs, 0, cs->span / PAGE);
				wake(cs, 0, cs->span / PAGE);
			}
			error = cs->broken ? EIO : gather(cs);
			if (error)
				return error;
		}
		if (mremap(cs->base, cs->span, cs->span, flags, *view) !=
		    MAP_FAILED)
			return 0;
		error = errno;
		if (error != EFAULT)
			return error;
		/* What was there is unmapped, and may be another thread's now. */
		*view = reserve(cs->span, cs->align, NULL, NULL);
		if (!*view)
			return errno;
	}
	return error;
}

/* Reserve addresses for the view: those of the last one, if they are free. */
static unsigned char *reserve_view(const struct cowsnap *cs)
{
	unsigned char *view;

	if (cs->last_view) {
		view = mmap(cs->last_view, cs->span, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				    MAP_FIXED_NOREPLACE,
			    -1, 0);
		if (view != MAP_FAILED)
			return view;
	}
	return reserve(cs->span, cs->align, NULL, NULL);
}

static int freeze(struct cowsnap *cs)
{
	const size_t pages = cs->span / PAGE;
	unsigned char *view;
	bool held = false;
	int error;

	if (cs->broken)
		return EIO;
	if (cs->view)
		return EBUSY;
	hints_forget(cs);
	view = reserve_view(cs);
	if (!view)
		return errno;
	if (holes_worth(cs)) {
		held = !hold(cs, 0, pages, true);
		if (!held)
			unhold(cs, 0, pages);
		if (cs->broken) {
			munmap(view, cs->span);
			return EIO;
		}
	}
	error = move_to_view(cs, &view, &held);
	/* From here on a write to the region does not change the view. */
	if (!error && held) {
		error = holes_map(cs);
		/* Data is where it was, but in parts of two kinds. */
		cs->broken = error;
	} else if (!error && map_region(cs, MAP_PRIVATE) == MAP_FAILED) {
		error = errno;
	}
	if (held) {
		if (error)
			unhold(cs, 0, pages);
		wake(cs, 0, pages);
	}
	if (!error)
		madvise(cs->base, cs->span, MADV_DONTFORK);
	hints_apply(cs);
	if (error) {
		if (view)
			munmap(view, cs->span);
		hints_forget(cs);
		return error;
	}
	cs->view = view;
	cs->last_view = view;
	return 0;
}

const void *cowsnap_begin(struct cowsnap *cs)
{
	uint64_t start = now_ns();
	sigset_t old;
	int error, cancel;

	if (cs->owner != getpid()) {
		errno = EPERM;
		return NULL;
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&cs->lock);
	block_signals(&old);
	error = freeze(cs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error) {
		cs->stats = (struct cowsnap_stats){
			.begin_ns = now_ns() - start,
		};
		prefetcher_begin(cs);
	}
	pthread_mutex_unlock(&cs->lock);
	pthread_setcancelstate(cancel, NULL);
	if (error) {
		errno = error;
		return NULL;
	}
	return cs->view;
}

int cowsnap_end(struct cowsnap *cs)
{
	uint64_t start = now_ns();
	int ret = -EINVAL, cancel;

	if (cs->owner != getpid()) {
		errno = EPERM;
		return -1;
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&cs->lock);
	if (cs->view) {
		prefetcher_end(cs);
		ret = thaw(cs);
		if (ret) {
			cs->broken = true;
			/* The rest; what has moved may be another mapping now. */
			munmap(cs->view + cs->thawed * PAGE,
			       cs->span - cs->thawed * PAGE);
		}
		hints_apply(cs);
		hints_forget(cs);
		cs->view = NULL;
		cs->stats.end_ns = now_ns() - start;
	}
	pthread_mutex_unlock(&cs->lock);
	pthread_setcancelstate(cancel, NULL);
	if (!ret)
		return 0;
	errno = -ret;
	return -1;
}

void cowsnap_stats(const struct cowsnap *cs, struct cowsnap_stats *stats)
{
	*stats = cs->stats;
	stats->prefetched_pages = cs->prefetcher.broken;
}
