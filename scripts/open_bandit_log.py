#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One log of the Open Bandit data (Apache-2.0) for `batchrank evaluate --log`: every impression is
a list of one row at its place. --policy tables say what another policy would show: item_id and
p_place1, p_place2, p_place3, the probability of the item at each place.

  scripts/open_bandit_log.py --raw FOLDER --log random --policy bts=bts_policy.csv --out log.h5
Targets: the tables by name, and `uniform`. The reward model of all of them is the smoothed click
rate of item and place in the same log, (clicks + 1) / (impressions + 200). Exit code 0, 2 or 3."""
import argparse
import csv
import sys
from pathlib import Path

import numpy as np

import customer_files as files
import prepare_open_bandit as bandit
import raw_tables
from raw_tables import RawError

PLACES = (1, 2, 3)
PRIOR = (1, 200)


def read_policy(path, n_items):
    """Probability of each item at each place, [n_items, 3]."""
    with open(path, newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    names = ["item_id"] + [f"p_place{p}" for p in PLACES]
    missing = set(names) - set(rows[0] if rows else ())
    if missing:
        raise RawError(f"{path}: column {sorted(missing)[0]} is not there")
    item, *p = (raw_tables.numbers(path, n, [r[n] for r in rows],
                                   np.int64 if n == "item_id" else np.float64) for n in names)
    if sorted(item) != list(range(n_items)):
        raise RawError(f"{path}: expected each item_id from 0 to {n_items - 1} once")
    table = np.empty((n_items, len(PLACES)))
    table[item] = np.column_stack(p)
    sums = table.sum(axis=0)
    if (table < 0).any() or np.abs(sums - 1).max() > 1e-6:
        raise RawError(f"{path}: the probabilities of a place add up to {sums.tolist()}, "
                       "expected 1")
    return table


def click_rates(item, place, click, n_items):
    cell, n = item * len(PLACES) + place, n_items * len(PLACES)
    rate = (np.bincount(cell, click, n) + PRIOR[0]) / (np.bincount(cell, minlength=n) + PRIOR[1])
    return rate.reshape(n_items, len(PLACES))


def write_log(file, log, name, policies, n_items):
    item, place = log["item"], log["place"] - 1
    file["/shown/customer"] = files.fixed([f"{name}-{i}" for i in range(item.size)])
    file["/shown/item"] = files.fixed(item)
    file["/shown/position"] = log["place"].astype(np.int32)
    file["/shown/log_propensity"] = np.log(log["p"])
    file["/shown/reward"] = log["click"].astype(np.float64)
    q_NP = click_rates(item, place, log["click"], n_items)
    for target, pi_NP in policies.items():
        with np.errstate(divide="ignore"):
            file[f"/target/{target}/log_probability"] = np.log(pi_NP[item, place])
        file[f"/target/{target}/reward"] = q_NP[item, place]
        file[f"/target/{target}/value"] = (pi_NP * q_NP).sum(axis=0)[place]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--log", choices=bandit.LOGS, required=True)
    parser.add_argument("--policy", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        log = bandit.read_log(args.raw, args.log)
        n_items = log["affinity"].shape[1]
        if not np.isin(log["place"], PLACES).all():
            raise RawError(f"{args.raw}: {args.log}: a position that is not 1, 2 or 3")
        policies = {"uniform": np.full((n_items, len(PLACES)), 1 / n_items)}
        for text in args.policy:
            name, is_named, path = text.partition("=")
            if not is_named or not name or "/" in name:
                parser.error(f"--policy: found '{text}', expected NAME=FILE")
            policies[name] = read_policy(Path(path), n_items)
    except (RawError, OSError, ValueError) as error:
        print(f"open_bandit_log: {error}", file=sys.stderr)
        return 3
    file = files.open_output(args.out, "batchrank-log")
    write_log(file, log, args.log, policies, n_items)
    files.publish(file, args.out)
    print(f"{args.out}: {log['item'].size} impressions, {log['click'].sum()} clicks, "
          f"targets {', '.join(policies)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
