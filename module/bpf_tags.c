// SPDX-License-Identifier: GPL-2.0
/*
 * Which processes a policy in BPF is for. Each has the policy's number in its mm
 * (mm_cow_tag()), which children and exec() inherit. A number is not used again
 * for a long time, so that one that was left behind means nothing.
 */
#include <linux/cow_mode.h>
#include <linux/errno.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "bpf.h"

#ifdef COWLAB_BPF

/*
 * The number of a process: in the mm of a thread that still has it. If it is @old,
 * it becomes @new. -ESRCH for a kernel thread and one that has no mm any more.
 */
static int process_tag(struct task_struct *process, int old, u16 new)
{
	struct task_struct *task;
	int tag = -ESRCH;

	for_each_thread(process, task) {
		task_lock(task);
		if (task->mm && !(task->flags & PF_KTHREAD)) {
			tag = mm_cow_tag(task->mm);
			if (tag == old)
				mm_set_cow_tag(task->mm, tag, new);
		}
		task_unlock(task);
		if (tag >= 0)
			break;
	}
	return tag;
}

/* Is it one of these processes, or was it started by one, or by its children? */
static bool belongs_to(struct task_struct *process, struct pid **pids,
		       unsigned int nr)
{
	struct task_struct *task = process;
	unsigned int i;

	for (;;) {
		struct task_struct *parent;

		for (i = 0; i < nr; i++)
			if (task_tgid(task) == pids[i])
				return true;
		parent = rcu_dereference(task->real_parent)->group_leader;
		if (parent == task || !task->pid)
			return false;
		task = parent;
	}
}

/**
 * cow_bpf_tag - give processes, and their children, a policy's number
 * @pids: thread group IDs in the caller's PID namespace, up to the first 0 or
 *	COW_POLICY_PIDS of them
 * @tag: the number
 * @live: does a policy with this number exist?
 *
 * A child whose fork() is under way may be missed.
 *
 * Context: process context; the caller serializes with itself and
 * cow_bpf_untag().
 * Return: 0; -ESRCH if a process is not there, or has no memory of its own; -EBUSY
 * if one has another policy. Then nothing is changed.
 */
int cow_bpf_tag(const u32 *pids, u16 tag, bool (*live)(u16 tag))
{
	struct pid *found[COW_POLICY_PIDS];
	struct task_struct *process;
	unsigned int nr;
	int ret = 0;
	int old;

	rcu_read_lock();
	for (nr = 0; nr < COW_POLICY_PIDS && pids[nr] && !ret; nr++) {
		found[nr] = find_vpid(pids[nr]);
		process = pid_task(found[nr], PIDTYPE_TGID);
		old = process ? process_tag(process, -1, 0) : -ESRCH;
		if (old < 0)
			ret = old;
		else if (live(old))
			ret = -EBUSY;
	}
	if (!ret) {
		for_each_process(process) {
			if (!belongs_to(process, found, nr))
				continue;
			old = process_tag(process, -1, 0);
			if (old >= 0 && !live(old))
				process_tag(process, old, tag);
		}
	}
	rcu_read_unlock();
	return ret;
}

/**
 * cow_bpf_untag - take a policy's number from all that have it
 * @tag: the number
 *
 * Context: as for cow_bpf_tag().
 */
void cow_bpf_untag(u16 tag)
{
	struct task_struct *process;

	rcu_read_lock();
	for_each_process(process)
		process_tag(process, tag, 0);
	rcu_read_unlock();
}

#endif /* COWLAB_BPF */
