# SPDX-License-Identifier: Apache-2.0
"""The tables of bench/RESULTS.md, by name: blocks of shapes with the least ratio that is accepted
(floor) and the ratio that is aimed at (goal), by variant and k. Customers are chosen so that a run
takes long enough to be timed and the tables together check more than 10^5 of them."""
D = 128


def block(data, n_items, wanted, dim=D, customers=1056, limit=None):
    """wanted: {(variant, k): (floor, goal)}; limit: most time beside the first variant's."""
    return {"data": data, "items": n_items, "dim": dim, "customers": customers, "wanted": wanted,
            "limit": limit}


FLOORS = [
    block("gauss", 100_000, {("auto", 100): (2.6, 3.5), ("auto", 10): (4.2, 5.0)}),
    block("gauss", 1_000_000, {("auto", 100): (3.8, 4.5), ("auto", 10): (4.5, 5.5),
                               ("fp32", 100): (1.15, 1.35), ("fp32", 10): (1.35, 1.5)}),
    block("mild", 1_000_000, {("auto", 100): (12, 16), ("auto", 10): (25, 35)}),
    block("strong", 1_000_000, {("auto", 100): (30, 45), ("auto", 10): (60, 90)}),
]

LSE = [block("gauss", 100_000, {("fp32+lse4", 100): (1.1, 1.3), ("int16+lse4", 100): (1.9, 2.2)})]


def full():
    out = []
    for data in ("gauss", "mild", "strong"):
        for dim in (32, 64, 256, 512):
            for n_items in (1_000, 10_000, 50_000, 100_000):
                floor = 1.5 if n_items >= 50_000 else 1.0
                customers = {1_000: 8448, 10_000: 2112}.get(n_items, 1056)
                out.append(block(data, n_items, {("auto", k): (floor, None) for k in (10, 100)},
                                 dim, customers))
    return out


def bias():
    return [block(data, 100_000, {(v, k): (None, None) for k in (10, 100)
                                  for v in ("auto", "auto+bias")}, limit=1.1)
            for data in ("gauss", "mild", "strong")]


def hard():
    """Data made against the screen: never slower than 1.2 times the fp32 path; k = N last."""
    both = {(v, k): (None, None) for k in (10, 100) for v in ("fp32", "auto")}
    k_is_n = {(v, 1000): (None, None) for v in ("fp32", "auto")}
    return [block(data, 20_000, both, customers=264, limit=1.2)
            for data in ("ascending", "ties", "duplicates", "huge", "outlier", "denormal", "large")
            ] + [block("gauss", 1000, k_is_n, limit=1.2)]


TABLES = {"floors": FLOORS, "full": full(), "bias": bias(), "hard": hard(), "lse": LSE}
