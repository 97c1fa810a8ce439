#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Open Bandit logs of one campaign (Apache-2.0) as customers with a log of shown items, their
rewards and propensities. --raw is a folder with random.csv[.zst] and bts.csv[.zst]: what uniform
draws and Bernoulli Thompson sampling showed, place by place.

  scripts/prepare_open_bandit.py --raw FOLDER --out bandit
The release has no customer ids, so each impression is a customer: static user_feature_0..3 and
place, timeline `affinity` (the items it has an affinity to, weakest first), one row of /extra/log
(item, click, log propensity) and `click` in labels.h5. Folders bandit/LOG-PART: `before` has the
first five days, `after` the last two, `all` both. Exit code 0, 2 (usage) or 3 (raw data)."""
import argparse
import csv
import datetime
import io
import sys
from pathlib import Path

import numpy as np

import customer_files as files
import raw_tables
from raw_tables import DAY_S, RawError

LOGS = ("random", "bts")
STATICS = tuple(f"user_feature_{i}" for i in range(4))
PARTS = {"before": (0, 5), "after": (5, 7), "all": (0, 7)}  # days of the log


def read_log(folder, name):
    """The columns of one log, in the order of time."""
    path = next((p for p in (folder / f"{name}.csv", folder / f"{name}.csv.zst") if p.exists()),
                None)
    if path is None:
        raise RawError(f"{folder}: {name}.csv and {name}.csv.zst are not there")
    rows = list(csv.DictReader(io.StringIO(raw_tables.unpack(path).decode("utf-8"))))
    wanted = {"timestamp", "item_id", "position", "click", "propensity_score", *STATICS}
    missing = wanted - set(rows[0] if rows else ())
    if missing:
        raise RawError(f"{path}: column {sorted(missing)[0]} is not there")

    def numbers(column, dtype):
        return raw_tables.numbers(path, column, [r[column] for r in rows], dtype)

    affinity = sorted((c for c in rows[0] if c.startswith("user-item_affinity_")),
                      key=lambda c: int(c.rsplit("_", 1)[1]))
    out = {"item": numbers("item_id", np.int64), "place": numbers("position", np.int64),
           "click": numbers("click", np.int64), "p": numbers("propensity_score", np.float64),
           "time": raw_tables.utc_seconds(path, "timestamp", [r["timestamp"][:19] for r in rows],
                                          datetime.timezone.utc),
           "affinity": np.column_stack([numbers(c, np.float64) for c in affinity]),
           "static": {s: [r[s] for r in rows] for s in STATICS}}
    check_log(path, out, len(affinity))
    order = np.argsort(out["time"], kind="stable")
    statics = {s: [v[i] for i in order] for s, v in out.pop("static").items()}
    return {**{name: column[order] for name, column in out.items()}, "static": statics}


def check_log(path, log, n_items):
    for what, bad in (("propensity_score in (0, 1]", ~((log["p"] > 0) & (log["p"] <= 1))),
                      ("click 0 or 1", ~np.isin(log["click"], (0, 1))),
                      (f"item_id below {n_items}",
                       (log["item"] < 0) | (log["item"] >= n_items))):
        if bad.any():
            raise RawError(f"{path}: row {int(np.argmax(bad)) + 2}: expected {what}")


def affinity_events(affinity_UN):
    """Items with an affinity as events, the weakest first; times only keep that order."""
    customer, item = np.nonzero(affinity_UN)
    order = np.lexsort((item, affinity_UN[customer, item], customer))
    customer, item = customer[order], item[order]
    first = np.searchsorted(customer, customer)
    return {"customer": customer, "item": item.astype(np.int32),
            "time": np.arange(customer.size) - first}


def write_part(folder, log, use, keys, names):
    """customers.h5 and labels.h5 of the impressions of one part."""
    n = int(use.sum())
    file = files.open_output(folder / "customers.h5", "batchrank-customers")
    file["/customer/key"] = keys[use]
    files.write_timeline(file, "affinity", affinity_events(log["affinity"][use]), n, "catalogue")
    for name, known in names.items():
        number = np.array([known.index(v) for v in log["static"][name]], dtype=np.int32)
        file[f"/static/{name}"] = number[use]
        file[f"/static_key/{name}"] = files.fixed(known)
    file["/static/place"] = (log["place"][use] - 1).astype(np.int32)
    file["/static_key/place"] = files.fixed([1, 2, 3])
    files.publish(file, folder / "customers.h5")
    file = files.open_output(folder / "labels.h5", "batchrank-customers")
    file["/customer/key"] = keys[use]
    clicked = np.flatnonzero(log["click"][use])
    files.write_timeline(file, "click", {
        "customer": clicked, "item": log["item"][use][clicked].astype(np.int32),
        "time": log["time"][use][clicked]}, n, "catalogue")
    files.write_log(file, np.arange(n + 1), log["item"][use], log["click"][use], log["p"][use])
    files.publish(file, folder / "labels.h5")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("bandit"))
    args = parser.parse_args()
    try:
        logs = {name: read_log(args.raw, name) for name in LOGS}
    except (RawError, OSError, ValueError) as error:
        print(f"prepare_open_bandit: {error}", file=sys.stderr)
        return 3
    names = {s: sorted({v for log in logs.values() for v in log["static"][s]}) for s in STATICS}
    n_items = logs[LOGS[0]]["affinity"].shape[1]
    file = files.open_output(args.out / "catalogue.h5", "batchrank-catalogue")
    file["/item/key"] = files.fixed(range(n_items))
    files.publish(file, args.out / "catalogue.h5")
    for name, log in logs.items():
        keys = files.fixed([f"{name}-{i}" for i in range(log["item"].size)])
        day = (log["time"] - log["time"].min() // DAY_S * DAY_S) // DAY_S
        for part, (first, end) in PARTS.items():
            write_part(args.out / f"{name}-{part}", log, (day >= first) & (day < end), keys, names)
        print(f"{name}: {log['item'].size} impressions, {log['click'].sum()} clicks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
