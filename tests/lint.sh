#!/bin/sh
# SPDX-License-Identifier: MIT
# `make lint`: clang-tidy, cppcheck, shellcheck, mandoc (clang-format is asked in
# make check).  Slow, and these tools differ between versions, so it is not part
# of make check.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

jobs=$(getconf _NPROCESSORS_ONLN)
work_dir
# What the Makefile defines on the command line.
cat >"$tap_dir/defined.h" <<'END'
#define HS_TRACKER_DIR ""
#define HS_RECORDER_DIR ""
#define HS_PROGRAM_DIR ""
#define HS_MULTIARCH ""
END
flags="-std=gnu11 -D_GNU_SOURCE -I. -I$top_builddir -include $tap_dir/defined.h"
cd "$top_srcdir" || bail_out "no $top_srcdir"

# What is shipped; tests break rules on purpose, tables are generated.
c_files()
{
	# rules-ARCH.c is for one processor; these tools take the headers of this one.
	find src formats analyzers -name '*.c' ! -name table.c ! -name walkers.c \
		! -path src/viewer/embedded.c |
		grep -v '/rules-' | LC_ALL=C sort
	ls "src/tracker/rules-$(uname -m).c" 2>/dev/null
}

tidy()
{
	# shellcheck disable=SC2086 # words
	c_files | xargs -P "$jobs" -n 4 sh -c 'clang-tidy --quiet "$@" -- '"$flags"' 2>/dev/null' sh
}

check_cpp()
{
	c_files | xargs cppcheck --quiet --std=c11 --enable=warning,portability -j "$jobs" \
		--inline-suppr --suppress=missingInclude --suppress=unknownMacro --suppress=shiftTooManyBitsSigned \
		--suppress=returnDanglingLifetime --suppress=objectIndex \
		--suppress=arrayIndexOutOfBoundsCond \
		--error-exitcode=1 -D_GNU_SOURCE -D__x86_64__ -I. -I"$top_builddir"
}

shell_scripts()
{
	grep -lE '^#!/bin/(ba)?sh' autogen.sh build-aux/mk*.sh build-aux/bundle*.sh scripts/* \
		.ci/* tests/*.sh tests/lib/*.sh 2>/dev/null
}

man_pages()
{
	find doc -name '*.[1-8]' | LC_ALL=C sort
}

# tool COMMAND NAME ARGUMENT...: check, if the tool is here.
tool()
{
	tool=$1
	shift
	if have "$tool"; then
		check "$@"
	else
		skip "$1" "$tool is not here"
	fi
}

plan 4
tool clang-tidy "clang-tidy has nothing to say" tidy
tool cppcheck "cppcheck has nothing to say" check_cpp
# shellcheck disable=SC2046 # words
tool shellcheck "shellcheck has nothing to say" shellcheck $(shell_scripts)
# shellcheck disable=SC2046 # words
tool mandoc "mandoc has nothing to say" mandoc -Tlint -Wwarning $(man_pages)
