#!/bin/sh
# SPDX-License-Identifier: MIT
# Suppressions, baselines, limits, and the outputs for CI systems, on a program whose
# leaks are known: tests/victims/suppressed.c.
# shellcheck disable=SC2317 # functions are called by `check`
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

heapsnap=$(cd "$top_builddir" && pwd)/heapsnap
victim=$(cd "$top_builddir" && pwd)/tests/victims/suppressed
sources=$(cd "$top_srcdir" && pwd)
work_dir
cd "$tap_dir" || bail_out "no $tap_dir"
unset NO_COLOR HEAPSNAP_DIR HEAPSNAP_REPORT HEAPSNAP_MODULES

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

# python EXPRESSION [FILE]: is it true of the JSON d in FILE (out)?
python()
{
	python3 -c "import json,sys; d = json.load(open('${2:-out}'))
leaks = sum(l['bytes'] for l in d.get('leaks', []))
sys.exit(not ($1) and repr(d)[:2000])"
}

record()
{
	run 7 "$heapsnap" run -q -o rec -- "$victim"
}

own_rules_hide()
{
	run 0 "$heapsnap" analyze --json - rec &&
		python "leaks == 2000 and d['suppressions'] == [{'kind': 'leak',
			'pattern': 'known_leak', 'origin': 'suppressed', 'line': 2,
			'bytes': 5000, 'blocks': 5, 'exceeded': False}]" &&
		run 0 "$heapsnap" analyze --text - rec &&
		grep -q '^suppressed  5 blocks, 4.88 KiB by 1 rule of 1$' out
}

own_rules_can_be_ignored()
{
	run 0 "$heapsnap" analyze --no-embedded-suppressions --json - rec &&
		python "leaks == 7000 and 'suppressions' not in d"
}

files_hide()
{
	printf 'leak:session_leak\nleak:plugin_* max=999\n' >rules
	run 0 "$heapsnap" analyze --suppressions rules --json - rec &&
		python "leaks == 1000 and [(s['bytes'], s['exceeded'])
			for s in d['suppressions']] ==
			[(1000, False), (1000, True), (5000, False)]"
}

ids_hide()
{
	run 0 "$heapsnap" analyze --json all.json rec || return
	python3 -c "import json
for l in json.load(open('all.json'))['leaks']:
	if l['blocks'] == 20: print('leak-id:' + l['id'])" >ids
	run 0 "$heapsnap" analyze --suppressions ids --json - rec &&
		python "leaks == 1000 and d['leaks'][0]['blocks'] == 10"
}

bad_rules_are_refused()
{
	echo 'thread:x' >bad
	run 1 "$heapsnap" analyze --suppressions bad --json - rec &&
		grep -q "^heapsnap: bad:1: 'thread:x' is no suppression" err &&
		run 1 "$heapsnap" run -o never --suppressions missing -- "$victim" &&
		grep -q 'missing' err && [ ! -e never ]
}

limits_decide()
{
	run 0 "$heapsnap" analyze -q --fail-on-leaks 2000 -o out.d rec &&
		run 3 "$heapsnap" analyze -q --fail-on-leaks=1999 -o out.d rec &&
		grep -q '^heapsnap: leaked 1.95 KiB in 2 places, more than --fail-on-leaks' err &&
		[ -s out.d/report.html ] && [ -s out.d/summary.txt ]
}

run_has_limits()
{
	run 3 "$heapsnap" run -q -o r1 --fail-on-leaks 0 -- "$victim" &&
		[ -n "$(find r1 -name '*.html')" ] &&
		run 7 "$heapsnap" run -q -o r2 --fail-on-leaks 1m -- "$victim" &&
		run 3 env HEAPSNAP_REPORT=none \
			"$heapsnap" run -q -o r3 --fail-on-leaks 0 -- "$victim" &&
		[ -z "$(find r3 -name '*.html')" ] &&
		run 0 "$heapsnap" run -q -o r4 --fail-on-leaks 0 -- true
}

what_is_not_judged_fails()
{
	run 1 env HEAPSNAP_MODULES=nobody \
		"$heapsnap" run -q -o r5 --fail-on-leaks 1g -- "$victim"
}

baselines_excuse()
{
	run 0 "$heapsnap" analyze -q --baseline all.json --fail-on-leaks 0 -o out.d rec &&
		run 3 "$heapsnap" analyze -q --no-embedded-suppressions \
			--baseline all.json --fail-on-leaks 4999 -o out.d rec &&
		grep -q 'leaked 4.88 KiB in 1 place besides 1.95 KiB that the baseline' err &&
		echo '{"schema": "x"}' >no.json &&
		run 1 "$heapsnap" analyze --baseline no.json rec &&
		grep -q '^heapsnap: no.json: this is no report of heapsnap' err
}

rates_are_read()
{
	for rate in 1MiB 64k/s 1GiB/d 10/15m; do
		run 0 "$heapsnap" analyze -q --fail-on-growth "$rate" -o out.d rec || return
	done
	for rate in '' fast 1/ 1/x 1/0s; do
		run 2 "$heapsnap" analyze -q --fail-on-growth "$rate" -o out.d rec || return
	done
}

sarif_is_valid()
{
	# From the sources, as a build does: paths are relative.
	(cd "$sources" && "$heapsnap" analyze --write sarif=- --baseline "$OLDPWD/all.json" \
		--no-embedded-suppressions "$OLDPWD/rec") >out || return
	python "d['version'] == '2.1.0' and len(d['runs'][0]['results']) == 3" &&
		python "{r['properties']['bytes']: r['baselineState']
			for r in d['runs'][0]['results']} == {5000: 'new', 1000: 'unchanged'}" &&
		python "all(r['ruleId'] in [x['id'] for x in
			d['runs'][0]['tool']['driver']['rules']] and
			r['partialFingerprints']['heapsnapLeak/v1'].startswith('HS-') and
			r['locations'][0]['physicalLocation']['artifactLocation']['uri'] ==
			'tests/victims/suppressed.c' and
			r['stacks'][0]['frames'] for r in d['runs'][0]['results'])"
}

annotations_are_escaped()
{
	(cd "$sources" && "$heapsnap" analyze --write github=- "$OLDPWD/rec") >out || return
	[ "$(wc -l <out)" -eq 2 ] &&
		! grep -v '^::[a-z]* file=tests/victims/suppressed\.c,line=[0-9]*,title=[^:,]*::' out
}

junit_is_xml()
{
	run 3 "$heapsnap" analyze -q --fail-on-leaks 0 --fail-on-growth 1g \
		--write junit=junit.xml rec &&
		python3 -c "import xml.etree.ElementTree as e, sys
t = e.parse('junit.xml').getroot()
s = t.find('testsuite')
cases = s.findall('testcase')
sys.exit(not (t.get('tests') == s.get('tests') == '2' and s.get('failures') == '1' and
	len(cases) == 2 and len(s.findall('testcase/failure')) == 1 and
	'session_leak' in cases[0].find('failure').text))"
}

lsan_adds_up()
{
	run 0 "$heapsnap" analyze --write lsan=- rec &&
		grep -q '^SUMMARY: heapsnap: 2000 byte(s) leaked in 30 allocation(s)\.$' out &&
		grep -q '^Direct leak of 1000 byte(s) in 10 object(s) allocated from:' out &&
		grep -q '^    #[0-9]* 0x[0-9a-f]* in session_leak .*suppressed.c:[0-9]*$' out
}

plan 15
check "a program with leaks is recorded" record
check "rules that a program has in itself hide, and are counted" own_rules_hide
check "they can be ignored" own_rules_can_be_ignored
check "rules of a file hide as far as their bounds let them" files_hide
check "ids hide single findings" ids_hide
check "what is no rule is refused before anything runs" bad_rules_are_refused
check "a limit decides the status after the reports are written" limits_decide
check "run has limits, too, with and without reports" run_has_limits
check "what was not recorded has not passed" what_is_not_judged_fails
check "a baseline excuses what it has" baselines_excuse
check "rates are sizes by time" rates_are_read
check "sarif names rules, places and fingerprints" sarif_is_valid
check "annotations are one line each" annotations_are_escaped
check "junit has a case for each limit" junit_is_xml
check "lsan's text adds up" lsan_adds_up
