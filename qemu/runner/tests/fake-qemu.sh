#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A stand-in for QEMU. $FAKE selects how its "guest" behaves; the guest's archives
# go to the file of the results' chardev.

set -u
if [ "${1-}" = --version ]; then
	echo 'QEMU emulator version 9.8.7 (fake "1")'
	exit 0
fi

if [ "${1-}" = -help ]; then
	echo '-h or -help     display this help and exit'
	[ -n "${FAKE_NO_PLUGINS-}" ] || echo '-plugin [file=]<file>[,<argname>=<argvalue>]'
	exit 0
fi

accel=''
chan=''
for arg; do
	case $arg in
	file,id=res,path=*) chan=${arg#file,id=res,path=} ;;
	kvm) accel=kvm ;;
	esac
done
if [ -n "${FAKE_ARGS-}" ]; then
	printf '%s\n' "$@" > "$FAKE_ARGS"
fi

# A start without an initramfs is the probe for KVM.
case "$accel $*" in
kvm*-initrd*) ;;
kvm*)
	case ${FAKE_KVM-good} in
	good) echo 'Kernel panic - not syncing: No working init found.' ;;
	bad) echo 'ioctl(KVM_CREATE_VM) failed: 16' >&2; exit 1 ;;
	hang) sleep 100 ;;
	esac
	exit 0
	;;
esac

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# One archive: NAME TEXT
send() {
	mkdir -p "$tmp/$(dirname "$1")"
	printf '%s\n' "$2" > "$tmp/$1"
	tar -C "$tmp" -cf - "$1" >> "$chan"
}

progress() {
	printf 'cowlab: progress %s\r\n' "$1"
}

echo '[    0.000000] Linux version 6.12'
progress '1/2 baseline seq round 1'
send a/result.csv 'some,numbers'
case $FAKE in
good)
	progress '2/2 next seq round 1'
	send a/dmesg.log '[    1.0] all is well'
	send closing-word 'done'
	;;
panic)
	echo '[    1.0] BUG: kernel NULL pointer dereference, address: 0'
	echo '[    1.1] Kernel panic - not syncing: Fatal exception'
	;;
oops)
	echo '[    1.0] Oops: 0002 [#1] PREEMPT SMP'
	;;
panic-stuck)
	echo '[    1.1] Kernel panic - not syncing: stuck'
	sleep 100
	;;
small)
	echo '[    0.4] Initramfs unpacking failed: write error'
	echo '[    0.5] Kernel panic - not syncing: System is deadlocked on memory'
	;;
silent)
	echo '[    1.0] the last words'
	sleep 100
	;;
alone)
	# One process that a closed pipe does not end, like QEMU.
	exec sleep 100
	;;
chatty)
	while :; do echo tick; sleep 0.2; done
	;;
growing)
	# Silent on the console, but results keep coming.
	for i in 1 2 3 4 5 6 7 8 9; do sleep 0.4; send "b/$i" x; done
	send closing-word 'done'
	;;
children)
	# The archive before this line has been sent.
	: >"$FAKE_MARK"
	sleep 100 & sleep 100 & sleep 100
	;;
truncated)
	head -c 100000 /dev/zero > "$tmp/big"
	tar -C "$tmp" -cf - big | head -c 50000 >> "$chan"
	;;
truncated-link)
	# Ends in a file of a folder that is a link out of DIR.
	mkdir "$tmp/out"
	head -c 100000 /dev/zero > "$tmp/out/victim"
	tar -C "$tmp" -cf "$tmp/tar" out/victim
	rm -r "$tmp/out"
	ln -s "$FAKE_LINK" "$tmp/out"
	tar -C "$tmp" -cf - out >> "$chan"
	head -c 50000 "$tmp/tar" >> "$chan"
	;;
no-word)
	;;
dies)
	echo 'qemu: could not set up host forwarding' >&2
	exit 3
	;;
model)
	# The plugin of --clock memory ends QEMU, after the guest has sent all.
	send closing-word 'done'
	echo 'qemu: something before' >&2
	echo "cowmem: region 'x' never ended" >&2
	exit 1
	;;
signal)
	echo 'qemu: internal error' >&2
	kill -SEGV $$
	;;
failed)
	send closing-word 'failed: cowbench saw a wrong byte at page 7'
	;;
late)
	# Unfinished line at the end of the console.
	send closing-word 'done'
	printf '[    9.0] BUG: Bad page state in process init'
	;;
warning)
	echo '[    1.0] WARNING: CPU: 0 PID: 1 at mm/memory.c:123 cow+0x1/0x2'
	send closing-word 'done'
	;;
dmesg-warning)
	send b/dmesg.log '[    2.0] WARNING: possible circular locking dependency detected'
	send closing-word 'done'
	;;
twice)
	echo '[    1.0] BUG: KASAN: use-after-free in cow'
	send dmesg.log '[    1.0] BUG: KASAN: use-after-free in cow'
	send closing-word 'done'
	;;
log-line)
	printf '%s\n' "$FAKE_LINE"
	send closing-word 'done'
	;;
big-log)
	yes '[    1.234567] COW latency: 1234 ns' | head -n 300000 \
		> "$tmp/dmesg.log"
	echo '[    9.0] BUG: at the end' >> "$tmp/dmesg.log"
	tar -C "$tmp" -cf - dmesg.log >> "$chan"
	send closing-word 'done'
	;;
evil)
	# A guest that attacks the host's files and terminal.
	ln -s /etc/passwd "$tmp/closing-word"
	tar -C "$tmp" -cf - closing-word >> "$chan"
	echo gone > "$tmp/boot.json"
	tar -C "$tmp" -cf - boot.json >> "$chan"
	printf '\033]0;owned\007\033[31mcowlab: bad\n'
	;;
hostile)
	# What could leave DIR, or replace what cowguest keeps there.
	mkdir "$tmp/boot.json"
	echo x > "$tmp/boot.json/below"
	echo x > "$tmp/hard"
	ln "$tmp/hard" "$tmp/link"
	mkfifo "$tmp/pipe"
	ln -s "$FAKE_LINK" "$tmp/out"
	tar -C "$tmp" -cf - boot.json hard link pipe out >> "$chan"
	tar -C "$tmp" --transform 's,^,/../,' -Pcf - hard >> "$chan" 2> /dev/null
	;;
absolute)
	tar -C "$tmp" --transform "s,^a/,$FAKE_LINK/," -Pcf - a/result.csv >> "$chan"
	send closing-word 'done'
	;;
fill)
	# Fills the disk of DIR through the console.
	head -c 2000000 /dev/zero | tr '\0' 'x'
	sleep 100
	;;
fill-channel)
	head -c 2000000 /dev/zero >> "$chan" 2> /dev/null
	sleep 100
	;;
fill-results)
	# The disk has room for these results once, but not twice.
	send closing-word 'done'
	head -c 24000 /dev/zero > "$tmp/big"
	tar -C "$tmp" -cf - big >> "$chan"
	;;
*)
	echo "fake-qemu: FAKE=$FAKE is unknown" >&2
	exit 98
	;;
esac
exit 0
