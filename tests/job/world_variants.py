# SPDX-License-Identifier: Apache-2.0
"""The same random worlds (random_worlds.py) with lists that are drawn at random, or that share
capacities, a budget and shares: what must hold of them by definition, beside every rule.

    for variant in VARIANTS:
        sections = variant.sections(world)      # of the configuration, over the world's own
        variant.check(world, lists, expected)   # expected: of the greedy reference
"""
import types

import numpy as np

import reference_policy

NO_CAPACITY, REPAIRED = 128, 256
MAX_SHARE, BUDGET = 0.4, 150.0


def same_fate(lists, expected):
    """Who is held back or out, and by what, does not hang on how lists are chosen."""
    for name in ("customer/rule", "customer/arm", "customer/arm_probability"):
        assert np.array_equal(lists.get(name), expected.get(name)), name
    empty = reference_policy.NO_CONSENT | reference_policy.HELD_OUT | reference_policy.HELD_BACK
    assert ((lists["customer/flags"] & empty) == (expected["customer/flags"] & empty)).all()


# ---- drawn ----

def drawn_sections(world):
    rng = world.rng
    if rng.random() < 0.5:
        policy = {"type": "epsilon", "epsilon": rng.choice([0, 0.2, 1])}
    else:
        policy = {"type": "plackett_luce", "temperature": rng.choice([0.05, 1, 10])}
    return {"policy": {**policy, "seed": int(rng.integers(1000))}}


def check_drawn(world, lists, expected):
    """As long as the best list, of eligible items at their scores, with a propensity each."""
    same_fate(lists, expected)
    x_UD = lists["vector"] if world.has_model else world.x
    score_UN, _ = reference_policy.scores(world, x_UD)
    eligible = reference_policy.eligible_items(world)
    assert (lists["customer/n"] == expected["customer/n"]).all()
    assert (lists["customer/flags"] == expected["customer/flags"]).all()
    for u in range(len(world.key)):
        n = lists["customer/n"][u]
        items, source = lists["list/item"][u, :n], lists["list/source"][u, :n]
        propensity = lists["logging/log_propensity"][u, :n]
        assert len(set(items.tolist())) == n and eligible[u, items].all(), u
        assert (source == expected["list/source"][u, :n]).all(), u
        assert (propensity <= 0).all(), (u, propensity)  # not NaN
        if n and source[0] == reference_policy.BY_MODEL:
            assert (lists["list/score"][u, :n] == score_UN[u, items]).all(), u
        elif n:
            assert (items == expected["list/item"][u, :n]).all(), u


# ---- constrained ----

def constrained_sections(world):
    members = sorted(set(world.group["brand"]) - {None})
    limits = [{"name": f"share of {m}", "group": "brand", "member": m, "max_share": MAX_SHARE}
              for m in members[-1:]]
    constraints = {"capacity": True, "shortlist": max(8, world.config["list"]["k"]),
                   "budgets": [{"name": "money", "cost": "price", "max": BUDGET}], "limits": limits}
    plain = {**world.config["list"], "fallback": "none", "fallback_modality": ""}
    return {"constraints": constraints, "list": plain}


def check_constrained(world, lists, expected):
    """Nobody has more than alone, and whoever has less is told why; nothing passes its limit."""
    same_fate(lists, expected)
    x_UD = lists["vector"] if world.has_model else world.x
    score_UN, _ = reference_policy.scores(world, x_UD)
    eligible = reference_policy.eligible_items(world)
    k = world.config["list"]["k"]
    for u in range(len(world.key)):
        n = lists["customer/n"][u]
        items = lists["list/item"][u, :n]
        assert len(set(items.tolist())) == n and eligible[u, items].all(), u
        assert (lists["list/score"][u, :n] == score_UN[u, items]).all(), u
        most = min(k, eligible[u].sum()) if n or not is_empty(lists, u) else 0
        assert n == most or lists["customer/flags"][u] & NO_CAPACITY, (u, n, most)
    check_limits(world, lists["list/item"][lists["list/item"] >= 0])


def is_empty(lists, u):
    return lists["customer/flags"][u] & (reference_policy.NO_CONSENT | reference_policy.HELD_OUT |
                                         reference_policy.HELD_BACK) != 0


def check_limits(world, listed):
    """listed: catalogue rows of all places."""
    count = np.bincount(listed, minlength=world.n_items)
    for i, capacity in enumerate(world.capacity):
        assert capacity < 0 or count[i] <= capacity, (i, count[i], capacity)
    price = np.array(world.value["price"], np.float64)
    assert (count * price).sum() <= BUDGET + 1e-9, (count * price).sum()
    for member in sorted(set(world.group["brand"]) - {None})[-1:]:
        places = sum(count[i] for i, brand in enumerate(world.group["brand"]) if brand == member)
        assert places <= MAX_SHARE * count.sum() + 1e-9, (member, places, count.sum())


VARIANTS = [types.SimpleNamespace(name="drawn", sections=drawn_sections, check=check_drawn),
            types.SimpleNamespace(name="constrained", sections=constrained_sections,
                                  check=check_constrained)]
