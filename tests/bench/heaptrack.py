# SPDX-License-Identifier: MIT
"""heaptrack.py FILE: ten million events in heaptrack's interpreted format, version 3: a
thousand stacks of one to a thousand frames, a thousand blocks live at a time."""
import sys
out = open(sys.argv[1], 'w', encoding='ascii')
out.write("v 10300 3\nX prog\nI 1000 100000\n")
out.write("s 4 prog\ns 4 main\ns 3 a.c\n")
n = 1000
for i in range(n):
    out.write("s %x fn%d\n" % (len("fn%d" % i), i))
out.write("i 1000 1 2 3 5\n")
for i in range(n):
    out.write("i %x 1 %x 3 %x\n" % (0x2000 + i, 4 + i, i + 1))
out.write("t 1 0\n")
for i in range(n):
    out.write("t %x 1\n" % (i + 2))
for i in range(n):
    out.write("a %x %x\n" % (16 + i, i + 2))
block = []
for i in range(n):
    block.append("+ %x\n" % i)
for i in range(n):
    block.append("- %x\n" % i)
block = "".join(block)
for r in range(5000):
    if r % 50 == 0:
        out.write("c %x\n" % r)
    out.write(block)
out.close()
