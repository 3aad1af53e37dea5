# SPDX-License-Identifier: MIT
"""operator new and delete by their own names: each block is recorded once, with its
kind and with the program's stack, whatever the runtime makes of the call.  Programs
run bare and tracked and must not notice; a counting malloc beneath agrees."""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
import replay
from replay import DELETE, DELETE_ARRAY, NEW, NEW_ARRAY
from tap import Tap, skip_all

PLUGIN = os.path.join(hs.BUILD, ".libs/host_new_plugin.so")
REPLACED = os.path.join(hs.BUILD, ".libs/host_new_library.so")
ALLOCATORS = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2")
FOLDER = "/usr/lib/x86_64-linux-gnu"
NAMES = {NEW: "new", NEW_ARRAY: "new[]", DELETE: "delete", DELETE_ARRAY: "delete[]"}


def kinds_of(capture):
    """How often each of new, new[], delete, delete[] was recorded."""
    n = collections.Counter(event.kind for _, _, event in capture.merged())
    return {name: n[kind] for kind, name in NAMES.items() if n[kind]}


class Run:
    """ARGV bare and tracked: same behaviour; the capture."""

    def __init__(self, argv, folder, counter=True, preload=None):
        os.makedirs(folder)
        under = preload or (hs.COUNTER if counter else "")
        bare = hs.Ran(argv, LD_PRELOAD=preload or "")
        ran = hs.Ran(argv, LD_PRELOAD=hs.TRACKER + ":" + under, HEAPSNAP_DIR=folder,
                     HEAPSNAP_REPORT="none", HEAPSNAP_RECORDER="none",
                     COUNT_FILE=folder + "/count")
        hs.same_behaviour(bare, ran)
        assert ran.status == 0, ran.text()
        ((pid, (self.path,)),) = hs.captures(folder).items()
        self.capture, self.books = replay.replay(self.path)
        assert self.capture.lost_events == 0
        assert self.books.unmatched == 0, f"{self.books.unmatched} frees of unknown blocks"
        if counter and not preload:
            got, wanted = replay.sums([self.path]), hs.counted(folder + "/count", pid)
            assert got == wanted, f"recorded {got}, counted {wanted}"
        self.kinds = kinds_of(self.capture)

    def sizes(self, kind):
        return collections.Counter(event.size for _, _, event in self.capture.merged()
                                   if event.kind == kind)


def modes(work, mode, wanted):
    run = Run([hs.victim("host_new"), mode], f"{work}/{mode}")
    assert run.kinds == wanted, f"wanted {wanted}\ngot    {run.kinds}"
    return run


FORMS = {"new": 60, "new[]": 60, "delete": 59, "delete[]": 59}
PLAIN_SIZES = {1001: 10, 1002: 10, 1003: 10, 1024: 30}
ARRAY_SIZES = {2001: 10, 2002: 10, 2003: 10, 2048: 30}


def every_form(work):
    run = modes(work, "forms", FORMS)
    assert run.sizes(NEW) == PLAIN_SIZES, run.sizes(NEW)  # 1008 aligned to 64 is 1024
    assert run.sizes(NEW_ARRAY) == ARRAY_SIZES, run.sizes(NEW_ARRAY)
    live = sorted(size for size, _, _ in run.books.live.values())
    assert live[:2] == [1001, 2001], live


def begins_at_the_caller(work):
    """No frame of the runtime's operator new is above the program's function."""
    path = Run([hs.victim("host_new"), "forms"], f"{work}/stacks").path
    tops = collections.Counter()
    for spot in hs.analyzed(path)["hotspots"]:
        if spot["by"] == "allocations" and spot["stack"][0].get("module") == "host_new":
            tops[spot["stack"][0]["function"].split("(")[0]] += spot["blocks"]
        names = [frame.get("function", "") for frame in spot["stack"]]
        assert not any(name.startswith("operator new") for name in names), names
    assert tops == {"plain_forms": 60, "array_forms": 60}, tops


def handlers_own(work):
    run = modes(work, "handler", {"new[]": 1, "delete[]": 1})
    assert run.sizes(NEW_ARRAY) == {64 << 20: 1}
    sizes = run.sizes(replay.MALLOC)
    assert sizes[4000] == 1 and sizes[96 << 20] == 1, sizes


def signals(work):
    run = Run([hs.victim("host_new"), "signals"], f"{work}/signals")
    for new, delete in (("new", "delete"), ("new[]", "delete[]")):
        assert run.kinds[new] == run.kinds[delete], run.kinds
    assert run.kinds["new"] == 300, run.kinds


def plugin(work):
    run = Run([hs.victim("host_dlopen"), PLUGIN], f"{work}/plugin")
    wanted = {"new": 150, "new[]": 150, "delete": 150, "delete[]": 150}
    assert run.kinds == wanted, run.kinds


def replaced_by_program(work):
    """The program's own come first: what they ask of malloc is what there is."""
    run = Run([hs.victim("host_new_own")], f"{work}/own")
    sizes = collections.Counter(event.size for _, _, event in run.capture.merged()
                                if event.kind in replay.ALLOCATIONS)
    assert (sizes[8 + 32], sizes[200 + 32]) == (100, 100), sizes


def replaced_by_library(work):
    """It adds 32 bytes to plain blocks: those, once; frees are of the same blocks."""
    run = Run([hs.victim("host_new"), "forms"], f"{work}/library", preload=REPLACED)
    wanted = {"new": 60, "new[]": 60}
    assert {key: run.kinds[key] for key in wanted} == wanted, run.kinds
    assert run.sizes(NEW)[1001 + 32] == 10, run.sizes(NEW)


def allocator(work, preload):
    """Its operator new does not come by malloc: sizes are the program's own.  It may
    use its operator new for itself."""
    run = Run([hs.victim("host_new"), "forms"], f"{work}/{os.path.basename(preload)}",
              counter=False, preload=preload)
    for kind, wanted in ((NEW, {**PLAIN_SIZES, 1008: 10, 1024: 20}),
                         (NEW_ARRAY, ARRAY_SIZES)):
        sizes = run.sizes(kind)
        assert {size: sizes[size] for size in wanted} == wanted, sizes
    assert run.kinds["delete"] >= 59 and run.kinds["delete[]"] >= 59, run.kinds


APT = """
import apt_pkg
apt_pkg.init()
print(apt_pkg.version_compare("1.0", "2.0"), apt_pkg.parse_depends("a (>= 1), b | c"))
"""


def extension(work):
    """python3 opens it RTLD_LOCAL, and with it the C++ runtime."""
    run = Run(["/usr/bin/python3", "-c", APT], f"{work}/extension")
    assert run.kinds.get("new", 0) > 20 and run.kinds.get("delete", 0) > 20, run.kinds


def main():
    for needed in (hs.TRACKER, hs.COUNTER, hs.victim("host_new")):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    tap, work = Tap(), hs.work_dir()
    tap.run("every form has its kind and size", every_form, work)
    tap.run("stacks begin at the caller of new", begins_at_the_caller, work)
    tap.run("a class's own operator new is malloc, placement new is nothing", modes, work,
            "classes", {"new": 10, "delete": 10})
    tap.run("new that throws or fails", modes, work, "bad", {"new": 100, "delete": 100})
    tap.run("a new-handler frees and allocates", handlers_own, work)
    tap.run("a new-handler jumps out", modes, work, "jumps", {"new": 100, "delete": 100})
    tap.run("new in signal handlers", signals, work)
    tap.run("a C program opens a C++ plugin RTLD_LOCAL", plugin, work)
    title = "an extension of python3 written in C++"
    if hs.Ran(["/usr/bin/python3", "-c", "import apt_pkg"]).status:
        tap.skip(title, "python3-apt is not here")
    else:
        tap.run(title, extension, work)
    tap.run("a program replaces operator new", replaced_by_program, work)
    tap.run("a library replaces operator new", replaced_by_library, work)
    for name in ALLOCATORS:
        title = f"{name} has an operator new of its own"
        path = f"{FOLDER}/{name}"
        if not os.path.exists(path):
            tap.skip(title, f"{name} is not here")
        elif hs.Ran([hs.victim("host_new"), "forms"], LD_PRELOAD=path).status:
            tap.skip(title, f"{name} does not align as it is asked to")
        else:
            tap.run(title, allocator, work, path)
    tap.end()


main()
