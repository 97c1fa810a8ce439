#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calibration and figures of the trainer: Platt's fit where the answer is known, isotonic
regression by hand and against its formula, expected calibration error, the choice between them, AUC
against all pairs, places in lists, HR and NDCG."""
import math
from types import SimpleNamespace

import train_case as case

import numpy as np
import pytest
import torch

import reference
from training import calibrate, measure, ranks
from training.figures import auc


def sample(rng, n, truth):
    """Logits, and labels whose probability is truth(logit)."""
    logit = rng.normal(-1, 2, n)
    return logit, (rng.random(n) < truth(logit)).astype(np.float64)


# ---- Platt

def test_platt_finds_scale_and_offset():
    logit, label = sample(np.random.default_rng(1), 40000,
                          lambda x: calibrate.sigmoid(0.6 * x - 0.8))
    table = calibrate.fit_platt(logit, label)
    assert table["a"] == pytest.approx(0.6, abs=0.03) and table["b"] == pytest.approx(-0.8,
                                                                                   abs=0.05)


def test_platt_is_the_least_of_its_loss():
    """The gradient of the log loss and its prior is 0 there; the mean prediction is right."""
    logit, label = sample(np.random.default_rng(2), 500, lambda x: 0.2 + 0 * x)
    table = calibrate.fit_platt(logit, label)
    rest = calibrate.apply(table, logit) - label
    assert rest.sum() + table["b"] == pytest.approx(0, abs=1e-8)
    assert (rest * logit).sum() + table["a"] - 1 == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_platt_of_labels_all_alike(label):
    logit = np.linspace(-3, 3, 50)
    table = calibrate.fit_platt(logit, np.full(50, label))
    assert math.isfinite(table["a"]) and math.isfinite(table["b"]) and abs(table["b"]) < 20
    assert np.abs(calibrate.apply(table, logit) - label).mean() < 0.2


def test_platt_of_one_pair_and_of_huge_logits():
    assert all(math.isfinite(calibrate.fit_platt(np.array([0.3]), np.array([1.0]))[k])
               for k in "ab")
    table = calibrate.fit_platt(np.array([-800.0, 900.0, 700.0]), np.array([0.0, 1.0, 0.0]))
    assert all(math.isfinite(table[k]) for k in "ab")


# ---- isotonic

def logits(p):
    return np.log(np.asarray(p) / (1 - np.asarray(p)))


def test_isotonic_by_hand():
    """1 at 0.3 comes before 0 at 0.4: both become 1/2; so do the three ties at 0.6."""
    p = [0.1, 0.2, 0.3, 0.4, 0.6, 0.6, 0.6, 0.9]
    table = calibrate.fit_isotonic(logits(p), np.array([0, 0, 1, 0, 1, 0, 1, 1.0]))
    case.close(table["points"], [[0.1, 0], [0.2, 0], [0.3, 0.5], [0.4, 0.5], [0.6, 2 / 3],
                                 [0.9, 1]], 1e-6)
    case.close(calibrate.apply(table, logits([0.05, 0.15, 0.35, 0.5, 0.95])),
               [0, 0, 0.5, 0.5 + 1 / 12, 1], 1e-6)


def pooled(value, weight):
    """Isotonic regression by its min-max formula, without pooling anything."""
    n = len(value)
    total = np.concatenate([[0], np.cumsum(value * weight)])
    count = np.concatenate([[0], np.cumsum(weight)])
    mean = np.array([[(total[j + 1] - total[i]) / (count[j + 1] - count[i]) if j >= i else np.inf
                      for j in range(n)] for i in range(n)])
    return np.array([max(mean[i, k:].min() for i in range(k + 1)) for k in range(n)])


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_is_the_nearest_rising_line(seed):
    rng = np.random.default_rng(seed)
    p, label = np.round(rng.uniform(0.05, 0.95, 60), 2), rng.integers(0, 2, 60).astype(float)
    before, place, weight = np.unique(p, return_inverse=True, return_counts=True)
    wanted = pooled(np.bincount(place, label) / weight, weight.astype(float))
    found = calibrate.apply(calibrate.fit_isotonic(logits(p), label), logits(before))
    case.close(found, wanted, 1e-5)


def test_isotonic_knots_are_few_and_rise():
    """What the engine asks for: ascending as float32; outputs of hazards stay in [0, 1]."""
    rng = np.random.default_rng(7)
    for scale, n in ((3.0, 50000), (1e-6, 2000), (40.0, 2000)):
        logit = scale * rng.standard_normal(n)
        label = (rng.random(n) < calibrate.sigmoid(logit)).astype(float)
        table = calibrate.fit_isotonic(logit, label)
        before, after = np.array(table["points"]).T
        assert 2 <= len(before) <= calibrate.MAX_KNOTS
        assert (np.diff(before.astype(np.float32)) > 0).all() and (np.diff(after) >= 0).all()
        assert after.min() >= 0 and after.max() <= 1
        fitted = calibrate.apply(table, logit)
        assert fitted.mean() == pytest.approx(label.mean(), abs=0.02)


def test_isotonic_of_labels_all_alike():
    for value in (0.0, 1.0):
        table = calibrate.fit_isotonic(np.zeros(4), np.full(4, value))
        assert len(table["points"]) == 2
        case.close(calibrate.apply(table, np.array([-5.0, 0.0, 5.0])), [value] * 3)


def test_tables_as_the_reference_applies_them():
    logit = np.linspace(-6, 6, 41)
    rng = np.random.default_rng(3)
    label = (rng.random(41) < 0.5).astype(float)
    for kind in ("none", "platt", "isotonic"):
        table = calibrate.fit(kind, logit, label)
        wanted = reference.calibrate({"calibration": table}, logit)
        case.close(calibrate.apply(table, logit), wanted, 1e-12)
    assert calibrate.fit("platt", np.zeros(0), np.zeros(0)) == {"type": "none"}


# ---- expected calibration error, and the choice by it

def test_expected_error():
    rng = np.random.default_rng(4)
    p = rng.random(200000)
    label = (rng.random(len(p)) < p).astype(float)
    assert calibrate.expected_error(p, label) < 0.005
    assert calibrate.expected_error(p / 2, label) == pytest.approx(0.25, abs=0.01)
    by_hand = calibrate.expected_error(np.array([0.1, 0.2, 0.6, 0.7]), np.array([0, 1, 1, 0.0]), 2)
    assert by_hand == pytest.approx((0.35 + 0.15) / 2)
    assert calibrate.expected_error(np.zeros(0), np.zeros(0)) == 0
    assert calibrate.expected_error(np.array([0.3]), np.array([1.0])) == pytest.approx(0.7)


def step(x):
    return np.where(np.abs(x) < 1, 0.2, np.where(x > 1, 0.7, 0.05))


def test_best_takes_the_better():
    """A step, which no Platt scaling follows; a small sample of a logistic curve, which an isotonic
    one learns by heart."""
    logit, label = sample(np.random.default_rng(8), 20000, step)
    assert calibrate.fit("best", logit, label) == calibrate.fit_isotonic(logit, label)
    small = [sample(np.random.default_rng(s), 80, calibrate.sigmoid) for s in range(40)]
    chosen = [calibrate.fit("best", *pair)["type"] for pair in small]
    assert chosen.count("platt") > 20, chosen


def test_calibration_helps():
    """Of logits twice too steep: log loss and error fall, by either table."""
    rng = np.random.default_rng(9)
    fitted_on, measured_on = (sample(rng, 5000, lambda x: calibrate.sigmoid(x / 2 - 1))
                              for _ in range(2))
    for kind in ("platt", "isotonic", "best"):
        logit, label = measured_on
        before = calibrate.sigmoid(logit)
        after = calibrate.apply(calibrate.fit(kind, *fitted_on), logit)
        figures = measure.probability_metrics(before, after, label)
        raw = measure.probability_metrics(before, before, label)
        assert figures["ece_before"] == raw["ece_after"] > 0.1 and figures["ece_after"] < 0.03
        assert figures["log_loss"] < raw["log_loss"]
        assert figures["mean_predicted"] == pytest.approx(figures["observed"], abs=0.02)


# ---- ranking figures

@pytest.mark.parametrize("seed", range(4))
def test_auc_against_all_pairs(seed):
    rng = np.random.default_rng(seed)
    score, label = rng.integers(0, 6, 40).astype(float), rng.integers(0, 2, 40).astype(float)
    on, off = score[label > 0][:, None], score[label == 0][None]
    assert auc(score, label) == pytest.approx(((on > off) + 0.5 * (on == off)).mean())
    assert auc(score, np.ones(40)) is None and auc(score, np.zeros(40)) is None


def scored(bias_V):
    """A model that scores by a bias alone."""
    return SimpleNamespace(scores=lambda x_RD, z_VD: bias_V.expand(len(x_RD), -1).clone())


def test_best_and_places():
    model = scored(torch.tensor([9.0, 1, 3, 2, 0]))
    x_RD, z_VD = torch.zeros(600, 1), torch.zeros(5, 1)
    top = ranks.best(model, x_RD, z_VD, 3)
    assert (top == torch.tensor([2, 3, 1])).all() and top.shape == (600, 3)
    seen = [np.array(rows, int) for rows in ([2], [], [3, 1], *[[]] * 597)]
    assert ranks.best(model, x_RD, z_VD, 2, seen)[:3].tolist() == [[3, 1], [2, 3], [2, 4]]
    place = ranks.places(top, torch.tensor([0, 0, 1, 5]), torch.tensor([2, 4, 1, 3]))
    assert place.tolist() == [0, 3, 2, 1]
    figures = ranks.measures(place, 3)
    assert figures["hr"] == pytest.approx(0.75)
    assert figures["ndcg"] == pytest.approx((1 + 1 / 2 + 1 / math.log2(3)) / 4)


def test_lists_longer_than_the_catalogue():
    """A cut-off beyond the items: every item is in the list, none that is not."""
    model = scored(torch.tensor([9.0, 1, 3, 2, 0]))
    top = ranks.best(model, torch.zeros(2, 1), torch.zeros(5, 1), 10)
    place = ranks.places(top, torch.tensor([0, 1]), torch.tensor([4, 2]))
    assert place.tolist() == [3, 0] and ranks.measures(place, 10)["hr"] == 1
    seen = ranks.best(model, torch.zeros(1, 1), torch.zeros(5, 1), 10, [np.array([4])])
    missed = ranks.places(seen, torch.tensor([0]), torch.tensor([4]))
    assert ranks.measures(missed, 10) == {"hr": 0, "ndcg": 0}


if __name__ == "__main__":
    case.main(__file__)
