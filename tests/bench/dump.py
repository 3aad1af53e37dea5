# SPDX-License-Identifier: MIT
"""How long `heapsnap snap --dump` and gcore stop a process, side by side: a probe in the
process looks at the clock all the time, and its longest gap is how long it stood still
(its median gap without a dump is below a millisecond).  Takes the size of the memory in
MiB, and how often.

    python3 tests/bench/dump.py [MIB [TIMES]]"""
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
import hs

# A thread notes the longest time between two looks at the clock since it was asked.
PROBE = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static _Atomic uint64_t longest;
static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static void *look(void *arg)
{
	const struct timespec pause = {.tv_nsec = 200000};
	for (uint64_t last = now(), next;; last = next) {
		nanosleep(&pause, NULL);
		next = now();
		if (next - last > longest)
			longest = next - last;
	}
	return arg;
}
int main(int argc, char **argv)
{
	char line[8];
	pthread_t thread;
	size_t n = (size_t)atol(argv[argc - 1]) << 17;
	uint64_t *p = malloc(n * 8);
	for (size_t i = 0; i < n; i++)
		p[i] = i * 0x9e3779b97f4a7c15u >> i % 61;
	pthread_create(&thread, NULL, look, NULL);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%llu\n", (unsigned long long)atomic_exchange(&longest, 0));
		fflush(stdout);
	}
	return p[n - 1] == 0;
}
"""


def build(folder):
    with open(folder + "/probe.c", "w", encoding="utf-8") as f:
        f.write(PROBE)
    subprocess.run(["cc", "-O2", "-pthread", "-o", folder + "/probe", folder + "/probe.c"],
                   check=True)
    return folder + "/probe"


def ask(probe):
    probe.stdin.write("?\n")
    return int(probe.stdout.readline()) / 1e6


def measure(probe, folder, command):
    """Milliseconds that the probe stood still; CPU seconds and bytes on disk of the dump."""
    for name in os.listdir(folder):
        if ".core" in name:
            os.unlink(f"{folder}/{name}")
    ask(probe)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = sum(os.stat(f"{folder}/{n}").st_blocks * 512 for n in os.listdir(folder) if ".core" in n)
    return ask(probe), cpu, size


def main():
    mib = sys.argv[1] if len(sys.argv) > 1 else "256"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = tempfile.mkdtemp(prefix="dump.", dir=hs.BUILD)
    probe = subprocess.Popen([build(folder), mib], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True, bufsize=1)
    assert probe.stdout.readline() == "ready\n"
    pid = str(probe.pid)
    commands = {"heapsnap": [hs.HEAPSNAP, "snap", "--dump", "-o", folder + "/a.core", pid],
                "heapsnap, zstd": [hs.HEAPSNAP, "snap", "--dump", "--compress=zstd", "-o",
                                   folder + "/a.core.zst", pid],
                "gcore": ["gcore", "-o", folder + "/a.core", pid]}
    if not shutil.which("gcore"):
        del commands["gcore"]
        print("no gcore here (Debian: gdb)")
    results = {name: [] for name in commands}
    try:
        for _ in range(times):  # interleaved: what disturbs one disturbs all
            for name, command in commands.items():
                results[name].append(measure(probe, folder, command))
        print(f"{mib} MiB, median and maximum of {times}")
        for name, rows in results.items():
            stopped, cpu, size = zip(*rows)
            print(f"{name:16} stopped {statistics.median(stopped):8.1f} ms, at most "
                  f"{max(stopped):8.1f} ms; CPU {statistics.median(cpu):6.2f} s; "
                  f"{max(size) >> 20} MiB on disk")
    finally:
        probe.kill()
        shutil.rmtree(folder)


main()
