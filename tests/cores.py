# SPDX-License-Identifier: MIT
"""`heapsnap core` on real cores with a known truth.  Some are made here, by
programs of tests/victims; others are too large to be kept with the source: they
lie in HEAPSNAP_FIXTURES (or ../shared/fixtures), each with a truth.json that the
program itself wrote."""
import ctypes
import glob
import gzip
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap

FIXTURES = os.environ.get("HEAPSNAP_FIXTURES") or os.path.join(hs.SOURCE, "../shared/fixtures")
CORES = os.path.join(FIXTURES, "cores")
WAITING = ["usleep", "thr", "start_thread"]
BUILD_IDS = {"libc.so.6": "93ac61ec5a8eb1396f9fbd350e3169a558528a40"}


def unpack(path, to):
    subprocess.run(["zstd", "-dqf", path, "-o", to], check=True, timeout=hs.LIMIT_S)
    return to


def core(path, *options):
    ran = hs.Ran([hs.HEAPSNAP, "core", "--json", *options, path])
    assert ran.status == 0, ran.text()
    return json.loads(ran.out)


def bare(name):
    """NAME without parameters, template arguments and return type."""
    name = name.replace("(anonymous namespace)", "")
    while re.search(r"\([^()]*\)|<[^<>]*>", name):
        name = re.sub(r"\([^()]*\)|<[^<>]*>", "", name)
    return name.strip().split(" ")[-1]


def functions(thread):
    return [bare(f.get("function", "??")) for f in thread["stack"]]


def expected(frames):
    """The functions that a truth names for certain."""
    names = [bare(f) for f in frames if "lambda" not in f]
    return [n for n in names if n]


def holds(names, wanted):
    """Are WANTED among NAMES, in this order?"""
    rest = iter(names)
    return all(any(n == w or n.endswith("::" + w) for n in rest) for w in wanted)


def match(stacks, wanted):
    """Each wanted stack has a thread of its own; those with most frames choose first."""
    left = list(stacks)
    for frames in sorted(wanted, key=len, reverse=True):
        found = next((s for s in left if holds(s, frames)), None)
        if found is None and frames[0] == "pause":
            # Not there yet: arenas.c has its threads wait for their turn by usleep.
            found = next((s for s in left if holds(s, WAITING)), None)
        if found is None:
            return f"no thread has {frames}; left are {left}"
        left.remove(found)
    return ""


class Fixture:
    def __init__(self, name, work, sysroot):
        self.name, self.folder = name, os.path.join(CORES, name)
        with open(self.folder + "/truth.json", encoding="utf-8") as f:
            self.truth = json.load(f)
        self.core = unpack(self.folder + "/core.zst", f"{work}/{name}.core")
        self.options = ["--sysroot", sysroot, "--exe",
                        f"{self.folder}/{self.truth['executable']}"]
        for library in glob.glob(self.folder + "/*.so"):
            self.options += ["--exe", library]
        if os.path.isdir(self.folder + "/debug"):
            self.options += ["--debug-dir", self.folder + "/debug"]
        self.doc = core(self.core, *self.options)


def check_crash(tap, f):
    crash, truth = f.doc["crash"], f.truth["crash"]
    tap.equal((crash["signal"], crash.get("address")), (truth["signal"], truth["fault_address"]),
              f"{f.name}: signal and address of the fault")
    tap.equal(crash["code"], "SEGV_MAPERR" if truth["fault_address"] else "SI_TKILL",
              f"{f.name}: si_code")
    tap.equal(f.doc["processes"][0]["pid"], f.truth["pid"], f"{f.name}: pid")
    tap.equal(len(f.doc["threads"]), f.truth["thread_count"], f"{f.name}: threads")
    tap.equal(crash["thread"], f.doc["threads"][0]["tid"], f"{f.name}: the thread that died")


def check_sound(tap, f):
    """A core that is whole: all stacks, by tables alone."""
    check_crash(tap, f)
    tap.equal(f.doc["processes"][0]["complete"], True, f"{f.name}: is complete")
    tap.equal(f.doc["crash"].get("message"), f.truth.get("libc_message"),
              f"{f.name}: what libc said before it called abort")
    missing = match([functions(t) for t in f.doc["threads"]],
                    [expected(t["frames"]) for t in f.truth["threads"]])
    tap.say(not missing, f"{f.name}: the functions of all stacks", missing)
    frames = [x for t in f.doc["threads"] for x in t["stack"]]
    tap.equal([x for x in frames if "how" in x or "function" not in x], [],
              f"{f.name}: unwind tables and symbols know each frame")
    ends = {t["stack"][-1]["function"] for t in f.doc["threads"]}
    tap.say(ends <= {"_start", "clone3", "__clone3"}, f"{f.name}: stacks reach their ends", ends)
    used = {x["build_id"] for x in frames if x["module"] == "libc.so.6"}
    tap.say(used <= set(BUILD_IDS.values()), f"{f.name}: build-id of libc", used)


def check_inlines(tap, f):
    stack = f.doc["threads"][0]["stack"]
    inlined = [x["inlined"] for x in stack[:4]]
    tap.equal(inlined, [True, True, True, False], f"{f.name}: three inlined calls")
    with open(CORES + "/src/cppobjs.cc", encoding="utf-8") as source:
        lines = source.read().split("\n")
    for frame, name in zip(stack, ("deepest", "middle", "outer_inl", "run")):
        line = lines[frame["line"] - 1]
        tap.say(frame["file"].endswith("cppobjs.cc") and name in line,
                f"{f.name}: the line of {name}", f"{frame}: {line}")


def check_heap(tap, f):
    """Blocks in use, lost ones and what is broken, as the program itself had counted."""
    heap, truth = f.doc["heap"], f.truth
    broken = truth.get("corruption")
    if broken:
        found = {(c["kind"], c["address"]) for c in heap["corruption"]}
        tap.say((broken["kind"], broken["block"]) in found, f"{f.name}: what is broken", found)
    else:
        tap.equal(heap["corruption"], [], f"{f.name}: nothing is broken")
    if "used_blocks_expected" in truth:
        # Behind a header that was overwritten a block or two cannot be told.
        wrong = abs(heap["used_blocks"] - truth["used_blocks_expected"]["blocks"])
        tap.say(wrong <= (3 if broken else 0), f"{f.name}: blocks in use", wrong)
    classes = truth.get("totals_by_class", {})
    if "leaked_direct" not in classes:
        return
    least = truth.get("extra_leaked_indirect_not_listed_by_address", {}).get(
        "expected_leaked_total_all",
        sum(classes.get(c, {}).get("count", 0) for c in ("leaked_direct", "leaked_indirect")))
    # Pointers that are hidden by xor or not aligned are none to a conservative marker.
    hidden = sum(k["count"] for name, k in truth.get("kinds", {}).items()
                 if k["cls"].startswith("in_use_by_program") or "misaligned" in name)
    tap.equal(sum(x["blocks"] for x in f.doc["leaks"]), least + hidden,
              f"{f.name}: blocks that are lost")


def check_truncated(tap, f):
    check_crash(tap, f)
    with open(f.folder + "/cut.json", encoding="utf-8") as cut:
        missing = json.load(cut)
    process = f.doc["processes"][0]
    tap.equal(process["complete"], False, f"{f.name}: is not complete")
    lost = (missing["full_size"] - missing["kept"]) / (1 << 20)
    tap.say(any(f"cut off: {lost:.1f} MiB" in w for w in process["warnings"]),
            f"{f.name}: how much is missing", process["warnings"])
    tap.equal([len(t["stack"]) > 0 for t in f.doc["threads"]], [True] * 9,
              f"{f.name}: each thread's place is known")


def check_strangers(tap, f, work):
    """Files of another program under the right names are refused."""
    other = f"{work}/other/{f.truth['executable']}"
    os.makedirs(os.path.dirname(other))
    os.symlink(hs.HEAPSNAP, other)
    doc = core(f.core, "--exe", other)
    mine = [x for t in doc["threads"] for x in t["stack"]
            if x.get("module") == f.truth["executable"]]
    tap.say(mine and not any("function" in x for x in mine),
            f"{f.name}: an executable with another build-id names nothing", mine[:2])
    tap.say(any("is not the file that was recorded" in w for w in doc["processes"][0]["warnings"]),
            f"{f.name}: and is warned of", doc["processes"][0].get("warnings"))


def check_packed(tap, f, work):
    for name, command in (("gz", "gzip -1c"), ("zst", "zstd -1qc"), ("lz4", "lz4 -1qc"),
                          ("xz", "xz -0c")):
        packed = f"{work}/core.{name}"
        with open(packed, "wb") as out:
            made = subprocess.run([*command.split(), f.core], stdout=out, check=False,
                                  timeout=hs.LIMIT_S)
        if made.returncode:
            tap.skip(f"a core packed with {name}", f"{command} failed")
            continue
        doc = core(packed, *f.options)
        tap.equal(doc["threads"], [{**t, "process": f"core.{name}"} for t in f.doc["threads"]],
                  f"a core packed with {name} tells the same")


def fixtures(tap, work):
    sysroot = work + "/sysroot"
    os.mkdir(sysroot)
    subprocess.run(["tar", "--zstd", "-xf", CORES + "/sysroot-debian12.tar.zst", "-C", sysroot],
                   check=True, timeout=hs.LIMIT_S)
    for name in sorted(os.listdir(CORES)):
        if not os.path.exists(f"{CORES}/{name}/truth.json"):
            continue
        f = Fixture(name, work, sysroot)
        if name.startswith("truncated"):
            check_truncated(tap, f)
            continue
        check_sound(tap, f)
        check_heap(tap, f)
        if name == "cpp-inline-segv" or name == "stripped-builddebug":
            check_inlines(tap, f)
        if name == "corrupt-uaf-latent":
            check_packed(tap, f, work)
            check_strangers(tap, f, work)


# Programs of our own, alive and dead.

def may_trace():
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as f:
            return f.read().strip() == "0" or os.geteuid() == 0
    except FileNotFoundError:
        return True


class Sleepers:
    """tests/victims/sleepers, which waits in known places and does as it is told."""

    def __init__(self, path=None, folder=None, filter=None):
        self.process = subprocess.Popen(
            [path or hs.victim("sleepers")], cwd=folder, env=hs.environment(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1,
            preexec_fn=lambda: allow_core(filter))
        assert self.process.stdout.readline() == "ready\n"
        self.pid = self.process.pid
        self.tids = sorted(int(t) for t in os.listdir(f"/proc/{self.pid}/task"))

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(hs.LIMIT_S)


def allow_core(filter):
    resource.setrlimit(resource.RLIMIT_CORE, CORE_LIMIT)
    if filter is not None:  # core(5): which mappings are dumped
        with open("/proc/self/coredump_filter", "w", encoding="ascii") as f:
            f.write(filter)


CORE_LIMIT = (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2


def check_sleepers(tap, doc, s, what, named):
    stacks = {t["tid"]: functions(t) for t in doc["threads"]}
    tap.equal(sorted(stacks), s.tids, f"{what}: its threads")
    for i, tid in enumerate(s.tids[1:]):
        tap.say(holds(stacks.get(tid, []), ["inner", "middle", "outer"]),
                f"{what}: the stack of outer-{i}", stacks.get(tid))
    tap.say("main" in stacks.get(s.pid, []), f"{what}: the stack of main", stacks.get(s.pid))
    if named:
        names = {t["tid"]: t.get("name") for t in doc["threads"]}
        tap.equal([names.get(t) for t in s.tids],
                  [doc["processes"][0]["name"], "outer-0", "outer-1", "outer-2"],
                  f"{what}: names of threads")


def check_living(tap):
    s = Sleepers()
    doc = core(str(s.pid))
    check_sleepers(tap, doc, s, "a living process", True)
    process = doc["processes"][0]
    tap.equal((process["end"]["how"], process["pid"], "crash" in doc), ("running", s.pid, False),
              "a living process: is running, and did not die")
    tap.equal((s.ask("count"), s.end()), ("0", 7), "a living process goes on as if nothing were")


def check_signals(tap):
    """Signals that come while the process is stopped are neither lost nor doubled."""
    s = Sleepers()
    sent = 0
    looking = subprocess.Popen(
        ["sh", "-c", f"i=0; while [ $i -lt 20 ]; do {hs.HEAPSNAP} core --json {s.pid} || exit 1; "
         "i=$((i + 1)); done"], stdout=subprocess.DEVNULL, env=hs.environment())
    while looking.poll() is None or sent < 100:
        os.kill(s.pid, signal.SIGRTMIN)
        sent += 1
        while int(s.ask("count")) < sent:  # it waits for the handler, not for a time
            pass
    tap.equal(looking.returncode, 0, "a process that gets signals can be looked at 20 times")
    tap.equal((s.ask("count"), s.end()), (str(sent), 7), "and gets each of them once")


def check_replaced(tap, work):
    path = work + "/replaced"
    shutil.copy2(hs.victim("sleepers"), path)
    s = Sleepers(path)
    os.unlink(path)
    check_sleepers(tap, core(str(s.pid)), s, "an executable that was deleted", True)
    s.end()


def refused(tap, pid, says, what):
    ran = hs.Ran([hs.HEAPSNAP, "core", str(pid)])
    tap.say(ran.status == 1 and says in ran.err.decode() and not ran.out, what, ran.text())


def check_refusals(tap):
    gone = subprocess.Popen(["true"])
    while os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT) is None:
        pass
    refused(tap, gone.pid, "it is a zombie", "a zombie has no memory")
    gone.wait()
    refused(tap, gone.pid, f"there is no process {gone.pid}", "a process that is gone")
    s = Sleepers()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, s.pid, None, None):  # PTRACE_SEIZE
        tap.skip("a process that is traced already", os.strerror(ctypes.get_errno()))
    else:
        refused(tap, s.pid, f"is traced by process {os.getpid()}",
                "a process that is traced already")
        # Its threads go on when the tracer ends; the main one is let go here.
        os.kill(s.pid, signal.SIGSTOP)
        os.waitpid(s.pid, 0)
        libc.ptrace(17, s.pid, None, None)  # PTRACE_DETACH
        os.kill(s.pid, signal.SIGCONT)
    s.end()


PTRACE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAPBSET_DROP = 101, 38, 22, 24
CLONE_NEWUSER, CAP_SYS_PTRACE = 0x10000000, 19


def forbid_ptrace():
    """A seccomp filter: ptrace(2) fails with EPERM (x86-64)."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, PTRACE), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
    rules = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *c) for c in code))
    program = ctypes.create_string_buffer(struct.pack("<H6xQ", len(code), ctypes.addressof(rules)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def drop_ptrace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def become_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def unshare_user():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")


def check_denials(tap, work):
    """Each way in which the kernel forbids to look, as far as it can be made here."""
    folder = work + "/others"
    os.mkdir(folder)
    os.chmod(work, 0o755)
    os.chmod(folder, 0o755)
    heapsnap = shutil.copy2(hs.HEAPSNAP, folder)
    root = os.geteuid() == 0
    cases = [("a seccomp filter", forbid_ptrace, True, "seccomp=unconfined"),
             ("a process of somebody else", become_nobody, root, "belongs to user 0; run this as"),
             ("root without CAP_SYS_PTRACE", drop_ptrace, root, "--cap-add=SYS_PTRACE"),
             ("a user namespace", unshare_user, True, "user namespace")]
    s = Sleepers()
    for name, restrict, possible, says in cases:
        if not possible:
            tap.skip(name, "only root can make that")
            continue
        for command in (["core"], ["snap", "--dump", "-o", folder + "/never.core"]):
            try:
                ran = subprocess.run([heapsnap, *command, str(s.pid)], preexec_fn=restrict,
                                     capture_output=True, timeout=hs.LIMIT_S, check=False,
                                     env=hs.environment())
            except (subprocess.SubprocessError, PermissionError) as e:
                tap.skip(f"{name}: {command[0]}", f"cannot be made here: {e}")
                continue
            tap.say(ran.returncode == 1 and says in ran.stderr.decode() and not ran.stdout and
                    not os.path.exists(folder + "/never.core"),
                    f"{name}: {command[0]} says how to allow it", ran.stderr.decode())
    tap.equal((s.ask("count"), s.end()), ("0", 7), "who was refused did no harm")


def check_dead(tap, work):
    """A core of the kernel, where it writes them into the working directory."""
    folder = work + "/dead"
    os.mkdir(folder)
    s = Sleepers(folder=folder)
    s.ask("die")
    status = s.process.wait(hs.LIMIT_S)
    tap.equal(status, -signal.SIGSEGV, "the victim died as it was told")
    written = os.listdir(folder)
    if len(written) != 1:
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as f:
            tap.skip("a core of the kernel", f"no core was written here: limit {CORE_LIMIT[0]}, "
                     f"pattern {f.read().strip()}")
        return
    doc = core(f"{folder}/{written[0]}")
    check_sleepers(tap, doc, s, "a core of the kernel", False)
    tap.equal({k: doc["crash"].get(k) for k in ("signal", "code", "address", "thread")},
              {"signal": "SIGSEGV", "code": "SEGV_MAPERR", "address": "0x1230", "thread": s.pid},
              "a core of the kernel: why it died")
    tap.say(holds(functions(doc["threads"][0]), ["die", "main"]), "a core of the kernel: where")


def check_folder(tap, work):
    """A folder is searched for cores, also for packed ones as systemd-coredump names them."""
    folder = work + "/coredump"
    os.mkdir(folder)
    sample = os.path.join(hs.SOURCE, "tests/files/core/good-x86_64.core")
    name = "core.small.0.00112233445566778899aabbccddeeff.4242.1700000000000000"
    shutil.copy(sample, f"{folder}/{name}")
    with open(sample, "rb") as f, gzip.open(f"{folder}/{name}.gz", "wb") as out:
        out.write(f.read())
    with gzip.open(folder + "/other.gz", "wb") as out:
        out.write(b"no core")
    doc = hs.analyzed(folder)
    tap.equal([(p["pid"], p["name"], p["end"]) for p in doc["processes"]],
              [(4242, "small", {"how": "signal", "signal": "SIGSEGV"})] * 2,
              "a folder's cores, plain and packed, are analyzed")
    tap.equal([t["tid"] for t in doc["threads"]], [4243, 4242] * 2, "with their threads")
    ran = hs.Ran([hs.HEAPSNAP, "core", f"{folder}/{name}.gz"], TMPDIR=folder + "/none")
    tap.say(ran.status == 1 and b"TMPDIR names another folder" in ran.err,
            "where a packed core cannot be unpacked, TMPDIR is named", ran.text())


def check_without_headers(tap, work):
    """coredump_filter without bit 4: no ELF header, so neither build-ids nor addresses."""
    folder = work + "/headless"
    os.mkdir(folder)
    s = Sleepers(folder=folder, filter="0x01")
    s.ask("die")
    s.process.wait(hs.LIMIT_S)
    written = os.listdir(folder)
    if not written:
        tap.skip("a core without ELF headers", "no core was written here")
        return
    doc = core(f"{folder}/{written[0]}")
    check_sleepers(tap, doc, s, "a core without ELF headers", False)
    tap.say(any("3 of 3 modules have no build-id" in w for w in doc["processes"][0].get("warnings", [])),
            "a core without ELF headers: files were taken by name, and it says so",
            doc["processes"][0])


def check_without_files(tap, work):
    """Text is in the core, the executable is gone: unwind tables come from the memory."""
    folder = work + "/fileless"
    os.mkdir(folder)
    path = work + "/fileless-sleepers"
    shutil.copy2(hs.victim("sleepers"), path)
    s = Sleepers(path, folder, filter="0x37")
    s.ask("die")
    s.process.wait(hs.LIMIT_S)
    os.unlink(path)
    written = os.listdir(folder)
    if not written:
        tap.skip("a core whose executable is gone", "no core was written here")
        return
    doc = core(f"{folder}/{written[0]}")
    ends = [functions(t)[-1] for t in doc["threads"]]
    mine = [[f for f in t["stack"] if f.get("module") == "fileless-sleepers"]
            for t in doc["threads"]]
    tap.say(ends[1:] == ["clone3"] * 3 and
            not any("how" in f for t in doc["threads"] for f in t["stack"]),
            "a core whose executable is gone: its stacks are found by tables", doc["threads"])
    tap.equal([len(m) for m in mine[1:]], [3] * 3, "with all frames of the executable")


def check_recorded(tap, work):
    """A capture whose process died of a signal knows its core, and nobody else's."""
    folder = work + "/recorded"
    os.mkdir(folder)
    limits = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"]
    for out in ("first", "second"):
        ran = hs.Ran([*limits, hs.HEAPSNAP, "run", "-q", "-o", out, "--", hs.victim("sleepers")],
                     cwd=folder, stdin=b"die\n")
        tap.equal(ran.status, 128 + signal.SIGSEGV, f"the {out} recording ends as its program")
    cores = [n for n in os.listdir(folder) if n not in ("first", "second")]
    if not cores:
        tap.skip("a capture knows its core", "no core was written here")
        return
    newest = max(cores, key=lambda n: os.stat(f"{folder}/{n}").st_mtime_ns)

    def process(out):
        ran = hs.Ran([hs.HEAPSNAP, "analyze", "--json", "-", out], cwd=folder)
        return json.loads(ran.out)["processes"][0]

    tap.equal(process("second").get("core"), newest, "a capture knows its core")
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-q", "--rm", newest, "-o", "packed"], cwd=folder, check=True)
        os.rename(folder + "/packed", f"{folder}/{newest}")
        tap.equal(process("second").get("core"), newest, "also when it is packed")
        subprocess.run(["zstd", "-dqf", newest, "-o", "plain"], cwd=folder, check=True)
        os.rename(folder + "/plain", f"{folder}/{newest}")
    if len(cores) == 1:
        tap.say("core" not in process("first"), "and not that of another process",
                process("first"))
    doc = hs.analyzed(f"{folder}/second", f"{folder}/{newest}")
    capture, dead = doc["processes"]
    tap.equal((capture["core"], dead["capture"]), (f"{folder}/{newest}", capture["id"]),
              "a capture and its core, both given, know each other")
    named = {t["tid"]: t.get("name") for t in doc["threads"]}
    tap.say({"outer-0", "outer-1", "outer-2"} & set(named.values()),
            "a core's threads have the names that were recorded", named)


def check_gcore(tap, work):
    if not shutil.which("gcore"):
        tap.skip("a core of gcore", "no gcore here")
        return
    s = Sleepers()
    ran = hs.Ran(["gcore", "-o", work + "/gcore", str(s.pid)])
    if not os.path.exists(f"{work}/gcore.{s.pid}"):
        tap.skip("a core of gcore", f"gcore failed: {ran.err.decode()[-100:]!r}")
    else:
        doc = core(f"{work}/gcore.{s.pid}")
        check_sleepers(tap, doc, s, "a core of gcore", False)
        tap.say("crash" not in doc, "a core of gcore: the process did not die", doc.get("crash"))
    s.end()


def check_lost(tap, work):
    """A dump of a process that counts its blocks, and knows which it has lost."""
    s = subprocess.Popen([hs.victim("lost")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    live = int(s.stdout.readline().split()[1])
    ran = hs.Ran([hs.HEAPSNAP, "snap", "--dump", "-q", "-o", work + "/lost.core", str(s.pid)])
    s.stdin.close()
    s.wait(timeout=hs.LIMIT_S)
    tap.equal((ran.status, ran.err), (0, b""), "a dump of a heap: is written")
    doc = core(work + "/lost.core")
    heap = doc["heap"]
    # Each of the three threads has a cache, which malloc takes for itself.
    tap.equal(heap["used_blocks"], live + 3, "a dump of a heap: blocks in use")
    tap.equal((heap["mapped_blocks"], heap["corruption"]), (5, []),
              "a dump of a heap: blocks with mappings of their own, nothing broken")
    tap.equal(len(heap["arenas"]), 3, "a dump of a heap: arenas")
    # 12 of each of two threads; of table[], seven at most of a size.
    tap.say(heap["cached_blocks"] >= 24, "a dump of a heap: blocks in caches", heap)
    lost = sorted((x["kind"], x["blocks"], x["bytes"]) for x in doc["leaks"])
    tap.equal(lost, [("indirect", 1, 72), ("indirect", 2, 112), ("unreachable", 1, 72),
                     ("unreachable", 1, 120), ("unreachable", 11, 2200)],
              "a dump of a heap: what is lost")


def main():
    tap, work = Tap(), hs.work_dir()
    if os.path.isdir(CORES):
        fixtures(tap, work)
    else:
        tap.skip("real cores with a known truth", f"{CORES} is not here; set HEAPSNAP_FIXTURES")
    if may_trace():
        check_living(tap)
        check_signals(tap)
        check_replaced(tap, work)
        check_refusals(tap)
        check_denials(tap, work)
        check_lost(tap, work)
    else:
        tap.skip("living processes", "yama lets nobody but parents and root look at processes")
    check_dead(tap, work)
    check_without_headers(tap, work)
    check_without_files(tap, work)
    check_recorded(tap, work)
    check_gcore(tap, work)
    check_folder(tap, work)
    tap.end()


main()
