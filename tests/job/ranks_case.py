# SPDX-License-Identifier: Apache-2.0
"""Jobs of several ranks on this machine: how they are started, and what must not differ."""
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from job_files import BATCHRANK, run

FINAL = ["manifest.json", "stats.json", "metrics.prom", "lists.h5", "config.json", "run.json"]
LAUNCH = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np"]
ENV = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       "OMP_WAIT_POLICY": "passive",
       # Open MPI keeps memory of plugins that it closed; ours is looked at in one process
       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def why_no_ranks():
    """What is missing for ranks to be started; None: nothing."""
    if shutil.which("mpirun") is None:
        return "mpirun is not installed"
    done = subprocess.run(words(2, "--version"), env=ENV, capture_output=True, text=True)
    if "has no MPI" in done.stderr:
        return "built without MPI"
    assert done.returncode == 0, done.stderr
    return None


def skip_without_mpi():
    """Exit 77 where ranks cannot be started."""
    if why_no_ranks() is not None:
        print("skipped:", why_no_ranks())
        sys.exit(77)


def words(n, *args):
    return [*LAUNCH, str(n), BATCHRANK, *map(str, args)]


def start(n, *args, **kw):
    return subprocess.Popen(words(n, *args), env=ENV, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **kw)


def ranks(n, *args, expect=0, timeout=120, env=None):
    """(stdout, stderr) of n ranks."""
    done = subprocess.run(words(n, *args), env={**ENV, **(env or {})}, text=True,
                          capture_output=True, timeout=timeout)
    assert done.returncode == expect, \
        f"{n} ranks {args}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


def processes(mpirun_pid, program=BATCHRANK):
    """{rank: pid} of the ranks that this mpirun started and that have begun."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "exe")) == Path(program):
                environment = (entry / "environ").read_bytes().split(b"\0")
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(stat[1]) == mpirun_pid:
                    rank = [e for e in environment if e.startswith(b"OMPI_COMM_WORLD_RANK=")]
                    found[int(rank[0].split(b"=")[1])] = int(entry.name)
        except (OSError, IndexError):
            continue
    return found


def is_alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for_end(what, pids):
    """Of processes that were killed: the kernel may take a moment."""
    until = time.monotonic() + 10
    while any(is_alive(p) for p in pids):
        assert time.monotonic() < until, f"{what}: ranks live on: {pids}"
        time.sleep(0.01)


def generate(folder, customers=2400, unit=80, **sections):
    run("generate", "-o", folder / "data", "--customers", customers, "--items", 500, "--seed", 7)
    job = {"input": {"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                     "model": "data/model"},
           "output": {"path": "run"}, "list": {"k": 10}, "run": {"unit_customers": unit},
           **sections}
    (folder / "job.json").write_text(json.dumps(job))
    return folder / "job.json"


def compare(found, expected):
    """All final files of two runs, byte for byte."""
    found, expected = Path(found), Path(expected)
    for sub in ("parts", "receipts"):
        names = sorted(p.name for p in (expected / sub).iterdir())
        assert names == sorted(p.name for p in (found / sub).iterdir()), (found, sub)
        for name in names:
            a, b = found / sub / name, expected / sub / name
            assert a.read_bytes() == b.read_bytes(), f"{a} and {b} differ"
    for name in FINAL:
        assert (found / name).read_bytes() == (expected / name).read_bytes(), f"{found}: {name}"
