#!/bin/sh
# SPDX-License-Identifier: MIT
# Every header stands alone: it compiles as the only include, with every C
# compiler that is here.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

# A header of a test may define a function for some of those that include it.
warnings="-Wall -Wextra -Werror -Wundef -Wstrict-prototypes -Wno-unused-function"
# One that is for another processor is in the instructions of that one.
headers=$(cd "$top_srcdir" && find src formats analyzers tests -name '*.h' |
	grep -v -e /arch-aarch64 -e /arch-x86_64 | LC_ALL=C sort)
machine=src/tracker/arch-$(uname -m).h
[ ! -e "$top_srcdir/$machine" ] || headers="$headers
$machine"

# alone COMPILER HEADER
alone()
{
	# shellcheck disable=SC2086 # words
	printf '#include "%s"\n' "$2" |
		$1 -x c -fsyntax-only -std=gnu11 -D_GNU_SOURCE $warnings \
			-I"$top_srcdir" -I"$top_builddir" -
}

all_alone()
{
	for header in $headers; do
		alone "$1" "$header" || return 1
	done
}

plan 3
for compiler in gcc clang; do
	if have "$compiler"; then
		check "every header compiles alone with $compiler" all_alone "$compiler"
	else
		skip "every header compiles alone with $compiler" "$compiler is not here"
	fi
done

work_dir
mkdir "$tap_dir/src"
echo 'size_t lonely(void);' >"$tap_dir/src/lonely.h"
if (top_srcdir=$tap_dir && alone "${CC:-cc}" src/lonely.h) >/dev/null 2>&1; then
	not_ok "a header that needs another one is rejected"
else
	ok "a header that needs another one is rejected"
fi
