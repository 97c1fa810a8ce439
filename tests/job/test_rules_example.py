#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The example configuration of docs/RULES.md on generated files: `check` accepts it, a run decides
in the precedence that the page states, and each of its rules has something to say."""
import datetime
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

import run_files
from job_files import ROOT, read_parts, run, write_job

sys.path.insert(0, str(ROOT / "tests"))
import make_files  # noqa: E402

U, N, DAY = 2000, 60, 86400
SENT = int(datetime.datetime(2026, 12, 3, 8, tzinfo=datetime.timezone.utc).timestamp())


def events(rng, most, chance):
    out = []
    for _ in range(U):
        n = int(rng.integers(1, most + 1)) if rng.random() < chance else 0
        times = np.sort(SENT - rng.integers(0, 20 * DAY, n))
        out.append([(int(i), int(t)) for i, t in zip(rng.integers(0, N, n), times)])
    return out


def static(rng, names, missing=0.1):
    return np.where(rng.random(U) < missing, -1, rng.integers(0, len(names), U)).tolist(), names


def make(folder):
    rng = np.random.default_rng(20261128)
    keys = [f"c{u}" for u in range(U)]
    make_files.write_customers(
        folder / "customers.h5", keys, timelines={"purchase": {"events": events(rng, 5, 0.5)}},
        statics={"zone": static(rng, ["Europe/Paris", "Pacific/Kiritimati"]),
                 "status": static(rng, ["open", "open too", "closed"]),
                 "tier": static(rng, ["gold", "silver", "basic"]),
                 "region": static(rng, ["North", "South"]),
                 "household": static(rng, [f"h{i}" for i in range(900)], 0.5)},
        aggregate=(["age"], np.where(rng.random(U) < 0.05, np.nan,
                                     rng.integers(10, 90, U))[:, None]),
        contact=events(rng, 8, 0.6), consent={"email": (rng.random(U) < 0.9).astype(int).tolist()},
        vector=rng.standard_normal((U, 8)))
    make_files.write_catalogue(
        folder / "catalogue.h5", [f"i{i}" for i in range(N)],
        groups={"department": ([i % 3 for i in range(N)], ["food", "wine", "home"]),
                "region": ([i % 3 - 1 for i in range(N)], ["North", "South"])},
        values={"price": rng.integers(2, 30, N), "margin": rng.integers(0, 5, N)},
        vector=rng.standard_normal((N, 8)))
    (folder / "complaints.txt").write_text("".join(f"{k}\r\n" for k in keys[::97]))
    n = np.ones(100, np.int32)
    run_files.write_run(folder / "runs" / "winter-sale", make_files.keys(["i0"]), {
        "customer/key": make_files.keys(keys[50:150]), "customer/n": n,
        "customer/flags": n.astype(np.uint32) - 1, "customer/arm": n - 1,
        "customer/arm_probability": n.astype(np.float32), "list/item": n[:, None] - 1,
        "list/score": n.astype(np.float32)[:, None], "list/source": n.astype(np.uint8)[:, None]},
        [0, 100])


def read_page():
    """The configuration, and the names in the precedence that the page states."""
    page = (ROOT / "docs" / "RULES.md").read_text()
    config = json.loads(re.search(r"```json\n(.*?)```", page, re.S).group(1))
    stated = re.search(r"In the example: (.*?)\.", page, re.S).group(1)
    return config, re.sub(r"\s+", " ", stated).split(", ")


def check_run(folder, names):
    ledger = json.loads((folder / "out" / "stats.json").read_text())["ledger"]
    lists = read_parts(folder / "out")
    assert ledger["rules"] == names, (ledger["rules"], names)
    held = [(lists["customer/rule"] == i).sum() for i in range(len(names))]
    print(dict(zip(names, map(int, held))), ledger["items"])
    assert all(n > 0 for name, n in zip(names, held) if name != "sundays and Christmas")
    assert all(rule["pairs"] > 0 for rule in ledger["items"].values())
    flags, arm = lists["customer/flags"], lists["customer/arm"]
    assert ((flags == 64) == (lists["customer/rule"] > 1) | (lists["customer/rule"] == 0)).all()
    assert ((flags == 2) == (lists["customer/rule"] == names.index("consent"))).all()
    assert ((flags == 32) == ((lists["customer/rule"] < 0) & (arm < 0))).all() and (arm < 0).any()
    assert set(arm.tolist()) == {-1, 0, 1}
    assert sorted(set(lists["customer/arm_probability"].tolist())) == \
        [float(np.float32(p)) for p in (0.05, 0.475)]
    assert sorted(ledger["strata"]) == ["", "basic", "gold", "silver"]
    return lists["customer/rule"]


def main():
    config, names = read_page()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        job = {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5"},
               "output": {"path": "out"}, **config}
        write_job(folder / "job.json", **job)
        run("check", folder / "job.json")
        run("run", folder / "job.json")
        check_run(folder, names)
        run("run", folder / "job.json", "--set", f"output.path={folder}/sunday",
            "--set", "rules.send_at=2026-12-05T10:30:00Z")  # Sunday in Kiritimati alone
        lists = read_parts(folder / "sunday")
        assert 0 < (lists["customer/rule"] == names.index("sundays and Christmas")).sum() < U / 2



if __name__ == "__main__":
    main()
