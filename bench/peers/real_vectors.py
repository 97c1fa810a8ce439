#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real vectors for bench/peers/: customers' and items' vectors of trained models as .npy files in
one folder, with what was known already (never-lists) where there is such a thing.

  peers/bin/python bench/peers/real_vectors.py als --data DATA --out OUT [--set completejourney]
      ALS factors (implicit, 128 factors) of who bought or rated what: OUT/als-<set>-{x,z}.npy and
      -{offset,item}.npy, a CSR of what each customer has. Sets: movielens-1m, completejourney,
      online-retail-ii, lastfm (DATA holds their folders), and synthetic: 20,000 customers, 100,000
      items by Zipf's law and 100 tastes, for a catalogue larger than the real ones.
  peers/bin/python bench/peers/real_vectors.py als --lines amazon-book=FILE --out OUT
      the same of any text file with a line for each customer: its name, then its items' names.
  peers/bin/python bench/peers/real_vectors.py demo --out OUT
      the shipped demo model: x_u by `batchrank encode configs/demo/run.json`, z_i and b_i from its
      bundle: OUT/demo-{x,z,bias}.npy. Needs demo/data (scripts/prepare_completejourney.py).

The files of movielens-1m and lastfm may not be published (see their licences).
"""
import argparse
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import fair

sys.path.insert(0, str(fair.ROOT / "scripts"))
import bundle_writer  # noqa: E402

SETS = ["movielens-1m", "completejourney", "online-retail-ii", "lastfm", "synthetic"]
RAW = {"movielens-1m": "ml-1m.txt.zst", "completejourney": "transactions.csv.zst",
       "online-retail-ii": "online_retail_2009_2010.csv.zst", "lastfm": "LastFM.txt.zst"}


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("what", choices=["als", "demo"])
    p.add_argument("--set", nargs="+", choices=SETS, default=[])
    p.add_argument("--lines", nargs="+", metavar="NAME=FILE", default=[])
    p.add_argument("--data", type=Path, default=fair.ROOT.parent / "data")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--factors", type=int, default=128)
    p.add_argument("--iterations", type=int, default=10)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--build", type=Path, default=fair.ROOT / "build" / "cpu")
    return p.parse_args()


def raw_text(path):
    done = subprocess.run(["zstd", "-dc", "--long=27", path], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def pairs(a, name):
    """(customer, item) of every event, as text."""
    own = dict(word.split("=", 1) for word in a.lines)
    text = Path(own[name]).read_text() if name in own else raw_text(a.data / name / RAW[name])
    if name == "movielens-1m":
        return [line.split()[:2] for line in text.splitlines()]
    if name == "lastfm" or name in own:
        return [(line.split()[0], item)
                for line in text.splitlines() for item in line.split()[1:]]
    rows = csv.DictReader(io.StringIO(text))
    if name == "completejourney":
        return [(r["household_id"], r["product_id"]) for r in rows]
    return [(r["Customer ID"], r["StockCode"]) for r in rows
            if r["Customer ID"] and float(r["Quantity"]) > 0]


def synthetic_pairs(n_customers=20_000, n_items=100_000, n_tastes=100, n_each=60, seed=4):
    """Each customer has two tastes; an item belongs to one and is drawn by Zipf's law within it."""
    rng = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, n_items // n_tastes + 1) ** 0.8
    place = rng.choice(len(weight), (n_customers, n_each), p=weight / weight.sum())
    own = rng.integers(0, n_tastes, (n_customers, 2))
    taste = own[np.arange(n_customers)[:, None], rng.integers(0, 2, (n_customers, n_each))]
    taste = np.where(rng.random(taste.shape) < 0.2, rng.integers(0, n_tastes, taste.shape), taste)
    customer = np.repeat(np.arange(n_customers), n_each)
    return customer, (taste * len(weight) + place).ravel()


def counts(a, name):
    """CSR of events: customers by items."""
    if name == "synthetic":
        customer, item = synthetic_pairs()
        shape = (20_000, 100_000)
    else:
        both = np.array(pairs(a, name))
        _, customer = np.unique(both[:, 0], return_inverse=True)
        _, item = np.unique(both[:, 1], return_inverse=True)
        shape = (customer.max() + 1, item.max() + 1)
    matrix = sparse.coo_matrix((np.ones(len(customer), np.float32), (customer, item)), shape)
    matrix = matrix.tocsr()
    matrix.sort_indices()
    return matrix


def als(a, name):
    from implicit.cpu.als import AlternatingLeastSquares
    matrix = counts(a, name)
    model = AlternatingLeastSquares(a.factors, iterations=a.iterations, num_threads=a.threads,
                                    random_state=1)
    model.fit(matrix, show_progress=False)
    x = np.asarray(model.user_factors, np.float32)
    z = np.asarray(model.item_factors, np.float32)
    save(a, f"als-{name}", x=x, z=z, offset=matrix.indptr.astype("<i8"),
         item=matrix.indices.astype("<i4"))
    print(f"als-{name}: {len(x)} customers, {matrix.nnz} pairs; {vectors.describe(x, z)}")


def demo(a):
    import h5py
    bundle = fair.ROOT / "configs" / "demo"
    out = a.out / "demo-encode.h5"
    if not (fair.ROOT / "demo" / "data" / "customers.h5").exists():
        sys.exit("demo/data/customers.h5: not there; scripts/prepare_completejourney.py makes it")
    subprocess.run([a.build / "batchrank", "encode", bundle / "run.json", "-o", out], check=True)
    with h5py.File(out) as f:
        x = f["vector"][:]
    named = json.loads((bundle / "model" / "model.json").read_text())["item"]
    weights = bundle_writer.read_safetensors(bundle / "model" / "weights.safetensors")
    z, bias = (weights[named[k]][1:].astype(np.float32) for k in ("table", "bias"))  # 0: padding
    save(a, "demo", x=x, z=z, bias=bias)
    print(f"demo: {len(x)} customers; {vectors.describe(x, z)}")


def save(a, name, **arrays):
    for what, array in arrays.items():
        if array is not None:
            np.save(a.out / f"{name}-{what}.npy", array)


def main():
    a = words()
    fair.start("numpy", a.threads, "own", blas_threads=1)
    global np, sparse, vectors
    import numpy as np
    from scipy import sparse
    import vectors
    a.out.mkdir(parents=True, exist_ok=True)
    if a.what == "demo":
        demo(a)
    else:
        for name in a.set + [word.split("=", 1)[0] for word in a.lines]:
            als(a, name)


if __name__ == "__main__":
    sys.exit(main())
