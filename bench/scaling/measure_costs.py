#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what one rank's stages and rank 0's own work cost on this machine, for model.py: seconds
per customer of each stage, per part, per item of the catalogue, per hashed byte and per unit handed
out. Processor seconds of threads (medians) where there are any; of what is waited for, the least
of the repeats, as others may share the machine.

  bench/scaling/measure_costs.py --work /tmp/costs --json bench/results/rank-costs-cpu.json
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heading import heading  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STAGE = re.compile(r"run: (read|encode|fuse|score|policy|write) +([\d.]+) +([\d.]+) ")
K = 50


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--customers", type=int, default=100_000)
    p.add_argument("--items", type=int, default=20_000)
    p.add_argument("--repeats", type=int, default=3)
    p.add_argument("--work", type=Path, required=True, help="folder for data and runs (removed)")
    p.add_argument("--build", type=Path, default=ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path, required=True)
    return p.parse_args()


def generate(a, name, n_customers, n_items):
    data = a.work / name
    subprocess.run([a.build / "batchrank", "generate", "-o", data, "--customers", str(n_customers),
                    "--items", str(n_items)], check=True, stderr=subprocess.DEVNULL)
    return data


class Run:
    """One run: the table of stages, and when things happened."""

    def __init__(self, a, data, unit):
        out = a.work / "run"
        shutil.rmtree(out, ignore_errors=True)
        config = a.work / "job.json"
        config.write_text(json.dumps({
            "input": {"customers": f"{data}/customers.h5", "catalogue": f"{data}/catalogue.h5",
                      "model": f"{data}/model"},
            "output": {"path": str(out)}, "list": {"k": K, "fallback": "popularity"},
            "run": {"backend": "cpu", "unit_customers": unit}}))
        command = [a.build / "batchrank", "run", config]
        start = time.time()
        process = subprocess.Popen([str(w) for w in command], stderr=subprocess.PIPE, text=True)
        self.stages, self.opened_s = {}, None
        for line in process.stderr:
            if self.opened_s is None and "items packed" in line:
                self.opened_s = time.time() - start
            found = STAGE.search(line)
            if found:
                self.stages[found[1]] = {"wall_s": float(found[2]), "cpu_s": float(found[3])}
        if process.wait() != 0:
            sys.exit(f"{command}: exit {process.returncode}")
        parts = sorted((out / "parts").glob("part-*.h5"))
        self.n_parts = len(parts)
        self.out_bytes = sum(p.stat().st_size for p in parts)
        last = max(p.stat().st_mtime for p in (out / "receipts").iterdir())
        self.commit_s = (out / "manifest.json").stat().st_mtime - last


def median(values):
    return statistics.median(values)


def line_through(x, y):
    """Least squares a + b x, neither below 0: costs."""
    mx, my = sum(x) / len(x), sum(y) / len(y)
    b = sum((p - mx) * (q - my) for p, q in zip(x, y)) / sum((p - mx) ** 2 for p in x)
    b = max(b, 0.0)
    return max(my - b * mx, 0.0), b


def hash_rate():
    data = bytes(1 << 28)
    times = []
    for _ in range(3):
        start = time.process_time()
        hashlib.sha256(data).digest()
        times.append(time.process_time() - start)
    return len(data) / median(times)


def unit_costs(a):
    """(seconds until a rank has its next unit, processor seconds of rank 0 for it)"""
    found = []
    for _ in range(a.repeats):
        done = subprocess.run(["mpirun", "--oversubscribe", "--allow-run-as-root", "--bind-to",
                               "none", "-np", "3", a.build / "bench/scaling/bench_units", "2000"],
                              capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    return min(f["answer_s"] for f in found), min(f["rank_0_cpu_s"] for f in found)


def staged_bytes(data):
    """What is sent to every machine."""
    files = [data / "catalogue.h5", *(data / "model").iterdir()]
    return sum(f.stat().st_size for f in files)


def stage_costs(a, runs, n):
    """Seconds per customer; what the lanes do as processor seconds, whatever their number."""
    stages = {s: median([r.stages[s]["cpu_s"] for r in runs]) / n for s in runs[0].stages}
    stages["write_wall"] = median([r.stages["write"]["wall_s"] for r in runs]) / n
    return stages


def measure(a):
    main = generate(a, "main", a.customers, a.items)
    runs = [Run(a, main, 8192) for _ in range(a.repeats)]
    costs = {"customers": a.customers, "items": a.items, "k": K, "lanes": os.cpu_count(),
             "stage_cpu_s_per_customer": stage_costs(a, runs, a.customers),
             "in_bytes_per_customer": (main / "customers.h5").stat().st_size / a.customers,
             "out_bytes_per_customer": runs[0].out_bytes / a.customers,
             "staged_bytes_per_item": staged_bytes(main) / a.items,
             "hash_bytes_per_s": hash_rate()}
    few = generate(a, "few", 12_000, a.items)
    parts, commits, writes = [], [], []
    for unit in (2000, 200, 40):
        some = [Run(a, few, unit) for _ in range(a.repeats)]
        parts.append(some[0].n_parts)
        commits.append(min(r.commit_s for r in some))
        writes.append(min(r.stages["write"]["wall_s"] for r in some))
    costs["parts"] = parts
    costs["commit_s"] = commits
    costs["commit_fixed_s"], costs["commit_s_per_part"] = line_through(parts, commits)
    _, costs["write_s_per_part"] = line_through(parts, writes)
    large = generate(a, "large", 12_000, 10 * a.items)
    opened = [min(Run(a, data, 2000).opened_s for _ in range(a.repeats))
              for data in (few, large)]
    costs["open_fixed_s"], costs["open_s_per_item"] = line_through([a.items, 10 * a.items], opened)
    costs["answer_s"], costs["hand_out_s"] = unit_costs(a)
    return costs


def main():
    a = words()
    a.work.mkdir(parents=True, exist_ok=True)
    head = heading(2)
    costs = measure(a)
    a.json.write_text(json.dumps({**head, "costs": costs}, indent=1) + "\n")
    print(json.dumps(costs, indent=1))
    for name in ("main", "few", "large", "run"):
        shutil.rmtree(a.work / name, ignore_errors=True)


if __name__ == "__main__":
    main()
