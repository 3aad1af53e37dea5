#!/bin/sh
# SPDX-License-Identifier: MIT
# The report page: its decoder under node, and the page itself in Chromium.
# playwright-core is looked for in $HEAPSNAP_NODE_MODULES, in the build folder's
# node_modules and where node itself looks (NODE_PATH).
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

have node || skip_all "node is not here"
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || skip_all "node is older than 18"
work_dir
for report in known server series hostile; do
	"$top_builddir/tests/bench/gen_report" $report >"$tap_dir/$report.html" ||
		bail_out "gen_report $report failed"
done
# A program that really ran: its JSON and its page must tell the same.
real()
{
	"$top_builddir/heapsnap" run -q -o "$tap_dir/real" -- "$top_builddir/tests/victims/leaky" &&
		"$top_builddir/heapsnap" analyze --json "$tap_dir/real.json" \
			--html "$tap_dir/real.html" "$tap_dir/real"
}
real >"$tap_dir/said" 2>&1 || note <"$tap_dir/said"
# A core of a heap that knows its own truth; the machine may forbid to make one.
core()
{
	mkfifo "$tap_dir/stay" || return
	"$top_builddir/tests/victims/lost" <"$tap_dir/stay" >"$tap_dir/ready" &
	lost=$!
	exec 9>"$tap_dir/stay"
	while kill -0 $lost && ! grep -q ready "$tap_dir/ready"; do sleep 0.02; done
	"$top_builddir/heapsnap" snap --dump -q -o "$tap_dir/lost.core" $lost &&
		"$top_builddir/heapsnap" analyze -q --json "$tap_dir/core.json" \
			--html "$tap_dir/core.html" "$tap_dir/lost.core"
	made=$?
	exec 9>&-
	wait $lost
	return $made
}
core >"$tap_dir/said" 2>&1 || {
	rm -f "$tap_dir/core.html"
	note <"$tap_dir/said"
}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
timeout -k 10 1800 node "$top_srcdir/tests/viewer/run.mjs" \
	"$(cd "$tap_dir" && pwd)" "${chromium:-}" "$(cd "$top_builddir" && pwd)"
