#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The home feed end to end on the shipped data (docs/FEED.md): the demo's files, the job, Redis
text; every rule checked on the published keys against receipts and catalogue, propensities and
ledger, the same bits twice, the guard on diversity; and the quotas of the feed without chance."""
import csv
import datetime
import json
import os
import subprocess
import sys
import tempfile
import zoneinfo
from pathlib import Path

import h5py
import numpy as np

from job_files import ROOT, call, read_parts, run

ZONE, K, HELD_OUT = zoneinfo.ZoneInfo("America/New_York"), 20, 32
# The 14 calendar days that end with 2018-01-01.
FIRST = datetime.datetime(2017, 12, 19, tzinfo=ZONE).timestamp()


ADULT = ("SPIRITS /", "/ BEERS/ALES /", "/ LIQUOR /", " WINE /", "/ CIGARETTES /", "/ CIGARS /",
         "/ TOBACCO OTHER /")


def prepare(folder):
    done = subprocess.run([str(ROOT / "scripts/prepare_completejourney.py"), "--out",
                           str(folder / "demo")], capture_output=True, text=True)
    if "needs the zstd command" in done.stderr:
        print("skip: neither zstd nor Python's zstandard is here")
        sys.exit(77)
    assert done.returncode == 0, done.stderr
    (folder / "configs/feed").mkdir(parents=True)
    (folder / "configs/demo").mkdir()
    os.symlink(ROOT / "configs/demo/model", folder / "configs/demo/model")
    for name in ("run.json", "shaped.json"):
        (folder / "configs/feed" / name).write_bytes((ROOT / "configs/feed" / name).read_bytes())
    return folder / "configs/feed/run.json"


def read_resp(path):
    """Redis commands as lists of bytes."""
    data, at, commands = path.read_bytes(), 0, []

    def line():
        nonlocal at
        end = data.index(b"\r\n", at)
        text, at = data[at:end], end + 2
        return text

    while at < len(data):
        words = []
        for _ in range(int(line()[1:])):
            n = int(line()[1:])
            words.append(data[at:at + n])
            at += n + 2
        commands.append(words)
    return commands


def check_keys(folder, feed):
    with h5py.File(folder / "demo/data/customers.h5") as f:
        key = [k.decode() for k in f["/customer/key"]]
        offset, item, time = (f["/timeline/purchase/" + name][:].astype(np.int64)
                              for name in ("offset", "item", "time"))
        ages = ["", *(a.decode() for a in f["/static_key/age"])]
        age = [ages[a + 1] for a in f["/static/age"][:]]
    with h5py.File(folder / "demo/data/catalogue.h5") as f:
        column = {k.decode(): i for i, k in enumerate(f["/item/key"])}
        adult = {i for i, n in enumerate(f["/item/name"]) if any(
            word in n.decode() for word in ADULT)}
    row, n_kept_away = {k: u for u, k in enumerate(key)}, 0
    for customer, items in feed.items():
        u = row[customer]
        bought, when = item[offset[u]:offset[u + 1]], time[offset[u]:offset[u + 1]]
        lately = set(bought[when >= FIRST].tolist())
        n_kept_away += len(lately)
        listed = [column[i] for i in items]
        assert len(set(listed)) == K and not lately & set(listed), customer
        if age[u] in ("", "19-24"):
            assert not adult & set(listed), customer
    assert n_kept_away > 1000 and len(adult) > 100
    print(f"ok  {len(feed)} keys of {K} items; none of {n_kept_away} bought lately among them")
    return key


def check_publication(folder, job):
    run("publish", folder / "demo/feed", "--to", "resp", "-o", folder / "cache", "--key-prefix",
        "feed", "--run-id", "2018-01-01", "--ttl", "216000", "--exposures")
    feed = {}
    for command in read_resp(folder / "cache/lists.resp"):
        assert command[0] == b"SET" and command[3:] == [b"EX", b"216000"]
        prefix, day, customer = command[1].decode().split(":")
        assert (prefix, day) == ("feed", "2018-01-01") and customer not in feed
        feed[customer] = json.loads(command[2])
    key = check_keys(folder, feed)
    with open(folder / "cache/holdout.csv", newline="") as file:
        out = {r["customer"] for r in csv.DictReader(file)}
    assert not out & set(feed) and out | set(feed) == set(key)
    assert 0.03 < len(out) / len(key) < 0.07, len(out)
    with open(folder / "cache/exposures.csv", newline="") as file:
        shown = list(csv.DictReader(file))
    assert [(r["customer"], r["item"]) for r in shown] == [
        (c, i) for c, items in feed.items() for i in items]
    log_p = np.array([float(r["log_propensity"]) for r in shown])
    assert (log_p <= 1e-6).all() and (log_p < -0.01).mean() > 0.9
    print(f"ok  {len(out)} held out are in no key; {len(shown)} rows of the log have a propensity")


def check_stats(folder):
    stats = json.loads((folder / "demo/feed/stats.json").read_text())
    lists = read_parts(folder / "demo/feed")
    out = (lists["customer/flags"] & HELD_OUT) > 0
    strata = stats["ledger"]["strata"].values()
    for s in strata:
        assert s["customers"] == sum(s["held_back"].values()) + sum(
            s[end] for end in ("held_out", "nothing_allowed", "short", "full"))
    assert sum(s["customers"] for s in strata) == len(out)
    assert sum(s["held_out"] for s in strata) == out.sum()
    assert sum(s["full"] for s in strata) == (lists["customer/n"] == K).sum()
    policy = stats["policy"]["strata"]
    assert policy["new customers"]["diversity"] > policy[""]["diversity"] >= 0.5
    assert policy["new customers"]["customers"] > 500
    done = subprocess.run([str(ROOT / "scripts/show_ledger.py"), str(folder / "demo/feed")],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "balanced" in done.stdout, done.stderr
    print("ok  the ledger balances; new customers are shown more different items:", policy)
    return lists


def check_again(folder, job, lists):
    run("run", job, "--set", f"output.path={folder / 'second'}", "--threads", "3", "--set",
        "run.unit_customers=401")
    second = read_parts(folder / "second")
    assert set(second) == set(lists)
    for name in lists:
        assert second[name].tobytes() == lists[name].tobytes(), name
    run("run", job, "--set", f"output.path={folder / 'other'}", "--set", "policy.seed=20180102")
    other = read_parts(folder / "other")["list/item"]
    assert 0.2 < (other[:, 0] != lists["list/item"][:, 0]).mean() < 1
    print("ok  the same draws with other threads and units; other draws the next night")


def check_guard(folder, job):
    code, _, log = call("run", job, "--set", f"output.path={folder / 'cold'}", "--set",
                        "policy.temperature=0.05")
    assert code == 10 and "policy.min_diversity: two draws of the first item" in log, log
    print("ok  a temperature that explores too little ends with code 10")


def check_shaped(folder, drawn):
    """The feed without chance: at most 8 of a department and 2 of a type in a list."""
    run("run", folder / "configs/feed/shaped.json")
    run("publish", folder / "demo/feed-shaped", "--to", "resp", "-o", folder / "shaped",
        "--key-prefix", "feed")
    feed = {c[1].decode().split(":")[2]: json.loads(c[2])
            for c in read_resp(folder / "shaped/lists.resp")}
    check_keys(folder, feed)
    lists = read_parts(folder / "demo/feed-shaped")
    same = lists["customer/arm"] == drawn["customer/arm"]
    assert same.all(), "one salt deals the same customers"
    with h5py.File(folder / "demo/data/catalogue.h5") as f:
        row = {k.decode(): i for i, k in enumerate(f["/item/key"])}
        groups = {name: f["/item/group/" + name][:] for name in ("department", "type")}
    for name, most in (("department", 8), ("type", 2)):
        counts = [np.bincount(g[g >= 0]).max() for g in (
            groups[name][[row[i] for i in items]] for items in feed.values())]
        assert max(counts) == most and np.mean(np.array(counts) == most) > 0.5, name
    print(f"ok  {len(feed)} lists without chance keep to the quotas")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = prepare(folder)
        run("check", job)
        run("run", job)
        check_publication(folder, job)
        lists = check_stats(folder)
        if "--few" not in sys.argv:  # the sanitizers' builds are slow
            check_again(folder, job, lists)
            check_guard(folder, job)
        check_shaped(folder, lists)


if __name__ == "__main__":
    sys.exit(main())
