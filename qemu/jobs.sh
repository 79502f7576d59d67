# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# The functions that a job list can call. Sourced by init, and on a machine of one's own
# by scripts/cowlab-lab, which says by COW_jobs, COW_policies, COW_warm and TMPDIR where
# things are.

thp=/sys/kernel/mm/transparent_hugepage
bpf_policies=${COW_policies:-/lib/cowlab/policies}

set_huge_pages() {
	echo "$1" >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" = "$1" ] || {
		echo "no memory for $1 huge pages: give the guest more, MEM=2G" >&2
		return 1
	}
}

# set_sizes WHEN KIB...: set the `enabled` file of these folio sizes to WHEN
set_sizes() {
	when=$1
	shift
	for kib; do
		echo "$when" >$thp/hugepages-"${kib}"kB/enabled
	done
}

# set_policy POLICY WINDOW LARGE-FOLIO
set_policy() {
	echo "$1" >"$COWLAB"/policy
	echo "$2" >"$COWLAB"/window
	echo "$3" >"$COWLAB"/large_folio
	set_sizes madvise 16 32 64 128
	echo 1 >"$COWLAB"/precopy
}

# set_window POLICY WINDOW LARGE-FOLIO. The region consists of small pages; only
# copies may be large.
set_window() {
	set_policy "$@"
	set_sizes never 2048
	echo --kind 4k --large-copies
}

# set_khugepaged MILLISECONDS: how long khugepaged sleeps between scans, each of all
# memory. unset_arm restores its knobs, which are saved in a file: set_arm runs in a
# shell of its own.
khugepaged_saved=${TMPDIR:-/tmp}/khugepaged.saved
set_khugepaged() {
	[ -e "$khugepaged_saved" ] ||
		(cd $thp/khugepaged && grep . pages_to_scan scan_sleep_millisecs \
			alloc_sleep_millisecs max_ptes_shared) >"$khugepaged_saved" || return 1
	echo 1000000 >$thp/khugepaged/pages_to_scan
	echo 10 >$thp/khugepaged/alloc_sleep_millisecs
	echo 511 >$thp/khugepaged/max_ptes_shared
	echo "$1" >$thp/khugepaged/scan_sleep_millisecs
}

unset_khugepaged() {
	[ -e "$khugepaged_saved" ] || return 0
	while IFS=: read -r knob value; do
		echo "$value" >$thp/khugepaged/"$knob"
	done <"$khugepaged_saved"
	rm "$khugepaged_saved"
}

# Set up an arm; print the options of cowbench for it.
set_arm() {
	echo 0 >"$COWLAB"/precopy
	echo madvise >$thp/enabled
	case $1 in
	baseline) echo --kind 4k ;;
	thp) echo --kind thp ;;
	mthp64)
		set_sizes madvise 64
		set_sizes never 2048
		echo --kind mthp
		;;
	hugetlb)
		set_huge_pages 64 || return 1
		echo --kind hugetlb
		;;
	next)
		echo next >"$COWLAB"/policy
		echo 1 >"$COWLAB"/precopy
		echo --kind 4k
		;;
	fixed) set_window fixed 16 1 ;;
	adaptive) set_window adaptive 32 1 ;;
	bpf-*)
		# A policy in BPF, with the settings of adaptive.
		cowctl policy load "$bpf_policies/${1#bpf-}.bpf.o" >&2 || return 1
		set_window adaptive 32 1
		;;
	fixed-w*-o[01])
		# A point of the window sweep: fixed-w<window>-o<large_folio>.
		pages=${1#fixed-w}
		set_window fixed "${pages%-o?}" "${1##*-o}"
		;;
	manual_cow | populate_write | helper)
		# As for fixed. MADV_POPULATE_WRITE takes windows while precopy is on.
		set_sizes madvise 16 32 64 128
		set_sizes never 2048
		options="--kind 4k --large-copies"
		[ "$1" != populate_write ] || echo 1 >"$COWLAB"/precopy
		case $1 in
		helper) echo "$options --helper" ;;
		*) echo "$options --prepare $1" ;;
		esac
		;;
	# Huge pages that are written after one fork() and shared by the next: with
	# windows, and with what else may keep them huge. For cycles.c.
	thp-adaptive)
		set_policy adaptive 32 1
		echo --kind thp
		;;
	thp-huge_window)
		set_policy adaptive 32 1
		echo 1 >"$COWLAB"/huge_window || return 1
		echo --kind thp
		;;
	thp-manual_cow | thp-manual_cow-quarter) echo --kind thp --prepare manual_cow ;;
	thp-cowwarm | thp-cowwarm-quarter | thp-cowwarm-split) echo --kind thp --prepare threads ;;
	thp-collapse) echo --kind thp --prepare collapse ;;
	thp-khugepaged)
		# As busy as an administrator may make it.
		set_khugepaged 10 || return 1
		echo --kind thp --prepare khugepaged
		;;
	*)
		echo "unknown arm $1" >&2
		return 1
		;;
	esac
}

unset_arm() {
	echo 0 >"$COWLAB"/precopy
	for bpf_pin in /sys/fs/bpf/cowlab/*; do
		[ ! -e "$bpf_pin" ] || cowctl policy unload "${bpf_pin##*/}"
	done
	[ ! -e "$COWLAB"/huge_window ] || echo 0 >"$COWLAB"/huge_window
	unset_khugepaged
	echo 0 >"$COWLAB"/file
	set_sizes never 16 32 64 128
	set_sizes inherit 2048
	echo 0 >/proc/sys/vm/nr_hugepages
}

# Print the options of cowbench for a workload.
set_workload() {
	case $1 in
	threads) echo --pattern seq --threads "$(nproc)" ;;
	touch-all) echo --pattern seq --touch-all ;;
	reader) echo --pattern seq --reader ;;
	*) echo --pattern "$1" ;;
	esac
}

# Keep the lists of free pages per CPU short. By default a CPU whose list is empty
# takes 2016 pages from the buddy allocator, in one fault: 250,000 instructions, 3%
# of a cell of 2048 faults. Which cell paid for this depended on what had run before.
# With lists of 252 pages a fault takes at most 189, and every cell pays its share.
keep_lists_short() {
	echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
}

# cell ARM WORKLOAD ROUND [log|quiet]: measure one cell: first with tracing off, which
# gives the latencies that the writer saw; then, unless quiet, with the histogram on,
# and with log, with one log line per fault. Under CLOCK=memory the first measurement
# is a region of interest of qemu/memory, named as the cell, and there is no second.
cell() {
	[ "$2" != kv ] || {
		kv_cell "$1" "$3"
		return
	}
	cell_dir=$OUT/$1.$2.$3
	mkdir -p "$cell_dir"
	keep_lists_short || return 1
	options=$(set_arm "$1") || return 1
	cell_size=64M
	# The model takes ten times as long, and its caches are empty at the start anyway.
	[ "${COW_clock:-}" != memory ] || cell_size=16M
	options="$options $(set_workload "$2") --size ${COW_size:-$cell_size} --seed $3 --csv"

	# shellcheck disable=SC2086
	COWLAB_REGION=$1.$2.$3 cowbench $options --hist "$cell_dir/touch.hist" \
		>"$cell_dir/user.csv" || return 1

	if [ "${COW_clock:-}" = memory ] || [ "${4:-}" = quiet ]; then
		unset_arm
		return
	fi
	echo 1 >"$COWLAB"/reset
	listen=timing
	if [ "${4:-}" = log ]; then
		listen=timing,log
		echo "cowlab: begin arm=$1 workload=$2 round=$3" >/dev/kmsg
	else
		: >"$cell_dir/unlogged"
	fi
	# shellcheck disable=SC2086
	cowbench $options --listen $listen >"$cell_dir/listen.csv" || return 1
	[ $listen = timing ] || echo "cowlab: end arm=$1 workload=$2 round=$3" >/dev/kmsg
	cat "$COWLAB"/latency_hist >"$cell_dir/latency_hist"
	cat "$COWLAB"/stats >"$cell_dir/stats"
	unset_arm
}

# Keep the only core busy under icount: QEMU 7.2 may add the instructions since its last
# look at the clock a second time when it skips the time of a core that halts at that
# moment (icount_start_warp_timer() reads the count before the core's thread has stored
# it). Two runs of kv, which halts ten thousand times, then differ by some nanoseconds
# from there on. With this process the core never halts, and any other preempts it.
never_halt() {
	halt_spinner=
	[ "${COW_clock:-}" = icount ] || return 0
	chrt -i 0 sh -c 'while :; do :; done' &
	halt_spinner=$!
}

may_halt() {
	[ -z "$halt_spinner" ] || kill "$halt_spinner"
}

# kv_cell ARM ROUND: workload kv, a store that is saved while it is written. The CSV
# has the columns of cowbench, then begin_ns, end_ns and helper_pages. Arm snapshot
# takes its snapshots with libcowsnap; in snapshot-all its prefetcher copies every
# page; all other arms fork. Tracing is off.
kv_cell() {
	cell_dir=$OUT/$1.kv.$2
	mkdir -p "$cell_dir"
	: >"$cell_dir/unheard"
	keep_lists_short || return 1
	# The writer sleeps now and then, as a server does. The longest waits of a
	# writer that never sleeps are time slices of the saver, and of the host.
	options="--size ${COW_kv_size:-256M} --seed $2 --output ${TMPDIR:-/tmp}/kv --csv"
	options="$options --idle 50000 --writes 10000"
	options="$options --hist $cell_dir/touch.hist"
	case $1 in
	snapshot) ;;
	no-snapshot) options="$options --snapshot none" ;;
	snapshot-all) options="$options --budget ${COW_kv_size:-256M} --everything" ;;
	*)
		set_arm "$1" >/dev/null || return 1
		options="$options --snapshot fork"
		;;
	esac
	never_halt
	# shellcheck disable=SC2086
	cowkv $options >"$cell_dir/user.csv"
	kv_status=$?
	may_halt
	[ $kv_status -eq 0 ] || return 1
	unset_arm
	rm -f "${TMPDIR:-/tmp}/kv"
}

# suite PROGRAM...: run a test program that writes TAP
suite() {
	tap=$OUT/$(echo "${1##*/} ${2:-}" | tr -cs 'a-z0-9_\n' -)${COW_flavour:-lab}.tap
	CMOCKA_MESSAGE_OUTPUT=TAP "$@" >"$tap"
	suite_status=$?
	if grep -q '^1\.\.0' "$tap"; then
		echo "no test matches: $*" >&2
		return 1
	fi
	[ $suite_status -eq 0 ] || grep '^not ok' "$tap" >&2
	return $suite_status
}

# crowd ARM PATTERN: faults on three cores in one VMA, while other processes read the
# counters and change the window
crowd() {
	set_arm "$1" >/dev/null || return 1
	echo 1 >"$COWLAB"/timing
	while :; do cat "$COWLAB"/stats "$COWLAB"/latency_hist; done >/dev/null &
	crowd_reader=$!
	while :; do for n in 4 16 64; do echo $n >"$COWLAB"/window; done; done &
	cowbench --threads 3 --size 16M -L -w both -n 8 -p "$2"
	crowd_status=$?
	kill $! $crowd_reader
	echo 0 >"$COWLAB"/timing
	unset_arm
	return $crowd_status
}

# probed NAME OPTION...: the cost of the writer's faults while cowlat traces them;
# leaves NAME.absent where this kernel does not have the function to be traced
probed() {
	probed_name=$1
	shift
	cowlat -j "$@" >"$OUT/$probed_name.json" 2>"$OUT/$probed_name.err" &
	until grep -q '^Timed' "$OUT/$probed_name.err"; do
		if ! kill -0 $! 2>/dev/null; then
			grep -q 'does not have it$' "$OUT/$probed_name.err" || return 1
			: >"$OUT/$probed_name.absent"
			return
		fi
		sleep 0.1
	done
	cowbench --size 16M --csv >"$OUT/$probed_name.csv" || return 1
	kill -INT $! && wait $!
}

# crosscheck: the time of a COW fault by each of its observers, and its parts
crosscheck() {
	# The report counts the log lines of cells; those after this one are not counted.
	echo 'cowlab: crosscheck' >/dev/kmsg
	CMOCKA_MESSAGE_OUTPUT=TAP /tests/guest_crosscheck >"$OUT/crosscheck.tap" || {
		grep '^not ok' "$OUT/crosscheck.tap" >&2
		return 1
	}
	for crosscheck_arm in baseline fixed; do
		set_arm $crosscheck_arm >/dev/null &&
			cowlat --breakdown -j >"$OUT/stages-$crosscheck_arm.json" || return 1
		unset_arm
	done
}

# Set up what the kernel's own tests need: swap, huge pages, a KSM without pauses,
# and sizes for large copies.
selftests_begin() {
	# protection_keys reads it.
	[ -e /etc/passwd ] || echo root:x:0:0:root:/root:/bin/sh >/etc/passwd
	echo 1G >/sys/block/zram0/disksize
	mkswap /dev/zram0 && swapon /dev/zram0 || return 1
	echo 0 >/sys/kernel/mm/ksm/sleep_millisecs
	set_sizes always 16 32 64 128 256
}

# selftest POLICY PROGRAM [ARGUMENT...]: run one of these tests under a policy; `stock`
# is the unpatched kernel. The host compares the output, so a failed test is not a
# failed job.
selftest() {
	mkdir -p "$OUT/$1"
	log=$OUT/$1/$2.log
	# Some tests change their number, one asks for exactly one.
	case $2 in
	hugetlb_fault_after_madv) set_huge_pages 1 ;;
	*) set_huge_pages 64 ;;
	esac || return 1
	if [ "$1" != stock ]; then
		echo 0 >"$COWLAB"/precopy || return 1
		echo 64 >"$COWLAB"/window
		echo 1 >"$COWLAB"/large_folio
		[ "$1" = off ] || echo "$1" >"$COWLAB"/policy || return 1
		[ "$1" = off ] || echo 1 >"$COWLAB"/precopy || return 1
	fi
	program=./$2
	shift 2
	# ksm_functional_tests executes itself by its relative path. Children of
	# protection_keys write after its end.
	: >"$log"
	(cd /selftests && "$program" "$@") >>"$log" 2>&1
	echo "# exit $?" >>"$log"
}

# shellcheck source=qemu/experiments.sh
. "${COW_jobs:-/etc}/experiments.sh"
