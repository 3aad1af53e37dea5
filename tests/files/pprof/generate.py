#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""generate.py DIR: write the samples of pprof's format, by its public schema
(profile.proto).  Values are named below; the test adds them up anew."""
import gzip
import os
import sys


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, *parts):
    body = b''.join(parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


class Strings(list):
    def __call__(self, s):
        if s not in self:
            self.append(s)
        return self.index(s)


def profile(types, samples, packed=True):
    """samples: (locations innermost first, values)"""
    s = Strings([''])
    out = [message(1, number(1, s(t)), number(2, s(u))) for t, u in types]
    for locations, values in samples:
        if packed:
            parts = [message(1, *map(varint, locations)), message(2, *map(varint, values))]
        else:
            parts = [number(1, x) for x in locations] + [number(2, x) for x in values]
        out.append(message(2, *parts))
    out.append(message(3, number(1, 1), number(2, 0x400000), number(3, 0x500000),
                       number(4, 0x1000), number(5, s('/usr/bin/server')),
                       number(6, s('0123abcd'))))
    # 1: main; 2: parse, into which copy is inlined; 3: nobody knows its name
    out.append(message(4, number(1, 1), number(2, 1), number(3, 0x401000),
                       message(4, number(1, 1), number(2, 10))))
    out.append(message(4, number(1, 2), number(2, 1), number(3, 0x402000),
                       message(4, number(1, 3), number(2, 31)),
                       message(4, number(1, 2), number(2, 22))))
    out.append(message(4, number(1, 3), number(2, 1), number(3, 0x403000)))
    for i, name in enumerate(('main', 'parse', 'copy'), 1):
        out.append(message(5, number(1, i), number(2, s(name)), number(3, s(name)),
                           number(4, s('server.c'))))
    out.append(number(9, 1700000000 * 10**9))
    out.append(number(10, 60 * 10**9))
    return b''.join(out + [message(6, x.encode()) for x in s])


HEAP = [('alloc_objects', 'count'), ('alloc_space', 'bytes'),
        ('inuse_objects', 'count'), ('inuse_space', 'bytes')]
SAMPLES = [([1], [10, 1000, 4, 400]),
           ([2, 1], [20, 5000, 0, 0]),
           ([3, 1], [1, 300, 1, 300])]


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    os.chdir(sys.argv[1])
    files = {
        'good-heap.pb': profile(HEAP, SAMPLES),
        'good-unpacked.pb': profile(HEAP, SAMPLES, packed=False),
        'good-space.pb': profile([('space', 'bytes')],
                                 [(l, v[3:]) for l, v in SAMPLES]),
        'good-unknown-place.pb': profile(HEAP, SAMPLES + [([9, 1], [1, 1, 1, 1])]),
        'unsupported-cpu.pb': profile([('samples', 'count'), ('cpu', 'nanoseconds')],
                                      [(l, v[:2]) for l, v in SAMPLES]),
    }
    for name, data in files.items():
        open(name, 'wb').write(data)
    with gzip.GzipFile('good-heap.pb.gz', 'wb', mtime=0) as out:
        out.write(files['good-heap.pb'])


main()
