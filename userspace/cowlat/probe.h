/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWLAT_PROBE_H
#define COWLAT_PROBE_H

#include <linux/types.h>
#include <stdbool.h>

#include "cowlat.h"

/* At most one for each stage, or the entry, the exit and a mark between. */
#define MAX_LINKS NR_STAGES

struct bpf_link;
struct bpf_program;
struct cowlat_bpf;

/**
 * struct want - what is to be counted
 * @way: how to see a fault, as "fentry" or "kprobe:do_wp_page"; NULL: the best
 * @stages: a bit for each stage
 * @tgid: only this process; 0: all
 * @comm: only threads of this name; NULL: all
 * @rows: what a row of the table stands for
 * @max_rows: how many there may be
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
 * @links: what holds the programs there
 * @nr_links: how many
 * @progs: the program of each link
 * @way: how a fault is seen
 * @meaning: what is timed
 */
struct probe {
	struct cowlat_bpf *skel;
	struct bpf_link *links[MAX_LINKS];
	struct bpf_program *progs[MAX_LINKS];
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
