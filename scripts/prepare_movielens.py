#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""MovieLens-1M in the order of SASRec's release as customers.h5, truth.h5, catalogue.h5 and the
published protocol's negatives.npy. The data is for research only and not shipped: --raw is a folder
with ml-1m.txt[.zst] ("user item" lines in time order) and, where there are any, movies.dat[.zst]
and sas_to_original_items.txt for titles and genres.

  scripts/prepare_movielens.py --raw FOLDER [--negatives FILE.u16.zst] --out movielens
The last item of a user is the truth; everything before it is in customers.h5, its place in the
sequence for a time (the release has none). Exit code 0, 2 (usage) or 3 (raw data)."""
import argparse
import sys
from pathlib import Path

import numpy as np

import customer_files as files
import raw_tables
from raw_tables import RawError

N_NEGATIVES = 100


def text_of(folder, name):
    for path in (folder / name, folder / (name + ".zst")):
        if path.exists():
            return path, raw_tables.unpack(path).decode("utf-8")
    return None, ""


def read_events(folder):
    """user and item of every line, numbers from 1, a user's lines together."""
    path, text = text_of(folder, "ml-1m.txt")
    if path is None:
        raise RawError(f"{folder}: ml-1m.txt and ml-1m.txt.zst are not there")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) != 2 or not all(w.isdigit() and int(w) > 0 for w in words):
            raise RawError(f"{path}: line {number}: found '{line}', expected two numbers from 1")
    pairs = np.array([line.split() for line in lines], np.int64)
    if (np.diff(pairs[:, 0]) < 0).any():
        row = int(np.argmax(np.diff(pairs[:, 0]) < 0)) + 2
        raise RawError(f"{path}: line {row}: user {pairs[row - 1, 0]} after a higher one")
    return pairs


def titles(folder, n_items):
    """{item: (title, first genre)}, empty where the files are not there."""
    path, movies = text_of(folder, "movies.dat")
    _, mapping = text_of(folder, "sas_to_original_items.txt")
    if path is None or not mapping:
        return [("", "")] * n_items
    by_id = {}
    for line in movies.splitlines():
        number, title, genres = line.split("::")
        by_id[number] = (title, genres.split("|")[0])
    original = dict(line.split() for line in mapping.splitlines())
    return [by_id.get(original.get(str(i)), ("", "")) for i in range(1, n_items + 1)]


def write_catalogue(path, folder, n_items):
    known = titles(folder, n_items)
    with_file = files.open_output(path, "batchrank-catalogue")
    with_file["/item/key"] = files.fixed(range(1, n_items + 1))
    if any(title for title, _ in known):
        with_file["/item/name"] = files.fixed([title for title, _ in known])
        number, names = files.codes([genre for _, genre in known])
        with_file["/item/group/genre"] = number
        with_file["/item/group_key/genre"] = files.fixed(names)
    files.publish(with_file, path)


def write_customers(path, pairs, place, keep, users):
    with_file = files.open_output(path, "batchrank-customers")
    with_file["/customer/key"] = users.astype(np.uint64)
    events = {"customer": np.searchsorted(users, pairs[keep, 0]),
              "item": (pairs[keep, 1] - 1).astype(np.int32), "time": place[keep]}
    files.write_timeline(with_file, "watch", events, len(users), "catalogue")
    files.publish(with_file, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--negatives", type=Path, help="u16 [users, 100] item numbers, raw or .zst")
    parser.add_argument("--out", type=Path, default=Path("movielens"))
    args = parser.parse_args()
    try:
        pairs = read_events(args.raw)
        users, first = np.unique(pairs[:, 0], return_index=True)
        end = np.append(first[1:], len(pairs))
        place = np.arange(len(pairs)) - np.repeat(first, end - first)
        is_last = np.zeros(len(pairs), bool)
        is_last[end - 1] = True
        n_items = int(pairs[:, 1].max())
        write_catalogue(args.out / "catalogue.h5", args.raw, n_items)
        write_customers(args.out / "customers.h5", pairs, place, ~is_last, users)
        write_customers(args.out / "truth.h5", pairs, place, is_last, users)
        if args.negatives:
            raw = np.frombuffer(raw_tables.unpack(args.negatives), "<u2")
            if raw.size != len(users) * N_NEGATIVES:
                raise RawError(f"{args.negatives}: found {raw.size} numbers, expected "
                               f"{len(users)} x {N_NEGATIVES}")
            np.save(args.out / "negatives.npy",
                    raw.reshape(len(users), N_NEGATIVES).astype(np.float32) - 1)
    except (RawError, OSError) as error:
        print(f"prepare_movielens: {error}", file=sys.stderr)
        return 3
    print(f"{len(users)} users, {n_items} items, {len(pairs)} events in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
