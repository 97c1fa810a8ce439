#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""AUC and calibration error of the probabilities that the engine wrote, against what came after.

  scripts/measure_heads.py --lists run/lists.h5 --labels labels.h5 \\
      --head purchase --head redemption --survival lapse=purchase [--json OUT.json]
A head's cases are its listed items (what the customer then did is its label, NAME or NAME=TIMELINE
of labels.h5); a survival head has one case per customer, S at the end of its last period, true
where the timeline has no event until then. Customers without a probability are left out.
ECE: mean |predicted - observed| over ten bins of equally many cases. Exit code 0, 2 (usage), 3."""
import argparse
import json
import sys

import h5py
import numpy as np

from measure_lists import MeasureError, opened, row_in
from training.figures import auc, expected_error


def timeline(file, path, name):
    if f"/timeline/{name}" not in file:
        raise MeasureError(f"{path}: /timeline/{name} is not there")
    group = file[f"/timeline/{name}"]
    return group["offset"][:].astype(np.int64), group["item"][:], group["time"][:]


def dataset(file, path, name):
    if name not in file:
        raise MeasureError(f"{path}: {name} is not there")
    return file[name]


def item_cases(lists, labels, args, head, label, row):
    """p and label of every listed item that has a probability. row: of labels.h5 per list."""
    offset, item, _ = timeline(labels, args.labels, label)
    p_UK = dataset(lists, args.lists, f"/probability/{head}")[:]
    item_UK = lists["/list/item"][:].astype(np.int64)
    n_items = int(max(item.max(initial=0), item_UK.max())) + 1
    customer = np.repeat(np.arange(len(offset) - 1), np.diff(offset))
    did = np.unique(customer * n_items + item)
    seen_UK = np.isin(row[:, None] * n_items + item_UK, did)
    use_UK = (item_UK >= 0) & np.isfinite(p_UK)
    return p_UK[use_UK], seen_UK[use_UK]


def survival_cases(lists, labels, args, head, label, row):
    offset, _, time = timeline(labels, args.labels, label)
    s_UP = dataset(lists, args.lists, f"/survival/{head}")
    end = int(dataset(labels, args.labels, "/extra/as_of")[()]) \
        + s_UP.shape[1] * int(s_UP.attrs["period_s"])
    first = np.append(time, np.iinfo(np.int64).max)[np.where(
        np.diff(offset) > 0, offset[:-1], len(time))]
    s_U = s_UP[:, -1]
    use = np.isfinite(s_U)
    return s_U[use], (first[row] >= end)[use]


def figures(p, label):
    p, label = p.astype(np.float64), label.astype(np.float64)
    return {"cases": len(p), "responses": int(label.sum()), "auc": auc(p, label),
            "mean_predicted": float(p.mean()), "observed": float(label.mean()),
            "ece": expected_error(p, label)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--head", action="append", default=[], metavar="NAME[=TIMELINE]")
    parser.add_argument("--survival", action="append", default=[], metavar="NAME[=TIMELINE]")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    if not args.head and not args.survival:
        parser.error("--head or --survival is needed")
    return args


def main():
    args = parse_arguments()
    try:
        with opened(args.lists) as lists, opened(args.labels) as labels:
            row = row_in(labels["/customer/key"][:], lists["/customer/key"][:], args.labels)
            out = {}
            for kind, texts in ((item_cases, args.head), (survival_cases, args.survival)):
                for text in texts:
                    head, _, label = text.partition("=")
                    out[head] = figures(*kind(lists, labels, args, head, label or head, row))
    except MeasureError as error:
        print(f"measure_heads: {error}", file=sys.stderr)
        return 3
    print(f"{'head':<12} {'cases':>8} {'responses':>9} {'AUC':>7} {'mean':>9} {'observed':>9} "
          f"{'ECE':>8}")
    for head, m in out.items():
        shown = f"{m['auc']:.4f}" if m["auc"] is not None else "-"
        print(f"{head:<12} {m['cases']:>8} {m['responses']:>9} {shown:>7} "
              f"{m['mean_predicted']:>9.5f} {m['observed']:>9.5f} {m['ece']:>8.5f}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(out, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
