#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two finished runs of one job that both wrote vectors, on two backends or in two precisions.

Prints how far x_u is apart (largest difference over max(1, largest |x|)), its cosines, and the
share of list places that hold the same items, each as mean, 1 %, least. Called by gpu_check.sh.
  scripts/compare_runs.py A B [--vectors 2e-5] [--cosine 0.9999] [--overlap 0.98]
Exit code 0; 1 when a limit that was given is not kept (--cosine and --overlap: the mean); 77
without h5py and NumPy.
"""
import argparse
import json
import sys
from pathlib import Path

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(f"skipped: this python3 has no {error.name}")
    sys.exit(77)


def columns(run):
    """vector, item and key of all parts."""
    parts = sorted(Path(run, "parts").glob("part-*.h5"))
    if not parts:
        sys.exit(f"{run}: no parts")
    out = {"vector": [], "list/item": [], "customer/key": []}
    for part in parts:
        with h5py.File(part, "r") as file:
            for name, values in out.items():
                values.append(file[name][()])
    return [np.concatenate(values) for values in out.values()]


def spread(values):
    values = np.sort(values)
    return [float(values.mean()), float(values[len(values) // 100]), float(values[0])]


def cosines(a, b):
    both = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.where(both > 0, (a * b).sum(axis=1) / np.where(both > 0, both, 1), 1.0)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("a", type=Path)
    p.add_argument("b", type=Path)
    p.add_argument("--vectors", type=float)
    p.add_argument("--cosine", type=float)
    p.add_argument("--overlap", type=float)
    w = p.parse_args()
    (x, items, keys), (y, others, other_keys) = columns(w.a), columns(w.b)
    if not np.array_equal(keys, other_keys) or x.shape != y.shape or items.shape != others.shape:
        sys.exit("not two runs of one job: customers, widths or lengths of lists differ")
    x, y = x.astype(np.float64), y.astype(np.float64)
    apart = float(np.abs(x - y).max() / max(1.0, np.abs(x).max()))
    same = [len(np.intersect1d(i[i >= 0], o[o >= 0])) / max(1, (i >= 0).sum())
            for i, o in zip(items, others)]
    found = {"customers": len(x), "vectors_apart": apart, "cosine": spread(cosines(x, y)),
             "overlap": spread(np.array(same)),
             "lists_unlike": int((items != others).any(axis=1).sum())}
    print(json.dumps(found))
    refused = [name for name, is_kept in
               (("--vectors", w.vectors is None or apart <= w.vectors),
                ("--cosine", w.cosine is None or found["cosine"][0] >= w.cosine),
                ("--overlap", w.overlap is None or found["overlap"][0] >= w.overlap))
               if not is_kept]
    if refused:
        print(f"beyond {', '.join(refused)}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
