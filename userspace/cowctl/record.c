// SPDX-License-Identifier: GPL-2.0
/* `cowctl record`: each copy-on-write fault, as a line of a CSV file. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "common/util.h"
#include "cowctl/knobs.h"
#include "cowctl/object.h"
#include "cowctl/policy.h"
#include "policies/record.h"

#define OBJECT "../lib/cowlab/policies/record.bpf.o"

static const char *debugfs = POLICY_DEBUGFS;
static const char *file;
static const char *output = "-";
static uint32_t pids[POLICY_PIDS];
static uint64_t seconds;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static bool take_pids(const char *arg)
{
	return parse_pids(arg, pids);
}

/* Where `make install` puts it, seen from the program. */
static const char *installed_object(void)
{
	static char path[512];
	ssize_t n =
		readlink("/proc/self/exe", path, sizeof(path) - sizeof(OBJECT));
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, OBJECT);
	return path;
}

static FILE *open_output(void)
{
	FILE *out = strcmp(output, "-") ? fopen(output, "we") : stdout;

	if (!out)
		die("record: %s: %s", output, strerror(errno));
	return out;
}

static int write_record(void *context, void *data, size_t size)
{
	const struct cow_record *record = data;

	if (size < sizeof(*record))
		return -EINVAL;
	return fprintf(context, "%llu,%u,%u,0x%llx,0x%llx\n", record->ns,
		       record->pid, record->tid, record->vma,
		       record->address) < 0 ?
		       -EIO :
		       0;
}

/* The program's only variable. */
static uint64_t faults_lost(struct policy *policy)
{
	struct bpf_map *map =
		bpf_object__find_map_by_name(policy->object, ".bss");
	const uint64_t *lost;
	size_t size;

	lost = map ? bpf_map__initial_value(map, &size) : NULL;
	return lost ? *(const volatile uint64_t *)lost : 0;
}

static struct ring_buffer *open_ring(struct policy *policy, FILE *out)
{
	struct bpf_map *map =
		bpf_object__find_map_by_name(policy->object, "faults");
	struct ring_buffer *ring = map ? ring_buffer__new(bpf_map__fd(map),
							  write_record, out,
							  NULL) :
					 NULL;

	if (!ring)
		die("%s: no ring buffer 'faults': it is not the policy `record`",
		    policy->file);
	return ring;
}

static void drain(struct ring_buffer *ring)
{
	uint64_t end = seconds ? now_ns() + seconds * 1000000000 : UINT64_MAX;
	int n = 0;

	while (!stop && now_ns() < end && (n >= 0 || n == -EINTR))
		n = ring_buffer__poll(ring, 100);
	if (n >= 0 || n == -EINTR)
		n = ring_buffer__consume(ring);
	if (n < 0)
		die("record: cannot write %s: %s", output, strerror(-n));
}

/**
 * command_record - the command `record`
 * @argc: arguments
 * @argv: from `record` on
 */
void command_record(int argc, char **argv)
{
	static const char about[] =
		"Record each copy-on-write fault as a line of a CSV file, until Ctrl-C. Meanwhile windows do not serve these processes.";
	static const struct opt opts[] = {
		OPT_POLICY_PIDS(take_pids),
		{ "output", 'o', "FILE", "Where to (standard output)",
		  OPT_TEXT(output) },
		{ "seconds", 't', "N", "How long (until Ctrl-C)",
		  OPT_NUMBER(seconds, 1, 1000000) },
		{ "object", 'b', "FILE",
		  "The policy's object file (the installed one)",
		  OPT_TEXT(file) },
		OPT_POLICY_DEBUGFS(debugfs),
		{ 0 },
	};
	struct sigaction action = { .sa_handler = on_signal };
	struct ring_buffer *ring;
	struct bpf_link *link;
	struct policy policy;
	char precopy[16];
	uint64_t lost;
	FILE *out;

	options_parse(argc, argv, about, opts, NULL);
	policy_require(debugfs);
	knob_read("precopy", precopy, sizeof(precopy));
	if (!strcmp(precopy, "0"))
		die("record: faults are not seen while precopy is 0: cowctl set precopy=1");
	policy_open(&policy, file ? file : installed_object(), pids);
	policy_load(&policy);
	out = open_output();
	ring = open_ring(&policy, out);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	link = policy_attach(&policy);
	fprintf(stderr, "cowctl: recording\n");
	/* A script waits for this line. */
	if (fprintf(out, "ns,pid,tid,vma,address\n") < 0 || fflush(out))
		die("record: %s: %s", output, strerror(errno));
	drain(ring);
	bpf_link__destroy(link);
	lost = faults_lost(&policy);
	ring_buffer__free(ring);
	if (fflush(out) || (out != stdout && fclose(out)))
		die("record: %s: %s", output, strerror(errno));
	if (lost)
		fprintf(stderr,
			"cowctl: %" PRIu64
			" faults were lost: the buffer was full\n",
			lost);
	bpf_object__close(policy.object);
}
