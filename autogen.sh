#!/bin/sh
# Make configure and Makefile.in; nothing else.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all,no-portability
