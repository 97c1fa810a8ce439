#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo and a synthetic job of 200,000 customers: the files of one process from 1, 2, 3, 4 and
8 ranks, from catalogues in shards, with units done in other orders, and after kills with another
number of ranks going on. About four minutes on two cores, 0.5 GB in a temporary folder; not part of
the tests, which do the same with smaller jobs (docs/RANKS.md).

  tests/job/ranks_large.py [--customers N] [--kills N] [--seed N]
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ranks_case as case
from job_files import ROOT, run

RANKS = (1, 2, 3, 4, 8)
GRIDS = ((2, 2), (4, 2), (4, 4), (8, 2))  # ranks, shards
HELD_MS = 900


class Large:
    """A job, and the files that one process wrote."""

    def __init__(self, name, folder, words):
        self.name, self.folder = name, folder
        self.words = ["run", *words, "--log-level", "warn"]
        self.one = folder / "one"
        began = time.monotonic()
        run(*self.words, "--set", f"output.path={self.one}")
        self.span_s = time.monotonic() - began
        run("verify", self.one)
        self.n_units = len(list((self.one / "parts").iterdir()))
        n_bytes = sum(p.stat().st_size for p in self.one.rglob("*") if p.is_file())
        print(f"{name}: {self.n_units} units, {n_bytes / 1e6:.1f} MB of files, "
              f"{self.span_s:.1f} s in one process", flush=True)

    def set(self, path, n_shards):
        shards = ["--set", f"run.catalogue_shards={n_shards}"] if n_shards > 1 else []
        return [*self.words, "--set", f"output.path={path}", *shards]

    def same(self, path, what):
        case.compare(path, self.one)
        shutil.rmtree(path)
        print(f"ok  {self.name}: {what}", flush=True)

    def check(self, n, n_shards):
        path = self.folder / "other"
        case.ranks(n, *self.set(path, n_shards), timeout=600)
        self.same(path, f"{n} ranks" if n_shards == 1 else f"{n // n_shards} x {n_shards} ranks")

    def check_order(self, n, held):
        """One rank waits in its first unit, which is then done after many of the others'."""
        path = self.folder / "other"
        case.ranks(n, *self.set(path, 1), timeout=600, env={
            "BATCHRANK_FAULT": f"unit.scored:1:delay={HELD_MS}", "BATCHRANK_FAULT_RANK": str(held)})
        done = sorted((path / "receipts").iterdir(), key=lambda p: p.stat().st_mtime_ns)
        late = sum(a.name > b.name for i, a in enumerate(done) for b in done[i + 1:])
        assert late > 0, done
        self.same(path, f"{n} ranks, rank {held} held back: {late} pairs of units in another order")

    def check_kill(self, rng):
        path = self.folder / "other"
        told = []
        for _ in range(rng.randrange(1, 4)):
            told.append(self.kill_one(path, *rng.choice([*((n, 1) for n in RANKS), *GRIDS]), rng))
        n, n_shards = rng.choice([*((n, 1) for n in RANKS), *GRIDS])
        case.ranks(n, *self.set(path, n_shards), timeout=600)
        self.same(path, f"{', '.join(told)}; then {n // n_shards} x {n_shards} to the end")

    def kill_one(self, path, n, n_shards, rng):
        """SIGKILL to one of the ranks when a random number of units is there; what it was."""
        victim, units, wait_s = rng.randrange(n), rng.randrange(self.n_units), rng.random() / 10
        ranks = subprocess.Popen(case.words(n, *self.set(path, n_shards)), env=case.ENV,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = {}
        while ranks.poll() is None and (victim not in found or self.n_there(path) < units):
            time.sleep(0.005)
            found = case.processes(ranks.pid) if victim not in found else found
        time.sleep(wait_s)
        is_over = victim not in found or not case.is_alive(found[victim])
        if not is_over:
            os.kill(found[victim], signal.SIGKILL)
        ranks.wait(timeout=600)
        case.wait_for_end("a kill", found.values())
        how = "over before a kill" if is_over else "killed"
        return f"{n // n_shards} x {n_shards}, rank {victim} {how}, {self.n_there(path)} units"

    @staticmethod
    def n_there(path):
        return len(list((path / "receipts").glob("*.json"))) if (path / "receipts").exists() else 0


def make_demo(folder):
    subprocess.run([ROOT / "scripts" / "prepare_completejourney.py", "--out", folder], check=True,
                   capture_output=True)
    return [ROOT / "configs" / "demo" / "run.json",
            "--set", f"input.customers={folder}/data/customers.h5",
            "--set", f"input.catalogue={folder}/data/catalogue.h5",
            "--set", "run.unit_customers=150"]


def make_synthetic(folder, n_customers):
    run("generate", "-o", folder / "data", "--customers", n_customers, "--items", 5000, "--seed", 7)
    job = {"input": {"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                     "model": "data/model"},
           "output": {"path": "run"}, "list": {"k": 20}, "run": {"unit_customers": 4096}}
    (folder / "job.json").write_text(json.dumps(job))
    return [folder / "job.json"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--customers", type=int, default=200000, help="of the synthetic job (200000)")
    p.add_argument("--kills", type=int, default=5, help="runs of each job that are killed (5)")
    p.add_argument("--seed", type=int, default=20261128)
    a = p.parse_args()
    case.skip_without_mpi()
    for name in ("demo", "synthetic"):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            words = make_demo(folder) if name == "demo" else make_synthetic(folder, a.customers)
            job = Large(name, folder, words)
            for n in RANKS:
                job.check(n, 1)
            for n, n_shards in GRIDS:
                job.check(n, n_shards)
            for held in range(3):
                job.check_order(3, held)
            rng = random.Random(a.seed)
            for _ in range(a.kills):
                job.check_kill(rng)


if __name__ == "__main__":
    sys.exit(main())
