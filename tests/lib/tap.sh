# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# TAP for shell tests; sourced.  A test script:
#
#      . "$top_srcdir/tests/lib/tap.sh"
#      plan 2
#      check "one and one is two" [ $((1 + 1)) -eq 2 ]
#      skip "the moon is reached" "no rocket here"
#
# By hand, a script runs from the top of an in-tree build.
# Nothing here exits by itself but skip_all and bail_out.  A script whose plan
# is not met fails: automake's TAP driver sees to it.

: "${top_srcdir:=.}" "${top_builddir:=.}"
tap_n=0
tap_failed=0

# plan N: how many results will follow.
plan()
{
	echo "1..$1"
}

# skip_all REASON: nothing of this script can run here.
skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

# bail_out REASON: the test itself is broken, not what it tests.
bail_out()
{
	echo "Bail out! $*"
	exit 1
}

ok()
{
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $*"
}

not_ok()
{
	tap_n=$((tap_n + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_n - $*"
}

# skip NAME REASON
skip()
{
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

# Print the standard input, or the arguments, as comments.
note()
{
	if [ $# -gt 0 ]; then
		printf '%s\n' "$*"
	else
		cat
	fi | sed 's/^/# /'
}

# check NAME COMMAND...: ok if COMMAND succeeds; else what it said.
check()
{
	tap_name=$1
	shift
	if tap_said=$("$@" 2>&1); then
		ok "$tap_name"
	else
		not_ok "$tap_name"
		note "failed: $*"
		[ -z "$tap_said" ] || note "$tap_said"
	fi
}

# empty NAME TEXT: ok if there is nothing to complain of; else the complaints.
empty()
{
	if [ -z "$2" ]; then
		ok "$1"
	else
		not_ok "$1"
		note "$2"
	fi
}

have()
{
	command -v "$1" >/dev/null 2>&1
}

# A folder of this script's own in the build tree, removed at its end.
work_dir()
{
	tap_dir=$(mktemp -d "$top_builddir/tmp.XXXXXX") || bail_out "no temporary folder"
	trap 'chmod -R u+w "$tap_dir"; rm -rf "$tap_dir"' EXIT
	trap 'exit 1' HUP INT TERM
}
