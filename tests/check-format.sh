#!/bin/sh
# SPDX-License-Identifier: MIT
# All C files look as .clang-format says.  Another version than 14 formats
# differently, so it is not asked.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

for tool in clang-format-14 clang-format; do
	have $tool && $tool --version | grep -q 'version 14\.' && break
	tool=
done
[ -n "$tool" ] || skip_all "clang-format 14 is not here"

c_files()
{
	find src formats analyzers tests -name '*.[ch]' ! -path formats/table.c \
		! -path analyzers/table.c | LC_ALL=C sort
}

formatted()
{
	cd "$top_srcdir" || return 1
	# shellcheck disable=SC2046 # no blanks in our file names
	$tool --style=file --dry-run -Werror $(c_files) 2>&1 | head -40 | grep . && return 1
	return 0
}

plan 2
check "every C file is formatted" formatted
if printf 'int  f( void ){return 0;}\n' |
	$tool --style="file:$top_srcdir/.clang-format" --dry-run -Werror >/dev/null 2>&1; then
	not_ok "ill-formatted text is seen"
else
	ok "ill-formatted text is seen"
fi
