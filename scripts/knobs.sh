# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Sourced by cowlab-lab: saving and restoring the knobs that the jobs turn.

knobs_files() {
	local thp=/sys/kernel/mm/transparent_hugepage
	# The switch comes first: nobody is served while others are restored.
	printf '%s\n' "$COWLAB"/{precopy,policy,window,large_folio,huge_window,file} \
		"$COWLAB"/{latency_cap_ns,timing,log,pid} $thp/enabled $thp/hugepages-*/enabled \
		$thp/khugepaged/{pages_to_scan,scan_sleep_millisecs,alloc_sleep_millisecs,max_ptes_shared} \
		/proc/sys/vm/{nr_hugepages,percpu_pagelist_high_fraction}
}

# knob FILE: its value; of a list the one in brackets
knob() {
	sed -E 's/.*\[(.*)\].*/\1/' "$1"
}

# knobs_save: FILE VALUE per line
knobs_save() {
	local file
	knobs_files | while read -r file; do
		[ ! -e "$file" ] || printf '%s %s\n' "$file" "$(knob "$file")"
	done
}

# knobs_restore SAVED: write what differs; all are tried
knobs_restore() {
	local file value status=0 switch=
	[ ! -e "$COWLAB/precopy" ] || echo 0 >"$COWLAB/precopy" || status=1
	while read -r file value; do
		[ -e "$file" ] || continue
		[ "$file" != "$COWLAB/precopy" ] || { switch=$value; continue; }
		[ "$(knob "$file")" = "$value" ] || echo "$value" >"$file" || status=1
	done <"$1"
	[ -z "$switch" ] || echo "$switch" >"$COWLAB/precopy" || status=1
	return $status
}
