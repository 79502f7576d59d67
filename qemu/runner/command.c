// SPDX-License-Identifier: GPL-2.0
/* QEMU's command line, boot.json, and the joined initramfs. */
#include "cowguest.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

/*
 * For both clocks: an oops panics, a panic ends QEMU (-no-reboot), the console
 * is quiet during measurements, and the log keeps each line.
 */
#define LINE_COMMON	"console=ttyS0 quiet panic=-1 oops=panic " \
			"tsc=reliable printk.devkmsg=on log_buf_len=16M"
/* No randomness: two runs are identical. */
#define LINE_ICOUNT	"nokaslr norandmaps"
/* On a busy host the kernel's timer check fails and panics. */
#define LINE_WALL	"no_timer_check"

/*
 * Without erms and fsrm: TCG runs `rep movsb` byte by byte, and copies would
 * dominate all measurements. rdrand and rdseed are random.
 */
#define CPU_WALL	"max,-erms,-fsrm"
#define CPU_ICOUNT	"max,-erms,-fsrm,-rdrand,-rdseed"
#define CPU_KVM		"host"

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/**
 * find_qemu - find the QEMU program
 * @name: a path, or a name to look up in $PATH
 *
 * Return: its path, or NULL; the caller frees it.
 */
char *find_qemu(const char *name)
{
	const char *p = getenv("PATH");

	if (strchr(name, '/'))
		return is_program(name) ? xstrdup(name) : NULL;
	while (p && *p) {
		size_t n = strcspn(p, ":");
		char *path = xasprintf("%.*s/%s", (int)n, p, name);

		if (is_program(path))
			return path;
		free(path);
		p += n;
		p += *p == ':';
	}
	return NULL;
}

/**
 * qemu_version - ask QEMU for its version
 * @qemu: path
 *
 * Return: such as "7.2.22", or "unknown"; the caller frees it.
 */
char *qemu_version(const char *qemu)
{
	char *argv[] = { (char *)qemu, "--version", NULL };
	char buf[1024];
	size_t n;
	int ws;
	char *p;

	if (run_capture(argv, 10000, buf, sizeof(buf), &ws))
		return xstrdup("unknown");
	p = strstr(buf, "version ");
	if (!p)
		return xstrdup("unknown");
	p += strlen("version ");
	n = strspn(p, "0123456789.");
	return n ? xasprintf("%.*s", (int)n, p) : xstrdup("unknown");
}

#ifdef __x86_64__
/* Enough for two measurements to agree within 0.1%, as the test demands. */
#define TSC_TRIES 32
#define TSC_SPAN_MS 50

/* Read the TSC and the clock together: the quickest of some tries. */
static uint64_t read_tsc(int64_t *ns)
{
	uint64_t tsc = 0, before, took, best = UINT64_MAX;
	struct timespec ts;
	int i;

	for (i = 0; i < TSC_TRIES; i++) {
		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		took = __rdtsc() - before;
		if (took >= best)
			continue;
		best = took;
		tsc = before;
		*ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
	}
	return tsc;
}

/*
 * The frequency of the host's TSC, which is also that of TCG's. A guest that
 * measures it against an emulated timer, which is late on a busy host, gets it
 * wrong: one guest's clock ran 35 times too fast.
 */
static unsigned int tsc_khz(void)
{
	static unsigned int khz;
	int64_t start = 0, end = 0;
	uint64_t first;

	if (khz)
		return khz;
	first = read_tsc(&start);
	usleep(TSC_SPAN_MS * 1000);
	khz = (read_tsc(&end) - first) * 1000000 / (end - start);
	return khz;
}
#else
static unsigned int tsc_khz(void)
{
	return 0;
}
#endif

/**
 * kernel_line - put the guest kernel's command line together
 * @o: options, with the accelerator settled
 *
 * Return: a string; the caller frees it.
 */
char *kernel_line(const struct opts *o)
{
	unsigned int khz = 0;
	char tsc[32] = "";

	if (o->accel == ACCEL_TCG && !o->icount)
		khz = tsc_khz();
	if (khz)
		snprintf(tsc, sizeof(tsc), " tsc_early_khz=%u", khz);
	return xasprintf("%s%s %s%s%s", LINE_COMMON, tsc,
			 o->icount ? LINE_ICOUNT : LINE_WALL,
			 o->append ? " " : "", o->append ? o->append : "");
}

/**
 * cpu_model - choose the value of QEMU's -cpu
 * @o: options, with the accelerator settled
 *
 * Return: a constant string.
 */
const char *cpu_model(const struct opts *o)
{
	if (o->accel == ACCEL_KVM)
		return CPU_KVM;
	return o->icount ? CPU_ICOUNT : CPU_WALL;
}

/**
 * commas - double each comma, as QEMU's option lists require
 * @path: a path
 *
 * Return: a string; the caller frees it.
 */
char *commas(const char *path)
{
	char *s = xrealloc(NULL, 2 * strlen(path) + 1);
	char *d = s;

	for (; *path; path++) {
		*d++ = *path;
		if (*path == ',')
			*d++ = ',';
	}
	*d = '\0';
	return s;
}

static void args(struct strvec *cmd, const char *list)
{
	while (*list) {
		size_t n = strcspn(list, " ");

		strvec_add(cmd, "%.*s", (int)n, list);
		list += n;
		list += *list == ' ';
	}
}

/**
 * qemu_command - put QEMU's command line together
 * @o: options, with the accelerator settled
 * @qemu: path
 * @cmd: empty list; filled in
 */
void qemu_command(const struct opts *o, const char *qemu, struct strvec *cmd)
{
	char *line = kernel_line(o);
	char *path;
	size_t i;

	strvec_add(cmd, "%s", qemu);
	args(cmd, "-nodefaults -no-user-config -no-reboot -display none");
	args(cmd, "-machine q35");
	strvec_add(cmd, "-cpu");
	strvec_add(cmd, "%s", cpu_model(o));
	if (o->accel == ACCEL_KVM)
		args(cmd, "-accel kvm");
	else if (o->icount)
		args(cmd, "-accel tcg,thread=single "
			  "-icount shift=0,sleep=off -seed 1 "
			  "-rtc base=2026-01-01,clock=vm");
	else if (o->in_turn)
		args(cmd, "-accel tcg,thread=single");
	else
		args(cmd, "-accel tcg,thread=multi");
	if (o->memory) {
		path = memory_option(o);
		strvec_add(cmd, "-plugin");
		strvec_add(cmd, "%s", path);
		free(path);
	}
	strvec_add(cmd, "-smp");
	strvec_add(cmd, "%u", o->smp);
	strvec_add(cmd, "-m");
	strvec_add(cmd, "%s", o->mem);
	for (i = 0; i < o->nodes.n; i++) {
		strvec_add(cmd, "-object");
		strvec_add(cmd, "memory-backend-ram,id=node%zu,size=%s", i,
			   o->nodes.v[i]);
		strvec_add(cmd, "-numa");
		if (i)
			strvec_add(cmd, "node,nodeid=%zu,memdev=node%zu", i, i);
		else
			strvec_add(cmd, "node,nodeid=0,memdev=node0,cpus=0-%u",
				   o->smp - 1);
	}
	strvec_add(cmd, "-kernel");
	strvec_add(cmd, "%s", o->kernel);
	if (o->initrds.n) {
		strvec_add(cmd, "-initrd");
		if (o->initrds.n == 1)
			strvec_add(cmd, "%s", o->initrds.v[0]);
		else
			strvec_add(cmd, "%s/" NAME_INITRD, o->out);
	}
	strvec_add(cmd, "-append");
	strvec_add(cmd, "%s", line);
	free(line);

	if (o->shell)
		args(cmd, "-serial mon:stdio");
	else
		args(cmd, "-chardev stdio,id=con,signal=off "
			  "-serial chardev:con");
	if (o->out) {
		/*
		 * Without ioeventfd a write to the port completes before the
		 * guest's next instruction: under icount, two runs stay
		 * identical.
		 */
		args(cmd, "-device virtio-serial-pci,ioeventfd=off");
		path = commas(o->out);
		strvec_add(cmd, "-chardev");
		strvec_add(cmd, "file,id=res,path=%s/" NAME_CHANNEL, path);
		free(path);
		args(cmd, "-device virtserialport,chardev=res,name=" PORT_NAME);
	}
	if (o->jobs) {
		path = commas(o->jobs);
		strvec_add(cmd, "-fw_cfg");
		strvec_add(cmd, "name=" FW_CFG_JOBS ",file=%s", path);
		free(path);
	}
}

/**
 * print_command - print a command line, quoted for a shell
 * @cmd: command
 */
void print_command(const struct strvec *cmd)
{
	size_t i;

	for (i = 0; i < cmd->n; i++) {
		const char *p = cmd->v[i];

		if (i)
			putchar(' ');
		if (*p && p[strspn(p, "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_=+,./:@%")] == '\0') {
			fputs(p, stdout);
			continue;
		}
		putchar('\'');
		for (; *p; p++) {
			if (*p == '\'')
				fputs("'\\''", stdout);
			else
				putchar(*p);
		}
		putchar('\'');
	}
	putchar('\n');
}

/**
 * write_boot_json - write to DIR/boot.json how the guest is started
 * @o: options, with the accelerator settled
 * @qemu: QEMU's path
 *
 * Return: 0 or -errno.
 */
int write_boot_json(const struct opts *o, const char *qemu)
{
	char *path = xasprintf("%s/" NAME_BOOT, o->out);
	char *version = qemu_version(qemu);
	char *line = kernel_line(o);
	cJSON *boot = cJSON_CreateObject();
	char *text;
	int fd, err = 0;

	cJSON_AddStringToObject(boot, "clock",
				o->memory ? "memory" :
				o->icount ? "icount" :
					    "wall");
	if (o->memory)
		cJSON_AddStringToObject(boot, "model", o->model);
	cJSON_AddStringToObject(boot, "accel",
				o->accel == ACCEL_KVM ? "kvm" : "tcg");
	cJSON_AddStringToObject(boot, "cpu_model", cpu_model(o));
	cJSON_AddNumberToObject(boot, "smp", o->smp);
	cJSON_AddStringToObject(boot, "mem", o->mem);
	cJSON_AddStringToObject(boot, "cmdline", line);
	cJSON_AddStringToObject(boot, "qemu", version);
	text = cJSON_PrintUnformatted(boot);
	if (!text)
		no_memory();

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		err = -errno;
	else
		err = write_all(fd, text, strlen(text)) ?: write_all(fd, "\n", 1);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	cJSON_free(text);
	cJSON_Delete(boot);
	free(line);
	free(version);
	free(path);
	return err;
}

static int append_file(int out, const char *name)
{
	static const char zeros[4];
	off_t total = 0;
	int in, err = 0;
	ssize_t n;

	in = open(name, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		total += n;
	if (n < 0)
		err = -errno;
	/* The kernel expects the next archive at a multiple of 4 bytes. */
	if (!err && total % 4)
		err = write_all(out, zeros, 4 - total % 4);
	close(in);
	return err;
}

/**
 * join_initrds - concatenate the initramfs files into DIR/.initrd
 * @o: options
 *
 * Return: 0 or -errno.
 */
int join_initrds(const struct opts *o)
{
	char *path = xasprintf("%s/" NAME_INITRD, o->out);
	int err = 0;
	size_t i;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	free(path);
	if (fd < 0)
		return -errno;
	for (i = 0; !err && i < o->initrds.n; i++)
		err = append_file(fd, o->initrds.v[i]);
	if (close(fd) && !err)
		err = -errno;
	return err;
}
