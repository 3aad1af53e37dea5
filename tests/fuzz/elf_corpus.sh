#!/bin/sh
# SPDX-License-Identifier: MIT
# Make tests/fuzz/corpus/elf: small programs with inlined calls, with debug
# information of two versions and with symbols alone.
set -e
cd "$(dirname "$0")/corpus/elf"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/tiny.c" <<'END'
static int sink;
static inline __attribute__((always_inline)) void inner(int n)
{
	sink += n;
}
__attribute__((noinline)) void outer(int n)
{
	inner(n);
	inner(n + 1);
}
void _start(void)
{
	outer(1);
	for (;;)
		inner(2);
}
END
build()
{
	out=$1
	shift
	gcc -O2 -nostdlib -static -ffreestanding -fno-asynchronous-unwind-tables \
		-ffile-prefix-map="$folder=/src" -fdebug-prefix-map="$PWD=/src" \
		-Wl,-z,noseparate-code,--build-id=sha1 "$@" -o "$out" "$folder/tiny.c"
	chmod 644 "$out"
}
build dwarf5 -gdwarf-5
build dwarf4 -gdwarf-4
build symbols
