#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Regularisers of the trainer: 0 where there is nothing to punish, a value known by hand, a step
down the gradient punishes less; training with the weight on ends with less of the quantity. And
what augmentation does to histories."""
import train_case as case

import numpy as np
import pytest
import torch

from training import loop, regularisers

DIM = 6


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def descends(loss_of, value, rate=0.01):
    """A small step against the gradient lessens the loss, which is above 0."""
    value = value.clone().requires_grad_()
    before = loss_of(value)
    gradient = torch.autograd.grad(before, value)[0]
    assert float(before.detach()) > 0 and torch.isfinite(gradient).all()
    step = rate * value.detach().norm() / gradient.norm().clamp(min=1e-12)
    return float(loss_of(value.detach() - step * gradient)) < float(before.detach())


# ---- each alone

def test_smoothness():
    x_BD = torch.randn(4, DIM, generator=seeded())
    apart = torch.eye(4)
    assert regularisers.smoothness(x_BD, apart) == 0
    same = torch.ones(4, 3)
    assert regularisers.smoothness(x_BD[:1].expand(4, -1) * torch.tensor([[1.0], [2], [3], [9]]),
                                   same) == pytest.approx(0, abs=1e-6)
    pair = torch.tensor([[1.0, 0], [0, 2.0]])  # a right angle: |a - b|^2 = 2
    assert regularisers.smoothness(pair, torch.ones(2, 3)) == pytest.approx(2)
    three = torch.tensor([[1.0, 0], [0, 1], [0, 1]])  # of the first pair's kind, nothing shared
    history = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0]])
    assert regularisers.smoothness(three, history) == pytest.approx(1)  # pairs of cosine 0.7: 2, 0
    counts = torch.randint(0, 3, (4, 5), generator=seeded()).float()
    assert descends(lambda x: regularisers.smoothness(x, counts), x_BD)
    assert regularisers.smoothness(x_BD, torch.zeros(4, 5)) == 0  # nobody has a history


def test_density():
    x_BD = torch.randn(4, DIM, generator=seeded())
    assert regularisers.density(x_BD, x_BD) == 0
    assert regularisers.density(x_BD, torch.zeros(4, DIM)) == pytest.approx(1)
    assert regularisers.density(3 * x_BD, 1.5 * x_BD) == pytest.approx(0.25)
    sparse = x_BD + torch.randn(4, DIM, generator=seeded(2))
    assert descends(lambda x: regularisers.density(x_BD, x), sparse)


def test_norm_band():
    x_BD = torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 2.0]])
    assert regularisers.norm_band(x_BD, 1, 5) == pytest.approx(0, abs=1e-12)
    assert regularisers.norm_band(x_BD, 1.5, 4) == pytest.approx((1 + 0.25) / 3)
    assert descends(lambda x: regularisers.norm_band(x, 2, 4), x_BD)
    zero = torch.zeros(1, 2, requires_grad=True)
    regularisers.norm_band(zero, 1, 2).backward()
    assert torch.isfinite(zero.grad).all()


def test_exposure():
    group = torch.tensor([0, 0, 1, 2, 2])  # 40, 20, 40 % of the items; no item in group 3
    even = torch.zeros(3, 5)
    assert regularisers.exposure(even, group, 4) == pytest.approx(0, abs=1e-12)
    one = torch.full((3, 5), -50.0)
    one[:, 2] = 50
    assert regularisers.exposure(one, group, 4) == pytest.approx(np.var([0, 5, 0]), rel=1e-5)
    score = torch.randn(3, 5, generator=seeded())
    assert descends(lambda s: regularisers.exposure(s, group, 4), score)


def test_margin_floor():
    margin = torch.tensor([1.0, 3.0, 5.0])
    even = torch.zeros(2, 3)
    assert regularisers.margin_floor(even, margin, 3.0) == pytest.approx(0, abs=1e-12)
    assert regularisers.margin_floor(even, margin, 5.0) == pytest.approx(4)
    assert descends(lambda s: regularisers.margin_floor(s, margin, 4.0), even + torch.eye(3)[:2])


# ---- inside training

GATED = {"type": "gated"}


def model(item_bias=True):
    return {"dim": DIM, "item": {"bias": item_bias, "groups": ["department"]}, "fusion": GATED,
            "modalities": [case.modality("buy", case.decay(dim=DIM)),
                           case.modality("mail", case.gru(dim=4, hidden=4))]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return case.write_data(tmp_path_factory.mktemp("data"), seed=21, n_customers=80)


def fitted(folder, **keys):
    keys = {"fit__epochs": 25, "fit__batch": 40, "fit__patience": 100, "fit__rate": 0.02,
            "objective__loss": "full_softmax", "data__groups": ["department"], **keys}
    trainer = loop.Trainer(case.assembly(folder, model(), **keys))
    trainer.fit()
    trainer.model.train(False)
    return trainer


QUANTITIES = {
    "smoothness": {}, "density": {"regularisers__density_drop": 0.6},
    "norm_band": {"regularisers__norm_lo": 0.5, "regularisers__norm_hi": 1.0},
    "exposure": {"regularisers__exposure_group": "department"},
    "margin": {"regularisers__margin_value": "price", "regularisers__margin_floor": 14.0}}


@torch.no_grad()
def quantity(trainer, name):
    """What Trainer.regularise charges all customers for it, with weight 1."""
    snapshot = trainer.data.snapshots[case.FIRST]
    batch = snapshot.customers.batch(snapshot.customers.known(), trainer.spec)
    z_VD = trainer.model.items.table()
    for other in QUANTITIES:
        trainer.config[f"regularisers.{other}"] = float(other == name)
    trainer.config |= {k.replace("__", "."): v for k, v in QUANTITIES[name].items()}
    trainer.generator.manual_seed(5)
    return float(trainer.regularise(batch, trainer.model(batch, z_VD), z_VD))


@pytest.fixture(scope="module")
def free(folder):
    """A model that nothing holds back."""
    return fitted(folder)


@pytest.mark.parametrize("name", QUANTITIES)
def test_training_with_it(folder, free, name):
    weight = 0.05 if name == "margin" else 5.0
    held = fitted(folder, **{f"regularisers__{name}": weight}, **QUANTITIES[name])
    before, after = quantity(free, name), quantity(held, name)
    assert 0 <= after < 0.7 * before, (before, after)


def test_without_weights_nothing_is_charged(folder):
    trainer = loop.Trainer(case.assembly(folder, model(), data__groups=["department"]))
    snapshot = trainer.data.snapshots[case.FIRST]
    _, penalty = trainer.losses(snapshot, snapshot.customers.known())
    assert penalty == 0


def test_histogram(folder):
    """Items of the first timeline of the catalogue, counted; the padding is no item."""
    trainer = loop.Trainer(case.assembly(folder, model(), data__groups=["department"]))
    customers = trainer.data.snapshots[case.FIRST].customers
    rows = np.arange(len(customers.key))
    found = trainer.histogram(customers.batch(rows, trainer.spec), case.N_ITEMS + 1)
    timeline = customers.timeline["buy"]
    for u in rows:
        item = timeline.item[timeline.offset[u]:timeline.offset[u + 1]][-9:]
        assert found[u].tolist() == np.bincount(item, minlength=case.N_ITEMS + 1).tolist()


# ---- augmentation

def events(n_rows=400, n_steps=12):
    length = torch.arange(n_rows) % (n_steps + 1)
    is_event = torch.arange(n_steps) < length[:, None]
    time = torch.arange(n_steps).expand(n_rows, -1) * 10 + 100
    last = (100 + 10 * (length - 1).clamp(min=0))[:, None]
    item = torch.arange(n_rows * n_steps).view(n_rows, n_steps) + 1
    return {"item": torch.where(is_event, item, 0 * item), "length": length,
            "time": torch.where(is_event, time, last), "type": is_event.long() * (item % 3),
            "weight": torch.where(is_event, 1 / (item % 7 + 1.0), torch.tensor(1.0))}


def test_thinned():
    """Events leave, in all columns alike; order and the last event stay; pads are pads."""
    full = events()
    thin = regularisers.thinned(full, 0.4, seeded())
    dropped = total = 0
    for row in range(len(full["length"])):
        n, kept = int(full["length"][row]), int(thin["length"][row])
        item = thin["item"][row][:kept].tolist()
        assert item == sorted(item) and set(item) <= set(full["item"][row][:n].tolist())
        assert kept == 0 if n == 0 else item[-1] == full["item"][row][n - 1]
        at = [full["item"][row].tolist().index(i) for i in item]
        for name in ("time", "type", "weight"):
            assert thin[name][row][:kept].tolist() == full[name][row][at].tolist()
        last = thin["time"][row][max(kept - 1, 0)]
        pads = {"item": 0, "type": 0, "weight": 1, "time": last}
        assert all((thin[name][row][kept:] == pad).all() for name, pad in pads.items())
        dropped, total = dropped + n - kept, total + max(n - 1, 0)
    assert {k: v.shape for k, v in thin.items()} == {k: v.shape for k, v in full.items()}
    assert {k: v.dtype for k, v in thin.items()} == {k: v.dtype for k, v in full.items()}
    assert dropped / total == pytest.approx(0.4, abs=0.03)


def test_event_dropout_of_a_batch(folder):
    trainer = loop.Trainer(case.assembly(folder, model(), data__groups=["department"],
                                         augment__event_dropout=0.5))
    snapshot = trainer.data.snapshots[case.FIRST]
    rows = snapshot.customers.known()
    whole = snapshot.customers.batch(rows, trainer.spec)
    first, second = (trainer.inputs(snapshot, rows)["events"]["buy"]["length"] for _ in range(2))
    full = whole["events"]["buy"]["length"]
    assert (first <= full).all() and 0.5 < float(first.sum() / full.sum()) < 0.75
    assert not torch.equal(first, second) and ((first > 0) == (full > 0)).all()


def test_staleness(folder):
    """A share of the customers is late: their events of the last days are not there yet."""
    trainer = loop.Trainer(case.assembly(folder, model(), data__groups=["department"],
                                         augment__delay_days=60.0, augment__delay_share=0.5))
    snapshot = trainer.data.snapshots[case.FIRST]
    timeline, rows = snapshot.customers.timeline["buy"], snapshot.customers.known()
    n_late = 0
    for _ in range(20):
        batch = trainer.inputs(snapshot, rows)["events"]["buy"]
        for u, row in enumerate(rows):
            own = slice(timeline.offset[row], timeline.offset[row + 1])
            n = int(batch["length"][u])
            end = np.searchsorted(timeline.time[own], batch["time"][u][max(n - 1, 0)], "right")
            item = timeline.item[own][:end if n else 0][-9:]
            assert batch["item"][u][:n].tolist() == item.tolist()
            lost = timeline.time[own][end if n else 0:]
            assert (lost >= case.DAYS[case.FIRST] - 60 * case.DAY_S).all()
            n_late += len(lost) > 0
    assert 0.1 < n_late / (20 * len(rows)) < 0.5
    trainer.config["augment.delay_share"] = 0.0
    whole = snapshot.customers.batch(rows, trainer.spec)["events"]["buy"]
    assert torch.equal(trainer.inputs(snapshot, rows)["events"]["buy"]["item"], whole["item"])


def test_recall_of_the_history(folder):
    """objective.recall: the history's items as further positives, of one weight per customer."""
    trainer = loop.Trainer(case.assembly(folder, model(), data__groups=["department"],
                                         objective__recall=0.25, objective__recall_modality="buy"))
    snapshot = trainer.data.snapshots[case.FIRST]
    rows = snapshot.customers.known()
    label = snapshot.labels.items("purchase", rows)
    row, item, weight = trainer.with_history(snapshot, rows, *label)
    n = len(label[0])
    assert torch.equal(item[:n], label[1]) and (weight[:n] == 1).all()
    timeline = snapshot.customers.timeline["buy"]
    count = np.diff(timeline.offset)[rows]
    total = torch.zeros(len(rows)).index_add(0, row[n:], weight[n:])
    case.close(total, np.where(count > 0, 0.25, 0), 1e-6)
    for u, customer in enumerate(rows[:20]):
        own = timeline.item[timeline.offset[customer]:timeline.offset[customer + 1]]
        assert item[n:][row[n:] == u].tolist() == own.tolist()


if __name__ == "__main__":
    case.main(__file__)
