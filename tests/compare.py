# SPDX-License-Identifier: MIT
"""`heapsnap diff` and `heapsnap merge`: differences and sums are those of arithmetic."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap

FILES = os.path.join(hs.SOURCE, "tests/files")
SAMPLE = os.path.join(FILES, "heapsnap/good-folded.hsnap")
INTO = hs.work_dir()


def ran(status, *argv):
    r = hs.Ran([hs.HEAPSNAP, *argv])
    assert r.status == status, r.text()
    return r


def folded(name, text):
    path = os.path.join(INTO, name)
    with open(path, "w", encoding="utf8") as f:
        f.write(text)
    return path


def difference(a, b, *options):
    return json.loads(ran(0, "diff", "-q", "--json", *options, a, b).out)


def names(stack):
    return ";".join(f["function"] for f in reversed(stack["stack"]))


def check_arithmetic():
    a = folded("a.folded", "main;one 5\nmain;two(int) 7\nmain;same 3\n")
    b = folded("b.folded", "main;one 9\nmain;three 1\nmain;same 3\nmain;two(long) 1\n")
    doc = difference(a, b)
    assert doc["by"] == "peak" and doc["total"]["bytes"] == 14 - 15
    got = {names(s): (s["a"]["bytes"], s["b"]["bytes"], s["bytes"]) for s in doc["stacks"]}
    # Parameters do not matter, and what is the same is not told.
    assert got == {"main;one": (5, 9, 4), "main;two": (7, 1, -6), "main;three": (0, 1, 1)}, got
    assert [s["bytes"] for s in doc["stacks"]] == [-6, 4, 1], "the largest is first"
    lines = ran(0, "diff", "-q", "--to", "folded", a, b).out.decode().splitlines()
    assert sorted(lines) == ["main;one 5 9", "main;same 3 3", "main;three 0 1", "main;two 7 1"], lines
    text = ran(0, "diff", "-q", a, b).out.decode()
    assert "B minus A" in text and "B - A  -1 B" in text and "-6 B   A 7 B, B 1 B" in text, text
    back = difference(b, a)
    assert back["total"]["bytes"] == 1


def check_itself():
    for sample in (SAMPLE, os.path.join(FILES, "heaptrack/good-tiny.zst"),
                   os.path.join(FILES, "memray/good-v13.bin")):
        doc = difference(sample, sample)
        assert doc["stacks"] == [] and doc["total"]["bytes"] == 0, sample
        assert "No stack differs" in ran(0, "diff", "-q", sample, sample).out.decode()


def check_across_tools():
    """A profile that went through pprof is the same, by another reader and without addresses."""
    sample = os.path.join(FILES, "heaptrack/good-tiny.zst")
    other = os.path.join(INTO, "tiny.pb.gz")
    ran(0, "export", "-q", "--to", "pprof", "-o", other, sample)
    for by in ("leaked", "allocated", "allocations"):
        got = [names(s) for s in difference(sample, other, "--by", by)["stacks"]]
        # Places without a name are known by their addresses alone.
        assert not [s for s in got if "+0x" not in s], got


def check_moments():
    into = os.path.join(INTO, "steady")
    run = hs.recorded([hs.victim("steady")], into)
    assert run.status == 0, run.text()
    path = next(iter(hs.captures(into).values()))[0]
    doc = difference(path + "@0s", path)
    end = hs.analyzed(path)["processes"][0]["totals"]["live_bytes"]
    assert doc["by"] == "leaked" and doc["total"]["b"]["bytes"] == end, doc["total"]
    assert doc["total"]["a"]["bytes"] <= end
    late = difference(path + "@1d", path)
    assert late["total"]["a"]["bytes"] == end and late["stacks"] == [], late["total"]


def check_refusals():
    a = folded("a.folded", "main;one 5\n")
    for status, text, argv in [
            (2, "which two", ["diff", a]), (2, "is a third", ["diff", a, a, a]),
            (2, "no time", ["diff", a + "@x", a]), (1, "does not tell", ["diff", "--by", "leaked", a, a]),
            (1, "cannot read", ["diff", a, a + ".not"]), (1, "does not tell", ["diff", a + "@5s", a]),
            (2, "-o FILE", ["merge", a]), (2, "which captures", ["merge", "-o", "x"]),
            (1, "nothing could be read", ["merge", "-o", os.path.join(INTO, "x"), a + ".not"])]:
        r = ran(status, *argv)
        assert text.encode() in r.err, f"{argv}: {r.err}"


def merged(n):
    """The report on the sum of N copies of a capture."""
    folder = os.path.join(INTO, f"many{n}")
    os.mkdir(folder)
    for i in range(n):
        shutil.copy(SAMPLE, os.path.join(folder, f"host.{i}.hsnap"))
    out = os.path.join(INTO, f"many{n}.pb.gz")
    ran(0, "merge", "-q", "-o", out, folder)
    return hs.analyzed(out)


def check_merge():
    one = hs.analyzed(SAMPLE)
    doc = merged(3)
    for key in ("allocations", "allocated_bytes", "live_blocks", "live_bytes"):
        assert doc["processes"][0]["totals"][key] == 3 * one["processes"][0]["totals"][key], key
    ids = {leak["id"]: leak["bytes"] for leak in one["leaks"]}
    got = {leak["id"]: leak["bytes"] for leak in doc["leaks"]}
    assert set(got) <= set(ids) and all(got[i] == 3 * ids[i] for i in got), (ids, got)


def rss_of_merge(n):
    folder = os.path.join(INTO, f"flat{n}")
    os.mkdir(folder)
    for i in range(n):
        shutil.copy(SAMPLE, os.path.join(folder, f"host.{i}.hsnap"))
    script = ("import os, sys, subprocess, resource; "
              "subprocess.run(sys.argv[1:], check=True); "
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    r = hs.Ran([sys.executable, "-c", script, hs.HEAPSNAP, "merge", "-q", "-o",
                os.path.join(INTO, f"flat{n}.pb.gz"), folder])
    assert r.status == 0, r.text()
    return int(r.out)


def check_flat():
    few, many = rss_of_merge(20), rss_of_merge(400)
    assert many < few + 4096, f"20 captures took {few} KiB, 400 took {many} KiB"


def main():
    tap = Tap()
    tap.run("differences are those of arithmetic", check_arithmetic)
    tap.run("nothing differs from itself", check_itself)
    tap.run("a profile that went through another tool's format is the same", check_across_tools)
    tap.run("two moments of one capture", check_moments)
    tap.run("what cannot be compared or merged is refused, and why", check_refusals)
    tap.run("a sum is three times its part, under the same ids", check_merge)
    tap.run("400 captures take no more memory than 20", check_flat)
    tap.end()


main()
