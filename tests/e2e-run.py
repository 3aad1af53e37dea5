# SPDX-License-Identifier: MIT
"""`heapsnap run` and `heapsnap analyze`, end to end.  Real programs do not notice;
what the JSON says of them equals a brute-force replay of the kept log, and that
equals a counting malloc beneath the tracker.  Victims have the truth that they
say they have.  Twenty deaths leave captures that read, say how the process ended
and hold what was live."""
import bisect
import glob
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
import programs
from replay import replay, sums
from tap import Tap, skip_all

ROUNDS = 20
NAMED_SHARE = 0.98


class Symbols:
    """Which offsets of a file have a symbol, by nm."""
    known = {}

    def __init__(self, path):
        ranges = set()
        for option in ("--", "-D"):
            text = subprocess.run(["nm", "--defined-only", "-S", option, path], check=False,
                                  capture_output=True, text=True).stdout
            for line in text.splitlines():
                word = line.split()
                if len(word) >= 4 and word[2] in "tTwWiuVv":
                    ranges.add((int(word[0], 16), int(word[0], 16) + int(word[1], 16)))
        self.ranges = sorted(ranges)

    def cover(self, offset):
        i = bisect.bisect_right(self.ranges, (offset, 1 << 64))
        return any(start <= offset < end for start, end in self.ranges[max(0, i - 4):i])

    @classmethod
    def of(cls, path):
        if path not in cls.known:
            cls.known[path] = cls(path)
        return cls.known[path]


def module_paths(paths):
    """Base name -> path of the modules in captures."""
    found = {}
    for path in paths:
        for module in replay(path)[0].modules():
            found[os.path.basename(module)] = module
    return found


def frames_are_named(document, modules):
    can = named = 0
    missing = set()
    for stack in (row["stack"] for row in document["hotspots"] + document["leaks"]):
        for frame in stack:
            path = modules.get(os.path.basename(frame.get("module", "")))
            if not path or "offset" not in frame:
                continue
            # An offset is that of the call or of the instruction after it.
            if not Symbols.of(path).cover(frame["offset"] - 1):
                continue
            can += 1
            if frame.get("function"):
                named += 1
            else:
                missing.add(f"{frame['module']}+{frame['offset']:#x}")
    assert can, "no frame of a module with symbols"
    assert named >= NAMED_SHARE * can, f"{named} of {can} named; not {sorted(missing)[:20]}"


def processes_of(document):
    return {row["id"]: row for row in document["processes"]}


def totals_equal_replay(document, paths):
    rows = processes_of(document)
    for path in paths:
        row = rows[os.path.basename(path)[:-len(".hsnap")]]
        wanted = replay(path)[1].totals()
        got = {key: row["totals"][key] for key in wanted}
        assert got == wanted, f"{path}\nwanted {wanted}\ngot    {got}"


def program_is_recorded_exactly(program, work):
    folder = f"{work}/{program.name}"
    os.makedirs(folder)
    bare = hs.Ran(program.argv(folder), cwd=folder)
    ran = hs.recorded(program.argv(folder), folder + "/d", "-q", "--keep-log",
                      counter=folder + "/count", cwd=folder, HEAPSNAP_REPORT="none")
    hs.same_behaviour(bare, ran)
    found = hs.captures(folder + "/d")
    assert len(found) >= program.processes, f"only {sorted(found)} were recorded"
    for pid, paths in found.items():
        got, wanted = sums(paths), hs.counted(folder + "/count", pid)
        assert got == wanted, f"{paths}: recorded {got}, counted {wanted}"


def json_equals_replay(program, work):
    folder = f"{work}/{program.name}/d"
    paths = [path for group in hs.captures(folder).values() for path in group]
    totals_equal_replay(hs.analyzed(folder), paths)


def program_frames_are_named(program, work):
    folder = f"{work}/{program.name}/d"
    paths = [path for group in hs.captures(folder).values() for path in group]
    frames_are_named(hs.analyzed(folder), module_paths(paths))


def of_function(rows, function):
    """Sums of bytes and blocks of the rows whose culprit or a frame is FUNCTION."""
    own = [row for row in rows
           if any(frame.get("function") == function for frame in row["stack"])]
    return sum(row["bytes"] for row in own), sum(row["blocks"] for row in own)


def check_truths(name, document):
    (row,) = document["processes"]
    for kind, *words in hs.truths(name):
        if kind == "leak":
            got = of_function(document["leaks"], words[0])
            assert got == (int(words[1]), int(words[2])), f"leak {words}: got {got}"
        elif kind == "allocated":
            spots = [spot for spot in document["hotspots"] if spot["by"] == "allocated"]
            got = of_function(spots, words[0])
            assert got == (int(words[1]), int(words[2])), f"allocated {words}: got {got}"
        elif kind == "end":
            got = (row["end"]["how"], row["end"].get("code"))
            assert got == (words[0], int(words[1])), f"end {words}: got {row['end']}"


def reports_are_written(work):
    """The program's output stays its own; the summary goes to stderr and, like the
    page, beside the capture; analyze writes those on the whole folder."""
    folder = f"{work}/reports"
    ran = hs.recorded([hs.victim("leaky")], folder)
    assert (ran.status, ran.out) == (0, b"1000 requests answered\n"), ran.text()
    stem = glob.glob(folder + "/*.hsnap")[0][:-len(".hsnap")]
    with open(stem + ".txt", "rb") as f:
        summary = f.read()
    assert b"remember_session" in summary and summary.strip() in ran.err, ran.text()
    again = hs.Ran([hs.HEAPSNAP, "analyze", folder])
    with open(folder + "/summary.txt", "rb") as f:
        assert again.status == 0 and again.out == f.read(), again.text()
    for page in (folder + "/report.html", stem + ".html"):
        with open(page, "rb") as f:
            assert b"<html" in f.read().lower(), page


def run_is_quiet(work):
    ran = hs.recorded([hs.victim("leaky")], f"{work}/quiet", "-q")
    assert (ran.status, ran.out, ran.err) == (0, b"1000 requests answered\n", b""), ran.text()


def chains_of_programs(work):
    """Each of 40 children becomes another program three times, in about a millisecond."""
    shell = "i=0; while [ $i -lt 40 ]; do env env true & i=$((i+1)); done; wait"
    ran = hs.recorded(["sh", "-c", shell], f"{work}/chains", "-q", HEAPSNAP_REPORT="none")
    assert ran.status == 0, ran.text()
    ends = Counter((row["name"], row["end"]["how"])
                   for row in hs.analyzed(f"{work}/chains")["processes"])
    wanted = {("sh", "exit"): 1, ("sh", "exec"): 40, ("env", "exec"): 80, ("true", "exit"): 40}
    assert ends == wanted, f"wanted {wanted}\ngot    {dict(ends)}"


def victim_has_its_truth(name, work, option):
    folder = f"{work}/{name}{option}"
    ran = hs.recorded([hs.victim(name)], folder, "-q", *[option] * bool(option))
    bare = hs.Ran([hs.victim(name)])
    assert (ran.status, ran.out) == (bare.status, bare.out), ran.text()
    (path,), = hs.captures(folder).values()
    kept = sum(1 for _ in replay(path)[0].merged())
    assert bool(kept) == bool(option), f"{kept} events are in the capture"
    # All that is alive, whatever is said of it: a global may hold it.
    document = hs.analyzed(folder, options=["--all"])
    (row,) = document["processes"]
    assert row["complete"] is True and row["lost_events"] == 0, row
    wanted = hs.own_truth(name, ran)
    got = {key: row["totals"][key] for key in wanted}
    assert got == wanted, f"wanted {wanted}\ngot    {got}"
    check_truths(name, document)


def end_of_victim(how, work, i):
    """-> the process in the JSON, the victim's own books."""
    folder, books, threads = f"{work}/run{i}", f"{work}/books{i}", 1 + i % 3
    argv = [hs.victim("ender"), how, str(random.randrange(1, 60000)), books]
    if how == "kill":
        command = [hs.HEAPSNAP, "run", "-q", "-o", folder, "--", *argv, str(threads)]
        with subprocess.Popen(command, env=hs.environment(HEAPSNAP_REPORT="none")) as p:
            hs.wait_until_alive(p, books)
            time.sleep(random.uniform(0, 1.2))
            os.kill(hs.pid_of(books), signal.SIGKILL)
            status = p.wait(hs.LIMIT_S)
    else:
        status = hs.recorded(argv, folder, "-q", HEAPSNAP_REPORT="none").status
    wanted = {"kill": 137, "abort": 134, "segv": 139, "_exit": 7}[how]
    assert status == wanted, f"heapsnap run: status {status}, not {wanted}"
    (row,) = hs.analyzed(folder)["processes"]
    return row, hs.books_of(books)


def survives(how, work, i, cost):
    row, own = end_of_victim(how, work, i)
    wanted = {"kill": {"how": "killed"}, "abort": {"how": "signal", "signal": "SIGABRT"},
              "segv": {"how": "signal", "signal": "SIGSEGV"},
              "_exit": {"how": "exit", "code": 7}}[how]
    got = {key: row["end"].get(key) for key in wanted}
    assert got == wanted, f"end {row['end']}, not {wanted}"
    assert row["lost_events"] == 0
    live = [row["totals"]["live_bytes"], row["totals"]["live_blocks"]]
    hs.check_live(live, [a + b for a, b in zip(own, cost)], 1 + i % 3 if how == "kill" else 0)


def main():
    for needed in (hs.HEAPSNAP, hs.TRACKER, hs.COUNTER):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    tap, work = Tap(), hs.work_dir()
    tap.run("run and analyze print the summary and write the reports", reports_are_written, work)
    tap.run("run -q says nothing", run_is_quiet, work)
    tap.run("each program of a chain ended as it did", chains_of_programs, work)
    for name in ("leaky", "churn", "reloader", "threads"):
        tap.run(f"{name}, folded, has its truth", victim_has_its_truth, name, work, "")
        tap.run(f"{name}, its log kept, has its truth", victim_has_its_truth, name, work,
                "--keep-log")
    for program in programs.ALL:
        for does, test in (("does not notice and is counted exactly", program_is_recorded_exactly),
                           ("has the totals of a brute-force replay", json_equals_replay),
                           ("has names for its frames", program_frames_are_named)):
            if program.missing():
                tap.skip(f"{program.name} {does}", program.missing())
            else:
                tap.run(f"{program.name} {does}", test, program, work)
    random.seed(os.environ.get("SEED") or None)
    row, own = end_of_victim("_exit", work, ROUNDS)
    cost = [row["totals"]["live_bytes"] - own[0], row["totals"]["live_blocks"] - own[1]]
    for i in range(ROUNDS):
        how = ("kill", "abort", "segv", "_exit")[i % 4]
        tap.run(f"after {how} the end and what was live are known ({i + 1})", survives, how,
                work, i, cost)
    tap.end()


main()
