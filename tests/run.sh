#!/bin/sh
# SPDX-License-Identifier: MIT
# heapsnap run, seen from outside: it does not stand between a program and its
# caller, and what cannot work is refused before anything is started.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"

heapsnap=$top_builddir/heapsnap
[ -x "$heapsnap" ] || skip_all "the program is not built"
have timeout || skip_all "no timeout(1)"
: "${CC:=cc}"
# Nothing of the caller's environment takes part.
unset HEAPSNAP_DIR HEAPSNAP_INTERVAL HEAPSNAP_MAX_DISK HEAPSNAP_KEEP_LOG LD_PRELOAD
HEAPSNAP_REPORT=none
export HEAPSNAP_REPORT
work_dir
heapsnap=$(cd "$(dirname "$heapsnap")" && pwd)/heapsnap
tap_dir=$(cd "$tap_dir" && pwd)
cd "$tap_dir" || bail_out "no temporary folder"

# run ARG...: heapsnap run, its output in out and err, its status in $status.
run()
{
	timeout 120 "$heapsnap" run "$@" >out 2>err </dev/null
	status=$?
}

is()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		note "wanted '$3', got '$2'"
		note <err
	fi
}

# refused NAME WORDS: status 1, one line which has WORDS, and no directory d.
refused()
{
	if [ "$status" = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q -- "$2" err &&
		[ ! -e d ] && [ ! -s out ]; then
		ok "$1"
	else
		not_ok "$1"
		note "status $status; wanted a line with '$2' and no directory:"
		note <err
		[ ! -e d ] || note "the directory was made"
	fi
}

captures()
{
	find "$1" -name '*.hsnap' | wc -l
}

# wait_for COMMAND...: until it succeeds, a minute at most.
wait_for()
{
	tries=0
	until "$@" 2>/dev/null || [ $tries -ge 600 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
}

plan 57

# The program's own status.
for code in 0 3 126 127 255; do
	run -o s sh -c "exit $code"
	is "exit status $code stays" "$status" "$code"
done
for sig in 6 9 11 15; do
	run -o s sh -c "ulimit -c 0; kill -$sig \$\$"
	is "death by signal $sig is status 128 + $sig" "$status" $((128 + sig))
done

# Its output.
run -q -o s sh -c 'echo "to stdout"; echo "to stderr" >&2; exit 5'
is "stdout is unchanged" "$(cat out)" "to stdout"
is "stderr is unchanged under -q" "$(cat err)" "to stderr"
echo "typed" | timeout 120 "$heapsnap" run -q -o s cat >out 2>err
is "stdin reaches the program" "$(cat out)" "typed"
# shellcheck disable=SC2016 # meant for the other shell
run -q -o s sh -c 'echo "$0 $*"' -o '$x' '' 'a b' --
# shellcheck disable=SC2016
is "arguments are passed as they are" "$(cat out)" '-o $x  a b --'
run -q -os -- sh -c 'pwd'
is "the current directory is the caller's" "$(cat out)" "$(pwd)"

# Captures.
run -o new/deep/d sh -c :
is "the directory and what leads to it are made" "$(captures new/deep/d)" 1
run -o two sh -c 'sh -c : ; exec sh -c :'
is "forked and executed programs have captures of their own" "$(captures two)" 3
HEAPSNAP_DIR=fromenv run sh -c :
is "HEAPSNAP_DIR is honoured" "$(captures fromenv)" 1
HEAPSNAP_DIR='of %n' run sh -c :
is "and %n in it is the program's name" "$(captures 'of sh')" 1
run -o 'a%b %p' sh -c :
is "percent signs and spaces in a directory's name are themselves" \
	"$(captures 'a%b %p')" 1
run -o nothing env -u LD_PRELOAD sh -c 'exit 4'
is "a program that drops LD_PRELOAD keeps its status" "$status" 4

# What the program finds.
run -q -o s ls /proc/self/fd
# shellcheck disable=SC2012,SC2217 # these are numbers; stdin is one of them
is "no descriptor of ours is in the program" "$(wc -l <out)" \
	"$(ls /proc/self/fd </dev/null 2>err | wc -l)"
cat >mask.c <<EOF
#include <signal.h>
#include <stdio.h>
int main(void)
{
	sigset_t set;
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < 65; sig++) {
		struct sigaction sa = {0};
		sigaction(sig, NULL, &sa);
		printf("%d", sigismember(&set, sig) * 2 + (sa.sa_handler == SIG_IGN));
	}
	putchar('\n');
}
EOF
"$CC" -o mask mask.c || bail_out "the C compiler does not work"
run -q -o s ./mask
is "signal mask and dispositions are the caller's" "$(cat out)" "$(./mask)"
(
	trap '' HUP USR1 PIPE INT
	# Not under timeout(1), which has its own mind about them.
	"$heapsnap" run -q -o s ./mask >out 2>err
	./mask >bare
)
is "and so are ignored signals" "$(cat out)" "$(cat bare)"
printf 'int probe(void);\nint probe(void) { return 1; }\n' >user.c
"$CC" -shared -fPIC -o user.so user.c
# shellcheck disable=SC2016
LD_PRELOAD=$PWD/user.so run -q -o s sh -c 'echo "$LD_PRELOAD"'
is "the user's LD_PRELOAD stays, behind ours" \
	"$(sed 's|^/[^:]*/libheapsnap\.so:||' out)" "$PWD/user.so"

cat >asan.c <<EOF
#include <stdlib.h>
int main(void)
{
	for (int i = 0; i < 1000; i++)
		free(malloc(10));
	return 7;
}
EOF
if "$CC" -fsanitize=address -fno-builtin -o asan asan.c 2>/dev/null &&
	ldd ./asan | grep -q asan; then
	run -q -o asan.d ./asan
	n=$("$heapsnap" analyze --json - asan.d | sed -n 's/.*"allocations": *\([0-9]*\).*/\1/p' |
		head -n 1)
	is "a program with AddressSanitizer runs" "$status" 7
	is "and its calls of malloc are seen" "$((n >= 1000))" 1
else
	skip "a program with AddressSanitizer runs" "the compiler has no shared one"
	skip "and its calls of malloc are seen" "the compiler has no shared one"
fi

# Signals.
cat >waits.sh <<EOF
trap 'echo "got TERM"; exit 7' TERM
trap 'echo "got USR1"' USR1
echo ready
i=0
while [ \$i -lt 2000 ]; do
	sleep 0.05
	i=\$((i + 1))
done
EOF
"$heapsnap" run -q -o s sh waits.sh >out 2>err &
pid=$!
wait_for grep -q ready out
kill -USR1 $pid
wait_for grep -q USR1 out
kill -TERM $pid
wait $pid
is "a program that handles a forwarded signal ends as it likes" "$?" 7
is "SIGUSR1 and SIGTERM reach it" "$(tr '\n' ' ' <out)" "ready got USR1 got TERM "
"$heapsnap" run -q -o s sh -c 'echo $$ >stopped; kill -STOP $$; exit 9' >out 2>err &
pid=$!
wait_for test -s stopped
wait_for grep -q "^State:.T" "/proc/$(cat stopped)/status"
kill -CONT "$(cat stopped)"
wait $pid
is "a program that is stopped and continued goes on" "$?" 9

# The recorder is killed: that of a directory has it as its argument.
cat >until.sh <<EOF
echo started
i=0
while [ ! -e go ] && [ \$i -lt 2000 ]; do
	sleep 0.05
	i=\$((i + 1))
done
exit 8
EOF
HEAPSNAP_REPORT="exit" "$heapsnap" run -o k sh until.sh >out 2>err &
pid=$!
wait_for grep -q started out
for p in /proc/[0-9]*; do
	case $({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null) in
	*heapsnap-recorder*"$PWD/k "*) kill -9 "${p#/proc/}" ;;
	esac
done
: >go
wait $pid
is "the program outlives its recorder, and that is told" \
	"$? $(grep -c 'recorder ended too early' err)" "8 1"
is "and what was recorded is analyzed as it is" \
	"$(grep -c 'leak summary' err) $(find k -name 'sh.*.html' | wc -l)" "1 1"
run -q -o k sh -c :
# The header's state, at byte 112, is 2 in a final capture.
states()
{
	for f in k/*.hsnap; do
		od -An -tu4 -j112 -N4 "$f"
	done | sort -u | tr -d ' '
}
all_final()
{
	[ "$(states)" = 2 ]
}
wait_for all_final
is "the next recorder finishes what was left" "$(states)" 2

# meet MINE OTHERS: make a file and wait for another one, a minute at most.
cat >meet.c <<EOF
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int tries = 0;
	if (argc != 3 || open(argv[1], O_WRONLY | O_CREAT, 0600) < 0)
		return 1;
	while (access(argv[2], F_OK) && tries++ < 6000)
		usleep(10000);
	return tries >= 6000;
}
EOF
"$CC" -o meet meet.c || bail_out "the C compiler does not work"

# Two runs at once: each of the programs lives until the other has begun.
(
	"$heapsnap" run -q -o both sh -c './meet one other && exit 3' >/dev/null 2>&1
	echo $? >first
) &
run -q -o both sh -c './meet other one && exit 4'
wait
is "two runs may share a directory" "$status $(cat first)" "4 3"
is "and each process has its capture" "$(captures both)" 4
run -o on sh -c 'setsid sleep 300 >/dev/null 2>&1 & echo $! >on.pid
	./meet on.met on/sleep.$!.hsnap; exit 2'
kill "$(cat on.pid)"
is "it does not wait for processes that go on, and tells of them" \
	"$status $(grep -c 'stays recorded' err)" "2 1"
is "no temporary file and no socket stays" "$(find both -name '.?*')" ""

# What is refused.
run -o d no-such-program-anywhere
refused "a program that is not there" "cannot find a program 'no-such-program-anywhere'"
run -o d ./no-such-file
refused "a path that is not there" "'./no-such-file': No such file"
run -o d /etc
refused "a directory" "it is a directory"
printf '#!/bin/sh\n' >plain.sh
run -o d ./plain.sh
refused "a file that is not executable" "not executable"
printf 'echo no line for the kernel\n' >text && chmod +x text
run -o d ./text
refused "neither ELF nor #!" "neither an ELF program nor a script"
printf '#!%s/no-such-interpreter\n' "$PWD" >bad.sh && chmod +x bad.sh
run -o d ./bad.sh
refused "a script without its interpreter" "the interpreter of './bad.sh'"
printf '#!%s/loop.sh\n' "$PWD" >loop.sh && chmod +x loop.sh
run -o d ./loop.sh
refused "a script of itself" "without end"
printf '#!/bin/sh\nexit 6\n' >good.sh && chmod +x good.sh
run -q -o s ./good.sh
is "a script with its interpreter runs" "$status" 6
echo 'int main(void) { return 0; }' >static.c
if "$CC" -static -o static static.c 2>/dev/null; then
	run -o d ./static
	refused "a static program" "statically linked"
else
	skip "a static program" "no static C library"
fi
echo 'int _start(void); int _start(void) { return 0; }' >small.c
if "$CC" -m32 -nostdlib -static -o small small.c 2>/dev/null; then
	run -o d ./small
	refused "a 32-bit program" "32-bit"
else
	skip "a 32-bit program" "the compiler cannot make one"
fi
dd if=mask of=cut bs=100 count=1 2>/dev/null && chmod +x cut
run -o d ./cut
refused "a program that is cut off" "'./cut'"
cp mask suid
if [ "$(id -u)" = 0 ] && chown 1 suid && chmod 4755 suid; then
	run -o d ./suid
	refused "a setuid program" "setuid"
else
	skip "a setuid program" "only root can make one of another user"
fi
echo precious >file
run -o file sh -c 'echo started'
is "a file in the directory's place is kept" \
	"$status $(cat out)$(grep -c 'cannot write captures' err) $(cat file)" "1 1 precious"
run -o /proc/d sh -c 'echo started'
is "a directory that cannot be made" "$status $(cat out)$(grep -c 'cannot make' err)" "1 1"
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=512k tmpfs full 2>/dev/null; then
	run -o full sh -c 'echo started'
	is "a directory without room" "$status $(cat out)$(grep -c 'no room' err)" "1 1"
	wait_for umount full
else
	skip "a directory without room" "cannot mount a small tmpfs"
fi
cat >many.c <<EOF
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	for (int i = 0; i < 2000000; i++)
		if (malloc(i % 100) == NULL)
			return 1;
	return puts("end") < 0;
}
EOF
"$CC" -fno-builtin -o many many.c
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=2m tmpfs full 2>/dev/null; then
	run -o full ./many
	is "a disk that becomes full while the program runs costs events only" \
		"$status $(cat out) $("$heapsnap" analyze --json - full 2>/dev/null |
			grep -c '"complete": *false')" "0 end 1"
	wait_for umount full
else
	skip "a disk that becomes full while the program runs costs events only" \
		"cannot mount a small tmpfs"
fi
mkdir gone
run -o gone sh -c 'rm -rf gone; exit 6'
is "a directory that vanishes meanwhile costs the captures only" "$status" 6
is "and that is told, once" "$(wc -l <err) $(grep -c "gone' was removed" err)" "1 1"
run -o
is "wrong usage is status 2" "$status" 2
run -o s
is "no program is wrong usage" "$status" 2
run --interval soon sh -c :
is "an interval that is none is wrong usage" "$status" 2
