#!/bin/sh
# bundle.sh MODULE...: write the modules as one script that runs without a server.
# They may import each other by single lines at their top, in the order given;
# no two may declare the same name at top level (checked).
set -eu
awk '
FNR == 1 { printf "%s// --- %s ---\n", NR == 1 ? "\"use strict\";\n(() => {\n" : "", base(FILENAME) }
/^import / { if (!/;$/) fail("an import takes one line"); next }
{ sub(/^export /, "") }
/<\/script|<!--/ { fail("would end the script element") }
/^(async )?function|^(const|let|class) / {
	name = $0
	sub(/^(async )?(function\*?|const|let|class) +/, "", name)
	sub(/[^A-Za-z0-9_$].*/, "", name)
	if (name in where) fail("\"" name "\" is declared in " where[name] ", too")
	where[name] = base(FILENAME)
}
{ print }
END { if (!failed) print "})();" }
function base(path) { sub(/.*\//, "", path); return path }
function fail(why) {
	printf "%s:%d: %s\n", FILENAME, FNR, why | "cat 1>&2"
	failed = 1
	exit 1
}
' "$@"
