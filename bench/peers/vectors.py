#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors for side-by-side runs, by name:

  gauss   iid N(0, 1): no skew of norms, no structure, the worst case of every screen
  mild    like ALS factors: 200 taste clusters, spectrum d^-1/2, a random rotation, a popularity
          direction, item norms times lognormal(0.25)
  strong  the same with lognormal(0.7)
  axis    strong without the rotation: a few dimensions carry most of every score

and what a screen or a stop may be bad at, see hard(): ascending, ties, duplicates, huge, outlier,
denormal, large.

`real` ones are two .npy files. Run as a program it describes what it would make: how skewed the
norms are and which share of the catalogue the Cauchy-Schwarz stop leaves to be looked at.

  python bench/peers/vectors.py --items 100000 1000000
  python bench/peers/vectors.py --vectors X.npy Z.npy
"""
import argparse

import numpy as np

KINDS = ["gauss", "mild", "strong", "axis"]
HARD = ["ascending", "ties", "duplicates", "huge", "outlier", "denormal", "large"]
SIGMA = {"mild": 0.25, "strong": 0.7, "axis": 0.7}
N_CLUSTERS = 200
N_BLOCK = 100_000


def gauss(rng, n_customers, n_items, dim):
    return (rng.standard_normal((n_customers, dim), dtype=np.float32),
            rng.standard_normal((n_items, dim), dtype=np.float32))


def low_rank(rng, n_customers, n_items, dim, kind):
    spectrum = np.arange(1, dim + 1, dtype=np.float32) ** np.float32(-0.5)
    rotation = np.eye(dim)
    if kind != "axis":
        rotation, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    rotation = rotation.astype(np.float32)
    center = rng.standard_normal((N_CLUSTERS, dim), dtype=np.float32)

    def side(n):
        out = np.empty((n, dim), np.float32)
        for at in range(0, n, N_BLOCK):
            m = min(N_BLOCK, n - at)
            own = rng.standard_normal((m, dim), dtype=np.float32)
            own *= np.float32(0.85)
            own += center[rng.integers(0, N_CLUSTERS, m)]
            own *= spectrum
            np.matmul(own, rotation, out=out[at:at + m])
        return out
    x, z = side(n_customers), side(n_items)
    x += rotation[0]
    z += 0.5 * rng.standard_normal((n_items, 1), dtype=np.float32) * rotation[0]
    z *= np.exp(np.float32(SIGMA[kind]) * rng.standard_normal((n_items, 1), dtype=np.float32))
    return x, z


def hard(rng, n_customers, n_items, dim, kind):
    x, z = gauss(rng, n_customers, n_items, dim)
    if kind == "ascending":  # every item beats all before it, for everybody
        x, z = np.abs(x), np.abs(z[0]) * np.linspace(1, 2, n_items, dtype=np.float32)[:, None]
    elif kind == "ties":  # all scores of a customer are equal
        z[:] = z[0]
    elif kind == "duplicates":  # 1,000 of each item, spread out
        z = z[np.arange(n_items) % max(1, n_items // 1000)]
    elif kind == "huge":  # one norm spoils every bound and scale that it is part of
        z[n_items // 2] *= np.float32(1e4)
    elif kind == "outlier":  # one dimension spoils the scale of all others
        x[:, 3] *= np.float32(100)
        z[:, 3] *= np.float32(100)
    elif kind == "denormal":
        x, z = x * np.float32(1e-20), z * np.float32(1e-21)
    elif kind == "large":  # scores up to about 1e38
        x, z = x * np.float32(1e18), z * np.float32(1e18)
    return x, np.ascontiguousarray(z)


def make(name, n_customers, n_items, dim, seed=1):
    rng = np.random.default_rng(seed)
    if name == "gauss":
        return gauss(rng, n_customers, n_items, dim)
    if name in HARD:
        return hard(rng, n_customers, n_items, dim, name)
    return low_rank(rng, n_customers, n_items, dim, name)


def make_bias(x, z, share=0.3, seed=2):
    """Normal, `share` times as wide as the scores."""
    rng = np.random.default_rng(seed)
    some = x[:64].astype(np.float64) @ z[rng.integers(0, len(z), 4096)].T
    return (share * some.std() * rng.standard_normal(len(z))).astype(np.float32)


def load(path, n_rows=None, seed=3):
    """A float32 matrix from .npy; n_rows of its rows, drawn without repetition, if it has more."""
    at = np.load(path, mmap_mode="r")
    if n_rows is not None and n_rows < len(at):
        at = at[np.sort(np.random.default_rng(seed).choice(len(at), n_rows, replace=False))]
    return np.ascontiguousarray(at, dtype=np.float32)


def describe(x, z, ks=(10, 100)):
    """Norms, and the mean share of items whose |x| |z| reaches a customer's k-th best score."""
    x = x[:64]
    x, z = x.astype(np.float64), z.astype(np.float64)
    norm = np.linalg.norm(z, axis=1)
    order = np.sort(norm)[::-1]
    score = x @ z.T
    text = (f"{len(z)} items, D {z.shape[1]}, norms: median {np.median(norm):.3g}, "
            f"std of log {np.log(norm[norm > 0]).std():.2f}, largest / median "
            f"{order[0] / np.median(norm):.1f}")
    for k in ks:
        if k <= len(z):
            kth = -np.partition(-score, k - 1, axis=1)[:, k - 1]
            reach = kth / np.linalg.norm(x, axis=1)
            share = np.mean(np.searchsorted(-order, -reach, "right")) / len(z)
            text += f", above the stop at k={k}: {100 * share:.1f} %"
    return text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--items", type=int, nargs="+", default=[100_000])
    p.add_argument("--dim", type=int, nargs="+", default=[128])
    p.add_argument("--vectors", nargs=2, metavar=("X.npy", "Z.npy"))
    a = p.parse_args()
    if a.vectors:
        print(describe(load(a.vectors[0], 64), load(a.vectors[1])))
        return
    for kind in KINDS:
        for dim in a.dim:
            for n_items in a.items:
                print(f"{kind:7}", describe(*make(kind, 64, n_items, dim)), flush=True)


if __name__ == "__main__":
    main()
