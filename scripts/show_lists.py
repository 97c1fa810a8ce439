#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints ranked lists for people: customers' item names, scores, probabilities and survival.

Called by quickstart.sh after the demo job, or by hand on any lists.h5 (docs/FORMATS.md):
  scripts/show_lists.py --lists demo/run/lists.h5 --catalogue demo/data/catalogue.h5
Customers are given by --key, or taken evenly from the file. With --customers their last purchases
are shown as well. Exit code 0, or 3 with a message when a file is not what it should be.
"""
import argparse
import sys

import h5py
import numpy as np


class ShowError(Exception):
    pass


def text(key):
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def open_file(path):
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ShowError(f"{path}: cannot be opened as HDF5 ({error})") from None


def dataset(file, name):
    if name not in file:
        raise ShowError(f"{file.filename}: {name} is missing")
    return file[name]


def pick_rows(keys, n_filled, wanted, n_rows):
    """Rows of the wanted keys, or n_rows evenly spread over the customers that have a list."""
    if wanted:
        place = {text(k): i for i, k in enumerate(keys)}
        for key in wanted:
            if key not in place:
                raise ShowError(f"customer '{key}' is not in the lists")
        return [place[key] for key in wanted]
    listed = np.flatnonzero(n_filled > 0)
    if listed.size == 0:
        raise ShowError("no customer has a list")
    return listed[np.linspace(0, listed.size - 1, min(n_rows, listed.size)).astype(int)]


def item_names(lists, catalogue):
    """Names by the rows of the lists (joined by key), and by those of the catalogue."""
    keys = [text(k) for k in dataset(catalogue, "/item/key")[:]]
    names = [text(n) for n in catalogue["/item/name"][:]] if "/item/name" in catalogue else keys
    by_key = dict(zip(keys, names))
    listed = [text(k) for k in dataset(lists, "/item/key")[:]]
    return [by_key.get(k, k) for k in listed], names


def last_purchases(customers, names, key, n):
    keys = dataset(customers, "/customer/key")[:]
    row = np.flatnonzero(keys == key)
    if row.size == 0 or "/timeline/purchase" not in customers:
        return []
    first, end = dataset(customers, "/timeline/purchase/offset")[row[0]:row[0] + 2].astype(int)
    items = customers["/timeline/purchase/item"][max(first, end - n):end]
    return [names[int(i)] for i in items[::-1]]


def print_survival(lists, row):
    """S at the end of each period, by head."""
    for head in lists.get("/survival", ()):
        curve = lists["/survival/" + head]
        if np.isfinite(curve[row]).all():
            print(f"    S({head}), every {curve.attrs['period_s']} s  "
                  + " ".join(f"{s:.4f}" for s in curve[row]))


def show(args):
    lists, catalogue = open_file(args.lists), open_file(args.catalogue)
    customers = open_file(args.customers) if args.customers else None
    keys, n_filled = dataset(lists, "/customer/key")[:], dataset(lists, "/customer/n")[:]
    item, score = dataset(lists, "/list/item"), dataset(lists, "/list/score")
    heads = sorted(lists["/probability"]) if "/probability" in lists else []
    listed_names, catalogue_names = item_names(lists, catalogue)
    for row in pick_rows(keys, n_filled, args.key, args.rows):
        print(f"customer {text(keys[row])}: {n_filled[row]} items")
        if customers is not None:
            for name in last_purchases(customers, catalogue_names, keys[row], 3):
                print(f"    bought  {name[:84]}")
        print_survival(lists, row)
        print("  rank    score  " + "".join(f"{'p(' + h + ')':>15}" for h in heads) + "  item")
        for j in range(min(args.top, int(n_filled[row]))):
            p = "".join(f"{lists['/probability/' + h][row, j]:15.4f}" for h in heads)
            name = listed_names[int(item[row, j])]
            print(f"  {j + 1:4d} {score[row, j]:8.3f}  {p}  {name[:84]}")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lists", required=True)
    parser.add_argument("--catalogue", required=True)
    parser.add_argument("--customers", help="customers.h5, to show what was bought last")
    parser.add_argument("--key", nargs="+", help="customers to show (default: spread evenly)")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--top", type=int, default=5)
    try:
        show(parser.parse_args())
    except ShowError as error:
        print(f"show_lists: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
