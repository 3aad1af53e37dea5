# SPDX-License-Identifier: MIT
"""What recording costs: `make bench`.

Each load is run bare, under the tracker alone, and under `heapsnap run`, one after
the other, several times; the table shows medians of CPU seconds, in which other
work on the machine disturbs least.

    ns/pair    CPU time of the target that the tracker adds to one allocation and
               its free, `run` with the recorder's CPU time
    bytes      of the capture for one event, all events kept
    events/s   read by `heapsnap analyze`, in CPU time
    peak MiB   of the target bare and recorded, the recorder, the analyzer; under 13
               it is this script's, whose memory a child has until it executes

usage: bench.py [--rounds N] [--load NAME]... [--quick]
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SOURCE = os.path.abspath(os.environ.get("top_srcdir", "."))
HEAPSNAP = BUILD + "/heapsnap"
TRACKER = BUILD + "/.libs/libheapsnap.so"
LOAD = BUILD + "/tests/bench/load"
PYTHON = SOURCE + "/scripts/demo-python.py"
SQL = ("create table t(a integer primary key, b text);"
       "with recursive n(i) as (select 1 union all select i + 1 from n where i < {n})"
       " insert into t select i, 'row ' || (i * 7919 % 1000) from n;"
       "create index by_b on t(b); select b, count(*) from t group by b limit 3;")


def loads(quick):
    """name -> argv; a program that is not here is left out."""
    n = 10 if quick else 1
    found = {
        "pairs, depth 8": [LOAD, "pairs", "8", str(5000000 // n)],
        "pairs, depth 64": [LOAD, "pairs", "64", str(5000000 // n)],
        "eight paths, depth 32": [LOAD, "paths", "32", str(3000000 // n)],
        "two threads": [LOAD, "threads", "2", str(2000000 // n)],
        "retain, 5000 stacks": [LOAD, "retain", "5000", str(1500000 // n)],
    }
    if shutil.which("sqlite3"):
        found["sqlite3"] = ["sqlite3", ":memory:", SQL.format(n=400000 // n)]
    if os.path.exists("/usr/bin/python3"):
        found["python3"] = ["/usr/bin/python3", PYTHON]
    return found


class Ran:
    """A command's CPU seconds and peak memory, those of what it waited for included."""

    def __init__(self, argv, env=None, watch=None):
        with open(os.devnull, "r+b") as null:
            p = subprocess.Popen(argv, env={**os.environ, **(env or {})}, stdin=null,
                                 stdout=null, stderr=subprocess.PIPE)
        reader = threading.Thread(target=self.read, args=(p.stderr,))
        reader.start()
        if watch:
            watch(p)
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        if p.returncode:
            sys.exit(f"{' '.join(argv)[:80]}: status {p.returncode}\n{self.err}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss * 1024

    def read(self, pipe):
        with pipe:
            self.err = pipe.read().decode(errors="replace")[-2000:]


class Recorder:
    """The recorder of FOLDER and its children, looked at while P runs: they belong to
    no one, so nobody can wait for them.  Their last few milliseconds are missed."""

    def __init__(self, folder):
        self.folder = os.fsencode(folder)
        self.cpu_of, self.peak = {}, 0

    def cpu(self):
        return sum(self.cpu_of.values())

    def watch(self, p):
        while not os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    self.look(path)
                except OSError:
                    pass  # it has ended
            time.sleep(0.03)

    def look(self, path):
        with open(path, "rb") as f:
            argv = f.read().split(b"\0")
        if not argv[0].endswith(b"/heapsnap-recorder") or self.folder not in argv:
            return
        pid = path.split("/")[2]
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
        self.cpu_of[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)


class Figures:
    """All runs of one load."""

    def __init__(self, argv, work):
        self.argv, self.work = argv, work
        self.bare, self.tracker, self.run, self.analyze = [], [], [], []
        self.events = self.pairs = self.bytes = 0

    def fresh(self, name):
        path = f"{self.work}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def round(self):
        self.bare.append(Ran(self.argv))
        env = {"LD_PRELOAD": TRACKER, "HEAPSNAP_DIR": self.fresh("tracker"),
               "HEAPSNAP_MAX_DISK": "20GiB", "HEAPSNAP_RECORDER": "none"}
        self.tracker.append(Ran(self.argv, env))
        shutil.rmtree(env["HEAPSNAP_DIR"])
        recorder = Recorder(self.fresh("run"))
        ran = Ran([HEAPSNAP, "run", "-q", "--max-disk", "20GiB", "-o", self.work + "/run", "--",
                   *self.argv], {"HEAPSNAP_REPORT": "none"}, recorder.watch)
        ran.cpu += recorder.cpu()
        ran.recorder_peak = recorder.peak
        self.run.append(ran)

    def read_back(self, rounds):
        """Analyze a capture that keeps all events."""
        folder = self.fresh("log")
        Ran([HEAPSNAP, "run", "-q", "--keep-log", "--max-disk", "20GiB", "-o", folder, "--",
             *self.argv], {"HEAPSNAP_REPORT": "none"})
        out = self.work + "/out.json"
        for _ in range(rounds):
            self.analyze.append(Ran([HEAPSNAP, "analyze", "--json", out, folder]))
        with open(out, encoding="utf-8") as f:
            totals = [row["totals"] for row in json.load(f)["processes"]]
        self.pairs = sum(t["allocations"] for t in totals)
        self.events = self.pairs + sum(t["frees"] for t in totals)
        self.bytes = sum(os.path.getsize(path) for path in glob.glob(folder + "/*.hsnap"))

    def row(self):
        def median(runs, key):
            return statistics.median(getattr(ran, key) for ran in runs)
        bare = median(self.bare, "cpu")
        mib = 1 << 20
        return [
            f"{self.pairs:,}",
            f"{bare:.2f}",
            f"{(median(self.tracker, 'cpu') - bare) / self.pairs * 1e9:.0f}",
            f"{(median(self.run, 'cpu') - bare) / self.pairs * 1e9:.0f}",
            f"{self.bytes / self.events:.1f}",
            f"{self.events / median(self.analyze, 'cpu') / 1e6:.1f} M",
            f"{median(self.bare, 'peak') / mib:.0f}",
            f"{median(self.tracker, 'peak') / mib:.0f}",
            f"{median(self.run, 'recorder_peak') / mib:.0f}",
            f"{median(self.analyze, 'peak') / mib:.0f}",
        ]


HEADINGS = ["load", "pairs", "bare s", "ns/pair tracker", "ns/pair run", "bytes/event",
            "events/s", "peak MiB bare", "recorded", "recorder", "analyzer"]


def main():
    parser = argparse.ArgumentParser(description="What recording costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", action="append", help="only loads whose name begins so")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    options = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |")
    print("|---" + "|--:" * (len(HEADINGS) - 1) + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="tmp.", dir=BUILD) as work:
        for name, argv in loads(options.quick).items():
            if options.load and not name.startswith(tuple(options.load)):
                continue
            figures = Figures(argv, work)
            for _ in range(options.rounds):
                figures.round()
            figures.read_back(options.rounds)
            print("| " + " | ".join([name, *figures.row()]) + " |", flush=True)


main()
