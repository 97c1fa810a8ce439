#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What decisions cost: the same generated customers run plainly and with rules, never-lists, a
linear objective, draws and capacities, one after the other and several times over; medians of
processor seconds of the scoring stage and of the whole job, as ratios to the plain job of the
same round. Each variant's result is checked (`batchrank verify`) before its time is printed.

  bench/job/bench_decisions.py --customers 100000 --items 20000 --work /tmp/bench
"""
import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heading import command, commit, processor  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
AS_OF = 1_700_000_000
DAY = 86400
RULES = {"items": [{"name": "dear", "when": "age < 25", "never": "offer_price > 80"},
                   {"name": "vip", "when": "tier != 'gold'", "never": "offer_brand = 'b0'"}],
         "matches": [{"name": "region", "customer": "home_region", "item": "offer_region"}],
         "customers": [{"name": "minors", "hold": "age < 18"}],
         "caps": [{"name": "weekly", "max": 4, "days": 7}],
         "recent": [{"name": "seen", "days": 30}]}
TERMS = [{"name": "fit", "weight": 0.7}, {"name": "income", "weight": 0.02, "value": "offer_price"}]
HEADS = [{"name": "click", "head": "click", "weight": 1.0},
         {"name": "buy", "head": "buy", "weight": 0.5}]
TIRED = {"name": "tired", "type": "repetition", "weight": 0.5, "half_life_days": 7}


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--customers", type=int, default=100_000)
    p.add_argument("--items", type=int, default=20_000)
    p.add_argument("--offers", type=int, default=1_000, help="items of the capacity jobs")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", help="variants, separated by commas")
    p.add_argument("--work", type=Path, required=True, help="folder for data and runs (kept)")
    p.add_argument("--build", type=Path, default=ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path, help="also write the figures here")
    return p.parse_args()


def call(words_, code=0):
    done = subprocess.run([str(w) for w in words_], capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"{words_}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def add_customers(path, n, n_items, rng):
    """Never-lists of 50 items on average, contacts, attributes."""
    with h5py.File(path, "a") as f:
        lengths = rng.poisson(50, n)
        f["/exclude/offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
        f["/exclude/item"] = rng.integers(0, n_items, lengths.sum()).astype(np.int32)
        lengths = rng.poisson(3, n)
        owner = np.repeat(np.arange(n), lengths)
        when = rng.integers(AS_OF - 60 * DAY, AS_OF, lengths.sum())
        order = np.lexsort((when, owner))
        f["/contact/offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
        f["/contact/item"] = rng.integers(0, n_items, lengths.sum()).astype(np.int32)
        f["/contact/time"] = when[order].astype(np.int64)
        names = {"home_region": [b"r%d" % i for i in range(8)], "tier": [b"gold", b"silver"]}
        for name, keys in names.items():
            f["/static/" + name] = rng.integers(-1, len(keys), n).astype(np.int32)
            f["/static_key/" + name] = np.array(keys)
        old = f["/aggregate"][:] if "aggregate" in f else np.zeros((n, 0), np.float32)
        known = list(f["/aggregate"].attrs["names"]) if "aggregate" in f else []
        if "aggregate" in f:
            del f["/aggregate"]
        f["/aggregate"] = np.column_stack([old, rng.uniform(10, 80, n)]).astype(np.float32)
        f["/aggregate"].attrs["names"] = np.array([*known, b"age"])


def add_items(path, rng):
    with h5py.File(path, "a") as f:
        n = f["/item/key"].shape[0]
        f["/item/value/offer_price"] = rng.uniform(1, 100, n).astype(np.float32)
        for name, keys in {"offer_region": [b"r%d" % i for i in range(8)],
                           "offer_brand": [b"b%d" % i for i in range(20)]}.items():
            f["/item/group/" + name] = np.where(rng.random(n) < 0.5, -1,
                                                rng.integers(0, len(keys), n)).astype(np.int32)
            f["/item/group_key/" + name] = np.array(keys)


def generate(a, name, n_items, has_capacity):
    data = a.work / f"{name}-{a.customers}-{n_items}"
    if (data / "done").exists():
        return data
    shutil.rmtree(data, ignore_errors=True)
    call([a.build / "batchrank", "generate", "-o", data, "--customers", a.customers, "--items",
          n_items])
    rng = np.random.default_rng(1)
    add_customers(data / "customers.h5", a.customers, n_items, rng)
    add_items(data / "catalogue.h5", rng)
    if has_capacity:  # a fifth more than all places, unevenly: the popular ones run out
        with h5py.File(data / "catalogue.h5", "a") as f:
            share = rng.gamma(1.0, 1.0, n_items)
            total = 12.0 * a.customers
            f["/item/capacity"] = np.maximum(1, share / share.sum() * total).astype(np.int64)
    job = a.work / "encode.json"
    job.write_text(json.dumps({"input": files(data, True), "output": {"path": str(a.work / "e")}}))
    call([a.build / "batchrank", "encode", job, "-o", a.work / "vectors.h5"])
    with h5py.File(a.work / "vectors.h5") as v, h5py.File(data / "customers.h5", "a") as f:
        f["/vector"] = v["/vector"][:]
        dim = f["/vector"].shape[1]
    with h5py.File(data / "catalogue.h5", "a") as f:  # for the jobs without a model
        f["/item/vector"] = rng.standard_normal((n_items, dim)).astype(np.float32) / dim ** 0.5
    (data / "done").write_text("")
    return data


def files(data, has_model):
    out = {n: str(data / f"{n}.h5") for n in ("customers", "catalogue")}
    return {**out, "model": str(data / "model")} if has_model else out


def variants(a):
    """name -> (data, sections, what it is compared with)"""
    wide = generate(a, "items", a.items, False)
    few = generate(a, "offers", a.offers, True)
    base = {"list": {"k": 10, "fallback": "none"}, "rules": {"send_at": str(AS_OF)}}
    capped = {**base, "constraints": {"capacity": True}}
    return {
        "plain": (wide, base, None),
        "rules and never-lists": (wide, {**base, "rules": {**base["rules"], **RULES}}, "plain"),
        "linear objective": (wide, {**base, "objective": {"type": "linear", "terms": HEADS}},
                             "plain"),
        "linear with a value column": (wide, {**base, "objective": {"type": "linear",
                                                                    "terms": TERMS}}, "plain"),
        "repetition penalty": (wide, {**base, "objective": {"penalties": [TIRED]}}, "plain"),
        "plackett_luce": (wide, {**base, "policy": {"type": "plackett_luce"}}, "plain"),
        "offers plain": (few, base, None),
        "offers with capacities": (few, capped, "offers plain"),
        "offers by vectors plain": (few, base, None),
        "offers by vectors with capacities": (few, capped, "offers by vectors plain"),
    }


def prepare(a, name, data, sections):
    """Never-lists are read wherever the file has them: the plain job's file has none."""
    path = a.work / (re.sub(r"\W+", "-", name) + ".json")
    inputs = files(data, "vectors" not in name)
    if "items" not in sections.get("rules", {}):
        plain = data / "plain.h5"
        if not plain.exists():
            shutil.copyfile(data / "customers.h5", plain)
            with h5py.File(plain, "a") as f:
                del f["/exclude"]
        inputs["customers"] = str(plain)
    path.write_text(json.dumps({"input": inputs, "output": {"path": str(path.with_suffix(""))},
                                **sections}))
    return path


def run(a, path):
    """(wall, cpu of the job, cpu of scoring)"""
    out = path.with_suffix("")
    for old in out.parent.glob(out.name + "*"):
        if old.is_dir():
            shutil.rmtree(old)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    log = call([a.build / "batchrank", "run", path, "--threads", a.threads]).stderr
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    scored = sum(float(m) for m in re.findall(r"run: score\s+[\d.]+\s+([\d.]+)", log))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, scored


def main():
    a = words()
    a.work.mkdir(parents=True, exist_ok=True)
    known = variants(a)
    only = set(a.only.split(",") if a.only else known)
    only |= {known[n][2] for n in only if n in known and known[n][2]}
    if only - set(known):
        sys.exit(f"--only: unknown {sorted(only - set(known))}, known: {', '.join(known)}")
    jobs = {n: v for n, v in known.items() if n in only}
    paths = {n: prepare(a, n, v[0], v[1]) for n, v in jobs.items()}
    times = {n: [] for n in jobs}
    for _ in range(a.rounds):
        for name, path in paths.items():
            times[name].append(run(a, path))
    print(f"# batchrank {commit()}, {processor()}, {a.threads} lanes, {time.strftime('%Y-%m-%d')}")
    print(f"# {' '.join(command())}")
    print(f"# {a.customers} customers; medians of {a.rounds} rounds; ratios to the plain job")
    print(f"{'job':24} {'wall':>8} {'cpu':>8} {'scoring':>8} {'wall':>7} {'cpu':>7} {'scoring':>8} "
          f"{'#wrong':>7}")
    print(f"{'':24} {'s':>8} {'s':>8} {'cpu s':>8} {'x plain':>7} {'x plain':>7} {'x plain':>8}")
    rows = []
    for name, (_, _, against) in jobs.items():
        call([a.build / "batchrank", "verify", paths[name].with_suffix(""), "--samples", 50])
        mid = [statistics.median(t[i] for t in times[name]) for i in range(3)]
        ratio = [statistics.median(t[i] / max(p[i], 1e-9) for t, p in
                                   zip(times[name], times[against or name])) for i in range(3)]
        rows.append({"job": name, "wall_s": mid[0], "cpu_s": mid[1], "scoring_cpu_s": mid[2],
                     "wall_x": ratio[0], "cpu_x": ratio[1], "scoring_x": ratio[2], "wrong": 0})
        print(f"{name:24} {mid[0]:8.2f} {mid[1]:8.2f} {mid[2]:8.2f} {ratio[0]:7.2f} "
              f"{ratio[1]:7.2f} {ratio[2]:8.2f} {0:7d}")
    if a.json:
        a.json.write_text(json.dumps({"commit": commit(), "processor": processor(),
                                      "command": command(), "date": time.strftime("%Y-%m-%d"),
                                      "customers": a.customers, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
