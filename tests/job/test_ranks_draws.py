#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Policies that draw on a catalogue in shards over teams of ranks: the bytes of one process, by
Plackett-Luce at several temperatures, from a shortlist and by epsilon, with strata, rules,
never-lists and penalties of a customer's own; every item of nearly all shards listed; a score that
overflows where it is held; what is refused."""
import sys
import tempfile
from pathlib import Path

import numpy as np

import ranks_case as case
import test_policy as world
from job_files import call, open_file, write_job

IS_FEW = "--few" in sys.argv  # the sanitizers' builds are slow
GRIDS = [(4, 2)] if IS_FEW else [(3, 3), (4, 2)]
WARM = {"name": "young", "when": "age < 30", "temperature": 0.3}
POLICIES = {
    "plain": {"type": "plackett_luce", "temperature": 0.7, "strata": [WARM]},
    "low": {"type": "plackett_luce", "temperature": 0.01, "min_diversity": 0.001},
    "high": {"type": "plackett_luce", "temperature": 50.0},
    "shortlist": {"type": "plackett_luce", "temperature": 0.5, "shortlist": 17},
    "epsilon": {"type": "epsilon", "epsilon": 0.4, "strata": [
        {"name": "young", "when": "age < 30", "epsilon": 0.9}]},
}


def check(folder, name, policy, grids=GRIDS, k=world.K):
    job = world.job(folder, name, {"seed": 7, **policy})
    words = ["run", job, "--set", "run.unit_customers=230", "--set", f"list.k={k}"]
    code, _, said = call(*words, "--set", f"output.path={folder / name}")
    assert code in (0, 10), said  # 10: the draws are less diverse than asked for
    for n, n_shards in grids:
        path = folder / f"{name}-{n}-{n_shards}"
        said = case.ranks(n, *words, "--threads", 2, "--set", f"output.path={path}", "--set",
                          f"run.catalogue_shards={n_shards}", expect=code)[1]
        assert f"the catalogue in {n_shards} shards" in said, said
        case.compare(path, folder / name)
        print(f"ok  {name}, lists of {k}: {n // n_shards} x {n_shards}, the same bytes")


def check_failure(folder):
    """On the one rank that holds the item, while its team goes on."""
    with open_file(folder / "huge.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"i{i}" for i in range(world.N)], "S6")
        z = np.ones((world.N, world.DIM), np.float32)
        z[140] = 3e38
        f["/item/vector"] = z
    for policy in "plain", "epsilon":
        write_job(folder / "huge.json", input={"customers": "customers.h5", "catalogue": "huge.h5"},
                  output={"path": f"huge-{policy}"}, list={"k": 5}, policy=POLICIES[policy])
        said = case.ranks(4, "run", folder / "huge.json", "--set", "run.catalogue_shards=2",
                          expect=3)[1]
        assert "and item i140 (row 140) does not fit float32" in said, said
        print(f"ok  {policy}, a score that overflows in one shard")


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world.make(folder)
        for policy in POLICIES:
            check(folder, policy, POLICIES[policy])
        check(folder, "long", POLICIES["plain"], [(2, 2)], 140)
        check(folder, "most", POLICIES["epsilon"], [(2, 2)], 140)
        check_failure(folder)
        job = world.job(folder, "quotas", POLICIES["plain"],
                        shape={"quotas": [{"group": "brand", "max": 1}]})
        code, _, said = call("check", job, "--set", "run.catalogue_shards=2")
        assert code == 2 and "but shape.quotas needs the whole catalogue on every rank" in said
        print("ok  quotas are refused")


if __name__ == "__main__":
    sys.exit(main())
