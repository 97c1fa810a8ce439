#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Last.fm as S3-Rec released it as customers.h5, truth.h5, catalogue.h5 and the 99 published
negatives per user in negatives.npy. The data is for research only and not shipped: --raw is a
folder with LastFM.txt[.zst] ("user item item ..." in time order), LastFM_sample.txt[.zst] ("user"
and its negatives) and LastFM_item2attributes.json[.zst] ({"item": [tag, ...]}).

  scripts/prepare_lastfm.py --raw FOLDER --out lastfm
The last item of a user is the truth; everything before it is in customers.h5, its place in the
sequence for a time (the release has none). Tags are in catalogue.h5: /extra/tags f32 [N, --dims]
(TF-IDF, truncated SVD) and the most telling one as /item/group/tag. One page: docs/cards/lastfm.md.
Exit code 0, 2 (usage) or 3 (raw data)."""
import argparse
import json
import sys
from pathlib import Path

import numpy as np

import customer_files as files
import item_text
import raw_tables
from raw_tables import RawError


def read_text(folder, name):
    for path in (folder / name, folder / (name + ".zst")):
        if path.exists():
            return path, raw_tables.unpack(path).decode("utf-8")
    raise RawError(f"{folder}: {name} and {name}.zst are not there")


def read_lists(folder, name):
    """[(user, [item, ...])] of lines "user item item ...", numbers from 1, users ascending."""
    path, text = read_text(folder, name)
    out = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if len(words) < 2 or not all(w.isdigit() and int(w) > 0 for w in words):
            raise RawError(f"{path}: line {number}: found '{line[:60]}', expected a user and "
                           "items, all numbers from 1")
        user, *items = map(int, words)
        if out and user <= out[-1][0]:
            raise RawError(f"{path}: line {number}: user {user} after {out[-1][0]}")
        out.append((user, items))
    if not out:
        raise RawError(f"{path}: it is empty")
    return path, out


def read_negatives(folder, users, n_items):
    """Catalogue rows, f32 [U, n]."""
    path, lists = read_lists(folder, "LastFM_sample.txt")
    if [user for user, _ in lists] != users:
        raise RawError(f"{path}: its users are not those of LastFM.txt")
    if len({len(items) for _, items in lists}) != 1:
        raise RawError(f"{path}: its lines are not all of one length")
    table = np.array([items for _, items in lists])
    if table.max() > n_items:
        raise RawError(f"{path}: found item {table.max()}, expected 1 to {n_items}")
    return table.astype(np.float32) - 1


def read_tags(folder, n_items):
    """How often each item was given each tag, f64 [N, V], and the tags' names, ascending."""
    path, text = read_text(folder, "LastFM_item2attributes.json")
    try:
        raw = json.loads(text)
        pairs = np.array([(int(item), int(tag)) for item, tags in raw.items() for tag in tags])
    except (ValueError, AttributeError, TypeError) as error:
        raise RawError(f"{path}: {error}; expected {{\"item\": [tag, ...]}}") from None
    pairs = pairs.reshape(-1, 2)
    pairs = pairs[(pairs[:, 0] >= 1) & (pairs[:, 0] <= n_items)]
    names, column = np.unique(pairs[:, 1], return_inverse=True)
    count = np.zeros((n_items, len(names)))
    np.add.at(count, (pairs[:, 0] - 1, column), 1)
    return count, names


def tf_idf(count_NV):
    """log(1 + count) x inverse frequency, rows of length 1 (0 without a tag)."""
    n_with = (count_NV > 0).sum(axis=0)
    table = np.log1p(count_NV) * (np.log((1 + len(count_NV)) / (1 + n_with)) + 1)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return table / np.where(length > 0, length, 1)


def write_catalogue(path, folder, n_items, n_dims):
    count_NV, names = read_tags(folder, n_items)
    weight_NV = tf_idf(count_NV)
    file = files.open_output(path, "batchrank-catalogue")
    file["/item/key"] = files.fixed(range(1, n_items + 1))
    if len(names):
        has = weight_NV.any(axis=1)
        file["/item/group/tag"] = np.where(has, weight_NV.argmax(axis=1), -1).astype(np.int32)
        file["/item/group_key/tag"] = files.fixed(names)
        file["/extra/tags"] = item_text.truncated_svd(weight_NV, n_dims).astype(np.float32)
    files.publish(file, path)
    return len(names)


def write_customers(path, users, lists, first):
    """Events of each user; first: place of a list's first item in the whole sequence, [U]."""
    length = np.array([len(items) for items in lists])
    start = np.cumsum(length) - length
    file = files.open_output(path, "batchrank-customers")
    file["/customer/key"] = np.array(users, dtype=np.uint64)
    events = {"customer": np.repeat(np.arange(len(users)), length),
              "item": np.array([i - 1 for items in lists for i in items], dtype=np.int32),
              "time": np.arange(length.sum()) - np.repeat(start - first, length)}
    files.write_timeline(file, "listen", events, len(users), "catalogue")
    files.publish(file, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--dims", type=int, default=64, help="columns of /extra/tags")
    parser.add_argument("--out", type=Path, default=Path("lastfm"))
    args = parser.parse_args()
    try:
        _, lines = read_lists(args.raw, "LastFM.txt")
        users, lists = [user for user, _ in lines], [items for _, items in lines]
        n_items = max(max(items) for items in lists)
        negatives = read_negatives(args.raw, users, n_items)
        n_tags = write_catalogue(args.out / "catalogue.h5", args.raw, n_items, args.dims)
        none = np.zeros(len(lists), dtype=np.int64)
        write_customers(args.out / "customers.h5", users, [x[:-1] for x in lists], none)
        write_customers(args.out / "truth.h5", users, [x[-1:] for x in lists],
                        none + [len(x) - 1 for x in lists])
        np.save(args.out / "negatives.npy", negatives)
    except (RawError, OSError) as error:
        print(f"prepare_lastfm: {error}", file=sys.stderr)
        return 3
    print(f"{len(users)} users, {n_items} items, {sum(map(len, lists))} events, {n_tags} tags "
          f"in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
