# SPDX-License-Identifier: Apache-2.0
"""One case of the bad-input catalogue, and the ways to spoil a valid file."""
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np


@dataclass
class Case:
    name: str
    kind: str  # of check_input
    path: Path
    code: int
    says: tuple


class Maker:
    """Collects cases; each gets a copy of the valid file of its kind."""

    def __init__(self, folder):
        self.folder = folder
        self.cases = []

    def case(self, name, code, *says, kind="customers=30", path=None):
        source = "catalogue.h5" if kind == "catalogue" else "customers.h5"
        if path is None:
            path = self.folder / f"{name}.h5"
            shutil.copy(self.folder / source, path)
        self.cases.append(Case(name, kind, path, code, says))
        return path

    def edit(self, name, change, code, *says, kind="customers=30"):
        """The valid file, opened by h5py and changed by `change(file)`."""
        path = self.case(name, code, *says, kind=kind)
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            change(file)

    def bytes(self, name, change, code, *says, kind="customers=30"):
        """The valid file's bytes, passed through `change`."""
        path = self.case(name, code, *says, kind=kind)
        path.write_bytes(change(bytearray(path.read_bytes())))


def replace(path, value, attrs=None, **options):
    """A change: the dataset at `path` becomes `value`, keeping its attributes."""
    def change(file):
        kept = {}
        if path in file:
            kept = dict(file[path].attrs)
            del file[path]
        made = file.create_dataset(path, data=value, **options)
        for key, attr in {**kept, **(attrs or {})}.items():
            made.attrs[key] = attr
    return change


def put(path, index, value):
    """A change: one element of the dataset at `path`."""
    def change(file):
        file[path][index] = value
    return change


def remove(path):
    def change(file):
        del file[path]
    return change


def like(file, path, dtype):
    return np.asarray(file[path]).astype(dtype)


def retype(path, dtype):
    """A change: the dataset's values as another type."""
    def change(file):
        replace(path, like(file, path, dtype))(file)
    return change
