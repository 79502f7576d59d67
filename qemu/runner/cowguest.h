/* SPDX-License-Identifier: GPL-2.0 */
/* cowguest: runs a QEMU guest, unpacks its results and reports how it ended. */
#ifndef COWGUEST_H
#define COWGUEST_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

/* Exit status: each way a guest can end has its own. */
enum status {
	ST_DONE = 0,
	ST_USAGE = 1,
	ST_PANIC = 3,
	ST_HANG = 4,
	ST_NO_WORD = 5,
	ST_TRUNCATED = 6,
	ST_DIRTY_LOG = 7,
	ST_FAILED = 8,
	ST_NO_QEMU = 9,
	ST_NO_DISK = 10,
	ST_BUSY = 11,
};

/* Files that cowguest itself keeps in DIR. */
#define NAME_CONSOLE	"console.log"
#define NAME_CHANNEL	"channel.tar"
#define NAME_BOOT	"boot.json"
#define NAME_LOCK	".lock"
#define NAME_INITRD	".initrd"
#define NAME_WORD	"closing-word"
#define NAME_DMESG	"dmesg.log"

/* The name of the virtio-serial port, and that of the job list in fw_cfg. */
#define PORT_NAME	"cowlab.results"
#define FW_CFG_JOBS	"opt/cowlab/jobs"

/**
 * struct strvec - a growing, NULL-terminated list of strings
 * @v: the strings
 * @n: their number, without the NULL
 */
struct strvec {
	char **v;
	size_t n;
};

enum accel { ACCEL_AUTO, ACCEL_TCG, ACCEL_KVM };

/**
 * struct opts - the options of the command line
 * @kernel: bzImage
 * @initrds: initramfs files, joined in this order
 * @jobs: job list, or NULL
 * @out: DIR, or NULL (only with @shell)
 * @qemu: QEMU's name or path as given
 * @mem: memory size in QEMU's form
 * @nodes: memory sizes of the NUMA nodes; empty: no NUMA
 * @append: further kernel arguments, or NULL
 * @kvm_dev: /dev/kvm, or the tests' stand-in
 * @cpuinfo: /proc/cpuinfo, or the tests' stand-in
 * @allow: regular expressions of log lines that are permitted
 * @accel: accelerator; AUTO is settled before the start
 * @icount: the clock counts instructions
 * @memory: beside @icount: caches and TLBs are modelled
 * @model: the processor that is modelled
 * @plugin: the model, or NULL: beside cowguest
 * @symbols: the kernel's System.map, or NULL: in the tree of @kernel
 * @in_turn: TCG runs all cores in turn on one thread
 * @shell: the guest has the terminal
 * @print: print QEMU's command line and exit
 * @verbose: show the whole console
 * @smp: cores
 * @timeout: seconds for the whole run, times @slow; 0: no limit
 * @stall: seconds without output, times @slow; 0: no limit
 * @slow: how many times slower than usual the host is; 0 until settled
 */
struct opts {
	const char *kernel;
	struct strvec initrds;
	const char *jobs;
	const char *out;
	const char *qemu;
	const char *mem;
	struct strvec nodes;
	const char *append;
	const char *kvm_dev;
	const char *cpuinfo;
	struct strvec allow;
	enum accel accel;
	bool icount;
	bool memory;
	const char *model;
	const char *plugin;
	const char *symbols;
	bool in_turn;
	bool shell;
	bool print;
	bool verbose;
	unsigned int smp;
	unsigned int timeout;
	unsigned int stall;
	double slow;
};

/**
 * struct child - a process that cowguest started
 * @pid: process and, unless it shares the terminal, process group
 * @out: its standard output, or -1
 * @err: its standard error, or -1
 * @tty: shares cowguest's terminal and process group
 */
struct child {
	pid_t pid;
	int out;
	int err;
	bool tty;
};

/**
 * struct findings - what was found in the guest's logs
 * @allow: compiled --allow expressions
 * @n_allow: how many
 * @lines: the distinct bad lines (dmesg repeats those of the console)
 * @n_bad: the number of distinct bad lines
 * @first_file: the file with the first bad line
 * @first_line: its line number
 * @panic: the panic line, or NULL
 * @oops: the first line of an oops, or NULL
 * @no_mem: a line that shows too little memory to boot, or NULL
 */
struct findings {
	regex_t *allow;
	size_t n_allow;
	struct strvec lines;
	unsigned long n_bad;
	char *first_file;
	unsigned long first_line;
	char *panic;
	char *oops;
	char *no_mem;
};

/* Why watching ended. */
enum ending {
	END_RUNNING,
	END_EXITED,	/* QEMU ended by itself */
	END_PANIC,	/* the guest panicked, and QEMU runs on */
	END_STALL,
	END_TIMEOUT,
	END_SIGNAL,
	END_NO_DISK,
};

/* What became of channel.tar. */
enum results {
	RES_NONE,	/* the guest sent nothing */
	RES_GOOD,
	RES_TRUNCATED,	/* damaged, cut short, or with a forbidden member */
	RES_NO_DISK,
	RES_STOPPED,	/* a second signal stopped the unpacking */
};

/**
 * struct run - one guest from its start to its end
 * @o: options
 * @ending: why watching ended
 * @wstatus: QEMU's wait status
 * @qemu_err: the end of what QEMU wrote to standard error
 * @last: last line of the guest's console
 * @found: what was found in the logs
 * @disk_errno: error of a write to DIR, or 0
 */
struct run {
	const struct opts *o;
	enum ending ending;
	int wstatus;
	char qemu_err[4096];
	char last[256];
	struct findings found;
	int disk_errno;
};

/* util.c */
void no_memory(void) __attribute__((noreturn));
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
void strvec_add(struct strvec *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void strvec_free(struct strvec *s);
void printable(char *s);
int64_t now_ms(void);
char *span(char *buf, size_t size, int64_t ms);
char *free_space(char *buf, size_t size, const char *dir);
bool disk_is_full(const char *dir);
int mkdir_p(const char *dir);
int write_all(int fd, const void *buf, size_t len);

/* child.c */
extern int caught_signal;
int signals_setup(void);
int signals_fd(void);
int signals_read(void);
int child_start(struct child *c, char *const argv[], bool tty);
bool child_has_ended(const struct child *c);
int child_end(struct child *c);
int run_capture(char *const argv[], int64_t limit_ms, char *buf, size_t size,
		int *wstatus);

/* command.c */
char *find_qemu(const char *name);
char *qemu_version(const char *qemu);
char *kernel_line(const struct opts *o);
const char *cpu_model(const struct opts *o);
char *commas(const char *path);
void qemu_command(const struct opts *o, const char *qemu, struct strvec *cmd);
void print_command(const struct strvec *cmd);
int write_boot_json(const struct opts *o, const char *qemu);
int join_initrds(const struct opts *o);

/* kvm.c */
char *kvm_unusable(const struct opts *o, const char *qemu);

/* memory.c */
char *memory_option(const struct opts *o);
bool memory_usable(const struct opts *o, const char *qemu);

/* watch.c */
int watch_guest(struct run *r, const struct strvec *cmd);

/* log.c */
int findings_init(struct findings *f, const struct strvec *allow);
void findings_free(struct findings *f);
void findings_line(struct findings *f, const char *file, unsigned long no,
		   const char *line);
int findings_tree(struct findings *f, const char *dir,
		  const struct timespec *since);

/* results.c */
enum results results_unpack(const char *dir);

/* verdict.c */
enum status cannot_write(const char *dir, int err);
enum status verdict(struct run *r, const struct timespec *since,
		    int64_t took_ms);

#endif /* COWGUEST_H */
