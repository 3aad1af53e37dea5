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

SOURCE = os.environ.get("top_srcdir", ".")
BUILD = os.path.abspath(os.environ.get("top_builddir", "."))
HEAPSNAP = os.path.join(BUILD, "heapsnap")
TRACKER = os.path.join(BUILD, ".libs/libheapsnap.so")
COUNTER = os.path.join(BUILD, ".libs/libcountpreload.so")
LIMIT_S = 120


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
    env = {"LD_PRELOAD": TRACKER, "HEAPSNAP_DIR": into, "HEAPSNAP_REPORT": "none"}
    if counter:
        env["LD_PRELOAD"] += ":" + COUNTER
        env["COUNT_FILE"] = counter
    return Ran(argv, **env, **more)


def recorded(argv, into, *options, counter=None, **more):
    """ARGV under `heapsnap run`."""
    env = {"LD_PRELOAD": COUNTER, "COUNT_FILE": counter} if counter else {}
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
