# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# The jobs other than cells of cowbench. Sourced by jobs.sh.
#
# experiment ARM NAME ROUND leaves its results in experiments/ARM.NAME.ROUND/;
# each program's head says what is in its CSV. NAME is
#
#	redis64 redis32k	SETs while Redis saves: request.csv redis.csv
#				timeline.csv save.hist outside.hist (redisload.c)
#	saves64 saves32k	the same with five saves: redis.csv has a row for each
#	prefork			requests to a server that forks for each:
#				request.csv all.hist (prefork.c)
#	gunicorn		requests to gunicorn, whose workers share a heap of
#				Python's, with and without gc.freeze(): web.csv
#				(webload.c)
#	folios			five operations on folios of 4 KiB to 2 MiB: folio.csv
#				(foliocow.c)
#	fork			fork() by size of the process: fork.csv (forkcost.c)
#	scaling			writers, and sizes: scaling.csv (scaling.c)
#	filecow			first writes to a private file mapping: filecow.csv
#				(filecow.c)
#	clone			clones that map one file, and write parts of it or
#				what a resumed guest writes: clone.csv (clonecow.c)
#	cycles			snapshot after snapshot: cycles.csv (cycles.c)
#	startup			starts of the programs in /startup, with a warm and a
#				cold page cache: startup.csv (startcost.c)
#	programs		starts of those in /programs: startup.csv
#	record			each COW fault of cowbench and of Redis, which saves:
#				faults.csv (cowctl record, after a column `source`)
#	vmscalability stressng perfbench
#				benchmarks that others wrote, from /peers (scripts/peers):
#				startup.csv (startcost.c), elapsed_ns until one has
#				done a fixed amount of work. Also in the arm
#				`unpatched`, on a kernel without the patches
#	memory			the least memory, by workload: memory.csv
#				(memlimit.c, its columns after one `workload`)
#
# and cowlab's counters are in stats in the same folder. COW_quick=1: less of each;
# COW_keys: number of keys in Redis.

experiment() {
	cell_dir=$OUT/experiments/$1.$2.$3
	mkdir -p "$cell_dir"
	keep_lists_short || return 1
	if [ "$1" = unpatched ]; then
		[ ! -e "$COWLAB" ] || {
			echo "arm unpatched: this kernel has cowlab" >&2
			return 1
		}
		experiment_"$2" "$1" "$3"
		return
	fi
	echo 1 >"$COWLAB"/reset
	case $2 in
	redis64) redis "$1" 64 "$3" 1 ;;
	redis32k) redis "$1" 32768 "$3" 1 ;;
	saves64) redis "$1" 64 "$3" 5 ;;
	saves32k) redis "$1" 32768 "$3" 5 ;;
	prefork | gunicorn | folios | fork | scaling | memory | filecow | clone | cycles | record | \
		startup | programs | vmscalability | stressng | perfbench)
		experiment_"$2" "$1" "$3" ;;
	*)
		echo "unknown experiment $2" >&2
		return 1
		;;
	esac || return 1
	cat "$COWLAB"/stats >"$cell_dir"/stats
	unset_arm
}

# pick QUICK FULL
pick() {
	[ "${COW_quick:-0}" = 1 ] && echo "$1" || echo "$2"
}

# preload_cowwarm BUDGET: print the words that start a program with it
preload_cowwarm() {
	# The dynamic linker would only warn.
	cowwarm=${COW_warm:-/lib/cowwarm.so}
	[ -e "$cowwarm" ] || {
		echo "no $cowwarm" >&2
		return 1
	}
	echo "env LD_PRELOAD=$cowwarm COWWARM_BUDGET=$1"
}

# append FILE: a CSV, without its header if it is not the first; it must have rows
append() {
	# shellcheck disable=SC2094
	awk -v begun="$(wc -l 2>/dev/null <"$1")" '
		NR > 1 || !begun
		END { exit NR < 2 }' >>"$1"
}

# What a running server may do in an arm, once its data set is loaded.
server_arm() {
	case $1 in
	thp | thp-off | cowwarm | thp-cowwarm) ;;
	# The policy alone: huge pages stay always on.
	thp-adaptive) set_policy adaptive 32 1 ;;
	*) set_arm "$1" >/dev/null || return 1 ;;
	esac
	case $1 in
	# The administrator sets this; no program calls madvise().
	fixed | adaptive | cowwarm | thp-adaptive | thp-cowwarm)
		set_sizes always 16 32 64 128
		;;
	esac
}

# redis ARM BYTES ROUND SAVES: with values of BYTES. The data set takes some 256 MiB
# in the server; a smaller guest, CLOCK=icount and QUICK get a quarter.
redis() {
	large=$(awk '/^MemTotal/ { print ($2 > 1500000) }' /proc/meminfo)
	# A counted instruction takes ten times as long.
	[ "${COW_quick:-0}${COW_clock:-}" = 0wall ] || large=0
	case $2 in
	64) keys=${COW_keys:-$((large ? 1700000 : 425000))} ;;
	*) keys=${COW_keys:-$((large ? 6000 : 1500))} ;;
	esac
	server=redis-server
	# Redis opts out of huge pages where they are always on.
	case $1 in thp | thp-adaptive | thp-cowwarm) server="redis-server --disable-thp no" ;; esac
	case $1 in thp*) when=always ;; *) when=madvise ;; esac
	echo "$when" >"${thp:?}"/enabled
	case $1 in *cowwarm) server="$(preload_cowwarm 512M) $server" || return 1 ;; esac
	redisload --keys "$keys" --bytes "$2" --seed "$3" --saves "$4" --server "$server" \
		--armed ". ${COW_jobs:-/etc}/jobs.sh; server_arm $1" --out "$cell_dir"
}

experiment_prefork() {
	options=$(set_arm "$1") || return 1
	# shellcheck disable=SC2086
	prefork $options --seed "$2" --requests "$(pick 50 200)" --csv \
		--hist "$cell_dir"/all.hist >"$cell_dir"/request.csv
}

# Without a collection of garbage gc.freeze() changes nothing: the tenth request of each
# worker makes one.
experiment_gunicorn() {
	[ -e /server/python3 ] || {
		echo "no /server/python3: this guest needs the archive of \`qemu/initramfs lab server\`"
		return 1
	}
	export PYTHONPATH=/usr/lib/python3/dist-packages
	# The first start compiles the modules.
	[ -d $PYTHONPATH/gunicorn/__pycache__ ] ||
		webload --records 1000 --requests 1 /server/python3 -m gunicorn || return 1
	for freeze in no yes; do
		unset_arm
		webload --freeze $freeze \
			--records "$(pick 20000 100000)" --requests "$(pick 200 2000)" \
			--seed "$2" --armed ". ${COW_jobs:-/etc}/jobs.sh; server_arm $1" \
			--debugfs "$COWLAB" --csv --hist "$cell_dir"/$freeze.hist \
			/server/python3 -m gunicorn >"$cell_dir"/rows || return 1
		append "$cell_dir"/web.csv <"$cell_dir"/rows || return 1
	done
	rm "$cell_dir"/rows
}

# folio_size KIB: what is filled now gets folios of this size, and no windows
folio_size() {
	echo 0 >"$COWLAB"/precopy
	set_sizes never 16 32 64 128 256 512 1024 2048
	[ "$1" = 4 ] || set_sizes madvise "$1"
}

experiment_folios() {
	# Otherwise it makes huge pages of what is to have another size.
	set_khugepaged 3600000 || return 1
	size=$(awk -v icount="$([ "${COW_clock:-}" = icount ] && echo 1)" '/^MemAvailable/ {
		print icount ? "64M" : $2 > 2400000 ? "1G" : "256M" }' /proc/meminfo)
	for kib in 4 16 32 64 128 256 512 1024 2048; do
		foliocow --folio ${kib}K --size "$(pick 8M "$size")" --rounds "$(pick 1 3)" \
			--before ". ${COW_jobs:-/etc}/jobs.sh; folio_size $kib" \
			--armed ". ${COW_jobs:-/etc}/jobs.sh; set_arm $1 >/dev/null" \
			--seed "$2" --csv >"$cell_dir"/rows || return 1
		append "$cell_dir"/folio.csv <"$cell_dir"/rows || return 1
	done
	rm "$cell_dir"/rows
	set_sizes never 256 512 1024
}

experiment_fork() {
	options=$(set_arm "$1") || return 1
	sizes=$(pick "16M 64M" "16M 64M 256M")
	# Both processes may finally own all of the data set.
	[ "${COW_quick:-0}" = 1 ] ||
		awk '/^MemAvailable/ { exit $2 > 2400000 }' /proc/meminfo || sizes="$sizes 1G"
	for size in $sizes; do
		# shellcheck disable=SC2086
		forkcost $options --size "$size" --rounds "$(pick 1 3)" --csv |
			append "$cell_dir"/fork.csv
	done
}

# scale WRITERS SPACE SIZE: a row
scale() {
	# shellcheck disable=SC2086
	scaling $options --writers "$1" --space "$2" --size "$3" --csv |
		append "$cell_dir"/scaling.csv
}

experiment_scaling() {
	options=$(set_arm "$1") || return 1
	for writers in 1 2 4 8; do
		for space in shared own; do
			scale $writers $space "$(pick 16M 64M)" || return 1
		done
	done
	available=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	for mib in 16 64 256 1024 4096; do
		# Both processes finally own all of the memory. Precopy is off where
		# free memory does not suffice for a second copy.
		[ $((mib * 1024 * 32 / 10)) -gt "$available" ] ||
			[ "${COW_quick:-0}$mib" -gt 1064 ] ||
			scale 1 shared ${mib}M || return 1
	done
}

# The workloads that distinguish a policy that copies too much from others.
experiment_memory() {
	options=$(set_arm "$1") || return 1
	for workload in seq sparse8 sparse64; do
		# shellcheck disable=SC2046,SC2086
		memlimit --csv -- cowbench $options $(set_workload $workload) \
			--size "$(pick 8M 32M)" --seed "$2" >"$cell_dir"/row || return 1
		[ -s "$cell_dir"/memory.csv ] ||
			echo "workload,$(head -n 1 "$cell_dir"/row)" >"$cell_dir"/memory.csv
		echo "$workload,$(tail -n 1 "$cell_dir"/row)" >>"$cell_dir"/memory.csv
		rm "$cell_dir"/row
	done
}

experiment_filecow() {
	options=$(set_arm "$1") || return 1
	echo 1 >"$COWLAB"/file
	# shellcheck disable=SC2086
	filecow ${options#--kind 4k} --rounds "$(pick 1 3)" --csv >"$cell_dir"/filecow.csv
}

experiment_clone() {
	options=$(set_arm "$1") || return 1
	echo 1 >"$COWLAB"/file
	for layout in dense scattered resume; do
		size=$(pick 64M 256M)
		# The trace is of a guest of 256 MiB.
		[ $layout != resume ] || size=256M
		# shellcheck disable=SC2086
		clonecow ${options#--kind 4k} --layout $layout --size "$size" --seed "$2" \
			--csv >"$cell_dir"/rows || return 1
		append "$cell_dir"/clone.csv <"$cell_dir"/rows || return 1
	done
	rm "$cell_dir"/rows
}

# An arm whose knob this module does not have is left out; its folder holds the
# counters alone.
experiment_cycles() {
	if [ "$1" = thp-huge_window ] && [ ! -e "$COWLAB"/huge_window ]; then
		echo "cycles: arm $1 is left out: this module has no knob huge_window"
		return
	fi
	# Otherwise it makes a huge page now and then in every arm.
	set_khugepaged 3600000 || return 1
	options=$(set_arm "$1") || return 1
	size=$(pick 16M "${COW_size:-128M}")
	quarter=$((${size%M} / 4))M
	preload=
	# -quarter: of the region; -split: what is split stays so.
	case $1 in
	thp-manual_cow-quarter) options="$options --budget $quarter" ;;
	thp-cowwarm) preload=$(preload_cowwarm 512M) || return 1 ;;
	thp-cowwarm-quarter) preload=$(preload_cowwarm $quarter) || return 1 ;;
	thp-cowwarm-split) preload="$(preload_cowwarm 512M) COWWARM_COLLAPSE=0" || return 1 ;;
	esac
	for writes in "seq 100" "rand 10" "rand 50" "zipf 100"; do
		# shellcheck disable=SC2086
		$preload cycles $options --pattern ${writes% *} --percent ${writes#* } \
			--size "$size" --cycles "$(pick 3 8)" \
			--seed "$2" --csv >"$cell_dir"/rows || return 1
		append "$cell_dir"/cycles.csv <"$cell_dir"/rows || return 1
	done
	rm "$cell_dir"/rows
}

# recorded SOURCE COMMAND...: run it, and append its faults to faults.csv
recorded() {
	source=$1
	shift
	cowctl record --output "$cell_dir"/rows &
	recorder=$!
	# With the header it records.
	until [ -s "$cell_dir"/rows ] || ! kill -0 $recorder 2>/dev/null; do sleep 0.1; done
	"$@" >"$cell_dir"/said || return 1
	kill -INT $recorder
	wait $recorder || return 1
	sed "1s/^/source,/; 1!s/^/$source,/" "$cell_dir"/rows | append "$cell_dir"/faults.csv || return 1
	rm "$cell_dir"/rows "$cell_dir"/said
}

# Its policy serves nothing: the faults are those of baseline.
experiment_record() {
	set_policy adaptive 32 1
	for pattern in seq zipf; do
		recorded $pattern cowbench --pattern $pattern --size "$(pick 4M 16M)" || return 1
	done
	recorded redis redis adaptive 64 "$2" 1 || return 1
	rm -f "$cell_dir"/redis.csv "$cell_dir"/request.csv "$cell_dir"/timeline.csv "$cell_dir"/*.hist
}

# set_startup ARM: in every arm the same folios, so that these differ in the windows
set_startup() {
	set_arm "$1" >/dev/null || return 1
	set_sizes always 16 32 64 128
	echo 1 >"$COWLAB"/file
}

# start CACHE ROUNDS PROGRAM ARG...: measure the starts of a program, of the copy on
# disk where CACHE is cold
start() {
	cache=$1
	rounds=$2
	program=$3
	shift 3
	cold=
	libraries=$LD_LIBRARY_PATH
	if [ "$cache" = cold ]; then
		cold="--cold /cold"
		libraries=/cold/lib:$LD_LIBRARY_PATH
		program=/cold/bin/${program##*/}
	fi
	# shellcheck disable=SC2086
	LD_LIBRARY_PATH=$libraries startcost $cold --rounds "$rounds" --debugfs "$COWLAB" \
		--csv -- "$program" "$@" >"$cell_dir"/rows || return 1
	append "$cell_dir"/startup.csv <"$cell_dir"/rows || return 1
	rm "$cell_dir"/rows
}

python_imports="import asyncio, email, json, unittest, xml.dom.minidom"

# cold_disk PROGRAM...: copies of programs, of their libraries and of Python's modules
# in /cold, a file system whose pages can leave the page cache; all others are in the
# initramfs, and stay. The disk is compressed memory: a read takes the time of the
# block layer and of a decompression, and does not wait.
cold_disk() {
	! grep -q ' /cold ' /proc/mounts || return 0
	mkdir -p /cold
	echo 2G >/sys/block/zram0/disksize &&
		/sbin/mke2fs -q -t ext4 -O ^has_journal /dev/zram0 &&
		mount -t ext4 -o noatime /dev/zram0 /cold || return 1
	mkdir /cold/bin /cold/lib
	for program; do
		[ -e "$program" ] || continue
		cp "$program" /cold/bin/ || return 1
		for library in $(LD_TRACE_LOADED_OBJECTS=1 "$program" |
			awk '$3 ~ /^\/lib\// { print $3 }'); do
			[ -e /cold/"$library" ] || cp "$library" /cold/lib/ || return 1
		done
		case $program in
		*/python3)
			# The first start compiles the modules.
			cp -r /usr/lib/python3* /cold/lib/ &&
				/cold/bin/python3 -c "$python_imports" || return 1
			;;
		esac
	done
	# No start may write here, as Python's does.
	mount -o remount,ro /cold
}

experiment_startup() {
	set_startup "$1" || return 1
	# shellcheck disable=SC2046
	cold_disk $(pick "/startup/git /startup/perl" "$(echo /startup/*)") || return 1
	for start in /startup/*; do
		case ${start##*/} in
		clang) set -- -cc1 -fsyntax-only -x c /dev/null ;;
		perl) set -- -e 1 ;;
		python3) set -- -c "$python_imports" ;;
		*) set -- --version ;;
		esac
		start warm "$(pick 3 30)" "$start" "$@" || return 1
		[ ! -e /cold/bin/"${start##*/}" ] ||
			start cold "$(pick 3 10)" "$start" "$@" || return 1
	done
}

# peer LABEL COMMAND...: a row of startup.csv
peer() {
	peer_label=$1
	shift
	startcost --label "$peer_label" --rounds "$(pick 1 3)" --csv -- "$@" \
		>"$cell_dir"/rows || return 1
	append "$cell_dir"/startup.csv <"$cell_dir"/rows || return 1
	rm "$cell_dir"/rows
}

# set_peers ARM: in every arm the same folios. thp and others have no meaning here.
set_peers() {
	[ -d /peers ] || {
		echo "no /peers in this guest: see make bench-peers" >&2
		return 1
	}
	if [ "$1" != unpatched ]; then set_arm "$1" >/dev/null || return 1; fi
	set_sizes always 16 32 64 128
	cd /peers || return 1
}

# Two tasks, or threads, also where there is one core: those of cow-seq and cow-rand
# are children that write what their parent has filled.
experiment_vmscalability() {
	set_peers "$1" || return 1
	nr_task=2
	unit_size=$(($(pick 24 192) << 20))
	export nr_task unit_size
	for case in anon-cow-seq anon-cow-rand anon-cow-seq-mt anon-cow-rand-mt \
		anon-w-seq anon-w-rand; do
		peer $case ./case-$case || return 1
	done
	# 20000 children, each of which ends at once; the number is the case's own.
	[ "${COW_quick:-0}" = 1 ] || peer fork ./case-fork || return 1
}

# Stressors of stress-ng, how many operations of each, and options. The numbers make
# each take some hundred million instructions. vm with --page-in: what was swapped out is
# read again between the operations.
stressors() {
	cat <<-'EOF'
		fork 500
		vfork 500
		fault 2000
		mmap 4 --mmap-bytes 16M
		mmapaddr 2000
		mmapfixed 4
		mmapfork 1
		mmaphuge 20 --mmaphuge-mmaps 4
		mmapmany 2
		vm 2000 --vm-bytes 16M --page-in
		vm-addr 2
		vm-rw 100 --vm-rw-bytes 16M
		vm-segv 50
		vm-splice 2000
		madvise 5
		remap 5
		userfaultfd 2000 --userfaultfd-bytes 4M
	EOF
}

# A fixed number of operations, one process. As root madvise poisons pages (MADV_HWPOISON),
# and dies of that, on the unpatched kernel too.
experiment_stressng() {
	set_peers "$1" || return 1
	stressors >/tmp/stressors
	while read -r stressor ops options; do
		stress_as=
		[ "$stressor" != madvise ] ||
			stress_as="./setpriv --reuid 65534 --regid 65534 --clear-groups"
		# shellcheck disable=SC2086
		peer "$stressor" $stress_as ./stress-ng --quiet --no-rand-seed --temp-path /tmp \
			--"$stressor" 1 --"$stressor"-ops "$(pick $(((ops + 9) / 10)) "$ops")" \
			$options || return 1
	done </tmp/stressors
}

experiment_perfbench() {
	set_peers "$1" || return 1
	n=$(pick 1 10)
	peer sched-messaging ./perf bench sched messaging -g 2 -l $((n * 10)) &&
		peer sched-messaging-threads ./perf bench sched messaging -t -g 2 -l $((n * 10)) &&
		peer sched-pipe ./perf bench sched pipe -l $((n * 500)) &&
		peer syscall-basic ./perf bench syscall basic -l $((n * 50000)) &&
		peer mem-memcpy ./perf bench mem memcpy -s 8MB -l "$n" -f default &&
		peer mem-memset ./perf bench mem memset -s 8MB -l "$n" -f default
}

# Those that know --version; the others are left out.
experiment_programs() {
	set_startup "$1" || return 1
	for program in /programs/*; do
		timeout 10 "$program" --version </dev/null >/dev/null 2>&1 || continue
		start warm "$(pick 3 5)" "$program" --version || return 1
	done
}
