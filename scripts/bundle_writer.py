# SPDX-License-Identifier: Apache-2.0
"""Writes and reads the parts of a model bundle (docs/FORMATS.md) with NumPy and h5py alone.

Used by training scripts, importers and tests, once per model:

    import bundle_writer as bundle
    bundle.write_safetensors(folder / "weights.safetensors", {name: array, ...})
    bundle.write_vocabulary(folder / "vocabulary.h5", {"catalogue": [b"", b"sku-1", b"sku-2"]})
    bundle.write_model_json(folder / "model.json", {...})

`python3 bundle_writer.py vocabulary.h5 catalogue=keys.txt [name=keys.txt ...]` writes a vocabulary
from text files with one key a line (an empty line: a row that is no token, as padding row 0).
"""
import json
import struct
import sys
from pathlib import Path

import h5py
import numpy as np

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
          "U16": "<u2", "I8": "i1", "U8": "u1", "BOOL": "?"}


def write_safetensors(path, tensors, dtype="F32"):
    """Tensors by name as F32 or F16, or (None) each as its array is: length of the header (u64),
    JSON header, data."""
    header, parts, at = {}, [], 0
    for name in sorted(tensors):
        kind = dtype or next(k for k, v in DTYPES.items() if np.dtype(v) == tensors[name].dtype)
        data = np.ascontiguousarray(tensors[name], dtype=DTYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(np.shape(tensors[name])),
                        "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read_safetensors(path):
    """{name: array}. BF16 comes as float32."""
    raw = Path(path).read_bytes()
    n_header = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n_header])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + n_header + at for at in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(raw[begin:end], "<u2").astype("<u4") << 16).view("<f4")
        else:
            values = np.frombuffer(raw[begin:end], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).copy()
    return tensors


def key_array(keys):
    """Keys as the file holds them: u64 for integers, else fixed-width bytes (str is UTF-8)."""
    if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu":
        return keys.astype(np.uint64)
    if isinstance(keys, np.ndarray) and keys.dtype.kind == "S":
        return keys
    raw = [k.encode() if isinstance(k, str) else bytes(k) for k in keys]
    return np.array(raw, dtype=f"S{max([1, *map(len, raw)])}")


def write_vocabulary(path, vocabularies):
    """{name: one key per row of the embedding table}; an empty key marks a row that is no token."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_("batchrank-vocabulary")
        file.attrs["version"] = np.int64(1)
        for name, keys in vocabularies.items():
            file[f"/{name}/key"] = key_array(keys)


def write_model_json(path, description):
    Path(path).write_text(json.dumps(description, indent=1, allow_nan=False) + "\n")


def write_bundle(folder, description, tensors, vocabularies, dtype="F32"):
    """The whole folder, made when it is not there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "weights.safetensors", tensors, dtype)
    write_vocabulary(folder / "vocabulary.h5", vocabularies)
    write_model_json(folder / "model.json", description)


def main(arguments):
    if len(arguments) < 2 or not all("=" in a for a in arguments[1:]):
        sys.exit(__doc__)
    pairs = [a.split("=", 1) for a in arguments[1:]]
    try:
        write_vocabulary(arguments[0],
                         {name: Path(keys).read_bytes().splitlines() for name, keys in pairs})
    except OSError as error:
        sys.exit(f"bundle_writer: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
