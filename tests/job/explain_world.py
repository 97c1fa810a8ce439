# SPDX-License-Identifier: Apache-2.0
"""A random world with a model and every kind of rule, and what must be said of each pair of
customer and item, worked out from the data in plain Python and float64. For test_explain*.py."""
import json
import sys

import h5py
import numpy as np

import test_run_model as base
from job_files import ROOT, write_csr

sys.path.insert(0, str(ROOT / "tests" / "models"))
import reference  # noqa: E402

U, N, K, AS_OF, DAY = base.U, base.N, 5, base.AS_OF, 86400
MODALITIES = [m["name"] for m in base.MODEL["modalities"]]
REGIONS = ["north", "south", "west"]
ITEM_RULES = {"cheap": "only", "adult": "never", "recalled": "never", "local": "match"}
HOLDS = ["weekly", "consent", "complaints", "odd"]  # as rules.order says, then the rest
RULES = {
    "customers": [{"name": "odd", "hold": "unused > 8.5"}],
    "suppressions": [{"name": "complaints", "path": "complaints.txt"}],
    "caps": [{"name": "weekly", "max": 4, "days": 7}],
    "items": [{"name": "cheap", "when": "age = 'c2'", "only": "price < 45"},
              {"name": "adult", "when": "age = 'c3' or age is missing", "never": "price > 30"},
              {"name": "recalled", "never": "margin < 0.05"}],
    "matches": [{"name": "local", "customer": "region", "item": "area"}],
    "recent": [{"name": "rest", "days": 2}], "order": ["weekly"], "strata": "region"}
EXPERIMENT = {"salt": "spring", "hold_out": 0.1, "arms": [{"name": "a"}, {"name": "b"}]}
TERMS = [{"name": "fit", "weight": 0.5},
         {"name": "income", "head": "click", "weight": 0.02, "value": "price"},
         {"name": "worth", "head": "value", "weight": -0.3}]
TIRED = {"name": "tired", "type": "repetition", "weight": 0.8, "half_life_days": 3}
THIN = {"name": "thin", "type": "low_value", "weight": 2.0, "value": "margin", "floor": 0.3}
LINEAR = {"type": "linear", "terms": TERMS, "penalties": [TIRED, THIN]}
GREEDY = {"type": "greedy"}
YOUNG = {"name": "young", "when": "age = 'c1'", "temperature": 0.4, "epsilon": 0.5}


def make(folder, rng):
    """The world of test_run_model, with more columns."""
    base.U, base.N = U, N
    d = base.make(folder, rng)
    d |= {"region": rng.integers(-1, 3, U).astype(np.int32),
          "area": np.where(rng.random(N) < 0.7, -1, rng.integers(0, 3, N)).astype(np.int32),
          "price": rng.uniform(1, 60, N).astype(np.float32),
          "margin": rng.uniform(0, 1, N).astype(np.float32),
          "required": np.where(rng.random(N) < 0.2, 1 << rng.integers(0, 3, N), 0),
          "had": rng.integers(0, 8, U).astype(np.uint64),
          "mail_consent": (rng.random(U) < 0.9).astype(np.uint8),
          "valid": np.stack([np.full(N, AS_OF - DAY), AS_OF + np.where(
              rng.random(N) < 0.1, 0, DAY)], axis=1).astype(np.int64),
          "complaints": set(rng.integers(0, U, 12).tolist())}
    d["contact"] = [sorted((int(t), int(i)) for t, i in zip(
        rng.integers(AS_OF - 12 * DAY, AS_OF + DAY, n), rng.integers(0, N, n)))
        for n in rng.integers(0, 7, U)]
    d["never"] = [sorted(set(rng.integers(0, N, n).tolist())) for n in rng.integers(0, 6, U)]
    with h5py.File(folder / "customers.h5", "a") as f:
        f["/static/region"], f["/segment"] = d["region"], d["had"]
        f["/static_key/region"] = np.array(REGIONS, "S8")
        f["/consent/mail"] = d["mail_consent"]
        write_csr(f.create_group("exclude"), d["never"])
        contact = f.create_group("contact")
        write_csr(contact, [[i for _, i in row] for row in d["contact"]])
        contact["time"] = np.array([t for row in d["contact"] for t, _ in row], np.int64)
    with h5py.File(folder / "catalogue.h5", "a") as f:
        f["/item/group/area"], f["/item/group_key/area"] = d["area"], np.array(REGIONS, "S8")
        f["/item/group/kind"] = rng.integers(0, 4, N).astype(np.int32)
        f["/item/value/price"], f["/item/value/margin"] = d["price"], d["margin"]
        f["/item/segment"], f["/item/valid"] = d["required"].astype(np.uint64), d["valid"]
        f["/item/capacity"] = np.where(rng.random(N) < 0.3, -1, rng.integers(0, 25, N))
        f["/item/name"] = np.array([f"Item \"{i}\" caf\u00e9".encode() for i in range(N)])
        d["item_key"] = [k.decode() for k in f["/item/key"][:]]
    (folder / "complaints.txt").write_text("".join(f"c{u:04d}\n" for u in d["complaints"]))
    return d


def write_config(folder, name, objective, policy, constraints=None, shape=None):
    job = {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
           "output": {"path": name, "vectors": True, "gates": True}, "run": {"as_of": str(AS_OF)},
           "list": {"k": K, "channel": "mail", "exclude_history": ["buy"]}, "rules": RULES,
           "objective": objective, "policy": policy, "experiment": EXPERIMENT}
    if shape:
        job["shape"] = shape
    if constraints:
        job["constraints"], job["list"]["fallback"] = constraints, "none"
    (folder / f"{name}.json").write_text(json.dumps(job))
    return folder / f"{name}.json"


# ---- verdicts ----

def age_of(d, u):
    return [b"c2", b"unheard of", b"c3", b"c1", None][d["age"][u]]  # -1: the last


def holds(d, u):
    """Names of the rules that hold a customer back, in precedence."""
    times = {t for t, _ in d["contact"][u] if t <= AS_OF and AS_OF // DAY - t // DAY < 7}
    verdict = {"weekly": len(times) >= 4, "consent": not d["mail_consent"][u],
               "complaints": u in d["complaints"], "odd": d["aggregate"][u, 2] > 8.5}
    return [name for name in HOLDS if verdict[name]]


def item_rules(d, u, i):
    age, region, area = age_of(d, u), d["region"][u], d["area"][i]
    verdict = {"cheap": age == b"c2" and not d["price"][i] < 45,
               "adult": age in (b"c3", None) and d["price"][i] > 30,
               "recalled": d["margin"][i] < np.float32(0.05),
               "local": area >= 0 and region != area}
    return {name for name, does in verdict.items() if does}


def never_list(d, u, i):
    out = []
    if i in d["never"][u]:
        out.append(("exclude", ""))
    if any(item == i and t <= AS_OF for item, t, _ in d["buy"][u]):
        out.append(("exclude_history", "buy"))
    if any(item == i and t <= AS_OF and AS_OF // DAY - t // DAY < 2 for t, item in d["contact"][u]):
        out.append(("recent", "rest"))
    return out


def unlistable(d, i):
    return {"no_vector": d["item_row"][i] < 0, "not_valid": d["valid"][i, 1] <= AS_OF,
            "recalled": bool(d["margin"][i] < np.float32(0.05))}


def is_eligible(d, u, i):
    return not any(unlistable(d, i).values()) and not item_rules(d, u, i) and \
        not never_list(d, u, i) and not int(d["required"][i]) & ~int(d["had"][u])


# ---- scores ----

def repetition(d, u, i):
    return sum(TIRED["weight"] * 2.0 ** (-(AS_OF - t) / (TIRED["half_life_days"] * DAY))
               for t, item in d["contact"][u] if item == i and t <= AS_OF)


def parts_of(d, x_D, objective):
    """{term: [N]} in float64, repetitions aside; and the linear sum [N]."""
    t, rows = d["tensors"], np.maximum(d["item_row"], 0)
    z, out, linear = t["item.table"][rows], {}, np.zeros(N)
    plain = {"match": z @ x_D, "item bias": t["item.bias"][rows]}
    for term in objective.get("terms", []):
        raw = logit = sum(plain.values())
        if "head" in term:
            head = next(h for h in base.MODEL["heads"] if h["name"] == term["head"])
            raw = z @ (t[f"head.{head['name']}.weight"] @ x_D)
            raw = raw + (t[f"head.{head['name']}.item_bias"][rows] if head.get("item_bias") else 0)
            logit = raw + t[f"head.{head['name']}.bias"][0]
            raw = reference.probability(head, t, raw) if objective["type"] == "expected_value" \
                else logit
        factor = term["weight"] * (d[term["value"]].astype(float) if "value" in term else 1.0)
        out[term["name"]] = factor * raw
        linear += factor * logit
    out = out or plain
    if THIN in objective.get("penalties", []):
        out["thin"] = -THIN["weight"] * np.maximum(0, THIN["floor"] - d["margin"].astype(float))
        linear += out["thin"]
    return out, linear


def ranks(d, u, x_D, objective):
    """(score [N], linear [N] or None, eligible [N], contacted [N]) of one customer."""
    parts, linear = parts_of(d, x_D, objective)
    score = sum(parts.values())
    contacted = np.zeros(N, bool)
    if TIRED in objective.get("penalties", []):
        for i in {item for t, item in d["contact"][u] if t <= AS_OF}:
            score[i] -= repetition(d, u, i)
            contacted[i] = True
    eligible = np.array([is_eligible(d, u, i) for i in range(N)])
    return score, linear if objective["type"] == "expected_value" else None, eligible, contacted


def probabilities(d, x_D, i):
    t, out = d["tensors"], {}
    for head in base.MODEL["heads"][:2]:
        logit = t["item.table"][d["item_row"][i]] @ (t[f"head.{head['name']}.weight"] @ x_D)
        if head.get("item_bias"):
            logit += t[f"head.{head['name']}.item_bias"][d["item_row"][i]]
        out[head["name"]] = float(reference.probability(head, t, np.array([logit]))[0])
    return out


def popularity(d):
    count = np.zeros(N, int)
    for name in ("browse", "buy"):
        for events in d[name]:
            for token, time, _ in events:
                count[token] += time <= AS_OF
    return count


# ---- events ----

def sequences(d, u):
    """{modality: usable events (row, time, weight, type, token)} of one customer, uncut."""
    out = {}
    for m in MODALITIES:
        row_of = d["campaign_row"] if m == "mail" else d["item_row"]
        first = sum(len(row) for row in d[m][:u])
        out[m] = [(row_of[token], time, weight, d["type"][first + e] if m == "browse" else 0, token)
                  for e, (token, time, weight) in enumerate(d[m][u])
                  if time <= AS_OF and row_of[token] >= 0 and weight > 0]
    return out


def vector(d, u, events):
    state, present, confidence = [], [], []
    for m in base.MODEL["modalities"]:
        kept = events[m["name"]][-m["encoder"]["max_length"]:]
        item, time, weight, kind = [np.array([e[c] for e in kept]) for c in range(4)]
        seq = {"item": item.astype(int), "time": time, "weight": weight.astype(float),
               "type": kind.astype(int) if m["name"] == "browse" else None}
        state.append(reference.encode(seq, m, d["tensors"]))
        present.append(len(kept) > 0)
        confidence.append(weight.mean() if kept else 1.0)
    static = [d["age_row"][d["age"][u]] if d["age"][u] >= 0 else 0]
    return reference.fuse(base.MODEL, d["tensors"], state, np.array(present), confidence, static,
                          d["aggregate"][u, :2])[0]


def influences(d, u, i, objective):
    """[(modality, key, time, change)] of every event left out, in float64."""
    events, out = sequences(d, u), []
    whole = sum(p[i] for p in parts_of(d, vector(d, u, events), objective)[0].values())
    for m in base.MODEL["modalities"]:
        name = m["name"]
        n = len(events[name])
        for e in range(max(0, n - m["encoder"]["max_length"]), n):
            fewer = {**events, name: events[name][:e] + events[name][e + 1:]}
            score = sum(p[i] for p in parts_of(d, vector(d, u, fewer), objective)[0].values())
            token = events[name][e][4]
            key = f"campaign-{[3, 1, 5, None, 2][token]}" if name == "mail" else \
                d["item_key"][token]
            out.append((name, key, events[name][e][1], whole - score))
    return out
