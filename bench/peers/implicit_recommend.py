#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
r"""score_topk beside `recommend` of implicit on the processor, for all customers of an ALS model,
with what they already have left out on both sides: filter_already_liked_items there, never-lists
here. The same factors, k and threads, runs interleaved; the median of the rounds' ratios with their
range, by processor time and by the wall. Our lists are compared with exact ones (exact.py), items
and score bits; `different` counts customers whose list from implicit differs from these by more
than float32 rounding of its scores.

  peers/bin/python bench/peers/real_vectors.py als --data DATA --out OUT \
      --set movielens-1m synthetic
  peers/bin/python bench/peers/implicit_recommend.py --model OUT/als-movielens-1m OUT/als-synthetic
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import fair

GOAL = 20.0


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--model", nargs="+", required=True, help="names before -x.npy, -z.npy, ...")
    p.add_argument("-k", type=int, nargs="+", default=[10, 100])
    p.add_argument("--screen", nargs="+", default=["auto"])
    p.add_argument("--customers", type=int, help="only so many, the first ones")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--coretype", default="best", help="OpenBLAS kernels: best, own, or a name")
    p.add_argument("--build", type=Path, default=fair.ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path)
    return p.parse_args()


class Model:
    def __init__(self, a, name, folder):
        from implicit.cpu.als import AlternatingLeastSquares
        self.name, self.folder = Path(name).name, folder
        self.x, self.z = np.load(f"{name}-x.npy"), np.load(f"{name}-z.npy")
        self.offset, self.item = np.load(f"{name}-offset.npy"), np.load(f"{name}-item.npy")
        n = min(a.customers or len(self.x), len(self.x))
        self.x, self.offset = self.x[:n], self.offset[:n + 1]
        self.item = self.item[:self.offset[-1]]
        for what in ("x", "z", "offset", "item"):
            np.save(folder / f"{what}.npy", getattr(self, what))
        self.have = sparse.csr_matrix((np.ones(len(self.item), np.float32), self.item, self.offset),
                                      (n, len(self.z)))
        self.peer = AlternatingLeastSquares(self.z.shape[1], num_threads=a.threads)
        self.peer.user_factors, self.peer.item_factors = self.x, self.z
        self.user = np.arange(n)

    def recommend(self, k):
        self.found = self.peer.recommend(self.user, self.have, N=k, filter_already_liked_items=True)

    def exact(self, k):
        """Exact lists, and the float32 error of a score of each customer."""
        error = exact.reach(self.x, self.z)[1]
        least = self.found[1].min(axis=1).astype(np.float64) - error
        least[self.found[1].min(axis=1) < -1e30] = -np.inf  # fewer than k remain
        return exact.lists(self.x, self.z, k, least, None, (self.offset, self.item)), error


def count_different(m, wanted, error, k):
    """Customers whose list from implicit differs by more than the order of near ties."""
    items, scores = m.found
    off = np.abs(scores - wanted[1]) > error[:, None]
    off |= np.isnan(wanted[1]) != (scores < -1e30)
    off &= ~(np.isnan(wanted[1]) & (scores < -1e30))
    row = np.repeat(np.arange(len(m.x)), k)
    true = exact.canonical(m.x[row], m.z[items.ravel()], None).reshape(scores.shape)
    off |= (np.abs(true - scores) > error[:, None]) & ~np.isnan(wanted[1])
    return int(off.any(axis=1).sum())


def compare(a, m, k):
    f, B = m.folder, len(m.x)
    ours = [side.Ours(a.build, f / "x.npy", f / "z.npy", k, a.threads, v,
                      never=(f / "offset.npy", f / "item.npy")) for v in a.screen]
    times = side.interleave([side.timed(lambda: m.recommend(k)), *[o.run for o in ours]], a.pairs)
    wanted, error = m.exact(k)
    different = count_different(m, wanted, error, k)
    rows = []
    for at, o in enumerate(ours, 1):
        rows.append({
            "model": m.name, "customers": B, "items": len(m.z), "dim": m.z.shape[1], "k": k,
            "screen": o.variant, "excluded": len(m.item) / B,
            "ours_us": float(np.median(times[at, :, 1])) / B * 1e6,
            "implicit_us": float(np.median(times[0, :, 1])) / B * 1e6,
            "cpu": side.ratio(times[0, :, 1], times[at, :, 1]),
            "wall": side.ratio(times[0, :, 0], times[at, :, 0]),
            "rescored": o.rescored, "slow": int(o.slow), "peer_different": different,
            "wrong": exact.count_wrong(o.lists(f / "lists", B), wanted)})
        o.close()
    return rows


def print_row(r):
    print(f"{r['model']:20} {r['customers']:6} {r['items']:7} {r['dim']:3} {r['k']:4} "
          f"{r['screen']:>6} {r['excluded']:8.1f} {r['ours_us']:8.1f} {r['implicit_us']:8.1f} "
          f"{side.show(r['cpu'])} {side.show(r['wall'])} {r['rescored']:8.1f} {r['slow']:5} "
          f"{r['peer_different']:9} {r['wrong']:6}  {GOAL:g} "
          f"{'ok' if r['cpu']['ratio'] >= GOAL else 'MISS'}", flush=True)


def main():
    a = words()
    fair.start("numpy", a.threads, a.coretype, blas_threads=1)  # one BLAS thread in each of its own
    global np, sparse, exact, side
    import implicit
    import numpy as np
    from scipy import sparse
    import exact
    import side
    head, rows = fair.heading(a.threads), []
    head["peer"] = f"implicit {implicit.__version__}; numpy's {fair.blas_words('numpy')}"
    print(f"# {head['peer']}; {a.pairs} rounds")
    print("# us of processor time a customer; ratio = implicit / ours: median [least - most]")
    print(f"{'model':20} {'U':>6} {'N':>7} {'D':>3} {'K':>4} {'screen':>6} {'excluded':>8} "
          f"{'ours':>8} {'implicit':>8} {'cpu ratio':>24} {'wall ratio':>24} {'rescored':>8} "
          f"{'slow':>5} {'different':>9} {'#wrong':>6}  goal")
    for name in a.model:
        with tempfile.TemporaryDirectory() as folder:
            m = Model(a, name, Path(folder))
            for k in a.k:
                new = compare(a, m, k)
                rows += new
                for row in new:
                    print_row(row)
    if a.json:
        a.json.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")
    return 1 if sum(r["wrong"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
