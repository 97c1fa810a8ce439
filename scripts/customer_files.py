# SPDX-License-Identifier: Apache-2.0
"""What the preparation scripts share: events as sorted columns, and how they become HDF5 files that
the engine reads (docs/FORMATS.md). Imported by the prepare_*.py of each data set.

Events of one modality are {"customer", "item", "time"}, sorted by (customer, time, file order);
customer is a row of the ascending array of customer ids.
"""
import os
import sys

import h5py
import numpy as np

from raw_tables import DAY_S, RawError


def fixed(texts):
    """Texts as fixed-width bytes (UTF-8, NUL-padded)."""
    return np.array([str(t).encode("utf-8") for t in texts], dtype="S")


def codes(texts):
    """Category numbers (-1 for an empty text) and the sorted category names."""
    names = sorted({t for t in texts if t})
    number = {t: i for i, t in enumerate(names)}
    return np.array([number.get(t, -1) for t in texts], dtype=np.int32), names


def rows_of(ids, wanted):
    """Row of each wanted id in the ascending array ids, -1 where it is not there."""
    row = np.minimum(np.searchsorted(ids, wanted), ids.size - 1)
    return np.where(ids[row] == wanted, row, -1)


def sort_events(ids, customer, time, token, keep=None):
    """Events of the customers of these ids; `keep` drops events without a token."""
    keep = np.ones(time.size, dtype=bool) if keep is None else keep
    customer, time, token = rows_of(ids, customer)[keep], time[keep], token[keep]
    order = np.lexsort((time, customer))  # stable: ties keep file order
    return {"customer": customer[order], "item": token[order].astype(np.int32),
            "time": time[order]}


def select(events, use):
    return {name: column[use] for name, column in events.items()}


def window(events, as_of, n_days):
    """Events of the n_days days from as_of on."""
    return select(events, (events["time"] >= as_of) & (events["time"] < as_of + n_days * DAY_S))


def first_from(events, as_of):
    """The first event of each customer at or after as_of."""
    later = select(events, events["time"] >= as_of)
    return select(later, np.unique(later["customer"], return_index=True)[1])


def distinct(n_customers, customer, what):
    """Distinct values of `what` counted per customer."""
    values, number = np.unique(what, return_inverse=True)
    pairs = np.unique(customer * (values.size + 1) + number)
    return np.bincount(pairs // (values.size + 1), minlength=n_customers).astype(np.float64)


def medians(row, value, n_rows):
    """Median of the values of each row, f32 [n_rows]; 0 where there is none."""
    order = np.lexsort((value, row))
    row, value = row[order], value[order]
    first = np.searchsorted(row, np.arange(n_rows))
    count = np.searchsorted(row, np.arange(n_rows), side="right") - first
    out = np.zeros(n_rows, dtype=np.float32)
    has = count > 0
    low, high = first[has] + (count[has] - 1) // 2, first[has] + count[has] // 2
    out[has] = (value[low] + value[high]) / 2
    return out


def check_day(what, as_of, time):
    if not time.min() < as_of <= time.max():
        first, last = (np.datetime64(int(t), "s").astype("datetime64[D]")
                       for t in (time.min(), time.max()))
        raise RawError(f"{what}: no purchases on both sides of it; they are from {first} to {last}")


def check_window(text, as_of, n_days, time):
    if as_of + n_days * DAY_S > time.max() + DAY_S:
        print(f"warning: labels of {text}: the data ends before their {n_days} days do",
              file=sys.stderr)


def open_output(path, kind):
    """A new HDF5 file under a temporary name; publish() gives it its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = h5py.File(path.with_name(path.name + ".tmp"), "w")
    file.attrs["format"] = np.bytes_(kind)
    file.attrs["version"] = np.int64(1)
    return file


def publish(file, path):
    file.close()
    os.replace(path.with_name(path.name + ".tmp"), path)
    print(f"wrote {path}", file=sys.stderr)


def write_timeline(file, name, events, n_customers, vocabulary):
    group = file.create_group(f"/timeline/{name}")
    group.attrs["vocabulary"] = np.bytes_(vocabulary)
    offset = np.searchsorted(events["customer"], np.arange(n_customers + 1))
    group["offset"] = offset.astype(np.uint64)
    group["item"] = events["item"]
    group["time"] = events["time"]


def write_log(file, offset, item, reward, propensity):
    """/extra/log: what was shown, what came of it, and how probable it was to be shown."""
    file["/extra/log/offset"] = offset.astype(np.uint64)
    file["/extra/log/item"] = item.astype(np.int32)
    file["/extra/log/reward"] = reward.astype(np.float32)
    file["/extra/log/log_propensity"] = np.log(propensity).astype(np.float32)


def write_after(path, keys, timelines, as_of=None):
    """What came after: labels.h5 of a snapshot, truth.h5 of a split. All items are catalogue rows;
    as_of is the moment that the labels count from."""
    file = open_output(path, "batchrank-customers")
    file["/customer/key"] = keys
    for name, events in timelines.items():
        write_timeline(file, name, events, keys.size, "catalogue")
    if as_of is not None:
        file["/extra/as_of"] = np.int64(as_of)
    publish(file, path)
