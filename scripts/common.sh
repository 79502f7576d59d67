# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts here: messages, errors and paths.
set -euo pipefail
# What other programs say is read in English.
export LC_ALL=C.UTF-8

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# KERNEL: the version of the series. What is built for another than the first is in
# a folder of its own.
export KERNEL=${KERNEL:-6.12}
build=$top/build
[ "$KERNEL" = 6.12 ] || build=$top/build/$KERNEL
cd "$top"

say() {
	printf '%s: %s\n' "${0##*/}" "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# one_of WHAT VALUE ALLOWED...
one_of() {
	local what=$1 value=$2 word
	shift 2
	for word; do
		[ "$word" != "$value" ] || return 0
	done
	die "unknown $what '$value': one of $*"
}

# kernels: the versions that there is a series for
kernels() {
	printf '%s\n' patches/linux-* | sed 's,.*/linux-,,'
}

# number WHAT VALUE MIN MAX
number() {
	[[ $2 =~ ^[0-9]{1,6}$ ]] && (($2 >= $3 && $2 <= $4)) ||
		die "$1=$2: a number from $3 to $4"
}

# check_size: what a run takes, FULL, ROUNDS, SMP and MEM, or die
check_size() {
	one_of 'choice (FULL)' "$FULL" 0 1
	number ROUNDS "$ROUNDS" 1 1000
	number SMP "$SMP" 1 64
	[[ $MEM =~ ^[0-9]{1,5}[MG]$ ]] || die "MEM=$MEM: a size like 1024M or 2G"
}

# run_folder: set run to a new folder of results, which is the latest
run_folder() {
	run=results/runs/$(date -u +%Y-%m-%dT%H%M%SZ)
	mkdir -p "$run"
	ln -sfn "${run#results/}" results/latest
}

# locked ARGUMENT...: go on only with build/ locked; the arguments are the script's
locked() {
	[ "${COWLAB_LOCKED:-}" ] || exec "$top/scripts/alone" "${0##*/}" "$0" "$@"
}

# slow_factor: export SLOW, how many times slower this host is than the one where
# the time allowances and estimates were measured; at least 1. There, two of these
# loops side by side took 0.50 s, on a day when the lab kernel took 7 min 18 s.
slow_factor() {
	[ -z "${SLOW:-}" ] || return 0
	local took TIMEFORMAT=%R
	took=$({ time { slow_loop & slow_loop; wait; }; } 2>&1)
	SLOW=$(awk "BEGIN { n = $took / 0.50; printf \"%.1f\", n < 1 ? 1 : n }")
	export SLOW
}

slow_loop() {
	local i
	for ((i = 0; i < 300000; i++)); do :; done
}

# minutes SECONDS: as text, scaled by SLOW
minutes() {
	awk -v slow="${SLOW:-1}" "BEGIN {
		n = $1 * slow
		if (n < 90) printf \"%d s\", n; else printf \"%d min\", (n + 30) / 60
	}"
}

# The flavours: lab is for users, debug detects mistakes, kcsan detects data
# races, stock and distro-stock are lab and distro without the patches, mutant is for
# make mutate: it detects some mistakes, and links quickly. machine is for `make deb`.
flavours='lab distro debug kcsan stock distro-stock mutant machine'
flavour() {
	# shellcheck disable=SC2086
	one_of flavour "$1" $flavours
	tree=$build/$1/linux
}

unpatched() {
	grep -vE '^CONFIG_(COW_|MANUAL_COW)'
}

# fragments FLAVOUR: its configuration. What is called otherwise in this version is
# in qemu/linux-VERSION.config: its lines are added, but "# CONFIG_X is not set"
# takes CONFIG_X away.
fragments() {
	local file=qemu/linux-$KERNEL.config

	if [ -f "$file" ]; then
		options "$1" | grep -vxFf <(sed -n 's/^# \(CONFIG_.*\) is not set$/\1=y/p' "$file")
		grep '^CONFIG' "$file"
	else
		options "$1"
	fi
}

# options FLAVOUR: its configuration in any version. Without JUMP_LABEL a switch that is
# flipped modifies data, not code, which QEMU before 8.1 may run too late; users
# and figures get the kernel with it.
options() {
	case $1 in
	lab) cat qemu/kernel.config ;;
	distro) cat qemu/kernel.config qemu/distro.config ;;
	stock) options lab | unpatched ;;
	distro-stock) options distro | unpatched ;;
	debug)
		grep -vhE '^CONFIG_(DEBUG_INFO|JUMP_LABEL)' qemu/kernel.config \
			qemu/distro.config | cat - qemu/debug.config
		;;
	machine)
		[ ! "${CONFIG:-}" ] || { cat qemu/own.config; return; }
		# What only tests need, and what machine.config says otherwise.
		cat qemu/kernel.config qemu/distro.config |
			grep -vE '^CONFIG_(NR_CPUS|GUP_TEST|HWPOISON_INJECT|IKCONFIG.*)=' |
			cat - qemu/machine.config
		;;
	kcsan | mutant)
		grep -vE '^CONFIG_(DEBUG_INFO|JUMP_LABEL)' qemu/kernel.config |
			cat - "qemu/$1.config"
		;;
	esac
}

# Debug information is for BTF: the types and functions that cowlat and BPF
# programs attach to are in these folders. Elsewhere it would only take time.
debug_info='mm kernel kernel/bpf kernel/cgroup kernel/events kernel/module kernel/rcu
	kernel/sched kernel/trace arch/x86/lib arch/x86/mm fs net/bpf net/core net/netlink'

# kernel_make FLAVOUR ARGUMENT...: make in a flavour's tree, with the variables
# that the result depends on
kernel_make() {
	local flavour=$1 suffix=-cowlab-$1
	shift
	# Its packages have these in their names and versions.
	[ "$flavour" != machine ] || { suffix=-cowlab; set -- KBUILD_BUILD_VERSION=1 "$@"; }
	# By its dependency file ccache knows what an object is made of, without
	# a run of the preprocessor. Trees of one version share objects.
	CCACHE_DEPEND=1 CCACHE_NOHASHDIR=1 make -C "$build/$flavour/linux" \
		"CC=ccache gcc" "HOSTCC=ccache gcc" \
		"CFLAGS_KERNEL=\$(if \$(filter ${debug_info//[[:space:]]/ },\$(obj)),,-g0)" \
		"LOCALVERSION=$suffix" KBUILD_BUILD_USER=cowlab \
		KBUILD_BUILD_HOST=cowlab KBUILD_BUILD_TIMESTAMP=@0 "$@"
}

# selftest_programs FLAVOUR: the kernel's own tests that run under each policy. More of
# them need the options of distributions.
selftest_programs() {
	printf '%s\n' cow madv_populate ksm_functional_tests soft-dirty mremap_test split_huge_page_test
	[ "$1" != distro ] || printf '%s\n' gup_longterm pagemap_ioctl uffd-unit-tests mlock2-tests \
		mlock-random-test migration hugetlb-madvise hugetlb_fault_after_madv mkdirty \
		on-fault-limit mrelease_test mremap_dontunmap hugepage-mremap protection_keys_64
}

# Those of our series: the unpatched kernel has none of what they test. The programs
# that test windows choose the policies themselves.
own_selftests=(manual_cow cow_mode cow_windows cow_windows_file)

# column NAME FILE: a field of cowbench's CSV, of the first round
column() {
	awk -F , -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) n = i }
		NR == 2 { print $n }' "$2"
}

# guest_once OUT OPTIONS...: run cowguest; its results, and its messages about the
# guest's end, go to OUT
guest_once() {
	local out=$1
	shift
	mkdir -p "$out"
	# cowguest handles Ctrl-C and prints a message.
	{ "$build/host/cowguest" --out "$out" "$@" 2>&1 >&3 | tee -i "$out/cowguest.log" >&2; } 3>&1
}

# run_guest OUT OPTIONS...: the same, repeated at most twice where a bug of the
# emulator ended the guest: multi-threaded TCG before QEMU 8.1 may execute a static
# branch's int3 after the kernel has removed it.
run_guest() {
	local out=$1 try status
	shift
	for try in 1 2 3; do
		status=0
		guest_once "$out" "$@" || status=$?
		((status == 3)) && grep -q 'Oops: int3' "$out/console.log" || break
		((try < 3)) || break
		say "that was QEMU's int3 bug (see README); once more" >&2
		rm -rf "$out"
	done
	return $status
}
