# SPDX-License-Identifier: Apache-2.0
"""Reads the raw tables of The Complete Journey (configs/demo/raw) into NumPy arrays.

Imported by prepare_completejourney.py and train_demo.py, once per run. Every table is checked: its
hash against SHA256SUMS, its header, each number and date; a breach is a RawError that names file,
row, column, what was found and what was expected.

Times are UTC seconds. The receipts carry local time of America/New_York; in the hour that repeats
in autumn the first pass is taken, a time in the hour skipped in spring counts with the old offset.
A mailing happens at the start of its campaign's first day, a redemption (known by its date only)
at the last second of its day.
"""
import csv
import datetime
import hashlib
import io
import shutil
import subprocess
import zoneinfo
from pathlib import Path

import numpy as np

ZONE = zoneinfo.ZoneInfo("America/New_York")
DAY_S = 86400
STATICS = ("age", "income", "home_ownership", "marital_status", "household_size",
           "household_comp", "kids_count")
COLUMNS = {
    "transactions.csv.zst": ("household_id", "store_id", "basket_id", "product_id", "quantity",
                             "sales_value", "retail_disc", "coupon_disc", "coupon_match_disc",
                             "week", "transaction_timestamp"),
    "products.csv.zst": ("product_id", "manufacturer_id", "department", "brand",
                         "product_category", "product_type", "package_size"),
    "campaigns.csv.zst": ("campaign_id", "household_id"),
    "campaign_descriptions.csv": ("campaign_id", "campaign_type", "start_date", "end_date"),
    "coupons.csv.zst": ("coupon_upc", "product_id", "campaign_id"),
    "coupon_redemptions.csv.zst": ("household_id", "coupon_upc", "campaign_id",
                                   "redemption_date"),
    "demographics.csv.zst": ("household_id",) + STATICS,
}


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
        raise RawError(f"{path}: not found; expected the folder of the raw tables "
                       "(configs/demo/raw)")
    return {line.split()[1]: line.split()[0] for line in path.read_text().splitlines() if line}


def read_table(folder, name, sums):
    """One table as {column: list of str}."""
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
    if header != COLUMNS[name]:
        raise RawError(f"{path}: columns are {','.join(header)}, "
                       f"expected {','.join(COLUMNS[name])}")
    rows = list(reader)
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise RawError(f"{path}: row {i + 2} has {len(row)} fields, expected {len(header)}")
    return {column: [row[c] for row in rows] for c, column in enumerate(header)}


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


def utc_seconds(path, column, texts):
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
    offset = [h.astype("datetime64[s]").astype(datetime.datetime).replace(tzinfo=ZONE)
              .utcoffset().total_seconds() for h in hour]
    return local.astype(np.int64) - np.array(offset, dtype=np.int64)[place]


def day_start(text):
    """UTC seconds of a local midnight, for the command line."""
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZONE)
    except ValueError:
        raise RawError(f"'{text}' is no date; expected YYYY-MM-DD") from None
    return int(day.timestamp())


def read_all(folder):
    """The seven tables, numbers and times converted: {table: {column: array or list}}."""
    folder = Path(folder)
    sums = read_sums(folder)
    raw = {name.split(".")[0]: read_table(folder, name, sums) for name in COLUMNS}
    files = {name.split(".")[0]: folder / name for name in COLUMNS}
    for table, column, dtype in (
            ("transactions", "household_id", np.int64), ("transactions", "product_id", np.int64),
            ("transactions", "quantity", np.int64), ("transactions", "sales_value", np.float64),
            ("transactions", "basket_id", np.int64), ("products", "product_id", np.int64),
            ("campaigns", "household_id", np.int64), ("campaigns", "campaign_id", np.int64),
            ("campaign_descriptions", "campaign_id", np.int64), ("coupons", "product_id", np.int64),
            ("coupons", "coupon_upc", np.int64), ("coupons", "campaign_id", np.int64),
            ("coupon_redemptions", "household_id", np.int64),
            ("coupon_redemptions", "coupon_upc", np.int64),
            ("coupon_redemptions", "campaign_id", np.int64),
            ("demographics", "household_id", np.int64)):
        raw[table][column] = numbers(files[table], column, raw[table][column], dtype)
    for table, column in (("transactions", "transaction_timestamp"),
                          ("campaign_descriptions", "start_date"),
                          ("coupon_redemptions", "redemption_date")):
        raw[table][column] = utc_seconds(files[table], column, raw[table][column])
    raw["coupon_redemptions"]["redemption_date"] += DAY_S - 1
    unknown = np.setdiff1d(raw["campaigns"]["campaign_id"],
                           raw["campaign_descriptions"]["campaign_id"])
    if unknown.size:
        raise RawError(f"{files['campaigns']}: campaign {unknown[0]} is not in "
                       f"{files['campaign_descriptions'].name}")
    return raw
