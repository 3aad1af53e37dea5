#!/bin/sh
# SPDX-License-Identifier: MIT
# Every header stands alone: it compiles as the only include, with every C
# compiler that is here, and the installed one as C++, too.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

warnings="-Wall -Wextra -Werror -Wundef -Wstrict-prototypes"
headers=$(cd "$top_srcdir" && find src formats analyzers tests -name '*.h' | LC_ALL=C sort)

# alone COMPILER LANGUAGE HEADER FLAG...
alone()
{
	compiler=$1 language=$2 header=$3
	shift 3
	printf '#include "%s"\n' "$header" |
		$compiler -x "$language" -fsyntax-only -D_GNU_SOURCE "$@" \
			-I"$top_srcdir" -I"$top_builddir" -
}

all_alone()
{
	for header in $headers; do
		# shellcheck disable=SC2086 # words
		alone "$1" c "$header" -std=gnu11 $warnings || return 1
	done
}

plan 4
for compiler in gcc clang; do
	if have "$compiler"; then
		check "every header compiles alone with $compiler" all_alone "$compiler"
	else
		skip "every header compiles alone with $compiler" "$compiler is not here"
	fi
done

installed=src/tracker/heapsnap.h
if [ ! -e "$top_srcdir/$installed" ]; then
	skip "the installed header is C++, too" "there is none yet"
elif have g++; then
	check "the installed header is C++, too" alone g++ c++ "$installed" -Wall -Wextra -Werror
else
	skip "the installed header is C++, too" "g++ is not here"
fi

work_dir
mkdir "$tap_dir/src"
echo 'size_t lonely(void);' >"$tap_dir/src/lonely.h"
if (top_srcdir=$tap_dir && alone "${CC:-cc}" c src/lonely.h -std=gnu11) >/dev/null 2>&1; then
	not_ok "a header that needs another one is rejected"
else
	ok "a header that needs another one is rejected"
fi
