# SPDX-License-Identifier: Apache-2.0
"""The optimum of an allocation by HiGHS (SciPy), of fractional and of whole lists, and cases to
compare on."""
import allocate_case as ac
import numpy as np


def program(case):
    """(cost, matrix, bound, upper, n_slots): minimise cost.x with matrix x <= bound and
    0 <= x <= upper; the first n_slots variables are places, the others what minimum shares miss,
    at case.short_price each as in the solver."""
    from scipy import sparse
    row, pos = np.nonzero(case.item >= 0)
    item = case.item[row, pos]
    n = len(row)
    blocks = [sparse.csr_matrix((np.ones(n), (row, np.arange(n))), shape=(len(case.item), n))]
    bound = [case.lengths().astype(float)]
    if case.capacity is not None:
        by_item = sparse.csr_matrix((np.ones(n), (item, np.arange(n))), shape=(case.n_items, n))
        blocks.append(by_item[case.capacity >= 0])
        bound.append(case.capacity[case.capacity >= 0].astype(float))
    soft = []
    for limit in case.limits:
        a, b = ac.coefficients(case, limit)
        blocks.append(sparse.csr_matrix(a[item][None]))
        bound.append([float(b)])
        if limit.kind == ac.MIN_SHARE:
            soft.append(sum(block.shape[0] for block in blocks) - 1)
    matrix = sparse.vstack(blocks).tocsc()
    worth = case.utility[row, pos].astype(np.float64) - case.floor
    missing = sparse.csc_matrix((-np.ones(len(soft)), (soft, np.arange(len(soft)))),
                                shape=(matrix.shape[0], len(soft)))
    price = case.short_price or 4 * max(worth.max(), 0.0)
    cost = np.concatenate([-worth, np.full(len(soft), price)])
    upper = np.array([1.0] * n + [np.inf] * len(soft))
    return cost, sparse.hstack([matrix, missing]), np.concatenate(bound), upper, n


def optimum(case):
    """The best value of fractional lists."""
    from scipy.optimize import linprog
    cost, matrix, bound, upper, _ = program(case)
    done = linprog(cost, A_ub=matrix, b_ub=bound, bounds=[(0, u) for u in upper],
                   method="highs-ipm")
    assert done.status == 0, done.message
    return -done.fun


def best_whole(case, seconds):
    """The best value of whole lists that branch and bound finds in that time: the optimum, or one
    that is hard to beat."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    cost, matrix, bound, upper, n = program(case)
    done = milp(cost, constraints=LinearConstraint(matrix, -np.inf, bound),
                bounds=Bounds(0, upper), integrality=np.arange(len(cost)) < n,
                options={"time_limit": seconds, "mip_rel_gap": 1e-5})
    assert done.fun is not None, done.message
    return -done.fun


def random_score(rng, n_rows, n_items, kind):
    """uniform, clustered (low rank), ties (few distinct values), twins (identical customers)."""
    if kind == "uniform":
        return rng.random((n_rows, n_items)).astype(np.float32)
    if kind == "clustered":
        x, z = rng.standard_normal((n_rows, 6)), rng.standard_normal((n_items, 6))
        return (1 / (1 + np.exp(-(x @ z.T) / 2 - rng.standard_normal(n_items)))).astype(np.float32)
    if kind == "ties":
        return (rng.integers(1, 6, (n_rows, n_items)) / 5).astype(np.float32)
    kinds = rng.random((max(1, n_rows // 20), n_items)).astype(np.float32)
    return kinds[rng.integers(0, len(kinds), n_rows)]


def random_limits(rng, case, n_slots):
    """Some of each kind; bounds are tight or loose by chance."""
    group = rng.integers(-1, 4, case.n_items).astype(np.int32)
    case.groups = [group, rng.integers(0, 3, case.n_items).astype(np.int32)]
    if rng.random() < 0.5:
        cost = rng.choice([0, 0.5, 1, 2.25, 3], case.n_items).astype(np.float32)
        cost[0] = 1
        case.limits.append(ac.Limit(ac.BUDGET, float(n_slots * rng.uniform(0.2, 1.5)), cost=cost))
    if rng.random() < 0.5:
        case.limits.append(ac.Limit(ac.MAX_UNITS, float(int(n_slots * rng.uniform(0.02, 0.3))),
                                    column=0, group=0))
    if rng.random() < 0.5:
        case.limits.append(ac.Limit(ac.MAX_SHARE, rng.uniform(0.1, 0.4), column=1, group=0))
    if rng.random() < 0.5 and (group == 1).any():
        case.limits.append(ac.Limit(ac.MIN_SHARE, rng.uniform(0.1, 0.4), column=0, group=1))
    if rng.random() < 0.3 and (case.groups[1] == 2).any():
        case.limits.append(ac.Limit(ac.MIN_SHARE, rng.uniform(0.1, 0.5), column=1, group=2))


def random_case(rng, n_rows, n_items, kind, with_limits):
    """Held customers, short shortlists, tight or loose capacities, some without any."""
    n_kept = int(rng.integers(1, min(5, n_items) + 1))
    case = ac.from_matrix(random_score(rng, n_rows, n_items, kind), n_kept=n_kept)
    case.length = rng.integers(0, n_kept + 1, n_rows).astype(np.int32)
    short = rng.random(n_rows) < 0.1
    case.item[short, n_items // 2:] = -1
    n_slots = max(int(case.length.sum()), 1)
    fair = n_slots / n_items
    spread = rng.choice([0.0, 0.5, 1.0])
    case.capacity = (fair * rng.choice([0.5, 0.9, 1.0, 1.3, 3.0]) *
                     np.exp(spread * rng.standard_normal(n_items))).astype(np.int64)
    case.capacity[rng.random(n_items) < rng.choice([0.0, 0.2])] = -1
    case.floor = float(rng.choice([0.0, 0.0, 0.2]))
    if with_limits:
        random_limits(rng, case, n_slots)
    return case
