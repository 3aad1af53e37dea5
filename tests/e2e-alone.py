# SPDX-License-Identifier: MIT
"""With LD_PRELOAD and HEAPSNAP_* alone: the first recorded process starts the
recorder; captures are finished and reported by themselves; the recorder leaves and
was never the program's business."""
import contextlib
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap, skip_all

# Six children live until the pipe is closed, while ps, the seventh, looks.
COUNTS_CHILDREN = """
rm -f pipe; mkfifo pipe; exec 5<>pipe 4<pipe 3>pipe 5>&-
for i in 1 2 3 4 5 6; do (exec cat <&4 3>&-) & done
ps -e -o ppid= >parents
grep -c "^ *$$\\$" parents
exec 3>&-
wait
exit 7
"""


def alone(argv, folder, **more):
    return hs.Ran(argv, LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder, **more)


def late_header(tap, folder):
    """A process became another program before its first capture had its header."""
    process = subprocess.Popen(
        ["sh", "-c", "exec sleep 60"],
        env=hs.environment(LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder,
                           HEAPSNAP_RECORDER="none"))
    first, second = (f"{folder}/{name}.{process.pid}.hsnap" for name in ("sh", "sleep"))
    hs.wait_for(lambda: os.path.exists(second) and hs.state_of(second) == 1)
    with open(first, "r+b") as f:
        magic = f.read(8)
        f.seek(0)
        f.write(bytes(8))
    recorder = subprocess.Popen(
        [hs.BUILD + "/heapsnap-recorder", "--alone", folder],
        env=hs.environment(HEAPSNAP_REPORT="none"))
    hs.wait_for(lambda: hs.recorder_of(second))
    with open(first, "r+b") as f:
        f.write(magic)
    tap.say(hs.wait_for(lambda: hs.state_of(first) == 2),
            "a capture whose header comes after that of its process's next program is finished",
            os.listdir(folder))
    process.kill()
    process.wait()
    recorder.wait(hs.LIMIT_S)
    ends = sorted(p["end"]["how"] for p in hs.analyzed(folder)["processes"])
    tap.equal(ends, ["exec", "killed"], "and its end is known")


def links_of(pid):
    """What PID has open; some of it may be closed meanwhile."""
    links = set()
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            links.add(os.readlink(path))
    return links


def has_nothing_of(program, pid):
    """What the recorder PID has open is its own; what it stands in, too."""
    mine, theirs = links_of(pid), links_of(program) - {"/dev/null"}
    foreign = (mine & theirs) | {link for link in mine if link.startswith(("/dev/pts", "/dev/tty"))}
    assert mine and len(theirs) >= 3 and not foreign, (mine, theirs)
    assert os.readlink(f"/proc/{pid}/cwd") == "/", os.readlink(f"/proc/{pid}/cwd")
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    assert (int(fields[3]), fields[4]) == (pid, "0"), f"session and terminal {fields[3:5]}"
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        cpu, = [line for line in f if line.startswith("Max cpu time")]
    soft, hard = cpu.split()[3:5]
    assert soft == hard != "500", cpu


def stays_apart(folder, command, env):
    """The program has pipes, a file, a folder and a limit of its own."""
    os.makedirs(folder)
    with open(hs.TRACKER, "rb") as file:
        program = subprocess.Popen(
            ["sh", "-c", 'ulimit -S -t 500; exec "$@"', "sh", *command, "cat"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=[file.fileno()], cwd=hs.BUILD + "/tests",
            env=hs.environment(HEAPSNAP_REPORT="none", **env))
    def captures():
        return [path for path in glob.glob(folder + "/cat.*.hsnap") if hs.recorder_of(path)]
    assert hs.wait_for(captures)
    capture, = captures()
    has_nothing_of(int(capture.split(".")[-2]), hs.recorder_of(capture))
    out, _ = program.communicate(b"typed", timeout=hs.LIMIT_S)
    assert (out, program.returncode) == (b"typed", 0), (out, program.returncode)
    assert hs.wait_for(lambda: not hs.recorders(folder)), hs.recorders(folder)


def main():
    if not os.path.exists(hs.TRACKER):
        skip_all(f"{hs.TRACKER} is not built")
    tap, work = Tap(), hs.work_dir()
    folder = work + "/reports"
    bare, ran = hs.Ran([hs.victim("leaky")]), alone([hs.victim("leaky")], folder)
    tap.say((ran.status, ran.out, ran.err) == (bare.status, bare.out, bare.err),
            "the program behaves as ever", ran.text())
    tap.say(hs.wait_for(lambda: glob.glob(folder + "/*.txt") and glob.glob(folder + "/*.html")),
            "its report is written by itself", os.listdir(folder))
    tap.say(hs.wait_for(lambda: not hs.recorders(folder)), "the recorder leaves",
            hs.recorders(folder))
    tap.say(all(name.startswith("leaky.") for name in os.listdir(folder)),
            "only the capture and its reports stay", os.listdir(folder))
    process, = hs.analyzed(folder)["processes"]
    wanted = hs.own_truth("leaky", ran)
    tap.equal({k: process["totals"][k[0:]] for k in wanted}, wanted,
              "the capture has the victim's totals")
    tap.equal(process["complete"], True, "and is complete")

    folder = work + "/many"
    bare, ran = hs.Ran(["sh", "-c", COUNTS_CHILDREN], cwd=work), alone(
        ["sh", "-c", COUNTS_CHILDREN], folder, cwd=work, HEAPSNAP_REPORT="none")
    tap.equal((ran.status, ran.out), (bare.status, bare.out),
              "a shell with children sees no child more")
    tap.say(hs.wait_for(lambda: not hs.recorders(folder)), "one recorder keeps them all and leaves",
            hs.recorders(folder))
    tap.say(not glob.glob(folder + "/*.html"), "HEAPSNAP_REPORT=none writes no report",
            os.listdir(folder))
    unfinished = [p["id"] for p in hs.analyzed(folder)["processes"] if not p["complete"]]
    tap.equal(unfinished, [], "every capture is finished")

    folder = work + "/stillborn"
    os.mkdir(folder)
    with open(folder + "/killed.1.hsnap", "wb") as stillborn:
        stillborn.write(bytes(4096))
    alone([hs.victim("leaky")], folder, HEAPSNAP_REPORT="none")
    tap.say(hs.wait_for(lambda: not hs.recorders(folder)),
            "no recorder stays for a capture that never got its header", hs.recorders(folder))

    late_header(tap, work + "/late")
    tap.run("a recorder holds nothing of its program", stays_apart, work + "/apart", [],
            {"LD_PRELOAD": hs.TRACKER, "HEAPSNAP_DIR": work + "/apart"})
    tap.run("nor does that of `heapsnap run`", stays_apart, work + "/run",
            [hs.HEAPSNAP, "run", "-q", "-o", work + "/run"], {})

    folder = work + "/private"
    alone([hs.victim("leaky")], folder)
    hs.wait_for(lambda: glob.glob(folder + "/leaky*.html") and not hs.recorders(folder))
    modes = {oct(os.stat(path).st_mode & 0o777) for path in glob.glob(folder + "/leaky*")}
    tap.equal(modes, {"0o600"}, "a capture is for its owner alone, and so are its reports")

    folder = work + "/headless"
    ran = alone([hs.victim("headless")], folder, HEAPSNAP_REPORT="none")
    hs.wait_for(lambda: not hs.recorders(folder))
    process, = hs.analyzed(folder)["processes"]
    tap.say(ran.status == 0 and process["totals"]["live_bytes"] >= 500000,
            "a process that outlives its first thread is recorded to its end",
            process["totals"])

    folder = work + "/none"
    ran = alone([hs.victim("leaky")], folder, HEAPSNAP_RECORDER="none")
    tap.say(ran.status == 0 and not glob.glob(folder + "/*.txt") and glob.glob(folder + "/*.hsnap"),
            "HEAPSNAP_RECORDER=none leaves a plain log", os.listdir(folder))
    ran = alone([hs.victim("leaky")], work + "/lost", HEAPSNAP_RECORDER="/nowhere/recorder")
    tap.say(ran.status == 0 and not ran.err, "a recorder that is not there is no harm",
            ran.text())
    tap.end()


main()
