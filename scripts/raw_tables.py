# SPDX-License-Identifier: Apache-2.0
"""Reads raw CSV tables, checked: the hash against SHA256SUMS, the header, each number and date. A
breach is a RawError that names file, row, column, what was found and what was expected.

Imported by the readers of each data set (completejourney_raw.py, online_retail_raw.py), which know
its columns and its time zone. Times become UTC seconds; in the hour that repeats in autumn the
first pass is taken, a time in the hour skipped in spring counts with the old offset.
"""
import csv
import datetime
import hashlib
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np

DAY_S = 86400


class RawError(Exception):
    """The raw data is not what it should be; the message is for people."""


def unpack(path):
    """The bytes of a file, decompressed when its name ends in .zst."""
    if path.suffix != ".zst":
        return path.read_bytes()
    if shutil.which("zstd"):
        done = subprocess.run(["zstd", "-dcq", "--long=27", str(path)], capture_output=True)
        if done.returncode != 0:
            raise RawError(f"{path}: zstd cannot unpack it: {done.stderr.decode().strip()}")
        return done.stdout
    try:
        import zstandard
    except ImportError:
        raise RawError(f"{path}: needs the zstd command or Python's zstandard "
                       "(apt-get install zstd)") from None
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            io.BytesIO(path.read_bytes())) as stream:
        return stream.read()


def read_sums(folder):
    """SHA256SUMS as {file name: hash}."""
    path = folder / "SHA256SUMS"
    if not path.is_file():
        raise RawError(f"{path}: not found; expected the folder of the raw tables")
    return {line.split()[1]: line.split()[0] for line in path.read_text().splitlines() if line}


def table_rows(folder, name, columns, sums):
    """The rows of one table, a list of str each, its hash and header checked first."""
    path = folder / name
    if not path.is_file():
        raise RawError(f"{path}: not found")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sums.get(name):
        raise RawError(f"{path}: sha256 is {found}, expected {sums.get(name)} (SHA256SUMS)")
    try:
        text = unpack(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RawError(f"{path}: byte {error.start} is not UTF-8") from None
    reader = csv.reader(io.StringIO(text))
    header = tuple(next(reader, ()))
    if header != tuple(columns):
        raise RawError(f"{path}: columns are {','.join(header)}, expected {','.join(columns)}")
    for i, row in enumerate(reader):
        if len(row) != len(header):
            raise RawError(f"{path}: row {i + 2} has {len(row)} fields, expected {len(header)}")
        yield row


def read_table(folder, name, columns, sums):
    """One table as {column: list of str}."""
    rows = list(table_rows(folder, name, columns, sums))
    return {column: [row[c] for row in rows] for c, column in enumerate(columns)}


def numbers(path, column, texts, dtype):
    """A column of finite numbers. R wrote some round integers as 9e+05: whole floats are ints."""
    def parse(values):
        parsed = np.array(values, dtype="U32").astype(np.float64)
        whole = np.issubdtype(dtype, np.floating) or (parsed == np.rint(parsed)).all()
        if not whole or not (np.abs(parsed) < 2.0 ** 53).all():
            raise ValueError
        return parsed.astype(dtype)

    try:
        return parse(texts)
    except ValueError:
        for i, text in enumerate(texts):
            try:
                parse([text])
            except ValueError:
                raise RawError(f"{path}: row {i + 2}, column {column}: found '{text}', expected "
                               f"a number ({np.dtype(dtype).name})") from None
        raise


def utc_seconds(path, column, texts, zone):
    """A column of local dates or times as UTC seconds, i64."""
    try:
        local = np.array(texts, dtype="datetime64[s]")
        if np.isnat(local).any():
            raise ValueError
    except ValueError:
        for i, text in enumerate(texts):
            try:
                if text and not np.isnat(np.datetime64(text, "s")):
                    continue
            except ValueError:
                pass
            raise RawError(f"{path}: row {i + 2}, column {column}: found '{text}', expected "
                           "YYYY-MM-DD or YYYY-MM-DD HH:MM:SS") from None
        raise
    hour, place = np.unique(local.astype("datetime64[h]"), return_inverse=True)
    offset = [h.astype("datetime64[s]").astype(datetime.datetime).replace(tzinfo=zone)
              .utcoffset().total_seconds() for h in hour]
    return local.astype(np.int64) - np.array(offset, dtype=np.int64)[place]


def day_start(text, zone):
    """UTC seconds of a local midnight, for the command line."""
    return int(datetime.datetime.combine(day(text), datetime.time(), zone).timestamp())


def day(text):
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise RawError(f"'{text}' is no date; expected YYYY-MM-DD") from None


def days(text):
    """DAY[,DAY...] or FIRST:LAST:STEP (days; LAST included where a step meets it) as texts."""
    if ":" not in text:
        return [day(part).isoformat() for part in text.split(",")]
    parts = text.split(":")
    if len(parts) != 3 or not parts[2].isdigit() or int(parts[2]) < 1:
        raise RawError(f"'{text}' is no range of days; expected FIRST:LAST:STEP, STEP in days")
    first, last, step = day(parts[0]), day(parts[1]), int(parts[2])
    if last < first:
        raise RawError(f"'{text}': the last day is before the first")
    return [(first + datetime.timedelta(days=n)).isoformat()
            for n in range(0, (last - first).days + 1, step)]
