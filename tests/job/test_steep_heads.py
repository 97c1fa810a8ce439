#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An item head whose logits are large and whose probabilities are steep in them: the roundings of
its sums show in the fifth place. The sample of `run` and `verify` explain that, for each number
apart, and still find weights that have changed by little."""
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from job_files import ROOT, call, open_file, run, write_job

sys.path.insert(0, str(ROOT / "tests" / "models"))
import model_case  # noqa: E402

SEED, U, N, DIM, K = 20261128, 1000, 500, 128, 50
STEEP = {"name": "steep", "link": "logistic", "calibration": {"type": "platt", "a": 1.0, "b": 0.0}}
TABLE = {"name": "table", "link": "logistic", "item_bias": True, "calibration":
         {"type": "isotonic", "points": [[0.0, 0.0], [0.4999, 0.1], [0.5001, 0.9], [1.0, 1.0]]}}
FLAT = {"name": "flat", "link": "identity"}
MODEL = {"format": "batchrank-model", "version": 1, "name": "steep", "model_version": "1",
         "dim": DIM, "item": {"vocabulary": "catalogue", "table": "item.table"}, "modalities": [],
         "heads": [STEEP, TABLE, FLAT]}


def make(folder):
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(U)], "S6")
        f["/vector"] = rng.standard_normal((U, DIM)).astype(np.float32)
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"catalogue-{i + 1}" for i in range(N)], "S16")
    model_case.write(folder / "model", MODEL, {"catalogue": N + 1}, rng)
    path = folder / "model" / "weights.safetensors"
    tensors = model_case.bundle_writer.read_safetensors(path)
    tensors["head.steep.weight"] *= np.float32(30)
    model_case.bundle_writer.write_safetensors(path, tensors)
    write_job(folder / "job.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
              output={"path": "run"}, list={"k": K}, detect={"samples": U})


def check_verify(folder):
    told = run("verify", folder / "run", "--samples", U)
    worst, share = re.search(r"probabilities within (\S+),.*\((\S+) of what", told).groups()
    assert float(worst) > 2e-5, f"{told}: not steep enough to try anything"
    assert 0.0 < float(share) <= 1.0, told
    print(f"ok  verify: probabilities within {worst}, {share} of what roundings explain")


def check_change(folder, name, by):
    """The head says `by` more to everyone."""
    path = folder / "model" / "weights.safetensors"
    tensors = model_case.bundle_writer.read_safetensors(path)
    before = tensors[name].copy()
    tensors[name] = before + np.float32(by)
    model_case.bundle_writer.write_safetensors(path, tensors)
    code, _, log = call("verify", folder / "run", "--samples", U)
    assert code == 6 and "times what roundings explain" in log, log
    print(f"ok  {name} + {by:g}: found,", re.search(r"\S+ times what.*", log).group(0))
    tensors[name] = before
    model_case.bundle_writer.write_safetensors(path, tensors)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        run("run", folder / "job.json")  # the sample is all customers
        print("ok  run: the sample agrees")
        check_verify(folder)
        for tensor, by in (("head.steep.bias", 5.0), ("head.table.bias", 1.0),
                           ("head.table.item_bias", 1.0), ("head.flat.bias", 0.2)):
            check_change(folder, tensor, by)
        run("verify", folder / "run", "--samples", U)


if __name__ == "__main__":
    sys.exit(main())
