/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cowguest: start a QEMU guest, watch it, bring its results home and say how
 * it ended.
 */
#ifndef COWGUEST_H
#define COWGUEST_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

/* Exit status: every way a guest can end has its own. */
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

/* The names of what cowguest itself keeps in DIR. */
#define NAME_CONSOLE	"console.log"
#define NAME_CHANNEL	"channel.tar"
#define NAME_BOOT	"boot.json"
#define NAME_LOCK	".lock"
#define NAME_INITRD	".initrd"
#define NAME_WORD	"closing-word"
#define NAME_DMESG	"dmesg.log"

/* The virtio-serial port the guest looks for, and the job list's name. */
#define PORT_NAME	"cowlab.results"
#define FW_CFG_JOBS	"opt/cowlab/jobs"

/**
 * struct strvec - a growing, NULL-terminated list of strings
 * @v: the strings
 * @n: how many, the NULL not counted
 */
struct strvec {
	char **v;
	size_t n;
};

enum accel { ACCEL_AUTO, ACCEL_TCG, ACCEL_KVM };

/**
 * struct opts - what the command line asked for
 * @kernel: bzImage
 * @initrds: initramfs files, joined in this order
 * @jobs: job list, or NULL
 * @out: DIR, or NULL (only with @shell)
 * @qemu: QEMU's name or path as given
 * @mem: memory size in QEMU's form
 * @append: further kernel arguments, or NULL
 * @kvm_dev: /dev/kvm, or the tests' stand-in
 * @cpuinfo: /proc/cpuinfo, or the tests' stand-in
 * @allow: regular expressions of log lines that are permitted
 * @accel: accelerator; AUTO is resolved before the start
 * @icount: the clock counts instructions
 * @in_turn: TCG runs the cores in turn on one thread
 * @shell: a guest to type into
 * @print: print QEMU's command line and stop
 * @verbose: show the whole console
 * @smp: cores
 * @timeout: seconds for the whole run, 0: no limit
 * @stall: seconds of silence, 0: no limit
 */
struct opts {
	const char *kernel;
	struct strvec initrds;
	const char *jobs;
	const char *out;
	const char *qemu;
	const char *mem;
	const char *append;
	const char *kvm_dev;
	const char *cpuinfo;
	struct strvec allow;
	enum accel accel;
	bool icount;
	bool in_turn;
	bool shell;
	bool print;
	bool verbose;
	unsigned int smp;
	unsigned int timeout;
	unsigned int stall;
};

/**
 * struct child - a process that was started
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
 * struct findings - what the guest's logs say
 * @allow: compiled --allow expressions
 * @n_allow: how many
 * @lines: the distinct bad lines (a line on the console comes again in dmesg)
 * @n_bad: how many distinct bad lines
 * @first_file: where the first bad line was
 * @first_line: its line number
 * @panic: the panic line, or NULL
 * @oops: the first line of an oops, or NULL
 * @no_mem: a line that says the guest had too little memory to boot, or NULL
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

/* How watching ended. */
enum ending {
	END_RUNNING,
	END_EXITED,	/* QEMU ended by itself */
	END_PANIC,	/* panicked, and did not end QEMU */
	END_STALL,
	END_TIMEOUT,
	END_SIGNAL,
	END_NO_DISK,
};

/* What became of channel.tar. */
enum results {
	RES_NONE,	/* the guest sent nothing */
	RES_GOOD,
	RES_TRUNCATED,	/* not all of it is a tar archive that may be unpacked */
	RES_NO_DISK,
	RES_STOPPED,	/* the user did not want to wait */
};

/**
 * struct run - one guest from its start to its end
 * @o: options
 * @ending: how watching ended
 * @wstatus: QEMU's wait status
 * @qemu_err: the end of what QEMU wrote to standard error
 * @last: last line the guest's console showed
 * @found: what the logs say
 * @disk_errno: why DIR could not be written
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
void qemu_command(const struct opts *o, const char *qemu, struct strvec *cmd);
void print_command(const struct strvec *cmd);
int write_boot_json(const struct opts *o, const char *qemu);
int join_initrds(const struct opts *o);

/* kvm.c */
char *kvm_unusable(const struct opts *o, const char *qemu);

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
enum status verdict(struct run *r, const struct timespec *since,
		    int64_t took_ms);

#endif /* COWGUEST_H */
