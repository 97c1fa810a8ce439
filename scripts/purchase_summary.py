#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recency, frequency and value of purchase cohorts, as the published CDNOW summary has them
(docs/cards/cdnow.md). --purchases is CDNOW_sample.txt[.zst]: lines "master id, sample id,
YYYYMMDD, CDs, dollars".

  scripts/purchase_summary.py --purchases FILE [--until 1997-09-30] [--check SUMMARY.csv]
A day's purchases count as one. Per customer: x = purchase days after the first, until and with
--until; t_x = weeks from the first to the last of them; T = weeks from the first to --until; zbar
= mean dollars of those x days. Prints CSV; --check compares with a file of the same columns
instead. Exit code 0, 2 (usage), 3 (input) or 6 (they differ)."""
import argparse
import csv
import sys
from pathlib import Path

import numpy as np

import raw_tables
from raw_tables import RawError

COLUMNS = ("ID", "x", "t_x", "T", "zbar")


def read_purchases(path):
    """customer, day (datetime64), dollars of every line."""
    rows = [line.split() for line in raw_tables.unpack(path).decode("ascii").splitlines()]
    for number, row in enumerate(rows, 1):
        if len(row) != 5:
            raise RawError(f"{path}: line {number}: found {len(row)} fields, expected 5")
    try:
        return (np.array([int(r[1]) for r in rows]),
                np.array([f"{r[2][:4]}-{r[2][4:6]}-{r[2][6:]}" for r in rows], "datetime64[D]"),
                np.array([float(r[4]) for r in rows]))
    except ValueError as error:
        raise RawError(f"{path}: {error}") from None


def summary(customer, day, dollars, until):
    """[(ID, x, t_x, T, zbar)] of the customers who bought by `until`, ids ascending."""
    use = day <= until
    customer, day, dollars = customer[use], day[use].astype(np.int64), dollars[use]
    end = np.datetime64(until, "D").astype(np.int64)
    out = []
    for one in np.unique(customer):
        mine = customer == one
        days, place = np.unique(day[mine], return_inverse=True)
        spent = np.bincount(place, dollars[mine])[1:]
        out.append((int(one), len(days) - 1, (days[-1] - days[0]) / 7, (end - days[0]) / 7,
                    float(spent.mean()) if spent.size else 0.0))
    return out


def compare(found, path):
    """Differences beyond the two decimals of the file, as texts."""
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    if tuple(rows[0]) != COLUMNS:
        raise RawError(f"{path}: columns are {','.join(rows[0])}, expected {','.join(COLUMNS)}")
    wanted = {int(row[0]): list(map(float, row[1:])) for row in rows[1:]}
    if set(wanted) != {row[0] for row in found}:
        return [f"{len(found)} customers, expected {len(wanted)}, or other ids"]
    return [f"customer {one}, {name}: found {value:.4f}, expected {expected}"
            for one, *values in found
            for name, value, expected in zip(COLUMNS[1:], values, wanted[one])
            if abs(value - expected) > 0.005 + 1e-9]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--purchases", type=Path, required=True)
    parser.add_argument("--until", default="1997-09-30")
    parser.add_argument("--check", type=Path)
    args = parser.parse_args()
    try:
        purchases = read_purchases(args.purchases)
        found = summary(*purchases, np.datetime64(raw_tables.day(args.until)))
        if args.check is None:
            print(",".join(COLUMNS))
            for one, x, *rest in found:
                print(",".join([str(one), str(x)] + [f"{value:.2f}" for value in rest]))
            return 0
        differences = compare(found, args.check)
    except (RawError, OSError) as error:
        print(f"purchase_summary: {error}", file=sys.stderr)
        return 3
    print("\n".join(differences[:20]) or f"{len(found)} customers, all figures agree")
    return 6 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
