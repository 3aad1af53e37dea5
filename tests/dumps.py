# SPDX-License-Identifier: MIT
"""`heapsnap snap --dump`: cores of processes whose memory is known, read by a reader
of its own here, by gdb and by eu-stack."""
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap

MIB = 1 << 20
UNPACK = {"zstd": "zstd -dqc", "gzip": "gzip -dc", "lz4": "lz4 -dqc", "xz": "xz -dc"}
INNER = ["inner", "middle", "outer"]


class Victim:
    """A program that prints what there is, then "ready", and waits on its input."""

    def __init__(self, name):
        self.process = subprocess.Popen([hs.victim(name)], env=hs.environment(), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1,
                                        start_new_session=True)
        self.at = {}
        for line in self.process.stdout:
            if line == "ready\n":
                break
            what, address = line.split()
            self.at[what] = int(address, 16)
        self.pid = self.process.pid

    def tell(self, word):
        self.process.stdin.write(word + "\n")

    def end(self):
        self.process.stdin.close()
        return self.process.wait(hs.LIMIT_S)

    def touched(self, what, size):
        """How many pages of WHAT are in memory, be they but zeros of the kernel's."""
        with open(f"/proc/{self.pid}/pagemap", "rb") as f:
            f.seek(self.at[what] // 4096 * 8)
            entries = struct.unpack(f"<{size // 4096}Q", f.read(size // 4096 * 8))
        return sum(e >> 62 != 0 for e in entries)


class Core:
    """Segments and notes, by the gABI."""

    def __init__(self, path):
        self.file = open(path, "rb")
        header = self.file.read(64)
        assert header[:6] == b"\x7fELF\2\1" and struct.unpack_from("<H", header, 16)[0] == 4
        at, size, n = struct.unpack_from("<Q", header, 32)[0], *struct.unpack_from("<HH", header, 54)
        self.file.seek(at)
        table = [struct.unpack("<IIQQQQQQ", self.file.read(size)) for _ in range(n)]
        self.loads = [p for p in table if p[0] == 1]
        self.notes = [n for p in table if p[0] == 4 for n in self.read_notes(p[2], p[5])]

    def read_notes(self, at, size):
        self.file.seek(at)
        data, i = self.file.read(size), 0
        while i < size:
            n_name, n_bytes, kind = struct.unpack_from("<III", data, i)
            name = data[i + 12:i + 12 + n_name].rstrip(b"\0").decode()
            i += 12 + (n_name + 3) // 4 * 4
            yield name, kind, data[i:i + n_bytes]
            i += (n_bytes + 3) // 4 * 4

    def read(self, address, size):
        """The bytes, or None where the core has none."""
        for _, _, offset, start, _, n_bytes, _, _ in self.loads:
            if start <= address and address + size <= start + n_bytes:
                self.file.seek(offset + address - start)
                return self.file.read(size)
        return None


def snap(pid, path, *options, **more):
    return hs.Ran([hs.HEAPSNAP, "snap", "--dump", *options, "-o", path, str(pid)], **more)


def check_memory(tap, work):
    v, path = Victim("dumpee"), work + "/memory.core"
    ran = snap(v.pid, path)
    tap.say(ran.status == 0 and not ran.out and b"it was stopped for" in ran.err,
            "a dump is written, and it is told how long the process stood still", ran.text())
    tap.equal((v.touched("sparse", 64 * MIB), v.touched("shared", 16 * MIB)), (8, 1),
              "pages that were never touched are not touched by a dump")
    core, at = Core(path), v.at
    tap.equal([core.read(at["sparse"] + i * MIB + 5, 1) for i in range(0, 64, 8)],
              [bytes([ord("a") + i]) for i in range(0, 64, 8)], "touched pages are in it")
    tap.equal(core.read(at["sparse"] + 3 * MIB, 4096), bytes(4096), "what lies between is zero")
    tap.equal(core.read(at["wide"] + 4096 * MIB - 4096, 8), b"far away", "the end of a reservation")
    tap.equal(core.read(at["hidden"], 11), b"locked away", "memory that nobody may read")
    tap.equal(core.read(at["secret"], 1), None, "what madvise excluded is not in it")
    tap.equal(core.read(at["shared"] + 4 * MIB, 9), b"of us all", "shared memory")
    st = os.stat(path)
    tap.say(st.st_size > 80 * MIB > 4 * MIB > st.st_blocks * 512,
            "zeros are holes, those that were written, too", f"{st.st_size} {st.st_blocks}")
    tap.say(st.st_size < 1024 * MIB, "a wide reservation does not make a wide file", st.st_size)
    tap.equal(st.st_mode & 0o777, 0o600, "nobody else may read it")
    with open(f"/proc/{v.pid}/auxv", "rb") as f:
        auxv = f.read()
    found = {(name, kind): body for name, kind, body in core.notes}
    tap.equal(found.get(("CORE", 6)), auxv, "NT_AUXV is the kernel's")
    files = found[("CORE", 0x46494c45)]
    tap.say(b"/dumpee\0" in files and b"libc.so.6\0" in files, "NT_FILE names what was mapped")
    libc = [p for p in core.loads if p[1] == 5 and p[5]]
    tap.equal([core.read(p[3], 4) for p in libc if p[5] == 4096 and core.read(p[3], 4)],
              [b"\x7fELF"] * len([p for p in libc if p[5] == 4096]), "of code there is no more than headers")
    ran = snap(v.pid, path + ".all", "--file-pages")
    code = [p for p in Core(path + ".all").loads if p[1] == 5]
    tap.say(ran.status == 0 and code and all(p[5] == p[6] for p in code),
            "--file-pages: code is in it", ran.text())
    for method, command in UNPACK.items():
        if not shutil.which(command.split()[0]):
            tap.skip(f"--compress={method}", f"no {command.split()[0]} here")
            continue
        ran = snap(v.pid, f"{path}.{method}", f"--compress={method}")
        with open(path + ".plain", "wb") as out:
            unpacked = subprocess.run([*command.split(), f"{path}.{method}"], stdout=out,
                                      check=False, timeout=hs.LIMIT_S)
        again = Core(path + ".plain")
        tap.equal((ran.status, unpacked.returncode, os.stat(path + ".plain").st_size,
                   again.read(at["hidden"], 11), again.read(at["sparse"] + 56 * MIB + 5, 1)),
                  (0, 0, st.st_size, b"locked away", bytes([ord("a") + 56])),
                  f"--compress={method}: unpacked by its own tool, it is the same")
        os.unlink(path + ".plain")
    out = hs.Ran([hs.HEAPSNAP, "snap", "--dump", "-q", "-o", "-", str(v.pid)])
    tap.equal((out.status, len(out.out), out.err), (0, st.st_size, b""), "- is stdout")
    tap.equal(v.end(), 7, "the process goes on as if nothing were")


def functions(thread):
    return [f.get("function") for f in thread["stack"]]


def check_threads(tap, work):
    v, path = Victim("sleepers"), work + "/threads.core"
    tids = sorted(int(t) for t in os.listdir(f"/proc/{v.pid}/task"))
    assert snap(v.pid, path).status == 0
    doc = json.loads(hs.Ran([hs.HEAPSNAP, "core", "--json", path]).out)
    process = doc["processes"][0]
    tap.equal((process["pid"], process["name"], process["complete"], "crash" in doc),
              (v.pid, "sleepers", True, False), "a dump tells which process it is of")
    stacks = {t["tid"]: functions(t) for t in doc["threads"]}
    tap.equal(sorted(stacks), tids, "all threads are in it")
    tap.say(all([f for f in stacks[t] if f in INNER] == INNER for t in tids[1:]),
            "with their stacks", stacks)
    kinds = [kind for name, kind, _ in Core(path).notes if name == "CORE" and kind in (1, 2)]
    tap.equal(kinds, [1, 2] * len(tids), "each with general and floating-point registers")
    if shutil.which("eu-stack"):
        ran = hs.Ran(["eu-stack", "--core", path, "--executable", hs.victim("sleepers")])
        tap.equal((ran.out.decode().count("TID "), ran.out.decode().count(" middle")), (4, 3),
                  "eu-stack reads it")
    else:
        tap.skip("eu-stack reads it", "no eu-stack here")
    if shutil.which("gdb"):
        ran = hs.Ran(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex",
                      "thread apply all bt", hs.victim("sleepers"), path])
        text = ran.out.decode()
        tap.equal((text.count("Thread 0x") >= 4, text.count("in middle"), "xstate" in
                   ran.err.decode()), (True, 3, False), "gdb reads it")
    else:
        tap.skip("gdb reads it", "no gdb here")
    folder = work + "/named"
    os.mkdir(folder)
    again = [hs.Ran([hs.HEAPSNAP, "snap", "--dump", str(v.pid)], cwd=folder) for _ in (1, 2)]
    tap.equal(([r.status for r in again], os.listdir(folder), b"is there already" in again[1].err),
              ([0, 1], [f"sleepers.{v.pid}.core"], True),
              "without -o it is NAME.PID.core, and never replaces one")
    v.end()


def check_full(tap, work):
    """No room: RLIMIT_FSIZE stands for a disk that is full."""
    v, folder = Victim("dumpee"), work + "/full"
    os.mkdir(folder)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

    ran = subprocess.run([hs.HEAPSNAP, "snap", "--dump", "-o", folder + "/a.core", str(v.pid)],
                         preexec_fn=limit, env=hs.environment(), timeout=hs.LIMIT_S, check=False,
                         stderr=subprocess.PIPE)
    tap.equal((ran.returncode, os.listdir(folder), b"nothing of it was kept" in ran.stderr),
              (1, [], True), "without room nothing is left, and it says why")
    if os.path.exists("/dev/full"):
        ran = snap(v.pid, "/dev/full", "--compress=zstd")
        tap.say(ran.status == 1 and b"No space left on device" in ran.err,
                "a full device is an error", ran.text())
    ran = snap(v.pid, folder + "/none/a.core")
    tap.say(ran.status == 1 and b"none" in ran.err, "a folder that is not there is an error",
            ran.text())
    tap.equal(v.end(), 7, "and the process goes on")


def check_stuck(tap, work):
    """A thread that waits for the child of its vfork does not stop: no hang, and no harm."""
    v = Victim("dumpee")
    v.tell("vfork")
    if not hs.wait_for(lambda: children(v.pid)):
        tap.skip("a thread that does not stop", "no list of children in /proc here")
    else:
        ran = snap(v.pid, work + "/stuck.core")
        tap.say(ran.status == 1 and f"its thread {v.pid} waits in the kernel".encode() in ran.err,
                "a thread that does not stop is told of, and not waited for", ran.text())
        os.kill(children(v.pid)[0], signal.SIGKILL)
        tap.equal(v.end(), 7, "and it goes on when it can")
        return
    os.killpg(v.pid, signal.SIGKILL)
    v.process.wait()


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except FileNotFoundError:
        return []


def check_refusals(tap, work):
    gone = subprocess.Popen(["true"])
    gone.wait()
    ran = snap(gone.pid, work + "/gone.core")
    tap.say(ran.status == 1 and b"there is no process" in ran.err and
            not os.path.exists(work + "/gone.core"), "a process that is gone", ran.text())
    for words in (["snap", "1"], ["snap", "--dump"], ["snap", "--dump", "x"],
                  ["snap", "--dump", "--compress=rar", "1"], ["snap", "--dump", "1", "2"]):
        ran = hs.Ran([hs.HEAPSNAP, *words])
        tap.say(ran.status == 2 and ran.err and not ran.out, f"{' '.join(words)}: wrong usage",
                ran.text())


def main():
    tap, work = Tap(), hs.work_dir()
    if hs.may_trace():
        check_memory(tap, work)
        check_threads(tap, work)
        check_full(tap, work)
        check_stuck(tap, work)
    else:
        tap.skip("dumps", "yama lets nobody but parents and root look at processes")
    check_refusals(tap, work)
    tap.end()


main()
