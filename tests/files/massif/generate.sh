#!/bin/sh
# SPDX-License-Identifier: MIT
# generate.sh DIR: run mini.c under valgrind's heap profilers, for the samples of
# massif and of DHAT.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
cc -O1 -g -o mini "$here/mini.c"
valgrind -q --tool=massif --max-snapshots=10 --massif-out-file=good-instructions.massif ./mini
valgrind -q --tool=massif --max-snapshots=10 --time-unit=ms \
	--massif-out-file=good-time.massif ./mini
valgrind -q --tool=dhat --dhat-out-file=good-mini.dhat ./mini
