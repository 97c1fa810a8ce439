#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Strong and weak scaling of `batchrank bench` over MPI ranks on this machine's cores, one lane a
rank. Rank counts take turns, so that whoever else uses the machine disturbs all alike; medians.
The hash must be the same at every scale, or there is no table. Beside the wall stands what the rank
with most processor seconds used: the wall, had every rank a core and the machine no other user.

  bench/scaling/bench_ranks.py --json bench/results/scaling-ranks-cpu.json
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heading import heading  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"score": ["--customers", "16384", "--items", "50000", "--dim", "128", "-k", "50"],
         "encode": ["--customers", "16384", "--items", "20000", "--dim", "64"],
         "e2e": ["--customers", "32768", "--items", "20000", "--dim", "64", "-k", "50"]}


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    p.add_argument("--rounds", type=int, default=5, help="each a start with one timed pass or more")
    p.add_argument("--repeats", type=int, default=3, help="timed passes of a start")
    p.add_argument("--suites", nargs="+", default=list(SIZES), choices=list(SIZES))
    p.add_argument("--build", type=Path, default=ROOT / "build" / "cpu")
    p.add_argument("--json", type=Path)
    return p.parse_args()


def bench(a, suite, scaling, ranks, folder):
    path = folder / "bench.json"
    command = ["mpirun", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none",
               "-np", str(ranks), str(a.build / "batchrank"), "bench", "--suite", suite,
               *SIZES[suite], "--scaling", scaling, "--threads", "1", "--check", "8", "-q",
               "--repeats", str(a.repeats), "--work", str(folder), "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return json.loads(path.read_text())


def measure(a, suite, scaling, folder):
    """A row per rank count."""
    found = {n: [] for n in a.ranks}
    for _ in range(a.rounds):
        for n in a.ranks:
            found[n].append(bench(a, suite, scaling, n, folder))
    rows = []
    for n in a.ranks:
        hashes = {r["hash"] for r in found[n]}
        rows.append({"ranks": n, "customers": found[n][0]["customers"], "hashes": sorted(hashes),
                     "wall_s": statistics.median(w for r in found[n] for w in r["wall_s"]),
                     "cpu_s": statistics.median(r["cpu_s"] for r in found[n]),
                     "rank_cpu_s": statistics.median(r["rank_cpu_s"] for r in found[n]),
                     "imbalance": statistics.median(r["imbalance"] for r in found[n])})
    every = {h for row in rows for h in row["hashes"]}
    if any(len(row["hashes"]) != 1 for row in rows) or (scaling == "strong" and len(every) != 1):
        sys.exit(f"{suite}, {scaling}: the hash is not the same at every scale: {rows}")
    for row in rows:
        work = row["customers"] / rows[0]["customers"]
        row["speed_up"] = rows[0]["wall_s"] * work / row["wall_s"]
        row["cpu_speed_up"] = rows[0]["rank_cpu_s"] * work / row["rank_cpu_s"]
        row["cpu_ratio"] = row["cpu_s"] / (rows[0]["cpu_s"] * work)
        row["hash"] = row.pop("hashes")[0]
    return rows


def print_table(suite, scaling, rows):
    names = ("ranks", "customers", "wall s", "speed-up", "a rank's cpu s", "speed-up by cpu",
             "all cpu, of one rank's", "hash")
    print(f"\n{suite}, {scaling}: {' '.join(SIZES[suite])}\n\n| {' | '.join(names)} |\n"
          + "|---:" * 7 + "|---|")
    for r in rows:
        print(f"| {r['ranks']} | {r['customers']} | {r['wall_s']:.3f} | {r['speed_up']:.2f} "
              f"| {r['rank_cpu_s']:.3f} | {r['cpu_speed_up']:.2f} | {r['cpu_ratio']:.2f} "
              f"| {r['hash'][:8]} |", flush=True)


def main():
    a = words()
    head = heading(1)
    results = []
    with tempfile.TemporaryDirectory() as name:
        for suite in a.suites:
            for scaling in ("strong", "weak"):
                rows = measure(a, suite, scaling, Path(name))
                results.append({"suite": suite, "scaling": scaling, "size": SIZES[suite],
                                "rows": rows})
                print_table(suite, scaling, rows)
    if a.json:
        a.json.write_text(json.dumps({**head, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
