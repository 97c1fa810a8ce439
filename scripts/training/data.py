# SPDX-License-Identifier: Apache-2.0
"""customers.h5, labels and catalogue.h5 (docs/FORMATS.md) as tensors for the trainer. It reads the
very files that the engine reads, so a model never sees a feature that the nightly job would not
have. Read once per training run.

A snapshot is a folder with customers.h5, what was known on a day, and labels.h5, the same
customers with timelines of what came after it (and /extra/as_of, the day in seconds)."""
from pathlib import Path

import h5py
import numpy as np
import torch


class DataError(Exception):
    """An input file is not what it should be; the message names file, dataset and row."""


def open_file(path, kind):
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: {error}") from None
    found = file.attrs.get("format", b"")
    found = found.decode() if isinstance(found, bytes) else str(found)
    if found != kind:
        raise DataError(f"{path}: format is '{found}', expected '{kind}'")
    return file


def read(file, path, name):
    if name not in file:
        raise DataError(f"{path}: {name} is not there")
    return file[name][:]


def check_rows(path, name, column, is_good, expected):
    """Every row of a column; the message names the first that is not good."""
    bad = np.flatnonzero(~is_good)
    if bad.size:
        raise DataError(f"{path}: {name}, row {bad[0]}: found {column[bad[0]]}, expected "
                        f"{expected}")


def check_length(path, name, column, n_rows):
    if len(column) != n_rows:
        raise DataError(f"{path}: {name}: found {len(column)} rows, expected {n_rows}")


def check_offset(path, name, offset, n_rows, n_events):
    check_length(path, name, offset, n_rows + 1)
    rises = np.diff(offset, prepend=0) >= 0
    check_rows(path, name, offset, rises, "never less than the row before")
    if offset[0] != 0 or offset[-1] != n_events:
        raise DataError(f"{path}: {name}: found {offset[0]} to {offset[-1]}, expected 0 to "
                        f"{n_events}")


def rows_of(keys, wanted):
    """Row in `keys` of each wanted key, -1 where it is not there."""
    if len(keys) == 0 or len(wanted) == 0:
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    row = order[place]
    return np.where(keys[row] == wanted, row, -1)


class Catalogue:
    """Keys, groups, values and vectors of the items. Row r of the file is row r + 1 of every table
    of the model: row 0 is the padding."""

    def __init__(self, path, groups=(), values=(), features=""):
        self.path = path
        with open_file(path, "batchrank-catalogue") as file:
            self.key = read(file, path, "/item/key")
            self.group = {name: self.column(file, path, f"/item/group/{name}").astype(np.int64) + 1
                          for name in groups}
            dense = [standardised(np.log1p(np.maximum(
                self.column(file, path, f"/item/value/{name}"), 0))) for name in values]
            if features:
                dense.extend(self.column(file, path, features).T)
            self.value_N = {name: file[f"/item/value/{name}"][:] for name in
                            file.get("/item/value", {})}
        self.dense = np.column_stack(dense) if dense else np.zeros((len(self.key), 0))

    def column(self, file, path, name):
        if name not in file:
            raise DataError(f"{path}: {name} is not there; the training configuration asks for it")
        column = file[name][:]
        check_length(path, name, column, len(self.key))
        is_good = np.isfinite(column) if column.dtype.kind == "f" else column >= -1
        is_good = is_good.reshape(len(column), -1).all(1)
        check_rows(path, name, column, is_good, "finite numbers, or a group from -1 on")
        return column

    def value(self, name):
        if name not in self.value_N:
            raise DataError(f"{self.path}: /item/value/{name} is not there; the training "
                            "configuration asks for it")
        value_N = self.value_N[name].astype(np.float32)
        check_rows(self.path, f"/item/value/{name}", value_N, np.isfinite(value_N), "a number")
        return torch.from_numpy(value_N)

    def features(self, count_N):
        """As training.model.Items takes them; count_N: events per item."""
        def padded(column, dtype):
            return torch.from_numpy(np.concatenate([np.zeros_like(column[:1]), column])).to(dtype)

        return {"count": padded(count_N, torch.float32),
                "groups": {n: padded(c, torch.int64) for n, c in self.group.items()},
                "dense": padded(self.dense, torch.float32)}


def standardised(column):
    column = column.astype(np.float64)
    return (column - column.mean()) / max(column.std(), 1e-12)


def padding_key(keys):
    """A key for row 0 that no token has: the empty one, or a number that is not among `keys`."""
    key = np.zeros(1, keys.dtype)
    if keys.dtype.kind in "iu":
        key[0] = np.iinfo(keys.dtype).max
        while (keys == key).any():
            key -= 1
    return key


class Vocabularies:
    """Keys of every vocabulary and static in row order, row 0 the padding."""

    def __init__(self, catalogue_key):
        self.key = {"catalogue": catalogue_key}
        self.is_open = True

    def rows(self, name, keys):
        """Rows of the model's table, 0 for an empty key. Keys not seen before are added while it is
        open; later they are unknown, 0, as they are to the engine: nothing was learnt of them."""
        known = self.key.setdefault(name, keys[:0])
        if name != "catalogue" and self.is_open:
            is_empty = keys == b"" if keys.dtype.kind == "S" else np.zeros(len(keys), bool)
            new = keys[~np.isin(keys, known) & ~is_empty]
            self.key[name] = known = np.concatenate([known, np.sort(new)]) if len(new) else known
        return rows_of(known, keys) + 1

    def n_rows(self, name):
        return len(self.key[name]) + 1

    def for_bundle(self):
        return {name: np.concatenate([padding_key(keys), keys])
                for name, keys in self.key.items()}


class Timeline:
    """CSR events of one modality; `item` are table rows. Unknown tokens, weights of 0 and events
    after as_of are dropped, as the engine drops them."""

    def __init__(self, group, path, vocabularies, file, as_of=None):
        def column(name, dtype, default=None):
            if name in group:
                return group[name][:].astype(dtype)
            if default is None:
                raise DataError(f"{path}: {group.name}/{name} is not there")
            return np.full(len(item), default, dtype)

        offset, item = column("offset", np.int64), column("item", np.int64)
        vocabulary = group.attrs.get("vocabulary")
        vocabulary = vocabulary.decode() if isinstance(vocabulary, bytes) else vocabulary
        if vocabulary is None:
            raise DataError(f"{path}: {group.name} has no attribute vocabulary")
        row = np.arange(1, vocabularies.n_rows("catalogue")) if vocabulary == "catalogue" else \
            vocabularies.rows(vocabulary, read(file, path, f"/vocabulary/{vocabulary}/key"))
        check_rows(path, f"{group.name}/item", item, (item >= 0) & (item < len(row)),
                   f"0 to {len(row) - 1}")
        item = row[item]
        self.vocabulary = vocabulary
        time = column("time", np.int64)
        kind, weight = column("type", np.int64, 0), column("weight", np.float32, 1)
        check_offset(path, f"{group.name}/offset", offset, len(file["/customer/key"]), len(item))
        for name, value in (("time", time), ("type", kind), ("weight", weight)):
            check_length(path, f"{group.name}/{name}", value, len(item))
        check_rows(path, f"{group.name}/weight", weight, (weight >= 0) & (weight <= 1), "0 to 1")
        in_order = np.diff(time, prepend=time[:1]) >= 0
        in_order[offset[:-1][offset[:-1] < len(time)]] = True
        check_rows(path, f"{group.name}/time", time, in_order, "no less than the event before")
        keep = (item > 0) & (weight > 0)
        if as_of is not None:
            keep &= time <= as_of
        count = np.concatenate([[0], np.cumsum(keep)])
        self.offset = count[offset]
        self.item, self.time, self.type, self.weight = (c[keep] for c in (item, time, kind, weight))

    def check_types(self, path, name, n_types):
        bad = np.flatnonzero(self.type >= n_types)
        if bad.size:
            customer = np.searchsorted(self.offset, bad[0], side="right") - 1
            raise DataError(f"{path}: /timeline/{name}/type, customer in row {customer}: found "
                            f"{self.type[bad[0]]}, expected 0 to {n_types - 1}")

    def batch(self, customers, max_length, before=None, n_held=0):
        """Events of these customers padded on the right: see training.encoders. before [B]: events
        at or after that time are left out (late arrival); n_held: so are the last n_held."""
        first = self.offset[customers]
        end = np.maximum(self.offset[customers + 1] - n_held, first)
        if before is not None:
            late = [np.searchsorted(self.time[a:b], t) for a, b, t in zip(first, end, before)]
            end = first + np.array(late, np.int64)
        first = np.maximum(first, end - max_length)
        length = end - first
        step = np.arange(max(1, int(length.max(initial=0))))
        is_event = step < length[:, None]
        if len(self.item) == 0:
            zeros = np.zeros(is_event.shape, np.int64)
            return as_tensors(zeros, zeros, zeros, np.ones(is_event.shape, np.float32), length)
        place = np.where(is_event, first[:, None] + step, 0)
        last = np.where(length > 0, self.time[np.maximum(end - 1, 0)], 0)[:, None]
        return as_tensors(np.where(is_event, self.item[place], 0),
                          np.where(is_event, self.time[place], last),
                          np.where(is_event, self.type[place], 0),
                          np.where(is_event, self.weight[place], np.float32(1)), length)

    def pairs(self, customers):
        """(row of the batch, table row) of every event of these customers."""
        first, end = self.offset[customers], self.offset[customers + 1]
        row = np.repeat(np.arange(len(customers)), end - first)
        start = np.concatenate([[0], np.cumsum(end - first)[:-1]])
        place = np.arange(len(row)) - start[row] + first[row]
        return row, place


def as_tensors(item, time, kind, weight, length):
    return {"item": torch.from_numpy(item), "time": torch.from_numpy(time),
            "type": torch.from_numpy(kind), "weight": torch.from_numpy(weight),
            "length": torch.from_numpy(length)}


class Customers:
    """One customers.h5."""

    def __init__(self, path, spec, vocabularies, as_of=None):
        """spec: model.json so far (modalities, static names, aggregate names)."""
        self.path = Path(path)
        with open_file(path, "batchrank-customers") as file:
            self.key = read(file, path, "/customer/key")
            self.timeline = {}
            for m in spec["modalities"]:
                name = f"/timeline/{m['name']}"
                if name not in file:
                    raise DataError(f"{path}: {name} is not there; the model reads it")
                timeline = Timeline(file[name], path, vocabularies, file, as_of)
                if timeline.vocabulary != m["vocabulary"]:
                    raise DataError(f"{path}: {name} is of the vocabulary '{timeline.vocabulary}', "
                                    f"the model's is '{m['vocabulary']}'")
                if m["encoder"].get("types"):
                    timeline.check_types(path, m["name"], m["encoder"]["types"])
                self.timeline[m["name"]] = timeline
            self.static = np.column_stack(
                [self.static_rows(file, c["name"], vocabularies) for c in spec["static"]]
                or [np.zeros((len(self.key), 0), np.int64)])
            self.aggregate = self.aggregates(file, [a["name"] for a in spec["aggregate"]])

    def static_rows(self, file, name, vocabularies):
        if f"/static/{name}" not in file:
            raise DataError(f"{self.path}: /static/{name} is not there; the model reads it")
        number = file[f"/static/{name}"][:].astype(np.int64)
        row = vocabularies.rows(f"static.{name}", read(file, self.path, f"/static_key/{name}"))
        check_length(self.path, f"/static/{name}", number, len(self.key))
        check_rows(self.path, f"/static/{name}", number, (number >= -1) & (number < len(row)),
                   f"-1 to {len(row) - 1}")
        return np.where(number >= 0, row[np.maximum(number, 0)], 0)

    def aggregates(self, file, names):
        if not names:
            return np.zeros((len(self.key), 0), np.float32)
        found = [n.decode().rstrip("\0") for n in file["/aggregate"].attrs["names"]] \
            if "/aggregate" in file else []
        missing = [n for n in names if n not in found]
        if missing:
            raise DataError(f"{self.path}: /aggregate has no column '{missing[0]}'; found "
                            f"{', '.join(found) or 'none'}")
        value = file["/aggregate"][:]
        check_length(self.path, "/aggregate", value, len(self.key))
        value = value[:, [found.index(n) for n in names]].astype(np.float32)
        check_rows(self.path, "/aggregate", value, ~np.isinf(value).any(1), "numbers, or NaN")
        return value

    def known(self):
        """Customers with any event, ascending."""
        has = sum(np.diff(t.offset) for t in self.timeline.values()) > 0
        return np.flatnonzero(has)

    def batch(self, customers, spec, before=None, n_held=0):
        return {"events": {m["name"]: self.timeline[m["name"]].batch(
                    customers, m["encoder"]["max_length"], before, n_held)
                    for m in spec["modalities"]},
                "static": torch.from_numpy(self.static[customers]),
                "aggregate": torch.from_numpy(self.aggregate[customers])}


class Labels:
    """One labels.h5: timelines of what came after, and a log of shown items where there is one."""

    def __init__(self, path, customers, vocabularies):
        self.path = Path(path)
        with open_file(path, "batchrank-customers") as file:
            if not np.array_equal(read(file, path, "/customer/key"), customers.key):
                raise DataError(f"{path}: /customer/key differs from that of {customers.path}")
            self.timeline = {name: Timeline(group, path, vocabularies, file)
                             for name, group in file.get("/timeline", {}).items()}
            self.as_of = int(file["/extra/as_of"][()]) if "/extra/as_of" in file else None
            self.log = self.read_log(file, vocabularies) if "/extra/log" in file else None

    def read_log(self, file, vocabularies):
        log = {n: read(file, self.path, f"/extra/log/{n}")
               for n in ("offset", "item", "reward", "log_propensity")}
        n_rows, n_items = len(log["item"]), vocabularies.n_rows("catalogue") - 1
        check_offset(self.path, "/extra/log/offset", log["offset"].astype(np.int64),
                     len(file["/customer/key"]), n_rows)
        for name, is_good, expected in (
                ("item", (log["item"] >= 0) & (log["item"] < n_items), f"0 to {n_items - 1}"),
                ("reward", np.isfinite(log["reward"]), "a number"),
                ("log_propensity", (log["log_propensity"] <= 0)
                 & np.isfinite(log["log_propensity"]), "a number of at most 0")):
            check_length(self.path, f"/extra/log/{name}", log[name], n_rows)
            check_rows(self.path, f"/extra/log/{name}", log[name], is_good, expected)
        return log

    def events(self, label):
        if label not in self.timeline:
            raise DataError(f"{self.path}: /timeline/{label} is not there; found "
                            f"{', '.join(self.timeline) or 'none'}")
        return self.timeline[label]

    def items(self, label, customers):
        """Distinct (row of the batch, table row) of what these customers did."""
        timeline = self.events(label)
        row, place = timeline.pairs(customers)
        width = int(timeline.item.max(initial=0)) + 1
        pair = np.unique(row * width + timeline.item[place])
        return torch.from_numpy(pair // width), torch.from_numpy(pair % width)

    def first_period(self, label, customers, n_periods, period_s):
        """Period of each customer's first event after as_of, n_periods where none came in time."""
        if self.as_of is None:
            raise DataError(f"{self.path}: /extra/as_of is not there; a survival head needs it")
        timeline = self.events(label)
        first, end = timeline.offset[customers], timeline.offset[customers + 1]
        time = np.append(timeline.time, 0)[np.minimum(first, len(timeline.time))]
        period = (time - self.as_of) // period_s
        return torch.from_numpy(np.where((first < end) & (period < n_periods), period, n_periods))

    def logged(self, customers):
        """Of the log: row of the batch, table row, reward, log propensity."""
        if self.log is None:
            raise DataError(f"{self.path}: /extra/log is not there; the objective learns from it")
        offset = self.log["offset"].astype(np.int64)
        first, end = offset[customers], offset[customers + 1]
        place = np.concatenate([np.arange(a, b) for a, b in zip(first, end)] or [[]]).astype(int)
        return (torch.from_numpy(np.repeat(np.arange(len(customers)), end - first)),
                torch.from_numpy(self.log["item"][place].astype(np.int64) + 1),
                torch.from_numpy(self.log["reward"][place].astype(np.float32)),
                torch.from_numpy(self.log["log_propensity"][place].astype(np.float32)))


class Snapshot:
    def __init__(self, folder, spec, vocabularies):
        folder = Path(folder)
        self.name = folder.name
        self.customers = Customers(folder / "customers.h5", spec, vocabularies)
        self.labels = Labels(folder / "labels.h5", self.customers, vocabularies)
