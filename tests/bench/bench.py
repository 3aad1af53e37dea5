# SPDX-License-Identifier: MIT
"""What recording costs: `make bench`.

Every load runs bare, under the tracker alone, under `heapsnap run` and under heaptrack,
one after the other, several times; the table shows medians. CPU seconds are those of all
processes that come of a command (tests/bench/measure.c waits for daemons, too), but under
"tracker" those of the recorded process alone, whose recorder works beside it.

    adds       to the bare program: nanoseconds for each allocation and its free, or
               CPU time as a multiple of the bare program's
    share      of what heaptrack adds in this very run
    wanted     what is asked of it: a share, nanoseconds or a multiple; "no" is followed
               by how much is missing, as a factor of what is added
    +MiB       highest resident memory of the recorded process, over the bare one's

heaptrack is Debian's, without its window. Where its interpreter dies (retain, cc1plus) it
records raw data only, which costs less: there the comparison is harder for us.

usage: bench.py [--rounds N] [--load NAME]... [--quick] [--no-heaptrack] [--reading]
                [--folder DIR] [--sample SIZE] [--free-stacks]
"""
import argparse
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
SOURCE = os.path.abspath(os.environ.get("top_srcdir", "."))
HERE = SOURCE + "/tests/bench"
HEAPSNAP = BUILD + "/heapsnap"
TRACKER = BUILD + "/.libs/libheapsnap.so"
LOAD = BUILD + "/tests/bench/load"
MEASURE = BUILD + "/tests/bench/measure"
PYTHON = "/usr/bin/python3"
PROGRAMS = ("cc1plus", "sqlite3", "python3")


class Want:
    """What is asked: a share of what heaptrack adds, or a figure in the table's unit."""

    def __init__(self, figure, parts=0):
        self.figure, self.parts = figure, parts

    def __str__(self):
        return f"1/{self.parts}" if self.parts else f"{self.figure:g}"

    def verdict(self, added, heaptrack, above=0):
        """ADDED over what may be: "yes", or how many times too much."""
        allowed = heaptrack / self.parts if self.parts and heaptrack else self.figure - above
        return "yes" if added <= allowed else f"no, {added / allowed:.2f}"


class Load:
    """A program and what is asked of recording it.

    PAIRS: its allocations, or 0 where multiples of the bare program count."""

    def __init__(self, name, argv, pairs=0, env=None, tracker=None, run=None, raw=False):
        self.name, self.argv, self.pairs, self.env = name, argv, pairs, env or {}
        self.tracker, self.run, self.raw = tracker, run, raw
        self.ran = {}

    def add(self, mode, ran):
        self.ran.setdefault(mode, []).append(ran)

    def median(self, mode, key="cpu"):
        return statistics.median(getattr(r, key) for r in self.ran[mode])

    def added(self, mode):
        """In the unit of the table."""
        over = self.median(mode, "own" if mode == "tracker" else "cpu") - self.median("bare")
        return over / self.pairs * 1e9 if self.pairs else over / self.median("bare")

    def shown(self, mode):
        added = self.added(mode)
        return f"{added:.0f} ns" if self.pairs else f"{1 + added:.2f} x"

    def cells(self, mode, want):
        """ADDED, share, wanted, reached."""
        heaptrack = self.added("heaptrack") if "heaptrack" in self.ran else None
        share = f"{self.added(mode) / heaptrack:.3f}" if heaptrack else "-"
        verdict = want.verdict(self.added(mode), heaptrack, 0 if self.pairs else 1)
        unit = "" if want.parts else " ns" if self.pairs else " x"
        return [self.shown(mode), share, f"{want}{unit}", verdict]

    def row(self):
        grown = self.median("tracker", "own_peak") - self.median("bare", "own_peak")
        heaptrack = self.shown("heaptrack") if "heaptrack" in self.ran else "-"
        bare = self.median("bare")
        return [self.name, f"{bare:.2f}", heaptrack + (" raw" if self.raw else ""),
                *self.cells("tracker", self.tracker), *self.cells("run", self.run),
                f"{grown / 2**20:.1f}"]


def shares(set_when_asked, tracker, run):
    """Shares of what heaptrack adds; it added SET_WHEN_ASKED nanoseconds then."""
    return {"tracker": Want(set_when_asked / tracker, tracker),
            "run": Want(set_when_asked / run, run)}


def own_loads(small):
    def load(name, kind, k, n, pairs, **more):
        return Load(name, [LOAD, kind, str(k), str(n // small)], pairs // small, **more)

    m = 1000000
    yield load("tight, depth 8", "tight", 8, 2 * m, 2 * m, **shares(520, 15, 6))
    yield load("tight, depth 64", "tight", 64, 2 * m, 2 * m, **shares(930, 15, 6))
    yield load("deep, 512 paths of 64", "deep", 64, m, m, **shares(930, 15, 6))
    yield load("two threads, depth 8", "threads", 8, m, 2 * m, **shares(470, 10, 6))
    yield load("two threads, depth 64", "threads", 64, m, 2 * m, **shares(1540, 10, 6))
    yield load("retain 2 M, 5000 stacks", "retain", 5000, 2 * m, 3 * m,
               tracker=Want(120), run=Want(250), raw=True)


def compiler():
    if not shutil.which("g++"):
        return None
    found = subprocess.run(["g++", "-print-prog-name=cc1plus"], stdout=subprocess.PIPE,
                           check=False)
    path = found.stdout.decode().strip()
    return path if os.path.isabs(path) else None


def programs():
    cc1plus = compiler()
    if cc1plus:
        yield Load("cc1plus", [cc1plus, "-quiet", "-imultiarch", "x86_64-linux-gnu",
                               "-D_GNU_SOURCE", HERE + "/work.cpp", "-O2", "-o", "/dev/null"],
                   tracker=Want(1.10), run=Want(1.2), raw=True)
    if shutil.which("sqlite3"):
        yield Load("sqlite3", ["sqlite3", ":memory:", f".read {HERE}/work.sql"],
                   tracker=Want(1.15), run=Want(1.4))
    if os.path.exists(PYTHON):
        yield Load("python3", [PYTHON, HERE + "/work.py"], env={"PYTHONMALLOC": "malloc"},
                   tracker=Want(1.4), run=Want(1.9))


class Ran:
    """What a command took; see measure.c."""

    def __init__(self, argv, env, work):
        figures = work + "/figures"
        ran = subprocess.run([MEASURE, figures, *argv], env={**os.environ, **env}, cwd=work,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, check=False)
        with open(figures, encoding="ascii") as f:
            words = f.read().split()
        self.cpu, self.own, self.elapsed = map(float, words[:3])
        self.own_peak, self.other_peak, status = map(int, words[3:])
        if status or ran.returncode:
            sys.exit(f"{' '.join(argv)[:200]}: status {status}\n"
                     f"{ran.stderr.decode(errors='replace')[-2000:]}")


def heaptrack_without_window(work):
    """The installed script, made not to open its window at the end; or None."""
    installed = shutil.which("heaptrack")
    if not installed:
        return None
    with open(installed, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if "--record-only" in text:
        return [installed, "--record-only"]
    folder = os.path.dirname(os.path.realpath(installed))
    text = re.sub(r"(?m)^EXE_PATH=.*$", "EXE_PATH=" + folder, text)
    path = work + "/heaptrack-without-window"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace('/heaptrack_gui"', '/no_gui"'))
    os.chmod(path, 0o755)
    return [path]


class Bench:
    def __init__(self, work, heaptrack):
        self.work, self.heaptrack, self.n = work, heaptrack, 0

    def run(self, load, mode):
        self.n += 1
        folder = f"{self.work}/{self.n}"
        os.makedirs(folder)
        out = folder + "/out"
        argv, env = load.argv, dict(load.env)
        if mode == "tracker":
            env.update(LD_PRELOAD=TRACKER, HEAPSNAP_DIR=out, HEAPSNAP_REPORT="none")
        elif mode == "run":
            env.update(HEAPSNAP_REPORT="none")
            argv = [HEAPSNAP, "run", "-q", "-o", out, "--", *argv]
        elif mode == "heaptrack":
            argv = [*self.heaptrack, *(["-r"] if load.raw else []), "-o", out, *argv]
        load.add(mode, Ran(argv, env, folder))
        if mode in ("tracker", "run") and not glob.glob(out + "/*.hsnap"):
            sys.exit(f"{load.name}: {mode} left no capture")
        while os.path.exists(folder):
            shutil.rmtree(folder, ignore_errors=True)  # the recorder removes its socket, too

    def round(self, load):
        for mode in ("bare", "tracker", "run", *(["heaptrack"] if self.heaptrack else [])):
            self.run(load, mode)

    def reading(self, load, rounds):
        """How large is a capture that keeps all events, and how fast is it read?"""
        out = self.work + "/log"
        Ran([HEAPSNAP, "run", "-q", "--keep-log", "--max-disk", "20GiB", "-o", out, "--",
             *load.argv], {**load.env, "HEAPSNAP_REPORT": "none"}, self.work)
        json_path = self.work + "/out.json"
        read = [Ran([HEAPSNAP, "analyze", "--json", json_path, out], {}, self.work)
                for _ in range(rounds)]
        with open(json_path, encoding="utf-8") as f:
            totals = [row["totals"] for row in json.load(f)["processes"]]
        events = sum(t["allocations"] + t["frees"] for t in totals)
        size = sum(os.path.getsize(path) for path in glob.glob(out + "/*.hsnap"))
        shutil.rmtree(out)
        cpu = statistics.median(r.cpu for r in read)
        peak = statistics.median(r.own_peak for r in read)
        recorder = statistics.median(r.other_peak for r in load.ran["run"])
        return [load.name, f"{events:,}", f"{size / events:.1f}", f"{events / cpu / 1e6:.1f} M",
                f"{peak / 2**20:.0f}", f"{recorder / 2**20:.0f}"]


def start(headings):
    print("| " + " | ".join(headings) + " |")
    print("|---" + "|--:" * (len(headings) - 1) + "|", flush=True)


def show(row):
    print("| " + " | ".join(row) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="What recording costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", action="append", help="only loads whose name begins so")
    parser.add_argument("--quick", action="store_true", help="a tenth of the own loads")
    parser.add_argument("--no-heaptrack", action="store_true", help="leave heaptrack out")
    parser.add_argument("--folder", default=BUILD, help="where captures go [build folder]")
    parser.add_argument("--reading", action="store_true", help="size and speed of full logs")
    parser.add_argument("--sample", metavar="SIZE", help="record samples")
    parser.add_argument("--free-stacks", action="store_true", help="record who frees, too")
    options = parser.parse_args()
    os.environ["HEAPSNAP_FREE_STACKS"] = "1" if options.free_stacks else "0"
    os.environ["HEAPSNAP_SAMPLE"] = options.sample or "0"
    chosen = [load for load in [*own_loads(10 if options.quick else 1), *programs()]
              if not options.load or load.name.startswith(tuple(options.load))]
    for load in chosen:
        if options.sample and load.name in PROGRAMS:
            load.tracker = load.run = Want(1.03)
    for name in PROGRAMS:
        if not options.load and name not in [load.name for load in chosen]:
            print(f"{name} is left out: it is not installed\n")
    with tempfile.TemporaryDirectory(prefix="tmp.", dir=options.folder) as work:
        heaptrack = None if options.no_heaptrack else heaptrack_without_window(work)
        if not heaptrack and not options.no_heaptrack:
            print("heaptrack is left out: it is not installed; shares are of the figures "
                  "that it had when they were asked for\n")
        bench = Bench(work, heaptrack)
        start(["load", "bare s", "heaptrack adds", "tracker adds", "share", "wanted",
               "reached", "run adds", "share", "wanted", "reached", "+MiB"])
        for load in chosen:
            for _ in range(options.rounds):
                bench.round(load)
            show(load.row())
        if options.reading:
            print()
            start(["load", "events", "bytes/event", "events/s", "analyzer MiB",
                   "recorder MiB"])
            for load in chosen:
                show(bench.reading(load, options.rounds))


main()
