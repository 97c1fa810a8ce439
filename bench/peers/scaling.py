#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the time of score_topk grows: customers, items, D and k each doubled three times from a base
shape, and threads 1 and 2. The shapes of one axis run in turn, so that a busy machine bends none of
them; every list is compared with the exact one before a time is printed. slope = log2 of the time's
ratio to the shape before: 1 is linear, 0 is free.

  peers/bin/python bench/peers/scaling.py --json bench/results/scaling-gauss.json
  peers/bin/python bench/peers/scaling.py --data strong --axis items k
"""
import argparse
import json
import math
import sys
import tempfile
from pathlib import Path

import fair

BASE = {"customers": 1056, "items": 100_000, "dim": 128, "k": 50, "threads": 1}
AXES = {"customers": [1056, 2112, 4224, 8448], "items": [50_000, 100_000, 200_000, 400_000],
        "dim": [32, 64, 128, 256], "k": [25, 50, 100, 200], "threads": [1, 2]}


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--data", choices=["gauss", "mild", "strong", "axis"], default="gauss")
    p.add_argument("--axis", nargs="+", choices=list(AXES), default=list(AXES))
    p.add_argument("--screen", default="auto")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--build", type=Path, default=fair.ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path)
    return p.parse_args()


class Point:
    """One shape: its vectors on disk and a process of ours that holds them."""

    def __init__(self, a, folder, axis, value):
        self.shape = {**BASE, axis: value}
        self.axis, self.value, self.folder = axis, value, folder / f"{axis}-{value}"
        self.folder.mkdir()
        s = self.shape
        self.x, self.z = vectors.make(a.data, s["customers"], s["items"], s["dim"])
        np.save(self.folder / "x.npy", self.x)
        np.save(self.folder / "z.npy", self.z)
        self.ours = side.Ours(a.build, self.folder / "x.npy", self.folder / "z.npy", s["k"],
                              s["threads"], a.screen)

    def count_wrong(self):
        found = self.ours.lists(self.folder / "lists", len(self.x))
        best = least_kth(self.x, self.z, self.shape["k"])
        return exact.count_wrong(found, exact.lists(self.x, self.z, self.shape["k"], best))


def least_kth(x, z, k):
    """What a customer's k-th best score is at least: k items of float32 products, less their
    error."""
    out = np.empty(len(x))
    for b in range(0, len(x), 256):
        score = x[b:b + 256] @ z.T
        out[b:b + 256] = np.partition(score, -k, axis=1)[:, -k]
    return out - exact.reach(x, z)[1]


def run_axis(a, axis):
    with tempfile.TemporaryDirectory() as name:
        points = [Point(a, Path(name), axis, value) for value in AXES[axis]]
        times = np.median(side.interleave([p.ours.run for p in points], a.pairs), axis=1)
        rows = []
        for p, (wall, cpu) in zip(points, times):
            slope = {w: math.log2(t / rows[-1][f"{w}_ms"] * 1e3) if rows else float("nan")
                     for w, t in (("wall", wall), ("cpu", cpu))}
            rows.append({"axis": axis, "value": p.value, "shape": p.shape, "wall_ms": wall * 1e3,
                         "cpu_ms": cpu * 1e3, "wall_slope": slope["wall"],
                         "cpu_slope": slope["cpu"], "rescored": p.ours.rescored,
                         "slow": int(p.ours.slow), "wrong": p.count_wrong()})
            r = rows[-1]
            print(f"{axis:9} {p.value:7} {r['cpu_ms']:9.1f} {r['cpu_slope']:6.2f} "
                  f"{r['wall_ms']:9.1f} {r['wall_slope']:6.2f} {r['rescored']:8.1f} {r['slow']:5} "
                  f"{r['wrong']:6}", flush=True)
            p.ours.close()
    return rows


def main():
    a = words()
    fair.start("numpy", 1, "own")
    global np, exact, side, vectors
    import numpy as np
    import exact
    import side
    import vectors
    head, rows = fair.heading(BASE["threads"]), []
    print(f"# {a.data}, screen {a.screen}, one of these changes at a time: {BASE}; medians of "
          f"{a.pairs} rounds")
    print(f"{'axis':9} {'value':>7} {'cpu ms':>9} {'slope':>6} {'wall ms':>9} {'slope':>6} "
          f"{'rescored':>8} {'slow':>5} {'#wrong':>6}")
    for axis in a.axis:
        rows += run_axis(a, axis)
    if a.json:
        a.json.write_text(json.dumps({**head, "data": a.data, "screen": a.screen, "base": BASE,
                                      "rows": rows}, indent=1) + "\n")
    return 1 if sum(r["wrong"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
