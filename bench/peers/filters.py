#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What filters cost score_topk: segments that leave a customer 50 %, 10 %, 5 % or 1 % of the items,
and never-lists of 50 items (the customer's own best ones), each beside the run without. A segment's
items are picked at random; each customer has one. Runs in turn; lists are checked: no excluded
item, none better left out (float64 scores).

  peers/bin/python bench/peers/filters.py --json bench/results/filters.json
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import fair

SHARES = [0.5, 0.1, 0.05, 0.01]


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--data", nargs="+", choices=["gauss", "mild", "strong"],
                   default=["gauss", "mild"])
    p.add_argument("--items", type=int, default=100_000)
    p.add_argument("--customers", type=int, default=1152)
    p.add_argument("-k", type=int, default=100)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--build", type=Path, default=fair.ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path)
    return p.parse_args()


def segments(rng, n_customers, n_items, share):
    """(require, have): segments of about `share` of the items each, at most 20."""
    n = min(round(1 / share), 20)
    require = np.where(rng.random(n_items) < n * share, 1 << rng.integers(0, n, n_items), 1 << 63)
    return require.astype("<u8"), (1 << rng.integers(0, n, n_customers)).astype("<u8")


def never_lists(x, z, n):
    """(offset, item, pairs): each customer's n best items, ascending."""
    best = [np.sort(np.argpartition(-(z @ v), n)[:n]) for v in x]
    return (np.arange(0, n * len(x) + 1, n, dtype="<i8"), np.concatenate(best).astype("<i4"), best)


def count_wrong(x, z, lists, is_eligible, rows):
    """Of some customers: slots with an excluded item, or beaten by an item that is left out."""
    wrong = 0
    for b in rows:
        items, scores = lists[0][b], lists[1][b]
        eligible = is_eligible(b)
        score = np.where(eligible, z.astype(float) @ x[b].astype(float), -np.inf)
        kth = np.sort(score)[::-1][:len(items)]
        wrong += int((~eligible[items[items >= 0]]).sum())
        wrong += int((np.abs(scores[items >= 0] - kth[:(items >= 0).sum()]) > 1e-4).sum())
    return wrong


def run_data(a, data, folder):
    rng = np.random.default_rng(5)
    x, z = vectors.make(data, a.customers, a.items, 128)
    np.save(folder / "x.npy", x)
    np.save(folder / "z.npy", z)
    sides, eligible = {"none": side.Ours(a.build, folder / "x.npy", folder / "z.npy", a.k, 1)}, {}
    eligible["none"] = lambda b: np.ones(a.items, bool)
    for share in SHARES:
        require, have = segments(rng, a.customers, a.items, share)
        names = [folder / f"require-{share}.npy", folder / f"have-{share}.npy"]
        np.save(names[0], require)
        np.save(names[1], have)
        name = f"segments {share:.0%}"
        sides[name] = side.Ours(a.build, folder / "x.npy", folder / "z.npy", a.k, 1, segments=names)
        eligible[name] = lambda b, r=require, h=have: (r & h[b]) == r
    offset, item, best = never_lists(x, z, 50)
    np.save(folder / "offset.npy", offset)
    np.save(folder / "item.npy", item)
    sides["never 50"] = side.Ours(a.build, folder / "x.npy", folder / "z.npy", a.k, 1,
                                  never=[folder / "offset.npy", folder / "item.npy"])
    eligible["never 50"] = lambda b: ~np.isin(np.arange(a.items), best[b])
    times = side.interleave([s.run for s in sides.values()], a.pairs)
    rows, sample = [], range(0, a.customers, a.customers // 64)
    for at, (name, s) in enumerate(sides.items()):
        r = side.ratio(times[at, :, 1], times[0, :, 1])
        rows.append({"data": data, "items": a.items, "k": a.k, "filter": name,
                     "us": float(np.median(times[at, :, 1])) / a.customers * 1e6, "beside_none": r,
                     "rescored": s.rescored, "slow": int(s.slow),
                     "wrong": count_wrong(x, z, s.lists(folder / "lists", a.customers),
                                          eligible[name], sample)})
        print(f"{data:7} {name:13} {rows[-1]['us']:8.1f} {side.show(r)} {s.rescored:8.1f} "
              f"{int(s.slow):5} {rows[-1]['wrong']:6}", flush=True)
        s.close()
    return rows


def main():
    a = words()
    fair.start("numpy", 1, "own")
    global np, side, vectors
    import numpy as np
    import side
    import vectors
    head, rows = fair.heading(1), []
    print(f"# N {a.items}, D 128, k {a.k}, one thread, processor time; medians of {a.pairs} rounds")
    print(f"{'data':7} {'filter':13} {'us':>8} {'beside none':>26} {'rescored':>8} {'slow':>5} "
          f"{'#wrong':>6}")
    for data in a.data:
        with tempfile.TemporaryDirectory() as name:
            rows += run_data(a, data, Path(name))
    if a.json:
        a.json.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")
    return 1 if sum(r["wrong"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
