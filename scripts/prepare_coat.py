#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Coat Shopping (Schnabel et al. 2016) as customers with logs of ratings: those that the shoppers
chose to give, with the propensity of each, and those of coats drawn at random. The data is for
research only and not shipped: --raw is a folder with train, test and propensities .ascii[.zst],
user_features and item_features .ascii and their _map.txt.

  scripts/prepare_coat.py --raw FOLDER [--like 4] --out coat
Folders coat/learn (the self-selected ratings), coat/choose (every fifth of the random ones, which
choose the epoch) and coat/random (the others; without coats that the shopper chose to rate as
well). customers.h5 has the shopper and four attributes as
statics and an empty timeline `rated`. labels.h5 has the liked items as /timeline/like and the
ratings as /extra/log: as rewards 1 (at least --like) or 0 in learn, 1 to 5 elsewhere. Propensities
are of one rating: P(rated) over the shopper's number of ratings, 1 / items for a random one.
Exit code 0, 2 (usage) or 3 (raw
data)."""
import argparse
import sys
from pathlib import Path

import numpy as np

import customer_files as files
import raw_tables
from raw_tables import RawError

SEED = 1
HOLD_OUT = 5  # every fifth random rating chooses the epoch


def read_matrix(folder, name):
    """A table of numbers, blanks between them, a line a row."""
    path = next((p for p in (folder / name, folder / f"{name}.zst") if p.exists()), None)
    if path is None:
        raise RawError(f"{folder}: {name} and {name}.zst are not there")
    rows = [line.split() for line in raw_tables.unpack(path).decode("utf-8").splitlines()]
    if not rows or len({len(row) for row in rows}) != 1:
        raise RawError(f"{path}: its lines are not all of one length")
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise RawError(f"{path}: {error}") from None


def read_names(folder, name):
    path = folder / name
    if not path.exists():
        raise RawError(f"{path}: not found")
    return [line.split(":", 1) for line in path.read_text().splitlines() if line]


def read_all(folder):
    raw = {name: read_matrix(folder, f"{name}.ascii")
           for name in ("train", "test", "propensities", "user_features", "item_features")}
    shape = n_users, n_items = raw["train"].shape
    for name, expected in (("test", shape), ("propensities", shape),
                           ("user_features", (n_users, None)), ("item_features", (n_items, None))):
        if len(raw[name]) != expected[0] or expected[1] not in (None, raw[name].shape[1]):
            raise RawError(f"{folder}/{name}.ascii: found {raw[name].shape}, expected {expected}")
    for name in ("train", "test"):
        if not np.isin(raw[name], range(6)).all():
            raise RawError(f"{folder}/{name}.ascii: found a rating that is not 0 to 5")
    if not ((raw["propensities"] > 0) & (raw["propensities"] <= 1)).all():
        raise RawError(f"{folder}/propensities.ascii: expected numbers in (0, 1]")
    for kind in ("user", "item"):
        raw[f"{kind}_names"] = read_names(folder, f"{kind}_features_map.txt")
        if len(raw[f"{kind}_names"]) != raw[f"{kind}_features"].shape[1]:
            raise RawError(f"{folder}/{kind}_features_map.txt: a name per column is expected")
    return raw


def attributes(features, names):
    """{attribute: (category of each row or -1, category names)} of one-hot columns."""
    out = {}
    for attribute in dict.fromkeys(a for a, _ in names):
        columns = [i for i, (a, _) in enumerate(names) if a == attribute]
        table = features[:, columns]
        number = np.where(table.any(axis=1), table.argmax(axis=1), -1)
        out["".join(c for c in attribute if c.isalnum() or c == "_")] = (
            number.astype(np.int32), [names[i][1] for i in columns])
    return out


def write_catalogue(path, raw):
    file = files.open_output(path, "batchrank-catalogue")
    file["/item/key"] = files.fixed(range(1, raw["train"].shape[1] + 1))
    for name, (number, known) in attributes(raw["item_features"], raw["item_names"]).items():
        file[f"/item/group/{name}"] = number
        file[f"/item/group_key/{name}"] = files.fixed(known)
    files.publish(file, path)


def write_part(folder, raw, rating_UN, reward, p_UN, like):
    """One folder; the log is every rating above 0 with its reward and propensity."""
    n = len(rating_UN)
    keys = np.arange(1, n + 1, dtype=np.uint64)
    file = files.open_output(folder / "customers.h5", "batchrank-customers")
    file["/customer/key"] = keys
    none = {"customer": np.zeros(0, np.int64), "item": np.zeros(0, np.int32),
            "time": np.zeros(0, np.int64)}
    files.write_timeline(file, "rated", none, n, "catalogue")
    known = attributes(raw["user_features"], raw["user_names"])
    known["shopper"] = (np.arange(n, dtype=np.int32), range(1, n + 1))
    for name, (number, names) in known.items():
        file[f"/static/{name}"] = number
        file[f"/static_key/{name}"] = files.fixed(names)
    files.publish(file, folder / "customers.h5")
    file = files.open_output(folder / "labels.h5", "batchrank-customers")
    file["/customer/key"] = keys
    customer, item = np.nonzero(rating_UN >= like)
    files.write_timeline(file, "like", {"customer": customer, "item": item.astype(np.int32),
                                        "time": np.zeros(customer.size, np.int64)}, n, "catalogue")
    customer, item = np.nonzero(rating_UN)
    files.write_log(file, np.searchsorted(customer, np.arange(n + 1)), item,
                    reward[customer, item], p_UN[customer, item])
    files.publish(file, folder / "labels.h5")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--like", type=int, default=4, help="the rating that is a success")
    parser.add_argument("--out", type=Path, default=Path("coat"))
    args = parser.parse_args()
    try:
        raw = read_all(args.raw)
    except (RawError, OSError) as error:
        print(f"prepare_coat: {error}", file=sys.stderr)
        return 3
    chosen = raw["train"]
    drawn = raw["test"] * (chosen == 0)  # a coat that the shopper has rated before is no news
    held = np.zeros(drawn.size, dtype=bool)
    held[np.random.default_rng(SEED).permutation(np.flatnonzero(drawn))[::HOLD_OUT]] = True
    held = held.reshape(drawn.shape)
    n_given = np.maximum((chosen > 0).sum(axis=1, keepdims=True), 1)
    uniform = np.full(drawn.shape, 1 / drawn.shape[1])
    write_catalogue(args.out / "catalogue.h5", raw)
    write_part(args.out / "learn", raw, chosen, chosen >= args.like, raw["propensities"] / n_given,
               args.like)
    write_part(args.out / "choose", raw, drawn * held, drawn, uniform, args.like)
    write_part(args.out / "random", raw, drawn * ~held, drawn, uniform, args.like)
    print(f"{len(chosen)} shoppers, {chosen.shape[1]} coats, {(chosen > 0).sum()} self-selected "
          f"ratings, {(drawn > 0).sum()} random ones of other coats in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
