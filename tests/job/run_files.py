# SPDX-License-Identifier: Apache-2.0
"""Run directories written with h5py alone, in the layout of docs/FORMATS.md, with what the engine
itself would never list together: odd keys, hold-outs, empty lists, several parts."""
import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

SHORT, NO_CONSENT, NO_EVENTS, FALLBACK, NOTHING, HELD_OUT = 1, 2, 4, 8, 16, 32
WORDS = {1: "short", 2: "no_consent", 4: "no_events", 8: "fallback", 16: "nothing_allowed",
         32: "held_out", 64: "held_back", 128: "no_capacity", 256: "repaired", 512: "diverse",
         1024: "groups_full", 2048: "flag_2048", 1 << 31: "flag_2147483648"}
LETTERS = ["a", "b", "Z", "0", "7", ",", ";", "\t", '"', "'", "\n", "\r", " ", "=", "\\", "|", "/",
           "\x01", "\x7f", "ä", "Ж", "猫", "🍎", "\u2028", "{", "]", "$", "*", ":"]


def words(flags):
    return [WORDS[bit] for bit in WORDS if flags & bit]


def odd_keys(rng, n, letters=LETTERS):
    """Distinct UTF-8 texts of 1 to 8 letters, as the fixed bytes of a file."""
    keys = {}
    while len(keys) < n:
        keys["".join(rng.choice(letters, rng.integers(1, 9)))] = None
    return np.array([k.encode() for k in keys], f"S{max(len(k.encode()) for k in keys)}")


def keys_of(rng, n, is_number, letters=LETTERS):
    if not is_number:
        return odd_keys(rng, n, letters)
    big = rng.integers(0, 1 << 63, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    big[0] = np.uint64((1 << 64) - 1)
    big[1:2] = 0
    return np.array(list(dict.fromkeys(big.tolist())), np.uint64)[:n]


def texts(keys):
    """Keys as they are published."""
    return [str(k) if keys.dtype.kind == "u" else k.decode() for k in keys.tolist()]


def lists_file(path, columns):
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        f.attrs["format"] = np.bytes_("batchrank-lists")
        f.attrs["version"] = np.int64(1)
        f.create_group("probability", track_order=True)
        for name, values in columns.items():
            f[name] = values


def entry(folder, name, rows=None):
    data = (folder / name).read_bytes()
    rows = "" if rows is None else f'"rows": {rows}, '
    return (f'    {{"path": "{name}", "bytes": {len(data)}, {rows}'
            f'"sha256": "{hashlib.sha256(data).hexdigest()}"}}')


def write_manifest(folder, rows_of):
    """rows_of: rows of each part."""
    identity = json.loads((folder / "run.json").read_text())["identity"]
    lines = [entry(folder, "run.json"), entry(folder, "config.json")]
    for unit, rows in enumerate(rows_of):
        lines += [entry(folder, f"parts/part-{unit:05d}.h5", rows),
                  entry(folder, f"receipts/{unit:05d}.json")]
    lines += [entry(folder, name) for name in ("lists.h5", "stats.json", "metrics.prom")]
    (folder / "manifest.json").write_text(
        '{\n  "format": "batchrank-manifest",\n  "version": 1,\n'
        f'  "units": {len(rows_of)},\n  "rows": {sum(rows_of)},\n'
        f'  "identity": {json.dumps(identity)},\n  "files": [\n' + ",\n".join(lines) +
        "\n  ]\n}\n")


def write_receipt(path, part, unit, rows):
    data = part.read_bytes()
    path.write_text(json.dumps({
        "format": "batchrank-receipt", "version": 1, "unit": unit, "first_row": int(rows[0]),
        "rows": int(rows[1] - rows[0]), "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest()}) + "\n")


def write_run(folder, item_key, columns, cuts):
    """columns: {dataset: array of all customers}; cuts: first rows of the parts, and the end."""
    folder = Path(folder)
    for name in ("parts", "receipts"):
        (folder / name).mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(
        {"units": len(cuts) - 1, "identity": {"world": folder.name}, "config": {}}))
    for name in ("config.json", "stats.json"):
        (folder / name).write_text("{}\n")
    (folder / "metrics.prom").write_text("")
    lists_file(folder / "lists.h5", {"item/key": item_key})
    for unit, (a, b) in enumerate(zip(cuts, cuts[1:])):
        part = {name: values[a:b] for name, values in columns.items()}
        part["customer/row"] = np.arange(a, b, dtype=np.int64)
        path = folder / f"parts/part-{unit:05d}.h5"
        lists_file(path, part)
        write_receipt(folder / f"receipts/{unit:05d}.json", path, unit, (a, b))
    write_manifest(folder, np.diff(cuts).tolist())
    return folder


def random_columns(rng, key, n_items, k, heads):
    """Lists of all customers: {dataset: array}."""
    U = len(key)
    n = rng.integers(0, min(k, n_items) + 1, U).astype(np.int32)
    used = np.arange(k)[None, :] < n[:, None]
    item = np.stack([rng.permutation(np.resize(rng.permutation(n_items), max(k, n_items)))[:k]
                     for _ in range(U)]) if n_items >= k else \
        np.stack([np.resize(rng.permutation(n_items), k) for _ in range(U)])
    flags = rng.choice([0, SHORT, NO_EVENTS, FALLBACK, 2048, 1 << 31, SHORT | FALLBACK],
                       U).astype(np.uint32)
    empty = n == 0
    flags[empty] = rng.choice([NO_CONSENT, NOTHING, NO_EVENTS | NOTHING, SHORT], empty.sum())
    arm = rng.integers(0, 3, U).astype(np.int32)
    out = rng.random(U) < 0.2
    flags[out] |= HELD_OUT
    arm[out] = -1
    slots = {"list/score": rng.normal(0, 3, (U, k)),
             "logging/log_propensity": np.log(rng.random((U, k)))}
    slots.update({f"probability/{h}": rng.random((U, k)) for h in heads})
    columns = {name: np.where(used, v, np.nan).astype(np.float32) for name, v in slots.items()}
    if n.any():  # a list that was repaired, and heads that do not say
        columns["logging/log_propensity"][np.flatnonzero(n)[0]] = np.nan
    columns.update({
        "customer/key": key, "customer/n": n, "customer/flags": flags, "customer/arm": arm,
        "customer/arm_probability": rng.choice([0.2, 0.3, 0.5], U).astype(np.float32),
        "list/item": np.where(used, item, -1).astype(np.int32),
        "list/source": np.where(used, rng.integers(1, 4, (U, k)), 0).astype(np.uint8)})
    return columns


class World:
    """A random run: a few customers, items, heads and parts."""

    def __init__(self, folder, seed, letters=LETTERS, max_customers=40):
        rng = np.random.default_rng(seed)
        U, N, k = (int(rng.integers(1, x)) for x in (max_customers, 30, 7))
        self.heads = sorted(rng.choice(["buy", "click, soon", 'a"b', "spend;x"],
                                       rng.integers(0, 4), replace=False).tolist())
        customer = keys_of(rng, U, rng.random() < 0.3)
        self.item_key = keys_of(rng, N, rng.random() < 0.3, letters)
        self.k, self.U = k, len(customer)
        self.columns = random_columns(rng, customer, len(self.item_key), k, self.heads)
        inside = np.sort(rng.choice(self.U, min(self.U, rng.integers(0, 4)), replace=False))
        cuts = [0] + [int(c) for c in inside if c > 0] + [self.U]
        self.run = write_run(folder, self.item_key, self.columns, cuts)
        self.rng = rng

    def customers(self):
        """What is known of each customer, in order."""
        c, item = self.columns, texts(self.item_key)
        for u, name in enumerate(texts(c["customer/key"])):
            n, flags = int(c["customer/n"][u]), int(c["customer/flags"][u])
            yield {"customer": name, "n": n, "flags": words(flags), "is_out": bool(flags & 32),
                   "arm": int(c["customer/arm"][u]),
                   "arm_probability": c["customer/arm_probability"][u],
                   "items": [item[i] for i in c["list/item"][u][:n]],
                   "scores": c["list/score"][u][:n],
                   "propensities": c["logging/log_propensity"][u][:n],
                   "sources": [["", "model", "popularity", "group_popularity"][s]
                               for s in c["list/source"][u][:n]],
                   "probabilities": {h: c[f"probability/{h}"][u][:n] for h in self.heads}}
