#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual says of commands and options what --help says.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

heapsnap=$top_builddir/heapsnap

# Words after "Commands" in the program's help.
commands()
{
	"$heapsnap" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# Long options that COMMAND's help lists.
helped()
{
	"$heapsnap" "$1" --help | sed -n '/^Options/,/^$/s/^  .*--\([a-z-]*\).*/\1/p' |
		grep -v '^help$' | LC_ALL=C sort
}

# Long options that COMMAND's page describes.
described()
{
	sed -n '/^\.It Fl/s/.*Fl -\([a-z][a-z-]*\).*/\1/p' "$top_srcdir/doc/heapsnap-$1.1" |
		LC_ALL=C sort
}

agree()
{
	[ "$(helped "$1")" = "$(described "$1")" ] && [ -n "$(helped "$1")" ] && return
	printf 'help:\n%s\nmanual:\n%s\n' "$(helped "$1")" "$(described "$1")"
	return 1
}

in_overview()
{
	grep -q "^\.It Cm $1\$" "$top_srcdir/doc/heapsnap.1"
}

# shellcheck disable=SC2046 # words
set -- $(commands)
[ $# -gt 1 ] || bail_out "no commands in $heapsnap --help"
plan $((2 * $# - 1))
for command; do
	check "heapsnap(1) knows $command" in_overview "$command"
	[ "$command" = help ] || check "the options of $command are those of its page" agree "$command"
done
