#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Times `batchrank run` on generated customers and sets each stage beside the machine's own GEMM
peak, measured before and after in the same run. Checks the result (`batchrank verify` re-scores a
sample on the reference backend) before it prints a time.

  bench/job/bench_run.py --config configs/bench-1m.json --customers 1000000 --work /tmp/bench
"""
import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heading import command, commit, processor  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STAGE = re.compile(r"info\s+run: (read|encode|fuse|score|policy|detect|write)\s+"
                   + r"([\d.]+)%?\s+" * 4)


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--config", type=Path, default=ROOT / "configs" / "bench-1m.json")
    p.add_argument("--customers", type=int, default=1_000_000)
    p.add_argument("--items", type=int, default=20_000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--work", type=Path, required=True, help="folder for data and run (kept)")
    p.add_argument("--build", type=Path, default=ROOT / "build" / "cpu")
    p.add_argument("--samples", type=int, default=300, help="customers scored again")
    p.add_argument("--json", type=Path, help="also write the figures here")
    return p.parse_args()


def call(command, **kw):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kw)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def gemm_peak(a):
    """Gflop/s of sgemm over all lanes."""
    return float(call([a.build / "bench" / "gemm_peak", "--threads", a.threads]).stdout.split()[-1])


def generate(a, batchrank):
    data = a.work / "data"
    if not (data / "customers.h5").exists():
        call([batchrank, "generate", "-o", data, "--customers", a.customers, "--items", a.items,
              "--seed", a.seed])
    return data


def run(a, batchrank, data):
    """(wall seconds, cpu seconds, peak resident bytes, log)"""
    shutil.rmtree(a.work / "run", ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = call([batchrank, "run", a.config, "--threads", a.threads,
                 "--set", f"input.customers={data / 'customers.h5'}",
                 "--set", f"input.catalogue={data / 'catalogue.h5'}",
                 "--set", f"input.model={data / 'model'}",
                 "--set", f"output.path={a.work / 'run'}"])
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = re.search(r"peak resident memory ([\d.]+) MiB", done.stderr)
    return wall, cpu, float(peak.group(1)) if peak else float("nan"), done.stderr


def report(a, result):
    print(f"# batchrank {result['commit']}, {result['processor']}, {a.threads} lanes, "
          f"{time.strftime('%Y-%m-%d')}")
    print(f"# {' '.join(result['command'])}")
    print(f"# sgemm peak {result['peak_before']:.1f} before, {result['peak_after']:.1f} after; "
          f"share is of their mean per lane")
    print(f"{'stage':8} {'wall':>9} {'cpu':>9} {'work':>10} {'rate':>10} {'share':>7}")
    print(f"{'':8} {'s':>9} {'s':>9} {'Gflop':>10} {'Gflop/s':>10} {'%peak':>7}")
    for s in result["stages"]:
        print(f"{s['stage']:8} {s['wall_s']:9.2f} {s['cpu_s']:9.2f} {s['gflop']:10.1f} "
              f"{s['gflops']:10.1f} {s['share']:6.1f}%")
    print(f"{result['customers_per_s']:.0f} customers/s, wall {result['wall_s']:.1f} s, cpu "
          f"{result['cpu_s']:.1f} s, peak resident {result['resident_mib']:.0f} MiB, overlap "
          f"{result['overlap']:.3f}, #wrong {result['wrong']} of {result['checked']}")


def main():
    a = words()
    batchrank = a.build / "batchrank"
    a.work.mkdir(parents=True, exist_ok=True)
    data = generate(a, batchrank)
    peak_before = gemm_peak(a)
    wall, cpu, resident, log = run(a, batchrank, data)
    peak_after = gemm_peak(a)
    call([batchrank, "verify", a.work / "run", "--samples", a.samples])
    lane_peak = (peak_before + peak_after) / 2 / a.threads
    stages = []
    for m in STAGE.finditer(log):
        wall_s, cpu_s, _, gflop = map(float, m.groups()[1:])
        rate = gflop / cpu_s if cpu_s > 0 else 0.0
        stages.append({"stage": m.group(1), "wall_s": wall_s, "cpu_s": cpu_s, "gflop": gflop,
                       "gflops": rate, "share": 100 * rate / lane_peak})
    summary = re.search(r"(\d+) customers in ([\d.]+) s: (\d+) customers/s.*wall is ([\d.]+) x",
                        log)
    result = {"commit": commit(), "processor": processor(), "command": command(),
              "date": time.strftime("%Y-%m-%d"), "lanes": a.threads, "peak_before": peak_before,
              "peak_after": peak_after, "stages": stages, "wall_s": wall, "cpu_s": cpu,
              "stage_wall_s": float(summary.group(2)), "overlap": float(summary.group(4)),
              "customers_per_s": a.customers / wall, "resident_mib": resident,
              "checked": a.samples, "wrong": 0}
    report(a, result)
    if a.json:
        a.json.write_text(json.dumps(result, indent=1) + "\n")


main()
