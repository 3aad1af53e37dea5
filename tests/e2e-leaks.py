# SPDX-License-Identifier: MIT
"""Leaks and their look-alikes, end to end: programs with a known truth do a step for
each snapshot that is taken, so no machine is too slow; then they end, or are killed."""
import glob
import os
import re
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap

STEPS = 60
PATIENCE_S = 100

# What a step changes is the same each time; that a program grows steadily is true of its
# steps, and of the clock only where these are about as far apart from each other.
UNEVEN = 0.1
ATTEMPTS = 6


class Uneven(Exception):
    """The machine had too much else to do for the truths about time to hold."""


def tick_of(folder):
    """How many snapshots the recorder asked for, or None."""
    for path in glob.glob(folder + "/*.hsnap"):
        with open(path, "rb") as f:
            header = f.read(184)
        if len(header) == 184 and struct.unpack_from("<I", header, 176)[0]:
            return struct.unpack_from("<I", header, 116)[0]
    return None


class Served:
    """A victim that has done STEPS steps, one after each snapshot."""

    def __init__(self, folder, name, how, ending):
        env = hs.environment(LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder, HEAPSNAP_INTERVAL="10ms",
                             HEAPSNAP_REPORT="none")
        words = [hs.victim(name), how] + (["exit"] if ending == "exit" else [])
        self.asked, self.done = [], []  # when each step was asked for, and was seen to be over
        with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            seen = -1
            for done in range(1, STEPS + 1):
                assert hs.wait_for(lambda: (tick_of(folder) or -1) > seen), "no snapshot came"
                seen = tick_of(folder)
                self.asked.append(time.time_ns())
                p.stdin.write(b".")
                p.stdin.flush()
                assert int(p.stdout.readline()) == done
                self.done.append(time.time_ns())
            if ending == "kill":
                p.send_signal(signal.SIGKILL)
            p.stdin.close()
            self.status = p.wait(PATIENCE_S)
        assert self.status == (-signal.SIGKILL if ending == "kill" else 0)
        assert hs.wait_for(lambda: all(hs.state_of(f) == 2 for f in glob.glob(folder + "/*.hsnap")))
        self.report = hs.analyzed(folder, options=["--all"])

    def unevenness(self):
        """How far the steps were from even ones, at most, as a part of the whole time."""
        first, whole = self.done[0], self.done[-1] - self.done[0]
        return max(abs((t - first) / whole - i / (STEPS - 1)) for i, t in enumerate(self.done))

    def leaks(self):
        """Those that are said to be, of the program's own; libc's buffers are no matter."""
        return [l for l in self.report["leaks"] if l["kind"] != "reachable"]

    def only(self):
        found = self.leaks()
        assert len(found) == 1, f"{len(found)} leaks: {[describe(l) for l in found]}"
        return found[0]


def served_evenly(how, ending):
    for _ in range(ATTEMPTS):
        served = Served(hs.work_dir(), "patterns", how, ending)
        if served.unevenness() <= UNEVEN:
            return served
    raise Uneven


def culprit(leak):
    return leak["stack"][leak["culprit"]]


def describe(leak):
    return (culprit(leak).get("function"), leak["kind"], leak["pattern"], leak["confidence"],
            leak["blocks"], leak["bytes"], leak["evidence"])


def line_of(name, function):
    """Lines of the body of FUNCTION in the victim's source."""
    source = os.path.join(hs.SOURCE, "tests/victims", name)
    with open(source, encoding="utf-8") as f:
        lines = f.read().split("\n")
    first = next(i for i, l in enumerate(lines) if l.startswith("static") and f" {function}(" in l)
    return range(first + 1, lines.index("}", first) + 2)


def expect(leak, source, function, blocks, size, pattern, kinds, confidence):
    frame = culprit(leak)
    note = describe(leak)
    assert frame["function"].split("(")[0] == function, note
    assert os.path.basename(frame["file"]) == source, note
    assert frame["line"] in line_of(source, function), (frame["line"], note)
    assert leak["blocks"] in blocks and leak["bytes"] == leak["blocks"] * size, note
    assert leak["pattern"] == pattern, note
    assert leak["kind"] in kinds, note
    assert leak["confidence"] in confidence, note


GROWTH = ("growth",)
FOUND = ("growth", "unreachable", "indirect")
LEFT = ("never_freed", "unreachable", "indirect")
# how: function, blocks, size, pattern
TRUTH = {
    "steady": ("leak_steadily", 60, 48, "steady"),
    "late": ("leak_late", 60, 56, "late"),
    "rare": ("handle_request", 60, 64, "steady"),
    "burst": ("fail_once", 20, 112, "burst"),
}


IN_FLIGHT = 3  # of handle_request(), between two steps


def rare_blocks(served, leak):
    """How many of 60 may be told to leak where others come and go, of a killed program:
    its youngest cannot be told from those in flight, and how many are that young is up
    to the time that its steps took, which is known here."""
    told = [re.match(r"(\d+) more were in flight", e) for e in leak["evidence"]]
    young = sum(int(m[1]) for m in told if m)
    assert leak["blocks"] + young == STEPS + IN_FLIGHT, describe(leak)
    # A block that is freed lived from one step to the next: not longer than the longest
    # of these took, and nine of them (more than one in a thousand of 8937, which are
    # not usual) at least as long as the third longest pause.
    longest = max(b - a for a, b in zip(served.asked, served.done[1:]))
    usual = sorted(b - a for a, b in zip(served.done, served.asked[1:]))[-3]
    ended = served.report["processes"][0]["end_ns"]
    old = sum(ended - t > longest * 1.1 for t in served.done)
    at_once = ended - served.asked[-1] < usual * 0.9
    return range(old, STEPS + (0 if at_once else IN_FLIGHT) + 1)


def leaks(how, ending):
    function, blocks, size, pattern = TRUTH[how]
    served = served_evenly(how, ending)
    leak = served.only()
    grows = pattern in ("steady", "late")
    among_others = how == "rare" and ending == "kill"
    blocks = rare_blocks(served, leak) if among_others else range(blocks, blocks + 1)
    if ending == "kill":
        sure = ("high",) if grows else ("low",)
        expect(leak, "patterns.c", function, blocks, size, pattern,
               GROWTH if grows else ("never_freed",), sure)
    else:
        expect(leak, "patterns.c", function, blocks, size, pattern, FOUND if grows else LEFT,
               ("high",) if grows else ("medium", "high"))
    if grows:
        assert leak["bytes_per_hour"] > 0


def no_leaks(how, ending):
    found = [describe(l) for l in served_evenly(how, ending).leaks()]
    assert not found, found


def one_off():
    leak = served_evenly("one_off", "kill").only()
    expect(leak, "patterns.c", "load_config", (1,), 4096, "one_off", ("never_freed",), ("low",))


def run(tap, name, test, *arguments):
    try:
        test(*arguments)
    except Uneven:
        tap.skip(name, f"in {ATTEMPTS} attempts steps were never about as far apart")
    except Exception as e:  # whatever went wrong, the other tests go on
        tap.say(False, name, repr(e))
    else:
        tap.say(True, name)


def main():
    tap = Tap()
    for ending in ("kill", "exit"):
        for how in TRUTH:
            run(tap, f"{how} is found with its blocks and place ({ending})", leaks, how, ending)
        for how in ("clean", "plateau", "sawtooth", "logarithmic"):
            run(tap, f"{how} is no leak ({ending})", no_leaks, how, ending)
    run(tap, "what was allocated once is told with little confidence", one_off)
    run(tap, "one_off is no leak (exit)", no_leaks, "one_off", "exit")
    tap.end()


if __name__ == "__main__":
    main()
