#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Denied columns (docs/GOVERNANCE.md): whatever they hold, a job that may not read them runs, and
its manifest says so; every use of one is refused; a model's features can be made missing, to the
same bits as a file that lacks their values; killed and resumed runs say the same."""
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

import governance_world as world
from governance_world import GARBAGE, N, NOON, OBJECTS, READ, U
from job_files import BATCHRANK, call, read_parts, run

USAGE, INPUT = 2, 3


def deny(*columns, **more):
    return {"governance": {"deny": list(columns), **more}}


def inputs_of(run_dir):
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert manifest["version"] == 2
    return {entry["file"]: entry for entry in manifest["inputs"]}


def check_garbage(folder):
    """Denied garbage does no harm; each column that is not denied ends the job."""
    only_buy = {"list": {"k": 5, "fallback_modality": "buy"}}  # popularity counts all it may see
    world.job(folder / "job.json", folder / "bad", folder / "model", **deny(*GARBAGE), **only_buy)
    run("check", folder / "job.json")
    run("run", folder / "job.json")
    found = inputs_of(folder / "run")
    for name, read in READ.items():
        assert found[name]["read"] == read, (name, found[name]["read"])
        assert found[name]["denied"] == OBJECTS.get(name, []), found[name]["denied"]
    world.job(folder / "job.json", folder / "good", folder / "model", **only_buy)
    run("run", folder / "job.json", "--set", f"output.path={folder / 'open'}")
    ours, theirs = read_parts(folder / "run"), read_parts(folder / "open")
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    assert inputs_of(folder / "open")["customers"]["denied"] == []
    for column in GARBAGE:
        world.job(folder / "one.json", folder / "bad", folder / "model",
                  **deny(*[c for c in GARBAGE if c != column]))
        code, _, log = call("run", folder / "one.json", "--set", f"output.path={folder / 'no'}")
        assert code == INPUT and column.split(".")[1] in log, (column, code, log)
        shutil.rmtree(folder / "no", ignore_errors=True)
    print(f"ok  {len(GARBAGE)} columns of garbage denied; each is an error when it is not")


FEATURES = {"static.gender": "gender", "aggregate.income": "income",
            "timeline.service": "service"}


def check_features(folder):
    """`missing` is what the same model makes of files without these values."""
    world.write_model(folder / "curious", world.model(
        ("gender", "region"), ("income", "visits"), ("service", "buy")))
    for column in FEATURES:
        world.job(folder / "job.json", folder / "bad", folder / "curious", **deny(column))
        code, _, log = call("check", folder / "job.json")
        assert code == USAGE and f"takes '{column}', which is denied by governance.deny" in log, log
    world.job(folder / "job.json", folder / "bad", folder / "curious",
              **deny(*GARBAGE, features="missing"), output={"path": "missing", "vectors": True})
    _, _, log = call("run", folder / "job.json")
    for column in FEATURES:
        assert f"'{column}' is denied by governance.deny, and the model takes it" in log, log
    shutil.copytree(folder / "good", folder / "empty")
    world.empty(folder / "empty", ["gender"], ["income"], ["service"])
    world.job(folder / "job.json", folder / "empty", folder / "curious",
              output={"path": "emptied", "vectors": True})
    run("run", folder / "job.json")
    world.job(folder / "job.json", folder / "good", folder / "curious",
              output={"path": "full", "vectors": True})
    run("run", folder / "job.json")
    ours, same, other = (read_parts(folder / n) for n in ("missing", "emptied", "full"))
    assert all(ours[name].tobytes() == same[name].tobytes() for name in same)
    assert ours["vector"].tobytes() != other["vector"].tobytes()
    run("verify", folder / "missing")
    print("ok  features that are denied are missing, to the same bits as files without them")


def with_rules(**rules):
    return {"rules": {"send_at": NOON, **rules}}


SCORE = {"type": "linear", "terms": [{"name": "s", "weight": 1}]}
ALONE = {"list": {"fallback": "none"}}
USES = [
    ("list.channel", "consent.mail", {"list": {"channel": "mail"}}),
    ("list.exclude_history", "timeline.buy", {"list": {"exclude_history": ["buy"]}}),
    ("list.fallback_modality", "timeline.buy", {"list": {"fallback_modality": "buy"}}),
    ("list.fallback_group", "static.tier", {"list": {"fallback_group": "tier"}}),
    ("rules.customers[0].hold", "static.tier",
     with_rules(customers=[{"name": "a", "hold": "tier = 'c1'"}])),
    ("rules.customers[0].hold", "aggregate.spend",
     with_rules(customers=[{"name": "a", "hold": "aggregate.spend > 2"}])),
    ("rules.customers[0].hold", "customer.segment",
     with_rules(customers=[{"name": "a", "hold": "has(segment, 1)"}])),
    ("rules.items[0]", "static.tier",
     with_rules(items=[{"name": "a", "when": "tier is missing", "never": "price > 3"}])),
    ("rules.items[0]", "value.price", with_rules(items=[{"name": "a", "only": "price > 3"}])),
    ("rules.items[0]", "group.kind", with_rules(items=[{"name": "a", "never": "kind = 'c1'"}])),
    ("rules.matches[0].match", "static.tier",
     with_rules(matches=[{"name": "a", "customer": "tier", "item": "kind"}])),
    ("rules.matches[0].match", "group.kind",
     with_rules(matches=[{"name": "a", "customer": "tier", "item": "kind"}])),
    ("rules.household", "static.tier", with_rules(household="tier")),
    ("rules.strata", "static.tier", with_rules(strata="tier")),
    ("rules.time_zone_column", "static.tier", with_rules(time_zone_column="tier")),
    ("rules.recent", "timeline.buy",
     with_rules(recent=[{"name": "a", "timeline": "buy", "days": 3}])),
    ("rules.recent", "contact", with_rules(recent=[{"name": "a", "days": 3}])),
    ("rules.caps", "contact", with_rules(caps=[{"name": "a", "max": 1, "days": 3}])),
    ("objective.terms[0] 'a'", "value.price",
     {"objective": {"type": "linear", "terms": [{"name": "a", "weight": 1, "value": "price"}]}}),
    ("objective.penalties[0] 'a'", "value.price",
     {"objective": {**SCORE, "penalties": [{"name": "a", "type": "low_value", "weight": 1,
                                   "value": "price", "floor": 2}]}}),
    ("objective.penalties[0] 'a'", "timeline.buy",
     {**with_rules(), "objective": {**SCORE, "penalties": [
         {"name": "a", "type": "repetition", "weight": 1, "half_life_days": 2,
          "timeline": "buy"}]}}),
    ("objective.penalties", "contact",
     {**with_rules(), "objective": {**SCORE, "penalties": [
         {"name": "a", "type": "repetition", "weight": 1, "half_life_days": 2}]}}),
    ("shape.quotas[0] 'a'", "group.kind",
     {"shape": {"quotas": [{"name": "a", "group": "kind", "max": 1}]}}),
    ("constraints.capacity", "item.capacity", {**ALONE, "constraints": {"capacity": True}}),
    ("constraints.budgets[0] 'a'", "value.price",
     {**ALONE, "constraints": {"budgets": [{"name": "a", "cost": "price", "max": 9}]}}),
    ("constraints.limits[0] 'a'", "group.kind",
     {**ALONE, "constraints": {"limits": [{"name": "a", "group": "kind", "member": "c1",
                                  "max_units": 3}]}}),
    ("policy.strata[0].when", "static.tier",
     {"policy": {"type": "plackett_luce", "strata": [
         {"name": "a", "when": "tier = 'c1'", "temperature": 2}]}}),
]


def check_uses(folder):
    """Each use of a denied column is refused by `check` and `run`, and is none when not denied."""
    world.write_model(folder / "blind", world.model((), (), ("other",)))
    for key, column, sections in USES:
        name = column.removeprefix("item.").removeprefix("customer.")
        world.job(folder / "job.json", folder / "good", folder / "blind", **sections)
        code, _, log = call("check", folder / "job.json")
        assert code == 0 or "zone" in key, (key, log)
        world.job(folder / "job.json", folder / "good", folder / "blind", **sections,
                  **deny(column))
        for verb in ("check", "plan", "run"):
            code, _, log = call(verb, folder / "job.json", "--set", f"output.path={folder / 'no'}")
            assert code == USAGE and key in log, (verb, key, column, code, log)
            assert f"column '{name}' is denied by governance.deny" in log, (verb, key, column, log)
            assert not (folder / "no").exists()
    for where, column in (("input.customers", "customer.vector"),
                          ("input.catalogue", "item.vector"), ("input.catalogue", "item.bias")):
        world.job(folder / "job.json", folder / "good", None, **deny(column))
        code, _, log = call("check", folder / "job.json")
        assert code == USAGE and where in log and "is denied by governance.deny" in log, log
    print(f"ok  {len(USES) + 3} uses of denied columns refused, naming key and column")


WRONG = [
    (["static.gnder"], "governance.deny[0]: neither", "did you mean 'static.gender'?"),
    (["tier", "prise"], "governance.deny[1]: neither", "did you mean 'price'?"),
    (["item.gender"], "has a column 'gender'", "governance.deny_if_present"),
    (["vector"], "several columns are called 'vector'", "customer. or item. in front"),
    (["item.key"], "'item.key' cannot be denied", "what is listed"),
    (["customer.key"], "'customer.key' cannot be denied", "made out to it"),
    (["exclude"], "'customer.exclude' cannot be denied", "never to be shown"),
    (["valid"], "'item.valid' cannot be denied", "when an item may be listed"),
    (["item.segment"], "'item.segment' cannot be denied", "may be shown an item")]
WRONG_IF_PRESENT = [
    (["gender"], "governance.deny_if_present[0]: found 'gender'", "in full"),
    (["vector"], "found 'vector'", "customer. or item. in front"),
    (["statics.gender"], "found 'statics.gender'", "in full"),
    (["exclude"], "cannot be denied", "never to be shown")]


def check_names(folder):
    with world.h5py.File(folder / "odd" / "customers.h5", "r+") as f:
        f["exclude/offset"] = world.np.zeros(U + 1, "<u8")
        f["exclude/item"] = world.np.zeros(0, "<i4")
    with world.h5py.File(folder / "odd" / "catalogue.h5", "r+") as f:
        f["item/segment"] = world.np.zeros(N, "<u8")
        f["item/valid"] = world.np.tile(world.np.array([0, NOON + 9], "<i8"), (N, 1))
    for key, cases in (("deny", WRONG), ("deny_if_present", WRONG_IF_PRESENT)):
        for names, *says in cases:
            world.job(folder / "job.json", folder / "odd", folder / "model",
                      governance={key: names})
            code, _, log = call("check", folder / "job.json")
            assert code == USAGE and all(s in log for s in says), (names, code, log)
    world.job(folder / "job.json", folder / "odd", folder / "model", **deny("customer.segment"))
    code, _, log = call("check", folder / "job.json")
    assert code == USAGE and "input.catalogue has /item/segment: customer column 'segment'" in log
    world.job(folder / "job.json", folder / "bad", folder / "model",
              governance={"deny": ["gender", "income", "service", "sms", "brand", "item.cost"],
                          "deny_if_present": ["item.name", "static.marriage", "static.gendre"]})
    _, _, log = call("run", folder / "job.json", "--set", f"output.path={folder / 'short'}")
    assert "no customer column 'static.gendre'; did you mean 'gender'" in log, log
    assert "marriage'; did you mean" not in log
    found = inputs_of(folder / "short")
    assert found["customers"]["denied"] == sorted(
        OBJECTS["customers"] + [f"/{g}/{n}" for g in ("static", "static_key")
                                for n in ("gendre", "marriage")])
    assert found["catalogue"]["denied"] == OBJECTS["catalogue"]
    world.job(folder / "job.json", folder / "good", folder / "model",
              governance={"deny_if_present": ["static.marriage"]},
              rules={"customers": [{"name": "a", "hold": "marriage = 'x'"}]})
    code, _, log = call("check", folder / "job.json")
    assert code == USAGE and "'static.marriage' is denied by governance.deny_if_present" in log, log
    print(f"ok  {len(WRONG) + len(WRONG_IF_PRESENT)} wrong names refused, short names found, "
          "absent columns denied")


def check_model_denies(folder):
    """training.denied of model.json: every column of that name, for rules too."""
    world.write_model(folder / "strict", world.model(
        denied=["gender", "income", "service", "brand", "cost", "/extra/text", "nobody"]))
    world.job(folder / "job.json", folder / "bad", folder / "strict",
              governance={"deny": ["sms", "item.name"]})
    run("run", folder / "job.json", "--set", f"output.path={folder / 'strict-run'}")
    found = inputs_of(folder / "strict-run")
    assert {k: found[k]["denied"] for k in OBJECTS} == OBJECTS, found
    world.job(folder / "job.json", folder / "good", folder / "strict",
              rules={"customers": [{"name": "a", "hold": "gender = 'c1'"}]})
    code, _, log = call("check", folder / "job.json")
    assert code == USAGE and "'static.gender' is denied by the model" in log, log
    world.write_model(folder / "torn", world.model(denied=["region"]))
    world.job(folder / "job.json", folder / "good", folder / "torn")
    code, _, log = call("check", folder / "job.json")
    assert code == USAGE and "takes 'static.region', which is denied by the model" in log, log
    for denied, says in (("gender", "training.denied: found a string, expected an array"),
                         (["a", 7], "training.denied[1]: found a number, expected a string")):
        world.write_model(folder / "odd-model", world.model(denied=denied))
        world.job(folder / "job.json", folder / "good", folder / "odd-model")
        code, _, log = call("check", folder / "job.json")
        assert code == INPUT and says in log, log
    print("ok  what the model denies is denied to the job")


def check_elsewhere(folder):
    """What the model denies is not opened in a held-out file that alone has it; shortlists that
    were taken with a column are not allocated under its denial."""
    world.write_model(folder / "shy", world.model(denied=["mood"]))
    shutil.copytree(folder / "good", folder / "truth")
    with h5py.File(folder / "truth" / "customers.h5", "r+") as f:
        f["static/mood"] = np.full(U, np.nan)
    world.job(folder / "job.json", folder / "good", folder / "shy")
    run("run", folder / "job.json", "--set", f"output.path={folder / 'shy-run'}")
    run("evaluate", "--run", folder / "shy-run", "--truth", folder / "truth" / "customers.h5",
        "--modality", "buy", "--at", "5")
    shutil.copytree(folder / "good", folder / "other")
    with h5py.File(folder / "other" / "customers.h5", "r+") as f:
        f["contact/time"][0] -= 1
    limits = {"list": {"k": 5, "fallback": "none"}, "constraints": {"limits": [
        {"name": "few", "group": "kind", "member": "c1", "max_share": 0.5}]}}
    world.job(folder / "job.json", folder / "good", folder / "model", **limits)
    run("run", folder / "job.json", "--set", f"output.path={folder / 'limited'}")
    for words, says in ((["governance.deny=[\"static.region\"]", "governance.features=missing"],
                         "under another governance.deny"),
                        (["rules.send_at=1700000000"], "under another rules.send_at"),
                        ([f"input.customers={folder / 'other' / 'customers.h5'}"],
                         "from other inputs")):
        sets = [w for word in words for w in ("--set", word)]
        code, _, log = call("allocate", folder / "limited", "-o", folder / "again", *sets)
        assert code == USAGE and says in log and not (folder / "again").exists(), (code, log)
    run("allocate", folder / "limited", "-o", folder / "again", "--set", "list.k=4",
        "--set", "constraints.fill=false")
    print("ok  held-out files and stored shortlists know what is denied")


def check_same_manifest(folder):
    """Threads, a restart, kill -9 and going on: the same bytes."""
    world.job(folder / "job.json", folder / "bad", folder / "model", **deny(*GARBAGE),
              run={"as_of": NOON, "unit_customers": 1})
    command = [BATCHRANK, "run", folder / "job.json", "--log-level", "error", "--set"]
    subprocess.run([*command, f"output.path={folder / 'whole'}"], check=True)
    wanted = (folder / "whole" / "manifest.json").read_bytes()
    subprocess.run([*command, f"output.path={folder / 'whole'}"], check=True)
    subprocess.run([*command, f"output.path={folder / 'three'}", "--threads", "3"], check=True)
    for name in ("whole", "three"):
        assert (folder / name / "manifest.json").read_bytes() == wanted, name
    n_killed = n_resumed = 0
    for i in range(12):
        out = folder / f"killed{i}"
        process = subprocess.Popen([*command, f"output.path={out}"])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None and \
                len(list(out.glob("receipts/*.json"))) < 5 * i:
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
        n_killed += process.wait() == -signal.SIGKILL
        n_resumed += 0 < len(list(out.glob("receipts/*.json"))) and \
            not (out / "manifest.json").exists()
        subprocess.run([*command, f"output.path={out}"], check=True)
        assert (out / "manifest.json").read_bytes() == wanted, i
    assert n_killed > 5 and n_resumed > 2, (n_killed, n_resumed)
    print(f"ok  {n_killed} runs killed, {n_resumed} went on: the same manifest")


def check_verify(folder):
    said = run("verify", folder / "run")
    assert "denied      10 objects, none among the 26 datasets and columns opened" in said, said
    said = run("info", folder / "run")
    assert "customers: 17 datasets and columns opened; denied: /aggregate[income] /consent/sms" \
        in said and "catalogue: 7 datasets" in said and "vocabulary.h5: 2 datasets" in said, said
    text = (folder / "run" / "manifest.json").read_text()
    for was, becomes, says in (
            ('"/static/region"', '"/static/gender"', "of customers it was denied, but opened"),
            ('"/timeline/buy/item"', '"/timeline/service/item"', "opened: /timeline/service/item"),
            ('"read": ["/aggregate"', '"opened": ["/aggregate"', "has no `read`"),
            ('"version": 2', '"version": 3', "version 3 with `inputs`"),
            ('"version": 2', '"version": 1', "version 1 with `inputs`")):
        assert was in text
        (folder / "run" / "manifest.json").write_text(text.replace(was, becomes, 1))
        code, _, log = call("verify", folder / "run")
        assert code == INPUT and says in log, (was, code, log)
    (folder / "run" / "manifest.json").write_text(text)
    run("verify", folder / "run")
    print("ok  verify and info say what was denied; a manifest with a denied dataset is refused")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for which in ("good", "bad", "odd"):
            world.write_inputs(folder / which)
        world.spoil(folder / "bad")
        world.write_model(folder / "model", world.model())
        check_garbage(folder)
        check_features(folder)
        check_uses(folder)
        check_names(folder)
        check_model_denies(folder)
        check_elsewhere(folder)
        check_same_manifest(folder)
        check_verify(folder)


if __name__ == "__main__":
    sys.exit(main())
