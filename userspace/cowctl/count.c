// SPDX-License-Identifier: GPL-2.0
/* `cowctl top`: what the kernel counted between two looks. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/bpf_load.h"
#include "common/util.h"
#include "cowctl/top.h"
#include "top.skel.h"

static struct top_bpf *skel;

/* All rows, by process ID: those of this look, and of the look before. */
static struct top_line looks[2][TOP_ROWS];
static struct top_line *now = looks[0], *last = looks[1];
static size_t nr_last;
static uint64_t last_ns, last_lost;

static void attach(struct bpf_program *program, struct bpf_link **link)
{
	*link = bpf_program__attach(program);
	if (*link)
		return;
	if (errno == ENOENT)
		die("top: this kernel has no cow:* tracepoints: it needs the cowlab patches; `cowlat -P` works without them");
	die("top: cannot attach to the cow:* tracepoints: %s", strerror(errno));
}

/**
 * count_start - count COW faults from now on, or exit and say what to do
 */
void count_start(void)
{
	uint64_t device = 0, inode = 0;

	bpf_require();
	libbpf_set_print(NULL);
	skel = top_bpf__open();
	if (!skel)
		die("top: cannot open the BPF program: %s", strerror(errno));
	skel->rodata->own_ns = own_pid_namespace(&device, &inode);
	skel->rodata->ns_device = device;
	skel->rodata->ns_inode = inode;
	if (top_bpf__load(skel))
		die("top: cannot load the BPF program: %s", strerror(errno));
	attach(skel->progs.fault, &skel->links.fault);
	attach(skel->progs.file_fault, &skel->links.file_fault);
	attach(skel->progs.hugetlb_copy, &skel->links.hugetlb_copy);
	/* Without the module nothing is judged. */
	skel->links.judged = bpf_program__attach(skel->progs.judged);
	last_ns = now_ns();
}

/**
 * count_stop - stop counting
 */
void count_stop(void)
{
	top_bpf__destroy(skel);
}

static int by_pid(const void *a, const void *b)
{
	const struct top_line *one = a, *other = b;

	return one->pid < other->pid ? -1 : one->pid > other->pid;
}

static int by_time(const void *a, const void *b)
{
	const struct top_line *one = a, *other = b;

	if (one->row.ns != other->row.ns)
		return one->row.ns < other->row.ns ? 1 : -1;
	return by_pid(a, b);
}

/* Read all rows, in one system call unless there are very many. */
static bool read_rows(size_t *nr)
{
	static struct top_row rows[TOP_ROWS];
	static uint32_t pids[TOP_ROWS];
	const int fd = bpf_map__fd(skel->maps.rows);
	uint32_t batch, count;
	int ret = 0;
	size_t i;

	for (*nr = 0; !ret && *nr < TOP_ROWS; *nr += count) {
		count = TOP_ROWS - *nr;
		ret = bpf_map_lookup_batch(fd, *nr ? &batch : NULL, &batch,
					   pids + *nr, rows + *nr, &count,
					   NULL);
		if (ret && errno != ENOENT)
			return false;
	}
	for (i = 0; i < *nr; i++) {
		now[i].pid = pids[i];
		now[i].row = rows[i];
	}
	qsort(now, *nr, sizeof(*now), by_pid);
	return true;
}

static void subtract(struct top_row *row, const struct top_row *less)
{
	row->faults -= less->faults;
	row->pages -= less->pages;
	row->ns -= less->ns;
	row->hit -= less->hit;
	row->wasted -= less->wasted;
}

/* A process that did nothing and has ended will do nothing any more. */
static bool forget(const struct top_line *line)
{
	if (!kill(line->pid, 0) || errno != ESRCH)
		return false;
	bpf_map_delete_elem(bpf_map__fd(skel->maps.rows), &line->pid);
	return true;
}

/**
 * count_look - what each process did since the last look
 * @look: the result, valid until the next look
 *
 * Return: false with errno if the counts cannot be read.
 */
bool count_look(struct top_look *look)
{
	static struct top_line lines[TOP_ROWS];
	const uint64_t ns = now_ns();
	size_t i, nr, old = 0, kept = 0;

	if (!read_rows(&nr))
		return false;
	look->nr = 0;
	for (i = 0; i < nr; i++) {
		struct top_line *line = &lines[look->nr];

		*line = now[i];
		while (old < nr_last && last[old].pid < line->pid)
			old++;
		if (old < nr_last && last[old].pid == line->pid)
			subtract(&line->row, &last[old].row);
		if (line->row.faults || line->row.hit || line->row.wasted)
			look->nr++;
		else if (forget(line))
			continue;
		now[kept++] = now[i];
	}
	qsort(lines, look->nr, sizeof(*lines), by_time);
	look->lines = lines;
	look->seconds = (ns - last_ns) / 1e9;
	look->judged = skel->links.judged;
	look->lost = skel->bss->lost - last_lost;

	last_lost += look->lost;
	last_ns = ns;
	nr_last = kept;
	now = last;
	last = now == looks[0] ? looks[1] : looks[0];
	return true;
}
