# SPDX-License-Identifier: MIT
"""A second reader of captures, for tests: decodes doc/capture-format.md on its
own, keeps every event and computes totals, live blocks and peak by brute force.
It shares nothing with the reader written in C; it is slow and trusts its input.

As a program: replay.py FILE.hsnap prints the figures as JSON.
"""
import heapq
import json
import math
import struct
import sys

PAGE = 4096
SECTION_MAGIC = 0x63655348
EVENTS, RECORDS, COUNTERS = 1, 2, 5
CHUNK_FREE = 3
MODULE, THREAD, PIECE, SAMPLED, COUNTS = 2, 3, 20, 48, 49
FREES_BY = 16  # header flag
RECORD, MALLOC, CALLOC, ALIGNED, REALLOC, FREE, RELEASE, RETAIN = range(8)
NEW, NEW_ARRAY, DELETE, DELETE_ARRAY, FORK, GONE = range(8, 14)
ALLOCATIONS = {MALLOC, CALLOC, ALIGNED, REALLOC, NEW, NEW_ARRAY}
FREES = {FREE, RELEASE, DELETE, DELETE_ARRAY}


class Damaged(Exception):
    """The bytes are not what the specification says."""


class Bytes:
    """A place in a run of bytes; reading moves it on."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        if self.left() < n:
            raise Damaged(f"{n} bytes wanted, {self.left()} left")
        self.at += n
        return self.data[self.at - n:self.at]

    def fixed(self, n, signed=False):
        return int.from_bytes(self.take(n), "little", signed=signed)

    def uleb(self):
        value = shift = 0
        while True:
            byte = self.fixed(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def zigzag(self):
        v = self.uleb()
        return (v >> 1) ^ -(v & 1)

    def run(self):
        return self.take(self.uleb())


class Event:
    __slots__ = ("kind", "stack", "size", "address", "stamp")

    def __init__(self, kind, stack, size, address, stamp):
        self.kind, self.stack, self.size = kind, stack, size
        self.address, self.stamp = address, stamp


class Capture:
    """What one file holds: header fields, records by tag, events by stream."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.pieces = {}  # (stream, sequence) -> (tid, base_stamp, bytes)
        self.records = []  # (tag, payload), in file order
        self.threads = {}  # tid -> name
        self.mean = 0  # bytes between samples; 0: all is there
        self.counts = None  # allocations, bytes, frees, exactly; of samples alone
        self.read_header()
        self.read_sections()
        self.streams = {}
        for (stream, sequence) in sorted(self.pieces):
            tid, base, data = self.pieces[stream, sequence]
            self.streams.setdefault(stream, []).extend(
                (tid, event) for event in self.decode(data, base))

    def read_header(self):
        h = self.data
        if h[:8] != b"HEAPSNAP":
            raise Damaged("no capture")
        (self.version, self.word_size, self.clock, size) = struct.unpack_from("<HBBI", h, 8)
        if self.version != 1:
            raise Damaged(f"version {self.version}")
        self.pid, self.ppid = struct.unpack_from("<II", h, 48)
        self.flags, = struct.unpack_from("<I", h, 104)
        self.state, self.tick, self.end_page, self.newest_chunk = struct.unpack_from("<IIQQ", h, 112)
        self.lost_events, = struct.unpack_from("<Q", h, 144)
        self.read_records(Bytes(h[size:PAGE]))

    def read_records(self, b):
        while b.left():
            tag = b.uleb()
            if tag == 0:
                return
            self.take_record(tag, b.run())

    def take_record(self, tag, payload):
        b = Bytes(payload)
        if tag == PIECE:
            stream, sequence, tid, base = b.uleb(), b.uleb(), b.uleb(), b.uleb()
            self.take_piece(stream, sequence, tid, base, b.take(b.left()))
            return
        if tag == THREAD:
            b.uleb()
            tid = b.uleb()
            b.uleb()
            self.threads[tid] = b.run().decode(errors="replace")
        if tag == SAMPLED:
            self.mean = b.uleb()
        if tag == COUNTS:
            self.counts = [b.uleb(), b.uleb(), b.uleb()]
        self.records.append((tag, payload))

    def take_piece(self, stream, sequence, tid, base, data):
        """Of two copies of one chunk the longer counts, and counts once."""
        known = self.pieces.get((stream, sequence))
        if not known or len(known[2]) < len(data):
            self.pieces[stream, sequence] = (tid, base, data)

    def read_sections(self):
        page = 1
        while (page + 1) * PAGE <= len(self.data):
            at = page * PAGE
            magic, tag, header, pages, length = struct.unpack_from("<IHHII", self.data, at)
            if magic != SECTION_MAGIC:
                page += 1
                continue
            payload = self.data[at + header:at + header + length]
            if tag == EVENTS:
                state, stream, sequence, tid, base = struct.unpack_from("<IIIIQ", self.data, at + 16)
                if state != CHUNK_FREE:
                    self.take_piece(stream, sequence, tid, base, payload)
            elif tag == RECORDS:
                self.read_records(Bytes(payload))
            elif tag == COUNTERS:
                rows = list(struct.iter_unpack("<8Q", payload[:len(payload) // 64 * 64]))
                sums = [sum(row[i] for row in rows) for i in range(3)]
                self.counts = [a + b for a, b in zip(self.counts or (0, 0, 0), sums)]
            page += pages

    def decode(self, data, stamp):
        """The events of one chunk; each is a tag and what differs."""
        b = Bytes(data)
        stack = size = address = 0
        while b.left():
            tag = b.fixed(2)
            kind, how = tag & 15, tag >> 4
            if kind == RECORD:
                record = b.uleb()
                self.take_record(record, b.run())
                continue
            if how & 3:
                stack = b.fixed((0, 2, 3, 4)[how & 3])
            if how >> 2 & 3:
                size = b.fixed((0, 1, 2, 8)[how >> 2 & 3])
            if how >> 4 & 3 == 3:
                address = b.fixed(8)
            elif how >> 4 & 3:
                address += 16 * b.fixed((0, 2, 4)[how >> 4 & 3], signed=True)
            if how >> 6 & 3:
                stamp += b.fixed((0, 2, 4, 8)[how >> 6 & 3])
            if tag >> 12:
                raise Damaged(f"tag {tag:#x}")
            yield Event(kind, stack, size, address & (1 << 64) - 1, stamp)

    def merged(self):
        """(stream, thread, event) of all streams: by stamp, then by stream."""
        def keyed(stream, events):
            latest = 0
            for i, (tid, event) in enumerate(events):
                latest = max(latest, event.stamp)
                yield (latest, stream, i), tid, event
        runs = [keyed(stream, events) for stream, events in self.streams.items()]
        for key, tid, event in heapq.merge(*runs, key=lambda item: item[0]):
            yield key[1], tid, event

    def record_payloads(self, tag):
        return [payload for t, payload in self.records if t == tag]

    def modules(self):
        """Paths of the objects that were loaded."""
        found = []
        for payload in self.record_payloads(MODULE):
            b = Bytes(payload)
            for _ in range(4):  # epoch, start, end, bias
                b.uleb()
            b.run()
            found.append(b.run().decode(errors="replace"))
        return found


def weight(mean, size):
    """Of a sampled block: the blocks and bytes that it stands for, and the
    variances of both."""
    p = -math.expm1(-max(size, 1) / mean)
    return 1 / p, size / p, (1 - p) / p ** 2, (1 - p) / p ** 2 * size ** 2


class Books:
    """Totals of a sequence of events, by a plain dictionary of live blocks."""

    def __init__(self):
        self.live = {}  # address -> (size, thread, stack)
        self.latest = {}  # thread -> address of its last allocation
        self.released = {}  # stream -> (address, block, was temporary)
        self.allocations = self.frees = self.allocated_bytes = 0
        self.temporary = self.live_bytes = self.peak_bytes = 0
        self.unmatched = 0
        self.frees_by = {}  # (stack, stack of the free) -> [frees, bytes]

    def take(self, stream, thread, event):
        if event.kind in ALLOCATIONS:
            self.allocate(stream, thread, event)
        elif event.kind in FREES:
            self.free(stream, event)
        elif event.kind == RETAIN:
            self.retain(stream)
        elif event.kind == GONE:
            self.land(stream, event)

    def land(self, stream, event):
        if stream in self.released:
            self.tell_free(self.released.pop(stream)[1], event)

    def tell_free(self, block, event):
        row = self.frees_by.setdefault((block[2], event.stack), [0, 0])
        row[0] += 1
        row[1] += block[0]

    def allocate(self, stream, thread, event):
        if event.address in self.live:
            raise Damaged(f"{event.address:#x} allocated twice")
        self.live[event.address] = (event.size, thread, event.stack)
        self.latest[thread] = event.address
        self.land(stream, event)
        self.allocations += 1
        self.allocated_bytes += event.size
        self.live_bytes += event.size
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)

    def free(self, stream, event):
        block = self.live.pop(event.address, None)
        if not block:
            self.unmatched += 1
            return
        size, owner, _ = block
        temporary = self.latest.get(owner) == event.address
        if temporary:
            del self.latest[owner]
        self.temporary += temporary
        self.frees += 1
        self.live_bytes -= size
        if event.kind != RELEASE:
            self.tell_free(block, event)
        else:
            self.released[stream] = (event.address, block, temporary)

    def retain(self, stream):
        if stream not in self.released:
            return  # the block was not known
        address, block, temporary = self.released.pop(stream)
        self.live[address] = block
        self.live_bytes += block[0]
        self.frees -= 1
        if temporary:
            self.temporary -= 1
            self.latest[block[1]] = address

    def settle(self):
        """A realloc in flight keeps its block, unless that is known to be gone."""
        for stream in list(self.released):
            if self.released[stream][0] not in self.live:
                self.retain(stream)

    def totals(self):
        return {
            "allocations": self.allocations,
            "frees": self.frees,
            "allocated_bytes": self.allocated_bytes,
            "temporary_allocations": self.temporary,
            "live_blocks": len(self.live),
            "live_bytes": self.live_bytes,
            "peak_bytes": self.peak_bytes,
        }


def replay(path):
    """-> (Capture, Books) of the file."""
    capture, books = Capture(path), Books()
    for stream, thread, event in capture.merged():
        books.take(stream, thread, event)
    books.settle()
    return capture, books


def sums(paths):
    """(allocations, frees, bytes) of several captures: those of one pid.  Frees of
    blocks that were inherited over a fork count."""
    total = (0, 0, 0)
    for path in paths:
        capture, books = replay(path)
        if capture.lost_events:
            raise Damaged(f"{path}: lost {capture.lost_events} events")
        total = tuple(a + b for a, b in zip(total, (
            books.allocations, books.frees + books.unmatched, books.allocated_bytes)))
    return total


if __name__ == "__main__":
    json.dump(replay(sys.argv[1])[1].totals(), sys.stdout, indent=1)
    print()
