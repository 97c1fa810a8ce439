#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Learning from a log of shown items, whose true rewards are known: inverse propensities find the
true ranking behind a biased logging policy, which a plain loss does not; the policy gradient raises
the true expected reward of the softmax policy, for customers of two kinds who want the opposite."""
import math

import train_case as case

import numpy as np
import pytest
import torch

import job_files
from training import data, loop, objectives

U, N, SHOWN = 300, 8, 20
KIND_ITEM = (0, 1)  # what customers of each kind once bought, which tells them apart
MODEL = {"dim": 8, "item": {"bias": True},
         "modalities": [case.modality("buy", case.attention(dim=8, layers=1, heads=1))]}


def reward_of(kinds):
    """True reward of each item per kind of customer: the second wants the first's last."""
    rising = np.linspace(0.05, 0.9, N)
    return np.stack([rising, rising[::-1]])[kinds]


def write_log(folder, seed=3, propensities=True):
    """Two days: the log of the first, and purchases on the second that follow the rewards. The
    logging policy shows most what is worth least to customers of kind 0."""
    rng = np.random.default_rng(seed)
    kind = np.arange(U) % 2
    mu_N = np.exp(-0.55 * np.arange(N))
    mu_N /= mu_N.sum()
    case.write_catalogue(folder / "catalogue.h5", rng, N)
    for day in (case.FIRST, case.SECOND):
        (folder / "snapshots" / day).mkdir(parents=True)
        key = np.array([f"c{u:04d}" for u in range(U)], "S6")
        with job_files.open_file(folder / "snapshots" / day / "customers.h5", "customers") as f:
            f["/customer/key"] = key
            job_files.write_timeline(f, "buy", [[(KIND_ITEM[k], case.DAYS[day] - 9)] for k in kind])
        with job_files.open_file(folder / "snapshots" / day / "labels.h5", "customers") as f:
            f["/customer/key"] = key
            best = [[(int(np.argmax(reward_of(k))), case.DAYS[day] + 9)] for k in kind]
            job_files.write_timeline(f, "purchase", best)
            f["/extra/as_of"] = np.int64(case.DAYS[day])
            item = rng.choice(N, U * SHOWN, p=mu_N)
            happens = rng.random(len(item)) < reward_of(np.repeat(kind, SHOWN))[
                np.arange(len(item)), item]
            f["/extra/log/offset"] = (np.arange(U + 1) * SHOWN).astype(np.uint64)
            f["/extra/log/item"] = item.astype(np.int32)
            f["/extra/log/reward"] = happens.astype(np.float32)
            f["/extra/log/log_propensity"] = np.log(
                mu_N[item] if propensities else np.ones(len(item))).astype(np.float32)
    return folder


def fitted(folder, epochs=40, **keys):
    made = case.assembly(folder, MODEL, objective__type="logged", fit__epochs=epochs,
                         fit__batch=100, fit__rate=0.03, fit__at=3, fit__patience=1000,
                         objective__loss="full_softmax", **keys)
    trainer = loop.Trainer(made)
    before = policy(trainer)
    while trainer.epoch < epochs:  # all epochs, whatever validation says
        for snapshot, customers in trainer.batches():
            trainer.step(snapshot, customers)
        trainer.epoch += 1
    return before, policy(trainer)


@torch.no_grad()
def policy(trainer, temperature=1.0):
    """The softmax policy for a customer of each kind, [2, N]."""
    customers = trainer.data.snapshots[case.FIRST].customers
    x_BD, z_VD = trainer.encode(customers, np.array([0, 1]))
    trainer.model.train()
    return torch.softmax(trainer.model.scores(x_BD, z_VD)[:, 1:] / temperature, dim=1).numpy()


def ranks_of(value):
    return np.argsort(np.argsort(value))


def agreement(found, kind):
    """Spearman's rank correlation with the true rewards."""
    a, b = (ranks_of(v).astype(float) for v in (found[kind], reward_of(kind)))
    return np.corrcoef(a, b)[0, 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_log(tmp_path_factory.mktemp("log"))


def test_inverse_propensities_find_the_ranking(folder, tmp_path):
    weighted = fitted(folder, objective__clip=1000.0)[1]
    naive = fitted(write_log(tmp_path, propensities=False))[1]
    assert agreement(weighted, 0) > 0.95 and agreement(weighted, 1) > 0.95, weighted
    assert agreement(naive, 0) < 0.6, naive
    case.close(weighted, reward_of([0, 1]) / reward_of([0, 1]).sum(1, keepdims=True), 0.06)


def test_policy_gradient_raises_the_reward(folder):
    before, after = fitted(folder, 60, objective__logged="policy_gradient",
                           objective__baseline=0.2, tasks__weighting="fixed")
    value = [(p * reward_of([0, 1])).sum(1) for p in (before, after)]
    assert (value[1] > value[0] + 0.1).all() and (value[1] > 0.75).all(), value


def test_policy_gradient_by_hand():
    """-mean of min(pi / mu, clip) (G - baseline); a clipped ratio gives no gradient."""
    score = torch.tensor([[0.0, 0.0, math.log(2.0)]], requires_grad=True)
    model = type("Scores", (), {"scores": lambda self, x, z: torch.cat(
        [torch.full((1, 1), -9.0), score], dim=1)})()
    logged = (torch.tensor([0, 0]), torch.tensor([3, 1]), torch.tensor([2.0, 1.0]),
              torch.log(torch.tensor([0.25, 0.05])))  # pi: 1/2, 1/4; ratios 2 and 5
    for clip, wanted in ((100.0, -(2 * 1.5 + 5 * 0.5) / 2), (3.0, -(2 * 1.5 + 3 * 0.5) / 2)):
        found = objectives.policy_gradient(model, None, None, logged, 1.0, clip, 0.5)
        assert float(found.detach()) == pytest.approx(wanted, rel=1e-5)
    gradient = torch.autograd.grad(found, score)[0]
    case.close(gradient, [[0.375, 0.375, -0.75]])  # of the first alone: -1.5 / mu pi(3)' / 2
    cold = objectives.policy_gradient(model, None, None, logged, 0.5, 100.0, 0.5)
    assert float(cold.detach()) == pytest.approx(
        -((4 / 6) / 0.25 * 1.5 + (1 / 6) / 0.05 * 0.5) / 2, rel=1e-5)


def test_inverse_propensity():
    weight = objectives.inverse_propensity(torch.log(torch.tensor([0.5, 0.01, 0.2])),
                                           torch.tensor([1.0, 2.0, 0.0]), 10.0)
    case.close(weight, [2, 20, 0])


def test_rows_of_the_log(folder):
    made = case.assembly(folder, MODEL, objective__type="logged")
    labels = made.snapshots[case.FIRST].labels
    row, item, reward, log_propensity = labels.logged(np.array([7, 2]))
    assert row.tolist() == [0] * SHOWN + [1] * SHOWN
    for at, customer in ((slice(0, SHOWN), 7), (slice(SHOWN, None), 2)):
        own = slice(customer * SHOWN, (customer + 1) * SHOWN)
        assert item[at].tolist() == (labels.log["item"][own] + 1).tolist()
        assert reward[at].tolist() == labels.log["reward"][own].tolist()
    assert log_propensity.dtype == torch.float32 and (log_propensity < 0).all()
    labels.log = None
    with pytest.raises(data.DataError, match="/extra/log is not there"):
        labels.logged(np.array([0]))


if __name__ == "__main__":
    case.main(__file__)
