#!/bin/sh
# SPDX-License-Identifier: MIT
# Who includes whom is what build-aux/layers.txt allows.  Follows includes
# through headers, so that a layer cannot be reached by a detour.  Before that
# the rules are tried on small trees with one fault each, to see them rejected.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

# layers DIR RULES: print each forbidden include below DIR, as FILE: reason.
layers()
{
	(cd "$1" && find src formats analyzers tests -name '*.[ch]' 2>/dev/null | LC_ALL=C sort |
		xargs grep -Hn '^[ 	]*#[ 	]*include' /dev/null) | awk -v rules="$2" '
	# A pattern as a regular expression: ** crosses folders, * does not.
	function regex(glob) {
		gsub(/[.]/, "[.]", glob)
		gsub(/[*][*]/, "\001", glob)
		gsub(/[*]/, "[^/]*", glob)
		gsub(/\001/, ".*", glob)
		return "^" glob "$"
	}
	# WORDS with the names of `let` lines replaced, as one regular expression.
	function any(words,    w, i, n, out) {
		n = split(words, w, " ")
		for (i = 1; i <= n; i++)
			out = out (out ? "|" : "") (w[i] in sets ? any(sets[w[i]]) : regex(w[i]))
		return n ? out : "^$"
	}
	function owner(file,    i) {
		for (i = 1; i <= n_allow; i++)
			if (file ~ who[i])
				return i
		return 0
	}
	# Visit what FILE includes on behalf of ROOT, whose rule is number RULE.
	function visit(root, rule, file, via,    list, i, n, inc) {
		n = split(local[file], list, " ")
		for (i = 1; i <= n; i++) {
			inc = list[i]
			if ((root, inc) in seen)
				continue
			seen[root, inc] = 1
			if (inc !~ what[rule])
				print root ": may not include " inc (via ? " (through" via ")" : "")
			else
				visit(root, rule, inc, via " " inc)
		}
		n = split(outside[file], list, " ")
		for (i = 1; i <= n; i++) {
			inc = list[i]
			if ((root, "<" inc) in seen)
				continue
			seen[root, "<" inc] = 1
			for (r = 1; r <= n_system; r++)
				if (inc ~ header[r] && root !~ /[.]h$/ && root !~ user[r])
					print root ": may not include <" inc ">" (via ? " (through" via ")" : "")
		}
	}
	BEGIN {
		while ((getline line < rules) > 0) {
			sub(/#.*/, "", line)
			if (line ~ /^let /) {
				split(line, part, "=")
				split(part[1], word, " ")
				sets[word[2]] = part[2]
			} else if (line ~ /^(allow|system) /) {
				colon = index(line, ":")
				left = substr(line, 1, colon - 1)
				sub(/^[a-z]+ /, "", left)
				right = substr(line, colon + 1)
				if (line ~ /^allow/) {
					who[++n_allow] = any(left)
					what[n_allow] = any(right)
				} else {
					header[++n_system] = any(left)
					user[n_system] = any(right)
				}
			} else if (line ~ /[^ ]/) {
				print rules ": cannot read: " line
			}
		}
		if (!n_allow)
			print rules ": no rules"
	}
	{
		file = $0
		sub(/:.*/, "", file)
		if (!(file in local)) {
			local[file] = outside[file] = ""
			files[++n_files] = file
		}
		if (split($0, part, "\"") >= 3)
			local[file] = local[file] " " part[2]
		else if (match($0, /<[^>]*>/))
			outside[file] = outside[file] " " substr($0, RSTART + 1, RLENGTH - 2)
	}
	END {
		for (f = 1; f <= n_files; f++) {
			rule = owner(files[f])
			if (!rule)
				print files[f] ": no line of layers.txt covers it"
			else
				visit(files[f], rule, files[f], "")
		}
	}'
}

rules=$top_srcdir/build-aux/layers.txt
work_dir

# put FILE LINE...: make FILE of a small tree.
put()
{
	mkdir -p "$tap_dir/$(dirname "$1")"
	put_file=$tap_dir/$1
	shift
	printf '%s\n' "$@" >"$put_file"
}

sound_tree()
{
	rm -rf "$tap_dir/src" "$tap_dir/formats" "$tap_dir/analyzers"
	put src/base.h '#include <stddef.h>'
	put src/wire.h '#include <stdint.h>'
	put src/profile.h '#include "src/base.h"'
	put src/scopes.c '#include <elfutils/libdw.h>' '#include "src/profile.h"'
	put src/tracker/emit.c '#include "src/tracker/emit.h"' '#include "src/wire.h"'
	put src/tracker/emit.h '#include <stdint.h>'
	put formats/format.h '#include "src/base.h"'
	put formats/text.c '#include "formats/format.h"' '#include "src/profile.h"'
	put analyzers/analyzer.h '#include "src/base.h"'
	put analyzers/leaks.c '#include "analyzers/analyzer.h"'
	put src/cmd/main.c '#include <stdio.h>' '#include "formats/format.h"'
}

# rejects NAME FILE: a fault was put into the tree, and FILE is blamed.
rejects()
{
	said=$(layers "$tap_dir" "$rules")
	case $said in
	"$2: "*) ok "$1 is rejected" ;;
	*)
		not_ok "$1 is rejected"
		note "said: $said"
		;;
	esac
}

plan 11
sound_tree
empty "a sound tree is accepted" "$(layers "$tap_dir" "$rules")"

put src/tracker/emit.c '#include "formats/format.h"'
rejects "a format's header in the tracker" src/tracker/emit.c

sound_tree
put src/tracker/emit.c '#include "src/base.h"'
rejects "the floor in the tracker" src/tracker/emit.c

sound_tree
put src/wire.h '#include "src/base.h"'
rejects "the floor in the tracker, through wire.h" src/tracker/emit.c

sound_tree
put src/profile.h '#include "analyzers/analyzer.h"'
rejects "an analyzer in a format, through the model" formats/text.c

sound_tree
put src/recorder/main.c '#include "src/profile.h"'
rejects "the profile in the recorder" src/recorder/main.c

sound_tree
put formats/html.c '#include <stdio.h>'
rejects "stdio.h in a format" formats/html.c

sound_tree
put analyzers/leaks.c '  #  include "src/cmd/pipeline.h"'
rejects "the program in an analyzer" analyzers/leaks.c

sound_tree
put src/hash.c '#include <libelf.h>'
rejects "elfutils outside the files meant for it" src/hash.c

sound_tree
put src/new/thing.c '#include "src/base.h"'
rejects "a folder without a rule" src/new/thing.c

empty "every include of the source is allowed" "$(layers "$top_srcdir" "$rules")"
