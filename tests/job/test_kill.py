#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at ten random moments, then the same command: byte-identical final files, finished parts
not redone (same inode and time), no partial file under a final name."""
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

from job_files import BATCHRANK, run

SEED, N_KILLS = 20260102, 10
FINAL = ["manifest.json", "stats.json", "metrics.prom", "lists.h5", "config.json"]


def generate(folder):
    run("generate", "-o", folder / "data", "--customers", 2400, "--items", 500, "--seed", 7)
    job = {"input": {"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                     "model": "data/model"},
           "output": {"path": "run"}, "list": {"k": 10}, "run": {"unit_customers": 80}}
    (folder / "job.json").write_text(json.dumps(job))


def command(folder, name):
    return [BATCHRANK, "run", str(folder / "job.json"), "--set", f"output.path={folder / name}",
            "--log-level", "error"]


def part_marks(folder):
    """{part: (inode, time)} of parts that have a receipt."""
    marks = {}
    for receipt in (folder / "receipts").glob("*.json"):
        part = folder / "parts" / f"part-{receipt.stem}.h5"
        if part.exists():
            marks[part.name] = (part.stat().st_ino, part.stat().st_mtime_ns)
    return marks


def kill_once(folder, name, after_s):
    """Kills a run at that moment; sooner, in a new run, where it had ended by then."""
    while True:
        process = subprocess.Popen(command(folder, name), stderr=subprocess.DEVNULL)
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        if process.wait() == -signal.SIGKILL:
            return
        assert after_s > 1e-3, "the runs end before they can be killed"
        shutil.rmtree(folder / name)
        after_s *= 0.7


def compare(folder, name, whole):
    parts = sorted(p.name for p in (folder / name / "parts").iterdir())
    assert parts == sorted(p.name for p in (whole / "parts").iterdir()), parts
    for p in parts:
        assert (folder / name / "parts" / p).read_bytes() == (whole / "parts" / p).read_bytes(), p
    for f in FINAL:
        assert (folder / name / f).read_bytes() == (whole / f).read_bytes(), f


def main():
    random.seed(SEED)
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder)
        start = time.monotonic()
        subprocess.run(command(folder, "whole"), check=True)
        whole_s = time.monotonic() - start
        n_kept = 0
        for i in range(N_KILLS):
            after_s = whole_s * random.uniform(0.05, 0.95)
            kill_once(folder, f"run{i}", after_s)
            before = part_marks(folder / f"run{i}") if (folder / f"run{i}").exists() else {}
            assert not (folder / f"run{i}" / "manifest.json").exists() or len(before) == 30
            subprocess.run(command(folder, f"run{i}"), check=True)
            after = part_marks(folder / f"run{i}")
            assert all(after[p] == before[p] for p in before), "a finished part was redone"
            n_kept += len(before)
            compare(folder, f"run{i}", folder / "whole")
        print(f"ok  {N_KILLS} runs killed, {n_kept} finished parts kept, "
              "final files byte-identical")
        assert n_kept > 0
        run("verify", folder / "run0")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(main())
