// SPDX-License-Identifier: GPL-2.0
/* What the library may do here, found out without harm to the program. */
#include "cowwarm/warm.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/manual_cow.h"
#include "cowwarm/scan.h"

/* How far up the stack a signal frame is looked for. */
#define STACK_LOOK (1UL << 20)
/* Reads what is between the variables, too, which AddressSanitizer reports. */
#define ALL_OF_STACK __attribute__((no_sanitize_address, noinline))

/**
 * break_cow - manual_cow(), or what stands in for it
 * @addr: where
 * @bytes: how much
 *
 * The tests on a kernel without the call are built with COWWARM_STAND_IN.
 */
int break_cow(void *addr, size_t bytes)
{
#ifdef COWWARM_STAND_IN
	return bytes ? madvise(addr, bytes, MADV_POPULATE_WRITE) : 0;
#else
	return manual_cow(addr, bytes, 0);
#endif
}

/**
 * filtered - whether a seccomp filter may answer system calls
 *
 * A filter may kill the caller for a call that it does not know.
 */
bool filtered(void)
{
	return prctl(PR_GET_SECCOMP) != 0;
}

/* What the thread and its creation need, each with arguments that do nothing. */
static const struct {
	long nr;
	unsigned long args[4];
} calls[] = {
	{ SYS_close_range, { 1, 0, 0 } },
	{ SYS_pidfd_open, { 0, ~0U } },
	{ SYS_ioctl, { ~0U, PAGEMAP_SCAN } },
	{ SYS_pread64, { ~0U } },
	{ SYS_openat, { ~0U } },
	{ SYS_newfstatat, { ~0U } },
	{ SYS_readlink, { 0 } },
	{ SYS_poll, { 0 } },
	{ SYS_futex, { 0, ~0U } },
	{ SYS_waitid, { ~0U } },
	{ SYS_mmap, { 0 } },
	{ SYS_mremap, { 1 } },
	{ SYS_munmap, { 1 } },
	{ SYS_mprotect, { 1 } },
	{ SYS_madvise, { 1 } },
	{ SYS_getpriority, { ~0U } },
	{ SYS_setpriority, { ~0U } },
	{ SYS_sched_getscheduler, { ~0U } },
	{ SYS_sched_setscheduler, { ~0U } },
	{ SYS_sched_getaffinity, { ~0U } },
	{ SYS_rt_sigprocmask, { ~0U, 0, 0, 1 } },
	{ SYS_prctl, { ~0U } },
	{ SYS_clone3, { 0 } },
	{ SYS_set_robust_list, { 0 } },
	{ SYS_rseq, { 0 } },
	{ SYS_clock_gettime, { ~0U } },
	{ SYS_getpid, { 0 } },
	{ SYS_gettid, { 0 } },
};

static int try_calls(void *unused)
{
	size_t i;

	(void)unused;
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		syscall(calls[i].nr, calls[i].args[0], calls[i].args[1],
			calls[i].args[2], calls[i].args[3]);
	syscall(SYS_exit, break_cow(NULL, 0) ? 1 : 0);
	return 1;
}

/**
 * calls_survive - make the calls in a process that may be killed for them
 *
 * Like vfork(): nothing is copied. Its end sends no signal, and a wait of the
 * program does not see it.
 *
 * Return: false if the program must not make them.
 */
bool calls_survive(void)
{
	static char stack[16384] __attribute__((aligned(16)));
	sigset_t all, old;
	int status = -1;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone(try_calls, stack + sizeof(stack), CLONE_VM | CLONE_VFORK,
		    NULL);
	if (pid > 0) {
		while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
			;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return !status;
}

/* The kernel's idea of struct sigaction. */
struct action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

/* Whether a word can be read: the kernel copies the set before it looks at "how". */
static bool readable(uintptr_t at)
{
	return syscall(SYS_rt_sigprocmask, -1L, at, NULL, 8UL) &&
	       errno == EINVAL;
}

/*
 * Whether a signal's frame is there: the restorer's address, a ucontext_t whose
 * stack pointer and floating point state lie above. Remains of a former frame have
 * mostly been overwritten in part.
 */
ALL_OF_STACK static bool is_frame(const uint64_t *at)
{
	const ucontext_t *context = (void *)(at + 1);
	const greg_t *regs = context->uc_mcontext.gregs;
	uintptr_t here = (uintptr_t)at;

	return readable((uintptr_t)&context->uc_mcontext.fpregs) &&
	       context->uc_flags < 16 && !context->uc_link &&
	       (regs[REG_CSGSFS] & 0xffff) == 0x33 &&
	       (uint64_t)regs[REG_RSP] - here < 64 << 10 &&
	       (uintptr_t)context->uc_mcontext.fpregs - here < 64 << 10;
}

/* Handlers return to the restorer: its address is in the signal's frame. */
ALL_OF_STACK static bool stack_has_frame(const void *const *restorers,
					 unsigned int nr)
{
	uintptr_t at = (uintptr_t)__builtin_frame_address(0) & ~7UL;
	uintptr_t end = at + STACK_LOOK;
	unsigned int i;

	for (; at < end; at += sizeof(uint64_t)) {
		if (!(at % PAGE_BYTES) && !readable(at))
			return false;
		for (i = 0; i < nr; i++) {
			if (*(const uint64_t *)at == (uintptr_t)restorers[i] &&
			    is_frame((const uint64_t *)at))
				return true;
		}
	}
	return false;
}

/**
 * in_signal_handler - whether the caller may be in a signal handler
 *
 * There no thread can be created: the C library allocates memory for it.
 * A handler's signal is blocked while the handler runs, or never (SA_NODEFER).
 */
bool in_signal_handler(void)
{
	const void *restorers[4];
	unsigned int nr = 0, i;
	uint64_t blocked = 0;
	stack_t stack;
	int sig;

	if (!sigaltstack(NULL, &stack) && stack.ss_flags & SS_ONSTACK)
		return true;
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, 8UL);
	for (sig = 1; sig <= 64; sig++) {
		struct action action = { 0 };

		if (syscall(SYS_rt_sigaction, (long)sig, NULL, &action, 8UL) ||
		    !action.restorer ||
		    !(action.flags & SA_NODEFER || blocked >> (sig - 1) & 1))
			continue;
		for (i = 0; i < nr && restorers[i] != action.restorer; i++)
			;
		if (i == nr && nr < ARRAY_SIZE(restorers))
			restorers[nr++] = action.restorer;
	}
	return nr && stack_has_frame(restorers, nr);
}
