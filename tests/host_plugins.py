# SPDX-License-Identifier: MIT
"""What is loaded and unloaded while a program runs, what is looked up elsewhere, and
how programs leave.  They run bare and tracked and must not notice; figures and names are
those of the source, or the report says why not."""
import collections
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
import replay
from tap import Tap, skip_all

CC = os.environ.get("CC", "cc").split()
SOURCE = f"{hs.SOURCE}/tests/victims/host_plugins.c"


class Folder:
    """What was built for one case, and its captures."""

    def __init__(self, work, name):
        self.path = f"{work}/{name}"
        self.captures = f"{self.path}/captures"
        os.makedirs(self.path)

    def build(self, name, part, *flags):
        into = f"{self.path}/{name}"
        os.makedirs(os.path.dirname(into), exist_ok=True)
        shared = ["-shared", "-fPIC"] if name.endswith(".so") else []
        subprocess.run([*CC, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-fno-builtin", *shared,
                        f"-DPART={part}", *flags, "-o", into, SOURCE, "-ldl"], check=True)
        return into

    def plugin(self, name="plugin.so", prefix="plugin"):
        return self.build(name, "PLUGIN", f"-DNAME={prefix}")

    def host(self):
        return self.build("host", "HOST")

    def run(self, argv, **env):
        """ARGV bare and tracked, without a recorder; -> its capture, what it said."""
        bare = hs.Ran(argv, **env)
        assert bare.status == 0, bare.text()
        hs.same_behaviour(bare, hs.preloaded(argv, self.captures, **env))
        ((path,),) = hs.captures(self.captures).values()
        assert not replay.Capture(path).lost_events
        return path, bare.out


def keepers(*paths):
    """Blocks live at the end, by the function that called malloc."""
    found = collections.Counter()
    for leak in hs.analyzed(*paths)["leaks"]:
        found[leak["stack"][0].get("function", "?")] += leak["blocks"]
    return found


def warnings(path):
    (process,) = hs.analyzed(path)["processes"]
    return " ".join(process.get("warnings", []))


def same_address(work, *options):
    folder = Folder(work, f"same{len(options)}")
    argv = [folder.host(), "same", folder.plugin("alpha.so", "alpha"), folder.plugin("omega.so", "omega")]
    if options:
        ran = hs.recorded(argv, folder.captures, *options)
        assert ran.status == 0, ran.text()
        ((path,),) = hs.captures(folder.captures).values()
    else:
        path, said = folder.run(argv)
        assert said == b"same address\n", said
        assert not replay.replay(path)[1].unmatched
    found = keepers(path)
    assert found["alpha_keeps"] == found["omega_keeps"] == 50, found


def search_path(work):
    folder = Folder(work, "path")
    folder.plugin("lib/plugins/only_there.so", "hidden")
    opener = folder.build("lib/opener.so", "OPENER", "-Wl,-rpath,$ORIGIN/plugins")
    path, _ = folder.run([folder.host(), "path", opener, "only_there.so"])
    assert keepers(path)["hidden_keeps"] == 10, keepers(path)


def another_namespace(work):
    """Its blocks are of another libc, and nobody's business; ours are all there."""
    folder = Folder(work, "namespace")
    path, _ = folder.run([folder.host(), "namespace", folder.plugin()])
    _, books = replay.replay(path)
    assert not books.unmatched, f"{books.unmatched} frees of unknown blocks"
    assert books.allocations >= 600 and keepers(path)["plugin_keeps"] == 0
    assert not warnings(path), warnings(path)


def deep_binding(work):
    """The plugin finds libc's malloc first: what it does is missed (doc/limits.md)."""
    folder = Folder(work, "deep")
    path, _ = folder.run([folder.host(), "deep", folder.plugin()])
    assert "frees are missing" in warnings(path), warnings(path)


def own_malloc(work):
    folder = Folder(work, "owner")
    path, _ = folder.run([folder.build("owner", "OWNER")])
    assert "malloc of its own" in warnings(path), warnings(path)


def ends(work, how, status):
    folder = Folder(work, how)
    argv = [folder.host(), "end", how]
    for options in (), ("--keep-log",):
        into = folder.captures + str(len(options))
        ran = hs.recorded(argv, into, *options)
        assert ran.status == status, ran.text()
        (process,) = hs.analyzed(into)["processes"]
        assert process["end"] == {"how": "exit", "code": status}, process["end"]
        assert process["complete"], process
        assert process["totals"]["allocations"] == process["totals"]["frees"] == 30, process


def main():
    if not os.path.exists(hs.TRACKER):
        skip_all(f"{hs.TRACKER} is not built")
    tap, work = Tap(), hs.work_dir()
    tap.run("two plugins by turns at one address keep their names", same_address, work)
    tap.run("so they do in a folded capture", same_address, work, "-q")
    tap.run("a plugin is found by the RUNPATH of the library that opens it", search_path, work)
    tap.run("dlmopen", another_namespace, work)
    tap.run("a plugin opened RTLD_DEEPBIND", deep_binding, work)
    tap.run("a program with a malloc of its own, of which the report says so", own_malloc, work)
    for how, status in (("_exit", 7), ("_Exit", 8), ("quick_exit", 9), ("exit", 10)):
        tap.run(f"a program that leaves by {how}", ends, work, how, status)
    tap.end()


main()
