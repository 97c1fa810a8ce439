#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ranks and GPUs, on emulated devices: each rank takes its own, `run.device` chooses, and too few,
or one for two, is an error before any work; so is one that is there and does not work, which
`auto` does not pass over. Needs mpirun and a build with MPI."""
import subprocess
import sys
import tempfile
from pathlib import Path

import ranks_case as case
from job_files import run, write_job

BENCH = ["bench", "--suite", "score", "--customers", "40", "--items", "100", "--dim", "8", "-k",
         "3", "--repeats", "1", "--check", "1"]


def ranks(n, *words, **env):
    """(exit code, what was said) of n ranks on one machine."""
    done = subprocess.run(case.words(n, *words), capture_output=True, text=True,
                          env={**case.ENV, **env})
    return done.returncode, done.stdout + done.stderr


def expect(code, text, n, *words, **env):
    found, said = ranks(n, *words, **env)
    assert found == code and text in said, f"{n} ranks, {env}: exit {found}, {said}"


def main():
    case.skip_without_mpi()
    one = "cuda: emulated"
    expect(0, one, 2, *BENCH, BATCHRANK_CUDA_DEVICES="2")
    expect(0, one, 2, *BENCH, BATCHRANK_CUDA_DEVICES="4", CUDA_VISIBLE_DEVICES="3,1")
    expect(4, "CUDA_VISIBLE_DEVICES lists 2", 3, *BENCH, BATCHRANK_CUDA_DEVICES="4",
           CUDA_VISIBLE_DEVICES="3,1")
    expect(4, "fewer GPUs than ranks", 3, *BENCH, BATCHRANK_CUDA_DEVICES="2")
    expect(4, "the same GPU", 2, *BENCH, BATCHRANK_CUDA_DEVICES="4", CUDA_VISIBLE_DEVICES="3")
    expect(0, "cpu: ", 3, *BENCH, "--backend", "cpu", BATCHRANK_CUDA_DEVICES="2")
    print("ok  bench")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("generate", "-o", folder / "data", "--customers", 60, "--items", 40, "--dim", 8)
        write_job(folder / "job.json",
                  input={"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                         "model": "data/model"}, output={"path": "run"})
        job = ["run", folder / "job.json", "--backend", "cuda", "--set", "run.nccl=off"]
        expect(4, "CUDA_VISIBLE_DEVICES=5", 1, *job, "--set", "run.device=5",
               BATCHRANK_CUDA_DEVICES="4")
        expect(4, "GPU 2 of this machine is wanted", 2, *job, "--set", "run.device=1",
               BATCHRANK_CUDA_DEVICES="4", CUDA_VISIBLE_DEVICES="0,2")
        expect(0, "complete", 2, *job, "--set", "run.device=2", BATCHRANK_CUDA_DEVICES="4")
        auto = ["run", folder / "job.json", "--set", f"output.path={folder / 'auto'}"]
        expect(4, "without this GPU: run.backend=cpu", 1, *auto,
               BATCHRANK_CUDA_FAULT="malloc:1:oom")
        assert not (folder / "auto").exists()
        expect(0, "backend cpu: ", 1, *auto, BATCHRANK_CUDA_DEVICES="0")
    print("ok  run")


if __name__ == "__main__":
    sys.exit(main())
