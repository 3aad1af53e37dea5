# SPDX-License-Identifier: MIT
"""The tracker alone, without a recorder and without the analyzer: captures are
decoded by tests/lib/replay.py.  Victims have the totals that they say they have;
real programs behave as if nothing were there, and as many allocations, frees and
bytes are recorded as a counting malloc beneath the tracker sees in the same run."""
import os
import random
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
import programs
from replay import Books, Capture, replay
from tap import Tap, skip_all

ROUNDS = 20


def own_truth(name, ran):
    """totals.KEY -> value, from the victim's comment or its own output."""
    lines = hs.truths(name)
    if ["printed"] in lines:
        lines = [line.split() for line in ran.out.decode().splitlines()]
    return {line[0][7:]: int(line[1]) for line in lines if line[0].startswith("totals.")}


def victim_has_its_totals(name, work):
    ran = hs.preloaded([hs.victim(name)], f"{work}/{name}")
    assert ran.status == 0, ran.text()
    (path,), = hs.captures(f"{work}/{name}").values()
    got = replay(path)[1].totals()
    wanted = own_truth(name, ran)
    assert wanted
    assert {key: got[key] for key in wanted} == wanted, f"wanted {wanted}\ngot    {got}"


def threads_free_each_others_blocks(work):
    ran = hs.preloaded([hs.victim("threads")], f"{work}/threads")
    assert ran.status == 0, ran.text()
    (path,), = hs.captures(f"{work}/threads").values()
    capture, books = replay(path)
    assert books.unmatched == 0, f"{books.unmatched} frees of blocks that nobody allocated"
    names = sorted(capture.threads.values())
    assert names.count("producer") == 4 and names.count("consumer") == 1, names
    own = [size for size, thread, _ in books.live.values()
           if capture.threads.get(thread) == "producer"]
    assert (len(own), sum(own)) == (800, 12800), f"{len(own)} blocks, {sum(own)} bytes live"


def totals_of(paths):
    """Sums over the captures of one pid; was it ever a forked process?"""
    sums, forked = [0, 0, 0], False
    for path in paths:
        capture, books = Capture(path), Books()
        for stream, thread, event in capture.merged():
            books.take(stream, thread, event)
        books.settle()
        assert capture.lost_events == 0, f"{path}: lost {capture.lost_events} events"
        forked |= bool(capture.flags & 1)
        sums = [a + b for a, b in zip(sums, (
            books.allocations, books.frees + books.unmatched, books.allocated_bytes))]
    return tuple(sums), forked


def same_behaviour(bare, ran):
    assert ran.status == bare.status, f"status {ran.status}, bare {bare.status}\n{ran.text()}"
    assert ran.out == bare.out, "stdout differs"
    assert ran.err == bare.err, f"stderr differs\n{ran.text()}"


def program_is_counted_exactly(program, work):
    folder = f"{work}/{program.name}"
    os.makedirs(folder)
    bare = hs.Ran(program.argv(folder), cwd=folder)
    ran = hs.preloaded(program.argv(folder), folder + "/captures", counter=folder + "/count",
                       cwd=folder)
    same_behaviour(bare, ran)
    found = hs.captures(folder + "/captures")
    assert len(found) >= program.processes, f"only {sorted(found)} were recorded"
    for pid, paths in found.items():
        got, _ = totals_of(paths)
        wanted = hs.counted(folder + "/count", pid)
        assert got == wanted, f"{paths}: recorded {got}, counted {wanted}"


def books_of(path):
    """The ender's own sums: live bytes, live blocks."""
    with open(path, "rb") as f:
        rows = list(struct.iter_unpack("4Q", f.read()))
    return sum(row[1] for row in rows), sum(row[2] for row in rows)


def start_cost(work):
    """What is live in an ender that did nothing: libc's own blocks."""
    hs.preloaded([hs.victim("ender"), "_exit", "1", f"{work}/none"], f"{work}/none.d")
    (path,), = hs.captures(f"{work}/none.d").values()
    own, blocks = books_of(f"{work}/none")
    totals = replay(path)[1].totals()
    return totals["live_bytes"] - own, totals["live_blocks"] - blocks


def wait_until_alive(process, path):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if os.path.exists(path) and os.path.getsize(path) and books_of(path)[1] > 100:
            return
        time.sleep(0.01)
    raise AssertionError("the victim did not begin")


def survives(how, work, i, cost):
    folder, books, threads = f"{work}/end{i}", f"{work}/books{i}", 1 + i % 3
    argv = [hs.victim("ender"), how, str(random.randrange(1, 60000)), books, str(threads)]
    if how == "kill":
        with subprocess.Popen(argv, env=hs.environment(
                LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder, HEAPSNAP_REPORT="none")) as p:
            wait_until_alive(p, books)
            time.sleep(random.uniform(0, 0.5))
            p.send_signal(signal.SIGKILL)
    else:
        argv[4:] = []
        hs.preloaded(argv, folder)
    (path,), = hs.captures(folder).values()
    capture, found = replay(path)
    assert capture.lost_events == 0
    wanted = [own + extra for own, extra in zip(books_of(books), cost)]
    totals = found.totals()
    got = [totals["live_bytes"], totals["live_blocks"]]
    if how != "kill":
        assert got == wanted, f"live {got}, the program's own books say {wanted}"
        return
    # Each thread may have been between its operation and its entry in the books,
    # and each but the first has a block of libc's.
    assert abs(got[1] - wanted[1]) <= 2 * threads, f"live {got}, wanted about {wanted}"
    assert abs(got[0] - wanted[0]) <= 2000 * threads, f"live {got}, wanted about {wanted}"


def main():
    for needed in (hs.TRACKER, hs.COUNTER):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    tap, work = Tap(), hs.work_dir()
    for name in ("leaky", "churn"):
        tap.run(f"{name} has the totals that it says it has", victim_has_its_totals, name, work)
    tap.run("threads free each other's blocks", threads_free_each_others_blocks, work)
    for program in programs.ALL:
        name = f"{program.name} is counted exactly and does not notice"
        if program.missing():
            tap.skip(name, program.missing())
        else:
            tap.run(name, program_is_counted_exactly, program, work)
    cost = start_cost(work)
    random.seed(os.environ.get("SEED") or None)
    for i in range(ROUNDS):
        how = ("kill", "abort", "segv", "_exit")[i % 4]
        tap.run(f"what was live before {how} is in the capture ({i + 1})", survives, how, work,
                i, cost)
    tap.end()


main()
