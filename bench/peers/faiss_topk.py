#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""score_topk beside Faiss IndexFlatIP: the same vectors, the same threads, runs interleaved, median
of the pairs' ratios with their range. Faiss takes its BLAS path only from n * D = 128,000 on; each
row says which one ran. Our lists are checked against Faiss' scores before a time is printed.

  python3 -m venv peers && peers/bin/pip install faiss-cpu numpy
  peers/bin/python bench/peers/faiss_topk.py --data gauss --items 100000 --dim 128 -k 10 100
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--data", nargs="+", default=["gauss"], choices=["gauss", "mild", "strong"])
    p.add_argument("--items", type=int, nargs="+", default=[100_000])
    p.add_argument("--dim", type=int, nargs="+", default=[128])
    p.add_argument("-k", type=int, nargs="+", default=[10, 100])
    p.add_argument("--customers", type=int, default=1056)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--screen", nargs="+", default=["auto"], choices=["auto", "fp32", "int16"])
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--build", type=Path, default=ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path)
    return p.parse_args()


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Ours:
    """One process that keeps the vectors and answers `run`."""

    def __init__(self, a, folder, k, screen):
        program = a.build / "bench" / "kernels" / "topk_side"
        self.folder, self.k = folder, k
        self.process = subprocess.Popen(
            [program, folder / "x.npy", folder / "z.npy", str(k), str(a.threads), screen],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"})
        assert self.process.stdout.readline() == "ready\n"

    def run(self):
        """wall s, cpu s, rescored per row, slow rows"""
        print("run", file=self.process.stdin, flush=True)
        return [float(v) for v in self.process.stdout.readline().split()]

    def lists(self, n_rows):
        path = self.folder / "lists"
        print("save", path, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "saved\n"
        n = n_rows * self.k
        return (np.fromfile(path, "<i4", n).reshape(n_rows, -1),
                np.fromfile(path, "<f4", n, offset=4 * n).reshape(n_rows, -1))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def faiss_once(index, x, k):
    wall, cpu = time.monotonic(), cpu_s()
    scores, _ = index.search(x, k)
    return time.monotonic() - wall, cpu_s() - cpu, scores


def count_wrong(x, z, lists, peer_scores):
    """Slots whose score is not the float64 product rounded, or that Faiss' fp32 scores beat."""
    items, scores = lists
    exact = np.einsum("bd,bkd->bk", x.astype(float), z[items].astype(float))
    wrong = np.abs(scores - exact) > 1e-6 * np.abs(exact).max()
    wrong |= scores < peer_scores - 1e-5 * np.abs(peer_scores).max()
    return int(wrong.sum())


def compare(a, x, z, index, folder, k, screen):
    ours, pairs = Ours(a, folder, k, screen), []
    ours.run()
    for i in range(a.pairs):
        if i % 2:
            peer, mine = faiss_once(index, x, k), ours.run()
        else:
            mine, peer = ours.run(), faiss_once(index, x, k)
        pairs.append((mine, peer))
    n_wrong = count_wrong(x, z, ours.lists(len(x)), pairs[-1][1][2])
    ours.close()

    def figures(which):
        ratio = [p[1][which] / p[0][which] for p in pairs]
        return {"ours_us": float(np.median([p[0][which] for p in pairs]) / len(x) * 1e6),
                "faiss_us": float(np.median([p[1][which] for p in pairs]) / len(x) * 1e6),
                "ratio": float(np.median(ratio)), "least": min(ratio), "most": max(ratio)}
    return {"wall": figures(0), "cpu": figures(1), "rescored": pairs[-1][0][2],
            "slow": int(pairs[-1][0][3]), "wrong": n_wrong}


def main():
    a = words()
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    global np
    import faiss
    import numpy as np
    import vectors
    faiss.omp_set_num_threads(a.threads)
    path = f"faiss {faiss.__version__} {faiss.get_compile_options().strip()}"
    print(f"# {path}; {a.threads} threads, {a.customers} customers, {a.pairs} pairs")
    print("# us per customer, ratio = Faiss / ours: median [least - most]")
    print(f"{'data':7} {'D':>4} {'N':>8} {'K':>4} {'screen':>6} {'path':>5} {'ours':>8} "
          f"{'faiss':>8} "
          f"{'cpu ratio':>20} {'wall ratio':>20} {'rescored':>8} {'slow':>5} {'#wrong':>6}")
    rows = []
    for data in a.data:
        for dim in a.dim:
            for n_items in a.items:
                x, z = vectors.make(data, a.customers, n_items, dim)
                index = faiss.IndexFlatIP(dim)
                index.add(z)
                blas = "blas" if len(x) * dim >= 128_000 else "loop"
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    np.save(folder / "x.npy", x)
                    np.save(folder / "z.npy", z)
                    for k in a.k:
                        for screen in a.screen:
                            r = compare(a, x, z, index, folder, k, screen)
                            rows.append({"data": data, "dim": dim, "items": n_items, "k": k,
                                         "screen": screen, "path": blas, **r})
                            c, w = r["cpu"], r["wall"]
                            print(f"{data:7} {dim:4} {n_items:8} {k:4} {screen:>6} {blas:>5} "
                                  f"{c['ours_us']:8.1f} {c['faiss_us']:8.1f} "
                                  f"{c['ratio']:6.2f} [{c['least']:5.2f} - {c['most']:5.2f}] "
                                  f"{w['ratio']:6.2f} [{w['least']:5.2f} - {w['most']:5.2f}] "
                                  f"{r['rescored']:8.1f} {r['slow']:5} {r['wrong']:6}", flush=True)
    if a.json:
        a.json.write_text(json.dumps({"peer": path, "command": sys.argv, "rows": rows},
                                     indent=1) + "\n")


if __name__ == "__main__":
    main()
