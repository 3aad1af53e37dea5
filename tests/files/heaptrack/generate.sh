#!/bin/sh
# SPDX-License-Identifier: MIT
# generate.sh DIR: record the programs of this folder with heaptrack, and let
# heaptrack_print say what is in the recordings.  Addresses and what libc does
# differ from system to system, so the results are samples of their own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$1/dir with space"
cd "$1"

# record NAME PROGRAM ARG...
record()
{
	name=$1
	shift
	heaptrack --raw -o "good-$name" "$@" >/dev/null
	heaptrack -o "good-$name" "$@" >/dev/null
	for cost in allocations temporary leaked peak; do
		heaptrack_print -F "$name.folded-$cost.txt" --flamegraph-cost-type $cost \
			"good-$name.zst" >/dev/null
	done
}

for program in tiny dl phase; do
	cc -O1 -g -o $program "$here/$program.c"
done
for plugin in plug plug2; do
	cc -O1 -g -shared -fPIC -o $plugin.so "$here/$plugin.c"
done
c++ -O2 -g -o inlined "$here/inl.cpp"
cp tiny "dir with space/tiny prog"

record tiny ./tiny
record dl ./dl ./plug.so ./plug2.so
record phase ./phase
record space "./dir with space/tiny prog" "arg one" two
record inlined ./inlined
