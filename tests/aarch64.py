# SPDX-License-Identifier: MIT
"""The tracker of AArch64: it is cross-compiled, victims run with it under qemu's user
emulation, and the analysis program of this machine finds in their captures what they
say of themselves; also where return addresses are signed.  What qemu does not do
(reorder memory, wipe a child's, have pages of 64 KiB) is not tested here."""
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from replay import Bytes, Capture, replay
from tap import Tap, skip_all

GCC = "aarch64-linux-gnu-gcc"
QEMU = "qemu-aarch64"
ROOT = "/usr/aarch64-linux-gnu"  # Debian's libc6-dev-arm64-cross

# As src/tracker/Makefile.inc has them.
TRACKER_FLAGS = """-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -fvisibility=hidden
    -ftls-model=initial-exec -fno-plt -fasynchronous-unwind-tables -fno-builtin-malloc
    -fno-stack-protector -fPIC -shared -static-libgcc -Wl,-z,defs -Wl,-z,now""".split()

STACK = 1  # a record's tag

# Where compilers put the return address; sp or x29 as the base; signed or not.
WAYS = {
    "": [],
    "signed": ["-mbranch-protection=standard"],
    "signed without frame pointers": ["-mbranch-protection=pac-ret+leaf",
                                      "-fomit-frame-pointer"],
}


def run(argv):
    ran = hs.Ran(argv)
    assert ran.status == 0, ran.text()
    return ran


def build_tracker(library):
    source = f"{hs.SOURCE}/src/tracker"
    files = [path for path in glob.glob(source + "/*.c")
             if os.path.basename(path) not in ("verify.c", "rules-x86_64.c")]
    run([GCC, *TRACKER_FLAGS, f"-I{hs.SOURCE}", f"-I{hs.BUILD}",
         '-DHS_RECORDER_DIR="/nonexistent"', f"-Wl,--version-script={source}/tracker.map",
         "-o", library, *files, source + "/stub-aarch64.S"])


def looks_right(library):
    ran = hs.Ran(["sh", hs.SOURCE + "/tests/check-symbols.sh"], HS_LIBRARY=library)
    bad = [line for line in ran.out.decode().splitlines() if re.match("not ok [1-6] ", line)]
    assert ran.out and not bad, ran.out.decode()


class Emulated:
    """A victim, built in one WAY, that ran with LIBRARY."""

    def __init__(self, name, way, library, work):
        self.name = name
        self.folder = f"{work}/{name} {way}"
        self.program = f"{self.folder}/{name}"
        os.makedirs(self.folder)
        run([GCC, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-pthread", "-fno-builtin",
             *WAYS[way], "-o", self.program, f"{hs.SOURCE}/tests/victims/{name}.c"])
        self.bare = run([QEMU, "-L", ROOT, self.program])
        self.ran = run([QEMU, "-L", ROOT, "-E", f"LD_PRELOAD={library}",
                        "-E", f"HEAPSNAP_DIR={self.folder}", "-E", "HEAPSNAP_RECORDER=none",
                        self.program])
        (self.capture,), = hs.captures(self.folder).values()

    def document(self):
        return hs.analyzed(self.capture, options=["--sysroot", ROOT])


def has_its_totals(name, library, work):
    victim = Emulated(name, "", library, work)
    assert victim.ran.err == victim.bare.err
    wanted = hs.own_truth(name, victim.ran)
    totals = victim.document()["processes"][0]["totals"]
    by_hand = replay(victim.capture)[1].totals()
    assert wanted
    for got in (totals, by_hand):
        assert {key: got[key] for key in wanted} == wanted, f"wanted {wanted}\ngot    {got}"


def names_of(stack):
    """Functions as far as the victim's own; the signal's trampoline has no name."""
    return [f["function"] for f in stack
            if f.get("module") == "frames" and f.get("function", "_start") != "_start"]


def flags_of(payload):
    b = Bytes(payload)
    b.uleb(), b.uleb()  # id, epoch
    return b.uleb()


def has_its_stacks(way, library, work):
    victim = Emulated("frames", way, library, work)
    wanted = {int(words[1]): [w for w in words[2:] if w != "<"]
              for words in hs.truths("frames") if words[0] == "stack"}
    document = victim.document()
    got = {leak["bytes"]: leak["stack"] for leak in document["leaks"]
           if leak["bytes"] in wanted}
    names = {size: names_of(stack) for size, stack in got.items()}
    assert names == wanted, f"wanted {wanted}\ngot    {names}"
    # All ended where the program or the thread began: nothing was cut or guessed.
    flags = {flags_of(payload) for payload in Capture(victim.capture).record_payloads(STACK)}
    assert flags == {0}, f"stacks are marked: {flags}"


def hands_blocks_over(library, work):
    victim = Emulated("threads", "", library, work)
    capture, books = replay(victim.capture)
    assert books.unmatched == 0, f"{books.unmatched} frees of blocks that nobody allocated"
    own = [size for size, thread, _ in books.live.values()
           if capture.threads.get(thread) == "producer"]
    assert (len(own), sum(own)) == (800, 12800), f"{len(own)} blocks, {sum(own)} bytes live"


def main():
    for tool in (GCC, QEMU):
        if not shutil.which(tool):
            skip_all(f"{tool} is not here")
    if not os.path.exists(ROOT + "/lib/ld-linux-aarch64.so.1"):
        skip_all(f"no libc in {ROOT}")
    tap = Tap()
    work = hs.work_dir()
    library = work + "/libheapsnap.so"
    tap.run("the tracker is cross-compiled without a warning", build_tracker, library)
    tap.run("it exports, imports and needs what it should", looks_right, library)
    for name in ("leaky", "churn"):
        tap.run(f"{name} has the totals that it says it has", has_its_totals, name, library, work)
    tap.run("threads: blocks that others free are known", hands_blocks_over, library, work)
    for way in WAYS:
        tap.run(f"stacks are whole and right {way}".rstrip(), has_its_stacks, way, library, work)
    tap.end()


if __name__ == "__main__":
    main()
