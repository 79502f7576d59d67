// SPDX-License-Identifier: GPL-2.0
/* What redisload observes of the save: processes, memory, CPU time. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/process.h"
#include "common/region.h"
#include "common/util.h"
#include "experiments/redisload.h"

/* What a process has used until now. */
struct usage usage_of(pid_t pid)
{
	struct usage usage = { .faults = process_faults(pid) };
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	usage.timed = read_text(path, text, sizeof(text)) &&
		      sscanf(text, "%lu %lu", &usage.cpu, &usage.wait) == 2;
	return usage;
}

/* What a process used between @from and @to. */
struct usage usage_between(const struct usage *from, const struct usage *to)
{
	return (struct usage){
		.timed = from->timed && to->timed,
		.faults = to->faults - from->faults,
		.cpu = to->cpu - from->cpu,
		.wait = to->wait - from->wait,
	};
}

/* What was used in @a and in @b. */
struct usage usage_sum(const struct usage *a, const struct usage *b)
{
	return (struct usage){
		.timed = a->timed && b->timed,
		.faults = a->faults + b->faults,
		.cpu = a->cpu + b->cpu,
		.wait = a->wait + b->wait,
	};
}

/* Anonymous memory of the machine, in KiB. */
uint64_t anon_kb(void)
{
	char text[4096];
	uint64_t kb = 0;

	if (!read_text("/proc/meminfo", text, sizeof(text)) ||
	    !text_field(text, "AnonPages:", &kb))
		die("cannot read AnonPages from /proc/meminfo");
	return kb;
}

static pid_t child_of(pid_t pid)
{
	char path[64], text[64];
	uint64_t child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if (!read_text(path, text, sizeof(text)))
		die("cannot read %s: this kernel needs CONFIG_PROC_CHILDREN",
		    path);
	text_field(text, "", &child);
	return child;
}

/* Send BGSAVE */
void save_ask(struct save *save, const struct server *server)
{
	static const char text[] = "*1\r\n$6\r\nBGSAVE\r\n";

	save->asked = now_ns();
	if (write(server->admin->fd, text, strlen(text)) !=
	    (ssize_t)strlen(text))
		die("BGSAVE: %s", strerror(errno));
}

/* Take the answer to BGSAVE, find the saving process */
void save_begun(struct save *save, const struct server *server)
{
	unsigned int tries = 100;
	void *reply = NULL;

	redisGetReply(server->admin, &reply);
	save->begun = now_ns();
	freeReplyObject(redis_checked(server->admin, reply, "BGSAVE"));
	/* The kernel's list may miss one while another of them ends. */
	for (; !(save->child = child_of(server->pid)) && tries; tries--)
		usleep(100);
	if (!save->child)
		die("the save has ended already: more data (--keys, --bytes) takes longer");
	save->child_fd = syscall(SYS_pidfd_open, save->child, 0);
	if (save->child_fd < 0)
		die("pidfd_open: %s", strerror(errno));
}

/*
 * Look at the memory of the saving process and of the machine, which had
 * @anon_before KiB before the save.
 */
void save_watch(struct save *save, uint64_t anon_before)
{
	uint64_t peak = memory_peak_kb(save->child);
	uint64_t anon = anon_kb();

	if (peak > save->child_peak_kb)
		save->child_peak_kb = peak;
	if (anon > anon_before && anon - anon_before > save->growth_kb)
		save->growth_kb = anon - anon_before;
}

static uint64_t rss_kb(pid_t pid)
{
	char path[64], text[4096];
	uint64_t kb;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!read_text(path, text, sizeof(text)) ||
	    !text_field(text, "VmRSS:", &kb))
		die("cannot read VmRSS from %s", path);
	return kb;
}

/* Wait until the server has reaped the saving process; note what it says of it */
void save_wait(struct save *save, const struct server *server)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	redisContext *c = server->admin;
	redisReply *r;

	while (redis_info(c, "persistence", "rdb_bgsave_in_progress:"))
		nanosleep(&pause, NULL);
	r = redis_command(c, "INFO persistence");
	if (!strstr(r->str, "rdb_last_bgsave_status:ok"))
		die("the save failed, see the server's log");
	freeReplyObject(r);
	save->fork_us = redis_info(c, "stats", "latest_fork_usec:");
	save->cow_bytes = redis_info(c, "persistence", "rdb_last_cow_size:");
	save->server_kb = rss_kb(server->pid);
}
