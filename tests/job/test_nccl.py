#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`run` on emulated GPUs that share their weights and catalogue by NCCL (its stand-in): the same
files as from one process that uploads its own, for models and for ready-made vectors; what is
uploaded where NCCL is not; a rank that is stopped, or a flipped bit, end the job in time, and the
same command then completes it."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import ranks_case as case
from job_files import call, open_file, run, write_job

case.ENV["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"] = sys.argv[1]


def arrays_of(said):
    found = re.search(r"NCCL 2\.28\.9: (\d+) arrays", said)
    return int(found.group(1)) if found else 0


def check_same(folder, job, least, ways):
    """One process that uploads, one by NCCL, and ranks."""
    run("run", job, "--set", f"output.path={folder / 'one'}", "--log-level", "error")
    code, _, said = call("run", job, "--set", f"output.path={folder / 'alone'}",
                         "--set", "run.nccl=on")
    assert code == 0 and arrays_of(said) >= least, said
    case.compare(folder / "alone", folder / "one")
    for n, use in ways:
        out = folder / f"of{n}-{use}"
        said = case.ranks(n, "run", job, "--set", f"output.path={out}", "--set",
                          f"run.nccl={use}")[1]
        assert (arrays_of(said) >= least) == (use != "off"), said
        case.compare(out, folder / "one")
        print(f"ok  {job.parent.name}: {n} ranks, {use}: the same bytes,",
              arrays_of(said), "arrays by NCCL")


def check_without(folder, job):
    """No library: auto goes on and says so, on does not."""
    (folder / "libnccl.so.2").touch()
    case.ENV["LD_LIBRARY_PATH"] = str(folder)
    said = case.ranks(2, "run", job, "--set", f"output.path={folder / 'without'}")[1]
    assert "every rank uploads its own copy of the model: NCCL: " in said, said
    case.compare(folder / "without", folder / "one")
    said = case.ranks(2, "run", job, "--set", "run.nccl=on", "--set",
                      f"output.path={folder / 'must'}", expect=4)[1]
    assert "libnccl.so.2: file too short" in said, said
    case.ENV["LD_LIBRARY_PATH"] = sys.argv[1]
    code, _, said = call("run", job, "--backend", "cpu", "--set", "run.nccl=on",
                         "--set", f"output.path={folder / 'cpu'}")
    assert code == 2 and "NCCL moves memory of GPUs, found backend cpu" in said, said
    print("ok  without the library, and without GPUs")


def start(folder, job, name, fault, setup_s=60):
    words = case.words(2, "run", job, "--set", f"output.path={folder / name}", "--set",
                       f"deadlines.setup={setup_s}", "--set", "deadlines.answer=2")
    return subprocess.Popen(words, env={**case.ENV, "BATCHRANK_NCCL_FAULT": fault}, text=True,
                            stderr=subprocess.PIPE)


def finish(folder, job, name):
    case.ranks(2, "run", job, "--set", f"output.path={folder / name}")
    case.compare(folder / name, folder / "one")


def check_faults(folder, job):
    """A bit of a weight flips on its way."""
    process = start(folder, job, "flip", "flip:1:3")
    said = process.communicate(timeout=30)[1]
    words = ".weight: rank 1 received other bytes than rank 0 sent"
    assert process.returncode == 4 and words in said, (process.returncode, said)
    assert not list(folder.glob("flip/parts/*.h5"))
    finish(folder, job, "flip")
    print("ok  a flipped bit: exit 4, nothing written, then completed")


def check_lost(folder, job):
    """A rank is stopped while the other waits for it in NCCL: missed by its silence."""
    process = start(folder, job, "lost", "absent:1:2")
    while "between 2 ranks" not in (line := process.stderr.readline()):
        assert line, "ended before NCCL began"
    os.kill(case.processes(process.pid)[1], signal.SIGSTOP)
    begun = time.monotonic()
    said = process.communicate(timeout=30)[1]
    took = time.monotonic() - begun
    assert process.returncode == 5 and took < 10, (process.returncode, took, said)
    assert "rank 1 on" in said and "is lost: silent for 2 s" in said, said
    finish(folder, job, "lost")
    print(f"ok  a rank stopped beside NCCL: ended after {took:.1f} s, then completed")


def make_vectors(folder):
    rng = np.random.default_rng(11)
    folder.mkdir()
    for kind, group, n in (("customers", "customer", 90), ("catalogue", "item", 150)):
        with open_file(folder / f"{kind}.h5", kind) as f:
            f[f"{group}/key"] = np.array([f"{group}{i}" for i in range(n)], "S12")
            f["vector" if kind == "customers" else "item/vector"] = \
                rng.standard_normal((n, 16)).astype(np.float32)
    write_job(folder / "job.json", input={"customers": "customers.h5",
                                          "catalogue": "catalogue.h5"},
              output={"path": "run"}, list={"k": 5}, run={"unit_customers": 30})
    return folder / "job.json"


def make_model(folder):
    run("generate", "-o", folder, "--dim", 8, "--customers", 24, "--items", 60)
    (folder / "job.json").write_text(json.dumps(
        {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
         "output": {"path": "run"}, "list": {"k": 5}, "run": {"unit_customers": 6}}))
    return folder / "job.json"


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = make_model(folder / "model")
        check_same(folder / "model", job, 10, [(2, "on"), (4, "auto"), (2, "off")])
        check_same(folder / "vectors", make_vectors(folder / "vectors"), 1, [(2, "auto")])
        check_without(folder / "model", job)
        check_faults(folder / "model", job)
        check_lost(folder / "model", job)


if __name__ == "__main__":
    sys.exit(main())
