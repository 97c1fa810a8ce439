#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of several ranks when one is killed, stopped, asked to stop or fails: all end
in time with one message and one exit code, and the same command with another number of ranks goes
on to the same bytes."""
import os
import random
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

SEED, DEADLINE_S = 20261128, 2
SIGNALS = [(signal.SIGTERM, 3, 2), (signal.SIGUSR1, 2, 0)]
N_KILLS = int(os.environ.get("BR_RANK_KILLS", "2"))
N_STOPS = int(os.environ.get("BR_RANK_STOPS", "2"))


def processes(parent):
    """{rank: pid} of the ranks that this mpirun started and that have begun."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(os.readlink(entry / "exe")) == Path(BATCHRANK):
                environment = (entry / "environ").read_bytes().split(b"\0")
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(stat[1]) == parent:
                    rank = [e for e in environment if e.startswith(b"OMPI_COMM_WORLD_RANK=")]
                    found[int(rank[0].split(b"=")[1])] = int(entry.name)
        except (OSError, IndexError):
            continue
    return found


def wait_until(what, condition, process, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before {what}: {process.communicate()}"
        assert time.monotonic() < until, f"no {what} within {seconds} s"
        time.sleep(0.002)


def begin(job, folder, name, n, n_parts, *more):
    """n ranks, once n_parts are written: (mpirun, pids by rank)."""
    process = case.start(n, "run", job, "--set", f"output.path={folder / name}",
                         "--set", f"deadlines.answer={DEADLINE_S}", *more)
    wait_until("parts", lambda: len(list((folder / name / "parts").glob("*.h5"))) >= n_parts
               if (folder / name / "parts").exists() else False, process)
    pids = processes(process.pid)
    return process, pids


def finish(job, folder, name, n):
    case.ranks(n, "run", job, "--set", f"output.path={folder / name}")
    case.compare(folder / name, folder / "one")


def is_alive(pid):
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def check_left(name, pids):
    until = time.monotonic() + 10  # they were killed; the kernel may take a moment
    while any(is_alive(p) for p in pids.values()):
        assert time.monotonic() < until, f"{name}: ranks live on: {pids}"
        time.sleep(0.01)


def check_kills(job, folder):
    for i in range(N_KILLS):
        n = random.choice([2, 3, 4])
        process, pids = begin(job, folder, f"kill{i}", n, random.randint(0, 20))
        if len(pids) < n:  # it has just ended
            process.wait()
            shutil.rmtree(folder / f"kill{i}")
            continue
        victim = random.randrange(n)
        os.kill(pids[victim], signal.SIGKILL)
        start = time.monotonic()
        said = process.communicate(timeout=30)[1]
        assert process.returncode != 0, said
        took = time.monotonic() - start
        check_left("kill", pids)
        again = random.choice([1, 2, 3, 4])
        finish(job, folder, f"kill{i}", again)
        print(f"ok  rank {victim} of {n} killed, ended after {took:.1f} s, finished by {again}")


def check_stops(job, folder):
    """SIGSTOP: alive, but silent."""
    for i in range(N_STOPS):
        n = random.choice([2, 3, 4])
        process, pids = begin(job, folder, f"stop{i}", n, 1)
        victim = i % 2 * random.randrange(1, n)  # rank 0, then another
        os.kill(pids[victim], signal.SIGSTOP)
        start = time.monotonic()
        said = process.communicate(timeout=60)[1]
        took = time.monotonic() - start
        assert took < DEADLINE_S + 8, f"ended after {took:.1f} s only"
        assert process.returncode == 5, (process.returncode, said)
        assert f"rank {victim}" in said and "is lost" in said, said
        check_left("stop", pids)
        again = random.choice([1, 2, 3, 4])
        finish(job, folder, f"stop{i}", again)
        print(f"ok  rank {victim} of {n} stopped, ended after {took:.1f} s, finished by {again}")


def check_signals(job, folder):
    for i, (number, n, victim) in enumerate(SIGNALS[:N_STOPS]):
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
    random.seed(SEED)
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = case.generate(folder, customers=2400 * N_STOPS)
        run("run", job, "--set", f"output.path={folder / 'one'}", "--log-level", "error")
        check_failures(job, folder)
        check_signals(job, folder)
        check_kills(job, folder)
        check_stops(job, folder)
        check_single(job, folder)


if __name__ == "__main__":
    sys.exit(main())
