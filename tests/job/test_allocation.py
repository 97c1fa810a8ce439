#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Constraints over all customers through the whole binary: every hard limit holds in the lists, the
dual value recomputed here in float64 over every customer and item bounds what was reached, prices
and sums in stats.json agree with the lists; the same bits for any unit and thread count and after a
stop; `allocate` solves again; what contradicts itself is refused before any work."""
import json
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import call, canonical_scores, open_file, read_parts, run, write_csr, write_job

SEED, U, N, DIM, K = 20261130, 900, 80, 6, 4
NO_CAPACITY, REPAIRED, HELD_OUT = 128, 256, 32
GROUPS = ("acme", "bolt", "core")
LIMITS = [{"name": "acme at most", "group": "brand", "member": "acme", "max_share": 0.25},
          {"name": "bolt at least", "group": "brand", "member": "bolt", "min_share": 0.3},
          {"name": "core units", "group": "brand", "member": "core", "max_units": 700}]
BUDGETS = [{"name": "coupons", "cost": "cost", "max": 2000}]


def make(folder):
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    d = {"x": rng.standard_normal((U, DIM)).astype(np.float32),
         "z": rng.standard_normal((N, DIM)).astype(np.float32),
         "brand": rng.integers(-1, 3, N).astype(np.int32),
         "cost": rng.uniform(0, 2, N).astype(np.float32),
         "capacity": np.where(rng.random(N) < 0.2, -1, rng.integers(0, 60, N)).astype(np.int64)}
    d["x"][50:90] = d["x"][50]  # the same customer forty times: ties that must be split
    d["never"] = [sorted(set(rng.integers(0, N, 3).tolist())) for _ in range(U)]
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u}" for u in range(U)], "S6")
        f["/vector"] = d["x"]
        write_csr(f.create_group("exclude"), d["never"])
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"i{i}" for i in range(N)], "S6")
        f["/item/vector"], f["/item/capacity"] = d["z"], d["capacity"]
        f["/item/group/brand"], f["/item/value/cost"] = d["brand"], d["cost"]
        f["/item/group/lot"] = (np.arange(N) % 20).astype(np.int32)
        f["/item/group_key/brand"] = np.array([g.encode() for g in GROUPS])
    d["s"] = canonical_scores(d["x"], d["z"]).astype(float)
    for u, rows in enumerate(d["never"]):
        d["s"][u, rows] = -np.inf
    return d


def job(folder, name, constraints, **more):
    sections = {"list": {"k": K, "fallback": "none"}, **more}
    write_job(folder / f"{name}.json", input={"customers": "customers.h5",
                                              "catalogue": "catalogue.h5"},
              output={"path": name}, constraints=constraints, **sections)
    return folder / f"{name}.json"


def check_limits(d, lists, stats, is_capped=True):
    """Hard limits in the lists themselves, and the figures of stats.json against them."""
    item = lists["list/item"]
    listed = item[item >= 0]
    count = np.bincount(listed, minlength=N)
    if is_capped:
        assert (count[d["capacity"] >= 0] <= d["capacity"][d["capacity"] >= 0]).all()
    of = [count[d["brand"] == g].sum() for g in range(3)]
    assert of[0] <= 0.25 * listed.size and of[2] <= 700
    assert d["cost"].astype(float)[listed].sum() <= 2000 + 1e-9
    used = {x["name"]: x["used"] for x in stats["limits"]}
    assert (used["acme at most"], used["bolt at least"], used["core units"]) == tuple(of)
    assert abs(used["coupons"] - d["cost"].astype(float)[listed].sum()) < 1e-6
    assert of[1] >= 0.3 * listed.size - 1, (of, listed.size)
    assert stats["places"] == listed.size and lists["customer/n"].sum() == listed.size
    for u in range(U):
        n = lists["customer/n"][u]
        assert (lists["list/score"][u, :n] == d["s"][u, item[u, :n]]).all(), u
        assert len(set(item[u, :n])) == n and (np.diff(lists["list/score"][u, :n]) <= 0).all()
        flags = lists["customer/flags"][u]
        assert n == K or flags & NO_CAPACITY, (u, n, flags)
        touched = np.isnan(lists["logging/log_propensity"][u, :n]).all() if n else True
        assert not flags & REPAIRED or touched
    return listed


def check_gap(d, lists, stats):
    """Weak duality, in float64 over every pair: nothing can be worth more than the dual value."""
    price = np.zeros(N)
    bound = 0.0
    for x in stats["items"]:
        i = int(x["item"][1:])
        price[i] += x["one_more_unit"]
        bound += x["one_more_unit"] * x["capacity"]
    for x in stats["limits"]:
        dual = x.get("one_more_place", x.get("one_more_unit_of_cost"))
        member = next((m["member"] for m in LIMITS if m["name"] == x["name"]), None)
        in_group = (d["brand"] == GROUPS.index(member)).astype(float) if member else 0
        if x["kind"] == "budget":
            price += dual * d["cost"].astype(float)
            bound += dual * x["bound"]
        elif x["kind"] == "max_units":
            price += dual * in_group
            bound += dual * x["bound"]
        else:
            sign = 1 if x["kind"] == "max_share" else -1
            price += sign * dual * (in_group - x["bound"])
    worth = np.sort(np.maximum(d["s"] - stats["floor"] - price, 0), axis=1)[:, -K:]
    dual_value = worth.sum() + bound
    item = lists["list/item"]
    score = lists["list/score"][item >= 0].astype(float)
    value = score.sum() - stats["floor"] * score.size
    gap = (dual_value - value) / dual_value
    assert abs(value - stats["value"]) < 1e-6 * abs(value), (value, stats["value"])
    assert abs(dual_value - stats["dual_value"]) < 1e-4 * dual_value, (dual_value, stats)
    assert -1e-9 < gap <= 1e-3, gap
    print(f"ok  worth {value:.2f} of at most {dual_value:.2f}: gap {gap:.1e}")


def check_run(folder, d):
    constraints = {"capacity": True, "shortlist": 10, "limits": LIMITS, "budgets": BUDGETS}
    path = job(folder, "run", constraints)
    run("check", path)
    assert "shortlists of all" in run("plan", path, "--fast")
    code, _, log = call("run", path, "--set", "run.memory_limit_bytes=1000000")
    assert code == 4 and "constraints.shortlist" in log, (code, log)
    told = run("run", path)
    assert "one more unit is worth" in told and "coupons" in told
    lists = read_parts(folder / "run")
    stats = json.loads((folder / "run" / "stats.json").read_text())["allocation"]
    check_limits(d, lists, stats)
    check_gap(d, lists, stats)
    fate = json.loads((folder / "run" / "stats.json").read_text())["customers"]["fate"]
    assert sum(fate.values()) == U
    run("verify", folder / "run", "--samples", U)
    for name, words in {"u": ["--set", "run.unit_customers=97"], "t": ["--threads", "5"]}.items():
        run("run", path, "--set", f"output.path={folder / name}", *words)
        again = read_parts(folder / name)
        assert all(again[c].tobytes() == lists[c].tobytes() for c in lists), name
    assert run("run", path) is not None
    print("ok  the same bits for any unit and thread count")
    return lists


def check_again(folder, d, lists):
    """Without the budget the other limits still hold, and it can only be worth more."""
    run("allocate", folder / "run", "-o", folder / "again", "--set", "constraints.budgets=[]")
    again = read_parts(folder / "again")
    count = np.bincount(again["list/item"][again["list/item"] >= 0], minlength=N)
    assert (count[d["capacity"] >= 0] <= d["capacity"][d["capacity"] >= 0]).all()
    assert count.sum() >= lists["customer/n"].sum()
    run("verify", folder / "again", "--samples", 50)
    code, _, log = call("allocate", folder / "again", "-o", folder / "b")
    assert code == 3 and "no complete shortlists beside it" in log, log
    print("ok  allocate solves again from the stored shortlists")


def check_sample(folder, d, lists):
    """First prices from a sample: limits and gap hold, `allocate` knows those prices."""
    constraints = {"capacity": True, "shortlist": 10, "limits": LIMITS, "budgets": BUDGETS}
    path = job(folder, "sampled", {**constraints, "sample": 200})
    log = call("run", path)[2]
    assert "first prices from 192 customers" in log, log
    sampled = read_parts(folder / "sampled")
    stats = json.loads((folder / "sampled" / "stats.json").read_text())["allocation"]
    check_limits(d, sampled, stats)
    check_gap(d, sampled, stats)
    for name, words in {"us": ["--set", "run.unit_customers=97"], "ts": ["--threads", "5"]}.items():
        run("run", path, "--set", f"output.path={folder / name}", *words)
        again = read_parts(folder / name)
        assert all(again[c].tobytes() == sampled[c].tobytes() for c in sampled), name
    code, _, log = call("run", path, "--set", "constraints.sample=128")  # another job
    assert code == 2 and "holds another run" in log, (code, log)
    run("allocate", folder / "sampled", "-o", folder / "more", "--set", "constraints.budgets=[]")
    prices = folder / "sampled.shortlists.prices.npy"
    kept = prices.read_bytes()
    assert np.load(prices).shape == (N,)
    for content, wanted in ((None, "No such file"), (kept[:-4] + b"\0\0\0\1", "not the prices"),
                            (kept[:-4], "expected")):
        prices.unlink() if content is None else prices.write_bytes(content)
        code, _, log = call("allocate", folder / "sampled", "-o", folder / "none")
        assert code in (3, 4) and str(prices) in log and wanted in log, (code, log)
    prices.write_bytes(kept)
    print("ok  first prices from a sample, the same bits for any unit and thread count")


def check_no_limit(folder, d):
    """A capacity as large as there is means none, in a sample too."""
    with h5py.File(folder / "catalogue.h5", "r+") as f:
        f["/item/capacity"][0] = 2**63 - 1
    path = job(folder, "huge", {"capacity": True, "shortlist": 10, "sample": 200})
    run("run", path)
    with h5py.File(folder / "catalogue.h5", "r+") as f:
        f["/item/capacity"][:] = d["capacity"]
    print("ok  a capacity of 2^63 - 1")


def check_model(folder):
    """With encoders: later rounds take x_u from the first; what is published is what the model
    says of each pair."""
    data = folder / "generated"
    run("generate", "-o", data, "--customers", "1200", "--items", "150")
    with h5py.File(data / "catalogue.h5", "a") as f:
        f["/item/capacity"] = np.full(150, 35, np.int64)
    sections = {"input": {n: str(data / f) for n, f in (
        ("customers", "customers.h5"), ("catalogue", "catalogue.h5"), ("model", "model"))},
        "list": {"k": 4, "fallback": "none"}}
    path = folder / "model.json"
    write_job(path, output={"path": "model-run"}, **sections,
              constraints={"capacity": True, "shortlist": 6, "sample": 192})
    log = call("run", path)[2]
    assert "complete: " + str(folder / "model-run.shortlists-at-prices-1") in log, log
    run("verify", folder / "model-run", "--samples", 200)
    lists = read_parts(folder / "model-run")
    assert not any("vector" in name for name in lists)
    first, later = (json.loads((folder / f"model-run.shortlists{x}" / "stats.json").read_text())
                    for x in ("", "-at-prices-1"))
    for name, told in first["modalities"].items():
        assert sum(told["attention"]["count"]) > 0, told
        assert sum(later["modalities"][name]["attention"]["count"]) == 0  # nothing was fused there
    listed = lists["list/item"][lists["list/item"] >= 0]
    assert np.bincount(listed).max() <= 35 and len(listed) == 4 * 1200
    write_job(folder / "all.json", output={"path": "all"},
              **{**sections, "list": {"k": 150, "fallback": "none"}})
    run("run", folder / "all.json")
    every = read_parts(folder / "all")
    columns = [c for c in lists if c == "list/score" or c.startswith("probability/")]
    assert len(columns) > 1
    for u in range(1200):
        place = {item: j for j, item in enumerate(every["list/item"][u])}
        at = [place[item] for item in lists["list/item"][u]]
        for c in columns:
            assert (lists[c][u] == every[c][u, at]).all(), (u, c)
    print(f"ok  {len(columns)} columns of {len(listed)} pairs as without constraints")


def check_publish(folder, d):
    path = job(folder, "held", {"capacity": True}, experiment={"salt": "x", "hold_out": 0.2})
    run("run", path)
    lists = read_parts(folder / "held")
    out = (lists["customer/flags"] & HELD_OUT) > 0
    assert 0.1 < out.mean() < 0.3 and (lists["customer/n"][out] == 0).all()
    run("publish", folder / "held", "--to", "csv", "-o", folder / "csv", "--long")
    rows = [r for p in sorted((folder / "csv").glob("lists*.csv"))
            for r in p.read_text().splitlines()[1:]]
    count = np.zeros(N, int)
    for row in rows:
        count[int(row.split(",")[2][1:])] += 1
    assert count.sum() == lists["customer/n"].sum() and len(rows) == count.sum()
    assert (count[d["capacity"] >= 0] <= d["capacity"][d["capacity"] >= 0]).all()
    print("ok  the published file holds the capacities, the held out are not in it")


def check_shares_of_one(folder):
    """Twenty shares of 0.05 are 1, though their sum in binary is above it."""
    shares = [{"name": f"lot {g}", "group": "lot", "member": str(g), "min_share": 0.05}
              for g in range(20)]
    assert sum(s["min_share"] for s in shares) > 1
    run("check", job(folder, "twenty", {"limits": shares}))
    print("ok  shares that add up to 1")


def check_refusals(folder):
    low = {**LIMITS[1], "min_share": 0.6}
    cases = [({"limits": [low, {**low, "name": "b", "member": "core"}]}, "add up to 1.2"),
             ({"limits": [{**low, "max_share": 0.5}]}, "min_share 0.6 is above max_share 0.5"),
             ({"limits": [{**low, "member": "dyne"}]}, "has no member 'dyne'"),
             ({"limits": [{**low, "group": "colour"}]}, "has no /item/group/colour"),
             ({"limits": [{"name": "x", "group": "brand", "member": "acme"}]}, "limits nothing"),
             ({"budgets": [{"name": "x", "cost": "price", "max": 1}]}, "no /item/value/price"),
             ({"capacity": True, "shortlist": 2}, "expected at least list.k = 4"),
             ({"capacity": True, "floor": 1}, "constraints.floor: is set, but"),
             ({"limits": [{**low, "max_units": 0}]}, "a minimum share of 0.6, but a maximum of 0")]
    for constraints, wanted in cases:
        code, _, log = call("check", job(folder, "bad", constraints))
        assert code in (2, 3) and wanted in log, (constraints, code, log)
    for more, wanted in [({"policy": {"type": "plackett_luce"}}, "not drawn at random"),
                         ({"list": {"k": 4}}, "lists of list.fallback know no capacities")]:
        code, _, log = call("check", job(folder, "bad", {"capacity": True}, **more))
        assert code == 2 and wanted in log, (more, log)
    print(f"ok  {len(cases) + 2} constraints refused")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = make(folder)
        lists = check_run(folder, d)
        check_again(folder, d, lists)
        check_sample(folder, d, lists)
        check_no_limit(folder, d)
        check_model(folder)
        check_publish(folder, d)
        check_shares_of_one(folder)
        check_refusals(folder)


if __name__ == "__main__":
    sys.exit(main())
