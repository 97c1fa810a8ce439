#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Constraints over all customers with several ranks: shortlists of every round, prices and lists
are the bytes of one process, with and without a model."""
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

import ranks_case as case
import test_allocation as world
from job_files import run, write_job

IS_FEW = "--few" in sys.argv  # the sanitizers' builds are slow
CONSTRAINTS = {"capacity": True, "shortlist": 10, "limits": world.LIMITS,
               "budgets": world.BUDGETS, "sample": 200}


def check(folder, job, name, *numbers):
    """The same from each number of ranks: every directory of the job; rounds of shortlists."""
    told = run("run", job, "--set", f"output.path={folder / f'{name}-one'}")
    runs = sorted(p.name for p in folder.glob(f"{name}-one*") if p.is_dir())
    files = sorted(p.name for p in folder.glob(f"{name}-one*.npy"))
    for n in numbers:
        out = case.ranks(n, "run", job, "--set", f"output.path={folder / f'{name}-of{n}'}")[0]
        assert out == told, (out, told)
        for found in runs:
            case.compare(folder / found.replace("-one", f"-of{n}"), folder / found)
        for found in files:
            other = folder / found.replace("-one", f"-of{n}")
            assert other.read_bytes() == (folder / found).read_bytes(), found
        print(f"ok  {name}, {n} ranks: {len(runs) - 1} rounds of shortlists, {len(files)} prices")
    return len(runs) - 1


def make_model(folder):
    """Scarce items, so that later rounds are needed: they take x_u from the first."""
    data = folder / "generated"
    run("generate", "-o", data, "--customers", "1200", "--items", "150")
    with h5py.File(data / "catalogue.h5", "a") as f:
        f["/item/capacity"] = np.full(150, 35, np.int64)
    files = (("customers", "customers.h5"), ("catalogue", "catalogue.h5"), ("model", "model"))
    write_job(folder / "model.json", input={n: str(data / f) for n, f in files},
              output={"path": "model"}, list={"k": 4, "fallback": "none"},
              run={"unit_customers": 150},
              constraints={"capacity": True, "shortlist": 6, "sample": 192})
    return folder / "model.json"


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world.make(folder)
        job = world.job(folder, "vectors", CONSTRAINTS, run={"unit_customers": 97})
        check(folder, job, "vectors", *((3,) if IS_FEW else (2, 4)))
        if IS_FEW:
            return
        assert check(folder, make_model(folder), "model", 3) > 1, "no later round"


if __name__ == "__main__":
    sys.exit(main())
