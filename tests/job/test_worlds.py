#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Decisions over random worlds: each configuration is one `run` and one `publish --to csv` over 100
customers, each a world of its own. Lists, scores, sources, flags, rules and arms equal a
brute-force reference bit for bit; nothing that is published breaks a rule, a cap or a hold-out; the
ledger balances to the customers; the same bits for other units and threads.

    test_worlds.py [--worlds N] [--first SEED]     N customers in all, 100 per configuration
"""
import argparse
import collections
import itertools
import json
import sys
import tempfile
import time
import zoneinfo
from pathlib import Path

import numpy as np

import random_worlds
import reference_policy
import world_predicates
from job_files import call, read_parts, run
from world_variants import VARIANTS

PER_RUN = random_worlds.U


def check_bits(expected, found, where):
    for name, values in expected.items():
        assert name in found, f"{where}: {name} is missing"
        got = found[name]
        assert got.dtype == values.dtype and got.shape == values.shape, (where, name, got.dtype)
        same = got.view(np.uint8) == np.ascontiguousarray(values).view(np.uint8)
        if values.dtype.kind == "f":
            same = (got == values) | (np.isnan(got) & np.isnan(values))
        if not same.all():
            u = int(np.argwhere(~same.reshape(len(values), -1))[0][0])
            raise AssertionError(f"{where}: {name} of customer {u}: found {got[u]}, expected "
                                 f"{values[u]} (flags {expected['customer/flags'][u]})")


def check_ledger(world, expected, names, stats):
    """Counts per rule and stratum are those of the reference, and add up to the customers."""
    ledger = json.loads(stats.read_text())["ledger"]
    assert ledger["rules"] == names, (ledger["rules"], names)
    column = world.config["rules"]["strata"]
    stratum = ["" if column and s is None else s if column else "all"
               for s in (world.static[column] if column else [None] * PER_RUN)]
    total, rule = 0, expected.get("customer/rule", np.full(PER_RUN, -1))
    for name, row in ledger["strata"].items():
        mine = np.array([s == name for s in stratum])
        held = {r: int((mine & (rule == i)).sum()) for i, r in enumerate(names)}
        free = mine & (rule < 0)
        ends = {"held_out": expected["customer/flags"] & reference_policy.HELD_OUT != 0,
                "nothing_allowed": expected["customer/flags"] & reference_policy.NOTHING != 0,
                "short": expected["customer/flags"] & reference_policy.SHORT != 0}
        ends["full"] = ~np.logical_or.reduce(list(ends.values()))
        wanted = {"customers": int(mine.sum()), "held_back": held,
                  **{end: int((free & who).sum()) for end, who in ends.items()}}
        assert row == wanted, (name, row, wanted)
        total += sum(held.values()) + sum(row[end] for end in ends)
    assert total == PER_RUN, total


def is_possible(world, folder):
    """A catalogue of which nothing may be listed is refused, with the counts."""
    everyone = reference_policy.listed_to_anybody(world)
    if everyone.any():
        return True
    code, _, log = call("run", folder / "run.json")
    assert code == 3 and f"none of its {world.n_items} items can be listed" in log, (code, log)
    return False


def check_again(world, job, lists):
    """Other units and lanes give the same bits, and so do lists by ref, of the same x_u."""
    ways = [["--set", "run.unit_customers=13", "--threads", "3"]]
    if not world.has_model:
        ways.append(["--set", "run.unit_customers=100", "--set", "run.backend=ref"])
    for i, words in enumerate(ways):
        run("run", job, "--set", f"output.path={job.parent}/again{i}-{job.stem}", *words)
        again = read_parts(job.parent / f"again{i}-{job.stem}")
        assert again.keys() == lists.keys(), (world.seed, words)
        for name, values in lists.items():
            if i > 0 and name.startswith("logging/"):  # log-sum-exps are no exact sums
                assert np.allclose(again[name], values, 1e-4, 1e-4, True), (world.seed, name)
            else:
                assert again[name].tobytes() == values.tobytes(), (world.seed, words, name)


def check_configuration(seed, folder, count):
    world = random_worlds.World(seed)
    world.write(folder)
    if not is_possible(world, folder):
        count["refused"] += 1
        return
    run("run", folder / "run.json", "--threads", "2")
    lists = read_parts(folder / "run")
    x_UD = lists["vector"] if world.has_model else world.x
    expected, names = reference_policy.decide(world, x_UD)
    check_bits(expected, lists, f"seed {seed}")
    check_ledger(world, expected, names, folder / "run" / "stats.json")
    run("verify", folder / "run")
    run("publish", folder / "run", "--to", "csv", "-o", folder / "csv", "--exposures")
    world_predicates.check(world, folder / "csv")
    if seed % 10 == 0:
        check_again(world, folder / "run.json", lists)
    if seed % 3 < len(VARIANTS):
        check_variant(VARIANTS[seed % 3], world, folder, expected, count)
    note(world, expected, names, count)


def check_variant(variant, world, folder, expected, count):
    """The world again, with lists chosen otherwise."""
    world.write_job(folder, variant.name, **variant.sections(world))
    code, _, log = call("run", folder / f"{variant.name}.json", "--threads", "2")
    if code != 0:
        assert variant.name == "constrained" and "nothing could be shown" in log, log
        count["refused constraints"] += 1
        return
    lists = read_parts(folder / variant.name)
    variant.check(world, lists, expected)
    run("verify", folder / variant.name)
    run("publish", folder / variant.name, "--to", "csv", "-o", folder / f"csv-{variant.name}",
        "--exposures")
    world_predicates.check(world, folder / f"csv-{variant.name}")
    if world.seed % 10 < 3:
        check_again(world, folder / f"{variant.name}.json", lists)
    count[f"worlds {variant.name}"] += PER_RUN
    count[f"items {variant.name}"] += int(lists["customer/n"].sum())


def note(world, expected, names, count):
    """How often each edge was met: a test of nothing must not pass."""
    flags, listed = expected["customer/flags"], expected["customer/n"]
    count["worlds"] += PER_RUN
    for name, bit in (("short", 1), ("no consent", 2), ("no events", 4), ("popularity", 8),
                      ("nothing allowed", 16), ("held out", 32), ("held back", 64)):
        count[name] += int((flags & bit != 0).sum())
    count["lists"] += int((listed > 0).sum())
    count["items"] += int(listed.sum())
    score = expected["list/score"]
    count["ties"] += int((score[:, 1:] == score[:, :-1]).sum())
    for kind in ("hold", "file", "cap", "quiet", "household"):
        held = [i for i, name in enumerate(names) if name.startswith(kind)]
        count[f"held by {kind}"] += int(np.isin(expected.get("customer/rule", []), held).sum())
    for kind in ("items", "matches", "recent"):
        count[f"rules: {kind}"] += len(world.config["rules"][kind])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=10000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    if not set(random_worlds.ZONES) <= zoneinfo.available_timezones():
        print("skipped: no tzdata on this machine")
        sys.exit(77)
    count, begin = collections.Counter(), time.monotonic()
    for seed in itertools.count(args.first):
        if count["worlds"] >= args.worlds:
            break
        with tempfile.TemporaryDirectory(prefix=f"world-{seed}-") as name:
            check_configuration(seed, Path(name), count)
    print(json.dumps({"seconds": round(time.monotonic() - begin, 1), **count}, indent=1))
    wanted = ["lists", "ties", "popularity", "held out", "held by cap", "held by household",
              "held by file", "held by quiet", "held by hold", "no consent", "nothing allowed"]
    assert args.worlds < 5000 or all(count[name] > 0 for name in wanted), "an edge was never met"


if __name__ == "__main__":
    main()
