# SPDX-License-Identifier: Apache-2.0
"""Keys of the rows of a table: from a text file with one a line, else row numbers. Called once per
table and import."""
from pathlib import Path

from importers.refusal import Refusal

MAX_BYTES = 255
PADDING = (b"", b"[PAD]")  # RecBole's name for row 0 in field2id_token


def read_lines(path):
    path = Path(path)
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    lines = path.read_bytes().split(b"\n")
    return [line.rstrip(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]


def check(path, keys, first_line):
    seen = {}
    for n, key in enumerate(keys, first_line):
        if key == b"" or len(key) > MAX_BYTES or b"\0" in key:
            raise Refusal(f"{path}: line {n}: found a key of {len(key)} bytes, expected 1 to "
                          f"{MAX_BYTES} without NUL")
        if key in seen:
            raise Refusal(f"{path}: line {n}: found '{key.decode(errors='replace')}' as in line "
                          f"{seen[key]}, expected every key once")
        seen[key] = n


def plain(path, n_rows, what):
    """One key per row of a table without padding; row numbers from 0 where no file is given."""
    if path is None:
        return [str(row).encode() for row in range(n_rows)]
    keys = read_lines(path)
    if len(keys) != n_rows:
        raise Refusal(f"{path}: found {len(keys)} keys, expected {n_rows}, one per {what}")
    check(path, keys, 1)
    return keys


def padded(path, n_rows):
    """Row 0 is padding and has the empty key; the others' numbers where no file is given."""
    if path is None:
        return [b""] + [str(row).encode() for row in range(1, n_rows)]
    keys = read_lines(path)
    has_padding = len(keys) == n_rows and keys[0] in PADDING
    if not has_padding and len(keys) != n_rows - 1:
        raise Refusal(f"{path}: found {len(keys)} keys, expected {n_rows - 1}, one per row of the "
                      "item table after the padding row 0 (or one more: an empty first line or "
                      "[PAD])")
    keys = keys[1:] if has_padding else keys
    check(path, keys, 2 if has_padding else 1)
    return [b""] + keys
