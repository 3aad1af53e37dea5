# SPDX-License-Identifier: MIT
"""The tracker never hurts its host.  Each case is a victim (tests/victims/host_*)
in one mode, run bare and under the tracker alone: output, errors and status must be
the same, and the capture must hold what a counting malloc beneath the tracker saw,
with no event lost, unless the case says why not.

    hosts.py [WORD...]    only the cases whose name has all the words
"""
import glob
import os
import shutil
import subprocess
import sys
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from replay import Bytes, Capture, replay
from tap import Tap, skip_all

FORKED = 1
STACK, STACK_CUT, MAX_FRAMES = 1, 1, 4096


class Skip(Exception):
    """The case cannot be tried here."""


def running(test, host):
    """TEST, unless its victim is not built."""
    try:
        test(host)
    except FileNotFoundError as e:
        if "/tests/victims/host_stacks" in str(e.filename):
            raise Skip("no C++ compiler") from e
        raise


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
        env.setdefault("HEAPSNAP_RECORDER", "none")
        return hs.Ran(argv, cwd=self.folder, HEAPSNAP_REPORT="none",
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
            got = self.figures(paths)
            assert got == wanted, f"{paths}: recorded {got}, counted {wanted}"

    @staticmethod
    def figures(paths):
        """Allocations, frees and bytes of whole captures without stray frees."""
        total = (0, 0, 0)
        for path in paths:
            capture, books = replay(path)
            assert not capture.lost_events, f"{path}: lost {capture.lost_events} events"
            assert capture.flags & FORKED or not books.unmatched, \
                f"{path}: {books.unmatched} frees of blocks that nobody allocated"
            total = tuple(a + b for a, b in zip(total, (
                books.allocations, books.frees + books.unmatched, books.allocated_bytes)))
        return total


def victim(name, *arguments):
    return [hs.victim("host_" + name), *arguments]


class Stack:
    """A STACK record: pcs are relative to nothing shared, so only counted."""

    def __init__(self, payload):
        b = Bytes(payload)
        self.id, self.epoch, self.flags = b.uleb(), b.uleb(), b.uleb()
        self.pcs = [None] * (b.uleb() + b.uleb())


def stacks(path):
    return [Stack(payload) for payload in Capture(path).record_payloads(STACK)]


CASES = []


def case(name):
    def add(test):
        CASES.append((name, test))
        return test
    return add


def simple(name, argv, processes=1, counter=True, **env):
    """The usual case: unharmed, and counted exactly."""
    def test(host):
        host.unharmed(argv, counter=counter, **env)
        if counter:
            host.counted_exactly(processes)
        else:
            host.figures(sum(host.captures().values(), []))
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


simple("5000 threads with stacks of 16 KiB", victim("threads", "many", "5000"))


@case("10,000 threads")
def many_threads(host):
    argv = victim("threads", "many", "10000")
    if host.bare(argv).status:
        raise Skip("so many threads are not allowed here")
    host.unharmed(argv)
    host.counted_exactly()


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


simple("answers and errno of malloc's family at the edges", victim("edges", "calls"),
       counter=False)
simple("allocations before main, in resolvers, destructors and exit handlers",
       victim("edges", "early"))
simple("quick_exit", victim("edges", "quick"))


@case("what a failing realloc keeps stays live in the capture")
def failing_realloc(host):
    host.unharmed(victim("edges", "calls"), counter=False)
    (path,), = host.captures().values()
    sizes = [size for size, _, _ in replay(path)[1].live.values()]
    assert sizes.count(12345) == 1, sizes


def dies_the_same(mode):
    def test(host):
        ran = host.unharmed(victim("edges", mode), counter=False)
        assert ran.status < 0, f"it did not die: {ran.text()}"
        assert host.captures()
    CASES.append((f"libc's own message and signal on heap damage: {mode}", test))


for damage in ("double_free", "wild_free", "overflow", "top"):
    dies_the_same(damage)

simple("recursion 100,000 deep", victim("stacks", "recursion"))
simple("exceptions through frames that allocate", victim("stacks", "exceptions"))
simple("alloca and huge frames", victim("stacks", "frames"))
simple("coroutines that go from thread to thread", victim("stacks", "migrate"))
simple("stacks that shrink in place below code without unwind tables",
       victim("stacks", "shrinking"))
simple("thread_local objects whose destructors allocate", victim("stacks", "thread_locals"))


@case("a stack 100,000 deep is cut and marked")
def deep_is_cut(host):
    host.unharmed(victim("stacks", "recursion"))
    (path,), = host.captures().values()
    cut = [stack for stack in stacks(path) if len(stack.pcs) == MAX_FRAMES]
    assert cut and all(stack.flags & STACK_CUT for stack in cut)


# What a program takes away from itself: nothing is lost, or the capture says so.


def limited(name, arguments, may_lose=False, may_lack=False, processes=1, root=False, **env):
    def test(host):
        if root and os.geteuid():
            raise Skip("only root can do that")
        host.unharmed(victim("limits", *arguments), counter=False, **env)
        found = host.captures()
        assert may_lack or len(found) >= processes, f"{len(found)} processes were recorded"
        for path in sum(found.values(), []):
            capture, books = replay_lossy(path)
            assert may_lose or not capture.lost_events, f"lost {capture.lost_events}"
            assert capture.lost_events or capture.flags & FORKED or not books.unmatched
    CASES.append((name, test))


def replay_lossy(path):
    """Books of a capture that may have lost events: then overlaps are forgiven."""
    capture = Capture(path)
    if not capture.lost_events:
        return replay(path)
    return capture, None


limited("closefrom(3), and descriptors stay the program's", ["close_all"])
limited("a full table of descriptors", ["descriptors", "20"], may_lose=True)
limited("no descriptors but three", ["descriptors", "3"], may_lose=True)
limited("a program that lists its descriptors", ["list_descriptors"])
limited("RLIMIT_FSIZE of 100,000 bytes, later", ["file_size", "100000"], may_lose=True)
limited("RLIMIT_FSIZE of 0, later", ["file_size", "0"], may_lose=True)
limited("RLIMIT_AS of 16 MiB, later", ["address_space", "16"], may_lose=True)
for size in ("0", "5000", "100000"):
    limited(f"RLIMIT_FSIZE of {size} from the start",
            ["limited_start", "fsize", size, "work"], may_lose=True)
# With three, ld.so could not even open libc.
limited("RLIMIT_NOFILE of 4 from the start",
        ["limited_start", "nofile", "4", "descriptors", "4"], may_lose=True)
limited("RLIMIT_AS of 12 MiB from the start",
        ["limited_start", "as", "12000000", "address_space", "4000"], may_lose=True)
limited("chroot", ["chroot", "/var/empty" if os.path.isdir("/var/empty") else "/usr"],
        may_lose=True, root=True)
limited("another user from the middle on", ["drop"], may_lose=True, root=True)
limited("chdir with a relative HEAPSNAP_DIR", ["wander"], processes=2, HEAPSNAP_DIR="captures")
for what in ("open", "files", "maps", "asks"):
    for how in ("errno", "trap"):
        limited(f"seccomp: {what} forbidden by {how}", ["forbid", what, how], may_lose=True)
for what in ("open", "files"):
    limited(f"seccomp: {what} kills, within what is reserved", ["forbid", what, "kill", "300"])
limited("a program that may not read the time stamp counter", ["no_tsc"])
limited("a child that may not", ["no_tsc_in_fork"], processes=2)
limited("a program that may not from the middle on", ["no_tsc_late"])
limited("a title written over arguments and environment", ["spoil_title"], processes=4)
limited("clearenv and environ = NULL", ["lose_environment"], processes=2)
for name in ("", "NULL", "/", "//", "a/b/", "..", "new\nline", "\x1b[31m:x/y", "x" * 3000):
    limited(f"executed as {name[:20]!r}", ["named", name])
limited("a huge environment", ["work"], HUGE="x" * 120000, HEAPSNAP_MODULES="")
limited("hostile settings", ["work"], HEAPSNAP_MAX_DISK="-1", HEAPSNAP_KEEP_LOG="\n",
        HEAPSNAP_SAMPLE="\xff", HEAPSNAP_INTERVAL="")
limited("a HEAPSNAP_DIR that cannot be made", ["work"], may_lack=True,
        HEAPSNAP_DIR="/proc/no/such/place")
limited("a HEAPSNAP_DIR of 5000 characters", ["work"], may_lack=True,
        HEAPSNAP_DIR="/tmp/" + "d" * 5000)
limited("a HEAPSNAP_DIR of strange directives", ["work"], may_lack=True, HEAPSNAP_DIR="%%/%q%")


@case("the folder vanishes while the program runs")
def vanished(host):
    os.makedirs(host.captures_in)
    bare = host.bare(victim("limits", "vanish"))
    ran = host.tracked(victim("limits", "vanish"), HOST_VANISH=host.captures_in)
    hs.same_behaviour(bare, ran)


@case("a read-only folder")
def read_only(host):
    os.makedirs(host.captures_in)
    os.chmod(host.captures_in, 0o555)
    argv = victim("limits", "work")
    if not os.geteuid():
        if not shutil.which("setpriv"):
            raise Skip("root may write everywhere, and setpriv is not here")
        for place in (os.path.dirname(host.folder), host.folder):
            os.chmod(place, 0o755)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    host.unharmed(argv, counter=False)


@case("a full tmpfs")
def full_tmpfs(host):
    if os.geteuid():
        raise Skip("only root can mount")
    os.makedirs(host.captures_in)
    for size in ("64k", "80k", "256k"):
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", host.captures_in]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            raise Skip("mount is not permitted here")
        try:
            host.unharmed(victim("limits", "work"), counter=False)
            for path in sum(host.captures().values(), []):
                assert Capture(path).lost_events, f"{path} does not say that it is cut"
        finally:
            subprocess.run(["umount", "-l", host.captures_in], check=True)


# Recording that begins late, and with it a recorder that inherits what was taken
# away.  The victim calls itself "chosen" after that.

LATE = {"HEAPSNAP_MODULES": "chosen", "HEAPSNAP_RECORDER": "", "HOST_LATE": "1"}
LEAST = 3 * 5000  # allocations after that


def recorder_leaves(folder):
    assert hs.wait_for(lambda: not hs.recorders(folder)), hs.recorders(folder)


def begins_late(host, arguments, may_lack):
    os.makedirs(host.captures_in)
    os.chmod(host.captures_in, 0o777)
    host.unharmed(victim("limits", *arguments), counter=False, **LATE)
    recorder_leaves(host.captures_in)
    found = host.captures()
    assert found or may_lack, "nothing was recorded"
    for row in hs.analyzed(host.captures_in)["processes"] if found else ():
        assert row["lost_events"] or row["totals"]["allocations"] >= LEAST, row["totals"]


def late(name, arguments, may_lack=False):
    def test(host):
        begins_late(host, arguments, may_lack)
    CASES.append((name, test))


for call in ("clone", "execve", "socket", "openat", "fallocate", "mmap", "flock", "dup3",
             "close_range", "setsid", "prlimit64", "epoll_create1", "inotify_init1",
             "pidfd_open", "rename", "wait4"):
    for how in ("errno", "trap"):
        late(f"a recorder where {call} is forbidden by {how}", ["forbid_one", call, how],
             may_lack=call in ("openat", "fallocate", "mmap"))
late("a recorder where no process may begin", ["no_process"], may_lack=True)
late("a recorder under RLIMIT_AS of 40 MiB", ["address_space", "40"])
late("a recorder under RLIMIT_FSIZE of 200,000", ["file_size", "200000"])
late("a recorder of a program that may not be traced", ["undumpable"])
late("a recorder where no descriptor is free", ["descriptors", "20"], may_lack=True)
late("a recorder after closefrom(3)", ["close_all"])


@case("a recorder of a program that becomes another user")
def leaves_user(host):
    if os.geteuid():
        raise Skip("only root can do that")
    host.unharmed(victim("limits", "drop"), counter=False, HEAPSNAP_RECORDER="")
    recorder_leaves(host.captures_in)
    (row,) = hs.analyzed(host.captures_in)["processes"]
    assert row["complete"] and not row["lost_events"], row
    assert row["totals"]["allocations"] >= LEAST, row["totals"]


@case("a recorder in a chroot")
def late_chroot(host):
    if os.geteuid():
        raise Skip("only root can do that")
    os.makedirs(host.folder + "/root")
    begins_late(host, ["chroot", host.folder + "/root"], may_lack=True)


def sees_nothing(host, argv, ends_first):
    """The recorder of ARGV works while it looks.  ENDS_FIRST: it goes with ARGV."""
    bare = host.bare(argv)
    os.makedirs(host.captures_in)
    ran = host.tracked(argv, HEAPSNAP_RECORDER="", HEAPSNAP_MODULES="chosen",
                       HOST_CAPTURES=host.captures_in)
    assert bare.status == 6, bare.text()
    hs.same_behaviour(bare, ran)
    recorder_leaves(host.captures_in)
    rows = hs.analyzed(host.captures_in)["processes"]
    assert len(rows) == 3 and all(row["lost_events"] == 0 for row in rows), rows
    assert ends_first or all(row["complete"] for row in rows), rows


def unseen(name, argv, needs=(), ends_first=False):
    def test(host):
        if needs and hs.Ran([*needs, "true"]).status:
            raise Skip(f"{' '.join(needs)} does not work here")
        sees_nothing(host, [*needs, *argv], ends_first)
    CASES.append((name, test))


unseen("a program sees nothing of its recorder", victim("alone"))
unseen("nor does one that is given orphans", victim("alone", "reaper"))
unseen("nor does PID 1 of a pid namespace", victim("alone", "init"),
       ["unshare", "-pf", "--kill-child", "--mount-proc"], ends_first=True)
unseen("nor does PID 1 where nobody mounted /proc", victim("alone", "init"),
       ["unshare", "-pf", "--kill-child"], ends_first=True)


@case("setuid and setgid children")
def setuid(host):
    if os.geteuid():
        raise Skip("only root can make programs of another user")
    if os.statvfs(host.folder).f_flag & os.ST_NOSUID:
        raise Skip("they mean nothing on this file system")
    script = ""
    for name, mode in (("suid", 0o4755), ("sgid", 0o2755)):
        path = f"{host.folder}/{name}"
        shutil.copy(victim("fork")[0], path)
        os.chown(path, 65534, 65534)
        os.chmod(path, mode)
        script += f"'{path}' leaf 6; echo $?; "
    host.unharmed(["sh", "-c", script], counter=False)
    names = [os.path.basename(path) for paths in host.captures().values() for path in paths]
    assert names and all(name.startswith("sh.") for name in names), names


@case("a child that drops its privileges")
def drops(host):
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for place in (os.path.dirname(host.folder), host.folder):
        os.chmod(place, 0o755)
    if os.geteuid() or hs.Ran([*other, *victim("limits", "work")]).status:
        raise Skip("cannot become another user, or he finds nothing here")
    os.makedirs(host.captures_in)
    os.chmod(host.captures_in, 0o1777)
    host.unharmed(["sh", "-c", f"{' '.join([*other, *victim('limits', 'work')])}; exit 3"],
                  counter=False, HEAPSNAP_RECORDER="")
    recorder_leaves(host.captures_in)
    rows = hs.analyzed(host.captures_in)["processes"]
    (row,) = [row for row in rows if row["name"] == "host_limits"]
    assert row["complete"] and not row["lost_events"], row
    assert row["totals"]["allocations"] >= LEAST, row


# Plugins.

PLUGIN = """#include <stdlib.h>
static void *volatile kept;
__attribute__((noinline)) static void NAME(void) { for (int i = 0; i < 10; i++) kept = malloc(SIZE); }
void run(void); void run(void) { NAME(); __asm__ volatile("" ::: "memory"); }"""
OPENER = """#include <dlfcn.h>
void *open_it(const char *); void *open_it(const char *name) {
	void *volatile handle = dlopen(name, RTLD_NOW); /* no tail call: the path is the caller's */
	return handle; }"""
OPENS = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
void *open_it(const char *);
static void *run(void *handle) {
	void *symbol = handle ? dlsym(handle, "run") : NULL; void (*f)(void);
	if (!symbol) { puts(dlerror()); return NULL; }
	memcpy(&f, &symbol, sizeof(f)); f(); return symbol; }
int main(int argc, char **argv) {
	void *one = open_it("one.so"), *first = run(one); dlclose(one);
	void *two = open_it("two.so"), *second = run(two); dlclose(two);
	void *three = argc > 1 ? dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW) : NULL;
	printf("%d %d\\n", first == second, run(three) != NULL);
	return 0; }"""


@case("plugins found by RUNPATH and one after the other at one address")
def plugins(host):
    compiler = os.environ.get("CC", "gcc").split()
    if not shutil.which(compiler[0]):
        raise Skip("no compiler")
    hidden = host.folder + "/hidden"
    os.makedirs(hidden)

    def build(source, output, *options):
        with open(output + ".c", "w", encoding="ascii") as f:
            f.write(source)
        subprocess.run([*compiler, "-g", "-O2", "-fno-builtin", "-o", output, output + ".c",
                        *options], check=True)
    shared = ("-shared", "-fPIC")
    build(PLUGIN, hidden + "/one.so", *shared, "-DNAME=alpha", "-DSIZE=111")
    build(PLUGIN, hidden + "/two.so", *shared, "-DNAME=gamma", "-DSIZE=222")
    build(OPENER, host.folder + "/libopener.so", *shared,
          "-Wl,--enable-new-dtags,-rpath," + hidden)
    build(OPENS, host.folder + "/opens", f"-L{host.folder}", "-lopener",
          "-Wl,--enable-new-dtags,-rpath," + host.folder)
    ran = host.unharmed([host.folder + "/opens", hidden + "/one.so"], counter=False)
    assert ran.out in (b"1 1\n", b"0 1\n"), ran.text()
    sums = {}
    for spot in hs.analyzed(host.captures_in)["hotspots"]:
        if spot["by"] == "allocated":
            name = spot["stack"][0].get("function")
            sums[name] = (sums.get(name, (0,))[0] + spot["bytes"], spot["stack"][0]["module"])
    assert sums.get("alpha") == (1110, "one.so"), sums
    assert sums.get("gamma") == (2220, "two.so"), sums


# Other allocators and preloads.


def beneath(library, package):
    def test(host):
        found = sorted(glob.glob(f"/usr/lib/*/{library}"))
        if not found:
            raise Skip(f"{package} is not installed")
        for program in (victim("threads", "small_fork"), victim("fork", "chain"),
                        victim("threads", "specifics"), victim("stacks", "thread_locals")):
            host.unharmed(program, counter=False, preload=[found[-1]])
        for path in sum(host.captures().values(), []):
            capture, books = replay(path)
            assert not capture.lost_events and books.allocations
            assert capture.flags & FORKED or not books.unmatched, path
    CASES.append((f"{package} beneath the tracker", test))


beneath("libjemalloc.so.2", "libjemalloc2")
beneath("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4")
beneath("libmimalloc.so.2*", "libmimalloc2.0")


@case("a counting preload above the tracker")
def above(host):
    argv = victim("threads", "specifics")
    bare = host.bare(argv)
    ran = hs.Ran(argv, cwd=host.folder, HEAPSNAP_DIR=host.captures_in, HEAPSNAP_REPORT="none",
                 HEAPSNAP_RECORDER="none", COUNT_FILE=host.folder + "/count",
                 LD_PRELOAD=f"{hs.COUNTER}:{hs.TRACKER}")
    hs.same_behaviour(bare, ran)


@case("AddressSanitizer in the program")
def sanitizer(host):
    source, program = host.folder + "/a.c", host.folder + "/a"
    with open(source, "w", encoding="ascii") as f:
        f.write("""#include <stdlib.h>
int main(int argc, char **argv) { char *p = malloc(10); (void)argv;
return argc > 1 ? p[10] : (free(p), 3); }""")
    build = ["gcc", "-g", "-fsanitize=address", "-o", program, source]
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=False, text=True,
                             capture_output=True).stdout.strip() if shutil.which("gcc") else ""
    if not runtime.startswith("/") or subprocess.run(build, check=False).returncode:
        raise Skip("gcc -fsanitize=address is not here")
    for argv in ([program], [program, "overflow"]):
        bare = host.bare(argv)
        ran = hs.Ran(argv, cwd=host.folder, HEAPSNAP_DIR=host.captures_in,
                     HEAPSNAP_RECORDER="none", LD_PRELOAD=f"{os.path.realpath(runtime)}:{hs.TRACKER}")
        assert (ran.status, ran.out) == (bare.status, bare.out), ran.text()
        for text in (b"heap-buffer-overflow",) if len(argv) > 1 else ():
            assert text in bare.err and text in ran.err, ran.text()


@case("AddressSanitizer in a C++ program")
def sanitizer_cxx(host):
    source, program = host.folder + "/a.cc", host.folder + "/a"
    with open(source, "w", encoding="ascii") as f:
        f.write("""#include <string>
#include <vector>
int main(int argc, char **) { std::vector<std::string> v;
for (int i = 0; i < 1000; i++) v.emplace_back(100, 'x');
int *p = new int[10]; delete[] p; return argc > 1 ? p[3] : 4; }""")
    build = ["g++", "-g", "-fsanitize=address", "-o", program, source]
    if not shutil.which("g++") or subprocess.run(build, check=False).returncode:
        raise Skip("g++ -fsanitize=address is not here")
    bare = host.bare([program])
    ran = host.tracked([program], ASAN_OPTIONS="verify_asan_link_order=0")
    hs.same_behaviour(bare, ran)
    bare = host.bare([program, "use"])
    ran = host.tracked([program, "use"], ASAN_OPTIONS="verify_asan_link_order=0")
    assert ran.status == bare.status, ran.text()
    assert b"heap-use-after-free" in bare.err and b"heap-use-after-free" in ran.err, ran.text()
    assert host.captures()


@case("a shell pipeline with a static program and one that drops LD_PRELOAD")
def pipeline(host):
    argv = ["sh", "-c", "seq 100 | sort -n | tail -1; env -u LD_PRELOAD sort /dev/null; "
            "busybox true 2>/dev/null; exit 5"]
    host.unharmed(argv, counter=False)
    assert len(host.captures()) >= 4


def main():
    for needed in (hs.TRACKER, hs.COUNTER):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    tap, work = Tap(), hs.work_dir()
    for name, test in CASES:
        if not all(word in name for word in sys.argv[1:]):
            continue
        try:
            running(test, Host(name, work))
        except Skip as reason:
            tap.skip(name, str(reason))
        except Exception as e:  # whatever went wrong, the other cases go on
            where = "" if isinstance(e, AssertionError) else traceback.format_exc(limit=-3)
            tap.say(False, name, f"{e}\n{where}")
        else:
            tap.say(True, name)
    tap.end()


main()
