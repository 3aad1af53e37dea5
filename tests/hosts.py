# SPDX-License-Identifier: MIT
"""The tracker never hurts its host.  Each case is a victim (tests/victims/host_*)
in one mode, run bare and under the tracker alone: output, errors and status must be
the same, and the capture must hold what a counting malloc beneath the tracker saw,
with no event lost, unless the case says why not.

    hosts.py [WORD...]    only the cases whose name has all the words
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from replay import Capture, replay, sums
from tap import Tap, skip_all

FORKED = 1
TIME_S = 30


class Skip(Exception):
    """The case cannot be tried here."""


class Host:
    """A folder of its own for one case, and what was seen there."""

    def __init__(self, name, work):
        self.folder = os.path.join(work, name.replace(" ", "_").replace("/", "_"))
        self.captures_in = os.path.join(self.folder, "captures")
        os.makedirs(self.folder)

    def bare(self, argv, **env):
        return hs.Ran(argv, cwd=self.folder, **env)

    def tracked(self, argv, preload=(), **env):
        env.setdefault("HEAPSNAP_DIR", self.captures_in)
        return hs.Ran(argv, cwd=self.folder, HEAPSNAP_REPORT="none", HEAPSNAP_RECORDER="none",
                      LD_PRELOAD=":".join([hs.TRACKER, *preload]), **env)

    def unharmed(self, argv, counter=True, preload=(), **env):
        """Run ARGV bare and tracked, compare; -> the latter."""
        bare = self.bare(argv, **env)
        if counter:
            preload = [*preload, hs.COUNTER]
            env["COUNT_FILE"] = self.folder + "/count"
        ran = self.tracked(argv, preload, **env)
        hs.same_behaviour(bare, ran)
        return ran

    def captures(self):
        return hs.captures(self.captures_in)

    def counted_exactly(self, at_least=1):
        """Every process has the figures that the counter below saw."""
        found = self.captures()
        assert len(found) >= at_least, f"{len(found)} processes were recorded, not {at_least}"
        for pid, paths in found.items():
            wanted = hs.counted(self.folder + "/count", pid)
            got = sums(paths)
            assert got == wanted, f"{paths}: recorded {got}, counted {wanted}"
            self.no_stray_frees(paths)

    @staticmethod
    def no_stray_frees(paths):
        for path in paths:
            capture, books = replay(path)
            assert capture.flags & FORKED or not books.unmatched, \
                f"{path}: {books.unmatched} frees of blocks that nobody allocated"


def victim(name, *arguments):
    return [hs.victim("host_" + name), *arguments]


CASES = []


def case(name):
    def add(test):
        CASES.append((name, test))
        return test
    return add


def simple(name, argv, processes=1, **env):
    """The usual case: unharmed, and counted exactly."""
    def test(host):
        host.unharmed(argv, **env)
        host.counted_exactly(processes)
    CASES.append((name, test))


simple("a threaded program forks 200 times while threads allocate", victim("fork", "storm"), 201)
simple("a chain of forks", victim("fork", "chain"), 13)
simple("vfork, and exec or _exit", victim("fork", "vfork"), 11)
simple("allocations between vfork and _exit", victim("fork", "vfork_allocates"))
simple("posix_spawn, popen, system", victim("fork", "spawn"), 21)
simple("a chain of execs, and execs that fail", victim("fork", "execs"))
simple("fork by a raw system call", victim("fork", "raw"), 2)
simple("a daemon", victim("fork", "daemon"), 2)


@case("a signal handler forks and both return into what was interrupted")
def fork_in_handler(host):
    # A child that returns into the writing of an event may finish it in its
    # parent's capture, so that is not looked at: see doc/limits.md.
    host.unharmed(victim("fork", "handler"), counter=False)
    assert host.captures()


simple("5000 threads with stacks of 16 KiB", victim("threads", "many"))
simple("threads end while others allocate", victim("threads", "ending"))
simple("destructors of thread-specific data allocate", victim("threads", "specifics"))
simple("threads are cancelled, deferred and asynchronously", victim("threads", "cancel"))
simple("main ends by pthread_exit before its threads", victim("threads", "main_leaves"))
simple("a thread forks on a stack of 16 KiB", victim("threads", "small_fork"), 2)
simple("malloc with 8 KiB of stack used of 16", victim("threads", "deep", "7"))

simple("malloc in handlers on alternate stacks every 100 us", victim("signals", "handle"))
simple("faults that are caught and jumped out of", victim("signals", "fault"))


def jumps(host, mode):
    ran = host.tracked(victim("signals", mode), HOST_JUMPS=host.folder + "/jumps")
    assert (ran.status, ran.out, ran.err) == (0, b"jumped\n", b""), ran.text()
    with open(host.folder + "/jumps", encoding="ascii") as f:
        n = int(f.read())
    (path,), = host.captures().values()
    capture = Capture(path)
    assert capture.lost_events <= n, f"{capture.lost_events} lost in {n} jumps"
    allocated = sum(event.kind == 1 for _, _, event in capture.merged())
    assert allocated > 10000, allocated


@case("siglongjmp out of handlers on an alternate stack")
def jump(host):
    jumps(host, "jump")


@case("siglongjmp out of handlers on a higher stack")
def jump_down(host):
    jumps(host, "jump_down")


def main():
    for needed in (hs.TRACKER, hs.COUNTER):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    hs.LIMIT_S = TIME_S
    tap, work = Tap(), hs.work_dir()
    for name, test in CASES:
        if not all(word in name for word in sys.argv[1:]):
            continue
        try:
            tap.run(name, test, Host(name, work))
        except Skip as reason:
            tap.skip(name, str(reason))
    tap.end()


main()
