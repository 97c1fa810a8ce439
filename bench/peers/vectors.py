# SPDX-License-Identifier: Apache-2.0
"""Vectors for side-by-side runs, by name:

  gauss   iid N(0, 1): no skew of norms, no structure, the worst case of every screen
  mild    like ALS factors: 200 taste clusters, spectrum d^-1/2, a random rotation, a popularity
          direction, item norms times lognormal(0.25)
  strong  the same with lognormal(0.7)
"""
import numpy as np

SIGMA = {"mild": 0.25, "strong": 0.7}


def gauss(rng, n_customers, n_items, dim):
    return (rng.standard_normal((n_customers, dim), dtype=np.float32),
            rng.standard_normal((n_items, dim), dtype=np.float32))


def low_rank(rng, n_customers, n_items, dim, sigma):
    spectrum = np.arange(1, dim + 1) ** -0.5
    rotation, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    center = rng.standard_normal((200, dim)) * spectrum

    def side(n, noise):
        out = np.empty((n, dim), np.float32)
        for at in range(0, n, 100_000):
            m = min(100_000, n - at)
            own = rng.standard_normal((m, dim)) * spectrum
            out[at:at + m] = (center[rng.integers(0, 200, m)] + noise * own) @ rotation
        return out
    x, z = side(n_customers, 0.7), side(n_items, 0.7)
    popular = rotation[0].astype(np.float32)
    x += np.float32(1.0) * popular
    z += (0.5 * rng.standard_normal((n_items, 1))).astype(np.float32) * popular
    z *= np.exp(sigma * rng.standard_normal((n_items, 1))).astype(np.float32)
    return x, z


def make(name, n_customers, n_items, dim, seed=1):
    rng = np.random.default_rng(seed)
    if name == "gauss":
        return gauss(rng, n_customers, n_items, dim)
    return low_rank(rng, n_customers, n_items, dim, SIGMA[name])
