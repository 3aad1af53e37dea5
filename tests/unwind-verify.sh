#!/bin/sh
# SPDX-License-Identifier: MIT
# Real programs under the verifying tracker: each of their stacks equals
# libunwind's, and what was remembered of a stack equals a full walk.  Only where configure was given --enable-verify-unwind.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

library=$(cd "$top_builddir" && pwd)/.libs/libheapsnap-verify.so
[ -f "$library" ] || skip_all "needs --enable-verify-unwind"
work=$(mktemp -d) || bail_out "no temporary folder"
trap 'rm -rf "$work"' EXIT

# equal STACKS COMMAND...: COMMAND has at least so many stacks, none of them differs.
equal()
{
	least=$1
	shift
	rm -rf "$work/log" "$work/captures"
	env HEAPSNAP_DIR="$work/captures" HEAPSNAP_VERIFY=1 HEAPSNAP_VERIFY_LOG="$work/log" \
		LD_PRELOAD="$library" "$@" </dev/null >/dev/null 2>&1
	awk -v least="$least" '
	/^verify:/ {
		for (i = 1; i <= NF; i++) {
			if ($i ~ /^total=/)
				total += substr($i, 7)
			if ($i ~ /^mismatches=/)
				bad += substr($i, 12)
			if ($i ~ /^(trail|memo)=/)
				remembered += substr($i, index($i, "=") + 1)
			if ($i ~ /^wrong=/)
				bad += substr($i, 7)
		}
	}
	{ print }
	END { exit !(total >= least && (remembered > 0 || least < 1000) && bad == 0) }' "$work/log"
}

plan 5
check "churn" equal 10000 "$top_builddir/tests/victims/churn"
check "threads" equal 10000 "$top_builddir/tests/victims/threads"
check "a shell" equal 50 sh -c 'for i in 1 2 3; do ls / | sort; done'
# shellcheck disable=SC2086 # CC may have arguments
check "a compiler" equal 1000 ${CC:-cc} -x c -c -o "$work/empty.o" "$top_srcdir/src/error.c" \
	-I"$top_srcdir"
if command -v python3 >/dev/null; then
	check "an interpreter" equal 1000 python3 -c 'import json, re; json.dumps([1] * 1000)'
else
	skip "an interpreter" "python3 is not installed"
fi
