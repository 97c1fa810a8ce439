# SPDX-License-Identifier: Apache-2.0
"""Small valid customers.h5, catalogue.h5 and vocabulary.h5 from Python values (docs/FORMATS.md).

Imported by tests:  sys.path.insert(0, "tests"); import make_files
Nothing is random here but example_*(seed)."""
import h5py
import numpy as np


def keys(values):
    """Keys as stored: integers become u64, everything else fixed-width bytes."""
    values = list(values)
    if values and all(isinstance(v, (int, np.integer)) for v in values):
        return np.asarray(values, dtype="<u8")
    return texts(values)


def texts(values):
    encoded = [v.encode() if isinstance(v, str) else bytes(v) for v in values]
    width = max([len(v) for v in encoded], default=1) or 1
    return np.asarray(encoded, dtype=f"S{width}")


def csr(lists, dtype):
    """Ragged rows as (offset, values)."""
    offset = np.zeros(len(lists) + 1, dtype="<u8")
    offset[1:] = np.cumsum([len(row) for row in lists])
    flat = [value for row in lists for value in row]
    return offset, np.asarray(flat, dtype=dtype)


def create(path, format_name, version=1, libver="v110"):
    """An open file with its format attributes; libver "v110" has checksummed metadata."""
    file = h5py.File(path, "w", libver=("v110", "v110") if libver == "v110" else libver)
    file.attrs["format"] = np.bytes_(format_name)
    file.attrs["version"] = np.int64(version)
    return file


def write_timeline(file, name, timeline):
    """timeline: {"vocabulary": str, "events": [[(item, time), ...] per customer],
    "type": [[u8, ...], ...]?, "weight": [[f32, ...], ...]?}"""
    group = file.create_group(f"timeline/{name}")
    group.attrs["vocabulary"] = np.bytes_(timeline.get("vocabulary", "catalogue"))
    events = timeline["events"]
    group["offset"], group["item"] = csr([[e[0] for e in row] for row in events], "<i4")
    group["time"] = csr([[e[1] for e in row] for row in events], "<i8")[1]
    if "type" in timeline:
        group["type"] = csr(timeline["type"], "u1")[1]
    if "weight" in timeline:
        group["weight"] = csr(timeline["weight"], "<f4")[1]


def write_customers(path, key, timelines=None, vocabularies=None, statics=None, aggregate=None,
                    segment=None, exclude=None, contact=None, consent=None, vector=None,
                    libver="v110"):
    """customers.h5.
    key [U]; timelines {modality: write_timeline's dict}; vocabularies {name: [key, ...]};
    statics {name: ([category number or -1] * U, [category key, ...])};
    aggregate ([name, ...], [[float, ...]] * U); segment [U]; exclude [[item, ...]] * U;
    contact [[(item, time), ...]] * U; consent {channel: [0 or 1] * U}; vector [U][D]."""
    with create(path, "batchrank-customers", libver=libver) as file:
        file["customer/key"] = keys(key)
        for name, timeline in (timelines or {}).items():
            write_timeline(file, name, timeline)
        for name, values in (vocabularies or {}).items():
            file[f"vocabulary/{name}/key"] = keys(values)
        for name, (rows, categories) in (statics or {}).items():
            file[f"static/{name}"] = np.asarray(rows, dtype="<i4")
            file[f"static_key/{name}"] = keys(categories)
        if aggregate is not None:
            file["aggregate"] = np.asarray(aggregate[1], dtype="<f4")
            file["aggregate"].attrs["names"] = texts(aggregate[0])
        if segment is not None:
            file["segment"] = np.asarray(segment, dtype="<u8")
        if exclude is not None:
            file["exclude/offset"], file["exclude/item"] = csr(exclude, "<i4")
        if contact is not None:
            file["contact/offset"], file["contact/item"] = csr(
                [[e[0] for e in row] for row in contact], "<i4")
            file["contact/time"] = csr([[e[1] for e in row] for row in contact], "<i8")[1]
        for channel, values in (consent or {}).items():
            file[f"consent/{channel}"] = np.asarray(values, dtype="u1")
        if vector is not None:
            file["vector"] = np.asarray(vector, dtype="<f4")


def write_catalogue(path, key, name=None, groups=None, values=None, segment=None, valid=None,
                    capacity=None, vector=None, bias=None, libver="v110"):
    """catalogue.h5. groups {name: ([number or -1] * N, [group name, ...] or None)};
    values {name: [float] * N}; valid [[from, to]] * N."""
    with create(path, "batchrank-catalogue", libver=libver) as file:
        file["item/key"] = keys(key)
        if name is not None:
            file["item/name"] = texts(name)
        for group, (numbers, names) in (groups or {}).items():
            file[f"item/group/{group}"] = np.asarray(numbers, dtype="<i4")
            if names is not None:
                file[f"item/group_key/{group}"] = texts(names)
        for value, numbers in (values or {}).items():
            file[f"item/value/{value}"] = np.asarray(numbers, dtype="<f4")
        if segment is not None:
            file["item/segment"] = np.asarray(segment, dtype="<u8")
        if valid is not None:
            file["item/valid"] = np.asarray(valid, dtype="<i8")
        if capacity is not None:
            file["item/capacity"] = np.asarray(capacity, dtype="<i8")
        if vector is not None:
            file["item/vector"] = np.asarray(vector, dtype="<f4")
        if bias is not None:
            file["item/bias"] = np.asarray(bias, dtype="<f4")


def write_vocabulary(path, vocabularies):
    """vocabulary.h5 of a model bundle: {name: [key, ...]}, "" marks a row that is no token."""
    with create(path, "batchrank-vocabulary") as file:
        for name, values in vocabularies.items():
            file[f"{name}/key"] = keys(values)


T0 = 1_700_000_000  # seconds: November 2023


def example_customers(path, n_customers=20, n_items=30, dim=4, seed=7, libver="v110"):
    """Every object of the format once: two modalities (catalogue, campaign), some customers with
    no events, weight 0, missing statics and aggregates."""
    rng = np.random.default_rng(seed)

    def events(max_events, n_tokens, every):
        rows = []
        for u in range(n_customers):
            n = 0 if u % every == 0 else int(rng.integers(1, max_events + 1))
            times = np.sort(rng.integers(T0, T0 + 10_000_000, n))
            rows.append([(int(i), int(t)) for i, t in zip(rng.integers(0, n_tokens, n), times)])
        return rows

    browse, mail = events(12, n_items, 5), events(5, 6, 4)
    weights = [[0.0 if j == 0 else float(w) for j, w in enumerate(rng.random(len(row)))]
               for row in browse]
    write_customers(
        path,
        key=[f"customer-{u:04d}" for u in range(n_customers)],
        timelines={
            "browse": {"vocabulary": "catalogue", "events": browse, "weight": weights,
                       "type": [[len(row) % 3] * len(row) for row in browse]},
            "mailing": {"vocabulary": "campaign", "events": mail},
        },
        vocabularies={"campaign": [f"c{i}" for i in range(6)]},
        statics={"age": ([u % 4 - 1 for u in range(n_customers)], ["18-24", "25-44", "45+"])},
        aggregate=(["baskets_30d", "spend_30d"],
                   [[float(u), float("nan") if u % 3 == 0 else u / 2] for u in range(n_customers)]),
        segment=[u % 8 for u in range(n_customers)],
        exclude=[[u % n_items] if u % 2 else [] for u in range(n_customers)],
        contact=[[(u % n_items, T0 + u)] for u in range(n_customers)],
        consent={"email": [u % 2 for u in range(n_customers)], "post": [1] * n_customers},
        vector=rng.standard_normal((n_customers, dim)),
        libver=libver)


def example_catalogue(path, n_items=30, dim=4, seed=8, libver="v110"):
    """Every object of the format once."""
    rng = np.random.default_rng(seed)
    write_catalogue(
        path,
        key=[f"item-{i:03d}" for i in range(n_items)],
        name=[f"Item number {i}" for i in range(n_items)],
        groups={"brand": ([i % 3 for i in range(n_items)], None),
                "department": ([i % 4 - 1 for i in range(n_items)], ["food", "home", "toys"])},
        values={"price": rng.random(n_items) * 100},
        segment=[1 if i % 7 == 0 else 0 for i in range(n_items)],
        valid=[[T0 - 1000, T0 + 100_000_000]] * n_items,
        capacity=[-1 if i % 2 else 10 for i in range(n_items)],
        vector=rng.standard_normal((n_items, dim)),
        bias=rng.standard_normal(n_items),
        libver=libver)
