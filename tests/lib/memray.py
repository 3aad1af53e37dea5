# SPDX-License-Identifier: MIT
"""Writes streaming captures of memray, header versions 9 to 13.

    w = Writer(out, version=11)
    w.switch(1)
    w.push("main", "app.py", 10)
    w.allocate("malloc", 0x1000, 64)
    w.free(0x1000)
    w.memory(rss=1 << 20, ms=10)
    w.end()

OUT is a file; what is written is what memray writes, byte for byte, but for the
header's contents.
"""
import struct

NEW = {"pymalloc_free": 1, "pymalloc_malloc": 2, "pymalloc_calloc": 3, "pymalloc_realloc": 4,
       "free": 5, "malloc": 6, "realloc": 7, "calloc": 8, "posix_memalign": 9,
       "aligned_alloc": 10, "memalign": 11, "valloc": 12, "pvalloc": 13, "mmap": 14,
       "munmap": 15}
OLD = {"malloc": 1, "free": 2, "calloc": 3, "realloc": 4, "posix_memalign": 5,
       "aligned_alloc": 6, "memalign": 7, "valloc": 8, "pvalloc": 9, "mmap": 10,
       "munmap": 11, "pymalloc_malloc": 12, "pymalloc_calloc": 13,
       "pymalloc_realloc": 14, "pymalloc_free": 15}
FREES = ("free", "pymalloc_free")


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def svarint(n):
    return varint(n * 2 if n >= 0 else -n * 2 - 1)


def cstr(s):
    return s.encode() + b"\0"


def header(version, command="prog.py", pid=4711, native=False, aggregated=False,
           main_tid=1, skipped=0, start_ms=1700000000000, end_ms=1700000001000,
           python=0x030b07f0):
    out = b"memray\0" + struct.pack("<i", version)
    if version >= 12:
        out += struct.pack("<I", python)
    out += bytes([native])
    if version >= 10:
        out += bytes([aggregated])
    out += struct.pack("<QQqq", 0, 0, start_ms, end_ms) + cstr(command)
    out += struct.pack("<iQQB", pid, main_tid, skipped, 1)
    if version >= 11:
        out += b"\0"
    if version >= 12:
        out += b"\0"
    if version >= 13:
        out += cstr("/usr/lib/python3.11") + b"\0" + cstr("/home/alice") + b"\0"
    return out


class Writer:
    def __init__(self, out, version, **header_fields):
        self.write = out.write
        self.new = version >= 12
        self.native = header_fields.get("native", False)
        self.calls = NEW if self.new else OLD
        self.ptr = self.frame = self.line = self.first_line = self.node = self.ip = 0
        self.recent = [0] * 15
        self.frames = {}
        self.write(header(version, **header_fields))

    # -- Stacks ---------------------------------------------------------------

    def switch(self, tid):
        self.write(b"\x0c" + struct.pack("<Q", tid))

    def thread_name(self, name):
        self.write(b"\x0a" + cstr(name))

    def _code(self, function, file, line):
        """A code object of one instruction in LINE."""
        key = function, file, line
        if key not in self.frames:
            self.frames[key] = number = len(self.frames) + 1
            table = b"\xe8\x00"  # 13: a line delta, of 0
            self.write(b"\x0e" + varint(number) + cstr(function) + cstr(file) +
                       svarint(line - self.first_line) + varint(len(table)) + table)
            self.first_line = line
        return self.frames[key]

    def _frame(self, function, file, line, entry):
        key = function, file, line, entry
        if key not in self.frames:
            self.frames[key] = number = len(self.frames) + 1
            self.write(bytes([3 | (not entry) << 4]) + svarint(number - self.frame) +
                       cstr(function) + cstr(file) + svarint(line - self.line))
            self.frame = number
            self.line = line
        return self.frames[key]

    def push(self, function, file, line, entry=True):
        if self.new:
            code = self._code(function, file, line)
            self.write(bytes([0x40 | entry]) + varint(code) + svarint(0))
        else:
            number = self._frame(function, file, line, entry)
            self.write(b"\x04" + svarint(number - self.frame))
            self.frame = number

    def pop(self, n=1):
        while n:
            k = min(n, 16)
            self.write(bytes([0x10 | k - 1 if self.new else 9 | k - 1 << 4]))
            n -= k

    # -- Allocations -------------------------------------------------------------

    def _pointer(self, addr):
        """The place in the list of recent ones, and what follows."""
        if addr in self.recent:
            return self.recent.index(addr), b""
        rest = svarint(addr // 8 - self.ptr)
        self.ptr = addr // 8
        self.recent = [addr] + self.recent[:-1]
        return 15, rest

    def call(self, name, addr, size=0, node=0):
        number = self.calls[name]
        if not self.new:
            with_native = self.native and name not in FREES + ("munmap",)
            self.write(bytes([(2 if with_native else 1) | number << 4]) +
                       svarint(addr - self.ptr) +
                       (b"" if name in FREES else varint(size)))
            self.ptr = addr
            if with_native:
                self.write(svarint(node - self.node))
                self.node = node
            return
        place, rest = self._pointer(addr)
        head = 0x80 | place << 3 | (number if number < 8 else 0)
        self.write(bytes([head]) + rest + (b"" if number < 8 else bytes([number])))
        if name not in FREES:
            if self.native:
                self.write(svarint(node - self.node))
                self.node = node
            self.write(varint(size))

    def allocate(self, name, addr, size, node=0):
        self.call(name, addr, size, node)

    def free(self, addr):
        self.call("free", addr)

    # -- The rest ------------------------------------------------------------------

    def native_node(self, ip, parent):
        self.write(b"\x05" + svarint(ip - self.ip) + svarint(parent - self.node))
        self.ip = ip
        self.node = parent

    def maps(self, images):
        """IMAGES: (path, load bias, [(address, size), ...]), ..."""
        self.write(b"\x06")
        for path, bias, segments in images:
            self.write(b"\x07" + cstr(path) + varint(len(segments)) +
                       struct.pack("<Q", bias))
            for address, size in segments:
                self.write(b"\x08" + struct.pack("<Q", address) + varint(size))

    def memory(self, rss, ms):
        self.write((b"\x02" if self.new else b"\x0b") + varint(rss) + varint(ms))

    def end(self):
        self.write(b"\x01" if self.new else b"\x10")
