#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the first inputs of fuzz_ehframe to a folder: a CIE and an FDE each."""
import pathlib
import struct
import sys

CODE = 0x1000


def record(body):
    return struct.pack("<I", len(body)) + body


def section(own, augmentation=b"zR\0", data=b"\1\0", common=b"\x0c\x07\x08\x90\x01"):
    cie = record(struct.pack("<I", 0) + b"\1" + augmentation + b"\1\x78\x10" + data + common)
    body = struct.pack("<QQ", CODE, 0x100) + b"\0" + own
    return cie, record(struct.pack("<I", len(cie) + 4) + body)


def entry(own, distance=0xFF, **more):
    cie, fde = section(own, **more)
    return struct.pack("<HH", len(cie), distance) + cie + fde


def whole_object(own):
    """With a header in front that has no search table."""
    cie, fde = section(own)
    header = bytes((1, 0x1B, 0xFF, 0xFF)) + struct.pack("<i", 4)
    return struct.pack("<HH", 8 + len(cie), 0) + header + cie + fde


def overlapping():
    """The CIE claims to reach beyond the FDE that follows it."""
    cie, fde = section(b"\x0f\2\x77\x08")
    cie = cie[:-5] + b"\x0f\2\x77\x08\0"
    reach = len(cie) + len(fde) + 12
    return (struct.pack("<HHI", len(cie), 0, reach) + cie[4:] + fde
            + b"\x0f\2\x77\x08".ljust(16, b"\0"))


SEEDS = {
    # push %rbp; mov %rsp, %rbp; ...; leave; ret
    "frame_pointer": entry(bytes.fromhex("410e108602430d06600a0c0708410b")),
    "drap": entry(bytes.fromhex("0f037678061006027600")),
    "plt": entry(bytes.fromhex("0f0b770880003f1a3b2a332422")),
    "signal": entry(bytes.fromhex("0f0477a0010610060377f80010100377a801"),
                    augmentation=b"zRS\0"),
    "every_instruction": entry(bytes.fromhex(
        "4102010301000401000000" "8302c3050302060307030803" "09030c0a0c07100d060e10"
        "0f0277081003027708" "11037f12077e137e140302" "15037e1603027708" "2e102f03020b")),
    "personality": entry(b"\x0e\x10", augmentation=b"zPLR\0",
                         data=b"\x0b\0\1\2\3\4\5\6\7\x08\0\0"),
    "loop": entry(bytes.fromhex("0f032ffdff")),
    "half_an_expression": entry(bytes.fromhex("0f0277080e7f")),
    "overlapping": overlapping(),
    "object": whole_object(b"\x41\x0e\x10"),
}


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)


main()
