#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HR@k, NDCG@k and their bootstrap intervals of lists that the engine wrote, several side by side.

  scripts/measure_lists.py --truth labels.h5 --label purchase --at 10 \\
      --lists model=run/lists.h5 als=als-run/lists.h5 --popularity customers.h5 \\
      --catalogue catalogue.h5 [--json OUT.json]
Every distinct (customer, item) of the label is one case with one item to be found; intervals are
percentiles of 2,000 resamples of customers (their cases belong together). The first list is
compared with each other one on the same resamples. `popularity` and `own` (popularity mixed with
how often the customer itself did it, share 0.2) are made here from a timeline of --popularity.
Exit code 0, 2 (usage) or 3 (a file is not what it should be)."""
import argparse
import json
import sys

import h5py
import numpy as np

N_RESAMPLES, SEED, OWN_SHARE = 2000, 20261128, 0.2


class MeasureError(Exception):
    pass


def opened(path):
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise MeasureError(f"{path}: {error}") from None


def row_in(keys, wanted, path):
    """Row in `keys` of each wanted key."""
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    row = order[place]
    if (keys[row] != wanted).any():
        at = int(np.argmax(keys[row] != wanted))
        raise MeasureError(f"{path}: customer {wanted[at]} is not there")
    return row


def read_cases(path, label, n_items):
    """customer key [U], and the distinct cases: row [P], catalogue row [P]."""
    with opened(path) as file:
        name = f"/timeline/{label}"
        if name not in file:
            raise MeasureError(f"{path}: {name} is not there")
        offset, item = file[name + "/offset"][:].astype(np.int64), file[name + "/item"][:]
        keys = file["/customer/key"][:]
    row = np.repeat(np.arange(len(keys)), np.diff(offset))
    pair = np.unique(row * n_items + item)
    return keys, pair // n_items, pair % n_items


def read_lists(path, keys, item_keys, k):
    """[U, k] catalogue rows, -1 where a slot is empty, customers in the order of keys."""
    with opened(path) as file:
        for name in ("/customer/key", "/list/item", "/item/key"):
            if name not in file:
                raise MeasureError(f"{path}: {name} is not there")
        item_UK = file["/list/item"][:][row_in(file["/customer/key"][:], keys, path), :k]
        own_keys = file["/item/key"][:]
    if item_UK.shape[1] < k:
        raise MeasureError(f"{path}: lists of {item_UK.shape[1]} items, expected at least {k}")
    order = np.argsort(item_keys, kind="stable")
    place = np.minimum(np.searchsorted(item_keys, own_keys, sorter=order), len(item_keys) - 1)
    known = item_keys[order[place]] == own_keys
    to_catalogue = np.append(np.where(known, order[place], -1), -1)
    return to_catalogue[item_UK]


def plain_lists(path, modality, keys, n_items, k, own_share):
    """[U, k] by popularity; own_share > 0 mixes in the customer's own counts."""
    with opened(path) as file:
        name = f"/timeline/{modality}"
        if name not in file:
            raise MeasureError(f"{path}: {name} is not there")
        offset, item = file[name + "/offset"][:].astype(np.int64), file[name + "/item"][:]
        row = row_in(file["/customer/key"][:], keys, path)
    popular = np.bincount(item, minlength=n_items) / max(1, len(item))
    if own_share == 0:
        return np.tile(np.argsort(-popular, kind="stable")[:k], (len(keys), 1))
    top_UK = np.empty((len(keys), k), np.int64)
    for u, r in enumerate(row):
        own = np.bincount(item[offset[r]:offset[r + 1]], minlength=n_items)
        score = (1 - own_share) * popular + own_share * own / max(1, own.sum())
        top_UK[u] = np.argsort(-score, kind="stable")[:k]
    return top_UK


def gains(top_UK, row, item):
    """Per case: hit (0 or 1) and discounted gain."""
    hit_PK = top_UK[row] == item[:, None]
    return hit_PK.any(1).astype(float), (hit_PK / np.log2(np.arange(top_UK.shape[1]) + 2)).sum(1)


def resampled(value_P, row, n_customers):
    """Means of the cases over N_RESAMPLES draws of customers."""
    rng = np.random.default_rng(SEED)
    total = np.bincount(row, value_P, minlength=n_customers)
    count = np.bincount(row, minlength=n_customers)
    has = np.flatnonzero(count)
    draws = rng.integers(0, len(has), (N_RESAMPLES, len(has)))
    return total[has][draws].sum(1) / count[has][draws].sum(1)


def interval(values):
    return [float(v) for v in np.percentile(values, (2.5, 97.5))]


def compare(lists, row, item, n_customers):
    """{name: {"hr", "hr_95", "ndcg", "ndcg_95"}, and for all but the first what the first is
    better by: "hr_lead", "hr_lead_95", ...}"""
    out, first = {}, None
    for name, top_UK in lists.items():
        out[name] = {}
        for measure, value in zip(("hr", "ndcg"), gains(top_UK, row, item)):
            draws = resampled(value, row, n_customers)
            out[name] |= {measure: float(value.mean()), f"{measure}_95": interval(draws)}
            if first is None:
                continue
            lead = first[measure][0] - value
            out[name] |= {f"{measure}_lead": float(lead.mean()),
                          f"{measure}_lead_95": interval(resampled(lead, row, n_customers))}
        if first is None:
            hit, gain = gains(top_UK, row, item)
            first = {"hr": (hit,), "ndcg": (gain,)}
    return out


def show(result, n_cases, label, k):
    print(f"{label}: {n_cases} cases; lead: of the first list, with its 95 % interval")
    print(f"{'list':<12} {'HR@' + str(k):>8} {'95 %':>17} {'NDCG@' + str(k):>8} {'95 %':>17} "
          f"{'HR lead':>25} {'NDCG lead':>25}")
    for name, m in result.items():
        def pair(key):
            return f"{m[key][0]:.4f}..{m[key][1]:.4f}"

        def lead(key):
            return f"{m[key]:+.4f} ({m[key + '_95'][0]:+.4f}..{m[key + '_95'][1]:+.4f})" \
                if key in m else ""

        print(f"{name:<12} {m['hr']:>8.4f} {pair('hr_95'):>17} {m['ndcg']:>8.4f} "
              f"{pair('ndcg_95'):>17} {lead('hr_lead'):>25} {lead('ndcg_lead'):>25}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", required=True, help="labels.h5 or truth.h5")
    parser.add_argument("--label", default="purchase", help="its timeline")
    parser.add_argument("--catalogue", required=True)
    parser.add_argument("--lists", nargs="+", required=True, metavar="NAME=FILE")
    parser.add_argument("--popularity", metavar="FILE", help="customers.h5 to count in")
    parser.add_argument("--modality", default="purchase", help="timeline that is counted")
    parser.add_argument("--at", type=int, default=10)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    if not all("=" in text for text in args.lists):
        parser.error("--lists takes NAME=FILE")
    return args


def main():
    args = parse_arguments()
    try:
        with opened(args.catalogue) as file:
            item_keys = file["/item/key"][:]
        keys, row, item = read_cases(args.truth, args.label, len(item_keys))
        if len(row) == 0:
            raise MeasureError(f"{args.truth}: /timeline/{args.label} is empty")
        lists = {}
        for name, path in (text.split("=", 1) for text in args.lists):
            lists[name] = read_lists(path, keys, item_keys, args.at)
        for name, share in (("popularity", 0.0), ("own", OWN_SHARE)) if args.popularity else ():
            lists[name] = plain_lists(args.popularity, args.modality, keys, len(item_keys),
                                      args.at, share)
    except MeasureError as error:
        print(f"measure_lists: {error}", file=sys.stderr)
        return 3
    result = compare(lists, row, item, len(keys))
    show(result, len(row), args.label, args.at)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"label": args.label, "at": args.at, "cases": len(row), "lists": result},
                      file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
