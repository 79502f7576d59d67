# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Completes the options of cowlab's commands, which --help lists, and the values
# of those options that take one of a few words.
_cowlab() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=
	local command=("$1")
	COMPREPLY=()
	# `--option=value` comes as three words.
	if [ "$cur" = = ]; then
		cur=
	elif [ "$prev" = = ] && ((COMP_CWORD > 1)); then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${1##*/}:$prev in
	cowbench:-b | cowbench:--prepare) words='none populate_write manual_cow' ;;
	cowbench:-p | cowbench:--pattern)
		words='seq rev rand sparse2 sparse8 sparse64 zipf stride3 reuse paced'
		;;
	cowbench:-l | cowbench:--listen) words='timing log timing,log' ;;
	cowbench:-w | cowbench:--writer) words='parent child both' ;;
	cowbench:-H | cowbench:--csv-header) words='yes no' ;;
	cycles:-b | cycles:--prepare)
		words='none populate_write manual_cow collapse khugepaged threads'
		;;
	cycles:-p | cycles:--pattern) words='seq rev rand zipf' ;;
	cycles:-V | cycles:--verify) words='no yes' ;;
	cowctl:cowctl)
		[[ $cur == -* ]] ||
			words=$("$1" --help 2>/dev/null | sed -n '/^COMMAND is/,/^$/s/^  \([a-z]*\) .*/\1/p')
		;;
	cowctl:precopy) words='0 1 2' ;;
	cowctl:policy)
		words='next fixed adaptive'
		[ "${COMP_WORDS[1]}" != policy ] || words='load list unload'
		;;
	cowctl:*)
		if [ "${COMP_WORDS[1]}" = set ] && [[ $cur != -* ]]; then
			words='precopy= policy= window= large_folio= huge_window= file= timing= log= latency_cap_ns= pid='
			compopt -o nospace 2>/dev/null || true
		fi
		;;
	cowkv:-m | cowkv:--snapshot) words='cowsnap fork none' ;;
	cowkv:-p | cowkv:--pattern) words='rand seq' ;;
	cowguest:--accel) words='auto tcg kvm' ;;
	cowguest:--clock) words='wall icount memory' ;;
	cowguest:--model) words='epyc-milan xeon-icx laptop' ;;
	memprobe:-p | memprobe:--probe) words='chase pages copy sort' ;;
	cowlat:-s | cowlat:--stage) words='fault copy file_fault huge_copy hugetlb_copy pmd_split all' ;;
	cowlat:--probe) words='tracepoint fentry kprobe' ;;
	scaling:-a | scaling:--space) words='shared own' ;;
	webload:-f | webload:--freeze) words='no yes' ;;
	foliocow:-o | foliocow:--operation)
		words='fork munmap cow-byte reuse-byte child-reuse-byte all'
		;;
	redisload:-k) ;;
	prefork:-k | prefork:--kind | cycles:-k | cycles:--kind) words='4k thp mthp' ;;
	*:-k | *:--kind) words='4k thp mthp hugetlb' ;;
	esac
	if [ -z "$words" ]; then
		# Anything else is a file, which `complete -o default` finds.
		[[ $cur == -* ]] || return 0
		# cowctl's commands have options of their own.
		[ "${1##*/}" != cowctl ] || [[ ${COMP_WORDS[1]} == -* ]] || command+=("${COMP_WORDS[1]}")
		words=$("${command[@]}" --help 2>/dev/null | grep -oE '^ {2,6}(-.,  ?)?--[a-z-]+' | grep -oE -- '--[a-z-]+')
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _cowlab clonecow cowbench cowctl cowguest cowkv cowlat cowreport cycles \
	filecow foliocow forkcost manual_cow memlimit prefork redisload scaling startcost webload
