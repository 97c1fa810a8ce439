#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The training configuration: every mistake ends with exit code 2 and one sentence that names the
key, before anything is learnt or written; defaults, --set, relative paths, --keys."""
import json
import re
import subprocess
import sys

import train_case as case

import pytest

from training import config

MODEL = {"dim": 8, "modalities": [case.modality("buy", case.decay(dim=8))],
         "heads": [{"name": "click"}]}


def model(**changes):
    return {**MODEL, **changes}


def encoder(e, **more):
    return model(modalities=[case.modality("buy", {**e, **more})])


def without(key, value):
    return {k: v for k, v in value.items() if k != key}


GATED = {"type": "gated"}
NEXT = {"objective.type": "next_event", "data.customers": "x", "data.train": [],
        "data.validate": []}
# name: (keys to change ("": to take away), pieces of the message)
BAD = {
    "unknown key": ({"fit.epoch": 3}, ["unknown key fit.epoch", "did you mean fit.epochs?"]),
    "unknown section": ({"fitt.epochs": 3}, ["unknown key fitt.epochs; did you mean fit.epochs?"]),
    "nothing near": ({"zzz": 1}, ["unknown key zzz"]),
    "no name": ({"name": None}, ["name is missing"]),
    "no version": ({"model_version": None}, ["model_version is missing"]),
    "no model": ({"model": None}, ["model is missing"]),
    "no catalogue": ({"data.catalogue": None}, ["data.catalogue is missing"]),
    "a text for a number": ({"fit.epochs": "3"}, ["fit.epochs", '"3"', "a number from 1 to"]),
    "a number for a text": ({"name": 3}, ["name: found 3, expected a str"]),
    "true is no number": ({"fit.rate": True}, ["fit.rate: found true, expected a number"]),
    "a fraction": ({"fit.epochs": 2.5}, ["fit.epochs: found 2.5, expected a whole number"]),
    "too small": ({"fit.batch": 0}, ["fit.batch: found 0, expected a number from 1 to"]),
    "too large": ({"augment.event_dropout": 1.0}, ["augment.event_dropout", "0.0 to 0.99"]),
    "not a number": ({"fit.decay": float("nan")}, ["fit.decay: found NaN"]),
    "no choice": ({"objective.loss": "hinge"}, ["objective.loss", "full_softmax, sampled_softmax"]),
    "a list for a text": ({"data.label": ["purchase"]}, ["data.label", "expected a str"]),
    "a text for a list": ({"data.train": "2020-01-06"}, ["data.train", "expected a list"]),
    "a number for a switch": ({"tasks.joint": 1}, ["tasks.joint: found 1, expected a bool"]),
    "no snapshots": ({"data.snapshots": None}, ["objective.type window needs data.snapshots"]),
    "no customers": ({**NEXT, "data.customers": ""}, ["next_event needs data.customers"]),
    "no day": ({"data.train": []}, ["data.train is empty"]),
    "no validation": ({"data.validate": []}, ["data.validate is empty"]),
    "exposure of no group": ({"regularisers.exposure": 1.0}, ["regularisers.exposure_group"]),
    "margin of nothing": ({"regularisers.margin": 1.0}, ["regularisers.margin_value"]),
    "recall of nothing": ({"objective.recall": 1.0}, ["objective.recall_modality"]),
    "recall of a stranger": ({"objective.recall": 1.0, "objective.recall_modality": "web"},
                             ["objective.recall_modality: found 'web'", "buy"]),
    "denied modality": ({"denied": ["buy"]}, ["modality 'buy' is in `denied`"]),
    "denied static": ({"denied": ["age"], "model": model(static=[{"name": "age", "dim": 2}],
                                                         fusion=GATED)},
                      ["static 'age' is in `denied`"]),
    "denied aggregate": ({"denied": ["spend"], "model": model(aggregate=["spend"], fusion=GATED)},
                         ["aggregate 'spend' is in `denied`"]),
    "denied group": ({"denied": ["department"], "data.groups": ["department"]},
                     ["group 'department' is in `denied`"]),
    "denied value": ({"denied": ["price"], "data.values": ["price"]}, ["value 'price'"]),
    "denied item features": ({"denied": ["/extra/text"], "data.features": "/extra/text"},
                             ["'/extra/text' is in `denied`"]),
    "denied margin": ({"denied": ["price"], "regularisers.margin": 1.0,
                       "regularisers.margin_value": "price"}, ["'price' is in `denied`"]),
    "weight of no task": ({"tasks.weights": {"clicks": 2}}, ["tasks.weights", "'clicks'", "click"]),
    "label of no head": ({"tasks.labels": {"clicks": "x"}}, ["tasks.labels", "'clicks'", "click"]),
    "start of no modality": ({"fit.start": {"bye": 2}}, ["fit.start", "'bye'", "buy"]),
    "model: unknown key": ({"model": model(head=[])}, ["model: unknown key head"]),
    "model: no dim": ({"model": without("dim", MODEL)}, ["model.dim is missing"]),
    "model: no modality": ({"model": model(modalities=[])}, ["model.modalities is missing"]),
    "no encoder": ({"model": encoder({"type": "lstm"})}, ["buy", "encoder.type", "lstm"]),
    "no type of encoder": ({"model": encoder({})}, ["buy", "encoder.type"]),
    "encoder: unknown key": ({"model": encoder(case.decay(dim=8), half_life=3)},
                             ["modalities", "buy", "half_life", "half_lives_s"]),
    "encoder: key missing": ({"model": encoder(without("half_lives_s", case.decay(dim=8)))},
                             ["buy", "half_lives_s is missing"]),
    "encoder: no length": ({"model": encoder(without("max_length", case.gru(dim=8, hidden=8)))},
                           ["buy", "max_length is missing"]),
    "no variant": ({"model": encoder(without("variant", case.attention(dim=8)))},
                   ["buy", "variant"]),
    "another variant": ({"model": encoder(case.attention("pmixer_d", dim=8))},
                        ["buy", "pmixer_d", "pmixer_c_pre"]),
    "no activation": ({"model": encoder(case.attention(dim=8, activation="softplus"))},
                      ["buy", "activation", "softplus"]),
    "heads that do not divide": ({"model": encoder(case.attention(dim=8, heads=3))},
                                 ["buy", "heads", "3", "8"]),
    "a length that is none": ({"model": encoder(case.decay(dim=8, max_length=0))},
                              ["buy", "max_length"]),
    "a name twice": ({"model": model(modalities=2 * MODEL["modalities"], fusion=GATED)},
                     ["buy", "twice"]),
    "modality without a name": ({"model": model(modalities=[{"vocabulary": "catalogue"}])},
                                ["model.modalities", "name is missing"]),
    "no fusion": ({"model": model(modalities=[*MODEL["modalities"], case.modality(
        "mail", case.gru())])}, ["model.fusion", "none takes one modality"]),
    "no such fusion": ({"model": model(fusion={"type": "sum"})}, ["model.fusion", "sum"]),
    "fusion: unknown key": ({"model": model(fusion=GATED | {"layers": 1})},
                            ["model.fusion", "unknown key layers", "mlp_layers"]),
    "statics without fusion": ({"model": model(static=[{"name": "age", "dim": 2}])},
                               ["model.fusion", "static"]),
    "widths differ": ({"model": encoder(case.gru(dim=8, hidden=7))}, ["model.fusion", "7", "8"]),
    "a head without a name": ({"model": model(heads=[{"item_bias": True}])},
                              ["model.heads", "name is missing"]),
    "head: unknown key": ({"model": model(heads=[{"name": "click", "bias": True}])},
                          ["model.heads", "click", "unknown key bias"]),
    "head of no link": ({"model": model(heads=[{"name": "click", "link": "identity"}])},
                        ["click", "link", "identity"]),
    "survival without periods": ({"model": model(heads=[{"name": "lapse", "type": "survival"}])},
                                 ["lapse", "periods is missing"]),
    "head twice": ({"model": model(heads=2 * MODEL["heads"])}, ["click", "twice"]),
    "a head called ranking": ({"model": model(heads=[{"name": "ranking"}])}, ["ranking"]),
    "item: unknown key": ({"model": model(item={"biased": True})},
                          ["model.item", "unknown key biased", "bias"]),
    "next event of two": ({**NEXT, "model": model(fusion=GATED, heads=[])},
                          ["next_event", "model.fusion"]),
    "next event by decay": ({**NEXT, "model": model(heads=[])}, ["next_event", "decay"]),
    "next event with heads": ({**NEXT, "model": encoder(case.attention(dim=8))},
                              ["next_event", "heads"]),
    "next event and days": ({**NEXT, "data.test": [case.FIRST]}, ["next_event", "data.test"]),
    "a test day that is learnt from": ({"data.test": [case.THIRD, case.FIRST]},
                                       ["data.test", case.FIRST, "data.train"]),
    "items' table of another width": ({"model": model(item={"table": "z"}, modalities=[
        case.modality("buy", case.decay(dim=4), item_table="z")])}, ["item_table", "dim 8"]),
    "two tables of one name": ({"model": model(fusion=GATED, modalities=[
        case.modality(n, case.decay(dim=4), item_table="z") for n in ("buy", "web")])},
        ["item_table: 'z' is there twice"]),
    "modalities that are none": ({"model": model(modalities=3)}, ["modalities", "expected a list"]),
    "a band upside down": ({"model": model(fusion=GATED | {"band": {"lo": 2, "hi": 1}})},
                           ["model.fusion: band", "lo 2"]),
}


def raw(changes):
    flat = case.raw_config(case.ROOT, MODEL) | changes
    return {k: v for k, v in flat.items() if v is not None}


@pytest.mark.parametrize("name", BAD)
def test_mistakes(tmp_path, name):
    changes, pieces = BAD[name]
    (tmp_path / "bad.json").write_text(json.dumps(raw(changes)))
    code, out, err = case.call_train(tmp_path / "bad.json", "-o", tmp_path / "out")
    assert code == 2 and not out, (code, err)
    assert all(piece in err for piece in pieces), err
    assert err.count("\n") == 1 and err.startswith("train: "), err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text, pieces", [
    ("{", ["line 1"]), ("[]", ["expected a JSON object"]), ('{"name": 1}\n{}', ["line 2"])])
def test_no_configuration(tmp_path, text, pieces):
    (tmp_path / "bad.json").write_text(text)
    code, _, err = case.call_train(tmp_path / "bad.json", "-o", tmp_path / "out")
    assert code == 2 and all(piece in err for piece in ["bad.json", *pieces]), err


def test_command_line(tmp_path):
    assert case.call_train(tmp_path / "none.json", "-o", tmp_path)[0] == 2
    assert case.call_train()[0] == 2
    assert case.call_train("x.json")[0] == 2
    (tmp_path / "c.json").write_text(json.dumps(raw({})))
    code, _, err = case.call_train(tmp_path / "c.json", "-o", tmp_path, "--set", "fit.bath=3")
    assert code == 2 and "unknown key fit.bath; did you mean fit.batch?" in err
    code, _, err = case.call_train(tmp_path / "c.json", "-o", tmp_path, "--set", "fit.batch=0")
    assert code == 2 and "fit.batch: found 0" in err


def test_keys(tmp_path):
    code, out, _ = case.call_train("--keys")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(config.KEYS)
    assert re.search(r"fit\.epochs +10 .*\(1 to 100000\)", out)
    assert re.search(r"data\.catalogue +required ", out)


def test_days(tmp_path):
    """Each snapshot that any part reads, once, in order."""
    (tmp_path / "c.json").write_text(json.dumps(raw({"data.test": [case.THIRD],
                                                     "data.heads": [case.FIRST]})))
    code, out, _ = case.call_train(tmp_path / "c.json", "--days")
    assert code == 0 and out == ",".join(case.DAYS) + "\n"
    assert case.call_train(tmp_path / "none.json", "--days")[0] == 2


def test_sections_overrides_and_defaults(tmp_path):
    """{"fit": {"epochs": 3}} and "fit.epochs": 3 are the same; --set takes JSON or plain text."""
    nested = {"name": "n", "model_version": "1", "model": MODEL, "fit": {"epochs": 3},
              "data": {"catalogue": "a/c.h5", "snapshots": "s", "train": ["d"], "validate": ["e"]},
              "tasks": {"weights": {"click": 2.0}}}
    (tmp_path / "c.json").write_text(json.dumps(nested))
    found = config.load(tmp_path / "c.json", ["fit.rate=0.5", "data.label=click", "seed=7"])
    assert (found["fit.epochs"], found["fit.rate"], found["seed"]) == (3, 0.5, 7)
    assert found["data.label"] == "click" and found["tasks.weights"] == {"click": 2.0}
    assert set(found) == set(config.KEYS) and found["fit.batch"] == 256
    found["denied"].append("x")
    assert config.load(tmp_path / "c.json")["denied"] == []  # defaults are nobody's own
    resolved = config.resolve(found, tmp_path)
    assert resolved["data.catalogue"] == str(tmp_path / "a/c.h5")
    assert resolved["data.customers"] == ""


def test_without_pytorch(tmp_path):
    """One sentence and exit code 2, as for any other thing that is missing."""
    (tmp_path / "torch.py").write_text("raise ImportError\n")
    (tmp_path / "c.json").write_text(json.dumps(raw({})))
    done = subprocess.run([sys.executable, case.ROOT / "scripts/train.py", tmp_path / "c.json",
                           "-o", tmp_path / "out"], capture_output=True, text=True,
                          env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2 and "PyTorch" in done.stderr and "Traceback" not in done.stderr


if __name__ == "__main__":
    case.main(__file__)
