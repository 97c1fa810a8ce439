#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Several weightings in one pass. A sweep's figures equal those of a run by itself with each
weighting; a shadow's lists are those of such a run, bit for bit, and its distance from the
published lists is recomputed here; the same bytes for any unit and thread count and after a stop;
what cannot be compared is refused before any work."""
import csv
import json
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np

import test_objective as world
import test_run_model as whole
from job_files import call, read_parts, run, write_csr

AS_OF, DAY, SEED = 1_700_000_000, 86400, 20261206
TIRED = {"name": "tired", "type": "repetition", "weight": 1.5, "half_life_days": 7}
EXPERIMENT = {"salt": "sweep", "hold_out": 0.2}
WEIGHTINGS = [{"name": "fit, \"only\"", "weights": {"fit": 1, "income": 0, "likely": 0, "cost": 0}},
              {"name": "income", "weights": {"income": 3, "cost": -0.2}},
              {"name": "careful", "weights": {"cost": -2.5}},
              {"name": "as it is", "weights": {}},
              {"name": "contrary", "weights": {"income": -1.5}}]
COLUMNS = ("penalty", "lists", "items_listed", "coverage", "gini", "overlap")


def add_contacts(folder):
    rng = np.random.default_rng(SEED)
    rows = [np.sort(rng.integers(AS_OF - 30 * DAY, AS_OF, rng.integers(0, 9)))
            for _ in range(world.U)]
    with h5py.File(folder / "customers.h5", "a") as f:
        write_csr(f.create_group("contact"), [rng.integers(0, world.N, len(r)) for r in rows])
        f["/contact/time"] = np.concatenate(rows).astype(np.int64)


def objectives():
    penalties = [world.LOW, TIRED]
    return {"linear": {"type": "linear", "terms": world.TERMS, "penalties": penalties},
            "expected": {"type": "expected_value", "terms": world.TERMS[1:], "top": 40,
                         "penalties": penalties}}


def weighted(objective, weights):
    """The objective with other weights."""
    terms = [{**t, "weight": weights.get(t["name"], t["weight"])} for t in objective["terms"]]
    return {**objective, "terms": terms}


def named(objective):
    """The weightings that this objective has the terms for."""
    known = {t["name"] for t in objective["terms"]}
    return [{**w, "weights": {t: v for t, v in w["weights"].items() if t in known}}
            for w in WEIGHTINGS]


def job(folder, name, objective, **sections):
    path = world.job(folder, name, objective, as_of=str(AS_OF))
    path.write_text(json.dumps({**json.loads(path.read_text()), "experiment": EXPERIMENT,
                                **sections}))
    return path


def run_alone(folder, name, objective, **sections):
    run("run", job(folder, name, objective, **sections))
    return read_parts(folder / name)


def gini(count_N):
    count = np.sort(count_N).astype(float)
    rank = 2 * np.arange(1, len(count) + 1) - len(count) - 1
    return (rank * count).sum() / (len(count) * count.sum())


def exposure(lists, n_items=world.N):
    item = lists["list/item"]
    return np.bincount(item[item >= 0], minlength=n_items)


def figures(d, objective, lists, own):
    """What a sweep says of these lists, from the run by itself."""
    item, n = lists["list/item"], lists["customer/n"]
    used = item >= 0
    some = n > 0
    place = np.where(used, item, 0)
    out = {"lists": int(some.sum()), "gini": gini(exposure(lists)),
           "items_listed": int((exposure(lists) > 0).sum())}
    out["coverage"] = out["items_listed"] / world.N
    out["penalty"] = -sum(np.nansum(lists["objective/" + p["name"]].astype(float))
                          for p in objective["penalties"]) / some.sum()
    out["overlap"] = np.mean([len(set(a[a >= 0]) & set(b[b >= 0])) / max((a >= 0).sum(),
                                                                        (b >= 0).sum())
                              for a, b in zip(item[some], own["list/item"][some])])
    is_expected = objective["type"] == "expected_value"
    out["terms"] = {}
    for t in objective["terms"]:
        value = world.term_values(d, {**t, "weight": 1.0}, is_expected)
        value = np.take_along_axis(value, place, 1)
        out["terms"][t["name"]] = (value * used).sum() / some.sum()
        if t["weight"] != 0:  # what the run itself wrote
            written = np.nansum(lists["objective/" + t["name"]].astype(float)) / t["weight"]
            assert abs(written / some.sum() - out["terms"][t["name"]]) < 1e-4
    return out


def is_efficient(rows, objective):
    sign = np.array([-1 if t["weight"] < 0 else 1 for t in objective["terms"]])
    r = np.array([list(row["terms"].values()) for row in rows]) * sign
    return [not any((w >= v).all() and (w > v).any() for w in r) for v in r]


def check_table(said, sweep):
    lines = said.splitlines()[2:]
    assert len(lines) == len(sweep["weightings"])
    for line, row in zip(lines, sweep["weightings"]):
        assert line.startswith(("* " if row["efficient"] else "  ") + row["name"][:24]), line


def check_csv(path, sweep, terms):
    with open(path, newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == len(sweep["weightings"])
    for found, row in zip(rows, sweep["weightings"]):
        assert found["name"] == row["name"]
        assert found["efficient"] == ("true" if row["efficient"] else "false")
        for t in terms:
            assert float(found["weight." + t]) == row["weights"][t]
            assert float(found["term." + t]) == row["terms"][t]
        assert all(float(found[c]) == row[c] for c in COLUMNS)


def check_sweep(folder, d, kind, objective):
    """Every figure of every weighting against its own run."""
    path, file = job(folder, f"{kind}-own", objective), folder / f"{kind}-weights.json"
    file.write_text(json.dumps(named(objective)))
    said = run("run", path, "--sweep", file, "-o", folder / f"{kind}-sweep")
    assert not (folder / f"{kind}-own").exists()
    sweep = json.loads((folder / f"{kind}-sweep" / "sweep.json").read_text())
    own = run_alone(folder, f"{kind}-own", objective)
    rows = [{"name": "configuration", "weights": {}}, *named(objective)]
    assert [w["name"] for w in sweep["weightings"]] == [w["name"] for w in rows]
    for v, (found, wanted) in enumerate(zip(sweep["weightings"], rows)):
        alone = weighted(objective, wanted["weights"])
        assert found["weights"] == {t["name"]: t["weight"] for t in alone["terms"]}
        f = figures(d, alone, run_alone(folder, f"{kind}-{v}", alone), own)
        for name, value in f.pop("terms").items():
            assert abs(found["terms"][name] - value) < 1e-4, (kind, v, name, found["terms"], value)
        assert abs(found["penalty"] - f.pop("penalty")) < 1e-5, (kind, v)
        for name, value in f.items():
            assert abs(found[name] - value) < 1e-12, (kind, v, name, found[name], value)
    assert [w["efficient"] for w in sweep["weightings"]] == is_efficient(sweep["weightings"],
                                                                        objective)
    assert 0 < sum(w["efficient"] for w in sweep["weightings"]) < len(rows)
    assert sweep["weightings"][4]["overlap"] == 1 and sweep["weightings"][1]["overlap"] < 0.9
    terms = [t["name"] for t in objective["terms"]]
    check_csv(folder / f"{kind}-sweep" / "sweep.csv", sweep, terms)
    check_table(said, sweep)
    check_same(folder, path, file, folder / f"{kind}-sweep")
    print(f"ok  sweep, {kind}: {len(rows)} weightings as by themselves")


def check_same(folder, path, file, out):
    """The same bytes for any unit and thread count."""
    for words in (["--set", "run.unit_customers=37"], ["--threads", "7"],
                  ["--threads", "1", "--set", "run.unit_customers=1"]):
        again = folder / "again"
        run("run", path, "--sweep", file, "-o", again, *words)
        for name in ("sweep.json", "sweep.csv"):
            assert (again / name).read_bytes() == (out / name).read_bytes(), words
        shutil.rmtree(again)


def rbo(a, b):
    a, b = a[a >= 0].tolist(), b[b >= 0].tolist()
    depth, p = max(len(a), len(b)), 0.9
    agree = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, depth + 1)]
    return agree[-1] * p ** depth + (1 - p) * sum(p ** d * x for d, x in enumerate(agree))


def check_distance(lists, shadow_UK, said, n_customers, n_items):
    """stats.json on one shadow."""
    own = lists["list/item"]
    ours = (lists["list/source"] == 1).any(1)
    assert ours.sum() == n_customers > 0
    share = [len(set(a[a >= 0]) & set(b[b >= 0])) / max((a >= 0).sum(), (b >= 0).sum())
             for a, b in zip(own[ours], shadow_UK[ours])]
    assert abs(said["overlap"] - np.mean(share)) < 2e-9
    assert abs(said["rank_biased_overlap"] -
               np.mean([rbo(a, b) for a, b in zip(own[ours], shadow_UK[ours])])) < 2e-9
    e = [np.bincount(x[ours][x[ours] >= 0], minlength=n_items) for x in (own, shadow_UK)]
    assert abs(said["exposure_shift"] -
               np.abs(e[0] / e[0].sum() - e[1] / e[1].sum()).sum() / 2) < 2e-9


def shadows_of(objective, rows):
    return {"weightings": [{"name": w["name"], "weights": [
        w["weights"].get(t["name"], t["weight"]) for t in objective["terms"]]} for w in rows]}


def check_view(path, lists):
    """lists.h5 shows shadows, and so does `info`."""
    names = {k.split("/")[1] for k in lists if k.startswith("shadow/")}
    with h5py.File(path / "lists.h5") as f:
        for name in names:
            for part in ("item", "score"):
                shown = f[f"/shadow/{name}/{part}"][:]
                assert shown.tobytes() == lists[f"shadow/{name}/{part}"].tobytes()
    said = run("info", next((path / "parts").glob("*.h5")))
    assert all(name in said for name in names), said


def check_shadows(folder, kind, objective):
    rows = named(objective)[1:5]
    name = f"{kind}-shadows"
    path = job(folder, name, objective, shadow=shadows_of(objective, rows))
    run("run", path, "--set", "run.unit_customers=150")
    lists, out = read_parts(folder / name), folder / name
    own = run_alone(folder, f"{kind}-plain", objective)
    assert all(lists[k].tobytes() == own[k].tobytes() for k in own)
    stats = json.loads((out / "stats.json").read_text())["shadows"]
    assert list(stats["of"]) == [w["name"] for w in rows]
    for v, w in enumerate(rows):
        alone = run_alone(folder, f"{kind}-shadow-{v}", weighted(objective, w["weights"]))
        for part in ("item", "score"):
            found = lists[f"shadow/{w['name']}/{part}"]
            assert found.tobytes() == alone["list/" + part].tobytes(), (kind, v, part)
        check_distance(lists, alone["list/item"], stats["of"][w["name"]], stats["customers"],
                       world.N)
    check_view(out, lists)
    run("verify", out, "--samples", world.U)
    run("publish", out, "--to", "csv", "-o", folder / f"{kind}-csv")
    run("publish", folder / f"{kind}-plain", "--to", "csv", "-o", folder / f"{kind}-csv-plain")
    for file in (folder / f"{kind}-csv").rglob("*.csv"):
        plain = folder / f"{kind}-csv-plain" / file.relative_to(folder / f"{kind}-csv")
        assert file.read_text().count("\n") == plain.read_text().count("\n")
    check_resumed(path, out)
    print(f"ok  shadows, {kind}: bit for bit the lists of their own runs")


def check_resumed(path, out):
    """Parts of an earlier command count like our own, whatever the order."""
    stats = (out / "stats.json").read_bytes()
    parts = {p.name: p.read_bytes() for p in (out / "parts").glob("*.h5")}
    assert len(parts) == 3
    for name in ("manifest.json", "lists.h5", "stats.json", "metrics.prom"):
        (out / name).unlink()
    for file in [*(out / "parts").glob("*00001*"), *(out / "receipts").glob("*00001*")]:
        file.unlink()
    run("run", path, "--set", "run.unit_customers=150")
    assert (out / "stats.json").read_bytes() == stats
    assert {p.name: p.read_bytes() for p in (out / "parts").glob("*.h5")} == parts


def check_shapes(folder):
    """Pins and diversity shape a shadow's lists and a sweep's as they do those of its own run."""
    objective, file = objectives()["linear"], folder / "shape-weights.json"
    rows = named(objective)[1:3]
    file.write_text(json.dumps(rows))
    shapes = {"pins": {"pins": [{"name": "spring", "item": "catalogue-5", "slot": 2}]},
              "diversity": {"diversity": 0.5}}
    for name, shape in shapes.items():
        lists = run_alone(folder, f"{name}-own", objective, shape=shape,
                          shadow=shadows_of(objective, rows))
        plain = run_alone(folder, f"{name}-plain", objective, shape=shape)
        assert all(lists[k].tobytes() == plain[k].tobytes() for k in plain), name
        run("verify", folder / f"{name}-own", "--samples", world.U)
        out = folder / f"{name}-swept"
        run("run", job(folder, f"{name}-sweep", objective, shape=shape), "--sweep", file, "-o", out)
        sweep = json.loads((out / "sweep.json").read_text())["weightings"]
        for v, w in enumerate(rows):
            alone = run_alone(folder, f"{name}-{v}", weighted(objective, w["weights"]), shape=shape)
            for part in ("item", "score"):
                found = lists[f"shadow/{w['name']}/{part}"]
                assert found.tobytes() == alone["list/" + part].tobytes(), (name, v, part)
            assert sweep[v + 1]["items_listed"] == (exposure(alone) > 0).sum()
            assert abs(sweep[v + 1]["gini"] - gini(exposure(alone))) < 1e-12
    print("ok  shaped lists")


def check_fallback(folder):
    """With timelines: who has no usable event gets the same list by popularity from everyone."""
    objective = {"type": "linear", "terms": [{"name": "fit", "weight": 1},
                                             {"name": "click", "head": "click", "weight": 0.2}]}
    weights = {"name": "clicks", "weights": {"fit": 0.1, "click": 2}}
    path = folder / "job.json"
    base = {**json.loads(path.read_text()), "objective": objective}
    for name, sections in {"own": {"shadow": shadows_of(objective, [weights])},
                           "alone": {"objective": weighted(objective, weights["weights"])}}.items():
        (folder / f"{name}.json").write_text(json.dumps({**base, **sections,
                                                         "output": {"path": name}}))
        run("run", folder / f"{name}.json")
    lists, alone = read_parts(folder / "own"), read_parts(folder / "alone")
    is_popular = (lists["customer/flags"] & 8) != 0
    assert is_popular.any() and not is_popular.all()
    for part in ("item", "score"):
        assert lists[f"shadow/clicks/{part}"].tobytes() == alone["list/" + part].tobytes()
    stats = json.loads((folder / "own" / "stats.json").read_text())["shadows"]
    check_distance(lists, alone["list/item"], stats["of"]["clicks"], stats["customers"], whole.N)
    run("verify", folder / "own", "--samples", whole.U)
    file = folder / "weights.json"
    file.write_text(json.dumps([weights]))
    run("run", folder / "own.json", "--sweep", file, "-o", folder / "swept")
    sweep = json.loads((folder / "swept" / "sweep.json").read_text())["weightings"]
    item = np.where(is_popular[:, None], -1, alone["list/item"])
    assert sweep[1]["lists"] == stats["customers"] == (item[:, 0] >= 0).sum()
    assert sweep[1]["items_listed"] == len(np.unique(item[item >= 0]))
    assert abs(sweep[1]["overlap"] - stats["of"]["clicks"]["overlap"]) < 2e-9
    check_same(folder, folder / "own.json", file, folder / "swept")
    print("ok  lists by popularity are everyone's, and no weighting's")


def check_refusals(folder):
    linear, file = objectives()["linear"], folder / "w.json"
    path = job(folder, "refused", linear)
    bad_files = [({}, "expected an array"), ([], "found 0 weightings"),
                 ([1], "[0]: found a number"),
                 ([{"name": "a", "weights": {"incme": 1}}],
                  "[0].weights: objective.terms has no term 'incme', did you mean 'income'"),
                 ([{"name": "a", "weights": {"fit": "1"}}], "[0].weights.fit: found a string"),
                 ([{"name": "a", "weights": {"fit": 1e7}}], "at most 1e+06"),
                 ([{"name": "a", "weights": [1]}], "[0].weights: expected an object"),
                 ([{"name": "a"}], "[0].weights: expected an object"),
                 ([{"weights": {}}], "[0].name: expected a text"),
                 ([{"name": "a", "weights": {}}] * 2, "'a' is the name of [0] too"),
                 ([{"name": "configuration", "weights": {}}], "the configuration's own"),
                 ([{"name": "a", "weights": {}, "k": 3}], "unknown key 'k'"),
                 ([{"name": str(i), "weights": {}} for i in range(65)], "found 65 weightings")]
    for content, wanted in bad_files:
        file.write_text(json.dumps(content))
        code, _, log = call("run", path, "--sweep", file)
        assert code == 2 and wanted in log, (content, log)
    file.write_text(json.dumps([{"name": "a", "weights": {}}]))
    two = [{"name": "s", "weights": [1, 2]}]
    same = {"name": "s", "weights": [1, 2, 3, 4]}
    bad_jobs = [({"policy": {"type": "plackett_luce"}}, "expected policy.type greedy", True),
                ({"objective": {"type": "score"}}, "objective.terms is empty", True),
                ({"constraints": {"budgets": [{"name": "b", "cost": "price", "max": 9}]},
                  "list": {"k": 3, "fallback": "none"}}, "share capacities", True),
                ({"shadow": {"weightings": two}}, "found 2 numbers, expected 4", False),
                ({"shadow": {"weightings": [same, same]}}, "is there twice", False),
                ({"shadow": {"weightings": [{**same, "name": "a/b"}]}}, 'without "/"', False),
                ({"shadow": {"weightings": [same]}, "policy": {"type": "epsilon"}},
                 "expected policy.type greedy", False),
                ({"shadow": {"weightings": [same]}, "objective": {"type": "score"}},
                 "objective.terms is empty", False)]
    for sections, wanted, is_sweep in bad_jobs:
        path = job(folder, "refused", sections.get("objective", linear),
                   **{k: v for k, v in sections.items() if k != "objective"})
        code, _, log = call("run", path, *(["--sweep", file] if is_sweep else []))
        assert code == 2 and wanted in log, (sections, log)
    path = job(folder, "refused", linear)
    code, _, log = call("run", path, "-o", folder / "nowhere")
    assert code == 2 and "belongs to --sweep" in log, log
    code, _, log = call("run", path, "--sweep", file, "-o", folder / "linear-own")
    assert code == 2 and "holds a run" in log, log
    assert not (folder / "refused").exists() and not (folder / "nowhere").exists()
    print(f"ok  {len(bad_files) + len(bad_jobs) + 2} refusals")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = world.make(folder)
        add_contacts(folder)
        for kind, objective in objectives().items():
            check_sweep(folder, d, kind, objective)
            check_shadows(folder, kind, objective)
        check_shapes(folder)
        check_refusals(folder)
    with tempfile.TemporaryDirectory() as name:
        whole.make(Path(name), np.random.default_rng(SEED))
        check_fallback(Path(name))


if __name__ == "__main__":
    main()
