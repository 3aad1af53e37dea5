#!/bin/sh
# SPDX-License-Identifier: MIT
# The report page's script never parses text as markup or code, reaches for
# nothing, and is what the modules say.
set -u
. "${top_srcdir:=.}/tests/lib/tap.sh"

viewer=$top_srcdir/src/viewer

# uses PATTERN: lines of the modules that match, comments left out.
uses()
{
	grep -nE "$1" "$viewer"/*.js | grep -vE '^[^:]*:[0-9]*:[[:space:]]*//'
}

plan 5
empty "no module parses text as markup" \
	"$(uses 'innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML')"
empty "no module runs text as code" \
	"$(uses '(^|[^.[:alnum:]_])eval *\(|new Function *\(|[^[:alnum:]]Function *\(|setTimeout *\( *["'\''`]|import *\(')"
empty "no module reaches for a network or keeps anything" \
	"$(uses 'fetch *\(|XMLHttpRequest|WebSocket|sendBeacon|EventSource|localStorage|sessionStorage|indexedDB|document\.cookie|new Image')"
empty "imports take one line at the top" \
	"$(awk 'FNR == 1 { past = 0 }
		/^import / { if (past || !/;$/) print FILENAME ":" FNR ": " $0; next }
		!/^(\/\/|$)/ { past = 1 }' "$viewer"/*.js)"
if have node; then
	check "the bundle is a script" node --check "$top_builddir/src/viewer/report.js"
else
	skip "the bundle is a script" "node is not here"
fi
