# SPDX-License-Identifier: MIT
"""`heapsnap export`: what is written has the sums of the JSON report, is what the
tools that it is meant for read, and reads again as what it was."""
import csv
import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
from tap import Tap

FILES = os.path.join(hs.SOURCE, "tests/files")
SAMPLES = ["heapsnap/good-folded.hsnap", "heapsnap/good-log.hsnap", "heaptrack/good-tiny.zst",
           "memray/good-v13-native.bin", "dhat/good-mini.dhat"]
MEASURES = {"peak": "peak_bytes", "leaked": "live_bytes", "allocated": "allocated_bytes",
            "allocations": "allocations", "temporary": "temporary_allocations"}
# What both sides of are there; the options are those that keep most.
ROUND_TRIPS = [("folded", "folded"), ("speedscope", "speedscope.json"), ("pprof", "pb.gz"),
               ("massif", "massif.out")]


def export(path, to, *options):
    """The bytes of PATH in the format TO."""
    ran = subprocess.run([hs.HEAPSNAP, "export", "-q", "--to", to, *options, *([path] if path else [])],
                         capture_output=True, timeout=hs.LIMIT_S, check=False)
    assert ran.returncode == 0, f"status {ran.returncode}: {ran.stderr.decode()}"
    return ran.stdout


def totals(path):
    doc = json.loads(export(path, "json"))
    sums = {}
    for process in doc["processes"]:
        for key, value in process["totals"].items():
            sums[key] = sums.get(key, 0) + value
    return sums


def folded(data):
    stacks = {}
    for line in data.decode("utf8", "replace").splitlines():
        stack, _, value = line.rpartition(" ")
        assert stack and stack not in stacks, line
        stacks[stack] = int(value)
    return stacks


def measured(sums):
    return [(by, sums[key]) for by, key in MEASURES.items() if key in sums]


def check_folded(path, sums):
    for by, want in measured(sums):
        assert sum(folded(export(path, "folded", "--by", by)).values()) == want, by


def check_csv(path, sums):
    for by, want in measured(sums):
        rows = list(csv.reader(export(path, "csv", "--by", by).decode("utf8", "replace").splitlines()))
        assert rows[0] == ["allocator", "num_allocations", "size", "tid", "thread_name", "stack_trace"]
        column = 1 if by in ("allocations", "temporary") else 2
        assert sum(int(row[column]) for row in rows[1:]) == want, by
        for row in rows[1:]:
            assert all(re.fullmatch(r"[^;|]+;[^;|]*;\d+", f) for f in row[5].split("|") if f), row


def check_speedscope(path, sums):
    for by, want in measured(sums):
        doc = json.loads(export(path, "speedscope", "--by", by))
        for p in doc["profiles"]:
            assert len(p["samples"]) == len(p["weights"])
            assert all(0 <= i < len(doc["shared"]["frames"]) for s in p["samples"] for i in s)
            assert sum(p["weights"]) == p["endValue"]
        assert sum(sum(p["weights"]) for p in doc["profiles"]) == want, by


def decode(data):
    """PROTOC's text as a list of (path of field names, value)."""
    got = subprocess.run(["protoc", "-I", FILES + "/export", "--decode=heap.Profile", "profile.proto"],
                         input=gzip.decompress(data), capture_output=True, timeout=hs.LIMIT_S, check=True)
    path, fields = [], []
    for line in got.stdout.decode().splitlines():
        line = line.strip()
        if line.endswith("{"):
            path.append(line[:-1].strip())
        elif line == "}":
            fields.append(("/".join(path), None))
            path.pop()
        else:
            key, _, value = line.partition(": ")
            fields.append(("/".join([*path, key]), value))
    return fields


def check_pprof(path, sums):
    fields = decode(export(path, "pprof"))
    strings = [v[1:-1] for k, v in fields if k == "string_table"]
    assert strings[0] == ""
    types = [strings[int(v)] for k, v in fields if k == "sample_type/type"]
    values, sample = [0] * len(types), []
    for key, value in fields:
        if key == "sample/value":
            sample.append(int(value))
        elif key == "sample":
            assert len(sample) == len(types)
            values = [a + b for a, b in zip(values, sample)]
            sample = []
    names = {"alloc_objects": "allocations", "alloc_space": "allocated_bytes",
             "inuse_objects": "live_blocks", "inuse_space": "live_bytes"}
    assert dict(zip(types, values)) == {t: sums[k] for t, k in names.items() if k in sums}, (types, values, sums)
    known = {k: {v for f, v in fields if f == f"{k}/id"} for k in ("mapping", "location", "function")}
    assert {v for k, v in fields if k == "sample/location_id"} <= known["location"]
    assert {v for k, v in fields if k == "location/line/function_id"} <= known["function"]
    # A location without a mapping makes some servers fall over.
    of_location = [v for k, v in fields if k == "location/mapping_id"]
    assert len(of_location) == len(known["location"]) and set(of_location) <= known["mapping"]


def check_sqlite(path, sums, into):
    name = os.path.join(into, "x.sqlite")
    export(path, "sqlite", "-o", name)
    with sqlite3.connect(name) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        for table in ("process", "site"):
            for column, key in [("allocations", "allocations"), ("frees", "frees"), ("allocated_bytes",) * 2,
                                ("live_blocks",) * 2, ("live_bytes",) * 2, ("peak_bytes",) * 2,
                                ("temporary", "temporary_allocations")]:
                got = db.execute(f"select sum({column}) from {table}").fetchone()[0]
                assert got == sums.get(key), f"{table}.{column} {got}, JSON {sums.get(key)}"
        stacks = folded(export(path, "folded", "--by", "peak"))
        by_text = dict(db.execute("select folded, sum(peak_bytes) from site_text where peak_bytes group by folded"))
        assert sorted(by_text.values()) == sorted(stacks.values()), (by_text, stacks)
        for view in ("frame", "by_function", "by_allocator"):
            assert db.execute(f"select count(*) from {view}").fetchone()[0] > 0, view


def check_massif(path, sums):
    text = export(path, "massif").decode("utf8", "replace")
    bytes_at = [int(v) for v in re.findall(r"(?m)^mem_heap_B=(\d+)", text)]
    assert max(bytes_at) == sums["peak_bytes"], (bytes_at, sums)
    if "live_bytes" in sums:
        assert bytes_at[-1] == sums["live_bytes"]
    for tree in re.findall(r"(?m)^n\d+: (\d+)", text):
        assert int(tree) in bytes_at
    if shutil.which("ms_print"):
        name = os.path.join(hs.work_dir(), "x.massif")
        with open(name, "w", encoding="utf8") as f:
            f.write(text)
        ran = subprocess.run(["ms_print", name], capture_output=True, text=True, timeout=hs.LIMIT_S, check=False)
        assert ran.returncode == 0 and f"{sums['peak_bytes']:,}" in ran.stdout, ran.stdout + ran.stderr


def check_callgrind(path, sums):
    text = export(path, "callgrind").decode("utf8", "replace")
    own, calls = [0] * 5, False
    for line in text.split("\n\n", 1)[1].splitlines():
        if line.startswith("calls="):
            calls = True
        elif line[:1].isdigit():
            if not calls:
                own = [a + int(b) for a, b in zip(own, line.split()[1:])]
            calls = False
    wanted = [sums.get(k, 0) for k in ("peak_bytes", "live_bytes", "allocated_bytes", "allocations",
                                       "temporary_allocations")]
    assert own == wanted, (own, wanted)
    assert "summary: " + " ".join(map(str, wanted)) in text


def check_ndjson(path, sums):
    rows = [json.loads(line) for line in export(path, "ndjson").splitlines()]
    for key, want in sums.items():
        if key.endswith("_ns") or key == "unmatched_frees":
            continue
        for kind in ("process", "site"):
            assert sum(r.get(key, 0) for r in rows if r["type"] == kind) == want, (kind, key)


def check_chrome(path, _sums):
    doc = json.loads(export(path, "chrome"))
    counters = [e for e in doc["traceEvents"] if e["ph"] == "C"]
    assert counters and all(e["ts"] >= 0 and e["args"] for e in counters)


def check_same(path):
    for to in ("pprof", "folded", "csv", "sqlite", "ndjson", "speedscope", "callgrind", "json"):
        assert export(path, to) == export(path, to), to


def check_round_trip(path, to, ending, into):
    first = os.path.join(into, "first." + ending)
    second = os.path.join(into, "second." + ending)
    with open(first, "wb") as f:
        f.write(export(path, to))
    # The first writing may lose what the format has no place for; then nothing may change.
    for a, b in ((first, second), (second, first)):
        with open(b, "wb") as f:
            f.write(export(a, to))
    with open(first, "rb") as f, open(second, "rb") as g:
        one, two = f.read(), g.read()
    if to == "speedscope":  # each file is called by its own name
        one, two = one.replace(b"second.", b"first."), two.replace(b"second.", b"first.")
    if to == "pprof":
        one, two = gzip.decompress(one), gzip.decompress(two)
    assert one == two
    key = "live_bytes" if to == "pprof" else "peak_bytes"
    assert totals(second).get(key) == totals(path).get(key)


HOSTILE = b"#begin;a b ; x\"y,|z;\xff\xfe<script>;f(int) [clone .cold];=cmd()\t!;\xe2\x80\xaeevil 17\n" \
          b"a;b 5\n" + b"deep;" * 300 + b"end 3\n"


def check_hostile(into):
    path = os.path.join(into, "hostile.folded")
    with open(path, "wb") as f:
        f.write(b"x;" + HOSTILE)
    sums = totals(path)
    assert sums["peak_bytes"] == 25, sums
    check_folded(path, sums)
    check_csv(path, sums)
    check_speedscope(path, sums)
    check_callgrind(path, sums)
    check_massif(path, sums)
    for to, ending in ROUND_TRIPS:
        if to != "pprof":
            check_round_trip(path, to, ending, into)
    for line in export(path, "ndjson").decode("utf8").splitlines():
        json.loads(line)
    export(path, "sqlite")
    export(path, "pprof")


def check_refusals(into):
    path = os.path.join(into, "small.folded")
    with open(path, "w", encoding="utf8") as f:
        f.write("a;b 5\n")

    def refused(status, text, *argv):
        ran = hs.Ran([hs.HEAPSNAP, "export", *argv])
        assert ran.status == status and text.encode() in ran.err, f"{argv}: {ran.text()}"

    refused(2, "did you mean pprof", "--to", "pprov", path)
    refused(2, "read only", "--to", "memray", path)
    refused(2, "--to FORMAT", path)
    refused(2, "which capture", "--to", "csv")
    refused(2, "--by is peak", "--to", "csv", "--by", "size", path)
    refused(1, "does not tell bytes live at the end", "--to", "csv", "--by", "leaked", path)
    refused(1, "no line of time", "--to", "chrome", path)
    refused(1, "no process 77", "--to", "csv", "--process", "77", path)
    refused(1, "about one process", "--to", "massif", path, os.path.join(FILES, "heaptrack/good-tiny.zst"))


def check_several():
    """Of two processes the sums add up, and one of them can be chosen."""
    one, two = os.path.join(FILES, SAMPLES[0]), os.path.join(FILES, SAMPLES[2])
    def both(to, *options):
        ran = subprocess.run([hs.HEAPSNAP, "export", "-q", "--to", to, *options, one, two],
                             capture_output=True, timeout=hs.LIMIT_S, check=True)
        return ran.stdout
    want = totals(one)["peak_bytes"] + totals(two)["peak_bytes"]
    assert sum(folded(both("folded")).values()) == want
    doc = json.loads(both("speedscope"))
    assert len(doc["profiles"]) == 2
    assert folded(both("folded", "--process", "good-tiny.zst")) == folded(export(two, "folded"))
    if shutil.which("protoc"):
        fields = decode(both("pprof"))
        strings = [v[1:-1] for k, v in fields if k == "string_table"]
        assert {strings[int(v)] for k, v in fields if k == "sample/label/str"} >= {"good-tiny.zst"}


def main():
    tap = Tap()
    into = hs.work_dir()
    formats = {line.split()[0] for line in export("", "csv", "--list").decode().splitlines()}
    for sample in SAMPLES:
        path = os.path.join(FILES, sample)
        sums = totals(path)
        for to, test in [("folded", check_folded), ("csv", check_csv), ("speedscope", check_speedscope),
                         ("massif", check_massif), ("callgrind", check_callgrind), ("ndjson", check_ndjson)]:
            if to == "massif" and "peak_bytes" not in sums:
                continue
            tap.run(f"{to} of {sample} has the sums of the JSON", test, path, sums)
        if not shutil.which("protoc"):
            tap.skip(f"pprof of {sample}", "no protoc (Debian: protobuf-compiler)")
        else:
            tap.run(f"protoc decodes {sample}, and the sums are the JSON's", check_pprof, path, sums)
        if "sqlite" not in formats:
            tap.skip(f"sqlite of {sample}", "built without sqlite3")
        else:
            tap.run(f"the sums in the database of {sample} are the JSON's", check_sqlite, path, sums, into)
        for to, ending in ROUND_TRIPS:
            tap.run(f"{to} of {sample} reads again as what it is", check_round_trip, path, to, ending, into)
    tap.run("a line of time becomes counters", check_chrome, os.path.join(FILES, SAMPLES[2]), None)
    tap.run("the same input gives the same bytes", check_same, os.path.join(FILES, SAMPLES[0]))
    tap.run("names that mean something to a format do no harm", check_hostile, into)
    tap.run("what cannot be written is refused, and why", check_refusals, into)
    tap.run("several processes", check_several)
    tap.end()


main()
