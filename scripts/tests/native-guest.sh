#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# cowlab-lab in the guest, as on a machine of one's own: its results, and that every knob
# has its old value again, in whatever way the run ends. TAP on standard output.
# shellcheck disable=SC2015
set -uo pipefail
ln -sf /proc/self/fd /dev/fd
# shellcheck source=scripts/knobs.sh
. /lab/scripts/knobs.sh
export COW_size=2M COW_policies=/lib/cowlab/policies COW_warm=/lib/cowwarm.so
# None of these may be in the results.
export HOME=/home/secret-user USER=secret-user LOGNAME=secret-user
hostname secret-host
folder=$HOME/secret-folder
mkdir -p $HOME
lab=/lab/scripts/cowlab-lab
state=/run/cowlab-lab
thp=/sys/kernel/mm/transparent_hugepage
tests=0

is() {
	tests=$((tests + 1))
	[ "$2" = "$3" ] && echo "ok $tests - $1" || { echo "not ok $tests - $1"; echo "# '$2' is not '$3'"; }
}

# until_true COMMAND...: a minute at most
until_true() {
	local try
	for ((try = 0; try < 300; try++)); do
		! "$@" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

gone() { [ ! -e $state ]; }
turned() { [ "$(cat "$COWLAB/window")" = 16 ] && [ -s $state/job ]; }
begin() {
	$lab run WORKLOADS=seq ARMS='fixed hugetlb adaptive' ROUNDS=50 OUT="$1" >/tmp/log 2>&1 &
	until_true turned
	is "a run into $1 turns the knobs" "$? $(tail -n 1 /tmp/log | grep -v seq)" "0 "
}

# Values that no job sets
echo fixed >"$COWLAB/policy"
echo 7 >"$COWLAB/window"
echo 2 >"$COWLAB/precopy"
echo 1 >"$COWLAB/file"
echo always >$thp/enabled
echo always >$thp/hugepages-32kB/enabled
echo 3 >/proc/sys/vm/nr_hugepages
before=$(knobs_save)

$lab run WORKLOADS=seq ARMS='baseline fixed hugetlb' ROUNDS=1 OUT=$folder >/tmp/log 2>&1
is "a run ends well" "$? $(grep -c failed /tmp/log)" "0 0"
is "each knob has its old value again" "$(knobs_save)" "$before"
is "no state is left" "$(gone && echo none)" none
is "no name of host, user or path in the results" \
	"$(grep -rli secret $folder; find $folder -mindepth 1 -name '*secret*'; find $folder/raw/wall -name "*.seq.1" | wc -l)" 3

begin /tmp/killed
kill -9 $!
wait $! 2>/dev/null
until_true gone
is "the same after SIGKILL" "$(knobs_save)" "$before"
is "and its job is gone" "$(pidof cowbench)" ""

begin /tmp/stopped
kill -TERM $!
wait $!
is "SIGTERM ends a run with 130" $? 130
is "the same after it" "$(knobs_save)" "$before"
is "and its job is gone" "$(pidof cowbench)" ""

begin /tmp/both
kill -9 $! "$(pgrep -f cowlab-lab.*--supervise)"
kill -9 -- "-$(cat $state/job)"
wait 2>/dev/null
is "without its supervisor the knobs stay" "$([ "$(knobs_save)" = "$before" ] || echo changed)" changed
$lab restore >/tmp/log 2>&1
is "cowlab-lab restore restores them" "$? $(knobs_save)" "0 $before"

$lab run MEMORY=no WORKLOADS=scaling </dev/null >/tmp/log 2>&1
is "more than half of the memory is not taken without a word" "$? $(grep -c 'MEMORY=yes allows it' /tmp/log)" "1 1"
rmmod cowlab
$lab run WORKLOADS=seq >/tmp/log 2>&1
is "without the module: one line" "$? $(wc -l </tmp/log) $(grep -c 'no module cowlab' /tmp/log)" "1 1 1"
is "and nothing is left" "$(gone && echo none)" none
echo "1..$tests"
cp -r $folder "$OUT/run"
