#!/bin/sh
# SPDX-License-Identifier: MIT
# generate.sh DIR: run blocks.c under the heap profilers of jemalloc and tcmalloc
# (packages libjemalloc2 and libgoogle-perftools4).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
cc -O1 -g -fno-builtin -o blocks "$here/blocks.c"
lib=/usr/lib/$(cc -print-multiarch)

# jemalloc NAME OPTIONS
jemalloc()
{
	MALLOC_CONF=prof:true,prof_final:true,prof_prefix:out,$2 \
		LD_PRELOAD=$lib/libjemalloc.so.2 ./blocks
	mv out.*.heap "$1"
}

jemalloc good-all.heap lg_prof_sample:0,prof_accum:true
jemalloc good-sampled.heap lg_prof_sample:12
HEAPPROFILE=$PWD/tc LD_PRELOAD=$lib/libtcmalloc.so.4 ./blocks
mv tc.0001.heap good-tcmalloc.heap
