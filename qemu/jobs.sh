# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What a job list can say beside plain commands. Sourced by init.

thp=/sys/kernel/mm/transparent_hugepage

set_huge_pages() {
	echo "$1" >/proc/sys/vm/nr_hugepages
	[ "$(cat /proc/sys/vm/nr_hugepages)" = "$1" ] || {
		echo "no memory for $1 huge pages: give the guest more, MEM=2G" >&2
		return 1
	}
}

# set_sizes WHEN KIB...: when anonymous folios of these sizes are allocated
set_sizes() {
	when=$1
	shift
	for kib; do
		echo "$when" >$thp/hugepages-"${kib}"kB/enabled
	done
}

# set_window POLICY WINDOW LARGE-FOLIO. The region is filled with small pages,
# only copies may be large.
set_window() {
	echo "$1" >"$COWLAB"/policy
	echo "$2" >"$COWLAB"/window
	echo "$3" >"$COWLAB"/large_folio
	set_sizes madvise 16 32 64 128
	set_sizes never 2048
	echo 1 >"$COWLAB"/precopy
	echo --kind 4k --large-copies
}

# Set up an arm; prints cowbench's options for it.
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
	fixed-w*-o[01])
		# A point of the window sweep: fixed-w<window>-o<large_folio>.
		pages=${1#fixed-w}
		set_window fixed "${pages%-o?}" "${1##*-o}"
		;;
	manual_cow | populate_write | helper)
		# As for fixed; populate_write has no use for it.
		set_sizes madvise 16 32 64 128
		set_sizes never 2048
		options="--kind 4k --large-copies"
		case $1 in
		helper) echo "$options --helper" ;;
		*) echo "$options --prepare $1" ;;
		esac
		;;
	*)
		echo "unknown arm $1" >&2
		return 1
		;;
	esac
}

unset_arm() {
	echo 0 >"$COWLAB"/precopy
	set_sizes never 16 32 64 128
	set_sizes inherit 2048
	echo 0 >/proc/sys/vm/nr_hugepages
}

# A workload's options for cowbench.
set_workload() {
	case $1 in
	threads) echo --pattern seq --threads "$(nproc)" ;;
	*) echo --pattern "$1" ;;
	esac
}

# Keep the free pages that a CPU holds back for itself few. By default it takes
# 2016 at once from the buddy allocator when it has none left, in one fault:
# 250,000 instructions, 3% of a cell of 2048 faults, which fell on one cell or
# on the next by what had run before. With lists of 252 pages a fault takes at
# most 189, and every cell its share.
keep_lists_short() {
	echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
}

# cell ARM WORKLOAD ROUND [log|quiet]: measure one, first with nobody listening,
# which gives what the writer saw, then, if not quiet, with the histogram on, and
# the log if asked.
cell() {
	[ "$2" != kv ] || {
		kv_cell "$1" "$3"
		return
	}
	cell_dir=$OUT/$1.$2.$3
	mkdir -p "$cell_dir"
	keep_lists_short || return 1
	options=$(set_arm "$1") || return 1
	options="$options $(set_workload "$2") --size ${COW_size:-64M} --seed $3 --csv"

	# shellcheck disable=SC2086
	cowbench $options --hist "$cell_dir/touch.hist" >"$cell_dir/user.csv" || return 1

	if [ "${4:-}" = quiet ]; then
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

# kv_cell ARM ROUND: workload kv, a store that is saved while it is written, in
# the columns of cowbench, with begin_ns, end_ns and helper_pages behind them.
# Arm snapshot takes its snapshots with libcowsnap, snapshot-all lets its helper
# break every page as well, all others fork. Nobody listens.
kv_cell() {
	cell_dir=$OUT/$1.kv.$2
	mkdir -p "$cell_dir"
	: >"$cell_dir/unheard"
	keep_lists_short || return 1
	# Its writer sleeps now and then, as a server does: one that never does waits
	# longest for the saver's time slices, and for those of the host.
	options="--size ${COW_kv_size:-256M} --seed $2 --output /tmp/kv --csv"
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
	# shellcheck disable=SC2086
	cowkv $options >"$cell_dir/user.csv" || return 1
	unset_arm
	rm -f /tmp/kv
}

# suite PROGRAM...: a test program that speaks TAP.
suite() {
	tap=$OUT/$(echo "${1##*/} ${2:-}" | tr -cs 'a-z0-9_\n' -)${COW_flavour:-lab}.tap
	CMOCKA_MESSAGE_OUTPUT=TAP "$@" >"$tap"
	suite_status=$?
	[ $suite_status -eq 0 ] || grep '^not ok' "$tap" >&2
	return $suite_status
}

# crowd ARM PATTERN: faults on three cores in one VMA, while others read what they
# count and turn the switches
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

# probed NAME OPTION...: what the writer pays while cowlat looks on; NAME.absent
# is left where this kernel has not what it would look at
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

# crosscheck: a COW fault as all see it who time it, and what it is made up of
crosscheck() {
	# The report counts the log's lines of cells: from here on they are others.
	echo 'cowlab: crosscheck' >/dev/kmsg
	CMOCKA_MESSAGE_OUTPUT=TAP /tests/guest_crosscheck >"$OUT/crosscheck.tap" || {
		grep '^not ok' "$OUT/crosscheck.tap" >&2
		return 1
	}
	for crosscheck_arm in baseline fixed; do
		set_arm $crosscheck_arm >/dev/null &&
			cowlat --stages -j >"$OUT/stages-$crosscheck_arm.json" || return 1
		unset_arm
	done
}

# What the kernel's own tests need beside a kernel: swap, huge pages, a KSM that
# does not keep them waiting, and sizes for large copies.
selftests_begin() {
	set_huge_pages 64 || return 1
	echo 1G >/sys/block/zram0/disksize
	mkswap /dev/zram0 && swapon /dev/zram0 || return 1
	echo 0 >/sys/kernel/mm/ksm/sleep_millisecs
	set_sizes always 16 32 64 128 256
}

# selftest POLICY PROGRAM [ARGUMENT...]: one of them, under a policy; `stock`
# is the unpatched kernel. The host compares what it says, so that nothing it
# says is a failure here.
selftest() {
	mkdir -p "$OUT/$1"
	log=$OUT/$1/$2.log
	if [ "$1" != stock ]; then
		echo 0 >"$COWLAB"/precopy || return 1
		echo 64 >"$COWLAB"/window
		echo 1 >"$COWLAB"/large_folio
		[ "$1" = off ] || echo "$1" >"$COWLAB"/policy || return 1
		[ "$1" = off ] || echo 1 >"$COWLAB"/precopy || return 1
	fi
	program=./$2
	shift 2
	# ksm_functional_tests starts itself again from where it is.
	(cd /selftests && "$program" "$@") >"$log" 2>&1
	echo "# exit $?" >>"$log"
}

# shellcheck source=qemu/experiments.sh
. /etc/experiments.sh
