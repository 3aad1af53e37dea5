# SPDX-License-Identifier: MIT
"""What forked processes inherit: the victim's own figures, in plain logs, in captures
that the recorder folded or kept whole; and what a child's capture tells alone."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap, skip_all

# What there is of inherited_blocks, inherited_bytes, inherited_frees; see the victim.
TRUTH = {
    "P": (None, None, None),
    "A": (87, 80350, 30),
    "G": (62, None, 3),
    "B": (7, 350, 1),
    "H": (10, 383, 0),
    "C": (None, None, 1),
    "D": (4, 200, 1),
}
OWN = {"P": (107, 103), "A": (6, 0), "G": (1, 0), "B": (4, 0), "H": (1, 0), "C": (1, 0),
       "D": (1, 0)}
KEYS = ("inherited_blocks", "inherited_bytes", "inherited_frees")


def pids(ran):
    assert ran.status == 0, ran.text()
    return {int(pid): name for name, pid in (line.split() for line in ran.out.decode().splitlines())}


def has_its_figures(ran, folder):
    names = pids(ran)
    processes = {names[p["pid"]]: p for p in hs.analyzed(folder)["processes"]}
    assert processes.keys() == TRUTH.keys(), processes.keys()
    for name, process in processes.items():
        assert process["complete"], process
        got = tuple(process.get(key) for key in KEYS)
        assert got == TRUTH[name], f"{name}: wanted {TRUTH[name]}, got {got}"
        totals = process["totals"]
        got = totals["allocations"], totals["frees"]
        assert got == OWN[name], f"{name}: wanted {OWN[name]}, got {got}"
        assert totals["unmatched_frees"] == 0, totals
    return {name: p["id"] for name, p in processes.items()}


def alone(work):
    into = f"{work}/alone"
    ids = has_its_figures(hs.preloaded([hs.victim("host_inherit")], into), into)
    text = hs.Ran([hs.HEAPSNAP, "analyze", "--text", "-", into]).out.decode()
    assert "in 87 blocks from the process it was forked from; 30 were freed here" in text, text
    assert "unknown blocks" not in text, text
    (child,) = hs.analyzed(f"{into}/{ids['A']}.hsnap")["processes"]
    assert [child.get(key) for key in KEYS] == [None, None, 30], child


def with_recorder(work, *options):
    into = f"{work}/run{len(options)}"
    has_its_figures(hs.recorded([hs.victim("host_inherit")], into, "-q", *options), into)


def main():
    if not os.path.exists(hs.TRACKER):
        skip_all(f"{hs.TRACKER} is not built")
    tap, work = Tap(), hs.work_dir()
    tap.run("the tracker alone", alone, work)
    tap.run("folded captures", with_recorder, work)
    tap.run("captures that keep their log", with_recorder, work, "--keep-log")
    tap.end()


main()
