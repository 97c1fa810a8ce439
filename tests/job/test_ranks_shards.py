#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A catalogue in shards over teams of ranks: the bytes of one process, with objectives, heads of
every kind, rules and penalties, with lists longer than a shard, shards that have nothing for a
customer, and equal scores on both sides of a border; what is refused; how many shards a limit of
memory takes; a rank of a team that fails, is killed or stopped."""
import os
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

import random_worlds
import ranks_case as case
import test_objective as world
import test_ranks_faults as faults
from job_files import call, open_file, run, write_csr, write_job


WORLD = 24
DEADLINE_S = 2
IS_FEW = "--few" in sys.argv  # the sanitizers' builds are slow
GRIDS = [(4, 2)] if IS_FEW else [(4, 4), (4, 2)]


def shards(n):
    return ["--set", f"run.catalogue_shards={n}"]


def same(job, folder, name, *grids):
    """The job in one process, then by `ranks` in so many shards."""
    run("run", job, "--set", f"output.path={folder / name}", "--log-level", "error")
    for n, n_shards in grids:
        path = folder / f"{name}-{n}-{n_shards}"
        said = case.ranks(n, "run", job, "--set", f"output.path={path}", *shards(n_shards))[1]
        assert f"the catalogue in {n_shards} shards" in said, said
        case.compare(path, folder / name)
        print(f"ok  {name}: {n // n_shards} x {n_shards}, the same bytes")


def check_worlds(folder):
    """120 items: a shard of four has 30, and nothing for every fifth customer."""
    world.make(folder)
    with open_file(folder / "contacts.h5", "customers") as f:
        rng = np.random.default_rng(world.SEED)
        with h5py.File(folder / "customers.h5") as old:
            for name in old:
                old.copy(name, f)
        rows = [sorted(rng.choice(world.N, 8, replace=False)) for _ in range(world.U)]
        f["/consent/mail"] = (np.arange(world.U) % 7 > 0).astype(np.uint8)
        group = f.create_group("contact")
        write_csr(group, rows)
        group["time"] = np.arange(8 * world.U, dtype=np.int64) % 8 * 86400
    job = {"input": {"customers": "contacts.h5", "catalogue": "catalogue.h5", "model": "model"},
           "output": {"path": "x", "vectors": True}, "list": {"k": 45, "channel": "mail"},
           "run": {"unit_customers": 130, "as_of": 10 * 86400},
           "experiment": {"hold_out": 0.1, "salt": "s"},
           "objective": {"type": "linear", "terms": world.TERMS, "penalties": [
               world.LOW, {"name": "again", "type": "repetition", "weight": 2.0,
                           "half_life_days": 3}]}}
    write_job(folder / "terms.json", **job)
    same(folder / "terms.json", folder, "terms", *GRIDS)
    random_worlds.World(WORLD).write(folder)  # rules of several kinds, encoders
    same(folder / "run.json", folder, "rules", (2, 2))


def check_ties(folder):
    """Seven different items, each many times: nearly all scores are equal to another's."""
    rng = np.random.default_rng(5)
    z = rng.integers(-2, 3, (7, 4)).astype(np.float32)
    with open_file(folder / "tied.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"i{i}" for i in range(101)], "S4")
        f["/item/vector"] = z[rng.integers(0, 7, 101)]
    with open_file(folder / "few.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u}" for u in range(60)], "S4")
        f["/vector"] = rng.integers(-2, 3, (60, 4)).astype(np.float32)
    write_job(folder / "tied.json", input={"customers": "few.h5", "catalogue": "tied.h5"},
              output={"path": "x"}, list={"k": 25}, run={"unit_customers": 20})
    same(folder / "tied.json", folder, "tied", (3, 3))


def check_refusals(folder):
    job = folder / "tied.json"
    wanted = "run.catalogue_shards: found 2, expected a divisor of the number of ranks, "
    said = case.ranks(3, "run", job, *shards(2), expect=2)[1]
    assert wanted + "3" in said, said
    code, _, said = call("run", job, *shards(2))
    assert code == 2 and wanted + "1" in said, said
    for setting, key in (("shape.diversity=0.5", "shape.diversity"),
                         ("list.fill=true", "list.fill")):
        code, _, said = call("check", job, *shards(2), "--set", setting)
        assert code == 2 and f"but {key} needs the whole catalogue on every rank" in said, said
    print("ok  refused: numbers that do not divide the ranks, what needs the whole catalogue")


def check_plan(folder, job):
    """0 shards: as few as the limit allows."""
    text = run("plan", job, "--fast", *shards(0))
    mib = {int(n): float(m) for n, m in re.findall(r"shards +(\d+): .*, ([0-9.]+) MiB in all",
                                                   text)}
    assert list(mib) == [1, 2, 4, 8] and mib[1] > mib[2] > mib[4], text
    assert "250 items" in text and text == run("plan", job, "--fast", *shards(0)), text
    assert "shards        4: each rank holds 125 items" in run("check", job, *shards(4)), text
    limit = int((mib[1] + mib[2]) / 2 * 2 ** 20)
    auto = ["run", job, "--set", f"output.path={folder / 'auto'}", *shards(0), "--set"]
    said = case.ranks(4, *auto, f"run.memory_limit_bytes={limit}")[1]
    assert "the catalogue in 2 shards" in said, said
    case.compare(folder / "auto", folder / "one")
    said = case.ranks(2, *auto, "run.memory_limit_bytes=100000", expect=4)[1]
    assert re.search(r"in 2 shards of the catalogue, a rank needs about \d+ bytes of host memory "
                     r"\(\d+ of them for weights and catalogue\), 100000 are there", said), said
    print("ok  as many shards as memory asks for")


def check_failure(folder):
    """A score that overflows on the one rank that holds the item."""
    with open_file(folder / "huge.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"i{i}" for i in range(101)], "S4")
        z = np.ones((101, 4), np.float32)
        z[90] = 3e38
        f["/item/vector"] = z
    start = time.monotonic()
    said = case.ranks(4, "run", folder / "tied.json", "--set",
                      f"input.catalogue={folder / 'huge.h5'}", *shards(2), expect=3)[1]
    assert "and item i90 (row 90) does not fit float32" in said, said
    assert re.search(r"rank [13] \(units, unit \d+\)", said), said
    assert time.monotonic() - start < 10
    print("ok ", [x for x in said.splitlines() if x.startswith("batchrank: ")][0])


def check_kills(folder, job):
    ends = [("kill", signal.SIGKILL, 4), ("stop", signal.SIGSTOP, 1)]
    for name, number, again in ends[:1 if IS_FEW else 2]:
        process, pids = faults.begin(job, folder, name, 4, 5, *shards(2),
                                     "--set", f"deadlines.answer={DEADLINE_S}")
        os.kill(pids[3], number)  # of the second team, not its first
        start = time.monotonic()
        said = process.communicate(timeout=60)[1]
        took = time.monotonic() - start
        assert took < DEADLINE_S + 8, took
        assert process.returncode == 5 if name == "stop" else process.returncode != 0, said
        case.wait_for_end(name, pids.values())
        case.ranks(again, "run", job, "--set", f"output.path={folder / name}",
                   *shards(2 if again > 1 else 1))
        case.compare(folder / name, folder / "one")
        print(f"ok  rank 3 of two teams, {number.name}: ended after {took:.1f} s, finished by "
              f"{again}")


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_worlds(folder)
        check_ties(folder)
        check_refusals(folder)
        check_failure(folder)
        job = case.generate(folder, customers=2400 if IS_FEW else 7200)
        run("run", job, "--set", f"output.path={folder / 'one'}", "--log-level", "error")
        check_kills(folder, job)
        if not IS_FEW:
            check_plan(folder, job)


if __name__ == "__main__":
    sys.exit(main())
