#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rules and experiments that contradict themselves or the data: each is refused before any work, by
`check` and by `run`, with the place in the configuration and the reason."""
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

import run_files
from job_files import ROOT, call, run, write_job

sys.path.insert(0, str(ROOT / "tests"))
import make_files  # noqa: E402

USAGE, INPUT, SYSTEM = 2, 3, 4
NOON = 1_700_000_000 // 86400 * 86400 + 43200
U, N = 6, 8


def make(folder):
    rng = np.random.default_rng(1)
    make_files.write_customers(
        folder / "customers.h5", [f"c{u}" for u in range(U)],
        timelines={"buy": {"events": [[(u, NOON - 9)] for u in range(U)]},
                   "mail": {"events": [[(0, NOON - 9)]] * U, "vocabulary": "campaign"}},
        vocabularies={"campaign": ["spring"]},
        statics={"region": ([0, 1, 2, -1, 0, 1], ["North", "South", "West"]),
                 "zone": ([0, 1, 0, -1, 0, 1], ["Europe/Paris", "Asia/Tokyo"]),
                 "wrong_zone": ([0, 0, 0, 0, 0, 0], ["Europe/Pariss"]),
                 "many": ([0] * U, [f"m{i}" for i in range(100)])},
        aggregate=(["age"], [[20.0 + u] for u in range(U)]), segment=[7] * U,
        consent={"email": [1] * U}, vector=rng.standard_normal((U, 3)))
    make_files.write_catalogue(
        folder / "catalogue.h5", [f"i{i}" for i in range(N)],
        groups={"brand": ([i % 3 for i in range(N)], ["Acme", "Bolt", "Corto"]),
                "region": ([i % 2 for i in range(N)], ["North", "South"])},
        values={"price": np.arange(N)}, segment=[(1 << i) - 1 if i < 3 else 0 for i in range(N)],
        vector=rng.standard_normal((N, 3)))
    (folder / "complaints.txt").write_text("c1\nc2\r\n")
    (folder / "blank.txt").write_text("c1\n\nc2\n")
    (folder / "tab.txt").write_text("c1\tSmith\n")
    (folder / "latin.txt").write_bytes("c1\nJos\xe9\n".encode("latin-1"))
    (folder / "empty").mkdir()
    for name in ("complete", "torn", "numbers"):
        key = np.arange(2, dtype=np.uint64) if name == "numbers" else make_files.keys(["c0", "c1"])
        run_files.write_run(folder / name, make_files.keys(["i0"]), {
            "customer/key": key, "customer/n": np.ones(2, np.int32),
            "customer/flags": np.zeros(2, np.uint32), "customer/arm": np.zeros(2, np.int32),
            "customer/arm_probability": np.ones(2, np.float32),
            "list/item": np.zeros((2, 1), np.int32), "list/score": np.ones((2, 1), np.float32),
            "list/source": np.ones((2, 1), np.uint8)}, [0, 2])
    (folder / "torn" / "manifest.json").unlink()


def hold(text):
    return {"rules": {"customers": [{"name": "a", "hold": text}]}}


def item(**rule):
    return {"rules": {"items": [{"name": "a", **rule}]}}


def rules(**keys):
    return {"rules": keys}


def file(path):
    return rules(suppressions=[{"name": "a", "path": path}])


def cap(**keys):
    return rules(send_at=NOON, caps=[{"name": "a", "max": 1, "days": 7, **keys}])


def quiet(**keys):
    return rules(send_at=NOON, quiet=[{"name": "a", **keys}])


def match(customer, of_item):
    return rules(matches=[{"name": "a", "customer": customer, "item": of_item}])


def recent(timeline):
    return rules(send_at=NOON, recent=[{"name": "a", "timeline": timeline, "days": 3}])


SUNDAY = {"name": "sunday", "weekdays": ["sunday"]}
BITS = [{"name": f"r{i}", "when": f"age > {20 + i}", "never": f"key in ({', '.join(keys)})"}
        for i, keys in enumerate([f"'i{j}'" for j in range(N) if (i + 1) >> j & 1]
                                 for i in range(48))]
MATCHES = [{"name": f"m{i}", "customer": "region", "item": "region"} for i in range(11)]
ARM = {"name": "a"}

CASES = [
    ("unknown column", hold("regoin = 'North'"), USAGE,
     ["rules.customers[0].hold", "unknown customer column 'regoin', did you mean 'region'?"]),
    ("unknown category", hold("region = 'Nort'"), USAGE,
     ["rules.customers[0].hold", "'Nort' is no category of 'static.region', did you mean 'North'"]),
    ("a text compared with a number", hold("age = 'North'"), USAGE,
     ["column 7: 'North' is a text, expected a number"]),
    ("a number compared with a category", hold("region = 3"), USAGE, ["3", "static.region"]),
    ("an order of categories", hold("region < 'North'"), USAGE,
     ["'static.region' is a category, expected a number on the left of '<'"]),
    ("no condition", hold("age"), USAGE, ["rules.customers[0].hold"]),
    ("half a condition", hold("age > 18 and"), USAGE, ["column 13"]),
    ("division", hold("age / 2 > 18"), USAGE, ["there is no division"]),
    ("a comparison of another language", hold("age == 18"), USAGE, ["equal is written '='"]),
    ("an item's column for customers", hold("price > 3"), USAGE,
     ["unknown customer column 'price'"]),
    ("a bit beyond 63", hold("has(segment, 64)"), USAGE, ["64"]),
    ("a hold that is empty", hold(""), USAGE, ["rules.customers[0].hold"]),
    ("unknown item column", item(never="prise > 3"), USAGE,
     ["rules.items[0].never", "unknown item column 'prise', did you mean"]),
    ("unknown brand", item(only="brand = 'Acmé'"), USAGE, ["rules.items[0].only", "'Acme'"]),
    ("unknown category of a when", item(when="region = 'East'", never="true"), USAGE,
     ["rules.items[0].when", "'East' is no category"]),
    ("only and never", item(only="price > 1", never="price > 2"), USAGE,
     ["rules.items[0]", "found both"]),
    ("neither only nor never", item(when="age > 3"), USAGE, ["rules.items[0]", "found neither"]),
    ("nothing is left", item(never="price >= 0"), INPUT,
     ["none of its 8 items can be listed", "8 are forbidden to everyone by rules"]),
    ("65 bits", rules(items=BITS[:41], matches=MATCHES), USAGE,
     ["rules on items need 63 bits (41 for conditions on customers, 22 for matches), 62 of 64 are "
      "free: /item/segment uses 2"]),
    ("match with a number", match("age", "region"), USAGE,
     ["rules.matches[0]", "'aggregate.age' is a number, expected a category"]),
    ("match of an unknown column", match("region", "regio"), USAGE,
     ["unknown item column 'regio', did you mean 'region'?"]),
    ("unknown timeline", recent("buys"), USAGE, ["rules.recent", "/timeline/buys is missing"]),
    ("a timeline of other things", recent("mail"), USAGE, ["has no catalogue items"]),
    ("recent contacts without /contact", recent(""), USAGE, ["rules.recent", "has no /contact"]),
    ("a cap without /contact", cap(), USAGE, ["rules.caps", "has no /contact"]),
    ("a cap of 0", cap(max=0), USAGE, ["rules.caps[0].max", "[1, 1000000]"]),
    ("a cap of no days", cap(days=0), USAGE, ["rules.caps[0].days"]),
    ("a cap without days", rules(send_at=NOON, caps=[{"name": "a", "max": 1}]), USAGE,
     ["rules.caps[0].days"]),
    ("a cap with no day to count from", rules(caps=[{"name": "a", "max": 1, "days": 2}]), USAGE,
     ["rules.send_at", "is empty and so is run.as_of"]),
    ("a quiet rule that says nothing", quiet(), USAGE, ["names neither weekdays nor dates"]),
    ("a quiet date that does not exist", quiet(dates=["2026-02-29"]), USAGE, ["2026-02-29"]),
    ("a quiet date in words", quiet(dates=["Christmas"]), USAGE, ["Christmas"]),
    ("a weekday in another language", quiet(weekdays=["dimanche"]), USAGE, ["dimanche"]),
    ("unknown zone", rules(send_at=NOON, time_zone="Europe/Pari", quiet=[SUNDAY]), INPUT,
     ["Europe/Pari"]),
    ("unknown zone that no rule needs", rules(time_zone="Europe/Pari"), INPUT, ["Europe/Pari"]),
    ("unknown zone of a customer", rules(send_at=NOON, time_zone_column="wrong_zone",
                                         quiet=[SUNDAY]), INPUT, ["Europe/Pariss"]),
    ("unknown column of zones", rules(send_at=NOON, time_zone_column="zon", quiet=[SUNDAY]), USAGE,
     ["rules.time_zone_column", "has no /static/zon"]),
    ("unknown column of zones that no rule needs", rules(time_zone_column="zon"), USAGE,
     ["rules.time_zone_column", "has no /static/zon"]),
    ("unknown household", rules(household="home"), USAGE,
     ["rules.household", "has no /static/home"]),
    ("unknown strata", rules(strata="age"), USAGE, ["rules.strata", "has no /static/age"]),
    ("too many strata", rules(strata="many"), USAGE, ["100 categories; at most 63"]),
    ("two rules of one name", rules(
        customers=[{"name": "a", "hold": "age > 3"}], items=[{"name": "a", "never": "price > 3"}]),
     USAGE, ["rules.items[0].name", "is the name of rules.customers[0].name too"]),
    ("a rule called as the household is", rules(
        household="region", customers=[{"name": "household", "hold": "age > 3"}]), USAGE,
     ["\"household\" is the name of"]),
    ("order of an unknown rule", rules(order=["consent"]), USAGE,
     ["rules.order", "\"consent\" is no rule for customers"]),
    ("order of an item rule", rules(order=["a"], items=[{"name": "a", "never": "price > 3"}]),
     USAGE, ["rules.order", "\"a\" is no rule for customers"]),
    ("a suppression file that is missing", file("complaint.txt"), INPUT,
     ["complaint.txt: No such file"]),
    ("a suppression file with a blank line", file("blank.txt"), INPUT,
     ["blank.txt: line 2 is empty, expected a key"]),
    ("a suppression file with columns", file("tab.txt"), INPUT,
     ["tab.txt: line 1: found the control character 0x09"]),
    ("a suppression file that is no UTF-8", file("latin.txt"), INPUT,
     ["latin.txt: line 2: found bytes that are not UTF-8"]),
    ("a suppression by a run that is not complete", file("torn"), USAGE,
     ["torn: the run is not complete"]),
    ("a suppression by a folder that is no run", file("empty"), SYSTEM,
     ["empty/run.json: cannot open"]),
    ("a suppression by a run over other keys", file("numbers"), INPUT, ["keys of another kind"]),
    ("a hold-out without salt", {"experiment": {"hold_out": 0.1}}, USAGE,
     ["experiment.hold_out", "experiment.salt is empty"]),
    ("arms without salt", {"experiment": {"arms": [ARM]}}, USAGE,
     ["experiment.arms", "experiment.salt is empty"]),
    ("a hold-out of everybody", {"experiment": {"salt": "s", "hold_out": 1}}, USAGE,
     ["experiment.hold_out"]),
    ("an arm of weight 0", {"experiment": {"salt": "s", "arms": [{"name": "a", "weight": 0}]}},
     USAGE, ["experiment.arms[0].weight"]),
    ("two arms of one name", {"experiment": {"salt": "s", "arms": [ARM, ARM]}}, USAGE,
     ["experiment.arms"]),
    ("unknown key of a rule", rules(customers=[{"name": "a", "holds": "age > 3"}]), USAGE,
     ["holds", "hold"]),
    ("consent to an unknown channel", {"list": {"channel": "sms"}}, INPUT,
     ["/consent/sms is missing"]),
]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        job = {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5"},
               "output": {"path": "out"}}
        for good in (file("complete"), file("complaints.txt"), match("region", "region"),
                     rules(items=BITS[:40], matches=MATCHES)):  # 64 bits
            write_job(folder / "good.json", **job, **good)
            run("check", folder / "good.json")
        wrong = []
        for i, (what, sections, wanted, says) in enumerate(CASES):
            write_job(folder / f"{i}.json", **job, **sections)
            for verb in ("check", "run"):
                code, _, log = call(verb, folder / f"{i}.json")
                if code != wanted or any(s not in log for s in says) or (folder / "out").exists():
                    wrong.append(f"{what}: {verb}: exit {code}, expected {wanted}: {log.strip()}")
                    shutil.rmtree(folder / "out", ignore_errors=True)
        print(*wrong, sep="\n")
        print(f"{len(CASES)} configurations, {len(wrong)} not refused as they should be")
        assert not wrong


if __name__ == "__main__":
    main()
