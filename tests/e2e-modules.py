# SPDX-License-Identifier: MIT
"""HEAPSNAP_MODULES: which processes are recorded, and from when on.  Only the
environment is set; captures are decoded by tests/lib/replay.py."""
import glob
import hashlib
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from replay import replay
from tap import Tap, skip_all

PYTHON = "/usr/bin/python3"
SERVICE = os.path.join(hs.SOURCE, "tests/victims/service.py")
HELD = 500 * 12345
WORKERS = [("cam.capture:front_door", "-"), ("-", "cam.detect"),
           ("cam.review:worker_1", "cam.review:work"), ("cam.output", "cam.output"),
           ("camera", "camera")]
CHOSEN = "cam.capture,cam.detect,cam.review"


def run(argv, folder, modules, **more):
    return hs.Ran(argv, LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder, HEAPSNAP_MODULES=modules,
                  HEAPSNAP_RECORDER="none", **more)


def late_names(tap, work):
    folder = work + "/late"
    argv = [PYTHON, SERVICE, *[word for pair in WORKERS for word in pair], "x" * 80]
    bare, ran = hs.Ran(argv), run(argv, folder, CHOSEN)
    tap.say(ran.status == bare.status == 0 and ran.err == bare.err,
            "a service with late names behaves as ever", ran.text())
    pids = [int(line) for line in ran.out.split()]
    found = hs.captures(folder)
    tap.equal(sorted(found), sorted(pids[:3]),
              "only the chosen workers are recorded, not those of similar names")
    for pid, (title, comm) in zip(pids[:3], WORKERS):
        live = replay(found[pid][0])[1].totals()["live_bytes"] if pid in found else 0
        tap.say(HELD <= live < 3 * HELD, f"{title} / {comm} is recorded from its naming on",
                f"live {live}, wanted {HELD} or some more")
    name = os.path.basename(found.get(pids[0], ["?"])[0])
    tap.say(":" not in name and "/" not in name, "the file's name is a safe one", name)


SHOP = os.path.join(hs.SOURCE, "tests/victims/shop.py")
SOLD = b"till 0\nkilled -9\nstarved 1\nother 0\n"


def contents(folder):
    """Digests of the captures and of their reports, by name."""
    found = {}
    for path in glob.glob(folder + "/*.*"):
        with open(path, "rb") as f:
            found[os.path.basename(path)] = hashlib.sha256(f.read()).hexdigest()
    return found


def started(folder):
    """The service with variables alone, until its recorder has left."""
    ran = hs.Ran([PYTHON, SHOP], LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder,
                 HEAPSNAP_MODULES="shop.till,shop.killed,shop.starved")
    assert hs.wait_for(lambda: not hs.recorders(folder)), hs.recorders(folder)
    return ran


def forkserver(tap, work):
    """The workers end in their three ways; nobody else leaves a file."""
    folder = work + "/shop"
    bare, ran = hs.Ran([PYTHON, SHOP]), started(folder)
    tap.equal(bare.out, SOLD, "a service of a forkserver runs")
    tap.say((ran.status, ran.out) == (0, SOLD) and b"MemoryError" in ran.err,
            "with variables alone it behaves as ever", ran.text())
    rows = {row["name"]: row for row in hs.analyzed(folder)["processes"]}
    tap.equal(sorted(rows), ["shop.killed", "shop.starved", "shop.till:front/1"],
              "its chosen workers are recorded, nobody else")
    ends = {name: (row["end"]["how"], row["end"].get("code")) for name, row in rows.items()}
    tap.equal(ends.get("shop.till:front/1"), ("exit", 0), "one left by _exit, recorded to its end")
    tap.equal(ends.get("shop.starved"), ("exit", 1), "one died of a memory limit")
    tap.say(ends.get("shop.killed", "?")[0] in ("killed", "unknown"), "one was killed", ends)
    for name, row in rows.items():
        tap.say(row["complete"] and not row["lost_events"] and
                row["totals"]["live_bytes"] >= HELD, f"{name} has what it held", row)
    names = set(contents(folder))
    wanted = {row["id"] + ending for row in rows.values() for ending in (".hsnap", ".html", ".txt")}
    tap.equal(names, wanted, "each got its page and its text by itself")
    before = contents(folder)
    started(folder)
    after = contents(folder)
    tap.equal({name: after.get(name) for name in before}, before,
              "a second start loses nothing of the first")
    tap.equal(len(after), 2 * len(before), "and has its own")


def chosen_by(tap, work, what, argv, modules, wanted):
    folder = f"{work}/{what.replace(' ', '_')}"
    ran = run(argv, folder, modules)
    tap.say(ran.status == 0 and bool(hs.captures(folder)) == wanted,
            f"a process is {'' if wanted else 'not '}chosen by {what}", ran.text())


def main():
    if not os.path.exists(hs.TRACKER):
        skip_all(f"{hs.TRACKER} is not built")
    tap, work = Tap(), hs.work_dir()
    if os.path.exists(PYTHON):
        late_names(tap, work)
        forkserver(tap, work)
        script = work + "/serve.py"
        with open(script, "w", encoding="ascii") as f:
            f.write("import json\n")
        chosen_by(tap, work, "python's script", [PYTHON, "-X", "dev", script], "serve", True)
        chosen_by(tap, work, "python's module", [PYTHON, "-m", "json.tool", "--help"], "json.tool", True)
        chosen_by(tap, work, "an argument of the script", [PYTHON, script, "serve2"], "serve2",
                  False)
    else:
        tap.skip("services with late names", f"{PYTHON} is not here")
    link = work + "/odd name"
    shutil.copy("/bin/true", link)
    chosen_by(tap, work, "its first argument", [link], "x,odd name", True)
    chosen_by(tap, work, "its executable", ["bash", "-c", f"exec -a other '{link}'"],
              "odd name", True)
    chosen_by(tap, work, "a prefix of its name", [link], "odd", False)
    chosen_by(tap, work, "an empty list", [link], "", True)
    tap.end()


main()
