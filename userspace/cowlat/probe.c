// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the best probe for COW faults on the running kernel, and attaches to it.
 * An inlined function has no symbol, so the kernel's symbols decide, not its
 * version.
 */
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/bpf_load.h"
#include "cowlat.skel.h"
#include "fail.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

const char *const stage_names[NR_STAGES] = {
	[STAGE_FAULT] = "fault",
	[STAGE_COPY] = "copy",
	[STAGE_FILE_FAULT] = "file_fault",
	[STAGE_HUGE_COPY] = "huge_copy",
	[STAGE_HUGETLB_COPY] = "hugetlb_copy",
	[STAGE_PMD_SPLIT] = "pmd_split",
};

enum method {
	TRACEPOINT,
	FENTRY,
	KPROBE,
};

static const char *const methods[] = {
	[TRACEPOINT] = "tracepoint",
	[FENTRY] = "fentry",
	[KPROBE] = "kprobe",
};

/**
 * struct mark - a function whose call in a fault shows that the fault copies
 * @stage: what the fault is then
 * @program: the program for it
 * @names: possible names of the function
 */
struct mark {
	enum cowlat_stage stage;
	const char *program;
	const char *names[2];
};

/* Maps a new anonymous page: the names in 6.12 and 6.1. */
static const struct mark new_page = {
	STAGE_FAULT,
	"new_page",
	{ "folio_add_new_anon_rmap", "page_add_new_anon_rmap" },
};

/* Called for the page that the copy replaces, but not when a page is reused. */
static const struct mark flush = {
	STAGE_FAULT,
	"flush",
	{ "flush_tlb_mm_range" },
};

/* Maps a page where nothing was, and knows whether it is a copy. */
static const struct mark finish = {
	STAGE_FILE_FAULT,
	"finish",
	{ "finish_fault" },
};

/**
 * struct way - a function by which COW faults are seen
 * @function: its entry begins a fault; NULL: the tracepoints
 * @end: its entry ends the fault; NULL: @function's exit does
 * @entry: program for the entry; that for a kprobe has a k_ before its name
 * @exit: program for the end
 * @stages: one bit per stage that can be timed
 * @marks: tell a fault's stage; none: every fault copies
 * @asked: use only if asked for by name
 * @meaning: what is timed
 */
struct way {
	const char *function;
	const char *end;
	const char *entry;
	const char *exit;
	unsigned int stages;
	const struct mark *marks[2];
	bool asked;
	const char *meaning;
};

static const struct way ways[] = {
	{
		.stages = (1U << NR_STAGES) - 1,
		.meaning = "the service of a fault that copies, as the kernel "
			   "times it itself",
	},
	{
		.function = "wp_page_copy",
		.entry = "vmf_entry",
		.exit = "vmf_exit",
		.stages = 1U << STAGE_FAULT,
		.meaning = "the service of a fault that copies, in "
			   "wp_page_copy()",
	},
	{
		.function = "do_wp_page",
		.entry = "vmf_entry",
		.exit = "vmf_exit",
		.stages = 1U << STAGE_FAULT,
		.marks = { &new_page },
		.meaning = "do_wp_page() where it copies: the service, and "
			   "before it the decision not to reuse the page",
	},
	{
		.function = "do_cow_fault",
		.entry = "vmf_entry",
		.exit = "vmf_exit",
		.stages = 1U << STAGE_FILE_FAULT,
		.meaning = "the service of a first write to a private file "
			   "page, in do_cow_fault()",
	},
	{
		.function = "handle_mm_fault",
		.entry = "mm_entry",
		.exit = "mm_exit",
		.stages = 1U << STAGE_FAULT | 1U << STAGE_FILE_FAULT,
		.marks = { &flush, &finish },
		.meaning = "handle_mm_fault() where it maps a copy: the "
			   "service, and before it the page-table walk and "
			   "the decision not to reuse the page, and two "
			   "probes' own cost; hugetlb is not seen",
	},
	{
		.function = "__delayacct_wpcopy_start",
		.end = "__delayacct_wpcopy_end",
		.entry = "delay_start",
		.exit = "delay_end",
		.stages = 1U << STAGE_FAULT,
		.asked = true,
		.meaning = "the kernel's delay accounting of write-protect "
			   "copies; only tasks made since "
			   "kernel.task_delayacct=1 are seen",
	},
};

static const char *const tracepoints[NR_STAGES] = {
	[STAGE_FAULT] = "cow_fault",
	[STAGE_COPY] = "cow_copy",
	[STAGE_FILE_FAULT] = "cow_file_fault",
	[STAGE_HUGE_COPY] = "cow_huge_copy",
	[STAGE_HUGETLB_COPY] = "cow_hugetlb_copy",
	[STAGE_PMD_SPLIT] = "cow_pmd_split",
};

static struct btf *kernel_btf;

/**
 * probe_require_bpf - leave with an error where cowlat cannot work
 *
 * Each reason has its own message.
 */
void probe_require_bpf(void)
{
	bpf_require();
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		fail("this kernel has no BTF, /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)");
	kernel_btf = btf__load_vmlinux_btf();
	if (!kernel_btf)
		fail("the kernel's BTF cannot be read: %s", strerror(errno));
}

/**
 * kernel_has_function - whether a function can be probed by its name
 * @name: the function
 *
 * Return: true if kallsyms has it.
 */
bool kernel_has_function(const char *name)
{
	bool found = false;
	char *line = NULL;
	size_t room = 0;
	FILE *f;

	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		char symbol[256], type;

		/* A module's symbol is followed by the module's name. */
		found = sscanf(line, "%*x %c %255s", &type, symbol) == 2 &&
			strchr("tTwW", type) && !strcmp(symbol, name);
	}
	free(line);
	fclose(f);
	return found;
}

static bool has_btf(const char *name, __u32 kind)
{
	return btf__find_by_name_kind(kernel_btf, name, kind) > 0;
}

static bool has_tracepoint(const char *name)
{
	char type[64];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return has_btf(type, BTF_KIND_TYPEDEF);
}

static bool can_probe(enum method method, const char *function)
{
	if (method == FENTRY && !has_btf(function, BTF_KIND_FUNC))
		return false;
	return kernel_has_function(function);
}

/* The name that the mark's function has here, or NULL. */
static const char *find_mark(enum method method, const struct mark *mark)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mark->names) && mark->names[i]; i++)
		if (can_probe(method, mark->names[i]))
			return mark->names[i];
	return NULL;
}

/* The stages that can be timed on this kernel. */
static unsigned int stages_here(enum method method, const struct way *way)
{
	unsigned int stages = way->stages;
	size_t i;

	if (method == TRACEPOINT)
		return has_tracepoint("cow_fault") ? stages : 0;
	if (!can_probe(method, way->function) ||
	    (way->end && !can_probe(method, way->end)))
		return 0;
	for (i = 0; i < ARRAY_SIZE(way->marks) && way->marks[i]; i++)
		if (!find_mark(method, way->marks[i]))
			stages &= ~(1U << way->marks[i]->stage);
	return stages;
}

/* Whether @text is the method, or method:function. */
static bool is_called(enum method method, const struct way *way,
		      const char *text)
{
	const size_t len = strlen(methods[method]);

	if (strncmp(text, methods[method], len))
		return false;
	if (!text[len])
		return !way->asked;
	return text[len] == ':' && way->function &&
	       !strcmp(text + len + 1, way->function);
}

static void use_program(struct probe *probe, enum method method,
			const char *name, const char *function)
{
	struct bpf_program *prog;
	char full[32];

	snprintf(full, sizeof(full), "%s%s", method == KPROBE ? "k_" : "",
		 name);
	prog = bpf_object__find_program_by_name(probe->skel->obj, full);
	bpf_program__set_autoload(prog, true);
	if (method == FENTRY)
		bpf_program__set_attach_target(prog, 0, function);
	probe->functions[probe->nr_links] = function;
	probe->progs[probe->nr_links++] = prog;
}

/* The programs for a function. */
static void use_function(struct probe *probe, enum method method,
			 const struct way *way, unsigned int stages)
{
	size_t i;

	/* Attach the end first: no fault may begin without an end. */
	use_program(probe, method, way->exit,
		    way->end ? way->end : way->function);
	for (i = 0; i < ARRAY_SIZE(way->marks) && way->marks[i]; i++)
		if (stages & 1U << way->marks[i]->stage)
			use_program(probe, method, way->marks[i]->program,
				    find_mark(method, way->marks[i]));
	use_program(probe, method, way->entry, way->function);
	probe->skel->rodata->stage_at_entry = way->marks[0] ? NR_STAGES :
					      stages & 1U << STAGE_FILE_FAULT ?
							      STAGE_FILE_FAULT :
							      STAGE_FAULT;
}

/* Attach the program at @index; true on success. */
static bool attach(struct probe *probe, unsigned int index)
{
	struct bpf_program *prog = probe->progs[index];
	const char *section = bpf_program__section_name(prog);
	struct bpf_link *link;

	if (!strcmp(section, "kprobe") || !strcmp(section, "kretprobe"))
		link = bpf_program__attach_kprobe(prog, section[1] == 'r',
						  probe->functions[index]);
	else
		link = bpf_program__attach(prog);
	probe->links[index] = link;
	return link;
}

static void set_rows(struct cowlat_bpf *skel, const struct want *want)
{
	const __u32 max = want->rows == ROWS_NONE ? 1 : want->max_rows;

	skel->rodata->rows_of = want->rows;
	bpf_map__set_max_entries(skel->maps.rows_even, max);
	bpf_map__set_max_entries(skel->maps.rows_odd, max);
}

/* Load and attach what @way needs; after a failure nothing is left. */
static bool try_way(struct probe *probe, enum method method,
		    const struct way *way, const struct want *want)
{
	uint64_t device = 0, inode = 0;
	static char name[96];
	struct cowlat_bpf *skel;
	struct bpf_program *prog;
	unsigned int i;

	memset(probe, 0, sizeof(*probe));
	skel = cowlat_bpf__open();
	if (!skel)
		return false;
	probe->skel = skel;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, false);
	skel->rodata->only_tgid = want->tgid;
	skel->rodata->own_ns = own_pid_namespace(&device, &inode);
	skel->rodata->ns_device = device;
	skel->rodata->ns_inode = inode;
	skel->rodata->use_comm = want->comm;
	if (want->comm)
		strncpy((char *)skel->rodata->only_comm, want->comm,
			COWLAT_COMM - 1);
	set_rows(skel, want);

	if (method == TRACEPOINT) {
		bpf_map__set_autocreate(skel->maps.faults, false);
		for (i = 0; i < NR_STAGES; i++) {
			if (!(want->stages & 1U << i))
				continue;
			snprintf(name, sizeof(name), "tp_%s", tracepoints[i]);
			use_program(probe, method, name, NULL);
		}
		snprintf(name, sizeof(name), "tracepoint");
	} else {
		use_function(probe, method, way, want->stages);
		snprintf(name, sizeof(name), "%s:%s", methods[method],
			 way->function);
	}
	probe->way = name;
	probe->meaning = way->meaning;

	if (cowlat_bpf__load(skel))
		goto out;
	for (i = 0; i < probe->nr_links; i++)
		if (!attach(probe, i))
			goto out;
	return true;
out:
	probe_free(probe);
	return false;
}

/* Say that no probe reports the stages that -s asks for; @can: those that some do. */
static void __attribute__((noreturn))
no_stage(const struct want *want, unsigned int can)
{
	char list[128] = "";
	size_t len = 0;
	int i;

	for (i = 0; i < NR_STAGES; i++)
		if (can & 1U << i)
			len += snprintf(list + len, sizeof(list) - len, "%s%s",
					len ? "," : "", stage_names[i]);
	if (want->way)
		fail("--probe %s reports other stages: expected -s %s",
		     want->way, list);
	fail("-s: only the cow:* tracepoints of a patched kernel report this; this kernel's functions report %s",
	     len ? list : "nothing");
}

/**
 * probe_attach - count COW faults from now on
 * @probe: the result
 * @want: what to count
 *
 * Exits with an error if the kernel has no usable probe.
 */
void probe_attach(struct probe *probe, const struct want *want)
{
	/* What functions do not see is left out where nobody asked for it. */
	const unsigned int of_function =
		want->stages == WHOLE_FAULTS ? 1U << STAGE_FAULT : want->stages;
	bool known = !want->way, tried = false;
	unsigned int can = 0;
	int error = 0;
	size_t i;

	/* The tracepoints, then each function by fentry, and by kprobe. */
	for (i = 1; i < ARRAY_SIZE(ways) * 2; i++) {
		const struct way *way = &ways[i / 2];
		enum method method = i == 1 ? TRACEPOINT :
				     i % 2  ? KPROBE :
					      FENTRY;
		unsigned int asked = i == 1 ? want->stages : of_function, here;

		if (want->way ? !is_called(method, way, want->way) : way->asked)
			continue;
		known = true;
		here = stages_here(method, way);
		can |= here;
		if (!here || asked & ~here)
			continue;
		if (way->end && want->rows == ROWS_RANGE)
			fail("-a: delay accounting does not tell the address");
		if (try_way(probe, method, way, want))
			return;
		error = errno;
		tried = true;
	}
	if (!known)
		fail("--probe %s: unknown; see cowlat --help", want->way);
	if (!can && want->way)
		fail("--probe %s: this kernel does not have it", want->way);
	if (!can)
		fail("no probe for COW faults: this kernel has neither the cow:* tracepoints nor a symbol wp_page_copy, do_wp_page or handle_mm_fault");
	if (!tried)
		no_stage(want, can);
	fail("cannot attach to the kernel: %s (-v says more)", strerror(error));
}

/**
 * probe_detach - stop counting
 * @probe: the programs; their counts stay
 */
void probe_detach(struct probe *probe)
{
	unsigned int i;

	/* Detach the begin of a fault first. */
	for (i = probe->nr_links; i--;) {
		bpf_link__destroy(probe->links[i]);
		probe->links[i] = NULL;
	}
}

/**
 * probe_free - detach and free everything
 * @probe: the programs
 */
void probe_free(struct probe *probe)
{
	int error = errno;

	probe_detach(probe);
	cowlat_bpf__destroy(probe->skel);
	memset(probe, 0, sizeof(*probe));
	errno = error;
}

/**
 * probe_missed - number of events that the kernel or cowlat could not count
 * @probe: the programs
 *
 * Return: the number since probe_attach().
 */
__u64 probe_missed(const struct probe *probe)
{
	__u64 missed = probe->skel->bss->lost;
	unsigned int i;

	for (i = 0; i < probe->nr_links; i++) {
		struct bpf_prog_info info = { 0 };
		__u32 size = sizeof(info);

		if (!bpf_obj_get_info_by_fd(bpf_program__fd(probe->progs[i]),
					    &info, &size))
			missed += info.recursion_misses;
	}
	return missed;
}
