# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: where the built things lie, running programs
bare and recorded, the victims' truths, the counting preload's numbers."""
import atexit
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time

SOURCE = os.environ.get("top_srcdir", ".")
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
HEAPSNAP = os.path.join(BUILD, "heapsnap")
TRACKER = os.path.join(BUILD, ".libs/libheapsnap.so")
COUNTER = os.path.join(BUILD, ".libs/libcountpreload.so")
LIMIT_S = 300  # of one command, on a busy machine


def victim(name):
    return os.path.join(BUILD, "tests/victims", name)


def work_dir():
    """A folder that is gone at the end."""
    path = tempfile.mkdtemp(prefix="tmp.", dir=BUILD)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def environment(**more):
    """The environment without what would change a program's or heapsnap's ways."""
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith(("HEAPSNAP_", "LD_", "COUNT_", "MALLOC_", "PYTHON"))}
    return {**keep, "LC_ALL": "C", "PYTHONHASHSEED": "0", "NO_COLOR": "1", **more}


class Ran:
    """What became of a command: status is negative after a signal."""

    def __init__(self, argv, cwd=None, stdin=None, **env):
        p = subprocess.run(argv, cwd=cwd, env=environment(**env), timeout=LIMIT_S, check=False,
                           input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.argv, self.status, self.out, self.err = argv, p.returncode, p.stdout, p.stderr

    def text(self):
        return (f"{' '.join(self.argv)}: status {self.status}\n"
                + self.err.decode(errors="replace")[-2000:])


def preloaded(argv, into, counter=None, **more):
    """ARGV under the tracker alone: no recorder, the capture is all log."""
    env = {"LD_PRELOAD": TRACKER, "HEAPSNAP_DIR": into, "HEAPSNAP_REPORT": "none",
           "HEAPSNAP_RECORDER": "none"}
    if counter:
        env["LD_PRELOAD"] += ":" + COUNTER
        env["COUNT_FILE"] = counter
    return Ran(argv, **env, **more)


def recorded(argv, into, *options, counter=None, **more):
    """ARGV under `heapsnap run`."""
    env = {}
    if counter:
        env = {"LD_PRELOAD": COUNTER, "COUNT_FILE": counter, "COUNT_SKIP": "heapsnap"}
    return Ran([HEAPSNAP, "run", "-o", into, *options, "--", *argv], **env, **more)


def analyzed(*paths, options=()):
    """The JSON document on PATHS."""
    ran = Ran([HEAPSNAP, "analyze", "--json", "-", *options, *paths])
    assert ran.status == 0, ran.text()
    return json.loads(ran.out)


def captures(folder):
    """pid -> paths of its captures: an exec begins another one."""
    found = {}
    for path in sorted(glob.glob(folder + "/*.hsnap")):
        pid = re.search(r"\.(\d+)(\.\d+)?\.hsnap$", path)[1]
        found.setdefault(int(pid), []).append(path)
    return found


def recorders(folder):
    """Pids of the recorders of FOLDER and of its children."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"heapsnap-recorder") and folder.encode() in words:
            found.append(int(path.split("/")[2]))
    return found


def wait_for(condition):
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def may_trace():
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as f:
            return f.read().strip() == "0" or os.geteuid() == 0
    except FileNotFoundError:
        return True


def state_of(path):
    """The header's state: 1 is live, 2 final."""
    with open(path, "rb") as f:
        return struct.unpack_from("<I", f.read(116), 112)[0]


def recorder_of(path):
    """header.recorder_pid: somebody drains it."""
    with open(path, "rb") as f:
        return struct.unpack_from("<I", f.read(184), 176)[0]


def counted(base, pid):
    """What the counting preload saw: allocations, frees, bytes; None if nothing."""
    try:
        with open(f"{base}.{pid}", "rb") as f:
            data = f.read(24)
    except FileNotFoundError:
        return None
    return struct.unpack("3Q", data) if len(data) == 24 else None


def truths(name):
    """The words of the `truth:` lines in a victim's first comment."""
    with open(f"{SOURCE}/tests/victims/{name}.c", encoding="utf-8") as f:
        comment = f.read().split("#include")[0]
    return [line.split() for line in re.findall(r"truth: (.*)", comment)]


def own_truth(name, ran):
    """totals.KEY -> value, from the victim's comment or its own output."""
    lines = truths(name)
    if ["printed"] in lines:
        lines = [line.split() for line in ran.out.decode().splitlines()]
    return {line[0][7:]: int(line[1]) for line in lines if line[0].startswith("totals.")}


def same_behaviour(bare, ran):
    assert ran.status == bare.status, f"status {ran.status}, bare {bare.status}\n{ran.text()}"
    assert ran.out == bare.out, "stdout differs"
    assert ran.err == bare.err, f"stderr differs\n{ran.text()}"


def books_of(path):
    """The ender's own sums: live bytes, live blocks."""
    with open(path, "rb") as f:
        rows = list(struct.iter_unpack("4Q", f.read()))
    return sum(row[1] for row in rows), sum(row[2] for row in rows)


def wait_until_alive(process, path):
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if os.path.exists(path) and os.path.getsize(path) and books_of(path)[1] > 100:
            return
        time.sleep(0.01)
    raise AssertionError("the victim did not begin")


def pid_of(path):
    """The ender's pid, from its books."""
    with open(path, "rb") as f:
        return struct.unpack("4Q", f.read(32))[3]


def check_live(got, wanted, killed_threads):
    """Live bytes and blocks are the ender's.  Each thread that was killed may have
    been between its operation and its entry in the books, and each but the first
    has a block of libc's."""
    near = all(abs(g - w) <= slack * killed_threads
               for g, w, slack in zip(got, wanted, (2000, 2)))
    assert near, f"live {got}, the program's own books say {wanted}"
