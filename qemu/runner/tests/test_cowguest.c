// SPDX-License-Identifier: GPL-2.0
/* Each way a guest can end has its own status, and no process or file is left. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_ARGS 40

/* The last argument of start(). */
#define END ((const char *)NULL)

/* The output of the last run of cowguest, and its folders. */
static char out[1 << 16];
static char err[1 << 16];
static char base[PATH_MAX - 300];
static char dir[PATH_MAX - 200];
static int run_no;

static const char *at(const char *name)
{
	/* Enough for the arguments of one call. */
	static char path[16][PATH_MAX];
	static int i;

	i = (i + 1) % 16;
	snprintf(path[i], sizeof(path[i]), "%s/%s", base, name);
	return path[i];
}

static const char *in_dir(const char *name)
{
	/* Enough for the arguments of one call. */
	static char path[16][PATH_MAX];
	static int i;

	i = (i + 1) % 16;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void get(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	if (f) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	buf[n] = '\0';
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* Start cowguest with the usual arguments and those given, up to END. */
static pid_t start_v(va_list ap)
{
	const char *argv[MAX_ARGS + 1] = { getenv("COWGUEST") };
	int n = 1, fd;
	pid_t pid;

	while (n < MAX_ARGS && (argv[n] = va_arg(ap, const char *)))
		n++;
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	fd = open(at("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 1);
	fd = open(at("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	execv(argv[0], (char **)argv);
	_exit(111);
}

static pid_t start(const char *arg, ...)
{
	va_list ap;
	pid_t pid;

	(void)arg;
	va_start(ap, arg);
	pid = start_v(ap);
	va_end(ap);
	return pid;
}

/* $SLOW, which tests change. */
static double slow_host = 1;

/*
 * Wait for cowguest, and check that it left no process. This process is the
 * subreaper, so each process left over is its child now. A killed process may
 * take a moment to end.
 */
static int finish(pid_t pid)
{
	int64_t end;
	int ws, ws2;
	pid_t p;

	assert_int_equal(waitpid(pid, &ws, 0), pid);
	/* Not before: cowguest itself may have waited as long. */
	end = now_ms() + (int64_t)(3000 * slow_host);
	for (;;) {
		p = waitpid(-1, &ws2, WNOHANG);
		if (p < 0)
			break;
		if (!p && now_ms() > end)
			fail_msg("cowguest left a process running");
		if (!p)
			pause_ms(10);
	}
	get(at("out"), out, sizeof(out));
	get(at("err"), err, sizeof(err));
	assert_false(exists(in_dir(".lock")));
	assert_false(exists(in_dir(".initrd")));
	assert_false(exists(in_dir("closing-word")));
	assert_true(WIFEXITED(ws));
	return WEXITSTATUS(ws);
}

#define USUAL "", "--kernel", at("bzImage"), "--initrd", at("initrd"),       \
	"--jobs", at("jobs"), "--out", dir, "--accel", "tcg", "--qemu",       \
	getenv("FAKE_QEMU")

/* Run with the usual arguments and further ones. */
#define run_fake(fake, ...)                                                   \
	(setenv("FAKE", fake, 1), finish(start(USUAL, ##__VA_ARGS__, END)))

#define assert_has(text, part)                                                \
	do {                                                                  \
		if (!strstr(text, part)) {                                    \
			print_error("'%s' is not in:\n%s\n", part, text);     \
			fail();                                               \
		}                                                             \
	} while (0)

#define assert_status(have, want)                                             \
	do {                                                                  \
		int have_ = (have);                                           \
		if (have_ != (want)) {                                        \
			print_error("status %d, not %d:\n%s%s\n", have_,      \
				    want, out, err);                          \
			fail();                                               \
		}                                                             \
	} while (0)

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/run%d", base, ++run_no);
	unsetenv("FAKE_KVM");
	unsetenv("FAKE_ARGS");
	if (getenv("SLOW"))
		slow_host = atof(getenv("SLOW"));
	unsetenv("SLOW");
	return 0;
}

/* A failed test may have left its tiny disk mounted. */
static int teardown(void **state)
{
	(void)state;
	umount2(dir, MNT_DETACH);
	return 0;
}

static int group_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	if (!getenv("COWGUEST") || !getenv("FAKE_QEMU")) {
		print_error("COWGUEST and FAKE_QEMU must be set: use make check\n");
		return -1;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	snprintf(base, sizeof(base), "%s/cowguest.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(base))
		return -1;
	/* Files of a killed fake are removed with the rest. */
	setenv("TMPDIR", base, 1);
	put(at("bzImage"), "kernel");
	put(at("initrd"), "12345");
	put(at("initrd2"), "abcdefgh");
	put(at("jobs"), "job\n");
	put(at("cpu-virt"), "flags\t\t: fpu vmx sse\n");
	put(at("cpu-plain"), "flags\t\t: fpu svm_lock xvmx sse\n");
	put(at("kvm"), "");
	return 0;
}

static int group_teardown(void **state)
{
	char *argv[] = { "rm", "-rf", base, NULL };
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	return 0;
}

static void test_done(void **state)
{
	char buf[4096];

	(void)state;
	assert_status(run_fake("good"), 0);
	assert_has(out, "[1/2] baseline seq round 1");
	assert_has(out, "[2/2] next seq round 1");
	assert_has(out, "the guest is done");
	assert_null(strstr(out, "Linux version"));
	assert_string_equal(err, "");
	assert_true(exists(in_dir("a/result.csv")));
	assert_false(exists(in_dir("channel.tar")));
	get(in_dir("console.log"), buf, sizeof(buf));
	assert_has(buf, "Linux version 6.12");
	assert_has(buf, "cowlab: progress 2/2");
}

static void test_verbose(void **state)
{
	(void)state;
	assert_status(run_fake("good", "-v"), 0);
	assert_has(out, "Linux version");
}

static void test_boot_json(void **state)
{
	char buf[4096];

	(void)state;
	assert_status(run_fake("good", "--append", "a=\"b\\c\"", "--mem", "768M",
			       "--smp", "3"), 0);
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "{\"clock\":\"wall\",\"accel\":\"tcg\"");
	assert_has(buf, "\"cpu_model\":\"max,-erms,-fsrm\"");
	assert_has(buf, "\"smp\":3,\"mem\":\"768M\"");
	assert_has(buf, "a=\\\"b\\\\c\\\"\"");
	assert_has(buf, "\"qemu\":\"9.8.7\"}\n");
}

static void test_icount(void **state)
{
	char buf[8192];

	(void)state;
	setenv("FAKE_ARGS", at("args"), 1);
	assert_status(run_fake("good", "--clock", "icount", "--smp", "4"), 0);
	assert_has(err, "runs on 1 core, not 4");
	get(at("args"), buf, sizeof(buf));
	assert_has(buf, "\ntcg,thread=single\n-icount\nshift=0,sleep=off\n"
			"-seed\n1\n-rtc\nbase=2026-01-01,clock=vm\n");
	assert_has(buf, "\n-smp\n1\n");
	assert_has(buf, "\nmax,-erms,-fsrm,-rdrand,-rdseed\n");
	assert_has(buf, " nokaslr norandmaps\n");
	assert_has(buf, "virtio-serial-pci,ioeventfd=off\n");
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "\"clock\":\"icount\"");
}

/* The model's options, and what boot.json says of it */
static void test_memory(void **state)
{
	char buf[8192], plugin[PATH_MAX + 200];

	(void)state;
	setenv("FAKE_ARGS", at("args"), 1);
	put(at("a,b.so"), "plugin");
	put(at("System.map"), "symbols");
	assert_status(run_fake("good", "--clock", "memory", "--smp", "4",
			       "--mem", "2G", "--model", "laptop,cost.l2=9",
			       "--plugin", at("a,b.so"), "--symbols",
			       at("System.map")), 0);
	assert_has(err, "--clock memory runs on 1 core, not 4");
	get(at("args"), buf, sizeof(buf));
	assert_has(buf, "\n-icount\nshift=0,sleep=off\n");
	snprintf(plugin, sizeof(plugin),
		 "\n-plugin\n%s,symbols=%s,model=laptop,cost.l2=9,mib=2048,out=%s\n",
		 at("a,,b.so"), at("System.map"), dir);
	assert_has(buf, plugin);
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "\"clock\":\"memory\",\"model\":\"laptop,cost.l2=9\"");
}

/* What the model needs, and a plugin that ends QEMU: one line each */
static void test_memory_refused(void **state)
{
	const char *const usual[] = { "--clock", "memory", "--plugin",
				      at("plugin.so"), "--symbols",
				      at("System.map") };
	char expected[PATH_MAX + 200];

#define MEMORY usual[0], usual[1], usual[2], usual[3], usual[4], usual[5]
	(void)state;
	put(at("plugin.so"), "plugin");
	put(at("System.map"), "symbols");
	assert_status(run_fake("model", MEMORY), 5);
	assert_string_equal(err,
			    "cowguest: cowmem: region 'x' never ended\n");
	/* Of a QEMU without the plugin it is not the plugin that speaks. */
	assert_status(run_fake("model"), 5);
	assert_has(err, "QEMU ended with exit status 1");
	setenv("FAKE_NO_PLUGINS", "1", 1);
	assert_status(run_fake("good", MEMORY), 1);
	assert_has(err, "has no plugins");
	unsetenv("FAKE_NO_PLUGINS");
	assert_status(run_fake("good", MEMORY, "--mem", "2816M"), 1);
	assert_has(err, "--mem 2816M is too much, the model knows up to 2815M");
	assert_status(run_fake("good", MEMORY, "--plugin", "/nowhere.so"), 1);
	assert_has(err, "no plugin /nowhere.so");
	/* By default System.map is in the kernel's tree. */
	assert_status(run_fake("good", "--clock", "memory", "--plugin",
			       at("plugin.so")), 1);
	snprintf(expected, sizeof(expected), "no System.map of this kernel, %s",
		 at("../../../System.map"));
	assert_has(err, expected);
#undef MEMORY
}

static void test_icount_never_kvm(void **state)
{
	char buf[8192];

	(void)state;
	setenv("FAKE_ARGS", at("args"), 1);
	assert_status(run_fake("good", "--clock", "icount", "--accel", "kvm",
			       "--kvm-device", at("kvm"), "--cpuinfo",
			       at("cpu-virt")), 0);
	assert_has(err, "using TCG");
	get(at("args"), buf, sizeof(buf));
	assert_has(buf, "tcg,thread=single");
}

static void test_initrds_joined(void **state)
{
	char buf[8192];
	struct stat st;

	(void)state;
	setenv("FAKE_ARGS", at("args"), 1);
	assert_status(run_fake("good", "--initrd", at("initrd2")), 0);
	get(at("args"), buf, sizeof(buf));
	assert_has(buf, "/.initrd\n");
	assert_has(buf, " no_timer_check\n");
	/* The parts themselves are unchanged. */
	assert_int_equal(stat(at("initrd"), &st), 0);
	assert_int_equal(st.st_size, 5);
}

static void test_print(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--print", "--append", "it's"), 0);
	assert_has(out, "-accel tcg,thread=multi");
	assert_has(out, "it'\\''s'");
	assert_has(out, "-fw_cfg name=opt/cowlab/jobs,file=");
	assert_false(exists(dir));
}

static void test_nodes(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--print", "--mem", "1G", "--node",
			       "768M", "--node", "256M", "--smp", "3"), 0);
	assert_has(out, "memory-backend-ram,id=node0,size=768M");
	assert_has(out, "node,nodeid=0,memdev=node0,cpus=0-2");
	assert_has(out, "memory-backend-ram,id=node1,size=256M");
	assert_has(out, "node,nodeid=1,memdev=node1");
	assert_status(run_fake("good", "--print", "--node", "much"), 1);
	assert_has(err, "much");
}

#ifdef __x86_64__
static unsigned long printed_khz(void)
{
	static const char name[] = " tsc_early_khz=";
	const char *p;

	assert_status(run_fake("good", "--print", "--accel", "tcg"), 0);
	p = strstr(out, name);
	assert_non_null(p);
	return strtoul(p + strlen(name), NULL, 10);
}

/* The guest gets the frequency of its TSC: two measurements agree. */
static void test_tsc(void **state)
{
	unsigned long khz = printed_khz(), again = printed_khz();

	(void)state;
	assert_in_range(khz, 100000, 100000000);
	assert_in_range(again, khz - khz / 1000, khz + khz / 1000);
	/* Under icount the guest measures the same frequency in each run. */
	assert_status(run_fake("good", "--print", "--clock", "icount"), 0);
	assert_null(strstr(out, "tsc_early_khz"));
}
#endif

static void test_panic(void **state)
{
	(void)state;
	assert_status(run_fake("panic"), 3);
	assert_has(err, "the guest panicked: [    1.1] Kernel panic - not syncing: Fatal exception");
	assert_has(err, "before that: [    1.0] BUG: kernel NULL pointer");
	assert_has(err, "partial results kept");
	assert_true(exists(in_dir("a/result.csv")));
}

static void test_oops(void **state)
{
	(void)state;
	assert_status(run_fake("oops"), 3);
	assert_has(err, "had an oops: [    1.0] Oops: 0002");
}

static void test_panic_stuck(void **state)
{
	(void)state;
	assert_status(run_fake("panic-stuck"), 3);
	assert_has(err, "Kernel panic - not syncing: stuck");
}

static void test_small(void **state)
{
	(void)state;
	assert_status(run_fake("small"), 3);
	assert_has(err, "give the guest more: MEM=2G (now 1G)");
	assert_status(run_fake("small", "--mem", "3G"), 3);
	assert_has(err, "give the guest more: MEM=6G (now 3G)");
}

static void test_stall(void **state)
{
	int64_t begin = now_ms();

	(void)state;
	assert_status(run_fake("silent", "--stall", "1"), 4);
	assert_true(now_ms() - begin < 5000);
	assert_has(err, "hung: no output for 1 s");
	assert_has(err, "last line: [    1.0] the last words");
	assert_true(exists(in_dir("a/result.csv")));
}

static void test_timeout(void **state)
{
	(void)state;
	assert_status(run_fake("chatty", "--timeout", "1", "--stall", "30"), 4);
	assert_has(err, "not done after 1 s");
}

/* Both times are multiplied, by the option or else by the environment. */
static void test_slow(void **state)
{
	(void)state;
	assert_status(run_fake("silent", "--stall", "1", "--slow", "2"), 4);
	assert_has(err, "no output for 2 s");
	setenv("SLOW", "1.5", 1);
	assert_status(run_fake("chatty", "--timeout", "2"), 4);
	assert_has(err, "not done after 3 s");
	assert_status(run_fake("silent", "--stall", "1", "--slow", "1"), 4);
	assert_has(err, "no output for 1 s");
	setenv("SLOW", "snail", 1);
	assert_status(run_fake("good"), 1);
	assert_has(err, "invalid SLOW 'snail': expected a number from 1 to 1000");
	unsetenv("SLOW");
	assert_status(run_fake("good", "--slow", "0"), 1);
	assert_has(err, "invalid --slow '0'");
}

static void test_growth_is_life(void **state)
{
	(void)state;
	/* Shorter than the whole, longer than one pause on a slow host. */
	assert_status(run_fake("growing", "--stall", "3"), 0);
	assert_true(exists(in_dir("b/9")));
}

static void test_truncated(void **state)
{
	(void)state;
	assert_status(run_fake("truncated"), 6);
	assert_has(err, "results truncated");
	assert_true(exists(in_dir("channel.tar")));
	assert_true(exists(in_dir("a/result.csv")));
	/* A file that is cut short is not kept. */
	assert_false(exists(in_dir("big")));
}

/* A guest must not make cowguest remove a file of the host. */
static void test_truncated_link(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("outside"), 0755), 0);
	put(at("outside/victim"), "dear");
	setenv("FAKE_LINK", at("outside"), 1);
	assert_status(run_fake("truncated-link"), 6);
	assert_true(exists(at("outside/victim")));
}

static void test_no_word(void **state)
{
	(void)state;
	assert_status(run_fake("no-word"), 5);
	assert_has(err, "without its closing word");
}

static void test_qemu_exits(void **state)
{
	(void)state;
	assert_status(run_fake("dies"), 5);
	assert_has(err, "QEMU ended with exit status 3");
	assert_has(err, "QEMU said: qemu: could not set up host forwarding");
}

static void test_qemu_signal(void **state)
{
	(void)state;
	assert_status(run_fake("signal"), 5);
	assert_has(err, "killed by signal 11");
	assert_has(err, "QEMU said: qemu: internal error");
}

static void test_failed(void **state)
{
	(void)state;
	assert_status(run_fake("failed"), 8);
	assert_has(err, "jobs failed: cowbench saw a wrong byte at page 7\n");
	assert_true(exists(in_dir("a/result.csv")));
}

static void test_warning(void **state)
{
	(void)state;
	assert_status(run_fake("warning"), 7);
	assert_has(err, "not clean: 1 line, the first in ");
	assert_has(err, "/console.log, line 3: [    1.0] WARNING: CPU: 0");
}

static void test_dmesg_warning(void **state)
{
	(void)state;
	assert_status(run_fake("dmesg-warning"), 7);
	assert_has(err, "/b/dmesg.log, line 1: [    2.0] WARNING: possible circular");
	/* A second run in the same DIR: the old log must not count. */
	assert_status(run_fake("good"), 0);
}

static void test_same_line_once(void **state)
{
	(void)state;
	assert_status(run_fake("twice"), 7);
	assert_has(err, "1 line, the first");
}

static void test_unfinished_line(void **state)
{
	(void)state;
	assert_status(run_fake("late"), 7);
	assert_has(err, "Bad page state");
}

static void test_allow(void **state)
{
	(void)state;
	assert_status(run_fake("warning", "--allow", "nothing like it",
			       "--allow", "at mm/memory\\.c:[0-9]+ "), 0);
	assert_status(run_fake("warning", "--allow", "at mm/rmap\\.c"), 7);
	assert_status(run_fake("warning", "--allow", "("), 1);
	assert_has(err, "--allow '('");
}

static void test_bad_lines(void **state)
{
	static const char * const bad[] = {
		"UBSAN: shift-out-of-bounds in mm/x.c:1:2",
		"[1.0] BUG: KASAN: slab-out-of-bounds in cow",
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
		"rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
		"INFO: task cow:12 blocked for more than 120 seconds.",
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s!",
		"Out of memory: Killed process 12 (cowbench)",
		"Memory cgroup out of memory: Killed process 12 (cowbench)",
		"oom-kill:constraint=CONSTRAINT_MEMCG",
		"BUG: Bad page state in process cow  pfn:123",
		"BUG: Bad rss-counter state mm:1 type:MM_ANONPAGES val:1",
		"kmemleak: 3 new suspicious memory leaks (see ...)",
		"WARNING: suspicious RCU usage",
		"WARNING: inconsistent lock state",
		"WARNING: possible recursive locking detected",
		"cowbench: page allocation failure: order:4, mode:0x1",
		"noise[    1.0] BUG: sleeping function called from invalid context",
	};
	static const char * const good[] = {
		"traps: cow[12] general protection fault ip:1 sp:2 error:0",
		"traps: cow[12] trap invalid opcode ip:1 sp:2 error:0",
		"kasan: KernelAddressSanitizer initialized (generic)",
		"Lock dependency validator: Copyright (c) 2006 Red Hat",
		"kmemleak: Kernel memory leak detector initialized",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		setenv("FAKE_LINE", bad[i], 1);
		assert_status(run_fake("log-line"), 7);
	}
	for (i = 0; i < sizeof(good) / sizeof(*good); i++) {
		setenv("FAKE_LINE", good[i], 1);
		assert_status(run_fake("log-line"), 0);
	}
}

/* A run's dmesg has hundreds of thousands of lines. */
static void test_big_log(void **state)
{
	int64_t begin = now_ms();

	(void)state;
	assert_status(run_fake("big-log"), 7);
	assert_has(err, "/dmesg.log, line 300001: [    9.0] BUG: at the end");
	assert_true(now_ms() - begin < 10000);
}

static void test_evil_guest(void **state)
{
	char buf[4096];

	(void)state;
	assert_status(run_fake("evil"), 5);
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "\"clock\"");
	assert_null(strchr(err, '\033'));
	assert_null(strstr(err, "root:"));
	assert_true(exists("/etc/passwd"));
}

static void test_hostile_members(void **state)
{
	char buf[4096];

	(void)state;
	setenv("FAKE_LINK", at("elsewhere"), 1);
	assert_status(run_fake("hostile"), 6);
	assert_false(exists(at("hard")));
	assert_true(exists(in_dir("hard")));
	assert_false(exists(in_dir("link")));
	assert_false(exists(in_dir("pipe")));
	assert_false(exists(in_dir("out")));
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "\"clock\"");
	/* An absolute name is one inside DIR. */
	assert_status(run_fake("absolute"), 0);
	assert_false(exists(at("elsewhere")));
	snprintf(buf, sizeof(buf), "%s%s/result.csv", dir, at("elsewhere"));
	assert_true(exists(buf));
}

static void test_no_qemu(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--qemu", at("nowhere")), 9);
	assert_has(err, "apt-get install qemu-system-x86");
	assert_status(run_fake("good", "--qemu", "no-such-qemu"), 9);
	/* It exists, but is not for this machine. */
	put(at("noexec"), "\177ELFgarbage");
	chmod(at("noexec"), 0755);
	assert_status(run_fake("good", "--qemu", at("noexec")), 9);
	assert_has(err, "cannot execute");
}

static void test_missing_files(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--kernel", at("none")), 1);
	assert_has(err, "/none: No such file or directory: `make kernel`");
	assert_status(run_fake("good", "--initrd", at("none")), 1);
	assert_has(err, "initramfs ");
	assert_status(run_fake("good", "--jobs", at("none")), 1);
	assert_has(err, "job list ");
	assert_status(run_fake("good", "--jobs", at("kvm")), 1);
	assert_has(err, "empty");
	assert_status(run_fake("good", "--kernel", base), 1);
	assert_has(err, "not a regular file");
}

static void test_bad_options(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--clock", "moon"), 1);
	assert_has(err, "invalid --clock 'moon': expected wall, icount or memory");
	assert_status(run_fake("good", "--accel", "xen"), 1);
	assert_status(run_fake("good", "--smp", "0"), 1);
	assert_status(run_fake("good", "--smp", "-1"), 1);
	assert_status(run_fake("good", "--mem", "lots"), 1);
	assert_has(err, "--mem 'lots'");
	assert_status(run_fake("good", "--mem", "0G"), 1);
	assert_status(run_fake("good", "--timeout", "1h"), 1);
	assert_status(run_fake("good", "stray"), 1);
	assert_status(run_fake("good", "--unknown"), 1);
	assert_status(run_fake("good", "--version"), 0);
	assert_has(out, "cowguest 1.0");
	assert_false(exists(dir));
}

/* Wait for the fake's first progress line: QEMU runs. */
static void wait_started(void)
{
	int64_t end = now_ms() + 10000;

	do {
		pause_ms(20);
		get(at("out"), out, sizeof(out));
	} while (!strstr(out, "[1/2]") && now_ms() < end);
	assert_has(out, "[1/2]");
}

static void stop_with(int sig, int status)
{
	int64_t end;
	pid_t pid;

	setenv("FAKE", "children", 1);
	setenv("FAKE_MARK", at("mark"), 1);
	unlink(at("mark"));
	put(at("out"), "");
	pid = start(USUAL, END);
	wait_started();
	/* The fake sends its first archive right after that line. */
	end = now_ms() + 10000;
	while (!exists(at("mark")) && now_ms() < end)
		pause_ms(20);
	assert_true(exists(at("mark")));
	kill(pid, sig);
	assert_status(finish(pid), status);
	assert_has(err, "QEMU was killed");
	assert_has(err, "partial results kept");
	assert_true(exists(in_dir("a/result.csv")));
}

static void test_sigint(void **state)
{
	(void)state;
	stop_with(SIGINT, 130);
	assert_has(err, "stopped by Interrupt");
}

static void test_sigterm(void **state)
{
	(void)state;
	stop_with(SIGTERM, 143);
}

/* If cowguest is killed, the guest is killed too. */
static void test_sigkill(void **state)
{
	int64_t end;
	pid_t pid;
	int ws;

	(void)state;
	setenv("FAKE", "alone", 1);
	put(at("out"), "");
	pid = start(USUAL, END);
	wait_started();
	pause_ms(300);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &ws, 0), pid);
	end = now_ms() + 5000;
	while (waitpid(-1, &ws, WNOHANG) >= 0) {
		assert_true(now_ms() < end);
		pause_ms(10);
	}
	/* The lock of a killed cowguest does not block the next one. */
	assert_status(run_fake("good"), 0);
}

static void test_second_run(void **state)
{
	char want[100];
	pid_t pid;
	int ws;

	(void)state;
	setenv("FAKE", "chatty", 1);
	put(at("out"), "");
	pid = start(USUAL, END);
	wait_started();

	snprintf(want, sizeof(want), "in use by another run (process %ld)",
		 (long)pid);
	setenv("FAKE", "good", 1);
	assert_int_equal(waitpid(start(USUAL, END), &ws, 0) > 0, 1);
	assert_true(WIFEXITED(ws));
	assert_int_equal(WEXITSTATUS(ws), 11);
	get(at("err"), err, sizeof(err));
	assert_has(err, want);
	/* The first run goes on. */
	assert_true(exists(in_dir(".lock")));
	assert_int_equal(waitpid(pid, &ws, WNOHANG), 0);
	kill(pid, SIGTERM);
	assert_int_equal(finish(pid), 143);
}

static void test_dir_not_writable(void **state)
{
	(void)state;
	/* A file where DIR's parent should be: root is refused here, too. */
	snprintf(dir, sizeof(dir), "%s/sub", at("bzImage"));
	assert_status(run_fake("good"), 10);
	assert_has(err, "cannot write ");
	assert_has(err, "Not a directory");
}

/* Console on /dev/full: works for any user. */
static void test_console_full(void **state)
{
	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	if (access("/dev/full", W_OK)) {
		print_message("no /dev/full\n");
		skip();
	}
	assert_int_equal(symlink("/dev/full", in_dir("console.log")), 0);
	assert_status(run_fake("silent"), 10);
	assert_has(err, "No space left on device");
	assert_has(err, "free)");
}

static void on_tiny_disk(const char *fake)
{
	assert_int_equal(mkdir(dir, 0755), 0);
	/* In a new mount namespace, so that nothing stays mounted. */
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    /* Two pages more than fill-results sends, or the disk is full too soon. */
	    mount("tmpfs", dir, "tmpfs", 0, "size=72k")) {
		print_message("not permitted to mount a tiny disk\n");
		skip();
	}
	setenv("FAKE", fake, 1);
	assert_status(finish(start(USUAL, END)), 10);
	assert_has(err, "No space left on device");
	assert_false(exists(in_dir("big")));
	assert_int_equal(umount(dir), 0);
}

static void test_disk_full_console(void **state)
{
	(void)state;
	on_tiny_disk("fill");
}

static void test_disk_full_channel(void **state)
{
	(void)state;
	on_tiny_disk("fill-channel");
}

static void test_disk_full_results(void **state)
{
	(void)state;
	on_tiny_disk("fill-results");
	assert_has(err, "could not be unpacked");
}

#define KVM(kvm, cpu) "--kvm-device", at(kvm), "--cpuinfo", at(cpu)

static void test_kvm(void **state)
{
	char buf[8192];

	(void)state;
	assert_status(run_fake("good", "--accel", "auto",
			       KVM("kvm", "cpu-virt")), 0);
	assert_string_equal(err, "");
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "\"accel\":\"kvm\",\"cpu_model\":\"host\"");
}

static void test_kvm_absent(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--accel", "auto",
			       KVM("none", "cpu-virt")), 0);
	assert_has(err, "KVM: ");
	assert_has(err, "/none: No such file or directory; using TCG");
	assert_status(run_fake("good", "--accel", "kvm",
			       KVM("none", "cpu-virt")), 1);
	assert_has(err, "use --accel tcg");
}

static void test_kvm_no_flag(void **state)
{
	(void)state;
	assert_status(run_fake("good", "--accel", "auto",
			       KVM("kvm", "cpu-plain")), 0);
	assert_has(err, "neither svm nor vmx; using TCG, which is slower");
}

static void test_kvm_broken(void **state)
{
	(void)state;
	setenv("FAKE_KVM", "bad", 1);
	assert_status(run_fake("good", "--accel", "auto",
			       KVM("kvm", "cpu-virt")), 0);
	assert_has(err, "KVM_CREATE_VM");
	assert_has(err, "using TCG");
	assert_status(run_fake("good", "--accel", "kvm",
			       KVM("kvm", "cpu-virt")), 1);
}

static void test_kvm_hangs(void **state)
{
	char buf[8192];

	(void)state;
	setenv("FAKE_KVM", "hang", 1);
	assert_status(run_fake("good", "--accel", "auto",
			       KVM("kvm", "cpu-virt")), 0);
	assert_has(err, "hung in a probe of 10 s; using TCG");
	get(in_dir("boot.json"), buf, sizeof(buf));
	assert_has(buf, "\"accel\":\"tcg\"");
}

static void test_shell(void **state)
{
	char buf[8192];

	(void)state;
	setenv("FAKE", "no-word", 1);
	setenv("FAKE_ARGS", at("args"), 1);
	put(at("chan"), "");
	assert_status(finish(start("", "--kernel", at("bzImage"), "--initrd",
				   at("initrd"), "--accel", "tcg", "--qemu",
				   getenv("FAKE_QEMU"), "--shell", "--out",
				   dir, END)), 0);
	get(at("args"), buf, sizeof(buf));
	assert_has(buf, "-serial\nmon:stdio\n");
	assert_null(strstr(buf, "fw_cfg"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_done),
		T(test_verbose),
		T(test_boot_json),
		T(test_icount),
		T(test_memory),
		T(test_memory_refused),
		T(test_icount_never_kvm),
		T(test_initrds_joined),
		T(test_print),
		T(test_nodes),
#ifdef __x86_64__
		T(test_tsc),
#endif
		T(test_panic),
		T(test_oops),
		T(test_panic_stuck),
		T(test_small),
		T(test_stall),
		T(test_timeout),
		T(test_slow),
		T(test_growth_is_life),
		T(test_truncated),
		T(test_truncated_link),
		T(test_no_word),
		T(test_qemu_exits),
		T(test_qemu_signal),
		T(test_failed),
		T(test_warning),
		T(test_dmesg_warning),
		T(test_same_line_once),
		T(test_unfinished_line),
		T(test_allow),
		T(test_bad_lines),
		T(test_big_log),
		T(test_evil_guest),
		T(test_hostile_members),
		T(test_no_qemu),
		T(test_missing_files),
		T(test_bad_options),
		T(test_sigint),
		T(test_sigterm),
		T(test_sigkill),
		T(test_second_run),
		T(test_dir_not_writable),
		T(test_console_full),
		T(test_disk_full_console),
		T(test_disk_full_channel),
		T(test_disk_full_results),
		T(test_kvm),
		T(test_kvm_absent),
		T(test_kvm_no_flag),
		T(test_kvm_broken),
		T(test_kvm_hangs),
		T(test_shell),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown) != 0;
}
