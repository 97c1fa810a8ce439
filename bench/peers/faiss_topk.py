#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""score_topk beside Faiss IndexFlatIP: the same vectors, the same threads, runs interleaved, the
median of the rounds' ratios with their range, by processor time and by the wall. By itself Faiss
takes its BLAS path only from n * D = 128,000 on; here it always does, which is faster, unless
--path own. Items and score bits of all lists are compared with exact ones (exact.py) before a time
is printed.

  python3 -m venv peers && peers/bin/pip install -r scripts/requirements-peers.txt
  peers/bin/python bench/peers/faiss_topk.py --table floors --json bench/results/faiss-floors.json
  peers/bin/python bench/peers/faiss_topk.py --items 100000 -k 10 --screen auto fp32
  peers/bin/python bench/peers/faiss_topk.py --vectors X.npy Z.npy --customers 2000

--table floors | full | bias | hard | lse: the shapes of tables.py. --screen: auto, fp32, int16,
int8, each with +bias (a random one, which Faiss goes without) or +lse<T> behind it.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path

import fair
import tables

THRESHOLD = 128_000  # n * D from which Faiss takes its BLAS path by itself


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--table", choices=sorted(tables.TABLES))
    p.add_argument("--data", nargs="+", default=["gauss"],
                   help="by name, see vectors.py")
    p.add_argument("--vectors", nargs=2, type=Path, metavar=("X.npy", "Z.npy"))
    p.add_argument("--bias-file", type=Path, metavar="BIAS.npy", help="for +bias with --vectors")
    p.add_argument("--items", type=int, nargs="+", default=[100_000])
    p.add_argument("--dim", type=int, nargs="+", default=[128])
    p.add_argument("-k", type=int, nargs="+", default=[10, 100])
    p.add_argument("--screen", nargs="+", default=["auto"])
    p.add_argument("--customers", type=int, default=1056)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--path", choices=["blas", "own"], default="blas", help="of Faiss")
    p.add_argument("--coretype", default="best",
                   help="OpenBLAS kernels of Faiss: best (tried first), own, or a name")
    p.add_argument("--build", type=Path, default=fair.ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path)
    return p.parse_args()


def blocks(a):
    if a.table:
        return tables.TABLES[a.table]
    wanted = {(v, k): (None, None) for k in a.k for v in a.screen}
    if a.vectors:
        return [tables.block("real", None, wanted, None, a.customers)]
    return [tables.block(data, n, wanted, dim, a.customers)
            for data in a.data for dim in a.dim for n in a.items]


class Case:
    """One set of vectors, on disk for our side, in an index for Faiss, and its exact lists."""

    def __init__(self, a, block, folder):
        self.folder = folder
        if a.vectors:
            self.x = vectors.load(a.vectors[0], block["customers"])
            self.z = vectors.load(a.vectors[1])
        else:
            self.x, self.z = vectors.make(block["data"], block["customers"], block["items"],
                                          block["dim"])
        self.bias = vectors.load(a.bias_file) if a.bias_file else vectors.make_bias(self.x, self.z)
        for name in ("x", "z", "bias"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        self.index = faiss.IndexFlatIP(self.z.shape[1])
        self.index.add(self.z)
        self.wanted = {}

    def exact(self, k, has_bias):
        """The lists of max k, made once: shorter ones are their beginnings."""
        if has_bias not in self.wanted:
            bias = self.bias if has_bias else None
            score, item = self.index.search(self.x, k)
            # Faiss' items are k that reach the least of their true scores, whatever its rounding.
            if has_bias:
                score = score + self.bias[item]
            least = score.min(axis=1).astype(np.float64) - exact.reach(self.x, self.z)[1]
            self.wanted[has_bias] = exact.lists(self.x, self.z, k, least, bias)
        return self.wanted[has_bias]


def compare(a, case, block, k, k_most):
    """Rows of one k: all its variants in turn with one Faiss."""
    variants = [v for v, its_k in block["wanted"] if its_k == k]
    f, B = case.folder, len(case.x)
    ours = [side.Ours(a.build, f / "x.npy", f / "z.npy", k, a.threads, v, f / "bias.npy")
            for v in variants]
    times = side.interleave([side.timed(lambda: case.index.search(case.x, k)),
                             *[o.run for o in ours]], a.pairs)
    rows = []
    for at, o in enumerate(ours, 1):
        floor, goal = block["wanted"][o.variant, k]
        wall, cpu = side.ratio(times[0, :, 0], times[at, :, 0]), side.ratio(times[0, :, 1],
                                                                          times[at, :, 1])
        rows.append({
            "data": block["data"], "dim": case.z.shape[1], "items": len(case.z), "k": k,
            "customers": B, "screen": o.variant, "floor": floor, "goal": goal,
            "path": "blas" if a.path == "blas" or B * case.z.shape[1] >= THRESHOLD else "loop",
            "ours_us": float(np.median(times[at, :, 1])) / B * 1e6,
            "faiss_us": float(np.median(times[0, :, 1])) / B * 1e6,
            "cpu": cpu, "wall": wall, "limit": block["limit"],
            "beside_first": side.ratio(times[at, :, 1], times[1, :, 1]),
            "rescored": o.rescored, "slow": int(o.slow), "second": int(o.second),
            "prepare_s": o.prepare_s, "prepare_mib": o.prepare_mib,
            "wrong": exact.count_wrong(o.lists(f / "lists", B), case.exact(k_most, o.has_bias))})
        o.close()
    return rows


def verdict(row):
    if row["limit"] is not None:
        is_within = row["beside_first"]["ratio"] <= row["limit"]
        return f"xfirst <= {row['limit']:g} {'ok' if is_within else 'MISS'}"
    if row["floor"] is None:
        return ""
    goal = row["goal"] or row["floor"]
    word = "ok" if row["cpu"]["ratio"] >= goal else "floor" if row["cpu"]["ratio"] >= row["floor"] \
        else "MISS"
    return f"{row['floor']:g}/{row['goal'] or '-'} {word}"


def print_row(r):
    print(f"{r['data']:10} {r['dim']:3} {r['items']:7} {r['k']:4} {r['screen']:>10} {r['path']:>4} "
          f"{r['ours_us']:8.1f} {r['faiss_us']:8.1f} {side.show(r['cpu'])} {side.show(r['wall'])} "
          f"{r['beside_first']['ratio']:6.3f} {r['rescored']:8.1f} {r['slow']:5} {r['second']:3} "
          f"{r['prepare_s']:6.2f} {r['wrong']:6}  {verdict(r)}", flush=True)


def print_heads(a, head):
    head["peer"] = (f"faiss {faiss.__version__} {faiss.get_compile_options().strip()}; "
                    f"{fair.blas_words('faiss')}")
    print(f"# {head['peer']}; {a.pairs} rounds")
    print("# us of processor time a customer; ratio = Faiss / ours: median [least - most]; xfirst: "
          "time / that of the first screen")
    print(f"{'data':10} {'D':>3} {'N':>7} {'K':>4} {'screen':>10} {'path':>4} {'ours':>8} "
          f"{'faiss':>8} {'cpu ratio':>24} {'wall ratio':>24} {'xfirst':>6} {'rescored':>8} "
          f"{'slow':>5} {'2nd':>3} {'prep s':>6} {'#wrong':>6}  floor/goal")


def main():
    a = words()
    fair.start("faiss", a.threads, a.coretype)
    global np, faiss, vectors, exact, side
    import faiss
    import numpy as np
    import exact
    import side
    import vectors
    faiss.omp_set_num_threads(a.threads)
    if a.path == "blas":
        faiss.cvar.distance_compute_blas_threshold = 1
    head, rows = fair.heading(a.threads), []
    print_heads(a, head)
    for block in blocks(a):
        with tempfile.TemporaryDirectory() as name:
            case = Case(a, block, Path(name))
            ks = sorted({k for _, k in block["wanted"] if k <= len(case.z)})
            print(f"# {block['data']}: {vectors.describe(case.x, case.z, ks)}")
            for k in ks:
                new = compare(a, case, block, k, ks[-1])
                rows += new
                for row in new:
                    print_row(row)
    n_wrong = sum(r["wrong"] for r in rows)
    n_below = sum("MISS" in verdict(r) for r in rows)
    print(f"# {sum(r['customers'] for r in rows)} lists checked, {n_wrong} wrong slots, "
          f"{n_below} of {len(rows)} rows miss their floor or limit")
    if a.json:
        a.json.write_text(json.dumps({**head, "rows": rows}, indent=1) + "\n")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
