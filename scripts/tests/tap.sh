# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# TAP from a shell: `try NAME COMMAND...` is a test that passes if the command
# does, `refuse NAME PATTERN COMMAND...` one that passes if the command fails
# with one line on standard error that matches, `ended STATUS DIR NAME` one of a
# guest's boot. finish prints the plan.
tests=0

result() {
	tests=$((tests + 1))
	printf '%s %d - %s\n' "$1" "$tests" "$2"
	[ "$1" = ok ] || sed 's/^/# /' <<<"${3:-}"
}

try() {
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then
		result ok "$name"
	else
		result 'not ok' "$name" "$said"
	fi
}

refuse() {
	local name=$1 pattern=$2 said
	shift 2
	if said=$("$@" 2>&1 >/dev/null); then
		result 'not ok' "$name" "it was accepted: $said"
	elif [ "$(wc -l <<<"$said")" -gt 1 ]; then
		result 'not ok' "$name" "more than one line: $said"
	elif ! grep -qE -- "$pattern" <<<"$said"; then
		result 'not ok' "$name" "it says: $said"
	else
		result ok "$name"
	fi
}

# If the guest did not end well, the end of its log in DIR goes with it.
ended() {
	if (($1 == 0)); then
		result ok "$3"
		return
	fi
	result 'not ok' "$3" "cowguest ended with status $1:
$(tail -n 20 "$2/cowguest.log" | cut -c 1-160)
$2/console.log ends in:
$(tail -n 20 "$2/console.log" | cut -c 1-160)"
}

finish() {
	echo "1..$tests"
}

# Lines of a guest's log: guest_faults has its own processes killed.
# shellcheck disable=SC2034 # used by those who source this
own_kills='guest_faults invoked oom-killer|oom-kill:.*task=guest_faults'
own_kills+='|out of memory: Killed process [0-9]+ \(guest_faults\)'
