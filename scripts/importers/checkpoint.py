# SPDX-License-Identifier: Apache-2.0
"""Reads the tensors of a checkpoint with NumPy alone and runs nothing that is in it: .safetensors,
or what torch.save writes since PyTorch 1.6, a zip with a pickle and one file per storage. Classes
that the pickle names are replaced by inert stand-ins, so RecBole's Config can be read without
RecBole. Called once per import.
"""
import collections
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

import bundle_writer
from importers.refusal import Refusal

STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2",
            "BFloat16Storage": "<u2", "LongStorage": "<i8", "IntStorage": "<i4",
            "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"}
UNREADABLE = (OSError, pickle.UnpicklingError, zipfile.BadZipFile, struct.error, KeyError, EOFError,
              AttributeError, TypeError, ValueError, IndexError)


class Inert:
    """Stands for an object of a class that is not looked at."""

    def __init__(self, *_arguments, **_named):
        self.state = {}

    def __setstate__(self, state):
        self.state = state

    def __setitem__(self, _key, _value):
        pass

    def append(self, _value):
        pass

    extend = add = append


class Reader(pickle.Unpickler):
    """data.pkl of a checkpoint; knows tensors, dictionaries and plain values."""

    def __init__(self, archive, root):
        super().__init__(archive.open(root + "data.pkl"))
        self.archive, self.root, self.storage = archive, root, {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return rebuild_tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda tensor, *_more: tensor
        return type(name, (Inert,), {"__module__": module, "__init__": Inert.__init__})

    def persistent_load(self, token):
        kind, storage, key = token[:3]
        if kind != "storage" or storage.__name__ not in STORAGES:
            raise Refusal(f"found a tensor of {getattr(storage, '__name__', storage)}, expected "
                          f"one of {', '.join(STORAGES)}")
        if key not in self.storage:
            raw = self.archive.read(f"{self.root}data/{key}")
            values = np.frombuffer(raw, STORAGES[storage.__name__])
            if storage.__name__ == "BFloat16Storage":
                values = (values.astype("<u4") << 16).view("<f4")
            self.storage[key] = values
        return self.storage[key]


def rebuild_tensor(storage, offset, shape, stride, *_more):
    """A strided view of a storage, copied; never beyond its end."""
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride))
    if min((offset, *stride, *shape), default=0) < 0 or (0 not in shape and last >= len(storage)):
        raise Refusal(f"a tensor of shape {list(shape)} reaches beyond its storage of "
                      f"{len(storage)} values")
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False).copy()


def read_pickle(path):
    """The object that torch.save was given."""
    if not zipfile.is_zipfile(path):
        raise Refusal(f"{path}: found no zip archive, expected a checkpoint as torch.save writes "
                      "it since PyTorch 1.6, or .safetensors. Save an older one again: "
                      "torch.save(torch.load(OLD, map_location='cpu'), NEW)")
    with zipfile.ZipFile(path) as archive:
        roots = [n[:-len("data.pkl")] for n in archive.namelist() if n.endswith("data.pkl")]
        if len(roots) != 1:
            raise Refusal(f"{path}: found {len(roots)} files data.pkl in the archive, expected 1")
        order = roots[0] + "byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise Refusal(f"{path}: the byte order is big-endian, expected little-endian")
        try:
            return Reader(archive, roots[0]).load()
        except UNREADABLE as error:
            raise Refusal(f"{path}: its pickle cannot be read: {error}") from error


def read_safetensors(path):
    try:
        return bundle_writer.read_safetensors(path)
    except UNREADABLE as error:
        raise Refusal(f"{path}: cannot be read as safetensors: {error}") from error


def config_of(root):
    """RecBole's final configuration, {} where the checkpoint has none."""
    config = root.get("config")
    state = config.state if isinstance(config, Inert) else config
    state = state if isinstance(state, dict) else {}
    return state.get("final_config_dict", state)


def tensors_of(path, root):
    state = root.get("state_dict", root)
    if not isinstance(state, dict) or not state:
        raise Refusal(f"{path}: found no tensors, expected a state_dict")
    odd = [k for k, v in state.items() if not isinstance(v, np.ndarray)]
    if odd:
        raise Refusal(f"{path}: '{odd[0]}' is no tensor; expected model.state_dict(), or a RecBole "
                      "checkpoint with 'state_dict' and 'config'")
    if all(name.startswith("module.") for name in state):  # DistributedDataParallel's wrapping
        state = {name[len("module."):]: value for name, value in state.items()}
    return {name: np.asarray(value) for name, value in state.items()}


def read(path):
    """({name: array}, configuration): the configuration is {} unless RecBole wrote the file."""
    path = Path(path)
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    if path.suffix == ".safetensors":
        return read_safetensors(path), {}
    root = read_pickle(path)
    if not isinstance(root, dict):
        raise Refusal(f"{path}: found a whole {type(root).__name__}, expected its state_dict: "
                      "torch.save(model.state_dict(), FILE)")
    return tensors_of(path, root), config_of(root)
