// SPDX-License-Identifier: GPL-2.0
/*
 * cowlat's half in the kernel: counts COW faults.
 *
 * probe.c loads only the programs that fit the running kernel. Each adds to the
 * histogram of its CPU, which no other program writes. The kernel does not run a
 * program twice at a time on a CPU, so these updates need not be atomic. A run
 * that the kernel skipped for this reason is in the program's recursion_misses.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "common/tgid.bpf.h"
#include "cowlat.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 only_tgid;
const volatile char only_comm[COWLAT_COMM];
const volatile bool use_comm;
const volatile int rows_of = ROWS_NONE;
/*
 * What the probed function's faults are. NR_STAGES: the function also serves faults
 * without a copy; one that copies calls another function, which tells its stage.
 */
const volatile __u32 stage_at_entry;

/* The half of the maps that is written; the other is being read. */
int bank;
__u64 lost;

/* A row does not fit on the stack. */
static struct cowlat_row no_row;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * NR_STAGES);
	__type(key, __u32);
	__type(value, struct cowlat_hist);
} hists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct cowlat_key);
	__type(value, struct cowlat_row);
} rows_even SEC(".maps"), rows_odd SEC(".maps");

/* A fault between a function's entry and its exit. */
struct open_fault {
	__u64 start;
	__u64 address;
	struct vm_area_struct *vma;
	__u32 stage;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct open_fault);
} faults SEC(".maps");

static __always_inline bool wanted(void)
{
	char comm[COWLAT_COMM];
	int i;

	if (only_tgid && current_tgid() != only_tgid)
		return false;
	if (!use_comm)
		return true;
	bpf_get_current_comm(comm, sizeof(comm));
	for (i = 0; i < COWLAT_COMM; i++) {
		if (comm[i] != only_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

/* The number of the highest bit that is set; @v is not 0. */
static __always_inline __u32 top_bit(__u64 v)
{
	__u32 bit = 0, step;

	step = (v > 0xffffffff) << 5, v >>= step, bit |= step;
	step = (v > 0xffff) << 4, v >>= step, bit |= step;
	step = (v > 0xff) << 3, v >>= step, bit |= step;
	step = (v > 0xf) << 2, v >>= step, bit |= step;
	step = (v > 0x3) << 1, v >>= step, bit |= step;
	return bit | v >> 1;
}

static __always_inline __u32 slot_of(__u64 ns, __u32 bits)
{
	__u32 shift;

	if (ns < 1ULL << bits)
		return ns;
	if (ns >> COWLAT_MAX_BITS)
		return COWLAT_SLOTS(bits) - 1;
	shift = top_bit(ns) - bits;
	return (shift << bits) + (ns >> shift);
}

static __always_inline void add_to_hist(__u32 stage, __u64 ns)
{
	__u32 index = (bank & 1) * NR_STAGES + stage;
	struct cowlat_hist *hist = bpf_map_lookup_elem(&hists, &index);
	__u32 slot = slot_of(ns, COWLAT_HIST_BITS);

	if (!hist)
		return;
	if (!hist->count || ns < hist->min)
		hist->min = ns;
	if (ns > hist->max)
		hist->max = ns;
	hist->count++;
	hist->sum += ns;
	/* Never true, but the verifier cannot know. */
	if (slot >= COWLAT_HIST_SLOTS)
		return;
	hist->slots[slot]++;
}

/* The range of a fault, with what its key has no room for. */
struct fault_range {
	struct cowlat_key key;
	__u64 start;
	__u64 end;
	const unsigned char *name;
};

static __always_inline void describe(struct fault_range *range,
				     struct vm_area_struct *vma)
{
	struct mm_struct *mm = BPF_CORE_READ(vma, vm_mm);
	struct file *file = BPF_CORE_READ(vma, vm_file);
	__u64 stack = BPF_CORE_READ(mm, start_stack);

	range->start = BPF_CORE_READ(vma, vm_start);
	range->end = BPF_CORE_READ(vma, vm_end);
	range->key.id = 0;
	if (file) {
		range->key.kind = RANGE_FILE;
		range->key.id = BPF_CORE_READ(file, f_inode, i_ino);
		range->key.device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
		range->name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	} else if (range->start < BPF_CORE_READ(mm, brk) &&
		   range->end > BPF_CORE_READ(mm, start_brk)) {
		range->key.kind = RANGE_HEAP;
	} else if (range->start <= stack && range->end > stack) {
		range->key.kind = RANGE_STACK;
	} else {
		range->key.kind = RANGE_ANON;
		range->key.id = range->start;
	}
}

static long found_vma(struct task_struct *task, struct vm_area_struct *vma,
		      void *range)
{
	describe(range, vma);
	return 0;
}

static __always_inline void
add_to_row(void *map, const struct fault_range *range, __u64 ns)
{
	struct cowlat_row *row = bpf_map_lookup_elem(map, &range->key);
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 slot;
	__u64 max;
	int i;

	if (!row) {
		bpf_map_update_elem(map, &range->key, &no_row, BPF_NOEXIST);
		row = bpf_map_lookup_elem(map, &range->key);
		if (!row) {
			__sync_fetch_and_add(&lost, 1);
			return;
		}
		if (range->name)
			bpf_probe_read_kernel_str(row->name, sizeof(row->name),
						  range->name);
	}
	/* Not only once: exec() changes the name, often after the first faults. */
	BPF_CORE_READ_INTO(&row->comm, task, group_leader, comm);
	row->start = range->start;
	row->end = range->end;
	__sync_fetch_and_add(&row->count, 1);
	__sync_fetch_and_add(&row->sum, ns);
	for (i = 0; i < 8; i++) {
		max = row->max;
		if (ns <= max ||
		    __sync_val_compare_and_swap(&row->max, max, ns) == max)
			break;
	}
	slot = slot_of(ns, COWLAT_ROW_BITS);
	if (slot < COWLAT_ROW_SLOTS)
		__sync_fetch_and_add(&row->slots[slot], 1);
}

/* Count a fault; @vma if it is known and cannot go away. */
static __always_inline void sample(enum cowlat_stage stage, __u64 address,
				   struct vm_area_struct *vma, __u64 ns)
{
	struct fault_range range = { 0 };
	struct task_struct *task;

	add_to_hist(stage, ns);
	if (rows_of == ROWS_NONE)
		return;
	task = (void *)bpf_get_current_task();
	range.key.tgid = current_tgid();
	range.key.born = BPF_CORE_READ(task, group_leader, start_time);
	if (rows_of == ROWS_RANGE)
		range.key.exec =
			BPF_CORE_READ(task, group_leader, self_exec_id);
	if (rows_of == ROWS_RANGE && vma)
		describe(&range, vma);
	else if (rows_of == ROWS_RANGE)
		/* Fails if a thread waits to write-lock mmap_lock: unknown. */
		bpf_find_vma(bpf_get_current_task_btf(), address, found_vma,
			     &range, 0);
	if (bank & 1)
		add_to_row(&rows_odd, &range, ns);
	else
		add_to_row(&rows_even, &range, ns);
}

/* The patched kernel's tracepoints carry the time. */
#define TRACEPOINT(event, stage)                                         \
	SEC("raw_tp/" #event)                                            \
	int tp_##event(struct bpf_raw_tracepoint_args *ctx)              \
	{                                                                \
		if (wanted())                                            \
			sample(stage, ctx->args[0], NULL, ctx->args[2]); \
		return 0;                                                \
	}

TRACEPOINT(cow_fault, STAGE_FAULT)
TRACEPOINT(cow_copy, STAGE_COPY)
TRACEPOINT(cow_file_fault, STAGE_FILE_FAULT)
TRACEPOINT(cow_huge_copy, STAGE_HUGE_COPY)
TRACEPOINT(cow_hugetlb_copy, STAGE_HUGETLB_COPY)
TRACEPOINT(cow_pmd_split, STAGE_PMD_SPLIT)

/*
 * On other kernels a function is timed, from its entry to its exit. The state is
 * in the task's storage, because a fault may sleep.
 */
static __always_inline void enter(__u64 address, struct vm_area_struct *vma)
{
	struct open_fault *fault;

	fault = bpf_task_storage_get(&faults, bpf_get_current_task_btf(), NULL,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!fault) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	/* The last exit was missed: no return probe was free. */
	if (fault->start)
		__sync_fetch_and_add(&lost, 1);
	fault->address = address;
	fault->vma = vma;
	fault->stage = stage_at_entry;
	fault->start = bpf_ktime_get_ns();
}

static __always_inline struct open_fault *current_fault(void)
{
	return bpf_task_storage_get(&faults, bpf_get_current_task_btf(), NULL,
				    0);
}

static __always_inline void leave(__u64 ret)
{
	__u64 now = bpf_ktime_get_ns(), start;
	struct open_fault *fault = current_fault();

	if (!fault || !fault->start)
		return;
	start = fault->start;
	fault->start = 0;
	/* Neither failed faults nor retries count. */
	if (ret & (VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_HWPOISON |
		   VM_FAULT_HWPOISON_LARGE | VM_FAULT_SIGSEGV | VM_FAULT_RETRY |
		   VM_FAULT_FALLBACK))
		return;
	/*
	 * As cow_file_fault: another thread was first, the driver has copied, or
	 * the time is the disk's.
	 */
	if (fault->stage == STAGE_FILE_FAULT &&
	    ret & (VM_FAULT_NOPAGE | VM_FAULT_DONE_COW | VM_FAULT_MAJOR))
		return;
	if (fault->stage < NR_STAGES)
		sample(fault->stage, fault->address, fault->vma, now - start);
}

/* A function that is called for COW faults alone, or for write-protect faults. */
static __always_inline void enter_vmf(struct vm_fault *vmf)
{
	if (wanted())
		enter(BPF_CORE_READ(vmf, address), BPF_CORE_READ(vmf, vma));
}

/* The whole part of memory management in a fault. */
static __always_inline void enter_mm(struct vm_area_struct *vma, __u64 address,
				     __u64 flags)
{
	if (flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE) && wanted())
		enter(address, vma);
}

/* A new anonymous page was mapped: a write-protect fault has copied. */
static __always_inline void mark_new_page(void)
{
	struct open_fault *fault = current_fault();

	if (fault)
		fault->stage = STAGE_FAULT;
}

/*
 * A range of the TLB is flushed. If the range has the address of the current
 * fault, another page takes the place of a page: a copy. Reusing a page, or mapping
 * the first one, flushes nothing. (The processor's error code shows a
 * write-protect fault, too, but does not exclude reuse; and the entry code has
 * overwritten the code in the registers before memory management is called.)
 */
static __always_inline void mark_flush(struct mm_struct *mm, __u64 start,
				       __u64 end)
{
	struct open_fault *fault = current_fault();
	struct vm_area_struct *vma;

	if (!fault || fault->address < start || fault->address >= end)
		return;
	vma = fault->vma;
	if (BPF_CORE_READ(vma, vm_mm) == mm)
		fault->stage = STAGE_FAULT;
}

/*
 * A page is mapped where nothing was. The page is a copy, and in cow_page, only in
 * the first write to a page of a private file mapping.
 */
static __always_inline void mark_finish(struct vm_fault *vmf)
{
	struct open_fault *fault = current_fault();

	if (fault && BPF_CORE_READ(vmf, cow_page))
		fault->stage = STAGE_FILE_FAULT;
}

SEC("fentry")
int vmf_entry(unsigned long long *ctx)
{
	enter_vmf((void *)ctx[0]);
	return 0;
}

SEC("fexit")
int vmf_exit(unsigned long long *ctx)
{
	leave(ctx[1]);
	return 0;
}

SEC("fentry")
int mm_entry(unsigned long long *ctx)
{
	enter_mm((void *)ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("fexit")
int mm_exit(unsigned long long *ctx)
{
	leave(ctx[4]);
	return 0;
}

SEC("fentry")
int new_page(unsigned long long *ctx)
{
	mark_new_page();
	return 0;
}

SEC("fentry")
int flush(unsigned long long *ctx)
{
	mark_flush((void *)ctx[0], ctx[1], ctx[2]);
	return 0;
}

SEC("fentry")
int finish(unsigned long long *ctx)
{
	mark_finish((void *)ctx[0]);
	return 0;
}

SEC("kprobe")
int k_vmf_entry(struct pt_regs *ctx)
{
	enter_vmf((void *)PT_REGS_PARM1(ctx));
	return 0;
}

SEC("kprobe")
int k_mm_entry(struct pt_regs *ctx)
{
	enter_mm((void *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx),
		 PT_REGS_PARM3(ctx));
	return 0;
}

SEC("kretprobe")
int k_vmf_exit(struct pt_regs *ctx)
{
	leave((__u32)PT_REGS_RC(ctx));
	return 0;
}

SEC("kretprobe")
int k_mm_exit(struct pt_regs *ctx)
{
	leave((__u32)PT_REGS_RC(ctx));
	return 0;
}

SEC("kprobe")
int k_new_page(struct pt_regs *ctx)
{
	mark_new_page();
	return 0;
}

SEC("kprobe")
int k_flush(struct pt_regs *ctx)
{
	mark_flush((void *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx),
		   PT_REGS_PARM3(ctx));
	return 0;
}

SEC("kprobe")
int k_finish(struct pt_regs *ctx)
{
	mark_finish((void *)PT_REGS_PARM1(ctx));
	return 0;
}

/*
 * Delay accounting's own bracket around the copying part. It has no arguments,
 * and is called only for tasks that were made while kernel.task_delayacct
 * was on.
 */
SEC("fentry")
int delay_start(unsigned long long *ctx)
{
	if (wanted())
		enter(0, NULL);
	return 0;
}

SEC("fentry")
int delay_end(unsigned long long *ctx)
{
	leave(0);
	return 0;
}

SEC("kprobe")
int k_delay_start(struct pt_regs *ctx)
{
	if (wanted())
		enter(0, NULL);
	return 0;
}

SEC("kprobe")
int k_delay_end(struct pt_regs *ctx)
{
	leave(0);
	return 0;
}
