#!/bin/sh
# SPDX-License-Identifier: MIT
# Servers at work for a while, recorded: redis-server under redis-benchmark and
# nginx under wrk, on loopback.  `make soak` runs it, `make check` does not.
#
#      soak.sh [SECONDS [NAME...]]
#
# SECONDS for each soak, 600 if not given.  NAME is redis (under heapsnap run),
# nginx (likewise) or alone (redis with environment variables alone).
# SOAK_DISK=SIZE is the bound on a capture, in MiB.
# shellcheck disable=SC2317 # functions are called by their names
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"
heapsnap=$(cd "$top_builddir" && pwd)/heapsnap
tracker=$(cd "$top_builddir" && pwd)/.libs/libheapsnap.so
[ -x "$heapsnap" ] || skip_all "the program is not built"
duration=${1:-600}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- redis nginx alone
max_disk_mib=${SOAK_DISK:-256}
# The recorder's memory may be so much higher in the last third than in the first;
# that of its helpers, which hold the log that they fold, by a quarter.
margin_kib=8192
work_dir
tap_dir=$(cd "$tap_dir" && pwd)
cd "$tap_dir" || bail_out "no temporary folder"
PATH=$PATH:/usr/sbin:/sbin
port=$((20000 + $$ % 10000))
unset HEAPSNAP_DIR HEAPSNAP_INTERVAL HEAPSNAP_KEEP_LOG HEAPSNAP_MODULES LD_PRELOAD
HEAPSNAP_MAX_DISK=${max_disk_mib}MiB
export HEAPSNAP_MAX_DISK

recorder_of()
{
	for p in /proc/[0-9]*; do
		case $({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null) in
		*heapsnap-recorder*"$1 "*) echo "${p#/proc/}" ;;
		esac
	done
}

# Each second, in KiB: the recorder's memory; that of its helpers, which write
# checkpoints and captures; the largest capture.
sample()
{
	main=
	while [ -e sampling ]; do
		others=0
		for pid in $(recorder_of "$1"); do
			rss=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null)
			: "${main:=$pid}"
			[ "$pid" = "$main" ] && own=${rss:-0} || others=$((others + ${rss:-0}))
		done
		disk=$(find "$1" -name '*.hsnap' -printf '%k\n' 2>/dev/null | sort -n | tail -n 1)
		[ -z "$main" ] || echo "$own $others ${disk:-0}" >>samples
		sleep 1
	done
}

# until_ready COMMAND...: it succeeds within a minute.
until_ready()
{
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		sleep 0.1
	done
}

no_recorder()
{
	[ -z "$(recorder_of "$1")" ]
}

listens()
{
	"${PYTHON:-python3}" -c 'import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1])))' "$port"
}

redis_options()
{
	echo --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$tap_dir" \
		--maxmemory 100mb --maxmemory-policy allkeys-lru --daemonize no
}

redis_load()
{
	end=$(($(date +%s) + duration))
	while [ "$(date +%s)" -lt "$end" ]; do
		redis-benchmark -h 127.0.0.1 -p "$port" -q -n 50000 -r 100000 -d 100 -c 20 \
			-t set,get,incr,lpush,lpop,sadd,hset,spop,zadd,mset >said 2>&1
		status=$?
		tr '\r' '\n' <said | grep -vE 'overall|^ *$' >>load
		[ "$status" -eq 0 ] || return
	done
	! grep -iE 'error|closed|refused' load
}

redis_stop()
{
	redis-cli -h 127.0.0.1 -p "$port" shutdown nosave
}

nginx_configuration()
{
	mkdir -p www temporary
	head -c 20000 /dev/zero | tr '\0' x >www/index.html
	# Nobody else may look into this folder.
	[ "$(id -u)" != 0 ] || echo 'user root;'
	cat <<-END
		daemon off;
		worker_processes 2;
		pid $tap_dir/nginx.pid;
		error_log $tap_dir/nginx.log;
		events { worker_connections 200; }
		http {
			access_log off;
			gzip on;
			gzip_types *;
			client_body_temp_path $tap_dir/temporary;
			proxy_temp_path $tap_dir/temporary;
			fastcgi_temp_path $tap_dir/temporary;
			uwsgi_temp_path $tap_dir/temporary;
			scgi_temp_path $tap_dir/temporary;
			server { listen 127.0.0.1:$port; root $tap_dir/www; }
		}
	END
}

nginx_load()
{
	wrk -t 1 -c 20 -d "${duration}s" --timeout 60s -H 'Accept-Encoding: gzip' \
		"http://127.0.0.1:$port/" >load 2>&1 && ! grep -E 'Socket errors|Non-2xx' load
}

nginx_stop()
{
	kill -QUIT "$(cat nginx.pid)"
}

# flat COLUMN PERCENT: its maximum of the last third is not above that of the first.
flat()
{
	awk -v column="$1" -v percent="$2" -v margin=$margin_kib '
	{ value[NR] = $column }
	END {
		for (i = 1; i <= NR; i++) {
			if (i <= NR / 3 && value[i] > first)
				first = value[i]
			if (i > NR * 2 / 3 && value[i] > last)
				last = value[i]
		}
		printf "%d samples; first third at most %d KiB, last third %d KiB\n", NR, first, last
		exit !(NR > 2 && last <= first + margin + first * percent / 100)
	}' samples >flatness
}

disk_is_bounded()
{
	awk -v most=$((max_disk_mib * 1024)) '
	$3 > highest { highest = $3 }
	END { printf "largest capture: at most %d KiB\n", highest; exit highest > most }' samples >disk
}

# Each capture reads, has allocations, and is complete or says what is missing.
analyzes()
{
	"$heapsnap" analyze --json analysis.json "$1" >said 2>&1 &&
		"${PYTHON:-python3}" - >totals <<-'END'
			import json
			for p in json.load(open("analysis.json"))["processes"]:
			    t = p["totals"]
			    print(p["id"], "complete" if p["complete"] else "incomplete",
			          "lost", p["lost_events"], "allocations", t["allocations"],
			          "frees", t["frees"], "peak", t["peak_bytes"], "snapshots", p["snapshots"])
			    assert t["allocations"] and (p["complete"] or p["lost_events"]), p
		END
}

# tell NAME FILE: a result by the status before, and what was measured.
tell()
{
	if [ $? -eq 0 ]; then ok "$1"; else not_ok "$1"; fi
	tail -n 10 "$2" | note
}

# soak NAME KIND COMMAND...: KIND is redis or nginx.
soak()
{
	name=$1
	kind=$2
	shift 2
	rm -rf captures samples load
	mkdir captures
	: >samples
	: >sampling
	"$@" >server 2>&1 &
	server=$!
	sample "$tap_dir/captures" &
	sampler=$!
	until_ready listens && "${kind}_load"
	tell "$name: the load sees no error" load
	rm sampling
	wait $sampler
	"${kind}_stop"
	wait $server
	status=$?
	[ $status -eq 0 ]
	tell "$name: the server ends as ever" server
	until_ready no_recorder "$tap_dir/captures"
	tell "$name: the recorder leaves" samples
	flat 1 0
	tell "$name: the recorder's memory is flat" flatness
	flat 2 25
	tell "$name: and so is that of its helpers" flatness
	disk_is_bounded
	tell "$name: the captures stay within $max_disk_mib MiB" disk
	analyzes "$tap_dir/captures"
	tell "$name: the captures tell the whole, or what is missing" totals
}

lacks()
{
	for program; do
		have "$program" || return 0
	done
	return 1
}

plan $((7 * $#))
for what; do
	case $what in
	redis | alone)
		lacks redis-server redis-benchmark && missing=redis-server || missing=
		kind=redis
		# shellcheck disable=SC2046 # words
		command="redis-server $(redis_options)"
		;;
	nginx)
		lacks nginx wrk && missing="nginx or wrk" || missing=
		kind=nginx
		nginx_configuration >nginx.conf
		command="nginx -e $tap_dir/nginx.log -c $tap_dir/nginx.conf"
		;;
	*) bail_out "no soak is called $what" ;;
	esac
	if [ -n "$missing" ]; then
		for i in 1 2 3 4 5 6 7; do
			skip "$what, $i of 7" "$missing is not installed"
		done
	elif [ "$what" = alone ]; then
		# shellcheck disable=SC2086 # words
		soak "$what" $kind env LD_PRELOAD="$tracker" HEAPSNAP_DIR="$tap_dir/captures" $command
	else
		# shellcheck disable=SC2086
		soak "$what" $kind "$heapsnap" run -q -o "$tap_dir/captures" -- $command
	fi
	port=$((port + 1))
done
exit $((tap_failed > 0))
