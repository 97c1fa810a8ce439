#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a sweep costs beside one run: `run --sweep` with weightings of an objective's terms on
generated customers with the model of configs/bench-1m.json (encoders do most of the work), on the
demo with its model and on ready-made vectors (scoring does), each after a plain run of the same
round. Medians of ratios. Every sweep is checked against the run of its configuration before its
time is printed.

  scripts/prepare_completejourney.py --out demo
  bench/job/bench_sweep.py --demo demo/data --work /tmp/bench
"""
import argparse
import json
import os
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
TERMS = [{"name": "fit", "weight": 0.7}, {"name": "income", "weight": 0.02, "value": "price"}]
HEADS = [{"name": "purchase", "head": "purchase", "weight": 1.0},
         {"name": "redemption", "head": "redemption", "weight": 0.5}]


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--demo", type=Path, help="folder of the demo's customers.h5; left out: not run")
    p.add_argument("--customers", type=int, default=50_000, help="generated ones")
    p.add_argument("--items", type=int, default=20_000)
    p.add_argument("--dim", type=int, default=64)
    p.add_argument("--weightings", type=int, default=8)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--work", type=Path, required=True, help="folder for data and runs (kept)")
    p.add_argument("--build", type=Path, default=ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path, help="also write the figures here")
    return p.parse_args()


def vectors(a):
    """Random customers and items with prices; the inputs of a job."""
    data = a.work / f"vectors-{a.customers}-{a.items}-{a.dim}"
    files = {n: str(data / f"{n}.h5") for n in ("customers", "catalogue")}
    if (data / "done").exists():
        return files
    data.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for kind, n, group in (("customers", a.customers, "customer"),
                           ("catalogue", a.items, "item")):
        with h5py.File(files[kind], "w") as f:
            f.attrs["format"], f.attrs["version"] = np.bytes_("batchrank-" + kind), np.int64(1)
            f[f"/{group}/key"] = np.arange(1, n + 1, dtype=np.uint64)
            place = "/vector" if group == "customer" else "/item/vector"
            f[place] = rng.standard_normal((n, a.dim), np.float32) * np.float32(a.dim ** -0.25)
            if group == "item":
                f["/item/value/price"] = rng.uniform(1, 100, n).astype(np.float32)
    (data / "done").write_text("")
    return files


def generated(a):
    """What bench_run.py times, with an objective."""
    data = a.work / f"generated-{a.customers}-{a.items}"
    if not (data / "customers.h5").exists():
        timed([a.build / "batchrank", "generate", "-o", data, "--customers", a.customers, "--items",
               a.items])
    job = json.loads((ROOT / "configs/bench-1m.json").read_text())
    job["input"] = {**{n: str(data / f"{n}.h5") for n in ("customers", "catalogue")},
                    "model": str(data / "model")}
    heads = json.loads((data / "model" / "model.json").read_text())["heads"]
    terms = [{"name": h["name"], "head": h["name"], "weight": 1.0}
             for h in heads if h.get("type") != "survival"]
    return {**job, "objective": {"type": "linear", "terms": terms}}


def jobs(a):
    """name -> sections of a configuration"""
    base = {"input": vectors(a), "list": {"k": 10, "fallback": "none"}}
    out = {"generated, linear": generated(a),
           "vectors, linear": {**base, "objective": {"type": "linear", "terms": TERMS}}}
    if a.demo:
        demo = json.loads((ROOT / "configs/demo/run.json").read_text())
        demo["input"] = {n: str(a.demo.resolve() / f"{n}.h5") for n in ("customers", "catalogue")}
        demo["input"]["model"] = str(ROOT / "configs/demo/model")
        for kind in ("linear", "expected_value"):
            out[f"demo, {kind}"] = {**demo, "objective": {"type": kind, "terms": HEADS}}
    return out


def prepare(a, name, sections):
    """The files of one job: its configuration and its weightings, all different."""
    path = a.work / (name.replace(", ", "-") + ".json")
    path.write_text(json.dumps({**sections, "output": {"path": str(path.with_suffix(""))}}))
    terms = sections["objective"]["terms"]
    weightings = [{"name": f"w{i}", "weights": {
        t["name"]: t["weight"] * (2 + i if j == 0 else 1 / (2 + i)) for j, t in enumerate(terms)}}
        for i in range(a.weightings)]
    path.with_suffix(".weights").write_text(json.dumps(weightings))
    return path


def timed(words_):
    """(wall, cpu)"""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(w) for w in words_], capture_output=True, text=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{words_}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def one_round(a, path):
    run = [a.build / "batchrank", "run", path, "--threads", a.threads]
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    return (*timed(run), *timed([*run, "--sweep", path.with_suffix(".weights"), "-o",
                                 path.with_suffix(".sweep")]))


def n_wrong(path):
    """The configuration's own row against its run: lists by scores, items listed."""
    sweep = json.loads((path.with_suffix(".sweep") / "sweep.json").read_text())["weightings"][0]
    items, n_lists = set(), 0
    for part in sorted((path.with_suffix("") / "parts").glob("*.h5")):
        with h5py.File(part) as f:
            item = np.where(f["/list/source"][:] == 1, f["/list/item"][:], -1)
        n_lists += int((item[:, 0] >= 0).sum())
        items |= set(item[item >= 0].tolist())
    return int(sweep["lists"] != n_lists) + int(sweep["items_listed"] != len(items))


def main():
    a = words()
    a.work.mkdir(parents=True, exist_ok=True)
    paths = {name: prepare(a, name, sections) for name, sections in jobs(a).items()}
    times = {name: [] for name in paths}
    for _ in range(a.rounds):
        for name, path in paths.items():
            times[name].append(one_round(a, path))
    print(f"# batchrank {commit()}, {processor()}, {a.threads} lanes, {time.strftime('%Y-%m-%d')}")
    print(f"# {' '.join(command())}")
    print(f"# {a.weightings} weightings in one pass beside one run; medians of {a.rounds} rounds")
    print(f"{'job':22} {'run':>8} {'run':>8} {'sweep':>8} {'sweep':>8} {'wall':>7} {'cpu':>7} "
          f"{'#wrong':>7}")
    print(f"{'':22} {'wall s':>8} {'cpu s':>8} {'wall s':>8} {'cpu s':>8} {'x run':>7} "
          f"{'x run':>7}")
    rows = []
    for name, path in paths.items():
        mid = [statistics.median(t[i] for t in times[name]) for i in range(4)]
        ratio = [statistics.median(t[2 + i] / t[i] for t in times[name]) for i in range(2)]
        rows.append({"job": name, "run_wall_s": mid[0], "run_cpu_s": mid[1],
                     "sweep_wall_s": mid[2], "sweep_cpu_s": mid[3], "wall_x": ratio[0],
                     "cpu_x": ratio[1], "wrong": n_wrong(path)})
        print(f"{name:22} {mid[0]:8.2f} {mid[1]:8.2f} {mid[2]:8.2f} {mid[3]:8.2f} "
              f"{ratio[0]:7.2f} {ratio[1]:7.2f} {rows[-1]['wrong']:7d}")
    if a.json:
        a.json.write_text(json.dumps({"commit": commit(), "processor": processor(),
                                      "command": command(), "date": time.strftime("%Y-%m-%d"),
                                      "weightings": a.weightings, "rows": rows}, indent=1) + "\n")
    sys.exit(any(r["wrong"] for r in rows))


if __name__ == "__main__":
    main()
