#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists of random worlds against a policy written down plainly in float64, bit for bit: quotas,
pins, diversity, ladders, reasons. The reference sees all eligible items; the program begins with
few and asks for more. Run by ctest: test_shape.py SHAPE_FILE [WORLDS SEED].
"""
import sys

import numpy as np

from case_file import Cases

N_WORLDS, SEED = [int(word) for word in sys.argv[2:]] or (2500, 20260601)
MODEL, POPULAR, GROUP_POPULAR, NEWEST, PINNED = 1, 2, 3, 4, 5
QUOTA, NO_MORE = 1, 2


def dot(a, b):
    """Eight interleaved chains and the tree of docs/EXACTNESS.md, in Python floats."""
    lane = [0.0] * 8
    for d, (x, y) in enumerate(zip(a, b)):
        lane[d % 8] += float(x) * float(y)
    for l in range(4):
        lane[l] += lane[l + 4]
    return (lane[0] + lane[2]) + (lane[1] + lane[3])


def cosine(a, b):
    norms = float(np.sqrt(dot(a, a))) * float(np.sqrt(dot(b, b)))
    return dot(a, b) / norms if norms > 0.0 else 0.0


class Policy:
    """One customer's list, with no thought of speed."""

    def __init__(self, world, customer):
        self.world, self.customer = world, customer
        self.slots, self.chosen, self.passed = [None] * world["k"], [], set()

    def has_room(self, item):
        listed = [s[0] for s in self.slots if s]
        return all(group[item] < 0 or sum(group[i] == group[item] for i in listed) < most
                   for group, _, most in self.world["quotas"])

    def is_open(self, item):
        """May be listed; an item that only its group keeps out is noted."""
        if any(s and s[0] == item for s in self.slots):
            return False
        if not self.has_room(item):
            self.passed.add(item)
            return False
        return True

    def put(self, item, score, source):
        self.slots[self.slots.index(None)] = (item, score, source)

    def place_pins(self):
        dropped = 0
        for (item, slot), eligible, score in zip(self.world["pins"], self.customer["pin_eligible"],
                                                 self.customer["pin_score"]):
            if eligible and self.has_room(item):
                self.slots[slot] = (item, score, PINNED)
                self.chosen.append(item)
            else:
                dropped += bool(eligible)
        return dropped

    def fill_diverse(self):
        w = self.world
        items = self.customer["items"][:w["window"]]
        scores = [float(s) for s in self.customer["scores"][:w["window"]]]
        low, high = min(scores, default=0.0), max(scores, default=0.0)
        near = {}
        while None in self.slots:
            best, best_value = None, 0.0
            for place, item in enumerate(items):
                if not self.is_open(item):
                    continue
                norm = (scores[place] - low) / (high - low) if high > low else 0.0
                for c in self.chosen:
                    if (item, c) not in near:
                        near[item, c] = cosine(w["vectors"][item], w["vectors"][c])
                most = max((near[item, c] for c in self.chosen), default=0.0)
                value = w["lambda"] * norm - (1.0 - w["lambda"]) * most
                if best is None or value > best_value:
                    best, best_value = place, value
            if best is None:
                return
            self.put(items[best], self.customer["scores"][best], MODEL)
            self.chosen.append(items[best])

    def fill(self, items, scores, source):
        for item, score in zip(items, scores):
            if None not in self.slots:
                return
            if self.customer["eligible"][item] and self.is_open(item):
                self.put(item, score, source)

    def make(self):
        dropped = self.place_pins()
        if self.world["lambda"] < 1.0:
            self.fill_diverse()
        self.fill(self.customer["items"], self.customer["scores"], MODEL)
        for source, items, scores in self.customer["ladders"]:
            self.fill(items, scores, source)
        made = [s for s in self.slots if s]
        reason = 0
        if len(made) < self.world["k"]:
            reason = (QUOTA if self.passed else 0) | \
                (NO_MORE if len(made) + len(self.passed) < self.world["k"] else 0)
        return made, reason, dropped


def draw_scores(rng, n):
    """Few values, so that ties are common, or ordinary ones."""
    scores = rng.integers(-3, 4, n) / 2 if rng.random() < 0.4 else rng.normal(size=n)
    return scores.astype(np.float32)


def draw_world(rng):
    n_items = int(rng.integers(1, 80))
    k = int(rng.integers(1, 16))
    n_pins = int(rng.integers(0, min(k, n_items) + 1)) if rng.random() < 0.4 else 0
    n_pins = min(n_pins, 4)
    quotas = []
    for _ in range(rng.integers(0, 4)):
        n_groups = int(rng.integers(1, 12))
        quotas.append((rng.integers(-1, n_groups, n_items), n_groups, int(rng.integers(1, 4))))
    diverse = rng.random() < 0.5
    D = int(rng.integers(1, 20))
    kind = rng.choice(["few", "order of sums", "normal"])
    vectors = rng.integers(-2, 3, (n_items, D)) if kind == "few" else \
        rng.choice([-2.0**30, 2.0**30, 0.0, 1.0, -1.0], (n_items, D)) if kind != "normal" else \
        rng.normal(size=(n_items, D))
    return {"k": k, "n_items": n_items, "quotas": quotas, "D": D,
            "is_score_one": kind == "order of sums",
            "pins": list(zip(rng.permutation(n_items)[:n_pins].tolist(),
                             sorted(rng.permutation(k)[:n_pins].tolist()))),
            "window": k + int(rng.integers(0, 30)),
            "lambda": float(rng.choice([0.1, 0.5, 0.7, 0.95])) if diverse else 1.0,
            "vectors": vectors.astype(np.float32)}


def draw_customer(rng, world):
    n_items = world["n_items"]
    eligible = rng.random(n_items) < rng.choice([0.1, 0.5, 1.0])
    scorable = eligible & (rng.random(n_items) < rng.choice([0.3, 1.0]))
    scores = draw_scores(rng, n_items)
    if world["is_score_one"]:  # diversity alone decides, by bits that the order of sums leaves
        scores[:] = 1.0
    items = np.flatnonzero(scorable)
    items = items[np.lexsort((items, -scores[items]))]
    ladders = []
    for source in rng.permutation([POPULAR, GROUP_POPULAR, NEWEST])[:rng.integers(0, 4)]:
        n = int(rng.integers(0, n_items + 1))
        ladders.append((int(source), rng.permutation(n_items)[:n], draw_scores(rng, n)))
    pins = [item for item, _ in world["pins"]]
    M = int(rng.integers(1, 12)) if world["lambda"] == 1.0 else world["window"]
    return {"items": items, "scores": scores[items], "eligible": eligible, "M": M,
            "ladders": ladders, "pin_eligible": eligible[pins],
            "pin_score": draw_scores(rng, len(pins))}


def write(cases, world, customers):
    cases.put([world["k"], world["n_items"], len(world["quotas"]), len(world["pins"]),
               world["window"], world["D"], len(customers)])
    cases.put(world["lambda"], "<f8")
    for group, n_groups, most in world["quotas"]:
        cases.put([n_groups, most])
        cases.put(group, "<i4")
    cases.put(world["pins"])
    cases.put(world["vectors"], "<f4")
    for c in customers:
        cases.put([len(c["items"]), c["M"], len(c["ladders"])])
        for name, dtype in (("items", "<i4"), ("scores", "<f4"), ("pin_eligible", "u1"),
                            ("pin_score", "<f4"), ("eligible", "u1")):
            cases.put(c[name], dtype)
        for source, items, scores in c["ladders"]:
            cases.put([source, len(items)])
            cases.put(items, "<i4")
            cases.put(scores, "<f4")


def check(world, customer, answers, name, seen):
    k = world["k"]
    n, reason, passed, dropped, calls = (int(v) for v in answers.take(5))
    found = [answers.take(k, dtype) for dtype in ("<i4", "<f4", "u1")]
    policy = Policy(world, customer)
    made, wanted_reason, wanted_dropped = policy.make()
    filler = [(-1, np.nan, 0)] * (k - len(made))
    for values, wanted, dtype in zip(found, zip(*made, *filler), ("<i4", "<f4", "u1")):
        wanted = np.array(wanted, dtype)
        assert np.array_equal(values, wanted, equal_nan=dtype == "<f4"), \
            f"{name}: {values.tolist()}, expected {wanted.tolist()}"
    assert (n, reason, dropped) == (len(made), wanted_reason, wanted_dropped), \
        f"{name}: n, reason, dropped {n, reason, dropped}, " \
        f"expected {len(made), wanted_reason, wanted_dropped}"
    assert n == k or passed == len(policy.passed), f"{name}: {passed}, {len(policy.passed)} passed"
    seen["lists"] += 1
    seen["asked again"] += calls > 1
    seen["pins dropped"] += dropped
    for bit, word in ((QUOTA, "short: quota"), (NO_MORE, "short: no more")):
        seen[word] += bool(reason & bit)
    for source in made:
        seen[f"source {source[2]}"] += 1
    if world["lambda"] < 1.0:
        rank = {item: place for place, item in enumerate(customer["items"])}
        order = [rank[s[0]] for s in made if s[2] == MODEL]
        seen["reordered by diversity"] += order != sorted(order)


def main():
    rng = np.random.default_rng(SEED)
    cases, worlds = Cases(), []
    cases.put(N_WORLDS)
    for _ in range(N_WORLDS):
        world = draw_world(rng)
        customers = [draw_customer(rng, world) for _ in range(rng.integers(1, 4))]
        write(cases, world, customers)
        worlds.append((world, customers))
    answers = cases.run(sys.argv[1])
    seen = dict.fromkeys(["lists", "asked again", "pins dropped", "short: quota", "short: no more",
                          "reordered by diversity"] + [f"source {s}" for s in range(1, 6)], 0)
    for w, (world, customers) in enumerate(worlds):
        for u, customer in enumerate(customers):
            check(world, customer, answers, f"seed {SEED} world {w} customer {u}", seen)
    answers.close()
    print(f"{N_WORLDS} worlds equal:", ", ".join(f"{word} {n}" for word, n in seen.items()))
    assert min(seen.values()) >= 50, "a case that hardly occurs is not tested"


main()
