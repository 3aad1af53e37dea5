# SPDX-License-Identifier: MIT
"""The tracker alone, without a recorder and without the analyzer: captures are
decoded by tests/lib/replay.py.  Victims have the totals that they say they have;
real programs behave as if nothing were there, and as many allocations, frees and
bytes are recorded as a counting malloc beneath the tracker sees in the same run."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
import programs
from replay import replay, sums
from tap import Tap, skip_all

ROUNDS = 20


def victim_has_its_totals(name, work):
    ran = hs.preloaded([hs.victim(name)], f"{work}/{name}")
    assert ran.status == 0, ran.text()
    (path,), = hs.captures(f"{work}/{name}").values()
    got = replay(path)[1].totals()
    wanted = hs.own_truth(name, ran)
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


def program_is_counted_exactly(program, work):
    folder = f"{work}/{program.name}"
    os.makedirs(folder)
    bare = hs.Ran(program.argv(folder), cwd=folder)
    ran = hs.preloaded(program.argv(folder), folder + "/captures", counter=folder + "/count",
                       cwd=folder)
    hs.same_behaviour(bare, ran)
    found = hs.captures(folder + "/captures")
    assert len(found) >= program.processes, f"only {sorted(found)} were recorded"
    for pid, paths in found.items():
        got = sums(paths)
        wanted = hs.counted(folder + "/count", pid)
        assert got == wanted, f"{paths}: recorded {got}, counted {wanted}"


def start_cost(work):
    """What is live in an ender that did nothing: libc's own blocks."""
    hs.preloaded([hs.victim("ender"), "_exit", "1", f"{work}/none"], f"{work}/none.d")
    (path,), = hs.captures(f"{work}/none.d").values()
    own, blocks = hs.books_of(f"{work}/none")
    totals = replay(path)[1].totals()
    return totals["live_bytes"] - own, totals["live_blocks"] - blocks


def survives(how, work, i, cost):
    folder, books, threads = f"{work}/end{i}", f"{work}/books{i}", 1 + i % 3
    argv = [hs.victim("ender"), how, str(random.randrange(1, 60000)), books, str(threads)]
    if how == "kill":
        with subprocess.Popen(argv, env=hs.environment(
                LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder, HEAPSNAP_REPORT="none",
                HEAPSNAP_RECORDER="none")) as p:
            hs.wait_until_alive(p, books)
            time.sleep(random.uniform(0, 0.5))
            p.send_signal(signal.SIGKILL)
    else:
        argv[4:] = []
        hs.preloaded(argv, folder)
    (path,), = hs.captures(folder).values()
    capture, found = replay(path)
    assert capture.lost_events == 0
    totals = found.totals()
    hs.check_live([totals["live_bytes"], totals["live_blocks"]],
                  [own + extra for own, extra in zip(hs.books_of(books), cost)],
                  threads if how == "kill" else 0)


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
