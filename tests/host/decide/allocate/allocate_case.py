# SPDX-License-Identifier: Apache-2.0
"""Allocation problems for tests: made, handed to allocate_file, judged in NumPy alone."""
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

BUDGET, MAX_UNITS, MAX_SHARE, MIN_SHARE = range(4)
REPORT = ("n_slots", "utility", "value", "dual_value", "gap", "short_cost", "short_price", "n_over",
          "n_touched", "n_uncertain", "outside_value", "n_steps", "passes", "seconds")


@dataclass
class Limit:
    kind: int
    bound: float
    cost: np.ndarray = None  # budgets
    column: int = 0
    group: int = 0


@dataclass
class Case:
    item: np.ndarray      # [B, M] i32, -1 behind the last
    utility: np.ndarray   # [B, M] f32, best first
    n_items: int
    n_kept: int
    capacity: np.ndarray = None
    length: np.ndarray = None
    bound: np.ndarray = None
    groups: list = field(default_factory=list)
    limits: list = field(default_factory=list)
    floor: float = 0.0
    short_price: float = 0.0
    tolerance: float = 0.0
    max_passes: float = 0.0
    start: np.ndarray = None

    def lengths(self):
        return self.length if self.length is not None else np.full(len(self.item), self.n_kept)


def from_matrix(score, width=None, **more):
    """Shortlists of a dense [B, N] score: its best `width` items, and the bound of the rest."""
    n_items = score.shape[1]
    width = width or n_items
    item = np.argsort(-score, axis=1, kind="stable").astype(np.int32)
    utility = np.take_along_axis(score, item, 1).astype(np.float32)
    bound = utility[:, width].copy() if width < n_items else None
    return Case(item[:, :width].copy(), utility[:, :width].copy(), n_items, bound=bound, **more)


def coefficients(case, limit):
    """One limit as sum(coefficient * demand) <= bound."""
    if limit.kind == BUDGET:
        return limit.cost.astype(np.float64), limit.bound
    inside = (case.groups[limit.column] == limit.group).astype(np.float64)
    if limit.kind == MAX_UNITS:
        return inside, limit.bound
    return (inside - limit.bound, 0.0) if limit.kind == MAX_SHARE else (limit.bound - inside, 0.0)


def write(case, path):
    optional = (case.bound, case.length, case.capacity, case.start)
    head = [*case.item.shape[:1], case.n_items, case.item.shape[1], case.n_kept, len(case.limits),
            len(case.groups), *(x is not None for x in optional)]
    with open(path, "wb") as f:
        f.write(np.array(head, "<i8").tobytes())
        f.write(np.array([case.floor, case.short_price, case.tolerance, case.max_passes],
                         "<f8").tobytes())
        f.write(case.item.astype("<i4").tobytes() + case.utility.astype("<f4").tobytes())
        for values, kind in zip(optional, ("<f4", "<i4", "<i8", "<f8")):
            if values is not None:
                f.write(np.asarray(values).astype(kind).tobytes())
        for column in case.groups:
            f.write(column.astype("<i4").tobytes())
        for limit in case.limits:
            f.write(np.array([limit.kind, limit.column, limit.group], "<i8").tobytes())
            f.write(np.array([limit.bound], "<f8").tobytes())
            if limit.kind == BUDGET:
                f.write(limit.cost.astype("<f4").tobytes())


def run(program, folder, case, n_lanes=2):
    """(result, raw bytes without the seconds), or the sentence of a refusal."""
    source, target = Path(folder) / "case.in", Path(folder) / "case.out"
    write(case, source)
    done = subprocess.run([program, source, target, str(n_lanes)], capture_output=True, text=True)
    if done.returncode:
        assert done.returncode in (2, 3), (done.returncode, done.stderr)
        return done.stderr.strip(), None
    raw = target.read_bytes()
    n_rows, n_duals = len(case.item), case.n_items + len(case.limits)
    parts = (("list", "<i4", n_rows * case.n_kept), ("touched", "u1", n_rows),
             ("dual", "<f8", n_duals), ("price", "<f4", case.n_items),
             ("activity", "<f8", len(case.limits)), ("report", "<f8", len(REPORT)))
    out, at = {}, 0
    for name, kind, n in parts:
        out[name] = np.frombuffer(raw, kind, n, at)
        at += out[name].nbytes
    assert at == len(raw)
    out["list"] = out["list"].reshape(n_rows, case.n_kept)
    out.update(zip(REPORT, out.pop("report")))
    return out, raw[:-8]


def primal_value(case, lists):
    """Checks that the lists are lists of the shortlists; their utility, value and demand."""
    listed = lists >= 0
    assert (listed.sum(1) <= case.lengths()).all(), "a list is too long"
    utility = np.zeros(lists.shape)
    place = np.full(lists.shape, -1)
    for k in range(lists.shape[1]):
        hit = (case.item == lists[:, k:k + 1]) & listed[:, k:k + 1]
        assert (hit.any(1) == listed[:, k]).all(), "an item outside the shortlist"
        place[:, k] = np.where(listed[:, k], hit.argmax(1), case.item.shape[1] + k)
        utility[:, k] = np.where(listed[:, k],
                                 np.take_along_axis(case.utility, hit.argmax(1)[:, None], 1)[:, 0],
                                 0.0)
    assert (np.diff(place, axis=1) > 0).all(), "not by utility, or an item twice"
    demand = np.bincount(lists[listed], minlength=case.n_items)
    return utility.sum(), utility.sum() - case.floor * listed.sum(), demand


def dual_value(case, dual):
    """An upper bound for every allocation, by weak duality, in float64."""
    assert (dual >= 0).all()
    price = dual[:case.n_items].copy()
    value = 0.0
    if case.capacity is not None:
        has = case.capacity >= 0
        value += (dual[:case.n_items] * np.where(has, case.capacity, 0)).sum()
        assert (dual[:case.n_items][~has] == 0).all()
    for limit, d in zip(case.limits, dual[case.n_items:]):
        a, b = coefficients(case, limit)
        price += d * a
        value += d * b
    worth = case.utility.astype(np.float64) - case.floor - price[case.item]
    worth = np.where(case.item >= 0, np.maximum(worth, 0), 0)
    worth = -np.sort(-worth, axis=1)[:, :case.n_kept]
    return value + (worth * (np.arange(worth.shape[1]) < case.lengths()[:, None])).sum(), price


def check(case, out):
    """Everything that must hold for any result; returns value, dual value and missing slots."""
    utility, value, demand = primal_value(case, out["list"])
    assert np.isclose(utility, out["utility"], rtol=1e-9, atol=1e-9)
    assert np.isclose(value, out["value"], rtol=1e-6, atol=1e-6)
    assert out["n_over"] == 0
    if case.capacity is not None:
        assert ((demand <= case.capacity) | (case.capacity < 0)).all(), "a capacity is broken"
    missing = 0.0
    for limit, activity in zip(case.limits, out["activity"]):
        a, b = coefficients(case, limit)
        over = (a * demand).sum() - b
        if limit.kind == MIN_SHARE:
            missing += max(over, 0.0)
        else:
            assert over <= 1e-6 * (limit.kind == MAX_SHARE), f"a limit is broken: {limit}"
        want = (limit.cost * demand if limit.kind == BUDGET else
                demand[case.groups[limit.column] == limit.group]).sum()
        assert np.isclose(want, activity, rtol=1e-6)
    assert np.isclose(missing * out["short_price"], -out["short_cost"], rtol=1e-4, atol=1e-4)
    dual, price = dual_value(case, out["dual"])
    assert np.isclose(dual, out["dual_value"], rtol=1e-5, atol=1e-5)
    assert np.allclose(price, out["price"], rtol=1e-5, atol=1e-6)
    return value, dual, missing
