/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests that run in the guest share. Where a function cannot do what
 * it says, the test fails; so none may be called in a forked process.
 */
#ifndef COWLAB_GUEST_H
#define COWLAB_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <cmocka.h>

#include "common/pagemap.h"
#include "common/util.h"
#include "tests/slow.h"

#define COWLAB "/sys/kernel/debug/cowlab/"
#define TRACING "/sys/kernel/tracing/"
#define THP "/sys/kernel/mm/transparent_hugepage/"
#define MODULE "/cowlab.ko"
#define GUP_TEST "/sys/kernel/debug/gup_test"

/* /proc/kpageflags */
#define KPF_LRU (1ULL << 5)
#define KPF_SWAPBACKED (1ULL << 14)
#define KPF_COMPOUND_HEAD (1ULL << 15)
#define KPF_COMPOUND_TAIL (1ULL << 16)
#define KPF_THP (1ULL << 22)
#define KPF_ZERO_PAGE (1ULL << 24)
#define KPF_MLOCKED (1ULL << 33)

/* mm/gup_test.h */
struct pin_longterm_test {
	uint64_t addr;
	uint64_t size;
	uint32_t flags;
};

#define PIN_LONGTERM_TEST_START _IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP _IO('g', 8)
#define PIN_LONGTERM_TEST_READ _IOW('g', 9, uint64_t)

/* A cell of cowbench's CSV that is empty. */
#define NO_VALUE UINT64_MAX

/**
 * struct stage - what latency_hist says of a stage
 * @count: number of samples; 0 where the stage is not shown
 * @avg: nanoseconds, as all that follow
 * @min: the least
 * @p50: median
 * @p90: 90th percentile
 * @p99: 99th percentile
 * @p999: 99.9th percentile
 * @max: the greatest
 */
struct stage {
	uint64_t count;
	uint64_t avg;
	uint64_t min;
	uint64_t p50;
	uint64_t p90;
	uint64_t p99;
	uint64_t p999;
	uint64_t max;
};

/**
 * struct bench_row - what cowbench says of a writer; NO_VALUE: nothing
 * @count: number of writes
 * @faults: minor faults during the writes
 * @touched: different pages written
 * @copied: pages that are the writer's own afterwards
 * @wasted: pages copied and not written
 */
struct bench_row {
	uint64_t count;
	uint64_t faults;
	uint64_t touched;
	uint64_t copied;
	uint64_t wasted;
};

/**
 * struct bench - a run of cowbench
 * @status: exit status, 128 and more after a signal
 * @nr: number of rows
 * @rows: one a writer
 * @err: what it said on stderr
 * @pid: while it runs
 * @out_fd: its stdout
 * @err_fd: its stderr
 */
struct bench {
	int status;
	unsigned int nr;
	struct bench_row rows[2];
	char err[1024];
	pid_t pid;
	int out_fd;
	int err_fd;
};

/**
 * struct delays - what the kernel's delay accounting says of COW faults
 * @count: how many
 * @ns: their time
 */
struct delays {
	uint64_t count;
	uint64_t ns;
};

enum cow_kind {
	COW_4K,
	COW_THP,
	COW_HUGETLB,
};

/**
 * struct cow - memory that a fork made copy-on-write
 * @base: the memory, 2 MiB aligned and between guards
 * @bytes: its size
 * @map: the memory with its guards
 * @map_bytes: the size of that
 * @holder: the process that holds the other reference
 * @release: closing it ends that process
 */
struct cow {
	unsigned char *base;
	size_t bytes;
	void *map;
	size_t map_bytes;
	pid_t holder;
	int release;
};

const char *file_text(const char *path);
int file_write(const char *path, const void *data, size_t len);
void file_set(const char *path, const char *text);
bool kernel_before(const char *version);
uint64_t file_field(const char *path, const char *key);

const char *knob_get(const char *name);
int knob_write(const char *name, const void *data, size_t len);
void knob_set(const char *name, const char *text);
void knob_number(const char *name, uint64_t value);
void knobs_default(void);

int stop_khugepaged(void **state);
int start_khugepaged(void **state);

uint64_t stat_get(const char *key);
uint64_t stat_skipped(void);
struct stage stage_get(const char *name);

int kmsg_open(void);
size_t kmsg_cow(int fd, uint64_t *ns, size_t max);

int run_program(const char *const *argv, char *out, size_t size);

void bench_begin(struct bench *bench, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void bench_end(struct bench *bench);
pid_t bench_start(const char *args, int out, int err);
void bench_run(struct bench *bench, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void cow_share(struct cow *cow, size_t bytes, enum cow_kind kind);
void rseq_settle(void);
uint64_t cow_write(const struct cow *cow, size_t first, size_t step);
void cow_check(const struct cow *cow, size_t first, size_t step);
uint64_t cow_smaps(const struct cow *cow, const char *key);
void cow_end_holder(struct cow *cow);
void cow_release(struct cow *cow);
void cow_forget(void);

uint64_t anon_pages(void);
void set_huge_pages(unsigned int count);

bool swap_on(const char *size);
void swap_off(void);
void read_entries(const char *path, uint64_t first, uint64_t *entries,
		  size_t count);
void stay_on_one_cpu(bool on);
void avoid_stale_breakpoints(void);
void again_with_delays(char **argv);
struct delays delays_get(void);

#endif /* COWLAB_GUEST_H */
