/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAT_PROBE_H
#define COWLAT_PROBE_H

#include <linux/types.h>
#include <stdbool.h>

#include "cowlat.h"

/* The default: each fault once. */
#define WHOLE_FAULTS (1U << STAGE_FAULT | 1U << STAGE_HUGETLB_COPY)
/* One per stage, or entry, exit and marks between them. */
#define MAX_LINKS NR_STAGES

struct bpf_link;
struct bpf_program;
struct cowlat_bpf;

/**
 * struct want - what to count
 * @way: probe, such as "fentry" or "kprobe:do_wp_page"; NULL: the best
 * @stages: one bit per stage
 * @tgid: only this process; 0: all
 * @comm: only threads of this name; NULL: all
 * @rows: what a row of the table stands for
 * @max_rows: maximal number of rows
 */
struct want {
	const char *way;
	unsigned int stages;
	__u32 tgid;
	const char *comm;
	enum cowlat_rows rows;
	__u32 max_rows;
};

/**
 * struct probe - programs that are attached to the kernel
 * @skel: programs and maps
 * @links: the attachments
 * @progs: the program of each link
 * @functions: the function of each link; NULL: a tracepoint
 * @nr_links: number of links
 * @way: name of the probe
 * @meaning: what is timed
 */
struct probe {
	struct cowlat_bpf *skel;
	struct bpf_link *links[MAX_LINKS];
	struct bpf_program *progs[MAX_LINKS];
	const char *functions[MAX_LINKS];
	unsigned int nr_links;
	const char *way;
	const char *meaning;
};

extern const char *const stage_names[NR_STAGES];

void probe_require_bpf(void);
bool kernel_has_function(const char *name);
void probe_attach(struct probe *probe, const struct want *want);
void probe_detach(struct probe *probe);
void probe_free(struct probe *probe);
__u64 probe_missed(const struct probe *probe);

#endif /* COWLAT_PROBE_H */
