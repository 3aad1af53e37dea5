# SPDX-License-Identifier: MIT
"""A service whose workers get their names late.  service.py OUT TITLE COMM...:
a forked child per pair; it waits, names itself by TITLE (written over argv's
memory) and COMM (prctl) unless they are "-", waits again, allocates BLOCKS blocks
of SIZE bytes that it keeps, and leaves through os._exit.  Prints a line per child:
its pid.

truth: a child that is recorded from its naming on holds at least BLOCKS * SIZE
"""
import ctypes
import os
import sys
import time

BLOCKS, SIZE = 500, 12345
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]


def set_title(text):
    with open("/proc/self/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text.encode(), min(len(text), end - start - 1))


def work(title, comm):
    time.sleep(0.1)
    if title != "-":
        set_title(title)
    if comm != "-":
        libc.prctl(15, comm.encode(), 0, 0, 0)
    time.sleep(0.2)
    for _ in range(BLOCKS):
        libc.malloc(SIZE)
    os._exit(0)


names = sys.argv[1:]
children = []
for pair in zip(names[::2], names[1::2]):
    pid = os.fork()
    if pid == 0:
        work(*pair)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
    print(pid)
