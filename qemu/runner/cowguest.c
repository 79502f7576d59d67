// SPDX-License-Identifier: GPL-2.0
/*
 * cowguest - run a QEMU guest to its end and report how it ended
 *
 * The guest reads its job list from fw_cfg, shows progress on its serial
 * console, and sends tar archives through a virtio-serial port.
 */
#include "cowguest.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SMP		64
#define DEFAULT_SMP	2
#define MAX_SECONDS	1000000
#define MAX_SLOW	1000
/* In seconds, on a host where --slow is 1. */
#define DEFAULT_TIMEOUT	1800
#define DEFAULT_STALL	180
/* Under icount a busy host may need many minutes for one silent step. */
#define ICOUNT_STALL	1800
#define NOT_GIVEN	UINT_MAX

enum {
	OPT_KERNEL = 256,
	OPT_INITRD,
	OPT_JOBS,
	OPT_OUT,
	OPT_CLOCK,
	OPT_ACCEL,
	OPT_SMP,
	OPT_MEM,
	OPT_NODE,
	OPT_APPEND,
	OPT_TIMEOUT,
	OPT_STALL,
	OPT_SLOW,
	OPT_SHELL,
	OPT_ALLOW,
	OPT_QEMU,
	OPT_IN_TURN,
	OPT_MODEL,
	OPT_SYMBOLS,
	OPT_PLUGIN,
	OPT_PRINT,
	OPT_KVM_DEV,
	OPT_CPUINFO,
};

static const struct argp_option options[] = {
	{ "kernel", OPT_KERNEL, "FILE", 0, "Kernel (bzImage)", 1 },
	{ "initrd", OPT_INITRD, "FILE", 0,
	  "Initramfs; several are joined in this order", 1 },
	{ "jobs", OPT_JOBS, "FILE", 0, "Job list for the guest", 1 },
	{ "out", OPT_OUT, "DIR", 0, "Folder for the results", 1 },
	{ "shell", OPT_SHELL, NULL, 0,
	  "Give the guest the terminal: no job list, no watchdog", 1 },
	{ "clock", OPT_CLOCK, "CLOCK", 0,
	  "wall (default); icount: one nanosecond per instruction, two runs are identical; memory: icount, with a model of caches and TLBs that writes DIR/memory.csv",
	  2 },
	{ "accel", OPT_ACCEL, "ACCEL", 0,
	  "auto (default: KVM if a trial boot works, else TCG), tcg or kvm", 2 },
	{ "smp", OPT_SMP, "N", 0, "Cores (default 2; 1 under icount)", 2 },
	{ "mem", OPT_MEM, "SIZE", 0, "Memory, such as 1G (default) or 768M",
	  2 },
	{ "node", OPT_NODE, "SIZE", 0,
	  "Memory of a NUMA node; one option per node, together as much as --mem. All cores are on the first",
	  2 },
	{ "in-turn", OPT_IN_TURN, NULL, 0,
	  "Under TCG, run all cores in turn on one thread: slower, but safe for a guest that modifies its code under load (QEMU before 8.1 needs this)",
	  2 },
	{ "model", OPT_MODEL, "NAME", 0,
	  "Processor that --clock memory models: epyc-milan (default), xeon-icx or laptop; NAME,cost.memory=300 replaces a constant",
	  2 },
	{ "symbols", OPT_SYMBOLS, "FILE", 0,
	  "System.map of the kernel, for --clock memory (default: in the kernel's tree)",
	  2 },
	{ "append", OPT_APPEND, "ARGS", 0, "More kernel arguments", 2 },
	{ "qemu", OPT_QEMU, "PATH", 0, "QEMU (default qemu-system-x86_64)", 2 },
	{ "timeout", OPT_TIMEOUT, "SECONDS", 0,
	  "Kill the guest after this time (default 1800; 0: never)", 3 },
	{ "stall", OPT_STALL, "SECONDS", 0,
	  "Kill the guest after this time without output (default 180, icount 1800; 0: never)",
	  3 },
	{ "slow", OPT_SLOW, "N", 0,
	  "Multiply both times by N for a slow host (default: $SLOW, else 1)",
	  3 },
	{ "allow", OPT_ALLOW, "REGEX", 0,
	  "Permit log lines that match (extended regular expression); may be repeated",
	  3 },
	{ "print", OPT_PRINT, NULL, 0, "Print QEMU's command line and exit", 4 },
	{ "verbose", 'v', NULL, 0, "Show the guest's whole console", 4 },
	/* Only for the tests. */
	{ "kvm-device", OPT_KVM_DEV, "PATH", OPTION_HIDDEN, NULL, 5 },
	{ "cpuinfo", OPT_CPUINFO, "PATH", OPTION_HIDDEN, NULL, 5 },
	{ "plugin", OPT_PLUGIN, "PATH", OPTION_HIDDEN, NULL, 5 },
	{ 0 }
};

static const char doc[] =
	"Run a QEMU guest to its end and report how it ended."
	"\v"
	"Examples:\n"
	"  cowguest --kernel bzImage --initrd base.cpio --jobs jobs --out run1\n"
	"  cowguest --kernel bzImage --initrd base.cpio --jobs jobs --out run2 \\\n"
	"           --clock icount --mem 2G --allow 'page allocation failure'\n"
	"  cowguest --kernel linux/arch/x86/boot/bzImage --initrd base.cpio \\\n"
	"           --jobs jobs --out run3 --clock memory --model xeon-icx\n"
	"  cowguest --kernel bzImage --initrd base.cpio --shell\n"
	"\n"
	"DIR gets console.log, boot.json (how the guest was started) and the "
	"guest's results; partial results are kept however the guest ends.\n"
	"\n"
	"Exit status:\n"
	"    0  all jobs are done, and the guest's log is clean\n"
	"    1  wrong usage, or a file is missing\n"
	"    3  the guest panicked or had an oops\n"
	"    4  the guest hung, or took longer than --timeout\n"
	"    5  the guest or QEMU ended without the closing word\n"
	"    6  the results are truncated\n"
	"    7  the guest's log has a warning that --allow does not permit\n"
	"    8  a job of the guest failed\n"
	"    9  QEMU was not found\n"
	"   10  DIR cannot be written, or the disk is full\n"
	"   11  another cowguest uses DIR\n"
	"  128+N  stopped by signal N (Ctrl-C: 130, SIGTERM: 143)\n";

const char *argp_program_version = "cowguest 1.0";

static unsigned int number(struct argp_state *state, const char *name,
			   const char *s, unsigned long min, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || *end || *s < '0' || *s > '9' || n < min || n > max)
		argp_error(state, "invalid --%s '%s': expected a number from %lu to %lu",
			   name, s, min, max);
	return n;
}

/* Accepts fractions: a host may be 1.5 times as slow. */
static double factor(struct argp_state *state, const char *name, const char *s)
{
	double n;
	char *end;

	n = strtod(s, &end);
	if (*end || *s < '0' || *s > '9' || !(n >= 1 && n <= MAX_SLOW))
		argp_error(state, "invalid %s '%s': expected a number from 1 to %d",
			   name, s, MAX_SLOW);
	return n;
}

static void memory(struct argp_state *state, const char *s)
{
	size_t n = strspn(s, "0123456789");

	if (!n || n > 6 || !strtoul(s, NULL, 10) || !s[n] ||
	    !strchr("MG", s[n]) || s[n + 1])
		argp_error(state, "invalid --mem '%s': expected a size such as 768M or 2G",
			   s);
}

/* Fill in the times that were not given, and adapt all to a slow host. */
static void settle_times(struct opts *o, struct argp_state *state)
{
	const char *env = getenv("SLOW");

	if (!o->slow)
		o->slow = env && *env ? factor(state, "SLOW", env) : 1;
	if (o->stall == NOT_GIVEN)
		o->stall = o->icount ? ICOUNT_STALL : DEFAULT_STALL;
	o->stall *= o->slow;
	o->timeout *= o->slow;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case OPT_IN_TURN:
		o->in_turn = true;
		break;
	case OPT_KERNEL:
		o->kernel = arg;
		break;
	case OPT_INITRD:
		strvec_add(&o->initrds, "%s", arg);
		break;
	case OPT_JOBS:
		o->jobs = arg;
		break;
	case OPT_OUT:
		o->out = arg;
		break;
	case OPT_CLOCK:
		if (strcmp(arg, "wall") && strcmp(arg, "icount") &&
		    strcmp(arg, "memory"))
			argp_error(state, "invalid --clock '%s': expected wall, icount or memory",
				   arg);
		o->memory = !strcmp(arg, "memory");
		o->icount = o->memory || !strcmp(arg, "icount");
		break;
	case OPT_ACCEL:
		if (!strcmp(arg, "auto"))
			o->accel = ACCEL_AUTO;
		else if (!strcmp(arg, "tcg"))
			o->accel = ACCEL_TCG;
		else if (!strcmp(arg, "kvm"))
			o->accel = ACCEL_KVM;
		else
			argp_error(state, "invalid --accel '%s': expected auto, tcg or kvm",
				   arg);
		break;
	case OPT_MODEL:
		o->model = arg;
		break;
	case OPT_SYMBOLS:
		o->symbols = arg;
		break;
	case OPT_PLUGIN:
		o->plugin = arg;
		break;
	case OPT_SMP:
		o->smp = number(state, "smp", arg, 1, MAX_SMP);
		break;
	case OPT_MEM:
		memory(state, arg);
		o->mem = arg;
		break;
	case OPT_NODE:
		memory(state, arg);
		strvec_add(&o->nodes, "%s", arg);
		break;
	case OPT_APPEND:
		o->append = *arg ? arg : NULL;
		break;
	case OPT_TIMEOUT:
		o->timeout = number(state, "timeout", arg, 0, MAX_SECONDS);
		break;
	case OPT_STALL:
		o->stall = number(state, "stall", arg, 0, MAX_SECONDS);
		break;
	case OPT_SLOW:
		o->slow = factor(state, "--slow", arg);
		break;
	case OPT_SHELL:
		o->shell = true;
		break;
	case OPT_ALLOW:
		strvec_add(&o->allow, "%s", arg);
		break;
	case OPT_QEMU:
		o->qemu = arg;
		break;
	case OPT_PRINT:
		o->print = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case OPT_KVM_DEV:
		o->kvm_dev = arg;
		break;
	case OPT_CPUINFO:
		o->cpuinfo = arg;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		break;
	case ARGP_KEY_END:
		settle_times(o, state);
		if (!o->kernel)
			argp_error(state, "--kernel is missing");
		if (!o->initrds.n)
			argp_error(state, "--initrd is missing");
		if (!o->shell && (!o->jobs || !o->out))
			argp_error(state, "--jobs and --out, or --shell, are missing");
		/* Several initramfs files are joined into a file in DIR. */
		if (o->initrds.n > 1 && !o->out)
			argp_error(state, "several --initrd need --out");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };

/* Print an error and return false if a file cannot be used. */
static bool have_file(const char *what, const char *path, const char *hint)
{
	struct stat st;
	int err = 0;
	int fd;

	/* A pipe or a directory must not block or surprise QEMU later. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		err = errno;
	if (fd >= 0)
		close(fd);
	if (err) {
		say("%s %s: %s: %s", what, path, strerror(err), hint);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		say("%s %s: not a regular file: %s", what, path, hint);
		return false;
	}
	if (!st.st_size) {
		say("%s %s: empty: %s", what, path, hint);
		return false;
	}
	return true;
}

static bool have_files(const struct opts *o)
{
	size_t i;

	if (!have_file("kernel", o->kernel, "`make kernel` builds it"))
		return false;
	for (i = 0; i < o->initrds.n; i++)
		if (!have_file("initramfs", o->initrds.v[i],
			       "`make run` builds it"))
			return false;
	return !o->jobs || have_file("job list", o->jobs,
				     "`make run` writes one; it has one job per line");
}

static const char *clock_name(const struct opts *o)
{
	return o->memory ? "memory" : "icount";
}

/* Settle the accelerator. Return false if the requested one is unusable. */
static bool choose_accel(struct opts *o, const char *qemu)
{
	char *why;

	if (o->icount) {
		if (o->accel == ACCEL_KVM)
			say("note: --clock %s works only with TCG: using TCG",
			    clock_name(o));
		o->accel = ACCEL_TCG;
	}
	if (o->accel == ACCEL_TCG)
		return true;
	why = kvm_unusable(o, qemu);
	if (!why) {
		o->accel = ACCEL_KVM;
		return true;
	}
	if (o->accel == ACCEL_KVM) {
		say("--accel kvm: %s: use --accel tcg (make: ACCEL=tcg)", why);
		free(why);
		return false;
	}
	say("KVM: %s; using TCG, which is slower", why);
	free(why);
	o->accel = ACCEL_TCG;
	return true;
}

/*
 * Lock DIR for this run. Return the lock's descriptor, -EBUSY if another run
 * holds it (@holder is that run's process ID), or -errno.
 */
static int take_dir(const char *path, long *holder)
{
	char buf[32] = "";
	struct stat a, b;
	int fd, err, n;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			err = errno == EWOULDBLOCK ? -EBUSY : -errno;
			n = read(fd, buf, sizeof(buf) - 1);
			*holder = n > 0 ? strtol(buf, NULL, 10) : 0;
			close(fd);
			return err;
		}
		/* The previous run may have removed the file after the open. */
		if (!fstat(fd, &a) && !stat(path, &b) && a.st_ino == b.st_ino &&
		    a.st_dev == b.st_dev)
			break;
		close(fd);
	}
	n = snprintf(buf, sizeof(buf), "%ld\n", (long)getpid());
	err = ftruncate(fd, 0) ? -errno : write_all(fd, buf, n);
	if (err) {
		unlink(path);
		close(fd);
		return err;
	}
	return fd;
}

static void remove_in(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);

	unlink(path);
	free(path);
}

/* DIR is locked: write boot.json, run the guest, and judge its end. */
static enum status run_in_dir(struct run *r, const char *qemu)
{
	const struct opts *o = r->o;
	struct strvec cmd = { 0 };
	struct timespec since = { 0 };
	int64_t start = now_ms();
	enum status status;
	struct stat st;
	char *path;
	int err;

	if (o->out) {
		/* Files of an earlier run must not pass for those of this run. */
		remove_in(o->out, NAME_CHANNEL);
		remove_in(o->out, NAME_WORD);
		err = write_boot_json(o, qemu);
		if (err)
			return cannot_write(o->out, -err);
		path = xasprintf("%s/" NAME_BOOT, o->out);
		if (!stat(path, &st))
			since = st.st_mtim;
		free(path);
		if (o->initrds.n > 1) {
			err = join_initrds(o);
			if (err) {
				remove_in(o->out, NAME_INITRD);
				return cannot_write(o->out, -err);
			}
		}
	}
	if (caught_signal || signals_read()) {
		if (o->out)
			remove_in(o->out, NAME_INITRD);
		say("stopped by %s before the guest was started",
		    strsignal(caught_signal));
		return 128 + caught_signal;
	}
	qemu_command(o, qemu, &cmd);
	err = watch_guest(r, &cmd);
	strvec_free(&cmd);
	if (o->out)
		remove_in(o->out, NAME_INITRD);
	if (err && r->disk_errno)
		return cannot_write(o->out, r->disk_errno);
	if (err) {
		say("cannot execute %s: %s: `apt-get install qemu-system-x86`",
		    qemu, strerror(-err));
		return ST_NO_QEMU;
	}
	status = verdict(r, &since, now_ms() - start);
	fflush(stdout);
	return status;
}

static enum status run_locked(struct run *r, const char *qemu)
{
	const char *dir = r->o->out;
	enum status status;
	long holder = 0;
	char *path;
	int fd;

	if (!dir)
		return run_in_dir(r, qemu);
	fd = mkdir_p(dir);
	if (fd)
		return cannot_write(dir, -fd);
	path = xasprintf("%s/" NAME_LOCK, dir);
	fd = take_dir(path, &holder);
	if (fd == -EBUSY) {
		say("%s is in use by another run (process %ld): wait, or choose another --out",
		    dir, holder);
		free(path);
		return ST_BUSY;
	}
	if (fd < 0) {
		free(path);
		return cannot_write(dir, -fd);
	}
	status = run_in_dir(r, qemu);
	unlink(path);
	close(fd);
	free(path);
	return status;
}

int main(int argc, char **argv)
{
	struct opts o = {
		.qemu = "qemu-system-x86_64",
		.mem = "1G",
		.model = "epyc-milan",
		.kvm_dev = "/dev/kvm",
		.cpuinfo = "/proc/cpuinfo",
		.timeout = DEFAULT_TIMEOUT,
		.stall = NOT_GIVEN,
	};
	struct run r = { .o = &o };
	struct strvec cmd = { 0 };
	enum status status = ST_USAGE;
	char *qemu = NULL;
	int err;

	argp_err_exit_status = ST_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (findings_init(&r.found, &o.allow))
		goto out;
	if (!have_files(&o))
		goto out;
	if (o.icount && o.smp > 1)
		say("note: --clock %s runs on 1 core, not %u", clock_name(&o),
		    o.smp);
	if (o.icount || !o.smp)
		o.smp = o.icount ? 1 : DEFAULT_SMP;
	qemu = find_qemu(o.qemu);
	if (!qemu) {
		say("QEMU not found (%s): `apt-get install qemu-system-x86`", o.qemu);
		status = ST_NO_QEMU;
		goto out;
	}
	err = signals_setup();
	if (err) {
		say("cannot set up signals: %s", strerror(-err));
		goto out;
	}
	if (!choose_accel(&o, qemu)) {
		status = caught_signal ? 128 + caught_signal : ST_USAGE;
		goto out;
	}
	if (o.memory && !memory_usable(&o, qemu))
		goto out;
	if (o.print) {
		qemu_command(&o, qemu, &cmd);
		print_command(&cmd);
		status = ST_DONE;
		goto out;
	}
	status = run_locked(&r, qemu);
out:
	strvec_free(&cmd);
	findings_free(&r.found);
	strvec_free(&o.initrds);
	strvec_free(&o.nodes);
	strvec_free(&o.allow);
	free(qemu);
	return status;
}
