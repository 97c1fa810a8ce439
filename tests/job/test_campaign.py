#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The spring campaign end to end on the shipped data (docs/CAMPAIGN.md): scripts/campaign.sh in a
folder of its own, then every rule, capacity, budget and share checked on the published CSV against
the catalogue, the contacts and the other inputs; the ledger counted again by hand; the same bits
twice; nothing on a Sunday."""
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

from job_files import BATCHRANK, ROOT, read_parts, run

ZONE = zoneinfo.ZoneInfo("America/New_York")
SENT = datetime.datetime(2017, 6, 2, 10, tzinfo=ZONE)
AS_OF, K = int(datetime.datetime(2017, 6, 2, tzinfo=ZONE).timestamp()), 5


def script(name, *words):
    done = subprocess.run([str(ROOT / "scripts" / name), *map(str, words)], capture_output=True,
                          text=True, env={**os.environ, "BATCHRANK": BATCHRANK})
    if "needs the zstd command" in done.stderr:
        print("skip: neither zstd nor Python's zstandard is here")
        sys.exit(77)
    assert done.returncode == 0, f"{name}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def rows_of_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def first_day(days):
    """Seconds at which the `days` calendar days that end with the send began."""
    day = SENT.date() - datetime.timedelta(days=days - 1)
    return datetime.datetime.combine(day, datetime.time(), ZONE).timestamp()


class World:
    """The inputs as plain arrays."""

    def __init__(self, folder):
        with h5py.File(folder / "customers.h5") as f:
            self.key = [k.decode() for k in f["/customer/key"]]
            names = [n.decode() for n in f["/aggregate"].attrs["names"]]
            self.days = f["/aggregate"][:, names.index("days_since_last")]
            self.consent = f["/consent/mail"][:] == 1
            self.age_missing = f["/static/age"][:] < 0
            self.contact = [f["/contact/" + name][:].astype(np.int64)
                            for name in ("offset", "item", "time")]
            self.redeemed = [f["/timeline/redeemed/" + name][:].astype(np.int64)
                             for name in ("offset", "item", "time")]
        with h5py.File(folder / "catalogue.h5") as f:
            self.item = [k.decode() for k in f["/item/key"]]
            self.value = {name: f["/item/value/" + name][:] for name in f["/item/value"]}
            self.capacity, self.valid = f["/item/capacity"][:], f["/item/valid"][:]
            self.group = {name: [f["/item/group_key/" + name][g].decode()
                                 for g in f["/item/group/" + name][:]]
                          for name in ("campaign_type", "department")}
        self.suppressed = set((folder / "suppressed.txt").read_text().split())
        self.row = {k: u for u, k in enumerate(self.key)}
        self.column = {k: i for i, k in enumerate(self.item)}

    def events(self, csr, u):
        a, b = csr[0][u:u + 2]
        return csr[1][a:b], csr[2][a:b]

    def mailings_this_week(self, u):
        time = self.events(self.contact, u)[1]
        return len(set(time[time >= first_day(7)]))

    def held_by(self, u):
        """The first rule that holds a customer back, in the order of the ledger."""
        if not self.consent[u]:
            return "consent"
        if self.key[u] in self.suppressed:
            return "complaints"
        if np.isnan(self.days[u]) or self.days[u] > 120:
            return "not seen for 120 days"
        return "one mailing a week" if self.mailings_this_week(u) >= 1 else None

    def fatigue(self, u, i):
        item, time = self.events(self.contact, u)
        age = (SENT.timestamp() - time[item == i]) / 86400
        return 0.5 * (2.0 ** (-age / 14)).sum()


def check_pair(w, u, i):
    assert w.held_by(u) is None, w.held_by(u)
    assert w.valid[i, 0] <= AS_OF < w.valid[i, 1], "not open"
    assert not (w.age_missing[u] and w.group["department"][i] == "DRUG GM"), "age"
    for csr, days in ((w.contact, 21), (w.redeemed, 60)):
        item, time = w.events(csr, u)
        assert not ((item == i) & (time >= first_day(days))).any(), f"again within {days} days"


def check_worth(w, rows):
    """Each place is worth at least the floor: probability x net value - fatigue - thin margin."""
    worth = []
    for r in rows:
        u, i = w.row[r["customer"]], w.column[r["item"]]
        net = float(w.value["margin_cents"][i]) - float(w.value["face_value_cents"][i])
        thin = 0.02 * max(0.0, 40.0 - float(w.value["net_cents"][i]))
        worth.append(float(r["probability_redemption"]) * net - w.fatigue(u, i) - thin)
    assert min(worth) > 0.4 - 1e-5, min(worth)
    return sum(worth)


def check_sent(folder, w, config):
    rows = rows_of_csv(folder / "send/lists.csv")
    listed = {}
    for r in rows:
        items = listed.setdefault(r["customer"], [])
        assert int(r["position"]) == len(items) + 1 <= K and r["item"] not in items
        items.append(r["item"])
        check_pair(w, w.row[r["customer"]], w.column[r["item"]])
    column = np.array([w.column[r["item"]] for r in rows])
    count = np.bincount(column, minlength=len(w.item))
    assert (count <= w.capacity).all() and (count == w.capacity).sum() >= 10
    constraints = config["constraints"]
    spent = float(w.value["print_cents"][column].astype(float).sum())
    assert 0.9 * constraints["budgets"][0]["max"] < spent <= constraints["budgets"][0]["max"] + 1e-3
    share = np.mean([w.group["campaign_type"][i] == "Type B" for i in column])
    assert share >= constraints["limits"][0]["min_share"], share
    print(f"ok  {len(rows)} places for {len(listed)} households hold every rule, capacity, the "
          f"budget ({spent:.1f} cents) and the share ({share:.3f})")
    return rows, listed


def check_ledger(folder, w, listed):
    """Counted by hand from the inputs and the published files."""
    out = {r["customer"] for r in rows_of_csv(folder / "send/holdout.csv")}
    rejects = {r["customer"] for r in rows_of_csv(folder / "send/rejects.csv")}
    assert not out & set(listed) and not out & rejects and not rejects & set(listed)
    assert out | rejects | set(listed) == set(w.key)
    exposed = {r["customer"] for r in rows_of_csv(folder / "send/exposures.csv")}
    assert exposed == set(listed)
    held = [w.held_by(u) for u in range(len(w.key))]
    free = {k for k, h in zip(w.key, held) if h is None}
    assert out <= free and 0.06 < len(out) / len(free) < 0.14, len(out) / len(free)
    ledger = json.loads((folder / "run/stats.json").read_text())["ledger"]
    strata = ledger["strata"].values()
    for rule in ledger["rules"]:
        assert sum(s["held_back"][rule] for s in strata) == held.count(rule), rule
    assert held.count("one mailing a week") > 100 and held.count("complaints") > 10
    for s in strata:
        assert s["customers"] == sum(s["held_back"].values()) + sum(
            s[end] for end in ("held_out", "nothing_allowed", "short", "full"))
    assert sum(s["customers"] for s in strata) == len(w.key)
    assert sum(s["held_out"] for s in strata) == len(out)
    assert sum(s["short"] + s["full"] for s in strata) == len(listed)
    print(f"ok  the ledger counted by hand: {len(w.key)} = {len(w.key) - len(free)} held back + "
          f"{len(out)} held out + {len(free) - len(out) - len(listed)} with nothing to send + "
          f"{len(listed)} listed; the held out are in no file but their own")


def check_again(folder, job):
    """Inputs made again and another number of threads: the same bits."""
    script("prepare_campaign.py", "--out", folder / "again")
    for name in ("customers.h5", "catalogue.h5", "suppressed.txt", "model/model.json",
                 "model/weights.safetensors", "model/vocabulary.h5"):
        assert (folder / "again" / name).read_bytes() == \
            (folder / "campaign" / name).read_bytes(), name
    run("run", job, "--set", f"output.path={folder / 'second'}", "--threads", "3",
        "--set", "run.unit_customers=401")
    first, second = (read_parts(folder / p) for p in ("campaign/run", "second"))
    assert set(first) == set(second)
    for name in first:
        assert first[name].tobytes() == second[name].tobytes(), name
    run("publish", folder / "second", "--to", "csv", "--long", "-o", folder / "csv", "--run-id",
        "run")
    assert (folder / "csv/lists.csv").read_bytes() == \
        (folder / "campaign/send/lists.csv").read_bytes()
    print("ok  the same inputs, lists and CSV once more, with other threads and units")


def check_sunday(folder, job):
    """Sunday evening in New York is Monday in UTC: the customers' own day counts."""
    run("run", job, "--set", f"output.path={folder / 'sunday'}", "--set",
        "rules.send_at=2017-06-05T01:00:00Z")
    lists = read_parts(folder / "sunday")
    ledger = json.loads((folder / "sunday/stats.json").read_text())["ledger"]["strata"]
    quiet = sum(s["held_back"]["no mail on Sundays"] for s in ledger.values())
    assert quiet > 1500 and not lists["customer/n"].any()
    print(f"ok  on a Sunday nobody gets a list ({quiet} held back by that rule)")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = script("campaign.sh", folder)
        assert "balanced: every column" in told and "one more is worth" in told
        job = folder / "configs/campaign/run.json"
        w = World(folder / "campaign")
        rows, listed = check_sent(folder / "campaign", w, json.loads(job.read_text()))
        worth = check_worth(w, rows)
        stats = json.loads((folder / "campaign/run/stats.json").read_text())["allocation"]
        assert abs(worth - stats["utility"]) < 1e-3 * worth, (worth, stats["utility"])
        assert stats["gap"] < 1e-3
        print(f"ok  worth {worth:.1f} cents, counted by hand; gap {stats['gap']:.1e}")
        check_ledger(folder / "campaign", w, listed)
        check_again(folder, job)
        check_sunday(folder, job)


if __name__ == "__main__":
    sys.exit(main())
