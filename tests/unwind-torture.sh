#!/bin/sh
# SPDX-License-Identifier: MIT
# Every stack that unwind_torture can think of: ours equals libunwind's.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

torture=$top_builddir/tests/victims/unwind_torture
[ -x "$torture" ] || skip_all "needs libunwind and a C++ compiler"
exec timeout 900 "$torture" "$top_builddir/.libs"
