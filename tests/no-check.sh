#!/bin/sh
# SPDX-License-Identifier: MIT
# Stands in for the unit tests where they could not be built, so that their
# absence is seen.
. "${top_srcdir:=.}/tests/lib/tap.sh"
skip_all "the unit tests: configure did not find the library check (Debian: package check)"
