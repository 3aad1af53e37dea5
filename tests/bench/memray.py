#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a large capture of memray, to see how fast it is read.

    tests/bench/memray.py FILE [--version 11] [--records 10000000]

20,000 blocks are alive at any time; a new one is as likely the address of one
that was freed as a new address; each eighth allocation is of another of 200
lines.  The file has no end mark, as if its process had been killed.
"""
import argparse
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import memray  # noqa: E402


def write(out, version, n_records):
    w = memray.Writer(out, version, command="/usr/bin/memray run big.py")
    choose = random.Random(1)
    live, freed, fresh = [], [], 0x10000
    w.switch(1)
    w.push("main", "big.py", 1)
    for i in range(n_records // 2):
        if i % 8 == 0:
            if i:
                w.pop()
            k = i // 8 % 200
            w.push("f%d" % k, "big.py", 10 + k)
        if freed and choose.random() < 0.7:
            addr = freed.pop()
        else:
            addr, fresh = fresh, fresh + 1024
        w.allocate("malloc", addr, 16 + i % 1000)
        live.append(addr)
        if len(live) > 20000:
            k = choose.randrange(len(live))
            live[k], live[-1] = live[-1], live[k]
            freed.append(live.pop())
            w.free(freed[-1])
        if i % 5000 == 0:
            w.memory(50 << 20, i // 500)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--version", type=int, default=11)
    parser.add_argument("--records", type=int, default=10000000)
    args = parser.parse_args()
    with open(args.file, "wb", 1 << 20) as out:
        write(out, args.version, args.records)


main()
