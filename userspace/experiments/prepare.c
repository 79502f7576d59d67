// SPDX-License-Identifier: GPL-2.0
/* What makes a snapshot cheaper: calls, khugepaged, other threads. */
#include "experiments/prepare.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "common/util.h"

/* Debian 12's C library does not have it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define FULL_SCANS "/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans"
#define SCAN_TIMEOUT_NS (120 * 1000000000ULL)
/* Other threads rest when they take less than a thousandth of the time. */
#define REST_US 150000
#define REST_TIMEOUT_NS (30 * 1000000000ULL)

const char *const prepare_names[] = { "none",	    "populate_write",
				      "manual_cow", "collapse",
				      "khugepaged", "threads",
				      NULL };

/**
 * prepare_after_fork - break copy-on-write by a call, or exit
 * @prepare: what is done; all but the two calls do nothing
 * @region: the region
 *
 * Return: duration of the call, in ns.
 */
uint64_t prepare_after_fork(enum prepare prepare, const struct region *region)
{
	const uint64_t start = now_ns();
	long error;

	if (prepare == PREPARE_MANUAL_COW)
		error = manual_cow(region->base, region->size, 0);
	else if (prepare == PREPARE_POPULATE_WRITE)
		error = madvise(region->base, region->size,
				MADV_POPULATE_WRITE);
	else
		return 0;
	if (error)
		die("--prepare %s: %s", prepare_names[prepare],
		    strerror(errno));
	return now_ns() - start;
}

static uint64_t full_scans(void)
{
	uint64_t scans;
	char text[64];

	if (!read_text(FULL_SCANS, text, sizeof(text)) ||
	    !text_field(text, "", &scans))
		die("--prepare khugepaged: this kernel has none");
	return scans;
}

/* The scan that runs may have passed the region already: the next one counts. */
static void await_khugepaged(void)
{
	const uint64_t want = full_scans() + 2, start = now_ns();

	while (full_scans() < want) {
		if (now_ns() - start > SCAN_TIMEOUT_NS)
			die("--prepare khugepaged: no full scan in %llu s: see /sys/kernel/mm/transparent_hugepage/khugepaged",
			    SCAN_TIMEOUT_NS / 1000000000);
		usleep(1000);
	}
}

/* The CPU time of a kernel thread, in ns. */
static uint64_t khugepaged_ns(void)
{
	char path[300], text[128];
	static char stat[300];
	struct dirent *entry;
	uint64_t ns;
	DIR *proc;

	proc = *stat ? NULL : opendir("/proc");
	while (proc && !*stat && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (read_text(path, text, sizeof(text)) &&
		    !strcmp(text, "khugepaged\n"))
			snprintf(stat, sizeof(stat), "/proc/%.20s/schedstat",
				 entry->d_name);
	}
	if (proc)
		closedir(proc);
	if (!*stat || !read_text(stat, text, sizeof(text)) ||
	    !text_field(text, "", &ns))
		die("--prepare khugepaged: its CPU time is not known");
	return ns;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/**
 * prepare_spent - CPU time that others have spent so far, or exit
 * @prepare: khugepaged, or threads: those of this process but the caller
 *
 * Return: ns; 0 for anything else.
 */
uint64_t prepare_spent(enum prepare prepare)
{
	uint64_t own;

	switch (prepare) {
	case PREPARE_KHUGEPAGED:
		return khugepaged_ns();
	case PREPARE_THREADS:
		own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own;
	default:
		return 0;
	}
}

/* cowwarm.so may be at work for some time after the child's end. */
static void await_threads(void)
{
	uint64_t spent = prepare_spent(PREPARE_THREADS), before;
	const uint64_t start = now_ns();

	do {
		before = spent;
		usleep(REST_US);
		spent = prepare_spent(PREPARE_THREADS);
	} while (spent - before > REST_US &&
		 now_ns() - start < REST_TIMEOUT_NS);
}

/**
 * prepare_after_end - make huge pages of the region again, or exit
 * @prepare: what is done
 * @region: the region
 *
 * A huge page that could not be made is no error: the region shows it.
 *
 * Return: duration of MADV_COLLAPSE, in ns; 0 for anything else.
 */
uint64_t prepare_after_end(enum prepare prepare, const struct region *region)
{
	const uint64_t start = now_ns();

	if (prepare == PREPARE_KHUGEPAGED)
		await_khugepaged();
	if (prepare == PREPARE_THREADS)
		await_threads();
	if (prepare != PREPARE_COLLAPSE)
		return 0;
	if (madvise(region->base, region->size, MADV_COLLAPSE) &&
	    errno != EAGAIN && errno != EBUSY && errno != ENOMEM)
		die("--prepare collapse: %s", strerror(errno));
	return now_ns() - start;
}
