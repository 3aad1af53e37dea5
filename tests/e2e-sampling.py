# SPDX-License-Identifier: MIT
"""Recording samples, and who frees.  What is exact under sampling is compared with the
programs' own counts and with a counting malloc beneath the tracker in the same run;
estimates with the victims' truths, within six standard deviations; and what analyze
tells with the second reader, tests/lib/replay.py."""
import math
import os
import random
import signal
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import hs
import programs
from replay import Books, Capture, replay, weight
from tap import Tap, skip_all

SIGMAS = 6  # passed by chance once in 500 million times


def sampled(argv, into, mean, **more):
    ran = hs.preloaded(argv, into, HEAPSNAP_SAMPLE=str(mean), **more)
    (path,), = hs.captures(into).values()
    capture, books = replay(path)
    assert capture.mean == mean and capture.counts
    assert not capture.lost_events and not books.unmatched, f"{books.unmatched} unmatched"
    return ran, capture, books


def near(what, mean, sizes, truth):
    """Are estimates of blocks and bytes from samples of these SIZES near the TRUTH?"""
    rows = [weight(mean, size) for size in sizes]
    for i, true in enumerate(truth):
        estimate = sum(row[i] for row in rows)
        largest = max((row[i] for row in rows), default=mean)
        sigma = math.sqrt(sum(row[2 + i] for row in rows) + largest ** 2)
        assert abs(estimate - true) <= SIGMAS * sigma, \
            f"{what}: {estimate:.0f} of {len(rows)} samples, the truth is {true}"


def allocations(capture):
    return [e.size for _, _, e in capture.merged() if e.kind in (1, 2, 3, 4, 8, 9)]


def churn_is_estimated(work, mean):
    """Every function of the family, at random: reallocs that fail and move, too."""
    ran, capture, books = sampled([hs.victim("churn"), "300000"], f"{work}/churn{mean}", mean)
    truth = hs.own_truth("churn", ran)
    wanted = [truth[k] for k in ("allocations", "allocated_bytes", "frees")]
    assert capture.counts == wanted, f"counted {capture.counts}, it says {wanted}"
    near("allocations", mean, allocations(capture), wanted[:2])
    near("live", mean, [block[0] for block in books.live.values()],
         (truth["live_blocks"], truth["live_bytes"]))


def threads_free_each_others_samples(work):
    """800 blocks of 16 bytes stay, of 12800 bytes; all else is freed by others."""
    _, capture, books = sampled([hs.victim("threads")], f"{work}/threads", 64)
    own = [size for size, thread, _ in books.live.values()
           if capture.threads.get(thread) == "producer"]
    assert set(own) == {16}, set(own)
    near("live", 64, own, (800, 12800))


def counts_survive_sigkill(work, i, cost):
    folder, books, threads = f"{work}/end{i}", f"{work}/books{i}", 1 + i % 3
    argv = [hs.victim("ender"), "kill", str(random.randrange(1, 60000)), books, str(threads)]
    with subprocess.Popen(argv, env=hs.environment(
            LD_PRELOAD=hs.TRACKER, HEAPSNAP_DIR=folder, HEAPSNAP_REPORT="none",
            HEAPSNAP_RECORDER="none", HEAPSNAP_SAMPLE="512k")) as p:
        hs.wait_until_alive(p, books)
        p.send_signal(signal.SIGKILL)
    (path,), = hs.captures(folder).values()
    allocated, _, frees = Capture(path).counts
    live = hs.books_of(books)[1] + cost
    assert abs(allocated - frees - live) <= 2 * threads, f"{allocated} - {frees}, live {live}"


def start_cost(work):
    """Blocks of libc's own in an ender that did nothing."""
    capture = sampled([hs.victim("ender"), "_exit", "1", f"{work}/none"], f"{work}/none.d",
                      524288)[1]
    return capture.counts[0] - capture.counts[2] - hs.books_of(f"{work}/none")[1]


def program_is_counted_exactly(program, work):
    folder = f"{work}/{program.name}"
    os.makedirs(folder)
    bare = hs.Ran(program.argv(folder), cwd=folder)
    ran = hs.preloaded(program.argv(folder), folder + "/captures", counter=folder + "/count",
                       cwd=folder, HEAPSNAP_SAMPLE="64k")
    hs.same_behaviour(bare, ran)
    found = hs.captures(folder + "/captures")
    assert len(found) >= program.processes, f"only {sorted(found)} were recorded"
    for pid, paths in found.items():
        counts = [Capture(path).counts or [0, 0, 0] for path in paths]
        got = tuple(sum(c[i] for c in counts) for i in (0, 2, 1))
        wanted = hs.counted(folder + "/count", pid)
        assert got == wanted, f"{paths}: counted {got}, the malloc below {wanted}"


def read_alike(document, capture, books):
    """Each weight is rounded to a whole number, up or down."""
    (process,) = document["processes"]
    totals, sizes = process["totals"], [block[0] for block in books.live.values()]
    assert process["sampling"] == {"mean_bytes": capture.mean,
                                   "exact": ["allocations", "frees", "allocated_bytes"]}
    assert [totals[k] for k in ("allocations", "allocated_bytes", "frees")] == capture.counts
    for i, key in enumerate(("live_blocks", "live_bytes")):
        wanted = sum(weight(capture.mean, size)[i] for size in sizes)
        assert abs(totals[key] - wanted) <= len(sizes), f"{key}: {totals[key]}, not {wanted}"
    assert totals["live_bytes_margin"] >= 1.9 * capture.mean
    assert not {"temporary_allocations", "unmatched_frees"} & set(totals), totals
    assert not [spot for spot in document["hotspots"] if spot["by"] == "temporary"]
    assert all("bytes_margin" in found for found in document["hotspots"] + document["leaks"])


def analyze_tells_what_the_second_reader_finds(work):
    folder = f"{work}/kept"
    ran = hs.recorded([hs.victim("churn"), "300000"], folder, "-q", "--keep-log",
                      "--sample", "1KiB", HEAPSNAP_REPORT="none")
    assert ran.status == 0, ran.text()
    (path,), = hs.captures(folder).values()
    read_alike(hs.analyzed(path), *replay(path))


def is_near_truth(process, truth):
    totals = process["totals"]
    assert process["complete"], process
    assert [totals[k] for k in ("allocations", "allocated_bytes", "frees")] == \
        [truth[k] for k in ("allocations", "allocated_bytes", "frees")]
    # The peak of an estimate is high: by no more than it may be off.
    for key in ("live_blocks", "live_bytes", "peak_bytes"):
        off = abs(totals[key] - truth[key])
        assert off <= SIGMAS / 1.96 * totals[f"{key}_margin"], f"{key}: {totals}, {truth}"


def finished_captures_are_near_the_truth(work):
    for i, options in enumerate(([], ["--keep-log"])):
        folder = f"{work}/folded{i}"
        ran = hs.recorded([hs.victim("churn"), "400000"], folder, "-q", "--sample", "64",
                          *options, HEAPSNAP_REPORT="none")
        assert ran.status == 0, ran.text()
        (path,), = hs.captures(folder).values()
        (process,) = hs.analyzed(path)["processes"]
        is_near_truth(process, hs.own_truth("churn", ran))


def told(victim, n):
    """Have churn do N operations; -> its own figures."""
    victim.stdin.write(b"%d\n" % n)
    victim.stdin.flush()
    books = {}
    for line in victim.stdout:
        words = line.split()
        if words == [b"."]:
            return books
        books[words[0].decode()[len("totals."):]] = int(words[1])
    raise AssertionError("the victim has ended")


def generation_of(path):
    with open(path, "rb") as f:
        return struct.unpack_from("<I", f.read(112), 108)[0]


def checkpoints_change_nothing(work):
    """While it runs, after two checkpoints and at the end, with 12 MiB of log each."""
    folder = f"{work}/rounds"
    argv = [hs.HEAPSNAP, "run", "-q", "-o", folder, "--sample", "16", "--max-disk", "64MiB",
            "--", hs.victim("churn"), "-"]
    with subprocess.Popen(argv, env=hs.environment(HEAPSNAP_REPORT="none"),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
        for generation in (1, 2):
            books = told(victim, 3000000)
            (path,), = hs.captures(folder).values()
            assert hs.wait_for(lambda: generation_of(path) >= generation), "no checkpoint"
            (process,) = hs.analyzed(path)["processes"]
            is_near_truth(process, books)
        victim.stdin.close()
        assert victim.wait(hs.LIMIT_S) == 0
    (process,) = hs.analyzed(path)["processes"]
    is_near_truth(process, books)


def reports_tell_how_sure_they_are(work):
    folder = f"{work}/reports"
    ran = hs.recorded([hs.victim("leaky")], folder, "--sample", "4KiB")
    assert ran.status == 0, ran.text()
    text = ran.err.decode()
    assert "every 4.00 KiB on average" in text and "±" in text, text
    (path,), = hs.captures(folder).values()
    with open(path.replace(".hsnap", ".html"), encoding="utf-8") as f:
        page = f.read()
    assert "sampled every 4.00 KiB" in page and "±" in page


def mappings_stay_exact(work):
    plain = hs.preloaded([hs.victim("host_mmap")], f"{work}/mmap0")
    ran = hs.preloaded([hs.victim("host_mmap")], f"{work}/mmap1", HEAPSNAP_SAMPLE="1m")
    assert plain.status == ran.status == 0, ran.text()
    found = []
    for i in (0, 1):
        paths, = hs.captures(f"{work}/mmap{i}").values()
        (process,) = hs.analyzed(*paths)["processes"]
        found.append(process["mmap"])
    assert found[0] == found[1], found


def who_frees(document, function):
    """function that frees -> blocks, of the blocks that FUNCTION allocated."""
    for found in document["hotspots"] + document["leaks"]:
        if found["stack"][found["culprit"]].get("function") == function:
            return {by["stack"][0].get("function"): by["frees"] for by in found["freed_by"]}
    return None


def leaky_tells_who_frees(work, *options):
    """Of 1000 requests, every log line is freed by who answers, 750 headers by main."""
    folder = f"{work}/free{len(options)}"
    ran = hs.recorded([hs.victim("leaky")], folder, "-q", "--free-stacks", *options,
                      HEAPSNAP_REPORT="none")
    assert ran.status == 0, ran.text()
    (path,), = hs.captures(folder).values()
    document = hs.analyzed(path)
    assert who_frees(document, "format_line") == {"answer": 1000}
    assert who_frees(document, "parse_header") == {"main": 750}
    assert who_frees(document, "remember_session") == {}
    text = hs.Ran([hs.HEAPSNAP, "analyze", "--text", "-", "--details", path]).out.decode()
    assert "freed 750 blocks" in text, text


def each_free_has_one_row(work):
    """Of churn: who freed what adds up to all that was freed."""
    ran = hs.preloaded([hs.victim("churn"), "20000"], f"{work}/rows", HEAPSNAP_FREE_STACKS="1")
    assert ran.status == 0, ran.text()
    (path,), = hs.captures(f"{work}/rows").values()
    capture, books = Capture(path), Books()
    for stream, thread, event in capture.merged():
        books.take(stream, thread, event)
    truth = hs.own_truth("churn", ran)
    told = sum(row[0] for row in books.frees_by.values())
    assert told == truth["frees"], f"told of {told} frees, there were {truth['frees']}"
    assert all(by for _, by in books.frees_by), "a free without a stack"


def free_stacks_are_harmless(work):
    for options in ({"HEAPSNAP_FREE_STACKS": "1"},
                    {"HEAPSNAP_FREE_STACKS": "1", "HEAPSNAP_SAMPLE": "256"}):
        for name in ("host_new", "host_signals", "host_fork", "host_threads"):
            bare = hs.Ran([hs.victim(name)])
            ran = hs.preloaded([hs.victim(name)], f"{work}/{name}{len(options)}", **options)
            hs.same_behaviour(bare, ran)


def wrong_sizes_are_refused(work):
    ran = hs.recorded(["true"], f"{work}/wrong", "--sample", "often")
    assert ran.status == 2 and b"'often' is no distance between samples" in ran.err, ran.text()


def main():
    for needed in (hs.TRACKER, hs.COUNTER):
        if not os.path.exists(needed):
            skip_all(f"{needed} is not built")
    tap, work = Tap(), hs.work_dir()
    for mean in (64, 1024, 16384):
        tap.run(f"churn, sampled every {mean} bytes, is estimated, its totals exact",
                churn_is_estimated, work, mean)
    tap.run("threads free each other's samples", threads_free_each_others_samples, work)
    cost = start_cost(work)
    random.seed(os.environ.get("SEED") or None)
    for i in range(3):
        tap.run(f"exact counts survive SIGKILL ({i + 1})", counts_survive_sigkill, work, i, cost)
    for program in programs.ALL:
        name = f"{program.name}, sampled, is counted exactly and does not notice"
        if program.missing():
            tap.skip(name, program.missing())
        else:
            tap.run(name, program_is_counted_exactly, program, work)
    tap.run("analyze tells what the second reader finds",
            analyze_tells_what_the_second_reader_finds, work)
    tap.run("finished captures are near the truth", finished_captures_are_near_the_truth, work)
    tap.run("checkpoints change nothing", checkpoints_change_nothing, work)
    tap.run("reports tell how sure they are", reports_tell_how_sure_they_are, work)
    tap.run("mappings stay exact", mappings_stay_exact, work)
    tap.run("leaky tells who frees, folded", leaky_tells_who_frees, work)
    tap.run("leaky tells who frees, its log kept", leaky_tells_who_frees, work, "--keep-log")
    tap.run("each free has one row", each_free_has_one_row, work)
    tap.run("stacks of frees are harmless", free_stacks_are_harmless, work)
    tap.run("wrong sizes are refused", wrong_sizes_are_refused, work)
    tap.end()


main()
