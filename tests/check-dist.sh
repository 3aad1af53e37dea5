#!/bin/sh
# SPDX-License-Identifier: MIT
# check-dist.sh TARBALL: it holds what git knows and what autoreconf makes, and
# nothing else.  Run from the top of a clone; part of .ci/run.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"
work_dir

# What autoreconf adds, as extended regular expressions.
generated='Makefile\.in|aclocal\.m4|configure|config\.h\.in
build-aux/(ar-lib|compile|config\.guess|config\.sub|depcomp|install-sh|ltmain\.sh|missing)
build-aux/(tap-driver\.sh|test-driver)
m4/(libtool|ltoptions|ltsugar|ltversion|lt~obsolete)\.m4'

git ls-files | LC_ALL=C sort >"$tap_dir/git"
tar -tf "$1" | sed 's|^[^/]*/||; /\/$/d; /^$/d' | LC_ALL=C sort >"$tap_dir/tarball"
echo "$generated" >"$tap_dir/generated"

plan 3
check "git knows files, and the tarball holds some" [ -s "$tap_dir/git" -a -s "$tap_dir/tarball" ]
empty "what git knows is in the tarball" "$(comm -23 "$tap_dir/git" "$tap_dir/tarball")"
empty "what git does not know is autoreconf's" \
	"$(comm -13 "$tap_dir/git" "$tap_dir/tarball" | grep -vxE -f "$tap_dir/generated")"
