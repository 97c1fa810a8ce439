# SPDX-License-Identifier: Apache-2.0
"""Reading publications back with other people's parsers, and checking publication.json."""
import csv
import hashlib
import json
import re

import numpy as np


def files_of(folder, stem):
    return sorted(p for p in folder.iterdir() if re.fullmatch(rf"{stem}(-\d{{5}})?\.\w+", p.name))


def read_csv(paths, delimiter=","):
    """(header, rows) of the files of one split; each file has the same header."""
    header, rows = None, []
    for path in paths:
        with open(path, encoding="utf-8", newline="") as f:
            lines = list(csv.reader(f, delimiter=delimiter, strict=True))
        assert header is None or lines[0] == header, path
        header = lines[0]
        rows += lines[1:]
    assert all(len(row) == len(header) for row in rows)
    return header, [dict(zip(header, row)) for row in rows]


def read_resp(data):
    """The commands of protocol text, as lists of bytes."""
    at, commands = 0, []

    def line():
        nonlocal at
        end = data.index(b"\r\n", at)
        text, at = data[at:end], end + 2
        return text
    while at < len(data):
        head = line()
        assert head[:1] == b"*", head
        words = []
        for _ in range(int(head[1:])):
            size = line()
            assert size[:1] == b"$", size
            n = int(size[1:])
            words.append(data[at:at + n])
            assert data[at + n:at + n + 2] == b"\r\n"
            at += n + 2
        commands.append(words)
    return commands


def same_floats(cells, values):
    """Cells (None or "" for NaN) read back to the same f32."""
    assert len(cells) == len(values)
    for cell, value in zip(cells, values):
        if cell in (None, ""):
            assert np.isnan(value), (cell, value)
        else:
            assert np.float32(cell) == value, (cell, value)


def check_paper(folder, n_customers):
    """Sizes and hashes of all files, and the balance; returns publication.json."""
    paper = json.loads((folder / "publication.json").read_text(encoding="utf-8"))
    names = [f["path"] for f in paper["files"]]
    assert sorted(names + ["publication.json"]) == sorted(p.name for p in folder.iterdir())
    assert names == sorted(names)
    for f in paper["files"]:
        data = (folder / f["path"]).read_bytes()
        assert len(data) == f["bytes"], f
        assert hashlib.sha256(data).hexdigest() == f["sha256"], f
        assert (folder / f["path"]).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    c = paper["customers"]
    assert c["total"] == n_customers
    assert c["rows"] + c["unchanged"] + c["rejects"] + c["held_out"] == n_customers
    return paper
