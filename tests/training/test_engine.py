#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The engine against the trainer's modules: models with random weights over generated snapshots,
written as training writes them, run by `batchrank run`: x_u, alpha, scores of the lists,
probabilities and survival within 2e-5. CASES has every option that changes what the engine
computes."""
import train_case as case

import h5py
import numpy as np
import pytest

import engine_case
import job_files

SURVIVAL = {"name": "lapse", "type": "survival", "periods": 4, "period_s": case.PERIOD_S}
CHURN = {"name": "churn", "type": "survival", "periods": 9, "period_s": 3600, "link": "logistic"}
HEADS = [{"name": "click"}, {"name": "open", "item_bias": True, "link": "logistic"}, SURVIVAL,
         CHURN]
PLATT = {"type": "platt", "a": 1.3, "b": -0.6}
ISOTONIC = {"type": "isotonic", "points": [[0.2, 0.01], [0.5, 0.3], [0.55, 0.3], [0.9, 0.8]]}
STATICS = [{"name": "age", "dim": 3}, {"name": "region", "dim": 2}]
AGGREGATES = ["points", "spend", "visits"]
TABLES = {"gaps": 20, "types": case.N_TYPES, "modality_embedding": True}
GATED = {"type": "gated"}


def one(encoder, bias=False, **more):
    """A model of the timeline `web` alone, without fusion."""
    return {"dim": 12, "modalities": [case.modality("web", encoder, **more)], "heads": HEADS,
            **({"item": {"bias": True}} if bias else {})}


def fused(buy, web, mail, fusion=GATED, heads=HEADS, **more):
    modalities = [case.modality(name, encoder) for name, encoder in
                  (("buy", buy), ("web", web), ("mail", mail)) if encoder]
    return {"dim": 12, "modalities": modalities, "fusion": fusion, "heads": heads, **more}


# name: (model, calibration of the heads, other keys of the configuration)
CASES = {
    "recbole, gelu": (one(case.attention()), {}, {}),
    "recbole, all tables": (one(case.attention(activation="swish", eps=1e-5, **TABLES), True),
                            {"click": PLATT, "lapse": ISOTONIC}, {}),
    "pmixer A": (one(case.attention("pmixer_a", **TABLES)), {"open": ISOTONIC}, {}),
    "pmixer B, own table": (one(case.attention("pmixer_b", layers=1, heads=1), prefix="",
                                item_table="item_emb.weight"), {"churn": PLATT}, {}),
    "pmixer C post": (one(case.attention("pmixer_c_post", eps=1e-6)), {}, {}),
    "pmixer C pre": (one(case.attention("pmixer_c_pre", layers=3, heads=3, **TABLES)), {}, {}),
    "gru": (one(case.gru(dim=12, hidden=12)), {}, {}),
    "gru, dense": (one(case.gru(dim=12, layers=2, bias=False, dense=True, **TABLES)), {}, {}),
    "decay": (one(case.decay(86400 * 30)) | {"item": {"bias": False}}, {}, {}),
    "fused": (fused(case.decay(3600, 2.6e6, dim=5), case.gru(**TABLES),
                    case.attention("recbole", activation="relu", layers=1, heads=1, dim=6)),
              {"click": PLATT, "open": PLATT, "lapse": PLATT, "churn": PLATT}, {}),
    "fused, all inputs": (
        fused(case.attention(activation="tanh"), case.attention("pmixer_b", dim=8),
              case.decay(1e6, dim=4), GATED | {"mlp_layers": 1, "eps": 1e-6},
              static=STATICS, aggregate=AGGREGATES,
              item={"bias": "z.bias", "table": "z.table", "groups": ["department"],
                    "constant": True, "id_prior": 5.0}),
        {"click": ISOTONIC, "open": ISOTONIC, "lapse": ISOTONIC, "churn": ISOTONIC},
        {"data__groups": ["department"], "data__values": ["price"],
         "data__features": "/extra/text"}),
    "fused, one modality": (
        fused(case.attention(activation="sigmoid"), None, None,
              GATED | {"mlp_layers": 2, "mlp_activation": "relu", "band": {"lo": 1.2, "hi": 1.5}},
              static=STATICS[:1]), {}, {}),
    "fused, three layers": (
        fused(None, case.gru(), case.decay(dim=3),
              GATED | {"mlp_layers": 3, "mlp_activation": "tanh", "band": {"lo": 0.0, "hi": 0.7}},
              aggregate=AGGREGATES[:1]), {}, {}),
    "fused, two layers": (
        fused(case.decay(), None, case.gru(dim=5, hidden=4),
              GATED | {"mlp_layers": 2, "mlp_activation": "sigmoid"}, static=STATICS,
              aggregate=AGGREGATES[1:]), {}, {}),
    "fused, swish": (fused(case.decay(), case.decay(60, dim=7), None,
                           GATED | {"mlp_layers": 2, "mlp_activation": "swish"}, heads=[]), {}, {}),
    "fused, gelu": (fused(case.decay(), None, case.decay(60, 6000, 6e5, dim=2),
                          GATED | {"mlp_layers": 2, "band": {"lo": 5, "hi": 8}}), {}, {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return case.write_data(tmp_path_factory.mktemp("data"), seed=11, n_customers=90)


@pytest.mark.parametrize("name", CASES)
def test_engine(folder, tmp_path, name):
    model, calibration, keys = CASES[name]
    made = case.assembly(folder, model, seed=len(name), **keys)
    trainer = engine_case.Untrained(made, np.random.default_rng(len(name)))
    engine_case.check(tmp_path, trainer, made.snapshots[case.FIRST].customers, calibration)


def with_keys(source, path, keys):
    """A copy of an HDF5 file with other keys of items and categories."""
    with h5py.File(source) as old, h5py.File(path, "w") as new:
        for name in old:
            old.copy(name, new)
        for name, value in old.attrs.items():
            new.attrs[name] = value
        for name in [n for n in keys if n in new]:
            del new[name]
            new[name] = keys[name]


def numbered(source, folder):
    """The data set with numbers as keys, one of which is 0."""
    keys = {"/item/key": np.arange(case.N_ITEMS, dtype=np.uint64) * 7,
            "/vocabulary/campaign/key": np.arange(case.N_CAMPAIGNS, dtype=np.uint64),
            "/static_key/age": np.arange(3, dtype=np.uint64)}
    with_keys(source / "catalogue.h5", folder / "catalogue.h5", keys)
    for day in case.DAYS:
        (folder / "snapshots" / day).mkdir(parents=True)
        for name in ("customers.h5", "labels.h5"):
            with_keys(source / "snapshots" / day / name, folder / "snapshots" / day / name, keys)
    return folder


def test_keys_that_are_numbers(folder, tmp_path):
    """0 is a number like any other; the padding row has one that no item has."""
    model = fused(case.decay(), None, case.gru(), static=STATICS[:1])
    made = case.assembly(numbered(folder, tmp_path), model)
    trainer = engine_case.Untrained(made, np.random.default_rng(5))
    engine_case.check(tmp_path, trainer, made.snapshots[case.FIRST].customers, {})


def test_empty_keys_match_nothing(folder, tmp_path):
    """A token or category whose key is empty is unknown, as the engine has it."""
    source, day = folder, "snapshots/" + case.FIRST
    (tmp_path / day).mkdir(parents=True)
    (tmp_path / "catalogue.h5").write_bytes((source / "catalogue.h5").read_bytes())
    (tmp_path / day / "labels.h5").write_bytes((source / day / "labels.h5").read_bytes())
    with_keys(source / day / "customers.h5", tmp_path / day / "customers.h5", {
        "/vocabulary/campaign/key": np.array([b"a", b"b", b"", b"c", b"d", b"e"]),
        "/static_key/age": np.array([b"young", b"", b"old"])})
    model = fused(case.decay(), None, case.gru(), static=STATICS[:1])
    made = case.assembly(tmp_path, model, data__validate=[case.FIRST])
    trainer = engine_case.Untrained(made, np.random.default_rng(6))
    engine_case.check(tmp_path, trainer, made.snapshots[case.FIRST].customers, {})


def test_what_next_event_writes(folder, tmp_path):
    """A model of the next event reads one customers.h5."""
    customers = folder / "snapshots" / case.FIRST / "customers.h5"
    model = one(case.attention("pmixer_b", layers=1, heads=1)) | {"heads": []}
    made = case.assembly(folder, model,
                         objective__type="next_event", data__customers=str(customers))
    trainer = engine_case.Untrained(made, np.random.default_rng(4))
    engine_case.check(tmp_path, trainer, made.customers, {})


def test_bundle_is_what_info_and_check_want(folder, tmp_path):
    model, calibration, keys = CASES["fused, all inputs"]
    made = case.assembly(folder, model, **keys)
    trainer = engine_case.Untrained(made, np.random.default_rng(3))
    engine_case.write(tmp_path, trainer, made.snapshots[case.FIRST].customers, calibration)
    told = job_files.run("info", tmp_path / "model")
    for text in ("click", "lapse: survival", "buy", "web", "mail", "static.region"):
        assert text in told, told
    job_files.run("check", tmp_path / "job.json")


if __name__ == "__main__":
    case.main(__file__)
