# SPDX-License-Identifier: MIT
"""Checkpoints, end to end.  Programs that do so many operations at a time as they
are told to are recorded with so small a bound that their log is replaced again and
again; what the capture says at any moment is what the program says itself.  So it is
with one recorder, when that is killed, when another goes on, when the program dies."""
import ctypes
import glob
import os
import select
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap, skip_all

PATIENCE_S = 100
# A quarter of it is the most that the log has before it is folded.
BOUND = 32 << 20


class Load:
    """A victim, and operations that make 9 to 10 MiB of log: a checkpoint must follow,
    and even where the recorder sleeps meanwhile the bound is far."""

    def __init__(self, step, *words):
        self.argv, self.step = [hs.victim(words[0]), *words[1:]], step


CHURN = Load(1300000, "churn", "-")
STEADY = Load(600000, "steady", "4", "5000")
SINGLE = Load(600000, "steady", "1", "5000")
LARGE = Load(500000, "steady", "1", "386000")  # 100 MiB


class Header:
    """What a capture's header says right now."""

    def __init__(self, path):
        with open(path, "rb") as f:
            h = f.read(184)
        self.generation, self.state = struct.unpack_from("<II", h, 108)
        self.lost, = struct.unpack_from("<Q", h, 144)
        self.recorder, = struct.unpack_from("<I", h, 176)


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


class Paced:
    """A victim that is told what to do, under `heapsnap run` or with its settings in
    the environment alone."""

    def __init__(self, load, folder, *options, alone=False):
        env = {"HEAPSNAP_REPORT": "none", "HEAPSNAP_MAX_DISK": str(BOUND)}
        argv = load.argv
        self.load, self.folder, self.cost, self.books = load, folder, {}, {}
        if alone:
            env.update(LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder)
        else:
            argv = [hs.HEAPSNAP, "run", "-q", "-o", folder, *options, "--", *argv]
        self.process = subprocess.Popen(argv, env=hs.environment(**env),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def path(self):
        return glob.glob(self.folder + "/*.hsnap")[0]

    def header(self):
        return Header(self.path())

    def ask(self, n):
        self.process.stdin.write(b"%d\n" % n)
        self.process.stdin.flush()

    def answer(self):
        """Its books since it began."""
        books = {}
        for line in self.process.stdout:
            words = line.split()
            if words == [b"."]:
                self.books = books
                return books
            books[words[0].decode()[len("totals."):]] = int(words[1])
        raise AssertionError("the victim has ended")

    def do(self, n):
        """Have it do N operations; -> its books since it began."""
        self.ask(n)
        return self.answer()

    def folded_after(self, generation):
        return wait_for(lambda: self.header().generation > generation and self.header().generation,
                        "a checkpoint")

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(hs.LIMIT_S) == 0

    def row(self):
        (row,) = hs.analyzed(self.folder)["processes"]
        return row

    def measure_cost(self):
        """What libc allocates for its threads is not in its books."""
        self.do(0)
        totals = self.row()["totals"]
        self.cost = {key: totals[key] for key in self.books}

    def assert_exact(self):
        row = self.row()
        assert row["complete"] is True and row["lost_events"] == 0, row
        wanted = {key: n + self.cost.get(key, 0) for key, n in self.books.items()}
        got = {key: row["totals"][key] for key in wanted}
        assert got == wanted, f"wanted {wanted}\ngot    {got}"
        return row


def log_is_replaced(load, folder, threads):
    with Paced(load, folder) as victim:
        if threads:
            victim.measure_cost()
        generation = 0
        for i in range(4):
            victim.do(load.step)
            generation = victim.folded_after(generation)
            if i % 2:
                victim.assert_exact()  # while the recorder is at work on it
        victim.end()
        row = victim.assert_exact()
        assert row["end"] == {"how": "exit", "code": 0}, row["end"]
        assert os.path.getsize(victim.path()) <= BOUND


def document_of(folder):
    """The JSON without what differs from run to run."""
    # What is a leak depends on the snapshots, which come when they may.
    document = hs.analyzed(folder, options=["--all"])
    (row,) = document["processes"]
    totals = {key: n for key, n in row["totals"].items() if not key.endswith("_ns")}

    def rows(name, *keys):
        return sorted(([row.get(key) for key in keys], len(row["stack"]),
                       [frame.get("function") for frame in row["stack"]])
                      for row in document[name])
    return totals, rows("leaks", "bytes", "blocks"), rows("hotspots", "by", "bytes", "blocks")


def folded_often_is_folded_once(work):
    """A program of one thread, with and without checkpoints."""
    found = []
    for name, options in (("often", ()), ("kept", ("--keep-log", "--max-disk", "1GiB"))):
        with Paced(CHURN, f"{work}/{name}", *options) as victim:
            generation = 0
            for _ in range(3):
                victim.do(CHURN.step)
                if not options:
                    generation = victim.folded_after(generation)
            assert victim.header().generation == generation
            victim.end()
            victim.assert_exact()
            found.append(document_of(f"{work}/{name}"))
    assert found[0] == found[1], f"often {found[0]}\nkept  {found[1]}"


def kill_recorder(victim):
    pid = victim.header().recorder
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the recorder's end")


def start_another(folder):
    """Any program that begins there finds no recorder and starts one."""
    env = {"LD_PRELOAD": hs.TRACKER, "HEAPSNAP_DIR": folder, "HEAPSNAP_REPORT": "none",
           "HEAPSNAP_MAX_DISK": str(BOUND)}
    assert hs.Ran(["sleep", "0"], **env).status == 0


def others_go_on(work):
    """Three recorders are killed, each after a checkpoint of its own."""
    folder = f"{work}/others"
    os.mkdir(folder)
    with Paced(STEADY, folder, alone=True) as victim:
        steady = wait_for(lambda: glob.glob(folder + "/steady.*.hsnap"), "a capture")[0]
        victim.path = lambda: steady
        victim.row = lambda: hs.analyzed(steady)["processes"][0]
        wait_for(lambda: victim.header().recorder, "the recorder")
        victim.measure_cost()
        generation = 0
        for _ in range(3):
            victim.do(STEADY.step)
            generation = victim.folded_after(generation)
            victim.do(STEADY.step // 10)
            before = victim.header().recorder
            kill_recorder(victim)
            victim.assert_exact()
            victim.do(STEADY.step // 10)
            victim.assert_exact()
            start_another(folder)
            wait_for(lambda: victim.header().recorder != before, "another recorder")
        victim.do(STEADY.step)
        victim.folded_after(generation)
        victim.end()
        wait_for(lambda: victim.header().state == 2, "the final capture")
        victim.assert_exact()
        assert os.path.getsize(steady) <= BOUND


def stopped_recorder_costs_events(work):
    with Paced(STEADY, f"{work}/stopped") as victim:
        victim.measure_cost()
        victim.do(STEADY.step)
        victim.folded_after(0)
        victim.assert_exact()
        before, recorder = dict(victim.books), victim.header().recorder
        os.kill(recorder, signal.SIGSTOP)
        try:
            victim.do(4 * STEADY.step)
            after = victim.header()
        finally:
            os.kill(recorder, signal.SIGCONT)
        assert after.lost > 0, "nothing was lost"
        victim.end()
        row = victim.row()
        assert row["complete"] is False and row["lost_events"] >= after.lost, row
        assert before["allocations"] < row["totals"]["allocations"] < victim.books["allocations"]
        assert os.path.getsize(victim.path()) <= BOUND


def chunk_states(path):
    """1 open, 2 closed, 3 free; along the list of all chunks."""
    states = []
    with open(path, "rb") as f:
        page, = struct.unpack_from("<Q", f.read(184), 128)
        while page:
            f.seek(page * 4096)
            chunk = f.read(48)
            states.append(struct.unpack_from("<I", chunk, 16)[0])
            page, = struct.unpack_from("<Q", chunk, 40)
    return states


def late_recorder_wastes_no_chunks(work):
    """What the recorder was late with is used again, however much it was."""
    counts = []
    with Paced(SINGLE, f"{work}/late") as victim:
        victim.measure_cost()
        recorder = wait_for(lambda: victim.header().recorder, "the recorder")
        for _ in range(2):
            os.kill(recorder, signal.SIGSTOP)
            try:
                victim.do(SINGLE.step)
                counts.append(len(chunk_states(victim.path())))
            finally:
                os.kill(recorder, signal.SIGCONT)
            wait_for(lambda: 2 not in chunk_states(victim.path()), "the recorder to catch up")
        victim.end()
        victim.assert_exact()
    assert counts[0] > 100 and counts[1] <= counts[0] + 10, counts


def killed_program_is_exact(work):
    with Paced(STEADY, f"{work}/killed") as victim:
        victim.measure_cost()
        victim.do(STEADY.step)
        victim.folded_after(0)
        victim.do(STEADY.step // 2)
        name = victim.path()
        os.kill(int(name.split(".")[-2]), signal.SIGKILL)
        assert victim.process.wait(hs.LIMIT_S) == 137
        assert victim.assert_exact()["end"]["how"] == "killed"


PTRACE_CONT, PTRACE_DETACH, PTRACE_GETEVENTMSG, PTRACE_SEIZE = 7, 17, 0x4201, 0x4206
PTRACE_EVENT_FORK, PTRACE_O_TRACEFORK, WALL = 1, 2, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ptrace(request, pid, data):
    if LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, data) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x}, {pid})")


def awaited(pid):
    """The status of PID, if it has stopped."""
    found, status = os.waitpid(pid, WALL | os.WNOHANG)
    return found and (status,)


def has_forked(parent):
    """Did PARENT stop in a fork?  Signals of its own are handed on."""
    stop = awaited(parent)
    if not stop:
        return False
    (status,) = stop
    if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_FORK << 8:
        return True
    assert os.WIFSTOPPED(status) and not status >> 16, hex(status)
    ptrace(PTRACE_CONT, parent, ctypes.c_void_p(os.WSTOPSIG(status)))
    return False


def stopped_helper(victim):
    """The recorder, and the first helper that it forks, stopped before it does anything:
    it may be done sooner than it is found in /proc."""
    recorder = wait_for(lambda: victim.header().recorder, "the recorder")
    ptrace(PTRACE_SEIZE, recorder, ctypes.c_void_p(PTRACE_O_TRACEFORK))
    victim.ask(victim.load.step)

    def forks_at_work():
        if has_forked(recorder):
            return True
        if select.select([victim.process.stdout], [], [], 0)[0]:
            victim.answer()
            victim.ask(victim.load.step)
        return False
    wait_for(forks_at_work, "a helper")
    helper = ctypes.c_ulong()
    ptrace(PTRACE_GETEVENTMSG, recorder, ctypes.byref(helper))
    wait_for(lambda: awaited(helper.value), "the helper's first stop")
    os.kill(helper.value, signal.SIGSTOP)
    for pid in (helper.value, recorder):
        ptrace(PTRACE_DETACH, pid, None)
    victim.answer()
    return recorder, helper.value


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def recorder_sleeps_while_it_waits(work):
    """The program ends, its capture must wait for the helper: nothing is to be done."""
    with Paced(LARGE, f"{work}/sleeps") as victim:
        victim.measure_cost()
        recorder, helper = stopped_helper(victim)
        try:
            program = int(victim.path().split(".")[-2])
            victim.process.stdin.close()
            wait_for(lambda: not os.path.exists(f"/proc/{program}"), "the program's end")

            def is_idle():
                before = cpu_ticks(recorder)
                time.sleep(0.3)
                return cpu_ticks(recorder) == before
            wait_for(is_idle, "the recorder to sleep")
        finally:
            os.kill(helper, signal.SIGCONT)
        assert victim.process.wait(hs.LIMIT_S) == 0
        victim.assert_exact()


def bound_holds(work):
    """Four million events a second or so, 100 MiB alive: as the machine can."""
    bound, most = 64 << 20, 0
    with Paced(LARGE, f"{work}/bound", "--max-disk", "64MiB") as victim:
        for _ in range(10):
            victim.do(LARGE.step)
            st = os.stat(victim.path())
            most = max(most, st.st_size, st.st_blocks * 512)
        victim.folded_after(0)
        victim.end()
        row = victim.row()
        assert row["complete"] is (row["lost_events"] == 0), row
    assert most <= bound, f"{most} bytes"


def main():
    for needed in (hs.HEAPSNAP, hs.TRACKER):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    tap, work = Tap(), hs.work_dir()
    tap.run("a log that is replaced has its truth", log_is_replaced, CHURN, f"{work}/one", False)
    tap.run("that of four threads, too", log_is_replaced, STEADY, f"{work}/four", True)
    tap.run("folded often is folded once", folded_often_is_folded_once, work)
    tap.run("recorders are killed, others go on", others_go_on, work)
    tap.run("a recorder that is stopped costs events, which are counted",
            stopped_recorder_costs_events, work)
    tap.run("chunks that a recorder was late with are used again",
            late_recorder_wastes_no_chunks, work)
    tap.run("a program that is killed between checkpoints has its truth",
            killed_program_is_exact, work)
    if hs.may_trace():
        tap.run("a recorder that waits for its helper sleeps", recorder_sleeps_while_it_waits, work)
    else:
        tap.skip("a recorder that waits for its helper sleeps", "yama forbids to trace it")
    tap.run("the bound on disk holds", bound_holds, work)
    tap.end()


if __name__ == "__main__":
    main()
