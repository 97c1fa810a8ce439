#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole night on one machine: generated customers from their file to the manifest, with a
timeline. Says what each phase and stage took, in which share of the units' time the lanes had work,
and, on a GPU, in which share its kernels ran (nvidia-smi samples its `utilization`). The lists of a
sample are made again by the reference before a time is printed. Needs no package but Python's own;
a figure is drawn where matplotlib is.

  bench/job/bench_night.py --work DIR [--customers 10000000] [--items 100000] [--backend cuda]
"""
import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.path.insert(0, str(ROOT / "scripts"))
import plot_trace  # noqa: E402
from heading import command, commit, processor  # noqa: E402

UTILIZATION = ["nvidia-smi", "--query-gpu=timestamp,utilization.gpu",
               "--format=csv,noheader,nounits", "-lms", "100"]
BROWSE, PURCHASE = 35, 15  # events of a customer


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--work", type=Path, required=True, help="folder for data and run (kept)")
    p.add_argument("--customers", type=int, default=10_000_000)
    p.add_argument("--items", type=int, default=100_000)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("-k", type=int, default=50)
    p.add_argument("--backend", default="auto")
    p.add_argument("--precision", default="bf16", help="of the encoders (bf16)")
    p.add_argument("--samples", type=int, default=300, help="customers whose lists are made again")
    p.add_argument("--batchrank", type=Path, default=ROOT / "build" / "cpu" / "batchrank")
    p.add_argument("--json", type=Path, help="also write the figures here")
    p.add_argument("--figure", type=Path, help="the timeline, drawn")
    return p.parse_args()


def call(words, **kw):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **kw)
    if done.returncode != 0:
        sys.exit(f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def generate(a):
    """The folder of the data, and the seconds that making it took; 0: it was there."""
    shape = [str(v) for v in (a.customers, a.items, a.dim)]
    data, began = a.work / ("data-" + "-".join(shape)), time.monotonic()
    if (data / "done").exists():
        return data, 0.0
    shutil.rmtree(data, ignore_errors=True)
    call([a.batchrank, "generate", "-o", data, "--customers", a.customers, "--items", a.items,
          "--dim", a.dim, "--browse", BROWSE, "--purchase", PURCHASE])
    (data / "done").touch()
    return data, time.monotonic() - began


def utilization(text, begin_s, end_s):
    """Mean of nvidia-smi's samples between two times, in local time as it prints them."""
    found = []
    for line in text.splitlines():
        when, _, share = line.partition(",")
        try:
            at = datetime.datetime.strptime(when.strip(), "%Y/%m/%d %H:%M:%S.%f").timestamp()
            if begin_s <= at <= end_s:
                found.append(float(share))
        except ValueError:
            continue
    return {"samples": len(found), "mean_percent": sum(found) / len(found)} if found else None


def run(a, data):
    shutil.rmtree(a.work / "run", ignore_errors=True)
    (a.work / "night.json").write_text(json.dumps({
        "input": {"customers": str(data / "customers.h5"), "model": str(data / "model"),
                  "catalogue": str(data / "catalogue.h5")},
        "output": {"path": "run"}, "list": {"k": a.k, "fallback": "popularity"},
        "run": {"backend": a.backend, "precision": a.precision},
        "log": {"trace": "trace.json"}}))
    watch = None
    if shutil.which("nvidia-smi") and a.backend in ("auto", "cuda"):
        watch = subprocess.Popen(UTILIZATION, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 text=True)
    began = time.monotonic()
    done = call([a.batchrank, "run", a.work / "night.json"])
    wall_s = time.monotonic() - began
    text = ""
    if watch is not None:
        watch.terminate()
        text = watch.communicate()[0]
    call([a.batchrank, "verify", a.work / "run", "--samples", a.samples])
    return wall_s, done.stderr, text


def main():
    a = words()
    a.work.mkdir(parents=True, exist_ok=True)
    a.work = a.work.resolve()
    data, made_s = generate(a)
    wall_s, log, text = run(a, data)
    rank, tracks = plot_trace.load(a.work / "trace.json")
    told = plot_trace.summary(tracks)
    units = [s for s in tracks["command"] if s[0] == "units"][0]
    backend = re.search(r"backend (.*?), encoders", log)
    result = {"commit": commit(), "processor": processor(), "command": command(),
              "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(),
              "backend": backend.group(1) if backend else a.backend,
              "customers": a.customers, "events": a.customers * (BROWSE + PURCHASE),
              "items": a.items, "dim": a.dim, "k": a.k, "precision": a.precision,
              "bytes_in": (data / "customers.h5").stat().st_size,
              "bytes_out": sum(p.stat().st_size for p in (a.work / "run" / "parts").iterdir()),
              "generate_s": made_s, "wall_s": wall_s, "customers_per_s": a.customers / wall_s,
              "gpu": utilization(text, units[1], units[2]), "timeline": told,
              "checked": a.samples, "wrong": 0}
    print(f"# {result['backend']}; batchrank {result['commit']}, {result['processor']}, "
          f"{result['date']}")
    print(f"{a.customers} customers x {BROWSE + PURCHASE} events x {a.items} items, D {a.dim}, "
          f"k {a.k}: {wall_s:.2f} s from file to manifest, {result['customers_per_s']:.0f} "
          f"customers/s, #wrong 0 of {a.samples}")
    plot_trace.say(rank, told)
    if result["gpu"]:
        print(f"  kernels ran in {result['gpu']['mean_percent']:.1f} % of the units' time "
              f"({result['gpu']['samples']} samples of nvidia-smi)")
    if a.json:
        a.json.write_text(json.dumps(result, indent=1) + "\n")
    if a.figure:
        plot_trace.draw([(rank, tracks)], a.figure)


if __name__ == "__main__":
    main()
