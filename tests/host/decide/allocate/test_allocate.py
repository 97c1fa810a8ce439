#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Allocation against HiGHS (SciPy) on random and real-shaped cases; at sizes beyond it by weak
duality; the same bytes for any number of lanes; warm starts and longer shortlists.
Run by ctest: test_allocate.py ALLOCATE_FILE lp|small|large; by hand: wide (minutes of HiGHS)."""
import sys
import tempfile

import allocate_case as ac
import allocate_lp as lp
import numpy as np

PROGRAM, WHAT = sys.argv[1:3]
GOAL = 1e-3  # of the optimum, and of our own bound
BRANCH_S = 15  # branch and bound, for cases in which whole lists cannot come as near
N_RANDOM = 50
KINDS = ("uniform", "clustered", "ties", "twins")


def skewed_case(n_rows, n_items, seed, with_limits=True):
    """Offers of skewed popularity with capacities that bind where people want them; a budget, and
    shares of brands."""
    rng = np.random.default_rng(seed)
    x, z = rng.standard_normal((n_rows, 12)), rng.standard_normal((n_items, 12))
    logit = x @ z.T / 4 + 1.2 * rng.standard_normal(n_items) - 2
    case = ac.from_matrix((1 / (1 + np.exp(-logit))).astype(np.float32), n_kept=3)
    case.length = rng.choice([0, 1, 3], n_rows, p=[0.1, 0.1, 0.8]).astype(np.int32)
    n_slots = int(case.length.sum())
    case.capacity = (n_slots / n_items * rng.lognormal(-0.5, 0.8, n_items)).astype(np.int64)
    case.capacity[rng.random(n_items) < 0.05] = -1
    if with_limits:
        brand = rng.integers(0, 6, n_items).astype(np.int32)
        case.groups = [brand]
        cost = rng.choice([0.25, 0.5, 1.0, 2.0], n_items).astype(np.float32)
        case.limits = [ac.Limit(ac.BUDGET, 0.4 * n_slots, cost=cost),
                       ac.Limit(ac.MIN_SHARE, 0.25, group=0),
                       ac.Limit(ac.MAX_SHARE, 0.15, group=1),
                       ac.Limit(ac.MAX_UNITS, float(n_slots // 20), group=2)]
    return case


def solve(folder, case):
    out, raw = ac.run(PROGRAM, folder, case, 2)
    assert not isinstance(out, str), out
    return out, raw, *ac.check(case, out)


def compare(folder, name, case):
    """(loss, gap) relative to the optimum of the linear program. Where whole lists lose more than
    the goal, they must be as near to the best whole lists."""
    out, _, value, bound, missing = solve(folder, case)
    best = lp.optimum(case)
    scale = max(best, 1e-9)
    loss = (best - (value - missing * out["short_price"])) / scale
    gap = (bound - best) / scale
    print(f"{name}: optimum {best:.3f}, loss {loss:.1e}, dual {gap:+.1e}, "
          f"{out['n_slots']:.0f} slots, {out['passes']:.0f} passes, {out['seconds']:.2f} s")
    assert gap >= -1e-6, "the dual value is below the optimum"
    assert loss >= -1e-6, "better than the optimum: a constraint is not held"
    if loss > GOAL:
        whole = lp.best_whole(case, BRANCH_S)
        print(f"  best whole lists {whole:.3f}, {(best - whole) / scale:.1e} below; loss to them "
              f"{(whole - (best - loss * scale)) / scale:.1e}")
        assert (best - whole) / scale > GOAL, f"{name}: whole lists could come as near"
        assert (whole - best) / scale + loss <= GOAL, f"{name}: loss {loss:.2e}"
    return loss, gap


def test_random(folder):
    losses = []
    for seed in range(N_RANDOM):
        rng = np.random.default_rng(1000 + seed)
        n_rows, n_items = int(rng.choice([300, 800, 2000])), int(rng.choice([10, 40, 80]))
        case = lp.random_case(rng, n_rows, n_items, KINDS[seed % 4], seed % 3 > 0)
        name = f"{seed} {KINDS[seed % 4]} {n_rows}x{n_items} k {case.n_kept} " \
               f"limits {[limit.kind for limit in case.limits]}"
        losses.append(compare(folder, name, case))
    loss, gap = np.array(losses).T
    print(f"random: {(loss <= GOAL).sum()} of {len(loss)} within {GOAL}, worst {loss.max():.1e}, "
          f"the others within {GOAL} of the best whole lists; "
          f"dual within {GOAL}: {(gap <= GOAL).sum()}, worst {gap.max():.1e}")
    assert gap.max() <= GOAL


def test_real_shaped(folder, shapes=((3000, 60, True), (2000, 100, True), (5000, 40, True),
                                     (2000, 150, True), (2000, 200, False))):
    for n_rows, n_items, with_limits in shapes:
        case = skewed_case(n_rows, n_items, n_rows + n_items, with_limits)
        loss, gap = compare(folder, f"real-shaped {n_rows}x{n_items}", case)
        assert max(loss, gap) <= GOAL


def test_wide(folder):
    test_real_shaped(folder, ((5000, 200, False), (5000, 200, True)))


def test_large(folder):
    case = skewed_case(20000, 500, 7)
    out, raw, value, bound, missing = solve(folder, case)
    gap = (bound - value + missing * out["short_price"]) / bound
    print(f"20000x500: value {value:.2f}, dual value {bound:.2f}, gap {gap:.1e}, "
          f"{out['passes']:.1f} passes, {out['seconds']:.2f} s")
    assert missing == 0.0 and 0 <= gap <= GOAL
    for n_lanes in (1, 3, 7):
        assert ac.run(PROGRAM, folder, case, n_lanes)[1] == raw, f"{n_lanes} lanes: other bytes"


def cut(case, width):
    """The same customers with shorter lists of candidates."""
    fields = {**vars(case), "item": case.item[:, :width].copy(),
              "utility": case.utility[:, :width].copy(), "bound": case.utility[:, width].copy()}
    return ac.Case(**fields)


def test_shortlists(folder):
    """The certificate, against NumPy; its bound, against the dual value of the whole catalogue."""
    full = skewed_case(4000, 120, 11)
    for width in (8, 40, 100):
        case = cut(full, width)
        out, _, _, bound, _ = solve(folder, case)
        outside = np.ones((len(case.item), case.n_items), bool)
        np.put_along_axis(outside, case.item.astype(int), False, 1)
        price = out["price"].astype(np.float64)
        worth = -np.sort(-(case.utility - price[case.item]), axis=1)
        lengths = case.lengths()
        bar = np.maximum(worth[np.arange(len(worth)), np.maximum(lengths, 1) - 1], 0)
        could = case.bound - np.where(outside, price, np.inf).min(1) - bar
        n_sure, n_near = ((could > x) & (lengths > 0) for x in (1e-3, -1e-3))
        assert n_sure.sum() <= out["n_uncertain"] <= n_near.sum()
        full_bound, _ = ac.dual_value(full, out["dual"])
        assert full_bound <= bound + out["outside_value"] + 1e-6
        print(f"shortlists of {width}: {out['n_uncertain']:.0f} uncertain, dual {bound:.2f}, "
              f"whole catalogue {full_bound:.2f}, at most {bound + out['outside_value']:.2f}")
    cold, _, value, _, _ = solve(folder, full)
    full.start = out["dual"]
    warm, _, again, _, _ = solve(folder, full)
    print(f"start from shorter lists: {warm['n_steps']:.0f} steps, without {cold['n_steps']:.0f}")
    assert abs(again - value) <= GOAL * value


def test_edges(folder):
    """Nothing to give, nobody to give to, and everything free."""
    rng = np.random.default_rng(3)
    score = rng.random((50, 8)).astype(np.float32)
    for capacity, n_slots in ((np.zeros(8), 0), (np.full(8, -1), 150), (None, 150)):
        case = ac.from_matrix(score, n_kept=3, capacity=capacity)
        assert solve(folder, case)[0]["n_slots"] == n_slots
    for case in (ac.from_matrix(score, n_kept=3, length=np.zeros(50, np.int32)),
                 ac.from_matrix(score, n_kept=3, floor=2.0),
                 ac.Case(np.empty((0, 8), np.int32), np.empty((0, 8), np.float32), 8, 3),
                 ac.Case(np.full((4, 8), -1, np.int32), np.zeros((4, 8), np.float32), 8, 3)):
        out = solve(folder, case)[0]
        assert out["n_slots"] == 0 and not out["touched"].any()


def main():
    tests = {"lp": (test_random, test_real_shaped), "wide": (test_wide,),
             "small": (test_edges, test_shortlists), "large": (test_large,)}
    if WHAT in ("lp", "wide"):
        try:
            import scipy.optimize  # noqa: F401
        except ImportError as e:
            print(f"skipped: no solver to compare with: {e}")
            return 77
    with tempfile.TemporaryDirectory() as folder:
        for test in tests[WHAT]:
            test(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
