#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Objectives through the whole binary, on ready-made vectors: linear sums and expected values with
prices, penalties, negative weights and rules, against float64; pair heads among the terms, alone
and beside linear ones; what each term added; the same bits for any unit and thread count and on the
reference backend; objectives that cannot be joined."""
import json
import re
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import ROOT, call, open_file, read_parts, run, write_csr, write_job

sys.path.insert(0, str(ROOT / "tests" / "models"))
import model_case  # noqa: E402
import reference  # noqa: E402

SEED, U, N, DIM, K = 20261128, 400, 120, 12, 6
MODEL = {"format": "batchrank-model", "version": 1, "name": "terms", "model_version": "1",
         "dim": DIM, "item": {"vocabulary": "catalogue", "table": "item.table",
                              "bias": "item.bias"}, "modalities": [],
         "heads": [{"name": "buy", "link": "logistic", "item_bias": True,
                    "calibration": {"type": "platt", "a": 0.7, "b": -0.4}},
                   {"name": "return", "link": "logistic", "calibration":
                    {"type": "isotonic", "points": [[0.1, 0.0], [0.5, 0.3], [0.9, 1.0]]}},
                   {"name": "again", "type": "pair_mlp", "hidden": [9, 20], "link": "logistic",
                    "item_bias": True, "calibration": {"type": "platt", "a": 1.5, "b": -0.2}},
                   {"name": "lapse", "type": "survival", "periods": 2, "period_s": 86400}]}
TERMS = [{"name": "fit", "weight": 0.25},
         {"name": "income", "head": "buy", "weight": 1.5, "value": "price"},
         {"name": "likely", "head": "buy", "weight": 0.5},
         {"name": "cost", "head": "return", "weight": -0.75, "value": "price"}]
PAIR = [{"name": "again", "head": "again", "weight": 1}]
MIXED = [{"name": "again", "head": "again", "weight": 2, "value": "margin"}, *TERMS[1:3]]
LOW = {"name": "thin", "type": "low_value", "weight": 2.0, "value": "margin", "floor": 0.3}


def make(folder):
    """Every fifth customer may not see the first half; items need a segment bit now and then."""
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    d = {"x": rng.standard_normal((U, DIM)).astype(np.float32),
         "price": rng.uniform(0.5, 3, N).astype(np.float32),
         "margin": rng.uniform(0, 1, N).astype(np.float32),
         "segment": (rng.random(N) < 0.3).astype(np.uint64),
         "have": rng.integers(0, 2, U).astype(np.uint64)}
    d["never"] = [list(range(N // 2)) if u % 5 == 0 else [] for u in range(U)]
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(U)], "S6")
        f["/vector"], f["/segment"] = d["x"], d["have"]
        write_csr(f.create_group("exclude"), d["never"])
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"catalogue-{i + 1}" for i in range(N)], "S16")
        f["/item/segment"] = d["segment"]
        for name in ("price", "margin"):
            f["/item/value/" + name] = d[name]
    d["t"] = model_case.write(folder / "model", MODEL, {"catalogue": N + 1}, rng)
    d["allowed"] = (d["segment"][None, :] & ~d["have"][:, None]) == 0
    for u in range(U):
        d["allowed"][u, d["never"][u]] = False
    return d


def term_values(d, term, is_expected):
    """[U, N], float64."""
    t, z, x = d["t"], d["t"]["item.table"][1:], d["x"].astype(float)
    if not term.get("head"):
        raw = x @ z.T + t["item.bias"][1:]
    elif term["head"] == "again":
        head = next(h for h in MODEL["heads"] if h["name"] == "again")
        raw = reference.calibrate(head, reference.pair_logits(head, t, x[:, None], z[None])
                                  + t["head.again.item_bias"][1:])
    else:
        name = term["head"]
        raw = x @ t[f"head.{name}.weight"].T @ z.T + t.get(f"head.{name}.item_bias",
                                                           np.zeros(N + 1))[1:]
        head = next(h for h in MODEL["heads"] if h["name"] == name)
        raw = reference.probability(head, t, raw) if is_expected else \
            raw + t[f"head.{name}.bias"][0]
    value = d[term["value"]].astype(float) if term.get("value") else 1.0
    return term["weight"] * value * raw


def penalty_values(d, p):
    return np.broadcast_to(-p["weight"] * np.maximum(0, p["floor"] - d[p["value"]].astype(float)),
                           (U, N))


def check_lists(d, lists, objective, candidates_UN):
    """The best of the candidates up to the rounding of float32, and every part of the sum."""
    is_expected = objective["type"] == "expected_value"
    parts = {t["name"]: term_values(d, t, is_expected) for t in objective.get("terms", [])}
    if not parts:
        parts[""] = term_values(d, {"weight": 1.0}, False)
    parts |= {p["name"]: penalty_values(d, p) for p in objective.get("penalties", [])}
    total = np.where(candidates_UN, sum(parts.values()), -np.inf)
    item, score, n = lists["list/item"], lists["list/score"], lists["customer/n"]
    assert (n == np.minimum(K, candidates_UN.sum(1))).all()
    kth = -np.sort(-total, axis=1)[np.arange(U), n - 1]
    for u in range(U):
        rows = item[u, :n[u]]
        assert candidates_UN[u, rows].all(), u
        assert (total[u, rows] >= kth[u] - 2e-4).all() and (np.diff(score[u, :n[u]]) <= 0).all()
        assert np.abs(score[u, :n[u]] - total[u, rows]).max() < 2e-4, u
        for name, part in parts.items():
            if name:
                found = lists["objective/" + name][u]
                assert np.abs(found[:n[u]] - part[u, rows]).max() < 1e-4, (u, name)
                assert np.isnan(found[n[u]:]).all()
    assert len([c for c in lists if c.startswith("objective/")]) == len([p for p in parts if p])


def job(folder, name, objective, **run_keys):
    write_job(folder / f"{name}.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
              output={"path": name}, list={"k": K}, objective=objective, run=run_keys)
    return folder / f"{name}.json"


def same_bits(folder, path, lists):
    for name, words in {"u": ["--set", "run.unit_customers=37"], "t": ["--threads", "7"]}.items():
        out = Path(f"{path}-{name}")
        run("run", path, "--set", f"output.path={out}", *words)
        again = read_parts(out)
        assert all(again[k].tobytes() == lists[k].tobytes() for k in lists), name
    run("verify", folder / path.stem, "--samples", U)


def best(values_UN, allowed_UN, m):
    """The m best allowed ones of each row."""
    order = np.argsort(-np.where(allowed_UN, values_UN, -np.inf), axis=1)[:, :m]
    out = np.zeros((U, N), bool)
    np.put_along_axis(out, order, True, axis=1)
    return out & allowed_UN


def check_kinds(folder, d):
    plain = {"type": "score", "penalties": [LOW]}
    linear = {"type": "linear", "terms": TERMS, "penalties": [LOW]}
    expected = {"type": "expected_value", "terms": TERMS[1:], "penalties": [LOW], "top": N}
    for name, objective in {"plain": plain, "linear": linear, "expected": expected}.items():
        path = job(folder, name, objective)
        run("check", path)
        run("run", path)
        lists = read_parts(folder / name)
        check_lists(d, lists, objective, d["allowed"])
        same_bits(folder, path, lists)
        print(f"ok  {name}")
    narrow = {**expected, "top": 20}
    path = job(folder, "narrow", narrow)
    run("run", path)
    linear_sum = sum(term_values(d, t, False) for t in TERMS[1:]) + penalty_values(d, LOW)
    lists = read_parts(folder / "narrow")
    check_lists(d, lists, narrow, best(linear_sum, d["allowed"], 20))
    wide = read_parts(folder / "expected")
    assert (wide["list/item"] != lists["list/item"]).any()
    print("ok  expected_value among the 20 best by the linear sum")


def check_pairs(folder, d):
    """Candidates are the best by the linear terms, or by the score where there are none."""
    firsts = {"pairs": (PAIR, [TERMS[0]]), "mixed": (MIXED, MIXED[1:])}
    for name, (terms, first) in firsts.items():
        for top, penalties in ((N, []), (25, [LOW])):
            objective = {"type": "expected_value", "terms": terms, "top": top,
                         "penalties": penalties}
            path = job(folder, f"{name}-{top}", objective)
            run("run", path)
            lists = read_parts(folder / f"{name}-{top}")
            scale = 1 / first[0]["weight"] if name == "pairs" else 1.0
            linear = sum(term_values(d, t, False) for t in first) * scale
            linear = linear + sum(penalty_values(d, p) for p in penalties)
            check_lists(d, lists, objective, best(linear, d["allowed"], top))
            same_bits(folder, path, lists)
            at = lists["list/item"]
            p = np.take_along_axis(term_values(d, PAIR[0], True), np.maximum(at, 0), 1)
            off = np.abs(lists["probability/again"] - p)[at >= 0]
            assert off.max() < 1e-5 and np.ptp(p[at >= 0]) > 0.3, off.max()
        print(f"ok  {name}")
    check_shadow(folder)
    check_explanation(folder)


def check_shadow(folder):
    """Lists by other weights of pair terms are those of a run with them."""
    objective = {"type": "expected_value", "terms": MIXED, "top": 25}
    write_job(folder / "shadow.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
              output={"path": "shadow"}, list={"k": K}, objective=objective,
              shadow={"weightings": [{"name": "other", "weights": [-1, 0.5, 3]}]})
    other = [{**t, "weight": w} for t, w in zip(MIXED, [-1, 0.5, 3])]
    run("run", folder / "shadow.json")
    run("run", job(folder, "other", {**objective, "terms": other}))
    found, wanted = read_parts(folder / "shadow"), read_parts(folder / "other")
    for name in ("item", "score"):
        assert found[f"shadow/other/{name}"].tobytes() == wanted[f"list/{name}"].tobytes()
    print("ok  shadow")


def check_explanation(folder):
    lists = read_parts(folder / "pairs-25")
    item = int(lists["list/item"][7, 2])
    said = json.loads(run("explain", folder / "pairs-25", "--customer", "c0007", "--item",
                          f"catalogue-{item + 1}", "--json"))
    assert abs(said["score"]["score"] - lists["list/score"][7, 2]) < 1e-6, said
    assert "again" in json.dumps(said["score"]["terms"])
    text = run("explain", folder / "pairs-25", "--customer", "c0007", "--item",
               f"catalogue-{item + 1}")
    assert re.search(r"candidate\s+yes: score ", text), text
    print("ok  explained")


def check_refusals(folder):
    cases = [({"type": "linear", "terms": [{"name": "a", "head": "bye", "weight": 1}]},
              "objective.terms[0] 'a': the model has no head 'bye'"),
             ({"type": "linear", "terms": [{"name": "a", "head": "lapse", "weight": 1}]},
              "head 'lapse' is a survival head"),
             ({"type": "linear", "terms": PAIR},
              "objective.terms[0] 'again': head 'again' is a pair_mlp head: its logit is not lin"),
             ({"type": "linear", "terms": [{"name": "a", "weight": 1, "value": "prize"}]},
              "has no /item/value/prize"),
             ({"type": "score", "penalties": [{**LOW, "value": "weight"}]},
              "objective.penalties[0] 'thin': value 'weight'"),
             ({"type": "linear", "terms": TERMS, "penalties": [{**LOW, "name": "fit"}]},
              "is the name of a term too")]
    for objective, wanted in cases:
        code, _, log = call("check", job(folder, "bad", objective))
        assert code == 2 and wanted in log, (objective, log)
    print(f"ok  {len(cases)} objectives refused")


def check_overflow(folder):
    """A sum that float32 does not hold names customer and item, as a score does."""
    terms = [{"name": f"t{i}", "weight": 1e6, "value": "huge"} for i in range(2)]
    with h5py.File(folder / "catalogue.h5", "a") as f:
        f["/item/value/huge"] = np.full(N, 3e38, np.float32)
    code, _, log = call("run", job(folder, "huge", {"type": "linear", "terms": terms}))
    assert code == 3 and "does not fit float32" in log, (code, log)
    huge = {"name": "huge", "head": "again", "weight": 1e6, "value": "huge"}
    code, _, log = call("run", job(folder, "huge-pairs", {"type": "expected_value",
                                                          "terms": [huge]}))
    assert code == 3 and "customer c0000 (row 0) and item" in log, (code, log)
    print("ok  overflow")


def check_plan(folder):
    """A column per term: `output, at most` must have room for it."""
    def output_mib(name):
        text = run("plan", folder / f"{name}.json", "--fast", "--set", "list.k=1000")
        return float(re.search(r"output, at most\s+([0-9.]+) MiB", text).group(1))
    more = output_mib("linear") - output_mib("plain")
    assert abs(more - U * 1000 * 4 * len(TERMS) / 2 ** 20) < 0.11, more
    print("ok  plan counts the terms")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = make(folder)
        check_kinds(folder, d)
        check_pairs(folder, d)
        check_plan(folder)
        check_refusals(folder)
        check_overflow(folder)
        print(json.dumps({"customers": U, "items": N}))


if __name__ == "__main__":
    main()
