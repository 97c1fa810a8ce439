#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine against the trainer's modules on real histories: a snapshot of the shipped demo data
(2,406 households), its modalities, statics and aggregates, models with random weights."""
import json
import subprocess
import sys

import train_case as case

import numpy as np
import pytest

import engine_case

DAY = "2017-11-01"
SHIPPED = json.loads((case.ROOT / "configs/demo/model/model.json").read_text())
HEADS = [{"name": "purchase", "item_bias": True}, {"name": "redemption"},
         {"name": "next_purchase", "type": "survival", "periods": 4, "period_s": case.PERIOD_S}]
CALIBRATION = {"purchase": {"type": "platt", "a": 0.7, "b": -1.0},
               "redemption": {"type": "isotonic", "points": [[0.1, 0.0], [0.5, 0.2], [0.9, 0.7]]}}
OTHERS = {"purchase": case.attention("pmixer_b", max_length=30, gaps=20),
          "habit": case.gru(max_length=40, dim=8, hidden=8, gaps=25),
          "mailing": case.attention(max_length=20, dim=8, gaps=10, modality_embedding=True),
          "redemption": case.decay(7 * 86400, 90 * 86400, dim=4),
          "promotion": case.gru(dim=5, hidden=6)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, case.ROOT / "scripts/prepare_completejourney.py", "--out", out,
                    "--snapshots", DAY], check=True, capture_output=True)
    return out


def shipped():
    """The demo's own encoders, as narrow as a test likes."""
    small = {"dim": 16, "inner": 24, "hidden": 8}
    modalities = [{**m, "encoder": {k: small.get(k, v) if isinstance(v, int) else v
                                    for k, v in m["encoder"].items()}}
                  for m in SHIPPED["modalities"]]
    return {**base(), "modalities": modalities}


def others():
    modalities = [{"name": m["name"], "vocabulary": m["vocabulary"], "encoder": OTHERS[m["name"]]}
                  for m in SHIPPED["modalities"]]
    return {**base(), "modalities": modalities, "fusion": {
        "type": "gated", "mlp_layers": 2, "mlp_activation": "gelu", "band": {"lo": 1, "hi": 5}}}


def base():
    return {"dim": 16, "item": {"bias": True, "groups": ["category", "brand"]},
            "static": [{"name": s["name"], "dim": 3} for s in SHIPPED["static"]],
            "aggregate": [a["name"] for a in SHIPPED["aggregate"]],
            "fusion": {"type": "gated"}, "heads": HEADS}


@pytest.mark.parametrize("model", [shipped, others])
def test_real_histories(folder, tmp_path, model):
    made = case.assembly(folder, model(), data__catalogue="data/catalogue.h5", data__train=[DAY],
                         data__validate=[DAY], data__groups=["category", "brand"],
                         data__values=["price"])
    trainer = engine_case.Untrained(made, np.random.default_rng(8))
    lists = engine_case.check(tmp_path, trainer, made.snapshots[DAY].customers, CALIBRATION)
    assert len(lists["customer/row"]) > 2000


if __name__ == "__main__":
    case.main(__file__)
