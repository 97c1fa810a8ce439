# SPDX-License-Identifier: Apache-2.0
"""Bad inputs: plain matrices, from .npy and from a dataset of an HDF5 file."""
import os
import struct

import h5py
import numpy as np
from bad_case import Maker

GOOD = np.arange(12, dtype="<f4").reshape(4, 3)


def npy(maker, name, data, code, *says):
    """data: an array, or the bytes of the whole file."""
    path = maker.folder / f"{name}.npy"
    if isinstance(data, (bytes, bytearray)):
        path.write_bytes(data)
    else:
        np.save(path, data)
    maker.case(f"npy-{name}", code, *says, kind="matrix", path=path)
    return path


def with_header(text, n_bytes=48):
    text = text.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(n_bytes)


def npy_values(maker):
    bad = GOOD.copy()
    bad[2, 1] = np.nan
    npy(maker, "valid", GOOD, 0)
    npy(maker, "one-dimension", GOOD[0], 0)
    npy(maker, "nan", bad, 3, "row 2 column 1", "nan")
    npy(maker, "inf", np.where(np.isnan(bad), np.inf, bad).astype("<f4"), 3, "row 2 column 1")
    npy(maker, "f64", GOOD.astype("<f8"), 3, "'<f8'", "'<f4'")
    npy(maker, "big-endian", GOOD.astype(">f4"), 3, "'>f4'", "'<f4'")
    npy(maker, "i32", GOOD.astype("<i4"), 3, "'<i4'")
    npy(maker, "fortran", np.asfortranarray(GOOD), 3, "Fortran order")
    npy(maker, "three-dimensions", GOOD.reshape(2, 2, 3), 3, "expected one or two dimensions")
    npy(maker, "no-columns", GOOD[:, :0], 3, "columns")


def npy_bytes(maker):
    whole = npy(maker, "whole", GOOD, 0).read_bytes()
    npy(maker, "cut", whole[:-4], 3, "expected 176")
    npy(maker, "longer", whole + b"\0", 3, "expected 176")
    npy(maker, "cut-header", whole[:40], 3, "40")
    npy(maker, "six-bytes", whole[:6], 3, "found 6 bytes")
    npy(maker, "empty-npy", b"", 3, "found 0 bytes")
    npy(maker, "text", b"1.0,2.0,3.0\n", 3, "not a .npy file")
    npy(maker, "hdf5", b"\x89HDF\r\n\x1a\n" + bytes(40), 3, "is an HDF5 file",
        "npy:/dataset")
    npy(maker, "pickle", b"\x80\x04\x95" + bytes(40), 3, "not a .npy file")
    npy(maker, "version-9", b"\x93NUMPY\x09\x00" + whole[8:], 3, "not a .npy file")
    npy(maker, "no-shape", with_header("{'descr': '<f4', 'fortran_order': False}"), 3, "shape")
    npy(maker, "no-order", with_header("{'descr': '<f4', 'shape': (4, 3)}"), 3, "fortran_order")
    npy(maker, "huge-shape", with_header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 3), }"), 3,
        "shape")
    npy(maker, "negative-shape", with_header(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 3), }"), 3, "shape")
    npy(maker, "huge-header", b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + bytes(64), 3,
        "header")
    (maker.folder / "folder.npy").mkdir()
    maker.case("npy-folder", 4, "folder", kind="matrix", path=maker.folder / "folder.npy")
    os.mkfifo(maker.folder / "pipe.npy")
    maker.case("npy-pipe", 4, "pipe", kind="matrix", path=maker.folder / "pipe.npy")
    maker.case("npy-missing", 4, "No such file", kind="matrix", path=maker.folder / "none.npy")


def datasets(maker):
    """Only the dataset asked for, and the way to it, must hold: the rest of a file is its own."""
    path = maker.folder / "matrix.h5"
    bad = GOOD.copy()
    bad[3, 0] = np.inf
    with h5py.File(path, "w") as file:
        file["good"] = GOOD
        file["deep/good"] = GOOD
        file["bad"] = bad
        file["f64"] = GOOD.astype("<f8")
        file["cube"] = GOOD.reshape(2, 2, 3)
        file["soft"] = h5py.SoftLink("/good")
        file["softgroup"] = h5py.SoftLink("/deep")
        file["external"] = h5py.ExternalLink("customers.h5", "/vector")
        file.create_dataset("outside", shape=(4, 3), dtype="<f4",
                            external=[(str(maker.folder / "secret.txt"), 0, 48)])
        file.create_dataset("unwritten", shape=(1 << 30, 64), dtype="<f4")
        file.create_dataset("lzf", data=GOOD, compression="lzf")
        layout = h5py.VirtualLayout(shape=(4, 3), dtype="<f4")
        layout[:] = h5py.VirtualSource(str(path), "good", shape=(4, 3))
        file.create_virtual_dataset("virtual", layout)
    for name, code, *says in (
            ("good", 0), ("deep/good", 0),
            ("bad", 3, "row 3 column 0"), ("f64", 3, "f64"), ("cube", 3, "3 dimensions"),
            ("none", 3, "missing"), ("deep", 3, "is a group"), ("good/x", 3, "missing"),
            ("soft", 3, "is a soft link"), ("softgroup/good", 3, "is a soft link"),
            ("external", 3, "is an external link"), ("outside", 3, "external storage"),
            ("unwritten", 3, "stores 0 of"), ("lzf", 3, "filter 32000"),
            ("virtual", 3, "virtual layout")):
        maker.case(f"h5-{name.replace('/', '-')}", code, *says, kind="matrix",
                   path=maker.folder / f"matrix.h5:/{name}")


def make_cases(folder):
    maker = Maker(folder)
    for table in (npy_values, npy_bytes, datasets):
        table(maker)
    return maker.cases
