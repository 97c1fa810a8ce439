# SPDX-License-Identifier: Apache-2.0
"""Bad inputs, rows Files of the catalogue: what is wrong before anything inside is looked at."""
import os
import struct
from pathlib import Path

import h5py
from bad_case import Maker

END_AT = 28  # of the end-of-file address in a version 2 or 3 superblock


def superblock_checksum(data):
    """Jenkins lookup3 (hashlittle, initial value 0) of the first 44 bytes, as HDF5 stores it."""
    def rotate(x, k):
        return ((x << k) | (x >> (32 - k))) & 0xffffffff

    m = 0xffffffff
    a = b = c = (0xdeadbeef + 44) & m
    at = 0
    length = 44
    while length > 12:
        x, y, z = struct.unpack_from("<III", data, at)
        a, b, c = (a + x) & m, (b + y) & m, (c + z) & m
        for p, q in ((4, 0), (6, 1), (8, 2), (16, 0), (19, 1), (4, 2)):
            if q == 0:
                a = ((a - c) & m) ^ rotate(c, p)
                c = (c + b) & m
            elif q == 1:
                b = ((b - a) & m) ^ rotate(a, p)
                a = (a + c) & m
            else:
                c = ((c - b) & m) ^ rotate(b, p)
                b = (b + a) & m
        at, length = at + 12, length - 12
    x, y = struct.unpack_from("<II", data, at)
    a, b = (a + x) & m, (b + y) & m
    for p, q in ((14, "cb"), (11, "ac"), (25, "ba"), (16, "cb"), (4, "ac"), (14, "ba"),
                 (24, "cb")):
        v = {"a": a, "b": b, "c": c}
        new = ((v[q[0]] ^ v[q[1]]) - rotate(v[q[1]], p)) & m
        a, b, c = (new if n == q[0] else v[n] for n in "abc")
    return c


def with_superblock(at, value):
    """A change of superblock bytes that keeps its checksum right."""
    def change(data):
        data[at:at + len(value)] = value
        data[44:48] = struct.pack("<I", superblock_checksum(data))
        return data
    return change


def user_block(maker):
    path = maker.case("user-block", 3, "user block of 512 bytes")
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = 1


def special_files(maker):
    folder = maker.folder
    (folder / "folder.h5").mkdir()
    os.mkfifo(folder / "pipe.h5")
    os.symlink("customers.h5", folder / "link.h5")
    os.symlink("nowhere.h5", folder / "dangling.h5")
    (folder / "missing-folder.h5").write_bytes(b"")
    maker.case("folder", 4, "is a folder", path=folder / "folder.h5")
    maker.case("pipe", 4, "is a pipe", path=folder / "pipe.h5")
    maker.case("device", 4, "is a device", path=Path("/dev/null"))
    maker.case("endless-device", 4, "is a device", path=Path("/dev/zero"))
    maker.case("missing", 4, "No such file", path=folder / "nothing.h5")
    maker.case("missing-catalogue", 4, "No such file", path=folder / "none.h5", kind="catalogue")
    maker.case("dangling-link", 4, "No such file", path=folder / "dangling.h5")
    maker.case("file-as-folder", 4, "Not a directory", path=folder / "customers.h5" / "x.h5")
    maker.case("name-too-long", 4, "File name too long", path=folder / ("x" * 300))
    maker.case("link-to-a-file", 0, path=folder / "link.h5")
    if os.geteuid() != 0:  # root reads everything
        maker.case("unreadable", 4, "Permission denied").chmod(0)


def make_cases(folder):
    maker = Maker(folder)
    maker.case("valid-customers", 0)
    maker.case("valid-catalogue", 0, kind="catalogue")
    special_files(maker)
    user_block(maker)
    maker.bytes("empty", lambda d: b"", 3, "is empty")
    maker.bytes("one-byte", lambda d: d[:1], 3, "truncated: has 1 bytes")
    maker.bytes("signature-only", lambda d: d[:8], 3, "truncated: has 8 bytes")
    maker.bytes("text-file", lambda d: b"key,item\n1,2\n", 3, "not an HDF5 file", "6b 65 79 2c")
    maker.bytes("wrong-magic", lambda d: b"\x88" + d[1:], 3, "not an HDF5 file", "88 48 44 46")
    maker.bytes("zip-file", lambda d: b"PK\x03\x04" + d[4:], 3, "not an HDF5 file", "50 4b 03 04")
    maker.bytes("all-zero", lambda d: bytes(len(d)), 3, "not an HDF5 file")
    maker.bytes("new-superblock", lambda d: d[:8] + b"\x09" + d[9:], 3, "superblock version 9")
    maker.bytes("small-offsets", with_superblock(9, b"\x04"), 3, "offsets of 4")
    maker.bytes("open-for-write", with_superblock(11, b"\x01"), 3, "still open for write",
                "0x01")
    maker.bytes("open-for-swmr", with_superblock(11, b"\x05"), 3, "still open for write", "0x05")
    maker.bytes("base-address", with_superblock(12, struct.pack("<Q", 512)), 3,
                "base address 512")
    maker.bytes("truncated-by-one", lambda d: d[:-1], 3, "truncated: has ")
    maker.bytes("truncated-half", lambda d: d[:len(d) // 2], 3, "truncated: has ")
    maker.bytes("one-byte-more", lambda d: d + b"\0", 3, "1 more than its header says")
    maker.bytes("end-2-to-63", with_superblock(END_AT, struct.pack("<Q", 1 << 63)), 3,
                "truncated: has ", str(1 << 63))
    maker.bytes("superblock-checksum", lambda d: d[:44] + b"\0\0\0\0" + d[48:], 3,
                "damaged, cannot be opened")
    maker.bytes("root-address", with_superblock(36, struct.pack("<Q", 1 << 62)), 3, "amaged")
    return maker.cases
