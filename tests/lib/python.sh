#!/bin/sh
# SPDX-License-Identifier: MIT
# Run a test written in Python, or skip it with a reason.
. "${top_srcdir:=.}/tests/lib/tap.sh"
for python in /usr/bin/python3 python3; do
	have $python && $python -c 'import sys; sys.exit(sys.version_info < (3, 9))' &&
		exec $python -B "$@"
done
skip_all "python3 (3.9 or newer) is not here"
