# SPDX-License-Identifier: MIT
"""mmap and its kin: a program with known figures has them, in a plain log, in a capture
that the recorder folded or kept whole, and after SIGKILL; the heap's figures know
nothing of them."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap, skip_all

PAGE = 4096
TRUTH = {"mapped_bytes": 29 * PAGE, "peak_bytes": 126 * PAGE, "calls": 12}
# Of four threads' 20,000 rounds each third one calls mremap, too.
RACE = {"mapped_bytes": 12 * PAGE, "calls": 4 * (2 * 20000 + 6667 + 1)}


def has_its_figures(path):
    (process,) = hs.analyzed(path)["processes"]
    assert process["complete"], process
    assert process["mmap"] == TRUTH, f"wanted {TRUTH}\ngot    {process['mmap']}"
    assert process["totals"]["allocated_bytes"] < 10 * PAGE, process["totals"]


def alone(work):
    argv = [hs.victim("host_mmap")]
    ran = hs.preloaded(argv, f"{work}/alone")
    hs.same_behaviour(hs.Ran(argv), ran)
    ((path,),) = hs.captures(f"{work}/alone").values()
    has_its_figures(path)
    text = hs.Ran([hs.HEAPSNAP, "analyze", "--text", "-", path]).out.decode()
    assert [line for line in text.splitlines() if "mapped" in line and "12 calls" in line], text


def with_recorder(work, *options):
    into = f"{work}/run{len(options)}"
    ran = hs.recorded([hs.victim("host_mmap")], into, *options)
    assert ran.status == 0, ran.text()
    ((path,),) = hs.captures(into).values()
    has_its_figures(path)


def raced(work):
    into = f"{work}/race"
    ran = hs.recorded([hs.victim("host_mmap"), "race"], into)
    assert ran.status == 0, ran.text()
    ((path,),) = hs.captures(into).values()
    (process,) = hs.analyzed(path)["processes"]
    got = process["mmap"]
    assert process["complete"] and {key: got[key] for key in RACE} == RACE, process
    assert 12 * PAGE <= got["peak_bytes"] <= 4 * 9 * PAGE, got


def killed(work):
    into = f"{work}/killed"
    with subprocess.Popen([hs.victim("host_mmap"), "wait"], stdout=subprocess.PIPE,
                          env=hs.environment(LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=into,
                                             HEAPSNAP_REPORT="none",
                                             HEAPSNAP_RECORDER="none")) as p:
        assert p.stdout.readline() == b"ready\n"
        p.send_signal(signal.SIGKILL)
    ((path,),) = hs.captures(into).values()
    has_its_figures(path)


def main():
    if not os.path.exists(hs.TRACKER):
        skip_all(f"{hs.TRACKER} is not built")
    tap, work = Tap(), hs.work_dir()
    tap.run("the tracker alone", alone, work)
    tap.run("a folded capture", with_recorder, work)
    tap.run("a capture that keeps its log", with_recorder, work, "--keep-log")
    tap.run("threads that take each other's addresses", raced, work)
    tap.run("after SIGKILL", killed, work)
    tap.end()


main()
