#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The trainer's whole model against scripts/reference.py in float64: fusion of every subset of
modalities, statics, missing aggregates, MLPs of every depth and activation, bands, heads, survival
and calibration; scores; tensors under the names and in the shapes of docs/FORMATS.md."""
import train_case as case

import numpy as np
import pytest
import torch

import model_case
import reference
from training import calibrate
from training.model import Model

DIM, ROWS = 12, {"catalogue": 9, "campaign": 5}
HEADS = [
    {"name": "plain", "link": "logistic"}, {"name": "biased", "item_bias": True},
    {"name": "lapse", "type": "survival", "periods": 4, "period_s": 604800},
    {"name": "churn", "type": "survival", "periods": 1, "period_s": 1}]
TABLES = {
    "none": {"type": "none"}, "platt": {"type": "platt", "a": -1.7, "b": 0.4},
    "isotonic": {"type": "isotonic", "points": [[0.1, 0.0], [0.3, 0.2], [0.9, 0.25]]}}
STATICS = [{"name": "age", "dim": 3, "rows": 4}, {"name": "a.b", "dim": 5, "rows": 3}]
AGGREGATES = [{"name": "spend", "mean": 20.0, "std": 8.0}, {"name": "far", "mean": 1e4, "std": 3.0},
              {"name": "visits", "mean": 0.5, "std": 0.25}]


def modalities(n):
    every = [
        case.modality("buy", case.decay(), prefix="buy.", item_table="item.table"),
        case.modality("mail", case.gru(dim=3, hidden=5), prefix="mail."),
        case.modality("web", case.attention("pmixer_b", dim=6), prefix="web."),
    ]
    return every[:n]


def spec_of(n=3, statics=(), aggregates=(), bias="item.bias", **fusion):
    return {"dim": DIM, "item": {"vocabulary": "catalogue", "table": "item.table", "bias": bias},
            "modalities": modalities(n), "static": list(statics), "aggregate": list(aggregates),
            "fusion": {"type": "gated", **fusion}, "heads": HEADS}


def single(encoder):
    spec = spec_of(1) | {"fusion": {"type": "none"}}
    spec["modalities"] = [case.modality("buy", encoder, prefix="", item_table="item.table")]
    return spec


CASES = {
    "none, recbole": single(case.attention()), "none, decay": single(case.decay()),
    "none, gru": single(case.gru(dim=DIM, dense=True)),
    "none, pmixer": single(case.attention("pmixer_c_pre")),
    "bare": spec_of(), "one modality": spec_of(1, eps=1e-8), "no bias": spec_of(2, bias=None),
    "statics": spec_of(statics=STATICS), "aggregates": spec_of(2, aggregates=AGGREGATES),
    "one layer": spec_of(3, STATICS[:1], AGGREGATES, mlp_layers=1),
    **{f"two layers, {act}": spec_of(2, STATICS, AGGREGATES[:1], mlp_layers=2, mlp_activation=act)
       for act in ("relu", "gelu", "tanh", "sigmoid", "swish")},
    "three layers, band": spec_of(3, STATICS, AGGREGATES, mlp_layers=3, mlp_activation="swish",
                                  band={"lo": 1.2, "hi": 1.5}),
    "band above": spec_of(2, band={"lo": 5, "hi": 9}), "band below": spec_of(2, band={"lo": 0,
                                                                                   "hi": 0.5}),
}


def features():
    count = torch.arange(ROWS["catalogue"]).float()
    return {"count": count, "groups": {}, "dense": torch.zeros(len(count), 0)}


def make(name):
    rng = np.random.default_rng(len(name))
    model = case.randomise(Model(CASES[name], ROWS, features()), rng)
    t = {k: v.astype(np.float64) for k, v in model.tensors().items()}
    return CASES[name], model, t, rng


def inputs(spec, rng):
    """Three customers of each subset of modalities: sequences, and the batch."""
    n = len(spec["modalities"])
    sequences = [model_case.random_sequences(
        rng, m, ROWS[m["vocabulary"]], [int(rng.integers(1, 14)) * (r >> i & 1)
                                        for r in range(3 * 2 ** n)], True)
        for i, m in enumerate(spec["modalities"])]
    n_rows = 3 * 2 ** n
    static = np.array([[rng.integers(0, c["rows"]) for c in spec["static"]]
                       for _ in range(n_rows)], np.int64).reshape(n_rows, -1)
    aggregate = np.array([[a["mean"] + a["std"] * rng.standard_normal() for a in spec["aggregate"]]
                          for _ in range(n_rows)], np.float32).reshape(n_rows, -1)
    aggregate[rng.random(aggregate.shape) < 0.3] = np.nan
    batch = {"events": {m["name"]: case.batch_of(s) for m, s in zip(spec["modalities"], sequences)},
             "static": torch.from_numpy(static), "aggregate": torch.from_numpy(aggregate)}
    return sequences, batch


def expected(spec, t, sequences, batch):
    """x and alpha [B, M], by the reference."""
    x, alpha = [], []
    for u, row in enumerate(zip(*sequences)):
        state = [reference.encode(s, m, t) for s, m in zip(row, spec["modalities"])]
        if spec["fusion"]["type"] == "none":
            x.append(state[0])
            continue
        present = np.array([len(s["item"]) > 0 for s in row])
        sure = [s["weight"].astype(float).mean() if len(s["item"]) else 1.0 for s in row]
        x_D, alpha_M, _ = reference.fuse(spec, t, state, present, sure, batch["static"][u].numpy(),
                                         batch["aggregate"][u].numpy())
        x.append(x_D)
        alpha.append(alpha_M)
    return np.array(x), np.array(alpha)


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_vectors(name):
    spec, model, t, rng = make(name)
    sequences, batch = inputs(spec, rng)
    x_BD, alpha_BM = model.explain(batch, model.items.table())
    wanted, alpha = expected(spec, t, sequences, batch)
    case.close(x_BD, wanted)
    if spec["fusion"]["type"] == "none":
        assert alpha_BM is None
    else:
        case.close(alpha_BM, alpha)
    if "band" in spec["fusion"]:
        norm = np.linalg.norm(x_BD.double().numpy(), axis=1)
        band = spec["fusion"]["band"]
        assert (norm >= band["lo"] - 1e-5).all() and (norm <= band["hi"] + 1e-5).all()


@torch.no_grad()
def test_scores_and_heads():
    spec, model, t, rng = make("bare")
    x = rng.standard_normal((7, DIM)).astype(np.float32)
    x_BD, z_VD = torch.from_numpy(x), model.items.table()
    rows = torch.tensor([3, 1, 8])
    case.close(model.scores(x_BD, z_VD), x @ t["item.table"].T + t["item.bias"])
    case.close(model.scores(x_BD, z_VD[rows], rows), model.scores(x_BD, z_VD)[:, rows])
    for head in HEADS[:2]:
        name = f"head.{head['name']}"
        logit = x @ t[name + ".weight"].T @ t["item.table"].T
        logit += t.get(name + ".item_bias", 0)
        found = model.head_logits(head["name"], x_BD, z_VD)
        case.close(found, logit + t[name + ".bias"])
        case.close(model.head_logits(head["name"], x_BD, z_VD[rows], rows), found[:, rows])
        for table in TABLES.values():
            wanted = reference.probability({**head, "calibration": table}, t, logit)
            case.close(calibrate.apply(table, found.double().numpy()), wanted)
    for head in HEADS[2:]:
        for table in TABLES.values():
            logit = model.hazard_logits(head["name"], x_BD).double().numpy()
            found = np.cumprod(1 - calibrate.apply(table, logit), axis=1)
            case.close(found, reference.survival({**head, "calibration": table}, t, x))


@pytest.mark.parametrize("name", CASES)
def test_tensors(name):
    """What the engine asks for, no more and no less; row 0 of the items is the padding."""
    spec, model, t, _ = make(name)
    assert {k: v.shape for k, v in t.items()} == model_case.model_shapes(spec, ROWS)
    assert not t["item.table"][0].any()
    assert all(v.dtype == np.float32 for v in model.tensors().values())


def items(spec, groups, dense, count=None):
    given = {"count": torch.ones(5) if count is None else count, "groups": groups, "dense": dense}
    built = Model({**spec_of(1), "item": {"table": "item.table", **spec}}, {"catalogue": 5}, given)
    return case.randomise(built, np.random.default_rng(1)).items


@torch.no_grad()
def test_item_vectors_are_a_sum():
    """Own vector, shrunk where there is little to learn it from; groups; a map of the values."""
    row_V = torch.tensor([0, 2, 0, 1, 2])
    dense_VF = torch.tensor([[0.0, 0], [1, 2], [3, 4], [5, 6], [7, 8]])
    count = torch.tensor([0.0, 0, 3, 12, 1000])
    made = items({"id_prior": 4.0}, {"brand": row_V}, dense_VF, count)
    table = made.groups["brand"].weight
    shrunk = made.own.weight * torch.sqrt(count / (count + 4))[:, None]
    wanted = shrunk + dense_VF @ made.dense.weight.t()
    wanted[1:] += table[row_V[1:]]
    case.close(made.table()[1:], wanted[1:])
    ones = items({"constant": True}, {}, torch.zeros(5, 0)).table()
    assert ones.shape == (5, DIM) and ones[:, -1].tolist() == [0, 1, 1, 1, 1]


@torch.no_grad()
def test_no_group_adds_nothing():
    fresh = Model({**spec_of(1), "item": {"table": "item.table"}}, {"catalogue": 5}, {
        "count": torch.ones(5), "groups": {"brand": torch.tensor([0, 1, 0, 2, 1])},
        "dense": torch.zeros(5, 0)}).items
    case.close(fresh.table()[2], fresh.own.weight[2])
    assert not fresh.table()[0].any() and fresh.bias is None


def test_fusion_starts_as_what_they_did():
    """fit.start: g begins as so much of the identity where the widths agree."""
    model = Model(spec_of(), ROWS, features(), start={"buy": 3.0})
    assert torch.equal(model.fusion.gates["buy"]["g"].weight, 3.0 * torch.eye(DIM))
    assert (model.fusion.gates["mail"]["z"].bias == 2).all()


def test_every_parameter_learns():
    """A gradient reaches each of them: from x_u all but the heads, the scores' bias and items."""
    for name in ("three layers, band", "none, recbole"):
        spec, model, _, rng = make(name)
        batch = inputs(spec, rng)[1]
        z_VD = model.items.table()
        x_BD = model(batch, z_VD)
        loss = (model.scores(x_BD, z_VD) ** 2).sum()
        for head in ("plain", "biased"):
            loss = loss + (model.head_logits(head, x_BD, z_VD) ** 2).sum()
        for head in ("lapse", "churn"):
            loss = loss + (model.hazard_logits(head, x_BD) ** 2).sum()
        loss.backward()
        for key, p in model.named_parameters():
            assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any(), key


if __name__ == "__main__":
    case.main(__file__)
