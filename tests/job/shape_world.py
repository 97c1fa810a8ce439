# SPDX-License-Identifier: Apache-2.0
"""Random worlds of shaped lists, as files and a configuration, and the policy of docs/RULES.md
("Shape of a list") written down plainly: it looks at all eligible items, in float64."""
import sys

import numpy as np

from job_files import ROOT, canonical_scores, open_file, write_csr, write_job, write_timeline

sys.path.insert(0, str(ROOT / "tests" / "models"))
import model_case  # noqa: E402

MODEL_SOURCE, POPULAR, OWN_POPULAR, NEWEST, PINNED = 1, 2, 3, 4, 5
SHORT, NO_EVENTS, FALLBACK, NOTHING, DIVERSE, GROUPS_FULL = 1, 4, 8, 16, 512, 1024
AS_OF = 1_600_000_000


def bundle(dim):
    return {"format": "batchrank-model", "version": 1, "name": "shape", "model_version": "1",
            "dim": dim, "item": {"vocabulary": "catalogue", "table": "item.table",
                                 "bias": "item.bias"},
            "modalities": [{"name": "buy", "vocabulary": "catalogue", "item_table": "item.table",
                            "prefix": "buy.",
                            "encoder": {"type": "decay", "max_length": 5, "dim": dim,
                                        "half_lives_s": [90000]}}],
            "heads": [{"name": "buy", "link": "logistic",
                       "calibration": {"type": "platt", "a": 0.7, "b": -0.4}}]}


def dot(a, b):
    lane = [0.0] * 8
    for d, (x, y) in enumerate(zip(a.tolist(), b.tolist())):
        lane[d % 8] += x * y
    for i in range(4):
        lane[i] += lane[i + 4]
    return (lane[0] + lane[2]) + (lane[1] + lane[3])


class Policy:
    """Lists of one customer after the other."""

    def __init__(self, w):
        self.w, self.cosine_of, self.norm_of = w, {}, {}

    def norm(self, i):
        if i not in self.norm_of:
            z = self.w["z"][i].astype(float)
            self.norm_of[i] = float(np.sqrt(dot(z, z)))
        return self.norm_of[i]

    def cosine(self, i, c):
        if (i, c) not in self.cosine_of:
            norms = self.norm(i) * self.norm(c)
            product = dot(self.w["z"][i].astype(float), self.w["z"][c].astype(float))
            self.cosine_of[i, c] = product / norms if norms > 0.0 else 0.0
        return self.cosine_of[i, c]

    def has_room(self, item):
        return all(g[item] < 0 or self.count.get((q, g[item]), 0) < most
                   for q, (g, most) in enumerate(self.quotas))

    def is_open(self, item):
        if item in self.listed or item in self.passed:
            return False
        if not self.has_room(item):
            self.passed.add(item)
            return False
        return True

    def put(self, slot, item, score, source):
        self.slots[slot] = (item, score, source)
        self.listed.add(item)
        for q, (g, _) in enumerate(self.quotas):
            self.count[q, g[item]] = self.count.get((q, g[item]), 0) + 1

    def fill_diverse(self, items, scores):
        lam, chosen = 1.0 - self.w["diversity"], [s[0] for s in self.slots if s]
        items, scores = items[:self.w["window"]], [float(s) for s in scores[:self.w["window"]]]
        low, high = min(scores, default=0.0), max(scores, default=0.0)
        near = [-2.0] * len(items)
        seen = 0
        while None in self.slots:
            best, best_value = None, 0.0
            for p, item in enumerate(items):
                if not self.is_open(item):
                    continue
                near[p] = max([near[p]] + [self.cosine(item, c) for c in chosen[seen:]]) \
                    if chosen else 0.0
                norm = (scores[p] - low) / (high - low) if high > low else 0.0
                value = lam * norm - (1.0 - lam) * near[p]
                if best is None or value > best_value:
                    best, best_value = p, value
            seen = len(chosen)
            if best is None:
                return
            if not chosen:
                near = [-2.0] * len(items)
            chosen.append(items[best])
            self.put(self.slots.index(None), items[best], scores[best], MODEL_SOURCE)

    def fill(self, items, scores, source, eligible):
        for item, score in zip(items, scores):
            if None not in self.slots:
                return
            if eligible[item] and self.is_open(item):
                self.put(self.slots.index(None), item, score, source)

    def make(self, ranked, pin_scores, eligible, ladders):
        """ranked: (items, scores); ladders: (source, items, scores). Slots and a reason."""
        w = self.w
        self.quotas = [(w["groups"][name], most) for name, most in w["quotas"]]
        self.slots, self.listed, self.passed, self.count = [None] * w["k"], set(), set(), {}
        for (item, slot), score in zip(w["pins"], pin_scores):
            if eligible[item] and self.has_room(item):
                self.put(slot, item, score, PINNED)
        if w["diversity"] > 0:
            self.fill_diverse(*ranked)
        self.fill(*ranked, MODEL_SOURCE, eligible)
        for source, items, scores in ladders:
            self.fill(items, scores, source, eligible)
        made = [s for s in self.slots if s]
        return made, GROUPS_FULL if len(made) < w["k"] and self.passed else 0


def draw(rng, kind):
    """Everything but the files. Ties are common: vectors and biases of few values, now and then."""
    is_model, is_skewed = kind == "model", kind == "skewed"
    N = int(rng.integers(2500, 5000)) if is_skewed else int(rng.integers(1, 150))
    U, k, D = (int(rng.integers(3, 8)) if is_skewed else int(rng.integers(10, 50)),
               int(rng.integers(1, 13)), int(rng.integers(1, 20)))
    coarse = rng.random() < 0.4
    w = {"U": U, "N": N, "k": k, "D": D, "kind": kind, "coarse": coarse,
         "diversity": float(rng.choice([0.05, 0.3, 0.5, 0.9]))
         if rng.random() < (0.3 if is_skewed else 0.5) else 0.0,
         "window": k + int(rng.integers(0, 30)), "groups": {}, "quotas": []}
    for name in ("brand", "kind", "variant"):
        n_groups = int(rng.integers(1, 15))
        w["groups"][name] = rng.integers(-1, n_groups, N).astype(np.int32)
        if rng.random() < 0.6:
            w["quotas"].append((name, int(rng.integers(1, 4))))
    w["bias"] = rng.integers(-1, 2, N).astype(np.float32)
    if is_skewed:  # the best groups have more items than candidates are asked for
        edges = np.sort(rng.choice(np.arange(1100, N), int(rng.integers(1, 4)), replace=False))
        w["groups"]["brand"] = np.searchsorted(edges, rng.permutation(N), "right").astype(np.int32)
        w["bias"] = w["groups"]["brand"].astype(np.float32) * np.float32(-40)
        w["quotas"] = [q for q in w["quotas"] if q[0] != "brand"] + [("brand", int(
            rng.integers(1, 3)))]
    n_pins = int(rng.integers(0, min(k, N, 4) + 1)) if rng.random() < 0.5 else 0
    w["pins"] = sorted(zip(rng.permutation(N)[:n_pins].tolist(),
                           rng.permutation(k)[:n_pins].tolist()), key=lambda p: p[1])
    w["segment"] = (rng.random(N) < 0.3).astype(np.uint64) * np.uint64(4)
    w["have"] = rng.choice(np.array([0, 4, 5], np.uint64), U)
    w["never"] = [np.unique(rng.integers(0, N, rng.integers(0, N))).tolist()
                  if rng.random() < 0.5 else [] for _ in range(U)]
    start = AS_OF - rng.integers(0, 9, N) * 86400
    w["valid"] = np.stack([start, np.where(rng.random(N) < 0.1, AS_OF, AS_OF + 1)], 1)
    w["valid"][int(rng.integers(0, N)), 1] = AS_OF + 1
    w["fallback"] = {}
    if is_model:
        w["events"] = [[(int(i), AS_OF - 1000 * (9 - t) + (2000 * (t == 8))) for t, i in enumerate(
            rng.integers(0, N, rng.integers(0, 10)))] if rng.random() < 0.5 else []
            for _ in range(U)]
        w["age"] = rng.integers(-1, 3, U).astype(np.int32)
        w["fallback"] = {"fallback_newest": bool(rng.random() < 0.5)}
        if rng.random() < 0.6:
            w["fallback"]["fallback_group"] = "age"
    return w


def vectors(rng, n, w):
    return rng.integers(-1, 2, (n, w["D"])).astype(np.float32) if w["coarse"] else \
        rng.standard_normal((n, w["D"])).astype(np.float32)


def write(rng, folder, w):
    """Both files and job.json; x_u is read from the run's /vector."""
    folder.mkdir()
    U, N = w["U"], w["N"]
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(U)], "S6")
        f["/segment"] = w["have"]
        write_csr(f.create_group("exclude"), w["never"])
        if w["kind"] == "model":
            write_timeline(f, "buy", w["events"])
            f["/static/age"], f["/static_key/age"] = w["age"], np.array([b"a", b"b", b"c"])
        else:
            f["/vector"] = vectors(rng, U, w)
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"catalogue-{i + 1}" for i in range(N)], "S16")
        f["/item/segment"], f["/item/valid"] = w["segment"], w["valid"].astype(np.int64)
        f["/item/value/price"] = rng.uniform(0.5, 3, N).astype(np.float32)
        for name, group in w["groups"].items():
            f["/item/group/" + name] = group
        if w["kind"] != "model":
            w["z"] = vectors(rng, N, w)
            f["/item/vector"], f["/item/bias"] = w["z"], w["bias"]
    paths = {"customers": "customers.h5", "catalogue": "catalogue.h5"}
    if w["kind"] == "model":
        t = model_case.write(folder / "model", bundle(w["D"]), {"catalogue": N + 1}, rng)
        w["z"] = t["item.table"][1:].astype(np.float32)
        w["bias"] = t["item.bias"][1:].astype(np.float32)
        paths["model"] = "model"
    shape = {"quotas": [{"name": f"at most {most} {g}", "group": g, "max": most}
                        for g, most in w["quotas"]],
             "pins": [{"name": f"pin {i}", "item": f"catalogue-{i + 1}", "slot": slot + 1}
                      for i, slot in w["pins"]],
             "diversity": w["diversity"], "window": w["window"]}
    w["sections"] = {"input": paths, "output": {"path": "run", "vectors": True},
                     "list": {"k": w["k"], **w["fallback"]}, "shape": shape,
                     "run": {"as_of": AS_OF}}
    write_job(folder / "job.json", **w["sections"])


def ladders_of(w, u, listed):
    """(source, items, scores), of items that can be listed."""
    counts = np.zeros((4, w["N"]), np.int64)  # by category, then all
    for v, events in enumerate(w["events"]):
        for item, time in events:
            if time <= AS_OF and listed[item]:
                counts[3, item] += 1
                counts[w["age"][v], item] += w["age"][v] >= 0
    def by_count(c, least):
        order = [i for i in np.lexsort((np.arange(w["N"]), -c)).tolist()
                 if listed[i] and c[i] >= least]
        return order, [float(c[i]) for i in order]
    newest = [i for i in np.lexsort((np.arange(w["N"]), -w["valid"][:, 0])).tolist() if listed[i]]
    out = []
    if "fallback_group" in w["fallback"] and w["age"][u] >= 0:
        out.append((OWN_POPULAR, *by_count(counts[w["age"][u]], 1)))
    out.append((POPULAR, *by_count(counts[3], int(w["fallback"]["fallback_newest"]))))
    if w["fallback"]["fallback_newest"]:
        out.append((NEWEST, newest, [0.0] * len(newest)))
    return out


def expected(w, x_UD):
    """Of every customer: slots and flags, by the policy."""
    listed = (w["valid"][:, 0] <= AS_OF) & (AS_OF < w["valid"][:, 1])
    score_UN = canonical_scores(x_UD, w["z"], w["bias"])
    policy, all_pins = Policy(w), w["pins"]
    w["pins"] = [p for p in all_pins if listed[p[0]]]
    for u in range(w["U"]):
        may = listed & ((w["segment"] & ~w["have"][u]) == 0)
        may[w["never"][u]] = False
        items = np.flatnonzero(may)
        items = items[np.lexsort((items, -score_UN[u, items]))].tolist()
        pin_scores = [score_UN[u, i] for i, _ in w["pins"]]
        ladders, flags = [], 0
        if w["kind"] == "model" and not any(t <= AS_OF for _, t in w["events"][u]):
            flags = NO_EVENTS | FALLBACK
            ladders, items = ladders_of(w, u, listed), []
            n_met = [sum(i == p and t <= AS_OF for e in w["events"] for i, t in e)
                     for p, _ in w["pins"]]
            pin_scores = [float(n) for n in n_met]
        made, reason = policy.make((items, score_UN[u, items].tolist()), pin_scores, may, ladders)
        flags |= reason
        flags |= NOTHING if not made else SHORT if len(made) < w["k"] else 0
        if w["diversity"] > 0 and any(s[2] == MODEL_SOURCE for s in made):
            flags |= DIVERSE
        yield made, flags
    w["pins"] = all_pins
