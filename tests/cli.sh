#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line: help, usage errors, and inputs that are none.
# shellcheck disable=SC2317 # functions are called by `check`
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

heapsnap=$(cd "$top_builddir" && pwd)/heapsnap
work_dir
tap_dir=$(cd "$tap_dir" && pwd)
cd "$tap_dir" || bail_out "no $tap_dir"
unset NO_COLOR HEAPSNAP_DIR HEAPSNAP_REPORT

# run STATUS COMMAND...: it must end with STATUS; leaves its output in out and err.
run()
{
	want=$1
	shift
	timeout 300 "$@" >out 2>err </dev/null
	got=$?
	[ $got -eq "$want" ] && return
	echo "status $got instead of $want"
	cat err
	return 1
}

# says WORDS...: the last command's messages contain them, each message whole
# on a line of its own that begins with the program's name.
says()
{
	! grep -v '^heapsnap: ' err || return
	for word; do
		grep -qF -- "$word" err || { echo "no '$word' in:"; cat err; return 1; }
	done
}

# refuses STATUS WORDS -- COMMAND...
refuses()
{
	status=$1 words=$2
	shift 3
	run "$status" "$@" && says "$words" && [ ! -s out ]
}

# ---- help ----

help_fits()
{
	run 0 "$heapsnap" --help || return
	n=$(wc -l <out)
	if [ "$n" -lt 24 ] || [ "$n" -gt 40 ]; then echo "$n lines"; return 1; fi
	[ "$(awk 'length > 80' out | wc -l)" -eq 0 ] || { echo "too wide"; return 1; }
	tail -n 4 out | head -n 1 | grep -qx Examples
	[ "$(tail -n 3 out | grep -c '^  heapsnap ')" -eq 3 ]
}

commands()
{
	"$heapsnap" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

every_help_ends_with_examples()
{
	for command in $(commands); do
		run 0 "$heapsnap" "$command" --help || return
		[ "$(tail -n 3 out | grep -c '^  heapsnap ')" -eq 3 ] || { echo "$command"; return 1; }
		[ "$(wc -l <out)" -le 45 ] || { echo "$command: long"; return 1; }
		cp out other
		run 0 "$heapsnap" help "$command" && cmp out other || return
	done
}

version_is_told()
{
	run 0 "$heapsnap" --version && grep -qx 'heapsnap [0-9.]*' out
}

full_stdout_is_seen()
{
	"$heapsnap" --help >/dev/full 2>err
	[ $? -eq 1 ] && says "cannot write the help to stdout: No space left on device"
}

# Each option of each command, as its help lists them.
options()
{
	for command in $(commands); do
		"$heapsnap" "$command" --help | sed -n '/^Options/,/^$/s/^  .*\(--[a-z-]*\).*/\1/p' |
			sed "s/^/$command /"
	done | LC_ALL=C sort
}

completes_like_help()
{
	run 0 "$heapsnap" help --completion=bash && bash -n out || return
	sed -n "/^	1:/,/options=/p" out | tr -d "')\t" | sed 's/options=//' | awk '
		/^1:/ { command = substr($0, 3); next }
		{ for (i = 1; i <= NF; i++) print command, $i }' | LC_ALL=C sort >completed
	options >listed
	[ -s listed ] && diff listed completed
}

bash_completes()
{
	cat >try.bash <<-'END'
		source ./completion.bash
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_heapsnap
		echo "${COMPREPLY[*]}"
	END
	"$heapsnap" help --completion=bash >completion.bash
	[ "$(bash try.bash heapsnap ana)" = analyze ] &&
		[ "$(bash try.bash heapsnap analyze --js)" = --json ] &&
		[ "$(bash try.bash heapsnap analyze --color = al)" = always ] &&
		[ "$(bash try.bash heapsnap help ana)" = analyze ]
}

every_shell_has_every_option()
{
	options | sed 's/.* --//' | grep -v '^help$' | sort -u >names
	for shell in zsh fish; do
		run 0 "$heapsnap" help --completion=$shell || return
		while read -r name; do
			grep -qE -- "(--|-l )$name" out || { echo "$shell: no $name"; return 1; }
		done <names
	done
}

check "--help fits a screen and ends with three examples" help_fits
check "the help of every command does, too" every_help_ends_with_examples
check "--version tells the version" version_is_told
check "a full stdout is told" full_stdout_is_seen
check "the completion for bash has the options of --help" completes_like_help
check "bash completes commands, options and values" bash_completes
check "zsh and fish have every option" every_shell_has_every_option

# ---- wrong usage ----

check "no command" refuses 2 "which command?" -- "$heapsnap"
check "a mistyped command has a suggestion" \
	refuses 2 "unknown command 'analize'; did you mean 'analyze'?" -- "$heapsnap" analize x
check "the beginning of a command has one" \
	refuses 2 "did you mean 'analyze'?" -- "$heapsnap" anal x
check "what resembles nothing has none" \
	refuses 2 "unknown command 'qqqqqq'; 'heapsnap --help'" -- "$heapsnap" qqqqqq
check "help of an unknown command" refuses 2 "unknown command" -- "$heapsnap" help nope
check "an unknown option before a command" refuses 2 "unknown option" -- "$heapsnap" --wat
check "a mistyped option has a suggestion" \
	refuses 2 "did you mean --details?" -- "$heapsnap" analyze --detials x
check "an unknown short option" refuses 2 "unknown option -Z" -- "$heapsnap" analyze -qZ x
check "an option without its argument" \
	refuses 2 "option --json wants an argument (FILE)" -- "$heapsnap" analyze x --json
check "an argument for an option that takes none" \
	refuses 2 "--quiet takes no argument" -- "$heapsnap" analyze --quiet=yes x
check "no path" refuses 2 "which captures?" -- "$heapsnap" analyze
check "two outputs on stdout" \
	refuses 2 "only one output" -- "$heapsnap" analyze --json - --text=- x
check "a wrong number" refuses 2 "--top wants a number" -- "$heapsnap" analyze --top 0x x
check "a wrong word" refuses 2 "--color is" -- "$heapsnap" analyze --color=red x
check "an unknown shell" refuses 2 "no completions" -- "$heapsnap" help --completion=tcsh

# ---- inputs that are none ----

mkdir empty holes 'a dir'
: >nothing.hsnap
echo 'hello, world' >words.txt
printf '\211PNG\r\n\032\n\0\0\0\rIHDR' >picture.png
head -c 100 /dev/zero >zeros.hsnap
printf 'HEAPSNAP\377\377' >v65535.hsnap
head -c 4096 /dev/zero >>v65535.hsnap
cp words.txt picture.png holes
evil=$(printf 'a\033[31mb\nc')

check "a missing path" refuses 1 "No such file" -- "$heapsnap" analyze missing
check "a directory without captures" refuses 1 "holds no capture" -- "$heapsnap" analyze empty
check "a directory with other files" refuses 1 "holds no capture" -- "$heapsnap" analyze holes
check "an empty capture" refuses 1 "is empty" -- "$heapsnap" analyze nothing.hsnap
for file in words.txt picture.png zeros.hsnap; do
	check "not ours: $file" \
		refuses 1 "is not a capture or profile heapsnap knows; known formats:" -- \
		"$heapsnap" analyze $file
done
check "a capture of a newer version" refuses 1 "newer" -- "$heapsnap" analyze v65535.hsnap
check "a device" refuses 1 "/dev/null" -- "$heapsnap" analyze /dev/null
check "several that cannot be read" refuses 1 "nothing could be read" -- \
	"$heapsnap" analyze missing words.txt
check "a name with control characters is shown harmless" \
	refuses 1 'a\x1b[31mb\x0ac' -- "$heapsnap" analyze "$evil"

# ---- a real capture ----

cat >leak.c <<-'END'
	#include <stdlib.h>
	static void *volatile kept;
	__attribute__((noinline)) static void lose(void) { kept = malloc(1000); }
	int main(void) { for (int i = 0; i < 7; i++) lose(); kept = 0; return 5; }
END
"${CC:-cc}" -g -O1 -o leak leak.c || bail_out "no compiler"

records()
{
	run 5 "$heapsnap" run -q -o 'a dir' -- ./leak && ls 'a dir'/leak.*.hsnap
}

capture_is_analyzed()
{
	run 0 "$heapsnap" analyze 'a dir' && [ ! -s err ] && grep -q 'exit status 5' out &&
		grep -q '7.*blocks' out && grep -q '\* #0.* lose .*leak.c:3' out &&
		cmp out 'a dir/summary.txt' && [ -s 'a dir/report.html' ] &&
		[ "$(wc -l <out)" -lt 60 ] && ! grep -q "$(printf '\033')" out
}

json_is_json()
{
	run 0 "$heapsnap" analyze --json - 'a dir' || return
	"${PYTHON:-python3}" - out <<-'END'
		import json, sys
		d = json.load(open(sys.argv[1]))
		p, = d["processes"]
		assert d["schema"] == "heapsnap/1" and p["end"] == {"how": "exit", "code": 5}
		l, = [l for l in d["leaks"] if l["stack"][l["culprit"]].get("function") == "lose"]
		assert (l["bytes"], l["blocks"]) == (7000, 7), l
		assert l["kind"] == "unreachable" and l["confidence"] == "high"
		assert l["process"] == p["id"] and p["totals"]["live_bytes"] >= 7000
		names = [f.get("function") for f in l["stack"]]
		assert names.index("lose") + 1 == names.index("main"), names
		assert {h["by"] for h in d["hotspots"]} >= {"peak", "allocated", "allocations"}
	END
}

same_bytes_again()
{
	run 0 "$heapsnap" analyze --json one 'a dir' && run 0 "$heapsnap" analyze --json=two 'a dir' &&
		cmp one two
}

nothing_else_is_written()
{
	rm -f 'a dir'/*.html 'a dir'/*.txt
	run 0 "$heapsnap" analyze 'a dir' --json /dev/null --text text.txt || return
	[ ! -s out ] && [ -s text.txt ] && ! ls 'a dir'/*.html 'a dir'/*.txt 2>/dev/null
}

single_capture_has_its_own_names()
{
	file=$(echo 'a dir'/leak.*.hsnap)
	run 0 "$heapsnap" analyze -- "$file" && [ -s "${file%.hsnap}.html" ] &&
		[ -s "${file%.hsnap}.txt" ] && [ ! -e 'a dir/report.html' ]
}

output_elsewhere()
{
	run 0 "$heapsnap" analyze -qo new 'a dir' && [ ! -s out ] && [ -s new/report.html ] &&
		[ -s new/summary.txt ]
}

colour()
{
	escape=$(printf '\033')
	run 0 "$heapsnap" analyze --color=always --text - 'a dir' && grep -q "$escape" out || return
	NO_COLOR=1 run 0 "$heapsnap" analyze --color=always --text - 'a dir' || return
	! grep -q "$escape" out
}

the_others_are_used()
{
	mkdir -p some && cp 'a dir'/*.hsnap some/good.1.hsnap && cp zeros.hsnap nothing.hsnap some
	gzip -c <some/good.1.hsnap >some/packed.2.hsnap.gz && gzip -c <words.txt >some/words.gz
	run 0 "$heapsnap" analyze some || return
	says "left out: some/nothing.hsnap is empty" "left out: some/zeros.hsnap is not a capture" &&
		[ "$(wc -l <err)" -eq 2 ] && grep -q '^good.1 ' out &&
		grep -q '^packed.2 ' out && [ -s some/report.html ]
}

cut_off()
{
	head -c 6000 'a dir'/leak.*.hsnap >cut.hsnap
	run 0 "$heapsnap" analyze --json - cut.hsnap && says "cut.hsnap is incomplete" &&
		grep -q '"complete": false' out
}

# Touching each page of it would take memory for all of them.
long_tail_costs_nothing()
{
	cp 'a dir'/leak.*.hsnap long.hsnap && truncate -s 64G long.hsnap || return
	run 0 "${PYTHON:-python3}" -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
sys.exit(status or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 200000)
' "$heapsnap" analyze --json - long.hsnap && grep -q '"complete": true' out
}

write_errors_are_told()
{
	run 1 "$heapsnap" analyze --json /dev/full 'a dir' && says "No space left on device" || return
	run 1 "$heapsnap" analyze --json no/such/dir 'a dir' && says "cannot write no/such/dir" || return
	run 1 "$heapsnap" analyze --json empty 'a dir' && says "it is a directory"
}

# Whoever may write to the directory must not choose what we overwrite.
links_are_not_followed()
{
	mkdir -p shared && cp 'a dir'/leak.*.hsnap shared/a.1.hsnap && echo mine >mine || return
	for name in report.html summary.txt a.1.html a.1.txt; do
		ln -sf "$tap_dir/mine" "shared/$name"
	done
	run 0 "$heapsnap" analyze shared && run 0 "$heapsnap" analyze shared/a.1.hsnap || return
	[ "$(cat mine)" = mine ] && [ -f shared/report.html ] && ! [ -L shared/report.html ] &&
		[ -f shared/a.1.txt ] && ! [ -L shared/a.1.txt ] || return
	rm shared/summary.txt && mkfifo shared/summary.txt || return
	run 1 "$heapsnap" analyze -q shared && says "shared/summary.txt is there, and is not a file" &&
		ln -sf "$tap_dir/mine" named && run 0 "$heapsnap" analyze --text named shared &&
		[ -L named ] && grep -q 'leak summary' mine
}

closed_stdout_is_told()
{
	before=$(cksum 'a dir'/leak.*.hsnap)
	"$heapsnap" analyze --text - 'a dir' 2>err >&-
	[ $? -eq 1 ] && says "cannot write stdout" && [ "$(cksum 'a dir'/leak.*.hsnap)" = "$before" ]
}

parents_are_named()
{
	cat >fork.c <<-'END'
		#include <stdlib.h>
		#include <sys/wait.h>
		#include <unistd.h>
		static void *volatile p;
		int main(void)
		{
			p = malloc(10);
			if (fork() == 0) { p = malloc(20); return 0; }
			return wait(NULL) < 0;
		}
	END
	"${CC:-cc}" -o fork fork.c && run 0 "$heapsnap" run -q -o forked -- ./fork || return
	run 0 "$heapsnap" analyze --json - forked || return
	"${PYTHON:-python3}" - out <<-'END'
		import json, sys
		a, b = json.load(open(sys.argv[1]))["processes"]
		child, parent = (a, b) if "parent" in a else (b, a)
		assert child["parent"] == parent["id"] and "parent" not in parent, (a, b)
		assert child["totals"]["allocations"] == 1, child
	END
}

nothing_old_is_lost()
{
	mkdir -p kept && cp 'a dir'/leak.*.hsnap kept && echo old >kept/report.html &&
		echo old >kept/summary.txt
	run 1 sh -c 'trap "" XFSZ; ulimit -f 1; exec "$@"' sh "$heapsnap" analyze -q kept || return
	says "cannot write kept/report.html: File too large" || says "cannot write" || return
	[ "$(cat kept/report.html)" = old ] || { echo "the old page is gone"; return 1; }
	[ -z "$(find kept -name '.?*')" ] || { ls -A kept; return 1; }
}

links_stay_links()
{
	mkdir -p far && ln -sf far/page.json link.json && echo old >far/page.json
	chmod 640 far/page.json
	run 0 "$heapsnap" analyze --json link.json 'a dir' && [ -L link.json ] &&
		grep -q heapsnap/1 far/page.json && [ "$(stat -c %a far/page.json)" = 640 ]
}

check "a program is recorded" records
check "its capture gives summary and page" capture_is_analyzed
check "the JSON is JSON with the figures of the program" json_is_json
check "the same input gives the same bytes" same_bytes_again
check "single outputs are all that is written" nothing_else_is_written
check "a single capture's reports have its name" single_capture_has_its_own_names
check "--output takes the reports elsewhere, --quiet says nothing" output_elsewhere
check "colour on request, never under NO_COLOR" colour
check "captures that cannot be read do not stop the others" the_others_are_used
check "a capture that was cut off is read as far as it goes" cut_off
check "outputs that cannot be written are told" write_errors_are_told
check "a capture in a much longer file is read at once" long_tail_costs_nothing
check "reports replace links, and follow them only where the user named one" links_are_not_followed
check "a closed stdout is told and nothing takes its place" closed_stdout_is_told
check "a forked process names its parent" parents_are_named
check "what was there before survives a failed write" nothing_old_is_lost
check "links stay links and modes stay modes" links_stay_links
plan "$tap_n"
