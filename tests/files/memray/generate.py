#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes those samples that memray did not write itself; see README.

    tests/files/memray/generate.py        into this folder
"""
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../../lib"))
import memray  # noqa: E402

PAGE = 4096


def mappings(out):
    """100 pages lose 10 at their head, 5 at their tail and 20 in the middle."""
    w = memray.Writer(out, 12, command="/usr/bin/memray run -o x.bin maps.py")
    at = 0x7f0000000000
    w.switch(1)
    w.push("maps", "maps.py", 3)
    w.allocate("mmap", at, 100 * PAGE)
    w.call("munmap", at, 10 * PAGE)
    w.call("munmap", at + 95 * PAGE, 5 * PAGE)
    w.call("munmap", at + 40 * PAGE, 20 * PAGE)
    # A block begins where a mapping does; a mapping replaces half of another.
    w.allocate("malloc", at + 10 * PAGE, 24)
    w.pop()
    w.push("maps", "maps.py", 4)
    w.allocate("mmap", at + 80 * PAGE, 30 * PAGE)
    w.memory(1 << 20, 10)
    w.end()


def main():
    with open(os.path.join(here, "good-v12-mappings.bin"), "wb") as out:
        mappings(out)
    with open(os.path.join(here, "good-v11-raw.bin"), "rb") as file:
        raw = file.read()
    samples = {"good-v11-cut": raw[:3000], "bad-header-cut": raw[:40]}
    for version in 8, 14:
        samples["unsupported-v%d" % version] = raw[:7] + bytes([version]) + raw[8:200]
    for name, data in samples.items():
        with open(os.path.join(here, name + ".bin"), "wb") as out:
            out.write(data)


main()
