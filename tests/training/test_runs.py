#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whole trainings: the same seed gives the same bytes, killed and resumed or not; another seed does
not; the best epoch is what is written; heads learn on frozen vectors; options that do something;
model.json says how it came about, and the engine takes the bundle and gives the same vectors."""
import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import train_case as case

import numpy as np
import pytest
import torch

import bundle_writer
import job_files
from train import brief
from training import heads, loop

WEIGHTS = "weights.safetensors"
MODEL = {"dim": 8, "item": {"bias": True, "groups": ["department"]}, "fusion": {"type": "gated"},
         "modalities": [case.modality("buy", case.attention(dim=8, layers=1, inner=12)),
                        case.modality("mail", case.gru(dim=4, hidden=4))],
         "static": [{"name": "age", "dim": 2}], "aggregate": ["spend", "visits"],
         "heads": [{"name": "click", "item_bias": True},
                   {"name": "lapse", "type": "survival", "periods": 4, "period_s": case.PERIOD_S}]}
ALL = {"data__calibrate": [case.SECOND], "data__test": [case.THIRD], "data__groups": ["department"],
       "fit__epochs": 4, "fit__batch": 20, "fit__dropout": 0.1, "fit__head_epochs": 2,
       "fit__rate": 0.01,
       "augment__event_dropout": 0.2, "augment__delay_days": 10.0, "objective__negatives": 30,
       "tasks__negatives": 20, "regularisers__density": 0.1, "calibration__type": "best",
       "calibration__items": 10, "denied": ["region", "points"], "lineage": "made up"}
SEQUENCE = {"dim": 8, "modalities": [case.modality(
    "buy", case.attention("pmixer_b", dim=8, layers=1, heads=1))]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return case.write_data(tmp_path_factory.mktemp("data"), seed=31, n_customers=60)


def configure(folder, path, model=MODEL, **keys):
    path.write_text(json.dumps(case.raw_config(folder, model, **{**ALL, **keys})))
    return path


def train(config, out, *words):
    code, text, log = case.call_train(config, "-o", out, *words)
    assert code == 0, log
    return log


def sums(out, names=(WEIGHTS, "vocabulary.h5", "golden.safetensors", "metrics.json")):
    return [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names]


# ---- the same bytes

@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A configuration and what came of it, uninterrupted."""
    base = tmp_path_factory.mktemp("trained")
    config = configure(folder, base / "train.json")
    train(config, base / "out")
    return config, base / "out"


def test_same_seed_same_bytes(trained, tmp_path):
    config, out = trained
    train(config, tmp_path / "again")
    assert sums(out) == sums(tmp_path / "again")
    assert sorted(p.name for p in out.iterdir()) == [
        "golden.safetensors", "metrics.json", "model.json", "vocabulary.h5", WEIGHTS]


def test_another_seed_other_bytes(trained, tmp_path):
    config, out = trained
    train(config, tmp_path / "out", "--set", "seed=2")
    assert sums(out, [WEIGHTS]) != sums(tmp_path / "out", [WEIGHTS])
    a, b = (bundle_writer.read_safetensors(f / WEIGHTS) for f in (out, tmp_path / "out"))
    assert {k: v.shape for k, v in a.items()} == {k: v.shape for k, v in b.items()}


KILLED = """
import os, signal, sys
sys.path.insert(0, {scripts!r})
import train
from training import loop
step, n = loop.Trainer.step, 0
def counted(*arguments):
    global n
    n += 1
    if n == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*arguments)
loop.Trainer.step = counted
sys.exit(train.main())
"""


def test_killed_and_resumed(trained, tmp_path):
    """Killed within the third epoch of three steps, after a checkpoint of the second."""
    config, out = trained
    code = KILLED.format(scripts=str(case.ROOT / "scripts"), at=8)
    done = subprocess.run([sys.executable, "-B", "-c", code, config, "-o", tmp_path / "out",
                           "--threads", "1"], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL and "epoch 2/4" in done.stderr, done.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["checkpoint.pt"]
    assert "going on after epoch 2" in train(config, tmp_path / "out", "--resume")
    assert sums(out) == sums(tmp_path / "out")
    assert not (tmp_path / "out/checkpoint.pt").exists()


class Stop(Exception):
    pass


@pytest.mark.parametrize("keys", [
    {"tasks__weighting": "uncertainty", "fit__schedule": "one_cycle", "fit__decay": 0.1},
    {"tasks__weighting": "fixed", "fit__warmup_steps": 7, "fit__item_decay": 0.1,
     "fit__average": 0.9},
    {"objective__loss": "full_softmax", "tasks__joint": False, "fit__clip_norm": 0.5,
     "fit__weights": "F16"},
    {"objective__loss": "binary", "objective__negatives": 2, "objective__recall": 0.5,
     "objective__recall_modality": "buy"},
    {"model": SEQUENCE, "objective__type": "next_event", "objective__loss": "binary",
     "objective__negatives": 1, "calibration__type": "none"}])
def test_stopped_and_resumed(folder, tmp_path, monkeypatch, keys):
    """Right after a checkpoint, with other ways of training."""
    customers = folder / "snapshots" / case.FIRST / "customers.h5"
    extra = {"data__customers": str(customers), "data__groups": [], "denied": []} \
        if "model" in keys else {}
    config = configure(folder, tmp_path / "c.json", **keys, **extra)
    train(config, tmp_path / "whole")
    save = loop.Trainer.save

    def save_and_stop(self, path):
        save(self, path)
        if self.epoch == 2:
            raise Stop

    with monkeypatch.context() as m, pytest.raises(Stop):
        m.setattr(loop.Trainer, "save", save_and_stop)
        case.call_train(config, "-o", tmp_path / "out")
    train(config, tmp_path / "out", "--resume")
    assert sums(tmp_path / "whole") == sums(tmp_path / "out")


def stopped(config, out, monkeypatch):
    def stop(*_):
        raise Stop
    with monkeypatch.context() as m, pytest.raises(Stop):
        m.setattr(heads, "fit", stop)
        case.call_train(config, "-o", out)


def test_resume_of_another_configuration(trained, tmp_path, monkeypatch):
    """Refused with the key; what is there stays."""
    config, _ = trained
    stopped(config, tmp_path, monkeypatch)
    code, _, log = case.call_train(config, "-o", tmp_path, "--resume", "--set", "fit.rate=0.5")
    assert code != 0 and "checkpoint.pt" in log and "fit.rate" in log and "0.01" in log, log
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_resume_of_a_damaged_checkpoint(trained, tmp_path, monkeypatch):
    config, _ = trained
    stopped(config, tmp_path, monkeypatch)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    for raw in (whole[:len(whole) // 2], b"", b"not a checkpoint"):
        (tmp_path / "checkpoint.pt").write_bytes(raw)
        code, _, log = case.call_train(config, "-o", tmp_path, "--resume")
        assert code == 4 and "checkpoint.pt" in log and log.count("\n") == 1, log


def test_resume_without_a_checkpoint(trained, tmp_path):
    config, out = trained
    assert "going on" not in train(config, tmp_path / "out", "--resume")
    assert sums(out, [WEIGHTS]) == sums(tmp_path / "out", [WEIGHTS])


# ---- which epoch, and how

def trainer_of(folder, model=MODEL, **keys):
    return loop.Trainer(case.assembly(folder, model, **{**ALL, **keys}))


def test_early_stopping_restores_the_best_epoch(folder, monkeypatch):
    trainer, states = trainer_of(folder, fit__epochs=50, fit__patience=3), []
    values = iter([0.1, 0.5, 0.3, 0.5, 0.2, 0.9])

    def validate(self):
        states.append({k: v.clone() for k, v in self.model.state_dict().items()})
        return {"hr": 0.0, "ndcg": next(values)}

    monkeypatch.setattr(loop.Trainer, "validate", validate)
    trainer.fit()
    assert (trainer.epoch, trainer.best_epoch, trainer.best) == (5, 2, 0.5)
    assert [h["ndcg"] for h in trainer.history] == [0.1, 0.5, 0.3, 0.5, 0.2]
    now = trainer.model.state_dict()
    assert all(torch.equal(now[k], v) for k, v in states[1].items())
    assert any(not torch.equal(now[k], v) for k, v in states[2].items())


def test_the_metric_that_chooses(folder, monkeypatch):
    trainer, values = trainer_of(folder, fit__epochs=3, fit__metric="hr"), iter([0.2, 0.4, 0.3])
    monkeypatch.setattr(loop.Trainer, "validate",
                        lambda self: {"hr": next(values), "ndcg": -self.epoch / 9})
    trainer.fit()
    assert (trainer.best_epoch, trainer.best) == (2, 0.4)


def test_heads_learn_on_frozen_vectors(folder):
    """Only the heads change, and their loss falls."""
    trainer = trainer_of(folder, tasks__joint=False, fit__head_epochs=10, fit__epochs=1)
    snapshot = trainer.data.snapshots[case.FIRST]
    rows = snapshot.customers.known()

    @torch.no_grad()
    def losses():
        x_RD, z_VD = trainer.encode(snapshot.customers, rows)
        return [float(trainer.head_loss(h, snapshot, rows, x_RD, z_VD, 0))
                for h in trainer.spec["heads"]]

    begun = {k: v.clone() for k, v in trainer.model.heads.state_dict().items()}
    trainer.fit()
    assert all(torch.equal(v, begun[k]) for k, v in trainer.model.heads.state_dict().items())
    before, state = losses(), {k: v.clone() for k, v in trainer.model.state_dict().items()}
    heads.fit(trainer)
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, state[name]) != name.startswith("heads."), name
    assert all(after < b for after, b in zip(losses(), before)), (before, losses())


def test_training_learns(folder):
    """The loss of what it learns from falls far."""
    trainer = trainer_of(folder, fit__epochs=30, fit__patience=30, fit__rate=0.02, fit__dropout=0.0,
                         augment__event_dropout=0.0, augment__delay_days=0.0,
                         objective__loss="full_softmax", tasks__weighting="fixed")
    trainer.fit()
    first, last = trainer.history[0], trainer.history[-1]
    for name in ("loss_ranking", "loss_click", "loss_lapse"):
        assert last[name] < 0.95 * first[name], (name, first, last)


@pytest.mark.parametrize("key, value", [
    ("fit.item_dropout", 0.5), ("fit.dropout", 0.5), ("fit.item_decay", 0.5), ("fit.decay", 0.5),
    ("fit.clip_norm", 0.01), ("fit.schedule", "one_cycle"), ("fit.warmup_steps", 50),
    ("fit.average", 0.99), ("fit.start", {"buy": 3.0}), ("objective.popularity_power", 0.0),
    ("objective.negatives", 3), ("objective.loss", "binary"), ("tasks.weights", {"click": 0.0}),
    ("tasks.labels", {"click": "purchase"}), ("tasks.weighting", "fixed"), ("tasks.joint", False),
    ("data.label", "click"), ("fit.batch", 7), ("augment.delay_share", 1.0),
    ("objective.loss", "contrast"), ("fit.start", {"buy": 0}), ("fit.side_rate", 0.1)])
def test_every_option_does_something(folder, key, value):
    """After one epoch the weights are others."""
    def weights(**keys):
        trainer = trainer_of(folder, fit__epochs=1, **keys)
        trainer.fit()
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
    assert not torch.equal(weights(), weights(**{key.replace(".", "__"): value}))


# ---- what is written

def test_model_json(folder, trained):
    config, out = trained
    model = json.loads((out / "model.json").read_text())
    notes = model["training"]
    assert notes["window"] == [case.FIRST, case.FIRST] and notes["lineage"] == "made up"
    assert notes["denied"] == ["region", "points"] and notes["seed"] == 1
    assert notes["features"] == ["timeline buy", "timeline mail", "static age", "aggregate spend",
                                 "aggregate visits", "item group department"]
    files = [folder / "catalogue.h5", *(folder / "snapshots" / day / name for day in case.DAYS
                                        for name in ("customers.h5", "labels.h5"))]
    assert notes["data_sha256"] == {f"{p.parent.name}/{p.name}": hashlib.sha256(
        p.read_bytes()).hexdigest() for p in files}
    assert notes["command"] == f"scripts/train.py --threads 1 {config} -o {out}"
    assert re.fullmatch("unknown|[0-9a-f]{7,}.*", notes["commit"]), notes["commit"]
    assert 1 <= notes["best_epoch"] <= notes["epochs"] <= 4
    metrics = json.loads((out / "metrics.json").read_text())
    assert notes["metrics"] == brief({k: v for k, v in metrics.items() if k != "history"})
    assert len(metrics["history"]) == notes["epochs"]
    assert set(metrics["test"]) == {case.THIRD} and set(metrics["heads"]) == {"click", "lapse"}
    assert metrics["heads"]["click"]["cases"] > 0 and model["static"][0]["rows"] == 4
    assert {h["name"]: h.get("calibration", {}).get("type") for h in model["heads"]} == {
        name: fitted["type"] for name, fitted in metrics["calibration_fit"].items()}


def check_by_engine(folder, bundle, day, out):
    """`info`, `check` and `run` take it; x_u as in golden.safetensors."""
    job_files.write_job(out / "job.json", output={"path": "run", "vectors": True}, input={
        "customers": str(folder / "snapshots" / day / "customers.h5"),
        "catalogue": str(folder / "catalogue.h5"), "model": str(bundle)})
    told = job_files.run("info", bundle)
    job_files.run("check", out / "job.json")
    job_files.run("run", out / "job.json", "--threads", 1)
    golden = bundle_writer.read_safetensors(bundle / "golden.safetensors")
    lists = job_files.read_parts(out / "run")
    case.close(lists["vector"][golden["row"].astype(int).ravel()], golden["x"])
    return told


def test_the_engine_takes_it(folder, trained, tmp_path):
    told = check_by_engine(folder, trained[1], case.THIRD, tmp_path)
    assert "lapse: survival, 4 x 604800 s" in told and "case" in told


def test_the_engine_takes_half_precision(folder, tmp_path):
    config = configure(folder, tmp_path / "c.json", fit__weights="F16")
    train(config, tmp_path / "out")
    check_by_engine(folder, tmp_path / "out", case.THIRD, tmp_path)


def test_next_event(folder, tmp_path):
    customers = folder / "snapshots" / case.FIRST / "customers.h5"
    config = configure(folder, tmp_path / "c.json", SEQUENCE, objective__type="next_event",
                       data__customers=str(customers), data__groups=[], denied=[],
                       fit__head_epochs=0, calibration__type="none")
    train(config, tmp_path / "out")
    check_by_engine(folder, tmp_path / "out", case.FIRST, tmp_path)
    notes = json.loads((tmp_path / "out/model.json").read_text())["training"]
    assert f"{case.FIRST}/customers.h5" in notes["data_sha256"]


def test_a_model_of_other_tokens_alone(folder, tmp_path):
    """No modality has items of the catalogue: popularity comes from the labels."""
    model = {"dim": 8, "modalities": [case.modality("mail", case.gru(dim=4, hidden=8))]}
    config = configure(folder, tmp_path / "c.json", model)
    train(config, tmp_path / "out")
    check_by_engine(folder, tmp_path / "out", case.THIRD, tmp_path)


def test_diverged(folder, tmp_path, monkeypatch):
    """Weights that are no numbers are not written; exit code 4."""
    fit = loop.Trainer.fit

    def diverge(self, checkpoint=None):
        fit(self, checkpoint)
        self.model.fusion.default.data[0] = np.nan

    monkeypatch.setattr(loop.Trainer, "fit", diverge)
    config = configure(folder, tmp_path / "c.json")
    code, _, log = case.call_train(config, "-o", tmp_path / "out")
    assert code == 4 and "fusion.default" in log and "diverged" in log, log
    assert not (tmp_path / "out" / WEIGHTS).exists()


def test_no_number_is_no_best_epoch(folder, monkeypatch):
    trainer = trainer_of(folder)
    monkeypatch.setattr(loop.Trainer, "validate", lambda self: {"hr": np.nan, "ndcg": np.nan})
    with pytest.raises(ValueError, match="validation"):
        trainer.fit()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(folder, tmp_path):
    config = configure(folder, tmp_path / "c.json")
    (tmp_path / "locked").mkdir(mode=0o500)
    assert case.call_train(config, "-o", tmp_path / "locked/out")[0] == 4


def test_a_file_where_the_folder_should_be(folder, tmp_path):
    config = configure(folder, tmp_path / "c.json")
    (tmp_path / "out").write_text("")
    code, _, log = case.call_train(config, "-o", tmp_path / "out")
    assert code == 4 and str(tmp_path / "out") in log


if __name__ == "__main__":
    case.main(__file__)
