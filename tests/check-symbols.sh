#!/bin/sh
# SPDX-License-Identifier: MIT
# What the tracker shows to the program it lives in, and what it takes from it:
# exports are tracker.map's, imports are those of tracker-imports.allow, it
# needs libc alone, has no text relocations and little static TLS.  And of the
# archive that the analysis program is made of: only src/cmd prints, reads the
# environment or exits.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

library=${HS_LIBRARY:-$top_builddir/.libs/libheapsnap.so}
map=$top_srcdir/src/tracker/tracker.map
allow=$top_srcdir/tests/tracker-imports.allow
archive=$top_builddir/libhs.a

for tool in nm readelf; do
	have $tool || skip_all "$tool is not here"
done

# Names between "global:" and "local:" of a version script.
mapped()
{
	sed -e 's|/\*.*\*/||' "$1" | tr ';{}' '[\n*]' | awk '
		/global:/ { on = 1; sub(/.*global:/, "") }
		/local:/ { on = 0 }
		on && NF { print $1 }' | LC_ALL=C sort
}

exported()
{
	nm -D --defined-only "$1" | awk '$2 !~ /[aA]/ { sub(/@.*/, "", $3); print $3 }' |
		LC_ALL=C sort -u
}

# Imports that no line of the list ALLOW covers.
uncovered()
{
	nm -D --undefined-only "$1" | awk -v allow="$2" '
		BEGIN {
			while ((getline line < allow) > 0) {
				sub(/#.*/, "", line)
				gsub(/[ \t]/, "", line)
				if (line != "")
					ok[line] = 1
			}
		}
		{ sub(/@.*/, "", $2); if (!($2 in ok)) print $2 }'
}

needed()
{
	readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# Bytes of thread-local storage, decimal.
tls_size()
{
	hex=$(readelf -lW "$1" | awk '$1 == "TLS" { print $6 }')
	echo $((${hex:-0}))
}

same()
{
	[ "$1" = "$2" ] && return
	printf 'wanted:\n%s\ngot:\n%s\n' "$1" "$2"
	return 1
}

# Members of the archive that call what only src/cmd may call.  error.c ends
# the program when memory runs out, and says so.
loud_members()
{
	nm -A --undefined-only "$1" 2>/dev/null | awk '
		{ split($0, part, ":"); member = part[2]; name = $NF }
		member ~ /(^|-)error[.]o$/ { next }
		name ~ /^(printf|puts|putchar|perror|vprintf|getenv|secure_getenv|exit|_exit|stdout|stderr|__printf_chk)$/ {
			print member ": " name
		}'
}

plan 9
if [ -e "$library" ]; then
	check "the tracker exports what its map names" same "$(mapped "$map")" "$(exported "$library")"
	empty "the tracker imports nothing that is not allowed" "$(uncovered "$library" "$allow")"
	empty "the tracker needs libc alone" "$(needed "$library" | grep -vx -e 'libc\.so\.6' -e 'ld-linux.*')"
	empty "the tracker has no text relocations" "$(readelf -dW "$library" | grep -w TEXTREL)"
	empty "the tracker has no search path" "$(readelf -dW "$library" | grep -E 'R(UN)?PATH')"
	check "the tracker's static TLS is under 64 bytes" [ "$(tls_size "$library")" -lt 64 ]
else
	for what in "exports" imports needs relocations "search path" TLS; do
		skip "the tracker's $what" "$library is not built"
	done
fi
empty "only src/cmd prints, reads the environment or exits" "$(loud_members "$archive")"

# The checks are seen to fail on a library with all the faults.
work_dir
cat >"$tap_dir/faulty.c" <<'END'
#include <stdio.h>
__thread char much[200];
int extra(void) { return puts(much); }
END
cc=${CC:-cc}
if $cc -shared -fPIC -ftls-model=initial-exec -o "$tap_dir/faulty.so" "$tap_dir/faulty.c" &&
	$cc -c -o "$tap_dir/faulty.o" "$tap_dir/faulty.c" && ar cr "$tap_dir/faulty.a" "$tap_dir/faulty.o"; then
	if [ "$(exported "$tap_dir/faulty.so" | tr '\n' ' ')" = "extra much " ] &&
		[ "$(uncovered "$tap_dir/faulty.so" "$allow")" = puts ] &&
		[ "$(tls_size "$tap_dir/faulty.so")" -ge 64 ]; then
		ok "a faulty library is seen through"
	else
		not_ok "a faulty library is seen through"
		exported "$tap_dir/faulty.so" | note
	fi
	check "a printing member of an archive is seen" [ "$(loud_members "$tap_dir/faulty.a")" = "faulty.o: puts" ]
else
	bail_out "$cc does not make a shared library"
fi
