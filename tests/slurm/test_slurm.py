#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/slurm on a real Slurm of three emulated nodes: a rank that is killed, the signal before
the time limit and a node that fails each end a start of the job; it is requeued, goes on, and
completes with the bytes of a plain run. An error of the input is not requeued. Ranks on one node
have GPUs of their own. Skips without Slurm, munge, or a build with MPI.

    tests/slurm/test_slurm.py [--verbose]"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "job"))
sys.path.insert(0, str(ROOT / "tests" / "slurm"))
from cluster import Cluster, missing  # noqa: E402
import ranks_case as case  # noqa: E402
from job_files import BATCHRANK, run  # noqa: E402

N_CUSTOMERS, N_ITEMS, UNIT = 30_000, 10_000, 300
SKIPPED = 77


class Job:
    """One job of a script in scripts/slurm, and its log."""

    def __init__(self, cluster, folder, name, options, script, *words):
        self.cluster, self.folder = cluster, folder
        self.log = folder / f"{name}.log"
        out = cluster.call(
            "sbatch", "--parsable", f"--output={self.log}", f"--chdir={folder}", *options,
            ROOT / "scripts/slurm" / script, *words)
        self.id = out.strip().split(";")[0]

    def about(self):
        return self.cluster.job(self.id)

    def restarts(self):
        return int(self.about()["Restarts"])

    def text(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait(self, is_so, what, seconds=60):
        try:
            self.cluster.wait(is_so, what, seconds)
        except RuntimeError as error:
            raise AssertionError(f"{error}\n{self.about()}\n{self.text()}") from error

    def wait_for_parts(self, n):
        parts = self.folder / "run" / "parts"
        self.wait(lambda: len(list(parts.glob("part-*.h5"))) >= n, f"{n} parts")

    def wait_for_restart(self, before):
        self.wait(lambda: self.restarts() > before, f"a restart after {before}")

    def end(self, seconds=90):
        self.wait(lambda: self.about()["JobState"] in ("COMPLETED", "FAILED", "NODE_FAIL"),
                  "the end of the job", seconds)
        return self.about()

    def rank_pid(self, rank):
        """The process of a rank, by its environment."""
        want = {f"SLURM_PROCID={rank}".encode(), f"SLURM_JOB_ID={self.id}".encode()}
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if (path.parent / "exe").resolve() == Path(BATCHRANK).resolve() and \
                        want <= set(path.read_bytes().split(b"\0")):
                    return int(path.parent.name)
            except OSError:
                continue
        return None


def write_config(folder, name, **more):
    path = folder / f"{name}.json"
    path.write_text(json.dumps({
        "input": {"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                  "model": "data/model"},
        "list": {"k": 50}, "output": {"path": name},
        "run": {"threads": 1, "backend": "cpu", "unit_customers": UNIT}, **more}))
    return path


def result_bytes(run_dir):
    """What must not depend on ranks, kills or restarts."""
    files = sorted(p for p in run_dir.rglob("*") if p.is_file() and p.name != "audit.jsonl"
                   and not p.name.endswith("lock"))
    return {str(p.relative_to(run_dir)): p.read_bytes() for p in files}


def survive(cluster, folder):
    """Three ends before their time, each another start of the same job."""
    job = Job(cluster, folder, "run", ["--nodes=3"], "run_cpu.sbatch", write_config(folder, "run"))
    job.wait_for_parts(5)
    pid = job.rank_pid(2)
    assert pid is not None, "rank 2 was not found"
    before = job.restarts()
    os.kill(pid, signal.SIGKILL)
    job.wait_for_restart(before)
    assert "requeued" in job.text(), job.text()
    print("ok  kill -9 of a rank: requeued", flush=True)
    job.wait(lambda: job.rank_pid(0), "the second start")
    n = len(list((folder / "run/parts").glob("part-*.h5")))
    assert n < N_CUSTOMERS // UNIT, "the job was done before it could be stopped"
    job.wait_for_parts(n + 5)
    before = job.restarts()
    cluster.call("scancel", "--signal=USR1", job.id)
    job.wait_for_restart(before)
    assert "exit code 5: requeued" in job.text(), job.text()
    print("ok  the signal before the time limit: exit code 5, requeued", flush=True)
    job.wait(lambda: job.rank_pid(0), "the third start")
    n = len(list((folder / "run/parts").glob("part-*.h5")))
    job.wait_for_parts(n + 5)
    before = job.restarts()
    cluster.call("scontrol", "update", "NodeName=node3", "State=DOWN", "Reason=test")
    job.wait_for_restart(before)
    # refused where the node has come back by itself (ReturnToService)
    cluster.call("scontrol", "update", "NodeName=node3", "State=RESUME", check=False)
    print("ok  a failed node: requeued by Slurm", flush=True)
    about = job.end()
    assert about["JobState"] == "COMPLETED" and about["ExitCode"] == "0:0", (about, job.text())
    assert job.restarts() >= 3, about
    return job


def refuse(cluster, folder):
    """An answer that would be the same again."""
    wrong = write_config(folder, "wrong", objective={"terms": 1})
    job = Job(cluster, folder, "wrong", ["--nodes=2"], "run_cpu.sbatch", wrong)
    about = job.end()
    assert about["JobState"] == "FAILED" and about["ExitCode"].startswith("2:"), about
    assert "exit code 2: not requeued" in job.text(), job.text()
    print("ok  a wrong configuration: exit code 2, not requeued", flush=True)


def take_gpus(cluster, folder):
    """Four ranks on two nodes, each with a GPU that Slurm chose: the emulated device's program."""
    program = Path(BATCHRANK).parent / "tests/cuda_on_cpu/batchrank_emulated"
    if not program.exists():
        print("not checked: GPUs (no program with an emulated device)")
        return
    what = {"BATCHRANK": program, "BATCHRANK_VERB": "bench", "BATCHRANK_CUDA_DEVICES": 2}
    options = ["--nodes=2", "--ntasks-per-node=2", "--cpus-per-task=1",
               "--export=ALL," + ",".join(f"{k}={v}" for k, v in what.items())]
    job = Job(cluster, folder, "gpus", options, "run.sbatch", "--suite", "score", "--customers",
              "80", "--items", "100", "--dim", "8", "-k", "3", "--check", "1")
    about = job.end()
    assert about["JobState"] == "COMPLETED", (about, job.text())
    assert "# 4 ranks" in job.text() and "cuda: emulated" in job.text(), job.text()
    print("ok  four ranks, each with a GPU of its own", flush=True)


def main():
    if missing():
        print("skipped: not installed: " + ", ".join(missing()))
        return SKIPPED
    case.skip_without_mpi()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update(BATCHRANK=str(BATCHRANK), BATCHRANK_HOME=str(ROOT),
                          BATCHRANK_RESTARTS="20")  # srun's own start may crash: docs/CLUSTER.md
        run("generate", "-o", folder / "data", "--customers", N_CUSTOMERS, "--items", N_ITEMS)
        run("run", write_config(folder, "plain"))
        with Cluster(n_nodes=3, n_cpus=2, n_gpus=2) as cluster:
            job = survive(cluster, folder)
            refuse(cluster, folder)
            take_gpus(cluster, folder)
        want, found = result_bytes(folder / "plain"), result_bytes(folder / "run")
        assert want.keys() == found.keys(), want.keys() ^ found.keys()
        assert [n for n in want if want[n] != found[n]] == [], "bytes differ"
        print(f"ok  {len(want)} files, the bytes of a plain run")
        if "--verbose" in sys.argv:
            print(job.text())
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
