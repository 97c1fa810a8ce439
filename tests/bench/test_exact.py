#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The oracle of bench/peers/ (exact.py) against plain loops, and topk_side's lists against both,
with bias, never-lists and every screen, on easy and on hard vectors; a list that is wrong in one
slot must be noticed.

  test_exact.py [topk_side]      without topk_side (BR_BENCH off) the second part is left out
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))
import exact
import vectors

B, N, K = 11, 300, 20
NONE = np.full(B, -np.inf)


def plain(x, z, k, bias, never):
    """Lists by definition: Python floats are float64."""
    items, scores = np.full((B, k), -1, np.int32), np.full((B, k), np.nan, np.float32)
    for b in range(B):
        left = set(range(N)) - set(never[1][never[0][b]:never[0][b + 1]].tolist() if never else [])
        ranked = []
        for i in left:
            lane = [0.0] * 8
            for d in range(x.shape[1]):
                lane[d % 8] += float(x[b, d]) * float(z[i, d])
            lane = [lane[n] + lane[n + 4] for n in range(4)]
            total = (lane[0] + lane[2]) + (lane[1] + lane[3])
            total = total + float(bias[i]) if bias is not None else total
            ranked.append((-np.float32(total), i))
        for place, (score, i) in enumerate(sorted(ranked)[:k]):
            items[b, place], scores[b, place] = i, np.float32(0.0) - score
    return items, scores


def never_lists(rng):
    """Some customers have nothing left out, the last one nearly everything."""
    each = [np.sort(rng.choice(N, n, replace=False)) for n in [0, 1, 5, 40] * 2 + [0, 7, N - 3]]
    offset = np.concatenate([[0], np.cumsum([len(e) for e in each])]).astype("<i8")
    return offset, np.concatenate(each).astype("<i4")


def ask_side(side, folder, screen, has_bias, has_never):
    command = [side, folder / "x.npy", folder / "z.npy", K, 2, screen]
    command += ["--bias", folder / "bias.npy"] if has_bias else []
    command += ["--never", folder / "offset.npy", folder / "item.npy"] if has_never else []
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True,
                          input=f"run\nsave {folder / 'lists'}\n")
    assert done.returncode == 0, done.stderr
    n = B * K
    return (np.fromfile(folder / "lists", "<i4", n).reshape(B, K),
            np.fromfile(folder / "lists", "<f4", n, offset=4 * n).reshape(B, K))


def check(side, kind, dim, folder):
    """Number of lists compared."""
    rng = np.random.default_rng(5)
    x, z = vectors.make(kind, B, N, dim)
    bias, never = vectors.make_bias(x, z), never_lists(rng)
    for name, array in (("x", x), ("z", z), ("bias", bias), ("offset", never[0]),
                        ("item", never[1])):
        np.save(folder / f"{name}.npy", array)
    n = 0
    for has_bias in (False, True):
        for has_never in (False, True):
            rules = bias if has_bias else None, never if has_never else None
            wanted = plain(x, z, K, *rules)
            found = exact.lists(x, z, K, NONE, *rules)
            assert exact.count_wrong(found, wanted) == 0, (kind, dim, has_bias, has_never)
            tight = exact.lists(x, z, K, np.nan_to_num(wanted[1].min(axis=1), nan=-np.inf), *rules)
            assert exact.count_wrong(tight, wanted) == 0, (kind, dim, "from the least score")
            n += 2
            for screen in ("auto", "fp32", "int16") if side else ():
                ours = ask_side(side, folder, screen, has_bias, has_never)
                assert exact.count_wrong(ours, wanted) == 0, (kind, dim, screen)
                n += 1
    wanted[0][3, 4] += 1
    assert exact.count_wrong(found, wanted) == 1
    found[1][2, 0] = np.nextafter(found[1][2, 0], np.float32(np.inf))
    assert exact.count_wrong(found, wanted) == 2
    return n


def main():
    side = sys.argv[1] if len(sys.argv) > 1 else None
    n = 0
    with tempfile.TemporaryDirectory() as name:
        for kind in ["gauss", "strong", *vectors.HARD]:
            n += check(side, kind, 19, Path(name))
        n += check(side, "gauss", 1, Path(name)) + check(side, "axis", 32, Path(name))
    print(f"{n} sets of lists, none wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
