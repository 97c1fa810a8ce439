#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of several ranks when one is asked to stop or fails: all end with one message and
one exit code, and the same command with another number of ranks goes on to the same bytes. Ranks
that are killed or stopped: tests/fault/loop_lost.py. With --few, fewer signals."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

import ranks_case as case
from job_files import BATCHRANK, run

SIGNALS = [(signal.SIGTERM, 3, 2), (signal.SIGUSR1, 2, 0)]


def wait_until(what, condition, process, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before {what}: {process.communicate()}"
        assert time.monotonic() < until, f"no {what} within {seconds} s"
        time.sleep(0.002)


def begin(job, folder, name, n, n_parts, *more):
    """n ranks, once n_parts are written: (mpirun, pids by rank)."""
    process = case.start(n, "run", job, "--set", f"output.path={folder / name}", *more)
    wait_until("parts", lambda: len(list((folder / name / "parts").glob("*.h5"))) >= n_parts
               if (folder / name / "parts").exists() else False, process)
    return process, case.processes(process.pid)


def finish(job, folder, name, n):
    case.ranks(n, "run", job, "--set", f"output.path={folder / name}")
    case.compare(folder / name, folder / "one")


def check_signals(job, folder, signals):
    for i, (number, n, victim) in enumerate(signals):
        process, pids = begin(job, folder, f"signal{i}", n, 2)
        os.kill(pids[victim], number)
        said = process.communicate(timeout=30)[1]
        assert process.returncode == 5, (process.returncode, said)
        assert said.count("batchrank: ") == 1 and "run the same command again" in said, said
        assert not list((folder / f"signal{i}").rglob("*.tmp-*"))
        finish(job, folder, f"signal{i}", 4)
        print(f"ok  {number.name} to rank {victim} of {n}: " +
              [x for x in said.splitlines() if x.startswith("batchrank: ")][0][11:])


def check_failures(job, folder):
    """A unit that cannot be read: whoever gets it, all end with its error."""
    broken = folder / "broken.h5"
    shutil.copy(folder / "data" / "customers.h5", broken)
    with h5py.File(broken, "r+") as f:
        name = sorted(f["timeline"])[0]
        time_E = f[f"timeline/{name}/time"]
        at = int(f[f"timeline/{name}/offset"][1207])
        time_E[at] = time_E[at + 1] + 1 if at + 1 < len(time_E) else 0
        time_E[at + 1] = time_E[at] - 1
    said = case.ranks(3, "run", job, "--set", f"input.customers={broken}", "--set",
                      "list.fallback=none",
                      "--set", f"output.path={folder / 'broken'}", expect=3)[1]
    lines = [x for x in said.splitlines() if x.startswith("batchrank: ")]
    assert len(lines) == 1 and "(units, unit 15)" in lines[0] and "rank " in lines[0], said
    assert "broken.h5" in lines[0], said
    print("ok ", lines[0][:100])


def check_single(job, folder):
    """One process ends, too, where its input stands still."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)  # so that it opens, and never ends
    rule = f'rules.suppressions=[{{"name": "x", "path": "{fifo}"}}]'
    done = subprocess.run([BATCHRANK, "run", job, "--set", "deadlines.setup=1", "--set", rule,
                           "--set", f"output.path={folder / 'fifo-run'}"],
                          stderr=subprocess.PIPE, text=True, timeout=30)
    os.close(held)
    assert done.returncode == 5 and "nothing moved for 1 s (phase setup)" in done.stderr, done
    print("ok  one process, an input that never ends:", done.stderr.splitlines()[-1])


def main():
    case.skip_without_mpi()
    signals = SIGNALS[:1] if "--few" in sys.argv else SIGNALS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = case.generate(folder, customers=2400 * len(signals))
        run("run", job, "--set", f"output.path={folder / 'one'}", "--log-level", "error")
        check_failures(job, folder)
        check_signals(job, folder, signals)
        check_single(job, folder)


if __name__ == "__main__":
    sys.exit(main())
