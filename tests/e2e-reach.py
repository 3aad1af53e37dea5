# SPDX-License-Identifier: MIT
"""What a scan at the end finds, in programs of which every block is known: held by
whatever can hold one, or lost.  All of it is compared, so that one block more that is
called lost fails as one less does."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/lib"))
import hs  # noqa: E402
from tap import Tap  # noqa: E402

# The truths of tests/victims/held.c and held.cc: (kind, function): (blocks, bytes).
LOST_C = {
    ("unreachable", "direct"): (10, 1000),
    ("unreachable", "owner"): (1, 64),
    ("indirect", "owned"): (3, 150),
    ("unreachable", "cycle"): (1, 48),
    ("indirect", "cycle"): (2, 96),
    ("unreachable", "freed"): (1, 56),
}
LOST_CC = {
    ("unreachable", "lost_vector"): (1, 24),
    ("indirect", "fill_lost"): (1, 800),
    ("unreachable", "forgotten"): (5, 200),
    ("unreachable", "lost_list"): (1, 24),
    ("indirect", "fill_list"): (20, 480),
}
ENDS = {"return": 4, "exit": 5, "_exit": 6, "quick_exit": 7}


def lost(folder):
    """By kind and the first frame that is neither make() nor the library's."""
    found = {}
    for row in hs.analyzed(folder)["leaks"]:
        frames = [f.get("function", "?") for f in row["stack"][row["culprit"]:]]
        name = next(f for f in frames if f != "make").split("(")[0]
        blocks, size = found.get((row["kind"], name), (0, 0))
        found[row["kind"], name] = (blocks + row["blocks"], size + row["bytes"])
    return found


def ends_alike(how, status, work):
    folder = f"{work}/{how}"
    bare = hs.Ran([hs.victim("held"), how])
    ran = hs.recorded([hs.victim("held"), how], folder, "-q")
    assert bare.status == status and ran.status == status, ran.text()
    got = lost(folder)
    assert got == LOST_C, f"wanted {LOST_C}\ngot    {got}"


def containers(work):
    folder = f"{work}/cc"
    ran = hs.recorded([hs.victim("held_cc")], folder, "-q")
    assert ran.status == 0, ran.text()
    got = lost(folder)
    assert got == LOST_CC, f"wanted {LOST_CC}\ngot    {got}"


def is_off(work, **env):
    """Then nothing is claimed."""
    folder = f"{work}/off{len(os.listdir(work))}"
    ran = hs.recorded([hs.victim("held"), "return"], folder, "-q", **env)
    assert ran.status == 4, ran.text()
    kinds = {kind for kind, _ in lost(folder)}
    assert kinds == {"never_freed"}, kinds


def traced(work):
    """A program with a tracer already ends as ever, and nothing is claimed."""
    folder = f"{work}/traced"
    ran = hs.recorded(["strace", "-o", f"{work}/strace", "-f", hs.victim("held"), "exit"],
                      folder, "-q", HEAPSNAP_MODULES="held")
    assert ran.status == 5, ran.text()
    kinds = {kind for kind, _ in lost(folder)}
    assert kinds == {"never_freed"}, kinds


def has_strace():
    try:
        return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def main():
    tap, work = Tap(), hs.work_dir()
    for how, status in ENDS.items():
        tap.run(f"{how}: each lost block is told, and no other one", ends_alike, how, status,
                work)
    tap.run("C++ containers and objects: likewise", containers, work)
    tap.run("HEAPSNAP_SCAN=none makes no scan", lambda: is_off(work, HEAPSNAP_SCAN="none"))
    tap.run("HEAPSNAP_REPORT=none makes none either",
            lambda: is_off(work, HEAPSNAP_REPORT="none"))
    if has_strace():
        tap.run("a traced program ends as ever", traced, work)
    else:
        tap.skip("a traced program ends as ever", "strace does not work here")
    tap.end()


main()
