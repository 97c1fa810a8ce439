#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Shaped lists through the whole binary against the policy of shape_world.py, bit for bit: quotas,
pins, diversity, fallbacks, never-lists, segment bits, validity; groups with more items than
candidates; the same bits for any unit and thread count and on the reference backend; expected
values and penalties shaped like their own unshaped ranking; shapes that are refused."""
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

import shape_world as sw
from job_files import call, read_parts, run, write_job

SEED = 20261201
WORLDS = {"vectors": 180, "model": 110, "skewed": 20}


def check_lists(w, lists, name, seen):
    item, score, source = (lists["list/" + c] for c in ("item", "score", "source"))
    for u, (made, flags) in enumerate(sw.expected(w, lists["vector"])):
        pad = w["k"] - len(made)
        wanted = [np.array([s[j] for s in made] + [filler] * pad, dtype) for j, filler, dtype in
                  ((0, -1, np.int32), (1, np.nan, np.float32), (2, 0, np.uint8))]
        for found, want in zip((item[u], score[u], source[u]), wanted):
            assert found.tobytes() == want.tobytes() or np.array_equal(
                found, want, equal_nan=want.dtype.kind == "f"), \
                f"{name} customer {u}: {found.tolist()}, expected {want.tolist()}"
        assert lists["customer/n"][u] == len(made), f"{name} customer {u}"
        assert lists["customer/flags"][u] == flags, \
            f"{name} customer {u}: flags {lists['customer/flags'][u]}, expected {flags}"
        seen["lists"] += 1
        seen.update(f"source {s[2]}" for s in made)
        seen.update(f"flag {1 << bit}" for bit in range(11) if flags >> bit & 1)
    assert (lists["logging/log_propensity"][item >= 0] == 0).all()
    for head in [c for c in lists if c.startswith("probability/")]:
        is_by_model = (source == 1) | ((source == 5) & (lists["customer/flags"] & 8 == 0)[:, None])
        assert (np.isfinite(lists[head]) == is_by_model).all(), name


def same_bits(folder, lists):
    for name, words in {"u": ["--set", "run.unit_customers=7"], "t": ["--threads", "5"],
                        "r": ["--set", "run.backend=ref"]}.items():
        run("run", folder / "job.json", "--set", f"output.path={folder / name}", *words)
        again = read_parts(folder / name)
        other = [c for c in lists if again[c].tobytes() != lists[c].tobytes() and
                 (name != "r" or c.startswith(("list/", "customer/")))]
        assert not other, (folder, name, other)


def check_worlds(folder, kind, n):
    seen = Counter()
    for i in range(n):
        rng = np.random.default_rng([SEED, len(kind), i])
        w, home = sw.draw(rng, kind), folder / f"{kind}{i}"
        sw.write(rng, home, w)
        run("run", home / "job.json", "--set", "run.threads=2")
        lists = read_parts(home / "run")
        check_lists(w, lists, f"seed {SEED} {kind} {i}", seen)
        run("verify", home / "run", *(["--samples", w["U"]] if i % 10 == 0 else []))
        if i % 20 == 0:
            same_bits(home, lists)
    print(f"ok  {n} worlds of {kind}:", ", ".join(f"{k} {v}" for k, v in sorted(seen.items())))
    return seen


def check_ranked(folder, i, objective):
    """A shaped run against the policy on the same job's whole ranking, unshaped. Expected values
    rank the objective's candidates alone; penalised items are among them."""
    rng = np.random.default_rng([SEED, 99, i])
    w, home = sw.draw(rng, "model"), folder / f"ranked{i}"
    w["k"] = min(w["k"], 5)
    w["pins"] = [p for p in w["pins"] if p[1] < w["k"]]
    w["window"] = max(w["window"], w["k"])
    w["fallback"] = {**w["fallback"], "fill": i % 2 == 0}
    sw.write(rng, home, w)
    job = {**w["sections"], "objective": objective}
    top = objective.get("top", w["N"])
    write_job(home / "job.json", **job)
    write_job(home / "all.json", **{**job, "output": {"path": "all"}, "shape": {},
                                    "list": {"k": max(top, 1)}})
    run("run", home / "job.json")
    run("run", home / "all.json")
    run("verify", home / "run", "--samples", w["U"])
    found, ranking = read_parts(home / "run"), read_parts(home / "all")
    n_checked = 0
    listed = (w["valid"][:, 0] <= sw.AS_OF) & (sw.AS_OF < w["valid"][:, 1])
    w["pins"] = []
    for u in range(w["U"]):
        if found["customer/flags"][u] & sw.FALLBACK:
            continue
        n = ranking["customer/n"][u]
        items, scores = ranking["list/item"][u][:n].tolist(), ranking["list/score"][u][:n].tolist()
        may = listed & ((w["segment"] & ~w["have"][u]) == 0)
        may[w["never"][u]] = False
        ladders = sw.ladders_of(w, u, listed) if w["fallback"]["fill"] else []
        made, _ = sw.Policy(w).make((items, scores), [], may, ladders)
        m = found["customer/n"][u]
        assert [s[0] for s in made] == found["list/item"][u][:m].tolist(), (i, u)
        assert [s[2] for s in made] == found["list/source"][u][:m].tolist(), (i, u)
        assert (np.array([s[1] for s in made], np.float32) == found["list/score"][u][:m]).all()
        n_checked += 1
    return n_checked


def check_objectives(folder):
    terms = [{"name": "income", "head": "buy", "weight": 1.5, "value": "price"}]
    repeat = [{"name": "again", "type": "repetition", "weight": 0.7, "timeline": "buy"}]
    n = 0
    for i in range(24):
        objective = [{"type": "score", "penalties": repeat},
                     {"type": "linear", "terms": terms, "penalties": repeat},
                     {"type": "expected_value", "terms": terms, "top": 20, "penalties": []}][i % 3]
        n += check_ranked_without_pins(folder, i, objective)
    assert n > 100
    print(f"ok  {n} lists by objectives and penalties, shaped")


def check_ranked_without_pins(folder, i, objective):
    draw = sw.draw
    try:
        sw.draw = lambda rng, kind: {**draw(rng, kind), "pins": []}
        return check_ranked(folder, i, objective)
    finally:
        sw.draw = draw


def check_drawn(folder):
    """Beside drawn lists, customers without events get popular items by quotas all the same."""
    n = 0
    for i in range(12):
        rng = np.random.default_rng([SEED, 98, i])
        w, home = sw.draw(rng, "model"), folder / f"drawn{i}"
        w.update(pins=[], diversity=0.0, fallback={})
        w["quotas"] = w["quotas"] or [("kind", 1)]
        sw.write(rng, home, w)
        run("run", home / "job.json")
        run("run", home / "job.json", "--set", f"output.path={home / 'drawn'}", "--set",
            "policy.type=plackett_luce")
        best, drawn = read_parts(home / "run"), read_parts(home / "drawn")
        rows = best["customer/flags"] & sw.FALLBACK != 0
        for name in ("customer/n", "customer/flags", "list/item", "list/score", "list/source"):
            assert best[name][rows].tobytes() == drawn[name][rows].tobytes(), (i, name)
        assert np.isnan(drawn["logging/log_normaliser"][rows]).all()
        n += rows.sum()
    assert n > 50
    print(f"ok  {n} popular lists by quotas beside drawn ones")


def check_refusals(folder):
    rng = np.random.default_rng(SEED)
    w = sw.draw(rng, "model")
    while w["N"] < 5:
        w = sw.draw(rng, "model")
    w.update(pins=[], quotas=[], diversity=0.0, fallback={})
    sw.write(rng, folder / "bad", w)
    pin = {"name": "p", "item": "catalogue-1", "slot": 1}
    none = {"fallback": "none"}
    cases = [({"quotas": [{"name": "q", "group": "color", "max": 1}]}, {},
              "shape.quotas[0] 'q'", "has no /item/group/color"),
             ({"quotas": [{"name": "q", "group": "brand", "max": 0}]}, {}, "shape.quotas[0].max",
              "[1, 1024]"),
             ({"pins": [{**pin, "item": "catalogue-0"}]}, {}, "shape.pins[0] 'p'",
              "has no item 'catalogue-0'"),
             ({"pins": [{**pin, "slot": 14}]}, {"k": 13}, "shape.pins[0].slot", "list.k = 13"),
             ({"pins": [pin, {**pin, "name": "r", "item": "catalogue-2"}]}, {},
              "shape.pins[1].slot", 'slot 1 is pinned by "p" too'),
             ({"pins": [pin, {**pin, "name": "r", "slot": 2}]}, {"k": 3}, "shape.pins[1].slot",
              'item "catalogue-1" is pinned by "p" too'),
             ({"diversity": 0.5, "window": 3}, {"k": 4}, "shape.window", "list.k = 4"),
             ({"diversity": 1}, {}, "shape.diversity", "0.99"),
             ({}, {"fallback_group": "income"}, "list.fallback_group", "/static/income"),
             ({}, {"fallback_group": "age", **none}, "list.fallback_group", "is none"),
             ({}, {"fallback_newest": True, **none}, "list.fallback_newest", "is none"),
             ({}, {"fill": True, **none}, "list.fill", "is none")]
    drawn, priced = {"policy": {"type": "plackett_luce"}}, {"constraints": {"capacity": True}}
    cases = [c + ({},) for c in cases] + [
        ({"pins": [pin]}, {}, "shape: ", "policy.type greedy", drawn),
        ({"diversity": 0.1}, {}, "shape: ", "propensities", drawn),
        ({}, {"fallback_newest": True}, "list: ", "propensities", drawn),
        ({"diversity": 0.1}, {}, "shape: ", "do not go with constraints", priced)]
    for shape, keys, where, why, more in cases:
        sections = {**w["sections"], "shape": shape, "list": {"k": 10, **keys}, **more}
        write_job(folder / "bad" / "bad.json", **sections)
        code, _, log = call("check", folder / "bad" / "bad.json")
        assert code == 2 and where in log and why in log, (shape, keys, code, log)
    with h5py.File(folder / "bad" / "catalogue.h5", "a") as f:
        f["/item/valid"][0] = [sw.AS_OF - 9, sw.AS_OF]
    write_job(folder / "bad" / "bad.json", **{**w["sections"], "shape": {"pins": [pin]}})
    code, _, log = call("check", folder / "bad" / "bad.json")
    assert code == 0 and "is not valid at run.as_of: nobody gets it" in log, (code, log)
    with h5py.File(folder / "bad" / "catalogue.h5", "a") as f:
        del f["/item/valid"]
    write_job(folder / "bad" / "bad.json",
              **{**w["sections"], "list": {"k": 3, "fallback_newest": True}})
    code, _, log = call("check", folder / "bad" / "bad.json")
    assert code == 2 and "has no /item/valid" in log, (code, log)
    print(f"ok  {len(cases) + 1} shapes refused, a pin that is over is warned of")


def main():
    print("seed", SEED)
    only = sys.argv[1:] or [*WORLDS, "objectives", "drawn", "refusals"]
    with tempfile.TemporaryDirectory() as name:
        folder, seen = Path(name), Counter()
        for kind in [k for k in only if k in WORLDS]:
            seen += check_worlds(folder, kind, WORLDS[kind])
        if "objectives" in only:
            check_objectives(folder)
        if "drawn" in only:
            check_drawn(folder)
        if "refusals" in only:
            check_refusals(folder)
        if len(sys.argv) == 1:
            rare = {f"source {s}" for s in range(1, 6)} | {f"flag {f}" for f in (
                1, 4, 8, 512, 1024)}
            assert min(seen[c] for c in rare) >= 30, "a case that hardly occurs is not tested"


if __name__ == "__main__":
    main()
