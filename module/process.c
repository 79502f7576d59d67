// SPDX-License-Identifier: GPL-2.0
/*
 * The file `process`: prctl(PR_SET_COW) for a process that runs already, and the
 * list of those that chose. A process is named by its ID in the PID namespace of
 * the reader or writer.
 */
#include <linux/cow_mode.h>
#include <linux/cow_policy.h>
#include <linux/kstrtox.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "account.h"
#include "cowlab.h"

static const char * const modes[] = {
	[PR_COW_DEFAULT]	= "default",
	[PR_COW_OFF]		= "off",
	[PR_COW_ON]		= "on",
};

/**
 * cow_process_set - choose for a process whether windows serve it
 * @text: "PID MODE [ORDER]"; MODE is on, off or default, ORDER the largest order of
 *	the folios that its copies may use; changed while it is read
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL for a bad text; -ESRCH if there is no such process, or it has
 * no memory of its own (a kernel thread, a zombie).
 */
int cow_process_set(char *text)
{
	char *words[4] = {}, *word;
	unsigned int n = 0, order = 0;
	struct task_struct *task;
	struct mm_struct *mm;
	int mode, pid, ret;

	while ((word = strsep(&text, " \t\n")))
		if (*word && n < ARRAY_SIZE(words))
			words[n++] = word;
	if (n < 2 || n > 3 || kstrtoint(words[0], 10, &pid) || pid <= 0)
		return -EINVAL;
	mode = match_string(modes, ARRAY_SIZE(modes), words[1]);
	if (mode < 0)
		return -EINVAL;
	if (n == 3 && (kstrtouint(words[2], 10, &order) ||
		       order > COW_MAX_ORDER))
		return -EINVAL;

	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_TGID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return -ESRCH;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return -ESRCH;
	ret = mm_set_cow(mm, mode, order);
	mmput(mm);
	return ret;
}

/**
 * cow_process_show - list the processes that chose
 * @m: the file
 *
 * A line each: "PID MODE ORDER", the counters as "KEY VALUE", NAME. As in
 * /proc/PID/status, a new line in the name is escaped.
 *
 * Context: process context.
 */
void cow_process_show(struct seq_file *m)
{
	struct pid_namespace *ns = task_active_pid_ns(current);
	struct task_struct *task;

	cow_account_sweep();
	rcu_read_lock();
	for_each_process(task) {
		pid_t pid = task_tgid_nr_ns(task, ns);
		unsigned int mode = PR_COW_DEFAULT, order = 0;
		char name[TASK_COMM_LEN];

		task_lock(task);
		if (task->mm && !(task->flags & PF_KTHREAD)) {
			mode = mm_cow_mode(task->mm);
			order = mm_cow_order(task->mm);
		}
		task_unlock(task);
		if (!pid || (mode == PR_COW_DEFAULT && !order))
			continue;
		seq_printf(m, "%d %s %u", pid, modes[mode], order);
		cow_account_show(m, task_tgid(task));
		get_task_comm(name, task);
		seq_putc(m, ' ');
		seq_escape_mem(m, name, strlen(name),
			       ESCAPE_SPACE | ESCAPE_SPECIAL, "\n\\");
		seq_putc(m, '\n');
	}
	rcu_read_unlock();
}
