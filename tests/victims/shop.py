# SPDX-License-Identifier: MIT
"""A service of workers that are started by a forkserver, and that name themselves
when they run: the title "shop.till:front/1" over argv's memory, "shop.killed" and
"shop.starved" by prctl; a fourth keeps its name.  Each holds BLOCKS blocks of SIZE
bytes in the end.  The first leaves as a forkserver's workers do, by os._exit; the
second is killed; the third meets RLIMIT_AS and ends by a MemoryError.

truth: each of the first three holds at least BLOCKS * SIZE bytes at its end
"""
import ctypes
import multiprocessing
import os
import resource
import signal
import time

BLOCKS, SIZE = 500, 12345
PR_SET_NAME = 15
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]


def set_title(text):
    with open("/proc/self/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    start, end = int(fields[45]), int(fields[46])
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, text.encode(), min(len(text), end - start - 1))


def hold():
    for _ in range(BLOCKS):
        libc.malloc(SIZE)


def till(_):
    set_title("shop.till:front/1")
    hold()


def killed(ready):
    libc.prctl(PR_SET_NAME, b"shop.killed", 0, 0, 0)
    hold()
    ready.send(1)
    time.sleep(1000)


def starved(_):
    libc.prctl(PR_SET_NAME, b"shop.starved", 0, 0, 0)
    hold()
    with open("/proc/self/statm", encoding="ascii") as f:
        used = int(f.read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), used + (32 << 20)))
    hoard = []
    while True:
        hoard.append(bytearray(1 << 20))


def other(_):
    hold()


def main():
    context = multiprocessing.get_context("forkserver")
    for work in (till, killed, starved, other):
        here, there = context.Pipe()
        worker = context.Process(target=work, args=(there,))
        worker.start()
        if work is killed:
            here.recv()
            os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        print(work.__name__, worker.exitcode, flush=True)


if __name__ == "__main__":
    main()
